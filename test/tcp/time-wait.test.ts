/** TIME-WAIT: RFC 9293 §3.6.1, §3.10.7.4; RFC 1337, RFC 6191; Linux tcp_timewait_state_process. */
import assert from 'node:assert/strict'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { SF_REUSEADDR } from '../../src/sock/sock.ts'
import { EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS } from '../../src/sys/errno.ts'
import { finWait1, finWait2, PORT, REMOTE, REMOTE_PORT, tcp, timeWait } from './dsl.ts'

tcp("TIME-WAIT: lasts 60 s, twice Linux's MSL (RFC 9293 §3.4.2; TCP_TIMEWAIT_LEN)", () => {
  const c = timeWait()
  c.advance(59999)
  assert.equal(c.state, 'TIME-WAIT')
  c.advance(1)
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.counter('TcpExtTW'), 1)
})

tcp('TIME-WAIT: the FIN again is acknowledged and restarts the 60 s (RFC 9293 §3.10.7.4 eighth)', () => {
  const c = timeWait()
  for (let i = 0; i < 3; i++) {
    c.advance(50000)
    c.send({ flags: 'F.', seq: 1, ack: 2 })
    c.expect({ flags: '.', seq: 2, ack: 2 })
  }
  c.advance(59999)
  assert.equal(c.state, 'TIME-WAIT')
  c.advance(1)
  assert.equal(c.state, 'CLOSED')
})

tcp('TIME-WAIT: an exact pure ACK is not answered but restarts the 60 s (tcp_timewait_state_process)', () => {
  const c = timeWait()
  c.advance(50000)
  c.send({ seq: 2, ack: 2 })
  c.expectNothing()
  c.advance(59999)
  assert.equal(c.state, 'TIME-WAIT')
  c.advance(1)
  assert.equal(c.state, 'CLOSED')
})

