/**
 * Internet Protocol version 4: RFC 791, host requirements RFC 1122 §3.2, with Linux's choices (net/ipv4/ip_input.c,
 * ip_output.c, route.c). Here are the registration table of transports, input, and output; forwarding, fragments,
 * options and ICMP have files of their own.
 */

import * as ip4 from '../addr/ip4.ts'
import { PACKET_BROADCAST, PACKET_HOST, PACKET_OTHERHOST, type Packet } from '../buf/packet.ts'
import { type Interface, PACKET_LOOPBACK } from '../stack/interface.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../stack/route.ts'
import type { NetworkProtocol, Stack } from '../stack/stack.ts'
import { EMSGSIZE, ENOBUFS } from '../sys/errno.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as wire from '../wire/ipv4.ts'
import type { Dst } from './dst.ts'
import { Forwarder } from './forward.ts'
import { fragment, makeHeadroom } from './fragment.ts'
import { Icmp } from './icmp.ts'
import { Options } from './options.ts'
import { PathMtu } from './pmtu.ts'
import { Reassembler } from './reassemble.ts'
import { Redirects } from './redirect.ts'
import { Routing } from './routing.ts'
import { IPPROTO_ICMP, type Transport } from './transport.ts'

/** Room that output needs in front of the transport header: IPv4 with options and Ethernet. */
const LINK_ROOM = 16

/** Sees each packet delivered locally before its transport, lent; true if it took an interest (raw sockets). */
export type RawTap = (packet: Packet) => boolean

export class Ipv4 implements NetworkProtocol {
  readonly stack: Stack
  readonly icmp: Icmp
  readonly paths: PathMtu
  readonly redirects: Redirects
  readonly reassembler: Reassembler
  readonly options: Options
  readonly forwarder: Forwarder
  /** Raw sockets' hooks, for packets and for ICMP errors (as `Transport.error`); null costs nothing. */
  rawTap: RawTap | null = null
  rawError: Transport['error'] | null = null
  readonly #routing: Routing
  readonly #transports: (Transport | null)[] = new Array(256).fill(null)
  /** The last destination found to be ours and the last source found to be credible, each with its interface. */
  #knownGeneration = -1
  #knownLocal = 0
  #knownLocalAt: Interface | null = null
  #knownSource = 0
  #knownSourceAt: Interface | null = null

  constructor(stack: Stack) {
    this.stack = stack
    this.paths = new PathMtu(stack.clock, stack.sysctl)
    this.redirects = new Redirects(stack.clock)
    this.#routing = new Routing(stack, this.paths, this.redirects)
    this.options = new Options(this)
    this.reassembler = new Reassembler(this)
    this.forwarder = new Forwarder(this)
    this.icmp = new Icmp(this)
    this.register(IPPROTO_ICMP, this.icmp)
  }

  /** Hands packets of IP protocol `protocol` (0..255) to `transport` from now on. */
  register(protocol: number, transport: Transport): void {
    if (!(protocol >= 0 && protocol <= 255)) throw new RangeError(`protocol: not in 0..255: ${protocol}`)
    this.#transports[protocol] = transport
  }

  /** The transport registered for `protocol`. */
  transport(protocol: number): Transport | null {
    return this.#transports[protocol] ?? null
  }

  /**
   * Where packets to `daddr` go, or -errno (-ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL, -ENODEV, -ENOBUFS). `saddr`:
   * 0, or an address of this host. `oif`: index of the interface it must leave by, or 0. `daddr` 0 is this host; use
   * the result's `destination` then.
   */
  route(daddr: number, saddr: number, oif: number): Dst | number {
    return this.#routing.route(daddr, saddr, oif)
  }

  /** Forgets cached routes, path MTUs and redirects (`ip route flush cache`). */
  flushCache(): void {
    this.paths.flush()
    this.redirects.flush()
    this.stack.routes.invalidate()
  }

