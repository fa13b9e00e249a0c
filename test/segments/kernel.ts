/**
 * The kernel's side: this process in a network namespace of its own, system calls through the C library, the peer at the other
 * end of a TAP device. What is written to the device has been through the whole stack when write(2) returns, and the answer is
 * there to be read: so steps follow one another as fast as calls go, and sequences that wait take turns.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import * as ip4 from '../../src/addr/ip4.ts'
import { Sysctls } from '../../src/sys/sysctl.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { Arena, Libc, must } from '../differential/c.ts'
import { atOnce, type Mix, sysctlsOf } from './mixes.ts'
import { JIFFY, type SysctlTexts } from './ours.ts'
import { type Arm, type Ends, Play, type Played } from './play.ts'
import { type Calls, Program } from './program.ts'
import type { CallStep, Sequence } from './sequence.ts'

export const LOCAL: number = ip4.parse('10.99.0.1') as number
/** Peers are 10.98.1.0 and on, each with one connection. */
const FIRST_PEER: number = ip4.parse('10.98.1.0') as number
const PEER_PORT = 7000
const FIRST_PORT = 1100
/** Longer than planned, a sequence stalled; how often such are played again. */
const STALL_MS = 40
const AGAIN = 3
/** Sequences of one namespace: each has a port and a peer of its own. */
const EACH = 50000

const CLONE_NEWNET = 0x40000000
const TUNSETIFF = 0x400454ca
const IFF_TAP = 2
const IFF_NO_PI = 0x1000
const ETHERNET = 14
const MAC = '02:00:00:00:00:02'
const AF_INET = 2
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0x800
const POLL_ALL = 0x23c7
const POLLIN = 1
const MSG_ERRQUEUE = 0x2000
const MSG_NOSIGNAL = 0x4000
const MSG_FASTOPEN = 0x20000000
/** sizeof(struct msghdr) */
const MSGHDR = 56
const ARENA_SIZE = 1 << 19

/** The ends of sequence number `i` of a namespace. */
export const endsOf = (i: number): Ends => ({
  local: LOCAL,
  localPort: FIRST_PORT + i,
  remote: (FIRST_PEER + i) | 0,
  remotePort: PEER_PORT,
})

class KernelCalls implements Calls {
  readonly #libc: Libc
  readonly #arena: Arena

  constructor(libc: Libc, arena: Arena) {
    this.#libc = libc
    this.#arena = arena
  }

