import assert from 'node:assert/strict'
import test from 'node:test'
import * as checksum from '../../src/wire/checksum.ts'
import { slowSum } from './twin-checksum.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
console.log(`# checksum seed ${seed} (SEED=${seed} repeats it)`)
let state = seed >>> 0
const random = (n: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 4294967296) * n)
}
const randomBytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => random(256))
const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength)

/** 0 and 0xffff are the same number in ones-complement arithmetic. */
const same = (a: number, b: number): boolean => a % 0xffff === b % 0xffff

test('the example of RFC 1071 §3 sums to 0xddf2 and its checksum is 0x220d', () => {
  const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)
  assert.equal(checksum.fold(checksum.sum(viewOf(bytes), 0, 8, 0)), 0xddf2)
  assert.equal(checksum.finish(checksum.sumBytes(bytes, 0, 8, 0)), 0x220d)
})

test('sum, sumBytes and the slow twin agree on random bytes, offsets and lengths (RFC 1071 §1)', () => {
  for (let i = 0; i < 3000; i++) {
    const bytes = randomBytes(random(i < 2900 ? 200 : 70000))
    const from = random(bytes.length + 1)
    const length = random(bytes.length - from + 1)
    const start = random(0x10000)
    const want = slowSum(bytes.subarray(from, from + length), start)
    const got = checksum.sum(viewOf(bytes), from, length, start)
    assert.ok(same(checksum.fold(got), want), `seed ${seed} case ${i}`)
    assert.ok(same(checksum.fold(checksum.sumBytes(bytes, from, length, start)), want), `seed ${seed} case ${i}`)
  }
})

test('a sum is a small integer however much was added, so it may be passed on (DESIGN: nothing allocated)', () => {
  const bytes = new Uint8Array(3 << 20).fill(0xff)
  const got = checksum.sum(viewOf(bytes), 1, bytes.length - 1, 2 ** 52)
  assert.ok(Number.isInteger(got) && got < 2 ** 30)
  assert.ok(same(checksum.fold(got), slowSum(bytes.subarray(1), (2 ** 52 % 0xffff) >>> 0)))
})

test('a sum is 0 only over zeros, and 0xffff is kept apart from it (RFC 1624 §3)', () => {
  assert.equal(checksum.fold(checksum.sumBytes(new Uint8Array(20), 0, 20, 0)), 0)
  assert.equal(checksum.fold(checksum.sumBytes(Uint8Array.of(255, 255, 255, 255), 0, 4, 0)), 0xffff)
})

test('combine joins sums of slices at odd and even boundaries by swapping bytes (RFC 1071 §2(B))', () => {
  for (let i = 0; i < 1000; i++) {
    const bytes = randomBytes(1 + random(300))
    const cut = random(bytes.length + 1)
    const first = checksum.sumBytes(bytes, 0, cut, 0)
    const second = checksum.sumBytes(bytes, cut, bytes.length - cut, 0)
    const got = checksum.fold(checksum.combine(first, second, cut % 2 === 1))
    assert.ok(same(got, slowSum(bytes)), `seed ${seed} case ${i}`)
  }
})

test('update16 and update32 give what a full computation gives, and the example of RFC 1624 §4', () => {
  assert.equal(checksum.update16(0xdd2f, 0x5555, 0x3285), 0x0000)
  for (let i = 0; i < 1000; i++) {
    const bytes = randomBytes(20)
    const view = viewOf(bytes)
    const before = checksum.finish(checksum.sumBytes(bytes, 0, 20, 0))
    const at = random(4) * 4
    const old = view.getInt32(at)
    const fresh = random(2 ** 32) | 0
    const half = checksum.update16(before, old >>> 16, fresh >>> 16)
    view.setUint16(at, fresh >>> 16)
    assert.ok(same(half, checksum.finish(checksum.sumBytes(bytes, 0, 20, 0))), `seed ${seed} case ${i}`)
    view.setInt32(at, fresh)
    assert.ok(same(checksum.update32(before, old, fresh), checksum.finish(checksum.sumBytes(bytes, 0, 20, 0))))
  }
})

test('pseudo4 is the sum of the pseudo-header bytes (RFC 9293 §3.1)', () => {
  const bytes = Uint8Array.of(10, 0, 0, 1, 255, 255, 255, 254, 0, 6, 0x12, 0x34)
  assert.ok(same(checksum.fold(checksum.pseudo4(0x0a000001, -2, 6, 0x1234)), slowSum(bytes)))
})

test('pseudo6 is the sum of the pseudo-header bytes (RFC 8200 §8.1)', () => {
  const bytes = randomBytes(40)
  bytes.set([0, 1, 0x23, 0x45, 0, 0, 0, 58], 32)
  assert.ok(same(checksum.fold(checksum.pseudo6(bytes, 0, 16, 58, 0x12345)), slowSum(bytes)))
})

test('a range that leaves the buffer is cut off at its end, without an exception', () => {
  const bytes = Uint8Array.of(1, 2, 3)
  assert.equal(checksum.fold(checksum.sum(viewOf(bytes), 1, 100, 0)), 0x0203)
  assert.equal(checksum.fold(checksum.sumBytes(bytes, 1, 100, 0)), 0x0203)
  for (const [from, length] of [
    [9, 4],
    [1, -4],
    [9, -1],
    [3, 1],
  ] as const) {
    assert.equal(checksum.sum(viewOf(bytes), from, length, 5), 5)
    assert.equal(checksum.sumBytes(bytes, from, length, 5), 5)
  }
})
