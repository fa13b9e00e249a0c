/** poll and epoll calls of scripts. */
import { POLLNVAL } from '../sock/wait-queue.ts'
import { EBADF, EEXIST, ENOENT } from '../sys/errno.ts'
import { type EpollHandle, type SocketHandle, Watch } from './handles.ts'
import { done, type Operation, socketAt, WAIT } from './operation.ts'
import type { Expression } from './script.ts'
import { field, items, numberOf, numberOr } from './values.ts'
import type { World } from './world.ts'

export function poll(world: World, args: readonly Expression[]): Operation {
  const entries = items(args[0]).map((e) => ({
    handle: socketAt(world, field(e, 'fd')),
    events: numberOr(field(e, 'events'), 0),
    expected: numberOf(field(e, 'revents') ?? { kind: 'number', value: 0 }),
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
    check(): string | null {
      for (const e of entries) {
        if (e.expected !== null && e.expected !== e.revents)
          return `expected revents 0x${e.expected.toString(16)}, got 0x${e.revents.toString(16)}`
      }
      return null
    },
  }
}

export function dropWatch(epoll: EpollHandle, socketHandle: SocketHandle): void {
  epoll.watches.get(socketHandle)?.cancel()
  epoll.watches.delete(socketHandle)
}

export function epollControl(world: World, args: readonly Expression[]): Operation {
  const epoll = world.handles.get(numberOr(args[0], -1))
  const handle = socketAt(world, args[2])
  if (epoll?.kind !== 'epoll' || handle === null) return done(-EBADF)
  const op = numberOr(args[1], 0)
  const known = epoll.watches.has(handle)
  if (op === 1 && known) return done(-EEXIST)
  if (op !== 1 && !known) return done(-ENOENT)
  dropWatch(epoll, handle)
  if (op !== 2)
    epoll.watches.set(handle, new Watch(handle, numberOr(field(args[3], 'events'), 0), dataOf(args[3]) ?? 0))
  return done(0)
}

const dataOf = (e: Expression | undefined): number | null =>
  numberOf(field(e, 'fd') ?? field(e, 'ptr') ?? field(e, 'u32') ?? field(e, 'u64') ?? { kind: 'number', value: 0 })

const EPOLLET = 0x80000000
const EPOLLONESHOT = 0x40000000

export function epollWait(world: World, args: readonly Expression[]): Operation {
  const epoll = world.handles.get(numberOr(args[0], -1))
  if (epoll?.kind !== 'epoll') return done(-EBADF)
  const ms = numberOr(args[3], -1)
  const deadline = ms < 0 ? Infinity : world.now + ms * 1000
  let first: { mask: number; data: number } | null = null
  return {
    queues: [...epoll.watches.values()].map((w) => w.socket.wait),
    deadline,
    givesFd: false,
    attempt(): number {
      let count = 0
      for (const watch of epoll.watches.values()) {
        const mask = watch.ready ? watch.socket.file.poll() & ((watch.events & 0x3fff) | 0x18) : 0
        if (mask === 0) continue
        const isEdge = (watch.events & EPOLLET) !== 0
        if (isEdge) watch.ready = false
        if ((watch.events & EPOLLONESHOT) !== 0) watch.events = EPOLLONESHOT
        first ??= { mask, data: watch.data }
        count++
      }
      return count > 0 || world.now >= deadline ? count : WAIT
    },
    check(result: number): string | null {
      const mask = numberOf(field(args[1], 'events'))
      const live = result > 0 && first !== null ? first : { mask: 0, data: 0 }
      if (mask !== null && mask !== live.mask)
        return `expected events 0x${mask.toString(16)}, got 0x${live.mask.toString(16)}`
      const data = dataOf(args[1])
      return data === null || data === live.data ? null : `expected data ${data}, got ${live.data}`
    },
  }
}
