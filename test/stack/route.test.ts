import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as ip4 from '../../src/addr/ip4.ts'
import type { Dst } from '../../src/ip/dst.ts'
import * as rt from '../../src/stack/route.ts'
import { EACCES, EEXIST, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV, ESRCH } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { ip, Net, pattern, send } from './net.ts'

const PROTO = 200

/** The obvious longest-prefix match: looks at every route. */
function slowLookup(routes: readonly rt.Route[], address: number): rt.Route | undefined {
  let best: rt.Route | undefined
  for (const route of routes) {
    if (((address ^ route.destination) & ip4.mask(route.prefix)) !== 0) continue
    if (
      best === undefined ||
      route.prefix > best.prefix ||
      (route.prefix === best.prefix && route.metric < best.metric)
    )
      best = route
  }
  return best
}

test('longest-prefix match agrees with a scan of all routes, over random tables that change (RFC 1812 §5.2.4.3)', () => {
  const random = new Random(7)
  const net = new Net()
  const stack = net.host('h')
  const via = net.wire(stack, '').interface
  const table = new rt.RouteTable()
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 50; i++) {
      const prefix = random.below(33)
      // Few different networks, so that prefixes nest.
      const destination =
        ((random.below(4) << 30) | (random.below(8) << 20) | (random.below(16) << 8) | random.below(4)) &
        ip4.mask(prefix)
      table.add({ destination, prefix, interface: via, metric: random.below(3) })
    }
    const all = table.list()
    for (const route of all) if (random.chance(0.3)) table.remove(route)
    const left = table.list()
    for (let i = 0; i < 200; i++) {
      const address = (random.below(4) << 30) | (random.below(8) << 20) | (random.below(16) << 8) | random.below(4)
      assert.equal(table.lookup(address), slowLookup(left, address))
    }
  }
  table.removeIf(() => true)
  assert.equal(table.size, 0)
  assert.equal(table.lookup(1), undefined)
})

test('a route needs clear host bits and a gateway that is a neighbour; the same twice exists (ip route add)', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '10.0.0.1/24').interface
  const { routes } = stack
  assert.equal(routes.add({ destination: ip('10.1.0.1'), prefix: 16, interface: at }), -EINVAL)
  assert.equal(routes.add({ destination: 0, prefix: 33, interface: at }), -EINVAL)
  assert.equal(routes.add({ destination: 0, prefix: 0, gateway: ip('192.168.1.1') }), -EINVAL)
  assert.equal(routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.254') }), 0)
  assert.equal(routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.253') }), -EEXIST)
  assert.equal(routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.253'), metric: 5 }), 0)
  assert.equal(routes.lookup(ip('8.8.8.8'))?.gateway, ip('10.0.0.254'))
  assert.equal(routes.delete({ destination: 0, prefix: 0, metric: 0 }), 0)
  assert.equal(routes.lookup(ip('8.8.8.8'))?.gateway, ip('10.0.0.253'))
  assert.equal(routes.delete({ destination: 0, prefix: 0, metric: 0 }), -ESRCH)
})

test('an address brings a local route, a broadcast route and a connected route, and takes them away (fib_add_ifaddr)', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '').interface
  const before = stack.routes.size
  const cidr = { address: ip('10.0.0.1'), prefix: 24 }
  assert.equal(at.addAddress(cidr), 0)
  assert.equal(at.addAddress(cidr), -EEXIST)
  assert.equal(at.addAddress({ address: ip('224.0.0.1'), prefix: 24 }), -EINVAL)
  assert.equal(stack.ipv4.addressType(ip('10.0.0.1')), rt.RTN_LOCAL)
  assert.equal(stack.ipv4.addressType(ip('10.0.0.255')), rt.RTN_BROADCAST)
  assert.equal(stack.ipv4.addressType(ip('10.0.0.7')), rt.RTN_UNICAST)
  assert.equal(stack.routes.size, before + 3)
  assert.equal(at.removeAddress(cidr), 0)
  assert.equal(stack.routes.size, before)
  assert.equal(stack.ipv4.isLocal(ip('10.0.0.1')), false)
})

