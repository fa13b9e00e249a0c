/** Windows: scaling (RFC 7323 §2), zero-window probes (RFC 9293 §3.8.6.1), silly windows on both sides (§3.8.6.2). */
import assert from 'node:assert/strict'
import { POLLOUT } from '../../src/sock/wait-queue.ts'
import { EAGAIN, ETIMEDOUT } from '../../src/sys/errno.ts'
import { established, type Peer, tcp } from './dsl.ts'

const NODELAY = 1

tcp("Window scaling: the peer's field is shifted after the handshake, never in the SYN (RFC 7323 §2.2, §2.3)", () => {
  const c = established({ wscale: 5, window: 1000 })
  assert.equal(c.t.snd.wnd, 32000)
  const d = established({ wscale: 5, window: 1000, active: true })
  assert.equal(d.t.snd.wnd, 1000)
  d.send({ window: 2000 })
  assert.equal(d.t.snd.wnd, 64000)
})

tcp('Window scaling: our field is shifted after the handshake (RFC 7323 §2.3)', () => {
  const c = established({ wscale: 7 })
  c.send({ data: 1000 })
  const s = c.expect({ flags: '.', ack: 1001 })
  assert.ok(s.window << c.t.rcv.wscale <= 65536 + (1 << c.t.rcv.wscale) && s.window << c.t.rcv.wscale > 60000)
})

tcp('Window scaling: none if the peer did not offer it (RFC 7323 §2.2)', () => {
  const c = established({ window: 1000 })
  assert.equal(c.t.rcv.wscale, 0)
  assert.equal(c.t.snd.wscale, 0)
  assert.equal(c.t.snd.wnd, 1000)
})

tcp('Send window: no more than the peer offers is out (RFC 9293 §3.8.6)', () => {
  const c = established({ window: 4000 })
  c.write(20000)
  const sent = c.drain().reduce((sum, s) => sum + s.data, 0)
  assert.ok(sent <= 4000 && sent >= 4000 - 1460, String(sent))
  c.send({ ack: 1 + sent, window: 4000 })
  const more = c.drain()
  assert.ok(more.length > 0)
  assert.ok((more.at(-1)?.seq ?? 0) + (more.at(-1)?.data ?? 0) <= 1 + sent + 4000)
  for (let i = 0; i < 20; i++) c.send()
})

tcp('Half window: a peer with a window of 1000 gets segments of 500 (tcp_bound_to_half_wnd)', () => {
  const c = established({ window: 1000 })
  c.write(5000)
  assert.deepEqual(
    c.drain().map((s) => s.data),
    [500, 500],
  )
  for (let i = 0; i < 20; i++) c.send()
  assert.equal(c.t.packetsOut, 0)
})

tcp('Half window: a later larger window lifts the bound (tcp_ack_update_window)', () => {
  const c = established({ window: 1000 })
  c.send({ window: 60000, data: 1 })
  c.drain()
  c.write(1460)
  c.expect({ data: 1460 })
  c.send()
})

/** Data waits and the window is closed. */
function closedWindow(setup: Parameters<typeof established>[0] = {}): Peer {
  const c = established(setup)
  c.write(1000)
  c.expect({ data: 1000 })
  c.send({ ack: 1001, window: 0 })
  c.write(500)
  c.expectNothing()
  return c
}

tcp(
  'Zero window: probes with SND.UNA - 1 and no data after RTO, 2 RTO, 4 RTO (RFC 9293 §3.8.6.1; LINUX-TCP 32)',
  () => {
    const c = closedWindow()
    const rto = Math.round(c.t.rto / 1000)
    let wait = rto
    for (let i = 0; i < 5; i++) {
      c.advance(wait - 5)
      c.expectNothing()
      c.advance(10)
      c.expect({ flags: '.', seq: 1000, data: 0 })
      c.send({ window: 0 })
      c.expectNothing()
      wait = Math.min(120000, rto * 2 ** (i + 1)) - 5
    }
    c.send({ window: 5000 })
    c.expect({ flags: '.', seq: 1001, data: 500 })
    c.send()
  },
)

