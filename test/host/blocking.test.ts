/** Calls that wait: wake-ups, time limits, partial results. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as c from '../../src/socket/constants.ts'
import { A, awaited, B, bytes, listener, lone, net, outcome, runAll, text } from './net.ts'

const { AF_INET, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET } = c

test('a call that need not wait gives a number, not a promise', async () => {
  const { clock, process: p } = lone()
  const r = p.socket(AF_INET, SOCK_DGRAM)
  p.bind(r, { port: 7 })
  const s = p.socket(AF_INET, SOCK_DGRAM)
  assert.equal(p.connect(s, { address: '127.0.0.1', port: 7 }), 0)
  assert.equal(p.write(s, bytes('abc')), 3)
  clock.settle()
  assert.equal(p.read(r, new Uint8Array(5)), 3)
})

test('recv sleeps until a datagram comes, at the instant it comes (recv(2))', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_DGRAM)
        p.bind(fd, { port: 7 })
        const into = new Uint8Array(10)
        assert.equal(text(into, await p.recv(fd, into)), 'hello')
        assert.equal(clock.now(), 5e6)
      },
    ],
    [
      a,
      async (p) => {
        await p.sleep(5)
        p.sendto(p.socket(AF_INET, SOCK_DGRAM), bytes('hello'), 0, { address: B, port: 7 })
      },
    ],
  )
})

test('O_NONBLOCK and MSG_DONTWAIT: EAGAIN instead of waiting (recv(2), accept(2))', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(1), c.MSG_DONTWAIT)),
    'EAGAIN',
  )
  p.fcntl(fd, c.F_SETFL, c.O_NONBLOCK)
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(1))),
    'EAGAIN',
  )
  assert.equal(
    outcome(() => p.read(fd, new Uint8Array(1))),
    'EAGAIN',
  )
  const l = p.socket(AF_INET, SOCK_STREAM | c.SOCK_NONBLOCK)
  p.listen(l, 1)
  assert.equal(
    outcome(() => p.accept(l)),
    'EAGAIN',
  )
  assert.equal(p.socket(AF_INET, SOCK_DGRAM), 5, 'accept gave its number back')
})

test('SO_RCVTIMEO: EAGAIN when the time is over, for recv and accept (socket(7))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      p.bind(fd, { port: 7 })
      p.setsockopt(fd, SOL_SOCKET, c.SO_RCVTIMEO, { sec: 2, usec: 500000 })
      assert.equal(await awaited(() => p.recv(fd, new Uint8Array(1))), 'EAGAIN')
      assert.equal(clock.now(), 2.5e6)
      const l = p.socket(AF_INET, SOCK_STREAM)
      p.listen(l, 1)
      p.setsockopt(l, SOL_SOCKET, c.SO_RCVTIMEO, { sec: 1, usec: 0 })
      assert.equal(await awaited(() => p.accept(l)), 'EAGAIN')
      assert.equal(clock.now(), 3.5e6)
      p.setsockopt(l, SOL_SOCKET, c.SO_RCVTIMEO, { sec: -1, usec: 0 })
      assert.equal(
        outcome(() => p.accept(l)),
        'EAGAIN',
        'a negative time never waits',
      )
      assert.equal(p.socket(AF_INET, SOCK_DGRAM), 5)
    },
  ])
})

test('an error that arrives ends the sleep of recv with it (ECONNREFUSED, udp(7))', async () => {
  const { clock, a } = net()
  await runAll(clock, [
    a,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      p.connect(fd, { address: B, port: 7 })
      p.send(fd, bytes('x'))
      assert.equal(await awaited(() => p.recv(fd, new Uint8Array(1))), 'ECONNREFUSED')
    },
  ])
})

test('shutdown wakes a sleeping recv of a datagram socket, which returns 0 (inet_shutdown)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_DGRAM)
      p.bind(fd, { port: 7 })
      const pending = p.recv(fd, new Uint8Array(1))
      assert.equal(
        outcome(() => p.shutdown(fd, c.SHUT_RD)),
        'ENOTCONN',
      )
      assert.equal(await pending, 0)
      assert.equal(p.recv(fd, new Uint8Array(1)), 0, 'and does not sleep again')
    },
  ])
})

test('several readers of one socket are served in the order they came', async () => {
  const { clock, host } = lone()
  const p = host.createProcess()
  const fd = p.socket(AF_INET, SOCK_DGRAM)
  p.bind(fd, { port: 7 })
  const order: string[] = []
  const readers = ['first', 'second', 'third'].map(async (name) => {
    const into = new Uint8Array(10)
    order.push(`${name} ${text(into, await p.recv(fd, into))}`)
  })
  const s = p.socket(AF_INET, SOCK_DGRAM)
  for (const word of ['a', 'b', 'c']) p.sendto(s, bytes(word), 0, { address: '127.0.0.1', port: 7 })
  await clock.runUntil(Promise.all(readers))
  assert.deepEqual(order, ['first a', 'second b', 'third c'])
})

test('sendto waits for room in the send buffer and then sends the whole datagram (SO_SNDBUF)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const r = p.socket(AF_INET, SOCK_DGRAM)
      p.bind(r, { port: 8 })
      const s = p.socket(AF_INET, SOCK_DGRAM)
      p.setsockopt(s, SOL_SOCKET, c.SO_SNDBUF, 0)
      const to = { address: '127.0.0.1', port: 8 }
      const results = [0, 1, 2].map(() => p.sendto(s, new Uint8Array(1000), 0, to))
      assert.equal(
        outcome(() => p.sendto(s, new Uint8Array(1000), c.MSG_DONTWAIT, to)),
        'EAGAIN',
      )
      assert.equal(typeof results[1], 'number')
      assert.equal(typeof results[2], 'object')
      assert.equal(await results[2], 1000)
      for (let i = 0; i < 3; i++) assert.equal(await p.recv(r, new Uint8Array(2000)), 1000)
    },
  ])
})

test('accept sleeps until a connection comes and names the peer; its number was taken before (accept(2))', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80)
        const peer: { address?: string; port?: number } = {}
        const pending = p.accept4(l, peer, c.SOCK_NONBLOCK | c.SOCK_CLOEXEC)
        const other = p.socket(AF_INET, SOCK_DGRAM)
        assert.equal(other, 5)
        assert.equal(await pending, 4)
        assert.equal(peer.address, A)
        assert.equal(p.fcntl(4, c.F_GETFL), c.O_RDWR | c.O_NONBLOCK)
        assert.equal(p.fcntl(4, c.F_GETFD), c.FD_CLOEXEC)
        assert.deepEqual(p.getpeername(4), { family: AF_INET, ...peer })
      },
    ],
    [
      a,
      async (p) => {
        await p.sleep(1)
        const fd = p.socket(AF_INET, SOCK_STREAM)
        assert.equal(await p.connect(fd, { address: B, port: 80 }), 0)
        assert.equal(await p.read(fd, new Uint8Array(1)), 0)
      },
    ],
  )
})

test('a blocking write takes everything, waiting for the reader; read gives what there is (write(2), read(2))', async () => {
  const { clock, a, b, pool } = net()
  const size = 3_000_000
  const data = new Uint8Array(size).map((_, i) => (i * 31 + (i >> 8)) & 0xff)
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80)
        const fd = await p.accept(l)
        const all = new Uint8Array(size)
        let got = 0
        for (;;) {
          const n = await p.read(fd, all, got)
          if (n === 0) break
          got += n
          if (got < 100_000) await p.sleep(0.01)
        }
        assert.equal(got, size)
        assert.deepEqual(all, data)
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        assert.equal(await p.write(fd, data), size)
        await p.close(fd)
      },
    ],
  )
  await clock.run()
  assert.equal(pool.outstanding, 0)
})

test('SO_SNDTIMEO: a write stopped by the time limit gives what went, the next one EAGAIN (socket(7))', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80)
        await p.accept(l)
        await p.sleep(100)
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        p.setsockopt(fd, SOL_SOCKET, c.SO_SNDTIMEO, { sec: 3, usec: 0 })
        const start = clock.now()
        const n = await p.write(fd, new Uint8Array(20_000_000))
        assert.ok(n > 0 && n < 20_000_000, String(n))
        assert.equal(clock.now() - start, 3e6)
        // Probes may still find a little room at the other end.
        let writes = 1
        for (let result: unknown = n; result !== 'EAGAIN' && writes < 10; writes++) {
          result = await awaited(() => p.write(fd, new Uint8Array(20_000_000)))
        }
        assert.ok(writes < 10)
        assert.equal(clock.now() - start, writes * 3e6)
      },
    ],
  )
})

test('MSG_WAITALL and SO_RCVLOWAT: recv waits for that much, less at the end of the stream (recv(2), socket(7))', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80)
        const fd = await p.accept(l)
        const into = new Uint8Array(10)
        assert.equal(await p.recv(fd, into, c.MSG_WAITALL), 10)
        assert.equal(text(into), '0123456789')
        assert.equal(await p.recv(fd, into.subarray(0, 6), c.MSG_WAITALL | c.MSG_PEEK), 6)
        assert.equal(text(into, 6), 'abcdef')
        p.setsockopt(fd, SOL_SOCKET, c.SO_RCVLOWAT, 8)
        // Six were taken at once; three more are too few to wake it, though there would be enough by now (tcp_data_ready).
        assert.equal(await p.recv(fd, into), 10)
        assert.equal(text(into), 'abcdefghij')
        assert.equal(await p.recv(fd, into, c.MSG_WAITALL), 1)
        assert.equal(await p.recv(fd, into), 0)
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        for (const part of ['01234', '56789', 'abc', 'def', 'ghi', 'jk']) {
          await p.write(fd, bytes(part))
          await p.sleep(1)
        }
        p.shutdown(fd, c.SHUT_WR)
      },
    ],
  )
})

test('connect: refused, no answer, and in the background with EINPROGRESS, POLLOUT and SO_ERROR (connect(2))', async () => {
  const { clock, a, b } = net()
  const q = b.createProcess()
  listener(q, 80)
  await runAll(clock, [
    a,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_STREAM)
      assert.equal(await awaited(() => p.connect(fd, { address: B, port: 81 })), 'ECONNREFUSED')
      assert.equal(await awaited(() => p.connect(fd, { address: B, port: 80 })), 0, 'and once more, elsewhere')
      assert.equal(await awaited(() => p.connect(fd, { address: B, port: 80 })), 'EISCONN')
      const background = p.socket(AF_INET, SOCK_STREAM | c.SOCK_NONBLOCK)
      assert.equal(
        outcome(() => p.connect(background, { address: B, port: 80 })),
        'EINPROGRESS',
      )
      assert.equal(
        outcome(() => p.connect(background, { address: B, port: 80 })),
        'EALREADY',
      )
      const entry = { fd: background, events: c.POLLOUT, revents: 0 }
      assert.equal(await p.poll([entry], 1000), 1)
      assert.equal(p.getsockopt(background, SOL_SOCKET, c.SO_ERROR), 0)
      assert.equal(p.connect(background, { address: B, port: 80 }), 0)
      assert.equal(
        outcome(() => p.connect(background, { address: B, port: 80 })),
        'EISCONN',
      )
      const refused = p.socket(AF_INET, SOCK_STREAM | c.SOCK_NONBLOCK)
      assert.equal(
        outcome(() => p.connect(refused, { address: B, port: 81 })),
        'EINPROGRESS',
      )
      entry.fd = refused
      assert.equal(await p.poll([entry], 1000), 1)
      assert.deepEqual(entry.revents, c.POLLOUT | c.POLLERR | c.POLLHUP)
      assert.equal(p.getsockopt(refused, SOL_SOCKET, c.SO_ERROR), 111)
      const slow = p.socket(AF_INET, SOCK_STREAM)
      p.setsockopt(slow, SOL_SOCKET, c.SO_SNDTIMEO, { sec: 1, usec: 0 })
      const start = clock.now()
      assert.equal(await awaited(() => p.connect(slow, { address: '10.0.0.50', port: 80 })), 'EINPROGRESS')
      assert.equal(clock.now() - start, 1e6)
    },
  ])
})

test('connect to a host that is not there fails with EHOSTUNREACH when ARP gives up (ip(7))', async () => {
  const { clock, a } = net()
  await runAll(clock, [
    a,
    async (p) => {
      const fd = p.socket(AF_INET, SOCK_STREAM)
      assert.equal(await awaited(() => p.connect(fd, { address: '10.0.0.50', port: 80 })), 'EHOSTUNREACH')
    },
  ])
})

test('a sleeping write whose reader is gone: what went first, then ECONNRESET or EPIPE (send(2))', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80)
        const fd = await p.accept(l)
        await p.read(fd, new Uint8Array(1000))
        await p.sleep(1)
        await p.close(fd)
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        const n = await p.write(fd, new Uint8Array(20_000_000))
        assert.ok(n > 0 && n < 20_000_000)
        assert.equal(await awaited(() => p.write(fd, new Uint8Array(10))), 'ECONNRESET')
        assert.equal(await awaited(() => p.write(fd, new Uint8Array(10))), 'EPIPE')
        assert.equal(await awaited(() => p.read(fd, new Uint8Array(10))), 0)
      },
    ],
  )
})

test('SO_LINGER with a time: close waits until everything is acknowledged, or the time is over (socket(7))', async () => {
  const { clock, a, b, cables } = net()
  const q = b.createProcess()
  listener(q, 80)
  await runAll(clock, [
    a,
    async (p) => {
      const open = async (): Promise<number> => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        p.setsockopt(fd, SOL_SOCKET, c.SO_LINGER, { onoff: 1, linger: 5 })
        await p.write(fd, new Uint8Array(50_000))
        return fd
      }
      const fd = await open()
      let start = clock.now()
      assert.equal(await p.close(fd), 0)
      assert.ok(clock.now() - start < 1e6, 'acknowledged at once')
      const cut = await open()
      await p.sleep(1)
      b.stack.interface('eth0')?.setUp(false)
      await p.write(cut, new Uint8Array(1000))
      start = clock.now()
      assert.equal(await p.close(cut), 0)
      assert.equal(clock.now() - start, 5e6)
    },
  ])
  cables[0].close()
})
