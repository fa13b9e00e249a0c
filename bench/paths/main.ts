/**
 * Goodput on impaired paths, ours against the kernel's: sender and receiver are each the kernel (k, in a namespace behind a
 * TAP device) or ours (o); between them the same impaired cable of ours.
 *
 *   node --import tsx bench/paths/main.ts [options]      (root, cc)
 *
 *   --file FILE      results, one JSON object a line: what is there is not played again (/tmp/sockeye-paths.jsonl). After a
 *                    change of the stack: take out of it what ours played (grep '"pair":"kk"'), or take another file
 *   --only TEXT      cells whose name holds TEXT; several times: any of them
 *   --pairs kk,oo
 *   --seeds 3        of every cell; then more, up to --most 40, where 0.9 lies within the error
 *   --minutes 28     begins nothing later than that
 *   --load 300       Mbit/s that may be under way at a time, at most, in --slots 32 runs
 *   --busy 0.6       no run begins while more than this share of the event loop's time is taken: runs would disturb each other
 *   --stall 12       a run is played again, twice at most, if this process was held up for longer meanwhile, in milliseconds:
 *                    such a delay ends CUBIC's slow start
 *   --table FILE     where the table goes, besides standard output
 *
 * One process plays all runs that have a kernel in them, many at a time on one clock; ours alone play in virtual time beside.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { RealClock } from '../../src/platform/clock.ts'
import { Random } from '../../src/sys/random.ts'
import { must } from '../must.ts'
import { CELLS, expectedRate, nameOf, PAIRS, type Pair, type Run, secondsOf } from './cell.ts'
import { KernelEnd } from './kernel-end.ts'
import { type End, ourEnd, play } from './run.ts'
import { CellResults, type Result, table } from './table.ts'

const { values } = parseArgs({
  options: {
    file: { type: 'string', default: join(tmpdir(), 'sockeye-paths.jsonl') },
    only: { type: 'string', multiple: true, default: [''] },
    pairs: { type: 'string', default: PAIRS.join() },
    seeds: { type: 'string', default: '3' },
    most: { type: 'string', default: '40' },
    minutes: { type: 'string', default: '28' },
    load: { type: 'string', default: '300' },
    busy: { type: 'string', default: '0.6' },
    stall: { type: 'string', default: '12' },
    slots: { type: 'string', default: '32' },
    table: { type: 'string' },
  },
})
const pairs = values.pairs.split(',') as Pair[]
const cells = CELLS.filter((cell) => values.only.some((text) => nameOf(cell).includes(text)))
const until = performance.now() + Number(values.minutes) * 60e3

const results: Result[] = existsSync(values.file)
  ? readFileSync(values.file, 'utf8')
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  : []
const keyOf = (run: Run): string => `${nameOf(run)} ${run.pair} ${run.seed} ${run.seconds}`
const known = new Set(results.map(keyOf))

function note(run: Run, bytes: number, stallMs = 0): void {
  // No connection came about: nothing that could be compared.
  if (bytes < 0) return
  const result = { ...run, bytes, stallMs }
  results.push(result)
  appendFileSync(values.file, `${JSON.stringify(result)}\n`)
}

/** Seeds by which a doubtful cell is played again before its results are looked at. */
const STEP = 3

/** The next runs: the first seeds of all cells, then more of what is doubtful; none when everything is settled. */
function nextRuns(): Run[] {
  const runs: Run[] = []
  const add = (cell: Run | (typeof CELLS)[number], pair: Pair, seed: number): void => {
    const run = { ...cell, pair, seed, seconds: secondsOf(cell) }
    if (known.has(keyOf(run))) return
    known.add(keyOf(run))
    runs.push(run)
  }
  for (let seed = 1; seed <= Number(values.seeds); seed++)
    for (const cell of cells) for (const pair of pairs) add(cell, pair, seed)
  if (runs.length > 0) return runs
  for (const cell of cells) {
    const all = new CellResults(cell, results)
    const doubtful = pairs.filter((pair) => pair !== 'kk' && all.isDoubtful(pair))
    for (const pair of doubtful) {
      const first = all.rates[pair].length + 1
      for (let seed = first; seed < first + STEP && seed <= Number(values.most); seed++) {
        add(cell, 'kk', seed)
        add(cell, pair, seed)
      }
    }
  }
  return runs
}

/** Ours alone, one after the other, in a process that gives way to the others. */
class Virtual {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  constructor() {
    const script = new URL('virtual.ts', import.meta.url).pathname
    this.#child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    setPriority(this.#child.pid as number, 19)
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }
  async play(run: Run): Promise<number> {
    this.#child.stdin?.write(`${JSON.stringify(run)}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('bench/paths/virtual.ts has ended')
    return Number(value)
  }
  close(): void {
    this.#child.stdin?.end()
  }
}

/** Milliseconds that a run may take; one that takes longer has found a bug. */
const PATIENCE = 60000

/** Seconds of the runs that count for nothing, at the beginning. */
const WARM_UP = 3

/** A sender and a receiver of the kernel, and a number for every run, so that none meets what is left of another. */
interface Slot {
  readonly sender: KernelEnd
  readonly receiver: KernelEnd
  runs: number
}

const clock = new RealClock()
const folder = mkdtempSync(join(tmpdir(), 'sockeye-paths-'))
const bulk = join(folder, 'bulk')

async function makeSlot(i: number): Promise<Slot> {
  return {
    sender: await KernelEnd.open(`p${process.pid}s${i}`, '10.99.0.1', clock, bulk),
    receiver: await KernelEnd.open(`p${process.pid}r${i}`, '10.99.0.2', clock, bulk),
    runs: 0,
  }
}

