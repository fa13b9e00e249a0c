/** How much payload a segment may carry: MTU, MSS option, options in use (RFC 9293 §3.7.1, RFC 6691; Linux tcp_output.c). */
import type { Dst } from '../ip/dst.ts'
import { IP_PMTUDISC_DO, IP_PMTUDISC_WANT } from '../sock/sock.ts'
import { MAX_OPTIONS_LEN } from '../wire/tcp.ts'
import { fitOption } from './accecn.ts'
import { MD5_OPTION } from './md5.ts'
import type { Tcb } from './tcb.ts'
import { OPT_TIMESTAMPS } from './tcb.ts'

/** IPv4 and TCP headers without options. */
export const HEADERS = 40
/** NOP, NOP, timestamps. */
export const TS_LEN = 12
/** Largest burst handed to a device as one packet (GSO_LEGACY_MAX_SIZE), less the largest headers. */
export const MAX_BURST: number = 65535 - 320

/** What `snd.mss` allows for options: timestamps, not a signature (tcp_header_len). */
export const optionRoom = (t: Tcb): number => ((t.opt & OPT_TIMESTAMPS) !== 0 ? TS_LEN : 0)

/** Payload that fits `mtu` under the peer's and the program's bound (tcp_mtu_to_mss). */
export function mtuToMss(t: Tcb, mtu: number): number {
  let mss = mtu - HEADERS
  if (mss > t.snd.mssClamp) mss = t.snd.mssClamp
  return Math.max(mss, t.stack.sysctl.tcp_min_snd_mss) - optionRoom(t)
}

/** Takes a (new) path MTU over into snd.mss (tcp_sync_mss). */
export function syncMss(t: Tcb, mtu: number): number {
  let mss = mtuToMss(t, mtu)
  // tcp_bound_to_half_wnd: a peer with a tiny window is not sent more than half of it at once.
  const cutoff = t.snd.maxWnd > 536 ? t.snd.maxWnd >> 1 : t.snd.maxWnd
  if (cutoff > 0 && mss > cutoff) mss = Math.max(cutoff, 68 - 20 - optionRoom(t))
  t.pmtu = mtu
  const probe = t.mtuProbe
  if (probe !== null) {
    probe.high = Math.min(probe.high, mtu)
    mss = Math.min(mss, mtuToMss(t, probe.low))
  }
  t.snd.mss = mss
  return mss
}

/** DF on what the socket sends (ip_dont_fragment): IP_MTU_DISCOVER, and whether the route's MTU may change. */
export function dontFragment(t: Tcb, dst: Dst): boolean {
  const { mtuDiscover } = t.settings
  return (
    mtuDiscover === IP_PMTUDISC_DO ||
    (mtuDiscover === IP_PMTUDISC_WANT && !dst.mtuLocked && dst.metrics?.mtuLocked !== true)
  )
}

/** MSS now: follows the route's MTU, and makes room for the SACK blocks and counters we are about to report (tcp_current_mss). */
export function currentMss(t: Tcb): number {
  const mtu = t.dst === null ? t.pmtu : t.dst.mtu
  if (mtu !== t.pmtu) syncMss(t, mtu)
  // As a rule there is nothing but what `snd.mss` knows of.
  if (t.sackCount === 0 && !t.hasDsack && t.accEcn === null && t.md5Key === null) return t.snd.mss
  return t.snd.mss + optionRoom(t) - establishedOptionBytes(t)
}

/** Bytes of options of an established segment: timestamps, SACK blocks, AccECN's counters (tcp_established_options). */
export function establishedOptionBytes(t: Tcb): number {
  let size = optionRoom(t) + (t.md5Key === null ? 0 : MD5_OPTION)
  let blocks = t.sackCount + (t.hasDsack ? 1 : 0)
  if (blocks > 0) {
    blocks = Math.min(blocks, ((MAX_OPTIONS_LEN - size - 4) / 8) | 0)
    if (blocks > 0) size += 4 + 8 * blocks
  }
  return t.accEcn === null ? size : size + fitOption(t, t.accEcn, blocks, MAX_OPTIONS_LEN - size)
}

/** A first guess of how long the peer's segments are (tcp_initialize_rcv_mss). */
export function initializeReceiveMss(t: Tcb): void {
  t.rcv.mss = Math.max(Math.min(t.rcv.advMss, t.snd.mss, t.rcv.wnd >> 1, TCP_MSS_DEFAULT), MIN_RCV_MSS)
}

/** TCP_MIN_MSS: no peer's segments are taken to be shorter. */
export const MIN_RCV_MSS = 88
/** The peer's MSS as long as it has not said it. */
export const TCP_MSS_DEFAULT = 536

/** The MSS that the SYN in hand tells, bounded by TCP_MAXSEG (tcp_parse_options); `absent` if it does not. */
export function peerMss(t: Tcb, absent: number): number {
  const told = t.tcp.parsed.mss
  if (told === 0) return absent
  return t.snd.userMss > 0 && t.snd.userMss < told ? t.snd.userMss : told
}

/** The MSS to advertise on the route (tcp_advertise_mss): its MTU less the headers, or what TCP_MAXSEG lowered it to. */
export function advertisedMss(t: Tcb, dst: Dst): number {
  const mss = dst.metrics?.advmss ?? Math.min(dst.mtu - HEADERS, 65535 - HEADERS)
  return t.snd.userMss > 0 && t.snd.userMss < mss ? t.snd.userMss : mss
}
