/**
 * Files in flight (net/unix/garbage.c): descriptors that wait in a local socket's queue. Sockets that nobody can reach but from
 * each other's queues are found and closed: a task of the clock looks after a close, never more often than once a turn.
 */
import type { PassedFile, Scm } from '../sock/message.ts'
import { type Caller, Sock } from '../sock/sock.ts'
import { type Clock, Task } from '../sys/clock.ts'
import type { UnixMessage } from './message.ts'
import type { UnixSock } from './unix-sock.ts'

/** A file of ours that may be a socket, as `SocketFile` is. */
interface CountedFile extends PassedFile {
  readonly refs: number
  readonly sock?: unknown
}

/** The local socket behind a passed file; null for another file. */
function socketOf(file: PassedFile): UnixSock | null {
  const { sock } = file as CountedFile
  return sock instanceof Sock && 'unix' in sock ? (sock as UnixSock) : null
}

/** A socket in flight: how often, and its file. */
interface Flight {
  readonly file: CountedFile
  count: number
}

class Collector extends Task {
  readonly #flights: Flights
  constructor(flights: Flights) {
    super()
    this.#flights = flights
  }
  override run(): boolean {
    this.#flights.collect()
    return false
  }
}

/** The files in flight of one host. */
export class Flights {
  readonly #clock: Clock
  readonly #collector: Collector = new Collector(this)
  /** Local sockets in flight (unix_tot_inflight counts their flights). */
  readonly #sockets: Map<UnixSock, Flight> = new Map()
  /** Files in flight by user id (user_struct.unix_inflight). */
  readonly #users: Map<number, number> = new Map()
  readonly #releasing: PassedFile[] = []
  #isReleasing = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Files in flight, and sockets among them. */
  get files(): number {
    let all = 0
    for (const count of this.#users.values()) all += count
    return all
  }
  get sockets(): number {
    return this.#sockets.size
  }

  /** Whether a user has as many files in flight as a process may have open (too_many_unix_fds). */
  isTooMany({ uid, euid }: Caller, limit: number): boolean {
    return euid !== 0 && (this.#users.get(uid) ?? 0) > limit
  }

  /** A message with files is queued. */
  departed(scm: Scm): void {
    if (scm.files.length === 0) return
    this.#users.set(scm.user, (this.#users.get(scm.user) ?? 0) + scm.files.length)
    for (const file of scm.files) {
      const sock = socketOf(file)
      if (sock === null) continue
      const flight = this.#sockets.get(sock)
      if (flight === undefined) this.#sockets.set(sock, { file: file as CountedFile, count: 1 })
      else flight.count++
    }
  }

  /** It has been read, or will not be. */
  landed(scm: Scm): void {
    if (scm.files.length === 0) return
    const left = (this.#users.get(scm.user) ?? 0) - scm.files.length
    if (left > 0) this.#users.set(scm.user, left)
    else this.#users.delete(scm.user)
    for (const file of scm.files) {
      const sock = socketOf(file)
      const flight = sock === null ? undefined : this.#sockets.get(sock)
      if (sock !== null && flight !== undefined && --flight.count === 0) this.#sockets.delete(sock)
    }
  }

  /** Lets files go, one after the other however deep they lie in each other's queues. */
  release(files: readonly PassedFile[]): void {
    this.#releasing.push(...files)
    if (this.#isReleasing) return
    this.#isReleasing = true
    for (let file = this.#releasing.pop(); file !== undefined; file = this.#releasing.pop()) file.unref()
    this.#isReleasing = false
  }

  /** A socket was closed: others may have become unreachable. */
  closed(): void {
    if (this.#sockets.size > 0) this.#clock.defer(this.#collector)
  }

  /**
   * Closes sockets that are held by nothing but queues of each other (unix_gc). A socket whose file has no reference but its
   * flights is a candidate; it lives if a queue that holds it belongs to no candidate, or to one that lives.
   */
  collect(): void {
    const candidates: Map<UnixSock, number> = new Map()
    for (const [sock, { file, count }] of this.#sockets) if (file.refs === count) candidates.set(sock, 0)
    if (candidates.size === 0) return
    for (const sock of candidates.keys()) {
      for (const held of heldBy(sock)) {
        const seen = candidates.get(held)
        if (seen !== undefined) candidates.set(held, seen + 1)
      }
    }
    const alive: UnixSock[] = []
    for (const [sock, seen] of candidates) if (seen < (this.#sockets.get(sock) as Flight).count) alive.push(sock)
    for (let sock = alive.pop(); sock !== undefined; sock = alive.pop()) {
      if (!candidates.delete(sock)) continue
      for (const held of heldBy(sock)) if (candidates.has(held)) alive.push(held)
    }
    const files: PassedFile[] = []
    for (const sock of candidates.keys()) {
      for (const message of messagesOf(sock)) {
        const { scm } = message
        if (scm === null) continue
        this.landed(scm)
        files.push(...scm.files)
        scm.files = []
      }
    }
    this.release(files)
  }
}

/** The messages in a socket's queue, and of a listener those for connections that nobody has accepted. */
function* messagesOf(sock: UnixSock): Generator<UnixMessage> {
  for (let message = sock.head; message !== null; message = message.next) yield message
  for (const embryo of sock.embryos()) yield* messagesOf(embryo)
}

/** The local sockets in flight in a socket's queue, as often as they are. */
function* heldBy(sock: UnixSock): Generator<UnixSock> {
  for (const { scm } of messagesOf(sock)) {
    for (const file of scm?.files ?? []) {
      const held = socketOf(file)
      if (held !== null) yield held
    }
  }
}
