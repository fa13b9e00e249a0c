/** Accepting connections as streams: a listening socket of a process whose connections are handed to a function. */
import type { Server } from 'node:http'
import type { Process } from '../host/process.ts'
import { AF_INET } from '../sock/address.ts'
import { SO_REUSEADDR, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET } from '../sock/constants.ts'
import type { Waiter } from '../sock/wait-queue.ts'
import type { Address } from '../socket/address-value.ts'
import type { SocketFile } from '../socket/socket-file.ts'
import { type Clock, Task } from '../sys/clock.ts'
import { SockeyeSocket } from './socket.ts'
import { TaskWaiter } from './task-waiter.ts'

/** Connections accepted in one turn before others get theirs. */
const ACCEPT_BUDGET = 64
/** As Node's. */
const BACKLOG = 511

export interface ListenOptions {
  /** 0: any. */
  readonly port: number
  /** 0.0.0.0 unless told otherwise. */
  readonly address?: string
  readonly backlog?: number
  /** True unless told otherwise, as Node sets it. */
  readonly reuseAddress?: boolean
  readonly allowHalfOpen?: boolean
}

/** A listening socket. */
export class Listener extends Task {
  readonly #process: Process
  readonly #fd: number
  readonly #file: SocketFile
  readonly #clock: Clock
  readonly #allowHalfOpen: boolean
  readonly #waiter: Waiter
  readonly #onConnection: (socket: SockeyeSocket) => void
  #closed = false

  /** For `listen` only. */
  constructor(process: Process, fd: number, allowHalfOpen: boolean, onConnection: (socket: SockeyeSocket) => void) {
    super()
    this.#process = process
    this.#fd = fd
    this.#file = process.files.get(fd) as SocketFile
    this.#clock = process.host.clock
    this.#allowHalfOpen = allowHalfOpen
    this.#onConnection = onConnection
    this.#waiter = new TaskWaiter(this.#clock, this)
    this.#file.wait.add(this.#waiter)
  }

  /** Where it listens. */
  get address(): Address {
    return this.#process.getsockname(this.#fd)
  }

  override run(): boolean {
    this.#clock.noteWakeup()
    for (let budget = ACCEPT_BUDGET; budget > 0; budget--) {
      if (this.#closed) return false
      const file = this.#file.accept(true)
      // EAGAIN; and what concerns one connection only (ECONNABORTED) is no affair of the others.
      if (typeof file === 'number') return false
      this.#onConnection(new SockeyeSocket(file, this.#clock, { allowHalfOpen: this.#allowHalfOpen }))
    }
    return true
  }

  /** Accepts no more; connections there are stay. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#file.wait.remove(this.#waiter)
    this.#process.sys.close(this.#fd)
  }
}

/** Listens on a port of `process` and hands over each connection. Throws a SystemError as bind(2) and listen(2) do. */
export function listen(
  process: Process,
  options: ListenOptions,
  onConnection: (socket: SockeyeSocket) => void,
): Listener {
  const fd = process.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
  try {
    if (options.reuseAddress !== false) process.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(fd, { address: options.address ?? '0.0.0.0', port: options.port })
    process.listen(fd, options.backlog ?? BACKLOG)
  } catch (error) {
    process.sys.close(fd)
    throw error
  }
  return new Listener(process, fd, options.allowHalfOpen ?? false, onConnection)
}

/** Where an HTTP server listens: a port, or more. */
export type HttpAddress = number | ListenOptions

/** Runs a server of Node's http module on a port of `process`; `server.listen` is not called. */
export function serveHttp(process: Process, server: Server, at: HttpAddress): Listener {
  const options = typeof at === 'number' ? { port: at } : at
  // Half-closed clients still get their answers: http's own server is made that way.
  return listen(process, { ...options, allowHalfOpen: true }, (socket) => {
    socket.setNoDelay(true)
    server.emit('connection', socket)
  })
}
