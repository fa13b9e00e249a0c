/**
 * Packets: headers in a linear buffer with headroom, payload as slices that need no copy, and the metadata that Linux
 * keeps on an skb. Headers are prepended and stripped by moving an offset.
 *
 * Ownership moves: whoever is handed a packet (a link's `send`, a protocol's `input`) hands it on or releases it.
 * Bytes are shared by counted references to `Chunk`s and never written once shared; `unshare` copies first.
 */
import { assert } from '../sys/assert.ts'
import type { Micros } from '../sys/clock.ts'
import { type Chunk, copy, MAX_FRAGS } from './chunk.ts'
import type { PacketPool } from './pool.ts'

export { CHUNK, type Chunk, copy, FRAME, HEADROOM, MAX_FRAGS, SMALL } from './chunk.ts'

/** Checksum state: not looked at. On receive: verify in software. On send: already complete. */
export const CSUM_NONE = 0
/** Checksum state on receive: known to be right (verified, or made on this machine and never on a wire). */
export const CSUM_VERIFIED = 1
/** Checksum state on send: the field holds the folded pseudo-header sum; whoever needs the real one fills it in. */
export const CSUM_PARTIAL = 2

/** Whom an arriving frame was for, by its link-layer address (packet(7)). */
export const PACKET_HOST = 0
export const PACKET_BROADCAST = 1
export const PACKET_MULTICAST = 2
export const PACKET_OTHERHOST = 3

export class Packet {
  /** Linear part: `chunk`'s bytes in [start, end). */
  chunk: Chunk
  bytes: Uint8Array
  view: DataView
  start = 0
  end = 0
  /** Payload slices after the linear part: `fragCount` of them, `fragBytes` in all. */
  fragCount = 0
  fragBytes = 0
  readonly fragChunk: (Chunk | null)[] = []
  readonly fragOffset: number[] = []
  readonly fragLength: number[] = []
  /** Offsets of the network and transport headers in `bytes`; -1 until a layer sets them. */
  l3 = -1
  l4 = -1
  /** EtherType of what starts at l3, and the IP protocol of what starts at l4. */
  etherType = 0
  protocol = 0
  /** IPv4 source and destination as int32 (of an IPv6 packet: read them at l3). */
  saddr = 0
  daddr = 0
  /** CSUM_NONE, CSUM_VERIFIED or CSUM_PARTIAL, and where from l4 the transport's checksum field is. */
  csum: number = CSUM_NONE
  csumOffset = 0
  /** Payload bytes of each wire segment if this packet stands for several (TSO, GRO); 0 if it is one. */
  gsoSize = 0
  gsoSegments = 0
  /** CWR is part of AccECN's counter: each segment keeps it (SKB_GSO_TCP_ACCECN). */
  gsoAccEcn = false
  /** PACKET_HOST, PACKET_BROADCAST, … of an arriving frame. */
  kind: number = PACKET_HOST
  /** When it arrived or was sent, in the clock's microseconds. */
  time: Micros = 0
  /** Interface it arrived on or leaves by (set by the stack; unknown here). */
  interface: unknown = null
  /** For the queue that holds it. */
  next: Packet | null = null
  /** Control block of the layer that holds it (skb->cb). */
  seq = 0
  endSeq = 0
  flags = 0
  mark = 0
  /** Who is to be told when the bytes have left (a sender's memory account); see `orphan`. */
  owner: PacketOwner | null = null
  ownerBytes = 0
  readonly pool: PacketPool
  pooled = false

  constructor(pool: PacketPool, chunk: Chunk) {
    this.pool = pool
    this.chunk = chunk
    this.bytes = chunk.bytes
    this.view = chunk.view
  }

  /** Bytes from `start` to the end of the last slice. */
  get length(): number {
    return this.end - this.start + this.fragBytes
  }

  /** Bytes in the linear part. */
  get linear(): number {
    return this.end - this.start
  }

  /** Makes room for `n` bytes in front and returns the offset at which to write them. */
  push(n: number): number {
    assert(this.start >= n, 'Packet.push: out of headroom')
    return (this.start -= n)
  }

  /** Takes `n` bytes off the front; they must be in the linear part. */
  pull(n: number): void {
    assert(n <= this.end - this.start, 'Packet.pull: beyond the linear part')
    this.start += n
  }

