/** What a listener holds between the SYN and accept() (Linux inet_connection_sock's request_sock_queue). */
import type { Request } from './request.ts'
import type { Tcb } from './tcb.ts'

/** Connections of one listener: finished ones waiting for accept(), and the count of half-open ones. */
export class AcceptQueue {
  backlog: number
  first: Tcb | null = null
  last: Tcb | null = null
  length = 0
  /** Half-open requests, and those never retransmitted yet. */
  halfOpen = 0
  readonly requests: Set<Request> = new Set()
  /** When a SYN cookie was last sent, in us; -Infinity: never. */
  lastCookie: number = -Infinity

  constructor(backlog: number) {
    this.backlog = backlog
  }

  /** Linux holds one more than the backlog (sk_acceptq_is_full). */
  get isFull(): boolean {
    return this.length > this.backlog
  }

  push(t: Tcb): void {
    t.nextAccept = null
    if (this.last === null) this.first = t
    else this.last.nextAccept = t
    this.last = t
    this.length++
  }

  shift(): Tcb | null {
    const t = this.first
    if (t === null) return null
    this.first = t.nextAccept
    if (this.first === null) this.last = null
    t.nextAccept = null
    this.length--
    return t
  }
}
