/**
 * epoll(7), built as fs/eventpoll.c builds it. An `EpollItem` is an entry in the wait queue of the file it watches;
 * being woken puts it at the end of its set's ready list and wakes who sleeps on the set. epoll_wait looks only at that
 * list, so what an event costs does not depend on how many files are watched.
 *
 * A set watches open file descriptions, not descriptors: an item stays until the description is closed or the item
 * is deleted. Left out: the limits on wake-up paths (path_limits) and on items a user (fs.epoll.max_user_watches).
 */

import { O_RDWR } from '../sock/constants.ts'
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, Waiter, WaitQueue } from '../sock/wait-queue.ts'
import { EEXIST, EINVAL, ELOOP, ENOENT } from '../sys/errno.ts'
import {
  EP_MAX_NESTS,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLONESHOT,
  EPOLLWAKEUP,
} from './epoll-constants.ts'
import { type FileWatch, OpenFile } from './open-file.ts'

/** struct epoll_event: `data` is whatever the program wants to be told with the event. */
export interface EpollEvent {
  events: number
  data?: unknown
}

/** How to tell, as against what (EP_PRIVATE_BITS). */
const PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE
/** What may go with EPOLLEXCLUSIVE (EPOLLEXCLUSIVE_OK_BITS). */
const EXCLUSIVE_OK_BITS = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE
/** Told whether asked for or not. */
const ALWAYS = POLLERR | POLLHUP

/** One file watched by one set (struct epitem). */
export class EpollItem extends Waiter implements FileWatch {
  readonly set: EpollFile
  readonly file: OpenFile
  /** The descriptor it was added under; it names the item together with the file. */
  readonly fd: number
  /** EPOLL bits. Without any event it is disabled (EPOLLONESHOT has fired). */
  events: number
  data: unknown
  nextWatch: FileWatch | null = null
  previousWatch: FileWatch | null = null
  /** Another item of the set under the same descriptor, of a file that is open elsewhere. */
  nextOfFd: EpollItem | null = null
  isReady = false
  nextReady: EpollItem | null = null
  previousReady: EpollItem | null = null

  constructor(set: EpollFile, file: OpenFile, fd: number, event: EpollEvent) {
    super()
    this.set = set
    this.file = file
    this.fd = fd
    this.events = event.events | ALWAYS
    this.data = event.data
    this.isExclusive = (event.events & EPOLLEXCLUSIVE) !== 0
  }

  /** What of the wanted is the case now (ep_item_poll). */
  poll(): number {
    return this.file.poll() & this.events
  }

  /** The file may have become ready (ep_poll_callback); true if somebody will come and look. */
  override wake(mask: number): boolean {
    const { events } = this
    if ((events & ~PRIVATE_BITS) === 0 || (mask !== 0 && (mask & events) === 0)) return !this.isExclusive
    const isTaken = this.set.itemWoken(this)
    if (!this.isExclusive) return true
    if (!isTaken) return false
    const inOut = mask & (POLLIN | POLLOUT)
    return inOut === 0 || ((inOut === POLLIN || inOut === POLLOUT) && (events & inOut) !== 0)
  }

  fileReleased(): void {
    this.set.remove(this)
  }
}

/** A set of files and the list of those that may be ready (struct eventpoll). */
export class EpollFile extends OpenFile {
  /** Who polls the set itself. */
  override readonly wait: WaitQueue = new WaitQueue()
  /** Who sleeps in epoll_wait. */
  readonly sleepers: WaitQueue = new WaitQueue()
  readonly #items: Map<number, EpollItem> = new Map()
  #firstReady: EpollItem | null = null
  #lastReady: EpollItem | null = null
  #readyCount = 0
  #size = 0

  constructor() {
    super(O_RDWR)
  }

  /** Files watched. */
  get size(): number {
    return this.#size
  }

  /** Something is in the ready list; whether it is ready is seen by looking (ep_events_available). */
  get hasReady(): boolean {
    return this.#firstReady !== null
  }

  // ---- The set ----

  /** epoll_ctl(2) after the checks on descriptors (do_epoll_ctl): 0 or -errno. Only DEL needs no `event`. */
  control(op: number, file: OpenFile, fd: number, event: EpollEvent | null): number {
    const wanted = event ?? { events: 0 }
    if (op !== EPOLL_CTL_DEL && (wanted.events & EPOLLEXCLUSIVE) !== 0) {
      const isOk = !(file instanceof EpollFile) && (wanted.events & ~EXCLUSIVE_OK_BITS) === 0
      if (op === EPOLL_CTL_MOD || (op === EPOLL_CTL_ADD && !isOk)) return -EINVAL
    }
    if (op === EPOLL_CTL_ADD && file instanceof EpollFile && !mayContain(this, file)) return -ELOOP
    const item = this.#find(file, fd)
    switch (op) {
      case EPOLL_CTL_ADD:
        if (item !== null) return -EEXIST
        this.#insert(file, fd, wanted)
        return 0
      case EPOLL_CTL_DEL:
        if (item === null) return -ENOENT
        this.remove(item)
        return 0
      case EPOLL_CTL_MOD:
        if (item === null) return -ENOENT
        if (item.isExclusive) return -EINVAL
        item.events = wanted.events | ALWAYS
        item.data = wanted.data
        this.#lookAt(item)
        return 0
      default:
        return -EINVAL
    }
  }

