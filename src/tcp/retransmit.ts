/** Sending segments again (Linux __tcp_retransmit_skb, tcp_xmit_retransmit_queue). */
import { ACE, SYN } from '../wire/tcp.ts'
import { currentMss } from './mss.ts'
import { mustPace } from './pacing.ts'
import { recoveryOf } from './rack.ts'
import { add, after, before, diff } from './seq.ts'
import { CA_CWR, CA_RECOVERY, type Tcb } from './tcb.ts'
import { armRexmt, PENDING_REO, PENDING_RTO } from './timer.ts'
import { transmit } from './transmit.ts'
import { adjustCounts, inFlight, sentNow, splitSegment, trimAcked, unlinkSegment } from './tx-queue.ts'
import { EVER_RETRANS, LOST, RETRANS, SACKED, type TxSegment } from './tx-segment.ts'

/** Merges small neighbours into one while they are sent again, as long as they fit `room` (tcp_retrans_try_collapse). */
function collapse(t: Tcb, segment: TxSegment, room: number): void {
  if (segment.bytes >= room || (segment.flags & SYN) !== 0 || !mayCollapse(segment)) return
  for (let next = segment.next; next !== null && next !== t.sendHead; next = segment.next) {
    if (segment.endOfRecord || !mayCollapse(next) || segment.bytes + next.bytes > room) return
    if (after(next.endSeq, add(t.snd.una, t.snd.wnd))) return
    const { bytes, sacked, pcount } = next
    if (!segment.absorb(next)) return
    t.wmemQueued += bytes
    segment.endSeq = next.endSeq
    segment.flags |= next.flags
    segment.sacked |= sacked & EVER_RETRANS
    segment.endOfRecord = next.endOfRecord
    if (next.stampFlags !== 0) {
      segment.stampFlags |= next.stampFlags
      segment.stampSeq = next.stampSeq
    }
    const r = t.recovery
    if (r !== null && r.retransmitHint === next) r.retransmitHint = segment
    adjustCounts(t, sacked, -pcount)
    unlinkSegment(t, next)
  }
}

/** tcp_can_collapse */
const mayCollapse = (segment: TxSegment): boolean => segment.pcount <= 1 && (segment.sacked & SACKED) === 0

/** Sends up to `most` pieces of `segment` again and counts them as in flight; true if it left this host. */
export function retransmitSegment(t: Tcb, segment: TxSegment, most = 1): boolean {
  const lastTime = segment.txTime
  const sent = resend(t, segment, most)
  if (sent) {
    // Counted twice if an undo forgot only that it was lost.
    segment.sacked |= RETRANS
    t.retransOut += segment.pcount
  }
  // The time of the first attempt counts, also of one that failed; of a SYN, when it first left (tcp_connect).
  const r = recoveryOf(t)
  if (r.retransStamp === 0)
    r.retransStamp = ((segment.flags & SYN) !== 0 ? Math.floor(lastTime / 1000) | 0 : t.tcp.nowMs()) || 1
  if (r.undoRetrans < 0) r.undoRetrans = 0
  r.undoRetrans += segment.pcount
  return sent
}

/** Sends up to `most` pieces again without counting them (__tcp_retransmit_skb): all that a tail loss probe does. */
export function resend(t: Tcb, segment: TxSegment, most: number): boolean {
  // A probe of the MTU that is out says nothing any more.
  if (t.mtuProbe !== null) t.mtuProbe.size = 0
  if (before(segment.seq, t.snd.una) && segment.bytes > 0) {
    if (!before(t.snd.una, segment.endSeq)) return false
    const gone = trimAcked(t, segment)
    t.packetsOut -= gone
    if ((segment.sacked & LOST) !== 0) t.lostOut -= gone
    if ((segment.sacked & RETRANS) !== 0) t.retransOut -= gone
  }
  const mss = currentMss(t)
  let room = diff(add(t.snd.una, t.snd.wnd), segment.seq)
  if (room <= 0) {
    // RFC 9293 §3.8.6.1: the first unacknowledged byte may be sent into a closed window, nothing else.
    if (segment.seq !== t.snd.una) return false
    room = mss
  }
  let length = mss * most
  if (length > room) {
    length = room - (room % mss)
    if (length === 0) length = room
  }
  if (segment.bytes > length) splitSegment(t, segment, length, mss)
  else {
    repiece(t, segment, mss)
    if (t.stack.sysctl.tcp_retrans_collapse !== 0) collapse(t, segment, Math.min(mss, room))
  }
  if (segment.txTime > 0) segment.sacked |= EVER_RETRANS
  // RFC 3168 §6.1.1.1: a SYN that got lost asks for ECN no more (tcp_ecn_clear_syn); RFC 9768 §3.1.4.1: for AccECN once again.
  const asksAgain = (segment.flags & ACE) === ACE && t.totalRetrans === 0
  if ((segment.flags & SYN) !== 0 && !asksAgain && t.stack.sysctl.tcp_ecn_fallback !== 0) segment.flags &= ~ACE
  const sent = transmit(t, segment, mss)
  if (sent) sentNow(t, segment)
  const counters = t.stack.counters
  counters.TcpRetransSegs += segment.pcount
  if ((segment.flags & 2) !== 0) counters.TcpExtTCPSynRetrans++
  t.totalRetrans += segment.pcount
  t.stack.trace.tcpRetransmit?.(t, segment.seq, segment.bytes, 'loss')
  if (!sent) counters.TcpExtTCPRetransFail++
  return sent
}

/** The MSS changed since the segment was sent: it stands for another number of pieces. */
function repiece(t: Tcb, segment: TxSegment, mss: number): void {
  const old = segment.pcount
  segment.countPieces(mss)
  adjustCounts(t, segment.sacked, segment.pcount - old)
}

/** The oldest unacknowledged segment, as a timeout sends it. */
export function retransmitHead(t: Tcb): boolean {
  const head = t.txHead
  return head !== null && head !== t.sendHead && retransmitSegment(t, head)
}

/** Sends lost segments again as far as the window allows, oldest first (tcp_xmit_retransmit_queue). */
export function retransmitQueue(t: Tcb, burst: number): void {
  if (t.packetsOut === 0) return
  const r = recoveryOf(t)
  const head = t.txHead
  let rearm = false
  let hole = false
  for (let s = r.retransmitHint ?? head; s !== null && s !== t.sendHead; ) {
    if (mustPace(t)) break
    if (!hole) r.retransmitHint = s
    const quota = t.snd.cwnd - inFlight(t)
    if (quota <= 0 || t.retransOut >= t.lostOut) break
    const sacked = s.sacked
    if ((sacked & LOST) === 0) {
      if ((sacked & (RETRANS | SACKED)) === 0) hole = true
    } else if ((sacked & (RETRANS | SACKED)) === 0) {
      if (!retransmitSegment(t, s, Math.min(quota, burst))) break
      t.stack.counters[t.caState === CA_RECOVERY ? 'TcpExtTCPFastRetrans' : 'TcpExtTCPSlowStartRetrans'] += s.pcount
      if (t.caState === CA_CWR || t.caState === CA_RECOVERY) r.prrOut += s.pcount
      if (s === head && t.pendingTimer !== PENDING_REO) rearm = true
    }
    s = s.next
  }
  if (rearm) armRexmt(t, PENDING_RTO, t.rto)
}

/** Is anything retransmitted still unacknowledged (tcp_any_retrans_done)? */
export function anyRetransmitted(t: Tcb): boolean {
  if (t.retransOut > 0) return true
  const head = t.txHead
  return head !== null && head !== t.sendHead && (head.sacked & EVER_RETRANS) !== 0
}
