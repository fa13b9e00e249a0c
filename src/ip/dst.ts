/**
 * Where packets to one destination go: the cached result of a route lookup (Linux's struct dst_entry and rtable) with
 * the neighbour to send to. Holders keep a `Dst` and ask `isValid()` before they use it again.
 */

import type { Interface } from '../stack/interface.ts'
import type { Neighbor } from '../stack/neighbor.ts'
import type { RouteMetrics, RouteTable } from '../stack/route.ts'
import type { Micros } from '../sys/clock.ts'
import type { PathMtu } from './pmtu.ts'

/** What a `Dst` is made from. */
export interface DstSpec {
  readonly interface: Interface
  readonly destination: number
  readonly gateway: number
  readonly source: number
  readonly type: number
  readonly mtu: number
  readonly metrics?: RouteMetrics | null
  /** When it stops to be valid by itself: a redirect's end. */
  readonly expires: Micros
}

/** The longest IP packet, whatever a device takes (IP_MAX_MTU). */
export const IP_MAX_MTU = 0xffff

export class Dst {
  /** Interface it leaves by; `lo` for the host's own addresses. */
  readonly interface: Interface
  /** The address routed to; differs from what was asked for 0.0.0.0 only, which means this host. */
  readonly destination: number
  /** Next hop, 0 if the destination is on the link. */
  readonly gateway: number
  /** Source address to use when the socket has none. */
  readonly source: number
  /** RTN_UNICAST, RTN_LOCAL, RTN_BROADCAST or RTN_MULTICAST. */
  readonly type: number
  /** Resolves the next hop's hardware address; null where a link needs none. */
  neighbor: Neighbor | null = null
  /** Next IP identification towards this destination. */
  identification: number
  /** The path takes less than `min_pmtu`: send without DF. As fresh as the last look at `mtu`. */
  mtuLocked = false
  readonly generation: number
  /** What the route tells transports, if anything. */
  readonly metrics: RouteMetrics | null
  readonly #routes: RouteTable
  readonly #paths: PathMtu
  readonly #expires: Micros
  readonly #routeMtu: number
  #pathMtu = 0
  #pathExpires: Micros = 0
  #pathGeneration = -1

  constructor(routes: RouteTable, paths: PathMtu, spec: DstSpec, identification: number) {
    this.interface = spec.interface
    this.destination = spec.destination
    this.gateway = spec.gateway
    this.source = spec.source
    this.type = spec.type
    this.identification = identification
    this.generation = routes.generation
    this.#routes = routes
    this.#paths = paths
    this.#expires = spec.expires
    this.#routeMtu = spec.mtu
    this.metrics = spec.metrics ?? null
  }

  /** False once routes, addresses or interfaces changed: look the route up again. */
  isValid(): boolean {
    return (
      this.generation === this.#routes.generation && (this.#expires === Infinity || this.#paths.now() < this.#expires)
    )
  }

  /** Path MTU now, in bytes of IP packet: the interface's, the route's, or one learned from ICMP (RFC 1191). */
  get mtu(): number {
    if (this.#pathGeneration !== this.#paths.generation) this.#refreshPath()
    const mtu = this.#routeMtu !== 0 ? Math.min(this.#routeMtu, this.interface.mtu) : this.interface.mtu
    if (this.#pathMtu === 0 || this.#pathMtu >= mtu) return mtu
    if (this.#paths.now() < this.#pathExpires) return this.#pathMtu
    this.#pathMtu = 0
    this.mtuLocked = false
    return mtu
  }

  /** The MTU without what was learned on the path: what forwarded packets are held to (ip_forward_use_pmtu 0). */
  get linkMtu(): number {
    return this.#routeMtu !== 0 ? Math.min(this.#routeMtu, this.interface.mtu) : this.interface.mtu
  }

  /**
   * The peer answered, so the next hop is reachable (dst_confirm, RFC 4861 §7.3.1): called on forward progress, while a
   * received packet is handled; `at` tells when for others (MSG_CONFIRM).
   */
  confirm(at?: Micros): void {
    this.neighbor?.confirm(at)
  }

  #refreshPath(): void {
    const path = this.#paths.get(this.destination)
    this.#pathGeneration = this.#paths.generation
    this.#pathMtu = path === undefined ? 0 : path.mtu
    this.#pathExpires = path === undefined ? 0 : path.expires
    this.mtuLocked = path?.isLocked ?? false
  }
}
