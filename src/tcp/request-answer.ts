/** What comes for a half-open connection that is not its third ACK, and the answers (Linux tcp_check_req). */
import { ACK, RST, SYN } from '../wire/tcp.ts'
import { isAnswerLimited, isEmptyOrSyn } from './challenge.ts'
import { type Request, sendSynAck } from './request.ts'
import type { Segment } from './segment.ts'
import { add, after, before } from './seq.ts'
import { OPT_TIMESTAMPS } from './tcb.ts'
import { sendDetached } from './transmit.ts'

/** The segment is within what the SYN-ACK could tell of the window (tcp_in_window, tcp_synack_window). */
export function isInWindow({ rcvNxt, rcvWnd }: Request, g: Segment): boolean {
  const edge = add(rcvNxt, Math.min(rcvWnd, 65535))
  return g.seq === rcvNxt || (after(g.endSeq, rcvNxt) && before(g.seq, edge)) || (g.seq === edge && g.endSeq === edge)
}

/** An acknowledgement for what is not in the window, unless there was one lately. */
export function answerStray(r: Request, g: Segment): void {
  if (isEmptyOrSyn(g) && isAnswerLimited(r, r.tcp)) r.tcp.counters.TcpExtTCPACKSkippedSynRecv++
  else requestAck(r)
}

/** A RST in the window, but not where it should be, may be forged (RFC 5961 §3.2; LINUX-TCP 31). */
export function challengeReset(r: Request): void {
  if (isAnswerLimited(r, r.tcp)) r.tcp.counters.TcpExtTCPACKSkippedSynRecv++
  else requestAck(r)
}

/** A segment for a Fast Open child before its handshake ends: true if nothing is left to do (tcp_check_req). */
export function earlyInput(r: Request, g: Segment): boolean {
  const { tcp } = r
  const { parsed, counters } = tcp
  const isStamped = (r.opt & OPT_TIMESTAMPS) !== 0 && g.hasTs && r.tsRecent !== 0
  const paws = isStamped && ((r.tsRecent - parsed.tsVal) | 0) > 0
  if (g.seq === r.irs && (g.flags & (SYN | RST | ACK)) === SYN && !paws) {
    // The child's timer goes on.
    if (isAnswerLimited(r, tcp)) counters.TcpExtTCPACKSkippedSynRecv++
    else sendSynAck(r)
    return true
  }
  if (paws || !isInWindow(r, g)) {
    if ((g.flags & RST) === 0) answerStray(r, g)
    if (paws) counters.TcpExtPAWSEstab++
    return true
  }
  if ((g.flags & RST) !== 0) {
    if (g.seq === r.rcvNxt) return false
    challengeReset(r)
    return true
  }
  if ((g.flags & SYN) !== 0 && g.seq !== r.irs) {
    counters.TcpAttemptFails++
    tcp.sendReset(g)
    return true
  }
  return (g.flags & ACK) === 0
}

/** An acknowledgement of what a half-open connection has, or a Fast Open child before its handshake ends (tcp_v4_reqsk_send_ack). */
export function requestAck(r: Request): void {
  const tcp = r.tcp
  sendDetached(tcp, {
    local: r.local,
    remote: r.remote,
    localPort: r.localPort,
    remotePort: r.remotePort,
    seq: r.child === null ? add(r.iss, 1) : r.child.snd.nxt,
    ack: r.rcvNxt,
    flags: ACK,
    window: Math.min(r.rcvWnd, 65535) >> r.rcvWscale,
    tsVal: (tcp.nowMs() + r.tsOffset) | 0,
    tsEcr: r.tsRecent,
    tos: 0,
    md5Key: r.md5Key,
  })
}
