/**
 * Loss recovery: the states Open, Disorder, CWR, Recovery, Loss; when to enter, what to send, when it was all a mistake
 * (RFC 5681, 6582, 6675, 6937, 8985, 5682, 3522, 3708 as Linux's tcp_fastretrans_alert puts them together).
 */
import { TCP_SYN_SENT } from '../sock/sock.ts'
import * as F from './ack-flags.ts'
import { currentSsthresh } from './cwnd.ts'
import { enterCwr, initReduction, setCaState } from './cwr.ts'
import { currentMss } from './mss.ts'
import { mtuProbeLost } from './mtu-probe.ts'
import { burstSegments, NAGLE_OFF, writeXmit } from './output.ts'
import {
  detectLoss,
  markLost,
  newRenoMarkLost,
  REO_WND_PERSIST,
  rackMarkLost,
  rackTimeLeft,
  recoveryOf,
} from './rack.ts'
import { anyRetransmitted, retransmitQueue } from './retransmit.ts'
import { add, after, before } from './seq.ts'
import { endTimeouts } from './stats.ts'
import {
  CA_CWR,
  CA_DISORDER,
  CA_LOSS,
  CA_OPEN,
  CA_RECOVERY,
  INFINITE_SSTHRESH,
  OPT_ECN,
  OPT_SACK,
  OPT_TIMESTAMPS,
  type RecoveryVars,
  type Tcb,
} from './tcb.ts'
import { armRexmt, PENDING_RTO, rearmRto } from './timer.ts'
import { inFlight, leftOut, splitSegment } from './tx-queue.ts'
import { LOST, SACKED, type TxSegment } from './tx-segment.ts'

const isSack = (t: Tcb): boolean => (t.opt & OPT_SACK) !== 0
const isReducing = (t: Tcb): boolean => t.caState === CA_CWR || t.caState === CA_RECOVERY

/** Remembers the state of before, so that a false alarm can be undone (tcp_init_undo). */
function initUndo(t: Tcb, r: RecoveryVars): void {
  r.hasUndo = true
  r.undoMarker = t.snd.una
  r.undoRetrans = t.retransOut
  if (r.tlpHighSeq !== 0 && r.tlpRetrans) r.undoRetrans++
  if (r.undoRetrans === 0) r.undoRetrans = -1
}

/** RFC 6937: how much may be out after this acknowledgement (tcp_cwnd_reduction; LINUX-TCP 25). */
export function reduceCwnd(t: Tcb, delivered: number, newlyLost: number, advanced: boolean): void {
  const r = recoveryOf(t)
  if (delivered <= 0 || r.priorCwnd === 0) return
  const flight = inFlight(t)
  const room = t.snd.ssthresh - flight
  r.prrDelivered += delivered
  let send: number
  if (room < 0) send = Math.floor((t.snd.ssthresh * r.prrDelivered + r.priorCwnd - 1) / r.priorCwnd) - r.prrOut
  else {
    send = Math.max(r.prrDelivered - r.prrOut, delivered)
    if (advanced && newlyLost === 0) send++
    send = Math.min(room, send)
  }
  send = Math.max(send, r.prrOut > 0 ? 0 : 1)
  t.snd.cwnd = Math.max(1, flight + send)
}

function endReduction(t: Tcb, r: RecoveryVars): void {
  if (t.ca.control !== undefined) return
  if (t.snd.ssthresh < INFINITE_SSTHRESH && (t.caState === CA_CWR || r.hasUndo)) {
    t.snd.cwnd = t.snd.ssthresh
    t.snd.cwndStamp = t.tcp.nowMs()
  }
  t.ca.onEvent?.(t, 'complete-cwr')
}

export function enterRecovery(t: Tcb, ece: boolean): void {
  const r = recoveryOf(t)
  if (isSack(t)) t.stack.counters.TcpExtTCPSackRecovery++
  else t.stack.counters.TcpExtTCPRenoRecovery++
  r.priorSsthresh = 0
  initUndo(t, r)
  if (!isReducing(t)) {
    if (!ece) r.priorSsthresh = currentSsthresh(t)
    initReduction(t, r)
  }
  setCaState(t, CA_RECOVERY)
}

