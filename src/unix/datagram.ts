/** SOCK_DGRAM and SOCK_SEQPACKET of AF_UNIX: whole messages, never lost (unix_dgram_sendmsg, unix_dgram_recvmsg). */
import { AF_UNSPEC, type SockAddr } from '../sock/address.ts'
import { MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_SEQPACKET } from '../sock/constants.ts'
import { type Message, RCV_SHUTDOWN, SF_DEAD, TCP_CLOSE, TCP_ESTABLISHED } from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import { EAGAIN, ECONNREFUSED, ECONNRESET, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE } from '../sys/errno.ts'
import { UnixConnectionSock } from './connection.ts'
import { datagramTruesize } from './message.ts'
import type { Unix } from './unix.ts'
import { checkAddress, UnixSock } from './unix-sock.ts'

/** What a datagram's length leaves free of the send buffer. */
const LENGTH_RESERVE = 32

/** A socket connected to another takes datagrams from there only (unix_may_send). */
const maySend = (from: UnixSock, to: UnixSock): boolean => to.peer === null || to.peer === from

/** Whether the queue of `to` has no room for `from`; the ends of a pair wait for each other's buffer only. */
const isBlocked = (from: UnixSock, to: UnixSock): boolean => to !== from && to.peer !== from && to.isFull

// biome-ignore format: the parameters of sendto(2)
function sendDatagram(from: UnixSock, bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null): number {
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  const invalid = to === null ? 0 : checkAddress(to)
  if (invalid < 0) return invalid
  if (length > from.sndbuf - LENGTH_RESERVE) return -EMSGSIZE
  const refused = from.sendRoom()
  if (refused < 0) return refused
  const other = to === null ? from.peer : from.findOther(to)
  if (typeof other === 'number') return other
  if (other === null) return -ENOTCONN
  if (!maySend(from, other)) return -EPERM
  if (other.isFlag(SF_DEAD)) return peerIsGone(from)
  if ((other.shutdownMask & RCV_SHUTDOWN) !== 0) return -EPIPE
  if (isBlocked(from, other)) {
    from.waitForPeer(other)
    return -EAGAIN
  }
  other.enqueue(from.unix.messages.make(from, bytes, offset, length, datagramTruesize(length)))
  return length
}

/** The peer has been closed: the association ends, and only this call hears of it. */
function peerIsGone(from: UnixSock): number {
  if (from.type === SOCK_SEQPACKET) return -EPIPE
  const peer = from.peer as UnixSock
  from.peer = null
  from.state = TCP_CLOSE
  disconnected(from, peer)
  return -ECONNREFUSED
}

/** What the old peer had sent is lost, and it hears of that if it was connected to us (unix_dgram_disconnected). */
function disconnected(sock: UnixSock, old: UnixSock): void {
  if (sock.head === null) return
  sock.purge()
  sock.wakePeers()
  if (!old.isFlag(SF_DEAD) && old.peer === sock) {
    old.error = ECONNRESET
    old.wait.wake(POLLERR)
  }
}

// biome-ignore format: the parameters of recvmsg(2)
function receiveDatagram(sock: UnixSock, bytes: Uint8Array, offset: number, length: number, flags: number, into: Message | null): number {
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  if (sock.error !== 0) return -sock.takeError()
  const message = sock.head
  if (message === null) {
    // The end of a connection is one for those who do not wait, too.
    const isEnd = sock.type === SOCK_SEQPACKET && (sock.shutdownMask & RCV_SHUTDOWN) !== 0
    return isEnd ? 0 : -EAGAIN
  }
  const size = message.length
  const copied = Math.min(size, length)
  message.copyTo(bytes, offset, 0, copied)
  if (into !== null) {
    into.flags = copied < size ? MSG_TRUNC : 0
    if (into.name !== null) message.sender?.copyName(into.name)
  }
  if ((flags & MSG_PEEK) === 0) sock.dequeue()
  sock.wakePeers()
  return (flags & MSG_TRUNC) !== 0 ? size : copied
}

export class UnixDatagram extends UnixSock {
  constructor(unix: Unix) {
    super(unix, SOCK_DGRAM)
  }

  /** Sets where to send to and whom alone to hear, or with AF_UNSPEC takes it back (unix_dgram_connect). */
  override connect(to: SockAddr): number {
    let other: UnixSock | null = null
    if (to.family !== AF_UNSPEC) {
      const invalid = checkAddress(to)
      if (invalid < 0) return invalid
      const found = this.findOther(to)
      if (typeof found === 'number') return found
      if (!maySend(this, found)) return -EPERM
      other = found
      this.state = other.state = TCP_ESTABLISHED
    }
    const old = this.peer
    this.peer = other
    if (old === null) return 0
    if (other === null) this.state = TCP_CLOSE
    if (other === old) return 0
    disconnected(this, old)
    if (old.peer === null) old.state = TCP_CLOSE
    return 0
  }

  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null): number {
    return sendDatagram(this, bytes, offset, length, flags, to)
  }

  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    return receiveDatagram(this, bytes, offset, length, flags, message)
  }

  protected override peerHasRoom(): boolean {
    const { peer } = this
    if (peer === null || !isBlocked(this, peer)) return true
    this.waitForPeer(peer)
    return false
  }
}

export class UnixSeqpacket extends UnixConnectionSock {
  constructor(unix: Unix) {
    super(unix, SOCK_SEQPACKET)
  }

  /** As a datagram to the other end, whatever address is given (unix_seqpacket_sendmsg). */
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, _to: SockAddr | null): number {
    if (this.error !== 0) return -this.takeError()
    if (this.state !== TCP_ESTABLISHED) return -ENOTCONN
    return sendDatagram(this, bytes, offset, length, flags, null)
  }

  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if (this.state !== TCP_ESTABLISHED) return -ENOTCONN
    return receiveDatagram(this, bytes, offset, length, flags, message)
  }
}
