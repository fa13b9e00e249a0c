/** One echo server in seven ways to do input and output. Each ends when it has served a number of connections. */
import type { Process, Program } from '../../src/host/process.ts'
import { FdSet } from '../../src/host/select.ts'
import { SigSet } from '../../src/host/sigset.ts'
import * as c from '../../src/socket/constants.ts'
import { acceptAll, Echo, listenOn } from './echo.ts'
import { Reactor } from './reactor.ts'

/** A server on `port` that ends after `connections` of them. */
export type EchoServer = (port: number, connections: number) => Program

/** Blocking: read sleeps until this client says something; the others wait for their turn. */
export const blocking: EchoServer = (port, connections) => async (process) => {
  const listener = listenOn(process, port)
  const buffer = new Uint8Array(4096)
  for (let i = 0; i < connections; i++) {
    const fd = await process.accept(listener)
    for (let n = await process.read(fd, buffer); n > 0; n = await process.read(fd, buffer)) {
      await process.write(fd, buffer, 0, n)
    }
    await process.close(fd)
  }
}

/** The connections of a server that serves all at once, and how many are still to end. */
class Table {
  readonly listener: number
  readonly echoes: Map<number, Echo> = new Map()
  readonly #process: Process
  #left: number

  constructor(process: Process, port: number, connections: number) {
    this.#process = process
    this.listener = listenOn(process, port, c.SOCK_NONBLOCK)
    this.#left = connections
  }

  get isDone(): boolean {
    return this.#left === 0
  }

  /** Takes all new connections; those that are there now. */
  accept(): Echo[] {
    const taken = [...acceptAll(this.#process, this.listener)].map((fd) => new Echo(this.#process, fd))
    for (const echo of taken) this.echoes.set(echo.fd, echo)
    return taken
  }

  serve(fd: number): boolean {
    const isOpen = this.echoes.get(fd)?.serve() ?? false
    if (!isOpen && this.echoes.delete(fd)) this.#left--
    return isOpen
  }

  serveAll(): void {
    for (const fd of [...this.echoes.keys()]) this.serve(fd)
  }
}

/** Non-blocking: asks every descriptor again and again, most often in vain. */
export const nonblocking: EchoServer = (port, connections) => async (process) => {
  const table = new Table(process, port, connections)
  while (!table.isDone) {
    table.accept()
    table.serveAll()
    await process.nanosleep({ sec: 0, nsec: 10_000_000 })
  }
}

/** select(2): three sets of descriptors, built anew for each call. */
export const select: EchoServer = (port, connections) => async (process) => {
  const table = new Table(process, port, connections)
  while (!table.isDone) {
    const read = new FdSet([table.listener])
    const write = new FdSet()
    for (const { fd, events } of table.echoes.values()) (events === c.POLLIN ? read : write).set(fd)
    const highest = Math.max(table.listener, ...table.echoes.keys())
    await process.select(highest + 1, read, write, null)
    for (const fd of [...table.echoes.keys()]) if (read.has(fd) || write.has(fd)) table.serve(fd)
    if (read.has(table.listener)) table.accept()
  }
}

/** poll(2): one array, scanned in full for each call. */
export const poll: EchoServer = (port, connections) => async (process) => {
  const table = new Table(process, port, connections)
  while (!table.isDone) {
    const fds = [{ fd: table.listener, events: c.POLLIN, revents: 0 }]
    for (const { fd, events } of table.echoes.values()) fds.push({ fd, events, revents: 0 })
    await process.poll(fds)
    for (const { fd, revents } of fds.slice(1)) if (revents !== 0) table.serve(fd)
    if (fds[0]?.revents !== 0) table.accept()
  }
}

/** epoll(7), edge-triggered: each descriptor is told once, and one that is ready is served until it would wait. */
export const epoll: EchoServer = (port, connections) => async (process) => {
  const table = new Table(process, port, connections)
  const set = process.epoll_create1()
  const events: { events: number; data?: unknown }[] = []
  process.epoll_ctl(set, c.EPOLL_CTL_ADD, table.listener, { events: c.EPOLLIN, data: table.listener })
  while (!table.isDone) {
    const count = await process.epoll_wait(set, events, 16)
    for (const { data } of events.slice(0, count)) {
      if (data !== table.listener) table.serve(data as number)
      else {
        for (const { fd } of table.accept()) {
          process.epoll_ctl(set, c.EPOLL_CTL_ADD, fd, { events: c.EPOLLIN | c.EPOLLOUT | c.EPOLLET, data: fd })
        }
      }
    }
  }
}

/** Signal-driven: a queued real-time signal tells which descriptor is ready, SIGIO that too many came to be queued. */
export const sigio: EchoServer = (port, connections) => async (process) => {
  const signals = new SigSet([c.SIGRTMIN, c.SIGIO])
  process.sigprocmask(c.SIG_BLOCK, signals)
  const drive = (fd: number): void => {
    process.fcntl(fd, c.F_SETOWN, process.getpid())
    process.fcntl(fd, c.F_SETSIG, c.SIGRTMIN)
    process.fcntl(fd, c.F_SETFL, c.O_ASYNC | c.O_NONBLOCK)
  }
  const table = new Table(process, port, connections)
  drive(table.listener)
  while (!table.isDone) {
    const { signo, fd } = await process.sigwaitinfo(signals)
    if (signo === c.SIGIO) table.serveAll()
    else if (fd !== table.listener) table.serve(fd)
    // What came before O_ASYNC was on is not told.
    for (const echo of table.accept()) {
      drive(echo.fd)
      table.serve(echo.fd)
    }
  }
}

/** The reactor: the same on handlers. */
export const reactor: EchoServer = (port, connections) => async (process) => {
  const table = new Table(process, port, connections)
  const loop = new Reactor(process)
  loop.register(table.listener, c.EPOLLIN, () => {
    for (const echo of table.accept()) {
      loop.register(echo.fd, echo.events, () => {
        if (table.serve(echo.fd)) loop.modify(echo.fd, echo.events)
        else loop.remove(echo.fd)
        if (table.isDone) loop.stop()
      })
    }
  })
  await loop.run()
}

export const SERVERS: Readonly<Record<string, EchoServer>> = {
  blocking,
  nonblocking,
  select,
  poll,
  epoll,
  sigio,
  reactor,
}
