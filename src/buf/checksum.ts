/** The Internet checksum over a packet's linear part and slices (RFC 1071). */
import * as checksum from '../wire/checksum.ts'
import type { Chunk, Packet } from './packet.ts'

/** Sum of the bytes from absolute offset `from` of the linear part to the end of the last slice, added to `acc`, unfolded. */
export function sumPacket(packet: Packet, from: number, acc: number): number {
  const linear = packet.end - from
  acc = checksum.sumWithin(packet.view, from, linear, acc)
  let odd = (linear & 1) !== 0
  for (let i = 0; i < packet.fragCount; i++) {
    const length = packet.fragLength[i] as number
    const part = checksum.sumWithin((packet.fragChunk[i] as Chunk).view, packet.fragOffset[i] as number, length, 0)
    acc = checksum.combine(acc, part, odd)
    if ((length & 1) !== 0) odd = !odd
  }
  return acc
}
