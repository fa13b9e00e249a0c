import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CSUM_NONE, CSUM_PARTIAL, CSUM_VERIFIED, type Packet } from '../../src/buf/packet.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import { Gro } from '../../src/link/gro.ts'
import { completeChecksum, conform, linearize, segment, sumFrom } from '../../src/link/gso.ts'
import { F_ALL, F_CSUM, F_SG, F_TSO } from '../../src/link/link.ts'
import { Random } from '../../src/sys/random.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'
import { checksumsAreRight, received, streamByte, tcpFrame, udpFrame } from './frames.ts'

/** What `segment` makes of `packet`. */
function cut(packet: Packet, features = F_SG): Packet[] {
  const made: Packet[] = []
  segment(packet, (p) => made.push(p), features)
  return made
}

const payloadOf = (p: Packet): Uint8Array => p.toBytes().subarray(p.l4 - p.start + tcp.headerLength(p.bytes, p.l4))

describe('software segmentation', () => {
  for (const slices of [undefined, 1, 3, 16, 17]) {
    test(`a TCP packet of 10000 bytes, ${slices ?? 'no'} slices: wire packets in order, checksums right (tcp_gso_segment)`, () => {
      const pool = new PacketPool()
      const flags = tcp.ACK | tcp.PSH | tcp.FIN | tcp.CWR
      const seq = 0x7fffff00
      const options = {
        payload: 10000,
        gsoSize: 1448,
        seq,
        flags,
        id: 0xfffe,
        ...(slices === undefined ? {} : { slices }),
      }
      const parts = cut(tcpFrame(pool, options))
      assert.equal(parts.length, 7)
      let at = 0
      for (const [i, p] of parts.entries()) {
        const isLast = i === 6
        const bytes = p.toBytes()
        assert.equal(p.gsoSize, 0)
        assert.equal(p.csum, CSUM_NONE)
        assert.equal(ipv4.totalLength(bytes, 14), bytes.length - 14)
        assert.equal(ipv4.id(bytes, 14), (0xfffe + i) & 0xffff)
        assert.ok(checksumsAreRight(bytes), `checksum of segment ${i}`)
        assert.equal(tcp.seq(bytes, 34), (seq + at) | 0)
        const expected = tcp.ACK | (i === 0 ? tcp.CWR : 0) | (isLast ? tcp.PSH | tcp.FIN : 0)
        assert.equal(tcp.flags(bytes, 34), expected)
        const payload = payloadOf(p)
        assert.equal(payload.length, isLast ? 10000 - 6 * 1448 : 1448)
        for (const [k, byte] of payload.entries()) assert.equal(byte, streamByte(seq + at + k))
        at += payload.length
        p.release()
      }
      assert.equal(at, 10000)
      assert.equal(pool.outstanding, 0)
    })
  }

  test('a UDP packet with a segment size: datagrams with lengths of their own (UDP_SEGMENT)', () => {
    const pool = new PacketPool()
    const parts = cut(udpFrame(pool, { payload: 2500, gsoSize: 1000, slices: 2 }))
    assert.deepEqual(
      parts.map((p) => udp.length(p.bytes, p.l4)),
      [1008, 1008, 508],
    )
    for (const p of parts) {
      assert.ok(checksumsAreRight(p.toBytes()))
      p.release()
    }
    assert.equal(pool.outstanding, 0)
  })

  test('segments for a link that fills in checksums: CSUM_PARTIAL with the pseudo-header sum of each length', () => {
    const pool = new PacketPool()
    for (const p of cut(tcpFrame(pool, { payload: 3000, gsoSize: 1448 }), F_SG | F_CSUM)) {
      assert.equal(p.csum, CSUM_PARTIAL)
      completeChecksum(p)
      assert.ok(checksumsAreRight(p.toBytes()))
      p.release()
    }
  })

  test('a packet no longer than one segment: goes as it is, no longer marked as several', () => {
    const pool = new PacketPool()
    const [only, ...rest] = cut(tcpFrame(pool, { payload: 1448, gsoSize: 1448 }))
    assert.equal(rest.length, 0)
    assert.equal(only?.gsoSize, 0)
    assert.ok(checksumsAreRight((only as Packet).toBytes()))
    only?.release()
    assert.equal(pool.outstanding, 0)
  })

  test('the owner is told once the last segment has left, not before (skb_segment)', () => {
    const pool = new PacketPool()
    const packet = tcpFrame(pool, { payload: 5000, gsoSize: 1448 })
    let left = 0
    packet.owner = { packetLeft: (n: number) => (left += n) }
    packet.ownerBytes = 5000
    const parts = cut(packet)
    for (const [i, p] of parts.entries()) {
      assert.equal(left, 0)
      p.release()
      assert.equal(left, i === parts.length - 1 ? 5000 : 0)
    }
  })

  test('what cannot be cut (no offsets, not TCP or UDP): dropped, nothing leaks', () => {
    const pool = new PacketPool()
    for (const spoil of [
      (p: Packet) => (p.l4 = -1),
      (p: Packet) => (p.protocol = 1),
      (p: Packet) => (p.bytes[p.l3] = 0x65),
    ]) {
      const packet = tcpFrame(pool, { payload: 5000, gsoSize: 1448 })
      spoil(packet)
      assert.equal(cut(packet).length, 0)
    }
    assert.equal(pool.outstanding, 0)
  })

  test('conform: each feature a link lacks is made up for in software, and nothing else', () => {
    const pool = new PacketPool()
    const made = (features: number): Packet[] => {
      const out: Packet[] = []
      conform(tcpFrame(pool, { payload: 3000, gsoSize: 1448, slices: 3 }), features, (p) => out.push(p))
      return out
    }
    for (const features of [F_ALL, F_TSO, F_SG, F_CSUM, F_SG | F_CSUM, 0]) {
      for (const p of made(features)) {
        assert.equal(p.gsoSize > 0, (features & F_TSO) !== 0)
        assert.equal(p.csum === CSUM_PARTIAL, (features & F_CSUM) !== 0)
        if ((features & F_SG) === 0) assert.equal(p.fragCount, 0)
        p.release()
      }
    }
    assert.equal(pool.outstanding, 0)
  })
})

