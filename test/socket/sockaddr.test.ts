/** Socket addresses in Linux's bytes: offsets of x86-64 and arm64 (bits/socket.h, netinet/in.h, sys/un.h, packet(7), netlink(7)). */
import assert from 'node:assert/strict'
import test from 'node:test'
import { htonl, htons, ntohs } from '../../src/addr/byte-order.ts'
import { SockAddr } from '../../src/sock/address.ts'
import { in6addr_loopback } from '../../src/socket/arpa-inet.ts'
import * as c from '../../src/socket/constants.ts'
import * as sa from '../../src/socket/sockaddr.ts'
import { EINVAL } from '../../src/sys/errno.ts'
import { lone, net } from '../host/net.ts'

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex')
const un = (path: string): Uint8Array => Uint8Array.from([1, 0, ...Buffer.from(path, 'latin1')])

test('each struct is encoded to the bytes a C program has in memory, and decoded from them (CONCEPTS AD1)', () => {
  const in4: sa.SockaddrIn = { sin_family: c.AF_INET, sin_port: htons(80), sin_addr: htonl(0xc0000201) }
  const in6: sa.SockaddrIn6 = {
    sin6_family: c.AF_INET6,
    sin6_port: htons(0x1234),
    sin6_flowinfo: htonl(0x0abcdef0),
    sin6_addr: in6addr_loopback(),
    sin6_scope_id: 2,
  }
  const ll: sa.SockaddrLl = {
    sll_family: c.AF_PACKET,
    sll_protocol: htons(0x0800),
    sll_ifindex: 2,
    sll_hatype: 1,
    sll_pkttype: 4,
    sll_halen: 6,
    sll_addr: Uint8Array.of(2, 0, 0, 0, 0, 1, 0, 0),
  }
  const cases: readonly (readonly [sa.AnySockaddr, string])[] = [
    [in4, '02000050c00002010000000000000000'],
    [in6, '0a0012340abcdef0000000000000000000000000000000010200000' + '0'],
    [{ sun_family: c.AF_UNIX, sun_path: Buffer.from('/tmp/s\0') }, '01002f746d702f7300'],
    [{ sun_family: c.AF_UNIX, sun_path: new Uint8Array(0) }, '0100'],
    [ll, '1100080002000000010004060200000000010000'],
    [{ nl_family: c.AF_NETLINK, nl_pid: 0x01020304, nl_groups: 0x80000001 }, '100000000403020101000080'],
    [{ sa_family: c.AF_TIPC, sa_data: Uint8Array.of(1, 2, 3) }, '1e00010203'],
  ]
  for (const [struct, bytes] of cases) {
    assert.equal(hex(sa.encodeSockaddr(struct)), bytes)
    const back = sa.decodeSockaddr(Uint8Array.from(Buffer.from(bytes, 'hex')))
    assert.equal(hex(sa.encodeSockaddr(back as sa.AnySockaddr)), bytes)
    assert.deepEqual(Object.keys(back), Object.keys(struct))
  }
  assert.equal(ntohs(in4.sin_port), 80)
})

test('addrlen decides how a generic address is read: too short for its family is EINVAL, room to spare is not (CONCEPTS AD1)', () => {
  const storage = new Uint8Array(128)
  storage.set([2, 0, 0, 80, 192, 0, 2, 1])
  assert.equal(sa.decodeSockaddr(storage, 15), -EINVAL)
  assert.equal(sa.decodeSockaddr(storage, 1), -EINVAL)
  assert.equal(sa.decodeSockaddr(storage, 129), -EINVAL)
  for (const addrlen of [16, 28, 128]) {
    assert.deepEqual(sa.decodeSockaddr(storage, addrlen), {
      sin_family: 2,
      sin_port: htons(80),
      sin_addr: htonl(0xc0000201),
    })
  }
  storage[0] = c.AF_INET6
  assert.equal(sa.decodeSockaddr(storage, 23), -EINVAL)
  storage[24] = 7
  assert.equal((sa.decodeSockaddr(storage, 24) as sa.SockaddrIn6).sin6_scope_id, 0)
  assert.equal((sa.decodeSockaddr(storage, 28) as sa.SockaddrIn6).sin6_scope_id, 7)
  storage[0] = c.AF_UNIX
  assert.equal(sa.decodeSockaddr(storage, 111), -EINVAL)
  assert.equal((sa.decodeSockaddr(storage, 110) as sa.SockaddrUn).sun_path.length, 108)
  storage[0] = c.AF_PACKET
  assert.equal(sa.decodeSockaddr(storage, 19), -EINVAL)
  storage[0] = c.AF_NETLINK
  assert.equal(sa.decodeSockaddr(storage, 11), -EINVAL)
})

