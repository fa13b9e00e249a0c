/**
 * BBR, bottleneck bandwidth and round-trip propagation time (Linux tcp_bbr.c, version 1; Cardwell et al. 2016): it sends at
 * the rate that the path was seen to deliver, paced, with about two bandwidth-delay products out at most.
 *
 *   STARTUP  doubles the rate each round until it no longer grows
 *   DRAIN    empties the queue that made
 *   PROBE_BW cycles the rate: 1.25 for a round trip, 0.75 for one, 1 for six
 *   PROBE_RTT every 10 s four segments for 200 ms, to see the path without a queue
 */

import { LongTermRate } from './bbr-policer.ts'
import { BBR_UNIT, BW_UNIT, toPacingRate } from './bbr-rate.ts'
import type { CongestionControl, CongestionEvent } from './congestion.ts'
import { pacingOf, pacingRate } from './pacing.ts'
import { markAppLimited, type RateSample } from './rate.ts'
import { before } from './seq.ts'
import { statsOf } from './stats.ts'
import { CA_LOSS, CA_RECOVERY, INFINITE_SSTHRESH, INIT_CWND, type Tcb } from './tcb.ts'
import { inFlight } from './tx-queue.ts'
import { WindowedMax } from './windowed-max.ts'

const STARTUP = 0
const DRAIN = 1
const PROBE_BW = 2
const PROBE_RTT = 3

const CYCLE_LEN = 8
/** Rounds that a bandwidth sample counts. */
const BW_ROUNDS: number = CYCLE_LEN + 2
const MIN_RTT_WINDOW_MS = 10000
const PROBE_RTT_MS = 200
/** 2/ln 2, the least that doubles the rate each round. */
const HIGH_GAIN = 739
const DRAIN_GAIN = 88
const CWND_GAIN: number = 2 * BBR_UNIT
const PACING_GAIN: readonly number[] = [320, 192, 256, 256, 256, 256, 256, 256]
/** Phases among which the first is chosen. */
const CYCLE_RANDOM = 7
const MIN_CWND = 4
/** Growth that says the pipe is not full yet, and rounds without it that say it is. */
const FULL_BW_THRESHOLD = 320
const FULL_BW_COUNT = 3
/** Bursts of acknowledgements: rounds of each of the two windows, and the most they may add in microseconds of rate. */
const EXTRA_ACKED_ROUNDS = 5
const EXTRA_ACKED_MAX_US = 100000
const ACK_EPOCH_RESET = 1 << 20
/** Bytes a second below which one segment a burst is enough. */
const MIN_TSO_RATE = 1200000 / 8
const MAX_GOAL_BYTES = 65535 - 320
const NOT_SEEN = 0x7fffffff
/** struct tcp_bbr_info: bytes a second, the least RTT in microseconds, both gains. */
const SIZEOF_BBR_INFO = 20

class Bbr {
  minRtt = NOT_SEEN
  minRttStamp = 0
  /** When PROBE_RTT may end, in ms; 0: not decided yet. */
  probeRttDone = 0
  isProbeRttRoundDone = false
  readonly bw: WindowedMax = new WindowedMax()
  rounds = 0
  nextRoundDelivered = 0
  cycleTime = 0
  cycle = 0
  mode: number = STARTUP
  priorCaState = 0
  packetConservation = false
  isRoundStart = false
  isIdleRestart = false
  readonly longTerm: LongTermRate = new LongTermRate()
  /** 0 until the first acknowledgement. */
  pacingGain = 0
  cwndGain = 0
  fullBw = 0
  fullBwCount = 0
  hasSeenRtt = false
  priorCwnd = 0
  ackEpochTime = 0
  ackEpochAcked = 0
  readonly extraAcked: [number, number] = [0, 0]
  extraAckedRounds = 0
  extraAckedIndex: 0 | 1 = 0

  get isProbing(): boolean {
    return this.mode === PROBE_BW
  }
  get isFull(): boolean {
    return this.fullBwCount >= FULL_BW_COUNT
  }
  /** The rate to work with. */
  get rate(): number {
    return this.longTerm.isUsed ? this.longTerm.bw : this.bw.value
  }
}

/** Before the handshake's end it works on a state that `init` throws away. */
function stateOf(t: Tcb): Bbr {
  t.caData ??= new Bbr()
  return t.caData as Bbr
}

/** Before there is a sample: the window over the RTT, or over 1 ms. */
function initPacingRate(t: Tcb, b: Bbr): void {
  b.hasSeenRtt = t.srtt !== 0
  const rtt = t.srtt !== 0 ? Math.max(t.srtt >> 3, 1) : 1000
  pacingOf(t).rate = toPacingRate(t, Math.floor((t.snd.cwnd * BW_UNIT) / rtt), HIGH_GAIN)
}

