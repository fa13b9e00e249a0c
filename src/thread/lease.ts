/**
 * A lease: a thread sends and receives on a connected stream socket without asking its host. The host copies what can be read
 * now into the thread's memory, and promises room for what will be sent; the thread takes and posts, each with one compare and
 * exchange, which is the moment the call happens. The host carries it out in the order it happened, before any other call
 * sees the socket.
 *
 * Why nobody can tell: bytes mirrored stay at the head of the receive queue until they are taken, so reading ahead changes
 * no window, no FIONREAD and no readiness. Room is promised only while the connection is sound; an error, a reset or a shutdown
 * recalls the lease at once. What was posted before that went into the send buffer first, as it would have. A lease is for
 * the only holder of a description; whoever else asks for the descriptor recalls it (`FileTable.get`).
 */
import type { OpenFile } from '../host/files.ts'
import { MSG_DONTWAIT, MSG_PEEK } from '../sock/constants.ts'
import { SEND_SHUTDOWN, type Sock, TCP_ESTABLISHED } from '../sock/sock.ts'
import { POLLOUT, Waiter } from '../sock/wait-queue.ts'
import type { FileLeases } from '../socket/file-table.ts'
import { SocketFile } from '../socket/socket-file.ts'
import { assert } from '../sys/assert.ts'
import { EAGAIN } from '../sys/errno.ts'
import { Tcb } from '../tcp/tcb.ts'
import { notsentLowat } from '../tcp/write-space.ts'
import {
  LEASE_BYTES,
  LEASE_FD,
  LEASE_MIRRORED,
  LEASE_ROOM,
  LEASE_SENT,
  LEASE_TAKEN,
  LEASES,
  leaseWord,
  POST_HEADER,
  postSize,
  RECALLED,
} from './area.ts'
import type { Thread } from './thread.ts'

/** The part of a send buffer's free memory that is promised: a message of one byte is charged for much more. */
const ROOM_SHARE = 8

/** Sending now would succeed, whatever comes first. */
const isSound = (sock: Sock): boolean => sock.state === TCP_ESTABLISHED && sock.error === 0 && sock.shutdownMask === 0

/** With these options a read is more than taking what comes first. */
const readsPlainly = ({ settings }: Sock): boolean => settings.rcvLowat === 1 && settings.peekOff < 0

/** Bytes that sending is sure to take. */
function roomOf(sock: Sock): number {
  // What TCP_NOTSENT_LOWAT leaves room for depends on the peer.
  if ((sock.poll() & POLLOUT) === 0 || (sock instanceof Tcb && notsentLowat(sock) < sock.sndbuf)) return 0
  return Math.min(Math.max(Math.trunc((sock.sndbuf - sock.wmemQueued) / ROOM_SHARE), 0), LEASE_BYTES)
}

/** One of a thread's leases; it waits on the socket to be recalled when the connection is no longer what it was. */
export class Lease extends Waiter {
  readonly thread: Thread
  fd = -1
  sock: Sock | null = null
  readonly #place: number
  readonly #view: DataView
  /** What of the words has been carried out. */
  #sent = 0
  #taken = 0

  constructor(thread: Thread, place: number) {
    super()
    this.thread = thread
    this.#place = place
    const { leased } = thread.area
    this.#view = new DataView(leased.buffer, leased.byteOffset, leased.byteLength)
  }

  #index(word: number): number {
    return leaseWord(this.#place, word)
  }

