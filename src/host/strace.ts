/**
 * System calls made visible: a view of a process that tells `trace.syscall` each call with its arguments and result, as
 * strace(1) does. A program is given this view only if somebody listens when it starts, so nobody else pays for it.
 */
import { SystemError } from '../sys/errno.ts'
import type { Process } from './process.ts'

/** The calls told; everything else of a process passes through. */
const CALLS: readonly string[] = [
  'socket',
  'socketpair',
  'pipe',
  'pipe2',
  'bind',
  'listen',
  'accept',
  'accept4',
  'connect',
  'getsockname',
  'getpeername',
  'getsockopt',
  'setsockopt',
  'read',
  'write',
  'recv',
  'recvfrom',
  'send',
  'sendto',
  'shutdown',
  'close',
  'dup',
  'unlink',
  'chmod',
  'dup2',
  'dup3',
  'fcntl',
  'ioctl',
  'poll',
  'ppoll',
  'select',
  'pselect',
  'epoll_create',
  'epoll_create1',
  'epoll_ctl',
  'epoll_wait',
  'epoll_pwait',
  'epoll_pwait2',
  'eventfd',
  'eventfd_read',
  'eventfd_write',
  'timerfd_create',
  'timerfd_settime',
  'timerfd_gettime',
]

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
