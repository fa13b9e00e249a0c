/** The calls of a process on descriptors of any kind: sendfile, ioctl with structs, close_range, limits. */

import { SEEK_CUR, SEEK_SET } from '../fs/mode.ts'
import { AF_INET } from '../sock/address.ts'
import * as c from '../sock/constants.ts'
import { SocketFile } from '../socket/socket-file.ts'
import { EAGAIN, EBADF, EFAULT, EINVAL, ENOTTY, EPERM, ESPIPE, SystemError } from '../sys/errno.ts'
import { WRITE_EVENTS } from './blocking.ts'
import { FileCalls } from './file-calls.ts'
import {
  addressIoctl,
  arpIoctl,
  deviceIoctl,
  type IfReq,
  interfaceConfig,
  isAddressRequest,
  packIfReq,
  unpackIfReq,
} from './ifreq.ts'
import { PipeReader, PipeWriter } from './pipe.ts'
import { addRoute, deleteRoute, type RtEntry } from './rtentry.ts'
import { type FileOffset, MAX_RW_COUNT, Sendfile } from './sendfile.ts'
import { PendingSplice, Splice } from './splice.ts'

/** struct ifconf: a buffer for structs ifreq, null to ask how many bytes they need; `len` is what was used. */
export interface IfConf {
  len: number
  readonly buf: Uint8Array | null
}

/** What ioctl(2) takes beside an int: a struct by its fields, or its bytes as C has them on x86-64. */
export type IoctlArgument = number | Uint8Array | IfReq | IfConf | RtEntry

/** All flags of splice(2) and tee(2). */
const SPLICE_F_ALL = c.SPLICE_F_MOVE | c.SPLICE_F_NONBLOCK | c.SPLICE_F_MORE | c.SPLICE_F_GIFT

/** struct rlimit. */
export interface RLimit {
  readonly cur: number
  readonly max: number
}

/** The part of a `Process` for descriptors whatever they name. */
export abstract class DescriptorCalls extends FileCalls {
  /**
   * sendfile(2): at most `count` bytes of `inFd`, a file, to `outFd`. With `offset` from there on, and the file's own position
   * stays; null: from that on. EINVAL for what has no place to read from, as sockets and pipes.
   */
  sendfile(outFd: number, inFd: number, offset: FileOffset | null, count: number): number | Promise<number> {
    const fail = (errno: number): never => {
      throw new SystemError('sendfile', errno)
    }
    const from = this.files.get(inFd)
    if (from === null || !from.isForReading) return fail(EBADF)
    const isPlaced = from.seek(0, SEEK_CUR) >= 0
    if (offset !== null && !isPlaced) return fail(ESPIPE)
    const position = offset === null ? from.seek(0, SEEK_CUR) : offset.offset
    if (offset !== null && !(position >= 0)) return fail(EINVAL)
    const out = this.files.get(outFd)
    if (out === null || !out.isForWriting) return fail(EBADF)
    if (!isPlaced || !out.canSpliceTo || (out.flags & c.O_APPEND) !== 0) return fail(EINVAL)
    const moved = (to: number): void => {
      if (offset === null) from.seek(to, SEEK_SET)
      else offset.offset = to
    }
    const brokenPipe = (): void => this.brokenPipe()
    const { clock } = this.host
    const call = new Sendfile({ clock, sleepers: this.sleepers, brokenPipe }, { out, from, position, count }, moved)
    const result = call.start()
    const timeout = out instanceof SocketFile ? out.sock.sndTimeout : 0
    if (result === -EAGAIN && !out.isNonBlocking && timeout >= 0) return call.begin(out, WRITE_EVENTS, timeout)
    call.stop()
    return result < 0 ? fail(result) : result
  }

