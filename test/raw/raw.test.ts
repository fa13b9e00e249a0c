/** Raw sockets (raw(7), net/ipv4/raw.c, CONCEPTS SO9). What is expected was seen on Linux 6.18. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import { AF_UNSPEC, SockAddr } from '../../src/sock/address.ts'
import * as c from '../../src/socket/constants.ts'
import * as checksum from '../../src/wire/checksum.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { A, B, bytes, lone, net, outcome } from '../host/net.ts'

const { AF_INET, SOCK_RAW, SOCK_NONBLOCK, IPPROTO_ICMP, IPPROTO_RAW } = c
const LO = { address: '127.0.0.1', port: 0 }
const TEST_PROTOCOL = 200

const raw = (p: Process, protocol: number): number => p.socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, protocol)

interface Got {
  readonly bytes: Uint8Array
  readonly from: string
}

function drain(p: Process, fd: number): Got[] {
  const all: Got[] = []
  for (;;) {
    const into = new Uint8Array(70000)
    const from: { address?: string; port?: number } = {}
    const n = outcome(() => p.recvfrom(fd, into, 0, from))
    if (typeof n !== 'number') return all
    all.push({ bytes: into.slice(0, n), from: `${from.address}:${from.port}` })
  }
}

function echo(type: number = icmp.ECHO, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const b = new Uint8Array(icmp.HDR_LEN + data.length)
  icmp.emit(b, 0, type, 0, icmp.word16(9, 1))
  b.set(data, icmp.HDR_LEN)
  icmp.fillChecksum(b, 0, b.length)
  return b
}

/** An IP header as a program writes one, and a payload; fields it leaves to the kernel are 0. */
function packet(
  options: { ihl?: number; id?: number; protocol?: number; src?: number; data?: Uint8Array } = {},
): Uint8Array {
  const { ihl = 5, id = 0, protocol = TEST_PROTOCOL, src = 0, data = bytes('hello') } = options
  const b = new Uint8Array(20 + data.length)
  ipv4.emit(b, 0, 20, 0, 0, id, 0, 64, protocol, src, 0x7f000001)
  b[0] = 0x40 | ihl
  ipv4.setTotalLength(b, 0, 0)
  b.set(data, 20)
  return b
}

test('socket: any protocol but 0, for the privileged; the port is the protocol (inet_create, raw_init)', () => {
  const { process: p } = lone()
  assert.deepEqual(p.getsockname(raw(p, IPPROTO_ICMP)), { family: AF_INET, address: '0.0.0.0', port: 1 })
  assert.equal(p.getsockname(raw(p, 262)).port, 262)
  assert.equal(
    outcome(() => raw(p, 0)),
    'EPROTONOSUPPORT',
  )
  assert.equal(
    outcome(() => raw(p, 263)),
    'EINVAL',
  )
  p.seteuid(1000)
  assert.equal(
    outcome(() => raw(p, IPPROTO_ICMP)),
    'EPERM',
  )
  assert.equal(
    outcome(() => raw(p, 0)),
    'EPROTONOSUPPORT',
  )
})

test('ICMP: a copy of every message for this host, header and all, before the kernel answers it (raw_local_deliver)', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const q = b.createProcess()
  const asker = raw(p, IPPROTO_ICMP)
  const watcher = raw(q, IPPROTO_ICMP)
  assert.equal(p.sendto(asker, echo(icmp.ECHO, bytes('data')), 0, { address: B }), 12)
  clock.settle()
  const [request] = drain(q, watcher)
  assert.equal(request?.from, `${A}:0`)
  assert.equal(request?.bytes.length, 32)
  assert.equal(request?.bytes[20], icmp.ECHO)
  const [reply, ...more] = drain(p, asker)
  assert.deepEqual(more, [])
  assert.equal(reply?.from, `${B}:0`)
  assert.equal(reply?.bytes[20], icmp.ECHO_REPLY)
  assert.ok(ipv4.checksumOk(reply?.bytes ?? new Uint8Array(20), 0))
  assert.equal(a.counters.IcmpOutEchos, 1)
})

