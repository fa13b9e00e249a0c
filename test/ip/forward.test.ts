import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dst } from '../../src/ip/dst.ts'
import { F_WIRE } from '../../src/link/link.ts'
import { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNREACHABLE } from '../../src/stack/route.ts'
import type { Stack } from '../../src/stack/stack.ts'
import { EHOSTUNREACH, EMSGSIZE, ENETUNREACH } from '../../src/sys/errno.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { datagram, ip, isSound, Net, pattern, Sink, send } from '../stack/net.ts'

const PROTO = 200

/** a 10.0.0.2 -- 10.0.0.1 router 10.1.0.1 -- 10.1.0.2 b, the second cable with its own MTU. */
function routed(mtu = 1500, features?: number): { net: Net; a: Stack; r: Stack; b: Stack; at: Sink; bt: Sink } {
  const net = new Net()
  const [a, r, b] = [net.host('a'), net.host('r', { ip_forward: 1 }), net.host('b')]
  const wired = features === undefined ? {} : { features }
  net.join(a, '10.0.0.2/24', r, '10.0.0.1/24', wired)
  net.join(r, '10.1.0.1/24', b, '10.1.0.2/24', { mtu, ...wired })
  a.routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.1') })
  b.routes.add({ destination: 0, prefix: 0, gateway: ip('10.1.0.1') })
  const [at, bt] = [new Sink(), new Sink()]
  a.ipv4.register(PROTO, at)
  b.ipv4.register(PROTO, bt)
  return { net, a, r, b, at, bt }
}

test('a router forwards between its interfaces, TTL one less, checksum updated (RFC 1812 §5.3.1, RFC 1624)', () => {
  const { net, a, r, bt } = routed()
  let ttl = 0
  r.interfaces[2]?.taps.push((p, outgoing) => {
    if (outgoing && p.protocol === PROTO) ttl = ipv4.ttl(p.bytes, p.l3)
  })
  send(a, '10.1.0.2', PROTO, pattern(100))
  net.run(1)
  assert.deepEqual(bt.received[0]?.data, pattern(100))
  assert.equal(ttl, 63)
  assert.equal(r.counters.IpForwDatagrams, 1)
  assert.equal(net.pool.outstanding, 0)
})

test('TTL 1 at a router: dropped, and time exceeded from the interface towards the sender (RFC 1812 §5.3.1)', () => {
  const net = new Net()
  const r = net.host('r', { ip_forward: 1 })
  const left = net.wire(r, '10.0.0.1/24')
  const right = net.wire(r, '10.1.0.1/24')
  left.know('10.0.0.2')
  right.know('10.1.0.2')
  const original = datagram('10.0.0.2', '10.1.0.2', PROTO, pattern(40), { ttl: 1 })
  left.ip(original)
  const [reply] = left.takeIp() as [Uint8Array]
  assert.equal(isSound(reply), true)
  assert.equal(icmp.type(reply, 20), icmp.TIME_EXCEEDED)
  assert.equal(icmp.code(reply, 20), icmp.TTL_EXCEEDED)
  assert.equal(ipv4.src(reply, 0), ip('10.0.0.1'))
  assert.deepEqual(reply.subarray(28), original)
  assert.equal(right.take().length, 0)
  assert.equal(r.counters.IpInHdrErrors, 1)
  left.ip(datagram('10.0.0.2', '10.0.0.1', 1, pattern(0), { ttl: 1 }))
  assert.equal(r.counters.IpInHdrErrors, 1, 'TTL 1 for the router itself is fine')
})

