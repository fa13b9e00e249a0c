/**
 * A connected socket of one of our hosts as a `stream.Duplex` with the face of Node's `net.Socket`, so that Node's own
 * http module and whatever else takes a connection runs on it.
 *
 * One entry in the socket's wait queue and one task of the clock do all the work: the stream is never called from
 * within packet processing, and no promise is made for a read or a write. The rest of `net` is not here.
 */
import { Duplex } from 'node:stream'
import * as ip4 from '../addr/ip4.ts'
import type { Process } from '../host/process.ts'
import { AF_INET, SockAddr } from '../sock/address.ts'
import {
  MSG_MORE,
  SHUT_WR,
  SO_KEEPALIVE,
  SO_LINGER,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from '../sock/constants.ts'
import type { OptionValue, Sock } from '../sock/sock.ts'
import { POLLERR, POLLHUP, POLLOUT, type Waiter } from '../sock/wait-queue.ts'
import { setOption } from '../socket/options.ts'
import type { SocketFile } from '../socket/socket-file.ts'
import { type Clock, Task, Timer } from '../sys/clock.ts'
import { EAGAIN, EINPROGRESS, ENOTCONN, SystemError } from '../sys/errno.ts'
import { TaskWaiter } from './task-waiter.ts'

/** Bytes read at once; small reads share one such piece. */
const READ_SIZE = 65536
/** A piece with less room than this is not read into any more. */
const READ_LEAST = 8192
/** Reads in one turn before others get theirs. */
const READ_BUDGET = 8
/** Bytes a stream holds before it asks its user to wait, each way. */
const HIGH_WATER = 65536

type Callback = (error?: Error | null) => void

/** Something happened to the socket: look at it in the clock's next batch of tasks. */
class SocketTask extends Task {
  readonly waiter: Waiter
  readonly #work: () => boolean
  constructor(clock: Clock, work: () => boolean) {
    super()
    this.#work = work
    this.waiter = new TaskWaiter(clock, this)
  }
  override run(): boolean {
    return this.#work()
  }
}

class IdleTimer extends Timer {
  readonly #fire: () => void
  constructor(fire: () => void) {
    super()
    this.#fire = fire
  }
  override fire(): void {
    this.#fire()
  }
}

/** Where to connect to, as `net.connect` takes it. */
export interface ConnectOptions {
  readonly port: number
  /** An IPv4 address; 127.0.0.1 unless told otherwise. */
  readonly host?: string
  readonly localAddress?: string
  readonly localPort?: number
  readonly allowHalfOpen?: boolean
}

/** What `SockeyeSocket` is made from. */
export interface SocketOptions {
  /** The peer's FIN does not end our side: as `net`'s option. */
  readonly allowHalfOpen?: boolean
}

export class SockeyeSocket extends Duplex {
  /** A connection is being made. */
  connecting: boolean
  bytesRead = 0
  bytesWritten = 0
  /** Milliseconds of `setTimeout`; 0: none. */
  timeout = 0
  readonly #file: SocketFile
  readonly #sock: Sock
  readonly #clock: Clock
  readonly #task: SocketTask
  readonly #idle: IdleTimer = new IdleTimer(() => this.emit('timeout'))
  readonly #local: SockAddr = new SockAddr()
  readonly #remote: SockAddr = new SockAddr()
  /** The user wants bytes. */
  #isReading = false
  #sawEnd = false
  #piece: Buffer = Buffer.alloc(0)
  #pieceUsed = 0
  /** Bytes being written, from #writeAt on; and what to call when they are gone. */
  #writing: readonly Buffer[] = []
  #writeIndex = 0
  #writeAt = 0
  #written: Callback | null = null
  #closed = false
  #holds = false

  /** Takes over `file` and its reference: a connected (or connecting) stream socket. */
  constructor(file: SocketFile, clock: Clock, options: SocketOptions = {}) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      readableHighWaterMark: HIGH_WATER,
      writableHighWaterMark: HIGH_WATER,
      decodeStrings: true,
      emitClose: true,
    })
    this.#file = file
    this.#sock = file.sock
    this.#clock = clock
    this.connecting = false
    this.#task = new SocketTask(clock, () => this.#look())
    this.#sock.getName(false, this.#local)
    this.#sock.getName(true, this.#remote)
    file.wait.add(this.#task.waiter)
    this.ref()
  }

  /** A connection of `process` to somewhere; 'connect' or 'error' tell the outcome. Throws what socket(2) or bind(2) say. */
  static connect(process: Process, options: ConnectOptions): SockeyeSocket {
    const fd = process.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
    const { localAddress, localPort, host = '127.0.0.1', port } = options
    if (localAddress !== undefined || localPort !== undefined) {
      try {
        process.bind(fd, { address: localAddress ?? '0.0.0.0', port: localPort ?? 0 })
      } catch (error) {
        process.sys.close(fd)
        throw error
      }
    }
    const address = ip4.parse(host)
    if (address === undefined) throw new TypeError(`host: not an IPv4 address: ${host}`)
    const socket = new SockeyeSocket(process.files.take(fd) as SocketFile, process.host.clock, options)
    socket.#connect(new SockAddr(AF_INET, address, port))
    return socket
  }

  #connect(to: SockAddr): void {
    this.connecting = true
    this.#remote.family = to.family
    this.#remote.address = to.address
    this.#remote.port = to.port
    const result = this.#file.connect(to)
    if (result < 0 && result !== -EINPROGRESS) {
      // As net: never an event before the caller could listen.
      process.nextTick(() => this.destroy(this.#error('connect', result)))
      return
    }
    this.#sock.getName(false, this.#local)
    if (result === 0) this.#clock.defer(this.#task)
  }

  // ---- The peers' names, as net.Socket has them ----

  get remoteAddress(): string | undefined {
    return this.#closed ? undefined : ip4.format(this.#remote.address)
  }
  get remotePort(): number | undefined {
    return this.#closed ? undefined : this.#remote.port
  }
  get remoteFamily(): string | undefined {
    return this.#closed ? undefined : 'IPv4'
  }
  get localAddress(): string | undefined {
    return this.#closed ? undefined : ip4.format(this.#local.address)
  }
  get localPort(): number | undefined {
    return this.#closed ? undefined : this.#local.port
  }
  get localFamily(): string | undefined {
    return this.#closed ? undefined : 'IPv4'
  }
  address(): { address: string; port: number; family: string } | Record<string, never> {
    if (this.#closed) return {}
    return { address: ip4.format(this.#local.address), port: this.#local.port, family: 'IPv4' }
  }
  get pending(): boolean {
    return this.connecting
  }
  get readyState(): string {
    if (this.connecting) return 'opening'
    if (this.readable && this.writable) return 'open'
    return this.readable ? 'readOnly' : this.writable ? 'writeOnly' : 'closed'
  }
  get bufferSize(): number {
    return this.writableLength
  }

  // ---- Options ----

  setNoDelay(on: boolean = true): this {
    return this.#set(SOL_TCP, TCP_NODELAY, on ? 1 : 0)
  }

  /** SO_KEEPALIVE; `initialDelay` in milliseconds before the first probe. */
  setKeepAlive(on: boolean = false, initialDelay: number = 0): this {
    if (on && initialDelay >= 1000) this.#set(SOL_TCP, TCP_KEEPIDLE, Math.floor(initialDelay / 1000))
    return this.#set(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0)
  }

  #set(level: number, name: number, value: OptionValue): this {
    if (!this.#closed) setOption(this.#sock, level, name, value)
    return this
  }

  /** Emits 'timeout' after `ms` without traffic; 0 ends that. */
  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms
    if (ms === 0) this.#clock.stop(this.#idle)
    else this.#touch()
    if (callback !== undefined) {
      if (ms === 0) this.removeListener('timeout', callback)
      else this.once('timeout', callback)
    }
    return this
  }

  #touch(): void {
    if (this.timeout > 0 && !this.#closed) this.#clock.start(this.#idle, this.#clock.now() + this.timeout * 1000)
  }

  /** The open socket holds the process again, where the clock can do that. */
  ref(): this {
    if (!this.#holds && !this.#closed) {
      this.#holds = true
      holder(this.#clock).ref?.()
    }
    return this
  }

  unref(): this {
    if (this.#holds) {
      this.#holds = false
      holder(this.#clock).unref?.()
    }
    return this
  }

  /** Ends our side and lets go of the socket once everything is written. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** Closes with a RST. */
  resetAndDestroy(): this {
    this.#set(SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 })
    return this.destroy()
  }

  // ---- The stream ----

  override _read(): void {
    this.#isReading = true
    if (!this.connecting && !this.#sawEnd) this.#clock.defer(this.#task)
  }

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    this.#start([chunk], callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    this.#start(
      chunks.map((c) => c.chunk),
      callback,
    )
  }

  #start(buffers: readonly Buffer[], callback: Callback): void {
    this.#writing = buffers
    this.#writeIndex = this.#writeAt = 0
    this.#written = callback
    if (!this.connecting) this.#flush()
  }

  override _final(callback: Callback): void {
    if (this.connecting) {
      this.once('connect', () => this._final(callback))
      return
    }
    const result = this.#sock.shutdown(SHUT_WR)
    callback(result < 0 && result !== -ENOTCONN ? this.#error('shutdown', result) : null)
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (!this.#closed) {
      this.unref()
      this.#closed = true
      this.connecting = false
      this.#file.wait.remove(this.#task.waiter)
      this.#clock.remove(this.#idle)
      this.#file.unref()
      this.#writing = []
      const written = this.#written
      this.#written = null
      written?.(error)
    }
    callback(error)
  }

  /** The task: writes what waits, reads what is wanted; true to come again. */
  #look(): boolean {
    if (this.#closed) return false
    this.#clock.noteWakeup()
    if (this.connecting && !this.#finishConnect()) return false
    if (this.#written !== null) this.#flush()
    return this.#closed || this.#sawEnd ? false : this.#fill()
  }

  /** Has the handshake ended, and how? */
  #finishConnect(): boolean {
    const ready = this.#sock.poll()
    if ((ready & (POLLOUT | POLLERR | POLLHUP)) === 0) return false
    const errno = this.#sock.takeError()
    if (errno !== 0) {
      this.destroy(this.#error('connect', errno))
      return false
    }
    this.#file.connect(this.#remote)
    this.connecting = false
    this.#sock.getName(false, this.#local)
    this.#touch()
    this.emit('connect')
    this.emit('ready')
    return !this.#closed
  }

  /** Writes until all is taken or the socket's buffer is full. */
  #flush(): void {
    while (this.#writeIndex < this.#writing.length) {
      const buffer = this.#writing[this.#writeIndex] as Buffer
      const flags = this.#writeIndex + 1 < this.#writing.length ? MSG_MORE : 0
      const left = buffer.length - this.#writeAt
      const n = left === 0 ? 0 : this.#sock.send(buffer, this.#writeAt, left, flags, null)
      if (n === -EAGAIN) return
      if (n < 0) {
        this.#endWrite(this.#error('write', n))
        return
      }
      this.#touch()
      this.bytesWritten += n
      this.#writeAt += n
      if (this.#writeAt < buffer.length) {
        // Taken in part: asking again arms the wake-up that comes when there is room.
        if (n > 0) continue
        return
      }
      this.#writeIndex++
      this.#writeAt = 0
    }
    this.#endWrite(null)
  }

  #endWrite(error: Error | null): void {
    const written = this.#written
    this.#written = null
    this.#writing = []
    written?.(error)
  }

  /** Reads until the user has enough, there is nothing more, or others should have their turn. */
  #fill(): boolean {
    for (let budget = READ_BUDGET; this.#isReading && budget > 0; budget--) {
      if (this.#piece.length - this.#pieceUsed < READ_LEAST) {
        this.#piece = Buffer.allocUnsafeSlow(READ_SIZE)
        this.#pieceUsed = 0
      }
      const at = this.#pieceUsed
      const n = this.#file.read(this.#piece, at, this.#piece.length - at)
      if (n === -EAGAIN) return false
      if (n < 0) {
        this.destroy(this.#error('read', n))
        return false
      }
      this.#touch()
      if (n === 0) {
        this.#sawEnd = true
        this.push(null)
        // Nobody may be there to notice an end that is not read for.
        if (this.readableLength === 0) this.read(0)
        return false
      }
      this.bytesRead += n
      this.#pieceUsed = at + n
      if (!this.push(this.#piece.subarray(at, at + n))) this.#isReading = false
      if (this.#closed) return false
    }
    return this.#isReading
  }

  #error(call: string, errno: number): SystemError {
    if (call !== 'connect') return new SystemError(call, errno)
    return new SystemError(call, errno, ip4.format(this.#remote.address), this.#remote.port)
  }
}

/** `RealClock` can hold the process; other clocks have nothing to hold. */
const holder = (clock: Clock): { ref?(): void; unref?(): void } => clock as { ref?(): void; unref?(): void }
