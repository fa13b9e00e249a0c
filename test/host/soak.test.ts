/** The soak of bench/soak.ts in small: what is made is gone again. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { forkMany, leftOver, openMany, play, stage } from '../../bench/soak-programs.ts'

/** Virtual seconds until TIME_WAIT is over. */
const QUIET = 130

for (const [what, part, count] of [
  ['400 processes forked and reaped', forkMany, 400],
  ['2,000 sockets opened and closed', openMany, 2000],
] as const) {
  test(`${what}: every table is empty afterwards, nothing is in flight`, async () => {
    const at = stage()
    await play(at, (process) => part(process, count))
    await play(at, async (process) => void (await process.sleep(QUIET)))
    for (const [name, left] of Object.entries(leftOver(at))) assert.equal(left, 0, name)
    assert.equal(at.clock.timerCount, 0)
  })
}
