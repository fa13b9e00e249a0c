/** Timestamps and PAWS: RFC 7323, LINUX-TCP 34. */
import assert from 'node:assert/strict'
import { established, type Peer, tcp } from './dsl.ts'

const stamped = (setup: Parameters<typeof established>[0] = {}): Peer => established({ ts: true, ...setup })

tcp("Timestamps: TSval is a millisecond clock and TSecr the peer's latest (RFC 7323 §3.2; LINUX-TCP 34)", () => {
  const c = stamped()
  c.write(10)
  const first = c.expect({ layout: 'nop,nop,TS', data: 10 })
  c.advance(123)
  const ts = c.tsNow
  c.send({ ack: 11, data: 5 })
  const second = c.expect({ layout: 'nop,nop,TS' })
  assert.equal((second.ts?.[0] ?? 0) - (first.ts?.[0] ?? 0), 123)
  assert.equal(second.ts?.[1], ts | 0)
})

tcp('Timestamps: they cost twelve bytes of each segment (RFC 7323 appendix A)', () => {
  const c = stamped()
  c.write(1460)
  c.expect({ data: 1448 })
  c.send({ ack: 1461 })
})

tcp('Timestamps: FIN and RST carry them too (RFC 7323 §3.2)', () => {
  const c = stamped()
  c.shutdown(1)
  c.expect({ flags: 'F.', layout: 'nop,nop,TS' })
  const d = stamped()
  d.send({ data: 10 })
  d.drain()
  d.close()
  d.expect({ flags: 'R.', layout: 'nop,nop,TS' })
})

tcp(
  'Timestamps: TSecr is of the segment that RCV.NXT waits for: a delayed ACK echoes the first (RFC 7323 §4.3)',
  () => {
    const c = stamped()
    c.t.quickAck = 0
    c.t.pingpong = 1
    c.t.ato = 40000
    const first = c.tsNow
    c.send({ data: 100 })
    c.advance(10)
    c.send({ data: 100 })
    c.advance(40)
    assert.equal(c.drain().at(-1)?.ts?.[1], first | 0)
  },
)

tcp(
  'Timestamps: of an out-of-order segment it is not taken; of the gap filler it is, although older (RFC 7323 §4.3; LINUX-TCP 34)',
  () => {
    const c = stamped()
    c.send({ data: 100 })
    const before = c.drain().at(-1)?.ts?.[1]
    c.advance(10)
    const filler = c.tsNow
    c.advance(10)
    c.send({ seq: 201, data: 100, ack: 1 })
    assert.equal(c.drain().at(-1)?.ts?.[1], before)
    c.advance(10)
    c.send({ seq: 101, data: 100, ack: 1, ts: [filler, c.tsSeen] })
    assert.equal(c.drain().at(-1)?.ts?.[1], filler | 0)
  },
)

tcp('PAWS: data with an older timestamp is not taken and answered with an ACK (RFC 7323 §5.3 R1)', () => {
  const c = stamped()
  c.send({ data: 100 })
  c.drain()
  // One less may be (TCP_PAWS_WINDOW).
  c.send({ seq: 101, data: 100, ts: [c.tsNow - 2, c.tsSeen] })
  c.expect({ flags: '.', ack: 101 })
  assert.equal(c.counter('TcpExtPAWSEstab'), 1)
  assert.equal(c.read(), 100)
})

tcp('PAWS: timestamps wrap around; later is later across 2^31 (RFC 7323 §5.2)', () => {
  const c = stamped()
  for (let i = 0; i < 5; i++) {
    c.advance(100000)
    c.send({ data: 10 })
  }
  assert.equal(c.read(), 50)
  assert.equal(c.counter('TcpExtPAWSEstab'), 0)
})

tcp('PAWS: a RST passes whatever its timestamp says (RFC 7323 §5.2)', () => {
  const c = stamped()
  c.send({ flags: 'R', ts: [c.tsNow - 100000, 0] })
  assert.equal(c.state, 'CLOSED')
})

