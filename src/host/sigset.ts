/** Signal sets (sigsetops(3)). */

import { SIGRTMAX } from '../socket/signal-constants.ts'

/** sigset_t: signals 1 to 64, in two words of 32 bits. */
export class SigSet {
  low = 0
  high = 0

  constructor(signals: Iterable<number> = []) {
    for (const signal of signals) this.add(signal)
  }

  /** sigaddset; what is EINVAL in C is a RangeError. */
  add(signal: number): this {
    check(signal)
    if (signal <= 32) this.low |= 1 << (signal - 1)
    else this.high |= 1 << (signal - 33)
    return this
  }

  /** sigdelset. */
  delete(signal: number): this {
    check(signal)
    if (signal <= 32) this.low &= ~(1 << (signal - 1))
    else this.high &= ~(1 << (signal - 33))
    return this
  }

  /** sigismember. */
  has(signal: number): boolean {
    check(signal)
    return ((signal <= 32 ? this.low >>> (signal - 1) : this.high >>> (signal - 33)) & 1) !== 0
  }

  /** sigemptyset. */
  empty(): this {
    this.low = this.high = 0
    return this
  }

  /** sigfillset. */
  fill(): this {
    this.low = this.high = -1
    return this
  }

  get isEmpty(): boolean {
    return (this.low | this.high) === 0
  }

  /** Takes over all of `from`, as an assignment of structs. */
  copy(from: SigSet): this {
    this.low = from.low
    this.high = from.high
    return this
  }

  /** Adds all of `other` (sigorset). */
  or(other: SigSet): this {
    this.low |= other.low
    this.high |= other.high
    return this
  }

  /** Takes all of `other` out. */
  without(other: SigSet): this {
    this.low &= ~other.low
    this.high &= ~other.high
    return this
  }

  /** Keeps what is also in `other` (sigandset). */
  and(other: SigSet): this {
    this.low &= other.low
    this.high &= other.high
    return this
  }

  clone(): SigSet {
    return new SigSet().copy(this)
  }

  /** The signals in it, lowest first. */
  *[Symbol.iterator](): Generator<number> {
    for (let signal = 1; signal <= SIGRTMAX; signal++) if (this.has(signal)) yield signal
  }
}

function check(signal: number): void {
  if (!(Number.isInteger(signal) && signal >= 1 && signal <= SIGRTMAX)) {
    throw new RangeError(`signal: ${signal} is none of 1 to ${SIGRTMAX}`)
  }
}
