import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST } from '../../src/buf/packet.ts'
import { F_ALL, F_WIRE } from '../../src/link/link.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import { datagram, frame, ip, isSound, Net, PEER_MAC, pattern, Sink, send } from './net.ts'

const PROTO = 200
const BROADCAST = new Uint8Array(6).fill(255)

test('frames are classified by their destination: host, broadcast, multicast, other host (eth_type_trans)', () => {
  const net = new Net()
  const stack = net.host('h')
  const wire = net.wire(stack, '10.0.0.1/24')
  const kinds: number[] = []
  stack.register(0x1234, {
    input(packet) {
      kinds.push(packet.kind)
      packet.release()
    },
  })
  const at = wire.interface
  for (const to of [at.mac, BROADCAST, Uint8Array.of(1, 0, 0x5e, 0, 0, 1), PEER_MAC])
    wire.deliver(frame(to, PEER_MAC, 0x1234, pattern(30)))
  at.promiscuous = true
  wire.deliver(frame(PEER_MAC, PEER_MAC, 0x1234, pattern(30)))
  assert.deepEqual(kinds, [PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST])
  assert.equal(stack.counters.LinkRxOtherHost, 1)
  assert.equal(at.stats.rx_packets, 5)
  assert.equal(at.stats.multicast, 2)
})

test("a promiscuous interface shows other hosts' packets to taps, but IP does not take them (ip_rcv)", () => {
  const net = new Net()
  const stack = net.host('h')
  const wire = net.wire(stack, '10.0.0.1/24')
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  let shown = 0
  wire.interface.taps.push(() => shown++)
  wire.interface.promiscuous = true
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(4)), PEER_MAC)
  assert.equal(shown, 1)
  assert.equal(sink.received.length, 0)
  assert.equal(stack.counters.IpInReceives, 0)
})

test('too short, too long and unknown frames are counted and dropped (RFC 894, is_skb_forwardable)', () => {
  const net = new Net()
  const stack = net.host('h')
  const wire = net.wire(stack, '10.0.0.1/24')
  for (let n = 0; n < 14; n++) wire.deliver(new Uint8Array(n))
  assert.equal(stack.counters.LinkRxTooShort, 14)
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(1481)))
  assert.equal(stack.counters.LinkRxTooLong, 1)
  wire.deliver(frame(wire.interface.mac, PEER_MAC, 0x86dd, pattern(60)))
  wire.deliver(frame(wire.interface.mac, PEER_MAC, 40, pattern(40)))
  assert.equal(stack.counters.LinkRxUnknownProtocol, 2)
  assert.equal(wire.interface.stats.rx_errors, 15)
  assert.equal(stack.pool.outstanding, 0)
})

test('the receive ring is bounded by netdev_max_backlog, and handled in batches of netdev_budget (NAPI)', () => {
  const net = new Net()
  const stack = net.host('h', { netdev_max_backlog: 100, netdev_budget: 16 })
  const wire = net.wire(stack, '10.0.0.1/24')
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  const bytes = frame(
    wire.interface.mac,
    PEER_MAC,
    ethernet.TYPE_IPV4,
    datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(4)),
  )
  for (let i = 0; i < 150; i++) wire.interface.receive(net.pool.fromBytes(bytes))
  assert.equal(sink.received.length, 0, 'never inside the sender')
  assert.equal(stack.counters.LinkRxRingDrops, 50)
  assert.equal(wire.interface.poll(), true)
  assert.equal(sink.received.length, 16)
  net.clock.settle()
  assert.equal(sink.received.length, 100)
})

test('an interface without Ethernet carries bare IP packets and needs no ARP (TUN)', () => {
  const net = new Net()
  const stack = net.host('h')
  const wire = net.wire(stack, '10.0.0.1/24', 'ip')
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  send(stack, '10.0.0.2', PROTO, pattern(10))
  assert.equal(isSound(wire.sent[0] as Uint8Array), true)
  wire.deliver(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(10)))
  assert.equal(sink.received.length, 1)
  wire.deliver(Uint8Array.of(0x60, 0, 0, 0))
  wire.deliver(new Uint8Array(0))
  assert.equal(stack.pool.outstanding, 0)
})

test('a link that carries what is seen gets linear frames with complete checksums; one in memory keeps offloads', () => {
  for (const features of [F_ALL, F_WIRE, 0]) {
    const net = new Net()
    const [a, b] = [net.host('a'), net.host('b')]
    net.join(a, '10.0.0.1/24', b, '10.0.0.2/24', { features })
    const sink = new Sink()
    b.ipv4.register(PROTO, sink)
    send(a, '10.0.0.2', PROTO, pattern(3000))
    net.run(1)
    assert.deepEqual(sink.received[0]?.data, pattern(3000))
    assert.equal(net.pool.outstanding, 0)
  }
})

test('statistics count both ways in packets and bytes (ip -s link)', () => {
  const net = new Net()
  const [a, b] = [net.host('a'), net.host('b')]
  const [x, y] = net.join(a, '10.0.0.1/24', b, '10.0.0.2/24')
  a.ipv4.icmp.sendEcho(ip('10.0.0.2'), 1, 1, pattern(56))
  net.run(1)
  assert.equal(x.stats.tx_packets, 2)
  assert.equal(x.stats.tx_bytes, 42 + 98)
  assert.equal(y.stats.rx_bytes, 42 + 98)
  assert.equal(x.stats.rx_packets, 2)
})

test('lo has 127.0.0.1/8 and an MTU of 65536, and reaches every address of the host (Linux loopback.c)', () => {
  const net = new Net()
  const stack = net.host('h')
  const wire = net.wire(stack, '10.0.0.1/24')
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  assert.equal(stack.lo.mtu, 65536)
  for (const to of ['127.0.0.1', '127.9.9.9', '10.0.0.1', '0.0.0.0'])
    assert.equal(send(stack, to, PROTO, pattern(60000)), 0)
  net.run(1)
  assert.equal(sink.received.length, 4)
  assert.equal(wire.sent.length, 0)
  assert.equal(stack.counters.IpFragCreates, 0)
})

test('a closed stack holds no packet and no timer, whatever was under way', () => {
  const net = new Net()
  const stack = net.host('h')
  const wire = net.wire(stack, '10.0.0.1/24')
  send(stack, '10.0.0.2', PROTO, pattern(10))
  send(stack, '10.0.0.1', PROTO, pattern(10))
  wire.ip(datagram('10.0.0.3', '10.0.0.1', PROTO, pattern(8), { fragment: 0x2000 }))
  wire.interface.receive(net.pool.fromBytes(pattern(60)))
  stack.arp.conflicts.acquire(wire.interface, { address: ip('10.0.0.8'), prefix: 24 }, () => {})
  stack.close()
  net.run(1)
  assert.equal(net.pool.outstanding, 0)
  assert.equal(net.clock.earliest(), Infinity)
})
