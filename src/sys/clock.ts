/**
 * Time as the stack sees it: microseconds in a Number, one queue of timers, one queue of tasks.
 *
 * Nothing in the core reads a clock of the platform. A `Clock` is handed in: `VirtualClock` here, the real one in
 * `platform/clock.ts`. All hosts joined by links share one clock, so that one queue orders everything that happens.
 */

/** Microseconds. */
export type Micros = number

/**
 * A piece of work that runs soon, at the present instant, never inside the caller. Queued at most once.
 *
 * This base of many classes, and others like it, sets its fields in the constructor: V8 takes 200 ns and more for each that it
 * has to define on objects of many classes, and 5 ns to set it.
 */
export abstract class Task {
  /** Its place in a clock's queue. */
  declare readonly entry: TaskEntry

  constructor() {
    this.entry = new TaskEntry(this)
  }

  /** True while it waits in a clock's queue. */
  get queued(): boolean {
    return this.entry.queued
  }

  /** Does a bounded amount of work; returns true to be run again after the others had their turn. */
  abstract run(): boolean
}

/**
 * What a clock keeps of a task. Tasks are of many classes: on a record that is always of the same one the clock's fields cost 1 ns
 * and not 10.
 */
class TaskEntry {
  readonly task: Task
  queued = false
  next: TaskEntry | null = null

  constructor(task: Task) {
    this.task = task
  }
}

/** A `Task` made from a function. */
export class FunctionTask extends Task {
  readonly #run: () => boolean
  constructor(run: () => boolean) {
    super()
    this.#run = run
  }
  override run(): boolean {
    return this.#run()
  }
}

/**
 * One restartable timer. Stopping and postponing never touch the queue: a stale entry is recognised when it
 * surfaces. TCP re-arms its retransmission timer on almost every acknowledgement.
 */
export abstract class Timer {
  /** When to fire, in microseconds of the clock; Infinity when stopped. */
  declare deadline: Micros
  /** Time under which the clock's heap holds it; Infinity when it holds none. Kept by the clock. */
  declare queuedAt: Micros
  /** Index in the clock's heap, or -1. Kept by the clock. */
  declare slot: number

  constructor() {
    this.deadline = this.queuedAt = Infinity
    this.slot = -1
  }

  /** Called by the clock when the deadline has come; the timer is stopped by then and may be started again. */
  abstract fire(now: Micros): void
}

/** A `Timer` made from a function. */
export class FunctionTimer extends Timer {
  readonly #fire: (now: Micros) => void
  constructor(fire: (now: Micros) => void) {
    super()
    this.#fire = fire
  }
  override fire(now: Micros): void {
    this.#fire(now)
  }
}

/** Most tasks run in a row before timers and the platform's event loop get their turn (as NAPI's budget). */
export const TASK_BUDGET = 256

export abstract class Clock {
  /** Wall-clock time, in microseconds since 1970, of this clock's zero. */
  readonly epoch: Micros
  /** Binary heap of timers, ordered by time and then by the order of queueing. */
  readonly #heap: Timer[] = []
  readonly #order: number[] = []
  #sequence = 0
  /** Tasks to run at the present instant, first to last. */
  #firstTask: TaskEntry | null = null
  #lastTask: TaskEntry | null = null

  constructor(epoch: Micros) {
    this.epoch = epoch
  }

  /** Present time in microseconds, monotonic. */
  abstract now(): Micros

  /** The present time, read anew, of a clock that answers a few times with one reading: for what must not be early. */
  exact(): Micros {
    return this.now()
  }

  /** The last reading of a clock that is dear to read, or the present time: for what does not mind being a little late. */
  recent(): Micros {
    return this.now()
  }

  /** A program waiting in an awaited call was made runnable; a virtual clock lets it run before time goes on. */
  noteWakeup(): void {}

  /** The earliest timer is now at `at` (Infinity: none); a real clock arms its one host timer. */
  protected onEarliest(_at: Micros): void {}

  /** The task queue went from empty to not empty. */
  protected onTask(): void {}

