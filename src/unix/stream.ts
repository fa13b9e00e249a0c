/** SOCK_STREAM of AF_UNIX: bytes in order, one of them urgent (unix_stream_sendmsg, unix_stream_read_generic). */
import type { SockAddr } from '../sock/address.ts'
import { MSG_OOB, MSG_PEEK, MSG_WAITALL, SOCK_STREAM } from '../sock/constants.ts'
import { type Message, Scm } from '../sock/message.ts'
import { RCV_SHUTDOWN, SEND_SHUTDOWN, SF_OOBINLINE, TCP_ESTABLISHED } from '../sock/sock.ts'
import { EAGAIN, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE } from '../sys/errno.ts'
import { UnixConnectionSock } from './connection.ts'
import { STREAM_MESSAGE, streamTruesize, type UnixMessage } from './message.ts'
import { attach, copyWriter, handOver, isSameWriter, readScm, wantsCredentials } from './scm.ts'
import type { Unix } from './unix.ts'
import { mayPassRights, type UnixSock } from './unix-sock.ts'

/** What is left of half the send buffer for one message, so that two are on their way. */
const HALF_LESS = 64

export class UnixStream extends UnixConnectionSock {
  /** Where in the message that `#skip` gave MSG_PEEK begins. */
  #peekAt = 0

