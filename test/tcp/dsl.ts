/**
 * One host and the other end of its wire, which is the test: it sends any segment and looks at each one that comes.
 * Sequence numbers are relative, the SYNs at 0 and the first bytes at 1, as in packetdrill; the absolute ones start just
 * below 2^32 (the host's) and 2^31 (the peer's), so that wraparound is always under test. Times are milliseconds.
 *
 *   tcp('ESTABLISHED: data in order is acknowledged (RFC 9293 §3.10.7.4)', () => {
 *     const c = established()
 *     c.send({ data: 100 })
 *     c.expect({ flags: '.', seq: 1, ack: 101 })
 *   })
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as ip4 from '../../src/addr/ip4.ts'
import type { Packet } from '../../src/buf/packet.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import { F_WIRE, type Link, type Medium } from '../../src/link/link.ts'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import * as SO from '../../src/sock/sock.ts'
import { Waiter } from '../../src/sock/wait-queue.ts'
import { Stack } from '../../src/stack/stack.ts'
import { EINPROGRESS } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { Sysctls } from '../../src/sys/sysctl.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { Request } from '../../src/tcp/request.ts'
import { Tcb } from '../../src/tcp/tcb.ts'
import { Tcp } from '../../src/tcp/tcp.ts'
import { TimeWait } from '../../src/tcp/timewait.ts'
import * as checksum from '../../src/wire/checksum.ts'
import { DissectContext, line } from '../../src/wire/dissect.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as wire from '../../src/wire/tcp.ts'
import * as options from '../../src/wire/tcp-options.ts'
import {
  finishIp,
  flagBits,
  type Incoming,
  type Outgoing,
  optionLayout,
  patternBytes,
  writeOptions,
} from './segment.ts'

export type { Incoming, Outgoing } from './segment.ts'
export { patternBytes } from './segment.ts'

export const LOCAL: number = ip4.parse('10.0.0.1') as number
export const REMOTE: number = ip4.parse('10.0.0.2') as number
export const PORT = 80
export const REMOTE_PORT = 40000
/** Host's and peer's initial sequence numbers. */
export const ISS = -1000
export const IRS: number = 0x7fffffff - 1000
/** Packets of the trace kept for a failure's text. */
const TRACE_LIMIT = 30
/** How long after a test whatever it left must have died down: retries of an orphan, TIME-WAIT. */
const QUIET_MS = 2_000_000

export const STATES: Readonly<Record<number, string>> = {
  1: 'ESTABLISHED',
  2: 'SYN-SENT',
  3: 'SYN-RECEIVED',
  4: 'FIN-WAIT-1',
  5: 'FIN-WAIT-2',
  6: 'TIME-WAIT',
  7: 'CLOSED',
  8: 'CLOSE-WAIT',
  9: 'LAST-ACK',
  10: 'LISTEN',
  11: 'CLOSING',
}

/** How the host and its peer are set up. */
export interface Setup {
  readonly sysctl?: Partial<Sysctls>
  readonly mtu?: number
  readonly iss?: number
  readonly irs?: number
  /** What the peer's SYN says. Nothing but MSS 1460 unless told otherwise. */
  readonly mss?: number
  readonly sack?: boolean
  readonly ts?: boolean
  readonly wscale?: number
  /** The peer's window field. */
  readonly window?: number
  readonly rttMs?: number
  /** The host opens actively. */
  readonly active?: boolean
  /** SO_RCVBUF, SO_SNDBUF as kept (doubled). */
  readonly rcvbuf?: number
  readonly sndbuf?: number
  readonly backlog?: number
  /** The listener stays open after the handshake. */
  readonly keepListener?: boolean
  /** Starts with the clock at this time instead of 10 s, or SOCKEYE_TEST_START_MS (any: 0, and near 2^31 and 2^32 ms). */
  readonly startMs?: number
  /** Keeps the real, unpredictable initial sequence numbers. */
  readonly realIsn?: boolean
  /** Called on the socket before it listens or connects. */
  readonly prepare?: (t: Tcb) => void
}

