/** What one seed of the property test means: hosts, wires and their faults, connections and how programs use them. */
import type { Impairment } from '../../src/link/impairment.ts'
import { Random } from '../../src/sys/random.ts'

/** What one end of a connection does. Sizes in bytes, times in microseconds. */
export interface EndPlan {
  /** Bytes it sends in all. */
  readonly total: number
  readonly writeMax: number
  readonly readMax: number
  /** Chance of a pause after a write or a read, and the longest one. */
  readonly pauseWrite: number
  readonly pauseRead: number
  readonly pauseMax: number
  /** SO_RCVBUF and SO_SNDBUF, 0: left alone. */
  readonly rcvbuf: number
  readonly sndbuf: number
  readonly nodelay: boolean
  readonly cork: boolean
  readonly keepalive: boolean
  /** TCP_USER_TIMEOUT in ms, 0: none. */
  readonly userTimeout: number
  readonly mss: number
  /**
   * How it ends: `half` shuts its side down when all is sent and reads to the end; `wait` reads to the end first, then closes;
   * `close` closes when all is sent, reading nothing more; `early` closes after reading `stopAfter` bytes; `reset` the same
   * with a zero linger time.
   */
  readonly ending: 'half' | 'wait' | 'close' | 'early' | 'reset'
  readonly stopAfter: number
}

export interface ConnectionPlan {
  readonly startAt: number
  readonly client: EndPlan
  readonly server: EndPlan
  /** Both ends connect at the same time, nobody listens. */
  readonly isSimultaneous: boolean
}

/** The wire between two machines. */
export interface WirePlan {
  readonly isOffload: boolean
  readonly mtu: number
  /** Faults of each direction. */
  readonly forth: Impairment
  readonly back: Impairment
}

/** The faults of all wires are replaced by `down` at `from` and put back at `to` (Infinity: never). */
export interface Partition {
  readonly from: number
  readonly to: number
  /** 0: both directions, 1: client to server only, 2: the other way only. */
  readonly way: number
}

export interface Plan {
  readonly seed: number
  /** One wire: a cable. Two: a router between them, or a switch. */
  readonly wires: readonly WirePlan[]
  readonly middle: 'none' | 'router' | 'switch'
  readonly backlog: number
  readonly partitions: readonly Partition[]
  readonly connections: readonly ConnectionPlan[]
  readonly sysctl: Readonly<Record<string, number>>
  /** Nothing is so bad that a connection, once made, may end in an error. */
  readonly isMild: boolean
}

const SECOND = 1e6
const pick = <T>(r: Random, of: readonly T[]): T => of[r.below(of.length)] as T

/** Mostly little, sometimes much: the tail keeps the mean near 40 kB, `heavy` makes it twenty times as long. */
function drawTotal(r: Random, heavy: boolean): number {
  const scale = heavy ? 20 : 1
  const x = r.float()
  if (x < 0.08) return 0
  if (x < 0.3) return 1 + r.below(600)
  if (x < 0.75) return 1 + r.below(20_000)
  if (x < 0.985) return 1 + r.below(120_000 * scale)
  return 1 + r.below(1_000_000 * scale)
}

/** Bytes of one call: one at a time is as likely as a lot, but no transfer takes more than two thousand calls. */
const drawSize = (r: Random, total: number): number => Math.ceil(Math.max(2 ** (r.float() * 16), total / 2000))

/** Faults of one direction. `wild`: bad enough that connections may die. */
function drawFaults(r: Random, wild: boolean): Impairment {
  const f: Record<string, unknown> = {}
  const delayMs = r.chance(0.75) ? r.float() ** 3 * 150 : 0
  if (delayMs > 0) f.delayMs = delayMs
  if (r.chance(0.3)) {
    f.jitterMs = r.float() ** 2 * 40
    f.distribution = pick(r, ['uniform', 'normal', 'pareto'])
    f.unordered = r.chance(0.6)
  }
  if (delayMs > 0 && r.chance(0.25)) {
    f.reorder = r.float() * 0.3
    f.reorderGap = 1 + r.below(5)
  }
  if (r.chance(0.5)) f.loss = r.float() ** 2 * (wild ? 0.5 : 0.12)
  if (r.chance(0.2)) {
    f.burst = {
      enter: r.float() * 0.02,
      leave: (wild ? 0.03 : 0.3) + r.float() * 0.5,
      lossBad: 0.5 + r.float() * 0.5,
    }
  }
  if (r.chance(0.3)) f.duplicate = r.float() * 0.1
  if (r.chance(0.25)) f.corrupt = r.float() * 0.04
  if (r.chance(0.3)) drawRate(r, f)
  if (wild && r.chance(0.15)) f.mtu = 100 + r.below(1400)
  return f as Impairment
}

const intact = (f: Impairment): Impairment => ({ ...f, corrupt: 0 })

