/** Plays runs between two ends of ours in virtual time: runs come as JSON lines, `N BYTES` goes back for the N-th. */
import { createInterface } from 'node:readline'
import { turn } from '../../src/platform/turn.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import type { Run } from './cell.ts'
import { ourEnd, play } from './run.ts'

for await (const line of createInterface({ input: process.stdin })) {
  const run = JSON.parse(line) as Run
  const clock = new VirtualClock(turn)
  const random = new Random(run.seed, 1)
  const sender = ourEnd(clock, random.fork(), '10.99.0.1')
  const receiver = ourEnd(clock, random.fork(), '10.99.0.2')
  process.stdout.write(`${await clock.runUntil(play(run, clock, sender, receiver, 7000))}\n`)
}
