/** Keep-alive: RFC 9293 §3.8.4, RFC 1122 §4.2.3.6, tcp(7). */
import assert from 'node:assert/strict'
import { SF_KEEPALIVE } from '../../src/sock/sock.ts'
import { ECONNRESET, ETIMEDOUT } from '../../src/sys/errno.ts'
import { established, type Peer, tcp } from './dsl.ts'

const TCP_KEEPIDLE = 4
const TCP_KEEPINTVL = 5
const TCP_KEEPCNT = 6
const TCP_USER_TIMEOUT = 18

function alive(setup: Parameters<typeof established>[0] = {}): Peer {
  const c = established(setup)
  c.t.setFlag(SF_KEEPALIVE, true)
  c.host.tcp.keepaliveChanged(c.t)
  return c
}

tcp('Keep-alive: off by default: years of silence send nothing (RFC 9293 §3.8.4)', () => {
  const c = established()
  c.advance(365 * 86400000)
  c.expectNothing()
  assert.equal(c.state, 'ESTABLISHED')
})

tcp('Keep-alive: after 7200 s a probe with SND.UNA - 1 and no data (RFC 1122 §4.2.3.6; ip-sysctl)', () => {
  const c = alive()
  c.expectAfter(7200000, { flags: '.', seq: 0, ack: 1, data: 0 })
  assert.equal(c.counter('TcpExtTCPKeepAlive'), 1)
})

tcp('Keep-alive, outcome one: the peer answers and the idle time starts again (RFC 1122 §4.2.3.6)', () => {
  const c = alive()
  for (let i = 0; i < 5; i++) {
    c.expectAfter(7200000, { seq: 0 })
    c.send()
  }
  assert.equal(c.state, 'ESTABLISHED')
})

tcp(
  'Keep-alive, outcome two: no answer: nine probes 75 s apart, then a reset and ETIMEDOUT (RFC 1122 §4.2.3.6; ip-sysctl)',
  () => {
    const c = alive()
    c.expectAfter(7200000, { seq: 0 })
    for (let i = 1; i < 9; i++) c.expectAfter(75000, { flags: '.', seq: 0 })
    c.expectAfter(75000, { flags: 'R.', seq: 1, ack: 1 })
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.error(), ETIMEDOUT)
  },
)

tcp('Keep-alive, outcome three: the peer has rebooted and resets: ECONNRESET (RFC 1122 §4.2.3.6)', () => {
  const c = alive()
  c.expectAfter(7200000, { seq: 0 })
  c.send({ flags: 'R', seq: 1 })
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.error(), ECONNRESET)
})

tcp('Keep-alive: TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT (tcp(7))', () => {
  const c = alive()
  c.set(TCP_KEEPIDLE, 10)
  c.set(TCP_KEEPINTVL, 3)
  c.set(TCP_KEEPCNT, 2)
  c.expectAfter(10000, { seq: 0 })
  c.expectAfter(3000, { seq: 0 })
  c.expectAfter(3000, { flags: 'R.', seq: 1 })
  assert.equal(c.error(), ETIMEDOUT)
})

tcp('Keep-alive: received data starts the idle time again (RFC 1122 §4.2.3.6)', () => {
  const c = alive()
  c.set(TCP_KEEPIDLE, 10)
  c.advance(9000)
  c.send({ data: 5 })
  c.advance(500)
  c.drain()
  c.advance(9000)
  c.expectNothing()
  c.advance(1000)
  c.expect({ seq: 0, ack: 6 })
  c.send()
})

tcp('Keep-alive: none while data is out: retransmission finds out (tcp_keepalive_timer)', () => {
  const c = alive()
  c.set(TCP_KEEPIDLE, 2)
  c.write(10)
  c.advance(5000)
  assert.ok(c.drain().every((s) => s.data === 10))
  c.send()
})

tcp('Keep-alive: clearing SO_KEEPALIVE stops it (socket(7))', () => {
  const c = alive()
  c.t.setFlag(SF_KEEPALIVE, false)
  c.host.tcp.keepaliveChanged(c.t)
  c.advance(10000000)
  c.expectNothing()
})

tcp('Keep-alive: set before the connection is made it works from then on, and is inherited (socket(7))', () => {
  const prepare = (t: Peer['t']): void => {
    t.setFlag(SF_KEEPALIVE, true)
    t.setOption(6, TCP_KEEPIDLE, 20)
  }
  const c = established({ active: true, prepare })
  c.advance(20000)
  assert.equal(c.drain().length, 1)
  c.send()
  const d = established({ prepare })
  d.advance(20000)
  assert.equal(d.drain().length, 1)
  d.send()
})

tcp('Keep-alive: TCP_USER_TIMEOUT overrides the count of probes (tcp(7))', () => {
  const c = alive()
  c.set(TCP_KEEPIDLE, 10)
  c.set(TCP_KEEPINTVL, 1)
  c.set(TCP_USER_TIMEOUT, 13000)
  c.advance(12900)
  assert.equal(c.state, 'ESTABLISHED')
  c.advance(2000)
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.error(), ETIMEDOUT)
})

tcp(
  'Keep-alive: our own probes are answered as a window probe is: an ACK below RCV.NXT without data (RFC 9293 §3.8.4)',
  () => {
    const c = established()
    c.send({ seq: 0 })
    c.expect({ flags: '.', seq: 1, ack: 1 })
  },
)

tcp('Keep-alive: a probe with one byte of garbage is answered too (RFC 1122 §4.2.3.6)', () => {
  const c = established()
  c.send({ seq: 0, data: new Uint8Array([0]) })
  c.expect({ flags: '.', seq: 1, ack: 1 })
  assert.equal(c.t.rmemAlloc, 0)
})
