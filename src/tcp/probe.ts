/** When to send a tail loss probe: after two round trips of silence (RFC 8985 §7; LINUX-TCP 20). */
import { TIMEOUT_MIN } from './rack.ts'
import { rtoMin } from './rtt.ts'
import { CA_CWR, CA_OPEN, OPT_SACK, type Tcb } from './tcb.ts'
import { armRexmt, PENDING_TLP } from './timer.ts'

/** Arms the probe in place of the RTO if this connection may use it; true if it did (tcp_schedule_loss_probe). */
export function scheduleLossProbe(t: Tcb, advancing: boolean): boolean {
  const mode = t.stack.sysctl.tcp_early_retrans
  if (t.fastOpen !== null && t.fastOpen.request !== null) return false
  if ((mode !== 3 && mode !== 4) || t.packetsOut === 0 || (t.opt & OPT_SACK) === 0) return false
  if (t.caState !== CA_OPEN && t.caState !== CA_CWR) return false
  let timeout = 1000000
  if (t.srtt > 0) {
    timeout = t.srtt >> 2
    timeout += t.packetsOut === 1 ? rtoMin(t) : TIMEOUT_MIN
  }
  const head = t.txHead
  const left = advancing || head === null ? t.rto : head.txTime + t.rto - t.tcp.now
  if (left > 0) timeout = Math.min(timeout, left)
  armRexmt(t, PENDING_TLP, timeout)
  return true
}
