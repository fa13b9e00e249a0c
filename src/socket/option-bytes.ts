/** Option values as getsockopt(2) writes them: Linux's bytes, cut to the room there is. */
import { SOL_IP, SOL_TCP, TCP_CONGESTION } from '../sock/constants.ts'
import type { OptionValue } from '../sock/sock.ts'

/** TCP_CA_NAME_MAX */
const CA_NAME_MAX = 16
const SIZEOF_INT = 4

/** The whole value; numbers have `size` bytes. */
export function optionBytes(value: OptionValue, size: number = SIZEOF_INT): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') {
    // A name and the zero that ends it; nothing is nothing.
    const bytes = new Uint8Array(value === '' ? 0 : value.length + 1)
    for (let i = 0; i < value.length; i++) bytes[i] = value.charCodeAt(i)
    return bytes
  }
  if (typeof value === 'number') return words(size, [value, size > SIZEOF_INT && value < 0 ? -1 : value / 4294967296])
  if ('pid' in value) return words(12, [value.pid, value.uid, value.gid])
  if ('onoff' in value) return words(8, [value.onoff, value.linger])
  return words(16, [value.sec, value.sec / 4294967296, value.usec, 0])
}

function words(size: number, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) if (4 * i < size) view.setInt32(4 * i, Math.trunc(value) | 0, true)
  return bytes
}

/** Puts a value into `optval`: how long it is there. IPPROTO_IP gives small ints as one byte where there is no room for four. */
// biome-ignore format: one line
export function putOption(level: number, name: number, value: OptionValue, size: number | undefined, optval: Uint8Array): number {
  const whole = optionBytes(value, size)
  if (level === SOL_TCP && name === TCP_CONGESTION) return put(padded(whole), optval)
  const isSmall = typeof value === 'number' && value >= 0 && value <= 255 && size === undefined
  if (level === SOL_IP && isSmall && optval.length < SIZEOF_INT) return put(whole.subarray(0, 1), optval)
  return put(whole, optval)
}

function padded(name: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CA_NAME_MAX)
  bytes.set(name.subarray(0, CA_NAME_MAX))
  return bytes
}

/** Copies what there is room for. */
export function put(bytes: Uint8Array, optval: Uint8Array): number {
  const length = Math.min(bytes.length, optval.length)
  optval.set(bytes.subarray(0, length))
  return length
}
