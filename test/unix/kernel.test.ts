/** Local sockets and pipes against the kernel of this machine: the same calls, the same answers. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { runKernel, runOurs, type Step } from './script.ts'
import { randomScript, ruleScripts } from './scripts.ts'

const RANDOM_SCRIPTS = 300
const RANDOM_LENGTH = 60

/** Answers side by side up to the first difference. */
function differences(steps: readonly Step[], kernel: readonly unknown[]): string {
  const ours = runOurs(steps)
  for (let i = 0; i < steps.length; i++) {
    if (JSON.stringify(ours[i]) === JSON.stringify(kernel[i])) continue
    const before = steps.slice(0, i).map((step, n) => `${JSON.stringify(step)} = ${JSON.stringify(ours[n])}`)
    return [
      ...before,
      `${JSON.stringify(steps[i])} = ${JSON.stringify(ours[i])}, kernel ${JSON.stringify(kernel[i])}`,
    ].join('\n')
  }
  return ''
}

function compare(t: test.TestContext, scripts: readonly (readonly [string, Step[]])[]): void {
  const kernel = runKernel(scripts.map(([, steps]) => steps))
  if (typeof kernel === 'string') {
    assert.equal(process.env.CI, undefined, kernel)
    t.skip(kernel)
    return
  }
  const wrong = scripts
    .map(([name, steps], i) => [name, differences(steps, kernel[i] ?? [])])
    .filter(([, d]) => d !== '')
  assert.equal(
    wrong.length,
    0,
    `${wrong.length} differ\n${wrong
      .slice(0, 6)
      .map(([n, d]) => `${n}\n${d}`)
      .join('\n\n')}`,
  )
}

test('every rule of local sockets and pipes: each call answers as the kernel does (unix(7), pipe(7), net/unix/af_unix.c)', (t) => {
  compare(t, ruleScripts())
})

test(`${RANDOM_SCRIPTS} random sequences of calls on local sockets: each answers as the kernel does`, (t) => {
  compare(
    t,
    Array.from({ length: RANDOM_SCRIPTS }, (_, i) => [`seed ${i}`, randomScript(i, RANDOM_LENGTH)] as [string, Step[]]),
  )
})
