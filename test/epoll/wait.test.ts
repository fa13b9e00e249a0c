/** epoll_wait: sleeping, limits of time, who is woken, nobody forgotten and nobody starved (CONCEPTS CO4). */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import type { EpollEvent, EpollFile } from '../../src/socket/epoll.ts'
import { awaited, B, bytes, lone, net, outcome, runAll } from '../host/net.ts'

const { EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT } = c
const ADD = c.EPOLL_CTL_ADD
const MOD = c.EPOLL_CTL_MOD

/** A set that watches `fd` for `events`. */
function watching(p: Process, fd: number, events: number, data: unknown = fd): number {
  const ep = p.epoll_create1()
  p.epoll_ctl(ep, ADD, fd, { events, data })
  return ep
}

/** A child of `parent`, which has its descriptors, for the test to make calls of. */
function sibling(host: Host, parent: Process): Process {
  return host.processes.get(parent.fork(() => new Promise<void>(() => {}))) as Process
}

const tell = (p: Process, ep: number, max = 8): unknown[] => {
  const events: EpollEvent[] = []
  return events.slice(0, p.epoll_wait(ep, events, max, 0) as number).map((e) => e.data)
}

/** What has become of a promise so far. */
function follow(promise: number | Promise<number>): { value: number | null } {
  const state: { value: number | null } = { value: null }
  void Promise.resolve(promise).then((value) => {
    state.value = value
  })
  return state
}

test('with something ready epoll_wait answers at once, without a promise; with nothing and no time it gives 0', () => {
  const { process: p } = lone()
  const v = p.eventfd(1)
  const ep = watching(p, v, EPOLLIN, { any: 'object' })
  const events: EpollEvent[] = []
  assert.equal(p.epoll_wait(ep, events, 4), 1)
  assert.deepEqual(events, [{ events: EPOLLIN, data: { any: 'object' } }])
  p.eventfd_read(v)
  assert.equal(p.epoll_wait(ep, events, 4, 0), 0)
})

test('entries of the array are used again: an event costs no object', () => {
  const { process: p } = lone()
  const ep = watching(p, p.eventfd(1), EPOLLIN, 5)
  const entry = { events: 0, data: null }
  const events: EpollEvent[] = [entry]
  p.epoll_wait(ep, events, 1)
  assert.equal(events[0], entry)
  assert.deepEqual(entry, { events: EPOLLIN, data: 5 })
})

test('the limit is in milliseconds, that of epoll_pwait2 as fine as the clock; then it gives 0 (epoll_wait(2))', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const ep = watching(p, p.eventfd(0), EPOLLIN)
      const events: EpollEvent[] = []
      assert.equal(await p.epoll_wait(ep, events, 1, 250), 0)
      assert.equal(clock.now(), 250_000)
      assert.equal(await p.epoll_pwait(ep, events, 1, 1, null), 0)
      assert.equal(clock.now(), 251_000)
      assert.equal(await p.epoll_pwait2(ep, events, 1, { sec: 0, nsec: 6_500 }, null), 0)
      assert.equal(clock.now(), 251_007)
      assert.equal(p.epoll_pwait2(ep, events, 1, { sec: 0, nsec: 0 }), 0)
      assert.equal(
        outcome(() => p.epoll_pwait2(ep, events, 1, { sec: 0, nsec: 1e9 })),
        'EINVAL',
      )
    },
  ])
  assert.equal(clock.timerCount, 0)
})

test('a sleeper is woken by data from afar, and by a file added while it sleeps (ep_insert)', async () => {
  const { clock, a, b } = net()
  await runAll(
    clock,
    [
      b,
      async (p) => {
        const fd = p.socket(c.AF_INET, c.SOCK_DGRAM)
        p.bind(fd, { port: 7 })
        const ep = watching(p, fd, EPOLLIN, 'data')
        const events: EpollEvent[] = []
        assert.equal(await p.epoll_wait(ep, events, 4), 1)
        assert.equal(events[0]?.data, 'data')
        assert.equal(clock.now(), 1e6)
        const empty = p.epoll_create1()
        const pending = p.epoll_wait(empty, events, 4)
        p.epoll_ctl(empty, ADD, fd, { events: EPOLLIN, data: 'late' })
        assert.equal(await pending, 1)
        assert.equal(events[0]?.data, 'late')
      },
    ],
    [
      a,
      async (p) => {
        await p.sleep(1)
        p.sendto(p.socket(c.AF_INET, c.SOCK_DGRAM), bytes('x'), 0, { address: B, port: 7 })
      },
    ],
  )
})

