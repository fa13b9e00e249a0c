/** The processes of a host by id: numbers given out, groups, and who may send signals to whom (kernel/pid.c, signal.c). */

import type { Credentials } from '../socket/credentials.ts'
import type { FileSignal, Owners } from '../socket/file-owner.ts'
import { SI_KERNEL, SIGCONT } from '../socket/signal-constants.ts'
import { EAGAIN, EINVAL, EPERM, ESRCH } from '../sys/errno.ts'
import type { Sysctls } from '../sys/sysctl.ts'
import type { Process } from './process.ts'
import { isSignal, type SigInfo, sigInfo } from './signals.ts'

/** The host's own process: parent of what the host starts and of orphans, whom it reaps at once. It has no `Process`. */
export const INIT_PID = 1
/** Numbers below are not used again once all have been given out (RESERVED_PIDS). */
const RESERVED_PIDS = 300

/** One process as ps(1) shows it: R runs, S sleeps in a call, T is stopped, Z has ended and was not waited for. */
export interface ProcessRow {
  readonly pid: number
  readonly ppid: number
  readonly pgid: number
  readonly sid: number
  readonly uid: number
  readonly state: 'R' | 'S' | 'T' | 'Z'
  readonly name: string
}

/** The letter of a process's state. */
export const stateOf = ({ isOver, isStopped, isAsleep }: Process): ProcessRow['state'] =>
  isOver ? 'Z' : isStopped ? 'T' : isAsleep ? 'S' : 'R'

export class ProcessTable implements Owners {
  /** Processes by id, zombies too. */
  readonly processes: Map<number, Process> = new Map()
  readonly #sysctl: Sysctls
  #last = INIT_PID

  constructor(sysctl: Sysctls) {
    this.#sysctl = sysctl
  }

  /** All processes by id. */
  rows(): ProcessRow[] {
    const sorted = [...this.processes.values()].sort((a, b) => a.pid - b.pid)
    return sorted.map((process) => {
      const { pid, ppid, pgid, sid, name, credentials } = process
      return { pid, ppid, pgid, sid, uid: credentials.euid, state: stateOf(process), name }
    })
  }

  /** The next free number, or -EAGAIN if kernel.pid_max processes are there. Numbers of groups in use are kept free. */
  allocate(): number {
    const max = this.#sysctl.pid_max
    for (let tries = 0; tries < max; tries++) {
      this.#last = this.#last + 1 < max ? this.#last + 1 : RESERVED_PIDS
      if (!this.#isUsed(this.#last)) return this.#last
    }
    return -EAGAIN
  }

  #isUsed(pid: number): boolean {
    return this.processes.has(pid) || this.#groups.has(pid) || this.#sessions.has(pid)
  }

  // ---- Groups and sessions ----

  /** Members by number: a number in use is not given to a new process. */
  readonly #groups: Map<number, Set<Process>> = new Map()
  readonly #sessions: Map<number, Set<Process>> = new Map()

  add(process: Process): void {
    this.processes.set(process.pid, process)
    join(this.#groups, process.pgid, process)
    join(this.#sessions, process.sid, process)
  }

  remove(process: Process): void {
    this.processes.delete(process.pid)
    leave(this.#groups, process.pgid, process)
    leave(this.#sessions, process.sid, process)
  }

  /** setpgid, setsid: `process` changes its group and session. */
  regroup(process: Process, pgid: number, sid: number): void {
    this.remove(process)
    process.pgid = pgid
    process.sid = sid
    this.add(process)
  }

  /** The members of a group, in the order they joined. */
  group(pgid: number): ReadonlySet<Process> | undefined {
    return this.#groups.get(pgid)
  }

  // ---- Signals ----

  exists(pid: number): boolean {
    return pid > 0 ? pid === INIT_PID || this.processes.has(pid) : this.#groups.has(-pid)
  }

  /** Signals of a file to its owner (send_sigio_to_task, sigio_perm). */
  tell(pid: number, user: Credentials, { signo, code, fd, band }: FileSignal): boolean {
    const one = this.processes.get(pid)
    const targets = one !== undefined ? [one] : pid < 0 ? [...(this.group(-pid) ?? [])] : []
    const info = sigInfo(signo, { code: code === 0 ? SI_KERNEL : code, fd, band })
    const sent = targets.filter((p) => maySignal(user, p.credentials)).map((p) => p.signals.send(info))
    return !sent.includes(-EAGAIN)
  }

  /**
   * kill(2) by `sender`: one process, its group (0), another group (negative) or everybody (-1). 0, -ESRCH, -EINVAL or
   * -EPERM. Signal 0 only asks. The process itself is not among everybody.
   */
  kill(sender: Process, pid: number, info: SigInfo): number {
    if (pid > 0) return this.#killOne(sender, pid, info)
    if (pid === -1) {
      const others = [...this.processes.values()].filter((p) => p !== sender)
      const results = others.map((p) => signal(sender, p, info))
      if (results.length === 0) return -ESRCH
      return results.findLast((result) => result !== -EPERM) ?? 0
    }
    const members = [...(this.group(pid === 0 ? sender.pgid : -pid) ?? [])]
    const results = members.map((p) => signal(sender, p, info))
    return results.includes(0) ? 0 : (results.at(-1) ?? -ESRCH)
  }

  #killOne(sender: Process, pid: number, info: SigInfo): number {
    if (pid === INIT_PID) {
      // Signals that init does not catch do nothing to it.
      if (info.signo !== 0 && !isSignal(info.signo)) return -EINVAL
      return sender.credentials.isPrivileged ? 0 : -EPERM
    }
    const target = this.processes.get(pid)
    return target === undefined ? -ESRCH : signal(sender, target, info)
  }
}

/** Sends to one process if `sender` may (check_kill_permission). */
export function signal(sender: Process, target: Process, info: SigInfo): number {
  const { signo } = info
  if (signo !== 0 && !isSignal(signo)) return -EINVAL
  const isContinued = signo === SIGCONT && sender.sid === target.sid
  if (sender !== target && !isContinued && !maySignal(sender.credentials, target.credentials)) return -EPERM
  return signo === 0 ? 0 : target.signals.send(info)
}

/** kill_ok_by_cred. The saved user id is the real one here. */
export function maySignal({ uid, euid, isPrivileged }: Credentials, to: Credentials): boolean {
  return isPrivileged || euid === to.uid || uid === to.uid
}

function join(map: Map<number, Set<Process>>, id: number, process: Process): void {
  const members = map.get(id)
  if (members === undefined) map.set(id, new Set([process]))
  else members.add(process)
}

function leave(map: Map<number, Set<Process>>, id: number, process: Process): void {
  const members = map.get(id)
  if (members?.delete(process) === true && members.size === 0) map.delete(id)
}
