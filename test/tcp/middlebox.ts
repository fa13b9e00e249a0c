/** A link with a router behind it that marks congestion, and may meddle with the SYNs that come in. */
import type { Packet } from '../../src/buf/packet.ts'
import type { Link, Medium } from '../../src/link/link.ts'
import type { Random } from '../../src/sys/random.ts'
import { get16, put16 } from '../../src/wire/bytes.ts'
import * as checksum from '../../src/wire/checksum.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'

export class Middlebox implements Link {
  readonly medium: Medium
  readonly mtu: number
  readonly features: number
  declare readonly mac?: Uint8Array
  readonly #link: Link
  readonly #random: Random
  readonly #chance: number
  /** A SYN that comes in asking for RFC 3168 asks for AccECN behind it. */
  asksForMore = false
  /** Wire packets marked on their way out, and in. */
  markedOut = 0
  markedIn = 0

  /** `chance`: that a packet which may be marked is. */
  constructor(link: Link, random: Random, chance: number) {
    this.#link = link
    this.#random = random
    this.#chance = chance
    this.medium = link.medium
    this.mtu = link.mtu
    this.features = link.features
    if (link.mac !== undefined) this.mac = link.mac
  }

  send(packet: Packet): boolean {
    if (this.#mark(packet)) this.markedOut += Math.max(1, packet.gsoSegments)
    return this.#link.send(packet)
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    const pass = (packet: Packet): void => {
      if (this.#mark(packet)) this.markedIn += Math.max(1, packet.gsoSegments)
      if (this.asksForMore) this.#meddle(packet)
      receive?.(packet)
    }
    this.#link.attach(receive === undefined ? undefined : pass)
  }

  close(): void {
    this.#link.close()
  }

  /** Where the IPv4 header is, -1: there is none. */
  #ip(packet: Packet): number {
    const at = packet.start + (this.medium === 'ethernet' ? 14 : 0)
    return packet.bytes[at] === 0x45 && (this.medium === 'ip' || get16(packet.bytes, at - 2) === 0x800) ? at : -1
  }

  #mark(packet: Packet): boolean {
    packet.unshare()
    const at = this.#ip(packet)
    const b = packet.bytes
    if (at < 0 || (ipv4.tos(b, at) & 3) === 0 || !this.#random.chance(this.#chance)) return false
    const old = get16(b, at)
    put16(b, at, old | 3)
    ipv4.setChecksumField(b, at, checksum.update16(ipv4.checksumField(b, at), old, old | 3))
    return true
  }

  #meddle(packet: Packet): void {
    const at = this.#ip(packet)
    const b = packet.bytes
    const l4 = at + ipv4.HDR_LEN
    if (at < 0 || ipv4.protocol(b, at) !== 6 || (tcp.flags(b, l4) & ~tcp.PSH) !== (tcp.SYN | tcp.ECE | tcp.CWR)) return
    const old = get16(b, l4 + 12)
    put16(b, l4 + 12, old | tcp.AE)
    tcp.setChecksumField(b, l4, checksum.update16(tcp.checksumField(b, l4), old, old | tcp.AE))
  }
}
