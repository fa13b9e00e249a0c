/**
 * Mutexes and condition variables of the threads of a process (pthreads(7)), on words of shared memory as glibc builds them on
 * futex(2): a lock that is free costs one compare and exchange and no call. All mutexes are robust: who gets the lock of a thread
 * that died holding it is told so by EOWNERDEAD (pthread_mutexattr_setrobust(3)).
 */
import { EAGAIN, EBUSY, EDEADLK, EINVAL, EOWNERDEAD, EPERM, ETIMEDOUT, SystemError } from '../sys/errno.ts'

/** Mutexes and condition variables a process may have. */
export const MAX_MUTEXES = 1024
/** Two words each: what it is, and its state. */
export const MUTEX_WORDS: number = 2 * MAX_MUTEXES

const FREE = 0
const MUTEX = 1
const CONDITION = 2

/** A lock's word: the owner's thread id, and bits as in robust futexes (linux/futex.h). */
const WAITERS: number = 1 << 31
const OWNER_DIED = 1 << 30
const TID_MASK: number = OWNER_DIED - 1

/** The calls on mutexes and condition variables of one thread. */
export class MutexCalls {
  readonly #words: Int32Array
  readonly #tid: number

  constructor(words: Int32Array, tid: number) {
    this.#words = words
    this.#tid = tid
  }

  /** pthread_mutex_init(3): its number, good in all threads of the process. EAGAIN when there are `MAX_MUTEXES`. */
  pthread_mutex_init(): number {
    return this.#make('pthread_mutex_init', MUTEX)
  }

  /** pthread_mutex_lock(3): 0, or EOWNERDEAD when its last owner died with it: the lock is held all the same. EDEADLK. */
  pthread_mutex_lock(mutex: number): number {
    const at = this.#at('pthread_mutex_lock', mutex, MUTEX)
    const taken = this.#tryLock(at, 0)
    if (taken >= 0) return taken
    if (-taken === this.#tid) throw new SystemError('pthread_mutex_lock', EDEADLK)
    for (;;) {
      const value = Atomics.load(this.#words, at)
      if ((value & TID_MASK) === 0) {
        // Others may sleep as well: who gets it after a wait says so.
        const result = this.#tryLock(at, WAITERS)
        if (result >= 0) return result
      } else if (
        (value & WAITERS) !== 0 ||
        Atomics.compareExchange(this.#words, at, value, value | WAITERS) === value
      ) {
        Atomics.wait(this.#words, at, value | WAITERS)
      }
    }
  }

  /** pthread_mutex_trylock(3): as lock, EBUSY when it is held. */
  pthread_mutex_trylock(mutex: number): number {
    const taken = this.#tryLock(this.#at('pthread_mutex_trylock', mutex, MUTEX), 0)
    if (taken < 0) throw new SystemError('pthread_mutex_trylock', EBUSY)
    return taken
  }

  /** pthread_mutex_unlock(3): EPERM for who does not hold it. */
  pthread_mutex_unlock(mutex: number): void {
    const at = this.#at('pthread_mutex_unlock', mutex, MUTEX)
    if ((Atomics.load(this.#words, at) & TID_MASK) !== this.#tid) throw new SystemError('pthread_mutex_unlock', EPERM)
    if ((Atomics.exchange(this.#words, at, 0) & WAITERS) !== 0) Atomics.notify(this.#words, at, 1)
  }

  /** pthread_mutex_destroy(3): EBUSY while it is held. */
  pthread_mutex_destroy(mutex: number): void {
    const at = this.#at('pthread_mutex_destroy', mutex, MUTEX)
    if (Atomics.load(this.#words, at) !== 0) throw new SystemError('pthread_mutex_destroy', EBUSY)
    Atomics.store(this.#words, at - 1, FREE)
  }

  /** pthread_cond_init(3): its number. */
  pthread_cond_init(): number {
    return this.#make('pthread_cond_init', CONDITION)
  }

  /** pthread_cond_wait(3): lets go of `mutex`, sleeps until told, and holds it again; 0 or EOWNERDEAD. May wake for nothing. */
  pthread_cond_wait(condition: number, mutex: number): number {
    return this.#wait('pthread_cond_wait', condition, mutex, Infinity)
  }

  /** pthread_cond_timedwait(3), but with the seconds left instead of a point in time: ETIMEDOUT, with `mutex` held. */
  pthread_cond_timedwait(condition: number, mutex: number, seconds: number): number {
    return this.#wait('pthread_cond_timedwait', condition, mutex, seconds * 1000)
  }

  /** pthread_cond_signal(3): wakes one who waits. */
  pthread_cond_signal(condition: number): void {
    this.#signal('pthread_cond_signal', condition, 1)
  }

  /** pthread_cond_broadcast(3): wakes all who wait. */
  pthread_cond_broadcast(condition: number): void {
    this.#signal('pthread_cond_broadcast', condition, Infinity)
  }

  /** pthread_cond_destroy(3). */
  pthread_cond_destroy(condition: number): void {
    Atomics.store(this.#words, this.#at('pthread_cond_destroy', condition, CONDITION) - 1, FREE)
  }

  #make(call: string, kind: number): number {
    for (let i = 0; i < MAX_MUTEXES; i++) {
      if (Atomics.compareExchange(this.#words, 2 * i, FREE, kind) !== FREE) continue
      Atomics.store(this.#words, 2 * i + 1, 0)
      return i
    }
    throw new SystemError(call, EAGAIN)
  }

  /** Index of the word that is its state. */
  #at(call: string, object: number, kind: number): number {
    if (this.#words[2 * object] !== kind) throw new SystemError(call, EINVAL)
    return 2 * object + 1
  }

  /** 0 or EOWNERDEAD when it is ours now; minus the owner's thread id when it is not. */
  #tryLock(at: number, bits: number): number {
    for (;;) {
      const value = Atomics.load(this.#words, at)
      const owner = value & TID_MASK
      if (owner !== 0) return -owner
      const mine = (value & WAITERS) | bits | this.#tid
      if (Atomics.compareExchange(this.#words, at, value, mine) === value) {
        return (value & OWNER_DIED) === 0 ? 0 : EOWNERDEAD
      }
    }
  }

  #wait(call: string, condition: number, mutex: number, timeout: number): number {
    const at = this.#at(call, condition, CONDITION)
    // Counts signals: one that comes between unlocking and sleeping is not missed.
    const count = Atomics.load(this.#words, at)
    this.pthread_mutex_unlock(mutex)
    const outcome = Atomics.wait(this.#words, at, count, timeout)
    const result = this.pthread_mutex_lock(mutex)
    if (outcome === 'timed-out') throw new SystemError(call, ETIMEDOUT)
    return result
  }

  #signal(call: string, condition: number, count: number): void {
    const at = this.#at(call, condition, CONDITION)
    Atomics.add(this.#words, at, 1)
    Atomics.notify(this.#words, at, count)
  }
}

/** Thread `tid` died: the locks it held are free, and who gets one next is told (exit_robust_list). */
export function releaseMutexes(words: Int32Array, tid: number): void {
  for (let i = 0; i < MAX_MUTEXES; i++) {
    const at = 2 * i + 1
    if (words[2 * i] !== MUTEX || (Atomics.load(words, at) & TID_MASK) !== tid) continue
    Atomics.store(words, at, (Atomics.load(words, at) & WAITERS) | OWNER_DIED)
    Atomics.notify(words, at, 1)
  }
}
