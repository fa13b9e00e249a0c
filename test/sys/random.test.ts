import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Random } from '../../src/sys/random.ts'
import { HalfSipHash } from '../../src/sys/siphash.ts'

describe('seeded chance', () => {
  test('the same seed: the same numbers, today and on every platform (sfc32)', () => {
    const random = new Random(1, 2, 3)
    assert.deepEqual(
      Array.from({ length: 4 }, () => random.int32()),
      EXPECTED,
    )
    const again = new Random(1, 2, 3)
    assert.equal(again.int32(), EXPECTED[0])
    assert.notEqual(new Random(1, 2, 4).int32(), EXPECTED[0])
    assert.notEqual(new Random(1, 2, 3, 4).int32(), EXPECTED[0])
  })

  test('sfc32 against a plain version with BigInt', () => {
    const random = new Random(7, 8, 9)
    const plain = sfc32(7n, 8n, 9n)
    for (let i = 0; i < 1000; i++) assert.equal(random.int32(), plain())
  })

  test('forks: a sequence of their own that does not change when the parent goes on', () => {
    const a = new Random(5)
    const b = new Random(5)
    const [fa, fb] = [a.fork(), b.fork()]
    for (let i = 0; i < 10; i++) a.int32()
    assert.equal(fa.int32(), fb.int32())
    assert.notEqual(new Random(5).int32(), fa.int32())
  })

  test('below, float and chance: in range and even', () => {
    const random = new Random(3)
    const counts = new Array<number>(10).fill(0)
    for (let i = 0; i < 100000; i++) {
      const digit = random.below(10)
      counts[digit] = (counts[digit] as number) + 1
    }
    assert.ok(
      counts.every((n) => Math.abs(n - 10000) < 400),
      counts.join(),
    )
    let sum = 0
    let hits = 0
    for (let i = 0; i < 100000; i++) {
      const f = random.float()
      assert.ok(f >= 0 && f < 1)
      sum += f
      if (random.chance(0.3)) hits++
    }
    assert.ok(Math.abs(sum / 100000 - 0.5) < 0.005)
    assert.ok(Math.abs(hits / 100000 - 0.3) < 0.005)
    assert.equal(random.below(1), 0)
    assert.equal(random.chance(0), false)
    assert.equal(random.chance(1), true)
  })

  test('chance of zero: draws nothing, so that a fault that is off does not change the others', () => {
    const [a, b] = [new Random(1), new Random(1)]
    a.chance(0)
    assert.equal(a.int32(), b.int32())
  })
})

describe('HalfSipHash-2-4', () => {
  test('against a plain version over bytes (lib/siphash.c, hsiphash)', () => {
    const random = new Random(42)
    for (let round = 0; round < 500; round++) {
      const seed = random.int32()
      const keys = new Random(seed)
      const [k0, k1] = [keys.int32(), keys.int32()]
      const words = [random.int32(), random.int32(), random.int32(), random.int32()] as const
      assert.equal(new HalfSipHash(new Random(seed)).hash4(...words), plainHalfSipHash(k0, k1, words))
    }
  })

  test('the plain version against the published vectors for the shortest inputs (vectors.h of the reference)', () => {
    const tags = [0, 1, 2, 3].map((n) =>
      plainHalfSipHash(0x03020100, 0x07060504, [], Uint8Array.of(0, 1, 2).subarray(0, n)),
    )
    assert.deepEqual(
      tags,
      [0x5b9f35a9, 0xb85a4727, 0x03a662fa, 0x04e7fe8a].map((n) => n | 0),
    )
  })

  test('one bit of input or key changed: half of the output bits change', () => {
    const base = new HalfSipHash(new Random(1))
    let flips = 0
    for (let bit = 0; bit < 32; bit++) {
      let x = base.hash4(1, 2, 3, 4) ^ base.hash4(1, 2, 3, 4 ^ (1 << bit))
      for (; x !== 0; x &= x - 1) flips++
    }
    assert.ok(flips > 32 * 12 && flips < 32 * 20, `${flips}`)
  })
})

const EXPECTED = [-307845537, 92551270, 1122162139, 24194941]

function sfc32(a: bigint, b: bigint, c: bigint): () => number {
  let n = 1n
  const M = 0xffffffffn
  const next = () => {
    const t = (a + b + n) & M
    n = (n + 1n) & M
    a = b ^ (b >> 9n)
    b = (c + (c << 3n)) & M
    c = ((((c << 21n) | (c >> 11n)) & M) + t) & M
    return Number(t) | 0
  }
  for (let i = 0; i < 15; i++) next()
  return next
}

/** Words, then up to three bytes more. */
function plainHalfSipHash(
  k0: number,
  k1: number,
  words: readonly number[],
  tail: Uint8Array = new Uint8Array(0),
): number {
  const M = 0xffffffffn
  const u = (n: number) => BigInt(n >>> 0)
  const rotate = (x: bigint, n: bigint) => ((x << n) | (x >> (32n - n))) & M
  let v0 = u(k0)
  let v1 = u(k1)
  let v2 = 0x6c796765n ^ u(k0)
  let v3 = 0x74656462n ^ u(k1)
  const round = () => {
    v0 = (v0 + v1) & M
    v1 = rotate(v1, 5n) ^ v0
    v0 = rotate(v0, 16n)
    v2 = (v2 + v3) & M
    v3 = rotate(v3, 8n) ^ v2
    v0 = (v0 + v3) & M
    v3 = rotate(v3, 7n) ^ v0
    v2 = (v2 + v1) & M
    v1 = rotate(v1, 13n) ^ v2
    v2 = rotate(v2, 16n)
  }
  let last = BigInt(words.length * 4 + tail.length) << 24n
  for (const [i, byte] of tail.entries()) last |= BigInt(byte) << BigInt(8 * i)
  for (const m of [...words.map(u), last]) {
    v3 ^= m
    round()
    round()
    v0 ^= m
  }
  v2 ^= 0xffn
  for (let i = 0; i < 4; i++) round()
  return Number(v1 ^ v3) | 0
}
