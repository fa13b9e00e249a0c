/**
 * TCP as a protocol of one host: the table of connections, the listeners, who gets which segment, resets for nobody
 * (RFC 9293 §3.10.7.1), ICMP errors (RFC 1122 §4.2.3.9, RFC 5927). Linux tcp_ipv4.c.
 */

import { sumPacket } from '../buf/checksum.ts'
import { CSUM_NONE, PACKET_HOST, type Packet } from '../buf/packet.ts'
import { IPPROTO_TCP, type Transport } from '../ip/transport.ts'
import { AF_INET } from '../sock/address.ts'
import { filterFrom } from '../sock/bpf.ts'
import { PortTable, tcpConflict } from '../sock/ports.ts'
import { SF_KEEPALIVE, TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT } from '../sock/sock.ts'
import type { Interface } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import type { Counters } from '../sys/counters.ts'
import { HalfSipHash } from '../sys/siphash.ts'
import * as checksum from '../wire/checksum.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as wire from '../wire/tcp.ts'
import * as tcpOptions from '../wire/tcp-options.ts'
import { Cleaned } from './ack.ts'
import { CONTROLLERS, findController } from './congestion.ts'
import { ConnectionTable } from './connection-table.ts'
import { FastOpenPause } from './fastopen-pause.ts'
import { icmpArrives, ownsQuoted } from './icmp.ts'
import { segmentArrives } from './input.ts'
import { cookieArrives, requestInput, synArrives } from './listen.ts'
import { type Md5Key, Signer } from './md5.ts'
import { settleMemory, TcpMemory } from './memory.ts'
import { TcpMetrics } from './metrics.ts'
import { RateSample } from './rate.ts'
import { Request } from './request.ts'
import { sampleRtt, setRto, updateMinRtt } from './rtt.ts'
import { SackState } from './sack.ts'
import { Segment } from './segment.ts'
import { add } from './seq.ts'
import { TcpOptions } from './sockopt.ts'
import { Tcb, Tuning } from './tcb.ts'
import { timerFired } from './timeouts.ts'
import { keepIdle, startKeep, stopKeep } from './timer.ts'
import { TimeWait, TimeWaitList, TW_SYN, timeWaitAck, timeWaitInput } from './timewait.ts'
import { sendDetached } from './transmit.ts'
import { TxSegmentPool } from './tx-segment.ts'
import { TcpUser } from './user.ts'

/** What the table of connections holds. */
export type Connection = Tcb | Request | TimeWait

/** All sockets of a host: those in the table of connections, and the loose ones (closed, bound, listening). */
export class SocketSet {
  /** The loose ones, each at its `looseAt`: a Set that is emptied again and again makes itself anew each time. */
  readonly #loose: Tcb[] = []
  readonly #table: ConnectionTable<Connection>

  constructor(table: ConnectionTable<Connection>) {
    this.#table = table
  }

  get looseCount(): number {
    return this.#loose.length
  }

  addLoose(t: Tcb): void {
    t.looseAt = this.#loose.length
    this.#loose.push(t)
  }

  deleteLoose(t: Tcb): void {
    const at = t.looseAt
    if (at < 0) return
    t.looseAt = -1
    const last = this.#loose.pop() as Tcb
    if (last === t) return
    this.#loose[at] = last
    last.looseAt = at
  }

  get size(): number {
    let size = 0
    for (const _ of this) size++
    return size
  }

  *[Symbol.iterator](): IterableIterator<Tcb> {
    yield* this.#loose
    for (const connection of this.#table.values()) if (connection instanceof Tcb) yield connection
  }
}

export class Tcp implements Transport {
  readonly stack: Stack
  readonly clock: Clock
  readonly counters: Counters
  readonly hash: HalfSipHash
  readonly table: ConnectionTable<Connection>
  readonly ports: PortTable
  readonly user: TcpUser
  readonly defaults: Tuning = new Tuning()
  readonly options: TcpOptions = new TcpOptions()
  readonly segments: TxSegmentPool = new TxSegmentPool()
  /** Scratch records of the segment in hand. */
  readonly parsed: tcpOptions.ParsedOptions = new tcpOptions.ParsedOptions()
  readonly sackState: SackState = new SackState()
  readonly rate: RateSample = new RateSample()
  readonly signer: Signer = new Signer()
  readonly cleaned: Cleaned = new Cleaned()
  readonly alert: { flags: number; rexmit: number } = { flags: 0, rexmit: 0 }
  readonly scratch: Uint8Array = new Uint8Array(16)
  readonly #segment: Segment = new Segment()
  readonly #listeners: Map<number, Tcb[]> = new Map()
  /** Every socket there is: for `ss` and for leak tests. */
  readonly sockets: SocketSet
  /** Present time, set on every entry into TCP. */
  now: Micros = 0
  timeWaits = 0
  readonly timeWaitList: TimeWaitList
  readonly memory: TcpMemory = new TcpMemory(this)
  readonly metrics: TcpMetrics = new TcpMetrics()
  readonly fastOpenPause: FastOpenPause = new FastOpenPause()
  /** The sequence number a TIME-WAIT wants its successor to start with. */
  timeWaitIsn = 0
  /** Where warnings of the kernel log go. */
  warn: (text: string) => void = () => {}

