/** `sockeye packetdrill FILE|FOLDER…`: runs packetdrill scripts against our stack in virtual time. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseAddress } from '../addr/ip4.ts'
import { type MoreOptions, type Report, runScript, ScriptError, VARIANTS, type Variant } from '../packetdrill/index.ts'
import { fileReason, integer, parse, port, STATUS_FAILED, STATUS_USAGE, UsageError } from './arguments.ts'

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

function line(path: string, report: Report, isVerbose: boolean): string {
  const name = `${path} (${report.variant})`
  const trail = report.trail.map((t) => `    ${t}\n`).join('')
  if (report.status === 'ok') return `ok ${name}\n${isVerbose ? trail : ''}`
  if (report.status === 'skip') return `skip ${name}: ${report.message}\n`
  return `not ok ${name}: line ${report.line}: ${report.message}\n${trail}`
}

/** Refuses what is not `wanted`. */
const matching =
  (pattern: RegExp, wanted: string) =>
  (flag: string, text: string): void => {
    if (!pattern.test(text)) throw new UsageError(`${flag}: not ${wanted}: '${text}'`)
  }

const within =
  (least: number, most: number) =>
  (flag: string, text: string): number =>
    integer(flag, text, least, most)

function address(flag: string, text: string): void {
  if (parseAddress(text) === undefined) throw new UsageError(`${flag}: not an IPv4 address: '${text}'`)
}

/** Options of the real tool with a value, and what refuses a bad one: they go before those that a script has. */
const WITH_VALUE: Readonly<Record<string, (flag: string, text: string) => void>> = {
  ip_version: matching(/^ipv4$|^ipv4-mapped-ipv6$|^ipv6$/, 'ipv4, ipv4-mapped-ipv6 or ipv6'),
  local_ip: address,
  remote_ip: address,
  gateway_ip: address,
  netmask_ip: address,
  mtu: within(68, 65535),
  mss: within(0, 65535),
  bind_port: port,
  connect_port: port,
  tolerance_usecs: within(0, 1e9),
  tolerance_percent: matching(/^\d+(\.\d+)?$/, 'a number'),
  tcp_ts_tick_usecs: within(0, 1e6),
  non_fatal: matching(/^(packet|syscall)(,(packet|syscall))*$/, 'packet, syscall or both'),
  speed: matching(/^\d+$/, 'a number'),
  psp_udp_port: port,
}
const WITHOUT_VALUE = ['strict_segments', 'tcp_ts_ecr_scaled', 'send_omit_free', 'is_anyip']

const option = (type: 'string' | 'boolean') => (name: string) => [name, { type }] as const

function parseCommandLine(args: readonly string[]) {
  return parse(args, {
    ...Object.fromEntries(Object.keys(WITH_VALUE).map(option('string'))),
    ...Object.fromEntries(WITHOUT_VALUE.map(option('boolean'))),
    'ignore-psh': { type: 'boolean' },
    quiet: { type: 'boolean', short: 'q' },
    variant: { type: 'string' },
    define: { type: 'string', short: 'D', multiple: true },
    init_scripts: { type: 'string' },
    dry_run: { type: 'boolean' },
    verbose: { type: 'boolean', short: 'v' },
  })
}
type Values = ReturnType<typeof parseCommandLine>['values']

/** `-D NAME=value`, as many as there are. */
function definitionsOf(values: Values): Map<string, string> {
  return new Map(
    (values.define ?? []).map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`packetdrill: --define: not NAME=value: '${text}'`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

function optionsOf(values: Values): Map<string, string> {
  const given = Object.entries(values).filter(([name]) => name in WITH_VALUE || WITHOUT_VALUE.includes(name))
  for (const [name, value] of given) WITH_VALUE[name]?.(`packetdrill: --${name}`, String(value))
  return new Map(given.map(([name, value]) => [name, value === true ? '' : String(value)]))
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    throw new UsageError(`packetdrill: ${path}: ${fileReason(error)}`)
  }
}

/** Runs the command; the exit status. */
export async function packetdrill(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseCommandLine(args)
  if (positionals.length === 0) throw new UsageError('packetdrill: which scripts?')
  const variants = values.variant === undefined ? VARIANTS : VARIANTS.filter((v) => v === values.variant)
  if (variants.length === 0)
    throw new UsageError(`packetdrill: --variant: one of ${VARIANTS.join(', ')}: '${values.variant as string}'`)
  const more: MoreOptions = {
    options: optionsOf(values),
    definitions: definitionsOf(values),
    isDryRun: values.dry_run === true,
    ...(values.init_scripts === undefined ? {} : { init: values.init_scripts.split(',').map(readText).join('\n') }),
  }
  const count = { ok: 0, 'not ok': 0, skip: 0 }
  let isBad = false
  for (const path of positionals.flatMap(scriptsOf)) {
    const source = readText(path)
    try {
      for (const variant of variants as readonly Variant[]) {
        const report = runScript(path, source, variant, values['ignore-psh'] === true, more)
        count[report.status]++
        const isShown = values.quiet !== true || report.status === 'not ok'
        if (isShown) process.stdout.write(line(path, report, values.verbose === true))
      }
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error
      process.stderr.write(`${path}:${error.line}: ${error.message}\n`)
      count['not ok']++
      isBad = true
    }
  }
  process.stdout.write(`${count.ok} passed, ${count['not ok']} failed, ${count.skip} skipped\n`)
  if (isBad) return STATUS_USAGE
  return count['not ok'] === 0 ? 0 : STATUS_FAILED
}
