/** Carries out the calls that threads post: the hot ones straight from words and bytes, all others by name. */
import type { Process } from '../host/process.ts'
import { ProcessExit } from '../host/process-exit.ts'
import { EINTR, SystemError } from '../sys/errno.ts'
import {
  AREA_CALL,
  AREA_FD,
  AREA_FLAGS,
  AREA_LENGTH,
  CALL_NAMED,
  CALL_READ,
  CALL_RECV,
  CALL_WRITE,
  ENDED_ERROR,
  ENDED_RANGE_ERROR,
  ENDED_SYSTEM_ERROR,
  ENDED_TYPE_ERROR,
  ENDED_WELL,
} from './area.ts'
import type { Thread } from './thread.ts'
import { ThreadCalls } from './thread-calls.ts'

/** Methods of a process that are no calls of its program: what its host and its parts tell it. */
const NO_CALLS = [
  'constructor',
  'run',
  'end',
  'abortable',
  'afterCall',
  'brokenPipe',
  'childChanged',
  'continued',
  'delivered',
  'handled',
  'killedBy',
  'leaveFamily',
  'masked',
  'reaped',
  'stopAlarm',
  'stoppedBy',
  'threw',
] as const
/** Their names. */
export type NoCall = (typeof NO_CALLS)[number]
const isCall = (name: string): boolean => !(NO_CALLS as readonly string[]).includes(name)

/** Calls whose arguments are only read: nothing is to be copied back. */
const INPUT_ONLY = /^(write|pwrite|send(?!mmsg)|bind|connect|listen|setsockopt|close|shutdown|epoll_ctl)/

type Call = (...args: unknown[]) => unknown

/** A call by name, and what its caller's arguments become. */
export interface NamedCall {
  readonly name: string
  /** One of the thread's own, not of its process. */
  readonly isOfThread: boolean
  readonly fillsIn: boolean
}

const methodsOf = (object: object): string[] =>
  Object.entries(Object.getOwnPropertyDescriptors(object))
    .filter(([name, { value }]) => typeof value === 'function' && isCall(name))
    .map(([name]) => name)

/** All calls that threads of `process` have, in the order of their numbers. */
export function namedCalls(process: Process): NamedCall[] {
  const own = new Set(methodsOf(ThreadCalls.prototype))
  const names = new Set(own)
  for (let at: object = Object.getPrototypeOf(process); at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of methodsOf(at)) names.add(name)
  }
  return [...names].map((name) => ({ name, isOfThread: own.has(name), fillsIn: !INPUT_ONLY.test(name) }))
}

/** Begins the call that `thread` has posted, and answers it now or when it has slept. */
export function carryOut(thread: Thread): void {
  const { sleepers } = thread.process
  const last = sleepers.first
  try {
    const number = thread.area.words[AREA_CALL] as number
    const result = number < CALL_NAMED ? transfer(thread, number) : named(thread, number - CALL_NAMED)
    if (result instanceof Promise) {
      if (sleepers.first !== last) thread.sleeper = sleepers.first
      result.then(thread.onResult, thread.onError)
    } else succeed(thread, result)
  } catch (error) {
    fail(thread, error)
  }
}

/** read, write, recv and send: the bytes are where the thread has them. */
function transfer(thread: Thread, number: number): number | Promise<number> {
  const { process, area } = thread
  const fd = area.words[AREA_FD] as number
  const length = area.words[AREA_LENGTH] as number
  switch (number) {
    case CALL_READ:
      return process.read(fd, area.data, 0, length)
    case CALL_WRITE:
      return process.write(fd, area.data, 0, length)
    case CALL_RECV:
      return process.recv(fd, area.part(length), area.words[AREA_FLAGS])
    default:
      return process.send(fd, area.part(length), area.words[AREA_FLAGS])
  }
}

function named(thread: Thread, place: number): unknown {
  const call = thread.group.calls[place] as NamedCall
  const args = thread.decoder.begin().get() as unknown[]
  thread.args = args
  const target = call.isOfThread ? thread.calls : thread.process
  return (target[call.name as keyof typeof target] as unknown as Call).apply(target, args)
}

/** The call gave `value`. */
export function succeed(thread: Thread, value: unknown): void {
  if (thread.end !== undefined) return
  const { words } = thread.area
  const number = words[AREA_CALL] as number
  if (number < CALL_NAMED) {
    const fd = words[AREA_FD] as number
    if ((value as number) > 0) {
      const isReading = number === CALL_READ || number === CALL_RECV
      thread.group.leases.grant(thread, fd, thread.process.files.get(fd), isReading)
    }
    thread.answer(value as number)
    return
  }
  const { fillsIn } = thread.group.calls[number - CALL_NAMED] as NamedCall
  try {
    const encoder = thread.encoder.begin()
    encoder.put(value)
    encoder.put(fillsIn ? thread.args : undefined)
    thread.answer(ENDED_WELL)
  } catch (error) {
    fail(thread, error)
  }
}

/** The call threw `error`. One that has ended the process is never answered. */
export function fail(thread: Thread, error: unknown): void {
  if (thread.end !== undefined || error instanceof ProcessExit) return
  const number = thread.area.words[AREA_CALL] as number
  if (number < CALL_NAMED) {
    // What is no SystemError was thrown by a signal handler: the worker knows better what.
    thread.answer(error instanceof SystemError ? error.errno : -EINTR)
    return
  }
  const encoder = thread.encoder.begin()
  if (error instanceof SystemError) {
    encoder.put([error.syscall, error.errno, error.address, error.port])
    thread.answer(ENDED_SYSTEM_ERROR)
    return
  }
  encoder.put(error instanceof Error ? error.message : String(error))
  const how =
    error instanceof TypeError ? ENDED_TYPE_ERROR : error instanceof RangeError ? ENDED_RANGE_ERROR : ENDED_ERROR
  thread.answer(how)
}
