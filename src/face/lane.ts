/**
 * One direction of a descriptor: operations that are tried, wait for the file if they must, and are tried again, one after
 * the other in the order they were asked for. An AbortSignal gives one up while it waits, `close` all of them.
 */

import type { SockAddr } from '../sock/address.ts'
import { Waiter } from '../sock/wait-queue.ts'
import { toAddress } from '../socket/address-value.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { type Clock, FunctionTask } from '../sys/clock.ts'
import { EAGAIN, ECANCELED, ENOBUFS, SystemError } from '../sys/errno.ts'

/** Operations of one direction that may be under way: more are a program that never waits for any. */
export const MAX_OPERATIONS = 16384

/** Choices of an operation that may wait. */
export interface WaitOptions {
  /** Gives the operation up while it waits; it rejects with the signal's reason. What was done stays done. */
  readonly signal?: AbortSignal | undefined
}

/** A result >= 0, or -errno; -EAGAIN to be tried again when the file has news. */
export type Attempt = () => number

class Operation {
  readonly call: string
  readonly attempt: Attempt
  readonly resolve: (result: number) => void
  readonly reject: (reason: unknown) => void
  /** Whose address an error names. */
  about: SockAddr | null = null
  signal: AbortSignal | undefined
  onAbort: (() => void) | undefined

  constructor(call: string, attempt: Attempt, resolve: (result: number) => void, reject: (reason: unknown) => void) {
    this.call = call
    this.attempt = attempt
    this.resolve = resolve
    this.reject = reject
  }
}

/** The error of a result < 0, with the address it is about. */
function failure(call: string, result: number, about: SockAddr | null): SystemError {
  if (about === null) return new SystemError(call, result)
  const { address, port, path } = toAddress(about)
  return path === undefined ? new SystemError(call, result, address, port) : new SystemError(call, result, path)
}

export class Lane extends Waiter {
  readonly #file: OpenFile
  readonly #clock: Clock
  readonly #events: number
  readonly #queue: Operation[] = []
  readonly #retry = new FunctionTask(() => {
    this.#advance()
    return false
  })

  /** `events`: the POLL bits of `file` that make another try worth while. */
  constructor(file: OpenFile, clock: Clock, events: number) {
    super()
    this.#file = file
    this.#clock = clock
    this.#events = events
  }

  override wake(mask: number): void {
    if ((mask & this.#events) !== 0) this.#clock.defer(this.#retry)
  }

  /**
   * Does `attempt` when its turn comes, again and again until it has a result; an error tells the name of the `call` and
   * the address it is `about`. More than `MAX_OPERATIONS` at once are refused with ENOBUFS.
   */
  run(call: string, attempt: Attempt, { signal }: WaitOptions = {}, about: SockAddr | null = null): Promise<number> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      if (this.#queue.length === MAX_OPERATIONS) return reject(new SystemError(call, ENOBUFS))
      const operation = new Operation(call, attempt, resolve, reject)
      operation.about = about
      this.#queue.push(operation)
      if (this.#queue.length === 1) {
        this.#advance()
        if (!this.#queue.includes(operation)) return
        this.#file.wait?.add(this)
      }
      if (signal === undefined) return
      operation.signal = signal
      operation.onAbort = () => this.#giveUp(operation, signal.reason)
      signal.addEventListener('abort', operation.onAbort)
    })
  }

  /** What waits is rejected with ECANCELED; what is asked for later fails by itself, its descriptor being gone. */
  close(): void {
    for (const operation of [...this.#queue]) {
      this.#giveUp(operation, new SystemError(operation.call, ECANCELED))
    }
  }

  #advance(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const result = first.attempt()
      if (result === -EAGAIN) return
      this.#remove(first)
      if (result < 0) first.reject(failure(first.call, result, first.about))
      else first.resolve(result)
    }
  }

  #giveUp(operation: Operation, reason: unknown): void {
    this.#remove(operation)
    operation.reject(reason)
  }

  #remove(operation: Operation): void {
    const at = this.#queue.indexOf(operation)
    if (at >= 0) this.#queue.splice(at, 1)
    if (this.#queue.length === 0) this.queue?.remove(this)
    if (operation.onAbort !== undefined) operation.signal?.removeEventListener('abort', operation.onAbort)
    this.#clock.noteWakeup()
  }
}
