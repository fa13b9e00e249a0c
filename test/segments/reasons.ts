/** Rows of docs/differences.md that explain a difference: each has a rule that only its cause meets. */
import * as options from '../../src/wire/tcp-options.ts'
import type { Sequence, Step } from './sequence.ts'

/** What both said at the step where they part, and what the kernel said there each time that it was played. */
export interface Parting {
  readonly sequence: Sequence
  /** Steps up to the one where they part, that included. */
  readonly at: number
  readonly kernel: string
  readonly ours: string
  readonly plays: readonly string[]
}

const TCPI_OPT_SACK = 2
const SO_RCVBUF = '1 8'

/** SACK is in use: by TCP_INFO, or blocks are sent. */
const hasSack = (text: string): boolean =>
  (Number(/ opt (\d+)/.exec(text)?.[1] ?? 0) & TCPI_OPT_SACK) !== 0 || / win \d+ <.*sack -?\d/.test(text)

/** Options given byte by byte may have it too. */
function hasSackPermitted(raw: readonly number[]): boolean {
  const found = new options.ParsedOptions()
  options.parse(Uint8Array.from(raw), 0, raw.length, found)
  return found.sackPermitted
}

/** The kernel uses SACK though no SYN offered it: an ACK had blocks before the connection was. */
function isUnsetSack({ sequence, at, kernel, ours }: Parting): boolean {
  const steps = sequence.steps.slice(0, at)
  const offers = (step: Step): boolean =>
    step.kind === 'segment' && (step.raw === undefined ? step.sackOk === true : hasSackPermitted(step.raw))
  const tells = (step: Step): boolean =>
    step.kind === 'segment' && !step.flags.includes('S') && step.flags.includes('.') && step.sack.length > 0
  return !sequence.isActive && !steps.some(offers) && steps.some(tells) && hasSack(kernel) && !hasSack(ours)
}

const isZeroWindow = (text: string): boolean => /> \.\S* \S+ ack -?\d+ win 0( |$)/.test(text)

/** Only one had no room for data in a receive buffer made smaller, while data is in the send queue. */
function isPageRemainder({ sequence, at, kernel, ours }: Parting): boolean {
  const step = sequence.steps[at - 1]
  if (step === undefined || step.kind !== 'segment' || step.length === 0) return false
  const early = sequence.options.some(([level, name]) => `${level} ${name}` === SO_RCVBUF)
  const late = sequence.steps
    .slice(0, at)
    .some((s) => s.kind === 'call' && s.name === 'setsockopt' && `${s.args[0]} ${s.args[1]}` === SO_RCVBUF)
  const isSending = / inq \d+ [1-9]/.test(kernel)
  return (early || late) && isSending && isZeroWindow(kernel) !== isZeroWindow(ours)
}

const ackOf = (text: string): number => Number(/ ack (-?\d+)/.exec(text)?.[1])

/** Only one took data whose acknowledgement is too old: header prediction does not look at that. */
function isTakenWithOldAck({ sequence, at, kernel, ours }: Parting): boolean {
  const step = sequence.steps[at - 1]
  if (step === undefined || step.kind !== 'segment' || step.length === 0 || step.ack.more >= 0) return false
  const [theirs, mine] = [ackOf(kernel), ackOf(ours)]
  // The challenge to the one that was not predicted may be one too many (tcp_challenge_ack_limit and the like).
  const isOneSilent = step.ack.more <= -60000 && Number.isNaN(theirs) !== Number.isNaN(mine)
  return step.flags.replace('P', '') === '.' && (isOneSilent || Math.abs(theirs - mine) === step.length)
}

const RULES: readonly (readonly [string, (parting: Parting) => boolean])[] = [
  ['kernel-time', ({ plays }) => plays.some((text) => text !== plays[0])],
  ['unset-sack', isUnsetSack],
  ['page-remainder', (parting) => isPageRemainder(parting) || isTakenWithOldAck(parting)],
]

/** The row's name, or null: the difference is one. */
export const reasonOf = (parting: Parting): string | null => RULES.find(([, rule]) => rule(parting))?.[0] ?? null
