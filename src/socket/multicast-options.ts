/**
 * Multicast rows of IPPROTO_IP (ip(7), RFC 3678): memberships by struct ip_mreq, ip_mreqn, ip_mreq_source, group_req and
 * group_source_req, in Linux's bytes; `membershipBytes` makes them of a `MembershipRequest`.
 */
import { htonl } from '../addr/byte-order.ts'
import * as ip4 from '../addr/ip4.ts'
import { AF_INET } from '../sock/address.ts'
import * as so from '../sock/constants.ts'
import * as mc from '../sock/multicast.ts'
import { byteOrIntOf } from '../sock/option-value.ts'
import type { OptionValue, Sock } from '../sock/sock.ts'
import { EADDRNOTAVAIL, EINVAL, EPROTO } from '../sys/errno.ts'
import { get32, put16, put32 } from '../wire/bytes.ts'
import { getLe16, getLe32 } from '../wire/little-endian.ts'
import { optionBytes, put } from './option-bytes.ts'
import { isEmpty, type OptionTable, type SocketOption } from './option-row.ts'

const SIZEOF_MREQ = 8
const SIZEOF_MREQN = 12
/** struct group_req: interface, four bytes of padding, a struct sockaddr_storage; struct group_source_req has one more. */
const SIZEOF_GROUP_REQ = 136
const SIZEOF_GROUP_SOURCE_REQ = 264
const GROUP_AT = 8
const SOURCE_AT = 136
/** struct ip_msfilter and struct group_filter without sources. */
const MSFILTER_HEADER = 16
const GROUP_FILTER_HEADER = 144
const SIZEOF_STORAGE = 128
const MAX_TTL = 255

/** Group, interface and source as the kernel reads them. */
interface Request extends mc.Where {
  readonly group: number
  readonly source: number
}

/** A group to join or to leave, by which interface, and a source of it: what the structs below say, as a program may write it. */
export interface MembershipRequest {
  readonly multiaddr: string
  /** An address of the interface, or its index; neither: where the group is routed to. */
  readonly address?: string
  readonly ifindex?: number
  readonly sourceaddr?: string
}

function putAddress(bytes: Uint8Array, at: number, text: string | undefined, field: string): void {
  const address = text === undefined ? 0 : ip4.parse(text)
  if (address === undefined) throw new RangeError(`optval.${field}: not an IPv4 address: ${JSON.stringify(text)}`)
  put32(bytes, at, address)
}

/** The struct that option `name` takes: ip_mreqn, ip_mreq_source, group_req or group_source_req. */
export function membershipBytes(name: number, request: MembershipRequest): Uint8Array {
  const { multiaddr, address, ifindex = 0, sourceaddr } = request
  const isGroup = name >= so.MCAST_JOIN_GROUP
  const isOfSource = sourceaddr !== undefined
  const bytes = new Uint8Array(!isGroup ? SIZEOF_MREQN : isOfSource ? SIZEOF_GROUP_SOURCE_REQ : SIZEOF_GROUP_REQ)
  const view = new DataView(bytes.buffer)
  if (isGroup) {
    view.setInt32(0, ifindex, true)
    for (const at of isOfSource ? [GROUP_AT, SOURCE_AT] : [GROUP_AT]) view.setUint16(at, AF_INET, true)
    putAddress(bytes, GROUP_AT + 4, multiaddr, 'multiaddr')
    if (isOfSource) putAddress(bytes, SOURCE_AT + 4, sourceaddr, 'sourceaddr')
    return bytes
  }
  putAddress(bytes, 0, multiaddr, 'multiaddr')
  putAddress(bytes, 4, address, 'address')
  if (isOfSource) putAddress(bytes, 8, sourceaddr, 'sourceaddr')
  else view.setInt32(8, ifindex, true)
  return bytes
}

/** struct ip_mreqn, or struct ip_mreq of eight bytes. */
function mreq(value: OptionValue): Request | number {
  if (!(value instanceof Uint8Array) || value.length < SIZEOF_MREQ) return -EINVAL
  const ifindex = value.length >= SIZEOF_MREQN ? getLe32(value, 8) : 0
  return { group: get32(value, 0), address: get32(value, 4), ifindex, source: 0 }
}

