import assert from 'node:assert/strict'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import { F_ALL, F_WIRE } from '../../src/link/link.ts'
import { SockAddr } from '../../src/sock/address.ts'
import { Message } from '../../src/sock/sock.ts'
import * as c from '../../src/socket/constants.ts'
import { EAGAIN } from '../../src/sys/errno.ts'
import { truesize } from '../../src/udp/udp-sock.ts'
import { A, B, bytes, lone, type Net, net, outcome, text } from '../host/net.ts'

const { AF_INET, SOCK_DGRAM } = c
const NON_BLOCKING = SOCK_DGRAM | c.SOCK_NONBLOCK

const socket = (p: Process, port?: number, address?: string): number => {
  const fd = p.socket(AF_INET, NON_BLOCKING)
  if (port !== undefined) p.bind(fd, address === undefined ? { port } : { port, address })
  return fd
}

/** What is received now: the text, or the errno. */
const receive = (p: Process, fd: number, flags = 0): unknown => {
  const into = new Uint8Array(70000)
  const n = outcome(() => p.recv(fd, into, flags))
  return typeof n === 'number' ? text(into, n) : n
}

interface Pair extends Net {
  readonly p: Process
  readonly q: Process
}
const pair = (options?: { features?: number; mtu?: number }): Pair => {
  const both = net(options)
  return { ...both, p: both.a.createProcess(), q: both.b.createProcess() }
}

test('a datagram arrives whole with its sender; boundaries are kept (RFC 768, CONCEPTS UD4)', () => {
  const { p, q, clock, pool } = pair()
  const s = socket(p)
  const r = socket(q, 7)
  p.sendto(s, bytes('one'), 0, { address: B, port: 7 })
  p.sendto(s, bytes('two!'), 0, { address: B, port: 7 })
  clock.settle()
  const from = {}
  assert.equal(q.recvfrom(r, new Uint8Array(10), 0, from), 3)
  assert.deepEqual(from, { family: AF_INET, address: A, port: p.getsockname(s).port })
  assert.equal(receive(q, r), 'two!')
  assert.equal(receive(q, r), 'EAGAIN')
  assert.equal(pool.outstanding, 0)
})

test('what does not fit the buffer is lost; MSG_TRUNC as a flag tells the real length (recv(2))', () => {
  const { p, q, clock } = pair()
  const r = socket(q, 7)
  const s = socket(p)
  for (const word of ['abcdef', 'ghijkl', 'mn']) p.sendto(s, bytes(word), 0, { address: B, port: 7 })
  clock.settle()
  const into = new Uint8Array(2)
  assert.equal(q.recv(r, into, c.MSG_PEEK | c.MSG_TRUNC), 6)
  assert.equal(q.recv(r, into), 2)
  const message = new Message()
  message.name = new SockAddr()
  assert.equal(q.sys.receive(r, into, c.MSG_TRUNC, message), 6)
  assert.equal(message.flags, c.MSG_TRUNC)
  assert.equal(q.sys.receive(r, into, 0, message), 2)
  assert.equal(message.flags, 0)
})

test('a datagram of no bytes is received as 0 and FIONREAD gives 0 for it (udp(7))', () => {
  const { p, q, clock } = pair()
  const r = socket(q, 7)
  p.sendto(socket(p), new Uint8Array(0), 0, { address: B, port: 7 })
  clock.settle()
  const entry = { fd: r, events: c.POLLIN, revents: 0 }
  assert.equal(q.poll([entry], 0), 1)
  assert.equal(q.ioctl(r, c.FIONREAD), 0)
  assert.equal(q.recv(r, new Uint8Array(10)), 0)
  assert.equal(q.poll([entry], 0), 0)
})

