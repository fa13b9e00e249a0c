/** recvmsg, sendmsg and their kin in virtual time, with objects for control messages. The kernel's answers: test/differential/scripts. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { ControlMessage } from '../../src/sock/message.ts'
import * as c from '../../src/socket/constants.ts'
import type { MsgHdr } from '../../src/socket/msghdr.ts'
import { A, awaited, B, bytes, lone, net, outcome, runAll, text } from '../host/net.ts'
import { words } from './words.ts'

const { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } = c

test('a datagram gathered from three buffers is scattered over two, with its sender (sendmsg(2), recvmsg(2))', () => {
  const { a, b, clock, pool } = net()
  const p = a.createProcess()
  const q = b.createProcess()
  const s = p.socket(AF_INET, SOCK_DGRAM)
  const r = q.socket(AF_INET, SOCK_DGRAM)
  q.bind(r, { port: 7 })
  const iov = [bytes('ab'), bytes(''), bytes('cdefg')]
  assert.equal(p.sendmsg(s, { name: { address: B, port: 7 }, iov }), 7)
  clock.settle()
  const into: MsgHdr = { name: {}, iov: [new Uint8Array(3), new Uint8Array(9)] }
  assert.equal(q.recvmsg(r, into), 7)
  assert.deepEqual(into.name, { family: AF_INET, address: A, port: p.getsockname(s).port })
  assert.deepEqual(
    into.iov.map((part) => text(part)),
    ['abc', 'defg\0\0\0\0\0'],
  )
  assert.equal(into.flags, 0)
  assert.equal(pool.outstanding, 0)
})

test('64 KiB in 300 odd pieces arrive as they were, over TCP, UDP and AF_UNIX (writev(2), readv(2))', async () => {
  const whole = new Uint8Array(60000).map((_, i) => i * 7 + (i >> 8))
  const cut = (from: Uint8Array, step: number): Uint8Array[] => {
    const parts: Uint8Array[] = []
    for (let at = 0; at < from.length; at += step) parts.push(from.subarray(at, at + step))
    return parts
  }
  for (const [family, type] of [
    [AF_INET, SOCK_STREAM],
    [AF_INET, SOCK_DGRAM],
    [AF_UNIX, SOCK_STREAM],
    [AF_UNIX, SOCK_DGRAM],
  ] as const) {
    const { clock, host } = lone()
    const name = family === AF_UNIX ? { family, path: '/tmp/m' } : { family, address: '127.0.0.1', port: 7 }
    await runAll(
      clock,
      [
        host,
        async (p) => {
          const l = p.socket(family, type)
          p.bind(l, name)
          if (type === SOCK_STREAM) p.listen(l, 1)
          const fd = type === SOCK_STREAM ? await p.accept(l) : l
          const into = new Uint8Array(whole.length)
          for (let at = 0; at < into.length; ) at += await p.readv(fd, cut(into.subarray(at), 333))
          assert.deepEqual(into, whole)
        },
      ],
      [
        host,
        async (p) => {
          const fd = p.socket(family, type)
          await p.connect(fd, name)
          assert.equal(await p.writev(fd, cut(whole, 211)), whole.length)
        },
      ],
    )
  }
})

test('recvmsg that sleeps fills in name, control and flags when the message comes', async () => {
  const { clock, host } = lone()
  const hdr: MsgHdr = { name: {}, iov: [new Uint8Array(2)], control: [] }
  await runAll(
    clock,
    [
      host,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_DGRAM)
        p.bind(fd, { address: '127.0.0.1', port: 7 })
        p.setsockopt(fd, c.SOL_IP, c.IP_RECVTTL, 1)
        assert.equal(await p.recvmsg(fd, hdr), 2)
      },
    ],
    [
      host,
      async (p) => {
        await p.sleep(1)
        const fd = p.socket(AF_INET, SOCK_DGRAM)
        p.sendto(fd, bytes('abc'), 0, { address: '127.0.0.1', port: 7 })
      },
    ],
  )
  assert.equal(hdr.flags, c.MSG_TRUNC)
  assert.equal((hdr.name as { address: string }).address, '127.0.0.1')
  assert.deepEqual(hdr.control, [{ level: c.SOL_IP, type: c.IP_TTL, data: 64 }])
})

test('SO_RCVTIMEO ends recvmsg and recvmmsg with EAGAIN, after a message recvmmsg with a count (recvmmsg(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [one, other] = p.socketpair(AF_UNIX, SOCK_DGRAM)
      p.setsockopt(other, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 2, usec: 0 })
      const hdr = (): MsgHdr => ({ iov: [new Uint8Array(4)] })
      const many = [
        { hdr: hdr(), len: 0 },
        { hdr: hdr(), len: 0 },
      ]
      assert.equal(await awaited(() => p.recvmsg(other, hdr())), 'EAGAIN')
      assert.equal(clock.now(), 2e6)
      assert.equal(await awaited(() => p.recvmmsg(other, many)), 'EAGAIN')
      p.send(one, bytes('abc'))
      assert.equal(await awaited(() => p.recvmmsg(other, many)), 1)
      assert.equal(many[0]?.len, 3)
      assert.equal(clock.now(), 6e6)
    },
  ])
})

test('recvmmsg waits for the first only with MSG_WAITFORONE, and looks at its time after each message (recvmmsg(2), BUGS)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [one, other] = p.socketpair(AF_UNIX, SOCK_DGRAM)
      const many = Array.from({ length: 3 }, () => ({ hdr: { iov: [new Uint8Array(4)] }, len: 0 }))
      const first = p.recvmmsg(other, many, c.MSG_WAITFORONE)
      p.sendmmsg(one, [
        { hdr: { iov: [bytes('a')] }, len: 0 },
        { hdr: { iov: [bytes('bc')] }, len: 0 },
      ])
      assert.equal(await first, 2)
      const timed = p.recvmmsg(other, many, 0, { sec: 1, nsec: 0 })
      await p.sleep(5)
      p.send(one, bytes('late'))
      assert.equal(await timed, 1)
      assert.equal(clock.now(), 5e6)
    },
  ])
})

test('MSG_ERRQUEUE gives the refused datagram, its destination and who refused as objects (ip(7), IP_RECVERR)', () => {
  const { a, b, clock, pool } = net()
  b.createProcess()
  const p = a.createProcess()
  const fd = p.socket(AF_INET, SOCK_DGRAM | c.SOCK_NONBLOCK)
  p.setsockopt(fd, c.SOL_IP, c.IP_RECVERR, 1)
  p.sendto(fd, bytes('payload'), 0, { address: B, port: 9 })
  clock.settle()
  const hdr: MsgHdr = { name: {}, iov: [new Uint8Array(20)], control: [] }
  assert.equal(p.recvmsg(fd, hdr, c.MSG_ERRQUEUE), 7)
  assert.equal(hdr.flags, c.MSG_ERRQUEUE)
  assert.deepEqual(hdr.name, { family: AF_INET, address: B, port: 9 })
  const [message] = hdr.control as ControlMessage[]
  const [errno, origin, type, code] = words(message)
  assert.deepEqual([errno, origin, type, code], [111, 2, 3, 3])
  assert.equal(words(message)[9], 0x0a000002)
  assert.equal(
    outcome(() => p.recvmsg(fd, hdr, c.MSG_ERRQUEUE)),
    'EAGAIN',
  )
  p.close(fd)
  assert.equal(pool.outstanding, 0)
})

test('the error queue is bounded by SO_RCVBUF and counts what it refuses; closing gives its memory back', () => {
  const { a, clock, pool } = net()
  const p = a.createProcess()
  const fd = p.socket(AF_INET, SOCK_DGRAM | c.SOCK_NONBLOCK)
  p.setsockopt(fd, c.SOL_IP, c.IP_RECVERR, 1)
  p.setsockopt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 4000)
  const sock = p.sys.socketOf(fd)?.sock
  for (let i = 0; i < 20; i++) {
    outcome(() => p.sendto(fd, bytes('x'), 0, { address: '127.0.0.1', port: 9 }))
    clock.settle()
  }
  const length = sock?.errorQueue?.length ?? 0
  assert.ok(length > 0 && length < 10, `${length} entries`)
  assert.equal(length + (sock?.errorQueue?.dropped ?? 0), 10)
  p.close(fd)
  assert.equal(pool.outstanding, 0)
})

test('what is no array or no address is a TypeError that names it', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  assert.throws(() => p.sendmsg(fd, { iov: ['x' as unknown as Uint8Array] }), /iov\[0\]: not a Uint8Array: x/)
  assert.throws(() => p.sendmsg(fd, { name: 5 as never, iov: [] }), /name: not an address: 5/)
  assert.throws(() => p.readv(fd, [new Uint8Array(1), null as unknown as Uint8Array]), /iov\[1\]/)
})
