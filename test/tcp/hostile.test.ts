/** Peers that mean harm: no exception, bounded memory and work, right counters, and the stream unharmed. */
import assert from 'node:assert/strict'
import { Random } from '../../src/sys/random.ts'
import { audit } from './audit.ts'
import {
  closeWait,
  closing,
  established,
  finWait1,
  finWait2,
  lastAck,
  listening,
  type Peer,
  synReceived,
  synSent,
  tcp,
  timeWait,
} from './dsl.ts'

const MSS = 1460

tcp('Overlapping retransmissions with other bytes: what came first stands (RFC 9293 §3.10.7.4; tcp_data_queue)', () => {
  const c = established()
  c.send({ data: 100 })
  c.send({ seq: 51, data: new Uint8Array(100).fill(0xee) })
  const b = new Uint8Array(200)
  assert.equal(c.t.receive(b, 0, 200, 0, null), 150)
  assert.deepEqual(
    [...b.subarray(0, 3)],
    [1, 2, 3].map((n) => (n * 31) & 0xff),
  )
  assert.notEqual(b[60], 0xee)
  assert.equal(b[120], 0xee)
})

tcp(
  'Overlapping out-of-order segments: never more or fewer bytes than the sequence space has (tcp_data_queue_ofo)',
  () => {
    const c = established({ sack: true })
    for (const [from, to] of [
      [500, 600],
      [550, 650],
      [450, 700],
      [500, 501],
      [699, 701],
      [300, 460],
      [101, 301],
    ] as const) {
      c.send({ seq: from, data: to - from, ack: 1 })
    }
    c.send({ seq: 1, data: 100, ack: 1 })
    assert.equal(c.read(), 700)
  },
)

tcp('ACK of unsent data: refused, a challenge at most (RFC 5961 §5)', () => {
  const c = established()
  c.write(100)
  c.drain()
  for (const ack of [102, 5000, 1 << 30]) c.send({ ack })
  assert.equal(c.drain().length, 1)
  assert.equal(c.t.packetsOut, 1)
  c.send()
})

tcp(
  'Optimistic ACKs: what was sent is all that can be acknowledged; divided ACKs do not open the window (RFC 3465 §2.1; CVE-1999-0905 class)',
  () => {
    const c = established({ sndbuf: 1 << 20, sysctl: { tcp_congestion_control: 'reno' } })
    c.write(MSS * 100)
    c.drain()
    // A hundred ACKs for one segment's bytes count as one segment.
    for (let i = 1; i <= 100; i++) c.send({ ack: 1 + i * 14 })
    assert.ok(c.t.snd.cwnd <= 12, String(c.t.snd.cwnd))
    audit(c)
    for (let i = 0; i < 30 && c.t.txHead !== null; i++) c.send()
  },
)

tcp(
  'SACK nonsense: empty, reversed, unsent, ancient and huge blocks are discarded and counted (tcp_is_sackblock_valid)',
  () => {
    const c = established({ sack: true, sndbuf: 1 << 20 })
    c.write(MSS * 10)
    c.drain()
    const bad: (readonly [number, number])[] = [
      [500, 500],
      [1000, 500],
      [50000, 60000],
      [1, 0x7fffffff],
      [-500000, -400000],
      [20000, 14602],
      [-0x80000000, 0x7fffffff],
    ]
    for (const block of bad) c.send({ ack: 1, sack: [block] })
    c.send({ ack: 1, sack: bad.slice(0, 4) })
    assert.equal(c.t.sackedOut, 0)
    audit(c)
    assert.ok(c.counter('TcpExtTCPSACKDiscard') > 0)
    c.send()
    assert.equal(c.t.txHead, null)
  },
)

tcp('SACK of everything without ever acknowledging: the connection recovers by its timer (RFC 2018 §8)', () => {
  const c = established({ sack: true, sndbuf: 1 << 20 })
  c.write(MSS * 10)
  c.drain()
  c.send({ ack: 1, sack: [[1, 1 + MSS * 10]] })
  for (let i = 0; i < 20; i++) {
    c.advance(500)
    audit(c)
    c.send({ ack: 1, sack: [[1 + MSS * (i % 10), 1 + MSS * 10]] })
  }
  c.send({ ack: 1 + MSS * 10 })
  assert.equal(c.t.txHead, null)
})