test('up to 65507 bytes go in one datagram, fragmented and put together again; 65508 are EMSGSIZE (RFC 791)', () => {
  for (const features of [F_ALL, F_WIRE]) {
    const { p, q, b, clock, pool } = pair({ features })
    const s = socket(p)
    const r = socket(q, 7)
    const payload = new Uint8Array(65507).map((_, i) => (i * 7) & 0xff)
    const to = { address: B, port: 7 }
    assert.equal(p.sendto(s, payload, 0, to), 65507)
    clock.settle()
    const into = new Uint8Array(70000)
    assert.equal(q.recv(r, into), 65507)
    assert.deepEqual(into.subarray(0, 65507), payload)
    assert.equal(b.counters.IpReasmOKs, 1)
    assert.equal(
      outcome(() => p.sendto(s, new Uint8Array(65508), 0, to)),
      'EMSGSIZE',
    )
    assert.equal(
      outcome(() => p.sendto(s, new Uint8Array(65536), 0, to)),
      'EMSGSIZE',
    )
    assert.equal(pool.outstanding, 0)
  }
})

test('IP_PMTUDISC_DO: more than the path takes is EMSGSIZE and nothing is sent (ip(7))', () => {
  const { p, q, clock } = pair()
  const s = socket(p)
  const r = socket(q, 7)
  p.connect(s, { address: B, port: 7 })
  p.setsockopt(s, c.SOL_IP, c.IP_MTU_DISCOVER, c.IP_PMTUDISC_DO)
  assert.equal(p.getsockopt(s, c.SOL_IP, c.IP_MTU), 1500)
  assert.equal(
    outcome(() => p.send(s, new Uint8Array(1473))),
    'EMSGSIZE',
  )
  assert.equal(p.send(s, new Uint8Array(1472)), 1472)
  clock.settle()
  assert.equal(q.recv(r, new Uint8Array(2000)), 1472)
})

test('DF is set on what fits the path, not on what is fragmented (IP_PMTUDISC_WANT), and never with DONT', () => {
  const { p, a, clock } = pair()
  const flags: boolean[] = []
  a.stack.interface('eth0')?.taps.push((packet, outgoing) => {
    if (outgoing && packet.etherType === 0x0800) flags.push((packet.view.getUint8(packet.l3 + 6) & 0x40) !== 0)
  })
  const s = socket(p)
  p.connect(s, { address: B, port: 7 })
  clock.settle()
  p.send(s, new Uint8Array(1472))
  p.send(s, new Uint8Array(1473))
  p.setsockopt(s, c.SOL_IP, c.IP_MTU_DISCOVER, c.IP_PMTUDISC_DONT)
  p.send(s, new Uint8Array(10))
  clock.settle()
  assert.deepEqual(flags, [true, false, false, false])
})

test('broadcast needs SO_BROADCAST: EACCES without; with it every matching socket gets a copy (udp(7))', () => {
  const { p, q, b, clock, pool } = pair()
  // Bound to an address, so that 255.255.255.255 has a way out without a default route.
  const s = socket(p, 68, A)
  const to = { address: '10.0.0.255', port: 7 }
  assert.equal(
    outcome(() => p.sendto(s, bytes('x'), 0, to)),
    'EACCES',
  )
  assert.equal(
    outcome(() => p.connect(s, to)),
    'EACCES',
  )
  p.setsockopt(s, c.SOL_SOCKET, c.SO_BROADCAST, 1)
  const open = (address?: string): number => {
    const fd = q.socket(AF_INET, NON_BLOCKING)
    q.setsockopt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1)
    q.bind(fd, address === undefined ? { port: 7 } : { port: 7, address })
    return fd
  }
  const any = [open(), open()]
  const own = open(B)
  const directed = open('10.0.0.255')
  p.sendto(s, bytes('all'), 0, to)
  p.sendto(s, bytes('all'), 0, { address: '255.255.255.255', port: 7 })
  clock.settle()
  for (const fd of any) assert.deepEqual([receive(q, fd), receive(q, fd), receive(q, fd)], ['all', 'all', 'EAGAIN'])
  assert.deepEqual([receive(q, directed), receive(q, directed)], ['all', 'EAGAIN'])
  assert.equal(receive(q, own), 'EAGAIN')
  p.sendto(s, bytes('nobody'), 0, { address: '10.0.0.255', port: 8 })
  clock.settle()
  assert.equal(b.counters.UdpIgnoredMulti, 1)
  assert.equal(b.counters.IcmpOutMsgs, 0, 'RFC 1122 §3.2.2: no ICMP error about a broadcast')
  assert.equal(pool.outstanding, 0)
})

