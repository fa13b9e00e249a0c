/** A ping socket: echo requests out, their replies in, both from the ICMP header on (icmp(7), net/ipv4/ping.c). */
import type { Packet } from '../buf/packet.ts'
import { AF_INET, AF_UNSPEC, SIZEOF_SOCKADDR, type SockAddr } from '../sock/address.ts'
import { IPPROTO_ICMP, MSG_OOB, MSG_PROBE, SOCK_DGRAM } from '../sock/constants.ts'
import { fromProgram, type Message } from '../sock/message.ts'
import {
  type OptionResult,
  SF_BINDADDR_LOCK,
  SF_BINDPORT_LOCK,
  SF_FREEBIND,
  SF_REUSEADDR,
  TCP_ESTABLISHED,
} from '../sock/sock.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../stack/route.ts'
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENOTTY,
  EOPNOTSUPP,
} from '../sys/errno.ts'
import { put16 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmpv4.ts'
import { InetDatagram } from './inet-datagram.ts'
import type { Ping } from './ping.ts'

/** Offset of the identifier in an echo message. */
const IDENTIFIER = 4

export class PingSock extends InetDatagram {
  readonly ping: Ping

  constructor(ping: Ping) {
    super(ping.stack, AF_INET, SOCK_DGRAM, IPPROTO_ICMP)
    this.ping = ping
    // INET_PROTOSW_REUSE
    this.setFlag(SF_REUSEADDR, true)
  }

  override close(): void {
    this.ping.unbind(this)
    this.ping.sockets.delete(this)
    super.close()
  }

  /** Both said SO_REUSEADDR: addresses are not looked at. */
  mayShare(other: PingSock): boolean {
    return this.isFlag(SF_REUSEADDR) && other.isFlag(SF_REUSEADDR)
  }

  /** ping_bind: 0, -EINVAL, -EAFNOSUPPORT, -EADDRNOTAVAIL or -EADDRINUSE; the port is the identifier, and none is privileged. */
  override bind(to: SockAddr): number {
    const { address } = to
    if (to.length < SIZEOF_SOCKADDR) return -EINVAL
    if (to.family !== AF_INET && (to.family !== AF_UNSPEC || address !== 0)) return -EAFNOSUPPORT
    if (address !== 0) {
      const type = this.stack.ipv4.addressType(address)
      if (type === RTN_MULTICAST || type === RTN_BROADCAST) return -EADDRNOTAVAIL
      if (type !== RTN_LOCAL && !this.isFlag(SF_FREEBIND)) return -EADDRNOTAVAIL
    }
    if (this.localPort !== 0) return -EINVAL
    const result = this.ping.bind(this, to.port)
    if (result < 0) return result
    this.localAddress = address
    if (address !== 0) this.setFlag(SF_BINDADDR_LOCK, true)
    if (to.port !== 0) this.setFlag(SF_BINDPORT_LOCK, true)
    return 0
  }

  protected override autobind(): number {
    return this.localPort !== 0 || this.ping.bind(this, 0) === 0 ? 0 : -EAGAIN
  }

  protected override disconnect(): number {
    if (!this.isFlag(SF_BINDPORT_LOCK)) {
      this.ping.unbind(this)
      this.localPort = 0
    }
    return super.disconnect()
  }

  /** ping_v4_sendmsg: an echo request, to which identifier and checksum are added. */
  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null = null): number {
    const bound = this.autobind()
    if (bound < 0) return bound
    if (length > 0xffff) return -EMSGSIZE
    if (length < icmp.HDR_LEN) return -EINVAL
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    const head = new Uint8Array(2)
    fromProgram(head, 0, bytes, offset, head.length, message)
    if (head[0] !== icmp.ECHO || head[1] !== 0) return -EINVAL
    let daddr = this.remoteAddress
    if (to !== null) {
      if (to.length < SIZEOF_SOCKADDR) return -EINVAL
      if (to.family !== AF_INET) return -EAFNOSUPPORT
      daddr = to.address
    } else if (this.state !== TCP_ESTABLISHED) return -EDESTADDRREQ
    const control = this.readControl(message)
    if (typeof control === 'number') return control
    const flow = this.flow(daddr, flags, control)
    if (typeof flow === 'number') return flow
    if ((flags & MSG_PROBE) !== 0) return length
    const tooLong = this.checkLength(flow, length)
    const refused = tooLong < 0 ? tooLong : this.sendSpace()
    if (refused < 0) return refused
    const packet = this.build(0, bytes, offset, length, message)
    put16(packet.bytes, packet.start + IDENTIFIER, this.localPort)
    icmp.fillChecksum(packet.bytes, packet.start, packet.end)
    this.stack.ipv4.icmp.countOut(icmp.ECHO)
    const result = this.transmit(packet, flow, IPPROTO_ICMP)
    return result < 0 ? result : length
  }

  /** An echo reply for it, lent. */
  input(packet: Packet): void {
    this.deliver(packet, packet.l4)
  }

  /** ping_err. */
  // biome-ignore format: as Transport.error
  hear(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void {
    this.report(quoted, type, code, errno, fatal, info, quoted.l4)
  }

  /** ping_prot has no ioctl: neither SIOCINQ nor SIOCOUTQ. */
  override ioctl(_request: number): number {
    return -ENOTTY
  }

  /** Nothing beside IP's: what is asked for elsewhere falls through to IP, which says so in its own way. */
  override getOption(_level: number, _name: number, _result: OptionResult): number {
    return -EOPNOTSUPP
  }
}
