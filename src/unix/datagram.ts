/** SOCK_DGRAM and SOCK_SEQPACKET of AF_UNIX: whole messages, never lost (unix_dgram_sendmsg, unix_dgram_recvmsg). */
import { AF_UNSPEC, SIZEOF_SA_FAMILY, type SockAddr } from '../sock/address.ts'
import { filterFrom } from '../sock/bpf.ts'
import { MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_SEQPACKET } from '../sock/constants.ts'
import { type Message, Scm } from '../sock/message.ts'
import { putTimes, WANT_TIMESTAMP } from '../sock/receive-control.ts'
import { RCV_SHUTDOWN, SF_DEAD, TCP_CLOSE, TCP_ESTABLISHED } from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import { EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE } from '../sys/errno.ts'
import { UnixConnectionSock } from './connection.ts'
import { datagramTruesize, type UnixMessage } from './message.ts'
import { attach, copyWriter, handOver, readScm, wantsCredentials } from './scm.ts'
import type { Unix } from './unix.ts'
import { checkAddress, mayPassRights, UnixSock } from './unix-sock.ts'

/** What a datagram's length leaves free of the send buffer. */
const LENGTH_RESERVE = 32

/** A socket connected to another takes datagrams from there only (unix_may_send). */
const maySend = (from: UnixSock, to: UnixSock): boolean => to.peer === null || to.peer === from

/** Whether the queue of `to` has no room for `from`; the ends of a pair wait for each other's buffer only. */
const isBlocked = (from: UnixSock, to: UnixSock): boolean => to !== from && to.peer !== from && to.isFull

// biome-ignore format: the parameters of sendto(2)
function sendDatagram(from: UnixSock, bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null): number {
  const malformed = message === null ? 0 : readScm(from, message)
  if (malformed < 0) return malformed
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
  const invalid = to === null ? 0 : checkAddress(to)
  if (invalid < 0) return invalid
  const unnamed = from.nameIfTold()
  if (unnamed < 0) return unnamed
  if (length > from.sndbuf - LENGTH_RESERVE) return -EMSGSIZE
  const refused = from.sendRoom()
  if (refused < 0) return refused
  const result = deliver(from, bytes, offset, length, to, message)
  // The message nobody took was charged: waiters for room hear that it is free again (sock_wfree).
  if (result < 0) from.uncharge(0)
  return result
}

// biome-ignore format: one line
function deliver(from: UnixSock, bytes: Uint8Array, offset: number, length: number, to: SockAddr | null, message: Message | null): number {
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
  const sent = message === null ? null : message.scm
  if (sent !== null && sent.files.length > 0 && !mayPassRights(other)) return -EPERM
  const scm = attach(from, sent, other, true)
  if (typeof scm === 'number') return scm
  const made = from.unix.messages.make(from, bytes, offset, length, datagramTruesize(length), message)
  made.scm = scm
  // SO_ATTACH_FILTER: the sender hears nothing of it.
  const keep = other.settings.filter === null ? length : filterMessage(other, made)
  if (keep === 0 && length > 0) from.unix.messages.free(made)
  else other.enqueue(made)
  return length
}

/** Cuts a message to what the receiver's program keeps of it; that. */
function filterMessage(other: UnixSock, made: UnixMessage): number {
  const { packet } = made
  if (packet === null) return made.length
  const keep = Math.min(filterFrom(other, packet, packet.start), made.length)
  packet.trimTo(keep)
  made.length = keep
  return keep
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
  const isPeek = (flags & MSG_PEEK) !== 0
  let skip = isPeek ? Math.max(sock.settings.peekOff, 0) : 0
  let message = sock.head
  while (message !== null && skip > 0 && skip >= message.length) {
    skip -= message.length
    message = message.next
  }
  if (message === null) {
    // The end of a connection is one for those who do not wait, too.
    const isEnd = sock.type === SOCK_SEQPACKET && (sock.shutdownMask & RCV_SHUTDOWN) !== 0
    return isEnd ? 0 : -EAGAIN
  }
  const size = message.length - skip
  const copied = Math.min(size, length)
  message.copyTo(bytes, offset, skip, copied, into)
  if (into !== null) {
    if (copied < size) into.flags |= MSG_TRUNC
    if (into.name !== null) message.sender?.copyName(into.name)
    if ((sock.settings.wants & WANT_TIMESTAMP) !== 0) putTimes(sock, into, sock.stack.clock.now())
  }
  tellScm(sock, message, into, isPeek)
  if (sock.settings.peekOff >= 0) sock.movePeek(isPeek ? copied : -message.length)
  if (!isPeek) sock.dequeue()
  sock.wakePeers()
  return (flags & MSG_TRUNC) !== 0 ? size : copied
}

/** Credentials, if asked for, and files of a message; a receiver with nowhere to put files loses them. */
function tellScm(sock: UnixSock, message: UnixMessage, into: Message | null, isPeek: boolean): void {
  const hasFiles = message.scm !== null && message.scm.files.length > 0
  const isAsked = wantsCredentials(sock)
  if (into === null || into.files === null || (!hasFiles && !isAsked)) return
  into.scm = new Scm()
  into.scm.isAsked = isAsked
  if (isAsked) copyWriter(message, into.scm)
  if (hasFiles) handOver(sock, message, into.scm, isPeek)
}

export class UnixDatagram extends UnixSock {
  constructor(unix: Unix) {
    super(unix, SOCK_DGRAM)
  }

  /** Sets where to send to and whom alone to hear, or with AF_UNSPEC takes it back (unix_dgram_connect). */
  override connect(to: SockAddr): number {
    let other: UnixSock | null = null
    if (to.length < SIZEOF_SA_FAMILY) return -EINVAL
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

  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null = null): number {
    return sendDatagram(this, bytes, offset, length, flags, to?.length === 0 ? null : to, message)
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
  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, _to: SockAddr | null, message: Message | null = null): number {
    if (this.error !== 0) return -this.takeError()
    if (this.state !== TCP_ESTABLISHED) return -ENOTCONN
    return sendDatagram(this, bytes, offset, length, flags, null, message)
  }

  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if (this.state !== TCP_ESTABLISHED) return -ENOTCONN
    return receiveDatagram(this, bytes, offset, length, flags, message)
  }
}
