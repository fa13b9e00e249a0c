/**
 * What can be wrong with a wire, in one direction: the options, their checks and the numbers the packet path reads.
 * Names and meaning are those of Linux's netem (tc-netem(8)) where it has them.
 */
import type { Packet } from '../buf/packet.ts'
import type { Random } from '../sys/random.ts'

/** How a packet's delay spreads around the mean, `jitterMs` wide; never below zero. */
export type Distribution =
  /** No spread: `jitterMs` is not looked at. */
  | 'constant'
  /** Evenly within delay ± jitter. */
  | 'uniform'
  /** Gaussian; jitter is the standard deviation. */
  | 'normal'
  /** Pareto of shape 4, shifted to mean 0; jitter is the standard deviation, nothing is 0.71 of it too early. */
  | 'pareto'

/** Losses in bursts: the Gilbert-Elliott model, a state that changes with every packet (tc-netem(8) gemodel). */
export interface BurstLoss {
  /** Probability that a packet takes the wire from good to bad. */
  readonly enter: number
  /** Probability that a packet takes it back. */
  readonly leave: number
  /** Probability of loss while bad, 1 unless told otherwise, and while good, 0. */
  readonly lossBad?: number
  readonly lossGood?: number
}

/** Faults of one direction. Nothing given, nothing wrong; probabilities are from 0 to 1. */
export interface Impairment {
  /** Propagation delay in milliseconds; it does not change throughput. */
  readonly delayMs?: number
  /** Width of the delay's distribution in milliseconds. */
  readonly jitterMs?: number
  /** `uniform` when there is jitter, unless told otherwise. */
  readonly distribution?: Distribution
  /** Jitter may let a packet overtake another; without it packets wait for those before them. */
  readonly unordered?: boolean
  /** Probability that a packet skips the delay, overtaking all that are on their way. Needs a delay. */
  readonly reorder?: number
  /** Only every so-many-th packet may do so, 1 unless told otherwise. */
  readonly reorderGap?: number
  /** Probability that a packet is lost. */
  readonly loss?: number
  readonly burst?: BurstLoss
  /** Packets to lose by their number, counted from 1 since this was set. */
  readonly dropNth?: readonly number[]
  /** Loses the packets for which it holds. The packet is lent, and whole at its link-layer header. */
  readonly dropIf?: (packet: Packet) => boolean
  /** Probability that a packet comes twice. */
  readonly duplicate?: number
  /** Probability that one bit of a packet is flipped. */
  readonly corrupt?: number
  /** Bits per second the wire takes, link-layer headers counted; 0: no limit. */
  readonly rate?: number
  /** Packets that may wait for a wire with a rate, 1000 unless told otherwise (netem's limit), and bytes. */
  readonly queuePackets?: number
  readonly queueBytes?: number
  /** Packets that may be on their way at once, MAX_IN_FLIGHT unless told otherwise: a bound on memory, not a fault. */
  readonly inFlightPackets?: number
  /** Longest IP packet the wire takes; longer ones vanish, nobody is told (a black hole). 0: no limit. */
  readonly mtu?: number
  /** Nothing gets through; what was on its way is lost. */
  readonly down?: boolean
  /** Faults act on wire packets: what is longer is cut up first. True unless told otherwise. */
  readonly perSegment?: boolean
}

/** Why an impaired link dropped a packet. */
export type ImpairReason =
  | 'impair.down'
  | 'impair.mtu'
  | 'impair.queue'
  | 'impair.nth'
  | 'impair.predicate'
  | 'impair.burst'
  | 'impair.loss'
  | 'impair.overflow'

/** Packets on their way at once, at most, unless told otherwise: 3 Gbit/s of MTU 1500 over a second of delay. */
export const MAX_IN_FLIGHT = 262_144

/** Packets that wait for a wire with a rate, at most, unless told otherwise: netem's default limit. */
export const DEFAULT_QUEUE_PACKETS = 1000

const DISTRIBUTIONS: readonly string[] = ['constant', 'uniform', 'normal', 'pareto']

/** An `Impairment`, checked, with every field there: what the packet path reads. */
export class Faults {
  readonly delay: number
  readonly jitter: number
  readonly distribution: Distribution
  readonly unordered: boolean
  readonly reorder: number
  readonly reorderGap: number
  readonly loss: number
  readonly burst: BurstLoss | null
  readonly lossBad: number
  readonly lossGood: number
  readonly dropNth: ReadonlySet<number> | null
  readonly dropIf: ((packet: Packet) => boolean) | null
  readonly duplicate: number
  readonly corrupt: number
  readonly rate: number
  readonly queuePackets: number
  readonly queueBytes: number
  readonly inFlightPackets: number
  readonly mtu: number
  readonly down: boolean
  /** Something acts on single wire packets and long ones are to be cut up. */
  readonly cuts: boolean
  /** There is nothing wrong at all. */
  readonly none: boolean

