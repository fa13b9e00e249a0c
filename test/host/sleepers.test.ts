/** Calls that sleep: who is woken, what an AbortSignal does, and whose turn it is. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import test from 'node:test'
import { Host } from '../../src/host/host.ts'
import { CALLS_PER_SLICE } from '../../src/host/pace.ts'
import { RealClock } from '../../src/platform/clock.ts'
import * as c from '../../src/socket/constants.ts'
import { Random } from '../../src/sys/random.ts'
import { awaited, lone, runAll } from './net.ts'

const { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM } = c
const one = new Uint8Array(1)

test('of many that sleep in accept one is woken for each connection, the one that slept first (prepare_to_wait_exclusive)', async () => {
  const { clock, host } = lone()
  const order: number[] = []
  await runAll(clock, [
    host,
    async (p) => {
      const listener = p.socket(AF_INET, SOCK_STREAM)
      p.listen(listener, 10)
      const { port } = p.getsockname(listener)
      for (let i = 0; i < 4; i++) {
        p.fork(async (child) => {
          await child.accept(listener)
          order.push(i)
        })
      }
      await p.sleep(1)
      for (let i = 0; i < 4; i++) {
        await p.connect(p.socket(AF_INET, SOCK_STREAM), { address: '127.0.0.1', port })
        await p.sleep(1)
        assert.equal(order.length, i + 1)
      }
      for (let i = 0; i < 4; i++) await p.wait()
    },
  ])
  assert.deepEqual(order, [0, 1, 2, 3])
})

test('a sleeper that is woken and leaves at the same instant passes the wake-up on: no datagram waits while somebody sleeps for it', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [reader, writer] = p.socketpair(AF_UNIX, SOCK_DGRAM)
      let got = 0
      const sleeper = (how: 'aborted' | 'ended'): { stop(): void } => {
        const control = new AbortController()
        const pid = p.fork(async (child) => {
          const outcome = awaited(() => child.abortable(control.signal, () => child.recv(reader, one)))
          if ((await outcome.catch(() => 'aborted')) === 1) got++
        })
        return { stop: () => (how === 'aborted' ? control.abort() : host.processes.get(pid)?.end(1)) }
      }
      for (const how of ['aborted', 'ended'] as const) {
        const first = sleeper(how)
        await p.sleep(1)
        sleeper(how)
        await p.sleep(1)
        p.send(writer, one)
        first.stop()
        await p.sleep(1)
        assert.ok(p.ioctl(reader, c.FIONREAD) === 0, how)
        await p.wait()
        await p.wait()
      }
      assert.equal(got, 2)
    },
  ])
})

test('two datagrams wake two sleepers, in the order they went to sleep; a time limit that strikes wakes nobody', async () => {
  const { clock, host } = lone()
  const order: string[] = []
  await runAll(clock, [
    host,
    async (p) => {
      const [reader, writer] = p.socketpair(AF_UNIX, SOCK_DGRAM)
      for (const name of ['a', 'b', 'c']) {
        p.fork(async (child) => {
          if (name === 'a') child.setsockopt(reader, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 1, usec: 0 })
          const result = awaited(() => child.recv(reader, one))
          if (name === 'a') child.setsockopt(reader, c.SOL_SOCKET, c.SO_RCVTIMEO, { sec: 0, usec: 0 })
          order.push(`${name} ${await result} at ${clock.now() / 1e6}`)
        })
      }
      await p.sleep(2)
      p.send(writer, one)
      p.send(writer, one)
      for (let i = 0; i < 3; i++) await p.wait()
    },
  ])
  assert.deepEqual(order, ['a EAGAIN at 1', 'b 1 at 2', 'c 1 at 2'])
})

test('an AbortSignal ends a call asleep with its reason, and nothing is left behind: no waiter, no listener', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const [fd, other] = p.socketpair(AF_UNIX, SOCK_STREAM)
      const listener = p.socket(AF_INET, SOCK_STREAM)
      p.listen(listener, 1)
      const calls: (() => unknown)[] = [
        () => p.recv(fd, one),
        () => p.accept(listener),
        () => p.poll([{ fd, events: c.POLLIN }], -1),
        () => p.select(fd + 1, null, null, null),
        () => p.epoll_wait(p.epoll_create1(), [], 1),
        () => p.sleep(10),
        () => p.pause(),
        () => p.read(p.pipe()[0], one),
      ]
      for (const call of calls) {
        const control = new AbortController()
        const reason = new Error('enough')
        const pending = assert.rejects(p.abortable(control.signal, call) as Promise<unknown>, reason)
        assert.equal(getEventListeners(control.signal, 'abort').length, 1)
        control.abort(reason)
        await pending
        assert.equal(getEventListeners(control.signal, 'abort').length, 0)
        assert.equal(p.sleepers.first, null)
        assert.equal(p.files.get(fd)?.wait?.isEmpty, true)
      }
      const control = new AbortController()
      const late = p.abortable(control.signal, () => p.recv(fd, one))
      p.send(other, one)
      assert.equal(await late, 1)
      assert.equal(getEventListeners(control.signal, 'abort').length, 0, 'a call that succeeds takes it away too')
      p.send(other, one)
      assert.equal(
        p.abortable(control.signal, () => p.recv(fd, one)),
        1,
        'at once',
      )
      control.abort()
      assert.throws(() => p.abortable(control.signal, () => assert.fail('called')), { name: 'AbortError' })
    },
  ])
})

test(`after ${CALLS_PER_SLICE} calls that completed at once the next one lets others run, then gives its result all the same`, async () => {
  const { clock, process: p } = lone()
  const [a, b] = p.socketpair(AF_UNIX, SOCK_STREAM)
  for (let i = 1; i < CALLS_PER_SLICE; i++) assert.equal(p.write(a, one), 1)
  const last = p.write(a, one)
  assert.ok(last instanceof Promise)
  assert.equal(await clock.runUntil(last), 1)
  assert.equal(p.write(a, one), 1)
  p.fcntl(b, c.F_SETFL, c.O_NONBLOCK)
  for (let i = 0; i < CALLS_PER_SLICE + 1; i++) assert.equal(p.read(b, one), 1, 'a non-blocking descriptor never waits')
})

test('programs whose calls always complete at once do not keep the event loop from its turn (DESIGN, Packets and speed)', async () => {
  const host = new Host({ clock: new RealClock(), random: new Random(1) })
  let isOver = false
  const p = host.spawn(async (process) => {
    const [a, b] = process.socketpair(AF_UNIX, SOCK_STREAM)
    while (!isOver) {
      await process.write(a, one)
      await process.read(b, one)
    }
  })
  setTimeout(() => {
    isOver = true
  }, 5)
  assert.equal(await p.exited, 0)
})
