/**
 * Names of local sockets between text and bytes. Linux's names are bytes, usually UTF-8; a byte that is none becomes a lone
 * surrogate U+DC80..DCFF and turns back into itself (PEP 383), so that every name survives the way there and back.
 */

const ESCAPE = 0xdc00

const isContinuation = (b: number | undefined): boolean => b !== undefined && (b & 0xc0) === 0x80

/** Bytes of the well-formed UTF-8 sequence at `i` (Unicode table 3-7), or 0. */
function sequenceLength(bytes: Uint8Array, i: number, end: number): number {
  const a = bytes[i] ?? 0
  const b = bytes[i + 1] ?? 0
  const length = a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf5 ? 4 : 0
  if (i + length > end) return 0
  for (let n = 1; n < length; n++) if (!isContinuation(bytes[i + n])) return 0
  const isBad =
    (a === 0xe0 && b < 0xa0) || (a === 0xed && b > 0x9f) || (a === 0xf0 && b < 0x90) || (a === 0xf4 && b > 0x8f)
  return isBad ? 0 : length
}

/** The text of bytes [start, end). */
export function pathFromBytes(bytes: Uint8Array, start: number = 0, end: number = bytes.length): string {
  let text = ''
  for (let i = start; i < end; ) {
    const length = sequenceLength(bytes, i, end)
    const a = bytes[i] ?? 0
    if (length <= 1) {
      text += String.fromCharCode(length === 1 ? a : ESCAPE | a)
      i++
      continue
    }
    let code = a & (0x7f >> length)
    for (let n = 1; n < length; n++) code = (code << 6) | ((bytes[i + n] ?? 0) & 0x3f)
    text += String.fromCodePoint(code)
    i += length
  }
  return text
}

/** The bytes of a text. */
export function pathToBytes(text: string): Uint8Array {
  const bytes: number[] = []
  for (const character of text) {
    const code = character.codePointAt(0) as number
    if (code >= (ESCAPE | 0x80) && code <= (ESCAPE | 0xff)) bytes.push(code & 0xff)
    else if (code < 0x80) bytes.push(code)
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f))
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f))
    else
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f))
  }
  return Uint8Array.from(bytes)
}
