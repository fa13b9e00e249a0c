/**
 * Delivery rate: how many segments the network delivered in how long, sampled at each acknowledgement (tcp_rate.c,
 * draft-cheng-iccrg-delivery-rate-estimation). BBR works on the samples; TCP_INFO tells the best recent one.
 */
import { after, diff } from './seq.ts'
import { statsOf } from './stats.ts'
import type { Tcb } from './tcb.ts'
import { inFlight } from './tx-queue.ts'
import { SACKED, type TxSegment } from './tx-segment.ts'

/** What the acknowledgement in hand tells (struct rate_sample). One a host, reused. */
export class RateSample {
  /** `delivered` and the time of it when the newest of the acknowledged segments was sent; time 0: no sample. */
  priorTime = 0
  priorDelivered = 0
  /** Segments delivered over `interval` microseconds; -1: not known. */
  delivered = 0
  interval = 0
  isAppLimited = false
  /** The acknowledgement may have waited at the peer (FLAG_ACK_MAYBE_DELAYED): its RTT is too long. */
  isAckDelayed = false
  lastEndSeq = 0
  /** RTT of the last segment (S)ACKed, in microseconds, or -1. */
  rtt = -1
  /** Segments marked lost, delivered and in flight before, by this acknowledgement. */
  losses = 0
  acked = 0
  priorInFlight = 0

  /** For the acknowledgement that begins. */
  begin(t: Tcb): void {
    this.priorTime = this.priorDelivered = this.interval = 0
    this.isAppLimited = this.isAckDelayed = false
    this.rtt = -1
    this.priorInFlight = inFlight(t)
  }
}

/** A segment leaves: remember what was delivered by now (tcp_rate_skb_sent). */
export function rateSent(t: Tcb, segment: TxSegment): void {
  const v = statsOf(t)
  // Nothing out: the interval begins here, not when the last flight ended.
  if (t.packetsOut === 0) v.firstTxTime = v.deliveredTime = segment.txTime
  segment.firstTxTime = v.firstTxTime
  segment.deliveredTime = v.deliveredTime
  segment.delivered = t.delivered
  segment.isAppLimited = v.appLimited !== 0
}

/** A segment was delivered: the sample is that of the one sent last (tcp_rate_skb_delivered). */
export function rateDelivered(t: Tcb, segment: TxSegment): void {
  const rs = t.tcp.rate
  const v = t.stats
  if (segment.deliveredTime === 0 || v === null) return
  const sent = segment.txTime
  const isNewest =
    rs.priorTime === 0 || sent > v.firstTxTime || (sent === v.firstTxTime && after(segment.endSeq, rs.lastEndSeq))
  if (isNewest) {
    rs.priorDelivered = segment.delivered
    rs.priorTime = segment.deliveredTime
    rs.isAppLimited = segment.isAppLimited
    rs.lastEndSeq = segment.endSeq
    v.firstTxTime = sent
    rs.interval = sent - segment.firstTxTime
  }
  // A SACKed one is not counted again when it is acknowledged.
  if ((segment.sacked & SACKED) !== 0) segment.deliveredTime = 0
}

/** All of the acknowledgement is known: the sample (tcp_rate_gen). */
export function rateSampled(t: Tcb, delivered: number, lost: number, isReneging: boolean): void {
  const rs = t.tcp.rate
  const v = t.stats
  rs.acked = delivered
  rs.losses = lost
  if (v === null) return
  if (v.appLimited !== 0 && after(t.delivered, v.appLimited)) v.appLimited = 0
  if (delivered > 0) v.deliveredTime = t.tcp.now
  if (rs.priorTime === 0 || isReneging) {
    rs.delivered = rs.interval = -1
    return
  }
  rs.delivered = t.delivered - rs.priorDelivered
  // The slower of sending and acknowledging: bursts of either would look too fast.
  rs.interval = Math.max(rs.interval, t.tcp.now - rs.priorTime)
  // Faster than the path can be: a retransmission's acknowledgement was the original's.
  if (rs.interval < t.minRtt) {
    rs.interval = -1
    return
  }
  if (!rs.isAppLimited || rs.delivered * v.rateInterval >= v.rateDelivered * rs.interval) {
    v.rateDelivered = rs.delivered
    v.rateInterval = rs.interval
    v.isRateAppLimited = rs.isAppLimited
  }
}

/** The program writes: has it left the network idle (tcp_rate_check_app_limited)? */
export function checkAppLimited(t: Tcb): void {
  const unsent = diff(t.snd.writeSeq, t.snd.nxt)
  if (t.stats === null || unsent >= t.snd.mss || inFlight(t) >= t.snd.cwnd || t.lostOut > t.retransOut) return
  markAppLimited(t)
}

/** Samples of what is out now say more about the program than about the path. */
export function markAppLimited(t: Tcb): void {
  statsOf(t).appLimited = t.delivered + inFlight(t) || 1
}

/** Bytes a second of the best recent sample (tcp_compute_delivery_rate). */
export function deliveryRate(t: Tcb): number {
  const v = t.stats
  if (v === null || v.rateInterval === 0) return 0
  return Math.floor((v.rateDelivered * t.snd.mss * 1e6) / v.rateInterval)
}