tcp('PAWS: a pure ACK a little older is no reason to answer (tcp_disordered_ack)', () => {
  const c = stamped()
  c.send({ data: 10 })
  c.drain()
  c.send({ seq: 11 })
  c.send({ seq: 11, ts: [c.tsNow - 5, c.tsSeen] })
  c.expectNothing()
})

tcp(
  'PAWS: a pure ACK of old sequence numbers that is older draws nothing, one that tells a window does (Linux)',
  () => {
    const c = stamped()
    c.send({ data: 10 })
    c.drain()
    c.send({ seq: 5, ts: [c.tsNow - 1000, 0] })
    c.expectNothing()
    assert.equal(c.counter('TcpExtPAWSOldAck'), 1)
    c.send({ seq: 11, ts: [c.tsNow - 5, c.tsSeen] })
    c.expect({ flags: '.', ack: 11 })
  },
)

tcp('PAWS: after 24 days of silence an older timestamp is accepted (RFC 7323 §5.5)', () => {
  const c = stamped()
  c.send({ data: 10 })
  c.drain()
  c.advance(24 * 86400000 + 1)
  c.send({ data: 10, ts: [5, c.tsSeen] })
  assert.equal(c.read(), 20)
})

tcp('PAWS: a SYN with an old timestamp draws a challenge ACK (RFC 5961 §4.2)', () => {
  const c = stamped()
  c.send({ flags: 'S', ts: [c.tsNow - 1000, 0] })
  c.expect({ flags: '.', ack: 1 })
  assert.equal(c.counter('TcpExtTCPSYNChallenge'), 1)
})

tcp('PAWS: answers to old segments without data are limited to one per 500 ms (LINUX-TCP 31)', () => {
  const c = stamped()
  c.send({ data: 10 })
  c.drain()
  c.send({ seq: 11, ts: [c.tsNow - 1000, 0] })
  c.send({ seq: 11, ts: [c.tsNow - 1000, 0] })
  assert.equal(c.drain().length, 1)
  assert.equal(c.counter('TcpExtTCPACKSkippedPAWS'), 1)
})

tcp('Timestamps: a segment that fails the ACK check does not update TS.Recent (LINUX-TCP 31, 34)', () => {
  const c = stamped()
  c.send({ data: 10 })
  const before = c.drain().at(-1)?.ts?.[1]
  c.advance(50)
  c.send({ ack: 99999, data: 10 })
  c.drain()
  c.send({ seq: 500, data: 10, ack: 1, ts: [c.tsNow, c.tsSeen] })
  assert.equal(c.drain().at(-1)?.ts?.[1], before)
})

tcp('Timestamps: a segment without the option is taken all the same (RFC 7323 §3.2, Linux)', () => {
  const c = stamped()
  c.send({ data: 10, ts: null })
  assert.equal(c.read(), 10)
})

tcp("Timestamps: sent without the peer's offer never (RFC 7323 §3.2)", () => {
  const c = established()
  c.write(10)
  c.expect({ layout: '' })
  c.send({ ack: 11, ts: [77, 88] })
  assert.equal(c.t.packetsOut, 0)
})

for (const [what, startMs] of [
  ['2^31', 0x7fffffff - 100],
  ['2^32', 0xffffffff - 100],
] as const) {
  tcp(`Clock: the millisecond clock passes ${what} during a transfer and nothing stalls (RFC 7323 §5.2)`, () => {
    const c = stamped({ startMs, sndbuf: 1 << 20 })
    c.write(1448 * 40)
    for (let i = 0; i < 10; i++) {
      c.advance(100)
      c.send({ data: 100 })
      c.read()
    }
    assert.equal(c.t.txHead, null)
    assert.ok(c.t.rto >= 300000 && c.t.rto < 500000, String(c.t.rto))
    c.shutdown(1)
    c.drain()
    c.expectAfter(Math.ceil(c.t.rto / 1000), { flags: 'F.' })
    c.send()
  })
}
