/** The one-line form of what IPv4 carries: UDP, ICMP, IGMP and the rest (print-udp.c, print-icmp.c, print-igmp.c). */
import * as ip4 from '../addr/ip4.ts'
import { get8, get16, get32 } from './bytes.ts'
import { printTcp } from './dissect-tcp.ts'
import type { Line } from './dissect-text.ts'
import * as icmpv4 from './icmpv4.ts'
import * as ipv4 from './ipv4.ts'
import * as udp from './udp.ts'

/** Prints the payload at `o` of the IPv4 packet at `ip`; `length` is what the IP header says (print-ip-demux.c). */
export function printTransport(line: Line, ip: number, o: number, length: number): boolean {
  const fragmented = ipv4.moreFragments(line.b, ip)
  const proto = ipv4.protocol(line.b, ip)
  switch (proto) {
    case ipv4.PROTO_TCP:
      return printTcp(line, ip, o, length)
    case ipv4.PROTO_UDP:
      return printUdp(line, ip, o, length, fragmented)
    case ipv4.PROTO_ICMP:
      return printIcmp(line, o, length)
    case ipv4.PROTO_IGMP:
      return printIgmp(line, o, length)
    default:
      return line.add(` ip-proto-${proto} ${length}`)
  }
}

function printUdp(line: Line, ip: number, o: number, length: number, fragmented: boolean): boolean {
  const { b } = line
  line.protocol = 'udp'
  const src = ip4.format(ipv4.src(b, ip))
  const dst = ip4.format(ipv4.dst(b, ip))
  if (!line.has(o, 4)) {
    line.add(`${src} > ${dst}: `)
    return line.truncated()
  }
  line.text += `${src}.${udp.srcPort(b, o)} > ${dst}.${udp.dstPort(b, o)}: `
  if (length < udp.HDR_LEN) {
    return line.malformed(`truncated-udp ${length}`)
  }
  if (!line.has(o, 6)) return line.truncated()
  const stated = udp.length(b, o)
  if (stated < udp.HDR_LEN) {
    return line.malformed(`truncated-udplength ${stated}`)
  }
  if (!line.has(o, udp.HDR_LEN)) return line.truncated()
  const rest = length - udp.HDR_LEN
  const data = stated - udp.HDR_LEN
  return line.add(data > rest && !fragmented ? `UDP, bad length ${data} > ${rest}` : `UDP, length ${data}`)
}

function printIcmp(line: Line, o: number, length: number): boolean {
  line.protocol = 'icmp'
  if (!line.has(o, 2)) return line.truncated()
  const text = icmpText(line, o)
  if (text === undefined) return line.truncated()
  return line.add(`ICMP ${text}, length ${length}`)
}

/** The message; undefined if it is cut off. */
function icmpText(line: Line, o: number): string | undefined {
  const { b } = line
  const word = line.has(o, icmpv4.HDR_LEN)
  const code = icmpv4.code(b, o)
  switch (icmpv4.type(b, o)) {
    case icmpv4.ECHO:
      return word ? `echo request, id ${icmpv4.id(b, o)}, seq ${icmpv4.seq(b, o)}` : undefined
    case icmpv4.ECHO_REPLY:
      return word ? `echo reply, id ${icmpv4.id(b, o)}, seq ${icmpv4.seq(b, o)}` : undefined
    case icmpv4.UNREACHABLE:
      return unreachableText(line, o)
    case icmpv4.REDIRECT:
      return redirectText(line, o)
    case icmpv4.TIME_EXCEEDED:
      if (!line.has(icmpv4.dataOffset(o), ipv4.HDR_LEN)) return undefined
      if (code === icmpv4.TTL_EXCEEDED) return 'time exceeded in-transit'
      return code === icmpv4.REASSEMBLY_EXCEEDED ? 'ip reassembly time exceeded' : `time exceeded-#${code}`
    case icmpv4.PARAMETER_PROBLEM:
      if (code !== 0) return `parameter problem - code ${code}`
      return line.has(o, 5) ? `parameter problem - octet ${icmpv4.pointer(b, o)}` : undefined
    case icmpv4.ROUTER_ADVERT:
      return word ? routerAdvertText(line, o) : undefined
    case icmpv4.MASK_REPLY:
      return line.has(o, 12) ? `address mask is 0x${(get32(b, o + 8) >>> 0).toString(16).padStart(8, '0')}` : undefined
    case icmpv4.TIMESTAMP:
      return word ? `time stamp query id ${icmpv4.id(b, o)} seq ${icmpv4.seq(b, o)}` : undefined
    case icmpv4.TIMESTAMP_REPLY:
      return timestampText(line, o)
    default:
      return plainIcmpName(icmpv4.type(b, o))
  }
}

