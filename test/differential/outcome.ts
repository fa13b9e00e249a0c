/** How results are written down, the same way for both sides. */
import { errnoName, msgText, SYMBOLS } from './symbols.ts'
import { bytesOf, dataText, type Value, type ValueRecord } from './values.ts'

const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const SCM_CREDENTIALS = 2
const TIMESTAMPS = [29, 35, 37, 63, 64, 65]

/** `3`, or `-1 EAGAIN`. */
export const resultText = (result: number): string => (result >= 0 ? String(result) : `-1 ${errnoName(-result)}`)

export interface ControlText {
  readonly level: number
  readonly type: number
  readonly bytes: Uint8Array
}

const int32s = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(4 * i, true))
}

/** One control message; `fd` gives the script's number of a descriptor. */
function controlText({ level, type, bytes }: ControlText, pid: number, fd: (n: number) => number): string {
  const words = int32s(bytes)
  if (level === SOL_SOCKET && type === SCM_RIGHTS) return `SCM_RIGHTS ${words.map(fd).join(',')}`
  if (level === SOL_SOCKET && type === SCM_CREDENTIALS) {
    return `SCM_CREDENTIALS ${words[0] === pid ? 'self' : words[0]},${words[1]},${words[2]}`
  }
  if (level === SOL_SOCKET && TIMESTAMPS.includes(type)) return `${type} time/${bytes.length}`
  return `${level}/${type} ${bytes.length === 4 ? words[0] : Buffer.from(bytes).toString('hex')}`
}

export interface MessageText {
  readonly result: number
  readonly parts: readonly Uint8Array[]
  /** The sender as text, or null if the call has no place for it. */
  readonly name: string | null
  readonly flags: number
  readonly control: readonly ControlText[]
}

/** The outcome of a recvmsg. */
export function messageText(m: MessageText, pid: number, fd: (n: number) => number): string {
  if (m.result < 0) return resultText(m.result)
  const data = m.parts.map(dataText).join(',')
  const flags = (m.flags & ~(SYMBOLS.get('MSG_CMSG_CLOEXEC') as number)) >>> 0
  const control = m.control.map((one) => controlText(one, pid, fd)).join('; ')
  return `${m.result} ${data}${m.name === null ? '' : ` from ${m.name}`} flags ${msgText(flags)}${control === '' ? '' : ` control ${control}`}`
}

/** The outcome of a call that reads bytes, cut to what the buffer holds. */
export const readText = (result: number, bytes: Uint8Array): string =>
  result < 0 ? resultText(result) : `${result} ${dataText(bytes.subarray(0, result))}`

/** The value of an option: an int as a number, everything else in hexadecimal. */
export function optionText(result: number, bytes: Uint8Array, pid: number): string {
  if (result < 0) return resultText(result)
  const words = int32s(bytes)
  // struct ucred
  if (bytes.length === 12 && words[0] === pid) return `0 self,${words[1]},${words[2]}`
  if (bytes.length === 4) return `0 ${words[0]}`
  const hex = Buffer.from(bytes).toString('hex')
  return `0 [${bytes.length}] ${/^[\x20-\x7e]+\0*$/.test(Buffer.from(bytes).toString('latin1')) ? dataText(bytes.filter((b) => b !== 0)) : hex}`
}

const CMSG_HDR = 16
const CMSG_ALIGN = 8

/** One control message in Linux's layout, padded to the next; `fd` gives the number of a descriptor of the script. */
export function cmsg({ level, type, data }: ValueRecord, fd: (n: number) => number = (n) => n): Uint8Array {
  const isRights = level === SOL_SOCKET && type === SCM_RIGHTS
  const bytes = bytesOf(isRights && Array.isArray(data) ? (data as readonly number[]).map(fd) : (data as Value))
  const out = Buffer.alloc((CMSG_HDR + bytes.length + CMSG_ALIGN - 1) & -CMSG_ALIGN)
  out.writeBigUInt64LE(BigInt(CMSG_HDR + bytes.length), 0)
  out.writeInt32LE(level as number, 8)
  out.writeInt32LE(type as number, 12)
  out.set(bytes, CMSG_HDR)
  return out
}

/** The control messages in the first `length` bytes of a buffer. */
export function controls(buffer: Uint8Array, length: number): ControlText[] {
  const view = new DataView(buffer.buffer, buffer.byteOffset)
  const found: ControlText[] = []
  for (let p = 0; p + CMSG_HDR <= length; ) {
    const size = view.getInt32(p, true)
    if (size < CMSG_HDR) break
    const bytes = buffer.slice(p + CMSG_HDR, Math.min(p + size, length))
    found.push({ level: view.getInt32(p + 8, true), type: view.getInt32(p + 12, true), bytes })
    p += (size + CMSG_ALIGN - 1) & -CMSG_ALIGN
  }
  return found
}

/** A struct stat: kind and bits, owners; links and size where they do not depend on the file system. */
export function statText(mode: number, links: number, uid: number, gid: number, size: number): string {
  const isDirectory = (mode & 0o170000) === 0o040000
  return `${mode.toString(8)} ${uid}:${gid}${isDirectory ? '' : ` links ${links} size ${size}`}`
}

/** An offset of splice that stands for NULL. */
export const NULL_OFFSET = -1

/** The outcome of a splice, with where the offsets are then. */
export const spliceText = (moved: number, inOffset: number, outOffset: number): string =>
  `${moved}${inOffset === NULL_OFFSET ? '' : ` in ${inOffset}`}${outOffset === NULL_OFFSET ? '' : ` out ${outOffset}`}`
