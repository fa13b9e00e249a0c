/** A listening socket of TCP or AF_UNIX whose connections are iterated. */

import type { Process } from '../host/process.ts'
import { SockAddr } from '../sock/address.ts'
import {
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SOMAXCONN,
} from '../sock/constants.ts'
import { type AddressIn, readAddress } from '../socket/address-value.ts'
import { ECANCELED, ECONNABORTED, SystemError } from '../sys/errno.ts'
import { Connection } from './connection.ts'
import { Descriptor, guarded, open, type SocketOptions } from './descriptor.ts'
import type { WaitOptions } from './lane.ts'

/** What `listen` can be told. */
export interface ListenOptions extends SocketOptions {
  /** Connections that wait to be accepted; SOMAXCONN unless told otherwise. */
  readonly backlog?: number
  /** SO_REUSEADDR; true unless told otherwise. */
  readonly reuseAddress?: boolean
  /** SO_REUSEPORT; false unless told otherwise. */
  readonly reusePort?: boolean
}

/** bind(2) and listen(2): a SystemError (EADDRINUSE, EACCES, …) tells why not. Port 0: a free one, see `localAddress`. */
export function listen(process: Process, at: AddressIn, options: ListenOptions = {}): Listener {
  const address = readAddress('at', at, new SockAddr())
  const { backlog = SOMAXCONN, reuseAddress = true, reusePort = false } = options
  const fd = open(process, address.family, SOCK_STREAM, options)
  return guarded(process, fd, () => {
    if (reuseAddress) process.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if (reusePort) process.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1)
    process.bind(fd, address)
    process.listen(fd, backlog)
    return new Listener(process, fd)
  })
}

/** A listening socket; iterating over it accepts connections one by one until it is closed. */
export class Listener extends Descriptor implements AsyncIterable<Connection> {
  /** The next connection. */
  async accept(options: WaitOptions = {}): Promise<Connection> {
    const { sys } = this.process
    const flags = SOCK_NONBLOCK | SOCK_CLOEXEC
    const fd = await this.incoming.run('accept', () => sys.accept(this.fd, flags, null), options)
    return new Connection(this.process, fd)
  }

  /**
   * The connections, one after the other, until the listener is closed. One that its peer has given up before it was
   * accepted is passed over (accept(2)). Leaving the loop early leaves the listener as it is.
   */
  async *connections(options: WaitOptions = {}): AsyncGenerator<Connection, void, undefined> {
    while (!this.isClosed) {
      let connection: Connection
      try {
        connection = await this.accept(options)
      } catch (error) {
        if (!(error instanceof SystemError)) throw error
        if (error.errno === -ECONNABORTED || (this.isClosed && error.errno === -ECANCELED)) continue
        throw error
      }
      yield connection
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Connection, void, undefined> {
    return this.connections()
  }
}
