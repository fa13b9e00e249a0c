/** A host: a network namespace with its transports, and the processes that run on it. */

import type { PacketPool } from '../buf/pool.ts'
import type { Ipv4 } from '../ip/ipv4.ts'
import type { Link } from '../link/link.ts'
import { AF_INET, AF_UNIX } from '../sock/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM } from '../sock/constants.ts'
import { Families, InetFamily } from '../socket/families.ts'
import type { Interface } from '../stack/interface.ts'
import { type InterfaceOptions, Stack } from '../stack/stack.ts'
import { type Clock, FunctionTask } from '../sys/clock.ts'
import type { Counters } from '../sys/counters.ts'
import { SystemError } from '../sys/errno.ts'
import type { Random } from '../sys/random.ts'
import type { Sysctls, SysctlValue } from '../sys/sysctl.ts'
import { NO_SUCH_SYSCTL } from '../sys/sysctl.ts'
import type { Trace } from '../sys/trace.ts'
import { Tcp } from '../tcp/tcp.ts'
import { Udp } from '../udp/udp.ts'
import { Unix } from '../unix/unix.ts'
import { Terminal } from './files.ts'
import { Process, type Program } from './process.ts'
import { type SocketRow, socketRows, type UnixRow, unixRows } from './socket-table.ts'
import { traced } from './strace.ts'

export interface HostOptions {
  /** Host name; `host` unless told otherwise. */
  readonly name?: string
  readonly clock: Clock
  readonly random: Random
  /** Packets shared with the other hosts of the clock, if given. */
  readonly pool?: PacketPool
  readonly trace?: Trace
  readonly sysctl?: Sysctls
  /** A program threw; otherwise only `Process.failure` tells. */
  readonly onProgramFailure?: (process: Process, error: unknown) => void
}

export interface SpawnOptions {
  /** The program's name; that of the function unless told otherwise. */
  readonly name?: string
  /** Effective user; 0, root, unless told otherwise. */
  readonly euid?: number
  /** Gets what the program writes to its descriptors 1 and 2. */
  readonly output?: (bytes: Uint8Array) => void
}

export class Host {
  readonly name: string
  readonly clock: Clock
  readonly stack: Stack
  readonly udp: Udp
  readonly tcp: Tcp
  readonly unix: Unix
  /** Address families, for socket(2). */
  readonly families: Families = new Families()
  /** Types and protocols of AF_INET. */
  readonly inet: InetFamily
  /** Running processes by id. */
  readonly processes: Map<number, Process> = new Map()
  readonly #onProgramFailure: ((process: Process, error: unknown) => void) | undefined
  #nextPid = 1

  constructor(options: HostOptions) {
    const { name = 'host', clock, random, onProgramFailure } = options
    this.name = name
    this.clock = clock
    this.stack = new Stack({ ...options, name, clock, random })
    this.#onProgramFailure = onProgramFailure
    this.udp = new Udp(this.stack)
    this.tcp = new Tcp(this.stack)
    this.unix = new Unix(this.stack)
    this.inet = new InetFamily(this.stack)
    this.inet.register(SOCK_STREAM, IPPROTO_TCP, () => this.tcp.createSocket())
    this.inet.register(SOCK_DGRAM, IPPROTO_UDP, () => this.udp.createSocket())
    this.families.register(AF_INET, this.inet.create)
    this.families.register(AF_UNIX, this.unix.create)
  }

  /** Puts an interface on one end of a link (`ip link add`, `ip addr add`). */
  addInterface(name: string, link: Link, options?: InterfaceOptions): Interface {
    return this.stack.addInterface(name, link, options)
  }

  get ipv4(): Ipv4 {
    return this.stack.ipv4
  }

  get sysctl(): Sysctls {
    return this.stack.sysctl
  }

  get counters(): Counters {
    return this.stack.counters
  }

  get trace(): Trace {
    return this.stack.trace
  }

  /** `sysctl NAME`: a value by its full name; SystemError ENOENT. */
  getSysctl(name: string): SysctlValue {
    const value = this.sysctl.get(name)
    if (value === NO_SUCH_SYSCTL) throw new SystemError('sysctl', 2)
    return value
  }

  /** `sysctl -w NAME=VALUE`: SystemError ENOENT or EINVAL. */
  setSysctl(name: string, value: SysctlValue): void {
    const result = this.sysctl.set(name, value)
    if (result < 0) throw new SystemError('sysctl', result)
  }

  /** A process without a program: the caller makes its calls and ends it with `end`. Descriptors 0 to 2 are a terminal. */
  createProcess(options: SpawnOptions = {}): Process {
    const pid = this.#nextPid++
    const process = new Process(this, pid, 0, options.name ?? 'process')
    process.credentials.euid = process.credentials.uid = options.euid ?? 0
    const terminal = new Terminal(options.output ?? ((): void => {}))
    process.files.add(terminal)
    process.files.add(terminal.ref())
    process.files.add(terminal.ref())
    this.processes.set(pid, process)
    return process
  }

  /** Starts a program in a process of its own; it runs from the clock's next task on. */
  spawn(program: Program, options: SpawnOptions | string = {}): Process {
    const given = typeof options === 'string' ? { name: options } : options
    const process = this.createProcess({ ...given, name: given.name ?? (program.name || 'program') })
    const start = new FunctionTask(() => {
      if (!process.isOver) void process.run(program, this.trace.syscall === null ? process : traced(process))
      this.clock.noteWakeup()
      return false
    })
    this.clock.defer(start)
    return process
  }

  /** The sockets of this host, as `ss` lists them. */
  sockets(): SocketRow[] {
    return socketRows(this)
  }

  /** The local sockets of this host, as `ss -x` lists them. */
  unixSockets(): UnixRow[] {
    return unixRows(this)
  }

  /** For `Process.end` only. */
  processEnded(process: Process): void {
    this.processes.delete(process.pid)
  }

  /** For `Process.run` only. */
  programFailed(process: Process, error: unknown): void {
    this.#onProgramFailure?.(process, error)
  }
}
