/** SYN-SENT: RFC 9293 §3.10.7.3, connect(2), and the retries of a SYN. */
import assert from 'node:assert/strict'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../../src/sock/wait-queue.ts'
import {
  EAGAIN,
  EALREADY,
  ECONNREFUSED,
  ECONNRESET,
  EHOSTUNREACH,
  EISCONN,
  ENETUNREACH,
  ENOTCONN,
  ETIMEDOUT,
} from '../../src/sys/errno.ts'
import { established, Host, REMOTE, REMOTE_PORT, synSent, tcp } from './dsl.ts'

const PEER = new SockAddr(AF_INET, REMOTE, REMOTE_PORT)

tcp('SYN-SENT: the SYN says mss, sackOK, TS, nop, wscale (LINUX-TCP 1)', () => {
  const host = new Host()
  const t = host.socket()
  t.connect(PEER)
  host.clock.settle()
  const c = host.peer(REMOTE_PORT, t.localPort)
  c.expect({ flags: 'S', seq: 0, ack: 0, mss: 1460, layout: 'mss,sackOK,TS,nop,wscale', sackOk: true })
  assert.ok(t.localPort >= 32768 && t.localPort <= 60999)
})

tcp('SYN-SENT: with tcp_timestamps=0 the SYN says mss, nop, nop, sackOK, nop, wscale (LINUX-TCP 1)', () => {
  const host = new Host({ sysctl: { tcp_timestamps: 0 } })
  const t = host.socket()
  t.connect(PEER)
  host.clock.settle()
  host.peer(REMOTE_PORT, t.localPort).expect({ flags: 'S', layout: 'mss,nop,nop,sackOK,nop,wscale' })
})

tcp('SYN-SENT: the window scale follows tcp_rmem: 7 for 6 MiB, 8 for 15 MiB, 10 for 32 MiB (LINUX-TCP 2)', () => {
  for (const [most, scale] of [
    [6291456, 7],
    [15 << 20, 8],
    [32 << 20, 10],
  ] as const) {
    const host = new Host({ sysctl: { tcp_rmem: [4096, 131072, most] } })
    const t = host.socket()
    t.connect(PEER)
    host.clock.settle()
    host.peer(REMOTE_PORT, t.localPort).expect({ flags: 'S', wscale: scale })
  }
})

tcp('SYN-SENT: connect again says EALREADY, then 0, then EISCONN (connect(2))', () => {
  const c = synSent()
  assert.equal(c.t.connect(PEER), -EALREADY)
  assert.equal(c.write(1), -EAGAIN)
  assert.equal(c.read(), -EAGAIN)
  c.sendSyn({ flags: 'S.', ack: 1 })
  assert.equal(c.t.connect(PEER), 0)
  assert.equal(c.t.connect(PEER), -EISCONN)
  assert.equal(c.error(), 0)
})

tcp('SYN-SENT: a SYN-ACK establishes the connection and is acknowledged at once (RFC 9293 §3.10.7.3 fourth)', () => {
  const c = synSent()
  c.woken()
  c.sendSyn({ flags: 'S.', ack: 1 })
  c.expect({ flags: '.', seq: 1, ack: 1, data: 0, layout: '' })
  assert.equal(c.state, 'ESTABLISHED')
  assert.equal(c.woken() & POLLOUT, POLLOUT)
  assert.equal(c.counter('TcpActiveOpens'), 1)
})

tcp('SYN-SENT: an ACK of something else is answered with a reset (RFC 9293 §3.10.7.3 first)', () => {
  const c = synSent()
  for (const [flags, ack] of [
    ['.', 0],
    ['S.', 2],
    ['.', 500],
    ['S.', 0],
  ] as const) {
    c.send({ flags, seq: 0, ack })
    c.expect({ flags: 'R', seq: ack, ack: 0 })
    assert.equal(c.state, 'SYN-SENT')
  }
})

tcp('SYN-SENT: a RST with an unacceptable ACK is dropped (RFC 9293 §3.10.7.3 first)', () => {
  const c = synSent()
  c.send({ flags: 'R.', seq: 0, ack: 2 })
  c.send({ flags: 'R.', seq: 0, ack: 0 })
  c.expectNothing()
  assert.equal(c.state, 'SYN-SENT')
})

tcp('SYN-SENT: a RST without ACK is dropped (RFC 9293 §3.10.7.3 second)', () => {
  const c = synSent()
  c.send({ flags: 'R', seq: 0 })
  assert.equal(c.state, 'SYN-SENT')
})

