/** IPv6 addresses as sixteen bytes in network order: text by RFC 4291 §2.2 (any) and RFC 5952 (the canonical one). */
import * as ip4 from './ip4.ts'

/** Bytes in an address. */
export const LENGTH = 16

const GROUPS = 8

/** The value of a hexadecimal digit, or -1. */
function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48
  const lower = c | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

/**
 * Reads the text as inet_pton does: groups of one to four hexadecimal digits, `::` once for one group of zeros or more,
 * dotted quad for the last two. Undefined if it is none of that.
 */
export function parse(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(LENGTH)
  let at = 0
  let gap = -1
  let i = 0
  // A leading colon must be the first of two.
  if (text.startsWith(':')) {
    if (text[1] !== ':') return undefined
    i = 1
  }
  while (i < text.length) {
    if (text[i] === ':') {
      if (gap >= 0) return undefined
      gap = at
      i++
      continue
    }
    if (at === LENGTH) return undefined
    const start = i
    let value = 0
    let digit = hexDigit(text.charCodeAt(i))
    for (; digit >= 0 && i - start < 4; digit = hexDigit(text.charCodeAt(i))) {
      value = (value << 4) | digit
      i++
    }
    if (text[i] === '.') {
      const quad = at <= LENGTH - 4 ? ip4.parse(text.slice(start)) : undefined
      if (quad === undefined) return undefined
      for (let n = 0; n < 4; n++) bytes[at++] = quad >>> (24 - 8 * n)
      break
    }
    if (i === start || (i < text.length && text[i] !== ':')) return undefined
    bytes[at++] = value >>> 8
    bytes[at++] = value
    // A single colon at the end promises a group that does not come.
    if (i < text.length && ++i === text.length) return undefined
  }
  if (gap < 0) return at === LENGTH ? bytes : undefined
  if (at === LENGTH) return undefined
  bytes.copyWithin(LENGTH - (at - gap), gap, at)
  bytes.fill(0, gap, LENGTH - (at - gap))
  return bytes
}

/** `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2), and what glibc also prints with a dotted quad: `::a.b.c.d` of more than 16 bits. */
export const isV4Mapped = (b: Uint8Array): boolean =>
  b.subarray(0, 10).every((x) => x === 0) && b[10] === 0xff && b[11] === 0xff
const isV4Compatible = (b: Uint8Array): boolean =>
  b.subarray(0, 12).every((x) => x === 0) && (b[12] !== 0 || b[13] !== 0)

/** The canonical text (RFC 5952 §4): lower case, no leading zeros, the first longest run of two zero groups or more as `::`. */
export function format(b: Uint8Array): string {
  const groups = Array.from({ length: GROUPS }, (_, i) => ((b[2 * i] ?? 0) << 8) | (b[2 * i + 1] ?? 0))
  const quad = isV4Mapped(b) || isV4Compatible(b)
  const count = quad ? GROUPS - 2 : GROUPS
  let best = 0
  let bestLength = 1
  for (let i = 0; i < count; i++) {
    let n = 0
    while (i + n < count && groups[i + n] === 0) n++
    if (n > bestLength) {
      best = i
      bestLength = n
    }
    i += n
  }
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':')
  const tail = quad ? ip4.format(ip4.of(b[12] ?? 0, b[13] ?? 0, b[14] ?? 0, b[15] ?? 0)) : ''
  const text = bestLength > 1 ? `${hex(0, best)}::${hex(best + bestLength, count)}` : hex(0, count)
  return quad ? `${text}${text.endsWith(':') ? '' : ':'}${tail}` : text
}