/** One storm: writes, ACKs, SACKs, windows, path MTUs and local drops at random; the counters are checked after each. */
function storm(seed: number): void {
  const random = new Random(seed, 3)
  const c = established({
    sack: random.chance(0.7),
    ts: random.chance(0.5),
    sndbuf: 1 << 20,
    mss: random.chance(0.3) ? 100 + random.below(1400) : MSS,
    window: random.chance(0.2) ? 500 + random.below(4000) : 65535,
    ...(random.chance(0.3) ? { wscale: 4 } : {}),
    sysctl: { tcp_congestion_control: random.chance(0.3) ? 'reno' : 'cubic' },
  })
  if (random.chance(0.3)) c.set(1, 1)
  for (let i = 0; i < 100; i++) {
    if (random.chance(0.3))
      c.write(
        1 + random.below(random.chance(0.3) ? 100 : MSS * 6),
        random.chance(0.1) ? 1 : random.chance(0.1) ? 0x8000 : 0,
      )
    audit(c)
    const una = (c.t.snd.una - c.iss) | 0
    const span = Math.max(1, c.hostEnd - una)
    const mss = c.t.snd.mss
    const isWhole = random.chance(0.7)
    const block = (): readonly [number, number] => {
      const from = random.below(span)
      const length = 1 + random.below(span - from)
      const start = isWhole ? from - (from % mss) : from
      return [
        una + start,
        Math.min(una + start + (isWhole ? Math.max(mss, length - (length % mss)) : length), c.hostEnd),
      ]
    }
    const sack = Array.from({ length: random.below(4) }, block)
    const step = random.below(span + 1)
    const ack = random.chance(0.6) ? una : una + (isWhole ? step - (step % mss) : step)
    c.send({ ack, sack, window: random.chance(0.1) ? random.below(3000) : c.window })
    audit(c)
    if (random.chance(0.02)) c.sendIcmp((c.t.snd.una - c.iss) | 0, 3, 4, 600 + random.below(900))
    if (random.chance(0.03)) c.host.link.isFull = !c.host.link.isFull
    c.advance(random.below(random.chance(0.1) ? 2000 : 50))
    audit(c)
    c.drain()
  }
  c.host.link.isFull = false
  if (random.chance(0.5)) c.shutdown(1)
  for (let i = 0; i < 300 && c.t.txHead !== null; i++) {
    c.advance(4000)
    c.send({ window: 65535 })
    audit(c)
    c.drain()
  }
  assert.equal(c.t.txHead, null, `seed ${seed}: everything is acknowledged in the end`)
}

tcp(
  'Random ACKs, SACKs, windows, path MTUs and local drops: the counters agree with the queue, and all arrives (property)',
  () => {
    for (let seed = 1; seed <= 25; seed++) storm(seed)
  },
)

for (const [what, raw] of [
  ['length 0', [8, 0, 1, 1]],
  ['length 1', [8, 1, 1, 1]],
  ['a length past the header', [5, 40, 1, 1]],
  ['a kind without length', [1, 1, 1, 2]],
  ['an unknown kind', [253, 4, 9, 9]],
  ['a SACK of odd length', [5, 7, 1, 2, 3, 4, 5, 0]],
  ['only EOL', [0, 0, 0, 0]],
  ["a second SYN's options", [2, 4, 0, 1]],
] as const) {
  tcp(`Options with ${what}: the segment is taken as if without (tcp_parse_options)`, () => {
    const c = established()
    c.send({ data: 10, raw })
    assert.equal(c.read(), 10)
    const d = listening()
    d.sendSyn({ raw })
    d.drain()
  })
}

tcp(
  'Options with an MD5 signature nobody asked for: the segment is dropped and counted (RFC 2385 §4.1; tcp_inbound_md5_hash)',
  () => {
    const c = established()
    c.send({ data: 10, raw: [19, 18, ...new Uint8Array(16)] })
    c.expectNothing()
    assert.equal(c.counter('TcpExtTCPMD5Unexpected'), 1)
    assert.equal(c.t.rmemAlloc, 0)
  },
)

