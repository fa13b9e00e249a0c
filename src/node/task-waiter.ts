import { Waiter } from '../sock/wait-queue.ts'
import type { Clock, Task } from '../sys/clock.ts'

/** Has a task of the clock run when a file has news. */
export class TaskWaiter extends Waiter {
  readonly #clock: Clock
  readonly #task: Task
  constructor(clock: Clock, task: Task) {
    super()
    this.#clock = clock
    this.#task = task
  }
  override wake(): void {
    this.#clock.defer(this.#task)
  }
}
