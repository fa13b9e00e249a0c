/** What the benchmarks share: two hosts on a cable in real time, samples, rows. */
import { Host } from '../src/host/host.ts'
import { cable } from '../src/link/cable.ts'
import { RealClock } from '../src/platform/clock.ts'
import { Random } from '../src/sys/random.ts'
import { Sysctls } from '../src/sys/sysctl.ts'

/** One line of the result. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly peer: number | null
  /** ours / peer; above 1 is better than the peer for rates, worse for sizes. */
  readonly ratio: number | null
  /** Least and most of the samples. */
  readonly oursRange: readonly [number, number]
  readonly peerRange: readonly [number, number] | null
  /** The least (or, `isSize`, the most) that will do; null: none. */
  readonly bar: number | null
  readonly isSize?: boolean
  readonly note?: string
}

/** How long things take: `--quick` is for CI. */
export interface Pace {
  readonly samples: number
  readonly seconds: number
  readonly warmup: number
  readonly isQuick: boolean
}

export const pace = (isQuick: boolean): Pace =>
  isQuick ? { samples: 5, seconds: 0.2, warmup: 0.3, isQuick } : { samples: 5, seconds: 1, warmup: 1, isQuick }

export const SERVER = '192.0.2.2'
export const PORT = 7

/** Two hosts on a cable, on the real clock. */
export interface Pair {
  readonly clock: RealClock
  readonly client: Host
  readonly server: Host
}

export function makePair(features: number): Pair {
  const clock = new RealClock()
  // The benchmark itself waits for it.
  clock.ref()
  const [a, b] = cable(clock, { features })
  const client = new Host({ name: 'client', clock, random: new Random(1), sysctl: new Sysctls() })
  const server = new Host({ name: 'server', clock, random: new Random(2), sysctl: new Sysctls() })
  client.addInterface('eth0', a, { addresses: ['192.0.2.1/24'] })
  server.addInterface('eth0', b, { addresses: [`${SERVER}/24`] })
  return { clock, client, server }
}

export const seconds = (): number => performance.now() / 1000
export const sleep = (s: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, s * 1000))

/** Growth of `count` per second, `pace.samples` times, after a time to warm up. */
export async function sampleRate(count: () => number, { samples, seconds: duration, warmup }: Pace): Promise<number[]> {
  await sleep(warmup)
  const rates: number[] = []
  for (let i = 0; i < samples; i++) {
    const from = count()
    const begin = seconds()
    await sleep(duration)
    rates.push((count() - from) / (seconds() - begin))
  }
  return rates
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

/** Heap and array buffers after a collection, in bytes. Needs --expose-gc. */
export function memory(): number {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('run with --expose-gc')
  gc()
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