test('prefixes 31 and 32 have no broadcast address, and 32 no connected route (RFC 3021, fib_add_ifaddr)', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '').interface
  const before = stack.routes.size
  at.addAddress({ address: ip('10.0.0.0'), prefix: 31 })
  assert.equal(stack.routes.size, before + 2)
  assert.equal(stack.routes.lookup(ip('10.0.0.1'))?.type, rt.RTN_UNICAST)
  at.addAddress({ address: ip('10.9.9.9'), prefix: 32 })
  assert.equal(stack.routes.size, before + 3)
})

test("source address: the route told, else the primary address of the gateway's subnet, else any (inet_select_addr)", () => {
  const net = new Net()
  const stack = net.host('h')
  const a = net.wire(stack, '10.0.0.1/24').interface
  a.addAddress({ address: ip('10.0.0.2'), prefix: 24 })
  a.addAddress({ address: ip('172.16.0.1'), prefix: 16 })
  const bare = net.wire(stack, '').interface
  const source = (to: string): string => ip4.format((stack.ipv4.route(ip(to), 0, 0) as Dst).source)
  assert.equal(source('10.0.0.9'), '10.0.0.1', 'a secondary is never chosen')
  assert.equal(source('172.16.9.9'), '172.16.0.1')
  stack.routes.add({ destination: ip('1.0.0.0'), prefix: 8, gateway: ip('172.16.0.254') })
  assert.equal(source('1.2.3.4'), '172.16.0.1')
  stack.routes.add({ destination: ip('2.0.0.0'), prefix: 8, gateway: ip('172.16.0.254'), source: ip('10.0.0.2') })
  assert.equal(source('2.2.3.4'), '10.0.0.2')
  stack.routes.add({ destination: ip('3.0.0.0'), prefix: 8, interface: bare })
  assert.equal(source('3.2.3.4'), '10.0.0.1', 'an unnumbered interface borrows')
  assert.equal(source('127.0.0.5'), '127.0.0.1')
  assert.equal(source('10.0.0.2'), '10.0.0.1', 'to a secondary of its own from the primary (fib_add_ifaddr)')
  assert.equal(source('0.0.0.0'), '127.0.0.1', 'RFC 1122 §3.2.1.3: this host')
})

test('removing a primary address removes its secondaries too (promote_secondaries 0, devinet.c)', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '10.0.0.1/24').interface
  at.addAddress({ address: ip('10.0.0.2'), prefix: 24 })
  at.addAddress({ address: ip('10.0.1.1'), prefix: 24 })
  at.removeAddress({ address: ip('10.0.0.1'), prefix: 24 })
  assert.deepEqual(
    at.addresses.map((a) => ip4.format(a.address)),
    ['10.0.1.1'],
  )
  assert.equal(stack.routes.lookup(ip('10.0.0.9')), undefined)
})

test('types of routes and their errors: blackhole, unreachable, prohibit, none (fib_props)', () => {
  const net = new Net()
  const stack = net.host('h')
  net.wire(stack, '10.0.0.1/24')
  const { routes } = stack
  routes.add({ destination: ip('1.0.0.0'), prefix: 8, type: rt.RTN_BLACKHOLE })
  routes.add({ destination: ip('2.0.0.0'), prefix: 8, type: rt.RTN_UNREACHABLE })
  routes.add({ destination: ip('3.0.0.0'), prefix: 8, type: rt.RTN_PROHIBIT })
  assert.equal(send(stack, '1.1.1.1', PROTO, pattern(1)), -EINVAL)
  assert.equal(send(stack, '2.1.1.1', PROTO, pattern(1)), -EHOSTUNREACH)
  assert.equal(send(stack, '3.1.1.1', PROTO, pattern(1)), -EACCES)
  assert.equal(send(stack, '4.1.1.1', PROTO, pattern(1)), -ENETUNREACH)
})

