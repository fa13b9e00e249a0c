/** SACK on the sending side: tags the transmit queue by the blocks of an ACK (RFC 2018, 2883; tcp_sacktag_write_queue). */
import { type ParsedOptions, sackLeft, sackRight } from '../wire/tcp-options.ts'
import * as F from './ack-flags.ts'
import { rackAdvance, recoveryOf } from './rack.ts'
import { rateDelivered } from './rate.ts'
import { noteReordering } from './recovery.ts'
import type { Segment } from './segment.ts'
import { after, before, diff } from './seq.ts'
import { statsOf } from './stats.ts'
import type { RecoveryVars, Tcb } from './tcb.ts'
import { leaveTimed, splitSegment } from './tx-queue.ts'
import { EVER_RETRANS, LOST, RETRANS, SACKED, TAGBITS, type TxSegment } from './tx-segment.ts'

/** What one pass over the queue found; one a host, reused. */
export class SackState {
  /** Lowest sequence number that arrived out of order. */
  reord = 0
  firstTime = 0
  lastTime = 0
  flags = 0
  /** Payload bytes that it is the first to tell of. */
  bytes = 0
  /** The blocks of the ACK in hand, left and right edges, in order of sequence; which of them reports a duplicate, or -1. */
  readonly blocks: Int32Array = new Int32Array(10)
  duplicate = -1
}

/** Is the first block a report of a duplicate (RFC 2883 §4)? */
function checkDsack(
  t: Tcb,
  b: Uint8Array,
  options: ParsedOptions,
  r: RecoveryVars,
  ack: number,
  priorUna: number,
  state: SackState,
): boolean {
  const left = sackLeft(b, options, 0)
  const right = sackRight(b, options, 0)
  const counters = t.stack.counters
  if (before(left, ack)) counters.TcpExtTCPDSACKRecv++
  else {
    if (options.sackCount < 2) return false
    const left1 = sackLeft(b, options, 1)
    const right1 = sackRight(b, options, 1)
    if (after(right, right1) || before(left, left1)) return false
    counters.TcpExtTCPDSACKOfoRecv++
  }
  const duplicates = countDuplicates(t, r, left, right, state)
  if (duplicates === 0) return false
  // D-SACK of what we retransmitted and is below the undo marker counts spurious retransmissions.
  if (r.hasUndo && r.undoRetrans > 0 && !after(right, priorUna) && after(right, r.undoMarker))
    r.undoRetrans = Math.max(0, r.undoRetrans - duplicates)
  return true
}

/** Segments that the peer got twice by its report, 0 if it cannot be true (tcp_dsack_seen). */
function countDuplicates(t: Tcb, r: RecoveryVars, left: number, right: number, state: SackState): number {
  const length = diff(right, left)
  const stats = statsOf(t)
  let segments = 1
  if (length <= 0 || length > t.snd.maxWnd) return 0
  if (length > t.snd.mss) segments = Math.ceil(length / t.snd.mss)
  else if (r.tlpHighSeq !== 0 && right === r.tlpHighSeq) state.flags |= F.DSACK_TLP
  stats.dsackDuplicates += segments
  // More than was ever sent again.
  if (stats.dsackDuplicates > t.totalRetrans) return 0
  if (r.reordSeen > 0 && (state.flags & F.DSACK_TLP) === 0) r.rackDsackSeen = true
  state.flags |= F.DSACKING_ACK
  t.delivered += segments
  return segments
}

/** Is the block about data we sent and do not know acknowledged (tcp_is_sackblock_valid)? */
function isValidBlock(t: Tcb, r: RecoveryVars, dsack: boolean, left: number, right: number): boolean {
  if (after(right, t.snd.nxt) || !before(left, right) || !before(left, t.snd.nxt)) return false
  if (after(left, t.snd.una)) return true
  if (!dsack || !r.hasUndo) return false
  if (after(right, t.snd.una)) return false
  if (!before(left, r.undoMarker)) return true
  return after(right, r.undoMarker) && !before(left, (right - t.snd.maxWnd) | 0)
}

/** Tags one segment (tcp_sacktag_one). */
function tagOne(t: Tcb, r: RecoveryVars, s: TxSegment, dsack: boolean, state: SackState): void {
  if (dsack && (s.sacked & (RETRANS | EVER_RETRANS)) !== 0) {
    if (r.hasUndo && r.undoRetrans > 0 && after(s.endSeq, r.undoMarker))
      r.undoRetrans = Math.max(0, r.undoRetrans - s.pcount)
    if ((s.sacked & SACKED) !== 0 && before(s.seq, state.reord)) state.reord = s.seq
  }
  if (!after(s.endSeq, t.snd.una)) return
  if ((s.sacked & SACKED) === 0) {
    rackAdvance(t, s)
    if ((s.sacked & RETRANS) !== 0) {
      if ((s.sacked & LOST) !== 0) {
        s.sacked &= ~(LOST | RETRANS)
        t.lostOut -= s.pcount
        t.retransOut -= s.pcount
      }
    } else {
      if ((s.sacked & EVER_RETRANS) === 0) {
        const highest = r.highestSack === null ? t.snd.una : r.highestSack.endSeq
        if (before(s.seq, highest) && before(s.seq, state.reord)) state.reord = s.seq
        if (!after(s.endSeq, r.highSeq)) state.flags |= F.ORIG_SACK_ACKED
        if (state.firstTime === 0) state.firstTime = s.txTime
        state.lastTime = s.txTime
      }
      if ((s.sacked & LOST) !== 0) {
        s.sacked &= ~LOST
        t.lostOut -= s.pcount
      }
    }
    s.sacked |= SACKED
    state.flags |= F.DATA_SACKED
    t.sackedOut += s.pcount
    t.delivered += s.pcount
    state.bytes += s.bytes
    rateDelivered(t, s)
    if (s.timed) leaveTimed(t, s)
    if (r.highestSack === null || !before(s.seq, r.highestSack.seq)) r.highestSack = s
  }
  if (dsack && (s.sacked & RETRANS) !== 0) {
    s.sacked &= ~RETRANS
    t.retransOut -= s.pcount
  }
}

