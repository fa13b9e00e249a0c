import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  CHUNK,
  type Chunk,
  CSUM_PARTIAL,
  copy,
  FRAME,
  HEADROOM,
  MAX_FRAGS,
  Packet,
  SMALL,
} from '../../src/buf/packet.ts'
import { PacketPool, POOL_LIMIT } from '../../src/buf/pool.ts'
import { Random } from '../../src/sys/random.ts'

/** The slow obvious version: a packet is the bytes it has. */
class Twin {
  readonly packet: Packet
  bytes: number[]
  constructor(packet: Packet, bytes: number[]) {
    this.packet = packet
    this.bytes = bytes
  }
}

/** Packets, their twins, and every chunk that was ever seen. */
class World {
  readonly pool = new PacketPool()
  readonly random: Random
  readonly live: Twin[] = []
  readonly chunks = new Set<Chunk>()

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  bytes(n: number): number[] {
    return Array.from({ length: n }, () => this.random.below(256))
  }

  any(): Twin | undefined {
    return this.live[this.random.below(this.live.length)]
  }

  add(packet: Packet, bytes: number[]): void {
    this.live.push(new Twin(packet, bytes))
  }

  step(): void {
    const twin = this.any()
    if (twin === undefined || (this.live.length < 8 && this.random.chance(0.1))) this.create()
    else OPERATIONS[this.random.below(OPERATIONS.length)]?.(this, twin)
    for (const { packet } of this.live) {
      this.chunks.add(packet.chunk)
      for (let i = 0; i < packet.fragCount; i++) this.chunks.add(packet.fragChunk[i] as Chunk)
    }
  }

  create(): void {
    const bytes = this.bytes(this.random.below(this.random.chance(0.2) ? 3000 : 200))
    const headroom = this.random.chance(0.5) ? HEADROOM : this.random.below(64)
    this.add(this.pool.fromBytes(Uint8Array.from(bytes), headroom), bytes)
  }

  check(seed: number, step: number): void {
    for (const { packet, bytes } of this.live) {
      assert.ok(Buffer.from(bytes).equals(packet.toBytes()), `bytes differ: seed ${seed} step ${step}`)
      assert.equal(packet.length, bytes.length)
      let fragBytes = 0
      for (let i = 0; i < packet.fragCount; i++) {
        fragBytes += packet.fragLength[i] as number
        assert.ok((packet.fragChunk[i] as Chunk).refs > 0)
      }
      assert.equal(packet.fragBytes, fragBytes)
      assert.ok(
        packet.fragCount <= MAX_FRAGS && packet.bytes === packet.chunk.bytes && packet.view === packet.chunk.view,
      )
    }
    assert.equal(this.pool.outstanding, this.live.length)
  }

  releaseAll(): void {
    for (const { packet } of this.live.splice(0)) packet.release()
  }
}

type Operation = (w: World, t: Twin) => void

