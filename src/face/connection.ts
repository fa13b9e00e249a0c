/**
 * Streams with promises: a connection of TCP or AF_UNIX that is read by `for await`, and closed by `await using`.
 *
 *   await using connection = await connect(process, { address: '192.0.2.2', port: 7 })
 *   await connection.write(request)
 *   connection.end()
 *   for await (const chunk of connection) …
 *
 * Back-pressure is the sockets': what is not read stays in the receive buffer and closes the window; a write waits until
 * the send buffer has taken all of it. Reads and writes asked for at the same time are served in the order of asking.
 */

import type { Process } from '../host/process.ts'
import { AF_INET, SockAddr } from '../sock/address.ts'
import {
  MSG_NOSIGNAL,
  SHUT_RD,
  SHUT_WR,
  SO_KEEPALIVE,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  TCP_NODELAY,
} from '../sock/constants.ts'
import { type Address, type AddressIn, readAddress } from '../socket/address-value.ts'
import { EAGAIN, EALREADY, EINPROGRESS, EISCONN } from '../sys/errno.ts'
import { Descriptor, guarded, makeReset, open, type SocketOption, type SocketOptions } from './descriptor.ts'
import type { WaitOptions } from './lane.ts'

/** Largest chunk that `read` and iteration give unless told otherwise, in bytes. */
export const CHUNK_SIZE = 65536

/** What `connect` can be told. */
export interface ConnectOptions extends SocketOptions, WaitOptions {
  /** The address to bind to before connecting. */
  readonly local?: AddressIn
  /** TCP_NODELAY: no Nagle algorithm. */
  readonly noDelay?: boolean
  /** SO_KEEPALIVE. */
  readonly keepAlive?: boolean
}

/** What `read` can be told. */
export interface ReadOptions extends WaitOptions {
  /** Most bytes of the chunk, 1 or more; CHUNK_SIZE unless told otherwise. */
  readonly size?: number
}

/** What an iteration over chunks can be told. */
export interface ChunkOptions extends ReadOptions {
  /** Chunks are views of one buffer, valid until the next one is asked for. Otherwise each is the program's to keep. */
  readonly lent?: boolean
}

/** The stream ended before `readExactly` had its bytes. */
export class UnexpectedEnd extends Error {
  /** The bytes that did come. */
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array, wanted: number) {
    super(`the stream ended after ${bytes.length} of ${wanted} bytes`)
    this.name = 'UnexpectedEnd'
    this.bytes = bytes
  }
}

/**
 * connect(2) to a TCP address, or with `{ path }` to a local socket. Rejects with a SystemError (ECONNREFUSED, ETIMEDOUT,
 * EHOSTUNREACH, ENOENT, …), or with the reason of an aborted signal; nothing is left open then.
 */
