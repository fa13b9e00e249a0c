/** Plays sequences on both sides, and tells and shortens what differs. */
import { generate } from './generate.ts'
import { endsOf, type Kernel } from './kernel.ts'
import { playOurs } from './ours.ts'
import type { Played } from './play.ts'
import { reasonOf } from './reasons.ts'
import { type Sequence, stepText } from './sequence.ts'

/** Where between two ticks of the kernel's clock it began is not known: what is tried. */
const PHASES: readonly number[] = [0, 500]
/** Microseconds between steps that are tried besides the kernel's. */
const PACES: readonly number[] = [40, 300, 3000, 5]
/** The kernel's clock is real: a difference counts if it is there each time. */
const RETRIES = 3
/** A timer that seldom fires within a wait is not seen in three plays: more for those without a reason. */
export const MORE_RETRIES = 40
/** Sequences the kernel is given at once. */
const BATCH = 1000

export interface Difference {
  readonly sequence: Sequence
  /** Number of the outcome where they part: step number + 1. */
  readonly at: number
  readonly kernel: readonly string[]
  readonly ours: readonly string[]
  /** The row of docs/differences.md that explains it. */
  readonly reason?: string
}

export interface Group {
  readonly kind: string
  first: Difference
  readonly seeds: number[]
}

export interface Comparison {
  readonly differences: Group[]
  /** Sequences that differ for a listed reason, by its name. */
  readonly listed: Readonly<Record<string, number>>
  readonly steps: number
  readonly segments: number
}

/** Where they part at last with the pace that goes farthest; null if they do not. */
function part(kernel: Kernel, sequence: Sequence, { texts, times, start }: Played): Difference | null {
  let farthest: Difference | null = null
  for (const pace of [{ times, phase: 0, start }, ...PHASES.map((phase) => ({ times, phase })), ...PACES]) {
    const ours = playOurs(sequence, kernel.sysctls, endsOf(0), pace)
    const at = texts.findIndex((text, i) => text !== ours[i])
    if (at < 0) return null
    if (farthest === null || at > farthest.at) farthest = { sequence, at, kernel: texts, ours }
  }
  return farthest
}

/** The same in so many plays at the kernel, or null. */
function confirm(kernel: Kernel, sequences: readonly Sequence[], plays: number): (Difference | null)[] {
  const outcomes = kernel.run(sequences.flatMap((sequence) => new Array<Sequence>(plays).fill(sequence)))
  return sequences.map((sequence, i) => {
    let found: Difference | null = null
    for (const theirs of outcomes.slice(i * plays, (i + 1) * plays)) {
      const difference = part(kernel, sequence, theirs)
      if (difference === null) return null
      if (found === null || difference.at > found.at) found = difference
    }
    return found === null ? null : attributed(found, outcomes.slice(i * plays, (i + 1) * plays))
  })
}

/** With its reason, if one is listed. */
function attributed(found: Difference, plays: readonly Played[]): Difference {
  const { sequence, at, kernel, ours } = found
  const said = plays.map(({ texts }) => texts[at] ?? '')
  const reason = reasonOf({ sequence, at, kernel: kernel[at] ?? '', ours: ours[at] ?? '', plays: said })
  return reason === null ? found : { ...found, reason }
}

/** Those that differ each time. */
function suspicious(
  kernel: Kernel,
  sequences: readonly Sequence[],
  outcomes: readonly Played[],
  plays: number,
): Difference[] {
  const suspects = sequences.filter((sequence, i) => part(kernel, sequence, outcomes[i] as Played) !== null)
  const found = confirm(kernel, suspects, RETRIES).filter((difference) => difference !== null)
  const unlisted = found.filter(({ reason }) => reason === undefined).map(({ sequence }) => sequence)
  const again = confirm(kernel, unlisted, plays).filter((difference) => difference !== null)
  return [...found.filter(({ reason }) => reason !== undefined), ...again]
}

/** Without steps that it does not need. */
function shorten(kernel: Kernel, difference: Difference): Difference {
  let best = difference
  const keep = (sequence: Sequence): boolean => {
    const found = confirm(kernel, [sequence], RETRIES)[0] ?? null
    const isUnlisted = found !== null && found.reason === undefined
    if (isUnlisted) best = found
    return isUnlisted
  }
  keep({ ...best.sequence, steps: best.sequence.steps.slice(0, best.at) })
  for (let i = best.sequence.steps.length - 2; i >= 0; i--) {
    if (i < best.sequence.steps.length) keep({ ...best.sequence, steps: best.sequence.steps.toSpliced(i, 1) })
  }
  for (let i = best.sequence.options.length - 1; i >= 0; i--)
    keep({ ...best.sequence, options: best.sequence.options.toSpliced(i, 1) })
  return best
}

