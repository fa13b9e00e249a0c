/** A socket as a file (struct socket): the socket calls on it, never waiting, by the rules of net/socket.c and af_inet.c. */

import { S_IFSOCK } from '../fs/mode.ts'
import { AF_NETLINK, AF_PACKET, AF_UNIX, AF_UNSPEC, SIZEOF_SA_FAMILY, SockAddr } from '../sock/address.ts'
import { FIONREAD, O_NONBLOCK, O_RDWR, SHUT_RDWR, SHUT_WR, SOCK_SEQPACKET, SOCK_STREAM } from '../sock/constants.ts'
import {
  type Message,
  RCV_SHUTDOWN,
  SF_LINGER,
  type Sock,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from '../sock/sock.ts'
import { POLLOUT, type WaitQueue } from '../sock/wait-queue.ts'
import { EAGAIN, EALREADY, EINPROGRESS, EINVAL, EISCONN, EOPNOTSUPP, ESPIPE } from '../sys/errno.ts'
import { OpenFile } from './open-file.ts'

/** States of a socket as connect(2) sees them (linux/net.h); apart from the protocol's. */
export const SS_UNCONNECTED = 1
export const SS_CONNECTING = 2
export const SS_CONNECTED = 3
export const SS_DISCONNECTING = 4

export class SocketFile extends OpenFile {
  readonly sock: Sock
  state: number = SS_UNCONNECTED

  constructor(sock: Sock, nonBlocking: boolean) {
    super(O_RDWR | (nonBlocking ? O_NONBLOCK : 0))
    this.sock = sock
    sock.inode = sock.stack.nextInode()
  }

  override get wait(): WaitQueue {
    return this.sock.wait
  }

  /** Bytes in order and a connection, not datagrams. */
  get isStream(): boolean {
    return this.sock.type === SOCK_STREAM
  }

  override poll(): number {
    const mask = this.sock.poll()
    if (this.owner !== null && (mask & POLLOUT) === 0) this.owner.isFull = true
    return mask
  }

  override read(bytes: Uint8Array, offset: number, length: number): number {
    // sock_read_iter: "match SYS5 behaviour".
    return length === 0 ? 0 : this.sock.receive(bytes, offset, length, 0, null)
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    return this.send(bytes, offset, length, 0, null)
  }

  /** As `sock.send`: whoever sends through a file uses this one, for the sake of signal-driven I/O. */
  // biome-ignore format: the parameters of sock.send
  send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message?: Message | null): number {
    const result = this.sock.send(bytes, offset, length, flags, to, message)
    if (this.owner !== null && result !== length) this.owner.isFull = true
    return result
  }

  override get canAsync(): boolean {
    return true
  }

  override ioctl(request: number): number {
    return this.sock.ioctl(request)
  }

  /** 0 when connected, -EINPROGRESS or (asked again) -EALREADY while it goes on, or -errno (inet_stream_connect). */
  connect(to: SockAddr): number {
    const { sock } = this
    if (!this.isStream || sock.family === AF_UNIX) return sock.connect(to)
    if (to.family === AF_UNSPEC && to.length >= SIZEOF_SA_FAMILY) {
      const result = sock.connect(to)
      this.state = result < 0 ? SS_DISCONNECTING : SS_UNCONNECTED
      return result
    }
    if (this.state === SS_CONNECTED) return -EISCONN
    if (this.state === SS_DISCONNECTING) return -EINVAL
    const wasConnecting = this.state === SS_CONNECTING
    const result = sock.connect(to)
    if (result === 0) this.state = SS_CONNECTED
    else if (result === -EINPROGRESS || result === -EALREADY) this.state = SS_CONNECTING
    else if (wasConnecting && sock.state === TCP_CLOSE) {
      // The failure has been told: the socket is as good as new.
      this.state = SS_UNCONNECTED
      sock.connect(new SockAddr(AF_UNSPEC))
    }
    return result
  }

  listen(backlog: number): number {
    const isConnectionType = this.isStream || this.sock.type === SOCK_SEQPACKET
    if (!isConnectionType) return -EOPNOTSUPP
    // inet_listen, unix_listen: one that was connected stays so for this purpose, even after its end.
    return this.state === SS_UNCONNECTED ? this.sock.listen(backlog) : -EINVAL
  }

  /** shutdown(2) (inet_shutdown). */
  shutdown(how: number): number {
    const { sock } = this
    // Where nothing can be shut down nobody looks at what is asked (sock_no_shutdown).
    const isShutdown = sock.family !== AF_PACKET && sock.family !== AF_NETLINK
    if (isShutdown && !(how >= 0 && how <= 2)) return -EINVAL
    const before = sock.state
    if (this.state === SS_CONNECTING) {
      const isOpen = before !== TCP_SYN_SENT && before !== TCP_SYN_RECV && before !== TCP_CLOSE
      this.state = isOpen ? SS_CONNECTED : SS_DISCONNECTING
    }
    // The one who does it is not told (inet_shutdown, unix_shutdown).
    this.owner?.leave()
    const result = sock.shutdown(how)
    this.owner?.listen()
    // A handshake under way or a listener is undone altogether.
    const isUndone = before === TCP_SYN_SENT || (before === TCP_LISTEN && how !== SHUT_WR)
    if (isUndone) this.state = SS_UNCONNECTED
    return result
  }

  /** The next connection as a file, or -errno. */
  accept(nonBlocking: boolean): SocketFile | number {
    const sock = this.sock.accept()
    if (typeof sock === 'number') return this.#acceptError(sock)
    const file = new SocketFile(sock, nonBlocking)
    file.state = SS_CONNECTED
    return file
  }

  /** A local listener that was shut down has nothing a blocking caller could wait for (unix_accept). */
  #acceptError(errno: number): number {
    const { sock } = this
    const isOver = sock.family === AF_UNIX && (sock.shutdownMask & RCV_SHUTDOWN) !== 0
    return errno === -EAGAIN && isOver && !this.isNonBlocking ? -EINVAL : errno
  }

  /**
   * The start of a close that waits until data and FIN are acknowledged (SO_LINGER, tcp_close): true if `isLingering`
   * is to be waited for before the reference is given up.
   */
  startLinger(): boolean {
    const { sock } = this
    if (!sock.isFlag(SF_LINGER) || sock.lingerSeconds === 0 || !this.isStream || this.refs > 1) return false
    if (sock.family === AF_UNIX) return false
    if (sock.state === TCP_ESTABLISHED || sock.state === TCP_CLOSE_WAIT || sock.state === TCP_SYN_RECV) {
      // Unread data makes the close a reset, which nobody waits for.
      if (sock.ioctl(FIONREAD) > 0) return false
      sock.shutdown(SHUT_RDWR)
    }
    return this.isLingering
  }

  /** The peer has not acknowledged everything yet (sk_stream_closing). */
  get isLingering(): boolean {
    const { state } = this.sock
    return state === TCP_FIN_WAIT1 || state === TCP_CLOSING || state === TCP_LAST_ACK
  }

  override seek(): number {
    return -ESPIPE
  }

  override get mode(): number {
    return S_IFSOCK | 0o777
  }

  override get inodeNumber(): number {
    return this.sock.inode
  }

  override get description(): string {
    return `socket:[${this.sock.inode}]`
  }

  protected override release(): void {
    this.sock.inode = 0
    this.sock.close()
  }
}
