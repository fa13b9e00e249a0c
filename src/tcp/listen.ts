/**
 * Passive open: half-open requests with their SYN-ACK timer, and the accept queue (RFC 9293 §3.10.7.2, RFC 4987; Linux
 * tcp_conn_request, tcp_check_req, inet_csk_reqsk_queue). A half-open connection is a small record, not a control block.
 */

import type { Packet } from '../buf/packet.ts'
import type { Dst } from '../ip/dst.ts'
import { SF_KEEPALIVE, TCP_ESTABLISHED, TCP_SYN_RECV } from '../sock/sock.ts'
import { POLLIN, POLLRDNORM } from '../sock/wait-queue.ts'
import { Timer } from '../sys/clock.ts'
import * as wire from '../wire/tcp.ts'
import { ACK, CWR, ECE, RST, SYN } from '../wire/tcp.ts'
import { isAnswerLimited, isEmptyOrSyn } from './challenge.ts'
import { makeChild } from './child.ts'
import { fastOpenOf } from './fastopen.ts'
import { addSynText } from './fastopen-client.ts'
import { takesEarly } from './fastopen-server.ts'
import { initTransfer, segmentArrives } from './input.ts'
import { initialSequence, timestampOffset } from './isn.ts'
import { writeError } from './lifecycle.ts'
import { advertisedMss, syncMss } from './mss.ts'
import type { Segment } from './segment.ts'
import { add, after, before } from './seq.ts'
import { checkSynCookie, cookieSequence, cookieTimestamp } from './syncookies.ts'
import { OPT_ECN, OPT_SACK, OPT_TIMESTAMPS, OPT_WSCALE, type Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'
import { keepIdle, startKeep } from './timer.ts'
import { type CookieOption, cookieBytes, putSynOptions, sendDetached, sendRaw, synOptionBytes } from './transmit.ts'
import { initialWindow } from './window.ts'

/** A half-open connection (tcp_request_sock): SYN-RECEIVED without a control block. */
export class Request extends Timer {
  readonly tcp: Tcp
  readonly listener: Tcb
  readonly local: number
  readonly remote: number
  readonly localPort: number
  readonly remotePort: number
  readonly iss: number
  readonly irs: number
  readonly mss: number
  readonly opt: number
  readonly sndWscale: number
  tsRecent: number
  readonly tsOffset: number
  readonly synWindow: number
  rcvWnd = 0
  rcvWscale = 0
  rcvClamp = 0
  advMss = 536
  retries = 0
  timeout: number
  sentAt = 0
  /** The handshake is done but the accept queue was full. */
  acked = false
  /** The last answer to a segment out of order (tcp_oow_rate_limited). */
  lastOowAck = 0
  hasOowAck = false
  /** What the SYN-ACK acknowledges, and the Fast Open cookie it carries. */
  rcvNxt: number
  cookie: CookieOption | null = null
  /** The Fast Open child that is connected already, and whether a program has it. */
  child: Tcb | null = null
  isAccepted = false
  /** The clock that the timestamp of a SYN cookie shows, in ms; NaN: the present one. */
  cookieStamp: number = Number.NaN

  constructor(tcp: Tcp, listener: Tcb, g: Segment, iss: number) {
    super()
    const parsed = tcp.parsed
    const sysctl = tcp.stack.sysctl
    this.tcp = tcp
    this.listener = listener
    this.local = g.local
    this.remote = g.remote
    this.localPort = g.localPort
    this.remotePort = g.remotePort
    this.iss = iss
    this.irs = g.seq
    this.rcvNxt = add(g.seq, 1)
    const mss = parsed.mss === 0 ? 536 : Math.max(parsed.mss, 48)
    this.mss = listener.snd.userMss > 0 && listener.snd.userMss < mss ? listener.snd.userMss : mss
    let opt = 0
    if (g.hasTs && sysctl.tcp_timestamps !== 0) opt |= OPT_TIMESTAMPS
    if (parsed.sackPermitted && sysctl.tcp_sack !== 0) opt |= OPT_SACK
    if (parsed.wscale >= 0 && sysctl.tcp_window_scaling !== 0) opt |= OPT_WSCALE
    // RFC 3168 §6.1.1: ECE and CWR in the SYN ask for ECN; the SYN itself must not be ECN-capable.
    if ((g.flags & (ECE | CWR)) === (ECE | CWR) && (g.tos & 3) === 0 && sysctl.tcp_ecn !== 0) opt |= OPT_ECN
    this.opt = opt
    this.sndWscale = parsed.wscale >= 0 ? Math.min(14, parsed.wscale) : 0
    this.tsRecent = g.hasTs ? parsed.tsVal : 0
    this.tsOffset = timestampOffset(tcp.hash, g.local, g.remote)
    this.synWindow = g.window
    this.timeout = 1000000
  }

  get ports(): number {
    return (this.localPort << 16) | this.remotePort
  }

  /** The SYN-ACK's timer (reqsk_timer_handler): again after 1, 2, 4, 8, 16 s; gone 32 s after that (TC6). */
  override fire(now: number): void {
    const tcp = this.tcp
    tcp.now = now
    const stack = tcp.stack
    stack.trace.tcpTimer?.(this, 'synack', stack.name)
    if (this.child !== null) {
      this.#childTimeout(this.child, now)
      return
    }
    const most = this.listener.tuning.synRetries > 0 ? this.listener.tuning.synRetries : stack.sysctl.tcp_synack_retries
    // syn_ack_recalc: after an ACK that TCP_DEFER_ACCEPT ignored, no SYN-ACK until the deferring ends; then a last chance.
    const defer = this.acked && this.listener.tuning.deferAccept > 0 ? deferRetries(this.listener) : 0
    if (this.retries >= most && this.retries >= defer) {
      this.drop()
      return
    }
    const resend = defer === 0 || this.retries >= defer - 1
    this.retries++
    this.timeout = Math.min(this.timeout * 2, stack.sysctl.tcp_rto_max_ms * 1000)
    tcp.clock.start(this, now + this.timeout)
    if (!resend) return
    stack.counters.TcpRetransSegs++
    stack.counters.TcpExtTCPSynRetrans++
    sendSynAck(this)
  }

  /** The SYN-ACK of a Fast Open child, once more than others get (tcp_fastopen_synack_timer). */
  #childTimeout(child: Tcb, now: number): void {
    const { sysctl, counters } = this.tcp.stack
    const most = child.tuning.synRetries > 0 ? child.tuning.synRetries : sysctl.tcp_synack_retries + 1
    if (this.retries >= most) {
      writeError(child)
      return
    }
    this.retries++
    child.retransmits++
    child.totalRetrans++
    counters.TcpRetransSegs++
    counters.TcpExtTCPSynRetrans++
    sendSynAck(this)
    this.timeout = Math.min(this.timeout * 2, sysctl.tcp_rto_max_ms * 1000)
    this.tcp.clock.start(this, now + this.timeout)
  }

  /** Sends the SYN-ACK again at once. */
  answer(): void {
    sendSynAck(this)
    this.tcp.clock.start(this, this.tcp.now + this.timeout)
  }

  /** Forgets the request. */
  drop(): void {
    const tcp = this.tcp
    tcp.clock.remove(this)
    tcp.table.delete(this.local, this.remote, this.ports, this)
    const queue = this.listener.queue
    if (queue?.requests.delete(this)) queue.halfOpen--
  }
}

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
  if (!wantsCookie && sysctl.tcp_max_syn_backlog - queue.halfOpen < sysctl.tcp_max_syn_backlog >> 2 && isn === 0) {
    counters.TcpExtListenDrops++
    return
  }
  const ports = (g.localPort << 16) | g.remotePort
  // Without timestamps a cookie can keep the MSS only.
  if (wantsCookie && !g.hasTs) {
    tcp.parsed.wscale = -1
    tcp.parsed.sackPermitted = false
  }
  const mss = tcp.parsed.mss === 0 ? 536 : tcp.parsed.mss
  const iss = wantsCookie
    ? cookieSequence(tcp, g, mss)
    : isn !== 0
      ? isn
      : initialSequence(tcp.hash, tcp.now, g.local, g.remote, ports)
  const request = new Request(tcp, listener, g, iss)
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

