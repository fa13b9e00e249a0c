/**
 * The control socket of `sockeye serve`: a local socket in a folder of the user's own, through which tools run on the
 * host that is being served. Both ways go frames: a byte for the kind, a length in four, the contents.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { Session } from '../app/session.ts'
import { ToolError } from '../app/tool.ts'
import type { Host } from '../host/host.ts'
import { fileReason, STATUS_FAILED, UsageError } from './arguments.ts'

/** Kinds of frames, to the server: the words of the command as JSON, its input, the input's end, Ctrl-C. */
const COMMAND = 0
const INPUT = 1
const INPUT_END = 2
const INTERRUPT = 3
/** And to the client: output, error output, and the exit status in one byte. */
const OUT = 1
const ERR = 2
const EXIT = 4

const HEADER = 5
/** Largest frame accepted. */
const MAX_FRAME = 1 << 20
/** Bytes of output that may wait for a client. */
const MAX_UNREAD = 1 << 24

/** The folder of control sockets, `PID.sock` each: below XDG_RUNTIME_DIR, else in the folder of temporary files. */
function controlFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_RUNTIME_DIR: runtime = '' } = environment
  return runtime === '' ? join(tmpdir(), `sockeye-${userInfo().uid}`) : join(runtime, 'sockeye')
}

/** False if the socket has enough for now. */
function send(socket: Socket, kind: number, contents: Uint8Array): boolean {
  const header = Buffer.alloc(HEADER)
  header[0] = kind
  header.writeUInt32BE(contents.length, 1)
  socket.write(header)
  return socket.write(contents)
}

/** Calls `receive` with each whole frame. */
function frames(socket: Socket, receive: (kind: number, contents: Buffer) => void): void {
  let pending: Buffer = Buffer.alloc(0)
  socket.on('data', (data: Buffer) => {
    pending = pending.length === 0 ? data : Buffer.concat([pending, data])
    while (pending.length >= HEADER) {
      const length = pending.readUInt32BE(1)
      if (length > MAX_FRAME) {
        socket.destroy()
        return
      }
      if (pending.length < HEADER + length) return
      receive(pending[0] as number, pending.subarray(HEADER, HEADER + length))
      pending = pending.subarray(HEADER + length)
    }
  })
}

/** The serving end. */
export class Control {
  readonly path: string
  readonly #server: Server
  readonly #host: Host

  constructor(host: Host, path: string = join(controlFolder(), `${process.pid}.sock`)) {
    this.#host = host
    this.path = path
    this.#server = createServer((socket) => this.#attend(socket))
  }

  /** Opens the socket, for this user only; the reason why not, if it cannot be. */
  async open(): Promise<string | undefined> {
    try {
      const folder = join(this.path, '..')
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      const { uid, mode } = statSync(folder)
      if (uid !== process.getuid?.() || (mode & 0o077) !== 0) return `${folder}: not a folder of this user alone`
      rmSync(this.path, { force: true })
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject)
        this.#server.listen(this.path, resolve)
      })
      chmodSync(this.path, 0o600)
      this.#server.unref()
      return undefined
    } catch (error) {
      return `${this.path}: ${fileReason(error)}`
    }
  }

  close(): void {
    this.#server.close()
    rmSync(this.path, { force: true })
  }

  #attend(socket: Socket): void {
    let session: Session | undefined
    // A client that went away: `close` follows.
    socket.on('error', () => {})
    socket.on('close', () => session?.process.end(0))
    frames(socket, (kind, contents) => {
      if (session === undefined && kind === COMMAND) session = this.#start(socket, contents)
      else if (kind === INPUT) {
        socket.pause()
        void session?.write(Uint8Array.from(contents)).then(() => socket.resume())
      } else if (kind === INPUT_END) session?.end()
      else if (kind === INTERRUPT) session?.interrupt()
      else socket.destroy()
    })
  }

  #start(socket: Socket, contents: Buffer): Session | undefined {
    const finish = (status: number): void => {
      send(socket, EXIT, Uint8Array.of(status))
      socket.end()
    }
    try {
      const [name, ...argv] = wordsOf(contents)
      // A client that does not read is given up.
      const write = (kind: number, bytes: Uint8Array): void => {
        if (socket.writableLength > MAX_UNREAD) socket.destroy()
        else send(socket, kind, bytes)
      }
      const session = new Session(this.#host, name ?? '', argv, {
        out: (bytes) => write(OUT, bytes),
        err: (bytes) => write(ERR, bytes),
      })
      void session.exited.then(finish)
      return session
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      send(socket, ERR, Buffer.from(`${error.message}\n`))
      finish(error.status)
      return undefined
    }
  }
}

/** The words of a command; none if it is not a list of words. */
function wordsOf(contents: Buffer): string[] {
  try {
    const words: unknown = JSON.parse(contents.toString())
    return Array.isArray(words) ? words.map(String) : []
  } catch {
    return []
  }
}

/** `PID.sock` of a process that runs: one that was killed could not take its socket away. */
function isLive(name: string): boolean {
  const [, pid] = /^(\d+)\.sock$/.exec(name) ?? []
  if (pid === undefined) return false
  try {
    return process.kill(Number(pid), 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The control socket that `at` names, a path or a process id; without it the only one there is. */
export function findControl(at: string | undefined): string {
  const folder = controlFolder()
  if (at !== undefined) {
    const path = /^\d+$/.test(at) ? join(folder, `${at}.sock`) : at
    if (!existsSync(path)) throw new UsageError(`--at: no sockeye serve there: ${path}`)
    return path
  }
  const found = existsSync(folder) ? readdirSync(folder).filter(isLive) : []
  const [only, ...others] = found
  if (only === undefined)
    throw new UsageError('no sockeye serve is running; --tap NAME --address CIDR makes a host, sockeye shell a network')
  if (others.length > 0)
    throw new UsageError(
      `several are running; which one? --at ${found.map((name) => name.slice(0, -5)).join(', --at ')}`,
    )
  return join(folder, only)
}

/** Runs a tool on the host behind the control socket at `path`, with this process's input and output; its exit status. */
export function runRemote(path: string, words: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let status = STATUS_FAILED
    const { stdin, stdout, stderr } = process
    const onData = (data: Buffer): void => {
      if (!send(socket, INPUT, data)) stdin.pause()
    }
    const onEnd = (): void => void send(socket, INPUT_END, new Uint8Array(0))
    const onInterrupt = (): void => void send(socket, INTERRUPT, new Uint8Array(0))
    socket.on('drain', () => stdin.resume())
    socket.on('error', (error) => reject(new UsageError(`${path}: ${fileReason(error)}`)))
    socket.on('connect', () => {
      send(socket, COMMAND, Buffer.from(JSON.stringify(words)))
      stdin.on('data', onData)
      stdin.on('end', onEnd)
      process.on('SIGINT', onInterrupt)
    })
    frames(socket, (kind, contents) => {
      if (kind === OUT) stdout.write(Buffer.from(contents))
      else if (kind === ERR) stderr.write(Buffer.from(contents))
      else if (kind === EXIT) status = contents[0] ?? STATUS_FAILED
    })
    socket.on('close', () => {
      stdin.off('data', onData)
      stdin.off('end', onEnd)
      stdin.pause()
      process.off('SIGINT', onInterrupt)
      resolve(status)
    })
  })
}
