/**
 * One entry of a connection's transmit queue: a run of the byte stream that was or will be sent together, with its
 * retransmission state (Linux's skb on the write and retransmit queues). It may stand for several wire segments.
 */
import { type Chunk, copy, type Packet } from '../buf/packet.ts'
import { SMALL_TRUESIZE } from '../buf/skb-size.ts'
import type { ZeroCopy } from '../sock/zerocopy.ts'
import type { Seq } from './seq.ts'

/** Bits of `sacked`: TCPCB_SACKED_ACKED, _SACKED_RETRANS, _LOST, _EVER_RETRANS. */
export const SACKED = 1
export const RETRANS = 2
export const LOST = 4
export const EVER_RETRANS = 8
export const TAGBITS = 7

/** Most slices of memory in one segment: one less than a packet can carry, since headers may need one. */
export const MAX_SLICES = 16
/** What an entry costs beside its bytes, charged to the send buffer. */
export const TX_OVERHEAD: number = SMALL_TRUESIZE
/** Free entries kept for reuse. */
const FREE_LIMIT = 4096

export class TxSegment {
  seq: Seq = 0
  /** One past the last sequence number, SYN and FIN counted. */
  endSeq: Seq = 0
  /** SYN, FIN, PSH, URG … of the header. */
  flags = 0
  /** Retransmission state bits. */
  sacked = 0
  /** Wire segments it stands for at the MSS it was last sent with, and that MSS (tcp_gso_size); 0 if it is one. */
  pcount = 0
  gsoSize = 0
  /** When it was last sent, in microseconds; 0 before. */
  txTime = 0
  /** The connection when it was last sent (rate.ts): begin of the flight, time and count of deliveries; time 0: sampled. */
  firstTxTime = 0
  deliveredTime = 0
  delivered = 0
  isAppLimited = false
  /** Time stamps wanted of the byte `stampSeq` (SOF_ bits). */
  stampFlags = 0
  stampSeq: Seq = 0
  /** A message ends here: nothing may be appended (MSG_EOR). */
  endOfRecord = false
  /** Calls with MSG_ZEROCOPY that gave bytes of it. */
  zerocopy: ZeroCopy | null = null
  /** Neighbours in the transmit queue. */
  next: TxSegment | null = null
  previous: TxSegment | null = null
  /** Neighbours in the list ordered by time of (re)transmission, for RACK; `timed` says whether it is in it. */
  laterSent: TxSegment | null = null
  earlierSent: TxSegment | null = null
  timed = false
  /** Payload slices. */
  count = 0
  bytes = 0
  readonly chunk: (Chunk | null)[] = []
  readonly offset: number[] = []
  readonly length: number[] = []

  /** Appends a slice, taking a reference; false if there is no room for another. */
  append(chunk: Chunk, offset: number, length: number): boolean {
    const n = this.count
    if (n > 0 && this.chunk[n - 1] === chunk) {
      const last = this.length[n - 1] as number
      if ((this.offset[n - 1] as number) + last === offset) {
        this.length[n - 1] = last + length
        this.bytes += length
        return true
      }
    }
    if (n >= MAX_SLICES) return false
    chunk.refs++
    this.chunk[n] = chunk
    this.offset[n] = offset
    this.length[n] = length
    this.count = n + 1
    this.bytes += length
    return true
  }

  /** Drops the first `n` payload bytes. */
  trimFront(n: number): void {
    this.bytes -= n
    let drop = 0
    while (n > 0) {
      const size = this.length[drop] as number
      if (size > n) {
        this.offset[drop] = (this.offset[drop] as number) + n
        this.length[drop] = size - n
        break
      }
      n -= size
      ;(this.chunk[drop] as Chunk).unref()
      drop++
    }
    if (drop === 0) return
    for (let i = drop; i < this.count; i++) {
      this.chunk[i - drop] = this.chunk[i] as Chunk
      this.offset[i - drop] = this.offset[i] as number
      this.length[i - drop] = this.length[i] as number
    }
    for (let i = this.count - drop; i < this.count; i++) this.chunk[i] = null
    this.count -= drop
  }

