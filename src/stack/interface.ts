/**
 * One network interface of a stack (Linux's net_device and in_device): addresses, statistics, a bounded ring of
 * received frames handled in batches, and the last step of sending. ARP and routes hang off the stack.
 */

import type { Cidr } from '../addr/cidr.ts'
import * as ip4 from '../addr/ip4.ts'
import { PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST, type Packet } from '../buf/packet.ts'
import { Gro } from '../link/gro.ts'
import { conform, mustConform } from '../link/gso.ts'
import { F_GRO, type Link, type Medium } from '../link/link.ts'
import { PacketQueue } from '../link/queue.ts'
import { Task } from '../sys/clock.ts'
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENOBUFS } from '../sys/errno.ts'
import { get16, get32 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import { NETDEV_CHANGE, NETDEV_DOWN, NETDEV_UP } from './changes.ts'
import * as device from './device.ts'
import type { Neighbor } from './neighbor.ts'
import { RT_SCOPE_HOST, RT_SCOPE_UNIVERSE } from './route.ts'
import type { Stack } from './stack.ts'

/** A frame of this host's own broadcast or multicast, given back to it (packet(7)). */
export const PACKET_LOOPBACK = 5

/** The index of `lo`. */
export const LOOPBACK_INDEX = 1

/** Bounds of an interface's MTU: RFC 791 §3.2's least, and Linux's `lo`. */
export const MIN_MTU = 68
export const MAX_MTU = 65536

/** An IPv4 address of an interface (in_ifaddr). */
export interface InterfaceAddress {
  readonly address: number
  readonly prefix: number
  /** Directed broadcast address; 0 if there is none (prefixes 31 and 32, loopback). */
  readonly broadcast: number
  /** RT_SCOPE_UNIVERSE or RT_SCOPE_HOST. */
  readonly scope: number
  /** Not the first of its subnet: never chosen as source (IFA_F_SECONDARY). */
  readonly secondary: boolean
}

/** Statistics by Linux's names (/sys/class/net/NAME/statistics, `ip -s link`). */
export class InterfaceStats {
  rx_packets = 0
  rx_bytes = 0
  rx_errors = 0
  rx_dropped = 0
  rx_length_errors = 0
  multicast = 0
  tx_packets = 0
  tx_bytes = 0
  tx_errors = 0
  tx_dropped = 0
}

/**
 * Sees each frame as it passes, lent: `start` at the link-layer header, `etherType` and (of an arriving one) `kind` set. Must
 * not keep or change it.
 */
export type Tap = (packet: Packet, outgoing: boolean, by: Interface) => void

/** What an interface starts with. */
export interface InterfaceSpec {
  readonly name: string
  readonly index: number
  readonly link: Link
  readonly mac: Uint8Array
  readonly mtu: number
}

/** The task that handles a batch of received frames. */
class ReceiveTask extends Task {
  readonly #interface: Interface
  constructor(of: Interface) {
    super()
    this.#interface = of
  }
  override run(): boolean {
    return this.#interface.poll()
  }
}

export class Interface {
  readonly stack: Stack
  name: string
  /** Linux's ifindex: 1 is `lo`. */
  readonly index: number
  readonly link: Link
  readonly medium: Medium
  readonly mac: Uint8Array
  readonly isLoopback: boolean
  /** Largest IP packet sent. Change it with `setMtu`. */
  mtu: number
  /** F_… bits in use (`ethtool -K`); at first the link's. */
  features: number
  /** Its queue sends each packet at the packet's time (`tc qdisc … fq`). */
  paces = false
  up = true
  /** How many want every frame, how many every multicast: packet sockets and the administrator (struct net_device). */
  promiscuity = 0
  allmulti = 0
  /** Hardware addresses beside its own whose frames are wanted, by their 48 bits, with the number of those who want them. */
  readonly hardwareFilter: Map<number, number> = new Map()
  #isPromiscuous = false
  readonly addresses: InterfaceAddress[] = []
  readonly stats: InterfaceStats = new InterfaceStats()
  /** Neighbours by IPv4 address; the stack's `arp` keeps them. */
  readonly neighbors: Map<number, Neighbor> = new Map()
  /** Multicast groups joined, with the number of members; 224.0.0.1 is always one. */
  readonly groups: Map<number, number> = new Map()
  readonly taps: Tap[] = []
  readonly #ring: PacketQueue = new PacketQueue()
  readonly #task: ReceiveTask
  /** Merges consecutive segments of a batch, with F_GRO. */
  readonly #gro: Gro = new Gro((packet) => this.stack.inputNetwork(packet))
  readonly #send = (packet: Packet): void => {
    this.#transmit(packet)
  }
  readonly #macHigh: number
  readonly #macLow: number

  constructor(stack: Stack, spec: InterfaceSpec) {
    this.stack = stack
    this.name = spec.name
    this.index = spec.index
    this.link = spec.link
    this.medium = spec.link.medium
    this.mac = spec.mac
    this.mtu = spec.mtu
    this.features = spec.link.features
    this.isLoopback = spec.index === LOOPBACK_INDEX
    this.#macHigh = get16(spec.mac, 0)
    this.#macLow = get32(spec.mac, 2)
    this.#task = new ReceiveTask(this)
    spec.link.attach((packet) => this.receive(packet))
  }

  /** True if neighbours are to be resolved by ARP. */
  get usesArp(): boolean {
    return this.medium === 'ethernet'
  }

  /** Bytes of link-layer header that packet sockets see and send: Linux's `lo` has an Ethernet header too. */
  get headerLength(): number {
    return this.usesArp || this.isLoopback ? ethernet.HDR_LEN : 0
  }

  /** ARPHRD_ number. */
  get hardwareType(): number {
    return this.isLoopback ? device.ARPHRD_LOOPBACK : this.usesArp ? device.ARPHRD_ETHER : device.ARPHRD_NONE
  }

  /** IFF_ bits (netdevice(7), dev_get_flags). */
  get flags(): number {
    let flags = this.up ? device.IFF_UP | device.IFF_RUNNING | device.IFF_LOWER_UP : 0
    if (this.isLoopback) flags |= device.IFF_LOOPBACK
    else if (this.usesArp) flags |= device.IFF_BROADCAST | device.IFF_MULTICAST
    else flags |= device.IFF_POINTOPOINT | device.IFF_NOARP | device.IFF_MULTICAST
    if (this.#isPromiscuous) flags |= device.IFF_PROMISC
    if (this.allmulti > 0) flags |= device.IFF_ALLMULTI
    return flags
  }

  /** `ip link set NAME promisc on|off`: frames for others are taken in, and packet sockets see them. */
  set promiscuous(on: boolean) {
    if (on === this.#isPromiscuous) return
    this.#isPromiscuous = on
    this.promiscuity += on ? 1 : -1
    this.stack.changes.link(this, NETDEV_CHANGE, device.IFF_PROMISC)
  }

  get promiscuous(): boolean {
    return this.promiscuity > 0
  }

  /** A frame arrived. It waits in the ring for the interface's task; the caller is never in the stack's way. */
  receive(packet: Packet): void {
    if (packet.owner !== null) packet.orphan()
    if (!this.up || this.#ring.length >= this.stack.sysctl.netdev_max_backlog) {
      this.stats.rx_dropped++
      if (this.up) this.stack.counters.LinkRxRingDrops++
      this.stack.drop(packet, this.up ? 'link.ring-full' : 'link.down')
      return
    }
    this.#ring.push(packet)
    if (!this.#task.queued) this.stack.clock.defer(this.#task)
  }

  /** Gives the host a copy of what it broadcasts: `packet.start` at the IP header (dev_loopback_xmit). Consumes it. */
  loop(packet: Packet): void {
    packet.kind = PACKET_LOOPBACK
    this.receive(packet)
  }

  /** Handles one batch of received frames; true if some are left (NAPI). */
  poll(): boolean {
    const ring = this.#ring
    const now = this.stack.clock.now()
    this.stack.receivedAt = now
    for (let budget = this.stack.sysctl.netdev_budget; budget > 0; budget--) {
      const packet = ring.shift()
      if (packet === null) break
      packet.time = now
      this.#receiveFrame(packet)
    }
    this.#gro.flush()
    return ring.length > 0
  }

  /**
   * Sends a finished packet: `start` at the link-layer header, or the IP header where there is none. Consumes it. An interface
   * that is down swallows it (noop_qdisc); 0 or -ENOBUFS.
   */
  xmit(packet: Packet): number {
    if (!this.up) {
      this.stats.tx_dropped++
      this.stack.drop(packet, 'link.down')
      return 0
    }
    if (mustConform(packet, this.features)) {
      const dropped = this.stats.tx_dropped
      conform(packet, this.features, this.#send)
      return this.stats.tx_dropped === dropped ? 0 : -ENOBUFS
    }
    return this.#transmit(packet)
  }

  #transmit(packet: Packet): number {
    if (this.taps.length > 0) {
      packet.time = this.stack.clock.now()
      this.#showTaps(packet, true)
    }
    const length = packet.length
    const segments = packet.gsoSegments
    if (!this.link.send(packet)) {
      this.stats.tx_dropped++
      return -ENOBUFS
    }
    this.stats.tx_packets += Math.max(segments, 1)
    this.stats.tx_bytes += length
    return 0
  }

  #receiveFrame(packet: Packet): void {
    packet.interface = this
    this.stats.rx_packets += Math.max(packet.gsoSegments, 1)
    this.stats.rx_bytes += packet.length
    if (packet.kind === PACKET_LOOPBACK) {
      packet.etherType = ethernet.TYPE_IPV4
    } else {
      const head = packet.start
      if (!(this.medium === 'ethernet' ? this.#stripEthernet(packet) : this.#guessType(packet))) return
      if (this.taps.length > 0) this.#showArrival(packet, head)
    }
    packet.l3 = packet.start
    if (packet.length > this.mtu && packet.gsoSize === 0) {
      this.stack.counters.LinkRxTooLong++
      this.#rejectFrame(packet, 'link.too-long')
      return
    }
    if ((this.features & F_GRO) === 0 || packet.etherType !== ethernet.TYPE_IPV4) this.stack.inputNetwork(packet)
    else this.#gro.receive(packet)
  }

  /** Takes the Ethernet header off and tells whom the frame was for (eth_type_trans); false if it was dropped. */
  #stripEthernet(packet: Packet): boolean {
    if (!packet.pullUp(ethernet.HDR_LEN)) {
      this.stack.counters.LinkRxTooShort++
      this.#rejectFrame(packet, 'link.too-short')
      return false
    }
    const b = packet.bytes
    const o = packet.start
    const high = get16(b, o)
    const low = get32(b, o + 2)
    packet.etherType = get16(b, o + 12)
    packet.start = o + ethernet.HDR_LEN
    if (high === this.#macHigh && low === this.#macLow) {
      packet.kind = PACKET_HOST
      return true
    }
    if ((high & 0x100) !== 0) {
      packet.kind = high === 0xffff && low === -1 ? PACKET_BROADCAST : PACKET_MULTICAST
      this.stats.multicast++
      return true
    }
    packet.kind = PACKET_OTHERHOST
    if (this.promiscuity > 0 || this.hardwareFilter.has(high * 0x100000000 + (low >>> 0))) return true
    this.stack.counters.LinkRxOtherHost++
    this.stack.drop(packet, 'link.other-host')
    return false
  }

  /** Where there is no link-layer header, IP's version tells what it is. */
  #guessType(packet: Packet): boolean {
    // What left by `lo` arrives with all that was known of it.
    if (this.isLoopback) return true
    if (packet.pullUp(1)) {
      packet.kind = PACKET_HOST
      const version = (packet.bytes[packet.start] ?? 0) >>> 4
      packet.etherType = version === 4 ? ethernet.TYPE_IPV4 : version === 6 ? ethernet.TYPE_IPV6 : 0
      return true
    }
    this.stack.counters.LinkRxTooShort++
    this.#rejectFrame(packet, 'link.too-short')
    return false
  }

  #rejectFrame(packet: Packet, reason: string): void {
    this.stats.rx_errors++
    this.stats.rx_length_errors++
    this.stack.drop(packet, reason)
  }

  #showArrival(packet: Packet, head: number): void {
    const inner = packet.start
    packet.start = head
    this.#showTaps(packet, false)
    packet.start = inner
  }

  #showTaps(packet: Packet, outgoing: boolean): void {
    for (let i = 0; i < this.taps.length; i++) (this.taps[i] as Tap)(packet, outgoing, this)
  }

  /** `ip link set NAME name NEW`: the caller saw to it that the name is free and valid. */
  rename(name: string): void {
    this.name = name
    this.stack.changes.link(this, NETDEV_CHANGE)
  }

  /**
   * Adds an address as `ip address add`, with its routes; 0, -EEXIST or -EINVAL. Broadcast address (0: none) and scope are its
   * network's and its kind's unless told otherwise.
   */
  addAddress(cidr: Cidr, told: { readonly broadcast?: number; readonly scope?: number } = {}): number {
    const { address, prefix } = cidr
    if (!(prefix >= 0 && prefix <= 32) || !ip4.isUnicast(address)) return -EINVAL
    if (this.addresses.some((a) => a.address === address && a.prefix === prefix)) return -EEXIST
    const isHost = this.isLoopback || ip4.isLoopback(address)
    const entry: InterfaceAddress = {
      address,
      prefix,
      broadcast: told.broadcast ?? (prefix < 31 && !isHost ? ip4.directedBroadcast(address, prefix) : 0),
      scope: told.scope ?? (isHost ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE),
      secondary: this.addresses.some((a) => a.prefix === prefix && ip4.inNetwork(address, a.address, prefix)),
    }
    this.addresses.push(entry)
    this.stack.addressAdded(this, entry)
    return 0
  }

  /** Removes an address, its routes and, as Linux without promote_secondaries, the secondaries of a primary. */
  removeAddress(cidr: Cidr): number {
    const entry = this.addresses.find((a) => a.address === cidr.address && a.prefix === cidr.prefix)
    if (entry === undefined) return -EADDRNOTAVAIL
    const isDoomed = (a: InterfaceAddress): boolean =>
      a === entry ||
      (!entry.secondary &&
        a.secondary &&
        a.prefix === entry.prefix &&
        ip4.inNetwork(a.address, entry.address, a.prefix))
    for (const doomed of this.addresses.filter(isDoomed)) {
      this.addresses.splice(this.addresses.indexOf(doomed), 1)
      this.stack.addressRemoved(this, doomed)
    }
    return 0
  }

  /** True if `address` is one of this interface's own. */
  hasAddress(address: number): boolean {
    for (let i = 0; i < this.addresses.length; i++)
      if ((this.addresses[i] as InterfaceAddress).address === address) return true
    return false
  }

  /** True if `address` is in one of this interface's subnets (inet_addr_onlink). */
  isOnLink(address: number): boolean {
    return this.addresses.some((a) => ip4.inNetwork(address, a.address, a.prefix))
  }

  /** The source address for a next hop (inet_select_addr): primary, of its subnet if there is one, of scope at most `scope`. */
  selectAddress(nextHop: number, scope: number): number {
    let first = 0
    for (const a of this.addresses) {
      if (a.secondary || a.scope > scope) continue
      if (nextHop === 0 || ip4.inNetwork(nextHop, a.address, a.prefix)) return a.address
      if (first === 0) first = a.address
    }
    return first
  }

  /** Sets the MTU; -EINVAL below IPv4's minimum of 68 or above 65536. */
  setMtu(mtu: number): number {
    if (!Number.isInteger(mtu) || mtu < MIN_MTU || mtu > MAX_MTU) return -EINVAL
    this.mtu = mtu
    this.stack.routes.invalidate()
    this.stack.changes.link(this, NETDEV_CHANGE)
    return 0
  }

  /** `ip link set NAME up|down`: down takes routes (not addresses) and neighbours away, up brings connected routes back. */
  setUp(up: boolean): void {
    if (this.up === up) return
    this.up = up
    if (up) this.stack.interfaceUp(this)
    else {
      this.#ring.clear()
      this.stack.interfaceDown(this)
    }
    this.stack.changes.link(this, up ? NETDEV_UP : NETDEV_DOWN, device.IFF_UP)
  }

  /** One more member of a group on this host (ip_mc_inc_group). */
  joinGroup(group: number): void {
    this.groups.set(group, (this.groups.get(group) ?? 0) + 1)
  }

  /** One member less (ip_mc_dec_group). */
  leaveGroup(group: number): void {
    const members = this.groups.get(group) ?? 0
    if (members > 1) this.groups.set(group, members - 1)
    else this.groups.delete(group)
  }

  /** True if frames to this multicast group are for us; 224.0.0.1 always is (RFC 1112 §7.2). */
  isMember(group: number): boolean {
    return group === ip4.ALL_HOSTS || this.groups.has(group)
  }
}
