/** RECEIVE (RFC 9293 §3.10.3): what a program reads, in band and out of band, and what reading sets in motion (tcp_recvmsg). */

import type { Packet } from '../buf/packet.ts'
import { MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOL_TCP, TCP_INQ } from '../sock/constants.ts'
import { receiveError } from '../sock/error-queue.ts'
import { toProgram } from '../sock/message.ts'
import { putTimes } from '../sock/receive-control.ts'
import { type Message, RCV_SHUTDOWN, SF_OOBINLINE, TCP_CLOSE, TCP_LISTEN } from '../sock/sock.ts'
import { EAGAIN, EINVAL, ENOTCONN } from '../sys/errno.ts'
import { FIN } from '../wire/tcp.ts'
import { inPingpong } from './quick-ack.ts'
import { URG_READ, URG_VALID } from './receive.ts'
import { add, after, before, diff } from './seq.ts'
import { ACK_PUSHED, ACK_PUSHED2, ACK_SCHED, OPT_INQ, type Tcb } from './tcb.ts'
import { sendAck } from './transmit.ts'
import { adjustReceiveSpace, checkFastPath, offerableWindow, receiveWindow } from './window.ts'

/** RECEIVE (tcp_recvmsg_locked). */
export function read(
  t: Tcb,
  bytes: Uint8Array,
  offset: number,
  length: number,
  flags: number,
  message: Message | null,
): number {
  if ((flags & MSG_ERRQUEUE) !== 0) return receiveError(t, bytes, offset, length, message)
  if (t.state === TCP_LISTEN) return -ENOTCONN
  if ((flags & MSG_OOB) !== 0) return readUrgent(t, bytes, offset, length, flags, message)
  const copied = copyOut(t, bytes, offset, length, flags, message)
  if (copied === 0 && (t.ackPending & ACK_SCHED) !== 0) cleanUp(t, 0)
  if (message !== null) tell(t, copied, message)
  if (copied > 0 || (length === 0 && queuedBytes(t) > 0)) return copied
  // A received FIN (SOCK_DONE) is the end before any error is.
  if (t.closedRead) return 0
  if (t.error !== 0) return -t.takeError()
  if ((t.shutdownMask & RCV_SHUTDOWN) !== 0) return 0
  if (t.state === TCP_CLOSE) return -ENOTCONN
  return -EAGAIN
}

/**
 * What splice(2) takes (tcp_splice_read, tcp_read_sock): as a read, but it does not pass an urgent byte. Before one it gives
 * 0 to a caller who would wait.
 */
export function spliceRead(t: Tcb, bytes: Uint8Array, offset: number, length: number, isNonBlocking: boolean): number {
  const most = t.urgData === 0 ? length : Math.min(length, diff(t.urgSeq, t.rcv.copiedSeq) >>> 0)
  if (most > 0 || t.rcvHead === null || t.closedRead) return read(t, bytes, offset, most, 0, null)
  return isNonBlocking ? -EAGAIN : 0
}

/** Time stamps of the last segment read, and TCP_INQ (tcp_recv_timestamp, tcp_inq_hint). */
function tell(t: Tcb, copied: number, message: Message): void {
  if (copied > 0 && (t.settings.wants | t.settings.tsflags) !== 0) putTimes(t, message, message.time)
  if ((t.opt & OPT_INQ) !== 0) tellInq(t, message)
}

/** TCP_INQ: what is left to read as a control message, a FIN counted; 1 at the end, so that the program reads on (tcp_inq_hint). */
function tellInq(t: Tcb, message: Message): void {
  const left = diff(t.rcv.nxt, t.rcv.copiedSeq)
  message.put(SOL_TCP, TCP_INQ, left === 0 && t.closedRead ? 1 : left)
}

// biome-ignore format: one line
function copyOut(t: Tcb, bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
  const peek = (flags & MSG_PEEK) !== 0
  const discard = (flags & MSG_TRUNC) !== 0
  let seq = peek ? add(t.rcv.copiedSeq, Math.max(t.settings.peekOff, 0)) : t.rcv.copiedSeq
  let copied = 0
  let packet: Packet | null = t.rcvHead
  // The data came just now, as a rule: its time will do, and a read costs no look at the clock.
  t.tcp.now = t.stack.clock.recent()
  while (packet !== null && copied < length) {
    const skip = diff(seq, packet.seq)
    const available = packet.length - skip
    if (available <= 0) {
      if (takeFin(t, packet, seq, peek)) break
      packet = peek ? packet.next : shift(t)
      continue
    }
    let part = Math.min(available, length - copied)
    if (t.urgData !== 0) {
      const distance = diff(t.urgSeq, seq)
      if (distance >= 0 && distance < part) {
        if (distance === 0) {
          if (copied > 0) break
          if (!t.isFlag(SF_OOBINLINE)) {
            // The urgent byte is read out of band only.
            seq = add(seq, 1)
            if (!peek) {
              t.rcv.copiedSeq = seq
              passUrgent(t)
            }
            continue
          }
        } else part = distance
      }
    }
    if (!discard) toProgram(packet, skip, part, bytes, offset + copied, message)
    if (message !== null) message.time = packet.time
    copied += part
    seq = add(seq, part)
    if (!peek) t.rcv.copiedSeq = seq
    adjustReceiveSpace(t, t.tcp.now)
    if (t.urgData !== 0) passUrgent(t)
    if (part < available) continue
    if (takeFin(t, packet, seq, peek)) break
    packet = peek ? packet.next : shift(t)
  }
  if (t.settings.peekOff >= 0) t.movePeek(peek ? copied : -copied)
  // Peeking counts too.
  if (copied > 0) cleanUp(t, copied)
  return copied
}

