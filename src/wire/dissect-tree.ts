/** The tree of a frame: Ethernet, ARP and IPv4 rows as Wireshark 4 shows them; see dissect-tree-transport.ts. */
import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import * as arp from './arp.ts'
import { get8, get16 } from './bytes.ts'
import * as checksum from './checksum.ts'
import { bits, checksumNote, data, hex, node, type TreeNode, truncated } from './dissect-node.ts'
import { ipv4OptionsTree } from './dissect-tree-options.ts'
import { transportTree } from './dissect-tree-transport.ts'
import * as ethernet from './ethernet.ts'
import * as ipv4 from './ipv4.ts'

/** How deep IP inside IP or ICMP is followed. */
const MAX_DEPTH = 8

/** The layers of a frame, outermost first. */
export function frameTree(b: Uint8Array, medium: 'ethernet' | 'ip'): TreeNode[] {
  return medium === 'ip' ? ipv4Tree(b, 0, b.length, 0) : ethernetTree(b, 0, b.length)
}

function macNode(b: Uint8Array, o: number, name: string, label: string): TreeNode {
  const first = get8(b, o)
  const local = 'Locally administered address (this is NOT the factory default)'
  const lg = (first & 2) !== 0 ? local : 'Globally unique address (factory default)'
  const ig = (first & 1) !== 0 ? 'Group address (multicast/broadcast)' : 'Individual address (unicast)'
  return node(name, `${label}: ${mac.format(b, o)}`, o, 6, [
    node('eth.addr', `Address: ${mac.format(b, o)}`, o, 6),
    node('eth.lg', `${bits(first << 16, 0x020000, 24)} = LG bit: ${lg}`, o, 3),
    node('eth.ig', `${bits(first << 16, 0x010000, 24)} = IG bit: ${ig}`, o, 3),
  ])
}

/** The name of an EtherType as Wireshark writes it. */
const typeName = (type: number): string => {
  switch (type) {
    case ethernet.TYPE_IPV4:
      return 'IPv4'
    case ethernet.TYPE_ARP:
      return 'ARP'
    case ethernet.TYPE_RARP:
      return 'RARP'
    case ethernet.TYPE_IPV6:
      return 'IPv6'
    case ethernet.TYPE_VLAN:
      return '802.1Q Virtual LAN'
    default:
      return 'Unknown'
  }
}

function ethernetTree(b: Uint8Array, o: number, end: number): TreeNode[] {
  if (!ethernet.check(b, o, end)) return [truncated('Ethernet II', o, end)]
  const type = ethernet.etherType(b, o)
  const title = `Ethernet II, Src: ${mac.format(b, o + 6)}, Dst: ${mac.format(b, o)}`
  const typeText = type < ethernet.TYPE_MIN ? `Length: ${type}` : `Type: ${typeName(type)} (${hex(type, 4)})`
  const head = node('eth', title, o, ethernet.HDR_LEN, [
    macNode(b, o, 'eth.dst', 'Destination'),
    macNode(b, o + 6, 'eth.src', 'Source'),
    node('eth.type', typeText, o + 12, 2),
  ])
  return [head, ...payloadTree(b, o + ethernet.HDR_LEN, end, type, 0)]
}

function payloadTree(b: Uint8Array, o: number, end: number, type: number, tags: number): TreeNode[] {
  if (type === ethernet.TYPE_IPV4) return ipv4Tree(b, o, end, 0)
  if (type === ethernet.TYPE_ARP || type === ethernet.TYPE_RARP) return arpTree(b, o, end)
  if ((type !== ethernet.TYPE_VLAN && type !== ethernet.TYPE_QINQ) || tags >= 4) return data(o, end)
  if (end - o < ethernet.VLAN_LEN) return [truncated('802.1Q Virtual LAN', o, end)]
  const tag = get16(b, o)
  const inner = get16(b, o + 2)
  const title = `802.1Q Virtual LAN, PRI: ${tag >>> 13}, DEI: ${(tag >>> 12) & 1}, ID: ${tag & 0xfff}`
  const head = node('vlan', title, o, ethernet.VLAN_LEN, [
    node('vlan.id', `${bits(tag, 0xfff, 16)} = ID: ${tag & 0xfff}`, o, 2),
    node('vlan.etype', `Type: ${typeName(inner)} (${hex(inner, 4)})`, o + 2, 2),
  ])
  return [head, ...payloadTree(b, o + ethernet.VLAN_LEN, end, inner, tags + 1)]
}

