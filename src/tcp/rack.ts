/** RACK: loss by time of transmission (RFC 8985 §6; Linux tcp_recovery.c; LINUX-TCP 22, 23). */
import { after } from './seq.ts'
import { CA_RECOVERY, OPT_SACK, RecoveryVars, type Tcb } from './tcb.ts'
import { armRexmt, PENDING_REO } from './timer.ts'
import { leaveTimed } from './tx-queue.ts'
import { EVER_RETRANS, LOST, RETRANS, SACKED, type TxSegment } from './tx-segment.ts'

/** TCP_TIMEOUT_MIN: two ticks of 1 ms. */
export const TIMEOUT_MIN = 2000
/** Round trips the reordering window keeps its size after a D-SACK (TCP_RACK_RECOVERY_THRESH). */
export const REO_WND_PERSIST = 16

/** The recovery variables, made on first use. */
export function recoveryOf(t: Tcb): RecoveryVars {
  if (t.recovery === null) t.recovery = new RecoveryVars()
  return t.recovery
}

/** a was sent after b: by time, then by sequence number (RACK_sent_after). */
const sentAfter = (aTime: number, bTime: number, aSeq: number, bSeq: number): boolean =>
  aTime > bTime || (aTime === bTime && after(aSeq, bSeq))

/** A segment was (S)ACKed up to `end`: the newest delivery so far (tcp_rack_advance). */
export function rackAdvance(t: Tcb, segment: TxSegment, end: number): void {
  const r = recoveryOf(t)
  const rtt = t.tcp.now - segment.txTime
  // An acknowledgement of a retransmission that comes too soon is the original's.
  if (rtt < t.minRtt && (segment.sacked & (RETRANS | EVER_RETRANS)) !== 0) return
  r.rackAdvanced = true
  r.rackRttUs = Math.max(rtt, 0)
  if (sentAfter(segment.txTime, r.rackTime, end, r.rackEndSeq)) {
    r.rackTime = segment.txTime
    r.rackEndSeq = end
  }
}

/** How long to wait for reordered segments, in microseconds (tcp_rack_reo_wnd). */
function reorderingWindow(t: Tcb, r: RecoveryVars): number {
  if (r.reordSeen === 0) {
    if (t.caState >= CA_RECOVERY) return 0
    if (t.sackedOut >= t.reordering) return 0
  }
  return Math.min((t.minRtt >> 2) * r.rackReoWndSteps, t.srtt >> 3)
}

/** Microseconds until the segment counts as lost. */
export const rackTimeLeft = (t: Tcb, r: RecoveryVars, segment: TxSegment, window: number): number =>
  r.rackRttUs + window - (t.tcp.now - segment.txTime)

export const rackWindow = (t: Tcb): number => reorderingWindow(t, recoveryOf(t))

/** The segment is lost, or its retransmission is (tcp_mark_skb_lost). */
export function markLost(t: Tcb, segment: TxSegment): void {
  const sacked = segment.sacked
  if ((sacked & SACKED) !== 0) return
  const r = recoveryOf(t)
  // No hint means from the head, so it moves only if nothing older waits to be sent again (tcp_verify_retransmit_hint).
  const hint = r.retransmitHint
  if (hint === null ? t.retransOut >= t.lostOut : after(hint.seq, segment.seq)) r.retransmitHint = segment
  if ((sacked & LOST) !== 0) {
    if ((sacked & RETRANS) === 0) return
    segment.sacked &= ~RETRANS
    t.retransOut -= segment.pcount
    t.stack.counters.TcpExtTCPLostRetransmit += segment.pcount
  } else {
    t.lostOut += segment.pcount
    segment.sacked |= LOST
  }
  t.lost += segment.pcount
}

/** Marks what is overdue; the time until the last of the others would be (tcp_rack_detect_loss). */
export function detectLoss(t: Tcb, r: RecoveryVars): number {
  const window = reorderingWindow(t, r)
  let timeout = 0
  for (let s = t.firstSent; s !== null; ) {
    const later = s.laterSent
    if ((s.sacked & LOST) !== 0 && (s.sacked & RETRANS) === 0) {
      s = later
      continue
    }
    if (!sentAfter(r.rackTime, s.txTime, r.rackEndSeq, s.endSeq)) break
    const left = rackTimeLeft(t, r, s, window)
    if (left <= 0) {
      markLost(t, s)
      leaveTimed(t, s)
    } else timeout = Math.max(timeout, left)
    s = later
  }
  return timeout
}

/** After an ACK that delivered something newer; true if it armed the reordering timer (tcp_rack_mark_lost). */
export function rackMarkLost(t: Tcb): boolean {
  const r = recoveryOf(t)
  if (!r.rackAdvanced) return false
  r.rackAdvanced = false
  const timeout = detectLoss(t, r)
  if (timeout === 0) return false
  armRexmt(t, PENDING_REO, Math.min(timeout + TIMEOUT_MIN, t.rto))
  return true
}

/** Adapts the reordering window to D-SACKs (tcp_rack_update_reo_wnd). */
export function rackUpdateWindow(t: Tcb): void {
  const r = t.recovery
  const { priorDelivered } = t.tcp.rate
  if (r === null || (t.opt & OPT_SACK) === 0 || priorDelivered === 0) return
  // One step a round trip.
  if (priorDelivered < r.rackLastDelivered) r.rackDsackSeen = false
  if (r.rackDsackSeen) {
    r.rackDsackSeen = false
    r.rackReoWndSteps = Math.min(0xff, r.rackReoWndSteps + 1)
    r.rackLastDelivered = t.delivered
    r.rackReoWndPersist = REO_WND_PERSIST
  } else if (r.rackReoWndPersist === 0) r.rackReoWndSteps = 1
}

/** Without SACK: the head is lost on the third duplicate ACK, and on each partial one in recovery (tcp_newreno_mark_lost). */
export function newRenoMarkLost(t: Tcb, advanced: boolean, split: (head: TxSegment) => void): void {
  const inRecovery = t.caState === CA_RECOVERY
  if (!((t.caState < CA_RECOVERY && t.sackedOut >= t.reordering) || (inRecovery && advanced))) return
  const head = t.txHead
  if (head === null || head === t.sendHead || (head.sacked & LOST) !== 0) return
  if (head.pcount > 1) split(head)
  markLost(t, head)
}
