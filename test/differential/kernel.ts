/** The kernel's side: calls of the C library on the Linux this runs on, in a network namespace of its own. */
import { type Arm, type AsyncCall, FD_RESULTS, type Result } from './arm.ts'
import type { Arena, Libc } from './c.ts'
import {
  cmsg,
  controls,
  messageText,
  NULL_OFFSET,
  optionText,
  readText,
  resultText,
  spliceText,
  statText,
} from './outcome.ts'
import { POLL_ALL, pollText, stateText, symbol } from './symbols.ts'
import type { Threads } from './threads.ts'
import { bytesOf, concat, fromLatin, latin, type Normal, Sockaddr, type Value, type ValueRecord } from './values.ts'

const ARENA_SIZE = 1 << 22
const SOCKADDR_MAX = 128
const MSGHDR = 56
const MMSGHDR = 64
const EPOLL_EVENT = process.arch === 'x64' ? 12 : 16
const EPOLL_DATA = EPOLL_EVENT - 8
const OPTION_MAX = 256
const FD_SETSIZE = 1024
const RLIMIT_NOFILE = 7
export const SYS_chroot = process.arch === 'x64' ? 161 : 51

/** Which arguments of calls that take integers only are descriptors. */
const FD_ARGUMENTS: Readonly<Record<string, readonly number[]>> = {
  listen: [0], shutdown: [0], close: [0], dup: [0], dup2: [0, 1], dup3: [0, 1], lseek: [0], ftruncate: [0], fchmod: [0], fsync: [0],
} // biome-ignore format: a table
const INTEGER_CALLS = new Set([...Object.keys(FD_ARGUMENTS), ...FD_RESULTS])

export class KernelArm implements Arm {
  readonly pid: number = process.pid
  readonly normal: Normal
  readonly #libc: Libc
  readonly #arena: Arena
  /** The kernel's number of the script's descriptor 0: those below 3 + offset are the harness's own. */
  readonly #offset: number
  readonly #namespace: () => readonly string[]

  readonly #threads: Threads | null

  // biome-ignore format: one line
  constructor(libc: Libc, arena: Arena, normal: Normal, offset: number, namespace: () => readonly string[], threads: Threads | null = null) {
    this.#libc = libc
    this.#arena = arena
    this.normal = normal
    this.#offset = offset
    this.#namespace = namespace
    this.#threads = threads
  }

