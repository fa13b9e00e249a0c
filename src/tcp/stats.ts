/**
 * What a connection counts about itself beside what it needs to work: bytes and segments both ways, and how long it was
 * busy, held up by the peer's window, or by the send buffer (Linux's tcp_sock counters and chronographs, tcp_chrono_start).
 */

import { TCP_CLOSE_WAIT, TCP_ESTABLISHED } from '../sock/sock.ts'
import type { LimitTimes } from './limiter.ts'
import type { Tcb } from './tcb.ts'
import { OPT_NOSPACE } from './tcb.ts'

/** Chronographs: what limits the sender now, the weightiest first to win (enum tcp_chrono). */
export const CHRONO_NONE = 0
export const CHRONO_BUSY = 1
export const CHRONO_RWND = 2
export const CHRONO_SNDBUF = 3

export class TcbStats {
  /** Which chronograph runs, and since when in ms. */
  chrono: number = CHRONO_NONE
  chronoStart = 0
  /** Milliseconds spent in each; index 0 is unused. */
  readonly chronoTime: number[] = [0, 0, 0, 0]
  bytesReceived = 0
  bytesSent = 0
  bytesRetransmitted = 0
  bytesAcked = 0
  /** When anything last left (tcp_wstamp_ns). */
  lastOut = 0
  dataSegmentsIn = 0
  dataSegmentsOut = 0
  /** Segments that the peer reported as received twice, that we received out of order, that were delivered with a mark. */
  dsackDuplicates = 0
  outOfOrder = 0
  deliveredCe = 0
  /** Delivery rate (rate.ts): when the newest delivered segment was sent; the last delivery; the count that ends idling. */
  firstTxTime = 0
  deliveredTime = 0
  appLimited = -1
  /** The best recent sample: segments over microseconds. */
  rateDelivered = 0
  rateInterval = 0
  isRateAppLimited = true
  /** Retransmission timeouts, rows of them and the milliseconds those took; when the present row began, 0: there is none. */
  timeouts = 0
  timeoutRows = 0
  timeoutMs = 0
  timeoutsSince = 0
  /** Timeouts of it that made it try another path (timeout_rehash). */
  rehashes = 0
  /** Pages that are counted for it in the memory of all (memory.ts). */
  memoryPages = 0
  /** What held it up, for connections that something did. */
  limits: LimitTimes | null = null
}

/** The counts, made when a connection first carries something. */
export function statsOf(t: Tcb): TcbStats {
  t.stats ??= new TcbStats()
  return t.stats
}

/** A new connection counts from zero (tcp_disconnect); the chronographs, the rate and the paths tried stay as they are. */
export function resetCounts(s: TcbStats): void {
  s.bytesReceived = s.bytesSent = s.bytesRetransmitted = s.bytesAcked = 0
  s.dataSegmentsIn = s.dataSegmentsOut = 0
  s.dsackDuplicates = s.outOfOrder = s.deliveredCe = 0
  s.timeouts = s.timeoutRows = s.timeoutMs = s.timeoutsSince = 0
  s.appLimited = -1
  s.isRateAppLimited = true
}

/** One more timeout (tcp_update_rto_stats). */
export function countTimeout(t: Tcb): void {
  const s = statsOf(t)
  if (t.retransmits === 0) {
    s.timeoutRows++
    s.timeoutsSince = t.tcp.nowMs()
  }
  t.retransmits++
  s.timeouts++
}

/** The row of timeouts is over (tcp_update_rto_time). */
export function endTimeouts(t: Tcb): void {
  const s = t.stats
  if (s === null || s.timeoutsSince === 0) return
  s.timeoutMs += (t.tcp.nowMs() - s.timeoutsSince) | 0
  s.timeoutsSince = 0
}

function setChrono(t: Tcb, s: TcbStats, kind: number): void {
  const now = t.tcp.nowMs()
  if (s.chrono !== CHRONO_NONE)
    s.chronoTime[s.chrono] = (s.chronoTime[s.chrono] as number) + ((now - s.chronoStart) | 0)
  s.chronoStart = now
  s.chrono = kind
}

/** `kind` holds the sender up from now on, unless something weightier does (tcp_chrono_start). */
export function startChrono(t: Tcb, kind: number): void {
  const s = statsOf(t)
  if (kind > s.chrono) setChrono(t, s, kind)
}

/** It does no longer (tcp_chrono_stop). */
export function stopChrono(t: Tcb, kind: number): void {
  const s = t.stats
  if (s === null || s.chrono === CHRONO_NONE) return
  if (t.txHead === null) setChrono(t, s, CHRONO_NONE)
  else if (kind === s.chrono) setChrono(t, s, CHRONO_BUSY)
}

/** Everything was sent, the window is not the limit, and a writer waits for room: the buffer is (tcp_cwnd_validate). */
export function noteBufferLimit(t: Tcb): void {
  if (t.sendHead !== null || (t.opt & OPT_NOSPACE) === 0) return
  if (t.state === TCP_ESTABLISHED || t.state === TCP_CLOSE_WAIT) startChrono(t, CHRONO_SNDBUF)
}

/** Milliseconds of chronograph `kind` until now. */
export function chronoMs(t: Tcb, kind: number): number {
  const s = t.stats
  if (s === null) return 0
  return (s.chronoTime[kind] as number) + (s.chrono === kind ? (t.tcp.nowMs() - s.chronoStart) | 0 : 0)
}
