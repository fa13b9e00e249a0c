/** Routes in rtnetlink: struct rtmsg and its attributes (fib_dump_info, rt_fill_info, rtm_to_fib_config). */
import * as ip4 from '../addr/ip4.ts'
import type { Dst } from '../ip/dst.ts'
import { AF_INET } from '../sock/address.ts'
import type { Interface } from '../stack/interface.ts'
import {
  byPlace,
  type Route,
  type RouteMetrics,
  type RouteSpec,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_PROHIBIT,
  RTN_UNICAST,
} from '../stack/route.ts'
import type { Stack } from '../stack/stack.ts'
import { EEXIST, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ENOENT, EOPNOTSUPP, ESRCH } from '../sys/errno.ts'
import * as nl from './constants.ts'
import {
  attribute32,
  attributeAddress,
  type MessageWriter,
  type NetlinkHeader,
  type NetlinkMessage,
  parseAttributes,
} from './message.ts'

/** RTN_MAX */
const RTN_MAX = 11

/** One route of a table as a message. */
export function routeMessage(writer: MessageWriter, header: NetlinkHeader, route: Route): Uint8Array {
  writer.begin(header).u8(AF_INET, route.prefix, 0, 0, route.table, route.protocol, route.scope, route.type)
  writer.u32(route.interface !== null && !route.interface.up ? nl.RTNH_F_LINKDOWN | 1 : 0)
  writer.attribute32(nl.RTA_TABLE, route.table)
  if (route.prefix > 0) writer.attributeAddress(nl.RTA_DST, route.destination)
  if (route.metric !== 0) writer.attribute32(nl.RTA_PRIORITY, route.metric)
  writeMetrics(writer, route)
  if (route.source !== 0) writer.attributeAddress(nl.RTA_PREFSRC, route.source)
  if (route.gateway !== 0) writer.attributeAddress(nl.RTA_GATEWAY, route.gateway)
  if (route.interface !== null) writer.attribute32(nl.RTA_OIF, route.interface.index)
  return writer.end()
}

function writeMetrics(writer: MessageWriter, { mtu, metrics }: Route): void {
  const { advmss = 0, initcwnd = 0, mtuLocked = false } = metrics ?? {}
  if (mtu === 0 && advmss === 0 && initcwnd === 0 && !mtuLocked) return
  writer.attribute(nl.RTA_METRICS, () => {
    if (mtuLocked) writer.attribute32(nl.RTAX_LOCK, 1 << nl.RTAX_MTU)
    if (mtu !== 0) writer.attribute32(nl.RTAX_MTU, mtu)
    if (advmss !== 0) writer.attribute32(nl.RTAX_ADVMSS, advmss)
    if (initcwnd !== 0) writer.attribute32(nl.RTAX_INITCWND, initcwnd)
  })
}

/** All routes in the order of Linux's dump: table main before local, by destination, the longest prefix first. */
export function routesInOrder(stack: Stack): Route[] {
  return stack.routes.list().sort((a, b) => a.table - b.table || byPlace(a, b))
}

/** What a strict dump request filters by; undefined takes all. */
export function routeFilter({ payload }: NetlinkMessage): ((route: Route) => boolean) | undefined {
  if (payload.length < nl.SIZEOF_RTMSG) return undefined
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_RTMSG))
  const table = attribute32(attributes, nl.RTA_TABLE) ?? payload[4] ?? 0
  const oif = attribute32(attributes, nl.RTA_OIF) ?? 0
  const protocol = payload[5] ?? 0
  const type = payload[7] ?? 0
  return (route) =>
    (table === 0 || route.table === table) &&
    (oif === 0 || route.interface?.index === oif) &&
    (protocol === 0 || route.protocol === protocol) &&
    (type === 0 || route.type === type)
}

