import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as state from '../../src/stack/neighbor.ts'
import { EHOSTUNREACH } from '../../src/sys/errno.ts'
import * as arp from '../../src/wire/arp.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { datagram, frame, ip, Net, PEER_MAC, pattern, SECOND, Sink, send, type Wire } from './net.ts'

const OTHER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x55)
const PROTO = 200

/** A host with a wire on which the test is 10.0.0.2. */
function setup(sysctl = {}): { net: Net; wire: Wire; stack: ReturnType<Net['host']>; entry: () => state.Neighbor } {
  const net = new Net()
  const stack = net.host('h', sysctl)
  const wire = net.wire(stack, '10.0.0.1/24')
  return { net, wire, stack, entry: () => wire.interface.neighbors.get(ip('10.0.0.2')) as state.Neighbor }
}

/** Replies to the last request. */
const answer = (wire: Wire): void => wire.arp(arp.OP_REPLY, '10.0.0.2', '10.0.0.1')

test('NONE: the first packet is queued and a broadcast request goes out from our address (RFC 826, arp_solicit)', () => {
  const { wire, stack, entry } = setup()
  assert.equal(send(stack, '10.0.0.2', PROTO, pattern(10)), 0)
  const [request] = wire.sent
  assert.ok(request !== undefined && ethernet.isBroadcast(request, 0))
  const body = arp.parse(request, 14)
  assert.deepEqual(body.senderMac, wire.interface.mac)
  assert.equal(body.senderIp, ip('10.0.0.1'))
  assert.equal(body.targetIp, ip('10.0.0.2'))
  assert.deepEqual(body.targetMac, new Uint8Array(6), 'RFC 5227 §1.1: target hardware address zero')
  assert.equal(entry().state, state.NUD_INCOMPLETE)
  assert.equal(entry().pending, 1)
})

test('INCOMPLETE: a reply sends what waits, in order, and makes the entry REACHABLE (RFC 4861 §7.3.3)', () => {
  const { wire, stack, entry } = setup()
  for (let i = 0; i < 5; i++) send(stack, '10.0.0.2', PROTO, Uint8Array.of(i))
  wire.take()
  answer(wire)
  const packets = wire.take()
  assert.deepEqual(
    packets.map((p) => p[34]),
    [0, 1, 2, 3, 4],
  )
  assert.ok(
    packets.every((p) => ethernet.sameAddress(p, 0, PEER_MAC, 0) && ethernet.sameAddress(p, 6, wire.interface.mac, 0)),
  )
  assert.equal(entry().state, state.NUD_REACHABLE)
})

test('INCOMPLETE: three broadcasts a second apart without an answer, then FAILED and EHOSTUNREACH (arp_error_report)', () => {
  const { net, wire, stack, entry } = setup()
  const sink = new Sink()
  stack.ipv4.register(PROTO, sink)
  send(stack, '10.0.0.2', PROTO, pattern(10))
  net.run(2.5)
  assert.deepEqual(wire.times, [0, SECOND, 2 * SECOND])
  assert.equal(entry().state, state.NUD_INCOMPLETE)
  net.run(1)
  assert.equal(entry().state, state.NUD_FAILED)
  assert.equal(sink.errors.length, 1)
  assert.equal(sink.errors[0]?.errno, EHOSTUNREACH)
  assert.equal(sink.errors[0]?.daddr, ip('10.0.0.2'))
  assert.equal(wire.sent.length, 3)
  // The next packet begins anew.
  send(stack, '10.0.0.2', PROTO, pattern(10))
  assert.equal(entry().state, state.NUD_INCOMPLETE)
  assert.equal(wire.sent.length, 4)
})

