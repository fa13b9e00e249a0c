/**
 * Two threads in workers exchange messages of 64 bytes over a connection of one host, with blocking calls. Counted are messages
 * that were sent and received: one `send` and the `recv` of its bytes.
 */
import { MessageChannel, Worker } from 'node:worker_threads'
import { Host } from '../src/host/host.ts'
import { RealClock } from '../src/platform/clock.ts'
import { Workers } from '../src/platform/worker.ts'
import { AF_INET, AF_UNIX } from '../src/sock/address.ts'
import { Random } from '../src/sys/random.ts'
import { CallGate } from '../src/thread/gate.ts'
import { type Pace, sampleRate, sleep } from './harness.ts'
import { SIZE } from './thread-programs.ts'

/** What the programs of `thread-programs.ts` are given. */
export interface Exchange {
  readonly family: number
  /** One word: messages received, both directions together. */
  readonly count: Int32Array
  /** Wait for the answer to each message (a round trip counts as two messages), or send without waiting. */
  readonly isPingPong: boolean
}

async function ours(pace: Pace, family: number, isPingPong: boolean): Promise<number[]> {
  const clock = new RealClock()
  clock.ref()
  const host = new Host({ clock, random: new Random(1) })
  const gate = new CallGate(clock, new Workers())
  const count = new Int32Array(new SharedArrayBuffer(4))
  const module = new URL('./thread-programs.ts', import.meta.url).href
  const argument: Exchange = { family, count, isPingPong }
  gate.spawn(host, { module, name: 'receiver', argument })
  gate.spawn(host, { module, name: 'sender', argument })
  while (count[0] === 0) await sleep(0.05)
  return await sampleRate(() => (count[0] as number) >>> 0, pace)
}

export const threadsStreamed = (pace: Pace): Promise<number[]> => ours(pace, AF_INET, false)
export const threadsPingPong = (pace: Pace): Promise<number[]> => ours(pace, AF_INET, true)
export const threadsLocal = (pace: Pace): Promise<number[]> => ours(pace, AF_UNIX, false)

/** Two workers, a MessageChannel between them, 64 bytes a message. */
export async function threadsPeer(pace: Pace, isPingPong: boolean): Promise<number[]> {
  const { port1, port2 } = new MessageChannel()
  const count = new Int32Array(new SharedArrayBuffer(4))
  const program = `
    const { workerData: { port, count, isSender, isPingPong } } = require('node:worker_threads')
    const bytes = new Uint8Array(${SIZE})
    port.on('message', () => {
      count[0]++
      if (isPingPong) port.postMessage(bytes)
    })
    const burst = () => {
      for (let i = 0; i < 100; i++) port.postMessage(bytes)
      setImmediate(burst)
    }
    if (isSender) isPingPong ? port.postMessage(bytes) : burst()`
  const start = (port: typeof port1, isSender: boolean): Worker =>
    new Worker(program, { eval: true, workerData: { port, count, isSender, isPingPong }, transferList: [port] })
  start(port1, false)
  start(port2, true)
  return await sampleRate(() => (count[0] as number) >>> 0, pace)
}
