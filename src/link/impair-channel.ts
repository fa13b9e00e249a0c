/**
 * One direction of an impaired wire. A packet goes through, in this order: partition, MTU; with a rate the queue and
 * the serialisation; on the wire loss (by number, by predicate, in bursts, at random), corruption, duplication; then
 * the propagation delay. Serialisation bounds throughput, propagation does not: any number of packets are on their way.
 */
import { CSUM_NONE, CSUM_PARTIAL, type Packet } from '../buf/packet.ts'
import { type Clock, FunctionTimer, type Micros } from '../sys/clock.ts'
import type { Random } from '../sys/random.ts'
import { DelayLine } from './delay-line.ts'
import { completeChecksum, segment } from './gso.ts'
import { Faults, type ImpairReason, ImpairStats } from './impairment.ts'
import { PacketQueue } from './queue.ts'

/** Packets delivered by one timer before others get their turn. */
const BATCH = 256

/** What a channel hands its packets to. */
export interface ChannelEnd {
  /** Takes a packet that came through; ownership passes. */
  into(packet: Packet): boolean
  /** Is shown a packet that is about to be dropped. */
  dropped(packet: Packet, reason: ImpairReason): void
}

export class Channel {
  readonly stats: ImpairStats = new ImpairStats()
  readonly #clock: Clock
  readonly #random: Random
  readonly #end: ChannelEnd
  /** Bytes of link-layer header in front of the IP packet. */
  readonly #linkHeader: number
  #faults = new Faults({})
  /** Packets waiting for the wire; the one being put on it; when its last bit is out, to fractions of a microsecond. */
  readonly #queue = new PacketQueue()
  #sending: Packet | null = null
  #departAt = 0
  readonly #serialised: FunctionTimer
  readonly #line = new DelayLine()
  readonly #arrived: FunctionTimer
  /** When the last packet that keeps the order is due. */
  #lastDue = 0
  #count = 0
  #isBad = false
  #sinceReorder = 0
  readonly #enter = (packet: Packet): void => this.#admit(packet)

  constructor(clock: Clock, random: Random, end: ChannelEnd, linkHeader: number) {
    this.#clock = clock
    this.#random = random
    this.#end = end
    this.#linkHeader = linkHeader
    this.#serialised = new FunctionTimer((now) => this.#putOnWire(now))
    this.#arrived = new FunctionTimer((now) => this.#arrive(now))
  }

  get faults(): Faults {
    return this.#faults
  }

  /** Packets waiting for a wire with a rate, the one being sent included. */
  get queued(): number {
    return this.#queue.length + (this.#sending === null ? 0 : 1)
  }

  /** Packets on the wire. */
  get inFlight(): number {
    return this.#line.length
  }

  /** Puts these faults in the place of all before; packets on their way keep the time they have. */
  set(faults: Faults): void {
    this.#faults = faults
    this.#count = 0
    this.#isBad = false
    this.#sinceReorder = 0
    if (faults.down) this.#lose('impair.down')
    else if (faults.rate === 0) this.#drain()
  }

  /** Ends it: everything is released, nothing fires any more. */
  close(): void {
    this.#lose('impair.down')
    this.#clock.remove(this.#serialised)
    this.#clock.remove(this.#arrived)
  }

