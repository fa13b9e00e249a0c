/**
 * Output: may I send, how much, in which pieces (RFC 9293 §3.8.6; Linux tcp_write_xmit). Four questions in order: does the
 * congestion window allow it, does the peer's window, would Nagle wait, how long may the burst be.
 */
import { FIN, PSH, SYN } from '../wire/tcp.ts'
import { validateCwnd } from './cwnd.ts'
import { LIMIT_APPLICATION, LIMIT_CWND, LIMIT_PACING, LIMIT_PEER_WINDOW, noteLimit } from './limiter.ts'
import { currentMss, MAX_BURST } from './mss.ts'
import { type MtuProbe, mtuProbeSent, PROBE_NONE, PROBE_WAIT, prepareMtuProbe } from './mtu-probe.ts'
import { mustPace, NO_RATE, pacingRate } from './pacing.ts'
import { scheduleLossProbe } from './probe.ts'
import { recoveryOf } from './rack.ts'
import { resend } from './retransmit.ts'
import { add, after, diff } from './seq.ts'
import { CHRONO_BUSY, CHRONO_RWND, startChrono, statsOf, stopChrono } from './stats.ts'
import { CA_CWR, CA_RECOVERY, NONAGLE_SHIFT, OPT_FIN_QUEUED, OPT_URG_SEEN, type Tcb } from './tcb.ts'
import { armProbe, PENDING_NONE, PENDING_RTO, PENDING_TLP, rearmRto } from './timer.ts'
import { transmit, transmitSyn } from './transmit.ts'
import { appendSegment, growSegment, inFlight, sentNow, splitSegment } from './tx-queue.ts'
import type { TxSegment } from './tx-segment.ts'
import { stampSent } from './tx-timestamp.ts'

/** How a small tail is treated (TCP_NAGLE_ bits): Nagle's rule is off, it is held (MSG_MORE, cork), it is pushed out at any rate. */
export const NAGLE_OFF = 1
export const NAGLE_CORK = 2
export const NAGLE_PUSH = 4

/** The socket's own setting (tp->nonagle). */
export const nagleMode = (t: Tcb): number => (t.opt >> NONAGLE_SHIFT) & (NAGLE_OFF | NAGLE_CORK | NAGLE_PUSH)

/** Pieces that may leave now by the congestion window (tcp_cwnd_test): at most half of it in one burst. */
function cwndQuota(t: Tcb): number {
  const flight = inFlight(t)
  const cwnd = t.snd.cwnd
  if (flight >= cwnd) return 0
  return Math.min(Math.max(cwnd >> 1, 1), cwnd - flight)
}

/** Bytes from `seq` that fit the peer's window. */
const windowRoom = (t: Tcb, seq: number): number => diff(add(t.snd.una, t.snd.wnd), seq)

/** The first piece of the segment fits the peer's window; a FIN takes room too (tcp_snd_wnd_test). */
const fitsWindow = (t: Tcb, segment: TxSegment, mss: number): boolean =>
  windowRoom(t, segment.seq) >= (segment.bytes > mss ? mss : diff(segment.endSeq, segment.seq))

/** Urgent data is not acknowledged yet (tcp_urg_mode). */
const inUrgentMode = (t: Tcb): boolean => (t.opt & OPT_URG_SEEN) !== 0 && after(t.snd.up, t.snd.una)

/**
 * Nagle's algorithm with Minshall's refinement (RFC 9293 §3.7.4): a small segment waits while an earlier small one is
 * unacknowledged; a cork holds it always.
 */
function naglePasses(t: Tcb, segment: TxSegment, mss: number, mode: number): boolean {
  if ((mode & NAGLE_PUSH) !== 0) return true
  if ((segment.flags & FIN) !== 0 || inUrgentMode(t)) return true
  return segment.bytes >= mss || !isHeld(t, mode)
}

/** A small segment waits for more (tcp_nagle_check). */
const isHeld = (t: Tcb, mode: number): boolean =>
  (mode & NAGLE_CORK) !== 0 || (mode === 0 && t.packetsOut > 0 && isSmallOut(t))

/**
 * Longest burst in segments: half a millisecond or so of the pacing rate (tcp_tso_autosize, LINUX-TCP 9). Asked for only where
 * there is more than one to send.
 */
