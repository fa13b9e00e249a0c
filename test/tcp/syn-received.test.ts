/** SYN-RECEIVED after a passive open: a half-open request; RFC 9293 §3.10.7.4, RFC 4987, LINUX-TCP 31. */
import assert from 'node:assert/strict'
import { EAGAIN } from '../../src/sys/errno.ts'
import { synReceived, synSent, tcp } from './dsl.ts'

tcp('SYN-RECEIVED: the ACK of our SYN establishes the connection (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = synReceived()
  c.send({ seq: 1, ack: 1 })
  c.expectNothing()
  assert.equal(c.state, 'ESTABLISHED')
})

tcp('SYN-RECEIVED: an unacceptable ACK is answered <SEQ=SEG.ACK><CTL=RST> (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = synReceived()
  for (const ack of [0, 2, 100]) {
    c.send({ seq: 1, ack })
    c.expect({ flags: 'R', seq: ack, ack: 0 })
  }
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp('SYN-RECEIVED: a RST at RCV.NXT kills the request silently (RFC 9293 §3.10.7.4 second; LINUX-TCP 31)', () => {
  const c = synReceived()
  c.send({ flags: 'R', seq: 1 })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.counter('TcpExtEmbryonicRsts'), 1)
  assert.equal(c.t.accept(), -EAGAIN)
})

tcp('SYN-RECEIVED: a RST in the window but not at RCV.NXT draws a challenge ACK (RFC 5961 §3.2; LINUX-TCP 31)', () => {
  const c = synReceived()
  c.send({ flags: 'R', seq: 100 })
  c.expect({ flags: '.', seq: 1, ack: 1 })
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp('SYN-RECEIVED: a RST outside the window is ignored (LINUX-TCP 31)', () => {
  const c = synReceived()
  c.send({ flags: 'R', seq: 100000 })
  c.send({ flags: 'R', seq: 0 })
  c.expectNothing()
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp('SYN-RECEIVED: the SYN again brings the SYN-ACK again, once in 500 ms (tcp_check_req)', () => {
  const c = synReceived()
  c.sendSyn()
  c.expect({ flags: 'S.', seq: 0, ack: 1 })
  c.sendSyn()
  c.expectNothing()
  assert.equal(c.counter('TcpExtTCPACKSkippedSynRecv'), 1)
  c.advance(500)
  c.sendSyn()
  c.expect({ flags: 'S.', seq: 0, ack: 1 })
  assert.equal(c.host.tcp.table.size, 1)
})

tcp('SYN-RECEIVED: a segment outside the window is answered with an ACK (RFC 9293 §3.10.7.4 first)', () => {
  const c = synReceived()
  c.send({ seq: 100000, ack: 1 })
  c.expect({ flags: '.', seq: 1, ack: 1 })
  c.send({ seq: 100000, ack: 1 })
  c.expectNothing()
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp('SYN-RECEIVED: a segment without ACK is dropped (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = synReceived()
  c.send({ flags: 'none', seq: 1, data: 10 })
  c.send({ flags: 'F', seq: 1 })
  c.expectNothing()
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp("SYN-RECEIVED: data with the handshake's ACK is taken, out of order data as well (tcp_check_req)", () => {
  const c = synReceived()
  const listener = c.t
  c.send({ seq: 101, ack: 1, data: 50 })
  assert.equal(c.state, 'ESTABLISHED')
  c.expect({ flags: '.', seq: 1, ack: 1 })
  c.send({ seq: 1, ack: 1, data: 100 })
  c.acceptFrom(listener)
  assert.equal(c.read(), 150)
})

tcp("SYN-RECEIVED: a FIN with the handshake's ACK leads straight to CLOSE-WAIT (RFC 9293 §3.10.7.4 eighth)", () => {
  const c = synReceived()
  const listener = c.t
  c.send({ flags: 'F.', seq: 1, ack: 1 })
  assert.equal(c.state, 'CLOSE-WAIT')
  c.acceptFrom(listener)
  assert.equal(c.read(), 0)
})

tcp(
  'SYN-RECEIVED: the SYN-ACK goes again after 1, 2, 4, 8, 16 s and the request ends 32 s later, at 63 s (LINUX-TCP 5; ip-sysctl)',
  () => {
    const c = synReceived()
    const start = c.host.nowMs
    for (const wait of [1, 2, 4, 8, 16]) c.expectAfter(wait * 1000, { flags: 'S.', seq: 0, ack: 1 })
    c.advance(31999)
    assert.equal(c.state, 'SYN-RECEIVED')
    c.advance(1)
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.host.nowMs - start, 63000)
    c.expectNothing()
  },
)

tcp('SYN-RECEIVED: tcp_synack_retries bounds the retries (ip-sysctl)', () => {
  const c = synReceived({ sysctl: { tcp_synack_retries: 1 } })
  c.expectAfter(1000, { flags: 'S.', seq: 0 })
  c.advance(2000)
  assert.equal(c.state, 'CLOSED')
})

tcp(
  'SYN-RECEIVED: no round-trip sample after the SYN-ACK was sent again without timestamps (Karn; RFC 6298 §3)',
  () => {
    const c = synReceived()
    const listener = c.t
    c.advance(1000)
    c.drain()
    c.advance(100)
    c.send({ seq: 1, ack: 1 })
    assert.equal(c.acceptFrom(listener).srtt, 0)
  },
)

tcp(
  'SYN-RECEIVED: host unreachable about the SYN-ACK ends the request; other codes and sequence numbers do not (tcp_req_err)',
  () => {
    const c = synReceived()
    c.sendIcmp(50, 3, 1)
    c.sendIcmp(0, 3, 3)
    assert.equal(c.state, 'SYN-RECEIVED')
    c.sendIcmp(0, 3, 1)
    assert.equal(c.state, 'CLOSED')
  },
)

/** SYN-RECEIVED of a simultaneous open: a control block. */
function simultaneous(): ReturnType<typeof synSent> {
  const c = synSent()
  c.sendSyn()
  c.expect({ flags: 'S.', seq: 0, ack: 1 })
  return c
}

tcp('SYN-RECEIVED, simultaneous: RST at RCV.NXT ends the attempt (RFC 9293 §3.10.7.4 second)', () => {
  const c = simultaneous()
  c.send({ flags: 'R', seq: 1 })
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.counter('TcpAttemptFails'), 1)
})

tcp('SYN-RECEIVED, simultaneous: an unacceptable ACK is answered with a reset (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = simultaneous()
  c.send({ seq: 1, ack: 7 })
  c.expect({ flags: 'R', seq: 7 })
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp('SYN-RECEIVED, simultaneous: close sends a FIN and leads to FIN-WAIT-1 (RFC 9293 §3.10.4)', () => {
  const c = simultaneous()
  c.close()
  assert.equal(c.state, 'FIN-WAIT-1')
  c.drain()
  c.send({ seq: 1, ack: 2 })
  assert.equal(c.state, 'FIN-WAIT-2')
})

tcp('SYN-RECEIVED, simultaneous: a FIN with the ACK leads to CLOSE-WAIT (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = simultaneous()
  c.send({ flags: 'F.', seq: 1, ack: 1 })
  assert.equal(c.state, 'CLOSE-WAIT')
})
