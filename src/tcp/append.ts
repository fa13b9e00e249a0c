/** What a send call puts at the end of the transmit queue, and how it goes out (tcp_sendmsg_locked, tcp_push). */
import { MAX_FRAGS } from '../buf/chunk.ts'
import { MSG_EOR, MSG_MORE, MSG_OOB } from '../sock/constants.ts'
import { fromProgram, type Message } from '../sock/message.ts'
import type { ZeroCopy } from '../sock/zerocopy.ts'
import { PSH } from '../wire/tcp.ts'
import { forceMemory, maySend, PAGE, sendable } from './memory.ts'
import { MAX_BURST } from './mss.ts'
import { NAGLE_CORK, NAGLE_PUSH, nagleMode, pushPending, writeXmit } from './output.ts'
import { add, diff } from './seq.ts'
import { OPT_PUSH_QUEUED, OPT_URG_SEEN, type Tcb } from './tcb.ts'
import { appendSegment, holdZeroCopy, unlinkSegment } from './tx-queue.ts'
import { TX_OVERHEAD, type TxSegment } from './tx-segment.ts'
import { markStamp } from './tx-timestamp.ts'
import { hasRoom } from './write-space.ts'

/** Copies into the queue, filling up its last unsent segment first. */
// biome-ignore format: one line
export function appendBytes(t: Tcb, bytes: Uint8Array, offset: number, length: number, flags: number, mss: number, message: Message | null, zerocopy: ZeroCopy | null): number {
  const pool = t.stack.pool
  const goal = (flags & MSG_OOB) !== 0 ? mss : segmentGoal(t, mss)
  let taken = 0
  while (taken < length) {
    let segment = t.sendHead === null ? null : t.txTail
    if (segment === null || segment.bytes >= goal || segment.endOfRecord || segment.count >= 15) {
      if (!mayAppend(t)) break
      segment = entail(t)
    }
    let want = Math.min(length - taken, goal - segment.bytes)
    if (zerocopy !== null) {
      want = zeroCopyRoom(segment, zerocopy, want, offset + taken, message)
      if (want === 0) {
        segment.flags |= PSH
        t.lastPushed = t.snd.writeSeq
        if (!mayAppend(t)) break
        entail(t)
        continue
      }
    }
    const room = sendable(t, pool.pageRoom(want))
    if (room === 0) {
      if (segment.bytes === 0) unlinkSegment(t, segment)
      break
    }
    const at = pool.pageOffset
    fromProgram(pool.page.bytes, at, bytes, offset + taken, room, message)
    segment.append(pool.page, at, room)
    pool.pageTake(room)
    if (zerocopy !== null) {
      holdZeroCopy(segment, zerocopy)
      zerocopy.frags += Math.ceil(room / PAGE)
    }
    t.wmemQueued += room
    t.snd.writeSeq = add(t.snd.writeSeq, room)
    segment.endSeq = t.snd.writeSeq
    taken += room
    if (taken === length) {
      if ((flags & MSG_EOR) !== 0) segment.endOfRecord = true
      break
    }
    if (segment.bytes < goal || (flags & MSG_OOB) !== 0) continue
    // Half of the largest window seen goes with PSH, so that a reader is not kept waiting (forced_push).
    if (diff(t.snd.writeSeq, t.lastPushed) > t.snd.maxWnd >> 1) {
      segment.flags |= PSH
      t.lastPushed = t.snd.writeSeq
      pushPending(t, mss, NAGLE_PUSH)
    } else if (segment === t.sendHead) {
      writeXmit(t, mss, NAGLE_PUSH, true, false)
    }
    // Each run has its own time (tcp_write_xmit): what leaves later is not lost as soon.
    t.tcp.now = t.stack.clock.now()
  }
  return taken
}

/** A new segment of the program's; what it holds is none of what was to be pushed (tcp_skb_entail). */
function entail(t: Tcb): TxSegment {
  t.opt &= ~OPT_PUSH_QUEUED
  return appendSegment(t, 0)
}

/** There is room and memory for another segment; memory for the first one of a queue is always taken (tcp_stream_alloc_skb). */
function mayAppend(t: Tcb): boolean {
  if (!hasRoom(t)) return false
  if (t.txHead !== null) return maySend(t, TX_OVERHEAD)
  forceMemory(t, TX_OVERHEAD)
  return true
}

/**
 * How many of `want` bytes at `position` may go into the segment: one piece of the program's memory, if it belongs to no other
 * notification and has not too many pieces; 0: a new segment is needed (skb_zerocopy_iter_stream).
 */
// biome-ignore format: one line
function zeroCopyRoom(segment: TxSegment, z: ZeroCopy, want: number, position: number, message: Message | null): number {
  if (segment.zerocopy === null) z.frags = segment.count
  else if (segment.zerocopy !== z) return 0
  const iov = message === null ? null : message.iov
  return Math.min(want, iov === null ? want : iov.leftOfPart(position), (MAX_FRAGS - z.frags) * PAGE)
}

/** The end of a send call; if for want of room, nothing is held back (tcp_push, wait_for_space in tcp_sendmsg_locked). */
export function pushAppended(t: Tcb, flags: number, mss: number, tsflags: number, isShort: boolean): void {
  const tail = t.txTail
  if (tail !== null && t.stamps !== null) markStamp(tail, tsflags)
  if (tail === null || t.sendHead === null) return
  const more = (flags & MSG_MORE) !== 0
  if (!more || isShort || diff(t.snd.writeSeq, t.lastPushed) > t.snd.maxWnd >> 1) {
    tail.flags |= PSH
    t.lastPushed = t.snd.writeSeq
  }
  if ((flags & MSG_OOB) !== 0) {
    t.snd.up = t.snd.writeSeq
    t.opt |= OPT_URG_SEEN
  }
  if (isShort) pushPending(t, mss, NAGLE_PUSH)
  pushPending(t, mss, more ? NAGLE_CORK : nagleMode(t))
}

/** How long a segment of the queue may grow: a burst, but not more than half the peer's largest window. */
function segmentGoal(t: Tcb, mss: number): number {
  let most = Math.max(1, Math.floor(MAX_BURST / mss)) * mss
  const half = t.snd.maxWnd > 536 ? t.snd.maxWnd >> 1 : t.snd.maxWnd
  if (half > 0 && most > half) most = Math.max(half - (half % mss), mss)
  return most
}
