/** Frames for the fuzzer: valid ones spoilt, and well-made ones that aim at live connections. All into one buffer. */

import type { Random } from '../../src/sys/random.ts'
import * as arp from '../../src/wire/arp.ts'
import { ethernet, icmpv4, ipv4, tcp, tcpOptions, udp } from '../../src/wire/index.ts'
import { VECTORS as BUILT } from '../wire/vectors/built.ts'
import { VECTORS as KERNEL } from '../wire/vectors/kernel.ts'
import { bytesOf } from '../wire/vectors/vector.ts'

/** The two ends of the vectors: the target is 10.0.0.2. */
export const PEER = 0x0a000001
export const TARGET = 0x0a000002
export const PEER_MAC: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 1)
export const TARGET_MAC: Uint8Array = Uint8Array.of(2, 0, 0, 0, 0, 2)
export const MAX_FRAME = 1514

/** What a frame can aim at: a connection as the peer would know it. */
export interface Aim {
  readonly local: number
  readonly localPort: number
  readonly remote: number
  readonly remotePort: number
  /** What the target expects next, and what it may have acknowledged: SND.UNA and SND.NXT. */
  readonly seq: number
  readonly una: number
  readonly nxt: number
  readonly tsVal: number
  readonly tsEcr: number
}

const VECTOR_FRAMES: readonly Uint8Array[] = [...KERNEL, ...BUILT].map(bytesOf)
const INTERESTING: readonly number[] = [
  0, 1, 2, 3, 4, 5, 7, 8, 0x0f, 0x10, 0x40, 0x45, 0x46, 0x4f, 0x7f, 0x80, 0xfe, 0xff,
]
const EDGES: readonly number[] = [
  0, 0, 0, 0, 1, -1, 2, 1460, -1460, 65535, 65536, -65535, 0x3fffffff, 0x7fffffff, -0x80000000,
]
/** Plain flag bytes more often than noise: ACK, PSH|ACK, FIN|ACK, RST, RST|ACK, SYN, SYN|ACK, URG|ACK, ECE, CWR. */
const FLAGS: readonly number[] = [
  0x10, 0x10, 0x10, 0x18, 0x18, 0x11, 0x04, 0x14, 0x02, 0x12, 0x30, 0x50, 0x90, 0x01, 0x00, 0x19,
]

export class FrameMaker {
  readonly bytes: Uint8Array = new Uint8Array(MAX_FRAME + 512)
  length = 0
  readonly #r: Random

  constructor(random: Random) {
    this.#r = random
  }

  /** One frame, in `bytes` up to `length`; with `segments` always a TCP segment for one of `aims`. */
  make(aims: readonly Aim[], segments = false): void {
    const r = this.#r
    const x = segments ? 0.3 + r.float() / 2 : r.float()
    if (x < 0.3) this.#spoiltVector()
    else if (x < 0.8 && aims.length > 0) {
      this.tcp(aims[r.below(aims.length)] as Aim)
      if (r.chance(0.1)) this.#cut()
      if (r.chance(0.15)) this.#spoil(1 + r.below(3), r.chance(0.7))
    } else if (x < 0.86) this.#udp()
    else if (x < 0.92) this.#icmp(aims)
    else if (x < 0.95) this.#arp()
    else if (x < 0.985) this.#fragment(aims)
    else this.#garbage()
  }

