/** The calls of a process about readiness: poll, select, epoll, eventfd, timerfd. They sleep only if nothing is ready. */

import type { Calls } from '../socket/calls.ts'
import type { EpollEvent, EpollFile } from '../socket/epoll.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { EINVAL, SystemError } from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'
import { PendingEpoll } from './epoll-wait.ts'
import { EVENT_SIZE, eventfd } from './eventfd.ts'
import { PendingPoll, type PollFd, scan } from './poll.ts'
import { type FdSet, PendingSelect, Selection } from './select.ts'
import { raise, SignalCalls } from './signal-calls.ts'
import type { SigSet } from './sigset.ts'
import { type ITimerSpec, specMicros, type TimeSpec, type TimeVal, valMicros } from './time.ts'
import { clockTime, timerfdCreate, timerfdGettime, timerfdSettime } from './timerfd.ts'

/** A limit in milliseconds, a negative one for ever, in microseconds. */
const msMicros = (ms: number): Micros => (ms < 0 ? Infinity : Math.trunc(ms) * 1000)

/** The part of a `Process` that asks and awaits what its descriptors are ready for. */
export abstract class ReadinessCalls extends SignalCalls {
  readonly #clock: Clock

  constructor(clock: Clock, sys: Calls) {
    super(clock, sys)
    this.#clock = clock
  }

  abstract read(fd: number, bytes: Uint8Array): number | Promise<number>
  abstract write(fd: number, bytes: Uint8Array): number | Promise<number>

  /** poll(2): fills in `revents`; how many are not 0. `timeoutMs` 0 returns at once, a negative one means for ever. */
  poll(fds: readonly PollFd[], timeoutMs: number = -1): number | Promise<number> {
    return this.#poll('poll', fds, msMicros(timeoutMs))
  }

