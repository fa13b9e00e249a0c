/** Seventh and eighth, the segment text and FIN (RFC 9293 §3.10.7.4; Linux tcp_data_queue, tcp_fin); and urgent data. */
import type { Packet } from '../buf/packet.ts'
import {
  RCV_SHUTDOWN,
  SF_DEAD,
  SF_OOBINLINE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from '../sock/sock.ts'
import { POLLIN, POLLPRI, POLLRDBAND, POLLRDNORM } from '../sock/wait-queue.ts'
import { ACK, FIN, HDR_LEN, PSH, SYN, URG } from '../wire/tcp.ts'
import { makeRoom } from './collapse.ts'
import { checkMark, dataReceived, measureReceiveMss } from './delack.ts'
import { setDsack } from './dsack.ts'
import { setState, WAKE_ALL } from './lifecycle.ts'
import { forceMemory } from './memory.ts'
import { optionRoom } from './mss.ts'
import { enterPingpong, enterQuickAck, MAX_QUICKACKS } from './quick-ack.ts'
import { deliverOutOfOrder, queueInOrder, queueOutOfOrder, releaseOoo, sackAdvanced } from './receive-queue.ts'
import type { Segment } from './segment.ts'
import { add, after, before } from './seq.ts'
import { ACK_NOMEM, ACK_NOW, ACK_SCHED, OPT_TIMESTAMPS, OPT_URG_SEEN, type Tcb } from './tcb.ts'
import { enterTimeWait } from './timewait.ts'
import { sendAck } from './transmit.ts'
import { checkFastPath, growForGap, isReadable, receiveWindow, truesize } from './window.ts'

/** Bits of `Tcb.urgData`: a byte is announced, and it is here. */
export const URG_NOTYET = 0x200
export const URG_VALID = 0x100
export const URG_READ = 0x400

/** Answers data that cannot be taken, and drops it. */
function refuse(t: Tcb, packet: Packet): void {
  enterQuickAck(t, MAX_QUICKACKS)
  t.ackPending |= ACK_SCHED
  packet.release()
}

/** The header is what the last let expect: ACK and perhaps PSH, the same options and window, next in line and whole (header prediction). */
export const isPredicted = (t: Tcb, g: Segment): boolean =>
  t.isPredicting &&
  g.seq === t.rcv.nxt &&
  (g.flags & ~PSH) === ACK &&
  g.window === t.snd.wnd >> t.snd.wscale &&
  g.headerLength === HDR_LEN + optionRoom(t) &&
  !after(g.ack, t.snd.nxt) &&
  (g.length === 0 || !after(g.endSeq, add(t.rcv.nxt, receiveWindow(t)))) &&
  ((t.opt & OPT_TIMESTAMPS) === 0 || (t.tcp.parsed.isPlain && ((t.rcvTsVal - t.tsRecent) | 0) >= 0))

/** Takes predicted data that costs `memory`. Ownership passes. */
export function acceptPredicted(t: Tcb, g: Segment, packet: Packet, memory: number): void {
  packet.seq = g.seq
  packet.endSeq = g.endSeq
  packet.flags = 0
  queueInOrder(t, packet, memory)
  dataReceived(t, g, memory)
  if (t.oooHead !== null) afterGap(t)
  sackAdvanced(t)
  dataReady(t)
}

/** The packet's payload starts at `start`; its sequence numbers are set. Ownership passes. */
export function acceptText(t: Tcb, g: Segment, packet: Packet): void {
  const rcv = t.rcv
  const counters = t.stack.counters
  if (g.endSeq === g.seq) {
    packet.release()
    return
  }
  packet.seq = g.seq
  packet.endSeq = g.endSeq
  packet.flags = g.flags & FIN
  // A duplicate not reported yet will not be (tcp_data_queue).
  t.hasDsack = false
  if (g.seq === rcv.nxt) {
    if (receiveWindow(t) === 0 && g.length > 0) {
      counters.TcpExtTCPZeroWindowDrop++
      refuse(t, packet)
      return
    }
    queueAndAck(t, g, packet, truesize(packet))
    return
  }
  if (!after(g.endSeq, rcv.nxt)) {
    // A retransmission of what we have.
    counters.TcpExtDelayedACKLost++
    setDsack(t, g.seq, g.endSeq)
    refuse(t, packet)
    return
  }
  const window = receiveWindow(t)
  if (!before(g.seq, add(rcv.nxt, window))) {
    refuse(t, packet)
    return
  }
  if (before(g.seq, rcv.nxt)) {
    setDsack(t, g.seq, rcv.nxt)
    if (window === 0) {
      counters.TcpExtTCPZeroWindowDrop++
      refuse(t, packet)
      return
    }
    // What we have of it stays where it is: the reader passes over it.
    queueAndAck(t, g, packet, truesize(packet))
    return
  }
  const length = packet.length
  const memory = truesize(packet)
  checkMark(t, g)
  if (!makeRoom(t, packet, memory)) {
    // Nothing is said of it (tcp_data_queue_ofo).
    counters.TcpExtTCPOFODrop++
    if (!t.isFlag(SF_DEAD)) t.wake(POLLIN | POLLRDNORM | POLLRDBAND)
    packet.release()
    return
  }
  measureReceiveMss(t, g, length, memory)
  t.isPredicting = false
  t.ackPending |= ACK_SCHED
  queueOutOfOrder(t, packet)
  growForGap(t)
}

/** In order: into the queue, with what was waiting for it; wakes the reader. `memory`: what it came in. */
function queueAndAck(t: Tcb, g: Segment, packet: Packet, memory: number): void {
  const length = packet.length
  if (!makeRoom(t, packet, memory)) {
    // Out of memory: the window is closed at once; a packet for an empty queue is taken nevertheless (tcp_data_queue).
    t.ackPending |= ACK_SCHED | ACK_NOW | ACK_NOMEM
    if (t.rcvHead !== null && length > 0) {
      t.stack.counters.TcpExtTCPRcvQDrop++
      if (!t.isFlag(SF_DEAD)) t.wake(POLLIN | POLLRDNORM | POLLRDBAND)
      packet.release()
      return
    }
    forceMemory(t, memory)
  }
  const hadFin = (packet.flags & FIN) !== 0
  queueInOrder(t, packet, memory)
  if (length > 0) dataReceived(t, g, memory)
  if (hadFin) acceptFin(t)
  else if (t.oooHead !== null) afterGap(t)
  sackAdvanced(t)
  checkFastPath(t)
  if (length > 0) dataReady(t)
}

/** What waited for the data that came now. */
function afterGap(t: Tcb): void {
  if (deliverOutOfOrder(t)) acceptFin(t)
  // RFC 5681 §4.2: a segment that fills a gap is acknowledged at once.
  if (t.oooHead === null) t.ackPending |= ACK_NOW
}

/** Readers hear of it when there is as much as they asked for (tcp_data_ready). */
function dataReady(t: Tcb): void {
  if (!t.isFlag(SF_DEAD) && (t.closedRead || isReadable(t, t.rcvLowat))) t.wake(POLLIN | POLLRDNORM | POLLRDBAND)
}

/** RCV.NXT has passed a FIN (tcp_fin). */
export function acceptFin(t: Tcb): void {
  t.ackPending |= ACK_SCHED
  t.shutdownMask |= RCV_SHUTDOWN
  t.closedRead = true
  switch (t.state) {
    case TCP_SYN_RECV:
    case TCP_ESTABLISHED:
      setState(t, TCP_CLOSE_WAIT)
      // LINUX-TCP 29: the FIN's ACK may wait for the answer of the program.
      enterPingpong(t)
      break
    case TCP_FIN_WAIT1:
      // Simultaneous close.
      sendAck(t)
      setState(t, TCP_CLOSING)
      break
    case TCP_FIN_WAIT2:
      sendAck(t)
      enterTimeWait(t, TCP_TIME_WAIT, 0)
      return
    default:
      releaseOoo(t)
      return
  }
  releaseOoo(t)
  if (!t.isFlag(SF_DEAD)) t.wake(WAKE_ALL)
}

/** Sixth, the URG bit (RFC 9293 §3.10.7.4, RFC 6093 as Linux reads it), also of text that nobody will read (tcp_urg). */
export function urgent(t: Tcb, g: Segment, packet: Packet): void {
  if ((g.flags & URG) !== 0) checkUrgent(t, g)
  if (t.urgData === URG_NOTYET) takeUrgentByte(t, g, packet)
}

/** A pointer at one byte, the one before it. */
function checkUrgent(t: Tcb, g: Segment): void {
  if ((g.flags & ACK) === 0) return
  let pointer = g.urgent
  if (pointer > 0 && t.stack.sysctl.tcp_stdurg === 0) pointer--
  const seq = add(g.seq, pointer)
  if (after(t.rcv.copiedSeq, seq) || before(seq, t.rcv.nxt)) return
  if (t.urgData !== 0 && !after(seq, t.urgSeq)) return
  // An urgent byte that comes next to be read, and was not, is passed over; its packet goes when it is met.
  const isPassed = t.urgData !== 0 && t.urgSeq === t.rcv.copiedSeq && t.rcv.copiedSeq !== t.rcv.nxt
  if (isPassed && !t.isFlag(SF_OOBINLINE)) t.rcv.copiedSeq = add(t.rcv.copiedSeq, 1)
  t.urgData = URG_NOTYET
  t.urgSeq = seq
  t.opt |= OPT_URG_SEEN
  t.isPredicting = false
  if (!t.isFlag(SF_DEAD)) t.wake(POLLPRI)
}

/** The announced byte is in this segment. As Linux counts, it may lie a little before it, and then is one of the header. */
function takeUrgentByte(t: Tcb, g: Segment, packet: Packet): void {
  const offset = (t.urgSeq - g.seq - ((g.flags & SYN) !== 0 ? 1 : 0)) | 0
  if (offset < -g.headerLength || offset >= g.length) return
  if (offset >= 0) packet.copyTo(t.tcp.scratch, 0, offset, 1)
  const byte = offset >= 0 ? t.tcp.scratch[0] : g.bytes[packet.l4 + g.headerLength + offset]
  t.urgData = URG_VALID | (byte as number)
  if (!t.isFlag(SF_DEAD)) t.wake(POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)
}
