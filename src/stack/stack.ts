/**
 * A network namespace (Linux's struct net): interfaces, addresses, routes, neighbours, sysctls and counters of one host,
 * and the table of network protocols by EtherType. Transports register with `ipv4`; a network protocol registers here.
 */

import * as cidr from '../addr/cidr.ts'
import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import type { Packet } from '../buf/packet.ts'
import { PacketPool } from '../buf/pool.ts'
import { Ipv4 } from '../ip/ipv4.ts'
import type { Link } from '../link/link.ts'
import { Loopback } from '../link/loopback.ts'
import type { Clock, Micros } from '../sys/clock.ts'
import { Counters } from '../sys/counters.ts'
import type { Random } from '../sys/random.ts'
import { Sysctls } from '../sys/sysctl.ts'
import { Trace } from '../sys/trace.ts'
import * as ethernet from '../wire/ethernet.ts'
import { Arp } from './arp.ts'
import { Changes, NETDEV_REGISTER, NETDEV_UNREGISTER } from './changes.ts'
import { Interface, type InterfaceAddress, LOOPBACK_INDEX } from './interface.ts'
import {
  type Route,
  RouteTable,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_TABLE_LOCAL,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_UNICAST,
  RTPROT_KERNEL,
} from './route.ts'

/** Number of the first socket or pipe of a host. */
const FIRST_INODE = 10000

export interface StackOptions {
  /** The host's name in traces. */
  readonly name?: string
  readonly clock: Clock
  readonly random: Random
  /** Shared by the hosts of one clock, if given. */
  readonly pool?: PacketPool
  readonly trace?: Trace
  readonly sysctl?: Sysctls
}

export interface InterfaceOptions {
  /** Hardware address; else the link's, else one is drawn. */
  readonly mac?: Uint8Array | string
  /** Addresses in CIDR notation. */
  readonly addresses?: readonly string[]
  /** The link's unless told otherwise. */
  readonly mtu?: number
}

/** A network protocol, registered under its EtherType. */
export interface NetworkProtocol {
  /** A packet whose `start` and `l3` are at this protocol's header; `interface` and `kind` are set. Ownership passes. */
  input(packet: Packet): void
}

export class Stack {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly pool: PacketPool
  readonly trace: Trace
  readonly sysctl: Sysctls
  readonly counters: Counters = new Counters()
  /** In order of their index. */
  readonly interfaces: Interface[] = []
  /** Tells who listens what changed. */
  readonly changes: Changes = new Changes()
  readonly routes: RouteTable = new RouteTable(this.changes)
  readonly arp: Arp
  readonly ipv4: Ipv4
  /** 127.0.0.1/8. */
  readonly lo: Interface
  /** When the batch of received packets being handled, or the last one, was begun: a time that costs nothing to read. */
  receivedAt: Micros = 0
  readonly #protocols: Map<number, NetworkProtocol> = new Map()
  #nextIndex: number = LOOPBACK_INDEX
  #nextInode = FIRST_INODE
  #lastType = -1
  #lastProtocol: NetworkProtocol | undefined

  constructor(options: StackOptions) {
    this.name = options.name ?? ''
    this.clock = options.clock
    this.random = options.random
    this.pool = options.pool ?? new PacketPool()
    this.trace = options.trace ?? new Trace()
    this.sysctl = options.sysctl ?? new Sysctls()
    this.counters.IpDefaultTTL = this.sysctl.ip_default_ttl
    this.arp = new Arp(this)
    this.ipv4 = new Ipv4(this)
    this.register(ethernet.TYPE_ARP, this.arp)
    this.register(ethernet.TYPE_IPV4, this.ipv4)
    this.lo = this.addInterface('lo', new Loopback(this.clock), { mac: mac.zero(), addresses: ['127.0.0.1/8'] })
  }

  /** Hands packets of this EtherType to `protocol` from now on. */
  register(etherType: number, protocol: NetworkProtocol): void {
    this.#protocols.set(etherType, protocol)
    this.#lastType = -1
  }

  /** A number for a socket or a pipe (get_next_ino). */
  readonly nextInode = (): number => this.#nextInode++

