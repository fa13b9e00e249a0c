/** The page: a host in the page's own thread, its programs in workers that make blocking calls. Tells the server how it went. */
import { AF_UNIX, CallGate, Host, Random, SOCK_STREAM } from '../../src/index.ts'
import { RealClock, Workers } from '../../src/platform/index.ts'

/** What the page has beside the language, as far as needed. */
interface Page {
  readonly crossOriginIsolated: boolean
  readonly navigator: { readonly userAgent: string }
  fetch(url: string, options: { method: string; body: string }): Promise<unknown>
}

const page = globalThis as unknown as Page
const workers = new Workers()
const host = new Host({ clock: new RealClock(), random: new Random(1) })
const gate = new CallGate(host.clock, workers)
const module = new URL('../runtimes/thread-programs.ts', import.meta.url).href

/** Two threads exchange messages over TCP, one making the other. */
async function exchange(): Promise<void> {
  const process = gate.spawn(host, { module, name: 'client', argument: module })
  const code = await process.exited
  if (code !== 0) throw new Error(`exit code ${code}: ${String(process.failure)}`)
}

/** A worker is terminated while it blocks: its process has no descriptors left, and the other end reads the end of the stream. */
async function termination(): Promise<void> {
  const parent = host.createProcess()
  const [one, other] = parent.socketpair(AF_UNIX, SOCK_STREAM)
  const pid = parent.fork(gate.program({ module, name: 'readForever', argument: other }))
  const child = host.processes.get(pid)
  parent.close(other)
  while (child?.sleepers.first === null) await new Promise((resolve) => setTimeout(resolve, 5))
  child?.end(0)
  const n = await parent.read(one, new Uint8Array(1))
  if (n !== 0) throw new Error(`read ${n} bytes instead of the end`)
  await parent.waitpid(pid)
  parent.end(0)
}

async function main(): Promise<string> {
  if (!page.crossOriginIsolated) return 'the page is not isolated'
  for (const check of [exchange, termination]) {
    try {
      await check()
    } catch (error) {
      return `${check.name}: ${String(error)}`
    }
  }
  return 'ok'
}

const began = performance.now()
const result = await main()
await page.fetch('/result', { method: 'POST', body: `${result} ${Math.round(performance.now() - began)}` })
