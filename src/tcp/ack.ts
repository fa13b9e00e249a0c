/** Fifth, check the ACK field (RFC 9293 §3.10.7.4; Linux tcp_ack): what it acknowledges, what it allows. */

import { CWR, ECE, SYN } from '../wire/tcp.ts'
import { ackEcn } from './accecn.ts'
import * as F from './ack-flags.ts'
import { challengeAck } from './challenge.ts'
import { restartAfterIdle } from './cwnd.ts'
import { LIMIT_APPLICATION, noteLimit } from './limiter.ts'
import { syncMss } from './mss.ts'
import { mtuProbeAcked } from './mtu-probe.ts'
import { scheduleLossProbe } from './probe.ts'
import { rackAdvance, rackUpdateWindow } from './rack.ts'
import { rateDelivered, rateSampled } from './rate.ts'
import {
  controlCongestion,
  fastRetransAlert,
  limitRenoSacked,
  noteReordering,
  tlpAcked,
  transmitRecovery,
} from './recovery.ts'
import { ackRtt, rtoMax } from './rtt.ts'
import { tagQueue } from './sack.ts'
import type { Segment } from './segment.ts'
import { after, before, diff } from './seq.ts'
import { CHRONO_BUSY, statsOf, stopChrono } from './stats.ts'
import { ACK_NOW, CA_OPEN, OPT_ACCECN, OPT_ECN, OPT_SACK, OPT_TIMESTAMPS, type Tcb } from './tcb.ts'
import { armRexmt, PENDING_PROBE, PENDING_TLP, probeDelay, rearmRto, stopRexmt } from './timer.ts'
import { trimAcked, unlinkSegment } from './tx-queue.ts'
import { EVER_RETRANS, LOST, RETRANS, SACKED } from './tx-segment.ts'
import { stampAcked } from './tx-timestamp.ts'
import { checkFastPath } from './window.ts'

/** The ACK is unacceptable: old beyond any window, or of data never sent. */
export const ACK_OLD = -1
export const ACK_UNSENT = -2

/** Remembers the peer's timestamp to echo (RFC 7323 §4.3; tcp_replace_ts_recent); F.TS_PROGRESS if it is a later one. */
export function replaceTsRecent(t: Tcb, seq: number): number {
  if ((t.opt & OPT_TIMESTAMPS) === 0 || after(seq, t.rcv.wup)) return 0
  const delta = (t.rcvTsVal - t.tsRecent) | 0
  // PAWS: never step back, unless the old one is none or more than 24 days stale.
  if (delta < 0 && t.tsRecent !== 0 && !tsRecentStale(t)) return 0
  t.tsRecent = t.rcvTsVal
  t.tsRecentStamp = t.tcp.nowMs()
  return delta > 0 ? F.TS_PROGRESS : 0
}

/** 24 days in seconds, TCP_PAWS_24DAYS. */
export const tsRecentStale = (t: Tcb): boolean => ((t.tcp.nowMs() - t.tsRecentStamp) | 0) >= 60 * 60 * 24 * 24 * 1000

/** Does this segment tell a window newer than, or other than, the last (tcp_may_update_window)? */
export const isWindowNews = (t: Tcb, g: Segment, window: number): boolean =>
  after(g.ack, t.snd.una) || after(g.seq, t.snd.wl1) || (g.seq === t.snd.wl1 && (window > t.snd.wnd || window === 0))

/** SND.WND, SND.WL1 (RFC 9293 §3.10.7.4; tcp_ack_update_window). */
function updateWindow(t: Tcb, g: Segment): number {
  const snd = t.snd
  const window = (g.flags & SYN) !== 0 ? g.window : g.window << snd.wscale
  let flags = 0
  if (isWindowNews(t, g, window)) {
    flags |= F.WIN_UPDATE
    snd.wl1 = g.seq
    if (snd.wnd !== window) {
      snd.wnd = window
      t.isPredicting = false
      checkFastPath(t)
      if (t.sendHead !== null) restartAfterIdle(t)
      if (window > snd.maxWnd) {
        snd.maxWnd = window
        // The half-window bound of the MSS (tcp_bound_to_half_wnd) may have moved.
        syncMss(t, t.pmtu)
      }
    }
  }
  snd.una = g.ack
  return flags
}

/** What `cleanQueue` found; one a host, reused. */
export class Cleaned {
  acked = 0
  firstTime = 0
  lastTime = 0
  reord = 0
  /** Bytes among them that SACK blocks had told of. */
  sackedBytes = 0
}

