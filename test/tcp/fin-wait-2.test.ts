/** FIN-WAIT-2: our FIN is acknowledged, the peer's is awaited; RFC 9293 §3.10.7.4. */
import assert from 'node:assert/strict'
import { ECONNRESET } from '../../src/sys/errno.ts'
import { finWait2, tcp } from './dsl.ts'
import { synchronizedStateTests } from './synchronized.ts'

synchronizedStateTests('FIN-WAIT-2', () => finWait2(), ECONNRESET)

tcp('FIN-WAIT-2: a FIN leads to TIME-WAIT (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = finWait2()
  c.send({ flags: 'F.' })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'TIME-WAIT')
  assert.equal(c.read(), 0)
})

tcp('FIN-WAIT-2: a FIN with an old ACK number is accepted (LINUX-TCP 37)', () => {
  const c = finWait2()
  c.send({ flags: 'F.', ack: 1 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'TIME-WAIT')
})

tcp('FIN-WAIT-2: data is received for as long as the peer likes (RFC 9293 §3.6, half-close)', () => {
  const c = finWait2()
  for (let i = 0; i < 10; i++) {
    c.advance(100000)
    c.send({ data: 1000 })
    c.advance(200)
    assert.equal(c.drain().at(-1)?.ack, c.next)
    assert.equal(c.read(), 1000)
  }
  assert.equal(c.state, 'FIN-WAIT-2')
})

tcp('FIN-WAIT-2: data for a closed socket is answered with a reset (RFC 1122 §4.2.2.13)', () => {
  const c = finWait2()
  c.close()
  c.send({ data: 10 })
  c.expect({ flags: 'R', seq: 2, ack: 0, window: 0 })
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2: an orphan waits 60 s for the FIN and is then forgotten (tcp_fin_timeout)', () => {
  const c = finWait2({}, true)
  c.advance(59999)
  assert.equal(c.state, 'FIN-WAIT-2')
  c.advance(1)
  assert.equal(c.state, 'CLOSED')
  c.send({ flags: 'F.' })
  c.expect({ flags: 'R', seq: 2, ack: 0 })
})

tcp('FIN-WAIT-2: tcp_fin_timeout of 120 s is waited in full (tcp_rcv_state_process, tcp_fin_time)', () => {
  const c = finWait2({ sysctl: { tcp_fin_timeout: 120 } }, true)
  c.advance(119999)
  assert.equal(c.state, 'FIN-WAIT-2')
  c.advance(1)
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2: TCP_LINGER2 shortens the wait of an orphan (tcp(7))', () => {
  const c = finWait2()
  c.set(8, 10)
  c.close()
  c.advance(9999)
  assert.equal(c.state, 'FIN-WAIT-2')
  c.advance(1)
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2: with TCP_LINGER2 below 0 close resets at once (tcp_close)', () => {
  const c = finWait2()
  c.set(8, -1)
  c.close()
  c.expect({ flags: 'R.', seq: 2, ack: 1 })
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2: with an owner there is no timeout (tcp(7))', () => {
  const c = finWait2()
  c.advance(3600000)
  assert.equal(c.state, 'FIN-WAIT-2')
})

tcp('FIN-WAIT-2, orphan: FIN leads to TIME-WAIT for a full 60 s (tcp_timewait_state_process)', () => {
  const c = finWait2({}, true)
  c.advance(50000)
  c.send({ flags: 'F.' })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'TIME-WAIT')
  c.advance(59999)
  assert.equal(c.state, 'TIME-WAIT')
  c.advance(1)
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2, orphan: data is answered with a reset (tcp_timewait_state_process)', () => {
  const c = finWait2({}, true)
  c.send({ data: 10 })
  c.expect({ flags: 'R', seq: 2, ack: 0 })
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2, orphan: data with the FIN is answered with a reset (tcp_timewait_state_process)', () => {
  const c = finWait2({}, true)
  c.send({ flags: 'F.', data: 10 })
  c.expect({ flags: 'R', seq: 2, ack: 0 })
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2, orphan: RST ends it (tcp_timewait_state_process)', () => {
  const c = finWait2({}, true)
  c.send({ flags: 'R' })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
})

tcp('FIN-WAIT-2, orphan: a new SYN in the window draws a reset (tcp_timewait_state_process)', () => {
  const c = finWait2({}, true)
  c.send({ flags: 'S', seq: 1 })
  // The RST of a SYN without ACK: sequence number 0, everything acknowledged.
  c.expect({ flags: 'R.', seq: -c.iss, ack: 2 })
  assert.equal(c.state, 'CLOSED')
})

tcp(
  'FIN-WAIT-2, orphan: old segments and pure ACKs are answered or ignored, and change nothing (tcp_timewait_state_process)',
  () => {
    const c = finWait2({}, true)
    c.send({})
    c.expectNothing()
    c.send({ seq: -50, data: 10 })
    c.expect({ flags: '.', seq: 2, ack: 1 })
    assert.equal(c.state, 'FIN-WAIT-2')
  },
)
