/** Scripts of readiness calls, run on a host of ours; `kernel.py` runs the same on Linux. */
import type { Process } from '../../src/host/process.ts'
import { FdSet } from '../../src/host/select.ts'
import * as c from '../../src/socket/constants.ts'
import type { EpollEvent } from '../../src/socket/epoll.ts'
import { SystemError } from '../../src/sys/errno.ts'
import type { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { lone } from '../host/net.ts'

export type Step = readonly [op: string, ...args: unknown[]]
export type Script = readonly Step[]

/** A descriptor that is not open; select(2) on the kernel looks no further than 64 in a small table. */
const NONE = 63

class Run {
  readonly clock: VirtualClock
  readonly p: Process
  readonly #fds: Map<string, number> = new Map()

  constructor() {
    const { clock, process } = lone()
    this.clock = clock
    this.p = process
    // Long after boot, as the kernel's.
    clock.runUntilSync(1e9)
  }

  #fd(name: unknown): number {
    return this.#fds.get(name as string) ?? NONE
  }

  #guard(call: () => unknown): unknown {
    try {
      const value = call()
      this.clock.settle()
      return value ?? 0
    } catch (error) {
      if (error instanceof SystemError) return error.errno
      throw error
    }
  }

  #new(name: unknown, call: () => number): unknown {
    return this.#guard(() => {
      this.#fds.set(name as string, call())
    })
  }

  step([op, ...args]: Step): unknown {
    const { p } = this
    const [name, x, y] = args as [string, number, number]
    switch (op) {
      case 'pair':
      case 'udp':
      case 'socket':
      case 'listen':
      case 'connect':
      case 'accept':
      case 'local':
      case 'pipe':
        return this.#network(op, args)
      case 'epoll':
        return this.#new(name, () => p.epoll_create1(x ?? 0))
      case 'ctl': {
        const [ep, how, target, events, data] = args as [string, number, string, number | undefined, number | undefined]
        const event = events === undefined ? null : { events, data: data ?? 0 }
        return this.#guard(() => p.epoll_ctl(this.#fd(ep), how, this.#fd(target), event))
      }
      case 'wait': {
        const events: EpollEvent[] = []
        const n = this.#guard(() => p.epoll_wait(this.#fd(name), events, x, 0)) as number
        return n < 0 ? n : events.slice(0, n).map((e) => [e.data, e.events])
      }
      case 'send':
        return this.#guard(() => p.write(this.#fd(name), new Uint8Array(x)))
      case 'recv':
        return this.#guard(() => p.read(this.#fd(name), new Uint8Array(x)))
      case 'shutdown':
        return this.#guard(() => p.shutdown(this.#fd(name), x))
      case 'close': {
        const fd = this.#fd(name)
        this.#fds.delete(name)
        return this.#guard(() => p.close(fd))
      }
      case 'dup':
        return this.#new(x, () => p.dup(this.#fd(name)))
      case 'dup2':
        return this.#guard(() => Math.min(p.dup2(this.#fd(name), this.#fd(x)), 0))
      case 'eventfd':
        return this.#new(name, () => p.eventfd(x ?? 0, y ?? c.EFD_NONBLOCK))
      case 'write64':
        return this.#guard(() => {
          const bytes = new Uint8Array(8)
          new DataView(bytes.buffer).setBigUint64(0, BigInt(x), true)
          return p.write(this.#fd(name), bytes)
        })
      case 'read64':
        return this.#guard(() => String(p.eventfd_read(this.#fd(name))))
      case 'timerfd':
        return this.#new(name, () => p.timerfd_create(x ?? c.CLOCK_MONOTONIC, y ?? c.TFD_NONBLOCK))
      case 'settime': {
        const [, flags, value, interval = [0, 0]] = args as [string, number, number[], number[] | undefined]
        const spec = ([sec, nsec]: number[]) => ({ sec: sec as number, nsec: nsec as number })
        return this.#guard(() => {
          p.timerfd_settime(this.#fd(name), flags, { value: spec(value), interval: spec(interval) })
        })
      }
      case 'poll': {
        const entry = { fd: this.#fd(name), events: x, revents: 0 }
        p.poll([entry], 0)
        return entry.revents
      }
      case 'select':
        return this.#select(args as string[][])
      default:
        throw new Error(`no such step: ${op}`)
    }
  }

  #select(names: string[][]): unknown {
    const sets = names.map((wanted) => new FdSet(wanted.map((m) => this.#fd(m)))) as [FdSet, FdSet, FdSet]
    const n = this.#guard(() => this.p.select(1024, ...sets, { sec: 0, usec: 0 })) as number
    if (n < 0) return n
    return [n, ...names.map((wanted, i) => wanted.filter((m) => (sets[i] as FdSet).has(this.#fd(m))))]
  }

  #network(op: string, args: unknown[]): unknown {
    const { p } = this
    const [name, other] = args as [string, string]
    const socket = (type: number): number => p.socket(c.AF_INET, type | c.SOCK_NONBLOCK)
    const listen = (): number => {
      const fd = socket(c.SOCK_STREAM)
      p.bind(fd, { address: '127.0.0.1', port: 0 })
      p.listen(fd, 128)
      return fd
    }
    const connect = (to: number): number => {
      const fd = socket(c.SOCK_STREAM)
      this.#guard(() => p.connect(fd, p.getsockname(to)))
      this.clock.settle()
      return fd
    }
    switch (op) {
      case 'socket':
        return this.#new(name, () => socket(c.SOCK_STREAM))
      case 'listen':
        return this.#new(name, listen)
      case 'connect':
        return this.#new(name, () => connect(this.#fd(other)))
      case 'accept':
        return this.#new(name, () => p.accept4(this.#fd(other), null, c.SOCK_NONBLOCK) as number)
      case 'local':
      case 'pipe':
        return this.#guard(() => {
          const type = (args[2] as number | undefined) ?? c.SOCK_STREAM
          const pair = op === 'pipe' ? p.pipe2(c.O_NONBLOCK) : p.socketpair(c.AF_UNIX, type | c.SOCK_NONBLOCK)
          this.#fds.set(name, pair[0])
          this.#fds.set(other, pair[1])
        })
      case 'pair': {
        const l = listen()
        this.#fds.set(name, connect(l))
        this.#fds.set(other, p.accept4(l, null, c.SOCK_NONBLOCK) as number)
        return this.#guard(() => p.close(l))
      }
      default: {
        const fds = [socket(c.SOCK_DGRAM), socket(c.SOCK_DGRAM)] as const
        for (const fd of fds) p.bind(fd, { address: '127.0.0.1', port: 0 })
        p.connect(fds[0], p.getsockname(fds[1]))
        p.connect(fds[1], p.getsockname(fds[0]))
        this.#fds.set(name, fds[0])
        this.#fds.set(other, fds[1])
        return 0
      }
    }
  }

  over(): void {
    this.p.end(0)
  }
}

/** The outcome of each step. */
export function runScript(script: Script): unknown[] {
  const run = new Run()
  const outcomes = script.map((step) => run.step(step))
  run.over()
  return outcomes
}
