/** Open files of the file tree (open(2)): regular files, directories, generated files and devices. None of them ever blocks. */

import { type Device, Directory, type FileUser, GeneratedFile, type Inode, Symlink } from '../fs/inode.ts'
import { S_IFMT, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from '../fs/mode.ts'
import { MAX_FILE_SIZE, RegularFile, type Span } from '../fs/regular.ts'
import { FIONREAD, O_APPEND } from '../sock/constants.ts'
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, type WaitQueue } from '../sock/wait-queue.ts'
import { OpenFile } from '../socket/open-file.ts'
import { EBADF, EINVAL, EISDIR, ENOSPC, ENXIO } from '../sys/errno.ts'
import type { Random } from '../sys/random.ts'

/** Readiness of what never blocks (DEFAULT_POLLMASK). */
export const ALWAYS_READY: number = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM

/** One entry of a directory (struct linux_dirent64). */
export interface DirectoryEntry {
  readonly ino: number
  /** Where the next one begins, for lseek. */
  readonly off: number
  /** DT_ number: S_IF… without its lower bits. */
  readonly type: number
  readonly name: string
}

/** What all open files of the tree share; the inode lives as long as one of them. */
export abstract class TreeFile<T extends Inode = Inode> extends OpenFile {
  readonly #inode: T
  readonly #parent: Directory
  readonly #name: string
  position = 0

  constructor(inode: T, flags: number, parent: Directory, name: string) {
    super(flags)
    this.#inode = inode
    this.#parent = parent
    this.#name = name
    inode.opens++
  }

  override get inode(): T {
    return this.#inode
  }

  override get canRead(): boolean {
    return this.isForReading
  }

  override get canWrite(): boolean {
    return this.isForWriting
  }

  override get canPoll(): boolean {
    return false
  }

  override get wait(): WaitQueue | null {
    return null
  }

  override poll(): number {
    return ALWAYS_READY
  }

  override read(bytes: Uint8Array, offset: number, length: number): number {
    const result = this.pread(this.position, bytes, offset, length)
    if (result > 0) this.position += result
    return result
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    const result = this.pwrite(this.position, bytes, offset, length)
    if (result > 0) this.position += result
    return result
  }

  override seek(offset: number, whence: number): number {
    const size = this.#inode.size
    // A file has data up to its end, and a hole there.
    if (whence === SEEK_DATA || whence === SEEK_HOLE) {
      if (!(offset >= 0 && offset < size)) return -ENXIO
      return this.#moveTo(whence === SEEK_DATA ? offset : size)
    }
    if (whence === SEEK_SET) return this.#moveTo(offset)
    if (whence === SEEK_CUR) return this.#moveTo(this.position + offset)
    return whence === SEEK_END ? this.#moveTo(size + offset) : -EINVAL
  }

  #moveTo(position: number): number {
    if (!(position >= 0 && position <= MAX_FILE_SIZE)) return -EINVAL
    this.position = position
    return position
  }

  override fsync(): number {
    return 0
  }

  override get mode(): number {
    return this.#inode.mode
  }

  override get inodeNumber(): number {
    return this.#inode.number
  }

  /** The path it was opened by, as far as the names are still what they were. */
  override get description(): string {
    if (this.#inode instanceof Directory) return this.#inode.path ?? `${this.#name} (deleted)`
    const above = this.#parent.path
    const path = `${above === '/' ? '' : above}/${this.#name}`
    return this.#inode.links === 0 ? `${path} (deleted)` : path
  }

  protected override release(): void {
    this.#inode.opens--
    this.#inode.settle()
  }
}

/** A regular file. */
class OpenRegular extends TreeFile<RegularFile> {
  override pread(position: number, bytes: Uint8Array, offset: number, length: number): number {
    return this.canRead ? this.inode.read(position, bytes, offset, length) : -EBADF
  }

  override pwrite(position: number, bytes: Uint8Array, offset: number, length: number): number {
    if (!this.canWrite) return -EBADF
    const at = (this.flags & O_APPEND) !== 0 ? this.inode.size : position
    return this.inode.write(at, bytes, offset, length)
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    if ((this.flags & O_APPEND) !== 0) this.position = this.inode.size
    return super.write(bytes, offset, length)
  }