  constructor(stack: Stack) {
    this.stack = stack
    this.clock = stack.clock
    this.counters = stack.counters
    this.hash = new HalfSipHash(stack.random)
    this.table = new ConnectionTable<Connection>(this.hash)
    this.sockets = new SocketSet(this.table)
    this.timeWaitList = new TimeWaitList(stack.clock)
    this.ports = new PortTable(stack.sysctl, stack.random, tcpConflict)
    this.user = new TcpUser(this)
    stack.ipv4.register(IPPROTO_TCP, this)
  }

  /** A new closed socket with the host's default congestion control. */
  createSocket(): Tcb {
    const ca = findController(this.stack.sysctl.tcp_congestion_control) ?? CONTROLLERS[0]
    const t = new Tcb(this, AF_INET, ca as NonNullable<typeof ca>)
    this.sockets.addLoose(t)
    return t
  }

  /** Sockets and half-open connections, about (tcp_sockets_allocated). */
  get connections(): number {
    return this.table.size - this.timeWaits + this.sockets.looseCount
  }

  /** Milliseconds of the host's clock as an int32: timestamps and coarse times. */
  nowMs(): number {
    return Math.floor(this.now / 1000) | 0
  }

  /** SO_KEEPALIVE or its times changed: the timer follows (tcp_set_keepalive). */
  keepaliveChanged(t: Tcb): void {
    if (t.state === TCP_CLOSE || t.state === TCP_LISTEN || t.state === TCP_SYN_SENT) return
    if (!t.isFlag(SF_KEEPALIVE)) {
      stopKeep(t)
      return
    }
    const now = this.clock.now()
    const quiet = ((Math.floor(now / 1000) - Math.max(t.lastReceived, t.lastSegmentTime)) | 0) * 1000
    startKeep(t, Math.max(keepIdle(t) - quiet, 0))
  }

  /** First RTT sample of an accepted connection, from its SYN-ACK. */
  firstSample(t: Tcb, us: number): void {
    updateMinRtt(t, us)
    sampleRtt(t, us)
    setRto(t)
  }

  /** One of a connection's timers fired. */
  timerFired(t: Tcb, kind: number, now: Micros): void {
    this.now = now
    timerFired(t, kind)
    settleMemory(t)
  }

  hashIn(t: Tcb): void {
    this.table.set(t.localAddress, t.remoteAddress, (t.localPort << 16) | t.remotePort, t)
    t.hashed = true
    this.sockets.deleteLoose(t)
  }

  unhash(t: Tcb): void {
    if (!t.hashed) return
    t.hashed = false
    this.sockets.addLoose(t)
    this.table.delete(t.localAddress, t.remoteAddress, (t.localPort << 16) | t.remotePort, t)
  }

  /** The socket is gone for good. */
  forget(t: Tcb): void {
    this.sockets.deleteLoose(t)
  }

  addListener(t: Tcb): void {
    const list = this.#listeners.get(t.localPort)
    if (list === undefined) this.#listeners.set(t.localPort, [t])
    else list.push(t)
  }

  removeListener(t: Tcb): void {
    const list = this.#listeners.get(t.localPort)
    const at = list === undefined ? -1 : list.indexOf(t)
    if (list === undefined || at < 0) return
    list.splice(at, 1)
    if (list.length === 0) this.#listeners.delete(t.localPort)
  }

  /** Best listener for an address and port: bound to the address before the wildcard; groups share (inet_lookup_listener). */
  #listener(g: Segment): Tcb | null {
    const list = this.#listeners.get(g.localPort)
    if (list === undefined) return null
    const device = (g.packet.interface as Interface | null)?.index ?? 0
    let best = 0
    let count = 0
    let chosen: Tcb | null = null
    for (const t of list) {
      if (t.localAddress !== 0 && t.localAddress !== g.local) continue
      if (t.boundInterface !== 0 && t.boundInterface !== device) continue
      // An address counts more than a device (compute_score, and the order of the lookups).
      const score = 1 + (t.localAddress === 0 ? 0 : 2) + (t.boundInterface === 0 ? 0 : 1)
      if (score < best) continue
      count = score > best ? 1 : count + 1
      best = score
      // Reservoir by hash: each member of an SO_REUSEPORT group gets its share, and a peer always the same one.
      if (count === 1 || (this.hash.hash4(g.remote, g.remotePort, g.local, count) >>> 0) % count === 0) chosen = t
    }
    return chosen
  }

