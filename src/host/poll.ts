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

/** A poll that sleeps. */
export class PendingPoll extends Sleeper {
  readonly #table: FileTable
  readonly #fds: readonly PollFd[]
  readonly #waiters: CallWaiter[] = []
  /** Files waited for, kept open meanwhile. */
  readonly #files: OpenFile[] = []

  constructor(call: string, clock: Clock, sleepers: Sleepers, table: FileTable, fds: readonly PollFd[]) {
    super(clock, sleepers)
    this.call = call
    this.#table = table
    this.#fds = fds
    for (let i = 0; i < fds.length; i++) {
      const { fd, events } = fds[i] as PollFd
      const file = fd < 0 ? null : table.get(fd)
      if (file === null) continue
      this.#files.push(file.ref())
      const waiter = new CallWaiter(this)
      waiter.events = events | ALWAYS
      this.#waiters.push(waiter)
      file.wait?.add(waiter)
    }
  }

  override get restarts(): boolean {
    return false
  }

  /** Begins to wait, `timeout` microseconds; Infinity: for ever. */
  begin(timeout: Micros): Promise<number> {
    return this.sleep(timeout)
  }

  protected override attempt(): number {
    return this.expire() || -EAGAIN
  }

  /** Looks once more, as do_poll does: what became ready at this very instant counts. */
  protected override expire(): number {
    return scan(this.#table, this.#fds)
  }

  protected override letGo(): void {
    for (const waiter of this.#waiters) waiter.queue?.remove(waiter)
    for (const file of this.#files) file.unref()
  }
}
