/**
 * The file tree of a host: paths to inodes, and the calls that change names (fs/namei.c, in its order of checks). What a
 * process brings to it, its working directory and its umask, is its `FsStruct`.
 */
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
} from '../sys/errno.ts'
import {
  Device,
  Directory,
  type FileUser,
  type Inode,
  ROOT_USER,
  Symlink,
  searchable,
  utf8Length,
  Volume,
} from './inode.ts'
import { MAX_SYMLINKS, NAME_MAX, PATH_MAX, S_ISGID, W_OK, X_OK } from './mode.ts'

/** What a process brings to paths (struct fs_struct). */
export class FsStruct {
  readonly tree: FileTree
  /** Where relative paths begin. */
  cwd: Directory
  /** Permission bits that new files do not get. */
  umask: number

  constructor(tree: FileTree, cwd: Directory = tree.root, umask = 0o022) {
    this.tree = tree
    this.cwd = cwd
    this.umask = umask
  }

  /** A copy for a child process. */
  clone(): FsStruct {
    return new FsStruct(this.tree, this.cwd, this.umask)
  }
}

/** Where a path leads: the directory of its last component, that component, and what is there. */
export interface Found {
  readonly parent: Directory
  readonly name: string
  /** Undefined if there is nothing of this name. */
  readonly inode: Inode | undefined
  /** The last component is a name, not `.`, `..` or the root. */
  readonly isName: boolean
  /** Slashes follow it: only a directory will do. */
  readonly hasSlash: boolean
  /** -ENAMETOOLONG: the name could not even be looked up; else 0. */
  readonly error: number
}

/** What `find` does with a symbolic link at the end: follows it, only if slashes come behind it, or never. */
export const FOLLOW = 2
/** Follows it, but where slashes come behind a last component it ends there: what cannot be made as a file (O_CREAT). */
export const CREATE = 3
export const NO_FOLLOW = 1
export const PARENT = 0

/** Device numbers of the two volumes of every host. */
const ROOT_DEVICE = 1
const DEVICES: readonly (readonly [name: string, mode: number, major: number, minor: number])[] = [
  ['null', 0o666, 1, 3],
  ['zero', 0o666, 1, 5],
  ['full', 0o666, 1, 7],
  ['random', 0o666, 1, 8],
  ['urandom', 0o666, 1, 9],
  ['tty', 0o666, 5, 0],
]
/** Directories every host begins with; /tmp is everybody's. */
const DIRECTORIES: readonly string[] = [
  '/dev',
  '/etc',
  '/home',
  '/root',
  '/run',
  '/srv',
  '/tmp',
  '/usr',
  '/var',
  '/var/tmp',
]
const EVERYBODYS = 0o1777
const DIRECTORY_MODE = 0o755

export class FileTree {
  readonly volume: Volume
  readonly root: Directory
  readonly #fs: FsStruct