function plainIcmpName(type: number): string {
  switch (type) {
    case icmpv4.SOURCE_QUENCH:
      return 'source quench'
    case icmpv4.ROUTER_SOLICIT:
      return 'router solicitation'
    case icmpv4.INFO_REQUEST:
      return 'information request'
    case icmpv4.INFO_REPLY:
      return 'information reply'
    case icmpv4.MASK_REQUEST:
      return 'address mask request'
    default:
      return `type-#${type}`
  }
}

/** What tcpdump says of each unreachable code; `%` stands for the address the quoted datagram was sent to. */
const UNREACHABLE_TEXT: readonly string[] = [
  'net % unreachable',
  'host % unreachable',
  '',
  '',
  '% unreachable - need to frag',
  '% unreachable - source route failed',
  'net % unreachable - unknown',
  'host % unreachable - unknown',
  '% unreachable - source host isolated',
  'net % unreachable - admin prohibited',
  'host % unreachable - admin prohibited',
  'net % unreachable - tos prohibited',
  'host % unreachable - tos prohibited',
  'host % unreachable - admin prohibited filter',
  'host % unreachable - host precedence violation',
  'host % unreachable - precedence cutoff',
]

function unreachableText(line: Line, o: number): string | undefined {
  const { b } = line
  const quoted = icmpv4.dataOffset(o)
  if (!line.has(quoted, ipv4.HDR_LEN)) return undefined
  const dst = ip4.format(ipv4.dst(b, quoted))
  const code = icmpv4.code(b, o)
  const proto = ipv4.protocol(b, quoted)
  if (code === icmpv4.PROTOCOL_UNREACHABLE) return `${dst} protocol ${proto} unreachable`
  if (code === icmpv4.PORT_UNREACHABLE) {
    const ports = quoted + ipv4.headerLength(b, quoted)
    if (!line.has(ports, 4)) return undefined
    const port = get16(b, ports + 2)
    if (proto === ipv4.PROTO_TCP) return `${dst} tcp port ${port} unreachable`
    if (proto === ipv4.PROTO_UDP) return `${dst} udp port ${port} unreachable`
    return `${dst} protocol ${proto} port ${port} unreachable`
  }
  const text = (UNREACHABLE_TEXT[code] ?? `% unreachable - #${code}`).replace('%', dst)
  return code === icmpv4.FRAGMENTATION_NEEDED && icmpv4.mtu(b, o) !== 0 ? `${text} (mtu ${icmpv4.mtu(b, o)})` : text
}

function redirectText(line: Line, o: number): string | undefined {
  const { b } = line
  const quoted = icmpv4.dataOffset(o)
  if (!line.has(quoted, ipv4.HDR_LEN)) return undefined
  const dst = ip4.format(ipv4.dst(b, quoted))
  const gateway = ip4.format(icmpv4.gateway(b, o))
  switch (icmpv4.code(b, o)) {
    case icmpv4.REDIRECT_NET:
      return `redirect ${dst} to net ${gateway}`
    case icmpv4.REDIRECT_HOST:
      return `redirect ${dst} to host ${gateway}`
    case icmpv4.REDIRECT_TOS_NET:
      return `redirect-tos ${dst} to net ${gateway}`
    case icmpv4.REDIRECT_TOS_HOST:
      return `redirect-tos ${dst} to host ${gateway}`
    default:
      return `redirect-#${icmpv4.code(b, o)} ${dst} to ${gateway}`
  }
}

