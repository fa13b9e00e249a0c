/** A raw socket (struct raw_sock): IP packets of one protocol with their header. Behaviour of raw(7) and net/ipv4/raw.c. */
import type { Packet } from '../buf/packet.ts'
import { AF_INET, AF_UNSPEC, SIZEOF_SOCKADDR, type SockAddr } from '../sock/address.ts'
import {
  ICMP_FILTER,
  IPPROTO_ICMP,
  IPPROTO_RAW,
  MSG_MORE,
  MSG_OOB,
  MSG_PROBE,
  SOCK_RAW,
  SOL_RAW,
} from '../sock/constants.ts'
import { fromProgram, type Message } from '../sock/message.ts'
import { intOf } from '../sock/option-value.ts'
import {
  type OptionResult,
  type OptionValue,
  SF_FREEBIND,
  SF_HDRINCL,
  SF_REUSEADDR,
  TCP_ESTABLISHED,
} from '../sock/sock.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../stack/route.ts'
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOPROTOOPT,
  EOPNOTSUPP,
} from '../sys/errno.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as wire from '../wire/ipv4.ts'
import { getLe32, putLe32 } from '../wire/little-endian.ts'
import { type Flow, InetDatagram } from './inet-datagram.ts'
import type { Raw } from './raw.ts'

/** Types that ICMP_FILTER knows. */
const FILTERED_TYPES = 32
/** What IP looks at of an ICMP message before it is sent: type and code (raw_probe_proto_opt). */
const PROBED = 2

export class RawSock extends InetDatagram {
  readonly raw: Raw
  /** ICMP_FILTER. */
  icmpFilter = 0
  /** Parts that MSG_MORE keeps back, and where they go. */
  #pending: { readonly flow: Flow; readonly bytes: Uint8Array } | null = null

  constructor(raw: Raw, protocol: number) {
    super(raw.stack, AF_INET, SOCK_RAW, protocol)
    this.raw = raw
    this.localPort = protocol
    this.setFlag(SF_REUSEADDR, true)
    if (protocol === IPPROTO_RAW) this.setFlag(SF_HDRINCL, true)
  }

  override close(): void {
    this.raw.unhash(this)
    this.raw.sockets.delete(this)
    super.close()
  }

  /** raw_bind: 0, -EINVAL or -EADDRNOTAVAIL; ports and the family are not looked at. */
  override bind(to: SockAddr): number {
    if (this.state === TCP_ESTABLISHED || to.length < SIZEOF_SOCKADDR) return -EINVAL
    const { address } = to
    const type = this.stack.ipv4.addressType(address)
    const isOurs = address === 0 || type === RTN_LOCAL || type === RTN_MULTICAST || type === RTN_BROADCAST
    if (!isOurs && !this.isFlag(SF_FREEBIND)) return -EADDRNOTAVAIL
    this.localAddress = address
    return 0
  }

  /** Once its peer is dissolved Linux's raw socket hears nothing any more, being out of the table (raw_unhash_sk). */
  protected override disconnect(): number {
    this.raw.unhash(this)
    this.localPort = 0
    return super.disconnect()
  }

