/** The small TCP services of `sockeye serve`, as programs that make system calls: echo (RFC 862), discard (RFC 863), source. */
import type { Process, Program } from '../host/process.ts'
import { AF_INET } from '../sock/address.ts'
import { SHUT_WR, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, SOMAXCONN } from '../sock/constants.ts'
import { NOFILE_MAX } from '../socket/file-table.ts'
import { SIG_IGN, SIGPIPE } from '../socket/signal-constants.ts'
import { SystemError } from '../sys/errno.ts'

const ECHO_BUFFER = 65536
const BULK_BUFFER = 262144

type Serve = (process: Process, fd: number) => Promise<void>

/** A program that listens on `port` and serves each connection with `serve`, all at the same time. */
function server(port: number, serve: Serve): Program {
  return async (process) => {
    process.fileLimit = NOFILE_MAX
    // A client that goes away is EPIPE, not the end of the server.
    process.signal(SIGPIPE, SIG_IGN)
    const listener = process.socket(AF_INET, SOCK_STREAM)
    process.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, 1)
    process.bind(listener, { port })
    process.listen(listener, SOMAXCONN)
    for (;;) void attend(process, await process.accept(listener), serve)
  }
}

/** Serves one connection; the peer's going away is no failure of the server. */
async function attend(process: Process, fd: number, serve: Serve): Promise<void> {
  try {
    await serve(process, fd)
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
  } finally {
    if (!process.isOver) await process.close(fd)
  }
}

/** Sends back what comes; the peer's end of stream is answered with ours, after everything. */
export const echo = (port: number): Program =>
  server(port, async (process, fd) => {
    const buffer = new Uint8Array(ECHO_BUFFER)
    for (;;) {
      const n = process.read(fd, buffer)
      const count = typeof n === 'number' ? n : await n
      if (count === 0) break
      const sent = process.write(fd, buffer, 0, count)
      if (typeof sent !== 'number') await sent
    }
    process.shutdown(fd, SHUT_WR)
  })

/** Reads and forgets. */
export const discard = (port: number): Program =>
  server(port, async (process, fd) => {
    const buffer = new Uint8Array(BULK_BUFFER)
    for (;;) {
      const n = process.read(fd, buffer)
      if ((typeof n === 'number' ? n : await n) === 0) break
    }
  })

/** Sends zeros as fast as they are taken, until the peer goes. */
export const source = (port: number): Program =>
  server(port, async (process, fd) => {
    const zeros = new Uint8Array(BULK_BUFFER)
    for (;;) await process.write(fd, zeros)
  })
