/** SACK on the sending side: tags the transmit queue by the blocks of an ACK (RFC 2018, 2883; tcp_sacktag_write_queue). */
import { type ParsedOptions, sackLeft, sackRight } from '../wire/tcp-options.ts'
import * as F from './ack-flags.ts'
import { rackAdvance, recoveryOf } from './rack.ts'
import { rateDelivered } from './rate.ts'
import { noteReordering } from './recovery.ts'
import { after, before } from './seq.ts'
import type { RecoveryVars, Tcb } from './tcb.ts'
import { leaveTimed, splitSegment } from './tx-queue.ts'
import { EVER_RETRANS, LOST, RETRANS, SACKED, type TxSegment } from './tx-segment.ts'

/** What one pass over the queue found; one a host, reused. */
export class SackState {
  /** Lowest sequence number that arrived out of order. */
  reord = 0
  firstTime = 0
  lastTime = 0
  flags = 0
  /** Payload bytes that it is the first to tell of. */
  bytes = 0
  /** The blocks of the ACK in hand, left and right edges, in order of sequence. */
  readonly blocks: Int32Array = new Int32Array(8)
}

/** Is the first block a report of a duplicate (RFC 2883 §4)? */
function checkDsack(
  t: Tcb,
  b: Uint8Array,
  options: ParsedOptions,
  r: RecoveryVars,
  priorUna: number,
  state: SackState,
): boolean {
  const left = sackLeft(b, options, 0)
  const right = sackRight(b, options, 0)
  const counters = t.stack.counters
  if (before(left, t.snd.una)) counters.TcpExtTCPDSACKRecv++
  else {
    if (options.sackCount < 2) return false
    const left1 = sackLeft(b, options, 1)
    const right1 = sackRight(b, options, 1)
    if (after(right, right1) || before(left, left1)) return false
    counters.TcpExtTCPDSACKOfoRecv++
  }
  state.flags |= F.DSACKING_ACK
  if (t.stats !== null) t.stats.dsackDuplicates += Math.max(1, Math.ceil(((right - left) | 0) / Math.max(t.snd.mss, 1)))
  r.rackDsackSeen = true
  // D-SACK of what we retransmitted and is below the undo marker counts one spurious retransmission.
  if (r.hasUndo && r.undoRetrans > 0 && !after(right, priorUna) && after(right, r.undoMarker)) r.undoRetrans--
  if (r.tlpHighSeq !== 0 && r.tlpRetrans && right === r.tlpHighSeq) state.flags |= F.DSACK_TLP
  return true
}

/** Is the block about data we sent and do not know acknowledged (tcp_is_sackblock_valid)? */
function isValidBlock(t: Tcb, r: RecoveryVars, dsack: boolean, left: number, right: number): boolean {
  if (after(right, t.snd.nxt) || !before(left, right) || !before(left, t.snd.nxt)) return false
  if (after(left, t.snd.una)) return true
  if (!dsack || !r.hasUndo) return false
  if (after(right, t.snd.una)) return false
  return !before(left, r.undoMarker)
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

/** Cuts a segment at a block's edge so that whole pieces are tagged (tcp_match_skb_to_sack); true if it is covered. */
function cover(t: Tcb, s: TxSegment, left: number, right: number): boolean {
  if (!after(left, s.seq) && !before(right, s.endSeq)) return true
  if (s.pcount <= 1) return false
  const mss = t.snd.mss
  const startsInside = !after(left, s.seq)
  let length = startsInside ? (right - s.seq) | 0 : (left - s.seq) | 0
  if (startsInside && length < mss) return false
  if (!startsInside && length < mss) length = mss
  if (length > mss) {
    const whole = Math.floor(length / mss) * mss
    length = !startsInside && whole < length ? whole + mss : whole
  }
  if (length >= s.bytes) return false
  splitSegment(t, s, length, mss)
  return startsInside
}

/** Tags all segments of [left, right) (tcp_sacktag_walk). */
function walk(t: Tcb, r: RecoveryVars, left: number, right: number, dsack: boolean, state: SackState): void {
  let s = seek(t, r, left)
  while (s !== null && s !== t.sendHead && before(s.seq, right)) {
    // Known already: nothing to learn, unless a duplicate is reported.
    if ((s.sacked & SACKED) === 0 || dsack) {
      if (cover(t, s, left, right)) tagOne(t, r, s, dsack, state)
    }
    s = s.next
  }
}

/** Takes in the SACK option of the ACK in hand; results in `state`. */
export function tagQueue(t: Tcb, b: Uint8Array, options: ParsedOptions, priorUna: number, state: SackState): void {
  const r = recoveryOf(t)
  state.flags = state.bytes = 0
  state.firstTime = state.lastTime = 0
  state.reord = t.snd.nxt
  if (t.sackedOut === 0) r.highestSack = null
  const dsack = checkDsack(t, b, options, r, priorUna, state)
  if (t.packetsOut === 0) return
  if (before(sackRight(b, options, 0), (priorUna - t.snd.maxWnd) | 0)) return
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
    if (!after(right, t.snd.una)) continue
    // The duplicate's block is walked at once, the others in order of sequence.
    if (dsack && i === 0) {
      walk(t, r, left, right, true, state)
      continue
    }
    let at = count++
    while (at > 0 && before(left, blocks[2 * at - 2] as number)) {
      blocks[2 * at] = blocks[2 * at - 2] as number
      blocks[2 * at + 1] = blocks[2 * at - 1] as number
      at--
    }
    blocks[2 * at] = left
    blocks[2 * at + 1] = right
  }
  for (let i = 0; i < count; i++) walk(t, r, blocks[2 * i] as number, blocks[2 * i + 1] as number, false, state)
  if (t.caState !== 4 || r.hasUndo) {
    if (before(state.reord, r.highestSack === null ? t.snd.una : r.highestSack.endSeq))
      noteReordering(t, state.reord, false)
  }
}
