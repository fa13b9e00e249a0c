/** `ip address` (ip-address(8)). */
import * as cidr from '../addr/cidr.ts'
import * as ip4 from '../addr/ip4.ts'
import * as nl from '../netlink/constants.ts'
import {
  attribute32,
  attributeAddress,
  attributeText,
  type NetlinkMessage,
  parseAttributes,
} from '../netlink/message.ts'
import { AF_INET } from '../sock/address.ts'
import { IFF_UP } from '../stack/device.ts'
import { viewOf } from '../wire/bytes.ts'
import { briefStart, type Link, linkAddress, linkHeading, linkStatistics } from './ip-link.ts'
import { commandOf, type IpOptions, indexOf, nameOf, SCOPES, shownIndexOf, type Words } from './ip-words.ts'
import type { Rtnetlink } from './rtnetlink.ts'
import { ToolError } from './tool.ts'

/** struct ifaddrmsg and its attributes. */
interface InetAddress {
  readonly index: number
  readonly prefix: number
  readonly scope: number
  readonly flags: number
  readonly local: number
  readonly broadcast: number | undefined
  readonly label: string
}

function readAddress({ payload }: NetlinkMessage): InetAddress {
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_IFADDRMSG))
  return {
    index: viewOf(payload).getUint32(4, true),
    prefix: payload[1] ?? 0,
    scope: payload[3] ?? 0,
    flags: attribute32(attributes, nl.IFA_FLAGS) ?? payload[2] ?? 0,
    local: attributeAddress(attributes, nl.IFA_LOCAL) ?? 0,
    broadcast: attributeAddress(attributes, nl.IFA_BROADCAST),
    label: attributeText(attributes, nl.IFA_LABEL) ?? '',
  }
}

const cidrText = ({ local, prefix }: InetAddress): string => `${ip4.format(local)}/${prefix}`

/** `    inet 192.0.2.1/24 brd … scope global eth0` and its lifetime. */
function addressLines(entry: InetAddress): string[] {
  const broadcast = entry.broadcast === undefined ? '' : `brd ${ip4.format(entry.broadcast)} `
  const secondary = (entry.flags & nl.IFA_F_SECONDARY) === 0 ? '' : 'secondary '
  return [
    `    inet ${cidrText(entry)} ${broadcast}scope ${nameOf(SCOPES, entry.scope)} ${secondary}${entry.label}`,
    '       valid_lft forever preferred_lft forever',
  ]
}

/** An address as `ip monitor` tells it. */
export function addressNews(message: NetlinkMessage, links: ReadonlyMap<number, Link>): string {
  const entry = readAddress(message)
  const [first, lifetime] = addressLines(entry)
  return `${entry.index}: ${links.get(entry.index)?.name ?? ''}${first as string}\n${lifetime as string}\n`
}

async function addresses(rt: Rtnetlink): Promise<InetAddress[]> {
  const found = await rt.dump(nl.RTM_GETADDR, (w) => w.u8(AF_INET, 0, 0, 0).u32(0))
  return found.map(readAddress)
}

/** `ip address …`: what it prints. */
export async function ipAddress(rt: Rtnetlink, words: Words, options: IpOptions): Promise<string> {
  const commands = ['add', 'change', 'replace', 'delete', 'show', 'list', 'lst', 'flush']
  const command = commandOf('address', words.isEmpty ? 'show' : words.take(), commands)
  const links = await rt.links()
  if (command === 'show') return await show(rt, links, words, options)
  if (command === 'flush') await flush(rt, links, words)
  else await change(rt, links, command, words)
  return ''
}

