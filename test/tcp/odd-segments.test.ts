/** Odd segments and calls in and around the handshake, as random sequences at the kernel showed them (test/segments). */
import assert from 'node:assert/strict'
import { TCP_DEFER_ACCEPT, TCP_MAXSEG } from '../../src/sock/constants.ts'
import { closeWait, established, finWait2, listening, type Peer, synReceived, synSent, tcp, timeWait } from './dsl.ts'

const MSG_OOB = 1

tcp('SYN-RECEIVED: an exact RST ends the request whatever it acknowledges (Linux 6.18)', () => {
  const c = synReceived()
  c.send({ flags: 'R.', seq: 1, ack: 500 })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
})

tcp('SYN-RECEIVED: challenges of inexact RSTs are limited to one per 500 ms, with data too (Linux 6.18)', () => {
  const c = synReceived()
  for (let i = 0; i < 3; i++) c.send({ flags: 'R.', seq: 6, ack: 500, data: 10 })
  assert.equal(c.drain().length, 1)
  assert.equal(c.counter('TcpExtTCPACKSkippedSynRecv'), 2)
})

tcp(
  'SYN-RECEIVED: a SYN-ACK from where the connection began makes a child that stays there (tcp_child_process)',
  () => {
    const c = synReceived()
    c.send({ flags: 'S.', seq: 0, ack: 1, data: 100 })
    c.expect({ flags: '.', seq: 1, ack: 1 })
    assert.equal(c.state, 'SYN-RECEIVED')
    c.send({ seq: 1, ack: 1 })
    assert.equal(c.state, 'ESTABLISHED')
  },
)

tcp('SYN-RECEIVED: after a SYN-ACK sent again there is no round trip to measure (num_retrans)', () => {
  const c = synReceived()
  c.sendSyn()
  c.drain()
  c.advance(50)
  c.send({ seq: 1, ack: 1 })
  assert.equal(c.acceptFrom(c.t).srtt, 0)
})

tcp('TCP_MAXSEG bounds an MSS that the peer told, not the default for none (tcp_parse_options)', () => {
  for (const [mss, expected] of [
    [0, 536],
    [1460, 500],
  ] as const) {
    const c = listening()
    c.set(TCP_MAXSEG, 500)
    c.sendSyn({ mss })
    c.expect({ flags: 'S.', mss: 500 })
    c.send({ seq: 1, ack: 1 })
    assert.equal(c.acceptFrom(c.t).snd.mss, expected)
  }
})

tcp('SYN-SENT: shutdown throws the SYN away and starts over (inet_shutdown, tcp_disconnect)', () => {
  const c = synSent()
  c.advance(1000)
  c.drain()
  assert.equal(c.shutdown(1), 0)
  c.expectNothing()
  assert.deepEqual([c.state, c.t.packetsOut, c.t.snd.cwnd, c.t.caState], ['CLOSED', 0, 10, 0])
})

tcp('Simultaneous open: shutdown waits for the end of the handshake, then the FIN goes (Linux 6.9)', () => {
  const c = synSent()
  c.sendSyn()
  c.expect({ flags: 'S.' })
  assert.equal(c.shutdown(1), 0)
  c.expectNothing()
  c.send({ seq: 1, ack: 1 })
  c.expect({ flags: 'F.', seq: 1, ack: 1 })
})

tcp('Simultaneous open: our window is scaled even if the peer told no scale (tcp_select_window)', () => {
  const c = synSent()
  c.sendSyn()
  const { wscale } = c.expect({ flags: 'S.', window: 64240 })
  c.send({ seq: 1, ack: 1, data: 10 })
  assert.ok(c.expect({ flags: '.', ack: 11 }).window <= (65535 >> wscale) + 1)
})

tcp('SYN-SENT with TCP_DEFER_ACCEPT: the ACK of the SYN-ACK waits 200 ms for data (TCP_DELACK_MAX)', () => {
  const c = synSent()
  c.set(TCP_DEFER_ACCEPT, 1)
  c.sendSyn({ flags: 'S.', ack: 1 })
  c.expectAfter(200, { flags: '.', seq: 1, ack: 1 })
})

