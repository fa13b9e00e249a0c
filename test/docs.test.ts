/** The documents stay true: ids, links, commands, the README's example. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'docs/coverage.md',
  'docs/differences.md',
  'docs/options.md',
]

test('coverage: every row has a status, and a row that is done or in part names code and a test', () => {
  const rows = text('docs/coverage.md')
    .split('\n')
    .filter((line) => /^\| [A-Z]{2}\d+ \|/.test(line))
  assert.ok(rows.length >= 89, `${rows.length} rows`)
  for (const row of rows) {
    const [, id, , status, code, proof] = row.split('|').map((cell) => cell.trim())
    assert.ok(['done', 'part', 'open'].includes(status as string), `${id}: status ${status}`)
    if (status === 'open') continue
    assert.notEqual(code, '', `${id}: no code named`)
    assert.notEqual(proof, '', `${id}: no test named`)
  }
})

test('coverage: every id of the shared concepts has its row', (t) => {
  const shared = join(ROOT, '../shared/CONCEPTS.md')
  if (!existsSync(shared)) return t.skip('the shared documents are not beside this checkout')
  const wanted = new Set(readFileSync(shared, 'utf8').match(/\b(?:BO|AD|LI|NE|UD|TC|SC|SO|CO|AP|PR)\d+\b/g))
  const have = text('docs/coverage.md')
  assert.deepEqual(
    [...wanted].filter((id) => !have.includes(`| ${id} |`)),
    [],
  )
})

test('documents: every link to a file leads to one', () => {
  const broken: string[] = []
  for (const document of DOCUMENTS) {
    for (const m of text(document).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)) {
      if (!existsSync(resolve(ROOT, dirname(document), m[1] as string))) broken.push(`${document}: ${m[1]}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('documents: every npm script that is named exists', () => {
  const scripts = Object.keys(JSON.parse(text('package.json')).scripts)
  const missing: string[] = []
  for (const document of DOCUMENTS) {
    for (const m of text(document).matchAll(/npm run ([\w:-]+)/g)) {
      if (!scripts.includes(m[1] as string)) missing.push(`${document}: ${m[1]}`)
    }
  }
  assert.deepEqual(missing, [])
})

test('ARCHITECTURE: every function and file it names is in the source', () => {
  const source = execFileSync('grep', ['-rhoE', '[A-Za-z_#]+', join(ROOT, 'src')], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const words = new Set(source.split('\n'))
  const unknown: string[] = []
  for (const m of text('ARCHITECTURE.md').matchAll(/`([A-Z]?\w*\.)?(#?[a-z]+[A-Z]\w*)`/g)) {
    if (!words.has(m[2] as string)) unknown.push(m[0])
  }
  assert.deepEqual(unknown, [])
})

test('README: its example runs and prints what it says', () => {
  const readme = text('README.md')
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  assert.ok(example !== undefined, 'no example')
  assert.ok(example.trim().split('\n').length <= 18, 'an example of about ten lines')
  const expected = /```\n([\s\S]*?)```/.exec(readme.slice(readme.indexOf(example) + example.length + 3))?.[1]
  const folder = mkdtempSync(join(ROOT, 'test/.readme-'))
  try {
    const file = join(folder, 'example.ts')
    writeFileSync(
      file,
      example.replace(
        /from 'sockeye(\/\w+)?'/g,
        (_, sub: string | undefined) => `from '../../src${sub ?? ''}/index.ts'`,
      ),
    )
    const printed = execFileSync(process.execPath, ['--import', 'tsx', file], { cwd: ROOT, encoding: 'utf8' })
    assert.equal(printed.trim(), expected?.trim())
  } finally {
    rmSync(folder, { recursive: true })
  }
})
