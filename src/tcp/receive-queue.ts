/** The receive queue and the out-of-order queue of a connection: packets held by reference until a program reads them. */
import { copy, type Packet } from '../buf/packet.ts'
import { extendDsack, setDsack } from './dsack.ts'
import { after, before, diff } from './seq.ts'
import { statsOf } from './stats.ts'
import { disorderOf, OPT_SACK, type Tcb } from './tcb.ts'
import { truesize } from './window.ts'

/** Payload up to this size is copied behind its predecessor's when there is room (tcp_try_coalesce for small ones). */
const MERGE_BELOW = 256

/** Takes the packet off the account and gives it back. */
export function dropQueued(t: Tcb, packet: Packet): void {
  t.rmemAlloc -= packet.mark
  packet.release()
}

function charge(t: Tcb, packet: Packet): void {
  packet.mark = truesize(packet)
  t.rmemAlloc += packet.mark
}

/** Joins `packet` to the end of `tail` if that saves memory; the packet is released then. */
function merge(t: Tcb, tail: Packet, packet: Packet): boolean {
  if (tail.endSeq !== packet.seq || tail.chunk.refs !== 1) return false
  const length = packet.length
  if (length > MERGE_BELOW || tail.fragCount > 0 || tail.end + length > tail.bytes.length) return false
  if (packet.fragCount > 0) packet.copyTo(tail.bytes, tail.end, 0, length)
  else copy(tail.bytes, tail.end, packet.bytes, packet.start, length)
  tail.end += length
  tail.endSeq = packet.endSeq
  tail.mark += length
  t.rmemAlloc += length
  t.stack.counters.TcpExtTCPRcvCoalesce++
  packet.release()
  return true
}

/** Puts in-order data at the end of the receive queue; RCV.NXT follows (tcp_queue_rcv). */
export function queueInOrder(t: Tcb, packet: Packet): void {
  statsOf(t).bytesReceived += packet.length
  t.rcv.nxt = packet.endSeq
  const tail = t.rcvTail
  if (tail !== null && merge(t, tail, packet)) return
  charge(t, packet)
  packet.next = null
  if (tail === null) t.rcvHead = packet
  else tail.next = packet
  t.rcvTail = packet
}

/** Records [left, right) as the newest block to report, merged with those it touches (tcp_sack_new_ofo_skb). */
function noteSack(t: Tcb, left: number, right: number): void {
  const d = disorderOf(t)
  d.sackBlocks ??= new Int32Array(8)
  const blocks = d.sackBlocks
  let count = 0
  for (let i = 0; i < t.sackCount; i++) {
    const l = blocks[2 * i] as number
    const r = blocks[2 * i + 1] as number
    if (!before(r, left) && !before(right, l)) {
      if (before(l, left)) left = l
      if (after(r, right)) right = r
    } else {
      blocks[2 * count] = l
      blocks[2 * count + 1] = r
      count++
    }
  }
  if (count > 3) count = 3
  for (let i = count; i > 0; i--) {
    blocks[2 * i] = blocks[2 * i - 2] as number
    blocks[2 * i + 1] = blocks[2 * i - 1] as number
  }
  blocks[0] = left
  blocks[1] = right
  t.sackCount = count + 1
}

/** Forgets blocks that RCV.NXT has passed (tcp_sack_remove). */
function pruneSack(t: Tcb): void {
  const blocks = t.disorder === null ? null : t.disorder.sackBlocks
  if (blocks === null) return
  if (t.oooHead === null) {
    t.sackCount = 0
    return
  }
  let count = 0
  for (let i = 0; i < t.sackCount; i++) {
    if (!before(t.rcv.nxt, blocks[2 * i] as number)) continue
    blocks[2 * count] = blocks[2 * i] as number
    blocks[2 * count + 1] = blocks[2 * i + 1] as number
    count++
  }
  t.sackCount = count
}

/** Keeps data that came before its turn, sorted, overlaps cut away (tcp_data_queue_ofo). Takes the packet. */
export function queueOutOfOrder(t: Tcb, packet: Packet): void {
  const counters = t.stack.counters
  // One packet may overrun the limit, as tcp_can_ingest allows.
  if (t.rmemAlloc > t.rcvbuf && !pruneOutOfOrder(t, packet)) {
    counters.TcpExtTCPOFODrop++
    packet.release()
    return
  }
  counters.TcpExtTCPOFOQueue++
  statsOf(t).outOfOrder++
  let previous: Packet | null = null
  let at = t.oooHead
  const { oooLast: last, oooTail: tail } = disorderOf(t)
  if (tail !== null && !before(packet.seq, tail.seq)) {
    previous = tail
    at = null
  } else if (last !== null && !before(packet.seq, last.seq)) {
    previous = last
    at = last.next
  }
  while (at !== null && !before(packet.seq, at.seq)) {
    previous = at
    at = at.next
  }
  if (previous !== null && before(packet.seq, previous.endSeq)) {
    if (!after(packet.endSeq, previous.endSeq)) {
      counters.TcpExtTCPOFOMerge++
      setDsack(t, packet.seq, packet.endSeq)
      if ((t.opt & OPT_SACK) !== 0) noteSack(t, packet.seq, packet.endSeq)
      packet.release()
      return
    }
    if (packet.seq === previous.seq) {
      // The new one covers the old one whole: it takes its place.
      setDsack(t, packet.seq, previous.endSeq)
      removeOoo(t, previous)
      counters.TcpExtTCPOFOMerge++
      queueOutOfOrder(t, packet)
      return
    }
    setDsack(t, packet.seq, previous.endSeq)
    trimFrontTo(packet, previous.endSeq)
  }
  const seq = packet.seq
  const end = packet.endSeq
  insertOoo(t, previous, packet)
  dropCovered(t)
  if ((t.opt & OPT_SACK) !== 0) noteSack(t, seq, end)
}

