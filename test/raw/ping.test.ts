/** Ping sockets (icmp(7), net/ipv4/ping.c, CONCEPTS SO9). What is expected was seen on Linux 6.18. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import { B, bytes, lone, net, outcome } from '../host/net.ts'

const { AF_INET, SOCK_DGRAM, SOCK_NONBLOCK, IPPROTO_ICMP } = c
const LO = { address: '127.0.0.1' }

const open = (host: Host): void => host.setSysctl('net.ipv4.ping_group_range', '0 100')
const ping = (p: Process): number => p.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_ICMP)

function echo(type: number = icmp.ECHO, code = 0, data = ''): Uint8Array {
  const b = new Uint8Array(icmp.HDR_LEN + data.length)
  icmp.emit(b, 0, type, code, icmp.word16(0xdead, 7))
  b.set(bytes(data), icmp.HDR_LEN)
  return b
}

function receive(p: Process, fd: number): unknown {
  const into = new Uint8Array(2000)
  const n = outcome(() => p.recv(fd, into))
  return typeof n === 'number' ? into.slice(0, n) : n
}

test('socket: EACCES unless the group is in ping_group_range, which is none by default (ping_init_sock)', () => {
  const { host, process: p } = lone()
  assert.equal(
    outcome(() => ping(p)),
    'EACCES',
  )
  open(host)
  assert.ok(ping(p) >= 3)
  p.credentials.egid = 101
  assert.equal(
    outcome(() => ping(p)),
    'EACCES',
  )
})

test('an echo request gets the socket’s identifier and a checksum; its reply comes back without an IP header (ping_v4_sendmsg)', () => {
  const { a, b, clock } = net()
  open(a)
  const p = a.createProcess()
  const fd = ping(p)
  const other = ping(p)
  p.bind(other, { port: 5 })
  assert.equal(p.sendto(fd, echo(icmp.ECHO, 0, 'data'), 0, { address: B }), 12)
  const { port } = p.getsockname(fd)
  assert.notEqual(port, 0)
  clock.settle()
  const reply = receive(p, fd)
  assert.ok(reply instanceof Uint8Array)
  assert.equal(icmp.type(reply, 0), icmp.ECHO_REPLY)
  assert.equal(icmp.id(reply, 0), port)
  assert.equal(icmp.seq(reply, 0), 7)
  assert.ok(icmp.checksumOk(reply, 0, reply.length))
  assert.equal(String.fromCharCode(...reply.subarray(8)), 'data')
  assert.equal(receive(p, other), 'EAGAIN', 'another identifier')
  assert.equal(a.counters.IcmpOutEchos, 1)
  assert.equal(b.counters.IcmpInErrors, 0)
})

test('send: what is no echo request is EINVAL, in the order of ping_common_sendmsg', () => {
  const { host, process: p } = lone()
  open(host)
  const fd = ping(p)
  assert.equal(
    outcome(() => p.sendto(fd, new Uint8Array(7), 0, LO)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.sendto(fd, new Uint8Array(65536), 0, LO)),
    'EMSGSIZE',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(), c.MSG_OOB, LO)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(icmp.ECHO_REPLY), 0, LO)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(icmp.ECHO, 1), 0, LO)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(icmp.TIMESTAMP), 0, LO)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.send(fd, echo())),
    'EDESTADDRREQ',
  )
  assert.equal(
    outcome(() => p.sendto(fd, echo(), 0, { address: '127.255.255.255' })),
    'EACCES',
  )
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(9), c.MSG_OOB)),
    'EOPNOTSUPP',
  )
})

test('bind: the port is the identifier, none is privileged, whatever the address it is one; SO_REUSEADDR is on (ping_bind, ping_get_port)', () => {
  const { host, process: p } = lone()
  open(host)
  const fd = ping(p)
  assert.deepEqual(p.getsockname(fd), { family: AF_INET, address: '0.0.0.0', port: 0 })
  p.bind(fd, { ...LO, port: 5 })
  assert.deepEqual(p.getsockname(fd), { family: AF_INET, ...LO, port: 5 })
  assert.equal(
    outcome(() => p.bind(fd, { ...LO, port: 6 })),
    'EINVAL',
  )
  const other = ping(p)
  p.setsockopt(other, c.SOL_SOCKET, c.SO_REUSEADDR, 0)
  assert.equal(
    outcome(() => p.bind(other, { address: '127.0.0.2', port: 5 })),
    'EADDRINUSE',
  )
  for (const address of ['192.0.2.1', '224.0.0.1', '255.255.255.255'])
    assert.equal(
      outcome(() => p.bind(other, { address, port: 6 })),
      'EADDRNOTAVAIL',
    )
  p.bind(other, { address: '127.0.0.2', port: 0 })
  assert.ok(p.getsockname(other).port > 0)
  p.close(fd)
  p.bind(ping(p), { port: 5 })
})

test('SO_REUSEADDR, on from the beginning, lets two have one identifier: the newer one hears the replies (ping_lookup)', () => {
  const { host, process: p, clock } = lone()
  open(host)
  const fds = [ping(p), ping(p)]
  for (const fd of fds) {
    assert.equal(p.getsockopt(fd, c.SOL_SOCKET, c.SO_REUSEADDR), 1)
    p.bind(fd, { port: 9 })
  }
  p.sendto(fds[0] as number, echo(), 0, LO)
  clock.settle()
  assert.equal(receive(p, fds[0] as number), 'EAGAIN')
  assert.ok(receive(p, fds[1] as number) instanceof Uint8Array)
})

test('connect, getpeername, shutdown as other datagram sockets do; SOL_RAW there is none', () => {
  const { host, process: p } = lone()
  open(host)
  const fd = ping(p)
  p.connect(fd, { ...LO, port: 9 })
  assert.equal(p.getpeername(fd).port, 9)
  assert.notEqual(p.getsockname(fd).port, 0)
  p.connect(fd, LO)
  assert.equal(
    outcome(() => p.getpeername(fd)),
    'ENOTCONN',
    'port 0 is none',
  )
  p.shutdown(fd, c.SHUT_WR)
  assert.equal(
    outcome(() => p.send(fd, echo())),
    'EPIPE',
  )
  assert.equal(
    outcome(() => p.listen(fd, 1)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.setsockopt(fd, c.SOL_RAW, c.ICMP_FILTER, 0)),
    'ENOPROTOOPT',
  )
  assert.equal(
    outcome(() => p.getsockopt(fd, c.SOL_RAW, c.ICMP_FILTER)),
    'EOPNOTSUPP',
  )
})

test('a TTL too small: with IP_RECVERR EHOSTUNREACH and the request in the error queue, else nothing (ping_err)', () => {
  const { a, b, clock } = net()
  open(a)
  b.setSysctl('net.ipv4.ip_forward', 1)
  const p = a.createProcess()
  a.stack.routes.add({ destination: 0, prefix: 0, gateway: 0x0a000002 })
  b.stack.routes.add({ destination: 0, prefix: 0, gateway: 0x0a000003 })
  const quiet = ping(p)
  const fd = ping(p)
  p.setsockopt(fd, c.SOL_IP, c.IP_RECVERR, 1)
  for (const each of [quiet, fd]) {
    p.setsockopt(each, c.SOL_IP, c.IP_TTL, 1)
    p.sendto(each, echo(icmp.ECHO, 0, 'far away'), 0, { address: '192.0.2.77' })
  }
  clock.settle()
  assert.equal(receive(p, quiet), 'EAGAIN')
  const entry = { fd, events: c.POLLIN, revents: 0 }
  p.poll([entry], 0)
  assert.equal(entry.revents, c.POLLERR)
  assert.equal(receive(p, fd), 'EHOSTUNREACH')
  const into = new Uint8Array(50)
  const name: { address?: string } = {}
  assert.equal(p.recvfrom(fd, into, c.MSG_ERRQUEUE, name), 16)
  assert.equal(name.address, '192.0.2.77')
  assert.equal(icmp.id(into, 0), p.getsockname(fd).port)
})

test('with no ping socket bound ICMP has no listener, and the rover gives identifiers in turn', () => {
  const { host, process: p } = lone()
  open(host)
  const before = host.ipv4.icmp.listeners.length
  const fds = [ping(p), ping(p)]
  assert.equal(host.ipv4.icmp.listeners.length, before)
  for (const fd of fds) p.bind(fd, {})
  assert.equal(host.ipv4.icmp.listeners.length, before + 1)
  const [first = 0, second = 0] = fds.map((fd) => p.getsockname(fd).port)
  assert.equal(second, (first % 65535) + 1)
  for (const fd of fds) p.close(fd)
  assert.equal(host.ipv4.icmp.listeners.length, before)
  assert.equal(host.ping.sockets.size, 0)
})
