/**
 * The system calls as a thread in a worker makes them: the names, arguments, results and errors of `Process`, but each call
 * returns when it is done, as in C. The thread writes the call into shared memory and waits; on a socket that it leases, `send` and
 * `recv` need nobody (`lease.ts`).
 */
import { copy } from '../buf/chunk.ts'
import type { Process } from '../host/process.ts'
import { checkRange } from '../host/range.ts'
import type { SigAction, SigInfo, SignalHandler } from '../host/signals.ts'
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL } from '../sock/constants.ts'
import { SA_RESTART, SIG_DFL } from '../socket/signal-constants.ts'
import { SystemError } from '../sys/errno.ts'
import {
  AREA_CALL,
  AREA_FD,
  AREA_FLAGS,
  AREA_LENGTH,
  AREA_RESULT,
  AREA_SIGNALS,
  AREA_STATE,
  Area,
  ASLEEP,
  BOARD_PARKED,
  BOARD_POSTED,
  CALL_NAMED,
  CALL_READ,
  CALL_RECV,
  CALL_SEND,
  CALL_WRITE,
  DONE,
  ENDED_RANGE_ERROR,
  ENDED_SYSTEM_ERROR,
  ENDED_TYPE_ERROR,
  ENDED_WELL,
  IDLE,
  LEASE_BYTES,
  LEASE_FD,
  LEASE_MIRRORED,
  LEASE_ROOM,
  LEASE_SENT,
  LEASE_TAKEN,
  LEASES,
  leaseWord,
  POST_HEADER,
  POSTED,
  postSize,
} from './area.ts'
import { copyBack, Decoder, Encoder } from './codec.ts'
import type { NoCall } from './dispatch.ts'
import { MutexCalls } from './mutex.ts'
import type { ThreadStart } from './thread.ts'
import { CAUGHT, type ThreadAction } from './thread-action.ts'
import type { ThreadCalls } from './thread-calls.ts'

/** Looks at the answer before the thread goes to sleep: some microseconds, less than it takes to wake it. */
const SPIN = 200

/** A call as a thread makes it: what `Process` promises is here already. */
type Blocking<F> = F extends (...args: infer A) => infer R ? (...args: A) => Awaited<R> : never
type CallsOf<T, Without = never> = {
  readonly [K in keyof T as K extends Without
    ? never
    : T[K] extends (...args: never[]) => unknown
      ? K
      : never]: Blocking<T[K]>
}

/** Calls whose types are told apart below. */
type Retyped = 'exit' | 'sigaction' | 'signal'

/** The calls of a process, its threads' own calls, and mutexes. */
export type ThreadProcess = CallsOf<Process, keyof ThreadCalls | keyof MutexCalls | NoCall | Retyped> &
  CallsOf<ThreadCalls, 'rt_sigaction' | 'rt_sigtake' | 'rt_sigreturn'> &
  CallsOf<MutexCalls> & {
    readonly pid: number
    readonly tid: number
    /** The name of the process. */
    readonly name: string
    /** Memory that all threads of the process have, zeros at first: its global variables, so to say. */
    readonly memory: SharedArrayBuffer
    readonly sigaction: Process['sigaction']
    readonly signal: Process['signal']
    /** exit(3): ends the process with all its threads. */
    exit(code?: number): never
    /** pthread_exit(3): ends this thread; `value` is for who joins it. */
    pthread_exit(value?: unknown): never
  }

/** Thrown by `pthread_exit` to leave the thread's function; the worker catches it. */
export class ThreadExit extends Error {
  readonly value: unknown
  constructor(value: unknown) {
    super('pthread_exit')
    this.value = value
  }
}

/** The memory that calls go through. */
class Lines {
  readonly area: Area
  readonly view: DataView
  readonly encoder: Encoder
  readonly decoder: Decoder

  constructor(buffer: SharedArrayBuffer) {
    this.area = new Area(buffer)
    const { leased, data } = this.area
    this.view = new DataView(leased.buffer, leased.byteOffset, leased.byteLength)
    this.encoder = new Encoder(data)
    this.decoder = new Decoder(data)
  }
}

/** Posts calls and waits for their answers. */
class Caller extends MutexCalls {
  readonly pid: number
  readonly tid: number
  readonly name: string
  readonly memory: SharedArrayBuffer
  readonly #board: Int32Array
  /** What calls go through: the thread's own lines, or those of its signal handlers while one runs. */
  #lines: Lines
  readonly #ownLines: Lines
  readonly #frameLines: Lines
  readonly #numbers: ReadonlyMap<string, number>
  readonly #handlers: Map<number, SignalHandler> = new Map()
  /** What a handler threw, for the call that it interrupted. */
  #thrown: { readonly error: unknown } | null = null
  readonly #word: number
  readonly #bit: number
  readonly #kick: () => void
  /** The sleep of the gate that it has been kicked out of. */
  #kicked = 0

