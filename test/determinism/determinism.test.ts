import assert from 'node:assert/strict'
import test from 'node:test'
import { scenario, sha256 } from './capture.ts'

test('the same seed twice: the same capture, byte for byte (DESIGN.md, Time and chance)', async () => {
  const first = await scenario(1)
  const second = await scenario(1)
  assert.deepEqual(first.exits, [0, 0, 0, 0, 0])
  assert.ok(first.pings > 0 && first.bytes.length > 1_000_000)
  assert.equal(await sha256(first.bytes), await sha256(second.bytes))
})

test('another seed: another capture', async () => {
  const first = await scenario(1)
  const other = await scenario(2)
  assert.notEqual(await sha256(first.bytes), await sha256(other.bytes))
})
