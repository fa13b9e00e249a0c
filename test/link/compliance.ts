/** What every link must do, called with every kind of link (src/link/link.ts is the contract). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Packet, PacketOwner } from '../../src/buf/packet.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import type { Link } from '../../src/link/link.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { BROADCAST, mac, udpFrame } from './frames.ts'

/** Two ends that are joined: what is sent into one arrives at the other. `ends[0] === ends[1]` for a loopback. */
export interface Pair {
  readonly ends: readonly [Link, Link]
}

export type MakePair = (clock: VirtualClock, pool: PacketPool) => Pair

class Account implements PacketOwner {
  left = 0
  packetLeft(bytes: number): void {
    this.left += bytes
  }
}

const clockOf = (): VirtualClock => new VirtualClock()
const frame = (pool: PacketPool, link: Link, seed = 0, payload = 100): Packet =>
  udpFrame(pool, { seed, payload, ip: link.medium === 'ip', to: BROADCAST, from: mac(seed % 250) })

/** Runs the whole suite on links made by `make`. */
export function linkCompliance(name: string, make: MakePair): void {
  describe(`link compliance: ${name}`, () => {
    test('sends: every packet arrives once, in order, with the same bytes', () => {
      const clock = clockOf()
      const pool = new PacketPool()
      const [a, b] = make(clock, pool).ends
      const got: Uint8Array[] = []
      b.attach((p) => {
        got.push(p.toBytes())
        p.release()
      })
      const sent: Uint8Array[] = []
      for (let i = 0; i < 300; i++) {
        const p = frame(pool, a, i, 1 + ((i * 37) % 1400))
        sent.push(p.toBytes())
        assert.equal(a.send(p), true)
      }
      clock.runUntilSync(10e6)
      assert.deepEqual(got, sent)
      assert.equal(pool.outstanding, 0)
    })

    test('send: never runs the receiver inside the sender, however the receiver answers', () => {
      const clock = clockOf()
      const pool = new PacketPool()
      const [a, b] = make(clock, pool).ends
      let depth = 0
      let deepest = 0
      let count = 0
      const answer = (from: Link) => (p: Packet) => {
        deepest = Math.max(deepest, ++depth)
        p.release()
        if (++count < 1000) from.send(frame(pool, from, count))
        depth--
      }
      if (a !== b) a.attach(answer(a))
      b.attach(answer(b))
      a.send(frame(pool, a))
      assert.equal(count, 0)
      clock.runUntilSync(100e6)
      assert.equal(count, 1000)
      assert.equal(deepest, 1)
      assert.equal(pool.outstanding, 0)
    })

    test('send: the sender is told that its bytes have left by the time they arrive', () => {
      const clock = clockOf()
      const pool = new PacketPool()
      const [a, b] = make(clock, pool).ends
      const account = new Account()
      b.attach((p) => {
        assert.equal(p.owner, null)
        p.release()
      })
      for (let i = 0; i < 10; i++) {
        const p = frame(pool, a, i)
        p.owner = account
        p.ownerBytes = 100
        a.send(p)
      }
      clock.runUntilSync(10e6)
      assert.equal(account.left, 1000)
    })

    test('nobody attached: what arrives is released', () => {
      const clock = clockOf()
      const pool = new PacketPool()
      const [a, b] = make(clock, pool).ends
      for (let i = 0; i < 10; i++) a.send(frame(pool, a, i))
      b.attach(undefined)
      clock.runUntilSync(10e6)
      assert.equal(pool.outstanding, 0)
    })

    test('detached and attached again: what comes afterwards arrives', () => {
      const clock = clockOf()
      const pool = new PacketPool()
      const [a, b] = make(clock, pool).ends
      let count = 0
      const receive = (p: Packet) => {
        count++
        p.release()
      }
      b.attach(receive)
      b.attach(undefined)
      a.send(frame(pool, a))
      clock.runUntilSync(10e6)
      assert.equal(count, 0)
      b.attach(receive)
      a.send(frame(pool, a))
      clock.runUntilSync(20e6)
      assert.equal(count, 1)
      assert.equal(pool.outstanding, 0)
    })

    test('flooded without time to deliver: bounded, refused packets are released and the refusal is told', () => {
      const clock = clockOf()
      const pool = new PacketPool()
      const [a, b] = make(clock, pool).ends
      let count = 0
      b.attach((p) => {
        count++
        p.release()
      })
      let taken = 0
      for (let i = 0; i < 20000; i++) if (a.send(frame(pool, a, i, 10))) taken++
      assert.ok(taken < 20000, `took all of ${taken}`)
      assert.ok(pool.outstanding <= taken)
      clock.runUntilSync(10e6)
      assert.equal(count, taken)
      assert.equal(pool.outstanding, 0)
    })

    test('closed with packets in flight: they are released, and sending is refused', () => {
      const clock = clockOf()
      const pool = new PacketPool()
      const [a, b] = make(clock, pool).ends
      let count = 0
      b.attach((p) => {
        count++
        p.release()
      })
      for (let i = 0; i < 10; i++) a.send(frame(pool, a, i))
      a.close()
      clock.runUntilSync(10e6)
      assert.equal(count, 0)
      assert.equal(pool.outstanding, 0)
      assert.equal(a.send(frame(pool, a)), false)
      clock.runUntilSync(20e6)
      assert.equal(count, 0)
      assert.equal(pool.outstanding, 0)
      a.close()
      b.close()
    })
  })
}
