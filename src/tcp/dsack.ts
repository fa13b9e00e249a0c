/** The duplicate to report in the next ACK's first block (RFC 2883 §4; tcp_dsack_set, tcp_dsack_extend). */
import { before } from './seq.ts'
import { OPT_SACK, type Tcb } from './tcb.ts'

/** Reports [left, right) as received twice in the next ACK (RFC 2883; tcp_dsack_set). */
export function setDsack(t: Tcb, left: number, right: number): void {
  if ((t.opt & OPT_SACK) === 0 || t.stack.sysctl.tcp_dsack === 0) return
  if (before(left, t.rcv.nxt)) t.stack.counters.TcpExtTCPDSACKOldSent++
  else t.stack.counters.TcpExtTCPDSACKOfoSent++
  t.hasDsack = true
  t.dsackLeft = left
  t.dsackRight = right
}

/** Widens the pending D-SACK, or starts one (tcp_dsack_extend). */
export function extendDsack(t: Tcb, left: number, right: number): void {
  if (!t.hasDsack) {
    setDsack(t, left, right)
    return
  }
  if (!before(t.dsackRight, left) && !before(right, t.dsackLeft)) {
    if (before(left, t.dsackLeft)) t.dsackLeft = left
    if (before(t.dsackRight, right)) t.dsackRight = right
  }
}
