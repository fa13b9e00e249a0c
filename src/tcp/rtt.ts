/** Round-trip time and retransmission timeout: RFC 6298 with Linux's estimator (tcp_rtt_estimator; LINUX-TCP 19). */
import type { Micros } from '../sys/clock.ts'
import { after } from './seq.ts'
import type { Tcb } from './tcb.ts'

/** Initial RTO, RFC 6298 (2.1): 1 s. */
export const INITIAL_RTO = 1000000

/** RTO of a connection whose handshake told nothing of the RTT (TCP_TIMEOUT_FALLBACK): 3 s. */
export const FALLBACK_RTO = 3000000

/** Longest timeout of anything (TCP_RTO_MAX). */
export const TCP_RTO_MAX: Micros = 120_000_000

/** Bounds of the RTO: TCP_RTO_MAX_MS and TCP_RTO_MIN_US, or the host's (tcp_rto_max, tcp_rto_min). */
export const rtoMax = (t: Tcb): Micros => (t.tuning.rtoMaxMs || t.stack.sysctl.tcp_rto_max_ms) * 1000
export const rtoMin = (t: Tcb): Micros => t.tuning.rtoMinUs || t.stack.sysctl.tcp_rto_min_us

/** Takes in one sample in microseconds; `srtt` is kept times 8 and `mdev`, `rttvar` times 4. */
export function sampleRtt(t: Tcb, sample: number): void {
  let m = Math.max(1, sample)
  let srtt = t.srtt
  const least = rtoMin(t)
  if (srtt !== 0) {
    m -= srtt >> 3
    srtt += m
    if (m < 0) {
      m = -m
      m -= t.mdev >> 2
      // A sudden drop of the RTT must not blow the deviation up.
      if (m > 0) m >>= 3
    } else m -= t.mdev >> 2
    t.mdev += m
    if (t.mdev > t.mdevMax) {
      t.mdevMax = t.mdev
      if (t.mdevMax > t.rttvar) t.rttvar = t.mdevMax
    }
    if (after(t.snd.una, t.rttSeq)) {
      if (t.mdevMax < t.rttvar) t.rttvar -= (t.rttvar - t.mdevMax) >> 2
      t.rttSeq = t.snd.nxt
      t.mdevMax = least
    }
  } else {
    srtt = m << 3
    t.mdev = m << 1
    t.rttvar = Math.max(t.mdev, least)
    t.mdevMax = t.rttvar
    t.rttSeq = t.snd.nxt
  }
  t.srtt = Math.max(1, srtt)
}

/** RTO from the estimate, within the host's bounds (tcp_set_rto). */
export function setRto(t: Tcb): void {
  t.rto = Math.min((t.srtt >> 3) + t.rttvar, rtoMax(t))
}

/** Keeps the smallest RTT of the last tcp_min_rtt_wlen seconds (tcp_update_rtt_min, with one window). */
export function updateMinRtt(t: Tcb, rttUs: number): void {
  // Delayed ones would raise the minimum when it expires.
  if (t.tcp.rate.isAckDelayed && rttUs > t.minRtt) return
  const window = t.stack.sysctl.tcp_min_rtt_wlen * 1000
  const now = t.tcp.nowMs()
  if (rttUs <= t.minRtt || ((now - t.minRttTime) | 0) > window) {
    t.minRtt = Math.max(1, rttUs)
    t.minRttTime = now
  }
}

/**
 * What an acknowledgement tells about the RTT (tcp_ack_update_rtt). `seqRtt`: from the first of the segments that were never sent
 * twice; `sackRtt`: from the first of the SACKed ones; `caRtt`: from the last of either; -1 if none. Falls back to the echoed
 * timestamp if something was `acked` as a whole. True if there was a sample; that for controllers is in `rate.rtt`.
 */
export function ackRtt(t: Tcb, acked: boolean, seqRtt: number, sackRtt: number, caRtt: number): boolean {
  if (seqRtt < 0) seqRtt = sackRtt
  if (seqRtt < 0 && t.rcvTsEcr !== 0 && acked && (t.opt & 1) !== 0) {
    const delta = (t.tcp.nowMs() + t.tsOffset - t.rcvTsEcr) | 0
    if (delta >= 0 && delta < 0x7fffffff / 1000) seqRtt = caRtt = Math.max(1, delta) * 1000
  }
  t.tcp.rate.rtt = caRtt
  if (seqRtt < 0) return false
  updateMinRtt(t, caRtt)
  sampleRtt(t, seqRtt)
  setRto(t)
  t.backoff = 0
  return true
}
