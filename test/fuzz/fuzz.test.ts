import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import test from 'node:test'
import { fuzz } from './run.ts'

/** Half of them the same every time, half fresh; `npm run fuzz` gives 10 million. */
const FRAMES = Number(process.env.FUZZ_FRAMES ?? 200_000)

test('a host with sockets in every state, mutated frames: no exception, bounded work and memory, nothing left over', (t) => {
  const fresh = randomInt(1000, 2 ** 30)
  for (const seed of [1, fresh]) {
    const { frames, failures, worst } = fuzz(seed, FRAMES / 2)
    t.diagnostic(`${frames} frames from seed ${seed}: ${JSON.stringify(worst)}`)
    assert.deepEqual(failures, [])
  }
})
