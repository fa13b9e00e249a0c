/** The './wire' entry: header layouts as namespaces of pure functions over bytes. */

export * as arp from './arp.ts'
export * as bytes from './bytes.ts'
export * as checksum from './checksum.ts'
export type { Dissection, DissectOptions, TreeNode } from './dissect.ts'
export { DissectContext, dissect, line, tree } from './dissect.ts'
export * as ethernet from './ethernet.ts'
export * as icmpv4 from './icmpv4.ts'
export * as ipv4 from './ipv4.ts'
export * as ipv4Options from './ipv4-options.ts'
export * as tcp from './tcp.ts'
export * as tcpOptions from './tcp-options.ts'
export * as udp from './udp.ts'
