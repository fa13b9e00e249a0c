/** Free packets and chunks: nothing is allocated per packet once a host has warmed up. */
import { CHUNK, Chunk, type ChunkPool, FRAME, HEADROOM, SMALL } from './chunk.ts'
import { CSUM_NONE, PACKET_HOST, Packet } from './packet.ts'

/** Free packets and chunks of each size that a pool keeps. */
export const POOL_LIMIT = 4096
export const POOL_CHUNKS = 256
/** A piece of this size or more has a chunk of its own if the page cannot take it whole: each slice costs a view when it is copied. */
const LONG = 49152

/** Free packets and chunks, shared by the hosts of one clock or owned by one host. Single-threaded, so no locks. */
export class PacketPool implements ChunkPool {
  readonly #small: Packet[] = []
  readonly #frame: Packet[] = []
  readonly #smallChunks: Chunk[] = []
  readonly #frameChunks: Chunk[] = []
  readonly #chunks: Chunk[] = []
  #page: Chunk | null = null
  #pageUsed = 0
  /** The chunk of a long piece, in place of the page. */
  #own: Chunk | null = null
  /** Packets handed out and not yet released. */
  outstanding = 0

  /** An empty packet whose linear part has HEADROOM in front and at least `tail` bytes after it. */
  allocHeader(tail = 0): Packet {
    const p = this.alloc(HEADROOM + tail)
    p.start = p.end = HEADROOM
    return p
  }

  /** An empty packet with a linear buffer of at least `size` bytes; `start` and `end` are 0. */
  alloc(size: number): Packet {
    this.outstanding++
    const free = size <= SMALL ? this.#small : size <= FRAME ? this.#frame : null
    const p = free?.pop()
    if (p === undefined) return new Packet(this, this.takeChunk(size))
    p.pooled = false
    return p
  }

  /** A packet holding a copy of `frame` with `headroom` bytes in front of it. */
  fromBytes(frame: Uint8Array, headroom: number = HEADROOM): Packet {
    const p = this.alloc(headroom + frame.length)
    p.bytes.set(frame, headroom)
    p.start = headroom
    p.end = headroom + frame.length
    return p
  }

  /** A chunk of at least `size` bytes with one reference. */
  takeChunk(size: number): Chunk {
    const free =
      size <= SMALL ? this.#smallChunks : size <= FRAME ? this.#frameChunks : size <= CHUNK ? this.#chunks : null
    const chunk = free?.pop()
    if (chunk === undefined)
      return new Chunk(this, size <= SMALL ? SMALL : size <= FRAME ? FRAME : Math.max(size, CHUNK))
    chunk.refs = 1
    return chunk
  }

  /**
   * Room for up to `want` bytes (at least one) in the page that senders of this pool share (Linux's page_frag), or in a chunk of
   * their own. The bytes are [pageOffset, pageOffset + result) of `page`; call `pageTake` with what was used.
   */
  pageRoom(want: number): number {
    this.#dropOwn()
    if (this.#page !== null && this.#page.refs === 1) this.#pageUsed = 0
    const room = this.#page === null ? 0 : CHUNK - this.#pageUsed
    if (want >= LONG && room < want) {
      this.#own = this.takeChunk(CHUNK)
      return Math.min(want, CHUNK)
    }
    if (this.#page === null || room === 0) {
      this.#page?.unref()
      this.#page = this.takeChunk(CHUNK)
      this.#pageUsed = 0
    }
    return Math.min(want, CHUNK - this.#pageUsed)
  }

  get page(): Chunk {
    return this.#own ?? (this.#page as Chunk)
  }

  get pageOffset(): number {
    return this.#own === null ? this.#pageUsed : 0
  }

  pageTake(n: number): void {
    if (this.#own === null) this.#pageUsed += n
    else this.#dropOwn()
  }

  #dropOwn(): void {
    this.#own?.unref()
    this.#own = null
  }

  /** For `Packet.release` only. */
  recycle(p: Packet): void {
    this.outstanding--
    p.pooled = true
    if (p.chunk.refs > 1) {
      // The linear part lives on in somebody's slices: the packet goes, its chunk comes back by itself.
      p.chunk.unref()
      const chunk = p.bytes.length <= SMALL ? this.#smallChunks.pop() : this.#frameChunks.pop()
      if (chunk === undefined) return
      chunk.refs = 1
      p.chunk = chunk
      p.bytes = chunk.bytes
      p.view = chunk.view
    }
    const free = p.bytes.length === SMALL ? this.#small : p.bytes.length === FRAME ? this.#frame : null
    if (free === null || free.length >= POOL_LIMIT) {
      p.chunk.unref()
      return
    }
    p.start = p.end = 0
    p.l3 = p.l4 = -1
    p.csum = CSUM_NONE
    p.gsoSize = p.gsoSegments = 0
    p.gsoAccEcn = false
    p.kind = PACKET_HOST
    p.interface = null
    p.next = null
    p.time = 0
    p.flags = 0
    p.mark = 0
    free.push(p)
  }

  /** For `Chunk.unref` only. */
  recycleChunk(chunk: Chunk): void {
    const size = chunk.bytes.length
    if (size === SMALL) {
      if (this.#smallChunks.length < POOL_LIMIT) this.#smallChunks.push(chunk)
    } else if (size === FRAME) {
      if (this.#frameChunks.length < POOL_LIMIT) this.#frameChunks.push(chunk)
    } else if (size === CHUNK && this.#chunks.length < POOL_CHUNKS) this.#chunks.push(chunk)
  }
}
