/** PR6 and its kin: the servers whose programs run in workers. Compiled first: 128 workers that each load tsx take a minute. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sockeye-threads-'))

before(() => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['-p', join(root, 'tsconfig.build.json'), '--outDir', folder, '--sourceMap', 'false']
  // Whether the types are right is not asked here.
  spawnSync(process.execPath, [tsc, ...options], { encoding: 'utf8' })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** What an example prints, in lines; it must end well. */
function run(example: string, ...args: string[]): string[] {
  const file = join(folder, 'examples', example, 'run.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' })
  assert.equal(status, 0, `${example}: exit code ${status}: ${stderr}`)
  return stdout.trim().split('\n')
}

/** The numbers that `pattern` finds in the lines, in order. */
const numbers = (lines: readonly string[], pattern: RegExp): number[] =>
  lines.flatMap((line) => {
    const found = pattern.exec(line)?.[1]
    return found === undefined ? [] : [Number(found)]
  })

test('PR6: 128 slots serve 128 clients at once; two more wait and get slots that were given back', () => {
  const lines = run('thread-server')
  assert.equal(lines.at(-1), '128 clients were served at once; 130 of 130 read every byte right')
  assert.equal(lines.at(-2), 'served 130 clients')
  assert.ok(lines.includes('all 128 slots are taken: the next client waits'))
  const taken = numbers(lines, /^slot (\d+): thread/)
  assert.equal(taken.length, 130)
  assert.equal(new Set(taken).size, 128)
  assert.equal(numbers(lines, /^slot (\d+) is free again/).length, 130)
})

test('PR6: each thread prints what the endless client sends, data : 0 first', () => {
  const lines = run('thread-server', '--slots', '2', '--clients', '3')
  for (const line of ['data : 0', 'data : 1', 'data : 2']) {
    assert.ok(lines.filter((l) => l.endsWith(`: ${line}`)).length >= 3, line)
  }
  assert.equal(lines.at(-1), '2 clients were served at once; 3 of 3 read every byte right')
})

test('CO5: a pool of 4 threads serves 20 clients, 4 at a time', () => {
  const lines = run('thread-pool')
  assert.equal(lines.at(-1), '4 clients were served at once; 20 of 20 read every byte right')
  const parts = lines.at(-2)?.match(/\d+/g)?.map(Number) ?? []
  assert.equal(parts.length, 4)
  assert.equal(
    parts.reduce((a, b) => a + b),
    20,
  )
})

test('CO6: four pre-forked processes in workers share a listener and serve 128 clients at once', () => {
  const lines = run('pre-fork-workers')
  assert.equal(lines.at(-1), '128 clients were served at once; 128 of 128 read every byte right')
  assert.match(lines.at(-2) ?? '', /128 clients served, 4 children reaped$/)
  const children = new Set(numbers(lines, /^child (\d+): connection/))
  assert.ok(children.size >= 2, `only children ${[...children].join(' ')} accepted`)
})