/** A child before the end of the handshake, with the data of the SYN (tcp_fastopen_create_child). */
function makeEarlyChild(r: Request, g: Segment, packet: Packet): void {
  const { tcp, listener } = r
  const child = makeChild(r)
  child.state = TCP_SYN_RECV
  child.closedRead = false
  fastOpenOf(child).request = r
  r.child = child
  tcp.counters.TcpPassiveOpens++
  child.snd.wnd = child.snd.maxWnd = g.window
  child.snd.wl1 = g.seq
  child.delivered = 0
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

/** The window and scale a child will start with (tcp_select_initial_window from the listener's buffer). */
function initialRequestWindow(r: Request, dst: Dst): void {
  const listener = r.listener
  const saved = { wnd: listener.rcv.wnd, wscale: listener.rcv.wscale, clamp: listener.rcv.windowClamp }
  r.advMss = advertisedMss(listener, dst)
  const timestamps = (r.opt & OPT_TIMESTAMPS) !== 0
  initialWindow(listener, r.advMss - (timestamps ? 12 : 0), (r.opt & OPT_WSCALE) !== 0)
  r.rcvWnd = listener.rcv.wnd
  r.rcvWscale = listener.rcv.wscale
  r.rcvClamp = listener.rcv.windowClamp
  listener.rcv.wnd = saved.wnd
  listener.rcv.wscale = saved.wscale
  listener.rcv.windowClamp = saved.clamp
}

/** Sends (again) the SYN-ACK of a request. */
export function sendSynAck(r: Request): void {
  const tcp = r.tcp
  const stack = tcp.stack
  const dst = stack.ipv4.route(r.remote, r.local, r.listener.boundInterface)
  if (typeof dst === 'number') return
  const timestamps = (r.opt & OPT_TIMESTAMPS) !== 0
  const sack = (r.opt & OPT_SACK) !== 0
  const wscale = (r.opt & OPT_WSCALE) !== 0
  let size = synOptionBytes(timestamps, sack, wscale)
  const room = r.cookie === null ? 0 : cookieBytes(r.cookie)
  const cookie = size + room <= wire.MAX_OPTIONS_LEN ? r.cookie : null
  if (cookie !== null) size += room
  const packet = stack.pool.allocHeader(0)
  const at = packet.push(wire.HDR_LEN + size)
  const flags = SYN | ACK | ((r.opt & OPT_ECN) !== 0 ? ECE : 0)
  wire.emit(
    packet.bytes,
    at,
    r.localPort,
    r.remotePort,
    r.iss,
    r.rcvNxt,
    wire.HDR_LEN + size,
    flags,
    Math.min(r.rcvWnd, 65535),
  )
  putSynOptions(packet.bytes, at + wire.HDR_LEN, {
    mss: r.advMss,
    timestamps,
    sack,
    wscale: wscale ? r.rcvWscale : -1,
    tsVal: ((Number.isNaN(r.cookieStamp) ? tcp.nowMs() : r.cookieStamp) + r.tsOffset) | 0,
    tsEcr: r.tsRecent,
    cookie,
  })
  r.sentAt = tcp.now
  sendRaw(tcp, packet, at, r.local, r.remote, r.listener.tos, dst)
}

/** A segment for a half-open connection (tcp_check_req). Ownership of the packet passes. */
export function requestInput(r: Request, g: Segment, packet: Packet): void {
  const tcp = r.tcp
  const parsed = tcp.parsed
  const rcvNxt = add(r.irs, 1)
  const listener = r.listener
  const withTs = (r.opt & OPT_TIMESTAMPS) !== 0 && g.hasTs
  const paws = withTs && r.tsRecent !== 0 && ((r.tsRecent - parsed.tsVal) | 0) > 0
  // A retransmitted SYN: the SYN-ACK again (RFC 9293 §3.10.7.4, SYN-RECEIVED).
  if (g.seq === r.irs && (g.flags & (SYN | RST | ACK)) === SYN && !paws) {
    if (isAnswerLimited(r, tcp)) tcp.counters.TcpExtTCPACKSkippedSynRecv++
    else {
      sendSynAck(r)
      tcp.clock.start(r, tcp.now + r.timeout)
    }
    packet.release()
    return
  }
  const tooSoon =
    withTs && parsed.tsEcr !== 0 && ((((parsed.tsEcr - r.tsOffset) | 0) - Math.floor(r.sentAt / 1000)) | 0) > 0
  if ((g.flags & ACK) !== 0 && g.ack !== add(r.iss, 1)) {
    // RFC 9293 §3.10.7.4 "fifth": an unacceptable ACK in SYN-RECEIVED draws a reset.
    if ((g.flags & RST) === 0) tcp.sendReset(g)
    packet.release()
    return
  }
  const edge = add(rcvNxt, r.rcvWnd)
  const inWindow = g.seq === rcvNxt || (!before(g.seq, rcvNxt) && !after(g.seq, edge))
  if (paws || tooSoon || !inWindow) {
    if ((g.flags & RST) === 0) {
      if (isEmptyOrSyn(g) && isAnswerLimited(r, tcp)) tcp.counters.TcpExtTCPACKSkippedSynRecv++
      else requestAck(r)
    }
    if (paws) tcp.counters.TcpExtPAWSEstab++
    else if (tooSoon) tcp.counters.TcpExtTSEcrRejected++
    packet.release()
    return
  }
  if (withTs && !after(g.seq, rcvNxt)) r.tsRecent = parsed.tsVal
  if ((g.flags & RST) !== 0) {
    // LINUX-TCP 31: exact kills, inexact draws a challenge.
    if (g.seq === rcvNxt) {
      tcp.counters.TcpExtEmbryonicRsts++
      tcp.counters.TcpAttemptFails++
      r.drop()
    } else requestAck(r)
    packet.release()
    return
  }
  if ((g.flags & SYN) !== 0) {
    requestAck(r)
    packet.release()
    return
  }
  if ((g.flags & ACK) === 0) {
    packet.release()
    return
  }
  // TCP_DEFER_ACCEPT: a bare ACK does not finish the handshake until the first SYN-ACK timeout.
  if (listener.tuning.deferAccept > 0 && g.endSeq === rcvNxt && r.retries < deferRetries(listener)) {
    r.acked = true
    tcp.counters.TcpExtTCPDeferAcceptDrop++
    packet.release()
    return
  }
  finishHandshake(r, g, packet)
}

const deferRetries = (listener: Tcb): number => Math.max(1, Math.ceil(Math.log2(listener.tuning.deferAccept + 1)))

function requestAck(r: Request): void {
  const tcp = r.tcp
  sendDetached(tcp, {
    local: r.local,
    remote: r.remote,
    localPort: r.localPort,
    remotePort: r.remotePort,
    seq: add(r.iss, 1),
    ack: add(r.irs, 1),
    flags: ACK,
    window: r.rcvWnd >> r.rcvWscale,
    hasTs: (r.opt & OPT_TIMESTAMPS) !== 0,
    tsVal: (tcp.nowMs() + r.tsOffset) | 0,
    tsEcr: r.tsRecent,
    tos: 0,
  })
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
  const child = makeChild(r)
  queue.push(child)
  counters.TcpPassiveOpens++
  counters.TcpCurrEstab++
  tcp.stack.trace.tcpState?.(child, TCP_SYN_RECV, TCP_ESTABLISHED, tcp.stack.name)
  child.snd.una = g.ack
  child.snd.wnd = g.window << child.snd.wscale
  child.snd.maxWnd = child.snd.wnd
  // The half-window bound of the MSS (tcp_bound_to_half_wnd) needs the window.
  if (child.dst !== null) syncMss(child, child.dst.mtu)
  child.snd.wl1 = g.seq
  if (r.retries === 0 && !r.acked) tcp.firstSample(child, tcp.now - r.sentAt)
  initTransfer(child)
  if (child.isFlag(SF_KEEPALIVE)) startKeep(child, keepIdle(child))
  segmentArrives(child, g, packet)
  listener.wake(POLLIN | POLLRDNORM)
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
  const flags = syn.ecn ? SYN | ECE | CWR : SYN
  const r = new Request(tcp, listener, { ...g, seq: (g.seq - 1) | 0, flags }, (g.ack - 1) | 0)
  initialRequestWindow(r, dst)
  // There is nothing to measure a round trip from.
  r.acked = true
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
