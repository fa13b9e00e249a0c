/**
 * IPv4 addresses as int32 in host order: 10.0.0.1 is 0x0a000001, 255.255.255.255 is -1. RFC 791 §3.2, classification
 * by RFC 6890 (special-purpose registry) and RFC 1122 §3.2.1.3. The lax historical text forms belong to inet_aton.
 */

/** 0.0.0.0, INADDR_ANY. */
export const ANY = 0
/** 127.0.0.1, INADDR_LOOPBACK. */
export const LOOPBACK = 0x7f000001
/** 255.255.255.255, INADDR_BROADCAST. */
export const BROADCAST = -1
/** 224.0.0.1, all hosts, RFC 1112 §4. */
export const ALL_HOSTS: number = 0xe0000001 | 0
/** 224.0.0.2, all routers. */
export const ALL_ROUTERS: number = 0xe0000002 | 0

/** Reads the strict form `a.b.c.d`, decimal without leading zeros (inet_pton); undefined if the text is not one. */
export function parse(text: string): number | undefined {
  let address = 0
  let parts = 0
  let value = -1
  for (let i = 0; i <= text.length; i++) {
    const c = i < text.length ? text.charCodeAt(i) : 46
    if (c === 46) {
      if (value < 0 || parts === 4) return undefined
      address = (address << 8) | value
      parts++
      value = -1
      continue
    }
    if (c < 48 || c > 57 || value === 0) return undefined
    value = (value < 0 ? 0 : value * 10) + c - 48
    if (value > 255) return undefined
  }
  return parts === 4 ? address : undefined
}

/** The text `a.b.c.d`. */
export const format = (a: number): string => `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`

/** From four bytes. */
export const of = (a: number, b: number, c: number, d: number): number => (a << 24) | (b << 16) | (c << 8) | d

/** The netmask of a prefix length 0..32. */
export const mask = (prefix: number): number => (prefix <= 0 ? 0 : -1 << (32 - Math.min(prefix, 32)))
/** The prefix length of a netmask; -1 if its ones are not contiguous. */
export function prefixOf(netmask: number): number {
  const n = Math.clz32(~netmask)
  return mask(n) === netmask ? n : -1
}

/** True if `a` lies in network/prefix. */
export const inNetwork = (a: number, network: number, prefix: number): boolean => ((a ^ network) & mask(prefix)) === 0
/** The directed broadcast address of network/prefix, RFC 919 §7. */
export const directedBroadcast = (network: number, prefix: number): number => network | ~mask(prefix)

/** 0.0.0.0. */
export const isUnspecified = (a: number): boolean => a === 0
/** 127.0.0.0/8. */
export const isLoopback = (a: number): boolean => a >>> 24 === 127
/** 224.0.0.0/4, RFC 1112 §4. */
export const isMulticast = (a: number): boolean => a >>> 28 === 14
/** 224.0.0.0/24: never forwarded, RFC 5771 §4. */
export const isLocalMulticast = (a: number): boolean => a >>> 8 === 0xe00000
/** 255.255.255.255, the limited broadcast (RFC 919 §7). */
export const isBroadcast = (a: number): boolean => a === -1
/** 240.0.0.0/4 without the limited broadcast (RFC 1112 §4). */
export const isClassE = (a: number): boolean => a >>> 28 === 15 && a !== -1
/** 10/8, 172.16/12, 192.168/16, RFC 1918. */
export const isPrivate = (a: number): boolean => a >>> 24 === 10 || a >>> 20 === 0xac1 || a >>> 16 === 0xc0a8
/** 169.254.0.0/16, RFC 3927. */
export const isLinkLocal = (a: number): boolean => a >>> 16 === 0xa9fe
/**
 * Not 0.0.0.0, not multicast, not class E or broadcast: may be a host's own source address (RFC 1122 §3.2.1.3; the rest of 0/8
 * is ordinary, as Linux has it since 5.3).
 */
export const isUnicast = (a: number): boolean => a !== 0 && a >>> 28 < 14
