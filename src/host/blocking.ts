/**
 * What makes calls block: the raw call first, and if it would have to wait on a blocking descriptor, a pending call that
 * tries again when woken. The records of calls that sleep are used again, one of each kind a process.
 */
import { AF_UNIX, type SockAddr } from '../sock/address.ts'
import { MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_WAITALL, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../sock/constants.ts'
import { RCV_SHUTDOWN } from '../sock/sock.ts'
import { POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../sock/wait-queue.ts'
import type { AddressOut } from '../socket/address-value.ts'
import type { Calls } from '../socket/calls.ts'
import { SocketFile } from '../socket/socket-file.ts'
import { EAGAIN, EALREADY, EBADF, EINPROGRESS, EINVAL } from '../sys/errno.ts'
import {
  type CallContext,
  PendingAccept,
  PendingClose,
  PendingConnect,
  PendingReceive,
  PendingSend,
  PendingTransfer,
} from './pending-calls.ts'

/** Everything but word that writing is possible, and everything but word that reading is. */
const READ_EVENTS: number = 0xffff & ~(POLLOUT | POLLWRNORM | POLLWRBAND)
const WRITE_EVENTS: number = 0xffff & ~(POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)
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
  #accept: PendingAccept

  constructor(context: CallContext) {
    this.#context = context
    this.#sys = context.sys
    this.#receive = new PendingReceive(context, this.#free)
    this.#accept = new PendingAccept(context)
  }

  /** read(2) of any file. */
  read(fd: number, bytes: Uint8Array, offset: number, length: number): number | Promise<number> {
    const file = this.#sys.files.get(fd)
    if (file instanceof SocketFile) {
      return length === 0 ? 0 : this.#receiveFrom('read', file, bytes, offset, length, 0, null)
    }
    if (file === null) return this.#finish('read', -EBADF)
    const result = file.read(bytes, offset, length)
    if (result !== -EAGAIN || file.isNonBlocking) return this.#finish('read', result)
    return new PendingTransfer(this.#context, 'read', file, bytes, offset, length).begin(file, READ_EVENTS, 0)
  }

  /** write(2) of any file. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number | Promise<number> {
    const file = this.#sys.files.get(fd)
    if (file instanceof SocketFile) return this.#sendTo('write', file, bytes, offset, length, 0, null)
    if (file === null) return this.#finish('write', -EBADF)
    const result = file.write(bytes, offset, length)
    const isPartial = result >= 0 && result < length
    if ((result !== -EAGAIN && !isPartial) || file.isNonBlocking) return this.#finish('write', result)
    const pending = new PendingTransfer(this.#context, 'write', file, bytes, offset, length)
    pending.done = Math.max(result, 0)
    return pending.begin(file, WRITE_EVENTS, 0)
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
    return this.#receiveFrom(call, file, bytes, 0, bytes.length, flags, from)
  }

  /** send(2) and sendto(2). `to` is the caller's again after the call. */
  send(call: string, fd: number, bytes: Uint8Array, flags: number, to: SockAddr | null): number | Promise<number> {
    const file = this.#sys.socketOf(fd)
    if (file === null) return this.#finish(call, this.#sys.socketError(fd))
    return this.#sendTo(call, file, bytes, 0, bytes.length, flags, to)
  }

  // biome-ignore format: the parameters of recvfrom(2)
  #receiveFrom(call: string, file: SocketFile, bytes: Uint8Array, offset: number, length: number, flags: number, from: AddressOut | null): number | Promise<number> {
    const { sock } = file
    const { isStream } = file
    // The record serves a call that does not sleep too; one that sleeps keeps it.
    const pending = this.#receive
    pending.bytes = bytes
    pending.flags = flags
    pending.from = from
    const first = pending.receive(sock, offset, length)
    // How much a blocking caller waits for (sock_rcvlowat); datagrams are taken as they come.
    const isCounted = isStream && (flags & (MSG_OOB | MSG_ERRQUEUE)) === 0
    const least = !isCounted ? 0 : (flags & MSG_WAITALL) !== 0 ? length : Math.min(sock.rcvLowat, length)
    if (first >= least || first === 0) return first
    const isShut = (sock.shutdownMask & RCV_SHUTDOWN) !== 0
    if (first !== -EAGAIN ? first < 0 : isShut && !isStream) {
      pending.forget()
      return first === -EAGAIN && !this.#mayNotWait(file, flags) ? 0 : this.#finish(call, first)
    }
    if (this.#mayNotWait(file, flags) || (first > 0 && (sock.error !== 0 || isShut))) {
      pending.forget()
      return this.#finish(call, first)
    }
    this.#receive = this.#free.pop() ?? new PendingReceive(this.#context, this.#free)
    pending.call = call
    pending.file = file
    pending.offset = offset
    pending.length = length
    pending.got = Math.max(first , 0)
    pending.least = least
    return pending.begin(file, READ_EVENTS, sock.rcvTimeout)
  }

  #mayNotWait(file: SocketFile, flags: number): boolean {
    return file.isNonBlocking || (flags & NO_WAIT) !== 0 || file.sock.rcvTimeout < 0
  }

  // biome-ignore format: the parameters of sendto(2)
  #sendTo(call: string, file: SocketFile, bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null): number | Promise<number> {
    const { sock } = file
    const first = sock.send(bytes, offset, length, flags, to)
    if (first === length || (first < 0 && first !== -EAGAIN)) return this.#finish(call, first, to)
    if (file.isNonBlocking || (flags & MSG_DONTWAIT) !== 0 || sock.sndTimeout < 0) return this.#finish(call, first)
    const pending = new PendingSend(this.#context)
    pending.call = call
    pending.file = file
    pending.bytes = bytes
    pending.offset = offset
    pending.length = length
    pending.flags = flags
    pending.to = to === null ? null : to.clone()
    pending.sent = Math.max(first , 0)
    return pending.begin(file, WRITE_EVENTS, sock.sndTimeout)
  }

  /** accept(2) and accept4(2). */
  accept(call: string, fd: number, flags: number, peer: AddressOut | null): number | Promise<number> {
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return this.#finish(call, -EINVAL)
    const file = this.#sys.socketOf(fd)
    if (file === null) return this.#finish(call, this.#sys.socketError(fd))
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
    this.#accept = new PendingAccept(this.#context)
    return pending.begin(file, READ_EVENTS, file.sock.rcvTimeout)
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
    const pending = new PendingConnect(this.#context)
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

  #finish(call: string, result: number, address: SockAddr | null = null): number {
    return this.#context.finish(call, result, address)
  }
}
