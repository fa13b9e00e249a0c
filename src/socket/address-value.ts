/**
 * Socket addresses as programs write them, `{ family, address, port }` or for AF_UNIX `{ family, path }`, or in Linux's bytes;
 * and as the stack keeps them.
 */
import * as ip4 from '../addr/ip4.ts'
import * as ip6 from '../addr/ip6.ts'
import { utf8Length } from '../fs/inode.ts'
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  AF_UNSPEC,
  type LinkAddress,
  type NetlinkAddress,
  SIZEOF_SA_FAMILY,
  SIZEOF_SOCKADDR,
  SockAddr,
} from '../sock/address.ts'
import { readSockaddr, SIZEOF_SOCKADDR_IN6, SIZEOF_SOCKADDR_LL, SockaddrBuffer } from './sockaddr.ts'

/**
 * An address given to a call. Absent: family AF_INET, address 0.0.0.0, port 0. A `SockAddr` saves the text; bytes are a struct
 * sockaddr of any family, their number is addrlen.
 */
export type AddressIn = SockAddr | Uint8Array | Partial<Readonly<Address>>

/** An address as a call returns it. */
export interface Address {
  family: number
  address: string
  port: number
  /** AF_UNIX only: '' for an unnamed socket, a leading NUL for an abstract name. */
  path?: string
  /** AF_PACKET only: struct sockaddr_ll, whose protocol is `port` (ETH_P_, in host order). */
  link?: LinkAddress
  /** AF_NETLINK only: struct sockaddr_nl. */
  netlink?: NetlinkAddress
}

/** Where a call puts an address: an object to be filled, a `SockAddr` when no text is wanted, or a buffer for the bytes. */
export type AddressOut = SockAddr | SockaddrBuffer | Partial<Address>

/** Reads `value`, called `argument` in errors, into `into`. */
export function readAddress(argument: string, value: AddressIn, into: SockAddr): SockAddr {
  if (value instanceof SockAddr) return into.copy(value)
  if (value instanceof Uint8Array) return readSockaddr(value, into)
  if (typeof value !== 'object' || value === null) throw new TypeError(`${argument}: not an address: ${String(value)}`)
  const { path = '', family = path === '' ? AF_INET : AF_UNIX, address = '0.0.0.0', port = 0 } = value
  if (!Number.isInteger(family)) throw new TypeError(`${argument}.family: not an integer: ${String(family)}`)
  if (typeof address !== 'string') throw new TypeError(`${argument}.address: not a string: ${String(address)}`)
  if (typeof path !== 'string') throw new TypeError(`${argument}.path: not a string: ${String(path)}`)
  // A path ends at its first NUL, an abstract name does not.
  const end = path.indexOf('\0')
  into.path = end > 0 ? path.slice(0, end) : path
  into.link = value.link ?? null
  into.netlink = value.netlink ?? null
  into.length = family === AF_UNIX ? SIZEOF_SA_FAMILY + utf8Length(path) : SIZEOF_SOCKADDR
  if (into.link !== null) into.length = SIZEOF_SOCKADDR_LL
  if (family === AF_UNIX) {
    into.family = family
    into.address = into.port = 0
    return into
  }
  if (family === AF_INET6 && ip6.parse(address) !== undefined) {
    // There are no sockets that would look at more than the family.
    into.length = SIZEOF_SOCKADDR_IN6
    into.family = family
    into.address = 0
    into.port = port
    return into
  }
  const parsed = into.link === null && into.netlink === null ? ip4.parse(address) : 0
  if (parsed === undefined) throw new RangeError(`${argument}.address: not an IPv4 address: ${JSON.stringify(address)}`)
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new RangeError(`${argument}.port: not in 0..65535: ${String(port)}`)
  into.family = family
  into.address = parsed
  into.port = port
  return into
}

/** The address as a program sees it. */
export function toAddress(from: SockAddr): Address {
  const { family, path, port, link, netlink } = from
  if (family === AF_UNIX) return { family, address: '', port: 0, path }
  if (family === AF_PACKET && link !== null) return { family, address: '', port, link }
  if (family === AF_NETLINK && netlink !== null) return { family, address: '', port: 0, netlink }
  return { family, address: ip4.format(from.address), port }
}

/** Puts `from` into what the program gave; AF_UNSPEC is no address, and leaves an object as it is. */
export function writeAddress(from: SockAddr, into: AddressOut): void {
  if (into instanceof SockaddrBuffer) {
    into.put(from)
  } else if (from.family === AF_UNSPEC) {
    return
  } else if (into instanceof SockAddr) {
    into.copy(from)
  } else Object.assign(into, toAddress(from))
}
