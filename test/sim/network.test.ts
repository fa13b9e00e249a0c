import assert from 'node:assert/strict'
import test from 'node:test'
import { ping } from '../../src/app/ping.ts'
import { MemorySink } from '../../src/link/pcap.ts'
import { CaptureReader } from '../../src/link/pcap-reader.ts'
import { turn } from '../../src/platform/turn.ts'
import { Network } from '../../src/sim/network.ts'

test('a cable from a few words: both hosts answer each other, with the delay that was said', async () => {
  const net = new Network({ turn })
  net.cable('a 192.0.2.1/24', 'b 192.0.2.2/24', 'delay=20ms')
  const result = await net.clock.runUntil(ping(net.host('a'), '192.0.2.2', { count: 3 }))
  assert.equal(result.received, 3)
  // The delay is of each way out; the first echo waited for ARP, too.
  assert.equal(result.min, 40_000)
})

test('a router between two networks: a route each, and the ping goes through', async () => {
  const net = new Network({ turn })
  net.cable('a 192.0.2.1/24', 'r 192.0.2.254/24')
  net.router('r')
  net.cable('r 198.51.100.254/24', 'b 198.51.100.2/24')
  net.route('a', 'default', '192.0.2.254')
  net.route('b', '192.0.2.0/24', '198.51.100.254')
  const result = await net.clock.runUntil(ping(net.host('a'), '198.51.100.2', { count: 2 }))
  assert.equal(result.received, 2)
})

test('a link that goes down and comes back: only what was sent meanwhile is lost', async () => {
  const net = new Network({ turn })
  net.lan(['a 192.0.2.1/24', 'b 192.0.2.2/24', 'c 192.0.2.3/24'])
  net.at(1_500_000, () => net.impair('b', { egress: { down: true }, ingress: { down: true } }))
  net.at(3_500_000, () => net.impair('b', {}))
  const [toB, toC] = await net.clock.runUntil(
    Promise.all([ping(net.host('a'), '192.0.2.2', { count: 6 }), ping(net.host('a'), '192.0.2.3', { count: 6 })]),
  )
  assert.equal(toB.received, 4)
  assert.equal(toC.received, 6)
})

test('a capture has every interface under HOST.INTERFACE', async () => {
  const sink = new MemorySink()
  const net = new Network({ turn, capture: sink })
  net.cable('a 192.0.2.1/24', 'b 192.0.2.2/24')
  await net.clock.runUntil(ping(net.host('a'), '192.0.2.2', { count: 1 }))
  const reader = new CaptureReader(sink.toBytes())
  const packets = [...reader]
  // ARP and echo, each question and answer, each seen at both ends.
  assert.equal(packets.length, 8)
})

test('words that mean nothing: a RangeError that quotes them', () => {
  const net = new Network()
  assert.throws(() => net.cable('a', 'b 192.0.2.2/24'), { name: 'RangeError', message: /"a"/ })
  assert.throws(() => net.impair('nobody', {}), { name: 'RangeError', message: /nobody/ })
  assert.throws(() => net.route('a', 'default', '192.0.2.254'), RangeError)
})
