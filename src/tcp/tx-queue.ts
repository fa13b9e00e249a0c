/**
 * The transmit queue of a connection: sent segments from `txHead`, unsent ones from `sendHead`; and beside it the list
 * of sent segments in the order of their last transmission (Linux's rtx queue, write queue and tsorted_sent_queue).
 */

import { putZeroCopy, type ZeroCopy } from '../sock/zerocopy.ts'
import { FIN, PSH, SYN } from '../wire/tcp.ts'
import { add, before, diff } from './seq.ts'
import { CHRONO_BUSY, startChrono } from './stats.ts'
import type { Tcb } from './tcb.ts'
import { LOST, RETRANS, SACKED, type TxSegment } from './tx-segment.ts'

/** The segment has bytes of a call with MSG_ZEROCOPY (skb_zcopy_set). */
export function holdZeroCopy(segment: TxSegment, z: ZeroCopy): void {
  if (segment.zerocopy === z) return
  segment.zerocopy = z
  z.refs++
}

/** Segments counted out of the network's hands: SACKed or marked lost. */
export const leftOut = (t: Tcb): number => t.sackedOut + t.lostOut

/** Segments believed in flight (tcp_packets_in_flight, the "pipe" of RFC 6675). */
export const inFlight = (t: Tcb): number => t.packetsOut - t.sackedOut - t.lostOut + t.retransOut

/** Puts an empty segment at the end, to be filled; nothing is charged yet. */
export function appendSegment(t: Tcb, flags: number): TxSegment {
  const segment = t.tcp.segments.take()
  segment.seq = segment.endSeq = t.snd.writeSeq
  segment.flags = flags
  segment.previous = t.txTail
  if (t.txTail === null) t.txHead = segment
  else t.txTail.next = segment
  t.txTail = segment
  if (t.sendHead === null) t.sendHead = segment
  t.wmemQueued += segment.truesize
  if (t.sendHead === segment && (flags & SYN) === 0) startChrono(t, CHRONO_BUSY)
  return segment
}

/** Takes an acknowledged or never used segment out and gives it back. */
export function unlinkSegment(t: Tcb, segment: TxSegment): void {
  if (segment.previous === null) t.txHead = segment.next
  else segment.previous.next = segment.next
  if (segment.next === null) t.txTail = segment.previous
  else segment.next.previous = segment.previous
  if (t.sendHead === segment) t.sendHead = segment.next
  if (segment.timed) leaveTimed(t, segment)
  const r = t.recovery
  if (r !== null) {
    if (r.retransmitHint === segment) r.retransmitHint = null
    if (r.highestSack === segment) r.highestSack = previousSent(segment)
  }
  freeSegment(t, segment)
}

/** Gives a segment back that is in no list any more. */
function freeSegment(t: Tcb, segment: TxSegment): void {
  const { zerocopy } = segment
  segment.zerocopy = null
  t.wmemQueued -= segment.truesize
  t.tcp.segments.give(segment)
  if (zerocopy !== null) putZeroCopy(t, zerocopy)
}

/** The SACKed segment before, or none: what `highestSack` falls back to. */
function previousSent(segment: TxSegment): TxSegment | null {
  let s = segment.previous
  while (s !== null && (s.sacked & SACKED) === 0) s = s.previous
  return s
}

/** Throws the whole queue away; TCP_INFO still tells what was SACKed and lost of it (tcp_write_queue_purge). */
export function purgeQueue(t: Tcb): void {
  for (let s = t.txHead; s !== null; ) {
    const next = s.next
    freeSegment(t, s)
    s = next
  }
  t.txHead = t.txTail = t.sendHead = t.firstSent = t.lastSent = null
  t.packetsOut = 0
  if (t.recovery !== null) t.recovery.highestSack = t.recovery.retransmitHint = null
}

/** Moves the segment to the end of the list ordered by time of transmission. */
export function sentNow(t: Tcb, segment: TxSegment): void {
  if (segment.timed) leaveTimed(t, segment)
  segment.timed = true
  segment.earlierSent = t.lastSent
  segment.laterSent = null
  if (t.lastSent === null) t.firstSent = segment
  else t.lastSent.laterSent = segment
  t.lastSent = segment
}

/** Takes the segment out of the list ordered by time. */
export function leaveTimed(t: Tcb, segment: TxSegment): void {
  if (segment.earlierSent === null) t.firstSent = segment.laterSent
  else segment.earlierSent.laterSent = segment.laterSent
  if (segment.laterSent === null) t.lastSent = segment.earlierSent
  else segment.laterSent.earlierSent = segment.earlierSent
  segment.earlierSent = segment.laterSent = null
  segment.timed = false
}

