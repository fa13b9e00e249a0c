/**
 * The one-line form of a frame: link, ARP and IPv4 layers, as `tcpdump -n` 4.99 prints them (print-ether.c,
 * print-arp.c, print-ip.c). Transports are in dissect-transport.ts. What tcpdump would print as a hex dump is left out.
 */
import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import * as arp from './arp.ts'
import { get8, get16, get32 } from './bytes.ts'
import { hexDigits as hex, type Line } from './dissect-text.ts'
import { printTransport } from './dissect-transport.ts'
import * as ethernet from './ethernet.ts'
import * as ipv4 from './ipv4.ts'

/** How many IP headers inside IP headers are followed. */
const MAX_DEPTH = 8

/** Prints an Ethernet frame of `length` bytes on the wire (print-ether.c). */
export function printEthernet(line: Line, o: number, length: number): boolean {
  line.protocol = 'ether'
  if (!line.has(o, ethernet.HDR_LEN) || length < ethernet.HDR_LEN) return line.truncated()
  let at = o + ethernet.HDR_LEN
  let type = ethernet.etherType(line.b, o)
  for (let tags = 0; tags < 4 && (type === ethernet.TYPE_VLAN || type === ethernet.TYPE_QINQ); tags++) {
    line.protocol = 'vlan'
    if (!line.has(at, ethernet.VLAN_LEN) || length < at - o + ethernet.VLAN_LEN) return line.truncated()
    type = get16(line.b, at + 2)
    at += ethernet.VLAN_LEN
  }
  const rest = length - (at - o)
  if (type === ethernet.TYPE_IPV4) return printIpv4(line, at, rest)
  if (type === ethernet.TYPE_ARP || type === ethernet.TYPE_RARP) return printArp(line, at, rest)
  const name = type < ethernet.TYPE_MIN ? '802.3' : `ethertype ${typeName(type)} (0x${hex(type, 4)})`
  return line.add(`${mac.format(line.b, o + 6)} > ${mac.format(line.b, o)}, ${name}, length ${length}:`)
}

function typeName(type: number): string {
  switch (type) {
    case ethernet.TYPE_IPV6:
      return 'IPv6'
    case 0x8847:
      return 'MPLS unicast'
    case 0x8863:
      return 'PPPoE D'
    case 0x8864:
      return 'PPPoE S'
    case 0x88cc:
      return 'LLDP'
    default:
      return 'Unknown'
  }
}

/** Prints an ARP or RARP packet (print-arp.c). */
function printArp(line: Line, o: number, length: number): boolean {
  const { b } = line
  line.protocol = 'arp'
  if (!line.has(o, arp.FIXED_LEN)) return line.truncated()
  const hlen = arp.hardwareLength(b, o)
  const plen = arp.protocolLength(b, o)
  if (!line.has(o, arp.FIXED_LEN + 2 * hlen + 2 * plen)) return line.truncated()
  line.text += 'ARP, '
  const proto = arp.protocolType(b, o)
  const op = arp.operation(b, o)
  if (proto !== ethernet.TYPE_IPV4 || plen !== 4 || hlen === 0) {
    const hardware = `${hardwareName(arp.hardwareType(b, o))} (len ${hlen})`
    return line.malformed(`${hardware}, ${protocolName(proto)} (len ${plen}), length ${length}`)
  }
  if (operationName(op) === '') return line.malformed(`Unknown (${op})`)
  return line.add(`${operationName(op)} ${arpBody(b, o, hlen, plen)}, length ${length}`)
}

const hardwareName = (type: number): string => (type === arp.HW_ETHERNET ? 'Ethernet' : `Unknown Hardware (${type})`)
const protocolName = (type: number): string =>
  type === ethernet.TYPE_IPV4 ? 'IPv4' : `Unknown Protocol (0x${hex(type, 4)})`

function operationName(op: number): string {
  switch (op) {
    case arp.OP_REQUEST:
      return 'Request'
    case arp.OP_REPLY:
      return 'Reply'
    case arp.OP_RARP_REQUEST:
      return 'Reverse Request'
    case arp.OP_RARP_REPLY:
      return 'Reverse Reply'
    case arp.OP_INARP_REQUEST:
      return 'Inverse Request'
    case arp.OP_INARP_REPLY:
      return 'Inverse Reply'
    default:
      return ''
  }
}

