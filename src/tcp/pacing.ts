/**
 * Pacing: spreading a window over its round trip (tcp_output.c, internal pacing). A connection that is paced has `t.pacing`:
 * because its controller asks for it (BBR), or its program does (SO_MAX_PACING_RATE). The others only size bursts by the rate.
 */
import type { Micros } from '../sys/clock.ts'
import type { Tcb } from './tcb.ts'
import { TcbTimer, TIMER_PACE } from './timer.ts'

/** No limit on the rate (~0UL). */
export const NO_RATE: number = Number.POSITIVE_INFINITY
/** Segments that leave unpaced at the start of a connection. */
const UNPACED_SEGMENTS = 10
/** Lateness that is made up for: a real clock's timers come a millisecond or two late, Linux's high-resolution ones do not. */
const MAX_LATENESS: Micros = 5000

export class Pacing {
  /** Bytes a second that the controller chose; NO_RATE: by window and RTT. */
  rate: number = NO_RATE
  /** SO_MAX_PACING_RATE. */
  maxRate: number = NO_RATE
  /** When the next segment may leave, in microseconds (tcp_wstamp_ns). */
  nextAt: Micros = 0
  /** The device's queue holds segments back until their time, as fq does (SK_PACING_FQ); nothing waits here. */
  byQueue = false
  /** By how much the timer came late, to be made up for. */
  lateness: Micros = 0
  timer: TcbTimer | null = null
}

/** From now on the connection is paced. */
export function pacingOf(t: Tcb): Pacing {
  t.pacing ??= new Pacing()
  return t.pacing
}

/** Bytes a second by window and RTT: twice the window in slow start, 1.2 times later (tcp_update_pacing_rate). */
function windowRate(t: Tcb): number {
  const { sysctl } = t.stack
  const ratio = t.snd.cwnd < t.snd.ssthresh / 2 ? sysctl.tcp_pacing_ss_ratio : sysctl.tcp_pacing_ca_ratio
  return Math.floor((Math.max(t.snd.cwnd, t.packetsOut) * t.snd.mss * 10000 * ratio) / (t.srtt / 8))
}

/** Bytes a second at which the connection may send (sk_pacing_rate). */
export function pacingRate(t: Tcb): number {
  const p = t.pacing
  const rate = p !== null && t.ca.control !== undefined ? p.rate : t.srtt === 0 ? NO_RATE : windowRate(t)
  return p === null ? rate : Math.min(rate, p.maxRate)
}

/** The time of the next segment has not come: the timer will send it (tcp_pacing_check). */
export function mustPace(t: Tcb): boolean {
  const p = t.pacing
  if (p === null || p.byQueue) return false
  if (p.nextAt <= t.tcp.now) {
    // Something else came before the timer that is due: it is late all the same.
    if (p.timer !== null && p.timer.deadline <= t.tcp.now) paceDue(t)
    return false
  }
  p.lateness = 0
  p.timer ??= new TcbTimer(t, TIMER_PACE)
  if (p.timer.deadline === Infinity) t.stack.clock.start(p.timer, p.nextAt)
  return true
}

/** When a packet that is sent now leaves: at once, or as the queue of a device that paces lets it (skb_set_delivery_time). */
export function departure(t: Tcb): Micros {
  const p = t.pacing
  return p?.byQueue === true ? Math.max(p.nextAt, t.tcp.now) : t.tcp.now
}

/** The timer fired. */
export function paceDue(t: Tcb): void {
  const p = t.pacing
  if (p !== null) p.lateness = Math.min(t.tcp.now - p.nextAt, MAX_LATENESS)
}

/** A segment of `length` bytes left: when the next may (tcp_update_skb_after_send). */
export function paced(t: Tcb, length: number): void {
  const p = t.pacing
  if (p === null) return
  const { now } = t.tcp
  const from = Math.max(p.nextAt, now - p.lateness)
  // Linux makes up for lost time, too, up to half of a segment's.
  const credit = Math.max(from - p.nextAt, 0)
  p.nextAt = from
  const rate = pacingRate(t)
  if (rate === NO_RATE || rate === 0 || (t.stats?.dataSegmentsOut ?? 0) < UNPACED_SEGMENTS) return
  const needed = (length * 1e6) / rate
  p.nextAt += needed - Math.min(needed / 2, credit)
}
