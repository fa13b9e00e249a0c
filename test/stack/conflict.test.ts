import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as conflict from '../../src/stack/conflict.ts'
import * as arp from '../../src/wire/arp.ts'
import { ip, Net, PEER_MAC, SECOND, type Wire } from './net.ts'

const CIDR = { address: ip('10.0.0.5'), prefix: 24 }
const OTHER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x55)

function setup(): { net: Net; wire: Wire; stack: ReturnType<Net['host']>; outcome: (boolean | undefined)[] } {
  const net = new Net()
  const stack = net.host('h')
  const wire = net.wire(stack, '')
  return { net, wire, stack, outcome: [] }
}

test('an address nobody uses: three probes 1 to 2 s apart, then two announcements 2 s apart (RFC 5227 §2.1.1, §2.3)', () => {
  const { net, wire, stack, outcome } = setup()
  stack.arp.conflicts.acquire(wire.interface, CIDR, (ok) => outcome.push(ok))
  net.run(20)
  assert.deepEqual(outcome, [true])
  const times = [...wire.times]
  const packets = wire.takeArp()
  assert.equal(packets.length, conflict.PROBE_NUM + conflict.ANNOUNCE_NUM)
  assert.ok(packets.every((p) => p.operation === arp.OP_REQUEST && p.targetIp === CIDR.address))
  assert.deepEqual(
    packets.map((p) => p.senderIp),
    [0, 0, 0, CIDR.address, CIDR.address],
  )
  const gaps = times.map((t, i) => t - (times[i - 1] ?? 0))
  assert.ok((gaps[0] as number) < conflict.PROBE_WAIT)
  for (const gap of gaps.slice(1, 3)) assert.ok(gap >= conflict.PROBE_MIN && gap <= conflict.PROBE_MAX)
  assert.deepEqual(gaps.slice(3), [conflict.ANNOUNCE_WAIT, conflict.ANNOUNCE_INTERVAL])
  assert.ok(wire.interface.hasAddress(CIDR.address))
})

test('a reply while probing: the address is not taken (RFC 5227 §2.1.1)', () => {
  const { net, wire, stack, outcome } = setup()
  stack.arp.conflicts.acquire(wire.interface, CIDR, (ok) => outcome.push(ok))
  net.run(2)
  wire.arp(arp.OP_REPLY, '10.0.0.5', '0.0.0.0')
  net.run(20)
  assert.deepEqual(outcome, [false])
  assert.ok(!wire.interface.hasAddress(CIDR.address))
  assert.equal(stack.counters.ArpConflicts, 1)
})

test('another host probing for the same address at the same time: neither takes it (RFC 5227 §2.1.1)', () => {
  const { net, wire, stack, outcome } = setup()
  stack.arp.conflicts.acquire(wire.interface, CIDR, (ok) => outcome.push(ok))
  net.run(1.5)
  wire.arp(arp.OP_REQUEST, '0.0.0.0', '10.0.0.5')
  net.run(20)
  assert.deepEqual(outcome, [false])
})

test('our own probe seen again (a hub) is no conflict (RFC 5227 §2.1.1: sender hardware address differs)', () => {
  const { net, wire, stack, outcome } = setup()
  stack.arp.conflicts.acquire(wire.interface, CIDR, (ok) => outcome.push(ok))
  net.run(1.5)
  wire.arp(arp.OP_REQUEST, '0.0.0.0', '10.0.0.5', { mac: wire.interface.mac })
  net.run(20)
  assert.deepEqual(outcome, [true])
})

test('two hosts that acquire one address over a cable: at most one has it (RFC 5227)', () => {
  const net = new Net()
  const [a, b] = [net.host('a'), net.host('b')]
  const [x, y] = net.join(a, '192.168.0.1/24', b, '192.168.0.2/24')
  const outcomes: boolean[] = []
  a.arp.conflicts.acquire(x, CIDR, (ok) => outcomes.push(ok))
  net.run(10)
  b.arp.conflicts.acquire(y, CIDR, (ok) => outcomes.push(ok))
  net.run(20)
  assert.deepEqual(outcomes, [true, false])
})

