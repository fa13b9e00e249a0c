/** What a script's descriptors stand for. */

import type { WaitQueue } from '../sock/wait-queue.ts'
import { Waiter } from '../sock/wait-queue.ts'
import type { SocketFile } from '../socket/socket-file.ts'

/** One watch of an epoll instance. */
export class Watch extends Waiter {
  readonly socket: SocketHandle
  events: number
  data: number
  ready = true
  constructor(socket: SocketHandle, events: number, data: number) {
    super()
    this.socket = socket
    this.events = events
    this.data = data
    socket.file.wait.add(this)
  }
  override wake(mask: number): void {
    if (mask === 0 || (mask & (this.events | 0x18)) !== 0) this.ready = true
  }
  cancel(): void {
    this.queue?.remove(this)
  }
}

export class SocketHandle {
  readonly kind = 'socket' as const
  readonly file: SocketFile
  isClosed = false
  constructor(file: SocketFile) {
    this.file = file
  }
  get wait(): WaitQueue {
    return this.file.wait
  }
}

export class EpollHandle {
  readonly kind = 'epoll' as const
  readonly watches: Map<SocketHandle, Watch> = new Map()
}

/** A file of zeros, or one end of a pipe. */
export class FileHandle {
  readonly kind = 'file' as const
  /** Bytes left in it. */
  size: number
  offset = 0
  /** The other end of a pipe shares the bytes with this one. */
  pipe: FileHandle | null = null
  constructor(size: number) {
    this.size = size
  }
}

export type Handle = SocketHandle | EpollHandle | FileHandle
