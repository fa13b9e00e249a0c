/**
 * The comparison with the kernel, from the command line:
 *
 *     node --import tsx test/differential/run.ts [FILE…] [--title TEXT] [--generated N] [--seed N] [--verbose]
 *
 * Without files: all of scripts/. Needs root, for namespaces.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compare, type Difference, Kernel } from './compare.ts'
import { generate } from './generate.ts'
import { type Prologues, parseScripts, type Script } from './script.ts'
import { shrink } from './shrink.ts'

const folder = new URL('./scripts/', import.meta.url)

/** The scripts of some files, or of all in the folder. */
export function loadScripts(files: readonly string[] = []): Script[] {
  const prologues: Prologues = new Map()
  parseScripts(readFileSync(new URL('prologues.txt', folder), 'utf8'), 'prologues.txt', prologues)
  const names =
    files.length > 0
      ? files
      : readdirSync(folder)
          .filter((name) => name !== 'prologues.txt' && name.endsWith('.txt'))
          .sort()
  return names.flatMap((name) => {
    const path = name.includes('/') ? name : new URL(name.endsWith('.txt') ? name : `${name}.txt`, folder)
    return parseScripts(readFileSync(path, 'utf8'), String(path).replace(/.*\//, ''), prologues)
  })
}

/** A difference with all that led to it. */
export function report({ script, at, kernel, ours }: Difference): string {
  const lines = [`--- ${script.file}:${script.line} ${script.title}`]
  for (let i = 0; i <= at && i < script.steps.length; i++) {
    lines.push(`  ${script.steps[i]?.text}`)
    if (i < at) lines.push(`      ${kernel[i]}`)
  }
  lines.push(`      Linux ${kernel[at] ?? '(ended before)'}`, `      ours  ${ours[at] ?? '(ended before)'}`)
  return lines.join('\n')
}

const SEEDS = new URL('./seeds.txt', import.meta.url)
/** Differences shown at most, each made short. */
const SHOWN = 25

/** Seeds that once showed a difference: they are run for ever. */
export const oldSeeds = (): number[] =>
  readFileSync(SEEDS, 'utf8')
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => Number.parseInt(line, 10))

/** Differences of one kind have the same call and the same results, not looking at what else is said. */
function kindOf({ script, at, kernel, ours }: Difference): string {
  const word = (text: string | undefined): string => /^(-1 \S+|\S*)/.exec(text ?? '')?.[0] ?? ''
  const [linux, mine] = [word(kernel[at]), word(ours[at])]
  return `${script.steps[at]?.call}: ${linux === mine ? 'what else is said' : `${linux}, ours ${mine}`}`
}

async function generated(kernel: Kernel, count: number, first: number): Promise<number> {
  const seeds = [...oldSeeds(), ...Array.from({ length: count }, (_, i) => first + i)]
  const { differences } = await compare(kernel, seeds.map(generate), true)
  const kinds = new Map<string, Difference[]>()
  for (const difference of differences) {
    const kind = kindOf(difference)
    const others = kinds.get(kind)
    if (others === undefined) kinds.set(kind, [difference])
    else others.push(difference)
  }
  for (const [kind, alike] of [...kinds].slice(0, SHOWN)) {
    console.log(report(await shrink(kernel, alike[0] as Difference)))
    console.log(`(${alike.length} like this: ${kind})`)
  }
  console.log(`${seeds.length} generated from seed ${first} on, ${differences.length} differ`)
  const numbers = differences.map(({ script }) => script.line)
  if (numbers.length > 0) console.log(`for seeds.txt: ${numbers.slice(0, 20).join(' ')}`)
  return numbers.length
}

async function written(kernel: Kernel, files: readonly string[], title: string, isVerbose: boolean): Promise<number> {
  const scripts = loadScripts(files).filter((script) => script.title.includes(title))
  const { differences, outcomes } = await compare(kernel, scripts, false)
  if (isVerbose) {
    for (const [i, script] of scripts.entries()) {
      console.log(`== ${script.title}`)
      for (const [k, step] of script.steps.entries()) console.log(`  ${step.text}\n      ${outcomes[i]?.[k]}`)
    }
  }
  for (const difference of differences) console.log(report(difference))
  const titles = new Set(scripts.map(({ file, line }) => `${file}:${line}`)).size
  console.log(`${titles} scripts, ${scripts.length} with their variants, ${differences.length} differ`)
  return differences.length
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      title: { type: 'string', default: '' },
      generated: { type: 'string' },
      seed: { type: 'string', default: '1' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const kernel = await Kernel.start()
  if (typeof kernel === 'string') {
    console.log(`skipped: ${kernel}`)
    process.exitCode = process.env.CI === undefined ? 0 : 1
    return
  }
  let count = 0
  if (values.generated === undefined || positionals.length > 0)
    count += await written(kernel, positionals, values.title, values.verbose)
  if (values.generated !== undefined) count += await generated(kernel, Number(values.generated), Number(values.seed))
  kernel.end()
  if (count > 0) process.exitCode = 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
