/** FIN-WAIT-1: we have sent a FIN that is not acknowledged; RFC 9293 §3.10.7.4. */
import assert from 'node:assert/strict'
import { ECONNRESET, EPIPE } from '../../src/sys/errno.ts'
import { established, finWait1, tcp } from './dsl.ts'
import { synchronizedStateTests } from './synchronized.ts'

synchronizedStateTests('FIN-WAIT-1', () => finWait1(), ECONNRESET)

tcp('FIN-WAIT-1: the ACK of our FIN leads to FIN-WAIT-2 (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = finWait1()
  c.send({ ack: 2 })
  c.expectNothing()
  assert.equal(c.state, 'FIN-WAIT-2')
})

tcp('FIN-WAIT-1: a FIN without the ACK of ours leads to CLOSING (RFC 9293 §3.6, figure 13)', () => {
  const c = finWait1()
  c.send({ flags: 'F.', ack: 1 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'CLOSING')
})

tcp('FIN-WAIT-1: a FIN with the ACK of ours leads to TIME-WAIT (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = finWait1()
  c.send({ flags: 'F.', ack: 2 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  c.expectNothing()
  assert.equal(c.state, 'TIME-WAIT')
})

tcp('FIN-WAIT-1: data still arrives and can be read after SHUT_WR (RFC 9293 §3.6, half-close)', () => {
  const c = finWait1()
  c.send({ ack: 1, data: 500 })
  c.expect({ flags: '.', seq: 2, ack: 501 })
  assert.equal(c.read(), 500)
  assert.equal(c.write(1), -EPIPE)
  assert.equal(c.state, 'FIN-WAIT-1')
})

tcp(
  'FIN-WAIT-1: data, FIN and the ACK of our FIN in one segment lead to TIME-WAIT and can be read (RFC 9293 §3.10.7.4)',
  () => {
    const c = finWait1()
    c.send({ flags: 'F.', ack: 2, data: 300 })
    c.expect({ flags: '.', seq: 2, ack: 302 })
    assert.equal(c.state, 'TIME-WAIT')
    assert.equal(c.read(), 300)
    assert.equal(c.read(), 0)
  },
)

tcp('FIN-WAIT-1: data for a closed socket is answered with a reset (RFC 1122 §4.2.2.13)', () => {
  const c = finWait1({}, true)
  c.send({ ack: 1, data: 10 })
  c.expect({ flags: 'R', seq: 1, ack: 0, window: 0 })
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.counter('TcpExtTCPAbortOnData'), 1)
})

tcp('FIN-WAIT-1: data with the ACK of the FIN of a closed socket is answered with a reset (RFC 1122 §4.2.2.13)', () => {
  const c = finWait1({}, true)
  c.send({ ack: 2, data: 10 })
  c.expect({ flags: 'R', seq: 2, ack: 0, window: 0 })
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-1: data after SHUT_RDWR is answered with a reset (tcp_rcv_state_process)', () => {
  const c = finWait1()
  assert.equal(c.shutdown(2), 0)
  c.send({ ack: 1, data: 10 })
  c.expect({ flags: 'R', seq: 1, ack: 0, window: 0 })
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-1: a lost FIN is sent again after the RTO (RFC 9293 §3.8.1)', () => {
  const c = finWait1()
  c.expectAfter(300, { flags: 'F.', seq: 1, ack: 1 })
  c.expectAfter(600, { flags: 'F.', seq: 1, ack: 1 })
  c.send({ ack: 2 })
  assert.equal(c.state, 'FIN-WAIT-2')
})

tcp('FIN-WAIT-1: data queued before the FIN goes first, and the FIN rides on the last of it (LINUX-TCP 12)', () => {
  const c = established({ window: 1000 })
  c.write(1500)
  c.expect({ flags: '.', seq: 1, data: 500 })
  c.expect({ flags: '.', seq: 501, data: 500 })
  c.expectNothing()
  c.shutdown(1)
  assert.equal(c.state, 'FIN-WAIT-1')
  c.expectNothing()
  c.send({ ack: 1001, window: 5000 })
  c.expect({ flags: 'F.', seq: 1001, data: 500 })
  c.send({ ack: 1502 })
  assert.equal(c.state, 'FIN-WAIT-2')
})
