/**
 * Multicast of a socket (net/ipv4/igmp.c, ip(7)): the groups it is a member of, by interface, with the sources it hears or does
 * not hear (RFC 3678), and how it sends. Groups are counted at the interface, which takes in what any socket joined.
 */
import * as ip4 from '../addr/ip4.ts'
import type { Interface } from '../stack/interface.ts'
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../sys/errno.ts'
import type { Sock } from './sock.ts'

/** Filter modes: hear all but the sources, or the sources only (MCAST_EXCLUDE, MCAST_INCLUDE). */
export const MCAST_EXCLUDE = 0
export const MCAST_INCLUDE = 1

/** One membership (struct ip_mc_socklist). */
export interface Membership {
  readonly group: number
  readonly ifindex: number
  /** The interface's address as the program gave it: an exact one finds it again. */
  readonly address: number
  readonly mode: number
  /** Null until there has been one: only then may the mode still change. */
  readonly sources: readonly number[] | null
}

/** A socket's multicast settings. Never changed, only replaced. */
export class Multicast {
  readonly ttl: number
  /** IP_MULTICAST_LOOP, IP_MULTICAST_ALL: hear groups that only others of this host joined. */
  readonly loop: boolean
  readonly all: boolean
  /** IP_MULTICAST_IF: interface and source address, 0: as routed. */
  readonly ifindex: number
  readonly address: number
  readonly memberships: readonly Membership[]

  constructor(from: Partial<Multicast> = {}) {
    const { ttl = 1, loop = true, all = true, ifindex = 0, address = 0, memberships = [] } = from
    this.ttl = ttl
    this.loop = loop
    this.all = all
    this.ifindex = ifindex
    this.address = address
    this.memberships = memberships
  }
}

const DEFAULTS: Multicast = new Multicast()

export const multicastOf = (s: Sock): Multicast => s.settings.multicast ?? DEFAULTS

export function setMulticast(s: Sock, changes: Partial<Multicast>): void {
  s.settings = s.settings.with('multicast', new Multicast({ ...multicastOf(s), ...changes }))
}

/** Which interface is meant (struct ip_mreqn): its index, else one of its addresses; 0.0.0.0: where the group is routed to. */
export interface Where {
  readonly ifindex: number
  readonly address: number
}

/** ip_mc_find_dev. */
function findDevice(s: Sock, group: number, { ifindex, address }: Where): Interface | undefined {
  const { stack } = s
  if (ifindex !== 0) return stack.interfaceByIndex(ifindex)
  if (address !== 0) return stack.interfaceWith(address)
  const dst = stack.ipv4.route(group, 0, 0)
  return typeof dst === 'number' ? undefined : dst.interface
}

const replaceAt = <T>(list: readonly T[], at: number, value: T): T[] => list.map((old, i) => (i === at ? value : old))

/** ip_mc_join_group: 0, -EINVAL, -ENODEV, -EADDRINUSE for a second time, -ENOBUFS beyond net.ipv4.igmp_max_memberships. */
export function joinGroup(s: Sock, group: number, where: Where, mode: number = MCAST_EXCLUDE): number {
  if (!ip4.isMulticast(group)) return -EINVAL
  const device = findDevice(s, group, where)
  if (device === undefined) return -ENODEV
  const { memberships } = multicastOf(s)
  const isSame = (m: Membership): boolean => m.group === group && m.ifindex === device.index
  if (memberships.some(isSame)) return -EADDRINUSE
  if (memberships.length >= s.stack.sysctl.igmp_max_memberships) return -ENOBUFS
  device.joinGroup(group)
  const made: Membership = { group, ifindex: device.index, address: where.address, mode, sources: null }
  setMulticast(s, { memberships: [...memberships, made] })
  return 0
}

/** ip_mc_leave_group: 0, -ENODEV, or -EADDRNOTAVAIL if it is no member there. Without an interface the first one counts. */
export function leaveGroup(s: Sock, group: number, where: Where): number {
  const device = findDevice(s, group, where)
  if (where.ifindex === 0 && where.address === 0 && device === undefined) return -ENODEV
  const { memberships } = multicastOf(s)
  const index = device?.index ?? where.ifindex
  const at = memberships.findIndex(
    (m) => m.group === group && (index !== 0 ? m.ifindex === index : m.address === where.address),
  )
  if (at < 0) return -EADDRNOTAVAIL
  drop(s, memberships[at] as Membership)
  setMulticast(s, { memberships: memberships.filter((_, i) => i !== at) })
  return 0
}