export function burstSegments(t: Tcb, mss: number): number {
  // A signature is of one segment.
  if (t.md5Key !== null) return 1
  const sysctl = t.stack.sysctl
  let bytes = MAX_BURST
  const rate = pacingRate(t)
  if (rate !== NO_RATE) {
    const shift = t.minRtt >> sysctl.tcp_tso_rtt_log
    bytes = rate / 1024
    if (shift < 32) bytes += 65536 >>> shift
    bytes = Math.min(bytes, MAX_BURST)
  }
  const most = Math.max(1, Math.floor(MAX_BURST / mss))
  return Math.min(most, Math.max(Math.floor(bytes / mss), t.ca.minTsoSegs?.(t) ?? sysctl.tcp_min_tso_segs))
}

/** Where to cut a long segment: window, quota, and no small tail that Nagle would hold (tcp_mss_split_point). */
function splitPoint(t: Tcb, segment: TxSegment, mss: number, quota: number, mode: number): number {
  const window = windowRoom(t, segment.seq)
  const most = mss * quota
  if (most <= window && segment.next !== null) return most
  const needed = Math.min(segment.bytes, window)
  if (most <= needed) return most
  const partial = needed % mss
  return partial > 0 && isHeld(t, mode) ? needed - partial : needed
}

/** An earlier small segment is unacknowledged (tcp_minshall_check). */
const isSmallOut = (t: Tcb): boolean => after(t.snd.sml, t.snd.una) && !after(t.snd.sml, t.snd.nxt)

/** Why a burst waits: it does not, for the congestion window, for the peer's, or for the program. */
const DEFER_NO = 0
const DEFER_CWND = 1
const DEFER_RWND = 2
const DEFER_PROGRAM = 3
/** An acknowledgement nearer than this is worth waiting for, in microseconds. */
const NEAR_ACK = 1000

/** More could be sent in one burst if we waited for an acknowledgement that is near (tcp_tso_should_defer). */
function shouldDefer(t: Tcb, segment: TxSegment, mostSegments: number): number {
  if (t.caState >= CA_RECOVERY) return DEFER_NO
  // Whatever options take of it now.
  const { mss } = t.snd
  // Only if something left a moment ago, be it an acknowledgement.
  const last = Math.max(t.stats?.lastOut ?? 0, t.pacing?.nextAt ?? 0)
  if (last > 0 && t.tcp.now - last >= NEAR_ACK) return DEFER_NO
  const congestion = (t.snd.cwnd - inFlight(t)) * mss
  const window = windowRoom(t, segment.seq)
  const limit = Math.min(window, congestion)
  if (limit >= mostSegments * mss) return DEFER_NO
  if (segment.next !== null && limit >= segment.bytes) return DEFER_NO
  const divisor = t.stack.sysctl.tcp_tso_win_divisor
  if (divisor > 0) {
    if (limit >= Math.floor(Math.min(t.snd.wnd, t.snd.cwnd * mss) / divisor)) return DEFER_NO
  } else if (limit > 3 * mss) return DEFER_NO
  const head = t.txHead
  if (head === null || head === t.sendHead) return DEFER_NO
  const srttUs = t.srtt / 8
  if (head.txTime + srttUs - t.tcp.now > Math.min(srttUs / 2, NEAR_ACK)) return DEFER_NO
  if (congestion < window) {
    if (congestion <= segment.bytes) return DEFER_CWND
  } else if (window <= segment.bytes) return DEFER_RWND
  // What will not grow any more need not wait.
  return (segment.flags & FIN) !== 0 || segment.endOfRecord ? DEFER_NO : DEFER_PROGRAM
}

/** A new segment left: it is out, and the retransmission timer covers it (tcp_event_new_data_sent). */
function newDataSent(t: Tcb, segment: TxSegment): void {
  const priorOut = t.packetsOut
  if (segment.stampFlags !== 0) stampSent(t, segment)
  t.sendHead = segment.next
  t.snd.nxt = segment.endSeq
  t.packetsOut += segment.pcount
  sentNow(t, segment)
  if (priorOut === 0 || t.pendingTimer === PENDING_TLP) rearmRto(t)
  t.stack.counters.TcpExtTCPOrigDataSent += segment.pcount
}

