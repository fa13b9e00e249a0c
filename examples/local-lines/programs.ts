/** A server of lines on a local socket (unix(7)): what a stale path does, and how it is removed and tried again. */
import type { Process } from '../../src/host/process.ts'
import { AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET } from '../../src/socket/constants.ts'
import { bytes, outcome, say, text } from '../stage.ts'

/** A server that ended without removing its socket's path. */
export const carelessServer = (path: string) =>
  async function careless(process: Process): Promise<void> {
    const fd = process.socket(AF_UNIX, SOCK_STREAM)
    process.bind(fd, { path })
    process.listen(fd, 5)
    await process.close(fd)
  }

/** Answers each line of `clients` clients, one client after the other, with the line turned round. */
export const lineServer = (path: string, clients: number) =>
  async function server(process: Process): Promise<void> {
    const listener = process.socket(AF_UNIX, SOCK_STREAM)
    const first = await outcome(() => process.bind(listener, { path }))
    await say(process, `bind ${path}: ${first}`)
    if (first === 'EADDRINUSE') {
      // Is somebody there? Only a path that nobody listens at is ours to remove.
      const probe = process.socket(AF_UNIX, SOCK_STREAM)
      await say(process, `connect to it: ${await outcome(() => process.connect(probe, { path }))}`)
      await process.close(probe)
      process.unlink(path)
      await say(process, `unlink, bind again: ${await outcome(() => process.bind(listener, { path }))}`)
    }
    process.listen(listener, 5)
    for (let i = 0; i < clients; i++) {
      const fd = await process.accept(listener)
      const peer = process.getsockopt(fd, SOL_SOCKET, SO_PEERCRED)
      await say(process, `a client of user ${typeof peer === 'object' && 'uid' in peer ? peer.uid : '?'}`)
      let lines = 0
      for await (const line of linesOf(process, fd)) {
        lines++
        await process.write(fd, bytes(`${[...line].reverse().join('')}\n`))
      }
      await say(process, `its end, after ${lines} lines`)
      await process.close(fd)
    }
    await process.close(listener)
    process.unlink(path)
  }

/** Sends lines and prints the answers. */
export const lineClient = (path: string, lines: readonly string[]) =>
  async function client(process: Process): Promise<void> {
    const fd = process.socket(AF_UNIX, SOCK_STREAM)
    await process.connect(fd, { path })
    const answers = linesOf(process, fd)
    for (const line of lines) {
      await process.write(fd, bytes(`${line}\n`))
      await say(process, `${line} -> ${(await answers.next()).value}`)
    }
    await process.close(fd)
  }

/** The lines of a stream: a read ends anywhere, a line where it says. */
async function* linesOf(process: Process, fd: number): AsyncGenerator<string> {
  const buffer = new Uint8Array(256)
  let rest = ''
  for (;;) {
    const n = await process.read(fd, buffer)
    if (n === 0) return
    const parts = (rest + text(buffer.subarray(0, n))).split('\n')
    rest = parts.pop() as string
    yield* parts
  }
}
