/**
 * A patch cable in memory: two ends, each direction a bounded queue that a task of the clock delivers in batches, so
 * that sending never runs the receiver inside the sender. Linux's veth, with its features; with `F_WIRE` what is seen
 * on it is what a wire would carry.
 */
import { CSUM_NONE, CSUM_PARTIAL, type Packet } from '../buf/packet.ts'
import { type Clock, Task } from '../sys/clock.ts'
import { conform, mustConform } from './gso.ts'
import { F_ALL, F_CSUM, type Link, type Medium } from './link.ts'
import { FRAME_OVERHEAD, LINK_BATCH, LINK_QUEUE, LinkStats, PacketQueue } from './queue.ts'

export interface CableOptions {
  /** `ethernet` unless told otherwise. */
  readonly medium?: Medium
  /** Largest IP packet, 1500 unless told otherwise. */
  readonly mtu?: number
  /** F_… bits, F_ALL unless told otherwise. */
  readonly features?: number
  /** Packets each direction holds at most; LINK_QUEUE unless told otherwise. */
  readonly queue?: number
}

/** A cable between two hosts of one clock. */
export function cable(clock: Clock, options: CableOptions = {}): [CableEnd, CableEnd] {
  const a = new CableEnd(clock, options)
  const b = new CableEnd(clock, options)
  a.join(b)
  return [a, b]
}

/** One end of a cable. It is the task that delivers what was sent into it. */
export class CableEnd extends Task implements Link {
  readonly medium: Medium
  readonly mtu: number
  readonly features: number
  readonly stats: LinkStats = new LinkStats()
  readonly #clock: Clock
  readonly #limit: number
  readonly #queue = new PacketQueue()
  readonly #enqueue = (packet: Packet): void => {
    this.#put(packet)
  }
  #peer: CableEnd | null = null
  #receive: ((packet: Packet) => void) | undefined
  #closed = false

  constructor(clock: Clock, options: CableOptions) {
    super()
    this.#clock = clock
    this.medium = options.medium ?? 'ethernet'
    this.mtu = options.mtu ?? 1500
    this.features = options.features ?? F_ALL
    this.#limit = options.queue ?? LINK_QUEUE
  }

  /** Plugs the other end in; done once, by `cable`. */
  join(peer: CableEnd): void {
    this.#peer = peer
    peer.#peer = this
  }

  send(packet: Packet): boolean {
    if (!mustConform(packet, this.features)) return this.#put(packet)
    const dropped = this.stats.txDropped
    if (conform(packet, this.features, this.#enqueue) === 0) this.stats.txDropped++
    return this.stats.txDropped === dropped
  }

  #put(packet: Packet): boolean {
    const length = packet.length
    if (
      this.#closed ||
      this.#queue.length >= this.#limit ||
      (packet.gsoSize === 0 && length > this.mtu + FRAME_OVERHEAD)
    ) {
      this.stats.txDropped++
      packet.release()
      return false
    }
    this.stats.txPackets++
    this.stats.txBytes += length
    this.#queue.push(packet)
    if (!this.queued) this.#clock.defer(this)
    return true
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
  }

  /** Unplugs: both directions are empty and dead from now on. */
  close(): void {
    this.#cut()
    if (this.#peer !== null) this.#peer.#cut()
  }

  #cut(): void {
    this.#closed = true
    this.stats.txDropped += this.#queue.clear()
  }

  /** Delivers one batch to the other end. */
  override run(): boolean {
    const peer = this.#peer as CableEnd
    const isWire = (this.features & F_CSUM) === 0
    for (let n = 0; n < LINK_BATCH; n++) {
      const packet = this.#queue.shift()
      if (packet === null) return false
      // It has left the sender; nothing of what it knew about the checksum went over a wire.
      packet.orphan()
      if (isWire && packet.csum !== CSUM_PARTIAL) packet.csum = CSUM_NONE
      peer.#deliver(packet)
    }
    return this.#queue.length > 0
  }

  #deliver(packet: Packet): void {
    const receive = this.#receive
    if (receive === undefined) {
      this.stats.rxDropped++
      packet.release()
      return
    }
    this.stats.rxPackets++
    this.stats.rxBytes += packet.length
    receive(packet)
  }
}