tcp('SYN-SENT: a RST that acknowledges the SYN means ECONNREFUSED (RFC 9293 §3.10.7.3 second; LINUX-TCP 6)', () => {
  const c = synSent()
  c.woken()
  c.send({ flags: 'R.', seq: 0, ack: 1 })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.woken() & (POLLERR | POLLHUP | POLLIN | POLLOUT), POLLERR | POLLHUP | POLLIN | POLLOUT)
  assert.equal(c.t.poll() & (POLLERR | POLLHUP), POLLERR | POLLHUP)
  assert.equal(c.t.connect(PEER), -ECONNREFUSED)
  assert.equal(c.counter('TcpAttemptFails'), 1)
})

tcp('SYN-SENT: a socket that was refused may connect again (connect(2), Linux)', () => {
  const c = synSent()
  c.send({ flags: 'R.', seq: 0, ack: 1 })
  assert.equal(c.t.connect(PEER), -ECONNREFUSED)
  c.restart(5000)
  c.t.connect(PEER)
  c.host.clock.settle()
  c.expect({ flags: 'S', seq: 0 })
  c.sendSyn({ flags: 'S.', ack: 1 })
  assert.equal(c.state, 'ESTABLISHED')
})

tcp('SYN-SENT: segments without SYN and RST are dropped (RFC 9293 §3.10.7.3 fifth)', () => {
  const c = synSent()
  c.send({ flags: '.', seq: 0, ack: 1 })
  c.send({ flags: 'F.', seq: 0, ack: 1 })
  c.send({ flags: 'none', seq: 0, data: 5 })
  c.expectNothing()
  assert.equal(c.state, 'SYN-SENT')
})

tcp(
  'SYN-SENT: a SYN without ACK leads to SYN-RECEIVED and a SYN-ACK, an ACK then to ESTABLISHED (RFC 9293 §3.5, figure 7)',
  () => {
    const c = synSent()
    c.sendSyn()
    c.expect({ flags: 'S.', seq: 0, ack: 1, mss: 1460 })
    assert.equal(c.state, 'SYN-RECEIVED')
    c.send({ flags: '.', seq: 1, ack: 1 })
    assert.equal(c.state, 'ESTABLISHED')
    assert.equal(c.t.connect(PEER), 0)
    c.write(10)
    c.expect({ flags: '.', seq: 1, ack: 1, data: 10 })
    c.send({ ack: 11, data: 5 })
    assert.equal(c.read(), 5)
  },
)

tcp("SYN-SENT: in a simultaneous open the peer's SYN-ACK establishes too (RFC 9293 §3.5, figure 7)", () => {
  const c = synSent()
  c.sendSyn()
  c.expect({ flags: 'S.', seq: 0, ack: 1 })
  c.send({ flags: 'S.', seq: 0, ack: 1, mss: 1460 })
  assert.equal(c.state, 'ESTABLISHED')
  c.drain()
  c.write(10)
  c.expect({ flags: '.', seq: 1, ack: 1, data: 10 })
  c.send({ seq: 1, ack: 11 })
})

tcp(
  'SYN-SENT: in a simultaneous open the options of both count, and the SYN-ACK goes again (RFC 9293 §3.5; RFC 7323 §3.2)',
  () => {
    const c = synSent({ ts: true, sack: true, wscale: 3 })
    c.sendSyn()
    c.expect({ flags: 'S.', layout: 'mss,sackOK,TS,nop,wscale' })
    c.expectAfter(1000, { flags: 'S.', seq: 0, ack: 1, layout: 'mss,sackOK,TS,nop,wscale' })
    c.ts = true
    c.send({ seq: 1, ack: 1, window: 100 })
    assert.equal(c.state, 'ESTABLISHED')
    assert.equal(c.t.snd.wnd, 800)
  },
)

tcp(
  'SYN-SENT: the SYN goes again after 1, 1, 1, 1, 1, 2, 4, 8, 16, 32 s and connect fails 64 s later (LINUX-TCP 5; ip-sysctl)',
  () => {
    const c = synSent()
    const start = c.host.nowMs
    for (const wait of [1, 1, 1, 1, 1, 2, 4, 8, 16, 32]) c.expectAfter(wait * 1000, { flags: 'S', seq: 0, ack: 0 })
    c.advance(63999)
    assert.equal(c.state, 'SYN-SENT')
    c.advance(1)
    c.expectNothing()
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.host.nowMs - start, 131000)
    assert.equal(c.t.connect(PEER), -ETIMEDOUT)
    assert.equal(c.counter('TcpExtTCPAbortOnTimeout'), 1)
  },
)