/** struct ip_mreq_source: group, interface, source. */
function mreqSource(value: OptionValue): Request | number {
  if (!(value instanceof Uint8Array) || value.length !== SIZEOF_MREQN) return -EINVAL
  return { group: get32(value, 0), address: get32(value, 4), ifindex: 0, source: get32(value, 8) }
}

/** struct group_req. */
function groupReq(value: OptionValue): Request | number {
  if (!(value instanceof Uint8Array) || value.length < SIZEOF_GROUP_REQ) return -EINVAL
  if (getLe16(value, GROUP_AT) !== AF_INET) return -EINVAL
  return { group: get32(value, GROUP_AT + 4), ifindex: getLe32(value, 0), address: 0, source: 0 }
}

/** struct group_source_req. */
function groupSourceReq(value: OptionValue): Request | number {
  if (!(value instanceof Uint8Array) || value.length !== SIZEOF_GROUP_SOURCE_REQ) return -EINVAL
  if (getLe16(value, GROUP_AT) !== AF_INET || getLe16(value, SOURCE_AT) !== AF_INET) return -EADDRNOTAVAIL
  return {
    group: get32(value, GROUP_AT + 4),
    ifindex: getLe32(value, 0),
    address: 0,
    source: get32(value, SOURCE_AT + 4),
  }
}

type Act = (s: Sock, request: Request) => number

const row = (name: string, read: (value: OptionValue) => Request | number, act: Act): SocketOption => ({
  name,
  set: (s, value) => {
    const request = read(value)
    return typeof request === 'number' ? request : act(s, request)
  },
})

/** IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP are for sockets without connections. */
const notForStreams = (option: SocketOption): SocketOption => ({
  name: option.name,
  set: (s, value) => (s.type === so.SOCK_STREAM ? -EPROTO : (option.set?.(s, value) ?? -EINVAL)),
})

const join: Act = (s, r) => mc.joinGroup(s, r.group, r)
const leave: Act = (s, r) => mc.leaveGroup(s, r.group, r)
const change =
  (mode: number, add: boolean): Act =>
  (s, r) =>
    mc.changeSource(s, r.group, r, r.source, mode, add)
/** A source membership joins if need be, to hear this source alone; that it is a member already is no error. */
const joinSource: Act = (s, r) => {
  const joined = mc.joinGroup(s, r.group, r, mc.MCAST_INCLUDE)
  const isThere = joined < 0 && typeof mc.getFilter(s, r.group, r) !== 'number'
  return joined < 0 && !isThere ? joined : mc.changeSource(s, r.group, r, r.source, mc.MCAST_INCLUDE, true)
}
const { MCAST_EXCLUDE, MCAST_INCLUDE } = mc

/** Bytes of a source list: four of an address, or a struct sockaddr_storage each. */
function sourcesAt(b: Uint8Array, at: number, count: number, size: number): number[] {
  return Array.from({ length: count }, (_, i) => get32(b, at + i * size + (size === 4 ? 0 : 4)))
}

/** IP_MSFILTER. */
function setMsfilter(s: Sock, value: OptionValue): number {
  if (!(value instanceof Uint8Array) || value.length < MSFILTER_HEADER) return -EINVAL
  const count = getLe32(value, 12)
  if (count < 0 || MSFILTER_HEADER + count * 4 > value.length) return -EINVAL
  const where = { address: get32(value, 4), ifindex: 0 }
  return mc.setFilter(s, get32(value, 0), where, getLe32(value, 8), sourcesAt(value, MSFILTER_HEADER, count, 4))
}

/** MCAST_MSFILTER. */
function setGroupFilter(s: Sock, value: OptionValue): number {
  if (!(value instanceof Uint8Array) || value.length < GROUP_FILTER_HEADER) return -EINVAL
  const count = getLe32(value, 140)
  if (count < 0 || GROUP_FILTER_HEADER + count * SIZEOF_STORAGE > value.length) return -EINVAL
  if (getLe16(value, GROUP_AT) !== AF_INET) return -EINVAL
  const sources = sourcesAt(value, GROUP_FILTER_HEADER, count, SIZEOF_STORAGE)
  return mc.setFilter(
    s,
    get32(value, GROUP_AT + 4),
    { address: 0, ifindex: getLe32(value, 0) },
    getLe32(value, 136),
    sources,
  )
}

