/** Addresses in rtnetlink: struct ifaddrmsg and its attributes (inet_fill_ifaddr, inet_rtm_newaddr of net/ipv4/devinet.c). */
import { AF_INET } from '../sock/address.ts'
import type { Interface, InterfaceAddress } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENODEV } from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'
import * as nl from './constants.ts'
import {
  type Attributes,
  attributeAddress,
  attributeText,
  type MessageWriter,
  type NetlinkHeader,
  type NetlinkMessage,
  parseAttributes,
} from './message.ts'

/** INFINITY_LIFE_TIME */
const FOREVER = 0xffffffff

/** One address as a message. */
// biome-ignore format: one line
export function addressMessage(writer: MessageWriter, header: NetlinkHeader, at: Interface, entry: InterfaceAddress): Uint8Array {
  const flags = nl.IFA_F_PERMANENT | (entry.secondary ? nl.IFA_F_SECONDARY : 0)
  writer.begin(header).u8(AF_INET, entry.prefix, flags, entry.scope).u32(at.index)
  writer.attributeAddress(nl.IFA_ADDRESS, entry.address)
  writer.attributeAddress(nl.IFA_LOCAL, entry.address)
  if (entry.broadcast !== 0) writer.attributeAddress(nl.IFA_BROADCAST, entry.broadcast)
  writer.attributeText(nl.IFA_LABEL, at.name)
  writer.attribute32(nl.IFA_FLAGS, flags)
  // ifa_prefered, ifa_valid, cstamp, tstamp
  writer.attribute(nl.IFA_CACHEINFO, () => writer.u32(FOREVER, FOREVER, 0, 0))
  return writer.end()
}

interface AddressRequest {
  readonly at: Interface
  readonly prefix: number
  readonly scope: number
  readonly attributes: Attributes
}

function read(stack: Stack, { payload }: NetlinkMessage): AddressRequest | number {
  if (payload.length < nl.SIZEOF_IFADDRMSG) return -EINVAL
  const at = stack.interfaceByIndex(viewOf(payload).getUint32(4, true))
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_IFADDRMSG))
  const prefix = payload[1] ?? 0
  return at === undefined ? -ENODEV : { at, prefix, scope: payload[3] ?? 0, attributes }
}

/** RTM_NEWADDR: 0, -EINVAL, -ENODEV or -EEXIST. */
export function newAddress(stack: Stack, request: NetlinkMessage): number {
  const { payload, flags } = request
  if (payload.length < nl.SIZEOF_IFADDRMSG || (payload[1] ?? 0) > 32) return -EINVAL
  const local = attributeAddress(parseAttributes(payload.subarray(nl.SIZEOF_IFADDRMSG)), nl.IFA_LOCAL)
  if (local === undefined) return -EINVAL
  const asked = read(stack, request)
  if (typeof asked === 'number') return asked
  const { at, prefix, scope, attributes } = asked
  const isKnown = at.addresses.some((a) => a.address === local && a.prefix === prefix)
  if (isKnown) return (flags & nl.NLM_F_EXCL) !== 0 || (flags & nl.NLM_F_REPLACE) === 0 ? -EEXIST : 0
  const broadcast = attributeAddress(attributes, nl.IFA_BROADCAST) ?? 0
  return at.addAddress({ address: local, prefix }, { broadcast, scope })
}

/** RTM_DELADDR: the first address that fits what is given; 0, -EINVAL, -ENODEV or -EADDRNOTAVAIL. */
export function deleteAddress(stack: Stack, request: NetlinkMessage): number {
  const asked = read(stack, request)
  if (typeof asked === 'number') return asked
  const { at, prefix, attributes } = asked
  const local = attributeAddress(attributes, nl.IFA_LOCAL)
  const peer = attributeAddress(attributes, nl.IFA_ADDRESS)
  const label = attributeText(attributes, nl.IFA_LABEL)
  const found = at.addresses.find(
    (a) =>
      (local === undefined || a.address === local) &&
      (label === undefined || label === at.name) &&
      (peer === undefined || (a.prefix === prefix && peer === a.address)),
  )
  return found === undefined ? -EADDRNOTAVAIL : at.removeAddress(found)
}

/** The interface a strict dump request is about, 0 for all. */
export const addressFilter = ({ payload }: NetlinkMessage): number =>
  payload.length < nl.SIZEOF_IFADDRMSG ? 0 : viewOf(payload).getUint32(4, true)
