/**
 * A process of a host: the system calls of Linux under their names. A call that need not wait gives its value at once; one
 * that must, on a blocking descriptor, gives a promise; one that fails throws a `SystemError` with Linux's errno.
 * `process.sys` has the same calls in raw form: integers out, never waiting. Behaviour: the manual's section 2.
 */

import { FsStruct } from '../fs/tree.ts'
import { AF_UNIX, SockAddr } from '../sock/address.ts'
import { F_DUPFD } from '../sock/constants.ts'
import { OptionResult, type OptionValue } from '../sock/sock.ts'
import {
  type Address,
  type AddressIn,
  type AddressOut,
  readAddress,
  toAddress,
  writeAddress,
} from '../socket/address-value.ts'
import { Calls } from '../socket/calls.ts'
import { Credentials } from '../socket/credentials.ts'
import { familyName } from '../socket/family-names.ts'
import { FileTable } from '../socket/file-table.ts'
import { type MembershipRequest, membershipBytes } from '../socket/multicast-options.ts'
import { F_GETOWN } from '../socket/signal-constants.ts'
import type { Clock } from '../sys/clock.ts'
import { EAFNOSUPPORT, SystemError } from '../sys/errno.ts'
import { BlockingCalls } from './blocking.ts'
import type { Host } from './host.ts'
import { pipe2 } from './pipe.ts'
import { ProcessCalls } from './process-calls.ts'
import { ProcessExit } from './process-exit.ts'
import { checkRange } from './range.ts'
import type { SigInfo } from './signals.ts'
import { WEXITSTATUS, WIFEXITED, WTERMSIG } from './wait.ts'

/** A program: its exit code is what it returns or settles with, 0 for nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: a program may return nothing
export type Program = (process: Process) => number | void | Promise<number | void>

/** Exit code of a program that threw. */
export const EXIT_THREW = 1

/** A process: the calls of all its parts, those of sockets, and its life from the first call of its program to its exit. */
export class Process extends ProcessCalls {
  override readonly host: Host
  override readonly pid: number
  /** The program's name, as `ps` shows it. */
  readonly name: string
  override readonly credentials: Credentials
  /** Settles with the exit code when the process has ended; it never rejects. */
  readonly exited: Promise<number>
  /** The exit code once it has ended; 128 and its number if a signal killed it, as shells have it. */
  override exitCode: number | undefined
  /** What the program threw, if that ended it. */
  failure: unknown
  readonly #clock: Clock
  readonly #blocking: BlockingCalls
  readonly #address: SockAddr = new SockAddr()
  readonly #option: OptionResult = new OptionResult()
  #resolveExited!: (code: number) => void