  /** ppoll(2): as poll, with a time limit as fine as the clock; null means for ever; and under another signal mask. */
  ppoll(fds: readonly PollFd[], timeout: TimeSpec | null, sigmask: SigSet | null = null): number | Promise<number> {
    const limit = timeout === null ? Infinity : raise('ppoll', specMicros(timeout))
    return this.masked(sigmask, () => this.#poll('ppoll', fds, limit))
  }

  #poll(call: string, fds: readonly PollFd[], timeout: Micros): number | Promise<number> {
    if (fds.length > this.files.limit) raise(call, -EINVAL)
    const ready = scan(this.files, fds)
    if (timeout === 0) return ready
    if (ready > 0) return this.pace.after(ready)
    return this.pace.after(new PendingPoll(call, this.#clock, this.sleepers, this.files, fds).begin(timeout))
  }

  /**
   * select(2): leaves in each set the descriptors below `nfds` that are ready; how many in all. `timeout` null means
   * for ever; otherwise it holds, as on Linux, what was left of it when the call returns.
   */
  // biome-ignore format: the parameters of select(2)
  select(nfds: number, read: FdSet | null, write: FdSet | null, except: FdSet | null, timeout: TimeVal | null = null): number | Promise<number> {
    const limit = timeout === null ? Infinity : raise('select', valMicros(timeout))
    const began = this.#clock.now()
    const result = this.#select('select', nfds, [read, write, except], limit)
    if (timeout === null || limit === 0) return result
    const settle = (count: number): number => {
      const left = Math.max(began + limit - this.#clock.now(), 0)
      timeout.sec = Math.floor(left / 1e6)
      timeout.usec = left - timeout.sec * 1e6
      return count
    }
    return typeof result === 'number' ? settle(result) : result.then(settle)
  }

  /** pselect(2): as select, but `timeout` stays as it is; and under another signal mask. */
  // biome-ignore format: the parameters of pselect(2)
  pselect(nfds: number, read: FdSet | null, write: FdSet | null, except: FdSet | null, timeout: TimeSpec | null = null, sigmask: SigSet | null = null): number | Promise<number> {
    const limit = timeout === null ? Infinity : raise('pselect', specMicros(timeout))
    return this.masked(sigmask, () => this.#select('pselect', nfds, [read, write, except], limit))
  }

  // biome-ignore format: one line
  #select(call: string, nfds: number, sets: readonly [FdSet | null, FdSet | null, FdSet | null], limit: Micros): number | Promise<number> {
    if (!(nfds >= 0)) raise(call, -EINVAL)
    const selection = new Selection(this.files, nfds, sets)
    raise(call, selection.check())
    const ready = selection.scan()
    if (ready === 0 && limit > 0) {
      return this.pace.after(new PendingSelect(call, this.#clock, this.sleepers, this.files, selection).begin(limit))
    }
    selection.store()
    return limit > 0 ? this.pace.after(ready) : ready
  }

  // ---- epoll ----

  /** epoll_create(2): `size` is a hint, which must be positive. */
  epoll_create(size: number): number {
    return raise('epoll_create', size > 0 ? this.sys.epoll_create1(0) : -EINVAL)
  }

  /** epoll_create1(2): a descriptor of an empty set; `flags` is 0 or EPOLL_CLOEXEC. */
  epoll_create1(flags: number = 0): number {
    return raise('epoll_create1', this.sys.epoll_create1(flags))
  }

  /** epoll_ctl(2): EPOLL_CTL_ADD, EPOLL_CTL_MOD or EPOLL_CTL_DEL. `event` stays the caller's. */
  epoll_ctl(epfd: number, op: number, fd: number, event: EpollEvent | null = null): void {
    raise('epoll_ctl', this.sys.epoll_ctl(epfd, op, fd, event))
  }

  /** epoll_wait(2): fills in `events`; how many. `timeoutMs` 0 returns at once, a negative one means for ever. */
  // biome-ignore format: one line
  epoll_wait(epfd: number, events: EpollEvent[], maxevents: number, timeoutMs: number = -1): number | Promise<number> {
    return this.#epollWait('epoll_wait', epfd, events, maxevents, msMicros(timeoutMs))
  }

  /** epoll_pwait(2): epoll_wait under another signal mask. */
  // biome-ignore format: the parameters of epoll_pwait(2)
  epoll_pwait(epfd: number, events: EpollEvent[], maxevents: number, timeoutMs: number = -1, sigmask: SigSet | null = null): number | Promise<number> {
    return this.masked(sigmask, () => this.#epollWait('epoll_pwait', epfd, events, maxevents, msMicros(timeoutMs)))
  }

  /** epoll_pwait2(2): epoll_wait with a time limit as fine as the clock; null means for ever. */
  // biome-ignore format: the parameters of epoll_pwait2(2)
  epoll_pwait2(epfd: number, events: EpollEvent[], maxevents: number, timeout: TimeSpec | null, sigmask: SigSet | null = null): number | Promise<number> {
    const limit = timeout === null ? Infinity : raise('epoll_pwait2', specMicros(timeout))
    return this.masked(sigmask, () => this.#epollWait('epoll_pwait2', epfd, events, maxevents, limit))
  }

  // biome-ignore format: one line
  #epollWait(call: string, epfd: number, events: EpollEvent[], max: number, timeout: Micros): number | Promise<number> {
    const count = this.sys.epoll_wait(epfd, events, max)
    if (count < 0 || timeout === 0) return raise(call, count)
    if (count > 0) return this.pace.after(count)
    const set = this.files.get(epfd) as EpollFile
    return this.pace.after(new PendingEpoll(call, this.#clock, this.sleepers, set, events, max).begin(timeout))
  }

  // ---- eventfd and timerfd ----

  /** eventfd(2): a descriptor of a counter; flags EFD_SEMAPHORE, EFD_NONBLOCK, EFD_CLOEXEC. */
  eventfd(initial: number, flags: number = 0): number {
    return raise('eventfd', eventfd(this.files, initial, flags))
  }

  /** eventfd_read(3): the counter, which becomes 0, or 1 of a semaphore. */
  eventfd_read(fd: number): bigint | Promise<bigint> {
    const bytes = new Uint8Array(EVENT_SIZE)
    const value = (): bigint => viewOf(bytes).getBigUint64(0, true)
    const result = this.read(fd, bytes)
    return typeof result === 'number' ? value() : result.then(value)
  }

  /** eventfd_write(3): adds to the counter. */
  eventfd_write(fd: number, value: bigint | number): number | Promise<number> {
    const whole = BigInt(value)
    if (whole < 0n || whole >= 1n << 64n) throw new RangeError(`value: ${value} is not of 64 bits`)
    const bytes = new Uint8Array(EVENT_SIZE)
    viewOf(bytes).setBigUint64(0, whole, true)
    const result = this.write(fd, bytes)
    return typeof result === 'number' ? 0 : result.then(() => 0)
  }

  /** timerfd_create(2): a descriptor of a disarmed timer on CLOCK_MONOTONIC, CLOCK_REALTIME or CLOCK_BOOTTIME. */
  timerfd_create(clockId: number, flags: number = 0): number {
    const { isPrivileged } = this.sys.credentials
    return raise('timerfd_create', timerfdCreate(this.files, this.#clock, clockId, flags, isPrivileged))
  }

  /** timerfd_settime(2): how it was set before. With TFD_TIMER_ABSTIME the value is a time of its clock. */
  timerfd_settime(fd: number, flags: number, value: ITimerSpec): ITimerSpec {
    const old = timerfdSettime(this.files, fd, flags, value)
    if (typeof old === 'number') throw new SystemError('timerfd_settime', old)
    return old
  }

  /** timerfd_gettime(2): the time left and the interval. */
  timerfd_gettime(fd: number): ITimerSpec {
    const left = timerfdGettime(this.files, fd)
    if (typeof left === 'number') throw new SystemError('timerfd_gettime', left)
    return left
  }

  /** clock_gettime(2): CLOCK_REALTIME, or the time since the clock began. */
  clock_gettime(clockId: number): TimeSpec {
    const time = clockTime(this.#clock, clockId)
    if (time === null) throw new SystemError('clock_gettime', EINVAL)
    return time
  }
}
