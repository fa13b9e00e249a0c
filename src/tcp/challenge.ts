/** Challenge ACKs (RFC 5961 §3.2, §4.2, §5.2) and the limit on answers to segments out of window (LINUX-TCP 31). */
import { SYN } from '../wire/tcp.ts'
import { reflectedFlags } from './accecn.ts'
import { setDsack } from './dsack.ts'
import { enterQuickAck, MAX_QUICKACKS } from './quick-ack.ts'
import type { Segment } from './segment.ts'
import { before } from './seq.ts'
import { OPT_SACK, type Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'
import { sendAck } from './transmit.ts'

/** Who answers such segments: a control block, a half-open request, a TIME-WAIT. */
interface Answerer {
  lastOowAck: number
  hasOowAck: boolean
}

/** Too soon after the last such answer (__tcp_oow_rate_limited)? If not, this one counts. */
export function isAnswerLimited(who: Answerer, tcp: Tcp): boolean {
  const now = tcp.nowMs()
  const since = (now - who.lastOowAck) | 0
  if (who.hasOowAck && since >= 0 && since < tcp.stack.sysctl.tcp_invalid_ratelimit) return true
  who.hasOowAck = true
  who.lastOowAck = now
  return false
}

/** Only these can be part of a loop of ACKs, so only their answers are limited (tcp_oow_rate_limited). */
export const isEmptyOrSyn = (g: Segment): boolean => g.endSeq === g.seq || (g.flags & SYN) !== 0

/**
 * Answers a suspicious segment with the present state; an attacker learns nothing, a confused peer resets. `reflects`: the
 * ACE field says how the peer's SYN came (RFC 9768 §3.1.2).
 */
export function challengeAck(t: Tcb, reflects = false): void {
  if (isAnswerLimited(t, t.tcp)) {
    t.stack.counters.TcpExtTCPACKSkippedChallenge++
    return
  }
  t.stack.counters.TcpExtTCPChallengeACK++
  sendAck(t, reflects && t.accEcn !== null ? reflectedFlags(t.accEcn.synEct) : 0)
}

/** An acknowledgement for a segment outside the window; data segments are always answered (tcp_oow_rate_limited). */
export function duplicateAck(t: Tcb, g: Segment, skipped: 'TcpExtTCPACKSkippedSeq' | 'TcpExtTCPACKSkippedPAWS'): void {
  if (isEmptyOrSyn(g) && isAnswerLimited(t, t.tcp)) {
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
