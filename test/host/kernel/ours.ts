/** Our side of the scripts about processes and signals: the same steps on a `Process`, with the same lines as signals.c. */
import type { Process } from '../../../src/host/process.ts'
import { ProcessExit } from '../../../src/host/process-exit.ts'
import type { SigInfo } from '../../../src/host/signals.ts'
import { SigSet } from '../../../src/host/sigset.ts'
import { WEXITSTATUS, WIFEXITED, WIFSIGNALED, WIFSTOPPED, WSTOPSIG, WTERMSIG } from '../../../src/host/wait.ts'
import * as c from '../../../src/socket/constants.ts'
import { SystemError } from '../../../src/sys/errno.ts'
import { lone } from '../net.ts'

const CONSTANTS: Readonly<Record<string, number>> = { ...c, RT1: 35, DFL: c.SIG_DFL, IGN: c.SIG_IGN } as never
const NONE = 'none'

interface SomeTime {
  sec: number
  usec: number
}
const spec = (ms: number): { sec: number; nsec: number } => ({ sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1e6 })
const val = (ms: number): SomeTime => ({ sec: Math.floor(ms / 1000), usec: (ms % 1000) * 1000 })

/** One process that runs its part of a script. */
class Player {
  readonly #process: Process
  readonly #who: string
  readonly #names: Map<string, number>
  readonly #print: (line: string) => void
  readonly #inHandler: Map<number, string> = new Map()
  /** Names of descriptors: the others are those of processes. */
  readonly #files: Set<string>

  constructor(
    process: Process,
    who: string,
    names: Map<string, number>,
    files: Set<string>,
    print: (line: string) => void,
  ) {
    this.#process = process
    this.#who = who
    this.#names = names
    this.#files = files
    this.#print = print
  }

