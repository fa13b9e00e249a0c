/** RECEIVE (RFC 9293 §3.10.3): what a program reads, in band and out of band, and what reading sets in motion (tcp_recvmsg). */

import type { Packet } from '../buf/packet.ts'
import { MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_TRUNC } from '../sock/constants.ts'
import { type Message, RCV_SHUTDOWN, SF_OOBINLINE, TCP_CLOSE, TCP_LISTEN } from '../sock/sock.ts'
import { EAGAIN, EINVAL, ENOTCONN } from '../sys/errno.ts'
import { inPingpong } from './quick-ack.ts'
import { URG_READ, URG_VALID } from './receive.ts'
import { add, after, diff } from './seq.ts'
import { ACK_PUSHED, ACK_PUSHED2, ACK_SCHED, OPT_INQ, type Tcb } from './tcb.ts'
import { sendAck } from './transmit.ts'
import { readStamp } from './tx-timestamp.ts'
import { adjustReceiveSpace, offerableWindow, receiveWindow } from './window.ts'

/** TCP_CM_INQ. */
const TCP_INQ = 36

/** RECEIVE (tcp_recvmsg_locked). */
export function read(
  t: Tcb,
  bytes: Uint8Array,
  offset: number,
  length: number,
  flags: number,
  message: Message | null,
): number {
  if ((flags & MSG_ERRQUEUE) !== 0) return readStamp(t, message)
  if (t.state === TCP_LISTEN) return -ENOTCONN
  if ((flags & MSG_OOB) !== 0) return readUrgent(t, bytes, offset, length, flags, message)
  const copied = copyOut(t, bytes, offset, length, flags)
  if ((t.opt & OPT_INQ) !== 0) tellInq(t, message)
  if (copied > 0 || (length === 0 && queuedBytes(t) > 0)) return copied
  // A received FIN (SOCK_DONE) is the end before any error is.
  if (t.closedRead) return 0
  if (t.error !== 0) return -t.takeError()
  if ((t.shutdownMask & RCV_SHUTDOWN) !== 0) return 0
  if (t.state === TCP_CLOSE) return -ENOTCONN
  return -EAGAIN
}

/** TCP_INQ: the bytes left to read as a control message; 1 at the end, so that the program reads on (tcp_inq_hint). */
function tellInq(t: Tcb, message: Message | null): void {
  const left = queuedBytes(t)
  message?.control?.push({
    level: 6,
    type: TCP_INQ,
    data: left === 0 && (t.shutdownMask & RCV_SHUTDOWN) !== 0 ? 1 : left,
  })
}

function copyOut(t: Tcb, bytes: Uint8Array, offset: number, length: number, flags: number): number {
  const peek = (flags & MSG_PEEK) !== 0
  const discard = (flags & MSG_TRUNC) !== 0
  let seq = t.rcv.copiedSeq
  let copied = 0
  let packet: Packet | null = t.rcvHead
  while (packet !== null && copied < length) {
    const skip = diff(seq, packet.seq)
    const available = packet.length - skip
    if (available <= 0) {
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
            if (!peek) t.rcv.copiedSeq = seq
            t.urgData = peek ? t.urgData : 0
            continue
          }
        } else part = distance
      }
    }
    if (!discard) packet.copyTo(bytes, offset + copied, skip, part)
    copied += part
    seq = add(seq, part)
    if (!peek) t.rcv.copiedSeq = seq
    if (part === available) packet = peek ? packet.next : shift(t)
  }
  if (copied > 0 && !peek) {
    if (t.urgData !== 0 && after(t.rcv.copiedSeq, t.urgSeq)) t.urgData = 0
    // The data came just now, as a rule: its time will do, and a read costs no look at the clock.
    t.tcp.now = t.stack.clock.recent()
    adjustReceiveSpace(t, t.tcp.now)
    cleanUp(t, copied)
  }
  return copied
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
  if (t.state === TCP_CLOSE) return -ENOTCONN
  if ((t.urgData & URG_VALID) !== 0) {
    if ((flags & MSG_PEEK) === 0) {
      const value = t.urgData & 0xff
      t.urgData = URG_READ
      if (message !== null) message.flags |= MSG_OOB
      if (length > 0) bytes[offset] = value
    } else if (length > 0) bytes[offset] = t.urgData & 0xff
    return length > 0 ? 1 : 0
  }
  return -EAGAIN
}

/** Data a read would give, the FIN not counted (LINUX-TCP 33). */
export function queuedBytes(t: Tcb): number {
  if (t.rcvHead === null) return 0
  const all = diff(t.rcv.nxt, t.rcv.copiedSeq)
  return t.closedRead && all > 0 ? all - 1 : all
}

/** After a read: a window update or a held-back acknowledgement may be due (tcp_cleanup_rbuf). */
function cleanUp(t: Tcb, copied: number): void {
  let due = false
  if ((t.ackPending & ACK_SCHED) !== 0) {
    if (
      diff(t.rcv.nxt, t.rcv.wup) > t.rcv.mss ||
      (copied > 0 &&
        ((t.ackPending & ACK_PUSHED2) !== 0 || ((t.ackPending & ACK_PUSHED) !== 0 && !inPingpong(t))) &&
        t.rmemAlloc === 0)
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