  /** Throws RangeError that names what is wrong with `options`. */
  constructor(options: Impairment) {
    this.delay = within('delayMs', options.delayMs ?? 0, 0, MAX_DELAY_MS) * 1000
    this.jitter = within('jitterMs', options.jitterMs ?? 0, 0, MAX_DELAY_MS) * 1000
    this.distribution = options.distribution ?? (this.jitter > 0 ? 'uniform' : 'constant')
    if (!DISTRIBUTIONS.includes(this.distribution))
      throw new RangeError(`impair: distribution '${this.distribution}' is none of ${DISTRIBUTIONS.join(', ')}`)
    this.unordered = options.unordered ?? false
    this.reorder = probability('reorder', options.reorder)
    this.reorderGap = within('reorderGap', options.reorderGap ?? 1, 1, 2 ** 31)
    if (this.reorder > 0 && this.delay === 0) throw new RangeError('impair: reorder needs a delay to skip (delayMs)')
    this.loss = probability('loss', options.loss)
    this.burst = options.burst ?? null
    probability('burst.enter', options.burst?.enter)
    probability('burst.leave', options.burst?.leave)
    this.lossBad = probability('burst.lossBad', options.burst?.lossBad ?? 1)
    this.lossGood = probability('burst.lossGood', options.burst?.lossGood)
    this.dropNth = options.dropNth === undefined || options.dropNth.length === 0 ? null : new Set(options.dropNth)
    this.dropIf = options.dropIf ?? null
    this.duplicate = probability('duplicate', options.duplicate)
    this.corrupt = probability('corrupt', options.corrupt)
    this.rate = within('rate', options.rate ?? 0, 0, 1e15)
    this.queuePackets = within('queuePackets', options.queuePackets ?? DEFAULT_QUEUE_PACKETS, 0, 2 ** 31)
    this.queueBytes = within('queueBytes', options.queueBytes ?? 2 ** 40, 0, 2 ** 40)
    this.inFlightPackets = within('inFlightPackets', options.inFlightPackets ?? MAX_IN_FLIGHT, 1, 2 ** 31)
    this.mtu = within('mtu', options.mtu ?? 0, 0, 2 ** 31)
    this.down = options.down ?? false
    const perWire = this.#actsPerPacket()
    this.cuts = perWire && (options.perSegment ?? true)
    this.none = !perWire && !this.down && this.delay === 0 && this.jitter === 0
  }

  #actsPerPacket(): boolean {
    const chances = this.reorder + this.loss + this.duplicate + this.corrupt
    const jitters = this.jitter > 0 && this.distribution !== 'constant'
    const drops = this.burst !== null || this.dropNth !== null || this.dropIf !== null || this.mtu > 0
    return chances > 0 || jitters || drops || this.rate > 0
  }

  /** One packet's propagation delay in microseconds. */
  drawDelay(random: Random): number {
    if (this.jitter === 0 || this.distribution === 'constant') return this.delay
    return Math.max(0, this.delay + this.jitter * deviate(this.distribution, random))
  }
}

/** An hour: longer is a mistake in the unit. */
const MAX_DELAY_MS = 3_600_000

/**
 * A number drawn around 0: evenly in ±1 (uniform), else with standard deviation 1. Only operations whose result IEEE 754
 * fixes: logarithms, cosines and powers differ between engines, and the same seed must give the same packets on all.
 */
function deviate(distribution: Distribution, random: Random): number {
  if (distribution === 'uniform') return 2 * random.float() - 1
  if (distribution === 'normal') {
    // Twelve uniform numbers: mean 6, variance 1 (Irwin and Hall); within 6 standard deviations.
    let sum = -6
    for (let i = 0; i < 12; i++) sum += random.float()
    return sum
  }
  // Pareto of shape 4, u^(-1/4) by square roots; 1 - u is never 0, so it is finite.
  const u = 1 - random.float()
  return (1 / Math.sqrt(Math.sqrt(u)) - PARETO_MEAN) / PARETO_DEVIATION
}

/** shape / (shape - 1), and sqrt(shape / ((shape - 1)^2 (shape - 2))), for shape 4. */
const PARETO_MEAN: number = 4 / 3
const PARETO_DEVIATION: number = Math.sqrt(2) / 3

function within(name: string, value: number, least: number, most: number): number {
  if (!(value >= least && value <= most))
    throw new RangeError(`impair: ${name} ${value} is not from ${least} to ${most}`)
  return value
}

const probability = (name: string, value: number | undefined): number => within(name, value ?? 0, 0, 1)

/** What an impaired direction did, counted in wire packets where it cuts long ones up. */
export class ImpairStats {
  /** Packets that came in, and that went on to the other side (copies included). */
  packets = 0
  delivered = 0
  /** Drops by reason. */
  down = 0
  mtu = 0
  queue = 0
  nth = 0
  predicate = 0
  burst = 0
  loss = 0
  overflow = 0
  /** Faults that are not drops. */
  duplicated = 0
  corrupted = 0
  reordered = 0

  get dropped(): number {
    const chance = this.loss + this.burst + this.nth + this.predicate
    return chance + this.down + this.mtu + this.queue + this.overflow
  }

  /** Counts one drop. */
  count(reason: ImpairReason): void {
    switch (reason) {
      case 'impair.down':
        this.down++
        return
      case 'impair.mtu':
        this.mtu++
        return
      case 'impair.queue':
        this.queue++
        return
      case 'impair.nth':
        this.nth++
        return
      case 'impair.predicate':
        this.predicate++
        return
      case 'impair.burst':
        this.burst++
        return
      case 'impair.loss':
        this.loss++
        return
      case 'impair.overflow':
        this.overflow++
    }
  }
}
