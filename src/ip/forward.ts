/** Forwarding: what a router does with a packet for somebody else, RFC 1812 §5 (Linux net/ipv4/ip_forward.c). */
import { PACKET_HOST, type Packet } from '../buf/packet.ts'
import type { Interface } from '../stack/interface.ts'
import { RTN_UNICAST } from '../stack/route.ts'
import { EACCES, EHOSTUNREACH, ENETUNREACH } from '../sys/errno.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as wire from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import type { Dst } from './dst.ts'
import { fragment, makeHeadroom, segmentAndSend } from './fragment.ts'
import type { Ipv4 } from './ipv4.ts'

/** Room for Ethernet in front of the IP header. */
const LINK_ROOM = 16

export class Forwarder {
  readonly #ip: Ipv4

  constructor(ip: Ipv4) {
    this.#ip = ip
  }

  /** A received packet, `start` and `l3` at its IP header, whose destination is not this host. Consumes it. */
  input(packet: Packet): void {
    const ip = this.#ip
    const { counters, sysctl } = ip.stack
    if (sysctl.ip_forward === 0) {
      counters.IpInAddrErrors++
      ip.stack.drop(packet, 'ipv4.not-for-us')
      return
    }
    if (packet.kind !== PACKET_HOST) {
      // RFC 1812 §5.3.4: what came as a link-layer broadcast is not forwarded.
      counters.IpInDiscards++
      ip.stack.drop(packet, 'ipv4.forward-broadcast')
      return
    }
    const dst = ip.route(packet.daddr, 0, 0)
    if (typeof dst === 'number') {
      this.#reject(packet, dst)
      return
    }
    if (dst.type !== RTN_UNICAST) {
      counters.IpInDiscards++
      ip.stack.drop(packet, 'ipv4.forward-type')
      return
    }
    if (wire.ttl(packet.bytes, packet.l3) <= 1) {
      counters.IpInHdrErrors++
      ip.icmp.send(icmp.TIME_EXCEEDED, icmp.TTL_EXCEEDED, 0, packet)
      ip.stack.drop(packet, 'ipv4.ttl')
      return
    }
    this.#forward(packet, dst)
  }

  /** No route (ip_error): RFC 1812 §5.2.7.1. */
  #reject(packet: Packet, error: number): void {
    const { counters } = this.#ip.stack
    if (error === -ENETUNREACH) counters.IpExtInNoRoutes++
    else counters.IpInDiscards++
    let code = -1
    if (error === -ENETUNREACH) code = icmp.NET_UNREACHABLE
    else if (error === -EHOSTUNREACH) code = icmp.HOST_UNREACHABLE
    else if (error === -EACCES) code = icmp.ADMIN_PROHIBITED
    if (code >= 0) this.#ip.icmp.send(icmp.UNREACHABLE, code, 0, packet)
    this.#ip.stack.drop(packet, 'ipv4.no-route')
  }

  #forward(packet: Packet, dst: Dst): void {
    const ip = this.#ip
    const { counters } = ip.stack
    const mtu = dst.linkMtu
    const isLong = (packet.gsoSize > 0 ? segmentLength(packet) : packet.length) > mtu
    if (isLong && wire.dontFragment(packet.bytes, packet.l3)) {
      counters.IpFragFails++
      ip.icmp.send(icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, mtu, packet)
      ip.stack.drop(packet, 'ipv4.dont-fragment')
      return
    }
    this.#redirect(packet, dst)
    if (packet.start < LINK_ROOM) packet = makeHeadroom(packet)
    packet.unshare()
    wire.decrementTtl(packet.bytes, packet.l3)
    if (packet.l4 - packet.l3 > wire.HDR_LEN) ip.options.forward(packet, dst.source)
    counters.IpForwDatagrams++
    if (!isLong) ip.send(packet, dst)
    else if (packet.gsoSize > 0) segmentAndSend(ip, packet, dst, mtu)
    else fragment(ip, packet, dst, mtu)
  }

  /** The sender is a neighbour of the next hop and could go there directly: RFC 1812 §5.2.7.2. */
  #redirect(packet: Packet, dst: Dst): void {
    const ip = this.#ip
    const at = packet.interface as Interface
    if (dst.interface !== at || ip.stack.sysctl.send_redirects === 0 || !at.usesArp || !at.isOnLink(packet.saddr))
      return
    if (!ip.icmp.peers.mayRedirect(packet.saddr)) return
    const gateway = dst.gateway !== 0 ? dst.gateway : packet.daddr
    ip.icmp.send(icmp.REDIRECT, icmp.REDIRECT_HOST, gateway, packet)
  }
}

/** Length of the IP packets that a packet with a segment size stands for (skb_gso_network_seglen). */
function segmentLength(packet: Packet): number {
  const header =
    packet.protocol === wire.PROTO_UDP
      ? udp.HDR_LEN
      : packet.pullUp(packet.l4 - packet.start + tcp.HDR_LEN)
        ? tcp.headerLength(packet.bytes, packet.l4)
        : 0
  return packet.l4 - packet.l3 + header + packet.gsoSize
}
