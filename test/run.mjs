/**
 * Runs the test files on Node's own runner, on every supported Node: `node test/run.mjs [FOLDER|FILE…]`. Without arguments: all
 * but `test/interop`, which needs root, a TAP device and minutes (`npm run interop`).
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const apart = new Set(['test/interop'])

function below(path, named) {
  if (!statSync(join(root, path)).isDirectory()) return [path]
  if (!named && apart.has(path)) return []
  return readdirSync(join(root, path)).sort().flatMap((name) => {
    const inside = `${path}/${name}`
    if (statSync(join(root, inside)).isDirectory()) return below(inside, false)
    return name.endsWith('.test.ts') ? [inside] : []
  })
}

const wanted = process.argv.slice(2)
const files = (wanted.length > 0 ? wanted : ['test']).flatMap((path) => below(path.replace(/\/$/, ''), wanted.length > 0))
const args = ['--import', 'tsx', '--test', '--test-reporter=spec', '--test-timeout=400000', `--test-concurrency=${availableParallelism()}`, ...files]
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