/** Sends a probe of the path's MTU if one is due: how many segments, or PROBE_WAIT. */
function sendMtuProbe(t: Tcb, probe: MtuProbe): number {
  const size = prepareMtuProbe(t, probe)
  const segment = t.sendHead
  if (size <= 0 || segment === null || mustPace(t)) return Math.min(size, 0)
  if (!transmit(t, segment, size)) return PROBE_NONE
  mtuProbeSent(t, probe, segment)
  newDataSent(t, segment)
  return 1
}

/** Why sending came to an end, for the chronographs. */
function noteSender(t: Tcb, rwndLimited: boolean, cwndLimited: boolean, paces: boolean): void {
  if (rwndLimited) startChrono(t, CHRONO_RWND)
  else stopChrono(t, CHRONO_RWND)
  let limit = LIMIT_APPLICATION
  if (rwndLimited) limit = LIMIT_PEER_WINDOW
  else if (cwndLimited && t.sendHead !== null) limit = LIMIT_CWND
  else if (paces) limit = LIMIT_PACING
  noteLimit(t, limit)
}

/**
 * Sends what may be sent. `one`: at most one segment; `probe`: one even beyond the congestion window (tail loss probe).
 * True if there is data and nothing at all is out, so that the caller must see to a window probe.
 */
export function writeXmit(t: Tcb, mss: number, mode: number, one: boolean, probe: boolean): boolean {
  let sent = 0
  let rwndLimited = false
  let cwndLimited = false
  let burst = 0
  let paces = false
  if (t.mtuProbe !== null && !one) {
    const result = sendMtuProbe(t, t.mtuProbe)
    if (result === PROBE_WAIT) return false
    sent = result
  }
  for (let segment = t.sendHead; segment !== null; segment = t.sendHead) {
    if (mustPace(t)) {
      paces = true
      break
    }
    let quota = cwndQuota(t)
    if (quota === 0) {
      if (!probe) break
      quota = 1
    }
    if (segment.next !== null && segment.bytes < quota * mss) {
      burst ||= burstSegments(t, mss)
      growSegment(t, segment, Math.min(quota, burst) * mss - segment.bytes)
    }
    segment.countPieces(mss)
    if (!fitsWindow(t, segment, mss)) {
      rwndLimited = true
      break
    }
    const tailMode = segment.next === null ? mode : NAGLE_PUSH
    let cut = mss
    if (segment.pcount === 1) {
      if (!naglePasses(t, segment, mss, tailMode)) break
    } else {
      burst ||= burstSegments(t, mss)
      const defer = one ? DEFER_NO : shouldDefer(t, segment, burst)
      if (defer !== DEFER_NO) {
        cwndLimited = defer === DEFER_CWND
        rwndLimited = defer === DEFER_RWND
        break
      }
      if (!inUrgentMode(t)) {
        cut = splitPoint(t, segment, mss, Math.min(quota, burst), mode)
        if (cut <= 0) break
      }
    }
    if (segment.bytes > cut) {
      splitSegment(t, segment, cut, mss)
      segment.countPieces(mss)
    }
    if (!transmit(t, segment, mss)) break
    newDataSent(t, segment)
    if (segment.bytes < segment.pcount * mss) t.snd.sml = segment.endSeq
    sent += segment.pcount
    if (one) break
  }
  if (inFlight(t) >= t.snd.cwnd) cwndLimited = true
  noteSender(t, rwndLimited, cwndLimited, paces)
  if (sent > 0 || cwndLimited) validateCwnd(t, cwndLimited)
  if (sent > 0) {
    if ((t.caState === CA_RECOVERY || t.caState === CA_CWR) && t.recovery !== null) t.recovery.prrOut += sent
    if (!probe) scheduleLossProbe(t, false)
    return false
  }
  return t.packetsOut === 0 && t.sendHead !== null
}

/** Sends what may be sent and keeps a probe timer if the window is closed (__tcp_push_pending_frames). */
export function pushPending(t: Tcb, mss: number, mode: number): void {
  if (t.sendHead === null) return
  if (writeXmit(t, mss, mode, false, false)) armProbe(t)
}