/** The wire's end at the host. */
class WireEnd implements Link {
  readonly medium: Medium = 'ip'
  readonly features: number = F_WIRE
  readonly mtu: number
  readonly #sent: (bytes: Uint8Array) => void
  receive: ((packet: Packet) => void) | undefined
  /** The device refuses everything: a local drop. */
  isFull = false

  constructor(mtu: number, sent: (bytes: Uint8Array) => void) {
    this.mtu = mtu
    this.#sent = sent
  }

  send(packet: Packet): boolean {
    if (!this.isFull) this.#sent(packet.toBytes())
    packet.release()
    return !this.isFull
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.receive = receive
  }

  close(): void {}
}

export class Host {
  readonly clock: VirtualClock = new VirtualClock()
  readonly pool: PacketPool = new PacketPool()
  readonly stack: Stack
  readonly tcp: Tcp
  readonly link: WireEnd
  readonly setup: Setup
  readonly #peers: Map<number, Peer> = new Map()
  readonly #trace: { time: number; out: boolean; bytes: Uint8Array }[] = []
  #scratch = new Uint8Array(70000)

  constructor(setup: Setup = {}) {
    this.setup = setup
    this.clock.runUntilSync((setup.startMs ?? Number(process.env.SOCKEYE_TEST_START_MS ?? 10000)) * 1000)
    this.stack = new Stack({
      name: 'host',
      clock: this.clock,
      random: new Random(7),
      pool: this.pool,
      sysctl: Object.assign(new Sysctls(), setup.sysctl),
    })
    this.tcp = new Tcp(this.stack)
    this.link = new WireEnd(setup.mtu ?? 1500, (bytes) => this.#fromHost(bytes))
    this.stack.addInterface('tun0', this.link, { addresses: ['10.0.0.1/24'] })
    if (setup.realIsn !== true) this.#fixSequenceNumbers(setup.iss ?? ISS)
    hosts.push(this)
  }

  /** The secret's part of an ISN becomes what gives `iss`; timestamps start at the clock. */
  #fixSequenceNumbers(iss: number): void {
    const hash = this.tcp.hash
    const original = hash.hash4.bind(hash)
    hash.hash4 = (a: number, b: number, c: number, d: number): number => {
      if (d === 0x5453) return 0
      if (d !== 0x49534e) return original(a, b, c, d)
      return (iss - (Math.floor((this.clock.now() % 274877906.944) * 15.625) | 0)) | 0
    }
  }

  /** The peer's end of the connection between these ports. */
  peer(remotePort: number = REMOTE_PORT, localPort: number = PORT): Peer {
    const key = (localPort << 16) | remotePort
    let found = this.#peers.get(key)
    if (found === undefined) this.#peers.set(key, (found = new Peer(this, localPort, remotePort)))
    return found
  }

  socket(): Tcb {
    const t = this.tcp.createSocket()
    const { rcvbuf, sndbuf, prepare } = this.setup
    if (rcvbuf !== undefined) {
      t.rcvbuf = rcvbuf
      t.setFlag(SO.SF_RCVBUF_LOCK, true)
    }
    if (sndbuf !== undefined) {
      t.sndbuf = sndbuf
      t.setFlag(SO.SF_SNDBUF_LOCK, true)
    }
    prepare?.(t)
    return t
  }

  listen(backlog: number = this.setup.backlog ?? 10, port: number = PORT): Tcb {
    const t = this.socket()
    t.setFlag(SO.SF_REUSEADDR, true)
    assert.equal(t.bind(new SockAddr(AF_INET, 0, port)), 0)
    assert.equal(t.listen(backlog), 0)
    return t
  }

  /** Lets `ms` milliseconds pass. */
  advance(ms: number): void {
    this.clock.runUntilSync(this.clock.now() + ms * 1000)
  }

