/** The calls of a process about processes: fork, wait, kill, groups and sessions (kernel/fork.c, exit.c, sys.c). */

import { WaitQueue } from '../sock/wait-queue.ts'
import * as c from '../socket/signal-constants.ts'
import { FunctionTask } from '../sys/clock.ts'
import { EINVAL, EPERM, ESRCH } from '../sys/errno.ts'
import { MessageCalls } from './messages.ts'
import type { Process, Program } from './process.ts'
import { INIT_PID, signal } from './process-table.ts'
import { raise } from './signal-calls.ts'
import { type SigInfo, sigInfo } from './signals.ts'
import {
  type Child,
  CONTINUED,
  childInfo,
  findChild,
  PendingWait,
  type Report,
  stopped,
  type WaitStatus,
  type Wanted,
} from './wait.ts'

const WAITPID_OPTIONS = c.WNOHANG | c.WUNTRACED | c.WCONTINUED | 0xe0000000
const WAITID_OPTIONS = c.WNOHANG | c.WNOWAIT | c.WEXITED | c.WSTOPPED | c.WCONTINUED | 0xe0000000
const WAITID_EVENTS = c.WEXITED | c.WSTOPPED | c.WCONTINUED
const INT_MIN = -0x80000000

/** The part of a `Process` that makes, awaits and signals other processes of its host. */
export abstract class ProcessCalls extends MessageCalls implements Child {
  /** Process group and session; changed by `setpgid` and `setsid`. */
  pgid = 0
  sid = 0
  /** Who is told of its end; null: init. */
  parent: Process | null = null
  readonly children: Set<Process> = new Set()
  /** The status word of wait(2) when it has ended. */
  status: number | undefined
  change = 0
  /** Woken when a child changes. */
  readonly #childWait: WaitQueue = new WaitQueue()