const operationText = (op: number): string => {
  const names = [
    '',
    'request',
    'reply',
    'reverse request',
    'reverse reply',
    '',
    '',
    '',
    'inverse request',
    'inverse reply',
  ]
  return names[op] || 'unknown'
}

function arpTree(b: Uint8Array, o: number, end: number): TreeNode[] {
  const title = 'Address Resolution Protocol'
  if (!arp.check(b, o, end)) {
    return end - o < arp.HDR_LEN ? [truncated(title, o, end)] : [node('arp', `${title} (other media)`, o, end - o)]
  }
  const op = arp.operation(b, o)
  const rows = [
    node('arp.hw.type', 'Hardware type: Ethernet (1)', o, 2),
    node('arp.proto.type', 'Protocol type: IPv4 (0x0800)', o + 2, 2),
    node('arp.hw.size', 'Hardware size: 6', o + 4, 1),
    node('arp.proto.size', 'Protocol size: 4', o + 5, 1),
    node('arp.opcode', `Opcode: ${operationText(op)} (${op})`, o + 6, 2),
    node('arp.src.hw_mac', `Sender MAC address: ${mac.format(b, o + 8)}`, o + 8, 6),
    node('arp.src.proto_ipv4', `Sender IP address: ${ip4.format(arp.senderIp(b, o))}`, o + 14, 4),
    node('arp.dst.hw_mac', `Target MAC address: ${mac.format(b, o + 18)}`, o + 18, 6),
    node('arp.dst.proto_ipv4', `Target IP address: ${ip4.format(arp.targetIp(b, o))}`, o + 24, 4),
  ]
  return [node('arp', `${title} (${operationText(op)})`, o, arp.HDR_LEN, rows), ...data(o + arp.HDR_LEN, end)]
}

/** The layers of an IPv4 packet; inside an ICMP error `depth` is above 0 and the packet may be cut off. */
export function ipv4Tree(b: Uint8Array, o: number, end: number, depth: number): TreeNode[] {
  const title = 'Internet Protocol Version 4'
  if (end - o < ipv4.HDR_LEN) return [truncated(title, o, end)]
  const headerLen = ipv4.headerLength(b, o)
  if (ipv4.version(b, o) !== 4 || headerLen < ipv4.HDR_LEN) {
    return [node('ip', `${title} [bogus version or header length]`, o, end - o)]
  }
  if (o + headerLen > end) return [truncated(title, o, end)]
  const src = ip4.format(ipv4.src(b, o))
  const dst = ip4.format(ipv4.dst(b, o))
  const rows = ipv4Rows(b, o)
  if (headerLen > ipv4.HDR_LEN) rows.push(ipv4OptionsTree(b, o + ipv4.HDR_LEN, o + headerLen))
  const head = node('ip', `${title}, Src: ${src}, Dst: ${dst}`, o, headerLen, rows)
  const stop = Math.min(end, o + Math.max(ipv4.totalLength(b, o), headerLen))
  if (ipv4.fragmentOffset(b, o) !== 0) return [head, ...data(o + headerLen, stop)]
  if (ipv4.protocol(b, o) === ipv4.PROTO_IPIP && depth < MAX_DEPTH) {
    return [head, ...ipv4Tree(b, o + headerLen, stop, depth + 1)]
  }
  const quoted = (at: number, to: number): TreeNode[] =>
    depth < MAX_DEPTH ? ipv4Tree(b, at, to, depth + 1) : data(at, to)
  return [head, ...transportTree(b, o, stop, quoted)]
}

const protocolName = (proto: number): string => {
  switch (proto) {
    case ipv4.PROTO_ICMP:
      return 'ICMP'
    case ipv4.PROTO_IGMP:
      return 'IGMP'
    case ipv4.PROTO_IPIP:
      return 'IPIP'
    case ipv4.PROTO_TCP:
      return 'TCP'
    case ipv4.PROTO_UDP:
      return 'UDP'
    case ipv4.PROTO_IPV6:
      return 'IPv6'
    case ipv4.PROTO_GRE:
      return 'Generic Routing Encapsulation'
    case ipv4.PROTO_SCTP:
      return 'SCTP'
    default:
      return 'Unknown'
  }
}

const flagNames = (word: number): string => {
  const names: string[] = []
  if ((word & ipv4.RF) !== 0) names.push('Reserved bit')
  if ((word & ipv4.DF) !== 0) names.push("Don't fragment")
  if ((word & ipv4.MF) !== 0) names.push('More fragments')
  return names.length === 0 ? '' : `, ${names.join(', ')}`
}

const isSet = (word: number, mask: number): string => ((word & mask) !== 0 ? 'Set' : 'Not set')