/** The buffer names group and interface and gets mode, number of sources, and as many of them as it has room for. */
function getMsfilter(s: Sock, optval: Uint8Array): number {
  if (optval.length < MSFILTER_HEADER) return -EINVAL
  const found = mc.getFilter(s, get32(optval, 0), { address: get32(optval, 4), ifindex: 0 })
  if (typeof found === 'number') return found
  const room = Math.min(getLe32(optval, 12), Math.floor((optval.length - MSFILTER_HEADER) / 4))
  const view = new DataView(optval.buffer, optval.byteOffset)
  view.setInt32(8, found.mode, true)
  const sources = found.sources ?? []
  view.setInt32(12, sources.length, true)
  const shown = sources.slice(0, room)
  for (const [i, source] of shown.entries()) put32(optval, MSFILTER_HEADER + 4 * i, source)
  return MSFILTER_HEADER + 4 * shown.length
}

function getGroupFilter(s: Sock, optval: Uint8Array): number {
  if (optval.length < GROUP_FILTER_HEADER) return -EINVAL
  if (getLe16(optval, GROUP_AT) !== AF_INET) return -EINVAL
  const found = mc.getFilter(s, get32(optval, GROUP_AT + 4), { address: 0, ifindex: getLe32(optval, 0) })
  if (typeof found === 'number') return found
  const room = Math.min(getLe32(optval, 140), Math.floor((optval.length - GROUP_FILTER_HEADER) / SIZEOF_STORAGE))
  const view = new DataView(optval.buffer, optval.byteOffset)
  view.setInt32(136, found.mode, true)
  const sources = found.sources ?? []
  view.setInt32(140, sources.length, true)
  const shown = sources.slice(0, room)
  for (const [i, source] of shown.entries()) {
    const at = GROUP_FILTER_HEADER + SIZEOF_STORAGE * i
    optval.fill(0, at, at + SIZEOF_STORAGE)
    view.setUint16(at, AF_INET, true)
    put16(optval, at + 2, 0)
    put32(optval, at + 4, source)
  }
  return GROUP_FILTER_HEADER + SIZEOF_STORAGE * shown.length
}

/** IP_MULTICAST_IF: struct in_addr, ip_mreq or ip_mreqn; nothing at all takes it back. */
function setInterface(s: Sock, value: OptionValue): number {
  if (s.type === so.SOCK_STREAM) return -EINVAL
  let request: Request | number = mreq(value)
  if (typeof request === 'number') {
    // An address alone, in network order.
    const given = value instanceof Uint8Array ? value : optionBytes(value)
    if (given.length < 4) return -EINVAL
    const address = get32(given, 0)
    request = { group: 0, address, ifindex: 0, source: 0 }
  }
  const { address, ifindex } = request
  if (ifindex === 0 && address === 0) {
    mc.setMulticast(s, { ifindex: 0, address: 0 })
    return 0
  }
  const device = ifindex !== 0 ? s.stack.interfaceByIndex(ifindex) : s.stack.interfaceWith(address)
  if (device === undefined) return -EADDRNOTAVAIL
  if (s.boundInterface !== 0 && s.boundInterface !== device.index) return -EINVAL
  mc.setMulticast(s, { ifindex: device.index, address })
  s.routeChanged()
  return 0
}

function setTtl(s: Sock, value: OptionValue): number {
  const n = byteOrIntOf(value)
  if (s.type === so.SOCK_STREAM || isEmpty(value) || n < -1 || n > MAX_TTL) return -EINVAL
  mc.setMulticast(s, { ttl: n === -1 ? 1 : n })
  return 0
}

