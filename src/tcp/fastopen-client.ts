/** The client's side of Fast Open: the SYN with data, the send calls that make it, and its SYN-ACK (RFC 7413 §4.2). */
import type { Packet } from '../buf/packet.ts'
import { AF_UNSPEC, type SockAddr } from '../sock/address.ts'
import { fromProgram, type Message } from '../sock/message.ts'
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_SYN_RECV, TCP_SYN_SENT } from '../sock/sock.ts'
import type { ZeroCopy } from '../sock/zerocopy.ts'
import { EALREADY, EINPROGRESS, EISCONN, EOPNOTSUPP } from '../sys/errno.ts'
import { ACE, CWR, ECE, FIN } from '../wire/tcp.ts'
import {
  type Cookie,
  checkCookie,
  cookieOf,
  type FastOpenState,
  fastOpenOf,
  learnCookie,
  NO_COOKIE,
  OPTION_SPACE,
  TFO_CLIENT_ENABLE,
  TFO_DATA_NOT_ACKED,
  TFO_SYN_RETRANSMITTED,
} from './fastopen.ts'
import { advertisedMss, mtuToMss, optionRoom, syncMss } from './mss.ts'
import { sendSyn, sendSynData } from './output.ts'
import { markLost } from './rack.ts'
import { acceptFin } from './receive.ts'
import { queueInOrder } from './receive-queue.ts'
import { retransmitUncongested } from './recovery.ts'
import type { Segment } from './segment.ts'
import { add } from './seq.ts'
import { statsOf } from './stats.ts'
import { OPT_ACCECN, OPT_CONNECTING, OPT_ECN, OPT_SYN_DATA, type Tcb } from './tcb.ts'
import { holdZeroCopy } from './tx-queue.ts'
import type { TxSegment } from './tx-segment.ts'
import { truesize } from './window.ts'

/** Bytes of a program that want to go with the SYN. */
export interface SynData {
  readonly bytes: Uint8Array
  readonly offset: number
  readonly length: number
  readonly message: Message | null
  readonly zerocopy: ZeroCopy | null
}

/** The last step of an active open: the SYN leaves, or waits for the first write (TCP_FASTOPEN_CONNECT); bytes taken or -errno. */
export function beginOpen(t: Tcb, data: SynData | null): number {
  const f = t.fastOpen
  if (data !== null || f === null || !f.onConnect) return startOpen(t, data)
  // As if there were data already (tcp_send_syn_data).
  if (t.dst !== null) t.snd.mssClamp = advertisedMss(t, t.dst)
  if (checkCookie(t)) {
    f.isDeferred = true
    return 0
  }
  return startOpen(t, null)
}

/** Values of tcp_ecn that ask for ECN in a SYN (enum tcp_ecn_mode). */
const ECN_OUT = 1
const ECN_ACCECN = 3
const ECN_IN_ACCECN_OUT_ECN = 4

/** Sends the SYN (tcp_connect): the bytes that went with it, or -EINPROGRESS if there were none. */
export function startOpen(t: Tcb, data: SynData | null): number {
  t.stack.counters.TcpActiveOpens++
  let flags = 0
  // Of an earlier connection (tcp_ecn_send_syn).
  t.opt &= ~(OPT_ECN | OPT_ACCECN)
  t.ecnSeen = t.ecnDemandCwr = t.ecnQueueCwr = false
  const mode = t.stack.sysctl.tcp_ecn
  if (mode === ECN_OUT || mode === ECN_IN_ACCECN_OUT_ECN) {
    t.opt |= OPT_ECN
    flags = ECE | CWR
  } else if (mode === ECN_ACCECN) {
    t.opt |= OPT_ECN | OPT_ACCECN
    flags = ACE
  }
  const f = t.fastOpen
  let taken = 0
  if (data === null || f === null) sendSyn(t, flags)
  else taken = sendWithData(t, f, data, flags)
  // A SYN sent again goes without the option.
  if (f !== null) f.cookieLength = NO_COOKIE
  return taken > 0 ? taken : -EINPROGRESS
}

function sendWithData(t: Tcb, f: FastOpenState, data: SynData, flags: number): number {
  const { snd, dst } = t
  if (dst === null) return 0
  snd.mssClamp = advertisedMss(t, dst)
  if (!checkCookie(t)) {
    if (f.cookieLength > 0) f.cookieLength = 0
    sendSyn(t, flags)
    return 0
  }
  if (snd.userMss > 0) snd.mssClamp = Math.min(snd.mssClamp, snd.userMss)
  syncMss(t, dst.mtu)
  const taken = Math.min(mtuToMss(t, dst.mtu) + optionRoom(t) - OPTION_SPACE, data.length)
  // Nothing, too, is a segment behind the SYN.
  if (taken < 0) {
    sendSyn(t, flags)
    return 0
  }
  f.synData = taken > 0
  sendSynData(t, flags, (segment) => fillSegment(t, segment, data, taken))
  t.lastPushed = snd.writeSeq
  return taken
}

