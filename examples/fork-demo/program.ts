/** fork(2): called once, it returns twice; from then on parent and child count on their own. */
import type { Process } from '../../src/host/process.ts'
import { type WaitStatus, WEXITSTATUS } from '../../src/host/wait.ts'
import { say } from '../stage.ts'

const ROUNDS = 3

/** Counts up by `step` a second and prints each value; gives the last. */
async function count(process: Process, who: string, start: number, step: number): Promise<number> {
  let counter = start
  for (let i = 0; i < ROUNDS; i++) {
    await process.sleep(1)
    counter += step
    await say(process, `${who} ${process.getpid()} (parent ${process.getppid()}): counter = ${counter}`)
  }
  return counter
}

/** Forks, counts by 1, waits for the child, which counts by 10, and prints both ends. */
export async function forkDemo(process: Process): Promise<void> {
  const counter = 5
  await say(process, `${process.getpid()} before fork: counter = ${counter}`)
  // The kernel copies memory; JavaScript does not: the child takes its copy with it as an argument.
  const child = process.fork((self) => count(self, 'child', counter, 10))
  await say(process, `fork gave ${child} to the parent; the child runs on its own`)
  const own = await count(process, 'parent', counter, 1)
  const status: WaitStatus = { status: 0 }
  const ended = await process.wait(status)
  await say(process, `child ${ended} ended with its counter at ${WEXITSTATUS(status.status)}, the parent's is ${own}`)
}
