/** Explicit congestion notification: RFC 3168, LINUX-TCP 38. */
import assert from 'node:assert/strict'
import { established, listening, type Peer, synSent, tcp } from './dsl.ts'

/** ESTABLISHED with ECN, passively. */
function marked(): Peer {
  const c = listening()
  const listener = c.t
  c.sendSyn({ flags: 'SEW' })
  c.expect({ flags: 'S.E', seq: 0, tos: 0 })
  c.advance(100)
  c.send({ seq: 1, ack: 1 })
  c.acceptFrom(listener)
  return c
}

tcp('ECN: a SYN with ECE and CWR is answered with ECE (RFC 3168 §6.1.1; tcp_ecn=2)', () => {
  marked()
})

tcp('ECN: with tcp_ecn=0 the SYN-ACK says nothing (ip-sysctl)', () => {
  const c = listening({ sysctl: { tcp_ecn: 0 } })
  c.sendSyn({ flags: 'SEW' })
  c.expect({ flags: 'S.' })
})

tcp('ECN: a SYN that is itself marked does not count (RFC 3168 §6.1.1)', () => {
  const c = listening()
  c.sendSyn({ flags: 'SEW', tos: 2 })
  c.expect({ flags: 'S.' })
})

tcp('ECN: with tcp_ecn=1 our SYN asks, and a SYN-ACK with ECE switches it on (LINUX-TCP 38)', () => {
  const c = established({ active: false })
  c.write(1)
  c.expect({ tos: 0 })
  c.send()
  const plain = synSent()
  plain.sendSyn({ flags: 'S.E', ack: 1 })
  plain.expect({ flags: '.' })
  plain.write(1)
  plain.expect({ tos: 0 })
  plain.send()
})

tcp('ECN: data is ECT(0), a pure ACK and a retransmission are not (RFC 3168 §6.1.4, §6.1.5)', () => {
  const c = marked()
  c.write(100)
  c.expect({ data: 100, tos: 2 })
  c.send({ data: 10, ack: 1 })
  c.expect({ data: 0, tos: 0 })
  c.advance(300)
  c.expect({ seq: 1, data: 100, tos: 0 })
  c.send()
})

tcp('ECN: after a CE mark every ACK says ECE until the peer says CWR (RFC 3168 §6.1.3)', () => {
  const c = marked()
  c.send({ data: 10, tos: 3 })
  c.expect({ flags: '.E' })
  c.send({ data: 10, tos: 2 })
  c.expect({ flags: '.E' })
  c.send({ data: 10, tos: 2, flags: '.W' })
  c.advance(200)
  assert.equal(c.drain().at(-1)?.flags, '.')
})

tcp('ECN: an echo halves the window once a round trip and the next data says CWR (RFC 3168 §6.1.2)', () => {
  const c = marked()
  c.write(1460 * 10)
  assert.equal(c.drain().length, 10)
  c.advance(100)
  c.send({ flags: '.E', ack: 1461 })
  assert.equal(c.t.snd.ssthresh, 7)
  c.send({ flags: '.E', ack: 2921 })
  assert.equal(c.t.snd.ssthresh, 7)
  c.write(1460 * 10)
  c.send({ ack: 1 + 1460 * 10 })
  assert.equal(c.drain().find((s) => s.data > 0)?.flags, '.W')
  for (let i = 0; i < 20 && c.t.txHead !== null; i++) c.send()
})
