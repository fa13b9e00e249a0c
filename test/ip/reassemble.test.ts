import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Stack } from '../../src/stack/stack.ts'
import { Random } from '../../src/sys/random.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { datagram, ip, isSound, Net, pattern, Sink, type Wire } from '../stack/net.ts'

const PROTO = 200

function setup(sysctl = {}): { net: Net; wire: Wire; stack: Stack; sink: Sink } {
  const net = new Net()
  const stack = net.host('h', sysctl)
  const wire = net.wire(stack, '10.0.0.1/24')
  wire.know('10.0.0.2')
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  return { net, wire, stack, sink }
}

/** Bytes [from, to) of a datagram with `data` as a fragment; the last one unless `more`. */
function piece(
  data: Uint8Array,
  from: number,
  to: number,
  options: { id?: number; more?: boolean; tos?: number; src?: string } = {},
): Uint8Array {
  const more = options.more ?? to < data.length
  return datagram(options.src ?? '10.0.0.2', '10.0.0.1', PROTO, data.subarray(from, to), {
    id: options.id ?? 77,
    tos: options.tos ?? 0,
    fragment: (more ? ipv4.MF : 0) | (from >>> 3),
  })
}

/** Cuts [0, length) at multiples of 8. */
function cuts(random: Random, length: number, most: number): [number, number][] {
  const pieces: [number, number][] = []
  for (let at = 0; at < length; ) {
    const to = Math.min(length, at + 8 * (1 + random.below(most)))
    pieces.push([at, to])
    at = to
  }
  return pieces
}

function shuffle<T>(random: Random, list: T[]): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const k = random.below(i + 1)
    ;[list[i], list[k]] = [list[k] as T, list[i] as T]
  }
  return list
}

test('fragments in any order with any repeats make the datagram once, whatever their sizes (RFC 791 §3.2, RFC 815)', () => {
  const { wire, stack, sink } = setup()
  const random = new Random(3)
  for (let round = 0; round < 150; round++) {
    const data = pattern(8 + random.below(round % 10 === 0 ? 65000 : 4000))
    const pieces = cuts(random, data.length, round % 3 === 0 ? 3 : 180)
    if (pieces.length < 2) continue
    const repeats = pieces.filter(() => random.chance(0.3))
    // Repeats may not come after the last piece that was missing: that begins a new datagram.
    const order = shuffle(random, pieces)
    const last = order.pop() as [number, number]
    const mixed = shuffle(random, [...order, ...repeats.filter((r) => r !== last)])
    for (const [from, to] of [...mixed, last]) wire.ip(piece(data, from, to, { id: round }))
    assert.equal(sink.received.length, 1, `round ${round}`)
    assert.deepEqual(sink.received.pop()?.data, data)
  }
  assert.equal(stack.ipv4.reassembler.memory, 0)
  assert.equal(stack.pool.outstanding, 0)
  assert.equal(stack.counters.IpReasmFails, 0)
})

test('an overlap discards the whole datagram; a repeated fragment is ignored (RFC 5722 §4 as Linux for IPv4)', () => {
  const { wire, stack, sink } = setup()
  const data = pattern(64)
  wire.ip(piece(data, 0, 32))
  wire.ip(piece(data, 0, 32))
  wire.ip(piece(data, 8, 24))
  assert.equal(stack.counters.IpExtReasmOverlaps, 0, 'contained is a duplicate')
  wire.ip(piece(data, 24, 48))
  assert.equal(stack.counters.IpExtReasmOverlaps, 1)
  assert.equal(stack.ipv4.reassembler.queues, 0)
  wire.ip(piece(data, 32, 64))
  assert.equal(sink.received.length, 0)
  wire.ip(piece(data, 0, 32))
  assert.equal(sink.received.length, 1, 'it can be sent again')
})

test('teardrop: a fragment that begins inside and ends inside another is no harm (CVE-1999-0015)', () => {
  const { wire, stack, sink } = setup()
  const data = pattern(100)
  wire.ip(piece(data, 0, 40))
  wire.ip(piece(data, 24, 28, { more: false }))
  assert.equal(sink.received.length, 0)
  assert.equal(stack.ipv4.reassembler.queues, 0)
  assert.equal(stack.pool.outstanding, 0)
})

