/** Scripts of calls on local sockets and pipes, run on a virtual host and, by kernel.py, on the kernel of this machine. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pipe2 } from '../../src/host/pipe.ts'
import type { Process } from '../../src/host/process.ts'
import { AF_UNIX, AF_UNSPEC, SockAddr } from '../../src/sock/address.ts'
import { O_NONBLOCK, SOCK_NONBLOCK } from '../../src/sock/constants.ts'
import { Message, OptionResult, type PeerCredentials } from '../../src/sock/sock.ts'
import { errnoName } from '../../src/sys/errno.ts'
import { lone } from '../host/net.ts'

/** One call: its name, and what kernel.py's `run` says. Sockets have names; all are non-blocking. */
export type Step = readonly (string | number | null)[]
export type Result = number | string | readonly (number | string)[] | null

const POLL = 0x23ff
const SO_PEERCRED = 17
/** As long as the directory kernel.py makes, so that names are as long. */
const DIRECTORY = '/tmp/sockeye.unix00'
const PREFIX = '00000000.000000.'

/** Bytes that differ by place and by `seed`. */
export function fill(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = seed + (i & 255) * 7
  return bytes
}

function digest(bytes: Uint8Array): number {
  let h = 0
  const step = Math.max(1, Math.floor(bytes.length / 64))
  for (let i = 0; i < bytes.length; i += step) h = (h * 31 + (bytes[i] as number)) & 0xffffff
  return h
}

const addressOf = (name: string): SockAddr => {
  const to = new SockAddr(AF_UNIX)
  to.path = name === '' ? '' : name.startsWith('@') ? `\0${PREFIX}${name.slice(1)}` : `${DIRECTORY}${name}`
  return to
}

const show = (path: string): string => {
  if (!path.startsWith('\0')) return path.startsWith(DIRECTORY) ? path.slice(DIRECTORY.length) : path
  const rest = path.slice(1)
  return rest.startsWith(PREFIX) ? `@${rest.slice(PREFIX.length)}` : `auto:${rest.length}`
}

const outcome = (result: number): Result => (result < 0 ? errnoName(result) : result)

/** One process that runs one script. */
class Runner {
  readonly process: Process
  readonly #fds: Map<string, number> = new Map()

  constructor(process: Process) {
    this.process = process
  }

  run([op, name, ...rest]: Step): Result {
    const { sys } = this.process
    const known = this.#fds.get(name as string)
    const a = rest as number[]
    if (op === 'socket') return this.#add(name as string, sys.socket(AF_UNIX, (a[0] as number) | SOCK_NONBLOCK, 0))
    if (op === 'pair' || op === 'pipe') return this.#two(op, name as string, rest)
    if (op === 'unlink') {
      const { host, credentials } = this.process
      return outcome(host.unix.names.unlink(`${DIRECTORY}${name as string}`, credentials))
    }
    if (known === undefined) return 'none'
    if (op === 'close') {
      this.#fds.delete(name as string)
      return outcome(sys.close(known))
    }
    return this.#call(op as string, known, rest)
  }

  #add(name: string, fd: number): Result {
    if (fd < 0) return errnoName(fd)
    const old = this.#fds.get(name)
    this.#fds.set(name, fd)
    if (old !== undefined) this.process.sys.close(old)
    return 0
  }

  #two(op: 'pair' | 'pipe', name: string, [other, argument]: Step): Result {
    const { sys, files, host } = this.process
    const fds: [number, number] = [-1, -1]
    const n = argument as number
    const result =
      op === 'pair'
        ? sys.socketpair(AF_UNIX, n | SOCK_NONBLOCK, 0, fds)
        : pipe2(files, host.stack.pool, n | O_NONBLOCK, fds)
    if (result < 0) return errnoName(result)
    this.#add(name, fds[0])
    return this.#add(other as string, fds[1])
  }

  #call(op: string, fd: number, rest: Step): Result {
    const { sys } = this.process
    const [first, second, third] = rest as [number, number, number]
    const into = new SockAddr()
    switch (op) {
      case 'write':
        return outcome(sys.write(fd, fill(first, second), 0, first))
      case 'poll':
        return (sys.files.get(fd)?.poll() ?? 0) & (POLL | 0x18)
      case 'inq':
      case 'outq':
        return outcome(sys.ioctl(fd, op === 'inq' ? 0x541b : 0x5411, 0))
      case 'bind':
        return outcome(sys.bind(fd, addressOf(String(first))))
      case 'listen':
        return outcome(sys.listen(fd, first))
      case 'connect':
        return outcome(sys.connect(fd, first === null ? new SockAddr(AF_UNSPEC) : addressOf(String(first))))
      case 'accept': {
        const result = this.#add(String(first), sys.accept(fd, SOCK_NONBLOCK, into))
        return result === 0 ? show(into.path) : result
      }
      case 'send':
        return outcome(sys.send(fd, fill(first, second), third, null))
      case 'sendto':
        return outcome(sys.send(fd, fill(first, second), 0, addressOf(String(third))))
      case 'shutdown':
        return outcome(sys.shutdown(fd, first))
      case 'sockname':
      case 'peername': {
        const result = op === 'sockname' ? sys.getsockname(fd, into) : sys.getpeername(fd, into)
        return result < 0 ? errnoName(result) : show(into.path)
      }
      default:
        return this.#data(op, fd, rest)
    }
  }

  #data(op: string, fd: number, rest: Step): Result {
    const { sys } = this.process
    const [first, second] = rest as [number, number]
    if (op === 'setopt') return outcome(sys.setsockopt(fd, 1, first, second))
    if (op === 'getopt') {
      const option = new OptionResult()
      const result = sys.getsockopt(fd, 1, first, option)
      if (result < 0 || first !== SO_PEERCRED) return result < 0 ? errnoName(result) : (option.value as number)
      const { pid, uid, gid } = option.value as PeerCredentials
      return [pid, uid, gid]
    }
    const bytes = new Uint8Array(first)
    if (op === 'read') {
      const result = sys.read(fd, bytes, 0, first)
      return result < 0 ? errnoName(result) : [result, digest(bytes.subarray(0, result))]
    }
    const message = new Message()
    message.name = new SockAddr()
    const result = sys.receive(fd, bytes, second, message)
    if (result < 0) return errnoName(result)
    return [result, digest(bytes.subarray(0, Math.min(result, first))), show(message.name.path)]
  }
}

/** Runs a script on a host of its own. */
export function runOurs(steps: readonly Step[]): Result[] {
  const runner = new Runner(lone().process)
  const results = steps.map((step) => runner.run(step))
  const { host } = runner.process
  runner.process.end(0)
  if (host.unix.sockets.size !== 0) throw new Error(`${host.unix.sockets.size} sockets are left`)
  if (host.stack.pool.outstanding !== 0) throw new Error(`${host.stack.pool.outstanding} packets are left`)
  return results
}

/** Runs scripts on the kernel; why not, if it cannot be done here. */
export function runKernel(scripts: readonly (readonly Step[])[]): Result[][] | string {
  const path = fileURLToPath(new URL('./kernel.py', import.meta.url))
  if (process.platform !== 'linux') return `needs Linux, not ${process.platform}`
  const run = spawnSync('python3', [path], { input: JSON.stringify(scripts), maxBuffer: 1 << 28, encoding: 'utf8' })
  if (run.error !== undefined) return `python3 does not start: ${run.error.message}`
  if (run.status !== 0) throw new Error(`kernel.py: ${run.stderr}`)
  return (JSON.parse(run.stdout) as { results: Result[][] }).results
}
