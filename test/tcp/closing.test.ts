/** CLOSING: both have sent a FIN, ours is not acknowledged yet; RFC 9293 §3.10.7.4. */
import assert from 'node:assert/strict'
import { ECONNRESET } from '../../src/sys/errno.ts'
import { closing, tcp } from './dsl.ts'
import { synchronizedStateTests } from './synchronized.ts'

synchronizedStateTests('CLOSING', () => closing(), ECONNRESET)

tcp('CLOSING: the ACK of our FIN leads to TIME-WAIT (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = closing()
  c.send({ ack: 2 })
  c.expectNothing()
  assert.equal(c.state, 'TIME-WAIT')
})

tcp('CLOSING: an ACK of less than our FIN changes nothing (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = closing()
  c.send({ ack: 1 })
  c.expectNothing()
  assert.equal(c.state, 'CLOSING')
})

tcp('CLOSING: the FIN again is acknowledged again (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = closing()
  c.send({ flags: 'F.', seq: 1, ack: 1 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'CLOSING')
})

tcp('CLOSING: our FIN is sent again after the RTO (RFC 9293 §3.8.1)', () => {
  const c = closing()
  c.expectAfter(300, { flags: 'F.', seq: 1, ack: 2 })
})

tcp('CLOSING: a closed socket goes the same way (RFC 9293 §3.6, figure 13)', () => {
  const c = closing({}, true)
  c.send({ ack: 2 })
  assert.equal(c.state, 'TIME-WAIT')
  c.advance(60000)
  assert.equal(c.state, 'CLOSED')
})
