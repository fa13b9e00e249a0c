/** The nodes of a dissection tree and the small texts all layers share. Names are Wireshark's field names. */
import { get8 } from './bytes.ts'

/** One layer or field of a frame. */
export interface TreeNode {
  /** Wireshark's filter name: `ip.ttl`. */
  readonly name: string
  /** What Wireshark writes in that row: `Time to Live: 64`. */
  readonly text: string
  /** Where the field's bytes begin in the frame. */
  readonly offset: number
  /** How many bytes it has. */
  readonly length: number
  /** Fields inside. */
  readonly children: readonly TreeNode[]
}

/** A node. */
export const node = (
  name: string,
  text: string,
  offset: number,
  length: number,
  children: readonly TreeNode[] = [],
): TreeNode => ({ name, text, offset, length, children })

/** The row that ends a layer whose bytes are missing. */
export const truncated = (layer: string, o: number, end: number): TreeNode =>
  node('_ws.short', `[Packet size limited during capture: ${layer} truncated]`, Math.min(o, end), Math.max(0, end - o))

/** Rows for bytes no layer reads; none if there are none. */
export const data = (o: number, end: number): TreeNode[] =>
  end > o ? [node('data', `Data (${plural(end - o, 'byte')})`, o, end - o)] : []

/** `1 byte`, `2 bytes`. */
export const plural = (n: number, unit: string): string => `${n} ${unit}${n === 1 ? '' : 's'}`

/** `v` in hexadecimal with 0x and `digits` digits. */
export const hex = (v: number, digits: number): string => `0x${(v >>> 0).toString(16).padStart(digits, '0')}`

/** The bytes as hexadecimal. */
export function hexBytes(b: Uint8Array, o: number, n: number): string {
  let s = ''
  for (let i = 0; i < n; i++)
    s += get8(b, o + i)
      .toString(16)
      .padStart(2, '0')
  return s
}

/** A bit pattern as Wireshark draws it: the bits of `mask` as digits, the rest as dots, in groups of four. */
export function bits(value: number, mask: number, width: number): string {
  let s = ''
  for (let i = width - 1; i >= 0; i--) {
    s += ((mask >>> i) & 1) === 0 ? '.' : String((value >>> i) & 1)
    if (i > 0 && i % 4 === 0) s += ' '
  }
  return s
}

/** `[correct]`, or what the field should hold. */
export const checksumNote = (field: number, right: number): string =>
  field === right ? '[correct]' : `[incorrect, should be ${hex(right, 4)}]`
