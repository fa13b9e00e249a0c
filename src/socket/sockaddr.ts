/**
 * Socket addresses in the exact binary layouts of Linux on x86-64 and arm64: struct sockaddr (bits/socket.h), sockaddr_in and
 * sockaddr_in6 (netinet/in.h), sockaddr_un (sys/un.h), sockaddr_ll (packet(7)), sockaddr_nl (netlink(7)). Families and other
 * integers that do not go over the wire are little-endian there.
 */
import { htonl, htons, type Net16, type Net32, ntohl, ntohs } from '../addr/byte-order.ts'
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  AF_UNSPEC,
  OFFSETOF_SLL_ADDR,
  SIZEOF_SA_FAMILY,
  SIZEOF_SOCKADDR_LL,
  SIZEOF_SOCKADDR_NL,
  SIZEOF_SOCKADDR_STORAGE,
  type SockAddr,
} from '../sock/address.ts'
import { pathFromBytes, pathToBytes } from '../sock/path-bytes.ts'
import { EINVAL } from '../sys/errno.ts'
import { get16, get32, put16, put32 } from '../wire/bytes.ts'
import { getLe16, getLe32, putLe16, putLe32 } from '../wire/little-endian.ts'

export const SIZEOF_SOCKADDR_IN = 16
export const SIZEOF_SOCKADDR_IN6 = 28
/** struct sockaddr_in6 before there was a scope id, which Linux still takes (SIN6_LEN_RFC2133). */
export const SIN6_LEN_RFC2133 = 24
export const SIZEOF_SOCKADDR_UN = 110
export { SIZEOF_SOCKADDR_LL, SIZEOF_SOCKADDR_NL, UNIX_PATH_MAX } from '../sock/address.ts'

/** sizeof(sll_addr) */
const MAX_HARDWARE = 8

/** struct sockaddr: what every address begins with. */
export interface Sockaddr {
  readonly sa_family: number
  /** The bytes after the family, 14 in struct sockaddr itself, up to 126 in struct sockaddr_storage. */
  readonly sa_data: Uint8Array
}

/** struct sockaddr_in, 16 bytes. */
export interface SockaddrIn {
  readonly sin_family: typeof AF_INET
  readonly sin_port: Net16
  readonly sin_addr: Net32
}

/** struct sockaddr_in6, 28 bytes. */
export interface SockaddrIn6 {
  readonly sin6_family: typeof AF_INET6
  readonly sin6_port: Net16
  readonly sin6_flowinfo: Net32
  /** Sixteen bytes. */
  readonly sin6_addr: Uint8Array
  /** Index of an interface, in host order. */
  readonly sin6_scope_id: number
}

/** struct sockaddr_un: 2 bytes for no name, up to 110. */
export interface SockaddrUn {
  readonly sun_family: typeof AF_UNIX
  /** The bytes addrlen covers, at most 108: a path, terminated or not; a zero and an abstract name; nothing. */
  readonly sun_path: Uint8Array
}

/** struct sockaddr_ll, 20 bytes. */
export interface SockaddrLl {
  readonly sll_family: typeof AF_PACKET
  readonly sll_protocol: Net16
  readonly sll_ifindex: number
  readonly sll_hatype: number
  readonly sll_pkttype: number
  readonly sll_halen: number
  /** Eight bytes. */
  readonly sll_addr: Uint8Array
}

/** struct sockaddr_nl, 12 bytes. */
export interface SockaddrNl {
  readonly nl_family: typeof AF_NETLINK
  readonly nl_pid: number
  readonly nl_groups: number
}

export type AnySockaddr = SockaddrIn | SockaddrIn6 | SockaddrUn | SockaddrLl | SockaddrNl | Sockaddr