test('two ends that differ, or data behind the end, discard the datagram (ip_frag_queue)', () => {
  const data = pattern(64)
  for (const [first, second] of [
    [piece(data, 32, 64), piece(data, 40, 56, { more: false })],
    [piece(data, 32, 48, { more: false }), piece(data, 48, 64)],
    [piece(data, 32, 48, { more: false }), piece(data, 48, 56, { more: true })],
    [piece(data, 48, 64, { more: true }), piece(data, 32, 48, { more: false })],
  ] as const) {
    const { wire, stack } = setup()
    wire.ip(first)
    wire.ip(second)
    assert.equal(stack.ipv4.reassembler.queues, 0)
    assert.equal(stack.counters.IpReasmFails, 1)
  }
})

test('ping of death: a fragment that ends beyond 65535 bytes discards the datagram (ip_frag_reasm)', () => {
  const { wire, stack, sink } = setup()
  const data = pattern(1480)
  wire.ip(piece(data, 0, 1480, { more: true }))
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, data.subarray(0, 200), { id: 77, fragment: 0x1ff0 }))
  assert.equal(stack.ipv4.reassembler.queues, 0)
  assert.equal(stack.counters.IpReasmFails, 1)
  assert.equal(sink.received.length, 0)
})

test('a fragment without data, or one of 1 to 7 bytes with more to come, discards the datagram (ip_frag_queue)', () => {
  for (const length of [0, 1, 7]) {
    const { wire, stack } = setup()
    wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(length), { id: 1, fragment: ipv4.MF | 5 }))
    assert.equal(stack.ipv4.reassembler.queues, 0)
    assert.equal(stack.pool.outstanding, 0)
  }
})

test('bytes over a multiple of eight are cut from a fragment that is not the last (ip_frag_queue)', () => {
  const { wire, sink } = setup()
  const data = pattern(48)
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, data.subarray(0, 29), { id: 77, fragment: ipv4.MF }))
  wire.ip(piece(data, 24, 48))
  assert.deepEqual(sink.received[0]?.data, data)
})

test('after 30 s an incomplete datagram is given up; its sender is told if the first fragment came (RFC 792, RFC 1122 §3.3.2)', () => {
  const { net, wire, stack } = setup()
  const data = pattern(64)
  wire.ip(piece(data, 0, 32, { id: 1 }))
  net.run(10)
  wire.ip(piece(data, 32, 64, { id: 2 }))
  wire.ip(piece(data, 32, 40, { id: 1 }))
  net.run(19.9)
  assert.equal(stack.ipv4.reassembler.queues, 2)
  assert.equal(wire.takeIp().length, 0)
  net.run(0.2)
  const [told] = wire.takeIp() as [Uint8Array]
  assert.equal(isSound(told), true)
  assert.deepEqual([icmp.type(told, 20), icmp.code(told, 20)], [icmp.TIME_EXCEEDED, icmp.REASSEMBLY_EXCEEDED])
  assert.deepEqual(told.subarray(28), piece(data, 0, 32, { id: 1 }))
  net.run(10)
  assert.equal(wire.takeIp().length, 0, 'no first fragment, no message')
  assert.equal(stack.counters.IpReasmTimeout, 2)
  assert.equal(stack.ipv4.reassembler.memory, 0)
  assert.equal(net.clock.earliest() > net.clock.now() + 1e6, true)
})

test('memory is bounded by ipfrag_high_thresh: the oldest datagrams go down to ipfrag_low_thresh (ip-sysctl.rst)', () => {
  const { wire, stack, sink } = setup({ ipfrag_high_thresh: 200_000, ipfrag_low_thresh: 150_000 })
  const data = pattern(2000)
  for (let id = 0; id < 5000; id++) {
    wire.ip(piece(data, 0, 1000, { id }))
    assert.equal(stack.ipv4.reassembler.memory < 203_000, true)
  }
  assert.equal(stack.counters.IpReasmFails > 4800, true)
  wire.ip(piece(data, 1000, 2000, { id: 4999 }))
  assert.deepEqual(sink.received[0]?.data, data, 'the newest one is still there')
})

