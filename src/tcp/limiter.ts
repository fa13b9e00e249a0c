/**
 * Why a connection is slow or stuck: what holds it up at this moment, and for how long which did. Linux's chronographs
 * (stats.ts) know the peer's window and the send buffer; this is finer and names the rest.
 */
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT } from '../sock/sock.ts'
import { add, diff } from './seq.ts'
import { CHRONO_SNDBUF, chronoMs } from './stats.ts'
import type { Tcb } from './tcb.ts'
import { OPT_NOSPACE } from './tcb.ts'
import { inFlight } from './tx-queue.ts'

/** All is sent and under way, or there is no connection. */
export const LIMIT_NOTHING = 0
/** The handshake is not over. */
export const LIMIT_HANDSHAKE = 1
/** The program gives nothing to send, or wants it held back (Nagle, TCP_CORK). */
export const LIMIT_APPLICATION = 2
/** The program waits for room in the send buffer, and all of it is under way. */
export const LIMIT_SEND_BUFFER = 3
/** The congestion window. */
export const LIMIT_CWND = 4
/** The peer's window. */
export const LIMIT_PEER_WINDOW = 5
/** The time of the next segment has not come. */
export const LIMIT_PACING = 6
/** The peer may send nothing: our program does not read. */
export const LIMIT_RECEIVE_BUFFER = 7

/** Names by the numbers above, as `ss -i` shows them. */
export const LIMITER_NAMES: readonly string[] = [
  'nothing',
  'handshake',
  'application',
  'send-buffer',
  'cwnd',
  'peer-window',
  'pacing',
  'receive-buffer',
]

/** Milliseconds that a connection was held up, by cause; made when something first does that lies outside of the program. */
export class LimitTimes {
  /** What holds the sender up since `since`; whether our window is closed, and since when. */
  sending: number = LIMIT_NOTHING
  since = 0
  isClosed = false
  closedAt = 0
  readonly spent: number[] = [0, 0, 0, 0, 0, 0, 0, 0]

  /** From `now` on it is `limit`. */
  turn(limit: number, now: number): void {
    this.spent[this.sending] = (this.spent[this.sending] as number) + ((now - this.since) | 0)
    this.sending = limit
    this.since = now
  }
}

/** The sender stopped for `limit`; called with each round of sending. */
export function noteLimit(t: Tcb, limit: number): void {
  const s = t.stats
  if (s === null) return
  if (s.limits === null) {
    if (limit <= LIMIT_APPLICATION) return
    s.limits = new LimitTimes()
    s.limits.since = t.tcp.nowMs()
  }
  if (s.limits.sending !== limit) s.limits.turn(limit, t.tcp.nowMs())
}

/** What holds `t` up now: one of the numbers above. */
export function limiterOf(t: Tcb): number {
  if (t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV) return LIMIT_HANDSHAKE
  if (t.state === TCP_CLOSE || t.state === TCP_LISTEN || t.state === TCP_TIME_WAIT) return LIMIT_NOTHING
  const head = t.sendHead
  if (head !== null) {
    if (t.pacing !== null && t.pacing.nextAt > t.stack.clock.now()) return LIMIT_PACING
    if (inFlight(t) >= t.snd.cwnd) return LIMIT_CWND
    const room = diff(add(t.snd.una, t.snd.wnd), head.seq)
    return room < Math.min(head.bytes, t.snd.mss) ? LIMIT_PEER_WINDOW : LIMIT_APPLICATION
  }
  if (t.packetsOut > 0 && (t.opt & OPT_NOSPACE) !== 0) return LIMIT_SEND_BUFFER
  if (isClosed(t)) return LIMIT_RECEIVE_BUFFER
  return t.packetsOut > 0 ? LIMIT_NOTHING : LIMIT_APPLICATION
}

/** Our window is shut because of what the program has not read. */
const isClosed = ({ rcv, rcvHead }: Tcb): boolean =>
  rcvHead !== null && diff(add(rcv.wup, rcv.wnd), rcv.nxt) < 1 << rcv.wscale

/** Milliseconds for which `limit` held `t` up until now; of the handshake only while it lasts. */
export function limitedMs(t: Tcb, limit: number): number {
  t.tcp.now = t.stack.clock.now()
  const now = t.tcp.nowMs()
  if (limit === LIMIT_HANDSHAKE) return limiterOf(t) === limit ? (now - t.snd.cwndStamp) | 0 : 0
  if (limit === LIMIT_SEND_BUFFER) return chronoMs(t, CHRONO_SNDBUF)
  const limits = t.stats?.limits ?? null
  if (limits === null) return 0
  const spent = limits.spent[limit] as number
  if (limit === LIMIT_RECEIVE_BUFFER) return spent + (limits.isClosed ? (now - limits.closedAt) | 0 : 0)
  return spent + (limits.sending === limit ? (now - limits.since) | 0 : 0)
}

/** Our window was shut, or opened again. */
export function noteWindow(t: Tcb, isShut: boolean): void {
  const s = t.stats
  if (s === null || (s.limits === null && !isShut)) return
  s.limits ??= new LimitTimes()
  const limits = s.limits
  if (limits.isClosed === isShut) return
  const now = t.tcp.nowMs()
  if (!isShut) {
    limits.spent[LIMIT_RECEIVE_BUFFER] = (limits.spent[LIMIT_RECEIVE_BUFFER] as number) + ((now - limits.closedAt) | 0)
  }
  limits.isClosed = isShut
  limits.closedAt = now
}