  get nowMs(): number {
    return this.clock.now() / 1000
  }

  /** An IP packet arrives at the host. */
  inject(bytes: Uint8Array): void {
    this.#note(false, bytes.slice())
    this.link.receive?.(this.pool.fromBytes(bytes))
    this.clock.settle()
  }

  /** Builds and sends one TCP segment with absolute sequence numbers. */
  injectSegment(
    localPort: number,
    remotePort: number,
    s: Outgoing,
    seq: number,
    ack: number,
    edge: (n: number) => number,
  ): void {
    const b = this.#scratch
    const at = ipv4.HDR_LEN
    const payload = typeof s.data === 'object' ? s.data : new Uint8Array(0)
    const end = writeOptions(b, at + wire.HDR_LEN, s, edge)
    wire.emit(b, at, remotePort, localPort, seq, ack, end - at, flagBits(s.flags ?? '.'), s.window ?? 65535)
    if (s.urgent !== undefined) wire.setUrgent(b, at, s.urgent)
    b.set(payload, end)
    this.inject(finishIp(b, end + payload.length, REMOTE, LOCAL, ipv4.PROTO_TCP, s.tos ?? 0))
  }

  /** An ICMP error about a segment of the host's: `seq` is absolute. */
  injectIcmp(
    localPort: number,
    remotePort: number,
    seq: number,
    type: number,
    code: number,
    word = 0,
    quotedLength = 1500,
  ): void {
    const b = new Uint8Array(ipv4.HDR_LEN + icmp.HDR_LEN + ipv4.HDR_LEN + 8)
    const q = ipv4.HDR_LEN + icmp.HDR_LEN
    icmp.emit(b, ipv4.HDR_LEN, type, code, word)
    ipv4.emit(b, q, ipv4.HDR_LEN, 0, quotedLength, 1, ipv4.DF, 64, ipv4.PROTO_TCP, LOCAL, REMOTE)
    const t = q + ipv4.HDR_LEN
    b[t] = localPort >>> 8
    b[t + 1] = localPort & 0xff
    b[t + 2] = remotePort >>> 8
    b[t + 3] = remotePort & 0xff
    new DataView(b.buffer).setInt32(t + 4, seq)
    this.inject(finishIp(b, b.length, REMOTE, LOCAL, ipv4.PROTO_ICMP, 0))
  }

  #fromHost(bytes: Uint8Array): void {
    this.#note(true, bytes)
    if (ipv4.protocol(bytes, 0) !== ipv4.PROTO_TCP) return
    const at = ipv4.headerLength(bytes, 0)
    const pseudo = checksum.pseudo4(ipv4.src(bytes, 0), ipv4.dst(bytes, 0), ipv4.PROTO_TCP, bytes.length - at)
    assert.ok(ipv4.checksumOk(bytes, 0), 'the IP checksum is right')
    assert.ok(wire.checksumOk(bytes, at, bytes.length, pseudo), 'the TCP checksum is right')
    assert.ok(bytes.length <= this.link.mtu, 'the packet fits the MTU')
    this.peer(wire.dstPort(bytes, at), wire.srcPort(bytes, at)).arrived(bytes, at)
  }

  #note(out: boolean, bytes: Uint8Array): void {
    this.#trace.push({ time: this.clock.now(), out, bytes })
    if (this.#trace.length > 2 * TRACE_LIMIT) this.#trace.splice(0, TRACE_LIMIT)
  }

  /** The last packets both ways, as tcpdump prints them. */
  get trace(): string {
    const context = new DissectContext()
    return this.#trace
      .slice(-TRACE_LIMIT)
      .map(
        ({ time, out, bytes }) =>
          `${(time / 1000).toFixed(3).padStart(12)} ${out ? '>' : '<'} ${line(bytes, { medium: 'ip', context })}`,
      )
      .join('\n')
  }

  /** Closes what the test left open, waits for what dies by itself, and demands that nothing remains. */
  finish(): void {
    for (const t of [...this.tcp.sockets]) if (!t.isDead && t.state === SO.TCP_LISTEN) t.close()
    for (const t of [...this.tcp.sockets]) if (!t.isDead) t.close()
    this.advance(QUIET_MS)
    const left = [...this.tcp.sockets].map((t) => `${STATES[t.state]} timer ${t.pendingTimer}`)
    assert.deepEqual(left, [], 'no socket is left')
    assert.deepEqual(
      {
        table: this.tcp.table.size,
        ports: this.tcp.ports.size,
        segments: this.tcp.segments.outstanding,
        packets: this.pool.outstanding,
        timeWaits: this.tcp.timeWaits,
        timers: this.clock.timerCount,
        established: this.stack.counters.TcpCurrEstab,
        memory: this.tcp.memory.pages,
        orphans: this.tcp.memory.orphans,
      },
      { table: 0, ports: 0, segments: 0, packets: 0, timeWaits: 0, timers: 0, established: 0, memory: 0, orphans: 0 },
      'everything was given back',
    )
  }
}

