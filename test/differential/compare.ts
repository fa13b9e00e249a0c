/** Runs scripts on both sides and tells where they part. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { runScript } from './arm.ts'
import { OurArm, type SysctlTexts } from './ours.ts'
import type { Script } from './script.ts'

/** Scripts sent to the kernel at once; in a shared namespace their ports must all fit below the ephemeral ones. */
const BATCH = 1000
/** A batch that takes longer hangs in a call. */
const PATIENCE_MS = 60000
/** The kernel's clock is real: a difference counts if it is there every time. */
const RETRIES = 4

export interface Difference {
  readonly script: Script
  /** Number of the step, and what each side said up to there. */
  readonly at: number
  readonly kernel: readonly string[]
  readonly ours: readonly string[]
}

/** The child process that makes the kernel's calls. */
export class Kernel {
  readonly sysctls: SysctlTexts
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, sysctls: SysctlTexts) {
    this.#child = child
    this.#lines = lines
    this.sysctls = sysctls
  }

  /** Starts it; why not, if it cannot be done here. */
  static async start(): Promise<Kernel | string> {
    if (process.platform !== 'linux') return `needs Linux, not ${process.platform}`
    if (process.getuid?.() !== 0) return 'needs root, for network namespaces'
    const path = fileURLToPath(new URL('./kernel-child.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', path], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TSX_DISABLE_CACHE: '1' },
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const first = await lines.next()
    if (first.done === true) return 'the process for the kernel does not start'
    return new Kernel(child, lines, JSON.parse(first.value) as SysctlTexts)
  }

  /** Outcomes of each script. */
  async run(scripts: readonly Script[], isShared: boolean): Promise<string[][]> {
    const slim = scripts.map(({ steps, isCoarse = false }) => ({ steps, isCoarse }))
    this.#child.stdin?.write(`${JSON.stringify({ scripts: slim, isShared })}\n`)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS)
    const line = await this.#lines.next()
    clearTimeout(timer)
    if (line.done === true)
      throw new Error(`the kernel's process ended in one of ${scripts.length} scripts from "${scripts[0]?.title}" on`)
    return JSON.parse(line.value) as string[][]
  }

  end(): void {
    this.#child.stdin?.end()
  }

  async ended(): Promise<void> {
    this.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
  }
}

/** Our outcomes. */
export async function runOurs(script: Pick<Script, 'steps' | 'isCoarse'>, sysctls: SysctlTexts): Promise<string[]> {
  const arm = new OurArm(sysctls)
  const outcomes = await runScript(arm, script)
  arm.end()
  return outcomes
}

/** The first step where the two sides part, or either from what the author expected; -1 if none. */
export function firstDifference(script: Script, kernel: readonly string[], ours: readonly string[]): number {
  return script.steps.findIndex((step, i) => {
    const isEqual = kernel[i] === ours[i]
    if (step.differs !== undefined) return isEqual
    return !isEqual || (step.expected !== undefined && !(kernel[i] ?? '').startsWith(step.expected))
  })
}

export interface Comparison {
  readonly differences: Difference[]
  /** The kernel's, of each script. */
  readonly outcomes: string[][]
}

/** Compares; `isShared` puts many scripts into one namespace of the kernel. */
export async function compare(kernel: Kernel, scripts: readonly Script[], isShared: boolean): Promise<Comparison> {
  const differences: Difference[] = []
  const outcomes: string[][] = []
  for (let from = 0; from < scripts.length; from += BATCH) {
    const batch = scripts.slice(from, from + BATCH)
    const theirs = kernel.run(batch, isShared)
    const ours: string[][] = []
    for (const script of batch) ours.push(await runOurs(script, kernel.sysctls))
    const found = await theirs
    outcomes.push(...found)
    for (const [i, script] of batch.entries()) {
      const difference = await confirmed(kernel, script, found[i] as string[], ours[i] as string[])
      if (difference !== null) differences.push(difference)
    }
  }
  return { differences, outcomes }
}

/** A difference that the kernel shows again and again. */
async function confirmed(kernel: Kernel, script: Script, first: string[], ours: string[]): Promise<Difference | null> {
  let theirs = first
  for (let n = 0; ; n++) {
    const at = firstDifference(script, theirs, ours)
    if (at < 0) return null
    if (n === RETRIES) return { script, at, kernel: theirs, ours }
    theirs = (await kernel.run([script], false))[0] as string[]
  }
}
