/**
 * Transmission Control Protocol header, RFC 9293 §3.1; ECN flags RFC 3168 §6.1, AE RFC 9768 (Accurate ECN) §3.1.
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-------------------------------+-------------------------------+
 *  |          source port          |       destination port        |
 *  |                        sequence number                        |
 *  |                     acknowledgment number                     |
 *  |  data |     |A|C|E|U|A|P|R|S|F|                               |
 *  | offset| rsv |E|W|C|R|C|S|S|Y|I|            window             |
 *  |       |     | |R|E|G|K|H|T|N|N|                               |
 *  |           checksum            |        urgent pointer         |
 *  |                   options (data offset > 5)                   |
 *  +---------------------------------------------------------------+
 */
import { get8, get16, get32, put8, put16, put32 } from './bytes.ts'
import * as checksum from './checksum.ts'

/** Length of the header without options: 2 + 2 + 4 + 4 + 2 + 2 + 2 + 2. */
export const HDR_LEN = 20
/** Longest header: data offset 15. */
export const MAX_HDR_LEN = 60
/** Room for options. */
export const MAX_OPTIONS_LEN = 40

/** No more data from sender. */
export const FIN = 0x001
/** Synchronize sequence numbers. */
export const SYN = 0x002
/** Reset the connection. */
export const RST = 0x004
/** Push function. */
export const PSH = 0x008
/** Acknowledgment field is significant. */
export const ACK = 0x010
/** Urgent pointer field is significant. */
export const URG = 0x020
/** ECN echo, RFC 3168 §6.1. */
export const ECE = 0x040
/** Congestion window reduced, RFC 3168 §6.1. */
export const CWR = 0x080
/** Accurate ECN, RFC 9768 (the former NS of RFC 3540). */
export const AE = 0x100
/** The three that make up the ACE field of RFC 9768. */
export const ACE = 0x1c0
/** All flags that have a meaning. */
export const FLAGS_MASK = 0x1ff

const SRC = 0
const DST = 2
const SEQ = 4
const ACKNO = 8
const OFF = 12
const FLAGS = 12
const WIN = 14
const SUM = 16
const URP = 18

/** True if [o, end) holds a whole header, options included (RFC 9293 §3.1: data offset at least 5). */
export function check(b: Uint8Array, o: number, end: number): boolean {
  if (end - o < HDR_LEN) return false
  const len = headerLength(b, o)
  return len >= HDR_LEN && o + len <= end
}

/** Source port. */
export const srcPort = (b: Uint8Array, o: number): number => get16(b, o + SRC)
/** Destination port. */
export const dstPort = (b: Uint8Array, o: number): number => get16(b, o + DST)
/** Both ports in one int32, source in the high half: a table key. */
export const ports = (b: Uint8Array, o: number): number => get32(b, o + SRC)
/** Sequence number, int32. */
export const seq = (b: Uint8Array, o: number): number => get32(b, o + SEQ)
/** Acknowledgment number, int32. */
export const ack = (b: Uint8Array, o: number): number => get32(b, o + ACKNO)
/** Bytes of header and options: four times the data offset. */
export const headerLength = (b: Uint8Array, o: number): number => (get8(b, o + OFF) >>> 4) << 2
/** The flags, AE included: FIN | SYN | ... */
export const flags = (b: Uint8Array, o: number): number => get16(b, o + FLAGS) & FLAGS_MASK
/** The three reserved bits behind the data offset; senders set 0, receivers ignore (RFC 9293 §3.1). */
export const reserved = (b: Uint8Array, o: number): number => (get8(b, o + OFF) >>> 1) & 7
/** The window field, unscaled. */
export const window = (b: Uint8Array, o: number): number => get16(b, o + WIN)
/** The checksum field. */
export const checksumField = (b: Uint8Array, o: number): number => get16(b, o + SUM)
/** Offset of the checksum field, for offload metadata. */
export const checksumOffset = (o: number): number => o + SUM
/** The urgent pointer. */
export const urgent = (b: Uint8Array, o: number): number => get16(b, o + URP)
/** Offset of the first option byte. */
export const optionsOffset = (o: number): number => o + HDR_LEN

