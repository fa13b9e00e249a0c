/**
 * TCP options: RFC 9293 §3.2 (EOL, NOP, MSS), RFC 7323 (window scale, timestamps), RFC 2018 and 2883 (SACK), RFC 7413
 * (fast open, and its experimental form RFC 6994), RFC 5482 (user timeout), RFC 2385 (MD5), RFC 5925 (TCP-AO),
 * RFC 8684 (MPTCP, recognised only), RFC 9768 (Accurate ECN).
 *
 * `parse` follows Linux's tcp_parse_options: an option whose length is wrong for its kind is skipped; a length of 0 or
 * 1, or one that leads past the header, ends the parse. Which options count only on a SYN is the protocol's business.
 */
import { get8, get16, get32, put8, put16, put32 } from './bytes.ts'

/** End of option list. */
export const EOL = 0
/** No operation. */
export const NOP = 1
/** Maximum segment size. */
export const MSS = 2
/** Window scale. */
export const WSCALE = 3
/** SACK permitted. */
export const SACK_PERMITTED = 4
/** SACK blocks. */
export const SACK = 5
/** Timestamps. */
export const TIMESTAMP = 8
/** MD5 signature. */
export const MD5 = 19
/** User timeout. */
export const USER_TIMEOUT = 28
/** Authentication option. */
export const AO = 29
/** Multipath TCP. */
export const MPTCP = 30
/** Fast open cookie. */
export const FAST_OPEN = 34
/** Accurate ECN, order 0: EE0B, ECEB, EE1B. */
export const ACC_ECN0 = 172
/** Accurate ECN, order 1: EE1B, ECEB, EE0B. */
export const ACC_ECN1 = 174
/** Experimental option, RFC 6994. */
export const EXPERIMENT = 254
/** Experiment identifier of fast open, RFC 7413 appendix A. */
export const FAST_OPEN_MAGIC = 0xf989

/** Length of an MSS option. */
export const MSS_LEN = 4
/** Length of a window scale option. */
export const WSCALE_LEN = 3
/** Length of a SACK permitted option. */
export const SACK_PERMITTED_LEN = 2
/** Length of a timestamps option. */
export const TIMESTAMP_LEN = 10
/** Length of timestamps behind two NOPs, RFC 7323 appendix A. */
export const TIMESTAMP_ALIGNED_LEN = 12
/** Length of a SACK option without blocks. */
export const SACK_BASE_LEN = 2
/** Length of one SACK block. */
export const SACK_BLOCK_LEN = 8
/** Most blocks that fit, RFC 2018 §3. */
export const MAX_SACK_BLOCKS = 4
/** Length of an MD5 option. */
export const MD5_LEN = 18
/** Length of an authentication option before its code (struct tcp_ao_hdr). */
const AO_HEADER_LEN = 4
/** Length of a user timeout option. */
export const USER_TIMEOUT_LEN = 4
/** Largest shift, RFC 7323 §2.3. */
export const MAX_WSCALE = 14
/** NOP, NOP, kind 8, length 10 as one word: the aligned layout of RFC 7323 appendix A. */
const ALIGNED_TIMESTAMP = 0x0101080a

/** What `parse` found. One is made per stack and filled again for each segment; offsets are absolute in the bytes. */
export class ParsedOptions {
  /** False if a malformed length ended the parse early; what came before counts, as on Linux. */
  ok: boolean = true
  /** Malformed where a signature could stand: who looks for one drops the segment (tcp_parse_auth_options). */
  isUnsafe: boolean = false
  /** Maximum segment size; 0 if absent. */
  mss: number = 0
  /** Window scale as sent, not clamped; -1 if absent. */
  wscale: number = -1
  /** True if SACK permitted was present. */
  sackPermitted: boolean = false
  /** True if timestamps were present. */
  hasTs: boolean = false
  /** TSval, int32. */
  tsVal: number = 0
  /** TSecr, int32. */
  tsEcr: number = 0
  /** Number of SACK blocks. */
  sackCount: number = 0
  /** Offset of the first SACK block; -1 if none. */
  sackOffset: number = -1
  /** True if an MD5 signature was present. */
  hasMd5: boolean = false
  /** Offset of the 16-byte digest; -1 if none. */
  md5Offset: number = -1
  /** True if there was an authentication option (RFC 5925). */
  hasAo: boolean = false
  /** Offset of the fast open cookie; -1 if the option is absent. */
  fastOpenOffset: number = -1
  /** Length of the cookie, 0 for a request; -1 if the option is absent. */
  fastOpenLength: number = -1
  /** True if it came as the experimental option. */
  fastOpenExperimental: boolean = false
  /** User timeout field (granularity bit and 15 bits); -1 if absent. */
  userTimeout: number = -1
  /** Offset of an Accurate ECN option (its kind byte); -1 if absent. */
  accEcnOffset: number = -1
  /** There were timestamps as RFC 7323 lays them out, and nothing else. */
  isPlain: boolean = false
}

