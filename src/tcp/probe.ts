/** Tail loss probes: after two round trips of silence the last segment is provoked (RFC 8985 §7; LINUX-TCP 20). */
import { currentMss } from './mss.ts'
import { NAGLE_PUSH, writeXmit } from './output.ts'
import { recoveryOf, TIMEOUT_MIN } from './rack.ts'
import { retransmitSegment } from './retransmit.ts'
import { add, before } from './seq.ts'
import { CA_CWR, CA_OPEN, OPT_SACK, type Tcb } from './tcb.ts'
import { armRexmt, PENDING_NONE, PENDING_TLP, rearmRto } from './timers.ts'
import { splitSegment } from './tx-queue.ts'

/** Arms the probe in place of the RTO if this connection may use it; true if it did (tcp_schedule_loss_probe). */
export function scheduleLossProbe(t: Tcb, advancing: boolean): boolean {
  const mode = t.stack.sysctl.tcp_early_retrans
  if ((mode !== 3 && mode !== 4) || t.packetsOut === 0 || (t.opt & OPT_SACK) === 0) return false
  if (t.caState !== CA_OPEN && t.caState !== CA_CWR) return false
  let timeout = 1000000
  if (t.srtt > 0) {
    timeout = t.srtt >> 2
    timeout += t.packetsOut === 1 ? t.stack.sysctl.tcp_rto_min_us : TIMEOUT_MIN
  }
  const head = t.txHead
  const left = advancing || head === null ? t.rto : head.txTime + t.rto - t.tcp.now
  if (left > 0) timeout = Math.min(timeout, left)
  armRexmt(t, PENDING_TLP, timeout)
  return true
}

/** The probe: one new segment if there is any, the last one again otherwise (tcp_send_loss_probe). */
export function sendLossProbe(t: Tcb): void {
  const r = recoveryOf(t)
  const mss = currentMss(t)
  if (r.tlpHighSeq !== 0) {
    rearmRto(t)
    return
  }
  r.tlpRetrans = false
  const fresh = t.sendHead
  if (fresh !== null && !before(add(t.snd.una, t.snd.wnd), add(fresh.seq, Math.min(fresh.bytes, mss)))) {
    const before = t.packetsOut
    writeXmit(t, mss, NAGLE_PUSH, true, true)
    if (t.packetsOut > before) probeSent(t)
  } else {
    let last = fresh === null ? t.txTail : fresh.previous
    if (last !== null) {
      if (last.pcount > 1 && last.bytes > (last.pcount - 1) * mss) last = splitSegment(t, last, (last.pcount - 1) * mss, mss)
      if (retransmitSegment(t, last)) {
        r.tlpRetrans = true
        probeSent(t)
      }
    }
  }
  rearmRto(t)
}

function probeSent(t: Tcb): void {
  const r = recoveryOf(t)
  r.tlpHighSeq = t.snd.nxt === 0 ? 1 : t.snd.nxt
  t.stack.counters.TcpExtTCPLossProbes++
  t.pendingTimer = PENDING_NONE
}
