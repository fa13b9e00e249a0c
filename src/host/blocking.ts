/**
 * What makes calls block: the raw call first, and if it would have to wait on a blocking descriptor, a pending call that
 * tries again when woken. The records of calls that sleep are used again, one of each kind a process.
 */
import { AF_UNIX, SIZEOF_SOCKADDR_STORAGE, type SockAddr } from '../sock/address.ts'
import { MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK, MSG_WAITALL, MSG_ZEROCOPY } from '../sock/constants.ts'
import { Message, RCV_SHUTDOWN } from '../sock/sock.ts'
import { READABLE, WRITABLE } from '../sock/wait-queue.ts'
import type { AddressOut } from '../socket/address-value.ts'
import type { Calls } from '../socket/calls.ts'
import type { MessageCall } from '../socket/msghdr.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { SocketFile } from '../socket/socket-file.ts'
import { EAGAIN, EALREADY, EBADF, EINPROGRESS, EINVAL, EPIPE } from '../sys/errno.ts'
import { CALLS_PER_SLICE } from './pace.ts'
import {
  type CallContext,
  isBrokenPipe,
  PendingAccept,
  PendingClose,
  PendingConnect,
  PendingReceive,
  PendingSend,
  PendingTransfer,
} from './pending-calls.ts'
import { PendingMessage } from './pending-message.ts'
import type { SigSet } from './sigset.ts'

/** Everything but word that writing is possible, and everything but word that reading is. */
export const READ_EVENTS: number = 0xffff & ~WRITABLE
export const WRITE_EVENTS: number = 0xffff & ~READABLE
const ALL_EVENTS = 0xffff
const MICROS = 1000000
/** Flags with which recv does not wait. */
const NO_WAIT: number = MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB

/** The calls of one process that may sleep. */
export class BlockingCalls {
  readonly #context: CallContext
  readonly #sys: Calls
  #receive: PendingReceive
  readonly #free: PendingReceive[] = []
  readonly #freeMessages: PendingReceive[] = []
  #accept: PendingAccept
  readonly #freeAccepts: PendingAccept[] = []
  readonly #freeConnects: PendingConnect[] = []
  /** Signals that are pending. */
  readonly #pending: SigSet
  /** Calls in a row that completed at once. */
  #inARow = 0

  constructor(context: CallContext) {
    this.#context = context
    this.#sys = context.sys
    this.#receive = new PendingReceive(context, this.#free)
    this.#accept = new PendingAccept(context, this.#freeAccepts)
    this.#pending = context.signals.pending
  }

