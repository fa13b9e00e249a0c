/**
 * A system call that sleeps: an entry in a wait queue, a time limit, and the promise its caller awaits. When woken it
 * tries again in a task of the clock, so that nothing of a program runs inside packet processing.
 */

import { Waiter } from '../sock/wait-queue.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { type Clock, type Micros, Task, Timer } from '../sys/clock.ts'
import { EAGAIN, EINTR, SystemError } from '../sys/errno.ts'
import type { SigSet } from './sigset.ts'

/** Wakes its call when one of the events it waits for may have come. */
export class CallWaiter extends Waiter {
  readonly #call: Sleeper
  events = 0

  constructor(call: Sleeper) {
    super()
    this.#call = call
  }

  /** An exclusive one takes the wake-up and leaves the queue, so that the next one goes to somebody else. */
  override wake(mask: number): boolean {
    if ((mask & this.events) === 0) return false
    if (this.isExclusive) this.queue?.remove(this)
    this.#call.wakeUp()
    return true
  }
}

class CallTimer extends Timer {
  readonly #call: Sleeper
  constructor(call: Sleeper) {
    super()
    this.#call = call
  }
  override fire(): void {
    this.#call.timeOut()
  }
}

/** The calls of a process that sleep: its end ends them, a signal interrupts one. */
export class Sleepers {
  /** The one that began last. */
  first: Sleeper | null = null
  /** Puts a signal mask back that a call had replaced while it slept (ppoll, sigsuspend, …). */
  restoreMask: (mask: SigSet) => void = () => {}
  /** The process is stopped (SIGSTOP): what could go on waits until it is continued. */
  isStopped = false

  add(sleeper: Sleeper): void {
    sleeper.previous = null
    sleeper.following = this.first
    if (this.first !== null) this.first.previous = sleeper
    this.first = sleeper
  }

  remove(sleeper: Sleeper): void {
    if (sleeper.previous === null) this.first = sleeper.following
    else sleeper.previous.following = sleeper.following
    if (sleeper.following !== null) sleeper.following.previous = sleeper.previous
    sleeper.previous = sleeper.following = null
  }

  /** The process goes on: all look again. */
  resume(): void {
    this.isStopped = false
    for (let sleeper = this.first; sleeper !== null; sleeper = sleeper.following) sleeper.wakeUp()
  }

  /** Ends all of them; their promises never settle. */
  endAll(): void {
    while (this.first !== null) this.first.over()
  }
}

/** What all sleeping calls share. One may sleep again after it is over. Fields as in `Task`. */
export abstract class Sleeper extends Task {
  /** The call's name, for its error. */
  declare call: string
  declare readonly clock: Clock
  declare private readonly sleepers: Sleepers
  /** Neighbours in the list of the process. */
  declare previous: Sleeper | null
  declare following: Sleeper | null
  /** A handler of a signal runs and waits: until it is done the call makes no move. */
  declare isHeld: boolean
  /** The signal mask to be put back when it is over. */
  declare savedMask: SigSet | null
  declare isAsleep: boolean
  declare private isLate: boolean
  declare private timer: CallTimer | null
  declare private timeout: Micros
  declare private resolve: ((value: number) => void) | null
  declare private reject: ((error: unknown) => void) | null

  constructor(clock: Clock, sleepers: Sleepers) {
    super()
    this.call = ''
    this.clock = clock
    this.sleepers = sleepers
    this.isHeld = this.isAsleep = this.isLate = false
    this.timeout = Infinity
    this.previous = this.following = null
    this.savedMask = this.timer = this.resolve = this.reject = null
  }

  /** With SA_RESTART it sleeps on after a handler: calls with a time limit never do (signal(7)). */
  get restarts(): boolean {
    return this.timeout === Infinity
  }

