/**
 * Connections by four-tuple: open addressing over plain integers, so that a lookup touches two typed arrays and
 * allocates nothing (a string key costs 28 times as much). Holds full connections, half-open requests and TIME-WAITs.
 */
import type { HalfSipHash } from '../sys/siphash.ts'

/** Smallest table; grows by doubling when three quarters full. */
const MIN_SIZE = 64

export class ConnectionTable<T extends object> {
  #keys = new Int32Array(MIN_SIZE * 3)
  #values: (T | null | undefined)[] = new Array<T | null | undefined>(MIN_SIZE).fill(undefined)
  #mask = MIN_SIZE - 1
  #live = 0
  /** Live entries and tombstones. */
  #used = 0
  readonly #seed: number
  readonly #seed2: number

  constructor(hash: HalfSipHash) {
    this.#seed = hash.hash4(1, 2, 3, 4)
    this.#seed2 = hash.hash4(5, 6, 7, 8)
  }

  get size(): number {
    return this.#live
  }

  #index(local: number, remote: number, ports: number): number {
    // Keyed, so that peers cannot aim at one chain; two rounds of a 32-bit mix keep it cheap.
    let h = Math.imul(local ^ this.#seed, 0x9e3779b1) ^ Math.imul(remote, 0x85ebca77)
    h = Math.imul(h ^ (h >>> 15) ^ ports, 0xc2b2ae3d)
    h = Math.imul(h ^ (h >>> 13) ^ this.#seed2, 0x27d4eb2f)
    return (h ^ (h >>> 16)) & this.#mask
  }

  /** What is stored under the four-tuple; `ports` is local << 16 | remote. */
  get(local: number, remote: number, ports: number): T | undefined {
    const keys = this.#keys
    for (let i = this.#index(local, remote, ports); ; i = (i + 1) & this.#mask) {
      const value = this.#values[i]
      if (value === undefined) return undefined
      const k = i * 3
      if (value !== null && keys[k + 2] === ports && keys[k] === local && keys[k + 1] === remote) return value
    }
  }

  /** Stores `value`, in place of what was there. */
  set(local: number, remote: number, ports: number, value: T): void {
    if ((this.#used + 1) * 4 > (this.#mask + 1) * 3) this.#resize()
    const keys = this.#keys
    let free = -1
    for (let i = this.#index(local, remote, ports); ; i = (i + 1) & this.#mask) {
      const old = this.#values[i]
      const k = i * 3
      if (old === null) {
        if (free < 0) free = i
      } else if (old === undefined) {
        if (free < 0) {
          free = i
          this.#used++
        }
        this.#live++
        keys[free * 3] = local
        keys[free * 3 + 1] = remote
        keys[free * 3 + 2] = ports
        this.#values[free] = value
        return
      } else if (keys[k + 2] === ports && keys[k] === local && keys[k + 1] === remote) {
        this.#values[i] = value
        return
      }
    }
  }

  /** Takes `value` out if it is what is stored there. */
  delete(local: number, remote: number, ports: number, value: T): void {
    const keys = this.#keys
    for (let i = this.#index(local, remote, ports); ; i = (i + 1) & this.#mask) {
      const old = this.#values[i]
      if (old === undefined) return
      const k = i * 3
      if (old === null || keys[k + 2] !== ports || keys[k] !== local || keys[k + 1] !== remote) continue
      if (old !== value) return
      this.#live--
      if (this.#values[(i + 1) & this.#mask] === undefined) {
        this.#values[i] = undefined
        this.#used--
        // Tombstones right before an empty slot serve nobody.
        for (let j = (i - 1) & this.#mask; this.#values[j] === null; j = (j - 1) & this.#mask) {
          this.#values[j] = undefined
          this.#used--
        }
      } else this.#values[i] = null
      return
    }
  }

  /** All entries, in the table's order. */
  *values(): IterableIterator<T> {
    for (const value of this.#values) if (value !== undefined && value !== null) yield value
  }

  #resize(): void {
    const keys = this.#keys
    const values = this.#values
    let size = MIN_SIZE
    while (size * 3 < (this.#live + 1) * 8) size *= 2
    this.#keys = new Int32Array(size * 3)
    this.#values = new Array<T | null | undefined>(size).fill(undefined)
    this.#mask = size - 1
    this.#used = this.#live
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined || value === null) continue
      const k = i * 3
      let j = this.#index(keys[k] as number, keys[k + 1] as number, keys[k + 2] as number)
      while (this.#values[j] !== undefined) j = (j + 1) & this.#mask
      this.#keys[j * 3] = keys[k] as number
      this.#keys[j * 3 + 1] = keys[k + 1] as number
      this.#keys[j * 3 + 2] = keys[k + 2] as number
      this.#values[j] = value
    }
  }
}
