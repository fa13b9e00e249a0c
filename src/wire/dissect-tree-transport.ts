/** Tree rows of ICMP, IGMP, UDP and TCP as Wireshark 4 shows them, with absolute sequence numbers. */
import * as ip4 from '../addr/ip4.ts'
import { get8, get16, get32 } from './bytes.ts'
import * as checksum from './checksum.ts'
import { bits, checksumNote, data, hex, node, type TreeNode, truncated } from './dissect-node.ts'
import { tcpOptionsTree } from './dissect-tree-options.ts'
import * as icmpv4 from './icmpv4.ts'
import * as ipv4 from './ipv4.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'

/** Rows of a packet quoted by an ICMP error. */
type Quoted = (at: number, end: number) => TreeNode[]

/** Rows of the payload of the IPv4 packet at `ip`, which ends at `end`. */
export function transportTree(b: Uint8Array, ip: number, end: number, quoted: Quoted): TreeNode[] {
  const o = ip + ipv4.headerLength(b, ip)
  switch (ipv4.protocol(b, ip)) {
    case ipv4.PROTO_ICMP:
      return icmpTree(b, ip, end, quoted)
    case ipv4.PROTO_IGMP:
      return igmpTree(b, o, end)
    case ipv4.PROTO_UDP:
      return udpTree(b, ip, end)
    case ipv4.PROTO_TCP:
      return tcpTree(b, ip, end)
    default:
      return data(o, end)
  }
}

/** The checksum cannot be told because it covers bytes of other fragments, or bytes that are missing. */
const FRAGMENTED = -1
const INCOMPLETE = -2

/** The checksum row; `right` is the value the field should hold, or why that cannot be told. */
function checksumNode(name: string, at: number, field: number, right: number): TreeNode {
  const why = right === FRAGMENTED ? '[unverified] [fragmented datagram]' : '[unverified]'
  const note = right < 0 ? why : checksumNote(field, right)
  return node(name, `Checksum: ${hex(field, 4)} ${note}`, at, 2)
}

/** The checksum that [o, end) should carry, given the field it does carry; FRAGMENTED or INCOMPLETE. */
function rightChecksum(b: Uint8Array, ip: number, o: number, end: number, field: number): number {
  if (ipv4.isFragment(b, ip)) return FRAGMENTED
  if (end - ip < ipv4.totalLength(b, ip)) return INCOMPLETE
  const proto = ipv4.protocol(b, ip)
  const pseudo = proto === ipv4.PROTO_ICMP ? 0 : checksum.pseudo4(ipv4.src(b, ip), ipv4.dst(b, ip), proto, end - o)
  return checksum.finish(checksum.sumBytes(b, o, end - o, pseudo + 0xffff - field))
}

const ICMP_TYPES: readonly string[] = [
  'Echo (ping) reply',
  'Reserved',
  'Reserved',
  'Destination unreachable',
  'Source quench (flow control)',
  'Redirect',
  'Alternate host address',
  'Reserved',
  'Echo (ping) request',
  'Router advertisement',
  'Router solicitation',
  'Time-to-live exceeded',
  'Parameter problem',
  'Timestamp request',
  'Timestamp reply',
  'Information request',
  'Information reply',
  'Address mask request',
  'Address mask reply',
]

const UNREACHABLE_CODES: readonly string[] = [
  'Network unreachable',
  'Host unreachable',
  'Protocol unreachable',
  'Port unreachable',
  'Fragmentation needed',
  'Source route failed',
  'Destination network unknown',
  'Destination host unknown',
  'Source host isolated',
  'Network administratively prohibited',
  'Host administratively prohibited',
  'Network unreachable for TOS',
  'Host unreachable for TOS',
  'Communication administratively filtered',
  'Host precedence violation',
  'Precedence cutoff in effect',
]

const REDIRECT_CODES: readonly string[] = [
  'Redirect for network',
  'Redirect for host',
  'Redirect for TOS and network',
  'Redirect for TOS and host',
]

function codeText(type: number, code: number): string {
  let name: string | undefined
  if (type === icmpv4.UNREACHABLE) name = UNREACHABLE_CODES[code]
  else if (type === icmpv4.REDIRECT) name = REDIRECT_CODES[code]
  else if (type === icmpv4.TIME_EXCEEDED) {
    name = ['Time to live exceeded in transit', 'Fragment reassembly time exceeded'][code]
  } else if (type === icmpv4.PARAMETER_PROBLEM) {
    name = ['Pointer indicates the error', 'Required option missing', 'Bad length'][code]
  }
  return name === undefined ? `Code: ${code}` : `Code: ${code} (${name})`
}