/** RTM_GETROUTE of one destination: the way packets take now (inet_rtm_getroute), as a message, or -errno. */
export function lookup(
  writer: MessageWriter,
  header: NetlinkHeader,
  stack: Stack,
  request: NetlinkMessage,
): Uint8Array | number {
  const { payload } = request
  if (payload.length < nl.SIZEOF_RTMSG) return -EINVAL
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_RTMSG))
  const dst = stack.ipv4.route(
    attributeAddress(attributes, nl.RTA_DST) ?? 0,
    attributeAddress(attributes, nl.RTA_SRC) ?? 0,
    attribute32(attributes, nl.RTA_OIF) ?? 0,
  )
  if (typeof dst === 'number') return dst
  return lookupMessage(writer, header, dst, attributeAddress(attributes, nl.RTA_SRC) ?? 0)
}

function lookupMessage(writer: MessageWriter, header: NetlinkHeader, dst: Dst, asked: number): Uint8Array {
  const source = asked !== 0 ? asked : dst.source
  writer.begin(header).u8(AF_INET, 32, asked === 0 ? 0 : 32, 0, RT_TABLE_MAIN, 0, RT_SCOPE_UNIVERSE, dst.type)
  writer.u32(nl.RTM_F_CLONED | (dst.type === RTN_LOCAL ? nl.RTCF_LOCAL : 0))
  writer.attribute32(nl.RTA_TABLE, RT_TABLE_MAIN)
  writer.attributeAddress(nl.RTA_DST, dst.destination)
  if (asked !== 0) writer.attributeAddress(nl.RTA_SRC, asked)
  writer.attribute32(nl.RTA_OIF, dst.interface.index)
  if (source !== asked) writer.attributeAddress(nl.RTA_PREFSRC, source)
  if (dst.gateway !== 0) writer.attributeAddress(nl.RTA_GATEWAY, dst.gateway)
  if (dst.mtu < dst.linkMtu) writer.attribute(nl.RTA_METRICS, () => writer.attribute32(nl.RTAX_MTU, dst.mtu))
  writer.attribute32(nl.RTA_UID, 0)
  // struct rta_cacheinfo: one reference, nothing more
  writer.attribute(nl.RTA_CACHEINFO, () => writer.u32(1, 0, 0, 0, 0, 0, 0, 0))
  return writer.end()
}

/** A request to add or delete a route. */
interface RouteRequest {
  readonly spec: RouteSpec
  /** Given, not taken for granted. */
  readonly protocol: number
  readonly scope: number
  readonly type: number
  readonly priority: number | undefined
  readonly oif: Interface | undefined
}

/** rtm_to_fib_config: -EINVAL, -EOPNOTSUPP for several next hops and other tables than main and local, -ENODEV. */
function read(stack: Stack, { payload }: NetlinkMessage): RouteRequest | number {
  if (payload.length < nl.SIZEOF_RTMSG) return -EINVAL
  const [, prefix = 0, sourcePrefix = 0, , tableByte = 0, protocol = 0, scope = 0, type = 0] = payload
  if (prefix > 32 || sourcePrefix !== 0 || type > RTN_MAX) return -EINVAL
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_RTMSG))
  if (attributes.has(nl.RTA_MULTIPATH)) return -EOPNOTSUPP
  const table = attribute32(attributes, nl.RTA_TABLE) ?? tableByte
  if (table !== 0 && table !== RT_TABLE_MAIN && table !== RT_TABLE_LOCAL) return -EOPNOTSUPP
  const destination = attributeAddress(attributes, nl.RTA_DST) ?? 0
  if ((destination & ip4.mask(prefix)) !== destination) return -EINVAL
  const index = attribute32(attributes, nl.RTA_OIF) ?? 0
  const oif = stack.interfaceByIndex(index)
  if (index !== 0 && oif === undefined) return -ENODEV
  const { mtu, metrics } = readMetrics(attributes.get(nl.RTA_METRICS))
  const priority = attribute32(attributes, nl.RTA_PRIORITY)
  const spec: RouteSpec = {
    destination,
    prefix,
    gateway: attributeAddress(attributes, nl.RTA_GATEWAY) ?? 0,
    source: attributeAddress(attributes, nl.RTA_PREFSRC) ?? 0,
    metric: priority ?? 0,
    type: type === 0 ? RTN_UNICAST : type,
    table: table === 0 ? RT_TABLE_MAIN : table,
    scope,
    protocol,
    mtu,
    ...(oif === undefined ? {} : { interface: oif }),
    ...(metrics === undefined ? {} : { metrics }),
  }
  return { spec, protocol, scope, type, priority, oif }
}

