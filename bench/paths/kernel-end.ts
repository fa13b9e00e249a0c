/** The kernel as an end of a path: a namespace with a TAP device and a program in C that sends and receives by order. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { openTap, type Tap } from '../../src/platform/tap.ts'
import type { Clock } from '../../src/sys/clock.ts'
import { must } from '../must.ts'
import type { End } from './run.ts'

/** Linux's defaults, whatever the machine's are; every connection begins without what others learned of the path. */
const SYSCTLS = [
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv4.tcp_rmem=4096 131072 6291456',
  'net.ipv4.tcp_wmem=4096 16384 4194304',
  'net.ipv4.tcp_no_metrics_save=1',
]

export class KernelEnd implements End {
  readonly link: Tap
  readonly address: string
  readonly #namespace: string
  readonly #bulk: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(namespace: string, address: string, link: Tap, bulk: string) {
    this.#namespace = namespace
    this.address = address
    this.link = link
    this.#bulk = spawn('ip', ['netns', 'exec', namespace, bulk], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#bulk.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }

  /** Makes namespace `name` with a TAP device of that name; `bulk`: the compiled program. */
  static async open(name: string, address: string, clock: Clock, bulk: string): Promise<KernelEnd> {
    must('ip', 'netns', 'add', name)
    const tap = await openTap(name, { clock })
    must('ip', 'link', 'set', 'dev', name, 'netns', name)
    must('ip', 'netns', 'exec', name, 'sysctl', '-qw', ...SYSCTLS)
    must('ip', '-n', name, 'address', 'add', `${address}/16`, 'dev', name)
    must('ip', '-n', name, 'link', 'set', 'dev', name, 'up')
    return new KernelEnd(name, address, tap, bulk)
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.#namespace}: the program has ended`)
    return value
  }

  async receive(port: number, seconds: number): Promise<{ bytes: Promise<number> }> {
    this.#bulk.stdin?.write(`receive ${port} ${seconds}\n`)
    await this.#line()
    return { bytes: this.#line().then(Number) }
  }

  async send(address: string, port: number, congestion: string, seconds: number): Promise<void> {
    this.#bulk.stdin?.write(`send ${address} ${port} ${congestion} ${seconds}\n`)
    await this.#line()
  }

  close(): void {
    this.#bulk.stdin?.end()
    this.link.close()
    spawnSync('ip', ['netns', 'delete', this.#namespace])
  }
}
