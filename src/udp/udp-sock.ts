/**
 * A UDP socket (struct udp_sock): bound and connected names, a receive queue of whole datagrams charged to SO_RCVBUF,
 * datagrams on their way charged to SO_SNDBUF. Behaviour of udp(7), ip(7) and net/ipv4/udp.c, datagram.c.
 */
import * as ip4 from '../addr/ip4.ts'
import { CSUM_NONE, CSUM_PARTIAL, copy, FRAME, HEADROOM, type Packet, type PacketOwner } from '../buf/packet.ts'
import type { Dst } from '../ip/dst.ts'
import { IPPROTO_UDP } from '../ip/transport.ts'
import { AF_INET, AF_UNSPEC, type SockAddr } from '../sock/address.ts'
import {
  FIONREAD,
  MSG_CONFIRM,
  MSG_DONTROUTE,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  MSG_PROBE,
  MSG_TRUNC,
  SIOCOUTQ,
  SOCK_DGRAM,
} from '../sock/constants.ts'
import { inetBind, inetGetName } from '../sock/inet.ts'
import {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  type Message,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SF_BINDADDR_LOCK,
  SF_BINDPORT_LOCK,
  SF_BROADCAST,
  SF_DEAD,
  SF_DONTROUTE,
  SF_NO_CHECK,
  SF_RECVERR,
  SHUTDOWN_MASK,
  Sock,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../sock/sock.ts'
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../sock/wait-queue.ts'
import { RTN_BROADCAST } from '../stack/route.ts'
import {
  EACCES,
  EAFNOSUPPORT,
  EAGAIN,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
} from '../sys/errno.ts'
import * as checksum from '../wire/checksum.ts'
import * as wire from '../wire/udp.ts'
import type { Udp } from './udp.ts'

const READABLE = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND
const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND
/** IPv4 header and UDP header. */
const HEADERS = 28
/** The longest IP packet, whatever a device takes (IP_MAX_MTU). */
const IP_MAX_MTU = 0xffff
/** Time to live of multicasts unless IP_MULTICAST_TTL says otherwise (RFC 1112 §6.1). */
const MULTICAST_TTL = 1
/** What Linux adds to a datagram's bytes before the allocator rounds up: headers, link header, struct skb_shared_info. */
const SKB_OVERHEAD = HEADERS + 31 + 320
/** Size of the cache for small heads (SKB_SMALL_HEAD_CACHE_SIZE). */
const SKB_SMALL_HEAD = 576
/** sizeof(struct sk_buff), rounded up to a cache line. */
const SKB_SIZE = 256
/** Above this Linux keeps the payload in pages (SKB_MAX_ALLOC). */
const SKB_MAX_ALLOC = 16000

/** Memory that Linux 6.18 accounts for a datagram of `length` bytes: 832 up to 197 bytes, then in powers of two. */
export function truesize(length: number): number {
  if (length > SKB_MAX_ALLOC) return 512 + SKB_SIZE + length
  const size = length + SKB_OVERHEAD
  return (size <= SKB_SMALL_HEAD ? SKB_SMALL_HEAD : 1 << (32 - Math.clz32(size - 1))) + SKB_SIZE
}

export class UdpSock extends Sock implements PacketOwner {
  readonly udp: Udp
  /** Received datagrams, oldest first: `start` at the payload, `seq` the source port, `endSeq` the memory charged. */
  #head: Packet | null = null
  #tail: Packet | null = null
  /** Where it sent last, or where it is connected to; and what for. */
  #dst: Dst | null = null
  #dstAddress = 0

  constructor(udp: Udp) {
    super(udp.stack, AF_INET, SOCK_DGRAM, IPPROTO_UDP)
    this.udp = udp
  }

  /** datagram_poll. */
  override poll(): number {
    let mask = 0
    if (this.error !== 0) mask |= POLLERR
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if (this.shutdownMask === SHUTDOWN_MASK) mask |= POLLHUP
    if (this.#head !== null) mask |= POLLIN | POLLRDNORM
    if (this.wmemQueued < this.sndbuf >> 1) mask |= WRITABLE
    return mask
  }

  override close(): void {
    this.setFlag(SF_DEAD, true)
    this.udp.ports.release(this)
    this.udp.sockets.delete(this)
    this.localPort = 0
    this.state = TCP_CLOSE
    for (let packet = this.#head; packet !== null; packet = this.#head) {
      this.#head = packet.next
      packet.next = null
      packet.release()
    }
    this.#tail = null
    this.rmemAlloc = 0
  }

  override bind(to: SockAddr): number {
    return inetBind(this, to, this.udp.ports)
  }

  /** Fixes the peer (__ip4_datagram_connect); AF_UNSPEC dissolves the association (__udp_disconnect). */
  override connect(to: SockAddr): number {
    if (to.family === AF_UNSPEC) return this.#disconnect()
    if (!this.#autobind()) return -EAGAIN
    if (to.family !== AF_INET) return -EAFNOSUPPORT
    this.#dst = null
    const source = this.#source()
    const dst = this.stack.ipv4.route(to.address, source, this.boundInterface)
    if (typeof dst === 'number') return this.#noRoute(dst)
    if (dst.type === RTN_BROADCAST && !this.isFlag(SF_BROADCAST)) return -EACCES
    this.remoteAddress = to.address === 0 ? dst.destination : to.address
    this.remotePort = to.port
    if (this.localAddress === 0) this.localAddress = source === 0 ? dst.source : source
    this.state = TCP_ESTABLISHED
    this.#dst = dst
    this.#dstAddress = this.remoteAddress
    return 0
  }

  #disconnect(): number {
    this.state = TCP_CLOSE
    this.remoteAddress = 0
    this.remotePort = 0
    this.boundInterface = 0
    if (!this.isFlag(SF_BINDADDR_LOCK)) this.localAddress = 0
    if (!this.isFlag(SF_BINDPORT_LOCK)) {
      this.udp.ports.release(this)
      this.localPort = 0
    }
    this.#dst = null
    return 0
  }

  /** inet_autobind: true if it has a port now. */
  #autobind(): boolean {
    return this.localPort !== 0 || this.udp.ports.autobind(this) === 0
  }

  /** inet_saddr: what it is bound to, unless that is no source address. */
  #source(): number {
    const address = this.localAddress
    if (address === 0 || ip4.isMulticast(address)) return 0
    return this.isFlag(SF_BINDADDR_LOCK) && this.stack.ipv4.addressType(address) === RTN_BROADCAST ? 0 : address
  }

  #noRoute(errno: number): number {
    if (errno === -ENETUNREACH) this.stack.counters.IpOutNoRoutes++
    return errno
  }

  /** inet_shutdown: works, and wakes, also when it answers -ENOTCONN. */
  override shutdown(how: number): number {
    if (!(how >= 0 && how <= 2)) return -EINVAL
    this.shutdownMask |= how + 1
    this.wake(POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLRDNORM | POLLWRNORM)
    return this.state === TCP_CLOSE ? -ENOTCONN : 0
  }

  override getName(peer: boolean, into: SockAddr): number {
    return inetGetName(this, peer, into)
  }

  override routeChanged(): void {
    this.#dst = null
  }

  override pathMtu(): number {
    return this.state === TCP_ESTABLISHED && this.#dst !== null ? Math.min(this.#dst.mtu, IP_MAX_MTU) : -ENOTCONN
  }

  override ioctl(request: number): number {
    if (request === FIONREAD) return this.#head === null ? 0 : this.#head.length
    if (request === SIOCOUTQ) return this.wmemQueued
    return super.ioctl(request)
  }

  /** Takes a datagram in, `start` at its payload, or drops it when the buffer is full (__udp_enqueue_schedule_skb). */
  enqueue(packet: Packet, sport: number): void {
    const size = truesize(packet.length)
    const used = this.rmemAlloc
    if (used + size > this.rcvbuf && used !== 0) {
      this.stack.counters.UdpRcvbufErrors++
      this.stack.counters.UdpInErrors++
      this.stack.drop(packet, 'udp.rcvbuf')
      return
    }
    this.rmemAlloc = used + size
    packet.seq = sport
    packet.endSeq = size
    packet.next = null
    if (this.#tail === null) this.#head = packet
    else this.#tail.next = packet
    this.#tail = packet
    this.wake(READABLE)
  }

  /** udp_recvmsg: one datagram; what does not fit is lost, and MSG_TRUNC says so. */
  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if ((flags & MSG_ERRQUEUE) !== 0) return -EAGAIN
    if (this.error !== 0) return -this.takeError()
    const packet = this.#head
    if (packet === null) return -EAGAIN
    const size = packet.length
    const copied = Math.min(size, length)
    if (packet.fragCount === 0) copy(bytes, offset, packet.bytes, packet.start, copied)
    else packet.copyTo(bytes, offset, 0, copied)
    if (message !== null) {
      message.flags = copied < size ? MSG_TRUNC : 0
      if (message.name !== null) {
        message.name.family = AF_INET
        message.name.address = packet.saddr
        message.name.port = packet.seq
      }
    }
    if ((flags & MSG_PEEK) === 0) {
      this.#head = packet.next
      if (this.#head === null) this.#tail = null
      packet.next = null
      this.rmemAlloc -= packet.endSeq
      this.stack.counters.UdpInDatagrams++
      packet.release()
    }
    return (flags & MSG_TRUNC) !== 0 ? size : copied
  }

  /** udp_sendmsg: one datagram, whole or not at all. */
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null): number {
    if (this.localPort === 0 && !this.#autobind()) return -EAGAIN
    if (length > 0xffff) return -EMSGSIZE
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    let daddr = this.remoteAddress
    let dport = this.remotePort
    if (to !== null) {
      if (to.family !== AF_INET && to.family !== AF_UNSPEC) return -EAFNOSUPPORT
      daddr = to.address
      dport = to.port
      if (dport === 0) return -EINVAL
    } else if (this.state !== TCP_ESTABLISHED) return -EDESTADDRREQ
    let dst = this.#dst
    if (dst === null || this.#dstAddress !== daddr || !dst.isValid()) {
      const found = this.#route(daddr)
      if (typeof found === 'number') return found
      dst = found
    }
    if (dst.type === RTN_BROADCAST && !this.isFlag(SF_BROADCAST)) return -EACCES
    if ((flags & (MSG_DONTROUTE | MSG_PROBE | MSG_CONFIRM)) !== 0 || this.isFlag(SF_DONTROUTE)) {
      if (dst.gateway !== 0 && ((flags & MSG_DONTROUTE) !== 0 || this.isFlag(SF_DONTROUTE)))
        return this.#noRoute(-ENETUNREACH)
      if ((flags & MSG_CONFIRM) !== 0) dst.confirm()
      if ((flags & MSG_PROBE) !== 0) return length
    }
    const mtuDiscover = this.mtuDiscover
    const total = length + HEADERS
    let mtu = IP_MAX_MTU
    if (mtuDiscover >= IP_PMTUDISC_DO && mtuDiscover !== IP_PMTUDISC_OMIT) {
      mtu = Math.min(mtuDiscover >= IP_PMTUDISC_PROBE ? dst.interface.mtu : dst.mtu, IP_MAX_MTU)
    }
    if (total > mtu) return this.#tooLong()
    if (this.error !== 0) return -this.takeError()
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE
    if (this.wmemQueued >= this.sndbuf) return -EAGAIN
    const source = this.localAddress === 0 ? 0 : this.#source()
    const packet = this.#build(bytes, offset, length)
    const saddr = source === 0 ? dst.source : source
    this.#finish(packet, saddr, daddr === 0 ? dst.destination : daddr, dport, length + wire.HDR_LEN)
    let df = mtuDiscover === IP_PMTUDISC_DO || mtuDiscover === IP_PMTUDISC_PROBE
    if (mtuDiscover === IP_PMTUDISC_WANT) df = total <= dst.mtu
    const ttl = ip4.isMulticast(daddr) ? MULTICAST_TTL : this.ttl < 0 ? this.stack.sysctl.ip_default_ttl : this.ttl
    const target = daddr === 0 ? dst.destination : daddr
    const result = this.stack.ipv4.output(packet, dst, saddr, target, IPPROTO_UDP, ttl, this.tos, df)
    if (result < 0) return this.#sendFailed(result, length)
    this.stack.counters.UdpOutDatagrams++
    return length
  }

  /** IP refused. A full device is silent unless the program wants to know (IP_RECVERR). */
  #sendFailed(errno: number, length: number): number {
    if (errno !== -ENOBUFS) return errno
    this.stack.counters.UdpSndbufErrors++
    return this.isFlag(SF_RECVERR) ? errno : length
  }

  /** EMSGSIZE is also queued as an error of the local host (ip_local_error) once there is an error queue. */
  #tooLong(): number {
    return -EMSGSIZE
  }

  #route(daddr: number): Dst | number {
    const dst = this.stack.ipv4.route(daddr, this.#source(), this.boundInterface)
    if (typeof dst === 'number') return this.#noRoute(dst)
    this.#dst = dst
    this.#dstAddress = daddr
    return dst
  }

  /** A packet with the payload and room for the header; charged to the send buffer. */
  #build(bytes: Uint8Array, offset: number, length: number): Packet {
    const { pool } = this.stack
    const isLinear = length <= FRAME - HEADROOM - wire.HDR_LEN
    const packet = pool.allocHeader(wire.HDR_LEN + (isLinear ? length : 0))
    const at = packet.put(wire.HDR_LEN + (isLinear ? length : 0))
    if (isLinear) copy(packet.bytes, at + wire.HDR_LEN, bytes, offset, length)
    else {
      for (let done = 0; done < length; ) {
        const part = pool.pageRoom(length - done)
        copy(pool.page.bytes, pool.pageOffset, bytes, offset + done, part)
        packet.addFrag(pool.page, pool.pageOffset, part)
        pool.pageTake(part)
        done += part
      }
    }
    const size = truesize(length)
    packet.owner = this
    packet.ownerBytes = size
    this.wmemQueued += size
    return packet
  }

  /** Ports, length and checksum state. */
  #finish(packet: Packet, saddr: number, daddr: number, dport: number, ulen: number): void {
    const o = packet.start
    const view = packet.view
    view.setInt32(o, (this.localPort << 16) | dport)
    if (this.isFlag(SF_NO_CHECK)) {
      view.setInt32(o + 4, ulen << 16)
      packet.csum = CSUM_NONE
      return
    }
    view.setInt32(o + 4, (ulen << 16) | checksum.fold(checksum.pseudo4(saddr, daddr, IPPROTO_UDP, ulen)))
    packet.csum = CSUM_PARTIAL
    packet.csumOffset = wire.checksumOffset(0)
  }

  /** A datagram has left (sock_wfree, sock_def_write_space). */
  packetLeft(bytes: number): void {
    this.wmemQueued -= bytes
    if (this.wmemQueued << 1 <= this.sndbuf && !this.wait.isEmpty) this.wake(WRITABLE)
  }
}
