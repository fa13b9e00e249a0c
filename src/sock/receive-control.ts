/** Control messages that recvmsg(2) gives of a received packet: those of SOL_SOCKET (__sock_recv_cmsgs) and IPPROTO_IP (ip_cmsg_recv). */
import * as ip4 from '../addr/ip4.ts'
import type { Packet } from '../buf/packet.ts'
import type { Interface } from '../stack/interface.ts'
import { RTN_LOCAL } from '../stack/route.ts'
import type { Micros } from '../sys/clock.ts'
import * as wire from '../wire/ipv4.ts'
import { AF_INET } from './address.ts'
import * as so from './constants.ts'
import type { Message } from './message.ts'
import type { Sock } from './sock.ts'
import { SOF_RX_SOFTWARE, SOF_SOFTWARE } from './stamping.ts'

/** Bits of `Settings.wants`: what recvmsg is to tell. Time stamps (in nanoseconds, in 64 bits) and their like, of any socket; */
export const WANT_TIMESTAMP = 1
export const WANT_TIMESTAMPNS = 2
export const WANT_TIMESTAMP_NEW = 4
export const WANT_RXQ_OVFL = 8
export const WANT_MARK = 16
export const WANT_PRIORITY = 32
/** of local sockets: credentials of the sender, its security label (nobody has one here); */
export const WANT_CRED = 64
export const WANT_SEC = 0x10000
/** and, the wrong way round, whether descriptors may come (SO_PASSRIGHTS); */
export const WANT_NO_RIGHTS = 128
/** of IP: IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVOPTS, IP_RETOPTS, IP_RECVORIGDSTADDR, IP_CHECKSUM. */
export const WANT_PKTINFO = 0x100
export const WANT_TTL = 0x200
export const WANT_TOS = 0x400
export const WANT_OPTS = 0x800
export const WANT_RETOPTS = 0x1000
export const WANT_ORIGDSTADDR = 0x2000
export const WANT_CHECKSUM = 0x4000
export const WANT_IP_SEC = 0x20000
const WANT_IP = 0xff00

const USEC_PER_SEC = 1000000

/** `time` of the host's clock as wall-clock time in seconds and microseconds. */
function wallClock(sock: Sock, time: Micros): [sec: number, usec: number] {
  const wall = sock.stack.clock.epoch + time
  const sec = Math.floor(wall / USEC_PER_SEC)
  return [sec, wall - sec * USEC_PER_SEC]
}

/** SO_TIMESTAMPING's three time stamps: software, none, hardware (struct scm_timestamping). */
export function putStamping(sock: Sock, message: Message, time: Micros): void {
  const [sec, usec] = wallClock(sock, time)
  message.put(so.SOL_SOCKET, so.SO_TIMESTAMPING, [sec, usec * 1000, 0, 0, 0, 0])
}

/** When it came (__sock_recv_timestamp). */
export function putTimes(sock: Sock, message: Message, time: Micros): void {
  const { wants, tsflags } = sock.settings
  if ((wants & WANT_TIMESTAMP) !== 0) {
    const [sec, usec] = wallClock(sock, time)
    const isNew = (wants & WANT_TIMESTAMP_NEW) !== 0
    if ((wants & WANT_TIMESTAMPNS) === 0) {
      message.put(so.SOL_SOCKET, isNew ? so.SO_TIMESTAMP_NEW : so.SO_TIMESTAMP, [sec, usec])
    } else message.put(so.SOL_SOCKET, isNew ? so.SO_TIMESTAMPNS_NEW : so.SO_TIMESTAMPNS, [sec, usec * 1000])
  }
  const both = SOF_SOFTWARE | SOF_RX_SOFTWARE
  if ((tsflags & both) === both) putStamping(sock, message, time)
}

/** Time stamps, lost packets before this one (`drops`), mark, priority. */
export function putSocketControl(sock: Sock, packet: Packet, drops: number, message: Message): void {
  const { wants } = sock.settings
  putTimes(sock, message, packet.time)
  if ((wants & WANT_RXQ_OVFL) !== 0 && drops > 0) message.put(so.SOL_SOCKET, so.SO_RXQ_OVFL, drops)
  if ((wants & WANT_MARK) !== 0) message.put(so.SOL_SOCKET, so.SO_MARK, 0)
  if ((wants & WANT_PRIORITY) !== 0) message.put(so.SOL_SOCKET, so.SO_PRIORITY, 0)
}

/** What the IP header says; `local` is the address to answer from, as IP_PKTINFO has it. The packet's `l3` is at it; for IP_ORIGDSTADDR `l4` is at the ports. */
export function putIpControl(sock: Sock, packet: Packet, message: Message, local?: number): void {
  const { wants } = sock.settings
  if ((wants & WANT_IP) === 0) return
  const { bytes, l3 } = packet
  const daddr = wire.dst(bytes, l3)
  if ((wants & WANT_PKTINFO) !== 0) {
    message.put(so.SOL_IP, so.IP_PKTINFO, [
      (packet.interface as Interface).index,
      local ?? localFor(sock, packet),
      daddr,
    ])
  }
  if ((wants & WANT_TTL) !== 0) message.put(so.SOL_IP, so.IP_TTL, bytes[l3 + 8] as number)
  if ((wants & WANT_TOS) !== 0) message.put(so.SOL_IP, so.IP_TOS, bytes[l3 + 1] as number)
  const length = wire.headerLength(bytes, l3)
  const options = bytes.slice(l3 + wire.HDR_LEN, l3 + length)
  if ((wants & WANT_OPTS) !== 0 && options.length > 0) message.put(so.SOL_IP, so.IP_RECVOPTS, options)
  if ((wants & WANT_RETOPTS) !== 0 && options.length > 0) {
    const back = sock.stack.ipv4.options.echo(packet, daddr)
    if (back !== null) message.put(so.SOL_IP, so.IP_RETOPTS, back)
  }
  if ((wants & WANT_ORIGDSTADDR) !== 0) {
    const port = ((bytes[packet.l4 + 2] as number) << 8) | (bytes[packet.l4 + 3] as number)
    message.put(so.SOL_IP, so.IP_ORIGDSTADDR, [AF_INET, port, daddr, 0])
  }
}

/** The address to answer from (fib_compute_spec_dst): the destination if it is this host's, else one towards the sender. */
function localFor(sock: Sock, packet: Packet): number {
  // ping_rcv has no ipv4_pktinfo_prepare.
  if (sock.protocol === so.IPPROTO_ICMP && sock.type === so.SOCK_DGRAM) return 0
  const daddr = wire.dst(packet.bytes, packet.l3)
  const { ipv4 } = sock.stack
  if (ipv4.addressType(daddr) === RTN_LOCAL) return daddr
  const saddr = wire.src(packet.bytes, packet.l3)
  if (!ip4.isUnicast(saddr)) return 0
  const dst = ipv4.route(saddr, 0, (packet.interface as Interface).index)
  return typeof dst === 'number' ? 0 : dst.source
}
