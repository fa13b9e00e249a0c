/** What a SYN or SYN-ACK says in its options, in Linux's order and padding (LINUX-TCP 1; tcp_syn_options, tcp_options_write). */
import { put16 } from '../wire/bytes.ts'
import { MAX_OPTIONS_LEN } from '../wire/tcp.ts'
import * as tcpOptions from '../wire/tcp-options.ts'
import { emitOption, fieldsThatFit, NO_BYTES, takenSize } from './accecn.ts'

/** What a SYN or SYN-ACK says in its options. `wscale` -1: none. */
export interface SynOptions {
  readonly mss: number
  readonly timestamps: boolean
  readonly sack: boolean
  readonly wscale: number
  readonly tsVal: number
  readonly tsEcr: number
  /** Fast Open cookie, or the request for one. */
  readonly cookie: CookieOption | null
  /** Room for a signature comes first. */
  readonly isSigned: boolean
  /** Fields of AccECN's option, -1: none. */
  readonly counters: number
}

/** A Fast Open option to send; `cookieLength` 0 asks for a cookie, -1: no option. */
export interface CookieOption {
  readonly cookie: Uint8Array
  readonly cookieLength: number
  readonly isExperimental: boolean
}

/** Bytes of the option, padding included. */
export const cookieBytes = (c: CookieOption): number =>
  c.cookieLength < 0 ? 0 : (c.cookieLength + (c.isExperimental ? 4 : 2) + 3) & ~3

/** Writes it, padded with NOPs behind (tcp_options_write). */
function putCookie(b: Uint8Array, o: number, c: CookieOption): number {
  const end = o + cookieBytes(c)
  if (c.isExperimental) {
    put16(b, o, (tcpOptions.EXPERIMENT << 8) | (4 + c.cookieLength))
    put16(b, o + 2, tcpOptions.FAST_OPEN_MAGIC)
    o += 4
    for (let i = 0; i < c.cookieLength; i++) b[o++] = c.cookie[i] as number
  } else o = tcpOptions.emitFastOpen(b, o, c.cookie, 0, c.cookieLength)
  while (o < end) o = tcpOptions.emitNop(b, o)
  return o
}

export function synOptionBytes(timestamps: boolean, sack: boolean, wscale: boolean): number {
  return 4 + (timestamps ? 12 : sack ? 4 : 0) + (wscale ? 4 : 0)
}

/** Bytes of NOPs that AccECN's option may take the place of (tcp_synack_options_combine_saving). */
const saving = (timestamps: boolean, sack: boolean, wscale: boolean): number =>
  sack && !timestamps ? 2 : wscale ? 1 : 0

/** Fields of AccECN's option that fit behind `size` bytes of others, -1: no option. */
export function synCounterFields(size: number, timestamps: boolean, sack: boolean, wscale: boolean): number {
  const room = MAX_OPTIONS_LEN - size
  return room < 2 ? -1 : fieldsThatFit(room, 0, saving(timestamps, sack, wscale))
}

/** Bytes that so many fields add. */
export const synCounterBytes = (fields: number, timestamps: boolean, sack: boolean, wscale: boolean): number =>
  fields < 0 ? 0 : takenSize(fields, saving(timestamps, sack, wscale))

/** Writes `mss, sackOK, TS, counters, nop, wscale, cookie` (tcp_options_write). What counters leave of a word others fill. */
export function putSynOptions(b: Uint8Array, o: number, options: SynOptions): number {
  const { counters } = options
  const lateSack = options.sack && !options.timestamps
  // An option without fields fills a pair of NOPs: those before SACK-permitted, or at the end.
  const late = counters === 0 && !lateSack
  if (options.isSigned) o = tcpOptions.emitMd5(b, o)
  o = tcpOptions.emitMss(b, o, options.mss)
  if (options.timestamps) {
    if (options.sack) o = tcpOptions.emitSackPermitted(b, o)
    else o = tcpOptions.emitNop(b, tcpOptions.emitNop(b, o))
    o = tcpOptions.emitTimestamp(b, o, options.tsVal, options.tsEcr)
  }
  const start = o
  if (counters >= 0 && !late) o = emitOption(b, o, counters, NO_BYTES)
  if (counters === 3) o = tcpOptions.emitNop(b, o)
  if (lateSack) {
    while (((o - start) & 3) !== 2) o = tcpOptions.emitNop(b, o)
    o = tcpOptions.emitSackPermitted(b, o)
  }
  if (options.wscale >= 0) {
    if (((o - start) & 3) === 0) o = tcpOptions.emitNop(b, o)
    o = tcpOptions.emitWscale(b, o, options.wscale)
  }
  if (late) o = emitOption(b, o, 0, NO_BYTES)
  while (((o - start) & 3) !== 0) o = tcpOptions.emitNop(b, o)
  if (options.cookie !== null) o = putCookie(b, o, options.cookie)
  return o
}
