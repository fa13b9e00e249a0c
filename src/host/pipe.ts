/**
 * Pipes (pipe(7), fs/pipe.c): sixteen pages in a ring. A write of PIPE_BUF bytes or less goes into one page, so it is never
 * mixed with another's nor cut in two; a short one joins what is in the last page if it fits there.
 */
import { type Chunk, copy } from '../buf/chunk.ts'
import type { PacketPool } from '../buf/pool.ts'
import { S_IFIFO } from '../fs/mode.ts'
import { FIONREAD, O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../sock/constants.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, WaitQueue } from '../sock/wait-queue.ts'
import type { FileTable } from '../socket/file-table.ts'
import { OpenFile } from '../socket/open-file.ts'
import { POLL_IN, POLL_OUT } from '../socket/signal-constants.ts'
import { EAGAIN, EBADF, EBUSY, EINVAL, EPERM, EPIPE, ESPIPE } from '../sys/errno.ts'

/** Bytes written atomically: one page. */
export const PIPE_BUF = 4096
const SLOTS = 16
/** Bytes a pipe holds at first, and what F_SETPIPE_SZ gives to those without privileges at most (fs.pipe-max-size). */
export const PIPE_CAPACITY: number = SLOTS * PIPE_BUF
const PIPE_MAX_SIZE = 1048576
/** Largest size at all. */
const PIPE_LIMIT = 0x80000000

const READABLE = POLLIN | POLLRDNORM
const WRITABLE = POLLOUT | POLLWRNORM

/** What a page holds, beside what write(2) may add to (PIPE_BUF_FLAG_CAN_MERGE): one write to a pipe with O_DIRECT; spliced bytes. */
const MERGES = 0
const PACKET = 1
const SPLICED = 2

/** What both ends refer to (struct pipe_inode_info). Slot i is page i of one chunk, which the pipe has while it is not empty. */
export class Pipe {
  readonly readWait: WaitQueue = new WaitQueue()
  readonly writeWait: WaitQueue = new WaitQueue()
  readers = 1
  writers = 1
  /** Number of its inode. */
  readonly inode: number
  readonly #pool: PacketPool
  #slots = SLOTS
  #mask: number = SLOTS - 1
  #offset: Int32Array = new Int32Array(SLOTS)
  #length: Int32Array = new Int32Array(SLOTS)
  /** MERGES, PACKET, which is read alone, or SPLICED. */
  #kind: Uint8Array = new Uint8Array(SLOTS)
  #chunk: Chunk | null = null
  #head = 0
  #tail = 0

  constructor({ pool, nextInode }: PipeHost) {
    this.#pool = pool
    this.inode = nextInode()
  }

  /** F_GETPIPE_SZ: bytes it holds. */
  get capacity(): number {
    return this.#slots * PIPE_BUF
  }

