/** epoll_wait(2) that sleeps: one of the exclusive waiters of an epoll set (ep_poll). */

import { Waiter } from '../sock/wait-queue.ts'
import type { EpollEvent, EpollFile } from '../socket/epoll.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { Sleeper, type Sleepers } from './pending.ts'

/** Takes a wake-up and leaves the queue at once, so that the next one goes to somebody else. */
class SetWaiter extends Waiter {
  readonly #call: PendingEpoll
  constructor(call: PendingEpoll) {
    super()
    this.#call = call
    this.isExclusive = true
  }
  override wake(): boolean {
    this.queue?.remove(this)
    this.#call.wakeUp()
    return true
  }
}

export class PendingEpoll extends Sleeper {
  readonly #set: EpollFile
  readonly #events: EpollEvent[]
  readonly #max: number
  readonly #waiter: SetWaiter = new SetWaiter(this)
  /** A wake-up it got has been used to look at the list. */
  #hasLooked = false
  #resolve: ((count: number) => void) | null = null

  constructor(clock: Clock, sleepers: Sleepers, set: EpollFile, events: EpollEvent[], max: number) {
    super(clock, sleepers)
    this.#set = set
    this.#events = events
    this.#max = max
  }

  /** Begins to wait, `timeout` microseconds; Infinity: for ever. */
  begin(timeout: Micros): Promise<number> {
    this.#set.ref()
    this.#set.sleepers.add(this.#waiter)
    this.sleep(timeout)
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  override timeOut(): void {
    // Woken in the last moment: what there is counts.
    const isWoken = this.#waiter.queue === null
    this.#hasLooked = true
    this.#end(isWoken ? this.#set.send(this.#events, this.#max) : 0)
  }

  protected override retry(): void {
    if (this.#waiter.queue !== null) return
    const count = this.#set.send(this.#events, this.#max)
    if (count > 0) {
      this.#hasLooked = true
      this.#end(count)
    } else this.#set.sleepers.add(this.#waiter)
  }

  protected override letGo(): void {
    if (this.#waiter.queue !== null) this.#waiter.queue.remove(this.#waiter)
    // The process ended between the wake-up and the look: the event is for the next who sleeps.
    else if (!this.#hasLooked && this.#set.hasReady) this.#set.sleepers.wake(0)
    this.#set.unref()
  }

  #end(count: number): void {
    if (this.over()) this.#resolve?.(count)
  }
}
