/** Multicast between hosts: membership decides what an interface takes in, what a host hears of itself (ip(7), RFC 1112). */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { A, B, bytes, type Net, net, outcome, text } from '../host/net.ts'

const GROUP = '239.1.2.3'
const PORT = 7000

/** Hosts a and b, with 224.0.0.0/4 on their cable. */
function lab(): Net {
  const both = net()
  for (const host of [both.a, both.b]) {
    const { stack } = host
    const at = stack.interface('eth0')
    if (at !== undefined) stack.routes.add({ destination: 0xe0000000 | 0, prefix: 4, interface: at })
  }
  return both
}

function receiver(process: Process): number {
  const fd = process.socket(c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK)
  process.bind(fd, { port: PORT })
  return fd
}

const heard = (process: Process, fd: number): unknown => {
  const buffer = new Uint8Array(64)
  return outcome(() => text(buffer, process.recv(fd, buffer) as number))
}

/** Sends and lets it arrive. */
async function send(net: Net, process: Process, fd: number, data: string): Promise<void> {
  process.sendto(fd, bytes(data), 0, { address: GROUP, port: PORT })
  await net.clock.runFor(20000)
}

test('a member on another host hears the group, nobody does after it has left or was closed (RFC 1112 §7.1)', async () => {
  const l = lab()
  const [sender, member] = [l.a.createProcess(), l.b.createProcess()]
  const from = sender.socket(c.AF_INET, c.SOCK_DGRAM)
  const at = receiver(member)
  await send(l, sender, from, 'before')
  assert.equal(heard(member, at), 'EAGAIN')
  assert.equal(l.b.counters.IpInAddrErrors, 1)
  member.setsockopt(at, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, { multiaddr: GROUP, address: B })
  await send(l, sender, from, 'member')
  assert.equal(heard(member, at), 'member')
  member.setsockopt(at, c.IPPROTO_IP, c.IP_DROP_MEMBERSHIP, { multiaddr: GROUP, address: B })
  await send(l, sender, from, 'left')
  assert.equal(heard(member, at), 'EAGAIN')
  member.setsockopt(at, c.IPPROTO_IP, c.MCAST_JOIN_GROUP, { multiaddr: GROUP, ifindex: 2 })
  assert.equal(l.b.stack.interface('eth0')?.groups.size, 1)
  await member.close(at)
  assert.equal(l.b.stack.interface('eth0')?.groups.size, 0)
})

test('two members on a host: the interface keeps the group until the second has left', () => {
  const l = lab()
  const member = l.b.createProcess()
  const [one, two] = [receiver(member), member.socket(c.AF_INET, c.SOCK_DGRAM)]
  for (const fd of [one, two]) member.setsockopt(fd, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, { multiaddr: GROUP })
  void member.close(one)
  assert.equal(l.b.stack.interface('eth0')?.groups.size, 1)
  void member.close(two)
  assert.equal(l.b.stack.interface('eth0')?.groups.size, 0)
})

test('a sender’s own host hears it if it is a member, unless IP_MULTICAST_LOOP is off; others hear it in any case (ip(7))', async () => {
  const l = lab()
  const [here, there] = [l.a.createProcess(), l.b.createProcess()]
  const own = receiver(here)
  const other = receiver(there)
  here.setsockopt(own, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, { multiaddr: GROUP })
  there.setsockopt(other, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, { multiaddr: GROUP })
  const from = here.socket(c.AF_INET, c.SOCK_DGRAM)
  await send(l, here, from, 'loop')
  assert.deepEqual([heard(here, own), heard(here, own), heard(there, other)], ['loop', 'EAGAIN', 'loop'])
  here.setsockopt(from, c.IPPROTO_IP, c.IP_MULTICAST_LOOP, 0)
  await send(l, here, from, 'away')
  assert.deepEqual([heard(here, own), heard(there, other)], ['EAGAIN', 'away'])
})

test('IP_MULTICAST_TTL 0 keeps a datagram on the host (RFC 1112 §6.1)', async () => {
  const l = lab()
  const [here, there] = [l.a.createProcess(), l.b.createProcess()]
  const own = receiver(here)
  const other = receiver(there)
  here.setsockopt(own, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, { multiaddr: GROUP })
  there.setsockopt(other, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, { multiaddr: GROUP })
  const from = here.socket(c.AF_INET, c.SOCK_DGRAM)
  here.setsockopt(from, c.IPPROTO_IP, c.IP_MULTICAST_TTL, 0)
  await send(l, here, from, 'stay')
  assert.deepEqual([heard(here, own), heard(there, other)], ['stay', 'EAGAIN'])
  assert.equal(l.pool.outstanding, 0)
})

test('a source membership hears its source alone (RFC 3678 §4.1.2)', async () => {
  const l = lab()
  const [sender, member] = [l.a.createProcess(), l.b.createProcess()]
  const at = receiver(member)
  const request = { multiaddr: GROUP, address: B, sourceaddr: '10.0.0.77' }
  member.setsockopt(at, c.IPPROTO_IP, c.IP_ADD_SOURCE_MEMBERSHIP, request)
  const from = sender.socket(c.AF_INET, c.SOCK_DGRAM)
  await send(l, sender, from, 'stranger')
  assert.equal(heard(member, at), 'EAGAIN')
  member.setsockopt(at, c.IPPROTO_IP, c.IP_ADD_SOURCE_MEMBERSHIP, { ...request, sourceaddr: A })
  await send(l, sender, from, 'wanted')
  assert.equal(heard(member, at), 'wanted')
})

test('a membership request with a text that is no address is refused before any call (RangeError)', () => {
  const { b } = lab()
  const process = b.createProcess()
  const fd = receiver(process)
  const join = (multiaddr: string): void => process.setsockopt(fd, c.IPPROTO_IP, c.IP_ADD_MEMBERSHIP, { multiaddr })
  assert.throws(() => join('239.1.2'), /optval.multiaddr: not an IPv4 address: "239.1.2"/)
})
