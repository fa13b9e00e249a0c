/**
 * Socket addresses as programs write them, `{ family, address, port }` or for AF_UNIX `{ family, path }`, and as the stack
 * keeps them.
 */
import * as ip4 from '../addr/ip4.ts'
import { AF_INET, AF_UNIX, SockAddr } from '../sock/address.ts'

/** An address given to a call. Absent: family AF_INET, address 0.0.0.0, port 0. A `SockAddr` saves the text. */
export type AddressIn =
  | SockAddr
  | { readonly family?: number; readonly address?: string; readonly port?: number; readonly path?: string }

/** An address as a call returns it. */
export interface Address {
  family: number
  address: string
  port: number
  /** AF_UNIX only: '' for an unnamed socket, a leading NUL for an abstract name. */
  path?: string
}

/** Where a call puts an address: an object to be filled, or a `SockAddr` when no text is wanted. */
export type AddressOut = SockAddr | Partial<Address>

/** Reads `value`, called `argument` in errors, into `into`. */
export function readAddress(argument: string, value: AddressIn, into: SockAddr): SockAddr {
  if (value instanceof SockAddr) return into.copy(value)
  if (typeof value !== 'object' || value === null) throw new TypeError(`${argument}: not an address: ${String(value)}`)
  const { path = '', family = path === '' ? AF_INET : AF_UNIX, address = '0.0.0.0', port = 0 } = value
  if (!Number.isInteger(family)) throw new TypeError(`${argument}.family: not an integer: ${String(family)}`)
  if (typeof address !== 'string') throw new TypeError(`${argument}.address: not a string: ${String(address)}`)
  if (typeof path !== 'string') throw new TypeError(`${argument}.path: not a string: ${String(path)}`)
  // A path ends at its first NUL, an abstract name does not.
  const end = path.indexOf('\0')
  into.path = end > 0 ? path.slice(0, end) : path
  if (family === AF_UNIX) {
    into.family = family
    into.address = into.port = 0
    return into
  }
  const parsed = ip4.parse(address)
  if (parsed === undefined) throw new RangeError(`${argument}.address: not an IPv4 address: ${JSON.stringify(address)}`)
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new RangeError(`${argument}.port: not in 0..65535: ${String(port)}`)
  into.family = family
  into.address = parsed
  into.port = port
  return into
}

/** The address as a program sees it. */
export const toAddress = (from: SockAddr): Address =>
  from.family === AF_UNIX
    ? { family: from.family, address: '', port: 0, path: from.path }
    : { family: from.family, address: ip4.format(from.address), port: from.port }

/** Puts `from` into what the program gave. */
export function writeAddress(from: SockAddr, into: AddressOut): void {
  if (into instanceof SockAddr) {
    into.copy(from)
  } else if (from.family === AF_UNIX) {
    into.family = from.family
    into.address = ''
    into.port = 0
    into.path = from.path
  } else {
    into.family = from.family
    into.address = ip4.format(from.address)
    into.port = from.port
  }
}
