/** Whether a connection may have the port of one that is in TIME-WAIT (__inet_check_established, tcp_twsk_unique). */
import { add } from './seq.ts'
import type { Tcb } from './tcb.ts'
import { TimeWait } from './timewait.ts'

/** Is the four-tuple with this local port in use, or in a TIME-WAIT that may not be reused (__inet_check_established)? */
export function isTaken(t: Tcb, port: number): boolean {
  const tcp = t.tcp
  const other = tcp.table.get(t.localAddress, t.remoteAddress, (port << 16) | t.remotePort)
  if (other === undefined) return false
  if (!(other instanceof TimeWait)) return true
  const reuse = t.stack.sysctl.tcp_tw_reuse
  const isLoopback = t.remoteAddress >>> 24 === 127
  if (!other.hasTs || reuse === 0 || (reuse === 2 && !isLoopback)) return true
  // RFC 6191: timestamps must have moved on, so that old segments are told apart (tcp_twsk_unique).
  if (((tcp.nowMs() - other.tsRecentStamp) | 0) < t.stack.sysctl.tcp_tw_reuse_delay) return true
  t.snd.iss = add(other.sndNxt, 65535 + 2) || 1
  t.snd.writeSeq = t.snd.iss
  t.tsRecent = other.tsRecent
  t.tsRecentStamp = other.tsRecentStamp
  other.kill()
  return false
}
