/** Runs a script on one of the two sides, the kernel or ours: what it says of each step. */
import type { Script, Step } from './script.ts'
import { evaluate, type Normal, type Scope, type Sockaddr, type Value } from './values.ts'

/** What a call gave: its outcome in words, and descriptors for the step's variables. */
export interface Result {
  readonly text: string
  readonly fds?: readonly number[]
}

/** One side. */
export interface Arm {
  readonly pid: number
  readonly normal: Normal
  call(name: string, args: readonly Value[]): Result | Promise<Result>
  /** Begins a call on another thread; `outcome` gives null while it sleeps. */
  begin(name: string, args: readonly Value[]): AsyncCall
  /** After a step: everything that is due happens. */
  settle(calls: readonly AsyncCall[]): void | Promise<void>
  /** Readiness and state of each descriptor. */
  observe(fds: readonly number[]): readonly string[]
  name(fd: number, isPeer: boolean): Sockaddr
}

export interface AsyncCall {
  outcome(): Result | null
}

/** Calls whose targets are not descriptors, and calls after which nothing is looked at. */
const MAX_FD = 1 << 20

class Run implements Scope {
  readonly arm: Arm
  readonly #isCoarse: boolean
  readonly #variables: Map<string, number> = new Map()
  readonly #pending: Map<string, AsyncCall> = new Map()
  #seen: Map<string, string> = new Map()

  constructor(arm: Arm, isCoarse: boolean) {
    this.arm = arm
    this.#isCoarse = isCoarse
  }

  get pid(): number {
    return this.arm.pid
  }

  variable(name: string): number | undefined {
    return this.#variables.get(name)
  }

  name(fd: number, isPeer: boolean): Sockaddr {
    return this.arm.name(fd, isPeer)
  }

  async step(step: Step): Promise<string> {
    const args = step.args.map((arg) => evaluate(arg, this))
    let text = ''
    if (step.isAsync) {
      const call = this.arm.begin(step.call, args)
      this.#pending.set(step.targets[0] ?? `line ${step.line}`, call)
    } else {
      const made = this.arm.call(step.call, args)
      const result = made instanceof Promise ? await made : made
      text = result.text
      for (const [i, target] of step.targets.entries()) this.#variables.set(target, result.fds?.[i] ?? -1)
    }
    const settled = this.arm.settle([...this.#pending.values()])
    if (settled !== undefined) await settled
    return `${text}${this.#ended()}${this.#changes()}`
  }

  /** Outcomes of calls on other threads that are over now. */
  #ended(): string {
    let text = ''
    for (const [name, call] of this.#pending) {
      const result = call.outcome()
      if (result === null) {
        text += ` (${name} sleeps)`
        continue
      }
      this.#pending.delete(name)
      if (result.fds !== undefined) this.#variables.set(name, result.fds[0] as number)
      text += ` (${name}: ${result.text})`
    }
    return text
  }

  /** Readiness and state of the descriptors in variables, where they changed. */
  #changes(): string {
    const names = [...this.#variables].filter(([, fd]) => fd >= 0 && fd < MAX_FD)
    const found = this.arm.observe(names.map(([, fd]) => fd))
    const seen = new Map<string, string>()
    let text = ''
    for (const [i, [name]] of names.entries()) {
      const now = this.#isCoarse ? (found[i] as string).replace(/FIN-WAIT-[12]/, 'FIN-WAIT') : (found[i] as string)
      seen.set(name, now)
      if (this.#seen.get(name) !== now) text += ` ; ${name} ${now}`
    }
    this.#seen = seen
    return text
  }
}

/** The outcome of each step, in words. A step that cannot be run at all ends the script. */
export async function runScript(arm: Arm, script: Pick<Script, 'steps' | 'isCoarse'>): Promise<string[]> {
  const run = new Run(arm, script.isCoarse === true)
  const outcomes: string[] = []
  for (const step of script.steps) {
    try {
      outcomes.push(await run.step(step))
    } catch (error) {
      outcomes.push(`stopped: ${(error as Error).message}`)
      break
    }
  }
  return outcomes
}

/** Calls of integers only that return a descriptor. */
export const FD_RESULTS: ReadonlySet<string> = new Set([
  'socket',
  'dup',
  'dup2',
  'dup3',
  'epoll_create',
  'epoll_create1',
  'eventfd',
  'timerfd_create',
])
