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

/** A buffer of the program: its length, and where it is if that is no good place. */
export interface Region {
  readonly length: number
  readonly address: number | null
}

/** `...`, or a pointer such as NULL. */
export const bufferOf = (at: Expression | undefined, length: Expression | undefined): Region => ({
  length: Math.max(numberOr(length, 0), 0),
  address: numberOf(at),
})

/** `[{..., n}, …]`. */
export const vectorsOf = (e: Expression | undefined): Region[] =>
  items(e).map((v) => (items(v).length > 1 ? bufferOf(items(v)[0], items(v)[1]) : bufferOf(undefined, items(v)[0])))
