/**
 * A learning switch (IEEE 802.1D-2004 §7.7-7.9): remembers by which port it saw each source address, forwards to that
 * port, floods what it does not know, never sends a frame back where it came from. No spanning tree.
 */
import type { Packet } from '../buf/packet.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import * as ethernet from '../wire/ethernet.ts'
import { Fabric, type FabricOptions, type Port } from './fabric.ts'

/** Seconds an address is believed without being seen again: 802.1D table 7-5, Linux's bridge. */
export const AGEING_SECONDS = 300
/** Addresses remembered at most, in sets of MAC_WAYS, as switch chips keep them. */
export const MAC_TABLE_SIZE = 4096
const MAC_WAYS = 4

export interface SwitchOptions extends FabricOptions {
  /** Seconds until an address that is not seen again is forgotten. */
  readonly ageingSeconds?: number
}

/** One row of the table, for people. */
export interface MacEntry {
  readonly address: Uint8Array
  readonly port: Port
  readonly ageSeconds: number
}

export class Switch extends Fabric {
  /** Frames sent to one known port, to all, and to none (the port they came from, or 802.1D's reserved groups). */
  forwarded = 0
  flooded = 0
  filtered = 0
  /** Addresses learnt, moved to another port, and pushed out of a full set before their time. */
  learned = 0
  moved = 0
  evicted = 0
  readonly #ageing: Micros
  readonly #high = new Int32Array(MAC_TABLE_SIZE)
  readonly #low = new Int32Array(MAC_TABLE_SIZE)
  readonly #seen = new Float64Array(MAC_TABLE_SIZE).fill(-Infinity)
  readonly #port: (Port | null)[] = new Array<Port | null>(MAC_TABLE_SIZE).fill(null)

  constructor(clock: Clock, options: SwitchOptions = {}) {
    super(clock, options)
    this.#ageing = (options.ageingSeconds ?? AGEING_SECONDS) * 1e6
  }

  protected override forward(packet: Packet, from: Port): void {
    const b = packet.bytes
    const o = packet.start
    const now = this.clock.now()
    if (((b[o + 6] as number) & 1) === 0) this.#learn(ethernet.srcHigh(b, o), ethernet.srcLow(b, o), from, now)
    if (ethernet.isMulticast(b, o)) {
      if (isReserved(b, o)) this.#filter(packet)
      else this.#flood(packet, from)
      return
    }
    const at = this.#find(ethernet.dstHigh(b, o), ethernet.dstLow(b, o))
    const to = at < 0 || now - (this.#seen[at] as number) >= this.#ageing ? null : (this.#port[at] as Port)
    if (to === null || to.closed) this.#flood(packet, from)
    else if (to === from) this.#filter(packet)
    else {
      this.forwarded++
      to.deliver(packet)
    }
  }

  #flood(packet: Packet, from: Port): void {
    this.flooded++
    this.flood(packet, from)
  }

  #filter(packet: Packet): void {
    this.filtered++
    packet.release()
  }

  #find(high: number, low: number): number {
    const base = setOf(high, low)
    for (let i = base; i < base + MAC_WAYS; i++)
      if (this.#low[i] === low && this.#high[i] === high && this.#port[i] !== null) return i
    return -1
  }

  #learn(high: number, low: number, from: Port, now: Micros): void {
    let at = this.#find(high, low)
    if (at >= 0) {
      if (this.#port[at] !== from) {
        this.#port[at] = from
        this.moved++
      }
      this.#seen[at] = now
      return
    }
    // The oldest of the set makes room; free entries are the oldest of all.
    const base = setOf(high, low)
    at = base
    for (let i = base + 1; i < base + MAC_WAYS; i++) if ((this.#seen[i] as number) < (this.#seen[at] as number)) at = i
    if (now - (this.#seen[at] as number) < this.#ageing) this.evicted++
    this.#high[at] = high
    this.#low[at] = low
    this.#port[at] = from
    this.#seen[at] = now
    this.learned++
  }

  /** The table as it is now, aged entries left out. */
  table(): MacEntry[] {
    const rows: MacEntry[] = []
    const now = this.clock.now()
    for (const [i, port] of this.#port.entries()) {
      const age = now - (this.#seen[i] as number)
      if (port === null || age >= this.#ageing) continue
      const h = this.#high[i] as number
      const l = this.#low[i] as number
      const address = Uint8Array.of(h >>> 8, h, l >>> 24, l >>> 16, l >>> 8, l)
      rows.push({ address, port, ageSeconds: age / 1e6 })
    }
    return rows
  }

  /** Forgets what was learnt behind the port, too: the host may come back by another. */
  override removePort(port: Port): void {
    super.removePort(port)
    for (const [i, owner] of this.#port.entries()) if (owner === port) this.#forget(i)
  }

  #forget(at: number): void {
    this.#port[at] = null
    this.#seen[at] = -Infinity
  }
}

/** First entry of the set an address belongs to: a multiplicative hash (Knuth 6.4) of ten bits, for 1024 sets. */
const setOf = (high: number, low: number): number =>
  (Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1) >>> 22) * MAC_WAYS

/** 01:80:c2:00:00:00 to 0f: never forwarded (802.1D-2004 table 7-10). */
const isReserved = (b: Uint8Array, o: number): boolean =>
  ethernet.dstHigh(b, o) === 0x0180 && (ethernet.dstLow(b, o) & ~15) === (0xc2000000 | 0)
