/**
 * User Datagram Protocol over IPv4: RFC 768, RFC 1122 §4.1, with Linux's rules of who gets a datagram and an ICMP error
 * (net/ipv4/udp.c). Here is the protocol: input, demultiplexing, errors. The socket is in udp-sock.ts.
 */
import * as ip4 from '../addr/ip4.ts'
import { sumPacket } from '../buf/checksum.ts'
import { CSUM_NONE, PACKET_HOST, type Packet } from '../buf/packet.ts'
import { IPPROTO_UDP, type Transport } from '../ip/transport.ts'
import { queueIcmpError } from '../sock/error-queue.ts'
import { hears } from '../sock/multicast.ts'
import { type PortBucket, PortTable, udpConflict } from '../sock/ports.ts'
import { IP_PMTUDISC_DONT, SF_RECVERR, SF_REUSEPORT, TCP_ESTABLISHED } from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import type { Interface } from '../stack/interface.ts'
import { RTN_BROADCAST } from '../stack/route.ts'
import type { Stack } from '../stack/stack.ts'
import { EHOSTUNREACH, EMSGSIZE, EPROTO } from '../sys/errno.ts'
import { HalfSipHash } from '../sys/siphash.ts'
import * as checksum from '../wire/checksum.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as wire from '../wire/udp.ts'
import { UdpSock } from './udp-sock.ts'

export class Udp implements Transport {
  readonly stack: Stack
  readonly ports: PortTable
  /** Every open socket, bound or not, in order of making. */
  readonly sockets: Set<UdpSock> = new Set()
  readonly #hash: HalfSipHash

  constructor(stack: Stack) {
    this.stack = stack
    this.ports = new PortTable(stack.sysctl, stack.random, udpConflict)
    this.#hash = new HalfSipHash(stack.random)
    stack.ipv4.register(IPPROTO_UDP, this)
  }

  /** A new socket of AF_INET, SOCK_DGRAM. */
  createSocket(): UdpSock {
    const sock = new UdpSock(this)
    this.sockets.add(sock)
    return sock
  }

  /** A datagram for this host (__udp4_lib_rcv). */
  input(packet: Packet): void {
    const { counters } = this.stack
    if (packet.end - packet.start < wire.HDR_LEN && !packet.pullUp(wire.HDR_LEN)) {
      counters.UdpInErrors++
      this.stack.drop(packet, 'udp.truncated-header')
      return
    }
    const view = packet.view
    const o = packet.start
    const ports = view.getInt32(o)
    const word = view.getInt32(o + 4)
    const length = word >>> 16
    if (length !== packet.length && !this.#fitLength(packet, length)) return
    if ((word & 0xffff) !== 0 && packet.csum === CSUM_NONE && !this.#checksumOk(packet, length)) return
    const sport = ports >>> 16
    const dport = ports & 0xffff
    const { saddr, daddr } = packet
    if (
      ip4.isMulticast(daddr) ||
      (packet.kind !== PACKET_HOST && this.stack.ipv4.addressType(daddr) === RTN_BROADCAST)
    ) {
      this.#inputToMany(packet, sport, dport)
      return
    }
    const bucket = this.ports.bucket(dport)
    const index = (packet.interface as Interface).index
    const sock = bucket === null ? null : this.#lookup(bucket, saddr, sport, daddr, index)
    if (sock !== null) {
      packet.start = o + wire.HDR_LEN
      sock.enqueue(packet, sport)
      return
    }
    counters.UdpNoPorts++
    this.stack.ipv4.icmp.send(icmp.UNREACHABLE, icmp.PORT_UNREACHABLE, 0, packet)
    this.stack.drop(packet, 'udp.no-port')
  }

  /** The length field differs from what IP brought: the rest is cut off; too long or too short is an error. */
  #fitLength(packet: Packet, length: number): boolean {
    if (length < wire.HDR_LEN || length > packet.length) {
      this.stack.counters.UdpInErrors++
      this.stack.drop(packet, 'udp.length')
      return false
    }
    packet.trimTo(length)
    return true
  }

  #checksumOk(packet: Packet, length: number): boolean {
    const pseudo = checksum.pseudo4(packet.saddr, packet.daddr, IPPROTO_UDP, length)
    if (checksum.fold(sumPacket(packet, packet.start, pseudo)) === 0xffff) return true
    this.stack.counters.UdpInCsumErrors++
    this.stack.counters.UdpInErrors++
    this.stack.drop(packet, 'udp.checksum')
    return false
  }

