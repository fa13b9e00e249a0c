/**
 * What a host remembers about those it sends ICMP errors and redirects to (Linux's inet_peer), and the limits made of
 * it: RFC 1812 §4.3.2.8, icmp_ratelimit, icmp_msgs_per_sec, and the silence after ignored redirects (route.c).
 */
import type { Clock, Micros } from '../sys/clock.ts'
import type { Sysctls } from '../sys/sysctl.ts'

/** Peers remembered at most; the one unused longest goes first. Linux: inet_peer_threshold, 65664. */
export const MAX_PEERS = 4096

/** Errors a peer may get in a burst (XRLIM_BURST_FACTOR). */
const BURST_FACTOR = 6
/** Redirects sent before a deaf host is left alone (ip_rt_redirect_number), and for how long (ip_rt_redirect_silence). */
const REDIRECT_NUMBER = 9
const REDIRECT_SILENCE: Micros = 20_480_000
/** First wait between redirects, doubled with each (ip_rt_redirect_load). */
const REDIRECT_LOAD: Micros = 20_000

class Peer {
  tokens: Micros
  last: Micros
  redirects = 0
  redirectTime: Micros = -Infinity
  constructor(tokens: Micros, now: Micros) {
    this.tokens = tokens
    this.last = now
  }
}

export class Peers {
  readonly #clock: Clock
  readonly #sysctl: Sysctls
  readonly #peers: Map<number, Peer> = new Map()
  #credit: number
  #stamp: Micros = 0

  constructor(clock: Clock, sysctl: Sysctls) {
    this.#clock = clock
    this.#sysctl = sysctl
    this.#credit = sysctl.icmp_msgs_burst
  }

  get size(): number {
    return this.#peers.size
  }

  /** icmp_global_allow: at most `icmp_msgs_per_sec` a second, `icmp_msgs_burst` at once. Takes one. */
  takeGlobal(): boolean {
    const now = this.#clock.now()
    const { icmp_msgs_per_sec, icmp_msgs_burst } = this.#sysctl
    this.#credit = Math.min(icmp_msgs_burst, this.#credit + ((now - this.#stamp) * icmp_msgs_per_sec) / 1_000_000)
    this.#stamp = now
    if (this.#credit < 1) return false
    this.#credit--
    return true
  }

  /** inet_peer_xrlim_allow: one message to `address` each `icmp_ratelimit` ms, six in a burst. Takes one. */
  takeFor(address: number): boolean {
    const cost = this.#sysctl.icmp_ratelimit * 1000
    if (cost === 0) return true
    const now = this.#clock.now()
    const peer = this.#peer(address, now)
    peer.tokens = Math.min(peer.tokens + now - peer.last, cost * BURST_FACTOR)
    peer.last = now
    if (peer.tokens < cost) return false
    peer.tokens -= cost
    return true
  }

  /** ip_rt_send_redirect: fewer and fewer to a host that does not listen, then none for a while. */
  mayRedirect(address: number): boolean {
    const now = this.#clock.now()
    const peer = this.#peer(address, now)
    if (now > peer.redirectTime + REDIRECT_SILENCE) peer.redirects = 0
    if (peer.redirects >= REDIRECT_NUMBER) {
      peer.redirectTime = now
      return false
    }
    if (peer.redirects > 0 && now < peer.redirectTime + REDIRECT_LOAD * 2 ** peer.redirects) return false
    peer.redirectTime = now
    peer.redirects++
    return true
  }

  #peer(address: number, now: Micros): Peer {
    const known = this.#peers.get(address)
    if (known !== undefined) {
      // Moved to the end, so that the first is the one unused longest.
      this.#peers.delete(address)
      this.#peers.set(address, known)
      return known
    }
    if (this.#peers.size >= MAX_PEERS)
      for (const oldest of this.#peers.keys()) {
        this.#peers.delete(oldest)
        break
      }
    const made = new Peer(this.#sysctl.icmp_ratelimit * 1000 * BURST_FACTOR, now)
    this.#peers.set(address, made)
    return made
  }
}
