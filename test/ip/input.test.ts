import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMSGSIZE } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { put16 } from '../../src/wire/bytes.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { datagram, ip, isSound, message, Net, pattern, Sink, send, type Wire } from '../stack/net.ts'

const PROTO = 200

function setup(sysctl = {}): { net: Net; wire: Wire; stack: ReturnType<Net['host']>; sink: Sink } {
  const net = new Net()
  const stack = net.host('h', sysctl)
  const wire = net.wire(stack, '10.0.0.1/24')
  wire.know('10.0.0.2')
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  return { net, wire, stack, sink }
}

test('a datagram for us reaches the transport of its protocol, Ethernet padding cut off (RFC 791, RFC 1122 §3.2.1)', () => {
  const { wire, stack, sink } = setup()
  const padded = new Uint8Array(46)
  padded.set(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(5)))
  wire.ip(padded)
  assert.deepEqual(sink.received[0]?.data, pattern(5))
  assert.equal(sink.received[0]?.saddr, ip('10.0.0.2'))
  assert.equal(stack.counters.IpInDelivers, 1)
  assert.equal(stack.counters.IpExtInOctets, 25)
})

test('bad headers are dropped and counted: version, IHL, checksum, total length, truncation (RFC 1122 §3.2.1, ip_rcv)', () => {
  const { wire, stack, sink } = setup()
  const c = stack.counters
  const good = datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(40))
  const bad = (change: (b: Uint8Array) => void, refill = true): void => {
    const b = good.slice()
    change(b)
    if (refill) ipv4.fillChecksum(b, 0)
    wire.ip(b)
  }
  bad((b) => (b[0] = 0x55))
  bad((b) => (b[0] = 0x44))
  bad((b) => (b[0] = 0x40), false)
  assert.equal(c.IpInHdrErrors, 3)
  bad((b) => (b[12] = 99), false)
  assert.equal(c.IpExtInCsumErrors, 1)
  bad((b) => put16(b, 2, 19))
  assert.equal(c.IpInHdrErrors, 5)
  bad((b) => put16(b, 2, 61))
  assert.equal(c.IpExtInTruncatedPkts, 1)
  for (let n = 0; n < 20; n++) wire.ip(good.subarray(0, n))
  assert.equal(c.IpInHdrErrors, 25)
  bad((b) => (b[0] = 0x4f), false)
  assert.equal(c.IpExtInCsumErrors, 2)
  assert.equal(sink.received.length, 0)
  assert.equal(stack.pool.outstanding, 0)
})

test('martian addresses from a wire are dropped and counted (RFC 1812 §5.3.7, ip_route_input_slow)', () => {
  const { wire, stack, sink } = setup()
  const pairs: [string, string][] = [
    ['127.0.0.1', '10.0.0.1'],
    ['10.0.0.2', '127.0.0.1'],
    ['224.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '10.0.0.1'],
    ['10.0.0.255', '10.0.0.1'],
    ['10.0.0.1', '10.0.0.1'],
    ['240.1.1.1', '10.0.0.1'],
    ['0.0.0.0', '10.0.0.1'],
    ['10.0.0.2', '0.0.0.0'],
    ['10.0.0.2', '240.0.0.1'],
  ]
  // Also right after a good packet, whose addresses are remembered.
  for (const [from, to] of pairs) {
    wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(4)))
    const before = sink.received.length
    wire.ip(datagram(from, to, PROTO, pattern(4)))
    assert.equal(sink.received.length, before, `${from} > ${to}`)
  }
  assert.equal(stack.counters.IpInAddrErrors, pairs.length)
  assert.equal(wire.takeIp().length, 0)
})

test('broadcasts are delivered, limited from 0.0.0.0 too; multicast only to members (RFC 1122 §3.3.6, RFC 1112)', () => {
  const { wire, stack, sink } = setup()
  const all = new Uint8Array(6).fill(255)
  wire.ip(datagram('10.0.0.2', '10.0.0.255', PROTO, pattern(4)), all)
  wire.ip(datagram('10.0.0.2', '255.255.255.255', PROTO, pattern(4)), all)
  wire.ip(datagram('0.0.0.0', '255.255.255.255', PROTO, pattern(4)), all)
  wire.ip(datagram('10.0.0.2', '224.0.0.1', PROTO, pattern(4)), Uint8Array.of(1, 0, 0x5e, 0, 0, 1))
  assert.equal(sink.received.length, 4)
  assert.equal(stack.counters.IpExtInBcastPkts, 3)
  assert.equal(stack.counters.IpExtInMcastPkts, 1)
  const group = (): void =>
    wire.ip(datagram('10.0.0.2', '224.1.1.1', PROTO, pattern(4)), Uint8Array.of(1, 0, 0x5e, 1, 1, 1))
  group()
  assert.equal(sink.received.length, 4)
  wire.interface.groups.set(ip('224.1.1.1'), 1)
  group()
  assert.equal(sink.received.length, 5)
})

test('what this host broadcasts it hears itself, once, and nobody else echoes it (ip_mc_output)', () => {
  const { net, wire, sink } = setup()
  send(wire.interface.stack, '10.0.0.255', PROTO, pattern(4))
  net.clock.settle()
  assert.equal(sink.received.length, 1)
  assert.equal(wire.takeIp().length, 1)
})

test('a packet for somebody else is dropped by a host that does not forward (RFC 1122 §3.2.1.3, ip_forward 0)', () => {
  const { wire, stack, sink } = setup()
  wire.ip(datagram('10.0.0.2', '9.9.9.9', PROTO, pattern(4)))
  assert.equal(sink.received.length, 0)
  assert.equal(stack.counters.IpInAddrErrors, 1)
  assert.equal(wire.take().length, 0)
})

