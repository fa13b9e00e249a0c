/** `sockeye shell`: a prompt on a small network of virtual hosts, where the tools run against real stacks. */
import { createInterface } from 'node:readline'
import * as ip4 from '../addr/ip4.ts'
import { Session } from '../app/session.ts'
import { ToolError } from '../app/tool.ts'
import { TOOL_NAMES } from '../app/tools.ts'
import { PacketPool } from '../buf/pool.ts'
import { Host } from '../host/host.ts'
import { cable } from '../link/cable.ts'
import { impair } from '../link/impair.ts'
import { RealClock } from '../platform/clock.ts'
import { turn } from '../platform/turn.ts'
import type { Clock } from '../sys/clock.ts'
import { Random } from '../sys/random.ts'
import { VirtualClock } from '../sys/virtual-clock.ts'
import { integer, noMore, parse } from './arguments.ts'
import { echo } from './services.ts'

/** The network: alice - router - bob, an echo service on bob. */
const ALICE = '192.0.2.10'
const BOB = '198.51.100.10'
const ROUTER = ['192.0.2.1', '198.51.100.1'] as const
const ECHO_PORT = 7
/** How long a packet takes on each of the two cables, each way. */
const DELAY_MS = 1
const HELP = `commands of the shell
  host [NAME]     go to another host: alice, router, bob; without a name, where we are
  hosts           all hosts with their addresses
  sleep SECONDS   let time pass
  exit            leave
tools, each with its own options; with & at the end in the background, Ctrl-C ends one
  ${TOOL_NAMES.join(' ')}
`

/** Runs the command; the exit status of the last tool. */
export async function shell(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { command: { type: 'string', short: 'c' }, seed: { type: 'string' } })
  noMore('shell', positionals)
  const seed = values.seed === undefined ? 1 : integer('--seed', values.seed, 0, 0xffffffff)
  const { command } = values
  const isLive = command === undefined && process.stdin.isTTY === true
  const network = new Shell(isLive ? new RealClock() : new VirtualClock(turn), seed)
  if (command !== undefined) return await network.runAll(command.split(/[;\n]/))
  return await network.prompt(isLive)
}

class Shell {
  readonly #clock: Clock
  readonly #hosts: Map<string, Host> = new Map()
  #here: Host
  /** The tool that has the keyboard. */
  #foreground: Session | null = null
  #background: Session[] = []
  #isLeaving = false
  #status = 0

  constructor(clock: Clock, seed: number) {
    this.#clock = clock
    const random = new Random(seed)
    const pool = new PacketPool()
    const host = (name: string): Host => {
      const made = new Host({ name, clock, random: random.fork(), pool })
      this.#hosts.set(name, made)
      return made
    }
    const [alice, router, bob] = [host('alice'), host('router'), host('bob')]
    this.#here = alice
    const join = (end: Host, address: string, device: string, gateway: string): void => {
      const [near, far] = cable(clock)
      const delayed = impair(near, { delayMs: DELAY_MS }, clock, random.fork())
      end.addInterface('eth0', delayed, { addresses: [`${address}/24`] })
      router.addInterface(device, far, { addresses: [`${gateway}/24`] })
      end.stack.routes.add({ destination: 0, prefix: 0, gateway: ip4.parse(gateway) as number })
    }
    join(alice, ALICE, 'eth0', ROUTER[0])
    join(bob, BOB, 'eth1', ROUTER[1])
    router.sysctl.ip_forward = 1
    bob.spawn(echo(ECHO_PORT), 'echo')
  }

