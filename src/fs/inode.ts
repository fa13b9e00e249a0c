/**
 * Inodes (struct inode): what names in the file tree stand for, with owner, permission bits and times. Calls below the
 * system-call surface give -errno for an error.
 */
import { EACCES, ENOTDIR, EROFS } from '../sys/errno.ts'
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, S_ISVTX, W_OK, X_OK } from './mode.ts'

/** User and group as file permissions see them (fsuid, fsgid); `pid` tells whose `/proc/self` it is. */
export interface FileUser {
  readonly pid: number
  readonly euid: number
  readonly egid: number
}

/** The host itself. */
export const ROOT_USER: FileUser = { pid: 0, euid: 0, egid: 0 }

/** Bytes that the files of one volume hold at most by default. */
export const VOLUME_BYTES = 268435456
/** Inodes of one volume by default. */
export const VOLUME_INODES = 131072

/** What inodes belong to (struct super_block): numbers, limits, and the clock for their times. */
export class Volume {
  /** `st_dev`. */
  readonly device: number
  /** Microseconds since 1970. */
  readonly now: () => number
  /** Mounted read-only: what would change it is -EROFS. */
  isReadOnly = false
  maxBytes: number = VOLUME_BYTES
  maxInodes: number = VOLUME_INODES
  /** Bytes of memory its files take, inodes it has, and requests for more of either that were refused (ENOSPC). */
  bytes = 0
  inodes = 0
  refused = 0
  #nextNumber: number

  constructor(device: number, now: () => number, firstNumber = 1) {
    this.device = device
    this.now = now
    this.#nextNumber = firstNumber
  }

  nextNumber(): number {
    return this.#nextNumber++
  }

  /** True if an inode more is allowed; counts a refusal. */
  hasRoom(): boolean {
    if (this.inodes < this.maxInodes) return true
    this.refused++
    return false
  }

  /** Takes memory for a file; false if there is no room (ENOSPC). */
  charge(bytes: number): boolean {
    if (this.bytes + bytes > this.maxBytes) {
      this.refused++
      return false
    }
    this.bytes += bytes
    return true
  }
}

export abstract class Inode {
  readonly volume: Volume
  /** `st_ino`. */
  readonly number: number
  /** S_IF… and permission bits. */
  mode: number
  uid: number
  gid: number
  /** Names it has; the inode lives on while it is open. */
  links = 1
  /** Microseconds since 1970: making (reading is not noted, as with noatime), last change of the contents, and of the inode. */
  readonly atime: number
  mtime: number
  ctime: number
  /** Open file descriptions that refer to it. */
  opens = 0

  constructor(volume: Volume, mode: number, owner: FileUser) {
    this.volume = volume
    this.number = volume.nextNumber()
    this.mode = mode
    this.uid = owner.euid
    this.gid = owner.egid
    this.atime = this.mtime = this.ctime = volume.now()
    volume.inodes++
  }

  get size(): number {
    return 0
  }

  /** Memory taken by the contents, for `st_blocks`. */
  get allocated(): number {
    return 0
  }

  /** `st_rdev`, of devices. */
  get rdev(): number {
    return 0
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR
  }

  /** Whether `user` may do all of `wanted` (R_OK, W_OK, X_OK): 0, -EROFS or -EACCES (inode_permission). */
  permission(user: FileUser, wanted: number): number {
    const kind = this.mode & S_IFMT
    if ((wanted & W_OK) !== 0 && this.volume.isReadOnly && kind !== S_IFSOCK && kind !== S_IFCHR) return -EROFS
    if (user.euid === 0) {
      // Root may do everything, but execute only what somebody may execute.
      const mayExecute = (wanted & X_OK) === 0 || this.isDirectory || (this.mode & 0o111) !== 0
      return mayExecute ? 0 : -EACCES
    }
    const shift = user.euid === this.uid ? 6 : user.egid === this.gid ? 3 : 0
    return ((this.mode >> shift) & wanted) === wanted ? 0 : -EACCES
  }

  /** chmod(2) is refused (EPERM). */
  get hasFixedMode(): boolean {
    return false
  }

  /** Whether `user` may change mode and times: the owner, and root. */
  isOwner(user: FileUser): boolean {
    return user.euid === 0 || user.euid === this.uid
  }

  /** The contents changed. */
  touch(): void {
    this.mtime = this.ctime = this.volume.now()
  }

  /** A name of it went away, or a description was closed: the last one takes it along. */
  settle(): void {
    if (this.links > 0 || this.opens > 0) return
    this.volume.inodes--
    this.dispose()
  }

  /** Gives back what the contents take. */
  protected dispose(): void {}
}

/** A directory. Subclasses that make their entries up override `lookup` and `names`. */
export class Directory extends Inode {
  readonly #entries: Map<string, Inode> = new Map()
  /** The directory that `..` leads to; the root's is the root. */
  parent: Directory
  /** Its name there. */
  name: string
  /** Something is mounted here: it can neither be removed nor renamed (EBUSY). */
  isMountPoint = false

