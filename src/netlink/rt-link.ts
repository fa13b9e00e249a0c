/** Links in rtnetlink: struct ifinfomsg and its attributes (rtnl_fill_ifinfo, do_setlink of net/core/rtnetlink.c). */
import * as mac from '../addr/mac.ts'
import * as device from '../stack/device.ts'
import type { Interface } from '../stack/interface.ts'
import { MIN_MTU } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import { EEXIST, EINVAL, ENODEV, EOPNOTSUPP } from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'
import * as nl from './constants.ts'
import {
  attribute32,
  attributeText,
  type MessageWriter,
  type NetlinkHeader,
  type NetlinkMessage,
  parseAttributes,
} from './message.ts'

/** IF_OPER_UNKNOWN, IF_OPER_DOWN, IF_OPER_UP (RFC 2863). */
const OPER_UNKNOWN = 0
const OPER_DOWN = 2
const OPER_UP = 6
/** Ethernet devices' largest MTU on Linux's veth; `lo` knows no limits. */
const ETH_MAX_MTU = 65535
const TXQLEN = 1000
const GSO_MAX_SEGS = 65535
const GSO_MAX_SIZE = 65536

/** One link as a message. `change` is the mask of flags that changed. */
export function linkMessage(writer: MessageWriter, header: NetlinkHeader, at: Interface, change: number): Uint8Array {
  writer.begin(header).u8(0, 0).u16(at.hardwareType).u32(at.index, at.flags, change)
  writer.attributeText(nl.IFLA_IFNAME, at.name)
  writer.attribute32(nl.IFLA_TXQLEN, TXQLEN)
  writer.attribute8(nl.IFLA_OPERSTATE, operState(at))
  writer.attribute8(nl.IFLA_LINKMODE, 0)
  writer.attribute32(nl.IFLA_MTU, at.mtu)
  writer.attribute32(nl.IFLA_MIN_MTU, at.isLoopback ? 0 : MIN_MTU)
  writer.attribute32(nl.IFLA_MAX_MTU, at.isLoopback ? 0 : ETH_MAX_MTU)
  writer.attribute32(nl.IFLA_GROUP, 0)
  writer.attribute32(nl.IFLA_PROMISCUITY, at.promiscuity)
  writer.attribute32(nl.IFLA_ALLMULTI, at.allmulti)
  writer.attribute32(nl.IFLA_NUM_TX_QUEUES, 1)
  writer.attribute32(nl.IFLA_GSO_MAX_SEGS, GSO_MAX_SEGS)
  writer.attribute32(nl.IFLA_GSO_MAX_SIZE, GSO_MAX_SIZE)
  writer.attribute32(nl.IFLA_NUM_RX_QUEUES, 1)
  writer.attribute8(nl.IFLA_CARRIER, at.up ? 1 : 0)
  writer.attribute8(nl.IFLA_PROTO_DOWN, 0)
  if (at.headerLength > 0) {
    writer.attributeBytes(nl.IFLA_ADDRESS, at.mac)
    writer.attributeBytes(nl.IFLA_BROADCAST, at.isLoopback ? mac.zero() : mac.broadcast())
  }
  writer.attribute(nl.IFLA_STATS64, () => {
    for (const count of statistics(at)) writer.u64(count)
    // rx_otherhost_dropped
    writer.u64(0)
  })
  writer.attribute(nl.IFLA_STATS, () => writer.u32(...statistics(at)))
  writer.attributeText(nl.IFLA_QDISC, 'noqueue')
  writer.attributeBytes(nl.IFLA_MAP, new Uint8Array(32))
  return writer.end()
}

function operState(at: Interface): number {
  if (!at.usesArp) return OPER_UNKNOWN
  return at.up ? OPER_UP : OPER_DOWN
}

/** struct rtnl_link_stats up to rx_nohandler: 24 counts. */
function statistics({ stats: s }: Interface): number[] {
  const head = [
    s.rx_packets,
    s.tx_packets,
    s.rx_bytes,
    s.tx_bytes,
    s.rx_errors,
    s.tx_errors,
    s.rx_dropped,
    s.tx_dropped,
  ]
  return [...head, s.multicast, 0, s.rx_length_errors, ...new Array<number>(13).fill(0)]
}

/** The link a request is about, by index or by name; or -ENODEV, -EINVAL, and `unnamed` if it says neither. */
export function linkOf(stack: Stack, { payload }: NetlinkMessage, unnamed: number): Interface | number {
  if (payload.length < nl.SIZEOF_IFINFOMSG) return -EINVAL
  const index = viewOf(payload).getInt32(4, true)
  if (index < 0) return -EINVAL
  const name = attributeText(parseAttributes(payload.subarray(nl.SIZEOF_IFINFOMSG)), nl.IFLA_IFNAME)
  if (index === 0 && name === undefined) return unnamed
  return (index > 0 ? stack.interfaceByIndex(index) : stack.interface(name ?? '')) ?? -ENODEV
}

/** RTM_NEWLINK and RTM_SETLINK for a link there is: up, down, MTU, name, promiscuous (do_setlink). 0 or -errno. */
export function setLink(stack: Stack, at: Interface, { payload }: NetlinkMessage): number {
  const view = viewOf(payload)
  const attributes = parseAttributes(payload.subarray(nl.SIZEOF_IFINFOMSG))
  if (attributes.has(nl.IFLA_ADDRESS)) return -EOPNOTSUPP
  const mtu = attribute32(attributes, nl.IFLA_MTU)
  if (mtu !== undefined && mtu !== at.mtu) {
    const result = at.setMtu(mtu)
    if (result < 0) return result
  }
  const name = attributeText(attributes, nl.IFLA_IFNAME)
  if (viewOf(payload).getInt32(4, true) > 0 && name !== undefined && name !== at.name) {
    const result = rename(stack, at, name)
    if (result < 0) return result
  }
  const flags = view.getUint32(8, true)
  const change = view.getUint32(12, true) || 0xffffffff
  if (flags !== 0 || view.getUint32(12, true) !== 0) changeFlags(at, flags, change)
  return 0
}

/** dev_change_flags. */
function changeFlags(at: Interface, flags: number, change: number): void {
  if ((change & device.IFF_PROMISC) !== 0) at.promiscuous = (flags & device.IFF_PROMISC) !== 0
  if ((change & device.IFF_UP) !== 0) at.setUp((flags & device.IFF_UP) !== 0)
}

/** dev_change_name: -EINVAL for no name of a device, or -EEXIST. */
function rename(stack: Stack, at: Interface, name: string): number {
  if (name.length >= device.IFNAMSIZ || !/^[^\s/:]+$/.test(name) || name === '.' || name === '..') return -EINVAL
  if (stack.interface(name) !== undefined) return -EEXIST
  at.rename(name)
  return 0
}
