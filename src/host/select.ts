/** select(2): readiness by bit sets of descriptors, on the wait queues of their files (fs/select.c). */

import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../sock/wait-queue.ts'
import { FD_SETSIZE } from '../socket/epoll-constants.ts'
import type { FileTable } from '../socket/file-table.ts'
import type { Clock } from '../sys/clock.ts'
import { EBADF } from '../sys/errno.ts'
import type { Sleepers } from './pending.ts'
import { PendingWatch } from './poll.ts'

/** What counts as readable, writable and exceptional. A descriptor closed meanwhile is all of them. */
const READ_EVENTS = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL
const WRITE_EVENTS = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL
const EXCEPT_EVENTS = POLLPRI | POLLNVAL

/** fd_set: which of the descriptors 0 to FD_SETSIZE - 1. */
export class FdSet {
  readonly words: Uint32Array = new Uint32Array(FD_SETSIZE / 32)

  constructor(fds: Iterable<number> = []) {
    for (const fd of fds) this.set(fd)
  }

  /** FD_SET; what is undefined in C is a RangeError. */
  set(fd: number): void {
    const word = wordOf(fd)
    this.words[word] = (this.words[word] as number) | (1 << (fd & 31))
  }

  /** FD_CLR. */
  clear(fd: number): void {
    const word = wordOf(fd)
    this.words[word] = (this.words[word] as number) & ~(1 << (fd & 31))
  }

  /** FD_ISSET. */
  has(fd: number): boolean {
    return (((this.words[wordOf(fd)] as number) >>> (fd & 31)) & 1) !== 0
  }

  /** FD_ZERO. */
  zero(): void {
    this.words.fill(0)
  }

  /** Takes over all of `from`, as an assignment of structs. */
  copy(from: FdSet): this {
    this.words.set(from.words)
    return this
  }

  /** The descriptors in it, in order. */
  *[Symbol.iterator](): Generator<number> {
    for (let fd = 0; fd < FD_SETSIZE; fd++) if (this.has(fd)) yield fd
  }
}

function wordOf(fd: number): number {
  if (!(Number.isInteger(fd) && fd >= 0 && fd < FD_SETSIZE)) {
    throw new RangeError(`fd: ${fd} has no place in a set of ${FD_SETSIZE}`)
  }
  return fd >>> 5
}

/** The macros of select(2), in C's order of arguments. */
export const FD_SET = (fd: number, set: FdSet): void => set.set(fd)
export const FD_CLR = (fd: number, set: FdSet): void => set.clear(fd)
export const FD_ISSET = (fd: number, set: FdSet): boolean => set.has(fd)
export const FD_ZERO = (set: FdSet): void => set.zero()

/** What is asked and answered by one call. */
export class Selection {
  readonly #table: FileTable
  readonly #nfds: number
  readonly #asked: readonly [FdSet | null, FdSet | null, FdSet | null]
  readonly #found: readonly [FdSet, FdSet, FdSet] = [new FdSet(), new FdSet(), new FdSet()]

  constructor(table: FileTable, nfds: number, asked: readonly [FdSet | null, FdSet | null, FdSet | null]) {
    this.#table = table
    this.#nfds = Math.min(nfds, FD_SETSIZE)
    this.#asked = asked
  }

  /** The POLL bits asked for `fd`, 0 if it is in no set. */
  eventsOf(fd: number): number {
    const [read, write, except] = this.#asked
    const inEvents = read?.has(fd) === true ? READ_EVENTS : 0
    const outEvents = write?.has(fd) === true ? WRITE_EVENTS : 0
    return inEvents | outEvents | (except?.has(fd) === true ? EXCEPT_EVENTS : 0)
  }

  /** Descriptors in any of the sets. */
  *wanted(): Generator<number> {
    for (let fd = 0; fd < this.#nfds; fd++) if (this.eventsOf(fd) !== 0) yield fd
  }

  /** 0, or -EBADF if one of them is not open (max_select_fd). */
  check(): number {
    for (const fd of this.wanted()) if (this.#table.get(fd) === null) return -EBADF
    return 0
  }

  /** Looks at all of them; how many bits are on in all three answers. */
  scan(): number {
    let count = 0
    for (const fd of this.wanted()) {
      const mask = this.#table.get(fd)?.poll() ?? POLLNVAL
      count += this.#note(0, fd, mask & READ_EVENTS)
      count += this.#note(1, fd, mask & WRITE_EVENTS)
      count += this.#note(2, fd, mask & EXCEPT_EVENTS)
    }
    return count
  }

  #note(which: 0 | 1 | 2, fd: number, mask: number): number {
    if (mask === 0 || this.#asked[which]?.has(fd) !== true) return 0
    this.#found[which].set(fd)
    return 1
  }

  /** The answers replace what was asked. */
  store(): void {
    for (const which of [0, 1, 2] as const) this.#asked[which]?.copy(this.#found[which])
  }
}

/** A select that sleeps. */
export class PendingSelect extends PendingWatch {
  readonly #selection: Selection

  constructor(call: string, clock: Clock, sleepers: Sleepers, table: FileTable, selection: Selection) {
    super(clock, sleepers)
    this.call = call
    this.#selection = selection
    for (const fd of selection.wanted()) this.watch(table.get(fd), selection.eventsOf(fd) | EXCEPT_EVENTS)
  }

  protected override expire(): number {
    return this.#selection.scan()
  }

  protected override finish(result: number): number {
    if (result >= 0) this.#selection.store()
    return super.finish(result)
  }
}
