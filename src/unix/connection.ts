/** Local sockets with connections, SOCK_STREAM and SOCK_SEQPACKET: listen, connect, accept (unix_listen, unix_stream_connect, unix_accept). */
import type { SockAddr } from '../sock/address.ts'
import { RCV_SHUTDOWN, SF_DEAD, type Sock, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN } from '../sock/sock.ts'
import { READABLE } from '../sock/wait-queue.ts'
import { EAGAIN, ECONNREFUSED, EINVAL, EISCONN } from '../sys/errno.ts'
import { checkAddress, UnixSock } from './unix-sock.ts'

export abstract class UnixConnectionSock extends UnixSock {
  /** Connections to be accepted, oldest first, linked by `nextEmbryo`. */
  #firstEmbryo: UnixConnectionSock | null = null
  #lastEmbryo: UnixConnectionSock | null = null
  #nextEmbryo: UnixConnectionSock | null = null

  /** -EINVAL without a name or with a connection; again: another backlog. */
  override listen(backlog: number): number {
    if (this.name === '') return -EINVAL
    if (this.state !== TCP_CLOSE && this.state !== TCP_LISTEN) return -EINVAL
    const bounded = Math.min(backlog >>> 0, this.stack.sysctl.somaxconn)
    const isLonger = bounded > this.backlog
    this.backlog = bounded
    this.state = TCP_LISTEN
    this.peerCred = this.callerCredentials()
    if (isLonger) this.wakePeers()
    return 0
  }

  /** Done at once, or -EAGAIN while the listener's backlog is full: a blocking caller waits for room. */
  override connect(to: SockAddr): number {
    const invalid = checkAddress(to)
    if (invalid < 0) return invalid
    const unnamed = this.nameIfTold()
    if (unnamed < 0) return unnamed
    const other = this.findOther(to)
    if (typeof other === 'number') return other
    if (!(other instanceof UnixConnectionSock)) return -ECONNREFUSED
    if (other.state !== TCP_LISTEN || (other.shutdownMask & RCV_SHUTDOWN) !== 0) return -ECONNREFUSED
    if (other.isFull) {
      this.waitForPeer(other)
      return -EAGAIN
    }
    if (this.state !== TCP_CLOSE) return this.state === TCP_ESTABLISHED ? -EISCONN : -EINVAL
    const embryo = this.unix.createSocket(this.type) as UnixConnectionSock
    embryo.uid = other.uid
    embryo.isOwned = false
    if (other.settings.wants !== 0) embryo.settings = embryo.settings.with('wants', other.settings.wants)
    embryo.name = other.name
    embryo.peer = this
    embryo.state = TCP_ESTABLISHED
    embryo.peerCred = this.callerCredentials()
    this.peerCred = other.peerCred
    this.peer = embryo
    this.state = TCP_ESTABLISHED
    other.#queue(embryo)
    return 0
  }

  #queue(embryo: UnixConnectionSock): void {
    if (this.#lastEmbryo === null) this.#firstEmbryo = embryo
    else this.#lastEmbryo.#nextEmbryo = embryo
    this.#lastEmbryo = embryo
    this.queueLength++
    this.wait.wake(READABLE)
  }

  override accept(): Sock | number {
    if (this.state !== TCP_LISTEN) return -EINVAL
    const embryo = this.#shift()
    if (embryo === null) return -EAGAIN
    this.wakePeers()
    embryo.isOwned = true
    return embryo
  }

  override *embryos(): Generator<UnixSock> {
    for (let embryo = this.#firstEmbryo; embryo !== null; embryo = embryo.#nextEmbryo) yield embryo
  }

  #shift(): UnixConnectionSock | null {
    const embryo = this.#firstEmbryo
    if (embryo === null) return null
    this.#firstEmbryo = embryo.#nextEmbryo
    embryo.#nextEmbryo = null
    if (this.#firstEmbryo === null) this.#lastEmbryo = null
    this.queueLength--
    return embryo
  }

  protected override release(isEmbryo: boolean): void {
    super.release(isEmbryo)
    for (let embryo = this.#shift(); embryo !== null; embryo = this.#shift()) embryo.release(true)
  }

  /** The other end is closed, or takes nothing any more. */
  protected isDeaf(other: UnixSock): boolean {
    return other.isFlag(SF_DEAD) || (other.shutdownMask & RCV_SHUTDOWN) !== 0
  }
}
