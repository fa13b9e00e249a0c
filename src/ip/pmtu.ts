/**
 * Path MTU discovery, RFC 1191: what "fragmentation needed" taught about paths (Linux's next-hop exceptions). Values
 * expire after sysctl `mtu_expires`, are never below `min_pmtu`, and the table is bounded.
 */
import type { Clock, Micros } from '../sys/clock.ts'
import type { Sysctls } from '../sys/sysctl.ts'

/** Destinations with a learned MTU at most; the oldest goes first. Linux: 2048 buckets of at most 5 per next hop. */
export const MAX_PATHS = 2048

/** What is known about the path to one destination. */
export interface Path {
  mtu: number
  /** Below `min_pmtu`: packets are held to that and go without DF, so that routers can cut them (RTAX_LOCK of the MTU). */
  isLocked: boolean
  expires: Micros
}

export class PathMtu {
  /** Changes with every change of the table. */
  generation = 0
  readonly #clock: Clock
  readonly #sysctl: Sysctls
  readonly #paths: Map<number, Path> = new Map()

  constructor(clock: Clock, sysctl: Sysctls) {
    this.#clock = clock
    this.#sysctl = sysctl
  }

  now(): Micros {
    return this.#clock.now()
  }

  get size(): number {
    return this.#paths.size
  }

  /** What is known about the path to `destination`, expired or not. */
  get(destination: number): Path | undefined {
    return this.#paths.get(destination)
  }

  /**
   * "Fragmentation needed" came for a packet to `destination`, where `current` is the MTU in use; false if it teaches nothing.
   * Never below min_pmtu, whatever a router claims, or claims not: then the MTU is locked for good (__ip_rt_update_pmtu).
   */
  update(destination: number, claimed: number, current: number): boolean {
    const isLocked = claimed < this.#sysctl.min_pmtu
    const known = this.#paths.get(destination)
    if (known?.isLocked === true && this.now() < known.expires) return false
    if (isLocked ? claimed > current : claimed >= current) return false
    const mtu = isLocked ? Math.min(this.#sysctl.min_pmtu, current) : claimed
    this.#paths.delete(destination)
    if (this.#paths.size >= MAX_PATHS)
      for (const oldest of this.#paths.keys()) {
        this.#paths.delete(oldest)
        break
      }
    this.#paths.set(destination, {
      mtu,
      isLocked,
      expires: this.now() + this.#sysctl.mtu_expires * 1_000_000,
    })
    this.generation++
    return true
  }

  /** Forgets everything (`ip route flush cache`). */
  flush(): void {
    this.#paths.clear()
    this.generation++
  }
}
