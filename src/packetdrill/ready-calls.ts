/** poll and epoll calls of scripts. */
import { POLLNVAL } from '../sock/wait-queue.ts'
import type { EpollEvent } from '../socket/epoll.ts'
import { EBADF } from '../sys/errno.ts'
import { done, type Operation, socketAt, WAIT } from './operation.ts'
import type { Expression } from './script.ts'
import { field, items, numberOf, numberOr } from './values.ts'
import type { World } from './world.ts'

export function poll(world: World, args: readonly Expression[]): Operation {
  const entries = items(args[0]).map((e) => ({
    handle: socketAt(world, field(e, 'fd')),
    events: numberOr(field(e, 'events'), 0),
    revents: 0,
  }))
  const ms = numberOr(args[2], -1)
  const deadline = ms < 0 ? Infinity : world.now + ms * 1000
  return {
    queues: entries.flatMap((e) => (e.handle === null ? [] : [e.handle.wait])),
    deadline,
    givesFd: false,
    attempt(): number {
      let ready = 0
      for (const e of entries) {
        e.revents = e.handle === null ? POLLNVAL : e.handle.file.poll() & (e.events | 0x38)
        if (e.revents !== 0) ready++
      }
      return ready > 0 || world.now >= deadline ? ready : WAIT
    },
    check: () => checkPoll(args[0], (i) => entries[i]?.revents ?? 0),
  }
}

/** What is wrong with the `revents` of poll's entries, or null. */
export function checkPoll(expected: Expression | undefined, revents: (i: number) => number): string | null {
  for (const [i, e] of items(expected).entries()) {
    const wanted = numberOf(field(e, 'revents') ?? { kind: 'number', value: 0 })
    if (wanted !== null && wanted !== revents(i))
      return `expected revents 0x${wanted.toString(16)}, got 0x${revents(i).toString(16)}`
  }
  return null
}

export function epollControl(world: World, args: readonly Expression[]): Operation {
  const epoll = world.handles.get(numberOr(args[0], -1))
  const handle = socketAt(world, args[2])
  if (epoll?.kind !== 'epoll' || handle === null) return done(-EBADF)
  const event = { events: numberOr(field(args[3], 'events'), 0), data: eventData(args[3]) }
  return done(epoll.file.control(numberOr(args[1], 0), handle.file, numberOr(args[2], -1), event))
}

/** The data of an epoll_event, however the script names it. */
export const eventData = (e: Expression | undefined): number | null =>
  numberOf(field(e, 'fd') ?? field(e, 'ptr') ?? field(e, 'u32') ?? field(e, 'u64') ?? { kind: 'number', value: 0 })

export function epollWait(world: World, args: readonly Expression[]): Operation {
  const epoll = world.handles.get(numberOr(args[0], -1))
  if (epoll?.kind !== 'epoll') return done(-EBADF)
  const most = numberOr(args[2], 1)
  const ms = numberOr(args[3], -1)
  const deadline = ms < 0 ? Infinity : world.now + ms * 1000
  const events: EpollEvent[] = []
  return {
    queues: [epoll.file.sleepers],
    deadline,
    givesFd: false,
    attempt(): number {
      const count = epoll.file.send(events, most)
      return count > 0 || world.now >= deadline ? count : WAIT
    },
    check(result): string | null {
      const [first] = events
      return checkEvent(
        args[1],
        result > 0 && first !== undefined ? { mask: first.events, data: first.data as number } : { mask: 0, data: 0 },
      )
    },
  }
}

/** What is wrong with the first event of epoll_wait, or null. */
export function checkEvent(expected: Expression | undefined, live: { mask: number; data: number }): string | null {
  const mask = numberOf(field(expected, 'events'))
  if (mask !== null && mask !== live.mask)
    return `expected events 0x${mask.toString(16)}, got 0x${live.mask.toString(16)}`
  const data = eventData(expected)
  return data === null || data === live.data ? null : `expected data ${data}, got ${live.data}`
}