  override truncate(length: number): number {
    return this.canWrite ? this.inode.truncate(length) : -EINVAL
  }

  override spanAt(position: number, span: Span): number {
    if (!this.canRead) return -EBADF
    this.inode.spanAt(position, span)
    return 0
  }

  override ioctl(request: number): number {
    return request === FIONREAD ? Math.max(this.inode.size - this.position, 0) : super.ioctl(request)
  }
}

/** A file of /proc: what it says is made when reading begins, so that a reader in small pieces sees one state (seq_file). */
class OpenGenerated extends TreeFile<GeneratedFile> {
  readonly #user: FileUser
  #contents: Uint8Array | null = null

  // biome-ignore format: one line
  constructor(inode: GeneratedFile, flags: number, parent: Directory, name: string, user: FileUser) {
    super(inode, flags, parent, name)
    this.#user = user
  }

  override get canPoll(): boolean {
    return true
  }

  override get canSpliceTo(): boolean {
    return this.inode.isSysctl
  }

  #contentsAt(position: number): Uint8Array {
    if (this.#contents === null || position === 0) {
      const made = this.inode.contents(this.#user)
      this.#contents = typeof made === 'string' ? new TextEncoder().encode(made) : made
    }
    return this.#contents
  }

  override pread(position: number, bytes: Uint8Array, offset: number, length: number): number {
    if (!this.canRead) return -EBADF
    if (length === 0 || (position > 0 && this.inode.isSysctl)) return 0
    const contents = this.#contentsAt(position)
    const part = Math.max(Math.min(length, contents.length - position), 0)
    bytes.set(contents.subarray(position, position + part), offset)
    return part
  }

  /** What is not written from the beginning on is taken and ignored (sysctl_writes_strict). */
  override pwrite(position: number, bytes: Uint8Array, offset: number, length: number): number {
    if (!this.canWrite) return -EBADF
    if (!this.inode.isWritable) return -EINVAL
    if (position > 0) return length
    return this.inode.store(new TextDecoder().decode(bytes.subarray(offset, offset + length)), this.#user)
  }

  override write(bytes: Uint8Array, offset: number, length: number): number {
    return this.inode.keepsPosition
      ? this.pwrite(this.position, bytes, offset, length)
      : super.write(bytes, offset, length)
  }

  /** Nothing happens. */
  override truncate(): number {
    return this.canWrite ? 0 : -EINVAL
  }

  override fsync(): number {
    return -EINVAL
  }

  /** Only files of sysctls have a splice_read. */
  override spanAt(position: number, span: Span): number {
    if (!this.canRead) return -EBADF
    if (!this.inode.isSysctl) return -EINVAL
    span.bytes = this.#contentsAt(position)
    span.offset = 0
    span.length = position > 0 ? 0 : span.bytes.length
    return 0
  }

  /** No size, no end (seq_lseek). */
  override seek(offset: number, whence: number): number {
    return whence === SEEK_SET || whence === SEEK_CUR || this.inode.isSysctl ? super.seek(offset, whence) : -EINVAL
  }
}

/** A directory. */
export class OpenDirectory extends TreeFile<Directory> {
  readonly #user: FileUser
  #entries: readonly DirectoryEntry[] = []

  constructor(inode: Directory, flags: number, parent: Directory, name: string, user: FileUser) {
    super(inode, flags, parent, name)
    this.#user = user
  }

  override pread(): number {
    return -EISDIR
  }

  override pwrite(): number {
    return -EBADF
  }

  /** The next `count` entries, none at the end (getdents64(2)); a snapshot from the beginning on. */
  entries(count: number): readonly DirectoryEntry[] {
    if (this.position === 0) this.#entries = this.#list()
    const found = this.#entries.slice(this.position, this.position + count)
    this.position += found.length
    return found
  }

