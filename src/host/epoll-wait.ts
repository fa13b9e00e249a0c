/** epoll_wait(2) that sleeps: one of the exclusive waiters of an epoll set (ep_poll). */

import { Waiter } from '../sock/wait-queue.ts'
import type { EpollEvent, EpollFile } from '../socket/epoll.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { EAGAIN } from '../sys/errno.ts'
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

  // biome-ignore format: one line
  constructor(call: string, clock: Clock, sleepers: Sleepers, set: EpollFile, events: EpollEvent[], max: number) {
    super(clock, sleepers)
    this.call = call
    this.#set = set
    this.#events = events
    this.#max = max
  }

  override get restarts(): boolean {
    return false
  }

  /** Begins to wait, `timeout` microseconds; Infinity: for ever. */
  begin(timeout: Micros): Promise<number> {
    this.#set.ref()
    this.#set.sleepers.addFirst(this.#waiter)
    return this.sleep(timeout)
  }

  protected override attempt(): number {
    if (this.#waiter.queue !== null) return -EAGAIN
    const count = this.#set.send(this.#events, this.#max)
    this.#hasLooked = count > 0
    if (count > 0) return count
    this.#set.sleepers.addFirst(this.#waiter)
    return -EAGAIN
  }

  /** Woken in the last moment: what there is counts. */
  protected override expire(): number {
    const isWoken = this.#waiter.queue === null
    this.#hasLooked = true
    return isWoken ? this.#set.send(this.#events, this.#max) : 0
  }

  protected override letGo(): void {
    if (this.#waiter.queue !== null) this.#waiter.queue.remove(this.#waiter)
    // It ends between the wake-up and the look (exit, abort): the event is for the next who sleeps.
    else if (!this.#hasLooked && this.#set.hasReady) this.#set.sleepers.wake(0)
    this.#set.unref()
  }
}