tcp(
  'Tens of thousands of one-byte segments out of order: memory stays within twice the buffer and the stream intact (bounded queues)',
  () => {
    const c = established({ sack: true, rcvbuf: 100000 })
    let most = 0
    for (let i = 0; i < 20000; i++) {
      c.send({ seq: 3 + ((i * 7919) % 20000) * 2, data: 1, ack: 1 })
      if (c.t.rmemAlloc > most) most = c.t.rmemAlloc
      if (i % 256 === 0) c.drain()
    }
    assert.ok(most <= 200000, `${most} bytes`)
    assert.ok(c.host.pool.outstanding < 400, `${c.host.pool.outstanding} packets held`)
    assert.ok(c.counter('TcpExtTCPOFOQueue') > 0)
    assert.ok(c.counter('TcpExtOfoPruned') + c.counter('TcpExtTCPOFODrop') > 0)
    c.drain()
  },
)

tcp(
  'Tens of thousands of one-byte segments in order, never read: the bytes stay within the buffer, their cost within a few times it (bounded queues)',
  () => {
    const c = established({ rcvbuf: 50000 })
    for (let i = 0; i < 30000; i++) {
      c.send({ seq: 1 + i, data: 1, ack: 1 })
      if (i % 256 === 0) c.drain()
      assert.ok(c.t.rmemAlloc <= 200000, `${c.t.rmemAlloc}`)
    }
    c.drain()
    const got = c.read(100000)
    assert.ok(got > 20000 && got <= 50000, String(got))
  },
)

tcp('SYN flood: half-open connections are bounded, and each costs no control block (RFC 4987)', () => {
  const c = listening({ backlog: 128 })
  for (let i = 0; i < 2000; i++) c.host.peer(1024 + i).sendSyn()
  assert.ok(c.host.tcp.table.size <= 129, String(c.host.tcp.table.size))
  assert.equal([...c.host.tcp.sockets].length, 1)
})

tcp('SYN with data, FIN and nonsense flags in every combination never throws (RFC 9293 §3.10.7)', () => {
  for (const make of [
    (): Peer => listening(),
    (): Peer => synReceived(),
    (): Peer => established(),
    (): Peer => timeWait(),
  ]) {
    for (let bits = 0; bits < 64; bits++) {
      const c = make()
      const flags = ['F', 'S', 'R', 'P', '.', 'U'].filter((_, i) => (bits & (1 << i)) !== 0).join('')
      for (const seq of [0, 1, 2, 100]) c.send({ flags: flags === '' ? 'none' : flags, seq, data: seq % 3, urgent: 1 })
      c.drain()
    }
  }
})

tcp('Random segments at a connection: no exception, the counts hold (fuzz)', () => {
  const letters = ['F', 'S', 'R', 'P', '.', '.', '.', 'U', 'E', 'W']
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Random(seed, 99)
    const c = established({
      sack: random.chance(0.5),
      ts: random.chance(0.5),
      ...(random.chance(0.5) ? { wscale: random.below(15) } : {}),
      rcvbuf: 30000,
    })
    for (let i = 0; i < 100; i++) {
      const near = (base: number): number => base + (random.chance(0.8) ? random.below(4000) - 2000 : random.int32())
      const flags = letters.filter((l) => random.chance(l === 'R' ? 0.01 : l === 'S' ? 0.05 : 0.2)).join('')
      if (random.chance(0.2)) c.write(random.below(5000))
      c.send({
        flags: flags === '' ? '.' : flags,
        seq: near((c.t.rcv.nxt - c.irs) | 0),
        ack: near((c.t.snd.nxt - c.iss) | 0),
        window: random.below(65536),
        data: random.below(1400),
        urgent: random.below(65536),
        tos: random.below(256),
        sack: random.chance(0.3) ? [[near(c.hostEnd), near(c.hostEnd)]] : [],
      })
      if (random.chance(0.1)) c.t.receive(new Uint8Array(3000), 0, 3000, 0, null)
      if (random.chance(0.1)) c.advance(random.below(1000))
      if (random.chance(0.01)) c.shutdown(random.below(3))
      audit(c)
      c.drain()
    }
  }
})

