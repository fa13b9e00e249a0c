/**
 * Runs the test files on Node's own runner, on every supported Node: `node test/run.mjs [FOLDER|FILE…]`. Without arguments: all
 * but `test/interop`, which needs root, a TAP device and minutes (`npm run interop`).
 *
 * Loading the stack costs a process a second, more than most files take: files that use nothing of Node but its `assert` and `test`,
 * and so cannot disturb each other, share a process with others of their folder.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const apart = new Set(['test/interop'])
/** Files in one process: few enough that the processes end at about the same time. */
const TOGETHER = 10
/** The longest file, which nothing should wait for at the end. */
const FIRST = 'test/property/property.test.ts'

function below(path, named) {
  if (!statSync(join(root, path)).isDirectory()) return [path]
  if (!named && apart.has(path)) return []
  return readdirSync(join(root, path)).sort().flatMap((name) => {
    const inside = `${path}/${name}`
    if (statSync(join(root, inside)).isDirectory()) return below(inside, false)
    return name.endsWith('.test.ts') ? [inside] : []
  })
}

/** What the file names of Node's own: any module but the two, or its globals, keeps it in a process of its own. */
const alone = (file) =>
  /'node:(?!assert|test')|platform\/|\bprocess\.(env|exit|kill|memoryUsage|on|pid|platform)\b/.test(readFileSync(join(root, file), 'utf8'))

/** The files as the runner gets them: alone, or a file that imports several. */
function* shares(files, folder) {
  const sharing = new Map()
  for (const file of files) {
    if (alone(file)) yield file
    else sharing.set(dirname(file), [...(sharing.get(dirname(file)) ?? []), file])
  }
  for (const [place, group] of sharing)
    for (let i = 0; i < group.length; i += TOGETHER) {
      const path = join(folder, `${place.replaceAll('/', '-')}-${i / TOGETHER}.mjs`)
      const imports = group.slice(i, i + TOGETHER).map((file) => `await import('${pathToFileURL(join(root, file))}')\n`)
      writeFileSync(path, imports.join(''))
      yield path
    }
}

const wanted = process.argv.slice(2)
const files = (wanted.length > 0 ? wanted : ['test']).flatMap((path) => below(path.replace(/\/$/, ''), wanted.length > 0))
const folder = mkdtempSync(join(tmpdir(), 'sockeye-test-'))
const order = [...shares(files, folder)].sort((a, b) => Number(b === FIRST) - Number(a === FIRST))
const args = ['--import', 'tsx', '--test', '--test-reporter=spec', '--test-timeout=400000', `--test-concurrency=${availableParallelism()}`, ...order]
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
rmSync(folder, { recursive: true })
process.exit(status ?? 1)
