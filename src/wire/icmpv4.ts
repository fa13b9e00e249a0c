/**
 * Internet Control Message Protocol, RFC 792; codes RFC 1122 §3.2.2.1 and RFC 1812 §5.2.7.1; MTU field RFC 1191 §4;
 * router discovery RFC 1256; multi-part messages RFC 4884.
 *
 *   0      7 8     15 16              31
 *  +--------+--------+----------------+
 *  |  type  |  code  |    checksum    |
 *  +--------+--------+----------------+
 *  |  rest of header: id and sequence, gateway, pointer, or length and MTU
 *  +----------------------------------+
 *  |  data: echo payload, or the IP header and first bytes of the packet at fault
 *  +----------------------------------
 */
import { get8, get16, get32, put8, put16, put32 } from './bytes.ts'
import * as checksum from './checksum.ts'

/** Length of the header: 1 + 1 + 2 + 4. */
export const HDR_LEN = 8

/** Echo reply. */
export const ECHO_REPLY = 0
/** Destination unreachable. */
export const UNREACHABLE = 3
/** Source quench, deprecated by RFC 6633. */
export const SOURCE_QUENCH = 4
/** Redirect. */
export const REDIRECT = 5
/** Echo request. */
export const ECHO = 8
/** Router advertisement, RFC 1256. */
export const ROUTER_ADVERT = 9
/** Router solicitation, RFC 1256. */
export const ROUTER_SOLICIT = 10
/** Time exceeded. */
export const TIME_EXCEEDED = 11
/** Parameter problem. */
export const PARAMETER_PROBLEM = 12
/** Timestamp request. */
export const TIMESTAMP = 13
/** Timestamp reply. */
export const TIMESTAMP_REPLY = 14
/** Information request, obsolete. */
export const INFO_REQUEST = 15
/** Information reply, obsolete. */
export const INFO_REPLY = 16
/** Address mask request, RFC 950. */
export const MASK_REQUEST = 17
/** Address mask reply, RFC 950. */
export const MASK_REPLY = 18

/** Unreachable: network. */
export const NET_UNREACHABLE = 0
/** Unreachable: host. */
export const HOST_UNREACHABLE = 1
/** Unreachable: protocol. */
export const PROTOCOL_UNREACHABLE = 2
/** Unreachable: port. */
export const PORT_UNREACHABLE = 3
/** Unreachable: fragmentation needed and DF set, RFC 1191. */
export const FRAGMENTATION_NEEDED = 4
/** Unreachable: source route failed. */
export const SOURCE_ROUTE_FAILED = 5
/** Unreachable: destination network unknown. */
export const NET_UNKNOWN = 6
/** Unreachable: destination host unknown. */
export const HOST_UNKNOWN = 7
/** Unreachable: source host isolated. */
export const HOST_ISOLATED = 8
/** Unreachable: network administratively prohibited. */
export const NET_PROHIBITED = 9
/** Unreachable: host administratively prohibited. */
export const HOST_PROHIBITED = 10
/** Unreachable: network, for this type of service. */
export const NET_TOS = 11
/** Unreachable: host, for this type of service. */
export const HOST_TOS = 12
/** Unreachable: communication administratively prohibited, RFC 1812. */
export const ADMIN_PROHIBITED = 13
/** Unreachable: host precedence violation, RFC 1812. */
export const PRECEDENCE_VIOLATION = 14
/** Unreachable: precedence cutoff, RFC 1812. */
export const PRECEDENCE_CUTOFF = 15
/** Time exceeded: TTL in transit. */
export const TTL_EXCEEDED = 0
/** Time exceeded: fragment reassembly. */
export const REASSEMBLY_EXCEEDED = 1
/** Redirect for the network. */
export const REDIRECT_NET = 0
/** Redirect for the host. */
export const REDIRECT_HOST = 1
/** Redirect for network and type of service. */
export const REDIRECT_TOS_NET = 2
/** Redirect for host and type of service. */
export const REDIRECT_TOS_HOST = 3

const TYPE = 0
const CODE = 1
const SUM = 2
const REST = 4

/** True if [o, end) holds a whole header. */
export const check = (_b: Uint8Array, o: number, end: number): boolean => end - o >= HDR_LEN

