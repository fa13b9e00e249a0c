/**
 * What local sockets of all types share (struct unix_sock, net/unix/af_unix.c): name, peer, receive queue, accounting, end.
 * A message in flight is charged to its sender until it has been read, so the send buffers are all the buffers there are.
 */
import { AF_UNIX, type SockAddr } from '../sock/address.ts'
import { SIOCATMARK, SIOCINQ, SIOCOUTQ, SOCK_DGRAM } from '../sock/constants.ts'
import {
  type PeerCredentials,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SF_DEAD,
  SHUTDOWN_MASK,
  Sock,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
} from '../sock/sock.ts'
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
  Waiter,
  WaitQueue,
} from '../sock/wait-queue.ts'
import {
  EACCES,
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  EISCONN,
  ENOENT,
  ENOTCONN,
  EPIPE,
  EPROTOTYPE,
} from '../sys/errno.ts'
import type { UnixMessage } from './message.ts'
import { type SocketInode, UNIX_PATH_MAX, utf8Length } from './names.ts'
import type { Unix } from './unix.ts'

export const READABLE: number = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND
export const WRITABLE: number = POLLOUT | POLLWRNORM | POLLWRBAND
/** A change of state concerns everybody who sleeps. */
const STATE_CHANGE: number = READABLE | WRITABLE | POLLERR | POLLHUP | POLLRDHUP

/** Somebody who waits for room in another socket's queue (unix_wait_for_peer, unix_dgram_peer_wake_me). */
class PeerWaiter extends Waiter {
  readonly #sock: UnixSock
  constructor(sock: UnixSock) {
    super()
    this.#sock = sock
  }
  override wake(): void {
    this.queue?.remove(this)
    this.#sock.wait.wake(WRITABLE)
  }
}

export abstract class UnixSock extends Sock {
  readonly unix: Unix
  /** What `ss` and `/proc/net/unix` call it; 0 until somebody has accepted it. */
  inode = 0
  /** Where it sends to: the other end, or a datagram socket's default. */
  peer: UnixSock | null = null
  /** As bound: '' without a name, a leading NUL for an abstract one. Accepted sockets share their listener's. */
  name = ''
  /** The socket file it made. */
  file: SocketInode<UnixSock> | null = null
  /** Received messages, oldest first. */
  head: UnixMessage | null = null
  tail: UnixMessage | null = null
  /** Messages in the queue, or connections to be accepted; one more than `backlog` fit (sk_max_ack_backlog). */
  queueLength = 0
  backlog: number
  /** Bytes in the queue that have not been read. */
  unread = 0
  /** SO_PEERCRED: who the other end was when the connection was made; for a listener, who called listen. */
  peerCred: PeerCredentials | null = null
  /** Those who wait for room in this queue. */
  readonly peerWait: WaitQueue = new WaitQueue()
  readonly #waiters: PeerWaiter[] = []

  constructor(unix: Unix, type: number) {
    super(unix.stack, AF_UNIX, type, 0)
    this.unix = unix
    this.backlog = unix.stack.sysctl.max_dgram_qlen
  }

  /** Datagrams need no connection. */
  get isConnectionBased(): boolean {
    return this.type !== SOCK_DGRAM
  }

  // ---- Names ----

  /** bind(2) (unix_bind): a path, an abstract name, or without a name five hexadecimal digits. */
  override bind(to: SockAddr): number {
    if (to.family === AF_UNIX && to.path === '') return this.#autobind()
    const invalid = checkAddress(to)
    if (invalid < 0) return invalid
    if (to.path.startsWith('\0')) {
      if (this.name !== '') return -EINVAL
      return this.#takeAbstract(to.path)
    }
    const made = this.unix.names.make(to.path, this, this.caller)
    if (typeof made === 'number') return made
    if (this.name !== '') {
      // The second name is taken away again, after it has shown whether it was free.
      this.unix.names.unlink(to.path, { euid: 0, egid: 0 })
      return -EINVAL
    }
    this.file = made
    this.name = to.path
    return 0
  }

