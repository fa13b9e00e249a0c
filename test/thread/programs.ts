/** Programs of threads for the tests of this folder: each runs in a worker. */
import assert from 'node:assert/strict'
import {
  AF_INET,
  AF_UNIX,
  EPOLL_CTL_ADD,
  EPOLLIN,
  F_GETFL,
  FdSet,
  FIONREAD,
  ITIMER_REAL,
  MSG_DONTWAIT,
  MSG_PEEK,
  O_NONBLOCK,
  POLLIN,
  SHUT_WR,
  SIG_DFL,
  SIGALRM,
  SIGCHLD,
  SIGUSR1,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_SNDBUF,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  type SystemError,
  WNOHANG,
} from '../../src/index.ts'
import type { ThreadProcess } from '../../src/thread/thread-process.ts'

const HERE = '127.0.0.1'
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Fails unless `call` throws this SystemError: code, call and address. */
function throws(call: () => unknown, message: string): void {
  assert.throws(call, (error: SystemError) => {
    assert.equal(error.message, message)
    return error.name === 'SystemError'
  })
}

/** A connected pair of TCP sockets of this process. */
function tcpPair(p: ThreadProcess, port: number): [number, number] {
  const listener = p.socket(AF_INET, SOCK_STREAM)
  // An earlier pair may be in TIME-WAIT.
  p.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
  p.bind(listener, { address: HERE, port })
  p.listen(listener, 1)
  const client = p.socket(AF_INET, SOCK_STREAM)
  p.connect(client, { address: HERE, port })
  const server = p.accept(listener)
  p.close(listener)
  return [client, server]
}

export function names(p: ThreadProcess): void {
  const fd = p.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK)
  assert.equal(fd, 3)
  p.bind(fd, { address: HERE, port: 53 })
  assert.deepEqual(p.getsockname(fd), { family: AF_INET, address: HERE, port: 53 })
  assert.equal(p.getsockopt(fd, SOL_SOCKET, SO_TYPE), SOCK_DGRAM)
  assert.equal(p.fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK)
  const from: { address?: string; port?: number } = {}
  const bytes = new Uint8Array(10)
  assert.equal(p.sendto(fd, bytesOf('to me'), 0, { address: HERE, port: 53 }), 5)
  p.poll([{ fd, events: POLLIN }])
  assert.equal(p.recvfrom(fd, bytes, 0, from), 5)
  assert.equal(textOf(bytes.subarray(0, 5)), 'to me')
  assert.deepEqual({ address: from.address, port: from.port }, { address: HERE, port: 53 })
  assert.equal(p.getpid(), p.pid)
  assert.equal(p.gettid(), p.tid)
}

export function errors(p: ThreadProcess): void {
  throws(() => p.close(77), 'close EBADF')
  throws(() => p.read(77, new Uint8Array(1)), 'read EBADF')
  throws(() => p.send(0, new Uint8Array(1)), 'send ENOTSOCK')
  const fd = p.socket(AF_INET, SOCK_STREAM)
  throws(() => p.connect(fd, { address: HERE, port: 9 }), `connect ECONNREFUSED ${HERE}:9`)
  throws(() => p.recv(fd, new Uint8Array(1)), 'recv ENOTCONN')
  assert.throws(() => p.bind(fd, { port: 70000 }), { name: 'RangeError', message: /port: not in 0..65535: 70000/ })
  assert.throws(() => p.read(fd, 'bytes' as unknown as Uint8Array), { name: 'TypeError', message: /not a Uint8Array/ })
  assert.throws(() => p.ioctl(fd, FIONREAD, (() => 0) as unknown as number), {
    name: 'TypeError',
    message: /not to be passed between threads: function/,
  })
  p.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, { sec: 0, usec: 1000 })
  const datagrams = p.socket(AF_INET, SOCK_DGRAM)
  p.setsockopt(datagrams, SOL_SOCKET, SO_RCVTIMEO, { sec: 0, usec: 1000 })
  throws(() => p.recv(datagrams, new Uint8Array(1)), 'recv EAGAIN')
}

