/** Packets of a script as bytes, and bytes as what a script says of them. */
import { get16, get32, put16, put32 } from '../wire/bytes.ts'
import * as checksum from '../wire/checksum.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import type { IpInfo, ScriptOption } from './script.ts'

/** Injected packets: TTL 255, identification 0, no DF. */
const TTL = 255

/** Addresses and ports of a packet. */
export interface Endpoints {
  readonly source: number
  readonly destination: number
  readonly sourcePort: number
  readonly destinationPort: number
}

/** A TCP header in live numbers. */
export interface TcpFields {
  readonly flags: number
  readonly seq: number
  readonly ack: number
  readonly window: number
  readonly urgent: number
  readonly options: Uint8Array
  readonly length: number
}

/** A packet that the stack sent. */
export interface Captured extends Endpoints, TcpFields {
  /** Microseconds since the script's start. */
  readonly time: number
  readonly protocol: number
  readonly tos: number
  readonly ttl: number
  readonly headerLength: number
  readonly reserved: number
  readonly isZero: boolean
  readonly isIpChecksumOk: boolean
  readonly bytes: Uint8Array
}

const hexBytes = (text: string): number[] => (text.match(/../g) ?? []).map((h) => Number.parseInt(h, 16))

/** Maps the numbers of options: SACK edges, TS val and ecr. */
export interface OptionMap {
  sack(value: number): number
  val(value: number): number
  ecr(value: number): number
}

