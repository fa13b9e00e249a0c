/** Our side: the same calls on a `Process` of a host in virtual time, where nothing takes any. */
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { FdSet } from '../../src/host/select.ts'
import type { FileOffset } from '../../src/host/sendfile.ts'
import { SigSet } from '../../src/host/sigset.ts'
import type { Stat } from '../../src/host/stat.ts'
import { turn } from '../../src/platform/turn.ts'
import type { EpollEvent } from '../../src/socket/epoll.ts'
import type { MMsgHdr, MsgHdr } from '../../src/socket/msghdr.ts'
import { SIG_IGN } from '../../src/socket/signal-constants.ts'
import { SockaddrBuffer } from '../../src/socket/sockaddr.ts'
import { SocketFile } from '../../src/socket/socket-file.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import type { Sysctls, SysctlValue } from '../../src/sys/sysctl.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { Tcb } from '../../src/tcp/tcb.ts'
import { type Arm, type AsyncCall, FD_RESULTS, type Result } from './arm.ts'
import { portText } from './namespace.ts'
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
import { bytesOf, concat, latin, Normal, Sockaddr, type Value, type ValueRecord } from './values.ts'

/** Steps wait so long at most, in virtual microseconds. */
const PATIENCE = 10e6
/** Room for an option's value when a script says nothing of it. */
const OPTION_MAX = 256
/** Options that are names, to which an int is four characters: SO_BINDTODEVICE, TCP_CONGESTION, TCP_ULP. */
const NAMES = new Set(['1 25', '6 13', '6 31'])
const PTR_ARGUMENT = new Set([symbol('FIONBIO'), symbol('FIOASYNC')])

/** What the kernel has in its new namespace, for ours. */
export type SysctlTexts = Readonly<Record<string, string>>
/** Not taken over: they say how packets are handed on inside. */
const OWN_SYSCTLS = new Set(['netdev_max_backlog', 'netdev_budget'])

/** A host whose sysctls are the kernel's. */
function newHost(clock: VirtualClock, sysctls: SysctlTexts): Host {
  const host = new Host({ name: 'ours', clock, random: new Random(5) })
  for (const [field, text] of Object.entries(sysctls)) {
    if (OWN_SYSCTLS.has(field)) continue
    const table = host.sysctl as unknown as Record<string, SysctlValue>
    const old = table[field as keyof Sysctls]
    const numbers = text.split(/\s+/).map(Number)
    table[field] = typeof old === 'string' ? text : typeof old === 'number' ? (numbers[0] as number) : numbers
  }
  return host
}

const shown = ({ mode, nlink, uid, gid, size }: Stat): string => statText(mode, nlink, uid, gid, size)

type Outcome = number | string | Result
type Method = (args: never) => Outcome | Promise<Outcome>

export class OurArm implements Arm {
  readonly normal: Normal = new Normal()
  readonly clock: VirtualClock
  readonly host: Host
  readonly #process: Process

  constructor(sysctls: SysctlTexts) {
    this.clock = new VirtualClock(turn)
    this.host = newHost(this.clock, sysctls)
    this.#process = this.host.createProcess()
    // As Node does.
    this.#process.signal(symbol('SIGPIPE'), SIG_IGN)
    // Long after boot, as the kernel's.
    this.clock.runUntilSync(1e9)
  }

  get pid(): number {
    return this.#process.pid
  }

  begin(name: string, args: readonly Value[]): AsyncCall {
    const made = this.#make(name, args)
    if (!(made instanceof Promise)) return { outcome: () => made }
    let result: Result | null = null
    void made.then((value) => {
      result = value
    })
    return { outcome: () => result }
  }

  settle(calls: readonly AsyncCall[]): void | Promise<void> {
    this.clock.settle()
    // Programs that sleep in calls need a turn to see that they are over.
    if (calls.length > 0) return this.clock.run(() => true)
  }

  call(name: string, args: readonly Value[]): Result | Promise<Result> {
    const made = this.#make(name, args)
    return made instanceof Promise ? this.clock.runUntil(made, this.clock.now() + PATIENCE) : made
  }