test('ICMP_FILTER keeps the types of its bits away, short messages always; other protocols have none (icmp_filter)', () => {
  const { process: p, clock } = lone()
  const fd = raw(p, IPPROTO_ICMP)
  assert.equal(p.getsockopt(fd, c.SOL_RAW, c.ICMP_FILTER), 0)
  p.setsockopt(fd, c.SOL_RAW, c.ICMP_FILTER, 1 << icmp.ECHO)
  assert.equal(p.getsockopt(fd, c.SOL_RAW, c.ICMP_FILTER), 1 << icmp.ECHO)
  p.sendto(fd, echo(), 0, LO)
  p.sendto(fd, echo(icmp.TIMESTAMP_REPLY).subarray(0, 7), 0, LO)
  clock.settle()
  assert.deepEqual(
    drain(p, fd).map((got) => got.bytes[20]),
    [icmp.ECHO_REPLY],
  )
  const other = raw(p, TEST_PROTOCOL)
  assert.equal(
    outcome(() => p.setsockopt(other, c.SOL_RAW, c.ICMP_FILTER, 1)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.getsockopt(other, c.SOL_RAW, c.ICMP_FILTER)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.getsockopt(fd, c.SOL_RAW, 2)),
    'ENOPROTOOPT',
  )
  assert.equal(
    outcome(() => p.setsockopt(fd, c.SOL_RAW, 2, 1)),
    'ENOPROTOOPT',
  )
})

test('send: the errors in their order (raw_sendmsg)', () => {
  const { process: p } = lone()
  const fd = raw(p, IPPROTO_ICMP)
  assert.equal(
    outcome(() => p.send(fd, echo())),
    'EDESTADDRREQ',
  )
  assert.equal(
    outcome(() => p.sendto(fd, new Uint8Array(65536), c.MSG_OOB, LO)),
    'EMSGSIZE',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(), c.MSG_OOB, LO)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.sendto(fd, Uint8Array.of(8), 0, LO)),
    'EFAULT',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(), 0, { family: c.AF_INET6, address: '127.0.0.1' })),
    'EAFNOSUPPORT',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(), 0, { address: '127.255.255.255' })),
    'EACCES',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(), 0, { address: '192.0.2.1' })),
    'ENETUNREACH',
  )
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(9), c.MSG_OOB)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.shutdown(fd, c.SHUT_WR)),
    'ENOTCONN',
    'and works all the same',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(), 0, LO)),
    8,
  )
})

test('connect and bind: who is heard; AF_UNSPEC ends hearing altogether (ip4_datagram_connect, raw_bind, __udp_disconnect)', () => {
  const { process: p, clock } = lone()
  const fd = raw(p, TEST_PROTOCOL)
  const sender = raw(p, TEST_PROTOCOL)
  const heard = (): number => {
    p.sendto(sender, bytes('x'), 0, LO)
    clock.settle()
    drain(p, sender)
    return drain(p, fd).length
  }
  assert.equal(heard(), 1)
  p.connect(fd, { address: '127.0.0.1', port: 77 })
  assert.deepEqual(p.getsockname(fd), { family: AF_INET, address: '127.0.0.1', port: TEST_PROTOCOL })
  assert.equal(p.getpeername(fd).port, 77)
  assert.equal(heard(), 1)
  p.connect(fd, new SockAddr(AF_UNSPEC))
  assert.deepEqual(p.getsockname(fd), { family: AF_INET, address: '0.0.0.0', port: 0 })
  assert.equal(
    outcome(() => p.getpeername(fd)),
    'ENOTCONN',
  )
  assert.equal(heard(), 0)
  assert.equal(
    outcome(() => p.bind(fd, { address: '192.0.2.1' })),
    'EADDRNOTAVAIL',
  )
  const bound = raw(p, TEST_PROTOCOL)
  p.bind(bound, { address: '127.0.0.9', port: 3 })
  assert.deepEqual(p.getsockname(bound), { family: AF_INET, address: '127.0.0.9', port: TEST_PROTOCOL })
  p.sendto(sender, bytes('x'), 0, LO)
  p.sendto(sender, bytes('y'), 0, { address: '127.0.0.9' })
  clock.settle()
  assert.deepEqual(
    drain(p, bound).map((got) => got.bytes[20]),
    [0x79],
  )
})

