/** Frames built with our own emitters for what the kernel capture lacks; every text comes from tcpdump, not from us. */
import * as ip4 from '../../src/addr/ip4.ts'
import { arp, ethernet, icmpv4, ipv4, ipv4Options, tcp, tcpOptions, udp } from '../../src/wire/index.ts'

/** Addresses of the two ends. */
export const A: number = ip4.of(10, 0, 0, 1)
export const B: number = ip4.of(10, 0, 0, 2)
const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 1)
const MAC_B = Uint8Array.of(2, 0, 0, 0, 0, 2)

/** A frame with a name. */
export interface Built {
  readonly name: string
  readonly bytes: Uint8Array
}

/** An Ethernet frame around a payload. */
export function ethernetFrame(type: number, payload: Uint8Array): Uint8Array {
  const b = new Uint8Array(ethernet.HDR_LEN + payload.length)
  ethernet.emit(b, 0, MAC_B, MAC_A, type)
  b.set(payload, ethernet.HDR_LEN)
  return b
}

/** An IPv4 packet around a payload. */
export function packet(
  proto: number,
  payload: Uint8Array,
  options: Uint8Array = new Uint8Array(0),
  fragment = 0,
): Uint8Array {
  const headerLen = ipv4.HDR_LEN + options.length
  const b = new Uint8Array(headerLen + payload.length)
  b.set(options, ipv4.HDR_LEN)
  ipv4.emit(b, 0, headerLen, 0, b.length, 0x1234, fragment, 64, proto, A, B)
  b.set(payload, headerLen)
  return b
}

/** A TCP segment from A to B. */
export function segment(flags: number, options: Uint8Array, text: string = '', from = 40000, to = 9): Uint8Array {
  const headerLen = tcp.HDR_LEN + options.length
  const b = new Uint8Array(headerLen + text.length)
  tcp.emit(b, 0, from, to, 0x7ffffff0, 0xfffffff0 | 0, headerLen, flags, 1024)
  b.set(options, tcp.HDR_LEN)
  b.set(new TextEncoder().encode(text), headerLen)
  tcp.fillChecksum(b, 0, b.length, pseudo(ipv4.PROTO_TCP, b.length))
  return b
}

/** A UDP datagram from A to B. */
export function datagram(data: Uint8Array, to = 9): Uint8Array {
  const b = new Uint8Array(udp.HDR_LEN + data.length)
  b.set(data, udp.HDR_LEN)
  udp.emit(b, 0, 40000, to, b.length, pseudo(ipv4.PROTO_UDP, b.length))
  return b
}

/** An ICMP message. */
export function icmp(type: number, code: number, word: number, data: Uint8Array): Uint8Array {
  const b = new Uint8Array(icmpv4.HDR_LEN + data.length)
  icmpv4.emit(b, 0, type, code, word)
  b.set(data, icmpv4.HDR_LEN)
  icmpv4.fillChecksum(b, 0, b.length)
  return b
}

const pseudo = (proto: number, length: number): number => {
  const b = new Uint8Array(20)
  ipv4.emit(b, 0, 20, 0, 20 + length, 0, 0, 64, proto, A, B)
  return ipv4.pseudo(b, 0)
}