  /** `now`: microseconds since 1970, for the times of files. */
  constructor(now: () => number) {
    this.volume = new Volume(ROOT_DEVICE, now, 2)
    this.root = new Directory(this.volume, DIRECTORY_MODE, ROOT_USER, null, '')
    this.#fs = new FsStruct(this)
    for (const path of DIRECTORIES) {
      this.mkdir(this.#fs, path, path.endsWith('tmp') ? EVERYBODYS : DIRECTORY_MODE, ROOT_USER)
    }
    for (const path of ['/tmp', '/var/tmp']) this.chmod(this.#fs, path, EVERYBODYS, ROOT_USER)
    const dev = this.root.lookup('dev', ROOT_USER) as Directory
    for (const [name, mode, major, minor] of DEVICES) {
      dev.set(name, new Device(this.volume, mode, ROOT_USER, major, minor))
    }
  }

  /** Where the host itself stands: at the root. */
  get fs(): FsStruct {
    return this.#fs
  }

  /** Puts a directory of another volume into the root. */
  mount(name: string, directory: Directory): void {
    directory.isMountPoint = true
    this.root.set(name, directory)
  }

  /**
   * Follows a path (path_lookupat): -ENOENT, -ENOTDIR, -EACCES, -ENAMETOOLONG or -ELOOP if it leads nowhere. That the last
   * component does not exist is no error here.
   */
  find(fs: FsStruct, path: string, user: FileUser, follow: number): Found | number {
    const end = path.indexOf('\0')
    let rest = end < 0 ? path : path.slice(0, end)
    if (rest === '') return -ENOENT
    if (isLonger(rest, PATH_MAX - 1)) return -ENAMETOOLONG
    let dir: Directory = rest.startsWith('/') ? this.root : fs.cwd
    for (let links = 0; ; ) {
      rest = rest.replace(/^\/+/, '')
      if (rest === '') return { parent: dir, name: '', inode: dir, isName: false, hasSlash: false, error: 0 }
      const refused = dir.permission(user, X_OK)
      if (refused < 0) return refused
      const slash = rest.indexOf('/')
      const name = slash < 0 ? rest : rest.slice(0, slash)
      const after = slash < 0 ? '' : rest.slice(slash)
      const isLast = /^\/*$/.test(after)
      if (name === '.' || name === '..') {
        const next: Directory = name === '.' ? dir : dir.parent
        if (isLast) return { parent: dir, name, inode: next, isName: false, hasSlash: false, error: 0 }
        dir = next
        rest = after
        continue
      }
      if (isLonger(name, NAME_MAX)) {
        if (!isLast) return -ENAMETOOLONG
        return { parent: dir, name, inode: undefined, isName: true, hasSlash: after !== '', error: -ENAMETOOLONG }
      }
      const mayMake = follow !== CREATE || !isLast || after === ''
      const inode = mayMake ? dir.lookup(name, user) : undefined
      if (inode instanceof Symlink && (!isLast || follow >= FOLLOW || (after !== '' && follow === NO_FOLLOW))) {
        if (++links > MAX_SYMLINKS) return -ELOOP
        const target: Inode | string = inode.follow(user) ?? inode.text(user)
        if (typeof target !== 'string') {
          if (isLast) return { parent: dir, name, inode: target, isName: true, hasSlash: after !== '', error: 0 }
          const next = searchable(target, user)
          if (typeof next === 'number') return next
          dir = next
          rest = after
        } else {
          if (target.startsWith('/')) dir = this.root
          rest = target + after
        }
        continue
      }
      if (isLast) return { parent: dir, name, inode, isName: true, hasSlash: after !== '', error: 0 }
      if (inode === undefined) return -ENOENT
      if (!(inode instanceof Directory)) return -ENOTDIR
      dir = inode
      rest = after
    }
  }

  /** What a path names: an inode, -ENOENT, -ENOTDIR, or as `find`. */
  resolve(fs: FsStruct, path: string, user: FileUser, follow: number = FOLLOW): Inode | number {
    const found = this.find(fs, path, user, follow)
    if (typeof found === 'number') return found
    const { inode, hasSlash, error } = found
    if (inode === undefined) return error < 0 ? error : -ENOENT
    return hasSlash && !(inode instanceof Directory) ? -ENOTDIR : inode
  }

  /**
   * Gives a path an inode that `make` makes (filename_create, vfs_mknod): it, -EEXIST, -ENOENT, -EROFS, -EACCES, -ENOSPC,
   * or as `find`. Only a directory's path may end in slashes.
   */
  create<T extends Inode>(
    fs: FsStruct,
    path: string,
    user: FileUser,
    make: (parent: Directory, name: string) => T,
    slashAllowed = false,
  ): T | number {
    const found = this.find(fs, path, user, PARENT)
    if (typeof found === 'number') return found
    if (!found.isName || found.inode !== undefined) return -EEXIST
    if (found.error < 0) return found.error
    return found.hasSlash && !slashAllowed ? -ENOENT : this.enter(found, user, make)
  }

  /** `create` for a path that has been found to lead to nothing yet. */
  enter<T extends Inode>(found: Found, user: FileUser, make: (parent: Directory, name: string) => T): T | number {
    const { parent, name } = found
    if (!parent.isWritable || parent.links === 0) return -ENOENT
    const refused = parent.permission(user, W_OK | X_OK)
    if (refused < 0) return refused
    if (!parent.volume.hasRoom()) return -ENOSPC
    const inode = make(parent, name)
    // A directory with the set-group-id bit hands its group down.
    if ((parent.mode & S_ISGID) !== 0) {
      inode.gid = parent.gid
      if (inode instanceof Directory) inode.mode |= S_ISGID
    }
    parent.set(name, inode)
    return inode
  }

  /** mkdir(2). */
  mkdir(fs: FsStruct, path: string, mode: number, user: FileUser): number {
    const bits = mode & 0o1777 & ~fs.umask
    const made = this.create(
      fs,
      path,
      user,
      (parent, name) => new Directory(parent.volume, bits, user, parent, name),
      true,
    )
    return typeof made === 'number' ? made : 0
  }

  /** symlink(2). */
  symlink(fs: FsStruct, target: string, path: string, user: FileUser): number {
    if (target === '') return -ENOENT
    if (isLonger(target, PATH_MAX - 1)) return -ENAMETOOLONG
    const made = this.create(fs, path, user, (parent) => new Symlink(parent.volume, target, user))
    return typeof made === 'number' ? made : 0
  }

  /** link(2): a second name for what is no directory. */
  link(fs: FsStruct, from: string, to: string, user: FileUser): number {
    const inode = this.resolve(fs, from, user, NO_FOLLOW)
    if (typeof inode === 'number') return inode
    const found = this.find(fs, to, user, PARENT)
    if (typeof found === 'number') return found
    if (!found.isName || found.inode !== undefined) return -EEXIST
    if (found.error < 0) return found.error
    if (found.hasSlash) return -ENOENT
    if (found.parent.volume !== inode.volume) return -EXDEV
    const refused = found.parent.volume.isReadOnly ? -EROFS : found.parent.permission(user, W_OK | X_OK)
    if (refused < 0) return refused
    if (inode instanceof Directory) return -EPERM
    found.parent.set(found.name, inode)
    inode.links++
    inode.ctime = inode.volume.now()
    return 0
  }

  /** Whether `user` may take the entry out of `parent` (may_delete). */
  #mayDelete(parent: Directory, inode: Inode, user: FileUser, wantsDirectory: boolean): number {
    const refused = parent.permission(user, W_OK | X_OK)
    if (refused < 0) return refused
    if (parent.isSticky(inode, user)) return -EPERM
    if (wantsDirectory && !(inode instanceof Directory)) return -ENOTDIR
    if (!wantsDirectory && inode instanceof Directory) return -EISDIR
    return parent.isWritable ? 0 : -EPERM
  }

  /** unlink(2). */
  unlink(fs: FsStruct, path: string, user: FileUser): number {
    const found = this.find(fs, path, user, PARENT)
    if (typeof found === 'number') return found
    const { parent, name, inode } = found
    if (!found.isName) return -EISDIR
    if (parent.volume.isReadOnly) return -EROFS
    if (inode === undefined) return found.error < 0 ? found.error : -ENOENT
    if (found.hasSlash) return inode instanceof Directory ? -EISDIR : -ENOTDIR
    const refused = this.#mayDelete(parent, inode, user, false)
    if (refused < 0) return refused
    parent.remove(name)
    dropLink(inode, 1)
    return 0
  }

  /** rmdir(2). */
  rmdir(fs: FsStruct, path: string, user: FileUser): number {
    const found = this.find(fs, path, user, PARENT)
    if (typeof found === 'number') return found
    const { parent, name, inode } = found
    if (!found.isName) return name === '..' ? -ENOTEMPTY : name === '.' ? -EINVAL : -EBUSY
    if (parent.volume.isReadOnly) return -EROFS
    if (inode === undefined) return found.error < 0 ? found.error : -ENOENT
    const refused = this.#mayDelete(parent, inode, user, true)
    if (refused < 0) return refused
    const gone = inode as Directory
    if (gone.isMountPoint) return -EBUSY
    if (!gone.isEmpty) return -ENOTEMPTY
    parent.remove(name)
    dropLink(gone, 2)
    return 0
  }

  /** rename(2). */
  rename(fs: FsStruct, from: string, to: string, user: FileUser): number {
    const source = this.find(fs, from, user, PARENT)
    if (typeof source === 'number') return source
    const target = this.find(fs, to, user, PARENT)
    if (typeof target === 'number') return target
    if (source.parent.volume !== target.parent.volume) return -EXDEV
    if (!source.isName || !target.isName) return -EBUSY
    if (source.parent.volume.isReadOnly) return -EROFS
    const { inode } = source
    if (inode === undefined) return source.error < 0 ? source.error : -ENOENT
    if (target.error < 0) return target.error
    if (target.parent.links === 0) return -ENOENT
    const isDirectory = inode instanceof Directory
    if (!isDirectory && (source.hasSlash || target.hasSlash)) return -ENOTDIR
    if (isDirectory && isInside(target.parent, inode)) return -EINVAL
    const replaced = target.inode
    if (replaced instanceof Directory && isInside(source.parent, replaced)) return -ENOTEMPTY
    if (replaced === inode) return 0
    const refused = this.#mayRename(source, target, inode, user)
    if (refused < 0) return refused
    source.parent.remove(source.name)
    if (replaced !== undefined) {
      target.parent.remove(target.name)
      dropLink(replaced, replaced instanceof Directory ? 2 : 1)
    }
    target.parent.set(target.name, inode)
    inode.ctime = inode.volume.now()
    return 0
  }

  #mayRename(source: Found, target: Found, inode: Inode, user: FileUser): number {
    const isDirectory = inode instanceof Directory
    const replaced = target.inode
    const mayLeave = this.#mayDelete(source.parent, inode, user, isDirectory)
    if (mayLeave < 0) return mayLeave
    if (replaced === undefined) {
      const refused = target.parent.permission(user, W_OK | X_OK)
      if (refused < 0) return refused
    } else {
      const refused = this.#mayDelete(target.parent, replaced, user, isDirectory)
      if (refused < 0) return refused
    }
    if (!isDirectory) return 0
    // Its `..` changes.
    if (source.parent !== target.parent && inode.permission(user, W_OK) < 0) return -EACCES
    if (inode.isMountPoint || (replaced instanceof Directory && replaced.isMountPoint)) return -EBUSY
    return replaced instanceof Directory && !replaced.isEmpty ? -ENOTEMPTY : 0
  }

  /** chmod(2). */
  chmod(fs: FsStruct, path: string, mode: number, user: FileUser): number {
    const inode = this.resolve(fs, path, user)
    return typeof inode === 'number' ? inode : chmodInode(inode, mode, user)
  }
}

/** `text` has more bytes than `limit`; a UTF-16 unit has three at most. */
const isLonger = (text: string, limit: number): boolean => text.length * 3 > limit && utf8Length(text) > limit

/** chmod(2) and fchmod(2) on an inode: 0, -EROFS or -EPERM. */
export function chmodInode(inode: Inode, mode: number, user: FileUser): number {
  if (inode.volume.isReadOnly) return -EROFS
  if (!inode.isOwner(user) || inode.hasFixedMode) return -EPERM
  // Only members of the group, and root, may set its set-group-id bit.
  const bits = user.euid !== 0 && user.egid !== inode.gid ? mode & ~S_ISGID : mode
  inode.mode = (inode.mode & ~0o7777) | (bits & 0o7777)
  inode.ctime = inode.volume.now()
  return 0
}

/** chown(2) on an inode; -1 leaves an id as it is. 0, -EROFS or -EPERM. */
export function chownInode(inode: Inode, uid: number, gid: number, user: FileUser): number {
  if (inode.volume.isReadOnly) return -EROFS
  const mayChangeUser = user.euid === 0 || uid === -1 || (uid === inode.uid && user.euid === uid)
  const mayChangeGroup =
    user.euid === 0 || gid === -1 || (user.euid === inode.uid && (gid === user.egid || gid === inode.gid))
  if (!mayChangeUser || !mayChangeGroup) return -EPERM
  if (uid !== -1) inode.uid = uid
  if (gid !== -1) inode.gid = gid
  inode.ctime = inode.volume.now()
  return 0
}

function dropLink(inode: Inode, count: number): void {
  inode.links -= count
  inode.ctime = inode.volume.now()
  inode.settle()
}

/** `dir` is `above` or lies below it. */
function isInside(dir: Directory, above: Directory): boolean {
  for (let at = dir; ; at = at.parent) {
    if (at === above) return true
    if (at.parent === at) return false
  }
}