async function show(rt: Rtnetlink, links: Map<number, Link>, words: Words, options: IpOptions): Promise<string> {
  let only = 0
  let upOnly = false
  let scope: number | undefined
  while (!words.isEmpty) {
    if (words.takes('up')) upOnly = true
    else if (words.takes('scope')) scope = words.named('scope', SCOPES)
    else {
      words.takes('dev')
      only = shownIndexOf(links, words.take())
    }
  }
  const all = options.family === '6' ? [] : await addresses(rt)
  let text = ''
  for (const link of links.values()) {
    if ((only !== 0 && link.index !== only) || (upOnly && (link.flags & IFF_UP) === 0)) continue
    const own = all.filter((a) => a.index === link.index && (scope === undefined || a.scope === scope))
    if (own.length === 0 && (options.family !== '' || scope !== undefined || options.oneline)) continue
    text += addressText(link, own, options)
  }
  return text
}

function addressText(link: Link, own: readonly InetAddress[], options: IpOptions): string {
  if (options.brief) return `${briefStart(link)}${own.map((a) => `${cidrText(a)} `).join('')}\n`
  if (options.oneline) return own.map((a) => `${link.index}: ${link.name}${addressLines(a).join('\\')}\n`).join('')
  const lines = [linkHeading(link, false)]
  if (options.family === '') lines.push(`    ${linkAddress(link, options.details)}`)
  for (const entry of own) lines.push(...addressLines(entry))
  lines.push(...linkStatistics(link, options))
  return `${lines.join('\n')}\n`
}

async function change(rt: Rtnetlink, links: Map<number, Link>, command: string, words: Words): Promise<void> {
  words.takes('local')
  const text = words.take()
  const parsed = cidr.parse(text.includes('/') ? text : `${text}/32`)
  if (parsed === undefined) throw new ToolError(`Error: inet prefix is expected rather than "${text}".`, 1)
  let broadcast: number | undefined
  let device: string | undefined
  let label: string | undefined
  let scope = ip4.isLoopback(parsed.address) ? SCOPES.host : SCOPES.global
  while (!words.isEmpty) {
    if (words.takes('brd', 'broadcast')) {
      if (words.takes('+')) broadcast = ip4.directedBroadcast(parsed.address, parsed.prefix)
      else if (words.takes('-')) broadcast = undefined
      else broadcast = words.address()
    } else if (words.takes('scope')) scope = words.named('scope', SCOPES)
    else if (words.takes('label')) label = words.take()
    else {
      words.takes('dev')
      device = words.take()
    }
  }
  if (device === undefined) throw new ToolError('Not enough information: "dev" argument is required.', 255)
  const index = indexOf(links, device)
  const flags: Readonly<Record<string, number>> = {
    add: nl.NLM_F_CREATE | nl.NLM_F_EXCL,
    change: nl.NLM_F_REPLACE,
    replace: nl.NLM_F_CREATE | nl.NLM_F_REPLACE,
    delete: 0,
  }
  await rt.change(command === 'delete' ? nl.RTM_DELADDR : nl.RTM_NEWADDR, flags[command] as number, (w) => {
    w.u8(AF_INET, parsed.prefix, 0, scope as number).u32(index)
    w.attributeAddress(nl.IFA_LOCAL, parsed.address)
    w.attributeAddress(nl.IFA_ADDRESS, parsed.address)
    if (broadcast !== undefined) w.attributeAddress(nl.IFA_BROADCAST, broadcast)
    if (label !== undefined) w.attributeText(nl.IFA_LABEL, label)
  })
}

async function flush(rt: Rtnetlink, links: Map<number, Link>, words: Words): Promise<void> {
  words.takes('dev')
  if (words.isEmpty) throw new ToolError('Flush requires arguments.', 255)
  const index = shownIndexOf(links, words.take())
  // The first of a subnet takes the others with it.
  for (;;) {
    const [next] = (await addresses(rt)).filter((a) => a.index === index)
    if (next === undefined) return
    await rt.change(nl.RTM_DELADDR, 0, (w) => {
      w.u8(AF_INET, next.prefix, 0, next.scope).u32(index).attributeAddress(nl.IFA_LOCAL, next.local)
    })
  }
}
