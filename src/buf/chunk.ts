/** Counted pieces of memory that packets are made of, and the sizes they come in. */
import { assert } from '../sys/assert.ts'

/** Room kept in front of what a sender builds: Ethernet 14 (+4 tag) + IPv4 60 or IPv6 40 with extensions + TCP 60. */
export const HEADROOM = 160
/** Linear size of packets that carry their payload in slices or have little of it. */
export const SMALL = 384
/** Linear size of packets read from a device: headroom and a frame of MTU 1500. */
export const FRAME = 2048
/** Size of the chunks that payload is copied into; as Linux's page_frag of 32 KiB, with room for a whole GSO segment. */
export const CHUNK = 65536
/** Most slices in one packet (MAX_SKB_FRAGS). */
export const MAX_FRAGS = 17

/** Where a chunk goes when nobody refers to it any more. */
export interface ChunkPool {
  recycleChunk(chunk: Chunk): void
}

/** A counted piece of memory. */
export class Chunk {
  readonly buffer: ArrayBuffer
  readonly bytes: Uint8Array
  readonly view: DataView
  refs = 1
  /** Where the bytes are in the process's memory, for a device that talks to the kernel; 0 until it asked. */
  address = 0
  readonly #pool: ChunkPool
  /** The view that `copyOwnTo` made last, and of what. */
  #own: Uint8Array | null = null
  #ownAt = 0
  #ownLength = 0

  constructor(pool: ChunkPool, size: number) {
    this.#pool = pool
    this.buffer = new ArrayBuffer(size)
    this.bytes = new Uint8Array(this.buffer)
    this.view = new DataView(this.buffer)
  }

  /** Copies `length` bytes from `offset` on into `to` at `at`: as `copy`, which needs twice as long to make its view. */
  copyTo(to: Uint8Array, at: number, offset: number, length: number): void {
    if (length <= COPY_LOOP_LIMIT) copy(to, at, this.bytes, offset, length)
    else to.set(new Uint8Array(this.buffer, offset, length), at)
  }

  /** The same of a packet's linear part, mostly the same range of the chunk each time: its view is kept for the next one. */
  copyOwnTo(to: Uint8Array, at: number, offset: number, length: number): void {
    if (length <= COPY_LOOP_LIMIT) {
      copy(to, at, this.bytes, offset, length)
      return
    }
    let own = this.#own
    if (own === null || this.#ownLength !== length || this.#ownAt !== offset) {
      own = this.#own = new Uint8Array(this.buffer, offset, length)
      this.#ownAt = offset
      this.#ownLength = length
    }
    to.set(own, at)
  }

  ref(): void {
    this.refs++
  }

  unref(): void {
    assert(this.refs > 0, 'Chunk.unref: released more often than taken')
    if (--this.refs === 0) this.#pool.recycleChunk(this)
  }
}

/** Below this a byte loop beats making the view that `set` needs. */
const COPY_LOOP_LIMIT = 48

/** Copies `length` bytes between arrays. */
export function copy(to: Uint8Array, at: number, from: Uint8Array, offset: number, length: number): void {
  if (length <= COPY_LOOP_LIMIT) {
    for (let i = 0; i < length; i++) to[at + i] = from[offset + i] as number
  } else if (offset === 0 && length === from.length) to.set(from, at)
  else to.set(from.subarray(offset, offset + length), at)
}
