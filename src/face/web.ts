/**
 * Sockets as Web Streams, in the shape of the Sockets API of WinterTC (`connect`), for TCP and AF_UNIX.
 *
 * `readable` is a byte stream (BYOB) that holds nothing back itself: bytes nobody reads stay in the socket's receive
 * buffer, and a stalled reader closes TCP's window. `writable` takes a chunk at a time; a write is done when the send buffer
 * has it. Closing the writable sends FIN, aborting it RST; cancelling the readable shuts the socket for reading.
 */

import type { Process } from '../host/process.ts'
import type { Address, AddressIn } from '../socket/address-value.ts'
import { ECANCELED, EPIPE, SystemError } from '../sys/errno.ts'
import { type Connection, type ConnectOptions, connect as connectStream } from './connection.ts'
import { type ListenOptions, listen as listenStream } from './listener.ts'

/** Bytes a read without a buffer of its own may get at once. */
const AUTO_ALLOCATE = 65536

/** What `connect` can be told. */
export interface WebConnectOptions extends ConnectOptions {
  /** The writable stays open when the peer has ended its side; false unless told otherwise. */
  readonly allowHalfOpen?: boolean
  /** TLS is none of this stack's: 'off' is all there is. */
  readonly secureTransport?: 'off'
}

/** What `listen` can be told. */
export interface WebListenOptions extends ListenOptions {
  /** As for `connect`, of every connection. */
  readonly allowHalfOpen?: boolean
}

/** A listening socket. */
export interface Listening {
  readonly sockets: ReadableStream<Socket>
  readonly localAddress: Address
  /** Ends `sockets`; connections that were accepted stay. */
  close(): Promise<void>
}

/** What `opened` tells. */
export interface SocketInfo {
  readonly localAddress: Address
  readonly remoteAddress: Address
  readonly alpn: null
}

/** Opens a connection from `process`; what goes wrong is told by `opened`, `closed` and both streams. */
export function connect(process: Process, to: AddressIn, options: WebConnectOptions = {}): Socket {
  const { secureTransport = 'off', allowHalfOpen = false } = options
  if (secureTransport !== 'off') throw new TypeError(`secureTransport: only 'off': ${String(secureTransport)}`)
  return new Socket(connectStream(process, to, options), allowHalfOpen)
}

/** Listens: a stream of sockets, which accepts as it is read. Cancelling it closes the listener. */
export function listen(process: Process, at: AddressIn, options: WebListenOptions = {}): Listening {
  const listener = listenStream(process, at, options)
  const connections = listener.connections()
  const sockets = new ReadableStream<Socket>(
    {
      async pull(controller): Promise<void> {
        const { value } = await connections.next()
        if (value === undefined) controller.close()
        else controller.enqueue(new Socket(Promise.resolve(value), options.allowHalfOpen ?? false))
      },
      cancel: () => listener.close(),
    },
    { highWaterMark: 0 },
  )
  return { sockets, localAddress: listener.localAddress, close: () => listener.close() }
}

/** A connection as a pair of streams (WinterTC, `Socket`). */
export class Socket {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
  /** Settles with the addresses once connected, or rejects with what `connect` failed with. */
  readonly opened: Promise<SocketInfo>
  /** Settles when both directions have ended and the descriptor is closed; rejects with what broke the connection. */
  readonly closed: Promise<void>
  readonly secureTransport = 'off'
  readonly upgraded = false
  readonly #connection: Promise<Connection>
  readonly #allowHalfOpen: boolean
  #reading!: ReadableByteStreamController
  #writing!: WritableStreamDefaultController
  #isReadOver = false
  #isWriteOver = false
  #isOver = false
  #resolveClosed!: () => void
  #rejectClosed!: (reason: unknown) => void