  /** Hands it to the thread, which is in a call. With `reads` set, what can be read goes with it. */
  open(fd: number, sock: Sock, reads: boolean): void {
    const { words, leased } = this.thread.area
    this.fd = fd
    this.sock = sock
    this.#sent = this.#taken = 0
    const at = (2 * this.#place + 1) * LEASE_BYTES
    const mirrored =
      reads && readsPlainly(sock) ? sock.receive(leased, at, LEASE_BYTES, MSG_PEEK | MSG_DONTWAIT, null) : 0
    words[this.#index(LEASE_FD)] = fd
    words[this.#index(LEASE_ROOM)] = roomOf(sock)
    words[this.#index(LEASE_MIRRORED)] = Math.max(mirrored, 0)
    Atomics.store(words, this.#index(LEASE_SENT), 0)
    Atomics.store(words, this.#index(LEASE_TAKEN), 0)
    sock.wait.add(this)
  }

  /** From now on the thread has to ask. */
  close(): void {
    const { words } = this.thread.area
    Atomics.or(words, this.#index(LEASE_SENT), RECALLED)
    Atomics.or(words, this.#index(LEASE_TAKEN), RECALLED)
    this.queue?.remove(this)
  }

  override wake(): void {
    if (this.sock === null || !isSound(this.sock)) this.close()
  }

  /** Carries out what the thread has done so far; `scratch` has room for a whole mirror. */
  settle(scratch: Uint8Array): void {
    const { sock } = this
    if (sock === null) return
    const { words } = this.thread.area
    const taken = Atomics.load(words, this.#index(LEASE_TAKEN)) & ~RECALLED
    while (this.#taken < taken) {
      const count = sock.receive(scratch, 0, taken - this.#taken, MSG_DONTWAIT, null)
      if (count <= 0) break
      this.#taken += count
    }
    const sent = Atomics.load(words, this.#index(LEASE_SENT)) & ~RECALLED
    while (this.#sent < sent) this.#sent += this.#send(sock, 2 * this.#place * LEASE_BYTES + this.#sent)
  }

  /** Sends the message posted at `at`; the bytes it takes there. */
  #send(sock: Sock, at: number): number {
    const { leased } = this.thread.area
    const length = this.#view.getInt32(at, true)
    // What a reset caught in the send buffer is lost; the error is for the next call.
    const isLost = sock.error !== 0 || (sock.shutdownMask & SEND_SHUTDOWN) !== 0
    for (let done = 0; done < length && !isLost; ) {
      const from = at + POST_HEADER + done
      let result = sock.send(leased, from, length - done, MSG_DONTWAIT, null)
      if (result === -EAGAIN) {
        // Room was promised: the sender's memory is over its limit for a moment (sk_forced_mem_schedule).
        sock.sndbuf += LEASE_BYTES * ROOM_SHARE
        result = sock.send(leased, from, length - done, MSG_DONTWAIT, null)
        sock.sndbuf -= LEASE_BYTES * ROOM_SHARE
      }
      assert(result !== -EAGAIN, 'Lease: no room for what was promised')
      if (result < 0) break
      done += result
    }
    return postSize(length)
  }

  /** The socket is another's again. */
  forget(): void {
    this.fd = -1
    this.sock = null
  }
}

/** The leases of one process, by descriptor. */
export class ProcessLeases implements FileLeases {
  readonly #open: Map<number, Lease> = new Map()
  readonly #scratch: Uint8Array

  constructor(scratch: Uint8Array) {
    this.#scratch = scratch
  }

  get size(): number {
    return this.#open.size
  }

  /** Grants `thread` a lease of `fd` if it may have one. */
  grant(thread: Thread, fd: number, file: OpenFile | null, reads: boolean): boolean {
    if (!(file instanceof SocketFile) || !file.isStream || file.refs !== 1 || !isSound(file.sock)) return false
    const place = fd & (LEASES - 1)
    thread.leases[place] ??= new Lease(thread, place)
    const lease = thread.leases[place]
    if (lease.fd >= 0) this.recall(lease.fd)
    lease.open(fd, file.sock, reads)
    this.#open.set(fd, lease)
    return true
  }

  settle(thread: Thread): void {
    for (let i = 0; i < LEASES; i++) thread.leases[i]?.settle(this.#scratch)
  }

  recall(fd: number): void {
    const lease = this.#open.get(fd)
    if (lease === undefined) return
    this.#open.delete(fd)
    lease.close()
    lease.settle(this.#scratch)
    lease.forget()
  }

  recallAll(): void {
    for (const fd of this.#open.keys()) this.recall(fd)
  }

  /** The thread is gone: what it did last counts. */
  recallThread(thread: Thread): void {
    for (const lease of thread.leases) if (lease !== null && lease.fd >= 0) this.recall(lease.fd)
  }
}
