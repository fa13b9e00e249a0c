/** The link of `lo`: what is sent arrives at the same end, by a task of the clock (Linux drivers/net/loopback.c). */
import type { Packet } from '../buf/packet.ts'
import { type Clock, Task } from '../sys/clock.ts'
import { F_ALL, type Link, type Medium } from './link.ts'
import { LINK_BATCH, LINK_QUEUE, LinkStats, PacketQueue } from './queue.ts'

/** Linux's MTU of `lo`. */
export const LOOPBACK_MTU = 65536

export interface LoopbackOptions {
  readonly mtu?: number
  readonly features?: number
  /** Packets held for delivery at most; LINK_QUEUE unless told otherwise. */
  readonly queue?: number
}

export class Loopback extends Task implements Link {
  readonly medium: Medium = 'ip'
  readonly mtu: number
  readonly features: number
  readonly stats: LinkStats = new LinkStats()
  readonly #clock: Clock
  readonly #limit: number
  readonly #queue = new PacketQueue()
  #receive: ((packet: Packet) => void) | undefined
  #closed = false

  constructor(clock: Clock, options: LoopbackOptions = {}) {
    super()
    this.#clock = clock
    this.mtu = options.mtu ?? LOOPBACK_MTU
    this.features = options.features ?? F_ALL
    this.#limit = options.queue ?? LINK_QUEUE
  }

  send(packet: Packet): boolean {
    if (this.#closed || this.#queue.length >= this.#limit) {
      this.stats.txDropped++
      packet.release()
      return false
    }
    this.stats.txPackets++
    this.stats.txBytes += packet.length
    this.#queue.push(packet)
    if (!this.queued) this.#clock.defer(this)
    return true
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
  }

  close(): void {
    this.#closed = true
    this.stats.txDropped += this.#queue.clear()
  }

  override run(): boolean {
    for (let n = 0; n < LINK_BATCH; n++) {
      const packet = this.#queue.shift()
      if (packet === null) return false
      packet.orphan()
      const receive = this.#receive
      if (receive === undefined) {
        this.stats.rxDropped++
        packet.release()
        continue
      }
      this.stats.rxPackets++
      this.stats.rxBytes += packet.length
      receive(packet)
    }
    return this.#queue.length > 0
  }
}
