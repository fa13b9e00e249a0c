/**
 * A process of the real kernel under the names of ours, as far as the examples call it: libc through koffi, calls that may
 * sleep on threads of their own. What is written to descriptor 1 is kept.
 */
import { unlinkSync } from 'node:fs'
import koffi from 'koffi'
import type { Process } from '../../src/host/process.ts'
import { AF_INET, AF_UNIX, SO_PEERCRED, SOL_SOCKET } from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'

const libc = koffi.load('libc.so.6')
const bound = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, void*, uint)'),
  listen: libc.func('int listen(int, int)'),
  accept4: libc.func('int accept4(int, void*, void*, int)'),
  connect: libc.func('int connect(int, void*, uint)'),
  read: libc.func('long read(int, void*, size_t)'),
  write: libc.func('long write(int, void*, size_t)'),
  send: libc.func('long send(int, void*, size_t, int)'),
  poll: libc.func('int poll(void*, ulong, int)'),
  shutdown: libc.func('int shutdown(int, int)'),
  close: libc.func('int close(int)'),
  fcntl: libc.func('int fcntl(int, int, long)'),
  getsockopt: libc.func('int getsockopt(int, int, int, void*, void*)'),
  setsockopt: libc.func('int setsockopt(int, int, int, void*, uint)'),
}
type Call = keyof typeof bound

/** An address as the examples write it. */
interface Name {
  readonly address?: string
  readonly port?: number
  readonly path?: string
}

function sockaddr({ address = '0.0.0.0', port = 0, path }: Name): Buffer {
  if (path !== undefined) {
    const bytes = Buffer.alloc(2 + path.length + 1)
    bytes.writeUInt16LE(AF_UNIX)
    bytes.write(path, 2)
    return bytes
  }
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(AF_INET)
  bytes.writeUInt16BE(port, 2)
  bytes.set(address.split('.').map(Number), 4)
  return bytes
}

/** Thrown by `exit`. */
class Exit extends Error {}

export class KernelProcess {
  readonly name: string
  output = ''
  readonly #open: Set<number> = new Set()

  constructor(name: string) {
    this.name = name
  }

  /** Runs a program of ours to its end, which closes what it left open. */
  async run(program: (process: Process) => unknown): Promise<void> {
    try {
      await program(this as unknown as Process)
    } catch (error) {
      if (!(error instanceof Exit)) throw error
    } finally {
      for (const fd of this.#open) this.close(fd)
    }
  }

  #opened(fd: number): number {
    this.#open.add(fd)
    return fd
  }

  #now(name: Call, ...values: unknown[]): number {
    const result = Number(bound[name](...values))
    if (result < 0) throw new SystemError(name, -koffi.errno())
    return result
  }

  /** A call that may sleep. */
  #later(name: Call, ...values: unknown[]): Promise<number> {
    return new Promise((resolve, reject) => {
      bound[name].async(...values, (_: unknown, value: number | bigint) => {
        if (Number(value) < 0) reject(new SystemError(name, -koffi.errno()))
        else resolve(Number(value))
      })
    })
  }

  // biome-ignore format: one line
  socket = (family: number, type: number, protocol = 0): number => this.#opened(this.#now('socket', family, type, protocol))
  listen = (fd: number, backlog: number): number => this.#now('listen', fd, backlog)
  shutdown = (fd: number, how: number): number => this.#now('shutdown', fd, how)
  fcntl = (fd: number, command: number, argument = 0): number => this.#now('fcntl', fd, command, argument)
  read = (fd: number, into: Uint8Array): Promise<number> => this.#later('read', fd, into, into.length)
  // biome-ignore format: one line
  send = (fd: number, bytes: Uint8Array, flags = 0): Promise<number> => this.#later('send', fd, bytes, bytes.length, flags)

  close(fd: number): number {
    this.#open.delete(fd)
    return this.#now('close', fd)
  }

  async accept4(fd: number, _peer: null, flags: number): Promise<number> {
    return this.#opened(await this.#later('accept4', fd, null, null, flags))
  }

  bind(fd: number, name: Name): number {
    const bytes = sockaddr(name)
    return this.#now('bind', fd, bytes, bytes.length)
  }

  connect(fd: number, name: Name): Promise<number> {
    const bytes = sockaddr(name)
    return this.#later('connect', fd, bytes, bytes.length)
  }

  async accept(fd: number, peer?: { address: string; port: number }): Promise<number> {
    if (peer === undefined) return this.accept4(fd, null, 0)
    const bytes = Buffer.alloc(16)
    const result = await this.#later('accept4', fd, bytes, new Uint32Array([bytes.length]), 0)
    peer.address = bytes.subarray(4, 8).join('.')
    peer.port = bytes.readUInt16BE(2)
    return this.#opened(result)
  }

  async write(fd: number, bytes: Uint8Array): Promise<number> {
    if (fd !== 1) return this.#later('write', fd, bytes, bytes.length)
    this.output += new TextDecoder().decode(bytes)
    return bytes.length
  }

  async poll(fds: { fd: number; events: number; revents: number }[], timeoutMs: number): Promise<number> {
    const bytes = Buffer.alloc(8 * fds.length)
    for (const [i, { fd, events }] of fds.entries()) {
      bytes.writeInt32LE(fd, 8 * i)
      bytes.writeInt16LE(events, 8 * i + 4)
    }
    const result = await this.#later('poll', bytes, fds.length, timeoutMs)
    for (const [i, entry] of fds.entries()) entry.revents = bytes.readInt16LE(8 * i + 6)
    return result
  }

  getsockopt(fd: number, level: number, name: number): number | { pid: number; uid: number; gid: number } {
    const bytes = new Int32Array(3)
    this.#now('getsockopt', fd, level, name, bytes, new Uint32Array([bytes.byteLength]))
    const [first = 0, uid = 0, gid = 0] = bytes
    return level === SOL_SOCKET && name === SO_PEERCRED ? { pid: first, uid, gid } : first
  }

  setsockopt(fd: number, level: number, name: number, value: number): void {
    this.#now('setsockopt', fd, level, name, new Int32Array([value]), 4)
  }

  unlink(path: string): void {
    unlinkSync(path)
  }

  sleep(seconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  }

  clock_gettime(): { sec: number; nsec: number } {
    const now = performance.now()
    return { sec: Math.floor(now / 1000), nsec: 0 }
  }

  exit(): never {
    throw new Exit()
  }
}
