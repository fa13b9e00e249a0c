/**
 * TUN and TAP devices in memory (Linux Documentation/networking/tuntap.rst): one side is a link for a stack, the other
 * is a program's, which reads and writes raw packets as bytes, as from /dev/net/tun with IFF_NO_PI. What the program
 * reads is what a wire would carry: segmented, checksums complete.
 */
import { CSUM_NONE, type Packet } from '../buf/packet.ts'
import type { PacketPool } from '../buf/pool.ts'
import { type Clock, FunctionTask, Task } from '../sys/clock.ts'
import { EAGAIN, EBADF, EINVAL, ENOBUFS } from '../sys/errno.ts'
import { conform, mustConform } from './gso.ts'
import { F_WIRE, type Link, type Medium } from './link.ts'
import { FRAME_OVERHEAD, LINK_BATCH, LinkStats, PacketQueue } from './queue.ts'

/** Packets waiting for the program, and from it, at most (TUN_READQ_SIZE). */
export const TUN_QUEUE = 500

export interface TunOptions {
  readonly mtu?: number
  readonly queue?: number
}

/** A device of IP packets. `Tap` is the same for Ethernet frames. */
export class Tun extends Task implements Link {
  readonly medium: Medium
  readonly mtu: number
  readonly features: number = F_WIRE
  readonly stats: LinkStats = new LinkStats()
  /** Called by a task of the clock when there is something to read after there was nothing. */
  onReadable: (() => void) | null = null
  readonly #clock: Clock
  readonly #pool: PacketPool
  readonly #limit: number
  /** From the stack to the program. */
  readonly #outgoing = new PacketQueue()
  /** From the program to the stack. */
  readonly #incoming = new PacketQueue()
  readonly #notify: Task
  readonly #enqueue = (packet: Packet): void => {
    this.#put(packet)
  }
  #receive: ((packet: Packet) => void) | undefined
  #closed = false

  /** `pool`: where packets for what the program writes come from. */
  constructor(clock: Clock, pool: PacketPool, options: TunOptions = {}, medium: Medium = 'ip') {
    super()
    this.#clock = clock
    this.#pool = pool
    this.medium = medium
    this.mtu = options.mtu ?? 1500
    this.#limit = options.queue ?? TUN_QUEUE
    this.#notify = new FunctionTask(() => {
      if (this.#outgoing.length > 0) this.onReadable?.()
      return false
    })
  }

  /** Packets that wait to be read. */
  get readable(): number {
    return this.#outgoing.length
  }

  /** Reads one packet into `into`, cut to its size; the bytes, -EAGAIN if there is none, -EBADF once closed. */
  read(into: Uint8Array): number {
    const packet = this.#outgoing.shift()
    if (packet === null) return this.#closed ? -EBADF : -EAGAIN
    const length = Math.min(packet.length, into.length)
    packet.copyTo(into, 0, 0, length)
    packet.release()
    return length
  }

  /** Reads one packet as an array of its own; undefined if there is none. */
  readFrame(): Uint8Array | undefined {
    const packet = this.#outgoing.shift()
    if (packet === null) return undefined
    const bytes = packet.toBytes()
    packet.release()
    return bytes
  }

  /** Writes one packet, copied; its length, -EINVAL if it cannot be one, -ENOBUFS if the device's queue is full. */
  write(frame: Uint8Array): number {
    if (this.#closed) return -EBADF
    const least = this.medium === 'ethernet' ? 14 : 1
    if (frame.length < least || frame.length > this.mtu + FRAME_OVERHEAD) return -EINVAL
    if (this.#incoming.length >= this.#limit) {
      this.stats.rxDropped++
      return -ENOBUFS
    }
    this.#incoming.push(this.#pool.fromBytes(frame))
    if (!this.queued) this.#clock.defer(this)
    return frame.length
  }

  send(packet: Packet): boolean {
    if (!mustConform(packet, this.features)) return this.#put(packet)
    const dropped = this.stats.txDropped
    if (conform(packet, this.features, this.#enqueue) === 0) this.stats.txDropped++
    return this.stats.txDropped === dropped
  }

  #put(packet: Packet): boolean {
    const length = packet.length
    if (this.#closed || this.#outgoing.length >= this.#limit || length > this.mtu + FRAME_OVERHEAD) {
      this.stats.txDropped++
      packet.release()
      return false
    }
    // tun_net_xmit: the program may take its time.
    packet.orphan()
    this.stats.txPackets++
    this.stats.txBytes += length
    this.#outgoing.push(packet)
    if (this.#outgoing.length === 1 && this.onReadable !== null) this.#clock.defer(this.#notify)
    return true
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
  }

  close(): void {
    this.#closed = true
    this.#outgoing.clear()
    this.stats.rxDropped += this.#incoming.clear()
  }

  /** Delivers one batch of what the program wrote. */
  override run(): boolean {
    for (let n = 0; n < LINK_BATCH; n++) {
      const packet = this.#incoming.shift()
      if (packet === null) return false
      const receive = this.#receive
      if (receive === undefined) {
        this.stats.rxDropped++
        packet.release()
        continue
      }
      packet.csum = CSUM_NONE
      this.stats.rxPackets++
      this.stats.rxBytes += packet.length
      receive(packet)
    }
    return this.#incoming.length > 0
  }
}
