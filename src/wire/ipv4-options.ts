/**
 * IPv4 options: RFC 791 §3.1, router alert RFC 2113, MTU probe and others of the IANA list by number only.
 *
 * `parse` reads what Linux's ip_options_compile reads, reports the first bad byte for an ICMP parameter problem, and
 * never writes to the packet: recording an address or a time stamp is the IP layer's step.
 */
import { get8, get32, put8, put16, put32 } from './bytes.ts'

/** End of option list. */
export const EOL = 0
/** No operation. */
export const NOP = 1
/** Record route. */
export const RR = 7
/** Internet timestamp. */
export const TS = 68
/** Security (RFC 1108). */
export const SEC = 130
/** Loose source and record route. */
export const LSRR = 131
/** Commercial security (CIPSO). */
export const CIPSO = 134
/** Stream identifier, obsolete. */
export const SID = 136
/** Strict source and record route. */
export const SSRR = 137
/** Router alert, RFC 2113. */
export const RA = 148
/** The bit of the type byte that asks for a copy in every fragment (RFC 791 §3.1). */
export const COPIED = 0x80

/** Time stamps only (flag field of TS). */
export const TS_ONLY = 0
/** Each time stamp behind the address of the host that wrote it. */
export const TS_ADDR = 1
/** Only the hosts listed write a time stamp. */
export const TS_PRESPEC = 3

/** Room for options in a header. */
export const MAX_LEN = 40

/** What `parse` found; one is made per stack and filled again. Offsets are absolute in the bytes, -1 if absent. */
export class ParsedOptions {
  /** Offset of a loose or strict source route. */
  sourceRoute: number = -1
  /** True if the source route is strict. */
  strict: boolean = false
  /** Offset of a record route option. */
  recordRoute: number = -1
  /** True if the record route has room for this host's address. */
  routeNeedsAddress: boolean = false
  /** Offset of a timestamp option. */
  timestamp: number = -1
  /** True if the timestamp option has room and this host may write a time. */
  timestampNeedsTime: boolean = false
  /** True if it is full: the overflow count is to be raised. */
  timestampOverflow: boolean = false
  /** Offset of a router alert of value 0. */
  routerAlert: number = -1
  /** Offset of the byte at fault, for the pointer of an ICMP parameter problem; -1 if all is well. */
  bad: number = -1
}

/** Forgets what an earlier parse found. */
export function reset(into: ParsedOptions): void {
  into.sourceRoute = -1
  into.strict = false
  into.recordRoute = -1
  into.routeNeedsAddress = false
  into.timestamp = -1
  into.timestampNeedsTime = false
  into.timestampOverflow = false
  into.routerAlert = -1
  into.bad = -1
}

/**
 * Length of the option at `o`, type byte included: 1 for EOL and NOP; 0 if the length byte is missing, below 2, or
 * leads past `end`. To iterate: `for (; o < end && (n = optionLength(b, o, end)) > 0; o += n)`, stopping at EOL.
 */
export function optionLength(b: Uint8Array, o: number, end: number): number {
  if (o >= end) return 0
  if (get8(b, o) <= NOP) return 1
  if (end - o < 2) return 0
  const n = get8(b, o + 1)
  return n < 2 || n > end - o ? 0 : n
}

/** Reads the options in [o, end) into `into`; false, with `into.bad` set, if one is malformed (ip_options_compile). */
export function parse(b: Uint8Array, o: number, end: number, into: ParsedOptions): boolean {
  reset(into)
  let at = o
  while (at < end && get8(b, at) !== EOL) {
    const n = optionLength(b, at, end)
    const bad = n === 0 ? at : readOption(b, at, n, into)
    if (bad >= 0) {
      into.bad = bad
      return false
    }
    at += n
  }
  return true
}