/** Fills an unsent segment up with at most `room` bytes of the one behind it, cut for a smaller MSS than now (tcp_grow_skb). */
export function growSegment(t: Tcb, segment: TxSegment, room: number): void {
  const next = segment.next
  if (next === null || segment.endOfRecord || (segment.flags & SYN) !== 0) return
  const bytes = Math.min(room, next.bytes)
  if (bytes <= 0 || !segment.takeFrom(next, bytes)) return
  segment.endSeq = next.seq = add(next.seq, bytes)
  if (next.stampFlags !== 0 && before(next.stampSeq, next.seq)) {
    segment.stampFlags |= next.stampFlags
    segment.stampSeq = next.stampSeq
    next.stampFlags = 0
  }
  if (next.bytes > 0) return
  segment.endSeq = next.endSeq
  segment.flags |= next.flags
  segment.endOfRecord = next.endOfRecord
  unlinkSegment(t, next)
}

/**
 * Cuts the segment after `length` payload bytes; the rest becomes the next one (tcp_fragment, tso_fragment). Counts of
 * sent, SACKed, lost and retransmitted pieces are kept right at `mss`.
 */
export function splitSegment(t: Tcb, segment: TxSegment, length: number, mss: number): TxSegment {
  const rest = t.tcp.segments.take()
  const old = segment.pcount
  segment.splitInto(rest, length)
  rest.seq = add(segment.seq, length + ((segment.flags & SYN) !== 0 ? 1 : 0))
  rest.endSeq = segment.endSeq
  segment.endSeq = rest.seq
  rest.flags = segment.flags & ~SYN
  segment.flags &= ~(FIN | PSH)
  rest.sacked = segment.sacked
  rest.txTime = segment.txTime
  rest.firstTxTime = segment.firstTxTime
  rest.deliveredTime = segment.deliveredTime
  rest.delivered = segment.delivered
  rest.isAppLimited = segment.isAppLimited
  if (segment.stampFlags !== 0 && !before(segment.stampSeq, rest.seq)) {
    rest.stampFlags = segment.stampFlags
    rest.stampSeq = segment.stampSeq
    segment.stampFlags = 0
  }
  if (segment.zerocopy !== null) holdZeroCopy(rest, segment.zerocopy)
  rest.endOfRecord = segment.endOfRecord
  segment.endOfRecord = false
  rest.next = segment.next
  rest.previous = segment
  if (segment.next === null) t.txTail = rest
  else segment.next.previous = rest
  segment.next = rest
  t.wmemQueued += rest.truesize - rest.bytes
  if (segment.timed) {
    rest.timed = true
    rest.earlierSent = segment
    rest.laterSent = segment.laterSent
    if (segment.laterSent === null) t.lastSent = rest
    else segment.laterSent.earlierSent = rest
    segment.laterSent = rest
  }
  if (old > 0) {
    segment.countPieces(mss)
    rest.countPieces(mss)
    if (before(segment.seq, t.snd.nxt)) adjustCounts(t, segment.sacked, segment.pcount + rest.pcount - old)
  }
  const r = t.recovery
  if (r !== null && r.highestSack === segment && (rest.sacked & SACKED) !== 0) r.highestSack = rest
  return rest
}

/** A sent segment now stands for `more` pieces more, or fewer (tcp_adjust_pcount). */
export function adjustCounts(t: Tcb, sacked: number, more: number): void {
  if (more === 0) return
  t.packetsOut += more
  if ((sacked & SACKED) !== 0) t.sackedOut += more
  if ((sacked & RETRANS) !== 0) t.retransOut += more
  if ((sacked & LOST) !== 0) t.lostOut += more
  if ((t.opt & 2) === 0 && t.sackedOut > 0 && more < 0) t.sackedOut = Math.max(0, t.sackedOut + more)
}

/** The acknowledgement covers the first `n` bytes of a sent segment: they go (tcp_trim_head, tcp_tso_acked). */
export function trimAcked(t: Tcb, segment: TxSegment): number {
  const old = segment.pcount
  const n = diff(t.snd.una, segment.seq)
  t.wmemQueued -= n
  segment.trimFront(n)
  segment.seq = t.snd.una
  if (old > 1) segment.countPieces(segment.gsoSize)
  return old - segment.pcount
}
