/**
 * Real time: `performance.now()` in microseconds, one host timer for the earliest of ours, tasks in microtasks.
 *
 * Tasks run in batches as microtasks (13 million a second on Node 20, where macrotasks make one million). When they have
 * run for SLICE microseconds without a turn of the event loop, the rest waits for one macrotask, so that the platform's
 * timers and I/O never starve: NAPI's idea. `setTimeout` counts in milliseconds; deadlines between two are met late by
 * the rest of the millisecond, or at once if the clock happens to be busy. Where real devices make real time matter, a
 * finer timer of the host's takes its place.
 */
import { Clock, type Micros } from '../sys/clock.ts'
import { macrotask } from './turn.ts'

/** Microseconds that tasks may run in a row before the platform's event loop gets its turn. */
export const SLICE = 1000
/** Tasks between two looks at the time. */
const STRIDE = 16
/** Timers fired in a row before tasks get their turn. */
const TIMER_BUDGET = 256
/** Longest delay `setTimeout` takes, in milliseconds: 2^31 - 1, Node and browsers. */
const MAX_TIMEOUT = 0x7fffffff

/** What `setTimeout` gives: an object on Node and Bun, a number elsewhere. */
type HostTimer = ReturnType<typeof setTimeout>

/** A timer of the host that is finer than `setTimeout` and does not hold the process. */
export interface FineTimer {
  /** Goes off once, `wait` > 0 microseconds from now; what was set before is void. */
  set(wait: Micros): void
}

/** Calls of `now` within one run of tasks that share a reading: a few microseconds of work. */
const READINGS = 8

export class RealClock extends Clock {
  /** A reaction to a settled promise is a microtask, at a third of what `queueMicrotask` costs in Node. */
  readonly #settled: Promise<void> = Promise.resolve()
  readonly #pump = (): void => {
    try {
      this.#run(false)
    } catch (error) {
      // Not a rejection that somebody could overlook: an exception of its own, as from any task.
      macrotask(() => {
        throw error
      })
    }
  }
  readonly #pumpInTurn = (): void => this.#run(true)
  readonly #pumpOnTimer = (): void => {
    this.#hostTimer = undefined
    this.#armedFor = Infinity
    this.#run(true)
  }
  #hostTimer: HostTimer | undefined
  #fine: FineTimer | undefined
  /** When the host timer goes off; Infinity when there is none. */
  #armedFor: Micros = Infinity
  /** A call of `#run` is on its way. */
  #scheduled = false
  #running = false
  /** Looking the global up costs as much as reading it: Node has a getter there. */
  readonly #performance = performance
  /** The last reading, and how many more calls it may serve while tasks run. */
  #cached: Micros = 0
  #fresh = 0
  /** A program was made runnable: it comes before more tasks. */
  #woken = false
  /** When the platform's event loop last had its turn, as far as known. */
  #turnAt: Micros = 0
  #references = 0
  #hold: HostTimer | undefined

  constructor() {
    super(Math.round(Date.now() * 1000 - performance.now() * 1000))
  }

  override now(): Micros {
    // Reading the platform's clock costs as much as the work on a small packet: while tasks run, one reading serves a few.
    if (this.#running && --this.#fresh > 0) return this.#cached
    this.#fresh = READINGS
    this.#cached = Math.floor(this.#performance.now() * 1000)
    return this.#cached
  }

  override exact(): Micros {
    this.#fresh = 0
    return this.now()
  }

  override recent(): Micros {
    return this.#cached
  }

  /** Somebody waits for this clock: the process stays until as many `unref` were called. New clocks hold nothing. */
  ref(): void {
    if (this.#references++ === 0) this.#hold = setInterval(() => {}, MAX_TIMEOUT)
  }

  /** Takes one `ref` back. */
  unref(): void {
    if (this.#references === 0) throw new RangeError('RealClock.unref: called more often than ref')
    if (--this.#references === 0) clearInterval(this.#hold)
  }

  /** A finer timer takes the place of `setTimeout` for good; `make` is given what it is to call. The first one stays. */
  useFineTimer(make: (fire: () => void) => FineTimer | undefined): void {
    this.#fine ??= make(this.#pumpOnTimer)
  }

  override noteWakeup(): void {
    this.#woken = true
  }

  protected override onTask(): void {
    if (!this.#scheduled && !this.#running) this.#schedule()
  }

  protected override onEarliest(at: Micros): void {
    if (!this.#running && at < this.#armedFor) this.#arm(at)
  }

  /** Brings `#run` about: in a microtask while the event loop had its turn not long ago, else in a macrotask. */
  #schedule(): void {
    this.#scheduled = true
    // The last reading will do: `#run` takes a new one.
    if (this.#cached - this.#turnAt < SLICE) this.#settled.then(this.#pump)
    else macrotask(this.#pumpInTurn)
  }

  #run(inTurn: boolean): void {
    if (this.#running) return
    this.#scheduled = false
    this.#running = true
    this.#woken = false
    // A new run may come after a long silence: the first reading is a real one.
    this.#fresh = 0
    let now = this.now()
    if (inTurn) this.#turnAt = now
    let more = true
    try {
      do {
        // Not `||`: both queues get their share of every round.
        const timers = this.runTimers(now, TIMER_BUDGET)
        more = this.runTasks(STRIDE) || timers
        now = this.now()
      } while (more && !this.#woken && now - this.#turnAt < SLICE)
    } finally {
      this.#running = false
      if (more || this.hasTasks) this.#schedule()
      this.#rearm()
    }
  }

  #rearm(): void {
    // Stale entries may stay where they are as long as the host timer goes off before.
    if (this.soonest >= this.#armedFor) return
    const at = this.earliest()
    if (at < this.#armedFor) this.#arm(at)
  }

  #arm(at: Micros): void {
    if (this.#hostTimer !== undefined) clearTimeout(this.#hostTimer)
    this.#hostTimer = undefined
    this.#armedFor = at
    const wait = at - this.now()
    if (wait <= 0) {
      if (!this.#scheduled) this.#schedule()
      this.#armedFor = Infinity
      return
    }
    if (this.#fine !== undefined) {
      this.#fine.set(wait)
      return
    }
    this.#hostTimer = setTimeout(this.#pumpOnTimer, Math.min(Math.ceil(wait / 1000), MAX_TIMEOUT))
    letGo(this.#hostTimer)
  }
}

/** Keeps `timer` from holding the process: Node's and Bun's way, else Deno's; browsers have no such thing. */
function letGo(timer: HostTimer): void {
  if (typeof timer === 'object') {
    timer.unref()
    return
  }
  const deno = (globalThis as { Deno?: { unrefTimer?(id: unknown): void } }).Deno
  deno?.unrefTimer?.(timer)
}