function setPacingRate(t: Tcb, b: Bbr, bw: number, gain: number): void {
  const rate = toPacingRate(t, bw, gain)
  if (!b.hasSeenRtt && t.srtt !== 0) initPacingRate(t, b)
  const p = pacingOf(t)
  if (b.isFull || rate > p.rate) p.rate = rate
}

/** Fewest segments of a burst (bbr_min_tso_segs). */
const minBurst = (t: Tcb): number => (pacingRate(t) < MIN_TSO_RATE ? 1 : 2)

/** Segments of the bursts that are sent (bbr_tso_segs_goal). */
function burstGoal(t: Tcb): number {
  const bytes = Math.min(Math.floor(pacingRate(t) / 1024), MAX_GOAL_BYTES)
  return Math.min(Math.max(Math.floor(bytes / t.snd.mss), minBurst(t)), 127)
}

/** The window of before an episode, to go back to. */
function saveCwnd(t: Tcb, b: Bbr): void {
  const isFresh = b.priorCaState < CA_RECOVERY && b.mode !== PROBE_RTT
  b.priorCwnd = isFresh ? t.snd.cwnd : Math.max(b.priorCwnd, t.snd.cwnd)
}

/** Bandwidth-delay product in segments at a gain (bbr_bdp). */
function bdp(b: Bbr, bw: number, gain: number): number {
  if (b.minRtt === NOT_SEEN) return INIT_CWND
  return Math.ceil(Math.floor((bw * b.minRtt * gain) / BBR_UNIT) / BW_UNIT)
}

/** Room for bursts in flight and for acknowledgements of two (bbr_quantization_budget). */
function quantized(t: Tcb, b: Bbr, cwnd: number): number {
  cwnd += 3 * burstGoal(t)
  cwnd = (cwnd + 1) & ~1
  return b.mode === PROBE_BW && b.cycle === 0 ? cwnd + 2 : cwnd
}

const targetInFlight = (t: Tcb, b: Bbr, gain: number): number => quantized(t, b, bdp(b, b.bw.value, gain))

/** What will be in flight when the next segment leaves (bbr_packets_in_net_at_edt). */
function inNetwork(t: Tcb, b: Bbr, flight: number): number {
  const wait = Math.max(pacingOf(t).nextAt - t.tcp.now, 0)
  const delivered = Math.floor((b.rate * Math.floor(wait)) / BW_UNIT)
  if (b.pacingGain > BBR_UNIT) flight += burstGoal(t)
  return Math.max(flight - delivered, 0)
}

/** Segments more for receivers and links that acknowledge in lumps (bbr_ack_aggregation_cwnd). */
function aggregation(b: Bbr): number {
  if (!b.isFull) return 0
  return Math.min(Math.max(...b.extraAcked), Math.floor((b.rate * EXTRA_ACKED_MAX_US) / BW_UNIT))
}

/** Into recovery: as many as are delivered; out of it: the window of before. The window, negative if it is final. */
function recoverOrRestore(t: Tcb, b: Bbr, rs: RateSample): number {
  const before = b.priorCaState
  let cwnd = t.snd.cwnd
  if (rs.losses > 0) cwnd = Math.max(cwnd - rs.losses, 1)
  if (t.caState === CA_RECOVERY && before !== CA_RECOVERY) {
    b.packetConservation = true
    b.nextRoundDelivered = t.delivered
    cwnd = inFlight(t) + rs.acked
  } else if (before >= CA_RECOVERY && t.caState < CA_RECOVERY) {
    cwnd = Math.max(cwnd, b.priorCwnd)
    b.packetConservation = false
  }
  b.priorCaState = t.caState
  return b.packetConservation ? -Math.max(cwnd, inFlight(t) + rs.acked) : cwnd
}

function setCwnd(t: Tcb, b: Bbr, rs: RateSample): void {
  let { cwnd } = t.snd
  if (rs.acked > 0) {
    cwnd = recoverOrRestore(t, b, rs)
    if (cwnd < 0) cwnd = -cwnd
    else {
      const target = quantized(t, b, bdp(b, b.rate, b.cwndGain) + aggregation(b))
      if (b.isFull) cwnd = Math.min(cwnd + rs.acked, target)
      else if (cwnd < target || t.delivered < INIT_CWND) cwnd += rs.acked
      cwnd = Math.max(cwnd, MIN_CWND)
    }
  }
  t.snd.cwnd = Math.min(cwnd, t.snd.cwndClamp)
  if (b.mode === PROBE_RTT) t.snd.cwnd = Math.min(t.snd.cwnd, MIN_CWND)
}