  /** Takes `n` payload bytes off the front, slices included; headers in front of them are forgotten. */
  trimFront(n: number): void {
    const linear = Math.min(n, this.end - this.start)
    this.start += linear
    n -= linear
    let drop = 0
    while (n > 0) {
      const length = this.fragLength[drop] as number
      if (length > n) {
        this.fragOffset[drop] = (this.fragOffset[drop] as number) + n
        this.fragLength[drop] = length - n
        this.fragBytes -= n
        break
      }
      n -= length
      this.fragBytes -= length
      ;(this.fragChunk[drop] as Chunk).unref()
      drop++
    }
    if (drop > 0) this.#shiftFrags(drop)
  }

  #shiftFrags(drop: number): void {
    for (let i = drop; i < this.fragCount; i++) {
      this.fragChunk[i - drop] = this.fragChunk[i] as Chunk
      this.fragOffset[i - drop] = this.fragOffset[i] as number
      this.fragLength[i - drop] = this.fragLength[i] as number
    }
    for (let i = this.fragCount - drop; i < this.fragCount; i++) this.fragChunk[i] = null
    this.fragCount -= drop
  }

  /** Cuts the packet to `length` bytes from `start` (padding, bytes beyond the window). */
  trimTo(length: number): void {
    let excess = this.length - length
    while (excess > 0 && this.fragCount > 0) {
      const last = this.fragCount - 1
      const size = this.fragLength[last] as number
      if (size > excess) {
        this.fragLength[last] = size - excess
        this.fragBytes -= excess
        return
      }
      excess -= size
      this.fragBytes -= size
      ;(this.fragChunk[last] as Chunk).unref()
      this.fragChunk[last] = null
      this.fragCount = last
    }
    if (excess > 0) this.end -= excess
  }

  /** Appends `length` bytes at the end of the linear part and returns the offset at which to write them. */
  put(length: number): number {
    const at = this.end
    assert(this.fragCount === 0 && at + length <= this.bytes.length, 'Packet.put: out of tailroom')
    this.end = at + length
    return at
  }

  /** Appends a slice of `chunk`, taking a reference; false if the packet has MAX_FRAGS already. */
  addFrag(chunk: Chunk, offset: number, length: number): boolean {
    const n = this.fragCount
    if (n > 0 && this.fragChunk[n - 1] === chunk) {
      const last = this.fragLength[n - 1] as number
      if ((this.fragOffset[n - 1] as number) + last === offset) {
        this.fragLength[n - 1] = last + length
        this.fragBytes += length
        return true
      }
    }
    if (n >= MAX_FRAGS) return false
    chunk.refs++
    this.fragChunk[n] = chunk
    this.fragOffset[n] = offset
    this.fragLength[n] = length
    this.fragCount = n + 1
    this.fragBytes += length
    return true
  }

  /** Appends bytes [from, from + length) of this packet, counted from `start`, to `to` as slices; false if it is full. */
  shareInto(to: Packet, from: number, length: number): boolean {
    const linear = this.end - this.start
    if (from < linear && length > 0) {
      const part = Math.min(length, linear - from)
      if (!to.addFrag(this.chunk, this.start + from, part)) return false
      from += part
      length -= part
    }
    from -= linear
    for (let i = 0; i < this.fragCount && length > 0; i++) {
      const size = this.fragLength[i] as number
      if (from < size) {
        const part = Math.min(length, size - from)
        if (!to.addFrag(this.fragChunk[i] as Chunk, (this.fragOffset[i] as number) + from, part)) return false
        from = 0
        length -= part
      } else from -= size
    }
    return length === 0
  }

  /** Copies bytes [from, from + length), counted from `start`, into `to` at `at`. */
  copyTo(to: Uint8Array, at: number, from: number, length: number): void {
    const linear = this.end - this.start
    if (from < linear && length > 0) {
      const part = Math.min(length, linear - from)
      this.chunk.copyOwnTo(to, at, this.start + from, part)
      at += part
      from += part
      length -= part
    }
    from -= linear
    for (let i = 0; i < this.fragCount && length > 0; i++) {
      const size = this.fragLength[i] as number
      if (from < size) {
        const part = Math.min(length, size - from)
        ;(this.fragChunk[i] as Chunk).copyTo(to, at, (this.fragOffset[i] as number) + from, part)
        at += part
        from = 0
        length -= part
      } else from -= size
    }
  }

  /** All bytes from `start` in a new array: for captures and tests, not for the packet path. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.length)
    this.copyTo(bytes, 0, 0, bytes.length)
    return bytes
  }

  /** Makes the first `n` bytes linear, copying from the slices if needed; false if there are not so many. */
  pullUp(n: number): boolean {
    const linear = this.end - this.start
    if (linear >= n) return true
    if (this.length < n) return false
    const need = n - linear
    this.#roomAtEnd(need)
    this.#gather(need)
    return true
  }

  /** Moves the first `need` bytes of the slices into the tailroom. */
  #gather(need: number): void {
    let left = need
    let drop = 0
    while (left > 0) {
      const size = this.fragLength[drop] as number
      const part = Math.min(size, left)
      copy(this.bytes, this.end, (this.fragChunk[drop] as Chunk).bytes, this.fragOffset[drop] as number, part)
      this.end += part
      left -= part
      this.fragBytes -= part
      if (part === size) {
        ;(this.fragChunk[drop] as Chunk).unref()
        drop++
      } else {
        this.fragOffset[drop] = (this.fragOffset[drop] as number) + part
        this.fragLength[drop] = size - part
      }
    }
    if (drop > 0) this.#shiftFrags(drop)
  }

  /** Makes the linear part private and at least `room` bytes longer at the end, keeping all offsets. */
  #roomAtEnd(room: number): void {
    if (this.chunk.refs === 1 && this.end + room <= this.bytes.length) return
    this.#replaceChunk(this.end + room)
  }

  #replaceChunk(size: number): void {
    const chunk = this.pool.takeChunk(size)
    copy(chunk.bytes, 0, this.bytes, 0, this.end)
    this.chunk.unref()
    this.chunk = chunk
    this.bytes = chunk.bytes
    this.view = chunk.view
  }

  /** Makes the linear part private before it is written to; slices stay shared. */
  unshare(): void {
    if (this.chunk.refs > 1) this.#replaceChunk(this.bytes.length)
  }

  /** A packet of its own with the same bytes (slices shared, linear part copied) and the same metadata. */
  clone(): Packet {
    const p = this.pool.alloc(this.end + 64)
    copy(p.bytes, this.start, this.bytes, this.start, this.end - this.start)
    p.start = this.start
    p.end = this.end
    for (let i = 0; i < this.fragCount; i++) {
      const chunk = this.fragChunk[i] as Chunk
      chunk.refs++
      p.fragChunk[i] = chunk
      p.fragOffset[i] = this.fragOffset[i] as number
      p.fragLength[i] = this.fragLength[i] as number
    }
    p.fragCount = this.fragCount
    p.fragBytes = this.fragBytes
    p.copyMetadata(this)
    return p
  }

  /** Takes over layer offsets, checksum and segmentation state, addresses, kind and time of `from`. */
  copyMetadata(from: Packet): void {
    this.l3 = from.l3
    this.l4 = from.l4
    this.etherType = from.etherType
    this.protocol = from.protocol
    this.saddr = from.saddr
    this.daddr = from.daddr
    this.csum = from.csum
    this.csumOffset = from.csumOffset
    this.gsoSize = from.gsoSize
    this.gsoSegments = from.gsoSegments
    this.gsoAccEcn = from.gsoAccEcn
    this.kind = from.kind
    this.time = from.time
    this.mark = from.mark
  }

  /** The sender's account is settled: the packet left the host or waits in somebody else's queue. */
  orphan(): void {
    const owner = this.owner
    if (owner === null) return
    this.owner = null
    owner.packetLeft(this.ownerBytes)
  }

  /** Gives the packet and its references back. It must not be touched afterwards. */
  release(): void {
    assert(!this.pooled, 'Packet.release: released twice')
    if (this.owner !== null) this.orphan()
    for (let i = 0; i < this.fragCount; i++) {
      ;(this.fragChunk[i] as Chunk).unref()
      this.fragChunk[i] = null
    }
    this.fragCount = 0
    this.fragBytes = 0
    this.pool.recycle(this)
  }
}

/** Told when a packet it sent has left the host (skb->destructor). */
export interface PacketOwner {
  packetLeft(bytes: number): void
  /** False: this host need not hear the multicasts it sends (IP_MULTICAST_LOOP). */
  readonly loopsMulticast?: boolean
}
