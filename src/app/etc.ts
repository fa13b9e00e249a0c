/** The files of /etc that resolving names reads: hosts(5), resolv.conf(5), services(5), and what counts where they are missing. */
import * as ip4 from '../addr/ip4.ts'
import type { Process } from '../host/process.ts'
import { inet_pton } from '../socket/arpa-inet.ts'
import { AF_INET, AF_INET6 } from '../socket/constants.ts'
import { SystemError } from '../sys/errno.ts'
import { readFile } from './file-text.ts'
import type { HostAddress } from './netdb.ts'

/** A file read whole may be so long. */
const MAX_FILE = 1 << 20

/** The text of a file, null if it cannot be read. What is beyond 1 MiB does not count. */
async function readText(process: Process, path: string): Promise<string | null> {
  try {
    return await readFile(process, path, MAX_FILE)
  } catch (error) {
    if (error instanceof SystemError) return null
    throw error
  }
}

/** The words of each line, without what follows a comment sign. */
const wordsOf = (text: string, comment: RegExp): string[][] =>
  text
    .split('\n')
    .map((line) => line.replace(comment, '').trim().split(/\s+/))
    .filter((words) => words[0] !== '')

// ---- /etc/hosts ----

/** A line of hosts(5). */
export interface HostsEntry extends HostAddress {
  /** The canonical name, then aliases. */
  readonly names: readonly string[]
}

const DEFAULT_HOSTS = '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n'

/** An address in text, or undefined. */
export function addressOf(text: string): HostAddress | undefined {
  for (const family of [AF_INET, AF_INET6]) {
    const bytes = new Uint8Array(family === AF_INET ? 4 : 16)
    if (inet_pton(family, text, bytes) === 1) return { family, bytes }
  }
  return undefined
}

/** Reads hosts(5); lines without an address or a name do not count. */
function parseHosts(text: string): HostsEntry[] {
  return wordsOf(text, /#.*/).flatMap(([address = '', ...names]) => {
    const found = addressOf(address)
    return found === undefined || names.length === 0 ? [] : [{ ...found, names }]
  })
}

export const readHosts = async (process: Process): Promise<HostsEntry[]> =>
  parseHosts((await readText(process, '/etc/hosts')) ?? DEFAULT_HOSTS)

// ---- /etc/resolv.conf ----

/** How names are asked for (resolv.conf(5), with glibc's limits). */
export interface ResolvConf {
  /** IPv4 addresses of the servers, at most three, in order. */
  readonly nameservers: readonly string[]
  /** Domains to complete a name with, in order. */
  readonly search: readonly string[]
  /** Dots a name must have to be tried as it is first; at most 15. */
  readonly ndots: number
  /** Seconds to wait for the first server, at most 30; rounds over all servers, at most 5. */
  readonly timeout: number
  readonly attempts: number
  /** Begin with another server each time; ask over TCP; one question at a time. */
  readonly rotate: boolean
  readonly useVc: boolean
  readonly singleRequest: boolean
}

const MAXNS = 3
const RES_MAXNDOTS = 15
const RES_MAXRETRANS = 30
const RES_MAXRETRY = 5

/** Reads resolv.conf(5). Without a server the host itself is asked; without domains, that of the host's name counts. */
export function parseResolvConf(text: string, hostname: string): ResolvConf {
  const nameservers: string[] = []
  const dot = hostname.indexOf('.')
  let search = dot < 0 ? [] : [hostname.slice(dot + 1)]
  const options = new Map<string, string>()
  for (const [keyword, ...values] of wordsOf(text, /^\s*[#;].*/)) {
    const [first = ''] = values
    if (keyword === 'nameserver' && ip4.parse(first) !== undefined) nameservers.push(first)
    else if (keyword === 'domain' && first !== '') search = [first]
    else if (keyword === 'search' && first !== '') search = values
    else if (keyword === 'options') {
      for (const option of values) {
        const [name = '', value = ''] = option.split(':')
        options.set(name, value)
      }
    }
  }
  const number = (name: string, normal: number, most: number): number => {
    const given = options.get(name)
    return given === undefined ? normal : Math.min(Number.parseInt(given, 10) || 0, most)
  }
  return {
    nameservers: nameservers.length === 0 ? ['127.0.0.1'] : nameservers.slice(0, MAXNS),
    search,
    ndots: number('ndots', 1, RES_MAXNDOTS),
    timeout: number('timeout', 5, RES_MAXRETRANS),
    attempts: number('attempts', 2, RES_MAXRETRY),
    rotate: options.has('rotate'),
    useVc: options.has('use-vc'),
    singleRequest: options.has('single-request'),
  }
}

export const readResolvConf = async (process: Process): Promise<ResolvConf> =>
  parseResolvConf((await readText(process, '/etc/resolv.conf')) ?? '', process.host.name)

// ---- /etc/services ----

/** A line of services(5). */
export interface Service {
  readonly name: string
  readonly port: number
  readonly protocol: string
  readonly aliases: readonly string[]
}

/** Where there is no /etc/services: what programs ask for most. */
const DEFAULT_SERVICES = `
echo 7/tcp
echo 7/udp
discard 9/tcp sink null
discard 9/udp sink null
daytime 13/tcp
daytime 13/udp
chargen 19/tcp ttytst source
chargen 19/udp ttytst source
ftp-data 20/tcp
ftp 21/tcp
ssh 22/tcp
telnet 23/tcp
smtp 25/tcp mail
time 37/tcp timserver
time 37/udp timserver
domain 53/tcp
domain 53/udp
bootps 67/udp
bootpc 68/udp
tftp 69/udp
finger 79/tcp
http 80/tcp www
pop3 110/tcp pop-3
sunrpc 111/tcp portmapper
sunrpc 111/udp portmapper
ntp 123/udp
imap2 143/tcp imap
snmp 161/udp
https 443/tcp
https 443/udp
submission 587/tcp
syslog 514/udp
route 520/udp router routed
`

/** Reads services(5). */
function parseServices(text: string): Service[] {
  return wordsOf(text, /#.*/).flatMap(([name = '', at = '', ...aliases]) => {
    const [port = '', protocol = ''] = at.split('/')
    return /^[0-9]+$/.test(port) && protocol !== '' ? [{ name, port: Number(port), protocol, aliases }] : []
  })
}

const readServices = async (process: Process): Promise<Service[]> =>
  parseServices((await readText(process, '/etc/services')) ?? DEFAULT_SERVICES)

/** getservbyname(3): of the first protocol that has it, if none is named. */
export async function getservbyname(process: Process, name: string, protocol?: string): Promise<Service | undefined> {
  return (await readServices(process)).find(
    (s) => (s.name === name || s.aliases.includes(name)) && (protocol === undefined || s.protocol === protocol),
  )
}

/** getservbyport(3); the port is in host order. */
export async function getservbyport(process: Process, port: number, protocol?: string): Promise<Service | undefined> {
  return (await readServices(process)).find(
    (s) => s.port === port && (protocol === undefined || s.protocol === protocol),
  )
}
