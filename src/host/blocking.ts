/**
 * What makes calls block: the raw call first, and if it would have to wait on a blocking descriptor, a `PendingCall` that
 * tries again when woken. The loops of sock_wait, inet_wait_for_connect, tcp_recvmsg and tcp_sendmsg are here.
 */

import { AF_UNSPEC, SockAddr } from '../sock/address.ts'
import {
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
} from '../sock/constants.ts'
import { Message, RCV_SHUTDOWN, SEND_SHUTDOWN, type Sock } from '../sock/sock.ts'
import { POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM } from '../sock/wait-queue.ts'
import { type AddressOut, writeAddress } from '../socket/address-value.ts'
import type { Calls } from '../socket/calls.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { SocketFile } from '../socket/socket-file.ts'
import type { Clock } from '../sys/clock.ts'
import { EAGAIN, EALREADY, EBADF, EINPROGRESS, EINVAL, EISCONN } from '../sys/errno.ts'
import { PendingCall, type Sleepers } from './pending.ts'

/** Everything but word that writing is possible, and everything but word that reading is. */
const READ_EVENTS: number = 0xffff & ~(POLLOUT | POLLWRNORM | POLLWRBAND)
const WRITE_EVENTS: number = 0xffff & ~(POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)
const ALL_EVENTS = 0xffff
const MICROS = 1000000

/** Gives a result >= 0 back, throws the error of another. */
export type Finish = (call: string, result: number, address?: SockAddr) => number

export class BlockingCalls {
  readonly #sys: Calls
  readonly #clock: Clock
  readonly #sleepers: Sleepers
  readonly #finish: Finish
  readonly #message: Message = new Message()
  readonly #name: SockAddr = new SockAddr()

  constructor(sys: Calls, clock: Clock, sleepers: Sleepers, finish: Finish) {
    this.#sys = sys
    this.#clock = clock
    this.#sleepers = sleepers
    this.#finish = finish
  }

  /** read(2) of any file. */
  read(fd: number, bytes: Uint8Array, offset: number, length: number): number | Promise<number> {
    const file = this.#sys.files.get(fd)
    if (file instanceof SocketFile) {
      if (length === 0) return 0
      return this.#receive('read', file, bytes, offset, length, 0, null)
    }
    if (file === null) return this.#finish('read', -EBADF)
    const result = file.read(bytes, offset, length)
    if (result !== -EAGAIN || file.isNonBlocking) return this.#finish('read', result)
    return this.#sleep('read', file, READ_EVENTS, () => file.read(bytes, offset, length))
  }

  /** write(2) of any file. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number | Promise<number> {
    const file = this.#sys.files.get(fd)
    if (file instanceof SocketFile) return this.#send('write', file, bytes, offset, length, 0, null)
    if (file === null) return this.#finish('write', -EBADF)
    const result = file.write(bytes, offset, length)
    if (result !== -EAGAIN || file.isNonBlocking) return this.#finish('write', result)
    return this.#sleep('write', file, WRITE_EVENTS, () => file.write(bytes, offset, length))
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
    return this.#receive(call, file, bytes, 0, bytes.length, flags, from)
  }

  /** send(2) and sendto(2). `to` is the caller's again after the call. */
  send(call: string, fd: number, bytes: Uint8Array, flags: number, to: SockAddr | null): number | Promise<number> {
    const file = this.#sys.socketOf(fd)
    if (file === null) return this.#finish(call, this.#sys.socketError(fd))
    return this.#send(call, file, bytes, 0, bytes.length, flags, to)
  }

