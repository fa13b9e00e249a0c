/** Plays sequences on both sides, and tells and shortens what differs. */
import { generate } from './generate.ts'
import { endsOf, type Kernel } from './kernel.ts'
import { playOurs } from './ours.ts'
import { type Sequence, stepText } from './sequence.ts'

/** Microseconds between steps of ours that are tried: the kernel's differ from run to run. */
const PACES: readonly number[] = [40, 300, 3000, 5]
/** The kernel's clock is real: a difference counts if it is there each time. */
const RETRIES = 3
/** Sequences the kernel is given at once. */
const BATCH = 1000
/** Differences that are made short. */
const SHORTENED = 12

export interface Difference {
  readonly sequence: Sequence
  /** Number of the outcome where they part: step number + 1. */
  readonly at: number
  readonly kernel: readonly string[]
  readonly ours: readonly string[]
}

export interface Group {
  readonly kind: string
  first: Difference
  readonly seeds: number[]
}

export interface Comparison {
  readonly differences: Group[]
  readonly steps: number
  readonly segments: number
}

/** Where they part at last with the pace that goes farthest; null if they do not. */
function part(kernel: Kernel, sequence: Sequence, theirs: readonly string[]): Difference | null {
  let farthest: Difference | null = null
  for (const pace of PACES) {
    const ours = playOurs(sequence, kernel.sysctls, endsOf(0), pace)
    const at = theirs.findIndex((text, i) => text !== ours[i])
    if (at < 0) return null
    if (farthest === null || at > farthest.at) farthest = { sequence, at, kernel: theirs, ours }
  }
  return farthest
}

/** The same again and again, or null. */
function confirm(kernel: Kernel, sequence: Sequence): Difference | null {
  let found: Difference | null = null
  for (const theirs of kernel.run(new Array<Sequence>(RETRIES).fill(sequence))) {
    const difference = part(kernel, sequence, theirs)
    if (difference === null) return null
    if (found === null || difference.at > found.at) found = difference
  }
  return found
}

/** Without steps that it does not need. */
function shorten(kernel: Kernel, difference: Difference): Difference {
  let best = difference
  const keep = (sequence: Sequence): boolean => {
    const found = confirm(kernel, sequence)
    if (found !== null) best = found
    return found !== null
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
  const sequences = Array.from({ length: count }, (_, i) => generate(first + i))
  const outcomes = kernel.run(sequences)
  const suspects = sequences.filter((sequence, i) => part(kernel, sequence, outcomes[i] as string[]) !== null)
  return suspects.filter((sequence) => confirm(kernel, sequence) !== null).map(({ seed }) => seed)
}

export function compareSequences(kernel: Kernel, first: number, count: number, isVerbose = false): Comparison {
  const groups = new Map<string, Group>()
  let steps = 0
  let segments = 0
  for (let from = 0; from < count; from += BATCH) {
    const sequences = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => generate(first + from + i))
    const outcomes = kernel.run(sequences)
    for (const [i, sequence] of sequences.entries()) {
      steps += sequence.steps.length
      segments += sequence.steps.filter(({ kind }) => kind === 'segment').length
      if (isVerbose)
        console.log(report({ sequence, at: sequence.steps.length + 1, kernel: outcomes[i] as string[], ours: [] }))
      if (part(kernel, sequence, outcomes[i] as string[]) === null) continue
      const difference = confirm(kernel, sequence)
      if (difference === null) continue
      const kind = kindOf(difference)
      const group = groups.get(kind)
      if (group === undefined) groups.set(kind, { kind, first: difference, seeds: [sequence.seed] })
      else {
        group.seeds.push(sequence.seed)
        if (difference.at < group.first.at) group.first = difference
      }
    }
  }
  const differences = [...groups.values()].sort((a, b) => b.seeds.length - a.seeds.length)
  for (const group of differences.slice(0, SHORTENED)) group.first = shorten(kernel, group.first)
  return { differences, steps, segments }
}

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