/** Message type. */
export const type = (b: Uint8Array, o: number): number => get8(b, o + TYPE)
/** Code within the type. */
export const code = (b: Uint8Array, o: number): number => get8(b, o + CODE)
/** The checksum field. */
export const checksumField = (b: Uint8Array, o: number): number => get16(b, o + SUM)
/** Offset of the checksum field. */
export const checksumOffset = (o: number): number => o + SUM
/** Identifier of echo, timestamp, information and mask messages. */
export const id = (b: Uint8Array, o: number): number => get16(b, o + REST)
/** Sequence number of the same. */
export const seq = (b: Uint8Array, o: number): number => get16(b, o + REST + 2)
/** Gateway of a redirect, int32. */
export const gateway = (b: Uint8Array, o: number): number => get32(b, o + REST)
/** Next-hop MTU of "fragmentation needed"; 0 from routers older than RFC 1191. */
export const mtu = (b: Uint8Array, o: number): number => get16(b, o + REST + 2)
/** Pointer of a parameter problem: offset of the bad byte in the original datagram. */
export const pointer = (b: Uint8Array, o: number): number => get8(b, o + REST)
/** Length of the quoted datagram in 32-bit words, RFC 4884 §4; 0 if there are no extensions. */
export const quotedWords = (b: Uint8Array, o: number): number => get8(b, o + REST + 1)
/** The second word of the header, int32. */
export const rest = (b: Uint8Array, o: number): number => get32(b, o + REST)
/** Offset of the data: echo payload, or the quoted datagram. */
export const dataOffset = (o: number): number => o + HDR_LEN

/** True for the types that quote another datagram; never answered by an error (RFC 1122 §3.2.2). */
export const isError = (t: number): boolean =>
  t === UNREACHABLE || t === SOURCE_QUENCH || t === REDIRECT || t === TIME_EXCEEDED || t === PARAMETER_PROBLEM

/** True if the checksum over a message in one piece, [o, end), is right. */
export const checksumOk = (b: Uint8Array, o: number, end: number): boolean =>
  checksum.fold(checksum.sumBytes(b, o, end - o, 0)) === 0xffff

/** Fills in the checksum of a message in one piece, [o, end). */
export function fillChecksum(b: Uint8Array, o: number, end: number): void {
  put16(b, o + SUM, 0)
  put16(b, o + SUM, checksum.finish(checksum.sumBytes(b, o, end - o, 0)))
}

/** Stores the checksum field as given. */
export const setChecksumField = (b: Uint8Array, o: number, v: number): void => put16(b, o + SUM, v)

/** Turns an echo request into its reply in place, checksum updated incrementally (RFC 792, RFC 1624). */
export function toEchoReply(b: Uint8Array, o: number): void {
  const old = get16(b, o + TYPE)
  put8(b, o + TYPE, ECHO_REPLY)
  put16(b, o + SUM, checksum.update16(get16(b, o + SUM), old, get16(b, o + TYPE)))
}

/** Writes a header with checksum 0; `word` is the rest of the header (see `word16`, or a gateway address). */
export function emit(b: Uint8Array, o: number, typeByte: number, codeByte: number, word: number): void {
  put8(b, o + TYPE, typeByte)
  put8(b, o + CODE, codeByte)
  put16(b, o + SUM, 0)
  put32(b, o + REST, word)
}

/** The rest of the header from two halves: identifier and sequence, or 0 and MTU. */
export const word16 = (high: number, low: number): number => (high << 16) | (low & 0xffff)

/** The rest of the header of a parameter problem. */
export const wordPointer = (at: number): number => at << 24

/** An ICMP message as a value; cold paths only. */
export interface Repr {
  readonly type: number
  readonly code: number
  readonly checksum: number
  readonly rest: number
}

/** The header at `o`, which passed `check`. */
export const parse = (b: Uint8Array, o: number): Repr => ({
  type: type(b, o),
  code: code(b, o),
  checksum: checksumField(b, o),
  rest: rest(b, o),
})

/** Writes `r` at `o`, its checksum as given. */
export function emitRepr(b: Uint8Array, o: number, r: Repr): void {
  emit(b, o, r.type, r.code, r.rest)
  put16(b, o + SUM, r.checksum)
}

/** One line for test failures. */
export const format = (r: Repr): string => `ICMP type ${r.type} code ${r.code} rest ${(r.rest >>> 0).toString(16)}`
