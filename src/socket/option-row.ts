/** What a row of the option tables is. */
import { byteOrIntOf, intOf, type OptionError } from '../sock/option-value.ts'
import type { OptionValue, Sock } from '../sock/sock.ts'
import { EINVAL } from '../sys/errno.ts'

/** How one option is read and written; without `set` it is read-only, without `get` write-only (ENOPROTOOPT). */
export interface SocketOption {
  readonly name: string
  /** The value, or -errno as `{ errno }`. */
  readonly get?: (s: Sock) => OptionValue | OptionError
  /** 0 or -errno. */
  readonly set?: (s: Sock, value: OptionValue) => number
  /** Bytes of its value where that is not what the kind of value has: 4 of a number, 8 of a struct linger, … */
  readonly size?: number
  /** getsockopt(2) itself, where the room given or what is in it counts: the length, or -errno. */
  readonly getBytes?: (s: Sock, optval: Uint8Array) => number
}

/** Options of one level by number. */
export type OptionTable = Readonly<Record<number, SocketOption>>

/** An int that is on or off, kept as a bit of `Sock.flags`. */
export function flag(name: string, bit: number): SocketOption {
  return {
    name,
    get: (s) => (s.isFlag(bit) ? 1 : 0),
    set: (s, value) => {
      const n = intOf(value)
      if (Number.isNaN(n)) return -EINVAL
      s.setFlag(bit, n !== 0)
      return 0
    },
  }
}

/** As `flag`, on IPPROTO_IP: one byte is enough, none is EINVAL or, if `emptyIsZero`, 0. */
export function ipFlag(name: string, bit: number, emptyIsZero = false): SocketOption {
  return {
    name,
    get: (s) => (s.isFlag(bit) ? 1 : 0),
    set: (s, value) => {
      if (!emptyIsZero && isEmpty(value)) return -EINVAL
      s.setFlag(bit, byteOrIntOf(value) !== 0)
      return 0
    },
  }
}

/** An optlen of 0. */
export const isEmpty = (value: OptionValue): boolean => value instanceof Uint8Array && value.length === 0

/** An int to be read only. */
export const readOnly = (name: string, get: (s: Sock) => number): SocketOption => ({ name, get })
