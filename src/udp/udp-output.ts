/** Sending on a UDP socket (udp_sendmsg, ip_append_data, udp_send_skb): addresses, routes, control messages, corking, segments. */
import * as ip4 from '../addr/ip4.ts'
import { CSUM_NONE, CSUM_PARTIAL, FRAME, HEADROOM, type Packet, type PacketOwner } from '../buf/packet.ts'
import { SKB_SIZE } from '../buf/skb-size.ts'
import { type Dst, IP_MAX_MTU } from '../ip/dst.ts'
import { IPPROTO_UDP } from '../ip/transport.ts'
import { AF_INET, AF_UNSPEC, SIZEOF_SOCKADDR, type SockAddr } from '../sock/address.ts'
import {
  MSG_CONFIRM,
  MSG_DONTROUTE,
  MSG_MORE,
  MSG_OOB,
  MSG_PROBE,
  MSG_ZEROCOPY,
  SOL_UDP,
  UDP_CORK,
} from '../sock/constants.ts'
import { packetTruesize } from '../sock/datagram.ts'
import { queueLocalError, queueStamp } from '../sock/error-queue.ts'
import { fromProgram } from '../sock/message.ts'
import { multicastOf, multicastSource, outInterface } from '../sock/multicast.ts'
import { SendControl } from '../sock/send-control.ts'
import {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
  type Message,
  type OptionResult,
  type OptionValue,
  SEND_SHUTDOWN,
  SF_BINDADDR_LOCK,
  SF_BROADCAST,
  SF_DONTROUTE,
  SF_NO_CHECK,
  SF_RECVERR,
  Sock,
  TCP_ESTABLISHED,
} from '../sock/sock.ts'
import { SOF_OPT_ID, SOF_TX, SOF_TX_SCHED, SOF_TX_SOFTWARE, TSTAMP_SCHED, TSTAMP_SND } from '../sock/stamping.ts'
import { WRITABLE } from '../sock/wait-queue.ts'
import { abortZeroCopy, beginZeroCopy, putZeroCopy, wantsZeroCopy } from '../sock/zerocopy.ts'
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
  EOPNOTSUPP,
  EPIPE,
} from '../sys/errno.ts'
import * as checksum from '../wire/checksum.ts'
import * as wire from '../wire/udp.ts'
import { readUdpControl } from './control.ts'
import { appendBytes, UDP_MAX_SEGMENTS, UdpExtra, type UdpFlow } from './cork.ts'

/** IPv4 header and UDP header. */
const HEADERS = 28
/** A longer payload Linux keeps in pages (SKB_MAX_ALLOC), and accounts for a small head and a struct sk_buff beside it. */
const MAX_LINEAR = 16000
const PAGED_OVERHEAD: number = 512 + SKB_SIZE

/** Memory that Linux 6.18 accounts for a datagram of `length` bytes: 832 up to 197 bytes, then in powers of two. */
export function truesize(length: number): number {
  return length > MAX_LINEAR ? PAGED_OVERHEAD + length : packetTruesize(length + HEADERS)
}

const NO_EXTRA: UdpExtra = new UdpExtra()

export abstract class UdpOutput extends Sock implements PacketOwner {
  /** Where it sent last, or where it is connected to; and what for. */
  protected dst: Dst | null = null
  protected dstAddress = 0
  /** Corking, segments and the like, for sockets that use them. */
  protected extra: UdpExtra | null = null

  /** inet_autobind: true if it has a port now. */
  protected abstract autobind(): boolean

  /** inet_saddr: what it is bound to, unless that is no source address; else what IP_MULTICAST_IF says of `daddr`. */
  protected source(daddr: number): number {
    const address = this.localAddress
    if (address === 0 || ip4.isMulticast(address)) return multicastSource(this, daddr)
    return this.isFlag(SF_BINDADDR_LOCK) && this.stack.ipv4.addressType(address) === RTN_BROADCAST ? 0 : address
  }

  protected noRoute(errno: number): number {
    if (errno === -ENETUNREACH) this.stack.counters.IpOutNoRoutes++
    return errno
  }

