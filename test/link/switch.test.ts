import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CSUM_NONE } from '../../src/buf/packet.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import type { Fabric, Port } from '../../src/link/fabric.ts'
import { Hub } from '../../src/link/hub.ts'
import { F_WIRE } from '../../src/link/link.ts'
import { LINK_QUEUE } from '../../src/link/queue.ts'
import { MAC_TABLE_SIZE, Switch } from '../../src/link/switch.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { BROADCAST, checksumsAreRight, mac, tcpFrame, udpFrame } from './frames.ts'

/** Hosts 1..n on a fabric; `got` has what each received, as "from>to". */
class Lan<F extends Fabric> {
  readonly pool = new PacketPool()
  readonly ports: Port[] = []
  readonly got: string[][] = []
  readonly clock: VirtualClock
  readonly fabric: F

  constructor(clock: VirtualClock, fabric: F, hosts: number) {
    this.clock = clock
    this.fabric = fabric
    for (let i = 0; i < hosts; i++) this.add()
  }

  add(): Port {
    const port = this.fabric.port()
    const index = this.ports.push(port) - 1
    this.got.push([])
    port.attach((p) => {
      const frame = p.toBytes()
      this.got[index]?.push(`${frame[11]}>${frame[0] === 2 ? frame[5] : 'all'}`)
      p.release()
    })
    return port
  }

  /** Host `from` sends to address `to`, from its own or another address. */
  send(from: number, to: number | Uint8Array, as = from): void {
    const frame = udpFrame(this.pool, { from: mac(as), to: typeof to === 'number' ? mac(to) : to })
    this.ports[from - 1]?.send(frame)
    this.clock.settle()
  }

  /** What arrived since the last call, host by host. */
  take(): string[][] {
    assert.equal(this.pool.outstanding, 0)
    return this.got.map((list) => list.splice(0))
  }
}

const lan = (hosts: number, options = {}): Lan<Switch> => {
  const clock = new VirtualClock()
  return new Lan(clock, new Switch(clock, options), hosts)
}

