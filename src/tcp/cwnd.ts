/** The congestion window's honesty: grown only when used, shrunk when idle (RFC 7661, RFC 2861, RFC 5681 §4.1). */
import { before } from './seq.ts'
import { noteBufferLimit } from './stats.ts'
import { CA_CWR, CA_RECOVERY, INIT_CWND, type Tcb } from './tcb.ts'

/** Keeps cwnd honest when the program or the peer is the limit (RFC 7661, tcp_cwnd_validate). */
export function validateCwnd(t: Tcb, cwndLimited: boolean): void {
  const snd = t.snd
  if (!before(snd.una, snd.cwndUsageSeq) || cwndLimited || (!snd.isCwndLimited && t.packetsOut > snd.maxPacketsOut)) {
    snd.isCwndLimited = cwndLimited
    snd.maxPacketsOut = t.packetsOut
    snd.cwndUsageSeq = snd.nxt
  }
  if (isCwndLimited(t)) {
    snd.cwndUsed = 0
    snd.cwndStamp = t.tcp.nowMs()
    return
  }
  if (t.packetsOut > snd.cwndUsed) snd.cwndUsed = t.packetsOut
  noteBufferLimit(t)
  if (t.stack.sysctl.tcp_slow_start_after_idle !== 0 && ((t.tcp.nowMs() - snd.cwndStamp) | 0) * 1000 >= t.rto) {
    applicationLimited(t)
  }
}

/** Did the last flight use the window, so that it may grow (tcp_is_cwnd_limited; LINUX-TCP 15)? */
export function isCwndLimited(t: Tcb): boolean {
  if (t.snd.isCwndLimited) return true
  return t.snd.cwnd < t.snd.ssthresh && t.snd.cwnd < 2 * t.snd.maxPacketsOut
}

/** RFC 2861: a window not used for an RTO shrinks half-way to what was used (tcp_cwnd_application_limited). */
function applicationLimited(t: Tcb): void {
  const snd = t.snd
  if (t.caState === 0) {
    const used = Math.max(snd.cwndUsed, INIT_CWND)
    if (used < snd.cwnd) {
      snd.ssthresh = currentSsthresh(t)
      snd.cwnd = (snd.cwnd + used) >> 1
    }
    snd.cwndUsed = 0
  }
  snd.cwndStamp = t.tcp.nowMs()
}

/** ssthresh as idle restart keeps it: not below three quarters of the window (tcp_current_ssthresh). */
export function currentSsthresh(t: Tcb): number {
  if (t.caState === CA_CWR || t.caState === CA_RECOVERY) return t.snd.ssthresh
  return Math.max(t.snd.ssthresh, (t.snd.cwnd >> 1) + (t.snd.cwnd >> 2))
}

/** After more than an RTO of silence the window starts small again (RFC 5681 §4.1, tcp_slow_start_after_idle_check). */
export function restartAfterIdle(t: Tcb): void {
  if (t.stack.sysctl.tcp_slow_start_after_idle === 0 || t.packetsOut > 0 || t.ca.control !== undefined) return
  let idle = ((t.tcp.nowMs() - t.lastSentTime) | 0) * 1000
  if (idle <= t.rto) return
  t.ca.onEvent?.(t, 'cwnd-restart')
  t.snd.ssthresh = currentSsthresh(t)
  let cwnd = t.snd.cwnd
  const least = Math.min(INIT_CWND, cwnd)
  for (idle -= t.rto; idle > 0 && cwnd > least; idle -= t.rto) cwnd >>= 1
  t.snd.cwnd = Math.max(cwnd, least)
  t.snd.cwndStamp = t.tcp.nowMs()
  t.snd.cwndUsed = 0
}
