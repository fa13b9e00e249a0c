/**
 * A UDP socket (struct udp_sock): bound and connected names, a receive queue of whole datagrams charged to SO_RCVBUF,
 * datagrams on their way charged to SO_SNDBUF. Behaviour of udp(7), ip(7) and net/ipv4/udp.c, datagram.c.
 */
import { MAX_FRAGS, type Packet } from '../buf/packet.ts'
import { IP_MAX_MTU } from '../ip/dst.ts'
import { IPPROTO_UDP } from '../ip/transport.ts'
import { AF_INET, AF_UNSPEC, SIZEOF_SA_FAMILY, SIZEOF_SOCKADDR, type SockAddr } from '../sock/address.ts'
import { filterFrom } from '../sock/bpf.ts'
import {
  FIONREAD,
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  SIOCOUTQ,
  SOCK_DGRAM,
  SOL_UDP,
  UDP_GRO,
} from '../sock/constants.ts'
import { hasErrors, receiveError } from '../sock/error-queue.ts'
import { inetBind, inetGetName, inetShutdown } from '../sock/inet.ts'
import { toProgram } from '../sock/message.ts'
import { dropMemberships, outInterface } from '../sock/multicast.ts'
import { putIpControl, putSocketControl, WANT_RXQ_OVFL } from '../sock/receive-control.ts'
import {
  type Message,
  RCV_SHUTDOWN,
  SF_BINDADDR_LOCK,
  SF_BINDPORT_LOCK,
  SF_BROADCAST,
  SF_DEAD,
  SHUTDOWN_MASK,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from '../sock/sock.ts'
import { POLLERR, POLLHUP, POLLIN, POLLRDHUP, POLLRDNORM, READABLE, WRITABLE } from '../sock/wait-queue.ts'
import { RTN_BROADCAST } from '../stack/route.ts'
import { EACCES, EAFNOSUPPORT, EAGAIN, EINVAL, ENOTCONN } from '../sys/errno.ts'
import * as wire from '../wire/udp.ts'
import type { Udp } from './udp.ts'
import { truesize, UdpOutput } from './udp-output.ts'

export { truesize } from './udp-output.ts'

/** What UDP_GRO joins at most. */
const GRO_MAX = 65507

export class UdpSock extends UdpOutput {
  readonly udp: Udp
  /** Received datagrams, oldest first: `start` at the payload, `seq` the source port, `endSeq` the memory charged. */
  #head: Packet | null = null
  #tail: Packet | null = null
  /** Datagrams that found no room (sk_drops, SO_RXQ_OVFL, the last column of /proc/net/udp). */
  drops = 0
  /** Where in the datagram that `#next` gave MSG_PEEK begins. */
  #peekAt = 0

  constructor(udp: Udp) {
    super(udp.stack, AF_INET, SOCK_DGRAM, IPPROTO_UDP)
    this.udp = udp
  }

  /** datagram_poll. */
  override poll(): number {
    let mask = 0
    if (this.error !== 0 || hasErrors(this)) mask |= POLLERR
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
    this.errorQueue?.purge()
    this.extra?.flush(this)
    dropMemberships(this)
  }

  override bind(to: SockAddr): number {
    return inetBind(this, to, this.udp.ports)
  }

  /** Fixes the peer (__ip4_datagram_connect); AF_UNSPEC dissolves the association (__udp_disconnect). */
  override connect(to: SockAddr): number {
    if (to.length < SIZEOF_SA_FAMILY) return -EINVAL
    if (to.family === AF_UNSPEC) return this.#disconnect()
    if (!this.autobind()) return -EAGAIN
    if (to.length < SIZEOF_SOCKADDR) return -EINVAL
    if (to.family !== AF_INET) return -EAFNOSUPPORT
    this.dst = null
    const source = this.source(to.address)
    const dst = this.stack.ipv4.route(to.address, source, outInterface(this, to.address))
    if (typeof dst === 'number') return this.noRoute(dst)
    if (dst.type === RTN_BROADCAST && !this.isFlag(SF_BROADCAST)) return -EACCES
    this.remoteAddress = to.address === 0 ? dst.destination : to.address
    this.remotePort = to.port
    if (this.localAddress === 0) this.localAddress = source === 0 ? dst.source : source
    this.state = TCP_ESTABLISHED
    this.dst = dst
    this.dstAddress = this.remoteAddress
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
    this.dst = null
    return 0
  }

  /** inet_autobind: true if it has a port now. */
  protected override autobind(): boolean {
    return this.localPort !== 0 || this.udp.ports.autobind(this) === 0
  }

  override shutdown(how: number): number {
    return inetShutdown(this, how)
  }

  override getName(peer: boolean, into: SockAddr): number {
    return inetGetName(this, peer, into)
  }

  override routeChanged(): void {
    this.dst = null
  }

  override pathMtu(): number {
    return this.state === TCP_ESTABLISHED && this.dst !== null ? Math.min(this.dst.mtu, IP_MAX_MTU) : -ENOTCONN
  }

  override ioctl(request: number): number {
    if (request === FIONREAD) return this.#head === null ? 0 : this.#head.length
    if (request === SIOCOUTQ) return this.wmemQueued
    return super.ioctl(request)
  }

  /** Takes a datagram in, `start` at its payload, or drops it when the buffer is full (__udp_enqueue_schedule_skb). */
  enqueue(packet: Packet, sport: number): void {
    if (this.settings.filter !== null && !this.#passesFilter(packet)) return
    const size = truesize(packet.length)
    const used = this.rmemAlloc
    if (used + size > this.rcvbuf && used !== 0) {
      this.drops++
      this.stack.counters.UdpRcvbufErrors++
      this.stack.counters.UdpInErrors++
      this.stack.drop(packet, 'udp.rcvbuf')
      return
    }
    this.rmemAlloc = used + size
    packet.seq = sport
    packet.endSeq = size
    packet.mark = (this.settings.wants & WANT_RXQ_OVFL) !== 0 ? this.drops : 0
    packet.next = null
    if (this.extra?.gro === true && this.#coalesce(packet)) return
    if (this.#tail === null) this.#head = packet
    else this.#tail.next = packet
    this.#tail = packet
    this.wake(READABLE)
  }

  /** SO_ATTACH_FILTER: the program sees the UDP header first, which is always kept; false if the datagram is gone. */
  #passesFilter(packet: Packet): boolean {
    const keep = filterFrom(this, packet, packet.start - wire.HDR_LEN)
    if (keep > 0) {
      packet.trimTo(Math.min(packet.length, Math.max(keep - wire.HDR_LEN, 0)))
      return true
    }
    this.drops++
    this.stack.counters.UdpInErrors++
    this.stack.drop(packet, 'socket.filter')
    return false
  }

  /** UDP_GRO: joins the datagram to the one before it if they are of one flow and came together; true if it is gone. */
  #coalesce(packet: Packet): boolean {
    const last = this.#tail
    if (last === null || last.seq !== packet.seq || last.saddr !== packet.saddr || last.time !== packet.time)
      return false
    const size = last.gsoSize === 0 ? last.length : last.gsoSize
    const isOpen = last.length % size === 0 && packet.length <= size && packet.length > 0
    if (!isOpen || last.length + packet.length > GRO_MAX || last.fragCount + packet.fragCount + 1 > MAX_FRAGS)
      return false
    packet.shareInto(last, 0, packet.length)
    last.gsoSize = size
    last.endSeq += packet.endSeq
    packet.release()
    return true
  }

  /** The datagram to be read, with SO_PEEK_OFF the one that holds that place; `peekAt` tells where in it. */
  #next(flags: number): Packet | null {
    let packet = this.#head
    this.#peekAt = (flags & MSG_PEEK) === 0 ? 0 : Math.max(this.settings.peekOff, 0)
    while (packet !== null && this.#peekAt > 0 && this.#peekAt >= packet.length) {
      this.#peekAt -= packet.length
      packet = packet.next
    }
    return packet
  }

  /** udp_recvmsg: one datagram; what does not fit is lost, and MSG_TRUNC says so. */
  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if ((flags & MSG_ERRQUEUE) !== 0) return receiveError(this, bytes, offset, length, message)
    if (this.error !== 0) return -this.takeError()
    const packet = this.#next(flags)
    if (packet === null) return -EAGAIN
    const size = packet.length
    const copied = Math.min(size - this.#peekAt, length)
    toProgram(packet, this.#peekAt, copied, bytes, offset, message)
    if (message !== null) {
      if (copied < size && copied === length) message.flags |= MSG_TRUNC
      this.#tell(packet, message)
    }
    const result = (flags & MSG_TRUNC) !== 0 ? size : copied
    if (this.settings.peekOff >= 0) this.movePeek((flags & MSG_PEEK) !== 0 ? result : -result)
    if ((flags & MSG_PEEK) === 0) {
      this.#head = packet.next
      if (this.#head === null) this.#tail = null
      packet.next = null
      this.rmemAlloc -= packet.endSeq
      this.stack.counters.UdpInDatagrams++
      packet.release()
    }
    return result
  }

  /** The sender's name and control messages. */
  #tell(packet: Packet, message: Message): void {
    const { wants, tsflags } = this.settings
    if ((wants | tsflags) !== 0) putSocketControl(this, packet, packet.mark, message)
    if (message.name !== null) {
      message.name.family = AF_INET
      message.name.address = packet.saddr
      message.name.port = packet.seq
    }
    if (packet.gsoSize !== 0 && this.extra?.gro === true) message.put(SOL_UDP, UDP_GRO, packet.gsoSize)
    if (wants !== 0) putIpControl(this, packet, message)
  }
}