  #takeAbstract(name: string): number {
    const result = this.unix.takeAbstract(name, this)
    if (result === 0) this.name = name
    return result
  }

  /** unix_autobind: nothing happens if it has a name. */
  #autobind(): number {
    if (this.name !== '') return 0
    const name = this.unix.freeName(this)
    if (typeof name === 'number') return name
    this.name = name
    return 0
  }

  override getName(peer: boolean, into: SockAddr): number {
    const sock = peer ? this.peer : this
    if (sock === null) return -ENOTCONN
    into.family = AF_UNIX
    into.address = into.port = 0
    into.path = sock.name
    return 0
  }

  /** Tells the receiver of a message who sent it; one without a name tells nothing (unix_copy_addr). */
  copyName(into: SockAddr): void {
    if (this.name === '') return
    into.family = AF_UNIX
    into.address = into.port = 0
    into.path = this.name
  }

  /** The socket behind an address (unix_find_other): it, or -ENOENT, -EACCES, -ECONNREFUSED, -EPROTOTYPE. */
  findOther(to: SockAddr): UnixSock | number {
    const { names } = this.unix
    if (to.path.startsWith('\0')) return names.abstract(to.path, this.type) ?? -ECONNREFUSED
    const inode = names.inode(to.path)
    if (inode === undefined) return -ENOENT
    if (!inode.mayWrite(this.caller)) return -EACCES
    if (inode.socket === null) return -ECONNREFUSED
    return inode.socket.type === this.type ? inode.socket : -EPROTOTYPE
  }

  override peerCredentials(): PeerCredentials {
    return this.peerCred ?? super.peerCredentials()
  }

  /** Who makes the call in hand, as the peer will see it. */
  callerCredentials(): PeerCredentials {
    return { pid: this.caller.pid, uid: this.caller.euid, gid: this.caller.egid }
  }

  /** socketpair(2) (unix_socketpair). */
  override pair(other: Sock): number {
    if (!(other instanceof UnixSock)) return -EINVAL
    if (this.peer !== null || other.peer !== null) return -EISCONN
    this.peer = other
    other.peer = this
    this.peerCred = other.peerCred = this.callerCredentials()
    this.state = other.state = TCP_ESTABLISHED
    return 0
  }

  // ---- The queue ----

  /** unix_recvq_full. */
  get isFull(): boolean {
    return this.queueLength > this.backlog
  }

  enqueue(message: UnixMessage): void {
    if (this.tail === null) this.head = message
    else this.tail.next = message
    this.tail = message
    this.queueLength++
    this.unread += message.length
    if (!this.wait.isEmpty) this.wait.wake(READABLE)
  }

  /** Takes the oldest message out. */
  dequeue(): void {
    const message = this.head as UnixMessage
    this.head = message.next
    if (this.head === null) this.tail = null
    this.queueLength--
    this.unread -= message.length - message.consumed
    this.unix.messages.free(message)
  }

  purge(): void {
    while (this.head !== null) this.dequeue()
  }

  /** Whether something may be sent now (sock_alloc_send_pskb): 0, the pending error, -EPIPE or -EAGAIN. */
  sendRoom(): number {
    if (this.error !== 0) return -this.takeError()
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE
    return this.wmemQueued < this.sndbuf ? 0 : -EAGAIN
  }

  /** unix_writable: a quarter of the buffer is in use at most. */
  get isWritable(): boolean {
    return this.state !== TCP_LISTEN && (this.wmemQueued + 1) * 4 <= this.sndbuf
  }

  /** A message of this socket has been read (sock_wfree, unix_write_space). */
  uncharge(bytes: number): void {
    this.wmemQueued -= bytes
    if (!this.wait.isEmpty && this.isWritable) this.wait.wake(WRITABLE)
  }

  /** Wakes this socket's sleepers when `other` has room. */
  waitForPeer(other: UnixSock): void {
    let free: PeerWaiter | null = null
    for (const waiter of this.#waiters) {
      if (waiter.queue === other.peerWait) return
      if (waiter.queue === null) free = waiter
    }
    if (free === null) {
      free = new PeerWaiter(this)
      this.#waiters.push(free)
    }
    other.peerWait.add(free)
  }

  /** Somebody may send to this socket, or connect to it, again. */
  wakePeers(): void {
    if (!this.peerWait.isEmpty) this.peerWait.wake(WRITABLE)
  }

  // ---- Readiness, state, end ----

  /** unix_poll, unix_dgram_poll. */
  override poll(): number {
    let mask = 0
    const { shutdownMask } = this
    if (this.error !== 0) mask |= POLLERR
    if (shutdownMask === SHUTDOWN_MASK) mask |= POLLHUP
    if ((shutdownMask & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if (this.queueLength > 0) mask |= POLLIN | POLLRDNORM
    if (this.isConnectionBased && this.state === TCP_CLOSE) mask |= POLLHUP
    if (this.isWritable && this.peerHasRoom()) mask |= WRITABLE
    return mask
  }

  /** Types that send whole messages to a queue of limited length ask for room there. */
  protected peerHasRoom(): boolean {
    return true
  }

  override ioctl(request: number): number {
    switch (request) {
      case SIOCINQ:
        if (this.state === TCP_LISTEN) return -EINVAL
        return this.isConnectionBased ? this.unread : (this.head?.length ?? 0)
      case SIOCOUTQ:
        return this.wmemQueued
      case SIOCATMARK:
        return 0
      default:
        return super.ioctl(request)
    }
  }

  /** unix_shutdown: works in any state; the other end of a connection is shut the other way round. */
  override shutdown(how: number): number {
    if (!(how >= 0 && how <= 2)) return -EINVAL
    const mode = how + 1
    this.shutdownMask |= mode
    this.wait.wake(STATE_CHANGE)
    const { peer } = this
    if (peer === null || !this.isConnectionBased) return 0
    if ((mode & RCV_SHUTDOWN) !== 0) peer.shutdownMask |= SEND_SHUTDOWN
    if ((mode & SEND_SHUTDOWN) !== 0) peer.shutdownMask |= RCV_SHUTDOWN
    peer.wait.wake(STATE_CHANGE)
    return 0
  }

  /** Something that the peer sent is lost by closing now; an empty message alone is not (unix_release_sock). */
  get #hasUnread(): boolean {
    return this.head !== null && (this.head.length > 0 || this.head.next !== null)
  }

  override close(): void {
    this.release(false)
  }

  /** unix_release_sock; `isEmbryo`: a connection that nobody has accepted. */
  protected release(isEmbryo: boolean): void {
    this.setFlag(SF_DEAD, true)
    this.unix.forget(this)
    this.shutdownMask = SHUTDOWN_MASK
    this.state = TCP_CLOSE
    const { peer } = this
    this.peer = null
    this.wakePeers()
    if (peer !== null && this.isConnectionBased) {
      peer.shutdownMask = SHUTDOWN_MASK
      if (this.#hasUnread || isEmbryo) peer.error = ECONNRESET
      peer.wait.wake(STATE_CHANGE)
    }
    for (const waiter of this.#waiters) waiter.queue?.remove(waiter)
    this.purge()
  }
}

/** unix_validate_addr: 0, or -EINVAL. */
export function checkAddress(to: SockAddr): number {
  if (to.family !== AF_UNIX || to.path === '') return -EINVAL
  return to.path.length > UNIX_PATH_MAX || utf8Length(to.path) > UNIX_PATH_MAX ? -EINVAL : 0
}