  constructor(connection: Promise<Connection>, allowHalfOpen: boolean) {
    this.#connection = connection
    this.#allowHalfOpen = allowHalfOpen
    this.closed = new Promise((resolve, reject) => {
      this.#resolveClosed = resolve
      this.#rejectClosed = reject
    })
    this.readable = new ReadableStream({
      type: 'bytes',
      autoAllocateChunkSize: AUTO_ALLOCATE,
      start: (controller) => {
        this.#reading = controller
      },
      pull: () => this.#pull(),
      cancel: () => this.#cancel(),
    })
    this.writable = new WritableStream({
      start: (controller) => {
        this.#writing = controller
      },
      write: (chunk) => this.#write(chunk),
      close: () => this.#finish(),
      abort: (reason) => this.#fail(reason),
    })
    this.opened = connection.then(({ localAddress, remoteAddress }) => ({ localAddress, remoteAddress, alpn: null }))
    // Whoever does not ask is not bothered by an unhandled rejection.
    this.opened.catch((reason) => this.#fail(reason))
    this.closed.catch(() => {})
  }

  /**
   * Closes the socket: what the send buffer has taken still goes out, what the streams hold does not, and what nobody has
   * read is thrown away (with a reset if there was some, as close(2) does). Gives `closed`.
   */
  close(reason: unknown = new SystemError('close', ECANCELED)): Promise<void> {
    if (!this.#isOver) {
      this.#isOver = true
      this.#endReadable()
      this.#writing.error(reason)
      void this.#release(this.#resolveClosed)
    }
    return this.closed
  }

  async #pull(): Promise<void> {
    try {
      const connection = await this.#connection
      const view = this.#reading.byobRequest?.view
      if (view === undefined || view === null) return
      const n = await connection.readInto(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
      if (this.#isReadOver) return
      if (n > 0) this.#reading.byobRequest?.respond(n)
      else {
        this.#endReadable()
        await this.#endOfStream(connection)
      }
    } catch (error) {
      await this.#fail(error)
    }
  }

  /** The readable has no more to give; a read that waits learns it. */
  #endReadable(): void {
    if (this.#isReadOver) return
    this.#isReadOver = true
    this.#reading.close()
    this.#reading.byobRequest?.respond(0)
  }

  /** The peer has ended its side: so do we, unless half-open is wanted. */
  async #endOfStream(connection: Connection): Promise<void> {
    if (this.#isWriteOver) await this.#bothOver()
    else if (this.#allowHalfOpen) return
    else if (!this.writable.locked) await this.writable.close()
    else {
      // Somebody else has the writer: what was written goes out, what is written from now on fails.
      await connection.end()
      this.#writing.error(new SystemError('write', EPIPE))
      this.#isWriteOver = true
      await this.#bothOver()
    }
  }

  async #cancel(): Promise<void> {
    this.#isReadOver = true
    const connection = await this.#connection
    if (this.#isWriteOver) await this.#bothOver()
    else if (!connection.isClosed) connection.stopReading()
  }

  async #write(chunk: unknown): Promise<void> {
    const bytes = toBytes(chunk)
    try {
      const connection = await this.#connection
      // An abort does not wait for a write that waits. (The type is of an older standard than Node.)
      const { signal } = this.#writing as { signal?: AbortSignal }
      await connection.write(bytes, { signal })
    } catch (error) {
      await this.#fail(error)
      throw error
    }
  }

  async #finish(): Promise<void> {
    const connection = await this.#connection
    await connection.end()
    this.#isWriteOver = true
    if (this.#isReadOver) await this.#bothOver()
  }

  async #bothOver(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    await this.#release(this.#resolveClosed)
  }

  /** The connection is broken, or to be: both streams end in `reason`, the peer gets a reset. */
  async #fail(reason: unknown): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    if (!this.#isReadOver) this.#reading.error(reason)
    this.#isReadOver = true
    this.#writing.error(reason)
    await this.#release(() => this.#rejectClosed(reason), true)
  }

  /** Gives the descriptor back and tells `closed`. A connection that never was has nothing to give back. */
  async #release(settle: () => void, reset = false): Promise<void> {
    try {
      const connection = await this.#connection
      await (reset ? connection.reset() : connection.close())
    } catch {
      // `opened` has told.
    }
    settle()
  }
}

/** The bytes of a chunk: any view or buffer. */
function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  throw new TypeError(`chunk: not bytes: ${String(chunk)}`)
}
