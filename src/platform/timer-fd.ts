/**
 * A timer of Linux's own (timerfd_create(2)) in the event loop: some ten microseconds late, where `setTimeout` counts in
 * milliseconds. Setting it is one system call.
 */
import type { Micros } from '../sys/clock.ts'
import type { FineTimer } from './clock.ts'
import type { Libc, PollHandle } from './libc.ts'

const CLOCK_MONOTONIC = 1
const TFD_NONBLOCK = 0x800
const TFD_CLOEXEC = 0x80000
/** struct itimerspec: interval and value, each seconds and nanoseconds of 64 bits. */
const ITIMERSPEC = 32
const IT_VALUE = 16
const EXPIRATIONS = 8

/** Calls `fire` when its time has come. It does not hold the process. */
export class TimerFd implements FineTimer {
  readonly #libc: Libc
  readonly #fd: number
  readonly #memory = new DataView(new ArrayBuffer(ITIMERSPEC + EXPIRATIONS))
  readonly #address: number
  /** Held here: koffi ends the polling of handles that nobody refers to. */
  readonly #poll: PollHandle

  private constructor(libc: Libc, fd: number, fire: () => void) {
    this.#libc = libc
    this.#fd = fd
    this.#address = libc.address(new Uint8Array(this.#memory.buffer))
    this.#poll = libc.poll(fd)
    this.#poll.start({ readable: true }, () => {
      libc.read(fd, this.#address + ITIMERSPEC, EXPIRATIONS)
      // Out of koffi's callback, after which no promise's job would run.
      setImmediate(fire)
    })
    this.#poll.unref()
    // Node runs its event loop once more while it takes itself down, and a callback from koffi then would abort it.
    process.once('exit', () => this.#poll.stop())
  }

  /** A new timer; undefined if the kernel gives none. */
  static open(libc: Libc, fire: () => void): TimerFd | undefined {
    const fd = libc.timerfdCreate(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
    return fd < 0 ? undefined : new TimerFd(libc, fd, fire)
  }

  set(wait: Micros): void {
    const seconds = Math.floor(wait / 1e6)
    this.#memory.setUint32(IT_VALUE, seconds, true)
    this.#memory.setUint32(IT_VALUE + 8, Math.ceil((wait - seconds * 1e6) * 1000), true)
    this.#libc.timerfdSettime(this.#fd, 0, this.#address, 0)
  }
}
