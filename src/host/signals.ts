/**
 * Signals of one process (signal(7), kernel/signal.c): dispositions, mask, what is pending, and delivery. Programs are
 * cooperative: a handler runs in a task of the clock while the program sleeps in a call or between its calls, or within
 * the call by which a process signals itself. A handler that gives a promise is waited for before the call it
 * interrupted goes on; one that throws ends that call with what it throws, as siglongjmp(3) would leave it.
 */

import { POLLIN, WaitQueue } from '../sock/wait-queue.ts'
import * as c from '../socket/signal-constants.ts'
import { type Clock, FunctionTask } from '../sys/clock.ts'
import { EAGAIN, EINVAL } from '../sys/errno.ts'
import type { Sleeper, Sleepers } from './pending.ts'
import { SigSet } from './sigset.ts'

/** RLIMIT_SIGPENDING: real-time signals that may be queued. Linux counts by user; here each process has its own. */
export const SIGPENDING_DEFAULT = 1024

/** siginfo_t: which fields mean something depends on signal and code (sigaction(2)). */
export interface SigInfo {
  readonly signo: number
  readonly code: number
  readonly errno: number
  /** SI_USER, SI_QUEUE, SIGCHLD: the process, and its real user. */
  readonly pid: number
  readonly uid: number
  /** SIGCHLD: exit status or signal. */
  readonly status: number
  /** SIGIO: the descriptor and what is ready, as POLL bits. */
  readonly fd: number
  readonly band: number
  /** SI_QUEUE: what came with it, an int. */
  readonly value: number
}

const NOTHING: Omit<SigInfo, 'signo'> = {
  code: c.SI_USER,
  errno: 0,
  pid: 0,
  uid: 0,
  status: 0,
  fd: 0,
  band: 0,
  value: 0,
}

/** A siginfo with 0 in what is not given. */
export const sigInfo = (signo: number, fields: Partial<SigInfo>): SigInfo => ({ ...NOTHING, ...fields, signo })

/** Runs for a caught signal; `info` is complete whether SA_SIGINFO was given or not. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing
export type SignalHandler = (signo: number, info: SigInfo) => void | Promise<unknown>

/** struct sigaction; flags 0 and an empty mask unless given. */
export interface SigAction {
  readonly handler: SignalHandler | typeof c.SIG_DFL | typeof c.SIG_IGN
  readonly flags?: number
  readonly mask?: SigSet
}

const DEFAULT: Required<SigAction> = { handler: c.SIG_DFL, flags: 0, mask: new SigSet() }
const NEVER_BLOCKED: SigSet = new SigSet([c.SIGKILL, c.SIGSTOP])
const STOPS: SigSet = new SigSet([c.SIGSTOP, c.SIGTSTP, c.SIGTTIN, c.SIGTTOU])
const IGNORED: SigSet = new SigSet([c.SIGCONT, c.SIGCHLD, c.SIGWINCH, c.SIGURG])
/** Taken before others: they come of what the program did (SYNCHRONOUS_MASK). */
const SYNCHRONOUS: SigSet = new SigSet([c.SIGSEGV, c.SIGBUS, c.SIGILL, c.SIGTRAP, c.SIGFPE, c.SIGSYS])

export const isSignal = (signal: number): boolean => Number.isInteger(signal) && signal >= 1 && signal <= c.SIGRTMAX

/** What signals do to their process. */
export interface SignalOwner {
  readonly isOver: boolean
  killedBy(signal: number): void
  stoppedBy(signal: number): void
  continued(): void
  /** A handler threw while no call slept. */
  threw(error: unknown): void
  /** A signal is delivered, for strace(1). */
  delivered(info: SigInfo): void
}

/** A handler about to run, and the mask to go back to after it. */
interface Frame {
  readonly info: SigInfo
  readonly handler: SignalHandler
  readonly flags: number
  readonly mask: SigSet
}

