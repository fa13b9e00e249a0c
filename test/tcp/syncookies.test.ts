/** SYN cookies: RFC 4987 §3.6, tcp_syncookies. */
import assert from 'node:assert/strict'
import { EAGAIN } from '../../src/sys/errno.ts'
import { listening, tcp } from './dsl.ts'

tcp(
  'SYN cookies: always with tcp_syncookies=2: no memory is spent, and the ACK brings the connection (RFC 4987 §3.6)',
  () => {
    const c = listening({ sysctl: { tcp_syncookies: 2 }, realIsn: true })
    const listener = c.t
    c.sendSyn()
    c.expect({ flags: 'S.', seq: 0, ack: 1 })
    assert.equal(c.host.tcp.table.size, 0)
    c.send({ seq: 1, ack: 1, data: 10 })
    c.acceptFrom(listener)
    assert.equal(c.state, 'ESTABLISHED')
    assert.equal(c.read(), 10)
    assert.equal(c.counter('TcpExtSyncookiesSent'), 1)
    assert.equal(c.counter('TcpExtSyncookiesRecv'), 1)
  },
)

tcp('SYN cookies: the MSS survives, rounded down to one of the table (RFC 4987 §3.6; LINUX-TCP)', () => {
  const c = listening({ sysctl: { tcp_syncookies: 2 }, realIsn: true, mss: 1400 })
  const listener = c.t
  c.sendSyn()
  c.expect({ flags: 'S.' })
  c.send({ seq: 1, ack: 1 })
  c.acceptFrom(listener)
  c.write(1400)
  assert.equal(c.drain()[0]?.data, 1300)
  for (let i = 0; i < 5; i++) c.send()
})

tcp('SYN cookies: timestamps carry the other options back (tcp_init_timestamp)', () => {
  const c = listening({ sysctl: { tcp_syncookies: 2 }, realIsn: true, ts: true, sack: true, wscale: 6 })
  const listener = c.t
  c.sendSyn()
  c.expect({ flags: 'S.', layout: 'mss,sackOK,TS,nop,wscale' })
  c.ts = true
  c.send({ seq: 1, ack: 1, window: 1000 })
  const t = c.acceptFrom(listener)
  assert.equal(t.snd.wscale, 6)
  assert.equal(t.snd.wnd, 64000)
})

tcp('SYN cookies: a forged ACK is answered with a reset and counted (RFC 4987 §3.6)', () => {
  const c = listening({ sysctl: { tcp_syncookies: 2 }, realIsn: true })
  const listener = c.t
  c.sendSyn()
  c.expect({ flags: 'S.' })
  for (const ack of [2, 500, 100000]) {
    c.send({ seq: 1, ack })
    c.expect({ flags: 'R', seq: ack })
  }
  assert.equal(listener.accept(), -EAGAIN)
})

tcp('SYN cookies: one older than two minutes is not taken (MAX_SYNCOOKIE_AGE)', () => {
  const c = listening({ sysctl: { tcp_syncookies: 2 }, realIsn: true })
  const listener = c.t
  c.sendSyn()
  c.expect({ flags: 'S.' })
  c.advance(200000)
  c.send({ seq: 1, ack: 1 })
  c.expect({ flags: 'R', seq: 1 })
  assert.equal(listener.accept(), -EAGAIN)
})

tcp('SYN cookies: under flood an honest peer still gets through (RFC 4987 §3.6; tcp_syncookies=1)', () => {
  const c = listening({ backlog: 5, realIsn: true })
  const listener = c.t
  for (let i = 0; i < 100; i++) c.host.peer(1024 + i).sendSyn()
  c.sendSyn()
  c.expect({ flags: 'S.' })
  c.send({ seq: 1, ack: 1 })
  c.acceptFrom(listener)
  assert.equal(c.state, 'ESTABLISHED')
  assert.ok(c.counter('TcpExtTCPReqQFullDoCookies') > 90)
})