  /**
   * splice(2): at most `length` bytes from `inFd` to `outFd`, one of which is a pipe, without the program's seeing them. The
   * other may be a pipe, a socket or a file, read or written at `inOffset` or `outOffset`, or where it stands (null).
   * `flags`: SPLICE_F_NONBLOCK does not wait for the pipe, with SPLICE_F_MORE more will follow. 0 at the end. EINVAL for what
   * cannot be spliced and if neither is a pipe, ESPIPE for a place in a pipe.
   */
  // biome-ignore format: the parameters of splice(2)
  splice(inFd: number, inOffset: FileOffset | null, outFd: number, outOffset: FileOffset | null, length: number, flags: number = 0): number | Promise<number> {
    const fail = (errno: number): never => {
      throw new SystemError('splice', errno)
    }
    if (length === 0) return 0
    if ((flags & ~SPLICE_F_ALL) !== 0) return fail(EINVAL)
    const from = this.files.get(inFd)
    const out = this.files.get(outFd)
    if (from === null || out === null) return fail(EBADF)
    const isFromPipe = from instanceof PipeReader || from instanceof PipeWriter
    const isToPipe = out instanceof PipeReader || out instanceof PipeWriter
    if ((isFromPipe && inOffset !== null) || (isToPipe && outOffset !== null)) return fail(ESPIPE)
    if (!from.isForReading || !out.isForWriting) return fail(EBADF)
    const isSame = isFromPipe && isToPipe && from.pipe === out.pipe
    if (isSame || (!isFromPipe && !isToPipe)) return fail(EINVAL)
    const other = isFromPipe ? out : from
    const offset = isFromPipe ? outOffset : inOffset
    const here = other.seek(0, SEEK_CUR)
    if (offset !== null && !(here >= 0 && offset.offset >= 0)) return fail(EINVAL)
    if (isFromPipe && (out.flags & c.O_APPEND) !== 0) return fail(EINVAL)
    const position = offset === null ? Math.max(here, 0) : offset.offset
    const splice = new Splice({ from, out, length: Math.min(length, MAX_RW_COUNT), flags, position })
    return this.#spliced('splice', splice, () => {
      if (offset !== null) offset.offset = splice.position
      else if (splice.position !== position) other.seek(splice.position, SEEK_SET)
    })
  }

  /** tee(2): at most `length` bytes of the pipe `inFd` to the pipe `outFd`; they stay in both. */
  tee(inFd: number, outFd: number, length: number, flags: number = 0): number | Promise<number> {
    if ((flags & ~SPLICE_F_ALL) !== 0) throw new SystemError('tee', EINVAL)
    if (length === 0) return 0
    const from = this.files.get(inFd)
    const out = this.files.get(outFd)
    if (from === null || out === null || !from.isForReading || !out.isForWriting) throw new SystemError('tee', EBADF)
    const arePipes = from instanceof PipeReader && out instanceof PipeWriter
    if (!arePipes || from.pipe === out.pipe) throw new SystemError('tee', EINVAL)
    return this.#spliced('tee', new Splice({ from, out, length, flags, isTee: true }), () => {})
  }

  #spliced(call: string, splice: Splice, ended: () => void): number | Promise<number> {
    const brokenPipe = (): void => this.brokenPipe()
    const { clock } = this.host
    if (splice.out instanceof SocketFile) splice.out.sock.caller = this.credentials
    return this.pace.after(
      new PendingSplice(call, { clock, sleepers: this.sleepers, brokenPipe }, splice, ended).start(),
    )
  }

  /**
   * close_range(2): closes descriptors `first` to `last`; with CLOSE_RANGE_CLOEXEC marks them only. CLOSE_RANGE_UNSHARE changes
   * nothing, as every process has a table of its own.
   */
  close_range(first: number, last: number, flags: number = 0): void {
    if ((flags & ~(c.CLOSE_RANGE_UNSHARE | c.CLOSE_RANGE_CLOEXEC)) !== 0 || first >>> 0 > last >>> 0) {
      throw new SystemError('close_range', EINVAL)
    }
    for (const [fd] of [...this.files.entries()]) {
      if (fd < first >>> 0 || fd > last >>> 0) continue
      if ((flags & c.CLOSE_RANGE_CLOEXEC) !== 0) this.files.setCloseOnExec(fd, true)
      else this.sys.close(fd)
    }
  }

  /** getrlimit(2): RLIMIT_NOFILE; the others limit nothing here. */
  getrlimit(resource: number): RLimit {
    if (!(resource >= 0 && resource < c.RLIM_NLIMITS)) throw new SystemError('getrlimit', EINVAL)
    if (resource !== c.RLIMIT_NOFILE) return { cur: c.RLIM_INFINITY, max: c.RLIM_INFINITY }
    return { cur: this.files.limit, max: this.files.hardLimit }
  }

  /** setrlimit(2): of RLIMIT_NOFILE. EPERM above the hard limit without privileges, and above fs.nr_open for all. */
  setrlimit(resource: number, { cur, max }: RLimit): void {
    if (resource !== c.RLIMIT_NOFILE || !(cur >= 0 && cur <= max)) throw new SystemError('setrlimit', EINVAL)
    const isRaised = max > this.files.hardLimit && !this.credentials.isPrivileged
    if (isRaised || max > this.host.sysctl.nr_open) throw new SystemError('setrlimit', EPERM)
    this.files.limit = cur
    this.files.hardLimit = max
  }

  /**
   * ioctl(2): FIONREAD, SIOCINQ, SIOCOUTQ, FIONBIO, … with an int: what C stores behind the pointer is returned. SIOCGIF…,
   * SIOCSIF…, SIOCGARP, SIOCADDRT and SIOCDELRT with a struct, which is filled in.
   */
  ioctl(fd: number, request: number, argument: IoctlArgument = 0): number {
    const result =
      typeof argument === 'number' ? this.sys.ioctl(fd, request, argument) : this.#structIoctl(fd, request, argument)
    if (result < 0) throw new SystemError('ioctl', result)
    return result
  }

  #structIoctl(fd: number, request: number, argument: Exclude<IoctlArgument, number>): number {
    const file = this.files.get(fd)
    if (file === null) return -EBADF
    if (!(file instanceof SocketFile)) return -ENOTTY
    const isInet = file.sock.family === AF_INET
    if (argument instanceof Uint8Array) return this.#bytesIoctl(isInet, request, argument)
    if (request === c.SIOCGIFCONF && 'buf' in argument) {
      argument.len = interfaceConfig(this.host.stack, argument.buf)
      return 0
    }
    if ('dst' in argument) return isInet ? this.#routeIoctl(request, argument) : -ENOTTY
    if (!('name' in argument)) return -EFAULT
    const bytes = packIfReq(request, argument)
    if (typeof bytes === 'number') return bytes
    const result = this.#bytesIoctl(isInet, request, bytes)
    if (result >= 0) unpackIfReq(request, bytes, argument)
    return result
  }

  #bytesIoctl(isInet: boolean, request: number, bytes: Uint8Array): number {
    const asker = { stack: this.host.stack, isPrivileged: this.credentials.isPrivileged }
    if (isInet && isAddressRequest(request)) return addressIoctl(asker, request, bytes)
    if (isInet && request === c.SIOCGARP) return arpIoctl(asker.stack, bytes)
    return deviceIoctl(asker, request, bytes)
  }

  #routeIoctl(request: number, entry: RtEntry): number {
    if (request !== c.SIOCADDRT && request !== c.SIOCDELRT) return -ENOTTY
    if (!this.credentials.isPrivileged) return -EPERM
    return request === c.SIOCADDRT ? addRoute(this.host.stack, entry) : deleteRoute(this.host.stack, entry)
  }
}
