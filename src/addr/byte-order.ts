/**
 * Byte order (byteorder(3), endian(3)). Integers in network order have types of their own, so that a port in host order
 * cannot go where `sin_port` is meant; at run time they are plain integers whose bytes in memory are most significant first.
 */

declare const ORDER: unique symbol

/** An integer of 16, 32 or 64 bits whose bytes in memory stand in network order (big-endian): `__be16`, … of linux/types.h. */
export type Net16 = number & { readonly [ORDER]: 'be16' }
export type Net32 = number & { readonly [ORDER]: 'be32' }
export type Net64 = bigint & { readonly [ORDER]: 'be64' }
/** The same in little-endian order: `__le16`, … */
export type Le16 = number & { readonly [ORDER]: 'le16' }
export type Le32 = number & { readonly [ORDER]: 'le32' }
export type Le64 = bigint & { readonly [ORDER]: 'le64' }

/** True if this machine keeps the least significant byte first: looks at the two bytes of a 16-bit 1. */
export const isLittleEndian = (): boolean => new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

const LITTLE: boolean = isLittleEndian()

const MASK64 = 0xffffffffffffffffn

/** The value with its two bytes exchanged (bswap(3)); only its low 16 bits count. */
export const bswap_16 = (x: number): number => ((x & 0xff) << 8) | ((x >>> 8) & 0xff)
/** The value with its four bytes in the opposite order, 0..2³²-1. */
export const bswap_32 = (x: number): number =>
  ((x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0
/** The value with its eight bytes in the opposite order. */
export function bswap_64(x: bigint): bigint {
  const u = x & MASK64
  return (BigInt(bswap_32(Number(u & 0xffffffffn))) << 32n) | BigInt(bswap_32(Number(u >> 32n)))
}

const same16 = (x: number): number => x & 0xffff
const same32 = (x: number): number => x >>> 0
const same64 = (x: bigint): bigint => x & MASK64

/** Host order to network order and back, of 16 bits (ports, protocol numbers of frames). */
export const htons: (hostshort: number) => Net16 = (LITTLE ? bswap_16 : same16) as (x: number) => Net16
export const ntohs: (netshort: Net16) => number = LITTLE ? bswap_16 : same16
/** Host order to network order and back, of 32 bits (IPv4 addresses). Results are 0..2³²-1. */
export const htonl: (hostlong: number) => Net32 = (LITTLE ? bswap_32 : same32) as (x: number) => Net32
export const ntohl: (netlong: Net32) => number = LITTLE ? bswap_32 : same32

/** endian(3): as htons and its like, and for 64 bits and little-endian layouts too. */
export const htobe16: (host: number) => Net16 = htons
export const be16toh: (big: Net16) => number = ntohs
export const htobe32: (host: number) => Net32 = htonl
export const be32toh: (big: Net32) => number = ntohl
export const htobe64: (host: bigint) => Net64 = (LITTLE ? bswap_64 : same64) as (x: bigint) => Net64
export const be64toh: (big: Net64) => bigint = LITTLE ? bswap_64 : same64
export const htole16: (host: number) => Le16 = (LITTLE ? same16 : bswap_16) as (x: number) => Le16
export const le16toh: (little: Le16) => number = LITTLE ? same16 : bswap_16
export const htole32: (host: number) => Le32 = (LITTLE ? same32 : bswap_32) as (x: number) => Le32
export const le32toh: (little: Le32) => number = LITTLE ? same32 : bswap_32
export const htole64: (host: bigint) => Le64 = (LITTLE ? same64 : bswap_64) as (x: bigint) => Le64
export const le64toh: (little: Le64) => bigint = LITTLE ? same64 : bswap_64
