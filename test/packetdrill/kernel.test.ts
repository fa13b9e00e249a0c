/** Our scripts are true: the kernel this runs on, as root, passes them too. Those too long for a test are for `kernel.ts`. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DEFINITIONS, parseScript } from '../../src/packetdrill/index.ts'
import { scriptsBelow } from './files.ts'
import { type Played, playAll, reasonAgainst } from './kernel-pool.ts'

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'scripts')
/** Scripts of more script time are left out, in seconds. */
const LONGEST = 20
const AT_ONCE = 6
const ATTEMPTS = 3
const TOLERANCE_US = 15000
const variant = 'ipv4'

/** About how long it takes, by the times in it, in microseconds. */
const durationOf = (source: string): number =>
  parseScript(source, DEFINITIONS[variant]).events.reduce(
    (sum, { time }) => (time.kind === 'absolute' ? time.at : sum + time.at),
    0,
  )

const told = ({ path, report, late, attempts }: Played): string =>
  `${basename(path)}: line ${report.line}: ${report.message} (attempt ${attempts}, late by ${late} us)\n${report.trail.join('\n')}`

test(`the kernel passes every script of ours of at most ${LONGEST} s (issue 4, item 6)`, async (t) => {
  const reason = reasonAgainst()
  if (reason !== null) {
    if (process.env.CI !== undefined) assert.fail(reason)
    t.skip(reason)
    return
  }
  // The longest first: they only wait.
  const timed = scriptsBelow(FOLDER)
    .map((path) => ({ path, variant, duration: durationOf(readFileSync(path, 'latin1')) }) as const)
    .sort((a, b) => b.duration - a.duration)
  const scripts = timed.filter(({ duration }) => duration <= LONGEST * 1e6)
  const failed: string[] = []
  const skipped = new Map<string, number>()
  const options = { atOnce: AT_ONCE, attempts: ATTEMPTS, leastTolerance: TOLERANCE_US }
  await playAll(scripts, options, (played) => {
    const { status, message } = played.report
    if (status === 'not ok') failed.push(told(played))
    if (status === 'skip') skipped.set(message, (skipped.get(message) ?? 0) + 1)
  })
  for (const [why, count] of skipped) t.diagnostic(`${count} scripts skipped: ${why}`)
  t.diagnostic(`${timed.length - scripts.length} scripts of more than ${LONGEST} s left out`)
  assert.deepEqual(failed, [], failed.join('\n'))
})