export async function connect(process: Process, to: AddressIn, options: ConnectOptions = {}): Promise<Connection> {
  const peer = readAddress('to', to, new SockAddr())
  options.signal?.throwIfAborted()
  const fd = open(process, peer.family, SOCK_STREAM, { options: streamOptions(peer.family, options) })
  const connection = guarded(process, fd, () => {
    if (options.local !== undefined) process.bind(fd, options.local)
    return new Connection(process, fd)
  })
  try {
    await connection.establish(peer, options)
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** The options with names of their own, and then the rest. */
function streamOptions(family: number, { noDelay, keepAlive, options = [] }: ConnectOptions): SocketOption[] {
  const named: SocketOption[] = []
  if (noDelay !== undefined && family === AF_INET) named.push([SOL_TCP, TCP_NODELAY, Number(noDelay)])
  if (keepAlive !== undefined) named.push([SOL_SOCKET, SO_KEEPALIVE, Number(keepAlive)])
  return [...named, ...options]
}

export class Connection extends Descriptor implements AsyncIterable<Uint8Array> {
  /** Bytes read by the program, and bytes of its writes that the send buffer has taken. */
  bytesRead = 0
  bytesWritten = 0
  /** What is left of the page that small chunks were cut from. */
  #page: Uint8Array | null = null

  /** For `connect`: sends the first SYN and waits for the outcome. */
  async establish(peer: SockAddr, options: WaitOptions): Promise<void> {
    const { sys } = this.process
    const attempt = (): number => {
      const result = sys.connect(this.fd, peer)
      if (result === -EINPROGRESS || result === -EALREADY) return -EAGAIN
      return result === -EISCONN ? 0 : result
    }
    await this.outgoing.run('connect', attempt, options, peer)
  }

  /** getpeername(2). */
  get remoteAddress(): Address {
    return this.process.getpeername(this.fd)
  }

  /** The next bytes, as many as are there up to `size`, for the program to keep; null at the end of the stream. */
  async read(options: ReadOptions = {}): Promise<Uint8Array | null> {
    const size = checkSize(options.size ?? CHUNK_SIZE)
    let chunk: Uint8Array | null = null
    const attempt = (): number => {
      const page = this.#page !== null && this.#page.length >= size ? this.#page : new Uint8Array(size)
      this.#page = page
      const n = this.process.sys.read(this.fd, page, 0, size)
      if (n > 0) chunk = this.#cut(page, n)
      return n
    }
    this.bytesRead += await this.incoming.run('read', attempt, options)
    return chunk
  }

  /** The first `n` bytes of `page`: the page itself if they fill most of it, else a copy, so that little keeps little. */
  #cut(page: Uint8Array, n: number): Uint8Array {
    if (n * 2 < page.length) return page.slice(0, n)
    this.#page = null
    return page.subarray(0, n)
  }

  /** read(2) into `bytes`: how many, 0 at the end of the stream. `bytes` is the socket's until then. */
  async readInto(bytes: Uint8Array, options: WaitOptions = {}): Promise<number> {
    const n = await this.incoming.run('read', () => this.process.sys.read(this.fd, bytes, 0, bytes.length), options)
    this.bytesRead += n
    return n
  }

  /**
   * Exactly `length` bytes, 0 or more. Rejects with `UnexpectedEnd` if the stream ends before; what came is in it. Given
   * up by a signal or failed, the bytes that came are lost to the program.
   */
  async readExactly(length: number, options: WaitOptions = {}): Promise<Uint8Array> {
    if (!Number.isInteger(length) || length < 0) throw new RangeError(`length: not a number of bytes: ${length}`)
    const bytes = new Uint8Array(length)
    let got = 0
    const attempt = (): number => {
      while (got < length) {
        const n = this.process.sys.read(this.fd, bytes, got, length - got)
        if (n <= 0) return n
        got += n
      }
      return got
    }
    await this.incoming.run('read', attempt, options)
    this.bytesRead += got
    if (got < length) throw new UnexpectedEnd(bytes.subarray(0, got), length)
    return bytes
  }

  /** The chunks until the end of the stream. Leaving the loop early leaves the connection as it is. */
  async *chunks(options: ChunkOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const lent = options.lent === true ? new Uint8Array(checkSize(options.size ?? CHUNK_SIZE)) : null
    while (!this.isClosed) {
      let chunk: Uint8Array | null
      if (lent === null) chunk = await this.read(options)
      else {
        const n = await this.readInto(lent, options)
        chunk = n === 0 ? null : lent.subarray(0, n)
      }
      if (chunk === null) return
      yield chunk
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.chunks()
  }

  /**
   * Resolves once the send buffer has taken all of `bytes`, which are the program's again then. Given up by a signal or
   * failed, part of them may be on their way: `bytesWritten` tells. No SIGPIPE: EPIPE.
   */
  async write(bytes: Uint8Array, options: WaitOptions = {}): Promise<void> {
    const { sys } = this.process
    let done = 0
    const attempt = (): number => {
      do {
        const n = sys.send(this.fd, done === 0 ? bytes : bytes.subarray(done), MSG_NOSIGNAL, null)
        if (n < 0) return n
        done += n
        this.bytesWritten += n
      } while (done < bytes.length)
      return done
    }
    await this.outgoing.run('write', attempt, options)
  }

  /** No more will be written: after what was, the peer reads the end of the stream. Writes asked for go first. */
  async end(): Promise<void> {
    await this.outgoing.run('shutdown', () => this.process.sys.shutdown(this.fd, SHUT_WR))
  }

  /** No more will be read (SHUT_RD): a read that waits is given the end of the stream. */
  stopReading(): void {
    this.process.shutdown(this.fd, SHUT_RD)
  }

  /** Ends the connection at once, both ways, with a reset: the peer gets ECONNRESET, what was not sent is thrown away. */
  async reset(): Promise<void> {
    if (this.isClosed) return
    makeReset(this.process, this.fd)
    await this.close()
  }
}

function checkSize(size: number): number {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`size: not a number of bytes: ${size}`)
  return size
}
