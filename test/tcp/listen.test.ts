/** LISTEN: RFC 9293 §3.10.7.2; the options of a SYN-ACK; the SYN queue and the accept queue. */
import assert from 'node:assert/strict'
import { POLLIN } from '../../src/sock/wait-queue.ts'
import { EAGAIN, ECONNRESET, EINVAL } from '../../src/sys/errno.ts'
import { LOCAL, listening, type Peer, REMOTE, synReceived, tcp } from './dsl.ts'

tcp('LISTEN: first, a RST is ignored (RFC 9293 §3.10.7.2)', () => {
  const c = listening()
  c.send({ flags: 'R', seq: 0 })
  c.send({ flags: 'R.', seq: 0, ack: 1 })
  c.expectNothing()
})

tcp('LISTEN: second, any ACK is answered with a reset (RFC 9293 §3.10.7.2)', () => {
  const c = listening()
  for (const flags of ['.', 'S.', 'F.']) {
    c.send({ flags, seq: 5, ack: 9 })
    c.expect({ flags: 'R', seq: 9, ack: 0 })
  }
  assert.equal(c.host.tcp.table.size, 0)
})

tcp('LISTEN: third, a SYN is answered <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK> (RFC 9293 §3.10.7.2)', () => {
  const c = listening()
  c.sendSyn()
  c.expect({ flags: 'S.', seq: 0, ack: 1, mss: 1460, layout: 'mss', data: 0 })
  assert.equal(c.state, 'SYN-RECEIVED')
})

tcp('LISTEN: anything else is dropped (RFC 9293 §3.10.7.2)', () => {
  const c = listening()
  c.send({ flags: 'none', seq: 5, data: 10 })
  c.send({ flags: 'F', seq: 5 })
  c.send({ flags: 'SF', seq: 5 })
  c.expectNothing()
  assert.equal(c.host.tcp.table.size, 0)
})

tcp('LISTEN: data with the SYN is not taken and must come again (Linux without Fast Open)', () => {
  const c = listening()
  c.sendSyn({ data: 100 })
  c.expect({ flags: 'S.', seq: 0, ack: 1 })
})

const LAYOUTS: readonly (readonly [string, Parameters<Peer['sendSyn']>[0], string])[] = [
  ['everything', { sackOk: true, ts: [5, 0], wscale: 7 }, 'mss,sackOK,TS,nop,wscale'],
  ['timestamps and SACK', { sackOk: true, ts: [5, 0] }, 'mss,sackOK,TS'],
  ['timestamps only', { ts: [5, 0] }, 'mss,nop,nop,TS'],
  ['SACK and window scale', { sackOk: true, wscale: 7 }, 'mss,nop,nop,sackOK,nop,wscale'],
  ['window scale only', { wscale: 7 }, 'mss,nop,wscale'],
  ['SACK only', { sackOk: true }, 'mss,nop,nop,sackOK'],
  ['nothing', {}, 'mss'],
]
for (const [what, options, layout] of LAYOUTS) {
  tcp(`LISTEN: to a SYN that offers ${what} the SYN-ACK says ${layout} (LINUX-TCP 1)`, () => {
    const c = listening()
    c.sendSyn(options)
    const s = c.expect({ flags: 'S.', layout })
    if (s.ts !== null) assert.equal(s.ts[1], 5)
    assert.ok(s.window <= 65535)
  })
}

tcp('LISTEN: with tcp_timestamps, tcp_sack and tcp_window_scaling off none is offered (ip-sysctl)', () => {
  const c = listening({ sysctl: { tcp_timestamps: 0, tcp_sack: 0, tcp_window_scaling: 0 } })
  c.sendSyn({ sackOk: true, ts: [5, 0], wscale: 7 })
  c.expect({ flags: 'S.', layout: 'mss' })
})

tcp('LISTEN: a peer without an MSS option gets segments of 536 bytes (RFC 9293 §3.7.1)', () => {
  const c = listening()
  c.send({ flags: 'S', seq: 0 })
  c.expect({ flags: 'S.' })
  const listener = c.t
  c.send({ seq: 1, ack: 1 })
  c.acceptFrom(listener)
  c.write(1000)
  c.expect({ flags: '.', data: 536 })
  c.send({ ack: 1001 })
})

tcp("LISTEN: the peer's window scale is bounded by 14 (RFC 7323 §2.3)", () => {
  const c = synReceived({ wscale: 200 })
  const listener = c.t
  c.send({ seq: 1, ack: 1, window: 2 })
  assert.equal(c.acceptFrom(listener).snd.wnd, 2 << 14)
})

tcp('LISTEN: the third ACK makes the listener readable and accept gives the connection (RFC 9293 §3.10.2)', () => {
  const c = synReceived()
  const listener = c.t
  assert.equal(listener.accept(), -EAGAIN)
  assert.equal(listener.poll() & POLLIN, 0)
  c.woken()
  c.send({ seq: 1, ack: 1 })
  assert.equal(c.woken() & POLLIN, POLLIN)
  assert.equal(listener.poll() & POLLIN, POLLIN)
  const child = c.acceptFrom(listener)
  assert.equal(child.remoteAddress, REMOTE)
  assert.equal(child.localAddress, LOCAL)
  assert.equal(child.remotePort, c.remotePort)
  assert.equal(c.counter('TcpPassiveOpens'), 1)
  assert.equal(listener.accept(), -EAGAIN)
})

