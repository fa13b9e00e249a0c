/**
 * Any frame as text: one line as `tcpdump -n` prints it, and a tree of fields as Wireshark shows it. Cold: for traces,
 * the lab and test failures. Hostile bytes give a line that says so; nothing is thrown.
 */
import type { DissectContext } from './dissect-context.ts'
import { printEthernet, printIpv4 } from './dissect-line.ts'
import type { TreeNode } from './dissect-node.ts'
import { Line } from './dissect-text.ts'
import { frameTree } from './dissect-tree.ts'

export { type Conversation, DissectContext } from './dissect-context.ts'
export type { TreeNode } from './dissect-node.ts'

/** How to read a frame. */
export interface DissectOptions {
  /** What the frame starts with; 'ethernet' if not given. */
  readonly medium?: 'ethernet' | 'ip'
  /** Bytes on the wire, if the capture kept fewer. */
  readonly wireLength?: number
  /** Memory for relative TCP sequence numbers; absolute ones without it, as `tcpdump -S`. */
  readonly context?: DissectContext
  /** TCP's sequence number is told of bare acknowledgments too, as `tcpdump -vv` does. */
  readonly bareSequence?: boolean
}

/** A frame as text. */
export interface Dissection {
  /** As `tcpdump -n -t`. */
  readonly line: string
  /** One node for each layer. */
  readonly tree: readonly TreeNode[]
}

/** The frame as tcpdump's line and as a tree. */
export const dissect = (bytes: Uint8Array, options: DissectOptions = {}): Dissection => ({
  line: line(bytes, options),
  tree: tree(bytes, options),
})

/** The frame as `tcpdump -n -t` prints it. */
export function line(bytes: Uint8Array, options: DissectOptions = {}): string {
  const out = new Line(bytes, bytes.length, options.context)
  out.bareSequence = options.bareSequence ?? false
  const length = Math.max(options.wireLength ?? bytes.length, bytes.length)
  if (options.medium === 'ip') printIpv4(out, 0, length)
  else printEthernet(out, 0, length)
  return out.text
}

/** The frame's layers and fields. */
export const tree = (bytes: Uint8Array, options: DissectOptions = {}): TreeNode[] =>
  frameTree(bytes, options.medium ?? 'ethernet')