/** Forgets what an earlier parse found. */
export function reset(into: ParsedOptions): void {
  into.ok = true
  into.mss = 0
  into.wscale = -1
  into.sackPermitted = false
  into.hasTs = false
  into.tsVal = 0
  into.tsEcr = 0
  into.sackCount = 0
  into.sackOffset = -1
  into.hasMd5 = false
  into.md5Offset = -1
  into.hasAo = false
  into.fastOpenOffset = -1
  into.fastOpenLength = -1
  into.fastOpenExperimental = false
  into.userTimeout = -1
  into.accEcnOffset = -1
  into.isUnsafe = false
  into.isPlain = false
}

/** Reads the options in [o, end) into `into`; true if none was malformed. */
export function parse(b: Uint8Array, o: number, end: number, into: ParsedOptions): boolean {
  if (end - o === TIMESTAMP_ALIGNED_LEN && get32(b, o) === ALIGNED_TIMESTAMP) {
    // After another of the kind there is nothing to forget.
    if (!into.isPlain) reset(into)
    into.isPlain = true
    readTimestamp(b, o + 2, into)
    return true
  }
  reset(into)
  let at = o
  while (at < end) {
    const kind = get8(b, at)
    if (kind === EOL) return true
    const n = optionLength(b, at, end)
    if (n === 0) {
      into.ok = false
      if (end - at >= MD5_LEN) into.isUnsafe = true
      return false
    }
    if (kind !== NOP) readOption(b, at, n, end, into)
    at += n
  }
  return true
}

/** Length of the option at `o`, kind byte included: 1 for EOL and NOP; 0 if missing, below 2 or leading past `end`. */
export function optionLength(b: Uint8Array, o: number, end: number): number {
  if (o >= end) return 0
  if (get8(b, o) <= NOP) return 1
  if (end - o < 2) return 0
  const n = get8(b, o + 1)
  return n < 2 || n > end - o ? 0 : n
}

function readTimestamp(b: Uint8Array, at: number, into: ParsedOptions): void {
  into.hasTs = true
  into.tsVal = get32(b, at + 2)
  into.tsEcr = get32(b, at + 6)
}

function readOption(b: Uint8Array, at: number, n: number, end: number, into: ParsedOptions): void {
  switch (get8(b, at)) {
    case MSS:
      if (n === MSS_LEN) into.mss = get16(b, at + 2)
      return
    case WSCALE:
      if (n === WSCALE_LEN) into.wscale = get8(b, at + 2)
      return
    case SACK_PERMITTED:
      if (n === SACK_PERMITTED_LEN) into.sackPermitted = true
      return
    case SACK:
      if (n < SACK_BASE_LEN + SACK_BLOCK_LEN || (n - SACK_BASE_LEN) % SACK_BLOCK_LEN !== 0) return
      into.sackCount = (n - SACK_BASE_LEN) >>> 3
      into.sackOffset = at + 2
      return
    case TIMESTAMP:
      if (n === TIMESTAMP_LEN) readTimestamp(b, at, into)
      return
    case FAST_OPEN:
      readFastOpen(at + 2, n - 2, false, into)
      return
    case EXPERIMENT:
      if (n >= 4 && get16(b, at + 2) === FAST_OPEN_MAGIC) readFastOpen(at + 4, n - 4, true, into)
      return
    default:
      readRareOption(b, at, n, end, into)
  }
}

function readRareOption(b: Uint8Array, at: number, n: number, end: number, into: ParsedOptions): void {
  switch (get8(b, at)) {
    case MD5:
      // Another length, or a second one (tcp_do_parse_auth_options).
      if (end - at >= MD5_LEN && (n !== MD5_LEN || into.hasMd5)) into.isUnsafe = true
      if (n !== MD5_LEN) return
      into.hasMd5 = true
      into.md5Offset = at + 2
      return
    case AO:
      if (end - at < MD5_LEN) return
      if (n <= AO_HEADER_LEN || into.hasAo) into.isUnsafe = true
      into.hasAo = true
      return
    case USER_TIMEOUT:
      if (n === USER_TIMEOUT_LEN) into.userTimeout = get16(b, at + 2)
      return
    case ACC_ECN0:
    case ACC_ECN1:
      into.accEcnOffset = at
  }
}

