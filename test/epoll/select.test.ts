/** select(2), pselect(2), ppoll(2): bit sets, sleeping, limits of time. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { FD_CLR, FD_ISSET, FD_SET, FD_ZERO, FdSet } from '../../src/host/select.ts'
import * as c from '../../src/socket/constants.ts'
import { lone, outcome, runAll } from '../host/net.ts'

test('a set holds descriptors 0 to 1023; another is refused where C has undefined behaviour (FD_SETSIZE)', () => {
  const set = new FdSet()
  for (const fd of [0, 31, 32, 1023]) FD_SET(fd, set)
  FD_CLR(31, set)
  assert.deepEqual([...set], [0, 32, 1023])
  assert.equal(FD_ISSET(1023, set), true)
  assert.equal(FD_ISSET(31, set), false)
  for (const fd of [-1, 1024, 0.5]) assert.throws(() => FD_SET(fd, set), RangeError)
  const copy = new FdSet().copy(set)
  FD_ZERO(set)
  assert.deepEqual([...set], [])
  assert.deepEqual([...copy], [0, 32, 1023])
})

test('select leaves what is ready and counts bits, not descriptors (select(2))', () => {
  const { process: p } = lone()
  const v = p.eventfd(1)
  const w = p.eventfd(0)
  const read = new FdSet([v, w])
  const write = new FdSet([v, w])
  const except = new FdSet([v])
  assert.equal(p.select(w + 1, read, write, except, { sec: 0, usec: 0 }), 3)
  assert.deepEqual([[...read], [...write], [...except]], [[v], [v, w], []])
})

test('descriptors from nfds on are neither looked at nor left in the answer (select(2))', () => {
  const { process: p } = lone()
  const v = p.eventfd(1)
  const read = new FdSet([v, 900])
  assert.equal(p.select(v, read, null, null, { sec: 0, usec: 0 }), 0)
  assert.deepEqual([...read], [])
  assert.equal(p.select(v + 1, new FdSet([v, 900]), null, null, { sec: 0, usec: 0 }), 1)
})

test('errors: a bad descriptor, a negative count, a bad time; the sets stay as they are (select(2))', () => {
  const { process: p } = lone()
  const set = new FdSet([500])
  assert.equal(
    outcome(() => p.select(1024, set, null, null)),
    'EBADF',
  )
  assert.deepEqual([...set], [500])
  assert.equal(
    outcome(() => p.select(-1, null, null, null)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.select(0, null, null, null, { sec: -1, usec: 0 })),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.select(0, null, null, null, { sec: 0, usec: -1 })),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.pselect(0, null, null, null, { sec: 0, nsec: 1e9 })),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.ppoll([], { sec: 0, nsec: -1 })),
    'EINVAL',
  )
})

test('select sleeps until one is ready and leaves in the timeout what is left of it, as Linux does (select(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const t = p.timerfd_create(c.CLOCK_MONOTONIC)
      const v = p.eventfd(0)
      p.timerfd_settime(t, 0, { value: { sec: 1, nsec: 500e6 }, interval: { sec: 0, nsec: 0 } })
      const timeout = { sec: 3, usec: 750_000 }
      const read = new FdSet([t, v])
      assert.equal(await p.select(v + 1, read, null, null, timeout), 1)
      assert.deepEqual([...read], [t])
      assert.deepEqual(timeout, { sec: 2, usec: 250_000 })
      read.zero()
      read.set(v)
      assert.equal(await p.select(v + 1, read, null, null, timeout), 0)
      assert.deepEqual(timeout, { sec: 0, usec: 0 })
      assert.deepEqual([...read], [])
      assert.equal(clock.now(), 3_750_000)
      // As a sleep, and with more than a second of microseconds.
      const nap = { sec: 0, usec: 1_500_000 }
      assert.equal(await p.select(0, null, null, null, nap), 0)
      assert.equal(clock.now(), 5_250_000)
    },
  ])
  assert.equal(clock.timerCount, 0)
})

test('pselect and ppoll take nanoseconds, rounded up, and change no timeout', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const timeout = { sec: 0, nsec: 1500 }
      assert.equal(await p.pselect(0, null, null, null, timeout, null), 0)
      assert.equal(await p.ppoll([], timeout, null), 0)
      assert.deepEqual(timeout, { sec: 0, nsec: 1500 })
      assert.equal(clock.now(), 4)
      const v = p.eventfd(0)
      const entry = { fd: v, events: c.POLLIN, revents: 0 }
      const pending = p.ppoll([entry], null)
      p.eventfd_write(v, 1)
      assert.equal(await pending, 1)
      assert.equal(entry.revents, c.POLLIN)
    },
  ])
})

test('a descriptor closed while select sleeps counts as ready in every set it was in (do_select, POLLNVAL)', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const t = p.timerfd_create(c.CLOCK_MONOTONIC)
      const sets = [new FdSet([t]), new FdSet(), new FdSet([t])] as const
      const pending = p.select(t + 1, ...sets, { sec: 1, usec: 0 })
      p.close(t)
      assert.equal(await pending, 2)
      assert.deepEqual(
        sets.map((s) => [...s]),
        [[t], [], [t]],
      )
    },
  ])
})
