/** CUBIC (RFC 9438) with HyStart, by Linux's numbers (tcp_cubic.c; LINUX-TCP 17, 18). Windows in segments, times in ms. */
import type { CongestionControl, CongestionEvent } from './congestion.ts'
import { isCwndLimited } from './cwnd.ts'
import { additiveIncrease, slowStart } from './reno.ts'
import { after } from './seq.ts'
import { CA_LOSS, type Tcb } from './tcb.ts'

/** beta = 717/1024, C = 0.4, and Reno's rate at that beta: 8 * (1024 + beta) / 3 / (1024 - beta). */
const BETA = 717
const BETA_SCALE = Math.floor((8 * (1024 + BETA)) / 3 / (1024 - BETA))
/** C in units of 1/1024 (cube_rtt_scale), times in 1/1024 s; what 1/C is in those units. */
const SCALE = 410
const CUBE_FACTOR: number = 2 ** 40 / SCALE
/** HyStart: from this window on, this many samples, delay bounds in us, spacing of a train in us. */
const HYSTART_LOW_WINDOW = 16
const HYSTART_MIN_SAMPLES = 8
const HYSTART_DELAY_MIN = 4000
const HYSTART_DELAY_MAX = 16000
const HYSTART_ACK_DELTA = 2000

/** What CUBIC remembers of one connection (struct bictcp). */
class CubicState {
  cnt = 0
  lastMaxCwnd = 0
  lastCwnd = 0
  lastTime = 0
  originPoint = 0
  /** Time to reach the origin point, in 1/1024 s. */
  k = 0
  delayMinUs = 0
  /** Start of the epoch in ms; -1: none. */
  epochStart = -1
  ackCount = 0
  tcpCwnd = 0
  /** HyStart's round. */
  found = false
  sampleCount = 0
  roundStartUs = 0
  lastAckUs = 0
  currentRttUs = 0
  endSeq = 0
}

/** Made when first needed: an idle connection has none. */
function stateOf(t: Tcb): CubicState {
  if (t.caData === null) {
    const s = new CubicState()
    t.caData = s
    resetHystart(t, s)
  }
  return t.caData as CubicState
}

function resetHystart(t: Tcb, s: CubicState): void {
  s.roundStartUs = s.lastAckUs = t.tcp.now
  s.endSeq = t.snd.nxt
  s.currentRttUs = 0xffffffff
  s.sampleCount = 0
}

/** Leaves slow start before it overshoots: on a train of close ACKs as long as the RTT, or on a rising delay. */
function hystart(t: Tcb, s: CubicState, delayUs: number): void {
  if (after(t.snd.una, s.endSeq)) resetHystart(t, s)
  if (t.snd.cwnd < HYSTART_LOW_WINDOW) return
  const now = t.tcp.now
  if (now - s.lastAckUs <= HYSTART_ACK_DELTA) {
    s.lastAckUs = now
    if (now - s.roundStartUs > s.delayMinUs / 2 + ackDelay(t)) {
      s.found = true
      t.stack.counters.TcpExtTCPHystartTrainDetect++
      t.stack.counters.TcpExtTCPHystartTrainCwnd += t.snd.cwnd
      t.snd.ssthresh = t.snd.cwnd
    }
  }
  if (s.currentRttUs > delayUs) s.currentRttUs = delayUs
  if (s.sampleCount < HYSTART_MIN_SAMPLES) s.sampleCount++
  else {
    const slack = Math.min(Math.max(s.delayMinUs / 8, HYSTART_DELAY_MIN), HYSTART_DELAY_MAX)
    if (s.currentRttUs > s.delayMinUs + slack) {
      s.found = true
      t.stack.counters.TcpExtTCPHystartDelayDetect++
      t.stack.counters.TcpExtTCPHystartDelayCwnd += t.snd.cwnd
      t.snd.ssthresh = t.snd.cwnd
    }
  }
}

/** What a receiver may hold an ACK back for merging on a fast path: a 64 KiB burst at the pacing rate, at most 1 ms. */
function ackDelay(t: Tcb): number {
  const srttUs = t.srtt / 8
  if (srttUs <= 0) return 0
  const rate = (t.snd.cwnd * t.snd.mss * 2 * 1000000) / srttUs
  return Math.min(1000, (65536 * 4 * 1000000) / Math.max(rate, 1))
}