  input(packet: Packet): void {
    const counters = this.counters
    counters.TcpInSegs++
    const g = this.#segment
    if (!this.#parse(packet, g)) {
      packet.release()
      return
    }
    this.now = this.clock.now()
    const connection = this.table.get(g.local, g.remote, (g.localPort << 16) | g.remotePort)
    if (connection instanceof Tcb) {
      if (!this.#isSignatureRight(connection.md5Key, packet)) {
        packet.release()
        return
      }
      const { minTtl, filter } = connection.settings
      const isOpen = minTtl === 0 && filter === null
      if (isOpen || (this.#isNear(connection, packet) && this.#passesFilter(connection, packet)))
        segmentArrives(connection, g, packet)
      return
    }
    if (connection === undefined) this.#toListener(g, packet, 0)
    else if (connection instanceof Request) {
      if (this.parsed.hasAo) {
        // Its handshake was begun without (tcp_inbound_hash).
        counters.TcpExtTCPAOBad++
        this.stack.drop(packet, 'tcp.ao-unexpected')
      } else if (this.#isSignatureRight(connection.md5Key, packet)) requestInput(connection, g, packet)
      else packet.release()
    }
    // A TIME-WAIT does not look at signatures.
    else if (timeWaitInput(connection, g) !== TW_SYN) packet.release()
    else if (this.#listener(g) === null) {
      timeWaitAck(connection)
      packet.release()
    } else {
      connection.kill()
      this.#toListener(g, packet, this.timeWaitIsn)
    }
  }

  /** IP_MINTTL: false, and the segment is gone, if it came from farther away (RFC 5082). */
  #isNear(t: Tcb, packet: Packet): boolean {
    if (ipv4.ttl(packet.bytes, packet.l3) >= t.settings.minTtl) return true
    this.counters.TcpExtTCPMinTTLDrop++
    this.stack.drop(packet, 'tcp.min-ttl')
    return false
  }

  /** SO_ATTACH_FILTER (tcp_filter): false, and the segment is gone, if the program keeps nothing. It sees the TCP header first. */
  #passesFilter(t: Tcb, packet: Packet): boolean {
    if (filterFrom(t, packet, packet.l4) > 0) return true
    this.stack.drop(packet, 'socket.filter')
    return false
  }

  /** Checks the header, verifies the checksum, fills the segment in hand; `packet.start` moves to the payload. */
  #parse(packet: Packet, g: Segment): boolean {
    const counters = this.counters
    if (!packet.pullUp(wire.HDR_LEN)) return this.#bad(packet, 'tcp.short')
    let o = packet.l4
    const header = wire.headerLength(packet.bytes, o)
    if (header < wire.HDR_LEN || header > packet.length) return this.#bad(packet, 'tcp.offset')
    if (!packet.pullUp(header)) return this.#bad(packet, 'tcp.short')
    o = packet.l4
    const b = packet.bytes
    if (packet.csum === CSUM_NONE) {
      const pseudo = checksum.pseudo4(packet.saddr, packet.daddr, IPPROTO_TCP, packet.length)
      if (checksum.fold(sumPacket(packet, packet.start, pseudo)) !== 0xffff) {
        counters.TcpInCsumErrors++
        return this.#bad(packet, 'tcp.checksum')
      }
    }
    g.packet = packet
    g.bytes = b
    g.local = packet.daddr
    g.remote = packet.saddr
    // By words: a view reads one in an instruction or two.
    const { view } = packet
    const ports = view.getInt32(o)
    g.localPort = ports & 0xffff
    g.remotePort = ports >>> 16
    g.seq = view.getInt32(o + 4)
    g.ack = view.getInt32(o + 8)
    const word = view.getInt32(o + 12)
    g.flags = (word >>> 16) & wire.FLAGS_MASK
    g.window = word & 0xffff
    g.urgent = view.getUint16(o + 18)
    g.tos = packet.l3 >= 0 ? ipv4.tos(b, packet.l3) : 0
    if (header > wire.HDR_LEN) {
      tcpOptions.parse(b, o + wire.HDR_LEN, o + header, this.parsed)
      g.hasTs = this.parsed.hasTs
      g.sackCount = this.parsed.sackCount
    } else {
      if (
        g.hasTs ||
        g.sackCount > 0 ||
        this.parsed.hasMd5 ||
        this.parsed.hasAo ||
        this.parsed.isUnsafe ||
        this.parsed.accEcnOffset >= 0 ||
        (g.flags & wire.SYN) !== 0
      )
        tcpOptions.reset(this.parsed)
      g.hasTs = false
      g.sackCount = 0
    }
    packet.start = o + header
    g.headerLength = header
    g.length = packet.length
    g.isFin = (g.flags & wire.FIN) !== 0
    g.endSeq = add(g.seq, g.length + (g.isFin ? 1 : 0) + ((g.flags & wire.SYN) !== 0 ? 1 : 0))
    g.gsoSegments = packet.gsoSegments > 0 ? packet.gsoSegments : 1
    g.gsoSize = packet.gsoSize
    return true
  }