function isNextPhase(t: Tcb, b: Bbr, rs: RateSample): boolean {
  const isFullLength = statsOf(t).deliveredTime - b.cycleTime > b.minRtt
  if (b.pacingGain === BBR_UNIT) return isFullLength
  const flight = inNetwork(t, b, rs.priorInFlight)
  if (b.pacingGain > BBR_UNIT) return isFullLength && (rs.losses > 0 || flight >= targetInFlight(t, b, b.pacingGain))
  // Below 1: until the queue of the phase before is gone.
  return isFullLength || flight <= targetInFlight(t, b, BBR_UNIT)
}

function advancePhase(t: Tcb, b: Bbr): void {
  b.cycle = (b.cycle + 1) & (CYCLE_LEN - 1)
  b.cycleTime = statsOf(t).deliveredTime
}

function enterProbeBw(t: Tcb, b: Bbr): void {
  b.mode = PROBE_BW
  // Any phase but the one that drains: flows that begin together must not probe together.
  b.cycle = CYCLE_LEN - 1 - t.stack.random.below(CYCLE_RANDOM)
  advancePhase(t, b)
}

function updateRate(t: Tcb, b: Bbr, rs: RateSample): void {
  b.isRoundStart = false
  if (rs.delivered < 0 || rs.interval <= 0) return
  if (!before(rs.priorDelivered, b.nextRoundDelivered)) {
    b.nextRoundDelivered = t.delivered
    b.rounds++
    b.isRoundStart = true
    b.packetConservation = false
  }
  samplePolicer(t, b, rs.losses, rs.isAppLimited)
  const bw = Math.floor((rs.delivered * BW_UNIT) / rs.interval)
  // A program that sends little says nothing of the path, unless it is more than ever.
  if (!rs.isAppLimited || bw >= b.bw.value) b.bw.add(BW_ROUNDS, b.rounds, bw)
}

/** Is somebody policing the flow (bbr_lt_bw_sampling)? */
function samplePolicer(t: Tcb, b: Bbr, losses: number, isAppLimited: boolean): void {
  const change = b.longTerm.sample(t, losses, isAppLimited, b)
  if (change === 'limited') b.pacingGain = BBR_UNIT
  else if (change === 'retry') enterProbeBw(t, b)
}

/** How far acknowledgements run ahead of the rate, over the last rounds (bbr_update_ack_aggregation). */
function updateAggregation(t: Tcb, b: Bbr, rs: RateSample): void {
  if (rs.acked <= 0 || rs.delivered < 0 || rs.interval <= 0) return
  if (b.isRoundStart && ++b.extraAckedRounds >= EXTRA_ACKED_ROUNDS) {
    b.extraAckedRounds = 0
    b.extraAckedIndex = b.extraAckedIndex === 0 ? 1 : 0
    b.extraAcked[b.extraAckedIndex] = 0
  }
  const now = statsOf(t).deliveredTime
  let expected = Math.floor((b.rate * (now - b.ackEpochTime)) / BW_UNIT)
  if (b.ackEpochAcked <= expected || b.ackEpochAcked + rs.acked >= ACK_EPOCH_RESET) {
    b.ackEpochAcked = 0
    b.ackEpochTime = now
    expected = 0
  }
  b.ackEpochAcked = Math.min(ACK_EPOCH_RESET - 1, b.ackEpochAcked + rs.acked)
  const extra = Math.min(b.ackEpochAcked - expected, t.snd.cwnd)
  if (extra > b.extraAcked[b.extraAckedIndex]) b.extraAcked[b.extraAckedIndex] = extra
}

/** Three rounds without a quarter more: the pipe is full (bbr_check_full_bw_reached). */
function checkFull(b: Bbr, rs: RateSample): void {
  if (b.isFull || !b.isRoundStart || rs.isAppLimited) return
  if (b.bw.value >= Math.floor((b.fullBw * FULL_BW_THRESHOLD) / BBR_UNIT)) {
    b.fullBw = b.bw.value
    b.fullBwCount = 0
  } else b.fullBwCount++
}

function checkDrain(t: Tcb, b: Bbr): void {
  if (b.mode === STARTUP && b.isFull) {
    b.mode = DRAIN
    t.snd.ssthresh = targetInFlight(t, b, BBR_UNIT)
  }
  if (b.mode === DRAIN && inNetwork(t, b, inFlight(t)) <= targetInFlight(t, b, BBR_UNIT)) enterProbeBw(t, b)
}

function checkProbeRttDone(t: Tcb, b: Bbr): void {
  const now = t.tcp.nowMs()
  if (b.probeRttDone === 0 || ((now - b.probeRttDone) | 0) <= 0) return
  b.minRttStamp = now
  t.snd.cwnd = Math.max(t.snd.cwnd, b.priorCwnd)
  if (b.isFull) enterProbeBw(t, b)
  else b.mode = STARTUP
}