  /** Adds an interface on one end of a link; it is up. A RangeError tells what is wrong with name or addresses. */
  addInterface(name: string, link: Link, options: InterfaceOptions = {}): Interface {
    if (!/^[^\s/]{1,15}$/.test(name)) throw new RangeError(`name: not an interface name: ${JSON.stringify(name)}`)
    if (this.interface(name) !== undefined) throw new RangeError(`name: interface exists: ${name}`)
    const addresses = (options.addresses ?? []).map((text) => {
      const parsed = cidr.parse(text)
      if (parsed === undefined || !ip4.isUnicast(parsed.address))
        throw new RangeError(`addresses: not a host's: ${text}`)
      return parsed
    })
    const hardware = this.#hardwareAddress(link, options.mac)
    const added = new Interface(this, {
      name,
      link,
      index: this.#nextIndex++,
      mac: hardware,
      mtu: options.mtu ?? link.mtu,
    })
    this.interfaces.push(added)
    this.changes.link(added, NETDEV_REGISTER)
    for (const address of addresses) added.addAddress(address)
    this.routes.invalidate()
    return added
  }

  /** Takes an interface away, with its addresses, routes and neighbours; the link is closed. */
  removeInterface(gone: Interface): void {
    const at = this.interfaces.indexOf(gone)
    if (at < 0 || gone === this.lo) return
    gone.setUp(false)
    while (gone.addresses.length > 0) gone.removeAddress(gone.addresses[0] as InterfaceAddress)
    this.interfaces.splice(at, 1)
    gone.link.attach(undefined)
    gone.link.close()
    this.routes.invalidate()
    this.changes.link(gone, NETDEV_UNREGISTER)
  }

  /** Takes everything down: interfaces, links, neighbours, timers, packets that wait. The stack must not be used again. */
  close(): void {
    for (const each of [...this.interfaces].reverse()) {
      each.setUp(false)
      each.link.attach(undefined)
      each.link.close()
    }
    this.arp.conflicts.close()
    this.ipv4.reassembler.close()
  }

  /** The interface of this name. */
  interface(name: string): Interface | undefined {
    return this.interfaces.find((i) => i.name === name)
  }

  /** The interface with this index (if_indextoname). */
  interfaceByIndex(index: number): Interface | undefined {
    const guess = this.interfaces[index - 1]
    return guess?.index === index ? guess : this.interfaces.find((i) => i.index === index)
  }

  /** The interface that has `address` (__ip_dev_find); an address of 127/8 is `lo`'s. */
  interfaceWith(address: number): Interface | undefined {
    for (let i = 0; i < this.interfaces.length; i++) {
      const candidate = this.interfaces[i] as Interface
      if (candidate.hasAddress(address)) return candidate
    }
    return this.routes.lookupLocal(address)?.type === RTN_LOCAL ? this.lo : undefined
  }

  /** Gives a received packet to its network protocol: the registration table's only use. */
  inputNetwork(packet: Packet): void {
    if (packet.etherType !== this.#lastType) {
      this.#lastType = packet.etherType
      this.#lastProtocol = this.#protocols.get(packet.etherType)
    }
    if (this.#lastProtocol !== undefined) this.#lastProtocol.input(packet)
    else {
      this.counters.LinkRxUnknownProtocol++
      ;(packet.interface as Interface).stats.rx_dropped++
      this.drop(packet, 'link.unknown-protocol')
    }
  }

  /** Releases a packet that is given up, showing it to who watches. The caller counts. */
  drop(packet: Packet, reason: string): void {
    if (this.trace.drop !== null) this.trace.drop(packet, reason, this.name)
    packet.release()
  }

  /** Routes that an address brings along (fib_add_ifaddr), and word to the neighbours. */
  addressAdded(at: Interface, entry: InterfaceAddress): void {
    this.changes.address(at, entry, false)
    this.#addLocalRoute(at, entry)
    if (at.up) {
      this.#addConnectedRoutes(at, entry)
      if (this.sysctl.arp_notify !== 0) this.arp.announce(at, entry.address)
    }
    this.routes.invalidate()
  }

  /** The reverse (fib_del_ifaddr): routes by this address and those that prefer it as source. */
  addressRemoved(at: Interface, gone: InterfaceAddress): void {
    this.changes.address(at, gone, true)
    const before = this.changes.listeners.length > 0 ? this.routes.list() : []
    this.routes.isSilent = true
    const { address } = gone
    const isElsewhere = this.interfaces.some((i) => i.hasAddress(address))
    this.routes.removeIf(
      (r) => r.source === address && (!isElsewhere || r.interface === at || r.table === RT_TABLE_LOCAL),
    )
    // What the rest of the addresses need and the removal may have taken with it.
    for (const each of this.interfaces) {
      for (const entry of each.addresses) {
        this.#addLocalRoute(each, entry)
        if (each.up) this.#addConnectedRoutes(each, entry)
      }
    }
    this.routes.isSilent = false
    this.#tellRemoved(before)
    this.arp.forgetAddress(at, address)
    this.routes.invalidate()
  }

  /** fib_del_ifaddr tells of the routes that came with the address; those an administrator made go in silence. */
  #tellRemoved(before: readonly Route[]): void {
    const order = (r: Route): number => (r.prefix < 32 ? 0 : r.type === RTN_BROADCAST ? 1 : 2)
    for (const route of [...before].sort((a, b) => order(a) - order(b))) {
      const isThere = (r: Route): boolean => r.destination === route.destination && r.prefix === route.prefix
      if (route.protocol === RTPROT_KERNEL && !this.routes.list(route.table).some(isThere))
        this.changes.route(route, true)
    }
  }

