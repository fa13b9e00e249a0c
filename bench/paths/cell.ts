/** A cell of the table: a path, a congestion control, and who is at its ends. */

/** Sender and receiver: k, the kernel; o, ours. */
export type Pair = 'kk' | 'ok' | 'ko' | 'oo'
export const PAIRS: readonly Pair[] = ['kk', 'ok', 'ko', 'oo']

export interface Cell {
  readonly congestion: string
  readonly rttMs: number
  /** Shares of packets, of the data's direction only. */
  readonly loss: number
  readonly reorder: number
  /** The bottleneck's queue in bandwidth-delay products. */
  readonly queue: number
}

export interface Run extends Cell {
  readonly pair: Pair
  readonly seed: number
  readonly seconds: number
}

/** Bits a second of the bottleneck: what one thread can carry through two TAP devices many times over. */
export const RATE = 50e6
const PACKET = 1514

export const queuePackets = (cell: Cell): number =>
  Math.max(2, Math.round((cell.queue * RATE * cell.rttMs) / 1000 / 8 / PACKET))

export const CELLS: readonly Cell[] = ['cubic', 'reno', 'bbr'].flatMap((congestion) =>
  [1, 20, 100].flatMap((rttMs) =>
    [0, 0.001, 0.01, 0.03].flatMap((loss) =>
      [0, 0.01].flatMap((reorder) => [0.5, 2].map((queue) => ({ congestion, rttMs, loss, reorder, queue }))),
    ),
  ),
)

export const nameOf = (c: Cell): string =>
  `${c.congestion} ${c.rttMs} ms, loss ${c.loss * 100} %, ${c.reorder > 0 ? 'reordered' : 'in order'}, queue ${c.queue} BDP`

/**
 * Bits a second that a run may reach at most, roughly: what it will cost to play. By the window that losses allow
 * (Mathis et al. 1997, a factor of two above); BBR does not mind losses.
 */
export function expectedRate({ congestion, loss, rttMs }: Cell): number {
  if (congestion === 'bbr' || loss === 0) return RATE
  return Math.min(RATE, (2 * 1.22 * PACKET * 8000) / (rttMs * Math.sqrt(loss)))
}
