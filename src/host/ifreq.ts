/**
 * Requests of ioctl(2) about devices, addresses, routes and neighbours (netdevice(7), arp(7), rtnetlink's older sister): the
 * structs of C as bytes in Linux's x86-64 layout, and as objects.
 */

import * as ip4 from '../addr/ip4.ts'
import { AF_INET } from '../sock/address.ts'
import * as c from '../sock/constants.ts'
import { IFF_BROADCAST, IFF_LOWER_UP, IFF_PROMISC, IFF_UP, IFNAMSIZ } from '../stack/device.ts'
import type { Interface, InterfaceAddress } from '../stack/interface.ts'
import { NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP, NUD_NONE, NUD_PERMANENT } from '../stack/neighbor.ts'
import type { Stack } from '../stack/stack.ts'
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOTTY,
  ENXIO,
  EPERM,
  EPFNOSUPPORT,
} from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'

/** Bytes of struct ifreq; a name of IFNAMSIZ bytes is in front of it. */
export const SIZEOF_IFREQ = 40
/** Where a struct sockaddr_in in the union has its address. */
const ADDRESS_AT: number = IFNAMSIZ + 4
/** Length of a device's queue: as Linux gives all devices that have one. */
const TX_QUEUE_LENGTH = 1000
/** struct arpreq: where its parts are. */
export const SIZEOF_ARPREQ = 68
const ARP_HARDWARE_AT = 16
const ARP_FLAGS_AT = 32
const ARP_DEVICE_AT = 52
/** Flags of an ARP entry: complete, permanent. */
export const ATF_COM = 2
export const ATF_PERM = 4

/** The name that begins at `at`, up to its NUL. */
function nameAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at)
  const last = Math.min(end < 0 ? bytes.length : end, at + IFNAMSIZ - 1)
  return String.fromCharCode(...bytes.subarray(at, last))
}

function putName(bytes: Uint8Array, at: number, name: string): void {
  bytes.fill(0, at, at + IFNAMSIZ)
  for (let i = 0; i < name.length; i++) bytes[at + i] = name.charCodeAt(i)
}

/** Puts a struct sockaddr_in at `at`. */
function putAddress(bytes: Uint8Array, at: number, address: number): void {
  const view = viewOf(bytes)
  bytes.fill(0, at, at + 16)
  view.setUint16(at, AF_INET, true)
  view.setInt32(at + 4, address)
}

/** What asks and changes: the privileged ones are EPERM for others. */
interface Asker {
  readonly stack: Stack
  readonly isPrivileged: boolean
}

/** ioctl(2) with a struct ifreq on any socket (dev_ioctl); -ENOTTY for what is none of its requests. */
export function deviceIoctl({ stack, isPrivileged }: Asker, request: number, bytes: Uint8Array): number {
  if (bytes.length < SIZEOF_IFREQ) return -EFAULT
  const view = viewOf(bytes)
  if (request === c.SIOCGIFNAME) {
    const named = stack.interfaceByIndex(view.getInt32(IFNAMSIZ, true))
    if (named === undefined) return -ENODEV
    putName(bytes, 0, named.name)
    return 0
  }
  if (!DEVICE_REQUESTS.includes(request)) return -ENOTTY
  const isChange = request === c.SIOCSIFFLAGS || request === c.SIOCSIFMTU
  if (isChange && !isPrivileged) return -EPERM
  const device = stack.interface(nameAt(bytes, 0).split(':', 1)[0] as string)
  if (device === undefined) return -ENODEV
  if (request === c.SIOCSIFMTU) return device.setMtu(view.getInt32(IFNAMSIZ, true))
  if (request === c.SIOCSIFFLAGS) return setFlags(device, view.getUint16(IFNAMSIZ, true))
  describe(device, request, bytes)
  return 0
}

const DEVICE_REQUESTS: readonly number[] = [
  c.SIOCGIFFLAGS,
  c.SIOCSIFFLAGS,
  c.SIOCGIFMETRIC,
  c.SIOCGIFMTU,
  c.SIOCSIFMTU,
  c.SIOCGIFHWADDR,
  c.SIOCGIFINDEX,
  c.SIOCGIFTXQLEN,
]

function setFlags(device: Interface, flags: number): number {
  device.setUp((flags & IFF_UP) !== 0)
  device.promiscuous = (flags & IFF_PROMISC) !== 0
  return 0
}

