/**
 * What local sockets of all types share (struct unix_sock, net/unix/af_unix.c): name, peer, receive queue, accounting, end.
 * A message in flight is charged to its sender until it has been read, so the send buffers are all the buffers there are.
 */
import { type SocketInode, utf8Length } from '../fs/inode.ts'
import { AF_UNIX, SIZEOF_SA_FAMILY, SIZEOF_SOCKADDR, type SockAddr, UNIX_PATH_MAX } from '../sock/address.ts'
import { SIOCATMARK, SIOCINQ, SIOCOUTQ, SOCK_DGRAM, SOCK_STREAM } from '../sock/constants.ts'
import { WANT_CRED, WANT_NO_RIGHTS } from '../sock/receive-control.ts'
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
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  READABLE,
  Waiter,
  WaitQueue,
  WRITABLE,
} from '../sock/wait-queue.ts'
import {
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
  EPROTOTYPE,
} from '../sys/errno.ts'
import type { UnixMessage } from './message.ts'
import type { Unix } from './unix.ts'

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
  /** A descriptor names it, or did: not so a connection that nobody has accepted (sk_socket). */
  isOwned = true
  /** The urgent byte's message, while it is in the queue and unread (oob_skb). */
  urgent: UnixMessage | null = null
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
    if (to.family === AF_UNIX && to.path === '' && to.length <= SIZEOF_SOCKADDR) return this.#autobind()
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
      this.unix.names.unmake(to.path, this.caller)
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

  /** Who wants credentials has a name (unix_may_passcred): 0 or -ENOSPC. */
  nameIfTold(): number {
    return (this.settings.wants & WANT_CRED) !== 0 ? this.#autobind() : 0
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

  /** The socket behind an address (unix_find_other): it, -ECONNREFUSED, -EPROTOTYPE, -EACCES, or as its path fails. */
  findOther(to: SockAddr): UnixSock | number {
    const { names } = this.unix
    if (to.path.startsWith('\0')) return names.abstract(to.path, this.type) ?? -ECONNREFUSED
    const other = names.find(to.path, this.caller)
    return typeof other === 'number' || other.type === this.type ? other : -EPROTOTYPE
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
    if (message.scm !== null) this.unix.flights.departed(message.scm)
    if (this.tail === null) this.head = message
    else this.tail.next = message
    this.tail = message
    this.queueLength++
    this.unread += message.length
    if (!this.wait.isEmpty) this.wait.wake(READABLE)
  }

  /** Takes the oldest message out. */
  dequeue(): void {
    this.unlink(this.head as UnixMessage, null)
  }

  /** Takes a message out of the queue; `before` is the one in front of it. */
  protected unlink(message: UnixMessage, before: UnixMessage | null): void {
    if (before === null) this.head = message.next
    else before.next = message.next
    if (this.tail === message) this.tail = before
    if (this.urgent === message) this.urgent = null
    this.queueLength--
    this.unread -= message.left
    this.unix.messages.free(message)
  }

  /** Connections to be accepted, of a listener. */
  *embryos(): Generator<UnixSock> {}

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
    if (this.urgent !== null) mask |= POLLPRI
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
        if (this.type !== SOCK_STREAM) return -EOPNOTSUPP
        return this.isAtMark ? 1 : 0
      default:
        return super.ioctl(request)
    }
  }

  /** What is to be read next is the urgent byte, or was until it was read out of band. */
  get isAtMark(): boolean {
    const { head, urgent } = this
    // A connection that waits to be accepted is an empty message.
    if (head === null) return this.state === TCP_LISTEN && this.queueLength > 0
    return head === urgent || (head.left === 0 && (urgent === null || head.next === urgent))
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
    return this.head !== null && (this.head.left > 0 || this.head.next !== null)
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
    this.unix.flights.closed()
  }
}

/** Whether descriptors may be sent to a socket (SO_PASSRIGHTS). */
export const mayPassRights = (to: UnixSock): boolean => (to.settings.wants & WANT_NO_RIGHTS) === 0

/** unix_validate_addr: 0, or -EINVAL. */
export function checkAddress(to: SockAddr): number {
  if (to.family !== AF_UNIX || to.path === '' || to.length > SIZEOF_SA_FAMILY + UNIX_PATH_MAX) return -EINVAL
  return to.path.length > UNIX_PATH_MAX || utf8Length(to.path) > UNIX_PATH_MAX ? -EINVAL : 0
}
