/**
 * Ethernet II frame header, RFC 894 and IEEE 802.3 clause 3, with the 802.1Q tag recognised (never emitted).
 *
 *   0                   6                   12        14
 *  +-------------------+-------------------+---------+-----
 *  |    destination    |      source       |  type   | payload
 *  +-------------------+-------------------+---------+-----
 *
 * The frame check sequence is left to the link, as in every capture and every TAP device.
 */
import { get8, get16, get32, put16 } from './bytes.ts'

/** Length of the header: 6 + 6 + 2 (IEEE 802.3 §3.1.1). */
export const HDR_LEN = 14
/** Length of a hardware address. */
export const ADDR_LEN = 6
/** Length of an 802.1Q tag. */
export const VLAN_LEN = 4
/** Shortest frame without its check sequence (IEEE 802.3 §4A.4.2); links in memory do not pad. */
export const MIN_FRAME = 60
/** The usual MTU, RFC 894. */
export const MTU = 1500

/** EtherType of IPv4 (IANA "IEEE 802 Numbers"). */
export const TYPE_IPV4 = 0x0800
/** EtherType of ARP, RFC 826. */
export const TYPE_ARP = 0x0806
/** EtherType of Reverse ARP, RFC 903. */
export const TYPE_RARP = 0x8035
/** EtherType of an 802.1Q tag. */
export const TYPE_VLAN = 0x8100
/** EtherType of IPv6, RFC 2464. */
export const TYPE_IPV6 = 0x86dd
/** EtherType of an 802.1ad service tag. */
export const TYPE_QINQ = 0x88a8
/** Smaller values of the type field are an 802.3 length (IEEE 802.3 §3.2.6). */
export const TYPE_MIN = 0x0600

const DST = 0
const SRC = 6
const TYPE = 12

/** True if [o, end) holds a whole header. */
export const check = (_b: Uint8Array, o: number, end: number): boolean => end - o >= HDR_LEN

/** Offset of the destination address. */
export const dstOffset = (o: number): number => o + DST
/** Offset of the source address. */
export const srcOffset = (o: number): number => o + SRC
/** The EtherType, or an 802.3 length if below TYPE_MIN. */
export const etherType = (b: Uint8Array, o: number): number => get16(b, o + TYPE)
/** Stores the EtherType. */
export const setEtherType = (b: Uint8Array, o: number, type: number): void => put16(b, o + TYPE, type)
/** First two bytes of the destination, for integer table keys. */
export const dstHigh = (b: Uint8Array, o: number): number => get16(b, o + DST)
/** Last four bytes of the destination, int32. */
export const dstLow = (b: Uint8Array, o: number): number => get32(b, o + DST + 2)
/** First two bytes of the source. */
export const srcHigh = (b: Uint8Array, o: number): number => get16(b, o + SRC)
/** Last four bytes of the source, int32. */
export const srcLow = (b: Uint8Array, o: number): number => get32(b, o + SRC + 2)
/** True if the group bit of the destination is set; broadcast counts (IEEE 802.3 §3.2.3). */
export const isMulticast = (b: Uint8Array, o: number): boolean => (get8(b, o + DST) & 1) !== 0
/** True if the destination is ff:ff:ff:ff:ff:ff. */
export const isBroadcast = (b: Uint8Array, o: number): boolean => dstHigh(b, o) === 0xffff && dstLow(b, o) === -1

/** True if the six bytes of `a` at `ao` and of `b` at `bo` are equal. */
export const sameAddress = (a: Uint8Array, ao: number, b: Uint8Array, bo: number): boolean =>
  get32(a, ao + 2) === get32(b, bo + 2) && get16(a, ao) === get16(b, bo)

/** Copies the address at `from[fo]` to `to[to_]`: six bytes, no view made. */
export function copyAddress(from: Uint8Array, fo: number, to: Uint8Array, to_: number): void {
  for (let i = 0; i < ADDR_LEN; i++) to[to_ + i] = get8(from, fo + i)
}

/** Writes a header at `o`; `dst` and `src` are six bytes. */
export function emit(b: Uint8Array, o: number, dst: Uint8Array, src: Uint8Array, type: number): void {
  copyAddress(dst, 0, b, o + DST)
  copyAddress(src, 0, b, o + SRC)
  put16(b, o + TYPE, type)
}

/** Writes the group address of an IPv4 multicast address, 01:00:5e and its low 23 bits (RFC 1112 §6.4). */
export function putMulticast4(b: Uint8Array, o: number, group: number): void {
  put16(b, o, 0x0100)
  put16(b, o + 2, 0x5e00 | ((group >>> 16) & 0x7f))
  put16(b, o + 4, group & 0xffff)
}

/** An Ethernet header as a value; cold paths only. */
export interface Repr {
  readonly dst: Uint8Array
  readonly src: Uint8Array
  readonly type: number
}

/** The header at `o`, which passed `check`. */
export const parse = (b: Uint8Array, o: number): Repr => ({
  dst: b.slice(o + DST, o + SRC),
  src: b.slice(o + SRC, o + TYPE),
  type: etherType(b, o),
})

/** Writes `r` at `o`. */
export const emitRepr = (b: Uint8Array, o: number, r: Repr): void => emit(b, o, r.dst, r.src, r.type)
