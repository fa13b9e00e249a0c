/**
 * getaddrinfo(3) and getnameinfo(3) of a process on a virtual host, with glibc's results, order and errors: /etc/hosts, then the
 * name servers of /etc/resolv.conf. IPv6 addresses are found like others, though nothing can be sent to them yet.
 */

import { ntohl } from '../addr/byte-order.ts'
import * as ip6 from '../addr/ip6.ts'
import type { Process } from '../host/process.ts'
import { type InAddr, inet_aton, inet_ntop } from '../socket/arpa-inet.ts'
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_UNSPEC,
  IPPROTO_IP,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  SOCK_DCCP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from '../socket/constants.ts'
import { put32 } from '../wire/bytes.ts'
import * as dns from '../wire/dns.ts'
import { sortAddresses } from './address-order.ts'
import { addressOf, getservbyname, getservbyport, readHosts, readResolvConf } from './etc.ts'
import * as n from './netdb.ts'
import { type AddrInfo, type AddrInfoHints, GaiError, type HostAddress } from './netdb.ts'
import { type Outcome, query, search } from './resolver.ts'

const FLAGS: number =
  n.AI_PASSIVE | n.AI_CANONNAME | n.AI_NUMERICHOST | n.AI_V4MAPPED | n.AI_ALL | n.AI_ADDRCONFIG | n.AI_NUMERICSERV
const NAME_FLAGS: number = n.NI_NUMERICHOST | n.NI_NUMERICSERV | n.NI_NOFQDN | n.NI_NAMEREQD | n.NI_DGRAM

const IPPROTO_DCCP = 33

/** A kind of socket as services know it (gaih_inet_typeproto). */
interface Kind {
  readonly socktype: number
  readonly protocol: number
  /** As in /etc/services; '' for none. */
  readonly name: string
  /** Answered when hints name no type. */
  readonly isDefault: boolean
  /** SOCK_RAW: any protocol, no services. */
  readonly isRaw: boolean
}

const kindOf = ([socktype, protocol, name, isDefault]: readonly [number, number, string, boolean]): Kind => {
  return { socktype, protocol, name, isDefault, isRaw: socktype === SOCK_RAW }
}

const KINDS: readonly Kind[] = (
  [
    [SOCK_STREAM, IPPROTO_TCP, 'tcp', true],
    [SOCK_DGRAM, IPPROTO_UDP, 'udp', true],
    [SOCK_DCCP, IPPROTO_DCCP, 'dccp', false],
    [SOCK_DGRAM, IPPROTO_UDPLITE, 'udplite', false],
    [SOCK_STREAM, IPPROTO_SCTP, 'sctp', false],
    [SOCK_SEQPACKET, IPPROTO_SCTP, 'sctp', false],
    [SOCK_RAW, IPPROTO_IP, 'raw', true],
  ] as const
).map(kindOf)

/** A kind of socket with the port of the service. */
interface Target {
  readonly socktype: number
  readonly protocol: number
  readonly port: number
}

/** A port as strtoul reads it. */
const PORT = /^\s*[+]?[0-9]*$/

/** Addresses of a name, and the name they have. */
interface Found {
  readonly addresses: readonly HostAddress[]
  readonly canonical: string
}

const EAI_OF: Readonly<Record<Exclude<Outcome, 'found'>, number>> = {
  HOST_NOT_FOUND: n.EAI_NONAME,
  NO_DATA: n.EAI_NODATA,
  TRY_AGAIN: n.EAI_AGAIN,
  NO_RECOVERY: n.EAI_FAIL,
}

const raise = (errcode: number, about: string): never => {
  throw new GaiError('getaddrinfo', errcode, about)
}

/**
 * getaddrinfo(3): where to connect to, or with AI_PASSIVE to bind, in the order to try. `node` is a name or an address in any
 * form of inet_aton or inet_pton, null for this host; `service` a name or a number, null for port 0; not both null.
 * Throws `GaiError`.
 */
