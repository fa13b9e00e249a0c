/**
 * Software offload: what a network card does for a packet that is longer than the MTU (generic segmentation, Linux
 * net/core/gso.c, net/ipv4/tcp_offload.c, udp_offload.c) or whose checksum is to be filled in (skb_checksum_help).
 * TCP and UDP over IPv4; another IP version joins in `segment` and `pseudo`.
 */

import { sumPacket } from '../buf/checksum.ts'
import { CSUM_NONE, CSUM_PARTIAL, MAX_FRAGS, type Packet } from '../buf/packet.ts'
import { put16 } from '../wire/bytes.ts'
import * as checksum from '../wire/checksum.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import { F_CSUM, F_SG, F_TSO } from './link.ts'

export { sumPacket as sumFrom } from '../buf/checksum.ts'

/** Offset of the checksum field in the TCP and the UDP header. */
export const TCP_CSUM_OFFSET = 16
export const UDP_CSUM_OFFSET = 6
/** Offset of the length field in the UDP header. */
const UDP_LEN_OFFSET = 4

/**
 * Makes `packet` fit a link with these F_… features and hands what results to `into`: cuts it into wire packets
 * without F_TSO, fills in checksums without F_CSUM, makes it linear without F_SG. Consumes the packet. The number of
 * packets handed on; 0 if it could not be cut and was dropped.
 */
export function conform(packet: Packet, features: number, into: (packet: Packet) => void): number {
  if (packet.gsoSize > 0 && (features & F_TSO) === 0) return segment(packet, into, features)
  finish(packet, features)
  into(packet)
  return 1
}

/** True if `conform` has something to do. */
export const mustConform = (packet: Packet, features: number): boolean =>
  (packet.gsoSize > 0 && (features & F_TSO) === 0) ||
  (packet.csum === CSUM_PARTIAL && (features & F_CSUM) === 0) ||
  (packet.fragCount > 0 && (features & F_SG) === 0)

function finish(packet: Packet, features: number): void {
  if (packet.csum === CSUM_PARTIAL && (features & F_CSUM) === 0) completeChecksum(packet)
  if (packet.fragCount > 0 && (features & F_SG) === 0) linearize(packet)
}

/**
 * Cuts a packet with `gsoSize` into wire packets that share its payload, in order, each handed to `into`, finished for
 * a link with `features`. Consumes the packet. The number of packets made; 0 if it is none that can be cut (dropped).
 */
export function segment(packet: Packet, into: (packet: Packet) => void, features: number = F_SG | F_CSUM): number {
  const headerLen = headerBytes(packet)
  const size = packet.gsoSize
  if (headerLen === 0 || size <= 0) {
    packet.release()
    return 0
  }
  const payload = packet.length - headerLen
  if (payload <= size) {
    packet.gsoSize = packet.gsoSegments = 0
    finish(packet, features)
    into(packet)
    return 1
  }
  // A slice for the linear part too would not fit into a segment that spans all.
  if (packet.fragCount === MAX_FRAGS) linearize(packet)
  const ipSum = networkSum(packet)
  const pseudoSum = pseudo(packet, 0)
  let count = 0
  for (let at = 0; at < payload; at += size) {
    const length = Math.min(size, payload - at)
    const p = packet.pool.allocHeader(headerLen)
    const shift = p.start - packet.start
    copyHeader(packet, p, headerLen)
    packet.shareInto(p, headerLen + at, length)
    p.copyMetadata(packet)
    p.l3 += shift
    p.l4 += shift
    p.gsoSize = p.gsoSegments = 0
    fixHeaders(p, count++, at, at + length === payload)
    const l4Len = p.length - (p.l4 - p.start)
    const b = p.bytes
    ipv4.setTotalLength(b, p.l3, l4Len + p.l4 - p.l3)
    ipv4.setChecksumField(b, p.l3, checksum.finish(ipSum + l4Len + p.l4 - p.l3 + ipv4.id(b, p.l3)))
    p.csum = CSUM_PARTIAL
    put16(b, p.l4 + p.csumOffset, checksum.fold(pseudoSum + l4Len))
    finish(p, features)
    if (at + length === payload) handOwnerOver(packet, p)
    into(p)
  }
  packet.release()
  return count
}