const ip = (name: string, proto: number, payload: Uint8Array, options?: Uint8Array, fragment?: number): Built => ({
  name,
  bytes: ethernetFrame(ethernet.TYPE_IPV4, packet(proto, payload, options, fragment)),
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const NONE = bytes()

function arpFrames(): Built[] {
  const made: Built[] = []
  for (const op of [1, 2, 3, 4, 8, 9, 77]) {
    const b = new Uint8Array(arp.HDR_LEN)
    arp.emit(b, 0, op, MAC_A, A, op === 1 ? new Uint8Array(6) : MAC_B, B)
    const type = op === 3 || op === 4 ? ethernet.TYPE_RARP : ethernet.TYPE_ARP
    made.push({ name: `ARP operation ${op}`, bytes: ethernetFrame(type, b) })
  }
  const known = new Uint8Array(arp.HDR_LEN)
  arp.emit(known, 0, arp.OP_REQUEST, MAC_A, A, MAC_B, B)
  made.push({ name: 'ARP unicast request', bytes: ethernetFrame(ethernet.TYPE_ARP, known) })
  return made
}

function icmpFrames(): Built[] {
  const quotedUdp = packet(ipv4.PROTO_UDP, datagram(bytes(1, 2, 3, 4)))
  const quotedTcp = packet(ipv4.PROTO_TCP, segment(tcp.SYN, NONE))
  const made: Built[] = []
  const add = (name: string, type: number, code: number, word: number, data: Uint8Array): void => {
    made.push(ip(`ICMP ${name}`, ipv4.PROTO_ICMP, icmp(type, code, word, data)))
  }
  for (let code = 0; code <= 16; code++) add(`unreachable code ${code}`, icmpv4.UNREACHABLE, code, 0, quotedUdp)
  add(
    'fragmentation needed with MTU',
    icmpv4.UNREACHABLE,
    icmpv4.FRAGMENTATION_NEEDED,
    icmpv4.word16(0, 1400),
    quotedTcp,
  )
  add('TCP port unreachable', icmpv4.UNREACHABLE, icmpv4.PORT_UNREACHABLE, 0, quotedTcp)
  add('port unreachable of SCTP', icmpv4.UNREACHABLE, 3, 0, packet(132, bytes(1, 2, 3, 4, 5, 6, 7, 8)))
  for (let code = 0; code <= 3; code++)
    add(`redirect code ${code}`, icmpv4.REDIRECT, code, ip4.of(10, 0, 0, 254), quotedUdp)
  for (let code = 0; code <= 2; code++) add(`time exceeded code ${code}`, icmpv4.TIME_EXCEEDED, code, 0, quotedUdp)
  add('parameter problem', icmpv4.PARAMETER_PROBLEM, 0, icmpv4.wordPointer(20), quotedUdp)
  add('parameter problem code 1', icmpv4.PARAMETER_PROBLEM, 1, 0, quotedUdp)
  add('source quench', icmpv4.SOURCE_QUENCH, 0, 0, quotedUdp)
  add('echo', icmpv4.ECHO, 0, icmpv4.word16(7, 1), bytes(1, 2, 3))
  add('echo reply', icmpv4.ECHO_REPLY, 0, icmpv4.word16(7, 1), NONE)
  add('timestamp', icmpv4.TIMESTAMP, 0, icmpv4.word16(7, 1), new Uint8Array(12))
  add('timestamp reply', icmpv4.TIMESTAMP_REPLY, 0, icmpv4.word16(7, 1), bytes(2, 0, 0, 0, 2, 0, 0, 1, 2, 0, 0, 2))
  for (const type of [15, 16, 17, 10, 40]) add(`type ${type}`, type, 0, icmpv4.word16(7, 1), NONE)
  add('mask reply', icmpv4.MASK_REPLY, 0, icmpv4.word16(7, 1), bytes(255, 255, 255, 0))
  add('router advertisement', icmpv4.ROUTER_ADVERT, 0, icmpv4.word16(0x0102, 4000), bytes(10, 0, 0, 254, 0, 0, 0, 5))
  return made
}

function tcpFrames(): Built[] {
  const made: Built[] = []
  const add = (name: string, flags: number, options: Uint8Array, text?: string, to?: number): void => {
    made.push(ip(`TCP ${name}`, ipv4.PROTO_TCP, segment(flags, options, text, 40000, to)))
  }
  for (let bit = 1; bit <= 0x80; bit <<= 1) add(`flag ${bit}`, bit, NONE)
  add('no flags', 0, NONE)
  add('all flags', 0xff, NONE)
  const ack = tcp.ACK
  const sack = new Uint8Array(20)
  tcpOptions.emitSackBlock(sack, tcpOptions.emitSackBlock(sack, tcpOptions.emitSackHeader(sack, 2, 2), 100, 200), -5, 5)
  sack.set([1, 1])
  add('selective acknowledgment', ack, sack)
  add('data', ack | tcp.PSH, NONE, 'hello')
  add('MD5', tcp.SYN, bytes(1, 1, 19, 18, ...new Uint8Array(16).fill(0xab)))
  add('user timeout', tcp.SYN, bytes(28, 4, 0x80, 0x05))
  add('fast open cookie', tcp.SYN, bytes(34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1))
  add('fast open cookie of odd length', tcp.SYN, bytes(34, 7, 1, 2, 3, 4, 5, 1))
  add('fast open experiment', tcp.SYN, bytes(254, 8, 0xf9, 0x89, 1, 2, 3, 4))
  add('other experiment', tcp.SYN, bytes(254, 4, 0xab, 0xcd))
  add('authentication option', tcp.SYN, bytes(29, 8, 1, 2, 3, 4, 5, 6))
  add('accurate ECN', ack, bytes(172, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3, 1))
  add('end of list', ack, bytes(1, 0, 5, 6))
  add('MSS of wrong length', tcp.SYN, bytes(2, 3, 5, 1))
  add('option length 0', tcp.SYN, bytes(1, 1, 2, 0))
  add('option length past the header', tcp.SYN, bytes(1, 3, 9, 0))
  add('HTTP request', ack | tcp.PSH, NONE, 'GET /index.html HTTP/1.1\r\nHost: b\r\n\r\n', 80)
  add('HTTP body', ack, NONE, '\u0001\u0002 body', 80)
  const short = segment(tcp.SYN, NONE)
  tcp.setFlags(short, 0, 16, tcp.SYN)
  made.push(ip('TCP header too short', ipv4.PROTO_TCP, short))
  const long = segment(tcp.SYN, NONE)
  tcp.setFlags(long, 0, 40, tcp.SYN)
  made.push(ip('TCP header too long', ipv4.PROTO_TCP, long))
  return made
}

function ipFrames(): Built[] {
  const route = new Uint8Array(12)
  ipv4Options.pad(route, 0, ipv4Options.emitRecordRoute(route, 0, 2))
  const alert = new Uint8Array(4)
  ipv4Options.emitRouterAlert(alert, 0)
  const data = datagram(bytes(1, 2, 3, 4))
  const lying = datagram(bytes(1, 2, 3, 4))
  lying[5] = 40
  const shy = datagram(bytes(1, 2, 3, 4))
  shy[5] = 4
  const tiny = packet(ipv4.PROTO_UDP, data)
  ipv4.setTotalLength(tiny, 0, 12)
  const bad = packet(ipv4.PROTO_UDP, data)
  bad[0] = 0x44
  return [
    ip('UDP', ipv4.PROTO_UDP, data),
    ip('UDP length too long', ipv4.PROTO_UDP, lying),
    ip('UDP length too short', ipv4.PROTO_UDP, shy),
    ip('UDP cut to 5 bytes', ipv4.PROTO_UDP, data.slice(0, 5)),
    ip('record route', ipv4.PROTO_UDP, data, route),
    ip('router alert', ipv4.PROTO_UDP, data, alert),
    ip('first fragment', ipv4.PROTO_UDP, data, NONE, ipv4.MF),
    ip('last fragment', ipv4.PROTO_UDP, data, NONE, 185),
    ip('IP in IP', ipv4.PROTO_IPIP, packet(ipv4.PROTO_UDP, data)),
    ip('unassigned protocol', 253, data),
    ip('IGMP query', ipv4.PROTO_IGMP, bytes(0x11, 100, 0, 0, 0, 0, 0, 0)),
    ip('IGMP group query', ipv4.PROTO_IGMP, bytes(0x11, 100, 0, 0, 239, 1, 2, 3)),
    ip('IGMP v2 report', ipv4.PROTO_IGMP, bytes(0x16, 0, 0, 0, 239, 1, 2, 3)),
    ip('IGMP leave', ipv4.PROTO_IGMP, bytes(0x17, 0, 0, 0, 239, 1, 2, 3)),
    { name: 'total length below header length', bytes: ethernetFrame(ethernet.TYPE_IPV4, tiny) },
    { name: 'IHL 4', bytes: ethernetFrame(ethernet.TYPE_IPV4, bad) },
    { name: 'version 7', bytes: ethernetFrame(ethernet.TYPE_IPV4, bytes(0x75, 1, 2, 3)) },
    { name: 'VLAN tag', bytes: ethernetFrame(ethernet.TYPE_VLAN, bytes(0, 10, 8, 0, ...packet(ipv4.PROTO_UDP, data))) },
  ]
}

/** All of them, in a fixed order. */
export const buildFrames = (): Built[] => [...arpFrames(), ...icmpFrames(), ...tcpFrames(), ...ipFrames()]
