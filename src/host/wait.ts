/** What became of a child: status words and waiting for them (wait(2), kernel/exit.c). */

import type { WaitQueue } from '../sock/wait-queue.ts'
import * as c from '../socket/signal-constants.ts'
import type { Clock } from '../sys/clock.ts'
import { EAGAIN, ECHILD } from '../sys/errno.ts'
import { CallWaiter, Sleeper, type Sleepers } from './pending.ts'
import { type SigInfo, sigInfo } from './signals.ts'

/** Where waitpid puts the status word. */
export interface WaitStatus {
  status: number
}

// The macros of wait(2).
export const WIFEXITED = (status: number): boolean => (status & 0x7f) === 0
export const WEXITSTATUS = (status: number): number => (status >> 8) & 0xff
export const WIFSIGNALED = (status: number): boolean => (status & 0x7f) !== 0 && (status & 0x7f) !== 0x7f
export const WTERMSIG = (status: number): number => status & 0x7f
export const WCOREDUMP = (status: number): boolean => (status & 0x80) !== 0
export const WIFSTOPPED = (status: number): boolean => (status & 0xff) === 0x7f
export const WSTOPSIG: (status: number) => number = WEXITSTATUS
export const WIFCONTINUED = (status: number): boolean => status === CONTINUED

/** The status words of a process that was continued, and of one that a signal stopped. */
export const CONTINUED = 0xffff
export const stopped = (signal: number): number => (signal << 8) | 0x7f

/** A child as its parent sees it. */
export interface Child {
  readonly pid: number
  readonly pgid: number
  readonly uid: number
  /** The status word of one that has ended. */
  readonly status: number | undefined
  /** Signal that stopped it, or that it was continued (SIGCONT): not reported yet; else 0. */
  change: number
  /** A zombie has been waited for. */
  reaped(): void
}

/** Which children, and what of them: `waitid`'s terms. */
export interface Wanted {
  readonly type: number
  readonly id: number
  readonly options: number
}

/** What is told of a child: waitpid's status word, waitid's siginfo. */
export interface Report {
  readonly pid: number
  readonly status: number
  readonly info: SigInfo
}

/** The first child that something is to be told of, `null` if there is none yet, -ECHILD if none can be (do_wait). */
export function findChild(children: Iterable<Child>, { type, id, options }: Wanted): Report | null | number {
  let isAny = false
  for (const child of children) {
    if ((type === c.P_PID && child.pid !== id) || (type === c.P_PGID && child.pgid !== id)) continue
    isAny = true
    const status = news(child, options)
    if (status === null) continue
    const report = { pid: child.pid, status, info: childInfo(child, status) }
    if ((options & c.WNOWAIT) !== 0) return report
    if (child.status !== undefined) child.reaped()
    else child.change = 0
    return report
  }
  return isAny ? null : -ECHILD
}

/** The status word to be told of `child`, if any. */
function news({ status, change }: Child, options: number): number | null {
  if (status !== undefined) return (options & c.WEXITED) !== 0 ? status : null
  if (change === c.SIGCONT) return (options & c.WCONTINUED) !== 0 ? CONTINUED : null
  return change !== 0 && (options & c.WSTOPPED) !== 0 ? stopped(change) : null
}

/** The siginfo of a child's change: SIGCHLD's, and waitid's. */
export function childInfo({ pid, uid }: Child, status: number): SigInfo {
  const [code, value] = WIFCONTINUED(status)
    ? [c.CLD_CONTINUED, c.SIGCONT]
    : WIFSTOPPED(status)
      ? [c.CLD_STOPPED, WSTOPSIG(status)]
      : WIFSIGNALED(status)
        ? [c.CLD_KILLED, WTERMSIG(status)]
        : [c.CLD_EXITED, WEXITSTATUS(status)]
  return sigInfo(c.SIGCHLD, { code, pid, uid, status: value })
}

/** A wait that sleeps. */
export class PendingWait extends Sleeper {
  readonly #find: () => Report | null | number
  readonly #waiter: CallWaiter = new CallWaiter(this)
  report: Report | null = null

  constructor(call: string, clock: Clock, sleepers: Sleepers, find: () => Report | null | number) {
    super(clock, sleepers)
    this.call = call
    this.#find = find
    this.#waiter.events = -1
  }

  begin(queue: WaitQueue): Promise<number> {
    queue.add(this.#waiter)
    return this.sleep(Infinity)
  }

  protected override attempt(): number {
    const found = this.#find()
    if (found === null) return -EAGAIN
    if (typeof found === 'number') return found
    this.report = found
    return found.pid
  }

  protected override letGo(): void {
    this.#waiter.queue?.remove(this.#waiter)
  }
}
