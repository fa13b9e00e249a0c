/** `ip` of iproute2 (ip(8)) over netlink: links, addresses, routes, neighbours, rules, and what happens to them. */
import type { Process } from '../host/process.ts'
import * as nl from '../netlink/constants.ts'
import { attribute32, parseAttributes } from '../netlink/message.ts'
import { AF_INET } from '../sock/address.ts'
import { addressNews, ipAddress } from './ip-address.ts'
import { ipLink, linkText, readLink } from './ip-link.ts'
import { ipNeigh, neighborNews } from './ip-neigh.ts'
import { ipRoute, routeNews } from './ip-route.ts'
import { type IpOptions, nameOf, TABLES, Words } from './ip-words.ts'
import { Rtnetlink } from './rtnetlink.ts'
import { print, type Tool, ToolError } from './tool.ts'

/** Objects in the order in which abbreviations find them. */
const OBJECTS: readonly string[] = ['address', 'route', 'rule', 'neighbor', 'neighbour', 'link', 'monitor']

export const ipTool: Tool = async (process, argv) => {
  const { options, words } = readOptions(argv)
  if (words.isEmpty) throw new ToolError('Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }', 255)
  const name = words.take()
  const object = OBJECTS.find((each) => each.startsWith(name))
  if (object === undefined) throw new ToolError(`Object "${name}" is unknown, try "ip help".`, 1)
  if (object === 'monitor') return await monitor(process, words, options)
  const rt = new Rtnetlink(process)
  const run = { address: ipAddress, route: ipRoute, rule: ipRule, link: ipLink }[object] ?? ipNeigh
  await print(process, await run(rt, words, options))
  await rt.close()
  return 0
}

function readOptions(argv: readonly string[]): { options: IpOptions; words: Words } {
  const options: { -readonly [K in keyof IpOptions]: IpOptions[K] } = {
    brief: false,
    statistics: 0,
    details: false,
    oneline: false,
    family: '',
  }
  let at = 0
  for (; argv[at]?.startsWith('-') === true; at++) {
    const word = (argv[at] as string).replace(/^--?/, '')
    if (word === '4' || word === '6' || word === '0') options.family = word
    else if (word === 'f' || word === 'family') options.family = argv[++at] === 'inet6' ? '6' : '4'
    else if ('statistics'.startsWith(word) || word === 'stats') options.statistics++
    else if ('details'.startsWith(word)) options.details = true
    else if ('oneline'.startsWith(word)) options.oneline = true
    else if (word.startsWith('br') && 'brief'.startsWith(word)) options.brief = true
    else if (word !== 'n' && !'color'.startsWith(word))
      throw new ToolError(`Option "${argv[at] as string}" is unknown, try "ip -help".`, 255)
  }
  return { options, words: new Words(argv.slice(at)) }
}

/** `ip rule`: the rules there are. */
async function ipRule(rt: Rtnetlink): Promise<string> {
  const rules = await rt.dump(nl.RTM_GETRULE, (w) => w.u8(AF_INET, 0, 0, 0, 0, 0, 0, 0).u32(0))
  const lines = rules.map(({ payload }) => {
    const attributes = parseAttributes(payload.subarray(nl.SIZEOF_FIB_RULE_HDR))
    const table = attribute32(attributes, nl.FRA_TABLE) ?? payload[4] ?? 0
    return `${attribute32(attributes, nl.FRA_PRIORITY) ?? 0}:\tfrom all lookup ${nameOf(TABLES, table)}\n`
  })
  return lines.join('')
}

/** Kinds of news by what they are called, with their groups. */
const GROUPS: Readonly<Record<string, number>> = {
  link: nl.RTNLGRP_LINK,
  neigh: nl.RTNLGRP_NEIGH,
  address: nl.RTNLGRP_IPV4_IFADDR,
  route: nl.RTNLGRP_IPV4_ROUTE,
}

/** `ip monitor [all|link|address|route|neigh]`: what changes, until somebody ends it. */
async function monitor(process: Process, words: Words, options: IpOptions): Promise<number> {
  let groups = 0
  let labelled = false
  while (!words.isEmpty) {
    const word = words.take()
    if (word === 'label') labelled = true
    else if (word !== 'all') {
      const name = Object.keys(GROUPS).find((each) => each.startsWith(word))
      if (name === undefined) throw new ToolError(`Argument "${word}" is unknown, try "ip monitor help".`, 255)
      groups |= 1 << ((GROUPS[name] as number) - 1)
    }
  }
  if (groups === 0) for (const group of Object.values(GROUPS)) groups |= 1 << (group - 1)
  const rt = new Rtnetlink(process, groups)
  const names = new Rtnetlink(process)
  for (;;) {
    for (const message of await rt.next()) {
      const links = await names.links()
      const { type } = message
      const isGone = [nl.RTM_DELLINK, nl.RTM_DELADDR, nl.RTM_DELROUTE, nl.RTM_DELNEIGH].includes(type)
      const [label, text] =
        type === nl.RTM_NEWLINK || type === nl.RTM_DELLINK
          ? ['LINK', linkText(readLink(message), options)]
          : type === nl.RTM_NEWADDR || type === nl.RTM_DELADDR
            ? ['ADDR', addressNews(message, links)]
            : type === nl.RTM_NEWROUTE || type === nl.RTM_DELROUTE
              ? ['ROUTE', routeNews(message, links)]
              : ['NEIGH', neighborNews(message, links, options)]
      await print(process, `${labelled ? `[${label}]` : ''}${isGone ? 'Deleted ' : ''}${text}`)
    }
  }
}
