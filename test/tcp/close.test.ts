/** Ending: close with unread data, SO_LINGER, shutdown, orphans (RFC 9293 §3.6, RFC 2525 §2.17, LINUX-TCP 35..37). */
import assert from 'node:assert/strict'
import { AF_INET, AF_UNSPEC, SockAddr } from '../../src/sock/address.ts'
import { TCP_MAXSEG, TCP_WINDOW_CLAMP } from '../../src/sock/constants.ts'
import { SF_LINGER } from '../../src/sock/sock.ts'
import { POLLHUP, POLLIN, POLLRDHUP } from '../../src/sock/wait-queue.ts'
import { ECONNRESET, EINVAL, ENOTCONN, EPIPE } from '../../src/sys/errno.ts'
import { closeWait, closing, established, finWait2, lastAck, REMOTE, synSent, tcp } from './dsl.ts'

tcp('Close: with unread data a reset goes at SND.NXT, with timestamps if in use (RFC 2525 §2.17; LINUX-TCP 35)', () => {
  const c = established({ ts: true })
  c.write(100)
  c.expect({ data: 100 })
  c.send({ data: 10 })
  c.drain()
  c.close()
  c.expect({ flags: 'R.', seq: 101, ack: 11, layout: 'nop,nop,TS' })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.counter('TcpExtTCPAbortOnClose'), 1)
})

tcp('Close: a peeked byte counts as unread (recv(2))', () => {
  const c = established()
  c.send({ data: 10 })
  c.drain()
  assert.equal(c.read(10, 2), 10)
  c.close()
  c.expect({ flags: 'R.' })
})

tcp('Close: partly read data counts as unread (LINUX-TCP 35)', () => {
  const c = established()
  c.send({ data: 10 })
  c.drain()
  assert.equal(c.read(9), 9)
  c.close()
  c.expect({ flags: 'R.', ack: 11 })
})

tcp('Close: out-of-order data alone is no unread data: a FIN goes (tcp_close)', () => {
  const c = established()
  c.send({ seq: 101, data: 10 })
  c.drain()
  c.close()
  c.expect({ flags: 'F.', seq: 1, ack: 1 })
})

tcp('Close: queued data still goes out, then the FIN (RFC 9293 §3.10.4)', () => {
  const c = established({ sndbuf: 1 << 20 })
  c.write(1460 * 15)
  c.close()
  const sent = c.drain()
  assert.equal(sent.length, 10)
  c.advance(100)
  c.send()
  const rest = c.drain()
  assert.equal(rest.at(-1)?.flags, 'F.')
  assert.equal((rest.at(-1)?.seq ?? 0) + (rest.at(-1)?.data ?? 0), 1 + 1460 * 15)
  c.send()
  assert.equal(c.state, 'FIN-WAIT-2')
})

tcp('SO_LINGER 0: close resets at once and throws queued data away (socket(7); RFC 9293 §3.10.5)', () => {
  const c = established({ sndbuf: 1 << 20 })
  c.write(1460 * 15)
  c.drain()
  c.t.setFlag(SF_LINGER, true)
  c.t.lingerSeconds = 0
  c.close()
  c.expect({ flags: 'R.' })
  c.expectNothing()
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.host.tcp.segments.outstanding, 0)
})

for (const [name, make, resets] of [
  ['FIN-WAIT-2', (): ReturnType<typeof established> => finWait2(), true],
  ['CLOSE-WAIT', (): ReturnType<typeof established> => closeWait(), true],
  ['CLOSING', (): ReturnType<typeof established> => closing(), false],
  ['SYN-SENT', (): ReturnType<typeof established> => synSent(), false],
] as const) {
  tcp(`SO_LINGER 0: close in ${name} ${resets ? 'resets' : 'says nothing'} (tcp_disconnect, tcp_need_reset)`, () => {
    const c = make()
    c.t.setFlag(SF_LINGER, true)
    c.close()
    if (resets) c.expect({ flags: 'R.' })
    c.expectNothing()
    assert.equal(c.state, 'CLOSED')
  })
}

tcp('SHUT_WR: FIN after queued data; later writes are EPIPE; reading goes on (shutdown(2); LINUX-TCP 36)', () => {
  const c = established()
  c.write(100)
  c.expect({ data: 100 })
  assert.equal(c.shutdown(1), 0)
  c.expect({ flags: 'F.', seq: 101 })
  assert.equal(c.write(1), -EPIPE)
  c.send({ data: 50 })
  assert.equal(c.read(), 50)
  assert.equal(c.shutdown(1), 0)
})

tcp('SHUT_RD: reads give 0, but what comes later is acknowledged and can be read (LINUX-TCP 36)', () => {
  const c = established()
  c.woken()
  assert.equal(c.shutdown(0), 0)
  assert.equal(c.woken() & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP)
  assert.equal(c.read(), 0)
  c.send({ data: 50 })
  c.expect({ flags: '.', ack: 51 })
  assert.equal(c.read(), 50)
  assert.equal(c.read(), 0)
  assert.equal(c.write(10), 10)
})