/** dev_ifsioc_locked */
function describe(device: Interface, request: number, bytes: Uint8Array): void {
  const view = viewOf(bytes)
  switch (request) {
    case c.SIOCGIFFLAGS:
      view.setUint16(IFNAMSIZ, device.flags & ~IFF_LOWER_UP, true)
      return
    case c.SIOCGIFHWADDR:
      bytes.fill(0, IFNAMSIZ, IFNAMSIZ + 16)
      view.setUint16(IFNAMSIZ, device.hardwareType, true)
      if (device.headerLength > 0) bytes.set(device.mac, IFNAMSIZ + 2)
      return
    case c.SIOCGIFMETRIC:
      view.setInt32(IFNAMSIZ, 0, true)
      return
    case c.SIOCGIFMTU:
      view.setInt32(IFNAMSIZ, device.mtu, true)
      return
    case c.SIOCGIFINDEX:
      view.setInt32(IFNAMSIZ, device.index, true)
      return
    default:
      view.setInt32(IFNAMSIZ, TX_QUEUE_LENGTH, true)
  }
}

const ADDRESS_GETS: readonly number[] = [c.SIOCGIFADDR, c.SIOCGIFBRDADDR, c.SIOCGIFDSTADDR, c.SIOCGIFNETMASK]
const ADDRESS_SETS: readonly number[] = [c.SIOCSIFADDR, c.SIOCSIFBRDADDR, c.SIOCSIFNETMASK]

/** Whether a request is about an IPv4 address of a device: for sockets of AF_INET only. */
export const isAddressRequest = (request: number): boolean =>
  ADDRESS_GETS.includes(request) || ADDRESS_SETS.includes(request)

/** ioctl(2) with a struct ifreq on a socket of AF_INET, about addresses (devinet_ioctl). */
export function addressIoctl({ stack, isPrivileged }: Asker, request: number, bytes: Uint8Array): number {
  if (bytes.length < SIZEOF_IFREQ) return -EFAULT
  const view = viewOf(bytes)
  const isSet = ADDRESS_SETS.includes(request)
  if (isSet && !isPrivileged) return -EPERM
  const family = view.getUint16(IFNAMSIZ, true)
  const given = view.getInt32(ADDRESS_AT)
  if (isSet && family !== AF_INET) return -EINVAL
  const name = nameAt(bytes, 0)
  const device = stack.interface(name.split(':', 1)[0] as string)
  if (device === undefined) return -ENODEV
  // No labels here: a name with one has no address.
  const isLabel = name.includes(':')
  const wanted = !isSet && family === AF_INET ? device.addresses.find((a) => a.address === given) : undefined
  const entry = isLabel ? undefined : (wanted ?? device.addresses[0])
  if (request === c.SIOCSIFADDR && !isLabel) return setAddress(device, entry, given)
  if (entry === undefined) return -EADDRNOTAVAIL
  if (request === c.SIOCSIFNETMASK) return setNetmask(device, entry, given)
  if (request === c.SIOCSIFBRDADDR) return replace(device, entry, entry.address, entry.prefix, given)
  const found =
    request === c.SIOCGIFBRDADDR
      ? entry.broadcast
      : request === c.SIOCGIFNETMASK
        ? ip4.mask(entry.prefix)
        : entry.address
  putAddress(bytes, IFNAMSIZ, found)
  return 0
}

/** Prefix of an address by its class (inet_abc_len); -1 for those of no host. */
function classPrefix(address: number): number {
  const first = address >>> 24
  if (address === 0) return 0
  if (first === 0 || first >= 224) return -1
  return first < 128 ? 8 : first < 192 ? 16 : 24
}

function setAddress(device: Interface, entry: InterfaceAddress | undefined, address: number): number {
  const prefix = classPrefix(address)
  if (prefix < 0) return -EINVAL
  if (entry?.address === address) return 0
  const hasBroadcast = (device.flags & IFF_BROADCAST) !== 0 && prefix < 31
  const broadcast = hasBroadcast ? ip4.directedBroadcast(address, prefix) : 0
  if (entry !== undefined) device.removeAddress(entry)
  return address === 0 ? 0 : device.addAddress({ address, prefix }, { broadcast })
}

function setNetmask(device: Interface, entry: InterfaceAddress, mask: number): number {
  const prefix = ip4.prefixOf(mask)
  if (prefix < 0) return -EINVAL
  if (prefix === entry.prefix) return 0
  // A broadcast address that fitted the old mask shall fit the new one.
  const fitted = entry.broadcast === ip4.directedBroadcast(entry.address, entry.prefix)
  const broadcast = fitted && prefix < 31 ? ip4.directedBroadcast(entry.address, prefix) : entry.broadcast
  return replace(device, entry, entry.address, prefix, broadcast)
}

function replace(
  device: Interface,
  entry: InterfaceAddress,
  address: number,
  prefix: number,
  broadcast: number,
): number {
  const { scope } = entry
  device.removeAddress(entry)
  return device.addAddress({ address, prefix }, { broadcast, scope })
}

