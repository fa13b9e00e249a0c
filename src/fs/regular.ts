/** Regular files: bytes in chunks that grow as they fill, with holes where nothing was written. */
import { EFBIG, EINVAL, ENOSPC } from '../sys/errno.ts'
import { type FileUser, Inode, type Volume } from './inode.ts'
import { S_IFREG } from './mode.ts'

/** Bytes of a whole chunk, and what the first write allocates of one at least. */
export const FILE_CHUNK = 65536
const FIRST_BYTES = 256
/** Largest position of a file (MAX_LFS_FILESIZE is more than a Number holds exactly). */
export const MAX_FILE_SIZE: number = Number.MAX_SAFE_INTEGER

/** A piece of a file where it lies; reused by its owner. */
export class Span {
  bytes: Uint8Array = new Uint8Array(0)
  offset = 0
  length = 0
}

export class RegularFile extends Inode {
  /** Chunk i holds bytes from i × FILE_CHUNK on; beyond its length, and where there is none, are zeros. */
  readonly #chunks: (Uint8Array | undefined)[] = []
  #size = 0
  #allocated = 0

  constructor(volume: Volume, mode: number, owner: FileUser) {
    super(volume, S_IFREG | mode, owner)
  }

  override get size(): number {
    return this.#size
  }

  override get allocated(): number {
    return this.#allocated
  }

  /** Copies from `position` on: bytes, 0 at the end. */
  read(position: number, bytes: Uint8Array, offset: number, length: number): number {
    const total = Math.max(Math.min(length, this.#size - position), 0)
    for (let done = 0; done < total; ) {
      const at = (position + done) % FILE_CHUNK
      const part = Math.min(FILE_CHUNK - at, total - done)
      const chunk = this.#chunks[Math.floor((position + done) / FILE_CHUNK)]
      const there = chunk === undefined ? 0 : Math.min(Math.max(chunk.length - at, 0), part)
      if (there > 0) bytes.set((chunk as Uint8Array).subarray(at, at + there), offset + done)
      bytes.fill(0, offset + done + there, offset + done + part)
      done += part
    }
    return total
  }

  /** Where the bytes from `position` on lie, as far as they lie together; `length` 0 at the end. */
  spanAt(position: number, span: Span): void {
    const at = position % FILE_CHUNK
    const left = Math.max(Math.min(FILE_CHUNK - at, this.#size - position), 0)
    const chunk = this.#chunks[Math.floor(position / FILE_CHUNK)]
    if (chunk !== undefined && at < chunk.length) {
      span.bytes = chunk
      span.offset = at
      span.length = Math.min(left, chunk.length - at)
    } else {
      // A hole.
      span.bytes = new Uint8Array(left)
      span.offset = 0
      span.length = left
    }
  }

  /** Bytes taken at `position`, -EFBIG or -ENOSPC. */
  write(position: number, bytes: Uint8Array, offset: number, length: number): number {
    if (length === 0) return 0
    if (position + length > MAX_FILE_SIZE) return -EFBIG
    let done = 0
    while (done < length) {
      const at = (position + done) % FILE_CHUNK
      const part = Math.min(FILE_CHUNK - at, length - done)
      const chunk = this.#room(Math.floor((position + done) / FILE_CHUNK), at + part)
      if (chunk === undefined) break
      chunk.set(bytes.subarray(offset + done, offset + done + part), at)
      done += part
    }
    if (done === 0) return -ENOSPC
    this.#size = Math.max(this.#size, position + done)
    this.touch()
    return done
  }

  /** Chunk `index` with room for `end` bytes, or undefined if the volume is full. */
  #room(index: number, end: number): Uint8Array | undefined {
    const old = this.#chunks[index]
    if (old !== undefined && old.length >= end) return old
    const wanted = Math.min(Math.max(end, (old?.length ?? 0) * 2, FIRST_BYTES), FILE_CHUNK)
    const more = wanted - (old?.length ?? 0)
    if (!this.volume.charge(more)) return undefined
    this.#allocated += more
    const chunk = new Uint8Array(wanted)
    if (old !== undefined) chunk.set(old)
    this.#chunks[index] = chunk
    return chunk
  }

  /** truncate(2): cuts off, or makes a hole at the end; 0, -EINVAL or -EFBIG. */
  truncate(length: number): number {
    if (!(length >= 0)) return -EINVAL
    if (length > MAX_FILE_SIZE) return -EFBIG
    if (length < this.#size) {
      const keep = Math.ceil(length / FILE_CHUNK)
      for (let i = keep; i < this.#chunks.length; i++) this.#free(this.#chunks[i]?.length ?? 0)
      this.#chunks.length = Math.min(this.#chunks.length, keep)
      if (length % FILE_CHUNK !== 0) this.#chunks[keep - 1]?.fill(0, length % FILE_CHUNK)
    }
    this.#size = length
    this.touch()
    return 0
  }

  #free(bytes: number): void {
    this.#allocated -= bytes
    this.volume.bytes -= bytes
  }

  protected override dispose(): void {
    this.truncate(0)
  }
}