test('the best socket gets it: connected before bound address before wildcard (udp4_lib_lookup2)', () => {
  const { p, q, clock } = pair()
  const s = socket(p, 5000)
  const other = socket(p, 5001)
  const open = (address?: string): number => {
    const fd = q.socket(AF_INET, NON_BLOCKING)
    q.setsockopt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1)
    q.bind(fd, address === undefined ? { port: 7 } : { port: 7, address })
    return fd
  }
  const connected = open()
  q.connect(connected, { address: A, port: 5000 })
  const bound = open(B)
  const wild = open()
  const to = { address: B, port: 7 }
  p.sendto(s, bytes('for the connected'), 0, to)
  p.sendto(other, bytes('for the bound'), 0, to)
  clock.settle()
  assert.equal(receive(q, connected), 'for the connected')
  assert.equal(receive(q, bound), 'for the bound')
  q.close(bound)
  p.sendto(other, bytes('for the wildcard'), 0, to)
  clock.settle()
  assert.equal(receive(q, wild), 'for the wildcard')
  assert.equal(receive(q, connected), 'EAGAIN')
})

test('SO_BINDTODEVICE: only what arrives by the device is received (socket(7))', () => {
  const { p, q, clock } = pair()
  const r = q.socket(AF_INET, NON_BLOCKING)
  q.setsockopt(r, c.SOL_SOCKET, c.SO_BINDTODEVICE, 'lo')
  q.bind(r, { port: 7 })
  const s = socket(p)
  p.connect(s, { address: B, port: 7 })
  p.send(s, bytes('x'))
  clock.settle()
  assert.equal(receive(q, r), 'EAGAIN')
  assert.equal(receive(p, s), 'ECONNREFUSED')
  q.setsockopt(r, c.SOL_SOCKET, c.SO_BINDTODEVICE, 'eth0')
  p.send(s, bytes('y'))
  clock.settle()
  assert.equal(receive(q, r), 'y')
})

test('SO_REUSEPORT spreads flows over the group, one flow to one socket (socket(7))', () => {
  const { p, q, clock } = pair()
  const group = Array.from({ length: 4 }, () => {
    const fd = q.socket(AF_INET, NON_BLOCKING)
    q.setsockopt(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1)
    q.bind(fd, { port: 7 })
    return fd
  })
  const counts = group.map(() => 0)
  for (let port = 10000; port < 10200; port++) {
    const s = socket(p, port)
    p.sendto(s, bytes('1'), 0, { address: B, port: 7 })
    p.sendto(s, bytes('2'), 0, { address: B, port: 7 })
    p.close(s)
    clock.settle()
    const got = group.map((fd) => [receive(q, fd), receive(q, fd)])
    const at = got.findIndex(([first]) => first === '1')
    assert.deepEqual(got[at], ['1', '2'])
    counts[at] = (counts[at] as number) + 1
  }
  for (const count of counts) assert.ok(count > 25 && count < 80, counts.join())
})

test('the receive buffer counts memory as Linux does; beyond it datagrams are dropped and counted (SO_RCVBUF)', () => {
  assert.deepEqual(
    [1, 197, 198, 645, 646, 1472, 3000, 9000].map(truesize),
    [832, 832, 1280, 1280, 2304, 2304, 4352, 16640],
  )
  const { p, q, b, clock, pool } = pair()
  const r = socket(q, 7)
  q.setsockopt(r, c.SOL_SOCKET, c.SO_RCVBUF, 20000)
  const s = socket(p)
  p.connect(s, { address: B, port: 7 })
  for (let i = 0; i < 60; i++) p.send(s, new Uint8Array(100))
  clock.settle()
  assert.equal(b.counters.UdpRcvbufErrors, 12)
  assert.equal(b.counters.UdpInErrors, 12)
  let got = 0
  while (q.sys.receive(r, new Uint8Array(200), 0, null) >= 0) got++
  assert.equal(got, 48, 'what Linux 6.18 takes')
  assert.equal(b.counters.UdpInDatagrams, 48)
  assert.equal(pool.outstanding, 0)
})

