/**
 * The pre-fork server with real parallel processes: the parent opens the listener and forks its children before any client comes. Each
 * child is a process in a worker of its own and has the listener by inheritance; whoever is free takes the next connection. A
 * child serves many clients at a time with epoll; EPOLLEXCLUSIVE has one of them woken for a connection, not all.
 */
import {
  AF_INET,
  EPOLL_CTL_ADD,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  SIGTERM,
  SO_REUSEADDR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'
import type { ThreadProcess } from '../../src/thread/thread-process.ts'

const STDOUT = 1
const MAX_EVENTS = 64

export interface ServerOptions {
  readonly port: number
  readonly children: number
  /** It ends when so many connections have been served. */
  readonly connections: number
}

/** The parent: a listener, children, a pipe on which they tell of each client served, the end of all. */
export function server(p: ThreadProcess, { port, children, connections }: ServerOptions): number {
  const listener = p.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK)
  p.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
  p.bind(listener, { port })
  p.listen(listener, 128)
  const [reports, report] = p.pipe()
  const pids = Array.from({ length: children }, () => p.fork(import.meta.url, 'child', { listener, report }))
  print(p, `parent ${p.pid}: listening on port ${port}, children ${pids.join(' ')}`)
  const byte = new Uint8Array(1)
  for (let served = 0; served < connections; served++) p.read(reports, byte)
  for (const pid of pids) p.kill(pid, SIGTERM)
  for (const pid of pids) p.waitpid(pid)
  print(p, `parent ${p.pid}: ${connections} clients served, ${pids.length} children reaped`)
  return 0
}

/** A child: an event loop over the shared listener and its own connections. It lives until it is killed. */
export function child(p: ThreadProcess, { listener, report }: { listener: number; report: number }): void {
  const epoll = p.epoll_create1()
  p.epoll_ctl(epoll, EPOLL_CTL_ADD, listener, { events: EPOLLIN | EPOLLEXCLUSIVE, data: listener })
  const events = Array.from({ length: MAX_EVENTS }, () => ({ events: 0, data: 0 }))
  const buffer = new Uint8Array(4096)
  let accepted = 0
  for (;;) {
    const count = p.epoll_wait(epoll, events, MAX_EVENTS)
    for (const { data: fd } of events.slice(0, count)) {
      if (fd === listener) {
        const connection = tryAccept(p, listener)
        if (connection < 0) continue
        p.epoll_ctl(epoll, EPOLL_CTL_ADD, connection, { events: EPOLLIN, data: connection })
        print(p, `child ${p.pid}: connection ${++accepted}`)
        continue
      }
      const n = p.read(fd, buffer)
      if (n > 0) p.write(fd, buffer, 0, n)
      else {
        p.close(fd)
        p.write(report, buffer, 0, 1)
      }
    }
  }
}

/** The next connection, or -1 if another child was faster. */
function tryAccept(p: ThreadProcess, listener: number): number {
  try {
    return p.accept(listener)
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EAGAIN') return -1
    throw error
  }
}

function print(p: ThreadProcess, line: string): void {
  p.write(STDOUT, new TextEncoder().encode(`${line}\n`))
}