/** After an acknowledgement or a window update: whatever that allows (tcp_data_snd_check). */
export function pushAfterAck(t: Tcb): void {
  if (t.sendHead !== null) pushPending(t, currentMss(t), nagleMode(t))
}

/** Sends the first unsent segment as it is, whatever the congestion window and the pace (tcp_write_wakeup); false if it stays. */
export function sendHeadNow(t: Tcb, segment: TxSegment, mss: number): boolean {
  segment.flags |= PSH
  segment.countPieces(mss)
  if (after(segment.endSeq, t.lastPushed)) t.lastPushed = segment.endSeq
  if (!transmit(t, segment, mss)) return false
  newDataSent(t, segment)
  return true
}

/** Queues a FIN: on the last unsent segment, or alone (tcp_send_fin; LINUX-TCP 12). */
export function sendFin(t: Tcb): void {
  const tail = t.txTail
  t.opt |= OPT_FIN_QUEUED
  if (tail !== null && t.sendHead !== null) {
    tail.flags |= FIN
    tail.endSeq = add(tail.endSeq, 1)
    t.snd.writeSeq = add(t.snd.writeSeq, 1)
  } else {
    const segment = appendSegment(t, FIN)
    segment.endSeq = t.snd.writeSeq = add(t.snd.writeSeq, 1)
  }
  pushPending(t, currentMss(t), NAGLE_OFF)
}

/** Queues and sends the SYN of an active open (tcp_connect). */
export function sendSyn(t: Tcb, flags: number): void {
  t.isActive = true
  const segment = appendSegment(t, flags | SYN)
  segment.endSeq = t.snd.writeSeq = add(t.snd.writeSeq, 1)
  segment.pcount = 1
  t.snd.cwndStamp = t.lastSegmentTime = t.tcp.nowMs()
  t.lastPushed = t.snd.writeSeq
  transmit(t, segment, t.snd.mss)
  newDataSent(t, segment)
  t.pendingTimer = PENDING_RTO
}

/**
 * Queues and sends a SYN with the first bytes of the program (tcp_send_syn_data). SYN and data are two segments of the
 * queue, so that a SYN sent again goes without the data.
 */
export function sendSynData(t: Tcb, flags: number, fill: (data: TxSegment) => void): void {
  t.isActive = true
  const segment = appendSegment(t, flags | SYN)
  segment.endSeq = t.snd.writeSeq = add(t.snd.writeSeq, 1)
  segment.pcount = 1
  const data = appendSegment(t, PSH)
  fill(data)
  data.pcount = 1
  t.snd.cwndStamp = t.lastSegmentTime = t.tcp.nowMs()
  startChrono(t, CHRONO_BUSY)
  transmitSyn(t, segment, data)
  const s = statsOf(t)
  s.bytesSent += data.bytes
  s.dataSegmentsOut++
  newDataSent(t, segment)
  newDataSent(t, data)
  t.pendingTimer = PENDING_RTO
}

/** The probe: one new segment if there is any, the last one again otherwise (tcp_send_loss_probe). */
export function sendLossProbe(t: Tcb): void {
  const r = recoveryOf(t)
  const mss = currentMss(t)
  if (r.tlpHighSeq !== 0) {
    rearmRto(t)
    return
  }
  r.tlpRetrans = false
  const fresh = t.sendHead
  if (fresh !== null && fitsWindow(t, fresh, mss)) {
    const before = t.packetsOut
    writeXmit(t, mss, NAGLE_OFF, true, true)
    if (t.packetsOut > before) probeSent(t)
  } else {
    let last = fresh === null ? t.txTail : fresh.previous
    if (last !== null) {
      if (last.pcount > 1 && last.bytes > (last.pcount - 1) * mss)
        last = splitSegment(t, last, (last.pcount - 1) * mss, mss)
      if (resend(t, last, 1)) {
        r.tlpRetrans = true
        probeSent(t)
      }
    }
  }
  rearmRto(t)
}

function probeSent(t: Tcb): void {
  const r = recoveryOf(t)
  r.tlpHighSeq = t.snd.nxt === 0 ? 1 : t.snd.nxt
  t.stack.counters.TcpExtTCPLossProbes++
  t.pendingTimer = PENDING_NONE
}
