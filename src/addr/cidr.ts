/** Prefixes in the notation of RFC 4632 §3.1: `a.b.c.d/len`. IPv4 for now. */
import * as ip4 from './ip4.ts'

/** An address and the length of its network prefix; the host bits are kept, as `ip addr add` takes them. */
export interface Cidr {
  readonly address: number
  readonly prefix: number
}

/** Reads `a.b.c.d/len` with len 0..32; without `/len` the prefix is 32. Undefined if the text is neither. */
export function parse(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  const address = ip4.parse(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  if (slash < 0) return { address, prefix: 32 }
  const length = text.slice(slash + 1)
  if (!/^(0|[1-9][0-9]?)$/.test(length) || Number(length) > 32) return undefined
  return { address, prefix: Number(length) }
}

/** The text `a.b.c.d/len`. */
export const format = (c: Cidr): string => `${ip4.format(c.address)}/${c.prefix}`
/** The network's address: host bits cleared. */
export const network = (c: Cidr): number => c.address & ip4.mask(c.prefix)
/** True if `address` lies in the prefix. */
export const contains = (c: Cidr, address: number): boolean => ip4.inNetwork(address, c.address, c.prefix)
