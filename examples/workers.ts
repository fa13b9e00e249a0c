/** What the examples with programs in workers share: two hosts on the real clock, and a gate for the threads. */
import { Host } from '../src/host/host.ts'
import type { Process } from '../src/host/process.ts'
import { cable } from '../src/link/cable.ts'
import { RealClock } from '../src/platform/clock.ts'
import { Workers } from '../src/platform/worker.ts'
import { Random } from '../src/sys/random.ts'
import { CallGate } from '../src/thread/gate.ts'
import { endlessClient } from './thread-server/client.ts'

export const SERVER = '192.0.2.2'
/** Lines each client sends at least, and seconds between them. */
const LINES = 3
const SECONDS = 0.1

/** Hosts `client` and `server` on a cable; programs in workers run through `gate`. `workers.close()` when all is done. */
export function workerStage(): { client: Host; server: Host; gate: CallGate; workers: Workers } {
  const clock = new RealClock()
  const [a, b] = cable(clock)
  const client = new Host({ name: 'client', clock, random: new Random(1) })
  client.addInterface('eth0', a, { addresses: ['192.0.2.1/24'] })
  const server = new Host({ name: 'server', clock, random: new Random(2) })
  server.addInterface('eth0', b, { addresses: [`${SERVER}/24`] })
  const workers = new Workers()
  return { client, server, gate: new CallGate(clock, workers), workers }
}

/** Starts the function `server` that the module `server` beside `base` exports; resolves when it says that it is listening. */
export async function startServer(gate: CallGate, host: Host, base: string, argument: object): Promise<Process> {
  let listening = (): void => {}
  const heard = new Promise<void>((resolve) => {
    listening = resolve
  })
  const output = (bytes: Uint8Array): void => {
    const line = new TextDecoder().decode(bytes)
    process.stdout.write(line)
    if (line.includes('listening')) listening()
  }
  // As TypeScript or compiled, as the caller is.
  const module = new URL(`./server${base.slice(base.lastIndexOf('.'))}`, base).href
  const serving = gate.spawn(host, { module, name: 'server', argument }, { output })
  await Promise.race([heard, serving.exited])
  if (serving.failure !== undefined) throw serving.failure
  return serving
}

/** Clients that stay until `together` of them have been served, and then a little longer; what became of them. */
export async function runClients(host: Host, port: number, count: number, together: number): Promise<Outcome> {
  let served = 0
  let atOnce = 0
  let most = 0
  const isEnough = (lines: number): boolean => {
    if (lines === 1) {
      served++
      most = Math.max(most, ++atOnce)
    }
    const isLast = lines >= LINES && served >= together
    if (isLast) atOnce--
    return isLast
  }
  const client = endlessClient({ address: SERVER, port, seconds: SECONDS, isEnough })
  const codes = await Promise.all(Array.from({ length: count }, () => host.spawn(client).exited))
  return { most, right: codes.filter((code) => code === 0).length }
}

export interface Outcome {
  /** Most clients that were served at the same time. */
  readonly most: number
  /** Clients that read every byte right. */
  readonly right: number
}