/** The bytes of a list of options. */
export function optionBytes(options: readonly ScriptOption[], map: OptionMap): Uint8Array {
  const out: number[] = []
  const word = (v: number): void => {
    out.push((v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255)
  }
  for (const option of options) {
    switch (option.kind) {
      case 'eol':
        out.push(0)
        break
      case 'nop':
        out.push(1)
        break
      case 'mss':
        out.push(2, 4, (option.value >>> 8) & 255, option.value & 255)
        break
      case 'wscale':
        out.push(3, 3, option.value & 255)
        break
      case 'sackOK':
        out.push(4, 2)
        break
      case 'sack':
        out.push(5, 2 + 8 * option.blocks.length)
        for (const [left, right] of option.blocks) {
          word(map.sack(left))
          word(map.sack(right))
        }
        break
      case 'TS':
        out.push(8, 10)
        word(map.val(option.val))
        word(map.ecr(option.ecr))
        break
      case 'FO':
        out.push(34, 2 + option.cookie.length / 2, ...hexBytes(option.cookie))
        break
      case 'FOEXP':
        out.push(254, 4 + option.cookie.length / 2, 0xf9, 0x89, ...hexBytes(option.cookie))
        break
      case 'md5':
        out.push(19, 18, ...hexBytes(option.digest))
        break
      case 'ECN':
        out.push(option.order === 0 ? 172 : 174, 2 + 3 * option.fields.length)
        for (const field of option.fields) out.push((field >>> 16) & 255, (field >>> 8) & 255, field & 255)
    }
  }
  return Uint8Array.from(out)
}

/** The TOS byte an IP header is injected with. */
export function tosOf(ip: IpInfo): number {
  if (ip.tos >= 0) return ip.tos
  return ip.ecn === 'ect0' || ip.ecn === 'ect01' ? 2 : ip.ecn === 'ect1' ? 1 : ip.ecn === 'ce' ? 3 : 0
}

function ipHeader(at: Endpoints, protocol: number, length: number, ip: IpInfo): Uint8Array {
  const b = new Uint8Array(20 + length)
  b[0] = 0x45
  b[1] = tosOf(ip)
  put16(b, 2, 20 + length)
  b[8] = ip.ttl >= 0 ? ip.ttl : TTL
  b[9] = protocol
  put32(b, 12, at.source)
  put32(b, 16, at.destination)
  ipv4.fillChecksum(b, 0)
  return b
}

/** An IPv4 packet with a TCP segment of zeros. */
export function buildTcp(at: Endpoints, f: TcpFields, ip: IpInfo): Uint8Array {
  const header = 20 + f.options.length
  const b = ipHeader(at, 6, header + f.length, ip)
  tcp.emit(b, 20, at.sourcePort, at.destinationPort, f.seq, f.ack, header, f.flags, f.window)
  tcp.setUrgent(b, 20, f.urgent)
  b.set(f.options, 40)
  tcp.fillChecksum(b, 20, b.length, checksum.pseudo4(at.source, at.destination, 6, header + f.length))
  return b
}

/** An IPv4 packet with a UDP datagram of zeros. */
export function buildUdp(at: Endpoints, length: number, ip: IpInfo): Uint8Array {
  const b = ipHeader(at, 17, 8 + length, ip)
  put16(b, 20, at.sourcePort)
  put16(b, 22, at.destinationPort)
  put16(b, 24, 8 + length)
  const sum = checksum.finish(
    checksum.sumBytes(b, 20, 8 + length, checksum.pseudo4(at.source, at.destination, 17, 8 + length)),
  )
  put16(b, 26, sum === 0 ? 0xffff : sum)
  return b
}

/** An ICMP message; `quoted` is the packet it is about, of which the IP header and eight bytes are quoted. */
export function buildIcmp(
  at: Endpoints,
  type: number,
  code: number,
  rest: number,
  quoted: Uint8Array,
  ip: IpInfo,
): Uint8Array {
  const b = ipHeader(at, 1, 8 + quoted.length, ip)
  icmp.emit(b, 20, type, code, rest)
  b.set(quoted, 28)
  icmp.fillChecksum(b, 20, b.length)
  return b
}

/** The IP header and first eight bytes of an outgoing TCP segment or UDP datagram, as a router quotes it. */
export function quotePacket(at: Endpoints, seq: number, length: number, protocol: number): Uint8Array {
  const b = ipHeader(at, protocol, 8, { ecn: null, tos: -1, ttl: -1 })
  put16(b, 2, 20 + (protocol === 17 ? 8 : 20) + length)
  put16(b, 10, 0)
  ipv4.fillChecksum(b, 0)
  put16(b, 20, at.sourcePort)
  put16(b, 22, at.destinationPort)
  if (protocol === 6) put32(b, 24, seq)
  else put16(b, 24, 8 + length)
  return b
}

/** Reads a packet of the stack; null if it is no TCP, UDP or ICMP over IPv4. */
export function capture(bytes: Uint8Array, time: number): Captured | null {
  if (bytes.length < 28 || (bytes[0] as number) >>> 4 !== 4) return null
  const ipLength = ipv4.headerLength(bytes, 0)
  const protocol = bytes[9] as number
  const o = ipLength
  if (protocol !== 6 && protocol !== 17 && protocol !== 1) return null
  const header = protocol === 6 ? tcp.headerLength(bytes, o) : 8
  const hasPorts = protocol !== 1
  let isZero = true
  for (let i = o + header; i < bytes.length && isZero; i++) isZero = bytes[i] === 0
  const isTcp = protocol === 6
  return {
    time,
    protocol,
    bytes,
    isZero,
    source: get32(bytes, 12),
    destination: get32(bytes, 16),
    sourcePort: hasPorts ? get16(bytes, o) : 0,
    destinationPort: hasPorts ? get16(bytes, o + 2) : 0,
    tos: bytes[1] as number,
    ttl: bytes[8] as number,
    isIpChecksumOk: ipv4.checksumOk(bytes, 0),
    headerLength: header,
    flags: isTcp ? tcp.flags(bytes, o) : 0,
    seq: isTcp ? get32(bytes, o + 4) : 0,
    ack: isTcp ? get32(bytes, o + 8) : 0,
    window: isTcp ? tcp.window(bytes, o) : 0,
    urgent: isTcp ? tcp.urgent(bytes, o) : 0,
    reserved: isTcp ? tcp.reserved(bytes, o) : 0,
    options: isTcp ? bytes.slice(o + 20, o + header) : new Uint8Array(0),
    length: bytes.length - o - header,
  }
}

/** Type, code and the rest of the header of a captured ICMP message, and where the packet that an error quotes begins. */
export function icmpFields({ bytes }: Captured): { type: number; code: number; rest: number; quoteAt: number } {
  const o = ipv4.headerLength(bytes, 0)
  return { type: icmp.type(bytes, o), code: icmp.code(bytes, o), rest: get32(bytes, o + 4) >>> 0, quoteAt: o + 8 }
}

const LETTERS: readonly (readonly [number, string])[] = [
  [tcp.FIN, 'F'],
  [tcp.SYN, 'S'],
  [tcp.RST, 'R'],
  [tcp.PSH, 'P'],
  [tcp.URG, 'U'],
  [tcp.ECE, 'E'],
  [tcp.CWR, 'W'],
  [tcp.AE, 'A'],
  [tcp.ACK, '.'],
]

export const flagText = (flags: number): string =>
  LETTERS.filter(([bit]) => (flags & bit) !== 0)
    .map(([, s]) => s)
    .join('') || '-'

/** How live numbers are shown: relative to the script's. */
export interface View {
  seq(value: number, isSyn: boolean): number
  ack(value: number, isSyn: boolean): number
  val(value: number): number
}

/** A captured TCP packet in the words of a script. */
export function show(p: Captured, view: View): string {
  if (p.protocol === 17) return `> udp (${p.length})`
  if (p.protocol === 1) {
    const { type, code, rest } = icmpFields(p)
    return `> icmp type_${type} code_${code} rest 0x${rest.toString(16)} (${p.length})`
  }
  const isSyn = (p.flags & tcp.SYN) !== 0
  const seq = view.seq(p.seq, isSyn) >>> 0
  let text = `> ${['', '[ect1] ', '[ect0] ', '[ce] '][p.tos & 3] as string}${flagText(p.flags)} ${seq}:${(seq + p.length) >>> 0}(${p.length})`
  if ((p.flags & tcp.ACK) !== 0) text += ` ack ${view.ack(p.ack, isSyn) >>> 0}`
  text += ` win ${p.window}`
  if (p.urgent !== 0) text += ` urg ${p.urgent}`
  const options = showOptions(p.options, isSyn, view)
  return options === '' ? text : `${text} <${options}>`
}

/** AccECN's counters, in the order that the kind says (RFC 9768 §3.2.3). */
function showCounters(b: Uint8Array, o: number, length: number): string {
  const names = b[o] === 172 ? ['e0b', 'ceb', 'e1b'] : ['e1b', 'ceb', 'e0b']
  let text = 'ECN'
  for (let i = 0; 2 + 3 * i + 3 <= length; i++)
    text += ` ${names[i] as string} ${((b[o + 2 + 3 * i] as number) << 16) | get16(b, o + 3 + 3 * i)}`
  return text
}

function showOptions(b: Uint8Array, isSyn: boolean, view: View): string {
  const out: string[] = []
  const hex = (from: number, to: number): string =>
    [...b.subarray(from, to)].map((n) => n.toString(16).padStart(2, '0')).join('')
  for (let o = 0; o < b.length; ) {
    const kind = b[o] as number
    if (kind <= 1) {
      out.push(kind === 0 ? 'eol' : 'nop')
      o++
      continue
    }
    const length = b[o + 1] ?? 0
    if (length < 2 || o + length > b.length) return `${out.join(',')},bad`
    if (kind === 2) out.push(`mss ${get16(b, o + 2)}`)
    else if (kind === 3) out.push(`wscale ${b[o + 2] as number}`)
    else if (kind === 4) out.push('sackOK')
    else if (kind === 5) {
      let text = 'sack'
      for (let i = o + 2; i < o + length; i += 8)
        text += ` ${view.ack(get32(b, i), isSyn) >>> 0}:${view.ack(get32(b, i + 4), isSyn) >>> 0}`
      out.push(text)
    } else if (kind === 8) out.push(`TS val ${view.val(get32(b, o + 2)) >>> 0} ecr ${get32(b, o + 6) >>> 0}`)
    else if (kind === 34) out.push(`FO ${hex(o + 2, o + length)}`.trim())
    else if (kind === 254) out.push(`FOEXP ${hex(o + 4, o + length)}`.trim())
    else if (kind === 172 || kind === 174) out.push(showCounters(b, o, length))
    else if (kind === 19) out.push(`md5 ${hex(o + 2, o + length)}`)
    else out.push(`kind ${kind} ${hex(o + 2, o + length)}`)
    o += length
  }
  return out.join(',')
}
