/** Option values between a program and the kernel: ints, names and structs, given as values or as Linux's bytes. */

import { EINVAL } from '../sys/errno.ts'
import { getLe32 } from '../wire/little-endian.ts'
import type { OptionValue } from './sock.ts'

/** An error from reading an option: values may be negative themselves. */
export class OptionError {
  readonly errno: number
  constructor(errno: number) {
    this.errno = errno
  }
}

const SIZEOF_INT = 4
const SIZEOF_LINGER = 8
const SIZEOF_TIMEVAL = 16

const int64At = (bytes: Uint8Array, at: number): number =>
  getLe32(bytes, at + 4) * 4294967296 + (getLe32(bytes, at) >>> 0)

/** What `intOf` and its like give for a value too short for its type. */
export const TOO_SHORT: number = Number.NaN

/** The value as an int; NaN (EINVAL) for fewer than four bytes. */
export function intOf(value: OptionValue): number {
  if (typeof value === 'number') return value | 0
  if (value instanceof Uint8Array) return value.length < SIZEOF_INT ? TOO_SHORT : getLe32(value, 0)
  if (typeof value === 'string') return TOO_SHORT
  if ('pid' in value) return value.pid | 0
  return 'onoff' in value ? value.onoff | 0 : value.sec | 0
}

/** As `intOf`, but a single byte counts too, and nothing is 0 (do_ip_setsockopt). */
export function byteOrIntOf(value: OptionValue): number {
  if (!(value instanceof Uint8Array)) return intOf(value)
  return value.length >= SIZEOF_INT ? getLe32(value, 0) : (value[0] ?? 0)
}

/** struct linger, or -EINVAL. */
export function lingerOf(value: OptionValue): { onoff: number; linger: number } | number {
  if (typeof value === 'number') return -EINVAL
  if (value instanceof Uint8Array) {
    return value.length < SIZEOF_LINGER ? -EINVAL : { onoff: getLe32(value, 0), linger: getLe32(value, 4) }
  }
  return typeof value === 'object' && 'onoff' in value ? value : -EINVAL
}

/** struct timeval, or -EINVAL. */
export function timevalOf(value: OptionValue): { sec: number; usec: number } | number {
  if (value instanceof Uint8Array) {
    return value.length < SIZEOF_TIMEVAL ? -EINVAL : { sec: int64At(value, 0), usec: int64At(value, 8) }
  }
  return typeof value === 'object' && 'sec' in value ? value : -EINVAL
}

/** A name of at most `limit` bytes, up to the first zero byte; undefined if the value is no name. */
export function nameOf(value: OptionValue, limit: number): string | undefined {
  if (typeof value === 'string') return value.slice(0, limit)
  if (!(value instanceof Uint8Array)) return undefined
  let name = ''
  for (let i = 0; i < value.length && i < limit && value[i] !== 0; i++) name += String.fromCharCode(value[i] as number)
  return name
}