tcp('A FIN waits for room in the window, as data does (tcp_snd_wnd_test)', () => {
  const c = established({ window: 1000 })
  c.write(1000)
  c.drain()
  c.shutdown(1)
  c.expectNothing()
  c.send({ ack: 1001 })
  c.expect({ flags: 'F.', seq: 1001 })
})

tcp('CLOSE-WAIT: a RST with data at the FIN is exact (RFC 5961 §3.2; tcp_reset_check)', () => {
  const c = closeWait()
  c.send({ flags: 'R.', seq: 1, data: 500 })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
})

tcp('CLOSE-WAIT: with an urgent byte announced that never came, MSG_OOB reads the end (tcp_recv_urg)', () => {
  const c = established()
  c.send({ flags: 'U.', urgent: 100 })
  c.send({ flags: 'F.' })
  assert.equal(c.read(1, MSG_OOB), 0)
})

tcp('FIN-WAIT-2 without an owner: a RST outside the window is answered (tcp_timewait_state_process)', () => {
  const c = finWait2({}, true)
  c.send({ flags: 'R', seq: 100000 })
  c.expect({ flags: '.', seq: 2, ack: 1 })
})

tcp('TIME-WAIT answers a segment whose options are broken; a connection drops it (tcp_inbound_hash)', () => {
  for (const c of [timeWait(), established()]) {
    c.send({ seq: 30000, data: 1, raw: [178, 179, ...new Array<number>(18).fill(1)] })
    if (c.state === 'TIME-WAIT') c.expect({ flags: '.' })
    else c.expectNothing()
  }
})

tcp('A segment with broken options, or signed by a key nobody has, draws no reset (tcp_v4_send_reset)', () => {
  const broken = [178, 179, ...new Array<number>(18).fill(1)]
  const md5 = [1, 1, 19, 18, ...new Array<number>(16).fill(7)]
  const ao = [29, 16, ...new Array<number>(14).fill(9), 1, 1, 1, 1]
  for (const raw of [broken, md5, ao])
    for (const c of [finWait2({}, true), listening(), synSent()]) {
      c.drain()
      c.send({ flags: '.', seq: 1, ack: 100, data: 10, raw })
      c.expectNothing()
    }
  const c = finWait2({}, true)
  c.send({ flags: 'F.', seq: 101, raw: broken })
  assert.equal(c.state, 'CLOSED')
})

tcp('A reset from our side has URG while urgent data is out (tcp_transmit_skb)', () => {
  const c = established()
  c.send({ data: 10 })
  c.write(30000, MSG_OOB)
  c.drain()
  c.close()
  c.expect({ flags: 'R.U', seq: 14601, urgent: 30001 - 14601 })
})

/** In delayed mode, with ECN. */
function marked(): Peer {
  const c = listening({ sysctl: { tcp_ecn: 1 } })
  const listener = c.t
  c.sendSyn({ flags: 'SEW' })
  c.expect({ flags: 'S.E' })
  c.send({ seq: 1, ack: 1 })
  c.acceptFrom(listener)
  c.send({ data: 100 })
  c.write(100)
  c.send({})
  c.drain()
  return c
}

tcp('ECN: a mark is told if it was on new data (tcp_data_ecn_check)', () => {
  const c = marked()
  c.send({ seq: 1, data: 100, tos: 3 })
  c.expect({ flags: '.' })
  c.send({ flags: 'U.', urgent: 9, tos: 3 })
  c.send({ data: 10, tos: 3 })
  c.expect({ flags: '.E' })
})

tcp(
  'ECN: unmarkable data among other is a retransmission, as a rule, and acknowledged at once (tcp_data_ecn_check)',
  () => {
    const c = marked()
    c.send({ data: 10, tos: 2 })
    c.expectNothing()
    c.send({ data: 10 })
    c.expect({ flags: '.', ack: 121 })
  },
)

tcp('ECN: data with CWR is acknowledged at once, what follows is not (tcp_ecn_accept_cwr)', () => {
  const c = marked()
  c.send({ flags: 'W.', data: 10 })
  c.expect({ flags: '.', ack: 111 })
  c.send({ data: 10 })
  c.expectNothing()
})
