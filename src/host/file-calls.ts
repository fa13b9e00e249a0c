/** The calls of a process on files: names, contents, directories (section 2 of the manual). None of them ever waits. */

import { Directory, type Inode, Symlink } from '../fs/inode.ts'
import { R_OK, S_IFMT, S_IFREG, W_OK, X_OK } from '../fs/mode.ts'
import { RegularFile } from '../fs/regular.ts'
import { chmodInode, chownInode, FOLLOW, type FsStruct, NO_FOLLOW } from '../fs/tree.ts'
import { O_CREAT, O_TRUNC, O_WRONLY } from '../sock/constants.ts'
import type { Credentials } from '../socket/credentials.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { EBADF, EINVAL, EISDIR, ENOENT, ENOTDIR, SystemError } from '../sys/errno.ts'
import type { Host } from './host.ts'
import { open } from './open.ts'
import { checkRange } from './range.ts'
import { ReadinessCalls } from './readiness.ts'
import { type Stat, statFile, statInode } from './stat.ts'
import { type DirectoryEntry, OpenDirectory } from './tree-file.ts'

/** All that access(2) can be asked. */
const ACCESS_MASK = R_OK | W_OK | X_OK

/** The part of a `Process` that names, reads and changes the tree of files. */
export abstract class FileCalls extends ReadinessCalls {
  abstract readonly host: Host
  abstract readonly credentials: Credentials
  /** What /dev/tty is; null without a terminal. */
  terminal: OpenFile | null = null

  /** It sleeps in a call. */
  get isAsleep(): boolean {
    return this.sleepers.first !== null
  }

  /** A signal has stopped it. */
  get isStopped(): boolean {
    return this.sleepers.isStopped
  }

