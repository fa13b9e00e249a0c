/**
 * Time stamps of what a program sent, on its error queue (SO_TIMESTAMPING, Documentation/networking/timestamping.rst): when
 * the last byte of a send call entered the device's queue (SCHED), left (SND), and was acknowledged (ACK).
 */

import { MSG_ERRQUEUE, MSG_TRUNC } from '../sock/constants.ts'
import { type Message, TCP_CLOSE, TCP_LISTEN } from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import { EAGAIN, EINVAL, ENOMSG } from '../sys/errno.ts'
import { after, before, diff } from './seq.ts'
import type { Tcb } from './tcb.ts'
import type { TxSegment } from './tx-segment.ts'

/** Bits of SO_TIMESTAMPING. */
export const SOF_TX_SOFTWARE = 2
export const SOF_SOFTWARE = 16
export const SOF_OPT_ID = 128
export const SOF_TX_SCHED = 256
export const SOF_TX_ACK = 512
export const SOF_OPT_TSONLY = 2048
export const SOF_OPT_ID_TCP = 65536
const SOF_MASK = 0x7ffff
const SOF_TX_RECORD = SOF_TX_SOFTWARE | SOF_TX_SCHED | SOF_TX_ACK

/** Kinds of stamps (SCM_TSTAMP_). */
export const TSTAMP_SND = 0
export const TSTAMP_SCHED = 1
export const TSTAMP_ACK = 2

/** Stamps a program may leave unread; later ones are dropped (Linux charges them to SO_RCVBUF). */
export const STAMP_LIMIT = 512

const SO_EE_ORIGIN_TIMESTAMPING = 4

/** A stamp on the error queue: microseconds of wall-clock time, its kind, and the number of the byte. */
interface Stamp {
  readonly time: number
  readonly kind: number
  readonly id: number
}

/** What a socket that stamps remembers. */
export class TxStamps {
  flags = 0
  /** Sequence number that byte numbers count from (sk_tskey). */
  base = 0
  readonly queue: Stamp[] = []
}

/** SO_TIMESTAMPING (sock_set_timestamping): 0 or -EINVAL. */
export function setStamping(t: Tcb, flags: number): number {
  if ((flags & ~SOF_MASK) !== 0) return -EINVAL
  const stamps = (t.stamps ??= new TxStamps())
  if ((flags & SOF_OPT_ID) !== 0 && (stamps.flags & SOF_OPT_ID) === 0) {
    if (t.state === TCP_CLOSE || t.state === TCP_LISTEN) return -EINVAL
    stamps.base = (flags & SOF_OPT_ID_TCP) !== 0 ? t.snd.writeSeq : t.snd.una
  }
  stamps.flags = flags
  return 0
}

/** The end of a send call: its last byte is to be stamped (tcp_tx_timestamp). */
export function markStamp(t: Tcb, segment: TxSegment): void {
  const flags = t.stamps === null ? 0 : t.stamps.flags & SOF_TX_RECORD
  if (flags === 0 || segment.bytes === 0) return
  segment.stampFlags |= flags
  segment.stampSeq = (segment.seq + segment.bytes - 1) | 0
}

/** The segment left this host (skb_tx_timestamp). */
export function stampSent(t: Tcb, segment: TxSegment): void {
  if ((segment.stampFlags & SOF_TX_SCHED) !== 0) report(t, TSTAMP_SCHED, segment.stampSeq)
  if ((segment.stampFlags & SOF_TX_SOFTWARE) !== 0) report(t, TSTAMP_SND, segment.stampSeq)
  segment.stampFlags &= SOF_TX_ACK
}

/** SND.UNA has moved; was the stamped byte of this segment acknowledged by that (tcp_ack_tstamp)? */
export function stampAcked(t: Tcb, segment: TxSegment, priorUna: number): void {
  if ((segment.stampFlags & SOF_TX_ACK) === 0) return
  if (before(segment.stampSeq, priorUna) || !after(t.snd.una, segment.stampSeq)) return
  segment.stampFlags = 0
  report(t, TSTAMP_ACK, segment.stampSeq)
}

function report(t: Tcb, kind: number, seq: number): void {
  const stamps = t.stamps
  if (stamps === null || stamps.queue.length >= STAMP_LIMIT) return
  const id = (stamps.flags & SOF_OPT_ID) !== 0 ? diff(seq, stamps.base) : 0
  stamps.queue.push({ time: t.stack.clock.epoch + t.stack.clock.now(), kind, id })
  t.wake(POLLERR)
}

/** recvmsg with MSG_ERRQUEUE: the oldest stamp as control messages; 0 or -EAGAIN (ip_recv_error). */
export function readStamp(t: Tcb, message: Message | null): number {
  const stamps = t.stamps
  const stamp = stamps?.queue.shift()
  if (stamps === null || stamp === undefined) return -EAGAIN
  if (message === null) return 0
  message.flags |= MSG_ERRQUEUE | ((stamps.flags & SOF_OPT_TSONLY) !== 0 ? 0 : MSG_TRUNC)
  if (message.control === null) return 0
  if ((stamps.flags & SOF_SOFTWARE) !== 0) {
    const seconds = Math.floor(stamp.time / 1000000)
    message.control.push({ level: 1, type: 37, data: [seconds, (stamp.time - seconds * 1000000) * 1000, 0, 0, 0, 0] })
  }
  message.control.push({ level: 0, type: 11, data: [ENOMSG, SO_EE_ORIGIN_TIMESTAMPING, 0, 0, 0, stamp.kind, stamp.id] })
  return 0
}
