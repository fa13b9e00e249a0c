/**
 * What a hub and a switch have in common: ports that are links, one queue of frames that came in, and a task of the
 * clock that forwards them in batches, so that no sender ever runs a receiver.
 */
import { CSUM_NONE, CSUM_PARTIAL, type Packet } from '../buf/packet.ts'
import { type Clock, Task } from '../sys/clock.ts'
import * as ethernet from '../wire/ethernet.ts'
import { conform, mustConform } from './gso.ts'
import { F_ALL, F_CSUM, type Link, type Medium } from './link.ts'
import { FRAME_OVERHEAD, LINK_BATCH, LINK_QUEUE, LinkStats, PacketQueue } from './queue.ts'

export interface FabricOptions {
  /** Largest IP packet a port takes, 1500 unless told otherwise. */
  readonly mtu?: number
  /** F_… bits of ports that are not given their own; F_ALL unless told otherwise. */
  readonly features?: number
  /** Frames a port may have waiting to be forwarded; LINK_QUEUE unless told otherwise. */
  readonly queue?: number
}

export interface PortOptions {
  readonly mtu?: number
  readonly features?: number
}

/** Ports that a fabric has at most at one time; Linux's bridge has 1024 (BR_MAX_PORTS). */
export const MAX_PORTS = 1024

/** One port: the end of a cable that goes to a host. Its `stats` are the port's own, rx what the host sent. */
export class Port implements Link {
  readonly medium: Medium = 'ethernet'
  readonly mtu: number
  readonly features: number
  readonly index: number
  readonly stats: LinkStats = new LinkStats()
  /** Frames of this port in the fabric's queue. */
  waiting = 0
  closed = false
  readonly #fabric: Fabric
  readonly #enqueue = (packet: Packet): void => {
    this.#put(packet)
  }
  readonly #emit = (packet: Packet): void => this.#give(packet)
  #receive: ((packet: Packet) => void) | undefined

  constructor(fabric: Fabric, index: number, options: Required<PortOptions>) {
    this.#fabric = fabric
    this.index = index
    this.mtu = options.mtu
    this.features = options.features
  }

  send(packet: Packet): boolean {
    if (!mustConform(packet, this.features)) return this.#put(packet)
    const dropped = this.stats.rxDropped
    if (conform(packet, this.features, this.#enqueue) === 0) this.stats.rxDropped++
    return this.stats.rxDropped === dropped
  }

  #put(packet: Packet): boolean {
    const length = packet.length
    const isTooLong = packet.gsoSize === 0 && length > this.mtu + FRAME_OVERHEAD
    if (this.closed || isTooLong || length < ethernet.HDR_LEN || !this.#fabric.enqueue(this, packet)) {
      this.stats.rxDropped++
      packet.release()
      return false
    }
    this.stats.rxPackets++
    this.stats.rxBytes += length
    return true
  }

  /** Sends a frame out of this port, made to fit it. For the fabric. */
  deliver(packet: Packet): void {
    if (!mustConform(packet, this.features)) this.#give(packet)
    else if (conform(packet, this.features, this.#emit) === 0) this.stats.txDropped++
  }

  #give(packet: Packet): void {
    const receive = this.#receive
    const length = packet.length
    if (receive === undefined || (packet.gsoSize === 0 && length > this.mtu + FRAME_OVERHEAD)) {
      this.stats.txDropped++
      packet.release()
      return
    }
    this.stats.txPackets++
    this.stats.txBytes += length
    // Nothing of what the sender knew about the checksum goes over a wire.
    if ((this.features & F_CSUM) === 0 && packet.csum !== CSUM_PARTIAL) packet.csum = CSUM_NONE
    receive(packet)
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
  }

  /** Unplugs the cable; the port is gone. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.#receive = undefined
    this.#fabric.removePort(this)
  }
}

export abstract class Fabric extends Task {
  readonly ports: Port[] = []
  readonly clock: Clock
  readonly #options: FabricOptions
  readonly #limit: number
  readonly #queue = new PacketQueue()
  #nextIndex = 0

  constructor(clock: Clock, options: FabricOptions) {
    super()
    this.clock = clock
    this.#options = options
    this.#limit = options.queue ?? LINK_QUEUE
  }

  /** A new port, to be given to a host as its link. */
  port(options: PortOptions = {}): Port {
    if (this.ports.length >= MAX_PORTS) throw new RangeError(`port: more than ${MAX_PORTS} ports`)
    const mtu = options.mtu ?? this.#options.mtu ?? ethernet.MTU
    const port = new Port(this, this.#nextIndex++, {
      mtu,
      features: options.features ?? this.#options.features ?? F_ALL,
    })
    this.ports.push(port)
    return port
  }

  /** Takes a port's cable out. */
  removePort(port: Port): void {
    const at = this.ports.indexOf(port)
    if (at >= 0) this.ports.splice(at, 1)
  }

  /** Unplugs every port and forgets what waits. */
  close(): void {
    for (const port of [...this.ports]) port.close()
    this.#queue.clear()
  }

  /** Takes a frame that came in by `port`; false if that port has its share of the queue already. */
  enqueue(port: Port, packet: Packet): boolean {
    if (port.waiting >= this.#limit) return false
    port.waiting++
    packet.interface = port
    this.#queue.push(packet)
    if (!this.queued) this.clock.defer(this)
    return true
  }

  override run(): boolean {
    for (let n = 0; n < LINK_BATCH; n++) {
      const packet = this.#queue.shift()
      if (packet === null) return false
      const port = packet.interface as Port
      packet.interface = null
      port.waiting--
      packet.orphan()
      // A header in slices is no header to look at.
      if (port.closed || !packet.pullUp(ethernet.HDR_LEN)) packet.release()
      else this.forward(packet, port)
    }
    return this.#queue.length > 0
  }

  /** Sends `packet`, which came in by `from`, where it belongs. Consumes it. */
  protected abstract forward(packet: Packet, from: Port): void

  /** Sends `packet` out of every port but `from`. */
  protected flood(packet: Packet, from: Port): void {
    let last: Port | null = null
    for (let i = 0; i < this.ports.length; i++) {
      const port = this.ports[i] as Port
      if (port === from) continue
      if (last !== null) last.deliver(packet.clone())
      last = port
    }
    if (last === null) packet.release()
    else last.deliver(packet)
  }
}
