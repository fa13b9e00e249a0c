/** CLOSE-WAIT: the peer has closed, the program has not; RFC 9293 §3.10.7.4. */
import assert from 'node:assert/strict'
import { POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from '../../src/sock/wait-queue.ts'
import { EPIPE } from '../../src/sys/errno.ts'
import { closeWait, established, tcp } from './dsl.ts'
import { synchronizedStateTests } from './synchronized.ts'

synchronizedStateTests('CLOSE-WAIT', () => closeWait(), EPIPE)

tcp('CLOSE-WAIT: reads give 0, writes go on (RFC 9293 §3.6, half-close)', () => {
  const c = closeWait()
  assert.equal(c.read(), 0)
  assert.equal(c.t.poll() & (POLLIN | POLLRDHUP | POLLOUT | POLLHUP), POLLIN | POLLRDHUP | POLLOUT)
  assert.equal(c.write(100), 100)
  c.expect({ flags: '.', seq: 1, ack: 2, data: 100 })
  c.send({ ack: 101 })
  assert.equal(c.t.packetsOut, 0)
  assert.equal(c.state, 'CLOSE-WAIT')
})

tcp('CLOSE-WAIT: the FIN again is acknowledged again (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = closeWait()
  c.send({ flags: 'F.', seq: 1 })
  c.expect({ flags: '.', seq: 1, ack: 2 })
  assert.equal(c.state, 'CLOSE-WAIT')
})

tcp('CLOSE-WAIT: data after the FIN is ignored (RFC 9293 §3.10.7.4 seventh)', () => {
  const c = closeWait()
  c.send({ seq: 2, data: 10 })
  assert.equal(c.read(), 0)
  assert.equal(c.t.rcv.nxt, (c.irs + 2) | 0)
  assert.equal(c.state, 'CLOSE-WAIT')
})

tcp('CLOSE-WAIT: close sends a FIN and leads to LAST-ACK (RFC 9293 §3.10.4)', () => {
  const c = closeWait()
  c.close()
  c.expect({ flags: 'F.', seq: 1, ack: 2 })
  assert.equal(c.state, 'LAST-ACK')
})

tcp('CLOSE-WAIT: SHUT_WR leads to LAST-ACK too (tcp_close_state)', () => {
  const c = closeWait()
  assert.equal(c.shutdown(1), 0)
  c.expect({ flags: 'F.', seq: 1, ack: 2 })
  assert.equal(c.state, 'LAST-ACK')
  assert.equal(c.write(1), -EPIPE)
  assert.equal(c.t.poll() & POLLHUP, POLLHUP)
})

tcp('CLOSE-WAIT: close with unread data resets (RFC 2525 §2.17; LINUX-TCP 35)', () => {
  const c = established()
  c.send({ flags: 'F.', data: 10 })
  c.drain()
  assert.equal(c.state, 'CLOSE-WAIT')
  c.close()
  c.expect({ flags: 'R.', seq: 1, ack: 12 })
  assert.equal(c.state, 'CLOSED')
})

tcp('CLOSE-WAIT: close after all data was read sends a FIN (LINUX-TCP 35)', () => {
  const c = established()
  c.send({ flags: 'F.', data: 10 })
  c.drain()
  assert.equal(c.read(), 10)
  c.close()
  c.expect({ flags: 'F.', seq: 1, ack: 12 })
})
