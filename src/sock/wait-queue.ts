/**
 * Wait queues and readiness: what `poll`, `select`, `epoll`, blocking calls and the platform APIs are all built on.
 * A waiter's `wake` must only note that something happened (resolve a promise, queue a task): it runs in the middle of
 * packet processing and never calls into the stack or a program.
 */

/** Readiness bits, with Linux's values (poll(2), asm-generic/poll.h). */
export const POLLIN = 0x001
export const POLLPRI = 0x002
export const POLLOUT = 0x004
export const POLLERR = 0x008
export const POLLHUP = 0x010
export const POLLNVAL = 0x020
export const POLLRDNORM = 0x040
export const POLLRDBAND = 0x080
export const POLLWRNORM = 0x100
export const POLLWRBAND = 0x200
export const POLLRDHUP = 0x2000
/** What sockets say when something came (sock_def_readable), and when there is room again (sock_def_write_space). */
export const READABLE: number = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND
export const WRITABLE: number = POLLOUT | POLLWRNORM | POLLWRBAND

/** One entry of a wait queue (wait_queue_entry). */
export abstract class Waiter {
  declare queue: WaitQueue | null
  declare previous: Waiter | null
  declare following: Waiter | null
  /** Only one of these that takes the wake-up is woken (WQ_FLAG_EXCLUSIVE). Fixed while it is in a queue. */
  declare isExclusive: boolean

  constructor() {
    this.queue = this.previous = this.following = null
    this.isExclusive = false
  }

  /** The mask of what may have become ready; look again, it may be gone. True: an exclusive one takes the wake-up. */
  // biome-ignore lint/suspicious/noConfusingVoidType: only exclusive waiters answer
  abstract wake(mask: number): boolean | void
}

/**
 * A doubly linked list of waiters, woken from the front: first those that share, then the exclusive ones until one takes
 * the wake-up (__wake_up_common).
 */
export class WaitQueue {
  #first: Waiter | null = null
  #last: Waiter | null = null
  #firstExclusive: Waiter | null = null

  get isEmpty(): boolean {
    return this.#first === null
  }

  /** Adds at the end; one that shares before the exclusive ones. */
  add(waiter: Waiter): void {
    waiter.queue?.remove(waiter)
    this.#insert(waiter, waiter.isExclusive ? null : this.#firstExclusive)
  }

  /** Adds in front of all others of its kind, as Linux does with items of epoll and with sleepers in epoll_wait (__add_wait_queue). */
  addFirst(waiter: Waiter): void {
    waiter.queue?.remove(waiter)
    this.#insert(waiter, waiter.isExclusive ? this.#firstExclusive : this.#first)
  }

  #insert(waiter: Waiter, following: Waiter | null): void {
    waiter.queue = this
    const previous = following === null ? this.#last : following.previous
    if (waiter.isExclusive && following === this.#firstExclusive) this.#firstExclusive = waiter
    waiter.previous = previous
    waiter.following = following
    if (previous === null) this.#first = waiter
    else previous.following = waiter
    if (following === null) this.#last = waiter
    else following.previous = waiter
  }

  remove(waiter: Waiter): void {
    if (waiter.queue !== this) return
    if (this.#firstExclusive === waiter) this.#firstExclusive = waiter.following
    if (waiter.previous === null) this.#first = waiter.following
    else waiter.previous.following = waiter.following
    if (waiter.following === null) this.#last = waiter.previous
    else waiter.following.previous = waiter.previous
    waiter.queue = waiter.previous = waiter.following = null
  }

  /** Wakes the waiters; one that removes itself while being woken is fine. */
  wake(mask: number): void {
    for (let waiter = this.#first; waiter !== null; ) {
      const following = waiter.following
      if (waiter.wake(mask) === true && waiter.isExclusive) return
      waiter = following
    }
  }
}
