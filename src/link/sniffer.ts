/** A tap in a link: a listener sees every packet that passes, both ways, and may copy it; the link does not notice. */
import type { Packet } from '../buf/packet.ts'
import type { Link, Medium } from './link.ts'
import { DIRECTION_IN, DIRECTION_OUT, type PacketWriter } from './pcap.ts'

/** Told of a packet that passes; it is lent for the length of the call. `outgoing`: sent into this end. */
export type SniffListener = (packet: Packet, outgoing: boolean) => void

/** `link` with a listener in it. What the link refuses was seen all the same, as by a tap before a device's queue. */
export function sniff(link: Link, listener: SniffListener): Link {
  return new Sniffer(link, listener)
}

/** `link` with every packet that passes written to a capture, as interface `name`. */
export function capture(link: Link, writer: PacketWriter, name?: string): Link {
  const id = writer.addInterface(link.medium, name)
  return new Sniffer(link, (packet, outgoing) => writer.write(id, packet, outgoing ? DIRECTION_OUT : DIRECTION_IN))
}

class Sniffer implements Link {
  readonly medium: Medium
  readonly mtu: number
  declare readonly mac?: Uint8Array
  readonly features: number
  readonly #link: Link
  readonly #listener: SniffListener

  constructor(link: Link, listener: SniffListener) {
    this.#link = link
    this.#listener = listener
    this.medium = link.medium
    this.mtu = link.mtu
    this.features = link.features
    if (link.mac !== undefined) this.mac = link.mac
  }

  send(packet: Packet): boolean {
    this.#listener(packet, true)
    return this.#link.send(packet)
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    if (receive === undefined) {
      this.#link.attach(undefined)
      return
    }
    this.#link.attach((packet) => {
      this.#listener(packet, false)
      receive(packet)
    })
  }

  close(): void {
    this.#link.close()
  }
}
