/**
 * The socket interface of section 2 of the manual over a file table: synchronous, never waiting, integers in and out:
 * a result >= 0 or -errno. -EAGAIN says that a blocking caller would sleep now. Promises are made one floor up.
 */

import { AF_UNSPEC, SIZEOF_SOCKADDR_STORAGE, type SockAddr } from '../sock/address.ts'
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_GETPIPE_SZ,
  F_SETFD,
  F_SETFL,
  F_SETPIPE_SZ,
  FD_CLOEXEC,
  FIOCLEX,
  FIONBIO,
  FIONCLEX,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_DIRECT,
  O_NOATIME,
  O_NONBLOCK,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_TYPE_MASK,
} from '../sock/constants.ts'
import type { Message, OptionResult, OptionValue, Sock } from '../sock/sock.ts'
import { EBADF, ECONNABORTED, EFAULT, EINVAL, ENOTSOCK, ENOTTY, EPERM } from '../sys/errno.ts'
import type { Credentials } from './credentials.ts'
import { type EpollEvent, EpollFile } from './epoll.ts'
import { EP_MAX_EVENTS, EPOLL_CLOEXEC, EPOLL_CTL_DEL } from './epoll-constants.ts'
import type { Families } from './families.ts'
import { FileOwner, type Owners } from './file-owner.ts'
import type { FileTable } from './file-table.ts'
import { MessageCall, type MsgHdr } from './msghdr.ts'
import type { OpenFile } from './open-file.ts'
import { getOption, getOptionBytes, setOption } from './options.ts'
import {
  F_GETOWN,
  F_GETSIG,
  F_SETOWN,
  F_SETSIG,
  FIOASYNC,
  FIOGETOWN,
  FIOSETOWN,
  SIOCGPGRP,
  SIOCSPGRP,
} from './signal-constants.ts'
import { SocketFile, SS_CONNECTED } from './socket-file.ts'
import { transferVector } from './vector.ts'

/** Flags that F_SETFL may change (SETFL_MASK). */
const SETFL_MASK = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME

/** Without processes files have no owners. */
const NOBODY: Owners = { exists: () => false, tell: () => true }

export class Calls {
  readonly files: FileTable
  readonly credentials: Credentials
  /** Whom signals of files can go to; set by who makes processes. */
  owners: Owners = NOBODY
  readonly #families: Families

  constructor(families: Families, files: FileTable, credentials: Credentials) {
    this.#families = families
    this.files = files
    files.user = credentials
    this.credentials = credentials
  }

  /** The socket behind `fd`; `socketError` tells why there is none. */
  socketOf(fd: number): SocketFile | null {
    const file = this.files.get(fd)
    return file instanceof SocketFile ? file : null
  }

  /** -EBADF, or -ENOTSOCK if it is something else. */
  socketError(fd: number): number {
    return this.files.get(fd) === null ? -EBADF : -ENOTSOCK
  }

  /** socket(2): a descriptor, -EINVAL, -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EPERM, -EACCES or -EMFILE. */
  socket(family: number, type: number, protocol: number): number {
    const flags = type & ~SOCK_TYPE_MASK
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return -EINVAL
    const sock = this.#families.create(family, type & SOCK_TYPE_MASK, protocol, this.credentials)
    if (typeof sock === 'number') return sock
    const file = new SocketFile(sock, (flags & SOCK_NONBLOCK) !== 0)
    return this.#install(file, (flags & SOCK_CLOEXEC) !== 0)
  }

  /** socketpair(2): `into` gets two connected descriptors. 0, or as socket(2), or -EOPNOTSUPP for a family without pairs. */
  socketpair(family: number, type: number, protocol: number, into: [number, number]): number {
    const flags = type & ~SOCK_TYPE_MASK
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return -EINVAL
    const first = this.files.reserve()
    if (first < 0) return first
    const second = this.files.reserve()
    const result = second < 0 ? second : this.#pair(family, type, protocol, [first, second])
    if (result < 0) {
      this.files.cancel(first)
      if (second >= 0) this.files.cancel(second)
      return result
    }
    into[0] = first
    into[1] = second
    return 0
  }