  #in(fd: number): number {
    return fd >= 0 ? fd + this.#offset : fd
  }

  #out(fd: number): number {
    return fd >= 0 ? fd - this.#offset : fd
  }

  #fdResult(fd: number): Result {
    const mine = this.#out(fd)
    return { text: resultText(mine), fds: [mine] }
  }

  begin(name: string, args: readonly Value[]): AsyncCall {
    if (this.#threads === null) throw new Error('a thread has no threads')
    return this.#threads.begin(name, args, this.normal)
  }

  settle(calls: readonly AsyncCall[]): void {
    if (calls.length > 0) this.#threads?.settle()
  }

  /** Takes this thread to the main thread's namespace: `net`, or `mnt` and its root. */
  join(namespace: 'net' | 'mnt'): void {
    this.#arena.reset()
    const CLONE_FS = 0x200
    const root = `/proc/${process.pid}/root`
    const fd = this.#libc.call('open', this.#path(fromLatin(`/proc/${process.pid}/ns/${namespace}`)), 0, 0)
    if (namespace === 'mnt') this.#libc.call('unshare', CLONE_FS)
    this.#libc.call('setns', fd, 0)
    this.#libc.call('close', fd)
    if (namespace === 'mnt') this.#libc.call('syscall', SYS_chroot, this.#path(fromLatin(root)), 0, 0)
  }

  static address(bytes: Uint8Array): Sockaddr {
    return new Sockaddr(bytes)
  }

  call(name: string, args: readonly Value[]): Result {
    this.#arena.reset()
    if (INTEGER_CALLS.has(name)) return this.#integers(name, args as readonly number[])
    const method = this.#methods[name]
    if (method === undefined) throw new Error(`no call ${name}`)
    const result = method(args as never)
    return typeof result === 'number'
      ? { text: resultText(result) }
      : typeof result === 'string'
        ? { text: result }
        : result
  }

  // biome-ignore format: one line
  #splice([from, inOffset, out, outOffset, length]: readonly [number, number, number, number, number], flags: number): number | string {
    const [inAt, outAt] = [inOffset, outOffset].map((offset) => {
      const at = this.#arena.room(8)
      this.#arena.setWord(at, offset)
      return at
    }) as [number, number]
    const pointer = (at: number, offset: number): number => (offset === NULL_OFFSET ? 0 : this.#arena.address(at))
    const result = this.#libc.call(
      'splice',
      this.#in(from),
      pointer(inAt, inOffset),
      this.#in(out),
      pointer(outAt, outOffset),
      length,
      flags,
    )
    const offset = (at: number): number => Number(this.#arena.view.getBigInt64(at, true))
    return result < 0 ? result : spliceText(result, offset(inAt), offset(outAt))
  }

  #integers(name: string, args: readonly number[]): Result {
    const fds = FD_ARGUMENTS[name] ?? []
    const raw = args.map((arg, i) => (fds.includes(i) ? this.#in(arg) : arg))
    while (raw.length < 3) raw.push(0)
    const counts: Readonly<Record<string, number>> = {
      fsync: 1,
      close: 1,
      dup: 1,
      epoll_create: 1,
      epoll_create1: 1,
      socket: 3,
      dup3: 3,
      lseek: 3,
    }
    const result = this.#libc.call(name, ...raw.slice(0, counts[name] ?? 2))
    return FD_RESULTS.has(name) ? this.#fdResult(result) : { text: resultText(result) }
  }

  /** A socket address to hand over: its address in memory and its length. */
  #address(value: Value | undefined): [at: number, length: number] {
    if (!(value instanceof Sockaddr)) return [0, 0]
    return [this.#arena.address(this.#arena.put(this.normal.moved(value.bytes))), value.bytes.length]
  }

  /** Room for an address of `size` bytes to be filled in. */
  #nameRoom(size = SOCKADDR_MAX): { at: number; length: number; text: () => string } {
    const at = this.#arena.room(SOCKADDR_MAX)
    const length = this.#arena.room(4)
    this.#arena.setInt(length, size)
    return {
      at: this.#arena.address(at),
      length: this.#arena.address(length),
      text: () => {
        const told = this.#arena.int(length)
        return this.normal.address(this.#arena.read(at, Math.min(told, size)), told)
      },
    }
  }

  readonly #methods: Readonly<Record<string, (args: never) => Result | number | string>> = {
    socketpair: ([family, type, protocol = 0]: readonly number[]) =>
      this.#two((at) => this.#libc.call('socketpair', family as number, type as number, protocol, at)),
    pipe: () => this.#two((at) => this.#libc.call('pipe2', at, 0)),
    pipe2: ([flags = 0]: readonly number[]) => this.#two((at) => this.#libc.call('pipe2', at, flags)),
    bind: ([fd, to]: readonly [number, Value]) => this.#libc.call('bind', this.#in(fd), ...this.#address(to)),
    connect: ([fd, to]: readonly [number, Value]) => this.#libc.call('connect', this.#in(fd), ...this.#address(to)),
    accept: ([fd, size]: readonly [number, number?]) => this.#accept(fd, 0, size),
    accept4: ([fd, flags, size]: readonly [number, number, number?]) => this.#accept(fd, flags, size),
    getsockname: ([fd, size]: readonly [number, number?]) => this.#nameOf('getsockname', fd, size),
    getpeername: ([fd, size]: readonly [number, number?]) => this.#nameOf('getpeername', fd, size),
    send: ([fd, data, flags = 0]: readonly [number, Value, number?]) => this.#write('send', fd, data, flags),
    write: ([fd, data]: readonly [number, Value]) => this.#write('write', fd, data),
    sendto: ([fd, data, flags, to]: readonly [number, Value, number, Value]) =>
      this.#write('sendto', fd, data, flags, ...this.#address(to)),
    pwrite: ([fd, data, offset]: readonly [number, Value, number]) => this.#write('pwrite', fd, data, offset),
    recv: ([fd, size, flags = 0]: readonly [number, number, number?]) => this.#read('recv', fd, size, flags),
    read: ([fd, size]: readonly [number, number]) => this.#read('read', fd, size),
    pread: ([fd, size, offset]: readonly [number, number, number]) => this.#read('pread', fd, size, offset),
    recvfrom: ([fd, size, flags = 0, room]: readonly [number, number, number?, number?]) => {
      const name = this.#nameRoom(room)
      const at = this.#arena.room(size)
      const address = this.#arena.address(at)
      const result = this.#libc.call('recvfrom', this.#in(fd), address, size, flags, name.at, name.length)
      const text = readText(result, this.#arena.read(at, Math.min(Math.max(result, 0), size)))
      return result < 0 ? text : `${text} from ${name.text()}`
    },
    readv: ([fd, sizes]: readonly [number, readonly number[]]) => {
      const { at, count, parts } = this.#vector(sizes)
      const result = this.#libc.call('readv', this.#in(fd), at, count)
      return readText(result, Uint8Array.from(parts(result).flatMap((part) => [...part])))
    },
    writev: ([fd, data]: readonly [number, readonly Value[]]) => {
      const { at, count } = this.#vector(data.map(bytesOf))
      return this.#libc.call('writev', this.#in(fd), at, count)
    },
    sendmsg: ([fd, message, flags = 0]: readonly [number, ValueRecord, number?]) =>
      this.#libc.call('sendmsg', this.#in(fd), this.#arena.address(this.#outgoing(message).at), flags),
    recvmsg: ([fd, message, flags = 0]: readonly [number, ValueRecord, number?]) => {
      const { at, text } = this.#incoming(message)
      return text(this.#libc.call('recvmsg', this.#in(fd), this.#arena.address(at), flags))
    },
    sendmmsg: ([fd, messages, flags = 0]: readonly [number, readonly ValueRecord[], number?]) =>
      this.#sendmmsg(fd, messages, flags),
    recvmmsg: ([fd, messages, flags = 0, timeout]: readonly [number, readonly ValueRecord[], number?, Value?]) =>
      this.#recvmmsg(fd, messages, flags, timeout),
    fcntl: ([fd, command, argument = 0]: readonly [number, number, number?]) => this.#fcntl(fd, command, argument),
    ioctl: ([fd, request, argument = 0]: readonly [number, number, Value?]) => this.#ioctl(fd, request, argument),
    getsockopt: ([fd, level, option, size, value]: readonly [number, number, number, number?, Value?]) =>
      this.#getsockopt(fd, level, option, size, value),
    setsockopt: ([fd, level, option, value, size]: readonly [number, number, number, Value, number?]) => {
      const bytes = bytesOf(value)
      const at = this.#arena.address(this.#arena.put(bytes))
      return this.#libc.call('setsockopt', this.#in(fd), level, option, at, size ?? bytes.length)
    },
    poll: ([entries, timeout = 0]: readonly [readonly Value[], number?]) => this.#poll(entries, timeout),
    select: ([nfds, read, write, except, timeout = 0]: readonly [number, Value, Value, Value, number?]) =>
      this.#select(nfds, [read, write, except], timeout),
    epoll_ctl: ([ep, op, fd, events, data = fd]: readonly [number, number, number, number?, number?]) => {
      const at = this.#arena.room(EPOLL_EVENT)
      this.#arena.setInt(at, events ?? 0)
      this.#arena.setWord(at + EPOLL_DATA, data)
      return this.#libc.call(
        'epoll_ctl',
        this.#in(ep),
        op,
        this.#in(fd),
        events === undefined ? 0 : this.#arena.address(at),
      )
    },
    epoll_wait: ([ep, max, timeout = 0]: readonly [number, number, number?]) => {
      const at = this.#arena.room(EPOLL_EVENT * Math.min(Math.max(max, 1), 1024))
      const result = this.#libc.call('epoll_wait', this.#in(ep), this.#arena.address(at), max, timeout)
      const events = Array.from({ length: Math.max(result, 0) }, (_, i) => {
        const entry = at + i * EPOLL_EVENT
        return ` ${Number(this.#arena.view.getBigInt64(entry + EPOLL_DATA, true))}:${pollText(this.#arena.int(entry))}`
      })
      return resultText(result) + events.join('')
    },
    timerfd_settime: ([fd, flags, value, interval = []]: readonly [
      number,
      number,
      readonly number[],
      (readonly number[])?,
    ]) => {
      const at = this.#arena.room(32)
      const words = [interval[0] ?? 0, interval[1] ?? 0, value[0] ?? 0, value[1] ?? 0]
      for (const [i, word] of words.entries()) this.#arena.setWord(at + 8 * i, word)
      return this.#libc.call('timerfd_settime', this.#in(fd), flags, this.#arena.address(at), 0)
    },
    timerfd_gettime: ([fd]: readonly [number]) => {
      const at = this.#arena.room(32)
      const result = this.#libc.call('timerfd_gettime', this.#in(fd), this.#arena.address(at))
      if (result < 0) return result
      const word = (i: number): number => Number(this.#arena.view.getBigInt64(at + 8 * i, true))
      return `0 ${word(2) === 0 && word(3) === 0 ? 'disarmed' : 'armed'} interval ${word(0)}.${word(1)}`
    },
    open: ([path, flags = 0, mode = 0]: readonly [Uint8Array, number?, number?]) =>
      this.#fdResult(this.#libc.call('open', this.#path(path), flags, mode)),
    unlink: ([path]: readonly [Uint8Array]) => this.#libc.call('unlink', this.#path(path)),
    mkdir: ([path, mode = 0o755]: readonly [Uint8Array, number?]) => this.#libc.call('mkdir', this.#path(path), mode),
    rmdir: ([path]: readonly [Uint8Array]) => this.#libc.call('rmdir', this.#path(path)),
    chmod: ([path, mode]: readonly [Uint8Array, number]) => this.#libc.call('chmod', this.#path(path), mode),
    link: ([from, to]: readonly [Uint8Array, Uint8Array]) => this.#libc.call('link', this.#path(from), this.#path(to)),
    symlink: ([to, path]: readonly [Uint8Array, Uint8Array]) =>
      this.#libc.call('symlink', this.#path(to), this.#path(path)),
    stat: ([path]: readonly [Uint8Array]) => this.#stat('stat', this.#path(path)),
    lstat: ([path]: readonly [Uint8Array]) => this.#stat('lstat', this.#path(path)),
    fstat: ([fd]: readonly [number]) => this.#stat('fstat', this.#in(fd)),
    chdir: ([path]: readonly [Uint8Array]) => this.#libc.call('chdir', this.#path(path)),
    chown: ([path, uid, gid]: readonly [Uint8Array, number, number]) =>
      this.#libc.call('chown', this.#path(path), uid, gid),
    umask: ([mask]: readonly [number]) => this.#libc.call('umask', mask),
    fchdir: ([fd]: readonly [number]) => this.#libc.call('fchdir', this.#in(fd)),
    readlink: ([path]: readonly [Uint8Array]) => {
      const at = this.#arena.room(4096)
      const length = this.#libc.call('readlink', this.#path(path), this.#arena.address(at), 4096)
      return length < 0 ? length : latin(this.#arena.read(at, length))
    },
    truncate: ([path, length]: readonly [Uint8Array, number]) => this.#libc.call('truncate', this.#path(path), length),
    access: ([path, mode]: readonly [Uint8Array, number]) => this.#libc.call('access', this.#path(path), mode),
    rename: ([from, to]: readonly [Uint8Array, Uint8Array]) =>
      this.#libc.call('rename', this.#path(from), this.#path(to)),
    sendfile: ([out, from, offset, count]: readonly [number, number, number, number]) => {
      const at = this.#arena.room(8)
      this.#arena.setWord(at, offset)
      const result = this.#libc.call(
        'sendfile',
        this.#in(out),
        this.#in(from),
        offset < 0 ? 0 : this.#arena.address(at),
        count,
      )
      return result < 0 || offset < 0 ? result : `${result} offset ${Number(this.#arena.view.getBigInt64(at, true))}`
    },
    splice: ([from, inOffset, out, outOffset, length, flags = 0]: readonly number[]) =>
      this.#splice([from, inOffset, out, outOffset, length] as [number, number, number, number, number], flags),
    tee: ([from, out, length, flags = 0]: readonly [number, number, number, number?]) =>
      this.#libc.call('tee', this.#in(from), this.#in(out), length, flags),
    signalfd: ([fd, mask, flags = 0]: readonly [number, readonly number[], number?]) => {
      const at = this.#arena.room(8)
      for (const signal of mask) this.#arena.setInt(at, this.#arena.int(at) | (1 << (signal - 1)))
      return this.#fdResult(this.#libc.call('signalfd', this.#in(fd), this.#arena.address(at), flags))
    },
    rlimit_nofile: ([limit]: readonly [number]) => {
      const at = this.#arena.room(16)
      this.#libc.call('getrlimit', RLIMIT_NOFILE, this.#arena.address(at))
      this.#arena.setWord(at, limit + this.#offset)
      return this.#libc.call('setrlimit', RLIMIT_NOFILE, this.#arena.address(at))
    },
    seteuid: ([uid]: readonly [number]) => this.seteuid(uid),
    sleep: ([ms]: readonly [number]) => this.#libc.call('usleep', ms * 1000),
    ss: () => this.#namespace().join(' | '),
    fill: ([fd, size]: readonly [number, number]) => this.#fill(fd, size),
    drain: ([fd, size]: readonly [number, number]) => this.#drain(fd, size),
  }

  /** Effective user of this thread alone; capabilities follow. */
  seteuid(uid: number): number {
    const SYS_setresuid = process.arch === 'x64' ? 117 : 147
    return this.#libc.call('syscall', SYS_setresuid, -1, uid, -1)
  }

  #path(path: Uint8Array): number {
    return this.#arena.address(this.#arena.put(Uint8Array.of(...path, 0)))
  }

  #two(call: (at: number) => number): Result | number {
    const at = this.#arena.room(8)
    const result = call(this.#arena.address(at))
    if (result < 0) return result
    const fds = [this.#out(this.#arena.int(at)), this.#out(this.#arena.int(at + 4))]
    return { text: `0 ${fds.join(',')}`, fds }
  }

  #accept(fd: number, flags: number, size?: number): Result {
    const name = this.#nameRoom(size)
    const { fds, text } = this.#fdResult(
      this.#libc.call('accept4', this.#in(fd), name.at, name.length, flags),
    ) as Required<Result>
    return { fds, text: (fds[0] as number) < 0 ? text : `${text} from ${name.text()}` }
  }

  #nameOf(call: string, fd: number, size?: number): number | string {
    const name = this.#nameRoom(size)
    const result = this.#libc.call(call, this.#in(fd), name.at, name.length)
    return result < 0 ? result : `0 ${name.text()}`
  }

  name(fd: number, isPeer: boolean): Sockaddr {
    const at = this.#arena.room(SOCKADDR_MAX)
    const length = this.#arena.room(4)
    this.#arena.setInt(length, SOCKADDR_MAX)
    const call = isPeer ? 'getpeername' : 'getsockname'
    this.#libc.call(call, this.#in(fd), this.#arena.address(at), this.#arena.address(length))
    return new Sockaddr(this.#arena.read(at, this.#arena.int(length)))
  }

  #write(call: string, fd: number, data: Value, ...rest: number[]): number {
    const bytes = bytesOf(data)
    return this.#libc.call(call, this.#in(fd), this.#arena.address(this.#arena.put(bytes)), bytes.length, ...rest)
  }

  #read(call: string, fd: number, size: number, ...rest: number[]): string {
    const room = Math.max(size, 0)
    const at = this.#arena.room(room)
    const result = this.#libc.call(call, this.#in(fd), this.#arena.address(at), size, ...rest)
    return readText(result, this.#arena.read(at, Math.min(Math.max(result, 0), room)))
  }

  /** An iovec array over new buffers: of given sizes, or with given bytes. */
  #vector(parts: readonly (number | Uint8Array)[]): {
    at: number
    count: number
    parts: (result: number) => Uint8Array[]
  } {
    const array = this.#arena.room(16 * parts.length)
    const places = parts.map((part): [number, number] =>
      typeof part === 'number' ? [this.#arena.room(part), part] : [this.#arena.put(part), part.length],
    )
    for (const [i, [at, length]] of places.entries()) {
      this.#arena.setWord(array + 16 * i, this.#arena.address(at))
      this.#arena.setWord(array + 16 * i + 8, length)
    }
    return {
      at: this.#arena.address(array),
      count: parts.length,
      parts: (result) => {
        let left = Math.max(result, 0)
        return places.map(([at, length]) => {
          const n = Math.min(left, length)
          left -= n
          return this.#arena.read(at, n)
        })
      },
    }
  }

  /** A msghdr with what is to be sent, at an offset of the arena. */
  #outgoing(
    { name, iov = [], control = [], controllen }: ValueRecord,
    at: number = this.#arena.room(MSGHDR),
  ): { at: number } {
    const [nameAt, nameLength] = this.#address(name)
    const data = Array.isArray(iov) ? (iov as readonly Value[]) : [iov]
    const vector = this.#vector(data.map(bytesOf))
    const pieces = control as readonly Value[]
    const packed = concat(
      pieces.map((one) => (one instanceof Uint8Array ? one : cmsg(one as ValueRecord, (fd) => this.#in(fd)))),
    )
    const arena = this.#arena
    arena.setWord(at, nameAt)
    arena.setInt(at + 8, nameLength)
    arena.setWord(at + 16, vector.at)
    arena.setWord(at + 24, vector.count)
    arena.setWord(at + 32, packed.length === 0 ? 0 : arena.address(arena.put(packed)))
    arena.setWord(at + 40, typeof controllen === 'number' ? controllen : packed.length)
    return { at }
  }

  /** A msghdr with room for what comes. */
  #incoming(
    { name = SOCKADDR_MAX, iov = 0, control = 0 }: ValueRecord,
    at: number = this.#arena.room(MSGHDR),
  ): { at: number; text: (result: number) => string } {
    const arena = this.#arena
    const nameSize = name as number
    const nameAt = arena.room(SOCKADDR_MAX)
    const vector = this.#vector(Array.isArray(iov) ? (iov as readonly number[]) : [iov as number])
    const controlAt = arena.room(control as number)
    arena.setWord(at, nameSize === 0 ? 0 : arena.address(nameAt))
    arena.setInt(at + 8, nameSize)
    arena.setWord(at + 16, vector.at)
    arena.setWord(at + 24, vector.count)
    arena.setWord(at + 32, control === 0 ? 0 : arena.address(controlAt))
    arena.setWord(at + 40, control as number)
    const text = (result: number): string => {
      const told = arena.int(at + 8)
      const from = nameSize === 0 ? null : this.normal.address(arena.read(nameAt, Math.min(told, nameSize)), told)
      const messages = controls(arena.read(controlAt, control as number), arena.int(at + 40))
      const parts = vector.parts(result)
      return messageText({ result, parts, name: from, flags: arena.int(at + 48), control: messages }, this.pid, (fd) =>
        this.#out(fd),
      )
    }
    return { at, text }
  }

  #sendmmsg(fd: number, messages: readonly ValueRecord[], flags: number): string {
    const at = this.#arena.room(MMSGHDR * messages.length)
    for (const [i, message] of messages.entries()) this.#outgoing(message, at + i * MMSGHDR)
    const result = this.#libc.call('sendmmsg', this.#in(fd), this.#arena.address(at), messages.length, flags)
    const lengths = Array.from({ length: Math.max(result, 0) }, (_, i) => this.#arena.int(at + i * MMSGHDR + MSGHDR))
    return result < 0 ? resultText(result) : `${result} lengths ${lengths.join(',')}`
  }

  #recvmmsg(fd: number, messages: readonly ValueRecord[], flags: number, timeout?: Value): string {
    const at = this.#arena.room(MMSGHDR * messages.length)
    const incoming = messages.map((message, i) => this.#incoming(message, at + i * MMSGHDR))
    const limit = timeout === undefined ? 0 : this.#arena.address(this.#arena.put(bytesOf(timeout)))
    const result = this.#libc.call('recvmmsg', this.#in(fd), this.#arena.address(at), messages.length, flags, limit)
    const got = incoming
      .slice(0, Math.max(result, 0))
      .map(({ text }, i) => text(this.#arena.int(at + i * MMSGHDR + MSGHDR)))
    return [resultText(result), ...got].join(' / ')
  }

  #fcntl(fd: number, command: number, argument: number): Result | number {
    const isDup = command === symbol('F_DUPFD') || command === symbol('F_DUPFD_CLOEXEC')
    const result = this.#libc.call('fcntl', this.#in(fd), command, isDup ? this.#in(argument) : argument)
    if (isDup) return this.#fdResult(result)
    // O_LARGEFILE, which 64-bit programs have and nobody asked for.
    return command === symbol('F_GETFL') && result >= 0 ? result & ~0o100000 : result
  }

  /** struct stat of x86-64. */
  #stat(call: string, of: number): number | string {
    const at = this.#arena.room(144)
    const result = this.#libc.call(call, of, this.#arena.address(at))
    if (result < 0) return result
    const int = (offset: number): number => this.#arena.int(at + offset)
    return statText(int(24), int(16), int(28), int(32), int(48))
  }

  #ioctl(fd: number, request: number, argument: Value): number | string {
    const bytes = bytesOf(argument)
    const at = this.#arena.room(64)
    this.#arena.bytes.set(bytes, at)
    const result = this.#libc.call('ioctl', this.#in(fd), request, this.#arena.address(at))
    if (result < 0) return result
    return bytes.length === 4
      ? `${result} ${this.#arena.int(at)}`
      : `${result} ${latin(this.#arena.read(at, bytes.length))}`
  }

  #getsockopt(fd: number, level: number, option: number, size = OPTION_MAX, value?: Value): string {
    const at = this.#arena.room(Math.max(size, OPTION_MAX))
    if (value !== undefined) this.#arena.bytes.set(bytesOf(value), at)
    const length = this.#arena.room(4)
    this.#arena.setInt(length, size)
    const result = this.#libc.call(
      'getsockopt',
      this.#in(fd),
      level,
      option,
      this.#arena.address(at),
      this.#arena.address(length),
    )
    return optionText(result, this.#arena.read(at, Math.max(this.#arena.int(length), 0)), this.pid)
  }

  #poll(entries: readonly Value[], timeout: number): string {
    const pairs = (entries.length === 0 || Array.isArray(entries[0]) ? entries : [entries]) as readonly (readonly [
      number,
      number,
    ])[]
    const at = this.#pollRoom(pairs)
    const result = this.#libc.call('poll', this.#arena.address(at), pairs.length, timeout)
    return (
      resultText(result) +
      pairs.map((_, i) => ` ${pollText(this.#arena.view.getUint16(at + 8 * i + 6, true))}`).join('')
    )
  }

  #pollRoom(pairs: readonly (readonly [number, number])[]): number {
    const at = this.#arena.room(8 * pairs.length)
    for (const [i, [fd, events]] of pairs.entries()) {
      this.#arena.setInt(at + 8 * i, this.#in(fd))
      this.#arena.view.setInt16(at + 8 * i + 4, events, true)
    }
    return at
  }

  #select(nfds: number, sets: readonly Value[], timeout: number): string {
    const lists = sets.map((set) => (Array.isArray(set) ? (set as readonly number[]) : null))
    const places = lists.map((list) => {
      if (list === null) return -1
      const at = this.#arena.room(FD_SETSIZE / 8)
      for (const fd of list.filter((one) => one >= 0)) {
        const n = this.#in(fd)
        this.#arena.bytes[at + (n >> 3)] = (this.#arena.bytes[at + (n >> 3)] as number) | (1 << (n & 7))
      }
      return at
    })
    const time = this.#arena.room(16)
    this.#arena.setWord(time, Math.floor(timeout / 1000))
    this.#arena.setWord(time + 8, (timeout % 1000) * 1000)
    const pointers = places.map((at) => (at < 0 ? 0 : this.#arena.address(at))) as [number, number, number]
    const result = this.#libc.call('select', nfds < 0 ? nfds : this.#in(nfds), ...pointers, this.#arena.address(time))
    if (result < 0) return resultText(result)
    const isSet = (at: number, fd: number): boolean =>
      (((this.#arena.bytes[at + (fd >> 3)] as number) >> (fd & 7)) & 1) === 1
    const answers = lists.map((list, i) =>
      list === null ? '-' : `[${list.filter((fd) => fd >= 0 && isSet(places[i] as number, this.#in(fd))).join(',')}]`,
    )
    return `${result} ${answers.join(' ')}`
  }

  /** Writes pieces of `size` bytes until one does not go at all: how it ended. */
  #fill(fd: number, size: number): string {
    for (let n = 0; n < 100000; n++) {
      this.#arena.reset()
      const result = this.#write('write', fd, new Uint8Array(size))
      if (result <= 0) return resultText(result)
    }
    return 'endless'
  }

  /** Reads until nothing comes: how it ended. */
  #drain(fd: number, size: number): string {
    for (let n = 0; n < 100000; n++) {
      this.#arena.reset()
      const result = this.#libc.call('read', this.#in(fd), this.#arena.address(this.#arena.room(size)), size)
      if (result <= 0) return resultText(result)
    }
    return 'endless'
  }

  observe(fds: readonly number[]): string[] {
    if (fds.length === 0) return []
    this.#arena.reset()
    const at = this.#pollRoom(fds.map((fd) => [fd, POLL_ALL]))
    this.#libc.call('poll', this.#arena.address(at), fds.length, 0)
    const info = this.#arena.room(64)
    const length = this.#arena.room(4)
    return fds.map((fd, i) => {
      const mask = pollText(this.#arena.view.getUint16(at + 8 * i + 6, true))
      this.#arena.setInt(length, 32)
      const result = this.#libc.call(
        'getsockopt',
        this.#in(fd),
        6,
        11,
        this.#arena.address(info),
        this.#arena.address(length),
      )
      if (result < 0) return mask
      const state = this.#arena.bytes[info] as number
      // Of a listener: connections that wait, and how many may.
      return `${mask} ${stateText(state)}${state === 10 ? ` ${this.#arena.int(info + 24)}/${this.#arena.int(info + 28)}` : ''}`
    })
  }
}

export { ARENA_SIZE }
