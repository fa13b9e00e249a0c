/** ESTABLISHED: RFC 9293 §3.10.7.4 with RFC 5961 and Linux's choices, one test a sentence. */
import assert from 'node:assert/strict'
import { EAGAIN, ECONNRESET } from '../../src/sys/errno.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from '../../src/sock/wait-queue.ts'
import { established, tcp } from './dsl.ts'

tcp('ESTABLISHED: data in order is queued, acknowledged and read (RFC 9293 §3.10.7.4 seventh)', () => {
  const c = established()
  c.send({ data: 100 })
  c.expect({ flags: '.', seq: 1, ack: 101 })
  assert.equal(c.read(), 100)
  assert.equal(c.read(), -EAGAIN)
})

tcp('ESTABLISHED: written data leaves at once and its acknowledgement empties the queue (RFC 9293 §3.10.3)', () => {
  const c = established()
  assert.equal(c.write(1000), 1000)
  c.expect({ flags: '.', push: true, seq: 1, ack: 1, data: 1000 })
  assert.equal(c.t.packetsOut, 1)
  c.send({ ack: 1001 })
  assert.equal(c.t.packetsOut, 0)
  assert.equal(c.t.txHead, null)
  c.expectNothing()
})

tcp('ESTABLISHED: RST at RCV.NXT resets the connection: ECONNRESET (RFC 5961 §3.2)', () => {
  const c = established()
  c.woken()
  c.send({ flags: 'R' })
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.woken() & (POLLERR | POLLHUP | POLLIN | POLLOUT), POLLERR | POLLHUP | POLLIN | POLLOUT)
  assert.equal(c.read(), -ECONNRESET)
  assert.equal(c.read(), 0)
  c.expectNothing()
})

tcp('ESTABLISHED: RST inside the window but not at RCV.NXT draws a challenge ACK (RFC 5961 §3.2)', () => {
  const c = established()
  c.send({ flags: 'R', seq: 2 })
  c.expect({ flags: '.', seq: 1, ack: 1 })
  c.expectNothing()
  assert.equal(c.state, 'ESTABLISHED')
  assert.equal(c.counter('TcpExtTCPChallengeACK'), 1)
})

tcp('ESTABLISHED: RST outside the window is dropped silently (RFC 5961 §3.2)', () => {
  const c = established()
  c.send({ flags: 'R', seq: 0 })
  c.send({ flags: 'R', seq: 1000000 })
  c.expectNothing()
  assert.equal(c.state, 'ESTABLISHED')
})

tcp('ESTABLISHED: SYN draws a challenge ACK whatever its sequence number (RFC 5961 §4.2)', () => {
  for (const seq of [0, 1, 500, 5000000]) {
    const c = established()
    c.send({ flags: 'S', seq })
    c.expect({ flags: '.', seq: 1, ack: 1 })
    c.expectNothing()
    assert.equal(c.state, 'ESTABLISHED')
  }
})

tcp('ESTABLISHED: a segment without ACK is dropped silently (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = established()
  c.send({ flags: 'none', seq: 1, data: 10 })
  c.send({ flags: 'F', seq: 1 })
  c.expectNothing()
  assert.equal(c.read(), -EAGAIN)
  assert.equal(c.state, 'ESTABLISHED')
})

tcp('ESTABLISHED: FIN leads to CLOSE-WAIT and the reader sees the end (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = established()
  c.woken()
  c.send({ flags: 'F.', data: 10 })
  assert.equal(c.state, 'CLOSE-WAIT')
  assert.equal(c.woken() & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP)
  assert.equal(c.read(), 10)
  assert.equal(c.read(), 0)
  c.advance(40)
  assert.equal(c.drain().at(-1)?.ack, 12)
})
