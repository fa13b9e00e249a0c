/** Descriptors in flight between local sockets: counters, limits, collection of what nobody can reach (unix(7), net/unix/garbage.c). */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import type { ControlMessage } from '../../src/sock/message.ts'
import * as c from '../../src/socket/constants.ts'
import type { OpenFile } from '../../src/socket/open-file.ts'
import { bytes, lone, outcome, runAll, text } from '../host/net.ts'
import { words } from '../socket/words.ts'

const { AF_UNIX, SOCK_DGRAM, SOCK_STREAM } = c

const rights = (fds: readonly number[]): ControlMessage => ({ level: c.SOL_SOCKET, type: c.SCM_RIGHTS, data: fds })

function pass(p: Process, by: number, fds: readonly number[]): unknown {
  return outcome(() => p.sendmsg(by, { iov: [bytes('x')], control: [rights(fds)] }))
}

function take(p: Process, from: number): readonly number[] {
  const control: ControlMessage[] = []
  p.recvmsg(from, { iov: [new Uint8Array(8)], control })
  return words(control[0])
}

function assertNothingInFlight(host: Host): void {
  assert.deepEqual([host.unix.flights.files, host.unix.flights.sockets], [0, 0])
}

test('a connection accepted by one process is served by another that was passed it (SCM_RIGHTS, unix(7))', async () => {
  const { clock, host } = lone()
  const name = { family: AF_UNIX, path: '/tmp/worker' }
  const service = { family: AF_UNIX, path: '/tmp/service' }
  await runAll(
    clock,
    [
      host,
      async (p) => {
        const l = p.socket(AF_UNIX, SOCK_STREAM)
        p.bind(l, name)
        p.listen(l, 1)
        const from = await p.accept(l)
        const control: ControlMessage[] = []
        await p.recvmsg(from, { iov: [new Uint8Array(1)], control }, c.MSG_CMSG_CLOEXEC)
        const [fd = -1] = words(control[0])
        assert.equal(p.fcntl(fd, c.F_GETFD), c.FD_CLOEXEC)
        await p.write(fd, bytes('served'))
      },
    ],
    [
      host,
      async (p) => {
        const l = p.socket(AF_UNIX, SOCK_STREAM)
        p.bind(l, service)
        p.listen(l, 1)
        const worker = p.socket(AF_UNIX, SOCK_STREAM)
        await p.connect(worker, name)
        const fd = await p.accept(l)
        await p.sendmsg(worker, { iov: [bytes('x')], control: [rights([fd])] })
        p.close(fd)
        await p.sleep(1)
      },
    ],
    [
      host,
      async (p) => {
        await p.sleep(0.1)
        const fd = p.socket(AF_UNIX, SOCK_STREAM)
        await p.connect(fd, service)
        const into = new Uint8Array(10)
        assert.equal(text(into, await p.read(fd, into)), 'served')
        assert.equal(await p.read(fd, into), 0)
      },
    ],
  )
  assertNothingInFlight(host)
})

test('files in flight are counted by user, and no longer once read, thrown away or peeked at and read', () => {
  const { host, process: p } = lone()
  const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
  const [r] = p.pipe()
  pass(p, a, [r, a])
  assert.deepEqual([host.unix.flights.files, host.unix.flights.sockets], [2, 1])
  const control: ControlMessage[] = []
  p.recvmsg(b, { iov: [new Uint8Array(1)], control }, c.MSG_PEEK)
  assert.equal(words(control[0]).length, 2)
  assert.equal(host.unix.flights.files, 2)
  assert.equal(take(p, b).length, 2)
  assertNothingInFlight(host)
  pass(p, a, [r])
  p.read(b, new Uint8Array(1))
  assertNothingInFlight(host)
  pass(p, a, [r])
  p.close(b)
  assertNothingInFlight(host)
})

test('more files in flight than RLIMIT_NOFILE: ETOOMANYREFS, but not for root (too_many_unix_fds)', () => {
  const { process: p } = lone()
  const [a, b] = p.socketpair(AF_UNIX, SOCK_DGRAM)
  p.fileLimit = 20
  p.credentials.uid = 1000
  p.seteuid(1000)
  const tens = new Array(10).fill(a)
  for (const _ of [1, 2]) assert.equal(pass(p, a, tens), 1)
  assert.equal(pass(p, a, [a]), 1)
  assert.equal(pass(p, a, [a]), 'ETOOMANYREFS')
  p.credentials.euid = 0
  assert.equal(pass(p, a, [a]), 1)
  p.close(b)
})

test('rings of sockets in each other’s queues are collected after the last close, each with what lies in it', () => {
  for (const size of [1, 2, 3, 17]) {
    const { clock, host, process: p } = lone()
    const [r, w] = p.pipe2(c.O_NONBLOCK)
    const pairs = Array.from({ length: size }, () => p.socketpair(AF_UNIX, SOCK_STREAM))
    for (const [i, [one]] of pairs.entries()) pass(p, one, [pairs[(i + 1) % size]?.[1] as number, w])
    p.close(w)
    // From here on the queues hold all receiving ends.
    for (const [, other] of pairs) p.close(other)
    for (const [one] of pairs) p.close(one)
    clock.settle()
    assertNothingInFlight(host)
    assert.equal(p.read(r, new Uint8Array(1)), 0)
    assert.equal(host.unix.sockets.size, 0)
  }
})

test('a ring that a process can still reach is left alone, and given out whole (unix_vertex_dead)', () => {
  const { clock, host, process: p } = lone()
  const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
  const [e, d] = p.socketpair(AF_UNIX, SOCK_STREAM)
  pass(p, a, [d])
  pass(p, e, [b])
  p.close(d)
  p.close(e)
  clock.settle()
  assert.equal(host.unix.flights.sockets, 2)
  const [back] = take(p, b)
  assert.deepEqual(take(p, back as number).length, 1)
  assertNothingInFlight(host)
})

test('20,000 sockets each in the queue of the next are let go one after the other, not by recursion', () => {
  const { clock, host, process: p } = lone()
  let [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
  for (let i = 0; i < 20000; i++) {
    const [one, other] = p.socketpair(AF_UNIX, SOCK_STREAM)
    pass(p, one, [a, b])
    p.close(a)
    p.close(b)
    a = one
    b = other
  }
  assert.equal(host.unix.flights.sockets, 40000)
  p.close(a)
  p.close(b)
  clock.settle()
  assertNothingInFlight(host)
  assert.equal(host.unix.sockets.size, 0)
})

test('files given to a send that sleeps are kept for it, and let go when its process ends (scm_destroy)', async () => {
  const { clock, host, process: watcher } = lone()
  const [r, w] = watcher.pipe2(c.O_NONBLOCK)
  const [a, b] = watcher.socketpair(AF_UNIX, SOCK_STREAM)
  const outside = watcher.files
  const child = host.spawn(async (p) => {
    const one = p.files.add((outside.get(a) as OpenFile).ref())
    const pipe = p.files.add((outside.get(w) as OpenFile).ref())
    const all = new Uint8Array(1000000)
    while ((p.sys.write(one, all, 0, all.length) as number) > 0);
    const sending = p.sendmsg(one, { iov: [bytes('x')], control: [rights([pipe])] })
    p.close(pipe)
    await sending
  })
  clock.settle()
  await clock.run(() => true)
  watcher.close(w)
  assert.equal(
    outcome(() => watcher.read(r, new Uint8Array(1))),
    'EAGAIN',
  )
  child.end(0)
  assert.equal(watcher.read(r, new Uint8Array(1)), 0)
  watcher.close(b)
  assertNothingInFlight(host)
})
