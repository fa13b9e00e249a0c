/**
 * Open file descriptions (struct file): what descriptors of all processes of a host refer to, counted. Whatever a
 * descriptor can name extends `OpenFile`: sockets here, pipes, terminals and regular files elsewhere.
 */

import { O_NONBLOCK } from '../sock/constants.ts'
import type { WaitQueue } from '../sock/wait-queue.ts'
import { assert } from '../sys/assert.ts'
import { EINVAL, ENOTTY } from '../sys/errno.ts'

/** Somebody who watches a description without keeping it open (an item of an epoll set, in the file's f_ep list). */
export interface FileWatch {
  nextWatch: FileWatch | null
  previousWatch: FileWatch | null
  /** The description is about to go: leave its list (eventpoll_release). */
  fileReleased(): void
}

/** An open file description. Calls never wait: -EAGAIN says that they would have to. */
export abstract class OpenFile {
  /** O_ access mode and status flags, shared by all descriptors of this description. */
  flags: number
  /** Descriptors and calls in progress that refer to it. */
  refs = 1
  /** Who watches it. */
  firstWatch: FileWatch | null = null

  constructor(flags: number) {
    this.flags = flags
  }

  /** It has readiness to wait for; regular files and directories have none (file_can_poll). */
  get canPoll(): boolean {
    return true
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
    if (--this.refs > 0) return
    while (this.firstWatch !== null) this.firstWatch.fileReleased()
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
