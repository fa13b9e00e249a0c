/** Connections that no program has any more: how long the protocol goes on alone (tcp_close, tcp_fin_time, tcp_out_of_resources). */
import { TCP_CLOSE, TCP_FIN_WAIT2 } from '../sock/sock.ts'
import type { Micros } from '../sys/clock.ts'
import { connectionDone } from './lifecycle.ts'
import { isOutOfMemory } from './memory.ts'
import { rtoMax } from './rtt.ts'
import type { Tcb } from './tcb.ts'
import { startKeep } from './timer.ts'
import { enterTimeWait, TIMEWAIT_LEN } from './timewait.ts'
import { sendActiveReset } from './transmit.ts'

/** Ends a connection with a reset. */
export function endWithReset(t: Tcb): void {
  sendActiveReset(t)
  connectionDone(t)
}

/** Its last descriptor is gone, and it was not over (tcp_close). */
export function orphaned(t: Tcb): void {
  t.isOrphan = true
  t.tcp.memory.orphans++
  if (t.state !== TCP_FIN_WAIT2) {
    if (t.state !== TCP_CLOSE && isOutOfMemory(t, 0)) endWithReset(t)
  } else if (t.tuning.linger2 < 0) {
    t.stack.counters.TcpExtTCPAbortOnLinger++
    endWithReset(t)
  } else awaitFin(t, false)
}

/** How long FIN-WAIT-2 lasts without an owner (tcp_fin_time): tcp_fin_timeout or TCP_LINGER2, at least 3.5 RTO. */
function finTimeout(t: Tcb): Micros {
  const timeout = (t.tuning.linger2 > 0 ? t.tuning.linger2 : t.stack.sysctl.tcp_fin_timeout) * 1000000
  return Math.max(timeout, t.rto * 4 - (t.rto >> 1))
}

/** FIN-WAIT-2 begins without an owner, as a TIME-WAIT if that is long enough, and no FIN (`hasFin`) is in hand; true if so. */
export function awaitFin(t: Tcb, hasFin: boolean): boolean {
  const timeout = finTimeout(t)
  if (timeout > TIMEWAIT_LEN) startKeep(t, timeout - TIMEWAIT_LEN)
  else if (hasFin) startKeep(t, timeout)
  else {
    enterTimeWait(t, TCP_FIN_WAIT2, timeout)
    return true
  }
  return false
}

/** What of it is longer than a TIME-WAIT has passed (tcp_keepalive_timer). */
export function finOverdue(t: Tcb): void {
  const left = t.tuning.linger2 < 0 ? 0 : finTimeout(t) - TIMEWAIT_LEN
  if (left > 0) enterTimeWait(t, TCP_FIN_WAIT2, left)
  else endWithReset(t)
}

/** Retries it gets: fewer than the owned, unless it was heard of lately (tcp_orphan_retries). */
export function orphanRetries(t: Tcb, isAlive: boolean): number {
  const retries = t.softError !== 0 && !isAlive ? 0 : t.stack.sysctl.tcp_orphan_retries
  return retries === 0 && isAlive ? 8 : retries
}

/**
 * Ends it when memory is short, the sooner the longer it got nothing through; if `tells`, or it sent lately, or waits for a
 * window, with a reset (tcp_out_of_resources). True: it is gone.
 */
export function endsOrphan(t: Tcb, tells: boolean): boolean {
  const idle = (t.tcp.nowMs() - t.lastSentTime) | 0
  let shift = idle > (2 * rtoMax(t)) / 1000 || !tells ? 1 : 0
  if (t.softError !== 0) shift++
  if (!isOutOfMemory(t, shift)) return false
  if (tells || idle <= TIMEWAIT_LEN / 1000 || (t.snd.wnd === 0 && t.packetsOut === 0)) endWithReset(t)
  else connectionDone(t)
  return true
}
