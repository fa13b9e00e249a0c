/**
 * Counters crossing 2^31 and 2^32 in every phase of a connection: what one host does does not depend on where its sequence numbers,
 * the peer's and the clocks begin. A play is recorded far from any edge, then again with an edge at each sequence number at
 * which a segment began or ended, of either side; all must be the same (RFC 9293 §3.4, RFC 7323 §5).
 */
import assert from 'node:assert/strict'
import { MSG_OOB } from '../../src/sock/constants.ts'
import { fillTcpInfo, TcpInfo } from '../../src/tcp/info.ts'
import { statsOf } from '../../src/tcp/stats.ts'
import { audit } from './audit.ts'
import { established, finWait2, type Incoming, type Peer, type Setup, synReceived, synSent, tcp } from './dsl.ts'

const MSS = 1000
/** Far from the edges; and the edges, as int32. */
const PLAIN = 0x10000000
const EDGES: readonly (readonly [string, number])[] = [
  ['2^31', 0x7fffffff + 1],
  ['2^32', 0],
]
const START_MS = 100_000

/** Segments by what is on the wire, times and timestamps from the beginning. */
class Recording {
  readonly lines: string[] = []
  readonly ours: Set<number> = new Set([0, 1])
  readonly theirs: Set<number> = new Set([0, 1])

  note(c: Peer): void {
    for (const s of c.drain()) {
      this.lines.push(text(s, c.host.setup.startMs ?? 0))
      this.ours.add(s.seq).add(s.seq + s.data)
    }
  }
}

const text = (s: Incoming, start: number): string =>
  `${(s.time - start).toFixed(3)} ${s.flags}${s.push ? 'P' : ''} ${s.seq}+${s.data} ack ${s.ack} win ${s.window} urg ${s.urgent}` +
  ` ${s.layout} ${s.ts === null ? '' : (s.ts[0] - start) | 0} ${JSON.stringify(s.sack)}`

type Play = (setup: Setup, r: Recording, begun?: (c: Peer) => void) => Peer

/** The handshake by retransmission, data both ways, and both FINs. */
const passive: Play = (setup, r) => {
  const c = synReceived(setup)
  c.advance(1000)
  r.note(c)
  c.send({ ack: 1 })
  c.acceptFrom(c.t)
  for (let i = 0; i < 4; i++) {
    assert.equal(c.write(MSS), MSS)
    r.note(c)
    c.send({ data: 700 })
    r.theirs.add(c.next)
    c.advance(60)
    r.note(c)
    assert.equal(c.read(), 700)
  }
  c.send({ flags: 'F.' })
  c.close()
  r.note(c)
  c.send()
  return c
}

/** An active open by retransmission, answered at last. */
const active: Play = (setup, r) => {
  const c = synSent(setup)
  c.advance(1000)
  r.note(c)
  c.sendSyn({ flags: 'S.', ack: 1 })
  c.ts = setup.ts === true
  r.note(c)
  c.write(3 * MSS)
  r.note(c)
  c.send()
  return c
}

/** Losses: SACK with fast recovery, a tail loss probe, a timeout, D-SACK. */
const lossy: Play = (setup, r, begun) => {
  const c = established(setup)
  begun?.(c)
  c.write(10 * MSS)
  r.note(c)
  c.advance(20)
  for (const to of [3, 4, 6]) c.send({ ack: 1 + MSS, sack: [[1 + 2 * MSS, 1 + to * MSS]] })
  r.note(c)
  c.advance(20)
  c.send({ ack: 1 + 6 * MSS })
  c.send({ ack: 1 + 6 * MSS, sack: [[1 + MSS, 1 + 2 * MSS]] })
  r.note(c)
  c.advance(3000)
  r.note(c)
  c.send({ ack: 1 + 10 * MSS })
  r.note(c)
  return c
}

/** Without SACK: duplicate ACKs, partial ACKs, then a closed window and its probes. */
const plain: Play = (setup, r) => {
  const c = established({ ...setup, sack: false })
  c.write(6 * MSS)
  r.note(c)
  c.advance(20)
  for (let i = 0; i < 4; i++) c.send({ ack: 1 + MSS })
  r.note(c)
  c.send({ ack: 1 + 3 * MSS })
  c.advance(20)
  r.note(c)
  c.send({ ack: 1 + 6 * MSS, window: 0 })
  c.write(2 * MSS)
  c.advance(2000)
  r.note(c)
  c.send({ ack: 1 + 6 * MSS })
  r.note(c)
  c.send()
  return c
}

