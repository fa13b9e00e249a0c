/** SipHash-2-4 (Aumasson and Bernstein; Linux lib/siphash.c) of two words: Fast Open cookies and SYN cookies are made with it. */

const MASK = 0xffffffffffffffffn

const rotate = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (64n - n))) & MASK

/** Used once a SYN at most, so it is written for the reader. */
export class SipHash {
  readonly #k0: bigint
  readonly #k1: bigint

  /** `key`: 16 bytes from offset `from`. */
  constructor(key: Uint8Array, from = 0) {
    this.#k0 = load(key, from)
    this.#k1 = load(key, from + 8)
  }

  /** The hash of two 32-bit words in network order, as eight bytes, little endian. */
  hashPair(a: number, b: number): Uint8Array {
    const bytes = new Uint8Array(8)
    for (let i = 0; i < 4; i++) {
      bytes[i] = a >>> (24 - 8 * i)
      bytes[4 + i] = b >>> (24 - 8 * i)
    }
    const hash = this.#hash(load(bytes, 0))
    for (let i = 0; i < 8; i++) bytes[i] = Number((hash >> BigInt(8 * i)) & 255n)
    return bytes
  }

  #hash(message: bigint): bigint {
    const v = [
      0x736f6d6570736575n ^ this.#k0,
      0x646f72616e646f6dn ^ this.#k1,
      0x6c7967656e657261n ^ this.#k0,
      0x7465646279746573n ^ this.#k1,
    ]
    for (const word of [message, 8n << 56n]) {
      v[3] = (v[3] as bigint) ^ word
      rounds(v, 2)
      v[0] = (v[0] as bigint) ^ word
    }
    v[2] = (v[2] as bigint) ^ 0xffn
    rounds(v, 4)
    return (v[0] as bigint) ^ (v[1] as bigint) ^ (v[2] as bigint) ^ (v[3] as bigint)
  }
}

function load(b: Uint8Array, o: number): bigint {
  let value = 0n
  for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(b[o + i] ?? 0)
  return value
}

function rounds(v: bigint[], count: number): void {
  let [a = 0n, b = 0n, c = 0n, d = 0n] = v
  for (let i = 0; i < count; i++) {
    a = (a + b) & MASK
    b = rotate(b, 13n) ^ a
    a = rotate(a, 32n)
    c = (c + d) & MASK
    d = rotate(d, 16n) ^ c
    a = (a + d) & MASK
    d = rotate(d, 21n) ^ a
    c = (c + b) & MASK
    b = rotate(b, 17n) ^ c
    c = rotate(c, 32n)
  }
  v[0] = a
  v[1] = b
  v[2] = c
  v[3] = d
}