describe('checksum completion', () => {
  test('payload in slices of odd lengths at odd offsets: as over one piece (RFC 1071 §2(B))', () => {
    const random = new Random(11)
    for (let round = 0; round < 300; round++) {
      const pool = new PacketPool()
      const payload = random.below(3000)
      const slices = 1 + random.below(16)
      const make = random.chance(0.5) ? tcpFrame : udpFrame
      const p = make(pool, { payload, slices, partial: true, seed: round })
      completeChecksum(p)
      assert.equal(p.csum, CSUM_NONE)
      assert.ok(checksumsAreRight(p.toBytes()), `round ${round}: ${payload} bytes in ${slices} slices`)
      const l4 = p.l4
      const inSlices = sumFrom(p, l4, 0) % 65535
      linearize(p)
      assert.equal(sumFrom(p, l4, 0) % 65535, inSlices)
      p.release()
      assert.equal(pool.outstanding, 0)
    }
  })

  test('UDP whose checksum comes out as zero: stored as all ones (RFC 768)', () => {
    const pool = new PacketPool()
    // The two payload bytes are chosen so that everything sums to 0xffff.
    const p = udpFrame(pool, { payload: 2, partial: true })
    const at = p.l4 + 8
    p.bytes[at] = p.bytes[at + 1] = 0
    const rest = sumFrom(p, p.l4, 0) % 65535
    const need = (65535 - rest) % 65535
    p.bytes[at] = need >>> 8
    p.bytes[at + 1] = need & 255
    completeChecksum(p)
    assert.equal(udp.checksumField(p.bytes, p.l4), 0xffff)
    p.release()
  })
})

/** Merges `packets` in one batch. */
function merge(packets: readonly Packet[]): Packet[] {
  const out: Packet[] = []
  const gro = new Gro((p) => out.push(p))
  for (const p of packets) gro.receive(p)
  gro.flush()
  return out
}

const atNetwork = (p: Packet): Packet => {
  p.csum = CSUM_NONE
  return p
}

const stream = (pool: PacketPool, count: number, size: number, more: object = {}): Packet[] =>
  Array.from({ length: count }, (_, i) =>
    atNetwork(tcpFrame(pool, { payload: size, seq: i * size, id: 1 + i, ...more })),
  )