/** Stores the sequence number. */
export const setSeq = (b: Uint8Array, o: number, v: number): void => put32(b, o + SEQ, v)
/** Stores the acknowledgment number. */
export const setAck = (b: Uint8Array, o: number, v: number): void => put32(b, o + ACKNO, v)
/** Stores the window field. */
export const setWindow = (b: Uint8Array, o: number, v: number): void => put16(b, o + WIN, v)
/** Stores the checksum field as given. */
export const setChecksumField = (b: Uint8Array, o: number, v: number): void => put16(b, o + SUM, v)
/** Stores the urgent pointer. */
export const setUrgent = (b: Uint8Array, o: number, v: number): void => put16(b, o + URP, v)
/** Stores the data offset (as bytes) and the flags together; they share a word. Reserved bits become 0. */
export const setFlags = (b: Uint8Array, o: number, headerLen: number, v: number): void =>
  put16(b, o + FLAGS, ((headerLen << 10) & 0xf000) | (v & FLAGS_MASK))
/** Sets the low byte of the flags (CWR down to FIN) and nothing else. */
export const setFlagByte = (b: Uint8Array, o: number, v: number): void => put8(b, o + FLAGS + 1, v)

/**
 * Writes a header with checksum and urgent pointer 0; options belong at o + HDR_LEN, up to `headerLen`. Every field
 * but those two is a parameter, so that the one caller on the packet path makes no object.
 */
export function emit(
  b: Uint8Array,
  o: number,
  src: number,
  dst: number,
  seqNo: number,
  ackNo: number,
  headerLen: number,
  flagBits: number,
  win: number,
): void {
  put16(b, o + SRC, src)
  put16(b, o + DST, dst)
  put32(b, o + SEQ, seqNo)
  put32(b, o + ACKNO, ackNo)
  setFlags(b, o, headerLen, flagBits)
  put16(b, o + WIN, win)
  put32(b, o + SUM, 0)
}

/** True if the checksum over a segment in one piece, [o, end), is right; `pseudo` is the pseudo-header's sum. */
export const checksumOk = (b: Uint8Array, o: number, end: number, pseudo: number): boolean =>
  checksum.fold(checksum.sumBytes(b, o, end - o, pseudo)) === 0xffff

/** Fills in the checksum of a segment in one piece, [o, end). The stack sums slices itself. */
export function fillChecksum(b: Uint8Array, o: number, end: number, pseudo: number): void {
  put16(b, o + SUM, 0)
  put16(b, o + SUM, checksum.finish(checksum.sumBytes(b, o, end - o, pseudo)))
}

/** A TCP header as a value; cold paths only. `options` is the raw bytes. */
export interface Repr {
  readonly srcPort: number
  readonly dstPort: number
  readonly seq: number
  readonly ack: number
  readonly flags: number
  readonly window: number
  readonly checksum: number
  readonly urgent: number
  readonly options: Uint8Array
}

/** The header at `o`, which passed `check`. */
export const parse = (b: Uint8Array, o: number): Repr => ({
  srcPort: srcPort(b, o),
  dstPort: dstPort(b, o),
  seq: seq(b, o),
  ack: ack(b, o),
  flags: flags(b, o),
  window: window(b, o),
  checksum: checksumField(b, o),
  urgent: urgent(b, o),
  options: b.slice(o + HDR_LEN, o + headerLength(b, o)),
})

/** Writes `r` at `o`, its checksum as given; options must be a multiple of 4 bytes, at most 40. */
export function emitRepr(b: Uint8Array, o: number, r: Repr): void {
  emit(b, o, r.srcPort, r.dstPort, r.seq, r.ack, HDR_LEN + r.options.length, r.flags, r.window)
  put16(b, o + SUM, r.checksum)
  put16(b, o + URP, r.urgent)
  b.set(r.options, o + HDR_LEN)
}

/** The flags as tcpdump writes them: `S`, `S.`, `P.`, `none`. */
export function formatFlags(f: number): string {
  if ((f & FLAGS_MASK) === 0) return 'none'
  let s = ''
  if (f & FIN) s += 'F'
  if (f & SYN) s += 'S'
  if (f & RST) s += 'R'
  if (f & PSH) s += 'P'
  if (f & ACK) s += '.'
  if (f & URG) s += 'U'
  if (f & ECE) s += 'E'
  if (f & CWR) s += 'W'
  if (f & AE) s += 'e'
  return s
}

/** One line for test failures. */
export const format = (r: Repr): string =>
  `TCP ${r.srcPort} > ${r.dstPort} [${formatFlags(r.flags)}] seq ${r.seq >>> 0} ack ${r.ack >>> 0} win ${r.window}`