test('IPPROTO_RAW: IP_HDRINCL is on; the kernel fills in length, checksum, source and identification (raw_send_hdrinc)', () => {
  const { process: p, clock, host } = lone()
  const out = raw(p, IPPROTO_RAW)
  const into = raw(p, TEST_PROTOCOL)
  assert.equal(p.getsockopt(out, c.SOL_IP, c.IP_HDRINCL), 1)
  const send = (b: Uint8Array): unknown => outcome(() => p.sendto(out, b, 0, LO))
  const through = (b: Uint8Array): Uint8Array | undefined => {
    assert.equal(send(b), b.length)
    clock.settle()
    return drain(p, into)[0]?.bytes
  }
  const plain = through(packet())
  assert.ok(plain !== undefined && ipv4.checksumOk(plain, 0))
  assert.equal(ipv4.totalLength(plain, 0), 25)
  assert.equal(ipv4.src(plain, 0), 0x7f000001)
  assert.notEqual(ipv4.id(plain, 0), 0)
  assert.equal(ipv4.id(through(packet({ id: 77 })) ?? plain, 0), 77)
  assert.equal(ipv4.src(through(packet({ src: 0x09090909 })) ?? plain, 0), 0x09090909)
  assert.equal(through(packet({ data: new Uint8Array(0) }))?.length, 20)
  assert.equal(send(packet().subarray(0, 19)), 'EINVAL')
  assert.equal(send(packet({ ihl: 4 })), 'EINVAL')
  assert.equal(send(packet({ ihl: 15 })), 'EINVAL')
  assert.equal(host.counters.IpOutDiscards, 2)
  assert.equal(host.counters.IpOutRequests, 0)
  host.stack.lo.setMtu(1500)
  assert.equal(send(packet({ data: new Uint8Array(1481) })), 'EMSGSIZE')
  assert.equal(through(packet({ data: new Uint8Array(1480) }))?.length, 1500)
})

test('IP_HDRINCL is for raw sockets only (do_ip_setsockopt)', () => {
  const { process: p } = lone()
  const udp = p.socket(AF_INET, c.SOCK_DGRAM)
  assert.equal(
    outcome(() => p.setsockopt(udp, c.SOL_IP, c.IP_HDRINCL, 1)),
    'ENOPROTOOPT',
  )
  assert.equal(p.getsockopt(udp, c.SOL_IP, c.IP_HDRINCL), 0)
  const fd = raw(p, TEST_PROTOCOL)
  p.setsockopt(fd, c.SOL_IP, c.IP_HDRINCL, 1)
  assert.equal(p.getsockopt(fd, c.SOL_IP, c.IP_HDRINCL), 1)
})

test('without a header of its own a long packet goes in fragments, and comes whole; not with IP_PMTUDISC_DO (ip_append_data)', () => {
  const { process: p, clock, host } = lone()
  host.stack.lo.setMtu(1500)
  const fd = raw(p, TEST_PROTOCOL)
  assert.equal(p.sendto(fd, new Uint8Array(3000), 0, LO), 3000)
  clock.settle()
  assert.deepEqual(
    drain(p, fd).map((got) => got.bytes.length),
    [3020],
  )
  assert.equal(host.counters.IpFragCreates, 3)
  p.setsockopt(fd, c.SOL_IP, c.IP_MTU_DISCOVER, c.IP_PMTUDISC_DO)
  p.setsockopt(fd, c.SOL_IP, c.IP_RECVERR, 1)
  assert.equal(
    outcome(() => p.sendto(fd, new Uint8Array(3000), 0, LO)),
    'EMSGSIZE',
  )
  const [sock] = [...host.raw.sockets]
  assert.equal(sock?.errorQueue?.length, 1)
})