test('route(): a foreign source is ENETUNREACH, one of nobody EINVAL, an unknown interface ENODEV, a down one ENETUNREACH (ip_route_output_key)', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '10.0.0.1/24').interface
  assert.equal(stack.ipv4.route(ip('10.0.0.2'), ip('10.0.0.3'), 0), -ENETUNREACH)
  assert.equal(stack.ipv4.route(ip('10.0.0.2'), ip('224.0.0.1'), 0), -EINVAL)
  assert.equal(stack.ipv4.route(ip('10.0.0.2'), 0, 99), -ENODEV)
  assert.equal(stack.ipv4.route(ip('0.1.2.3'), 0, 0), -ENETUNREACH)
  const onLink = stack.ipv4.route(ip('99.9.9.9'), 0, at.index) as Dst
  assert.equal(onLink.gateway, 0, 'with the interface given, no route means on the link')
  at.setUp(false)
  assert.equal(stack.ipv4.route(ip('10.0.0.2'), 0, at.index), -ENETUNREACH)
})

test('a Dst is reused until something changes: route, address, interface (dst_check)', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '10.0.0.1/24').interface
  const get = (): Dst => stack.ipv4.route(ip('10.0.0.2'), 0, 0) as Dst
  const changes: (() => void)[] = [
    () => stack.routes.add({ destination: ip('10.0.0.2'), prefix: 32, interface: at }),
    () => at.addAddress({ address: ip('10.5.0.1'), prefix: 24 }),
    () => at.setMtu(1400),
    () => at.setUp(false),
  ]
  for (const change of changes) {
    const dst = get()
    assert.equal(get(), dst)
    assert.ok(dst.isValid())
    change()
    assert.ok(!dst.isValid())
  }
})

test('an interface going down drops its routes but not its addresses; up brings connected ones back (fib_disable_ip)', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '10.0.0.1/24').interface
  stack.routes.add({ destination: 0, prefix: 0, gateway: ip('10.0.0.254') })
  at.setUp(false)
  assert.equal(stack.routes.lookup(ip('10.0.0.2')), undefined)
  assert.ok(stack.ipv4.isLocal(ip('10.0.0.1')))
  at.setUp(true)
  assert.equal(stack.routes.lookup(ip('10.0.0.2'))?.interface, at)
  assert.equal(stack.routes.lookup(ip('8.8.8.8')), undefined, 'gateway routes do not come back')
})

test('cached destinations are bounded: a scan does not grow memory (MAX_DSTS)', () => {
  const net = new Net()
  const stack = net.host('h', { gc_thresh1: 10, gc_thresh2: 20, gc_thresh3: 30 })
  net.wire(stack, '10.0.0.1/8', 'ip')
  for (let i = 2; i < 20000; i++) assert.ok(typeof stack.ipv4.route(ip('10.0.0.0') + i, 0, 0) !== 'number')
})

test('interfaces have names, indices and hardware addresses; bad ones are a RangeError that says so', () => {
  const net = new Net()
  const stack = net.host('h')
  const at = net.wire(stack, '10.0.0.1/24').interface
  assert.equal(stack.lo.index, 1)
  assert.equal(at.index, 2)
  assert.equal(stack.interface('eth0'), at)
  assert.equal(stack.interfaceByIndex(2), at)
  assert.equal(stack.interfaceWith(ip('127.5.5.5')), stack.lo)
  assert.equal((at.mac[0] ?? 0) & 3, 2, 'locally administered unicast')
  assert.throws(() => stack.addInterface('eth0', at.link), RangeError)
  assert.throws(() => stack.addInterface('a b', at.link), RangeError)
  assert.throws(() => stack.addInterface('x', at.link, { addresses: ['10.0.0.300/8'] }), RangeError)
  assert.throws(() => stack.addInterface('x', at.link, { mac: 'zz' }), RangeError)
  stack.removeInterface(at)
  assert.equal(stack.interface('eth0'), undefined)
  assert.equal(stack.ipv4.isLocal(ip('10.0.0.1')), false)
})
