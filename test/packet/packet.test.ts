/** Packet sockets (packet(7), CONCEPTS SO9, LI1, LI2): what they see, send, and refuse. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { htons } from '../../src/addr/byte-order.ts'
import * as mac from '../../src/addr/mac.ts'
import type { Process } from '../../src/host/process.ts'
import { sockaddrLl } from '../../src/packet/address.ts'
import { SockAddr } from '../../src/sock/address.ts'
import * as c from '../../src/socket/constants.ts'
import { line } from '../../src/wire/dissect.ts'
import { A, bytes, lone, net, outcome, text } from '../host/net.ts'

const { AF_PACKET, SOCK_DGRAM, SOCK_RAW, SOCK_NONBLOCK, ETH_P_ALL } = c
const TEST_TYPE = 0x88b5

const socket = (p: Process, type: number, protocol: number = ETH_P_ALL): number =>
  p.socket(AF_PACKET, type | SOCK_NONBLOCK, htons(protocol))

interface Seen {
  readonly bytes: Uint8Array
  readonly from: SockAddr
}

/** Every frame that waits. */
function drain(p: Process, fd: number): Seen[] {
  const seen: Seen[] = []
  for (;;) {
    const into = new Uint8Array(70000)
    const from = new SockAddr()
    const n = outcome(() => p.recvfrom(fd, into, 0, from))
    if (typeof n !== 'number') return seen
    seen.push({ bytes: into.slice(0, n), from })
  }
}
const kinds = (seen: Seen[]): (number | undefined)[] => seen.map((s) => s.from.link?.pkttype)

test('ping: an ETH_P_ALL socket sees ARP and ICMP both ways, as tcpdump would (dev_queue_xmit_nit, packet_rcv)', () => {
  const { a, clock } = net()
  const p = a.createProcess()
  const fd = socket(p, SOCK_RAW)
  p.bind(fd, sockaddrLl(ETH_P_ALL, 2))
  a.ipv4.icmp.sendEcho(0x0a000002, 7, 1, bytes('abcdefgh'))
  clock.settle()
  const seen = drain(p, fd)
  assert.deepEqual(kinds(seen), [c.PACKET_OUTGOING, c.PACKET_HOST, c.PACKET_OUTGOING, c.PACKET_HOST])
  const lines = seen.map((s) => line(s.bytes))
  assert.match(lines[0] ?? '', /who-has 10.0.0.2 tell 10.0.0.1/i)
  assert.match(lines[1] ?? '', /10.0.0.2 is-at/i)
  assert.match(lines[2] ?? '', /10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1/)
  assert.match(lines[3] ?? '', /10.0.0.2 > 10.0.0.1: ICMP echo reply, id 7, seq 1/)
})

test('SOCK_DGRAM: the header is taken off, and the name has the sender, type, kind and interface (packet_rcv)', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const fd = socket(p, SOCK_DGRAM, c.ETH_P_ARP)
  b.ipv4.icmp.sendEcho(0x0a000001, 1, 1, bytes(''))
  clock.settle()
  const [seen, ...more] = drain(p, fd)
  assert.deepEqual(more, [], 'a socket of one protocol sees nothing that goes out')
  assert.equal(seen?.bytes.length, 28)
  assert.equal(seen?.from.port, c.ETH_P_ARP)
  const mac1 = b.stack.interface('eth0')?.mac
  assert.deepEqual(seen?.from.link, { ifindex: 2, hatype: 1, pkttype: c.PACKET_BROADCAST, hardware: mac1 })
  assert.equal(seen?.from.length, 20)
})

test('lo has an Ethernet header for packet sockets, and a packet is seen going out and coming in (packet(7))', () => {
  const { process: p, clock } = lone()
  const fd = socket(p, SOCK_RAW)
  const udp = p.socket(c.AF_INET, c.SOCK_DGRAM)
  p.sendto(udp, bytes('zz'), 0, { address: '127.0.0.1', port: 7 })
  clock.settle()
  const seen = drain(p, fd)
  assert.deepEqual(kinds(seen), [4, 0, 4, 0], 'the datagram, and port unreachable')
  assert.equal(seen[0]?.bytes.length, 14 + 30)
  assert.deepEqual([...(seen[0]?.bytes.subarray(0, 14) ?? [])], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0])
  assert.deepEqual(seen[0]?.from.link, { ifindex: 1, hatype: 772, pkttype: 4, hardware: new Uint8Array(6) })
})

