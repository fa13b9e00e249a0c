/** When data is acknowledged: RFC 5681 §4.2, RFC 9293 §3.8.6.3, LINUX-TCP 29. */
import assert from 'node:assert/strict'
import { established, type Peer, tcp } from './dsl.ts'

const MSS = 1460
const TCP_QUICKACK = 12

/** Past the quick acknowledgements of the start: in the delayed mode. */
function delaying(): Peer {
  const c = established()
  for (let i = 0; i < 40; i++) {
    c.send({ data: 10 })
    c.advance(30)
    c.read()
    c.write(10)
    c.advance(10)
    c.send()
    c.advance(300)
  }
  c.drain()
  return c
}

tcp('Delayed ACK: the first segments of a connection are acknowledged at once (quick ACKs; LINUX-TCP 29)', () => {
  const c = established()
  for (let i = 1; i <= 5; i++) {
    c.send({ data: 100 })
    c.expect({ flags: '.', ack: 1 + i * 100 })
  }
})

tcp('Delayed ACK: the quick ACKs end after 16 (TCP_MAX_QUICKACKS)', () => {
  const c = established()
  let at = 0
  for (let i = 0; i < 40; i++) {
    c.send({ data: 100 })
    if (c.drain().length > 0) at = i + 1
    else break
  }
  assert.equal(at, 16)
})

tcp('Delayed ACK: a lone segment in an interactive exchange is acknowledged after 40 ms (LINUX-TCP 29)', () => {
  const c = delaying()
  c.send({ data: 10 })
  c.expectAfter(40, { flags: '.', ack: c.next })
  assert.ok(c.counter('TcpExtDelayedACKs') > 0)
})

tcp('Delayed ACK: the answer of the program carries it (RFC 9293 §3.8.6.3)', () => {
  const c = delaying()
  c.send({ data: 10 })
  c.advance(5)
  c.write(10)
  c.expect({ data: 10, ack: c.next })
  c.send()
  c.advance(100)
  c.expectNothing()
})

tcp('Delayed ACK: more than one full segment is acknowledged at once (RFC 5681 §4.2)', () => {
  const c = delaying()
  for (let i = 0; i < 4; i++) {
    c.send({ data: MSS })
    c.send({ data: MSS })
    assert.equal(c.drain().at(-1)?.ack, c.next)
    c.read()
  }
})

tcp('Delayed ACK: out-of-order data and the filling of a gap are acknowledged at once (RFC 5681 §4.2)', () => {
  const c = delaying()
  const next = c.next
  c.send({ seq: next + 100, data: 100 })
  c.expect({ ack: next })
  c.send({ seq: next, data: 100 })
  c.expect({ ack: next + 200 })
})

tcp('Delayed ACK: never later than 200 ms (LINUX-TCP 29; RFC 1122 §4.2.3.2: 500 ms)', () => {
  const c = delaying()
  for (let i = 0; i < 10; i++) {
    c.send({ data: 10 })
    const sent = c.host.nowMs
    let late = 0
    for (let k = 0; k < 220 && c.t.rcv.wup !== c.t.rcv.nxt; k++) {
      c.advance(1)
      late = c.host.nowMs - sent
    }
    assert.ok(late <= 200, `${late} ms`)
    c.advance(700)
    c.drain()
  }
})

tcp(
  'TCP_QUICKACK: 0 delays from the start; 1 sends what is due at once if all was read (tcp(7), tcp_cleanup_rbuf)',
  () => {
    const c = established()
    c.set(TCP_QUICKACK, 0)
    c.send({ data: 100 })
    c.set(TCP_QUICKACK, 1)
    c.expectNothing()
    c.set(TCP_QUICKACK, 0)
    c.read(100)
    c.expectNothing()
    c.set(TCP_QUICKACK, 1)
    c.expect({ ack: 101 })
  },
)

tcp('Delayed ACK: a read that drains two segments sends the due ACK (tcp_cleanup_rbuf)', () => {
  const c = established()
  c.set(TCP_QUICKACK, 0)
  c.send({ data: 600 })
  c.expectNothing()
  c.send({ data: 600 })
  c.read()
  assert.equal(c.drain().at(-1)?.ack, 1201)
})

tcp('Delayed ACK: after a FIN on an idle connection at the next tick, after data 40 ms (LINUX-TCP 29)', () => {
  const c = established()
  c.send({ flags: 'F.' })
  c.advance(40)
  c.expect({ flags: '.', ack: 2 })
  const d = established()
  d.send({ data: 100 })
  d.expect({ ack: 101 })
  d.send({ flags: 'F.' })
  d.expectAfter(40, { flags: '.', ack: 102 })
})
