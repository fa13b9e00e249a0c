/**
 * Generic receive offload: consecutive segments of a TCP connection that arrived in one batch become one packet, so
 * that everything above runs once for many (Linux net/core/gro.c, tcp4_gro_receive, inet_gro_receive). What comes out
 * is what `segment` of gso.ts takes apart again, byte for byte.
 */

import { sumPacket } from '../buf/checksum.ts'
import { CSUM_NONE, CSUM_PARTIAL, CSUM_VERIFIED, MAX_FRAGS, type Packet } from '../buf/packet.ts'
import { assert } from '../sys/assert.ts'
import { get32 } from '../wire/bytes.ts'
import * as checksum from '../wire/checksum.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import { TCP_CSUM_OFFSET } from './gso.ts'

/** Connections with a packet held at a time; Linux holds eight in each of eight buckets. */
export const GRO_FLOWS = 8
/** Longest merged IP packet: what the total length can say. */
export const GRO_MAX_SIZE = 65535

/** One packet being grown. */
class Flow {
  packet: Packet | null = null
  l4 = 0
  /** Sequence number that comes next. */
  nextSeq = 0
  /** Payload of every segment but the last. */
  size = 0
  count = 0
  /** Bytes of the IP packet so far. */
  total = 0
}

export class Gro {
  /** Segments that went into a larger packet, and packets that came out merged. */
  merged = 0
  completed = 0
  readonly #into: (packet: Packet) => void
  readonly #flows: Flow[] = []
  /** The first so many of #flows are in use, the oldest first. */
  #held = 0

  constructor(into: (packet: Packet) => void) {
    this.#into = into
    for (let i = 0; i < GRO_FLOWS; i++) this.#flows.push(new Flow())
  }

  /**
   * Takes a received packet whose `l3` is set; what cannot be merged goes straight on, behind what it must not
   * overtake. Ownership passes.
   */
  receive(packet: Packet): void {
    const l3 = packet.l3
    const l4 = l3 + ipv4.HDR_LEN
    if (l3 < packet.start || packet.end < l4 + tcp.HDR_LEN || !isPlainTcp(packet, l3)) {
      this.#into(packet)
      return
    }
    const at = this.#find(packet, l3, l4)
    // PSH ends a merge: one that begins with it is over.
    const pushes = (tcp.flags(packet.bytes, l4) & tcp.PSH) !== 0
    if (at < 0 && pushes) {
      this.#into(packet)
      return
    }
    if (!isMergeable(packet, l3, l4)) {
      if (at >= 0) this.#complete(at)
      this.#into(packet)
      return
    }
    if (at >= 0) {
      const flow = this.#flows[at] as Flow
      if (continues(flow, packet, l3, l4)) {
        if (this.#merge(flow, packet, l4)) this.#complete(at)
        return
      }
      this.#complete(at)
    }
    if (pushes) this.#into(packet)
    else this.#hold(packet, l3, l4)
  }

  /** The batch is over: everything held goes on, in the order in which it began. */
  flush(): void {
    while (this.#held > 0) this.#complete(0)
  }

  #find(packet: Packet, l3: number, l4: number): number {
    const ports = tcp.ports(packet.bytes, l4)
    for (let i = 0; i < this.#held; i++) {
      const flow = this.#flows[i] as Flow
      const held = flow.packet as Packet
      if (
        tcp.ports(held.bytes, flow.l4) === ports &&
        ipv4.src(held.bytes, held.l3) === ipv4.src(packet.bytes, l3) &&
        ipv4.dst(held.bytes, held.l3) === ipv4.dst(packet.bytes, l3)
      )
        return i
    }
    return -1
  }

  #hold(packet: Packet, l3: number, l4: number): void {
    if (this.#held === GRO_FLOWS) this.#complete(0)
    const flow = this.#flows[this.#held++] as Flow
    const total = ipv4.totalLength(packet.bytes, l3)
    const size = total - ipv4.HDR_LEN - tcp.headerLength(packet.bytes, l4)
    flow.packet = packet
    flow.l4 = l4
    flow.nextSeq = (tcp.seq(packet.bytes, l4) + size) | 0
    flow.size = size
    flow.count = 1
    flow.total = total
  }

  /** Appends `packet`'s payload; true if the merge is over. */
  #merge(flow: Flow, packet: Packet, l4: number): boolean {
    const head = flow.packet as Packet
    const from = l4 + tcp.headerLength(packet.bytes, l4) - packet.start
    const length = packet.length - from
    const flags = tcp.flags(packet.bytes, l4)
    assert(packet.shareInto(head, from, length), 'Gro: no room for slices that were counted')
    if ((flags & tcp.PSH) !== 0) {
      head.unshare()
      tcp.setFlagByte(head.bytes, flow.l4, (tcp.flags(head.bytes, flow.l4) | tcp.PSH) & 0xff)
    }
    flow.nextSeq = (flow.nextSeq + length) | 0
    flow.total += length
    flow.count++
    this.merged++
    packet.release()
    return length < flow.size || (flags & tcp.PSH) !== 0
  }