function readMetrics(bytes: Uint8Array | undefined): { mtu: number; metrics?: RouteMetrics } {
  if (bytes === undefined) return { mtu: 0 }
  const nested = parseAttributes(bytes)
  const advmss = attribute32(nested, nl.RTAX_ADVMSS) ?? 0
  const initcwnd = attribute32(nested, nl.RTAX_INITCWND) ?? 0
  const mtuLocked = ((attribute32(nested, nl.RTAX_LOCK) ?? 0) & (1 << nl.RTAX_MTU)) !== 0
  const mtu = attribute32(nested, nl.RTAX_MTU) ?? 0
  return advmss === 0 && initcwnd === 0 && !mtuLocked ? { mtu } : { mtu, metrics: { advmss, initcwnd, mtuLocked } }
}

/** RTM_NEWROUTE: 0 or -errno, in the order of inet_rtm_newroute. */
export function newRoute(stack: Stack, request: NetlinkMessage): number {
  const asked = read(stack, request)
  if (typeof asked === 'number') return asked
  const { spec } = asked
  const hop = checkNextHop(stack, asked)
  if (hop < 0) return hop
  const { flags } = request
  const known = stack.routes
    .list(spec.table)
    .filter((r) => r.destination === spec.destination && r.prefix === spec.prefix && r.metric === spec.metric)
  const first = known[0]
  if (first !== undefined && (flags & nl.NLM_F_EXCL) !== 0) return -EEXIST
  if (first !== undefined && (flags & nl.NLM_F_REPLACE) !== 0) stack.routes.remove(first)
  else if ((flags & nl.NLM_F_CREATE) === 0) return -ENOENT
  return stack.routes.add(spec)
}

/** fib_check_nh: a next hop is a neighbour, its interface is up. */
function checkNextHop(stack: Stack, { spec, oif }: RouteRequest): number {
  const { type = RTN_UNICAST, gateway = 0, source = 0 } = spec
  if (source !== 0 && !stack.ipv4.isLocal(source)) return -EINVAL
  if (type > RTN_BROADCAST && type <= RTN_PROHIBIT) return gateway === 0 && oif === undefined ? 0 : -EINVAL
  if (spec.scope === RT_SCOPE_NOWHERE || (type === RTN_LOCAL) !== (spec.scope === RT_SCOPE_HOST)) return -EINVAL
  if (oif !== undefined && !oif.up) return -ENETDOWN
  if (gateway === 0) return oif === undefined ? -ENODEV : 0
  if ((spec.scope ?? 0) >= RT_SCOPE_LINK || stack.ipv4.isLocal(gateway)) return -EINVAL
  const via = stack.routes.lookup(gateway, oif?.index ?? 0)
  if (via === undefined || via.type !== RTN_UNICAST || via.gateway !== 0) return -ENETUNREACH
  return 0
}

/** RTM_DELROUTE: the first route that fits all that is given (fib_table_delete); 0 or -errno. */
export function deleteRoute(stack: Stack, request: NetlinkMessage): number {
  const asked = read(stack, request)
  if (typeof asked === 'number') return asked
  const { spec, protocol, scope, type, priority, oif } = asked
  const found = stack.routes
    .list(spec.table)
    .find(
      (r) =>
        r.destination === spec.destination &&
        r.prefix === spec.prefix &&
        (priority === undefined || r.metric === priority) &&
        (type === 0 || r.type === type) &&
        (scope === RT_SCOPE_NOWHERE || r.scope === scope) &&
        (spec.source === 0 || r.source === spec.source) &&
        (protocol === 0 || r.protocol === protocol) &&
        (oif === undefined || r.interface === oif) &&
        (spec.gateway === 0 || r.gateway === spec.gateway),
    )
  return found === undefined ? -ESRCH : stack.routes.remove(found)
}