  // biome-ignore format: the parameters of recvfrom(2)
  #receive(call: string, file: SocketFile, bytes: Uint8Array, offset: number, length: number, flags: number, from: AddressOut | null): number | Promise<number> {
    const { sock } = file
    const isWhole = file.isStream && (flags & (MSG_OOB | MSG_ERRQUEUE)) === 0
    // How much a blocking caller waits for (sock_rcvlowat).
    const least = !isWhole ? 0 : (flags & MSG_WAITALL) !== 0 ? length : Math.min(sock.rcvLowat, length)
    const first = this.#receiveOnce(sock, bytes, offset, length, flags, from)
    if ((first >= least || first === 0) && first >= 0) return first
    if (first < 0 && first !== -EAGAIN) return this.#finish(call, first)
    if (file.isNonBlocking || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) !== 0 || sock.rcvTimeout < 0 || (flags & MSG_OOB) !== 0) {
      return this.#finish(call, first)
    }
    // A datagram socket shut down for reading has nothing to wait for (__skb_wait_for_more_packets).
    if (!file.isStream && (sock.shutdownMask & RCV_SHUTDOWN) !== 0) return 0
    let got = Math.max(first , 0)
    const peek = (flags & MSG_PEEK) !== 0
    const attempt = (): number => {
      if (got > 0 && sock.error !== 0) return got
      const seen = peek ? 0 : got
      const result = this.#receiveOnce(sock, bytes, offset + seen, length - seen, flags, from)
      if (result === -EAGAIN) {
        if (file.isStream || (sock.shutdownMask & RCV_SHUTDOWN) === 0) return -EAGAIN
        return 0
      }
      if (result <= 0) return got > 0 ? got : result
      got = seen + result
      return got >= least ? got : (sock.shutdownMask & RCV_SHUTDOWN) !== 0 ? got : -EAGAIN
    }
    // What came with the FIN already is all there will be.
    if (got > 0 && (sock.error !== 0 || (sock.shutdownMask & RCV_SHUTDOWN) !== 0)) return got
    return this.#sleep(call, file, READ_EVENTS, attempt, sock.rcvTimeout, () => (got > 0 ? got : -EAGAIN))
  }

  #receiveOnce(
    sock: Sock,
    bytes: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    from: AddressOut | null,
  ): number {
    if (from === null) return sock.receive(bytes, offset, length, flags, null)
    const message = this.#message
    const name = this.#name
    message.name = name
    message.flags = 0
    name.family = AF_UNSPEC
    const result = sock.receive(bytes, offset, length, flags, message)
    if (result >= 0 && name.family !== AF_UNSPEC) writeAddress(name, from)
    return result
  }

  // biome-ignore format: the parameters of sendto(2)
  #send(call: string, file: SocketFile, bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null): number | Promise<number> {
    const { sock } = file
    const first = sock.send(bytes, offset, length, flags, to)
    if (first === length || (first < 0 && first !== -EAGAIN)) return this.#finish(call, first, to ?? undefined)
    if (file.isNonBlocking || (flags & MSG_DONTWAIT) !== 0 || sock.sndTimeout < 0) return this.#finish(call, first)
    let sent = Math.max(first , 0)
    const peer = to === null ? null : new SockAddr(to.family, to.address, to.port)
    const attempt = (): number => {
      // What went before an error counts first; the next call gets the error (tcp_sendmsg).
      if (sent > 0 && (sock.error !== 0 || (sock.shutdownMask & SEND_SHUTDOWN) !== 0)) return sent
      const result = sock.send(bytes, offset + sent, length - sent, flags, peer)
      if (result < 0) return result !== -EAGAIN && sent > 0 ? sent : result
      sent += result
      return sent === length ? sent : -EAGAIN
    }
    return this.#sleep(call, file, WRITE_EVENTS, attempt, sock.sndTimeout, () => (sent > 0 ? sent : -EAGAIN))
  }

  /** accept(2) and accept4(2). */
  accept(call: string, fd: number, flags: number, peer: AddressOut | null): number | Promise<number> {
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return this.#finish(call, -EINVAL)
    const sys = this.#sys
    const file = sys.socketOf(fd)
    if (file === null) return this.#finish(call, sys.socketError(fd))
    const to = sys.files.reserve()
    if (to < 0) return this.#finish(call, to)
    const name = peer === null ? null : new SockAddr()
    const attempt = (): number => sys.acceptInto(file, to, flags, name)
    const finish = (result: number): number => {
      if (result < 0) sys.files.cancel(to)
      else if (name !== null && peer !== null) writeAddress(name, peer)
      return this.#finish(call, result)
    }
    const first = attempt()
    if (first !== -EAGAIN || file.isNonBlocking || file.sock.rcvTimeout < 0) return finish(first)
    return this.#sleepFinish(file, READ_EVENTS, attempt, file.sock.rcvTimeout, () => -EAGAIN, finish)
  }

  /** connect(2) after a first answer `result` < 0: waits for the outcome if it goes on (inet_wait_for_connect). */
  connect(fd: number, to: SockAddr, result: number): number | Promise<number> {
    const file = this.#sys.socketOf(fd)
    const peer = new SockAddr(to.family, to.address, to.port)
    const isUnderWay = result === -EINPROGRESS || result === -EALREADY
    if (file === null || !isUnderWay || file.isNonBlocking || file.sock.sndTimeout < 0)
      return this.#finish('connect', result, peer)
    const attempt = (): number => {
      const answer = file.connect(peer)
      if (answer === -EALREADY || answer === -EINPROGRESS) return -EAGAIN
      // Somebody else who waited for the same connection heard of it first.
      return answer === -EISCONN ? 0 : answer
    }
    const finish = (outcome: number): number => this.#finish('connect', outcome, peer)
    return this.#sleepFinish(file, ALL_EVENTS, attempt, file.sock.sndTimeout, () => result, finish)
  }

  /** close(2): waits, with SO_LINGER and a time, until the peer has acknowledged everything. */
  close(fd: number): number | Promise<number> {
    const file = this.#sys.files.take(fd)
    if (file === null) return this.#finish('close', -EBADF)
    if (!(file instanceof SocketFile) || !file.startLinger()) {
      file.unref()
      return 0
    }
    const attempt = (): number => (file.isLingering ? -EAGAIN : 0)
    const sleeping = this.#sleep('close', file, ALL_EVENTS, attempt, file.sock.lingerSeconds * MICROS, () => 0)
    // From here on the sleeping call alone keeps the file open.
    file.unref()
    return sleeping
  }

  // biome-ignore format: one line
  #sleep(call: string, file: OpenFile, events: number, attempt: () => number, timeout = 0, onTimeout = (): number => -EAGAIN): Promise<number> {
    return this.#sleepFinish(file, events, attempt, timeout, onTimeout, (result) => this.#finish(call, result))
  }

  // biome-ignore format: one line
  #sleepFinish(file: OpenFile, events: number, attempt: () => number, timeout: number, onTimeout: () => number, finish: (result: number) => number): Promise<number> {
    const clock = this.#clock
    return new PendingCall({ clock, sleepers: this.#sleepers, file, events, attempt, timeout, onTimeout, finish }).promise
  }
}
