/**
 * The forwarding table: longest-prefix match with metrics (RFC 1812 §5.2.4, RFC 4632), in two tables as Linux has them:
 * `local` (own and broadcast addresses), looked at first, and `main`. Per prefix length one hash table of networks, so
 * that a lookup costs one probe per length in use, not one per route. Results are cached by `Dst`s, which are valid as
 * long as `generation` does not change.
 */
import * as ip4 from '../addr/ip4.ts'
import { EEXIST, EINVAL, ENOBUFS, ESRCH } from '../sys/errno.ts'
import type { Changes } from './changes.ts'
import type { Interface } from './interface.ts'

/** Route and address types, Linux's numbers (linux/rtnetlink.h). */
export const RTN_UNSPEC = 0
export const RTN_UNICAST = 1
export const RTN_LOCAL = 2
export const RTN_BROADCAST = 3
export const RTN_ANYCAST = 4
export const RTN_MULTICAST = 5
export const RTN_BLACKHOLE = 6
export const RTN_UNREACHABLE = 7
export const RTN_PROHIBIT = 8

/** Distance of what a route or an address leads to (rt_scope_t): smaller is farther. */
export const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_LINK = 253
export const RT_SCOPE_HOST = 254
export const RT_SCOPE_NOWHERE = 255

/** Tables. */
export const RT_TABLE_DEFAULT = 253
export const RT_TABLE_MAIN = 254
export const RT_TABLE_LOCAL = 255

/** Who made a route: the stack for an address, an ioctl, or an administrator (rtm_protocol). */
export const RTPROT_KERNEL = 2
export const RTPROT_BOOT = 3
export const RTPROT_STATIC = 4

/** Routes a table holds at most; far more than hosts have, and no peer can add one. */
export const MAX_ROUTES = 1_000_000

/** What a route tells transports (ip-route(8): advmss, initcwnd, `mtu lock`); 0: nothing. */
export interface RouteMetrics {
  /** Most that we advertise as MSS, and the initial congestion window in segments. */
  readonly advmss?: number
  readonly initcwnd?: number
  /** No path MTU discovery: packets go without DF. */
  readonly mtuLocked?: boolean
}

export interface Route {
  readonly destination: number
  readonly prefix: number
  readonly type: number
  readonly table: number
  readonly scope: number
  readonly protocol: number
  /** Next hop, 0 if the destination is on the link. */
  readonly gateway: number
  /** Null for blackhole, unreachable and prohibit. */
  readonly interface: Interface | null
  /** Preferred source address, 0: chosen by the interface. */
  readonly source: number
  readonly metric: number
  /** MTU of the path if told, 0: the interface's. */
  readonly mtu: number
  readonly metrics: RouteMetrics | null
}

/** Ascending addresses, of one address the longer prefix first, then the better metric: the order of the kernel's trie. */
export const byPlace = (a: Route, b: Route): number =>
  (a.destination >>> 0) - (b.destination >>> 0) || b.prefix - a.prefix || a.metric - b.metric

/** What `add` needs to be told; the rest has defaults. */
export interface RouteSpec {
  readonly destination: number
  readonly prefix: number
  readonly gateway?: number
  readonly interface?: Interface
  readonly source?: number
  readonly metric?: number
  readonly type?: number
  readonly mtu?: number
  readonly metrics?: RouteMetrics
  readonly scope?: number
  readonly protocol?: number
  readonly table?: number
}

/** One longest-prefix table. */
class PrefixTable {
  /** By prefix length: network to its routes, the best metric first. */
  readonly #byLength: (Map<number, Route[]> | undefined)[] = new Array(33).fill(undefined)
  /** Prefix lengths in use, longest first. */
  #lengths: number[] = []

  add(route: Route): boolean {
    const networks: Map<number, Route[]> = (this.#byLength[route.prefix] ??= new Map())
    let routes: Route[] | undefined = networks.get(route.destination)
    if (routes === undefined) networks.set(route.destination, (routes = []))
    if (routes.some((r) => r.metric === route.metric && r.table === route.table)) return false
    const at = routes.findIndex((r) => r.metric > route.metric)
    routes.splice(at < 0 ? routes.length : at, 0, route)
    this.#noteLengths()
    return true
  }

  remove(route: Route): boolean {
    const networks = this.#byLength[route.prefix]
    const routes = networks?.get(route.destination)
    const at = routes?.indexOf(route) ?? -1
    if (networks === undefined || routes === undefined || at < 0) return false
    routes.splice(at, 1)
    if (routes.length === 0) networks.delete(route.destination)
    this.#noteLengths()
    return true
  }

  /** The best route for `address`; with `oif`, the best that leaves by that interface. */
  lookup(address: number, oif: number): Route | undefined {
    for (let i = 0; i < this.#lengths.length; i++) {
      const length = this.#lengths[i] as number
      const routes = this.#byLength[length]?.get(address & ip4.mask(length))
      if (routes === undefined) continue
      for (let k = 0; k < routes.length; k++) {
        const route = routes[k] as Route
        if (oif === 0 || route.interface?.index === oif) return route
      }
    }
    return undefined
  }

  *[Symbol.iterator](): Iterator<Route> {
    for (const length of this.#lengths) {
      const networks = this.#byLength[length]
      if (networks !== undefined) for (const routes of networks.values()) yield* routes
    }
  }

  #noteLengths(): void {
    this.#lengths = []
    for (let length = 32; length >= 0; length--) if (this.#byLength[length]?.size) this.#lengths.push(length)
  }
}

/** The routes of one stack. */
export class RouteTable {
  /** Changes with every change that could make a cached `Dst` wrong. */
  generation = 1
  readonly #local: PrefixTable = new PrefixTable()
  readonly #main: PrefixTable = new PrefixTable()
  /** Nobody is told of changes: the kernel's own removals (fib_flush). */
  isSilent = false
  readonly #changes: Changes | null
  #size = 0

