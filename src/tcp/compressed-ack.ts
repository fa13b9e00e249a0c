/**
 * Acknowledgements of data out of order, fewer than segments: after three in a row they wait a twentieth of the round trip
 * for more (Linux's SACK compression, __tcp_ack_snd_check).
 */
import type { Tcb } from './tcb.ts'
import { disorderOf, OPT_SACK } from './tcb.ts'
import { TcbTimer, TIMER_COMPRESSED } from './timer.ts'

/** Duplicate acknowledgements that leave at once: as many as make the sender see a loss. */
const UNCOMPRESSED = 3

export class CompressedAcks {
  /** Acknowledgements held back; those sent for `rcvNxt` already. */
  count = 0
  sent = 0
  rcvNxt = 0
  readonly timer: TcbTimer

  constructor(t: Tcb) {
    this.timer = new TcbTimer(t, TIMER_COMPRESSED)
  }
}

/** Microseconds an acknowledgement waits: Linux's timers are late by the slack, as a rule. */
function delayOf(t: Tcb): number {
  const { sysctl } = t.stack
  const receiver = t.rcv.rttUs
  const rtt = t.srtt > 0 && t.srtt < receiver ? t.srtt : receiver
  return Math.min(sysctl.tcp_comp_sack_delay_ns / 1000, rtt / 8 / 20) + sysctl.tcp_comp_sack_slack_ns / 1000
}

/** Data waits out of order: may this acknowledgement wait, too? */
export function mayCompress(t: Tcb): boolean {
  const most = t.stack.sysctl.tcp_comp_sack_nr
  if ((t.opt & OPT_SACK) === 0 || most === 0) return false
  const d = disorderOf(t)
  d.compressed ??= new CompressedAcks(t)
  const c = d.compressed
  if (c.count >= most) return false
  if (c.rcvNxt !== t.rcv.nxt) {
    c.rcvNxt = t.rcv.nxt
    c.sent = 0
  }
  if (c.sent < UNCOMPRESSED) {
    c.sent++
    return false
  }
  c.count++
  if (c.timer.deadline === Infinity) t.stack.clock.start(c.timer, t.tcp.now + delayOf(t))
  return true
}

/** An acknowledgement left, and all that waited with it (tcp_event_ack_sent). */
export function uncompressed(t: Tcb, c: CompressedAcks): void {
  if (c.count === 0) return
  t.stack.counters.TcpExtTCPAckCompressed += c.count
  c.count = 0
  t.stack.clock.stop(c.timer)
}