  get #self(): Process {
    return this as unknown as Process
  }

  get uid(): number {
    return this.credentials.uid
  }

  // ---- Children ----

  /**
   * fork(2): a child process that runs `entry` with a copy of the descriptor table (the descriptions are shared, their
   * counts go up), of credentials, signal dispositions and mask. Returns the child's id at once; the child runs from the
   * clock's next task on. Memory is not copied: `entry` sees the variables of its parent as they are. EAGAIN when
   * kernel.pid_max processes are there.
   */
  fork(entry: Program): number {
    return raise('fork', this.host.fork(this.#self, entry))
  }

  /** wait(2): the next child that ends; its status word goes to `status`. ECHILD without children. */
  wait(status: WaitStatus | null = null): number | Promise<number> {
    return this.waitpid(-1, status, 0)
  }

  /**
   * waitpid(2): a child (`pid` > 0), any (-1), one of the own group (0) or of group -`pid`. With WNOHANG 0 if none has
   * anything to tell. EINVAL for unknown options, ECHILD if there is none to wait for.
   */
  waitpid(pid: number, status: WaitStatus | null = null, options: number = 0): number | Promise<number> {
    if ((options & ~WAITPID_OPTIONS) !== 0) raise('wait4', -EINVAL)
    if (pid === INT_MIN) raise('wait4', -ESRCH)
    const type = pid === -1 ? c.P_ALL : pid > 0 ? c.P_PID : c.P_PGID
    const id = pid === 0 ? this.pgid : Math.abs(pid)
    const wanted = { type, id, options: options | c.WEXITED }
    return this.#wait('wait4', wanted, (report) => {
      if (report === null) return 0
      if (status !== null) status.status = report.status
      return report.pid
    })
  }

  /** waitid(2): P_ALL, P_PID or P_PGID; `options` say what of: WEXITED, WSTOPPED, WCONTINUED; null with WNOHANG for nothing yet. */
  async waitid(type: number, id: number, options: number): Promise<SigInfo | null> {
    if ((options & ~WAITID_OPTIONS) !== 0 || (options & WAITID_EVENTS) === 0) raise('waitid', -EINVAL)
    const isKnown = type === c.P_ALL || (type === c.P_PID && id > 0) || (type === c.P_PGID && id >= 0)
    if (!isKnown) raise('waitid', -EINVAL)
    let info: SigInfo | null = null
    await this.#wait('waitid', { type, id: id === 0 ? this.pgid : id, options }, (report) => {
      info = report?.info ?? null
      return 0
    })
    return info
  }

  #wait(call: string, wanted: Wanted, tell: (report: Report | null) => number): number | Promise<number> {
    const find = (): Report | null | number => findChild(this.children, wanted)
    const found = find()
    if (typeof found === 'number') return raise(call, found)
    if (found !== null || (wanted.options & c.WNOHANG) !== 0) return tell(found)
    const pending = new PendingWait(call, this.host.clock, this.sleepers, find)
    return pending.begin(this.#childWait).then(() => tell(pending.report))
  }

  /** A child changed: SIGCHLD, and who waits is woken (do_notify_parent). */
  childChanged(child: Process, status: number): void {
    const { handler, flags } = this.signals.action(c.SIGCHLD)
    const isStop = child.status === undefined
    if (handler !== c.SIG_IGN && !(isStop && (flags & c.SA_NOCLDSTOP) !== 0)) {
      this.signals.send(childInfo(child, status))
    }
    this.#childWait.wake(-1)
  }

  /** Children that end are not kept for `waitpid` (SIG_IGN, SA_NOCLDWAIT). */
  get reapsAtOnce(): boolean {
    const { handler, flags } = this.signals.action(c.SIGCHLD)
    return handler === c.SIG_IGN || (flags & c.SA_NOCLDWAIT) !== 0
  }

  reaped(): void {
    this.parent?.children.delete(this.#self)
    this.host.table.remove(this.#self)
  }

  stoppedBy(signal: number): void {
    if (this.sleepers.isStopped) return
    this.sleepers.isStopped = true
    this.change = signal
    this.parent?.childChanged(this.#self, stopped(signal))
  }

  continued(): void {
    this.sleepers.resume()
    this.signals.schedule()
    this.change = c.SIGCONT
    // Told by the one that goes on, not by who sent SIGCONT.
    const tell = (): boolean => {
      this.parent?.childChanged(this.#self, CONTINUED)
      return false
    }
    this.host.clock.defer(new FunctionTask(tell))
  }

  /** Leaves the family (exit_notify): children go to init, the parent is told; it stays a zombie until waited for. */
  protected leaveFamily(status: number): void {
    for (const child of this.children) {
      child.parent = null
      if (child.status !== undefined) this.host.table.remove(child)
    }
    this.children.clear()
    this.status = status
    const { parent } = this
    if (parent === null || parent.reapsAtOnce) this.reaped()
    parent?.childChanged(this.#self, status)
  }

  // ---- Signals to others ----

  /**
   * kill(2): to a process (`pid` > 0), the own group (0), everybody else (-1) or group -`pid`; signal 0 only asks. ESRCH,
   * EINVAL, EPERM. A signal to itself is delivered before the call returns, unless blocked.
   */
  kill(pid: number, signo: number): number | Promise<number> {
    const info = sigInfo(signo, { code: c.SI_USER, pid: this.pid, uid: this.uid })
    raise('kill', this.host.table.kill(this.#self, pid, info))
    return this.handled()
  }

  /** sigqueue(3): as kill to one process, with a value; EAGAIN when too many are queued (RLIMIT_SIGPENDING). */
  sigqueue(pid: number, signo: number, value: number): number | Promise<number> {
    const target = this.host.table.processes.get(pid)
    if (target === undefined) return raise('rt_sigqueueinfo', -ESRCH)
    const info = sigInfo(signo, { code: c.SI_QUEUE, pid: this.pid, uid: this.uid, value })
    raise('rt_sigqueueinfo', signal(this.#self, target, info))
    return this.handled()
  }

  // ---- Ids ----

  /** getppid(2): 1 for an orphan and for what the host itself started. */
  get ppid(): number {
    return this.parent?.pid ?? INIT_PID
  }

  /** getpid(2). */
  getpid(): number {
    return this.pid
  }

  /** getppid(2). */
  getppid(): number {
    return this.ppid
  }

  /** getpgid(2): of itself (0) or of another; ESRCH. */
  getpgid(pid: number = 0): number {
    return this.#other('getpgid', pid).pgid
  }

  /** getpgrp(2). */
  getpgrp(): number {
    return this.pgid
  }

  /** getsid(2): the session of itself (0) or of another; ESRCH. */
  getsid(pid: number = 0): number {
    return this.#other('getsid', pid).sid
  }

  #other(call: string, pid: number): Process {
    const process = pid === 0 ? this.#self : this.host.table.processes.get(pid)
    if (process === undefined) raise(call, -ESRCH)
    return process as Process
  }

  /** setpgid(2): itself or a child (0: itself) to a group of its session (0: its own). EINVAL, ESRCH, EPERM. */
  setpgid(pid: number = 0, pgid: number = 0): void {
    const of = pid === 0 ? this.pid : pid
    const to = pgid === 0 ? of : pgid
    if (to < 0) raise('setpgid', -EINVAL)
    const process = this.host.table.processes.get(of)
    if (process === undefined) raise('setpgid', -ESRCH)
    raise('setpgid', this.#setGroup(process as Process, to))
  }

  #setGroup(process: Process, to: number): number {
    if (process.parent === this.#self) {
      if (process.sid !== this.sid) return -EPERM
    } else if (process !== this.#self) return -ESRCH
    if (process.sid === process.pid) return -EPERM
    if (to !== process.pid) {
      const [member] = this.host.table.group(to) ?? []
      if (member?.sid !== this.sid) return -EPERM
    }
    this.host.table.regroup(process, to, process.sid)
    return 0
  }

  /** setsid(2): a new session and group of its own; EPERM for the leader of a group. */
  setsid(): number {
    if (this.host.table.group(this.pid) !== undefined) raise('setsid', -EPERM)
    this.host.table.regroup(this.#self, this.pid, this.pid)
    return this.pid
  }
}