function updateMinRtt(t: Tcb, b: Bbr, rs: RateSample): void {
  const now = t.tcp.nowMs()
  const hasExpired = ((now - b.minRttStamp) | 0) > MIN_RTT_WINDOW_MS
  if (rs.rtt >= 0 && (rs.rtt < b.minRtt || (hasExpired && !rs.isAckDelayed))) {
    b.minRtt = rs.rtt
    b.minRttStamp = now
  }
  if (hasExpired && !b.isIdleRestart && b.mode !== PROBE_RTT) {
    b.mode = PROBE_RTT
    saveCwnd(t, b)
    b.probeRttDone = 0
  }
  if (b.mode === PROBE_RTT) {
    // So few segments say nothing of the bandwidth.
    markAppLimited(t)
    if (b.probeRttDone === 0 && inFlight(t) <= MIN_CWND) {
      b.probeRttDone = (now + PROBE_RTT_MS) | 0 || 1
      b.isProbeRttRoundDone = false
      b.nextRoundDelivered = t.delivered
    } else if (b.probeRttDone !== 0) {
      if (b.isRoundStart) b.isProbeRttRoundDone = true
      if (b.isProbeRttRoundDone) checkProbeRttDone(t, b)
    }
  }
  if (rs.delivered > 0) b.isIdleRestart = false
}

function updateGains(b: Bbr): void {
  switch (b.mode) {
    case STARTUP:
      b.pacingGain = b.cwndGain = HIGH_GAIN
      break
    case DRAIN:
      b.pacingGain = DRAIN_GAIN
      b.cwndGain = HIGH_GAIN
      break
    case PROBE_BW:
      b.pacingGain = b.longTerm.isUsed ? BBR_UNIT : (PACING_GAIN[b.cycle] as number)
      b.cwndGain = CWND_GAIN
      break
    default:
      b.pacingGain = b.cwndGain = BBR_UNIT
  }
}

export const BBR: CongestionControl = {
  name: 'bbr',
  sndbufExpand: 3,

  init(t: Tcb): void {
    const b = new Bbr()
    // The handshake's gains stay, as they do there.
    const { pacingGain, cwndGain } = stateOf(t)
    b.pacingGain = pacingGain
    b.cwndGain = cwndGain
    t.caData = b
    t.snd.ssthresh = INFINITE_SSTHRESH
    b.nextRoundDelivered = t.delivered
    b.minRtt = t.minRtt
    b.minRttStamp = t.tcp.nowMs()
    b.bw.reset(0, 0)
    b.ackEpochTime = t.tcp.now
    initPacingRate(t, b)
  },

  ssthresh(t: Tcb): number {
    saveCwnd(t, stateOf(t))
    return t.snd.ssthresh
  },

  info(t: Tcb): Uint8Array {
    const b = t.caData as Bbr | null
    const bytes = new Uint8Array(SIZEOF_BBR_INFO)
    if (b === null) return bytes
    const view = new DataView(bytes.buffer)
    view.setBigUint64(0, (BigInt(b.rate) * BigInt(t.snd.mss) * 1_000_000n) / BigInt(BW_UNIT), true)
    view.setUint32(8, b.minRtt, true)
    view.setUint32(12, b.pacingGain, true)
    view.setUint32(16, b.cwndGain, true)
    return bytes
  },

  // Growth is `control`'s business.
  avoid: () => {},

  undoCwnd(t: Tcb): number {
    const b = stateOf(t)
    b.fullBw = 0
    if (!b.isFull) b.fullBwCount = 0
    b.longTerm.reset(t)
    return t.snd.cwnd
  },

  setState(t: Tcb, state: number): void {
    if (state !== CA_LOSS) return
    const b = stateOf(t)
    b.priorCaState = CA_LOSS
    b.fullBw = 0
    b.isRoundStart = true
    samplePolicer(t, b, 1, false)
  },

  onEvent(t: Tcb, event: CongestionEvent): void {
    if (event !== 'tx-start' || statsOf(t).appLimited === 0) return
    const b = stateOf(t)
    b.isIdleRestart = true
    b.ackEpochTime = t.tcp.now
    b.ackEpochAcked = 0
    // The queue is empty: begin at the rate itself.
    if (b.mode === PROBE_BW) setPacingRate(t, b, b.rate, BBR_UNIT)
    else if (b.mode === PROBE_RTT) checkProbeRttDone(t, b)
  },

  control(t: Tcb, rs: RateSample): void {
    const b = stateOf(t)
    updateRate(t, b, rs)
    updateAggregation(t, b, rs)
    if (b.mode === PROBE_BW && isNextPhase(t, b, rs)) advancePhase(t, b)
    checkFull(b, rs)
    checkDrain(t, b)
    updateMinRtt(t, b, rs)
    updateGains(b)
    setPacingRate(t, b, b.rate, b.pacingGain)
    setCwnd(t, b, rs)
  },

  minTsoSegs: minBurst,
}