describe('receive offload', () => {
  test('merged and cut again: identical bytes, for any sizes and slices', () => {
    const random = new Random(5)
    for (let round = 0; round < 100; round++) {
      const pool = new PacketPool()
      const payload = 2000 + random.below(40000)
      const gsoSize = 500 + random.below(1500)
      const packet = tcpFrame(pool, {
        payload,
        gsoSize,
        slices: 1 + random.below(16),
        flags: tcp.ACK | tcp.PSH,
        id: random.below(65536),
      })
      const wire = cut(packet)
      const bytes = wire.map((p) => p.toBytes())
      const again: Uint8Array[] = []
      for (const p of merge(wire)) {
        if (p.gsoSize === 0) {
          again.push(p.toBytes())
          p.release()
        } else
          segment(
            p,
            (s) => {
              again.push(s.toBytes())
              s.release()
            },
            F_SG,
          )
      }
      assert.deepEqual(again, bytes, `round ${round}: ${payload} bytes in segments of ${gsoSize}`)
      assert.equal(pool.outstanding, 0)
    }
  })

  test('segments in order: one packet that says what it stands for, its checksum vouched for (tcp4_gro_complete)', () => {
    const pool = new PacketPool()
    const [merged, ...rest] = merge(stream(pool, 10, 1000))
    assert.ok(merged !== undefined)
    assert.equal(rest.length, 0)
    assert.equal(merged.gsoSize, 1000)
    assert.equal(merged.gsoSegments, 10)
    assert.equal(merged.csum, CSUM_PARTIAL)
    assert.equal(ipv4.totalLength(merged.bytes, merged.l3), 20 + 32 + 10000)
    assert.ok(ipv4.checksumOk(merged.bytes, merged.l3))
    completeChecksum(merged)
    assert.ok(checksumsAreRight(merged.toBytes()))
    merged.release()
    assert.equal(pool.outstanding, 0)
  })

  test('PSH or a shorter segment: part of the merge, and its end', () => {
    for (const last of [{ flags: tcp.ACK | tcp.PSH }, { payload: 400 }]) {
      const pool = new PacketPool()
      const packets = [
        ...stream(pool, 3, 1000),
        atNetwork(tcpFrame(pool, { payload: 1000, seq: 3000, id: 4, ...last })),
        atNetwork(tcpFrame(pool, { payload: 1000, seq: 3000 + ('payload' in last ? 400 : 1000), id: 5 })),
      ]
      const out = merge(packets)
      assert.deepEqual(
        out.map((p) => p.gsoSegments),
        [4, 0],
      )
      const first = out[0] as Packet
      assert.equal((tcp.flags(first.bytes, first.l4) & tcp.PSH) !== 0, 'flags' in last)
      for (const p of out) p.release()
      assert.equal(pool.outstanding, 0)
    }
  })

  const differences: [string, object][] = [
    ['a gap in the sequence', { seq: 2000 }],
    ['another acknowledgment', { ack: 6 }],
    ['another window', { window: 501 }],
    ['another timestamp', { options: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 8, 0, 0, 0, 9) }],
    ['no options', { options: new Uint8Array(0) }],
    ['another TOS (ECN CE)', { tos: 3 }],
    ['no DF', { df: false }],
    ['an identification that does not count up', { id: 9 }],
    ['a longer payload', { payload: 1001 }],
    ['FIN', { flags: tcp.ACK | tcp.FIN }],
    ['URG', { flags: tcp.ACK | tcp.URG }],
    ['no payload', { payload: 0 }],
  ]
  for (const [what, difference] of differences) {
    test(`the next segment has ${what}: not merged, not overtaken (tcp_gro_receive)`, () => {
      const pool = new PacketPool()
      const a = atNetwork(tcpFrame(pool, { payload: 1000, seq: 0, id: 1 }))
      const b = atNetwork(tcpFrame(pool, { payload: 1000, seq: 1000, id: 2, ...difference }))
      const bytes = [a.toBytes(), b.toBytes()]
      const out = merge([a, b])
      assert.deepEqual(
        out.map((p) => p.toBytes()),
        bytes,
      )
      for (const p of out) p.release()
      assert.equal(pool.outstanding, 0)
    })
  }

  test('a segment with a wrong checksum: goes up unmerged and unverified, for TCP to count', () => {
    const pool = new PacketPool()
    const packets = stream(pool, 3, 1000)
    const bad = packets[1] as Packet
    bad.bytes[bad.end - 1] = (bad.bytes[bad.end - 1] as number) ^ 1
    const out = merge(packets)
    assert.deepEqual(
      out.map((p) => p.csum),
      [CSUM_VERIFIED, CSUM_NONE, CSUM_VERIFIED],
    )
    for (const p of out) p.release()
  })

  test('two connections interleaved: each merges on its own', () => {
    const pool = new PacketPool()
    const a = stream(pool, 5, 1000, { srcPort: 1 })
    const b = stream(pool, 5, 1000, { srcPort: 2 })
    const out = merge(a.flatMap((p, i) => [p, b[i] as Packet]))
    assert.deepEqual(
      out.map((p) => [tcp.srcPort(p.bytes, p.l4), p.gsoSegments]),
      [
        [1, 5],
        [2, 5],
      ],
    )
    for (const p of out) p.release()
    assert.equal(pool.outstanding, 0)
  })

  test('more than a packet can hold: a full one goes, the next begins; total length never passes 65535', () => {
    const pool = new PacketPool()
    const out = merge(stream(pool, 100, 1448))
    let segments = 0
    for (const p of out) {
      assert.ok(p.length - 14 <= 65535 && p.fragCount <= 17)
      segments += p.gsoSegments
      p.release()
    }
    assert.equal(segments, 100)
    assert.equal(pool.outstanding, 0)
  })

  test('frames that are no TCP, padded, truncated or random: passed on as they came', () => {
    const random = new Random(3)
    const pool = new PacketPool()
    for (let round = 0; round < 2000; round++) {
      const bytes = tcpFrame(pool, { payload: random.below(80), seq: 0 }).toBytes()
      const frame = random.chance(0.5)
        ? bytes.subarray(0, 14 + random.below(bytes.length - 14))
        : Uint8Array.of(...bytes, 0, 0)
      for (let flips = random.below(4); flips > 0; flips--)
        frame[14 + random.below(frame.length - 14)] = random.below(256)
      const [out, ...rest] = merge([received(pool, frame)])
      assert.equal(rest.length, 0)
      assert.deepEqual(out?.toBytes(), frame)
      out?.release()
    }
  })
})