  /** F_SETPIPE_SZ (pipe_set_size): the size it has now, a power of two; -EINVAL, -EPERM, or -EBUSY for more in it than fits. */
  resize(size: number, isPrivileged: boolean): number {
    if (!(size >= 0 && size <= PIPE_LIMIT)) return -EINVAL
    const slots = 2 ** Math.ceil(Math.log2(Math.max(Math.ceil(size / PIPE_BUF), 1)))
    if (slots > this.#slots && slots * PIPE_BUF > PIPE_MAX_SIZE && !isPrivileged) return -EPERM
    const used = this.#head - this.#tail
    if (used > slots) return -EBUSY
    const chunk = used === 0 ? null : this.#pool.takeChunk(slots * PIPE_BUF)
    const rings = [new Int32Array(slots), new Int32Array(slots), new Uint8Array(slots)] as const
    for (let i = 0; i < used; i++) {
      const from = (this.#tail + i) & this.#mask
      for (const [r, ring] of [this.#offset, this.#length, this.#kind].entries()) {
        ;(rings[r] as Int32Array | Uint8Array)[i] = ring[from] as number
      }
      chunk?.bytes.set((this.#chunk as Chunk).bytes.subarray(from * PIPE_BUF, (from + 1) * PIPE_BUF), i * PIPE_BUF)
    }
    const wasFull = this.isFull
    this.#dropChunk()
    this.#chunk = chunk
    ;[this.#offset, this.#length, this.#kind] = rings
    this.#slots = slots
    this.#mask = slots - 1
    this.#tail = 0
    this.#head = used
    if (wasFull && !this.isFull) this.writeWait.wake(WRITABLE)
    return this.capacity
  }

  get isEmpty(): boolean {
    return this.#head === this.#tail
  }

  get isFull(): boolean {
    return this.#head - this.#tail === this.#slots
  }

  /** Bytes to be read (FIONREAD). */
  get unread(): number {
    let sum = 0
    for (let i = this.#tail; i < this.#head; i++) sum += this.#length[i & this.#mask] as number
    return sum
  }

  /** Bytes, 0 at the end, or -EAGAIN (pipe_read). */
  read(bytes: Uint8Array, offset: number, length: number): number {
    if (length === 0) return 0
    const wasFull = this.isFull
    let copied = 0
    while (copied < length && !this.isEmpty) {
      const slot = this.#tail & this.#mask
      const from = this.#offset[slot] as number
      const there = this.#length[slot] as number
      const part = Math.min(there, length - copied)
      copy(bytes, offset + copied, (this.#chunk as Chunk).bytes, slot * PIPE_BUF + from, part)
      copied += part
      this.#offset[slot] = from + part
      this.#length[slot] = there - part
      const isPacket = this.#kind[slot] === PACKET
      if (part === there || isPacket) this.#tail++
      if (isPacket) break
    }
    if (copied === 0) return this.writers === 0 ? 0 : -EAGAIN
    if (this.isEmpty) this.#dropChunk()
    // Writers are told only if there was no room for them before.
    if (wasFull && !this.isFull) this.writeWait.wake(WRITABLE)
    return copied
  }

  /** Bytes taken, -EPIPE, or -EAGAIN (pipe_write). */
  write(bytes: Uint8Array, offset: number, length: number, isPacket: boolean): number {
    if (length === 0) return 0
    if (this.readers === 0) return -EPIPE
    let written = this.#merge(bytes, offset, length & (PIPE_BUF - 1))
    while (written < length && !this.isFull) {
      const part = Math.min(PIPE_BUF, length - written)
      this.#push(bytes, offset + written, part, isPacket ? PACKET : MERGES)
      written += part
    }
    // Readers are told of every write, also of one that found no room: edge-triggered programs rely on it (poll_usage).
    this.readWait.wake(READABLE)
    return written === 0 ? -EAGAIN : written
  }

  /** Puts what is more than whole pages behind what the last page holds, if it fits. */
  #merge(bytes: Uint8Array, offset: number, length: number): number {
    if (length === 0 || this.isEmpty) return 0
    const slot = (this.#head - 1) & this.#mask
    const end = (this.#offset[slot] as number) + (this.#length[slot] as number)
    if (this.#kind[slot] !== MERGES || end + length > PIPE_BUF) return 0
    copy((this.#chunk as Chunk).bytes, slot * PIPE_BUF + end, bytes, offset, length)
    this.#length[slot] = (this.#length[slot] as number) + length
    return length
  }

  /** Takes the next page for up to PIPE_BUF bytes. */
  #push(bytes: Uint8Array, offset: number, length: number, kind: number): void {
    this.#chunk ??= this.#pool.takeChunk(this.capacity)
    const slot = this.#head++ & this.#mask
    copy(this.#chunk.bytes, slot * PIPE_BUF, bytes, offset, length)
    this.#offset[slot] = 0
    this.#length[slot] = length
    this.#kind[slot] = kind
  }

  // ---- splice(2) ----

  /** Bytes of the pages that are free. */
  get room(): number {
    return (this.#slots - this.#head + this.#tail) * PIPE_BUF
  }

  /** Puts bytes for which there is room into pages of their own, of the first leaving out `skew` bytes (splice_to_pipe). */
  fill(bytes: Uint8Array, offset: number, length: number, skew: number): void {
    for (let done = 0, part = 0; done < length; done += part) {
      part = Math.min(done === 0 ? PIPE_BUF - skew : PIPE_BUF, length - done)
      this.#push(bytes, offset + done, part, SPLICED)
    }
    this.readWait.wake(READABLE)
  }

  /** Puts the first `length` bytes into another pipe too, page by page, of the last perhaps a part: how many had room. */
  copyTo(to: Pipe, length: number): number {
    let done = 0
    for (let i = this.#tail; i < this.#head && done < length && !to.isFull; i++) {
      const slot = i & this.#mask
      const part = Math.min(this.#length[slot] as number, length - done)
      const at = slot * PIPE_BUF + (this.#offset[slot] as number)
      to.#push((this.#chunk as Chunk).bytes, at, part, this.#kind[slot] === PACKET ? PACKET : SPLICED)
      done += part
    }
    to.readWait.wake(READABLE)
    return done
  }

  /** The first `length` bytes, or those of the first `pages` pages, where they lie. */
  parts(length: number, pages: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    const end = Math.min(this.#head, this.#tail + pages)
    for (let i = this.#tail, left = length; i < end && left > 0; i++) {
      const slot = i & this.#mask
      const from = slot * PIPE_BUF + (this.#offset[slot] as number)
      const part = Math.min(this.#length[slot] as number, left)
      parts.push((this.#chunk as Chunk).bytes.subarray(from, from + part))
      left -= part
    }
    return parts
  }

  /** Drops the first `length` bytes. */
  drop(length: number): void {
    const wasFull = this.isFull
    for (let left = length; left > 0; ) {
      const slot = this.#tail & this.#mask
      const part = Math.min(this.#length[slot] as number, left)
      this.#offset[slot] = (this.#offset[slot] as number) + part
      this.#length[slot] = (this.#length[slot] as number) - part
      if (this.#length[slot] === 0) this.#tail++
      left -= part
    }
    if (this.isEmpty) this.#dropChunk()
    if (wasFull && !this.isFull) this.writeWait.wake(WRITABLE)
  }

  #dropChunk(): void {
    this.#chunk?.unref()
    this.#chunk = null
  }

  readerClosed(): void {
    this.readers--
    this.writeWait.wake(WRITABLE | POLLERR | POLLHUP)
    if (this.writers === 0) this.#clear()
  }

  writerClosed(): void {
    this.writers--
    this.readWait.wake(READABLE | POLLERR | POLLHUP)
    if (this.readers === 0) this.#clear()
  }

  #clear(): void {
    this.#tail = this.#head
    this.#dropChunk()
  }
}

/** Either end. */
abstract class PipeEnd extends OpenFile {
  readonly pipe: Pipe

  constructor(pipe: Pipe, flags: number) {
    super(flags)
    this.pipe = pipe
  }

  override get canDirect(): boolean {
    return true
  }

  override ioctl(request: number): number {
    return request === FIONREAD ? this.pipe.unread : super.ioctl(request)
  }

  override seek(): number {
    return -ESPIPE
  }

  override get mode(): number {
    return S_IFIFO | 0o600
  }

  override get inodeNumber(): number {
    return this.pipe.inode
  }

  override get description(): string {
    return `pipe:[${this.pipe.inode}]`
  }

  override get canAsync(): boolean {
    return true
  }

  override pipeSize(size: number | null, isPrivileged: boolean): number {
    return size === null ? this.pipe.capacity : this.pipe.resize(size, isPrivileged)
  }
}

/** The end to read from. */
export class PipeReader extends PipeEnd {
  constructor(pipe: Pipe, flags: number) {
    super(pipe, O_RDONLY | flags)
  }

  override get wait(): WaitQueue {
    return this.pipe.readWait
  }

  override get asyncCode(): number {
    return POLL_IN
  }

  override poll(): number {
    return (this.pipe.isEmpty ? 0 : READABLE) | (this.pipe.writers === 0 ? POLLHUP : 0)
  }

  override read(bytes: Uint8Array, offset: number, length: number): number {
    return this.pipe.read(bytes, offset, length)
  }

  override write(): number {
    return -EBADF
  }

  protected override release(): void {
    this.pipe.readerClosed()
  }
}

/** The end to write to. */
export class PipeWriter extends PipeEnd {
  constructor(pipe: Pipe, flags: number) {
    super(pipe, O_WRONLY | flags)
  }

  override get wait(): WaitQueue {
    return this.pipe.writeWait
  }

  override get asyncCode(): number {
    return POLL_OUT
  }

  override poll(): number {
    return (this.pipe.isFull ? 0 : WRITABLE) | (this.pipe.readers === 0 ? POLLERR : 0)
  }

  override read(): number {
    return -EBADF
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    return this.pipe.write(bytes, offset, length, (this.flags & O_DIRECT) !== 0)
  }

  protected override release(): void {
    this.pipe.writerClosed()
  }
}

/** What a pipe needs of its host. */
export interface PipeHost {
  readonly pool: PacketPool
  readonly nextInode: () => number
}

/** pipe2(2) in raw form: `into` gets the descriptors for reading and writing. 0, -EINVAL, -EMFILE or -ENFILE. */
export function pipe2(files: FileTable, host: PipeHost, flags: number, into: [number, number]): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return -EINVAL
  const reader = files.reserve()
  if (reader < 0) return reader
  const writer = files.reserve()
  if (writer < 0) {
    files.cancel(reader)
    return writer
  }
  const pipe = new Pipe(host)
  const closeOnExec = (flags & O_CLOEXEC) !== 0
  files.install(reader, new PipeReader(pipe, flags & O_NONBLOCK), closeOnExec)
  files.install(writer, new PipeWriter(pipe, flags & (O_NONBLOCK | O_DIRECT)), closeOnExec)
  into[0] = reader
  into[1] = writer
  return 0
}