  /** RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST or RTN_UNICAST (inet_addr_type). */
  addressType(address: number): number {
    if (address === ip4.BROADCAST || address === 0) return RTN_BROADCAST
    if (ip4.isMulticast(address)) return RTN_MULTICAST
    return this.stack.routes.lookupLocal(address)?.type ?? RTN_UNICAST
  }

  /** True if `address` is this host's own. */
  isLocal(address: number): boolean {
    return this.stack.routes.lookupLocal(address)?.type === RTN_LOCAL
  }

  /** ip_rcv: checks of RFC 1122 §3.2.1, then to this host or on. */
  input(packet: Packet): void {
    const counters = this.stack.counters
    if (packet.kind === PACKET_OTHERHOST) {
      this.stack.drop(packet, 'ipv4.other-host')
      return
    }
    counters.IpInReceives++
    if (packet.end - packet.start < wire.HDR_LEN && !packet.pullUp(wire.HDR_LEN)) {
      counters.IpInHdrErrors++
      this.stack.drop(packet, 'ipv4.truncated-header')
      return
    }
    const o = packet.start
    const view = packet.view
    const w0 = view.getInt32(o)
    const headerLen = (w0 >>> 22) & 0x3c
    if (w0 >>> 24 !== 0x45 && !this.#checkOdd(packet, headerLen)) return
    const w1 = view.getInt32(o + 4)
    const w2 = view.getInt32(o + 8)
    const saddr = view.getInt32(o + 12)
    const daddr = view.getInt32(o + 16)
    // RFC 1071 over the five words by halves; options were summed by #checkOdd.
    let sum = (w0 >>> 16) + (w0 & 0xffff) + (w1 >>> 16) + (w1 & 0xffff) + (w2 >>> 16) + (w2 & 0xffff)
    sum += (saddr >>> 16) + (saddr & 0xffff) + (daddr >>> 16) + (daddr & 0xffff)
    sum = (sum >>> 16) + (sum & 0xffff)
    if (headerLen === wire.HDR_LEN && sum !== 0xffff && sum !== 0x1fffe) {
      counters.IpInHdrErrors++
      counters.IpExtInCsumErrors++
      this.stack.drop(packet, 'ipv4.checksum')
      return
    }
    const total = w0 & 0xffff
    const length = packet.length
    if (total !== length && !this.#fitLength(packet, total, headerLen)) return
    counters.IpExtInOctets += total
    this.#countEcn(w0 >>> 16, packet.gsoSegments)
    packet.l3 = o
    packet.l4 = o + headerLen
    packet.protocol = (w2 >>> 16) & 0xff
    packet.saddr = saddr
    packet.daddr = daddr
    const at = packet.interface as Interface
    if (this.#knownGeneration !== this.stack.routes.generation) this.#forgetKnown()
    if ((saddr !== this.#knownSource || at !== this.#knownSourceAt) && !this.#isCredible(packet, at)) return
    if (headerLen !== wire.HDR_LEN && !this.options.input(packet)) return
    if (daddr === this.#knownLocal && at === this.#knownLocalAt) {
      if ((w1 & (wire.MF | wire.OFFSET_MASK)) === 0) this.#deliver(packet)
      else this.#reassemble(packet)
    } else this.#classify(packet, at)
  }

  /** A first byte other than 0x45: options, or an error. True to go on; else the packet is gone. */
  #checkOdd(packet: Packet, headerLen: number): boolean {
    const b = packet.bytes
    const o = packet.start
    if (wire.version(b, o) !== 4 || headerLen < wire.HDR_LEN || !packet.pullUp(headerLen)) {
      this.stack.counters.IpInHdrErrors++
      this.stack.drop(packet, 'ipv4.header')
      return false
    }
    if (wire.checksumOk(packet.bytes, packet.start)) return true
    this.stack.counters.IpInHdrErrors++
    this.stack.counters.IpExtInCsumErrors++
    this.stack.drop(packet, 'ipv4.checksum')
    return false
  }

  /** The frame is not as long as the datagram: padding is cut off, a truncated one is dropped. */
  #fitLength(packet: Packet, total: number, headerLen: number): boolean {
    if (total < headerLen) {
      this.stack.counters.IpInHdrErrors++
      this.stack.drop(packet, 'ipv4.total-length')
      return false
    }
    if (total > packet.length) {
      this.stack.counters.IpExtInTruncatedPkts++
      this.stack.drop(packet, 'ipv4.truncated')
      return false
    }
    packet.trimTo(total)
    return true
  }

  #countEcn(tos: number, gsoSegments: number): void {
    const counters = this.stack.counters
    const n = Math.max(gsoSegments, 1)
    const ecn = tos & wire.ECN_MASK
    if (ecn === wire.ECN_NOT_ECT) counters.IpExtInNoECTPkts += n
    else if (ecn === wire.ECN_ECT0) counters.IpExtInECT0Pkts += n
    else if (ecn === wire.ECN_ECT1) counters.IpExtInECT1Pkts += n
    else counters.IpExtInCEPkts += n
  }

  #forgetKnown(): void {
    this.#knownGeneration = this.stack.routes.generation
    this.#knownLocalAt = null
    this.#knownSourceAt = null
  }

  /** Martian addresses (RFC 1812 §5.3.7, ip_route_input_slow, fib_validate_source); what this host sent itself is fine. */
  #isCredible(packet: Packet, at: Interface): boolean {
    const { saddr, daddr } = packet
    if (at.isLoopback || packet.kind === PACKET_LOOPBACK) return true
    // 0.0.0.0 is the source of one who has no address yet (RFC 1122 §3.2.1.3 (a)): only to everybody.
    const isBootstrap = saddr === 0 && (daddr === ip4.BROADCAST || ip4.isMulticast(daddr))
    const isMartian = (!ip4.isUnicast(saddr) && !isBootstrap) || ip4.isLoopback(saddr) || ip4.isLoopback(daddr)
    const type = isMartian || saddr === 0 ? RTN_UNICAST : this.addressType(saddr)
    if (isMartian || type !== RTN_UNICAST) {
      this.stack.counters.IpInAddrErrors++
      this.stack.drop(packet, 'ipv4.martian-source')
      return false
    }
    if (this.stack.sysctl.rp_filter !== 0 && saddr !== 0 && !this.#passesReverseFilter(saddr, at)) {
      this.stack.counters.TcpExtIPReversePathFilter++
      this.stack.drop(packet, 'ipv4.reverse-path')
      return false
    }
    // A martian destination makes the packet incredible whatever the source is: remember only ordinary pairs.
    if (saddr !== 0 && !ip4.isLoopback(daddr)) {
      this.#knownSource = saddr
      this.#knownSourceAt = at
    }
    return true
  }

