/** sendfile(2): bytes of a file go to a socket, a pipe or another file from where they lie, without a buffer between. */

import { Span } from '../fs/regular.ts'
import { MSG_MORE, MSG_NOSIGNAL } from '../sock/constants.ts'
import type { OpenFile } from '../socket/open-file.ts'
import { SocketFile } from '../socket/socket-file.ts'
import type { Clock } from '../sys/clock.ts'
import { EAGAIN, EINTR, EPIPE } from '../sys/errno.ts'
import { PendingCall, type Sleepers } from './pending.ts'

/** Bytes of one call at most (MAX_RW_COUNT). */
export const MAX_RW_COUNT = 0x7ffff000

/** The off_t of sendfile: where to read from, and after the call where it stopped. */
export interface FileOffset {
  offset: number
}

/** One call: how far it is. */
export class Sendfile extends PendingCall {
  readonly #out: OpenFile
  readonly #in: OpenFile
  readonly #count: number
  readonly #span: Span = new Span()
  readonly #moved: (position: number) => void
  readonly #brokenPipe: () => void
  #position: number
  #done = 0

  /** From `position` of `from`; `moved` is told where it stopped, `brokenPipe` of an -EPIPE. */
  constructor(
    {
      clock,
      sleepers,
      brokenPipe,
    }: { readonly clock: Clock; readonly sleepers: Sleepers; readonly brokenPipe: () => void },
    {
      out,
      from,
      position,
      count,
    }: { readonly out: OpenFile; readonly from: OpenFile; readonly position: number; readonly count: number },
    moved: (position: number) => void,
  ) {
    super(clock, sleepers)
    this.call = 'sendfile'
    this.#out = out
    this.#in = from.ref()
    this.#position = position
    this.#count = Math.min(count, MAX_RW_COUNT)
    this.#moved = moved
    this.#brokenPipe = brokenPipe
  }

  /** As far as it goes without waiting: bytes, -EAGAIN if it could go on later, or -errno. */
  start(): number {
    const result = this.attempt()
    return result === -EAGAIN && this.#done > 0 && this.#out.isNonBlocking ? this.#done : result
  }

  /** The call is over, slept or not: the file read from is let go. */
  stop(): void {
    this.#moved(this.#position)
    this.#in.unref()
  }

  protected override attempt(): number {
    const span = this.#span
    while (this.#done < this.#count) {
      const refused = this.#in.spanAt(this.#position, span)
      if (refused < 0) return this.#done > 0 ? this.#done : refused
      const length = Math.min(span.length, this.#count - this.#done)
      if (length === 0) break
      const sent = this.#send(length)
      if (sent < 0 && sent !== -EAGAIN) return this.#failed(sent)
      this.#done += Math.max(sent, 0)
      this.#position += Math.max(sent, 0)
      if (sent < length) return -EAGAIN
    }
    return this.#done
  }

  #send(length: number): number {
    const { bytes, offset } = this.#span
    const out = this.#out
    if (!(out instanceof SocketFile)) return out.write(bytes, offset, length)
    const isLast = this.#done + length === this.#count || this.#isEnd(this.#position + length)
    return out.send(bytes, offset, length, MSG_NOSIGNAL | (isLast ? 0 : MSG_MORE), null)
  }

  #isEnd(position: number): boolean {
    const next = new Span()
    return this.#in.spanAt(position, next) < 0 || next.length === 0
  }

  #failed(errno: number): number {
    if (errno === -EPIPE) this.#brokenPipe()
    return this.#done > 0 ? this.#done : errno
  }

  protected override expire(): number {
    return this.#done > 0 ? this.#done : -EAGAIN
  }

  protected override interrupted(): number {
    return this.#done > 0 ? this.#done : -EINTR
  }

  protected override letGo(): void {
    super.letGo()
    this.stop()
  }
}
