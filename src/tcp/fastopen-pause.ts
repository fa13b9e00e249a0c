/**
 * Fast Open of this host's clients, paused while a middlebox seems to swallow what follows such SYNs (RFC 7413 §7.1; Linux
 * tcp_fastopen_active_disable and its neighbours): longer each time, up to 64 times tcp_fastopen_blackhole_timeout_sec.
 */
import { FIN } from '../wire/tcp.ts'
import type { Tcb } from './tcb.ts'

/** The pause doubles at most this often. */
const MOST_DOUBLINGS = 6

export class FastOpenPause {
  /** How often it was paused since a connection last went well; when the last pause began, in ms. */
  times = 0
  begunAt = 0
}

/** Pauses Fast Open: `t` was lost to a black hole. */
function pauseFastOpen(t: Tcb): void {
  if (t.stack.sysctl.tcp_fastopen_blackhole_timeout_sec === 0) return
  const pause = t.tcp.fastOpenPause
  pause.begunAt = t.tcp.nowMs()
  pause.times++
  t.stack.counters.TcpExtTCPFastOpenBlackhole++
}

/** Is it paused? If a pause is just over, `t` is the one to tell whether all is well. */
export function isFastOpenPaused(t: Tcb): boolean {
  const seconds = t.stack.sysctl.tcp_fastopen_blackhole_timeout_sec
  const { times, begunAt } = t.tcp.fastOpenPause
  if (seconds === 0 || times === 0) return false
  const length = seconds * 1000 * 2 ** Math.min(times - 1, MOST_DOUBLINGS)
  if (((t.tcp.nowMs() - begunAt) | 0) < length) return true
  if (t.fastOpen !== null) t.fastOpen.isTrial = true
  return false
}

/** A timeout of a Fast Open client: the third in a row, or the last, is taken for a black hole. */
export function detectBlackHole(t: Tcb, expired: boolean): void {
  const f = t.fastOpen
  if (f === null || (!f.synFastOpen && !f.synData)) return
  if (t.retransmits !== 2 && !(t.retransmits < 2 && expired)) return
  pauseFastOpen(t)
  t.stack.counters.TcpExtTCPFastOpenActiveFail++
}

/** A RST that is not at RCV.NXT, to a Fast Open client that got no data yet. */
export function suspectReset(t: Tcb): void {
  if (t.fastOpen?.synFastOpen === true && (t.stats?.dataSegmentsIn ?? 0) === 0) pauseFastOpen(t)
}

/** The end of a Fast Open client: a FIN behind a gap and nothing else is a black hole; data on a trial ends the pauses. */
export function judgeFastOpen(t: Tcb): void {
  const f = t.fastOpen
  if (f === null || !f.synFastOpen) return
  if ((t.stats?.dataSegmentsIn ?? 0) === 0) {
    const first = t.oooHead
    if (first !== null && first.next === null && (first.flags & FIN) !== 0) pauseFastOpen(t)
  } else if (f.isTrial && (t.dst === null || !t.dst.interface.isLoopback)) t.tcp.fastOpenPause.times = 0
}
