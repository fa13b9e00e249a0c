/** Changes of state and the ends of a connection: who is told what (Linux tcp_set_state, tcp_done, tcp_reset). */

import {
  SF_BINDPORT_LOCK,
  SF_DEAD,
  SHUTDOWN_MASK,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../sock/sock.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../sock/wait-queue.ts'
import { ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT } from '../sys/errno.ts'
import { judgeFastOpen } from './fastopen-pause.ts'
import { settleMemory } from './memory.ts'
import { releaseQueues } from './receive-queue.ts'
import type { Tcb } from './tcb.ts'
import { clearTimers } from './timer.ts'
import { purgeQueue } from './tx-queue.ts'

/** Everything may have changed: readers, writers and watchers look again (sk_error_report, sk_state_change). */
export const WAKE_ALL: number = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP | POLLRDNORM | POLLWRNORM

export function setState(t: Tcb, state: number): void {
  const old = t.state
  if (old === state) return
  const counters = t.stack.counters
  const wasHashed = t.hashed
  if (state === TCP_ESTABLISHED) counters.TcpCurrEstab++
  if (state === TCP_CLOSE) {
    releaseRequest(t)
    if (old === TCP_CLOSE_WAIT || old === TCP_ESTABLISHED) counters.TcpEstabResets++
    t.tcp.unhash(t)
    if (t.portBucket !== null && !t.isFlag(SF_BINDPORT_LOCK)) t.tcp.ports.release(t)
  }
  if (old === TCP_ESTABLISHED || (old === TCP_CLOSE_WAIT && state !== TCP_CLOSE_WAIT)) {
    if (!(old === TCP_ESTABLISHED && state === TCP_CLOSE_WAIT)) counters.TcpCurrEstab--
  }
  t.state = state
  // A TIME-WAIT goes on in a record of its own, which reports its end itself.
  const movedOn = old === TCP_TIME_WAIT || (old === TCP_FIN_WAIT2 && !wasHashed)
  if (!movedOn) t.stack.trace.tcpState?.(t, old, state, t.stack.name)
}

/** A Fast Open child needs its half-open request no more (reqsk_fastopen_remove). */
export function releaseRequest(t: Tcb): void {
  const request = t.fastOpen?.request ?? null
  if (request === null || t.fastOpen === null) return
  t.fastOpen.request = null
  t.tcp.clock.remove(request)
  const listener = request.listener.fastOpen
  if (listener !== null) listener.queued--
}

/** A RST is owed when these states end without a close (tcp_need_reset). */
export const needsReset = (state: number): boolean =>
  state === TCP_ESTABLISHED ||
  state === TCP_CLOSE_WAIT ||
  state === TCP_FIN_WAIT1 ||
  state === TCP_FIN_WAIT2 ||
  state === TCP_SYN_RECV

/** The connection is over; what is left is for its owner to read (tcp_done). */
export function connectionDone(t: Tcb): void {
  if (t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV) t.stack.counters.TcpAttemptFails++
  setState(t, TCP_CLOSE)
  clearTimers(t)
  t.shutdownMask = SHUTDOWN_MASK
  if (t.isFlag(SF_DEAD)) destroy(t)
  else t.wake(WAKE_ALL)
}

/** Nothing and nobody needs it any more. */
export function destroy(t: Tcb): void {
  judgeFastOpen(t)
  clearTimers(t)
  purgeQueue(t)
  releaseQueues(t)
  settleMemory(t)
  if (t.isOrphan) {
    t.isOrphan = false
    t.tcp.memory.orphans--
  }
  t.errorQueue?.purge()
  t.tcp.unhash(t)
  t.tcp.ports.release(t)
  t.tcp.forget(t)
  t.dst = null
}

/** We gave up waiting for the peer (tcp_write_err). */
export function writeError(t: Tcb): void {
  t.error = t.softError !== 0 ? t.softError : ETIMEDOUT
  t.stack.counters.TcpExtTCPAbortOnTimeout++
  purgeQueue(t)
  connectionDone(t)
}

/** The peer reset the connection (tcp_reset). */
export function peerReset(t: Tcb): void {
  if (t.state === TCP_CLOSE) return
  t.error = t.state === TCP_SYN_SENT ? ECONNREFUSED : t.state === TCP_CLOSE_WAIT ? EPIPE : ECONNRESET
  purgeQueue(t)
  connectionDone(t)
}

/** Ends a connection at once with an error for its owner; the caller sent or did not send a RST. */
export function abort(t: Tcb, error: number): void {
  t.error = error
  purgeQueue(t)
  connectionDone(t)
}
