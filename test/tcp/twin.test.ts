/** Fast structures against slow obvious twins: table of connections, transmit segments, reassembly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADROOM, type Packet } from '../../src/buf/packet.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import { Random } from '../../src/sys/random.ts'
import { HalfSipHash } from '../../src/sys/siphash.ts'
import { ConnectionTable } from '../../src/tcp/connection-table.ts'
import { type TxSegment, TxSegmentPool } from '../../src/tcp/tx-segment.ts'
import { established, patternBytes, tcp } from './dsl.ts'

test('Connection table: agrees with a Map over random sets, replacements, deletes and look-ups', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const random = new Random(seed)
    const table = new ConnectionTable<{ n: number }>(new HalfSipHash(random))
    const twin = new Map<string, { n: number }>()
    const stray = { n: -1 }
    for (let i = 0; i < 20000; i++) {
      const local = random.below(2)
      const remote = random.below(40)
      const ports = random.below(30) - 15
      const key = `${local} ${remote} ${ports}`
      const known = twin.get(key)
      // Phases of growth and of decline, so that tombstones and both directions of resizing are met.
      if (random.chance((i >> 11) % 2 === 0 ? 0.7 : 0.3)) {
        const value = { n: i }
        table.set(local, remote, ports, value)
        twin.set(key, value)
      } else if (known !== undefined) {
        table.delete(local, remote, ports, random.chance(0.9) ? known : stray)
        if (table.get(local, remote, ports) === undefined) twin.delete(key)
        else assert.equal(table.get(local, remote, ports), known)
      } else table.delete(local, remote, ports, stray)
      assert.equal(table.get(local, remote, ports), twin.get(key))
      assert.equal(table.size, twin.size)
    }
    assert.deepEqual(new Set(table.values()), new Set(twin.values()))
    for (const [key, value] of twin) {
      const [local, remote, ports] = key.split(' ').map(Number)
      assert.equal(table.get(local as number, remote as number, ports as number), value)
    }
  }
})

test("Connection table: a delete of somebody else's value under the key takes nothing out", () => {
  const table = new ConnectionTable<object>(new HalfSipHash(new Random(1)))
  const mine = {}
  table.set(1, 2, 3, mine)
  table.delete(1, 2, 3, {})
  assert.equal(table.get(1, 2, 3), mine)
  assert.equal(table.size, 1)
})

/** The bytes of a segment, by way of a packet. */
function bytesOf(pool: PacketPool, s: TxSegment, copyBelow: number): number[] {
  const packet = pool.allocHeader(s.bytes <= copyBelow ? s.bytes : 0)
  s.fill(packet, copyBelow)
  assert.equal(packet.start, HEADROOM)
  const bytes = [...packet.toBytes()]
  packet.release()
  return bytes
}

test('Transmit segments: append, trim, split and absorb agree with plain arrays, and every chunk comes back', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = new Random(seed)
    const pool = new PacketPool()
    const segments = new TxSegmentPool()
    const chunks = Array.from({ length: 4 }, () => pool.takeChunk(3000))
    for (const chunk of chunks) for (let i = 0; i < 3000; i++) chunk.bytes[i] = random.below(256)
    let list: { s: TxSegment; twin: number[] }[] = [{ s: segments.take(), twin: [] }]
    for (let i = 0; i < 300; i++) {
      const at = random.below(list.length)
      const { s, twin } = list[at] as { s: TxSegment; twin: number[] }
      const dice = random.below(10)
      if (dice < 5) {
        const chunk = chunks[random.below(4)] as (typeof chunks)[number]
        const offset = random.below(2900)
        const length = 1 + random.below(100)
        if (s.append(chunk, offset, length)) twin.push(...chunk.bytes.subarray(offset, offset + length))
      } else if (dice < 7 && twin.length > 0) {
        const n = random.below(twin.length + 1)
        s.trimFront(n)
        twin.splice(0, n)
      } else if (dice < 9 && twin.length > 1) {
        const n = 1 + random.below(twin.length - 1)
        const rest = segments.take()
        s.splitInto(rest, n)
        list.splice(at + 1, 0, { s: rest, twin: twin.splice(n) })
      } else if (at + 1 < list.length) {
        const next = list[at + 1] as { s: TxSegment; twin: number[] }
        if (s.absorb(next.s)) {
          twin.push(...next.twin)
          segments.give(next.s)
          list.splice(at + 1, 1)
        }
      }
      assert.equal(s.bytes, twin.length)
      assert.deepEqual(bytesOf(pool, s, random.chance(0.5) ? 200 : 0), twin)
    }
    for (const { s, twin } of list) {
      assert.deepEqual(bytesOf(pool, s, 0), twin)
      segments.give(s)
    }
    list = []
    assert.equal(segments.outstanding, 0)
    assert.equal(pool.outstanding, 0)
    for (const chunk of chunks) assert.equal(chunk.refs, 1)
  }
})

tcp(
  'Reassembly: random overlapping segments give exactly the stream of an obvious byte map, whatever the order',
  () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed, 5)
      const total = 2000 + random.below(6000)
      const c = established({ sack: seed % 2 === 0, rcvbuf: 4 << 20, irs: 0x7fffffff - random.below(4000) })
      const have = new Uint8Array(total + 2)
      const got: number[] = []
      const read = (): void => {
        const b = new Uint8Array(10000)
        for (let n = c.t.receive(b, 0, b.length, 0, null); n > 0; n = c.t.receive(b, 0, b.length, 0, null))
          got.push(...b.subarray(0, n))
      }
      let edge = 1
      while (edge <= total) {
        const from = random.chance(0.2) ? edge : Math.max(1, edge - 500 + random.below(3000))
        const length = Math.min(1 + random.below(random.chance(0.3) ? 1400 : 60), total + 1 - from)
        if (length <= 0) continue
        c.send({ seq: from, data: length, ack: 1 })
        have.fill(1, from, from + length)
        while (have[edge] === 1) edge++
        assert.equal((c.t.rcv.nxt - c.irs) | 0, edge, `seed ${seed}: RCV.NXT is where the twin's first gap is`)
        checkOutOfOrder(c.t.oooHead, have, c.irs, edge)
        if (random.chance(0.1)) read()
      }
      read()
      assert.deepEqual(Buffer.from(got), Buffer.from(patternBytes(1, total)), `seed ${seed}`)
      assert.equal(c.t.oooHead, null)
      assert.equal(c.t.rmemAlloc, 0)
    }
  },
)

/** The out-of-order queue is sorted, and holds exactly what the twin has beyond the first gap; packets may overlap. */
function checkOutOfOrder(head: Packet | null, have: Uint8Array, irs: number, edge: number): void {
  let at = edge
  const held = new Uint8Array(have.length)
  for (let p = head; p !== null; p = p.next) {
    const seq = (p.seq - irs) | 0
    assert.ok(seq >= at, 'sorted')
    assert.equal((p.endSeq - p.seq) | 0, p.length)
    at = seq
    held.fill(1, seq, seq + p.length)
  }
  assert.deepEqual(Buffer.from(held.subarray(edge)), Buffer.from(have.subarray(edge)))
}