export class Signals {
  /** Signals that wait until they are unblocked (sigprocmask(2)). */
  readonly blocked: SigSet = new SigSet()
  readonly pending: SigSet = new SigSet()
  /** Signals that sigtimedwait waits for: they are for it alone. */
  readonly awaited: SigSet = new SigSet()
  /** Woken by every signal sent: signalfd and sigtimedwait. */
  readonly wait: WaitQueue = new WaitQueue()
  /** RLIMIT_SIGPENDING. */
  limit: number = SIGPENDING_DEFAULT
  readonly #owner: SignalOwner
  readonly #clock: Clock
  readonly #sleepers: Sleepers
  readonly #actions: (Required<SigAction> | undefined)[] = []
  /** Pending signals with their information, oldest first, by number. */
  readonly #queues: (SigInfo[] | undefined)[] = []
  #queued = 0
  readonly #task: FunctionTask = new FunctionTask(() => this.#run())

  constructor(owner: SignalOwner, clock: Clock, sleepers: Sleepers) {
    this.#owner = owner
    this.#clock = clock
    this.#sleepers = sleepers
    sleepers.restoreMask = (mask) => this.setMask(mask)
  }

  /** A child begins with the dispositions and the mask of its parent, nothing pending (fork(2)). */
  inherit(from: Signals): void {
    for (const [signal, action] of from.#actions.entries()) this.#actions[signal] = action
    this.blocked.copy(from.blocked)
    this.limit = from.limit
  }

  // ---- Dispositions and mask ----

  action(signal: number): Required<SigAction> {
    return this.#actions[signal] ?? DEFAULT
  }

  /** sigaction(2): 0, or -EINVAL for what is no signal or cannot be caught. */
  setAction(signal: number, action: SigAction | null): number {
    if (!isSignal(signal)) return -EINVAL
    if (action === null) return 0
    if (NEVER_BLOCKED.has(signal)) return -EINVAL
    const mask = (action.mask?.clone() ?? new SigSet()).without(NEVER_BLOCKED)
    this.#actions[signal] = { handler: action.handler, flags: action.flags ?? 0, mask }
    // POSIX 3.3.1.3: what is pending is thrown away, blocked or not.
    if (this.#isIgnored(signal)) this.#flush(signal)
    return 0
  }

  #isIgnored(signal: number): boolean {
    const { handler } = this.action(signal)
    return handler === c.SIG_IGN || (handler === c.SIG_DFL && IGNORED.has(signal))
  }

  #flush(signal: number): void {
    this.#queued -= this.#queues[signal]?.length ?? 0
    this.#queues[signal] = undefined
    this.pending.delete(signal)
  }

  /** The mask is `mask` from now on, SIGKILL and SIGSTOP excepted; what it lets through is delivered soon. */
  setMask(mask: SigSet): void {
    this.blocked.copy(mask).without(NEVER_BLOCKED)
    this.schedule()
  }

  // ---- Sending ----