export async function getaddrinfo(
  process: Process,
  node: string | null,
  service: string | null,
  hints?: AddrInfoHints,
): Promise<AddrInfo[]> {
  const { flags = 0, family = AF_UNSPEC, socktype = 0, protocol = 0 } = hints ?? { flags: n.AI_DEFAULT }
  const name = node === '*' ? null : node
  const wanted = service === '*' ? null : service
  const about = `${name ?? ''}${wanted === null ? '' : `:${wanted}`}`
  if (name === null && wanted === null) raise(n.EAI_NONAME, about)
  if ((flags & ~FLAGS) !== 0 || (name === null && (flags & n.AI_CANONNAME) !== 0)) raise(n.EAI_BADFLAGS, about)
  if (family !== AF_UNSPEC && family !== AF_INET && family !== AF_INET6) raise(n.EAI_FAMILY, about)
  // A negative number is one, but no port: it is looked for among the names.
  if ((flags & n.AI_NUMERICSERV) !== 0 && wanted !== null && !/^\s*[+-]?[0-9]*$/.test(wanted))
    raise(n.EAI_NONAME, about)
  if ((flags & n.AI_ADDRCONFIG) !== 0 && family === AF_INET6) raise(n.EAI_NONAME, about)
  const targets = await targetsOf(process, wanted || null, socktype, protocol, about)
  const { addresses, canonical } =
    name === null
      ? { addresses: ownAddresses(family, flags), canonical: '' }
      : await hostAddresses(process, name, family, flags)
  const answers: AddrInfo[] = []
  for (const address of await sortAddresses(process, addresses)) {
    for (const { socktype: type, protocol: number, port } of targets) {
      const text = inet_ntop(address.family, address.bytes) as string
      const info = { flags, family: address.family, socktype: type, protocol: number }
      const addr = { family: address.family, address: text, port }
      const isNamed = answers.length === 0 && (flags & n.AI_CANONNAME) !== 0
      answers.push(isNamed ? { ...info, addr, canonname: canonical } : { ...info, addr })
    }
  }
  return answers
}

/** The kinds of socket asked for, with the service's port (gaih_inet, first part). */
// biome-ignore format: one line
async function targetsOf(process: Process, service: string | null, socktype: number, protocol: number, about: string): Promise<Target[]> {
  const matching = KINDS.filter(
    (k) => (socktype === 0 || k.socktype === socktype) && (protocol === 0 || k.isRaw || k.protocol === protocol),
  )
  const isAny = socktype === 0 && protocol === 0
  // The first that fits, as getaddrinfo's table has it.
  const chosen = isAny ? KINDS : matching.slice(0, 1)
  if (chosen.length === 0) raise(socktype !== 0 ? n.EAI_SOCKTYPE : n.EAI_SERVICE, about)
  const target = (k: Kind, port: number): Target => ({ socktype: k.socktype, protocol: k.isRaw ? protocol : k.protocol, port })
  if (service !== null && !isAny && chosen[0]?.isRaw === true) raise(n.EAI_SERVICE, about)
  if (service === null || PORT.test(service)) {
    const port = Number(service ?? 0) & 0xffff
    return chosen.filter((k) => !isAny || k.isDefault).map((k) => target(k, port))
  }
  const targets: Target[] = []
  for (const k of chosen) {
    const found = k.isRaw ? undefined : await getservbyname(process, service, k.name)
    if (found !== undefined) targets.push(target(k, found.port))
  }
  if (targets.length === 0) raise(n.EAI_SERVICE, about)
  return targets
}

const numeric = (family: number, ...bytes: number[]): HostAddress => ({ family, bytes: Uint8Array.from(bytes) })

/** Without a name: any address with AI_PASSIVE, else the loopback addresses. */
function ownAddresses(family: number, flags: number): HostAddress[] {
  const isPassive = (flags & n.AI_PASSIVE) !== 0
  const six = numeric(AF_INET6, ...new Array<number>(15).fill(0), isPassive ? 0 : 1)
  const four = isPassive ? numeric(AF_INET, 0, 0, 0, 0) : numeric(AF_INET, 127, 0, 0, 1)
  return [six, four].filter((a) => family === AF_UNSPEC || a.family === family)
}

/** IPv4 as IPv6 sees it: ::ffff:a.b.c.d. */
function mapped(address: HostAddress): HostAddress {
  return numeric(AF_INET6, ...new Array<number>(10).fill(0), 0xff, 0xff, ...address.bytes)
}

async function hostAddresses(process: Process, name: string, family: number, flags: number): Promise<Found> {
  const literal = literalOf(name, family, flags)
  if (literal !== null) return { addresses: [literal], canonical: name }
  if ((flags & n.AI_NUMERICHOST) !== 0) raise(n.EAI_NONAME, name)
  // No interface has an IPv6 address.
  const asked = family === AF_UNSPEC && (flags & n.AI_ADDRCONFIG) !== 0 ? AF_INET : family
  const isMapping = asked === AF_INET6 && (flags & n.AI_V4MAPPED) !== 0
  const { addresses, canonical } = await lookUp(process, name, isMapping ? AF_UNSPEC : asked)
  if (!isMapping) return { addresses, canonical }
  const six = addresses.filter((a) => a.family === AF_INET6)
  const all = six.length === 0 || (flags & n.AI_ALL) !== 0
  return { addresses: all ? addresses.map((a) => (a.family === AF_INET ? mapped(a) : a)) : six, canonical }
}

