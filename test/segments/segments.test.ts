/** A sample of `run.ts` with the kernel at the other end of a TAP device; needs root, in CI too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { differing } from './compare.ts'
import { Kernel } from './kernel.ts'

const SEQUENCES = 200

test('200 random sequences of segments and calls: the kernel and we reply the same, but for listed reasons (README.md)', (t) => {
  const kernel = Kernel.start()
  if (typeof kernel === 'string') {
    if (process.env.CI !== undefined) assert.fail(kernel)
    t.skip(kernel)
    return
  }
  try {
    assert.deepEqual(differing(kernel, 1, SEQUENCES), [], 'seeds that differ')
  } finally {
    kernel.close()
  }
})