function update(t: Tcb, s: CubicState, acked: number): void {
  const cwnd = t.snd.cwnd
  s.ackCount += acked
  const now = t.tcp.nowMs()
  if (s.lastCwnd === cwnd && ((now - s.lastTime) | 0) <= 31) return
  if (s.epochStart < 0 || s.lastTime !== now) {
    s.lastCwnd = cwnd
    s.lastTime = now
    cubicTarget(s, cwnd, acked, now)
  }
  // The Reno-friendly region (RFC 9438 §4.3).
  const delta = (cwnd * BETA_SCALE) >> 3
  while (delta > 0 && s.ackCount > delta) {
    s.ackCount -= delta
    s.tcpCwnd++
  }
  if (s.tcpCwnd > cwnd) {
    const most = Math.floor(cwnd / (s.tcpCwnd - cwnd))
    if (s.cnt > most) s.cnt = most
  }
  s.cnt = Math.max(s.cnt, 2)
}

/** Newton's method: only operations that IEEE 754 fixes, so that every engine gives the same bits (Math.cbrt need not). */
function cubeRoot(a: number): number {
  let x = Math.max(a, 1)
  for (let i = 0; i < 64; i++) {
    const next = (2 * x + a / (x * x)) / 3
    if (next >= x) break
    x = next
  }
  return x
}

function cubicTarget(s: CubicState, cwnd: number, acked: number, now: number): void {
  if (s.epochStart < 0) {
    s.epochStart = now
    s.ackCount = acked
    s.tcpCwnd = cwnd
    if (s.lastMaxCwnd <= cwnd) {
      s.k = 0
      s.originPoint = cwnd
    } else {
      s.k = Math.floor(cubeRoot(CUBE_FACTOR * (s.lastMaxCwnd - cwnd)))
      s.originPoint = s.lastMaxCwnd
    }
  }
  // In whole units as the kernel has them: what truncation adds to a small window is most of its growth.
  const time = Math.floor(((((now - s.epochStart) | 0) + Math.ceil(s.delayMinUs / 1000)) * 1024) / 1000)
  const offset = Math.abs(time - s.k)
  const delta = Math.floor((SCALE * offset * offset * offset) / 2 ** 40)
  const target = time < s.k ? s.originPoint - delta : s.originPoint + delta
  s.cnt = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd
  if (s.lastMaxCwnd === 0 && s.cnt > 20) s.cnt = 20
}

export const CUBIC: CongestionControl = {
  name: 'cubic',
  init(t: Tcb): void {
    t.caData = null
  },
  ssthresh(t: Tcb): number {
    const s = stateOf(t)
    const cwnd = t.snd.cwnd
    s.epochStart = -1
    // Fast convergence (RFC 9438 §4.7).
    if (cwnd < s.lastMaxCwnd) s.lastMaxCwnd = Math.floor((cwnd * (1024 + BETA)) / 2048)
    else s.lastMaxCwnd = cwnd
    return Math.max((cwnd * BETA) >> 10, 2)
  },
  avoid(t: Tcb, _ack: number, acked: number): void {
    if (!isCwndLimited(t)) return
    if (t.snd.cwnd < t.snd.ssthresh) {
      acked = slowStart(t, acked)
      if (acked === 0) return
    }
    const s = stateOf(t)
    update(t, s, acked)
    additiveIncrease(t, s.cnt, acked)
  },
  undoCwnd: (t: Tcb): number => Math.max(t.snd.cwnd, t.recovery === null ? 0 : t.recovery.priorCwnd),
  setState(t: Tcb, state: number): void {
    if (state !== CA_LOSS) return
    const fresh = new CubicState()
    fresh.endSeq = t.snd.nxt
    t.caData = fresh
    resetHystart(t, fresh)
  },
  onEvent(t: Tcb, event: CongestionEvent): void {
    if (event !== 'tx-start' || t.caData === null) return
    const s = stateOf(t)
    const idle = (t.tcp.nowMs() - t.lastSentTime) | 0
    // Idle time must not count as growth of the epoch.
    if (s.epochStart >= 0 && idle > 0) s.epochStart = Math.min(t.tcp.nowMs(), s.epochStart + idle)
  },
  packetsAcked(t: Tcb, _acked: number, rttUs: number): void {
    if (rttUs < 0) return
    const s = stateOf(t)
    if (s.epochStart >= 0 && ((t.tcp.nowMs() - s.epochStart) | 0) < 1000) return
    const delay = Math.max(rttUs, 1)
    if (s.delayMinUs === 0 || s.delayMinUs > delay) s.delayMinUs = delay
    if (!s.found && t.snd.cwnd < t.snd.ssthresh) hystart(t, s, delay)
  },
}
