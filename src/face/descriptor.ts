/** What the sockets of this face share: a descriptor that is closed once, its names and options, and two lanes. */

import type { Process } from '../host/process.ts'
import { SO_LINGER, SOCK_CLOEXEC, SOCK_NONBLOCK, SOL_SOCKET } from '../sock/constants.ts'
import type { OptionValue } from '../sock/sock.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from '../sock/wait-queue.ts'
import type { Address } from '../socket/address-value.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { EBADF, SystemError } from '../sys/errno.ts'
import { asyncDispose } from './dispose.ts'
import { Lane } from './lane.ts'

const FAILED = POLLERR | POLLHUP
const READ_EVENTS = POLLIN | POLLRDNORM | POLLPRI | POLLRDHUP | FAILED
const WRITE_EVENTS = POLLOUT | POLLWRNORM | FAILED

/** One option for setsockopt(2): level, name, value. */
export type SocketOption = readonly [level: number, name: number, value: OptionValue]

/** Options that every socket takes when it is made. */
export interface SocketOptions {
  /** Set before the socket is bound, connects or listens. */
  readonly options?: readonly SocketOption[]
}

/** What all sockets of this face share: their descriptor, its options, and its close. */
export abstract class Descriptor {
  readonly process: Process
  protected readonly incoming: Lane
  protected readonly outgoing: Lane
  #fd: number

  /** Takes over `fd`, a non-blocking socket of `process`. */
  constructor(process: Process, fd: number) {
    const file = process.files.get(fd) as OpenFile | null
    if (file === null) throw new SystemError('socket', EBADF)
    this.process = process
    this.#fd = fd
    this.incoming = new Lane(file, process.host.clock, READ_EVENTS)
    this.outgoing = new Lane(file, process.host.clock, WRITE_EVENTS)
  }

  /** The descriptor, for calls that this face has no name for; -1 once it is closed. */
  get fd(): number {
    return this.#fd
  }

  get isClosed(): boolean {
    return this.#fd < 0
  }

  /** getsockname(2). */
  get localAddress(): Address {
    return this.process.getsockname(this.#fd)
  }

  /** getsockopt(2). */
  getOption(level: number, name: number): OptionValue {
    return this.process.getsockopt(this.#fd, level, name)
  }

  /** setsockopt(2). */
  setOption(level: number, name: number, value: OptionValue): void {
    this.process.setsockopt(this.#fd, level, name, value)
  }

  /**
   * close(2), once: operations that wait are rejected with ECANCELED, later ones with EBADF. Waits if SO_LINGER says so.
   * Also what the end of an `await using` block does.
   */
  async close(): Promise<void> {
    const fd = this.#fd
    if (fd < 0) return
    this.#fd = -1
    this.incoming.close()
    this.outgoing.close()
    // A lingering close is the one that waits, and only on a blocking descriptor.
    if (!this.process.isOver) await this.process.close(fd)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  static {
    // The name above is `undefined` where the runtime does not know the symbol.
    const value = function (this: Descriptor): Promise<void> {
      return this.close()
    }
    Object.defineProperty(Descriptor.prototype, asyncDispose, { value, writable: true, configurable: true })
  }
}

/** A new non-blocking socket with its options set; closed again if one of them fails. */
export function open(process: Process, family: number, type: number, { options = [] }: SocketOptions): number {
  const fd = process.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC)
  return guarded(process, fd, () => {
    for (const [level, name, value] of options) process.setsockopt(fd, level, name, value)
    return fd
  })
}

/** Does `prepare` on a fresh descriptor; if it throws, the descriptor is closed. */
export function guarded<T>(process: Process, fd: number, prepare: () => T): T {
  try {
    return prepare()
  } catch (error) {
    void process.close(fd)
    throw error
  }
}

/** Makes the close of a connection a reset: nothing is kept, the peer reads ECONNRESET (SO_LINGER, 0 seconds). */
export function makeReset(process: Process, fd: number): void {
  process.setsockopt(fd, SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 })
}
