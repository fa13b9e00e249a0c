/**
 * A system call that sleeps: an entry in a wait queue, a time limit, and the promise its caller awaits. When woken it
 * tries again in a task of the clock, so that nothing of a program runs inside packet processing.
 */

import { Waiter, type WaitQueue } from '../sock/wait-queue.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { type Clock, type Micros, Task, Timer } from '../sys/clock.ts'
import { EAGAIN } from '../sys/errno.ts'

/** Wakes its call when one of the events it waits for may have come. */
export class CallWaiter extends Waiter {
  readonly #call: Sleeper
  events = 0

  constructor(call: Sleeper) {
    super()
    this.#call = call
  }

  override wake(mask: number): void {
    if ((mask & this.events) !== 0) this.#call.wakeUp()
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

/** The calls of a process that sleep, so that its end can end them. */
export class Sleepers {
  #first: Sleeper | null = null

  add(sleeper: Sleeper): void {
    sleeper.previous = null
    sleeper.following = this.#first
    if (this.#first !== null) this.#first.previous = sleeper
    this.#first = sleeper
  }

  remove(sleeper: Sleeper): void {
    if (sleeper.previous === null) this.#first = sleeper.following
    else sleeper.previous.following = sleeper.following
    if (sleeper.following !== null) sleeper.following.previous = sleeper.previous
    sleeper.previous = sleeper.following = null
  }

  /** Ends all of them; their promises never settle. */
  endAll(): void {
    while (this.#first !== null) this.#first.over()
  }
}

/** What all sleeping calls share. One may sleep again after it is over. */
export abstract class Sleeper extends Task {
  readonly clock: Clock
  readonly #sleepers: Sleepers
  /** Neighbours in the list of the process. */
  previous: Sleeper | null = null
  following: Sleeper | null = null
  #timer: CallTimer | null = null
  #isAsleep = false

  constructor(clock: Clock, sleepers: Sleepers) {
    super()
    this.clock = clock
    this.#sleepers = sleepers
  }

  /** Begins to sleep, `timeout` microseconds at most if it is not Infinity. */
  protected sleep(timeout: Micros): void {
    this.#isAsleep = true
    this.#sleepers.add(this)
    if (timeout === Infinity) return
    this.#timer ??= new CallTimer(this)
    this.clock.start(this.#timer, this.clock.now() + timeout)
  }

  /** Something happened: try again soon. */
  wakeUp(): void {
    this.clock.defer(this)
  }

  /** The time is over. */
  abstract timeOut(): void
  /** Tries again; ends the call with `over` if it succeeds. */
  protected abstract retry(): void
  /** Leaves wait queues and lets files go. */
  protected abstract letGo(): void

  override run(): boolean {
    // A wake-up may come too late, or be left from an earlier sleep of this object: trying once more does no harm.
    if (this.#isAsleep) this.retry()
    return false
  }

  /** The call is done: nothing refers to it any more. False if it was done before. */
  over(): boolean {
    if (!this.#isAsleep) return false
    this.#isAsleep = false
    this.#sleepers.remove(this)
    if (this.#timer !== null) this.clock.remove(this.#timer)
    this.letGo()
    this.clock.noteWakeup()
    return true
  }
}

/** A call on one file that sleeps. Subclasses say how it is tried again and what its outcome means. */
export abstract class PendingCall extends Sleeper {
  readonly #waiter: CallWaiter = new CallWaiter(this)
  #file: OpenFile | null = null
  #resolve: ((value: number) => void) | null = null
  #reject: ((error: unknown) => void) | null = null

  /** Sleeps until `attempt` succeeds; woken by `events` of `file`, which stays open meanwhile. */
  begin(file: OpenFile, events: number, timeout: Micros): Promise<number> {
    this.#file = file.ref()
    this.#waiter.events = events
    const queue: WaitQueue | null = file.wait
    if (queue !== null) queue.add(this.#waiter)
    this.sleep(timeout > 0 ? timeout : Infinity)
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** The result, or -EAGAIN to sleep on. */
  protected abstract attempt(): number
  /** The result when the time is over. */
  protected expire(): number {
    return -EAGAIN
  }
  /** Turns a result into what the caller gets: a value, or it throws. */
  protected abstract finish(result: number): number

  override timeOut(): void {
    this.#end(this.expire())
  }

  protected override retry(): void {
    const result = this.attempt()
    if (result !== -EAGAIN) this.#end(result)
  }

  protected override letGo(): void {
    this.#waiter.queue?.remove(this.#waiter)
    this.#file?.unref()
    this.#file = null
  }

  #end(result: number): void {
    if (!this.over()) return
    const resolve = this.#resolve
    const reject = this.#reject
    this.#resolve = this.#reject = null
    let value = 0
    try {
      value = this.finish(result)
    } catch (error) {
      reject?.(error)
      return
    }
    resolve?.(value)
  }
}

/** A sleep: nanosleep(2). */
export class Sleep extends Sleeper {
  readonly promise: Promise<void>
  #resolve: (() => void) | null = null

  constructor(clock: Clock, sleepers: Sleepers, duration: Micros) {
    super(clock, sleepers)
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.sleep(duration)
  }

  override timeOut(): void {
    if (this.over()) this.#resolve?.()
  }

  protected override retry(): void {}
  protected override letGo(): void {}
}