tcp(
  'SYN-SENT: TCP_SYNCNT counts beyond the linear timeouts; without those it is the number of retries (tcp(7))',
  () => {
    const c = synSent({ sysctl: { tcp_syn_linear_timeouts: 0 }, prepare: (t) => t.setOption(6, 7, 2) })
    c.expectAfter(1000, { flags: 'S', seq: 0 })
    c.expectAfter(2000, { flags: 'S', seq: 0 })
    c.advance(4000)
    c.expectNothing()
    assert.equal(c.error(), ETIMEDOUT)
  },
)

tcp('SYN-SENT: TCP_USER_TIMEOUT ends the attempt (tcp(7))', () => {
  const c = synSent({ prepare: (t) => t.setOption(6, 18, 3500) })
  c.advance(5000)
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.error(), ETIMEDOUT)
})

tcp('SYN-SENT: host and network unreachable end the attempt at once (RFC 1122 §4.2.3.9; tcp_v4_err)', () => {
  for (const [code, error] of [
    [1, EHOSTUNREACH],
    [0, ENETUNREACH],
    [3, ECONNREFUSED],
  ] as const) {
    const c = synSent()
    c.sendIcmp(0, 3, code)
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.error(), error)
  }
})

tcp('SYN-SENT: an ICMP error about another sequence number is ignored (RFC 5927 §4.1)', () => {
  const c = synSent()
  c.sendIcmp(5000, 3, 3)
  assert.equal(c.state, 'SYN-SENT')
  assert.equal(c.counter('TcpExtOutOfWindowIcmps'), 1)
})

tcp('SYN-SENT: close says nothing; a late SYN-ACK is answered with a bare reset (LINUX-TCP 6)', () => {
  const c = synSent()
  c.close()
  c.expectNothing()
  c.sendSyn({ flags: 'S.', ack: 1, ts: [1, 1] })
  c.expect({ flags: 'R', seq: 1, ack: 0, window: 0, layout: '' })
})

tcp('SYN-SENT: shutdown gives the attempt up (inet_shutdown)', () => {
  const c = synSent()
  assert.equal(c.shutdown(2), 0)
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
  // tcp_disconnect leaves ECONNRESET for the next call.
  assert.equal(c.read(), -ECONNRESET)
  assert.equal(c.read(), -ENOTCONN)
})

tcp(
  'SYN-SENT: a SYN-ACK with a timestamp echo of another time is answered with a reset (RFC 7323 §5; tcp_rcv_synsent)',
  () => {
    const c = synSent()
    c.send({ flags: 'S.', seq: 0, ack: 1, mss: 1460, ts: [1, 5] })
    c.expect({ flags: 'R', seq: 1 })
    assert.equal(c.state, 'SYN-SENT')
    assert.equal(c.counter('TcpExtPAWSActive'), 1)
  },
)

tcp('SYN-SENT: with tcp_timestamps=0 the echo of a segment is not read (tcp_parse_options)', () => {
  const c = synSent({ sysctl: { tcp_timestamps: 0 } })
  c.send({ flags: '.', seq: 0, ack: 1, ts: [1, 5] })
  c.expectNothing()
  c.send({ flags: 'S.', seq: 0, ack: 1, mss: 1460, ts: [1, 5] })
  c.expect({ flags: '.', seq: 1, ack: 1 })
})

tcp('SYN-SENT: after a retransmitted SYN the window starts at one segment (RFC 5681 §3.1; RFC 6298 §5.7)', () => {
  const c = synSent()
  c.advance(3000)
  assert.equal(c.drain().length, 3)
  c.sendSyn({ flags: 'S.', ack: 1 })
  assert.equal(c.t.snd.cwnd, 1)
})

tcp('SYN-SENT: no round-trip sample is taken from a retransmitted SYN (Karn; RFC 6298 §3)', () => {
  const c = synSent()
  c.advance(1000)
  c.drain()
  c.advance(300)
  c.sendSyn({ flags: 'S.', ack: 1 })
  assert.equal(c.t.srtt, 0)
})

tcp(
  "SYN-SENT: a connect in the clock's very first instant measures its round trip like any other (RFC 6298 §2.2)",
  () => {
    const c = established({ active: true, startMs: 0 })
    assert.ok(Math.abs((c.t.srtt >> 3) - 100000) <= 1)
    assert.ok(Math.abs(c.t.rto - 300000) <= 4)
  },
)

tcp('SYN-SENT: a reset after the connection was made is ECONNRESET (tcp_reset)', () => {
  const c = established({ active: true })
  c.send({ flags: 'R', seq: 1 })
  assert.equal(c.error(), ECONNRESET)
})
