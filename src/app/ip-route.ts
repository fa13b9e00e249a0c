/** `ip route` (ip-route(8)). */
import * as ip4 from '../addr/ip4.ts'
import * as nl from '../netlink/constants.ts'
import {
  type Attributes,
  attribute32,
  attributeAddress,
  type NetlinkMessage,
  parseAttributes,
} from '../netlink/message.ts'
import { AF_INET } from '../sock/address.ts'
import { viewOf } from '../wire/bytes.ts'
import type { Link } from './ip-link.ts'
import {
  commandOf,
  type IpOptions,
  indexOf,
  nameOf,
  PROTOCOLS,
  SCOPES,
  shownIndexOf,
  TABLES,
  TYPES,
  type Words,
} from './ip-words.ts'
import type { Rtnetlink } from './rtnetlink.ts'
import { ToolError } from './tool.ts'

const RTNH_F_DEAD = 1
const { unicast: UNICAST, local: LOCAL, broadcast: BROADCAST } = TYPES

/** struct rtmsg and its attributes. */
interface RouteEntry {
  readonly prefix: number
  readonly table: number
  readonly protocol: number
  readonly scope: number
  readonly type: number
  readonly flags: number
  readonly destination: number
  readonly gateway: number
  readonly index: number
  readonly source: number
  readonly metric: number
  readonly metrics: Attributes | undefined
}

function readRoute({ payload }: NetlinkMessage): RouteEntry {
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_RTMSG))
  const metrics = attributes.get(nl.RTA_METRICS)
  return {
    prefix: payload[1] ?? 0,
    table: attribute32(attributes, nl.RTA_TABLE) ?? payload[4] ?? 0,
    protocol: payload[5] ?? 0,
    scope: payload[6] ?? 0,
    type: payload[7] ?? 0,
    flags: viewOf(payload).getUint32(8, true),
    destination: attributeAddress(attributes, nl.RTA_DST) ?? 0,
    gateway: attributeAddress(attributes, nl.RTA_GATEWAY) ?? 0,
    index: attribute32(attributes, nl.RTA_OIF) ?? 0,
    source: attributeAddress(attributes, nl.RTA_PREFSRC) ?? 0,
    metric: attribute32(attributes, nl.RTA_PRIORITY) ?? 0,
    metrics: metrics === undefined ? undefined : parseAttributes(metrics),
  }
}

/** What `ip route show` is asked for; what every route shown shares is not said again. */
interface Filter {
  table: number
  index: number
  protocol: number
  scope: number
  type: number
  gateway: number
  source: number
  fits: (route: RouteEntry) => boolean
}

const ALL_TABLES = 0

function newFilter(): Filter {
  return {
    table: TABLES.main as number,
    index: 0,
    protocol: -1,
    scope: -1,
    type: 0,
    gateway: 0,
    source: 0,
    fits: () => true,
  }
}

/** print_route. */
function routeText(route: RouteEntry, links: ReadonlyMap<number, Link>, filter: Filter, details: boolean): string {
  const isCached = (route.flags & nl.RTM_F_CLONED) !== 0
  let text = ''
  const isPlain = route.type === UNICAST && !details
  if (!isPlain && filter.type === 0) text += `${nameOf(TYPES, route.type)} `
  text += `${destinationText(route)} `
  if (route.gateway !== 0 && filter.gateway === 0) text += `via ${ip4.format(route.gateway)} `
  if (route.index !== 0 && filter.index === 0) text += `dev ${links.get(route.index)?.name ?? `if${route.index}`} `
  if (!isCached) {
    if ((route.table !== TABLES.main || details) && filter.table === ALL_TABLES)
      text += `table ${nameOf(TABLES, route.table)} `
    if ((route.protocol !== PROTOCOLS.boot || details) && filter.protocol < 0)
      text += `proto ${nameOf(PROTOCOLS, route.protocol)} `
    if ((route.scope !== SCOPES.global || details) && filter.scope < 0) text += `scope ${nameOf(SCOPES, route.scope)} `
  }
  if (route.source !== 0 && filter.source === 0) text += `src ${ip4.format(route.source)} `
  if (route.metric !== 0) text += `metric ${route.metric} `
  if ((route.flags & RTNH_F_DEAD) !== 0) text += 'dead '
  if ((route.flags & nl.RTNH_F_LINKDOWN) !== 0) text += 'linkdown '
  if (isCached) text += `uid 0 \n    cache ${(route.flags & nl.RTCF_LOCAL) >>> 0 === 0 ? '' : '<local> '}`
  return `${text}${metricsText(route.metrics)}\n`
}

const destinationText = ({ destination, prefix }: RouteEntry): string =>
  prefix === 0 ? 'default' : prefix === 32 ? ip4.format(destination) : `${ip4.format(destination)}/${prefix}`

