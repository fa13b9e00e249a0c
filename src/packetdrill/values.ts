/** Arguments of system calls as numbers, strings and structures. */
import type { Expression } from './script.ts'
import { symbol } from './symbols.ts'

/** The script asks for something that the interpreter does not have. */
export class Unsupported extends Error {
  override readonly name: string = 'Unsupported'
}

/** The number an expression stands for; null for `...`. */
export function numberOf(e: Expression | undefined): number | null {
  if (e === undefined || e.kind === 'ellipsis') return null
  switch (e.kind) {
    case 'number':
      return e.value
    case 'word': {
      if (e.name === 'NULL') return 0
      const value = symbol(e.name)
      if (value === undefined) throw new Unsupported(`unknown name ${e.name}`)
      return value
    }
    case 'or': {
      let all = 0n
      for (const part of e.parts) all |= BigInt(numberOf(part) ?? 0)
      return Number(all)
    }
    case 'list':
      return e.items.length === 0 ? null : numberOf(e.items[0])
    case 'call':
      if (e.name === 'htons' || e.name === 'htonl') return numberOf(e.items[0])
  }
  throw new Unsupported(`a ${e.kind} where a number is expected`)
}

/** The same with a default for `...` and for what is absent. */
export const numberOr = (e: Expression | undefined, or: number): number => numberOf(e) ?? or

/** A field of a structure by name; names may be written `name(n)`. */
export function field(e: Expression | undefined, name: string): Expression | undefined {
  return e?.kind === 'struct' ? e.fields.get(name) : undefined
}

export const items = (e: Expression | undefined): readonly Expression[] =>
  e?.kind === 'list' || e?.kind === 'struct' ? e.items : []

/** Sum of the lengths of `[{..., n}, …]`. */
export const vectorLength = (e: Expression | undefined): number => vectorLengths(e).reduce((sum, n) => sum + n, 0)

/** The same of each. */
export const vectorLengths = (e: Expression | undefined): number[] =>
  items(e).map((v) => numberOr(items(v)[1] ?? items(v)[0], 0))
