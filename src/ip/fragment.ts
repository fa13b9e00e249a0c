/** Fragmentation on output, RFC 791 §3.2 (Linux's ip_do_fragment): fragments share the payload, only headers are made. */
import { CSUM_PARTIAL, copy, MAX_FRAGS, type Packet } from '../buf/packet.ts'
import { completeChecksum, segment } from '../link/gso.ts'
import { EMSGSIZE } from '../sys/errno.ts'
import { put8 } from '../wire/bytes.ts'
import * as wire from '../wire/ipv4.ts'
import * as options from '../wire/ipv4-options.ts'
import type { Dst } from './dst.ts'
import type { Ipv4 } from './ipv4.ts'

/** Smallest payload of a fragment that is not the last. */
const FRAGMENT_UNIT = 8

/**
 * Sends a packet, `start` and `l3` at its IP header, as fragments of at most `mtu` bytes. Consumes it. 0, or the first
 * -errno of the interface.
 */
export function fragment(ip: Ipv4, packet: Packet, dst: Dst, mtu: number): number {
  if (packet.csum === CSUM_PARTIAL) completeChecksum(packet)
  const headerLen = wire.headerLength(packet.bytes, packet.l3)
  const step = (mtu - headerLen) & ~(FRAGMENT_UNIT - 1)
  const { counters } = ip.stack
  if (step < FRAGMENT_UNIT || !packet.pullUp(headerLen)) {
    counters.IpFragFails++
    ip.stack.drop(packet, 'ipv4.mtu-too-small')
    return -EMSGSIZE
  }
  // A slice more for the linear part must fit into every fragment.
  if (packet.fragCount === MAX_FRAGS) packet.pullUp(packet.length)
  const word = wire.fragmentWord(packet.bytes, packet.l3)
  const payload = packet.length - headerLen
  let result = 0
  for (let at = 0; at < payload; at += step) {
    const length = Math.min(step, payload - at)
    const isLast = at + length === payload
    const piece = cut(packet, headerLen, at, length)
    const more = isLast ? word & wire.MF : wire.MF
    finishHeader(
      piece,
      (word & ~(wire.MF | wire.OFFSET_MASK)) | more | ((word & wire.OFFSET_MASK) + (at >>> 3)),
      at > 0,
    )
    if (isLast) {
      // The sender's account is settled when the last fragment has left.
      piece.owner = packet.owner
      piece.ownerBytes = packet.ownerBytes
      packet.owner = null
    }
    counters.IpFragCreates++
    const sent = ip.send(piece, dst)
    if (sent < 0 && result === 0) result = sent
  }
  if (result === 0) counters.IpFragOKs++
  else counters.IpFragFails++
  packet.release()
  return result
}

/** Cuts a packet longer than the MTU that has a segment size into wire packets, and those that are still too long further. */
export function segmentAndSend(ip: Ipv4, packet: Packet, dst: Dst, mtu: number): number {
  let result = 0
  segment(packet, (piece) => {
    const sent = piece.length <= mtu ? ip.send(piece, dst) : fragment(ip, piece, dst, mtu)
    if (sent < 0 && result === 0) result = sent
  })
  return result
}

/** A packet with a copy of the header and bytes [at, at + length) of the payload as slices. */
function cut(packet: Packet, headerLen: number, at: number, length: number): Packet {
  const piece = packet.pool.allocHeader(headerLen)
  copy(piece.bytes, piece.put(headerLen), packet.bytes, packet.start, headerLen)
  packet.shareInto(piece, headerLen + at, length)
  const start = piece.start
  piece.copyMetadata(packet)
  piece.l3 = start
  piece.l4 = start + headerLen
  piece.interface = packet.interface
  return piece
}

function finishHeader(piece: Packet, word: number, isLater: boolean): void {
  const b = piece.bytes
  const o = piece.l3
  const headerLen = piece.l4 - o
  if (isLater && headerLen > wire.HDR_LEN) keepCopiedOptions(b, o + wire.HDR_LEN, o + headerLen)
  wire.setTotalLength(b, o, piece.length)
  wire.setFragmentWord(b, o, word)
  wire.fillChecksum(b, o)
}

/** Options without the copied bit become no-operations in fragments after the first (ip_options_fragment). */
function keepCopiedOptions(b: Uint8Array, from: number, end: number): void {
  let length: number
  for (let o = from; o < end && (length = options.optionLength(b, o, end)) > 0; o += length) {
    const type = b[o] ?? 0
    if (type === options.EOL) return
    if ((type & options.COPIED) === 0) for (let i = 0; i < length; i++) put8(b, o + i, options.NOP)
  }
}

/** The same packet with full headroom in front of `start`: for what came from a medium with shorter headers. Consumes it. */
export function makeHeadroom(packet: Packet): Packet {
  const made = packet.pool.allocHeader(packet.linear)
  const shift = made.start - packet.start
  copy(made.bytes, made.put(packet.linear), packet.bytes, packet.start, packet.linear)
  for (let i = 0; i < packet.fragCount; i++) {
    const chunk = packet.fragChunk[i]
    if (chunk) made.addFrag(chunk, packet.fragOffset[i] ?? 0, packet.fragLength[i] ?? 0)
  }
  made.copyMetadata(packet)
  made.l3 = packet.l3 < 0 ? -1 : packet.l3 + shift
  made.l4 = packet.l4 < 0 ? -1 : packet.l4 + shift
  made.interface = packet.interface
  made.owner = packet.owner
  made.ownerBytes = packet.ownerBytes
  packet.owner = null
  packet.release()
  return made
}