  /** udp_sendmsg: one datagram, whole or not at all; with MSG_MORE or UDP_CORK a part of one. */
  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null = null): number {
    if ((flags & MSG_ZEROCOPY) === 0 || !wantsZeroCopy(this)) return this.#send(bytes, offset, length, flags, to, message)
    const zerocopy = beginZeroCopy(this, length + wire.HDR_LEN, this.extra === null ? null : this.extra.zerocopy)
    if (zerocopy === null) return -ENOBUFS
    const result = this.#send(bytes, offset, length, flags, to, message)
    if (result < 0) abortZeroCopy(this, zerocopy)
    else if (this.extra === null || this.extra.pending === null) putZeroCopy(this, zerocopy)
    else if (this.extra.zerocopy === null) this.extra.zerocopy = zerocopy
    else zerocopy.refs--
    return result
  }

  // biome-ignore format: one line
  #send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null): number {
    if (this.localPort === 0 && !this.autobind()) return -EAGAIN
    if (length > 0xffff) return -EMSGSIZE
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    const extra = this.extra
    if (extra !== null && extra.flow !== null) return this.#sendMore(extra, extra.flow, bytes, offset, length, flags, message)
    let daddr = this.remoteAddress
    let dport = this.remotePort
    if (to !== null) {
      if (to.length < SIZEOF_SOCKADDR) return -EINVAL
      if (to.family !== AF_INET && to.family !== AF_UNSPEC) return -EAFNOSUPPORT
      daddr = to.address
      dport = to.port
      if (dport === 0) return -EINVAL
    } else if (this.state !== TCP_ESTABLISHED) return -EDESTADDRREQ
    let control: SendControl | null = null
    if (message !== null && message.control !== null) {
      control = new SendControl()
      const refused = readUdpControl(this, message, control)
      if (refused < 0) return refused
    }
    const isElsewhere = control !== null && (control.source !== 0 || control.oif !== 0)
    let dst = this.dst
    if (dst === null || this.dstAddress !== daddr || isElsewhere || !dst.isValid()) {
      const found = isElsewhere ? this.#routeFor(daddr, control as SendControl) : this.#route(daddr)
      if (typeof found === 'number') return found
      dst = found
    }
    if (dst.type === RTN_BROADCAST && !this.isFlag(SF_BROADCAST)) return -EACCES
    const dontRoute = (flags & MSG_DONTROUTE) !== 0 || this.isFlag(SF_DONTROUTE)
    if (dontRoute && dst.gateway !== 0) return this.noRoute(-ENETUNREACH)
    if ((flags & MSG_CONFIRM) !== 0) {
      dst.confirm()
      if ((flags & MSG_PROBE) !== 0 && length === 0) return 0
    }
    const source = control !== null && control.source !== 0 ? control.source : this.source(daddr)
    const saddr = source === 0 ? dst.source : source
    const target = daddr === 0 ? dst.destination : daddr
    const isCorked = (flags & MSG_MORE) !== 0 || extra?.isCorked === true
    const segment = control !== null && control.segment >= 0 ? control.segment : extra === null ? 0 : extra.segment
    if (isCorked || segment !== 0 || control !== null || extra !== null) {
      const flow: UdpFlow = { dst, saddr, daddr: target, dport, control }
      if (isCorked) return this.#sendMore(null, flow, bytes, offset, length, flags, message)
      return this.#sendFlow(flow, segment, bytes, offset, length, flags, message)
    }
    const total = length + HEADERS
    if (total > this.#mtuLimit(dst)) return this.#tooLong(target, dst.mtu)
    if ((flags & MSG_PROBE) !== 0) return length
    const refused = this.#sendRoom()
    if (refused < 0) return refused
    return this.#transmit(dst, saddr, target, dport, this.#build(bytes, offset, length, message), length, null)
  }

  /** The longest IP packet that may be sent without being cut (ip_sk_ignore_df, __ip_append_data). */
  #mtuLimit(dst: Dst): number {
    const { mtuDiscover } = this
    if (mtuDiscover < IP_PMTUDISC_DO || mtuDiscover === IP_PMTUDISC_OMIT) return IP_MAX_MTU
    return Math.min(mtuDiscover >= IP_PMTUDISC_PROBE ? dst.interface.mtu : dst.mtu, IP_MAX_MTU)
  }

  #sendRoom(): number {
    if (this.error !== 0) return -this.takeError()
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE
    return this.wmemQueued >= this.sndbuf ? -EAGAIN : 0
  }

  /** A datagram with control messages, or several of `segment` bytes each (udp_send_skb). */
  // biome-ignore format: one line
  #sendFlow(flow: UdpFlow, segment: number, bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    const { dst } = flow
    if (length + HEADERS > this.#mtuLimit(dst)) return this.#tooLong(flow.daddr, segment === 0 ? dst.mtu : IP_MAX_MTU)
    if ((flags & MSG_PROBE) !== 0) return length
    const room = this.#sendRoom()
    if (room < 0) return room
    if (segment !== 0) {
      const refused = this.#checkSegment(dst, segment, length)
      if (refused < 0) return refused
    }
    const size = segment === 0 || length <= segment ? length : segment
    let at = 0
    do {
      const part = Math.min(size, length - at)
      const packet = this.#build(bytes, offset + at, part, message)
      const result = this.#transmit(dst, flow.saddr, flow.daddr, flow.dport, packet, part, flow.control)
      if (result < 0) return result
      at += part
    } while (at < length)
    return length
  }

  #checkSegment(dst: Dst, segment: number, length: number): number {
    if (HEADERS + Math.min(length, segment) > Math.min(dst.mtu, IP_MAX_MTU)) return -EMSGSIZE
    return length > segment * UDP_MAX_SEGMENTS || this.isFlag(SF_NO_CHECK) ? -EINVAL : 0
  }

  /** A part of a datagram; the last one sends it (ip_append_data, udp_push_pending_frames). */
  // biome-ignore format: one line
  #sendMore(extra: UdpExtra | null, flow: UdpFlow, bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    const all = extra ?? this.#extras
    if ((flags & MSG_PROBE) !== 0) return length
    const before = all.pending === null ? 0 : all.pending.length - wire.HDR_LEN
    if (before + length + HEADERS > this.#mtuLimit(flow.dst)) {
      all.flush(this)
      return this.#tooLong(flow.daddr, flow.dst.mtu)
    }
    const refused = this.#sendRoom()
    if (refused < 0) {
      if (refused !== -EAGAIN) all.flush(this)
      return refused
    }
    if (all.pending !== null) this.#charge(all.pending, length)
    else this.#charge(all.begin(this.stack.pool, wire.HDR_LEN, flow), truesize(length))
    all.append(this.stack.pool, bytes, offset, length, message)
    if ((flags & MSG_MORE) !== 0 || all.isCorked) return length
    const result = this.#push(all)
    return result < 0 ? result : length
  }

  /** Sends what was put together (udp_push_pending_frames): 0 or -errno. */
  #push(extra: UdpExtra): number {
    const { pending, flow } = extra
    if (pending === null || flow === null) return 0
    extra.pending = null
    const length = pending.length - wire.HDR_LEN
    const result = this.#transmit(flow.dst, flow.saddr, flow.daddr, flow.dport, pending, length, flow.control)
    extra.end(this)
    return Math.min(result, 0)
  }

  /** Hands a datagram, `start` at its header to be, to IP: `length`, or -errno. */
  // biome-ignore format: one line
  #transmit(dst: Dst, saddr: number, daddr: number, dport: number, packet: Packet, length: number, control: SendControl | null): number {
    const { mtuDiscover } = this
    const { ipv4, sysctl, counters } = this.stack
    this.#finish(packet, saddr, daddr, dport, length + wire.HDR_LEN)
    let df = mtuDiscover === IP_PMTUDISC_DO || mtuDiscover === IP_PMTUDISC_PROBE
    if (mtuDiscover === IP_PMTUDISC_WANT) df = length + HEADERS <= dst.mtu && !dst.mtuLocked
    const own = this.ttl < 0 ? sysctl.ip_default_ttl : this.ttl
    const ttl = control !== null && control.ttl >= 0 ? control.ttl : ip4.isMulticast(daddr) ? multicastOf(this).ttl : own
    const tos = control !== null && control.tos >= 0 ? control.tos : this.tos
    const options = control !== null && control.options !== null ? control.options : this.settings.ipOptions
    const result =
      options === null
        ? ipv4.output(packet, dst, saddr, daddr, IPPROTO_UDP, ttl, tos, df)
        : ipv4.outputWithOptions(packet, dst, saddr, daddr, IPPROTO_UDP, ttl, tos, options)
    if (result < 0) return this.#sendFailed(result, length)
    counters.UdpOutDatagrams++
    const tsflags = control !== null && control.tsflags >= 0 ? control.tsflags : this.settings.tsflags
    if ((tsflags & SOF_TX) !== 0) this.#stamp(tsflags, control)
    return length
  }

  /** Time stamps of a datagram that has left (__skb_tstamp_tx). */
  #stamp(tsflags: number, control: SendControl | null): void {
    let id = 0
    if ((tsflags & SOF_OPT_ID) !== 0) id = control !== null && control.tsId >= 0 ? control.tsId : this.#extras.stampId++
    if ((tsflags & SOF_TX_SCHED) !== 0) queueStamp(this, TSTAMP_SCHED, id)
    if ((tsflags & SOF_TX_SOFTWARE) !== 0) queueStamp(this, TSTAMP_SND, id)
  }

  get #extras(): UdpExtra {
    this.extra ??= new UdpExtra()
    return this.extra
  }

  override setStamping(flags: number): number {
    const isNew = (flags & SOF_OPT_ID) !== 0 && (this.settings.tsflags & SOF_OPT_ID) === 0
    const result = super.setStamping(flags)
    if (result === 0 && isNew) this.#extras.stampId = 0
    return result
  }

  /** UDP_CORK off sends what was put together. */
  override setOption(level: number, name: number, value: OptionValue): number {
    if (level !== SOL_UDP) return super.setOption(level, name, value)
    const extra = this.#extras
    const result = extra.set(name, value)
    if (result === 0 && name === UDP_CORK && !extra.isCorked) this.#push(extra)
    return result
  }

  override getOption(level: number, name: number, result: OptionResult): number {
    if (level !== SOL_UDP) return super.getOption(level, name, result)
    return (this.extra ?? NO_EXTRA).get(name, result)
  }

  /** IP refused. A full device is silent unless the program wants to know (IP_RECVERR). */
  #sendFailed(errno: number, length: number): number {
    if (errno !== -ENOBUFS) return errno
    this.stack.counters.UdpSndbufErrors++
    return this.isFlag(SF_RECVERR) ? errno : length
  }

  /** EMSGSIZE is also queued as an error of the local host (ip_local_error). */
  #tooLong(daddr: number, mtu: number): number {
    queueLocalError(this, EMSGSIZE, daddr, this.remotePort, Math.min(mtu, IP_MAX_MTU))
    return -EMSGSIZE
  }

  #route(daddr: number): Dst | number {
    const dst = this.stack.ipv4.route(daddr, this.source(daddr), outInterface(this, daddr))
    if (typeof dst === 'number') return this.noRoute(dst)
    this.dst = dst
    this.dstAddress = daddr
    return dst
  }

  /** Where to with a source or an interface of this call's own (IP_PKTINFO). */
  #routeFor(daddr: number, { source, oif }: SendControl): Dst | number {
    const dst = this.stack.ipv4.route(
      daddr,
      source !== 0 ? source : this.source(daddr),
      oif !== 0 ? oif : outInterface(this, daddr),
    )
    return typeof dst === 'number' ? this.noRoute(dst) : dst
  }

  /** A packet with the payload and room for the header; charged to the send buffer. */
  #build(bytes: Uint8Array, offset: number, length: number, message: Message | null): Packet {
    const { pool } = this.stack
    const isLinear = length <= FRAME - HEADROOM - wire.HDR_LEN
    const packet = pool.allocHeader(wire.HDR_LEN + (isLinear ? length : 0))
    const at = packet.put(wire.HDR_LEN + (isLinear ? length : 0))
    if (isLinear) fromProgram(packet.bytes, at + wire.HDR_LEN, bytes, offset, length, message)
    else appendBytes(packet, pool, bytes, offset, length, message)
    this.#charge(packet, truesize(length))
    return packet
  }

  /** `size` bytes of memory more for a packet. */
  #charge(packet: Packet, size: number): void {
    packet.ownerBytes = packet.owner === null ? size : packet.ownerBytes + size
    packet.owner = this
    this.wmemQueued += size
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

  /** IP_MULTICAST_LOOP. */
  get loopsMulticast(): boolean {
    return this.settings.multicast?.loop !== false
  }

  /** A datagram has left (sock_wfree, sock_def_write_space). */
  packetLeft(bytes: number): void {
    this.wmemQueued -= bytes
    if (this.wmemQueued << 1 <= this.sndbuf && !this.wait.isEmpty) this.wake(WRITABLE)
  }
}