export function readiness(p: ThreadProcess): void {
  const [reader, writer] = p.pipe()
  const fds = [
    { fd: reader, events: POLLIN, revents: 0 },
    { fd: 99, events: POLLIN, revents: 0 },
  ]
  assert.equal(p.poll([fds[0] as (typeof fds)[0]], 1), 0)
  p.write(writer, bytesOf('x'))
  assert.equal(p.poll(fds, -1), 2)
  assert.deepEqual(
    fds.map(({ revents }) => revents),
    [POLLIN, 0x20],
  )
  const set = new FdSet([reader, writer])
  assert.equal(p.select(writer + 1, set, null, null, { sec: 1, usec: 0 }), 1)
  assert.deepEqual([...set], [reader])
  const epoll = p.epoll_create1()
  p.epoll_ctl(epoll, EPOLL_CTL_ADD, reader, { events: EPOLLIN, data: { name: 'reader' } })
  const events = [{ events: 0 }]
  assert.equal(p.epoll_wait(epoll, events, 4), 1)
  assert.deepEqual(events, [{ events: EPOLLIN, data: { name: 'reader' } }])
  const counter = p.eventfd(2)
  p.eventfd_write(counter, 2n ** 40n)
  assert.equal(p.eventfd_read(counter), 2n ** 40n + 2n)
  const before = performance.now()
  p.sleep(0.02)
  const slept = performance.now() - before
  // A message of its own: without one Node would parse this file, compiled to one line, to find the words.
  assert.ok(slept >= 19, `slept ${slept} ms`)
}

/** Partial reads of what was mirrored, and calls that look at the queue in between. */
export function leasedReads(p: ThreadProcess, family: number): void {
  const [one, other] = family === AF_UNIX ? p.socketpair(AF_UNIX, SOCK_STREAM) : tcpPair(p, 7000)
  const b = new Uint8Array(4)
  for (let i = 0; i < 10; i++) assert.equal(p.send(one, bytesOf(`0${i}2345678${i}`)), 10)
  if (family === AF_INET) while (p.ioctl(other, FIONREAD) < 100);
  assert.equal(p.recv(other, b), 4)
  assert.equal(textOf(b), '0023')
  assert.equal(p.recv(other, b), 4)
  assert.equal(textOf(b), '4567')
  assert.equal(p.ioctl(other, FIONREAD), 92)
  assert.equal(p.recv(other, b.subarray(0, 1), MSG_PEEK), 1)
  assert.equal(p.ioctl(other, FIONREAD), 92)
  // A second descriptor for the same socket takes part in the same stream.
  assert.equal(p.recv(other, b.subarray(0, 2)), 2)
  const copy = p.dup(other)
  assert.equal(p.recv(copy, b), 4)
  assert.equal(textOf(b), '0123')
  assert.equal(p.recv(other, b), 4)
  assert.equal(textOf(b), '4567')
  p.close(copy)
  const rest = new Uint8Array(200)
  let got = 0
  while (got < 82) got += p.recv(other, rest.subarray(got))
  assert.equal(textOf(rest.subarray(0, 12)), '810223456782')
  throws(() => p.recv(other, b, MSG_DONTWAIT), 'recv EAGAIN')
  assert.equal(p.send(one, bytesOf('end')), 3)
  p.shutdown(one, SHUT_WR)
  let last = ''
  for (let n = p.recv(other, b); n > 0; n = p.recv(other, b)) last += textOf(b.subarray(0, n))
  assert.equal(last, 'end')
}

/** Many short messages one way through a small buffer, the reader another thread. */
export function leasedStream(p: ThreadProcess, [family, module]: [number, string]): void {
  const [one, other] = family === AF_UNIX ? p.socketpair(AF_UNIX, SOCK_STREAM) : tcpPair(p, 7000)
  p.setsockopt(one, SOL_SOCKET, SO_SNDBUF, 8192)
  const reader = p.pthread_create(module, 'countBytes', other)
  const sent = new Uint8Array(100)
  let next = 0
  for (let i = 0; i < 20000; i++) {
    const length = 1 + (i % 97)
    for (let at = 0; at < length; at++) sent[at] = next++ & 0xff
    assert.equal(p.send(one, sent.subarray(0, length)), length)
    if (i % 1000 === 999) p.getsockname(one)
  }
  p.close(one)
  assert.equal(p.pthread_join(reader), next)
}

/** Reads to the end; how many bytes. Each must be one more than the last. */
export function countBytes(p: ThreadProcess, fd: number): number {
  const bytes = new Uint8Array(150)
  let count = 0
  for (;;) {
    const n = p.recv(fd, bytes.subarray(0, 1 + (count % 149)))
    if (n === 0) return count
    for (let i = 0; i < n; i++) if (bytes[i] !== (count++ & 0xff)) throw new Error(`byte ${count - 1} is ${bytes[i]}`)
  }
}

