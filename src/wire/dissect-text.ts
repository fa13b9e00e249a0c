/** What the printers of one-line forms share: the line under construction, and how far the bytes may be read. */
import type { DissectContext } from './dissect-context.ts'

/** A line under construction. A printer returns true if it found its layer whole. */
export class Line {
  /** The frame. */
  readonly b: Uint8Array
  /** Text so far. */
  text: string = ''
  /** End of what may be read: the capture, or the IP total length if that is less. */
  end: number
  /** The layer being read, for `[|layer]`. */
  protocol: string = ''
  /** Conversations, if the caller keeps any. */
  readonly context: DissectContext | undefined
  /** IP headers entered. */
  depth: number = 0
  /** TCP's sequence number is told of bare acknowledgments too. */
  bareSequence: boolean = false

  constructor(b: Uint8Array, end: number, context: DissectContext | undefined) {
    this.b = b
    this.end = end
    this.context = context
  }

  /** True if `n` bytes at `o` may be read. */
  has(o: number, n: number): boolean {
    return o + n <= this.end
  }

  /** Ends the line at a truncated layer; false, for the printer to return. */
  truncated(): boolean {
    this.text += ` [|${this.protocol}]`
    return false
  }

  /** Adds text; true, for the printer to return. */
  add(text: string): boolean {
    this.text += text
    return true
  }

  /** Adds what is wrong with the layer, and ends the line; false, for the printer to return. */
  malformed(text: string): boolean {
    this.text += text
    return false
  }
}

/** `v` in hexadecimal with at least `digits` digits. */
export const hexDigits = (v: number, digits: number): string => (v >>> 0).toString(16).padStart(digits, '0')