describe('learning switch', () => {
  test('unknown destination: flooded; the answer goes to one port; then both ways do (IEEE 802.1D §7.7)', () => {
    const l = lan(3)
    l.send(1, 2)
    assert.deepEqual(l.take(), [[], ['1>2'], ['1>2']])
    l.send(2, 1)
    assert.deepEqual(l.take(), [['2>1'], [], []])
    l.send(1, 2)
    assert.deepEqual(l.take(), [[], ['1>2'], []])
    assert.equal(l.fabric.flooded, 1)
    assert.equal(l.fabric.forwarded, 2)
  })

  test('broadcast: every port but the one it came by', () => {
    const l = lan(3)
    l.send(2, BROADCAST)
    assert.deepEqual(l.take(), [['2>all'], [], ['2>all']])
  })

  test('destination behind the port it came from: filtered, never reflected', () => {
    const l = lan(3)
    l.send(1, 9, 7)
    l.take()
    l.send(1, 7)
    assert.deepEqual(l.take(), [[], [], []])
    assert.equal(l.fabric.filtered, 1)
  })

  test('an address not seen for 300 s: forgotten, its frames are flooded again (802.1D table 7-5)', () => {
    const l = lan(3)
    l.send(2, 1)
    l.take()
    l.clock.runUntilSync(299.9e6)
    l.send(1, 2)
    assert.deepEqual(l.take(), [[], ['1>2'], []])
    assert.equal(l.fabric.table().length, 2)
    l.clock.runUntilSync(300e6)
    l.send(1, 2)
    assert.deepEqual(l.take(), [[], ['1>2'], ['1>2']])
    assert.deepEqual(
      l.fabric.table().map((row) => [row.address[5], row.port.index]),
      [[1, 0]],
    )
  })

  test('a host that moves to another port: found there with its first frame', () => {
    const l = lan(3)
    l.send(1, 9)
    l.take()
    l.send(2, 9, 1)
    l.take()
    l.send(3, 1)
    assert.deepEqual(l.take(), [[], ['3>1'], []])
    assert.equal(l.fabric.moved, 1)
  })

  test('a port unplugged: what was learnt there is forgotten', () => {
    const l = lan(3)
    l.send(1, 9)
    l.take()
    l.ports[0]?.close()
    l.add()
    l.send(3, 1)
    assert.deepEqual(l.take(), [[], ['3>1'], [], ['3>1']])
  })

  test('a group source address: not learnt', () => {
    const l = lan(2)
    l.ports[0]?.send(udpFrame(l.pool, { from: BROADCAST, to: mac(2) }))
    l.clock.settle()
    assert.equal(l.fabric.table().length, 0)
  })

  test("802.1D's reserved groups (spanning tree): not forwarded", () => {
    const l = lan(2)
    l.send(1, Uint8Array.of(1, 0x80, 0xc2, 0, 0, 0))
    l.send(1, Uint8Array.of(1, 0x80, 0xc2, 0, 0, 15))
    assert.deepEqual(l.take(), [[], []])
    l.send(1, Uint8Array.of(1, 0x80, 0xc2, 0, 0, 16))
    assert.deepEqual(l.take(), [[], ['1>all']])
  })

  test('a flood of source addresses: the table stays at its size, the switch goes on', () => {
    const l = lan(2)
    for (let i = 0; i < 20000; i++) {
      l.ports[0]?.send(udpFrame(l.pool, { from: Uint8Array.of(2, 1, i >> 16, i >> 8, i, 1), to: mac(2), payload: 1 }))
      l.clock.settle()
    }
    assert.ok(l.fabric.table().length <= MAC_TABLE_SIZE)
    assert.ok(l.fabric.table().length > MAC_TABLE_SIZE * 0.9)
    assert.equal(l.fabric.learned - l.fabric.evicted, l.fabric.table().length)
    assert.equal(l.got[1]?.length, 20000)
    assert.equal(l.pool.outstanding, 0)
  })

  test('a loop of two cables between two switches: bounded, nothing runs away within one instant', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const a = new Switch(clock, { queue: 64 })
    const b = new Switch(clock, { queue: 64 })
    for (let i = 0; i < 2; i++) {
      const [x, y] = [a.port(), b.port()]
      x.attach((p) => y.send(p))
      y.attach((p) => x.send(p))
    }
    a.port().send(udpFrame(pool, { to: BROADCAST }))
    for (let i = 0; i < 1000; i++) clock.runTasks(1)
    assert.ok(pool.outstanding <= 5 * 64)
    a.close()
    b.close()
    clock.runTasks(1000)
    assert.equal(pool.outstanding, 0)
  })

  test('ports that are wires beside ports with offloads: each gets what its cable can carry', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const bridge = new Switch(clock)
    const fast = bridge.port()
    const other = bridge.port()
    const wire = bridge.port({ features: F_WIRE })
    const sizes: number[][] = [[], []]
    other.attach((p) => {
      sizes[0]?.push(p.length)
      p.release()
    })
    wire.attach((p) => {
      assert.ok(p.gsoSize === 0 && p.csum === CSUM_NONE && checksumsAreRight(p.toBytes()))
      sizes[1]?.push(p.length)
      p.release()
    })
    fast.send(tcpFrame(pool, { payload: 4000, gsoSize: 1448, to: BROADCAST, slices: 2 }))
    clock.settle()
    assert.deepEqual(sizes, [[4066], [1514, 1514, 1170]])
    assert.equal(pool.outstanding, 0)
  })

  test('frames too long for the cable or too short for a header: dropped at the port and counted', () => {
    const l = lan(2)
    l.ports[0]?.send(udpFrame(l.pool, { payload: 3000, to: mac(2) }))
    l.ports[0]?.send(l.pool.fromBytes(new Uint8Array(13)))
    l.clock.settle()
    assert.deepEqual(l.take(), [[], []])
    assert.equal(l.ports[0]?.stats.rxDropped, 2)
  })

  test('one port floods the queue: it fills its own share only', () => {
    const l = lan(3)
    for (let i = 0; i < LINK_QUEUE + 10; i++)
      l.ports[0]?.send(udpFrame(l.pool, { from: mac(1), to: mac(3), payload: 1 }))
    assert.equal(l.ports[0]?.stats.rxDropped, 10)
    assert.equal(l.ports[1]?.send(udpFrame(l.pool, { from: mac(2), to: mac(3) })), true)
    l.clock.settle()
    assert.equal(l.got[2]?.length, LINK_QUEUE + 1)
  })
})

describe('hub', () => {
  test('every frame goes to every other port, known or not', () => {
    const clock = new VirtualClock()
    const l = new Lan(clock, new Hub(clock), 3)
    l.send(1, 2)
    l.send(2, 1)
    assert.deepEqual(l.take(), [['2>1'], ['1>2'], ['1>2', '2>1']])
  })
})
