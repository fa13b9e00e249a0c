/**
 * What a receiver does when the data that waits costs more than its buffer: small segments are copied together, and if that does
 * not help the highest data out of order goes (tcp_try_rmem_schedule, tcp_prune_queue).
 */
import type { Packet } from '../buf/packet.ts'
import { FIN } from '../wire/tcp.ts'
import { mayReceive, PAGE, settleMemory } from './memory.ts'
import { OooTree } from './ooo-tree.ts'
import { appendCopy, dropQueued } from './receive-queue.ts'
import { add, after, before, diff, type Seq } from './seq.ts'
import { OPT_SACK, type Tcb } from './tcb.ts'
import { clampWindow, copyCost, shrinkSlowStart, windowFromSpace } from './window.ts'

/** Bytes copied together into one piece: what fits a page (SKB_MAX_ORDER(0, 0)). */
const COLLAPSED = 3776

/**
 * `memory` bytes more fit into the pages that are paid for (sk_forward_alloc): data that was predicted is queued then without a look
 * at the buffer's limit (tcp_rcv_established).
 */
export const fitsPages = (t: Tcb, memory: number): boolean => memory <= (-(t.rmemAlloc + t.wmemQueued) & (PAGE - 1))

/** There is room, or room was made, for `packet`, which costs `memory` (tcp_try_rmem_schedule). False: it must be dropped. */
export function makeRoom(t: Tcb, packet: Packet, memory: number): boolean {
  if (mayIngest(t) && mayReceive(t, memory)) return true
  if (!prune(t, packet)) return false
  while (!mayReceive(t, memory)) if (!pruneOutOfOrder(t, packet)) return false
  return true
}

/** One packet may overrun the limit (tcp_can_ingest). */
const mayIngest = (t: Tcb): boolean => t.rmemAlloc <= t.rcvbuf

/** What can be done so that the queues fit the buffer; false if they do not (tcp_prune_queue). */
function prune(t: Tcb, packet: Packet): boolean {
  const counters = t.stack.counters
  counters.TcpExtPruneCalled++
  if (!mayIngest(t)) clampWindow(t)
  else if (t.tcp.memory.isTight) shrinkSlowStart(t)
  if (mayIngest(t)) return true
  collapseOutOfOrder(t)
  if (t.rcvHead !== null) {
    t.rcvHead = collapse(t, t.rcvHead, null, t.rcv.copiedSeq, t.rcv.nxt)
    t.rcvTail = lastOf(t.rcvHead)
  }
  if (mayIngest(t)) return true
  pruneOutOfOrder(t, packet)
  if (mayIngest(t)) return true
  counters.TcpExtRcvPruned++
  t.isPredicting = false
  return false
}

function lastOf(head: Packet | null): Packet | null {
  let last = head
  while (last !== null && last.next !== null) last = last.next
  return last
}

/** A packet whose bytes are elsewhere now, or are known; the next one (tcp_collapse_one). */
function dropOne(t: Tcb, packet: Packet): Packet | null {
  const { next } = packet
  t.stack.counters.TcpExtTCPRcvCollapsed++
  dropQueued(t, packet)
  return next
}

/** It takes up more than its share of the buffer, or holds bytes before `start`. */
const isBloated = (t: Tcb, packet: Packet, start: Seq): boolean =>
  (packet.flags & FIN) === 0 && (windowFromSpace(t, packet.mark) > packet.length || before(packet.seq, start))