  /** Begins to sleep, `timeout` microseconds at most if it is not Infinity. */
  protected sleep(timeout: Micros): Promise<number> {
    this.isAsleep = true
    this.isLate = false
    this.timeout = timeout
    this.sleepers.add(this)
    if (timeout !== Infinity) {
      this.timer ??= new CallTimer(this)
      this.clock.start(this.timer, this.clock.exact() + timeout)
    }
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** Something happened: try again soon. */
  wakeUp(): void {
    this.clock.defer(this)
  }

  /** The result, or -EAGAIN to sleep on. */
  protected abstract attempt(): number
  /** Leaves wait queues and lets files go. */
  protected abstract letGo(): void
  /** The result when the time is over. */
  protected expire(): number {
    return -EAGAIN
  }
  /** The result when a signal's handler has run: what was done before counts. */
  protected interrupted(): number {
    return -EINTR
  }
  /** Turns a result into what the caller gets: a value, or it throws. */
  protected finish(result: number): number {
    if (result < 0) throw new SystemError(this.call, result)
    return result
  }

  override run(): boolean {
    // A wake-up may come too late, or be left from an earlier sleep of this object: trying once more does no harm.
    this.look()
    return false
  }

  /** Tries again and ends if that succeeds or the time is over. */
  look(): void {
    if (!this.isAsleep || this.isHeld || this.sleepers.isStopped) return
    let result: number
    try {
      result = this.isLate ? this.expire() : this.attempt()
    } catch (error) {
      // A signal that its own doing brought about has ended the process, or a handler threw.
      this.fail(error)
      return
    }
    if (result !== -EAGAIN || this.isLate) this.end(result)
  }

  /** The time is over. */
  timeOut(): void {
    this.isLate = true
    this.look()
  }

  /** A signal's handler has run: the call ends with what was done or EINTR, or with SA_RESTART (`restart`) sleeps on. */
  interrupt(restart: boolean): void {
    this.isHeld = false
    const result = this.interrupted()
    if (result === -EINTR && restart && this.restarts) this.look()
    else if (this.isAsleep) this.end(result)
  }

  /** Ends it with `reason` as its caller's error. */
  fail(reason: unknown): void {
    const reject = this.reject
    if (this.over()) reject?.(reason)
  }

  protected end(result: number): void {
    const resolve = this.resolve
    const reject = this.reject
    if (!this.over()) return
    let value = 0
    try {
      value = this.finish(result)
    } catch (error) {
      reject?.(error)
      return
    }
    resolve?.(value)
  }

  /** The call is done: nothing refers to it any more. False if it was done before. */
  over(): boolean {
    if (!this.isAsleep) return false
    this.isAsleep = false
    this.isHeld = false
    this.resolve = this.reject = null
    this.sleepers.remove(this)
    if (this.timer !== null) this.clock.remove(this.timer)
    this.letGo()
    this.clock.noteWakeup()
    const mask = this.savedMask
    this.savedMask = null
    if (mask !== null) this.sleepers.restoreMask(mask)
    return true
  }
}

/** A call on one file that sleeps. Subclasses say how it is tried again and what its outcome means. */
export abstract class PendingCall extends Sleeper {
  declare private readonly waiter: CallWaiter
  declare private waitsFor: OpenFile | null

  constructor(clock: Clock, sleepers: Sleepers) {
    super(clock, sleepers)
    this.waiter = new CallWaiter(this)
    this.waitsFor = null
  }

  /**
   * Sleeps until `attempt` succeeds; woken by `events` of `file`, which stays open meanwhile. Of those that sleep
   * exclusively one at a time is woken, as by the kernel.
   */
  begin(file: OpenFile, events: number, timeout: Micros, isExclusive: boolean = false): Promise<number> {
    this.waitsFor = file.ref()
    this.waiter.events = events
    this.waiter.isExclusive = isExclusive
    file.wait?.add(this.waiter)
    return this.sleep(timeout > 0 ? timeout : Infinity)
  }

  override look(): void {
    super.look()
    // It found nothing: back in the line.
    if (this.isAsleep && this.waiter.queue === null) this.waitsFor?.wait?.add(this.waiter)
  }

  protected override letGo(): void {
    const file = this.waitsFor as OpenFile
    const waiter = this.waiter
    this.waitsFor = null
    if (waiter.queue !== null) waiter.queue.remove(waiter)
    // It was woken and leaves: if there is still something, the next one shall look (pipe_read's wake_next_reader).
    else if (waiter.isExclusive && file.wait?.isEmpty === false) {
      const ready = file.poll() & waiter.events
      if (ready !== 0) file.wait.wake(ready)
    }
    file.unref()
  }
}

/** A sleep: nanosleep(2). */
export class Sleep extends Sleeper {
  readonly promise: Promise<number>

  constructor(call: string, clock: Clock, sleepers: Sleepers, duration: Micros) {
    super(clock, sleepers)
    this.call = call
    this.promise = this.sleep(duration)
  }

  override get restarts(): boolean {
    return false
  }

  protected override attempt(): number {
    return -EAGAIN
  }
  protected override expire(): number {
    return 0
  }
  protected override letGo(): void {}
}