test('bind: names an interface and a protocol; ENODEV, EINVAL; getsockname tells both and the hardware address (packet_bind)', () => {
  const { a } = net()
  const p = a.createProcess()
  const fd = socket(p, SOCK_RAW, 0)
  const name = (): SockAddr => {
    const into = new SockAddr()
    assert.equal(p.sys.getsockname(fd, into), 0)
    return into
  }
  assert.equal(name().length, 12)
  assert.equal(
    outcome(() => p.bind(fd, sockaddrLl(ETH_P_ALL, 9))),
    'ENODEV',
  )
  assert.equal(
    outcome(() => p.bind(fd, { address: A })),
    'EINVAL',
  )
  p.bind(fd, sockaddrLl(ETH_P_ALL, 2))
  assert.equal(name().port, ETH_P_ALL)
  assert.deepEqual(name().link, { ifindex: 2, hatype: 1, pkttype: 0, hardware: a.stack.interface('eth0')?.mac })
  assert.equal(name().length, 18)
  for (const call of [
    () => p.getpeername(fd),
    () => p.listen(fd, 1),
    () => p.connect(fd, sockaddrLl(3, 2)),
    () => p.shutdown(fd, 2),
  ])
    assert.equal(outcome(call), 'EOPNOTSUPP')
})

test('socket: for the privileged only; other types ESOCKTNOSUPPORT (packet_create)', () => {
  const { process: p } = lone()
  assert.equal(
    outcome(() => socket(p, c.SOCK_STREAM)),
    'ESOCKTNOSUPPORT',
  )
  assert.equal(p.getsockopt(socket(p, SOCK_RAW), c.SOL_SOCKET, c.SO_PROTOCOL), 0)
  p.seteuid(1)
  assert.equal(
    outcome(() => socket(p, SOCK_RAW)),
    'EPERM',
  )
  assert.equal(
    outcome(() => socket(p, c.SOCK_STREAM)),
    'EPERM',
  )
})

test('send: ENXIO, ENETDOWN, EMSGSIZE over the MTU, EINVAL below a header; a VLAN tag may come on top (packet_snd, CONCEPTS LI1)', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const fd = socket(p, SOCK_RAW)
  const frame = (length: number, type = TEST_TYPE): Uint8Array => {
    const f = new Uint8Array(length)
    f.fill(0xff, 0, 6)
    f[12] = type >> 8
    f[13] = type & 0xff
    return f
  }
  const send = (f: Uint8Array): unknown => outcome(() => p.send(fd, f))
  assert.equal(send(frame(60)), 'ENXIO')
  p.bind(fd, sockaddrLl(ETH_P_ALL, 2))
  assert.equal(send(frame(13)), 'EINVAL')
  assert.equal(send(frame(1514)), 1514)
  assert.equal(send(frame(1515)), 'EMSGSIZE')
  assert.equal(send(frame(1519, c.ETH_P_8021Q)), 'EMSGSIZE')
  assert.equal(send(frame(1518, c.ETH_P_8021Q)), 1518)
  clock.settle()
  assert.equal(b.counters.LinkRxUnknownProtocol, 1)
  assert.equal(b.counters.LinkRxTooLong, 1, 'what is over the MTU there is dropped and counted')
  assert.deepEqual(drain(p, fd), [], 'nobody sees what he sent himself')
  assert.equal(
    outcome(() => p.sendto(fd, frame(60), 0, sockaddrLl(TEST_TYPE, 77))),
    'ENXIO',
  )
  a.stack.interface('eth0')?.setUp(false)
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(9))),
    'ENETDOWN',
  )
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(9))),
    'EAGAIN',
  )
  assert.equal(send(frame(60)), 'ENETDOWN')
  a.stack.interface('eth0')?.setUp(true)
  assert.equal(send(frame(60)), 60)
})

test('SOCK_DGRAM sends with a header made of the name; two programs talk over Ethernet in a type of their own', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const q = b.createProcess()
  const here = socket(p, SOCK_DGRAM, TEST_TYPE)
  const there = socket(q, SOCK_DGRAM, TEST_TYPE)
  const to = b.stack.interface('eth0')?.mac
  assert.ok(to)
  assert.equal(p.sendto(here, bytes('hello'), 0, sockaddrLl(TEST_TYPE, 2, to)), 5)
  clock.settle()
  const [seen] = drain(q, there)
  assert.equal(text(seen?.bytes ?? bytes('')), 'hello')
  assert.deepEqual(seen?.from.link?.hardware, a.stack.interface('eth0')?.mac)
  assert.equal(seen?.from.link?.pkttype, c.PACKET_HOST)
  p.bind(here, sockaddrLl(TEST_TYPE, 2))
  assert.equal(
    outcome(() => p.send(here, bytes('x'))),
    'EINVAL',
    'to nobody',
  )
})