test('getsockname and getpeername of a buffer too small: the address is cut off, the length is the whole one (getsockname(2))', () => {
  const { process } = lone()
  const fd = process.socket(c.AF_INET, c.SOCK_DGRAM)
  process.bind(fd, { address: '127.0.0.1', port: 0x1234 })
  process.connect(fd, { address: '127.0.0.1', port: 9 })
  const small = new sa.SockaddrBuffer(4)
  process.getsockname(fd, small)
  assert.equal(small.length, 16)
  assert.equal(hex(small.address), '02001234')
  const whole = new sa.SockaddrBuffer()
  process.getpeername(fd, whole)
  assert.equal(hex(whole.address), '020000097f0000010000000000000000')
  process.getsockname(fd, whole)
  assert.equal(whole.length, 16)
})

test('accept and recvfrom give the peer in bytes; a stream names nobody in recvfrom: length 0 (accept(2), recv(2))', async () => {
  const { clock, a, b } = net()
  const server = b.createProcess()
  const client = a.createProcess()
  const listener = server.socket(c.AF_INET, c.SOCK_STREAM)
  server.bind(listener, sa.encodeSockaddr({ sin_family: c.AF_INET, sin_port: htons(7777), sin_addr: htonl(0) }))
  server.listen(listener, 1)
  const fd = client.socket(c.AF_INET, c.SOCK_STREAM)
  client.bind(fd, { address: '10.0.0.1', port: 4000 })
  const peer = new sa.SockaddrBuffer()
  const accepted = server.accept(listener, peer)
  const to = sa.encodeSockaddr({ sin_family: c.AF_INET, sin_port: htons(7777), sin_addr: htonl(0x0a000002) })
  const connecting = client.connect(fd, to)
  await clock.run()
  const connection = await accepted
  assert.equal(await connecting, 0)
  assert.equal(hex(peer.address), '02000fa00a0000010000000000000000')
  await client.write(fd, Uint8Array.of(1))
  await clock.run()
  assert.equal(await server.recvfrom(connection, new Uint8Array(8), 0, peer), 1)
  assert.equal(peer.length, 0)
})

test('names of local sockets: a path ends at its zero and counts it, an abstract name is as long as given (unix(7))', () => {
  const { process } = lone()
  const named = (bytes: Uint8Array): string => {
    const fd = process.socket(c.AF_UNIX, c.SOCK_STREAM)
    process.bind(fd, bytes)
    const buffer = new sa.SockaddrBuffer()
    process.getsockname(fd, buffer)
    return hex(buffer.address)
  }
  assert.equal(named(un('/a\0b')), '01002f6100')
  assert.equal(named(un('\0a\0b')), '0100006100' + '62')
  // Not terminated: all 108 bytes, and a zero that is not there is counted.
  assert.equal(named(un('x'.repeat(108))), `0100${'78'.repeat(108)}00`)
  // Bytes that are no UTF-8 come back as they were.
  assert.equal(named(un('\0\xff\xc3\xed\xa0\x80')), '010000ffc3eda080')
  // No name, of two bytes: autobind, five hexadecimal digits.
  assert.match(named(un('')), /^010000(3[0-9]|6[1-6]){5}$/)
})

test('packet and netlink addresses keep their fields between bytes and the stack (packet(7), netlink(7))', () => {
  const into = new SockAddr()
  const ll = Uint8Array.from(Buffer.from('1100080002000000010004060200000000010000', 'hex'))
  sa.readSockaddr(ll, into)
  assert.equal(into.port, 0x0800)
  assert.deepEqual(
    [into.link?.ifindex, into.link?.hatype, into.link?.pkttype, into.link?.hardware.length],
    [2, 1, 4, 6],
  )
  assert.equal(hex(sa.sockaddrBytes(into)), hex(ll))
  const nl = Uint8Array.from(Buffer.from('100000000403020101000080', 'hex'))
  sa.readSockaddr(nl, into)
  assert.deepEqual(into.netlink, { pid: 0x01020304, groups: 0x80000001 })
  assert.equal(hex(sa.sockaddrBytes(into)), hex(nl))
})
