/** struct sigaction as it goes through the gate: handlers stay in their worker. */
import type { SigSet } from '../host/sigset.ts'
import type { SIG_DFL, SIG_IGN } from '../socket/signal-constants.ts'

/** In the place of a handler: the thread has one. */
export const CAUGHT = 'caught'

export interface ThreadAction {
  readonly handler: typeof SIG_DFL | typeof SIG_IGN | typeof CAUGHT
  readonly flags?: number
  readonly mask?: SigSet
}
