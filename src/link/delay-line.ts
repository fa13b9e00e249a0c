/**
 * Packets on their way, each due at a time of its own (kept in `packet.time`): a queue for those that come in order,
 * which is nearly all, and a heap for those that overtake. Ties leave in the order in which they came.
 */
import type { Packet } from '../buf/packet.ts'
import type { Micros } from '../sys/clock.ts'
import { PacketQueue } from './queue.ts'

export class DelayLine {
  readonly #queue = new PacketQueue()
  readonly #heap: Packet[] = []
  readonly #order: number[] = []
  #sequence = 0

  get length(): number {
    return this.#queue.length + this.#heap.length
  }

  /** Adds a packet that is due at `due`. */
  push(packet: Packet, due: Micros): void {
    packet.time = due
    const last = this.#queue.last
    if (last === null || due >= last.time) {
      this.#queue.push(packet)
      return
    }
    let i = this.#heap.length
    this.#heap.push(packet)
    this.#order.push(this.#sequence++)
    for (let parent = (i - 1) >> 1; i > 0 && this.#before(i, parent); parent = (i - 1) >> 1) {
      this.#swap(i, parent)
      i = parent
    }
  }

  /** When the next packet is due; Infinity if there is none. */
  get nextDue(): Micros {
    const queued = this.#queue.first === null ? Infinity : this.#queue.first.time
    const first = this.#heap[0]
    return first !== undefined && first.time < queued ? first.time : queued
  }

  /** Takes the packet out that is due first. */
  shift(): Packet | null {
    const queued = this.#queue.first
    const first = this.#heap[0]
    // What is in the heap came while something due later was in the queue, so the queue goes first at the same instant.
    if (first === undefined || (queued !== null && queued.time <= first.time)) return this.#queue.shift()
    const last = this.#heap.length - 1
    this.#swap(0, last)
    this.#heap.pop()
    this.#order.pop()
    this.#sink()
    return first
  }

  #sink(): void {
    for (let i = 0; ; ) {
      const left = 2 * i + 1
      if (left >= this.#heap.length) return
      const right = left + 1
      const child = right < this.#heap.length && this.#before(right, left) ? right : left
      if (!this.#before(child, i)) return
      this.#swap(child, i)
      i = child
    }
  }

  #before(a: number, b: number): boolean {
    const ta = (this.#heap[a] as Packet).time
    const tb = (this.#heap[b] as Packet).time
    return ta < tb || (ta === tb && (this.#order[a] as number) < (this.#order[b] as number))
  }

  #swap(a: number, b: number): void {
    const packet = this.#heap[a] as Packet
    const order = this.#order[a] as number
    this.#heap[a] = this.#heap[b] as Packet
    this.#order[a] = this.#order[b] as number
    this.#heap[b] = packet
    this.#order[b] = order
  }
}
