/** Segments as tests write and read them: flags as tcpdump prints them, sequence numbers relative to each side's ISN. */
import * as checksum from '../../src/wire/checksum.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as wire from '../../src/wire/tcp.ts'
import * as options from '../../src/wire/tcp-options.ts'

const LETTERS: Readonly<Record<string, number>> = {
  F: wire.FIN,
  S: wire.SYN,
  R: wire.RST,
  P: wire.PSH,
  '.': wire.ACK,
  U: wire.URG,
  E: wire.ECE,
  W: wire.CWR,
  e: wire.AE,
}

/** `S.` and the like as bits; `none` is 0. */
export function flagBits(text: string): number {
  if (text === 'none') return 0
  let bits = 0
  for (const letter of text) {
    const bit = LETTERS[letter]
    if (bit === undefined) throw new TypeError(`flags: unknown letter ${letter} in ${text}`)
    bits |= bit
  }
  return bits
}

/** A segment that the test sends. Sequence numbers are relative (the SYN is 0), or absolute with `isAbsolute`. */
export interface Outgoing {
  readonly flags?: string
  readonly seq?: number
  readonly ack?: number
  readonly window?: number
  /** Payload, or its length: then the bytes are `pattern` of their place in the stream. */
  readonly data?: number | Uint8Array
  readonly mss?: number
  readonly wscale?: number
  readonly sackOk?: boolean
  readonly ts?: readonly [number, number] | null
  readonly sack?: readonly (readonly [number, number])[]
  /** Option bytes as they are, instead of the above. */
  readonly raw?: readonly number[]
  readonly urgent?: number
  readonly tos?: number
}

/** A segment that the host sent, sequence numbers relative. */
export interface Incoming {
  readonly time: number
  readonly flags: string
  readonly push: boolean
  readonly seq: number
  readonly ack: number
  readonly window: number
  readonly data: number
  readonly payload: Uint8Array
  readonly mss: number
  readonly wscale: number
  readonly sackOk: boolean
  readonly ts: readonly [number, number] | null
  readonly sack: readonly (readonly [number, number])[]
  /** Kinds of the options in their order. */
  readonly layout: string
  readonly urgent: number
  readonly tos: number
  readonly ttl: number
  readonly df: boolean
  readonly localPort: number
  readonly remotePort: number
}

/** The byte at place `n` (relative sequence number) of a stream. */
export const pattern = (n: number): number => (n * 31 + (n >>> 8) * 7) & 0xff

export function patternBytes(from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = pattern(from + i)
  return bytes
}

const KINDS: Readonly<Record<number, string>> = {
  0: 'eol',
  1: 'nop',
  2: 'mss',
  3: 'wscale',
  4: 'sackOK',
  5: 'sack',
  8: 'TS',
  34: 'FO',
}

export function optionLayout(b: Uint8Array, from: number, end: number): string {
  const names: string[] = []
  for (let at = from; at < end; ) {
    const length = options.optionLength(b, at, end)
    if (length === 0) return [...names, 'bad'].join(',')
    names.push(KINDS[b[at] as number] ?? String(b[at]))
    at += length
  }
  return names.join(',')
}

/** Writes the options of a segment behind its header; the offset behind them, padded. */
export function writeOptions(b: Uint8Array, at: number, s: Outgoing, edge: (n: number) => number): number {
  let o = at
  if (s.raw !== undefined) {
    b.set(s.raw, o)
    return options.pad(b, at, o + s.raw.length)
  }
  if (s.mss !== undefined) o = options.emitMss(b, o, s.mss)
  if (s.sackOk === true) o = options.emitSackPermitted(b, o)
  if (s.ts !== undefined && s.ts !== null) {
    o = options.pad(b, at, o)
    o = options.emitTimestampAligned(b, o, s.ts[0] | 0, s.ts[1] | 0)
  }
  if (s.wscale !== undefined) o = options.emitWscale(b, o, s.wscale)
  if (s.sack !== undefined && s.sack.length > 0) {
    o = options.pad(b, at, o)
    o = options.emitNop(b, options.emitNop(b, o))
    o = options.emitSackHeader(b, o, s.sack.length)
    for (const [left, right] of s.sack) o = options.emitSackBlock(b, o, edge(left), edge(right))
  }
  return options.pad(b, at, o)
}

/** Puts an IP header in front of [IPv4 header length, end) and finishes the checksums. */
export function finishIp(
  b: Uint8Array,
  end: number,
  saddr: number,
  daddr: number,
  protocol: number,
  tos: number,
): Uint8Array {
  ipv4.emit(b, 0, ipv4.HDR_LEN, tos, end, 1, ipv4.DF, 64, protocol, saddr, daddr)
  ipv4.fillChecksum(b, 0)
  if (protocol === ipv4.PROTO_TCP)
    wire.fillChecksum(b, ipv4.HDR_LEN, end, checksum.pseudo4(saddr, daddr, protocol, end - ipv4.HDR_LEN))
  else icmp.fillChecksum(b, ipv4.HDR_LEN, end)
  return b.subarray(0, end)
}
