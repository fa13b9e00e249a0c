/** A process that plays scripts at the kernel one after the other: a line of JSON with what to play in, one with the report out. */
import { readFileSync, readSync, writeSync } from 'node:fs'
import { type Report, runScript, type Variant } from '../../src/packetdrill/index.ts'
import { KernelHost } from './kernel-host.ts'
import { Machine } from './kernel-machine.ts'

export interface Job {
  readonly path: string
  readonly variant: Variant
  readonly leastTolerance: number
}

export interface Answer {
  readonly report: Report
  /** The most that the harness was late, in microseconds. */
  readonly late: number
  /** A call still sleeps: the process is of no more use. */
  readonly isStuck: boolean
}

function play(machine: Machine, { path, variant, leastTolerance }: Job): Answer {
  const hosts: KernelHost[] = []
  const source = readFileSync(path, 'latin1')
  const report = runScript(path, source, variant, false, {
    leastTolerance,
    host: (options) => {
      const host = new KernelHost(
        options,
        machine,
        variant === 'ipv4-mapped-ipv6',
        source.includes('common/defaults.sh'),
      )
      hosts.push(host)
      return host
    },
  })
  const [host] = hosts
  host?.close()
  return { report, late: host?.late ?? 0, isStuck: !machine.isIdle }
}

function* lines(): Generator<string> {
  const bytes = Buffer.alloc(65536)
  for (let text = ''; ; ) {
    const n = readSync(0, bytes)
    if (n === 0) return
    text += bytes.toString('utf8', 0, n)
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      yield text.slice(0, end)
      text = text.slice(end + 1)
    }
  }
}

const machine = new Machine()
await machine.started()
for (const line of lines()) writeSync(1, `${JSON.stringify(play(machine, JSON.parse(line) as Job))}\n`)
process.kill(process.pid, 'SIGKILL')
