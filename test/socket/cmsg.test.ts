/** Control messages in Linux's binary form: sizes, layouts, truncation. Whole calls are compared with the kernel in test/differential. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { type ControlMessage, MALFORMED } from '../../src/sock/message.ts'
import {
  CMSG_ALIGN,
  CMSG_LEN,
  CMSG_SPACE,
  ControlWriter,
  decodeControl,
  encodeControl,
  encodeData,
} from '../../src/socket/cmsg.ts'
import * as c from '../../src/socket/constants.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('CMSG_ALIGN, CMSG_SPACE and CMSG_LEN give the sizes of 64-bit Linux (cmsg(3))', () => {
  assert.deepEqual([0, 1, 7, 8, 9].map(CMSG_ALIGN), [0, 8, 8, 8, 16])
  assert.deepEqual([0, 1, 4, 12, 16].map(CMSG_SPACE), [16, 24, 24, 32, 32])
  assert.deepEqual([0, 1, 4, 12].map(CMSG_LEN), [16, 17, 20, 28])
})

/** Bytes as a C program on x86-64 has them. */
const LAYOUTS: readonly [ControlMessage, string][] = [
  [{ level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data: [3, 258] }, '0300000002010000'],
  [{ level: c.SOL_SOCKET, type: c.SCM_CREDENTIALS, data: [5, 1000, 65534] }, '05000000e8030000feff0000'],
  [{ level: c.SOL_SOCKET, type: c.SO_TIMESTAMP, data: [0x123456789, 999999] }, '89674523010000003f420f0000000000'],
  [{ level: c.SOL_IP, type: c.IP_PKTINFO, data: [2, 0x7f000001, 0x0a000002] }, '020000007f0000010a000002'],
  [{ level: c.SOL_IP, type: c.IP_TOS, data: 0x28 }, '28'],
  [{ level: c.SOL_IP, type: c.IP_TTL, data: 64 }, '40000000'],
  [{ level: c.SOL_IP, type: c.IP_ORIGDSTADDR, data: [2, 7, 0x0a000001, 0] }, '020000070a0000010000000000000000'],
  [
    { level: c.SOL_IP, type: c.IP_RECVERR, data: [111, 2, 3, 3, 0, 9, 8, 2, 0, 0x0a000001, 0] },
    '6f000000020303000900000008000000020000000a0000010000000000000000',
  ],
  [{ level: c.SOL_UDP, type: c.UDP_SEGMENT, data: 1400 }, '7805'],
]

for (const [message, expected] of LAYOUTS) {
  test(`level ${message.level} type ${message.type}: the data is laid out as C has it, and read back the same (cmsg(3))`, () => {
    assert.equal(hex(encodeData(message.level, message.type, message.data)), expected)
    assert.deepEqual(decodeControl(encodeControl([message])), [message])
  })
}

test('messages follow each other at aligned places; data of unknown type or odd length stays bytes (CMSG_NXTHDR)', () => {
  const all: ControlMessage[] = [
    { level: 99, type: 5, data: Uint8Array.of(1, 2, 3) },
    { level: c.SOL_IP, type: c.IP_PKTINFO, data: Uint8Array.of(1, 2, 3, 4) },
    { level: c.SOL_IP, type: c.IP_TTL, data: 9 },
  ]
  const bytes = encodeControl(all)
  assert.equal(bytes.length, 24 * 3)
  assert.deepEqual(decodeControl(bytes), all)
})

test('a length below the header or beyond the buffer ends the list as malformed (CMSG_OK)', () => {
  for (const length of [0, 15, 25]) {
    const bytes = encodeControl([{ level: c.SOL_IP, type: c.IP_TTL, data: 9 }])
    bytes[0] = length
    assert.deepEqual(decodeControl(bytes), [MALFORMED])
  }
  assert.deepEqual(decodeControl(new Uint8Array(15)), [])
})

test('a buffer too short cuts the last message off and says so; the next has no room for its header (put_cmsg)', () => {
  const writer = new ControlWriter(new Uint8Array(42))
  writer.put(c.SOL_IP, c.IP_TTL, 1)
  assert.equal(writer.length, 24)
  writer.put(c.SOL_IP, c.IP_TTL, 2)
  assert.deepEqual([writer.length, writer.isTruncated], [42, true])
  writer.put(c.SOL_IP, c.IP_TTL, 3)
  assert.deepEqual([writer.length, writer.room], [42, 0])
})