test('lo: a frame for nobody in particular comes back, one for another address as such (eth_type_trans)', () => {
  const { process: p, clock } = lone()
  const fd = socket(p, SOCK_DGRAM, TEST_TYPE)
  for (const first of [0, 0xff, 2]) {
    const to = new Uint8Array(6).fill(first)
    p.sendto(fd, bytes('hello'), 0, sockaddrLl(TEST_TYPE, 1, to))
    clock.settle()
  }
  const seen = drain(p, fd)
  assert.deepEqual(kinds(seen), [c.PACKET_HOST, c.PACKET_MULTICAST, c.PACKET_OTHERHOST])
  assert.deepEqual(
    seen.map((s) => text(s.bytes)),
    ['hello', 'hello', 'hello'],
  )
})

/** `b` listens; `a` sends a frame to somebody who is neither. */
function overhearing(): { p: Process; fd: number; say: () => void; host: ReturnType<typeof net>['b'] } {
  const { a, b, clock } = net()
  const p = b.createProcess()
  const q = a.createProcess()
  const out = socket(q, SOCK_DGRAM, TEST_TYPE)
  return {
    p,
    fd: socket(p, SOCK_RAW),
    host: b,
    say: () => {
      q.sendto(out, bytes('for another'), 0, sockaddrLl(TEST_TYPE, 2, mac.parse('02:00:00:00:00:77')))
      clock.settle()
    },
  }
}
const mreq = (ifindex: number, type: number, address: readonly number[] = []): Uint8Array => {
  const b = new Uint8Array(16)
  const view = new DataView(b.buffer)
  view.setInt32(0, ifindex, true)
  view.setUint16(4, type, true)
  view.setUint16(6, address.length, true)
  b.set(address, 8)
  return b
}

test('promiscuous mode: only then are frames for others seen, counted by the sockets that asked (CONCEPTS LI2, dev_set_promiscuity)', () => {
  const { p, fd, say, host } = overhearing()
  const eth0 = host.stack.interface('eth0')
  say()
  assert.deepEqual(drain(p, fd), [])
  assert.equal(host.counters.LinkRxOtherHost, 1)
  const other = socket(p, SOCK_RAW)
  for (const each of [fd, other])
    p.setsockopt(each, c.SOL_PACKET, c.PACKET_ADD_MEMBERSHIP, mreq(2, c.PACKET_MR_PROMISC))
  assert.equal(eth0?.promiscuity, 2)
  say()
  assert.deepEqual(kinds(drain(p, fd)), [c.PACKET_OTHERHOST])
  p.setsockopt(fd, c.SOL_PACKET, c.PACKET_DROP_MEMBERSHIP, mreq(2, c.PACKET_MR_PROMISC))
  p.close(other)
  assert.equal(eth0?.promiscuity, 0)
  say()
  assert.deepEqual(drain(p, fd), [])
})

test('memberships: one more unicast address; multicast and allmulti counted; ENODEV, EINVAL (packet_mc_add)', () => {
  const { p, fd, say, host } = overhearing()
  const add = (request: Uint8Array): unknown =>
    outcome(() => p.setsockopt(fd, c.SOL_PACKET, c.PACKET_ADD_MEMBERSHIP, request))
  assert.equal(add(mreq(9, c.PACKET_MR_PROMISC)), 'ENODEV')
  assert.equal(add(mreq(2, c.PACKET_MR_MULTICAST)), 'EINVAL')
  assert.equal(add(mreq(2, c.PACKET_MR_UNICAST, [1, 2, 3, 4, 5, 6, 7])), 'EINVAL')
  assert.equal(add(new Uint8Array(15)), 'EINVAL')
  assert.equal(add(mreq(2, c.PACKET_MR_UNICAST, [2, 0, 0, 0, 0, 0x77])), undefined)
  say()
  assert.deepEqual(kinds(drain(p, fd)), [c.PACKET_OTHERHOST])
  assert.equal(add(mreq(2, c.PACKET_MR_ALLMULTI)), undefined)
  assert.equal(host.stack.interface('eth0')?.allmulti, 1)
  p.close(fd)
  assert.equal(host.stack.interface('eth0')?.allmulti, 0)
  assert.equal(host.stack.interface('eth0')?.hardwareFilter.size, 0)
})