test('a sleeper on a file that turns unready before it looks sleeps on, with its time still running', async () => {
  const { clock, host } = lone()
  await runAll(clock, [
    host,
    async (p) => {
      const v = p.eventfd(0)
      const events: EpollEvent[] = []
      const pending = p.epoll_wait(watching(p, v, EPOLLIN), events, 1, 1000)
      p.eventfd_write(v, 1)
      p.eventfd_read(v)
      await p.sleep(0.5)
      const other = follow(pending)
      assert.equal(other.value, null)
      assert.equal(await pending, 0)
      assert.equal(clock.now(), 1e6)
    },
  ])
})

test('one event wakes one of many that sleep on the same set; what is left goes to the next (ep_done_scan)', async () => {
  const { clock, process: p } = lone()
  const v = p.eventfd(0)
  const w = p.eventfd(0)
  const ep = watching(p, v, EPOLLIN + EPOLLET)
  p.epoll_ctl(ep, ADD, w, { events: EPOLLIN + EPOLLET, data: w })
  const calls = [0, 1, 2].map(() => follow(p.epoll_wait(ep, [], 1)))
  p.eventfd_write(v, 1)
  await clock.runFor(10)
  assert.deepEqual(
    calls.map((s) => s.value),
    [null, null, 1],
    'the one that came last (__add_wait_queue)',
  )
  p.eventfd_write(v, 1)
  p.eventfd_write(w, 1)
  await clock.runFor(10)
  assert.deepEqual(
    calls.map((s) => s.value),
    [1, 1, 1],
  )
})

test('level triggered, an event that stays wakes all sleepers of a set one after the other (epoll(7))', async () => {
  const { clock, process: p } = lone()
  const v = p.eventfd(0)
  const ep = watching(p, v, EPOLLIN)
  const calls = [0, 1, 2].map(() => follow(p.epoll_wait(ep, [], 1)))
  p.eventfd_write(v, 1)
  await clock.runFor(10)
  assert.deepEqual(
    calls.map((s) => s.value),
    [1, 1, 1],
  )
})

test('a listener in the sets of many processes: all are woken, with EPOLLEXCLUSIVE one (epoll_ctl(2))', async () => {
  for (const [flag, woken] of [
    [0, [1, 1, 1, 1]],
    [EPOLLEXCLUSIVE, [1, null, null, null]],
  ] as const) {
    const { clock, host, process: parent } = lone()
    const l = parent.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK)
    parent.bind(l, { address: '127.0.0.1', port: 80 })
    parent.listen(l, 16)
    const calls = [0, 1, 2, 3].map(() => {
      const child = sibling(host, parent)
      return follow(child.epoll_wait(watching(child, l, EPOLLIN + flag), [], 1))
    })
    const client = host.createProcess()
    client.fcntl(client.socket(c.AF_INET, c.SOCK_STREAM), c.F_SETFL, c.O_NONBLOCK)
    outcome(() => client.connect(3, { address: '127.0.0.1', port: 80 }))
    await clock.runFor(1000)
    assert.deepEqual(
      calls.map((s) => s.value),
      woken,
    )
  }
})

test('EPOLLEXCLUSIVE: a set on which nobody sleeps does not swallow the wake-up (ep_poll_callback)', async () => {
  const { clock, host, process: p } = lone()
  const v = p.eventfd(0)
  const idle = watching(p, v, EPOLLIN + EPOLLEXCLUSIVE)
  const q = sibling(host, p)
  const busy = follow(q.epoll_wait(watching(q, v, EPOLLIN + EPOLLEXCLUSIVE), [], 1))
  p.eventfd_write(v, 1)
  await clock.runFor(10)
  assert.equal(busy.value, 1)
  // The set passed over still knows of it.
  assert.deepEqual(tell(p, idle), [v])
})

test('a process that ends between wake-up and look leaves the event to the next sleeper: no wake-up is lost', async () => {
  const { clock, host, process: p } = lone()
  const v = p.eventfd(0)
  const ep = watching(p, v, EPOLLIN + EPOLLET)
  const q = sibling(host, p)
  const first = follow(q.epoll_wait(ep, [], 1))
  const second = follow(p.epoll_wait(ep, [], 1))
  p.eventfd_write(v, 1)
  q.end(0)
  await clock.runFor(10)
  assert.deepEqual([first.value, second.value], [null, 1])
})

