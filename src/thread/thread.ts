/** One thread of a process as its host sees it (struct task_struct): its memory, the call it is in, what waits for its end. */
import type { Sleeper } from '../host/pending.ts'
import type { Process } from '../host/process.ts'
import { AREA_RESULT, AREA_STATE, type Area, ASLEEP, DONE, LEASE_FD, LEASES, leaseWord, sharedWords } from './area.ts'
import { Decoder, Encoder } from './codec.ts'
import { fail, type NamedCall, succeed } from './dispatch.ts'
import type { Lease, ProcessLeases } from './lease.ts'
import { MUTEX_WORDS } from './mutex.ts'
import { SignalFrames } from './signal-frames.ts'
import type { ThreadCalls } from './thread-calls.ts'

/** What a thread runs: the function `name` of the module at a URL, called with the thread's calls and `argument`. */
export interface ThreadEntry {
  readonly module: string
  /** The exported function; `default` unless told otherwise. */
  readonly name?: string
  /** Whatever the platform can clone between workers. */
  readonly argument?: unknown
}

/** What the worker is given to make its calls. */
export interface ThreadStart {
  readonly board: SharedArrayBuffer
  readonly area: SharedArrayBuffer
  /** The area of calls made by signal handlers. */
  readonly frameArea: SharedArrayBuffer
  /** The thread's place on the board. */
  readonly index: number
  readonly tid: number
  readonly pid: number
  readonly processName: string
  /** Names of the calls, in the order of their numbers. */
  readonly calls: readonly string[]
  /** Memory of the process: its mutexes, and what its threads share. */
  readonly mutexes: SharedArrayBuffer
  readonly memory: SharedArrayBuffer
}

/** What a worker tells its host about the thread it runs. */
export interface ThreadEvents {
  /** The gate sleeps and something has been posted. */
  kicked(): void
  ended(end: ThreadEnd): void
}

/** The worker of a thread. */
export interface ThreadWorker {
  /** Stops it wherever it is, also in the middle of a call. */
  terminate(): void
}

/** Makes threads of a platform: workers that run `entry`. */
export interface ThreadSpawner {
  spawn(entry: ThreadEntry, start: ThreadStart, events: ThreadEvents): ThreadWorker
}

/** How a thread ended: its function returned, it called pthread_exit, it threw or its worker broke, or it was cancelled. */
export type ThreadEnd =
  | { readonly how: 'returned' | 'exited'; readonly value: unknown }
  | { readonly how: 'failed'; readonly error: unknown }
  | { readonly how: 'killed' }

/** What the threads of one process share. */
export class ThreadGroup {
  /** By thread id: those that run, and those that ended and can be joined. */
  readonly threads: Map<number, Thread> = new Map()
  readonly calls: readonly NamedCall[]
  readonly leases: ProcessLeases
  readonly mutexes: Int32Array = sharedWords(MUTEX_WORDS)
  readonly memory: SharedArrayBuffer

  constructor(calls: readonly NamedCall[], leases: ProcessLeases, memoryBytes: number) {
    this.calls = calls
    this.leases = leases
    this.memory = new SharedArrayBuffer(memoryBytes)
  }
}

export class Thread {
  readonly process: Process
  readonly group: ThreadGroup
  readonly tid: number
  readonly index: number
  readonly area: Area
  readonly encoder: Encoder
  readonly decoder: Decoder
  /** Settles when the thread is over, however it ended; it never rejects. */
  readonly ended: Promise<ThreadEnd>
  end: ThreadEnd | undefined
  worker: ThreadWorker | null = null
  readonly leases: (Lease | null)[] = Array.from({ length: LEASES }, () => null)
  /** Its own calls, apart from those of its process. Set by the gate. */
  calls!: ThreadCalls
  /** It waits for an answer; the arguments of a call by name. */
  isInCall = false
  args: unknown[] = []
  /** What sleeps on its behalf. */
  sleeper: Sleeper | null = null
  /** Handlers of signals that its worker runs, and the thread as it is in them: the calls they make. */
  readonly signals: SignalFrames
  frame: Thread | null = null
  isDetached = false
  isJoined = false
  /** What a call that slept goes on with. */
  readonly onResult: (value: unknown) => void = (value) => succeed(this, value)
  readonly onError: (error: unknown) => void = (error) => fail(this, error)
  #resolveEnded!: (end: ThreadEnd) => void

  constructor(process: Process, group: ThreadGroup, tid: number, index: number, area: Area) {
    this.process = process
    this.group = group
    this.tid = tid
    this.index = index
    this.area = area
    this.signals = new SignalFrames(area.words)
    this.encoder = new Encoder(area.data)
    this.decoder = new Decoder(area.data)
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    for (let i = 0; i < LEASES; i++) area.words[leaseWord(i, LEASE_FD)] = -1
  }

  /** The call's result; the data has what goes with it. */
  answer(result: number): void {
    const { words } = this.area
    this.isInCall = false
    this.sleeper = null
    words[AREA_RESULT] = result
    if (Atomics.exchange(words, AREA_STATE, DONE) === ASLEEP) Atomics.notify(words, AREA_STATE)
  }

  /** It has ended; its call ends with it. For the gate, which releases what it held. */
  over(end: ThreadEnd): void {
    this.end = end
    this.sleeper?.over()
    this.sleeper = null
    this.signals.over()
    this.frame?.over(end)
    this.args = []
    this.#resolveEnded(end)
  }
}
