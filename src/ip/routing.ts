/**
 * Output routing: from destination, source and interface to a `Dst` (Linux's ip_route_output_key_hash_rcu), with the
 * results cached by destination. RFC 1122 §3.3.1, §3.3.4 and source selection as fib_semantics.c does it.
 */
import * as ip4 from '../addr/ip4.ts'
import type { Interface } from '../stack/interface.ts'
import {
  type Route,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '../stack/route.ts'
import type { Stack } from '../stack/stack.ts'
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, ENOBUFS, ENODEV } from '../sys/errno.ts'
import { Dst } from './dst.ts'
import type { PathMtu } from './pmtu.ts'
import type { Redirects } from './redirect.ts'

/** Cached destinations at most, per interface asked for; all are forgotten when it is reached. */
export const MAX_DSTS = 4096

export class Routing {
  readonly #stack: Stack
  readonly #paths: PathMtu
  readonly #redirects: Redirects
  /** By interface index asked for (0: any), by destination. */
  readonly #caches: Map<number, Dst>[] = [new Map()]
  #generation = 0

  constructor(stack: Stack, paths: PathMtu, redirects: Redirects) {
    this.#stack = stack
    this.#paths = paths
    this.#redirects = redirects
  }

  /** Forgets all results, so that the next question is answered by the table. */
  flush(): void {
    for (const cache of this.#caches) cache?.clear()
  }

  /** See `Ipv4.route`. */
  route(daddr: number, saddr: number, oif: number): Dst | number {
    if (saddr !== 0) {
      if (!ip4.isUnicast(saddr)) return -EINVAL
      if (this.#stack.routes.lookupLocal(saddr)?.type !== RTN_LOCAL) return -ENETUNREACH
      // Broadcast and multicast leave by the interface that has the source address.
      if (oif === 0 && (daddr === ip4.BROADCAST || ip4.isMulticast(daddr)))
        oif = this.#stack.interfaceWith(saddr)?.index ?? 0
    }
    if (daddr === ip4.ANY) {
      // RFC 1122 §3.2.1.3: "this host".
      daddr = saddr !== 0 ? saddr : ip4.LOOPBACK
      oif = 0
    }
    if (this.#generation !== this.#stack.routes.generation) {
      this.#generation = this.#stack.routes.generation
      this.flush()
    }
    const cache = (this.#caches[oif] ??= new Map())
    const cached = cache.get(daddr)
    if (cached?.isValid()) return cached
    const made = this.#lookup(daddr, oif)
    if (typeof made === 'number') return made
    if (cache.size >= MAX_DSTS) cache.clear()
    cache.set(daddr, made)
    return made
  }

  #lookup(daddr: number, oif: number): Dst | number {
    const asked = oif === 0 ? undefined : this.#stack.interfaceByIndex(oif)
    if (oif !== 0 && asked === undefined) return -ENODEV
    if (asked !== undefined && !asked.up) return -ENETUNREACH
    if (asked !== undefined && (daddr === ip4.BROADCAST || ip4.isLocalMulticast(daddr)))
      return this.#make(daddr, asked, undefined)
    const route = this.#stack.routes.lookup(daddr, oif)
    // With the interface given and no route, the destination is taken to be on the link.
    if (route === undefined) return asked === undefined ? -ENETUNREACH : this.#make(daddr, asked, undefined)
    if (route.type === RTN_UNREACHABLE) return -EHOSTUNREACH
    if (route.type === RTN_PROHIBIT) return -EACCES
    if (route.type === RTN_BLACKHOLE || route.interface === null) return -EINVAL
    return this.#make(daddr, route.interface, route)
  }

  #make(daddr: number, via: Interface, route: Route | undefined): Dst | number {
    const type = typeOf(daddr, route)
    const out = type === RTN_LOCAL ? this.#stack.lo : via
    const redirect = type === RTN_UNICAST ? this.#redirects.get(daddr) : undefined
    const gateway = type !== RTN_UNICAST ? 0 : (redirect?.gateway ?? route?.gateway ?? 0)
    const dst = new Dst(
      this.#stack.routes,
      this.#paths,
      {
        interface: out,
        destination: daddr,
        gateway,
        source: this.#source(daddr, via, route, type),
        type,
        mtu: route?.mtu ?? 0,
        metrics: route?.metrics ?? null,
        expires: redirect?.expires ?? Infinity,
      },
      this.#stack.random.int32() & 0xffff,
    )
    if (!out.usesArp) return dst
    dst.neighbor =
      type === RTN_UNICAST
        ? this.#stack.arp.neighbor(out, gateway !== 0 ? gateway : daddr)
        : this.#stack.arp.fixedNeighbor(out, daddr, type === RTN_BROADCAST)
    return dst.neighbor === null ? -ENOBUFS : dst
  }

  /** FIB_RES_PREFSRC: the route's preferred source, else a primary address of the interface, else of another one. */
  #source(daddr: number, via: Interface, route: Route | undefined, type: number): number {
    if (route !== undefined && route.source !== 0) return route.source
    if (type === RTN_LOCAL) return daddr
    const scope = route?.scope ?? RT_SCOPE_LINK
    const own = via.selectAddress(route?.gateway ?? 0, scope)
    if (own !== 0) return own
    for (const other of this.#stack.interfaces) {
      const address = other === via ? 0 : other.selectAddress(0, RT_SCOPE_UNIVERSE)
      if (address !== 0) return address
    }
    return 0
  }
}

function typeOf(daddr: number, route: Route | undefined): number {
  if (daddr === ip4.BROADCAST) return RTN_BROADCAST
  if (ip4.isMulticast(daddr)) return RTN_MULTICAST
  return route?.type ?? RTN_UNICAST
}
