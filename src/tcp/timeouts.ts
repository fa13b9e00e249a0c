/** What happens when a timer fires: timeouts, RFC 9293 §3.10.8 and Linux tcp_timer.c. */

import {
  SF_DEAD,
  SF_KEEPALIVE,
  TCP_CLOSE,
  TCP_FIN_WAIT2,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../sock/sock.ts'
import type { Micros } from '../sys/clock.ts'
import { delackFired } from './delack.ts'
import { detectBlackHole } from './fastopen-pause.ts'
import { writeError } from './lifecycle.ts'
import { currentMss } from './mss.ts'
import { blackHole } from './mtu-probe.ts'
import { endsOrphan, finOverdue, orphanRetries } from './orphan.ts'
import { nagleMode, sendHeadNow, sendLossProbe, writeXmit } from './output.ts'
import { paceDue } from './pacing.ts'
import { enterLoss, rackTimeout, retransmitLost } from './recovery.ts'
import { retransmitHead, retransmitSegment } from './retransmit.ts'
import { INITIAL_RTO, rtoMax, rtoMin } from './rtt.ts'
import { add, before, diff } from './seq.ts'
import { countTimeout, statsOf } from './stats.ts'
import type { Tcb } from './tcb.ts'
import {
  armRexmt,
  keepIdle,
  keepInterval,
  keepProbes,
  PENDING_NONE,
  PENDING_PROBE,
  PENDING_REO,
  PENDING_RTO,
  PENDING_TLP,
  probeDelay,
  startKeep,
  TIMER_COMPRESSED,
  TIMER_DELACK,
  TIMER_PACE,
  TIMER_REXMT,
} from './timer.ts'
import { sendAck, sendActiveReset, sendProbe } from './transmit.ts'
import { inFlight, splitSegment } from './tx-queue.ts'
import type { TxSegment } from './tx-segment.ts'

/** TCP_RESOURCE_PROBE_INTERVAL: wait after a drop on this host, 500 ms. */
const LOCAL_RETRY = 500000

/** One of a connection's timers fired. */
export function timerFired(t: Tcb, kind: number): void {
  if (kind === TIMER_REXMT) rexmtFired(t)
  else if (kind === TIMER_DELACK) {
    t.stack.trace.tcpTimer?.(t, 'delack', t.stack.name)
    if (t.state !== TCP_CLOSE && t.state !== TCP_LISTEN) delackFired(t)
  } else if (kind === TIMER_COMPRESSED) compressedFired(t)
  else if (kind === TIMER_PACE) paceFired(t)
  else keepFired(t)
}

/** One acknowledgement for all that were held back (tcp_compressed_ack_kick). */
function compressedFired(t: Tcb): void {
  const c = t.disorder === null ? null : t.disorder.compressed
  if (c === null || c.count === 0 || t.state === TCP_CLOSE) return
  c.count--
  sendAck(t)
}

/** The time of the next segment has come (tcp_tsq_write). */
function paceFired(t: Tcb): void {
  if (t.state === TCP_CLOSE || t.state === TCP_LISTEN) return
  paceDue(t)
  if (t.lostOut > t.retransOut && inFlight(t) < t.snd.cwnd) retransmitLost(t)
  writeXmit(t, currentMss(t), nagleMode(t), false, false)
}

function rexmtFired(t: Tcb): void {
  if (t.state === TCP_CLOSE || t.state === TCP_LISTEN) return
  const purpose = t.pendingTimer
  const trace = t.stack.trace
  if (trace.tcpTimer !== null)
    trace.tcpTimer(t, ['none', 'rto', 'tlp', 'reo', 'probe'][purpose] as string, t.stack.name)
  if (purpose === PENDING_REO) rackTimeout(t)
  else if (purpose === PENDING_TLP) sendLossProbe(t)
  else {
    t.pendingTimer = PENDING_NONE
    if (purpose === PENDING_RTO) retransmitTimeout(t)
    else if (purpose === PENDING_PROBE) probeTimeout(t)
  }
}

/** Time an RTO that started at `rtoBase` would have taken `count` times, doubling up to the bound (tcp_model_timeout). */
function modelTimeout(t: Tcb, count: number, base: Micros): Micros {
  const most = rtoMax(t)
  let total = 0
  for (let i = 0; i <= count; i++) total += Math.min(base * 2 ** i, most)
  return total
}

/** Too long without an answer (retransmits_timed_out)? `limitUs` 0: by the number of retries. */
function timedOut(t: Tcb, retries: number, limitMs: number): boolean {
  if (t.retransmits === 0) return false
  const head = t.txHead
  if (head === null) return false
  const start =
    t.recovery !== null && t.recovery.retransStamp !== 0 ? t.recovery.retransStamp : Math.floor(head.txTime / 1000)
  const base = t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV ? INITIAL_RTO : rtoMin(t)
  const limit = limitMs > 0 ? limitMs * 1000 : modelTimeout(t, retries, base)
  return ((t.tcp.nowMs() - start) | 0) * 1000 >= limit
}

/** Gives up if this has gone on too long; true if the connection is gone (tcp_write_timeout). */
function writeTimeout(t: Tcb): boolean {
  const sysctl = t.stack.sysctl
  if (t.state === TCP_SYN_SENT || t.state === TCP_SYN_RECV) {
    const linear = t.state === TCP_SYN_SENT ? sysctl.tcp_syn_linear_timeouts : 0
    const retries = (t.tuning.synRetries > 0 ? t.tuning.synRetries : sysctl.tcp_syn_retries) + linear
    const expired = t.retransmits >= retries || timedOut(t, retries - linear, t.tuning.userTimeout)
    detectBlackHole(t, expired)
    if (expired) {
      writeError(t)
      return true
    }
    return false
  }
  if (t.retransmits > 0 && timedOut(t, sysctl.tcp_retries1, 0)) blackHole(t)
  let retries = sysctl.tcp_retries2
  if (t.isFlag(SF_DEAD)) {
    const alive = t.rto < rtoMax(t)
    retries = orphanRetries(t, alive)
    if (endsOrphan(t, alive || !timedOut(t, retries, 0))) return true
  }
  const expired = timedOut(t, retries, t.tuning.userTimeout)
  detectBlackHole(t, expired)
  if (expired) {
    writeError(t)
    return true
  }
  return false
}

/** Nothing heard for two of the longest timeouts, nor progress, from a peer that took its window back (tcp_rtx_probe0_timed_out). */
function shrunkWindowTimedOut(t: Tcb, head: TxSegment): boolean {
  const now = t.tcp.nowMs()
  const stamp = t.recovery?.retransStamp ?? 0
  const sinceSent = (now - (stamp !== 0 ? stamp : Math.floor(head.txTime / 1000))) | 0
  const { userTimeout } = t.tuning
  let limit = (rtoMax(t) / 1000) * 2
  if (userTimeout > 0) {
    if (sinceSent > userTimeout) return true
    limit = Math.min(limit, userTimeout)
  }
  return ((now - t.lastSegmentTime) | 0) > limit && sinceSent > limit
}

/** RFC 6298 (5.4)–(5.7): the oldest segment goes again, the timer doubles (tcp_retransmit_timer). */
function retransmitTimeout(t: Tcb): void {
  if (t.packetsOut === 0) return
  const head = t.txHead
  if (head === null) return
  const counters = t.stack.counters
  if (t.snd.wnd === 0 && !t.isFlag(SF_DEAD) && t.state !== TCP_SYN_SENT && t.state !== TCP_SYN_RECV) {
    // The peer closed its window over data already out: the retransmission serves as the probe.
    if (shrunkWindowTimedOut(t, head)) {
      writeError(t)
      return
    }
    enterLoss(t)
    retransmitSegment(t, head)
    backOff(t)
    return
  }
  counters.TcpExtTCPTimeouts++
  if (writeTimeout(t)) return
  if (t.retransmits === 0) {
    if (t.caState === 3) counters.TcpExtTCPSackRecoveryFail++
    else if (t.caState === 4) counters.TcpExtTCPLossFailures++
    else if (t.caState === 1) counters.TcpExtTCPSackFailures++
  }
  statsOf(t).rehashes++
  counters.TcpExtTcpTimeoutRehash++
  enterLoss(t)
  countTimeout(t)
  if (!retransmitHead(t)) {
    // Dropped on this host: no reason to back off (RFC 6298 does not count what never left).
    armRexmt(t, PENDING_RTO, LOCAL_RETRY)
    return
  }
  backOff(t)
}

/** The RTO, or what is left of TCP_USER_TIMEOUT (tcp_clamp_rto_to_user_timeout). */
function clampRto(t: Tcb): Micros {
  const limit = t.tuning.userTimeout
  const start = t.recovery?.retransStamp ?? 0
  if (limit === 0 || start === 0) return t.rto
  const left = limit - ((t.tcp.nowMs() - start) | 0)
  return left <= 0 ? 1000 : Math.min(t.rto, left * 1000)
}

function backOff(t: Tcb): void {
  const sysctl = t.stack.sysctl
  // LINUX-TCP 5: the first timeouts of a SYN are linear.
  if (t.state !== TCP_SYN_SENT || t.retransmits > sysctl.tcp_syn_linear_timeouts) {
    t.backoff++
    t.rto = Math.min(t.rto * 2, rtoMax(t))
  }
  armRexmt(t, PENDING_RTO, clampRto(t))
}

/**
 * A router knows no way to the peer for the segment at `seq`: the loss was no congestion, so the last doubling is taken back
 * (RFC 6069 §4.2; tcp_ld_RTO_revert).
 */
export function revertBackOff(t: Tcb, seq: number): void {
  const head = t.txHead
  if (head === null || seq !== t.snd.una || t.retransmits === 0 || t.backoff === 0) return
  t.backoff--
  const base = t.srtt > 0 ? (t.srtt >> 3) + t.rttvar : INITIAL_RTO
  t.rto = Math.min(base * 2 ** t.backoff, rtoMax(t))
  const left = head.txTime + t.rto - t.tcp.now
  if (left > 0) armRexmt(t, PENDING_RTO, left)
  else retransmitTimeout(t)
}

/** RFC 9293 §3.8.6.1: asks a closed window (tcp_probe_timer). */
function probeTimeout(t: Tcb): void {
  if (t.packetsOut > 0 || t.sendHead === null) {
    t.probesOut = 0
    return
  }
  const sysctl = t.stack.sysctl
  if (t.probesOut === 0) t.probeStart = t.tcp.nowMs()
  else if (t.tuning.userTimeout > 0 && ((t.tcp.nowMs() - t.probeStart) | 0) >= t.tuning.userTimeout) {
    writeError(t)
    return
  }
  let most = sysctl.tcp_retries2
  if (t.isFlag(SF_DEAD)) {
    const alive = t.rto * 2 ** Math.min(t.backoff, 30) < rtoMax(t)
    most = orphanRetries(t, alive)
    if ((alive || t.backoff < most) && endsOrphan(t, true)) return
  }
  if (t.probesOut >= most) writeError(t)
  else sendWindowProbe(t)
}

/** A probe that tells us the window: new data if there is room for any, an old sequence number otherwise (tcp_send_probe0). */
function sendWindowProbe(t: Tcb): void {
  const sent = wakeUp(t)
  if (t.packetsOut > 0 || t.sendHead === null) {
    t.probesOut = 0
    t.backoff = 0
    return
  }
  t.probesOut++
  let delay = LOCAL_RETRY
  if (sent) {
    t.stack.counters.TcpExtTCPWinProbe++
    if (t.backoff < t.stack.sysctl.tcp_retries2) t.backoff++
    delay = probeDelay(t, rtoMax(t))
  }
  // Not later than TCP_USER_TIMEOUT allows (tcp_clamp_probe0_to_user_timeout).
  const limit = t.tuning.userTimeout
  if (limit > 0) delay = Math.min(delay, Math.max(limit - ((t.tcp.nowMs() - t.probeStart) | 0), 2) * 1000)
  armRexmt(t, PENDING_PROBE, delay)
}

/** tcp_write_wakeup: provokes an answer; false if it did not leave this host. */
export function wakeUp(t: Tcb): boolean {
  const head = t.sendHead
  const edge = add(t.snd.una, t.snd.wnd)
  if (head !== null && before(head.seq, edge)) {
    const mss = currentMss(t)
    const room = Math.min(diff(edge, head.seq), mss)
    if (head.bytes > room) splitSegment(t, head, room, mss)
    return sendHeadNow(t, head, mss)
  }
  return sendProbe(t)
}

/** Keep-alive, RFC 9293 §3.8.4, and the end of FIN-WAIT-2 without an owner (tcp_keepalive_timer). */
function keepFired(t: Tcb): void {
  t.stack.trace.tcpTimer?.(t, 'keepalive', t.stack.name)
  if (t.state === TCP_FIN_WAIT2 && t.isFlag(SF_DEAD)) {
    finOverdue(t)
    return
  }
  if (!t.isFlag(SF_KEEPALIVE) || t.state === TCP_CLOSE || t.state === TCP_SYN_SENT || t.state === TCP_LISTEN) return
  // It is alive: data is out or waits, and the retransmission or probe timer finds out.
  if (t.packetsOut > 0 || t.sendHead !== null) {
    startKeep(t, keepIdle(t))
    return
  }
  const now = t.tcp.nowMs()
  const quiet = Math.min((now - t.lastReceived) | 0, (now - t.lastSegmentTime) | 0) * 1000
  if (quiet < keepIdle(t)) {
    startKeep(t, keepIdle(t) - quiet)
    return
  }
  const tooLong =
    t.tuning.userTimeout > 0 ? quiet >= t.tuning.userTimeout * 1000 && t.probesOut > 0 : t.probesOut >= keepProbes(t)
  if (tooLong) {
    sendActiveReset(t)
    writeError(t)
    return
  }
  t.stack.counters.TcpExtTCPKeepAlive++
  wakeUp(t)
  t.probesOut++
  startKeep(t, keepInterval(t))
}
