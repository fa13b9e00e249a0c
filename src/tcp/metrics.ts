/**
 * What a host remembers of its peers between connections (tcp_metrics.c): Fast Open cookies and the MSS that goes with
 * them, and whether SYNs with data got lost there.
 */

/** Peers remembered at most; the oldest goes first. */
export const METRICS_LIMIT = 4096

/** One peer. */
export class PeerMetrics {
  /** MSS of the last Fast Open SYN-ACK, 0: none. */
  mss = 0
  cookie: Uint8Array = new Uint8Array(0)
  /** The cookie goes in the experimental option (RFC 6994, magic F989). */
  isExperimental = false
  /** Which option to ask with next: 0 undecided, 1 the experimental one, 2 the standard one for good (try_exp). */
  tryExperimental = 0
  /** SYN-data lost in a row, and when last, in ms. */
  synLoss = 0
  lastSynLoss = 0
}

export class TcpMetrics {
  readonly #peers: Map<number, PeerMetrics> = new Map()

  get size(): number {
    return this.#peers.size
  }

  /** What is known of `address`. */
  get(address: number): PeerMetrics | undefined {
    return this.#peers.get(address)
  }

  /** The entry of `address`, made if there is none. */
  of(address: number): PeerMetrics {
    let peer = this.#peers.get(address)
    if (peer === undefined) {
      if (this.#peers.size >= METRICS_LIMIT)
        for (const oldest of this.#peers.keys()) {
          this.#peers.delete(oldest)
          break
        }
      this.#peers.set(address, (peer = new PeerMetrics()))
    }
    return peer
  }

  /** `ip tcp_metrics flush all`. */
  flush(): void {
    this.#peers.clear()
  }
}
