/**
 * Chance, seeded. sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes PractRand and BigCrush, needs only
 * 32-bit adds and shifts. Not for secrets by itself: a host on a real network is given a seed from the platform's
 * cryptographic source (`platform/random.ts`), and what peers can see goes through `HalfSipHash`.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter: number

  /** `seed`: any number of 32-bit words; the same seed gives the same sequence. */
  constructor(...seed: number[]) {
    this.#a = seed[0] ?? 0
    this.#b = seed[1] ?? 0x9e3779b9
    this.#c = seed[2] ?? 0x243f6a88
    this.#counter = 1
    for (let i = 3; i < seed.length; i++) this.#a = (this.#a + Math.imul(seed[i] as number, 0x85ebca6b)) | 0
    for (let i = 0; i < 15; i++) this.int32()
  }

  /** A signed 32-bit integer, all values alike. */
  int32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0
    return t
  }

  /** A number in [0, 1) with 32 bits of it random. */
  float(): number {
    return (this.int32() >>> 0) / 4294967296
  }

  /** An integer in [0, n), n in 1..2^32. */
  below(n: number): number {
    return Math.floor(this.float() * n)
  }

  /** True with probability `p` (0..1). */
  chance(p: number): boolean {
    return p > 0 && this.float() < p
  }

  /** A new generator whose sequence is independent of what this one gives later. */
  fork(): Random {
    return new Random(this.int32(), this.int32(), this.int32())
  }
}