test('somebody uses an address of ours: counted, shown, defended once in 10 s (RFC 5227 §2.4 (c))', () => {
  const { net, wire, stack } = setup()
  wire.interface.addAddress(CIDR)
  const seen: Uint8Array[] = []
  stack.arp.conflicts.onConflict = (_at, address, mac, isAbandoned) => {
    assert.equal(address, CIDR.address)
    assert.equal(isAbandoned, false)
    seen.push(mac)
  }
  for (let i = 0; i < 5; i++) wire.arp(arp.OP_REQUEST, '10.0.0.5', '10.0.0.9', { mac: OTHER_MAC })
  assert.equal(stack.counters.ArpConflicts, 5)
  assert.equal(seen.length, 5)
  assert.deepEqual(seen[0], OTHER_MAC)
  assert.equal(wire.takeArp().filter((p) => p.senderIp === CIDR.address).length, 1)
  net.run(conflict.DEFEND_INTERVAL / SECOND)
  wire.arp(arp.OP_REQUEST, '10.0.0.5', '10.0.0.9', { mac: OTHER_MAC })
  assert.equal(wire.takeArp().length, 1)
  assert.ok(wire.interface.hasAddress(CIDR.address))
})

test('with policy abandon the second conflict within 10 s takes the address away (RFC 5227 §2.4 (b))', () => {
  const { wire, stack } = setup()
  wire.interface.addAddress(CIDR)
  stack.arp.conflicts.policy = 'abandon'
  wire.arp(arp.OP_REPLY, '10.0.0.5', '10.0.0.5', { mac: PEER_MAC })
  assert.ok(wire.interface.hasAddress(CIDR.address))
  wire.arp(arp.OP_REPLY, '10.0.0.5', '10.0.0.5', { mac: PEER_MAC })
  assert.ok(!wire.interface.hasAddress(CIDR.address))
})

test('a probe for an address of ours is answered, and teaches nothing (RFC 5227 §2.1.1, §2.4)', () => {
  const { wire } = setup()
  wire.interface.addAddress(CIDR)
  wire.arp(arp.OP_REQUEST, '0.0.0.0', '10.0.0.5')
  const [reply] = wire.takeArp()
  assert.equal(reply?.operation, arp.OP_REPLY)
  assert.equal(reply?.targetIp, 0)
  assert.equal(wire.interface.neighbors.size, 0)
})

test('with arp_notify an address is announced when it is added and when the interface comes up (ip-sysctl.rst)', () => {
  const net = new Net()
  const stack = net.host('h', { arp_notify: 1 })
  const wire = net.wire(stack, '10.0.0.1/24')
  assert.equal(wire.takeArp()[0]?.targetIp, ip('10.0.0.1'))
  wire.interface.setUp(false)
  wire.interface.setUp(true)
  const [announcement] = wire.takeArp()
  assert.equal(announcement?.senderIp, ip('10.0.0.1'))
  assert.equal(announcement?.targetIp, ip('10.0.0.1'))
})

test('after ten conflicts no more than one attempt a minute (RFC 5227 §2.1.1, RATE_LIMIT_INTERVAL)', () => {
  const { net, wire, stack } = setup()
  for (let i = 0; i < conflict.MAX_CONFLICTS; i++) {
    stack.arp.conflicts.acquire(wire.interface, CIDR, () => {})
    net.run(1.5)
    wire.arp(arp.OP_REPLY, '10.0.0.5', '0.0.0.0')
  }
  wire.take()
  stack.arp.conflicts.acquire(wire.interface, CIDR, () => {})
  net.run(59)
  assert.equal(wire.takeArp().length, 0)
  net.run(3)
  assert.ok(wire.takeArp().length > 0)
})
