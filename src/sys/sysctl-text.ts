/** Sysctls as text, by the kernel's rules (proc_dointvec_minmax and its kin, kernel/sysctl.c). */
import { EINVAL } from './errno.ts'

/** What was read of a text: the numbers, how much of it was used, and 0 or -EINVAL for what came after them. */
export interface ParsedNumbers {
  readonly values: readonly number[]
  readonly consumed: number
  readonly error: number
}

/**
 * At most `count` numbers within bounds, separated by blanks: decimal, octal with a leading 0, hexadecimal with 0x. What
 * was read before an error counts; a text without a number is an error.
 */
export function parseNumbers(text: string, count: number, least: number, largest: number): ParsedNumbers {
  const values: number[] = []
  const number = /[ \t\n\v\f\r]*(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?:[ \t\n]|$)/y
  const blanks = /[ \t\n\v\f\r]*/y
  let consumed = 0
  while (values.length < count) {
    number.lastIndex = consumed
    const found = number.exec(text)
    if (found === null) break
    const [, minus, digits = ''] = found
    const isOctal = /^0[0-7]+$/.test(digits)
    const magnitude = isOctal ? Number.parseInt(digits, 8) : Number(digits)
    const value = minus === '-' ? 0 - magnitude : magnitude
    if (!(value >= least && value <= largest)) return { values, consumed, error: -EINVAL }
    values.push(value)
    consumed = number.lastIndex
  }
  blanks.lastIndex = consumed
  blanks.exec(text)
  const isOver = values.length === count || blanks.lastIndex === text.length
  return { values, consumed: blanks.lastIndex, error: isOver && values.length > 0 ? 0 : -EINVAL }
}

/** The four words of a Fast Open key, or of two keys, in eight digits each; undefined if it is none. */
export function normalizeKey(text: string): string | undefined {
  const keys = text.split(',').map((key) => key.split('-'))
  const isKey = (words: readonly string[]): boolean =>
    words.length === 4 && words.every((w) => /^[0-9a-f]{1,8}$/i.test(w))
  if (keys.length > 2 || !keys.every(isKey)) return undefined
  return keys.map((words) => words.map((word) => word.toLowerCase().padStart(8, '0')).join('-')).join(',')
}

/** Ports and ranges of ports (`80,8000-8010`) in Linux's form, sorted and joined; undefined if the text is not that (proc_do_large_bitmap). */
export function normalizePorts(text: string): string | undefined {
  const ports = new Set<number>()
  for (const part of text.replace(/,$/, '').split(',')) {
    if (text === '') break
    const [, low, high = low] = /^([0-9]+)(?:-([0-9]+))?$/.exec(part) ?? []
    if (low === undefined || Number(high) > 0xffff || Number(low) > Number(high)) return undefined
    for (let port = Number(low); port <= Number(high); port++) ports.add(port)
  }
  const parts: string[] = []
  for (let port = 0; port <= 0xffff; port++) {
    if (!ports.has(port)) continue
    const first = port
    while (ports.has(port + 1)) port++
    parts.push(first === port ? `${port}` : `${first}-${port}`)
  }
  return parts.join(',')
}

/** True if `port` is one of those of a text in Linux's form. */
export function hasPort(text: string, port: number): boolean {
  return text.split(',').some((part) => {
    const [low = Number.NaN, high = low] = part.split('-').map(Number)
    return port >= low && port <= high
  })
}
