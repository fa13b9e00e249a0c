/** A receive buffer that small segments would fill many times over (tcp_prune_queue); at the kernel: test/segments/receive-memory.test.ts. */
import assert from 'node:assert/strict'
import { established, tcp } from './dsl.ts'

tcp('Small segments nobody reads are copied together, counted, and come out as they were (tcp_collapse)', () => {
  const c = established({ rcvbuf: 16000, window: 65535 })
  for (let i = 0; i < 60; i++) {
    c.send({ data: 100 })
    // What is predicted may use up the page that is paid for.
    assert.ok(c.t.rmemAlloc <= 16000 + 4096 + 832, String(c.t.rmemAlloc))
  }
  assert.ok(c.counter('TcpExtPruneCalled') > 0)
  assert.ok(c.counter('TcpExtTCPRcvCollapsed') >= 19)
  assert.equal(c.counter('TcpExtRcvPruned'), 0)
  assert.equal(c.read(), 6000)
  assert.equal(c.t.rmemAlloc, 0)
})

tcp('What lies out of order is copied together too, overlaps once (tcp_collapse_ofo_queue)', () => {
  const c = established({ rcvbuf: 16000, sack: true })
  for (let i = 0; i < 40; i++) c.send({ seq: 101 + 90 * i, data: 100, ack: 1 })
  assert.ok(c.counter('TcpExtTCPRcvCollapsed') > 0)
  assert.ok(c.t.rmemAlloc <= 16000 + 832)
  c.send({ seq: 1, data: 100, ack: 1 })
  assert.equal(c.read(), 100 + 39 * 90 + 100)
  assert.equal(c.t.rmemAlloc, 0)
})

tcp(
  'Where copying does not help the highest data goes, and its SACK with it (tcp_prune_ofo_queue; RFC 2018 §8)',
  () => {
    const c = established({ rcvbuf: 16000, sack: true })
    // Each alone in its memory, and none contiguous: from the highest down.
    for (let i = 30; i > 0; i--) c.send({ seq: 1 + 200 * i, data: 100, ack: 1 })
    assert.ok(c.counter('TcpExtOfoPruned') > 0)
    assert.ok(c.t.rmemAlloc <= 16000 + 832)
    // One that would be the highest is refused without a word.
    c.drain()
    const dropped = c.counter('TcpExtTCPOFODrop')
    c.send({ seq: 7001, data: 100, ack: 1 })
    if (c.counter('TcpExtTCPOFODrop') > dropped) assert.equal(c.drain().length, 0)
  },
)

tcp('Dense segments that are too many: dropped with a closed window, counted (tcp_data_queue, TCPRcvQDrop)', () => {
  const c = established({ rcvbuf: 16000 })
  for (let i = 0; i < 7; i++) {
    c.send({ data: 1000 })
    c.advance(50)
  }
  c.send({ data: 300 })
  assert.equal(c.counter('TcpExtTCPRcvQDrop'), 1)
  assert.equal(c.counter('TcpExtRcvPruned'), 1)
  assert.equal(c.drain().at(-1)?.window, 0)
  assert.equal(c.read(), c.next - 301)
})