function metricsText(metrics: Attributes | undefined): string {
  if (metrics === undefined) return ''
  const locked = attribute32(metrics, nl.RTAX_LOCK) ?? 0
  let text = ''
  for (const [type, name] of [
    [nl.RTAX_MTU, 'mtu'],
    [nl.RTAX_ADVMSS, 'advmss'],
    [nl.RTAX_INITCWND, 'initcwnd'],
  ] as const) {
    const value = attribute32(metrics, type)
    if (value !== undefined) text += `${name} ${(locked & (1 << type)) === 0 ? '' : 'lock '}${value} `
  }
  return text
}

/** A route as `ip monitor` tells it. */
export function routeNews(message: NetlinkMessage, links: ReadonlyMap<number, Link>): string {
  return routeText(readRoute(message), links, { ...newFilter(), table: ALL_TABLES }, false)
}

async function routes(rt: Rtnetlink, filter: Filter): Promise<RouteEntry[]> {
  const found = await rt.dump(nl.RTM_GETROUTE, (w) => w.u8(AF_INET, 0, 0, 0, 0, 0, 0, 0).u32(0))
  return found
    .map(readRoute)
    .filter(
      (r) =>
        (filter.table === ALL_TABLES || r.table === filter.table) &&
        (filter.index === 0 || r.index === filter.index) &&
        (filter.protocol < 0 || r.protocol === filter.protocol) &&
        (filter.scope < 0 || r.scope === filter.scope) &&
        (filter.type === 0 || r.type === filter.type) &&
        (filter.gateway === 0 || r.gateway === filter.gateway) &&
        (filter.source === 0 || r.source === filter.source) &&
        filter.fits(r),
    )
}

/** `ip route …`: what it prints. */
export async function ipRoute(rt: Rtnetlink, words: Words, options: IpOptions): Promise<string> {
  const commands = [
    'list',
    'show',
    'lst',
    'get',
    'add',
    'append',
    'change',
    'chg',
    'delete',
    'flush',
    'prepend',
    'replace',
  ]
  const first = words.isEmpty ? 'show' : words.take()
  // `ip r s`: show, as ip has it.
  const command = commandOf('route', first === 's' ? 'show' : first, commands)
  const links = await rt.links()
  if (command === 'get') return await getRoute(rt, links, words, options)
  if (command !== 'show' && command !== 'flush') {
    await changeRoute(rt, links, command, words)
    return ''
  }
  const filter = readFilter(words, links)
  if (filter === null) return ''
  const found = options.family === '6' ? [] : await routes(rt, filter)
  if (command === 'show') return found.map((route) => routeText(route, links, filter, options.details)).join('')
  for (const route of found) await rt.change(nl.RTM_DELROUTE, 0, (w) => writeRoute(w, route))
  return ''
}

/** Null for `cache`, of which there is none to be shown or flushed. */
function readFilter(words: Words, links: ReadonlyMap<number, Link>): Filter | null {
  const filter = newFilter()
  while (!words.isEmpty) {
    const word = words.take()
    if (word === 'cache') return null
    if (word === 'table') filter.table = words.takes('all') ? ALL_TABLES : words.named('table', TABLES)
    else if (word === 'dev' || word === 'oif') filter.index = shownIndexOf(links, words.take())
    else if (word === 'proto' || word === 'protocol') filter.protocol = words.named('protocol', PROTOCOLS)
    else if (word === 'scope') filter.scope = words.named('scope', SCOPES)
    else if (word === 'type') filter.type = words.named('type', TYPES)
    else if (word === 'via') filter.gateway = words.address()
    else if (word === 'src') filter.source = words.address()
    else readDestination(filter, word, words)
  }
  return filter
}

/** `[to] [exact|root|match] PREFIX`. */
function readDestination(filter: Filter, first: string, words: Words): void {
  const isMode = (word: string): boolean => ['exact', 'root', 'match'].includes(word)
  let mode = 'exact'
  let rest = words
  if (first === 'to' && isMode(words.first ?? '')) mode = words.take()
  else if (isMode(first)) mode = first
  else if (first !== 'to') rest = words.again()
  const { address, prefix } = rest.prefix()
  filter.fits = (route) => {
    if (mode === 'exact') return route.prefix === prefix && route.destination === address
    const [wide, narrow] = mode === 'root' ? [{ address, prefix }, route] : [route, { address, prefix }]
    const to = 'address' in narrow ? narrow.address : narrow.destination
    const network = 'address' in wide ? wide.address : wide.destination
    return wide.prefix <= narrow.prefix && ip4.inNetwork(to, network, wide.prefix)
  }
}

async function getRoute(rt: Rtnetlink, links: Map<number, Link>, words: Words, options: IpOptions): Promise<string> {
  words.takes('to')
  const { address } = words.prefix()
  let source = 0
  let index = 0
  while (!words.isEmpty) {
    const word = words.take()
    if (word === 'from') source = words.address()
    else if (word === 'oif' || word === 'dev') index = words.device(links)
    else throw new ToolError(`Error: either "to" is duplicate, or "${word}" is a garbage.`, 255)
  }
  const answer = await rt.get(nl.RTM_GETROUTE, (w) => {
    w.u8(AF_INET, 32, source === 0 ? 0 : 32, 0, 0, 0, 0, 0)
      .u32(0)
      .attributeAddress(nl.RTA_DST, address)
    if (source !== 0) w.attributeAddress(nl.RTA_SRC, source)
    if (index !== 0) w.attribute32(nl.RTA_OIF, index)
  })
  return routeText(readRoute(answer), links, newFilter(), options.details)
}

