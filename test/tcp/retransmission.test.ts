/** The retransmission timer: RFC 6298 with Linux's numbers (LINUX-TCP 19), giving up, user timeout, orphans. */
import assert from 'node:assert/strict'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { ECONNRESET, EHOSTUNREACH, ETIMEDOUT } from '../../src/sys/errno.ts'
import { established, finWait1, Host, tcp } from './dsl.ts'

for (const [rtt, rto] of [
  [100, 300],
  [10, 210],
  [200, 600],
  [1, 201],
] as const) {
  tcp(
    `RTO: after a first sample of ${rtt} ms it is R + max(200 ms, 2R) = ${rto} ms (RFC 6298 §2.2; LINUX-TCP 19)`,
    () => {
      const c = established({ rttMs: rtt })
      assert.equal(c.t.srtt >> 3, rtt * 1000)
      assert.equal(c.t.rto, rto * 1000)
      c.write(100)
      c.expect({ flags: '.', data: 100 })
      c.expectAfter(rto, { flags: '.', seq: 1, data: 100 })
      c.send({ ack: 101 })
    },
  )
}

tcp('RTO: doubles with every timeout, up to 120 s (RFC 6298 §5.5; ip-sysctl tcp_rto_max_ms)', () => {
  const c = established()
  c.write(100)
  c.expect({ data: 100 })
  for (const wait of [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 76800, 120000, 120000]) {
    c.expectAfter(wait, { flags: '.', seq: 1, ack: 1, data: 100 })
  }
  c.send({ ack: 101 })
  assert.equal(c.t.packetsOut, 0)
})

tcp('RTO: the timer restarts with each ACK of new data (RFC 6298 §5.3)', () => {
  const c = established({ prepare: (t) => t.setOption(6, 1, 1) })
  c.write(100)
  c.advance(10)
  c.write(100)
  c.drain()
  c.advance(140)
  c.send({ ack: 101 })
  const rto = c.t.rto / 1000
  c.expectAfter(Math.ceil(rto), { seq: 101, data: 100 })
  c.send({ ack: 201 })
})

tcp('RTO: the timer is off when everything is acknowledged (RFC 6298 §5.2)', () => {
  const c = established()
  c.write(100)
  c.send({ ack: 101 })
  c.drain()
  c.advance(100000)
  c.expectNothing()
})

tcp('Karn: an ACK of a retransmitted segment gives no sample, and the backed-off RTO stays (RFC 6298 §3, §5.7)', () => {
  const c = established()
  c.write(100)
  c.expect({ data: 100 })
  c.expectAfter(300, { seq: 1 })
  const srtt = c.t.srtt
  c.advance(50)
  c.send({ ack: 101 })
  assert.equal(c.t.srtt, srtt)
  assert.equal(c.t.rto, 600000)
  c.write(100)
  c.expect({ seq: 101 })
  c.advance(100)
  c.send({ ack: 201 })
  assert.ok(c.t.rto < 400000)
})

tcp('Karn: with timestamps an ACK of a retransmitted segment does give a sample (RFC 7323 §4.1)', () => {
  const c = established({ ts: true })
  c.write(100)
  c.expect({ data: 100 })
  c.expectAfter(300, { seq: 1 })
  c.advance(100)
  c.send({ ack: 101 })
  assert.ok(c.t.rto < 400000, String(c.t.rto))
})

tcp(
  "RTO: the first sample of a passive open is the handshake's, of an active one the SYN's (tcp_init_transfer)",
  () => {
    assert.equal(established({ rttMs: 70 }).t.srtt >> 3, 70000)
    // In the clock's first microsecond the SYN counts as sent one later.
    assert.ok(Math.abs((established({ rttMs: 70, active: true }).t.srtt >> 3) - 70000) <= 1)
  },
)

tcp('RTO: steady samples bring the RTO down to srtt + 200 ms (tcp_rtt_estimator, RTO minimum)', () => {
  const c = established({ rttMs: 100 })
  for (let i = 0; i < 60; i++) {
    c.write(100)
    c.drain()
    c.advance(100)
    c.send()
  }
  assert.ok(c.t.rto >= 300000 && c.t.rto <= 301000, String(c.t.rto))
})

tcp(
  'Giving up: after tcp_retries2 = 15 worth of backoff, about 924 s, the writer gets ETIMEDOUT (RFC 9293 §3.8.3; ip-sysctl)',
  () => {
    const c = established({ rttMs: 1 })
    c.write(100)
    c.advance(900000)
    assert.equal(c.state, 'ESTABLISHED')
    c.advance(200000)
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.error(), ETIMEDOUT)
    assert.equal(c.counter('TcpExtTCPAbortOnTimeout'), 1)
  },
)

tcp('Giving up: tcp_retries2 = 3 ends after 200 ms x (2^4 - 1) of modelled timeouts (retransmits_timed_out)', () => {
  const c = established({ rttMs: 1, sysctl: { tcp_retries2: 3 } })
  c.write(100)
  c.drain()
  c.advance(2900)
  assert.equal(c.state, 'ESTABLISHED')
  c.advance(6500)
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.error(), ETIMEDOUT)
})