/** The bytes of an address, as long as its family's struct; of AF_UNIX as long as the name makes it. */
export function encodeSockaddr(sa: AnySockaddr): Uint8Array {
  if ('sin_family' in sa) {
    const b = startOf(SIZEOF_SOCKADDR_IN, sa.sin_family)
    put16(b, 2, ntohs(sa.sin_port))
    put32(b, 4, ntohl(sa.sin_addr))
    return b
  }
  if ('sin6_family' in sa) {
    const b = startOf(SIZEOF_SOCKADDR_IN6, sa.sin6_family)
    put16(b, 2, ntohs(sa.sin6_port))
    put32(b, 4, ntohl(sa.sin6_flowinfo))
    b.set(sa.sin6_addr.subarray(0, 16), 8)
    putLe32(b, 24, sa.sin6_scope_id)
    return b
  }
  if ('sll_family' in sa) {
    const b = startOf(SIZEOF_SOCKADDR_LL, sa.sll_family)
    put16(b, 2, ntohs(sa.sll_protocol))
    putLe32(b, 4, sa.sll_ifindex)
    putLe16(b, 8, sa.sll_hatype)
    b[10] = sa.sll_pkttype
    b[11] = sa.sll_halen
    b.set(sa.sll_addr.subarray(0, MAX_HARDWARE), 12)
    return b
  }
  if ('nl_family' in sa) {
    const b = startOf(SIZEOF_SOCKADDR_NL, sa.nl_family)
    putLe32(b, 4, sa.nl_pid)
    putLe32(b, 8, sa.nl_groups)
    return b
  }
  const [family, data] = 'sun_family' in sa ? [sa.sun_family, sa.sun_path] : [sa.sa_family, sa.sa_data]
  const b = startOf(SIZEOF_SA_FAMILY + data.length, family)
  b.set(data, SIZEOF_SA_FAMILY)
  return b
}

function startOf(length: number, family: number): Uint8Array {
  const bytes = new Uint8Array(length)
  putLe16(bytes, 0, family)
  return bytes
}

/**
 * Reads a generic address of `addrlen` bytes by its family: -EINVAL if it is too short for that, or longer than a struct
 * sockaddr_storage, or than a struct sockaddr_un of AF_UNIX; an unknown family comes as a plain struct sockaddr.
 */
export function decodeSockaddr(b: Uint8Array, addrlen: number = b.length): AnySockaddr | number {
  if (addrlen > b.length || addrlen < SIZEOF_SA_FAMILY || addrlen > SIZEOF_SOCKADDR_STORAGE) return -EINVAL
  const family = getLe16(b, 0)
  switch (family) {
    case AF_INET:
      if (addrlen < SIZEOF_SOCKADDR_IN) return -EINVAL
      return { sin_family: family, sin_port: htons(get16(b, 2)), sin_addr: htonl(get32(b, 4)) }
    case AF_INET6:
      if (addrlen < SIN6_LEN_RFC2133) return -EINVAL
      return {
        sin6_family: family,
        sin6_port: htons(get16(b, 2)),
        sin6_flowinfo: htonl(get32(b, 4)),
        sin6_addr: b.slice(8, 24),
        sin6_scope_id: addrlen < SIZEOF_SOCKADDR_IN6 ? 0 : getLe32(b, 24) >>> 0,
      }
    case AF_UNIX:
      if (addrlen > SIZEOF_SOCKADDR_UN) return -EINVAL
      return { sun_family: family, sun_path: b.slice(SIZEOF_SA_FAMILY, addrlen) }
    case AF_PACKET:
      if (addrlen < SIZEOF_SOCKADDR_LL) return -EINVAL
      return {
        sll_family: family,
        sll_protocol: htons(get16(b, 2)),
        sll_ifindex: getLe32(b, 4),
        sll_hatype: getLe16(b, 8),
        sll_pkttype: b[10] ?? 0,
        sll_halen: b[11] ?? 0,
        sll_addr: b.slice(12, 20),
      }
    case AF_NETLINK:
      if (addrlen < SIZEOF_SOCKADDR_NL) return -EINVAL
      return { nl_family: family, nl_pid: getLe32(b, 4) >>> 0, nl_groups: getLe32(b, 8) >>> 0 }
    default:
      return { sa_family: family, sa_data: b.slice(SIZEOF_SA_FAMILY, addrlen) }
  }
}

/** The name in `sun_path`, as `SockAddr.path` has it: a path ends at its first zero, an abstract name does not. */
export function unixName(b: Uint8Array, start: number, end: number): string {
  if (b[start] === 0) return pathFromBytes(b, start, end)
  const zero = b.subarray(start, end).indexOf(0)
  return pathFromBytes(b, start, zero < 0 ? end : start + zero)
}

