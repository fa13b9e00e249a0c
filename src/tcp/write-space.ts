/** The send buffer: how large it may grow, and when a writer is woken (sk_stream_is_writeable, tcp_check_space). */
import { SF_SNDBUF_LOCK } from '../sock/sock.ts'
import { POLLOUT, POLLWRBAND, POLLWRNORM } from '../sock/wait-queue.ts'
import { mayGrow } from './memory.ts'
import { diff } from './seq.ts'
import { CHRONO_SNDBUF, stopChrono } from './stats.ts'
import { INIT_CWND, OPT_NOSPACE, type Tcb } from './tcb.ts'
import { inFlight } from './tx-queue.ts'

/** Room for two windows of what the congestion window allows (tcp_sndbuf_expand). */
export function expandSendBuffer(t: Tcb): void {
  if (t.isFlag(SF_SNDBUF_LOCK)) return
  // What a segment costs: its buffer, of a power of two with the headers, and struct sk_buff.
  const perSegment = (1 << (32 - Math.clz32(Math.max(t.snd.mssClamp, t.snd.mss) + 639))) + 256
  const segments = Math.max(INIT_CWND, t.snd.cwnd, t.reordering + 1)
  const want = (t.ca.sndbufExpand ?? 2) * segments * perSegment
  if (t.sndbuf < want) t.sndbuf = Math.min(want, t.stack.sysctl.tcp_wmem[2] as number)
}

/** Acknowledged data left the send buffer: writers may go on (tcp_check_space). */
export function newSpace(t: Tcb): void {
  if ((t.opt & OPT_NOSPACE) === 0) return
  // tcp_should_expand_sndbuf
  if (mayGrow(t) && inFlight(t) < t.snd.cwnd) expandSendBuffer(t)
  if (!isWritable(t)) return
  t.opt &= ~OPT_NOSPACE
  stopChrono(t, CHRONO_SNDBUF)
  t.wake(POLLOUT | POLLWRNORM | POLLWRBAND)
}

/** TCP_NOTSENT_LOWAT, or the host's; more than can be unsent is none. */
export const notsentLowat = (t: Tcb): number =>
  Math.min(t.tuning.notsentLowat > 0 ? t.tuning.notsentLowat : t.stack.sysctl.tcp_notsent_lowat, 0x7fffffff)

/** May a writer put another segment into the queue (sk_stream_memory_free)? */
export const hasRoom = (t: Tcb): boolean => t.wmemQueued < t.sndbuf && diff(t.snd.writeSeq, t.snd.nxt) < notsentLowat(t)

/** A third of the send buffer is free, and less than half of TCP_NOTSENT_LOWAT unsent (sk_stream_is_writeable). */
export const isWritable = (t: Tcb): boolean =>
  t.sndbuf - t.wmemQueued >= t.wmemQueued >> 1 && 2 * diff(t.snd.writeSeq, t.snd.nxt) < notsentLowat(t)
