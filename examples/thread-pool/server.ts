/**
 * The thread-pool server: a fixed number of threads, made before any client comes, and a queue of connections between the thread
 * that accepts and those that serve. Nobody pays for making a thread when a client comes; when all threads are busy, connections
 * wait in the queue, and when that is full, in the backlog.
 */
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../src/socket/constants.ts'
import type { ThreadProcess } from '../../src/thread/thread-process.ts'

const STDOUT = 1
/** Connections that wait for a thread. */
const QUEUE = 16

export interface ServerOptions {
  readonly port: number
  readonly threads: number
  /** It ends when it has accepted so many. */
  readonly connections: number
}

/** Words of the memory that all threads share. */
const MUTEX = 0
const FILLED = 1
const EMPTIED = 2
const HEAD = 3
const TAIL = 4
const FIRST = 5
/** In the queue instead of a descriptor: no more will come. */
const END = -1

/** A bounded queue of descriptors (the producer-consumer problem of every book). */
class ConnectionQueue {
  readonly #p: ThreadProcess
  readonly #words: Int32Array

  constructor(p: ThreadProcess) {
    this.#p = p
    this.#words = new Int32Array(p.memory)
  }

  /** By the main thread, once. */
  make(): this {
    this.#words[MUTEX] = this.#p.pthread_mutex_init()
    this.#words[FILLED] = this.#p.pthread_cond_init()
    this.#words[EMPTIED] = this.#p.pthread_cond_init()
    return this
  }

  put(fd: number): void {
    this.#p.pthread_mutex_lock(this.#at(MUTEX))
    while (this.#at(TAIL) - this.#at(HEAD) === QUEUE) this.#p.pthread_cond_wait(this.#at(EMPTIED), this.#at(MUTEX))
    this.#words[FIRST + (this.#at(TAIL) % QUEUE)] = fd
    this.#words[TAIL] = this.#at(TAIL) + 1
    this.#p.pthread_cond_signal(this.#at(FILLED))
    this.#p.pthread_mutex_unlock(this.#at(MUTEX))
  }

  take(): number {
    this.#p.pthread_mutex_lock(this.#at(MUTEX))
    while (this.#at(TAIL) === this.#at(HEAD)) this.#p.pthread_cond_wait(this.#at(FILLED), this.#at(MUTEX))
    const fd = this.#at(FIRST + (this.#at(HEAD) % QUEUE))
    this.#words[HEAD] = this.#at(HEAD) + 1
    this.#p.pthread_cond_signal(this.#at(EMPTIED))
    this.#p.pthread_mutex_unlock(this.#at(MUTEX))
    return fd
  }

  #at(word: number): number {
    return this.#words[word] as number
  }
}

/** The main thread: makes the pool, accepts, and queues. */
export function server(p: ThreadProcess, { port, threads, connections }: ServerOptions): number {
  const queue = new ConnectionQueue(p).make()
  const pool = Array.from({ length: threads }, () => p.pthread_create(import.meta.url, 'serve'))
  const listener = p.socket(AF_INET, SOCK_STREAM)
  p.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
  p.bind(listener, { port })
  p.listen(listener, 128)
  print(p, `listening on port ${port} with ${threads} threads`)
  for (let i = 0; i < connections; i++) queue.put(p.accept(listener))
  for (const _ of pool) queue.put(END)
  const served = pool.map((tid) => Number(p.pthread_join(tid)))
  print(p, `served ${served.join(' + ')} clients`)
  return 0
}

/** A thread of the pool: one connection after the other; how many. */
export function serve(p: ThreadProcess): number {
  const queue = new ConnectionQueue(p)
  const buffer = new Uint8Array(512)
  let served = 0
  for (let fd = queue.take(); fd !== END; fd = queue.take()) {
    for (let n = p.read(fd, buffer); n > 0; n = p.read(fd, buffer)) p.write(fd, buffer, 0, n)
    p.close(fd)
    served++
  }
  return served
}

function print(p: ThreadProcess, line: string): void {
  p.write(STDOUT, new TextEncoder().encode(`${line}\n`))
}
