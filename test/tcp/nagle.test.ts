/** Nagle's algorithm with Minshall's refinement, TCP_NODELAY, TCP_CORK, MSG_MORE (RFC 9293 §3.7.4; LINUX-TCP 14). */
import assert from 'node:assert/strict'
import { established, tcp } from './dsl.ts'

const TCP_NODELAY = 1
const TCP_CORK = 3
const MSG_MORE = 0x8000
const MSS = 1460

tcp('Nagle: a first small segment leaves at once, a second waits for its ACK (RFC 9293 §3.7.4)', () => {
  const c = established()
  c.write(10)
  c.expect({ seq: 1, data: 10, push: true })
  c.write(10)
  c.write(10)
  c.expectNothing()
  c.send({ ack: 11 })
  c.expect({ seq: 11, data: 20 })
  c.send()
})

tcp('Nagle: full segments do not wait, their tail does (RFC 9293 §3.7.4)', () => {
  const c = established()
  c.write(10)
  c.write(MSS * 2)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [10, MSS, MSS],
  )
  c.send()
  c.write(10)
  c.write(MSS + 10)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [10, MSS],
  )
  c.send()
  c.expect({ data: 10 })
  c.send()
})

tcp('Minshall: a small tail behind full segments leaves if no small one is out (tcp_minshall_check)', () => {
  const c = established()
  c.write(MSS + 10)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [MSS, 10],
  )
  c.write(MSS + 10)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [MSS],
  )
  c.send()
  c.expect({ data: 10 })
  c.send()
})

tcp('Nagle: a waiting tail fills up with later writes to a full segment (RFC 9293 §3.7.4)', () => {
  const c = established()
  c.write(10)
  c.drain()
  for (let i = 0; i < 15; i++) c.write(100)
  c.expect({ seq: 11, data: MSS })
  c.expectNothing()
  c.send()
  c.expect({ data: 1500 - MSS })
  c.send()
})

tcp('TCP_NODELAY: every write leaves at once (tcp(7))', () => {
  const c = established({ prepare: (t) => t.setOption(6, TCP_NODELAY, 1) })
  for (let i = 0; i < 5; i++) c.write(10)
  assert.deepEqual(
    c.drain().map((s) => [s.data, s.push]),
    [
      [10, true],
      [10, true],
      [10, true],
      [10, true],
      [10, true],
    ],
  )
  c.send()
})

tcp('TCP_NODELAY: setting it sends what waits (LINUX-TCP 14)', () => {
  const c = established()
  c.write(10)
  c.drain()
  c.write(20)
  c.expectNothing()
  c.set(TCP_NODELAY, 1)
  c.expect({ seq: 11, data: 20 })
  c.send()
})

tcp('TCP_CORK: less than a segment waits; full ones leave; clearing sends the rest with PSH (LINUX-TCP 14)', () => {
  const c = established()
  c.set(TCP_CORK, 1)
  c.write(100)
  c.expectNothing()
  c.write(MSS)
  c.expect({ seq: 1, data: MSS })
  c.expectNothing()
  c.set(TCP_CORK, 0)
  c.expect({ seq: 1 + MSS, data: 100, push: true })
  c.send()
})

tcp('TCP_CORK: what is held leaves after a timer (tcp(7): 200 ms; LINUX-TCP 14: the RTO)', () => {
  const c = established()
  c.set(TCP_CORK, 1)
  c.write(100)
  c.expectNothing()
  c.advance(310)
  c.expect({ seq: 1, data: 100, push: true })
  c.send()
})

tcp('MSG_MORE: holds until an ordinary send (send(2))', () => {
  const c = established()
  c.write(100, MSG_MORE)
  c.expectNothing()
  c.write(50)
  c.expect({ seq: 1, data: 150, push: true })
  c.send()
})

tcp('MSG_MORE: data that an ACK or TCP_NODELAY flushes leaves without PSH (LINUX-TCP 14)', () => {
  const c = established()
  c.write(100, MSG_MORE)
  c.set(TCP_NODELAY, 1)
  c.expect({ seq: 1, data: 100, push: false })
  c.send()
})

tcp('Nagle: a FIN does not wait and takes the tail along (RFC 9293 §3.7.4)', () => {
  const c = established()
  c.write(10)
  c.drain()
  c.write(20)
  c.expectNothing()
  c.shutdown(1)
  c.expect({ flags: 'F.', seq: 11, data: 20 })
})

tcp("PSH: the last byte of a send call is pushed; a burst's last segment too (LINUX-TCP 9)", () => {
  const c = established({ sndbuf: 1 << 20 })
  c.write(MSS * 4)
  assert.deepEqual(
    c.drain().map((s) => s.push),
    [false, true, false, true],
  )
  c.send()
})
