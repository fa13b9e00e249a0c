/**
 * Names of local sockets (unix(7), Address format): a small file tree of socket inodes, and the abstract names beside it. In
 * this tree every directory exists. An inode stays when its socket is closed, until unlink(2): connecting to it is refused.
 */
import { EADDRINUSE, EISDIR, ENOENT, EPERM } from '../sys/errno.ts'

/** Bytes of a name (sizeof sun_path). */
export const UNIX_PATH_MAX = 108
/** What mknod leaves of 0777 with the usual umask of 022. */
const DEFAULT_MODE = 0o755
const OTHERS_WRITE = 0o002
const GROUP_WRITE = 0o020
const OWNER_WRITE = 0o200

/** User and group as file permissions see them. */
export interface FileUser {
  readonly euid: number
  readonly egid: number
}

/** A socket in the file tree; `socket` is null once nobody has it open. */
export class SocketInode<S> {
  socket: S | null
  mode: number = DEFAULT_MODE
  readonly uid: number
  readonly gid: number

  constructor(socket: S, owner: FileUser) {
    this.socket = socket
    this.uid = owner.euid
    this.gid = owner.egid
  }

  /** Connecting and sending need the permission to write (unix(7), Pathname socket ownership and permissions). */
  mayWrite({ euid, egid }: FileUser): boolean {
    if (euid === 0) return true
    const bit = euid === this.uid ? OWNER_WRITE : egid === this.gid ? GROUP_WRITE : OTHERS_WRITE
    return (this.mode & bit) !== 0
  }
}

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  let length = 0
  for (const character of text) {
    const code = character.codePointAt(0) as number
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return length
}

/** A path in one form: without empty parts, `.` and `..`. Relative paths start at the root. The root is ''. */
export function normalize(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.map((part) => `/${part}`).join('')
}

/** The names of one host. */
export class UnixNames<S extends { readonly type: number }> {
  readonly #inodes: Map<string, SocketInode<S>> = new Map()
  readonly #abstract: Map<string, S> = new Map()

  /** Makes a socket inode: it, or -EADDRINUSE if there is something already. */
  make(path: string, socket: S, owner: FileUser): SocketInode<S> | number {
    const key = normalize(path)
    if (key === '' || this.#inodes.has(key)) return -EADDRINUSE
    const inode = new SocketInode(socket, owner)
    this.#inodes.set(key, inode)
    return inode
  }

  inode(path: string): SocketInode<S> | undefined {
    return this.#inodes.get(normalize(path))
  }

  /** unlink(2): the name goes, the socket stays. 0, -ENOENT, -EISDIR, or -EPERM for what belongs to somebody else. */
  unlink(path: string, user: FileUser): number {
    const key = normalize(path)
    if (key === '') return path === '' ? -ENOENT : -EISDIR
    const inode = this.#inodes.get(key)
    if (inode === undefined) return -ENOENT
    // Every directory of this tree is like /tmp: sticky.
    if (user.euid !== 0 && user.euid !== inode.uid) return -EPERM
    this.#inodes.delete(key)
    return 0
  }

  /** chmod(2): 0, -ENOENT or -EPERM. */
  chmod(path: string, mode: number, user: FileUser): number {
    const inode = this.inode(path)
    if (inode === undefined) return -ENOENT
    if (user.euid !== 0 && user.euid !== inode.uid) return -EPERM
    inode.mode = mode & 0o7777
    return 0
  }

  /** Takes an abstract name; each type of socket has its own (unix_abstract_hash). False if it is taken. */
  takeAbstract(name: string, socket: S): boolean {
    const key = `${socket.type}${name}`
    if (this.#abstract.has(key)) return false
    this.#abstract.set(key, socket)
    return true
  }

  abstract(name: string, type: number): S | undefined {
    return this.#abstract.get(`${type}${name}`)
  }

  releaseAbstract(name: string, socket: S): void {
    const key = `${socket.type}${name}`
    if (this.#abstract.get(key) === socket) this.#abstract.delete(key)
  }
}
