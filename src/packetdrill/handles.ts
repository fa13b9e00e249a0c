/** What a script's descriptors stand for. */

import { S_IFREG } from '../fs/mode.ts'
import type { Span } from '../fs/regular.ts'
import { O_RDONLY } from '../sock/constants.ts'
import { POLLIN, type WaitQueue } from '../sock/wait-queue.ts'
import { EpollFile } from '../socket/epoll.ts'
import { OpenFile } from '../socket/open-file.ts'
import type { SocketFile } from '../socket/socket-file.ts'
import { EBADF } from '../sys/errno.ts'

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

/** A file of `size` zeros. */
export class ZeroFile extends OpenFile {
  readonly #size: number
  position = 0

  constructor(size: number) {
    super(O_RDONLY)
    this.#size = size
  }

  override get wait(): null {
    return null
  }

  override poll(): number {
    return POLLIN
  }

  override get mode(): number {
    return S_IFREG
  }

  override spanAt(position: number, span: Span): number {
    span.length = Math.max(this.#size - position, 0)
    return 0
  }

  override pread(position: number, bytes: Uint8Array, offset: number, length: number): number {
    const part = Math.max(Math.min(length, this.#size - position), 0)
    bytes.fill(0, offset, offset + part)
    return part
  }

  override read(bytes: Uint8Array, offset: number, length: number): number {
    const part = this.pread(this.position, bytes, offset, length)
    this.position += part
    return part
  }

  override write(): number {
    return -EBADF
  }

  protected override release(): void {}
}

/** A file, or one end of a pipe. */
export class FileHandle {
  readonly kind = 'file' as const
  readonly file: OpenFile
  constructor(file: OpenFile) {
    this.file = file
  }
}

export type Handle = SocketHandle | EpollHandle | FileHandle
