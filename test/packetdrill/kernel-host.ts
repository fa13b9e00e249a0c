/**
 * The kernel as the host of a script, as the real tool has it: a network namespace of its own with `tun0` in it, packets
 * written to the device, and what it sends seen by a packet socket, which knows the time of each.
 */
import { spawnSync } from 'node:child_process'
import { constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { parse } from '../../src/addr/ip4.ts'
import type { Flow } from '../../src/packetdrill/flow.ts'
import { Host, type WorldOptions } from '../../src/packetdrill/host.ts'
import { ScriptError } from '../../src/packetdrill/lexer.ts'
import type { Operation } from '../../src/packetdrill/operation.ts'
import type { SystemCall } from '../../src/packetdrill/script.ts'
import type { Snapshot } from '../../src/packetdrill/snapshot.ts'
import { Unsupported } from '../../src/packetdrill/values.ts'
import { WaitQueue } from '../../src/sock/wait-queue.ts'
import { SIZEOF_TCP_INFO, TCP_INFO_LAYOUT } from '../../src/tcp/status-options.ts'
import { must } from '../differential/c.ts'
import { KernelCalls } from './kernel-calls.ts'
import type { Machine } from './kernel-machine.ts'
import { congestionOf, makeTools, toolText } from './kernel-tools.ts'

const CLONE_NEWNET = 0x40000000
const TUNSETIFF = 0x400454ca
const TUNSETOFFLOAD = 0x400454d0
const IFF_TUN = 1
const IFF_NO_PI = 0x1000
const IFF_VNET_HDR = 0x4000
const TUN_F_CSUM = 1
const TUN_F_TSO4 = 2
const TUN_F_TSO6 = 4
const TUN_F_TSO_ECN = 8
/** struct virtio_net_hdr. */
const VNET_HEADER = 10
const GSO_TYPE_AT = 1
const GSO_SIZE_AT = 4
const GSO_TCPV4 = 1

const AF_PACKET = 17
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0x800
const ETH_P_ALL_BE = 0x0300
const PACKET_OUTGOING = 4
const SOL_SOCKET = 1
const SO_TIMESTAMPNS = 35
const SO_RCVBUFFORCE = 33
const SO_MEMINFO = 55
const IPPROTO_TCP = 6
const TCP_INFO = 11
const MAX_PACKET = 65536
const POLLIN = 1
const MEMINFO: readonly string[] = [
  'RMEM_ALLOC',
  'RCVBUF',
  'WMEM_ALLOC',
  'SNDBUF',
  'FWD_ALLOC',
  'WMEM_QUEUED',
  'OPTMEM',
  'BACKLOG',
  'DROPS',
]

export class KernelHost extends Host {
  /** The most that the harness was late with an event, in microseconds. */
  late = 0
  /** The congestion control of new sockets, if shell text set one. */
  congestion: string | undefined
  /** Woken when the sleeping call is over. */
  readonly queue: WaitQueue = new WaitQueue()
  readonly #machine: Machine
  readonly #calls: KernelCalls
  readonly #tools: string
  readonly #tun: number
  readonly #packets: number
  /** What parameters of modules were, which no namespace keeps apart. */
  readonly #parameters: Map<string, string> = new Map()
  #epoch = 0

  constructor(options: WorldOptions, machine: Machine, isMapped: boolean, isGoogle: boolean) {
    super(options, parse(options.local) ?? 0, parse(options.remote) ?? 0)
    this.#machine = machine
    const { libc } = machine
    must('unshare', libc.call('unshare', CLONE_NEWNET))
    this.#tools = makeTools(isGoogle)
    this.#tun = this.#openTun()
    this.#sh(`ip link set lo up; ip link set tun0 mtu ${options.mtu}; ip address add ${options.local}/${options.prefix} dev tun0
      sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0
      ip link set tun0 up; ip route add ${options.remote.replace(/\d+$/, '0/24')} via ${options.local} dev tun0`)
    this.#packets = this.#openPackets()
    this.#calls = new KernelCalls(this, machine, isMapped)
    this.#epoch = machine.time.now
  }

  #sh(text: string): void {
    const { status, stderr } = spawnSync('sh', ['-ec', text], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }

  #openTun(): number {
    const { libc, arena } = this.#machine
    const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK)
    arena.reset()
    const request = arena.room(40)
    arena.bytes.set(Buffer.from('tun0'), request)
    arena.view.setInt16(request + 16, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, true)
    must('TUNSETIFF', libc.call('ioctl', fd, TUNSETIFF, arena.address(request)))
    must('TUNSETOFFLOAD', libc.call('ioctl', fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN))
    return fd
  }

  /** Sees what leaves, with times; all interfaces of the namespace but lo are tun0. */
  #openPackets(): number {
    const { libc, arena } = this.#machine
    const fd = must('socket', libc.call('socket', AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, ETH_P_ALL_BE))
    arena.reset()
    const on = arena.room(4)
    arena.setInt(on, 1)
    must('SO_TIMESTAMPNS', libc.call('setsockopt', fd, SOL_SOCKET, SO_TIMESTAMPNS, arena.address(on), 4))
    arena.setInt(on, 1 << 25)
    must('SO_RCVBUFFORCE', libc.call('setsockopt', fd, SOL_SOCKET, SO_RCVBUFFORCE, arena.address(on), 4))
    return fd
  }

  start(): void {
    this.#readPackets()
    this.sent.length = 0
    this.late = 0
    this.#epoch = this.#machine.time.now
  }

  get now(): number {
    return this.#machine.time.now - this.#epoch
  }

  /** When the sleeping call was over. */
  get endedAt(): number {
    return this.#machine.endedAt - this.#epoch
  }

  stampTime(seconds: number, nanoseconds: number): number {
    return seconds * 1e6 + Math.floor(nanoseconds / 1000) - this.#epoch
  }

  runTo(at: number): void {
    for (let { now } = this; now < at; { now } = this) this.#machine.libc.call('usleep', at - now)
    this.late = Math.max(this.late, this.now - at)
  }

  step(limit: number): boolean {
    for (;;) {
      if (this.#readPackets()) return true
      if (this.#hasEnded()) {
        this.queue.wake(0)
        return true
      }
      const left = limit - this.now
      if (left <= 0) return false
      this.#wait(left)
    }
  }

  settle(): void {}

  /** Waits for a packet or the end of a call. */
  #wait(micros: number): void {
    const { libc, deviceArena: arena, wakeFd } = this.#machine
    arena.reset()
    const fds = [this.#packets, this.#tun, wakeFd]
    const at = arena.room(8 * fds.length)
    for (const [i, fd] of fds.entries()) {
      arena.setInt(at + 8 * i, fd)
      arena.setInt(at + 8 * i + 4, POLLIN)
    }
    const time = arena.room(16)
    arena.setWord(time, Math.floor(micros / 1e6))
    arena.setWord(time + 8, (micros % 1e6) * 1000)
    libc.call('ppoll', arena.address(at), fds.length, arena.address(time), 0)
  }

  #hasEnded(): boolean {
    const { libc, deviceArena: arena, wakeFd } = this.#machine
    arena.reset()
    return libc.call('read', wakeFd, arena.address(arena.room(8)), 8) > 0
  }

  /** Takes what the packet socket saw leave, and empties the device's queue; false if there was nothing. */
  #readPackets(): boolean {
    const { libc, deviceArena: arena } = this.#machine
    arena.reset()
    const [name, control, data, iov, header] = [32, 64, MAX_PACKET, 16, 56].map((size) => arena.room(size)) as [
      number,
      number,
      number,
      number,
      number,
    ]
    arena.setWord(iov, arena.address(data))
    arena.setWord(iov + 8, MAX_PACKET)
    const before = this.sent.length
    for (;;) {
      arena.setWord(header, arena.address(name))
      arena.setInt(header + 8, 32)
      arena.setWord(header + 16, arena.address(iov))
      arena.setWord(header + 24, 1)
      arena.setWord(header + 32, arena.address(control))
      arena.setWord(header + 40, 64)
      const n = libc.call('recvmsg', this.#packets, arena.address(header), 0)
      if (n < 0) break
      // sockaddr_ll: sll_pkttype; the one control message is the time stamp.
      if (arena.bytes[name + 10] !== PACKET_OUTGOING) continue
      const word = (at: number): number => Number(arena.view.getBigInt64(control + at, true))
      this.onSend(arena.read(data, n), this.stampTime(word(16), word(24)))
    }
    while (libc.call('read', this.#tun, arena.address(data), MAX_PACKET) > 0);
    return this.sent.length > before
  }

  inject(bytes: Uint8Array, payload: number, mss: number): void {
    const { libc, deviceArena: arena } = this.#machine
    arena.reset()
    const at = arena.room(VNET_HEADER + bytes.length)
    arena.bytes.set(bytes, at + VNET_HEADER)
    if (mss > 0 && payload > mss) {
      arena.bytes[at + GSO_TYPE_AT] = GSO_TCPV4
      arena.view.setUint16(at + GSO_SIZE_AT, mss, true)
    }
    must('write', libc.call('write', this.#tun, arena.address(at), VNET_HEADER + bytes.length))
  }

  begin(call: SystemCall): Operation {
    return this.#calls.begin(call)
  }

  shell(text: string): number {
    this.congestion = congestionOf(text) ?? this.congestion
    for (const [path] of text.matchAll(/\/sys\/module\/[\w/]+/g))
      if (!this.#parameters.has(path)) this.#parameters.set(path, readFileSync(path, 'utf8'))
    const { status, stderr } = spawnSync('/bin/sh', ['-c', toolText(text, this.#tools)], {
      cwd: this.#tools,
      encoding: 'utf8',
      env: { ...process.env, NSTAT_HISTORY: `${this.#tools}/nstat` },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ecn = /\btcp_ecn=([3-5])/.exec(text)?.[1]
    if (ecn !== undefined && readFileSync('/proc/sys/net/ipv4/tcp_ecn', 'utf8').trim() !== ecn)
      throw new Unsupported(`this kernel refuses tcp_ecn ${ecn} (AccECN)`)
    if (stderr.includes('qdisc kind is unknown')) throw new Unsupported(`this kernel: ${stderr.trim()}`)
    if (status !== 0 && stderr !== '') throw new Error(`\`${text.trim()}\`: ${stderr.trim()}`)
    return status ?? 1
  }

  snapshot(line: number): Snapshot {
    const fd = this.flow === null ? undefined : this.#calls.fdOf(this.flow)
    if (fd === undefined) throw new ScriptError(line, 'the socket under test has no live descriptor')
    const values = new Map<string, number>()
    const info = this.#calls.option(fd, IPPROTO_TCP, TCP_INFO, SIZEOF_TCP_INFO)
    if (info !== null) readTcpInfo(new DataView(info.buffer), values)
    const memory = this.#calls.option(fd, SOL_SOCKET, SO_MEMINFO, 4 * MEMINFO.length)
    if (memory !== null) {
      const view = new DataView(memory.buffer)
      for (const [i, name] of MEMINFO.entries()) values.set(`SK_MEMINFO_${name}`, view.getUint32(4 * i, true))
    }
    return values
  }

  /** The flow of a child, by its peer's port. */
  childOf(remotePort: number): Flow | undefined {
    return this.flows.findLast((f) => f.isPassive && f.remotePort === remotePort)
  }

  close(): void {
    for (const [path, value] of this.#parameters) writeFileSync(path, value)
    this.#calls.close()
    this.#machine.libc.call('close', this.#packets)
    this.#machine.libc.call('close', this.#tun)
    rmSync(this.#tools, { recursive: true })
  }
}

/** struct tcp_info as far as the kernel filled it, under the names assertions use. */
function readTcpInfo(view: DataView, values: Map<string, number>): void {
  let at = 0
  for (const [kind, names] of TCP_INFO_LAYOUT) {
    const fields = names.split(' ').map((name) => `tcpi_${name}`)
    if (typeof kind === 'number') {
      const byte = view.getUint8(at++)
      values.set(fields[0] as string, byte & ((1 << kind) - 1))
      values.set(fields[1] as string, byte >> kind)
      continue
    }
    for (const field of fields) {
      const size = { b: 1, h: 2, w: 4, q: 8 }[kind]
      if (at + size > view.byteLength) return
      const value =
        kind === 'b'
          ? view.getUint8(at)
          : kind === 'h'
            ? view.getUint16(at, true)
            : kind === 'w'
              ? view.getUint32(at, true)
              : Number(view.getBigUint64(at, true))
      values.set(field, value)
      at += size
    }
  }
}
