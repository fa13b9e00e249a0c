import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dst } from '../../src/ip/dst.ts'
import { MAX_PATHS } from '../../src/ip/pmtu.ts'
import type { Stack } from '../../src/stack/stack.ts'
import * as errno from '../../src/sys/errno.ts'
import { get32 } from '../../src/wire/bytes.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { datagram, ip, isSound, message, Net, pattern, Sink, type Wire } from '../stack/net.ts'

const PROTO = 200

function setup(sysctl = {}): { net: Net; wire: Wire; stack: Stack; sink: Sink } {
  const net = new Net()
  const stack = net.host('h', sysctl)
  const wire = net.wire(stack, '10.0.0.1/24')
  wire.know('10.0.0.2')
  wire.know('10.0.0.3')
  stack.routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.2') })
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  return { net, wire, stack, sink }
}

const echo = (payload: Uint8Array): Uint8Array => message(icmp.ECHO, 0, icmp.word16(7, 1), payload)

/** An error about a packet of ours, from 10.0.0.2. */
function report(wire: Wire, type: number, code: number, rest: number, quoted: Uint8Array): void {
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, message(type, code, rest, quoted)))
}

const ours = (to: string, options = {}): Uint8Array =>
  datagram('10.0.0.1', to, PROTO, pattern(1400), { fragment: ipv4.DF, ...options })

test('an echo request is answered with its data, TOS and a right checksum (RFC 1122 §3.2.2.6)', () => {
  const { wire, stack } = setup()
  for (const payload of [new Uint8Array(0), new Uint8Array(8), pattern(1), pattern(56), pattern(1472)]) {
    wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, echo(payload), { tos: 0x48, ttl: 3 }))
    const [reply] = wire.takeIp() as [Uint8Array]
    assert.equal(isSound(reply), true)
    assert.equal(icmp.type(reply, 20), icmp.ECHO_REPLY)
    assert.deepEqual(reply.subarray(28), payload)
    assert.equal(ipv4.tos(reply, 0), 0x48)
    assert.equal(ipv4.ttl(reply, 0), 64)
  }
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, message(icmp.ECHO, 0, 0)))
  assert.equal(isSound(wire.takeIp()[0] as Uint8Array), true, 'all zeros')
  assert.equal(stack.counters.IcmpInEchos, 6)
  assert.equal(stack.counters.IcmpOutEchoReps, 6)
})

test('a wrong ICMP checksum or a short message is dropped and counted (icmp_rcv)', () => {
  const { wire, stack } = setup()
  const bad = echo(pattern(9))
  bad[10] = (bad[10] ?? 0) ^ 1
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, bad))
  assert.equal(stack.counters.IcmpInCsumErrors, 1)
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, pattern(7)))
  assert.equal(stack.counters.IcmpInErrors, 2)
  assert.equal(wire.take().length, 0)
})

test('an echo to broadcast is not answered, unless icmp_echo_ignore_broadcasts is 0 (RFC 1122 §3.2.2.6)', () => {
  for (const icmp_echo_ignore_broadcasts of [1, 0]) {
    const { wire } = setup({ icmp_echo_ignore_broadcasts })
    wire.ip(datagram('10.0.0.2', '10.0.0.255', 1, echo(pattern(4))), new Uint8Array(6).fill(255))
    const replies = wire.takeIp()
    assert.equal(replies.length, 1 - icmp_echo_ignore_broadcasts)
    if (replies[0] !== undefined) assert.equal(ipv4.src(replies[0], 0), ip('10.0.0.1'))
  }
  const { wire } = setup({ icmp_echo_ignore_all: 1 })
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, echo(pattern(4))))
  assert.equal(wire.take().length, 0)
})

test('a timestamp request is answered in milliseconds since midnight UT (RFC 792)', () => {
  const { net, wire } = setup()
  net.run(5)
  wire.ip(
    datagram(
      '10.0.0.2',
      '10.0.0.1',
      1,
      message(icmp.TIMESTAMP, 0, icmp.word16(1, 2), Uint8Array.of(0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0)),
    ),
  )
  const [reply] = wire.takeIp() as [Uint8Array]
  assert.equal(isSound(reply), true)
  assert.equal(icmp.type(reply, 20), icmp.TIMESTAMP_REPLY)
  assert.deepEqual([get32(reply, 28), get32(reply, 32), get32(reply, 36)], [9, 5000, 5000])
})