/** What was posted before a reset is lost; the error comes with a call. */
export function leasedReset(p: ThreadProcess): void {
  const [one, other] = tcpPair(p, 7000)
  const b = bytesOf('x')
  p.send(one, b)
  p.send(one, b)
  p.poll([{ fd: other, events: POLLIN }])
  // Closed with bytes unread: RFC 2525 §2.17, a reset.
  p.close(other)
  // Nothing that would ask for the descriptor: the reset itself has to end the lease.
  p.sleep(0.02)
  throws(() => p.send(one, b), 'send ECONNRESET')
}

/** Long calls: more bytes than the shared memory of a thread has room for. */
export function longWrite(p: ThreadProcess, module: string): void {
  const [one, other] = tcpPair(p, 7000)
  const bytes = new Uint8Array(1_000_000)
  for (let i = 0; i < bytes.length; i++) bytes[i] = i & 0xff
  const reader = p.pthread_create(module, 'countBytes', other)
  assert.equal(p.write(one, bytes), bytes.length)
  p.shutdown(one, SHUT_WR)
  assert.equal(p.pthread_join(reader), bytes.length)
}

// ---- Threads that end ----

/** Sleeps in recv for ever. */
export function receiveForever(p: ThreadProcess): void {
  const [, other] = tcpPair(p, 7001)
  p.recv(other, new Uint8Array(1))
}

/** Sleeps in accept for ever, on the descriptor it is given. */
export function acceptOn(p: ThreadProcess, listener: number): number {
  return p.accept(listener)
}

export function lockAndSleep(p: ThreadProcess, mutex: number): void {
  p.pthread_mutex_lock(mutex)
  p.sleep(1000)
}

export function throwing(): void {
  throw new Error('on purpose')
}

export function exiting(p: ThreadProcess): void {
  p.exit(42)
}

/** The main thread leaves; another ends the process. */
export function leaveToOther(p: ThreadProcess, module: string): void {
  p.pthread_create(module, 'sleepAndReturn', 7)
  p.pthread_exit()
}

export function sleepAndReturn(p: ThreadProcess, value: unknown): unknown {
  p.sleep(0.01)
  return value
}

export function joining(p: ThreadProcess, module: string): void {
  const first = p.pthread_create(module, 'sleepAndReturn', { deep: [1, 'two', 3n] })
  assert.deepEqual(p.pthread_join(first), { deep: [1, 'two', 3n] })
  throws(() => p.pthread_join(first), 'pthread_join ESRCH')
  throws(() => p.pthread_join(p.tid), 'pthread_join EDEADLK')
  const second = p.pthread_create(module, 'throwing')
  assert.throws(() => p.pthread_join(second), /on purpose/)
  const third = p.pthread_create(module, 'sleepAndReturn')
  p.pthread_detach(third)
  throws(() => p.pthread_join(third), 'pthread_join EINVAL')
  const fourth = p.pthread_create(module, 'receiveForever')
  p.sleep(0.05)
  p.pthread_cancel(fourth)
  assert.equal(p.pthread_join(fourth), -1)
}

// ---- Mutexes ----

/** Four threads add to one word of memory without `Atomics`: only the mutex keeps the sum whole. */
export function counting(p: ThreadProcess, module: string): void {
  const mutex = p.pthread_mutex_init()
  const threads = [1, 2, 3, 4].map(() => p.pthread_create(module, 'addTo', [mutex, 2000]))
  for (const thread of threads) p.pthread_join(thread)
  p.pthread_mutex_destroy(mutex)
  assert.equal(new Int32Array(p.memory)[0], 8000)
}

export function addTo(p: ThreadProcess, [mutex, times]: [number, number]): void {
  const memory = new Int32Array(p.memory)
  for (let i = 0; i < times; i++) {
    p.pthread_mutex_lock(mutex)
    const before = memory[0] as number
    for (let wait = 0; wait < 50; wait++) memory[1] = wait
    memory[0] = before + 1
    p.pthread_mutex_unlock(mutex)
  }
}

/** A queue of one: condition variables both ways. */
export function conditions(p: ThreadProcess, module: string): void {
  const mutex = p.pthread_mutex_init()
  const filled = p.pthread_cond_init()
  const [reader, writer] = p.pipe2(O_NONBLOCK)
  const consumer = p.pthread_create(module, 'consume', [mutex, filled, reader])
  for (let i = 0; i < 50; i++) {
    p.pthread_mutex_lock(mutex)
    p.write(writer, Uint8Array.of(i))
    p.pthread_cond_signal(filled)
    p.pthread_mutex_unlock(mutex)
  }
  assert.equal(p.pthread_join(consumer), 50)
  p.pthread_mutex_lock(mutex)
  throws(() => p.pthread_cond_timedwait(filled, mutex, 0.001), 'pthread_cond_timedwait ETIMEDOUT')
  throws(() => p.pthread_mutex_trylock(mutex), 'pthread_mutex_trylock EBUSY')
  throws(() => p.pthread_mutex_lock(mutex), 'pthread_mutex_lock EDEADLK')
  p.pthread_mutex_unlock(mutex)
  throws(() => p.pthread_mutex_unlock(mutex), 'pthread_mutex_unlock EPERM')
}

