/** poll(2): readiness of many descriptors at once, on the wait queues of their files (fs/select.c). */

import { POLLERR, POLLHUP, POLLNVAL } from '../sock/wait-queue.ts'
import type { FileTable } from '../socket/file-table.ts'
import type { OpenFile } from '../socket/open-file.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { EAGAIN } from '../sys/errno.ts'
import { CallWaiter, Sleeper, type Sleepers } from './pending.ts'

/** struct pollfd. A negative `fd` is skipped. */
export interface PollFd {
  fd: number
  events: number
  revents?: number
}

/** What is told whether asked for or not. */
const ALWAYS = POLLERR | POLLHUP

/** Fills in `revents`; the number of entries where it is not 0. */
export function scan(files: FileTable, fds: readonly PollFd[]): number {
  let ready = 0
  for (let i = 0; i < fds.length; i++) {
    const entry = fds[i] as PollFd
    entry.revents = 0
    if (entry.fd < 0) continue
    const file = files.get(entry.fd)
    entry.revents = file === null ? POLLNVAL : file.poll() & (entry.events | ALWAYS)
    if (entry.revents !== 0) ready++
  }
  return ready
}

/** A poll or select that sleeps: on the wait queues of many files, which it keeps open meanwhile. */
export abstract class PendingWatch extends Sleeper {
  readonly #waiters: CallWaiter[] = []
  readonly #files: OpenFile[] = []

  /** Joins the queue of `file`, to be woken by `events`. */
  protected watch(file: OpenFile | null, events: number): void {
    if (file === null) return
    this.#files.push(file.ref())
    const waiter = new CallWaiter(this)
    waiter.events = events
    this.#waiters.push(waiter)
    file.wait?.add(waiter)
  }

  override get restarts(): boolean {
    return false
  }

  /** Begins to wait, `timeout` microseconds; Infinity: for ever. What was found is filled in before the promise settles. */
  begin(timeout: Micros): Promise<number> {
    return this.sleep(timeout)
  }

  /** Looks once more when the time is over, as do_poll does: what became ready at this very instant counts. */
  protected abstract override expire(): number

  protected override attempt(): number {
    return this.expire() || -EAGAIN
  }

  protected override letGo(): void {
    for (const waiter of this.#waiters) waiter.queue?.remove(waiter)
    for (const file of this.#files) file.unref()
  }
}

/** A poll that sleeps. */
export class PendingPoll extends PendingWatch {
  readonly #table: FileTable
  readonly #fds: readonly PollFd[]

  constructor(call: string, clock: Clock, sleepers: Sleepers, table: FileTable, fds: readonly PollFd[]) {
    super(clock, sleepers)
    this.call = call
    this.#table = table
    this.#fds = fds
    for (const { fd, events } of fds) if (fd >= 0) this.watch(table.get(fd), events | ALWAYS)
  }

  protected override expire(): number {
    return scan(this.#table, this.#fds)
  }
}
