/** A link with something to be done around each packet that passes, either way. */
import type { Packet } from '../buf/packet.ts'
import type { Link, Medium } from '../link/link.ts'

/** Called for a packet that is sent; `pass` sends it on and tells if it was taken. */
export type OnDeparture = (packet: Packet, pass: (packet: Packet) => boolean) => boolean
/** Called for a packet that arrives; `pass` hands it up. */
export type OnArrival = (packet: Packet, pass: (packet: Packet) => void) => void

export class Probe implements Link {
  readonly medium: Medium
  readonly mtu: number
  declare readonly mac?: Uint8Array
  readonly features: number
  readonly #link: Link
  readonly #out: OnDeparture | undefined
  readonly #in: OnArrival | undefined
  readonly #pass = (packet: Packet): boolean => this.#link.send(packet)

  constructor(link: Link, out: OnDeparture | undefined, into: OnArrival | undefined) {
    this.#link = link
    this.#out = out
    this.#in = into
    this.medium = link.medium
    this.mtu = link.mtu
    this.features = link.features
    if (link.mac !== undefined) this.mac = link.mac
  }

  send(packet: Packet): boolean {
    return this.#out === undefined ? this.#link.send(packet) : this.#out(packet, this.#pass)
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    const into = this.#in
    if (into === undefined || receive === undefined) this.#link.attach(receive)
    else this.#link.attach((packet) => into(packet, receive))
  }

  close(): void {
    this.#link.close()
  }
}
