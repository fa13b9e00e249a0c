/** Calls that sleep for signals: pause, sigsuspend, sigtimedwait. */
import type { Clock, Micros } from '../sys/clock.ts'
import { EAGAIN } from '../sys/errno.ts'
import { CallWaiter, Sleeper, type Sleepers } from './pending.ts'
import type { SigInfo, Signals } from './signals.ts'
import type { SigSet } from './sigset.ts'

/** pause(2) and sigsuspend(2): EINTR after a handler, and nothing else ends it. */
export class Pause extends Sleeper {
  constructor(call: string, clock: Clock, sleepers: Sleepers) {
    super(clock, sleepers)
    this.call = call
  }

  override get restarts(): boolean {
    return false
  }

  begin(): Promise<number> {
    return this.sleep(Infinity)
  }

  protected override attempt(): number {
    return -EAGAIN
  }
  protected override letGo(): void {}
}

/** sigtimedwait(2): signals of the set are for it alone while it sleeps, whatever their dispositions. */
export class PendingSignal extends Sleeper {
  readonly #signals: Signals
  readonly #set: SigSet
  readonly #take: (info: SigInfo) => void
  readonly #waiter: CallWaiter = new CallWaiter(this)

  // biome-ignore format: one line
  constructor(call: string, clock: Clock, sleepers: Sleepers, signals: Signals, set: SigSet, take: (info: SigInfo) => void) {
    super(clock, sleepers)
    this.call = call
    this.#signals = signals
    this.#set = set
    this.#take = take
    this.#waiter.events = -1
  }

  override get restarts(): boolean {
    return false
  }

  begin(timeout: Micros): Promise<number> {
    this.#signals.awaited.or(this.#set)
    this.#signals.wait.add(this.#waiter)
    return this.sleep(timeout)
  }

  protected override attempt(): number {
    const info = this.#signals.dequeue(this.#set)
    if (info === null) return -EAGAIN
    this.#take(info)
    return info.signo
  }

  protected override letGo(): void {
    this.#waiter.queue?.remove(this.#waiter)
    this.#signals.awaited.without(this.#set)
    this.#signals.schedule()
  }
}
