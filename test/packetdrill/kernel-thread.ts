/** The thread that makes the blocking calls of scripts at the kernel. */
import { constants, setPriority } from 'node:os'
import { isMainThread, workerData } from 'node:worker_threads'
import { Arena, Libc } from '../differential/c.ts'

/** Calls that may sleep, by the number that the main thread gives. */
export const SLEEPERS: readonly string[] = [
  'accept4', 'connect', 'read', 'readv', 'recvfrom', 'recvmsg', 'write', 'writev', 'sendto', 'sendmsg', 'poll', 'epoll_wait',
  'sendfile', 'splice', 'close',
] // biome-ignore format: a table

/** Words of the memory that both threads see, and values of STATE. */
export const TASKS = 0
export const STATE = 1
export const THREAD_ID = 2
export const NAME = 3
export const COUNT = 4
export const IDLE = 0
export const BEGUN = 1
export const CALLING = 2
/** Numbers behind them: six arguments, the result, and the time it came. */
export const ARGUMENTS = 8
export const RESULT = 14
export const ENDED = 15
export const SHARED_SIZE: number = 8 * (ENDED + 1)

const CLOCK_REALTIME = 0

/** The time of day in microseconds, as the kernel stamps packets with it. */
export class RealTime {
  readonly #libc: Libc
  readonly #arena: Arena = new Arena(16)

  constructor(libc: Libc) {
    this.#libc = libc
  }

  get now(): number {
    this.#libc.call('clock_gettime', CLOCK_REALTIME, this.#arena.address(0))
    const { view } = this.#arena
    return Number(view.getBigInt64(0, true)) * 1e6 + Math.floor(Number(view.getBigInt64(8, true)) / 1000)
  }
}

/** Before all else on a busy machine, if that is allowed: this thread, which hardly computes, and what it starts. */
export function hurry(): void {
  try {
    // Not SCHED_FIFO: a `sysctl` that turns until it gets the kernel's rtnl lock would keep the lock's holder from running.
    setPriority(constants.priority.PRIORITY_HIGHEST)
  } catch {
    // Not root: it goes without.
  }
}

export interface ThreadData {
  readonly memory: SharedArrayBuffer
  /** An eventfd that tells the main thread of every end. */
  readonly wakeFd: number
}

function main({ memory, wakeFd }: ThreadData): void {
  const words = new Int32Array(memory)
  const numbers = new Float64Array(memory)
  const libc = new Libc()
  hurry()
  const time = new RealTime(libc)
  const one = new Arena(16)
  one.setWord(0, 1)
  Atomics.store(words, THREAD_ID, libc.call('gettid'))
  Atomics.notify(words, THREAD_ID)
  for (let done = 0; ; done++) {
    Atomics.wait(words, TASKS, done)
    const name = SLEEPERS[words[NAME] as number] as string
    const args = [...numbers.subarray(ARGUMENTS, ARGUMENTS + (words[COUNT] as number))]
    Atomics.store(words, STATE, CALLING)
    numbers[RESULT] = libc.call(name, ...args)
    numbers[ENDED] = time.now
    Atomics.store(words, STATE, IDLE)
    libc.call('write', wakeFd, one.address(0), 8)
  }
}

if (!isMainThread) main(workerData as ThreadData)
