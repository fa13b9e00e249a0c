/**
 * System calls made visible: a view of a process that tells `trace.syscall` each call with its arguments and result, as
 * strace(1) does. A program is given this view only if somebody listens when it starts, so nobody else pays for it.
 */
import * as c from '../socket/signal-constants.ts'
import { SystemError } from '../sys/errno.ts'
import type { SignalTold } from '../sys/trace.ts'
import type { Process } from './process.ts'
import { WEXITSTATUS, WIFEXITED, WTERMSIG } from './wait.ts'

/** The calls told; everything else of a process passes through. */
const CALLS: readonly string[] = (
  'socket socketpair pipe pipe2 bind listen accept accept4 connect getsockname getpeername getsockopt ' +
  'setsockopt read write recv recvfrom send sendto readv writev recvmsg sendmsg recvmmsg sendmmsg shutdown ' +
  'close dup unlink chmod dup2 dup3 fcntl ioctl poll ppoll select pselect epoll_create epoll_create1 epoll_ctl ' +
  'epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd_read eventfd_write timerfd_create timerfd_settime ' +
  'timerfd_gettime open creat pread pwrite lseek fsync ftruncate truncate stat lstat fstat access fchmod chown mkdir rmdir rename ' +
  'link symlink readlink getdents chdir fchdir getcwd umask sendfile splice tee close_range getrlimit setrlimit fork wait waitpid waitid kill raise sigqueue sigaction signal sigprocmask sigpending ' +
  'pause sigsuspend sigtimedwait sigwaitinfo signalfd alarm setitimer getitimer sleep nanosleep clock_nanosleep ' +
  'clock_gettime getpid getppid getpgid getpgrp getsid setpgid setsid exit'
).split(' ')

type Call = (...args: unknown[]) => unknown

/** `process` seen through the trace of its host. */
export function traced(process: Process): Process {
  const calls: Record<string, Call> = {}
  for (const name of CALLS) {
    const call = process[name as keyof Process] as Call
    calls[name] = (...args) => told(process, name, call, args)
  }
  return new Proxy(process, {
    get(target, key) {
      if (typeof key === 'string' && Object.hasOwn(calls, key)) return calls[key]
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  })
}

function told(process: Process, name: string, call: Call, args: unknown[]): unknown {
  const tell = (result: number): void => {
    process.host.trace.syscall?.(process.pid, name, args, result, process.host.name)
  }
  const fail = (error: unknown): never => {
    if (error instanceof SystemError) tell(error.errno)
    throw error
  }
  try {
    const value = call.apply(process, args)
    if (value instanceof Promise) {
      return value.then((late: unknown) => {
        tell(typeof late === 'number' ? late : 0)
        return late
      }, fail)
    }
    tell(typeof value === 'number' ? value : 0)
    return value
  } catch (error) {
    return fail(error)
  }
}

const CHILD_CODES = ['', 'EXITED', 'KILLED', 'DUMPED', 'TRAPPED', 'STOPPED', 'CONTINUED']
const POLL_CODES = ['', 'IN', 'OUT', 'MSG', 'ERR', 'PRI', 'HUP']
const CODES: Readonly<Record<number, string>> = {
  [c.SI_USER]: 'SI_USER',
  [c.SI_KERNEL]: 'SI_KERNEL',
  [c.SI_QUEUE]: 'SI_QUEUE',
  [c.SI_TKILL]: 'SI_TKILL',
}

/** A signal as strace(1) shows its delivery: `--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, …} ---`. */
export function signalLine({ signo, code, pid, uid, status, fd, band, value }: SignalTold): string {
  const name = c.signalName(signo)
  const sender = `, si_pid=${pid}, si_uid=${uid}`
  const told = (codeName: string, rest: string): string =>
    `--- ${name} {si_signo=${name}, si_code=${codeName}${rest}} ---`
  if (signo === c.SIGCHLD && code > 0) {
    const how = code === c.CLD_EXITED ? String(status) : c.signalName(status)
    return told(`CLD_${CHILD_CODES[code]}`, `${sender}, si_status=${how}, si_utime=0, si_stime=0`)
  }
  if (code > 0 && code < c.SI_KERNEL) return told(`POLL_${POLL_CODES[code]}`, `, si_band=${band}, si_fd=${fd}`)
  if (code === c.SI_KERNEL) return told('SI_KERNEL', '')
  const carried = code === c.SI_QUEUE ? `, si_int=${value}, si_ptr=0x${value.toString(16)}` : ''
  return told(CODES[code] ?? String(code), sender + carried)
}

/** The end of a process as strace(1) shows it. */
export const exitLine = (status: number): string =>
  WIFEXITED(status)
    ? `+++ exited with ${WEXITSTATUS(status)} +++`
    : `+++ killed by ${c.signalName(WTERMSIG(status))} +++`
