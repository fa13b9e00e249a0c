/**
 * The multi-threaded server: a thread for each connection, in a table with a fixed number of slots. Each thread is a worker of
 * the platform, and each call blocks it until it is done. Every thread is detached and gives its slot back when its client is
 * gone; when all are taken, the next client waits for one.
 */
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../src/socket/constants.ts'
import type { ThreadProcess } from '../../src/thread/thread-process.ts'

const STDOUT = 1

export interface ServerOptions {
  readonly port: number
  readonly slots: number
  /** It ends when it has served so many. */
  readonly connections: number
  /** Prints what it reads. */
  readonly isTalkative: boolean
}

/** What a thread is given. */
interface Connection {
  readonly fd: number
  readonly slot: number
  readonly peer: string
  readonly isTalkative: boolean
}

/** The table of slots, in the memory that all threads share: a mutex, a condition variable, and how each slot is used. */
class Slots {
  readonly #p: ThreadProcess
  readonly #words: Int32Array
  static readonly #MUTEX = 0
  static readonly #FREED = 1
  static readonly #COUNT = 2
  static readonly #FIRST = 3

  constructor(p: ThreadProcess) {
    this.#p = p
    this.#words = new Int32Array(p.memory)
  }

  /** By the main thread, once. */
  make(count: number): this {
    this.#words[Slots.#MUTEX] = this.#p.pthread_mutex_init()
    this.#words[Slots.#FREED] = this.#p.pthread_cond_init()
    this.#words[Slots.#COUNT] = count
    return this
  }

  /** The lowest free slot, which is taken now; waits until there is one. */
  take(fd: number): number {
    this.#lock()
    let slot = this.#free()
    if (slot < 0) print(this.#p, `all ${this.#count} slots are taken: the next client waits`)
    for (; slot < 0; slot = this.#free()) this.#wait()
    this.#words[Slots.#FIRST + slot] = fd
    this.#unlock()
    return slot
  }

  giveBack(slot: number): void {
    this.#lock()
    this.#words[Slots.#FIRST + slot] = 0
    print(this.#p, `slot ${slot} is free again`)
    this.#p.pthread_cond_signal(this.#words[Slots.#FREED] as number)
    this.#unlock()
  }

  /** Waits until all are free. */
  drain(): void {
    this.#lock()
    while (this.#used() > 0) this.#wait()
    this.#unlock()
  }

  get #count(): number {
    return this.#words[Slots.#COUNT] as number
  }

  #free(): number {
    return this.#words.subarray(Slots.#FIRST, Slots.#FIRST + this.#count).indexOf(0)
  }

  #used(): number {
    return this.#words.subarray(Slots.#FIRST, Slots.#FIRST + this.#count).filter((fd) => fd !== 0).length
  }

  #lock(): void {
    this.#p.pthread_mutex_lock(this.#words[Slots.#MUTEX] as number)
  }

  #unlock(): void {
    this.#p.pthread_mutex_unlock(this.#words[Slots.#MUTEX] as number)
  }

  #wait(): void {
    this.#p.pthread_cond_wait(this.#words[Slots.#FREED] as number, this.#words[Slots.#MUTEX] as number)
  }
}

/** The main thread: accepts, finds a slot, and gives the connection to a new thread. */
export function server(p: ThreadProcess, { port, slots: count, connections, isTalkative }: ServerOptions): number {
  const slots = new Slots(p).make(count)
  const listener = p.socket(AF_INET, SOCK_STREAM)
  p.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
  p.bind(listener, { port })
  p.listen(listener, 128)
  print(p, `listening on port ${port} with ${count} slots`)
  for (let served = 0; served < connections; served++) {
    const from = { address: '', port: 0 }
    const fd = p.accept(listener, from)
    const slot = slots.take(fd)
    const connection: Connection = { fd, slot, peer: `${from.address}:${from.port}`, isTalkative }
    p.pthread_detach(p.pthread_create(import.meta.url, 'serve', connection))
  }
  p.close(listener)
  slots.drain()
  print(p, `served ${connections} clients`)
  return 0
}

/** One connection's thread: what comes goes back, until the client closes. */
export function serve(p: ThreadProcess, { fd, slot, peer, isTalkative }: Connection): void {
  print(p, `slot ${slot}: thread ${p.gettid()} serves ${peer}`)
  const buffer = new Uint8Array(512)
  for (let n = p.read(fd, buffer); n > 0; n = p.read(fd, buffer)) {
    if (isTalkative) print(p, `slot ${slot}: ${new TextDecoder().decode(buffer.subarray(0, n)).trim()}`)
    p.write(fd, buffer, 0, n)
  }
  p.close(fd)
  new Slots(p).giveBack(slot)
}

function print(p: ThreadProcess, line: string): void {
  p.write(STDOUT, new TextEncoder().encode(`${line}\n`))
}
