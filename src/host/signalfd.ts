/** signalfd(2): signals as something to read and to wait for (fs/signalfd.c). */

import { O_NONBLOCK, O_RDWR } from '../sock/constants.ts'
import { POLLIN, type WaitQueue } from '../sock/wait-queue.ts'
import type { FileTable } from '../socket/file-table.ts'
import { OpenFile } from '../socket/open-file.ts'
import { SFD_CLOEXEC, SFD_NONBLOCK, SI_QUEUE, SIGCHLD, SIGIO, SIGKILL, SIGSTOP } from '../socket/signal-constants.ts'
import { EAGAIN, EBADF, EINVAL } from '../sys/errno.ts'
import type { SigInfo, Signals } from './signals.ts'
import type { SigSet } from './sigset.ts'

/** Bytes of struct signalfd_siginfo. */
export const SIGNALFD_SIGINFO_SIZE = 128

/** Reads the signals of the process that made it. On Linux a child that inherits it reads its own. */
export class SignalFile extends OpenFile {
  readonly mask: SigSet
  readonly #signals: Signals

  constructor(signals: Signals, mask: SigSet, nonBlocking: boolean) {
    super(O_RDWR | (nonBlocking ? O_NONBLOCK : 0))
    this.#signals = signals
    this.mask = mask
  }

  override get wait(): WaitQueue {
    return this.#signals.wait
  }

  override poll(): number {
    return this.#signals.pending.clone().and(this.mask).isEmpty ? 0 : POLLIN
  }

  /** As many whole structs as there are signals and room. */
  override read(bytes: Uint8Array, offset: number, length: number): number {
    const room = Math.floor(length / SIGNALFD_SIGINFO_SIZE)
    if (room === 0) return -EINVAL
    let count = 0
    for (; count < room; count++) {
      const info = this.#signals.dequeue(this.mask)
      if (info === null) break
      writeInfo(info, bytes, offset + count * SIGNALFD_SIGINFO_SIZE)
    }
    return count === 0 ? -EAGAIN : count * SIGNALFD_SIGINFO_SIZE
  }

  override get canWrite(): boolean {
    return false
  }

  override write(): number {
    return -EINVAL
  }

  override get description(): string {
    return 'anon_inode:[signalfd]'
  }

  protected override release(): void {}
}

/** struct signalfd_siginfo: signo, errno, code, pid, uid, fd, tid, band, overrun, trapno, status, int, ptr, … */
function writeInfo(info: SigInfo, bytes: Uint8Array, at: number): void {
  bytes.fill(0, at, at + SIGNALFD_SIGINFO_SIZE)
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, SIGNALFD_SIGINFO_SIZE)
  const { signo, code } = info
  view.setUint32(0, signo, true)
  view.setInt32(4, info.errno, true)
  view.setInt32(8, code, true)
  // One union of the kernel's siginfo each (siginfo_layout).
  if (code > 0 && code < 0x80 && signo !== SIGCHLD) {
    view.setInt32(20, info.fd, true)
    view.setUint32(28, info.band, true)
    return
  }
  if (signo === SIGIO && code === 0x80) return
  view.setUint32(12, info.pid, true)
  view.setUint32(16, info.uid, true)
  if (signo === SIGCHLD && code > 0) view.setInt32(40, info.status, true)
  if (code === SI_QUEUE) {
    view.setInt32(44, info.value, true)
    view.setBigInt64(48, BigInt(info.value), true)
  }
}

/** signalfd4(2): a new descriptor for `fd` -1, else `fd` with another mask; -EINVAL, -EBADF or -EMFILE. */
export function signalfd(files: FileTable, signals: Signals, fd: number, set: SigSet, flags: number): number {
  if ((flags & ~(SFD_NONBLOCK | SFD_CLOEXEC)) !== 0) return -EINVAL
  const mask = set.clone().delete(SIGKILL).delete(SIGSTOP)
  if (fd === -1) {
    const file = new SignalFile(signals, mask, (flags & SFD_NONBLOCK) !== 0)
    const made = files.add(file, (flags & SFD_CLOEXEC) !== 0)
    if (made < 0) file.unref()
    return made
  }
  const file = files.get(fd)
  if (!(file instanceof SignalFile)) return file === null ? -EBADF : -EINVAL
  file.mask.copy(mask)
  signals.wait.wake(POLLIN)
  return fd
}
