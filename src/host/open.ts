/** open(2): a path and flags to an open file description, with the checks of fs/namei.c and fs/open.c in their order. */

import { Directory, Symlink } from '../fs/inode.ts'
import { R_OK, S_IALLUGO, W_OK } from '../fs/mode.ts'
import { RegularFile } from '../fs/regular.ts'
import { CREATE, type FileTree, FOLLOW, type Found, type FsStruct, NO_FOLLOW, PARENT } from '../fs/tree.ts'
import {
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from '../sock/constants.ts'
import type { FileTable } from '../socket/file-table.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, EPERM } from '../sys/errno.ts'
import { type OpenContext, openInode } from './tree-file.ts'

/** Flags that matter to the opening alone and are not kept. */
const OPENING_ONLY = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC

/** Who opens, from where, into which table. */
export interface Opener extends OpenContext {
  readonly tree: FileTree
  readonly fs: FsStruct
  readonly files: FileTable
}

/** open(2) in raw form: a descriptor or -errno. */
export function open(by: Opener, path: string, flags: number, mode: number): number {
  if ((flags & O_CREAT) !== 0 && (flags & O_DIRECTORY) !== 0) return -EINVAL
  if (path === '') return -ENOENT
  const fd = by.files.reserve()
  if (fd < 0) return fd
  const file = openPath(by, path, flags, mode)
  if (typeof file === 'number') {
    by.files.cancel(fd)
    return file
  }
  by.files.install(fd, file, (flags & O_CLOEXEC) !== 0)
  return fd
}

function openPath(by: Opener, path: string, flags: number, mode: number): OpenFile | number {
  const creates = (flags & O_CREAT) !== 0
  const isExclusive = creates && (flags & O_EXCL) !== 0
  const isBare = isExclusive || (flags & O_NOFOLLOW) !== 0
  const follow = creates ? (isBare ? PARENT : CREATE) : isBare ? NO_FOLLOW : FOLLOW
  const found = by.tree.find(by.fs, path, by.user, follow)
  if (typeof found === 'number') return found
  if (creates && found.hasSlash) return -EISDIR
  if (found.error < 0) return found.error
  if (found.inode === undefined) return creates ? create(by, found, flags, mode) : -ENOENT
  if (isExclusive) return -EEXIST
  if (found.hasSlash && !(found.inode instanceof Directory)) return -ENOTDIR
  return openFound(by, found, flags)
}

function create(by: Opener, found: Found, flags: number, mode: number): OpenFile | number {
  const { user, fs, tree } = by
  const bits = mode & S_IALLUGO & ~fs.umask
  const made = tree.enter(found, user, (parent) => new RegularFile(parent.volume, bits, user))
  // Whoever makes a file may open it as asked, whatever its mode says.
  return typeof made === 'number' ? made : openInode(made, flags & ~OPENING_ONLY, found.parent, found.name, by)
}

/** The checks on what is there already (do_open, may_open). */
function openFound(by: Opener, found: Found, flags: number): OpenFile | number {
  const { inode, parent, name } = found
  if (inode === undefined) return -ENOENT
  const { user } = by
  const isDirectory = inode instanceof Directory
  const access = flags & O_ACCMODE
  const writes = access !== O_RDONLY || (flags & O_TRUNC) !== 0
  if ((flags & O_CREAT) !== 0 && isDirectory) return -EISDIR
  if ((flags & O_DIRECTORY) !== 0 && !isDirectory) return -ENOTDIR
  if (inode instanceof Symlink) return -ELOOP
  if (isDirectory && writes) return -EISDIR
  const wanted = (access === O_WRONLY ? 0 : R_OK) | (writes ? W_OK : 0)
  const refused = inode.permission(user, wanted)
  if (refused < 0) return refused
  if ((flags & O_NOATIME) !== 0 && !inode.isOwner(user)) return -EPERM
  const file = openInode(inode, flags & ~OPENING_ONLY, parent, name, by)
  if (typeof file !== 'number' && (flags & O_TRUNC) !== 0 && inode instanceof RegularFile) inode.truncate(0)
  return file
}
