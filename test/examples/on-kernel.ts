/** Plays all of `plays.ts` at once on the real kernel's loopback; what each speaker printed, as JSON. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KernelProcess } from './kernel-process.ts'
import { APART, PLAYS } from './plays.ts'

const folder = mkdtempSync(join(tmpdir(), 'sockeye-'))
const FIRST_PORT = 20000 + (process.pid % 10000)
const results: Record<string, Record<string, string>> = {}

await Promise.all(
  Object.entries(PLAYS).map(async ([title, play], i) => {
    const said: Record<string, string> = {}
    results[title] = said
    const programs = play({ address: '127.0.0.1', port: FIRST_PORT + i, path: join(folder, 'socket') })
    await Promise.all(
      Object.entries(programs).map(async ([name, program], order) => {
        const actor = new KernelProcess(name)
        await actor.sleep((order * APART) / 1e6)
        await actor.run(program)
        said[name] = actor.output.replaceAll(folder, '').replace(/:\d{4,5}\b/g, ':PORT')
      }),
    )
  }),
)
rmSync(folder, { recursive: true })
process.stdout.write(JSON.stringify(results))