/** RFC 1256 §3.1: lifetime, and addresses with their preference. */
function routerAdvertText(line: Line, o: number): string | undefined {
  const { b } = line
  const life = icmpv4.mtu(b, o)
  const two = (n: number): string => String(Math.floor(n) % 60).padStart(2, '0')
  let s = `router advertisement lifetime ${life < 60 ? life : Math.floor(life / (life < 3600 ? 60 : 3600))}`
  if (life >= 3600) s += `:${two(life / 60)}`
  if (life >= 60) s += `:${two(life)}`
  const count = get8(b, o + 4)
  s += ` ${count}:`
  if (get8(b, o + 5) !== 2) return `${s} [size ${get8(b, o + 5)}]`
  for (let i = 0, at = icmpv4.dataOffset(o); i < count; i++, at += 8) {
    if (!line.has(at, 8)) return undefined
    s += ` {${ip4.format(get32(b, at))} ${get32(b, at + 4) >>> 0}}`
  }
  return s
}

function timestampText(line: Line, o: number): string | undefined {
  const { b } = line
  if (!line.has(o, 20)) return undefined
  const at = (i: number): string => clockText(get32(b, o + i) >>> 0)
  return `time stamp reply id ${icmpv4.id(b, o)} seq ${icmpv4.seq(b, o)}: org ${at(8)}, recv ${at(12)}, xmit ${at(16)}`
}

/** Milliseconds since midnight as hh:mm:ss.mmm (RFC 792). */
function clockText(ms: number): string {
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0')
  const seconds = Math.floor(ms / 1000)
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}.${String(ms % 1000).padStart(3, '0')}`
}

function printIgmp(line: Line, o: number, length: number): boolean {
  const { b } = line
  line.protocol = 'igmp'
  if (!line.has(o, 1)) return line.truncated()
  const type = get8(b, o)
  if (type === 0x11) return printIgmpQuery(line, o, length)
  if (type === 0x22) {
    line.add('igmp v3 report')
    if (length < 16 || length % 4 !== 0) return line.malformed(` [invalid len ${length}]`)
    return line.has(o, 8) ? line.add(`, ${get16(b, o + 6)} group record(s)`) : line.truncated()
  }
  const name = igmpName(type)
  if (name === '') return line.add(`igmp-${type}`)
  if (!line.has(o, 8)) return line.truncated()
  return line.add(`igmp ${name} ${ip4.format(get32(b, o + 4))}`)
}

/** Version 1 and 2 queries have 8 bytes, RFC 2236 §2. */
const oddLength = (length: number): string => (length === 8 ? '' : ` [len ${length}]`)

function igmpName(type: number): string {
  switch (type) {
    case 0x12:
      return 'v1 report'
    case 0x16:
      return 'v2 report'
    case 0x17:
      return 'leave'
    default:
      return ''
  }
}

function printIgmpQuery(line: Line, o: number, length: number): boolean {
  const { b } = line
  line.add('igmp query')
  if (length < 12) {
    if (!line.has(o, 2)) return line.truncated()
    const wait = get8(b, o + 1)
    line.add(wait === 0 ? ' v1' : wait === 100 ? ' v2' : ` v2 [max resp time ${wait}]`)
    if (!line.has(o, 8)) return line.truncated()
    const group = get32(b, o + 4)
    return line.add(`${group === 0 ? '' : ` [gaddr ${ip4.format(group)}]`}${oddLength(length)}`)
  }
  line.add(' v3')
  if (!line.has(o, 8)) return line.truncated()
  if (get32(b, o + 4) === 0) return true
  line.add(` [gaddr ${ip4.format(get32(b, o + 4))}`)
  if (!line.has(o, 12)) return line.truncated()
  const sources = get16(b, o + 10)
  if (sources === 0) return line.add(']')
  const whole = length >= 12 + 4 * sources
  return line.add(whole ? `, ${sources} source(s)]` : ` [invalid number of sources ${sources}]]`)
}
