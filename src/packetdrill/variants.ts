/** The variants that the runners of google and of the kernel run a script in, and what each of them defines. */
import { ScriptError } from './lexer.ts'
import { parseScript } from './parser.ts'
import { type Outcome, Run, type RunOptions } from './runner.ts'
import type { Script } from './script.ts'

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

/** Runs the script `source`, called `name`, in one variant. */
export function runScript(
  name: string,
  source: string,
  variant: Variant,
  ignorePush: boolean,
  more: Pick<RunOptions, 'host' | 'leastTolerance'> = {},
): Report {
  const none = { trail: [], worstError: 0, duration: 0, variant }
  let script: Script
  try {
    script = parseScript(source, DEFINITIONS[variant])
  } catch (error) {
    if (error instanceof ScriptError) return { ...none, status: 'not ok', line: error.line, message: error.message }
    throw error
  }
  const reason = reasonToSkip(name, script, variant)
  if (reason !== null) return { ...none, status: 'skip', line: 0, message: reason }
  const world = { local: '192.168.0.1', prefix: 16, remote: '192.0.2.1', mtu: 1500, bindPort: 8080, connectPort: 8080 }
  return { ...new Run(script, { world, ignorePush, ...more }).run(), variant }
}