/** A retransmission timeout: everything not SACKed counts as lost (tcp_enter_loss; LINUX-TCP 26). */
export function enterLoss(t: Tcb): void {
  const r = recoveryOf(t)
  const fresh = t.caState < CA_RECOVERY
  markAllLost(t, r)
  if (t.caState <= CA_DISORDER || !after(r.highSeq, t.snd.una) || (t.caState === CA_LOSS && t.retransmits === 0)) {
    r.priorSsthresh = currentSsthresh(t)
    r.priorCwnd = t.snd.cwnd
    t.snd.ssthresh = t.ca.ssthresh(t)
    t.ca.onEvent?.(t, 'loss')
    initUndo(t, r)
  }
  t.snd.cwnd = inFlight(t) + 1
  t.snd.cwndCnt = 0
  t.snd.cwndStamp = t.tcp.nowMs()
  if (t.caState <= CA_DISORDER && t.sackedOut >= t.stack.sysctl.tcp_reordering) {
    t.reordering = Math.min(t.reordering, t.stack.sysctl.tcp_reordering)
  }
  setCaState(t, CA_LOSS)
  r.highSeq = t.snd.nxt
  r.tlpHighSeq = 0
  if ((t.opt & OPT_ECN) !== 0) t.ecnQueueCwr = true
  // RFC 5682: see whether the acknowledgements that come are of the originals.
  r.frto = t.stack.sysctl.tcp_frto !== 0 && (fresh || t.retransmits > 0)
}

function markAllLost(t: Tcb, r: RecoveryVars): void {
  const head = t.txHead
  const reneging = head !== null && (head.sacked & SACKED) !== 0
  if (reneging) {
    // RFC 2018 §8: a receiver may take SACKs back; then none of them counts.
    t.stack.counters.TcpExtTCPSACKReneging++
    t.sackedOut = 0
    r.highestSack = null
  } else if (!isSack(t)) t.sackedOut = 0
  r.retransmitHint = null
  for (let s = head; s !== null && s !== t.sendHead; s = s.next) {
    if (reneging) s.sacked &= ~SACKED
    // What was sent within the last round trip is not given up yet.
    else if (isSack(t) && s !== head && rackTimeLeft(t, r, s, 0) > 0) continue
    markLost(t, s)
  }
  r.retransmitHint = null
}

/** An acknowledgement older than our first retransmission: the original got through (RFC 3522, tcp_packet_delayed). */
function wasDelayed(t: Tcb, r: RecoveryVars): boolean {
  if (r.retransStamp !== 0) {
    return (
      (t.opt & OPT_TIMESTAMPS) !== 0 && t.rcvTsEcr !== 0 && ((t.rcvTsEcr - ((r.retransStamp + t.tsOffset) | 0)) | 0) < 0
    )
  }
  // Nothing was sent again at all, save where the stamp was cleared after it was (6.12's tcp_packet_delayed).
  if (!isSack(t) && !before(t.snd.una, r.highSeq)) return false
  return t.state !== TCP_SYN_SENT
}

const mayUndo = (t: Tcb, r: RecoveryVars): boolean => r.hasUndo && (r.undoRetrans === 0 || wasDelayed(t, r))

/** Takes the reduction back (tcp_undo_cwnd_reduction). */
function undoReduction(t: Tcb, r: RecoveryVars, unmark: boolean): void {
  if (unmark) {
    for (let s = t.txHead; s !== null && s !== t.sendHead; s = s.next) s.sacked &= ~LOST
    t.lostOut = 0
    r.retransmitHint = null
  }
  if (r.priorSsthresh !== 0) {
    t.snd.cwnd = t.ca.undoCwnd(t)
    if (r.priorSsthresh > t.snd.ssthresh) {
      t.snd.ssthresh = r.priorSsthresh
      t.ecnQueueCwr = false
    }
  }
  t.snd.cwndStamp = t.tcp.nowMs()
  r.hasUndo = false
  r.rackAdvanced = true
}

/** A plain Reno stays until something beyond `highSeq` is acknowledged (RFC 6582; tcp_is_non_sack_preventing_reopen). */
function mustStay(t: Tcb, r: RecoveryVars): boolean {
  if (t.snd.una !== r.highSeq || isSack(t)) return false
  if (!anyRetransmitted(t)) r.retransStamp = 0
  return true
}

/** Back to Open, undone if it was a false alarm; true if it must stay (tcp_try_undo_recovery). */
function leaveRecovery(t: Tcb, r: RecoveryVars): boolean {
  if (mayUndo(t, r)) {
    undoReduction(t, r, false)
    if (t.caState === CA_LOSS) t.stack.counters.TcpExtTCPLossUndo++
    else t.stack.counters.TcpExtTCPFullUndo++
  } else if (r.rackReoWndPersist > 0) r.rackReoWndPersist--
  if (mustStay(t, r)) return true
  setCaState(t, CA_OPEN)
  return false
}