  /** Runs one line after the other; the status of the last. */
  async runAll(lines: readonly string[]): Promise<number> {
    for (const line of lines) {
      await this.#line(line)
      if (this.#isLeaving) break
    }
    for (const session of this.#background) session.process.end(0)
    return this.#status
  }

  /** Reads lines until the end of input or `exit`; `isLive`: at a terminal, with a prompt. */
  async prompt(isLive: boolean): Promise<number> {
    const { stdin, stdout } = process
    const reader = createInterface({ input: stdin, ...(isLive ? { output: stdout } : {}) })
    const ask = (): void => {
      if (!isLive) return
      reader.setPrompt(`${this.#here.name}# `)
      reader.prompt()
    }
    reader.on('SIGINT', () => {
      if (this.#foreground !== null) this.#foreground.interrupt()
      else {
        stdout.write('^C\n')
        ask()
      }
    })
    if (isLive) stdout.write(`alice (${ALICE}) - router - bob (${BOB}, echo on port ${ECHO_PORT}); 'help' tells more\n`)
    // What is typed while a tool runs is the tool's input.
    let last: Promise<void> = Promise.resolve()
    ask()
    await new Promise<void>((resolve) => {
      reader.on('line', (line) => {
        if (this.#foreground !== null && isLive) {
          void this.#foreground.write(new TextEncoder().encode(`${line}\n`))
          return
        }
        last = last.then(async () => {
          if (this.#isLeaving) return
          await this.#line(line)
          if (this.#isLeaving) reader.close()
          else ask()
        })
      })
      reader.on('close', () => {
        this.#foreground?.end()
        void last.then(resolve)
      })
    })
    if (isLive && !this.#isLeaving) stdout.write('\n')
    return this.#status
  }

  async #line(text: string): Promise<void> {
    const isBackground = /&\s*$/.test(text)
    const [name, ...argv] = words(text.replace(/&\s*$/, ''))
    if (name === undefined || name.startsWith('#')) return
    try {
      this.#status = await this.#command(name, argv, isBackground)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      process.stderr.write(`${error.message}\n`)
      this.#status = error.status
    }
  }

  async #command(name: string, argv: readonly string[], isBackground: boolean): Promise<number> {
    switch (name) {
      case 'help':
        process.stdout.write(HELP)
        return 0
      case 'exit':
        this.#isLeaving = true
        return argv[0] === undefined ? this.#status : Number(argv[0]) || 0
      case 'host':
        return this.#go(argv[0])
      case 'hosts':
        for (const { name: each, stack } of this.#hosts.values()) {
          const addresses = stack.interfaces.slice(1).flatMap((i) => i.addresses.map((a) => ip4.format(a.address)))
          process.stdout.write(`${each.padEnd(8)}${addresses.join(' ')}\n`)
        }
        return 0
      case 'sleep':
        await this.#until(this.#sleep(Number(argv[0] ?? 1)))
        return 0
      default:
        return await this.#tool(name, argv, isBackground)
    }
  }

  #go(name: string | undefined): number {
    if (name === undefined) {
      process.stdout.write(`${this.#here.name}\n`)
      return 0
    }
    const host = this.#hosts.get(name)
    if (host === undefined)
      throw new ToolError(`host: no such: '${name}'; there are ${[...this.#hosts.keys()].join(', ')}`)
    this.#here = host
    return 0
  }

  async #sleep(seconds: number): Promise<void> {
    if (!(seconds >= 0)) throw new ToolError('sleep: not a number of seconds')
    const sleeper = this.#here.createProcess({ name: 'sleep' })
    await sleeper.sleep(seconds)
    sleeper.end(0)
  }

  async #tool(name: string, argv: readonly string[], isBackground: boolean): Promise<number> {
    const { stdout, stderr } = process
    const session = new Session(this.#here, name, argv, {
      out: (bytes) => void stdout.write(bytes),
      err: (bytes) => void stderr.write(bytes),
    })
    if (isBackground) {
      session.end()
      this.#background.push(session)
      // So that a listener listens when the next command runs.
      await this.#settle()
      return 0
    }
    this.#foreground = session
    if (this.#clock instanceof VirtualClock) session.end()
    try {
      return await this.#until(session.exited)
    } finally {
      this.#foreground = null
    }
  }

  /** Waits for `outcome`; in virtual time the network runs meanwhile, and one that stands still ends the tool. */
  async #until<T>(outcome: Promise<T>): Promise<T> {
    if (!(this.#clock instanceof VirtualClock)) return await outcome
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    outcome.then(settle, settle)
    this.#clock.noteWakeup()
    await this.#clock.run(() => isSettled)
    if (!isSettled) {
      this.#foreground?.process.end(1)
      process.stderr.write('nothing left to happen: ended\n')
      await this.#settle()
    }
    return await outcome
  }

  async #settle(): Promise<void> {
    if (this.#clock instanceof VirtualClock) await this.#clock.runFor(0)
    else await turn()
  }
}

/** The words of a line; quotes keep blanks. */
const words = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|[^\s'"]+/g)].map((m) => m[1] ?? m[2] ?? m[0])
