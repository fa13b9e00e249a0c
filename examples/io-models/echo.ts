/** What the servers that never wait on a connection share: a listener, and connections that echo as far as they can. */
import type { Process } from '../../src/host/process.ts'
import {
  AF_INET,
  MSG_NOSIGNAL,
  POLLIN,
  POLLOUT,
  SO_REUSEADDR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'

const ROOM = 4096

/** A listener on `port`; `flags` may be SOCK_NONBLOCK. */
export function listenOn(process: Process, port: number, flags: number = 0): number {
  const fd = process.socket(AF_INET, SOCK_STREAM | flags)
  process.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
  process.bind(fd, { port })
  process.listen(fd, 16)
  return fd
}

/** The result of a call on a non-blocking descriptor, null for EAGAIN. */
export function orAgain(call: () => number | Promise<number>): number | null {
  try {
    // Such a call never waits.
    return call() as number
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EAGAIN') return null
    throw error
  }
}

/** All connections that wait to be accepted, non-blocking. */
export function* acceptAll(process: Process, listener: number): Generator<number> {
  for (;;) {
    const fd = orAgain(() => process.accept4(listener, null, SOCK_NONBLOCK))
    if (fd === null) return
    yield fd
  }
}

/** One connection that sends back what comes. */
export class Echo {
  readonly fd: number
  readonly #process: Process
  readonly #bytes: Uint8Array = new Uint8Array(ROOM)
  #from = 0
  #to = 0

  constructor(process: Process, fd: number) {
    this.#process = process
    this.fd = fd
  }

  /** What to wait for: the echo goes out before more is read. */
  get events(): number {
    return this.#from < this.#to ? POLLOUT : POLLIN
  }

  /** Writes and reads until one would have to wait; false when the connection is over and closed. */
  serve(): boolean {
    const { fd } = this
    for (;;) {
      if (this.#from < this.#to) {
        const rest = this.#bytes.subarray(this.#from, this.#to)
        const sent = orAgain(() => this.#process.send(fd, rest, MSG_NOSIGNAL))
        if (sent === null) return true
        this.#from += sent
        continue
      }
      const got = orAgain(() => this.#process.recv(fd, this.#bytes))
      if (got === null) return true
      this.#from = 0
      this.#to = got
      if (got > 0) continue
      this.#process.close(fd)
      return false
    }
  }
}
