/** SACK on the sending side: tags the transmit queue by the blocks of an ACK (RFC 2018, 2883; tcp_sacktag_write_queue). */
import { type ParsedOptions, sackLeft, sackRight } from '../wire/tcp-options.ts'
import * as F from './ack-flags.ts'
import { currentMss } from './mss.ts'
import { rackAdvance, recoveryOf } from './rack.ts'
import { rateDelivered } from './rate.ts'
import { noteReordering } from './recovery.ts'
import type { Segment } from './segment.ts'
import { add, after, before, diff } from './seq.ts'
import { statsOf } from './stats.ts'
import type { RecoveryVars, Tcb } from './tcb.ts'
import { leaveTimed, splitSegment, unlinkSegment } from './tx-queue.ts'
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

/**
 * Counts a range of a segment as SACKed, all of it or the first `pcount` pieces up to `end` (tcp_sacktag_one); what becomes
 * of its bits.
 */
// biome-ignore format: one line
function tagRange(t: Tcb, r: RecoveryVars, s: TxSegment, end: number, pcount: number, bytes: number, dsack: boolean, state: SackState): number {
  let { sacked } = s
  if (dsack && (sacked & (RETRANS | EVER_RETRANS)) !== 0) {
    if (r.hasUndo && r.undoRetrans > 0 && after(end, r.undoMarker)) r.undoRetrans = Math.max(0, r.undoRetrans - pcount)
    if ((sacked & SACKED) !== 0 && before(s.seq, state.reord)) state.reord = s.seq
  }
  if (!after(end, t.snd.una)) return sacked
  if ((sacked & SACKED) === 0) {
    rackAdvance(t, s, end)
    if ((sacked & RETRANS) !== 0) {
      if ((sacked & LOST) !== 0) {
        sacked &= ~(LOST | RETRANS)
        t.lostOut -= pcount
        t.retransOut -= pcount
      }
    } else {
      if ((sacked & EVER_RETRANS) === 0) {
        if (before(s.seq, highestSeq(t, r)) && before(s.seq, state.reord)) state.reord = s.seq
        if (!after(end, r.highSeq)) state.flags |= F.ORIG_SACK_ACKED
        if (state.firstTime === 0) state.firstTime = s.txTime
        state.lastTime = s.txTime
      }
      if ((sacked & LOST) !== 0) {
        sacked &= ~LOST
        t.lostOut -= pcount
      }
    }
    sacked |= SACKED
    state.flags |= F.DATA_SACKED
    t.sackedOut += pcount
    t.delivered += pcount
    state.bytes += bytes
  }
  if (dsack && (sacked & RETRANS) !== 0) {
    sacked &= ~RETRANS
    t.retransOut -= pcount
  }
  return sacked
}

/** Tags a segment as a whole. */
function tagOne(t: Tcb, r: RecoveryVars, s: TxSegment, dsack: boolean, state: SackState): void {
  s.sacked = tagRange(t, r, s, s.endSeq, s.pcount, s.bytes, dsack, state)
  rateDelivered(t, s)
  if ((s.sacked & SACKED) === 0) return
  if (s.timed) leaveTimed(t, s)
  if (r.highestSack === null || !before(s.seq, r.highestSack.seq)) r.highestSack = s
}

/** One past the highest that was SACKed (tcp_highest_sack_seq). */
const highestSeq = (t: Tcb, r: RecoveryVars): number =>
  t.sackedOut === 0 || r.highestSack === null ? t.snd.una : r.highestSack.endSeq

/** The segment that follows it (tcp_highest_sack). */
function afterHighest(t: Tcb, r: RecoveryVars): TxSegment | null {
  const s = r.highestSack === null ? t.txHead : r.highestSack.next
  return s === t.sendHead ? null : s
}

/**
 * The segment that holds `seq`, or none; `from` if that lies behind it already (tcp_sacktag_skip). Looked for from the highest
 * SACKed segment up or down, since blocks mostly grow there.
 */