function arpBody(b: Uint8Array, o: number, hlen: number, plen: number): string {
  const sha = o + arp.FIXED_LEN
  const spa = sha + hlen
  const tha = spa + plen
  const tpa = tha + hlen
  const address = (at: number): string => (plen === 4 ? ip4.format(get32(b, at)) : `<wrong len ${plen}>`)
  const hardware = (at: number): string => (hlen === 0 ? '<No address>' : linkAddress(b, at, hlen))
  switch (arp.operation(b, o)) {
    case arp.OP_REQUEST: {
      const known = isNonzero(b, tha, hlen) ? ` (${hardware(tha)})` : ''
      return `who-has ${address(tpa)}${known} tell ${address(spa)}`
    }
    case arp.OP_REPLY:
      return `${address(spa)} is-at ${hardware(sha)}`
    case arp.OP_RARP_REQUEST:
      return `who-is ${hardware(tha)} tell ${hardware(sha)}`
    case arp.OP_RARP_REPLY:
      return `${hardware(tha)} at ${address(tpa)}`
    case arp.OP_INARP_REQUEST:
      return `who-is ${hardware(tha)} tell ${hardware(sha)}`
    case arp.OP_INARP_REPLY:
      return `${hardware(sha)} at ${address(spa)}`
    default:
      return ''
  }
}

function isNonzero(b: Uint8Array, o: number, n: number): boolean {
  for (let i = 0; i < n; i++) if (get8(b, o + i) !== 0) return true
  return false
}

function linkAddress(b: Uint8Array, o: number, n: number): string {
  let s = hex(get8(b, o), 2)
  for (let i = 1; i < n; i++) s += `:${hex(get8(b, o + i), 2)}`
  return s
}

/** Prints an IPv4 packet; `length` is what the layer below says there is (print-ip.c). */
export function printIpv4(line: Line, o: number, length: number): boolean {
  const { b } = line
  line.protocol = 'ip'
  if (!line.has(o, 1)) return line.truncated()
  const version = ipv4.version(b, o)
  if (version !== 4) {
    return line.malformed(`IP${version}${version === 6 ? ', wrong link-layer encapsulation' : ''} (invalid)`)
  }
  line.text += 'IP '
  if (length < ipv4.HDR_LEN || !line.has(o, ipv4.HDR_LEN)) return line.truncated()
  const headerLen = ipv4.headerLength(b, o)
  if (headerLen < ipv4.HDR_LEN) {
    return line.malformed(`bad-hlen ${headerLen}`)
  }
  const total = ipv4.totalLength(b, o)
  if (length < total) line.text += `truncated-ip - ${total - length} bytes missing! `
  if (total < headerLen) {
    return line.malformed(`bad-len ${total}`)
  }
  line.end = Math.min(line.end, o + total)
  return printPayload(line, o, total - headerLen)
}

function printPayload(line: Line, o: number, length: number): boolean {
  const { b } = line
  const proto = ipv4.protocol(b, o)
  const route = `${ip4.format(ipv4.src(b, o))} > ${ip4.format(ipv4.dst(b, o))}:`
  if (ipv4.fragmentOffset(b, o) !== 0) {
    return line.malformed(`${route} ip-proto-${proto}`)
  }
  const headerLen = ipv4.headerLength(b, o)
  if (proto !== ipv4.PROTO_TCP && proto !== ipv4.PROTO_UDP && proto !== ipv4.PROTO_SCTP) line.text += `${route} `
  if (!line.has(o, headerLen)) {
    line.add(` [remaining caplen(${line.end - o}) < header length(${headerLen})]`)
    return line.truncated()
  }
  if (proto !== ipv4.PROTO_IPIP) return printTransport(line, o, o + headerLen, length)
  return ++line.depth < MAX_DEPTH ? printIpv4(line, o + headerLen, length) : line.malformed('...')
}
