/**
 * TCP Fast Open (RFC 7413; Linux tcp_fastopen.c): data in the SYN. The client keeps cookies with the MSS of each peer
 * (`metrics`), the server makes them from its key and the addresses and takes the data before the handshake is done.
 */
import { SipHash } from '../sys/siphash64.ts'
import type { ParsedOptions } from '../wire/tcp-options.ts'
import { isFastOpenPaused } from './fastopen-pause.ts'
import type { Request } from './request.ts'
import type { Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'

/** Bits of net.ipv4.tcp_fastopen. */
export const TFO_CLIENT_ENABLE = 1
export const TFO_SERVER_ENABLE = 2
export const TFO_CLIENT_NO_COOKIE = 4
export const TFO_SERVER_COOKIE_NOT_REQD = 0x200
export const TFO_SERVER_WO_SOCKOPT1 = 0x400

/** Bytes of a cookie we make; of a key (TCP_FASTOPEN_COOKIE_SIZE, TCP_FASTOPEN_KEY_LENGTH). */
export const COOKIE_SIZE = 8
export const KEY_LENGTH = 16
/** Longest cookie of a peer that is kept (TCP_FASTOPEN_COOKIE_MAX), and shortest. */
const COOKIE_MAX = 16
const COOKIE_MIN = 4
/** Option space kept free in a SYN with data, for middleboxes that add theirs (MAX_TCP_OPTION_SPACE). */
export const OPTION_SPACE = 40

/** No Fast Open option; a request is an empty cookie. */
export const NO_COOKIE = -1

/** Why data did not go with a SYN (enum tcp_fastopen_client_fail): no cookie, not acknowledged, the SYN went more than once. */
export const TFO_COOKIE_UNAVAILABLE = 1
export const TFO_DATA_NOT_ACKED = 2
export const TFO_SYN_RETRANSMITTED = 3

/** What Fast Open needs to remember of a socket; made for those that use it. */
export class FastOpenState {
  /** Listener: most children that may wait for the end of their handshake (TCP_FASTOPEN), and how many do. */
  queueMost = 0
  queued = 0
  /** Listener: its own keys, 16 or 32 bytes (TCP_FASTOPEN_KEY), or none. */
  key: Uint8Array | null = null
  /** TCP_FASTOPEN_NO_COOKIE, TCP_FASTOPEN_CONNECT. */
  noCookie = false
  onConnect = false
  /** connect() left the SYN to the first write (BIT DEFER_CONNECT). */
  isDeferred = false
  /** The next SYN carries the option: length of the cookie, 0 to ask for one, NO_COOKIE for none. */
  cookieLength: number = NO_COOKIE
  cookie: Uint8Array = new Uint8Array(0)
  isExperimental = false
  /** The SYN asked or had a cookie; by the experimental option; had data (syn_fastopen, syn_fastopen_exp, syn_data). */
  synFastOpen = false
  synExperimental = false
  synData = false
  /** What went wrong last, 0: nothing (fastopen_client_fail). */
  clientFail = 0
  /** The first after a pause (syn_fastopen_ch). */
  isTrial = false
  /** Server: the half-open request of a child that has no handshake yet (fastopen_rsk). */
  request: Request | null = null
}

/** The state, made on first use. */
export function fastOpenOf(t: Tcb): FastOpenState {
  t.fastOpen ??= new FastOpenState()
  return t.fastOpen
}

/** A cookie as it came in a SYN or SYN-ACK; its length is NO_COOKIE if there was none, 0 for a request. */
export interface Cookie {
  length: number
  readonly bytes: Uint8Array
  isExperimental: boolean
}

/** The cookie among the options of the segment in hand (tcp_parse_fastopen_option). */
export function cookieOf(b: Uint8Array, parsed: ParsedOptions): Cookie {
  const { fastOpenLength: length, fastOpenOffset: at, fastOpenExperimental: isExperimental } = parsed
  const none = { length: NO_COOKIE, bytes: new Uint8Array(0), isExperimental: false }
  if (length < 0 || (length & 1) !== 0) return none
  if (length === 0) return { length: 0, bytes: new Uint8Array(0), isExperimental }
  if (length < COOKIE_MIN || length > COOKIE_MAX) return none
  return { length, bytes: b.slice(at, at + length), isExperimental }
}

/** Looks up what the client knows of its peer; true if data may go with the SYN (tcp_fastopen_cookie_check). */
export function checkCookie(t: Tcb): boolean {
  const f = fastOpenOf(t)
  const known = t.tcp.metrics.get(t.remoteAddress)
  f.cookie = known?.cookie ?? new Uint8Array(0)
  f.cookieLength = f.cookie.length
  f.isExperimental =
    known !== undefined && (known.isExperimental || (f.cookieLength === 0 && known.tryExperimental === 1))
  if (known !== undefined && known.mss > 0) t.snd.mssClamp = known.mss
  if (isFastOpenPaused(t)) {
    f.cookieLength = NO_COOKIE
    return false
  }
  if (f.noCookie || (t.stack.sysctl.tcp_fastopen & TFO_CLIENT_NO_COOKIE) !== 0) {
    f.cookieLength = NO_COOKIE
    return true
  }
  if (f.cookieLength > 0) return true
  f.clientFail = TFO_COOKIE_UNAVAILABLE
  return false
}

/** Remembers what a SYN-ACK taught (tcp_fastopen_cache_set). */
export function learnCookie(t: Tcb, mss: number, cookie: Cookie, synLost: boolean, tryExperimental: number): void {
  const peer = t.tcp.metrics.of(t.remoteAddress)
  if (mss > 0) peer.mss = mss
  if (cookie.length > 0) {
    peer.cookie = cookie.bytes
    peer.isExperimental = cookie.isExperimental
  } else if (tryExperimental > peer.tryExperimental && peer.cookie.length === 0 && !peer.isExperimental) {
    peer.tryExperimental = tryExperimental
  }
  if (synLost) {
    peer.synLoss++
    peer.lastSynLoss = t.tcp.nowMs()
  } else peer.synLoss = 0
}

/** The 16 bytes of net.ipv4.tcp_fastopen_key (`xxxxxxxx-…`, four little-endian words). */
function sysctlKey(tcp: Tcp): Uint8Array {
  const key = new Uint8Array(KEY_LENGTH)
  tcp.stack.sysctl.tcp_fastopen_key
    .split(',')[0]
    ?.split('-')
    .forEach((word, i) => {
      const value = Number.parseInt(word, 16) | 0
      if (i < 4) for (let b = 0; b < 4; b++) key[4 * i + b] = (value >>> (8 * b)) & 255
    })
  return key
}

/** The cookie of a client under a key: SipHash-2-4 of both addresses (__tcp_fastopen_cookie_gen_cipher). */
export function makeCookie(key: Uint8Array, from: number, client: number, server: number): Uint8Array {
  return new SipHash(key, from).hashPair(client, server)
}

/** Key of a listener: its own or the host's. */
export const keyOf = (listener: Tcb): Uint8Array => listener.fastOpen?.key ?? sysctlKey(listener.tcp)

/** 0: not valid; 1: made with the present key; 2: with the old one, so a new one should be sent along. */
export function validity(listener: Tcb, cookie: Cookie, client: number, server: number): number {
  const key = keyOf(listener)
  for (let from = 0; from < key.length; from += KEY_LENGTH) {
    const valid = makeCookie(key, from, client, server)
    if (cookie.length === valid.length && valid.every((b, i) => b === cookie.bytes[i])) return from === 0 ? 1 : 2
  }
  return 0
}

/** listen() with TFO_SERVER_WO_SOCKOPT1 in the sysctl makes every listener take Fast Open. */
export function listenFastOpen(listener: Tcb, backlog: number): void {
  const bits = TFO_SERVER_ENABLE | TFO_SERVER_WO_SOCKOPT1
  if ((listener.stack.sysctl.tcp_fastopen & bits) !== bits) return
  const f = fastOpenOf(listener)
  if (f.queueMost === 0) f.queueMost = Math.min(backlog, listener.stack.sysctl.somaxconn)
}
