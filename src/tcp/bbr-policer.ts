/** BBR's long-term rate: a path that loses much at a steady rate is policed, so BBR sends at that rate (bbr_lt_bw). */
import { BBR_UNIT, BW_UNIT, bytesPerSecond } from './bbr-rate.ts'
import { statsOf } from './stats.ts'
import type { Tcb } from './tcb.ts'

/** Rounds of a sampling interval at least, and of the use of its result. */
const INTERVAL_ROUNDS = 4
const USE_ROUNDS = 48
/** Share of segments lost that is a policer's doing, in 256ths. */
const LOSS_THRESHOLD = 50
/** Two intervals agree within an eighth, or within 4 kbit/s in bytes. */
const AGREE_RATIO = 32
const AGREE_BYTES = 500

/** Where the flow is: a round begins, and it probes for bandwidth. */
export interface Round {
  readonly isRoundStart: boolean
  readonly isProbing: boolean
}

export class LongTermRate {
  isUsed = false
  bw = 0
  #isSampling = false
  #rounds = 0
  #lastStamp = 0
  #lastDelivered = 0
  #lastLost = 0

  reset(t: Tcb): void {
    this.bw = 0
    this.isUsed = false
    this.#isSampling = false
    this.#beginInterval(t)
  }

  #beginInterval(t: Tcb): void {
    this.#lastStamp = Math.floor(statsOf(t).deliveredTime / 1000)
    this.#lastDelivered = t.delivered
    this.#lastLost = t.lost
    this.#rounds = 0
  }

  /** Takes in a sample: 'limited' when the rate is to be used from now on, 'retry' when it has been used long enough. */
  sample(t: Tcb, losses: number, isAppLimited: boolean, round: Round): 'limited' | 'retry' | undefined {
    if (this.isUsed) {
      if (!round.isProbing || !round.isRoundStart || ++this.#rounds < USE_ROUNDS) return undefined
      this.reset(t)
      return 'retry'
    }
    if (!this.#isSampling) {
      // An interval begins and ends with a loss: a policer's bucket is empty then.
      if (losses === 0) return undefined
      this.#beginInterval(t)
      this.#isSampling = true
    }
    if (isAppLimited) {
      this.reset(t)
      return undefined
    }
    if (round.isRoundStart) this.#rounds++
    if (this.#rounds < INTERVAL_ROUNDS) return undefined
    if (this.#rounds > 4 * INTERVAL_ROUNDS) {
      this.reset(t)
      return undefined
    }
    if (losses === 0) return undefined
    const lost = t.lost - this.#lastLost
    const delivered = t.delivered - this.#lastDelivered
    if (delivered === 0 || lost * BBR_UNIT < LOSS_THRESHOLD * delivered) return undefined
    const ms = Math.floor(statsOf(t).deliveredTime / 1000) - this.#lastStamp
    if (ms < 1) return undefined
    return this.#intervalDone(t, Math.floor((delivered * BW_UNIT) / (ms * 1000)))
  }

  #intervalDone(t: Tcb, bw: number): 'limited' | undefined {
    const difference = Math.abs(bw - this.bw)
    const agrees =
      this.bw !== 0 &&
      (difference * BBR_UNIT <= AGREE_RATIO * this.bw || bytesPerSecond(t, difference, BBR_UNIT) <= AGREE_BYTES)
    if (!agrees) {
      this.bw = bw
      this.#beginInterval(t)
      return undefined
    }
    this.bw = Math.floor((bw + this.bw) / 2)
    this.isUsed = true
    this.#rounds = 0
    return 'limited'
  }
}
