/** The variants that the runners of google and of the kernel run a script in, and what each of them defines. */
import { parseScript } from './parser.ts'
import { type Outcome, Run, type RunOptions } from './runner.ts'
import type { Script } from './script.ts'
import { Unsupported } from './values.ts'

export type Variant = 'ipv4' | 'ipv4-mapped-ipv6' | 'ipv6'
export const VARIANTS: readonly Variant[] = ['ipv4', 'ipv4-mapped-ipv6', 'ipv6']

export const DEFINITIONS: Readonly<Record<Variant, ReadonlyMap<string, string>>> = {
  ipv4: new Map([
    ['TFO_COOKIE', '3021b9d889017eeb'],
    ['TFO_COOKIE_ZERO', 'b7c12350a90dc8f5'],
    ['CMSG_LEVEL_IP', 'SOL_IP'],
    ['CMSG_TYPE_RECVERR', 'IP_RECVERR'],
    ['CODE', 'host_unreachable'],
  ]),
  'ipv4-mapped-ipv6': new Map([
    ['TFO_COOKIE', '3021b9d889017eeb'],
    ['TFO_COOKIE_ZERO', 'b7c12350a90dc8f5'],
    ['CMSG_LEVEL_IP', 'SOL_IPV6'],
    ['CMSG_TYPE_RECVERR', 'IPV6_RECVERR'],
    ['CODE', 'host_unreachable'],
  ]),
  ipv6: new Map([
    ['TFO_COOKIE', 'c1d1e9742a47a9bc'],
    ['TFO_COOKIE_ZERO', '82af1a8f9a205c34'],
    ['CMSG_LEVEL_IP', 'SOL_IPV6'],
    ['CMSG_TYPE_RECVERR', 'IPV6_RECVERR'],
    ['CODE', 'address_unreachable'],
  ]),
}

export interface Report extends Outcome {
  readonly variant: Variant
}

/** Why the variant does not apply to this script; null: it does. */
function reasonToSkip(name: string, script: Script, variant: Variant): string | null {
  const version = script.options.get('ip_version')
  const only6 = /v6\.pkt$/.test(name) || version === 'ipv6'
  const only4 = /v4\.pkt$/.test(name) || version === 'ipv4'
  if (only6 && variant !== 'ipv6') return 'a script for IPv6'
  if (only4 && variant === 'ipv6') return 'a script for IPv4'
  return variant === 'ipv6' ? 'IPv6 is not in yet' : null
}

export interface MoreOptions extends Pick<RunOptions, 'host' | 'leastTolerance'> {
  /** Options of the tool's command line: they go before those of the script. */
  readonly options?: ReadonlyMap<string, string>
  /** `-D NAME=value` of the command line. */
  readonly definitions?: ReadonlyMap<string, string>
  /** Shell text that runs before that of the script (--init_scripts). */
  readonly init?: string
  /** The script is parsed only. */
  readonly isDryRun?: boolean
}

/** The script in one variant, with what the command line says. */
function prepared(source: string, variant: Variant, more: MoreOptions): Script {
  const definitions = new Map([...DEFINITIONS[variant], ...(more.definitions ?? [])])
  const script = parseScript(source, definitions)
  const init = [more.init, script.init].filter((text) => typeof text === 'string').join('\n')
  return {
    ...script,
    options: new Map([...script.options, ...(more.options ?? [])]),
    init: init === '' ? null : init,
  }
}

/** Where the script runs: what runners say, unless the command line says something else. */
function worldOf(options: ReadonlyMap<string, string> = new Map()): RunOptions['world'] {
  const mask = options.get('netmask_ip') ?? '255.255.0.0'
  return {
    local: options.get('local_ip') ?? '192.168.0.1',
    prefix: mask.split('.').reduce((bits, byte) => bits + Number(byte).toString(2).replaceAll('0', '').length, 0),
    remote: options.get('remote_ip') ?? '192.0.2.1',
    mtu: 1500,
    bindPort: 8080,
    connectPort: 8080,
  }
}

/** Runs the script `source`, called `name`, in one variant. A ScriptError tells what is wrong with its text. */
export function runScript(
  name: string,
  source: string,
  variant: Variant,
  ignorePush: boolean,
  more: MoreOptions = {},
): Report {
  const none = { trail: [], worstError: 0, duration: 0, variant, line: 0 }
  let script: Script
  try {
    script = prepared(source, variant, more)
  } catch (error) {
    if (error instanceof Unsupported) return { ...none, status: 'skip', message: error.message }
    throw error
  }
  const reason = reasonToSkip(name, script, variant)
  if (reason !== null) return { ...none, status: 'skip', message: reason }
  if (more.isDryRun === true) return { ...none, status: 'ok', message: '' }
  return { ...new Run(script, { world: worldOf(more.options), ignorePush, ...more }).run(), variant }
}