tcp('LISTEN: data that comes with the third ACK is there at accept (RFC 9293 §3.10.7.4)', () => {
  const c = synReceived()
  const listener = c.t
  c.send({ seq: 1, ack: 1, data: 50 })
  c.acceptFrom(listener)
  assert.equal(c.read(), 50)
})

tcp('LISTEN: a connection reset before accept is still given out and tells ECONNRESET (tcp_v4_syn_recv_sock)', () => {
  const c = synReceived()
  const listener = c.t
  c.send({ seq: 1, ack: 1 })
  c.send({ flags: 'R', seq: 1 })
  assert.equal(c.state, 'CLOSED')
  c.acceptFrom(listener)
  assert.equal(c.read(), -ECONNRESET)
})

/** Handshakes of peers on consecutive ports up to the third ACK. */
function connectMany(c: Peer, count: number): Peer[] {
  const peers: Peer[] = []
  for (let i = 0; i < count; i++) {
    const p = c.host.peer(50000 + i)
    p.sendSyn()
    if (p.drain().length > 0) p.send({ seq: 1, ack: 1 })
    peers.push(p)
  }
  return peers
}

tcp(
  'LISTEN: the accept queue holds backlog + 1 connections; then SYNs are dropped and counted (sk_acceptq_is_full)',
  () => {
    const c = listening({ backlog: 2 })
    const listener = c.t
    const peers = connectMany(c, 6)
    assert.deepEqual(
      peers.map((p) => p.state),
      ['ESTABLISHED', 'ESTABLISHED', 'ESTABLISHED', 'CLOSED', 'CLOSED', 'CLOSED'],
    )
    assert.equal(c.counter('TcpExtListenOverflows'), 3)
    assert.equal(c.counter('TcpExtListenDrops'), 3)
    for (let i = 0; i < 3; i++) assert.equal((peers[i] as Peer).acceptFrom(listener).remotePort, 50000 + i)
    assert.equal(listener.accept(), -EAGAIN)
  },
)

tcp(
  'LISTEN: a third ACK that finds the accept queue full is forgotten; the SYN-ACK goes again and a later ACK succeeds (tcp_check_req)',
  () => {
    const c = listening({ backlog: 2 })
    const listener = c.t
    assert.equal(listener.listen(2), 0)
    const late = c.host.peer(50009)
    late.sendSyn()
    late.expect({ flags: 'S.' })
    connectMany(c, 3)
    late.send({ seq: 1, ack: 1 })
    late.expectNothing()
    assert.equal(late.state, 'SYN-RECEIVED')
    assert.equal(c.counter('TcpExtListenOverflows'), 1)
    late.advance(1000)
    late.expect({ flags: 'S.', seq: 0, ack: 1 })
    assert.ok(typeof listener.accept() === 'object')
    late.send({ seq: 1, ack: 1 })
    assert.equal(late.state, 'ESTABLISHED')
  },
)

tcp('LISTEN: with tcp_abort_on_overflow a third ACK that finds the queue full is reset (ip-sysctl)', () => {
  const c = listening({ backlog: 2, sysctl: { tcp_abort_on_overflow: 1 } })
  const late = c.host.peer(50009)
  late.sendSyn()
  late.expect({ flags: 'S.' })
  connectMany(c, 3)
  late.send({ seq: 1, ack: 1 })
  late.expect({ flags: 'R', seq: 1 })
  assert.equal(late.state, 'CLOSED')
})

tcp('LISTEN: half-open connections are bounded by the backlog (inet_csk_reqsk_queue_is_full)', () => {
  const c = listening({ backlog: 3, sysctl: { tcp_syncookies: 0 } })
  for (let i = 0; i < 10; i++) c.host.peer(50000 + i).sendSyn()
  assert.equal(c.host.tcp.table.size, 3)
  assert.equal(c.counter('TcpExtTCPReqQFullDrop'), 7)
})

tcp(
  'LISTEN: closing it resets what waits in the accept queue and forgets half-open ones (inet_csk_listen_stop)',
  () => {
    const c = listening()
    const listener = c.t
    const [done] = connectMany(c, 1)
    c.sendSyn()
    c.drain()
    listener.close()
    ;(done as Peer).expect({ flags: 'R.', seq: 1, ack: 1 })
    assert.equal(c.host.tcp.table.size, 0)
    c.send({ seq: 1, ack: 1 })
    c.expect({ flags: 'R', seq: 1 })
  },
)

tcp('LISTEN: SHUT_RD ends listening; listen again works (tcp_disconnect)', () => {
  const c = listening()
  assert.equal(c.shutdown(0), 0)
  c.sendSyn()
  c.expect({ flags: 'R.' })
  assert.equal(c.t.accept(), -EINVAL)
  assert.equal(c.t.listen(5), 0)
  c.restart(1000)
  c.sendSyn()
  c.expect({ flags: 'S.' })
})

tcp('LISTEN: TCP_DEFER_ACCEPT ignores the bare ACK until data comes (tcp(7))', () => {
  const c = listening()
  const listener = c.t
  c.set(9, 3)
  c.sendSyn()
  c.expect({ flags: 'S.' })
  c.send({ seq: 1, ack: 1 })
  assert.equal(c.state, 'SYN-RECEIVED')
  assert.equal(c.counter('TcpExtTCPDeferAcceptDrop'), 1)
  c.send({ seq: 1, ack: 1, data: 20 })
  assert.equal(c.state, 'ESTABLISHED')
  c.acceptFrom(listener)
  assert.equal(c.read(), 20)
})
