/**
 * Big-endian loads and stores over a Uint8Array: network byte order, RFC 791 appendix B.
 *
 * Total on every input: a load outside the array gives 0, a store outside it is lost. Callers check bounds once per
 * header (`check` of each wire module), so that never happens on the packet path.
 * With checksum.ts the only place where the `!` of unchecked indexing is used.
 */

/** The byte at `o`. */
export const get8 = (b: Uint8Array, o: number): number => b[o]! | 0

/** The 16-bit big-endian word at `o`, 0..65535. */
export const get16 = (b: Uint8Array, o: number): number => (b[o]! << 8) | b[o + 1]!

/** The 32-bit big-endian word at `o` as an int32; print it with `>>> 0`. */
export const get32 = (b: Uint8Array, o: number): number =>
  (b[o]! << 24) | (b[o + 1]! << 16) | (b[o + 2]! << 8) | b[o + 3]!

/** The 24-bit big-endian word at `o`. */
export const get24 = (b: Uint8Array, o: number): number => (b[o]! << 16) | (b[o + 1]! << 8) | b[o + 2]!

/** Stores the low 8 bits of `v`. */
export function put8(b: Uint8Array, o: number, v: number): void {
  b[o] = v
}

/** Stores the low 16 bits of `v`, most significant byte first. */
export function put16(b: Uint8Array, o: number, v: number): void {
  b[o] = v >>> 8
  b[o + 1] = v
}

/** Stores the low 24 bits of `v`, most significant byte first. */
export function put24(b: Uint8Array, o: number, v: number): void {
  b[o] = v >>> 16
  b[o + 1] = v >>> 8
  b[o + 2] = v
}

/** Stores the low 32 bits of `v`, most significant byte first; int32 and uint32 store the same bytes. */
export function put32(b: Uint8Array, o: number, v: number): void {
  b[o] = v >>> 24
  b[o + 1] = v >>> 16
  b[o + 2] = v >>> 8
  b[o + 3] = v
}

/** A view of the same bytes, for little-endian and 64-bit fields; it is made anew, so not for the packet path. */
export const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength)
