/** ICMP errors received, RFC 1122 §3.2.2.1 to §3.2.2.5 (Linux icmp_unreach, icmp_redirect, icmp_socket_deliver). */

import * as ip4 from '../addr/ip4.ts'
import type { Packet } from '../buf/packet.ts'
import type { Interface } from '../stack/interface.ts'
import { RTN_BROADCAST, RTN_UNICAST } from '../stack/route.ts'
import {
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
} from '../sys/errno.ts'
import * as wire from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Ipv4 } from './ipv4.ts'

/** Least of the quoted transport header that must be there (RFC 792). */
const QUOTED_TRANSPORT = 8

/** icmp_err_convert: errno of each code of "unreachable", negative if it is only a hint. */
const UNREACHABLE_ERRNO: readonly number[] = [
  -ENETUNREACH,
  -EHOSTUNREACH,
  ENOPROTOOPT,
  ECONNREFUSED,
  -EMSGSIZE,
  -EOPNOTSUPP,
  ENETUNREACH,
  EHOSTDOWN,
  ENONET,
  ENETUNREACH,
  EHOSTUNREACH,
  -ENETUNREACH,
  -EHOSTUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
]

export class IcmpErrors {
  readonly #ip: Ipv4

  constructor(ip: Ipv4) {
    this.#ip = ip
  }

  /** An error message, `start` and `l4` at its ICMP header, lent. */
  input(packet: Packet, type: number): void {
    const { counters } = this.#ip.stack
    const code = wire.code(packet.bytes, packet.l4)
    const outer = packet.l4
    const sender = packet.saddr
    const header = packet.l3
    this.#count(type)
    if (!this.#enterQuoted(packet)) {
      counters.IcmpInErrors++
      return
    }
    packet.seq = sender
    packet.endSeq = header
    // RFC 6633: source quench means nothing any more.
    if (type === wire.SOURCE_QUENCH) return
    if (type === wire.REDIRECT) this.#redirect(packet, outer, code, sender)
    else this.#deliver(packet, outer, type, code)
  }

  #count(type: number): void {
    const { counters } = this.#ip.stack
    if (type === wire.UNREACHABLE) counters.IcmpInDestUnreachs++
    else if (type === wire.TIME_EXCEEDED) counters.IcmpInTimeExcds++
    else if (type === wire.PARAMETER_PROBLEM) counters.IcmpInParmProbs++
    else if (type === wire.REDIRECT) counters.IcmpInRedirects++
    else counters.IcmpInSrcQuenchs++
  }

  /** Moves `l3`, `l4` and `start` to the quoted packet, if it is plausible as one that this host sent. */
  #enterQuoted(packet: Packet): boolean {
    if (!packet.pullUp(wire.HDR_LEN + ipv4.HDR_LEN)) return false
    const o = packet.start + wire.HDR_LEN
    const headerLen = ipv4.headerLength(packet.bytes, o)
    if (ipv4.version(packet.bytes, o) !== 4 || headerLen < ipv4.HDR_LEN) return false
    if (!packet.pullUp(wire.HDR_LEN + headerLen + QUOTED_TRANSPORT)) return false
    const b = packet.bytes
    const saddr = ipv4.src(b, o)
    const daddr = ipv4.dst(b, o)
    // Ours, and not about a broadcast (icmp_unreach); errors come for the first fragment only.
    if (!this.#ip.isLocal(saddr) || this.#ip.addressType(daddr) === RTN_BROADCAST) return false
    if ((ipv4.fragmentWord(b, o) & ipv4.OFFSET_MASK) !== 0) return false
    packet.l3 = o
    packet.l4 = packet.start = o + headerLen
    packet.saddr = saddr
    packet.daddr = daddr
    packet.protocol = ipv4.protocol(b, o)
    return true
  }

  #deliver(packet: Packet, outer: number, type: number, code: number): void {
    const ip = this.#ip
    let errno = EHOSTUNREACH
    let isFatal = false
    let info = 0
    if (type === wire.UNREACHABLE) {
      const entry = UNREACHABLE_ERRNO[code]
      if (entry === undefined) return
      errno = Math.abs(entry)
      isFatal = entry > 0
    } else if (type === wire.PARAMETER_PROBLEM) {
      errno = EPROTO
      isFatal = true
      info = packet.bytes[outer + 4] as number
    }
    const transport = ip.transport(packet.protocol)
    // icmp_unreach: what reassembly gave up is nobody's concern.
    if (type === wire.TIME_EXCEEDED && code === wire.REASSEMBLY_EXCEEDED) return
    if (type === wire.UNREACHABLE && code === wire.FRAGMENTATION_NEEDED) {
      const mode = ip.stack.sysctl.ip_no_pmtu_disc
      // ip-sysctl.rst: 1 believes no MTU, 2 nothing, 3 only protocols that check whether the packet was theirs.
      if (mode === 2 || (mode === 3 && packet.protocol !== ipv4.PROTO_TCP)) return
      if (transport?.owns?.(packet) === false) return
      info = mode === 1 ? 0 : wire.mtu(packet.bytes, outer)
      this.#learnMtu(packet, info)
    }
    ip.rawError?.(packet, type, code, errno, isFatal, info)
    transport?.error(packet, type, code, errno, isFatal, info)
  }

  /** RFC 1191 §6.3: notes the path MTU. */
  #learnMtu(quoted: Packet, claimed: number): void {
    const ip = this.#ip
    const dst = ip.route(quoted.daddr, 0, 0)
    if (typeof dst !== 'number') ip.paths.update(quoted.daddr, claimed, dst.mtu)
  }

  /** __ip_do_redirect: only from the gateway in use, only to a neighbour (RFC 1122 §3.2.2.2). */
  #redirect(packet: Packet, outer: number, code: number, sender: number): void {
    const ip = this.#ip
    const { counters, sysctl } = ip.stack
    const gateway = wire.gateway(packet.bytes, outer)
    const at = packet.interface as Interface
    const dst = ip.route(packet.daddr, 0, 0)
    const isBelieved =
      typeof dst !== 'number' &&
      sysctl.accept_redirects !== 0 &&
      sysctl.ip_forward === 0 &&
      code <= wire.REDIRECT_TOS_HOST &&
      dst.type === RTN_UNICAST &&
      dst.interface === at &&
      dst.gateway !== 0 &&
      dst.gateway === sender &&
      gateway !== sender &&
      ip4.isUnicast(gateway) &&
      ip.addressType(gateway) === RTN_UNICAST &&
      at.isOnLink(gateway)
    if (!isBelieved) {
      counters.IcmpInErrors++
      return
    }
    ip.redirects.set(packet.daddr, gateway)
    ip.stack.routes.invalidate()
  }
}
