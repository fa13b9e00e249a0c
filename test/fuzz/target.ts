/** The host under fuzz: sockets in every state, a peer that is only frames, and counters of the work each frame makes. */

import type { Packet } from '../../src/buf/packet.ts'
import { CSUM_VERIFIED } from '../../src/buf/packet.ts'
import { Host } from '../../src/host/host.ts'
import { F_ALL, F_WIRE, type Link, type Medium } from '../../src/link/link.ts'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { type Sock, TCP_CLOSE } from '../../src/sock/sock.ts'
import type { Task, Timer } from '../../src/sys/clock.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { Request } from '../../src/tcp/request.ts'
import { Tcb } from '../../src/tcp/tcb.ts'
import type { Connection } from '../../src/tcp/tcp.ts'
import { ethernet, ipv4, tcp, tcpOptions } from '../../src/wire/index.ts'
import { type Aim, FrameMaker, MAX_FRAME, PEER, PEER_MAC, TARGET, TARGET_MAC } from './frames.ts'

/** Counts what is queued and started. */
export class CountingClock extends VirtualClock {
  tasks = 0
  timers = 0
  override defer(task: Task): void {
    if (!task.queued) this.tasks++
    super.defer(task)
  }
  override start(timer: Timer, at: number): void {
    this.timers++
    super.start(timer, at)
  }
}

/** The wire's end at the target: what it sends is counted and gone. */
class FuzzLink implements Link {
  readonly medium: Medium = 'ethernet'
  readonly mtu: number = 1500
  readonly mac: Uint8Array = TARGET_MAC
  readonly features: number
  frames = 0
  bytes = 0
  receive: ((packet: Packet) => void) | undefined
  constructor(features: number) {
    this.features = features
  }
  send(packet: Packet): boolean {
    this.frames += Math.max(1, packet.gsoSegments)
    this.bytes += packet.length
    packet.release()
    return true
  }
  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.receive = receive
  }
  close(): void {}
}

/** The most that one input frame may cause, in counts: tasks queued, timers started, frames and bytes sent. */
export class Worst {
  tasks = 0
  timers = 0
  frames = 0
  bytes = 0
  /** High-water marks of what is held: packets, connections, timer entries, neighbours, reassembly memory. */
  packets = 0
  connections = 0
  timerEntries = 0
  neighbors = 0
  reassembly = 0

  take(other: Worst): void {
    for (const key of Object.keys(this) as (keyof Worst & keyof Record<string, number>)[]) {
      const k = key as 'tasks'
      this[k] = Math.max(this[k], other[k])
    }
  }
}

/** Bounds on all that: Linux's limits, or a generous multiple of what was seen in 10 million frames. */
export const LIMITS: Readonly<Omit<Worst, 'take'>> = {
  tasks: 8,
  timers: 16,
  // A window of segments of 48 bytes, when one ACK opens it twice as wide.
  frames: 1024,
  bytes: 192 * 1024,
  packets: 8192,
  connections: 1024,
  timerEntries: 4096,
  neighbors: 1024,
  reassembly: 4194304 + 65536,
}

const RING = 512
/** Sockets that stay: listeners, UDP, and connects without an answer. */
const OPENED = 6

export class Target {
  readonly clock: CountingClock = new CountingClock()
  readonly host: Host
  readonly worst: Worst = new Worst()
  readonly maker: FrameMaker
  /** Frames given so far, and the last of them, for a report. */
  frames = 0
  readonly #random: Random
  readonly #link: FuzzLink
  readonly #socks: Sock[] = []
  readonly #last: Uint8Array[] = []
  #aims: Aim[] = []
  readonly #buffer = new Uint8Array(65536)
  #port = 41000

