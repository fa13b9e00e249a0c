/** The command line of `sockeye serve`, checked. */
import { statSync } from 'node:fs'
import * as cidr from '../addr/cidr.ts'
import * as ip4 from '../addr/ip4.ts'
import { type ImpairSpec, parseImpairSpec } from '../link/impair-spec.ts'
import { fileReason, integer, noMore, parse, port, UsageError } from './arguments.ts'

export interface ServeOptions {
  readonly taps: readonly { readonly name: string; readonly address: string }[]
  readonly mtu: number | undefined
  readonly gateway: number | undefined
  readonly forward: boolean
  /** Services by name, with their ports. */
  readonly ports: Readonly<Partial<Record<Service, number>>>
  readonly root: string | undefined
  readonly impair: ImpairSpec | undefined
  readonly pcap: string | undefined
  readonly snaplen: number | undefined
  readonly sysctls: readonly { readonly name: string; readonly value: string }[]
}

export type Service = 'echo' | 'discard' | 'source' | 'http'
const SERVICES: readonly Service[] = ['echo', 'discard', 'source', 'http']

const text = { type: 'string' } as const
const texts = { type: 'string', multiple: true } as const

export function parseServe(args: readonly string[]): ServeOptions {
  const { values, positionals } = parse(args, {
    tap: texts,
    address: texts,
    mtu: text,
    gateway: text,
    forward: { type: 'boolean' },
    echo: text,
    discard: text,
    source: text,
    http: text,
    root: text,
    impair: text,
    pcap: text,
    snaplen: text,
    sysctl: texts,
  })
  noMore('serve', positionals)
  const ports: Partial<Record<Service, number>> = {}
  for (const service of SERVICES) {
    const given = values[service]
    if (given === undefined) continue
    const number = port(`--${service}`, given)
    const other = SERVICES.find((s) => ports[s] === number)
    if (other !== undefined) throw new UsageError(`--${service}: port ${number} is --${other}'s already`)
    ports[service] = number
  }
  if (values.root !== undefined && ports.http === undefined)
    throw new UsageError('--root: nothing to serve it without --http')
  return {
    taps: pairs(values.tap ?? [], values.address ?? []),
    mtu: values.mtu === undefined ? undefined : integer('--mtu', values.mtu, 68, 65535),
    gateway: values.gateway === undefined ? undefined : gateway(values.gateway),
    forward: values.forward === true,
    ports,
    root: values.root === undefined ? undefined : folder(values.root),
    impair: values.impair === undefined ? undefined : impairment(values.impair),
    pcap: values.pcap,
    snaplen: values.snaplen === undefined ? undefined : integer('--snaplen', values.snaplen, 14, 262144),
    sysctls: (values.sysctl ?? []).map(sysctl),
  }
}

/** Each device with its address, in the order given. */
function pairs(taps: readonly string[], addresses: readonly string[]): ServeOptions['taps'] {
  if (taps.length === 0) throw new UsageError('serve: which TAP device? --tap NAME --address CIDR')
  if (taps.length !== addresses.length)
    throw new UsageError(`serve: ${taps.length} --tap and ${addresses.length} --address: one address for each device`)
  for (const [i, name] of taps.entries()) {
    if (taps.indexOf(name) < i) throw new UsageError(`--tap: '${name}' is named twice`)
    if (name === '' || name.length > 15 || /[/:\s]/.test(name) || name === 'lo')
      throw new UsageError(`--tap: not a device name: '${name}'`)
  }
  for (const address of addresses) {
    const parsed = cidr.parse(address)
    if (parsed === undefined || !address.includes('/') || !ip4.isUnicast(parsed.address))
      throw new UsageError(`--address: not a host's address with a prefix length, as 192.0.2.2/24: '${address}'`)
  }
  return taps.map((name, i) => ({ name, address: addresses[i] as string }))
}

function gateway(given: string): number {
  const address = ip4.parse(given)
  if (address === undefined || !ip4.isUnicast(address))
    throw new UsageError(`--gateway: not a host's address: '${given}'`)
  return address
}

function folder(path: string): string {
  let isFolder: boolean
  try {
    isFolder = statSync(path).isDirectory()
  } catch (error) {
    throw new UsageError(`--root: ${path}: ${fileReason(error)}`)
  }
  if (!isFolder) throw new UsageError(`--root: ${path}: not a directory`)
  return path
}

function impairment(given: string): ImpairSpec {
  try {
    return parseImpairSpec(given)
  } catch (error) {
    throw new UsageError(`--impair: ${(error as Error).message}`)
  }
}

function sysctl(given: string): { name: string; value: string } {
  const at = given.indexOf('=')
  if (at < 1) throw new UsageError(`--sysctl: not NAME=VALUE: '${given}'`)
  return { name: given.slice(0, at), value: given.slice(at + 1) }
}