/** Alike: the same kind of step, and the same fields of the outcome. */
function kindOf({ sequence, at, kernel, ours }: Difference): string {
  const step = sequence.steps[at - 1]
  const what =
    step === undefined
      ? 'open'
      : step.kind === 'segment'
        ? `segment ${step.flags}`
        : step.kind === 'icmp'
          ? `icmp ${step.type}/${step.code}`
          : step.kind === 'call'
            ? step.name
            : 'wait'
  const theirs = (kernel[at] ?? '').split(' ')
  const mine = (ours[at] ?? '').split(' ')
  const i = theirs.findIndex((word, k) => word !== mine[k])
  const context = theirs.slice(Math.max(0, i - 1), i).join(' ')
  return theirs.length !== mine.length ? `${what}: other replies` : `${what}: after "${context}"`
}

/** Seeds whose sequences differ each time. */
export function differing(kernel: Kernel, first: number, count: number): number[] {
  const sequences = Array.from({ length: count }, (_, i) => generate(first + i, kernel.mixes))
  const found = suspicious(kernel, sequences, kernel.run(sequences), MORE_RETRIES)
  return found.filter(({ reason }) => reason === undefined).map(({ sequence }) => sequence.seed)
}

/** What is known while it runs. */
export interface Progress {
  /** Sequences played, and of those: for a listed reason, without one. */
  readonly played: number
  readonly listed: number
  readonly differ: number
}

/**
 * Plays `count` sequences from seed `first` on; the first difference of the `shown` largest groups is made short. `note` hears of
 * each batch.
 */
export function compareSequences(
  kernel: Kernel,
  first: number,
  count: number,
  shown: number,
  plays: number = MORE_RETRIES,
  isVerbose = false,
  note?: (progress: Progress) => void,
): Comparison {
  const found: Difference[] = []
  let steps = 0
  let segments = 0
  for (let from = 0; from < count; from += BATCH) {
    const sequences = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) =>
      generate(first + from + i, kernel.mixes),
    )
    const outcomes = kernel.run(sequences)
    for (const [i, sequence] of sequences.entries()) {
      steps += sequence.steps.length
      segments += sequence.steps.filter(({ kind }) => kind === 'segment').length
      if (isVerbose)
        console.log(
          report({ sequence, at: sequence.steps.length + 1, kernel: (outcomes[i] as Played).texts, ours: [] }),
        )
    }
    found.push(...suspicious(kernel, sequences, outcomes, plays))
    const differ = found.filter(({ reason }) => reason === undefined).length
    note?.({ played: from + sequences.length, listed: found.length - differ, differ })
  }
  const listed: Record<string, number> = {}
  for (const { reason } of found) if (reason !== undefined) listed[reason] = (listed[reason] ?? 0) + 1
  const unlisted = found.filter(({ reason }) => reason === undefined)
  const differences = grouped(unlisted.map((difference) => groupOf(difference)))
  for (const group of differences.slice(0, shown)) group.first = shorten(kernel, group.first)
  return { differences, listed, steps, segments }
}

const groupOf = (first: Difference): Group => ({ kind: kindOf(first), first, seeds: [first.sequence.seed] })

/** Those of a kind together, the largest group first, with the difference that comes earliest. */
function grouped(all: readonly Group[]): Group[] {
  const groups = new Map<string, Group>()
  for (const one of all) {
    const group = groups.get(one.kind)
    if (group === undefined) groups.set(one.kind, one)
    else {
      group.seeds.push(...one.seeds)
      if (one.first.at < group.first.at) group.first = one.first
    }
  }
  return [...groups.values()].sort((a, b) => b.seeds.length - a.seeds.length)
}

function added(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const one of all) for (const [name, n] of Object.entries(one)) sum[name] = (sum[name] ?? 0) + n
  return sum
}

/** What several runs found, together. */
export const merge = (all: readonly Comparison[]): Comparison => ({
  listed: added(all.map(({ listed }) => listed)),
  differences: grouped(all.flatMap(({ differences }) => differences)),
  steps: all.reduce((sum, { steps }) => sum + steps, 0),
  segments: all.reduce((sum, { segments }) => sum + segments, 0),
})

/** A difference with all that led to it. */
export function report({ sequence, at, kernel, ours }: Difference): string {
  const lines = [
    `--- seed ${sequence.seed}: ${sequence.isActive ? 'connects' : 'listens'}, options ${JSON.stringify(sequence.options)}, isn ${sequence.isn}`,
  ]
  lines.push(`      ${kernel[0]}`)
  for (let i = 1; i <= at && i <= sequence.steps.length; i++) {
    lines.push(`  ${stepText(sequence.steps[i - 1] as never)}`)
    if (i < at) lines.push(`      ${kernel[i]}`)
  }
  lines.push(`      Linux ${kernel[at]}`, `      ours  ${ours[at]}`)
  return lines.join('\n')
}
