/** Neighbours in rtnetlink: struct ndmsg and its attributes (neigh_fill_info, neigh_add of net/core/neighbour.c). */
import { AF_INET, AF_UNSPEC } from '../sock/address.ts'
import type { Interface } from '../stack/interface.ts'
import {
  NEIGH_UPDATE_ADMIN,
  NEIGH_UPDATE_OVERRIDE,
  type Neighbor,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_VALID,
} from '../stack/neighbor.ts'
import { RTN_UNICAST } from '../stack/route.ts'
import type { Stack } from '../stack/stack.ts'
import { EAFNOSUPPORT, EEXIST, EINVAL, ENOBUFS, ENODEV, ENOENT } from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'
import * as nl from './constants.ts'
import {
  type Attributes,
  attributeAddress,
  type MessageWriter,
  type NetlinkHeader,
  type NetlinkMessage,
  parseAttributes,
} from './message.ts'

/** Microseconds a clock tick of the interface to programs (USER_HZ 100). */
const TICK = 10_000

/** One neighbour as a message. */
export function neighborMessage(writer: MessageWriter, header: NetlinkHeader, entry: Neighbor): Uint8Array {
  const now = entry.arp.stack.clock.now()
  writer.begin(header).u8(AF_INET, 0, 0, 0).u32(entry.interface.index).u16(entry.state).u8(0, RTN_UNICAST)
  writer.attributeAddress(nl.NDA_DST, entry.address)
  if ((entry.state & NUD_VALID) !== 0) writer.attributeBytes(nl.NDA_LLADDR, entry.mac)
  writer.attribute32(nl.NDA_PROBES, entry.probes)
  writer.attribute(nl.NDA_CACHEINFO, () => {
    const ages = [entry.confirmed, entry.used, entry.updated].map((at) => Math.floor((now - at) / TICK))
    // ndm_refcnt
    writer.u32(...ages, 0)
  })
  return writer.end()
}

interface NeighborRequest {
  readonly at: Interface
  readonly address: number
  readonly state: number
  readonly hardware: Uint8Array | undefined
}

function read(stack: Stack, { payload }: NetlinkMessage): NeighborRequest | number {
  if (payload.length < nl.SIZEOF_NDMSG) return -EINVAL
  const attributes: Attributes = parseAttributes(payload.subarray(nl.SIZEOF_NDMSG))
  const address = attributeAddress(attributes, nl.NDA_DST)
  if (!attributes.has(nl.NDA_DST)) return -EINVAL
  const view = viewOf(payload)
  const at = stack.interfaceByIndex(view.getInt32(4, true))
  if (at === undefined) return -ENODEV
  const hardware = attributes.get(nl.NDA_LLADDR)
  if (hardware !== undefined && hardware.length < at.mac.length) return -EINVAL
  if (payload[0] !== AF_INET) return -EAFNOSUPPORT
  if (address === undefined) return -EINVAL
  return { at, address, state: view.getUint16(8, true), hardware }
}

/** RTM_NEWNEIGH: 0, -EINVAL, -ENODEV, -EAFNOSUPPORT, -ENOENT, -EEXIST or -ENOBUFS. */
export function newNeighbor(stack: Stack, request: NetlinkMessage): number {
  const asked = read(stack, request)
  if (typeof asked === 'number') return asked
  const { at, address, state, hardware } = asked
  const known = at.neighbors.get(address)
  if (known === undefined && (request.flags & nl.NLM_F_CREATE) === 0) return -ENOENT
  if (known !== undefined && (request.flags & nl.NLM_F_EXCL) !== 0) return -EEXIST
  // neigh_update: what is to be valid needs an address.
  if (hardware === undefined && known === undefined && (state & NUD_VALID) !== 0) return -EINVAL
  const entry = known ?? stack.arp.neighbor(at, address)
  if (entry === null) return -ENOBUFS
  const lladdr = hardware ?? entry.mac
  if ((state & (NUD_PERMANENT | NUD_NOARP)) !== 0) entry.fix(lladdr, state)
  else if ((state & NUD_VALID) !== 0) {
    const isReplacing = (request.flags & nl.NLM_F_REPLACE) !== 0 || known === undefined
    entry.update(lladdr, 0, state, NEIGH_UPDATE_ADMIN | (isReplacing ? NEIGH_UPDATE_OVERRIDE : 0))
  } else if (state !== NUD_NONE) return -EINVAL
  return 0
}

/** RTM_DELNEIGH: 0, -EINVAL, -ENODEV, -EAFNOSUPPORT or -ENOENT. */
export function deleteNeighbor(stack: Stack, request: NetlinkMessage): number {
  const asked = read(stack, request)
  if (typeof asked === 'number') return asked
  return stack.arp.remove(asked.at, asked.address) ? 0 : -ENOENT
}

/** RTM_GETNEIGH of one: the entry, or -errno. */
export function findNeighbor(stack: Stack, request: NetlinkMessage): Neighbor | number {
  const asked = read(stack, request)
  if (typeof asked === 'number') return asked
  return asked.at.neighbors.get(asked.address) ?? -ENOENT
}

/** True if a dump request asks for neighbours of IPv4. */
export const wantsIpv4 = ({ payload }: NetlinkMessage): boolean =>
  payload[0] === AF_INET || payload[0] === AF_UNSPEC || payload.length === 0
