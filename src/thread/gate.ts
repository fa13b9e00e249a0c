/**
 * The gate through which threads make their calls. A thread in a worker writes its call into shared memory and sleeps; the gate, a
 * task of the clock that the hosts run on, carries it out against the process and writes the answer. While calls keep coming
 * it spins; otherwise it parks, and the next caller kicks it with a message.
 *
 * Threads are real, so time must be: a virtual clock cannot know when a worker is about to make a call.
 */
import type { Host, SpawnOptions } from '../host/host.ts'
import type { Process, Program } from '../host/process.ts'
import type { FileTable } from '../socket/file-table.ts'
import { SIG_DFL, SIGRTMAX } from '../socket/signal-constants.ts'
import { type Clock, type Micros, Task } from '../sys/clock.ts'
import { EAGAIN, SystemError } from '../sys/errno.ts'
import { VirtualClock } from '../sys/virtual-clock.ts'
import {
  AREA_STATE,
  Area,
  ASLEEP,
  BOARD_PARKED,
  BOARD_POSTED,
  DATA_BYTES,
  FRAME_BYTES,
  LEASE_BYTES,
  MAX_THREADS,
  MEMORY_BYTES,
  makeBoard,
  POSTED,
} from './area.ts'
import { carryOut, namedCalls } from './dispatch.ts'
import { ProcessLeases } from './lease.ts'
import { releaseMutexes } from './mutex.ts'
import { Thread, type ThreadEnd, type ThreadEntry, ThreadGroup, type ThreadSpawner } from './thread.ts'
import { ThreadCalls } from './thread-calls.ts'

/** Microseconds without a call after which the gate parks. */
const SPIN: Micros = 250

export interface GateOptions {
  /** Bytes a call may carry, each thread: 256 KiB unless told otherwise. */
  readonly dataBytes?: number
  /** Memory that the threads of a process share: 64 KiB unless told otherwise. */
  readonly memoryBytes?: number
}

/** Runs threads of processes, of any hosts that share `clock`. */
export class CallGate extends Task {
  readonly clock: Clock
  readonly #spawner: ThreadSpawner
  readonly #dataBytes: number
  readonly #memoryBytes: number
  readonly #board: Int32Array = makeBoard()
  /** By place on the board. */
  readonly #threads: (Thread | null)[] = []
  /** By the descriptor table, which each process has one of. */
  readonly #groups: Map<FileTable, ThreadGroup> = new Map()
  /** Words of the board in use; who has posted, as found in this look, and after it. */
  #words = 0
  readonly #found: Int32Array = new Int32Array(MAX_THREADS / 32)
  readonly #late: Int32Array = new Int32Array(MAX_THREADS / 32)
  readonly #scratch: Uint8Array = new Uint8Array(LEASE_BYTES)
  #lastCall: Micros = 0

  /** TypeError for a virtual clock. `spawner` makes the workers (`platform/worker.ts`). */
  constructor(clock: Clock, spawner: ThreadSpawner, options: GateOptions = {}) {
    super()
    if (clock instanceof VirtualClock) {
      throw new TypeError('clock: threads need a real clock: virtual time cannot wait for them')
    }
    this.clock = clock
    this.#spawner = spawner
    this.#dataBytes = options.dataBytes ?? DATA_BYTES
    this.#memoryBytes = options.memoryBytes ?? MEMORY_BYTES
    this.#isParked = true
  }

  // ---- Threads ----

  /** A process of its own in a worker: it ends with what the function returns. */
  spawn(host: Host, entry: ThreadEntry, options: SpawnOptions = {}): Process {
    return host.spawn(this.program(entry), { name: entry.name ?? 'thread', ...options })
  }

  /** A program that runs `entry` as the main thread of its process in a worker: for `Host.spawn` and `Process.fork`. */
  program(entry: ThreadEntry): Program {
    return async (process) => {
      loseHandlers(process)
      const thread = this.#create(process, process.pid, entry)
      const end = await thread.ended
      if (end.how === 'failed') throw end.error
      if (end.how === 'killed') throw new Error('its worker was terminated')
      // After pthread_exit of the main thread the process lives on in the others.
      if (end.how === 'exited') while (await this.#anotherEnd(thread.group));
      return end.how === 'returned' ? Number(end.value ?? 0) : 0
    }
  }

  /** Waits for the end of a thread that runs; false if there is none. */
  async #anotherEnd(group: ThreadGroup): Promise<boolean> {
    for (const thread of group.threads.values()) {
      if (thread.end !== undefined) continue
      await thread.ended
      return true
    }
    return false
  }

  /**
   * A thread of `process` beside what runs in it already; detached, its end is told by `ended`. SystemError EAGAIN when there are
   * `MAX_THREADS`.
   */
  createThread(process: Process, entry: ThreadEntry): Thread {
    const thread = this.#create(process, process.host.takePid(), entry)
    thread.isDetached = true
    return thread
  }