  /** Starts or restarts `timer` to fire at `at`. */
  start(timer: Timer, at: Micros): void {
    timer.deadline = at
    if (at >= timer.queuedAt) return
    timer.queuedAt = at
    if (timer.slot < 0) {
      timer.slot = this.#heap.length
      this.#heap.push(timer)
      this.#order.push(this.#sequence++)
    } else this.#order[timer.slot] = this.#sequence++
    this.#up(timer.slot)
    if (this.#heap[0] === timer) this.onEarliest(at)
  }

  /** Stops `timer`; its entry in the queue is dropped when it surfaces. */
  stop(timer: Timer): void {
    timer.deadline = Infinity
  }

  /** Stops `timer` and takes its entry out, so that nothing refers to it any more: for owners that go away. */
  remove(timer: Timer): void {
    timer.deadline = Infinity
    if (timer.slot >= 0) this.#delete(timer.slot)
  }

  /** Queues `task` to run soon at the present instant. */
  defer(task: Task): void {
    const { entry } = task
    if (!entry.queued) this.#enqueue(entry)
  }

  #enqueue(entry: TaskEntry): void {
    entry.queued = true
    const last = this.#lastTask
    this.#lastTask = entry
    if (last === null) {
      this.#firstTask = entry
      this.onTask()
    } else last.next = entry
  }

  /** True if a task waits to run. */
  get hasTasks(): boolean {
    return this.#firstTask !== null
  }

  /** No timer is due before this time: that of the first entry in the queue, stale or not. */
  protected get soonest(): Micros {
    const timer = this.#heap[0]
    return timer === undefined ? Infinity : timer.queuedAt
  }

  /** Time of the earliest timer that is really due then, or Infinity. */
  earliest(): Micros {
    for (;;) {
      const timer = this.#heap[0]
      if (timer === undefined) return Infinity
      if (timer.deadline === timer.queuedAt) return timer.queuedAt
      this.#requeue(timer)
    }
  }

  /** Runs queued tasks in order, at most `budget` of them; true if some are left. */
  runTasks(budget: number): boolean {
    for (let entry = this.#firstTask; entry !== null && budget > 0; entry = this.#firstTask, budget--) {
      // Out of the queue before it runs, so that one that throws leaves the others their turn.
      this.#firstTask = entry.next
      if (this.#firstTask === null) this.#lastTask = null
      entry.next = null
      entry.queued = false
      if (entry.task.run() && !entry.queued) this.#enqueue(entry)
    }
    return this.#firstTask !== null
  }

  /** Fires every timer due at or before `now`, at most `budget`; true if some are left. */
  runTimers(now: Micros, budget: number): boolean {
    for (; budget > 0; budget--) {
      const timer = this.#heap[0]
      if (timer === undefined || timer.queuedAt > now) return false
      if (timer.deadline !== timer.queuedAt) {
        this.#requeue(timer)
        continue
      }
      this.#delete(0)
      timer.deadline = Infinity
      timer.fire(now)
    }
    return true
  }

  /** Number of entries in the timer queue, stale ones included. */
  get timerCount(): number {
    return this.#heap.length
  }

  /** The entry at the top is stale: drop it, or move it to where its timer was postponed to. */
  #requeue(timer: Timer): void {
    if (timer.deadline === Infinity) {
      this.#delete(timer.slot)
      return
    }
    timer.queuedAt = timer.deadline
    this.#order[timer.slot] = this.#sequence++
    this.#down(timer.slot)
  }

  #before(a: number, b: number): boolean {
    const ta = (this.#heap[a] as Timer).queuedAt
    const tb = (this.#heap[b] as Timer).queuedAt
    return ta < tb || (ta === tb && (this.#order[a] as number) < (this.#order[b] as number))
  }

  #swap(a: number, b: number): void {
    const ta = this.#heap[a] as Timer
    const tb = this.#heap[b] as Timer
    const oa = this.#order[a] as number
    this.#heap[a] = tb
    this.#heap[b] = ta
    this.#order[a] = this.#order[b] as number
    this.#order[b] = oa
    tb.slot = a
    ta.slot = b
  }

  #up(i: number): void {
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!this.#before(i, parent)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  #down(i: number): void {
    const n = this.#heap.length
    for (;;) {
      const left = 2 * i + 1
      if (left >= n) return
      const right = left + 1
      const child = right < n && this.#before(right, left) ? right : left
      if (!this.#before(child, i)) return
      this.#swap(child, i)
      i = child
    }
  }

  #delete(i: number): void {
    const timer = this.#heap[i] as Timer
    const last = this.#heap.length - 1
    if (i !== last) this.#swap(i, last)
    this.#heap.pop()
    this.#order.pop()
    timer.slot = -1
    timer.queuedAt = Infinity
    if (i !== last) {
      this.#down(i)
      this.#up(i)
    }
  }
}
