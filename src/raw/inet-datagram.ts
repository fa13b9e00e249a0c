/**
 * What raw and ping sockets share (net/ipv4/datagram.c, ip_append_data): a peer, the way to it, sending of whole packets, and what
 * recvmsg tells of one.
 */
import * as ip4 from '../addr/ip4.ts'
import type { Packet } from '../buf/packet.ts'
import { type Dst, IP_MAX_MTU } from '../ip/dst.ts'
import { AF_INET, AF_UNSPEC, SIZEOF_SA_FAMILY, SIZEOF_SOCKADDR, type SockAddr } from '../sock/address.ts'
import { runFilter } from '../sock/bpf.ts'
import { MSG_CONFIRM, MSG_DONTROUTE, MSG_ERRQUEUE, MSG_OOB } from '../sock/constants.ts'
import { DatagramSock, packetTruesize } from '../sock/datagram.ts'
import { queueIcmpError, queueLocalError, receiveError } from '../sock/error-queue.ts'
import { inetGetName, inetShutdown } from '../sock/inet.ts'
import type { Message } from '../sock/message.ts'
import { putIpControl, putSocketControl } from '../sock/receive-control.ts'
import { readIpControl, SendControl } from '../sock/send-control.ts'
import {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  SF_BINDADDR_LOCK,
  SF_BROADCAST,
  SF_DONTROUTE,
  SF_RECVERR,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import type { Interface } from '../stack/interface.ts'
import { RTN_BROADCAST } from '../stack/route.ts'
import {
  EACCES,
  EAFNOSUPPORT,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENOTCONN,
  EOPNOTSUPP,
  EPROTO,
} from '../sys/errno.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as wire from '../wire/ipv4.ts'

/** Time to live of multicasts unless IP_MULTICAST_TTL says otherwise (RFC 1112 §6.1). */
const MULTICAST_TTL = 1

/** Where one packet goes, and how. */
export interface Flow {
  readonly dst: Dst
  readonly saddr: number
  readonly daddr: number
  readonly control: SendControl | null
}

export abstract class InetDatagram extends DatagramSock {
  /** Where it is connected to. */
  #connectedBy: Dst | null = null

  /** connect(2) of a socket that has, or needs, no port (__ip4_datagram_connect); AF_UNSPEC dissolves it. */
  override connect(to: SockAddr): number {
    if (to.length < SIZEOF_SA_FAMILY) return -EINVAL
    if (to.family === AF_UNSPEC) return this.disconnect()
    const bound = this.autobind()
    if (bound < 0) return bound
    if (to.length < SIZEOF_SOCKADDR) return -EINVAL
    if (to.family !== AF_INET) return -EAFNOSUPPORT
    const source = this.source()
    const dst = this.stack.ipv4.route(to.address, source, this.boundInterface)
    if (typeof dst === 'number') return this.noRoute(dst)
    if (dst.type === RTN_BROADCAST && !this.isFlag(SF_BROADCAST)) return -EACCES
    this.remoteAddress = to.address === 0 ? dst.destination : to.address
    this.remotePort = to.port
    if (this.localAddress === 0) this.localAddress = source === 0 ? dst.source : source
    this.state = TCP_ESTABLISHED
    this.#connectedBy = dst
    return 0
  }

  /** __udp_disconnect. */
  protected disconnect(): number {
    this.state = TCP_CLOSE
    this.remoteAddress = this.remotePort = this.boundInterface = 0
    if (!this.isFlag(SF_BINDADDR_LOCK)) this.localAddress = 0
    this.#connectedBy = null
    return 0
  }

  /** Gives it a port if it needs one; 0 or -errno. */
  protected autobind(): number {
    return 0
  }

  override shutdown(how: number): number {
    return inetShutdown(this, how)
  }

  override getName(peer: boolean, into: SockAddr): number {
    return inetGetName(this, peer, into)
  }

  override pathMtu(): number {
    if (this.state !== TCP_ESTABLISHED || this.#connectedBy === null) return -ENOTCONN
    return Math.min(this.#connectedBy.mtu, IP_MAX_MTU)
  }

  /** inet_saddr: what it is bound to, unless that is no source address. */
  protected source(): number {
    const address = this.localAddress
    if (address === 0 || ip4.isMulticast(address)) return 0
    return this.isFlag(SF_BINDADDR_LOCK) && this.stack.ipv4.addressType(address) === RTN_BROADCAST ? 0 : address
  }

  protected noRoute(errno: number): number {
    if (errno === -ENETUNREACH) this.stack.counters.IpOutNoRoutes++
    return errno
  }

  /** Reads the control messages of a send call: what they say, null for none, or -errno. */
  protected readControl(message: Message | null): SendControl | null | number {
    if (message === null || message.control === null) return null
    const control = new SendControl()
    const refused = readIpControl(this, message, control)
    return refused < 0 ? refused : control
  }

  /** The way of one packet to `daddr`, or -errno: no route, -EACCES for broadcast without SO_BROADCAST. */
  protected flow(daddr: number, flags: number, control: SendControl | null): Flow | number {
    const source = control !== null && control.source !== 0 ? control.source : this.source()
    const oif = control !== null && control.oif !== 0 ? control.oif : this.boundInterface
    const dst = this.stack.ipv4.route(daddr, source, oif)
    if (typeof dst === 'number') return this.noRoute(dst)
    if (dst.type === RTN_BROADCAST && !this.isFlag(SF_BROADCAST)) return -EACCES
    const isDirect = (flags & MSG_DONTROUTE) !== 0 || this.isFlag(SF_DONTROUTE)
    if (isDirect && dst.gateway !== 0) return this.noRoute(-ENETUNREACH)
    if ((flags & MSG_CONFIRM) !== 0) dst.confirm()
    return { dst, saddr: source === 0 ? dst.source : source, daddr: daddr === 0 ? dst.destination : daddr, control }
  }

  /** 0, or -EMSGSIZE for `length` bytes of payload that would have to be cut against IP_MTU_DISCOVER (__ip_append_data). */
  protected checkLength({ dst, daddr, control }: Flow, length: number): number {
    const { mtuDiscover } = this
    const header = wire.HDR_LEN + (control?.options?.length ?? 0)
    const isCut = mtuDiscover < IP_PMTUDISC_DO || mtuDiscover === IP_PMTUDISC_OMIT
    const mtu = Math.min(mtuDiscover >= IP_PMTUDISC_PROBE ? dst.interface.mtu : dst.mtu, IP_MAX_MTU)
    return length + header > (isCut ? IP_MAX_MTU : mtu) ? this.tooLong(daddr, mtu) : 0
  }

  /** EMSGSIZE, also for the error queue (ip_local_error). */
  protected tooLong(daddr: number, mtu: number): number {
    queueLocalError(this, EMSGSIZE, daddr, this.remotePort, mtu)
    return -EMSGSIZE
  }

  /** Hands a packet, `start` at its payload, to IP; 0 or -errno (ip_push_pending_frames). Consumes it. */
  protected transmit(packet: Packet, { dst, saddr, daddr, control }: Flow, protocol: number): number {
    const { mtuDiscover } = this
    const { ipv4, sysctl } = this.stack
    const isDo = mtuDiscover === IP_PMTUDISC_DO || mtuDiscover === IP_PMTUDISC_PROBE
    const df = isDo || (mtuDiscover === IP_PMTUDISC_WANT && packet.length + wire.HDR_LEN <= dst.mtu && !dst.mtuLocked)
    const own = this.ttl < 0 ? sysctl.ip_default_ttl : this.ttl
    const ttl = control !== null && control.ttl >= 0 ? control.ttl : ip4.isMulticast(daddr) ? MULTICAST_TTL : own
    const tos = control !== null && control.tos >= 0 ? control.tos : this.tos
    const options = control === null ? null : control.options
    const result =
      options === null
        ? ipv4.output(packet, dst, saddr, daddr, protocol, ttl, tos, df)
        : ipv4.outputWithOptions(packet, dst, saddr, daddr, protocol, ttl, tos, options)
    return this.sent(result)
  }

  /** What IP or the device said: a full device is silent unless the program wants to know (IP_RECVERR). */
  protected sent(result: number): number {
    return result === -ENOBUFS && !this.isFlag(SF_RECVERR) ? 0 : Math.min(result, 0)
  }

  /** A packet for this socket, lent; the program is to get what begins at `from`. The IP header comes along in front. */
  protected deliver(lent: Packet, from: number): void {
    const { filter } = this.settings
    const packet = copyFromHeader(lent)
    packet.start = from
    const snap = filter === null ? packet.length : runFilter(filter, packet, packet.interface as Interface)
    if (snap === 0 || !this.hasRoom()) {
      this.stack.drop(packet, snap === 0 ? 'socket.filter' : 'socket.rcvbuf')
      return
    }
    const size = packetTruesize(packet.length + packet.start - packet.l3)
    if (snap < packet.length) packet.trimTo(snap)
    packet.seq = this.drops
    this.enqueue(packet, size)
  }

  /** raw_recvmsg, ping_recvmsg. */
  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    if ((flags & MSG_ERRQUEUE) !== 0) return receiveError(this, bytes, offset, length, message)
    const packet = this.next()
    if (typeof packet === 'number') return packet
    if (message !== null) {
      if (message.name !== null) {
        message.name.family = AF_INET
        message.name.address = packet.saddr
        message.name.port = 0
        message.name.length = SIZEOF_SOCKADDR
      }
      putSocketControl(this, packet, packet.seq, message)
      putIpControl(this, packet, message)
    }
    return this.take(packet, bytes, offset, length, flags, message)
  }

  /**
   * An ICMP error about a packet of this socket (raw_err, ping_err): told to who asks by IP_RECVERR or is connected and meant for
   * good. `payload` is where in `quoted` begins what the error queue gives.
   */
  // biome-ignore format: as Transport.error
  protected report(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number, payload: number): void {
    const wantsAll = this.isFlag(SF_RECVERR)
    let error = EHOSTUNREACH
    let isHard = false
    if (type === icmp.PARAMETER_PROBLEM) {
      error = EPROTO
      isHard = true
    } else if (type === icmp.UNREACHABLE) {
      const isTooLong = code === icmp.FRAGMENTATION_NEEDED
      error = isTooLong ? EMSGSIZE : errno
      isHard = isTooLong ? this.mtuDiscover !== IP_PMTUDISC_DONT : fatal
    }
    if (wantsAll) queueIcmpError(this, quoted, type, code, error, 0, info, payload)
    else if (!isHard || this.state !== TCP_ESTABLISHED) return
    this.error = error
    this.wake(POLLERR)
  }
}

/** A copy of a packet whose `start` is beyond its IP header, with the header. */
function copyFromHeader(packet: Packet): Packet {
  const { start } = packet
  packet.start = packet.l3
  const copy = packet.clone()
  copy.interface = packet.interface
  packet.start = start
  return copy
}
