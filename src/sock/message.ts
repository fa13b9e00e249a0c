/**
 * What sendmsg(2) and recvmsg(2) carry: the program's buffers, an address, control messages, flags. The protocols copy
 * once, straight between packets and the program's arrays, one or many (struct msghdr, iov_iter).
 */
import { copy } from '../buf/chunk.ts'
import type { Packet } from '../buf/packet.ts'
import type { SockAddr } from './address.ts'
import { MSG_CTRUNC } from './constants.ts'
import type { ZeroCopy } from './zerocopy.ts'

/**
 * One control message (cmsg(3)). `data` is an int, the fields of a struct in order (addresses as int32, ports as numbers, both in
 * host order; descriptors of SCM_RIGHTS), or raw bytes where this stack knows no layout; `src/socket/cmsg.ts` has the layouts.
 */
export interface ControlMessage {
  readonly level: number
  readonly type: number
  readonly data: ControlData
}

export type ControlData = number | readonly number[] | Uint8Array

/** Stands for a control message whose length makes no sense (CMSG_OK): whoever comes to it answers -EINVAL. */
export const MALFORMED: ControlMessage = { level: -1, type: -1, data: 0 }

/** An open file description on its way in a local socket's message, counted (SCM_RIGHTS). */
export interface PassedFile {
  ref(): this
  unref(): void
}

/** Where a sender's descriptors are looked up: its file table. */
export interface FileSource {
  get(fd: number): PassedFile | null
  /** RLIMIT_NOFILE. */
  readonly limit: number
}

/** The buffers of a program, filled or read in order (struct iovec, iov_iter). */
export class IoVec {
  readonly parts: readonly Uint8Array[]
  /** Bytes in all. */
  readonly length: number
  /** The part in hand and the position of its first byte. */
  #index = 0
  #base = 0

  constructor(parts: readonly Uint8Array[]) {
    this.parts = parts
    let length = 0
    for (const part of parts) length += part.length
    this.length = length
  }

  /** The part that holds `position`, which lies before the end. */
  #seek(position: number): Uint8Array {
    if (position < this.#base) this.#index = this.#base = 0
    let part = this.parts[this.#index] as Uint8Array
    while (position >= this.#base + part.length) {
      this.#base += part.length
      part = this.parts[++this.#index] as Uint8Array
    }
    return part
  }

  /** Bytes of the part that holds `position`, from there on. */
  leftOfPart(position: number): number {
    const { length } = this.#seek(position)
    return this.#base + length - position
  }

  /** Fills [position, position + length) with bytes of `packet` from `from` on. */
  fill(position: number, packet: Packet, from: number, length: number): void {
    for (let done = 0; done < length; ) {
      const part = this.#seek(position + done)
      const at = position + done - this.#base
      const size = Math.min(part.length - at, length - done)
      packet.copyTo(part, at, from + done, size)
      done += size
    }
  }

  /** Copies [position, position + length) into `to` at `at`. */
  gather(position: number, to: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const part = this.#seek(position + done)
      const offset = position + done - this.#base
      const size = Math.min(part.length - offset, length - done)
      copy(to, at + done, part, offset, size)
      done += size
    }
  }

  /** Copies `length` bytes of `from` at `offset` to `position`. */
  scatter(position: number, from: Uint8Array, offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const part = this.#seek(position + done)
      const at = position + done - this.#base
      const size = Math.min(part.length - at, length - done)
      copy(part, at, from, offset + done, size)
      done += size
    }
  }
}

/** What recvmsg and sendmsg carry beside one array of bytes. Reused by its owner. */
export class Message {
  /** Where from (filled by receive); null when not wanted. */
  name: SockAddr | null = null
  /** MSG_ flags of the result: protocols add to them. */
  flags = 0
  /** Where control messages go, or what the sender gave; null: none. */
  control: ControlMessage[] | null = null
  /** The program's buffers if there are several; positions in them then stand for offsets in the one array. */
  iov: IoVec | null = null
  /** When the packet read last came, in the clock's microseconds. */
  time = 0
  /** Whose descriptors SCM_RIGHTS names, to a sender's protocol. */
  files: FileSource | null = null
  /** What a local socket made of the sender's control messages, or found for the receiver (struct scm_cookie). */
  scm: Scm | null = null
  /**
   * The sender sleeps until all is taken: if a send takes a part, the notification of MSG_ZEROCOPY stays here, held, for the
   * sends of the rest, and the sender lets it go.
   */
  isWhole = false
  zerocopy: ZeroCopy | null = null

  /** A control message for the program (put_cmsg); without a place for it MSG_CTRUNC says so. */
  put(level: number, type: number, data: ControlData): void {
    if (this.control === null) this.flags |= MSG_CTRUNC
    else this.control.push({ level, type, data })
  }

  /** As new. */
  clear(): void {
    this.name = null
    this.flags = 0
    this.control = null
    this.iov = null
    this.files = null
    this.scm = null
  }
}

/** Credentials and files that travel with a local socket's message (struct scm_cookie). */
export class Scm {
  /** Who sent it (struct ucred). */
  pid = 0
  uid = 0
  gid = 0
  /** The three above say something. */
  hasCredentials = false
  /** The receiver wants them told (SO_PASSCRED). */
  isAsked = false
  /** The files, each with a reference of its own, and the user whose they are while in flight. */
  files: readonly PassedFile[] = []
  user = 0
  /** How many that user may have in flight. */
  limit: number = Infinity
  /** A receiver has got what belongs together: what follows in the queue is for another call. */
  isComplete = false

  setCredentials(pid: number, uid: number, gid: number): void {
    this.pid = pid
    this.uid = uid
    this.gid = gid
    this.hasCredentials = true
  }

  /** Lets the files go. */
  release(): void {
    for (const file of this.files) file.unref()
    this.files = []
  }
}

/** Gives the program bytes [from, from + length) of `packet`: at `at` of its one array, or of its buffers. */
export function toProgram(
  packet: Packet,
  from: number,
  length: number,
  bytes: Uint8Array,
  at: number,
  message: Message | null,
): void {
  if (message !== null && message.iov !== null) message.iov.fill(at, packet, from, length)
  else if (packet.fragCount === 0) packet.chunk.copyOwnTo(bytes, at, packet.start + from, length)
  else packet.copyTo(bytes, at, from, length)
}

/** Copies `length` bytes of the program's, at `offset` of its one array or of its buffers, into `to` at `at`. */
export function fromProgram(
  to: Uint8Array,
  at: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  message: Message | null,
): void {
  if (message !== null && message.iov !== null) message.iov.gather(offset, to, at, length)
  else copy(to, at, bytes, offset, length)
}
