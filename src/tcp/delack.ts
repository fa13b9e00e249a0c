/**
 * When to acknowledge: at once, or delayed (RFC 9293 §3.8.6.3, RFC 5681 §4.2; Linux tcp_input.c `__tcp_ack_snd_check`,
 * inet_connection_sock `ack`; LINUX-TCP 29). Times here are microseconds.
 */

import { FIN, HDR_LEN, PSH, SYN, URG } from '../wire/tcp.ts'
import { mayCompress } from './compressed-ack.ts'
import { MIN_RCV_MSS, optionRoom, TCP_MSS_DEFAULT } from './mss.ts'
import {
  addQuickAcks,
  DELACK_MAX,
  DELACK_MIN,
  enterQuickAck,
  inPingpong,
  inQuickAck,
  MAX_QUICKACKS,
} from './quick-ack.ts'
import { TIMEOUT_MIN } from './rack.ts'
import { rtoMin } from './rtt.ts'
import type { Segment } from './segment.ts'
import { diff } from './seq.ts'
import { ACK_NOW, ACK_PUSHED, ACK_PUSHED2, ACK_SCHED, ACK_TIMER, OPT_ECN, type Tcb } from './tcb.ts'
import { startTimer, TIMER_DELACK } from './timer.ts'
import { sendAck } from './transmit.ts'
import { growWindow, measureRttByWindow, noteDensity, offerableWindow } from './window.ts'

/** Estimates the peer's segment size from what it sends (tcp_measure_rcv_mss). `all` is the packet, several segments perhaps. */
export function measureReceiveMss(t: Tcb, g: Segment, all: number, memory: number): void {
  const rcv = t.rcv
  const length = g.gsoSize > 0 ? g.gsoSize : all
  const last = rcv.lastSegmentSize
  rcv.lastSegmentSize = 0
  if (length >= rcv.mss) {
    if (length !== rcv.mss) noteDensity(t, all, memory)
    rcv.mss = Math.min(length, rcv.advMss)
    // The end of a write, perhaps: its ACK goes when the program has read it.
    if ((g.flags & PSH) !== 0) t.ackPending |= ACK_PUSHED
    return
  }
  // A smaller size counts when it comes twice running, and only if it could be a full segment; SACK blocks take room of it.
  const whole = length + g.headerLength
  const isFull = whole >= TCP_MSS_DEFAULT + HDR_LEN || (whole >= MIN_RCV_MSS + HDR_LEN && (g.flags & REMNANT) === 0)
  if (isFull) {
    const size = whole - HDR_LEN - optionRoom(t)
    rcv.lastSegmentSize = size
    if (size === last) {
      rcv.mss = size
      return
    }
  }
  if ((t.ackPending & ACK_PUSHED) !== 0) t.ackPending |= ACK_PUSHED2
  t.ackPending |= ACK_PUSHED
}

/** Marks of a segment that is not full (TCP_REMNANT). */
const REMNANT: number = FIN | URG | SYN | PSH

/** Is data that came marked (RFC 3168 §6.1; tcp_data_ecn_check)? Unmarkable among others, it was sent again. */
export function checkMark(t: Tcb, g: Segment): void {
  if ((t.opt & OPT_ECN) === 0) return
  const codepoint = g.tos & 3
  if (codepoint === 0) {
    if (t.ecnSeen) enterQuickAck(t, 2)
    return
  }
  if (codepoint === 3 && !t.ecnDemandCwr) {
    enterQuickAck(t, 2)
    t.ecnDemandCwr = true
  }
  t.ecnSeen = true
}

/** In-order data came: schedules the acknowledgement and adapts its delay (tcp_event_data_recv). */
export function dataReceived(t: Tcb, g: Segment, memory: number): void {
  t.ackPending |= ACK_SCHED
  measureReceiveMss(t, g, g.length, memory)
  measureRttByWindow(t, t.tcp.now)
  const now = t.tcp.nowMs()
  if (t.ato === 0) {
    addQuickAcks(t, MAX_QUICKACKS)
    t.ato = DELACK_MIN
  } else {
    const gap = ((now - t.lastReceived) | 0) * 1000
    if (gap <= DELACK_MIN / 2) t.ato = (t.ato >> 1) + DELACK_MIN / 2
    else if (gap < t.ato) t.ato = Math.min((t.ato >> 1) + gap, t.rto)
    else if (gap > t.rto) addQuickAcks(t, MAX_QUICKACKS)
  }
  t.lastReceived = now
  checkMark(t, g)
  if (g.length >= 128) growWindow(t, g.length, memory)
}

/** Sends the acknowledgement that is due, or sees to it that it goes later (tcp_ack_snd_check). */
export function checkAck(t: Tcb): void {
  if ((t.ackPending & ACK_SCHED) === 0) return
  const rcv = t.rcv
  const unacknowledged = diff(rcv.nxt, rcv.wup)
  if (
    (unacknowledged > rcv.mss && (diff(rcv.nxt, rcv.copiedSeq) < t.rcvLowat || offerableWindow(t) >= rcv.wnd)) ||
    inQuickAck(t) ||
    (t.ackPending & ACK_NOW) !== 0 ||
    (t.oooHead !== null && !mayCompress(t))
  ) {
    sendAck(t)
    return
  }
  if (t.oooHead === null) delayAck(t)
}

/** Arms the delayed acknowledgement (tcp_send_delayed_ack). */
export function delayAck(t: Tcb): void {
  let ato = t.ato
  if (ato > DELACK_MIN) {
    let most = inPingpong(t) || (t.ackPending & ACK_PUSHED) !== 0 ? DELACK_MAX : 500000
    if (t.srtt > 0) most = Math.min(most, Math.max(t.srtt >> 3, DELACK_MIN))
    ato = Math.min(ato, most)
  }
  // A tick before the peer's timer may fire, if its floor is ours (tcp_delack_max).
  const most = Math.min(t.tuning.delackMaxUs || DELACK_MAX, Math.max(rtoMin(t), TIMEOUT_MIN) - TIMEOUT_MIN / 2)
  ato = Math.min(Math.max(ato, 1000), most)
  let at = t.tcp.now + ato
  const timer = t.delackTimer
  if ((t.ackPending & ACK_TIMER) !== 0 && timer !== null && timer.deadline !== Infinity) {
    // Before the first data the delay is none: the next tick.
    if (t.ato === 0 || timer.deadline <= t.tcp.now + (ato >> 2)) {
      sendAck(t)
      return
    }
    if (at >= timer.deadline) at = timer.deadline
  }
  t.ackPending |= ACK_SCHED | ACK_TIMER
  startTimer(t, TIMER_DELACK, at)
}

/** The timer fired: the acknowledgement goes, and the next may wait longer (tcp_delack_timer_handler). */
export function delackFired(t: Tcb): void {
  if ((t.ackPending & ACK_TIMER) === 0) return
  t.ackPending &= ~ACK_TIMER
  if ((t.ackPending & ACK_SCHED) === 0) return
  if (!inPingpong(t)) t.ato = Math.min(t.ato << 1, t.rto)
  else {
    t.pingpong = 0
    t.ato = DELACK_MIN
  }
  t.stack.counters.TcpExtDelayedACKs++
  sendAck(t)
}