export function consume(p: ThreadProcess, [mutex, filled, reader]: [number, number, number]): number {
  const byte = new Uint8Array(1)
  let count = 0
  p.pthread_mutex_lock(mutex)
  while (count < 50) {
    try {
      p.read(reader, byte)
      assert.equal(byte[0], count++)
    } catch {
      p.pthread_cond_wait(filled, mutex)
    }
  }
  p.pthread_mutex_unlock(mutex)
  return count
}

export function takeFromDead(p: ThreadProcess, mutex: number): number {
  return p.pthread_mutex_lock(mutex)
}

/** Makes a mutex for others. */
export function makeMutex(p: ThreadProcess): number {
  return p.pthread_mutex_init()
}

// ---- Processes ----

/** A child in a worker has a copy of the descriptors. */
export function forking(p: ThreadProcess, module: string): void {
  const [reader, writer] = p.pipe()
  const child = p.fork(module, 'writeAndExit', writer)
  p.close(writer)
  const bytes = new Uint8Array(20)
  let text = ''
  for (let n = p.read(reader, bytes); n > 0; n = p.read(reader, bytes)) text += textOf(bytes.subarray(0, n))
  assert.equal(text, `child of ${p.pid}`)
  const status = { status: 0 }
  assert.equal(p.waitpid(child, status), child)
  assert.equal(status.status, 5 << 8)
}

export function writeAndExit(p: ThreadProcess, writer: number): number {
  p.write(writer, bytesOf(`child of ${p.getppid()}`))
  return 5
}

// ---- Signals ----

/** Has SIGALRM come in 10 ms. */
function alarmSoon(p: ThreadProcess): void {
  p.setitimer(ITIMER_REAL, { interval: { sec: 0, usec: 0 }, value: { sec: 0, usec: 10000 } })
}

export function signals(p: ThreadProcess): void {
  const [reader, writer] = p.pipe()
  const b = new Uint8Array(8)
  const seen: number[] = []
  // The handler makes calls of its own while read sleeps.
  const handler = (signo: number): void => {
    seen.push(signo, p.gettid())
  }
  assert.equal(p.sigaction(SIGALRM, { handler }).handler, SIG_DFL)
  alarmSoon(p)
  throws(() => p.read(reader, b), 'read EINTR')
  assert.deepEqual(seen, [SIGALRM, p.tid])
  // Restarted: the read sees what the handler wrote.
  p.signal(SIGALRM, () => {
    p.write(writer, bytesOf('by hand'))
  })
  alarmSoon(p)
  assert.equal(p.read(reader, b), 7)
  assert.equal(textOf(b.subarray(0, 7)), 'by hand')
  // Delivered before raise returns.
  p.signal(SIGUSR1, handler)
  p.raise(SIGUSR1)
  assert.deepEqual(seen.slice(2), [SIGUSR1, p.tid])
  // A handler that throws leaves the call, as siglongjmp does.
  p.signal(SIGALRM, () => {
    throw new RangeError('out of here')
  })
  alarmSoon(p)
  assert.throws(() => p.read(reader, b), /out of here/)
  assert.equal(p.write(writer, b), 8)
  assert.equal(p.read(reader, b), 8)
}

/** A server's children are reaped by its handler of SIGCHLD while it sleeps in accept. */
export function reaping(p: ThreadProcess, module: string): void {
  const [, writer] = p.pipe()
  const reaped: number[] = []
  p.sigaction(SIGCHLD, {
    handler: () => {
      reaped.push(p.waitpid(-1, null, WNOHANG))
    },
  })
  const listener = p.socket(AF_INET, SOCK_STREAM)
  p.bind(listener, { address: HERE, port: 7003 })
  p.listen(listener, 1)
  const child = p.fork(module, 'writeAndExit', writer)
  throws(() => p.accept(listener), 'accept EINTR')
  while (reaped.length === 0) p.sleep(0.01)
  assert.deepEqual(reaped, [child])
  throws(() => p.waitpid(-1), 'wait4 ECHILD')
}
