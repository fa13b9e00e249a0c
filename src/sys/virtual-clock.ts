/**
 * Virtual time: an event queue ordered by time, then by insertion. Time stands still while anything can run and then
 * jumps to the next timer, so hours of keep-alive take milliseconds and the same seed gives the same packets.
 */
import { Clock, type Micros } from './clock.ts'

/** 2026-01-01T00:00:00Z in microseconds: the wall-clock time at which virtual clocks start unless told otherwise. */
export const DEFAULT_EPOCH = 1767225600000000

/** Timers fired at one instant before the run is given up as a loop that never lets time pass. */
export const MAX_EVENTS_PER_INSTANT = 10_000_000

export class VirtualClock extends Clock {
  #now: Micros = 0
  #woken = false
  readonly #turn: (() => Promise<void>) | undefined

  /**
   * `turn` resolves after every program that can run has run (one macrotask of the platform, see `platform/turn.ts`).
   * Without it awaited programs make progress only between calls of the `run` methods.
   */
  constructor(turn?: () => Promise<void>, epoch: Micros = DEFAULT_EPOCH) {
    super(epoch)
    this.#turn = turn
  }

  override now(): Micros {
    return this.#now
  }

  override noteWakeup(): void {
    this.#woken = true
  }

  /** Runs all that can run now without letting time pass or programs run. */
  settle(): void {
    for (let n = 0; n < MAX_EVENTS_PER_INSTANT; n++) {
      if (this.runTasks(1024)) continue
      if (!this.runTimers(this.#now, 1024) && !this.hasTasks) return
    }
    throw new RangeError(
      `virtual time stands still at ${this.#now} us: ${MAX_EVENTS_PER_INSTANT} rounds at one instant`,
    )
  }

  /** Synchronous run: fires everything up to and including `until`, then leaves the clock there. Programs do not run. */
  runUntilSync(until: Micros): void {
    this.settle()
    for (let at = this.earliest(); at <= until; at = this.earliest()) {
      if (at > this.#now) this.#now = at
      this.settle()
    }
    if (until > this.#now && until !== Infinity) this.#now = until
  }

  /** Fires the next instant that has a timer, if it is at or before `limit`; false if there is none. Synchronous. */
  stepSync(limit: Micros = Infinity): boolean {
    this.settle()
    const at = this.earliest()
    if (at > limit || at === Infinity) return false
    if (at > this.#now) this.#now = at
    this.settle()
    return true
  }

  /** Runs hosts and programs until `done()` holds, nothing is left to happen, or `until` is reached. */
  async run(done: () => boolean = () => false, until: Micros = Infinity): Promise<void> {
    for (;;) {
      this.settle()
      await this.#letProgramsRun()
      if (done()) return
      const at = this.earliest()
      if (at === Infinity || at > until) break
      if (at > this.#now) this.#now = at
    }
    if (until > this.#now && until !== Infinity) this.#now = until
  }

  /** Runs for `duration` microseconds of virtual time. */
  runFor(duration: Micros): Promise<void> {
    return this.run(undefined, this.#now + duration)
  }

  /** Runs until `promise` is settled and gives its outcome; an error if nothing is left that could settle it. */
  async runUntil<T>(promise: Promise<T>, until: Micros = Infinity): Promise<T> {
    let settled = false
    const watched = promise.finally(() => {
      settled = true
    })
    watched.catch(() => {})
    this.#woken = true
    await this.run(() => settled, until)
    if (!settled) throw new Error(`nothing left to happen at ${this.#now} us, and the program still waits`)
    return await watched
  }

  async #letProgramsRun(): Promise<void> {
    if (this.#turn === undefined) {
      await undefined
      return
    }
    // The first turn is unconditional work for programs just started by the caller.
    do {
      this.#woken = false
      await this.#turn()
      this.settle()
    } while (this.#woken)
  }
}
