/**
 * What a dissector remembers between packets: the first sequence numbers of each TCP conversation, so that later ones
 * are printed relative, as tcpdump does. Owned by the caller and bounded; the oldest conversation is forgotten first.
 */

/** The numbers of one conversation that count as zero. */
export interface Conversation {
  /** Base of the side that sorts first (tcpdump: lower port, then lower address), int32. */
  seq: number
  /** Base of the other side, int32. */
  ack: number
}

/** Memory of a dissector; hand the same one to each `dissect` of a trace. */
export class DissectContext {
  readonly #limit: number
  readonly #conversations: Map<string, Conversation> = new Map()

  /** `limit`: how many conversations are remembered. */
  constructor(limit: number = 1024) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit must be a positive integer, got ${limit}`)
    this.#limit = limit
  }

  /** How many conversations are remembered now. */
  get size(): number {
    return this.#conversations.size
  }

  /** The conversation under `key`, if known. */
  find(key: string): Conversation | undefined {
    return this.#conversations.get(key)
  }

  /** Remembers a conversation from its first numbers on. */
  remember(key: string, seq: number, ack: number): void {
    this.#conversations.delete(key)
    for (const oldest of this.#conversations.keys()) {
      if (this.#conversations.size < this.#limit) break
      this.#conversations.delete(oldest)
    }
    this.#conversations.set(key, { seq, ack })
  }
}
