/**
 * Internet Protocol version 4 header, RFC 791 §3.1; DS field RFC 2474, ECN RFC 3168 §5. Options: ipv4-options.ts.
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-------+-------+-----------+---+-------------------------------+
 *  |version|  IHL  |   DSCP    |ECN|         total length          |
 *  |        identification         |R|D|M|     fragment offset     |
 *  |      TTL      |   protocol    |        header checksum        |
 *  |                        source address                         |
 *  |                      destination address                      |
 *  |                      options (IHL > 5)                        |
 *  +---------------------------------------------------------------+
 */
import { get8, get16, get32, put8, put16, put32 } from './bytes.ts'
import * as checksum from './checksum.ts'

/** Length of the header without options: 1 + 1 + 2 + 2 + 2 + 1 + 1 + 2 + 4 + 4. */
export const HDR_LEN = 20
/** Longest header: IHL 15. */
export const MAX_HDR_LEN = 60
/** Largest datagram. */
export const MAX_LEN = 65535
/** Smallest MTU, RFC 791 §3.2: 68. */
export const MIN_MTU = 68
/** What every host must accept, RFC 791 §3.1. */
export const MIN_REASSEMBLY = 576

/** Reserved flag ("evil bit", RFC 3514), in the flags and fragment offset word. */
export const RF = 0x8000
/** Don't fragment. */
export const DF = 0x4000
/** More fragments. */
export const MF = 0x2000
/** Mask of the fragment offset, in units of 8 bytes. */
export const OFFSET_MASK = 0x1fff

/** ECN codepoints in the two low bits of TOS, RFC 3168 §5. */
export const ECN_MASK = 3
/** Not ECN-capable. */
export const ECN_NOT_ECT = 0
/** ECN-capable, codepoint 1 (L4S, RFC 9331). */
export const ECN_ECT1 = 1
/** ECN-capable, codepoint 0. */
export const ECN_ECT0 = 2
/** Congestion experienced. */
export const ECN_CE = 3

/** Protocol numbers (IANA "Protocol Numbers"). */
export const PROTO_ICMP = 1
/** IGMP, RFC 3376. */
export const PROTO_IGMP = 2
/** IP in IP, RFC 2003. */
export const PROTO_IPIP = 4
/** TCP, RFC 9293. */
export const PROTO_TCP = 6
/** UDP, RFC 768. */
export const PROTO_UDP = 17
/** IPv6 in IPv4, RFC 4213. */
export const PROTO_IPV6 = 41
/** GRE, RFC 2784. */
export const PROTO_GRE = 47
/** SCTP, RFC 9260. */
export const PROTO_SCTP = 132
/** UDP-Lite, RFC 3828. */
export const PROTO_UDPLITE = 136
/** Raw, never on the wire (Linux IPPROTO_RAW). */
export const PROTO_RAW = 255

const VER_IHL = 0
const TOS = 1
const LEN = 2
const ID = 4
const FRAG = 6
const TTL = 8
const PROTO = 9
const SUM = 10
const SRC = 12
const DST = 16

/** Verdict of `fault`: nothing wrong. */
export const OK = 0
/** Not version 4, IHL below 5, or the total length shorter than the header: Linux counts InHdrErrors. */
export const BAD_HEADER = 1
/** Fewer bytes than the total length says: Linux counts InTruncatedPkts. */
export const TRUNCATED = 2
/** Wrong header checksum: Linux counts InCsumErrors. */
export const BAD_CHECKSUM = 3

/** True if [o, end) holds a whole IPv4 header and the total length lies inside it; the checksum is not looked at. */
export function check(b: Uint8Array, o: number, end: number): boolean {
  if (end - o < HDR_LEN || version(b, o) !== 4) return false
  const headerLen = headerLength(b, o)
  const total = totalLength(b, o)
  return headerLen >= HDR_LEN && total >= headerLen && o + total <= end
}