/** Copies `length` bytes into a new segment at the end of the queue. */
function fillSegment(t: Tcb, segment: TxSegment, data: SynData, length: number): void {
  const pool = t.stack.pool
  for (let done = 0; done < length; ) {
    const room = pool.pageRoom(length - done)
    const at = pool.pageOffset
    fromProgram(pool.page.bytes, at, data.bytes, data.offset + done, room, data.message)
    segment.append(pool.page, at, room)
    pool.pageTake(room)
    done += room
  }
  if (data.zerocopy !== null) holdZeroCopy(segment, data.zerocopy)
  t.wmemQueued += length
  t.snd.writeSeq = add(t.snd.writeSeq, length)
  segment.endSeq = t.snd.writeSeq
}

/**
 * A send call with MSG_FASTOPEN, or the first one after a deferred connect (tcp_sendmsg_fastopen): the bytes that went
 * with the SYN, -EINPROGRESS if none did, another -errno, or 0 to go on as any send call. `open` is the active OPEN.
 */
export function sendFastOpen(
  t: Tcb,
  data: SynData,
  to: SockAddr | null,
  open: (address: SockAddr, data: SynData) => number,
): number {
  if ((t.stack.sysctl.tcp_fastopen & TFO_CLIENT_ENABLE) === 0 || to?.family === AF_UNSPEC) return -EOPNOTSUPP
  const f = fastOpenOf(t)
  if (f.isDeferred) {
    f.isDeferred = false
    return startOpen(t, data)
  }
  if (t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV) return -EALREADY
  if ((t.opt & OPT_CONNECTING) !== 0 && t.state === TCP_ESTABLISHED) {
    t.opt &= ~OPT_CONNECTING
    return 0
  }
  if (t.state !== TCP_CLOSE) return -EISCONN
  if (t.error !== 0) return -t.takeError()
  if (to === null) return 0
  return open(to, data)
}

/**
 * What a SYN-ACK means for Fast Open (tcp_rcv_fastopen_synack): its cookie is kept, data of the SYN that it does not
 * acknowledge is sent again, its own data is taken. `acked`: nothing was lost; `consumed`: the packet is ours now.
 */
export function fastOpenSynAck(
  t: Tcb,
  f: FastOpenState,
  g: Segment,
  packet: Packet,
): { acked: boolean; consumed: boolean } {
  const parsed = t.tcp.parsed
  const head = t.txHead
  const lost = f.synData && head !== null && head !== t.sendHead ? head : null
  const cookie: Cookie = cookieOf(g.bytes, parsed)
  let synLost = false
  let tryExperimental = 0
  if (!f.synFastOpen) cookie.length = NO_COOKIE
  else if (t.totalRetrans > 0) synLost = cookie.length < 0 && lost !== null
  else if (cookie.length < 0 && !f.synData) tryExperimental = f.synExperimental ? 2 : 1
  // What the peer said, not what TCP_MAXSEG made of it.
  const mss = t.snd.mssClamp === t.snd.userMss ? parsed.mss : t.snd.mssClamp
  learnCookie(t, mss, cookie, synLost, tryExperimental)
  if (lost !== null) {
    f.clientFail = t.totalRetrans > 0 ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED
    for (let s: TxSegment | null = lost; s !== null && s !== t.sendHead; s = s.next) markLost(t, s)
    retransmitUncongested(t)
    t.stack.counters.TcpExtTCPFastOpenActiveFail++
    return { acked: false, consumed: false }
  }
  if (f.synData) {
    t.opt |= OPT_SYN_DATA
    t.stack.counters.TcpExtTCPFastOpenActive++
    // SYN and data were counted as two segments.
    if (t.delivered > 1) t.delivered--
  }
  return { acked: true, consumed: addSynText(t, g, packet) }
}

/** Takes data and FIN of a SYN or SYN-ACK; true if the packet is the queue's now (tcp_fastopen_add_skb). */
export function addSynText(t: Tcb, g: Segment, packet: Packet): boolean {
  if (g.endSeq === t.rcv.nxt) return false
  packet.seq = add(g.seq, 1)
  packet.endSeq = g.endSeq
  packet.flags = g.flags & FIN
  t.opt |= OPT_SYN_DATA
  const hasText = g.length > 0
  // Counted anew; the FIN is not among the bytes.
  t.segmentsIn = 1
  if (hasText) {
    queueInOrder(t, packet, truesize(packet))
    const s = statsOf(t)
    s.dataSegmentsIn++
    s.bytesReceived = g.length
  }
  t.rcv.nxt = g.endSeq
  if (g.isFin) acceptFin(t)
  return hasText
}
