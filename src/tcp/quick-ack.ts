/**
 * The state that decides between acknowledging at once and later: quick-ack credit, interactive mode, what is pending
 * (inet_connection_sock `ack`; LINUX-TCP 29). Times here are microseconds.
 */
import { uncompressed } from './compressed-ack.ts'
import { ACK_SCHED, type Tcb } from './tcb.ts'

/** TCP_DELACK_MIN and TCP_ATO_MIN: 40 ms; TCP_DELACK_MAX: 200 ms. */
export const DELACK_MIN = 40000
export const DELACK_MAX = 200000
/** TCP_MAX_QUICKACKS. */
export const MAX_QUICKACKS = 16
export const inPingpong = (t: Tcb): boolean => t.pingpong >= t.stack.sysctl.tcp_pingpong_thresh

/** Acknowledgements wait for data to go with (inet_csk_enter_pingpong_mode). */
export function enterPingpong(t: Tcb): void {
  t.pingpong = t.stack.sysctl.tcp_pingpong_thresh
}

/** Gives credit for acknowledgements without delay (tcp_incr_quickack). */
export function addQuickAcks(t: Tcb, most: number): void {
  let credit = Math.floor(t.rcv.wnd / (2 * t.rcv.mss))
  if (credit === 0) credit = 2
  credit = Math.min(credit, most)
  if (credit > t.quickAck) t.quickAck = credit
}

/** Leaves the delayed mode (tcp_enter_quickack_mode). */
export function enterQuickAck(t: Tcb, most: number): void {
  addQuickAcks(t, most)
  t.pingpong = 0
  t.ato = DELACK_MIN
}

export const inQuickAck = (t: Tcb): boolean => t.quickAck > 0 && !inPingpong(t)

/** Any segment that carries our acknowledgement left (tcp_event_ack_sent). */
export function ackSent(t: Tcb): void {
  if (t.ackPending === 0 && t.quickAck === 0) return
  // Only an answer to new data uses up the credit (tcp_dec_quickack_mode).
  if (t.quickAck > 0 && (t.ackPending & ACK_SCHED) !== 0) {
    t.quickAck--
    if (t.quickAck === 0) t.ato = DELACK_MIN
  }
  t.ackPending = 0
  if (t.delackTimer !== null) t.stack.clock.stop(t.delackTimer)
  const compressed = t.disorder === null ? null : t.disorder.compressed
  if (compressed !== null) uncompressed(t, compressed)
}

/** Data left (tcp_event_data_sent). */
export function dataSent(t: Tcb): void {
  const now = t.tcp.nowMs()
  if (t.packetsOut === 0) t.ca.onEvent?.(t, 'tx-start')
  t.lastSentTime = now
  // A reply within the delayed-ACK time of what came makes the exchange interactive.
  if (((now - t.lastReceived) | 0) * 1000 < t.ato && t.pingpong < 255) t.pingpong++
}
