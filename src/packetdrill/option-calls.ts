/** setsockopt and getsockopt as scripts write them. */
import { IPPROTO_IPV6, SOL_IP, TCP_CONGESTION, TCP_ULP } from '../sock/constants.ts'
import { OptionResult, type OptionValue, type Sock } from '../sock/sock.ts'
import { getOption, setOption } from '../socket/options.ts'
import { EFAULT } from '../sys/errno.ts'
import type { Expression } from './script.ts'
import { field, items, numberOf, numberOr, Unsupported } from './values.ts'

const latin = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))

/** IPv6 options of a mapped socket act on what they mean for IPv4. */
const V6_TO_V4: Readonly<Record<number, number>> = { 67: 1, 16: 2, 23: 10, 25: 11, 24: 14 }

function levelAndName(args: readonly Expression[]): { level: number; name: number } {
  const level = numberOr(args[1], 0)
  const name = numberOr(args[2], 0)
  const v4 = level === IPPROTO_IPV6 ? V6_TO_V4[name] : undefined
  return v4 === undefined ? { level, name } : { level: SOL_IP, name: v4 }
}

/** What a script gives to setsockopt; null: a bad pointer. */
export function optionValueOf(
  e: Expression | undefined,
  level: number,
  name: number,
  length: number,
): OptionValue | null {
  if (e?.kind === 'string') {
    const isText = level === 6 && (name === TCP_CONGESTION || name === TCP_ULP)
    return isText ? e.text.replace(/\0[\s\S]*$/, '') : latin(e.text.slice(0, length))
  }
  const first = e?.kind === 'list' && e.items[0]?.kind === 'struct' ? e.items[0] : e
  if (first?.kind === 'struct') return structOf(first)
  if (e?.kind === 'word' && e.name === 'NULL') return null
  const value = numberOf(e)
  if (value === null) return null
  // Another length than an int's: the bytes themselves, as many as the script says.
  return length === 4 ? value : new Uint8Array(Int32Array.of(value).buffer).slice(0, Math.max(length, 0))
}

/** The structures that options take, under the names of C or those of the real tool: struct linger, struct timeval. */
function structOf(e: Expression): OptionValue {
  const either = (name: string, long: string): number | null => numberOf(field(e, name) ?? field(e, long))
  const [onoff, sec] = [either('onoff', 'l_onoff'), either('sec', 'tv_sec')]
  if (onoff !== null) return { onoff, linger: either('linger', 'l_linger') ?? 0 }
  if (sec !== null) return { sec, usec: either('usec', 'tv_usec') ?? 0 }
  throw new Unsupported(
    `a structure with ${e.kind === 'struct' ? [...e.fields.keys()].join(', ') : e.kind} as an option`,
  )
}

/** 0 or -errno. */
export function setOptionCall(sock: Sock, args: readonly Expression[]): number {
  const { level, name } = levelAndName(args)
  const length = numberOr(args[4], 4)
  const value = optionValueOf(args[3], level, name, length)
  if (value === null) return -EFAULT
  sock.privileged = true
  return setOption(sock, level, name, value)
}

function textOf(value: OptionValue): string {
  if (typeof value === 'number') return `[${value}]`
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Uint8Array) return [...value].map((b) => b.toString(16).padStart(2, '0')).join('')
  return JSON.stringify(value)
}

/** The result, and what is wrong with value or length. */
export function getOptionCall(sock: Sock, args: readonly Expression[]): { result: number; problem: string | null } {
  const { level, name } = levelAndName(args)
  const into = new OptionResult()
  const result = getOption(sock, level, name, into)
  if (result < 0) return { result, problem: null }
  const expected = args[3]
  const { value } = into
  return {
    result: Math.min(result, 0),
    problem: checkOption(expected, value),
  }
}

/** What is wrong with the value of an option, or null. */
export const checkOption = (e: Expression | undefined, value: OptionValue): string | null =>
  isEqual(e, value) ? null : `expected ${describe(e)}, got ${textOf(value)}`

function isEqual(expected: Expression | undefined, value: OptionValue): boolean {
  if (expected === undefined || expected.kind === 'ellipsis') return true
  if (expected.kind === 'string') {
    if (typeof value === 'string') return value === expected.text.replace(/\0[\s\S]*$/, '')
    if (!(value instanceof Uint8Array)) return false
    const bytes = latin(expected.text)
    return bytes.length === value.length && bytes.every((b, i) => b === value[i])
  }
  const at = expected.kind === 'list' ? items(expected)[0] : expected
  if (at?.kind === 'struct') return JSON.stringify(structOf(at)) === JSON.stringify(value)
  const number = numberOf(expected)
  return number === null || (typeof value === 'number' && (value | 0) === (number | 0))
}

function describe(e: Expression | undefined): string {
  if (e?.kind === 'string') return JSON.stringify(e.text)
  const at = e?.kind === 'list' ? e.items[0] : e
  return at?.kind === 'struct' ? JSON.stringify(structOf(at)) : `[${String(numberOf(e))}]`
}
