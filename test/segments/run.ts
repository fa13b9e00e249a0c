/**
 * Random segments at the kernel and at us:
 *
 *     node --import tsx test/segments/run.ts [--sequences N] [--seed S] [--jobs N] [--shown N] [--verbose]
 *
 * Needs root, for a namespace and a TAP device. Each job is a process with a namespace of its own and a part of the seeds.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { type Comparison, compareSequences, merge, report } from './compare.ts'
import { Kernel } from './kernel.ts'

const MOST_OUTPUT = 1 << 30

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    shown: { type: 'string', default: '10' },
    verbose: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const shown = Number(values.shown)

/** The part of a job, in another process. */
async function runJob(first: number, count: number): Promise<Comparison> {
  const file = fileURLToPath(import.meta.url)
  const part = ['--seed', String(first), '--sequences', String(count), '--shown', values.shown]
  const args = [...process.execArgv, file, '--json', ...part]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: MOST_OUTPUT })
  return JSON.parse(stdout) as Comparison
}

function runHere(kernel: Kernel, first: number, count: number): Comparison {
  try {
    return compareSequences(kernel, first, count, shown, values.verbose)
  } finally {
    kernel.close()
  }
}

async function compareAll(first: number, count: number, jobs: number): Promise<Comparison | string> {
  const kernel = Kernel.start()
  if (typeof kernel === 'string') return kernel
  if (jobs <= 1) return runHere(kernel, first, count)
  kernel.close()
  const each = Math.ceil(count / jobs)
  const parts: Promise<Comparison>[] = []
  for (let from = 0; from < count; from += each) parts.push(runJob(first + from, Math.min(each, count - from)))
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