tcp(
  'Zero window: the intervals are bounded by 120 s and probing goes on while the peer answers (RFC 9293 §3.8.6.1)',
  () => {
    const c = closedWindow()
    for (let i = 0; i < 40; i++) {
      c.advance(125000)
      assert.ok(c.drain().length >= 1)
      c.send({ window: 0 })
    }
    assert.equal(c.state, 'ESTABLISHED')
    c.send({ window: 5000 })
    c.expect({ seq: 1001, data: 500 })
    c.send()
  },
)

tcp(
  'Zero window: a peer that answers no probe is given up after tcp_retries2 probes with ETIMEDOUT (RFC 1122 §4.2.3.5)',
  () => {
    const c = closedWindow({ sysctl: { tcp_retries2: 4 } })
    c.advance(60000)
    assert.equal(c.state, 'CLOSED')
    assert.equal(c.error(), ETIMEDOUT)
    assert.equal(c.drain().length, 4)
  },
)

tcp('Zero window: a window that opens sends at once (RFC 9293 §3.8.6.1)', () => {
  const c = closedWindow()
  c.advance(100)
  c.send({ window: 600 })
  c.expect({ seq: 1001, data: 500 })
  c.send()
})

tcp(
  'Zero window: data that is out when it closes is sent again into it by the timer (RFC 9293 §3.8.6.1; tcp_retransmit_timer)',
  () => {
    const c = established()
    c.write(1000)
    c.expect({ data: 1000 })
    c.send({ ack: 1, window: 0, data: 1 })
    assert.equal(c.t.snd.wnd, 0)
    c.drain()
    c.expectAfter(300, { seq: 1, data: 1000 })
    c.send({ ack: 1001, window: 5000 })
    assert.equal(c.t.packetsOut, 0)
  },
)

tcp('Zero window: a FIN waits behind the data and close keeps probing (RFC 9293 §3.8.6.1)', () => {
  const c = closedWindow()
  c.close()
  assert.equal(c.state, 'FIN-WAIT-1')
  c.advance(2000)
  assert.ok(c.drain().some((s) => s.seq === 1000 && s.data === 0))
  c.send({ window: 5000 })
  c.expect({ flags: 'F.', seq: 1001, data: 500 })
})

tcp('User timeout: holds for window probes too (RFC 5482; tcp_probe_timer)', () => {
  const c = closedWindow()
  c.set(18, 5000)
  for (let i = 0; i < 10 && c.state !== 'CLOSED'; i++) {
    c.advance(1000)
    c.drain()
  }
  c.advance(5000)
  assert.equal(c.state, 'CLOSED')
  assert.equal(c.error(), ETIMEDOUT)
})

tcp(
  'Silly window, sender: less than a segment is not sent into a small rest of the window (RFC 9293 §3.8.6.2.1)',
  () => {
    const c = established({ window: 10000, prepare: (t) => t.setOption(6, NODELAY, 1) })
    c.write(1460 * 6)
    assert.equal(c.drain().length, 6)
    c.send({ ack: 1, window: 1460 * 6 + 100, data: 1 })
    c.drain()
    c.write(1460)
    c.expectNothing()
    c.send({ ack: 1 + 1460 * 6, window: 10000 })
    c.expect({ data: 1460 })
    c.send()
  },
)

tcp(
  'Silly window, receiver: a full buffer closes the window; a read of one byte does not open it (RFC 9293 §3.8.6.2.2)',
  () => {
    const c = established({ rcvbuf: 16000 })
    fill(c)
    c.read(1)
    assert.equal(c.drain().at(-1)?.window ?? 0, 0)
  },
)

tcp(
  'Silly window, receiver: reading everything opens the window at once with an update (RFC 9293 §3.8.6.2.2; tcp_cleanup_rbuf)',
  () => {
    const c = established({ rcvbuf: 16000 })
    fill(c)
    assert.ok(c.read() > 1000)
    const update = c.drain().at(-1)
    assert.ok((update?.window ?? 0) >= 1000, `window ${update?.window}`)
  },
)