const OPERATIONS: Operation[] = [
  function push(w, { packet, bytes }) {
    const n = w.random.below(Math.min(packet.start, 40) + 1)
    packet.unshare()
    const at = packet.push(n)
    const header = w.bytes(n)
    packet.bytes.set(header, at)
    bytes.unshift(...header)
  },
  function pull(w, { packet, bytes }) {
    const n = w.random.below(Math.min(packet.linear, 40) + 1)
    packet.pull(n)
    bytes.splice(0, n)
  },
  function put(w, { packet, bytes }) {
    if (packet.fragCount > 0) return
    packet.unshare()
    const n = w.random.below(Math.min(packet.bytes.length - packet.end, 60) + 1)
    const tail = w.bytes(n)
    packet.bytes.set(tail, packet.put(n))
    bytes.push(...tail)
  },
  function addFrag(w, { packet, bytes }) {
    const data = w.bytes(1 + w.random.below(300))
    const chunk = w.pool.takeChunk(data.length + 10)
    const offset = w.random.below(10)
    chunk.bytes.set(data, offset)
    const first = 1 + w.random.below(data.length)
    const full = packet.fragCount === MAX_FRAGS
    assert.equal(packet.addFrag(chunk, offset, first), !full)
    if (!full) {
      bytes.push(...data.slice(0, first))
      // What follows in the same chunk makes the slice longer; it takes no other.
      const count = packet.fragCount
      assert.equal(packet.addFrag(chunk, offset + first, data.length - first), true)
      assert.equal(packet.fragCount, count)
      bytes.push(...data.slice(first))
    }
    chunk.unref()
  },
  function addPage(w, { packet, bytes }) {
    const data = w.bytes(1 + w.random.below(500))
    const n = w.pool.pageRoom(data.length)
    assert.ok(n >= 1 && n <= data.length)
    w.pool.page.bytes.set(data.slice(0, n), w.pool.pageOffset)
    if (packet.addFrag(w.pool.page, w.pool.pageOffset, n)) bytes.push(...data.slice(0, n))
    w.pool.pageTake(n)
  },
  function trimFront(w, { packet, bytes }) {
    const n = w.random.below(bytes.length + 1)
    packet.trimFront(n)
    bytes.splice(0, n)
  },
  function trimTo(w, { packet, bytes }) {
    const n = w.random.below(bytes.length + 20)
    packet.trimTo(n)
    bytes.splice(n)
  },
  function shareInto(w, { packet, bytes }) {
    const from = w.random.below(bytes.length + 1)
    const length = w.random.below(bytes.length - from + 1)
    const to = w.pool.allocHeader()
    if (packet.shareInto(to, from, length)) w.add(to, bytes.slice(from, from + length))
    else to.release()
  },
  function shareMore(w, { packet, bytes }) {
    const other = w.any() as Twin
    if (other.packet === packet || bytes.length === 0) return
    const before = other.packet.length
    if (packet.shareInto(other.packet, 0, bytes.length)) other.bytes.push(...bytes)
    // It did not fit as a whole: what was added is taken off again.
    else other.packet.trimTo(before)
  },
  function copyTo(w, { packet, bytes }) {
    const from = w.random.below(bytes.length + 1)
    const length = w.random.below(bytes.length - from + 1)
    const into = new Uint8Array(length + 7)
    packet.copyTo(into, 3, from, length)
    assert.deepEqual([...into], [0, 0, 0, ...bytes.slice(from, from + length), 0, 0, 0, 0])
  },
  function pullUp(w, { packet, bytes }) {
    const n = w.random.below(bytes.length + 10)
    assert.equal(packet.pullUp(n), n <= bytes.length)
    assert.ok(n > bytes.length || packet.linear >= n)
  },
  function write(w, { packet, bytes }) {
    if (packet.linear === 0) return
    packet.unshare()
    const at = w.random.below(packet.linear)
    packet.bytes[packet.start + at] = bytes[at] = w.random.below(256)
  },
  function clone(w, { packet, bytes }) {
    packet.l4 = packet.start
    packet.csum = CSUM_PARTIAL
    const p = packet.clone()
    assert.equal(p.l4, packet.l4)
    assert.equal(p.csum, CSUM_PARTIAL)
    assert.notEqual(p.chunk, packet.chunk)
    w.add(p, [...bytes])
  },
  release,
  // Twice in the list when there are many, so that their number stays small.
  (w, twin) => {
    if (w.live.length > 6) release(w, twin)
  },
]

function release(w: World, twin: Twin): void {
  twin.packet.release()
  w.live.splice(w.live.indexOf(twin), 1)
}