/** Copies the bytes [start, end) of the packets from `head` up to `tail` together; the first packet afterwards (tcp_collapse). */
function collapse(t: Tcb, head: Packet | null, tail: Packet | null, start: Seq, end: Seq): Packet | null {
  let previous: Packet | null = null
  let at = head
  const link = (next: Packet | null): void => {
    if (previous === null) head = next
    else previous.next = next
  }
  // Up to the first from which on copying pays.
  while (at !== null && at !== tail) {
    if (!before(start, at.endSeq)) {
      at = dropOne(t, at)
      link(at)
      continue
    }
    const { next }: Packet = at
    if (isBloated(t, at, start) || (next !== null && next !== tail && at.endSeq !== next.seq)) break
    start = at.endSeq
    previous = at
    at = next
  }
  while (at !== null && at !== tail && (at.flags & FIN) === 0 && before(start, end)) {
    let room = Math.min(COLLAPSED, diff(end, start))
    const made = t.stack.pool.allocHeader()
    made.copyMetadata(at)
    made.l3 = made.l4 = -1
    made.seq = start
    made.mark = copyCost(room)
    t.rmemAlloc += made.mark
    link(made)
    while (room > 0 && at !== null && at !== tail && (at.flags & FIN) === 0) {
      const size = Math.min(room, diff(at.endSeq, start))
      if (size > 0) {
        if (!appendCopy(made, at, diff(start, at.seq), size)) break
        start = add(start, size)
        room -= size
      }
      if (!before(start, at.endSeq)) at = dropOne(t, at)
    }
    made.endSeq = start
    made.next = at
    previous = made
  }
  return head
}

/** Each contiguous range out of order for itself; many tiny ones are left alone (tcp_collapse_ofo_queue). */
function collapseOutOfOrder(t: Tcb): void {
  const { counters } = t.stack
  const collapsed = counters.TcpExtTCPRcvCollapsed
  let tiny = 0
  let previous: Packet | null = null
  for (let head = t.oooHead; head !== null; ) {
    let start = head.seq
    let end = head.endSeq
    let memory = head.mark
    let tail = head.next
    for (; tail !== null && !after(tail.seq, end) && !before(tail.endSeq, start); tail = tail.next) {
      memory += tail.mark
      if (before(tail.seq, start)) start = tail.seq
      if (after(tail.endSeq, end)) end = tail.endSeq
    }
    if (memory !== head.mark || diff(end, start) >= COLLAPSED) {
      const first = collapse(t, head, tail, start, end)
      if (previous === null) t.oooHead = first
      else previous.next = first
      head = first
    } else {
      tiny += memory
      if (tiny > t.rcvbuf >> 3) break
    }
    while (head !== null && head !== tail) {
      previous = head
      head = head.next
    }
  }
  if (counters.TcpExtTCPRcvCollapsed !== collapsed) notePlaces(t)
}

/** Where each packet is is noted anew. */
function notePlaces(t: Tcb): void {
  const d = t.disorder
  if (d === null) return
  d.oooTail = lastOf(t.oooHead)
  d.oooTree = new OooTree()
  for (let packet = t.oooHead; packet !== null; packet = packet.next) d.oooTree.append(packet)
}

/**
 * Drops the highest data out of order, an eighth of the buffer at a time, until there is room; none that lies below `packet`.
 * False: there was none to drop (tcp_prune_ofo_queue).
 */
function pruneOutOfOrder(t: Tcb, packet: Packet): boolean {
  const all: Packet[] = []
  for (let p = t.oooHead; p !== null; p = p.next) all.push(p)
  let goal = t.rcvbuf >> 3
  const held = all.length
  for (let last = all.at(-1); last !== undefined && !after(packet.seq, last.seq); last = all.at(-1)) {
    all.pop()
    goal -= last.mark
    t.disorder?.oooTree?.erase(last.seq)
    dropQueued(t, last)
    if (goal > 0 && all.length > 0) continue
    settleMemory(t)
    if (mayIngest(t) && !t.tcp.memory.isTight) break
    goal = t.rcvbuf >> 3
  }
  if (all.length === held) return false
  const last = all.at(-1)
  if (last === undefined) t.oooHead = null
  else last.next = null
  if (t.disorder !== null) t.disorder.oooTail = last ?? null
  t.stack.counters.TcpExtOfoPruned++
  // RFC 2018 §8: what was SACKed and is gone must not be reported again (tcp_sack_reset).
  if ((t.opt & OPT_SACK) !== 0) {
    t.sackCount = 0
    t.hasDsack = false
  }
  return true
}
