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

/**
 * Bits a second of the bottleneck: what one thread can carry through two TAP devices many times over. Less on the longest path, where
 * chance needs the most runs: its window is 165 segments all the same.
 */
export const rateOf = ({ rttMs }: Cell): number => (rttMs >= 100 ? 20e6 : 50e6)
const PACKET = 1514

export const queuePackets = (cell: Cell): number =>
  Math.max(2, Math.round((cell.queue * rateOf(cell) * cell.rttMs) / 1000 / 8 / PACKET))

export const CELLS: readonly Cell[] = ['cubic', 'reno', 'bbr'].flatMap((congestion) =>
  [1, 20, 100].flatMap((rttMs) =>
    [0, 0.001, 0.01, 0.03].flatMap((loss) =>
      [0, 0.01].flatMap((reorder) => [0.5, 2].map((queue) => ({ congestion, rttMs, loss, reorder, queue }))),
    ),
  ),
)

/** How long a run of the cell lasts: thousands of round trips where they are short, enough for slow start to be little where long. */
export const secondsOf = ({ rttMs }: Cell): number => (rttMs >= 100 ? 6 : rttMs >= 20 ? 4 : 2)

export const nameOf = (c: Cell): string =>
  `${c.congestion} ${c.rttMs} ms, loss ${c.loss * 100} %, ${c.reorder > 0 ? 'reordered' : 'in order'}, queue ${c.queue} BDP`

/**
 * Bits a second that a run may reach at most, roughly: what it will cost to play. By the window that losses allow
 * (Mathis et al. 1997, a factor of two above); BBR does not mind losses.
 */
export function expectedRate(cell: Cell): number {
  const { congestion, loss, rttMs } = cell
  if (congestion === 'bbr' || loss === 0) return rateOf(cell)
  return Math.min(rateOf(cell), (2 * 1.22 * PACKET * 8000) / (rttMs * Math.sqrt(loss)))
}
