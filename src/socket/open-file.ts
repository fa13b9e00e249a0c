/**
 * Open file descriptions (struct file): what descriptors of all processes of a host refer to, counted. Whatever a
 * descriptor can name extends `OpenFile`: sockets here, pipes, terminals and regular files elsewhere.
 */
import { EINVAL, ENOTTY } from '../sys/errno.ts'
import { assert } from '../sys/assert.ts'
import type { Sock } from '../sock/sock.ts'
import { O_NONBLOCK, O_RDWR } from '../sock/constants.ts'
import type { WaitQueue } from '../sock/wait-queue.ts'

/** An open file description. Calls never wait: -EAGAIN says that they would have to. */
export abstract class OpenFile {
  /** O_ access mode and status flags, shared by all descriptors of this description. */
  flags: number
  /** Descriptors and calls in progress that refer to it. */
  refs = 1

  constructor(flags: number) {
    this.flags = flags
  }

  get isNonBlocking(): boolean {
    return (this.flags & O_NONBLOCK) !== 0
  }

  /** The queue that readiness is told to, null if it is always ready. */
  abstract readonly wait: WaitQueue | null
  /** Readiness now, as POLL bits. */
  abstract poll(): number
  abstract read(bytes: Uint8Array, offset: number, length: number): number
  abstract write(bytes: Uint8Array, offset: number, length: number): number
  /** The last reference is gone. */
  protected abstract release(): void

  /** ioctl(2) beyond what holds for every file: a value or -errno. */
  ioctl(_request: number): number {
    return -ENOTTY
  }

  /** lseek, mmap and such are none of a socket's business; fsync on it is EINVAL. */
  fsync(): number {
    return -EINVAL
  }

  ref(): this {
    this.refs++
    return this
  }

  unref(): void {
    assert(this.refs > 0, 'OpenFile.unref: released more often than taken')
    if (--this.refs === 0) this.release()
  }
}

/** States of a socket as connect(2) sees them (linux/net.h); apart from the protocol's. */
export const SS_UNCONNECTED = 1
export const SS_CONNECTING = 2
export const SS_CONNECTED = 3
export const SS_DISCONNECTING = 4

/** A socket as a file (struct socket). */
export class SocketFile extends OpenFile {
  readonly sock: Sock
  state: number = SS_UNCONNECTED

  constructor(sock: Sock, nonBlocking: boolean) {
    super(O_RDWR | (nonBlocking ? O_NONBLOCK : 0))
    this.sock = sock
  }

  override get wait(): WaitQueue {
    return this.sock.wait
  }

  override poll(): number {
    return this.sock.poll()
  }

  override read(bytes: Uint8Array, offset: number, length: number): number {
    return this.sock.receive(bytes, offset, length, 0, null)
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    return this.sock.send(bytes, offset, length, 0, null)
  }

  override ioctl(request: number): number {
    return this.sock.ioctl(request)
  }

  protected override release(): void {
    this.sock.close()
  }
}
