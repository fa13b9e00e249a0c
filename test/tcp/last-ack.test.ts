/** LAST-ACK: the peer has closed, then we; RFC 9293 §3.10.7.4. */
import assert from 'node:assert/strict'
import { ECONNRESET } from '../../src/sys/errno.ts'
import { closeWait, lastAck, tcp } from './dsl.ts'
import { synchronizedStateTests } from './synchronized.ts'

synchronizedStateTests(
  'LAST-ACK',
  () => {
    const c = closeWait()
    c.shutdown(1)
    c.expect({ flags: 'F.', seq: 1, ack: 2 })
    return c
  },
  ECONNRESET,
)

tcp('LAST-ACK: the ACK of our FIN ends the connection without TIME-WAIT (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = lastAck()
  c.send({ ack: 2 })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.host.tcp.table.size, 0)
})

tcp('LAST-ACK: an ACK of less than our FIN changes nothing (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = lastAck()
  c.send({ ack: 1 })
  c.expectNothing()
  assert.equal(c.state, 'LAST-ACK')
})

tcp('LAST-ACK: the FIN again is acknowledged again (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = lastAck()
  c.send({ flags: 'F.', seq: 1, ack: 1 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'LAST-ACK')
})

tcp(
  'LAST-ACK: our FIN is sent again after the RTO, doubling, and an orphan gives up (RFC 9293 §3.8.1; tcp_orphan_retries)',
  () => {
    const c = lastAck()
    c.expectAfter(300, { flags: 'F.', seq: 1, ack: 2 })
    c.expectAfter(600, { flags: 'F.', seq: 1, ack: 2 })
    c.expectAfter(1200, { flags: 'F.', seq: 1, ack: 2 })
    c.advance(300000)
    assert.equal(c.state, 'CLOSED')
  },
)