/** What `expect` looks at; what is not named does not matter. PSH matters only as `push`. */
export type Expected = { readonly [K in keyof Incoming]?: Incoming[K] }

/** Counts wake-ups of a socket and gathers their masks. */
class Ear extends Waiter {
  mask = 0
  override wake(mask: number): void {
    this.mask |= mask
  }
}

export class Peer {
  readonly host: Host
  readonly localPort: number
  readonly remotePort: number
  /** The host's socket, once there is one. */
  socket: Tcb | null = null
  iss: number
  irs: number
  /** Everything sent so far in order, and everything the host has sent: where the defaults come from. Relative. */
  next = 0
  hostEnd = 0
  /** Window field of what is sent by default. */
  window: number
  ts: boolean
  /** Last TSval seen from the host. */
  tsSeen = 0
  readonly #queue: Incoming[] = []
  #written = 0
  #read = 0
  readonly #ear = new Ear()

  constructor(host: Host, localPort: number, remotePort: number) {
    this.host = host
    this.localPort = localPort
    this.remotePort = remotePort
    this.iss = host.setup.iss ?? ISS
    this.irs = host.setup.irs ?? IRS
    this.window = host.setup.window ?? 65535
    this.ts = false
  }

  get t(): Tcb {
    assert.ok(this.socket !== null, 'the host has a socket for it')
    return this.socket
  }

  /** State of the connection as the host's table has it. */
  get state(): string {
    const c = this.host.tcp.table.get(LOCAL, REMOTE, (this.localPort << 16) | this.remotePort)
    if (c instanceof Request) return 'SYN-RECEIVED'
    if (c instanceof TimeWait) return STATES[c.substate] as string
    if (c instanceof Tcb) return STATES[c.state] as string
    return 'CLOSED'
  }

  /** TSval of the peer now: a millisecond clock that starts elsewhere. */
  get tsNow(): number {
    return 0x7fffff00 + Math.floor(this.host.nowMs)
  }

  /** The same peer starts over with another ISN (a new incarnation). */
  restart(irs: number): void {
    this.irs = irs
    this.next = this.hostEnd = this.#written = this.#read = 0
    this.#queue.length = 0
  }