/** The SYN-ACK of a Fast Open child is acknowledged: its timeouts may have been for nothing (tcp_rcv_synrecv_state_fastopen). */
export function undoSynAckLoss(t: Tcb): void {
  const r = t.recovery
  if (r === null) return
  if (t.caState === CA_LOSS && t.packetsOut === 0) leaveRecovery(t, r)
  if (!anyRetransmitted(t)) r.retransStamp = 0
}

function undoDsack(t: Tcb, r: RecoveryVars): boolean {
  if (!r.hasUndo || r.undoRetrans !== 0) return false
  r.rackReoWndPersist = Math.min(REO_WND_PERSIST, r.rackReoWndPersist + 1)
  undoReduction(t, r, false)
  t.stack.counters.TcpExtTCPDSACKUndo++
  return true
}

/** A partial acknowledgement in Recovery: was the loss only a delay? True to wait and see (tcp_try_undo_partial). */
function undoPartial(t: Tcb, r: RecoveryVars, priorUna: number): boolean {
  if (!r.hasUndo || !wasDelayed(t, r)) return false
  noteReordering(t, priorUna, true)
  if (t.retransOut > 0) return true
  if (!anyRetransmitted(t)) r.retransStamp = 0
  undoReduction(t, r, true)
  t.stack.counters.TcpExtTCPPartialUndo++
  keepOpen(t)
  return false
}

function undoLoss(t: Tcb, r: RecoveryVars, frto: boolean): boolean {
  if (!frto && !mayUndo(t, r)) return false
  undoReduction(t, r, true)
  t.stack.counters.TcpExtTCPLossUndo++
  if (frto) t.stack.counters.TcpExtTCPSpuriousRTOs++
  t.retransmits = 0
  if (!mustStay(t, r) && (frto || isSack(t))) setCaState(t, CA_OPEN)
  return true
}

function keepOpen(t: Tcb): void {
  const r = recoveryOf(t)
  const state = leftOut(t) > 0 || anyRetransmitted(t) ? CA_DISORDER : CA_OPEN
  if (t.caState !== state) {
    setCaState(t, state)
    r.highSeq = t.snd.nxt
  }
}

function tryToOpen(t: Tcb, r: RecoveryVars, flags: number): void {
  if (!anyRetransmitted(t)) r.retransStamp = 0
  if ((flags & F.ECE_SEEN) !== 0) enterCwr(t)
  if (t.caState !== CA_CWR) keepOpen(t)
}

/** Segments arrived out of order: how far, in segments (tcp_check_sack_reordering). */
export function noteReordering(t: Tcb, lowSeq: number, byTimestamp: boolean): void {
  const r = recoveryOf(t)
  const fack = r.highestSack === null ? t.snd.una : r.highestSack.endSeq
  if (!before(lowSeq, fack)) return
  const metric = (fack - lowSeq) | 0
  const mss = t.snd.mss
  if (metric > t.reordering * mss && mss > 0) {
    t.reordering = Math.min(Math.floor((metric + mss - 1) / mss), t.stack.sysctl.tcp_max_reordering)
  }
  r.reordSeen++
  if (byTimestamp) t.stack.counters.TcpExtTCPTSReorder++
  else t.stack.counters.TcpExtTCPSACKReorder++
}

/** The first hole is lost or late, so duplicate ACKs stand for at most the others; more mean reordering (tcp_check_reno_reordering). */
export function limitRenoSacked(t: Tcb, acked: number): void {
  const most = t.packetsOut - Math.min(Math.max(t.lostOut, 1), t.packetsOut)
  if (t.sackedOut <= most) return
  t.sackedOut = most
  t.reordering = Math.min(t.packetsOut + acked, t.stack.sysctl.tcp_max_reordering)
  recoveryOf(t).reordSeen++
  t.stack.counters.TcpExtTCPRenoReorder++
}

/** Duplicate ACKs stand in for SACKs (tcp_add_reno_sack). */
function addRenoSack(t: Tcb, count: number): void {
  if (count <= 0) return
  const prior = t.sackedOut
  t.sackedOut += count
  limitRenoSacked(t, 0)
  if (t.sackedOut > prior) t.delivered += t.sackedOut - prior
}

/** Marks what is lost by what is known now (tcp_identify_packet_loss); returns the flags, perhaps changed. */
function identifyLoss(t: Tcb, flags: number): number {
  if (t.txHead === null || t.txHead === t.sendHead) return flags
  if (!isSack(t)) {
    // In the pieces that it was sent in.
    newRenoMarkLost(t, (flags & F.SND_UNA_ADVANCED) !== 0, (head: TxSegment) => {
      splitSegment(t, head, head.gsoSize, head.gsoSize)
    })
    return flags
  }
  const priorRetrans = t.retransOut
  if (rackMarkLost(t)) flags &= ~F.SET_XMIT_TIMER
  if (priorRetrans > t.retransOut) flags |= F.LOST_RETRANS
  return flags
}