  #list(): DirectoryEntry[] {
    const directory = this.inode
    const list: DirectoryEntry[] = []
    const add = (name: string, { number, mode }: Inode): void => {
      list.push({ ino: number, off: list.length + 1, type: (mode & S_IFMT) >> 12, name })
    }
    add('.', directory)
    add('..', directory.parent)
    for (const name of directory.names()) {
      const inode = directory.lookup(name, this.#user)
      if (inode !== undefined) add(name, inode)
    }
    return list
  }
}

/** /dev/null, /dev/zero, /dev/full: what is written is taken, unless there is no room; a place means nothing. */
class OpenMemory extends TreeFile<Device> {
  readonly #isNull: boolean
  readonly #isFull: boolean

  constructor(inode: Device, flags: number, parent: Directory, name: string) {
    super(inode, flags, parent, name)
    this.#isNull = inode.minor === 3
    this.#isFull = inode.minor === 7
  }

  override get canSpliceTo(): boolean {
    return !this.#isFull
  }

  override pread(_position: number, bytes: Uint8Array, offset: number, length: number): number {
    if (!this.canRead) return -EBADF
    if (this.#isNull) return 0
    bytes.fill(0, offset, offset + length)
    return length
  }

  override pwrite(_position: number, _bytes: Uint8Array, _offset: number, length: number): number {
    if (!this.canWrite) return -EBADF
    return this.#isFull ? -ENOSPC : length
  }

  override seek(): number {
    this.position = 0
    return 0
  }

  override spanAt(_position: number, span: Span): number {
    if (!this.canRead) return -EBADF
    // null_fops has no splice_read.
    if (this.#isNull) return -EINVAL
    span.offset = 0
    span.length = ZEROS
    if (span.bytes.length < span.length) span.bytes = new Uint8Array(ZEROS)
    return 0
  }

  override fsync(): number {
    return -EINVAL
  }
}

/** Bytes of /dev/zero, and of /dev/random, that are sent at a time. */
const ZEROS = 65536
const RANDOMS = 4096

/** /dev/random and /dev/urandom: the host's own chance. */
class OpenRandom extends TreeFile<Device> {
  readonly #random: Random

  constructor(inode: Device, flags: number, parent: Directory, name: string, random: Random) {
    super(inode, flags, parent, name)
    this.#random = random
  }

  override get canPoll(): boolean {
    return this.inode.minor === 8
  }

  override pread(_position: number, bytes: Uint8Array, offset: number, length: number): number {
    if (!this.canRead) return -EBADF
    for (let i = 0; i < length; i++) bytes[offset + i] = this.#random.below(256)
    return length
  }

  override pwrite(_position: number, _bytes: Uint8Array, _offset: number, length: number): number {
    return this.canWrite ? length : -EBADF
  }

  override spanAt(_position: number, span: Span): number {
    if (!this.canRead) return -EBADF
    if (span.bytes.length < RANDOMS) span.bytes = new Uint8Array(RANDOMS)
    span.offset = 0
    span.length = this.pread(0, span.bytes, 0, RANDOMS)
    return 0
  }

  override seek(): number {
    return this.position
  }

  override fsync(): number {
    return -EINVAL
  }
}

/** What opening needs beside the inode. */
export interface OpenContext {
  readonly user: FileUser
  readonly random: Random
  /** The terminal of the process, which /dev/tty is; null if it has none (ENXIO). */
  readonly terminal: OpenFile | null
}

/** An open file description of `inode`, found under `name` in `parent`: it, or -ENXIO for what has no open. */
export function openInode(
  inode: Inode,
  flags: number,
  parent: Directory,
  name: string,
  context: OpenContext,
): OpenFile | number {
  const { user } = context
  if (inode instanceof RegularFile) return new OpenRegular(inode, flags, parent, name)
  if (inode instanceof Directory) return new OpenDirectory(inode, flags, parent, name, user)
  if (inode instanceof GeneratedFile) return new OpenGenerated(inode, flags, parent, name, user)
  if (inode instanceof Symlink || inode.rdev === 0) return -ENXIO
  const device = inode as Device
  if (device.major === 5) return context.terminal?.ref() ?? -ENXIO
  if (device.minor === 8 || device.minor === 9) return new OpenRandom(device, flags, parent, name, context.random)
  return new OpenMemory(device, flags, parent, name)
}