  #make(name: string, args: readonly Value[]): Result | Promise<Result> {
    try {
      const method = this.#methods[name] ?? this.#plain(name)
      const made = method(args as never)
      return made instanceof Promise ? made.then(toResult, toError) : toResult(made)
    } catch (error) {
      return toError(error)
    }
  }

  /** A call that takes integers and gives one. */
  #plain(name: string): Method {
    const call = (this.#process as unknown as Record<string, ((...args: number[]) => unknown) | undefined>)[name]
    if (call === undefined) return () => `not there: ${name}`
    // The kernel's arm reads open's path by itself; here it is a call like the others.
    const isDescriptor = name === 'open' || FD_RESULTS.has(name)
    return (args: readonly number[]) => {
      const made = call.apply(this.#process, [...args])
      const finish = (value: unknown): Outcome =>
        typeof value !== 'number' ? 0 : isDescriptor ? { text: String(value), fds: [value] } : value
      return made instanceof Promise ? made.then(finish) : finish(made)
    }
  }

  #outText(from: SockaddrBuffer): string {
    return this.normal.address(from.address, from.length)
  }

  name(fd: number, isPeer: boolean): Sockaddr {
    const into = new SockaddrBuffer()
    try {
      if (isPeer) this.#process.getpeername(fd, into)
      else this.#process.getsockname(fd, into)
    } catch {
      return new Sockaddr(new Uint8Array(0))
    }
    return new Sockaddr(into.address.slice())
  }

  readonly #methods: Readonly<Record<string, Method>> = {
    socketpair: ([family, type, protocol = 0]: readonly [number, number, number?]) =>
      two(this.#process.socketpair(family, type, protocol)),
    pipe: () => two(this.#process.pipe()),
    pipe2: ([flags = 0]: readonly [number?]) => two(this.#process.pipe2(flags)),
    bind: ([fd, to]: readonly [number, Value]) => this.#void(this.#process.bind(fd, addressBytes(to))),
    connect: ([fd, to]: readonly [number, Value]) => this.#process.connect(fd, addressBytes(to)),
    accept: ([fd, size]: readonly [number, number?]) => this.#accept((peer) => this.#process.accept(fd, peer), size),
    accept4: ([fd, flags, size]: readonly [number, number, number?]) =>
      this.#accept((peer) => this.#process.accept4(fd, peer, flags), size),
    getsockname: ([fd, size]: readonly [number, number?]) => {
      const into = new SockaddrBuffer(size)
      this.#process.getsockname(fd, into)
      return `0 ${this.#outText(into)}`
    },
    getpeername: ([fd, size]: readonly [number, number?]) => {
      const into = new SockaddrBuffer(size)
      this.#process.getpeername(fd, into)
      return `0 ${this.#outText(into)}`
    },
    send: ([fd, data, flags]: readonly [number, Value, number?]) => this.#process.send(fd, bytesOf(data), flags),
    sendto: ([fd, data, flags, to]: readonly [number, Value, number, Value]) =>
      to instanceof Sockaddr
        ? this.#process.sendto(fd, bytesOf(data), flags, to.bytes)
        : this.#process.sendto(fd, bytesOf(data), flags),
    write: ([fd, data]: readonly [number, Value]) => this.#process.write(fd, bytesOf(data)),
    pwrite: ([fd, data, at]: readonly [number, Value, number]) => this.#process.pwrite(fd, bytesOf(data), at),
    recv: ([fd, size, flags]: readonly [number, number, number?]) =>
      this.#read(size, (bytes) => this.#process.recv(fd, bytes, flags)),
    read: ([fd, size]: readonly [number, number]) => this.#read(size, (bytes) => this.#process.read(fd, bytes)),
    pread: ([fd, size, at]: readonly [number, number, number]) =>
      this.#read(size, (bytes) => this.#process.pread(fd, bytes, at)),
    recvfrom: ([fd, size, flags = 0, room]: readonly [number, number, number?, number?]) => {
      const from = new SockaddrBuffer(room)
      const text = (read: string): string => (read.startsWith('-') ? read : `${read} from ${this.#outText(from)}`)
      const made = this.#read(size, (bytes) => this.#process.recvfrom(fd, bytes, flags, from))
      return made instanceof Promise ? made.then(text) : text(made)
    },
    readv: ([fd, sizes]: readonly [number, readonly number[]]) => {
      const iov = sizes.map((size) => new Uint8Array(size))
      const text = (n: number): string => readText(n, concat(iov))
      const made = this.#process.readv(fd, iov)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    writev: ([fd, data]: readonly [number, readonly Value[]]) => this.#process.writev(fd, data.map(bytesOf)),
    sendmsg: ([fd, message, flags]: readonly [number, ValueRecord, number?]) =>
      this.#process.sendmsg(fd, outgoing(message), flags),
    recvmsg: ([fd, message, flags]: readonly [number, ValueRecord, number?]) => {
      const hdr = incoming(message)
      const text = (n: number): string => this.#messageText(n, hdr)
      const made = this.#process.recvmsg(fd, hdr, flags)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    sendmmsg: ([fd, messages, flags]: readonly [number, readonly ValueRecord[], number?]) => {
      const all: MMsgHdr[] = messages.map((message) => ({ hdr: outgoing(message), len: 0 }))
      const text = (n: number): string =>
        `${n} lengths ${all
          .slice(0, n)
          .map(({ len }) => len)
          .join(',')}`
      const made = this.#process.sendmmsg(fd, all, flags)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    recvmmsg: ([fd, messages, flags, timeout]: readonly [number, readonly ValueRecord[], number?, Uint8Array?]) => {
      const all: MMsgHdr[] = messages.map((message) => ({ hdr: incoming(message), len: 0 }))
      const text = (n: number): string =>
        [n, ...all.slice(0, n).map(({ hdr, len }) => this.#messageText(len, hdr))].join(' / ')
      const made = this.#process.recvmmsg(fd, all, flags, timeout === undefined ? null : timespec(timeout))
      return made instanceof Promise ? made.then(text) : text(made)
    },
    ioctl: ([fd, request, argument = 0]: readonly [number, number, Value?]) => {
      if (typeof argument !== 'number') {
        const bytes = bytesOf(argument).slice()
        return `${this.#process.ioctl(fd, request, bytes)} ${latin(bytes)}`
      }
      const result = this.#process.ioctl(fd, request, argument)
      return `0 ${PTR_ARGUMENT.has(request) ? argument : result}`
    },
    fcntl: ([fd, command, argument = 0]: readonly [number, number, number?]) => {
      const result = this.#process.fcntl(fd, command, argument)
      const isDup = command === symbol('F_DUPFD') || command === symbol('F_DUPFD_CLOEXEC')
      return isDup ? { text: String(result), fds: [result] } : result
    },
    getsockopt: ([fd, level, option, size = OPTION_MAX, value]: readonly [number, number, number, number?, Value?]) => {
      const optval = new Uint8Array(size)
      if (value !== undefined) optval.set(bytesOf(value).subarray(0, size))
      const length = this.#process.getsockopt(fd, level, option, optval) as number
      return optionText(0, optval.subarray(0, length), this.pid)
    },
    setsockopt: ([fd, level, option, value, size]: readonly [number, number, number, Value, number?]) => {
      const bytes = bytesOf(value)
      const given = size === undefined ? bytes : bytes.subarray(0, Math.max(size, 0))
      const isInt = typeof value === 'number' && size === undefined && !NAMES.has(`${level} ${option}`)
      return this.#void(this.#process.setsockopt(fd, level, option, isInt ? value : given))
    },
    poll: ([entries, timeout = 0]: readonly [readonly Value[], number?]) => {
      const pairs = (entries.length === 0 || Array.isArray(entries[0]) ? entries : [entries]) as readonly (readonly [
        number,
        number,
      ])[]
      const fds = pairs.map(([fd, events]) => ({ fd, events, revents: 0 }))
      const text = (n: number): string => n + fds.map(({ revents }) => ` ${pollText(revents)}`).join('')
      const made = this.#process.poll(fds, timeout)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    select: ([nfds, read, write, except, timeout = 0]: readonly [number, Value, Value, Value, number?]) => {
      const lists = [read, write, except].map((set) => (Array.isArray(set) ? (set as readonly number[]) : null))
      const sets = lists.map((list) => (list === null ? null : new FdSet(list.filter((fd) => fd >= 0))))
      const time = { sec: Math.floor(timeout / 1000), usec: (timeout % 1000) * 1000 }
      const text = (n: number): string =>
        [
          n,
          ...lists.map((list, i) =>
            list === null ? '-' : `[${list.filter((fd) => fd >= 0 && sets[i]?.has(fd) === true).join(',')}]`,
          ),
        ].join(' ')
      const made = this.#process.select(nfds, ...(sets as [FdSet, FdSet, FdSet]), time)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    epoll_ctl: ([ep, op, fd, events, data = fd]: readonly [number, number, number, number?, number?]) =>
      this.#void(this.#process.epoll_ctl(ep, op, fd, events === undefined ? null : { events, data })),
    epoll_wait: ([ep, max, timeout = 0]: readonly [number, number, number?]) => {
      const events: EpollEvent[] = []
      const text = (n: number): string =>
        n +
        events
          .slice(0, n)
          .map((e) => ` ${e.data}:${pollText(e.events)}`)
          .join('')
      const made = this.#process.epoll_wait(ep, events, max, timeout)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    timerfd_settime: ([fd, flags, value, interval = []]: readonly [
      number,
      number,
      readonly number[],
      (readonly number[])?,
    ]) => {
      const spec = ([sec = 0, nsec = 0]: readonly number[]): { sec: number; nsec: number } => ({ sec, nsec })
      this.#process.timerfd_settime(fd, flags, { value: spec(value), interval: spec(interval) })
      return 0
    },
    timerfd_gettime: ([fd]: readonly [number]) => {
      const { value, interval } = this.#process.timerfd_gettime(fd)
      return `0 ${value.sec === 0 && value.nsec === 0 ? 'disarmed' : 'armed'} interval ${interval.sec}.${interval.nsec}`
    },
    open: ([path, flags = 0, mode = 0]: readonly [Uint8Array, number?, number?]) => {
      const fd = this.#process.open(latin(path), flags, mode)
      return { text: String(fd), fds: [fd] }
    },
    unlink: ([path]: readonly [Uint8Array]) => this.#process.unlink(latin(path)),
    mkdir: ([path, mode = 0o755]: readonly [Uint8Array, number?]) => this.#process.mkdir(latin(path), mode),
    rmdir: ([path]: readonly [Uint8Array]) => this.#process.rmdir(latin(path)),
    chmod: ([path, mode]: readonly [Uint8Array, number]) => this.#process.chmod(latin(path), mode),
    rename: ([from, to]: readonly [Uint8Array, Uint8Array]) => this.#process.rename(latin(from), latin(to)),
    link: ([from, to]: readonly [Uint8Array, Uint8Array]) => this.#process.link(latin(from), latin(to)),
    symlink: ([to, path]: readonly [Uint8Array, Uint8Array]) => this.#process.symlink(latin(to), latin(path)),
    stat: ([path]: readonly [Uint8Array]) => shown(this.#process.stat(latin(path))),
    lstat: ([path]: readonly [Uint8Array]) => shown(this.#process.lstat(latin(path))),
    fstat: ([fd]: readonly [number]) => shown(this.#process.fstat(fd)),
    chdir: ([path]: readonly [Uint8Array]) => this.#process.chdir(latin(path)),
    chown: ([path, uid, gid]: readonly [Uint8Array, number, number]) => this.#process.chown(latin(path), uid, gid),
    readlink: ([path]: readonly [Uint8Array]) => this.#process.readlink(latin(path)),
    truncate: ([path, length]: readonly [Uint8Array, number]) => this.#process.truncate(latin(path), length),
    access: ([path, mode]: readonly [Uint8Array, number]) => this.#process.access(latin(path), mode),
    sendfile: ([out, from, offset, count]: readonly [number, number, number, number]) => {
      const at = offset < 0 ? null : { offset }
      const text = (n: number): string => (at === null ? String(n) : `${n} offset ${at.offset}`)
      const made = this.#process.sendfile(out, from, at, count)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    splice: ([from, inOffset, out, outOffset, length, flags]: readonly [
      number,
      number,
      number,
      number,
      number,
      number?,
    ]) => {
      const [inAt, outAt] = [{ offset: inOffset }, { offset: outOffset }] as const
      const pointer = (at: FileOffset): FileOffset | null => (at.offset === NULL_OFFSET ? null : at)
      const made = this.#process.splice(from, pointer(inAt), out, pointer(outAt), length, flags)
      const text = (n: number): string => spliceText(n, inAt.offset, outAt.offset)
      return made instanceof Promise ? made.then(text) : text(made)
    },
    tee: ([from, out, length, flags]: readonly [number, number, number, number?]) =>
      this.#process.tee(from, out, length, flags),
    signalfd: ([fd, mask, flags]: readonly [number, readonly number[], number?]) => {
      const made = this.#process.signalfd(fd, new SigSet(mask), flags)
      return { text: String(made), fds: [made] }
    },
    seteuid: ([uid]: readonly [number]) => this.#void(this.#process.seteuid(uid)),
    rlimit_nofile: ([limit]: readonly [number]) => {
      this.#process.fileLimit = limit
      return 0
    },
    sleep: ([ms]: readonly [number]) => {
      this.clock.runUntilSync(this.clock.now() + ms * 1000)
      return 0
    },
    ss: () => this.#sockets().join(' | '),
    fill: ([fd, size]: readonly [number, number]) =>
      this.#until(() => this.#process.sys.write(fd, new Uint8Array(size), 0, size)),
    drain: ([fd, size]: readonly [number, number]) =>
      this.#until(() => this.#process.sys.read(fd, new Uint8Array(size), 0, size)),
  }

  #void(_nothing: unknown): number {
    return 0
  }

  #accept(call: (peer: SockaddrBuffer) => number | Promise<number>, size?: number): Result | Promise<Result> {
    const peer = new SockaddrBuffer(size)
    const finish = (fd: number): Result => ({ text: `${fd} from ${this.#outText(peer)}`, fds: [fd] })
    const made = call(peer)
    return made instanceof Promise ? made.then(finish) : finish(made)
  }

  #messageText(result: number, hdr: MsgHdr): string {
    let left = result
    const parts = hdr.iov.map((part) => {
      const n = Math.min(left, part.length)
      left -= n
      return part.subarray(0, n)
    })
    const name = hdr.name instanceof SockaddrBuffer ? this.#outText(hdr.name) : null
    const control = controls(hdr.control as Uint8Array, hdr.controllen ?? 0)
    return messageText({ result, parts, name, flags: hdr.flags ?? 0, control }, this.pid, (fd) => fd)
  }

  #read(size: number, call: (bytes: Uint8Array) => number | Promise<number>): string | Promise<string> {
    const bytes = new Uint8Array(size)
    const text = (n: number): string => readText(n, bytes)
    const made = call(bytes)
    return made instanceof Promise ? made.then(text) : text(made)
  }

  #until(call: () => number): string {
    for (let n = 0; n < 100000; n++) {
      const result = call()
      this.clock.settle()
      if (result <= 0) return resultText(result)
    }
    return 'endless'
  }

  #sockets(): string[] {
    const dotted = (a: number): string => [a >>> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255].join('.')
    return this.host
      .sockets()
      .map((row) => {
        const local = `${dotted(row.localAddress)}:${portText(row.localPort)}`
        const remote = `${dotted(row.remoteAddress)}:${portText(row.remotePort)}`
        const sendQ = row.stateName === 'LISTEN' ? 0 : row.sendQ
        return `${row.netid} ${stateText(row.state)} ${row.recvQ} ${sendQ} ${local} ${remote}`
      })
      .sort()
  }

  observe(fds: readonly number[]): string[] {
    const entries = fds.map((fd) => ({ fd, events: POLL_ALL, revents: 0 }))
    void this.#process.poll(entries, 0)
    return fds.map((fd, i) => {
      const mask = pollText((entries[i] as { revents: number }).revents)
      const file = this.#process.files.get(fd)
      if (!(file instanceof SocketFile) || !(file.sock instanceof Tcb)) return mask
      const { state, queue } = file.sock
      return `${mask} ${stateText(state)}${state === 10 ? ` ${queue?.length ?? 0}/${queue?.backlog ?? 0}` : ''}`
    })
  }

  /** Ends the process; what is left over then, in words, or null. */
  end(): string | null {
    this.#process.end(0)
    return null
  }
}

