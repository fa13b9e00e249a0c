/** struct msghdr as programs write it, and what lies between it and the `Message` of a protocol (____sys_recvmsg, ____sys_sendmsg). */
import { AF_UNSPEC, SockAddr } from '../sock/address.ts'
import { MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_OOB, SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET } from '../sock/constants.ts'
import { type ControlMessage, IoVec, Message } from '../sock/message.ts'
import type { Sock } from '../sock/sock.ts'
import { EAGAIN, EMSGSIZE, ENOBUFS } from '../sys/errno.ts'
import { type AddressIn, type AddressOut, readAddress, writeAddress } from './address-value.ts'
import { ControlWriter, decodeControl } from './cmsg.ts'
import type { FileTable } from './file-table.ts'
import type { OpenFile } from './open-file.ts'

/** Most buffers of one call (UIO_MAXIOV, IOV_MAX). */
export const IOV_MAX = 1024

/**
 * What sendmsg(2) and recvmsg(2) take. recvmsg puts the sender into `name` if there is one to tell, control messages into
 * `control`, and sets `flags` (MSG_TRUNC, MSG_CTRUNC, MSG_EOR, MSG_OOB, MSG_ERRQUEUE, MSG_CMSG_CLOEXEC).
 */
export interface MsgHdr {
  /** msg_name: where to; or an object to be filled with where from. */
  name?: AddressIn | AddressOut | null
  /** msg_iov: buffers, filled or read in order. At most IOV_MAX. */
  iov: readonly Uint8Array[]
  /**
   * msg_control: objects, or bytes in Linux's layout (cmsg(3)). recvmsg replaces the objects of a list; of bytes it fills as
   * many as there are, cuts off what does not fit and says so with MSG_CTRUNC.
   */
  control?: ControlMessage[] | Uint8Array | null
  /** msg_controllen: bytes of `control` that recvmsg has filled. */
  controllen?: number
  /** msg_flags of recvmsg. */
  flags?: number
}

/** struct mmsghdr: a message of recvmmsg(2) or sendmmsg(2) and how many bytes of it were received or sent. */
export interface MMsgHdr {
  readonly hdr: MsgHdr
  len: number
}

/** The buffers of one call, as offset and length of one array if there is one only. */
export class Buffers {
  /** Not used where there is `iov`. */
  bytes: Uint8Array = new Uint8Array(0)
  length = 0
  iov: IoVec | null = null

  /** Throws a TypeError that names the first thing that is no array. */
  set(parts: readonly Uint8Array[]): void {
    for (const [i, part] of parts.entries()) {
      if (!(part instanceof Uint8Array)) throw new TypeError(`iov[${i}]: not a Uint8Array: ${String(part)}`)
    }
    this.iov = parts.length === 1 ? null : new IoVec(parts)
    this.bytes = parts[0] ?? this.bytes
    this.length = this.iov === null ? this.bytes.length : this.iov.length
  }
}

/** One recvmsg or sendmsg on its way: begun, tried once or several times by whoever calls, ended. */
export class MessageCall {
  readonly hdr: MsgHdr
  readonly message: Message = new Message()
  readonly buffers: Buffers = new Buffers()
  readonly #files: FileTable
  readonly #name: SockAddr = new SockAddr()
  #flags = 0

  constructor(hdr: MsgHdr, files: FileTable) {
    this.hdr = hdr
    this.#files = files
  }

  /** Reads the header of a sender: 0, -EMSGSIZE for too many buffers, or -ENOBUFS for too much control (net.core.optmem_max). */
  beginSend({ stack }: Sock): number {
    const { hdr, message } = this
    if (hdr.iov.length > IOV_MAX) return -EMSGSIZE
    this.buffers.set(hdr.iov)
    const { control = null, name = null } = hdr
    if (control instanceof Uint8Array && control.length > stack.sysctl.optmem_max) return -ENOBUFS
    message.iov = this.buffers.iov
    message.name = name === null ? null : readAddress('name', name as AddressIn, this.#name)
    const all = control instanceof Uint8Array ? decodeControl(control) : control
    message.control = all === null || all.length === 0 ? null : all
    message.files = this.#files
    return 0
  }

  /** A sender's end, whatever came of it: files that were not sent are let go. */
  endSend(): void {
    this.message.scm?.release()
    this.message.scm = null
  }

  /** Reads the header of a receiver: 0 or -EMSGSIZE. */
  beginReceive(flags: number): number {
    const { hdr, message } = this
    if (hdr.iov.length > IOV_MAX) return -EMSGSIZE
    this.buffers.set(hdr.iov)
    this.#flags = flags & MSG_CMSG_CLOEXEC
    message.iov = this.buffers.iov
    message.name = (hdr.name ?? null) === null ? null : this.#name
    message.files = this.#files
    this.#name.family = AF_UNSPEC
    this.retryReceive()
    return 0
  }

  /** Before each try: nothing is left of the one before but what a local socket found. */
  retryReceive(): void {
    const { message, hdr } = this
    message.flags = this.#flags
    message.control = (hdr.control ?? null) === null ? null : []
  }

  /** Puts what came into the program's header; `result` as it was. */
  endReceive(result: number): number {
    const { message, hdr } = this
    const scm = message.scm
    message.scm = null
    if (result < 0) {
      scm?.release()
      return result
    }
    const files = (scm?.files ?? []) as readonly OpenFile[]
    if (scm?.isAsked === true) message.put(SOL_SOCKET, SCM_CREDENTIALS, [scm.pid, scm.uid, scm.gid])
    const control = hdr.control ?? null
    const writer = control instanceof Uint8Array ? new ControlWriter(control) : null
    const all = message.control ?? []
    for (const { level, type, data } of all) writer?.put(level, type, data)
    if (files.length > 0) {
      const room = control === null ? 0 : writer === null ? files.length : writer.fileRoom
      const fds = this.#install(files.slice(0, room))
      if (fds.length > 0) {
        writer?.put(SOL_SOCKET, SCM_RIGHTS, fds)
        all.push({ level: SOL_SOCKET, type: SCM_RIGHTS, data: fds })
      }
      if (fds.length < files.length) message.flags |= MSG_CTRUNC
      scm?.release()
    }
    if (Array.isArray(control)) control.splice(0, control.length, ...all)
    if (writer?.isTruncated === true) message.flags |= MSG_CTRUNC
    hdr.controllen = writer === null ? 0 : writer.length
    hdr.flags = message.flags
    if (message.name !== null) writeAddress(this.#name, hdr.name as AddressOut)
    return result
  }

  /** Descriptors for as many files as the table takes (scm_detach_fds). */
  #install(files: readonly OpenFile[]): number[] {
    const fds: number[] = []
    for (const file of files) {
      const fd = this.#files.add(file, (this.#flags & MSG_CMSG_CLOEXEC) !== 0)
      if (fd < 0) break
      file.ref()
      fds.push(fd)
    }
    return fds
  }
}

/** Urgent data came with a message: recvmmsg(2) lets the program look at it at once. */
export const isUrgent = ({ hdr }: MMsgHdr): boolean => ((hdr.flags ?? 0) & MSG_OOB) !== 0

/** What recvmmsg(2) answers when a message after `count` others fails: the error waits for the next call (do_recvmmsg). */
export function endMany(sock: Sock, count: number, errno: number): number {
  if (count === 0) return errno
  if (errno !== -EAGAIN) sock.error = -errno
  return count
}