/** Sends full segments until the window is closed. */
function fill(c: Peer): void {
  let edge = 6000
  let window = 1
  for (let i = 0; i < 100 && edge > c.next; i++) {
    c.send({ data: Math.min(1000, edge - c.next) })
    c.advance(50)
    for (const s of c.drain()) {
      edge = s.ack + s.window
      window = s.window
      // The last one may have found no room (tcp_data_queue).
      if (window === 0) c.next = s.ack
    }
  }
  assert.equal(window, 0, 'the window closes')
  assert.ok(c.t.rmemAlloc <= 2 * c.t.rcvbuf)
}

tcp('Receive window: the right edge never moves left (RFC 9293 §3.8.6)', () => {
  const c = established({ rcvbuf: 30000 })
  let edge = 0
  for (let i = 0; i < 40; i++) {
    c.send({ data: 300 })
    c.advance(50)
    if (i % 5 === 4) c.read(100)
    for (const s of c.drain()) {
      const right = s.ack + s.window
      assert.ok(right >= edge, `${right} after ${edge}`)
      edge = right
    }
  }
})

tcp(
  'Receive window: closed, new data is dropped and acknowledged, counted as BeyondWindow (tcp_sequence; LINUX-TCP 32)',
  () => {
    const c = established({ rcvbuf: 16000 })
    fill(c)
    const next = c.next
    c.send({ seq: next, data: 1 })
    c.expect({ flags: '.', ack: next, window: 0 })
    assert.equal(c.counter('TcpExtBeyondWindow'), 1)
  },
)

tcp('Receive window: a window probe at SND.UNA - 1 is answered with the present window (RFC 9293 §3.8.6.1)', () => {
  const c = established({ rcvbuf: 16000 })
  fill(c)
  c.send({ seq: c.next - 1 })
  c.expect({ flags: '.', ack: c.next, window: 0 })
})

tcp('Receive window: a FIN is accepted into a closed window (LINUX-TCP 32)', () => {
  const c = established({ rcvbuf: 16000 })
  fill(c)
  c.send({ flags: 'F.' })
  assert.equal(c.state, 'CLOSE-WAIT')
})

tcp(
  'Shrinking window: what is out beyond the new edge stays out and is not sent again before its time (RFC 9293 §3.8.6)',
  () => {
    const c = established({ window: 20000 })
    c.write(14600)
    assert.equal(c.drain().length, 10)
    c.send({ ack: 1, data: 1 })
    c.send({ ack: 1, window: 1000, data: 1 })
    assert.equal(c.t.snd.wnd, 1000)
    assert.deepEqual(
      c.drain().filter((s) => s.data > 0),
      [],
    )
    c.send({ ack: 14601, window: 20000 })
    assert.equal(c.t.packetsOut, 0)
  },
)

tcp(
  "Shrinking window: our own segments' sequence number never lies beyond the peer's edge (tcp_acceptable_seq)",
  () => {
    const c = established({ window: 20000 })
    c.write(14600)
    c.drain()
    c.send({ ack: 1, data: 10 })
    c.drain()
    c.send({ ack: 1, window: 1000, data: 10 })
    const ack = c.drain().find((s) => s.data === 0)
    assert.ok(ack !== undefined && ack.seq === 1001, `seq ${ack?.seq}`)
    c.send({ ack: 14601 })
  },
)

tcp('Send buffer: a full one gives EAGAIN and readiness comes back when a third is free (LINUX-TCP 13)', () => {
  const c = established({ sndbuf: 20000, window: 1 << 15 })
  let written = 0
  for (;;) {
    const n = c.write(1000)
    if (n === -EAGAIN) break
    written += n
    assert.ok(written < 40000)
  }
  assert.equal(c.t.poll() & POLLOUT, 0)
  c.woken()
  c.send({ ack: 1 + 1460 })
  assert.equal(c.woken() & POLLOUT, 0)
  for (let i = 0; i < 50 && c.t.txHead !== null; i++) c.send()
  assert.equal(c.woken() & POLLOUT, POLLOUT)
  assert.equal(c.t.poll() & POLLOUT, POLLOUT)
})

tcp('Send buffer: a partial write says how much was taken (write(2))', () => {
  const c = established({ sndbuf: 20000 })
  const n = c.write(100000)
  assert.ok(n > 1000 && n < 100000)
  for (let i = 0; i < 100 && c.t.txHead !== null; i++) c.send()
  assert.equal(c.t.wmemQueued, 0)
})