  /** Sends a signal (__send_signal_locked): 0, or -EAGAIN if a real-time signal with a value finds no room. */
  send(info: SigInfo): number {
    const { signo, code } = info
    if (this.#owner.isOver) return 0
    if (signo === c.SIGCONT) {
      for (const stop of STOPS) this.#flush(stop)
      if (this.#sleepers.isStopped) this.#owner.continued()
    } else if (STOPS.has(signo)) this.#flush(c.SIGCONT)
    if (!this.blocked.has(signo) && !this.awaited.has(signo) && this.#isIgnored(signo)) {
      this.#owner.delivered(info)
      return 0
    }
    const isRealTime = signo >= c.SIGRTMIN_KERNEL
    if (!isRealTime && this.pending.has(signo)) return 0
    if (this.#queued < this.limit || (!isRealTime && code >= 0)) {
      this.#queued++
      const queue = this.#queues[signo]
      if (queue === undefined) this.#queues[signo] = [info]
      else queue.push(info)
    } else if (isRealTime && code !== c.SI_USER) return -EAGAIN
    this.pending.add(signo)
    this.wait.wake(POLLIN)
    this.schedule()
    return 0
  }

  /** Takes the first pending signal of `set` (dequeue_signal); null if there is none. */
  dequeue(set: SigSet): SigInfo | null {
    const wanted = this.pending.clone().and(set)
    if (wanted.isEmpty) return null
    const urgent = wanted.clone().and(SYNCHRONOUS)
    const [signo = 0] = urgent.isEmpty ? wanted : urgent
    const queue = this.#queues[signo]
    const info = queue?.shift()
    if (info !== undefined) this.#queued--
    if (queue === undefined || queue.length === 0) this.pending.delete(signo)
    return info ?? sigInfo(signo, {})
  }

  // ---- Delivery ----

  #deliverable(): SigSet {
    const set = this.pending.clone().without(this.blocked).without(this.awaited)
    return this.#sleepers.isStopped ? set.and(new SigSet([c.SIGKILL])) : set
  }

  /** Lets the clock deliver soon, if there is anything to deliver. */
  schedule(): void {
    if (!this.pending.isEmpty && !this.#deliverable().isEmpty) this.#clock.defer(this.#task)
  }

  #run(): boolean {
    const call = this.#sleepers.first
    try {
      this.handle(call)?.catch((error: unknown) => this.#threw(call, error))
    } catch (error) {
      this.#threw(call, error)
    }
    this.#clock.noteWakeup()
    return false
  }

  #threw(call: Sleeper | null, error: unknown): void {
    if (this.#owner.isOver) return
    if (call?.isAsleep === true) call.fail(error)
    else this.#owner.threw(error)
  }

  /**
   * Delivers what may be delivered now; `call` is the sleeping call that the handlers interrupt. A promise if a handler
   * gave one. Throws what a handler throws.
   */
  handle(call: Sleeper | null): void | Promise<void> {
    if (this.pending.isEmpty || this.#deliverable().isEmpty) return
    // What has come by now counts first, as in the kernel's loops.
    call?.look()
    const target = call?.isAsleep === true ? call : null
    const frames = this.#take(target)
    const first = frames[0]
    if (first === undefined) return
    const isRestarted = (first.flags & c.SA_RESTART) !== 0
    if (target !== null) target.isHeld = true
    let late: ReturnType<Signals['handle']>
    try {
      late = this.#runFrames(frames, frames.length - 1)
    } catch (error) {
      this.setMask(first.mask)
      throw error
    }
    if (late !== undefined) return late.then(() => target?.interrupt(isRestarted))
    target?.interrupt(isRestarted)
  }

  /** Takes signals and does what they say by default; those to be caught pile up as frames on the stack. */
  #take(target: Sleeper | null): Frame[] {
    const frames: Frame[] = []
    while (!this.#owner.isOver) {
      const info = this.dequeue(this.#deliverable())
      if (info === null) break
      this.#owner.delivered(info)
      const { handler, flags, mask } = this.action(info.signo)
      if (handler === c.SIG_IGN) continue
      if (typeof handler === 'number') {
        this.#default(info.signo)
        continue
      }
      frames.push({ info, handler, flags, mask: target?.savedMask ?? this.blocked.clone() })
      if (target !== null) target.savedMask = null
      if ((flags & c.SA_RESETHAND) !== 0) this.#actions[info.signo] = undefined
      this.blocked.or(mask)
      if ((flags & c.SA_NODEFER) === 0) this.blocked.add(info.signo)
    }
    return frames
  }

  #default(signal: number): void {
    if (IGNORED.has(signal)) return
    if (STOPS.has(signal)) this.#owner.stoppedBy(signal)
    else this.#owner.killedBy(signal)
  }

  /** Runs the handlers, the last frame first, each under its mask. */
  #runFrames(frames: readonly Frame[], from: number): ReturnType<Signals['handle']> {
    for (let i = from; i >= 0 && !this.#owner.isOver; i--) {
      const { handler, info, mask } = frames[i] as Frame
      const late = handler(info.signo, info)
      if (late instanceof Promise) return late.then(() => this.#return(mask)).then(() => this.#runFrames(frames, i - 1))
      const more = this.#return(mask)
      if (more !== undefined) return more.then(() => this.#runFrames(frames, i - 1))
    }
  }

  /** The end of a handler (sigreturn(2)): the mask as before, and what it lets through is delivered first. */
  #return(mask: SigSet): ReturnType<Signals['handle']> {
    this.setMask(mask)
    return this.handle(null)
  }
}
