/** The calls of a process about its own signals and timers: sigaction, sigprocmask, sigsuspend, alarm, nanosleep, … */

import type { Calls } from '../socket/calls.ts'
import { CLOCK_MONOTONIC, TIMER_ABSTIME } from '../socket/epoll-constants.ts'
import type { FileTable } from '../socket/file-table.ts'
import * as c from '../socket/signal-constants.ts'
import { type Clock, FunctionTimer, type Micros } from '../sys/clock.ts'
import { EINTR, EINVAL, SystemError } from '../sys/errno.ts'
import { type Abort, abortable } from './abort.ts'
import { Pace } from './pace.ts'
import { Sleep, Sleepers } from './pending.ts'
import { ProcessExit } from './process-exit.ts'
import { signalfd } from './signalfd.ts'
import { isSignal, type SigAction, type SigInfo, type SignalOwner, Signals, sigInfo } from './signals.ts'
import type { SigSet } from './sigset.ts'
import { Pause, PendingSignal } from './sigwait.ts'
import { type ITimerVal, specMicros, type TimeSpec, toSpec, toVal, valMicros } from './time.ts'
import { clockTime } from './timerfd.ts'

/** Throws the error of a result < 0. */
export function raise(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, result)
  return result
}

/** The first part of a `Process`: its signals, and its calls that sleep, on which the parts after it build. */
export abstract class SignalCalls implements SignalOwner {
  readonly files: FileTable
  /** The calls in raw form: a result >= 0 or -errno, never waiting. */
  readonly sys: Calls
  /** Dispositions, mask and what is pending. */
  readonly signals: Signals
  /** Its calls that sleep. */
  readonly sleepers: Sleepers = new Sleepers()
  /** Lets others run after many calls that completed at once. */
  protected readonly pace: Pace
  readonly #clock: Clock
  /** ITIMER_REAL. */
  readonly #alarm: FunctionTimer = new FunctionTimer(() => this.#alarmFires())
  #alarmInterval: Micros = 0

  constructor(clock: Clock, sys: Calls) {
    this.#clock = clock
    this.sys = sys
    this.files = sys.files
    this.signals = new Signals(this, clock, this.sleepers)
    this.pace = new Pace(clock, this.sleepers)
  }

  abstract readonly pid: number
  abstract readonly isOver: boolean
  abstract readonly exitCode: number | undefined
  abstract killedBy(signal: number): void
  abstract stoppedBy(signal: number): void
  abstract continued(): void
  abstract threw(error: unknown): void
  abstract delivered(info: SigInfo): void

  // ---- Signals ----

  /** sigaction(2): how `signal` was handled before; `action` null only asks. SIGKILL and SIGSTOP: EINVAL. */
  sigaction(signal: number, action: SigAction | null): Required<SigAction> {
    const { handler, flags, mask } = this.signals.action(signal)
    raise('rt_sigaction', this.signals.setAction(signal, action))
    return { handler, flags, mask: mask.clone() }
  }

  /** signal(2) as the C library has it: sigaction with SA_RESTART. */
  signal(signal: number, handler: SigAction['handler']): SigAction['handler'] {
    return this.sigaction(signal, { handler, flags: c.SA_RESTART }).handler
  }

  /** sigprocmask(2): `old` gets the mask as it was. What becomes unblocked is delivered before it returns. */
  sigprocmask(how: number, set: SigSet | null, old: SigSet | null = null): number | Promise<number> {
    const { blocked } = this.signals
    const before = blocked.clone()
    if (set !== null) {
      if (how === c.SIG_BLOCK) this.signals.setMask(before.clone().or(set))
      else if (how === c.SIG_UNBLOCK) this.signals.setMask(before.clone().without(set))
      else if (how === c.SIG_SETMASK) this.signals.setMask(set)
      else raise('rt_sigprocmask', -EINVAL)
    }
    old?.copy(before)
    return this.handled()
  }

  /** sigpending(2): what was sent and is blocked. */
  sigpending(): SigSet {
    return this.signals.pending.clone().and(this.signals.blocked)
  }

