/**
 * Signals caught by a thread: its handlers are functions of its worker, so the worker has to run them. While a call of the thread
 * sleeps, its worker is woken to run the handler, whose own calls go through a second area, as on an alternate stack
 * (sigaltstack(2)); between calls, handlers run with the next one. The host goes on when the handler has returned.
 */
import type { SigInfo } from '../host/signals.ts'
import { AREA_SIGNALS, AREA_STATE, ASLEEP, POSTED } from './area.ts'

/** A handler that is to run, and what the host goes on with. */
interface Frame {
  readonly info: SigInfo
  readonly returned: () => void
  readonly threw: (error: Error) => void
}

export class SignalFrames {
  /** The words of the area that the thread's calls go through outside of handlers. */
  readonly #words: Int32Array
  readonly #waiting: Frame[] = []
  /** Handlers that run; the last one first. */
  readonly #running: Frame[] = []
  #isOver = false

  constructor(words: Int32Array) {
    this.#words = words
  }

  /** Has the worker run its handler for `info`. */
  run(info: SigInfo): Promise<void> {
    if (this.#isOver) return Promise.resolve()
    return new Promise((returned, threw) => {
      this.#waiting.push({ info, returned, threw })
      Atomics.store(this.#words, AREA_SIGNALS, this.#waiting.length)
      if (Atomics.compareExchange(this.#words, AREA_STATE, ASLEEP, POSTED) === ASLEEP) {
        Atomics.notify(this.#words, AREA_STATE)
      }
    })
  }

  /** The worker is about to run the next handler: what it is told, null if there is none. */
  take(): SigInfo | null {
    const frame = this.#waiting.shift()
    Atomics.store(this.#words, AREA_SIGNALS, this.#waiting.length)
    if (frame === undefined) return null
    this.#running.push(frame)
    return frame.info
  }

  /** The handler has returned, or left by an exception (siglongjmp(3)): the call it interrupted is over. */
  return(isThrown: boolean): void {
    const frame = this.#running.pop()
    if (isThrown) frame?.threw(new Error('a signal handler threw'))
    else frame?.returned()
  }

  /** The thread has ended. */
  over(): void {
    this.#isOver = true
    for (const frame of [...this.#waiting.splice(0), ...this.#running.splice(0)]) frame.returned()
  }
}