test('no errors about errors, later fragments, broadcasts, link broadcasts, or to odd sources (RFC 1122 §3.2.2)', () => {
  const { wire, stack } = setup()
  const all = new Uint8Array(6).fill(255)
  stack.sysctl.icmp_ratelimit = 0
  wire.ip(datagram('10.0.0.2', '10.0.0.255', 201, pattern(30)), all)
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 201, pattern(30)), all)
  wire.ip(datagram('10.0.0.2', '224.0.0.1', 201, pattern(30)), Uint8Array.of(1, 0, 0x5e, 0, 0, 1))
  wire.ip(datagram('0.0.0.0', '255.255.255.255', 201, pattern(30)), all)
  assert.equal(wire.takeIp().length, 0)
  stack.sysctl.ip_forward = 1
  const error = message(icmp.UNREACHABLE, 3, 0, ours('10.0.0.2'))
  wire.ip(datagram('10.0.0.3', '9.9.9.9', 1, error, { ttl: 1 }))
  wire.ip(datagram('10.0.0.3', '9.9.9.9', 1, message(99, 0, 0), { ttl: 1 }))
  wire.ip(datagram('10.0.0.3', '9.9.9.9', PROTO, pattern(30), { ttl: 1, fragment: 5 }))
  assert.equal(wire.takeIp().length, 0)
  wire.ip(datagram('10.0.0.3', '9.9.9.9', 1, echo(pattern(4)), { ttl: 1 }))
  assert.equal(wire.takeIp().length, 1, 'about a query is fine')
})

test('an error quotes as much as fits 576 bytes (RFC 1812 §4.3.2.3)', () => {
  const { wire } = setup()
  wire.ip(datagram('10.0.0.2', '10.0.0.1', 201, pattern(1400)))
  const [reply] = wire.takeIp() as [Uint8Array]
  assert.equal(reply.length, 576)
  assert.equal(isSound(reply), true)
})

test('errors to one host: six at once, then one a second (icmp_ratelimit, inet_peer_xrlim_allow)', () => {
  const { net, wire, stack } = setup()
  const provoke = (from: string): number => {
    wire.ip(datagram(from, '10.0.0.1', 201, pattern(4)))
    return wire.takeIp().length
  }
  let sent = 0
  for (let i = 0; i < 20; i++) sent += provoke('10.0.0.2')
  assert.equal(sent, 6)
  assert.equal(stack.counters.IcmpOutRateLimitHost, 14)
  assert.equal(provoke('10.0.0.3'), 1, 'another host is not affected')
  net.run(1)
  assert.equal(provoke('10.0.0.2') + provoke('10.0.0.2'), 1)
  // Echo replies are not in icmp_ratemask.
  for (let i = 0; i < 100; i++) wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, echo(pattern(4))))
  assert.equal(wire.takeIp().length, 100)
})

test('errors to all hosts: icmp_msgs_burst at once, icmp_msgs_per_sec on average (icmp_global_allow)', () => {
  const { net, wire, stack } = setup({ icmp_msgs_per_sec: 100, icmp_msgs_burst: 10 })
  let sent = 0
  const burst = (first: number): void => {
    for (let i = 0; i < 50; i++) {
      wire.ip(datagram(`20.0.${first}.${i + 1}`, '10.0.0.1', 201, pattern(4)))
      sent += wire.takeIp().length
    }
  }
  burst(0)
  assert.equal(sent, 10)
  assert.equal(stack.counters.IcmpOutRateLimitGlobal, 40)
  net.run(0.05)
  burst(1)
  assert.equal(sent, 15)
})

test('what is remembered of hosts that provoke errors is bounded (inet_peer_threshold)', () => {
  const { wire, stack } = setup({ icmp_msgs_burst: 1e9, icmp_msgs_per_sec: 1e9 })
  for (let i = 0; i < 6000; i++) wire.ip(datagram(`20.1.${i >> 8}.${i & 255}`, '10.0.0.1', 201, pattern(4)))
  assert.equal(stack.ipv4.icmp.peers.size, 4096)
})

test("errors are handed to the transport of the quoted packet with Linux's errno (icmp_err_convert)", () => {
  const { wire, sink, stack } = setup()
  const expected: [number, number, number, boolean][] = [
    [3, 0, errno.ENETUNREACH, false],
    [3, 1, errno.EHOSTUNREACH, false],
    [3, 2, errno.ENOPROTOOPT, true],
    [3, 3, errno.ECONNREFUSED, true],
    [3, 5, errno.EOPNOTSUPP, false],
    [3, 6, errno.ENETUNREACH, true],
    [3, 7, errno.EHOSTDOWN, true],
    [3, 8, errno.ENONET, true],
    [3, 9, errno.ENETUNREACH, true],
    [3, 10, errno.EHOSTUNREACH, true],
    [3, 11, errno.ENETUNREACH, false],
    [3, 12, errno.EHOSTUNREACH, false],
    [3, 13, errno.EHOSTUNREACH, true],
    [3, 14, errno.EHOSTUNREACH, true],
    [3, 15, errno.EHOSTUNREACH, true],
    [11, 0, errno.EHOSTUNREACH, false],
    [12, 0, errno.EPROTO, true],
  ]
  for (const [type, code] of expected) report(wire, type, code, 0, ours('9.9.9.9'))
  assert.deepEqual(
    sink.errors.map((e) => [e.type, e.code, e.errno, e.fatal]),
    expected,
  )
  const [first] = sink.errors
  assert.equal(first?.daddr, ip('9.9.9.9'))
  assert.equal(first?.saddr, ip('10.0.0.1'))
  assert.deepEqual(first?.quoted, pattern(1400))
  report(wire, 3, 16, 0, ours('9.9.9.9'))
  report(wire, icmp.SOURCE_QUENCH, 0, 0, ours('9.9.9.9'))
  report(wire, icmp.TIME_EXCEEDED, icmp.REASSEMBLY_EXCEEDED, 0, ours('9.9.9.9'))
  assert.equal(
    sink.errors.length,
    expected.length,
    'unknown codes, source quench (RFC 6633) and what reassembly gave up (icmp_unreach) are not passed on',
  )
  assert.equal(stack.counters.IcmpInSrcQuenchs, 1)
})

