/** Socket addresses as programs write them, `{ family, address, port }`, and as the stack keeps them. */
import * as ip4 from '../addr/ip4.ts'
import { AF_INET, SockAddr } from '../sock/address.ts'

/** An address given to a call. Absent: family AF_INET, address 0.0.0.0, port 0. A `SockAddr` saves the text. */
export type AddressIn = SockAddr | { readonly family?: number; readonly address?: string; readonly port?: number }

/** An address as a call returns it. */
export interface Address {
  family: number
  address: string
  port: number
}

/** Where a call puts an address: an object to be filled, or a `SockAddr` when no text is wanted. */
export type AddressOut = SockAddr | Partial<Address>

/** Reads `value`, called `argument` in errors, into `into`. */
export function readAddress(argument: string, value: AddressIn, into: SockAddr): SockAddr {
  if (value instanceof SockAddr) {
    into.family = value.family
    into.address = value.address
    into.port = value.port
    return into
  }
  if (typeof value !== 'object' || value === null) throw new TypeError(`${argument}: not an address: ${String(value)}`)
  const { family = AF_INET, address = '0.0.0.0', port = 0 } = value
  if (!Number.isInteger(family)) throw new TypeError(`${argument}.family: not an integer: ${String(family)}`)
  if (typeof address !== 'string') throw new TypeError(`${argument}.address: not a string: ${String(address)}`)
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
export const toAddress = (from: SockAddr): Address => ({
  family: from.family,
  address: ip4.format(from.address),
  port: from.port,
})

/** Puts `from` into what the program gave. */
export function writeAddress(from: SockAddr, into: AddressOut): void {
  if (into instanceof SockAddr) {
    into.family = from.family
    into.address = from.address
  } else {
    into.family = from.family
    into.address = ip4.format(from.address)
  }
  into.port = from.port
}
