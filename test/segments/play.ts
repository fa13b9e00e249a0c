/** Plays a sequence at a stack: makes segments of its steps by what was seen so far, and notes what comes back. */
import { createHash } from 'node:crypto'
import { makeCookie } from '../../src/tcp/fastopen.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as wire from '../../src/wire/tcp.ts'
import * as options from '../../src/wire/tcp-options.ts'
import { finishIp, flagBits, patternBytes, writeOptions } from '../tcp/segment.ts'
import type { CallStep, IcmpStep, Place, SegmentStep, Sequence } from './sequence.ts'
import { FASTOPEN_KEY_BYTES } from './sequence.ts'

/** A stack with a program of one socket. */
export interface Arm {
  /** The program's first calls: a listener, or a socket that connects. */
  open(sequence: Sequence): string
  call(step: CallStep): string
  inject(packet: Uint8Array): void
  /** IP packets for the peer since the last time. */
  take(): Uint8Array[]
  /** What the program could see of its socket. */
  state(): string
  close(): void
  /** Microseconds of its clock. */
  now(): number
}

/** One outcome for the beginning and one for each step, and when it was taken, in microseconds from the beginning. */
export interface Played {
  readonly texts: readonly string[]
  readonly times: readonly number[]
  /** When it began, by the clock of the stack: of the kernel's, ticks are whole multiples of a jiffy. */
  readonly start: number
}

/** Where the ends are. */
export interface Ends {
  readonly local: number
  readonly localPort: number
  readonly remote: number
  readonly remotePort: number
}

/** Longest TCP header; an option of a signature with its padding. */
const MAX_HEADER = 60
const MD5_ROOM = 20
const MD5SIG = 19
/** Milliseconds of the peer's clock between steps. */
const TICK = 10
const MAX_PACKET = 2048

export class Play {
  readonly #sequence: Sequence
  readonly #arm: Arm
  readonly #ends: Ends
  /** The stack's initial sequence number; 0 while it has not said it. */
  #iss = 0
  #knowsIss = false
  /** Relative: ends of both streams, what the peer acknowledged, what the stack did. */
  #end = 0
  #hostEnd = 0
  #una = 0
  #acked = 0
  #mss = 1460
  #tsSeen = 0
  #ts = false
  #step = 0
  readonly #bytes = new Uint8Array(MAX_PACKET)
  readonly #parsed = new options.ParsedOptions()

  constructor(sequence: Sequence, arm: Arm, ends: Ends) {
    this.#sequence = sequence
    this.#arm = arm
    this.#ends = ends
  }

