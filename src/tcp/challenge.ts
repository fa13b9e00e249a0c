/** Challenge ACKs (RFC 5961 §3.2, §4.2, §5.2) and the limit on answers to segments out of window (LINUX-TCP 31). */
import { SYN } from '../wire/tcp.ts'
import type { Segment } from './segment.ts'
import { before } from './seq.ts'
import { OPT_SACK, type Tcb } from './tcb.ts'
import { sendAck } from './transmit.ts'
import { setDsack } from './dsack.ts'
import { enterQuickAck, MAX_QUICKACKS } from './quick-ack.ts'

/** Too soon after the last such answer (__tcp_oow_rate_limited)? */
function isLimited(t: Tcb): boolean {
  const now = t.tcp.nowMs()
  const limit = t.stack.sysctl.tcp_invalid_ratelimit
  const since = (now - t.lastOowAck) | 0
  if (t.hasOowAck && since >= 0 && since < limit) return true
  t.hasOowAck = true
  t.lastOowAck = now
  return false
}

/** Answers a suspicious segment with the present state; an attacker learns nothing, a confused peer resets. */
export function challengeAck(t: Tcb, _accEcn: boolean): void {
  if (isLimited(t)) {
    t.stack.counters.TcpExtTCPACKSkippedChallenge++
    return
  }
  t.stack.counters.TcpExtTCPChallengeACK++
  sendAck(t)
}

/** An acknowledgement for a segment outside the window; data segments are always answered (tcp_oow_rate_limited). */
export function duplicateAck(t: Tcb, g: Segment, skipped: 'TcpExtTCPACKSkippedSeq' | 'TcpExtTCPACKSkippedPAWS'): void {
  if ((g.length === 0 || (g.flags & SYN) !== 0) && isLimited(t)) {
    t.stack.counters[skipped]++
    return
  }
  if (g.endSeq !== g.seq && before(g.seq, t.rcv.nxt)) {
    t.stack.counters.TcpExtDelayedACKLost++
    enterQuickAck(t, MAX_QUICKACKS)
    if ((t.opt & OPT_SACK) !== 0 && t.stack.sysctl.tcp_dsack !== 0) {
      setDsack(t, g.seq, before(t.rcv.nxt, g.endSeq) ? t.rcv.nxt : g.endSeq)
    }
  }
  sendAck(t)
}
