/** A reactor: handlers registered for descriptors, called when epoll(7) says that these are ready. */
import type { Process } from '../../src/host/process.ts'
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../../src/socket/constants.ts'
import type { EpollEvent } from '../../src/socket/epoll.ts'

const EVENTS = 64

/** Called with what of the wanted is the case. */
export type OnReady = (events: number) => void

export class Reactor {
  readonly #process: Process
  readonly #set: number
  readonly #handlers: Map<number, OnReady> = new Map()
  #isRunning = false

  constructor(process: Process) {
    this.#process = process
    this.#set = process.epoll_create1()
  }

  /** Calls `onReady` whenever one of `events` is the case for `fd`. */
  register(fd: number, events: number, onReady: OnReady): void {
    this.#handlers.set(fd, onReady)
    this.#process.epoll_ctl(this.#set, EPOLL_CTL_ADD, fd, { events, data: fd })
  }

  /** Waits for other events of `fd` from now on. */
  modify(fd: number, events: number): void {
    this.#process.epoll_ctl(this.#set, EPOLL_CTL_MOD, fd, { events, data: fd })
  }

  /** Forgets `fd`; needed before its close only if others have the description open. */
  remove(fd: number): void {
    this.#handlers.delete(fd)
    if (this.#process.files.get(fd) !== null) this.#process.epoll_ctl(this.#set, EPOLL_CTL_DEL, fd)
  }

  /** The event loop: until `stop`. */
  async run(): Promise<void> {
    this.#isRunning = true
    const events: EpollEvent[] = []
    while (this.#isRunning) {
      const count = await this.#process.epoll_wait(this.#set, events, EVENTS)
      for (const { events: mask, data } of events.slice(0, count)) this.#handlers.get(data as number)?.(mask)
    }
    await this.#process.close(this.#set)
  }

  stop(): void {
    this.#isRunning = false
  }
}
