/** The receive queue and the out-of-order queue of a connection: packets held by reference until a program reads them. */
import { MAX_FRAGS } from '../buf/chunk.ts'
import { copy, type Packet } from '../buf/packet.ts'
import { extendDsack, setDsack } from './dsack.ts'
import { type OooNode, OooTree } from './ooo-tree.ts'
import { after, before, diff } from './seq.ts'
import { statsOf } from './stats.ts'
import { disorderOf, OPT_SACK, type Tcb } from './tcb.ts'
import { sendAck } from './transmit.ts'
import { growWindow, isByReference, isCollapsed, tailRoom, truesize } from './window.ts'

/** Payload up to this size is copied behind its predecessor's that came over `lo`. */
const MERGE_BELOW = 256

/** Takes the packet off the account and gives it back. */
export function dropQueued(t: Tcb, packet: Packet): void {
  t.rmemAlloc -= packet.mark
  packet.release()
}

function charge(t: Tcb, packet: Packet, memory: number): void {
  packet.mark = memory
  t.rmemAlloc += memory
}

/** Copies the first `length` bytes of `from` behind the linear part of `to`; false (nothing copied) if there is no room. */
function appendLinear(to: Packet, from: Packet, length: number): boolean {
  if (to.fragCount > 0 || to.end + length > to.bytes.length) return false
  if (from.fragCount > 0) from.copyTo(to.bytes, to.end, 0, length)
  else copy(to.bytes, to.end, from.bytes, from.start, length)
  to.end += length
  return true
}

/** Copies bytes of `from` into the page that all share, and adds them to `to`; false (nothing added) if it has too many pieces. */
export function appendCopy(to: Packet, from: Packet, offset: number, length: number): boolean {
  const { pool } = to
  // The page may end in between.
  if (to.fragCount + 2 > MAX_FRAGS) return false
  for (let done = 0; done < length; ) {
    const part = pool.pageRoom(length - done)
    from.copyTo(pool.page.bytes, pool.pageOffset, offset + done, part)
    to.addFrag(pool.page, pool.pageOffset, part)
    pool.pageTake(part)
    done += part
  }
  return true
}

/** Joins `packet` to the end of `tail` if that saves memory (tcp_try_coalesce); the packet is released then. */
function merge(t: Tcb, tail: Packet, packet: Packet): boolean {
  if (tail.endSeq !== packet.seq || tail.chunk.refs !== 1) return false
  const length = packet.length
  const isFree = !isByReference(packet)
  if (isFree ? length > tailRoom(tail) : length > MERGE_BELOW) return false
  const isJoined = isCollapsed(tail)
    ? appendCopy(tail, packet, 0, length)
    : appendLinear(tail, packet, length) || (isFree && appendCopy(tail, packet, 0, length))
  if (!isJoined) return false
  tail.endSeq = packet.endSeq
  tail.flags |= packet.flags
  // It fits into memory that is paid for, or adds its own.
  if (!isFree) {
    tail.mark += length
    t.rmemAlloc += length
  }
  t.stack.counters.TcpExtTCPRcvCoalesce++
  packet.release()
  return true
}

/** Puts in-order data that costs `memory` at the end of the receive queue; RCV.NXT follows (tcp_queue_rcv). */
export function queueInOrder(t: Tcb, packet: Packet, memory: number): void {
  statsOf(t).bytesReceived += diff(packet.endSeq, t.rcv.nxt)
  t.rcv.nxt = packet.endSeq
  const tail = t.rcvTail
  if (tail !== null && merge(t, tail, packet)) return
  charge(t, packet, memory)
  packet.next = null
  if (tail === null) t.rcvHead = packet
  else tail.next = packet
  t.rcvTail = packet
}

/** TCP_SACK_BLOCKS_EXPECTED: blocks that a compressed ACK may stand for. */
const SACK_BLOCKS_EXPECTED = 2

