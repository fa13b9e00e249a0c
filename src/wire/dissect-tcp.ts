/** The one-line form of a TCP segment (tcpdump 4.99 print-tcp.c). */
import * as ip4 from '../addr/ip4.ts'
import { get8, get16, get32 } from './bytes.ts'
import type { Line } from './dissect-text.ts'
import * as ipv4 from './ipv4.ts'
import * as tcp from './tcp.ts'
import * as options from './tcp-options.ts'

/** Prints the segment at `o` inside the IPv4 packet at `ip`; `length` is what the IP header says. */
export function printTcp(line: Line, ip: number, o: number, length: number): boolean {
  const { b } = line
  line.protocol = 'tcp'
  const src = ip4.format(ipv4.src(b, ip))
  const dst = ip4.format(ipv4.dst(b, ip))
  if (!line.has(o, 4)) {
    line.add(`${src} > ${dst}:`)
    return line.truncated()
  }
  line.text += `${src}.${tcp.srcPort(b, o)} > ${dst}.${tcp.dstPort(b, o)}: `
  if (!line.has(o, tcp.HDR_LEN)) return line.truncated()
  const headerLen = tcp.headerLength(b, o)
  if (headerLen < tcp.HDR_LEN) {
    const rest = (length - headerLen) >>> 0
    return line.malformed(` tcp ${rest} [bad hdr length ${headerLen} - too short, < ${tcp.HDR_LEN}]`)
  }
  const base = relativeTo(line, ip, o)
  line.text += `Flags [${tcp.formatFlags(tcp.flags(b, o))}]`
  if (headerLen > length) {
    return line.malformed(` [bad hdr length ${headerLen} - too long, > ${length}]`)
  }
  printNumbers(line, o, length - headerLen, base)
  if (headerLen > tcp.HDR_LEN && !printOptions(line, o + tcp.HDR_LEN, o + headerLen, base)) return false
  line.text += `, length ${length - headerLen}`
  return printText(line, o, o + headerLen, length - headerLen)
}

/** What counts as zero: for this segment's sequence and acknowledgment numbers, and for its SACK blocks. */
interface Base {
  readonly seq: number
  readonly ack: number
  readonly sack: number
}

/** Finds or begins the conversation; numbers of the segment that begins one are printed absolute (print-tcp.c). */
function relativeTo(line: Line, ip: number, o: number): Base {
  const { b } = line
  const flags = tcp.flags(b, o)
  if (line.context === undefined || (flags & tcp.ACK) === 0) return { seq: 0, ack: 0, sack: 0 }
  const sport = tcp.srcPort(b, o)
  const dport = tcp.dstPort(b, o)
  const src = ipv4.src(b, ip)
  const dst = ipv4.dst(b, ip)
  const reverse = sport > dport || (sport === dport && src >>> 0 > dst >>> 0)
  const key = reverse ? `${dst},${src},${dport},${sport}` : `${src},${dst},${sport},${dport}`
  const known = line.context.find(key)
  if (known === undefined || (flags & tcp.SYN) !== 0) {
    const seq = tcp.seq(b, o)
    const ack = (tcp.ack(b, o) - 1) | 0
    line.context.remember(key, reverse ? ack : seq, reverse ? seq : ack)
    return { seq: 0, ack: 0, sack: ack }
  }
  return reverse
    ? { seq: known.ack, ack: known.seq, sack: known.seq }
    : { seq: known.seq, ack: known.ack, sack: known.ack }
}

function printNumbers(line: Line, o: number, length: number, base: Base): void {
  const { b } = line
  const flags = tcp.flags(b, o)
  const seq = (tcp.seq(b, o) - base.seq) >>> 0
  if (length > 0 || line.bareSequence || (flags & (tcp.SYN | tcp.FIN | tcp.RST)) !== 0) {
    line.text += `, seq ${seq}`
    if (length > 0) line.text += `:${(seq + length) >>> 0}`
  }
  if ((flags & tcp.ACK) !== 0) line.text += `, ack ${(tcp.ack(b, o) - base.ack) >>> 0}`
  line.text += `, win ${tcp.window(b, o)}`
  if ((flags & tcp.URG) !== 0) line.text += `, urg ${tcp.urgent(b, o)}`
}

/** Prints the options in [o, end); false if the line ended there. */
function printOptions(line: Line, o: number, end: number, base: Base): boolean {
  const { b } = line
  line.text += ', options ['
  let at = o
  while (at < end) {
    if (at > o) line.text += ','
    if (!line.has(at, 1)) return cut(line, false)
    const kind = get8(b, at)
    let n = 1
    if (kind > options.NOP) {
      if (!line.has(at, 2)) return cut(line, false)
      n = get8(b, at + 1)
      if (n < 2 || n > end - at) return bad(line, at > o)
    }
    line.text += optionName(kind)
    const used = printOption(line, at, n, end, base)
    if (used === TRUNCATED) return cut(line, at > o)
    if (used === BAD) return bad(line, at > o)
    if (used !== n) line.text += `[len ${n}]`
    if (kind === options.EOL) break
    at += used
  }
  line.text += ']'
  return true
}

