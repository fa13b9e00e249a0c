/** The words that the parts of `ip` share: options before the object, numbers with names, arguments one after the other. */
import * as cidr from '../addr/cidr.ts'
import * as ip4 from '../addr/ip4.ts'
import * as route from '../stack/route.ts'
import type { Link } from './ip-link.ts'
import { ToolError } from './tool.ts'

/** Options of `ip` itself. */
export interface IpOptions {
  readonly brief: boolean
  /** -s, and how often it was given. */
  readonly statistics: number
  readonly details: boolean
  readonly oneline: boolean
  /** -4: nothing of other families. -6: nothing of IPv4. */
  readonly family: '' | '4' | '6' | '0'
}

export const TABLES: Readonly<Record<string, number>> = {
  default: route.RT_TABLE_DEFAULT,
  main: route.RT_TABLE_MAIN,
  local: route.RT_TABLE_LOCAL,
}
export const PROTOCOLS: Readonly<Record<string, number>> = {
  redirect: 1,
  kernel: route.RTPROT_KERNEL,
  boot: route.RTPROT_BOOT,
  static: route.RTPROT_STATIC,
  ra: 9,
  dhcp: 16,
}
export const SCOPES: Readonly<Record<string, number>> = {
  global: route.RT_SCOPE_UNIVERSE,
  site: 200,
  link: route.RT_SCOPE_LINK,
  host: route.RT_SCOPE_HOST,
  nowhere: route.RT_SCOPE_NOWHERE,
}
export const TYPES: Readonly<Record<string, number>> = {
  unicast: route.RTN_UNICAST,
  local: route.RTN_LOCAL,
  broadcast: route.RTN_BROADCAST,
  anycast: route.RTN_ANYCAST,
  multicast: route.RTN_MULTICAST,
  blackhole: route.RTN_BLACKHOLE,
  unreachable: route.RTN_UNREACHABLE,
  prohibit: route.RTN_PROHIBIT,
}

/** The name of a number, or the number. */
export const nameOf = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(names).find((name) => names[name] === value) ?? String(value)

/** A command line, word by word. */
export class Words {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  get isEmpty(): boolean {
    return this.#at >= this.#words.length
  }

  /** The next word, which stays. */
  get first(): string | undefined {
    return this.#words[this.#at]
  }

  /** The next word. */
  take(): string {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new ToolError('Command line is not complete. Try option "help"', 255)
    return word
  }

  /** The word taken last is the next one again. */
  again(): this {
    this.#at--
    return this
  }

  /** Takes the next word if it is one of these. */
  takes(...words: string[]): boolean {
    const isThere = words.includes(this.first ?? '')
    if (isThere) this.#at++
    return isThere
  }

  number(what: string): number {
    const text = this.take()
    const value = Number(text)
    if (!/^(\d+|0x[\da-f]+)$/i.test(text) || value > 0xffffffff)
      throw new ToolError(`Error: argument "${text}" is wrong: Invalid "${what}" value`, 255)
    return value
  }

  /** A number that may have a name. */
  named(what: string, names: Readonly<Record<string, number>>): number {
    const word = this.first ?? ''
    if (Object.hasOwn(names, word)) {
      this.#at++
      return names[word] as number
    }
    return this.number(what)
  }

  /** An IPv4 address. */
  address(): number {
    const text = this.take()
    const value = ip4.parse(text)
    if (value === undefined) throw new ToolError(`Error: inet address is expected rather than "${text}".`, 1)
    return value
  }

  /** `default`, an address, or a prefix whose missing octets are 0. */
  prefix(): { address: number; prefix: number } {
    const text = this.take()
    if (text === 'default' || text === 'any' || text === 'all') return { address: 0, prefix: 0 }
    const [octets = '', length] = text.split('/')
    const count = octets.split('.').length
    const padded = `${octets}${'.0'.repeat(Math.max(0, 4 - count))}`
    const found = cidr.parse(`${padded}/${length ?? 32}`)
    if (found === undefined) throw new ToolError(`Error: inet prefix is expected rather than "${text}".`, 1)
    return { address: found.address, prefix: found.prefix }
  }

  /** The index of a device named by the next word. */
  device(links: ReadonlyMap<number, Link>): number {
    return indexOf(links, this.take())
  }
}

export function indexOf(links: ReadonlyMap<number, Link>, name: string): number {
  for (const link of links.values()) if (link.name === name) return link.index
  throw new ToolError(`Cannot find device "${name}"`, 1)
}

/** For `show`: another complaint than for changes, as `ip` has it. */
export function shownIndexOf(links: ReadonlyMap<number, Link>, name: string): number {
  for (const link of links.values()) if (link.name === name) return link.index
  throw new ToolError(`Device "${name}" does not exist.`, 1)
}

/** The command that `word` abbreviates, the first in order that begins with it. */
export function commandOf(object: string, word: string, commands: readonly string[]): string {
  const found = commands.find((command) => command.startsWith(word))
  if (found === undefined) throw new ToolError(`Command "${word}" is unknown, try "ip ${object} help".`, 255)
  return found === 'list' || found === 'lst' ? 'show' : found
}

export const hardware = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(':')