  /** Moves the payload bytes from `at` on to `rest`, which is empty. */
  splitInto(rest: TxSegment, at: number): void {
    let skip = at
    let keep = 0
    for (let i = 0; i < this.count; i++) {
      const size = this.length[i] as number
      if (skip >= size) {
        skip -= size
        keep = i + 1
        continue
      }
      rest.append(this.chunk[i] as Chunk, (this.offset[i] as number) + skip, size - skip)
      if (skip > 0) {
        this.length[i] = skip
        keep = i + 1
        skip = 0
      } else {
        ;(this.chunk[i] as Chunk).unref()
        this.chunk[i] = null
      }
    }
    this.count = keep
    this.bytes = at
  }

  /** Adds the payload to `packet`: copied behind the headers when small, by reference otherwise. */
  fill(packet: Packet, copyBelow: number): void {
    if (this.bytes <= copyBelow) {
      let at = packet.put(this.bytes)
      for (let i = 0; i < this.count; i++) {
        const size = this.length[i] as number
        copy(packet.bytes, at, (this.chunk[i] as Chunk).bytes, this.offset[i] as number, size)
        at += size
      }
      return
    }
    for (let i = 0; i < this.count; i++) {
      packet.addFrag(this.chunk[i] as Chunk, this.offset[i] as number, this.length[i] as number)
    }
  }

  /** Takes the slices of `other` behind its own; false (nothing moved) if there is no room, or a program waits for either (skb_shift). */
  absorb(other: TxSegment): boolean {
    if (this.zerocopy !== null || other.zerocopy !== null) return false
    if (this.count + other.count > MAX_SLICES) return false
    for (let i = 0; i < other.count; i++) {
      this.append(other.chunk[i] as Chunk, other.offset[i] as number, other.length[i] as number)
    }
    return true
  }

  /** Moves the first `n` bytes of `other` behind its own; false (nothing moved) if there may be no room. */
  takeFrom(other: TxSegment, n: number): boolean {
    if (this.zerocopy !== null || other.zerocopy !== null) return false
    if (this.count + other.count > MAX_SLICES) return false
    let left = n
    for (let i = 0; left > 0; i++) {
      const length = Math.min(left, other.length[i] as number)
      this.append(other.chunk[i] as Chunk, other.offset[i] as number, length)
      left -= length
    }
    other.trimFront(n)
    return true
  }

  /** Memory charged to the send buffer. */
  get truesize(): number {
    return this.bytes + TX_OVERHEAD
  }

  /** Counts its wire segments at `mss` (tcp_set_skb_tso_segs); a bare SYN or FIN is one. */
  countPieces(mss: number): void {
    const isOne = this.bytes <= mss
    this.gsoSize = isOne ? 0 : mss
    this.pcount = isOne ? 1 : Math.ceil(this.bytes / mss)
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) {
      ;(this.chunk[i] as Chunk).unref()
      this.chunk[i] = null
    }
    this.count = 0
    this.bytes = 0
    this.flags = 0
    this.sacked = 0
    this.pcount = this.gsoSize = 0
    this.txTime = 0
    this.deliveredTime = 0
    this.stampFlags = 0
    this.endOfRecord = false
    this.next = this.previous = this.laterSent = this.earlierSent = null
    this.timed = false
  }
}

/** Free transmit segments of one host. */
export class TxSegmentPool {
  readonly #free: TxSegment[] = []
  /** Handed out and not given back. */
  outstanding = 0

  take(): TxSegment {
    this.outstanding++
    return this.#free.pop() ?? new TxSegment()
  }

  give(segment: TxSegment): void {
    this.outstanding--
    segment.clear()
    if (this.#free.length < FREE_LIMIT) this.#free.push(segment)
  }
}