/** Copies the first `length` bytes: at 40 to 110 of them, words of a view beat both a byte loop and `set`. */
function copyHeader(from: Packet, to: Packet, length: number): void {
  const a = from.view
  const b = to.view
  const o = to.put(length)
  const shift = from.start - o
  let i = o
  for (const stop = o + length - 4; i <= stop; i += 4) b.setInt32(i, a.getInt32(i + shift))
  for (const end = o + length; i < end; i++) b.setUint8(i, a.getUint8(i + shift))
}

/** The sender's account is settled when the last segment has left (skb_segment, tcp_gso_segment). */
function handOwnerOver(from: Packet, to: Packet): void {
  to.owner = from.owner
  to.ownerBytes = from.ownerBytes
  from.owner = null
}

/** Bytes from `start` to the payload, made linear; 0 if this is not TCP or UDP over IPv4 with offsets set. */
function headerBytes(packet: Packet): number {
  const { l3, l4, start } = packet
  if (l3 < start || l4 < l3 + ipv4.HDR_LEN || packet.end < l4) return 0
  if (ipv4.version(packet.bytes, l3) !== 4) return 0
  const least = packet.protocol === ipv4.PROTO_TCP ? tcp.HDR_LEN : packet.protocol === ipv4.PROTO_UDP ? udp.HDR_LEN : 0
  if (least === 0 || !packet.pullUp(l4 - start + least)) return 0
  const length = l4 - start + (least === udp.HDR_LEN ? least : tcp.headerLength(packet.bytes, l4))
  return length >= l4 - start + least && packet.pullUp(length) ? length : 0
}

/** The partial sum of the IPv4 header without total length, identification and checksum. */
function networkSum(packet: Packet): number {
  const { bytes, l3, l4 } = packet
  const sum = checksum.sumBytes(bytes, l3, l4 - l3, 0)
  const taken = ipv4.totalLength(bytes, l3) + ipv4.id(bytes, l3) + ipv4.checksumField(bytes, l3)
  // 3 * 0xffff is 0 modulo 65535 and keeps the sum from going negative.
  return sum + 3 * 0xffff - taken
}

/** The partial sum of the pseudo-header over `length` bytes from l4. */
const pseudo = (packet: Packet, length: number): number =>
  checksum.pseudo4(ipv4.src(packet.bytes, packet.l3), ipv4.dst(packet.bytes, packet.l3), packet.protocol, length)

/** What the `index`-th segment, `at` bytes into the payload, has different: identification, sequence, flags. */
function fixHeaders(p: Packet, index: number, at: number, isLast: boolean): void {
  const b = p.bytes
  // tcp_gso_segment and inet_gso_segment count the identification up, fragmentable or not.
  ipv4.setId(b, p.l3, ipv4.id(b, p.l3) + index)
  if (p.protocol === ipv4.PROTO_UDP) {
    p.csumOffset = UDP_CSUM_OFFSET
    put16(b, p.l4 + UDP_LEN_OFFSET, p.length - (p.l4 - p.start))
    return
  }
  p.csumOffset = TCP_CSUM_OFFSET
  tcp.setSeq(b, p.l4, tcp.seq(b, p.l4) + at)
  let flags = tcp.flags(b, p.l4)
  if (!isLast) flags &= ~(tcp.FIN | tcp.PSH)
  // RFC 3168 §6.1.2: CWR on the first segment only.
  if (index > 0 && !p.gsoAccEcn) flags &= ~tcp.CWR
  tcp.setFlagByte(b, p.l4, flags & 0xff)
}

/** Fills in the checksum of a CSUM_PARTIAL packet (skb_checksum_help): it is complete then, CSUM_NONE. */
export function completeChecksum(packet: Packet): void {
  packet.csum = CSUM_NONE
  const at = packet.l4 + packet.csumOffset
  if (packet.l4 < packet.start || at + 2 > packet.end) return
  packet.unshare()
  const sum = checksum.finish(sumPacket(packet, packet.l4, 0))
  // UDP writes a computed zero as all ones (RFC 768); in TCP analysers call that wrong, though it is the same number.
  put16(packet.bytes, at, sum === 0 && packet.csumOffset === UDP_CSUM_OFFSET ? 0xffff : sum)
}

/** Copies the slices behind the linear part, for links and programs that want one piece. */
export function linearize(packet: Packet): void {
  packet.pullUp(packet.length)
}
