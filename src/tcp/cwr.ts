/** Congestion without loss: entering the state CWR, and what every reduction of the window starts with. */
import { recoveryOf } from './rack.ts'
import { CA_CWR, OPT_ECN, type RecoveryVars, type Tcb } from './tcb.ts'

export function setCaState(t: Tcb, state: number): void {
  t.ca.setState?.(t, state)
  t.caState = state
}

/** Starts proportional rate reduction (tcp_init_cwnd_reduction). */
export function initReduction(t: Tcb, r: RecoveryVars): void {
  r.highSeq = t.snd.nxt
  r.tlpHighSeq = 0
  t.snd.cwndCnt = 0
  r.priorCwnd = t.snd.cwnd
  r.prrDelivered = 0
  r.prrOut = 0
  t.snd.ssthresh = t.ca.ssthresh(t)
  if ((t.opt & OPT_ECN) !== 0) t.ecnQueueCwr = true
}

/** An ECN echo or a drop on this host (tcp_enter_cwr). */
export function enterCwr(t: Tcb): void {
  const r = recoveryOf(t)
  r.priorSsthresh = 0
  if (t.caState >= CA_CWR) return
  r.hasUndo = false
  initReduction(t, r)
  setCaState(t, CA_CWR)
}
