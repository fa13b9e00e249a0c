/** A tool started from outside a host: its process, with descriptors 0, 1 and 2 in the hands of whoever started it. */
import { Terminal } from '../host/files.ts'
import type { Host } from '../host/host.ts'
import type { Process } from '../host/process.ts'
import { SIGINT } from '../socket/signal-constants.ts'
import { runTool, ToolError } from './tool.ts'
import { findTool } from './tools.ts'

/** Where a tool's output goes. */
export interface Output {
  readonly out: (bytes: Uint8Array) => void
  readonly err: (bytes: Uint8Array) => void
}

export class Session {
  readonly process: Process
  /** The end of the pipe that is the tool's descriptor 0, kept in its process. */
  #input: number
  /** Input that the pipe had no room for. */
  #waiting: Promise<unknown> = Promise.resolve()

  /** Starts tool `name` on `host`. A ToolError tells that there is none. */
  constructor(host: Host, name: string, argv: readonly string[], output: Output) {
    const tool = findTool(name)
    if (tool === undefined) throw new ToolError(`${name}: command not found`, 127)
    const process = host.createProcess({ name, output: output.out })
    this.process = process
    const [reading, writing] = process.pipe()
    process.dup2(reading, 0)
    void process.close(reading)
    this.#input = writing
    const errors = process.files.add(new Terminal(output.err))
    process.dup2(errors, 2)
    void process.close(errors)
    void process.run((self) => runTool(tool, self, argv))
    host.clock.noteWakeup()
  }

  /** Settles with the exit status. */
  get exited(): Promise<number> {
    return this.process.exited
  }

  /** Gives bytes to descriptor 0, after those given before; settles when there is room for more. */
  write(bytes: Uint8Array): Promise<unknown> {
    return this.#later(() => this.process.write(this.#input, bytes))
  }

  /** The end of descriptor 0. */
  end(): void {
    void this.#later(() => this.process.close(this.#input))
  }

  /** Ctrl-C. */
  interrupt(): void {
    if (!this.process.isOver) void this.process.kill(this.process.pid, SIGINT)
  }

  #later(call: () => unknown): Promise<unknown> {
    const done = this.#waiting.then(async () => {
      if (!this.process.isOver) await Promise.race([call(), this.process.exited])
    })
    // A tool that ended, or closed its input, takes no more.
    this.#waiting = done.catch(() => {})
    return this.#waiting
  }
}