tcp('SHUT_RDWR: a FIN, reads 0, writes EPIPE, POLLHUP (shutdown(2); LINUX-TCP 36)', () => {
  const c = established()
  assert.equal(c.shutdown(2), 0)
  c.expect({ flags: 'F.', seq: 1 })
  assert.equal(c.read(), 0)
  assert.equal(c.write(1), -EPIPE)
  assert.equal(c.t.poll() & (POLLHUP | POLLIN | POLLRDHUP), POLLHUP | POLLIN | POLLRDHUP)
})

tcp('shutdown: an unknown direction is EINVAL, without a connection ENOTCONN (shutdown(2))', () => {
  const c = established()
  assert.equal(c.shutdown(7), -EINVAL)
  assert.equal(c.shutdown(-1), -EINVAL)
  c.send({ flags: 'R' })
  assert.equal(c.shutdown(1), -ENOTCONN)
})

tcp('After the end any segment with ACK is answered R seq=its ack, window 0, no options (LINUX-TCP 37)', () => {
  const c = lastAck({ ts: true })
  c.send({ ack: 2 })
  assert.equal(c.state, 'CLOSED')
  c.send({ flags: '.', ack: 2 })
  c.expect({ flags: 'R', seq: 2, ack: 0, window: 0, layout: '' })
})

tcp('connect to AF_UNSPEC: dissolves the connection with a reset; the socket can be used again (connect(2))', () => {
  const c = established()
  assert.equal(c.t.connect(new SockAddr(AF_UNSPEC)), 0)
  c.expect({ flags: 'R.', seq: 1, ack: 1 })
  assert.equal(c.state, 'CLOSED')
  // tcp_disconnect leaves ECONNRESET for the next call.
  assert.equal(c.read(), -ECONNRESET)
  assert.equal(c.read(), -ENOTCONN)
  c.t.connect(new SockAddr(AF_INET, REMOTE, 41000))
  c.host.clock.settle()
  const d = c.host.peer(41000, c.t.localPort)
  d.expect({ flags: 'S' })
})

tcp(
  'connect to AF_UNSPEC: the next connection has none of the options, and begins where the last could have sent to (tcp_disconnect)',
  () => {
    const c = established({ window: 1000 })
    c.set(TCP_MAXSEG, 700)
    c.set(TCP_WINDOW_CLAMP, 5000)
    c.write(100)
    c.drain()
    c.t.connect(new SockAddr(AF_UNSPEC))
    c.drain()
    const next = c.t.snd.writeSeq
    assert.equal(next, (c.t.snd.una + 100 + 1000 + 2) | 0)
    c.t.connect(new SockAddr(AF_INET, REMOTE, 41000))
    c.host.clock.settle()
    c.host.peer(41000, c.t.localPort).expect({ flags: 'S', mss: 1460, window: 64240 })
    assert.equal(c.t.snd.iss, next)
    assert.equal(c.counter('TcpAttemptFails'), 0)
  },
)

tcp(
  'connect to AF_UNSPEC: in LAST-ACK with a FIN that could not leave yet there is a reset, too (tcp_disconnect)',
  () => {
    const c = closeWait({ window: 100 })
    c.write(1000)
    c.shutdown(1)
    assert.equal(c.state, 'LAST-ACK')
    c.drain()
    c.t.connect(new SockAddr(AF_UNSPEC))
    c.expect({ flags: 'R.', seq: 101 })
    assert.equal(c.error(), ECONNRESET)
  },
)

tcp('Half-close: the other side goes on sending for as long as it likes (RFC 9293 §3.6)', () => {
  const c = closeWait()
  for (let i = 0; i < 20; i++) {
    c.write(1000)
    c.advance(50)
    c.drain()
    c.send()
  }
  assert.equal(c.state, 'CLOSE-WAIT')
  assert.equal(c.t.packetsOut, 0)
})

tcp(
  'Errors: a reset with data unread: the data can still be read, then ECONNRESET is told (Linux: error first once queue is empty)',
  () => {
    const c = established()
    c.send({ data: 10 })
    c.drain()
    c.send({ flags: 'R' })
    assert.equal(c.read(), 10)
    assert.equal(c.read(), -ECONNRESET)
    assert.equal(c.read(), 0)
  },
)

tcp('Close in TIME-WAIT or after the end is silent (tcp_close)', () => {
  const c = finWait2()
  c.send({ flags: 'F.' })
  c.drain()
  c.close()
  c.expectNothing()
  const d = established()
  d.send({ flags: 'R' })
  d.close()
  d.expectNothing()
})

tcp(
  'Orphans: data that arrives for a closed socket in FIN-WAIT-1 ends it with a reset and frees everything (RFC 1122 §4.2.2.13)',
  () => {
    const c = established({ sndbuf: 1 << 20 })
    c.write(30000)
    c.close()
    c.drain()
    c.send({ ack: 1, data: 10 })
    c.expect({ flags: 'R' })
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.host.tcp.segments.outstanding, 0)
  },
)