/** In Loss: F-RTO, or slow start with retransmissions (tcp_process_loss). Returns what to send. */
function processLoss(t: Tcb, r: RecoveryVars, flags: number, dupacks: number): number {
  const recovered = !before(t.snd.una, r.highSeq)
  if ((flags & F.SND_UNA_ADVANCED) !== 0 && undoLoss(t, r, false)) return REXMIT_NONE
  if (r.frto) {
    if ((flags & F.ORIG_SACK_ACKED) !== 0 && undoLoss(t, r, true)) return REXMIT_NONE
    if (after(t.snd.nxt, r.highSeq)) {
      if ((flags & F.DATA_SACKED) !== 0 || dupacks > 0) r.frto = false
    } else if ((flags & F.SND_UNA_ADVANCED) !== 0 && !recovered) {
      r.highSeq = t.snd.nxt
      if (t.sendHead !== null && after(add(t.snd.una, t.snd.wnd), t.snd.nxt)) return REXMIT_NEW
      r.frto = false
    }
  }
  if (recovered) {
    leaveRecovery(t, r)
    return REXMIT_NONE
  }
  if (!isSack(t)) {
    if (after(t.snd.nxt, r.highSeq) && dupacks > 0) addRenoSack(t, dupacks)
    else if ((flags & F.SND_UNA_ADVANCED) !== 0) t.sackedOut = 0
  }
  return REXMIT_LOST
}

/** Least time to wait for the ACK of what was SACKed already, 10 ms. */
const RENEGING_DELAY = 10000

/** What to send after an acknowledgement. */
export const REXMIT_NONE = 0
export const REXMIT_LOST = 1
export const REXMIT_NEW = 2

/** What `fastRetransAlert` made of the flags; read right after the call (no object per ACK). */
export interface AlertResult {
  flags: number
  rexmit: number
}

/** The heart of loss recovery: an acknowledgement that is not simply good news (tcp_fastretrans_alert). */
export function fastRetransAlert(t: Tcb, priorUna: number, dupacks: number, flags: number, result: AlertResult): void {
  const r = recoveryOf(t)
  result.flags = flags
  result.rexmit = REXMIT_NONE
  const ece = (flags & F.ECE_SEEN) !== 0
  const advanced = (flags & F.SND_UNA_ADVANCED) !== 0
  if (t.packetsOut === 0 && t.sackedOut > 0) t.sackedOut = 0
  if ((flags & F.SACK_RENEGING) !== 0 && advanced) {
    // The peer took SACKs back, or its ACK is late: a short timeout tells (tcp_check_sack_reneging).
    armRexmt(t, PENDING_RTO, Math.max(t.srtt >> 4, RENEGING_DELAY))
    result.flags = flags & ~F.SET_XMIT_TIMER
    return
  }
  if (ece) r.priorSsthresh = 0
  if (t.caState === CA_OPEN) r.retransStamp = 0
  else if (!before(t.snd.una, r.highSeq)) {
    if (t.caState === CA_CWR) {
      if (t.snd.una !== r.highSeq) {
        endReduction(t, r)
        setCaState(t, CA_OPEN)
      }
    } else if (t.caState === CA_RECOVERY) {
      if (!isSack(t)) t.sackedOut = 0
      if (leaveRecovery(t, r)) return
      endReduction(t, r)
    }
  }
  if (t.caState === CA_RECOVERY) {
    if (!advanced) {
      if (!isSack(t)) addRenoSack(t, dupacks)
    } else if (undoPartial(t, r, priorUna)) return
    if (undoDsack(t, r)) tryToOpen(t, r, flags)
    result.flags = identifyLoss(t, flags)
    // The compiler cannot see that the undo may have changed the state.
    if ((t.caState as number) !== CA_RECOVERY) {
      if (t.lostOut === 0) return
      enterRecovery(t, ece)
    }
  } else if (t.caState === CA_LOSS) {
    result.rexmit = processLoss(t, r, flags, dupacks)
    if ((t.caState as number) !== CA_LOSS) endTimeouts(t)
    result.flags = identifyLoss(t, flags)
    if (!((t.caState as number) === CA_OPEN || (result.flags & F.LOST_RETRANS) !== 0)) return
    if (!startRecovery(t, r, dupacks, result, ece)) return
  } else if (!startRecovery(t, r, dupacks, result, ece)) return
  result.rexmit = REXMIT_LOST
}

