/** A host: a network namespace with its transports, and the processes that run on it. */

import type { PacketPool } from '../buf/pool.ts'
import { FileTree } from '../fs/tree.ts'
import type { Ipv4 } from '../ip/ipv4.ts'
import type { Link } from '../link/link.ts'
import { NetlinkFamily } from '../netlink/netlink-family.ts'
import { RtNetlink } from '../netlink/rtnetlink.ts'
import { PacketFamily } from '../packet/packet-family.ts'
import { Ping } from '../raw/ping.ts'
import { Raw } from '../raw/raw.ts'
import { AF_INET, AF_NETLINK, AF_PACKET, AF_UNIX } from '../sock/address.ts'
import {
  IPPROTO_ICMP,
  IPPROTO_IP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../sock/constants.ts'
import { Families, InetFamily } from '../socket/families.ts'
import { FilesStat } from '../socket/open-file.ts'
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
import { mountProc } from './proc.ts'
import { Process, type Program } from './process.ts'
import { ProcessTable } from './process-table.ts'
import { raise } from './signal-calls.ts'
import { SockDiag } from './sock-diag.ts'
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
  readonly ping: Ping
  readonly raw: Raw
  /** AF_PACKET: its sockets. */
  readonly packet: PacketFamily
  /** AF_NETLINK: its sockets and what answers them. */
  readonly netlink: NetlinkFamily
  /** Its files, and how many descriptions are open. */
  readonly tree: FileTree
  readonly openFiles: FilesStat
  /** Address families, for socket(2). */
  readonly families: Families = new Families()
  /** Types and protocols of AF_INET. */
  readonly inet: InetFamily
  /** Its processes by id: numbers, groups, signals. */
  readonly table: ProcessTable
  readonly #onProgramFailure: ((process: Process, error: unknown) => void) | undefined

  constructor(options: HostOptions) {
    const { name = 'host', clock, random, onProgramFailure } = options
    this.name = name
    this.clock = clock
    this.stack = new Stack({ ...options, name, clock, random })
    this.#onProgramFailure = onProgramFailure
    this.table = new ProcessTable(this.stack.sysctl)
    this.udp = new Udp(this.stack)
    this.tcp = new Tcp(this.stack)
    this.tree = new FileTree(() => clock.epoch + clock.now())
    this.openFiles = new FilesStat(this.stack.sysctl)
    this.unix = new Unix(this.stack, this.tree)
    this.unix.isProcess = (pid) => this.table.processes.has(pid)
    this.inet = new InetFamily()
    this.inet.register(SOCK_STREAM, IPPROTO_TCP, () => this.tcp.createSocket())
    this.inet.register(SOCK_DGRAM, IPPROTO_UDP, () => this.udp.createSocket())
    this.ping = new Ping(this.stack)
    this.raw = new Raw(this.stack)
    this.inet.register(SOCK_DGRAM, IPPROTO_ICMP, this.ping.create)
    this.inet.register(SOCK_RAW, IPPROTO_IP, this.raw.create)
    this.families.register(AF_INET, this.inet.create)
    this.families.register(AF_UNIX, this.unix.create)
    this.packet = new PacketFamily(this.stack)
    this.families.register(AF_PACKET, this.packet.create)
    this.netlink = new NetlinkFamily(this.stack)
    new RtNetlink(this.netlink)
    new SockDiag(this, this.netlink)
    this.families.register(AF_NETLINK, this.netlink.create)
    mountProc(this)
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

  /** Processes by id, those that have ended and were not waited for included. */
  get processes(): ReadonlyMap<number, Process> {
    return this.table.processes
  }

  /** The next number for a process or a thread: SystemError EAGAIN if all are used (kernel.pid_max). */
  takePid(): number {
    return raise('fork', this.table.allocate())
  }

  /** A process without a program: the caller makes its calls and ends it with `end`. Descriptors 0 to 2 are a terminal. */
  createProcess(options: SpawnOptions = {}): Process {
    const pid = this.takePid()
    const process = new Process(this, pid, options.name ?? 'process', null)
    process.credentials.euid = process.credentials.uid = options.euid ?? 0
    const terminal = new Terminal(options.output ?? ((): void => {}))
    process.terminal = terminal
    process.files.add(terminal)
    process.files.add(terminal.ref())
    process.files.add(terminal.ref())
    this.table.add(process)
    return process
  }

  /** Starts a program in a process of its own; it runs from the clock's next task on. */
  spawn(program: Program, options: SpawnOptions | string = {}): Process {
    const given = typeof options === 'string' ? { name: options } : options
    const process = this.createProcess({ ...given, name: given.name ?? (program.name || 'program') })
    this.#start(process, program)
    return process
  }

  #start(process: Process, program: Program): void {
    const start = new FunctionTask(() => {
      if (!process.isOver) void process.run(program, this.trace.syscall === null ? process : traced(process))
      this.clock.noteWakeup()
      return false
    })
    this.clock.defer(start)
  }

  /** For `Process.fork` only: a child of `parent` that runs `program`; its id, or -EAGAIN. */
  fork(parent: Process, program: Program): number {
    const pid = this.table.allocate()
    if (pid < 0) return pid
    const child = new Process(this, pid, parent.name, parent)
    this.table.add(child)
    this.#start(child, program)
    return pid
  }

  /** The sockets of this host, as `ss` lists them. */
  sockets(): SocketRow[] {
    return socketRows(this)
  }

  /** The local sockets of this host, as `ss -x` lists them. */
  unixSockets(): UnixRow[] {
    return unixRows(this)
  }

  /** For `Process.run` only. */
  programFailed(process: Process, error: unknown): void {
    this.#onProgramFailure?.(process, error)
  }
}
