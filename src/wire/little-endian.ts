/**
 * Little-endian loads and stores over a Uint8Array: what Linux's structures hold in the machine's order, on x86-64 and
 * arm64. Total on every input, as bytes.ts.
 */

import { bswap_16, bswap_32 } from '../addr/byte-order.ts'
import { get16, get32, put16, put32 } from './bytes.ts'

/** The 16-bit word at `o`, 0..65535. */
export const getLe16 = (b: Uint8Array, o: number): number => bswap_16(get16(b, o))

/** The 32-bit word at `o` as an int32. */
export const getLe32 = (b: Uint8Array, o: number): number => bswap_32(get32(b, o)) | 0

/** Stores the low 16 bits of `v`. */
export const putLe16 = (b: Uint8Array, o: number, v: number): void => put16(b, o, bswap_16(v))

/** Stores the low 32 bits of `v`. */
export const putLe32 = (b: Uint8Array, o: number, v: number): void => put32(b, o, bswap_32(v))
