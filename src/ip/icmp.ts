/**
 * Internet Control Message Protocol: RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3, as Linux does it (net/ipv4/icmp.c). Echo
 * and timestamp are answered, errors are made and limited here, and received ones are checked and handed to the
 * transport of the packet they quote.
 */

import * as ip4 from '../addr/ip4.ts'
import { CSUM_NONE, PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, type Packet } from '../buf/packet.ts'
import { sumFrom } from '../link/gso.ts'
import type { Interface } from '../stack/interface.ts'
import { RTN_LOCAL, RTN_UNICAST } from '../stack/route.ts'
import type { Stack } from '../stack/stack.ts'
import { put16, put32 } from '../wire/bytes.ts'
import * as checksum from '../wire/checksum.ts'
import * as wire from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IcmpErrors } from './icmp-error.ts'
import type { Ipv4 } from './ipv4.ts'
import { Peers } from './peers.ts'
import { IPPROTO_ICMP, type Transport } from './transport.ts'

/** Precedence "internetwork control", in the TOS of errors (RFC 1812 §4.3.2.5). */
const TOS_CONTROL = 0xc0
/** Longest error message with its IP header (RFC 1812 §4.3.2.3). */
const MAX_ERROR = 576
/** Types that may report an error about an unknown one: none above NR_ICMP_TYPES. */
const LAST_KNOWN_TYPE = 18

/** Hears echo replies and errors about echo requests, lent: `start` and `l4` at the ICMP header (ping sockets). */
export interface EchoListener {
  reply(packet: Packet): void
  /** As `Transport.error`. */
  error?(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void
}

export class Icmp implements Transport {
  readonly stack: Stack
  readonly peers: Peers
  /** Added and removed by ping sockets. */
  readonly listeners: EchoListener[] = []
  readonly #ip: Ipv4
  readonly #errors: IcmpErrors

  constructor(ip: Ipv4) {
    this.stack = ip.stack
    this.#ip = ip
    this.peers = new Peers(ip.stack.clock, ip.stack.sysctl)
    this.#errors = new IcmpErrors(ip)
  }

  /** icmp_rcv. */
  input(packet: Packet): void {
    const { counters } = this.stack
    counters.IcmpInMsgs++
    if (!packet.pullUp(wire.HDR_LEN)) {
      counters.IcmpInErrors++
      this.stack.drop(packet, 'icmp.truncated')
      return
    }
    if (packet.csum === CSUM_NONE && checksum.fold(sumFrom(packet, packet.start, 0)) !== 0xffff) {
      counters.IcmpInCsumErrors++
      counters.IcmpInErrors++
      this.stack.drop(packet, 'icmp.checksum')
      return
    }
    const type = wire.type(packet.bytes, packet.l4)
    const isToMany =
      packet.kind === PACKET_BROADCAST || packet.kind === PACKET_MULTICAST || ip4.isMulticast(packet.daddr)
    // RFC 1122 §3.2.2.6 and §3.2.2.8: queries to many need no answer; other types to many are nonsense.
    const isIgnored =
      isToMany &&
      (this.stack.sysctl.icmp_echo_ignore_broadcasts !== 0 || (type !== wire.ECHO && type !== wire.TIMESTAMP))
    if (isIgnored) {
      counters.IcmpInErrors++
      this.stack.drop(packet, 'icmp.broadcast')
      return
    }
    this.#dispatch(packet, type)
  }

  #dispatch(packet: Packet, type: number): void {
    const { counters } = this.stack
    switch (type) {
      case wire.ECHO:
        counters.IcmpInEchos++
        this.#echo(packet)
        return
      case wire.ECHO_REPLY:
        counters.IcmpInEchoReps++
        for (const listener of this.listeners) listener.reply(packet)
        break
      case wire.TIMESTAMP:
        counters.IcmpInTimestamps++
        this.#timestamp(packet)
        return
      case wire.TIMESTAMP_REPLY:
        counters.IcmpInTimestampReps++
        break
      case wire.MASK_REQUEST:
        counters.IcmpInAddrMasks++
        break
      case wire.MASK_REPLY:
        counters.IcmpInAddrMaskReps++
        break
      default:
        if (wire.isError(type)) this.#errors.input(packet, type)
        else if (type > LAST_KNOWN_TYPE) counters.IcmpInErrors++
    }
    packet.release()
  }

