/** Connected UDP sockets and the errors that come back (RFC 1122 §4.1.3.3, udp(7), CONCEPTS UD3). */
import assert from 'node:assert/strict'
import test from 'node:test'
import { HEADROOM } from '../../src/buf/packet.ts'
import type { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { F_WIRE } from '../../src/link/link.ts'
import * as c from '../../src/socket/constants.ts'
import * as checksum from '../../src/wire/checksum.ts'
import * as udp from '../../src/wire/udp.ts'
import { A, B, bytes, lone, net, outcome, text } from '../host/net.ts'

const { AF_INET, SOCK_DGRAM } = c

const socket = (p: Process, port?: number): number => {
  const fd = p.socket(AF_INET, SOCK_DGRAM | c.SOCK_NONBLOCK)
  if (port !== undefined) p.bind(fd, { port })
  return fd
}
const receive = (p: Process, fd: number): unknown => {
  const into = new Uint8Array(2000)
  const n = outcome(() => p.recv(fd, into))
  return typeof n === 'number' ? text(into, n) : n
}
const revents = (p: Process, fd: number): number => {
  const entry = { fd, events: 0xffff, revents: 0 }
  p.poll([entry], 0)
  return entry.revents
}

test('a connected socket receives from its peer only; others get port unreachable (ip4_datagram_connect)', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const q = b.createProcess()
  const peer = socket(p, 5000)
  const stranger = socket(p, 5001)
  const s = socket(q, 7)
  q.connect(s, { address: A, port: 5000 })
  p.connect(stranger, { address: B, port: 7 })
  p.send(stranger, bytes('no'))
  p.sendto(peer, bytes('yes'), 0, { address: B, port: 7 })
  clock.settle()
  assert.equal(receive(q, s), 'yes')
  assert.equal(receive(q, s), 'EAGAIN')
  assert.equal(receive(p, stranger), 'ECONNREFUSED')
  assert.equal(b.counters.UdpNoPorts, 1)
})

test('port unreachable: POLLERR, then ECONNREFUSED once from any call, then all is well (udp_err)', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const s = socket(p)
  p.connect(s, { address: B, port: 7 })
  const provoke = (): void => {
    p.send(s, bytes('x'))
    clock.settle()
    assert.notEqual(revents(p, s) & c.POLLERR, 0)
  }
  provoke()
  assert.equal(receive(p, s), 'ECONNREFUSED')
  assert.equal(revents(p, s) & c.POLLERR, 0)
  assert.equal(receive(p, s), 'EAGAIN')
  provoke()
  assert.equal(
    outcome(() => p.send(s, bytes('y'))),
    'ECONNREFUSED',
  )
  provoke()
  assert.equal(p.getsockopt(s, c.SOL_SOCKET, c.SO_ERROR), 111)
  assert.equal(p.getsockopt(s, c.SOL_SOCKET, c.SO_ERROR), 0)
  const q = b.createProcess()
  const r = socket(q, 7)
  p.send(s, bytes('z'))
  clock.settle()
  assert.equal(receive(q, r), 'z')
})

test('an unconnected socket hears of no error unless it asks with IP_RECVERR (RFC 1122 §4.1.3.3, ip(7))', () => {
  const { a, clock } = net()
  const p = a.createProcess()
  const s = socket(p)
  const send = (): unknown => outcome(() => p.sendto(s, bytes('x'), 0, { address: B, port: 7 }))
  send()
  clock.settle()
  assert.equal(receive(p, s), 'EAGAIN')
  p.setsockopt(s, c.SOL_IP, c.IP_RECVERR, 1)
  send()
  clock.settle()
  assert.equal(receive(p, s), 'ECONNREFUSED')
})

test('a neighbour that does not answer ARP: EHOSTUNREACH is soft, so only IP_RECVERR tells (icmp_err_convert)', async () => {
  const { a, clock } = net()
  const p = a.createProcess()
  const plain = socket(p)
  const asking = socket(p)
  p.connect(plain, { address: '10.0.0.99', port: 7 })
  p.connect(asking, { address: '10.0.0.99', port: 7 })
  p.setsockopt(asking, c.SOL_IP, c.IP_RECVERR, 1)
  p.send(plain, bytes('x'))
  p.send(asking, bytes('x'))
  await clock.runFor(10e6)
  assert.equal(receive(p, plain), 'EAGAIN')
  assert.equal(receive(p, asking), 'EHOSTUNREACH')
})

