import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import test from 'node:test'
import { keepSeed, keptSeeds, replayCommand, runParallel, runSeed, Summary } from './run.ts'

/** SEEDS=100000 makes a night of it; above 20,000 the transfers are twenty times as long, too. */
const SEEDS = Number(process.env.SEEDS ?? 5000)
const HEAVY = SEEDS > 20_000
/** The same seeds every time, from this one on; and beside them some that nobody has tried. */
const FIXED_FROM = 1
const FRESH = Math.ceil(SEEDS / 20)

test('seeds that failed once pass', () => {
  for (const { seed, heavy } of keptSeeds()) {
    const { problems } = runSeed(seed, heavy)
    assert.deepEqual(problems, [], replayCommand(seed, heavy))
  }
})

test('any mix of impairments, buffers, writes and endings: the exact bytes in order or an error at both ends, nothing left over', async (t) => {
  const fresh = randomInt(2 ** 20, 2 ** 31)
  t.diagnostic(`seeds ${FIXED_FROM} to ${SEEDS} and, fresh, ${fresh} to ${fresh + FRESH - 1}${HEAVY ? ', heavy' : ''}`)
  const summary = new Summary()
  const ranges = [
    { from: FIXED_FROM, count: SEEDS, heavy: HEAVY },
    { from: fresh, count: FRESH, heavy: HEAVY },
  ]
  await runParallel(ranges, availableParallelism(), (report, heavy) => {
    summary.add(report)
    if (report.problems.length > 0) keepSeed(report.seed, heavy, report.problems[0] ?? '')
  })
  t.diagnostic(String(summary))
  const failures = summary.failures.map((f) => `${replayCommand(f.seed, HEAVY)}\n  ${f.problems.join('\n  ')}`)
  assert.deepEqual(failures, [], `${failures.length} of ${summary.seeds} seeds failed`)
})
