/** Stream sockets through system calls: names, errors, half-close, restart of a server, `ss`. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { formatSockets, parseSsFlags, ss } from '../../src/app/ss.ts'
import type { SocketRow } from '../../src/host/socket-table.ts'
import * as c from '../../src/socket/constants.ts'
import { A, awaited, B, bytes, listener, lone, net, outcome, runAll, text } from './net.ts'

const { AF_INET, SOCK_STREAM, SOL_SOCKET } = c

test('a stream socket without a connection: the errors of Linux for every call', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_INET, SOCK_STREAM)
  const b = new Uint8Array(1)
  assert.equal(
    outcome(() => p.recv(fd, b)),
    'ENOTCONN',
  )
  assert.equal(
    outcome(() => p.send(fd, b)),
    'EPIPE',
  )
  assert.equal(
    outcome(() => p.shutdown(fd, c.SHUT_RDWR)),
    'ENOTCONN',
  )
  assert.equal(
    outcome(() => p.getpeername(fd)),
    'ENOTCONN',
  )
  assert.equal(
    outcome(() => p.accept(fd)),
    'EINVAL',
  )
  assert.deepEqual(p.getsockname(fd), { family: AF_INET, address: '0.0.0.0', port: 0 })
  assert.equal(
    outcome(() => p.connect(fd, { family: c.AF_INET6 })),
    'EAFNOSUPPORT',
  )
  assert.equal(p.ioctl(fd, c.SIOCINQ), 0)
  assert.equal(p.ioctl(fd, c.SIOCOUTQ), 0)
})

test('listen without bind takes a port; listen again changes the backlog; a listener does not read, send or connect', () => {
  const { process: p, host } = lone()
  const fd = p.socket(AF_INET, SOCK_STREAM)
  p.listen(fd, 5)
  const { port } = p.getsockname(fd)
  assert.ok(port >= 32768)
  p.listen(fd, 100_000)
  assert.equal(host.sockets()[0]?.sendQ, 4096, 'net.core.somaxconn')
  assert.equal(
    outcome(() => p.recv(fd, new Uint8Array(1))),
    'ENOTCONN',
  )
  assert.equal(
    outcome(() => p.send(fd, new Uint8Array(1))),
    'EPIPE',
  )
  assert.equal(
    outcome(() => p.connect(fd, { address: '127.0.0.1', port })),
    'EISCONN',
  )
  assert.equal(p.getsockopt(fd, SOL_SOCKET, c.SO_ACCEPTCONN), 1)
  assert.equal(
    outcome(() => p.ioctl(fd, c.SIOCINQ)),
    'EINVAL',
  )
})

test('half-close: shutdown(SHUT_WR) ends one direction, the other goes on; EPIPE for what is sent after (CONCEPTS TC12)', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80, 1)
        const fd = await p.accept(l)
        const into = new Uint8Array(100)
        let question = ''
        for (let n = await p.read(fd, into); n > 0; n = await p.read(fd, into)) question += text(into, n)
        await p.write(fd, bytes(question.toUpperCase()))
        await p.close(fd)
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        await p.write(fd, bytes('a question, '))
        await p.write(fd, bytes('in two parts'))
        p.shutdown(fd, c.SHUT_WR)
        assert.equal(
          outcome(() => p.write(fd, bytes('x'))),
          'EPIPE',
        )
        const into = new Uint8Array(100)
        assert.equal(text(into, await p.recv(fd, into, c.MSG_WAITALL)), 'A QUESTION, IN TWO PARTS')
        assert.equal(await p.read(fd, into), 0)
      },
    ],
  )
})

test('recvfrom on a stream names nobody; sendto with an address on a connected one is as send (recvfrom(2))', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80, 1)
        const from = { port: -1 }
        assert.equal(await p.recvfrom(await p.accept(l), new Uint8Array(9), 0, from), 5)
        assert.deepEqual(from, { port: -1 })
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        await p.sendto(fd, bytes('hello'), 0, { address: '192.0.2.9', port: 9 })
      },
    ],
  )
})

test('a server restarted while a connection is in TIME_WAIT: EADDRINUSE without SO_REUSEADDR, 0 with (CONCEPTS SO6, PR13)', async () => {
  const { clock, a, b } = net()
  const serve = (reuse: boolean): Promise<unknown> =>
    runAll(
      clock,
      [
        b,
        async (p) => {
          const l = p.socket(AF_INET, SOCK_STREAM)
          if (reuse) p.setsockopt(l, SOL_SOCKET, c.SO_REUSEADDR, 1)
          p.bind(l, { port: 80 })
          p.listen(l, 1)
          // The server closes first: TIME_WAIT is its own.
          p.close(await p.accept(l))
          await p.sleep(0.1)
        },
      ],
      [
        a,
        async (p) => {
          const fd = p.socket(AF_INET, SOCK_STREAM)
          await p.connect(fd, { address: B, port: 80 })
          assert.equal(await p.read(fd, new Uint8Array(1)), 0)
        },
      ],
    )
  await serve(true)
  assert.match(ss(b, '-tan'), /TIME-WAIT/)
  const p = b.createProcess()
  const plain = p.socket(AF_INET, SOCK_STREAM)
  assert.equal(
    outcome(() => p.bind(plain, { port: 80 })),
    'EADDRINUSE',
  )
  p.setsockopt(plain, SOL_SOCKET, c.SO_REUSEADDR, 1)
  assert.equal(
    outcome(() => p.bind(plain, { port: 80 })),
    undefined,
  )
  p.listen(plain, 1)
  const second = p.socket(AF_INET, SOCK_STREAM)
  p.setsockopt(second, SOL_SOCKET, c.SO_REUSEADDR, 1)
  assert.equal(
    outcome(() => p.bind(second, { port: 80 })),
    'EADDRINUSE',
    'a live listener refuses',
  )
  p.close(plain)
  await clock.runFor(60e6)
  const third = p.socket(AF_INET, SOCK_STREAM)
  assert.equal(
    outcome(() => p.bind(third, { port: 80 })),
    undefined,
    'TIME_WAIT is over after 60 s',
  )
})

test('connections to one server from one host have different ports; the pairs of names agree (getsockname(2))', async () => {
  const { clock, a, b } = net()
  const q = b.createProcess()
  const l = listener(q, 80)
  const p = a.createProcess()
  const seen = new Set<number>()
  for (let i = 0; i < 100; i++) {
    const fd = p.socket(AF_INET, SOCK_STREAM)
    await clock.runUntil(Promise.resolve(p.connect(fd, { address: B, port: 80 })))
    const name = p.getsockname(fd)
    assert.equal(name.address, A)
    seen.add(name.port)
    const got = (await q.accept(l)) as number
    assert.deepEqual(q.getpeername(got), name)
    assert.deepEqual(q.getsockname(got), p.getpeername(fd))
  }
  assert.equal(seen.size, 100)
})

test('a program that ends with a connection open closes it: the peer reads the end (exit(3))', async () => {
  const { clock, a, b, pool } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80, 1)
        const fd = await p.accept(l)
        assert.equal(await p.read(fd, new Uint8Array(10)), 3)
        assert.equal(await p.read(fd, new Uint8Array(10)), 0)
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        await p.write(fd, bytes('bye'))
        p.exit(0)
      },
    ],
  )
  await clock.run()
  assert.deepEqual([a.sockets(), b.sockets()], [[], []])
  assert.deepEqual(
    [a.tcp.ports.size, b.tcp.ports.size, a.tcp.sockets.size, b.tcp.sockets.size, pool.outstanding],
    [0, 0, 0, 0, 0],
  )
})

test('SO_LINGER with 0 s: close resets, the peer gets ECONNRESET (CONCEPTS TC14)', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const l = listener(p, 80, 1)
        assert.equal(await awaited(async () => p.read(await p.accept(l), new Uint8Array(10))), 'ECONNRESET')
      },
    ],
    [
      a,
      async (p) => {
        const fd = p.socket(AF_INET, SOCK_STREAM)
        await p.connect(fd, { address: B, port: 80 })
        await p.sleep(1)
        p.setsockopt(fd, SOL_SOCKET, c.SO_LINGER, { onoff: 1, linger: 0 })
        p.close(fd)
      },
    ],
  )
})

test('ss prints the columns of iproute2, as wide as their contents (ss(8))', () => {
  const row = (netid: 'tcp' | 'udp', state: number, stateName: string, rest: Partial<SocketRow> = {}): SocketRow => ({
    netid,
    state,
    stateName,
    recvQ: 0,
    sendQ: 0,
    localAddress: 0,
    localPort: 0,
    remoteAddress: 0,
    remotePort: 0,
    device: '',
    holders: [],
    ...rest,
  })
  const listener = row('tcp', 10, 'LISTEN', { sendQ: 128, localPort: 2024 })
  // As printed by `ss -tan | cat` of iproute2 on such a host.
  assert.equal(
    formatSockets([listener], parseSsFlags('-tan')),
    'State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
      'LISTEN 0      128          0.0.0.0:2024      0.0.0.0:*          \n',
  )
  assert.equal(
    formatSockets([listener], parseSsFlags('-ta -u -n -p')),
    'Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n' +
      'tcp   LISTEN 0      128          0.0.0.0:2024      0.0.0.0:*          \n',
  )
  const rows = [
    row('udp', 7, 'UNCONN', { localPort: 53 }),
    listener,
    row('tcp', 1, 'ESTAB', { localPort: 1, remotePort: 2 }),
  ]
  const names = (flags: string): string[] =>
    formatSockets(rows, parseSsFlags(flags))
      .split('\n')
      .slice(1, -1)
      .map((l) => l.trim().split(/ +/)[0] as string)
  assert.deepEqual(names('-tan'), ['LISTEN', 'ESTAB'])
  assert.deepEqual(names('-tn'), ['ESTAB'])
  assert.deepEqual(names('-tln'), ['LISTEN'])
  assert.deepEqual(names('-uan'), ['UNCONN'])
  assert.deepEqual(names('-an'), ['udp', 'tcp', 'tcp'])
})