  #near(base: number): number {
    const r = this.#r
    const x = r.float()
    if (x < 0.5) return base
    if (x < 0.75) return (base + (EDGES[r.below(EDGES.length)] as number)) | 0
    if (x < 0.9) return (base + r.below(70_000) - 10_000) | 0
    return r.int32()
  }

  /** A TCP segment for a live connection, right in everything that is not chosen to be wrong. */
  tcp(aim: Aim): void {
    const r = this.#r
    const b = this.bytes
    const o = ethernet.HDR_LEN + ipv4.HDR_LEN
    const options = this.#tcpOptions(o + tcp.HDR_LEN, aim)
    const header = tcp.HDR_LEN + options
    const payload = r.chance(0.45) ? 0 : r.chance(0.7) ? 1 + r.below(100) : r.below(1401 - options)
    const flags = r.chance(0.9) ? (FLAGS[r.below(FLAGS.length)] as number) : r.below(512)
    const acked = r.chance(0.5) ? aim.nxt : aim.una
    const window = r.chance(0.3) ? (INTERESTING[r.below(INTERESTING.length)] as number) : r.below(65536)
    tcp.emit(b, o, aim.remotePort, aim.localPort, this.#near(aim.seq), this.#near(acked), header, flags, window)
    if (r.chance(0.2)) tcp.setUrgent(b, o, r.chance(0.5) ? r.below(payload + 3) : r.below(65536))
    for (let i = 0; i < payload; i++) b[o + header + i] = i & 0xff
    this.#finishIp(ipv4.PROTO_TCP, header + payload, aim.remote, aim.local)
    if (r.chance(0.97)) tcp.fillChecksum(b, o, o + header + payload, ipv4.pseudo(b, ethernet.HDR_LEN))
  }

  /** Options in use or in play; their length, a multiple of 4. */
  #tcpOptions(at: number, aim: Aim): number {
    const r = this.#r
    const b = this.bytes
    const x = r.float()
    if (x < 0.2) return 0
    let o = at
    if (x < 0.85) {
      const jump = r.chance(0.8) ? 0 : r.chance(0.5) ? r.below(2000) - 1000 : r.int32()
      o = tcpOptions.emitTimestampAligned(b, o, (aim.tsVal + jump) | 0, r.chance(0.9) ? aim.tsEcr : r.int32())
      if (r.chance(0.35)) {
        const count = 1 + r.below(3)
        o = tcpOptions.emitSackHeader(b, tcpOptions.emitNop(b, tcpOptions.emitNop(b, o)), count)
        for (let i = 0; i < count; i++) {
          const left = this.#near(r.chance(0.7) ? (aim.una + r.below(20_000)) | 0 : aim.nxt)
          o = tcpOptions.emitSackBlock(b, o, left, (left + r.below(5000) - (r.chance(0.1) ? 2000 : 0)) | 0)
        }
      }
      return tcpOptions.pad(b, at, o) - at
    }
    if (x < 0.93) {
      o = tcpOptions.emitMss(b, o, r.chance(0.5) ? 1460 : r.below(65536))
      if (r.chance(0.7)) o = tcpOptions.emitWscale(b, o, r.below(20))
      if (r.chance(0.7)) o = tcpOptions.emitSackPermitted(b, o)
      if (r.chance(0.5)) o = tcpOptions.emitTimestamp(b, o, aim.tsVal, aim.tsEcr)
      return tcpOptions.pad(b, at, o) - at
    }
    if (x < 0.95) {
      // AccECN's counters, of both orders, whole or cut (RFC 9768 §3.2.3).
      const size = 2 + 3 * r.below(4)
      o = at
      b[o++] = r.chance(0.5) ? 172 : 174
      b[o++] = size
      for (let i = 2; i < size; i++) b[o++] = r.chance(0.5) ? 0 : r.below(256)
      return tcpOptions.pad(b, at, o) - at
    }
    const length = 4 * r.below(11)
    for (let i = 0; i < length; i++) b[at + i] = r.chance(0.5) ? r.below(36) : r.below(256)
    return length
  }

  /** Ethernet and IP headers in front of `length` bytes of `protocol`. */
  #finishIp(protocol: number, length: number, from: number, to: number): void {
    const r = this.#r
    const b = this.bytes
    ethernet.emit(b, 0, r.chance(0.98) ? TARGET_MAC : BROADCAST, PEER_MAC, ethernet.TYPE_IPV4)
    const total = ipv4.HDR_LEN + length
    const df = r.chance(0.5) ? 0x4000 : 0
    ipv4.emit(
      b,
      ethernet.HDR_LEN,
      ipv4.HDR_LEN,
      r.chance(0.9) ? 0 : r.below(256),
      total,
      r.below(65536),
      df,
      64,
      protocol,
      from,
      to,
    )
    this.length = ethernet.HDR_LEN + total
  }

  #udp(): void {
    const r = this.#r
    const b = this.bytes
    const o = ethernet.HDR_LEN + ipv4.HDR_LEN
    const payload = r.chance(0.8) ? r.below(200) : r.below(1473)
    const to = r.chance(0.7) ? 9 : r.chance(0.5) ? 53 : r.below(65536)
    for (let i = 0; i < payload; i++) b[o + 8 + i] = i & 0xff
    const daddr = r.chance(0.9) ? TARGET : r.chance(0.5) ? 0x0a0000ff : -1
    this.#finishIp(ipv4.PROTO_UDP, 8 + payload, PEER, daddr)
    udp.emit(b, o, r.chance(0.8) ? 40000 : r.below(65536), to, 8 + payload, ipv4.pseudo(b, ethernet.HDR_LEN))
    if (daddr !== TARGET) for (let i = 0; i < 6; i++) b[i] = 0xff
    if (r.chance(0.15)) this.#spoil(1, true)
  }

  /** Echo, and errors that quote a packet of a live connection or of nobody. */
  #icmp(aims: readonly Aim[]): void {
    const r = this.#r
    const b = this.bytes
    const o = ethernet.HDR_LEN + ipv4.HDR_LEN
    if (r.chance(0.3)) {
      const payload = r.below(1400)
      icmpv4.emit(b, o, r.chance(0.8) ? icmpv4.ECHO : r.below(20), 0, r.int32())
      this.#finishIp(ipv4.PROTO_ICMP, 8 + payload, PEER, TARGET)
      icmpv4.fillChecksum(b, o, o + 8 + payload)
      return
    }
    const aim = aims.length > 0 && r.chance(0.9) ? (aims[r.below(aims.length)] as Aim) : null
    const quoted = o + 8
    const port = aim === null ? 9 : aim.localPort
    const inner = aim === null ? ipv4.PROTO_UDP : ipv4.PROTO_TCP
    ipv4.emit(
      b,
      quoted,
      ipv4.HDR_LEN,
      0,
      60 + r.below(1400),
      1,
      0x4000,
      64,
      inner,
      aim?.local ?? TARGET,
      aim?.remote ?? PEER,
    )
    tcp.emit(b, quoted + ipv4.HDR_LEN, port, aim?.remotePort ?? 40000, this.#near(aim?.una ?? 0), 0, 20, 0x10, 1000)
    const mtu = r.chance(0.7) ? 68 + r.below(1500) : r.below(65536)
    const type = r.chance(0.7) ? icmpv4.UNREACHABLE : r.below(20)
    icmpv4.emit(b, o, type, r.chance(0.5) ? icmpv4.FRAGMENTATION_NEEDED : r.below(17), r.chance(0.8) ? mtu : r.int32())
    const length = 8 + ipv4.HDR_LEN + (r.chance(0.8) ? 8 + r.below(13) : r.below(8))
    this.#finishIp(ipv4.PROTO_ICMP, length, r.chance(0.8) ? PEER : r.int32(), TARGET)
    if (r.chance(0.05)) b[quoted + r.below(28)] = r.below(256)
    icmpv4.fillChecksum(b, o, o + length)
  }

  #arp(): void {
    const r = this.#r
    const b = this.bytes
    const from = r.chance(0.6) ? PEER : r.chance(0.5) ? TARGET : (0x0a000000 + r.below(4096)) | 0
    const mac = r.chance(0.7) ? PEER_MAC : Uint8Array.of(r.below(256), r.below(256), 1, 2, 3, r.below(256))
    ethernet.emit(b, 0, r.chance(0.5) ? TARGET_MAC : BROADCAST, mac, ethernet.TYPE_ARP)
    const op = r.chance(0.9) ? 1 + r.below(2) : r.below(65536)
    arp.emit(b, ethernet.HDR_LEN, op, mac, from, r.chance(0.5) ? TARGET_MAC : BROADCAST, r.chance(0.8) ? TARGET : from)
    this.length = ethernet.HDR_LEN + arp.HDR_LEN + (r.chance(0.5) ? 18 : 0)
    if (r.chance(0.2)) this.#spoil(1, false)
  }

  /** A piece of a datagram out of a few, so that pieces meet, overlap and contradict each other. */
  #fragment(aims: readonly Aim[]): void {
    const r = this.#r
    const b = this.bytes
    const o = ethernet.HDR_LEN + ipv4.HDR_LEN
    const offset = r.chance(0.4) ? 0 : r.chance(0.9) ? r.below(12) : r.below(8192)
    const length = 8 * (1 + r.below(20)) - (r.chance(0.15) ? r.below(8) : 0)
    if (offset === 0 && aims.length > 0 && r.chance(0.5)) this.tcp(aims[r.below(aims.length)] as Aim)
    else for (let i = 0; i < length; i++) b[o + i] = r.below(256)
    const protocol = r.chance(0.5) ? ipv4.PROTO_UDP : ipv4.PROTO_TCP
    const from = r.chance(0.9) ? PEER : r.int32()
    const word = offset | (r.chance(0.7) ? 0x2000 : 0)
    ethernet.emit(b, 0, TARGET_MAC, PEER_MAC, ethernet.TYPE_IPV4)
    const id = r.chance(0.9) ? r.below(6) : r.below(65536)
    ipv4.emit(b, ethernet.HDR_LEN, ipv4.HDR_LEN, 0, ipv4.HDR_LEN + length, id, word, 64, protocol, from, TARGET)
    this.length = o + length
  }

  #garbage(): void {
    const r = this.#r
    this.length = r.below(MAX_FRAME)
    for (let i = 0; i < this.length; i++) this.bytes[i] = r.int32() & 0xff
    if (r.chance(0.7)) this.bytes.set(TARGET_MAC)
    if (r.chance(0.5) && this.length > 14)
      ethernet.emit(this.bytes, 0, TARGET_MAC, PEER_MAC, r.chance(0.7) ? 0x0800 : 0x0806)
  }

  #spoiltVector(): void {
    const r = this.#r
    const vector = VECTOR_FRAMES[r.below(VECTOR_FRAMES.length)] as Uint8Array
    this.bytes.set(vector.length > MAX_FRAME ? vector.subarray(0, MAX_FRAME) : vector)
    this.length = Math.min(vector.length, MAX_FRAME)
    if (r.chance(0.6)) this.bytes.set(TARGET_MAC)
    if (r.chance(0.15)) this.#cut()
    this.#spoil(r.below(6), r.chance(0.6))
  }

  /** A frame shorter than it says, or longer. */
  #cut(): void {
    const r = this.#r
    if (r.chance(0.8)) this.length = r.below(this.length + 1)
    else this.length = Math.min(MAX_FRAME, this.length + r.below(64))
  }

  /** Changes `count` places; `mend`: the checksums are made right again, so that it gets further in. */
  #spoil(count: number, mend: boolean): void {
    const r = this.#r
    const b = this.bytes
    for (let i = 0; i < count && this.length > 0; i++) {
      const at = r.chance(0.8) ? Math.min(12 + r.below(60), this.length - 1) : r.below(this.length)
      const x = r.float()
      if (x < 0.4) b[at] = (b[at] as number) ^ (1 << r.below(8))
      else if (x < 0.7) b[at] = INTERESTING[r.below(INTERESTING.length)] as number
      else if (x < 0.9) b[at] = r.below(256)
      else b.copyWithin(at, r.below(this.length), Math.min(this.length, at + r.below(16)))
    }
    if (mend) this.#mend()
  }

  #mend(): void {
    const b = this.bytes
    const ip = ethernet.HDR_LEN
    if (this.length < ip + ipv4.HDR_LEN || ethernet.etherType(b, 0) !== ethernet.TYPE_IPV4) return
    const header = ((b[ip] as number) & 15) * 4
    if (header < ipv4.HDR_LEN || ip + header > this.length) return
    ipv4.fillChecksum(b, ip)
    const end = Math.min(this.length, ip + ipv4.totalLength(b, ip))
    const o = ip + header
    const protocol = b[ip + 9]
    if (protocol === ipv4.PROTO_TCP && end - o >= tcp.HDR_LEN) tcp.fillChecksum(b, o, end, ipv4.pseudo(b, ip))
    else if (protocol === ipv4.PROTO_ICMP && end - o >= 8) icmpv4.fillChecksum(b, o, end)
    else if (protocol === ipv4.PROTO_UDP && end - o >= 8) b[o + 6] = b[o + 7] = 0
  }
}

const BROADCAST: Uint8Array = new Uint8Array(6).fill(0xff)