const drop = (s: Sock, { group, ifindex }: Membership): void => s.stack.interfaceByIndex(ifindex)?.leaveGroup(group)

/** The socket is closed (ip_mc_drop_socket). */
export function dropMemberships(s: Sock): void {
  const { multicast } = s.settings
  if (multicast === null) return
  for (const membership of multicast.memberships) drop(s, membership)
  s.settings = s.settings.with('multicast', null)
}

/**
 * ip_mc_source: adds a source to a membership's list or (`add` false) takes one away; `mode` is the list's kind. -EINVAL without
 * membership or with a list of the other kind that is not empty, -EADDRNOTAVAIL for a source that is or is not there, -ENOBUFS
 * beyond net.ipv4.igmp_max_msf.
 */
export function changeSource(s: Sock, group: number, where: Where, source: number, mode: number, add: boolean): number {
  if (!ip4.isMulticast(group)) return -EINVAL
  const device = findDevice(s, group, where)
  if (device === undefined) return -ENODEV
  const { memberships } = multicastOf(s)
  const at = memberships.findIndex((m) => m.group === group && m.ifindex === device.index)
  const found = memberships[at]
  if (found === undefined) return -EINVAL
  if (found.sources !== null && found.mode !== mode) return -EINVAL
  const sources = found.sources ?? []
  // A membership without a list is of this mode from now on, whatever becomes of the source.
  const replace = (list: readonly number[] | null): void =>
    setMulticast(s, { memberships: replaceAt(memberships, at, { ...found, mode, sources: list }) })
  replace(found.sources)
  if (add === sources.includes(source)) return -EADDRNOTAVAIL
  if (!add && sources.length === 1 && mode === MCAST_INCLUDE) return leaveGroup(s, group, where)
  if (add && sources.length >= s.stack.sysctl.igmp_max_msf) return -ENOBUFS
  replace(add ? [...sources, source] : sources.filter((other) => other !== source))
  return 0
}

/** ip_mc_msfilter: mode and all sources at once; 0, -EINVAL, -ENODEV. To include nobody is to leave. */
export function setFilter(s: Sock, group: number, where: Where, mode: number, sources: readonly number[]): number {
  if (!ip4.isMulticast(group) || (mode !== MCAST_INCLUDE && mode !== MCAST_EXCLUDE)) return -EINVAL
  const device = findDevice(s, group, where)
  if (device === undefined) return -ENODEV
  if (mode === MCAST_INCLUDE && sources.length === 0) return leaveGroup(s, group, where)
  const { memberships } = multicastOf(s)
  const at = memberships.findIndex((m) => m.group === group && m.ifindex === device.index)
  const found = memberships[at]
  if (found === undefined) return -EINVAL
  setMulticast(s, { memberships: replaceAt(memberships, at, { ...found, mode, sources: [...sources] }) })
  return 0
}

/** ip_mc_msfget: the membership, -EINVAL, -ENODEV or -EADDRNOTAVAIL. */
export function getFilter(s: Sock, group: number, where: Where): Membership | number {
  if (!ip4.isMulticast(group)) return -EINVAL
  const device = findDevice(s, group, where)
  if (device === undefined) return -ENODEV
  return multicastOf(s).memberships.find((m) => m.group === group && m.ifindex === device.index) ?? -EADDRNOTAVAIL
}

/** The interface a datagram to `daddr` leaves by, if the socket says so: SO_BINDTODEVICE, IP_MULTICAST_IF, IP_UNICAST_IF; 0: no. */
export function outInterface(s: Sock, daddr: number): number {
  if (s.boundInterface !== 0) return s.boundInterface
  return ip4.isMulticast(daddr) ? (s.settings.multicast?.ifindex ?? 0) : s.settings.unicastIf
}

/** The source address IP_MULTICAST_IF gives a datagram to `daddr` of a socket bound to none; 0: as routed. */
export const multicastSource = (s: Sock, daddr: number): number =>
  ip4.isMulticast(daddr) ? (s.settings.multicast?.address ?? 0) : 0

/** ip_mc_sf_allow: whether the socket hears what `source` sends to `group` by the interface. */
export function hears(s: Sock, group: number, source: number, ifindex: number): boolean {
  const { multicast } = s.settings
  if (multicast === null) return true
  for (const m of multicast.memberships) {
    if (m.group === group && m.ifindex === ifindex)
      return (m.sources ?? []).includes(source) === (m.mode === MCAST_INCLUDE)
  }
  return multicast.all
}