  constructor(changes: Changes | null = null) {
    this.#changes = changes
  }

  /** Cached results are no longer to be trusted. */
  invalidate(): void {
    this.generation++
  }

  /** Number of routes in both tables. */
  get size(): number {
    return this.#size
  }

  /**
   * Adds a route, as `ip route add`: 0, -EINVAL if the fields contradict each other (host bits set, no interface and no
   * gateway that is on a link), -EEXIST, or -ENOBUFS.
   */
  add(spec: RouteSpec): number {
    const route = this.#complete(spec)
    if (typeof route === 'number') return route
    if (this.#size >= MAX_ROUTES) return -ENOBUFS
    if (!this.#tableOf(route).add(route)) return -EEXIST
    this.#size++
    this.invalidate()
    if (!this.isSilent) this.#changes?.route(route, false)
    return 0
  }

  /** Deletes the first route that matches every field given; 0 or -ESRCH. */
  delete(spec: Partial<RouteSpec> & { readonly destination: number; readonly prefix: number }): number {
    const route = this.list(spec.table).find((r) => matches(r, spec))
    return route === undefined ? -ESRCH : this.remove(route)
  }

  /** Deletes this very route; 0 or -ESRCH. */
  remove(route: Route): number {
    if (!this.#tableOf(route).remove(route)) return -ESRCH
    this.#size--
    this.invalidate()
    if (!this.isSilent) this.#changes?.route(route, true)
    return 0
  }

  /** Deletes every route for which `doomed` holds. */
  removeIf(doomed: (route: Route) => boolean): void {
    for (const route of this.list()) if (doomed(route)) this.remove(route)
  }

  /** The route for `address`: local table, then main; with `oif`, only routes that leave by it. */
  lookup(address: number, oif = 0): Route | undefined {
    return this.#local.lookup(address, oif) ?? this.#main.lookup(address, oif)
  }

  /** The entry of the local table for `address`: own and broadcast addresses. */
  lookupLocal(address: number): Route | undefined {
    return this.#local.lookup(address, 0)
  }

  /** All routes, longest prefixes first: of one table, or of both. */
  list(table?: number): Route[] {
    if (table === RT_TABLE_LOCAL) return [...this.#local]
    if (table === RT_TABLE_MAIN) return [...this.#main]
    return [...this.#local, ...this.#main]
  }

  #tableOf(route: Route): PrefixTable {
    return route.table === RT_TABLE_LOCAL ? this.#local : this.#main
  }

  #complete(spec: RouteSpec): Route | number {
    const { destination, prefix, gateway = 0, type = RTN_UNICAST } = spec
    if (!(prefix >= 0 && prefix <= 32) || (destination & ip4.mask(prefix)) !== destination) return -EINVAL
    let via = spec.interface ?? null
    if (type === RTN_UNICAST && via === null) {
      // A gateway must be a neighbour (fib_check_nh): its own route tells the interface.
      const hop = gateway === 0 ? undefined : this.lookup(gateway)
      if (hop === undefined || hop.type !== RTN_UNICAST || hop.gateway !== 0) return -EINVAL
      via = hop.interface
    }
    if (type !== RTN_UNICAST && gateway !== 0) return -EINVAL
    const isError = type === RTN_BLACKHOLE || type === RTN_UNREACHABLE || type === RTN_PROHIBIT
    return {
      destination,
      prefix,
      type,
      gateway,
      interface: isError ? null : via,
      table: spec.table ?? (type === RTN_LOCAL || type === RTN_BROADCAST ? RT_TABLE_LOCAL : RT_TABLE_MAIN),
      scope: spec.scope ?? (gateway === 0 && type === RTN_UNICAST ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE),
      protocol: spec.protocol ?? RTPROT_STATIC,
      source: spec.source ?? 0,
      metric: spec.metric ?? 0,
      mtu: spec.mtu ?? 0,
      metrics: spec.metrics ?? null,
    }
  }
}

function matches(route: Route, spec: Partial<RouteSpec>): boolean {
  return (
    route.destination === spec.destination &&
    route.prefix === spec.prefix &&
    (spec.gateway === undefined || route.gateway === spec.gateway) &&
    (spec.interface === undefined || route.interface === spec.interface) &&
    (spec.metric === undefined || route.metric === spec.metric) &&
    (spec.type === undefined || route.type === spec.type)
  )
}