  /** Sends the `at`-th packet on, its headers made those of one long segment (tcp_gro_complete, inet_gro_complete). */
  #complete(at: number): void {
    const flow = this.#flows[at] as Flow
    const packet = flow.packet as Packet
    flow.packet = null
    this.#held--
    for (let i = at; i < this.#held; i++) this.#flows[i] = this.#flows[i + 1] as Flow
    this.#flows[this.#held] = flow
    if (flow.count > 1) {
      packet.unshare()
      const { bytes: b, l3 } = packet
      ipv4.setChecksumField(b, l3, checksum.update16(ipv4.checksumField(b, l3), ipv4.totalLength(b, l3), flow.total))
      ipv4.setTotalLength(b, l3, flow.total)
      const pseudo = checksum.pseudo4(ipv4.src(b, l3), ipv4.dst(b, l3), ipv4.PROTO_TCP, flow.total - ipv4.HDR_LEN)
      tcp.setChecksumField(b, flow.l4, checksum.fold(pseudo))
      packet.l4 = flow.l4
      packet.protocol = ipv4.PROTO_TCP
      packet.csum = CSUM_PARTIAL
      packet.csumOffset = TCP_CSUM_OFFSET
      packet.gsoSize = flow.size
      packet.gsoSegments = flow.count
      packet.gsoAccEcn = (tcp.flags(b, flow.l4) & tcp.CWR) !== 0
      this.completed++
    }
    this.#into(packet)
  }
}

/** TCP in an unfragmented IPv4 packet without options that fills the frame to its end. */
const isPlainTcp = (packet: Packet, l3: number): boolean =>
  packet.bytes[l3] === 0x45 &&
  ipv4.protocol(packet.bytes, l3) === ipv4.PROTO_TCP &&
  (ipv4.fragmentWord(packet.bytes, l3) & ~ipv4.DF) === 0 &&
  ipv4.totalLength(packet.bytes, l3) === packet.length - (l3 - packet.start)

/** A right segment that carries data and says nothing else. Verifies its checksum. */
function isMergeable(packet: Packet, l3: number, l4: number): boolean {
  const b = packet.bytes
  const headerLen = tcp.headerLength(b, l4)
  const l4Len = ipv4.totalLength(b, l3) - ipv4.HDR_LEN
  if (packet.gsoSize > 0 || headerLen < tcp.HDR_LEN || l4 + headerLen > packet.end || l4Len <= headerLen) return false
  if ((tcp.flags(b, l4) & ~(tcp.PSH | tcp.ACE)) !== tcp.ACK || !ipv4.checksumOk(b, l3)) return false
  if (packet.csum === CSUM_NONE) {
    const pseudo = checksum.pseudo4(ipv4.src(b, l3), ipv4.dst(b, l3), ipv4.PROTO_TCP, l4Len)
    if (checksum.fold(sumPacket(packet, l4, pseudo)) !== 0xffff) return false
    packet.csum = CSUM_VERIFIED
  }
  return true
}

/** True if `packet` is the next segment of `flow` and differs from it only as segments of one long packet do. */
function continues(flow: Flow, packet: Packet, l3: number, l4: number): boolean {
  const head = flow.packet as Packet
  const a = head.bytes
  const b = packet.bytes
  const headerLen = tcp.headerLength(b, l4)
  const length = ipv4.totalLength(b, l3) - ipv4.HDR_LEN - headerLen
  if (tcp.seq(b, l4) !== flow.nextSeq || length > flow.size || flow.total + length > GRO_MAX_SIZE) return false
  if (head.fragCount + packet.fragCount + 1 > MAX_FRAGS || head.kind !== packet.kind) return false
  if (ipv4.tos(a, head.l3) !== ipv4.tos(b, l3) || ipv4.ttl(a, head.l3) !== ipv4.ttl(b, l3)) return false
  if (ipv4.fragmentWord(a, head.l3) !== ipv4.fragmentWord(b, l3)) return false
  // Counting up only, so that `segment` restores it; Linux also takes a fixed one with DF.
  if (((ipv4.id(a, head.l3) + flow.count) & 0xffff) !== ipv4.id(b, l3)) return false
  if (tcp.headerLength(a, flow.l4) !== headerLen || tcp.ack(a, flow.l4) !== tcp.ack(b, l4)) return false
  if (tcp.window(a, flow.l4) !== tcp.window(b, l4)) return false
  // Neither RFC 3168's flags nor AccECN's counter may differ.
  if (((tcp.flags(a, flow.l4) ^ tcp.flags(b, l4)) & tcp.ACE) !== 0) return false
  for (let i = tcp.HDR_LEN; i < headerLen; i += 4) if (get32(a, flow.l4 + i) !== get32(b, l4 + i)) return false
  return true
}
