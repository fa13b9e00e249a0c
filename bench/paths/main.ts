/**
 * Goodput on impaired paths, ours against the kernel's: sender and receiver are each the kernel (k, through a TAP device of
 * its own) or ours (o); between them the same impaired cable of ours. The table goes to bench/paths/table.md.
 *
 *   node --import tsx bench/paths/main.ts [--only TEXT] [--pairs kk,oo] [--seeds N] [--seconds N] [--jobs N]      (root, cc)
 *
 * Each cell is the mean over the seeds; the same seed loses the same packets for all pairs as long as they send the same.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { median } from '../harness.ts'
import { CELLS, type Cell, nameOf, PAIRS, type Pair, RATE, type Run } from './cell.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    pairs: { type: 'string', default: PAIRS.join() },
    seeds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    jobs: { type: 'string', default: '3' },
  },
})
const pairs = values.pairs.split(',') as Pair[]
const seeds = Number(values.seeds)
const seconds = Number(values.seconds)
const cells = CELLS.filter((cell) => nameOf(cell).includes(values.only))
const folder = mkdtempSync(join(tmpdir(), 'sockeye-paths-'))
const bulk = join(folder, 'bulk')

function must(program: string, ...args: string[]): void {
  const result = spawnSync(program, args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr || result.error?.message}`)
}

/** Bytes a second of one run, in namespaces of its own. */
async function goodput(run: Omit<Run, 'bulk' | 'other'>, slot: number): Promise<number> {
  const namespace = `sockeye-paths-${process.pid}-${slot}`
  const other = `${namespace}b`
  for (const name of [namespace, other]) must('ip', 'netns', 'add', name)
  try {
    const words = [process.execPath, '--import', 'tsx', 'bench/paths/run.ts', JSON.stringify({ ...run, bulk, other })]
    const child = spawn('ip', ['netns', 'exec', namespace, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (bytes) => {
      said += bytes
    })
    const status = await new Promise((resolve) => child.on('close', resolve))
    if (status !== 0) throw new Error(`${nameOf(run)}, ${run.pair}: exit status ${status}`)
    return Number(said) / run.seconds
  } finally {
    for (const name of [namespace, other]) spawnSync('ip', ['netns', 'delete', name])
  }
}

must('cc', '-O2', '-o', bulk, new URL('bulk.c', import.meta.url).pathname)

interface Result {
  readonly cell: Cell
  readonly rates: Record<Pair, number[]>
}

const results: Result[] = cells.map((cell) => ({ cell, rates: { kk: [], ok: [], ko: [], oo: [] } }))
const jobs = results.flatMap((result) =>
  Array.from({ length: seeds }, (_, i) => pairs.map((pair) => ({ result, pair, seed: i + 1 }))).flat(),
)
let done = 0
await Promise.all(
  Array.from({ length: Number(values.jobs) }, async (_, slot) => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { result, pair, seed } = job
      result.rates[pair].push(await goodput({ ...result.cell, pair, seed, seconds }, slot))
      if (++done % 20 === 0) process.stderr.write(`${done} runs, ${jobs.length} to go\n`)
    }
  }),
)
rmSync(folder, { recursive: true })

const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length
const mbits = (rate: number): string => ((rate * 8) / 1e6).toFixed(2)
const lines = [
  `Mbit/s of goodput over ${RATE / 1e6} Mbit/s, mean of ${seeds} runs of ${seconds} s; in brackets against kernel to kernel.`,
  '',
  `| path | ${pairs.join(' | ')} |`,
  `|---|${pairs.map(() => '---|').join('')}`,
]
const ratios: number[] = []
for (const { cell, rates } of results) {
  const base = mean(rates.kk)
  const shown = pairs.map((pair) => {
    const rate = mean(rates[pair])
    if (pair === 'kk') return mbits(rate)
    if (pair !== 'oo') ratios.push(rate / base)
    return `${mbits(rate)} (${(rate / base).toFixed(2)})`
  })
  lines.push(`| ${nameOf(cell)} | ${shown.join(' | ')} |`)
}
const below = ratios.filter((ratio) => ratio < 0.9).length
lines.push('', `Ours with the kernel: median ${median(ratios).toFixed(2)}, ${below} of ${ratios.length} below 0.9.`, '')
const text = lines.join('\n')
process.stdout.write(text)
if (values.only === '') writeFileSync(new URL('table.md', import.meta.url), text)