/** The urgent byte is history once more was read; the FIN behind it does not count. */
function passUrgent(t: Tcb): void {
  if (!after(t.rcv.copiedSeq, t.urgSeq)) return
  t.urgData = 0
  checkFastPath(t)
}

/** All before `seq` of the packet was read: a FIN behind it is taken with it, and ends the read (found_fin_ok). */
function takeFin(t: Tcb, packet: Packet, seq: number, peek: boolean): boolean {
  if ((packet.flags & FIN) === 0) return false
  if (!peek) {
    t.rcv.copiedSeq = add(seq, 1)
    shift(t)
  }
  return true
}

/** Gives the first packet of the receive queue back; the next one. */
function shift(t: Tcb): Packet | null {
  const packet = t.rcvHead as Packet
  t.rcvHead = packet.next
  if (t.rcvHead === null) t.rcvTail = null
  t.rmemAlloc -= packet.mark
  packet.release()
  return t.rcvHead
}

/** MSG_OOB: the one byte (tcp_recv_urg). */
function readUrgent(
  t: Tcb,
  bytes: Uint8Array,
  offset: number,
  length: number,
  flags: number,
  message: Message | null,
): number {
  if (t.isFlag(SF_OOBINLINE) || t.urgData === 0 || t.urgData === URG_READ) return -EINVAL
  if (t.state === TCP_CLOSE && !t.closedRead) return -ENOTCONN
  if ((t.urgData & URG_VALID) !== 0) {
    const value = t.urgData & 0xff
    if ((flags & MSG_PEEK) === 0) t.urgData = URG_READ
    if (message !== null) message.flags |= MSG_OOB
    // As the kernel: cut off is what there was no room for.
    if (length === 0 && message !== null) message.flags |= MSG_TRUNC
    if (length > 0 && (flags & MSG_TRUNC) === 0) {
      if (message !== null && message.iov !== null) message.iov.scatter(offset, Uint8Array.of(value), 0, 1)
      else bytes[offset] = value
    }
    return length > 0 ? 1 : 0
  }
  return (t.shutdownMask & RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN
}

/** Data a read would give, the FIN not counted (LINUX-TCP 33). */
export function queuedBytes(t: Tcb): number {
  const all = diff(t.rcv.nxt, t.rcv.copiedSeq)
  return t.closedRead && all > 0 ? all - 1 : all
}

/** SIOCINQ: bytes that can be read before the urgent one, if one is announced that is not read inline (tcp_inq). */
export function bytesBeforeMark(t: Tcb): number {
  const { copiedSeq, nxt } = t.rcv
  const isAhead = t.urgData !== 0 && !t.isFlag(SF_OOBINLINE) && !before(t.urgSeq, copiedSeq) && before(t.urgSeq, nxt)
  return isAhead ? diff(t.urgSeq, copiedSeq) : queuedBytes(t)
}

/** After a read: a window update or a held-back acknowledgement may be due (tcp_cleanup_rbuf). */
export function cleanUp(t: Tcb, copied: number): void {
  let due = false
  const isEmpty = t.rmemAlloc === 0
  if ((t.ackPending & ACK_SCHED) !== 0) {
    if (
      diff(t.rcv.nxt, t.rcv.wup) > t.rcv.mss ||
      (copied > 0 &&
        ((t.ackPending & ACK_PUSHED2) !== 0 || ((t.ackPending & ACK_PUSHED) !== 0 && !inPingpong(t))) &&
        isEmpty)
    ) {
      due = true
    }
  }
  if (copied > 0 && !due && (t.shutdownMask & RCV_SHUTDOWN) === 0) {
    const now = receiveWindow(t)
    if (2 * now <= t.rcv.windowClamp) {
      const fresh = offerableWindow(t)
      if (fresh > 0 && fresh >= 2 * now) due = true
    }
  }
  if (due) sendAck(t)
}