test('INCOMPLETE: the queue is bounded by unres_qlen_bytes and the oldest packets go, counted (__neigh_event_send)', () => {
  const { wire, stack, entry } = setup({ unres_qlen_bytes: 3000 })
  for (let i = 0; i < 10; i++) send(stack, '10.0.0.2', PROTO, new Uint8Array(980).fill(i))
  assert.equal(entry().pending, 3)
  assert.equal(stack.counters.ArpPendingDrops, 7)
  wire.take()
  answer(wire)
  assert.deepEqual(
    wire.take().map((p) => p[34]),
    [7, 8, 9],
  )
})

test('REACHABLE: lasts 0.5 to 1.5 of base_reachable_time without confirmation, then STALE (RFC 4861 §6.3.2)', () => {
  const { net, wire, stack, entry } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  answer(wire)
  const reachable = stack.arp.reachableTime
  assert.ok(reachable >= 15 * SECOND && reachable < 45 * SECOND)
  net.run(reachable / SECOND - 0.1)
  assert.equal(entry().state, state.NUD_REACHABLE)
  net.run(0.2)
  assert.equal(entry().state, state.NUD_STALE)
  assert.equal(net.clock.earliest(), Infinity, 'an idle entry costs no wake-ups')
})

test('REACHABLE: confirmation by an upper layer keeps it REACHABLE (RFC 4861 §7.3.1, dst_confirm)', () => {
  const { net, wire, stack, entry } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  answer(wire)
  const dst = stack.ipv4.route(ip('10.0.0.2'), 0, 0)
  assert.ok(typeof dst !== 'number')
  wire.take()
  for (let i = 0; i < 20; i++) {
    net.run(10)
    wire.ip(datagram('10.0.0.2', '10.0.0.1', 1, pattern(4)))
    dst.confirm()
    send(stack, '10.0.0.2', PROTO, pattern(1))
  }
  assert.equal(entry().state, state.NUD_REACHABLE)
  assert.equal(wire.takeArp().length, 0)
})

test('STALE: used at once, DELAY for 5 s, then three unicast probes a second apart, then FAILED (RFC 4861 §7.3.3)', () => {
  const { net, wire, stack, entry } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  answer(wire)
  net.run(50)
  assert.equal(entry().state, state.NUD_STALE)
  wire.take()
  const start = net.clock.now()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  assert.equal(wire.takeIp().length, 1)
  assert.equal(entry().state, state.NUD_DELAY)
  net.run(5.5)
  assert.equal(entry().state, state.NUD_PROBE)
  net.run(1.9)
  assert.deepEqual(
    wire.times.map((t) => t - start),
    [5 * SECOND, 6 * SECOND, 7 * SECOND],
  )
  assert.ok(
    wire.sent.every((f) => ethernet.sameAddress(f, 0, PEER_MAC, 0)),
    'unicast',
  )
  send(stack, '10.0.0.2', PROTO, pattern(1))
  assert.equal(wire.takeIp().length, 1, 'PROBE still sends to the old address')
  net.run(1)
  assert.equal(entry().state, state.NUD_FAILED)
})

test('PROBE: a unicast reply makes it REACHABLE again (RFC 4861 §7.3.3)', () => {
  const { net, wire, stack, entry } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  answer(wire)
  net.run(50)
  send(stack, '10.0.0.2', PROTO, pattern(1))
  net.run(5.5)
  answer(wire)
  assert.equal(entry().state, state.NUD_REACHABLE)
})

test('DELAY: confirmation within 5 s makes it REACHABLE without a probe (neigh_timer_handler)', () => {
  const { net, wire, stack, entry } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  answer(wire)
  net.run(50)
  send(stack, '10.0.0.2', PROTO, pattern(1))
  net.run(2)
  entry().confirm(net.clock.now())
  wire.take()
  net.run(4)
  assert.equal(entry().state, state.NUD_REACHABLE)
  assert.equal(wire.takeArp().length, 0)
})