/** Reads the bytes a program gave into the stack's form. Lengths are judged by the protocol, which finds them in `length`. */
export function readSockaddr(b: Uint8Array, into: SockAddr): SockAddr {
  const { length } = b
  into.family = length < SIZEOF_SA_FAMILY ? AF_UNSPEC : getLe16(b, 0)
  into.port = length < 4 ? 0 : get16(b, 2)
  into.address = length < 8 ? 0 : get32(b, 4)
  into.path = ''
  into.link = into.netlink = null
  into.length = length
  if (into.family === AF_UNIX) {
    into.port = into.address = 0
    if (length <= SIZEOF_SOCKADDR_UN) into.path = unixName(b, SIZEOF_SA_FAMILY, length)
  } else if (into.family === AF_PACKET && length >= SIZEOF_SOCKADDR_LL) {
    into.address = 0
    into.link = {
      ifindex: getLe32(b, 4),
      hatype: getLe16(b, 8),
      pkttype: b[10] ?? 0,
      hardware: b.slice(12, 12 + Math.min(b[11] ?? 0, MAX_HARDWARE)),
    }
  } else if (into.family === AF_NETLINK && length >= SIZEOF_SOCKADDR_NL) {
    into.port = into.address = 0
    into.netlink = { pid: getLe32(b, 4) >>> 0, groups: getLe32(b, 8) >>> 0 }
  }
  return into
}

/** The address in Linux's bytes, as long as getsockname(2) says it is. */
export function sockaddrBytes(from: SockAddr): Uint8Array {
  const { family } = from
  if (family === AF_UNSPEC) return new Uint8Array(0)
  if (family === AF_UNIX) {
    // A path is counted with the zero that ends it, an abstract name is as long as it is (unix(7)).
    const isPath = from.path !== '' && !from.path.startsWith('\0')
    return encodeSockaddr({ sun_family: family, sun_path: pathToBytes(isPath ? `${from.path}\0` : from.path) })
  }
  if (family === AF_PACKET && from.link !== null) {
    const { ifindex, hatype, pkttype, hardware } = from.link
    const b = startOf(SIZEOF_SOCKADDR_LL, family)
    put16(b, 2, from.port)
    putLe32(b, 4, ifindex)
    putLe16(b, 8, hatype)
    b[10] = pkttype
    b[11] = hardware.length
    b.set(hardware.subarray(0, MAX_HARDWARE), 12)
    return b.subarray(0, Math.max(OFFSETOF_SLL_ADDR, Math.min(from.length, SIZEOF_SOCKADDR_LL)))
  }
  if (family === AF_NETLINK && from.netlink !== null)
    return encodeSockaddr({ nl_family: AF_NETLINK, nl_pid: from.netlink.pid, nl_groups: from.netlink.groups })
  return encodeSockaddr({
    sin_family: family as typeof AF_INET,
    sin_port: htons(from.port),
    sin_addr: htonl(from.address),
  })
}

/**
 * A buffer for an address a call returns, with its value-result length as in C: before the call the room there is, after it
 * the length of the address, which is more than the room if the address was cut off (accept(2), getsockname(2)).
 */
export class SockaddrBuffer {
  readonly bytes: Uint8Array
  length: number

  /** `bytes`, or how many there shall be: sizeof(struct sockaddr_storage) unless told otherwise. */
  constructor(bytes: Uint8Array | number = SIZEOF_SOCKADDR_STORAGE) {
    this.bytes = typeof bytes === 'number' ? new Uint8Array(bytes) : bytes
    this.length = this.bytes.length
  }

  /** move_addr_to_user. */
  put(from: SockAddr): void {
    const whole = sockaddrBytes(from)
    this.bytes.set(whole.subarray(0, Math.min(this.length, this.bytes.length)))
    this.length = whole.length
  }

  /** The address, as far as there was room. */
  get address(): Uint8Array {
    return this.bytes.subarray(0, Math.min(this.length, this.bytes.length))
  }
}
