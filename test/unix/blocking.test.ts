/** Local sockets and pipes with calls that wait, in virtual time. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ss } from '../../src/app/ss.ts'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { awaited, bytes, lone, outcome, pattern, runAll, text } from '../host/net.ts'

const { AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } = c
const SERVER = { family: AF_UNIX, path: '/tmp/server' }

function listener(p: Process, type: number, backlog: number): number {
  const fd = p.socket(AF_UNIX, type)
  p.bind(fd, SERVER)
  p.listen(fd, backlog)
  return fd
}

async function client(p: Process, type: number): Promise<number> {
  const fd = p.socket(AF_UNIX, type)
  await p.connect(fd, SERVER)
  return fd
}

test('accept waits for connect, read for write: names, credentials and bytes arrive (unix(7))', async () => {
  const { clock, host } = lone()
  await runAll(
    clock,
    [
      host,
      async (p) => {
        const l = listener(p, SOCK_STREAM, 1)
        const peer = {}
        const fd = await p.accept(l, peer)
        assert.deepEqual(peer, { family: AF_UNIX, address: '', port: 0, path: '\0client' })
        assert.deepEqual(p.getsockname(fd), { family: AF_UNIX, address: '', port: 0, path: '/tmp/server' })
        const into = new Uint8Array(100)
        assert.equal(text(into, await p.read(fd, into)), 'hello')
        await p.write(fd, bytes('world'))
        await p.close(fd)
      },
    ],
    [
      host,
      async (p) => {
        await p.sleep(1)
        const fd = p.socket(AF_UNIX, SOCK_STREAM)
        p.bind(fd, { family: AF_UNIX, path: '\0client' })
        await p.connect(fd, SERVER)
        const server = [...host.processes.values()].find((o) => o !== p && o.name === 'program')
        assert.deepEqual(p.getsockopt(fd, c.SOL_SOCKET, c.SO_PEERCRED), { pid: server?.pid, uid: 0, gid: 0 })
        await p.sleep(1)
        await p.write(fd, bytes('hello'))
        const into = new Uint8Array(100)
        assert.equal(
          text(into, await p.recv(fd, into, c.MSG_WAITALL)),
          'world',
          'the end comes before the buffer is full',
        )
        assert.equal(await p.read(fd, into), 0)
        assert.equal(await awaited(() => p.write(fd, into)), 'EPIPE')
      },
    ],
  )
  assert.equal(host.unix.sockets.size, 0)
  assert.equal(host.stack.pool.outstanding, 0)
})

test('a blocking write of 3 MB goes through a buffer of 208 KiB in order, and is charged to nobody when read (unix(7))', async () => {
  const { clock, host } = lone()
  const data = pattern(3_000_000, 3)
  for (let i = 0; i < data.length; i += 997) data[i] = i >> 10
  await runAll(clock, [
    host,
    async (p) => {
      const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
      const written = p.write(a, data) as Promise<number>
      const got = new Uint8Array(data.length)
      assert.equal(await p.recv(b, got, c.MSG_WAITALL), data.length)
      assert.equal(await written, data.length)
      assert.deepEqual(got, data)
      assert.equal(p.ioctl(a, c.SIOCOUTQ), 0)
    },
  ])
})

for (const [name, type] of [
  ['stream', SOCK_STREAM],
  ['seqpacket', SOCK_SEQPACKET],
] as const) {
  test(`${name}: connect to a full backlog waits for accept when blocking, is EAGAIN when not and after SO_SNDTIMEO (connect(2))`, async () => {
    const { clock, host } = lone()
    await runAll(clock, [
      host,
      async (p) => {
        const l = listener(p, type, 0)
        await client(p, type)
        const late = p.socket(AF_UNIX, type | c.SOCK_NONBLOCK)
        assert.equal(
          outcome(() => p.connect(late, SERVER)),
          'EAGAIN',
        )
        const timed = p.socket(AF_UNIX, type)
        p.setsockopt(timed, c.SOL_SOCKET, c.SO_SNDTIMEO, { sec: 2, usec: 0 })
        const before = clock.now()
        assert.equal(await awaited(() => p.connect(timed, SERVER)), 'EAGAIN')
        assert.equal(clock.now() - before, 2_000_000)
        const waiting = client(p, type)
        await p.sleep(1)
        const first = await p.accept(l)
        const fd = await waiting
        assert.equal(p.ioctl(first, c.SIOCINQ), 0)
        await p.write(fd, bytes('x'))
        assert.equal(await p.read(await p.accept(l), new Uint8Array(9)), 1)
      },
    ])
  })

  test(`${name}: a connect that waits is refused when the listener closes (unix_wait_for_peer)`, async () => {
    const { clock, host } = lone()
    await runAll(clock, [
      host,
      async (p) => {
        const l = listener(p, type, 0)
        await client(p, type)
        const waiting = awaited(() => client(p, type))
        await p.sleep(1)
        await p.close(l)
        assert.equal(await waiting, 'ECONNREFUSED')
      },
    ])
  })

  test(`${name}: a reader that waits gets 0 when the peer closes, ECONNRESET if the peer had not read everything (unix_release_sock)`, async () => {
    const { clock, host } = lone()
    await runAll(clock, [
      host,
      async (p) => {
        for (const unread of [false, true]) {
          const [a, b] = p.socketpair(AF_UNIX, type)
          if (unread) await p.write(a, bytes('lost'))
          const waiting = awaited(() => p.read(a, new Uint8Array(9)))
          await p.sleep(1)
          await p.close(b)
          assert.equal(await waiting, unread ? 'ECONNRESET' : 0)
          await p.close(a)
        }
      },
    ])
  })

  test(`${name}: a blocking accept ends with EINVAL when the listener is shut down, EAGAIN after SO_RCVTIMEO (unix_accept)`, async () => {
    const { clock, host } = lone()
    await runAll(clock, [
      host,
      async (p) => {
        const l = listener(p, type, 1)
        p.setsockopt(l, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 1, usec: 0 })
        assert.equal(await awaited(() => p.accept(l)), 'EAGAIN')
        p.setsockopt(l, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 0, usec: 0 })
        const waiting = awaited(() => p.accept(l))
        await p.sleep(1)
        p.shutdown(l, c.SHUT_RD)
        assert.equal(await waiting, 'EINVAL')
      },
    ])
  })
}

test('a datagram sender waits for room in the queue of a peer that is not connected to it: 11 wait there, the rest outside (net.unix.max_dgram_qlen)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const server = p.socket(AF_UNIX, SOCK_DGRAM)
      p.bind(server, SERVER)
      const fd = p.socket(AF_UNIX, SOCK_DGRAM)
      const other = p.socket(AF_UNIX, SOCK_DGRAM)
      let sent = 0
      const sender = (async () => {
        for (let i = 0; i < 30; i++) {
          await p.sendto(i % 2 === 0 ? fd : other, bytes(String(i)), 0, SERVER)
          sent++
        }
      })()
      await p.sleep(1)
      assert.equal(sent, 11)
      const into = new Uint8Array(9)
      for (let i = 0; i < 30; i++) assert.equal(text(into, await p.recv(server, into)), String(i), 'none is lost')
      await sender
    },
  ])
})

test('poll waits for POLLOUT of a connected datagram socket until its peer has read (unix_dgram_peer_wake_me)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const server = p.socket(AF_UNIX, SOCK_DGRAM)
      p.bind(server, SERVER)
      const fd = p.socket(AF_UNIX, SOCK_DGRAM | c.SOCK_NONBLOCK)
      await p.connect(fd, SERVER)
      while (p.sys.send(fd, bytes('x'), 0, null) === 1);
      const ready = p.poll([{ fd, events: c.POLLOUT }], 5000)
      await p.sleep(1)
      await p.recv(server, new Uint8Array(1))
      const before = clock.now()
      assert.equal(await ready, 1)
      assert.equal(clock.now(), before)
    },
  ])
})

test('a host of one user does not let others in: EACCES without write permission, unlink EPERM, chmod opens (unix(7))', async () => {
  const { host } = lone()
  const owner = host.createProcess({ euid: 1000 })
  const other = host.createProcess({ euid: 1001 })
  other.credentials.egid = 1001
  listener(owner, SOCK_STREAM, 5)
  assert.equal(
    outcome(() => other.connect(other.socket(AF_UNIX, SOCK_STREAM), SERVER)),
    'EACCES',
  )
  assert.equal(
    outcome(() => other.unlink(SERVER.path)),
    'EPERM',
  )
  owner.chmod(SERVER.path, 0o777)
  assert.equal(other.connect(other.socket(AF_UNIX, SOCK_STREAM), SERVER), 0)
  owner.unlink(SERVER.path)
  assert.equal(
    outcome(() => owner.unlink(SERVER.path)),
    'ENOENT',
  )
})

test('an address that is too long is EINVAL; a path ends at its first NUL; the error names the path (unix(7), Address format)', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_UNIX, SOCK_STREAM)
  assert.equal(
    outcome(() => p.bind(fd, { path: `/${'x'.repeat(108)}` })),
    'EINVAL',
  )
  assert.throws(() => p.connect(fd, { path: '/nobody' }), { message: 'connect ENOENT /nobody', errno: -2 })
  p.bind(fd, { path: '/a\0b' })
  assert.equal(p.getsockname(fd).path, '/a')
  assert.equal(
    outcome(() => p.bind(p.socket(AF_UNIX, SOCK_STREAM), { path: '//tmp/../a' })),
    'EADDRINUSE',
  )
})

test('socket and socketpair: types and protocols that do not go together (unix_create, socketpair(2))', () => {
  const { process: p } = lone()
  assert.equal(
    outcome(() => p.socket(AF_UNIX, SOCK_STREAM, 6)),
    'EPROTONOSUPPORT',
  )
  assert.equal(
    outcome(() => p.socket(AF_UNIX, c.SOCK_RDM)),
    'ESOCKTNOSUPPORT',
  )
  assert.equal(p.getsockopt(p.socket(AF_UNIX, c.SOCK_RAW), c.SOL_SOCKET, c.SO_TYPE), SOCK_DGRAM)
  assert.equal(
    outcome(() => p.socketpair(c.AF_INET, SOCK_STREAM)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.socketpair(AF_UNIX, SOCK_STREAM | 0x100)),
    'EINVAL',
  )
  const before = p.files.size
  p.fileLimit = before + 1
  assert.equal(
    outcome(() => p.socketpair(AF_UNIX, SOCK_STREAM)),
    'EMFILE',
  )
  assert.equal(
    outcome(() => p.pipe()),
    'EMFILE',
  )
  assert.equal(p.files.size, before)
  p.fileLimit = 100
  const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM | c.SOCK_CLOEXEC | c.SOCK_NONBLOCK)
  for (const fd of [a, b]) {
    assert.equal(p.fcntl(fd, c.F_GETFD), c.FD_CLOEXEC)
    assert.equal(p.fcntl(fd, c.F_GETFL), c.O_RDWR | c.O_NONBLOCK)
  }
})

test('a blocking write to a pipe goes on until everything is written; read waits for the first bytes (pipe(7))', async () => {
  const { clock, host } = lone()
  const data = pattern(300_000, 9)
  await runAll(clock, [
    host,
    async (p) => {
      const [r, w] = p.pipe()
      const early = p.read(r, new Uint8Array(3)) as Promise<number>
      await p.sleep(1)
      const written = (p.write(w, data) as Promise<number>).finally(() => p.close(w))
      let done = await early
      assert.equal(done, 3)
      const into = new Uint8Array(7000)
      for (let n = await p.read(r, into); n > 0; n = await p.read(r, into)) {
        assert.deepEqual(into.subarray(0, n), data.subarray(done, done + n))
        done += n
      }
      assert.equal(done, data.length)
      assert.equal(await written, data.length)
    },
  ])
})

test('a writer that waits is told how much went when the reader closes, then EPIPE (pipe(7), write(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [r, w] = p.pipe2(c.O_CLOEXEC)
      assert.equal(p.fcntl(r, c.F_GETFD), c.FD_CLOEXEC)
      assert.equal(p.fcntl(r, c.F_GETFL), c.O_RDONLY)
      assert.equal(p.fcntl(w, c.F_GETFL), c.O_WRONLY)
      assert.equal(
        outcome(() => p.recv(r, new Uint8Array(1))),
        'ENOTSOCK',
      )
      assert.equal(
        outcome(() => p.pipe2(c.O_APPEND)),
        'EINVAL',
      )
      const writing = p.write(w, new Uint8Array(100_000)) as Promise<number>
      await p.sleep(1)
      await p.close(r)
      assert.equal(await writing, 65536)
      assert.equal(await awaited(() => p.write(w, new Uint8Array(1))), 'EPIPE')
    },
  ])
})

test('writes of PIPE_BUF bytes by several writers are never mixed, whatever the reader takes (pipe(7), PIPE_BUF)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [r, w] = p.pipe()
      const writer = async (mark: number): Promise<void> => {
        for (let i = 0; i < 40; i++) await p.write(w, new Uint8Array(4096).fill(mark))
      }
      const all = Promise.all([1, 2, 3].map(writer)).then(() => p.close(w))
      const got: number[] = []
      const into = new Uint8Array(1500)
      for (let n = await p.read(r, into); n > 0; n = await p.read(r, into)) got.push(...into.subarray(0, n))
      await all
      assert.equal(got.length, 3 * 40 * 4096)
      for (let i = 0; i < got.length; i++) assert.equal(got[i], got[i - (i % 4096)])
    },
  ])
})

test('a process that ends closes its local sockets: names of abstract sockets are free again, socket files stay (unix(7))', async () => {
  const { clock, host, process: p } = lone()
  await runAll(clock, [
    host,
    (q) => {
      q.bind(q.socket(AF_UNIX, SOCK_DGRAM), { path: '\0a' })
      q.bind(q.socket(AF_UNIX, SOCK_DGRAM), { path: '/a' })
    },
  ])
  p.bind(p.socket(AF_UNIX, SOCK_DGRAM), { path: '\0a' })
  const fd = p.socket(AF_UNIX, SOCK_DGRAM)
  assert.equal(
    outcome(() => p.bind(fd, { path: '/a' })),
    'EADDRINUSE',
  )
  assert.equal(
    outcome(() => p.connect(fd, { path: '/a' })),
    'ECONNREFUSED',
  )
  p.unlink('/a')
  p.bind(fd, { path: '/a' })
})

test('options of other levels do not exist for local sockets: EOPNOTSUPP (do_sock_setsockopt)', () => {
  const { process: p } = lone()
  const fd = p.socket(AF_UNIX, SOCK_STREAM)
  assert.equal(
    outcome(() => p.setsockopt(fd, c.SOL_TCP, c.TCP_NODELAY, 1)),
    'EOPNOTSUPP',
  )
  assert.equal(
    outcome(() => p.getsockopt(fd, c.SOL_IP, c.IP_TTL)),
    'EOPNOTSUPP',
  )
  const inet = p.socket(c.AF_INET, SOCK_STREAM)
  assert.deepEqual(p.getsockopt(inet, c.SOL_SOCKET, c.SO_PEERCRED), { pid: 0, uid: 0xffffffff, gid: 0xffffffff })
})

test('ss -x lists local sockets with names, numbers and queues, connections to be accepted only in the listener (ss(8), unix_diag)', () => {
  const { host, process: p } = lone()
  const l = listener(p, SOCK_STREAM, 3)
  const a = p.socket(AF_UNIX, SOCK_STREAM)
  p.connect(a, SERVER)
  p.accept(l)
  p.connect(p.socket(AF_UNIX, SOCK_STREAM), SERVER)
  const [x] = p.socketpair(AF_UNIX, SOCK_SEQPACKET)
  p.write(x, bytes('hello'))
  p.bind(p.socket(AF_UNIX, SOCK_DGRAM), { path: '\0g' })
  p.socket(c.AF_INET, SOCK_DGRAM)
  const lines = ss(host, '-xanp').split('\n')
  assert.deepEqual(lines, [
    'Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process                        ',
    'u_str LISTEN 1      3        /tmp/server 10000            * 0     users:(("process",pid=2,fd=3))',
    'u_str ESTAB  0      0                  * 10001            * 10002 users:(("process",pid=2,fd=4))',
    'u_str ESTAB  0      0        /tmp/server 10002            * 10001 users:(("process",pid=2,fd=5))',
    'u_str ESTAB  0      0                  * 10003            * 0     users:(("process",pid=2,fd=6))',
    'u_seq ESTAB  0      768                * 10004            * 10005 users:(("process",pid=2,fd=7))',
    'u_seq ESTAB  5      0                  * 10005            * 10004 users:(("process",pid=2,fd=8))',
    'u_dgr UNCONN 0      0                 @g 10006            * 0     users:(("process",pid=2,fd=9))',
    '',
  ])
  assert.equal(ss(host, '-xl').split('\n').length, 4)
  assert.equal(ss(host, '-tan').split('\n').length, 2)
})
