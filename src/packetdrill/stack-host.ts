/** Our stack as the host of a script. */
import { begin } from './calls.ts'
import type { WorldOptions } from './host.ts'
import type { Operation } from './operation.ts'
import type { SystemCall } from './script.ts'
import { Shell } from './shell.ts'
import { type Snapshot, snapshot } from './snapshot.ts'
import { World } from './world.ts'

export class StackHost extends World {
  readonly #shell: Shell

  constructor(options: WorldOptions) {
    super(options)
    this.#shell = new Shell(this)
  }

  begin(call: SystemCall): Operation {
    return begin(this, call)
  }

  shell(text: string): number {
    return this.#shell.run(text)
  }

  snapshot(line: number): Snapshot {
    return snapshot(this, line)
  }
}
