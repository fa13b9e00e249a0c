/** A frame as tcpdump prints it: the line of `wire/dissect`, and what -e, -v, -q, -x, -X and -A add (tcpdump 4.99). */
import * as mac from '../addr/mac.ts'
import * as checksum from '../wire/checksum.ts'
import { type DissectContext, line } from '../wire/dissect.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmpv4 from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import type { Frame } from './tcpdump-filter.ts'

export interface FormatOptions {
  /** -e; -v, how often; -q. */
  readonly link: boolean
  readonly verbose: number
  readonly quiet: boolean
  /** -x and -X, how often each; -A. */
  readonly hex: number
  readonly hexAscii: number
  readonly ascii: number
  /** Without it TCP's numbers are absolute (-S). */
  readonly context: DissectContext | undefined
}

/** The frame as lines, without a time. */
export function formatFrame(frame: Frame, options: FormatOptions): string {
  return `${summary(frame, options)}\n${dump(frame, options)}`
}

function summary(frame: Frame, options: FormatOptions): string {
  const { bytes, network, length } = frame
  const isEthernet = frame.ethernet >= 0
  const { context } = options
  let text = line(bytes, {
    medium: isEthernet ? 'ethernet' : 'ip',
    wireLength: length,
    bareSequence: options.verbose > 1,
    ...(context === undefined ? {} : { context }),
  })
  const isIp = frame.etherType === ethernet.TYPE_IPV4 && text.startsWith('IP ')
  const isArp = text.startsWith('ARP, ')
  if (options.quiet && isIp) text = text.replace(/: Flags .*?, length (\d+).*$/s, ': tcp $1')
  if (options.verbose > 0 && isIp && bytes.length >= network + ipv4.HDR_LEN) text = verboseIp(frame, text, options)
  if (options.verbose > 0 && isArp) text = text.replace('ARP, ', 'ARP, Ethernet (len 6), IPv4 (len 4), ')
  if (!options.link || !isEthernet) return text
  const from = mac.format(bytes, frame.ethernet + ethernet.ADDR_LEN)
  const type = `0x${frame.etherType.toString(16).padStart(4, '0')}`
  const name = isIp ? 'IPv4' : isArp ? 'ARP' : frame.etherType === ethernet.TYPE_IPV6 ? 'IPv6' : 'Unknown'
  const start = `${from} > ${mac.format(bytes, frame.ethernet)}, ethertype ${name} (${type}), length ${length}: `
  return isIp || isArp ? start + text.replace(/^(IP|ARP,) /, '') : text
}

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [ipv4.PROTO_ICMP]: 'ICMP',
  [ipv4.PROTO_IGMP]: 'IGMP',
  [ipv4.PROTO_IPIP]: 'IPIP',
  [ipv4.PROTO_TCP]: 'TCP',
  [ipv4.PROTO_UDP]: 'UDP',
  [ipv4.PROTO_IPV6]: 'IPv6',
  [ipv4.PROTO_GRE]: 'GRE',
  [ipv4.PROTO_SCTP]: 'SCTP',
}

/** -v: the IP header in words, and the transport's checksum. */
function verboseIp({ bytes: b, network: o }: Frame, text: string, options: FormatOptions): string {
  const { verbose, quiet } = options
  const protocol = ipv4.protocol(b, o)
  const headerLength = ipv4.headerLength(b, o)
  const flags = `${ipv4.moreFragments(b, o) ? '+' : ''}${ipv4.dontFragment(b, o) ? (ipv4.moreFragments(b, o) ? ', DF' : 'DF') : ''}`
  const name = PROTOCOL_NAMES[protocol] ?? `unknown`
  const ecn = ['', ',ECT(1)', ',ECT(0)', ',CE'][ipv4.ecn(b, o)] as string
  const total = ipv4.totalLength(b, o)
  let header = `(tos 0x${ipv4.tos(b, o).toString(16)}${ecn}, ttl ${ipv4.ttl(b, o)}, id ${ipv4.id(b, o)}, `
  header += `offset ${ipv4.fragmentOffset(b, o)}, flags [${flags || 'none'}], proto ${name} (${protocol}), length ${total}`
  if (headerLength > ipv4.HDR_LEN) header += `, options (${optionNames(b, o + ipv4.HDR_LEN, o + headerLength)})`
  if (!ipv4.checksumOk(b, o)) {
    const is = ipv4.checksumField(b, o)
    const sum = checksum.fold(checksum.sumBytes(b, o, headerLength, 0) + (~is & 0xffff))
    header += `, bad cksum ${is.toString(16)} (->${(~sum & 0xffff).toString(16)})!`
  }
  let rest = text.slice(3)
  const end = o + total
  const at = o + headerLength
  const isWhole = end <= b.length && !ipv4.isFragment(b, o)
  if (protocol === ipv4.PROTO_TCP && isWhole && !quiet) rest = withTcpSum(b, o, at, end, rest)
  if (protocol === ipv4.PROTO_UDP && isWhole && verbose > 1) rest = withUdpSum(b, o, at, end, rest)
  if (protocol === ipv4.PROTO_ICMP && icmpv4.isError(b[at] ?? 0)) rest += quoted(b, at + icmpv4.HDR_LEN, end, options)
  return `IP ${header})\n    ${rest}`
}

