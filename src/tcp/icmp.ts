/** ICMP errors about segments of ours (Linux tcp_v4_err; RFC 1122 §4.2.3.9, RFC 1191 §6.5, RFC 5927). */
import type { Packet } from '../buf/packet.ts'
import { queueIcmpError } from '../sock/error-queue.ts'
import {
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_INTERFACE,
  IP_PMTUDISC_OMIT,
  SF_RECVERR,
  TCP_CLOSE,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import { EMSGSIZE } from '../sys/errno.ts'
import { get16, get32 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { abort } from './lifecycle.ts'
import { currentMss, dontFragment, establishedOptionBytes, optionRoom, syncMss } from './mss.ts'
import { markLost } from './rack.ts'
import { retransmitUncongested } from './recovery.ts'
import { Request } from './request.ts'
import { between } from './seq.ts'
import { Tcb } from './tcb.ts'
import type { Connection, Tcp } from './tcp.ts'
import { revertBackOff } from './timeouts.ts'
import { TimeWait } from './timewait.ts'
import type { TxSegment } from './tx-segment.ts'

/** Of the TCP header: ports and sequence number. */
const QUOTED = 8

/** The connection that the quoted segment names. */
const connectionOf = (tcp: Tcp, quoted: Packet): Connection | undefined =>
  quoted.end - quoted.l4 < QUOTED
    ? undefined
    : tcp.table.get(quoted.saddr, quoted.daddr, get32(quoted.bytes, quoted.l4))

/** The oldest sequence number out; before a Fast Open child's handshake that is the SYN-ACK's. */
const firstOut = (t: Tcb): number => t.fastOpen?.request?.iss ?? t.snd.una

/** RFC 5927 §4.1: only about data in flight; others are counted. */
function isOut(tcp: Tcp, c: Tcb | Request, seq: number): boolean {
  if (c instanceof Request ? seq === c.iss : between(seq, firstOut(c), c.snd.nxt)) return true
  tcp.counters.TcpExtOutOfWindowIcmps++
  return false
}

/** Is the quoted segment one of ours that is out? Asked before a path MTU is believed (Transport.owns). */
export function ownsQuoted(tcp: Tcp, quoted: Packet): boolean {
  const c = connectionOf(tcp, quoted)
  if (c === undefined) tcp.counters.IcmpInErrors++
  if (c === undefined || c instanceof TimeWait) return false
  if (c instanceof Tcb && !isHeard(tcp, c, quoted)) return false
  // A SYN-ACK is short enough for any path.
  return isOut(tcp, c, get32(quoted.bytes, quoted.l4 + 4)) && c instanceof Tcb
}

/** There is a connection, and the segment can have been one of its own (IP_MINTTL). */
function isHeard(tcp: Tcp, t: Tcb, quoted: Packet): boolean {
  if (t.state === TCP_CLOSE) return false
  if (ipv4.ttl(quoted.bytes, quoted.l3) >= t.settings.minTtl) return true
  tcp.counters.TcpExtTCPMinTTLDrop++
  return false
}

/** An error: soft while connected, fatal while connecting; "fragmentation needed" is about the path MTU. */
export function icmpArrives(tcp: Tcp, quoted: Packet, type: number, code: number, errno: number, info: number): void {
  const c = connectionOf(tcp, quoted)
  if (type === icmp.UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED) {
    // `ownsQuoted` has looked.
    if (c instanceof Tcb) mtuReduced(c, info)
    return
  }
  if (c === undefined) tcp.counters.IcmpInErrors++
  if (c === undefined || c instanceof TimeWait) return
  if (c instanceof Tcb && !isHeard(tcp, c, quoted)) return
  const o = quoted.l4
  if (!isOut(tcp, c, get32(quoted.bytes, o + 4))) return
  if (c instanceof Request) {
    if (!endsRequest(type, code)) return
    tcp.counters.TcpExtListenDrops++
    c.drop()
    return
  }
  const early = c.fastOpen?.request ?? null
  if (early === null && isNoRoute(type, code)) revertBackOff(c, get32(quoted.bytes, o + 4))
  if ((c.state === TCP_SYN_SENT || c.state === TCP_SYN_RECV) && !early?.isAccepted) {
    queueIcmpError(c, quoted, type, code, errno, get16(quoted.bytes, o + 2), info, o)
    abort(c, errno)
    return
  }
  if (c.isFlag(SF_RECVERR)) {
    c.error = errno
    c.wake(POLLERR)
  } else c.softError = errno
}

/** A router knows no way to the network, or to the host. */
const isNoRoute = (type: number, code: number): boolean =>
  type === icmp.UNREACHABLE && (code === icmp.NET_UNREACHABLE || code === icmp.HOST_UNREACHABLE)

/** Errors that say the SYN-ACK did not get there, or that nothing will (tcp_req_err). */
const endsRequest = (type: number, code: number): boolean => type !== icmp.UNREACHABLE || isNoRoute(type, code)

/** Payload of a segment of a burst (tcp_skb_seglen): `mss` as far as its length and number allow. */
const segmentLength = ({ bytes, pcount }: TxSegment, mss: number): number =>
  pcount <= 1 ? bytes : Math.min(Math.max(mss, Math.ceil(bytes / pcount)), Math.ceil(bytes / (pcount - 1)) - 1)

/** Segments in flight are too long for the path: shorter ones go out at once (tcp_v4_mtu_reduced, tcp_simple_retransmit). */
function mtuReduced(t: Tcb, claimed: number): void {
  if (t.dst === null) return
  const { mtu } = t.dst
  if (claimed < mtu && dontFragment(t, t.dst)) t.softError = EMSGSIZE
  const { mtuDiscover } = t.settings
  const isDeaf =
    mtuDiscover === IP_PMTUDISC_DONT || mtuDiscover === IP_PMTUDISC_INTERFACE || mtuDiscover === IP_PMTUDISC_OMIT
  if (isDeaf || mtu >= t.pmtu) return
  const old = t.snd.mss + optionRoom(t) - establishedOptionBytes(t)
  syncMss(t, mtu)
  // A SYN with data was lost whole: the next goes without.
  const isSynData = t.state === TCP_SYN_SENT && t.fastOpen !== null && t.fastOpen.synData
  const mss = currentMss(t)
  for (let s = t.txHead; s !== null && s !== t.sendHead; s = s.next) {
    if (isSynData || segmentLength(s, old) > mss) markLost(t, s)
  }
  if (t.lostOut > 0) retransmitUncongested(t)
}