  /** Takes a packet; false if the link behind refused it at once. What the wire loses the sender does not learn. */
  input(packet: Packet): boolean {
    if (this.#faults.none && this.#line.length === 0) {
      this.stats.packets++
      this.stats.delivered++
      return this.#end.into(packet)
    }
    // It has left the sender: what waits here waits in the network.
    packet.orphan()
    if (packet.gsoSize === 0 || !this.#faults.cuts) this.#admit(packet)
    else if (segment(packet, this.#enter) === 0) return false
    return true
  }

  #admit(packet: Packet): void {
    const f = this.#faults
    this.stats.packets++
    if (f.down) {
      this.#drop(packet, 'impair.down')
      return
    }
    if (f.mtu > 0 && packet.length - this.#linkHeader > f.mtu) {
      this.#drop(packet, 'impair.mtu')
      return
    }
    const now = this.#clock.now()
    if (f.rate === 0) this.#cross(packet, now)
    else if (this.#sending === null) this.#serialise(packet, Math.max(now, this.#departAt))
    else if (this.#queue.length >= f.queuePackets || this.#queue.bytes + packet.length > f.queueBytes)
      this.#drop(packet, 'impair.queue')
    else this.#queue.push(packet)
  }

  /** Begins to send `packet` at `from`. */
  #serialise(packet: Packet, from: Micros): void {
    this.#sending = packet
    this.#departAt = from + (packet.length * 8e6) / this.#faults.rate
    this.#clock.start(this.#serialised, Math.ceil(this.#departAt))
  }

  /** The last bit of the packet being sent is out; a late timer finds several that are. */
  #putOnWire(now: Micros): void {
    for (let n = 0; n < BATCH; n++) {
      const packet = this.#sending
      if (packet === null) return
      const at = this.#departAt
      if (at > now) {
        this.#clock.start(this.#serialised, Math.ceil(at))
        return
      }
      const next = this.#queue.shift()
      this.#sending = next
      if (next !== null) this.#departAt = at + (next.length * 8e6) / this.#faults.rate
      this.#cross(packet, at)
    }
    if (this.#sending !== null) this.#clock.start(this.#serialised, Math.max(now, Math.ceil(this.#departAt)))
  }

  /** The rate was taken away: what waited for it goes now. */
  #drain(): void {
    this.#clock.stop(this.#serialised)
    const now = this.#clock.now()
    this.#departAt = 0
    let packet = this.#sending
    this.#sending = null
    for (; packet !== null; packet = this.#queue.shift()) this.#cross(packet, now)
  }

  /** `packet` left at `at`: what happens to it on the wire. */
  #cross(packet: Packet, at: Micros): void {
    const f = this.#faults
    this.#count++
    const reason = this.#isLost(f, packet)
    if (reason !== null) {
      this.#drop(packet, reason)
      return
    }
    const random = this.#random
    const crossing = random.chance(f.corrupt) ? this.#corrupt(packet) : packet
    if (random.chance(f.duplicate)) {
      this.stats.duplicated++
      this.#propagate(crossing.clone(), at)
    }
    this.#propagate(crossing, at)
  }

  #isLost(f: Faults, packet: Packet): ImpairReason | null {
    if (f.dropNth?.has(this.#count)) return 'impair.nth'
    if (f.dropIf?.(packet)) return 'impair.predicate'
    if (f.burst !== null) {
      if (this.#random.chance(this.#isBad ? f.burst.leave : f.burst.enter)) this.#isBad = !this.#isBad
      if (this.#random.chance(this.#isBad ? f.lossBad : f.lossGood)) return 'impair.burst'
    }
    return this.#random.chance(f.loss) ? 'impair.loss' : null
  }

  /** Flips one bit in a copy: the sender may send its bytes again. No offload vouches for them, so it can be seen. */
  #corrupt(packet: Packet): Packet {
    if (packet.csum === CSUM_PARTIAL) completeChecksum(packet)
    const length = packet.length
    const p = packet.pool.alloc(packet.start + length)
    packet.copyTo(p.bytes, packet.start, 0, length)
    p.start = packet.start
    p.end = packet.start + length
    p.copyMetadata(packet)
    p.csum = CSUM_NONE
    packet.release()
    const bit = this.#random.below(length * 8)
    const at = p.start + (bit >>> 3)
    p.bytes[at] = (p.bytes[at] as number) ^ (1 << (bit & 7))
    this.stats.corrupted++
    return p
  }

  #propagate(packet: Packet, at: Micros): void {
    const f = this.#faults
    if (f.reorder > 0 && this.#skipsDelay(f)) {
      this.stats.reordered++
      this.#pass(packet)
      return
    }
    let due = Math.ceil(at + f.drawDelay(this.#random))
    if (!f.unordered) {
      due = Math.max(due, this.#lastDue)
      this.#lastDue = due
    }
    if (due <= this.#clock.now() && this.#line.length === 0) this.#pass(packet)
    else if (this.#line.length >= f.inFlightPackets) this.#drop(packet, 'impair.overflow')
    else {
      this.#line.push(packet, due)
      this.#clock.start(this.#arrived, this.#line.nextDue)
    }
  }

  /** netem's rule: with probability `reorder`, once `reorderGap` - 1 packets were delayed since the last time. */
  #skipsDelay(f: Faults): boolean {
    if (this.#sinceReorder < f.reorderGap - 1 || !this.#random.chance(f.reorder)) {
      this.#sinceReorder++
      return false
    }
    this.#sinceReorder = 0
    return true
  }

  #arrive(now: Micros): void {
    for (let n = 0; n < BATCH && this.#line.nextDue <= now; n++) this.#pass(this.#line.shift() as Packet)
    const due = this.#line.nextDue
    if (due < Infinity) this.#clock.start(this.#arrived, due)
  }

  #pass(packet: Packet): void {
    this.stats.delivered++
    packet.time = this.#clock.now()
    this.#end.into(packet)
  }

  #drop(packet: Packet, reason: ImpairReason): void {
    this.stats.count(reason)
    this.#end.dropped(packet, reason)
    packet.release()
  }

  /** Everything that waits or is on its way is lost. */
  #lose(reason: ImpairReason): void {
    this.#clock.stop(this.#serialised)
    this.#clock.stop(this.#arrived)
    if (this.#sending !== null) this.#drop(this.#sending, reason)
    this.#sending = null
    this.#departAt = this.#lastDue = 0
    for (let packet = this.#queue.shift(); packet !== null; packet = this.#queue.shift()) this.#drop(packet, reason)
    for (let packet = this.#line.shift(); packet !== null; packet = this.#line.shift()) this.#drop(packet, reason)
  }
}
