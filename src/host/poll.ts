/** poll(2): readiness of many descriptors at once, on the wait queues of their files (fs/select.c). */

import { POLLERR, POLLHUP, POLLNVAL } from '../sock/wait-queue.ts'
import type { FileTable } from '../socket/file-table.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { Sleeper, type Sleepers } from './pending.ts'

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
  readonly #files: FileTable
  readonly #fds: readonly PollFd[]
  readonly promise: Promise<number>
  #resolve!: (count: number) => void

  /** `timeout` in microseconds; Infinity: for ever. */
  constructor(clock: Clock, sleepers: Sleepers, files: FileTable, fds: readonly PollFd[], timeout: Micros) {
    super(clock, sleepers)
    this.#files = files
    this.#fds = fds
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
    for (let i = 0; i < fds.length; i++) {
      const { fd, events } = fds[i] as PollFd
      const file = fd < 0 ? null : files.get(fd)
      if (file !== null) this.waitFor(file, file.wait, events | ALWAYS)
    }
    if (timeout !== Infinity) this.limit(timeout)
  }

  override timeOut(): void {
    // Once more, as do_poll does: what became ready at this very instant counts.
    this.#end(scan(this.#files, this.#fds))
  }

  protected override retry(): void {
    const ready = scan(this.#files, this.#fds)
    if (ready > 0) this.#end(ready)
  }

  #end(ready: number): void {
    if (this.over()) this.#resolve(ready)
  }
}