test('one datagram in thousands of pieces in reverse and in random order stays within the limit and fast (work per frame)', () => {
  const { wire, stack } = setup()
  const data = pattern(65000)
  const random = new Random(9)
  const order = Array.from({ length: 8000 }, (_, i) => i * 8)
  for (const list of [order.toReversed(), shuffle(random, order)]) {
    for (const from of list) if ((from & 8) === 0) wire.ip(piece(data, from, from + 8))
    assert.equal(stack.ipv4.reassembler.memory <= 4194304 + 3000, true)
  }
})

test('datagrams are kept apart by source, destination, identification, protocol and interface (RFC 791 §3.2)', () => {
  const { net, wire, stack, sink } = setup()
  const data = pattern(64)
  const second = net.wire(stack, '10.1.0.1/24')
  const other = new Sink()
  stack.ipv4.register(201, other)
  wire.ip(piece(data, 0, 32))
  wire.ip(piece(data, 32, 64, { id: 78 }))
  wire.ip(piece(data, 32, 64, { src: '10.0.0.3' }))
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 201, data.subarray(32), { id: 77, fragment: 4 }))
  second.ip(piece(data, 32, 64))
  assert.equal(sink.received.length + other.received.length, 0)
  assert.equal(stack.ipv4.reassembler.queues, 5)
  wire.ip(piece(data, 32, 64))
  assert.equal(sink.received.length, 1)
})

test('CE on any fragment is CE on the datagram; CE mixed with not-ECT is dropped (RFC 3168 §5.3, ip_frag_ecn_table)', () => {
  const data = pattern(64)
  for (const [first, second, result] of [
    [2, 3, 3],
    [2, 2, 2],
    [0, 0, 0],
    [0, 3, -1],
    [1, 3, 3],
  ] as const) {
    const { wire, stack } = setup()
    let tos = -1
    stack.ipv4.register(PROTO, {
      input(p) {
        tos = ipv4.tos(p.bytes, p.l3)
        assert.equal(ipv4.checksumOk(p.bytes, p.l3), true)
        p.release()
      },
      error() {},
    })
    wire.ip(piece(data, 0, 32, { tos: first }))
    wire.ip(piece(data, 32, 64, { tos: second }))
    assert.equal(tos, result)
  }
})

test('an ICMP echo of 60,000 bytes in fragments is answered in fragments, sound and complete (ping -s 60000)', () => {
  const net = new Net()
  const [a, b] = [net.host('a'), net.host('b')]
  net.join(a, '10.0.0.1/24', b, '10.0.0.2/24', { features: 0 })
  const replies: Uint8Array[] = []
  a.ipv4.icmp.listeners.push({ reply: (p) => replies.push(p.toBytes()) })
  for (let i = 0; i < 20; i++) {
    a.ipv4.icmp.sendEcho(ip('10.0.0.2'), 1, i, pattern(60000))
    net.run(0.001)
  }
  assert.equal(replies.length, 20)
  for (const reply of replies) assert.deepEqual(reply.subarray(8), pattern(60000))
  assert.equal(net.pool.outstanding, 0)
})

test('options without the copied bit go with the first fragment only (RFC 791 §3.1, ip_options_fragment)', () => {
  const net = new Net()
  const r = net.host('r', { ip_forward: 1 })
  const left = net.wire(r, '10.0.0.1/24')
  const right = net.wire(r, '10.1.0.1/24', 'ethernet', 576)
  right.know('10.1.0.2')
  const options = Uint8Array.of(7, 7, 8, 1, 2, 3, 4, 1, 148, 4, 0, 0)
  left.ip(datagram('10.0.0.2', '10.1.0.2', PROTO, pattern(1000), { options }))
  const sent = right.takeIp()
  assert.equal(sent.length, 2)
  assert.equal(sent.every(isSound), true)
  assert.deepEqual(sent[0]?.subarray(20, 32), options)
  assert.deepEqual(sent[1]?.subarray(20, 32), Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 148, 4, 0, 0))
  assert.deepEqual(
    sent.map((p) => [ipv4.fragmentOffset(p, 0), ipv4.moreFragments(p, 0)]),
    [
      [0, true],
      [544, false],
    ],
  )
})
