/** eventfd(2): a counter of 64 bits that can be waited for (fs/eventfd.c). Inside it is two halves of 32 bits. */

import { O_NONBLOCK, O_RDWR } from '../sock/constants.ts'
import { POLLERR, POLLIN, POLLOUT, WaitQueue } from '../sock/wait-queue.ts'
import { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE } from '../socket/epoll-constants.ts'
import type { FileTable } from '../socket/file-table.ts'
import { OpenFile } from '../socket/open-file.ts'
import { EAGAIN, EINVAL } from '../sys/errno.ts'
import { getLe32, putLe32 } from '../wire/little-endian.ts'

/** Bytes of a value, as read and written. */
export const EVENT_SIZE = 8
const FULL = 0xffffffff
const WORD = 0x100000000

export class EventFile extends OpenFile {
  override readonly wait: WaitQueue = new WaitQueue()
  readonly #isSemaphore: boolean
  #low: number
  #high = 0

  /** `initial` is an unsigned int. */
  constructor(initial: number, isSemaphore: boolean, nonBlocking: boolean) {
    super(O_RDWR | (nonBlocking ? O_NONBLOCK : 0))
    this.#low = initial >>> 0
    this.#isSemaphore = isSemaphore
  }

  get value(): bigint {
    return BigInt(this.#high) * BigInt(WORD) + BigInt(this.#low)
  }

  override poll(): number {
    const isMax = this.#high === FULL && this.#low === FULL
    const isWritable = this.#high < FULL || this.#low < FULL - 1
    return (this.#high > 0 || this.#low > 0 ? POLLIN : 0) | (isMax ? POLLERR : 0) | (isWritable ? POLLOUT : 0)
  }

  /** The counter, which becomes 0; with EFD_SEMAPHORE 1, and it becomes one less. */
  override read(bytes: Uint8Array, offset: number, length: number): number {
    if (length < EVENT_SIZE) return -EINVAL
    if (this.#low === 0 && this.#high === 0) return -EAGAIN
    if (this.#isSemaphore) {
      putLe32(bytes, offset, 1)
      putLe32(bytes, offset + 4, 0)
      if (this.#low === 0) this.#high--
      this.#low = this.#low === 0 ? FULL : this.#low - 1
    } else {
      putLe32(bytes, offset, this.#low)
      putLe32(bytes, offset + 4, this.#high)
      this.#low = this.#high = 0
    }
    this.wait.wake(POLLOUT)
    return EVENT_SIZE
  }

  /** Adds; -EAGAIN if the sum would pass 2^64 - 2, -EINVAL for 2^64 - 1 itself. */
  override write(bytes: Uint8Array, offset: number, length: number): number {
    if (length !== EVENT_SIZE) return -EINVAL
    const low = getLe32(bytes, offset) >>> 0
    const high = getLe32(bytes, offset + 4) >>> 0
    if (low === FULL && high === FULL) return -EINVAL
    const lowSum = this.#low + low
    const highSum = this.#high + high + (lowSum >= WORD ? 1 : 0)
    if (highSum > FULL || (highSum === FULL && lowSum % WORD === FULL)) return -EAGAIN
    this.#low = lowSum % WORD
    this.#high = highSum
    this.wait.wake(POLLIN)
    return EVENT_SIZE
  }

  override get description(): string {
    return 'anon_inode:[eventfd]'
  }

  protected override release(): void {}
}

/** eventfd2: a descriptor or -errno. */
export function eventfd(files: FileTable, initial: number, flags: number): number {
  if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) !== 0) return -EINVAL
  const file = new EventFile(initial, (flags & EFD_SEMAPHORE) !== 0, (flags & EFD_NONBLOCK) !== 0)
  const fd = files.add(file, (flags & EFD_CLOEXEC) !== 0)
  if (fd < 0) file.unref()
  return fd
}
