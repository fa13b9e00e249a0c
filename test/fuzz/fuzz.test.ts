/** A sample of the fuzzing; the whole: `npm run fuzz -- --frames 10000000`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fuzzer } from './fuzzer.ts'

const FRAMES = 100_000
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000)

for (const seed of [1, SEED]) {
  test(`${FRAMES} mutated frames at a host with open sockets, seed ${seed}: no exception, bounded work, nothing left over`, () => {
    const fuzzer = new Fuzzer(seed)
    try {
      fuzzer.run(FRAMES)
      assert.deepEqual(fuzzer.finish(), { packets: 0, segments: 0, connections: 0, sockets: 0 })
    } catch (error) {
      console.error(`again: npm run fuzz -- --frames ${FRAMES} --seed ${seed}`)
      throw error
    }
    assert.ok(fuzzer.toll.connections > 100, `${fuzzer.toll.connections} connections were made`)
  })
}
