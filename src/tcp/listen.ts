/**
 * Passive open: SYNs, what comes for half-open requests, and the accept queue (RFC 9293 §3.10.7.2, RFC 4987; Linux
 * tcp_conn_request, tcp_check_req, inet_csk_reqsk_queue). A half-open connection is a small record, not a control block.
 */

import type { Packet } from '../buf/packet.ts'
import type { Dst } from '../ip/dst.ts'
import { TCP_SYN_RECV } from '../sock/sock.ts'
import { POLLIN, POLLRDNORM } from '../sock/wait-queue.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as wire from '../wire/tcp.ts'
import { ACE, ACK, CWR, ECE, RST, SYN } from '../wire/tcp.ts'
import { ACCECN_OPT_COUNTER_SEEN, aceOf, countReceived, firstOption, stopEct, thirdAckEcn } from './accecn.ts'
import { isAnswerLimited } from './challenge.ts'
import { makeChild } from './child.ts'
import { fastOpenOf } from './fastopen.ts'
import { addSynText } from './fastopen-client.ts'
import { takesEarly } from './fastopen-server.ts'
import { segmentArrives } from './input.ts'
import { initialSequence, timestampOffset } from './isn.ts'
import { advertisedMss, peerMss, TCP_MSS_DEFAULT } from './mss.ts'
import { deferRetries, Request, sendSynAck } from './request.ts'
import { answerStray, challengeReset, isInWindow } from './request-answer.ts'
import type { Segment } from './segment.ts'
import { add, after } from './seq.ts'
import { initTransfer } from './syn-sent.ts'
import { checkSynCookie, cookieSequence, cookieTimestamp } from './syncookies.ts'
import { OPT_ACCECN, OPT_TFO_CHILD, OPT_TIMESTAMPS, OPT_WSCALE, type Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'
import { initialWindow } from './window.ts'

/** A SYN for a listener (tcp_conn_request). `isn` other than 0: a TIME-WAIT wants this one. */
export function synArrives(tcp: Tcp, listener: Tcb, g: Segment, packet: Packet, isn: number): void {
  const queue = listener.queue
  const stack = tcp.stack
  const counters = stack.counters
  if (queue === null || packet.kind !== 0) return
  const sysctl = stack.sysctl
  const isFull = queue.halfOpen >= Math.max(queue.backlog, 1)
  const wantsCookie = isn === 0 && (sysctl.tcp_syncookies === 2 || (isFull && sysctl.tcp_syncookies !== 0))
  if (isFull && isn === 0 && !wantsCookie) {
    counters.TcpExtTCPReqQFullDrop++
    counters.TcpExtListenDrops++
    return
  }
  if (isFull && wantsCookie) counters.TcpExtTCPReqQFullDoCookies++
  if (queue.isFull) {
    counters.TcpExtListenOverflows++
    counters.TcpExtListenDrops++
    return
  }
  // Without cookies to fall back on, the last quarter is for peers known from before: none here.
  const isScarce = sysctl.tcp_max_syn_backlog - queue.halfOpen < sysctl.tcp_max_syn_backlog >> 2
  if (sysctl.tcp_syncookies === 0 && isScarce && isn === 0) {
    counters.TcpExtListenDrops++
    return
  }
  const ports = (g.localPort << 16) | g.remotePort
  // Without timestamps a cookie can keep the MSS only.
  if (wantsCookie && !g.hasTs) {
    tcp.parsed.wscale = -1
    tcp.parsed.sackPermitted = false
  }
  const iss = wantsCookie
    ? cookieSequence(tcp, g, peerMss(listener, TCP_MSS_DEFAULT))
    : isn !== 0
      ? isn
      : initialSequence(tcp.hash, tcp.now, g.local, g.remote, ports)
  // A cookie without timestamps cannot tell of ECN.
  const isMute = wantsCookie && (!g.hasTs || sysctl.tcp_timestamps === 0)
  const request = new Request(tcp, listener, isMute ? { ...g, flags: g.flags & ~ACE } : g, iss)
  const dst = stack.ipv4.route(g.remote, g.local, listener.boundInterface)
  if (typeof dst === 'number') {
    counters.TcpExtListenDrops++
    return
  }
  initialRequestWindow(request, dst)
  if (wantsCookie) {
    counters.TcpExtSyncookiesSent++
    queue.lastCookie = tcp.now
    request.cookieStamp = cookieTimestamp(request, tcp.nowMs())
    sendSynAck(request)
    return
  }
  if (listener.tuning.saveSyn > 0) request.savedSyn = headersOf(packet, listener.tuning.saveSyn)
  if (listener.fastOpen !== null && takesEarly(request, g)) {
    makeEarlyChild(request, g, packet)
    return
  }
  queue.requests.add(request)
  queue.halfOpen++
  tcp.table.set(g.local, g.remote, ports, request)
  tcp.clock.start(request, tcp.now + request.timeout)
  sendSynAck(request)
}

/** What TCP_SAVE_SYN keeps: the headers from IP's on, or (2) from the link layer's on (tcp_reqsk_record_syn). */
function headersOf(packet: Packet, from: number): Uint8Array {
  const end = packet.l4 + wire.headerLength(packet.bytes, packet.l4)
  return packet.bytes.slice(Math.max(0, packet.l3 - (from === 2 ? ethernet.HDR_LEN : 0)), end)
}

/** A child before the end of the handshake, with the data of the SYN (tcp_fastopen_create_child). */
function makeEarlyChild(r: Request, g: Segment, packet: Packet): void {
  const { tcp, listener } = r
  const child = makeChild(r, g)
  fastOpenOf(child).request = r
  child.opt |= OPT_TFO_CHILD
  r.child = child
  tcp.counters.TcpPassiveOpens++
  child.snd.wnd = child.snd.maxWnd = g.window
  if ((r.opt & OPT_ACCECN) !== 0) {
    thirdAckEcn(child, g, r.synEct, 0)
    countReceived(child, g)
  }
  initTransfer(child)
  const copy = packet.clone()
  if (!addSynText(child, g, copy)) copy.release()
  r.rcvNxt = child.rcv.nxt
  child.rcv.wup = child.rcv.nxt
  sendSynAck(r)
  tcp.clock.start(r, tcp.now + r.timeout)
  listener.queue?.push(child)
  listener.wake(POLLIN | POLLRDNORM)
}

/**
 * The window and scale a child will start with (tcp_select_initial_window from the listener's buffer): in whole segments of
 * what is offered to the peer, or of what a cookie says that the peer takes (cookie_v4_check).
 */
function initialRequestWindow(r: Request, dst: Dst, cookieMss = 0): void {
  const listener = r.listener
  const saved = { wnd: listener.rcv.wnd, wscale: listener.rcv.wscale, clamp: listener.rcv.windowClamp }
  r.advMss = advertisedMss(listener, dst)
  // Whether a signature leaves room for them comes later.
  const timestamps = r.tcp.parsed.hasTs && listener.stack.sysctl.tcp_timestamps !== 0
  const mss = cookieMss > 0 ? cookieMss : r.advMss - (timestamps ? 12 : 0)
  initialWindow(listener, mss, (r.opt & OPT_WSCALE) !== 0)
  r.rcvWnd = listener.rcv.wnd
  r.rcvWscale = listener.rcv.wscale
  r.rcvClamp = listener.rcv.windowClamp
  listener.rcv.wnd = saved.wnd
  listener.rcv.wscale = saved.wscale
  listener.rcv.windowClamp = saved.clamp
}

/** A segment for a half-open connection (tcp_check_req). Ownership of the packet passes. */
export function requestInput(r: Request, g: Segment, packet: Packet): void {
  const tcp = r.tcp
  const parsed = tcp.parsed
  const rcvNxt = add(r.irs, 1)
  const listener = r.listener
  const withTs = (r.opt & OPT_TIMESTAMPS) !== 0 && g.hasTs
  const paws = withTs && r.tsRecent !== 0 && ((r.tsRecent - parsed.tsVal) | 0) > 0
  if (g.seq === r.irs && (g.flags & (SYN | RST | ACK)) === SYN && !paws) {
    synAgain(r)
    packet.release()
    return
  }
  const isStrange = withTs && parsed.tsEcr !== 0 && !r.sentTimestamp((parsed.tsEcr - r.tsOffset) | 0)
  if ((g.flags & (ACK | RST)) === ACK && g.ack !== add(r.iss, 1)) {
    // RFC 9293 §3.10.7.4 "fifth": an unacceptable ACK in SYN-RECEIVED draws a reset.
    tcp.sendReset(g)
    packet.release()
    return
  }
  if (paws || isStrange || !isInWindow(r, g)) {
    if ((g.flags & RST) === 0) answerStray(r, g)
    if (paws) tcp.counters.TcpExtPAWSEstab++
    else if (isStrange) tcp.counters.TcpExtTSEcrRejected++
    packet.release()
    return
  }
  if ((g.flags & RST) !== 0) {
    // LINUX-TCP 31: exact kills, whatever it acknowledges; inexact draws a challenge.
    if (g.seq === rcvNxt) {
      tcp.counters.TcpExtEmbryonicRsts++
      tcp.counters.TcpAttemptFails++
      r.drop()
    } else challengeReset(r)
    packet.release()
    return
  }
  // A SYN where the connection began is the first one again, cut off before the window.
  if ((g.flags & SYN) !== 0 && g.seq !== r.irs) {
    tcp.counters.TcpExtEmbryonicRsts++
    tcp.counters.TcpAttemptFails++
    tcp.sendReset(g)
    r.drop()
    packet.release()
    return
  }
  if ((g.flags & ACK) === 0) {
    packet.release()
    return
  }
  if ((r.opt & OPT_ACCECN) !== 0 && parsed.accEcnOffset >= 0 && r.accEcnSeen < ACCECN_OPT_COUNTER_SEEN)
    r.accEcnSeen = firstOption(g.bytes, parsed.accEcnOffset)
  // TCP_DEFER_ACCEPT: a bare ACK does not finish the handshake until the first SYN-ACK timeout.
  if (listener.tuning.deferAccept > 0 && g.endSeq === rcvNxt && r.retries < deferRetries(listener)) {
    r.acked = true
    tcp.counters.TcpExtTCPDeferAcceptDrop++
    packet.release()
    return
  }
  finishHandshake(r, g, packet)
}

/** A retransmitted SYN: the SYN-ACK again (RFC 9293 §3.10.7.4, SYN-RECEIVED). */
function synAgain(r: Request): void {
  const { tcp } = r
  if (isAnswerLimited(r, tcp)) {
    tcp.counters.TcpExtTCPACKSkippedSynRecv++
    return
  }
  sendSynAck(r)
  tcp.clock.start(r, tcp.now + r.timeout)
}

/** The third ACK: a child is made and waits for accept() (tcp_v4_syn_recv_sock, inet_csk_complete_hashdance). */
function finishHandshake(r: Request, g: Segment, packet: Packet): void {
  const tcp = r.tcp
  const listener = r.listener
  const queue = listener.queue
  const counters = tcp.counters
  if (queue === null) {
    packet.release()
    return
  }
  if (queue.isFull) {
    counters.TcpExtListenOverflows++
    counters.TcpExtListenDrops++
    if (tcp.stack.sysctl.tcp_abort_on_overflow !== 0) {
      counters.TcpExtEmbryonicRsts++
      tcp.sendReset(g)
      r.drop()
    } else r.acked = true
    packet.release()
    return
  }
  r.drop()
  const child = makeChild(r, g)
  // Of a connection without timestamps, too: a TIME-WAIT will echo it (tcp_check_req).
  const hasTs = g.hasTs && tcp.stack.sysctl.tcp_timestamps !== 0
  if (hasTs && !after(g.seq, child.rcv.nxt)) child.tsRecent = tcp.parsed.tsVal
  if ((r.opt & OPT_ACCECN) !== 0) {
    thirdAckEcn(child, g, r.synEct, r.accEcnSeen)
    if (r.retries > 1) stopEct(child)
    countReceived(child, g)
  }
  queue.push(child)
  counters.TcpPassiveOpens++
  if (r.resent === 0 && r.sentAt >= 0) tcp.firstSample(child, tcp.now - r.sentAt)
  segmentArrives(child, g, packet)
  // A segment that does not open it leaves it in SYN-RECEIVED, and the listener asleep (tcp_child_process).
  if (child.state !== TCP_SYN_RECV) listener.wake(POLLIN | POLLRDNORM)
}

/** An ACK for a listener: the answer to a SYN cookie? True: the packet is taken (cookie_v4_check). */
export function cookieArrives(tcp: Tcp, listener: Tcb, g: Segment, packet: Packet): boolean {
  const queue = listener.queue
  const { stack, parsed } = tcp
  if (queue === null || stack.sysctl.tcp_syncookies === 0 || tcp.now - queue.lastCookie > COOKIE_AGE) return false
  const syn = checkSynCookie(tcp, g, timestampOffset(tcp.hash, g.local, g.remote))
  const dst = stack.ipv4.route(g.remote, g.local, listener.boundInterface)
  if (syn === null || typeof dst === 'number') return false
  parsed.mss = syn.mss
  parsed.wscale = syn.wscale
  parsed.sackPermitted = syn.sack
  // cookie_accecn_ok: the ACE field of the ACK tells which of the two it was.
  const ecn = !syn.ecn ? 0 : aceOf(g.flags) > 1 ? ACE : ECE | CWR
  const r = new Request(tcp, listener, { ...g, seq: (g.seq - 1) | 0, flags: SYN | ecn, tos: 0 }, (g.ack - 1) | 0)
  // TCP_MAXSEG was heard when the cookie was made.
  r.mss = syn.mss
  initialRequestWindow(r, dst, syn.mss)
  finishHandshake(r, g, packet)
  return true
}

/** A cookie is believed for two minutes after the last one was sent. */
const COOKIE_AGE = 120000000

/** The listener is closed: what waits in its queues is reset (inet_csk_listen_stop). */
export function stopListening(listener: Tcb): void {
  const queue = listener.queue
  if (queue === null) return
  listener.queue = null
  for (const request of queue.requests) {
    listener.tcp.clock.remove(request)
    listener.tcp.table.delete(request.local, request.remote, request.ports, request)
  }
  queue.requests.clear()
  for (let child = queue.shift(); child !== null; child = queue.shift()) {
    listener.tcp.user.abandon(child)
  }
}