/** Reads one option of `n` bytes; the offset of a bad byte or -1. */
function readOption(b: Uint8Array, at: number, n: number, into: ParsedOptions): number {
  switch (get8(b, at)) {
    case LSRR:
    case SSRR:
      return readSourceRoute(b, at, n, into)
    case RR:
      return readRecordRoute(b, at, n, into)
    case TS:
      return readTimestamp(b, at, n, into)
    case RA:
      if (n < 4) return at + 1
      if (get8(b, at + 2) === 0 && get8(b, at + 3) === 0) into.routerAlert = at
      return -1
    default:
      return -1
  }
}

function readSourceRoute(b: Uint8Array, at: number, n: number, into: ParsedOptions): number {
  if (n < 3) return at + 1
  if (get8(b, at + 2) < 4) return at + 2
  if (into.sourceRoute >= 0) return at // RFC 1812 §5.2.4.1: not twice
  into.strict = get8(b, at) === SSRR
  into.sourceRoute = at
  return -1
}

function readRecordRoute(b: Uint8Array, at: number, n: number, into: ParsedOptions): number {
  if (into.recordRoute >= 0) return at
  if (n < 3) return at + 1
  const pointer = get8(b, at + 2)
  if (pointer < 4) return at + 2
  if (pointer <= n) {
    if (pointer + 3 > n) return at + 2
    into.routeNeedsAddress = true
  }
  into.recordRoute = at
  return -1
}

function readTimestamp(b: Uint8Array, at: number, n: number, into: ParsedOptions): number {
  if (into.timestamp >= 0) return at
  if (n < 4) return at + 1
  const pointer = get8(b, at + 2)
  const flag = get8(b, at + 3) & 15
  if (pointer < 5) return at + 2
  if (pointer <= n) {
    const need = flag === TS_ADDR || flag === TS_PRESPEC ? 7 : 3
    if (pointer + need > n) return at + 2
    into.timestampNeedsTime = flag === TS_ONLY || flag === TS_ADDR || flag === TS_PRESPEC
  } else if (flag !== TS_PRESPEC) {
    if (get8(b, at + 3) >>> 4 === 15) return at + 3
    into.timestampOverflow = true
  }
  into.timestamp = at
  return -1
}

/** The pointer of a route or timestamp option at `o`: one-based offset of the next free slot. */
export const pointer = (b: Uint8Array, o: number): number => get8(b, o + 2)
/** Length byte of the option at `o`. */
export const length = (b: Uint8Array, o: number): number => get8(b, o + 1)
/** Flag of a timestamp option. */
export const timestampFlag = (b: Uint8Array, o: number): number => get8(b, o + 3) & 15
/** Overflow count of a timestamp option. */
export const timestampOverflow = (b: Uint8Array, o: number): number => get8(b, o + 3) >>> 4
/** The address under the pointer of a route option: the next hop of a source route. */
export const pointedAddress = (b: Uint8Array, o: number): number => get32(b, o + pointer(b, o) - 1)

/** Writes an address into the slot under the pointer of the route option at `o`, and advances the pointer. */
export function recordAddress(b: Uint8Array, o: number, address: number): void {
  const p = pointer(b, o)
  if (p + 3 > length(b, o)) return
  put32(b, o + p - 1, address)
  put8(b, o + 2, p + 4)
}

/** Writes an empty record route with room for `slots` addresses (at most 9); returns the offset behind it. */
export function emitRecordRoute(b: Uint8Array, o: number, slots: number): number {
  const n = 3 + 4 * slots
  put8(b, o, RR)
  put8(b, o + 1, n)
  put8(b, o + 2, 4)
  b.fill(0, o + 3, o + n)
  return o + n
}

/** Writes a router alert of value 0, RFC 2113; returns the offset behind it. */
export function emitRouterAlert(b: Uint8Array, o: number): number {
  put16(b, o, (RA << 8) | 4)
  put16(b, o + 2, 0)
  return o + 4
}

/** Pads with EOL to a multiple of four bytes from `start`; returns the offset behind the padding. */
export function pad(b: Uint8Array, start: number, o: number): number {
  let at = o
  while (((at - start) & 3) !== 0) put8(b, at++, EOL)
  return at
}
