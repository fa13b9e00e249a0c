/** The table of results, and which of them are too uncertain to be judged. */
import { median } from '../harness.ts'
import { CELLS, type Cell, nameOf, PAIRS, type Pair, type Run, rateOf, secondsOf } from './cell.ts'

/** A run and the bytes that came. */
export interface Result extends Run {
  readonly bytes: number
}

/** What a cell has to reach beside kernel to kernel, and what all have to reach in the median. */
const LEAST = 0.9

/** Without the seeds that were not played. */
const played = (list: readonly number[]): number[] => list.filter(() => true)
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length

/** Mean of ours by mean of the kernel's over the same seeds; 95 times of 100 the truth is within `error` of it. */
export interface Ratio {
  readonly value: number
  readonly error: number
  readonly runs: number
}

/** Student's t for 95 % and `freedom` degrees of it, to a few hundredths from 2 on. */
const student = (freedom: number): number => 1.96 + 2.4 / freedom + 4.6 / freedom ** 2

/** All results of a cell: bits a second by pair, at the seed less 1. */
export class CellResults {
  readonly cell: Cell
  readonly rates: Record<Pair, number[]> = { kk: [], ok: [], ko: [], oo: [] }

  constructor(cell: Cell, results: readonly Result[]) {
    this.cell = cell
    const name = nameOf(cell)
    for (const r of results)
      if (nameOf(r) === name && r.seconds === secondsOf(cell))
        this.rates[r.pair][r.seed - 1] = (r.bytes * 8) / r.seconds
  }

  /** Standard deviation of one run of kernel to kernel, as a share of the mean. */
  get spread(): number {
    const kk = played(this.rates.kk)
    const m = mean(kk)
    return Math.sqrt(kk.reduce((sum, x) => sum + (x / m - 1) ** 2, 0) / (kk.length - 1))
  }

  /** The ratio estimator of paired samples: runs of one seed meet the same faults as long as they send the same. */
  ratio(pair: Pair): Ratio {
    const ours = this.rates[pair]
    const both = [...ours.keys()].filter((i) => ours[i] !== undefined && this.rates.kk[i] !== undefined)
    const n = both.length
    const theirs = mean(both.map((i) => this.rates.kk[i] as number))
    const value = mean(both.map((i) => ours[i] as number)) / theirs
    const residuals = both.map((i) => ((ours[i] as number) - value * (this.rates.kk[i] as number)) / theirs)
    const variance = residuals.reduce((sum, x) => sum + x * x, 0) / (n - 1)
    return { value, error: n < 2 ? Infinity : student(n - 1) * Math.sqrt(variance / n), runs: n }
  }

  /** More runs would tell whether the pair reaches LEAST. */
  isDoubtful(pair: Pair): boolean {
    const { value, error } = this.ratio(pair)
    return value - error < LEAST && value + error > LEAST
  }
}

const mbits = (rate: number): string => (rate / 1e6).toFixed(2)
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`

function show(results: CellResults, pair: Pair): string {
  const { value, error, runs } = results.ratio(pair)
  if (runs === 0) return '–'
  const mark = value >= LEAST ? '' : value + error < LEAST ? ' **below**' : ' *(chance?)*'
  return `${mbits(mean(played(results.rates[pair])))} = ${value.toFixed(2)} ± ${error.toFixed(2)} (${runs})${mark}`
}

/** How often kernel to kernel misses LEAST of its own mean over the other seeds: what chance alone does. */
function kernelAlone(all: readonly CellResults[]): string {
  let below = 0
  let runs = 0
  for (const { rates } of all) {
    const kk = played(rates.kk)
    const sum = kk.reduce((a, b) => a + b, 0)
    if (kk.length < 2) continue
    for (const rate of kk) {
      runs++
      if (rate < (LEAST * (sum - rate)) / (kk.length - 1)) below++
    }
  }
  return `Single runs of kernel to kernel below ${LEAST} of the mean of the cell's others: ${below} of ${runs}.`
}

function summary(all: readonly CellResults[], pair: Pair): string {
  const ratios = all.map((results) => results.ratio(pair)).filter(({ value }) => !Number.isNaN(value))
  if (ratios.length === 0) return ''
  const below = ratios.filter(({ value }) => value < LEAST)
  const caused = below.filter(({ value, error }) => value + error < LEAST)
  const sure = ratios.filter(({ value, error }) => value - error >= LEAST)
  const least = Math.min(...ratios.map(({ value }) => value))
  const middle = median(ratios.map(({ value }) => value)).toFixed(2)
  return [
    `- ${pair}: median ${middle}, least ${least.toFixed(2)}; at least ${LEAST} in ${ratios.length - below.length} of ${ratios.length}`,
    `(${sure.length} with 95 % confidence), below it ${below.length} (${caused.length} with 95 % confidence)`,
  ].join(' ')
}

export const cellsOf = (results: readonly Result[]): CellResults[] =>
  CELLS.map((cell) => new CellResults(cell, results)).filter(({ rates }) => rates.kk.length > 0)

export function table(results: readonly Result[]): string {
  const all = cellsOf(results)
  const ours = PAIRS.filter((pair) => pair !== 'kk' && all.some(({ rates }) => rates[pair].length > 0))
  const plays = new Set(
    all.map(({ cell }) => `${rateOf(cell) / 1e6} Mbit/s and ${secondsOf(cell)} s at ${cell.rttMs} ms`),
  )
  return [
    '# Goodput on impaired paths, beside the kernel',
    '',
    `Mbit/s, means of runs; bottleneck and length of a run: ${[...plays].join(', ')}. Sender and receiver: k the kernel, o ours.`,
    'Each of ours: mean = ratio to kernel to kernel ± 95 % confidence; runs of the same seed meet the same faults, packet by packet, as long as',
    'they send the same. The spread is the standard deviation of one run of kk. `bench/paths/main.ts` makes it.',
    "Ours alone (oo) play in virtual time, without TAP devices and a host's jitter, which is in their favour.",
    '',
    ...ours.map((pair) => summary(all, pair)),
    '',
    kernelAlone(all),
    '',
    `| path | kk (runs) | spread | ${ours.join(' | ')} |`,
    `|---|---|---|${ours.map(() => '---|').join('')}`,
    ...all.map((r) => {
      const kk = played(r.rates.kk)
      const kernel = `${mbits(mean(kk))} (${kk.length})`
      return `| ${nameOf(r.cell)} | ${kernel} | ${percent(r.spread)} | ${ours.map((pair) => show(r, pair)).join(' | ')} |`
    }),
    '',
  ].join('\n')
}
