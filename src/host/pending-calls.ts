/** The calls that may sleep, each with what it remembers while it does (the loops of tcp_recvmsg, tcp_sendmsg, …). */
import { AF_INET, AF_UNSPEC, SockAddr } from '../sock/address.ts'
import { MSG_NOSIGNAL, MSG_PEEK } from '../sock/constants.ts'
import { Message, RCV_SHUTDOWN, SEND_SHUTDOWN, type Sock, TCP_CLOSE } from '../sock/sock.ts'
import { endZeroCopy } from '../sock/zerocopy.ts'
import { type AddressOut, writeAddress } from '../socket/address-value.ts'
import type { Calls } from '../socket/calls.ts'
import type { MessageCall } from '../socket/msghdr.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { type SocketFile, SS_UNCONNECTED } from '../socket/socket-file.ts'
import type { Clock } from '../sys/clock.ts'
import { EAGAIN, EALREADY, ECONNABORTED, EINPROGRESS, EINTR, EISCONN, EPIPE } from '../sys/errno.ts'
import type { Pace } from './pace.ts'
import { PendingCall, type Sleepers } from './pending.ts'
import type { Signals } from './signals.ts'

/** Records of finished calls kept for the next. */
const MAX_FREE = 8

/** What the calls of one process share. */
export interface CallContext {
  readonly sys: Calls
  readonly clock: Clock
  readonly sleepers: Sleepers
  /** Lets others run after many calls that completed at once. */
  readonly pace: Pace
  readonly signals: Signals
  /** Delivers signals that came of a call before it returns its result. */
  afterCall(result: number | Promise<number>): number | Promise<number>
  /** The process: whether it has ended. */
  readonly owner: { readonly isOver: boolean }
  /** Sends SIGPIPE: a stream's reader is gone. */
  brokenPipe(): void
  /** Gives a result >= 0 back, throws the error of another. */
  finish(call: string, result: number, address: SockAddr | null): number
}

/** A pending call of a process. */
abstract class ProcessCall extends PendingCall {
  declare readonly context: CallContext

  constructor(context: CallContext) {
    super(context.clock, context.sleepers)
    this.context = context
  }

  protected override finish(result: number): number {
    return this.context.finish(this.call, result, null)
  }
}

/** read, recv, recvfrom on a socket. */
export class PendingReceive extends ProcessCall {
  file: SocketFile | null = null
  bytes: Uint8Array | null = null
  offset = 0
  length = 0
  flags = 0
  from: AddressOut | null = null
  /** Bytes received so far, and how many make it worth waking the program (SO_RCVLOWAT, MSG_WAITALL). */
  got = 0
  least = 0
  readonly #message: Message = new Message()
  readonly #name: SockAddr = new SockAddr()
  readonly #free: PendingReceive[]

  /** The record goes back to `free` when its call is over. */
  constructor(context: CallContext, free: PendingReceive[]) {
    super(context)
    this.#free = free
  }

  /** What came is all that one call may get, however little. */
  get isComplete(): boolean {
    return false
  }

  /** One try: bytes, or -errno. */
  receive(sock: Sock, offset: number, length: number): number {
    const bytes = this.bytes as Uint8Array
    if (this.from === null) return sock.receive(bytes, offset, length, this.flags, null)
    const message = this.#message
    const name = this.#name
    message.name = name
    message.flags = 0
    name.family = AF_UNSPEC
    const result = sock.receive(bytes, offset, length, this.flags, message)
    if (result >= 0) writeAddress(name, this.from)
    return result
  }

  protected override attempt(): number {
    const file = this.file as SocketFile
    const { sock } = file
    // What came before an error counts first; the next call gets the error.
    if (this.got > 0 && sock.error !== 0) return this.got
    const seen = (this.flags & MSG_PEEK) !== 0 ? 0 : this.got
    const result = this.receive(sock, this.offset + seen, this.length - seen)
    const isShut = (sock.shutdownMask & RCV_SHUTDOWN) !== 0
    if (result === -EAGAIN && this.got > 0 && this.isComplete) return this.got
    // A datagram socket shut down for reading has nothing to wait for (__skb_wait_for_more_packets).
    if (result === -EAGAIN) return isShut && !file.isStream ? 0 : -EAGAIN
    if (result <= 0) return this.got > 0 ? this.got : result
    this.got = seen + result
    return this.got >= this.least || isShut || this.isComplete ? this.got : -EAGAIN
  }

  protected override expire(): number {
    return this.got > 0 ? this.got : -EAGAIN
  }

  protected override interrupted(): number {
    return this.got > 0 ? this.got : -EINTR
  }

  protected override letGo(): void {
    super.letGo()
    this.forget()
    if (this.#free.length < MAX_FREE) this.#free.push(this)
  }

  /** Holds on to nothing of the caller's. */
  forget(): void {
    this.file = null
    this.bytes = null
    this.from = null
  }
}

/** A send that failed with `result` raises SIGPIPE: on streams, unless MSG_NOSIGNAL forbids it (send(2)). */
export const isBrokenPipe = (result: number, isStream: boolean, flags: number): boolean =>
  result === -EPIPE && isStream && (flags & MSG_NOSIGNAL) === 0

/** write, send, sendto on a socket: everything, unless something goes wrong on the way. */
export class PendingSend extends ProcessCall {
  file: SocketFile | null = null
  bytes: Uint8Array | null = null
  offset = 0
  length = 0
  flags = 0
  isStream = false
  to: SockAddr | null = null
  message: MessageCall | null = null
  /** The message sent, or what holds the notification of MSG_ZEROCOPY. */
  carried: Message | null = null
  sent = 0