  constructor(start: ThreadStart, kick: () => void) {
    super(new Int32Array(start.mutexes), start.tid)
    this.pid = start.pid
    this.tid = start.tid
    this.name = start.processName
    this.memory = start.memory
    this.#board = new Int32Array(start.board)
    this.#ownLines = new Lines(start.area)
    this.#frameLines = new Lines(start.frameArea)
    this.#lines = this.#ownLines
    this.#numbers = new Map(start.calls.map((name, number) => [name, number]))
    this.#word = BOARD_POSTED + (start.index >>> 5)
    this.#bit = 1 << (start.index & 31)
    this.#kick = kick
  }

  // ---- read, recv, write and send ----

  /** read(2). */
  read(fd: number, bytes: Uint8Array, offset: number = 0, length: number = bytes.length - offset): number {
    return this.#receive('read', CALL_READ, fd, bytes, offset, length, 0)
  }

  /** recv(2). */
  recv(fd: number, bytes: Uint8Array, flags: number = 0): number {
    return this.#receive('recv', CALL_RECV, fd, bytes, 0, bytes.length, flags)
  }

  /** write(2). */
  write(fd: number, bytes: Uint8Array, offset: number = 0, length: number = bytes.length - offset): number {
    return this.#send('write', CALL_WRITE, fd, bytes, offset, length, 0)
  }

  /** send(2). */
  send(fd: number, bytes: Uint8Array, flags: number = 0): number {
    return this.#send('send', CALL_SEND, fd, bytes, 0, bytes.length, flags)
  }