test('echo requests with growing TTL name every router on the path, then the host (traceroute -I)', () => {
  const net = new Net()
  const hosts = [
    net.host('a'),
    net.host('r1', { ip_forward: 1 }),
    net.host('r2', { ip_forward: 1 }),
    net.host('r3', { ip_forward: 1 }),
    net.host('z'),
  ]
  for (let i = 0; i < 4; i++) net.join(hosts[i] as Stack, `10.${i}.0.1/24`, hosts[i + 1] as Stack, `10.${i}.0.2/24`)
  hosts.forEach((h, i) => {
    for (let k = 0; k < 4; k++) {
      if (k >= i + 1) h.routes.add({ destination: ip(`10.${k}.0.0`), prefix: 24, gateway: ip(`10.${i}.0.2`) })
      else if (k < i - 1) h.routes.add({ destination: ip(`10.${k}.0.0`), prefix: 24, gateway: ip(`10.${i - 1}.0.1`) })
    }
  })
  const path: string[] = []
  const a = hosts[0] as Stack
  a.ipv4.icmp.listeners.push({
    reply: (p) => path.push(`reply ${p.saddr >>> 24}.${(p.saddr >>> 16) & 255}.0.${p.saddr & 255}`),
    error: (q, type, code) => path.push(`${type}/${code} ttl ${icmp.seq(q.bytes, q.l4)}`),
  })
  for (let ttl = 1; ttl <= 4; ttl++) {
    a.ipv4.icmp.sendEcho(ip('10.3.0.2'), 7, ttl, pattern(32), ttl)
    net.run(1)
  }
  assert.deepEqual(path, ['11/0 ttl 1', '11/0 ttl 2', '11/0 ttl 3', 'reply 10.3.0.2'])
})

test('no route: net unreachable; route types unreachable, prohibit and blackhole say what they are (RFC 1812 §5.2.7.1)', () => {
  const { net, a, r, at } = routed()
  r.routes.add({ destination: ip('20.0.0.0'), prefix: 8, type: RTN_UNREACHABLE })
  r.routes.add({ destination: ip('30.0.0.0'), prefix: 8, type: RTN_PROHIBIT })
  r.routes.add({ destination: ip('40.0.0.0'), prefix: 8, type: RTN_BLACKHOLE })
  for (const to of ['50.0.0.1', '20.0.0.1', '30.0.0.1', '40.0.0.1']) send(a, to, PROTO, pattern(10))
  net.run(5)
  assert.deepEqual(
    at.errors.map((e) => [e.type, e.code, e.errno, e.fatal]),
    [
      [3, icmp.NET_UNREACHABLE, ENETUNREACH, false],
      [3, icmp.HOST_UNREACHABLE, EHOSTUNREACH, false],
      [3, icmp.ADMIN_PROHIBITED, EHOSTUNREACH, true],
    ],
  )
  assert.equal(r.counters.IpExtInNoRoutes, 1)
})

test('a dead host behind a router: host unreachable after three ARP requests (RFC 1812 §5.2.7.1, ipv4_link_failure)', () => {
  const { net, a, at } = routed()
  send(a, '10.1.0.77', PROTO, pattern(10))
  net.run(2.9)
  assert.equal(at.errors.length, 0)
  net.run(0.2)
  assert.equal(at.errors[0]?.errno, EHOSTUNREACH)
  assert.equal(at.errors[0]?.daddr, ip('10.1.0.77'))
})

test('a path with a small MTU: DF draws "fragmentation needed", the Dst learns it, and forgets it after 600 s (RFC 1191)', () => {
  const { net, a, r, at, bt } = routed(1000)
  send(a, '10.1.0.2', PROTO, pattern(1400), true)
  net.run(1)
  assert.equal(bt.received.length, 0)
  const error = at.errors[0]
  assert.deepEqual([error?.type, error?.code, error?.errno, error?.info], [3, 4, EMSGSIZE, 1000])
  const dst = a.ipv4.route(ip('10.1.0.2'), 0, 0) as Dst
  assert.equal(dst.mtu, 1000)
  assert.equal(send(a, '10.1.0.2', PROTO, pattern(1400), true), -EMSGSIZE)
  assert.equal(send(a, '10.1.0.2', PROTO, pattern(980), true), 0)
  assert.equal(send(a, '10.1.0.2', PROTO, pattern(1400)), 0, 'without DF it is cut here already')
  net.run(1)
  assert.deepEqual(
    bt.received.map((p) => p.data.length),
    [980, 1400],
  )
  assert.equal(r.counters.IpFragCreates, 0)
  net.run(599)
  assert.equal(dst.mtu, 1500)
})

