/**
 * The shape of the source (DESIGN.md, Layers): import directions, no cycles, nothing ambient in the core, no state in
 * modules, files and functions of a size to be read.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const SRC = join(ROOT, 'src')

/** A folder may import from itself and from those of a lower rank; equal ranks only where `PAIRS` says. */
const RANK: Readonly<Record<string, number>> = {
  addr: 0,
  sys: 0,
  wire: 1,
  buf: 2,
  link: 3,
  stack: 4,
  ip: 4,
  fs: 4.5,
  sock: 5,
  udp: 6,
  tcp: 6,
  unix: 6,
  raw: 6,
  packet: 6,
  netlink: 6,
  socket: 7,
  host: 8,
  thread: 9,
  app: 9,
  face: 9,
  sim: 10,
  packetdrill: 10,
  node: 10,
  platform: 10,
  cli: 11,
}
/** stack and ip are one layer in two folders; `sys/trace` names the type of what it shows. */
const PAIRS = new Set(['stack>ip', 'ip>stack', 'app>sim'])
const TYPE_ONLY = new Set(['sys>buf', 'ip>sock', 'stack>sock'])
/** Folders that may touch a platform. */
const EDGE = new Set(['platform', 'node', 'cli'])
const MAX_FILE = 500
const MAX_TEST = 1000
const MAX_FUNCTION = 70

function filesBelow(folder: string): string[] {
  const found: string[] = []
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) found.push(...filesBelow(path))
    else if (path.endsWith('.ts')) found.push(path)
  }
  return found.sort()
}

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const source = (path: string): string => readFileSync(path, 'utf8')
const name = (path: string): string => relative(ROOT, path)

/** Comments blanked out, strings kept, lines kept. */
const code = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, ' ')).replace(/(^|[^:'"`])\/\/[^\n]*/g, '$1')

function importsOf(path: string): Import[] {
  const found: Import[] = []
  for (const m of code(source(path)).matchAll(
    /^(?:import|export)\s+(type\s+)?(\{[^}]*\}|\*(?: as \w+)?|\w+)\s*from\s*'([^']+)'/gm,
  )) {
    const names = (m[2] as string)
      .replace(/[{}]/g, '')
      .split(',')
      .map((n) => n.trim())
      .filter((n) => n !== '')
    const typeOnly =
      m[1] !== undefined || ((m[2] as string).startsWith('{') && names.every((n) => n.startsWith('type ')))
    found.push({ from: path, to: m[3] as string, typeOnly })
  }
  return found
}

const FILES = filesBelow(SRC)
const IMPORTS = FILES.flatMap(importsOf)
const folderOf = (path: string): string => {
  const parts = relative(SRC, path).split('/')
  return parts.length > 1 ? (parts[0] as string) : ''
}

test('every folder of src has a rank in the order of layers (DESIGN.md, Layers)', () => {
  const folders = new Set(FILES.map(folderOf))
  folders.delete('')
  assert.deepEqual(
    [...folders].filter((f) => RANK[f] === undefined),
    [],
  )
})

