/**
 * Open file descriptions (struct file): what descriptors of all processes of a host refer to, counted. Whatever a
 * descriptor can name extends `OpenFile`: sockets here, pipes, terminals and regular files elsewhere.
 */

import type { Inode } from '../fs/inode.ts'
import type { Span } from '../fs/regular.ts'
import { O_NONBLOCK } from '../sock/constants.ts'
import type { WaitQueue } from '../sock/wait-queue.ts'
import { assert } from '../sys/assert.ts'
import { EBADF, EINVAL, ENOTTY, ESPIPE } from '../sys/errno.ts'
import type { FileOwner } from './file-owner.ts'

/** The inode that all files without one of their own share (fs/anon_inodes.c). */
export const ANON_INODE = 1

/** Somebody who watches a description without keeping it open (an item of an epoll set, in the file's f_ep list). */
export interface FileWatch {
  nextWatch: FileWatch | null
  previousWatch: FileWatch | null
  /** The description is about to go: leave its list (eventpoll_release). */
  fileReleased(): void
}

/** Open file descriptions of one host (struct files_stat_struct): /proc/sys/fs/file-nr. */
export class FilesStat {
  count = 0
  readonly #limit: { readonly file_max: number }

  constructor(limit: { readonly file_max: number } = { file_max: Infinity }) {
    this.#limit = limit
  }

  /** No more for anybody but root (ENFILE). */
  get isFull(): boolean {
    return this.count >= this.#limit.file_max
  }
}

/** An open file description. Calls never wait: -EAGAIN says that they would have to. */
export abstract class OpenFile {
  /** O_ access mode and status flags, shared by all descriptors of this description. */
  declare flags: number
  /** Descriptors and calls in progress that refer to it. */
  declare refs: number
  /** Who watches it. */
  declare firstWatch: FileWatch | null
  /** Who is sent signals when it becomes ready (F_SETOWN). */
  declare owner: FileOwner | null
  /** Where it is counted, once it has a descriptor. */
  declare stat: FilesStat | null

  constructor(flags: number) {
    this.flags = flags
    this.refs = 1
    this.firstWatch = this.owner = this.stat = null
  }

  /** It has readiness to wait for; regular files and directories have none (file_can_poll). */
  get canPoll(): boolean {
    return true
  }

  /** It was opened for reading, and for writing (FMODE_READ, FMODE_WRITE). */
  get isForReading(): boolean {
    // OPEN_FMODE: the access mode 3 allows neither.
    return ((this.flags + 1) & 1) !== 0
  }

  get isForWriting(): boolean {
    return ((this.flags + 1) & 2) !== 0
  }

  /** It can be read, and written, at all (FMODE_CAN_READ, FMODE_CAN_WRITE). */
  get canRead(): boolean {
    return true
  }

  get canWrite(): boolean {
    return true
  }

  /** O_DIRECT may be set (FMODE_CAN_ODIRECT). */
  get canDirect(): boolean {
    return false
  }

  /** splice(2) and sendfile(2) may write to it (file_operations.splice_write). */
  get canSpliceTo(): boolean {
    return this.inodeNumber !== ANON_INODE
  }

  /** It can tell by signals that it is ready (file_operations.fasync). */
  get canAsync(): boolean {
    return false
  }

  /** The POLL_ code all of its signals carry, 0 if events differ. */
  get asyncCode(): number {
    return 0
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

  /** fsync(2): -EINVAL for what is on no disk. */
  fsync(): number {
    return -EINVAL
  }

  /** pread(2) and pwrite(2): -ESPIPE where bytes have no place. */
  pread(_position: number, _bytes: Uint8Array, _offset: number, _length: number): number {
    return -ESPIPE
  }

  pwrite(_position: number, _bytes: Uint8Array, _offset: number, _length: number): number {
    return -ESPIPE
  }

  /** lseek(2): the new position, 0 of what has none but does not mind (noop_llseek); -ESPIPE for sockets and pipes. */
  seek(_offset: number, _whence: number): number {
    return 0
  }

  /** ftruncate(2): -EINVAL for all but regular files. */
  truncate(_length: number): number {
    return -EINVAL
  }

  /** Where the bytes to be read at `position` lie (sendfile(2)); -EINVAL where they have no place. */
  spanAt(_position: number, _span: Span): number {
    return -EINVAL
  }

  /** F_SETPIPE_SZ, or with null F_GETPIPE_SZ: the size; -EBADF for what is no pipe. */
  pipeSize(_size: number | null, _isPrivileged: boolean): number {
    return -EBADF
  }

  /** What it was opened on in the file tree; null for sockets, pipes and the like. */
  get inode(): Inode | null {
    return null
  }

  /** `st_mode` of one that is not in the file tree: of an anonymous inode no kind at all. */
  get mode(): number {
    return 0o600
  }

  /** `st_ino` of one that is not in the file tree. */
  get inodeNumber(): number {
    return ANON_INODE
  }

  /** What `/proc/PID/fd` shows. */
  get description(): string {
    return 'anon_inode:'
  }

  ref(): this {
    this.refs++
    return this
  }

  unref(): void {
    assert(this.refs > 0, 'OpenFile.unref: released more often than taken')
    if (--this.refs > 0) return
    while (this.firstWatch !== null) this.firstWatch.fileReleased()
    this.owner?.leave()
    if (this.stat !== null) this.stat.count--
    this.release()
  }

  addWatch(watch: FileWatch): void {
    watch.previousWatch = null
    watch.nextWatch = this.firstWatch
    if (this.firstWatch !== null) this.firstWatch.previousWatch = watch
    this.firstWatch = watch
  }

  removeWatch(watch: FileWatch): void {
    if (watch.previousWatch === null) this.firstWatch = watch.nextWatch
    else watch.previousWatch.nextWatch = watch.nextWatch
    if (watch.nextWatch !== null) watch.nextWatch.previousWatch = watch.previousWatch
    watch.nextWatch = watch.previousWatch = null
  }
}
