/**
 * Signal-driven I/O (fcntl(2), F_SETOWN, F_SETSIG, O_ASYNC; fs/fcntl.c): who owns an open file is sent SIGIO, or another
 * signal, when it becomes ready, and SIGURG for urgent data. The owner is one more waiter in the file's queue.
 */

import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
  Waiter,
} from '../sock/wait-queue.ts'
import { EINVAL, ESRCH } from '../sys/errno.ts'
import type { Credentials } from './credentials.ts'
import { EPOLLMSG } from './epoll-constants.ts'
import type { OpenFile } from './open-file.ts'
import {
  POLL_ERR,
  POLL_HUP,
  POLL_IN,
  POLL_MSG,
  POLL_OUT,
  POLL_PRI,
  SIGIO,
  SIGRTMAX,
  SIGURG,
} from './signal-constants.ts'

/** What is sent: `code` 0 and `band` 0 for a signal without information. */
export interface FileSignal {
  readonly signo: number
  readonly code: number
  readonly fd: number
  readonly band: number
}

/** The processes that can own files, as far as this layer knows them. */
export interface Owners {
  /** A process, or with a negative number a group, is there. */
  exists(pid: number): boolean
  /** Sends to a process or group, if `user` may; false when a real-time signal found no room. */
  tell(pid: number, user: Credentials, signal: FileSignal): boolean
}

/** POLL bits by POLL_ code (band_table). */
const BANDS: Readonly<Record<number, number>> = {
  [POLL_IN]: POLLIN | POLLRDNORM,
  [POLL_OUT]: POLLOUT | POLLWRNORM | POLLWRBAND,
  [POLL_MSG]: POLLIN | POLLRDNORM | EPOLLMSG,
  [POLL_ERR]: POLLERR,
  [POLL_PRI]: POLLPRI | POLLRDBAND,
  [POLL_HUP]: POLLHUP | POLLERR,
}

const EVERYTHING = POLLIN | POLLOUT

/** struct fown_struct and the fasync entry of one file. */
export class FileOwner extends Waiter {
  /** F_SETOWN: a process, negative a group, 0 nobody. F_SETSIG: 0 means SIGIO without information. */
  pid = 0
  signal = 0
  /** O_ASYNC is on; the descriptor it was switched on by. */
  isAsync = false
  fd = -1
  /** A write found no room, so that room is news (SOCKWQ_ASYNC_NOSPACE). */
  isFull = false
  readonly #file: OpenFile
  readonly #owners: Owners
  /** Who made the owner the owner: signals are sent in this name. */
  #user: Credentials

  constructor(file: OpenFile, owners: Owners, user: Credentials) {
    super()
    this.#file = file
    this.#owners = owners
    this.#user = user
  }

  /** F_SETOWN: 0, -EINVAL or -ESRCH (f_setown). */
  own(pid: number, user: Credentials): number {
    if (pid === -0x80000000) return -EINVAL
    if (pid !== 0 && !this.#owners.exists(pid)) return -ESRCH
    this.pid = pid
    this.#user = user.clone()
    this.listen()
    return 0
  }

  /** F_GETOWN: 0 if the owner is gone. */
  get owner(): number {
    return this.pid !== 0 && this.#owners.exists(this.pid) ? this.pid : 0
  }

  /** F_SETSIG. */
  useSignal(signal: number): number {
    if (!(signal >= 0 && signal <= SIGRTMAX)) return -EINVAL
    this.signal = signal
    return 0
  }

  /** O_ASYNC switched on by descriptor `fd`, or off. */
  setAsync(on: boolean, fd: number): void {
    this.isAsync = on
    if (on) this.fd = fd
    this.listen()
  }

  /** Waits for events if there is somebody to tell. */
  listen(): void {
    if (this.pid === 0) this.leave()
    else if (this.queue === null) this.#file.wait?.add(this)
  }

  leave(): void {
    this.queue?.remove(this)
  }

  override wake(mask: number): void {
    if (mask === POLLPRI) this.#urgent()
    else if (this.isAsync) this.#ready(this.#codeOf(mask))
  }

  /** send_sigurg, then SOCK_WAKE_URG. */
  #urgent(): void {
    this.#owners.tell(this.pid, this.#user, { signo: SIGURG, code: 0, fd: 0, band: 0 })
    if (this.isAsync) this.#ready(POLL_PRI)
  }

  /** What the kernel says to sk_wake_async at this event; 0: nothing. */
  #codeOf(mask: number): number {
    const code = this.#file.asyncCode
    if (code !== 0) return code
    if ((mask & EVERYTHING) === EVERYTHING) {
      // The state changed: what is the case now tells how.
      const now = this.#file.poll()
      if ((now & POLLERR) !== 0) return POLL_ERR
      if ((now & POLLHUP) !== 0) return POLL_HUP
      return (now & POLLIN) !== 0 ? POLL_IN : POLL_OUT
    }
    if ((mask & POLLIN) !== 0) return POLL_IN
    if ((mask & POLLERR) !== 0) return POLL_ERR
    if ((mask & POLLOUT) === 0 || !this.isFull) return 0
    this.isFull = false
    return POLL_OUT
  }

  /** send_sigio: with information if a signal was chosen and finds room, else as plain SIGIO. */
  #ready(code: number): void {
    if (code === 0) return
    const told = { signo: this.signal, code, fd: this.fd, band: BANDS[code] as number }
    if (this.signal !== 0 && this.#owners.tell(this.pid, this.#user, told)) return
    this.#owners.tell(this.pid, this.#user, { signo: SIGIO, code: 0, fd: 0, band: 0 })
  }
}
