/** The duplicate to report in the next ACK's first block (RFC 2883 §4; tcp_dsack_set, tcp_dsack_extend). */
import { before } from './seq.ts'
import { disorderOf, OPT_SACK, type Tcb } from './tcb.ts'

/** Reports [left, right) as received twice in the next ACK (RFC 2883; tcp_dsack_set). */
export function setDsack(t: Tcb, left: number, right: number): void {
  if ((t.opt & OPT_SACK) === 0 || t.stack.sysctl.tcp_dsack === 0) return
  if (before(left, t.rcv.nxt)) t.stack.counters.TcpExtTCPDSACKOldSent++
  else t.stack.counters.TcpExtTCPDSACKOfoSent++
  t.hasDsack = true
  const d = disorderOf(t)
  d.dsackLeft = left
  d.dsackRight = right
}

/** Widens the pending D-SACK, or starts one (tcp_dsack_extend). */
export function extendDsack(t: Tcb, left: number, right: number): void {
  if (!t.hasDsack) {
    setDsack(t, left, right)
    return
  }
  const d = disorderOf(t)
  if (!before(d.dsackRight, left) && !before(right, d.dsackLeft)) {
    if (before(left, d.dsackLeft)) d.dsackLeft = left
    if (before(d.dsackRight, right)) d.dsackRight = right
  }
}