/** Why a packet is to be dropped, checksum included, in the order Linux's ip_rcv looks (RFC 1122 §3.2.1). */
export function fault(b: Uint8Array, o: number, end: number): number {
  if (end - o < HDR_LEN || version(b, o) !== 4) return BAD_HEADER
  const headerLen = headerLength(b, o)
  if (headerLen < HDR_LEN || o + headerLen > end) return BAD_HEADER
  if (!checksumOk(b, o)) return BAD_CHECKSUM
  const total = totalLength(b, o)
  if (o + total > end) return TRUNCATED
  return total < headerLen ? BAD_HEADER : OK
}

/** Version, 4. */
export const version = (b: Uint8Array, o: number): number => get8(b, o + VER_IHL) >>> 4
/** Bytes of header and options: four times the IHL. */
export const headerLength = (b: Uint8Array, o: number): number => (get8(b, o + VER_IHL) & 15) << 2
/** The whole TOS byte: DSCP and ECN. */
export const tos = (b: Uint8Array, o: number): number => get8(b, o + TOS)
/** DSCP, RFC 2474. */
export const dscp = (b: Uint8Array, o: number): number => get8(b, o + TOS) >>> 2
/** ECN codepoint, RFC 3168. */
export const ecn = (b: Uint8Array, o: number): number => get8(b, o + TOS) & ECN_MASK
/** Bytes of header and data. */
export const totalLength = (b: Uint8Array, o: number): number => get16(b, o + LEN)
/** Identification. */
export const id = (b: Uint8Array, o: number): number => get16(b, o + ID)
/** Flags and fragment offset as one word: RF | DF | MF | offset / 8. */
export const fragmentWord = (b: Uint8Array, o: number): number => get16(b, o + FRAG)
/** Fragment offset in bytes. */
export const fragmentOffset = (b: Uint8Array, o: number): number => (get16(b, o + FRAG) & OFFSET_MASK) << 3
/** True if the packet is a fragment: more to come, or not the first. */
export const isFragment = (b: Uint8Array, o: number): boolean => (get16(b, o + FRAG) & (MF | OFFSET_MASK)) !== 0
/** True if DF is set. */
export const dontFragment = (b: Uint8Array, o: number): boolean => (get16(b, o + FRAG) & DF) !== 0
/** True if MF is set. */
export const moreFragments = (b: Uint8Array, o: number): boolean => (get16(b, o + FRAG) & MF) !== 0
/** Time to live. */
export const ttl = (b: Uint8Array, o: number): number => get8(b, o + TTL)
/** Protocol of the payload. */
export const protocol = (b: Uint8Array, o: number): number => get8(b, o + PROTO)
/** The header checksum field. */
export const checksumField = (b: Uint8Array, o: number): number => get16(b, o + SUM)
/** Source address, int32. */
export const src = (b: Uint8Array, o: number): number => get32(b, o + SRC)
/** Destination address, int32. */
export const dst = (b: Uint8Array, o: number): number => get32(b, o + DST)

/** True if the header checksum is right (RFC 791 §3.1). */
export const checksumOk = (b: Uint8Array, o: number): boolean =>
  checksum.fold(checksum.sumBytes(b, o, headerLength(b, o), 0)) === 0xffff

/** Computes and stores the header checksum. */
export function fillChecksum(b: Uint8Array, o: number): void {
  put16(b, o + SUM, 0)
  put16(b, o + SUM, checksum.finish(checksum.sumBytes(b, o, headerLength(b, o), 0)))
}

/** Stores TOS, checksum untouched. */
export const setTos = (b: Uint8Array, o: number, v: number): void => put8(b, o + TOS, v)
/** Stores the total length, checksum untouched. */
export const setTotalLength = (b: Uint8Array, o: number, v: number): void => put16(b, o + LEN, v)
/** Stores the identification, checksum untouched. */
export const setId = (b: Uint8Array, o: number, v: number): void => put16(b, o + ID, v)
/** Stores flags and fragment offset / 8, checksum untouched. */
export const setFragmentWord = (b: Uint8Array, o: number, v: number): void => put16(b, o + FRAG, v)
/** Stores TTL, checksum untouched. */
export const setTtl = (b: Uint8Array, o: number, v: number): void => put8(b, o + TTL, v)
/** Stores the checksum field as given. */
export const setChecksumField = (b: Uint8Array, o: number, v: number): void => put16(b, o + SUM, v)
/** Stores the source address, checksum untouched. */
export const setSrc = (b: Uint8Array, o: number, v: number): void => put32(b, o + SRC, v)
/** Stores the destination address, checksum untouched. */
export const setDst = (b: Uint8Array, o: number, v: number): void => put32(b, o + DST, v)