function readFastOpen(at: number, length: number, experimental: boolean, into: ParsedOptions): void {
  into.fastOpenOffset = at
  into.fastOpenLength = length
  into.fastOpenExperimental = experimental
}

/** Left edge of SACK block `i` of `p`, int32. */
export const sackLeft = (b: Uint8Array, p: ParsedOptions, i: number): number => get32(b, p.sackOffset + 8 * i)
/** Right edge of SACK block `i` of `p`, int32. */
export const sackRight = (b: Uint8Array, p: ParsedOptions, i: number): number => get32(b, p.sackOffset + 8 * i + 4)

// Emitters: each writes one option at `o` and returns the offset behind it.

/** Writes a NOP. */
export function emitNop(b: Uint8Array, o: number): number {
  put8(b, o, NOP)
  return o + 1
}

/** Writes an end of list. */
export function emitEol(b: Uint8Array, o: number): number {
  put8(b, o, EOL)
  return o + 1
}

/** Writes an MSS option. */
export function emitMss(b: Uint8Array, o: number, mss: number): number {
  put16(b, o, (MSS << 8) | MSS_LEN)
  put16(b, o + 2, mss)
  return o + MSS_LEN
}

/** Writes a window scale option. */
export function emitWscale(b: Uint8Array, o: number, shift: number): number {
  put16(b, o, (WSCALE << 8) | WSCALE_LEN)
  put8(b, o + 2, shift)
  return o + WSCALE_LEN
}

/** Writes a SACK permitted option. */
export function emitSackPermitted(b: Uint8Array, o: number): number {
  put16(b, o, (SACK_PERMITTED << 8) | SACK_PERMITTED_LEN)
  return o + SACK_PERMITTED_LEN
}

/** Writes a timestamps option without padding. */
export function emitTimestamp(b: Uint8Array, o: number, val: number, ecr: number): number {
  put16(b, o, (TIMESTAMP << 8) | TIMESTAMP_LEN)
  put32(b, o + 2, val)
  put32(b, o + 6, ecr)
  return o + TIMESTAMP_LEN
}

/** Writes two NOPs and timestamps, the layout of RFC 7323 appendix A. */
export function emitTimestampAligned(b: Uint8Array, o: number, val: number, ecr: number): number {
  put32(b, o, ALIGNED_TIMESTAMP)
  put32(b, o + 4, val)
  put32(b, o + 8, ecr)
  return o + TIMESTAMP_ALIGNED_LEN
}

/** Writes the head of a SACK option for `count` blocks; the blocks follow by `emitSackBlock`. */
export function emitSackHeader(b: Uint8Array, o: number, count: number): number {
  put16(b, o, (SACK << 8) | (SACK_BASE_LEN + SACK_BLOCK_LEN * count))
  return o + SACK_BASE_LEN
}

/** Writes one SACK block. */
export function emitSackBlock(b: Uint8Array, o: number, left: number, right: number): number {
  put32(b, o, left)
  put32(b, o + 4, right)
  return o + SACK_BLOCK_LEN
}

/** Writes a fast open option with the cookie `cookie[from, from + length)`; length 0 asks for a cookie. */
export function emitFastOpen(b: Uint8Array, o: number, cookie: Uint8Array, from: number, length: number): number {
  put16(b, o, (FAST_OPEN << 8) | (2 + length))
  for (let i = 0; i < length; i++) put8(b, o + 2 + i, get8(cookie, from + i))
  return o + 2 + length
}

/** Writes two NOPs and an MD5 option with an empty digest, RFC 2385 §3. */
export function emitMd5(b: Uint8Array, o: number): number {
  put32(b, o, (NOP << 24) | (NOP << 16) | (MD5 << 8) | MD5_LEN)
  for (let i = 4; i < 20; i += 4) put32(b, o + i, 0)
  return o + 2 + MD5_LEN
}

/** Writes a user timeout option, RFC 5482 §3; `field` is the granularity bit and 15 bits. */
export function emitUserTimeout(b: Uint8Array, o: number, field: number): number {
  put16(b, o, (USER_TIMEOUT << 8) | USER_TIMEOUT_LEN)
  put16(b, o + 2, field)
  return o + USER_TIMEOUT_LEN
}

/** Pads with NOP to a multiple of four bytes from `start`; returns the offset behind the padding. */
export function pad(b: Uint8Array, start: number, o: number): number {
  let at = o
  while (((at - start) & 3) !== 0) put8(b, at++, NOP)
  return at
}