  /** Yields milliseconds to wait, and 0 before each outcome: what is due at once happens before it is looked at. */
  *run(): Generator<number, Played> {
    const texts: string[] = []
    const times: number[] = []
    const start = this.#arm.now()
    let said = this.#arm.open(this.#sequence)
    for (const step of [...this.#sequence.steps, null]) {
      yield 0
      texts.push(this.#outcome(said))
      times.push(Math.round(this.#arm.now() - start))
      if (step === null) break
      this.#step++
      said = ''
      if (step.kind === 'segment') this.#send(step)
      else if (step.kind === 'icmp') this.#sendIcmp(step)
      else if (step.kind === 'call') {
        if (step.name === 'reopen') this.#forget()
        said = this.#arm.call(step)
      } else yield step.ms
    }
    // Nothing of it shall disturb the next one.
    this.#reset()
    this.#arm.close()
    this.#reset()
    yield 0
    this.#arm.take()
    return { texts, times, start }
  }

  #outcome(said: string): string {
    const replies = this.#arm.take().map((packet) => this.#arrived(packet))
    return [said, ...replies.filter((text) => text !== ''), this.#arm.state()].filter((text) => text !== '').join(' | ')
  }

  #place({ part, more, whole }: Place): number {
    const span = this.#hostEnd - this.#una
    let bytes = Math.floor(span * part)
    if (whole && part < 1) bytes -= bytes % this.#mss
    return (this.#una + bytes + more) | 0
  }

  #clock(): number {
    return (this.#sequence.clock + this.#step * TICK) | 0
  }

  #send(s: SegmentStep): void {
    const bits = flagBits(s.flags)
    const isSyn = (bits & wire.SYN) !== 0
    const base = s.from === 'end' ? this.#end : this.#acked
    const seq = (base + s.offset) | 0
    const data = patternBytes(seq, s.length)
    if (s.isWrong) for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) ^ 0x55
    const ack = this.#place(s.ack)
    const ts = this.#timestamps(s, isSyn)
    const { key } = this.#sequence
    const sack = s.sack.map(([l, r]) => [this.#place(l), this.#place(r)] as const)
    // Three blocks fit beside timestamps; beside a signature fewer.
    const most = key === undefined ? (ts === null ? 4 : 3) : ts === null ? 2 : 0
    const fitting = sack.slice(0, most)
    const b = this.#bytes
    const at = ipv4.HDR_LEN
    let end = writeOptions(b, at + wire.HDR_LEN, { ...s, ts, sack: fitting } as never, (n) => (this.#iss + n) | 0)
    if (s.fastOpen !== undefined) end = this.#putFastOpen(end, s)
    const isSigned = key !== undefined && s.md5 !== 'none' && end + MD5_ROOM <= at + MAX_HEADER
    const digest = end + 4
    if (isSigned) end = options.emitMd5(b, end)
    const { local, localPort, remote, remotePort } = this.#ends
    wire.emit(
      b,
      at,
      remotePort,
      localPort,
      (this.#sequence.isn + seq) | 0,
      (bits & wire.ACK) !== 0 ? (this.#iss + ack) | 0 : 0,
      end - at,
      bits,
      s.window,
    )
    wire.setUrgent(b, at, s.urgent)
    b.set(data, end)
    if (isSigned) b.set(signature(b, at, end, end + data.length, remote, local, s.md5 === 'wrong' ? 'no' : key), digest)
    const packet = finishIp(b, end + data.length, remote, local, ipv4.PROTO_TCP, s.tos)
    this.#advance(bits, seq, s.length, ack)
    this.#arm.inject(packet)
  }

  /** From the peer: routers say the same. */
  #sendIcmp({ type, code, word, at, quoted, isStrange }: IcmpStep): void {
    const { local, localPort, remote, remotePort } = this.#ends
    const b = this.#bytes
    const inner = ipv4.HDR_LEN + icmp.HDR_LEN
    const o = inner + ipv4.HDR_LEN
    const seq = (this.#iss + (at === 'syn' ? 0 : this.#place(at))) | 0
    icmp.emit(b, ipv4.HDR_LEN, type, code, word)
    ipv4.emit(b, inner, ipv4.HDR_LEN, 0, 1500, 1, ipv4.DF, 60, ipv4.PROTO_TCP, local, remote)
    ipv4.fillChecksum(b, inner)
    wire.emit(b, o, localPort, isStrange ? remotePort + 1 : remotePort, seq, 0, wire.HDR_LEN, wire.ACK, 0)
    this.#arm.inject(finishIp(b, o + quoted, remote, local, ipv4.PROTO_ICMP, 0))
  }

  /** The cookie that the stack gives this peer. */
  #cookie(): Uint8Array {
    return makeCookie(FASTOPEN_KEY_BYTES, 0, this.#ends.remote, this.#ends.local)
  }

  /** The option behind the others, if it fits; the end. */
  #putFastOpen(end: number, { fastOpen, isExperimental }: SegmentStep): number {
    const cookie = fastOpen === 'right' ? [...this.#cookie()] : fastOpen === 'ask' ? [] : (fastOpen ?? [])
    const option =
      isExperimental === true ? [254, cookie.length + 4, 0xf9, 0x89, ...cookie] : [34, cookie.length + 2, ...cookie]
    const start = ipv4.HDR_LEN + wire.HDR_LEN
    if (end + option.length > ipv4.HDR_LEN + MAX_HEADER) return end
    this.#bytes.set(option, end)
    return options.pad(this.#bytes, start, end + option.length)
  }

  #timestamps(s: SegmentStep, isSyn: boolean): readonly [number, number] | null {
    if (s.raw !== undefined) return null
    if (isSyn && s.ts !== undefined) this.#ts = s.ts !== null
    if (s.ts === null || (s.ts === undefined && !this.#ts)) return null
    const [val, ecr] = s.ts ?? [0, 0]
    return [(this.#clock() + val) | 0, (this.#tsSeen + ecr) | 0]
  }

  /** What goes on from the end of the stream makes it longer. */
  #advance(bits: number, seq: number, length: number, ack: number): void {
    const end = seq + length + ((bits & (wire.SYN | wire.FIN)) !== 0 ? 1 : 0)
    if ((bits & wire.RST) === 0 && seq <= this.#end && end > this.#end && end < this.#end + 70000) this.#end = end
    if ((bits & wire.ACK) !== 0 && ack > this.#una && ack <= this.#hostEnd) this.#una = ack
  }

  /** A reply in words. */
  #arrived(b: Uint8Array): string {
    if (ipv4.protocol(b, 0) !== ipv4.PROTO_TCP) return `protocol ${ipv4.protocol(b, 0)}`
    const at = ipv4.headerLength(b, 0)
    const header = wire.headerLength(b, at)
    const bits = wire.flags(b, at)
    const p = this.#parsed
    options.reset(p)
    options.parse(b, at + wire.HDR_LEN, at + header, p)
    if ((bits & wire.SYN) !== 0) {
      this.#iss = wire.seq(b, at)
      this.#knowsIss = true
    }
    const length = ipv4.totalLength(b, 0) - at - header
    const seq = (wire.seq(b, at) - this.#iss) | 0
    const ack = (wire.ack(b, at) - this.#sequence.isn) | 0
    const end = seq + length + ((bits & (wire.SYN | wire.FIN)) !== 0 ? 1 : 0)
    if ((bits & wire.RST) === 0 && end > this.#hostEnd) this.#hostEnd = end
    if ((bits & wire.ACK) !== 0 && ack > this.#acked) this.#acked = ack
    if (p.hasTs) this.#tsSeen = p.tsVal
    if (length > 0) this.#mss = Math.max(length, 1)
    // An answer to a SYN for nobody has no sequence number.
    const place = (bits & wire.RST) !== 0 && wire.seq(b, at) === 0 ? 'zero' : `${seq}:${seq + length}`
    const words = [
      `> ${wire.formatFlags(bits & ~wire.PSH)} ${place} ack ${(bits & wire.ACK) !== 0 ? ack : wire.ack(b, at)} win ${wire.window(b, at)}`,
    ]
    const isSyn = (bits & wire.SYN) !== 0
    if (length > 0) words.push(contents(b, at + header, length, isSyn ? seq + 1 : seq))
    if ((bits & wire.URG) !== 0) words.push(`urg ${wire.urgent(b, at)}`)
    if (header > wire.HDR_LEN) words.push(`<${this.#options(b, at, at + header, at + header + length)}>`)
    if ((ipv4.fragmentWord(b, 0) & ipv4.DF) === 0) words.push('no DF')
    if (ipv4.tos(b, 0) !== 0) words.push(`tos ${ipv4.tos(b, 0)}`)
    return words.join(' ')
  }

  /** Options in their order, times of the stack's own clock left out. */
  #options(b: Uint8Array, header: number, end: number, packetEnd: number): string {
    const from = header + wire.HDR_LEN
    const words: string[] = []
    const p = this.#parsed
    for (let at = from; at < end; ) {
      const length = options.optionLength(b, at, end)
      if (length === 0) return [...words, 'bad'].join(',')
      const kind = b[at] as number
      if (kind === options.NOP) words.push('.')
      else if (kind === options.MSS) words.push(`mss ${p.mss}`)
      else if (kind === options.WSCALE) words.push(`wscale ${p.wscale}`)
      else if (kind === options.SACK_PERMITTED) words.push('sackOK')
      else if (kind === options.TIMESTAMP)
        words.push(p.tsEcr === 0 ? 'TS 0' : `TS ${(p.tsEcr - this.#sequence.clock) | 0}`)
      else if (kind === options.SACK) {
        for (let i = 0; i < p.sackCount; i++)
          words.push(
            `sack ${(options.sackLeft(b, p, i) - this.#sequence.isn) | 0}:${(options.sackRight(b, p, i) - this.#sequence.isn) | 0}`,
          )
      } else if (kind === MD5SIG) {
        const { local, remote } = this.#ends
        const right = signature(b, header, end, packetEnd, local, remote, this.#sequence.key ?? '')
        words.push(right.every((byte, i) => byte === b[at + 2 + i]) ? 'md5' : 'md5 wrong')
      } else if (this.#isCookie(b.subarray(at, at + length))) words.push(`kind ${kind}: right`)
      else words.push(`kind ${kind}: ${[...b.subarray(at + 2, at + length)].join(' ')}`)
      at += length
    }
    return words.join(',')
  }

  /** A Fast Open option with this peer's cookie. */
  #isCookie(option: Uint8Array): boolean {
    const cookie = this.#cookie()
    const at = option.length - cookie.length
    return (at === 2 || at === 4) && cookie.every((byte, i) => byte === option[at + i])
  }

  /** The stack begins anew. */
  #forget(): void {
    this.#knowsIss = this.#ts = false
    this.#iss = this.#end = this.#hostEnd = this.#una = this.#acked = this.#tsSeen = 0
  }

  /** Ends what the peer knows of. */
  #reset(): void {
    if (!this.#knowsIss) return
    const b = this.#bytes
    const { local, localPort, remote, remotePort } = this.#ends
    const seqs = [this.#acked, this.#end]
    for (const seq of seqs) {
      wire.emit(
        b,
        ipv4.HDR_LEN,
        remotePort,
        localPort,
        (this.#sequence.isn + seq) | 0,
        (this.#iss + this.#hostEnd) | 0,
        wire.HDR_LEN,
        wire.RST | wire.ACK,
        0,
      )
      this.#arm.inject(finishIp(b, ipv4.HDR_LEN + wire.HDR_LEN, remote, local, ipv4.PROTO_TCP, 0))
    }
  }
}

/** The signature of the segment in [at, end), its payload at `data` (RFC 2385). */
// biome-ignore format: one line
function signature(b: Uint8Array, at: number, data: number, end: number, from: number, to: number, key: string): Uint8Array {
  const head = new Uint8Array(12 + wire.HDR_LEN)
  const view = new DataView(head.buffer)
  view.setInt32(0, from)
  view.setInt32(4, to)
  view.setInt32(8, (ipv4.PROTO_TCP << 16) | (end - at))
  head.set(b.subarray(at, at + wire.HDR_LEN), 12)
  // The checksum counts as 0.
  view.setUint16(12 + 16, 0)
  return createHash('md5').update(head).update(b.subarray(data, end)).update(key, 'latin1').digest()
}

/** What a program sends is the pattern from its first byte on. */
function contents(b: Uint8Array, at: number, length: number, seq: number): string {
  const expected = patternBytes(seq, length)
  for (let i = 0; i < length; i++) if (b[at + i] !== expected[i]) return `byte ${i} is not the stream's`
  return ''
}

/** Bytes read, as a number that tells others apart. */
export function digest(bytes: Uint8Array, length: number): string {
  let h = 0
  for (let i = 0; i < length; i++) h = (Math.imul(h, 31) + (bytes[i] as number)) | 0
  return (h >>> 0).toString(36)
}

/** The segment size of a connection that has not got the peer's is nobody's concern. */
const SYN_SENT = 2
const CLOSED = 7

/** The fields of struct tcp_info that do not depend on time. */
export function infoText(view: DataView): string {
  const u32 = (at: number): number => view.getUint32(at, true)
  const rest = [
    `ca ${view.getUint8(1)}`,
    `out ${u32(24)}/${u32(28)}/${u32(32)}/${u32(36)}`,
    `cwnd ${u32(80)}/${u32(76)}`,
    `mss ${view.getUint8(0) === SYN_SENT || view.getUint8(0) === CLOSED ? '-' : u32(16)}/${u32(20)}/${u32(84)}`,
    `reord ${u32(88)}`,
  ]
  return `state ${view.getUint8(0)} opt ${view.getUint8(5)} ${rest.join(' ')}`
}