test('a router cuts packets without DF, also fragments again, and the host puts them together (RFC 791 §3.2)', () => {
  for (const features of [undefined, F_WIRE]) {
    const { net, a, r, bt } = routed(576, features)
    send(a, '10.1.0.2', PROTO, pattern(20000))
    net.run(1)
    assert.deepEqual(bt.received[0]?.data, pattern(20000))
    assert.ok(r.counters.IpFragCreates > 14)
    assert.equal(net.pool.outstanding, 0)
  }
})

test('a router on the same link as the next hop sends a redirect, and the host follows it (RFC 1812 §5.2.7.2, RFC 1122 §3.2.2.2)', () => {
  // Two routers on one wire: tested with the test as the host.
  const net = new Net()
  const r = net.host('r', { ip_forward: 1 })
  const wire = net.wire(r, '10.0.0.1/24')
  r.routes.add({ destination: ip('10.9.0.0'), prefix: 16, gateway: ip('10.0.0.9') })
  wire.know('10.0.0.2')
  wire.know('10.0.0.9')
  wire.ip(datagram('10.0.0.2', '10.9.0.1', PROTO, pattern(10)))
  const [redirect, forwarded] = wire.takeIp() as [Uint8Array, Uint8Array]
  assert.equal(isSound(redirect), true)
  assert.equal(icmp.type(redirect, 20), icmp.REDIRECT)
  assert.equal(icmp.code(redirect, 20), icmp.REDIRECT_HOST)
  assert.equal(icmp.gateway(redirect, 20), ip('10.0.0.9'))
  assert.equal(ipv4.dst(forwarded, 0), ip('10.9.0.1'))
  // A host that does not listen gets fewer and fewer, then none (ip_rt_send_redirect).
  let count = 0
  for (let i = 0; i < 2000; i++) {
    wire.ip(datagram('10.0.0.2', '10.9.0.1', PROTO, pattern(10)))
    count += wire.takeIp().filter((p) => ipv4.protocol(p, 0) === 1).length
    net.run(0.01)
  }
  assert.ok(count > 5 && count <= 9, `${count}`)
})

test('redirects are believed from the gateway in use only, to a neighbour only (RFC 1122 §3.2.2.2, __ip_do_redirect)', () => {
  const net = new Net()
  const h = net.host('h')
  const wire = net.wire(h, '10.0.0.2/24')
  h.routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.1') })
  const quoted = datagram('10.0.0.2', '9.9.9.9', PROTO, pattern(8))
  const redirect = (from: string, to: string): number => {
    const body = new Uint8Array(8 + quoted.length)
    icmp.emit(body, 0, icmp.REDIRECT, icmp.REDIRECT_HOST, ip(to))
    body.set(quoted, 8)
    icmp.fillChecksum(body, 0, body.length)
    wire.ip(datagram(from, '10.0.0.2', 1, body))
    return (h.ipv4.route(ip('9.9.9.9'), 0, 0) as Dst).gateway
  }
  assert.equal(redirect('10.0.0.66', '10.0.0.7'), ip('10.0.0.1'), 'not the gateway')
  assert.equal(redirect('10.0.0.1', '8.8.8.8'), ip('10.0.0.1'), 'not a neighbour')
  assert.equal(redirect('10.0.0.1', '10.0.0.2'), ip('10.0.0.1'), 'ourselves')
  assert.equal(redirect('10.0.0.1', '10.0.0.7'), ip('10.0.0.7'))
  net.run(301)
  assert.equal((h.ipv4.route(ip('9.9.9.9'), 0, 0) as Dst).gateway, ip('10.0.0.1'), 'for 300 s')
})

