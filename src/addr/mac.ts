/** 48-bit hardware addresses as six bytes: IEEE 802 §8. Text in lower case with colons, as Linux prints it. */

/** Bytes in an address. */
export const LENGTH = 6

/** A fresh ff:ff:ff:ff:ff:ff. */
export const broadcast = (): Uint8Array => new Uint8Array(LENGTH).fill(0xff)
/** A fresh 00:00:00:00:00:00. */
export const zero = (): Uint8Array => new Uint8Array(LENGTH)

/** Reads six groups of one or two hexadecimal digits divided by `:` or `-`; undefined if the text is not that. */
export function parse(text: string): Uint8Array | undefined {
  const parts = text.split(text.includes('-') ? '-' : ':')
  if (parts.length !== LENGTH) return undefined
  const bytes = new Uint8Array(LENGTH)
  for (const [i, part] of parts.entries()) {
    if (!/^[0-9a-fA-F]{1,2}$/.test(part)) return undefined
    bytes[i] = Number.parseInt(part, 16)
  }
  return bytes
}

/** The text of the six bytes at `o`. */
export function format(b: Uint8Array, o: number = 0): string {
  let s = ''
  for (let i = 0; i < LENGTH; i++) s += (i > 0 ? ':' : '') + (b[o + i] ?? 0).toString(16).padStart(2, '0')
  return s
}

/** True if the six bytes at `ao` and `bo` are the same. */
export function equal(a: Uint8Array, b: Uint8Array, ao: number = 0, bo: number = 0): boolean {
  for (let i = 0; i < LENGTH; i++) if (a[ao + i] !== b[bo + i]) return false
  return true
}

/** True if the group bit is set; broadcast counts (IEEE 802 §8.2). */
export const isMulticast = (b: Uint8Array, o: number = 0): boolean => ((b[o] ?? 0) & 1) !== 0
/** True if all bits are set. */
export function isBroadcast(b: Uint8Array, o: number = 0): boolean {
  for (let i = 0; i < LENGTH; i++) if (b[o + i] !== 0xff) return false
  return true
}
/** True if all bits are clear. */
export function isZero(b: Uint8Array, o: number = 0): boolean {
  for (let i = 0; i < LENGTH; i++) if (b[o + i] !== 0) return false
  return true
}