  /**
   * The socket for a datagram (__udp4_lib_lookup): those bound to the very address before those bound to any; among
   * them a matching peer address, port and device count each; then the newest; of a SO_REUSEPORT group the one that
   * the flow's hash names.
   */
  #lookup(bucket: PortBucket, saddr: number, sport: number, daddr: number, index: number): UdpSock | null {
    let best: UdpSock | null = null
    let bestScore = -1
    let ties = 0
    for (let user = bucket.first; user !== null; user = user.portNext) {
      const sock = user as UdpSock
      const score = this.#score(sock, saddr, sport, daddr, index)
      if (score > bestScore) {
        best = sock
        bestScore = score
        ties = 1
      } else if (score === bestScore && score >= 0) ties++
    }
    if (ties < 2 || best === null || !best.isFlag(SF_REUSEPORT) || best.state === TCP_ESTABLISHED) return best
    return this.#ofGroup(bucket, best, ties, this.#hash.hash4(saddr, daddr, sport, bucket.port) >>> 0)
  }

  /** compute_score, with 100 for a bound address since Linux looks at those first. -1: not for this socket. */
  #score(sock: UdpSock, saddr: number, sport: number, daddr: number, index: number): number {
    let score = 0
    if (sock.localAddress !== 0) {
      if (sock.localAddress !== daddr) return -1
      score = 100
    }
    if (sock.remoteAddress !== 0) {
      if (sock.remoteAddress !== saddr) return -1
      score += 4
    }
    if (sock.remotePort !== 0) {
      if (sock.remotePort !== sport) return -1
      score += 4
    }
    if (sock.boundInterface !== 0) {
      if (sock.boundInterface !== index) return -1
      score += 4
    }
    return score
  }

  /** reuseport_select_sock: one of the group by the flow's hash, in the order of binding. */
  #ofGroup(bucket: PortBucket, best: UdpSock, size: number, hash: number): UdpSock {
    let skip = size - 1 - Math.floor((hash / 4294967296) * size)
    for (let user = bucket.first; user !== null; user = user.portNext) {
      const sock = user as UdpSock
      const isMember =
        sock.isFlag(SF_REUSEPORT) &&
        sock.state !== TCP_ESTABLISHED &&
        sock.localAddress === best.localAddress &&
        sock.boundInterface === best.boundInterface
      if (isMember && skip-- <= 0) return sock
    }
    return best
  }

  /** Broadcast and multicast: to every socket it could be for (__udp4_lib_mcast_deliver). */
  #inputToMany(packet: Packet, sport: number, dport: number): void {
    const { saddr, daddr } = packet
    const index = (packet.interface as Interface).index
    const isGroup = ip4.isMulticast(daddr)
    packet.start += wire.HDR_LEN
    let last: UdpSock | null = null
    for (let user = this.ports.bucket(dport)?.first ?? null; user !== null; user = user.portNext) {
      const sock = user as UdpSock
      if (this.#score(sock, saddr, sport, daddr, index) < 0) continue
      if (isGroup && !hears(sock, daddr, saddr, index)) continue
      if (last !== null) last.enqueue(packet.clone(), sport)
      last = sock
    }
    if (last !== null) {
      last.enqueue(packet, sport)
      return
    }
    this.stack.counters.UdpIgnoredMulti++
    this.stack.drop(packet, 'udp.ignored-multicast')
  }

  /** An ICMP error about a datagram sent from here (__udp4_lib_err, RFC 1122 §4.1.3.3). */
  error(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void {
    const ports = quoted.view.getInt32(quoted.l4)
    const bucket = this.ports.bucket(ports >>> 16)
    const index = (quoted.interface as Interface | null)?.index ?? 0
    const sock = bucket === null ? null : this.#lookup(bucket, quoted.daddr, ports & 0xffff, quoted.saddr, index)
    if (sock === null) {
      this.stack.counters.IcmpInErrors++
      return
    }
    let error = errno
    let isHard = fatal
    if (type === icmp.TIME_EXCEEDED) {
      error = EHOSTUNREACH
      isHard = false
    } else if (type === icmp.PARAMETER_PROBLEM) {
      error = EPROTO
      isHard = true
    } else if (type !== icmp.UNREACHABLE) return
    else if (code === icmp.FRAGMENTATION_NEEDED) {
      if (sock.mtuDiscover === IP_PMTUDISC_DONT) return
      error = EMSGSIZE
      isHard = true
    }
    // An unconnected socket would not know which of its peers is meant; IP_RECVERR asks for all.
    if (!sock.isFlag(SF_RECVERR) && (!isHard || sock.state !== TCP_ESTABLISHED)) return
    if (sock.isFlag(SF_RECVERR))
      queueIcmpError(sock, quoted, type, code, error, ports & 0xffff, info, quoted.l4 + wire.HDR_LEN)
    sock.error = error
    sock.wake(POLLERR)
  }
}