const two = (fds: [number, number]): Result => ({ text: `0 ${fds.join(',')}`, fds })

function toResult(outcome: Outcome): Result {
  return typeof outcome === 'number'
    ? { text: resultText(outcome) }
    : typeof outcome === 'string'
      ? { text: outcome }
      : outcome
}

/** A SystemError is an outcome; everything else is a fault of ours. */
function toError(error: unknown): Result {
  if (error instanceof SystemError) return { text: resultText(error.errno), fds: [-1, -1] }
  return { text: `thrown: ${(error as Error).stack}` }
}

const addressBytes = (value: Value | undefined): Uint8Array =>
  value instanceof Sockaddr ? value.bytes : new Uint8Array(0)

/** What a script says of a message to be sent. */
function outgoing({ name, iov = [], control = [], controllen }: ValueRecord): MsgHdr {
  const data = Array.isArray(iov) ? (iov as readonly Value[]) : [iov]
  const packed = concat(
    (control as readonly Value[]).map((one) => (one instanceof Uint8Array ? one : cmsg(one as ValueRecord))),
  )
  const sent = typeof controllen === 'number' ? packed.subarray(0, controllen) : packed
  return {
    name: name instanceof Sockaddr ? name.bytes : null,
    iov: data.map(bytesOf),
    control: sent.length === 0 ? null : sent,
  }
}

/** What a script says of room for a message. */
function incoming({ name = 128, iov = 0, control = 0 }: ValueRecord): MsgHdr {
  const sizes = Array.isArray(iov) ? (iov as readonly number[]) : [iov as number]
  const from = new SockaddrBuffer(name as number)
  return {
    name: name === 0 ? null : from,
    iov: sizes.map((size) => new Uint8Array(size)),
    control: new Uint8Array(control as number),
  }
}

function timespec(bytes: Uint8Array): { sec: number; nsec: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return { sec: Number(view.getBigInt64(0, true)), nsec: Number(view.getBigInt64(8, true)) }
}