test('an unknown protocol draws protocol unreachable that quotes the packet (RFC 1122 §3.2.2.1)', () => {
  const { wire, stack } = setup()
  const original = datagram('10.0.0.2', '10.0.0.1', 201, pattern(30))
  wire.ip(original)
  const [reply] = wire.takeIp() as [Uint8Array]
  assert.equal(isSound(reply), true)
  assert.equal(icmp.type(reply, 20), icmp.UNREACHABLE)
  assert.equal(icmp.code(reply, 20), icmp.PROTOCOL_UNREACHABLE)
  assert.deepEqual(reply.subarray(28), original)
  assert.equal(ipv4.src(reply, 0), ip('10.0.0.1'))
  assert.equal(ipv4.tos(reply, 0), 0xc0)
  assert.equal(stack.counters.IpInUnknownProtos, 1)
})

test('a raw tap sees every delivered packet; one that it took is no unknown protocol (raw_local_deliver)', () => {
  const { wire, stack } = setup()
  const seen: number[] = []
  stack.ipv4.rawTap = (p) => {
    seen.push(p.protocol)
    return p.protocol === 201
  }
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(4)))
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 201, pattern(4)))
  assert.deepEqual(seen, [PROTO, 201])
  assert.equal(wire.takeIp().length, 0)
  assert.equal(stack.pool.outstanding, 0)
})

test('with rp_filter 1 a source that is not routed back out of the interface is dropped (RFC 3704, fib_validate_source)', () => {
  for (const [rp_filter, received] of [
    [0, 1],
    [1, 0],
    [2, 1],
  ] as const) {
    const { net, wire, stack, sink } = setup({ rp_filter })
    net.wire(stack, '172.16.0.1/16')
    wire.ip(datagram('172.16.0.9', '10.0.0.1', PROTO, pattern(4)))
    assert.equal(sink.received.length, received)
    assert.equal(stack.counters.TcpExtIPReversePathFilter, 1 - received)
  }
})

test('output: header fields, checksum, and an identification that counts up (RFC 791 §3.1, RFC 6864)', () => {
  const { wire, stack } = setup()
  for (let i = 0; i < 3; i++) send(stack, '10.0.0.2', PROTO, pattern(100), i === 1)
  const sent = wire.takeIp()
  assert.ok(sent.every(isSound))
  const ids = sent.map((p) => ipv4.id(p, 0))
  assert.deepEqual(
    ids.map((id) => (id - (ids[0] as number)) & 0xffff),
    [0, 1, 2],
  )
  assert.deepEqual(
    sent.map((p) => ipv4.dontFragment(p, 0)),
    [false, true, false],
  )
  assert.equal(ipv4.ttl(sent[0] as Uint8Array, 0), 64)
})

test('output: longer than the MTU with DF is EMSGSIZE and tells the socket the MTU (ip_fragment, RFC 1191)', () => {
  const { net, wire, stack, sink } = setup()
  assert.equal(send(stack, '10.0.0.2', PROTO, pattern(1481), true), -EMSGSIZE)
  net.clock.settle()
  assert.equal(wire.takeIp().length, 0)
  assert.equal(sink.errors[0]?.info, 1500)
  assert.equal(sink.errors[0]?.errno, EMSGSIZE)
  assert.equal(send(stack, '10.0.0.2', PROTO, pattern(65536)), -EMSGSIZE)
  assert.equal(stack.pool.outstanding, 0)
})

test('hostile bytes: every truncation and bit flip of a datagram, 50,000 mutated frames: no exception, nothing leaks', () => {
  const { net, wire, stack } = setup({ ip_forward: 1, icmp_ratelimit: 0 })
  stack.routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.2') })
  const inner = datagram('10.0.0.1', '10.0.0.2', PROTO, pattern(20))
  const options = Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0)
  const vectors = [
    datagram('10.0.0.2', '10.0.0.1', 1, message(icmp.ECHO, 0, 1, pattern(20))),
    datagram('10.0.0.2', '10.0.0.1', 1, message(icmp.UNREACHABLE, 4, 576, inner)),
    datagram('10.0.0.2', '10.0.0.1', 1, message(icmp.REDIRECT, 1, ip('10.0.0.9'), inner)),
    datagram('10.0.0.2', '10.0.0.1', 1, message(icmp.TIMESTAMP, 0, 1, pattern(12)), { options }),
    datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(40), { fragment: ipv4.MF }),
    datagram('10.0.0.2', '9.9.9.9', PROTO, pattern(40), { options, ttl: 2 }),
  ]
  for (const vector of vectors) {
    for (let n = 0; n <= vector.length; n++) wire.ip(vector.subarray(0, n))
    for (let bit = 0; bit < vector.length * 8; bit++) {
      const b = vector.slice()
      b[bit >> 3] = (b[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      wire.ip(b)
      if ((b[0] ?? 0) >>> 4 === 4) ipv4.fillChecksum(b, 0)
      wire.ip(b)
    }
    wire.take()
  }
  const random = new Random(5)
  for (let i = 0; i < 50_000; i++) {
    const b = (vectors[random.below(vectors.length)] as Uint8Array).slice(0, 20 + random.below(80))
    for (let n = random.below(4); n >= 0; n--) b[random.below(b.length)] = random.below(256)
    if (random.chance(0.9)) put16(b, 2, b.length)
    if (random.chance(0.9)) ipv4.fillChecksum(b, 0)
    wire.ip(b)
    if ((i & 1023) === 0) wire.take()
  }
  wire.take()
  net.run(600)
  assert.equal(stack.pool.outstanding, 0)
  assert.equal(stack.ipv4.reassembler.memory, 0)
})
