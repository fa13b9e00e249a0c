/** poll(2): masks of Linux, sleeping, time limits. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { PollFd } from '../../src/host/poll.ts'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { B, bytes, lone, net, outcome, runAll } from './net.ts'

const { AF_INET, SOCK_DGRAM, SOCK_STREAM } = c
const ALL = 0x3fff
const IN = c.POLLIN | c.POLLRDNORM
const OUT = c.POLLOUT | c.POLLWRNORM
const BAND = c.POLLWRBAND

const mask = (p: Process, fd: number, events = ALL): number => {
  const entry: PollFd = { fd, events }
  p.poll([entry], 0)
  return entry.revents as number
}

test('a bad descriptor is POLLNVAL and counts as ready, a negative one is skipped (poll(2))', () => {
  const { process: p } = lone()
  const fds: PollFd[] = [
    { fd: 77, events: c.POLLIN },
    { fd: -1, events: c.POLLIN, revents: 5 },
    { fd: 0, events: c.POLLIN },
  ]
  assert.equal(p.poll(fds, -1), 2)
  assert.deepEqual(
    fds.map((f) => f.revents),
    [c.POLLNVAL, 0, c.POLLIN],
  )
  p.fileLimit = 2
  assert.equal(
    outcome(() => p.poll(fds, 0)),
    'EINVAL',
  )
})

test('POLLERR and POLLHUP are told though not asked for (poll(2))', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_INET, SOCK_STREAM)
  assert.equal(mask(p, fd, 0), c.POLLHUP)
})

test('masks of a stream socket: new, listening, with a connection waiting (tcp_poll)', async () => {
  const { clock, process: p } = lone()
  const l = p.socket(AF_INET, SOCK_STREAM)
  assert.equal(mask(p, l), OUT | c.POLLHUP)
  p.listen(l, 5)
  assert.equal(mask(p, l), 0)
  const fd = p.socket(AF_INET, SOCK_STREAM | c.SOCK_NONBLOCK)
  outcome(() => p.connect(fd, { address: '127.0.0.1', port: p.getsockname(l).port }))
  assert.equal(mask(p, fd), 0)
  clock.settle()
  assert.equal(mask(p, l), IN)
  assert.equal(mask(p, fd), OUT)
})

test('masks of a connection: data, half-closed by the peer, by both, reset (tcp_poll)', async () => {
  const { clock, process: p } = lone()
  const open = async (): Promise<[number, number]> => {
    const l = p.socket(AF_INET, SOCK_STREAM)
    p.listen(l, 5)
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await clock.runUntil(Promise.resolve(p.connect(fd, { address: '127.0.0.1', port: p.getsockname(l).port })))
    return [fd, (await p.accept(l)) as number]
  }
  const [x, y] = await open()
  p.write(x, bytes('abc'))
  clock.settle()
  assert.equal(mask(p, y), IN | OUT)
  p.setsockopt(y, c.SOL_SOCKET, c.SO_RCVLOWAT, 4)
  assert.equal(mask(p, y), OUT)
  p.setsockopt(y, c.SOL_SOCKET, c.SO_RCVLOWAT, 1)
  p.read(y, new Uint8Array(5))
  p.shutdown(x, c.SHUT_WR)
  clock.settle()
  assert.equal(mask(p, y), IN | OUT | c.POLLRDHUP)
  p.shutdown(y, c.SHUT_WR)
  clock.settle()
  assert.equal(mask(p, x), IN | OUT | c.POLLRDHUP | c.POLLHUP)
  const [z, w] = await open()
  p.write(z, bytes('unread'))
  clock.settle()
  p.close(w)
  clock.settle()
  assert.equal(mask(p, z), IN | OUT | c.POLLRDHUP | c.POLLHUP | c.POLLERR)
})

test('masks of a datagram socket: writable at once, readable with a datagram, POLLERR with an error (datagram_poll)', () => {
  const { clock, process: p } = lone()
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  assert.equal(mask(p, fd), OUT | BAND)
  p.connect(fd, { address: '127.0.0.1', port: 9 })
  p.send(fd, bytes('x'))
  clock.settle()
  assert.equal(mask(p, fd), OUT | BAND | c.POLLERR)
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(1))),
    'ECONNREFUSED',
  )
  assert.equal(mask(p, fd), OUT | BAND)
})

test('poll sleeps until one of many is ready, and for ever if asked to', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const fds: PollFd[] = [7, 8, 9].map((port) => {
          const fd = p.socket(AF_INET, SOCK_DGRAM)
          p.bind(fd, { port })
          return { fd, events: c.POLLIN }
        })
        assert.equal(await p.poll(fds, -1), 1)
        assert.deepEqual(
          fds.map((f) => f.revents),
          [0, c.POLLIN, 0],
        )
        assert.equal(clock.now(), 100e6)
      },
    ],
    [
      a,
      async (p) => {
        await p.sleep(100)
        p.sendto(p.socket(AF_INET, SOCK_DGRAM), bytes('x'), 0, { address: B, port: 8 })
      },
    ],
  )
})

test('the time limit of poll is in milliseconds; then it gives 0 (poll(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      assert.equal(await p.poll([{ fd, events: c.POLLIN }], 250), 0)
      assert.equal(clock.now(), 250_000)
      assert.equal(await p.poll([], 50), 0)
      assert.equal(clock.now(), 300_000)
      assert.equal(p.poll([{ fd, events: c.POLLIN }], 0), 0)
    },
  ])
  assert.equal(clock.timerCount, 0)
})

test('a wake-up for something not asked for does not end poll', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      p.bind(fd, { port: 7 })
      const pending = p.poll([{ fd, events: c.POLLPRI }], 1000)
      p.sendto(p.socket(AF_INET, SOCK_DGRAM), bytes('x'), 0, { address: '127.0.0.1', port: 7 })
      assert.equal(await pending, 0)
      assert.equal(clock.now(), 1e6)
    },
  ])
})

test('a descriptor closed while poll sleeps on it: POLLNVAL at the end (do_poll)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      const entry: PollFd = { fd, events: c.POLLIN }
      const pending = p.poll([entry], 1000)
      p.close(fd)
      assert.equal(host.udp.sockets.size, 1)
      assert.equal(await pending, 1)
      assert.equal(entry.revents, c.POLLNVAL)
      assert.equal(host.udp.sockets.size, 0)
    },
  ])
})

test('an echo server of one process on poll serves 50 clients at once (CONCEPTS CO3)', async () => {
  const { clock, a, b } = net()
  const server = async (p: Process): Promise<void> => {
    const l = p.socket(AF_INET, SOCK_STREAM | c.SOCK_NONBLOCK)
    p.bind(l, { port: 7 })
    p.listen(l, 64)
    const into = new Uint8Array(1000)
    let fds: PollFd[] = [{ fd: l, events: c.POLLIN }]
    for (let closed = 0; closed < 50; ) {
      await p.poll(fds)
      for (const entry of fds.filter((f) => f.revents !== 0)) {
        if (entry.fd === l) {
          fds.push({ fd: (await p.accept(l)) as number, events: c.POLLIN })
          continue
        }
        const n = await p.read(entry.fd, into)
        if (n > 0) await p.write(entry.fd, into, 0, n)
        else {
          p.close(entry.fd)
          fds = fds.filter((f) => f !== entry)
          closed++
        }
      }
    }
  }
  const client = async (p: Process): Promise<void> => {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await p.connect(fd, { address: B, port: 7 })
    const into = new Uint8Array(100)
    for (let i = 0; i < 5; i++) {
      const word = `${p.pid} says ${i}`
      await p.write(fd, bytes(word))
      assert.equal(await p.recv(fd, into.subarray(0, word.length), c.MSG_WAITALL), word.length)
      assert.deepEqual(into.slice(0, word.length), bytes(word))
    }
    p.close(fd)
  }
  await runAll(clock, [b, server], ...Array.from({ length: 50 }, (): [typeof a, typeof client] => [a, client]))
})
