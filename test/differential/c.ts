/** The C library by koffi: functions of integers, and an arena of memory whose addresses C sees. */
import koffi from 'koffi'
import { errnoName } from '../../src/sys/errno.ts'

type Fn = (...args: number[]) => number

/** Functions by name: how many arguments; `long` ones return a ssize_t. */
const INTS: Readonly<Record<string, number>> = {
  socket: 3, socketpair: 4, bind: 3, connect: 3, listen: 2, accept: 3, accept4: 4, getsockname: 3, getpeername: 3,
  shutdown: 2, close: 1, dup: 1, dup2: 2, dup3: 3, fcntl: 3, ioctl: 3, getsockopt: 5, setsockopt: 5, poll: 3,
  select: 5, epoll_create: 1, epoll_create1: 1, epoll_ctl: 4, epoll_wait: 4, eventfd: 2, timerfd_create: 2,
  timerfd_settime: 4, timerfd_gettime: 2, pipe2: 2, recvmmsg: 5, sendmmsg: 4, open: 3, unlink: 1, mkdir: 2,
  rmdir: 1, rename: 2, chmod: 2, link: 2, unshare: 1, close_range: 3, signalfd: 3, setrlimit: 2, getrlimit: 2, usleep: 1, clock_gettime: 2, mount: 5, ppoll: 4,
  stat: 2, lstat: 2, fstat: 2, chdir: 1, fchdir: 1, umask: 1, chown: 3,
  symlink: 2, truncate: 2, ftruncate: 2, access: 2, fchmod: 2, fsync: 1, setns: 2, gettid: 0, sigaction: 3,
} // biome-ignore format: a table
const LONGS: Readonly<Record<string, number>> = {
  send: 4, sendto: 6, recv: 4, recvfrom: 6, read: 3, write: 3, readv: 3, writev: 3, sendmsg: 3, recvmsg: 3,
  readlink: 3, lseek: 3, pread: 4, pwrite: 4, sendfile: 4, splice: 6, tee: 4, preadv: 4, pwritev: 4, syscall: 4,
} // biome-ignore format: a table

/** The result of a call that the harness needs; its errno thrown. */
export function must(call: string, result: number): number {
  if (result < 0) throw new Error(`${call}: ${errnoName(result)}`)
  return result
}

export class Libc {
  readonly #functions: Map<string, Fn> = new Map()
  readonly #errno: Int32Array
  readonly #dlsym: (library: number, name: string) => number

  constructor() {
    const lib = koffi.load(null)
    const bind = (name: string, result: string, count: number): void => {
      const fn = lib.func(name, result, new Array<string>(count).fill('int64'))
      this.#functions.set(name, fn as unknown as Fn)
    }
    for (const [name, count] of Object.entries(INTS)) bind(name, 'int32', count)
    for (const [name, count] of Object.entries(LONGS)) bind(name, 'int64', count)
    this.#dlsym = lib.func('dlsym', 'int64', ['int64', 'str']) as unknown as (library: number, name: string) => number
    // The word of this thread.
    this.#errno = new Int32Array(koffi.view(lib.func('__errno_location', 'void *', [])(), 4))
  }

  /** The address of a function. */
  symbol(name: string): number {
    return Number(this.#dlsym(0, name))
  }

  /** A result >= 0, or -errno. */
  call(name: string, ...args: number[]): number {
    const result = Number((this.#functions.get(name) as Fn)(...args))
    return result >= 0 ? result : -(this.#errno[0] as number)
  }
}

/** Memory that C may write to; everything is free again after `reset`. */
export class Arena {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly #base: number
  #used = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
    this.#base = Number(koffi.address(this.bytes))
  }

  reset(): void {
    this.#used = 0
  }

  /** Room for `size` bytes, cleared: its offset. */
  room(size: number): number {
    const at = this.#used
    this.#used = (at + size + 15) & ~15
    if (this.#used > this.bytes.length) throw new RangeError(`${size} bytes are more than the arena has`)
    this.bytes.fill(0, at, at + size)
    return at
  }

  put(bytes: Uint8Array): number {
    const at = this.room(bytes.length)
    this.bytes.set(bytes, at)
    return at
  }

  /** The address C knows an offset by. */
  address(offset: number): number {
    return this.#base + offset
  }

  /** A copy of what is at `offset`. */
  read(offset: number, length: number): Uint8Array {
    return this.bytes.slice(offset, offset + length)
  }

  int(offset: number): number {
    return this.view.getInt32(offset, true)
  }

  setInt(offset: number, value: number): void {
    this.view.setInt32(offset, value, true)
  }

  setWord(offset: number, value: number): void {
    this.view.setBigInt64(offset, BigInt(value), true)
  }
}