/** A rate, and a queue in front of it that is never longer than two seconds. */
function drawRate(r: Random, f: Record<string, unknown>): void {
  const rate = 10 ** (5 + r.float() * 4)
  const packets = Math.max(3, Math.min(1000, Math.floor((2 * rate) / 12_000)))
  f.rate = rate
  f.queuePackets = 3 + r.below(packets)
  if (r.chance(0.3)) f.queueBytes = 5000 + r.below(100_000)
}

function drawEnd(r: Random, isGraceful: boolean, isKept: boolean, heavy: boolean): EndPlan {
  const total = drawTotal(r, heavy)
  const ending = isGraceful ? 'half' : pick(r, ['half', 'half', 'close', 'early', 'reset'] as const)
  const hasPauses = r.chance(0.35)
  return {
    total,
    writeMax: drawSize(r, total),
    readMax: drawSize(r, total),
    pauseWrite: hasPauses ? r.float() ** 2 * 0.5 : 0,
    pauseRead: hasPauses ? r.float() ** 2 * 0.5 : 0,
    pauseMax: 10 ** (3 + r.float() * 3),
    rcvbuf: r.chance(0.3) ? Math.floor(10 ** (3.2 + r.float() * 2.5)) : 0,
    sndbuf: r.chance(0.3) ? Math.floor(10 ** (3.2 + r.float() * 2.5)) : 0,
    nodelay: r.chance(0.3),
    cork: r.chance(0.05),
    keepalive: isKept || r.chance(0.3),
    userTimeout: !isGraceful && r.chance(0.1) ? 1000 + r.below(60_000) : 0,
    mss: r.chance(0.1) ? 88 + r.below(1400) : 0,
    ending,
    stopAfter: r.chance(0.5) ? r.below(2000) : r.below(100_000),
  }
}

function drawConnection(r: Random, isGraceful: boolean, isKept: boolean, heavy: boolean): ConnectionPlan {
  let client = drawEnd(r, isGraceful, isKept, heavy)
  let server = drawEnd(r, isGraceful, isKept, heavy)
  // One end may wait for the other to finish first; two that do would wait for ever.
  if (r.chance(0.3)) {
    if (r.chance(0.5) && server.ending === 'half') client = { ...client, ending: 'wait' }
    else if (client.ending === 'half') server = { ...server, ending: 'wait' }
  }
  return { startAt: r.chance(0.5) ? 0 : r.below(2 * SECOND), client, server, isSimultaneous: r.chance(0.04) }
}

function drawPartitions(r: Random, wild: boolean): Partition[] {
  const list: Partition[] = []
  let at = 0
  while (list.length < 3 && r.chance(list.length === 0 ? 0.25 : 0.3)) {
    const from = at + r.below(10 ** (4 + r.float() * 3.5))
    const length = r.below(10 ** (4 + r.float() * (wild ? 4 : 2.8)))
    const to = wild && r.chance(0.3) ? Infinity : from + length
    list.push({ from, to, way: r.chance(0.6) ? 0 : 1 + r.below(2) })
    if (to === Infinity) break
    at = to
  }
  return list
}

function drawSysctl(r: Random): Record<string, number> {
  const s: Record<string, number> = {}
  if (r.chance(0.15)) s.tcp_sack = 0
  if (r.chance(0.15)) s.tcp_timestamps = 0
  if (r.chance(0.15)) s.tcp_window_scaling = 0
  if (r.chance(0.1)) s.tcp_ecn = 1
  return s
}

/** The same seed gives the same plan, on every machine. */
export function drawPlan(seed: number, heavy: boolean): Plan {
  const r = new Random(seed, 0x70726f70)
  const wild = r.chance(0.35)
  const isGraceful = !wild || r.chance(0.3)
  const middle = r.chance(0.75) ? 'none' : r.chance(0.5) ? 'router' : 'switch'
  const wires: WirePlan[] = []
  const isClean = r.chance(0.08)
  for (let i = middle === 'none' ? 1 : 2; i > 0; i--) {
    const mtu = pick(r, [1500, 1500, 1500, 1500, 576, 9000, 1280, 300, 65_000])
    const symmetric = r.chance(0.5)
    const forth = isClean ? {} : drawFaults(r, wild)
    const back = symmetric || isClean ? forth : drawFaults(r, wild)
    const isOffload = r.chance(0.5)
    // One wire may flip a bit of a packet: two flips, one on each, can leave the Internet checksum as it was.
    const mayCorrupt = wires.length === 0
    wires.push({ isOffload, mtu, forth: mayCorrupt ? forth : intact(forth), back: mayCorrupt ? back : intact(back) })
  }
  const count = r.chance(0.7) ? 1 : 2 + r.below(4)
  const connections: ConnectionPlan[] = []
  for (let i = 0; i < count; i++)
    connections.push(drawConnection(r, isGraceful, wild || !isGraceful, heavy && count === 1))
  return {
    seed,
    wires,
    middle,
    backlog: r.below(6),
    partitions: drawPartitions(r, wild),
    connections,
    sysctl: drawSysctl(r),
    isMild: !wild && isGraceful,
  }
}
