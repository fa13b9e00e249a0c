/** Gateways learned from ICMP redirects, RFC 1122 §3.2.2.2 (Linux's next-hop exceptions with a gateway). */
import type { Clock, Micros } from '../sys/clock.ts'

/** Destinations with a redirect at most; the oldest goes first. */
export const MAX_REDIRECTS = 2048
/** How long a redirect is followed (ip_rt_gc_timeout, 300 s). */
export const REDIRECT_LIFETIME: Micros = 300_000_000

export interface Redirect {
  readonly gateway: number
  readonly expires: Micros
}

export class Redirects {
  readonly #clock: Clock
  readonly #byDestination: Map<number, Redirect> = new Map()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#byDestination.size
  }

  /** The gateway in force for `destination`. */
  get(destination: number): Redirect | undefined {
    const found = this.#byDestination.get(destination)
    if (found === undefined || this.#clock.now() < found.expires) return found
    this.#byDestination.delete(destination)
    return undefined
  }

  set(destination: number, gateway: number): void {
    this.#byDestination.delete(destination)
    if (this.#byDestination.size >= MAX_REDIRECTS)
      for (const oldest of this.#byDestination.keys()) {
        this.#byDestination.delete(oldest)
        break
      }
    this.#byDestination.set(destination, { gateway, expires: this.#clock.now() + REDIRECT_LIFETIME })
  }

  flush(): void {
    this.#byDestination.clear()
  }
}
