/** BBR's units: rates in segments a microsecond times 2^24, gains in 256ths. */
import { pacingOf } from './pacing.ts'
import type { Tcb } from './tcb.ts'

export const BW_UNIT = 0x1000000
export const BBR_UNIT = 256
/** Percent by which it paces below the estimate, to keep the queue empty. */
const PACING_MARGIN = 1

/** Bytes a second of a rate at a gain, a little less than that (bbr_rate_bytes_per_sec). */
export function bytesPerSecond(t: Tcb, bw: number, gain: number): number {
  const scaled = Math.floor((bw * t.snd.mss * gain) / BBR_UNIT)
  return Math.floor((scaled * 10000 * (100 - PACING_MARGIN)) / BW_UNIT)
}

/** The same, as far as SO_MAX_PACING_RATE allows. */
export const toPacingRate = (t: Tcb, bw: number, gain: number): number =>
  Math.min(bytesPerSecond(t, bw, gain), pacingOf(t).maxRate)