  /** pause(2): sleeps until a handler has run; always EINTR. */
  pause(): Promise<number> {
    return new Pause('pause', this.#clock, this.sleepers).begin()
  }

  /** sigsuspend(2): pause under another mask; always EINTR. */
  sigsuspend(mask: SigSet): Promise<number> {
    const sleeping = this.masked(mask, () => new Pause('rt_sigsuspend', this.#clock, this.sleepers).begin())
    return Promise.resolve(sleeping)
  }

  /**
   * sigtimedwait(2): takes a pending signal of `set` and gives its information, or sleeps for one; null waits for ever.
   * EAGAIN when the time is over, EINTR after a handler of another signal.
   */
  async sigtimedwait(set: SigSet, timeout: TimeSpec | null): Promise<SigInfo> {
    const limit = timeout === null ? Infinity : raise('rt_sigtimedwait', specMicros(timeout))
    let info = this.signals.dequeue(set)
    if (info !== null) return info
    await new PendingSignal('rt_sigtimedwait', this.#clock, this.sleepers, this.signals, set, (taken) => {
      info = taken
    }).begin(limit)
    return info as unknown as SigInfo
  }

  /** sigwaitinfo(2). */
  sigwaitinfo(set: SigSet): Promise<SigInfo> {
    return this.sigtimedwait(set, null)
  }

  /** raise(3): delivered before it returns, unless blocked. */
  raise(signal: number): number | Promise<number> {
    if (signal !== 0 && !isSignal(signal)) raise('tgkill', -EINVAL)
    if (signal !== 0)
      this.signals.send(sigInfo(signal, { code: c.SI_TKILL, pid: this.pid, uid: this.sys.credentials.uid }))
    return this.handled()
  }

  /** Delivers what this process was sent by its own call. Throws if that ended it. */
  protected handled(): number | Promise<number> {
    return this.afterCall(0)
  }

  /** The same for a call with a result. */
  protected afterCall(result: number | Promise<number>): number | Promise<number> {
    if (typeof result !== 'number') return result
    const late = this.signals.handle(null)
    this.#checkAlive()
    return late === undefined ? result : late.then(() => result)
  }

  /** SIGPIPE: it wrote to a stream whose reader is gone (pipe(7), send(2)). Throws if that ends it. */
  protected brokenPipe(): void {
    this.signals.send(sigInfo(c.SIGPIPE, { code: c.SI_USER, pid: this.pid, uid: this.sys.credentials.uid }))
    this.signals.handle(null)?.catch((error: unknown) => this.threw(error))
    this.#checkAlive()
  }

  #checkAlive(): void {
    if (this.isOver) throw new ProcessExit(this.exitCode as number)
  }

  /** Runs `begin` under another mask, which a call that sleeps keeps until it is over (set_user_sigmask). */
  protected masked(mask: SigSet | null, begin: () => number | Promise<number>): number | Promise<number> {
    if (mask === null) return begin()
    const saved = this.signals.blocked.clone()
    const before = this.sleepers.first
    this.signals.blocked.copy(mask).delete(c.SIGKILL).delete(c.SIGSTOP)
    try {
      const result = begin()
      const call = this.sleepers.first
      if (call !== null && call !== before) {
        call.savedMask = saved
        // What the new mask lets through interrupts the call at once.
        this.signals.schedule()
        return result
      }
      this.signals.setMask(saved)
      return result
    } catch (error) {
      this.signals.setMask(saved)
      throw error
    }
  }

  /** signalfd(2): a descriptor (-1 for `fd`), or `fd` with another mask. `flags`: SFD_NONBLOCK, SFD_CLOEXEC. */
  signalfd(fd: number, mask: SigSet, flags: number = 0): number {
    return raise('signalfd4', signalfd(this.files, this.signals, fd, mask, flags))
  }

  // ---- Timers ----

  /** alarm(2): SIGALRM in so many seconds, 0: none; the seconds that were left of the last. */
  alarm(seconds: number): number {
    const left = this.#setAlarm(Math.trunc(seconds) * 1e6, 0).value
    return left.usec >= 500000 || (left.sec === 0 && left.usec > 0) ? left.sec + 1 : left.sec
  }

  /** setitimer(2): how it was set before. ITIMER_REAL only: a virtual process uses no time of its own (EINVAL). */
  setitimer(which: number, { value, interval }: ITimerVal): ITimerVal {
    const first = valMicros(value)
    const every = valMicros(interval)
    const isOk = which === c.ITIMER_REAL && first >= 0 && every >= 0 && value.usec < 1e6 && interval.usec < 1e6
    if (!isOk) raise('setitimer', -EINVAL)
    return this.#setAlarm(first, every)
  }

  /** getitimer(2): the time left and the interval. */
  getitimer(which: number): ITimerVal {
    if (which !== c.ITIMER_REAL) raise('getitimer', -EINVAL)
    const { deadline } = this.#alarm
    const left = deadline === Infinity ? 0 : Math.max(deadline - this.#clock.now(), 1)
    return { value: toVal(left), interval: toVal(this.#alarmInterval) }
  }

  #setAlarm(first: Micros, every: Micros): ITimerVal {
    const old = this.getitimer(c.ITIMER_REAL)
    this.#alarmInterval = every
    if (first === 0) this.#clock.remove(this.#alarm)
    else this.#clock.start(this.#alarm, this.#clock.now() + first)
    return old
  }

  #alarmFires(): void {
    this.signals.send(sigInfo(c.SIGALRM, { code: c.SI_KERNEL }))
    if (this.#alarmInterval > 0) this.#clock.start(this.#alarm, this.#clock.now() + this.#alarmInterval)
  }

  /** No more alarms: the process ends. */
  protected stopAlarm(): void {
    this.#clock.remove(this.#alarm)
  }

  /** sleep(3), in seconds and parts of them: 0, or what was left of them when a signal's handler had run. */
  sleep(seconds: number): Promise<number> {
    if (!(seconds >= 0)) throw new RangeError(`seconds: not a time: ${seconds}`)
    const end = this.#clock.exact() + Math.round(seconds * 1e6)
    return this.#sleep('nanosleep', end).catch((error: unknown) => {
      if (!(error instanceof SystemError && error.errno === -EINTR)) throw error
      return Math.max(end - this.#clock.now(), 0) / 1e6
    })
  }

  /** nanosleep(2): EINTR after a handler, with what was left in `remaining`. */
  nanosleep(time: TimeSpec, remaining: TimeSpec | null = null): Promise<number> {
    return this.clock_nanosleep(CLOCK_MONOTONIC, 0, time, remaining)
  }

  /** clock_nanosleep(2): for a time, or with TIMER_ABSTIME until the clock shows it. */
  // biome-ignore format: the parameters of clock_nanosleep(2)
  async clock_nanosleep(clockId: number, flags: number, time: TimeSpec, remaining: TimeSpec | null = null): Promise<number> {
    const call = 'clock_nanosleep'
    const shown = clockTime(this.#clock, clockId)
    if (shown === null) throw new SystemError(call, EINVAL)
    const isAbsolute = (flags & TIMER_ABSTIME) !== 0
    const now = this.#clock.exact()
    const end = now + raise(call, specMicros(time)) - (isAbsolute ? specMicros(shown) : 0)
    try {
      return await this.#sleep(call, end)
    } catch (error) {
      if (remaining !== null && !isAbsolute) Object.assign(remaining, toSpec(Math.max(end - this.#clock.now(), 0)))
      throw error
    }
  }

  #sleep(call: string, end: Micros): Promise<number> {
    return new Sleep(call, this.#clock, this.sleepers, Math.max(end - this.#clock.now(), 0)).promise
  }

  // ---- Giving up ----

  /**
   * Makes one call that `signal` can end: a call that sleeps when it aborts rejects with its reason and leaves every wait
   * queue; aborted before, the call is not made. `await p.abortable(signal, () => p.recv(fd, bytes))`.
   */
  abortable<T>(signal: Abort, call: () => T): T {
    return abortable(this.sleepers, signal, call)
  }
}
