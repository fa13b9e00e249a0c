/**
 * A system call that sleeps: an entry in a wait queue, a time limit, and the promise its caller awaits. When woken it
 * tries again in a task of the clock, so that nothing of a program runs inside packet processing.
 */

import { Waiter, type WaitQueue } from '../sock/wait-queue.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { type Clock, type Micros, Task, Timer } from '../sys/clock.ts'
import { EAGAIN } from '../sys/errno.ts'

/** Wakes its call when one of the events it waits for may have come. */
class CallWaiter extends Waiter {
  readonly #call: Sleeper
  readonly #events: number

  constructor(call: Sleeper, events: number) {
    super()
    this.#call = call
    this.#events = events
  }

  override wake(mask: number): void {
    if ((mask & this.#events) !== 0) this.#call.wakeUp()
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
export type Sleepers = Set<Sleeper>

/** What all sleeping calls share. */
export abstract class Sleeper extends Task {
  readonly clock: Clock
  readonly #sleepers: Sleepers
  readonly #waiters: CallWaiter[] = []
  readonly #files: OpenFile[] = []
  #timer: CallTimer | null = null
  #isOver = false

  constructor(clock: Clock, sleepers: Sleepers) {
    super()
    this.clock = clock
    this.#sleepers = sleepers
    sleepers.add(this)
  }

  /** Waits for `events` of `file`, keeping it open meanwhile. */
  waitFor(file: OpenFile, queue: WaitQueue | null, events: number): void {
    this.#files.push(file.ref())
    if (queue === null) return
    const waiter = new CallWaiter(this, events)
    this.#waiters.push(waiter)
    queue.add(waiter)
  }

  /** Gives up after `timeout` microseconds. */
  limit(timeout: Micros): void {
    this.#timer = new CallTimer(this)
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

  override run(): boolean {
    if (!this.#isOver) this.retry()
    return false
  }

  /** The call is done: nothing refers to it any more. False if it was done before. */
  over(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#sleepers.delete(this)
    for (const waiter of this.#waiters) waiter.queue?.remove(waiter)
    if (this.#timer !== null) this.clock.remove(this.#timer)
    for (const file of this.#files) file.unref()
    this.clock.noteWakeup()
    return true
  }
}

/** How a sleeping call tries again and ends. */
export interface PendingCallSpec {
  readonly clock: Clock
  readonly sleepers: Sleepers
  readonly file: OpenFile
  /** POLL bits worth trying again for. */
  readonly events: number
  /** The result, or -EAGAIN to sleep on. */
  readonly attempt: () => number
  /** Microseconds, 0 for no limit; and the result then. */
  readonly timeout: Micros
  readonly onTimeout: () => number
  /** Turns a result into what the caller gets: a value, or it throws. */
  readonly finish: (result: number) => number
}

/** A call on one file that sleeps. */
export class PendingCall extends Sleeper {
  readonly #spec: PendingCallSpec
  readonly promise: Promise<number>
  #resolve!: (value: number) => void
  #reject!: (error: unknown) => void

  constructor(spec: PendingCallSpec) {
    super(spec.clock, spec.sleepers)
    this.#spec = spec
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.waitFor(spec.file, spec.file.wait, spec.events)
    if (spec.timeout > 0) this.limit(spec.timeout)
  }

  override timeOut(): void {
    this.#end(this.#spec.onTimeout())
  }

  protected override retry(): void {
    const result = this.#spec.attempt()
    if (result !== -EAGAIN) this.#end(result)
  }

  #end(result: number): void {
    if (!this.over()) return
    try {
      this.#resolve(this.#spec.finish(result))
    } catch (error) {
      this.#reject(error)
    }
  }
}

/** A sleep: nanosleep(2). */
export class Sleep extends Sleeper {
  readonly promise: Promise<void>
  #resolve!: () => void

  constructor(clock: Clock, sleepers: Sleepers, duration: Micros) {
    super(clock, sleepers)
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.limit(duration)
  }

  override timeOut(): void {
    if (this.over()) this.#resolve()
  }

  protected override retry(): void {}
}