function icmpTree(b: Uint8Array, ip: number, end: number, quoted: Quoted): TreeNode[] {
  const o = ip + ipv4.headerLength(b, ip)
  const title = 'Internet Control Message Protocol'
  if (!icmpv4.check(b, o, end)) return [truncated(title, o, end)]
  const type = icmpv4.type(b, o)
  const field = icmpv4.checksumField(b, o)
  const rows = [
    node('icmp.type', `Type: ${type} (${ICMP_TYPES[type] ?? 'Unknown ICMP (obsolete or malformed?)'})`, o, 1),
    node('icmp.code', codeText(type, icmpv4.code(b, o)), o + 1, 1),
    checksumNode('icmp.checksum', o + 2, field, rightChecksum(b, ip, o, end, field)),
    ...icmpRestRows(b, o),
  ]
  if (icmpv4.isError(type)) return [node('icmp', title, o, end - o, [...rows, ...quoted(o + icmpv4.HDR_LEN, end)])]
  return [node('icmp', title, o, icmpv4.HDR_LEN, rows), ...data(o + icmpv4.HDR_LEN, end)]
}

function icmpRestRows(b: Uint8Array, o: number): TreeNode[] {
  switch (icmpv4.type(b, o)) {
    case icmpv4.UNREACHABLE:
      if (icmpv4.code(b, o) !== icmpv4.FRAGMENTATION_NEEDED) return []
      return [node('icmp.mtu', `MTU of next hop: ${icmpv4.mtu(b, o)}`, o + 6, 2)]
    case icmpv4.REDIRECT:
      return [node('icmp.redir_gw', `Gateway Address: ${ip4.format(icmpv4.gateway(b, o))}`, o + 4, 4)]
    case icmpv4.PARAMETER_PROBLEM:
      return [node('icmp.pointer', `Pointer: ${icmpv4.pointer(b, o)}`, o + 4, 1)]
    case icmpv4.TIME_EXCEEDED:
    case icmpv4.SOURCE_QUENCH:
    case icmpv4.ROUTER_ADVERT:
    case icmpv4.ROUTER_SOLICIT:
      return []
    default: {
      const id = icmpv4.id(b, o)
      const seq = icmpv4.seq(b, o)
      return [
        node('icmp.ident', `Identifier (BE): ${id} (${hex(id, 4)})`, o + 4, 2),
        node('icmp.seq', `Sequence Number (BE): ${seq} (${hex(seq, 4)})`, o + 6, 2),
      ]
    }
  }
}

const igmpTypeName = (type: number): string => {
  switch (type) {
    case 0x11:
      return 'Membership Query'
    case 0x12:
      return 'Membership Report'
    case 0x16:
      return 'Membership Report'
    case 0x17:
      return 'Leave Group'
    case 0x22:
      return 'Membership Report'
    default:
      return 'Unknown Type'
  }
}

function igmpTree(b: Uint8Array, o: number, end: number): TreeNode[] {
  const title = 'Internet Group Management Protocol'
  if (end - o < 8) return [truncated(title, o, end)]
  const type = get8(b, o)
  const field = get16(b, o + 2)
  const right = checksum.finish(checksum.sumBytes(b, o, end - o, 0xffff - field))
  const rows = [
    node('igmp.type', `Type: ${igmpTypeName(type)} (${hex(type, 2)})`, o, 1),
    checksumNode('igmp.checksum', o + 2, field, right),
  ]
  if (type === 0x22) rows.push(node('igmp.num_grp_recs', `Num Group Records: ${get16(b, o + 6)}`, o + 6, 2))
  else rows.push(node('igmp.maddr', `Multicast Address: ${ip4.format(get32(b, o + 4))}`, o + 4, 4))
  return [node('igmp', title, o, end - o, rows)]
}

function udpTree(b: Uint8Array, ip: number, end: number): TreeNode[] {
  const o = ip + ipv4.headerLength(b, ip)
  const title = 'User Datagram Protocol'
  if (end - o < udp.HDR_LEN) return [truncated(title, o, end)]
  const length = udp.length(b, o)
  const stop = length < udp.HDR_LEN ? end : Math.min(end, o + length)
  const field = udp.checksumField(b, o)
  const right = o + length === end ? rightChecksum(b, ip, o, end, field) || 0xffff : INCOMPLETE
  const bad = length < udp.HDR_LEN ? ` (bogus, less than ${udp.HDR_LEN})` : ''
  const rows = [
    node('udp.srcport', `Source Port: ${udp.srcPort(b, o)}`, o, 2),
    node('udp.dstport', `Destination Port: ${udp.dstPort(b, o)}`, o + 2, 2),
    node('udp.length', `Length: ${length}${bad}`, o + 4, 2),
    field === 0
      ? node('udp.checksum', 'Checksum: 0x0000 [zero-value ignored]', o + 6, 2)
      : checksumNode('udp.checksum', o + 6, field, right),
  ]
  const ports = `Src Port: ${udp.srcPort(b, o)}, Dst Port: ${udp.dstPort(b, o)}`
  return [node('udp', `${title}, ${ports}`, o, udp.HDR_LEN, rows), ...data(o + udp.HDR_LEN, stop)]
}