  /** Working directory and umask. */
  get #fs(): FsStruct {
    return this.credentials.fs ?? this.host.tree.fs
  }

  /** Gives a result >= 0 back; throws the error of another, with the path it is about. */
  #done(call: string, result: number, path?: string): number {
    if (result < 0) throw new SystemError(call, result, path)
    return result
  }

  #file(call: string, fd: number): OpenFile {
    const file = this.files.get(fd)
    if (file === null) throw new SystemError(call, EBADF)
    return file
  }

  /** The inode of a path, or its error thrown. */
  #inode(call: string, path: string, follow: number = FOLLOW): Inode {
    const inode = this.host.tree.resolve(this.#fs, path, this.credentials, follow)
    if (typeof inode === 'number') throw new SystemError(call, inode, path)
    return inode
  }

  // ---- Opening, reading, writing ----

  /** open(2): the lowest free descriptor. `mode` are the permission bits of a file that O_CREAT makes, before the umask. */
  open(path: string, flags: number, mode: number = 0): number {
    return this.#done('open', this.#open(path, flags, mode), path)
  }

  /** creat(2). */
  creat(path: string, mode: number): number {
    return this.#done('creat', this.#open(path, O_CREAT | O_WRONLY | O_TRUNC, mode), path)
  }

  #open(path: string, flags: number, mode: number): number {
    const { host, credentials, files, terminal } = this
    const { tree } = host
    const { random } = host.stack
    return open({ tree, fs: this.#fs, user: credentials, files, terminal, random }, path, flags, mode)
  }

  /** pread(2): from `position`, which stays the description's own. */
  // biome-ignore format: the parameters of pread(2)
  pread(fd: number, bytes: Uint8Array, position: number, offset: number = 0, length: number = bytes.length - offset): number {
    checkRange(bytes, offset, length)
    if (!(position >= 0)) return this.#done('pread', -EINVAL)
    return this.#done('pread', this.#file('pread', fd).pread(position, bytes, offset, length))
  }

  /** pwrite(2): at `position`; with O_APPEND at the end all the same, as Linux does. */
  // biome-ignore format: the parameters of pwrite(2)
  pwrite(fd: number, bytes: Uint8Array, position: number, offset: number = 0, length: number = bytes.length - offset): number {
    checkRange(bytes, offset, length)
    if (!(position >= 0)) return this.#done('pwrite', -EINVAL)
    return this.#done('pwrite', this.#file('pwrite', fd).pwrite(position, bytes, offset, length))
  }

  /** lseek(2): `whence` is SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA or SEEK_HOLE. The new position. */
  lseek(fd: number, offset: number, whence: number): number {
    return this.#done('lseek', this.#file('lseek', fd).seek(offset, whence))
  }

  /** fsync(2) and fdatasync(2): nothing to do for files of memory, -EINVAL for what is none. */
  fsync(fd: number): number {
    return this.#done('fsync', this.#file('fsync', fd).fsync())
  }

  /** ftruncate(2). */
  ftruncate(fd: number, length: number): number {
    return this.#done('ftruncate', length >= 0 ? this.#file('ftruncate', fd).truncate(length) : -EINVAL)
  }

  /** truncate(2). */
  truncate(path: string, length: number): number {
    if (!(length >= 0)) return this.#done('truncate', -EINVAL, path)
    const inode = this.#inode('truncate', path)
    if (inode instanceof Directory) return this.#done('truncate', -EISDIR, path)
    if ((inode.mode & S_IFMT) !== S_IFREG) return this.#done('truncate', -EINVAL, path)
    this.#done('truncate', inode.permission(this.credentials, W_OK), path)
    // What is made when it is read has nothing to cut off.
    return inode instanceof RegularFile ? this.#done('truncate', inode.truncate(length), path) : 0
  }

  // ---- What a file is ----

  /** stat(2). */
  stat(path: string): Stat {
    return statInode(this.#inode('stat', path))
  }

  /** lstat(2): of a symbolic link itself. */
  lstat(path: string): Stat {
    return statInode(this.#inode('lstat', path, NO_FOLLOW))
  }

  /** fstat(2), of any descriptor. */
  fstat(fd: number): Stat {
    return statFile(this.#file('fstat', fd), this.host.tree.volume)
  }

  /** access(2): whether the real user may do all of `mode` (R_OK, W_OK, X_OK; F_OK: it exists). */
  access(path: string, mode: number): number {
    if ((mode & ~ACCESS_MASK) !== 0) return this.#done('access', -EINVAL, path)
    const { uid, gid, pid } = this.credentials
    const user = { pid, euid: uid, egid: gid }
    const inode = this.host.tree.resolve(this.#fs, path, user)
    return this.#done('access', typeof inode === 'number' ? inode : inode.permission(user, mode), path)
  }

  /** chmod(2). */
  chmod(path: string, mode: number): number {
    return this.#done('chmod', this.host.tree.chmod(this.#fs, path, mode, this.credentials), path)
  }

  /** fchmod(2). */
  fchmod(fd: number, mode: number): number {
    const { inode } = this.#file('fchmod', fd)
    return this.#done('fchmod', inode === null ? 0 : chmodInode(inode, mode, this.credentials))
  }

  /** chown(2): -1 leaves an id as it is. */
  chown(path: string, uid: number, gid: number): number {
    return this.#done('chown', chownInode(this.#inode('chown', path), uid, gid, this.credentials), path)
  }

  // ---- Names ----

  /** mkdir(2). */
  mkdir(path: string, mode: number = 0o777): number {
    return this.#done('mkdir', this.host.tree.mkdir(this.#fs, path, mode, this.credentials), path)
  }

  /** rmdir(2). */
  rmdir(path: string): number {
    return this.#done('rmdir', this.host.tree.rmdir(this.#fs, path, this.credentials), path)
  }

  /** unlink(2): the name goes; who has the file or the socket open keeps it. */
  unlink(path: string): number {
    return this.#done('unlink', this.host.tree.unlink(this.#fs, path, this.credentials), path)
  }

  /** rename(2): what `to` named before is replaced. */
  rename(from: string, to: string): number {
    return this.#done('rename', this.host.tree.rename(this.#fs, from, to, this.credentials), from)
  }

  /** link(2): a second name. */
  link(from: string, to: string): number {
    return this.#done('link', this.host.tree.link(this.#fs, from, to, this.credentials), from)
  }

  /** symlink(2): `path` becomes a symbolic link to `target`. */
  symlink(target: string, path: string): number {
    return this.#done('symlink', this.host.tree.symlink(this.#fs, target, path, this.credentials), path)
  }

  /** readlink(2): the text of a symbolic link. */
  readlink(path: string): string {
    const inode = this.#inode('readlink', path, NO_FOLLOW)
    if (!(inode instanceof Symlink)) throw new SystemError('readlink', EINVAL, path)
    return inode.text(this.credentials)
  }

  // ---- Directories ----

  /** getdents64(2): the next entries of an open directory, `count` at most; none at the end. */
  getdents(fd: number, count: number = Infinity): readonly DirectoryEntry[] {
    const file = this.#file('getdents', fd)
    if (!(file instanceof OpenDirectory)) throw new SystemError('getdents', ENOTDIR)
    if (file.inode.links === 0) throw new SystemError('getdents', ENOENT)
    return file.entries(count)
  }

  /** chdir(2). */
  chdir(path: string): number {
    const inode = this.#inode('chdir', path)
    return this.#done('chdir', this.#enter(inode), path)
  }

  /** fchdir(2). */
  fchdir(fd: number): number {
    const { inode } = this.#file('fchdir', fd)
    return this.#done('fchdir', inode === null ? -ENOTDIR : this.#enter(inode))
  }

  #enter(inode: Inode): number {
    if (!(inode instanceof Directory)) return -ENOTDIR
    const refused = inode.permission(this.credentials, X_OK)
    if (refused === 0) this.#fs.cwd = inode
    return refused
  }

  /** getcwd(2): -ENOENT if the directory was removed. */
  getcwd(): string {
    const { path } = this.#fs.cwd
    if (path === null) throw new SystemError('getcwd', ENOENT)
    return path
  }

  /** umask(2): the mask before. */
  umask(mask: number): number {
    const fs = this.#fs
    const old = fs.umask
    fs.umask = mask & 0o777
    return old
  }
}