/** Takes acknowledged segments off the queue (tcp_clean_rtx_queue); returns the flags they add. */
function cleanQueue(t: Tcb, priorUna: number): number {
  const r = t.recovery
  const una = t.snd.una
  let flags = 0
  let firstTime = 0
  let lastTime = 0
  let acked = 0
  let reord = t.snd.nxt
  let sackedBytes = 0
  const isSack = (t.opt & OPT_SACK) !== 0
  let s = t.txHead
  while (s !== null && s !== t.sendHead) {
    const sacked = s.sacked
    const start = s.seq
    if (s.stampFlags !== 0) stampAcked(t, s, priorUna)
    let pieces = s.pcount
    let whole = true
    if (after(s.endSeq, una)) {
      // Part of one segment: it stays as it was sent (RFC 9293 allows, Linux does).
      if (s.pcount === 1 || !after(una, s.seq)) break
      pieces = trimAcked(t, s)
      if (pieces === 0) break
      whole = false
    }
    if ((sacked & (RETRANS | EVER_RETRANS)) !== 0) {
      if ((sacked & RETRANS) !== 0) t.retransOut -= pieces
      flags |= F.RETRANS_DATA_ACKED
    } else if ((sacked & SACKED) === 0) {
      lastTime = s.txTime
      if (firstTime === 0) firstTime = lastTime
      if (before(start, reord)) reord = start
      if (r === null || !after(s.endSeq, r.highSeq)) flags |= F.ORIG_SACK_ACKED
    }
    if ((sacked & SACKED) !== 0) {
      t.sackedOut -= pieces
      if (whole) sackedBytes += s.bytes
    } else if (isSack) {
      t.delivered += pieces
      // An idle connection keeps no recovery state for its SYN alone.
      if ((s.flags & SYN) === 0 || r !== null) rackAdvance(t, s, s.endSeq)
    }
    if ((sacked & LOST) !== 0) t.lostOut -= pieces
    t.packetsOut -= pieces
    acked += pieces
    rateDelivered(t, s)
    if ((s.flags & SYN) === 0) flags |= F.DATA_ACKED
    else {
      flags |= F.SYN_ACKED
      if (r !== null) r.retransStamp = 0
    }
    if (!whole) break
    const next = s.next
    unlinkSegment(t, s)
    s = next
  }
  if (t.txHead === null || t.txHead === t.sendHead) allAcked(t)
  if (!before(t.snd.up, priorUna) && before(t.snd.up, una)) t.snd.up = una
  const got = t.tcp.cleaned
  got.acked = acked
  got.firstTime = firstTime
  got.lastTime = lastTime
  got.reord = reord
  got.sackedBytes = sackedBytes
  const probe = t.mtuProbe
  if (probe !== null && probe.size !== 0 && !after(probe.end, una)) mtuProbeAcked(t, probe)
  return flags
}

function allAcked(t: Tcb): void {
  if (t.sendHead === null) noteLimit(t, LIMIT_APPLICATION)
  if (t.recovery !== null) t.recovery.highestSack = null
  // A segment may have been counted twice (retransmitSegment).
  if ((t.opt & OPT_SACK) !== 0) t.retransOut = 0
  stopChrono(t, CHRONO_BUSY)
}

