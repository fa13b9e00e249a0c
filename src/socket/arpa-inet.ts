/**
 * The address functions of arpa/inet.h as glibc has them (inet(3), inet_pton(3), inet_ntop(3), inet_net_pton's forerunners):
 * the historical forms of inet_aton and inet_network, class A, B and C, and C's result codes.
 */
import { htonl, type Net32, ntohl } from '../addr/byte-order.ts'
import * as ip4 from '../addr/ip4.ts'
import * as ip6 from '../addr/ip6.ts'
import { AF_INET, AF_INET6 } from '../sock/address.ts'
import { EAFNOSUPPORT, ENOSPC } from '../sys/errno.ts'

/** struct in_addr. */
export interface InAddr {
  s_addr: Net32
}

/** What inet_addr, inet_network give for bad text: also 255.255.255.255, which is why inet_aton exists. */
export const INADDR_NONE = 0xffffffff
/** 224.0.0.0, 224.0.0.1, 224.0.0.2, 224.0.0.106 and 224.0.0.255, in host order (netinet/in.h). */
export const INADDR_UNSPEC_GROUP = 0xe0000000
export const INADDR_ALLHOSTS_GROUP = 0xe0000001
export const INADDR_ALLRTRS_GROUP = 0xe0000002
export const INADDR_ALLSNOOPERS_GROUP = 0xe000006a
export const INADDR_MAX_LOCAL_GROUP = 0xe00000ff
/** Room for the text of an address, with the terminating zero. */
export const INET_ADDRSTRLEN = 16
export const INET6_ADDRSTRLEN = 46
/** `::` and `::1` (netinet/in.h). */
export const IN6ADDR_ANY_INIT: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
export const IN6ADDR_LOOPBACK_INIT: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
/** A fresh in6addr_any and in6addr_loopback. */
export const in6addr_any = (): Uint8Array => Uint8Array.from(IN6ADDR_ANY_INIT)
export const in6addr_loopback = (): Uint8Array => Uint8Array.from(IN6ADDR_LOOPBACK_INIT)

/** What the last of n + 1 parts may be at most. */
const LAST_MAX: readonly number[] = [0xffffffff, 0xffffff, 0xffff, 0xff]
const SPACE = ' \t\n\v\f\r'

/**
 * inet_aton(3): 1 and the address, or 0 for bad text. One to four parts, the last filling the bytes left; each decimal, octal
 * after 0 or hexadecimal after 0x; white space ends the text.
 */
export function inet_aton(cp: string, inp: InAddr): 0 | 1 {
  let address = 0
  let rest = cp
  for (let parts = 0; ; parts++) {
    const digits = /^(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(rest)?.[0]
    if (digits === undefined) return 0
    // Number reads octal after 0o only.
    const value = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits)
    rest = rest.slice(digits.length)
    if (rest.startsWith('.')) {
      if (parts === 3 || value > 255) return 0
      address += value * 2 ** (24 - 8 * parts)
      rest = rest.slice(1)
      continue
    }
    if (rest !== '' && !SPACE.includes(rest[0] as string)) return 0
    if (value > (LAST_MAX[parts] as number)) return 0
    inp.s_addr = htonl(address + value)
    return 1
  }
}

/** inet_addr(3): the address in network order, or INADDR_NONE. */
export function inet_addr(cp: string): Net32 {
  const address: InAddr = { s_addr: INADDR_NONE as Net32 }
  inet_aton(cp, address)
  return address.s_addr
}

/** inet_ntoa(3). */
export const inet_ntoa = ({ s_addr }: InAddr): string => ip4.format(ntohl(s_addr))

/**
 * inet_network(3): one to four parts of a byte each, in host order, shifted together (`192.168` is 0xc0a8); -1 as unsigned,
 * INADDR_NONE, for bad text.
 */
export function inet_network(cp: string): number {
  let network = 0
  let rest = cp
  for (let parts = 1; ; parts++) {
    // As glibc reads it: the 0 before x may be missing, and digits beyond 32 bits fall out at the top.
    const [whole = '', zero = '', x = '', digits = ''] = /^(0?)([xX]?)([0-9a-fA-F]*)/.exec(rest) ?? []
    const base = x !== '' ? 16 : zero !== '' ? 8 : 10
    const used = base === 16 ? digits : (/^[0-9]*/.exec(digits) as RegExpExecArray)[0]
    if (used === '' && (x !== '' || zero === '')) return INADDR_NONE
    if (base === 8 && /[89]/.test(used)) return INADDR_NONE
    let value = 0
    for (const digit of used) value = (Math.imul(value, base) + Number.parseInt(digit, 16)) >>> 0
    if (value > 255 || parts > 4) return INADDR_NONE
    network = ((network << 8) | value) >>> 0
    rest = rest.slice(whole.length - digits.length + used.length)
    if (!rest.startsWith('.')) break
    rest = rest.slice(1)
  }
  return [...rest].every((c) => SPACE.includes(c)) ? network : INADDR_NONE
}

/** inet_makeaddr(3): from a network number of class A, B or C and a host number in it. */
export function inet_makeaddr(net: number, host: number): InAddr {
  const n = net >>> 0
  if (n < 128) return { s_addr: htonl((n << 24) | (host & 0xffffff)) }
  if (n < 65536) return { s_addr: htonl((n << 16) | (host & 0xffff)) }
  if (n < 16777216) return { s_addr: htonl((n << 8) | (host & 0xff)) }
  return { s_addr: htonl(n | host) }
}

/** Bits of the host part by the address's class. */
const hostBits = (address: number): number => (address >= 0 ? 24 : address >>> 30 === 2 ? 16 : 8)

/** inet_lnaof(3): the host part, in host order. */
export function inet_lnaof({ s_addr }: InAddr): number {
  const address = ntohl(s_addr) | 0
  return address & (2 ** hostBits(address) - 1)
}

/** inet_netof(3): the network number, in host order. */
export function inet_netof({ s_addr }: InAddr): number {
  const address = ntohl(s_addr) | 0
  return address >>> hostBits(address)
}

/** inet_pton(3): 1 with the bytes in `dst`, 0 for bad text, -EAFNOSUPPORT for another family than AF_INET and AF_INET6. */
export function inet_pton(af: number, src: string, dst: Uint8Array): number {
  if (af !== AF_INET && af !== AF_INET6) return -EAFNOSUPPORT
  if (af === AF_INET6) {
    const bytes = ip6.parse(src)
    if (bytes === undefined) return 0
    dst.set(bytes)
    return 1
  }
  const address = ip4.parse(src)
  if (address === undefined) return 0
  for (let i = 0; i < 4; i++) dst[i] = address >>> (24 - 8 * i)
  return 1
}

/**
 * inet_ntop(3): the text, -EAFNOSUPPORT, or -ENOSPC if it and a terminating zero do not fit into `size` bytes. IPv6 by RFC 5952.
 */
export function inet_ntop(af: number, src: Uint8Array, size: number = INET6_ADDRSTRLEN): string | number {
  if (af !== AF_INET && af !== AF_INET6) return -EAFNOSUPPORT
  const [a = 0, b = 0, c = 0, d = 0] = src
  const text = af === AF_INET ? ip4.format(ip4.of(a, b, c, d)) : ip6.format(src)
  return text.length < size ? text : -ENOSPC
}
