/** Reno: RFC 5681 slow start and congestion avoidance, counted in segments (tcp_cong.c). */
import type { CongestionControl } from './congestion.ts'
import { isCwndLimited } from './cwnd.ts'
import type { Tcb } from './tcb.ts'

/** Slow start: a segment for every one acknowledged, up to ssthresh; what is left over (tcp_slow_start). */
export function slowStart(t: Tcb, acked: number): number {
  const snd = t.snd
  const cwnd = Math.min(snd.cwnd + acked, snd.ssthresh)
  const left = acked - (cwnd - snd.cwnd)
  snd.cwnd = Math.min(cwnd, snd.cwndClamp)
  return left
}

/** Congestion avoidance: one segment more for every `window` acknowledged (tcp_cong_avoid_ai). */
export function additiveIncrease(t: Tcb, window: number, acked: number): void {
  const snd = t.snd
  if (snd.cwndCnt >= window) {
    snd.cwndCnt = 0
    snd.cwnd++
  }
  snd.cwndCnt += acked
  if (snd.cwndCnt >= window) {
    const more = Math.floor(snd.cwndCnt / window)
    snd.cwndCnt -= more * window
    snd.cwnd += more
  }
  snd.cwnd = Math.min(snd.cwnd, snd.cwndClamp)
}

export const RENO: CongestionControl = {
  name: 'reno',
  ssthresh: (t: Tcb): number => Math.max(t.snd.cwnd >> 1, 2),
  avoid(t: Tcb, _ack: number, acked: number): void {
    if (!isCwndLimited(t)) return
    if (t.snd.cwnd < t.snd.ssthresh) {
      acked = slowStart(t, acked)
      if (acked === 0) return
    }
    additiveIncrease(t, t.snd.cwnd, acked)
  },
  undoCwnd: (t: Tcb): number => Math.max(t.snd.cwnd, t.recovery === null ? 0 : t.recovery.priorCwnd),
}