/** Samples the RTT, settles the counts of plain Reno, tells the controller; the flags with what that adds. */
function settleAcked(
  t: Tcb,
  priorUna: number,
  priorFack: number,
  priorSacked: number,
  flags: number,
  tagged: number,
): number {
  const got = t.tcp.cleaned
  const { now, rate } = t.tcp
  const isSack = (t.opt & OPT_SACK) !== 0
  const head = t.txHead
  if (head !== null && head !== t.sendHead && (head.sacked & SACKED) !== 0) flags |= F.SACK_RENEGING
  let seqRtt = -1
  let caRtt = -1
  let sackRtt = -1
  if (got.firstTime !== 0 && (flags & F.RETRANS_DATA_ACKED) === 0) {
    seqRtt = now - got.firstTime
    caRtt = now - got.lastTime
    // A lone segment that is not full, acknowledged without anything out of order.
    rate.isAckDelayed =
      got.acked === 1 &&
      priorSacked === 0 &&
      diff(t.snd.una, priorUna) < t.snd.mss &&
      rate.priorDelivered + 1 === t.delivered &&
      (flags & F.SYN_ACKED) === 0
  }
  const state = t.tcp.sackState
  if ((tagged & F.DATA_SACKED) !== 0 && state.firstTime !== 0) {
    sackRtt = now - state.firstTime
    caRtt = now - state.lastTime
  }
  const sampled = ackRtt(t, (flags & F.ACKED) !== 0, seqRtt, sackRtt, caRtt)
  if ((flags & F.ACKED) !== 0) {
    flags |= F.SET_XMIT_TIMER
    if (!isSack) {
      const left = t.sackedOut - Math.max(0, got.acked - 1)
      t.delivered += Math.max(got.acked - priorSacked, 1)
      t.sackedOut = got.acked > 0 ? Math.max(0, left) : t.sackedOut
      limitRenoSacked(t, got.acked)
      if ((flags & F.RETRANS_DATA_ACKED) !== 0) flags &= ~F.ORIG_SACK_ACKED
    } else if (before(got.reord, priorFack)) noteReordering(t, got.reord, false)
  } else if (head !== null && sampled && sackRtt >= 0 && sackRtt > now - head.txTime) flags |= F.SET_XMIT_TIMER
  t.ca.packetsAcked?.(t, got.acked, rate.rtt)
  return flags
}

/** With nothing out, a window update may open a closed window, or the probing goes on (tcp_ack_probe). */
function ackProbe(t: Tcb): void {
  const head = t.sendHead
  if (head === null) return
  if (!after(head.endSeq, (t.snd.una + t.snd.wnd) | 0)) {
    t.backoff = 0
    t.probesOut = 0
    if (t.pendingTimer === PENDING_PROBE) stopRexmt(t)
  } else {
    armRexmt(t, PENDING_PROBE, probeDelay(t, rtoMax(t)))
  }
}

/** A dubious acknowledgement needs a look by loss recovery (tcp_ack_is_dubious). */
const isDubious = (t: Tcb, flags: number): boolean =>
  (flags & F.NOT_DUP) === 0 || (flags & F.CA_ALERT) !== 0 || t.caState !== CA_OPEN

/** Bytes that the acknowledgement is the first to tell of. `tagged`: flags of its SACK blocks. */
const deliveredBytes = (t: Tcb, priorUna: number, tagged: number): number =>
  diff(t.snd.una, priorUna) - t.tcp.cleaned.sackedBytes + (tagged === 0 ? 0 : t.tcp.sackState.bytes)

/**
 * What the segment says of marks. The peer reacted to ours, and its window may be tiny now: what it sends is acknowledged at once; also
 * an ACK without data says so, against RFC 3168 §6.1 (tcp_ecn_accept_cwr). It saw marks on what we sent: ECE_SEEN.
 */
function echoedMarks(t: Tcb, g: Segment): number {
  if ((t.opt & OPT_ECN) === 0) return 0
  if ((g.flags & CWR) !== 0) {
    t.ecnDemandCwr = false
    if (g.endSeq !== g.seq) t.ackPending |= ACK_NOW
  }
  return (g.flags & (ECE | SYN)) === ECE ? F.ECE_SEEN : 0
}

/** The SYN is not among the bytes acknowledged: `isActive` counts it. */
const synIn = (t: Tcb, una: number): number => (t.isActive && una === t.snd.iss ? 1 : 0)

/** RFC 5961 §5.2: farther back than the largest window, or than has ever been acknowledged. */
function isTooOld(t: Tcb, ack: number): boolean {
  const acked = (t.stats === null ? 0 : t.stats.bytesAcked) + (t.isActive && t.snd.una !== t.snd.iss ? 1 : 0)
  return before(ack, (t.snd.una - Math.min(t.snd.maxWnd, acked)) | 0)
}

/**
 * Processes the acknowledgement in `g`; `flags` are what the caller knows (F.SLOWPATH, F.UPDATE_TS_RECENT).
 * 1: taken; 0: old but harmless; ACK_OLD or ACK_UNSENT: the segment must be answered or dropped.
 */