/** Records [left, right) as the newest block to report, merged with those it touches (tcp_sack_new_ofo_skb). */
function noteSack(t: Tcb, left: number, right: number): void {
  const d = disorderOf(t)
  d.sackBlocks ??= new Int32Array(8)
  const blocks = d.sackBlocks
  if (d.compressed !== null && d.compressed.count > 0) flushCompressed(t, blocks, left, right)
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

/** More holes than one ACK would soon tell of: the one that waits goes (tcp_sack_compress_send_ack). */
function flushCompressed(t: Tcb, blocks: Int32Array, left: number, right: number): void {
  let i = 0
  while (i < t.sackCount && (before(blocks[2 * i + 1] as number, left) || before(right, blocks[2 * i] as number))) i++
  if (i < SACK_BLOCKS_EXPECTED) return
  if (i < t.sackCount) {
    if (before(left, blocks[2 * i] as number)) blocks[2 * i] = left
    if (after(right, blocks[2 * i + 1] as number)) blocks[2 * i + 1] = right
  }
  sendAck(t)
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

/** Keeps data that came before its turn, sorted (tcp_data_queue_ofo). Takes the packet. */
export function queueOutOfOrder(t: Tcb, packet: Packet): void {
  t.stack.counters.TcpExtTCPOFOQueue++
  statsOf(t).outOfOrder++
  const { seq, endSeq } = packet
  const { oooTail } = disorderOf(t)
  if (oooTail === null || !joinOoo(t, oooTail, packet)) placeOoo(t, packet, oooTail)
  if ((t.opt & OPT_SACK) !== 0) noteSack(t, seq, endSeq)
}

/** Finds its place; on the way it may turn out to be there, or to cover or continue another. What overlaps in part stays as it came. */
function placeOoo(t: Tcb, packet: Packet, tail: Packet | null): void {
  const tree = oooTree(t)
  if (tail === null || !before(packet.seq, tail.endSeq)) {
    tree.append(packet)
    linkOoo(t, tail, packet)
    return
  }
  let parent: OooNode | null = null
  let isLeft = false
  let previous: Packet | null = null
  for (let node = tree.root; node !== null; node = isLeft ? node.left : node.right) {
    parent = node
    const at = node.packet
    isLeft = before(packet.seq, at.seq)
    if (isLeft) continue
    if (before(packet.seq, at.endSeq)) {
      if (!after(packet.endSeq, at.endSeq)) {
        t.stack.counters.TcpExtTCPOFOMerge++
        setDsack(t, packet.seq, packet.endSeq)
        packet.release()
        return
      }
      if (packet.seq === at.seq) {
        replaceOoo(t, node, packet)
        return
      }
      setDsack(t, packet.seq, at.endSeq)
    } else if (joinOoo(t, at, packet)) return
    previous = at
  }
  tree.insert(packet, parent, isLeft)
  linkOoo(t, previous, packet)
}

/** The new one covers the old one whole: it takes its place. */
function replaceOoo(t: Tcb, node: OooNode, packet: Packet): void {
  const old = node.packet
  const previous = previousOoo(t, old)
  extendDsack(t, old.seq, old.endSeq)
  t.stack.counters.TcpExtTCPOFOMerge++
  node.packet = packet
  unlinkOoo(t, previous, old)
  dropQueued(t, old)
  linkOoo(t, previous, packet)
}

function previousOoo(t: Tcb, packet: Packet): Packet | null {
  let previous: Packet | null = null
  for (let at = t.oooHead; at !== null && at !== packet; at = at.next) previous = at
  return previous
}

const oooTree = (t: Tcb): OooTree => (disorderOf(t).oooTree ??= new OooTree())

/** It continues `at`, and goes where that is (tcp_ooo_try_coalesce). */
function joinOoo(t: Tcb, at: Packet, packet: Packet): boolean {
  if (at.endSeq !== packet.seq) return false
  const { length } = packet
  const memory = truesize(packet)
  if (!merge(t, at, packet)) return false
  // A bare FIN adds nothing (truesize_adjust).
  growForSack(t, length, length === 0 ? 0 : memory)
  return true
}

/** Behind `previous`, or first; what it covers goes. */
function linkOoo(t: Tcb, previous: Packet | null, packet: Packet): void {
  if (previous === null) {
    packet.next = t.oooHead
    t.oooHead = packet
  } else {
    packet.next = previous.next
    previous.next = packet
  }
  dropCovered(t, packet)
  if (packet.next === null) disorderOf(t).oooTail = packet
  const memory = truesize(packet)
  growForSack(t, packet.length, memory)
  charge(t, packet, memory)
}

function unlinkOoo(t: Tcb, previous: Packet | null, packet: Packet): void {
  if (previous === null) t.oooHead = packet.next
  else previous.next = packet.next
}

/** Without SACK the window must not move, so that duplicate ACKs are seen as such (tcp_data_queue_ofo). */
function growForSack(t: Tcb, length: number, memory: number): void {
  if ((t.opt & OPT_SACK) !== 0) growWindow(t, length, memory)
}

/** Drops what follows `packet` and is covered by it. */
function dropCovered(t: Tcb, packet: Packet): void {
  for (
    let following = packet.next;
    following !== null && before(following.seq, packet.endSeq);
    following = packet.next
  ) {
    if (before(packet.endSeq, following.endSeq)) {
      extendDsack(t, following.seq, packet.endSeq)
      break
    }
    oooTree(t).erase(following.seq)
    extendDsack(t, following.seq, following.endSeq)
    packet.next = following.next
    dropQueued(t, following)
  }
}

/** Moves what is in order now from the out-of-order queue to the receive queue; true if a FIN came with it. */
export function deliverOutOfOrder(t: Tcb): boolean {
  let fin = false
  const high = t.rcv.nxt
  for (let packet = t.oooHead; packet !== null && !after(packet.seq, t.rcv.nxt); packet = t.oooHead) {
    t.oooHead = packet.next
    const d = disorderOf(t)
    if (t.oooHead === null) d.oooTail = null
    oooTree(t).erase(packet.seq)
    t.rmemAlloc -= packet.mark
    const isFin = (packet.flags & 1) !== 0
    if (before(packet.seq, high)) extendDsack(t, packet.seq, before(packet.endSeq, high) ? packet.endSeq : high)
    if (!after(packet.endSeq, t.rcv.nxt)) {
      packet.release()
      continue
    }
    queueInOrder(t, packet, truesize(packet))
    if (isFin) {
      fin = true
      break
    }
  }
  // A FIN ends them all, but the ACK that it sends still tells of them.
  if (!fin) pruneSack(t)
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
  if (t.disorder !== null) t.disorder.oooTail = t.disorder.oooTree = null
  t.sackCount = 0
  t.hasDsack = false
}

/** After in-order data came, blocks below RCV.NXT are history. */
export function sackAdvanced(t: Tcb): void {
  if (t.sackCount > 0) pruneSack(t)
}

/** Lets go of everything queued. */
export function releaseQueues(t: Tcb): void {
  releaseReceived(t)
  releaseOoo(t)
}

/** Lets go of what came in order; the unread bytes, FIN not counted. */
export function releaseReceived(t: Tcb): number {
  let unread = 0
  for (let p = t.rcvHead; p !== null; ) {
    const next = p.next
    unread += p.length - (before(p.seq, t.rcv.copiedSeq) ? diff(t.rcv.copiedSeq, p.seq) : 0)
    dropQueued(t, p)
    p = next
  }
  t.rcvHead = t.rcvTail = null
  return unread
}