test('MSG_MORE: parts make one packet (ip_append_data)', () => {
  const { process: p, clock } = lone()
  const fd = raw(p, TEST_PROTOCOL)
  assert.equal(p.sendto(fd, bytes('ab'), c.MSG_MORE, LO), 2)
  clock.settle()
  assert.deepEqual(drain(p, fd), [])
  assert.equal(p.sendto(fd, bytes('cd'), 0, LO), 2)
  clock.settle()
  assert.deepEqual(
    drain(p, fd).map((got) => String.fromCharCode(...got.bytes.subarray(20))),
    ['abcd'],
  )
})

test('the receive buffer bounds what waits: the packet that crosses it is the last, the rest are counted (sk_drops)', () => {
  const { process: p, clock, host } = lone()
  const fd = raw(p, TEST_PROTOCOL)
  p.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 1)
  for (let i = 0; i < 6; i++) p.sendto(fd, bytes('a'), 0, LO)
  clock.settle()
  const [sock] = [...host.raw.sockets]
  assert.equal(sock?.rmemAlloc, 3 * 832)
  assert.equal(drain(p, fd).length, 3)
  assert.equal(sock?.drops, 3)
  assert.equal(sock?.rmemAlloc, 0)
})

test('an unknown protocol is nobody’s unless a raw socket has it: no "protocol unreachable" then (ip_protocol_deliver_rcu)', () => {
  const { a, b, clock } = net()
  const p = a.createProcess()
  const q = b.createProcess()
  const fd = raw(p, TEST_PROTOCOL)
  p.connect(fd, { address: B })
  p.send(fd, bytes('eight by'))
  clock.settle()
  assert.equal(b.counters.IpInUnknownProtos, 1)
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(9))),
    'ENOPROTOOPT',
    'the error of a connected socket',
  )
  const there = raw(q, TEST_PROTOCOL)
  p.send(fd, bytes('y'))
  clock.settle()
  assert.equal(drain(q, there).length, 1)
  assert.equal(b.counters.IcmpOutDestUnreachs, 1)
  assert.equal(
    outcome(() => p.send(fd, bytes('z'))),
    1,
  )
  q.close(there)
  assert.equal(b.ipv4.rawTap, null, 'without sockets IP asks nobody')
})

test('unconnected and without IP_RECVERR a raw socket hears of no error; with it the error queue tells all (raw_err)', () => {
  const { a, b, clock } = net()
  assert.equal(b.counters.IcmpOutMsgs, 0)
  const p = a.createProcess()
  const fd = raw(p, TEST_PROTOCOL)
  p.sendto(fd, bytes('eight by'), 0, { address: B })
  clock.settle()
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(9))),
    'EAGAIN',
  )
  p.setsockopt(fd, c.SOL_IP, c.IP_RECVERR, 1)
  p.sendto(fd, bytes('is quoted'), 0, { address: B })
  clock.settle()
  const into = new Uint8Array(20)
  const name: { address?: string } = {}
  assert.equal(p.recvfrom(fd, into, c.MSG_ERRQUEUE, name), 9, 'the quoted payload')
  assert.equal(String.fromCharCode(...into.subarray(0, 9)), 'is quoted')
  assert.equal(name.address, B)
})

test('checksums of transports are the program’s: a UDP datagram by hand arrives at a UDP socket', () => {
  const { process: p, clock } = lone()
  const server = p.socket(AF_INET, c.SOCK_DGRAM | SOCK_NONBLOCK)
  p.bind(server, { address: '127.0.0.1', port: 5353 })
  const datagram = new Uint8Array(12)
  const view = new DataView(datagram.buffer)
  view.setUint16(0, 1234)
  view.setUint16(2, 5353)
  view.setUint16(4, 12)
  datagram.set(bytes('four'), 8)
  view.setUint16(6, checksum.finish(checksum.sum(view, 0, 12, checksum.pseudo4(0x7f000001, 0x7f000001, 17, 12))))
  const fd = raw(p, c.IPPROTO_UDP)
  p.sendto(fd, datagram, 0, LO)
  clock.settle()
  assert.equal(p.recv(server, new Uint8Array(10)), 4)
  assert.equal(drain(p, fd).length, 1, 'and the raw socket has its copy')
})