/** SIOCGIFCONF (dev_ifconf): one struct ifreq per address, as many as fit; the bytes used, or needed if `buffer` is null. */
export function interfaceConfig(stack: Stack, buffer: Uint8Array | null): number {
  let used = 0
  for (const { name, addresses } of stack.interfaces) {
    for (const { address } of addresses) {
      if (buffer !== null) {
        if (used + SIZEOF_IFREQ > buffer.length) return used
        const row = buffer.subarray(used, used + SIZEOF_IFREQ)
        row.fill(0)
        putName(row, 0, name)
        putAddress(row, IFNAMSIZ, address)
      }
      used += SIZEOF_IFREQ
    }
  }
  return used
}

/** SIOCGARP (arp_ioctl, arp_req_get): fills in hardware address and flags; -ENXIO if the neighbour is not known. */
export function arpIoctl(stack: Stack, bytes: Uint8Array): number {
  if (bytes.length < SIZEOF_ARPREQ) return -EFAULT
  const view = viewOf(bytes)
  if (view.getUint16(0, true) !== AF_INET) return -EPFNOSUPPORT
  const address = view.getInt32(4)
  const name = nameAt(bytes, ARP_DEVICE_AT)
  const device = name === '' ? stack.routes.lookup(address)?.interface : stack.interface(name)
  if (device === undefined || device === null) return -ENODEV
  const entry = device.neighbors.get(address)
  if (entry === undefined || entry.state === NUD_NOARP) return -ENXIO
  const isKnown = (entry.state & (NUD_INCOMPLETE | NUD_FAILED)) === 0 && entry.state !== NUD_NONE
  bytes.fill(0, ARP_HARDWARE_AT, ARP_HARDWARE_AT + 16)
  view.setUint16(ARP_HARDWARE_AT, device.hardwareType, true)
  if (isKnown) bytes.set(entry.mac, ARP_HARDWARE_AT + 2)
  view.setInt32(ARP_FLAGS_AT, entry.state === NUD_PERMANENT ? ATF_PERM | ATF_COM : isKnown ? ATF_COM : 0, true)
  putName(bytes, ARP_DEVICE_AT, device.name)
  return 0
}

/** struct ifreq as an object: the fields that the request reads or fills in. Addresses are dotted quads. */
export interface IfReq {
  name: string
  ifindex?: number
  flags?: number
  mtu?: number
  metric?: number
  qlen?: number
  addr?: string
  /** ARPHRD_ number and address. */
  hwtype?: number
  hwaddr?: Uint8Array
}

/** Which of its fields a request is about. */
function fieldOf(request: number): 'ifindex' | 'flags' | 'mtu' | 'metric' | 'qlen' | 'addr' | 'hwaddr' {
  if (isAddressRequest(request)) return 'addr'
  if (request === c.SIOCGIFFLAGS || request === c.SIOCSIFFLAGS) return 'flags'
  if (request === c.SIOCGIFMTU || request === c.SIOCSIFMTU) return 'mtu'
  if (request === c.SIOCGIFMETRIC) return 'metric'
  if (request === c.SIOCGIFTXQLEN) return 'qlen'
  return request === c.SIOCGIFHWADDR ? 'hwaddr' : 'ifindex'
}

/** The bytes of an object. EAFNOSUPPORT is for addresses that are none: -EAFNOSUPPORT. */
export function packIfReq(request: number, ifr: IfReq): Uint8Array | number {
  const bytes = new Uint8Array(SIZEOF_IFREQ)
  const view = viewOf(bytes)
  putName(bytes, 0, ifr.name.slice(0, IFNAMSIZ - 1))
  const field = fieldOf(request)
  if (field === 'addr') {
    if (ifr.addr === undefined) return bytes
    const address = ip4.parse(ifr.addr)
    if (address === undefined) return -EAFNOSUPPORT
    putAddress(bytes, IFNAMSIZ, address)
  } else if (field === 'flags') view.setUint16(IFNAMSIZ, ifr.flags ?? 0, true)
  else if (field !== 'hwaddr') view.setInt32(IFNAMSIZ, ifr[field] ?? 0, true)
  return bytes
}

/** Puts what a request answered into the object. */
export function unpackIfReq(request: number, bytes: Uint8Array, into: IfReq): void {
  const view = viewOf(bytes)
  into.name = nameAt(bytes, 0)
  const field = fieldOf(request)
  if (field === 'addr') into.addr = ip4.format(view.getInt32(ADDRESS_AT))
  else if (field === 'flags') into.flags = view.getUint16(IFNAMSIZ, true)
  else if (field === 'hwaddr') {
    into.hwtype = view.getUint16(IFNAMSIZ, true)
    into.hwaddr = bytes.slice(IFNAMSIZ + 2, IFNAMSIZ + 8)
  } else into[field] = view.getInt32(IFNAMSIZ, true)
}