function skipTo(t: Tcb, r: RecoveryVars, from: TxSegment | null, seq: number): TxSegment | null {
  if (from !== null && after(from.seq, seq)) return from
  let s = r.highestSack ?? t.txHead
  while (s !== null && s.previous !== null && after(s.seq, seq)) s = s.previous
  while (s !== null && s !== t.sendHead && !after(s.endSeq, seq)) s = s.next
  return s === null || s === t.sendHead || after(s.seq, seq) ? null : s
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
  if (startsInside && length < mss) return COVER_END
  if (!startsInside && length < mss) length = mss
  if (length > mss) {
    const whole = Math.floor(length / mss) * mss
    length = !startsInside && whole < length ? whole + mss : whole
  }
  if (length >= s.bytes && !startsInside) return COVER_NO
  splitSegment(t, s, length, mss)
  return startsInside ? COVER_YES : COVER_NO
}

/** Bytes of one of its pieces (tcp_skb_seglen). */
const pieceBytes = (s: TxSegment): number => (s.pcount === 1 ? s.bytes : s.gsoSize)

/**
 * What the block covers of the segment joins the one before, if that is SACKed (tcp_shift_skb_data): a long row of SACKed segments
 * is one. That one; or the segment itself if nothing of it is covered; null if it is to be tagged as it is.
 */
// biome-ignore format: one line
function shift(t: Tcb, r: RecoveryVars, s: TxSegment, left: number, right: number, dsack: boolean, state: SackState): TxSegment | null {
  const { previous } = s
  if (!dsack && (s.sacked & (LOST | RETRANS)) === RETRANS) return null
  if (s.bytes === 0 || !after(s.endSeq, t.snd.una)) return null
  if (previous === null || (previous.sacked & TAGBITS) !== SACKED || previous.endOfRecord) return null
  let length = s.bytes
  let { pcount } = s
  let mss = pieceBytes(s)
  const isWhole = !after(left, s.seq) && !before(right, s.endSeq)
  if (!isWhole) {
    if (!after(s.endSeq, left) || pcount <= 1) return s
    if (after(left, s.seq)) return null
    mss = s.gsoSize
    length = (right - s.seq) | 0
  }
  if (mss !== pieceBytes(previous)) return null
  if (!isWhole) {
    if (length < mss) return s
    pcount = Math.floor(length / mss)
    length = pcount * mss
  }
  if (!after(add(s.seq, length), t.snd.una)) return null
  const shifted = shiftBytes(t, r, previous, s, pcount, length, mss, dsack, state)
  if (shifted === SHIFT_NONE) return null
  const { next } = previous
  // The hole between the two may be filled.
  if (shifted === SHIFT_PART || next === null || next === t.sendHead || next.bytes === 0) return previous
  if ((next.sacked & TAGBITS) !== SACKED || pieceBytes(next) !== mss || previous.endOfRecord) return previous
  shiftBytes(t, r, previous, next, next.pcount, next.bytes, mss, false, state)
  return previous
}

/** There was no room; a part of the segment is where it was; it is gone. */
const SHIFT_NONE = 0
const SHIFT_PART = 1
const SHIFT_WHOLE = 2

/** Moves the first `length` bytes of a segment to the SACKed one before it (tcp_skb_shift, tcp_shifted_skb). */
// biome-ignore format: one line
function shiftBytes(t: Tcb, r: RecoveryVars, to: TxSegment, s: TxSegment, pcount: number, length: number, mss: number, dsack: boolean, state: SackState): number {
  if (to.pcount + pcount > 0xffff || !to.takeFrom(s, length)) return SHIFT_NONE
  const { stampFlags } = s
  const end = add(s.seq, length)
  tagRange(t, r, s, end, pcount, length, dsack, state)
  rateDelivered(t, s)
  to.endSeq = s.seq = end
  to.pcount += pcount
  s.pcount -= pcount
  if (to.gsoSize === 0) to.gsoSize = mss
  if (s.pcount <= 1) s.gsoSize = 0
  to.sacked |= s.sacked & EVER_RETRANS
  if (s.bytes > 0) return SHIFT_PART
  to.endSeq = s.endSeq
  to.flags |= s.flags
  to.endOfRecord = s.endOfRecord
  if (stampFlags !== 0) {
    to.stampFlags |= stampFlags
    to.stampSeq = s.stampSeq
  }
  to.deliveredTime = 0
  if (r.retransmitHint === s) r.retransmitHint = to
  if (r.highestSack === s) r.highestSack = to
  unlinkSegment(t, s)
  return SHIFT_WHOLE
}

