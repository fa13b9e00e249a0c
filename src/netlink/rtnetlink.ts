/**
 * NETLINK_ROUTE (rtnetlink(7)): what the kernel answers about links, addresses, routes, neighbours and rules, what programs
 * may change, and the word that goes to groups when something changed.
 */
import { AF_INET, AF_PACKET, AF_UNSPEC } from '../sock/address.ts'
import { type ChangeListener, NETDEV_REGISTER, NETDEV_UNREGISTER } from '../stack/changes.ts'
import type { Interface, InterfaceAddress } from '../stack/interface.ts'
import type { Neighbor } from '../stack/neighbor.ts'
import { type Route, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTPROT_KERNEL } from '../stack/route.ts'
import type { Stack } from '../stack/stack.ts'
import { EINVAL, ENODEV, EOPNOTSUPP, EPERM } from '../sys/errno.ts'
import * as nl from './constants.ts'
import { MessageWriter, type NetlinkHeader, type NetlinkMessage } from './message.ts'
import { answer, type NetlinkFamily, type NetlinkKernel } from './netlink-family.ts'
import type { NetlinkSock } from './netlink-sock.ts'
import { addressFilter, addressMessage, deleteAddress, newAddress } from './rt-address.ts'
import { linkMessage, linkOf, setLink } from './rt-link.ts'
import { deleteNeighbor, findNeighbor, neighborMessage, newNeighbor, wantsIpv4 } from './rt-neighbor.ts'
import { deleteRoute, lookup, newRoute, routeFilter, routeMessage, routesInOrder } from './rt-route.ts'

/** Groups of Linux 6.18 (RTNLGRP_MAX), and its last type (RTM_MAX). */
const RTNLGRP_MAX = 39
const RTM_MAX = 127
/** The last two bits of a type: NEW, DEL, GET, SET. */
const KIND_MASK = 3
const KIND_GET = 2
/** Tables of the three rules there are, by priority. */
const RULES: readonly (readonly [priority: number, table: number])[] = [
  [0, RT_TABLE_LOCAL],
  [32766, RT_TABLE_MAIN],
  [32767, RT_TABLE_DEFAULT],
]
const FR_ACT_TO_TBL = 1
/** No change in particular: all flags may be new (ifi_change of a link that came or went). */
const ALL_FLAGS = 0xffffffff

export class RtNetlink implements NetlinkKernel, ChangeListener {
  readonly groups: number = RTNLGRP_MAX
  readonly #family: NetlinkFamily
  readonly #stack: Stack
  readonly #writer: MessageWriter = new MessageWriter()
  /** The request being handled: notifications of what it changes carry its number. */
  #cause: NetlinkHeader | null = null

  constructor(family: NetlinkFamily) {
    this.#family = family
    this.#stack = family.stack
    family.register(nl.NETLINK_ROUTE, this)
    this.#stack.changes.listeners.push(this)
  }

  input(bytes: Uint8Array, from: NetlinkSock): void {
    answer(bytes, from, (request) => this.#handle(request, from))
  }

  /** rtnetlink_rcv_msg: 0, -errno, or 1 for an answer that is no acknowledgement's. */
  #handle(request: NetlinkMessage, from: NetlinkSock): number {
    const { type, flags, payload } = request
    if (type > RTM_MAX) return -EOPNOTSUPP
    if (payload.length === 0) return 0
    const isGet = (type & KIND_MASK) === KIND_GET
    if (!isGet && from.caller.euid !== 0) return -EPERM
    if (isGet && (flags & nl.NLM_F_DUMP) !== 0) {
      const answers = this.#dump(request, from)
      if (answers === null) return -EOPNOTSUPP
      // Where Linux's code is older it tells the end apart (inet_dump_ifaddr, inet_dump_fib, rtnl_dump_ifinfo).
      const isDoneApart = type === nl.RTM_GETLINK || type === nl.RTM_GETADDR || type === nl.RTM_GETROUTE
      const result = from.startDump(request, answers, isDoneApart)
      return result < 0 ? result : 1
    }
    if (isGet) return this.#get(request, from)
    this.#cause = { ...request, pid: from.pid }
    const result = this.#change(request)
    this.#cause = null
    return result
  }

