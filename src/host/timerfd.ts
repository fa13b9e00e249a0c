/**
 * timerfd_create(2): a timer that can be read and waited for (fs/timerfd.c). As there, a periodic timer fires once and
 * then counts on only when somebody reads or asks it, so an unread timer costs nothing.
 */

import { O_NONBLOCK, O_RDWR } from '../sock/constants.ts'
import { POLLIN, WaitQueue } from '../sock/wait-queue.ts'
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  TFD_CLOEXEC,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
  TFD_TIMER_CANCEL_ON_SET,
} from '../socket/epoll-constants.ts'
import type { FileTable } from '../socket/file-table.ts'
import { OpenFile } from '../socket/open-file.ts'
import { type Clock, FunctionTimer, type Micros } from '../sys/clock.ts'
import { EAGAIN, EBADF, EINVAL, EPERM } from '../sys/errno.ts'
import { putLe32 } from '../wire/little-endian.ts'
import { EVENT_SIZE } from './eventfd.ts'
import { type ITimerSpec, specMicros, type TimeSpec, toSpec } from './time.ts'

const WORD = 0x100000000

export class TimerFile extends OpenFile {
  override readonly wait: WaitQueue = new WaitQueue()
  readonly #clock: Clock
  /** What to take off a time of its clock to have one of ours. */
  readonly #offset: Micros
  readonly #timer: FunctionTimer = new FunctionTimer(() => this.#fire())
  /** When it fires or fired, by our clock; Infinity when disarmed. */
  #expires: Micros = Infinity
  #interval: Micros = 0
  /** It has fired and, if periodic, is not armed again yet. */
  #isExpired = false
  #ticks = 0

  constructor(clock: Clock, clockId: number, nonBlocking: boolean) {
    super(O_RDWR | (nonBlocking ? O_NONBLOCK : 0))
    this.#clock = clock
    this.#offset = clockId === CLOCK_REALTIME || clockId === CLOCK_REALTIME_ALARM ? clock.epoch : 0
  }

  /** Arms it for `value`, then every `interval` if that is not 0; a value of 0 disarms. Its count is forgotten. */
  set(value: Micros, interval: Micros, isAbsolute: boolean): void {
    this.#ticks = 0
    this.#isExpired = false
    this.#interval = interval
    this.#clock.remove(this.#timer)
    this.#expires = Infinity
    if (value === 0) return
    const now = this.#clock.now()
    this.#expires = isAbsolute ? value - this.#offset : now + value
    // One that is over already fires before the program can look.
    if (this.#expires <= now) this.#fire()
    else this.#clock.start(this.#timer, this.#expires)
  }

  /** What is left and the interval (timerfd_gettime). */
  get(): ITimerSpec {
    if (this.#isExpired && this.#interval > 0) this.#forward()
    const left = this.#isExpired || this.#expires === Infinity ? 0 : Math.max(this.#expires - this.#clock.now(), 0)
    return { interval: toSpec(this.#interval), value: toSpec(left) }
  }

  #fire(): void {
    this.#isExpired = true
    this.#ticks++
    this.wait.wake(POLLIN)
  }

  /** Counts what passed since it fired and arms it again (hrtimer_forward_now). */
  #forward(): void {
    const now = this.#clock.now()
    const passed = Math.floor((now - this.#expires) / this.#interval) + 1
    this.#expires += passed * this.#interval
    this.#ticks += passed - 1
    this.#isExpired = false
    this.#clock.start(this.#timer, this.#expires)
  }

  override poll(): number {
    return this.#ticks > 0 ? POLLIN : 0
  }

  /** How often it fired since it was set or read last, as 64 bits. */
  override read(bytes: Uint8Array, offset: number, length: number): number {
    if (length < EVENT_SIZE) return -EINVAL
    if (this.#ticks === 0) return -EAGAIN
    if (this.#isExpired && this.#interval > 0) this.#forward()
    putLe32(bytes, offset, this.#ticks % WORD)
    putLe32(bytes, offset + 4, Math.floor(this.#ticks / WORD))
    this.#isExpired = false
    this.#expires = this.#interval > 0 ? this.#expires : Infinity
    this.#ticks = 0
    return EVENT_SIZE
  }

  override get canWrite(): boolean {
    return false
  }

  override write(): number {
    return -EINVAL
  }

  override get description(): string {
    return 'anon_inode:[timerfd]'
  }

  protected override release(): void {
    this.#clock.remove(this.#timer)
  }
}

/** timerfd_create: a descriptor, -EINVAL, -EPERM (alarm clocks wake a sleeping machine) or -EMFILE. */
// biome-ignore format: one line
export function timerfdCreate(files: FileTable, clock: Clock, clockId: number, flags: number, isPrivileged: boolean): number {
  if ((flags & ~(TFD_NONBLOCK | TFD_CLOEXEC)) !== 0) return -EINVAL
  const isAlarm = clockId === CLOCK_REALTIME_ALARM || clockId === CLOCK_BOOTTIME_ALARM
  const isPlain = clockId === CLOCK_MONOTONIC || clockId === CLOCK_REALTIME || clockId === CLOCK_BOOTTIME
  if (!isAlarm && !isPlain) return -EINVAL
  if (isAlarm && !isPrivileged) return -EPERM
  const file = new TimerFile(clock, clockId, (flags & TFD_NONBLOCK) !== 0)
  const fd = files.add(file, (flags & TFD_CLOEXEC) !== 0)
  if (fd < 0) file.unref()
  return fd
}

/** timerfd_settime: how it was set before, or -errno. TFD_TIMER_CANCEL_ON_SET does nothing: our clock is never set. */
// biome-ignore format: one line
export function timerfdSettime(files: FileTable, fd: number, flags: number, { value, interval }: ITimerSpec): ITimerSpec | number {
  const first = specMicros(value)
  const every = specMicros(interval)
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0 || first < 0 || every < 0) return -EINVAL
  const file = files.get(fd)
  if (!(file instanceof TimerFile)) return file === null ? -EBADF : -EINVAL
  const old = file.get()
  file.set(first, every, (flags & TFD_TIMER_ABSTIME) !== 0)
  return old
}

/** timerfd_gettime. */
export function timerfdGettime(files: FileTable, fd: number): ITimerSpec | number {
  const file = files.get(fd)
  if (!(file instanceof TimerFile)) return file === null ? -EBADF : -EINVAL
  return file.get()
}

/** The time of a clock by its number; null if there is none. */
export function clockTime(clock: Clock, clockId: number): TimeSpec | null {
  switch (clockId) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
      return toSpec(clock.epoch + clock.now())
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return toSpec(clock.now())
    default:
      return null
  }
}