tcp('Giving up: an ICMP error that came meanwhile is what the writer gets (RFC 1122 §4.2.3.9; sk_err_soft)', () => {
  const c = established({ sysctl: { tcp_retries2: 3 } })
  c.write(100)
  c.sendIcmp(1, 3, 1)
  assert.equal(c.state, 'ESTABLISHED')
  c.advance(20000)
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.error(), EHOSTUNREACH)
})

tcp('User timeout: TCP_USER_TIMEOUT of 3 s ends a connection whose data is not acknowledged (RFC 5482; tcp(7))', () => {
  const c = established()
  c.set(18, 3000)
  c.write(100)
  c.advance(2999)
  assert.equal(c.state, 'ESTABLISHED')
  c.advance(3000)
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.error(), ETIMEDOUT)
})

tcp('User timeout: the last wait is shortened so that the timeout holds (tcp_clamp_rto_to_user_timeout)', () => {
  const c = established()
  c.set(18, 3000)
  c.write(100)
  c.drain()
  c.advance(3299)
  assert.equal(c.state, 'ESTABLISHED')
  c.advance(2)
  assert.equal(c.state, 'CLOSED')
})

tcp(
  'Orphan: a closed connection that was alive retries 8 times, then is forgotten (ip-sysctl tcp_orphan_retries)',
  () => {
    const c = finWait1({ rttMs: 1 }, true)
    c.advance(200)
    let count = 0
    for (let i = 0; i < 400 && c.state !== 'CLOSED'; i++) {
      c.advance(500)
      count += c.drain().length
    }
    assert.equal(c.state, 'CLOSED')
    assert.ok(count >= 7 && count <= 9, `${count} retransmissions`)
  },
)

tcp('Orphan: tcp_orphan_retries = 1 makes it short (ip-sysctl)', () => {
  const c = finWait1({ rttMs: 1, sysctl: { tcp_orphan_retries: 1 } }, true)
  c.advance(1500)
  assert.equal(c.state, 'CLOSED')
})

tcp(
  'Local drops: a segment that the device refused is tried again after 500 ms without backoff (tcp_retransmit_timer)',
  () => {
    const c = established()
    c.write(100)
    c.expect({ data: 100 })
    c.host.link.isFull = true
    c.advance(300)
    c.advance(499)
    c.host.link.isFull = false
    c.expectNothing()
    c.advance(1)
    c.expect({ seq: 1, data: 100 })
    c.send({ ack: 101 })
  },
)

tcp(
  'Retransmission: what follows the first hole goes again by slow start after a timeout (RFC 5681 §3.1; LINUX-TCP 26)',
  () => {
    const c = established()
    c.write(1460 * 4)
    c.drain()
    c.advance(300)
    c.expect({ seq: 1, data: 1460 })
    c.expectNothing()
    assert.equal(c.t.snd.cwnd, 1)
    assert.equal(c.t.snd.ssthresh, 7)
    c.send({ ack: 1461 })
    c.expect({ seq: 1461, data: 1460 })
    c.expect({ seq: 2921, data: 1460 })
    c.expectNothing()
    c.send({ ack: 5841 })
    assert.equal(c.t.packetsOut, 0)
  },
)

tcp('Retransmission: a partial ACK leaves the rest of a segment to be sent again (RFC 9293 §3.10.7.4 fifth)', () => {
  const c = established()
  c.write(1000)
  c.expect({ data: 1000 })
  c.send({ ack: 401 })
  const rto = c.t.rto / 1000
  c.advance(rto)
  const again = c.drain()
  assert.equal(again.length, 1)
  assert.equal((again[0]?.seq ?? 0) + (again[0]?.data ?? 0), 1001)
  c.send({ ack: 1001 })
  assert.equal(c.t.packetsOut, 0)
})

tcp('Retransmission: small segments are merged into one up to the MSS (tcp_retrans_try_collapse)', () => {
  const c = established({ prepare: (t) => t.setOption(6, 1, 1) })
  for (let i = 0; i < 5; i++) c.write(100)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [100, 100, 100, 100, 100],
  )
  c.expectAfter(300, { seq: 1, data: 500 })
  c.send({ ack: 501 })
  assert.equal(c.t.packetsOut, 0)
  assert.equal(c.t.wmemQueued, 0)
})

tcp('Retransmission: carries the present acknowledgement and window (RFC 9293 §3.8.1)', () => {
  const c = established()
  c.write(100)
  c.expect({ ack: 1 })
  c.send({ ack: 1, data: 50 })
  c.drain()
  c.expectAfter(300, { seq: 1, ack: 51, data: 100 })
  c.send({ ack: 101 })
})

tcp('Reset during loss: everything queued is thrown away and ECONNRESET told (tcp_reset)', () => {
  const c = established()
  c.write(10000)
  c.advance(1000)
  c.send({ flags: 'R', seq: 1 })
  assert.equal(c.error(), ECONNRESET)
  assert.equal(c.host.tcp.segments.outstanding, 0)
  assert.equal(c.t.wmemQueued, 0)
})

tcp('Unreachable: with no route any more segments wait for one and the connection survives (RFC 1122 §4.2.3.9)', () => {
  const host = new Host()
  const t = host.socket()
  const elsewhere = new SockAddr(AF_INET, 0x08080808, 80)
  assert.ok(t.connect(elsewhere) < 0)
  assert.equal(host.tcp.table.size, 0)
})