/** The packet that an ICMP error is about, if its header is there. */
function quoted(b: Uint8Array, at: number, end: number, options: FormatOptions): string {
  const bytes = b.subarray(at, end)
  if (bytes.length < ipv4.HDR_LEN) return ''
  const frame = { bytes, ethernet: -1, network: 0, etherType: ethernet.TYPE_IPV4, length: bytes.length }
  const text = line(bytes, { medium: 'ip', wireLength: ipv4.totalLength(bytes, 0) })
  return text.startsWith('IP ') ? `\n\t${verboseIp(frame, text, options).slice(options.link ? 3 : 0)}` : ''
}

const OPTION_NAMES: Readonly<Record<number, string>> = {
  0: 'EOL',
  1: 'NOP',
  7: 'RR',
  68: 'timestamp',
  130: 'security',
  131: 'LSRR',
  137: 'SSRR',
  148: 'RA',
}

function optionNames(b: Uint8Array, from: number, end: number): string {
  const names: string[] = []
  for (let at = from; at < end; ) {
    const kind = b[at] ?? 0
    names.push(OPTION_NAMES[kind] ?? `unknown ${kind}`)
    if (kind === 0) break
    at += kind === 1 ? 1 : Math.max(2, b[at + 1] ?? 2)
  }
  return names.join(',')
}

const hex4 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`

/** The sum that the field at `field` should have. */
function rightSum(b: Uint8Array, o: number, at: number, end: number, is: number): number {
  const acc = ipv4.pseudo(b, o) + checksum.sumBytes(b, at, end - at, 0) + (~is & 0xffff)
  return ~checksum.fold(acc) & 0xffff
}

function withTcpSum(b: Uint8Array, o: number, at: number, end: number, text: string): string {
  const is = tcp.checksumField(b, at)
  const should = rightSum(b, o, at, end, is)
  const verdict = is === should ? 'correct' : `incorrect -> ${hex4(should)}`
  const said = text.replace(/Flags \[[^\]]*\]/, (found) => `${found}, cksum ${hex4(is)} (${verdict})`)
  if (!/: HTTP\b/.test(said)) return said
  // Text is shown line by line, up to what is no text.
  const payload = b.subarray(at + tcp.headerLength(b, at), end)
  const lines = latin1(payload).split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return /: HTTP: /.test(said)
    ? said.replace(/, length (\d+): HTTP: .*$/s, `, length $1: HTTP, length: $1\n\t${lines.join('\n\t')}`)
    : said
}

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

function withUdpSum(b: Uint8Array, o: number, at: number, end: number, text: string): string {
  const is = udp.checksumField(b, at)
  const should = rightSum(b, o, at, end, is) || 0xffff
  const verdict = is === 0 ? 'no cksum' : is === should ? 'udp sum ok' : `bad udp cksum ${hex4(is)} -> ${hex4(should)}!`
  return text.replace(/: /, `: [${verdict}] `)
}

/** -x, -xx, -X, -XX, -A, -AA. */
function dump({ bytes, ethernet: link, network, etherType, length }: Frame, options: FormatOptions): string {
  const times = Math.max(options.hex, options.hexAscii, options.ascii)
  if (times === 0) return ''
  // Padding is not shown unless the link header is.
  const total = etherType === ethernet.TYPE_IPV4 ? ipv4.totalLength(bytes, network) : length - network
  const shown = times > 1 && link >= 0 ? bytes.subarray(link) : bytes.subarray(network, network + total)
  if (options.ascii > 0) return `${asciiText(shown)}\n`
  let text = ''
  for (let at = 0; at < shown.length; at += 16) {
    const row = [...shown.subarray(at, at + 16)]
    const digits = row.map((byte, i) => (i % 2 === 0 && i > 0 ? ' ' : '') + byte.toString(16).padStart(2, '0')).join('')
    const letters = row.map(printable).join('')
    text += `\t0x${at.toString(16).padStart(4, '0')}:  ${options.hexAscii > 0 ? `${digits.padEnd(39)}  ${letters}` : digits}\n`
  }
  return text
}

const printable = (byte: number): string => (byte > 32 && byte < 127 ? String.fromCharCode(byte) : '.')

/** As -A: blanks, tabs and newlines stay what they are. */
const asciiText = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) => (byte === 9 || byte === 10 || byte === 32 ? String.fromCharCode(byte) : printable(byte)))
    .join('')
