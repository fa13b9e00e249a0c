/**
 * splice(2) and tee(2) (fs/splice.c): bytes go between a pipe and a pipe, a socket or a file without the program's seeing
 * them. `Splice` is one call, for programs and for scripts of packetdrill: `step` goes as far as it can.
 */
import { S_IFMT, S_IFREG } from '../fs/mode.ts'
import { Span } from '../fs/regular.ts'
import { AF_UNIX } from '../sock/address.ts'
import { MSG_DONTWAIT, MSG_MORE, SPLICE_F_MORE, SPLICE_F_NONBLOCK } from '../sock/constants.ts'
import { IoVec } from '../sock/message.ts'
import { Message, RCV_SHUTDOWN } from '../sock/sock.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { SocketFile } from '../socket/socket-file.ts'
import type { Clock } from '../sys/clock.ts'
import { EAGAIN, EINTR, EINVAL, EPIPE } from '../sys/errno.ts'
import { READ_EVENTS, WRITE_EVENTS } from './blocking.ts'
import type { Sleepers } from './pending.ts'
import { isBrokenPipe } from './pending-calls.ts'
import { PIPE_BUF, type Pipe, PipeReader, PipeWriter } from './pipe.ts'
import { PendingWatch } from './poll.ts'

/** Pages that go to a socket as one message (splice_to_socket). */
const PAGES_A_MESSAGE = 16

/** It has places; those of devices stay where they are. */
const isRegular = ({ mode }: OpenFile): boolean => (mode & S_IFMT) === S_IFREG

/** What one call is about. */
export interface SpliceArguments {
  readonly from: OpenFile
  readonly out: OpenFile
  readonly length: number
  readonly flags: number
  /** Where in a file that is no pipe: of `from` or of `out`. */
  readonly position?: number
  /** tee(2): the bytes stay in `from` too. */
  readonly isTee?: boolean
}

export class Splice {
  readonly from: OpenFile
  readonly out: OpenFile
  /** Where the file that is no pipe goes on. */
  position: number
  /** Bytes moved. */
  done = 0
  /** After -EAGAIN: it would sleep, and may. */
  maySleep = false
  #left: number
  readonly #flags: number
  readonly #isTee: boolean
  readonly #message: Message = new Message()
  #bytes: Uint8Array = new Uint8Array(0)

  constructor({ from, out, length, flags, position = 0, isTee = false }: SpliceArguments) {
    this.from = from
    this.out = out
    this.position = position
    this.#left = length
    this.#flags = flags
    this.#isTee = isTee
  }

  /** All that can be done now: bytes moved by the call so far, -errno, or -EAGAIN, with `maySleep`. */
  step(): number {
    const { from, out } = this
    this.maySleep = false
    if (from instanceof PipeReader && out instanceof PipeWriter) return this.#pipeToPipe(from.pipe, out.pipe)
    if (from instanceof PipeReader) return this.#fromPipe(from.pipe)
    return out instanceof PipeWriter ? this.#toPipe(out.pipe) : -EINVAL
  }

  get #isNonBlocking(): boolean {
    return (this.#flags & SPLICE_F_NONBLOCK) !== 0
  }