  /** raw_sendmsg. */
  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null = null): number {
    if (length > 0xffff) return -EMSGSIZE
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    let daddr = this.remoteAddress
    if (to !== null) {
      if (to.length < SIZEOF_SOCKADDR) return -EINVAL
      if (to.family !== AF_INET && to.family !== AF_UNSPEC) return -EAFNOSUPPORT
      daddr = to.address
    } else if (this.state !== TCP_ESTABLISHED) return -EDESTADDRREQ
    const control = this.readControl(message)
    if (typeof control === 'number') return control
    const hasHeader = this.isFlag(SF_HDRINCL)
    if (hasHeader && control !== null && control.options !== null) return -EINVAL
    if (!hasHeader && this.protocol === IPPROTO_ICMP && length < PROBED) return -EFAULT
    const flow = this.flow(daddr, flags, control)
    if (typeof flow === 'number') return flow
    const result = hasHeader
      ? this.#sendWithHeader(flow, bytes, offset, length, flags, message)
      : this.#append(flow, bytes, offset, length, flags, message)
    return result < 0 ? result : length
  }

  /** ip_append_data and ip_push_pending_frames: with MSG_MORE the packet waits for its next part. */
  // biome-ignore format: one line
  #append(flow: Flow, bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if ((flags & MSG_PROBE) !== 0) return 0
    const pending = this.#pending
    const before = pending === null ? 0 : pending.bytes.length
    const tooLong = this.checkLength(flow, before + length)
    this.#pending = null
    if (tooLong < 0) return tooLong
    // Without a transport header Linux looks neither at errors nor at the shutdown, and never waits.
    if (this.wmemQueued > 2 * this.sndbuf) return -ENOBUFS
    const isLast = (flags & MSG_MORE) === 0
    if (isLast && pending === null) return this.#push(this.build(0, bytes, offset, length, message), flow)
    const all = new Uint8Array(before + length)
    if (pending !== null) all.set(pending.bytes)
    fromProgram(all, before, bytes, offset, length, message)
    const first = pending === null ? flow : pending.flow
    if (isLast) return this.#push(this.build(0, all, 0, all.length, null), first)
    this.#pending = { flow: first, bytes: all }
    return 0
  }

  #push(packet: Packet, flow: Flow): number {
    if (this.protocol === IPPROTO_ICMP) this.stack.ipv4.icmp.countOut(packet.bytes[packet.start] as number)
    return this.transmit(packet, flow, this.protocol & 0xff)
  }

  /** raw_send_hdrinc: the program's header, with length, checksum and, if they are 0, source and identification filled in. */
  // biome-ignore format: one line
  #sendWithHeader({ dst, saddr, daddr }: Flow, bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if (length > dst.interface.mtu) return this.tooLong(daddr, dst.interface.mtu)
    if (length < wire.HDR_LEN) return -EINVAL
    if ((flags & MSG_PROBE) !== 0) return 0
    const refused = this.sendSpace()
    if (refused < 0) return refused
    const packet = this.build(0, bytes, offset, length, message)
    const b = packet.bytes
    const o = packet.start
    const headerLength = wire.headerLength(b, o)
    if (headerLength > length || headerLength < wire.HDR_LEN) {
      this.stack.counters.IpOutDiscards++
      packet.release()
      return -EINVAL
    }
    const source = wire.src(b, o)
    if (source === 0) wire.setSrc(b, o, saddr)
    wire.setTotalLength(b, o, length)
    if (wire.id(b, o) === 0) {
      wire.setId(b, o, dst.identification)
      dst.identification = (dst.identification + 1) & 0xffff
    }
    wire.fillChecksum(b, o)
    packet.l3 = o
    packet.l4 = o + headerLength
    packet.protocol = wire.protocol(b, o)
    packet.saddr = wire.src(b, o)
    packet.daddr = wire.dst(b, o)
    if (packet.protocol === IPPROTO_ICMP && length >= headerLength + icmp.HDR_LEN)
      this.stack.ipv4.icmp.countOut(b[packet.l4] as number)
    const result = this.stack.ipv4.sendWithHeader(packet, dst)
    if (result < 0) this.stack.counters.IpOutDiscards++
    return this.sent(result)
  }

  /** True if a packet from `raddr` to `laddr` by interface `index` is for this socket (raw_v4_match). */
  matches(raddr: number, laddr: number, index: number): boolean {
    return (
      (this.remoteAddress === 0 || this.remoteAddress === raddr) &&
      (this.localAddress === 0 || this.localAddress === laddr) &&
      (this.boundInterface === 0 || this.boundInterface === index)
    )
  }

  /** A packet of its protocol, lent, `start` at the transport header (raw_v4_input, icmp_filter, raw_rcv). */
  input(packet: Packet): void {
    if (packet.protocol === IPPROTO_ICMP && !this.#wants(packet)) return
    this.deliver(packet, packet.l3)
  }

  #wants(packet: Packet): boolean {
    if (packet.length < icmp.HDR_LEN || !packet.pullUp(icmp.HDR_LEN)) return false
    const type = icmp.type(packet.bytes, packet.start)
    return type >= FILTERED_TYPES || (this.icmpFilter & (1 << type)) === 0
  }

  /** raw_err. */
  // biome-ignore format: as Transport.error
  hear(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void {
    this.report(quoted, type, code, errno, fatal, info, this.isFlag(SF_HDRINCL) ? quoted.l3 : quoted.l4)
  }

  override setOption(level: number, name: number, value: OptionValue): number {
    if (level !== SOL_RAW || name !== ICMP_FILTER) return -ENOPROTOOPT
    if (this.protocol !== IPPROTO_ICMP) return -EOPNOTSUPP
    if (value instanceof Uint8Array) {
      // Fewer bytes than four change as many.
      const bytes = new Uint8Array(4)
      putLe32(bytes, 0, this.icmpFilter)
      bytes.set(value.subarray(0, bytes.length))
      this.icmpFilter = getLe32(bytes, 0)
    } else this.icmpFilter = intOf(value)
    return 0
  }

  override getOption(level: number, name: number, result: OptionResult): number {
    if (level !== SOL_RAW || name !== ICMP_FILTER) return -ENOPROTOOPT
    if (this.protocol !== IPPROTO_ICMP) return -EOPNOTSUPP
    result.value = this.icmpFilter
    return 0
  }
}
