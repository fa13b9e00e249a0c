/**
 * What a host does with options of IPv4: RFC 791 §3.1, RFC 1122 §3.2.1.8, RFC 1812 §5.2.4 (Linux net/ipv4/ip_options.c).
 * Record route and timestamp are filled in, router alert passes, source routes are refused (accept_source_route 0).
 */
import type { Packet } from '../buf/packet.ts'
import type { Stack } from '../stack/stack.ts'
import { put8, put32 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as wire from '../wire/ipv4.ts'
import * as layout from '../wire/ipv4-options.ts'
import type { Icmp } from './icmp.ts'

const MILLISECONDS_A_DAY = 86_400_000

/** What `Options` needs of its `Ipv4`. */
interface OptionsOwner {
  readonly stack: Stack
  readonly icmp: Icmp
  isLocal(address: number): boolean
}

export class Options {
  readonly #ip: OptionsOwner
  readonly #parsed: layout.ParsedOptions = new layout.ParsedOptions()

  constructor(ip: OptionsOwner) {
    this.#ip = ip
  }

  /** Checks the options of a received packet; false if it was dropped. A packet for this host has its address recorded. */
  input(packet: Packet): boolean {
    const { stack } = this.#ip
    const parsed = this.#parsed
    if (!layout.parse(packet.bytes, packet.l3 + wire.HDR_LEN, packet.l4, parsed)) {
      stack.counters.IpInHdrErrors++
      this.#ip.icmp.send(icmp.PARAMETER_PROBLEM, 0, icmp.wordPointer(parsed.bad - packet.l3), packet)
      stack.drop(packet, 'ipv4.options')
      return false
    }
    if (parsed.sourceRoute >= 0) {
      stack.counters.IpInDiscards++
      stack.drop(packet, 'ipv4.source-route')
      return false
    }
    if (this.#ip.isLocal(packet.daddr)) this.#record(packet, packet.daddr)
    return true
  }

  /** A packet is about to be forwarded from `address`: it is recorded (ip_forward_options). */
  forward(packet: Packet, address: number): void {
    layout.parse(packet.bytes, packet.l3 + wire.HDR_LEN, packet.l4, this.#parsed)
    this.#record(packet, address)
  }

  /** The options that an answer to `packet` carries (ip_options_echo), with `address` recorded; null if none. */
  echo(packet: Packet, address: number): Uint8Array | null {
    if (packet.l4 - packet.l3 === wire.HDR_LEN) return null
    const parsed = this.#parsed
    if (!layout.parse(packet.bytes, packet.l3 + wire.HDR_LEN, packet.l4, parsed)) return null
    const answer = new Uint8Array(layout.MAX_LEN)
    let end = 0
    for (const at of [parsed.recordRoute, parsed.timestamp]) {
      if (at < 0) continue
      const length = layout.length(packet.bytes, at)
      answer.set(packet.bytes.subarray(at, at + length), end)
      if (at === parsed.recordRoute && parsed.routeNeedsAddress) layout.recordAddress(answer, end, address)
      if (at === parsed.timestamp && parsed.timestampNeedsTime) this.#stamp(answer, end, address)
      end += length
    }
    return end === 0 ? null : answer.subarray(0, layout.pad(answer, 0, end))
  }

  /** Milliseconds since midnight UT, RFC 792 and RFC 791. */
  timeOfDay(): number {
    const { clock } = this.#ip.stack
    return Math.floor((clock.epoch + clock.now()) / 1000) % MILLISECONDS_A_DAY
  }

  #record(packet: Packet, address: number): void {
    const parsed = this.#parsed
    if (!parsed.routeNeedsAddress && !parsed.timestampNeedsTime && !parsed.timestampOverflow) return
    packet.unshare()
    const b = packet.bytes
    if (parsed.routeNeedsAddress) layout.recordAddress(b, parsed.recordRoute, address)
    if (parsed.timestampNeedsTime) this.#stamp(b, parsed.timestamp, address)
    if (parsed.timestampOverflow) put8(b, parsed.timestamp + 3, (b[parsed.timestamp + 3] ?? 0) + 0x10)
    wire.fillChecksum(b, packet.l3)
  }

  #stamp(b: Uint8Array, o: number, address: number): void {
    const flag = layout.timestampFlag(b, o)
    let at = o + layout.pointer(b, o) - 1
    if (flag === layout.TS_PRESPEC && !this.#ip.isLocal(layout.pointedAddress(b, o))) return
    if (flag === layout.TS_ADDR) put32(b, at, address)
    if (flag !== layout.TS_ONLY) at += 4
    put32(b, at, this.timeOfDay())
    put8(b, o + 2, at + 4 - o + 1)
  }
}