  // biome-ignore format: one line
  #receive(name: string, call: number, fd: number, bytes: Uint8Array, offset: number, length: number, flags: number): number {
    checkRange(bytes, offset, length)
    if ((flags & ~MSG_DONTWAIT) === 0) {
      const count = this.#take(fd, bytes, offset, length)
      if (count > 0) return count
    }
    const { data } = this.#lines.area
    for (let got = 0; ; ) {
      const part = Math.min(length - got, data.length)
      const count = got === 0 ? this.#transfer(name, call, fd, part, flags) : this.#more(name, call, fd, part, flags)
      // More than there was room for: MSG_TRUNC.
      copy(bytes, offset + got, data, 0, Math.min(count, part))
      got += count
      // Otherwise a short read, as if the rest had not come yet.
      if (count < part || got >= length || (flags & MSG_WAITALL) === 0) return got
    }
  }

  // biome-ignore format: one line
  #send(name: string, call: number, fd: number, bytes: Uint8Array, offset: number, length: number, flags: number): number {
    checkRange(bytes, offset, length)
    if ((flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) === 0 && this.#post(fd, bytes, offset, length)) return length
    const { data } = this.#lines.area
    for (let sent = 0; ; ) {
      const part = Math.min(length - sent, data.length)
      copy(data, 0, bytes, offset + sent, part)
      const count = sent === 0 ? this.#transfer(name, call, fd, part, flags) : this.#more(name, call, fd, part, flags)
      sent += count
      if (count < part || sent === length) return sent
    }
  }

  /** Goes on with a long call: what has been done counts before an error. */
  #more(name: string, call: number, fd: number, length: number, flags: number): number {
    try {
      return this.#transfer(name, call, fd, length, flags)
    } catch {
      return 0
    }
  }

  #transfer(name: string, call: number, fd: number, length: number, flags: number): number {
    const { words } = this.#lines.area
    words[AREA_FD] = fd
    words[AREA_LENGTH] = length
    words[AREA_FLAGS] = flags
    const result = this.#wait(call)
    if (result < 0) throw new SystemError(name, result)
    return result
  }

  /** Takes what is mirrored of a leased socket: bytes, 0 if there are none. */
  #take(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    const { words, leased } = this.#lines.area
    const place = fd & (LEASES - 1)
    const at = leaseWord(place, LEASE_TAKEN)
    if (words[leaseWord(place, LEASE_FD)] !== fd) return 0
    const taken = Atomics.load(words, at)
    const count = taken < 0 ? 0 : Math.min((words[leaseWord(place, LEASE_MIRRORED)] as number) - taken, length)
    if (count === 0) return 0
    copy(bytes, offset, leased, (2 * place + 1) * LEASE_BYTES + taken, count)
    if (Atomics.compareExchange(words, at, taken, taken + count) !== taken) return 0
    this.#announce()
    return count
  }

  /** Posts a message to a leased socket; false if it has to ask. */
  #post(fd: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const { words, leased } = this.#lines.area
    const place = fd & (LEASES - 1)
    const at = leaseWord(place, LEASE_SENT)
    if (words[leaseWord(place, LEASE_FD)] !== fd || length === 0) return false
    const sent = Atomics.load(words, at)
    const end = sent + postSize(length)
    if (sent < 0 || end > (words[leaseWord(place, LEASE_ROOM)] as number)) return false
    const to = 2 * place * LEASE_BYTES + sent
    this.#lines.view.setInt32(to, length, true)
    copy(leased, to + POST_HEADER, bytes, offset, length)
    if (Atomics.compareExchange(words, at, sent, end) !== sent) return false
    this.#announce()
    return true
  }

  // ---- All others ----

  /** A call by name. */
  call(name: string, args: unknown[]): unknown {
    const { encoder, decoder } = this.#lines
    encoder.begin().put(args)
    const how = this.#wait(CALL_NAMED + (this.#numbers.get(name) as number))
    const answer = decoder.begin()
    const value = answer.get()
    if (how !== ENDED_WELL) throw errorOf(how, value)
    copyBack(answer.get(), args)
    return value
  }

  /** Posts call number `call` and waits for its result. */
  #wait(call: number): number {
    this.#runHandlers()
    const { words } = this.#lines.area
    words[AREA_CALL] = call
    Atomics.store(words, AREA_STATE, POSTED)
    this.#announce()
    while (!this.#isDone(words)) this.#runHandlers()
    Atomics.store(words, AREA_STATE, IDLE)
    if (this.#thrown !== null && this.#lines === this.#ownLines) {
      const { error } = this.#thrown
      this.#thrown = null
      throw error
    }
    return words[AREA_RESULT] as number
  }

  /** Waits for the answer, with open eyes first and then asleep; false when woken for a signal. */
  #isDone(words: Int32Array): boolean {
    for (let i = 0; i < SPIN; i++) if (Atomics.load(words, AREA_STATE) === DONE) return true
    if (Atomics.compareExchange(words, AREA_STATE, POSTED, ASLEEP) !== POSTED) return true
    while (Atomics.load(words, AREA_STATE) === ASLEEP) {
      if (this.#hasSignals() && Atomics.compareExchange(words, AREA_STATE, ASLEEP, POSTED) === ASLEEP) return false
      Atomics.wait(words, AREA_STATE, ASLEEP)
    }
    return Atomics.load(words, AREA_STATE) === DONE
  }

  // ---- Signals ----

  /** sigaction(2): handlers run in this thread, while one of its calls sleeps or with its next call. */
  sigaction(signal: number, action: SigAction | null): Required<SigAction> {
    const old = this.#handlers.get(signal)
    const handler = action?.handler
    const isCaught = typeof handler === 'function'
    // In place before the first signal can come.
    if (isCaught) this.#handlers.set(signal, handler)
    const given = action === null ? null : { ...action, handler: isCaught ? CAUGHT : handler }
    try {
      const before = this.call('rt_sigaction', [signal, given]) as Required<ThreadAction>
      return { ...before, handler: before.handler === CAUGHT ? (old ?? SIG_DFL) : before.handler }
    } catch (error) {
      if (isCaught) this.#restore(signal, old)
      throw error
    }
  }

  #restore(signal: number, old: SignalHandler | undefined): void {
    if (old === undefined) this.#handlers.delete(signal)
    else this.#handlers.set(signal, old)
  }

  /** signal(2) as the C library has it: sigaction with SA_RESTART. */
  signal(signal: number, handler: SigAction['handler']): SigAction['handler'] {
    return this.sigaction(signal, { handler, flags: SA_RESTART }).handler
  }

  /** A handler is to run, and none runs. */
  #hasSignals(): boolean {
    return this.#lines === this.#ownLines && Atomics.load(this.#ownLines.area.words, AREA_SIGNALS) !== 0
  }

  /** Runs the handlers of the signals that have come; their calls go through lines of their own. */
  #runHandlers(): void {
    if (!this.#hasSignals()) return
    this.#lines = this.#frameLines
    try {
      for (let info = this.#nextSignal(); info !== null; info = this.#nextSignal()) {
        try {
          this.#handlers.get(info.signo)?.(info.signo, info)
        } catch (error) {
          this.#thrown = { error }
        }
        this.call('rt_sigreturn', [this.#thrown !== null])
      }
    } finally {
      this.#lines = this.#ownLines
    }
  }

  #nextSignal(): SigInfo | null {
    return this.call('rt_sigtake', []) as SigInfo | null
  }

  /** Something has been posted: the gate looks, and is woken if it sleeps. */
  #announce(): void {
    const board = this.#board
    if ((Atomics.load(board, this.#word) & this.#bit) === 0) Atomics.or(board, this.#word, this.#bit)
    const parked = Atomics.load(board, BOARD_PARKED)
    if ((parked & 1) === 0 || parked === this.#kicked) return
    this.#kicked = parked
    this.#kick()
  }

  /** pthread_exit(3). */
  pthread_exit(value?: unknown): never {
    throw new ThreadExit(value)
  }
}

/** The calls of the thread that `start` describes; `kick` tells the gate that something has been posted. */
export function threadProcess(start: ThreadStart, kick: () => void): ThreadProcess {
  const caller = new Caller(start, kick)
  for (const name of start.calls) {
    if (name in caller) continue
    Object.defineProperty(caller, name, { value: (...args: unknown[]) => caller.call(name, args), enumerable: true })
  }
  return caller as unknown as ThreadProcess
}

function errorOf(how: number, value: unknown): Error {
  if (how === ENDED_SYSTEM_ERROR) {
    const [call, errno, address, port] = value as [string, number, string | undefined, number | undefined]
    return new SystemError(call, errno, address, port)
  }
  const message = String(value)
  if (how === ENDED_TYPE_ERROR) return new TypeError(message)
  return how === ENDED_RANGE_ERROR ? new RangeError(message) : new Error(message)
}