/** Data out of order, overlaps, duplicates, urgent data in both directions, window updates. */
const receiving: Play = (setup, r) => {
  const c = established(setup)
  for (const [from, length] of [
    [2001, 500],
    [1001, 500],
    [1301, 900],
    [1, 1000],
    [1, 300],
  ] as const) {
    c.send({ seq: from, data: length, ack: 1 })
    r.theirs.add(from).add(from + length)
    c.advance(5)
    r.note(c)
  }
  assert.equal(c.read(), 2500)
  c.send({ seq: 2501, data: 100, flags: 'U.', urgent: 50, ack: 1 })
  r.theirs.add(2550).add(2551).add(2601)
  assert.equal(c.read(), 49)
  c.skip(1)
  assert.equal(c.read(), 50)
  c.write(200, MSG_OOB)
  c.advance(50)
  r.note(c)
  c.send({ seq: 2601, data: 0, ack: 201 })
  // Challenges: a SYN, a RST and an ACK of what was never sent.
  for (const s of [{ flags: 'S' }, { flags: 'R', seq: 2700 }, { ack: 5000 }]) {
    c.advance(1000)
    c.send({ seq: 2601, ...s })
    r.note(c)
  }
  c.next = 2601
  return c
}

/** The active close: FIN-WAIT-2 with data, TIME-WAIT answering an old segment, and a new SYN into it. */
const closing: Play = (setup, r) => {
  const c = finWait2(setup)
  c.send({ data: 600 })
  r.theirs.add(c.next)
  r.note(c)
  assert.equal(c.read(), 600)
  c.send({ flags: 'F.' })
  r.note(c)
  assert.equal(c.state, 'TIME-WAIT')
  c.send({ seq: 1, data: 10 })
  c.advance(1000)
  c.send({ seq: c.next - 1, flags: 'F.' })
  r.note(c)
  return c
}

const PLAYS: readonly (readonly [string, Play])[] = [
  ['a passive open, data both ways, both FINs', passive],
  ['an active open', active],
  ['SACK, fast recovery, probes and timeouts', lossy],
  ['duplicate and partial ACKs, a closed window', plain],
  ['data out of order, overlaps, urgent data, challenges', receiving],
  ['FIN-WAIT-2 and TIME-WAIT', closing],
]

const BASIC: Setup = {
  startMs: START_MS,
  iss: PLAIN,
  irs: PLAIN,
  ts: true,
  sack: true,
  wscale: 3,
  // Room for timestamps.
  mss: MSS + 12,
  sysctl: { tcp_invalid_ratelimit: 0 },
}

function record(play: Play, setup: Setup = {}, begun?: (c: Peer) => void): Recording {
  const r = new Recording()
  play({ ...BASIC, ...setup }, r, begun)
  return r
}

for (const [title, play] of PLAYS) {
  tcp(`Sequence numbers crossing 2^31 and 2^32: ${title} (RFC 9293 §3.4)`, () => {
    const expected = record(play)
    assert.ok(expected.lines.length > 0)
    for (const [name, edge] of EDGES) {
      for (const at of expected.ours)
        assert.deepEqual(record(play, { iss: (edge - at) | 0 }).lines, expected.lines, `ours: ${name} at ${at}`)
      for (const at of expected.theirs)
        assert.deepEqual(record(play, { irs: (edge - at) | 0 }).lines, expected.lines, `theirs: ${name} at ${at}`)
    }
  })

  tcp(`Clocks and timestamps crossing 2^31 and 2^32 ms: ${title} (RFC 7323 §5.2)`, () => {
    const expected = record(play)
    // No segment leaves at the edge itself: an echo of 0 is none (tcp_ack_update_rtt).
    for (const edge of [2 ** 31, 2 ** 32])
      for (const before of [1, 3, 7, 21, 41, 61, 99, 101, 123, 159, 999, 1001, 1061, 1501])
        assert.deepEqual(record(play, { startMs: edge - before }).lines, expected.lines, `${edge} after ${before} ms`)
  })
}

tcp(
  'Counts of segments, bytes and marks crossing 2^31 and 2^32: recovery goes on as ever, TCP_INFO tells them (tcp_get_info)',
  () => {
    const expected = record(lossy)
    for (const edge of [2 ** 31, 2 ** 32]) {
      for (const before of [1, 2, 6, 10]) {
        let c: Peer | null = null
        const r = record(lossy, {}, (begun) => {
          c = begun
          const { t } = begun
          const stats = statsOf(t)
          t.delivered += edge - before
          t.lost += edge - before
          t.totalRetrans += edge - before
          stats.bytesAcked += edge - before * MSS
          stats.bytesReceived += edge - before * MSS
        })
        assert.deepEqual(r.lines, expected.lines, `${edge} after ${before}`)
        const { t } = c as unknown as Peer
        const info = new TcpInfo()
        fillTcpInfo(t, info)
        assert.ok(info.tcpi_bytes_acked > edge - before * MSS)
        audit(c as unknown as Peer)
      }
    }
  },
)