  #in(bytes: Uint8Array): number {
    this.#arena.reset()
    return this.#arena.address(this.#arena.put(bytes))
  }

  #name(address: number, port: number): number {
    return this.#in(
      Uint8Array.of(
        AF_INET,
        0,
        port >>> 8,
        port & 255,
        address >>> 24,
        (address >> 16) & 255,
        (address >> 8) & 255,
        address & 255,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
      ),
    )
  }

  socket = (): number => this.#libc.call('socket', AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)
  bind = (fd: number, port: number): number => this.#libc.call('bind', fd, this.#name(0, port), 16)
  listen = (fd: number, backlog: number): number => this.#libc.call('listen', fd, backlog)
  connect = (fd: number, address: number, port: number): number =>
    this.#libc.call('connect', fd, this.#name(address, port), 16)
  accept = (fd: number): number => this.#libc.call('accept4', fd, 0, 0, SOCK_NONBLOCK)
  sendFastOpen = (fd: number, bytes: Uint8Array, address: number, port: number): number => {
    const name = this.#name(address, port)
    const data = this.#arena.address(this.#arena.put(bytes))
    return this.#libc.call('sendto', fd, data, bytes.length, MSG_FASTOPEN | MSG_NOSIGNAL, name, 16)
  }
  send = (fd: number, bytes: Uint8Array, flags: number): number =>
    this.#libc.call('send', fd, this.#in(bytes), bytes.length, flags)
  recv = (fd: number, into: Uint8Array, flags: number): number => {
    this.#arena.reset()
    const at = this.#arena.room(into.length)
    const n = this.#libc.call('recv', fd, this.#arena.address(at), into.length, flags)
    if (n > 0) into.set(this.#arena.bytes.subarray(at, at + Math.min(n, into.length)))
    return n
  }
  recvError = (fd: number, into: Uint8Array, control: Uint8Array): number => {
    const a = this.#arena
    a.reset()
    const [msg, iov, at, beside] = [a.room(MSGHDR), a.room(16), a.room(into.length), a.room(control.length)]
    a.setWord(iov, a.address(at))
    a.setWord(iov + 8, into.length)
    a.setWord(msg + 16, a.address(iov))
    a.setWord(msg + 24, 1)
    a.setWord(msg + 32, a.address(beside))
    a.setWord(msg + 40, control.length)
    const n = this.#libc.call('recvmsg', fd, a.address(msg), MSG_ERRQUEUE)
    control.set(a.bytes.subarray(beside, beside + control.length))
    return n
  }
  shutdown = (fd: number, how: number): number => this.#libc.call('shutdown', fd, how)
  close = (fd: number): number => this.#libc.call('close', fd)
  setsockopt = (fd: number, level: number, name: number, value: Uint8Array): number =>
    this.#libc.call('setsockopt', fd, level, name, this.#in(value), value.length)
  getsockopt = (fd: number, level: number, name: number, into: Uint8Array): number => {
    this.#arena.reset()
    const size = this.#arena.room(4)
    this.#arena.setInt(size, into.length)
    const at = this.#arena.room(into.length)
    const result = this.#libc.call('getsockopt', fd, level, name, this.#arena.address(at), this.#arena.address(size))
    into.set(this.#arena.bytes.subarray(at, at + into.length))
    return result
  }
  poll = (fd: number): number => {
    this.#arena.reset()
    const at = this.#arena.room(8)
    this.#arena.setInt(at, fd)
    this.#arena.view.setInt16(at + 4, POLL_ALL, true)
    this.#libc.call('poll', this.#arena.address(at), 1, 0)
    return this.#arena.view.getInt16(at + 6, true)
  }
  ioctl = (fd: number, request: number): number => {
    this.#arena.reset()
    const at = this.#arena.room(4)
    const result = this.#libc.call('ioctl', fd, request, this.#arena.address(at))
    return result < 0 ? result : this.#arena.int(at)
  }
}

/** A TAP device in this process's namespace; packets for peers in the order they come. */
class Device {
  readonly #libc: Libc
  readonly #arena: Arena
  readonly #fd: number
  readonly #header: Uint8Array = new Uint8Array(ETHERNET)
  /** By the peer's address. */
  readonly queues: Map<number, Uint8Array[]> = new Map()

  constructor(libc: Libc, arena: Arena) {
    this.#libc = libc
    this.#arena = arena
    // Blocking, so that the kernel takes memory for frames as for any (tun_alloc_skb).
    this.#fd = openSync('/dev/net/tun', constants.O_RDWR)
    arena.reset()
    const request = arena.room(40)
    arena.bytes.set(Buffer.from('tap0'), request)
    arena.view.setInt16(request + 16, IFF_TAP | IFF_NO_PI, true)
    must('TUNSETIFF', libc.call('ioctl', this.#fd, TUNSETIFF, arena.address(request)))
    const line = `sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set tap0 txqueuelen 10000; ip address add 10.99.0.1/24 dev tap0
      ip link set tap0 up; ip link set lo up; ip neigh replace 10.99.0.2 lladdr ${MAC} dev tap0 nud permanent
      ip route add 10.98.0.0/16 via 10.99.0.2`
    const made = spawnSync('sh', ['-ec', line], { encoding: 'utf8' })
    if (made.status !== 0) throw new Error(made.stderr)
    this.#header.set(ownMac())
    this.#header.set(Buffer.from(MAC.replaceAll(':', ''), 'hex'), 6)
    this.#header[12] = 8
  }

  send(packet: Uint8Array): void {
    this.#arena.reset()
    const at = this.#arena.room(ETHERNET + packet.length)
    this.#arena.bytes.set(this.#header, at)
    this.#arena.bytes.set(packet, at + ETHERNET)
    must('write', this.#libc.call('write', this.#fd, this.#arena.address(at), ETHERNET + packet.length))
  }

  /** Reads all there is. */
  drain(): void {
    this.#arena.reset()
    const poll = this.#arena.room(8)
    const at = this.#arena.room(2048)
    for (;;) {
      this.#arena.setInt(poll, this.#fd)
      this.#arena.setInt(poll + 4, POLLIN)
      if (this.#libc.call('poll', this.#arena.address(poll), 1, 0) <= 0) return
      const n = must('read', this.#libc.call('read', this.#fd, this.#arena.address(at), 2048))
      const frame = this.#arena.bytes
      if (frame[at + 12] === 8 && frame[at + 13] === 0)
        this.queues.get(ipv4.dst(frame, at + ETHERNET))?.push(this.#arena.read(at + ETHERNET, n - ETHERNET))
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** The device's address; /sys is still another namespace's. */
function ownMac(): Uint8Array {
  const { stdout } = spawnSync('ip', ['-json', 'link', 'show', 'tap0'], { encoding: 'utf8' })
  const [device] = JSON.parse(stdout) as [{ address: string }]
  return Buffer.from(device.address.replaceAll(':', ''), 'hex')
}

class KernelArm implements Arm {
  readonly #device: Device
  readonly #program: Program
  readonly #queue: Uint8Array[] = []

  readonly #zero: number

  constructor(device: Device, program: Program, peer: number, zero: number) {
    this.#zero = zero
    this.#device = device
    this.#program = program
    device.queues.set(peer, this.#queue)
  }

  open = (sequence: Sequence): string => this.#program.open(sequence)
  call = (step: CallStep): string => this.#program.call(step)
  inject = (packet: Uint8Array): void => this.#device.send(packet)
  take = (): Uint8Array[] => {
    this.#device.drain()
    return this.#queue.splice(0)
  }
  state = (): string => this.#program.state()
  close = (): void => this.#program.close()
  now = (): number => this.#zero + Number(process.hrtime.bigint() / 1000n)
}

interface UnderWay {
  readonly index: number
  readonly peer: number
  readonly play: Generator<number, Played>
  wakeAt: number
}

/** It took much longer than its waits: what its timers did then depends on when it was looked at. */
function isStalled({ steps }: Sequence, { times }: Played): boolean {
  let planned = 0
  for (const step of steps) if (step.kind === 'wait') planned += step.ms
  return (times.at(-1) as number) > (planned + STALL_MS) * 1000
}

export class Kernel {
  readonly mixes: readonly Mix[]
  readonly sysctls: SysctlTexts
  readonly #libc: Libc = new Libc()
  readonly #arena: Arena = new Arena(ARENA_SIZE)
  readonly #calls: KernelCalls = new KernelCalls(this.#libc, this.#arena)
  #device!: Device
  #used = 0
  readonly #zero: number = jiffiesZero()

  private constructor(mixes: readonly Mix[]) {
    this.mixes = mixes
    this.#newNamespace()
    this.sysctls = sysctls()
  }

  /** Puts this process into a namespace of its own; why not, if it cannot be done here. */
  static start(mixes: readonly Mix[] = []): Kernel | string {
    if (process.platform !== 'linux') return `needs Linux, not ${process.platform}`
    if (process.getuid?.() !== 0) return 'needs root, for network namespaces'
    if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun'
    return new Kernel(mixes)
  }

  #newNamespace(): void {
    this.#device?.close()
    must('unshare', this.#libc.call('unshare', CLONE_NEWNET))
    const set = (name: string, value: string): void => writeFileSync(`/proc/sys/net/${name}`, value)
    set('ipv4/tcp_congestion_control', 'reno')
    set('ipv4/tcp_no_metrics_save', '1')
    // What a queued segment costs of the send buffer is not compared (send-memory).
    set('ipv4/tcp_wmem', '4096 4194304 4194304')
    set('ipv4/conf/all/rp_filter', '0')
    // When the timer of a compressed ACK fires is chance.
    set('ipv4/tcp_comp_sack_nr', '0')
    for (const [name, value] of sysctlsOf(this.mixes)) set(name, value)
    this.#device = new Device(this.#libc, this.#arena)
  }

  /** Outcomes of each of up to EACH sequences; those during which the machine stalled are played again. */
  run(sequences: readonly Sequence[]): Played[] {
    const outcomes = this.#runOnce(sequences)
    for (let again = 0; again < AGAIN; again++) {
      const stalled = sequences.flatMap((sequence, i) => (isStalled(sequence, outcomes[i] as Played) ? [i] : []))
      if (stalled.length === 0) break
      const replayed = this.#runOnce(stalled.map((i) => sequences[i] as Sequence))
      for (const [k, i] of stalled.entries()) outcomes[i] = replayed[k] as Played
    }
    return outcomes
  }

  #runOnce(sequences: readonly Sequence[]): Played[] {
    if (this.#used + sequences.length > EACH) {
      this.#newNamespace()
      this.#used = 0
    }
    const outcomes: Played[] = []
    const most = atOnce(this.mixes)
    let active: UnderWay[] = []
    for (let next = 0; next < sequences.length || active.length > 0; ) {
      while (active.length < most && next < sequences.length)
        active.push(this.#begin(next, sequences[next++] as Sequence))
      let earliest = Infinity
      for (const one of active) {
        // Steps go on until one waits.
        while (one.wakeAt <= performance.now()) {
          const { value, done } = one.play.next()
          if (done === true) {
            outcomes[one.index] = value
            this.#device.queues.delete(one.peer)
            one.wakeAt = -1
            break
          }
          if (value > 0) one.wakeAt = performance.now() + value
        }
        if (one.wakeAt > 0) earliest = Math.min(earliest, one.wakeAt)
      }
      active = active.filter((one) => one.wakeAt >= 0)
      const isFull = active.length >= most || next >= sequences.length
      // Looked at once: a negative time would be more than an hour.
      const wait = Math.ceil((earliest - performance.now()) * 1000)
      if (isFull && wait > 0 && earliest < Infinity) this.#libc.call('usleep', wait)
    }
    return outcomes
  }

  #begin(index: number, sequence: Sequence): UnderWay {
    const ends = endsOf(this.#used++)
    const arm = new KernelArm(this.#device, new Program(this.#calls, ends), ends.remote, this.#zero)
    return { index, peer: ends.remote, play: new Play(sequence, arm, ends).run(), wakeAt: 0 }
  }

  close(): void {
    this.#device.close()
  }
}

/** What to add to CLOCK_MONOTONIC, in microseconds, so that a jiffy of it has the kernel's number; 0 if it does not say. */
function jiffiesZero(): number {
  const path = '/proc/timer_list'
  const found = Array.from({ length: existsSync(path) ? 5 : 0 }, () => {
    const text = readFileSync(path, 'utf8')
    const now = Number(/^now at (\d+) nsecs/m.exec(text)?.[1]) / 1000
    return Number(/^jiffies: (\d+)/m.exec(text)?.[1]) - Math.floor(now / JIFFY)
  })
  // The jiffies are read a moment later than the time.
  const least = Math.min(...found)
  return Number.isFinite(least) ? least * JIFFY : 0
}

/** Values of the sysctls that we have too. */
function sysctls(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const field of Object.keys(new Sysctls())) {
    for (const folder of ['core', 'ipv4']) {
      const path = `/proc/sys/net/${folder}/${field}`
      if (existsSync(path) && !field.startsWith('netdev_')) found[field] ??= readFileSync(path, 'utf8').trim()
    }
  }
  return found
}
