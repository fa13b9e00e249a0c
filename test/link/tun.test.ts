import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PacketPool } from '../../src/buf/pool.ts'
import { Tap } from '../../src/link/tap.ts'
import { TUN_QUEUE, Tun } from '../../src/link/tun.ts'
import { EAGAIN, EBADF, EINVAL, ENOBUFS } from '../../src/sys/errno.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { checksumsAreRight, tcpFrame, udpFrame } from './frames.ts'

describe('TUN and TAP in memory', () => {
  test('what the stack sends: the program reads it as wire packets, checksums complete (IFF_NO_PI)', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const tun = new Tun(clock, pool)
    tun.send(tcpFrame(pool, { payload: 4000, gsoSize: 1448, ip: true, slices: 2 }))
    const into = new Uint8Array(2000)
    for (const size of [1500, 1500, 52 + 4000 - 2896]) {
      assert.equal(tun.read(into), size)
      assert.ok(checksumsAreRight(into.subarray(0, size), 0))
    }
    assert.equal(tun.read(into), -EAGAIN)
    assert.equal(pool.outstanding, 0)
  })

  test('read into less room than the packet takes: the rest is lost, as tun_put_user does', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const tun = new Tun(clock, pool)
    tun.send(udpFrame(pool, { ip: true }))
    assert.equal(tun.read(new Uint8Array(10)), 10)
    assert.equal(tun.readable, 0)
    assert.equal(pool.outstanding, 0)
  })

  test('readable: the program is told once, by a task, not inside the send', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const tap = new Tap(clock, pool)
    let told = 0
    tap.onReadable = () => told++
    tap.send(udpFrame(pool))
    tap.send(udpFrame(pool))
    assert.equal(told, 0)
    clock.settle()
    assert.equal(told, 1)
    while (tap.readFrame() !== undefined);
    tap.send(udpFrame(pool))
    clock.settle()
    assert.equal(told, 2)
  })

  test('nobody reads: the queue keeps 500 packets, more are dropped and counted (TUN_READQ_SIZE)', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const tap = new Tap(clock, pool)
    for (let i = 0; i < TUN_QUEUE + 7; i++) assert.equal(tap.send(udpFrame(pool)), i < TUN_QUEUE)
    assert.equal(tap.readable, TUN_QUEUE)
    assert.equal(tap.stats.txDropped, 7)
    tap.close()
    assert.equal(pool.outstanding, 0)
  })

  test('what the program writes that cannot be a packet: -EINVAL; more than fits: -ENOBUFS; closed: -EBADF', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const tap = new Tap(clock, pool)
    assert.equal(tap.write(new Uint8Array(13)), -EINVAL)
    assert.equal(tap.write(new Uint8Array(1519)), -EINVAL)
    for (let i = 0; i < TUN_QUEUE; i++) assert.equal(tap.write(new Uint8Array(60)), 60)
    assert.equal(tap.write(new Uint8Array(60)), -ENOBUFS)
    tap.close()
    assert.equal(tap.write(new Uint8Array(60)), -EBADF)
    assert.equal(tap.read(new Uint8Array(60)), -EBADF)
    assert.equal(pool.outstanding, 0)
  })

  test('what the program writes: copied, so that it may use its buffer again at once', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const tap = new Tap(clock, pool)
    const got: number[] = []
    tap.attach((p) => {
      got.push(p.bytes[p.start + 20] as number)
      p.release()
    })
    const buffer = new Uint8Array(60)
    for (let i = 1; i <= 3; i++) tap.write(buffer.fill(i))
    clock.settle()
    assert.deepEqual(got, [1, 2, 3])
  })
})