describe('packets', () => {
  test('random operations: the bytes of the slow twin, references as many as there are holders', () => {
    const only = process.env.SEED === undefined ? undefined : Number(process.env.SEED)
    for (let seed = only ?? 1; seed <= (only ?? 150); seed++) {
      const w = new World(seed)
      try {
        for (let step = 0; step < 150; step++) {
          w.step()
          w.check(seed, step)
        }
        w.releaseAll()
        assert.equal(w.pool.outstanding, 0)
        // What is left is held once at most: by a packet in the pool, or by the pool as its page.
        for (const chunk of w.chunks) assert.ok(chunk.refs <= 1, `a chunk with ${chunk.refs} references`)
      } catch (error) {
        console.log(`replay: SEED=${seed} node --import tsx --test test/buf/packet.test.ts`)
        throw error
      }
    }
  })

  test('released and taken again: nothing of its former life shows', () => {
    const pool = new PacketPool()
    const p = pool.allocHeader(100)
    p.l3 = p.l4 = 20
    p.csum = CSUM_PARTIAL
    p.gsoSize = p.gsoSegments = 5
    p.kind = 3
    p.interface = p
    p.flags = p.mark = 9
    const chunk = pool.takeChunk(10)
    p.addFrag(chunk, 0, 10)
    chunk.unref()
    p.release()
    assert.equal(chunk.refs, 0)
    const fresh = new Packet(pool, pool.takeChunk(SMALL))
    const again = pool.alloc(100)
    assert.equal(again, p)
    for (const key of [
      'start',
      'end',
      'fragCount',
      'fragBytes',
      'l3',
      'l4',
      'csum',
      'gsoSize',
      'gsoSegments',
      'kind',
      'interface',
    ] as const)
      assert.equal(again[key], fresh[key], key)
    for (const key of ['next', 'flags', 'mark', 'owner', 'pooled'] as const) assert.equal(again[key], fresh[key], key)
  })

  test('steady state: the same packets and chunks go round, nothing new is made', () => {
    const pool = new PacketPool()
    const seen = new Set<unknown>()
    for (let i = 0; i < 1000; i++) {
      const p = pool.allocHeader(50)
      const q = pool.alloc(1600)
      pool.pageRoom(1000)
      p.addFrag(pool.page, pool.pageOffset, 1000)
      pool.pageTake(1000)
      for (const x of [p, q, p.chunk, q.chunk, pool.page]) seen.add(x)
      p.release()
      q.release()
    }
    assert.equal(seen.size, 5)
  })

  test('a long piece that the page cannot take whole: it lies in a chunk of its own, which comes back; the page goes on', () => {
    const pool = new PacketPool()
    const p = pool.allocHeader()
    assert.equal(pool.pageRoom(20000), 20000)
    const shared = pool.page
    p.addFrag(shared, pool.pageOffset, 20000)
    pool.pageTake(20000)
    assert.equal(pool.pageRoom(60000), 60000)
    const own = pool.page
    assert.notEqual(own, shared)
    assert.equal(pool.pageOffset, 0)
    p.addFrag(own, 0, 60000)
    pool.pageTake(60000)
    assert.equal(own.refs, 1)
    // Not taken after all.
    pool.pageRoom(60000)
    assert.equal(pool.pageRoom(100), 100)
    assert.deepEqual([pool.page, pool.pageOffset], [shared, 20000])
    p.release()
    assert.deepEqual([own.refs, shared.refs], [0, 1])
  })

  test('linear parts of other lengths and places copied one after the other: each time the right bytes', () => {
    const pool = new PacketPool()
    for (const [headroom, length] of [
      [10, 60],
      [10, 60],
      [11, 60],
      [11, 90],
      [10, 60],
    ] as const) {
      const p = pool.fromBytes(
        Uint8Array.from({ length }, (_, i) => i + headroom),
        headroom,
      )
      const to = new Uint8Array(100)
      p.copyTo(to, 3, 0, length)
      assert.deepEqual(to.subarray(3, 3 + length), p.toBytes())
      assert.equal(to[3], headroom)
      p.release()
    }
  })

  test('linear part shared when its packet is released: the bytes live on in the slices, the packet gets another chunk', () => {
    const pool = new PacketPool()
    for (const size of [100, 1500, 5000]) {
      const a = pool.fromBytes(new Uint8Array(size).fill(7))
      const b = pool.allocHeader()
      a.shareInto(b, 0, size)
      a.release()
      const c = pool.fromBytes(new Uint8Array(size).fill(9))
      assert.deepEqual(b.toBytes(), new Uint8Array(size).fill(7))
      b.release()
      c.release()
    }
    assert.equal(pool.outstanding, 0)
  })

  test('sizes: small, frame, chunk, and larger ones that are not kept', () => {
    const pool = new PacketPool()
    for (const [want, got] of [
      [1, SMALL],
      [SMALL, SMALL],
      [SMALL + 1, FRAME],
      [FRAME + 1, CHUNK],
      [CHUNK + 1, CHUNK + 1],
    ] as const) {
      const p = pool.alloc(want)
      assert.equal(p.bytes.length, got)
      p.release()
    }
    assert.equal(pool.outstanding, 0)
  })

  test('more packets released than the pool keeps: the rest goes, no growth without bound', () => {
    const pool = new PacketPool()
    const packets = Array.from({ length: POOL_LIMIT + 10 }, () => pool.alloc(10))
    for (const p of packets) p.release()
    const again = new Set(Array.from({ length: POOL_LIMIT + 10 }, () => pool.alloc(10)))
    assert.equal(packets.filter((p) => again.has(p)).length, POOL_LIMIT)
  })

  test('owner: told once, with its bytes, by orphan or by release', () => {
    const pool = new PacketPool()
    const log: number[] = []
    for (const orphanFirst of [true, false]) {
      const p = pool.alloc(10)
      p.owner = { packetLeft: (n) => log.push(n) }
      p.ownerBytes = 42
      if (orphanFirst) p.orphan()
      p.release()
    }
    assert.deepEqual(log, [42, 42])
  })

  test('bugs of ours: released twice, beyond headroom, tailroom or the linear part: an assertion, not a wrong packet', () => {
    const pool = new PacketPool()
    const p = pool.allocHeader(10)
    assert.throws(() => p.push(HEADROOM + 1), /headroom/)
    assert.throws(() => p.put(10000), /tailroom/)
    assert.throws(() => p.pull(1), /linear/)
    p.release()
    assert.throws(() => p.release(), /twice/)
    const chunk = pool.takeChunk(10)
    chunk.unref()
    assert.throws(() => chunk.unref(), /more often/)
  })

  test('copy: short and long, from the start and from within', () => {
    const from = Uint8Array.from({ length: 200 }, (_, i) => i)
    for (const [offset, length] of [
      [0, 0],
      [0, 200],
      [3, 48],
      [3, 49],
      [100, 100],
    ] as const) {
      const to = new Uint8Array(210)
      copy(to, 5, from, offset, length)
      assert.deepEqual(to.subarray(5, 5 + length), from.subarray(offset, offset + length))
      assert.equal(to[5 + length] ?? 0, 0)
    }
  })
})
