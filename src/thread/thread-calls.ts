/** The calls of pthreads(7) that need the host: making threads, waiting for them, ending them. */
import type { SigInfo } from '../host/signals.ts'
import { EDEADLK, EINVAL, ESRCH, SystemError } from '../sys/errno.ts'
import type { CallGate } from './gate.ts'
import type { Thread } from './thread.ts'
import { CAUGHT, type ThreadAction } from './thread-action.ts'

/** What pthread_join gives for a thread that was cancelled (PTHREAD_CANCELED, `(void *) -1`). */
export const PTHREAD_CANCELED = -1

export class ThreadCalls {
  readonly #gate: CallGate
  readonly #thread: Thread

  constructor(gate: CallGate, thread: Thread) {
    this.#gate = gate
    this.#thread = thread
  }

  /** gettid(2). */
  gettid(): number {
    return this.#thread.tid
  }

  /**
   * fork(2): a child process in a worker of its own, with a copy of the descriptor table; it runs the function `name` that the
   * module at the URL `module` exports, with `argument`. The child's id.
   */
  fork(module: string, name: string = 'default', argument?: unknown): number {
    return this.#thread.process.fork(this.#gate.program({ module, name, argument }))
  }

  /**
   * pthread_create(3): a thread of this process that runs the function `name` which the module at the URL `module` exports, with its
   * own calls and `argument`. Its thread id. EAGAIN when there are too many.
   */
  pthread_create(module: string, name: string = 'default', argument?: unknown): number {
    const thread = this.#gate.createThread(this.#thread.process, { module, name, argument })
    thread.isDetached = false
    return thread.tid
  }

  /** pthread_join(3): waits for the thread's end; what it returned, or PTHREAD_CANCELED. Throws if it ended by an error. */
  async pthread_join(tid: number): Promise<unknown> {
    const thread = this.#other('pthread_join', tid)
    if (thread.isJoined) throw new SystemError('pthread_join', EINVAL)
    thread.isJoined = true
    const end = await thread.ended
    this.#gate.forget(thread)
    if (end.how === 'failed') throw new Error(`thread ${tid}: ${String(end.error)}`)
    return end.how === 'killed' ? PTHREAD_CANCELED : end.value
  }

  /** pthread_detach(3): nobody will join it. */
  pthread_detach(tid: number): void {
    const thread = tid === this.#thread.tid ? this.#thread : this.#other('pthread_detach', tid)
    if (thread.isDetached) throw new SystemError('pthread_detach', EINVAL)
    thread.isDetached = true
    if (thread.end !== undefined) this.#gate.forget(thread)
  }

  /** pthread_cancel(3): ends the thread wherever it is; PTHREAD_CANCEL_ASYNCHRONOUS is the only type there is. */
  pthread_cancel(tid: number): void {
    this.#gate.kill(this.#find('pthread_cancel', tid))
  }

  /** What `ThreadProcess.sigaction` is made of: a handler of the thread is only known by CAUGHT here. */
  rt_sigaction(signal: number, action: ThreadAction | null): ThreadAction {
    const { process, signals } = this.#thread
    const run = (_signo: number, info: SigInfo): Promise<void> => signals.run(info)
    const host = action === null ? null : { ...action, handler: action.handler === CAUGHT ? run : action.handler }
    const old = process.sigaction(signal, host)
    return { ...old, handler: typeof old.handler === 'number' ? old.handler : CAUGHT }
  }

  /** The next signal whose handler is to run now, or null. */
  rt_sigtake(): SigInfo | null {
    return this.#thread.signals.take()
  }

  /** sigreturn(2): the handler is done. */
  rt_sigreturn(isThrown: boolean): void {
    this.#thread.signals.return(isThrown)
  }

  #find(call: string, tid: number): Thread {
    const thread = this.#gate.threadOf(this.#thread.process, tid)
    if (thread === undefined) throw new SystemError(call, ESRCH)
    return thread
  }

  /** Another thread that can be joined. */
  #other(call: string, tid: number): Thread {
    const thread = this.#find(call, tid)
    if (thread === this.#thread) throw new SystemError(call, EDEADLK)
    if (thread.isDetached) throw new SystemError(call, EINVAL)
    return thread
  }
}
