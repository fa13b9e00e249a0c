/**
 * User Datagram Protocol header, RFC 768 (over IPv6: RFC 8200 §8.1).
 *
 *   0      7 8     15 16    23 24    31
 *  +--------+--------+--------+--------+
 *  |   source port   | destination port|
 *  |     length      |    checksum     |
 *  +--------+--------+--------+--------+
 */
import { get16, put16 } from './bytes.ts'
import * as checksum from './checksum.ts'

/** Length of the header: 2 + 2 + 2 + 2 (RFC 768). */
export const HDR_LEN = 8
/** Largest payload in one IPv4 datagram without options: 65535 - 20 - 8. */
export const MAX_PAYLOAD4 = 65507
const SRC = 0
const DST = 2
const LEN = 4
const SUM = 6

/** True if [o, end) holds a whole header and the length field lies inside it. */
export function check(b: Uint8Array, o: number, end: number): boolean {
  if (end - o < HDR_LEN) return false
  const len = length(b, o)
  return len >= HDR_LEN && o + len <= end
}

/** Source port; 0 if no answer is expected (RFC 768). */
export const srcPort = (b: Uint8Array, o: number): number => get16(b, o + SRC)
/** Destination port. */
export const dstPort = (b: Uint8Array, o: number): number => get16(b, o + DST)
/** Bytes of header and data together. */
export const length = (b: Uint8Array, o: number): number => get16(b, o + LEN)
/** The checksum field; 0 means "not computed" (RFC 768). */
export const checksumField = (b: Uint8Array, o: number): number => get16(b, o + SUM)
/** Offset of the checksum field, for offload metadata. */
export const checksumOffset = (o: number): number => o + SUM
/** Stores the checksum field as given. */
export const setChecksumField = (b: Uint8Array, o: number, value: number): void => put16(b, o + SUM, value)

/** What to store for the sum of pseudo-header, header and data: a computed zero is sent as all ones (RFC 768). */
export const finishChecksum = (acc: number): number => checksum.finish(acc) || 0xffff

/**
 * True if the checksum over a datagram in one piece is right. `pseudo` is the pseudo-header's partial sum. A zero field
 * is right if it `mayOmit`: on IPv4 only.
 */
export function checksumOk(b: Uint8Array, o: number, pseudo: number, mayOmit: boolean): boolean {
  if (checksumField(b, o) === 0) return mayOmit
  return checksum.fold(checksum.sumBytes(b, o, length(b, o), pseudo)) === 0xffff
}

/** Writes a header with checksum 0: "not computed", or to be filled in later. `len` counts the header. */
export function emitHeader(b: Uint8Array, o: number, src: number, dst: number, len: number): void {
  put16(b, o + SRC, src)
  put16(b, o + DST, dst)
  put16(b, o + LEN, len)
  put16(b, o + SUM, 0)
}

/**
 * Writes the header in front of a payload already at o + HDR_LEN, checksum included. For datagrams in one piece; the
 * stack sums slices itself.
 */
export function emit(b: Uint8Array, o: number, src: number, dst: number, len: number, pseudo: number): void {
  emitHeader(b, o, src, dst, len)
  put16(b, o + SUM, finishChecksum(checksum.sumBytes(b, o, len, pseudo)))
}

/** A UDP header as a value; cold paths only. */
export interface Repr {
  readonly srcPort: number
  readonly dstPort: number
  readonly length: number
  readonly checksum: number
}

/** The header at `o`, which passed `check`. */
export const parse = (b: Uint8Array, o: number): Repr => ({
  srcPort: srcPort(b, o),
  dstPort: dstPort(b, o),
  length: length(b, o),
  checksum: checksumField(b, o),
})

/** Writes `r` at `o`, its checksum as given. */
export function emitRepr(b: Uint8Array, o: number, r: Repr): void {
  emitHeader(b, o, r.srcPort, r.dstPort, r.length)
  put16(b, o + SUM, r.checksum)
}

/** One line for test failures. */
export const format = (r: Repr): string => `UDP ${r.srcPort} > ${r.dstPort} len ${r.length}`
