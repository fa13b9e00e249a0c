/**
 * Which of several addresses to try first: RFC 6724 §6 as glibc's getaddrinfo applies it (rfc3484_sort), with the default
 * policy table of §2.1 and glibc's scopes of IPv4. The source address of each is what the kernel would choose: connect tells.
 */
import * as ip4 from '../addr/ip4.ts'
import * as ip6 from '../addr/ip6.ts'
import type { Process } from '../host/process.ts'
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM } from '../socket/constants.ts'
import { SystemError } from '../sys/errno.ts'
import { get32 } from '../wire/bytes.ts'
import type { HostAddress } from './netdb.ts'

const SCOPE_LINK = 2
const SCOPE_SITE = 5
const SCOPE_GLOBAL = 14

/** Prefix, its length in bits, label and precedence: the most specific first. */
const POLICY: readonly (readonly [prefix: string, bits: number, label: number, precedence: number])[] = [
  ['::1', 128, 0, 50],
  ['::ffff:0:0', 96, 4, 10],
  ['2001::', 32, 7, 5],
  ['2002::', 16, 2, 30],
  ['fec0::', 10, 5, 40],
  ['fc00::', 7, 6, 40],
  ['::', 0, 1, 40],
]

/** An address with what the rules look at. */
interface Candidate<T> {
  readonly address: T
  readonly bytes: Uint8Array
  readonly scope: number
  readonly label: number
  readonly precedence: number
  /** Null if there is no way there. */
  readonly source: { readonly scope: number; readonly label: number; readonly commonBits: number } | null
}

/** The address as IPv6 has it: IPv4 mapped. */
function asIp6({ family, bytes }: HostAddress): Uint8Array {
  if (family !== AF_INET) return bytes
  const mapped = new Uint8Array(ip6.LENGTH)
  mapped.fill(0xff, 10, 12)
  mapped.set(bytes, 12)
  return mapped
}

/** Leading bits that are the same. */
function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((x, i) => x !== b[i])
  return at < 0 ? 8 * a.length : 8 * at + Math.clz32((a[at] as number) ^ (b[at] as number)) - 24
}

function policyOf(bytes: Uint8Array): { label: number; precedence: number } {
  const row = POLICY.find(([prefix, bits]) => commonPrefix(ip6.parse(prefix) as Uint8Array, bytes) >= bits)
  const [, , label = 1, precedence = 40] = row ?? []
  return { label, precedence }
}

/** RFC 6724 §3.1, §3.2. */
function scopeOf(bytes: Uint8Array): number {
  if (ip6.isV4Mapped(bytes)) {
    const address = get32(bytes, 12)
    return ip4.isLoopback(address) || ip4.isLinkLocal(address) ? SCOPE_LINK : SCOPE_GLOBAL
  }
  const [first = 0, second = 0] = bytes
  if (first === 0xff) return second & 0xf
  const isLoopback =
    commonPrefix(
      bytes,
      Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? 1 : 0)),
    ) === 128
  if (isLoopback || (first === 0xfe && (second & 0xc0) === 0x80)) return SCOPE_LINK
  return first === 0xfe && (second & 0xc0) === 0xc0 ? SCOPE_SITE : SCOPE_GLOBAL
}

/** The addresses in the order to try them; those that are equal stay as they were. */
export async function sortAddresses<T extends HostAddress>(process: Process, addresses: readonly T[]): Promise<T[]> {
  if (addresses.length < 2) return [...addresses]
  const candidates: Candidate<T>[] = []
  for (const address of addresses) {
    const bytes = asIp6(address)
    candidates.push({
      address,
      bytes,
      scope: scopeOf(bytes),
      ...policyOf(bytes),
      source: await sourceOf(process, address),
    })
  }
  return candidates.sort(compare).map((c) => c.address)
}

function compare<T>(a: Candidate<T>, b: Candidate<T>): number {
  // Rule 1: avoid unusable destinations.
  if (a.source === null || b.source === null) return Number(a.source === null) - Number(b.source === null)
  // Rule 2: prefer matching scope.
  const byScope = Number(b.scope === b.source.scope) - Number(a.scope === a.source.scope)
  if (byScope !== 0) return byScope
  // Rule 5: prefer matching label.
  const byLabel = Number(b.label === b.source.label) - Number(a.label === a.source.label)
  if (byLabel !== 0) return byLabel
  // Rule 6: prefer higher precedence. Rule 8: prefer smaller scope. Rule 9: use the longest matching prefix.
  if (a.precedence !== b.precedence) return b.precedence - a.precedence
  if (a.scope !== b.scope) return a.scope - b.scope
  return b.source.commonBits - a.source.commonBits
}

/** Where a datagram to the address would come from: connect a socket and look. */
async function sourceOf(process: Process, to: HostAddress): Promise<Candidate<unknown>['source']> {
  // There is no IPv6 to send by.
  if (to.family !== AF_INET) return null
  const fd = process.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC)
  try {
    await process.connect(fd, { address: ip4.format(get32(to.bytes, 0)), port: 53 })
    const source = ip4.parse(process.getsockname(fd).address) ?? 0
    const bytes = Uint8Array.of(source >>> 24, source >>> 16, source >>> 8, source)
    const mapped = asIp6({ family: AF_INET, bytes })
    return { scope: scopeOf(mapped), ...policyOf(mapped), commonBits: commonBits(process, source, get32(to.bytes, 0)) }
  } catch (error) {
    if (error instanceof SystemError) return null
    throw error
  } finally {
    await process.close(fd)
  }
}

/** Of IPv4 a common prefix counts within a subnet of ours only: "outside of subnets … make no sense". */
function commonBits(process: Process, source: number, to: number): number {
  for (const { addresses } of process.host.stack.interfaces) {
    for (const { address, prefix } of addresses) {
      if (address === source) return ip4.inNetwork(to, source, prefix) ? Math.clz32(to ^ source) : 0
    }
  }
  return 0
}
