/** readv(2) and writev(2): straight between a socket and several buffers; other files see one transfer of all bytes. */
import { IoVec, Message } from '../sock/message.ts'
import { EBADF, EINVAL } from '../sys/errno.ts'
import type { FileTable } from './file-table.ts'
import { Buffers, IOV_MAX } from './msghdr.ts'
import type { OpenFile } from './open-file.ts'
import { SocketFile } from './socket-file.ts'

/** 0, -EBADF or -EINVAL. */
export function checkVector(file: OpenFile | null, iov: readonly Uint8Array[], isWrite: boolean): number {
  if (file === null) return -EBADF
  if (iov.length > IOV_MAX) return -EINVAL
  if (!(isWrite ? file.isForWriting : file.isForReading)) return -EBADF
  return (isWrite ? file.canWrite : file.canRead) ? 0 : -EINVAL
}

/** One array in place of several: with their bytes (to write), or as long (to read into). */
export function toOne(iov: readonly Uint8Array[], isWrite: boolean): Uint8Array {
  const [only] = iov
  if (only !== undefined && iov.length === 1) return only
  const all = new IoVec(iov)
  const bytes = new Uint8Array(all.length)
  if (isWrite) all.gather(0, bytes, 0, bytes.length)
  return bytes
}

/** Spreads `length` bytes of `from` over the arrays; `length`. */
export function scatter(iov: readonly Uint8Array[], from: Uint8Array, length: number): number {
  new IoVec(iov).scatter(0, from, 0, length)
  return length
}

/** One try of readv or writev: bytes or -errno. */
export function transferVector(files: FileTable, fd: number, iov: readonly Uint8Array[], isWrite: boolean): number {
  const file = files.get(fd)
  const refused = checkVector(file, iov, isWrite)
  if (file === null || refused < 0) return refused
  const buffers = new Buffers()
  buffers.set(iov)
  const { bytes, length } = buffers
  if (length === 0) return 0
  if (buffers.iov === null) return isWrite ? file.write(bytes, 0, length) : file.read(bytes, 0, length)
  if (!(file instanceof SocketFile)) {
    const one = toOne(iov, isWrite)
    const result = isWrite ? file.write(one, 0, length) : file.read(one, 0, length)
    return isWrite || result < 0 ? result : scatter(iov, one, result)
  }
  const message = new Message()
  message.iov = buffers.iov
  if (isWrite) return file.send(bytes, 0, length, 0, null, message)
  return file.sock.receive(bytes, 0, length, 0, message)
}
