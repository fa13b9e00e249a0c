/**
 * Random segments at the kernel and at us:
 *
 *     node --import tsx test/segments/run.ts [--sequences N] [--seed S] [--jobs N] [--shown N] [--with MIX,…] [--plays N] [--verbose]
 *
 * Needs root, for a namespace and a TAP device. Each job is a process with a namespace of its own and a part of the seeds.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Comparison, compareSequences, MORE_RETRIES, merge, type Progress, report } from './compare.ts'
import { Kernel } from './kernel.ts'
import { mixesOf } from './mixes.ts'

/** Sequences between two lines that tell how far it is. */
const LINE_EACH = 10000

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    shown: { type: 'string', default: '10' },
    plays: { type: 'string', default: String(MORE_RETRIES) },
    with: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const shown = Number(values.shown)
const mixes = mixesOf(values.with)

/** The part of a job, in another process, which tells each batch in a line of its stderr. */
async function runJob(first: number, count: number, note: (progress: Progress) => void): Promise<Comparison> {
  const file = fileURLToPath(import.meta.url)
  const part = [
    '--seed',
    String(first),
    '--sequences',
    String(count),
    '--shown',
    values.shown,
    '--plays',
    values.plays,
    '--with',
    values.with,
  ]
  const args = [...process.execArgv, file, '--json', ...part]
  const job = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  createInterface(job.stderr).on('line', (line) => {
    if (line.startsWith('{')) note(JSON.parse(line) as Progress)
    else console.error(line)
  })
  const [stdout] = await Promise.all([text(job.stdout), once(job, 'close')])
  return JSON.parse(stdout) as Comparison
}

function runHere(kernel: Kernel, first: number, count: number, note: (progress: Progress) => void): Comparison {
  try {
    return compareSequences(kernel, first, count, shown, Number(values.plays), values.verbose, note)
  } finally {
    kernel.close()
  }
}

/** Says how far all jobs together are, each time another ten thousand are done. */
function progressLines(jobs: number): (job: number, progress: Progress) => void {
  const parts = new Array<Progress>(jobs).fill({ played: 0, listed: 0, differ: 0 })
  let lines = 0
  return (job, progress) => {
    parts[job] = progress
    const sum = (field: keyof Progress): number => parts.reduce((total, part) => total + part[field], 0)
    const played = sum('played')
    if (Math.floor(played / LINE_EACH) <= lines) return
    lines = Math.floor(played / LINE_EACH)
    console.log(`${played} played: ${sum('listed')} listed, ${sum('differ')} differ`)
  }
}

async function compareAll(first: number, count: number, jobs: number): Promise<Comparison | string> {
  const kernel = Kernel.start(mixes)
  if (typeof kernel === 'string') return kernel
  const lines = progressLines(jobs)
  const note = (progress: Progress): void =>
    values.json ? console.error(JSON.stringify(progress)) : lines(0, progress)
  if (jobs <= 1) return runHere(kernel, first, count, note)
  kernel.close()
  const each = Math.ceil(count / jobs)
  const parts: Promise<Comparison>[] = []
  for (let from = 0; from < count; from += each) {
    const job = parts.length
    parts.push(runJob(first + from, Math.min(each, count - from), (progress) => lines(job, progress)))
  }
  return merge(await Promise.all(parts))
}

const count = Number(values.sequences)
const found = await compareAll(Number(values.seed), count, Number(values.jobs))
if (typeof found === 'string') {
  console.log(`skipped: ${found}`)
  process.exitCode = process.env.CI === undefined ? 0 : 1
} else if (values.json) console.log(JSON.stringify(found))
else {
  const { differences, listed, steps, segments } = found
  for (const group of differences.slice(0, shown)) {
    console.log(report(group.first))
    console.log(`(${group.seeds.length} like this: ${group.kind}; seeds ${group.seeds.slice(0, 8).join(' ')})\n`)
  }
  const bad = differences.reduce((sum, group) => sum + group.seeds.length, 0)
  const known = Object.values(listed).reduce((sum, n) => sum + n, 0)
  const reasons = Object.entries(listed).map(([name, n]) => `${name} ${n}`)
  console.log(`from seed ${values.seed} on, ${steps} steps, ${segments} segments`)
  console.log(
    `${count} sequences: ${count - known - bad} same, ${known} listed (${reasons.join(', ') || 'none'}), ${bad} differ`,
  )
  if (bad > 0) process.exitCode = 1
}