tcp('Short and truncated segments: counted as errors, nothing else (RFC 9293 §3.1)', () => {
  const c = established()
  const host = c.host
  const inject = host.inject.bind(host)
  let cut = 0
  host.inject = (bytes: Uint8Array): void => {
    // The IP length is made to fit, the TCP header is not.
    const short = bytes.slice(0, bytes.length - cut)
    short[2] = short.length >>> 8
    short[3] = short.length & 0xff
    let sum = 0
    short[10] = short[11] = 0
    for (let i = 0; i < 20; i += 2) sum += ((short[i] as number) << 8) | (short[i + 1] as number)
    sum = (sum & 0xffff) + (sum >>> 16)
    short[10] = (~sum >>> 8) & 0xff
    short[11] = ~sum & 0xff
    inject(short)
  }
  for (cut = 1; cut <= 20; cut++) c.send({ seq: 1, ack: 1 })
  assert.equal(c.counter('TcpInErrs'), 20)
  assert.equal(c.state, 'ESTABLISHED')
  host.inject = inject
})

tcp(
  'A window that shrinks below what is out: nothing beyond its edge is sent, and all arrives when it opens (RFC 9293 §3.8.6)',
  () => {
    const c = established({ sndbuf: 1 << 20 })
    c.write(MSS * 10)
    c.drain()
    for (const window of [5000, 1000, 0]) c.send({ ack: 1, window })
    audit(c)
    c.write(MSS * 10)
    c.advance(3000)
    for (const s of c.drain()) assert.ok(s.seq + s.data <= 1 + MSS * 10, `${s.seq}:${s.seq + s.data}`)
    for (let i = 0; i < 200 && c.t.txHead !== null; i++) {
      c.send({ window: 65535 })
      c.advance(1000)
      c.drain()
    }
    assert.equal(c.t.txHead, null)
  },
)

tcp(
  'A zero window for ever: probes come ever more rarely, memory stays, and a live peer keeps the connection (RFC 9293 §3.8.6.1)',
  () => {
    const c = established({ sndbuf: 100000 })
    c.send({ window: 0 })
    c.write(100000)
    const held = c.host.pool.outstanding
    let probes = 0
    for (let minute = 0; minute < 240; minute++) {
      c.advance(60000)
      for (const _ of c.drain()) {
        probes++
        c.send({ ack: 1, window: 0 })
      }
      c.drain()
    }
    assert.equal(c.state, 'ESTABLISHED')
    assert.ok(probes >= 100 && probes < 300, `${probes} probes in four hours`)
    assert.ok(c.host.pool.outstanding <= held + 4)
  },
)

tcp('SACK reneging: data taken back is sent again from its first byte (RFC 2018 §8; tcp_check_sack_reneging)', () => {
  const c = established({ sack: true, sndbuf: 1 << 20 })
  c.write(MSS * 10)
  c.drain()
  c.send({ ack: 1, sack: [[1 + MSS, 1 + MSS * 10]] })
  // It acknowledges the first segment only: what it had said to have is gone.
  c.send({ ack: 1 + MSS })
  for (let i = 0; i < 40 && c.t.txHead !== null; i++) {
    c.advance(500)
    audit(c)
    const high = c
      .drain()
      .reduce((most, s) => Math.max(most, s.data > 0 && s.seq <= c.t.snd.una - c.iss ? s.seq + s.data : 0), 0)
    if (high > 0) c.send({ ack: high })
  }
  assert.equal(c.t.txHead, null)
  assert.ok(c.counter('TcpExtTCPSACKReneging') > 0)
})