test('a request for our address is answered and makes the asker a STALE neighbour (RFC 826, neigh_event_ns)', () => {
  const { wire, entry } = setup()
  wire.arp(arp.OP_REQUEST, '10.0.0.2', '10.0.0.1')
  const [reply] = wire.takeArp()
  assert.equal(reply?.operation, arp.OP_REPLY)
  assert.equal(reply?.senderIp, ip('10.0.0.1'))
  assert.deepEqual(reply?.senderMac, wire.interface.mac)
  assert.deepEqual(reply?.targetMac, PEER_MAC)
  assert.equal(entry().state, state.NUD_STALE)
})

test('a request for another address is not answered and makes no entry (RFC 826)', () => {
  const { wire } = setup()
  wire.arp(arp.OP_REQUEST, '10.0.0.2', '10.0.0.77')
  assert.equal(wire.take().length, 0)
  assert.equal(wire.interface.neighbors.size, 0)
})

test('a request on one interface for the address of another is answered with arp_ignore 0, not with 1 (ip-sysctl.rst)', () => {
  for (const arp_ignore of [0, 1]) {
    const { net, wire, stack } = setup({ arp_ignore })
    net.wire(stack, '192.168.7.1/24')
    wire.arp(arp.OP_REQUEST, '10.0.0.2', '192.168.7.1')
    assert.equal(wire.takeArp().length, arp_ignore === 0 ? 1 : 0)
  }
})

test('gratuitous ARP makes no entry with arp_accept 0, and updates one that exists (arp_process)', () => {
  const { wire, stack, entry } = setup()
  wire.arp(arp.OP_REQUEST, '10.0.0.2', '10.0.0.2')
  assert.equal(entry(), undefined)
  send(stack, '10.0.0.2', PROTO, pattern(1))
  answer(wire)
  wire.arp(arp.OP_REQUEST, '10.0.0.2', '10.0.0.2', { mac: OTHER_MAC })
  assert.deepEqual(entry().mac, OTHER_MAC)
  assert.equal(entry().state, state.NUD_STALE)
  wire.take()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  assert.ok(ethernet.sameAddress(wire.take()[0] as Uint8Array, 0, OTHER_MAC, 0))
})

test('of several replies the first within locktime wins, a later one replaces it (arp_process, locktime 1 s)', () => {
  const { net, wire, stack, entry } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  answer(wire)
  wire.arp(arp.OP_REPLY, '10.0.0.2', '10.0.0.1', { mac: OTHER_MAC })
  assert.deepEqual(entry().mac, PEER_MAC)
  net.run(1.5)
  wire.arp(arp.OP_REPLY, '10.0.0.2', '10.0.0.1', { mac: OTHER_MAC })
  assert.deepEqual(entry().mac, OTHER_MAC)
})

test('a permanent entry is not changed by what peers say (NUD_PERMANENT)', () => {
  const { net, wire, entry } = setup()
  wire.know('10.0.0.2')
  net.run(100)
  wire.arp(arp.OP_REPLY, '10.0.0.2', '10.0.0.1', { mac: OTHER_MAC })
  assert.deepEqual(entry().mac, PEER_MAC)
  assert.equal(entry().state, state.NUD_PERMANENT)
})

test('a broadcast reply is not a sign of reachability (arp_process: STALE)', () => {
  const { wire, stack, entry } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  wire.arp(arp.OP_REPLY, '10.0.0.2', '10.0.0.1', { to: new Uint8Array(6).fill(255) })
  assert.equal(entry().state, state.NUD_DELAY, 'STALE, and the waiting packet used it')
})

