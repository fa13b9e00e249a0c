/** The harness itself: scripts are read as meant, a wrong errno is caught, and a sample agrees (`npm run differential` runs all). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { compare, firstDifference, Kernel, runOurs } from './compare.ts'
import { generate } from './generate.ts'
import { loadScripts } from './run.ts'
import { parseScripts } from './script.ts'
import { shrink } from './shrink.ts'

const SKETCH = `
:: pair
a, b = socketpair(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK)
== {t}: text and quantities
with t = "x", "y" * 3
use pair
send(a, {t} + "\\x00")     # a comment
each n = 1, 10: recv(b, {n})
`

test('scripts: blocks, variants, repeated steps and comments are what the README says', () => {
  const scripts = parseScripts(SKETCH, 'sketch', new Map())
  assert.deepEqual(
    scripts.map(({ title }) => title),
    ['"x": text and quantities', '"y" * 3: text and quantities'],
  )
  assert.deepEqual(
    scripts[1]?.steps.map(({ text }) => text),
    [
      'a, b = socketpair(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK)',
      'send(a, "y" * 3 + "\\x00")',
      'recv(b, 1)',
      'recv(b, 10)',
    ],
  )
})

test('scripts: what is not understood is said with file and line', () => {
  assert.throws(() => parseScripts('== one\nsend(a', 'bad.txt', new Map()), /bad\.txt.*line 2/)
  assert.throws(() => parseScripts('send(a)', 'bad.txt', new Map()), /bad\.txt:1: a title/)
})

test('every step marked as differing has its row in docs/differences.md', () => {
  const rows = new Set(readFileSync('docs/differences.md', 'utf8').match(/(?<=^\| )[a-z0-9-]+(?= \|)/gm))
  for (const { steps, title } of loadScripts()) {
    for (const { differs } of steps) assert.ok(differs === undefined || rows.has(differs), `${title}: ${differs}`)
  }
})

test('500 scripts and more were written by hand (issue 3)', () => {
  const titles = new Set(loadScripts().map(({ file, line }) => `${file}:${line}`))
  assert.ok(titles.size >= 500, `${titles.size} scripts`)
})

test('generated scripts: the same seed gives the same script, another one another', () => {
  const text = (seed: number): string => JSON.stringify(generate(seed).steps)
  assert.equal(text(7), text(7))
  assert.notEqual(text(7), text(8))
})

test('the kernel as judge: a sample agrees, a wrong errno is caught and its script made short', async (t) => {
  const kernel = await Kernel.start()
  if (typeof kernel === 'string') {
    assert.equal(process.env.CI, undefined, kernel)
    return t.skip(kernel)
  }
  try {
    const scripts = [
      ...loadScripts(['readiness', 'tcp', 'unix']),
      ...Array.from({ length: 100 }, (_, i) => generate(i)),
    ]
    assert.deepEqual((await compare(kernel, scripts, false)).differences, [])
    const [script] = loadScripts(['tcp']).filter(({ title }) => title === 'a fresh socket: every call')
    assert.ok(script !== undefined)
    const theirs = (await kernel.run([script], false))[0] as string[]
    const ours = await runOurs(script, kernel.sysctls)
    const wrong = ours.map((outcome) => outcome.replace('ENOTCONN', 'EINVAL'))
    assert.equal(script.steps[firstDifference(script, theirs, wrong)]?.text, 'getpeername(s) -> -1 ENOTCONN')
    const broken = { ...script, steps: script.steps.map((step) => ({ ...step, expected: '0' })) }
    const difference = { script: broken, at: 2, kernel: theirs, ours }
    assert.ok((await shrink(kernel, difference)).script.steps.length <= 2)
  } finally {
    await kernel.ended()
  }
})
