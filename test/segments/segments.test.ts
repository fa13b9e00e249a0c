/** A sample of `run.ts` with the kernel at the other end of a TAP device; needs root, in CI too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differing } from './compare.ts'
import { Kernel } from './kernel.ts'
import type { Mix } from './mixes.ts'

/** Sequences of each mix; those with long waits take their time together. */
const SAMPLES: readonly (readonly [readonly Mix[], number])[] = [
  [[], 200],
  [['icmp'], 50],
  [['fastopen'], 50],
  [['cookies'], 50],
  [['md5'], 50],
  [['waits'], 12],
]

for (const [mixes, count] of SAMPLES) {
  const what = mixes.length === 0 ? 'segments and calls' : `segments and calls with ${mixes.join(', ')}`
  test(`${count} random sequences of ${what}: the kernel and we reply the same, but for listed reasons (README.md)`, (t) => {
    const kernel = Kernel.start(mixes)
    if (typeof kernel === 'string') {
      if (process.env.CI !== undefined) assert.fail(kernel)
      t.skip(kernel)
      return
    }
    try {
      assert.deepEqual(differing(kernel, 1, count), [], 'seeds that differ')
    } finally {
      kernel.close()
    }
  })
}