export function processAck(t: Tcb, g: Segment, flags: number): number {
  const snd = t.snd
  const priorUna = snd.una
  const ack = g.ack
  const tcp = t.tcp
  const priorPackets = t.packetsOut
  const priorDelivered = t.delivered
  const priorLost = t.lost
  tcp.rate.begin(t)
  if (before(ack, priorUna)) {
    if (isTooOld(t, ack)) {
      if ((flags & F.NO_CHALLENGE_ACK) === 0) challengeAck(t)
      return ACK_OLD
    }
    return oldAck(t, g, priorUna, priorDelivered, flags)
  }
  if (after(ack, snd.nxt)) return ACK_UNSENT
  if (after(ack, priorUna)) {
    flags |= F.SND_UNA_ADVANCED
    t.retransmits = 0
    if (t.stats !== null) t.stats.bytesAcked += diff(ack, priorUna) - synIn(t, priorUna)
  }
  const r = t.recovery
  const highest = r === null ? null : r.highestSack
  const priorFack = highest === null ? priorUna : highest.endSeq
  const priorSacked = t.sackedOut
  if ((flags & F.UPDATE_TS_RECENT) !== 0 && g.hasTs) flags |= replaceTsRecent(t, g.seq)
  if (g.length > 0 || g.isFin) flags |= F.DATA
  else t.stack.counters.TcpExtTCPPureAcks++
  flags |= updateWindow(t, g)
  let tagged = 0
  if (g.sackCount > 0 && (t.opt & OPT_SACK) !== 0) {
    tagQueue(t, g, priorUna, tcp.sackState)
    tagged = tcp.sackState.flags
    flags |= tagged
  }
  flags |= echoedMarks(t, g)
  t.softError = 0
  t.probesOut = 0
  t.lastSegmentTime = tcp.nowMs()
  if (priorPackets === 0) {
    if ((t.opt & OPT_ACCECN) !== 0) flags |= ackEcn(t, g, 0, diff(ack, priorUna), flags)
    if ((flags & F.DSACKING_ACK) !== 0) alert(t, priorUna, 0, flags)
    ackProbe(t)
    if (r !== null && r.tlpHighSeq !== 0) tlpAcked(t, ack, flags)
    return 1
  }
  flags = settleAcked(t, priorUna, priorFack, priorSacked, flags | cleanQueue(t, priorUna), tagged)
  rackUpdateWindow(t)
  if ((t.opt & OPT_ACCECN) !== 0)
    flags |= ackEcn(t, g, t.delivered - priorDelivered, deliveredBytes(t, priorUna, tagged), flags)
  const rec = t.recovery
  if (rec !== null && rec.tlpHighSeq !== 0) tlpAcked(t, ack, flags)
  let rexmit = 0
  if (isDubious(t, flags)) {
    let dupacks = 0
    if ((flags & (F.SND_UNA_ADVANCED | F.NOT_DUP | F.DSACKING_ACK)) === 0) dupacks = Math.max(1, g.gsoSegments)
    alert(t, priorUna, dupacks, flags)
    flags = tcp.alert.flags
    rexmit = tcp.alert.rexmit
  }
  // RACK took the flag away if it has just armed its own timer; one it armed before is out of date.
  if ((flags & F.SET_XMIT_TIMER) !== 0) setXmitTimer(t)
  if ((flags & F.FORWARD_PROGRESS) !== 0 || (flags & F.NOT_DUP) === 0) t.dst?.confirm()
  rateSampled(t, t.delivered - priorDelivered, t.lost - priorLost, (flags & F.SACK_RENEGING) !== 0)
  if ((flags & F.ECE_SEEN) !== 0 && (t.opt & OPT_ECN) !== 0) statsOf(t).deliveredCe += t.delivered - priorDelivered
  controlCongestion(t, ack, flags)
  transmitRecovery(t, rexmit)
  return 1
}

function setXmitTimer(t: Tcb): void {
  if (!scheduleLossProbe(t, true)) {
    if (t.pendingTimer === PENDING_TLP) t.pendingTimer = 0
    rearmRto(t)
  }
}

function alert(t: Tcb, priorUna: number, dupacks: number, flags: number): void {
  fastRetransAlert(t, priorUna, dupacks, flags, t.tcp.alert)
}

/** An ACK below SND.UNA that is not too old: its SACK blocks still count (LINUX-TCP 25). */
function oldAck(t: Tcb, g: Segment, priorUna: number, priorDelivered: number, flags: number): number {
  if (g.sackCount === 0 || (t.opt & OPT_SACK) === 0) return 0
  tagQueue(t, g, priorUna, t.tcp.sackState)
  flags |= t.tcp.sackState.flags
  if ((t.opt & OPT_ACCECN) !== 0) flags |= ackEcn(t, g, t.delivered - priorDelivered, t.tcp.sackState.bytes, flags)
  alert(t, priorUna, 0, flags)
  transmitRecovery(t, t.tcp.alert.rexmit)
  return 0
}
