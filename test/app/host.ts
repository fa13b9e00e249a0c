/** Tools run on virtual hosts, for tests. */
import { runTool } from '../../src/app/tool.ts'
import { findTool } from '../../src/app/tools.ts'
import { Terminal } from '../../src/host/files.ts'
import type { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { O_CREAT, O_WRONLY } from '../../src/sock/constants.ts'
import type { VirtualClock } from '../../src/sys/virtual-clock.ts'

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A tool that runs. */
export interface Running {
  readonly process: Process
  /** What it has printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly outcome: Promise<Outcome>
}

/** Starts `line` on `host`; blanks separate its words. */
export function start(host: Host, line: string | readonly string[]): Running {
  const [name = '', ...argv] = typeof line === 'string' ? line.split(' ') : line
  const tool = findTool(name)
  if (tool === undefined) throw new Error(`no tool ${name}`)
  let stdout = ''
  let stderr = ''
  const decoder = new TextDecoder()
  const process = host.createProcess({
    name,
    output: (bytes) => {
      stdout += decoder.decode(bytes)
    },
  })
  const errors = new Terminal((bytes) => {
    stderr += decoder.decode(bytes)
  })
  process.dup2(process.files.add(errors), 2)
  void process.run((self) => runTool(tool, self, argv))
  host.clock.noteWakeup()
  const outcome = process.exited.then((status) => {
    if (process.failure !== undefined) throw process.failure
    return { status, stdout, stderr }
  })
  return { process, stdout: () => stdout, stderr: () => stderr, outcome }
}

/** Runs `line` on `host` to its end in virtual time. */
export async function run(host: Host, line: string | readonly string[]): Promise<Outcome> {
  return await (host.clock as VirtualClock).runUntil(start(host, line).outcome)
}

/** Puts a file into a host's tree. */
export function putFile(host: Host, path: string, bytes: Uint8Array): void {
  const process = host.createProcess()
  const fd = process.open(path, O_WRONLY | O_CREAT, 0o644)
  process.write(fd, bytes)
  process.end(0)
}
