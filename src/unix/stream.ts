/** SOCK_STREAM of AF_UNIX: bytes in order (unix_stream_sendmsg, unix_stream_read_generic). */
import type { SockAddr } from '../sock/address.ts'
import { MSG_OOB, MSG_PEEK, MSG_WAITALL, SOCK_STREAM } from '../sock/constants.ts'
import { type Message, RCV_SHUTDOWN, SEND_SHUTDOWN, TCP_ESTABLISHED } from '../sock/sock.ts'
import { EAGAIN, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP, EPIPE } from '../sys/errno.ts'
import { UnixConnectionSock } from './connection.ts'
import { STREAM_MESSAGE, streamTruesize } from './message.ts'
import type { Unix } from './unix.ts'

/** What is left of half the send buffer for one message, so that two are on their way. */
const HALF_LESS = 64

export class UnixStream extends UnixConnectionSock {
  constructor(unix: Unix) {
    super(unix, SOCK_STREAM)
  }

  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null): number {
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    if (to !== null) return this.state === TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP
    const other = this.peer
    if (other === null) return -ENOTCONN
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE
    const most = Math.min(STREAM_MESSAGE, (this.sndbuf >> 1) - HALF_LESS)
    let sent = 0
    while (sent < length) {
      const refused = this.sendRoom()
      if (refused < 0) return sent > 0 ? sent : refused
      if (this.isDeaf(other)) return sent > 0 ? sent : -EPIPE
      const size = Math.min(length - sent, most)
      other.enqueue(this.unix.messages.make(this, bytes, offset + sent, size, streamTruesize(size)))
      sent += size
    }
    return sent
  }

  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if (this.state !== TCP_ESTABLISHED) return -EINVAL
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    const first = this.head
    if (first === null) {
      if (this.error !== 0) return -this.takeError()
      return (this.shutdownMask & RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN
    }
    const from = message?.name ?? null
    if (from !== null) first.sender?.copyName(from)
    const copied = (flags & MSG_PEEK) !== 0 ? this.#peek(bytes, offset, length) : this.#take(bytes, offset, length)
    // Less than asked for, and nothing more to come: the error that says so goes unheard.
    const target = (flags & MSG_WAITALL) !== 0 ? length : Math.min(this.rcvLowat, length)
    if (copied < target && this.head === null) this.takeError()
    return copied
  }

  #take(bytes: Uint8Array, offset: number, length: number): number {
    let copied = 0
    for (let message = this.head; message !== null && copied < length; message = this.head) {
      const part = Math.min(message.length - message.consumed, length - copied)
      message.copyTo(bytes, offset + copied, message.consumed, part)
      copied += part
      if (message.consumed + part < message.length) {
        message.consumed += part
        this.unread -= part
        break
      }
      const { attachments } = message
      this.dequeue()
      // What came with descriptors is not mixed with what follows.
      if (attachments !== null) break
    }
    return copied
  }

  #peek(bytes: Uint8Array, offset: number, length: number): number {
    let copied = 0
    for (let message = this.head; message !== null && copied < length; message = message.next) {
      const part = Math.min(message.length - message.consumed, length - copied)
      message.copyTo(bytes, offset + copied, message.consumed, part)
      copied += part
      if (message.attachments !== null) break
    }
    return copied
  }
}
