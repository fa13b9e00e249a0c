/**
 * Path MTU discovery, RFC 1191: what "fragmentation needed" taught about paths (Linux's next-hop exceptions). Values
 * expire after sysctl `mtu_expires`, are never below `min_pmtu`, and the table is bounded.
 */
import type { Clock, Micros } from '../sys/clock.ts'
import type { Sysctls } from '../sys/sysctl.ts'

/** Destinations with a learned MTU at most; the oldest goes first. Linux: 2048 buckets of at most 5 per next hop. */
export const MAX_PATHS = 2048

/** The plateaus of RFC 1191 §7.1, for routers that send an MTU of 0. */
const PLATEAUS: readonly number[] = [32000, 17914, 8166, 4352, 2002, 1492, 576, 296, 216, 128, 68]

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
   * "Fragmentation needed" came for a packet of `length` bytes to `destination`, where `current` is the MTU in use;
   * false if it teaches nothing. A packet no longer than the claimed MTU would have passed (RFC 1191 §7.1).
   */
  update(destination: number, claimed: number, length: number, current: number): boolean {
    const reported = claimed !== 0 ? claimed : plateauBelow(length)
    // __ip_rt_update_pmtu: never below min_pmtu, whatever a router claims.
    const mtu = Math.max(reported, Math.min(this.#sysctl.min_pmtu, current))
    if (mtu >= current) return false
    this.#paths.delete(destination)
    if (this.#paths.size >= MAX_PATHS)
      for (const oldest of this.#paths.keys()) {
        this.#paths.delete(oldest)
        break
      }
    this.#paths.set(destination, {
      mtu,
      isLocked: reported < mtu,
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

/** The largest plateau below `length`. */
function plateauBelow(length: number): number {
  for (const plateau of PLATEAUS) if (plateau < length) return plateau
  return 68
}