/** Takes one from TTL and updates the checksum incrementally, as a router does (RFC 1812 §5.3.1, RFC 1624). */
export function decrementTtl(b: Uint8Array, o: number): void {
  const old = get16(b, o + TTL)
  put8(b, o + TTL, (old >>> 8) - 1)
  put16(b, o + SUM, checksum.update16(get16(b, o + SUM), old, get16(b, o + TTL)))
}

/** Sets the ECN codepoint and updates the checksum (a router marking CE, RFC 3168 §5). */
export function markEcn(b: Uint8Array, o: number, codepoint: number): void {
  const old = get16(b, o + VER_IHL)
  put16(b, o + VER_IHL, (old & ~ECN_MASK) | codepoint)
  put16(b, o + SUM, checksum.update16(get16(b, o + SUM), old, get16(b, o + VER_IHL)))
}

/**
 * Writes a header, checksum included. Options, if any, are already at o + HDR_LEN, padded so that `headerLen` is a
 * multiple of four. Every field is a parameter so that the packet path makes no object.
 */
export function emit(
  b: Uint8Array,
  o: number,
  headerLen: number,
  tosByte: number,
  total: number,
  ident: number,
  fragment: number,
  ttlByte: number,
  proto: number,
  saddr: number,
  daddr: number,
): void {
  put8(b, o + VER_IHL, 0x40 | (headerLen >>> 2))
  put8(b, o + TOS, tosByte)
  put16(b, o + LEN, total)
  put16(b, o + ID, ident)
  put16(b, o + FRAG, fragment)
  put8(b, o + TTL, ttlByte)
  put8(b, o + PROTO, proto)
  put32(b, o + SRC, saddr)
  put32(b, o + DST, daddr)
  fillChecksum(b, o)
}

/** The pseudo-header's partial sum for the upper-layer bytes behind the header at `o`, which passed `check`. */
export const pseudo = (b: Uint8Array, o: number): number =>
  checksum.pseudo4(src(b, o), dst(b, o), protocol(b, o), totalLength(b, o) - headerLength(b, o))

/** An IPv4 header as a value; cold paths only. `options` is the raw bytes. */
export interface Repr {
  readonly tos: number
  readonly totalLength: number
  readonly id: number
  readonly fragmentWord: number
  readonly ttl: number
  readonly protocol: number
  readonly checksum: number
  readonly src: number
  readonly dst: number
  readonly options: Uint8Array
}

/** The header at `o`, which passed `check`. */
export const parse = (b: Uint8Array, o: number): Repr => ({
  tos: tos(b, o),
  totalLength: totalLength(b, o),
  id: id(b, o),
  fragmentWord: fragmentWord(b, o),
  ttl: ttl(b, o),
  protocol: protocol(b, o),
  checksum: checksumField(b, o),
  src: src(b, o),
  dst: dst(b, o),
  options: b.slice(o + HDR_LEN, o + headerLength(b, o)),
})

/** Writes `r` at `o`, its checksum as given; options must be a multiple of 4 bytes, at most 40. */
export function emitRepr(b: Uint8Array, o: number, r: Repr): void {
  b.set(r.options, o + HDR_LEN)
  const headerLen = HDR_LEN + r.options.length
  emit(b, o, headerLen, r.tos, r.totalLength, r.id, r.fragmentWord, r.ttl, r.protocol, r.src, r.dst)
  put16(b, o + SUM, r.checksum)
}

/** One line for test failures; addresses in hexadecimal. */
export const format = (r: Repr): string =>
  `IPv4 ${(r.src >>> 0).toString(16)} > ${(r.dst >>> 0).toString(16)} proto ${r.protocol} len ${r.totalLength}`