test('errors that quote what is not ours, is cut short, or is malformed are counted and dropped (RFC 1122 §3.2.2)', () => {
  const { wire, sink, stack } = setup()
  const cases: Uint8Array[] = [
    datagram('10.0.0.99', '9.9.9.9', PROTO, pattern(20)),
    ours('9.9.9.9').subarray(0, 27),
    ours('9.9.9.9').subarray(0, 12),
    new Uint8Array(0),
    ours('10.0.0.255'),
    ours('9.9.9.9', { fragment: 5 }),
    Uint8Array.from(ours('9.9.9.9'), (byte, i) => (i === 0 ? 0x44 : byte)),
    Uint8Array.from(ours('9.9.9.9'), (byte, i) => (i === 0 ? 0x65 : byte)),
  ]
  for (const quoted of cases) report(wire, 3, 3, 0, quoted)
  assert.equal(sink.errors.length, 0)
  assert.equal(stack.counters.IcmpInErrors, cases.length)
  assert.equal(stack.pool.outstanding, 0)
})

test('"fragmentation needed" sets the path MTU of that destination only, and tells the transport (RFC 1191 §6.3)', () => {
  const { wire, sink, stack } = setup()
  const mtu = (to: string): number => (stack.ipv4.route(ip(to), 0, 0) as Dst).mtu
  const held = stack.ipv4.route(ip('9.9.9.9'), 0, 0) as Dst
  report(wire, 3, 4, 1200, ours('9.9.9.9'))
  assert.equal(mtu('9.9.9.9'), 1200)
  assert.equal(held.mtu, 1200, 'also for who holds the Dst already')
  assert.equal(held.isValid(), true)
  assert.equal(mtu('9.9.9.8'), 1500)
  assert.equal(sink.errors[0]?.info, 1200)
  report(wire, 3, 4, 1400, ours('9.9.9.9'))
  assert.equal(mtu('9.9.9.9'), 1200, 'never raised by a message')
  report(wire, 3, 4, 300, ours('9.9.9.9'))
  assert.equal(mtu('9.9.9.9'), 552, 'min_pmtu')
  assert.equal(held.mtuLocked, true)
  stack.ipv4.flushCache()
  assert.equal(held.mtu, 1500)
})

test('"fragmentation needed" without an MTU locks the path at min_pmtu, and no later one changes it (__ip_rt_update_pmtu)', () => {
  const { wire, stack } = setup()
  const held = stack.ipv4.route(ip('9.9.9.9'), 0, 0) as Dst
  for (const claimed of [552, 0, 600]) {
    report(wire, 3, 4, claimed, ours('9.9.9.9'))
    assert.equal(held.mtu, 552)
    assert.equal(held.mtuLocked, claimed !== 552)
  }
})

test('ip_no_pmtu_disc: 1 sinks to min_pmtu whatever is claimed, 2 hears nothing, 3 only TCP (ip-sysctl.rst, icmp_unreach)', () => {
  for (const [mode, mtu] of [
    [0, 1000],
    [1, 552],
    [2, 1500],
    [3, 1500],
  ] as const) {
    const { wire, stack } = setup()
    stack.sysctl.ip_no_pmtu_disc = mode
    report(wire, 3, 4, 1000, ours('9.9.9.9'))
    assert.equal((stack.ipv4.route(ip('9.9.9.9'), 0, 0) as Dst).mtu, mtu, `mode ${mode}`)
  }
})

test('a path MTU is not believed if the transport says the quoted packet is not its own (RFC 5927 §7, Transport.owns)', () => {
  const { wire, stack } = setup()
  let errors = 0
  stack.ipv4.register(PROTO, { input: (p) => p.release(), error: () => errors++, owns: () => false })
  report(wire, 3, 4, 600, ours('9.9.9.9'))
  assert.equal((stack.ipv4.route(ip('9.9.9.9'), 0, 0) as Dst).mtu, 1500)
  assert.equal(errors, 0)
})

test('the table of path MTUs is bounded, and the oldest goes first (MAX_PATHS)', () => {
  const { wire, stack } = setup()
  for (let i = 0; i < MAX_PATHS + 500; i++) report(wire, 3, 4, 1000, ours(`20.${i >> 16}.${(i >> 8) & 255}.${i & 255}`))
  assert.equal(stack.ipv4.paths.size, MAX_PATHS)
})

test('an error about an echo request of ours reaches the listeners (ping_err)', () => {
  const { wire, stack } = setup()
  const heard: number[] = []
  stack.ipv4.icmp.listeners.push({ reply: () => {}, error: (_q, type, code) => heard.push(type, code) })
  report(wire, 11, 0, 0, datagram('10.0.0.1', '9.9.9.9', 1, echo(pattern(8))))
  assert.deepEqual(heard, [11, 0])
})
