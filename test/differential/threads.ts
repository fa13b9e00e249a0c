/** Threads that make the kernel's sleeping calls, seen from the main thread. */
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { AsyncCall, Result } from './arm.ts'
import type { Libc } from './c.ts'
import { BEGUN, IDLE, STATE, TASKS, THREAD_ID, WORDS } from './kernel-thread.ts'
import type { Normal, Value } from './values.ts'

const SIGNAL = 12
const SETTLE_MS = 200

class Thread {
  readonly words: Int32Array = new Int32Array(new SharedArrayBuffer(4 * WORDS))
  readonly port: MessagePort

  constructor(offset: number) {
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    const workerData = { words: this.words, port: port2, offset }
    const worker = new Worker(new URL('./kernel-thread.mjs', import.meta.url), { workerData, transferList: [port2] })
    worker.unref()
    port1.unref()
  }

  async started(): Promise<void> {
    while (Atomics.load(this.words, THREAD_ID) === 0) await setTimeout(5)
  }

  get isIdle(): boolean {
    return Atomics.load(this.words, STATE) === IDLE
  }

  /** True once its call is over, or sleeps. */
  get isSettled(): boolean {
    if (this.isIdle) return true
    if (Atomics.load(this.words, STATE) === BEGUN) return false
    const stat = readFileSync(`/proc/self/task/${this.words[THREAD_ID]}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2] === 'S'
  }
}

export class Threads {
  readonly #threads: Thread[] = []
  readonly #libc: Libc

  constructor(libc: Libc, count: number, offset: number) {
    this.#libc = libc
    for (let i = 0; i < count; i++) this.#threads.push(new Thread(offset))
  }

  async started(): Promise<void> {
    for (const thread of this.#threads) await thread.started()
  }

  begin(name: string, args: readonly Value[], normal: Normal): AsyncCall {
    const thread = this.#threads.find(({ isIdle }) => isIdle)
    if (thread === undefined) throw new Error(`no thread is left: ${this.#threads.length} sleep`)
    Atomics.store(thread.words, STATE, BEGUN)
    thread.port.postMessage({ name, args })
    Atomics.add(thread.words, TASKS, 1)
    Atomics.notify(thread.words, TASKS)
    let result: Result | null = null
    return {
      outcome: () => {
        const message = receiveMessageOnPort(thread.port)?.message as Result | undefined
        if (message === undefined) return result
        result = {
          ...message,
          text: message.text.replace(/<<(\d+)>>/g, (_, port: string) => normal.port(Number(port))),
        }
        return result
      },
    }
  }

  /** Waits until every call sleeps or is over. */
  settle(): void {
    const end = performance.now() + SETTLE_MS
    while (performance.now() < end && !this.#threads.every((thread) => thread.isSettled)) this.#libc.call('usleep', 100)
  }

  /** Ends calls that still sleep, by a signal that does nothing else. */
  interrupt(): void {
    const SYS_tgkill = process.arch === 'x64' ? 234 : 131
    for (const thread of this.#threads) {
      while (!thread.isIdle) {
        this.#libc.call('syscall', SYS_tgkill, process.pid, thread.words[THREAD_ID] as number, SIGNAL)
        this.#libc.call('usleep', 200)
      }
      while (receiveMessageOnPort(thread.port) !== undefined);
    }
  }
}