async function playReal(slot: Slot, run: Run): Promise<number> {
  const random = new Random(run.seed, 1)
  const n = slot.runs++
  const address = (which: number): string => `10.99.${1 + (n >> 7)}.${(n & 127) * 2 + which}`
  const sender: End = run.pair[0] === 'k' ? slot.sender : ourEnd(clock, random.fork(), address(0))
  const receiver: End = run.pair[1] === 'k' ? slot.receiver : ourEnd(clock, random.fork(), address(1))
  const limit = setTimeout(() => {
    process.stderr.write(`stuck: ${keyOf(run)}\n`)
    process.kill(process.pid, 'SIGTERM')
  }, PATIENCE)
  const bytes = await play(run, clock, sender, receiver, 7000 + n)
  clearTimeout(limit)
  slot.sender.link.attach((packet) => packet.release())
  slot.receiver.link.attach((packet) => packet.release())
  return bytes
}

/** How often a run is played again that a stall has spoilt. */
const REPEATS = 2

/** Milliseconds between two looks at how late the process is. */
const TICK = 5

/** How long the process was held up at most while runs were under way, in milliseconds. */
class Stalls {
  readonly #worst = new Set<{ stallMs: number }>()
  constructor() {
    let last = performance.now()
    setInterval(() => {
      const now = performance.now()
      const late = now - last - TICK
      last = now
      for (const w of this.#worst) w.stallMs = Math.max(w.stallMs, late)
    }, TICK)
  }
  async during<T>(work: Promise<T>): Promise<{ value: T; stallMs: number }> {
    const w = { stallMs: 0 }
    this.#worst.add(w)
    const value = await work
    this.#worst.delete(w)
    return { value, stallMs: w.stallMs }
  }
}

/** Milliseconds between two looks at how busy the event loop is. */
const LOOK = 100

/** Plays all of `runs`, as many at a time as the load allows. */
async function playAll(runs: readonly Run[], slots: readonly Slot[], virtual: Virtual): Promise<void> {
  const real = runs.filter(({ pair }) => pair !== 'oo')
  const free = [...slots]
  const most = Number(values.load) * 1e6
  let load = 0
  const one = async (slot: Slot, run: Run): Promise<void> => {
    load += expectedRate(run)
    for (let left = REPEATS; ; left--) {
      const { value, stallMs } = await stalls.during(playReal(slot, run))
      if (stallMs > Number(values.stall) && left > 0 && !isLate()) continue
      note(run, value, stallMs)
      break
    }
    load -= expectedRate(run)
    free.push(slot)
  }
  const stalls = new Stalls()
  const isLate = (): boolean => performance.now() > until
  let utilization = performance.eventLoopUtilization()
  /** Waits for a look at how busy the event loop is; which of `waiting` may begin then, the first that the load leaves room for, or -1. */
  const mayBegin = async (waiting: readonly Run[]): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, LOOK))
    const last = utilization
    utilization = performance.eventLoopUtilization()
    const isBusy = performance.eventLoopUtilization(utilization, last).utilization > Number(values.busy)
    if (free.length === 0 || (isBusy && load > 0)) return -1
    return waiting.findIndex((run) => load === 0 || load + expectedRate(run) <= most)
  }
  const alone = (async () => {
    for (const run of runs) if (run.pair === 'oo' && !isLate()) note(run, await virtual.play(run))
  })()
  const under: Promise<void>[] = []
  for (const count = real.length; real.length > 0 && !isLate(); ) {
    const next = await mayBegin(real)
    if (next < 0) continue
    under.push(one(free.shift() as Slot, real.splice(next, 1)[0] as Run))
    if (under.length % 50 === 0) process.stderr.write(`${under.length} of ${count} runs begun\n`)
  }
  await Promise.all([...under, alone])
}

async function main(): Promise<void> {
  must('cc', '-O2', '-o', bulk, new URL('bulk.c', import.meta.url).pathname)
  setPriority(-10)
  must('ip', 'link', 'set', 'dev', 'lo', 'up')
  clock.ref()
  const slots: Slot[] = []
  const virtual = new Virtual()
  // However it ends.
  process.on('exit', () => {
    for (const { sender, receiver } of slots) {
      sender.close()
      receiver.close()
    }
    virtual.close()
    rmSync(folder, { recursive: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
  for (let i = 0; i < Number(values.slots); i++) slots.push(await makeSlot(i))
  // What is compiled only after a while must not come upon the first runs that count.
  const [first, second] = slots as [Slot, Slot]
  const warm = {
    congestion: 'cubic',
    rttMs: 20,
    loss: 0.001,
    reorder: 0.01,
    queue: 2,
    seed: 1,
    seconds: WARM_UP,
  } as const
  await Promise.all([playReal(first, { ...warm, pair: 'kk' }), playReal(second, { ...warm, pair: 'oo' })])
  for (let runs = nextRuns(); runs.length > 0 && performance.now() < until; runs = nextRuns())
    await playAll(runs, slots, virtual)
  const text = table(results.filter((r) => cells.some((cell) => nameOf(cell) === nameOf(r))))
  process.stdout.write(text)
  if (values.table !== undefined) writeFileSync(values.table, text)
  process.exit(0)
}

if (process.env.SOCKEYE_PATHS === undefined) {
  // In a network namespace of its own, where TAP devices are made before they move on to theirs.
  const args = ['-n', process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const child = spawn('unshare', args, { stdio: 'inherit', env: { ...process.env, SOCKEYE_PATHS: '1' } })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  child.on('exit', (status) => {
    process.exitCode = status ?? 1
  })
} else await main()
