/** `sockeye packetdrill FILE|FOLDER…`: runs packetdrill scripts against our stack in virtual time. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Report, runScript, VARIANTS, type Variant } from '../packetdrill/index.ts'
import { fileReason, parse, UsageError } from './arguments.ts'

/** Scripts below a file or folder, in order of their paths. */
function scriptsOf(path: string): string[] {
  let isFolder: boolean
  try {
    isFolder = statSync(path).isDirectory()
  } catch (error) {
    throw new UsageError(`packetdrill: ${path}: ${fileReason(error)}`)
  }
  if (!isFolder) return [path]
  const found: string[] = []
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) found.push(...scriptsOf(inner))
    else if (entry.name.endsWith('.pkt')) found.push(inner)
  }
  return found.sort()
}

function line(path: string, report: Report): string {
  const name = `${path} (${report.variant})`
  if (report.status === 'ok') return `ok ${name}\n`
  if (report.status === 'skip') return `skip ${name}: ${report.message}\n`
  const trail = report.trail.map((t) => `    ${t}\n`).join('')
  return `not ok ${name}: line ${report.line}: ${report.message}\n${trail}`
}

/** Runs the command; the exit status. */
export async function packetdrill(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    'ignore-psh': { type: 'boolean' },
    quiet: { type: 'boolean', short: 'q' },
    variant: { type: 'string' },
  })
  if (positionals.length === 0) throw new UsageError('packetdrill: which scripts?')
  const variants = values.variant === undefined ? VARIANTS : VARIANTS.filter((v) => v === values.variant)
  if (variants.length === 0)
    throw new UsageError(`packetdrill: --variant: one of ${VARIANTS.join(', ')}: '${values.variant as string}'`)
  const count = { ok: 0, 'not ok': 0, skip: 0 }
  for (const path of positionals.flatMap(scriptsOf)) {
    const source = readFileSync(path, 'latin1')
    for (const variant of variants as readonly Variant[]) {
      const report = runScript(path, source, variant, values['ignore-psh'] === true)
      count[report.status]++
      if (values.quiet !== true || report.status === 'not ok') process.stdout.write(line(path, report))
    }
  }
  process.stdout.write(`${count.ok} passed, ${count['not ok']} failed, ${count.skip} skipped\n`)
  return count['not ok'] === 0 ? 0 : 1
}
