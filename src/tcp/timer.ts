/**
 * The timers of a connection: three, made when first started. The retransmission timer serves one of four purposes at a
 * time; beside it the delayed acknowledgement, and the one for keep-alive and FIN-WAIT-2. What they do when they fire is
 * in `timeouts`. TIME-WAITs and half-open requests have their own (timewait, listen).
 */
import { type Micros, Timer } from '../sys/clock.ts'
import { rtoMax } from './rtt.ts'
import type { Tcb } from './tcb.ts'

/** Which timer. */
export const TIMER_REXMT = 0
export const TIMER_DELACK = 1
export const TIMER_KEEP = 2
/** The next segment of a paced connection may leave (pacing.ts). */
export const TIMER_PACE = 3
/** Acknowledgements held back go (compressed-ack.ts). */
export const TIMER_COMPRESSED = 4

/** What the retransmission timer is for (icsk_pending). */
export const PENDING_NONE = 0
export const PENDING_RTO = 1
export const PENDING_TLP = 2
export const PENDING_REO = 3
export const PENDING_PROBE = 4

export class TcbTimer extends Timer {
  readonly tcb: Tcb
  readonly kind: number
  constructor(tcb: Tcb, kind: number) {
    super()
    this.tcb = tcb
    this.kind = kind
  }
  override fire(now: Micros): void {
    this.tcb.tcp.timerFired(this.tcb, this.kind, now)
  }
}

/** Starts one of the timers to fire at `at`. */
export function startTimer(t: Tcb, kind: number, at: Micros): void {
  let timer = kind === TIMER_REXMT ? t.rexmtTimer : kind === TIMER_DELACK ? t.delackTimer : t.keepTimer
  if (timer === null) {
    timer = new TcbTimer(t, kind)
    if (kind === TIMER_REXMT) t.rexmtTimer = timer
    else if (kind === TIMER_DELACK) t.delackTimer = timer
    else t.keepTimer = timer
  }
  t.stack.clock.start(timer, at)
}

/** Arms the retransmission timer for `purpose`, `delay` microseconds from now. */
export function armRexmt(t: Tcb, purpose: number, delay: Micros): void {
  t.pendingTimer = purpose
  startTimer(t, TIMER_REXMT, t.tcp.now + Math.min(delay, rtoMax(t)))
}

export function stopRexmt(t: Tcb): void {
  t.pendingTimer = PENDING_NONE
  if (t.rexmtTimer !== null) t.stack.clock.stop(t.rexmtTimer)
}

/** Stops all timers and lets go of their queue entries. */
export function clearTimers(t: Tcb): void {
  t.pendingTimer = PENDING_NONE
  const clock = t.stack.clock
  if (t.rexmtTimer !== null) clock.remove(t.rexmtTimer)
  if (t.delackTimer !== null) clock.remove(t.delackTimer)
  if (t.keepTimer !== null) clock.remove(t.keepTimer)
  const compressed = t.disorder === null ? null : t.disorder.compressed
  if (compressed !== null) clock.remove(compressed.timer)
  if (t.pacing !== null && t.pacing.timer !== null) clock.remove(t.pacing.timer)
}

/** Restarts the retransmission timer after progress, RFC 6298 (5.3); none if nothing is out (tcp_rearm_rto). */
export function rearmRto(t: Tcb): void {
  // Before the handshake's end only the SYN-ACK is sent again.
  if (t.fastOpen !== null && t.fastOpen.request !== null) return
  if (t.packetsOut === 0) {
    stopRexmt(t)
    return
  }
  let delay = t.rto
  if (t.pendingTimer === PENDING_REO || t.pendingTimer === PENDING_TLP) {
    // The time already gone since the oldest segment left counts.
    const head = t.txHead
    if (head !== null) delay = Math.max(head.txTime + t.rto - t.tcp.now, 1000)
  }
  armRexmt(t, PENDING_RTO, delay)
}

/** Keeps a zero-window probe pending while there is unsent data and nothing out (tcp_check_probe_timer). */
export function armProbe(t: Tcb): void {
  if (t.packetsOut === 0 && t.pendingTimer === PENDING_NONE) armRexmt(t, PENDING_PROBE, Math.max(t.rto, 200000))
}

/** Microseconds until the next probe (tcp_probe0_when). */
export function probeDelay(t: Tcb, most: Micros): Micros {
  return Math.min(Math.max(t.rto, 200000) * 2 ** Math.min(t.backoff, 30), most)
}

/** Restarts the keep-alive timer, `delay` microseconds from now. */
export function startKeep(t: Tcb, delay: Micros): void {
  startTimer(t, TIMER_KEEP, t.stack.clock.now() + delay)
}

export function stopKeep(t: Tcb): void {
  if (t.keepTimer !== null) t.stack.clock.stop(t.keepTimer)
}

export const keepIdle = (t: Tcb): Micros =>
  (t.tuning.keepIdle > 0 ? t.tuning.keepIdle : t.stack.sysctl.tcp_keepalive_time) * 1000000
export const keepInterval = (t: Tcb): Micros =>
  (t.tuning.keepInterval > 0 ? t.tuning.keepInterval : t.stack.sysctl.tcp_keepalive_intvl) * 1000000
export const keepProbes = (t: Tcb): number =>
  t.tuning.keepCount > 0 ? t.tuning.keepCount : t.stack.sysctl.tcp_keepalive_probes
