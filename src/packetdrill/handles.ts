/** What a script's descriptors stand for. */

import type { WaitQueue } from '../sock/wait-queue.ts'
import { EpollFile } from '../socket/epoll.ts'
import type { SocketFile } from '../socket/socket-file.ts'

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
  readonly file: EpollFile = new EpollFile()
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