/** Options of the past: RFC 1072 and RFC 1644, and SCPS of CCSDS 714.0. */
const ECHO = 6
const ECHO_REPLY = 7
const CC = 11
const CC_NEW = 12
const CC_ECHO = 13
const SCPS = 20

const BAD = -1
const TRUNCATED = -2

function cut(line: Line, later: boolean): boolean {
  line.truncated()
  if (later) line.text += '>'
  return false
}

function bad(line: Line, later: boolean): boolean {
  line.text += '[bad opt]'
  if (later) line.text += ']'
  return false
}

function optionName(kind: number): string {
  switch (kind) {
    case options.EOL:
      return 'eol'
    case options.NOP:
      return 'nop'
    case options.MSS:
      return 'mss'
    case options.WSCALE:
      return 'wscale'
    case options.SACK_PERMITTED:
      return 'sackOK'
    case options.SACK:
      return 'sack'
    case options.TIMESTAMP:
      return 'TS'
    case options.MD5:
      return 'md5'
    case options.USER_TIMEOUT:
      return 'uto'
    case options.AO:
      return 'tcp-ao'
    case options.MPTCP:
      return 'mptcp'
    case ECHO:
      return 'echo'
    case ECHO_REPLY:
      return 'echoreply'
    case CC:
      return 'cc'
    case CC_NEW:
      return 'ccnew'
    case CC_ECHO:
      return ''
    case SCPS:
      return 'scps'
    case options.FAST_OPEN:
      return 'tfo'
    case options.EXPERIMENT:
      return 'exp'
    default:
      return `unknown-${kind}`
  }
}

/** Prints the value of the option at `at`; the bytes it should have by its kind, or BAD or TRUNCATED. */
function printOption(line: Line, at: number, n: number, end: number, base: Base): number {
  const { b } = line
  const need = valueLength(get8(b, at), n)
  if (need < 0) return BAD
  if (need > 0 && at + 2 + need > end) return BAD
  if (need > 0 && !line.has(at + 2, need)) return printCutOption(line, at, n, base)
  switch (get8(b, at)) {
    case options.EOL:
    case options.NOP:
      return 1
    case options.MSS:
      line.text += ` ${get16(b, at + 2)}`
      return 4
    case options.WSCALE:
      line.text += ` ${get8(b, at + 2)}`
      return 3
    case options.SACK:
      line.text += sackText(b, at, n, base, n - 2)
      return n
    case options.TIMESTAMP:
      line.text += ` val ${get32(b, at + 2) >>> 0} ecr ${get32(b, at + 6) >>> 0}`
      return 10
    case options.MD5:
      line.text += ` shared secret not supplied with -M, can't check - ${hexBytes(b, at + 2, 16)}`
      return 18
    case options.USER_TIMEOUT:
      line.text += userTimeoutText(get16(b, at + 2))
      return 4
    case options.AO:
      line.text += authenticationText(b, at, n)
      return n
    case options.FAST_OPEN:
      line.text += fastOpenText(b, at + 2, n - 2, false)
      return n
    case options.EXPERIMENT:
      line.text += experimentText(b, at, n)
      return n
    case options.SACK_PERMITTED:
      return 2
    case SCPS:
      line.text += ` cap ${hexBytes(b, at + 2, 1)} id ${get8(b, at + 3)}`
      return 4
    case ECHO:
    case ECHO_REPLY:
    case CC:
    case CC_NEW:
    case CC_ECHO:
      line.text += ` ${get32(b, at + 2) >>> 0}`
      return 6
    default:
      if (n > 2) line.text += ` 0x${hexBytes(b, at + 2, n - 2)}`
      return n
  }
}

/** Prints what is there of an option whose bytes end early; TRUNCATED. */
function printCutOption(line: Line, at: number, n: number, base: Base): number {
  const { b } = line
  const kind = get8(b, at)
  const there = Math.max(0, line.end - at - 2)
  if (kind === options.SACK) line.text += sackText(b, at, n, base, there)
  if (kind === options.AO) {
    if (there > 0) line.text += ` keyid ${get8(b, at + 2)}`
    if (there > 1) line.text += ` rnextkeyid ${get8(b, at + 3)}`
    if (there > 1 && n > 4) line.text += ` mac 0x${hexBytes(b, at + 4, there - 2)}`
  }
  if (optionName(kind).startsWith('unknown')) line.text += ` 0x${hexBytes(b, at + 2, there)}`
  return TRUNCATED
}

