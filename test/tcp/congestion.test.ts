/** RFC 5681, 3042, 6582, 6928, 7661 and Linux's choices, without SACK unless said; one segment is 1460 bytes. */
import assert from 'node:assert/strict'
import { established, type Peer, tcp } from './dsl.ts'

const MSS = 1460
const RENO = (setup: Parameters<typeof established>[0] = {}): Peer =>
  established({ window: 65535, sysctl: { tcp_congestion_control: 'reno' }, sndbuf: 1 << 20, ...setup })

const segs = (c: Peer): number[] => c.drain().map((s) => (s.seq - 1) / MSS)

tcp('Initial window: ten segments (RFC 6928; LINUX-TCP 8)', () => {
  const c = RENO()
  c.write(MSS * 30)
  assert.equal(c.drain().length, 10)
  assert.equal(c.t.snd.cwnd, 10)
  assert.equal(c.t.snd.ssthresh, 0x7fffffff)
})

tcp(
  'Slow start: each acknowledged segment adds one, so the window doubles in a round trip (RFC 5681 §3.1; LINUX-TCP 15)',
  () => {
    const c = RENO()
    c.write(MSS * 40)
    c.drain()
    c.advance(100)
    for (let i = 2; i <= 10; i += 2) c.send({ ack: 1 + i * MSS })
    assert.equal(c.t.snd.cwnd, 20)
    assert.equal(c.drain().length, 20)
  },
)

tcp('Slow start: an ACK of many segments adds them all (LINUX-TCP 15, no byte cap)', () => {
  const c = RENO()
  c.write(MSS * 40)
  c.drain()
  c.send({ ack: 1 + 10 * MSS })
  assert.equal(c.t.snd.cwnd, 20)
})

for (const [flight, cwnd] of [
  [5, 10],
  [6, 12],
  [9, 18],
  [10, 20],
] as const) {
  tcp(`Slow start: a flight of ${flight} of 10 leaves cwnd at ${cwnd} (RFC 7661; LINUX-TCP 15)`, () => {
    const c = RENO()
    c.write(MSS * flight)
    assert.equal(c.drain().length, flight)
    c.advance(100)
    for (let i = 1; i <= flight; i++) c.send({ ack: 1 + i * MSS })
    assert.equal(c.t.snd.cwnd, cwnd)
  })
}

tcp(
  'HyStart: a round begins with its first ACK though the window is below 16 then; the ninth late one of the next ends slow start (hystart_update)',
  () => {
    const c = established({ window: 65535, sndbuf: 1 << 20 })
    c.t.snd.cwnd = 6
    c.write(MSS * 80)
    c.advance(100)
    c.send({ ack: 1 + 6 * MSS })
    c.advance(100)
    for (let i = 7; i <= 18; i++) c.send({ ack: 1 + i * MSS })
    assert.equal(c.t.snd.cwnd, 24)
    c.advance(130)
    for (let i = 19; i <= 26; i++) c.send({ ack: 1 + i * MSS })
    assert.equal(c.t.snd.ssthresh, 0x7fffffff)
    c.send({ ack: 1 + 27 * MSS })
    assert.equal(c.t.snd.ssthresh, 32)
  },
)

tcp('Congestion avoidance: one segment more for each window acknowledged (RFC 5681 §3.1)', () => {
  const c = RENO()
  c.t.snd.ssthresh = 10
  c.write(MSS * 60)
  c.drain()
  let acked = 0
  for (let i = 0; i < 10; i++) c.send({ ack: 1 + ++acked * MSS })
  assert.equal(c.t.snd.cwnd, 11)
  for (let i = 0; i < 11; i++) c.send({ ack: 1 + ++acked * MSS })
  assert.equal(c.t.snd.cwnd, 12)
})

tcp(
  'Fast retransmit: the third duplicate ACK sends the first segment again, without waiting for the timer (RFC 5681 §3.2)',
  () => {
    const c = RENO()
    c.write(MSS * 10)
    c.drain()
    c.advance(100)
    c.send({ ack: 1 })
    c.send({ ack: 1 })
    assert.deepEqual(segs(c), [])
    c.send({ ack: 1 })
    assert.deepEqual(segs(c), [0])
    assert.equal(c.t.snd.ssthresh, 5)
    assert.equal(c.counter('TcpExtTCPRenoRecovery'), 1)
    c.send({ ack: 1 + 10 * MSS })
    assert.equal(c.t.packetsOut, 0)
  },
)

tcp('Limited transmit: each of the first two duplicate ACKs releases one new segment (RFC 3042; LINUX-TCP 21)', () => {
  const c = RENO()
  c.write(MSS * 20)
  c.drain()
  c.advance(100)
  c.send({ ack: 1 })
  assert.deepEqual(segs(c), [10])
  // ACKs closer together than a millisecond may be waited for, to send a longer burst (tcp_tso_should_defer).
  c.advance(2)
  c.send({ ack: 1 })
  assert.deepEqual(segs(c), [11])
  assert.equal(c.t.snd.cwnd, 10)
  c.advance(2)
  c.send({ ack: 1 })
  assert.equal(segs(c)[0], 0)
})