/**
 * Tags all segments from `s` on of what lies between `left` and `right` (tcp_sacktag_walk). Those that the duplicate's block
 * number `duplicate` tells of are duplicates, too; -1: none. Where the walk ended, null: at the end.
 */
// biome-ignore format: one line
function walk(t: Tcb, r: RecoveryVars, s: TxSegment | null, left: number, right: number, dsack: boolean, duplicate: number, state: SackState): TxSegment | null {
  const { blocks } = state
  const dupLeft = blocks[2 * duplicate] as number
  const dupRight = blocks[2 * duplicate + 1] as number
  while (s !== null && s !== t.sendHead && before(s.seq, right)) {
    let isDuplicate = dsack
    let covered = COVER_NO
    if (duplicate >= 0 && before(s.seq, dupRight)) {
      covered = cover(t, s, dupLeft, dupRight)
      if (covered > 0) isDuplicate = true
    }
    if (covered <= 0) {
      const at = shift(t, r, s, left, right, isDuplicate, state)
      if (at !== null && at !== s) {
        s = at.next
        continue
      }
      covered = at === null ? cover(t, s, left, right) : COVER_NO
    }
    if (covered < 0) return s
    if (covered > 0) tagOne(t, r, s, isDuplicate, state)
    s = s.next
  }
  return s === t.sendHead ? null : s
}

/** Blocks that are kept of the ACK before (recv_sack_cache): what it told of already is passed over. */
const CACHED = 4

/** Tags what the `count` blocks in hand tell of beyond those of the last ACK (tcp_sacktag_write_queue). */
function walkBlocks(t: Tcb, r: RecoveryVars, count: number, state: SackState): void {
  const { blocks, duplicate } = state
  r.sackCache ??= new Int32Array(2 * CACHED)
  const cache = r.sackCache
  let c = t.sackedOut === 0 ? CACHED : 0
  while (c < CACHED && cache[2 * c] === 0 && cache[2 * c + 1] === 0) c++
  let s: TxSegment | null = null
  for (let i = 0; i < count; ) {
    const left = blocks[2 * i] as number
    const right = blocks[2 * i + 1] as number
    const isDuplicate = i === duplicate
    const next = i + 1 === duplicate ? duplicate : -1
    while (c < CACHED && !before(left, cache[2 * c + 1] as number)) c++
    if (c < CACHED && !isDuplicate && after(right, cache[2 * c] as number)) {
      const known = cache[2 * c] as number
      const end = cache[2 * c + 1] as number
      if (before(left, known)) s = walk(t, r, skipTo(t, r, s, left), left, known, false, next, state)
      if (!after(right, end)) {
        i++
        continue
      }
      // tcp_maybe_skipping_dsack
      if (next >= 0 && before(blocks[2 * next] as number, end)) {
        const from = blocks[2 * next] as number
        s = walk(t, r, skipTo(t, r, s, from), from, blocks[2 * next + 1] as number, true, -1, state)
      }
      c++
      if (highestSeq(t, r) !== end) {
        // What is between this block and the next known one is to do.
        s = skipTo(t, r, s, end)
        continue
      }
      s = afterHighest(t, r)
      if (s === null) break
    } else {
      if (!before(left, highestSeq(t, r))) {
        s = afterHighest(t, r)
        if (s === null) break
      }
      s = skipTo(t, r, s, left)
    }
    s = walk(t, r, s, left, right, isDuplicate, next, state)
    i++
  }
  const first = 2 * (CACHED - count)
  for (let i = 0; i < 2 * CACHED; i++) cache[i] = i < first ? 0 : (blocks[i - first] as number)
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
  // What the path took meanwhile is taken over here too, whatever the blocks say.
  currentMss(t)
  walkBlocks(t, r, count, state)
  if (t.caState !== 4 || r.hasUndo) {
    if (before(state.reord, highestSeq(t, r))) noteReordering(t, state.reord, false)
  }
}
