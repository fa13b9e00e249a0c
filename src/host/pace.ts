/**
 * Fairness among programs: JavaScript runs one until it awaits something unfinished, so programs whose calls always
 * complete at once would never let timers and the platform's events have their turn. After a number of such calls in a
 * row one completes on a later task of the clock instead: a process's time slice.
 */
import type { Clock } from '../sys/clock.ts'
import { Sleeper, type Sleepers } from './pending.ts'

/** Calls of a process that may complete at once in a row. */
export const CALLS_PER_SLICE = 256

export class Pace {
  readonly #clock: Clock
  readonly #sleepers: Sleepers
  #inARow = 0

  constructor(clock: Clock, sleepers: Sleepers) {
    this.#clock = clock
    this.#sleepers = sleepers
  }

  /** What a call gives that may wait: its result, at the end of a slice as a promise. */
  after(result: number | Promise<number>): number | Promise<number> {
    if (typeof result === 'number' && ++this.#inARow < CALLS_PER_SLICE) return result
    this.#inARow = 0
    return this.endSlice(result)
  }

  /** Gives a result only after others have had their turn; a call that slept let them have it. */
  endSlice(result: number | Promise<number>): number | Promise<number> {
    return typeof result === 'number' ? new Turn(this.#clock, this.#sleepers, result).begin() : result
  }
}

/** A call that is done but lets others run first. */
class Turn extends Sleeper {
  readonly #result: number

  constructor(clock: Clock, sleepers: Sleepers, result: number) {
    super(clock, sleepers)
    this.#result = result
  }

  begin(): Promise<number> {
    this.wakeUp()
    return this.sleep(Infinity)
  }

  protected override attempt(): number {
    return this.#result
  }
  protected override interrupted(): number {
    return this.#result
  }
  protected override finish(): number {
    return this.#result
  }
  protected override letGo(): void {}
}
