/** The calls of a process that carry messages and several buffers: readv, writev, recvmsg, sendmsg, recvmmsg, sendmmsg. */
import { MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_WAITFORONE } from '../sock/constants.ts'
import type { Calls } from '../socket/calls.ts'
import { endMany, IOV_MAX, isUrgent, MessageCall, type MMsgHdr, type MsgHdr } from '../socket/msghdr.ts'
import { SocketFile } from '../socket/socket-file.ts'
import { checkVector, scatter, toOne } from '../socket/vector.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { SystemError } from '../sys/errno.ts'
import type { BlockingCalls } from './blocking.ts'
import { DescriptorCalls } from './descriptor-calls.ts'
import { raise } from './signal-calls.ts'
import { specMicros, type TimeSpec } from './time.ts'

/** The part of a `Process` for buffers in several pieces, and for messages with addresses and control data. */
export abstract class MessageCalls extends DescriptorCalls {
  protected abstract get blocking(): BlockingCalls
  readonly #clock: Clock

  constructor(clock: Clock, sys: Calls) {
    super(clock, sys)
    this.#clock = clock
  }

  #socket(call: string, fd: number): SocketFile {
    const file = this.sys.socketOf(fd)
    if (file === null) throw new SystemError(call, this.sys.socketError(fd))
    return file
  }

  /** readv(2): fills the buffers in order; how many bytes, 0 at the end. At most IOV_MAX buffers (EINVAL). */
  readv(fd: number, iov: readonly Uint8Array[]): number | Promise<number> {
    const file = this.files.get(fd)
    raise('readv', checkVector(file, iov, false))
    if (file instanceof SocketFile) {
      const call = new MessageCall({ iov }, this.files)
      call.beginReceive(0)
      return call.buffers.length === 0 ? 0 : this.blocking.receiveMessage('readv', file, call, 0)
    }
    const one = toOne(iov, false)
    if (one.length === 0) return 0
    const result = this.read(fd, one)
    if (iov.length === 1) return result
    const spread = (length: number): number => scatter(iov, one, length)
    return typeof result === 'number' ? spread(result) : result.then(spread)
  }

  /** writev(2): writes the buffers in order; how many bytes. Of no bytes it does nothing, unlike write(2) on a datagram socket. At most IOV_MAX buffers (EINVAL). */
  writev(fd: number, iov: readonly Uint8Array[]): number | Promise<number> {
    const file = this.files.get(fd)
    raise('writev', checkVector(file, iov, true))
    if (!(file instanceof SocketFile)) {
      const one = toOne(iov, true)
      return one.length === 0 ? 0 : this.write(fd, one)
    }
    const call = new MessageCall({ iov }, this.files)
    call.beginSend(file.sock)
    return call.buffers.length === 0 ? 0 : this.blocking.sendMessage('writev', file, call, 0)
  }

  /** recvmsg(2): bytes; what comes beside them goes into `hdr`. */
  recvmsg(fd: number, hdr: MsgHdr, flags: number = 0): number | Promise<number> {
    return this.#receive('recvmsg', this.#socket('recvmsg', fd), hdr, flags)
  }

  #receive(name: string, file: SocketFile, hdr: MsgHdr, flags: number): number | Promise<number> {
    const call = new MessageCall(hdr, this.files)
    raise(name, call.beginReceive(flags))
    return this.blocking.receiveMessage(name, file, call, flags & ~MSG_CMSG_CLOEXEC)
  }

  /** sendmsg(2): bytes. `hdr` is the caller's again when it is done. */
  sendmsg(fd: number, hdr: MsgHdr, flags: number = 0): number | Promise<number> {
    return this.#send('sendmsg', this.#socket('sendmsg', fd), hdr, flags)
  }

  #send(name: string, file: SocketFile, hdr: MsgHdr, flags: number): number | Promise<number> {
    const call = new MessageCall(hdr, this.files)
    raise(name, call.beginSend(file.sock))
    this.sys.callFrom(file.sock)
    return this.blocking.sendMessage(name, file, call, flags)
  }

  /**
   * recvmmsg(2): fills messages, and their `len`, until one fails, `timeout` is over (looked at after each message only) or
   * all are full; with MSG_WAITFORONE it waits for the first only. How many; an error after the first is kept for later.
   */
  recvmmsg(
    fd: number,
    messages: readonly MMsgHdr[],
    flags: number = 0,
    timeout: TimeSpec | null = null,
  ): number | Promise<number> {
    const limit = timeout === null ? Infinity : raise('recvmmsg', specMicros(timeout))
    const file = this.#socket('recvmmsg', fd)
    if (file.sock.error !== 0) raise('recvmmsg', -file.sock.takeError())
    return this.#receiveMany(file, messages, flags, 0, this.#clock.now() + limit)
  }

  /** The loop of do_recvmmsg from message `count` on; a message that must be waited for continues it later. */
  // biome-ignore format: one line
  #receiveMany(file: SocketFile, messages: readonly MMsgHdr[], flags: number, count: number, end: Micros): number | Promise<number> {
    for (let at = count; at < messages.length; at++) {
      const message = messages[at] as MMsgHdr
      const how = (flags & MSG_WAITFORONE) !== 0 && at > 0 ? flags | MSG_DONTWAIT : flags
      let result: number | Promise<number>
      try {
        result = this.#receive('recvmmsg', file, message.hdr, how & ~MSG_WAITFORONE)
      } catch (error) {
        return manyFailed(file, at, error)
      }
      if (typeof result !== 'number') {
        return result.then(
          (length) => {
            message.len = length
            const isOver = this.#clock.now() >= end || isUrgent(message)
            return isOver ? at + 1 : this.#receiveMany(file, messages, flags, at + 1, end)
          },
          (error) => manyFailed(file, at, error),
        )
      }
      message.len = result
      if (this.#clock.now() >= end || isUrgent(message)) return at + 1
    }
    return messages.length
  }

  /** sendmmsg(2): sends messages, and sets their `len`, until one fails; how many. At most IOV_MAX at once. */
  sendmmsg(fd: number, messages: readonly MMsgHdr[], flags: number = 0): number | Promise<number> {
    const file = this.#socket('sendmmsg', fd)
    return this.#sendMany(file, messages.slice(0, IOV_MAX), flags, 0)
  }

  // biome-ignore format: one line
  #sendMany(file: SocketFile, messages: readonly MMsgHdr[], flags: number, count: number): number | Promise<number> {
    const failed = (at: number, error: unknown): number => {
      if (at === 0) throw error
      return at
    }
    for (let at = count; at < messages.length; at++) {
      const message = messages[at] as MMsgHdr
      let result: number | Promise<number>
      try {
        result = this.#send('sendmmsg', file, message.hdr, flags)
      } catch (error) {
        return failed(at, error)
      }
      if (typeof result !== 'number') {
        return result.then(
          (length) => {
            message.len = length
            return this.#sendMany(file, messages, flags, at + 1)
          },
          (error) => failed(at, error),
        )
      }
      message.len = result
    }
    return messages.length
  }
}

/** A message of recvmmsg failed: its error, or how many came before it. */
function manyFailed(file: SocketFile, count: number, error: unknown): number {
  if (!(error instanceof SystemError) || count === 0) throw error
  return endMany(file.sock, count, error.errno)
}