/** Where in the queue `seq` lies: from the highest SACKed segment up or down, since blocks mostly grow there. */
function seek(t: Tcb, r: RecoveryVars, seq: number): TxSegment | null {
  let s = r.highestSack ?? t.txHead
  if (s === null) return null
  while (s.previous !== null && after(s.seq, seq)) s = s.previous
  while (s !== null && s !== t.sendHead && !after(s.endSeq, seq)) s = s.next
  return s === t.sendHead ? null : s
}

/** A block's edge is in the segment's first piece: nothing of it is covered, and the walk ends here. */
const COVER_END = -1
const COVER_NO = 0
const COVER_YES = 1

/** Cuts a segment at a block's edge so that whole pieces are tagged (tcp_match_skb_to_sack). */
function cover(t: Tcb, s: TxSegment, left: number, right: number): number {
  if (!after(left, s.seq) && !before(right, s.endSeq)) return COVER_YES
  if (s.pcount <= 1 || !after(s.endSeq, left)) return COVER_NO
  const mss = s.gsoSize
  const startsInside = !after(left, s.seq)
  let length = startsInside ? (right - s.seq) | 0 : (left - s.seq) | 0
  if (startsInside && length < mss) return isNextToSacked(s, mss) ? COVER_NO : COVER_END
  if (!startsInside && length < mss) length = mss
  if (length > mss) {
    const whole = Math.floor(length / mss) * mss
    length = !startsInside && whole < length ? whole + mss : whole
  }
  if (length >= s.bytes) return startsInside ? COVER_YES : COVER_NO
  splitSegment(t, s, length, mss)
  return startsInside ? COVER_YES : COVER_NO
}

/** The one before is SACKed, in pieces of the same size: Linux would move what is covered over to it (tcp_shift_skb_data). */
function isNextToSacked({ previous }: TxSegment, mss: number): boolean {
  if (previous === null || (previous.sacked & TAGBITS) !== SACKED) return false
  return (previous.pcount === 1 ? previous.bytes : previous.gsoSize) === mss
}

/**
 * Tags all segments of block number `i` (tcp_sacktag_walk), from where the walk before it ended: `from`. Those that a
 * duplicate's block behind it tells of are duplicates, too. Where the walk ended, null: at the end.
 */
function walk(t: Tcb, r: RecoveryVars, i: number, from: TxSegment | null, state: SackState): TxSegment | null {
  const { blocks } = state
  const left = blocks[2 * i] as number
  const right = blocks[2 * i + 1] as number
  const hasDuplicate = i + 1 === state.duplicate
  const dupLeft = blocks[2 * i + 2] as number
  const dupRight = blocks[2 * i + 3] as number
  let s = from !== null && after(from.seq, left) ? from : seek(t, r, left)
  for (; s !== null && s !== t.sendHead && before(s.seq, right); s = s.next) {
    let isDuplicate = i === state.duplicate
    let covered = COVER_NO
    if (hasDuplicate && before(s.seq, dupRight)) {
      covered = cover(t, s, dupLeft, dupRight)
      if (covered > 0) isDuplicate = true
    }
    if (covered <= 0) covered = cover(t, s, left, right)
    if (covered < 0) return s
    if (covered > 0) tagOne(t, r, s, isDuplicate, state)
  }
  return s === t.sendHead ? null : s
}

/** Takes in the SACK option of the ACK in hand; results in `state`. */
export function tagQueue(t: Tcb, g: Segment, priorUna: number, state: SackState): void {
  const b = g.bytes
  const options = t.tcp.parsed
  const r = recoveryOf(t)
  state.flags = state.bytes = 0
  state.firstTime = state.lastTime = 0
  state.reord = t.snd.nxt
  state.duplicate = -1
  if (t.sackedOut === 0) r.highestSack = null
  const dsack = checkDsack(t, b, options, r, g.ack, priorUna, state)
  if (t.packetsOut === 0) return
  if (before(g.ack, (priorUna - t.snd.maxWnd) | 0)) return
  const blocks = state.blocks
  let count = 0
  for (let i = 0; i < options.sackCount && i < 4; i++) {
    const left = sackLeft(b, options, i)
    const right = sackRight(b, options, i)
    if (!isValidBlock(t, r, dsack && i === 0, left, right)) {
      if (dsack && i === 0) t.stack.counters.TcpExtTCPDSACKIgnoredNoUndo++
      else if ((right - t.snd.una) | 0) t.stack.counters.TcpExtTCPSACKDiscard++
      continue
    }
    if (!after(right, priorUna)) continue
    let at = count++
    while (at > 0 && before(left, blocks[2 * at - 2] as number)) {
      blocks[2 * at] = blocks[2 * at - 2] as number
      blocks[2 * at + 1] = blocks[2 * at - 1] as number
      at--
    }
    blocks[2 * at] = left
    blocks[2 * at + 1] = right
    if (dsack && i === 0) state.duplicate = 0
    else if (at <= state.duplicate) state.duplicate++
  }
  let from: TxSegment | null = null
  for (let i = 0; i < count; i++) from = walk(t, r, i, from, state)
  if (t.caState !== 4 || r.hasUndo) {
    if (before(state.reord, r.highestSack === null ? t.snd.una : r.highestSack.endSeq))
      noteReordering(t, state.reord, false)
  }
}