test('an empty receive buffer takes one datagram however large (__udp_enqueue_schedule_skb)', () => {
  const { p, q, clock } = pair()
  const r = socket(q, 7)
  q.setsockopt(r, c.SOL_SOCKET, c.SO_RCVBUF, 0)
  p.sendto(socket(p), new Uint8Array(30000), 0, { address: B, port: 7 })
  clock.settle()
  assert.equal(q.recv(r, new Uint8Array(40000)), 30000)
})

test('the send buffer counts what has not left the host: EAGAIN when it is full, POLLOUT when half is free again', () => {
  const { p, q, clock } = pair()
  const s = socket(p)
  socket(q, 7)
  p.setsockopt(s, c.SOL_SOCKET, c.SO_SNDBUF, 0)
  p.connect(s, { address: B, port: 7 })
  let sent = 0
  while (p.sys.send(s, new Uint8Array(1000), 0, null) > 0) sent++
  assert.equal(sent, 2)
  assert.equal(p.sys.send(s, new Uint8Array(1), 0, null), -EAGAIN)
  assert.equal(p.ioctl(s, c.SIOCOUTQ), 2 * 2304)
  const entry = { fd: s, events: c.POLLOUT, revents: 0 }
  assert.equal(p.poll([entry], 0), 0)
  clock.settle()
  assert.equal(p.poll([entry], 0), 1)
  assert.equal(p.ioctl(s, c.SIOCOUTQ), 0)
})

test('SO_NO_CHECK sends checksum 0, which the receiver takes as "not computed" (RFC 768)', () => {
  const { p, q, clock, a } = pair({ features: F_WIRE })
  const sums: number[] = []
  a.stack.interface('eth0')?.taps.push((packet, outgoing) => {
    if (outgoing && packet.protocol === 17) sums.push(packet.view.getUint16(packet.l4 + 6))
  })
  const s = socket(p)
  const r = socket(q, 7)
  p.connect(s, { address: B, port: 7 })
  p.setsockopt(s, c.SOL_SOCKET, c.SO_NO_CHECK, 1)
  p.send(s, bytes('x'))
  clock.settle()
  assert.equal(receive(q, r), 'x')
  assert.deepEqual(sums, [0])
})

test('a datagram to oneself over lo, also to 0.0.0.0 and 127.1.2.3 (RFC 1122 §3.2.1.3)', () => {
  const { process: p, clock } = lone()
  const r = socket(p, 7)
  const s = socket(p)
  p.sendto(s, bytes('zero'), 0, { address: '0.0.0.0', port: 7 })
  p.sendto(s, bytes('any of 127/8'), 0, { address: '127.1.2.3', port: 7 })
  clock.settle()
  const from = {}
  assert.equal(p.recvfrom(r, new Uint8Array(10), 0, from), 4)
  assert.deepEqual(from, { family: AF_INET, address: '127.0.0.1', port: p.getsockname(s).port })
  assert.equal(receive(p, r), 'any of 127/8')
})

test('send: the errors of udp_sendmsg (udp(7), send(2))', () => {
  const { process: p } = lone()
  const s = socket(p)
  const send = (to?: { family?: number; address?: string; port?: number }, flags = 0): unknown =>
    outcome(() => p.sendto(s, bytes('x'), flags, to))
  assert.equal(send(), 'EDESTADDRREQ')
  assert.notEqual(p.getsockname(s).port, 0, 'a port is taken before anything is looked at')
  assert.equal(send({ address: '127.0.0.1', port: 0 }), 'EINVAL')
  assert.equal(send({ family: c.AF_INET6, port: 7 }), 'EAFNOSUPPORT')
  assert.equal(send({ address: '192.0.2.1', port: 7 }), 'ENETUNREACH')
  assert.equal(send({ address: '127.0.0.1', port: 7 }, c.MSG_OOB), 'EOPNOTSUPP')
  assert.equal(
    outcome(() => p.shutdown(s, c.SHUT_WR)),
    'ENOTCONN',
  )
  assert.equal(send({ address: '127.0.0.1', port: 7 }), 'EPIPE')
})
