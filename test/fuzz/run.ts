/**
 * `npm run fuzz -- [--frames N] [--seed S] [--jobs N] [--segments]`: mutated frames into hosts with open sockets, 10 million
 * unless told otherwise; with --segments only TCP segments, each aimed at a live connection. A world is a host with its own seed; it gets 5,000 frames, is closed, and must leave nothing behind.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LIMITS, Target, Worst } from './target.ts'

export const FRAMES_PER_WORLD = 5000
/** Growth of the heap from the twentieth world on that will do, garbage included, in MiB. */
const HEAP_LIMIT = 256

export interface FuzzResult {
  frames: number
  readonly worst: Worst
  readonly failures: string[]
}

/** Runs worlds from `seed` on until `frames` were given; `progress` hears of each world. */
export function fuzz(seed: number, frames: number, segments = false, progress?: (given: number) => void): FuzzResult {
  const result: FuzzResult = { frames: 0, worst: new Worst(), failures: [] }
  let heap = 0
  for (let world = seed; result.frames < frames; world++) {
    runWorld(world, Math.min(FRAMES_PER_WORLD, frames - result.frames), segments, result)
    progress?.(result.frames)
    if (result.failures.length > 10) break
    const used = process.memoryUsage().heapUsed / 2 ** 20
    if (world - seed === 20) heap = used
    if (world - seed > 20 && used > heap + HEAP_LIMIT)
      result.failures.push(`seed ${world}: the heap has grown by ${Math.round(used - heap)} MiB`)
  }
  return result
}

function runWorld(seed: number, frames: number, segments: boolean, result: FuzzResult): void {
  let target: Target | undefined
  try {
    target = new Target(seed)
    target.run(frames, segments)
    for (const left of target.finish()) result.failures.push(`seed ${seed}: ${left}`)
  } catch (error) {
    result.failures.push(
      `npm run fuzz -- --seed ${seed} --frames ${frames}${segments ? ' --segments' : ''}\n${(error as Error).message}`,
    )
  }
  result.frames += frames
  if (target !== undefined) result.worst.take(target.worst)
}

/** A share of the work in a process of its own. */
function runShare(seed: number, frames: number, segments: boolean): Promise<FuzzResult> {
  const args = [
    '--import',
    import.meta.resolve('tsx'),
    fileURLToPath(import.meta.url),
    '--json',
    '--seed',
    String(seed),
    '--frames',
    String(frames),
    ...(segments ? ['--segments'] : []),
  ]
  const child = spawn(process.execPath, ['--expose-gc', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (d) => {
    text += d
  })
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(text) as FuzzResult)
      else reject(new Error(`a fuzzing process ended with ${code}: ${text}`))
    })
  })
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      frames: { type: 'string', default: '10000000' },
      seed: { type: 'string' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      segments: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 30) : Number(values.seed)
  const frames = Number(values.frames)
  const { segments } = values
  if (values.json) {
    const progress = (given: number): void => {
      if (given % 10_000_000 === 0) console.error(`from seed ${seed}: ${given} of ${frames}`)
    }
    console.log(JSON.stringify(fuzz(seed, frames, segments, progress)))
    return 0
  }
  const begin = performance.now()
  const jobs = Math.min(Number(values.jobs), Math.ceil(frames / FRAMES_PER_WORLD))
  const share = Math.ceil(frames / jobs / FRAMES_PER_WORLD) * FRAMES_PER_WORLD
  console.log(`${frames} ${segments ? 'segments' : 'frames'}, seed ${seed}, ${jobs} processes`)
  const shares = Array.from({ length: jobs }, (_, i) =>
    runShare(seed + (i * share) / FRAMES_PER_WORLD, Math.max(0, Math.min(share, frames - i * share)), segments),
  )
  const results = await Promise.all(shares)
  const worst = new Worst()
  let given = 0
  for (const result of results) {
    given += result.frames
    worst.take(result.worst)
    for (const failure of result.failures) console.log(failure)
  }
  const seconds = (performance.now() - begin) / 1000
  console.log(`${given} frames in ${seconds.toFixed(1)} s, ${Math.round(given / seconds)} frames/s`)
  console.log(
    'most per frame or held, of the limit:',
    Object.entries(LIMITS)
      .map(([k, limit]) => `${k} ${worst[k as 'tasks']}/${limit}`)
      .join(', '),
  )
  return results.every((r) => r.failures.length === 0) ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