  #pair(family: number, type: number, protocol: number, fds: readonly [number, number]): number {
    const one = this.#families.create(family, type & SOCK_TYPE_MASK, protocol, this.credentials)
    if (typeof one === 'number') return one
    const other = this.#families.create(family, type & SOCK_TYPE_MASK, protocol, this.credentials)
    if (typeof other === 'number') {
      one.close()
      return other
    }
    one.caller = other.caller = this.credentials
    const result = one.pair(other)
    if (result < 0) {
      one.close()
      other.close()
      return result
    }
    const closeOnExec = (type & SOCK_CLOEXEC) !== 0
    for (const [i, sock] of [one, other].entries()) {
      const file = new SocketFile(sock, (type & SOCK_NONBLOCK) !== 0)
      file.state = SS_CONNECTED
      this.files.install(fds[i] as number, file, closeOnExec)
    }
    return 0
  }

  #install(file: OpenFile, closeOnExec: boolean): number {
    const fd = this.files.add(file, closeOnExec)
    if (fd < 0) file.unref()
    return fd
  }

  bind(fd: number, address: SockAddr): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    file.sock.privileged = this.credentials.isPrivileged
    file.sock.caller = this.credentials
    return address.length > SIZEOF_SOCKADDR_STORAGE ? -EINVAL : file.sock.bind(address)
  }

  listen(fd: number, backlog: number): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    file.sock.caller = this.credentials
    return file.listen(backlog)
  }

  connect(fd: number, address: SockAddr): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    file.sock.caller = this.credentials
    return address.length > SIZEOF_SOCKADDR_STORAGE ? -EINVAL : file.connect(address)
  }

  /** accept4(2); the peer's name goes to `peer`. A descriptor, or -errno. */
  accept(fd: number, flags: number, peer: SockAddr | null): number {
    const file = this.socketOf(fd)
    const refused = this.acceptError(fd, flags)
    if (file === null || refused < 0) return refused
    // The number is taken first, as Linux does: EMFILE comes before EAGAIN.
    const to = this.files.reserve()
    if (to < 0) return to
    const result = this.acceptInto(file, to, flags, peer)
    if (result < 0) this.files.cancel(to)
    return result
  }

  /** What accept4(2) says of a descriptor and flags, in Linux's order: -EBADF, -EINVAL, -ENOTSOCK or 0. */
  acceptError(fd: number, flags: number): number {
    if (this.files.get(fd) === null) return -EBADF
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return -EINVAL
    return this.socketOf(fd) === null ? -ENOTSOCK : 0
  }

  /** accept4(2) with the descriptor's number reserved already; on an error it stays reserved. */
  acceptInto(file: SocketFile, to: number, flags: number, peer: SockAddr | null): number {
    const accepted = file.accept((flags & SOCK_NONBLOCK) !== 0)
    if (typeof accepted === 'number') return accepted
    if (peer !== null && accepted.sock.acceptedName(peer) < 0) {
      accepted.unref()
      return -ECONNABORTED
    }
    this.files.install(to, accepted, (flags & SOCK_CLOEXEC) !== 0)
    return to
  }

  read(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    return this.files.get(fd)?.read(bytes, offset, length) ?? -EBADF
  }

  write(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    const file = this.files.get(fd)
    if (file instanceof SocketFile) file.sock.caller = this.credentials
    return file?.write(bytes, offset, length) ?? -EBADF
  }

  /** send(2) and sendto(2). */
  send(fd: number, bytes: Uint8Array, flags: number, to: SockAddr | null): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    file.sock.caller = this.credentials
    return file.send(bytes, 0, bytes.length, flags, to)
  }

  /** recv(2) and recvfrom(2); `message.name` keeps AF_UNSPEC when the protocol names no sender (TCP). */
  receive(fd: number, bytes: Uint8Array, flags: number, message: Message | null): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    if (message !== null) {
      message.flags = 0
      if (message.name !== null) message.name.family = AF_UNSPEC
    }
    return file.sock.receive(bytes, 0, bytes.length, flags, message)
  }

  /** readv(2): -EINVAL for more than IOV_MAX buffers. */
  readv(fd: number, iov: readonly Uint8Array[]): number {
    return transferVector(this.files, fd, iov, false)
  }

  /** writev(2). */
  writev(fd: number, iov: readonly Uint8Array[]): number {
    return transferVector(this.files, fd, iov, true)
  }

  /** recvmsg(2). */
  recvmsg(fd: number, hdr: MsgHdr, flags: number): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    const call = new MessageCall(hdr, this.files)
    const refused = call.beginReceive(flags)
    if (refused < 0) return refused
    const { bytes, length } = call.buffers
    return call.endReceive(file.sock.receive(bytes, 0, length, flags, call.message))
  }

  /** sendmsg(2). */
  sendmsg(fd: number, hdr: MsgHdr, flags: number): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    const call = new MessageCall(hdr, this.files)
    const refused = call.beginSend(file.sock)
    if (refused < 0) return refused
    const { bytes, length } = call.buffers
    this.callFrom(file.sock)
    const sent = file.send(bytes, 0, length, flags, call.message.name, call.message)
    call.endSend()
    return sent
  }

  /** Tells a socket who calls it. */
  callFrom(sock: Sock): void {
    sock.caller = this.credentials
    sock.privileged = this.credentials.isPrivileged
  }

  shutdown(fd: number, how: number): number {
    return this.socketOf(fd)?.shutdown(how) ?? this.socketError(fd)
  }

  /** close(2); a lingering close goes on alone. */
  close(fd: number): number {
    const file = this.files.take(fd)
    if (file === null) return -EBADF
    file.unref()
    return 0
  }

  getsockname(fd: number, into: SockAddr): number {
    return this.socketOf(fd)?.sock.getName(false, into) ?? this.socketError(fd)
  }

  getpeername(fd: number, into: SockAddr): number {
    return this.socketOf(fd)?.sock.getName(true, into) ?? this.socketError(fd)
  }

  getsockopt(fd: number, level: number, name: number, result: OptionResult): number {
    const file = this.socketOf(fd)
    return file === null ? this.socketError(fd) : getOption(file.sock, level, name, result)
  }

  /** getsockopt(2) into bytes: how many, or -errno. */
  getsockoptBytes(fd: number, level: number, name: number, optval: Uint8Array): number {
    const file = this.socketOf(fd)
    return file === null ? this.socketError(fd) : getOptionBytes(file.sock, level, name, optval)
  }

  setsockopt(fd: number, level: number, name: number, value: OptionValue): number {
    const file = this.socketOf(fd)
    if (file === null) return this.socketError(fd)
    file.sock.privileged = this.credentials.isPrivileged
    return setOption(file.sock, level, name, value)
  }

  dup(fd: number): number {
    return this.files.duplicateFrom(fd, 0, false)
  }

  dup2(fd: number, to: number): number {
    if (fd === to) return this.files.get(fd) === null ? -EBADF : to
    return this.files.duplicate(fd, to, false)
  }

  /** dup3(2): -EINVAL for equal descriptors and for flags other than O_CLOEXEC. */
  dup3(fd: number, to: number, flags: number): number {
    if ((flags & ~O_CLOEXEC) !== 0 || fd === to) return -EINVAL
    return this.files.duplicate(fd, to, (flags & O_CLOEXEC) !== 0)
  }

  fcntl(fd: number, command: number, argument: number): number {
    const file = this.files.get(fd)
    if (file === null) return -EBADF
    switch (command) {
      case F_DUPFD:
        return this.files.duplicateFrom(fd, argument, false)
      case F_DUPFD_CLOEXEC:
        return this.files.duplicateFrom(fd, argument, true)
      case F_GETFD:
        return this.files.isCloseOnExec(fd) ? FD_CLOEXEC : 0
      case F_SETFD:
        this.files.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0)
        return 0
      case F_GETPIPE_SZ:
      case F_SETPIPE_SZ:
        return file.pipeSize(command === F_GETPIPE_SZ ? null : argument >>> 0, this.credentials.isPrivileged)
      case F_GETFL:
        return file.flags
      case F_SETFL:
        if ((argument & O_DIRECT) !== 0 && !file.canDirect) return -EINVAL
        if (file.canAsync) this.#setAsync(file, (argument & O_ASYNC) !== 0, fd)
        file.flags = (file.flags & ~SETFL_MASK) | (argument & SETFL_MASK)
        return 0
      case F_SETOWN:
        return this.#ownerOf(file).own(argument, this.credentials)
      case F_GETOWN:
        return file.owner?.owner ?? 0
      case F_SETSIG:
        return this.#ownerOf(file).useSignal(argument)
      case F_GETSIG:
        return file.owner?.signal ?? 0
      default:
        return -EINVAL
    }
  }

  #ownerOf(file: OpenFile): FileOwner {
    file.owner ??= new FileOwner(file, this.owners, this.credentials)
    return file.owner
  }

  /** O_ASYNC, by F_SETFL or FIOASYNC. */
  #setAsync(file: OpenFile, on: boolean, fd: number): void {
    if (on === ((file.flags & O_ASYNC) !== 0)) return
    file.flags ^= O_ASYNC
    this.#ownerOf(file).setAsync(on, fd)
  }

  /** ioctl(2): what C puts behind the pointer is the result here. */
  ioctl(fd: number, request: number, argument: number): number {
    const file = this.files.get(fd)
    if (file === null) return -EBADF
    switch (request) {
      case FIONBIO:
        file.flags = argument === 0 ? file.flags & ~O_NONBLOCK : file.flags | O_NONBLOCK
        return 0
      case FIOCLEX:
      case FIONCLEX:
        this.files.setCloseOnExec(fd, request === FIOCLEX)
        return 0
      case FIOASYNC:
        if (!file.canAsync) return (argument !== 0) === ((file.flags & O_ASYNC) !== 0) ? 0 : -ENOTTY
        this.#setAsync(file, argument !== 0, fd)
        return 0
      case FIOSETOWN:
      case SIOCSPGRP:
        return file instanceof SocketFile ? this.#ownerOf(file).own(argument, this.credentials) : -ENOTTY
      case FIOGETOWN:
      case SIOCGPGRP:
        return file instanceof SocketFile ? (file.owner?.owner ?? 0) : -ENOTTY
      default:
        return file.ioctl(request)
    }
  }

  /** epoll_create1(2). */
  epoll_create1(flags: number): number {
    return (flags & ~EPOLL_CLOEXEC) !== 0 ? -EINVAL : this.#install(new EpollFile(), flags !== 0)
  }

  /** epoll_ctl(2): 0, or -EFAULT, -EBADF, -EPERM, -EINVAL, -ELOOP, -EEXIST, -ENOENT, tested in this order. */
  epoll_ctl(epfd: number, op: number, fd: number, event: EpollEvent | null): number {
    if (op !== EPOLL_CTL_DEL && event === null) return -EFAULT
    const set = this.files.get(epfd)
    const file = this.files.get(fd)
    if (set === null || file === null) return -EBADF
    if (!file.canPoll) return -EPERM
    if (set === file || !(set instanceof EpollFile)) return -EINVAL
    return set.control(op, file, fd, event)
  }

  /** epoll_wait(2) that never waits: events, 0 if a caller with time would sleep now, or -errno. */
  epoll_wait(epfd: number, events: EpollEvent[], maxevents: number): number {
    const set = this.files.get(epfd)
    if (set === null) return -EBADF
    if (!(maxevents > 0 && maxevents <= EP_MAX_EVENTS)) return -EINVAL
    return set instanceof EpollFile ? set.send(events, maxevents) : -EINVAL
  }
}