test('connect again changes the peer; AF_UNSPEC dissolves the association and an automatic address (udp_disconnect)', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const q = b.createProcess()
  const one = socket(q, 1000)
  const two = socket(q, 1001)
  const s = socket(p)
  p.connect(s, { address: B, port: 1000 })
  const { port } = p.getsockname(s)
  assert.equal(p.getsockname(s).address, A)
  p.send(s, bytes('first'))
  p.connect(s, { address: B, port: 1001 })
  assert.deepEqual(p.getpeername(s), { family: AF_INET, address: B, port: 1001 })
  assert.equal(p.getsockname(s).port, port)
  p.send(s, bytes('second'))
  clock.settle()
  assert.deepEqual([receive(q, one), receive(q, two)], ['first', 'second'])
  assert.equal(p.connect(s, { family: c.AF_UNSPEC }), 0)
  assert.equal(
    outcome(() => p.getpeername(s)),
    'ENOTCONN',
  )
  assert.deepEqual(p.getsockname(s), { family: AF_INET, address: '0.0.0.0', port: 0 })
  assert.equal(
    outcome(() => p.send(s, bytes('x'))),
    'EDESTADDRREQ',
  )
})

test('AF_UNSPEC leaves what bind gave: the address and the port (SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK)', () => {
  const { process: p } = lone()
  const s = p.socket(AF_INET, SOCK_DGRAM)
  p.bind(s, { address: '127.0.0.1', port: 7000 })
  p.connect(s, { address: '127.0.0.1', port: 7001 })
  p.connect(s, { family: c.AF_UNSPEC })
  assert.deepEqual(p.getsockname(s), { family: AF_INET, address: '127.0.0.1', port: 7000 })
})

test('connect: family, route and broadcast are checked in Linux order; port 0 and 0.0.0.0 are accepted', () => {
  const { process: p } = lone()
  const s = p.socket(AF_INET, SOCK_DGRAM)
  assert.equal(
    outcome(() => p.connect(s, { family: c.AF_INET6, port: 1 })),
    'EAFNOSUPPORT',
  )
  assert.equal(
    outcome(() => p.connect(s, { address: '192.0.2.1', port: 1 })),
    'ENETUNREACH',
  )
  assert.equal(p.connect(s, { port: 9 }), 0)
  assert.deepEqual(p.getpeername(s), { family: AF_INET, address: '127.0.0.1', port: 9 })
  assert.equal(p.connect(s, { address: '127.0.0.1', port: 0 }), 0)
  assert.equal(
    outcome(() => p.getpeername(s)),
    'ENOTCONN',
  )
})

/** Puts a UDP datagram to `port` into `host` as if from the wire. */
function inject(host: Host, port: number, change: (b: Uint8Array) => void, payload = 8): void {
  const length = udp.HDR_LEN + payload
  const { stack } = host
  const packet = stack.pool.alloc(HEADROOM + length)
  packet.start = packet.l4 = HEADROOM
  packet.end = HEADROOM + length
  packet.l3 = HEADROOM - 20
  packet.bytes.fill(0, packet.start, packet.end)
  packet.saddr = 0x0a000001
  packet.daddr = 0x0a000002
  packet.protocol = 17
  packet.interface = stack.interface('eth0')
  udp.emit(packet.bytes, packet.start, 5000, port, length, checksum.pseudo4(packet.saddr, packet.daddr, 17, length))
  change(packet.bytes.subarray(packet.start, packet.end))
  host.udp.input(packet)
}

test('bad datagrams are counted and dropped: short header, lengths, checksum (RFC 768; UdpInErrors, UdpInCsumErrors)', () => {
  const { b, pool } = net({ features: F_WIRE })
  const q = b.createProcess()
  const r = socket(q, 7)
  const reasons: string[] = []
  b.trace.drop = (_packet, reason) => reasons.push(reason)
  const put16 = (at: number, value: number) => (d: Uint8Array) => d.set([value >> 8, value & 0xff], at)
  inject(b, 7, put16(4, 7))
  inject(b, 7, put16(4, 17))
  inject(b, 7, (d) => d.fill(0xff, 8, 9))
  inject(b, 7, put16(6, 0x1234))
  assert.deepEqual(reasons, ['udp.length', 'udp.length', 'udp.checksum', 'udp.checksum'])
  assert.equal(b.counters.UdpInErrors, 4)
  assert.equal(b.counters.UdpInCsumErrors, 2)
  assert.equal(receive(q, r), 'EAGAIN')
  inject(b, 7, put16(6, 0))
  assert.equal(receive(q, r), '\0'.repeat(8), 'checksum 0 is accepted on IPv4')
  inject(b, 7, () => {})
  assert.equal(receive(q, r), '\0'.repeat(8))
  assert.equal(pool.outstanding, 0)
})

test('what IP padded behind the datagram is cut off; a wrong checksum to a closed port draws no ICMP (udp4_lib_rcv)', () => {
  const { b } = net({ features: F_WIRE })
  const q = b.createProcess()
  const r = socket(q, 7)
  inject(b, 7, (d) => {
    d.set([0, 12, 0, 0], 4)
  })
  assert.equal(receive(q, r), '\0\0\0\0')
  inject(b, 9, (d) => d.fill(0xff, 8, 9))
  assert.equal(b.counters.UdpNoPorts, 0)
  assert.equal(b.counters.IcmpOutMsgs, 0)
})