/** The name is an address itself: it, or EAI_ADDRFAMILY for the wrong family; else null. */
function literalOf(name: string, family: number, flags: number): HostAddress | null {
  const address: InAddr = { s_addr: 0 as InAddr['s_addr'] }
  if (!/\s/.test(name) && inet_aton(name, address) === 1) {
    const found = numeric(AF_INET, 0, 0, 0, 0)
    put32(found.bytes, 0, ntohl(address.s_addr))
    if (family !== AF_INET6) return found
    return (flags & n.AI_V4MAPPED) !== 0 ? mapped(found) : raise(n.EAI_ADDRFAMILY, name)
  }
  const bytes = ip6.parse(name)
  if (bytes === undefined) return null
  if (family !== AF_INET) return { family: AF_INET6, bytes }
  return ip6.isV4Mapped(bytes) ? { family: AF_INET, bytes: bytes.slice(12) } : raise(n.EAI_ADDRFAMILY, name)
}

/** "files dns" of nsswitch.conf(5). */
async function lookUp(process: Process, name: string, family: number): Promise<Found> {
  const fits = (a: HostAddress): boolean => family === AF_UNSPEC || a.family === family
  const same = (other: string): boolean => dns.sameName(other, name)
  const entries = (await readHosts(process)).filter((e) => fits(e) && e.names.some(same))
  if (entries.length > 0) return { addresses: entries, canonical: entries[0]?.names[0] ?? name }
  const types = [dns.TYPE_A, dns.TYPE_AAAA].filter(
    (type) => family === AF_UNSPEC || (type === dns.TYPE_A) === (family === AF_INET),
  )
  const { outcome, records, canonical } = await search(process, await readResolvConf(process), name, types)
  if (outcome !== 'found') return raise(EAI_OF[outcome], name)
  return { addresses: records.flatMap((r) => addressOf(String(r.data)) ?? []), canonical }
}

/** An address as getnameinfo takes it. */
export interface NamedAddress {
  readonly family?: number
  readonly address?: string
  readonly port?: number
  /** AF_UNIX: the answer's service. */
  readonly path?: string
}

/**
 * getnameinfo(3): the names of an address and its port: /etc/hosts, then the DNS; numbers where there are no names, or with
 * NI_NUMERICHOST and NI_NUMERICSERV. Throws `GaiError`: EAI_NONAME with NI_NAMEREQD and without a name.
 */
export async function getnameinfo(
  process: Process,
  sa: NamedAddress,
  flags: number = 0,
): Promise<{ host: string; service: string }> {
  const { family = AF_INET, address = '0.0.0.0', port = 0, path = '' } = sa
  if ((flags & ~NAME_FLAGS) !== 0) throw new GaiError('getnameinfo', n.EAI_BADFLAGS)
  if (family === AF_UNIX) {
    const isNumeric = (flags & n.NI_NUMERICHOST) !== 0
    return { host: isNumeric ? 'localhost' : process.host.name, service: path }
  }
  const found = addressOf(address)
  if (found === undefined || found.family !== family) throw new GaiError('getnameinfo', n.EAI_FAMILY, address)
  let host: string | undefined
  if ((flags & n.NI_NUMERICHOST) === 0) host = await hostName(process, found)
  if (host !== undefined && (flags & n.NI_NOFQDN) !== 0) {
    const domain = process.host.name.split('.').slice(1).join('.')
    if (domain !== '' && host.toLowerCase().endsWith(`.${domain.toLowerCase()}`))
      host = host.slice(0, -domain.length - 1)
  }
  if (host === undefined && (flags & n.NI_NAMEREQD) !== 0) throw new GaiError('getnameinfo', n.EAI_NONAME, address)
  const protocol = (flags & n.NI_DGRAM) !== 0 ? 'udp' : 'tcp'
  const service = (flags & n.NI_NUMERICSERV) !== 0 ? undefined : await getservbyport(process, port, protocol)
  return { host: host ?? (inet_ntop(family, found.bytes) as string), service: service?.name ?? String(port) }
}

/** The name of an address, or undefined. */
async function hostName(process: Process, { bytes }: HostAddress): Promise<string | undefined> {
  const same = (other: Uint8Array): boolean => other.length === bytes.length && other.every((x, i) => x === bytes[i])
  const entry = (await readHosts(process)).find((e) => same(e.bytes))
  if (entry !== undefined) return entry.names[0]
  const { outcome, records } = await query(process, await readResolvConf(process), dns.reverseName(bytes), [
    dns.TYPE_PTR,
  ])
  if (outcome === 'TRY_AGAIN') throw new GaiError('getnameinfo', n.EAI_AGAIN)
  return records[0]?.data as string | undefined
}