  /** For `Host` only. A child of `parent` has copies of its files, credentials and dispositions; null: init's. */
  constructor(host: Host, pid: number, name: string, parent: Process | null) {
    const files = parent?.files.clone() ?? new FileTable(host.openFiles)
    super(host.clock, new Calls(host.families, files, parent?.credentials.clone() ?? new Credentials()))
    this.host = host
    this.pid = pid
    this.name = name
    this.parent = parent
    this.pgid = parent?.pgid ?? pid
    this.sid = parent?.sid ?? pid
    this.credentials = this.sys.credentials
    this.credentials.pid = pid
    this.sys.owners = host.table
    this.credentials.fs ??= new FsStruct(host.tree)
    if (parent !== null) {
      this.signals.inherit(parent.signals)
      this.terminal = parent.terminal
      parent.children.add(this)
    }
    this.#clock = host.clock
    this.#blocking = new BlockingCalls({
      sys: this.sys,
      clock: host.clock,
      sleepers: this.sleepers,
      pace: this.pace,
      signals: this.signals,
      afterCall: (result) => this.afterCall(result),
      owner: this,
      brokenPipe: () => this.brokenPipe(),
      finish,
    })
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve
    })
  }

  protected override get blocking(): BlockingCalls {
    return this.#blocking
  }

  // ---- Making and naming sockets ----

  /** socket(2): the lowest free descriptor. `type` may carry SOCK_NONBLOCK and SOCK_CLOEXEC. */
  socket(family: number, type: number, protocol: number = 0): number {
    const fd = this.sys.socket(family, type, protocol)
    if (fd === -EAFNOSUPPORT) throw new SystemError('socket', fd, familyName(family))
    return finish('socket', fd, null)
  }

  /** socketpair(2): two connected descriptors. AF_UNIX only. */
  socketpair(family: number, type: number, protocol: number = 0): [number, number] {
    const fds: [number, number] = [-1, -1]
    finish('socketpair', this.sys.socketpair(family, type, protocol, fds), null)
    return fds
  }

  /** pipe(2): descriptors for reading and for writing. */
  pipe(): [number, number] {
    return this.#pipe('pipe', 0)
  }

  /** pipe2(2): `flags` are O_NONBLOCK, O_CLOEXEC and O_DIRECT (each write is read alone). */
  pipe2(flags: number): [number, number] {
    return this.#pipe('pipe2', flags)
  }

  #pipe(call: string, flags: number): [number, number] {
    const fds: [number, number] = [-1, -1]
    finish(call, pipe2(this.files, this.host.stack, flags, fds), null)
    return fds
  }

  /** bind(2). */
  bind(fd: number, address: AddressIn): void {
    const to = readAddress('address', address, this.#address)
    finish('bind', this.sys.bind(fd, to), to)
  }

  /** listen(2). */
  listen(fd: number, backlog: number): void {
    finish('listen', this.sys.listen(fd, backlog), null)
  }

  /** accept(2): the descriptor of the next connection; its peer's name goes to `peer`. */
  accept(fd: number, peer?: AddressOut): number | Promise<number> {
    return this.#blocking.accept('accept', fd, 0, peer ?? null)
  }

  /** accept4(2): accept with SOCK_NONBLOCK and SOCK_CLOEXEC for the new descriptor. */
  accept4(fd: number, peer: AddressOut | null, flags: number): number | Promise<number> {
    return this.#blocking.accept('accept4', fd, flags, peer)
  }

  /** connect(2): 0 when connected. On a non-blocking descriptor EINPROGRESS is thrown; POLLOUT and SO_ERROR tell the end. */
  connect(fd: number, address: AddressIn): number | Promise<number> {
    const to = readAddress('address', address, this.#address)
    const result = this.sys.connect(fd, to)
    return result >= 0 ? result : this.#blocking.connect(fd, to, result)
  }

  /** getsockname(2): the name, which also goes to `into`, in Linux's bytes if that is a `SockaddrBuffer`. */
  getsockname(fd: number, into?: AddressOut): Address {
    finish('getsockname', this.sys.getsockname(fd, this.#address), null)
    if (into !== undefined) writeAddress(this.#address, into)
    return toAddress(this.#address)
  }

  /** getpeername(2): as getsockname, of the other end. */
  getpeername(fd: number, into?: AddressOut): Address {
    finish('getpeername', this.sys.getpeername(fd, this.#address), null)
    if (into !== undefined) writeAddress(this.#address, into)
    return toAddress(this.#address)
  }

  /** getsockopt(2): an int, a name, or a struct by its fields. With `optval`, Linux's bytes go there: how many (optlen). */
  getsockopt(fd: number, level: number, name: number, optval?: Uint8Array): OptionValue {
    if (optval !== undefined) return finish('getsockopt', this.sys.getsockoptBytes(fd, level, name, optval), null)
    finish('getsockopt', this.sys.getsockopt(fd, level, name, this.#option), null)
    return this.#option.value
  }

  /** setsockopt(2): the value as an int, a name, a struct by its fields, or Linux's bytes, whose number is optlen. */
  setsockopt(fd: number, level: number, name: number, value: OptionValue | MembershipRequest): void {
    const optval = typeof value === 'object' && 'multiaddr' in value ? membershipBytes(name, value) : value
    finish('setsockopt', this.sys.setsockopt(fd, level, name, optval), null)
  }

  // ---- Reading and writing ----

  /** read(2) into `bytes` from `offset` on: how many, 0 at the end. */
  override read(
    fd: number,
    bytes: Uint8Array,
    offset: number = 0,
    length: number = bytes.length - offset,
  ): number | Promise<number> {
    checkRange(bytes, offset, length)
    return this.#blocking.read(fd, bytes, offset, length)
  }

  /** write(2): on a blocking stream, everything unless something goes wrong in between. */
  override write(
    fd: number,
    bytes: Uint8Array,
    offset: number = 0,
    length: number = bytes.length - offset,
  ): number | Promise<number> {
    checkRange(bytes, offset, length)
    return this.#blocking.write(fd, bytes, offset, length)
  }

  /** recv(2). */
  recv(fd: number, bytes: Uint8Array, flags: number = 0): number | Promise<number> {
    checkRange(bytes, 0, bytes.length)
    return this.#blocking.receive('recv', fd, bytes, flags, null)
  }

  /** recvfrom(2): the sender's name goes to `from`. */
  recvfrom(fd: number, bytes: Uint8Array, flags: number = 0, from?: AddressOut): number | Promise<number> {
    checkRange(bytes, 0, bytes.length)
    return this.#blocking.receive('recvfrom', fd, bytes, flags, from ?? null)
  }

  /** send(2). */
  send(fd: number, bytes: Uint8Array, flags: number = 0): number | Promise<number> {
    checkRange(bytes, 0, bytes.length)
    return this.#blocking.send('send', fd, bytes, flags, null)
  }

  /** sendto(2). */
  sendto(fd: number, bytes: Uint8Array, flags: number = 0, to?: AddressIn): number | Promise<number> {
    checkRange(bytes, 0, bytes.length)
    return this.#blocking.send(
      'sendto',
      fd,
      bytes,
      flags,
      to === undefined ? null : readAddress('to', to, this.#address),
    )
  }

  /** shutdown(2): SHUT_RD, SHUT_WR or SHUT_RDWR, for all who hold the connection. */
  shutdown(fd: number, how: number): void {
    finish('shutdown', this.sys.shutdown(fd, how), null)
  }

  // ---- Descriptors ----

  /** close(2). Waits only if SO_LINGER asks for it. */
  close(fd: number): number | Promise<number> {
    return this.#blocking.close(fd)
  }

  /** dup(2): another descriptor, the lowest free one, for the same description. */
  dup(fd: number): number {
    return finish('dup', this.sys.dup(fd), null)
  }

  /** dup2(2): `to` names the same description from now on. */
  dup2(fd: number, to: number): number {
    return finish('dup2', this.sys.dup2(fd, to), null)
  }

  /** dup3(2): `flags` is 0 or O_CLOEXEC. */
  dup3(fd: number, to: number, flags: number): number {
    return finish('dup3', this.sys.dup3(fd, to, flags), null)
  }

  /** fcntl(2): F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC, F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG. */
  fcntl(fd: number, command: number = F_DUPFD, argument: number = 0): number {
    const result = this.sys.fcntl(fd, command, argument)
    // An owner that is a group is a negative number, not an error.
    if (command === F_GETOWN && this.files.get(fd) !== null) return result
    return finish('fcntl', result, null)
  }

  // ---- The process itself ----

  /** RLIMIT_NOFILE (setrlimit(2)): descriptors stay below it. */
  set fileLimit(limit: number) {
    if (!Number.isInteger(limit) || limit < 0) throw new RangeError(`fileLimit: not a number of files: ${limit}`)
    this.files.limit = limit
  }

  get fileLimit(): number {
    return this.files.limit
  }

  /** seteuid(2), from root to anybody: privileges go. */
  seteuid(euid: number): void {
    this.credentials.euid = euid
  }

  /** exit(3): ends the process here. */
  exit(code: number = 0): never {
    this.end(code & 0xff)
    throw new ProcessExit(code & 0xff)
  }

  /** Ends the process from outside: calls that sleep never return, descriptors are closed. Once only. */
  end(code: number): void {
    this.#end((code & 0xff) << 8)
  }

  /** The end by a signal's default action. */
  override killedBy(signal: number): void {
    this.#end(signal)
  }

  /** do_exit: with the status word of wait(2). */
  #end(status: number): void {
    if (this.exitCode !== undefined) return
    this.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)
    this.stopAlarm()
    this.sleepers.endAll()
    this.files.closeAll()
    this.files.limit = 0
    this.host.trace.exit?.(this.pid, status, this.host.name)
    this.leaveFamily(status)
    this.#clock.noteWakeup()
    this.#resolveExited(this.exitCode)
  }

  /** A program threw, or a handler while no call slept. */
  override threw(error: unknown): void {
    if (error instanceof ProcessExit || this.isOver) return
    this.failure = error
    this.end(EXIT_THREW)
    this.host.programFailed(this, error)
  }

  override delivered(info: SigInfo): void {
    this.host.trace.signal?.(this.pid, info, this.host.name)
  }

  /** True once it has ended. */
  override get isOver(): boolean {
    return this.exitCode !== undefined
  }

  /** Runs `program` to its end, whatever way it ends; it sees the process as `self`. */
  async run(program: Program, self: Process = this): Promise<void> {
    try {
      const code = await program(self)
      this.end((code ?? 0) & 0xff)
    } catch (error) {
      this.threw(error)
    }
  }
}

/** Gives a result >= 0 back; throws the error of another, with the address it is about. */
function finish(call: string, result: number, address: SockAddr | null): number {
  if (result >= 0) return result
  if (address === null) throw new SystemError(call, result)
  if (address.family === AF_UNIX) throw new SystemError(call, result, address.path || undefined)
  const { address: text, port } = toAddress(address)
  throw new SystemError(call, result, text, port)
}