  constructor(volume: Volume, mode: number, owner: FileUser, parent: Directory | null, name: string) {
    super(volume, S_IFDIR | mode, owner)
    this.parent = parent ?? this
    this.name = name
    this.links = 2
  }

  /** Entries can be made and removed in it; not in those of /proc. */
  get isWritable(): boolean {
    return true
  }

  lookup(name: string, _user: FileUser): Inode | undefined {
    return this.#entries.get(name)
  }

  /** Names in order of making, without `.` and `..`. */
  names(): Iterable<string> {
    return this.#entries.keys()
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  override get size(): number {
    return (this.#entries.size + 2) * 20
  }

  /** Adds or replaces an entry. */
  set(name: string, inode: Inode): void {
    this.#entries.set(name, inode)
    if (inode instanceof Directory) {
      inode.parent = this
      inode.name = name
      this.links++
    }
    this.touch()
  }

  remove(name: string): void {
    const gone = this.#entries.get(name)
    if (gone instanceof Directory) this.links--
    this.#entries.delete(name)
    this.touch()
  }

  /** Deleting from a directory with the sticky bit is for the owners of either, and root (check_sticky). */
  isSticky(inode: Inode, user: FileUser): boolean {
    return (this.mode & S_ISVTX) !== 0 && !inode.isOwner(user) && user.euid !== this.uid
  }

  /** Its path from the root; null if it was removed. */
  get path(): string | null {
    if (this.links === 0) return null
    if (this.parent === this) return '/'
    const above = this.parent.path
    return above === null ? null : `${above === '/' ? '' : above}/${this.name}`
  }
}

/** A directory whose entries no program can change. */
export class FixedDirectory extends Directory {
  override get isWritable(): boolean {
    return false
  }
}

/** A symbolic link. */
export class Symlink extends Inode {
  readonly #target: string

  constructor(volume: Volume, target: string, owner: FileUser) {
    super(volume, S_IFLNK | 0o777, owner)
    this.#target = target
  }

  override get size(): number {
    return utf8Length(this.#target)
  }

  /** The text of the link, as readlink(2) gives it to `user`. */
  text(_user: FileUser): string {
    return this.#target
  }

  /** Where following it leads if not by its text: the links of `/proc/PID/fd` (proc_pid_get_link). */
  follow(_user: FileUser): Inode | null {
    return null
  }
}

/** The name of a local socket (unix(7)); `socket` is null once nobody has it open. */
export class SocketInode<S = unknown> extends Inode {
  socket: S | null

  constructor(volume: Volume, mode: number, owner: FileUser, socket: S | null) {
    super(volume, S_IFSOCK | mode, owner)
    this.socket = socket
  }
}

/** A character device (mem(4), tty(4)), told by its numbers. */
export class Device extends Inode {
  readonly major: number
  readonly minor: number

  constructor(volume: Volume, mode: number, owner: FileUser, major: number, minor: number) {
    super(volume, S_IFCHR | mode, owner)
    this.major = major
    this.minor = minor
  }

  override get rdev(): number {
    return this.major * 256 + this.minor
  }
}

/** A file whose contents are made when it is read, as those of /proc. */
export class GeneratedFile extends Inode {
  readonly #generate: (user: FileUser) => string | Uint8Array
  readonly #store: ((text: string, user: FileUser) => number) | null

  /** `store` takes what is written, see there; null if nothing can be written. */
  constructor(
    volume: Volume,
    mode: number,
    owner: FileUser,
    generate: (user: FileUser) => string | Uint8Array,
    store: ((text: string, user: FileUser) => number) | null = null,
  ) {
    super(volume, S_IFREG | mode, owner)
    this.#generate = generate
    this.#store = store
  }

  get isWritable(): boolean {
    return this.#store !== null
  }

  /** It is a sysctl's: all of it is given to the first read, as much as that takes, and sendfile may read it. */
  get isSysctl(): boolean {
    return false
  }

  /** Writing does not move the position, so that the next write counts too. */
  get keepsPosition(): boolean {
    return false
  }

  contents(user: FileUser): string | Uint8Array {
    return this.#generate(user)
  }

  /** Takes what is written: how much of it was used, or -errno. */
  store(text: string, user: FileUser): number {
    return this.#store === null ? -EACCES : this.#store(text, user)
  }
}

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  let length = 0
  for (const character of text) {
    const code = character.codePointAt(0) as number
    // Bytes that are no UTF-8 stand as lone surrogates (sock/path-bytes.ts).
    length += code < 0x80 || (code >= 0xdc80 && code <= 0xdcff) ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return length
}

/** `inode` as a directory one may search: it, -ENOTDIR or -EACCES. */
export function searchable(inode: Inode, user: FileUser): Directory | number {
  if (!(inode instanceof Directory)) return -ENOTDIR
  const refused = inode.permission(user, X_OK)
  return refused < 0 ? refused : inode
}