  /** The quoted packet of an error was an echo request of ours. */
  error(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void {
    for (const listener of this.listeners) listener.error?.(quoted, type, code, errno, fatal, info)
  }

  /** icmp_echo: the request itself becomes the reply. */
  #echo(packet: Packet): void {
    if (this.stack.sysctl.icmp_echo_ignore_all !== 0) {
      this.stack.drop(packet, 'icmp.echo-ignored')
      return
    }
    packet.unshare()
    wire.toEchoReply(packet.bytes, packet.l4)
    // RFC 1624 §3: over nothing but zeros the update ends in the wrong one of the two zeros.
    if (wire.checksumField(packet.bytes, packet.l4) === 0) put16(packet.bytes, wire.checksumOffset(packet.l4), 0xffff)
    this.#answer(packet, wire.ECHO_REPLY)
  }

  /** icmp_timestamp: RFC 792; milliseconds since midnight UT. */
  #timestamp(packet: Packet): void {
    const length = wire.HDR_LEN + 12
    if (!packet.pullUp(length)) {
      this.stack.counters.IcmpInErrors++
      this.stack.drop(packet, 'icmp.truncated')
      return
    }
    packet.trimTo(length)
    packet.unshare()
    const b = packet.bytes
    const o = packet.l4
    const now = this.#ip.options.timeOfDay()
    b[o] = wire.TIMESTAMP_REPLY
    put32(b, o + 12, now)
    put32(b, o + 16, now)
    wire.fillChecksum(b, o, o + length)
    this.#answer(packet, wire.TIMESTAMP_REPLY)
  }

  /** icmp_reply: back to where it came from, with the address it was sent to if that is ours. */
  #answer(packet: Packet, type: number): void {
    const ip = this.#ip
    const to = packet.saddr
    const at = packet.interface as Interface
    const isOurs = ip.isLocal(packet.daddr)
    const from = isOurs ? packet.daddr : at.selectAddress(to, 0)
    const dst = ip.route(to, from, 0)
    if (typeof dst === 'number' || (dst.type !== RTN_UNICAST && dst.type !== RTN_LOCAL)) {
      this.stack.counters.IpOutNoRoutes++
      this.stack.drop(packet, 'icmp.no-route')
      return
    }
    const tos = ipv4.tos(packet.bytes, packet.l3)
    const options = ip.options.echo(packet, from)
    packet.start = packet.l4
    packet.csum = CSUM_NONE
    packet.kind = PACKET_HOST
    packet.interface = null
    this.countOut(type)
    const source = from !== 0 ? from : dst.source
    const ttl = this.stack.sysctl.ip_default_ttl
    if (options === null) ip.output(packet, dst, source, to, IPPROTO_ICMP, ttl, tos, false)
    else ip.outputWithOptions(packet, dst, source, to, IPPROTO_ICMP, ttl, tos, options)
  }

  /** Sends an echo request from this host; 0 or -errno. `payload` is copied. For tests; programs have ping sockets. */
  sendEcho(
    to: number,
    id: number,
    sequence: number,
    payload: Uint8Array,
    ttl: number = this.stack.sysctl.ip_default_ttl,
  ): number {
    const dst = this.#ip.route(to, 0, 0)
    if (typeof dst === 'number') return dst
    const packet = this.stack.pool.allocHeader(wire.HDR_LEN + payload.length)
    const o = packet.put(wire.HDR_LEN + payload.length)
    wire.emit(packet.bytes, o, wire.ECHO, 0, wire.word16(id, sequence))
    packet.bytes.set(payload, o + wire.HDR_LEN)
    wire.fillChecksum(packet.bytes, o, packet.end)
    this.countOut(wire.ECHO)
    return this.#ip.output(packet, dst, dst.source, dst.destination, IPPROTO_ICMP, ttl, 0, false)
  }

  /**
   * Tells the sender of `original` (lent, `l3` at its IP header) about an error: icmp_send. `info` is the second word
   * of the message: an MTU, a gateway, a pointer in its first byte. Nothing is sent where the RFCs forbid it or a limit
   * is reached.
   */
  send(type: number, code: number, info: number, original: Packet): void {
    if (!this.#mayReport(type, original)) return
    const ip = this.#ip
    const b = original.bytes
    const to = ipv4.src(b, original.l3)
    const about = ipv4.dst(b, original.l3)
    const from = ip.isLocal(about) ? about : 0
    const dst = ip.route(to, from, 0)
    if (typeof dst === 'number' || (dst.type !== RTN_UNICAST && dst.type !== RTN_LOCAL)) return
    if (!this.#isWithinLimits(type, code, to, dst.interface)) return
    const room = Math.min(dst.mtu, MAX_ERROR) - ipv4.HDR_LEN - wire.HDR_LEN
    const quoted = Math.min(original.length + original.start - original.l3, room)
    if (quoted <= 0) return
    const packet = this.stack.pool.allocHeader(wire.HDR_LEN + quoted)
    const o = packet.put(wire.HDR_LEN + quoted)
    wire.emit(packet.bytes, o, type, code, info)
    original.copyTo(packet.bytes, o + wire.HDR_LEN, original.l3 - original.start, quoted)
    put16(packet.bytes, o + 2, checksum.finish(checksum.sum(packet.view, o, packet.end - o, 0)))
    this.countOut(type)
    const tos = (ipv4.tos(b, original.l3) & 0x1e) | TOS_CONTROL
    ip.output(
      packet,
      dst,
      from !== 0 ? from : dst.source,
      to,
      IPPROTO_ICMP,
      this.stack.sysctl.ip_default_ttl,
      tos,
      false,
    )
  }

  /** RFC 1122 §3.2.2: no errors about errors, broadcasts, later fragments, or to what is no single host. */
  #mayReport(type: number, original: Packet): boolean {
    const o = original.l3
    if (o < 0 || original.end < o + ipv4.HDR_LEN || original.kind !== PACKET_HOST) return false
    const b = original.bytes
    if ((ipv4.fragmentWord(b, o) & ipv4.OFFSET_MASK) !== 0) return false
    const toType = this.#ip.addressType(ipv4.src(b, o))
    const aboutType = this.#ip.addressType(ipv4.dst(b, o))
    if ((toType !== RTN_UNICAST && toType !== RTN_LOCAL) || (aboutType !== RTN_UNICAST && aboutType !== RTN_LOCAL))
      return false
    if (!wire.isError(type) || ipv4.protocol(b, o) !== ipv4.PROTO_ICMP) return true
    const inner = o + ipv4.headerLength(b, o)
    if (inner >= original.end) return false
    const innerType = wire.type(b, inner)
    return innerType <= LAST_KNOWN_TYPE && !wire.isError(innerType)
  }

  /** icmpv4_xrlim_allow and icmpv4_global_allow: not path MTU discovery, not on `lo`, only types in icmp_ratemask. */
  #isWithinLimits(type: number, code: number, to: number, out: Interface): boolean {
    const { counters, sysctl } = this.stack
    if (type === wire.UNREACHABLE && code === wire.FRAGMENTATION_NEEDED) return true
    if (((1 << type) & sysctl.icmp_ratemask) === 0 || out.isLoopback) return true
    if (!this.peers.takeFor(to)) {
      counters.IcmpOutRateLimitHost++
      return false
    }
    if (this.peers.takeGlobal()) return true
    counters.IcmpOutRateLimitGlobal++
    return false
  }

  /** Counts a message that this host sends (icmp_out_count). */
  countOut(type: number): void {
    const { counters } = this.stack
    counters.IcmpOutMsgs++
    if (type === wire.ECHO_REPLY) counters.IcmpOutEchoReps++
    else if (type === wire.UNREACHABLE) counters.IcmpOutDestUnreachs++
    else if (type === wire.TIME_EXCEEDED) counters.IcmpOutTimeExcds++
    else if (type === wire.ECHO) counters.IcmpOutEchos++
    else if (type === wire.REDIRECT) counters.IcmpOutRedirects++
    else if (type === wire.PARAMETER_PROBLEM) counters.IcmpOutParmProbs++
    else if (type === wire.TIMESTAMP_REPLY) counters.IcmpOutTimestampReps++
  }
}