  /** Sends a segment: an ACK of everything at the next sequence number unless told otherwise. */
  send(s: Outgoing = {}): void {
    const seq = s.seq ?? this.next
    const data = typeof s.data === 'number' ? patternBytes(seq, s.data) : (s.data ?? new Uint8Array(0))
    const bits = flagBits(s.flags ?? '.')
    const consumed = data.length + ((bits & (wire.SYN | wire.FIN)) !== 0 ? 1 : 0)
    if (seq === this.next && (bits & wire.RST) === 0) this.next += consumed
    const ts = s.ts !== undefined ? s.ts : this.ts && s.raw === undefined ? ([this.tsNow, this.tsSeen] as const) : null
    const ack = (bits & wire.ACK) !== 0 || s.ack !== undefined ? (this.iss + (s.ack ?? this.hostEnd)) | 0 : 0
    const full = { ...s, data, ts, window: s.window ?? this.window }
    this.host.injectSegment(this.localPort, this.remotePort, full, (this.irs + seq) | 0, ack, (n) => (this.iss + n) | 0)
  }

  /** A SYN with what the setup says of options. */
  sendSyn(more: Outgoing = {}): void {
    const { mss, sack, ts, wscale } = this.host.setup
    this.send({
      flags: 'S',
      seq: 0,
      mss: mss ?? 1460,
      ...(sack === true ? { sackOk: true } : {}),
      ...(wscale === undefined ? {} : { wscale }),
      ...(ts === true ? { ts: [this.tsNow, this.tsSeen] } : {}),
      ...more,
    })
  }

  /** "Fragmentation needed" and the like, about the host's byte `seq`. */
  sendIcmp(seq: number, type: number, code: number, word = 0, quotedLength = 1500): void {
    this.host.injectIcmp(this.localPort, this.remotePort, (this.iss + seq) | 0, type, code, word, quotedLength)
  }