  #find(file: OpenFile, fd: number): EpollItem | null {
    let item = this.#items.get(fd) ?? null
    while (item !== null && item.file !== file) item = item.nextOfFd
    return item
  }

  #insert(file: OpenFile, fd: number, event: EpollEvent): void {
    const item = new EpollItem(this, file, fd, event)
    item.nextOfFd = this.#items.get(fd) ?? null
    this.#items.set(fd, item)
    this.#size++
    file.addWatch(item)
    if (item.isExclusive) file.wait?.add(item)
    else file.wait?.addFirst(item)
    this.#lookAt(item)
  }

  /** An item was added or changed: what is ready already counts as an event. */
  #lookAt(item: EpollItem): void {
    if (item.poll() !== 0) this.itemWoken(item)
  }

  /** Takes an item out (ep_remove). */
  remove(item: EpollItem): void {
    item.queue?.remove(item)
    item.file.removeWatch(item)
    if (item.isReady) this.#unlinkReady(item)
    this.#size--
    let before = this.#items.get(item.fd) as EpollItem
    if (before !== item) {
      while (before.nextOfFd !== item) before = before.nextOfFd as EpollItem
      before.nextOfFd = item.nextOfFd
    } else if (item.nextOfFd !== null) this.#items.set(item.fd, item.nextOfFd)
    else this.#items.delete(item.fd)
  }

  *items(): Generator<EpollItem> {
    for (const first of this.#items.values()) {
      for (let item: EpollItem | null = first; item !== null; item = item.nextOfFd) yield item
    }
  }

  // ---- Readiness ----

  /** `item` goes to the ready list, and who waits is woken; true if somebody sleeps in epoll_wait. */
  itemWoken(item: EpollItem): boolean {
    if (!item.isReady) this.#linkReady(item)
    const isAwaited = !this.sleepers.isEmpty
    if (isAwaited) this.sleepers.wake(0)
    if (!this.wait.isEmpty) this.wait.wake(POLLIN)
    return isAwaited
  }

  /**
   * epoll_wait(2) without the waiting (ep_send_events): fills in `events`, `max` at most, oldest first; how many. A
   * level-triggered item goes back to the end of the list, so that the others have their turn.
   */
  send(events: EpollEvent[], max: number): number {
    let count = 0
    for (let left = this.#readyCount; left > 0 && count < max; left--) {
      const item = this.#firstReady as EpollItem
      this.#unlinkReady(item)
      const mask = item.poll()
      if (mask === 0) continue
      const entry = (events[count] ??= { events: 0 })
      entry.events = mask
      entry.data = item.data
      count++
      if ((item.events & EPOLLONESHOT) !== 0) item.events &= PRIVATE_BITS
      else if ((item.events & EPOLLET) === 0 && !item.isReady) this.#linkReady(item)
    }
    // What is left is for somebody else who sleeps here (ep_done_scan).
    if (this.#firstReady !== null) this.sleepers.wake(0)
    return count
  }

  /** The set itself is readable while it has an event to tell (__ep_eventpoll_poll). */
  override poll(): number {
    for (let item = this.#firstReady; item !== null; item = this.#firstReady) {
      if (item.poll() !== 0) return POLLIN | POLLRDNORM
      this.#unlinkReady(item)
    }
    return 0
  }

  #linkReady(item: EpollItem): void {
    item.isReady = true
    item.previousReady = this.#lastReady
    if (this.#lastReady === null) this.#firstReady = item
    else this.#lastReady.nextReady = item
    this.#lastReady = item
    this.#readyCount++
  }

  #unlinkReady(item: EpollItem): void {
    if (item.previousReady === null) this.#firstReady = item.nextReady
    else item.previousReady.nextReady = item.nextReady
    if (item.nextReady === null) this.#lastReady = item.previousReady
    else item.nextReady.previousReady = item.previousReady
    item.nextReady = item.previousReady = null
    item.isReady = false
    this.#readyCount--
  }

  // ---- The file ----

  override get canRead(): boolean {
    return false
  }

  override get canWrite(): boolean {
    return false
  }

  override read(): number {
    return -EINVAL
  }

  override write(): number {
    return -EINVAL
  }

  /** ep_eventpoll_ioctl */
  override ioctl(): number {
    return -EINVAL
  }

  override get description(): string {
    return 'anon_inode:[eventpoll]'
  }

  protected override release(): void {
    for (const item of [...this.items()]) this.remove(item)
  }
}

/** `inner` may become part of `outer`: no loop and no chain of more than EP_MAX_NESTS + 1 sets (ep_loop_check). */
function mayContain(outer: EpollFile, inner: EpollFile): boolean {
  const down = depthBelow(inner, outer, new Map())
  return down <= EP_MAX_NESTS && down + 1 + depthAbove(outer, new Map()) <= EP_MAX_NESTS
}

/** Sets within sets below `set`; more than EP_MAX_NESTS if `outer` is among them. Each set is visited once. */
function depthBelow(set: EpollFile, outer: EpollFile, seen: Map<EpollFile, number>): number {
  const known = seen.get(set)
  if (known !== undefined) return known
  let depth = 0
  for (const { file } of set.items()) {
    if (!(file instanceof EpollFile)) continue
    depth = file === outer ? EP_MAX_NESTS + 1 : Math.max(depth, depthBelow(file, outer, seen) + 1)
    if (depth > EP_MAX_NESTS) break
  }
  seen.set(set, depth)
  return depth
}

/** Sets above `set` that contain each other (ep_get_upwards_depth_proc). */
function depthAbove(set: EpollFile, seen: Map<EpollFile, number>): number {
  const known = seen.get(set)
  if (known !== undefined) return known
  let depth = 0
  for (let watch = set.firstWatch; watch !== null; watch = watch.nextWatch) {
    if (watch instanceof EpollItem) depth = Math.max(depth, depthAbove(watch.set, seen) + 1)
  }
  seen.set(set, depth)
  return depth
}