  constructor(seed: number) {
    const r = new Random(seed, 0x66757a7a)
    this.#random = r
    this.maker = new FrameMaker(r.fork())
    this.#link = new FuzzLink(r.chance(0.5) ? F_WIRE : F_ALL)
    this.host = new Host({ name: 'target', clock: this.clock, random: r.fork() })
    const { sysctl } = this.host
    if (r.chance(0.2)) sysctl.tcp_sack = 0
    if (r.chance(0.2)) sysctl.tcp_timestamps = 0
    if (r.chance(0.4)) sysctl.tcp_ecn = r.below(6)
    if (r.chance(0.2)) sysctl.ip_forward = 1
    if (r.chance(0.5)) sysctl.tcp_congestion_control = r.chance(0.5) ? 'bbr' : 'reno'
    if (r.chance(0.2)) sysctl.tcp_syncookies = 2 * r.below(2)
    if (r.chance(0.2)) sysctl.tcp_mtu_probing = 2
    if (r.chance(0.2)) sysctl.tcp_fastopen = 0x603
    if (r.chance(0.2)) sysctl.tcp_rmem = [4096, 4096 << r.below(5), 6291456]
    if (r.chance(0.1)) sysctl.tcp_shrink_window = 1
    if (r.chance(0.1)) sysctl.tcp_abort_on_overflow = 1
    const eth0 = this.host.addInterface('eth0', this.#link, { addresses: ['10.0.0.2/24'] })
    this.host.stack.arp.addPermanent(eth0, PEER, PEER_MAC)
    this.#openSockets()
  }

  /** Runs `count` fuzzed frames, or `segments` only; throws with the last frames if something is not as it must be. */
  run(count: number, segments = false): void {
    const r = this.#random
    try {
      for (let i = 0; i < count; i++) {
        if ((i & 15) === 0) this.#aims = this.#findAims()
        this.maker.make(this.#aims, segments)
        this.give(this.maker.bytes, this.maker.length)
        if (r.chance(0.03)) this.#programsRun()
        if (r.chance(0.02)) this.#pass(r.below(300_000))
        if (r.chance(0.001)) this.#pass(r.below(90_000_000))
      }
    } catch (error) {
      const frames = this.#last.slice(-3).map((b) => Buffer.from(b).toString('hex'))
      throw new Error(`frame ${this.frames}: ${(error as Error).stack}\nlast frames:\n${frames.join('\n')}`)
    }
  }

  #pass(micros: number): void {
    this.clock.runUntilSync(this.clock.now() + micros)
  }

  /** Hands one frame to the target and checks what came of it. */
  give(frame: Uint8Array, length: number): void {
    const { clock } = this
    const link = this.#link
    this.#last[this.frames++ % RING] = frame.slice(0, length)
    if (this.#last.length === RING && this.frames % RING === 0) this.#last.length = 0
    const tasks = clock.tasks
    const timers = clock.timers
    const frames = link.frames
    const bytes = link.bytes
    const packet = this.host.stack.pool.alloc(MAX_FRAME + 200)
    packet.bytes.set(length === frame.length ? frame : frame.subarray(0, length), 160)
    packet.start = 160
    packet.end = 160 + length
    if (link.features === F_ALL && this.#random.chance(0.5)) packet.csum = CSUM_VERIFIED
    if (link.receive === undefined) packet.release()
    else link.receive(packet)
    clock.settle()
    const w = this.worst
    w.tasks = Math.max(w.tasks, clock.tasks - tasks)
    w.timers = Math.max(w.timers, clock.timers - timers)
    w.frames = Math.max(w.frames, link.frames - frames)
    w.bytes = Math.max(w.bytes, link.bytes - bytes)
    const { stack, tcp } = this.host
    w.packets = Math.max(w.packets, stack.pool.outstanding)
    w.connections = Math.max(w.connections, tcp.table.size)
    w.timerEntries = Math.max(w.timerEntries, clock.timerCount)
    w.neighbors = Math.max(w.neighbors, stack.arp.entries)
    w.reassembly = Math.max(w.reassembly, stack.ipv4.reassembler.memory)
    this.#check(w)
  }

  #check(w: Worst): void {
    for (const key of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
      if (w[key] > LIMITS[key]) throw new Error(`${key}: ${w[key]} is over the limit of ${LIMITS[key]}`)
    }
  }

  #findAims(): Aim[] {
    const aims: Aim[] = []
    for (const c of this.host.tcp.table.values()) {
      aims.push(aimAt(c))
      if (aims.length >= 64) break
    }
    aims.push({
      local: TARGET,
      localPort: 9,
      remote: PEER,
      remotePort: 50000,
      seq: 1,
      una: 0,
      nxt: 0,
      tsVal: 1,
      tsEcr: 0,
    })
    return aims
  }

  /** Programs read, accept and close now and then. */
  #programsRun(): void {
    const r = this.#random
    for (const sock of [...this.#socks]) {
      if (r.chance(0.5)) continue
      const accepted = sock.accept()
      if (typeof accepted !== 'number') this.#socks.push(accepted)
      sock.receive(this.#buffer, 0, 1 + r.below(this.#buffer.length - 1), 0, null)
      if (r.chance(0.3)) sock.send(this.#buffer, 0, r.below(3000), 0, null)
      sock.poll()
    }
    for (let i = this.#socks.length - 1; i >= OPENED; i--)
      if (this.#socks[i]?.state === TCP_CLOSE) this.#socks.splice(i, 1)[0]?.close()
    while (this.#socks.length > 40) this.#socks.splice(OPENED + r.below(this.#socks.length - OPENED), 1)[0]?.close()
    if (this.#socks.length < 24) this.#openConnections(4)
    this.clock.settle()
  }

  #openSockets(): void {
    const { udp, tcp } = this.host
    for (const port of [9, 80]) {
      const listener = tcp.createSocket()
      listener.bind(new SockAddr(AF_INET, 0, port))
      listener.listen(port === 9 ? 64 : 1)
      this.#socks.push(listener)
    }
    const bound = udp.createSocket()
    bound.bind(new SockAddr(AF_INET, 0, 9))
    const connected = udp.createSocket()
    connected.bind(new SockAddr(AF_INET, 0, 53))
    connected.connect(new SockAddr(AF_INET, PEER, 40000))
    const opening = tcp.createSocket()
    opening.connect(new SockAddr(AF_INET, PEER, 7))
    const lonely = tcp.createSocket()
    lonely.connect(new SockAddr(AF_INET, 0x0a000009, 7))
    this.#socks.push(bound, connected, opening, lonely)
    this.clock.settle()
    this.#openConnections(22)
  }

  /** Connections brought into the states of RFC 9293, one after the other. */
  #openConnections(count: number): void {
    for (let i = 0; i < count; i++) {
      const port = this.#port++
      if (this.#port > 60000) this.#port = 41000
      const c = this.#handshake(port, i % 11 === 10)
      if (c !== null) this.#bringTo(c, i % 11)
    }
  }

  #handshake(port: number, half: boolean): Tcb | null {
    const r = this.#random
    const seq = r.chance(0.3) ? 0x7ffffff0 : r.int32()
    this.#segment(port, seq, 0, tcp.SYN, true, 0)
    const { table } = this.host.tcp
    const request = table.get(TARGET, PEER, (9 << 16) | port)
    if (!(request instanceof Request) || half) return null
    this.#segment(port, (seq + 1) | 0, (request.iss + 1) | 0, tcp.ACK, false, 0)
    const listener = this.#socks[0] as Sock
    const sock = listener.accept()
    if (typeof sock === 'number') return null
    this.#socks.push(sock)
    return sock as Tcb
  }

  /** `what` numbers the states: established in four kinds, then the closing ones. */
  #bringTo(c: Tcb, what: number): void {
    const ack = (): number => c.snd.nxt
    switch (what) {
      case 1:
        c.send(this.#buffer, 0, 20_000, 0, null)
        break
      case 2:
        this.#segment(c.remotePort, (c.rcv.nxt + 1000) | 0, ack(), tcp.ACK, false, 500)
        break
      case 3:
        this.#segment(c.remotePort, c.rcv.nxt, ack(), tcp.ACK, false, 0, 0)
        c.send(this.#buffer, 0, 5000, 0, null)
        break
      case 4:
      case 5:
      case 7:
      case 9:
        c.shutdown(1)
        this.clock.settle()
        if (what === 4) break
        // FIN-WAIT-2, then TIME-WAIT; or CLOSING without the ACK.
        this.#segment(
          c.remotePort,
          c.rcv.nxt,
          what === 9 ? c.snd.una : ack(),
          what === 5 ? tcp.ACK : tcp.ACK | tcp.FIN,
          false,
          0,
        )
        break
      case 6:
      case 8:
        this.#segment(c.remotePort, c.rcv.nxt, ack(), tcp.ACK | tcp.FIN, false, 0)
        if (what === 8) c.shutdown(1)
        break
      default:
    }
    this.clock.settle()
  }

  /** A well-made segment of the peer. */
  #segment(
    port: number,
    seq: number,
    ack: number,
    flags: number,
    options: boolean,
    length: number,
    window = 60_000,
  ): void {
    const b = new Uint8Array(ethernet.HDR_LEN + ipv4.HDR_LEN + tcp.HDR_LEN + 20 + length)
    const o = ethernet.HDR_LEN + ipv4.HDR_LEN
    let end = o + tcp.HDR_LEN
    if (options) {
      const to = tcpOptions.emitTimestamp(
        b,
        tcpOptions.emitSackPermitted(b, tcpOptions.emitWscale(b, tcpOptions.emitMss(b, end, 1460), 7)),
        1,
        0,
      )
      end = tcpOptions.pad(b, end, to)
    }
    tcp.emit(b, o, port, 9, seq, ack, end - o, flags, window)
    end += length
    ethernet.emit(b, 0, TARGET_MAC, PEER_MAC, ethernet.TYPE_IPV4)
    ipv4.emit(b, ethernet.HDR_LEN, ipv4.HDR_LEN, 0, end - ethernet.HDR_LEN, 1, 0x4000, 64, ipv4.PROTO_TCP, PEER, TARGET)
    tcp.fillChecksum(b, o, end, ipv4.pseudo(b, ethernet.HDR_LEN))
    this.give(b, end)
  }

  /** Closes everything and lets an hour pass: nothing may be left. What is, in words. */
  finish(): string[] {
    for (const sock of this.#socks) sock.close()
    this.#pass(7200e6)
    const { stack, tcp, udp } = this.host
    const left: Record<string, number> = {
      packets: stack.pool.outstanding,
      segments: tcp.segments.outstanding,
      connections: tcp.table.size,
      sockets: tcp.sockets.size,
      ports: tcp.ports.size + udp.ports.size,
      'UDP sockets': udp.sockets.size,
      'reassembly queues': stack.ipv4.reassembler.queues,
      timers: this.clock.timerCount,
    }
    return Object.entries(left)
      .filter(([, n]) => n !== 0)
      .map(([what, n]) => `${n} ${what} left over`)
  }
}

/** What the peer of a connection would know about it. */
function aimAt(c: Connection): Aim {
  if (c instanceof Tcb) {
    const { localAddress: local, localPort, remoteAddress: remote, remotePort } = c
    const tsVal = (c.tsRecent + 1) | 0
    const tsEcr = (c.tcp.nowMs() + c.tsOffset) | 0
    return { local, localPort, remote, remotePort, seq: c.rcv.nxt, una: c.snd.una, nxt: c.snd.nxt, tsVal, tsEcr }
  }
  if (c instanceof Request) {
    const { local, localPort, remote, remotePort, irs, iss } = c
    const tsEcr = (Math.floor(c.sentAt / 1000) + c.tsOffset) | 0
    return {
      local,
      localPort,
      remote,
      remotePort,
      seq: (irs + 1) | 0,
      una: iss,
      nxt: (iss + 1) | 0,
      tsVal: (c.tsRecent + 1) | 0,
      tsEcr,
    }
  }
  const { localAddress: local, localPort, remoteAddress: remote, remotePort } = c
  return {
    local,
    localPort,
    remote,
    remotePort,
    seq: c.rcvNxt,
    una: c.sndNxt,
    nxt: c.sndNxt,
    tsVal: (c.tsRecent + 1) | 0,
    tsEcr: 1,
  }
}
