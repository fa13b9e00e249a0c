/**
 * The C library through koffi, loaded only when something asks for it: the few calls that Node has no name for.
 *
 * Addresses cross as Numbers (user space ends below 2^47), so that a call allocates nothing; errno is read from the
 * thread's own word. A call costs about 0.25 us on top of the kernel's work.
 */
import type { Chunk } from '../buf/packet.ts'

/** Waits on a descriptor in the platform's event loop (uv_poll_t): level-triggered. */
export interface PollHandle {
  start(events: { readable?: boolean; writable?: boolean }, callback: () => void): void
  stop(): void
  close(): void
  /** From now on it does not hold the process. */
  unref(): void
}

export interface Libc {
  /** read(2), write(2), writev(2): a count, or -errno. `address` is that of the bytes or of the iovec array. */
  read(fd: number, address: number, length: number): number
  write(fd: number, address: number, length: number): number
  writev(fd: number, address: number, count: number): number
  /** ioctl(2) with a structure of at least as many bytes as the request needs: a value >= 0, or -errno. */
  ioctl(fd: number, request: number, argument: Uint8Array): number
  socket(family: number, type: number, protocol: number): number
  /** timerfd_create(2); timerfd_settime(2) with the addresses of the new value and of room for the old, or 0. */
  timerfdCreate(clock: number, flags: number): number
  timerfdSettime(fd: number, flags: number, value: number, old: number): number
  /** Address of the first byte of `bytes`; it stays while the array lives. */
  address(bytes: Uint8Array): number
  /** Waits for events of `fd`; the callback of `start` tells. */
  poll(fd: number): PollHandle
}

/** What koffi is to us: the few functions used, so that its types are not needed where it is not installed. */
interface Koffi {
  load(path: null): {
    func(name: string, result: string, parameters: string[]): (...values: unknown[]) => number | bigint
  }
  address(value: unknown): bigint
  view(pointer: unknown, length: number): ArrayBuffer
  node: { poll(fd: number, events: object, callback: () => void): PollHandle }
}

/** Loads koffi and binds the calls; an error that says how to get koffi when it is not there. */
export async function loadLibc(): Promise<Libc> {
  let koffi: Koffi
  try {
    koffi = ((await import('koffi')) as unknown as { default: Koffi }).default
  } catch (cause) {
    throw new Error('the package koffi is not installed: npm install koffi', { cause })
  }
  return bind(koffi)
}

function bind(koffi: Koffi): Libc {
  const lib = koffi.load(null)
  type Call = (fd: number, address: number, length: number) => number
  const read = lib.func('read', 'int32', ['int32', 'uintptr_t', 'uint32']) as Call
  const write = lib.func('write', 'int32', ['int32', 'uintptr_t', 'uint32']) as Call
  const writev = lib.func('writev', 'int32', ['int32', 'uintptr_t', 'int32']) as Call
  const ioctl = lib.func('ioctl', 'int32', ['int32', 'ulong', 'void *']) as (
    fd: number,
    request: number,
    p: Uint8Array,
  ) => number
  const socket = lib.func('socket', 'int32', ['int32', 'int32', 'int32']) as Call
  const timerfdCreate = lib.func('timerfd_create', 'int32', ['int32', 'int32']) as (
    clock: number,
    flags: number,
  ) => number
  const timerfdSettime = lib.func('timerfd_settime', 'int32', ['int32', 'int32', 'uintptr_t', 'uintptr_t']) as (
    fd: number,
    flags: number,
    value: number,
    old: number,
  ) => number
  const errno = new Int32Array(koffi.view(lib.func('__errno_location', 'void *', [])(), 4))
  const result = (n: number): number => (n >= 0 ? n : -(errno[0] as number))
  return {
    read: (fd, address, length) => result(read(fd, address, length)),
    write: (fd, address, length) => result(write(fd, address, length)),
    writev: (fd, address, count) => result(writev(fd, address, count)),
    ioctl: (fd, request, argument) => result(ioctl(fd, request, argument)),
    socket: (family, type, protocol) => result(socket(family, type, protocol)),
    timerfdCreate: (clock, flags) => result(timerfdCreate(clock, flags)),
    timerfdSettime: (fd, flags, value, old) => result(timerfdSettime(fd, flags, value, old)),
    address: (bytes) => Number(koffi.address(bytes)),
    poll: (fd) => idlePoll(koffi, fd),
  }
}

/** koffi's constructor starts at once; what is handed out waits for `start`. */
function idlePoll(koffi: Koffi, fd: number): PollHandle {
  const handle = koffi.node.poll(fd, { readable: true }, () => {})
  handle.stop()
  return handle
}

/** Address of a chunk's memory, asked for once. */
export function chunkAddress(libc: Libc, chunk: Chunk): number {
  if (chunk.address === 0) chunk.address = libc.address(chunk.bytes)
  return chunk.address
}
