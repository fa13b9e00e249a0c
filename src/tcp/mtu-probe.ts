/**
 * The path's MTU found out by longer segments that may get lost, for paths that say nothing (RFC 4821, RFC 8899; Linux
 * tcp_mtu_probe): off unless tcp_mtu_probing is 1, then from the first black hole on, or 2, always.
 */
import { currentSsthresh } from './cwnd.ts'
import { currentMss, HEADERS, mtuToMss, optionRoom, syncMss, TS_LEN } from './mss.ts'
import { markLost, recoveryOf } from './rack.ts'
import { after, diff, type Seq } from './seq.ts'
import { CA_CWR, CA_OPEN, type Tcb } from './tcb.ts'
import { inFlight, splitSegment, unlinkSegment } from './tx-queue.ts'
import type { TxSegment } from './tx-segment.ts'

/** Smallest window that probes: it sends nearly two segments for one. */
const LEAST_CWND = 11

/** What is known about the path (icsk_mtup): MTUs in bytes. */
export class MtuProbe {
  isEnabled = false
  low = 0
  high = 0
  /** The probe in flight, 0: none; and what of the stream it carries. */
  size = 0
  begin: Seq = 0
  end: Seq = 0
  /** Since when the search goes on, in ms. */
  stamp = 0
}

/** Takes what is known into account. */
const resync = (t: Tcb): number => syncMss(t, t.dst === null ? t.pmtu : t.dst.mtu)

const mssToMtu = (t: Tcb, mss: number): number => mss + optionRoom(t) + HEADERS

function enable(t: Tcb): MtuProbe {
  const p = new MtuProbe()
  p.isEnabled = true
  p.high = t.snd.mssClamp + HEADERS
  p.low = mssToMtu(t, t.stack.sysctl.tcp_base_mss)
  // A SYN on its way asks for time stamps (tcp_connect_init).
  if (t.snd.nxt === t.snd.iss && t.stack.sysctl.tcp_timestamps !== 0) p.low += TS_LEN
  p.stamp = t.tcp.nowMs()
  t.mtuProbe = p
  return p
}

/**
 * A connection begins, or what it was made of is known (tcp_mtup_init). The size of segments follows when they are next
 * fitted to the path: at once for who connects, later for whom the peer did.
 */
export function beginMtuProbing(t: Tcb): void {
  if (t.stack.sysctl.tcp_mtu_probing >= 2) enable(t)
}

/** Nothing gets through: the path may swallow full segments (tcp_mtu_probing, RFC 4821 §7.7). */
export function blackHole(t: Tcb): void {
  const { sysctl } = t.stack
  if (sysctl.tcp_mtu_probing === 0) return
  const p = t.mtuProbe
  if (p === null) enable(t)
  else {
    const half = Math.min(sysctl.tcp_base_mss, mtuToMss(t, p.low) >> 1)
    p.low = mssToMtu(t, Math.max(half, sysctl.tcp_mtu_probe_floor, sysctl.tcp_min_snd_mss))
  }
  resync(t)
}

/** Not now; now, this many bytes from `sendHead` on; or nothing at all may be sent, so that a probe can. */
export const PROBE_NONE = 0
export const PROBE_WAIT = -1

/** Sees whether a probe is due and makes its segment the first unsent one (tcp_mtu_probe). */
export function prepareMtuProbe(t: Tcb, p: MtuProbe): number {
  if (!p.isEnabled || p.size !== 0 || t.caState !== CA_OPEN || t.snd.cwnd < LEAST_CWND) return PROBE_NONE
  if (t.sackCount > 0 || t.hasDsack) return PROBE_NONE
  const mss = currentMss(t)
  const size = mtuToMss(t, (p.high + p.low) >> 1)
  const needed = size + (t.reordering + 1) * mss
  if (size > mtuToMss(t, p.high) || p.high - p.low < t.stack.sysctl.tcp_probe_threshold) {
    searchAgain(t, p)
    return PROBE_NONE
  }
  if (diff(t.snd.writeSeq, t.snd.nxt) < needed || t.snd.wnd < needed) return PROBE_NONE
  if (after((t.snd.nxt + needed) | 0, (t.snd.una + t.snd.wnd) | 0)) return PROBE_WAIT
  const flight = inFlight(t)
  if (flight + 2 > t.snd.cwnd) return flight === 0 ? PROBE_NONE : PROBE_WAIT
  return gather(t, size) ? size : PROBE_NONE
}

/** The segments from `head` on may become one of `size` bytes (tcp_can_coalesce_send_queue_head). */
function mayGather(head: TxSegment, size: number): boolean {
  let s = head
  for (let left = size; left > s.bytes; s = s.next) {
    if (s.next === null || s.endOfRecord || s.next.bytes === 0 || s.stampFlags !== 0) return false
    left -= s.bytes
  }
  return true
}

/** Makes the first unsent segment `size` bytes long. */
function gather(t: Tcb, size: number): boolean {
  const head = t.sendHead
  if (head === null || !mayGather(head, size)) return false
  while (head.bytes < size) {
    const next = head.next as TxSegment
    const { bytes } = next
    if (!head.absorb(next)) return false
    t.wmemQueued += bytes
    head.endSeq = next.endSeq
    head.flags |= next.flags
    head.endOfRecord = next.endOfRecord
    head.stampFlags = next.stampFlags
    head.stampSeq = next.stampSeq
    unlinkSegment(t, next)
  }
  if (head.bytes > size) splitSegment(t, head, size, size)
  head.pcount = 1
  return true
}

/** It is out. */
export function mtuProbeSent(t: Tcb, p: MtuProbe, segment: TxSegment): void {
  // It counts as the two segments it nearly is.
  t.snd.cwnd--
  p.size = mssToMtu(t, segment.bytes)
  p.begin = segment.seq
  p.end = segment.endSeq
}

/** The path takes it (tcp_mtup_probe_success). */
export function mtuProbeAcked(t: Tcb, p: MtuProbe): void {
  const { snd } = t
  recoveryOf(t).priorSsthresh = currentSsthresh(t)
  // As many bytes as before in fewer, longer segments.
  snd.cwnd = Math.max(1, Math.floor((snd.cwnd * mssToMtu(t, snd.mss)) / p.size))
  snd.cwndCnt = 0
  snd.cwndStamp = t.tcp.nowMs()
  snd.ssthresh = currentSsthresh(t)
  p.low = p.size
  p.size = 0
  resync(t)
  t.stack.counters.TcpExtTCPMTUPSuccess++
}

/** The probe, and nothing else, is missing: that is no congestion. True if so (tcp_mtup_probe_failed). */
export function mtuProbeLost(t: Tcb, p: MtuProbe): boolean {
  if (t.caState >= CA_CWR || p.size === 0 || t.snd.una !== p.begin) return false
  p.high = p.size - 1
  p.size = 0
  t.snd.cwnd++
  t.stack.counters.TcpExtTCPMTUPFail++
  for (let s = t.txHead; s !== null && s !== t.sendHead; s = s.next)
    if (s.pcount === 1 && s.bytes > t.snd.mss) markLost(t, s)
  return true
}

/** After ten minutes the whole search begins anew: paths change (tcp_mtu_check_reprobe). */
function searchAgain(t: Tcb, p: MtuProbe): void {
  const now = t.tcp.nowMs()
  if (((now - p.stamp) | 0) < t.stack.sysctl.tcp_probe_interval * 1000) return
  p.high = t.snd.mssClamp + HEADERS
  p.low = mssToMtu(t, currentMss(t))
  p.stamp = now
}