tcp('Duplicate ACKs: a segment with data or another window is none (RFC 5681 §2)', () => {
  const c = RENO()
  c.write(MSS * 5)
  c.drain()
  c.send({ ack: 1, data: 10 })
  c.send({ ack: 1, data: 10 })
  c.send({ ack: 1, data: 10 })
  assert.deepEqual(
    c.drain().filter((s) => s.data > 0),
    [],
  )
  c.send({ ack: 1, window: 60000 })
  c.send({ ack: 1, window: 61000 })
  c.send({ ack: 1, window: 65535 })
  assert.deepEqual(
    c.drain().filter((s) => s.data > 0),
    [],
  )
  assert.equal(c.t.snd.cwnd, 10)
})

tcp('NewReno: each partial ACK in recovery sends the next hole again (RFC 6582 §3.2)', () => {
  const c = RENO()
  c.write(MSS * 10)
  c.drain()
  c.advance(100)
  // Segments 0, 3 and 6 are lost; the others each bring a duplicate ACK.
  for (let i = 0; i < 7; i++) c.send({ ack: 1 })
  assert.deepEqual(segs(c), [0])
  c.advance(100)
  c.send({ ack: 1 + 3 * MSS })
  assert.deepEqual(segs(c), [3])
  c.advance(100)
  c.send({ ack: 1 + 6 * MSS })
  assert.deepEqual(segs(c), [6])
  c.advance(100)
  c.send({ ack: 1 + 10 * MSS })
  assert.equal(c.t.packetsOut, 0)
  assert.equal(c.t.lostOut, 0)
  assert.equal(c.t.retransOut, 0)
})

tcp(
  'NewReno: after a full ACK duplicate ACKs of the old window do not start recovery again (RFC 6582 §3.2, step 1)',
  () => {
    const c = RENO()
    c.write(MSS * 20)
    c.drain()
    c.advance(100)
    for (let i = 0; i < 5; i++) c.send({ ack: 1 })
    const high = c.hostEnd
    c.drain()
    c.advance(100)
    c.send({ ack: high })
    c.drain()
    const recoveries = c.counter('TcpExtTCPRenoRecovery')
    c.send({ ack: high })
    c.send({ ack: high })
    assert.equal(c.counter('TcpExtTCPRenoRecovery'), recoveries)
    c.send()
  },
)

tcp('Recovery: cwnd is ssthresh afterwards, 7 of 10 with CUBIC (LINUX-TCP 17, 25)', () => {
  const c = established({ sndbuf: 1 << 20, sack: true })
  c.write(MSS * 10)
  c.drain()
  c.advance(100)
  c.send({ ack: 1, sack: [[1 + MSS, 1 + 2 * MSS]] })
  c.send({ ack: 1, sack: [[1 + MSS, 1 + 3 * MSS]] })
  c.send({ ack: 1, sack: [[1 + MSS, 1 + 4 * MSS]] })
  assert.equal(c.t.caState, 3)
  assert.equal(c.t.snd.ssthresh, 7)
  c.advance(100)
  c.drain()
  c.send({ ack: 1 + 10 * MSS })
  assert.equal(c.t.caState, 0)
  // The ACK that ends recovery may raise it by one already.
  assert.ok(c.t.snd.cwnd >= 7 && c.t.snd.cwnd <= 8, String(c.t.snd.cwnd))
})

tcp('SACK recovery: only what is missing goes again, once, oldest first (RFC 6675 §5)', () => {
  const c = established({ sndbuf: 1 << 20, sack: true })
  c.write(MSS * 10)
  c.drain()
  c.advance(100)
  // Lost: 0, 2, 4.
  c.send({ ack: 1, sack: [[1 + MSS, 1 + 2 * MSS]] })
  c.send({
    ack: 1,
    sack: [
      [1 + 3 * MSS, 1 + 4 * MSS],
      [1 + MSS, 1 + 2 * MSS],
    ],
  })
  c.send({
    ack: 1,
    sack: [
      [1 + 5 * MSS, 1 + 6 * MSS],
      [1 + 3 * MSS, 1 + 4 * MSS],
      [1 + MSS, 1 + 2 * MSS],
    ],
  })
  for (let i = 6; i < 10; i++) {
    c.send({
      ack: 1,
      sack: [
        [1 + 5 * MSS, 1 + (i + 1) * MSS],
        [1 + 3 * MSS, 1 + 4 * MSS],
        [1 + MSS, 1 + 2 * MSS],
      ],
    })
  }
  assert.deepEqual(segs(c), [0, 2, 4])
  c.advance(100)
  c.send({ ack: 1 + 10 * MSS })
  assert.equal(c.t.packetsOut + c.t.sackedOut + c.t.lostOut + c.t.retransOut, 0)
  assert.equal(c.t.txHead, null)
})

