/**
 * A sequence: what a peer sends and a program calls, in order. Numbers are said by what was seen so far, so that the same sequence
 * means the same to both stacks as long as they reply the same: a sequence number is an offset from where the peer's stream ends
 * or from what the stack acknowledged last, an acknowledgement a place in what the stack has sent.
 */

/** Where in the stack's stream: a part (0 to 1) of what is out, in whole segments if `whole`, and bytes more. */
export interface Place {
  readonly part: number
  readonly more: number
  readonly whole: boolean
}

export interface SegmentStep {
  readonly kind: 'segment'
  /** As tcpdump prints them, ACK as a dot; `none`. */
  readonly flags: string
  /** From the end of the peer's stream, or from the last acknowledgement seen. */
  readonly from: 'end' | 'acked'
  readonly offset: number
  readonly length: number
  readonly ack: Place
  readonly window: number
  /** Other bytes than the stream has at this place. */
  readonly isWrong: boolean
  readonly urgent: number
  /** TSval from the peer's clock, TSecr from the last one seen; null leaves the option out, undefined is as negotiated. */
  readonly ts?: readonly [number, number] | null
  readonly sack: readonly (readonly [Place, Place])[]
  /** SYN only. */
  readonly mss?: number
  readonly wscale?: number
  readonly sackOk?: boolean
  /** Bytes instead of options. */
  readonly raw?: readonly number[]
  readonly tos: number
  /** Fast Open's option: no cookie, the right one for this peer, or bytes; by the experimental option if it says so. */
  readonly fastOpen?: 'ask' | 'right' | readonly number[]
  readonly isExperimental?: boolean
  /** The signature, if the sequence has a key: right if nothing is said. */
  readonly md5?: 'wrong' | 'none'
}

/** An ICMP message that quotes a segment of the stack. */
export interface IcmpStep {
  readonly kind: 'icmp'
  readonly type: number
  readonly code: number
  /** The rest of the header. */
  readonly word: number
  /** The sequence number quoted; the SYN's if the whole stream is out. */
  readonly at: Place | 'syn'
  /** Bytes of the TCP header that are quoted. */
  readonly quoted: number
  /** Quotes a segment of another connection. */
  readonly isStrange: boolean
}

export interface CallStep {
  readonly kind: 'call'
  readonly name:
    | 'accept'
    | 'send'
    | 'recv'
    | 'recvError'
    | 'shutdown'
    | 'close'
    | 'closeListener'
    | 'abort'
    | 'reopen'
    | 'setsockopt'
    | 'getsockopt'
  /** Length and flags; how; level, name, value; of `reopen` bytes to send with the SYN. */
  readonly args: readonly number[]
}

export interface WaitStep {
  readonly kind: 'wait'
  readonly ms: number
}

export type Step = SegmentStep | IcmpStep | CallStep | WaitStep

export interface Sequence {
  readonly seed: number
  /** The program connects; otherwise it listens. */
  readonly isActive: boolean
  /** Initial sequence number and clock of the peer. */
  readonly isn: number
  readonly clock: number
  /** Options of the sockets before anything else: level, name, value. */
  readonly options: readonly (readonly [number, number, number])[]
  /** Bytes that the program sends with MSG_FASTOPEN instead of connecting. */
  readonly fastOpen?: number
  /** The key of TCP_MD5SIG for the peer. */
  readonly key?: string
  readonly steps: readonly Step[]
}

/** net.ipv4.tcp_fastopen_key where the mix needs it, and its bytes. */
export const FASTOPEN_KEY = '01010101-01010101-01010101-01010101'
export const FASTOPEN_KEY_BYTES: Uint8Array = new Uint8Array(16).fill(1)

const place = ({ part, more, whole }: Place): string =>
  `${part === 0 ? 'una' : part === 1 ? 'end' : `${part.toFixed(2)}${whole ? 'w' : ''}`}${more === 0 ? '' : more > 0 ? `+${more}` : more}`

const icmpText = ({ type, code, word, at, quoted, isStrange }: IcmpStep): string =>
  `< icmp ${type}/${code} word ${word} about ${at === 'syn' ? at : place(at)} quoting ${quoted}${isStrange ? ', of another connection' : ''}`

/** One line for a reader. */
export function stepText(step: Step): string {
  if (step.kind === 'wait') return `wait ${step.ms} ms`
  if (step.kind === 'call') return `${step.name}(${step.args.join(', ')})`
  if (step.kind === 'icmp') return icmpText(step)
  const parts = [
    `< ${step.flags} ${step.from}${step.offset >= 0 ? '+' : ''}${step.offset} (${step.length}) ack ${place(step.ack)} win ${step.window}`,
  ]
  if (step.isWrong) parts.push('other bytes')
  if (step.urgent !== 0) parts.push(`urg ${step.urgent}`)
  if (step.ts !== undefined) parts.push(step.ts === null ? 'no TS' : `TS now${step.ts[0]} seen${step.ts[1]}`)
  if (step.mss !== undefined) parts.push(`mss ${step.mss}`)
  if (step.wscale !== undefined) parts.push(`wscale ${step.wscale}`)
  if (step.sackOk === true) parts.push('sackOK')
  for (const [left, right] of step.sack) parts.push(`sack ${place(left)}:${place(right)}`)
  if (step.raw !== undefined) parts.push(`raw ${step.raw.join(' ')}`)
  if (step.fastOpen !== undefined) parts.push(`${step.isExperimental === true ? 'FOEXP' : 'FO'} ${step.fastOpen}`)
  if (step.md5 !== undefined) parts.push(`md5 ${step.md5}`)
  if (step.tos !== 0) parts.push(`tos ${step.tos}`)
  return parts.join(' ')
}