tcp('TIME-WAIT: other segments with ACK are answered with an ACK (RFC 9293 §3.10.7.4 first)', () => {
  const c = timeWait()
  c.send({ seq: 2, data: 10 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  c.send({ seq: 500000 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  c.send({ seq: 500000 })
  c.expectNothing()
  assert.equal(c.counter('TcpExtTCPACKSkippedTimeWait'), 1)
  assert.equal(c.state, 'TIME-WAIT')
})

tcp('TIME-WAIT: an exact RST ends it unless tcp_rfc1337 is set (RFC 1337; ip-sysctl)', () => {
  for (const [value, state] of [
    [0, 'CLOSED'],
    [1, 'TIME-WAIT'],
  ] as const) {
    const c = timeWait({ sysctl: { tcp_rfc1337: value } })
    c.send({ flags: 'R', seq: 2 })
    c.expectNothing()
    assert.equal(c.state, state)
  }
})

tcp('TIME-WAIT: an inexact RST is ignored (RFC 5961 §3.2)', () => {
  const c = timeWait()
  c.send({ flags: 'R', seq: 3 })
  c.send({ flags: 'R', seq: 1 })
  c.expectNothing()
  assert.equal(c.state, 'TIME-WAIT')
})

tcp(
  'TIME-WAIT: a SYN above RCV.NXT opens a new connection with an ISN beyond the old one (RFC 9293 §3.6.1; RFC 6191)',
  () => {
    const c = timeWait({ keepListener: true })
    const oldEnd = (c.iss + 2) | 0
    c.restart((c.irs + 100000) | 0)
    c.sendSyn()
    const s = c.expect({ flags: 'S.', ack: 1 })
    assert.equal(s.seq, 0)
    assert.equal((c.iss - oldEnd) | 0, 65535 + 2)
    c.send({ seq: 1, ack: 1 })
    assert.equal(c.state, 'ESTABLISHED')
    assert.equal(c.host.tcp.timeWaits, 0)
  },
)

tcp(
  'TIME-WAIT: a SYN at or below RCV.NXT is answered with an ACK and opens nothing (RFC 9293 §3.10.7.4 fourth)',
  () => {
    const c = timeWait({ keepListener: true })
    c.send({ flags: 'S', seq: 1 })
    c.expect({ flags: '.', seq: 2, ack: 2 })
    assert.equal(c.state, 'TIME-WAIT')
  },
)

tcp('TIME-WAIT: a SYN with a newer timestamp opens a new connection whatever its sequence number (RFC 6191)', () => {
  const c = timeWait({ keepListener: true, ts: true })
  const irs = c.irs
  c.advance(10)
  c.restart((irs - 50000) | 0)
  c.sendSyn({ flags: 'S', seq: 0 })
  c.expect({ flags: 'S.', ack: 1 })
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp('TIME-WAIT: a SYN with an older timestamp is answered with an ACK (RFC 7323 §5.3, PAWS)', () => {
  const c = timeWait({ keepListener: true, ts: true })
  c.send({ flags: 'S', seq: 100000, ts: [c.tsNow - 10000, 0] })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'TIME-WAIT')
  assert.equal(c.counter('TcpExtPAWSTimewait'), 1)
})

tcp('TIME-WAIT: its ACKs carry timestamps and the scaled window (tcp_v4_timewait_ack)', () => {
  const c = timeWait({ ts: true, wscale: 7 })
  c.send({ flags: 'F.', seq: 1, ack: 2 })
  const s = c.expect({ flags: '.', layout: 'nop,nop,TS' })
  assert.ok(s.window > 0 && s.window < 2000)
})

tcp('TIME-WAIT: beyond tcp_max_tw_buckets a connection ends without it and is counted (ip-sysctl)', () => {
  const c = finWait2({ sysctl: { tcp_max_tw_buckets: 0 } })
  c.send({ flags: 'F.' })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.counter('TcpExtTCPTimeWaitOverflow'), 1)
})

tcp('TIME-WAIT: the socket can still be read and closed while it lasts (tcp_time_wait)', () => {
  const c = finWait2()
  c.send({ flags: 'F.', data: 100 })
  c.drain()
  assert.equal(c.state, 'TIME-WAIT')
  assert.equal(c.read(), 100)
  assert.equal(c.read(), 0)
  c.close()
  assert.equal(c.state, 'TIME-WAIT')
})

tcp('TIME-WAIT: reached from FIN-WAIT-1 by FIN with ACK, nothing is sent again (RFC 9293 §3.6)', () => {
  const c = finWait1({}, true)
  c.send({ flags: 'F.', ack: 2 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  c.advance(60000)
  c.expectNothing()
})

tcp('TIME-WAIT: its port can be bound again with SO_REUSEADDR on both only (bind(2))', () => {
  const c = timeWait()
  const host = c.host
  const plain = host.socket()
  assert.equal(plain.bind(new SockAddr(AF_INET, 0, PORT)), -EADDRINUSE)
  plain.close()
  const again = host.listen()
  assert.equal(again.isFlag(SF_REUSEADDR), true)
})

tcp('TIME-WAIT: connect to the same peer from the same port is EADDRNOTAVAIL (tcp_twsk_unique)', () => {
  const c = timeWait({ ts: true })
  const t = c.host.socket()
  t.setFlag(SF_REUSEADDR, true)
  assert.equal(t.bind(new SockAddr(AF_INET, 0, PORT)), 0)
  assert.equal(t.connect(new SockAddr(AF_INET, REMOTE, REMOTE_PORT)), -EADDRNOTAVAIL)
})

tcp(
  'TIME-WAIT: with tcp_tw_reuse=1 and timestamps connect may take it over after a second (ip-sysctl; RFC 6191)',
  () => {
    const c = timeWait({ ts: true, sysctl: { tcp_tw_reuse: 1 } })
    const connect = (): number => {
      const t = c.host.socket()
      t.setFlag(SF_REUSEADDR, true)
      assert.equal(t.bind(new SockAddr(AF_INET, 0, PORT)), 0)
      return t.connect(new SockAddr(AF_INET, REMOTE, REMOTE_PORT))
    }
    assert.equal(connect(), -EADDRNOTAVAIL)
    c.advance(1000)
    const before = (c.iss + 2) | 0
    assert.equal(connect(), -EINPROGRESS)
    c.expect({ flags: 'S' })
    assert.equal((c.iss - before) | 0, 65535 + 2)
    assert.equal(c.host.tcp.timeWaits, 0)
  },
)