  /** RFC 3704: strict (1) wants the route back to lead out of the same interface, loose (2) any route. */
  #passesReverseFilter(saddr: number, at: Interface): boolean {
    const back = this.stack.routes.lookup(saddr)
    return (
      back !== undefined && back.type === RTN_UNICAST && (this.stack.sysctl.rp_filter === 2 || back.interface === at)
    )
  }

  /** What a destination other than the last one is: ours, everybody's, a group's, or somebody else's. */
  #classify(packet: Packet, at: Interface): void {
    const { saddr, daddr } = packet
    const counters = this.stack.counters
    const type = daddr === 0 ? RTN_BROADCAST : this.addressType(daddr)
    const isMartian =
      !at.isLoopback &&
      packet.kind !== PACKET_LOOPBACK &&
      (ip4.isLoopback(daddr) || ip4.isClassE(daddr) || (daddr === 0 && saddr !== 0))
    if (isMartian || (type === RTN_MULTICAST && !at.isMember(daddr))) {
      counters.IpInAddrErrors++
      this.stack.drop(packet, isMartian ? 'ipv4.martian-destination' : 'ipv4.not-a-member')
      return
    }
    if (type === RTN_UNICAST) {
      this.forwarder.input(packet)
      return
    }
    const length = packet.length
    if (type === RTN_LOCAL) {
      this.#knownLocal = daddr
      this.#knownLocalAt = at
    } else if (type === RTN_BROADCAST) {
      counters.IpExtInBcastPkts++
      counters.IpExtInBcastOctets += length
      if (packet.kind === PACKET_HOST) packet.kind = PACKET_BROADCAST
    } else {
      counters.IpExtInMcastPkts++
      counters.IpExtInMcastOctets += length
    }
    if (wire.isFragment(packet.bytes, packet.l3)) this.#reassemble(packet)
    else this.#deliver(packet)
  }

  #reassemble(packet: Packet): void {
    this.stack.counters.IpReasmReqds++
    const whole = this.reassembler.add(packet)
    if (whole !== null) this.#deliver(whole)
  }

  /** ip_local_deliver_finish: to raw sockets and the transport. */
  #deliver(packet: Packet): void {
    packet.start = packet.l4
    const isTapped = this.rawTap?.(packet)
    const transport = this.#transports[packet.protocol]
    if (transport !== null && transport !== undefined) {
      this.stack.counters.IpInDelivers++
      transport.input(packet)
      return
    }
    if (isTapped) this.stack.counters.IpInDelivers++
    else {
      this.stack.counters.IpInUnknownProtos++
      this.icmp.send(icmp.UNREACHABLE, icmp.PROTOCOL_UNREACHABLE, 0, packet)
    }
    if (isTapped) packet.release()
    else this.stack.drop(packet, 'ipv4.unknown-protocol')
  }

  /**
   * Sends a packet whose `start` is at the transport header (ip_queue_xmit, ip_send_skb). Consumes it. 0, or -EMSGSIZE if
   * it is longer than the path takes and `df` forbids fragments, or what the interface says. Fields of the header are
   * parameters because nothing is to be allocated for a packet.
   */
  // biome-ignore format: one line
  output(packet: Packet, dst: Dst, saddr: number, daddr: number, protocol: number, ttl: number, tos: number, df: boolean): number {
    if (packet.start < wire.HDR_LEN + LINK_ROOM) packet = makeHeadroom(packet)
    const o = (packet.start -= wire.HDR_LEN)
    const total = packet.end - o + packet.fragBytes
    this.stack.counters.IpOutRequests++
    const id = dst.identification
    dst.identification = (id + (Math.max(packet.gsoSegments , 1))) & 0xffff
    const mtu = dst.mtu
    const w0 = 0x45000000 | (tos << 16) | (total & 0xffff)
    const w1 = (id << 16) | (df ? wire.DF : 0)
    const w2 = (ttl << 24) | (protocol << 16)
    let sum = (w0 >>> 16) + (w0 & 0xffff) + (w1 >>> 16) + (w1 & 0xffff) + (w2 >>> 16)
    sum += (saddr >>> 16) + (saddr & 0xffff) + (daddr >>> 16) + (daddr & 0xffff)
    sum = (sum >>> 16) + (sum & 0xffff)
    sum = (sum >>> 16) + (sum & 0xffff)
    const view = packet.view
    view.setInt32(o, w0)
    view.setInt32(o + 4, w1)
    view.setInt32(o + 8, w2 | (~sum & 0xffff))
    view.setInt32(o + 12, saddr)
    view.setInt32(o + 16, daddr)
    packet.l3 = o
    packet.l4 = o + wire.HDR_LEN
    packet.etherType = ethernet.TYPE_IPV4
    packet.protocol = protocol
    packet.saddr = saddr
    packet.daddr = daddr
    if (total > mtu && packet.gsoSize === 0) return this.#outputLong(packet, dst, total)
    return this.send(packet, dst)
  }

  /** As `output`, with IP options: `options` is a multiple of four bytes, at most 40. Consumes the packet. */
  // biome-ignore format: one line
  outputWithOptions(packet: Packet, dst: Dst, saddr: number, daddr: number, protocol: number, ttl: number, tos: number, options: Uint8Array): number {
    const headerLen = wire.HDR_LEN + options.length
    if (packet.start < headerLen + LINK_ROOM) packet = makeHeadroom(packet)
    const o = packet.push(headerLen)
    const total = packet.length
    this.stack.counters.IpOutRequests++
    const id = dst.identification
    dst.identification = (id + 1) & 0xffff
    packet.bytes.set(options, o + wire.HDR_LEN)
    wire.emit(packet.bytes, o, headerLen, tos, total, id, 0, ttl, protocol, saddr, daddr)
    packet.l3 = o
    packet.l4 = o + headerLen
    packet.etherType = ethernet.TYPE_IPV4
    packet.protocol = protocol
    packet.saddr = saddr
    packet.daddr = daddr
    return total > dst.mtu ? this.#outputLong(packet, dst, total) : this.send(packet, dst)
  }

  /** Sends a packet whose header a program made, `start` and `l3` at it (raw_send_hdrinc). Consumes it. 0 or -errno. */
  sendWithHeader(packet: Packet, dst: Dst): number {
    packet.etherType = ethernet.TYPE_IPV4
    return packet.length > dst.mtu ? this.#outputLong(packet, dst, packet.length) : this.send(packet, dst)
  }

  /** Longer than the path takes: fragments, or word to the sender if DF is set (ip_fragment). */
  #outputLong(packet: Packet, dst: Dst, total: number): number {
    if (total > wire.MAX_LEN) {
      this.stack.counters.IpOutDiscards++
      this.stack.drop(packet, 'ipv4.too-long')
      return -EMSGSIZE
    }
    if (wire.dontFragment(packet.bytes, packet.l3)) {
      this.stack.counters.IpFragFails++
      this.icmp.send(icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, dst.mtu, packet)
      this.stack.drop(packet, 'ipv4.dont-fragment')
      return -EMSGSIZE
    }
    return fragment(this, packet, dst, dst.mtu)
  }

  /** Sends a finished IP packet, `start` and `l3` at its header, that fits the link. Consumes it. 0 or -errno. */
  send(packet: Packet, dst: Dst): number {
    const counters = this.stack.counters
    counters.IpOutTransmits++
    counters.IpExtOutOctets += packet.length
    if (dst.type > RTN_LOCAL && !this.#sendToMany(packet, dst)) {
      packet.release()
      return 0
    }
    let neighbor = dst.neighbor
    if (neighbor === null) return dst.interface.xmit(packet)
    if (neighbor.dead) {
      neighbor = this.stack.arp.neighbor(dst.interface, dst.gateway !== 0 ? dst.gateway : dst.destination)
      if (neighbor === null) {
        counters.IpOutDiscards++
        this.stack.drop(packet, 'arp.table-full')
        return -ENOBUFS
      }
      dst.neighbor = neighbor
    }
    return neighbor.output(packet)
  }

  /** Broadcast and multicast: counted, and this host hears what it says (ip_mc_output). False if it goes no farther. */
  #sendToMany(packet: Packet, dst: Dst): boolean {
    const counters = this.stack.counters
    const isBroadcast = dst.type === RTN_BROADCAST
    if (isBroadcast) {
      counters.IpExtOutBcastPkts++
      counters.IpExtOutBcastOctets += packet.length
    } else {
      counters.IpExtOutMcastPkts++
      counters.IpExtOutMcastOctets += packet.length
    }
    // What leaves by the loopback device comes back by itself (__mkroute_output).
    if (dst.interface.isLoopback) return true
    const isMember = isBroadcast || dst.interface.isMember(packet.daddr)
    if (isBroadcast || (isMember && packet.owner?.loopsMulticast !== false)) dst.interface.loop(packet.clone())
    // "Multicasts with ttl 0 must not go beyond the host."
    return isBroadcast || !isMember || wire.ttl(packet.bytes, packet.l3) !== 0
  }
}
