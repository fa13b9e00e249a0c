/**
 * SYN cookies (RFC 4987 §3.6; Linux syncookies.c): a SYN-ACK whose sequence number says enough of the SYN that nothing
 * need be kept; what the options said rides in the low bits of its timestamp.
 */
import type { Request } from './request.ts'
import type { Segment } from './segment.ts'
import { OPT_ACCECN, OPT_ECN, OPT_SACK, OPT_WSCALE } from './tcb.ts'
import type { Tcp } from './tcp.ts'

/** MSS values a cookie can say (msstab of syncookies.c). */
const MSS_TABLE: readonly number[] = [536, 1300, 1440, 1460]
const COOKIE_BITS = 24
const COOKIE_MASK = (1 << COOKIE_BITS) - 1
/** A cookie is good for this many minutes (MAX_SYNCOOKIE_AGE). */
const MAX_AGE = 2
const MINUTE = 60000000
/** Low bits of the timestamp: the peer's window scale (all ones: none), SACK, ECN. */
const TS_BITS = 6
const TS_WSCALE = 0xf
const TS_SACK = 16
const TS_ECN = 32

/** What a cookie and its timestamp told of the SYN. */
export interface CookieSyn {
  readonly mss: number
  readonly wscale: number
  readonly sack: boolean
  readonly ecn: boolean
}

const minute = (tcp: Tcp): number => Math.floor(tcp.now / MINUTE) | 0

function hash(tcp: Tcp, g: Segment, count: number, which: number): number {
  return tcp.hash.hash4(g.remote, g.local, (g.remotePort << 16) | g.localPort, ((count << 1) | which) ^ 0x5c5c0000)
}

/** The sequence number of the SYN-ACK for the SYN `g` of a peer whose MSS is `mss` (secure_tcp_syn_cookie). */
export function cookieSequence(tcp: Tcp, g: Segment, mss: number): number {
  let index = MSS_TABLE.length - 1
  while (index > 0 && mss < (MSS_TABLE[index] as number)) index--
  const count = minute(tcp)
  return (hash(tcp, g, 0, 0) + g.seq + (count << COOKIE_BITS) + ((hash(tcp, g, count, 1) + index) & COOKIE_MASK)) | 0
}

/** The MSS that the cookie acknowledged by `g` says, 0: it is none of ours, or too old (check_tcp_syn_cookie). */
function cookieMss(tcp: Tcp, g: Segment): number {
  const irs = (g.seq - 1) | 0
  const rest = (g.ack - 1 - hash(tcp, g, 0, 0) - irs) | 0
  const age = (minute(tcp) - (rest >> COOKIE_BITS)) & ((1 << (32 - COOKIE_BITS)) - 1)
  if (age >= MAX_AGE) return 0
  const index = (rest - hash(tcp, g, minute(tcp) - age, 1)) & COOKIE_MASK
  return MSS_TABLE[index] ?? 0
}

/** The SYN-ACK's clock in ms, its low bits replaced by the options of the SYN (cookie_init_timestamp). */
export function cookieTimestamp(r: Request, nowMs: number): number {
  let bits = (r.opt & OPT_WSCALE) !== 0 ? r.sndWscale & TS_WSCALE : TS_WSCALE
  if ((r.opt & OPT_SACK) !== 0) bits |= TS_SACK
  if ((r.opt & (OPT_ECN | OPT_ACCECN)) !== 0) bits |= TS_ECN
  const stamp = ((nowMs >> TS_BITS) << TS_BITS) | bits
  return ((stamp - nowMs) | 0) > 0 ? (stamp - (1 << TS_BITS)) | 0 : stamp
}

/** What the ACK of a cookie tells, or null if it is no such thing (cookie_v4_check). `tsOffset`: of our timestamps. */
export function checkSynCookie(tcp: Tcp, g: Segment, tsOffset: number): CookieSyn | null {
  const mss = cookieMss(tcp, g)
  if (mss === 0) {
    tcp.counters.TcpExtSyncookiesFailed++
    return null
  }
  tcp.counters.TcpExtSyncookiesRecv++
  const { parsed } = tcp
  const { sysctl } = tcp.stack
  if (!g.hasTs) return { mss, wscale: -1, sack: false, ecn: false }
  // cookie_timestamp_decode: options that a sysctl has taken away since make the cookie bad.
  if (sysctl.tcp_timestamps === 0) return null
  // An echo of 0 is taken as it is (cookie_tcp_check).
  const bits = parsed.tsEcr === 0 ? 0 : (parsed.tsEcr - tsOffset) & ((1 << TS_BITS) - 1)
  const sack = (bits & TS_SACK) !== 0
  if (sack && sysctl.tcp_sack === 0) return null
  const wscale = (bits & TS_WSCALE) === TS_WSCALE ? -1 : bits & TS_WSCALE
  if (wscale >= 0 && sysctl.tcp_window_scaling === 0) return null
  return { mss, wscale, sack, ecn: (bits & TS_ECN) !== 0 }
}