/** Bytes of value that an option of this kind is read to have. */
function valueLength(kind: number, n: number): number {
  switch (kind) {
    case options.EOL:
    case options.NOP:
    case options.SACK_PERMITTED:
      return 0
    case options.MSS:
    case options.USER_TIMEOUT:
    case SCPS:
      return 2
    case options.WSCALE:
      return 1
    case ECHO:
    case ECHO_REPLY:
    case CC:
    case CC_NEW:
    case CC_ECHO:
      return 4
    case options.TIMESTAMP:
      return 8
    case options.MD5:
      return 16
    case options.EXPERIMENT:
      return n < 4 ? BAD : n - 2
    default:
      return n - 2
  }
}

/** As many blocks as lie in the `there` bytes of value at hand. */
function sackText(b: Uint8Array, at: number, n: number, base: Base, there: number): string {
  if ((n - 2) % 8 !== 0) return ' invalid sack'
  let s = ` ${(n - 2) / 8} `
  for (let i = at + 2; i + 8 <= at + 2 + there; i += 8) {
    s += `{${(get32(b, i) - base.sack) >>> 0}:${(get32(b, i + 4) - base.sack) >>> 0}}`
  }
  return s
}

/** Granularity bit first in the tcpdump way: the lowest bit, though RFC 5482 §3 has the highest. */
const userTimeoutText = (v: number): string => ` 0x${v.toString(16)} ${(v & 1) !== 0 ? (v >>> 1) * 60 : v >>> 1}`

function authenticationText(b: Uint8Array, at: number, n: number): string {
  if (n < 4) return ' (invalid)'
  const mac = n > 4 ? ` mac 0x${hexBytes(b, at + 4, n - 4)}` : ''
  return ` keyid ${get8(b, at + 2)} rnextkeyid ${get8(b, at + 3)}${mac}`
}

function fastOpenText(b: Uint8Array, o: number, n: number, experimental: boolean): string {
  const name = experimental ? 'tfo' : ' '
  if (n === 0) return `${name} cookiereq`
  // RFC 7413 §4.1.1: 4 to 16 bytes, an even number
  if (n % 2 !== 0 || n < 4 || n > 16) return `${name} (invalid)`
  return `${name} cookie ${hexBytes(b, o, n)}`
}

function experimentText(b: Uint8Array, at: number, n: number): string {
  const magic = get16(b, at + 2)
  if (magic === options.FAST_OPEN_MAGIC) return `-${fastOpenText(b, at + 4, n - 4, true)}`
  return `-${magic.toString(16).padStart(4, '0')}`
}

function hexBytes(b: Uint8Array, o: number, n: number): string {
  let s = ''
  for (let i = 0; i < n; i++)
    s += get8(b, o + i)
      .toString(16)
      .padStart(2, '0')
  return s
}

/** Ports whose payload tcpdump reads as HTTP. */
const isHttpPort = (port: number): boolean => port === 80 || port === 8080 || port === 3128

/** Words a request begins with that tcpdump knows, of those that are in use. */
const METHODS =
  /^(GET|PUT|HEAD|POST|PATCH|DELETE|CONNECT|OPTIONS|TRACE|COPY|LOCK|MOVE|MKCOL|SEARCH|UNLOCK|NOTIFY|PROPFIND)[ \t]/i

/** Prints the first line of an HTTP message (print-http.c, txtproto_print). */
function printText(line: Line, tcpAt: number, o: number, length: number): boolean {
  const { b } = line
  if (length === 0 || !(isHttpPort(tcp.srcPort(b, tcpAt)) || isHttpPort(tcp.dstPort(b, tcpAt)))) return true
  line.protocol = 'http'
  line.add(': HTTP')
  let first = ''
  for (let i = o; i < o + length; i++) {
    if (!line.has(i, 1)) return isMessageStart(first) ? line.truncated() : true
    const c = get8(b, i)
    if (c === 13 && i + 1 < o + length && !line.has(i + 1, 1)) return !isMessageStart(first) || line.truncated()
    const isEnd = c === 10 || (c === 13 && i + 1 < o + length && get8(b, i + 1) === 10)
    if (isEnd) return !isMessageStart(first) || line.add(`: ${first}`)
    if ((c < 32 && c !== 9) || c > 126 || first.length >= MAX_TEXT) return true
    first += String.fromCharCode(c)
  }
  return true
}

/** Longest first line that is printed. */
const MAX_TEXT = 1000

const isMessageStart = (text: string): boolean => METHODS.test(text) || /^\S+ [0-9]{3}( |$)/.test(text)