export const multicastOptions: OptionTable = {
  [so.IP_MULTICAST_IF]: {
    name: 'IP_MULTICAST_IF',
    get: (s) => htonl(mc.multicastOf(s).address) | 0,
    set: setInterface,
    getBytes: (s, optval) => {
      const bytes = new Uint8Array(4)
      put32(bytes, 0, mc.multicastOf(s).address)
      return put(bytes, optval)
    },
  },
  [so.IP_MULTICAST_TTL]: { name: 'IP_MULTICAST_TTL', get: (s) => mc.multicastOf(s).ttl, set: setTtl },
  [so.IP_MULTICAST_LOOP]: {
    name: 'IP_MULTICAST_LOOP',
    get: (s) => (mc.multicastOf(s).loop ? 1 : 0),
    set: (s, value) => {
      if (isEmpty(value)) return -EINVAL
      mc.setMulticast(s, { loop: byteOrIntOf(value) !== 0 })
      return 0
    },
  },
  [so.IP_MULTICAST_ALL]: {
    name: 'IP_MULTICAST_ALL',
    get: (s) => (mc.multicastOf(s).all ? 1 : 0),
    set: (s, value) => {
      const n = byteOrIntOf(value)
      if (isEmpty(value) || (n !== 0 && n !== 1)) return -EINVAL
      mc.setMulticast(s, { all: n === 1 })
      return 0
    },
  },
  [so.IP_ADD_MEMBERSHIP]: notForStreams(row('IP_ADD_MEMBERSHIP', mreq, join)),
  [so.IP_DROP_MEMBERSHIP]: notForStreams(row('IP_DROP_MEMBERSHIP', mreq, leave)),
  [so.IP_UNBLOCK_SOURCE]: row('IP_UNBLOCK_SOURCE', mreqSource, change(MCAST_EXCLUDE, false)),
  [so.IP_BLOCK_SOURCE]: row('IP_BLOCK_SOURCE', mreqSource, change(MCAST_EXCLUDE, true)),
  [so.IP_ADD_SOURCE_MEMBERSHIP]: row('IP_ADD_SOURCE_MEMBERSHIP', mreqSource, joinSource),
  [so.IP_DROP_SOURCE_MEMBERSHIP]: row('IP_DROP_SOURCE_MEMBERSHIP', mreqSource, change(MCAST_INCLUDE, false)),
  [so.IP_MSFILTER]: { name: 'IP_MSFILTER', set: setMsfilter, getBytes: getMsfilter },
  [so.MCAST_JOIN_GROUP]: row('MCAST_JOIN_GROUP', groupReq, join),
  [so.MCAST_LEAVE_GROUP]: row('MCAST_LEAVE_GROUP', groupReq, leave),
  [so.MCAST_BLOCK_SOURCE]: row('MCAST_BLOCK_SOURCE', groupSourceReq, change(MCAST_EXCLUDE, true)),
  [so.MCAST_UNBLOCK_SOURCE]: row('MCAST_UNBLOCK_SOURCE', groupSourceReq, change(MCAST_EXCLUDE, false)),
  [so.MCAST_JOIN_SOURCE_GROUP]: row('MCAST_JOIN_SOURCE_GROUP', groupSourceReq, joinSource),
  [so.MCAST_LEAVE_SOURCE_GROUP]: row('MCAST_LEAVE_SOURCE_GROUP', groupSourceReq, change(MCAST_INCLUDE, false)),
  [so.MCAST_MSFILTER]: { name: 'MCAST_MSFILTER', set: setGroupFilter, getBytes: getGroupFilter },
  [so.IP_UNICAST_IF]: {
    name: 'IP_UNICAST_IF',
    get: (s) => htonl(s.settings.unicastIf) | 0,
    set: setUnicastIf,
  },
}

/** An interface's index in network order: `htonl(index)`. */
function setUnicastIf(s: Sock, value: OptionValue): number {
  const given = value instanceof Uint8Array ? value : optionBytes(value)
  if (given.length !== 4) return -EINVAL
  const index = get32(given, 0)
  if (index !== 0 && s.stack.interfaceByIndex(index) === undefined) return -EADDRNOTAVAIL
  if (index !== 0 && s.boundInterface !== 0 && s.boundInterface !== index) return -EINVAL
  s.settings = s.settings.with('unicastIf', index)
  s.routeChanged()
  return 0
}
