/**
 * `npm run property -- [--seed N] [--from N] [--seeds COUNT] [--heavy] [--jobs N] [--verbose] [--pcap FILE]`: the property
 * test outside the test runner. One `--seed` replays a failure and says what its plan is; `--pcap` keeps its packets.
 */
import { spawn } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MemorySink, PcapngWriter } from '../../src/link/pcap.ts'
import { drawPlan, type Plan } from './plan.ts'
import { type Report, World } from './world.ts'

const SEEDS_FILE = new URL('./seeds.txt', import.meta.url)

/** Seeds that failed once, oldest first: `SEED [heavy] # why`. */
export function keptSeeds(): { seed: number; heavy: boolean }[] {
  const lines = readFileSync(SEEDS_FILE, 'utf8')
    .split('\n')
    .map((l) => l.replace(/#.*/, '').trim())
    .filter((l) => l !== '')
  return lines.map((l) => ({ seed: Number(l.split(/\s+/)[0]), heavy: /\bheavy\b/.test(l) }))
}

/** Keeps a failing seed, so that every later run starts with it. */
export function keepSeed(seed: number, heavy: boolean, why: string): void {
  if (keptSeeds().some((k) => k.seed === seed && k.heavy === heavy)) return
  appendFileSync(SEEDS_FILE, `${seed}${heavy ? ' heavy' : ''} # ${why.replace(/[\r\n#]+/g, ' ').slice(0, 90)}\n`)
}

export const replayCommand = (seed: number, heavy: boolean): string =>
  `npm run property -- --seed ${seed}${heavy ? ' --heavy' : ''}`

/** Runs one seed; an exception is a problem like others. */
export function runSeed(seed: number, heavy: boolean): Report {
  let plan: Plan | undefined
  try {
    plan = drawPlan(seed, heavy)
    return new World(plan).run()
  } catch (error) {
    const problems = [
      String((error as Error).stack)
        .split('\n')
        .slice(0, 8)
        .join('\n'),
    ]
    return { seed, problems, outcomes: {}, bytes: 0, segments: 0, retransmissions: 0, seconds: 0 }
  }
}

/** Sums of many reports. */
export class Summary {
  readonly outcomes: Record<string, number> = {}
  readonly failures: Report[] = []
  seeds = 0
  bytes = 0
  segments = 0
  retransmissions = 0

  add(report: Report): void {
    this.seeds++
    this.bytes += report.bytes
    this.segments += report.segments
    this.retransmissions += report.retransmissions
    for (const [key, n] of Object.entries(report.outcomes)) this.outcomes[key] = (this.outcomes[key] ?? 0) + n
    if (report.problems.length > 0) this.failures.push(report)
  }

  toString(): string {
    const outcomes = Object.entries(this.outcomes)
      .sort((a, b) => b[1] - a[1])
      .map(([key, n]) => `${key}: ${n}`)
    const megabytes = (this.bytes / 1e6).toFixed(1)
    return `${this.seeds} seeds, ${megabytes} MB, ${this.segments} segments, ${this.retransmissions} sent again; ends ${outcomes.join(', ')}`
  }
}

export interface Range {
  readonly from: number
  readonly count: number
  readonly heavy: boolean
}

/** Runs ranges of seeds on `jobs` processes; `onReport` sees every report. */
export async function runParallel(
  ranges: readonly Range[],
  jobs: number,
  onReport: (r: Report, heavy: boolean) => void,
): Promise<void> {
  const slices: Range[] = []
  for (const range of ranges) {
    const size = Math.max(1, Math.ceil(range.count / (jobs * 4)))
    for (let at = 0; at < range.count; at += size) {
      slices.push({ from: range.from + at, count: Math.min(size, range.count - at), heavy: range.heavy })
    }
  }
  const worker = async (): Promise<void> => {
    for (let slice = slices.shift(); slice !== undefined; slice = slices.shift()) await runChild(slice, onReport)
  }
  await Promise.all(Array.from({ length: jobs }, worker))
}

/** One slice in a process of its own, reports as lines of JSON. */
async function runChild(slice: Range, onReport: (r: Report, heavy: boolean) => void): Promise<void> {
  const args = [
    '--from',
    String(slice.from),
    '--seeds',
    String(slice.count),
    '--json',
    ...(slice.heavy ? ['--heavy'] : []),
  ]
  const loader = ['--import', import.meta.resolve('tsx')]
  const child = spawn(process.execPath, [...loader, fileURLToPath(import.meta.url), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  let seen = 0
  for await (const line of createInterface({ input: child.stdout })) {
    seen++
    onReport(JSON.parse(line) as Report, slice.heavy)
  }
  const code = await closed
  if (code !== 0 || seen !== slice.count)
    throw new Error(`seeds ${slice.from} on: process ended with ${code} after ${seen} of ${slice.count}`)
}

function replay(seed: number, heavy: boolean, file: string | undefined): number {
  const plan = drawPlan(seed, heavy)
  console.log(JSON.stringify(plan, null, 2))
  const sink = new MemorySink()
  const { problems, ...rest } = new World(plan, (clock) =>
    file === undefined ? undefined : new PcapngWriter(sink, clock),
  ).run()
  if (file !== undefined) writeFileSync(file, sink.toBytes())
  console.log(rest)
  for (const problem of problems) console.log(`PROBLEM ${problem}`)
  return problems.length === 0 ? 0 : 1
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      from: { type: 'string' },
      seeds: { type: 'string', default: process.env.SEEDS ?? '5000' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      heavy: { type: 'boolean', default: process.env.HEAVY === '1' },
      json: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      pcap: { type: 'string' },
    },
  })
  const { heavy } = values
  if (values.seed !== undefined) return replay(Number(values.seed), heavy, values.pcap)
  const from = values.from === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.from)
  const count = Number(values.seeds)
  if (values.json) {
    for (let seed = from; seed < from + count; seed++) console.log(JSON.stringify(runSeed(seed, heavy)))
    return 0
  }
  console.log(`seeds ${from} to ${from + count - 1}${heavy ? ', heavy' : ''}`)
  const summary = new Summary()
  await runParallel([{ from, count, heavy }], Number(values.jobs), (report) => {
    summary.add(report)
    if (values.verbose) console.log(JSON.stringify(report))
    if (report.problems.length === 0) return
    console.log(`${replayCommand(report.seed, heavy)}\n  ${report.problems.join('\n  ')}`)
    keepSeed(report.seed, heavy, report.problems[0] ?? '')
  })
  console.log(String(summary))
  return summary.failures.length === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
