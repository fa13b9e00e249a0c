/**
 * Time stamps of what a program sent, on its error queue (SO_TIMESTAMPING, Documentation/networking/timestamping.rst): when
 * the last byte of a send call entered the device's queue (SCHED), left (SND), and was acknowledged (ACK).
 */

import { queueStamp } from '../sock/error-queue.ts'
import { TCP_CLOSE, TCP_LISTEN } from '../sock/sock.ts'
import {
  SOF_MASK,
  SOF_OPT_ID,
  SOF_OPT_ID_TCP,
  SOF_TX,
  SOF_TX_ACK,
  SOF_TX_SCHED,
  SOF_TX_SOFTWARE,
  TSTAMP_ACK,
  TSTAMP_SCHED,
  TSTAMP_SND,
} from '../sock/stamping.ts'
import { EINVAL } from '../sys/errno.ts'
import { after, before, diff } from './seq.ts'
import type { Tcb } from './tcb.ts'
import type { TxSegment } from './tx-segment.ts'

/** What a socket that stamps remembers. */
export class TxStamps {
  /** Sequence number that byte numbers count from (sk_tskey). */
  base = 0
}

/** SO_TIMESTAMPING (sock_set_timestamping): 0 or -EINVAL. */
export function setStamping(t: Tcb, flags: number): number {
  if ((flags & ~SOF_MASK) !== 0) return -EINVAL
  const stamps = (t.stamps ??= new TxStamps())
  if ((flags & SOF_OPT_ID) !== 0 && (t.settings.tsflags & SOF_OPT_ID) === 0) {
    if (t.state === TCP_CLOSE || t.state === TCP_LISTEN) return -EINVAL
    stamps.base = (flags & SOF_OPT_ID_TCP) !== 0 ? t.snd.writeSeq : t.snd.una
  }
  t.settings = t.settings.with('tsflags', flags)
  return 0
}

/** The end of a send call: its last byte is to be stamped as `tsflags` say (tcp_tx_timestamp). */
export function markStamp(segment: TxSegment, tsflags: number): void {
  const flags = tsflags & SOF_TX
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
  const hasId = (t.settings.tsflags & SOF_OPT_ID) !== 0
  queueStamp(t, kind, hasId && stamps !== null ? diff(seq, stamps.base) : 0)
}