  #change(request: NetlinkMessage): number {
    const stack = this.#stack
    switch (request.type) {
      case nl.RTM_NEWLINK:
      case nl.RTM_SETLINK: {
        const at = linkOf(stack, request, request.type === nl.RTM_NEWLINK ? -ENODEV : -EINVAL)
        return typeof at === 'number' ? at : setLink(stack, at, request)
      }
      case nl.RTM_DELLINK: {
        const at = linkOf(stack, request, -EINVAL)
        if (typeof at === 'number') return at
        if (at.isLoopback) return -EOPNOTSUPP
        stack.removeInterface(at)
        return 0
      }
      case nl.RTM_NEWADDR:
        return newAddress(stack, request)
      case nl.RTM_DELADDR:
        return deleteAddress(stack, request)
      case nl.RTM_NEWROUTE:
        return newRoute(stack, request)
      case nl.RTM_DELROUTE:
        return deleteRoute(stack, request)
      case nl.RTM_NEWNEIGH:
        return newNeighbor(stack, request)
      case nl.RTM_DELNEIGH:
        return deleteNeighbor(stack, request)
      default:
        return -EOPNOTSUPP
    }
  }

  /** One thing: its message goes to the asker, and no acknowledgement unless it asks for one. */
  #get(request: NetlinkMessage, from: NetlinkSock): number {
    const stack = this.#stack
    const header = (type: number): NetlinkHeader => ({ type, flags: 0, seq: request.seq, pid: from.pid })
    let found: Uint8Array | number = -EOPNOTSUPP
    if (request.type === nl.RTM_GETLINK) {
      const at = linkOf(stack, request, -EINVAL)
      found = typeof at === 'number' ? at : linkMessage(this.#writer, header(nl.RTM_NEWLINK), at, 0)
    } else if (request.type === nl.RTM_GETROUTE) {
      found = lookup(this.#writer, header(nl.RTM_NEWROUTE), stack, request)
    } else if (request.type === nl.RTM_GETNEIGH) {
      const entry = findNeighbor(stack, request)
      found = typeof entry === 'number' ? entry : neighborMessage(this.#writer, header(nl.RTM_NEWNEIGH), entry)
    }
    if (typeof found === 'number') return found
    from.deliverOrDrop(found, 0, 0)
    return 0
  }

  /** All things of a kind, one message after the other; null if there is no such kind. */
  #dump(request: NetlinkMessage, from: NetlinkSock): Iterable<Uint8Array> | null {
    const header = { type: request.type - KIND_GET, flags: nl.NLM_F_MULTI, seq: request.seq, pid: from.pid }
    const family = request.payload[0]
    const isIpv4 = family === AF_UNSPEC || family === AF_INET
    switch (request.type) {
      case nl.RTM_GETLINK:
        return isIpv4 || family === AF_PACKET ? this.#dumpLinks(header) : []
      case nl.RTM_GETADDR:
        return isIpv4 ? this.#dumpAddresses(header, from.isStrict ? addressFilter(request) : 0) : []
      case nl.RTM_GETROUTE:
        return isIpv4 ? this.#dumpRoutes(header, from.isStrict ? routeFilter(request) : undefined) : []
      case nl.RTM_GETNEIGH:
        return wantsIpv4(request) ? this.#dumpNeighbors(header) : []
      case nl.RTM_GETRULE:
        return isIpv4 ? this.#dumpRules(header) : []
      default:
        return null
    }
  }

  *#dumpLinks(header: NetlinkHeader): Generator<Uint8Array> {
    for (const at of [...this.#stack.interfaces]) yield linkMessage(this.#writer, header, at, 0)
  }

  *#dumpAddresses(header: NetlinkHeader, index: number): Generator<Uint8Array> {
    for (const at of [...this.#stack.interfaces]) {
      if (index !== 0 && at.index !== index) continue
      for (const entry of [...at.addresses]) yield addressMessage(this.#writer, header, at, entry)
    }
  }

  *#dumpRoutes(header: NetlinkHeader, filter: ((route: Route) => boolean) | undefined): Generator<Uint8Array> {
    for (const route of routesInOrder(this.#stack)) {
      if (filter === undefined || filter(route)) yield routeMessage(this.#writer, header, route)
    }
  }

  *#dumpNeighbors(header: NetlinkHeader): Generator<Uint8Array> {
    for (const at of [...this.#stack.interfaces]) {
      for (const entry of [...at.neighbors.values()]) yield neighborMessage(this.#writer, header, entry)
    }
  }

  /** The rules every host begins with (fib_default_rules_init): ours has no others. */
  *#dumpRules(header: NetlinkHeader): Generator<Uint8Array> {
    const writer = this.#writer
    for (const [priority, table] of RULES) {
      writer.begin(header).u8(AF_INET, 0, 0, 0, table, 0, 0, FR_ACT_TO_TBL).u32(0)
      writer.attribute32(nl.FRA_TABLE, table).attribute32(nl.FRA_SUPPRESS_PREFIXLEN, ALL_FLAGS)
      writer.attribute8(nl.FRA_PROTOCOL, RTPROT_KERNEL)
      if (priority !== 0) writer.attribute32(nl.FRA_PRIORITY, priority)
      yield writer.end()
    }
  }

  // ---- Notifications ----

  link(at: Interface, event: number, change: number): void {
    const isGone = event === NETDEV_UNREGISTER
    const mask = isGone || event === NETDEV_REGISTER ? ALL_FLAGS : change
    this.#notify(nl.RTNLGRP_LINK, isGone ? nl.RTM_DELLINK : nl.RTM_NEWLINK, null, (header) =>
      linkMessage(this.#writer, header, at, mask),
    )
  }

  address(at: Interface, entry: InterfaceAddress, isGone: boolean): void {
    this.#notify(nl.RTNLGRP_IPV4_IFADDR, isGone ? nl.RTM_DELADDR : nl.RTM_NEWADDR, this.#cause, (header) =>
      addressMessage(this.#writer, header, at, entry),
    )
  }

  route(route: Route, isGone: boolean): void {
    const cause = this.#cause !== null && route.protocol !== RTPROT_KERNEL ? this.#cause : null
    this.#notify(nl.RTNLGRP_IPV4_ROUTE, isGone ? nl.RTM_DELROUTE : nl.RTM_NEWROUTE, cause, (header) =>
      routeMessage(this.#writer, header, route),
    )
  }

  neighbor(entry: Neighbor, isGone: boolean): void {
    const cause = this.#cause === null || isGone ? null : { ...this.#cause, seq: 0 }
    this.#notify(nl.RTNLGRP_NEIGH, isGone ? nl.RTM_DELNEIGH : nl.RTM_NEWNEIGH, cause, (header) =>
      neighborMessage(this.#writer, header, entry),
    )
  }

  /** rtnl_notify: one message to all of a group, made only if there is anybody. */
  #notify(group: number, type: number, cause: NetlinkHeader | null, make: (header: NetlinkHeader) => Uint8Array): void {
    if (!this.#family.hasListeners(nl.NETLINK_ROUTE, group)) return
    const flags = type === nl.RTM_NEWROUTE ? nl.NLM_F_CREATE | nl.NLM_F_EXCL : 0
    const bytes = make({ type, flags, seq: cause?.seq ?? 0, pid: cause?.pid ?? 0 })
    this.#family.broadcast(nl.NETLINK_ROUTE, group, bytes, 0, null)
  }
}
