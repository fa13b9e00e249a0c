/** A thread of the kernel's side: it makes the calls of `async` steps, which may sleep. */
import { isMainThread, type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { Arena, Libc } from './c.ts'
import { ARENA_SIZE, KernelArm } from './kernel.ts'
import { Normal, type Value } from './values.ts'

/** Words of the memory that both threads see. */
export const TASKS = 0
export const STATE = 1
export const THREAD_ID = 2
export const WORDS = 3
/** Values of STATE. */
export const IDLE = 0
export const BEGUN = 1
export const CALLING = 2

export interface ThreadData {
  readonly words: Int32Array
  readonly port: MessagePort
  readonly offset: number
}

export interface Task {
  readonly name: string
  readonly args: readonly Value[]
}

/** Ports are numbered by the main thread. */
class RawNormal extends Normal {
  override port(port: number): string {
    return `<<${port}>>`
  }
}

function main({ words, port, offset }: ThreadData): void {
  const libc = new Libc()
  const arm = new KernelArm(libc, new Arena(ARENA_SIZE), new RawNormal(), offset, () => [])
  Atomics.store(words, THREAD_ID, libc.call('gettid'))
  Atomics.notify(words, THREAD_ID)
  for (let done = 0; ; done++) {
    Atomics.wait(words, TASKS, done)
    const task = receiveMessageOnPort(port)
    if (task === undefined) throw new Error('a task without a message')
    const { name, args } = task.message as Task
    if (done === 0) arm.join('mnt')
    arm.join('net')
    Atomics.store(words, STATE, CALLING)
    const result = arm.call(name, revive(args) as Value[])
    port.postMessage(result)
    Atomics.store(words, STATE, IDLE)
  }
}

/** Socket addresses lose their class on the way. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const entries = Object.entries(value)
  const [first] = entries
  if (entries.length === 1 && first !== undefined && first[0] === 'bytes')
    return KernelArm.address(first[1] as Uint8Array)
  return Object.fromEntries(entries.map(([name, one]) => [name, revive(one)]))
}

if (!isMainThread) main(workerData as ThreadData)
