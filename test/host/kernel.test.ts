/** Processes and signals: in each script every process prints the same here and on the kernel (kernel/scripts.txt, signals.c). */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ours } from './kernel/ours.ts'

const HERE = new URL('./kernel/', import.meta.url).pathname

/** Scripts by title. */
function scripts(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  let lines: string[] = []
  for (const line of readFileSync(join(HERE, 'scripts.txt'), 'utf8').split('\n')) {
    if (line.startsWith('== ')) found.set(line.slice(3), (lines = []))
    else if (line.trim() !== '' && !line.startsWith('#')) lines.push(line.trim())
  }
  return found
}

function compile(folder: string): string | undefined {
  const program = join(folder, 'signals')
  try {
    execFileSync('cc', ['-O1', '-w', '-o', program, join(HERE, 'signals.c')], { stdio: 'pipe' })
    return program
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Lines by process: those of different processes come in any order on a machine with several CPUs. */
function byProcess(lines: readonly string[]): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const line of lines) (found[line.split(':', 1)[0] as string] ??= []).push(line)
  return found
}

const skip = process.platform === 'linux' ? false : 'needs Linux'
describe('processes and signals, as the kernel has them', { skip, concurrency: 8 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sockeye-signals-'))
  let program: string | undefined
  before(() => {
    program = compile(folder)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  const kernel = (script: readonly string[]): Promise<string[]> =>
    new Promise((resolve, reject) => {
      const child = execFile(program as string, { timeout: 20_000 }, (error, stdout) => {
        if (error !== null && error.signal === undefined) reject(error)
        else resolve(stdout.trimEnd().split('\n'))
      })
      child.stdin?.end(`${script.join('\n')}\n`)
    })

  for (const [title, script] of scripts()) {
    it(title, async (t) => {
      if (program === undefined) return t.skip('needs a C compiler')
      assert.deepEqual(byProcess(await ours(script)), byProcess(await kernel(script)))
    })
  }
})
