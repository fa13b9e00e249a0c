/** eventfd(2) and timerfd_create(2): sleeping readers and writers, expirations. Limits and errors: `kernel.test.ts`. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as c from '../../src/socket/constants.ts'
import type { EpollEvent } from '../../src/socket/epoll.ts'
import { DEFAULT_EPOCH } from '../../src/sys/virtual-clock.ts'
import { lone, outcome, runAll } from '../host/net.ts'

const MAX = (1n << 64n) - 2n
const NEVER = { sec: 0, nsec: 0 }
const ms = (n: number): { sec: number; nsec: number } => ({ sec: Math.floor(n / 1000), nsec: (n % 1000) * 1e6 })

test('eventfd: reading 0 sleeps until somebody adds; the sum is read at once (eventfd(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const v = p.eventfd(0)
      const pending = p.eventfd_read(v)
      p.eventfd_write(v, 3n)
      p.eventfd_write(v, 4)
      assert.equal(await pending, 7n)
      p.fcntl(v, c.F_SETFL, c.O_NONBLOCK)
      assert.equal(
        outcome(() => p.eventfd_read(v)),
        'EAGAIN',
      )
    },
  ])
})

test('eventfd: adding past 2^64 - 2 sleeps until somebody reads (eventfd(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const v = p.eventfd(0)
      p.eventfd_write(v, MAX)
      const pending = p.eventfd_write(v, 5)
      assert.ok(pending instanceof Promise)
      assert.equal(p.eventfd_read(v), MAX)
      assert.equal(await pending, 0)
      assert.equal(p.eventfd_read(v), 5n)
      assert.throws(() => p.eventfd_write(v, 1n << 64n), RangeError)
    },
  ])
})

test('eventfd as a semaphore lets as many readers through as were posted (EFD_SEMAPHORE)', async () => {
  const { clock, process: p } = lone()
  const v = p.eventfd(0, c.EFD_SEMAPHORE)
  let passed = 0
  for (let i = 0; i < 5; i++) void Promise.resolve(p.eventfd_read(v)).then(() => passed++)
  p.eventfd_write(v, 3)
  await clock.runFor(10)
  assert.equal(passed, 3)
  p.eventfd_write(v, 2)
  await clock.runFor(10)
  assert.equal(passed, 5)
})

test('flags: close-on-exec and non-blocking are set as asked (eventfd(2), timerfd_create(2))', () => {
  const { process: p } = lone()
  const v = p.eventfd(0, c.EFD_CLOEXEC | c.EFD_NONBLOCK)
  assert.equal(p.fcntl(v, c.F_GETFD), c.FD_CLOEXEC)
  assert.equal(p.fcntl(v, c.F_GETFL), c.O_RDWR | c.O_NONBLOCK)
  const t = p.timerfd_create(c.CLOCK_MONOTONIC, c.TFD_CLOEXEC)
  assert.equal(p.fcntl(t, c.F_GETFD), c.FD_CLOEXEC)
  assert.equal(p.fcntl(t, c.F_GETFL), c.O_RDWR)
  assert.equal(p.fcntl(p.epoll_create1(c.EPOLL_CLOEXEC), c.F_GETFD), c.FD_CLOEXEC)
})

test('timerfd: one shot is read once, at its time; gettime tells what is left (timerfd_create(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const t = p.timerfd_create(c.CLOCK_MONOTONIC)
      p.timerfd_settime(t, 0, { value: ms(1500), interval: NEVER })
      await p.sleep(1)
      assert.deepEqual(p.timerfd_gettime(t), { value: ms(500), interval: NEVER })
      assert.equal(await p.eventfd_read(t), 1n)
      assert.equal(clock.now(), 1.5e6)
      assert.deepEqual(p.timerfd_gettime(t), { value: NEVER, interval: NEVER })
      p.fcntl(t, c.F_SETFL, c.O_NONBLOCK)
      assert.equal(
        outcome(() => p.eventfd_read(t)),
        'EAGAIN',
      )
    },
  ])
  assert.equal(clock.timerCount, 0)
})

test('timerfd: a periodic one counts the expirations nobody read, and keeps its beat (timerfd_create(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const t = p.timerfd_create(c.CLOCK_MONOTONIC)
      p.timerfd_settime(t, 0, { value: ms(100), interval: ms(10) })
      assert.equal(await p.eventfd_read(t), 1n)
      assert.equal(await p.eventfd_read(t), 1n)
      assert.equal(clock.now(), 110_000)
      await p.sleep(0.095)
      assert.equal(await p.eventfd_read(t), 9n)
      assert.deepEqual(p.timerfd_gettime(t), { value: ms(5), interval: ms(10) })
      assert.deepEqual(p.timerfd_settime(t, 0, { value: NEVER, interval: NEVER }), { value: ms(5), interval: ms(10) })
      assert.equal(await p.poll([{ fd: t, events: c.POLLIN }], 1000), 0)
    },
  ])
  assert.equal(clock.timerCount, 0)
})

test('timerfd: absolute times are of its own clock (TFD_TIMER_ABSTIME)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      await p.sleep(1)
      const t = p.timerfd_create(c.CLOCK_REALTIME)
      assert.deepEqual(p.clock_gettime(c.CLOCK_REALTIME), { sec: DEFAULT_EPOCH / 1e6 + 1, nsec: 0 })
      const at = { sec: DEFAULT_EPOCH / 1e6 + 3, nsec: 0 }
      p.timerfd_settime(t, c.TFD_TIMER_ABSTIME, { value: at, interval: NEVER })
      assert.equal(await p.eventfd_read(t), 1n)
      assert.equal(clock.now(), 3e6)
      // Long past and periodic: every beat since counts.
      const m = p.timerfd_create(c.CLOCK_MONOTONIC)
      p.timerfd_settime(m, c.TFD_TIMER_ABSTIME, { value: ms(500), interval: ms(1000) })
      assert.equal(p.eventfd_read(m), 3n)
      assert.equal(
        outcome(() => p.clock_gettime(99)),
        'EINVAL',
      )
    },
  ])
})

test('timerfd, edge triggered: told when it fires and again only after it was read or asked (fs/timerfd.c)', async () => {
  const { clock, process: p } = lone()
  const t = p.timerfd_create(c.CLOCK_MONOTONIC)
  const ep = p.epoll_create1()
  p.epoll_ctl(ep, c.EPOLL_CTL_ADD, t, { events: c.EPOLLIN + c.EPOLLET })
  p.timerfd_settime(t, 0, { value: ms(10), interval: ms(10) })
  const events: EpollEvent[] = []
  const look = (): unknown => p.epoll_wait(ep, events, 1, 0)
  clock.runUntilSync(35_000)
  assert.deepEqual([look(), look()], [1, 0])
  clock.runUntilSync(55_000)
  assert.equal(look(), 0)
  assert.equal(p.eventfd_read(t), 5n)
  clock.runUntilSync(60_000)
  assert.equal(look(), 1)
})

test('timerfd: alarm clocks need a privilege, and closing stops the timer (timerfd_create(2))', () => {
  const { clock, process: p } = lone()
  p.timerfd_create(c.CLOCK_REALTIME_ALARM)
  const t = p.timerfd_create(c.CLOCK_BOOTTIME)
  p.timerfd_settime(t, 0, { value: ms(10), interval: NEVER })
  assert.equal(clock.timerCount, 1)
  p.close(t)
  assert.equal(clock.timerCount, 0)
  p.seteuid(1000)
  assert.equal(
    outcome(() => p.timerfd_create(c.CLOCK_BOOTTIME_ALARM)),
    'EPERM',
  )
})
