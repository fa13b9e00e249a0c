/** ESTABLISHED: RFC 9293 §3.10.7.4 with RFC 5961 and Linux's choices, one test a sentence. */
import assert from 'node:assert/strict'
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from '../../src/sock/wait-queue.ts'
import { EAGAIN, ECONNRESET, EPIPE } from '../../src/sys/errno.ts'
import { established, tcp } from './dsl.ts'
import { synchronizedStateTests } from './synchronized.ts'

synchronizedStateTests('ESTABLISHED', () => established(), ECONNRESET)

tcp(
  'ESTABLISHED: a reset wakes everybody; the error is reported once, then the end (RFC 9293 §3.10.7.4 second)',
  () => {
    const c = established()
    c.woken()
    c.send({ flags: 'R' })
    assert.equal(c.woken() & (POLLERR | POLLHUP | POLLIN | POLLOUT), POLLERR | POLLHUP | POLLIN | POLLOUT)
    assert.equal(c.t.poll() & (POLLERR | POLLHUP), POLLERR | POLLHUP)
    assert.equal(c.read(), -ECONNRESET)
    assert.equal(c.read(), 0)
    assert.equal(c.write(1), -EPIPE)
  },
)

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

tcp(
  'ESTABLISHED: data beyond the right edge of the window is refused while earlier data is unread (LINUX-TCP 32)',
  () => {
    const c = established({ rcvbuf: 20000 })
    c.send({ data: 1000 })
    c.drain()
    c.send({ seq: 1001, data: 1400 })
    c.drain()
    c.next = 2401
    // Far beyond any window of a buffer of 20000 bytes.
    c.send({ seq: 30000, data: 100 })
    c.expect({ flags: '.', ack: 2401 })
    assert.equal(c.read(), 2400)
  },
)

tcp('ESTABLISHED: a segment partly below RCV.NXT gives its new part (RFC 9293 §3.10.7.4 first)', () => {
  const c = established()
  c.send({ data: 100 })
  c.drain()
  c.send({ seq: 51, data: 100 })
  c.expect({ flags: '.', ack: 151 })
  assert.equal(c.read(), 150)
})

tcp(
  'ESTABLISHED: out of order data is acknowledged at once with RCV.NXT and delivered when the gap is filled (RFC 5681 §4.2)',
  () => {
    const c = established()
    c.send({ seq: 101, data: 100 })
    c.expect({ flags: '.', ack: 1, data: 0 })
    assert.equal(c.read(), -EAGAIN)
    c.send({ seq: 1, data: 100 })
    c.expect({ flags: '.', ack: 201 })
    assert.equal(c.read(), 200)
  },
)

tcp('ESTABLISHED: a FIN out of order waits for the data before it (RFC 9293 §3.10.7.4 seventh)', () => {
  const c = established()
  c.send({ flags: 'F.', seq: 101, data: 50 })
  c.expect({ flags: '.', ack: 1 })
  assert.equal(c.state, 'ESTABLISHED')
  c.send({ seq: 1, data: 100 })
  assert.equal(c.state, 'CLOSE-WAIT')
  assert.equal(c.read(), 150)
  assert.equal(c.read(), 0)
  c.advance(200)
  assert.equal(c.drain().at(-1)?.ack, 152)
})

tcp('ESTABLISHED: a window update is taken from the newest segment only (RFC 9293 §3.10.7.4 fifth, SND.WL1)', () => {
  const c = established({ window: 5000 })
  c.send({ data: 10 })
  c.send({ data: 10, window: 4000 })
  c.drain()
  assert.equal(c.t.snd.wnd, 4000)
  // An older segment (lower sequence number, same ACK) must not bring its window.
  c.send({ seq: 1, ack: 1, window: 9000 })
  assert.equal(c.t.snd.wnd, 4000)
  c.send({ window: 8000 })
  assert.equal(c.t.snd.wnd, 8000)
})

tcp('ESTABLISHED: sequence numbers pass 2^31 and 2^32 in one connection (RFC 9293 §3.4)', () => {
  const c = established({ rcvbuf: 400000 })
  let acked = 1
  for (let i = 0; i < 20; i++) {
    assert.equal(c.write(500), 500)
    c.expect({ flags: '.', seq: acked, data: 500 })
    acked += 500
    c.send({ ack: acked, data: 300 })
    c.drain()
    assert.equal(c.read(), 300)
  }
  assert.equal(c.t.snd.una > 0, true)
  assert.equal(c.t.rcv.nxt < 0, true)
})
