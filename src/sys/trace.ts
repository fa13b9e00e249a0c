/**
 * What can be watched. A listener that is not there costs one test of a field: `if (trace.drop !== null) …`.
 * Listeners must not call back into the stack; they may copy what they are shown.
 */
import type { Packet } from '../buf/packet.ts'

/** Why a packet was given up, as `layer.reason`; each has a counter of the same event in Linux's names where Linux has one. */
export type DropReason = string

export class Trace {
  /** A packet was dropped on the way in or out. `where` is the host's name. */
  drop: ((packet: Packet, reason: DropReason, where: string) => void) | null = null
  /** A connection went from one state to another; `socket` is what the transport calls a connection. */
  tcpState: ((socket: object, from: number, to: number, where: string) => void) | null = null
  /** A timer of a connection fired: 'rto', 'tlp', 'probe', 'delack', 'keepalive', 'timewait', 'synack'. */
  tcpTimer: ((socket: object, name: string, where: string) => void) | null = null
  /** A segment was sent again. */
  tcpRetransmit: ((socket: object, seq: number, length: number, why: string) => void) | null = null
  /** A system call returned: name, its arguments as text made on demand, result (a value, or minus an errno). */
  syscall: ((pid: number, name: string, args: readonly unknown[], result: number, where: string) => void) | null = null
  /** A signal was delivered, or ignored: `info` is its siginfo_t. */
  signal: ((pid: number, info: SignalTold, where: string) => void) | null = null
  /** A process ended: `status` is its status word (wait(2)). */
  exit: ((pid: number, status: number, where: string) => void) | null = null
}

/** A siginfo_t as far as it is shown. */
export interface SignalTold {
  readonly signo: number
  readonly code: number
  readonly pid: number
  readonly uid: number
  readonly status: number
  readonly fd: number
  readonly band: number
  readonly value: number
}
