/** One host on the real clock, and threads in workers that run the functions of `programs.ts`. */
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { RealClock } from '../../src/platform/clock.ts'
import { Workers } from '../../src/platform/worker.ts'
import { Random } from '../../src/sys/random.ts'
import { CallGate } from '../../src/thread/gate.ts'
import type { Thread } from '../../src/thread/thread.ts'

export class World {
  readonly clock: RealClock = new RealClock()
  readonly host: Host = new Host({ clock: this.clock, random: new Random(1) })
  readonly workers: Workers = new Workers({ maxIdle: 8 })
  readonly gate: CallGate = new CallGate(this.clock, this.workers)
  /** Functions of this module are run. */
  readonly module: string

  constructor(module: URL) {
    this.module = module.href
  }

  /** Runs a function in a process of its own; its exit code. Throws what it threw. */
  async run(name: string, argument?: unknown): Promise<number> {
    const process = this.spawn(name, argument)
    const code = await process.exited
    if (process.failure !== undefined) throw process.failure
    return code
  }

  spawn(name: string, argument?: unknown): Process {
    return this.gate.spawn(this.host, { module: this.module, name, argument })
  }

  /** A thread of a process without a program. */
  thread(process: Process, name: string, argument?: unknown): Thread {
    return this.gate.createThread(process, { module: this.module, name, argument })
  }

  /** What a thread returned. Throws what it threw. */
  async valueOf(thread: Thread): Promise<unknown> {
    const end = await thread.ended
    if (end.how === 'failed') throw end.error
    return end.how === 'killed' ? 'killed' : end.value
  }

  close(): void {
    for (const process of this.host.processes.values()) process.end(0)
    this.workers.close()
  }
}

/** Waits, on the event loop, until `isSo`: threads are not on our clock. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 5000) throw new Error(`never: ${String(isSo)}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
