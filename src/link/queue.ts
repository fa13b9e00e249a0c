/** A queue of packets through their own `next` fields: first in, first out, nothing allocated. Who adds, bounds it. */
import type { Packet } from '../buf/packet.ts'

export class PacketQueue {
  first: Packet | null = null
  last: Packet | null = null
  /** Packets in the queue. */
  length = 0
  /** Their bytes, as they were when they came. */
  bytes = 0

  push(packet: Packet): void {
    packet.next = null
    if (this.last === null) this.first = packet
    else this.last.next = packet
    this.last = packet
    this.length++
    this.bytes += packet.length
  }

  /** Takes the first packet out; null if there is none. */
  shift(): Packet | null {
    const packet = this.first
    if (packet === null) return null
    this.first = packet.next
    if (this.first === null) this.last = null
    packet.next = null
    this.length--
    this.bytes -= packet.length
    return packet
  }

  /** Releases every packet; how many there were. */
  clear(): number {
    const count = this.length
    for (let packet = this.shift(); packet !== null; packet = this.shift()) packet.release()
    return count
  }
}

/** What went over one end of a link, seen from the owner of that end, as `ip -s link` counts. */
export class LinkStats {
  rxPackets = 0
  rxBytes = 0
  /** Arrived when nobody was attached. */
  rxDropped = 0
  txPackets = 0
  txBytes = 0
  /** Refused: the queue was full, the link closed, the packet too long or too short for it. */
  txDropped = 0
}

/** Packets a link in memory holds for delivery; as many as an interface queues (`netdev_max_backlog` here). */
export const LINK_QUEUE = 8192
/** Packets a link delivers before others get their turn (NAPI weight, `netdev_budget`). */
export const LINK_BATCH = 64
/** Room that a frame may need beyond the MTU: Ethernet header and one 802.1Q tag (is_skb_forwardable). */
export const FRAME_OVERHEAD = 18
