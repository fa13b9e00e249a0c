/** SIOCADDRT and SIOCDELRT (route(8), linux/route.h): a route as a struct rtentry, here as an object. */

import * as ip4 from '../addr/ip4.ts'
import {
  type Route,
  type RouteSpec,
  RT_SCOPE_HOST,
  RT_TABLE_MAIN,
  RTN_UNREACHABLE,
  RTPROT_BOOT,
} from '../stack/route.ts'
import type { Stack } from '../stack/stack.ts'
import { EAFNOSUPPORT, EEXIST, EINVAL, ENETUNREACH, ENODEV, ESRCH } from '../sys/errno.ts'

/** Flags of struct rtentry. */
export const RTF_UP = 0x1
export const RTF_GATEWAY = 0x2
export const RTF_HOST = 0x4
export const RTF_REJECT = 0x200

/** struct rtentry: addresses are dotted quads; `metric` is one more than the route's, 0 for any. */
export interface RtEntry {
  readonly dst: string
  readonly genmask?: string
  readonly gateway?: string
  readonly flags: number
  readonly metric?: number
  readonly dev?: string
}

/** What an rtentry says (rtentry_to_fib_config), or -errno. */
function toSpec(stack: Stack, entry: RtEntry): RouteSpec | number {
  const { flags } = entry
  const destination = ip4.parse(entry.dst)
  const mask = entry.genmask === undefined ? 0 : ip4.parse(entry.genmask)
  const gateway = entry.gateway === undefined ? 0 : ip4.parse(entry.gateway)
  if (destination === undefined || mask === undefined || gateway === undefined) return -EAFNOSUPPORT
  const prefix = (flags & RTF_HOST) !== 0 ? 32 : ip4.prefixOf(mask)
  if (prefix < 0 || (destination & ~ip4.mask(prefix)) !== 0) return -EINVAL
  const metric = Math.max((entry.metric ?? 0) - 1, 0)
  // What an ioctl makes counts as made at boot.
  const common = { destination, prefix, metric, protocol: RTPROT_BOOT, table: RT_TABLE_MAIN }
  if ((flags & RTF_REJECT) !== 0) return { ...common, type: RTN_UNREACHABLE, scope: RT_SCOPE_HOST }
  const device = entry.dev === undefined ? undefined : stack.interface(entry.dev)
  if (entry.dev !== undefined && device === undefined) return -ENODEV
  return { ...common, gateway, ...(device === undefined ? {} : { interface: device }) }
}

/** SIOCADDRT: 0, -EINVAL, -EAFNOSUPPORT, -ENODEV, -ENETUNREACH for a gateway that is no neighbour, or -EEXIST. */
export function addRoute(stack: Stack, entry: RtEntry): number {
  const spec = toSpec(stack, entry)
  if (typeof spec === 'number') return spec
  const { gateway = 0 } = spec
  if ((entry.flags & RTF_GATEWAY) !== 0 && gateway === 0) return -EINVAL
  if (gateway !== 0) {
    const hop = stack.routes.lookup(gateway)
    if (hop === undefined || hop.gateway !== 0) return -ENETUNREACH
  } else if (spec.interface === undefined && spec.type === undefined) return -ENODEV
  const isThere = (r: Route): boolean =>
    r.destination === spec.destination && r.prefix === spec.prefix && r.metric === spec.metric
  return stack.routes.list(RT_TABLE_MAIN).some(isThere) ? -EEXIST : stack.routes.add(spec)
}

/** SIOCDELRT: the first route that fits; 0 or -ESRCH. */
export function deleteRoute(stack: Stack, entry: RtEntry): number {
  const spec = toSpec(stack, entry)
  if (typeof spec === 'number') return spec
  const doomed = stack.routes
    .list(RT_TABLE_MAIN)
    .find(
      (r) =>
        r.destination === spec.destination &&
        r.prefix === spec.prefix &&
        ((spec.gateway ?? 0) === 0 || r.gateway === spec.gateway) &&
        (spec.interface === undefined || r.interface === spec.interface) &&
        (entry.metric === undefined || entry.metric === 0 || r.metric === spec.metric),
    )
  return doomed === undefined ? -ESRCH : stack.routes.remove(doomed)
}