  constructor(unix: Unix) {
    super(unix, SOCK_STREAM)
  }

  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null = null): number {
    const invalid = message === null ? 0 : readScm(this, message)
    if (invalid < 0) return invalid
    const urgent = (flags & MSG_OOB) !== 0 ? 1 : 0
    if (urgent > length) return -EOPNOTSUPP
    if (to !== null && to.length > 0) return this.state === TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP
    const other = this.peer
    if (other === null) return -ENOTCONN
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE
    const plain = length - urgent
    const most = Math.min(STREAM_MESSAGE, (this.sndbuf >> 1) - HALF_LESS)
    let sent = 0
    while (sent < plain) {
      const size = Math.min(plain - sent, most)
      const refused = this.#queueFor(other, bytes, offset + sent, size, message, sent === 0)
      if (refused < 0) return sent > 0 ? sent : refused
      sent += size
    }
    if (urgent === 0) return sent
    const refused = this.#queueFor(other, bytes, offset + sent, 1, message, sent === 0)
    if (refused < 0) return sent > 0 ? sent : refused
    other.urgent = other.tail
    return length
  }

  /** One message for the other end, with the sender's files if `isFirst`: 0 or -errno. */
  // biome-ignore format: one line
  #queueFor(other: UnixSock, bytes: Uint8Array, offset: number, size: number, message: Message | null, isFirst: boolean): number {
    const refused = this.sendRoom()
    if (refused < 0) return refused
    if (this.isDeaf(other)) return -EPIPE
    const sent = message === null ? null : message.scm
    if (isFirst && sent !== null && sent.files.length > 0 && !mayPassRights(other)) return -EPERM
    const scm = attach(this, sent, other, isFirst)
    if (typeof scm === 'number') return scm
    const made = this.unix.messages.make(this, bytes, offset, size, streamTruesize(size), message)
    made.scm = scm
    other.enqueue(made)
    return 0
  }

  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if (this.state !== TCP_ESTABLISHED) return -EINVAL
    if ((flags & MSG_OOB) !== 0) return this.#receiveUrgent(bytes, offset, length, flags, message)
    const isPeek = (flags & MSG_PEEK) !== 0
    let at = this.#readable(this.head, isPeek, false)
    if (isPeek && at !== null) at = this.#skip(at)
    if (at === null) {
      if (wantsCredentials(this)) askWriter(message)
      return this.#nothing()
    }
    const scm = this.#record(message)
    const isLater = scm?.hasCredentials === true
    if (scm !== null && !isLater) copyWriter(at, scm)
    if (message !== null && message.name !== null) at.sender?.copyName(message.name)
    if (isLater && !isSameWriter(at, scm)) {
      scm.isComplete = true
      return -EAGAIN
    }
    const copied = isPeek
      ? this.#peek(at, bytes, offset, length, message, scm)
      : this.#take(at, bytes, offset, length, message, scm)
    // Less than asked for, and nothing more to come: the error that says so goes unheard.
    const target = (flags & MSG_WAITALL) !== 0 ? length : Math.min(this.rcvLowat, length)
    if (copied < target && this.head === null) this.takeError()
    return copied
  }

  /** Where writers and files go; null if nobody asks and none come. A `read` has nowhere but minds the boundaries. */
  #record(message: Message | null): Scm | null {
    if (!wantsCredentials(this)) return null
    return askWriter(message) ?? new Scm()
  }

  /** The queue is empty. */
  #nothing(): number {
    if (this.error !== 0) return -this.takeError()
    return (this.shutdownMask & RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN
  }

  /** Bytes from `at`, the front of the queue, on; up to files, another writer or the urgent byte. */
  // biome-ignore format: one line
  #take(at: UnixMessage, bytes: Uint8Array, offset: number, length: number, message: Message | null, scm: Scm | null): number {
    let copied = 0
    for (let front: UnixMessage | null = at; front !== null; front = this.#readable(this.head, false, true)) {
      if (front !== at && scm !== null && !isSameWriter(front, scm)) {
        scm.isComplete = true
        break
      }
      const part = Math.min(front.left, length - copied)
      front.copyTo(bytes, offset + copied, front.consumed, part, message)
      copied += part
      front.consumed += part
      this.unread -= part
      const hasFiles = front.scm !== null && front.scm.files.length > 0
      if (hasFiles) this.#files(front, message, false)
      if (front.left > 0) break
      this.dequeue()
      // What came with descriptors is not mixed with what follows.
      if (hasFiles || copied >= length) break
    }
    if (this.settings.peekOff >= 0) this.movePeek(-copied)
    return copied
  }

  /** As `#take`, and everything stays. */
  // biome-ignore format: one line
  #peek(at: UnixMessage, bytes: Uint8Array, offset: number, length: number, message: Message | null, scm: Scm | null): number {
    let copied = 0
    let skip = this.#peekAt
    for (let m: UnixMessage | null = at; m !== null && (m === at || copied < length); m = this.#readable(m.next, true, true)) {
      if (m !== at && scm !== null && !isSameWriter(m, scm)) break
      const part = Math.min(m.left - skip, length - copied)
      m.copyTo(bytes, offset + copied, m.consumed + skip, part, message)
      copied += part
      skip = 0
      if (m.scm !== null && m.scm.files.length > 0) {
        this.#files(m, message, true)
        break
      }
    }
    if (this.settings.peekOff >= 0) this.movePeek(copied)
    return copied
  }

  /** The message that holds the place where peeking begins (SO_PEEK_OFF); `#peekAt` says where in it. */
  #skip(from: UnixMessage): UnixMessage | null {
    let at: UnixMessage | null = from
    this.#peekAt = Math.max(this.settings.peekOff, 0)
    while (at !== null && this.#peekAt >= at.left) {
      this.#peekAt -= at.left
      at = at.next
    }
    return at
  }

  /** Files of a message for a receiver that has somewhere to put them; else they are let go. */
  #files(from: UnixMessage, message: Message | null, isPeek: boolean): void {
    const into = message !== null && message.files !== null ? (message.scm ?? new Scm()) : new Scm()
    handOver(this, from, into, isPeek)
    into.isComplete = true
    if (message !== null && message.files !== null) message.scm = into
    else this.unix.flights.release(into.files)
  }

  /**
   * What is to be read after `m`'s place in the queue: not a message read out of band already, and not the urgent byte, which ends a
   * read and is passed over at the start of the next unless it is read in line (manage_oob).
   */
  #readable(m: UnixMessage | null, isPeek: boolean, isBegun: boolean): UnixMessage | null {
    if (m === null || (m.left > 0 && m !== this.urgent)) return m
    let at: UnixMessage | null = m
    if (m.left === 0) {
      if (isBegun && (this.urgent === null || m === this.urgent)) return null
      at = m.next
      if (!isPeek) this.unlink(m, null)
    }
    if (at === null || at !== this.urgent) return at
    if (isBegun) return null
    const isInline = this.isFlag(SF_OOBINLINE)
    if (isPeek) return isInline ? at : at.next
    this.urgent = null
    if (isInline) return at
    this.dequeue()
    return this.head
  }

  /** The urgent byte (unix_stream_recv_urg). */
  #receiveUrgent(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    const { urgent } = this
    if (this.isFlag(SF_OOBINLINE) || urgent === null) return -EINVAL
    const isPeek = (flags & MSG_PEEK) !== 0
    if (!isPeek) {
      this.urgent = null
      this.#dropReadBefore(urgent)
    }
    if (length > 0) urgent.copyTo(bytes, offset, 0, 1, message)
    if (!isPeek) {
      urgent.consumed++
      this.unread--
    }
    if (message !== null) message.flags |= MSG_OOB
    return 1
  }

  /** An urgent byte that was read before and lies in front of this one is of no more use. */
  #dropReadBefore(urgent: UnixMessage): void {
    let before: UnixMessage | null = null
    for (let m = this.head; m !== null && m !== urgent; before = m, m = m.next) {
      if (m.next === urgent && m.left === 0) {
        this.unlink(m, before)
        return
      }
    }
  }
}

/** The record of who wrote what a recvmsg reads; null for calls without one. */
function askWriter(message: Message | null): Scm | null {
  if (message === null || message.files === null) return null
  if (message.scm === null) {
    message.scm = new Scm()
    message.scm.isAsked = true
  }
  return message.scm
}
