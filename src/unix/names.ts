/**
 * Names of local sockets (unix(7), Address format): socket inodes in the host's file tree, and the abstract names beside it. An
 * inode stays when its socket is closed, until unlink(2): connecting to it is refused.
 */
import { SocketInode } from '../fs/inode.ts'
import { W_OK } from '../fs/mode.ts'
import type { FileTree } from '../fs/tree.ts'
import type { Caller } from '../sock/sock.ts'
import { EADDRINUSE, ECONNREFUSED, EEXIST } from '../sys/errno.ts'

/** Permission bits of a socket's inode before the umask. */
const SOCKET_MODE = 0o777

/** The names of one host. */
export class UnixNames<S extends { readonly type: number }> {
  readonly #tree: FileTree
  readonly #abstract: Map<string, S> = new Map()

  constructor(tree: FileTree) {
    this.#tree = tree
  }

  /** Makes a socket inode (unix_bind_bsd): it, -EADDRINUSE if there is something already, or what mknod(2) fails with. */
  make(path: string, socket: S, caller: Caller): SocketInode<S> | number {
    const { fs = this.#tree.fs } = caller
    const mode = SOCKET_MODE & ~fs.umask
    const made = this.#tree.create(fs, path, caller, ({ volume }) => new SocketInode(volume, mode, caller, socket))
    return made === -EEXIST ? -EADDRINUSE : made
  }

  /** Takes a name just made away again. */
  unmake(path: string, caller: Caller): void {
    this.#tree.unlink(caller.fs ?? this.#tree.fs, path, caller)
  }

  /** The socket of a path (unix_find_bsd): it, -ECONNREFUSED if there is none, -EACCES, or as a path fails. */
  find(path: string, caller: Caller): S | number {
    const inode = this.#tree.resolve(caller.fs ?? this.#tree.fs, path, caller)
    if (typeof inode === 'number') return inode
    // Connecting and sending need the permission to write (unix(7), Pathname socket ownership and permissions).
    const refused = inode.permission(caller, W_OK)
    if (refused < 0) return refused
    return inode instanceof SocketInode ? ((inode.socket as S | null) ?? -ECONNREFUSED) : -ECONNREFUSED
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
