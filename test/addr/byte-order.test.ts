/** Byte order: byteorder(3), endian(3), and the types that keep host and network order apart. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as order from '../../src/addr/byte-order.ts'
import type { SockaddrIn } from '../../src/socket/sockaddr.ts'

const { htonl, htons, ntohl, ntohs } = order
/** The bytes of a value as they stand in memory. */
const bytes16 = (v: number): number[] => [...new Uint8Array(Uint16Array.of(v).buffer)]
const bytes32 = (v: number): number[] => [...new Uint8Array(Uint32Array.of(v).buffer)]
const bytes64 = (v: bigint): number[] => [...new Uint8Array(BigUint64Array.of(v).buffer)]

test('a value in network order has its most significant byte first in memory, on any machine (byteorder(3), CONCEPTS BO2)', () => {
  assert.deepEqual(bytes16(htons(0x0102)), [1, 2])
  assert.deepEqual(bytes32(htonl(0x01020304)), [1, 2, 3, 4])
  assert.deepEqual(bytes32(htonl(0xfffefdfc)), [0xff, 0xfe, 0xfd, 0xfc])
  assert.deepEqual(bytes32(htonl(-1)), [0xff, 0xff, 0xff, 0xff])
  assert.deepEqual(bytes64(order.htobe64(0x0102030405060708n)), [1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(bytes16(order.htobe16(0x0102)), [1, 2])
  assert.deepEqual(bytes32(order.htobe32(0x01020304)), [1, 2, 3, 4])
})

test('a little-endian value has its least significant byte first in memory, on any machine (endian(3))', () => {
  assert.deepEqual(bytes16(order.htole16(0x0102)), [2, 1])
  assert.deepEqual(bytes32(order.htole32(0x01020304)), [4, 3, 2, 1])
  assert.deepEqual(bytes64(order.htole64(0x0102030405060708n)), [8, 7, 6, 5, 4, 3, 2, 1])
})

test('host to network and back gives the unsigned value of the type’s width (byteorder(3))', () => {
  for (const v of [0, 1, 0x80, 0xff, 0x100, 0x1234, 0x8000, 0xffff]) {
    assert.equal(ntohs(htons(v)), v)
    assert.equal(order.be16toh(order.htobe16(v)), v)
    assert.equal(order.le16toh(order.htole16(v)), v)
  }
  for (const v of [0, 1, 0xff00, 0x01020304, 0x7fffffff, 0x80000000, 0xffffffff]) {
    assert.equal(ntohl(htonl(v)), v)
    assert.equal(order.be32toh(order.htobe32(v)), v)
    assert.equal(order.le32toh(order.htole32(v)), v)
  }
  for (const v of [0n, 1n, 0x0102030405060708n, 0x8000000000000000n, 0xffffffffffffffffn]) {
    assert.equal(order.be64toh(order.htobe64(v)), v)
    assert.equal(order.le64toh(order.htole64(v)), v)
  }
  // What a C argument of the type would keep.
  assert.equal(ntohs(htons(0x12345)), 0x2345)
  assert.equal(ntohs(htons(-1)), 0xffff)
  assert.equal(ntohl(htonl(-2)), 0xfffffffe)
  assert.equal(order.be64toh(order.htobe64(-1n)), 0xffffffffffffffffn)
})

test('bswap exchanges the bytes of 16, 32 and 64 bits (bswap(3))', () => {
  assert.equal(order.bswap_16(0x1234), 0x3412)
  assert.equal(order.bswap_32(0x01020384), 0x84030201)
  assert.equal(order.bswap_64(0x0102030405060788n), 0x8807060504030201n)
})

test('the order of this machine is read off the first byte of a 16-bit 1 (CONCEPTS BO1)', () => {
  assert.equal(order.isLittleEndian(), bytes16(1)[0] === 1)
  assert.equal(htons(0x0102) === 0x0102, !order.isLittleEndian())
})

test('a port or address in host order, or of the wrong width, is no sin_port and no sin_addr: tsc refuses it (CONCEPTS BO3)', () => {
  const hostPort: number = 80
  const good: SockaddrIn = { sin_family: 2, sin_port: htons(hostPort), sin_addr: htonl(0x7f000001) }
  // @ts-expect-error: a number in host order is no Net16
  const port: SockaddrIn = { ...good, sin_port: hostPort }
  // @ts-expect-error: a number in host order is no Net32
  const address: SockaddrIn = { ...good, sin_addr: 0x7f000001 }
  // @ts-expect-error: 32 bits are not 16
  const wide: SockaddrIn = { ...good, sin_port: htonl(hostPort) }
  // @ts-expect-error: little-endian is not network order
  const little: SockaddrIn = { ...good, sin_port: order.htole16(hostPort) }
  // @ts-expect-error: ntohs takes what came from the network, not a number in host order
  const twice = ntohs(hostPort)
  // @ts-expect-error: arithmetic leaves the type
  const sum: order.Net16 = good.sin_port + 1
  assert.equal([port, address, wide, little, twice, sum].length, 6)
})