test('malformed ARP is counted and dropped: every truncation, wrong hardware type, group sender (RFC 826)', () => {
  const { wire, stack } = setup()
  const body = new Uint8Array(28)
  arp.emit(body, 0, arp.OP_REQUEST, PEER_MAC, ip('10.0.0.2'), new Uint8Array(6), ip('10.0.0.1'))
  const to = new Uint8Array(6).fill(255)
  for (let n = 0; n < 28; n++) wire.deliver(frame(to, PEER_MAC, ethernet.TYPE_ARP, body.subarray(0, n)))
  assert.equal(stack.counters.ArpInErrors, 28)
  body[1] = 6
  wire.deliver(frame(to, PEER_MAC, ethernet.TYPE_ARP, body))
  assert.equal(stack.counters.ArpInErrors, 29)
  wire.arp(arp.OP_REQUEST, '10.0.0.2', '10.0.0.1', { mac: Uint8Array.of(3, 0, 0, 0, 0, 1) })
  wire.arp(arp.OP_REQUEST, '224.0.0.5', '10.0.0.1')
  wire.arp(arp.OP_REQUEST, '127.0.0.1', '10.0.0.1')
  assert.equal(wire.take().length, 0)
  assert.equal(wire.interface.neighbors.size, 0)
  assert.equal(stack.pool.outstanding, 0)
})

test('the table holds gc_thresh3 entries at most: a scan of a network ends in drops, not in memory (neigh_alloc)', () => {
  const { net, wire, stack } = setup({ gc_thresh1: 16, gc_thresh2: 32, gc_thresh3: 64 })
  wire.interface.addAddress({ address: ip('172.16.0.1'), prefix: 16 })
  for (let i = 2; i < 500; i++) send(stack, `172.16.${i >> 8}.${i & 255}`, PROTO, pattern(1))
  assert.equal(stack.arp.entries, 64)
  assert.equal(stack.counters.ArpTableFull, 498 - 64)
  net.run(20)
  for (let i = 2; i < 500; i++) send(stack, `172.16.${i >> 8}.${i & 255}`, PROTO, pattern(1))
  assert.ok(stack.arp.entries <= 64)
  net.run(20)
  assert.equal(stack.pool.outstanding, 0)
})

test('an entry collected while a Dst holds it is looked up again by the next packet (neigh_release, dst.neighbor)', () => {
  const { wire, stack } = setup()
  const dst = stack.ipv4.route(ip('10.0.0.2'), 0, 0)
  assert.ok(typeof dst !== 'number')
  stack.arp.remove(wire.interface, ip('10.0.0.2'))
  const packet = stack.pool.allocHeader(4)
  packet.put(4)
  assert.equal(stack.ipv4.output(packet, dst, ip('10.0.0.1'), ip('10.0.0.2'), PROTO, 64, 0, false), 0)
  assert.equal(wire.takeArp().length, 1)
  answer(wire)
  assert.equal(wire.takeIp().length, 1)
})

test('multicast and broadcast need no ARP: mapped and all-ones addresses (RFC 1112 §6.4, RFC 894)', () => {
  const { wire, stack } = setup()
  send(stack, '224.1.2.3', PROTO, pattern(1))
  assert.equal(wire.sent.length, 0, 'no route to the group')
  stack.routes.add({ destination: ip('224.0.0.0'), prefix: 4, interface: wire.interface })
  send(stack, '224.129.2.3', PROTO, pattern(1))
  send(stack, '10.0.0.255', PROTO, pattern(1))
  const [group, all] = wire.take()
  assert.deepEqual(group?.subarray(0, 6), Uint8Array.of(1, 0, 0x5e, 1, 2, 3))
  assert.deepEqual(all?.subarray(0, 6), new Uint8Array(6).fill(255))
})

test('an interface that goes down loses its neighbours and their packets (neigh_ifdown)', () => {
  const { wire, stack } = setup()
  send(stack, '10.0.0.2', PROTO, pattern(1))
  wire.interface.setUp(false)
  assert.equal(stack.arp.entries, 0)
  assert.equal(stack.pool.outstanding, 0)
  wire.ip(datagram('10.0.0.2', '10.0.0.1', PROTO, pattern(1)))
  assert.equal(wire.interface.stats.rx_dropped, 1)
  wire.interface.setUp(true)
  assert.equal(send(stack, '10.0.0.2', PROTO, pattern(1)), 0)
  assert.equal(ipv4.src(wire.take().at(-1) as Uint8Array, 14) !== 0, true)
})