tcp('RACK: one SACKed segment and 27 ms later the older one is lost (RFC 8985 §6.2; LINUX-TCP 23)', () => {
  const c = established({ sndbuf: 1 << 20, sack: true })
  c.write(MSS * 2)
  c.drain()
  c.advance(100)
  c.send({ ack: 1, sack: [[1 + MSS, 1 + 2 * MSS]] })
  c.expectAfter(27, { seq: 1, data: MSS })
  c.send({ ack: 1 + 2 * MSS })
})

tcp(
  'TLP: after two round trips and 2 ms without an ACK the last segment goes again (RFC 8985 §7.2; LINUX-TCP 20)',
  () => {
    const c = established({ sndbuf: 1 << 20, sack: true })
    c.write(MSS * 4)
    c.drain()
    c.expectAfter(202, { seq: 1 + 3 * MSS, data: MSS })
    assert.equal(c.counter('TcpExtTCPLossProbes'), 1)
    c.send({ ack: 1 + 4 * MSS })
  },
)

tcp('TLP: new data is sent instead when there is some (RFC 8985 §7.3; LINUX-TCP 20)', () => {
  const c = established({ sndbuf: 1 << 20, sack: true })
  c.write(MSS * 11)
  assert.equal(c.drain().length, 10)
  c.expectAfter(202, { seq: 1 + 10 * MSS, data: MSS })
  c.send({ ack: 1 + 11 * MSS })
})

tcp('Idle: after more than an RTO of silence cwnd halves per RTO down to ten (RFC 5681 §4.1; LINUX-TCP 16)', () => {
  const c = RENO()
  c.write(MSS * 60)
  for (let i = 0; i < 3; i++) {
    c.advance(100)
    c.send()
    c.drain()
  }
  c.send()
  c.drain()
  assert.ok(c.t.snd.cwnd >= 40, String(c.t.snd.cwnd))
  c.advance(60000)
  c.write(MSS)
  assert.equal(c.t.snd.cwnd, 10)
  c.send()
})

tcp('Idle: with tcp_slow_start_after_idle=0 the window stays (ip-sysctl)', () => {
  const c = RENO({ sysctl: { tcp_congestion_control: 'reno', tcp_slow_start_after_idle: 0 } })
  c.write(MSS * 60)
  for (let i = 0; i < 4; i++) {
    c.advance(100)
    c.send()
    c.drain()
  }
  const cwnd = c.t.snd.cwnd
  c.advance(60000)
  c.write(MSS)
  assert.equal(c.t.snd.cwnd, cwnd)
  c.send()
})

tcp('Spurious timeout: F-RTO undoes the reduction when the originals are acknowledged (RFC 5682; RFC 3522)', () => {
  const c = established({ sndbuf: 1 << 20, sack: true, ts: true })
  c.write((MSS - 12) * 4)
  c.drain()
  c.advance(700)
  assert.equal(c.t.caState, 4)
  c.drain()
  // The delayed originals' ACK echoes an old timestamp.
  c.send({ ack: 1 + (MSS - 12), ts: [c.tsNow, c.tsSeen - 700] })
  c.send({ ack: 1 + 4 * (MSS - 12), ts: [c.tsNow, c.tsSeen - 700] })
  assert.equal(c.t.caState, 0)
  assert.ok(c.t.snd.cwnd >= 10, String(c.t.snd.cwnd))
})

tcp('Reneging: SACKs that are taken back are forgotten at the timeout and all goes again (RFC 2018 §8)', () => {
  const c = established({ sndbuf: 1 << 20, sack: true })
  c.write(MSS * 4)
  c.drain()
  c.advance(100)
  c.send({ ack: 1, sack: [[1 + MSS, 1 + 4 * MSS]] })
  c.drain()
  // The receiver acknowledges the hole but has dropped what it SACKed.
  c.send({ ack: 1 + MSS })
  c.advance(3000)
  c.send({ ack: 1 + 2 * MSS })
  c.advance(1000)
  c.send({ ack: 1 + 4 * MSS })
  assert.equal(c.t.packetsOut, 0)
  assert.equal(c.t.txHead, null)
})

tcp('cwnd: never below one segment nor the count of what is out below zero, whatever ACKs come (hostile)', () => {
  const c = established({ sndbuf: 1 << 20, sack: true })
  for (let round = 0; round < 30; round++) {
    c.write(MSS * 3)
    c.drain()
    const una = (c.t.snd.una - c.iss) | 0
    for (let i = 0; i < 5; i++)
      c.send({ ack: una, sack: [[una + MSS * ((round + i) % 3), una + MSS * (1 + ((round + i) % 3))]] })
    c.send({ ack: una + 1 + ((round * 7) % MSS) })
    c.advance(round % 2 === 0 ? 50 : 400)
    for (const n of [c.t.packetsOut, c.t.sackedOut, c.t.lostOut, c.t.retransOut]) assert.ok(n >= 0)
    assert.ok(c.t.sackedOut + c.t.lostOut <= c.t.packetsOut)
    assert.ok(c.t.snd.cwnd >= 1)
    c.drain()
    c.send()
  }
  for (let i = 0; i < 50 && c.t.txHead !== null; i++) c.send()
  assert.equal(c.t.packetsOut + c.t.sackedOut + c.t.lostOut + c.t.retransOut, 0)
})
