/**
 * HalfSipHash-2-4 (Aumasson and Bernstein; Linux lib/siphash.c `hsiphash`) over 32-bit words: the keyed hash behind
 * initial sequence numbers (RFC 6528), ephemeral ports (RFC 6056) and hash tables that peers can aim at.
 */
import type { Random } from './random.ts'

export class HalfSipHash {
  readonly #k0: number
  readonly #k1: number

  constructor(random: Random) {
    this.#k0 = random.int32()
    this.#k1 = random.int32()
  }

  /** The keyed hash of four 32-bit words, a signed 32-bit integer. */
  hash4(w0: number, w1: number, w2: number, w3: number): number {
    let a = this.#k0
    let b = this.#k1
    let c = 0x6c796765 ^ this.#k0
    let d = 0x74656462 ^ this.#k1
    for (let i = 0; i < 7; i++) {
      // Four message words, the length word, then the finalisation's two pairs of rounds.
      const m = i === 0 ? w0 : i === 1 ? w1 : i === 2 ? w2 : i === 3 ? w3 : i === 4 ? 0x10000000 : 0
      if (i === 5) c ^= 0xff
      d ^= m
      for (let round = 0; round < 2; round++) {
        a = (a + b) | 0
        b = (b << 5) | (b >>> 27)
        b ^= a
        a = (a << 16) | (a >>> 16)
        c = (c + d) | 0
        d = (d << 8) | (d >>> 24)
        d ^= c
        a = (a + d) | 0
        d = (d << 7) | (d >>> 25)
        d ^= a
        c = (c + b) | 0
        b = (b << 13) | (b >>> 19)
        b ^= c
        c = (c << 16) | (c >>> 16)
      }
      a ^= m
    }
    return b ^ d
  }
}
