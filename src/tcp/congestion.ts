/**
 * The controller interface (tcp_congestion_ops). Loss recovery decides what is lost and calls it; the controller decides
 * how much may be out. One object serves all connections; what it must remember of one is in `t.caData`.
 */
import { BBR } from './bbr.ts'
import { CUBIC } from './cubic.ts'
import type { RateSample } from './rate.ts'
import { RENO } from './reno.ts'
import type { Seq } from './seq.ts'
import type { Tcb } from './tcb.ts'

export type CongestionEvent = 'tx-start' | 'cwnd-restart' | 'complete-cwr' | 'loss'

export interface CongestionControl {
  /** The name of TCP_CONGESTION and net.ipv4.tcp_congestion_control. */
  readonly name: string
  /** A connection starts to use it. */
  init?(t: Tcb): void
  /** The slow-start threshold after a loss, in segments, at least 2. */
  ssthresh(t: Tcb): number
  /** `acked` segments were newly acknowledged up to `ack` and nothing is wrong: grow. */
  avoid(t: Tcb, ack: Seq, acked: number): void
  /** The loss was none: the window to go back to. */
  undoCwnd(t: Tcb): number
  /** The connection enters a CA_ state. */
  setState?(t: Tcb, state: number): void
  onEvent?(t: Tcb, event: CongestionEvent): void
  /** Segments were acknowledged with this RTT in microseconds (-1: no sample). */
  packetsAcked?(t: Tcb, acked: number, rttUs: number): void
  /** Replaces the standard reaction to acknowledgements altogether (BBR). */
  control?(t: Tcb, sample: RateSample): void
  /** What it tells by TCP_CC_INFO; nothing otherwise. */
  info?(t: Tcb): Uint8Array
  /** Fewest segments of a burst; the host's tcp_min_tso_segs otherwise. */
  minTsoSegs?(t: Tcb): number
  /** Windows that the send buffer has room for; 2 otherwise. */
  readonly sndbufExpand?: number
}

/** The controllers a host offers, by name. */
export const CONTROLLERS: readonly CongestionControl[] = [CUBIC, RENO, BBR]

export const findController = (name: string): CongestionControl | undefined => CONTROLLERS.find((c) => c.name === name)