test('imports point down the layers only (DESIGN.md, Layers)', () => {
  const wrong: string[] = []
  for (const i of IMPORTS) {
    if (!i.to.startsWith('.')) continue
    const from = folderOf(i.from)
    const to = folderOf(resolve(dirname(i.from), i.to))
    if (from === to || from === '' || PAIRS.has(`${from}>${to}`)) continue
    if (i.typeOnly && TYPE_ONLY.has(`${from}>${to}`)) continue
    if (to === '' || (RANK[to] as number) >= (RANK[from] as number)) {
      // Types may look one layer up where a contract is declared there; values never.
      wrong.push(`${name(i.from)} imports ${i.to}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('no file imports itself through others, types aside (DESIGN.md, Layers: no cycles)', () => {
  const edges = new Map<string, string[]>()
  for (const i of IMPORTS) {
    if (i.typeOnly || !i.to.startsWith('.')) continue
    const list = edges.get(i.from) ?? []
    list.push(resolve(dirname(i.from), i.to))
    edges.set(i.from, list)
  }
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      cycles.push([...path.slice(at), file].map(name).join(' > '))
      return
    }
    if (done.has(file)) return
    for (const next of edges.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of FILES) visit(file, [])
  assert.deepEqual(cycles, [])
})

test('the core imports no package and no module of a platform (DESIGN.md, Layers)', () => {
  const wrong = IMPORTS.filter((i) => !EDGE.has(folderOf(i.from)) && !i.to.startsWith('.')).map(
    (i) => `${name(i.from)}: ${i.to}`,
  )
  assert.deepEqual(wrong, [])
})

test('the core reads no clock, timer, random source or other thing of a platform (DESIGN.md, Time and chance)', () => {
  const banned =
    /(?<![.\w$'"`-])(Date|performance|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|process|Buffer|console|globalThis|window|document|crypto|require)(?=[.(\s])(?!\s*[:?=]|\s*\()|(?<![.\w$#])(setTimeout|setInterval|setImmediate|queueMicrotask|require)\(|new Date\b|node:[a-z]/
  const wrong: string[] = []
  for (const file of FILES) {
    if (EDGE.has(folderOf(file))) continue
    code(source(file))
      .split('\n')
      .forEach((line, i) => {
        const text = line.replace(/'[^']*'|`[^`]*`/g, "''")
        const m = banned.exec(text)
        // A parameter or field of ours may be called `process`: what is banned is the platform's.
        if (m !== null && !/^(process|window|document)$/.test(m[1] ?? '')) wrong.push(`${name(file)}:${i + 1}: ${m[0]}`)
      })
  }
  assert.deepEqual(wrong, [])
})

test('modules hold no state: no let, Map, Set, array or instance to be changed at the top level (STYLE.md, pitfall 3)', () => {
  const wrong: string[] = []
  for (const file of FILES) {
    code(source(file))
      .split('\n')
      .forEach((line, i) => {
        if (/^(export\s+)?(let|var)\s/.test(line)) wrong.push(`${name(file)}:${i + 1}: ${line.trim()}`)
        if (/^(export\s+)?const\s+\w+[^=]*=\s*new (Map|WeakMap|Uint8Array|Int32Array|Array)\b/.test(line))
          wrong.push(`${name(file)}:${i + 1}: ${line.trim()}`)
        if (
          /^(export\s+)?const\s+\w+\s*=\s*new Set\b/.test(line) ||
          /^(export\s+)?const\s+\w+(: \w+\[\])?\s*=\s*\[\]/.test(line)
        )
          wrong.push(`${name(file)}:${i + 1}: ${line.trim()}`)
      })
  }
  assert.deepEqual(wrong, [])
})

test(`no source file is longer than ${MAX_FILE} lines and no test than ${MAX_TEST} (STYLE.md §3.2)`, () => {
  const length = (f: string): number => source(f).split('\n').length
  const long = FILES.filter((f) => length(f) > MAX_FILE + 1)
  const tests = filesBelow(join(ROOT, 'test')).filter((f) => !f.includes('/vectors/') && length(f) > MAX_TEST + 1)
  assert.deepEqual([...long, ...tests].map(name), [])
})

test(`no function is longer than ${MAX_FUNCTION} lines (STYLE.md §3.2)`, () => {
  const wrong: string[] = []
  for (const file of FILES) {
    const lines = code(source(file)).split('\n')
    // Formatted code: a function, or a method two spaces in, ends at the `}` of its own indent.
    lines.forEach((line, i) => {
      const m =
        /^(\s*)(?:export )?(?:async )?function\b/.exec(line) ??
        /^( {2})(?:(?:static|override|async|get|set|protected|private|abstract) )*[*#]?[\w$]+(?:<[^>]*>)?\(/.exec(line)
      if (m === null || /^\s*(if|for|while|switch|return|catch)\b/.test(line)) return
      let open = i
      while (open < i + 12 && !/[{};]$/.test(lines[open] ?? '')) open++
      if (!/(\)|[\w>\]]) \{$/.test(lines[open] ?? '')) return
      const close = lines.findIndex((l, n) => n > open && l.startsWith(`${m[1] as string}}`))
      if (close > 0 && close - i + 1 > MAX_FUNCTION) wrong.push(`${name(file)}:${i + 1}: ${close - i + 1} lines`)
    })
  }
  assert.deepEqual(wrong, [])
})