  /** The key for the peer of a segment: that of the connection, or of who listens; a TIME-WAIT is not asked. */
  #md5Key(g: Segment): Md5Key | null {
    const connection = this.table.get(g.local, g.remote, (g.localPort << 16) | g.remotePort)
    if (connection !== undefined) return connection instanceof TimeWait ? null : connection.md5Key
    return this.#listener(g)?.tuning.md5?.find(g.remote) ?? null
  }

  /** Signed as it should be, or not signed as it should not be (tcp_inbound_hash). */
  #isSignatureRight(key: Md5Key | null, packet: Packet): boolean {
    const { hasMd5, md5Offset, isUnsafe } = this.parsed
    if (key === null && !hasMd5 && !isUnsafe) return true
    const { counters } = this
    let reason = ''
    if (isUnsafe) reason = 'tcp.auth-header'
    else if (key === null) {
      reason = 'tcp.md5-unexpected'
      counters.TcpExtTCPMD5Unexpected++
    } else if (!hasMd5) {
      reason = 'tcp.md5-not-found'
      counters.TcpExtTCPMD5NotFound++
    } else if (!this.signer.verify(key, packet, md5Offset)) {
      reason = 'tcp.md5-failure'
      counters.TcpExtTCPMD5Failure++
    }
    if (reason !== '') this.stack.trace.drop?.(packet, reason, this.stack.name)
    return reason === ''
  }

  #bad(packet: Packet, reason: string): boolean {
    this.counters.TcpInErrs++
    this.stack.trace.drop?.(packet, reason, this.stack.name)
    return false
  }

  #toListener(g: Segment, packet: Packet, isn: number): void {
    const listener = this.#listener(g)
    if (listener === null) this.#nobody(g, packet)
    else if (!this.#isSignatureRight(listener.tuning.md5?.find(g.remote) ?? null, packet)) {
      // Dropped.
    } else if ((g.flags & wire.RST) !== 0) {
      // RFC 9293 §3.10.7.2: first RST, second ACK, third SYN.
    } else if ((g.flags & wire.ACK) !== 0) {
      if ((g.flags & wire.SYN) === 0 && cookieArrives(this, listener, g, packet)) return
      this.sendReset(g)
    } else if ((g.flags & wire.SYN) !== 0 && !g.isFin) synArrives(this, listener, g, packet, isn)
    packet.release()
  }

  /** CLOSED: everything but a RST is answered with one (RFC 9293 §3.10.7.1). */
  #nobody(g: Segment, packet: Packet): void {
    this.stack.trace.drop?.(packet, 'tcp.no-socket', this.stack.name)
    if (packet.kind === PACKET_HOST) this.sendReset(g)
  }

  /** Answers the segment with a RST: at its ACK, or with an ACK of all of it (LINUX-TCP 37). */
  sendReset(g: Segment): void {
    const { hasMd5, hasAo, isUnsafe } = this.parsed
    if ((g.flags & wire.RST) !== 0 || isUnsafe) return
    const md5Key = this.#md5Key(g)
    // A signed segment is answered with a signed one or not at all (tcp_v4_send_reset).
    if (hasAo || (hasMd5 && md5Key === null)) return
    this.counters.TcpOutRsts++
    const hasAck = (g.flags & wire.ACK) !== 0
    sendDetached(this, {
      local: g.local,
      remote: g.remote,
      localPort: g.localPort,
      remotePort: g.remotePort,
      seq: hasAck ? g.ack : 0,
      ack: hasAck ? 0 : g.endSeq,
      flags: hasAck ? wire.RST : wire.RST | wire.ACK,
      window: 0,
      tsVal: 0,
      tsEcr: 0,
      tos: 0,
      md5Key,
    })
  }

  /** Transport.owns. */
  owns(quoted: Packet): boolean {
    return ownsQuoted(this, quoted)
  }

  /** Transport.error. */
  error(quoted: Packet, type: number, code: number, errno: number, _fatal: boolean, info: number): void {
    this.now = this.clock.now()
    icmpArrives(this, quoted, type, code, errno, info)
  }
}