  /** read(2) of any file. */
  read(fd: number, bytes: Uint8Array, offset: number, length: number): number | Promise<number> {
    const file = this.#sys.files.get(fd)
    if (file instanceof SocketFile) {
      if (length === 0) return 0
      return this.#paced(file, this.#receiveFrom(this.#receive, 'read', file, bytes, offset, length, 0, null))
    }
    if (file === null) return this.#finish('read', -EBADF)
    const result = file.read(bytes, offset, length)
    if (result !== -EAGAIN || file.isNonBlocking) return this.#paced(file, this.#finish('read', result))
    const pending = new PendingTransfer(this.#context, 'read', file, bytes, offset, length)
    return this.#paced(file, pending.begin(file, READ_EVENTS, 0, true))
  }

  /** write(2) of any file. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number | Promise<number> {
    const file = this.#sys.files.get(fd)
    if (file instanceof SocketFile) {
      return this.#paced(file, this.#sendTo('write', file, bytes, offset, length, 0, null))
    }
    if (file === null) return this.#finish('write', -EBADF)
    const result = file.write(bytes, offset, length)
    const isPartial = result >= 0 && result < length
    if (result === -EPIPE) this.#context.brokenPipe()
    // What has nothing to wait for has taken what it takes.
    const isDone = (result !== -EAGAIN && !isPartial) || file.isNonBlocking || file.wait === null
    if (isDone) return this.#paced(file, this.#finish('write', result))
    const pending = new PendingTransfer(this.#context, 'write', file, bytes, offset, length)
    pending.done = Math.max(result, 0)
    return this.#paced(file, pending.begin(file, WRITE_EVENTS, 0, true))
  }

  /** recv(2) and recvfrom(2). */
  receive(
    call: string,
    fd: number,
    bytes: Uint8Array,
    flags: number,
    from: AddressOut | null,
  ): number | Promise<number> {
    const file = this.#sys.socketOf(fd)
    if (file === null) return this.#finish(call, this.#sys.socketError(fd))
    return this.#paced(file, this.#receiveFrom(this.#receive, call, file, bytes, 0, bytes.length, flags, from))
  }

  /** send(2) and sendto(2). `to` is the caller's again after the call. */
  send(call: string, fd: number, bytes: Uint8Array, flags: number, to: SockAddr | null): number | Promise<number> {
    const file = this.#sys.socketOf(fd)
    if (file === null) return this.#finish(call, this.#sys.socketError(fd))
    if (to !== null && to.length > SIZEOF_SOCKADDR_STORAGE) return this.#finish(call, -EINVAL)
    return this.#paced(file, this.#sendTo(call, file, bytes, 0, bytes.length, flags, to))
  }

  /** recvmsg(2), and readv(2) on a socket. */
  receiveMessage(call: string, file: SocketFile, message: MessageCall, flags: number): number | Promise<number> {
    const pending = (this.#freeMessages.pop() ??
      new PendingMessage(this.#context, this.#freeMessages)) as PendingMessage
    pending.message = message
    const { bytes, length } = message.buffers
    const result = this.#receiveFrom(pending, call, file, bytes, 0, length, flags, null)
    if (typeof result !== 'number') return result
    pending.forget()
    pending.message = null
    this.#freeMessages.push(pending)
    return this.#paced(file, message.endReceive(result))
  }

  /** sendmsg(2), and writev(2) on a socket. */
  sendMessage(call: string, file: SocketFile, message: MessageCall, flags: number): number | Promise<number> {
    const { bytes, length } = message.buffers
    return this.#paced(file, this.#sendTo(call, file, bytes, 0, length, flags, message.message.name, message))
  }

  // biome-ignore format: the parameters of recvfrom(2)
  #receiveFrom(pending: PendingReceive, call: string, file: SocketFile, bytes: Uint8Array, offset: number, length: number, flags: number, from: AddressOut | null): number | Promise<number> {
    const { sock } = file
    const { isStream } = file
    // The record serves a call that does not sleep too; one that sleeps keeps it.
    pending.bytes = bytes
    pending.flags = flags
    pending.from = from
    const first = pending.receive(sock, offset, length)
    // How much a blocking caller waits for (sock_rcvlowat); datagrams are taken as they come, and local streams peeked at
    // as they are (unix_stream_read_generic).
    const uncounted = sock.family === AF_UNIX ? MSG_OOB | MSG_ERRQUEUE | MSG_PEEK : MSG_OOB | MSG_ERRQUEUE
    const isCounted = isStream && (flags & uncounted) === 0
    const least = !isCounted ? 0 : (flags & MSG_WAITALL) !== 0 ? length : Math.min(sock.rcvLowat, length)
    if (first >= least || first === 0 || pending.isComplete) return first
    const isShut = (sock.shutdownMask & RCV_SHUTDOWN) !== 0
    if (first !== -EAGAIN ? first < 0 : isShut && !isStream) {
      pending.forget()
      return first === -EAGAIN && !this.#mayNotWait(file, flags) ? 0 : this.#finish(call, first)
    }
    if (this.#mayNotWait(file, flags) || (first > 0 && (sock.error !== 0 || isShut))) {
      pending.forget()
      return this.#finish(call, first)
    }
    if (pending === this.#receive) this.#receive = this.#free.pop() ?? new PendingReceive(this.#context, this.#free)
    pending.call = call
    pending.file = file
    pending.offset = offset
    pending.length = length
    pending.got = Math.max(first , 0)
    pending.least = least
    return pending.begin(file, READ_EVENTS, sock.rcvTimeout, !isStream)
  }

  #mayNotWait(file: SocketFile, flags: number): boolean {
    // Only streams know urgent data: others do not look at the flag.
    const isNow = flags !== 0 && (flags & (file.isStream ? NO_WAIT : NO_WAIT & ~MSG_OOB)) !== 0
    return file.isNonBlocking || isNow || file.sock.rcvTimeout < 0
  }

  // biome-ignore format: the parameters of sendto(2)
  #sendTo(call: string, file: SocketFile, bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: MessageCall | null = null): number | Promise<number> {
    const { sock } = file
    // Messages of local sockets carry who sent them.
    sock.caller = this.#sys.credentials
    const carried = message === null && (flags & MSG_ZEROCOPY) !== 0 ? new Message() : message?.message
    const mayNotWait = file.isNonBlocking || (flags & MSG_DONTWAIT) !== 0 || sock.sndTimeout < 0
    if (carried !== undefined) carried.isWhole = !mayNotWait
    const first = file.send(bytes, offset, length, flags, to, carried)
    // What most sends come to.
    if (first === length && message === null) return first
    const isOver = first === length || (first < 0 && first !== -EAGAIN)
    if (isOver || mayNotWait) {
      message?.endSend()
      if (isBrokenPipe(first, file.isStream, flags)) this.#context.brokenPipe()
      return this.#finish(call, first, isOver ? to : null)
    }
    const pending = new PendingSend(this.#context)
    pending.call = call
    pending.file = file
    pending.bytes = bytes
    pending.offset = offset
    pending.length = length
    pending.flags = flags
    pending.isStream = file.isStream
    pending.to = to === null ? null : to.clone()
    pending.message = message
    pending.carried = carried ?? null
    pending.sent = Math.max(first , 0)
    return pending.begin(file, WRITE_EVENTS, sock.sndTimeout)
  }

  /** accept(2) and accept4(2). */
  accept(call: string, fd: number, flags: number, peer: AddressOut | null): number | Promise<number> {
    const file = this.#sys.socketOf(fd)
    const refused = this.#sys.acceptError(fd, flags)
    if (file === null || refused < 0) return this.#finish(call, refused)
    const to = this.#sys.files.reserve()
    if (to < 0) return this.#finish(call, to)
    const pending = this.#accept
    pending.call = call
    pending.file = file
    pending.to = to
    pending.flags = flags
    pending.peer = peer
    const first = pending.attempt()
    if (first !== -EAGAIN || file.isNonBlocking || file.sock.rcvTimeout < 0) {
      pending.file = null
      return pending.finish(first)
    }
    this.#accept = this.#freeAccepts.pop() ?? new PendingAccept(this.#context, this.#freeAccepts)
    return pending.begin(file, READ_EVENTS, file.sock.rcvTimeout, true)
  }

  /** connect(2) after a first answer `result` < 0: waits for the outcome if it goes on (inet_wait_for_connect). */
  connect(fd: number, to: SockAddr, result: number): number | Promise<number> {
    const file = this.#sys.socketOf(fd)
    // A local listener's backlog may be full: that is waited for as well.
    const isUnderWay =
      result === -EINPROGRESS || result === -EALREADY || (result === -EAGAIN && file?.sock.family === AF_UNIX)
    if (file === null || !isUnderWay || file.isNonBlocking || file.sock.sndTimeout < 0) {
      return this.#finish('connect', result, to)
    }
    const pending = this.#freeConnects.pop() ?? new PendingConnect(this.#context, this.#freeConnects)
    pending.file = file
    pending.to.copy(to)
    pending.answer = result
    return pending.begin(file, ALL_EVENTS, file.sock.sndTimeout)
  }

  /** close(2): waits, with SO_LINGER and a time, until the peer has acknowledged everything. */
  close(fd: number): number | Promise<number> {
    const file = this.#sys.files.take(fd)
    if (file === null) return this.#finish('close', -EBADF)
    if (!(file instanceof SocketFile) || !file.startLinger()) {
      file.unref()
      return 0
    }
    const sleeping = new PendingClose(this.#context, file).begin(file, ALL_EVENTS, file.sock.lingerSeconds * MICROS)
    // From here on the sleeping call alone keeps the file open.
    file.unref()
    return sleeping
  }

  /** A call on a blocking descriptor: one that completes at once may have to let others run first. */
  #paced(file: OpenFile, result: number | Promise<number>): number | Promise<number> {
    const isUsual = typeof result === 'number' && ++this.#inARow < CALLS_PER_SLICE && this.#pending.isEmpty
    return isUsual ? result : this.#outOfTurn(file, result)
  }

  #outOfTurn(file: OpenFile, result: number | Promise<number>): number | Promise<number> {
    const isOver = this.#inARow >= CALLS_PER_SLICE
    if (isOver || typeof result !== 'number') this.#inARow = 0
    // What it sent itself (SIGIO of the other end of its own socket) is delivered before the call returns.
    const settled = this.#pending.isEmpty ? result : this.#context.afterCall(result)
    return isOver && !file.isNonBlocking ? this.#context.pace.endSlice(settled) : settled
  }

  /** Gives a result >= 0 back, throws the error of another; calls of a process that has ended never return. */
  #finish(call: string, result: number, address: SockAddr | null = null): number | Promise<number> {
    if (result < 0 && this.#context.owner.isOver) return new Promise(() => {})
    return this.#context.finish(call, result, address)
  }
}