  protected override attempt(): number {
    const file = this.file as SocketFile
    const { sock } = file
    if (this.sent > 0 && (sock.error !== 0 || (sock.shutdownMask & SEND_SHUTDOWN) !== 0)) return this.sent
    // A pending error comes before what the socket's state says (sk_stream_error, sock_alloc_send_pskb).
    if (sock.error !== 0) return -sock.takeError()
    const result = file.send(
      this.bytes as Uint8Array,
      this.offset + this.sent,
      this.length - this.sent,
      this.flags,
      this.to,
      this.carried,
    )
    if (result < 0) return result !== -EAGAIN && this.sent > 0 ? this.sent : result
    this.sent += result
    return this.sent === this.length ? this.sent : -EAGAIN
  }

  protected override expire(): number {
    return this.sent > 0 ? this.sent : -EAGAIN
  }

  protected override interrupted(): number {
    return this.sent > 0 ? this.sent : -EINTR
  }

  protected override finish(result: number): number {
    if (isBrokenPipe(result, this.isStream, this.flags)) this.context.brokenPipe()
    return super.finish(result)
  }

  protected override letGo(): void {
    super.letGo()
    const { file, carried } = this
    if (file !== null && carried !== null) endZeroCopy(file.sock, carried)
    this.file = null
    this.bytes = null
    this.message?.endSend()
    this.message = this.carried = null
  }
}

/** read and write on a file that is no socket; a write goes on until everything is written. */
export class PendingTransfer extends ProcessCall {
  readonly #file: OpenFile
  readonly #bytes: Uint8Array
  readonly #offset: number
  readonly #length: number
  /** Bytes written before it slept. */
  done = 0
  #isBroken = false

  // biome-ignore format: one line
  constructor(context: CallContext, call: 'read' | 'write', file: OpenFile, bytes: Uint8Array, offset: number, length: number) {
    super(context)
    this.call = call
    this.#file = file
    this.#bytes = bytes
    this.#offset = offset
    this.#length = length
  }

  protected override attempt(): number {
    const file = this.#file
    if (this.call === 'read') return file.read(this.#bytes, this.#offset, this.#length)
    const result = file.write(this.#bytes, this.#offset + this.done, this.#length - this.done)
    this.#isBroken = result === -EPIPE
    if (result < 0) return result !== -EAGAIN && this.done > 0 ? this.done : result
    this.done += result
    return this.done < this.#length ? -EAGAIN : this.done
  }

  protected override interrupted(): number {
    return this.done > 0 ? this.done : -EINTR
  }

  protected override finish(result: number): number {
    if (this.#isBroken) this.context.brokenPipe()
    return super.finish(result)
  }
}

/** accept, accept4: the new descriptor's number is reserved while it sleeps. */
export class PendingAccept extends ProcessCall {
  file: SocketFile | null = null
  to = -1
  flags = 0
  peer: AddressOut | null = null
  readonly #name: SockAddr = new SockAddr()
  readonly #free: PendingAccept[]

  /** The record goes back to `free` when its call is over. */
  constructor(context: CallContext, free: PendingAccept[]) {
    super(context)
    this.#free = free
  }

  override attempt(): number {
    return this.context.sys.acceptInto(
      this.file as SocketFile,
      this.to,
      this.flags,
      this.peer === null ? null : this.#name,
    )
  }

  /** Also for a call that did not sleep. */
  override finish(result: number): number {
    if (result < 0) this.context.sys.files.cancel(this.to)
    else if (this.peer !== null) writeAddress(this.#name, this.peer)
    this.peer = null
    return this.context.finish(this.call, result, null)
  }

  protected override letGo(): void {
    super.letGo()
    // Its thread may have been ended: the number is free again, unless the new connection has it.
    this.context.sys.files.cancel(this.to)
    this.file = null
    if (this.#free.length < MAX_FREE) this.#free.push(this)
  }
}

/** connect (inet_wait_for_connect). */
export class PendingConnect extends ProcessCall {
  file: SocketFile | null = null
  readonly to: SockAddr = new SockAddr()
  /** -EINPROGRESS or -EALREADY: the answer if the time is over. */
  answer = 0
  readonly #free: PendingConnect[]

  /** The record goes back to `free` when its call is over. */
  constructor(context: CallContext, free: PendingConnect[]) {
    super(context)
    this.#free = free
  }

  protected override attempt(): number {
    const file = this.file as SocketFile
    // Taken apart meanwhile, by shutdown(2) or connect(2) with AF_UNSPEC. Local sockets try again until they are connected.
    const isOver = file.state === SS_UNCONNECTED && file.sock.family === AF_INET && file.sock.state === TCP_CLOSE
    if (isOver) return -(file.sock.takeError() || ECONNABORTED)
    const answer = file.connect(this.to)
    if (answer === -EALREADY || answer === -EINPROGRESS) return -EAGAIN
    // Somebody else who waited for the same connection heard of it first.
    return answer === -EISCONN ? 0 : answer
  }

  protected override expire(): number {
    return this.answer
  }

  protected override finish(result: number): number {
    return this.context.finish('connect', result, this.to)
  }

  protected override letGo(): void {
    super.letGo()
    this.file = null
    if (this.#free.length < MAX_FREE) this.#free.push(this)
  }
}

/** close with SO_LINGER and a time: until the peer has acknowledged everything. */
export class PendingClose extends ProcessCall {
  readonly #file: SocketFile

  constructor(context: CallContext, file: SocketFile) {
    super(context)
    this.call = 'close'
    this.#file = file
  }

  protected override attempt(): number {
    return this.#file.isLingering ? -EAGAIN : 0
  }

  protected override expire(): number {
    return 0
  }

  /** The descriptor is gone already: what is left goes on alone. */
  protected override interrupted(): number {
    return 0
  }
}