function ipFlagsNode(word: number, at: number): TreeNode {
  const byte = word >>> 8
  return node('ip.flags', `${bits(byte, 0xe0, 8)} = Flags: ${hex(word >>> 13, 1)}${flagNames(word)}`, at, 1, [
    node('ip.flags.rb', `${bits(byte, 0x80, 8)} = Reserved bit: ${isSet(word, ipv4.RF)}`, at, 1),
    node('ip.flags.df', `${bits(byte, 0x40, 8)} = Don't fragment: ${isSet(word, ipv4.DF)}`, at, 1),
    node('ip.flags.mf', `${bits(byte, 0x20, 8)} = More fragments: ${isSet(word, ipv4.MF)}`, at, 1),
  ])
}

function ipv4Rows(b: Uint8Array, o: number): TreeNode[] {
  const headerLen = ipv4.headerLength(b, o)
  const word = ipv4.fragmentWord(b, o)
  const id = ipv4.id(b, o)
  const field = ipv4.checksumField(b, o)
  const right = checksum.finish(checksum.sumBytes(b, o, headerLen, 0xffff - field))
  const first = get8(b, o)
  return [
    node('ip.version', `${bits(first, 0xf0, 8)} = Version: 4`, o, 1),
    node('ip.hdr_len', `${bits(first, 0x0f, 8)} = Header Length: ${headerLen} bytes (${headerLen / 4})`, o, 1),
    dsNode(b, o),
    node('ip.len', `Total Length: ${ipv4.totalLength(b, o)}`, o + 2, 2),
    node('ip.id', `Identification: ${hex(id, 4)} (${id})`, o + 4, 2),
    ipFlagsNode(word, o + 6),
    node('ip.frag_offset', `${bits(word, 0x1fff, 16)} = Fragment Offset: ${ipv4.fragmentOffset(b, o)}`, o + 6, 2),
    node('ip.ttl', `Time to Live: ${ipv4.ttl(b, o)}`, o + 8, 1),
    node('ip.proto', `Protocol: ${protocolName(ipv4.protocol(b, o))} (${ipv4.protocol(b, o)})`, o + 9, 1),
    node('ip.checksum', `Header Checksum: ${hex(field, 4)} ${checksumNote(field, right)}`, o + 10, 2),
    node('ip.src', `Source Address: ${ip4.format(ipv4.src(b, o))}`, o + 12, 4),
    node('ip.dst', `Destination Address: ${ip4.format(ipv4.dst(b, o))}`, o + 16, 4),
  ]
}

/** Short and long names of the ECN codepoints, RFC 3168 §5. */
const ECN_NAMES: readonly (readonly [string, string])[] = [
  ['Not-ECT', 'Not ECN-Capable Transport'],
  ['ECT(1)', 'ECN-Capable Transport codepoint "01"'],
  ['ECT(0)', "ECN-Capable Transport codepoint '10'"],
  ['CE', 'Congestion Experienced'],
]

/** Short and long names of DSCPs, RFC 2474, RFC 2597, RFC 3246. */
function dscpNames(dscp: number): [string, string] {
  if (dscp === 0) return ['CS0', 'Default']
  if (dscp === 46) return ['EF PHB', 'Expedited Forwarding']
  if (dscp % 8 === 0) return [`CS${dscp / 8}`, `Class Selector ${dscp / 8}`]
  const drop = (dscp & 7) >>> 1
  const group = dscp >>> 3
  if ((dscp & 1) === 0 && drop > 0 && group > 0 && group < 5) {
    return [`AF${group}${drop}`, `Assured Forwarding ${group}${drop}`]
  }
  return ['Unknown', 'Unknown']
}

function dsNode(b: Uint8Array, o: number): TreeNode {
  const tos = ipv4.tos(b, o)
  const dscp = ipv4.dscp(b, o)
  const [short, long] = dscpNames(dscp)
  const [ecnShort, ecnLong] = ECN_NAMES[ipv4.ecn(b, o)] ?? ['', '']
  const title = `Differentiated Services Field: ${hex(tos, 2)} (DSCP: ${short}, ECN: ${ecnShort})`
  return node('ip.dsfield', title, o + 1, 1, [
    node('ip.dsfield.dscp', `${bits(tos, 0xfc, 8)} = Differentiated Services Codepoint: ${long} (${dscp})`, o + 1, 1),
    node('ip.dsfield.ecn', `${bits(tos, 3, 8)} = Explicit Congestion Notification: ${ecnLong} (${tos & 3})`, o + 1, 1),
  ])
}