test('woken at the very moment the time is over: the event is told, not lost (ep_poll)', async () => {
  const { clock, process: p } = lone()
  const t = p.timerfd_create(c.CLOCK_MONOTONIC)
  p.timerfd_settime(t, 0, { value: { sec: 0, nsec: 5e6 }, interval: { sec: 0, nsec: 0 } })
  const call = follow(p.epoll_wait(watching(p, t, EPOLLIN), [], 1, 5))
  await clock.run()
  assert.equal(call.value, 1)
})

test('the lost wake-up of edge triggering: who reads only a part and waits hears nothing until more comes (epoll(7))', async () => {
  const { clock, process: p } = lone()
  const a = p.socket(c.AF_INET, c.SOCK_DGRAM)
  const b = p.socket(c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK)
  p.bind(b, { address: '127.0.0.1', port: 9 })
  const ep = watching(p, b, EPOLLIN + EPOLLET)
  const send = (): unknown => p.sendto(a, bytes('x'), 0, { address: '127.0.0.1', port: 9 })
  send()
  send()
  clock.settle()
  assert.deepEqual(tell(p, ep), [b])
  p.recv(b, bytes('.'))
  const stuck = follow(p.epoll_wait(ep, [], 1, 1000))
  await clock.runFor(2e6)
  assert.equal(stuck.value, 0)
  // Drained to EAGAIN, the next arrival is told.
  p.recv(b, bytes('.'))
  assert.equal(await awaited(() => p.recv(b, bytes('.'))), 'EAGAIN')
  send()
  clock.settle()
  assert.deepEqual(tell(p, ep), [b])
})

test('data that comes between the last read and epoll_wait is told: edge triggering has no window (LINUX-TCP 33)', () => {
  const { clock, process: p } = lone()
  const v = p.eventfd(1)
  const ep = watching(p, v, EPOLLIN + EPOLLET)
  assert.deepEqual(tell(p, ep), [v])
  p.eventfd_read(v)
  p.eventfd_write(v, 1)
  clock.settle()
  assert.deepEqual(tell(p, ep), [v])
  assert.deepEqual(tell(p, ep), [])
})

test('oneshot: an event while the item is disabled is not lost, modifying tells it (epoll_ctl(2))', () => {
  const { process: p } = lone()
  const v = p.eventfd(1)
  const ep = watching(p, v, EPOLLIN + EPOLLONESHOT)
  assert.deepEqual(tell(p, ep), [v])
  p.eventfd_write(v, 1)
  assert.deepEqual(tell(p, ep), [])
  p.epoll_ctl(ep, MOD, v, { events: EPOLLIN + EPOLLONESHOT, data: 'again' })
  assert.deepEqual(tell(p, ep), ['again'])
})

test('no starvation: with 3 places and 8 files always ready each is told as often as the others (epoll(7))', () => {
  const { process: p } = lone()
  const ep = p.epoll_create1()
  const counts = new Map<unknown, number>()
  for (let i = 0; i < 8; i++) p.epoll_ctl(ep, ADD, p.eventfd(1), { events: EPOLLIN, data: i })
  for (let i = 0; i < 80; i++) for (const data of tell(p, ep, 3)) counts.set(data, (counts.get(data) ?? 0) + 1)
  assert.deepEqual([...counts.values()], new Array(8).fill(30))
})

test('a busy connection does not keep a quiet one waiting: its event is at most one round away', () => {
  const { process: p } = lone()
  const busy = [0, 1, 2, 3].map(() => p.eventfd(1))
  const quiet = p.eventfd(0)
  const ep = p.epoll_create1()
  for (const fd of [...busy, quiet]) p.epoll_ctl(ep, ADD, fd, { events: EPOLLIN, data: fd })
  tell(p, ep, 2)
  p.eventfd_write(quiet, 1)
  const round = [...tell(p, ep, 1), ...tell(p, ep, 1), ...tell(p, ep, 1), ...tell(p, ep, 1), ...tell(p, ep, 1)]
  assert.ok(round.includes(quiet))
})

test('closing the last descriptor takes the item out, also from the ready list; a duplicate keeps it (epoll(7))', () => {
  const { process: p } = lone()
  const v = p.eventfd(1)
  const w = p.dup(v)
  const ep = watching(p, v, EPOLLIN, 'v')
  p.close(v)
  assert.deepEqual(tell(p, ep), ['v'])
  p.close(w)
  assert.deepEqual(tell(p, ep), [])
  assert.equal((p.files.get(ep) as EpollFile).size, 0)
})

test('closing the set takes its items off the files: nothing is left behind', () => {
  const { process: p } = lone()
  const v = p.eventfd(1)
  const file = p.files.get(v)
  const sets = Array.from({ length: 10 }, () => watching(p, v, EPOLLIN))
  assert.equal(file?.wait?.isEmpty, false)
  for (const ep of sets) p.close(ep)
  assert.equal(file?.wait?.isEmpty, true)
  assert.equal(file?.firstWatch, null)
})