function insertOoo(t: Tcb, previous: Packet | null, packet: Packet): void {
  const d = disorderOf(t)
  if (
    previous !== null &&
    previous.endSeq === packet.seq &&
    (previous.flags & 1) === 0 &&
    mergeOoo(t, previous, packet)
  ) {
    d.oooLast = previous
    return
  }
  charge(t, packet)
  if (previous === null) {
    packet.next = t.oooHead
    t.oooHead = packet
  } else {
    packet.next = previous.next
    previous.next = packet
  }
  if (packet.next === null) d.oooTail = packet
  d.oooLast = packet
}

function mergeOoo(t: Tcb, previous: Packet, packet: Packet): boolean {
  const fin = packet.flags
  if (!merge(t, previous, packet)) return false
  previous.flags |= fin
  return true
}

/** Cuts away or drops what follows the last inserted one and is covered by it. */
function dropCovered(t: Tcb): void {
  const packet = disorderOf(t).oooLast
  if (packet === null) return
  for (
    let following = packet.next;
    following !== null && before(following.seq, packet.endSeq);
    following = packet.next
  ) {
    if (before(packet.endSeq, following.endSeq)) {
      extendDsack(t, following.seq, packet.endSeq)
      // Keep the bytes that came first in the older packet out: the newer one's tail goes.
      packet.trimTo(diff(following.seq, packet.seq))
      packet.endSeq = following.seq
      break
    }
    extendDsack(t, following.seq, following.endSeq)
    removeOoo(t, following)
  }
}

function removeOoo(t: Tcb, packet: Packet): void {
  let previous: Packet | null = null
  for (let at = t.oooHead; at !== null && at !== packet; at = at.next) previous = at
  if (previous === null) t.oooHead = packet.next
  else previous.next = packet.next
  const d = disorderOf(t)
  if (d.oooTail === packet) d.oooTail = previous
  if (d.oooLast === packet) d.oooLast = previous
  dropQueued(t, packet)
}

/** Makes room by dropping the highest out-of-order data (tcp_prune_ofo_queue); false if the newcomer would be it. */
export function pruneOutOfOrder(t: Tcb, packet: Packet): boolean {
  const goal = t.rcvbuf - truesize(packet)
  const d = disorderOf(t)
  let pruned = false
  while (t.rmemAlloc > goal && d.oooTail !== null && after(d.oooTail.seq, packet.seq)) {
    removeOoo(t, d.oooTail)
    pruned = true
  }
  if (pruned) {
    t.stack.counters.TcpExtOfoPruned++
    // RFC 2018 §8: what was SACKed and is gone must not be reported again.
    t.sackCount = 0
  }
  return t.rmemAlloc <= goal
}

/** Takes bytes below `seq` off the front. */
export function trimFrontTo(packet: Packet, seq: number): void {
  const n = diff(seq, packet.seq)
  packet.trimFront(n)
  packet.seq = seq
}

/** Moves what is in order now from the out-of-order queue to the receive queue; true if a FIN came with it. */
export function deliverOutOfOrder(t: Tcb): boolean {
  let fin = false
  for (let packet = t.oooHead; packet !== null && !after(packet.seq, t.rcv.nxt); packet = t.oooHead) {
    t.oooHead = packet.next
    const d = disorderOf(t)
    if (t.oooHead === null) d.oooTail = null
    if (d.oooLast === packet) d.oooLast = null
    t.rmemAlloc -= packet.mark
    const isFin = (packet.flags & 1) !== 0
    if (before(packet.seq, t.rcv.nxt))
      setDsack(t, packet.seq, before(packet.endSeq, t.rcv.nxt) ? packet.endSeq : t.rcv.nxt)
    if (!after(packet.endSeq, t.rcv.nxt)) {
      packet.release()
      continue
    }
    if (before(packet.seq, t.rcv.nxt)) trimFrontTo(packet, t.rcv.nxt)
    if (packet.length > 0) queueInOrder(t, packet)
    else {
      t.rcv.nxt = packet.endSeq
      packet.release()
    }
    if (isFin) {
      fin = true
      break
    }
  }
  pruneSack(t)
  return fin
}

/** Drops what came out of order (tcp_fin: nothing can come after a FIN). */
export function releaseOoo(t: Tcb): void {
  for (let p = t.oooHead; p !== null; ) {
    const next = p.next
    dropQueued(t, p)
    p = next
  }
  t.oooHead = null
  if (t.disorder !== null) t.disorder.oooTail = t.disorder.oooLast = null
  t.sackCount = 0
  t.hasDsack = false
}

/** After in-order data came, blocks below RCV.NXT are history. */
export function sackAdvanced(t: Tcb): void {
  if (t.sackCount > 0) pruneSack(t)
}

/** Lets go of everything queued; the unread bytes, FIN not counted. */
export function releaseQueues(t: Tcb): number {
  let unread = 0
  for (let p = t.rcvHead; p !== null; ) {
    const next = p.next
    unread += p.length - (before(p.seq, t.rcv.copiedSeq) ? diff(t.rcv.copiedSeq, p.seq) : 0)
    dropQueued(t, p)
    p = next
  }
  t.rcvHead = t.rcvTail = null
  releaseOoo(t)
  return unread
}