/** A route to be written: as it was read, or as it was told. */
type RouteRequest = Pick<RouteEntry, 'prefix' | 'table' | 'protocol' | 'scope' | 'type' | 'destination'> &
  Partial<Omit<RouteEntry, 'metrics'>> & {
    readonly mtu?: number
    readonly locked?: boolean
    readonly advmss?: number
    readonly initcwnd?: number
  }

function writeRoute(w: Parameters<Parameters<Rtnetlink['change']>[2]>[0], r: RouteRequest): void {
  w.u8(AF_INET, r.prefix, 0, 0, r.table > 255 ? 0 : r.table, r.protocol, r.scope, r.type).u32(0)
  if (r.prefix > 0) w.attributeAddress(nl.RTA_DST, r.destination)
  if ((r.gateway ?? 0) !== 0) w.attributeAddress(nl.RTA_GATEWAY, r.gateway as number)
  if ((r.index ?? 0) !== 0) w.attribute32(nl.RTA_OIF, r.index as number)
  if ((r.source ?? 0) !== 0) w.attributeAddress(nl.RTA_PREFSRC, r.source as number)
  if ((r.metric ?? 0) !== 0) w.attribute32(nl.RTA_PRIORITY, r.metric as number)
  if (r.mtu === undefined && r.advmss === undefined && r.initcwnd === undefined) return
  w.attribute(nl.RTA_METRICS, () => {
    if (r.locked === true) w.attribute32(nl.RTAX_LOCK, 1 << nl.RTAX_MTU)
    if (r.mtu !== undefined) w.attribute32(nl.RTAX_MTU, r.mtu)
    if (r.advmss !== undefined) w.attribute32(nl.RTAX_ADVMSS, r.advmss)
    if (r.initcwnd !== undefined) w.attribute32(nl.RTAX_INITCWND, r.initcwnd)
  })
}

const CHANGES: Readonly<Record<string, number>> = {
  add: nl.NLM_F_CREATE | nl.NLM_F_EXCL,
  append: nl.NLM_F_CREATE | nl.NLM_F_APPEND,
  prepend: nl.NLM_F_CREATE,
  change: nl.NLM_F_REPLACE,
  chg: nl.NLM_F_REPLACE,
  replace: nl.NLM_F_CREATE | nl.NLM_F_REPLACE,
  delete: 0,
}

async function changeRoute(rt: Rtnetlink, links: Map<number, Link>, command: string, words: Words): Promise<void> {
  const isDelete = command === 'delete'
  const typed = Object.hasOwn(TYPES, words.first ?? '') ? (TYPES[words.take()] as number) : undefined
  words.takes('to')
  const { address: destination, prefix } = words.prefix()
  const type = typed ?? (isDelete ? 0 : (UNICAST as number))
  const told: { -readonly [K in keyof RouteRequest]?: RouteRequest[K] } = {}
  while (!words.isEmpty) {
    const word = words.take()
    if (word === 'via') told.gateway = words.address()
    else if (word === 'dev' || word === 'oif') told.index = indexOf(links, words.take())
    else if (word === 'src') told.source = words.address()
    else if (word === 'metric' || word === 'preference' || word === 'priority') told.metric = words.number('metric')
    else if (word === 'table') told.table = words.named('table', TABLES)
    else if (word === 'proto' || word === 'protocol') told.protocol = words.named('protocol', PROTOCOLS)
    else if (word === 'scope') told.scope = words.named('scope', SCOPES)
    else if (word === 'mtu') {
      told.locked = words.takes('lock')
      told.mtu = words.number('mtu')
    } else if (word === 'advmss') told.advmss = words.number('advmss')
    else if (word === 'initcwnd') told.initcwnd = words.number('initcwnd')
    else throw new ToolError(`Error: either "to" is duplicate, or "${word}" is a garbage.`, 255)
  }
  const isOwn = type === LOCAL || type === BROADCAST
  const request: RouteRequest = {
    table: (isOwn ? TABLES.local : TABLES.main) as number,
    protocol: isDelete ? 0 : (PROTOCOLS.boot as number),
    scope: scopeOf(type, isDelete, told.gateway !== undefined),
    ...told,
    type,
    destination,
    prefix,
  }
  await rt.change(isDelete ? nl.RTM_DELROUTE : nl.RTM_NEWROUTE, CHANGES[command] as number, (w) =>
    writeRoute(w, request),
  )
}

/** The scope of a route whose scope is not told. */
function scopeOf(type: number, isDelete: boolean, hasGateway: boolean): number {
  if (type === LOCAL) return SCOPES.host as number
  if (type === BROADCAST) return SCOPES.link as number
  if (type !== UNICAST && type !== 0) return SCOPES.global as number
  if (isDelete) return SCOPES.nowhere as number
  return (hasGateway ? SCOPES.global : SCOPES.link) as number
}
