/** Rows of docs/differences.md that explain a difference: each has a rule that only its cause meets. */

/** What both said at the step where they part, and what the kernel said there each time that it was played. */
export interface Parting {
  readonly kernel: string
  readonly ours: string
  readonly plays: readonly string[]
}

/** A reply without the D-SACK that its first block is: below the acknowledgement, or inside the next block. */
function withoutDsack(reply: string): string {
  const ack = Number(/ ack (-?\d+)/.exec(reply)?.[1])
  return reply.replace(/sack (-?\d+):(-?\d+),(sack (-?\d+):(-?\d+))/, (all, left, right, next, from, to) => {
    const isDuplicate = Number(right) <= ack || (Number(left) >= Number(from) && Number(right) <= Number(to))
    return isDuplicate ? next : all
  })
}

const withoutDsacks = (text: string): string => text.split(' | ').map(withoutDsack).join(' | ')

/** Data that was appended to what waits lets the window grow; a duplicate does not. */
const withoutWindows = (text: string): string => text.replace(/ win \d+/g, '')

function isOverlapOrder({ kernel, ours }: Parting): boolean {
  const [theirs, mine] = [withoutDsacks(kernel), withoutDsacks(ours)]
  if (!kernel.includes('sack ')) return false
  // The windows may differ only if the D-SACKs do.
  const differInDsack = (theirs === kernel) !== (mine === ours)
  return theirs === mine || (differInDsack && withoutWindows(theirs) === withoutWindows(mine))
}

const RULES: readonly (readonly [string, (parting: Parting) => boolean])[] = [
  ['overlap-order', isOverlapOrder],
  ['kernel-time', ({ plays }) => plays.some((text) => text !== plays[0])],
]

/** The row's name, or null: the difference is one. */
export const reasonOf = (parting: Parting): string | null => RULES.find(([, rule]) => rule(parting))?.[0] ?? null
