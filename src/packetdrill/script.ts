/** A parsed script: options, shell texts and events. Times in microseconds, sequence numbers as the script has them. */

/** An argument or result of a system call. */
export type Expression =
  | { readonly kind: 'ellipsis' }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'word'; readonly name: string }
  | { readonly kind: 'or'; readonly parts: readonly Expression[] }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'struct'; readonly fields: ReadonlyMap<string, Expression>; readonly items: readonly Expression[] }
  | { readonly kind: 'call'; readonly name: string; readonly items: readonly Expression[] }

/** When an event is to happen. */
export interface EventTime {
  readonly kind: 'absolute' | 'relative' | 'any'
  readonly at: number
  /** End of a range (outbound packets), or the same as `at`. */
  readonly to: number
}

/** One option of a TCP header in a script. */
export type ScriptOption =
  | { readonly kind: 'nop' | 'eol' | 'sackOK' }
  | { readonly kind: 'mss' | 'wscale'; readonly value: number }
  | { readonly kind: 'sack'; readonly blocks: readonly (readonly [number, number])[] }
  | { readonly kind: 'TS'; readonly val: number; readonly ecr: number }
  | { readonly kind: 'FO' | 'FOEXP'; readonly cookie: string }
  | { readonly kind: 'md5'; readonly digest: string }
  | { readonly kind: 'ECN'; readonly order: 0 | 1; readonly fields: readonly number[] }

/** What is said of the IP header. -1: nothing. */
export interface IpInfo {
  readonly ecn: 'noecn' | 'ect0' | 'ect1' | 'ce' | 'ect01' | null
  readonly tos: number
  readonly ttl: number
}

export interface TcpPacket {
  readonly kind: 'tcp'
  readonly inbound: boolean
  readonly ip: IpInfo
  readonly sourcePort: number
  readonly destinationPort: number
  /** Header bits FIN … AE, and the ACE counter if one was given in place of E, W, A (-1: none). */
  readonly flags: number
  readonly ace: number
  readonly seq: number
  readonly length: number
  /** -1: absent. */
  readonly ack: number
  readonly window: number
  readonly urgent: number
  /** null: `<...>`, unchecked. */
  readonly options: readonly ScriptOption[] | null
  readonly text: string
}

export interface UdpPacket {
  readonly kind: 'udp'
  readonly inbound: boolean
  readonly ip: IpInfo
  readonly sourcePort: number
  readonly destinationPort: number
  readonly length: number
  readonly text: string
}

export interface IcmpPacket {
  readonly kind: 'icmp'
  readonly inbound: boolean
  readonly ip: IpInfo
  readonly type: string
  readonly code: string
  readonly mtu: number
  readonly id: number
  /** What is quoted between brackets; null: nothing is said of it. */
  readonly quote: { readonly protocol: 'tcp' | 'udp'; readonly seq: number; readonly length: number } | null
  readonly text: string
}

export type ScriptPacket = TcpPacket | UdpPacket | IcmpPacket

export interface SystemCall {
  readonly kind: 'call'
  readonly name: string
  readonly args: readonly Expression[]
  readonly result: Expression
  readonly errno: string
  /** Expected return of a blocking call in the base of the start; -1: it must not sleep. */
  readonly end: number
  readonly text: string
}

export type Action =
  | ScriptPacket
  | SystemCall
  | { readonly kind: 'shell'; readonly command: string }
  | { readonly kind: 'code'; readonly source: string }

export interface ScriptEvent {
  readonly line: number
  readonly time: EventTime
  readonly action: Action
}

export interface Script {
  readonly options: ReadonlyMap<string, string>
  readonly init: string | null
  readonly events: readonly ScriptEvent[]
  readonly final: string | null
}
