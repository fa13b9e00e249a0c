/**
 * Faults in words, for command lines: `delay=20ms,jitter=5ms,loss=2%,rate=100mbit,queue=100,seed=7`.
 *
 *   delay, jitter      a time: 20ms, 500us, 1s; a bare number is milliseconds
 *   distribution       constant, uniform, normal, pareto
 *   unordered          jitter may reorder
 *   reorder, gap       a probability (1% or 0.01); every so-many-th packet
 *   loss, duplicate, corrupt    a probability
 *   burst              ENTER:LEAVE[:BAD[:GOOD]], probabilities of the Gilbert-Elliott model
 *   drop               packet numbers: 3:5:9
 *   rate               100mbit, 2gbit, 64kbit; a bare number is bit/s
 *   queue              packets, or bytes with a unit: 100, 64kb
 *   mtu                bytes
 *   down               nothing gets through
 *   direction          out (default), in, both
 *   seed               of the chances above
 */
import type { ImpairOptions } from './impair.ts'
import { type Distribution, Faults, type Impairment } from './impairment.ts'

/** What a spec says: faults for `impair`, and the seed if there is one. */
export interface ImpairSpec {
  readonly options: ImpairOptions
  readonly seed: number | undefined
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Everything a spec can set, being collected. */
class Draft {
  readonly faults: Mutable<Impairment> = {}
  direction = 'out'
  seed: number | undefined
}

/** Reads a spec; throws RangeError that names the word it does not understand. */
export function parseImpairSpec(text: string): ImpairSpec {
  const draft = new Draft()
  for (const part of text.split(',')) {
    const word = part.trim()
    if (word === '') continue
    const equals = word.indexOf('=')
    const name = equals < 0 ? word : word.slice(0, equals)
    const value = equals < 0 ? undefined : word.slice(equals + 1)
    if (!setWord(draft, name, value, word)) throw new RangeError(`impairment '${word}': no such word as '${name}'`)
  }
  const { faults, direction, seed } = draft
  // Throws for what contradicts itself, such as reordering without a delay.
  new Faults(faults)
  const options =
    direction === 'out' ? faults : direction === 'in' ? { ingress: faults } : { egress: faults, ingress: faults }
  return { options, seed }
}

/** Sets what one word says; false if there is no such word. */
function setWord(draft: Draft, name: string, value: string | undefined, word: string): boolean {
  const f = draft.faults
  if (name === 'down' || name === 'unordered') {
    if (value !== undefined) throw new RangeError(`impairment '${word}': '${name}' takes no value`)
    f[name] = true
    return true
  }
  if (value === undefined) return false
  switch (name) {
    case 'delay':
      f.delayMs = scaled(word, value, TIMES, 'ms')
      return true
    case 'jitter':
      f.jitterMs = scaled(word, value, TIMES, 'ms')
      return true
    case 'distribution':
      f.distribution = oneOf(word, value, ['constant', 'uniform', 'normal', 'pareto']) as Distribution
      return true
    case 'direction':
      draft.direction = oneOf(word, value, ['out', 'in', 'both'])
      return true
    case 'loss':
    case 'duplicate':
    case 'corrupt':
    case 'reorder':
      f[name] = chance(word, value)
      return true
    case 'gap':
      f.reorderGap = count(word, value, 1)
      return true
    case 'burst':
      f.burst = burst(word, value)
      return true
    case 'drop':
      f.dropNth = value.split(':').map((n) => count(word, n, 1))
      return true
    case 'rate':
      f.rate = scaled(word, value, RATES, 'bit')
      return true
    case 'queue':
      if (/^\d+$/.test(value)) f.queuePackets = count(word, value, 0)
      else f.queueBytes = scaled(word, value, SIZES, 'b')
      return true
    case 'mtu':
      f.mtu = count(word, value, 68)
      return true
    case 'seed':
      draft.seed = count(word, value, 0)
      return true
    default:
      return false
  }
}

/** Units and what one of them is, in milliseconds, bits per second and bytes (tc(8)). */
const TIMES: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 }
const RATES: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, tbit: 1e12 }
const SIZES: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1048576 }

function scaled(word: string, value: string, units: Readonly<Record<string, number>>, bare: string): number {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(value.toLowerCase())
  const unit = match?.[2] === '' ? bare : match?.[2]
  if (match === null || unit === undefined || !Object.hasOwn(units, unit))
    throw new RangeError(
      `impairment '${word}': '${value}' is not a number with one of ${Object.keys(units).join(', ')}`,
    )
  return Number(match[1]) * (units[unit] as number)
}

function chance(word: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)(%?)$/.exec(value)
  const p = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1)
  if (!(p >= 0 && p <= 1))
    throw new RangeError(`impairment '${word}': '${value}' is not a probability such as 2% or 0.02`)
  return p
}

function count(word: string, value: string, least: number): number {
  const n = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
  if (!(n >= least)) throw new RangeError(`impairment '${word}': '${value}' is not a whole number from ${least} up`)
  return n
}

function oneOf(word: string, value: string, words: readonly string[]): string {
  if (!words.includes(value)) throw new RangeError(`impairment '${word}': '${value}' is none of ${words.join(', ')}`)
  return value
}

function burst(word: string, value: string): Impairment['burst'] & object {
  const p = value.split(':').map((text) => chance(word, text))
  if (p.length < 2 || p.length > 4) throw new RangeError(`impairment '${word}': burst is ENTER:LEAVE[:BAD[:GOOD]]`)
  return { enter: p[0] as number, leave: p[1] as number, lossBad: p[2] ?? 1, lossGood: p[3] ?? 0 }
}