/** Flag bits from the highest, with Wireshark's field name, long and short names. */
const TCP_FLAGS: readonly (readonly [number, string, string, string])[] = [
  [tcp.AE, 'ae', 'Accurate ECN', 'AE'],
  [tcp.CWR, 'cwr', 'Congestion Window Reduced', 'CWR'],
  [tcp.ECE, 'ece', 'ECN-Echo', 'ECE'],
  [tcp.URG, 'urg', 'Urgent', 'URG'],
  [tcp.ACK, 'ack', 'Acknowledgment', 'ACK'],
  [tcp.PSH, 'push', 'Push', 'PSH'],
  [tcp.RST, 'reset', 'Reset', 'RST'],
  [tcp.SYN, 'syn', 'Syn', 'SYN'],
  [tcp.FIN, 'fin', 'Fin', 'FIN'],
]

function tcpFlagsNode(b: Uint8Array, o: number): TreeNode {
  const word = get16(b, o + 12) & 0xfff
  const set = TCP_FLAGS.filter(([bit]) => (word & bit) !== 0).map(([, , , short]) => short)
  const reserved = (word & 0xe00) !== 0 ? 'Set' : 'Not set'
  const rows = TCP_FLAGS.map(([bit, name, long]) => {
    const state = (word & bit) !== 0 ? 'Set' : 'Not set'
    return node(`tcp.flags.${name}`, `${bits(word, bit, 12)} = ${long}: ${state}`, o + (bit > 0xff ? 12 : 13), 1)
  })
  return node('tcp.flags', `Flags: ${hex(word, 3)} (${set.reverse().join(', ') || '<None>'})`, o + 12, 2, [
    node('tcp.flags.res', `${bits(word, 0xe00, 12)} = Reserved: ${reserved}`, o + 12, 1),
    ...rows,
  ])
}

function tcpTree(b: Uint8Array, ip: number, end: number): TreeNode[] {
  const o = ip + ipv4.headerLength(b, ip)
  const title = 'Transmission Control Protocol'
  if (end - o < tcp.HDR_LEN) return [truncated(title, o, end)]
  const headerLen = tcp.headerLength(b, o)
  const ports = `Src Port: ${tcp.srcPort(b, o)}, Dst Port: ${tcp.dstPort(b, o)}`
  if (headerLen < tcp.HDR_LEN) return [node('tcp', `${title}, ${ports} [bogus header length ${headerLen}]`, o, end - o)]
  const field = tcp.checksumField(b, o)
  const seq = tcp.seq(b, o) >>> 0
  const ack = tcp.ack(b, o) >>> 0
  const size = Math.max(0, ipv4.totalLength(b, ip) - ipv4.headerLength(b, ip) - headerLen)
  const lengthBits = bits(get8(b, o + 12), 0xf0, 8)
  const ackText = (tcp.flags(b, o) & tcp.ACK) !== 0 ? `, Ack: ${ack}` : ''
  const rows = [
    node('tcp.srcport', `Source Port: ${tcp.srcPort(b, o)}`, o, 2),
    node('tcp.dstport', `Destination Port: ${tcp.dstPort(b, o)}`, o + 2, 2),
    node('tcp.seq', `Sequence Number: ${seq}`, o + 4, 4),
    node('tcp.ack', `Acknowledgment Number: ${ack}`, o + 8, 4),
    node('tcp.hdr_len', `${lengthBits} = Header Length: ${headerLen} bytes (${headerLen / 4})`, o + 12, 1),
    tcpFlagsNode(b, o),
    node('tcp.window_size_value', `Window: ${tcp.window(b, o)}`, o + 14, 2),
    checksumNode('tcp.checksum', o + 16, field, rightChecksum(b, ip, o, end, field)),
    node('tcp.urgent_pointer', `Urgent Pointer: ${tcp.urgent(b, o)}`, o + 18, 2),
  ]
  const stop = Math.min(end, o + headerLen)
  if (headerLen > tcp.HDR_LEN) rows.push(tcpOptionsTree(b, o + tcp.HDR_LEN, stop))
  if (o + headerLen > end) rows.push(truncated(title, stop, end))
  const head = node('tcp', `${title}, ${ports}, Seq: ${seq}${ackText}, Len: ${size}`, o, stop - o, rows)
  return [head, ...data(stop, end)]
}
