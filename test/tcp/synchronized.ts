/** What every synchronized state with a control block does alike: RFC 9293 §3.10.7.4 first to fifth, RFC 5961. */
import assert from 'node:assert/strict'
import type { Peer } from './dsl.ts'
import { tcp } from './dsl.ts'

/** The host's answer to something suspicious: its present numbers. */
function expectPresent(c: Peer, seq: number, ack: number): void {
  c.expect({ flags: '.', seq, ack, data: 0 })
  c.expectNothing()
}

/** Registers the tests for the state that `make` leads to; `error` is what an exact RST leaves for the owner. */
export function synchronizedStateTests(state: string, make: () => Peer, error: number): void {
  /** ACK field that leaves our FIN, if one is out, unacknowledged. */
  const isFinOut = state === 'FIN-WAIT-1' || state === 'LAST-ACK' || state === 'CLOSING'
  const isPastFin = state === 'CLOSE-WAIT' || state === 'LAST-ACK' || state === 'CLOSING'

  tcp(`${state}: RST at RCV.NXT ends the connection with an error and no answer (RFC 5961 §3.2)`, () => {
    const c = make()
    c.send({ flags: 'R' })
    c.expectNothing()
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.error(), error)
  })

  tcp(`${state}: RST with ACK at RCV.NXT ends the connection whatever the ACK says (RFC 9293 §3.10.7.4 second)`, () => {
    const c = make()
    c.send({ flags: 'R.', ack: 77777 })
    c.expectNothing()
    assert.equal(c.state, 'CLOSED')
  })

  tcp(`${state}: RST in the window but not at RCV.NXT draws a challenge ACK (RFC 5961 §3.2)`, () => {
    const c = make()
    const seq = c.hostEnd
    c.send({ flags: 'R', seq: c.next + 1 })
    expectPresent(c, seq, c.next)
    assert.equal(c.state, state)
    assert.equal(c.counter('TcpExtTCPChallengeACK'), 1)
  })

  tcp(`${state}: RST beyond the window is dropped silently (RFC 5961 §3.2)`, () => {
    const c = make()
    c.send({ flags: 'R', seq: c.next + 200000 })
    c.send({ flags: 'R', seq: c.next - 2 })
    c.expectNothing()
    assert.equal(c.state, state)
  })

  tcp(
    `${state}: RST one below RCV.NXT ${isPastFin ? 'resets, the FIN being counted or not' : 'is dropped'} (tcp_reset_check)`,
    () => {
      const c = make()
      c.send({ flags: 'R', seq: c.next - 1 })
      c.expectNothing()
      assert.equal(c.state, isPastFin ? 'CLOSED' : state)
    },
  )

  for (const [where, offset] of [
    ['in', 0],
    ['beyond', 300000],
    ['below', -500],
  ] as const) {
    tcp(`${state}: SYN ${where} the window draws a challenge ACK (RFC 5961 §4.2)`, () => {
      const c = make()
      const seq = c.hostEnd
      c.send({ flags: 'S', seq: c.next + offset })
      expectPresent(c, seq, offset === 0 ? c.next - 1 : c.next)
      assert.equal(c.state, state)
      assert.equal(c.counter('TcpExtTCPSYNChallenge'), 1)
    })
  }

  tcp(`${state}: a segment without ACK is dropped silently (RFC 9293 §3.10.7.4 fifth)`, () => {
    const c = make()
    c.send({ flags: 'none', data: 10 })
    c.send({ flags: 'F', seq: c.next })
    c.expectNothing()
    assert.equal(c.state, state)
  })

  tcp(`${state}: ACK of what was never sent draws a challenge ACK and its data is not taken (RFC 5961 §5.2)`, () => {
    const c = make()
    const seq = c.hostEnd
    const next = c.next
    // A FIN that came waits in the queue too.
    const memory = c.t.rmemAlloc
    c.send({ ack: seq + 1, seq: next, data: 10 })
    expectPresent(c, seq, next)
    assert.equal(c.state, state)
    assert.equal(c.t.rmemAlloc, memory)
  })

  tcp(`${state}: ACK older than any window draws a challenge ACK (RFC 5961 §5.2)`, () => {
    const c = make()
    const seq = c.hostEnd
    c.send({ ack: -100000 })
    expectPresent(c, seq, c.next)
    assert.equal(c.state, state)
  })

  tcp(`${state}: an ACK of less than was ever acknowledged draws a challenge (RFC 5961 §5.2; tcp_ack)`, () => {
    const c = make()
    c.send({ ack: 0 })
    assert.ok(c.drain().length <= 1)
    assert.equal(c.state, state)
  })

  tcp(`${state}: data all received before is acknowledged at once (RFC 9293 §3.10.7.4 first)`, () => {
    const c = make()
    const seq = c.hostEnd
    const ack = isFinOut ? seq - 1 : seq
    c.send({ seq: c.next - 20, data: 10, ack })
    c.expect({ flags: '.', seq, ack: c.next })
    c.send({ seq: c.next - 10, data: 10, ack })
    expectPresent(c, seq, c.next)
    assert.equal(c.state, state)
  })

  tcp(`${state}: an ACK beyond the window is answered, once in 500 ms (RFC 9293 §3.10.7.4 first; LINUX-TCP 31)`, () => {
    const c = make()
    const seq = c.hostEnd
    c.send({ seq: c.next + 200000 })
    expectPresent(c, seq, c.next)
    c.send({ seq: c.next + 200000 })
    c.expectNothing()
    assert.equal(c.counter('TcpExtTCPACKSkippedSeq'), 1)
    c.advance(500)
    c.drain()
    c.send({ seq: c.next + 200000 })
    expectPresent(c, seq, c.next)
    assert.equal(c.state, state)
  })

  tcp(`${state}: challenge ACKs are limited to one per 500 ms (RFC 5961 §7; LINUX-TCP 31)`, () => {
    const c = make()
    const next = c.next
    for (let i = 0; i < 10; i++) c.send({ flags: 'R', seq: next + 1 + i })
    assert.equal(c.drain().length, 1)
    assert.equal(c.counter('TcpExtTCPACKSkippedChallenge'), 9)
    c.advance(500)
    c.drain()
    c.send({ flags: 'R', seq: next + 1 })
    assert.equal(c.drain().length, 1)
    assert.equal(c.state, state)
  })
}
