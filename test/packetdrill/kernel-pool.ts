/** Plays scripts at the kernel, several at once: each process has one under way, and they mostly wait. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Report, Variant } from '../../src/packetdrill/index.ts'
import type { Answer, Job } from './kernel-child.ts'

/** No script of ours takes longer. */
const LONGEST_MS = 200_000

export interface PoolOptions {
  /** Scripts under way at the same time. */
  readonly atOnce: number
  /** Times that a script is played until it passes. */
  readonly attempts: number
  /** Microseconds, times the attempt: the tool is late on a busy machine, and the kernel's timers tick only HZ times a second. */
  readonly leastTolerance: number
}

export interface Played {
  readonly path: string
  readonly variant: Variant
  readonly report: Report
  readonly late: number
  readonly attempts: number
}

/** Why scripts cannot be played here, or null. */
export function reasonAgainst(): string | null {
  if (process.platform !== 'linux') return `needs Linux, not ${process.platform}`
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces'
  return existsSync('/dev/net/tun') ? null : 'needs /dev/net/tun'
}

class Player {
  #child: ChildProcess | null = null
  #answers: AsyncIterator<string> | null = null

  #start(): { child: ChildProcess; answers: AsyncIterator<string> } {
    if (this.#child === null || this.#answers === null) {
      const path = fileURLToPath(new URL('./kernel-child.ts', import.meta.url))
      const child = spawn(process.execPath, ['--import', 'tsx', path], { stdio: ['pipe', 'pipe', 'inherit'] })
      this.#child = child
      this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    }
    return { child: this.#child, answers: this.#answers }
  }

  async play(job: Job): Promise<Answer> {
    const { child, answers } = this.#start()
    const clock = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
    child.stdin?.write(`${JSON.stringify(job)}\n`)
    const { value, done } = await answers.next()
    clearTimeout(clock)
    const answer = done === true ? died(job.variant) : (JSON.parse(value) as Answer)
    if (answer.isStuck) this.stop()
    return answer
  }

  stop(): void {
    this.#child?.kill('SIGKILL')
    this.#child = this.#answers = null
  }
}

const died = (variant: Variant): Answer => ({
  report: {
    status: 'not ok',
    line: 0,
    message: 'an ordinary call sleeps, or the player died',
    trail: [],
    worstError: 0,
    duration: 0,
    variant,
  },
  late: 0,
  isStuck: true,
})

/** Plays all; `tell` hears of each that is through. */
export async function playAll(
  scripts: readonly { readonly path: string; readonly variant: Variant }[],
  { atOnce, attempts, leastTolerance }: PoolOptions,
  tell: (played: Played) => void,
): Promise<void> {
  const queue = scripts.map((script) => ({ ...script, attempt: 1 }))
  let underWay = 0
  const worker = async (): Promise<void> => {
    const player = new Player()
    for (;;) {
      const next = queue.shift()
      if (next === undefined) {
        if (underWay === 0) break
        // One under way may have to be played again.
        await new Promise((then) => setTimeout(then, 50))
        continue
      }
      underWay++
      const { path, variant, attempt } = next
      const { report, late } = await player.play({ path, variant, leastTolerance: leastTolerance * attempt })
      underWay--
      if (report.status === 'not ok' && attempt < attempts) queue.push({ path, variant, attempt: attempt + 1 })
      else tell({ path, variant, report, late, attempts: attempt })
    }
    player.stop()
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, scripts.length) }, worker))
}