  #moved(length: number): void {
    this.done += length
    this.#left -= length
  }

  /** There is nothing, or no room. */
  #wait(maySleep: boolean): number {
    if (!maySleep && this.done > 0) return this.done
    this.maySleep = maySleep
    return -EAGAIN
  }

  /** What was moved before counts, and the next call meets the error. */
  #stopped(result: number): number {
    return this.done > 0 ? this.done : result
  }

  /** splice_pipe_to_pipe, link_pipe. */
  #pipeToPipe(from: Pipe, to: Pipe): number {
    const maySleep = !this.#isNonBlocking && !this.from.isNonBlocking && !this.out.isNonBlocking
    if (from.isEmpty && from.writers > 0) return this.#wait(maySleep)
    if (to.readers === 0) return -EPIPE
    if (to.isFull) return this.#wait(maySleep)
    const copied = from.copyTo(to, this.#left)
    if (!this.#isTee) from.drop(copied)
    return copied
  }

  #fromPipe(pipe: Pipe): number {
    if (!this.out.canSpliceTo) return -EINVAL
    while (this.#left > 0) {
      if (pipe.isEmpty) {
        if (pipe.writers === 0 || this.done > 0) return this.done
        return this.#wait(!this.#isNonBlocking && !this.from.isNonBlocking)
      }
      const given = this.out instanceof SocketFile ? this.#send(pipe, this.out) : this.#write(pipe)
      if (given === -EAGAIN) return this.#wait(!this.out.isNonBlocking)
      if (given <= 0) return this.#stopped(given)
      pipe.drop(given)
      this.#moved(given)
    }
    return this.done
  }

  /** One message (splice_to_socket). */
  #send(pipe: Pipe, out: SocketFile): number {
    const parts = pipe.parts(this.#left, PAGES_A_MESSAGE)
    const iov = new IoVec(parts)
    const isMore = (this.#flags & SPLICE_F_MORE) !== 0 || (this.#left > iov.length && pipe.unread > iov.length)
    this.#message.iov = iov
    const flags = (isMore ? MSG_MORE : 0) | (out.isNonBlocking ? MSG_DONTWAIT : 0)
    return out.send(this.#bytes, 0, iov.length, flags, null, this.#message)
  }

  #write(pipe: Pipe): number {
    const { out } = this
    const [part] = pipe.parts(this.#left, 1) as [Uint8Array]
    const written = out.pwrite(this.position, part, 0, part.length)
    if (written > 0 && isRegular(out)) this.position += written
    return written
  }

  /** What is there, as far as the pipe has room (splice_file_to_pipe). */
  #toPipe(pipe: Pipe): number {
    if (pipe.readers === 0) return -EPIPE
    if (pipe.isFull) return this.#wait(!this.#isNonBlocking && !this.out.isNonBlocking)
    const length = Math.min(this.#left, pipe.room)
    return this.from instanceof SocketFile ? this.#receive(pipe, this.from, length) : this.#read(pipe, length)
  }

  #receive(pipe: Pipe, file: SocketFile, length: number): number {
    const { sock, isStream } = file
    // Of sockets only local streams look at the flag (unix_stream_splice_read).
    const heedsFlag = isStream && sock.family === AF_UNIX
    const isNow = file.isNonBlocking || sock.rcvTimeout < 0 || (this.#isNonBlocking && heedsFlag)
    const bytes = this.#scratch(length)
    const result = sock.splice(bytes, 0, length, isNow)
    if (result === -EAGAIN) {
      const isOver = !isStream && (sock.shutdownMask & RCV_SHUTDOWN) !== 0
      return isOver && !isNow ? 0 : this.#wait(!isNow)
    }
    if (result <= 0) return result
    pipe.fill(bytes, 0, result, 0)
    return result
  }

  /** From a file; the pages of a regular one are pages in the pipe. */
  #read(pipe: Pipe, length: number): number {
    const { from, position } = this
    const refused = from.spanAt(position, new Span())
    if (refused < 0) return refused
    const skew = isRegular(from) ? position % PIPE_BUF : 0
    const bytes = this.#scratch(Math.min(length, pipe.room - skew))
    const result = from.pread(position, bytes, 0, bytes.length)
    if (result <= 0) return result
    pipe.fill(bytes, 0, result, skew)
    if (isRegular(from)) this.position += result
    return result
  }

  #scratch(length: number): Uint8Array {
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length)
    return this.#bytes.subarray(0, length)
  }
}

/** A splice or tee that sleeps, woken by either end. */
export class PendingSplice extends PendingWatch {
  readonly #splice: Splice
  readonly #brokenPipe: () => void
  readonly #ended: () => void
  #isTimed = false

  /** `brokenPipe` is told of an -EPIPE, `ended` that it is over, slept or not. */
  constructor(
    call: string,
    {
      clock,
      sleepers,
      brokenPipe,
    }: { readonly clock: Clock; readonly sleepers: Sleepers; readonly brokenPipe: () => void },
    splice: Splice,
    ended: () => void,
  ) {
    super(clock, sleepers)
    this.call = call
    this.#splice = splice
    this.#brokenPipe = brokenPipe
    this.#ended = ended
  }

  /** The whole call. */
  start(): number | Promise<number> {
    const { from, out } = this.#splice
    const result = this.#splice.step()
    if (result !== -EAGAIN || !this.#splice.maySleep) {
      this.#ended()
      return this.finish(result)
    }
    const timeout =
      from instanceof SocketFile ? from.sock.rcvTimeout : out instanceof SocketFile ? out.sock.sndTimeout : 0
    this.#isTimed = timeout > 0
    this.watch(from, READ_EVENTS)
    this.watch(out, WRITE_EVENTS)
    return this.begin(this.#isTimed ? timeout : Infinity)
  }

  override get restarts(): boolean {
    return !this.#isTimed
  }

  protected override attempt(): number {
    const result = this.#splice.step()
    if (result === -EAGAIN && !this.#splice.maySleep) this.end(result)
    return result
  }

  protected override expire(): number {
    return this.#splice.done > 0 ? this.#splice.done : -EAGAIN
  }

  protected override interrupted(): number {
    return this.#splice.done > 0 ? this.#splice.done : -EINTR
  }

  protected override finish(result: number): number {
    const { out } = this.#splice
    if (isBrokenPipe(result, out instanceof PipeWriter || (out instanceof SocketFile && out.isStream), 0))
      this.#brokenPipe()
    return super.finish(result)
  }

  protected override letGo(): void {
    super.letGo()
    this.#ended()
  }
}