test('a set closed while somebody sleeps on it lives on for the sleeper (fget)', async () => {
  const { clock, process: p } = lone()
  const v = p.eventfd(0)
  const ep = watching(p, v, EPOLLIN)
  const call = follow(p.epoll_wait(ep, [], 1))
  p.close(ep)
  p.eventfd_write(v, 1)
  await clock.runFor(10)
  assert.equal(call.value, 1)
  assert.equal(p.files.get(v)?.firstWatch, null)
})

test('one chain of sets five deep carries an event to who sleeps at its end; a sixth is ELOOP (EP_MAX_NESTS)', async () => {
  const { clock, process: p } = lone()
  const v = p.eventfd(0)
  let ep = watching(p, v, EPOLLIN)
  for (let i = 0; i < 4; i++) ep = watching(p, ep, EPOLLIN)
  assert.equal(
    outcome(() => watching(p, ep, EPOLLIN)),
    'ELOOP',
  )
  const call = follow(p.epoll_wait(ep, [], 1))
  p.eventfd_write(v, 1)
  await clock.runFor(10)
  assert.equal(call.value, 1)
  p.eventfd_read(v)
  assert.deepEqual(tell(p, ep), [])
})

test('a file without readiness cannot be watched: EPERM (epoll_ctl(2))', () => {
  const { process: p } = lone()
  const ep = p.epoll_create1()
  const fd = p.eventfd(0)
  Object.defineProperty(p.files.get(fd), 'canPoll', { value: false })
  assert.equal(
    outcome(() => p.epoll_ctl(ep, ADD, fd, { events: EPOLLIN })),
    'EPERM',
  )
  assert.equal(
    outcome(() => p.epoll_create(0)),
    'EINVAL',
  )
  assert.equal(
    outcome(() => p.read(ep, new Uint8Array(8))),
    'EINVAL',
  )
})

test('wait queues: those that share first, then exclusive ones until one takes it (__wake_up_common)', () => {
  const { process: p } = lone()
  const v = p.eventfd(0)
  const exclusive = [0, 1].map(() => watching(p, v, EPOLLIN + EPOLLEXCLUSIVE))
  const shared = watching(p, v, EPOLLIN)
  const inner = exclusive.map((ep) => follow(p.epoll_wait(ep, [], 1)))
  p.eventfd_write(v, 1)
  assert.deepEqual(tell(p, shared), [v])
  // The first took it; the second was not even told.
  assert.equal((p.files.get(exclusive[1] as number) as EpollFile).hasReady, false)
  assert.equal(inner.length, 2)
})

test('an echo server on edge-triggered epoll serves 100 clients, every byte right (CONCEPTS CO3, CO5)', async () => {
  const { clock, a, b } = net()
  const server = async (p: Process): Promise<void> => {
    const l = p.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK)
    p.bind(l, { port: 7 })
    p.listen(l, 128)
    const ep = watching(p, l, EPOLLIN)
    const events: EpollEvent[] = []
    const into = new Uint8Array(300)
    for (let closed = 0; closed < 100; ) {
      const n = await p.epoll_wait(ep, events, 16)
      for (const { data } of events.slice(0, n)) {
        if (data === l) {
          const fd = p.sys.accept(l, c.SOCK_NONBLOCK, null)
          if (fd >= 0) p.epoll_ctl(ep, ADD, fd, { events: EPOLLIN + EPOLLET, data: fd })
          continue
        }
        for (;;) {
          const got = p.sys.read(data as number, into, 0, into.length)
          if (got > 0) await p.write(data as number, into, 0, got)
          if (got === 0) {
            p.close(data as number)
            closed++
          }
          if (got <= 0) break
        }
      }
    }
  }
  const client = async (p: Process): Promise<void> => {
    const fd = p.socket(c.AF_INET, c.SOCK_STREAM)
    await p.connect(fd, { address: B, port: 7 })
    const word = bytes(`${p.pid} says `.repeat(100))
    const back = new Uint8Array(word.length)
    for (let i = 0; i < 3; i++) {
      await p.write(fd, word)
      assert.equal(await p.recv(fd, back, c.MSG_WAITALL), word.length)
      assert.deepEqual(back, word)
    }
    p.close(fd)
  }
  await runAll(clock, [b, server], ...Array.from({ length: 100 }, (): [Host, typeof client] => [a, client]))
})
