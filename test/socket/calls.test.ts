/** The raw calls on one host: descriptors, families, options. What Linux 6.18 answers was taken from it. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { SockAddr } from '../../src/sock/address.ts'
import { OptionResult, type OptionValue } from '../../src/sock/sock.ts'
import type { Calls } from '../../src/socket/calls.ts'
import * as c from '../../src/socket/constants.ts'
import * as errno from '../../src/sys/errno.ts'
import { lone } from '../host/net.ts'

const { AF_INET, SOCK_DGRAM, SOCK_STREAM } = c
const LO = 0x7f000001

function get(calls: Calls, fd: number, level: number, name: number): OptionValue | { error: string } {
  const result = new OptionResult()
  const answer = calls.getsockopt(fd, level, name, result)
  return answer < 0 ? { error: errno.errnoName(answer) } : result.value
}

test('the first descriptor of a process is 3, after standard input, output and error (socket(2))', () => {
  const { sys } = lone().process
  assert.equal(sys.socket(AF_INET, SOCK_STREAM, 0), 3)
  assert.equal(sys.socket(AF_INET, SOCK_DGRAM, 0), 4)
})

test('socket: family, type and protocol that do not go together give the errno of inet_create (CONCEPTS SC2)', () => {
  const { sys } = lone().process
  const cases: [family: number, type: number, protocol: number, expected: number][] = [
    [AF_INET, SOCK_STREAM, 0, 3],
    [AF_INET, SOCK_STREAM, c.IPPROTO_TCP, 3],
    [AF_INET, SOCK_DGRAM, c.IPPROTO_UDP, 3],
    [AF_INET, SOCK_STREAM, c.IPPROTO_UDP, -errno.EPROTONOSUPPORT],
    [AF_INET, SOCK_DGRAM, c.IPPROTO_TCP, -errno.EPROTONOSUPPORT],
    [AF_INET, SOCK_DGRAM, c.IPPROTO_ICMP, -errno.EACCES],
    [AF_INET, c.SOCK_RAW, 0, -errno.EPROTONOSUPPORT],
    [AF_INET, c.SOCK_SEQPACKET, 0, -errno.ESOCKTNOSUPPORT],
    [AF_INET, c.SOCK_RDM, 0, -errno.ESOCKTNOSUPPORT],
    [AF_INET, 0, 0, -errno.ESOCKTNOSUPPORT],
    [AF_INET, 11, 0, -errno.EINVAL],
    [AF_INET, SOCK_STREAM, -1, -errno.EINVAL],
    [AF_INET, SOCK_STREAM, c.IPPROTO_MAX, -errno.EINVAL],
    [AF_INET, SOCK_STREAM | 0x100, 0, -errno.EINVAL],
    [c.AF_UNSPEC, SOCK_STREAM, 0, -errno.EAFNOSUPPORT],
    [30, SOCK_STREAM, 0, -errno.EAFNOSUPPORT],
    [46, SOCK_STREAM, 0, -errno.EAFNOSUPPORT],
    [-1, SOCK_STREAM, 0, -errno.EAFNOSUPPORT],
  ]
  for (const [family, type, protocol, expected] of cases) {
    const got = sys.socket(family, type, protocol)
    assert.equal(got, expected, `socket(${family}, ${type}, ${protocol})`)
    if (got >= 0) sys.close(got)
  }
})

test('socket: raw needs privileges, EPERM without (raw(7))', () => {
  const { process } = lone()
  process.seteuid(1000)
  assert.equal(process.sys.socket(AF_INET, c.SOCK_RAW, 1), -errno.EPERM)
})

test('SOCK_NONBLOCK and SOCK_CLOEXEC set what F_GETFL and F_GETFD show (socket(2))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0)
  assert.equal(sys.fcntl(fd, c.F_GETFL, 0), c.O_RDWR | c.O_NONBLOCK)
  assert.equal(sys.fcntl(fd, c.F_GETFD, 0), c.FD_CLOEXEC)
  const copy = sys.dup(fd)
  assert.equal(sys.fcntl(copy, c.F_GETFD, 0), 0)
  sys.fcntl(copy, c.F_SETFL, 0)
  assert.equal(sys.fcntl(fd, c.F_GETFL, 0), c.O_RDWR, 'status flags are shared by all descriptors of a description')
})

test('EMFILE at the limit: the socket that got no descriptor is gone (socket(2))', () => {
  const { host, process } = lone()
  process.fileLimit = 4
  assert.equal(process.sys.socket(AF_INET, SOCK_DGRAM, 0), 3)
  assert.equal(process.sys.socket(AF_INET, SOCK_DGRAM, 0), -errno.EMFILE)
  assert.equal(host.udp.sockets.size, 1)
  process.sys.close(3)
  assert.equal(host.udp.sockets.size, 0)
})

test('every socket call on no descriptor is EBADF, on a terminal ENOTSOCK', () => {
  const { sys } = lone().process
  const address = new SockAddr(AF_INET, LO, 5)
  const b = new Uint8Array(1)
  const calls: ((fd: number) => number)[] = [
    (fd) => sys.bind(fd, address),
    (fd) => sys.listen(fd, 1),
    (fd) => sys.connect(fd, address),
    (fd) => sys.accept(fd, 0, null),
    (fd) => sys.send(fd, b, 0, null),
    (fd) => sys.receive(fd, b, 0, null),
    (fd) => sys.shutdown(fd, 0),
    (fd) => sys.getsockname(fd, address),
    (fd) => sys.getpeername(fd, address),
    (fd) => sys.getsockopt(fd, c.SOL_SOCKET, c.SO_TYPE, new OptionResult()),
    (fd) => sys.setsockopt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1),
  ]
  for (const call of calls) {
    assert.equal(call(77), -errno.EBADF, String(call))
    assert.equal(call(-1), -errno.EBADF, String(call))
    assert.equal(call(1), -errno.ENOTSOCK, String(call))
  }
  assert.equal(sys.read(77, b, 0, 1), -errno.EBADF)
  assert.equal(sys.write(77, b, 0, 1), -errno.EBADF)
  assert.equal(sys.close(77), -errno.EBADF)
  assert.equal(sys.dup(77), -errno.EBADF)
  assert.equal(sys.fcntl(77, c.F_GETFL, 0), -errno.EBADF)
  assert.equal(sys.ioctl(77, c.FIONREAD, 0), -errno.EBADF)
})

test('calls of connections on a datagram socket: EOPNOTSUPP (listen(2), accept(2))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.equal(sys.listen(fd, 1), -errno.EOPNOTSUPP)
  assert.equal(sys.accept(fd, 0, null), -errno.EOPNOTSUPP)
  assert.equal(sys.accept(fd, 1, null), -errno.EINVAL)
})

test('bind: the errors of __inet_bind in their order', () => {
  const { process } = lone()
  const { sys } = process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  const bind = (family: number, address: number, port: number): number =>
    sys.bind(fd, new SockAddr(family, address, port))
  assert.equal(bind(c.AF_INET6, LO, 80), -errno.EAFNOSUPPORT)
  assert.equal(bind(c.AF_UNSPEC, LO, 80), -errno.EAFNOSUPPORT)
  assert.equal(bind(AF_INET, 0x0a090909, 80), -errno.EADDRNOTAVAIL)
  process.seteuid(1000)
  assert.equal(bind(AF_INET, LO, 1023), -errno.EACCES)
  process.seteuid(0)
  assert.equal(bind(c.AF_UNSPEC, 0, 1023), 0)
  assert.equal(bind(AF_INET, LO, 1024), -errno.EINVAL)
})

test('bind: net.ipv4.ip_unprivileged_port_start moves the border (ip(7))', () => {
  const { host, process } = lone()
  process.seteuid(1000)
  host.setSysctl('net.ipv4.ip_unprivileged_port_start', 80)
  const fd = process.sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.equal(process.sys.bind(fd, new SockAddr(AF_INET, 0, 79)), -errno.EACCES)
  assert.equal(process.sys.bind(fd, new SockAddr(AF_INET, 0, 80)), 0)
})

test('IP_FREEBIND binds any address; IP_BIND_ADDRESS_NO_PORT leaves the port open (ip(7))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  sys.setsockopt(fd, c.SOL_IP, c.IP_FREEBIND, 1)
  sys.setsockopt(fd, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1)
  const name = new SockAddr()
  assert.equal(sys.bind(fd, new SockAddr(AF_INET, 0x0a090909, 0)), 0)
  sys.getsockname(fd, name)
  assert.deepEqual([name.address, name.port], [0x0a090909, 0])
})

test('SO_SNDBUF and SO_RCVBUF are doubled, bounded by wmem_max and rmem_max, never below the least (socket(7))', () => {
  const { host, process } = lone()
  const { sys } = process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  const set = (name: number, value: number): OptionValue | { error: string } => {
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, value), 0)
    return get(
      sys,
      fd,
      c.SOL_SOCKET,
      name === c.SO_SNDBUFFORCE ? c.SO_SNDBUF : name === c.SO_RCVBUFFORCE ? c.SO_RCVBUF : name,
    )
  }
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_SNDBUF), 212992)
  assert.equal(set(c.SO_SNDBUF, 10000), 20000)
  assert.equal(set(c.SO_SNDBUF, 0), 4608)
  assert.equal(set(c.SO_SNDBUF, 100_000_000), host.sysctl.wmem_max * 2)
  assert.equal(set(c.SO_SNDBUF, -1), host.sysctl.wmem_max * 2, 'compared unsigned')
  assert.equal(set(c.SO_RCVBUF, 10000), 20000)
  assert.equal(set(c.SO_RCVBUF, 0), 2304)
  assert.equal(set(c.SO_RCVBUF, 100_000_000), host.sysctl.rmem_max * 2)
  assert.equal(set(c.SO_SNDBUFFORCE, 100_000_000), 200_000_000)
  assert.equal(set(c.SO_RCVBUFFORCE, -1), 2304)
  process.seteuid(1000)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVBUFFORCE, 1), -errno.EPERM)
})

test('what may only be read: setting it is ENOPROTOOPT, too short a value EINVAL first (sk_setsockopt)', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_STREAM, 0)
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_TYPE), SOCK_STREAM)
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_DOMAIN), AF_INET)
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_PROTOCOL), c.IPPROTO_TCP)
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_ACCEPTCONN), 0)
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_ERROR), 0)
  for (const name of [c.SO_TYPE, c.SO_DOMAIN, c.SO_PROTOCOL, c.SO_ACCEPTCONN, c.SO_ERROR, c.SO_SNDLOWAT, 99]) {
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, 1), -errno.ENOPROTOOPT)
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, new Uint8Array(3)), -errno.EINVAL)
  }
})

test('flags are 0 or 1 whatever they are set to (SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE)', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_STREAM, 0)
  for (const name of [c.SO_REUSEADDR, c.SO_REUSEPORT, c.SO_BROADCAST, c.SO_KEEPALIVE, c.SO_OOBINLINE, c.SO_DONTROUTE]) {
    assert.equal(get(sys, fd, c.SOL_SOCKET, name), 0)
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, -7), 0)
    assert.equal(get(sys, fd, c.SOL_SOCKET, name), 1)
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, new Uint8Array([0, 0, 0, 0])), 0)
    assert.equal(get(sys, fd, c.SOL_SOCKET, name), 0)
  }
})

test('SO_LINGER: a struct of two ints, by fields or by bytes; the time stays when it is switched off (socket(7))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_STREAM, 0)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, { onoff: 5, linger: 20 }), 0)
  assert.deepEqual(get(sys, fd, c.SOL_SOCKET, c.SO_LINGER), { onoff: 1, linger: 20 })
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, new Uint8Array([0, 0, 0, 0, 9, 0, 0, 0])), 0)
  assert.deepEqual(get(sys, fd, c.SOL_SOCKET, c.SO_LINGER), { onoff: 0, linger: 20 })
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, new Uint8Array(4)), -errno.EINVAL)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_LINGER, 1), -errno.EINVAL)
})

test('SO_RCVTIMEO and SO_SNDTIMEO: EDOM for microseconds out of range, EINVAL for a short value (sock_set_timeout)', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  for (const name of [c.SO_RCVTIMEO, c.SO_SNDTIMEO]) {
    assert.deepEqual(get(sys, fd, c.SOL_SOCKET, name), { sec: 0, usec: 0 })
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, { sec: 2, usec: 500000 }), 0)
    assert.deepEqual(get(sys, fd, c.SOL_SOCKET, name), { sec: 2, usec: 500000 })
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, { sec: 0, usec: 1000000 }), -errno.EDOM)
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, { sec: 0, usec: -1 }), -errno.EDOM)
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, 5), -errno.EINVAL)
    assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, name, { sec: 0, usec: 0 }), 0)
  }
})

test('SO_BINDTODEVICE: by name, ENODEV for none such, EPERM to change it without privileges (socket(7))', () => {
  const { process } = lone()
  const { sys } = process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, 'eth7'), -errno.ENODEV)
  process.seteuid(1000)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, 'lo\0'), -errno.ENODEV)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, new Uint8Array([0x6c, 0x6f, 0])), 0)
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_BINDTODEVICE), 'lo')
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_BINDTOIFINDEX), 1)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, ''), -errno.EPERM)
  process.seteuid(0)
  assert.equal(sys.setsockopt(fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, ''), 0)
  assert.equal(get(sys, fd, c.SOL_SOCKET, c.SO_BINDTODEVICE), '')
})

test('IP_TTL takes 1..255 and -1 for the default, one byte is enough (ip(7))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  const set = (value: OptionValue): number => sys.setsockopt(fd, c.SOL_IP, c.IP_TTL, value)
  assert.equal(get(sys, fd, c.SOL_IP, c.IP_TTL), 64)
  assert.deepEqual([set(0), set(256), set(-2)], [-errno.EINVAL, -errno.EINVAL, -errno.EINVAL])
  assert.equal(set(new Uint8Array([5])), 0)
  assert.equal(get(sys, fd, c.SOL_IP, c.IP_TTL), 5)
  assert.equal(set(-1), 0)
  assert.equal(get(sys, fd, c.SOL_IP, c.IP_TTL), 64)
})

test('IP_TOS leaves the ECN bits of a stream alone; IP_MTU_DISCOVER takes 0..5 (ip(7))', () => {
  const { sys } = lone().process
  const stream = sys.socket(AF_INET, SOCK_STREAM, 0)
  const datagram = sys.socket(AF_INET, SOCK_DGRAM, 0)
  sys.setsockopt(stream, c.SOL_IP, c.IP_TOS, 0xff)
  sys.setsockopt(datagram, c.SOL_IP, c.IP_TOS, 0xff)
  assert.equal(get(sys, stream, c.SOL_IP, c.IP_TOS), 0xfc)
  assert.equal(get(sys, datagram, c.SOL_IP, c.IP_TOS), 0xff)
  assert.equal(get(sys, datagram, c.SOL_IP, c.IP_MTU_DISCOVER), c.IP_PMTUDISC_WANT)
  assert.equal(sys.setsockopt(datagram, c.SOL_IP, c.IP_MTU_DISCOVER, 6), -errno.EINVAL)
  assert.equal(sys.setsockopt(datagram, c.SOL_IP, c.IP_MTU_DISCOVER, 5), 0)
})

test('IP_MTU is known of a connected socket only, at most 65535 (ip(7))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.deepEqual(get(sys, fd, c.SOL_IP, c.IP_MTU), { error: 'ENOTCONN' })
  sys.connect(fd, new SockAddr(AF_INET, LO, 9))
  assert.equal(get(sys, fd, c.SOL_IP, c.IP_MTU), 65535)
})

test('a level nobody has: ENOPROTOOPT to set, EOPNOTSUPP to get (ip_setsockopt, do_ip_getsockopt)', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.equal(sys.setsockopt(fd, 6, 1, 1), -errno.ENOPROTOOPT)
  assert.deepEqual(get(sys, fd, 6, 1), { error: 'EOPNOTSUPP' })
  assert.deepEqual(get(sys, fd, c.SOL_UDP, 77), { error: 'ENOPROTOOPT' })
  assert.deepEqual(get(sys, fd, c.SOL_SOCKET, 99), { error: 'ENOPROTOOPT' })
})

test('fcntl and ioctl: unknown commands are EINVAL and ENOTTY; O_DIRECT is none of a socket (fcntl(2), ioctl(2))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.equal(sys.fcntl(fd, 99, 0), -errno.EINVAL)
  assert.equal(sys.fcntl(fd, c.F_SETFL, c.O_DIRECT), -errno.EINVAL)
  assert.equal(sys.ioctl(fd, 0x1234, 0), -errno.ENOTTY)
  assert.equal(sys.ioctl(fd, c.FIONBIO, 1), 0)
  assert.equal(sys.fcntl(fd, c.F_GETFL, 0), c.O_RDWR | c.O_NONBLOCK)
  assert.equal(sys.ioctl(fd, c.FIONBIO, 0), 0)
  assert.equal(sys.fcntl(fd, c.F_GETFL, 0), c.O_RDWR)
  assert.equal(sys.ioctl(fd, c.FIOCLEX, 0), 0)
  assert.equal(sys.fcntl(fd, c.F_GETFD, 0), c.FD_CLOEXEC)
  assert.equal(sys.ioctl(fd, c.FIONREAD, 0), 0)
  assert.equal(sys.ioctl(fd, c.SIOCOUTQ, 0), 0)
})

test('dup3: EINVAL for equal descriptors and unknown flags; dup2 of a descriptor onto itself does nothing (dup(2))', () => {
  const { sys } = lone().process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.equal(sys.dup2(fd, fd), fd)
  assert.equal(sys.dup2(50, 50), -errno.EBADF)
  assert.equal(sys.dup3(fd, fd, 0), -errno.EINVAL)
  assert.equal(sys.dup3(fd, 9, 1), -errno.EINVAL)
  assert.equal(sys.dup3(fd, 9, c.O_CLOEXEC), 9)
  assert.equal(sys.fcntl(9, c.F_GETFD, 0), c.FD_CLOEXEC)
})

test('shutdown: EINVAL for an unknown direction, ENOTCONN without a peer though it works (inet_shutdown)', () => {
  const { process } = lone()
  const { sys } = process
  const fd = sys.socket(AF_INET, SOCK_DGRAM, 0)
  assert.equal(sys.shutdown(fd, 3), -errno.EINVAL)
  assert.equal(sys.shutdown(fd, -1), -errno.EINVAL)
  assert.equal(sys.shutdown(fd, c.SHUT_RDWR), -errno.ENOTCONN)
  const entry = { fd, events: 0xffff, revents: 0 }
  process.poll([entry], 0)
  const all = c.POLLIN | c.POLLOUT | c.POLLRDNORM | c.POLLWRNORM | c.POLLWRBAND | c.POLLRDHUP | c.POLLHUP
  assert.equal(entry.revents, all)
})