/** Open, Disorder, CWR, or Loss just undone: is it time to recover? */
function startRecovery(t: Tcb, r: RecoveryVars, dupacks: number, result: AlertResult, ece: boolean): boolean {
  const flags = result.flags
  if (!isSack(t)) {
    if ((flags & F.SND_UNA_ADVANCED) !== 0) t.sackedOut = 0
    addRenoSack(t, dupacks)
  }
  if (t.caState <= CA_DISORDER) undoDsack(t, r)
  result.flags = identifyLoss(t, flags)
  if (t.lostOut === 0) {
    tryToOpen(t, r, flags)
    return false
  }
  if (t.mtuProbe !== null && mtuProbeLost(t, t.mtuProbe)) {
    retransmitUncongested(t)
    return false
  }
  enterRecovery(t, ece)
  return true
}

/** Sends what was marked lost, as the window allows, in bursts like those of new data (tcp_tso_segs). */
export function retransmitLost(t: Tcb): void {
  retransmitQueue(t, burstSegments(t, currentMss(t)))
}

/** Lost, but not by congestion: no reduction, though Loss state until all is there (tcp_non_congestion_loss_retransmit). */
export function retransmitUncongested(t: Tcb): void {
  const r = recoveryOf(t)
  if (!isSack(t)) t.sackedOut = Math.min(t.sackedOut, t.packetsOut - t.lostOut)
  if (t.caState !== CA_LOSS) {
    r.highSeq = t.snd.nxt
    t.snd.ssthresh = currentSsthresh(t)
    r.priorSsthresh = 0
    r.hasUndo = false
    setCaState(t, CA_LOSS)
  }
  retransmitLost(t)
}

/** Sends what recovery asked for (tcp_xmit_recovery). */
export function transmitRecovery(t: Tcb, rexmit: number): void {
  if (rexmit === REXMIT_NONE || t.state === TCP_SYN_SENT) return
  if (rexmit === REXMIT_NEW) {
    const r = recoveryOf(t)
    writeXmit(t, currentMss(t), NAGLE_OFF, false, false)
    if (after(t.snd.nxt, r.highSeq)) return
    r.frto = false
  }
  retransmitLost(t)
}

/** The window's reaction to an acknowledgement (tcp_cong_control). */
export function controlCongestion(t: Tcb, ack: number, flags: number): void {
  const { rate } = t.tcp
  if (t.ca.control !== undefined) {
    t.ca.control(t, rate)
    return
  }
  if (isReducing(t)) reduceCwnd(t, rate.acked, rate.losses, (flags & F.SND_UNA_ADVANCED) !== 0)
  else {
    const mayRaise = t.reordering > t.stack.sysctl.tcp_reordering ? flags & F.FORWARD_PROGRESS : flags & F.DATA_ACKED
    if (mayRaise !== 0) {
      t.ca.avoid(t, ack, rate.acked)
      t.snd.cwndStamp = t.tcp.nowMs()
    }
  }
}

/** The tail loss probe was needed: a loss nobody noticed is answered with one reduction (tcp_process_tlp_ack). */
export function tlpAcked(t: Tcb, ack: number, flags: number): void {
  const r = recoveryOf(t)
  if (before(ack, r.tlpHighSeq)) return
  if (!r.tlpRetrans || (flags & F.DSACK_TLP) !== 0) r.tlpHighSeq = 0
  else if (after(ack, r.tlpHighSeq)) {
    initReduction(t, r)
    setCaState(t, CA_CWR)
    endReduction(t, r)
    keepOpen(t)
    t.stack.counters.TcpExtTCPLossProbeRecovery++
  } else if ((flags & (F.SND_UNA_ADVANCED | F.NOT_DUP | F.DATA_SACKED)) === 0) r.tlpHighSeq = 0
}

/** The reordering timer fired: what waited too long is lost now (tcp_rack_reo_timeout). */
export function rackTimeout(t: Tcb): void {
  const r = recoveryOf(t)
  t.pendingTimer = 0
  const before = inFlight(t)
  detectLoss(t, r)
  if (before !== inFlight(t)) {
    if (t.caState !== CA_RECOVERY) {
      enterRecovery(t, false)
      if (t.ca.control === undefined) reduceCwnd(t, 1, 1, false)
    }
    retransmitLost(t)
  }
  if (t.pendingTimer !== PENDING_RTO) rearmRto(t)
}