test('the receive buffer bounds what waits; PACKET_STATISTICS counts both and begins anew (packet_rcv)', () => {
  const { process: p, clock } = lone()
  const fd = socket(p, SOCK_RAW, c.ETH_P_IP)
  p.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 1)
  const udp = p.socket(c.AF_INET, c.SOCK_DGRAM)
  p.bind(udp, { port: 7 })
  for (let i = 0; i < 5; i++) p.sendto(udp, bytes('x'), 0, { address: '127.0.0.1', port: 7 })
  clock.settle()
  const statistics = (): number[] => [
    ...new Uint32Array((p.getsockopt(fd, c.SOL_PACKET, c.PACKET_STATISTICS) as Uint8Array).buffer),
  ]
  assert.deepEqual(statistics(), [5, 2])
  assert.deepEqual(statistics(), [0, 0])
  assert.equal(drain(p, fd).length, 3)
})

test('PACKET_IGNORE_OUTGOING, PACKET_VERSION, PACKET_HDRLEN; rings are refused: ENOPROTOOPT (packet_setsockopt)', () => {
  const { process: p, clock } = lone()
  const fd = socket(p, SOCK_RAW)
  const set = (name: number, value: number): unknown => outcome(() => p.setsockopt(fd, c.SOL_PACKET, name, value))
  const get = (name: number): unknown => outcome(() => p.getsockopt(fd, c.SOL_PACKET, name))
  assert.equal(set(c.PACKET_IGNORE_OUTGOING, 2), 'EINVAL')
  set(c.PACKET_IGNORE_OUTGOING, 1)
  assert.equal(get(c.PACKET_IGNORE_OUTGOING), 1)
  p.sendto(p.socket(c.AF_INET, c.SOCK_DGRAM), bytes('x'), 0, { address: '127.0.0.1', port: 7 })
  clock.settle()
  assert.deepEqual(kinds(drain(p, fd)), [0, 0])
  assert.equal(set(c.PACKET_VERSION, 3), 'EINVAL')
  assert.equal(get(c.PACKET_HDRLEN), 32)
  set(c.PACKET_VERSION, c.TPACKET_V3)
  assert.equal(get(c.PACKET_HDRLEN), 48)
  assert.equal(set(c.PACKET_RX_RING, 0), 'ENOPROTOOPT')
  assert.equal(set(c.PACKET_FANOUT, 0), 'ENOPROTOOPT')
  assert.equal(
    outcome(() => p.setsockopt(fd, c.SOL_IP, c.IP_TTL, 1)),
    'ENOPROTOOPT',
  )
  assert.equal(
    outcome(() => p.getsockopt(fd, c.SOL_IP, c.IP_TTL)),
    'ENOPROTOOPT',
  )
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(9), c.MSG_OOB)),
    'EINVAL',
  )
})

test('no tap is on an interface that no socket listens on; an interface added later is listened on too', () => {
  const { a } = net()
  const p = a.createProcess()
  const taps = (): number[] => a.stack.interfaces.map((each) => each.taps.length)
  assert.deepEqual(taps(), [0, 0])
  const fd = socket(p, SOCK_RAW)
  assert.deepEqual(taps(), [1, 1])
  p.bind(fd, sockaddrLl(ETH_P_ALL, 2))
  assert.deepEqual(taps(), [0, 1])
  p.bind(fd, sockaddrLl(ETH_P_ALL, 0))
  p.close(fd)
  assert.deepEqual(taps(), [0, 0])
})

test('what waits in a socket that is closed goes back to the pool, and nothing else is left', () => {
  const { a, b, clock, pool } = net()
  const p = a.createProcess()
  const fds = [socket(p, SOCK_RAW), socket(p, SOCK_DGRAM), p.socket(c.AF_INET, SOCK_RAW, c.IPPROTO_ICMP)]
  a.ipv4.icmp.sendEcho(0x0a000002, 7, 1, bytes('abcdefgh'))
  b.ipv4.icmp.sendEcho(0x7f000001, 7, 1, bytes('abcdefgh'))
  clock.settle()
  assert.ok(pool.outstanding >= 9)
  for (const fd of fds) p.close(fd)
  assert.equal(pool.outstanding, 0)
  assert.equal(a.packet.sockets.size + a.raw.sockets.size, 0)
})
