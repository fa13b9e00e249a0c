/** What waits in a local socket's receive queue: bytes by reference, who sent them, and what they are charged to the sender. */
import { FRAME } from '../buf/chunk.ts'
import type { Packet } from '../buf/packet.ts'
import type { PacketPool } from '../buf/pool.ts'
import { SHARED_INFO, SKB_SIZE } from '../buf/skb-size.ts'
import { fromProgram, type Message, type Scm, toProgram } from '../sock/message.ts'
import type { Flights } from './garbage.ts'
import type { UnixSock } from './unix-sock.ts'

/** Messages kept for the next sender. */
const MAX_FREE = 1024
const PAGE = 4096
const CACHE_LINE = 64
/** Most bytes in the linear part of a stream's message (SKB_MAX_HEAD(0)) and behind it (UNIX_SKB_FRAGS_SZ). */
const STREAM_HEAD = PAGE - SHARED_INFO
const STREAM_PAGES = 32768
/** Most bytes in the linear part of a datagram, unless its pages are full (SKB_MAX_ALLOC, MAX_SKB_FRAGS). */
const DATAGRAM_HEAD = 4 * PAGE - SHARED_INFO
const DATAGRAM_PAGES = 17 * PAGE

/** Most bytes of a stream that travel as one message. */
export const STREAM_MESSAGE: number = STREAM_HEAD + STREAM_PAGES

const pages = (length: number): number => (length + PAGE - 1) & -PAGE

/** Memory that Linux accounts for a linear part of `length` bytes: powers of two, and the sk_buff. */
function headSize(length: number): number {
  const size = ((length + CACHE_LINE - 1) & -CACHE_LINE) + SHARED_INFO
  return (1 << (32 - Math.clz32(size - 1))) + SKB_SIZE
}

/** Memory that Linux 6.18 accounts for a message of a stream (unix_stream_sendmsg). */
export function streamTruesize(length: number): number {
  const paged = Math.min(length, pages(Math.max(0, length - STREAM_HEAD)))
  return headSize(length - paged) + pages(paged)
}

/** Memory that Linux 6.18 accounts for a datagram (unix_dgram_sendmsg). */
export function datagramTruesize(length: number): number {
  const paged = length > DATAGRAM_HEAD ? pages(Math.min(length - DATAGRAM_HEAD, DATAGRAM_PAGES)) : 0
  return headSize(length - paged) + paged
}

/** One message; reused. */
export class UnixMessage {
  next: UnixMessage | null = null
  sender: UnixSock | null = null
  packet: Packet | null = null
  length = 0
  /** Bytes a stream's reader has taken. */
  consumed = 0
  /** Memory charged to the sender. */
  charge = 0
  /** Credentials and files that come along; null: nothing. */
  scm: Scm | null = null

  copyTo(bytes: Uint8Array, at: number, from: number, length: number, into: Message | null): void {
    toProgram(this.packet as Packet, from, length, bytes, at, into)
  }

  /** Bytes that nobody has read. */
  get left(): number {
    return this.length - this.consumed
  }
}

/** Free messages of one host. */
export class UnixMessages {
  readonly #pool: PacketPool
  readonly #free: UnixMessage[] = []
  readonly #flights: Flights

  constructor(pool: PacketPool, flights: Flights) {
    this.#pool = pool
    this.#flights = flights
  }

  /** A message with a copy of bytes [offset, offset + length) of the program's, charged to `sender`. */
  // biome-ignore format: one line
  make(sender: UnixSock, bytes: Uint8Array, offset: number, length: number, charge: number, from: Message | null): UnixMessage {
    const message = this.#free.pop() ?? new UnixMessage()
    message.packet = this.#pack(bytes, offset, length, from)
    message.sender = sender
    message.length = length
    message.charge = charge
    sender.wmemQueued += charge
    return message
  }

  #pack(bytes: Uint8Array, offset: number, length: number, from: Message | null): Packet {
    const pool = this.#pool
    if (length <= FRAME) {
      const packet = pool.alloc(length)
      packet.put(length)
      fromProgram(packet.bytes, 0, bytes, offset, length, from)
      return packet
    }
    const packet = pool.alloc(0)
    for (let done = 0; done < length; ) {
      const part = pool.pageRoom(length - done)
      fromProgram(pool.page.bytes, pool.pageOffset, bytes, offset + done, part, from)
      packet.addFrag(pool.page, pool.pageOffset, part)
      pool.pageTake(part)
      done += part
    }
    return packet
  }

  /** The message is read, or nobody will: its sender has room again. */
  free(message: UnixMessage): void {
    const { sender, packet, charge } = message
    message.next = null
    message.sender = message.packet = null
    message.consumed = 0
    packet?.release()
    const { scm } = message
    message.scm = null
    if (scm !== null && scm.files.length > 0) {
      this.#flights.landed(scm)
      this.#flights.release(scm.files)
    }
    if (this.#free.length < MAX_FREE) this.#free.push(message)
    sender?.uncharge(charge)
  }
}