tcp(
  'A storm of SACKs, 20,000 of them with other blocks each time: the work for each is bounded by the queue (CVE-2019-11477, -11478)',
  () => {
    const c = established({ sack: true, sndbuf: 1 << 20, wscale: 7, window: 10000, mss: 200 })
    c.write(1 << 19)
    c.drain()
    const random = new Random(3, 3)
    const most = c.host.tcp.segments.outstanding
    for (let i = 0; i < 20000; i++) {
      const block = (): readonly [number, number] => {
        const from = 1 + random.below(Math.max(1, c.hostEnd - 2))
        return [from, Math.min(c.hostEnd, from + 1 + random.below(300))]
      }
      c.send({ ack: 1, sack: [block(), block(), block()] })
      if (i % 64 === 0) c.drain()
    }
    audit(c)
    // Cuts at block edges are no finer than segments (tcp_match_skb_to_sack).
    assert.ok(c.host.tcp.segments.outstanding <= 2 * most + 4000, `${c.host.tcp.segments.outstanding} after ${most}`)
  },
)

tcp('A tiny MSS: segments are no shorter than tcp_min_snd_mss allows (CVE-2019-11479)', () => {
  for (const mss of [0, 1, 8, 40, 48]) {
    const c = established({ mss, sndbuf: 1 << 20 })
    c.write(10000)
    const lengths = c.drain().map((s) => s.data)
    assert.ok(
      lengths.length > 0 && Math.min(...lengths) >= (mss === 0 ? 536 : 48) - 20,
      `MSS ${mss}: ${lengths.join(' ')}`,
    )
  }
})

tcp(
  'Timestamps that go back: PAWS drops and answers, a reset or an old ACK does not end the connection (RFC 7323 §5.3)',
  () => {
    const c = established({ ts: true })
    c.send({ data: 100 })
    c.drain()
    const now = c.tsNow
    for (const back of [2, 1000, 1 << 20, 0x7ffffffe])
      c.send({ seq: 101, data: 100, ts: [(now - back) | 0, c.tsSeen], ack: 1 })
    c.drain()
    assert.equal(c.read(), 100)
    assert.ok(c.counter('TcpExtPAWSEstab') >= 4)
    assert.equal(c.state, 'ESTABLISHED')
  },
)

tcp('Sequence numbers and clocks crossing 2^31 and 2^32, both ways: the stream goes through (RFC 9293 §3.4)', () => {
  for (const edge of [0x7fffffff, -1]) {
    const c = established({
      ts: true,
      sack: true,
      iss: edge - 3 * MSS,
      irs: edge - 5 * MSS,
      startMs: edge === -1 ? 4294967000 : 2147483000,
    })
    for (let i = 0; i < 12; i++) {
      c.write(MSS)
      c.drain()
      c.send({ seq: 1 + 1400 * i, data: 1400 })
      c.drain()
      c.advance(100)
      assert.equal(c.read(), 1400)
    }
    c.send()
    assert.equal(c.t.txHead, null)
  }
})

tcp(
  'FIN, RST and SYN at each sequence in each state: no exception, and everything is given back at the end (RFC 9293 §3.10.7)',
  () => {
    const states = [
      listening,
      synReceived,
      synSent,
      established,
      finWait1,
      finWait2,
      closing,
      timeWait,
      closeWait,
      lastAck,
    ]
    for (const make of states) {
      for (const flags of ['F', 'F.', 'R', 'R.', 'S', 'S.', 'SF', 'SR', 'FR']) {
        for (const seq of [-1, 0, 1, 2, 1000, 70000, 0x7fffffff]) {
          const c = make()
          for (const ack of [0, 1, 2, 3, 1 << 30]) c.send({ flags, seq, ack })
          assert.ok(c.drain().length <= 6, `${make.name} ${flags} at ${seq}`)
        }
      }
    }
  },
)

tcp(
  'A million one-byte segments out of order: memory within the buffer, work for each bounded (tcp_collapse, tcp_prune_ofo_queue)',
  () => {
    const c = established({ sack: true, rcvbuf: 100000 })
    for (let i = 0; i < 1_000_000; i++) {
      c.send({ seq: 3 + ((i * 7919) % 24000) * 2, data: 1, ack: 1 })
      if (i % 256 === 0) {
        c.drain()
        assert.ok(c.t.rmemAlloc <= 200000 && c.host.pool.outstanding < 400)
      }
    }
    c.drain()
  },
)