  interfaceUp(at: Interface): void {
    for (const entry of at.addresses) {
      this.#addConnectedRoutes(at, entry)
      if (this.sysctl.arp_notify !== 0) this.arp.announce(at, entry.address)
    }
    this.routes.invalidate()
  }

  /** fib_disable_ip: all routes by the interface go, but its addresses stay this host's. */
  interfaceDown(at: Interface): void {
    this.routes.isSilent = true
    this.routes.removeIf((r) => r.interface === at && r.type !== RTN_LOCAL)
    this.routes.isSilent = false
    this.arp.flush(at)
    this.routes.invalidate()
  }

  #addLocalRoute(at: Interface, entry: InterfaceAddress): void {
    const isPrimary = (a: InterfaceAddress): boolean =>
      !a.secondary && a.prefix === entry.prefix && ip4.inNetwork(entry.address, a.address, a.prefix)
    this.routes.add({
      destination: entry.address,
      prefix: 32,
      type: RTN_LOCAL,
      interface: at,
      // What a host sends to a secondary address of its own comes from the primary one.
      source: (entry.secondary ? at.addresses.find(isPrimary) : undefined)?.address ?? entry.address,
      scope: RT_SCOPE_HOST,
      protocol: RTPROT_KERNEL,
    })
  }

  #addConnectedRoutes(at: Interface, entry: InterfaceAddress): void {
    const { address, prefix, broadcast } = entry
    const common = { interface: at, source: address, protocol: RTPROT_KERNEL, scope: RT_SCOPE_LINK }
    const network = address & ip4.mask(prefix)
    if (broadcast !== 0) this.routes.add({ ...common, destination: broadcast, prefix: 32, type: RTN_BROADCAST })
    if (entry.secondary || network === 0 || (network === address && prefix === 32) || prefix === 32) return
    if (at.isLoopback)
      this.routes.add({ ...common, destination: network, prefix, type: RTN_LOCAL, scope: RT_SCOPE_HOST })
    else this.routes.add({ ...common, destination: network, prefix, type: RTN_UNICAST })
    const last = network | ~ip4.mask(prefix)
    if (prefix < 31 && last !== broadcast)
      this.routes.add({ ...common, destination: last, prefix: 32, type: RTN_BROADCAST })
  }

  #hardwareAddress(link: Link, wanted: Uint8Array | string | undefined): Uint8Array {
    const given = typeof wanted === 'string' ? mac.parse(wanted) : wanted
    if (wanted !== undefined && given?.length !== mac.LENGTH)
      throw new RangeError(`mac: not six bytes: ${String(wanted)}`)
    if (given !== undefined) return given.slice()
    if (link.mac !== undefined) return link.mac.slice()
    // A locally administered unicast address (eth_random_addr).
    const drawn = mac.zero()
    for (let i = 0; i < mac.LENGTH; i++) drawn[i] = this.random.below(256)
    drawn[0] = ((drawn[0] ?? 0) & 0xfe) | 0x02
    return drawn
  }
}