  async run(lines: readonly string[]): Promise<void> {
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as string
      if (!line.startsWith('fork ')) {
        await this.#step(line)
        continue
      }
      const end = endOf(lines, i)
      const name = line.slice(5)
      const body = lines.slice(i + 1, end)
      const names = new Map(this.#names)
      const pid = this.#process.fork(async (child) => {
        names.set('parent', child.getppid())
        const player = new Player(child, name, names, new Set(this.#files), this.#print)
        for (const [signal, then] of this.#inHandler) player.#inHandler.set(signal, then)
        for (let signal = 1; signal <= c.SIGRTMAX; signal++) {
          // The code of a handler is copied with the memory: here it speaks for the child.
          const action = child.sigaction(signal, null)
          if (typeof action.handler === 'function') child.sigaction(signal, { ...action, handler: player.#handler })
        }
        await player.run(body)
      })
      this.#names.set(name, pid)
      i = end
    }
  }

  #say(text: string): void {
    this.#print(`${this.#who}: ${text}`)
  }

  #value(text: string): number {
    if (text.includes('|')) return text.split('|').reduce((sum, part) => sum | this.#value(part), 0)
    if (/^-[a-z]/.test(text)) return -this.#value(text.slice(1))
    if (/^-?\d+$/.test(text)) return Number(text)
    if (text === 'self') return this.#process.pid
    return CONSTANTS[text] ?? this.#names.get(text) ?? 0
  }

  #pid(pid: number): string {
    if (pid === 0) return '0'
    if (pid === this.#process.pid) return 'self'
    for (const [name, value] of this.#names) if (value === pid && !this.#files.has(name)) return name
    return 'other'
  }

  #name(name: string | undefined, fd: number): void {
    this.#names.set(name as string, fd)
    this.#files.add(name as string)
  }

  #set(list: string): SigSet {
    return new SigSet(list === NONE ? [] : list.split(',').map((name) => this.#value(name)))
  }

  readonly #handler = async (signo: number, info: SigInfo): Promise<void> => {
    const { code, status, fd, band, value } = info
    const pid = this.#pid(info.pid)
    let text = `signal ${signo} code ${code}`
    if (code === c.SI_USER || code === c.SI_TKILL) text = `signal ${signo} by ${pid}`
    else if (code === c.SI_QUEUE) text = `signal ${signo} by ${pid} value ${value}`
    else if (signo === c.SIGCHLD) text += ` of ${pid} status ${status}`
    else if (code > 0 && code < 7) text += ` fd ${fd} band ${band.toString(16)}`
    this.#say(text)
    const then = this.#inHandler.get(signo)
    if (then === undefined) return
    this.#inHandler.delete(signo)
    await this.#step(then)
    this.#say(`handler of ${text} ends`)
  }

  async #step(line: string): Promise<void> {
    const words = line.split(' ')
    const [call = '', ...rest] = words
    if (call === 'say') return this.#say(line.slice(4))
    if (call === 'in_handler') {
      this.#inHandler.set(this.#value(rest[0] as string), rest.slice(1).join(' '))
      return
    }
    let text: string
    try {
      text = String(await this.#call(call, rest))
    } catch (error) {
      if (error instanceof ProcessExit || !(error instanceof SystemError)) throw error
      text = error.code
    }
    if (line.endsWith(' quietly') && text === '0') return
    this.#say(`${line}${call === 'mask' && text[0] !== 'E' ? ' was ' : ' = '}${text}`)
  }

  async #call(call: string, words: readonly string[]): Promise<number | string> {
    const p = this.#process
    const [x = '', y = '', z = ''] = words
    const [a, b, n] = [x, y, z].map((word) => this.#value(word)) as [number, number, number]
    const one = new Uint8Array(Math.max(b, 1))
    switch (call) {
      case 'sigaction':
        p.sigaction(a, words.length === 1 ? null : this.#action(y, words.slice(2)))
        return 0
      case 'disposition': {
        const { handler } = p.sigaction(a, null)
        return handler === c.SIG_DFL ? 'DFL' : handler === c.SIG_IGN ? 'IGN' : 'caught'
      }
      case 'kill':
        return await p.kill(a, b)
      case 'raise':
        return await p.raise(a)
      case 'sigqueue':
        return await p.sigqueue(a, b, n)
      case 'mask': {
        const old = new SigSet()
        await p.sigprocmask(a, this.#set(y), old)
        return list(old)
      }
      case 'pending':
        return list(p.sigpending())
      case 'pause':
        return await p.pause()
      case 'sigsuspend':
        return await p.sigsuspend(this.#set(x))
      case 'sigwait': {
        const info = words.length > 1 ? await p.sigtimedwait(this.#set(x), spec(b)) : await p.sigwaitinfo(this.#set(x))
        return `${info.signo} code ${info.code} value ${info.value}`
      }
      case 'sleep':
        return await p.nanosleep(spec(a))
      case 'alarm':
        return p.alarm(a)
      case 'timer':
        p.setitimer(c.ITIMER_REAL, { value: val(a), interval: val(b) })
        return 0
      case 'exit':
        return p.exit(a)
      default:
        return await this.#others(call, words, [a, b, n], one)
    }
  }

  // biome-ignore format: one line
  async #others(call: string, words: readonly string[], [a, b, n]: readonly [number, number, number], one: Uint8Array): Promise<number | string> {
    const p = this.#process
    switch (call) {
      case 'wait':
      case 'waitpid': {
        const status = { status: 0 }
        const pid = await (call === 'wait' ? p.wait(status) : p.waitpid(a, status, b))
        return pid <= 0 ? pid : `${this.#pid(pid)} ${statusText(status.status)}`
      }
      case 'waitid': {
        const info = await p.waitid(a, b, n)
        return `${this.#pid(info?.pid ?? 0)} code ${info?.code ?? 0} status ${info?.status ?? 0}`
      }
      case 'getppid':
        return this.#pid(p.getppid())
      case 'getpgid':
        return this.#pid(p.getpgid(a))
      case 'getsid':
        return this.#pid(p.getsid(a))
      case 'setpgid':
        p.setpgid(a, b)
        return 0
      case 'setsid':
        p.setsid()
        return 0
      case 'poll': {
        const fds = a < 0 ? [] : [{ fd: a, events: c.POLLIN, revents: 0 }]
        return await p.ppoll(fds, b < 0 ? null : spec(b), words.length > 2 ? this.#set(words[2] as string) : null)
      }
      case 'select':
        return await p.select(0, null, null, null, a < 0 ? null : val(a))
      case 'epoll': {
        const ep = p.epoll_create1()
        try {
          return await p.epoll_pwait(ep, [], 1, a, words.length > 1 ? this.#set(words[1] as string) : null)
        } finally {
          if (!p.isOver) await p.close(ep)
        }
      }
      case 'signalfd': {
        const fd = p.signalfd(-1, this.#set(words[1] as string), c.SFD_NONBLOCK)
        this.#name(words[0], fd)
        return fd
      }
      case 'readsig':
        return this.#readSignals(a, b)
      case 'pipe':
      case 'socketpair': {
        const types: Record<string, number> = { stream: c.SOCK_STREAM, dgram: c.SOCK_DGRAM }
        const fds = call === 'pipe' ? p.pipe() : p.socketpair(c.AF_UNIX, types[words[2] as string] ?? c.SOCK_SEQPACKET)
        this.#name(words[0], fds[0])
        this.#name(words[1], fds[1])
        return 0
      }
      case 'read':
        return await p.read(a, one)
      case 'write':
        return await p.write(a, one)
      case 'send':
        return await p.send(a, one, n)
      case 'recv':
        return await p.recv(a, one, n)
      case 'rcvtimeo':
        p.setsockopt(a, c.SOL_SOCKET, c.SO_RCVTIMEO, val(b))
        return 0
      case 'shutdown':
        p.shutdown(a, b)
        return 0
      case 'close':
        return await p.close(a)
      case 'fcntl':
        return p.fcntl(a, b, n)
      default:
        throw new Error(`no such step: ${call}`)
    }
  }

  #readSignals(fd: number, count: number): string | number {
    const bytes = new Uint8Array(count * 128)
    const n = this.#process.read(fd, bytes) as number
    const view = new DataView(bytes.buffer)
    let text = `${n}:`
    for (let at = 0; at < n; at += 128) {
      const pid = this.#pid(view.getUint32(at + 12, true))
      const word = (offset: number): number => view.getInt32(at + offset, true)
      text += ` ${word(0)}/${word(8)}/${pid}/${word(40)}/${word(44)}`
    }
    return text
  }

  #action(how: string, words: readonly string[]): Parameters<Process['sigaction']>[1] {
    const flags: Readonly<Record<string, number>> = {
      restart: c.SA_RESTART,
      nodefer: c.SA_NODEFER,
      resethand: c.SA_RESETHAND,
      nocldwait: c.SA_NOCLDWAIT,
      nocldstop: c.SA_NOCLDSTOP,
    }
    const mask = words.find((word) => flags[word] === undefined)
    return {
      handler: how === 'catch' ? this.#handler : how === 'IGN' ? c.SIG_IGN : c.SIG_DFL,
      flags: words.reduce((sum, word) => sum | (flags[word] ?? 0), 0),
      mask: this.#set(mask ?? NONE),
    }
  }
}

const list = (set: SigSet): string => [...set].join(',') || NONE

function statusText(status: number): string {
  if (WIFEXITED(status)) return `exited ${WEXITSTATUS(status)}`
  if (WIFSIGNALED(status)) return `killed ${WTERMSIG(status)}`
  return WIFSTOPPED(status) ? `stopped ${WSTOPSIG(status)}` : 'continued'
}

function endOf(lines: readonly string[], from: number): number {
  for (let depth = 0, i = from; i < lines.length; i++) {
    if (lines[i]?.startsWith('fork ')) depth++
    if (lines[i] === 'end' && --depth === 0) return i
  }
  return lines.length
}

/** What a script prints on a host of ours. */
export async function ours(script: readonly string[]): Promise<string[]> {
  const { clock, host } = lone()
  const printed: string[] = []
  const root = host.spawn((process) =>
    new Player(process, 'p', new Map(), new Set(), (line) => printed.push(line)).run(script),
  )
  await clock.run(() => root.isOver)
  if (root.failure !== undefined) throw root.failure
  if (!root.isOver) printed.push('p: still waits')
  return printed
}