  #create(process: Process, tid: number, entry: ThreadEntry): Thread {
    let index = this.#threads.indexOf(null)
    if (index < 0) index = this.#threads.length
    if (index >= MAX_THREADS) throw new SystemError('pthread_create', EAGAIN)
    const group = this.#groupOf(process)
    const thread = new Thread(process, group, tid, index, Area.make(this.#dataBytes))
    thread.calls = new ThreadCalls(this, thread)
    thread.frame = new Thread(process, group, tid, index, Area.make(FRAME_BYTES))
    thread.frame.calls = thread.calls
    this.#threads[index] = thread
    this.#words = (this.#threads.length + 31) >>> 5
    group.threads.set(tid, thread)
    const start = {
      board: this.#board.buffer as SharedArrayBuffer,
      area: thread.area.buffer,
      frameArea: thread.frame.area.buffer,
      index,
      tid,
      pid: process.pid,
      processName: process.name,
      calls: group.calls.map(({ name }) => name),
      mutexes: group.mutexes.buffer as SharedArrayBuffer,
      memory: group.memory,
    }
    thread.worker = this.#spawner.spawn(entry, start, {
      kicked: () => this.clock.defer(this),
      ended: (end) => this.#end(thread, end),
    })
    return thread
  }

  #groupOf(process: Process): ThreadGroup {
    let group = this.#groups.get(process.files)
    if (group === undefined) {
      group = new ThreadGroup(namedCalls(process), new ProcessLeases(this.#scratch), this.#memoryBytes)
      process.files.leases = group.leases
      this.#groups.set(process.files, group)
      void process.exited.then(() => this.#processOver(process))
    }
    return group
  }

  /** The thread `tid` of `process`, as long as it can be joined. */
  threadOf(process: Process, tid: number): Thread | undefined {
    return this.#groups.get(process.files)?.threads.get(tid)
  }

  /** Threads that run. */
  get size(): number {
    return this.#threads.reduce((sum, thread) => sum + (thread === null ? 0 : 1), 0)
  }

  /** Ends a thread wherever it is: its call is undone as if it had not begun, its locks and leases are released. */
  kill(thread: Thread): void {
    if (thread.end !== undefined) return
    thread.worker?.terminate()
    this.#end(thread, { how: 'killed' })
  }

  /** For `ThreadCalls`: nobody will ask for its end any more. */
  forget(thread: Thread): void {
    thread.group.threads.delete(thread.tid)
  }

  #end(thread: Thread, end: ThreadEnd): void {
    if (thread.end !== undefined) return
    thread.over(end)
    // What it did last counts.
    thread.group.leases.recallThread(thread)
    if (thread.frame !== null) thread.group.leases.recallThread(thread.frame)
    releaseMutexes(thread.group.mutexes, thread.tid)
    this.#threads[thread.index] = null
    if (thread.isDetached) this.forget(thread)
  }

  #processOver(process: Process): void {
    for (const thread of this.#groups.get(process.files)?.threads.values() ?? []) this.kill(thread)
    this.#groups.delete(process.files)
  }

  // ---- Calls ----

  override run(): boolean {
    this.#isParked = false
    if (this.#look()) {
      this.#lastCall = this.clock.now()
      return true
    }
    if (this.clock.now() - this.#lastCall < SPIN) return true
    return this.#park()
  }

  set #isParked(isParked: boolean) {
    const before = Atomics.load(this.#board, BOARD_PARKED)
    if (((before & 1) !== 0) !== isParked) Atomics.store(this.#board, BOARD_PARKED, (before + 1) | 0)
  }

  /** Sleeps until kicked, unless somebody posted in this moment. */
  #park(): boolean {
    this.#isParked = true
    for (let w = 0; w < this.#words; w++) {
      if (Atomics.load(this.#board, BOARD_POSTED + w) === 0) continue
      // Somebody may have kicked already; to run once more does no harm.
      return true
    }
    return false
  }

  /** Carries out what has been posted; false if that was nothing. */
  #look(): boolean {
    if (!this.#collect()) return false
    // Before any call is carried out, everything that happened before it: its thread may know of it.
    this.#each(this.#found, settle)
    this.#each(this.#late, settle)
    this.#each(this.#found, serve)
    return true
  }

  /**
   * Takes who has posted off the board. What was posted before a call that is found is found as well: a word is read at once,
   * and all of them again after the last (`late`). Calls found only then have their turn in the next look.
   */
  #collect(): boolean {
    const board = this.#board
    let some = 0
    for (let w = 0; w < this.#words; w++) {
      const posted = Atomics.load(board, BOARD_POSTED + w) === 0 ? 0 : Atomics.exchange(board, BOARD_POSTED + w, 0)
      this.#found[w] = posted | (this.#late[w] as number)
      this.#late[w] = 0
      some |= this.#found[w] as number
    }
    if (some !== 0 && this.#words > 1) {
      for (let w = 0; w < this.#words; w++) this.#late[w] = Atomics.exchange(board, BOARD_POSTED + w, 0)
    }
    return some !== 0
  }

  #each(bits: Int32Array, action: (thread: Thread) => void): void {
    for (let w = 0; w < this.#words; w++) {
      for (let left = bits[w] as number; left !== 0; left &= left - 1) {
        const thread = this.#threads[32 * w + 31 - Math.clz32(left & -left)]
        if (thread !== null && thread !== undefined) action(thread)
      }
    }
  }
}

/** Handlers of a parent are functions of another worker: their signals do by default, as after execve(2). */
function loseHandlers({ signals }: Process): void {
  for (let signal = 1; signal <= SIGRTMAX; signal++) {
    if (typeof signals.action(signal).handler === 'function') signals.setAction(signal, { handler: SIG_DFL })
  }
}

function settle(thread: Thread): void {
  thread.group.leases.settle(thread)
  if (thread.frame !== null) thread.group.leases.settle(thread.frame)
}

/** Begins the thread's call if it has posted one, or its signal handler has. */
function serve(thread: Thread): void {
  if (thread.frame !== null) serve(thread.frame)
  if (thread.isInCall || thread.process.isOver) return
  const state = Atomics.load(thread.area.words, AREA_STATE)
  if (state !== POSTED && state !== ASLEEP) return
  thread.isInCall = true
  carryOut(thread)
}
