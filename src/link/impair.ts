/** A decorator that makes a link as bad as real ones are, and good again: faults can be set at any time, each way. */
import type { Packet } from '../buf/packet.ts'
import type { Clock } from '../sys/clock.ts'
import type { Random } from '../sys/random.ts'
import { Channel } from './impair-channel.ts'
import { Faults, type Impairment, type ImpairReason, type ImpairStats } from './impairment.ts'
import type { Link, Medium } from './link.ts'

/** Faults of what is sent into this end, directly or as `egress`; and of what arrives at it, as `ingress`. */
export interface ImpairOptions extends Impairment {
  readonly egress?: Impairment
  readonly ingress?: Impairment
}

/** `link` with faults; `random` decides about them, so the same seed gives the same ones. */
export function impair(link: Link, options: ImpairOptions, clock: Clock, random: Random): ImpairedLink {
  const impaired = new ImpairedLink(link, clock, random)
  impaired.set(options)
  return impaired
}

export class ImpairedLink implements Link {
  readonly medium: Medium
  readonly mtu: number
  declare readonly mac?: Uint8Array
  readonly features: number
  /** Is shown every packet that is dropped, before it is released. */
  onDrop: ((packet: Packet, reason: ImpairReason, outgoing: boolean) => void) | null = null
  readonly egress: Channel
  readonly ingress: Channel
  readonly #link: Link
  #receive: ((packet: Packet) => void) | undefined

  constructor(link: Link, clock: Clock, random: Random) {
    this.#link = link
    this.medium = link.medium
    this.mtu = link.mtu
    this.features = link.features
    if (link.mac !== undefined) this.mac = link.mac
    const header = link.medium === 'ethernet' ? 14 : 0
    this.egress = new Channel(clock, random.fork(), new Outward(this, link), header)
    this.ingress = new Channel(clock, random.fork(), new Inward(this), header)
  }

  /** Puts these faults in the place of all before. `{}` makes the link what it was without. */
  set(options: ImpairOptions): void {
    const { egress, ingress, ...direct } = options
    if (egress !== undefined && Object.keys(direct).length > 0)
      throw new TypeError(`impair: '${Object.keys(direct)[0]}' stands beside 'egress', which says the same thing`)
    const out = new Faults(egress ?? direct)
    const back = new Faults(ingress ?? {})
    this.egress.set(out)
    this.ingress.set(back)
  }

  /** Counters of both directions. */
  get stats(): { readonly egress: ImpairStats; readonly ingress: ImpairStats } {
    return { egress: this.egress.stats, ingress: this.ingress.stats }
  }

  send(packet: Packet): boolean {
    return this.egress.input(packet)
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
    this.#link.attach(receive === undefined ? undefined : (packet) => this.ingress.input(packet))
  }

  /** A packet came through the faults of the way in. */
  receive(packet: Packet): void {
    if (this.#receive === undefined) packet.release()
    else this.#receive(packet)
  }

  close(): void {
    this.egress.close()
    this.ingress.close()
    this.#link.close()
  }
}

class Outward {
  readonly #owner: ImpairedLink
  readonly #link: Link
  constructor(owner: ImpairedLink, link: Link) {
    this.#owner = owner
    this.#link = link
  }
  into(packet: Packet): boolean {
    return this.#link.send(packet)
  }
  dropped(packet: Packet, reason: ImpairReason): void {
    this.#owner.onDrop?.(packet, reason, true)
  }
}

class Inward {
  readonly #owner: ImpairedLink
  constructor(owner: ImpairedLink) {
    this.#owner = owner
  }
  into(packet: Packet): boolean {
    this.#owner.receive(packet)
    return true
  }
  dropped(packet: Packet, reason: ImpairReason): void {
    this.#owner.onDrop?.(packet, reason, false)
  }
}