test('link-layer broadcasts, multicast, and loopback destinations are not forwarded (RFC 1812 §5.3.4, §5.3.7)', () => {
  const net = new Net()
  const r = net.host('r', { ip_forward: 1 })
  const left = net.wire(r, '10.0.0.1/24')
  const right = net.wire(r, '10.1.0.1/24')
  right.know('10.1.0.2')
  r.routes.add({ destination: 0, prefix: 0, gateway: ip('10.1.0.2') })
  left.ip(datagram('10.0.0.2', '10.1.0.2', PROTO, pattern(4)), new Uint8Array(6).fill(255))
  left.ip(datagram('10.0.0.2', '224.5.5.5', PROTO, pattern(4)))
  left.ip(datagram('10.0.0.2', '127.0.0.1', PROTO, pattern(4)))
  left.ip(datagram('10.0.0.2', '255.255.255.255', PROTO, pattern(4)))
  left.ip(datagram('10.0.0.2', '10.1.0.255', PROTO, pattern(4)))
  assert.equal(right.take().length, 0)
  assert.equal(r.counters.IpForwDatagrams, 0)
})

test('record route and timestamp are filled in on the way and echoed (RFC 791 §3.1, ip_forward_options, ip_options_echo)', () => {
  const net = new Net()
  const [r, b] = [net.host('r', { ip_forward: 1 }), net.host('b')]
  const wire = net.wire(r, '10.0.0.1/24')
  wire.know('10.0.0.2')
  net.join(r, '10.1.0.1/24', b, '10.1.0.2/24')
  b.routes.add({ destination: 0, prefix: 0, gateway: ip('10.1.0.1') })
  const options = new Uint8Array(40)
  options.set([7, 39, 4])
  const echo = new Uint8Array(8)
  icmp.emit(echo, 0, icmp.ECHO, 0, 0)
  icmp.fillChecksum(echo, 0, 8)
  wire.ip(datagram('10.0.0.2', '10.1.0.2', 1, echo, { options }))
  net.run(1)
  const [reply] = wire.takeIp() as [Uint8Array]
  assert.equal(isSound(reply), true)
  const view = new DataView(reply.buffer, reply.byteOffset)
  const hops = [0, 1, 2, 3].map((i) => view.getInt32(20 + 3 + 4 * i))
  // What `ping -R` through one Linux router shows.
  assert.deepEqual(hops, ['10.1.0.1', '10.1.0.2', '10.1.0.2', '10.0.0.1'].map(ip))
})

test('a source route is refused, a malformed option draws a parameter problem at its byte (RFC 1122 §3.2.1.8, RFC 792)', () => {
  const net = new Net()
  const h = net.host('h')
  const wire = net.wire(h, '10.0.0.1/24')
  wire.know('10.0.0.2')
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(4), { options: Uint8Array.of(131, 7, 4, 10, 0, 0, 9, 0) }))
  assert.equal(wire.takeIp().length, 0)
  assert.equal(h.counters.IpInDiscards, 1)
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(4), { options: Uint8Array.of(1, 7, 7, 3, 0, 0, 0, 0) }))
  const [problem] = wire.takeIp() as [Uint8Array]
  assert.equal(icmp.type(problem, 20), icmp.PARAMETER_PROBLEM)
  assert.equal(icmp.pointer(problem, 20), 23)
  assert.equal(h.counters.IpInHdrErrors, 1)
})

test('a router alert passes through and is delivered (RFC 2113)', () => {
  const net = new Net()
  const h = net.host('h')
  const wire = net.wire(h, '10.0.0.1/24')
  const sink = new Sink()
  h.ipv4.register(PROTO, sink)
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(4), { options: Uint8Array.of(148, 4, 0, 0) }))
  assert.deepEqual(sink.received[0]?.data, pattern(4))
})

test('from a medium without Ethernet to one with it there is headroom enough, however tight the frame was (TUN)', () => {
  const net = new Net()
  const r = net.host('r', { ip_forward: 1 })
  const tun = net.wire(r, '10.0.0.1/24', 'ip')
  const wire = net.wire(r, '10.1.0.1/24')
  wire.know('10.1.0.2')
  tun.interface.receive(net.pool.fromBytes(datagram('10.0.0.2', '10.1.0.2', PROTO, pattern(50)), 0))
  net.clock.settle()
  assert.equal(isSound(wire.takeIp()[0] as Uint8Array), true)
})
