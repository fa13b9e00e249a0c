/** Our own packetdrill scripts, and those of google and the kernel where they are at hand (`PACKETDRILL_SCRIPTS`). */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Report, runScript } from '../../src/packetdrill/index.ts'
import { scriptsBelow } from './files.ts'

const OWN = join(dirname(fileURLToPath(import.meta.url)), 'scripts')
const GIVEN = process.env.PACKETDRILL_SCRIPTS ?? join(OWN, '../../../../shared/packetdrill/given')

const explain = (r: Report): string => `line ${r.line}: ${r.message}\n${r.trail.join('\n')}`

/** The comment that a script starts with is its test's name. */
const title = (source: string): string => (/^\/\/ (.*)/.exec(source)?.[1] ?? '').trim()

for (const path of scriptsBelow(OWN)) {
  const source = readFileSync(path, 'latin1')
  const name = path.slice(OWN.length + 1)
  test(`${name}: ${title(source)}`, () => {
    for (const variant of ['ipv4', 'ipv4-mapped-ipv6'] as const) {
      const report = runScript(name, source, variant, false)
      assert.equal(report.status, 'ok', explain(report))
    }
  })
}

test('the scripts of google and the kernel pass on our stack (issue 4, item 6)', {
  skip: existsSync(GIVEN) ? false : 'not at hand',
}, () => {
  for (const path of scriptsBelow(GIVEN)) {
    const report = runScript(path, readFileSync(path, 'latin1'), 'ipv4', false)
    assert.notEqual(report.status, 'not ok', `${path}: ${explain(report)}`)
  }
})
