/** This process's hold on the kernel: the C library, memory for calls, and a thread for those that sleep. */
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { Arena, Libc, must } from '../differential/c.ts'
import * as thread from './kernel-thread.ts'

/** For buffers of calls; the kernel gives pages when they are touched. */
const ARENA_SIZE = 1 << 26
const SETTLE_US = 300_000

export class Machine {
  readonly libc: Libc = new Libc()
  readonly time: thread.RealTime = new thread.RealTime(this.libc)
  /** Of the call in hand, of the one that sleeps, and of the device. */
  readonly arena: Arena = new Arena(ARENA_SIZE)
  readonly sleepArena: Arena = new Arena(ARENA_SIZE)
  readonly deviceArena: Arena = new Arena(1 << 19)
  /** Readable when the thread's call is over. */
  readonly wakeFd: number = must('eventfd', this.libc.call('eventfd', 0, 0x800))
  readonly #memory: SharedArrayBuffer = new SharedArrayBuffer(thread.SHARED_SIZE)
  readonly #words: Int32Array = new Int32Array(this.#memory)
  readonly #numbers: Float64Array = new Float64Array(this.#memory)

  constructor() {
    const workerData: thread.ThreadData = { memory: this.#memory, wakeFd: this.wakeFd }
    new Worker(new URL('./kernel-thread.mjs', import.meta.url), { workerData }).unref()
  }

  async started(): Promise<void> {
    while (Atomics.load(this.#words, thread.THREAD_ID) === 0) await new Promise((then) => setTimeout(then, 5))
    thread.hurry()
  }

  /** Lets the thread make a call that may sleep; comes back when it sleeps or is over. */
  beginSleeper(name: string, args: readonly number[]): void {
    const number = thread.SLEEPERS.indexOf(name)
    if (number < 0) throw new Error(`${name} as a blocking call`)
    this.#words[thread.NAME] = number
    this.#words[thread.COUNT] = args.length
    this.#numbers.set(args, thread.ARGUMENTS)
    Atomics.store(this.#words, thread.STATE, thread.BEGUN)
    Atomics.add(this.#words, thread.TASKS, 1)
    Atomics.notify(this.#words, thread.TASKS)
    for (const end = this.time.now + SETTLE_US; this.time.now < end && !this.#isSettled; ) this.libc.call('usleep', 50)
  }

  get #isSettled(): boolean {
    if (this.isIdle) return true
    if (Atomics.load(this.#words, thread.STATE) === thread.BEGUN) return false
    const stat = readFileSync(`/proc/self/task/${this.#words[thread.THREAD_ID]}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2] === 'S'
  }

  get isIdle(): boolean {
    return Atomics.load(this.#words, thread.STATE) === thread.IDLE
  }

  /** Of the call that is over: its result, and when in microseconds. */
  get result(): number {
    return this.#numbers[thread.RESULT] as number
  }
  get endedAt(): number {
    return this.#numbers[thread.ENDED] as number
  }
}
