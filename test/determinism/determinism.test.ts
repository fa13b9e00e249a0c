/** The same seed gives the same packets, byte for byte (DESIGN.md, Time and chance). Across runtimes: `npm run runtimes`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runScenario } from './scenario.ts'

test('a network run twice from one seed leaves the same capture, byte for byte', async () => {
  const first = await runScenario(20260101)
  const second = await runScenario(20260101)
  assert.equal(first.tcpBytes, 600_000)
  assert.ok(first.udpDatagrams > 20, `${first.udpDatagrams} datagrams`)
  assert.ok(first.capture.length > 1_000_000, `${first.capture.length} bytes of capture`)
  assert.ok(Buffer.from(first.capture).equals(second.capture), 'the captures differ')
  assert.equal(first.endedAt, second.endedAt)
})

test('another seed takes another course', async () => {
  const first = await runScenario(1)
  const second = await runScenario(2)
  assert.ok(!Buffer.from(first.capture).equals(second.capture), 'the captures are the same')
})
