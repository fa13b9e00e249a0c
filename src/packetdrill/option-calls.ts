/** setsockopt and getsockopt as scripts write them. */
import { IPPROTO_IPV6, SO_LINGER, SOL_IP, SOL_SOCKET, TCP_CONGESTION, TCP_ULP } from '../sock/constants.ts'
import { OptionResult, type OptionValue, type Sock } from '../sock/sock.ts'
import { getOption, setOption } from '../socket/options.ts'
import { EFAULT } from '../sys/errno.ts'
import type { Expression } from './script.ts'
import { field, items, numberOf, numberOr } from './values.ts'

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
  if (e?.kind === 'struct' && e.fields.has('onoff')) {
    return { onoff: numberOr(field(e, 'onoff'), 0), linger: numberOr(field(e, 'linger'), 0) }
  }
  const value = numberOf(e)
  if (value === null) return null
  // Another length than an int's: the bytes themselves, as many as the script says.
  return length === 4 ? value : new Uint8Array(Int32Array.of(value).buffer).slice(0, Math.max(length, 0))
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
    problem: checkOption(expected, value, level, name),
  }
}

/** What is wrong with the value of an option, or null. */
export const checkOption = (
  e: Expression | undefined,
  value: OptionValue,
  level: number,
  name: number,
): string | null => (isEqual(e, value, level, name) ? null : `expected ${describe(e)}, got ${textOf(value)}`)

function isEqual(expected: Expression | undefined, value: OptionValue, level: number, name: number): boolean {
  if (expected === undefined || expected.kind === 'ellipsis') return true
  if (expected.kind === 'string') {
    if (typeof value === 'string') return value === expected.text.replace(/\0[\s\S]*$/, '')
    if (!(value instanceof Uint8Array)) return false
    const bytes = latin(expected.text)
    return bytes.length === value.length && bytes.every((b, i) => b === value[i])
  }
  if (level === SOL_SOCKET && name === SO_LINGER && typeof value === 'object' && 'onoff' in value) {
    const at = expected.kind === 'list' ? items(expected)[0] : expected
    return numberOr(field(at, 'onoff'), 0) === value.onoff && numberOr(field(at, 'linger'), 0) === value.linger
  }
  const number = numberOf(expected)
  return number === null || (typeof value === 'number' && (value | 0) === (number | 0))
}

const describe = (e: Expression | undefined): string =>
  e?.kind === 'string' ? JSON.stringify(e.text) : e === undefined ? '' : `[${String(numberOf(e))}]`