  arrived(b: Uint8Array, at: number): void {
    const bits = wire.flags(b, at)
    if ((bits & wire.SYN) !== 0) this.iss = wire.seq(b, at)
    const header = wire.headerLength(b, at)
    const parsed = new options.ParsedOptions()
    options.parse(b, at + wire.HDR_LEN, at + header, parsed)
    const payload = b.slice(at + header)
    const seq = (wire.seq(b, at) - this.iss) | 0
    const sack: [number, number][] = []
    for (let i = 0; i < parsed.sackCount; i++) {
      sack.push([(options.sackLeft(b, parsed, i) - this.irs) | 0, (options.sackRight(b, parsed, i) - this.irs) | 0])
    }
    if (parsed.hasTs) this.tsSeen = parsed.tsVal
    const end = seq + payload.length + ((bits & (wire.SYN | wire.FIN)) !== 0 ? 1 : 0)
    if (end > this.hostEnd && (bits & wire.RST) === 0) this.hostEnd = end
    this.#queue.push({
      time: this.host.nowMs,
      flags: wire.formatFlags(bits & ~wire.PSH),
      push: (bits & wire.PSH) !== 0,
      seq,
      ack: (bits & wire.ACK) !== 0 ? (wire.ack(b, at) - this.irs) | 0 : wire.ack(b, at),
      window: wire.window(b, at),
      data: payload.length,
      payload,
      mss: parsed.mss,
      wscale: parsed.wscale,
      sackOk: parsed.sackPermitted,
      ts: parsed.hasTs ? [parsed.tsVal, parsed.tsEcr] : null,
      sack,
      layout: optionLayout(b, at + wire.HDR_LEN, at + header),
      urgent: wire.urgent(b, at),
      tos: ipv4.tos(b, 0),
      ttl: ipv4.ttl(b, 0),
      df: ipv4.dontFragment(b, 0),
      localPort: this.localPort,
      remotePort: this.remotePort,
    })
  }

  /** The next segment the host sent, or undefined. */
  take(): Incoming | undefined {
    this.host.clock.settle()
    return this.#queue.shift()
  }

  /** All segments not looked at yet. */
  drain(): Incoming[] {
    this.host.clock.settle()
    return this.#queue.splice(0)
  }

  /** The next segment is this one; its payload is checked against the pattern when `data` is named. */
  expect(expected: Expected): Incoming {
    const found = this.take()
    assert.ok(found !== undefined, `expected ${JSON.stringify(expected)}, nothing was sent`)
    const seen: Record<string, unknown> = {}
    for (const key of Object.keys(expected) as (keyof Incoming)[]) seen[key] = found[key]
    assert.deepEqual(seen, expected, `sent: ${describe(found)}`)
    if (expected.data !== undefined && expected.payload === undefined) {
      assert.deepEqual(
        Buffer.from(found.payload),
        Buffer.from(patternBytes(found.seq, found.data)),
        'the payload is what was written',
      )
    }
    return found
  }

  /** Nothing was sent that was not looked at. */
  expectNothing(): void {
    const found = this.take()
    assert.equal(found === undefined ? undefined : describe(found), undefined, 'nothing is sent')
  }

  advance(ms: number): void {
    this.host.advance(ms)
  }

  /** Nothing is sent for `ms` milliseconds but exactly then, the segment. */
  expectAfter(ms: number, expected: Expected): Incoming {
    this.expectNothing()
    this.advance(ms - 1)
    this.expectNothing()
    this.advance(1)
    return this.expect(expected)
  }

  /** send(2) of the next `n` bytes of the pattern. */
  write(n: number, flags: number = 0): number {
    const taken = this.t.send(patternBytes(1 + this.#written, n), 0, n, flags, null)
    if (taken > 0) this.#written += taken
    this.host.clock.settle()
    return taken
  }

  /** recv(2) of up to `n` bytes, which must go on with the pattern. */
  read(n: number = 1 << 20, flags: number = 0): number {
    const bytes = new Uint8Array(n)
    const got = this.t.receive(bytes, 0, n, flags, null)
    if (got > 0) {
      assert.deepEqual(
        Buffer.from(bytes.subarray(0, got)),
        Buffer.from(patternBytes(1 + this.#read, got)),
        'the stream goes on',
      )
      if ((flags & 2) === 0) this.#read += got
    }
    this.host.clock.settle()
    return got
  }

  /** What is read next lies `n` bytes further on in the pattern (an urgent byte was left out). */
  skip(n: number): void {
    this.#read += n
  }

  close(): void {
    this.t.close()
    this.host.clock.settle()
  }

  shutdown(how: number): number {
    const result = this.t.shutdown(how)
    this.host.clock.settle()
    return result
  }

  set(name: number, value: number): void {
    assert.equal(this.t.setOption(6, name, value), 0)
    this.host.clock.settle()
  }

  /** Takes SO_ERROR. */
  error(): number {
    return this.t.takeError()
  }

  /** Wake-ups since the last look, as a mask. */
  woken(): number {
    if (this.#ear.queue === null) this.t.wait.add(this.#ear)
    const mask = this.#ear.mask
    this.#ear.mask = 0
    return mask
  }

  /** accept(2) on the listener. */
  acceptFrom(listener: Tcb): Tcb {
    const child = listener.accept()
    assert.ok(child instanceof Tcb, `accept gave ${String(child)}`)
    this.socket = child
    return child
  }

  counter(name: keyof Stack['counters']): number {
    return this.host.stack.counters[name] as number
  }
}

function describe(s: Incoming): string {
  const extra = [s.layout === '' ? '' : `<${s.layout}>`, s.sack.map(([l, r]) => `{${l}:${r}}`).join('')]
    .filter((x) => x !== '')
    .join(' ')
  return `${s.flags}${s.push ? 'P' : ''} seq ${s.seq} ack ${s.ack} win ${s.window} length ${s.data} ${extra} at ${s.time} ms`
}

const hosts: Host[] = []

/** A test of hosts: a failure shows their packets; at the end nothing of them may be left. */
export function tcp(name: string, body: () => void): void {
  test(name, () => {
    hosts.length = 0
    try {
      body()
      for (const host of hosts) host.finish()
    } catch (error) {
      if (error instanceof Error) {
        const trace = `\n${hosts.at(-1)?.trace ?? ''}`
        error.message += trace
        error.stack = `${error.name}: ${error.message}\n${(error.stack ?? '')
          .split('\n')
          .filter((l) => l.startsWith('    at'))
          .join('\n')}`
      }
      throw error
    }
  })
}

/** LISTEN: the peer has sent nothing yet. `socket` is the listener. */
export function listening(setup: Setup = {}): Peer {
  const host = new Host(setup)
  const c = host.peer()
  c.socket = host.listen()
  return c
}

/** SYN-RECEIVED after a passive open: the SYN-ACK was seen. `socket` is the listener. */
export function synReceived(setup: Setup = {}): Peer {
  const c = listening(setup)
  c.sendSyn()
  c.expect({ flags: 'S.', seq: 0, ack: 1 })
  c.ts = setup.ts === true
  return c
}

/** SYN-SENT: the SYN was seen. */
export function synSent(setup: Setup = {}): Peer {
  const host = new Host(setup)
  const t = host.socket()
  assert.equal(t.bind(new SockAddr(AF_INET, 0, PORT)), 0)
  const c = host.peer()
  c.socket = t
  assert.equal(t.connect(new SockAddr(AF_INET, REMOTE, REMOTE_PORT)), -EINPROGRESS)
  host.clock.settle()
  c.expect({ flags: ['S', 'SEW', 'S', 'SEWe', 'SEW', 'S'][host.stack.sysctl.tcp_ecn] as string, seq: 0, ack: 0 })
  return c
}

/** ESTABLISHED, by a passive open unless `active`; the round trip took `rttMs` (100). Nothing is left to look at. */
export function established(setup: Setup = {}): Peer {
  const rtt = setup.rttMs ?? 100
  if (setup.active === true) {
    const c = synSent(setup)
    c.advance(rtt)
    c.ts = setup.ts === true
    c.sendSyn({ flags: 'S.', seq: 0, ack: 1 })
    c.expect({ flags: '.', seq: 1, ack: 1 })
    return c
  }
  const c = synReceived(setup)
  const listener = c.t
  c.advance(rtt)
  c.send({ seq: 1, ack: 1 })
  c.next = 1
  c.acceptFrom(listener)
  if (setup.keepListener !== true) listener.close()
  c.expectNothing()
  return c
}

/** FIN-WAIT-1: shutdown(SHUT_WR), or close() with `orphan`; the FIN was seen. */
export function finWait1(setup: Setup = {}, orphan = false): Peer {
  const c = established(setup)
  if (orphan) c.close()
  else c.shutdown(1)
  c.expect({ flags: 'F.', seq: 1, ack: 1 })
  assert.equal(c.state, 'FIN-WAIT-1')
  return c
}

export function finWait2(setup: Setup = {}, orphan = false): Peer {
  const c = finWait1(setup, orphan)
  c.send({ ack: 2 })
  assert.equal(c.state, 'FIN-WAIT-2')
  return c
}

export function closing(setup: Setup = {}, orphan = false): Peer {
  const c = finWait1(setup, orphan)
  c.send({ flags: 'F.', ack: 1 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'CLOSING')
  return c
}

export function timeWait(setup: Setup = {}): Peer {
  const c = finWait2(setup, true)
  c.send({ flags: 'F.', ack: 2 })
  c.expect({ flags: '.', seq: 2, ack: 2 })
  assert.equal(c.state, 'TIME-WAIT')
  return c
}

export function closeWait(setup: Setup = {}): Peer {
  const c = established(setup)
  c.send({ flags: 'F.', ack: 1 })
  c.advance(40)
  c.expect({ flags: '.', seq: 1, ack: 2 })
  assert.equal(c.state, 'CLOSE-WAIT')
  return c
}

export function lastAck(setup: Setup = {}): Peer {
  const c = closeWait(setup)
  c.close()
  c.expect({ flags: 'F.', seq: 1, ack: 2 })
  assert.equal(c.state, 'LAST-ACK')
  return c
}
