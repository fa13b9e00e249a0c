/** The timer that runs for a socket, as /proc/net/tcp and sock_diag(7) tell it (get_tcp4_sock, inet_sk_diag_fill). */

import { Sock } from '../sock/sock.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { Tcb } from '../tcp/tcb.ts'
import { PENDING_NONE, PENDING_PROBE } from '../tcp/timer.ts'
import { TimeWait } from '../tcp/timewait.ts'
import type { SocketRow } from './socket-table.ts'

/** idiag_timer: the kernel's number of each kind of timer. */
export const TIMER_OFF = 0
export const TIMER_RETRANSMIT = 1
export const TIMER_KEEPALIVE = 2
export const TIMER_TIMEWAIT = 3
export const TIMER_PROBE = 4

export interface SocketTimer {
  /** A TIMER_ number. */
  readonly kind: number
  /** Microseconds left; 0 when it is off or due. */
  readonly left: Micros
  readonly retransmits: number
  /** Zero-window and keep-alive probes without an answer. */
  readonly probes: number
}

export const NO_TIMER: SocketTimer = { kind: TIMER_OFF, left: 0, retransmits: 0, probes: 0 }

/** The retransmission's or the probe's timer first, then keep-alive's. */
export function socketTimer({ source }: SocketRow, clock: Clock): SocketTimer {
  const timer = (kind: number, deadline: Micros, retransmits: number, probes: number): SocketTimer => {
    return { kind, left: Math.max(0, deadline - clock.now()), retransmits, probes }
  }
  if (source instanceof Tcb) {
    const { pendingTimer, rexmtTimer, keepTimer, retransmits, probesOut } = source
    if (pendingTimer !== PENDING_NONE && rexmtTimer !== null) {
      const kind = pendingTimer === PENDING_PROBE ? TIMER_PROBE : TIMER_RETRANSMIT
      return timer(kind, rexmtTimer.deadline, retransmits, probesOut)
    }
    if (keepTimer !== null && keepTimer.deadline !== Infinity)
      return timer(TIMER_KEEPALIVE, keepTimer.deadline, retransmits, probesOut)
    return { kind: TIMER_OFF, left: 0, retransmits, probes: probesOut }
  }
  if (source instanceof TimeWait) return timer(TIMER_TIMEWAIT, source.deadline, 0, 0)
  if (source !== undefined && !(source instanceof Sock))
    return timer(TIMER_RETRANSMIT, source.deadline, source.retries, 0)
  return NO_TIMER
}
