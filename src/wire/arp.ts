/**
 * Address Resolution Protocol over Ethernet and IPv4: RFC 826, reverse ARP RFC 903, address conflicts RFC 5227.
 *
 *   0                16               31
 *  +----------------+----------------+
 *  | hardware type  | protocol type  |
 *  +-------+--------+----------------+
 *  | hlen  |  plen  |   operation    |
 *  +-------+--------+----------------+
 *  | sender hardware address (6) | sender protocol address (4)
 *  | target hardware address (6) | target protocol address (4)
 *  +----------------------------------
 */
import { get8, get16, get32, put8, put16, put32 } from './bytes.ts'
import * as ethernet from './ethernet.ts'

/** Length of a packet for Ethernet and IPv4: 8 + 6 + 4 + 6 + 4. */
export const HDR_LEN = 28
/** Length of the fixed part in front of the addresses. */
export const FIXED_LEN = 8
/** Hardware type of Ethernet, RFC 826. */
export const HW_ETHERNET = 1
/** ares_op$REQUEST, RFC 826. */
export const OP_REQUEST = 1
/** ares_op$REPLY, RFC 826. */
export const OP_REPLY = 2
/** Reverse request, RFC 903. */
export const OP_RARP_REQUEST = 3
/** Reverse reply, RFC 903. */
export const OP_RARP_REPLY = 4
/** Inverse request, RFC 2390. */
export const OP_INARP_REQUEST = 8
/** Inverse reply, RFC 2390. */
export const OP_INARP_REPLY = 9

const HW = 0
const PROTO = 2
const HLEN = 4
const PLEN = 5
const OP = 6
const SHA = 8
const SPA = 14
const THA = 18
const TPA = 24

/** True if [o, end) holds a whole packet for Ethernet hardware and IPv4 addresses. */
export function check(b: Uint8Array, o: number, end: number): boolean {
  if (end - o < HDR_LEN) return false
  return (
    hardwareType(b, o) === HW_ETHERNET &&
    protocolType(b, o) === ethernet.TYPE_IPV4 &&
    hardwareLength(b, o) === ethernet.ADDR_LEN &&
    protocolLength(b, o) === 4
  )
}

/** Hardware address space (ar$hrd). */
export const hardwareType = (b: Uint8Array, o: number): number => get16(b, o + HW)
/** Protocol address space (ar$pro), an EtherType. */
export const protocolType = (b: Uint8Array, o: number): number => get16(b, o + PROTO)
/** Bytes of a hardware address (ar$hln). */
export const hardwareLength = (b: Uint8Array, o: number): number => get8(b, o + HLEN)
/** Bytes of a protocol address (ar$pln). */
export const protocolLength = (b: Uint8Array, o: number): number => get8(b, o + PLEN)
/** Operation (ar$op). */
export const operation = (b: Uint8Array, o: number): number => get16(b, o + OP)
/** Offset of the sender's hardware address (ar$sha). */
export const senderMacOffset = (o: number): number => o + SHA
/** The sender's IPv4 address (ar$spa), int32. */
export const senderIp = (b: Uint8Array, o: number): number => get32(b, o + SPA)
/** Offset of the target's hardware address (ar$tha). */
export const targetMacOffset = (o: number): number => o + THA
/** The target's IPv4 address (ar$tpa), int32. */
export const targetIp = (b: Uint8Array, o: number): number => get32(b, o + TPA)

/**
 * Writes a packet at `o`; the hardware addresses are six bytes each. Six values is what the packet has, hence the
 * parameters.
 */
export function emit(
  b: Uint8Array,
  o: number,
  op: number,
  senderMac: Uint8Array,
  sender: number,
  targetMac: Uint8Array,
  target: number,
): void {
  put16(b, o + HW, HW_ETHERNET)
  put16(b, o + PROTO, ethernet.TYPE_IPV4)
  put8(b, o + HLEN, ethernet.ADDR_LEN)
  put8(b, o + PLEN, 4)
  put16(b, o + OP, op)
  ethernet.copyAddress(senderMac, 0, b, o + SHA)
  put32(b, o + SPA, sender)
  ethernet.copyAddress(targetMac, 0, b, o + THA)
  put32(b, o + TPA, target)
}

/** An ARP packet as a value; cold paths only. */
export interface Repr {
  readonly operation: number
  readonly senderMac: Uint8Array
  readonly senderIp: number
  readonly targetMac: Uint8Array
  readonly targetIp: number
}

/** The packet at `o`, which passed `check`. */
export const parse = (b: Uint8Array, o: number): Repr => ({
  operation: operation(b, o),
  senderMac: b.slice(o + SHA, o + SPA),
  senderIp: senderIp(b, o),
  targetMac: b.slice(o + THA, o + TPA),
  targetIp: targetIp(b, o),
})

/** Writes `r` at `o`. */
export const emitRepr = (b: Uint8Array, o: number, r: Repr): void =>
  emit(b, o, r.operation, r.senderMac, r.senderIp, r.targetMac, r.targetIp)
