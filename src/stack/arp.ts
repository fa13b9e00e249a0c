/**
 * ARP, RFC 826 as Linux does it (net/ipv4/arp.c), over the neighbour entries of the interfaces: questions and answers,
 * announcements, which addresses to believe, and garbage collection of entries.
 */

import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import type { Packet } from '../buf/packet.ts'
import { PACKET_HOST } from '../buf/packet.ts'
import type { Micros } from '../sys/clock.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { Conflicts } from './conflict.ts'
import type { Interface } from './interface.ts'
import {
  NEIGH_UPDATE_OVERRIDE,
  Neighbor,
  NUD_FAILED,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_REACHABLE,
  NUD_STALE,
} from './neighbor.ts'
import { RT_SCOPE_LINK, RTN_LOCAL } from './route.ts'
import type { NetworkProtocol, Stack } from './stack.ts'

/** After an answer, others within this time do not replace it (locktime, 1 s). */
const LOCK_TIME: Micros = 1_000_000
/** A new random reachable time is drawn this often (neigh_periodic_work). */
const REACHABLE_TIME_DRAWN_EVERY: Micros = 300_000_000
/** Between gc_thresh2 and gc_thresh3 a forced collection runs this often at most. */
const FORCED_GC_EVERY: Micros = 5_000_000

const BROADCAST_MAC: Uint8Array = mac.broadcast()
const ZERO_MAC: Uint8Array = mac.zero()

export class Arp implements NetworkProtocol {
  readonly stack: Stack
  readonly conflicts: Conflicts
  /** Entries of all interfaces, fixed ones of broadcast and multicast not counted. */
  entries = 0
  #reachableTime: Micros = 0
  #reachableDrawn: Micros = -Infinity
  #collected: Micros = -Infinity

  constructor(stack: Stack) {
    this.stack = stack
    this.conflicts = new Conflicts(stack, this)
  }

  /** How long a confirmation is good for: base_reachable_time times 0.5 to 1.5 (RFC 4861 §6.3.2). */
  get reachableTime(): Micros {
    const now = this.stack.clock.now()
    if (now - this.#reachableDrawn >= REACHABLE_TIME_DRAWN_EVERY) {
      this.#reachableDrawn = now
      this.#reachableTime = Math.floor(
        this.stack.sysctl.base_reachable_time_ms * 1000 * (0.5 + this.stack.random.float()),
      )
    }
    return this.#reachableTime
  }

  /** The entry for `address` on an interface, made if absent; null if the table is full. */
  neighbor(at: Interface, address: number): Neighbor | null {
    const found = at.neighbors.get(address)
    if (found !== undefined) return found
    if (!this.#makeRoom()) {
      this.stack.counters.ArpTableFull++
      return null
    }
    const made = new Neighbor(this, at, address)
    at.neighbors.set(address, made)
    this.entries++
    return made
  }

  /** An entry that needs no asking: broadcast or a multicast group's mapped address (arp_constructor). Not in the table. */
  fixedNeighbor(at: Interface, address: number, isBroadcast: boolean): Neighbor {
    const made = new Neighbor(this, at, address)
    const hardware = mac.broadcast()
    if (!isBroadcast) ethernet.putMulticast4(hardware, 0, address)
    made.fix(hardware, NUD_NOARP)
    return made
  }

  /** `ip neigh add ADDRESS lladdr MAC nud permanent`; false if the table is full. */
  addPermanent(at: Interface, address: number, hardware: Uint8Array): boolean {
    const entry = this.neighbor(at, address)
    entry?.fix(hardware, NUD_PERMANENT)
    return entry !== null
  }

  /** `ip neigh del`: forgets one neighbour. */
  remove(at: Interface, address: number): boolean {
    const entry = at.neighbors.get(address)
    if (entry === undefined) return false
    entry.fail()
    this.#remove(entry)
    return true
  }

  /** Forgets the neighbours of an interface (neigh_ifdown). */
  flush(at: Interface): void {
    for (const entry of [...at.neighbors.values()]) this.#remove(entry)
  }

  /** An address of ours went away. */
  forgetAddress(at: Interface, address: number): void {
    this.conflicts.forget(at, address)
  }

  #remove(entry: Neighbor): void {
    if (entry.interface.neighbors.delete(entry.address)) this.entries--
    this.stack.changes.neighbor(entry, true)
    entry.kill()
  }

  /** neigh_alloc: collects entries above the thresholds; false if there is no room for one more. */
  #makeRoom(): boolean {
    const { sysctl, clock } = this.stack
    if (this.entries < sysctl.gc_thresh1) return true
    const now = clock.now()
    if (now - this.#collected >= (sysctl.base_reachable_time_ms * 1000) / 2)
      this.#collect(now, sysctl.gc_stale_time * 1_000_000)
    const isOver = this.entries >= sysctl.gc_thresh3
    if (isOver || (this.entries >= sysctl.gc_thresh2 && now - this.#collected >= FORCED_GC_EVERY)) this.#collect(now, 0)
    return this.entries < sysctl.gc_thresh3
  }

  /** Removes failed entries and those nobody used for `age`; with age 0 all that are not in use this moment. */
  #collect(now: Micros, age: Micros): void {
    this.#collected = now
    for (const at of this.stack.interfaces) {
      for (const entry of [...at.neighbors.values()]) {
        if ((entry.state & NUD_PERMANENT) !== 0 || entry.pending > 0) continue
        const idle = now - Math.max(entry.used, entry.confirmed, entry.updated)
        const isStale = age > 0 ? idle > age : entry.state !== NUD_REACHABLE && idle > FORCED_GC_EVERY
        if (entry.state === NUD_FAILED || isStale) this.#remove(entry)
      }
    }
  }

  /** Asks for a neighbour's hardware address on behalf of `packet` (arp_solicit, arp_announce 0). */
  solicit(entry: Neighbor, packet: Packet | null, isUnicast: boolean): void {
    const at = entry.interface
    const wanted = packet !== null && packet.l3 >= 0 ? ipv4.src(packet.bytes, packet.l3) : 0
    const isOurs = wanted !== 0 && this.stack.routes.lookupLocal(wanted)?.type === RTN_LOCAL
    const source = isOurs ? wanted : at.selectAddress(entry.address, RT_SCOPE_LINK)
    this.send(at, arp.OP_REQUEST, source, entry.address, isUnicast ? entry.mac : null)
  }

  /** Says that `address` is ours: a gratuitous request (RFC 5227 §2.3, arp_notify). */
  announce(at: Interface, address: number): void {
    if (at.usesArp && !at.isLoopback) this.send(at, arp.OP_REQUEST, address, address, null)
  }

  /** Sends one packet; to `to`, or to everybody if null. */
  send(at: Interface, operation: number, sender: number, target: number, to: Uint8Array | null): void {
    const isRequest = operation === arp.OP_REQUEST
    if (isRequest) this.stack.counters.ArpOutRequests++
    else this.stack.counters.ArpOutReplies++
    const packet = this.stack.pool.allocHeader(arp.HDR_LEN)
    packet.l3 = packet.put(arp.HDR_LEN)
    packet.etherType = ethernet.TYPE_ARP
    // The target hardware address of a broadcast request is what is asked for: zero (RFC 5227 §1.1).
    arp.emit(packet.bytes, packet.l3, operation, at.mac, sender, to ?? ZERO_MAC, target)
    ethernet.emit(packet.bytes, packet.push(ethernet.HDR_LEN), to ?? BROADCAST_MAC, at.mac, ethernet.TYPE_ARP)
    at.xmit(packet)
  }

  /** The next hop of this packet does not answer: its sender gets host unreachable (ipv4_link_failure). */
  reportUnreachable(packet: Packet): void {
    this.stack.ipv4.icmp.send(icmp.UNREACHABLE, icmp.HOST_UNREACHABLE, 0, packet)
    this.stack.drop(packet, 'arp.unreachable')
  }

  /** arp_rcv and arp_process. */
  input(packet: Packet): void {
    const at = packet.interface as Interface
    const isValid = at.usesArp && packet.pullUp(arp.HDR_LEN) && arp.check(packet.bytes, packet.start, packet.end)
    const operation = isValid ? arp.operation(packet.bytes, packet.start) : 0
    if (operation === arp.OP_REQUEST) this.stack.counters.ArpInRequests++
    else if (operation === arp.OP_REPLY) this.stack.counters.ArpInReplies++
    else {
      this.stack.counters.ArpInErrors++
      this.stack.drop(packet, 'arp.malformed')
      return
    }
    if (packet.kind <= 2) this.#process(at, packet, operation)
    packet.release()
  }

  #process(at: Interface, packet: Packet, operation: number): void {
    const b = packet.bytes
    const o = packet.start
    const sender = arp.senderIp(b, o)
    const target = arp.targetIp(b, o)
    const hardware = arp.senderMacOffset(o)
    if (ip4.isMulticast(target) || ip4.isLoopback(target)) return
    this.conflicts.look(at, packet)
    const isLocal = this.stack.routes.lookupLocal(target)?.type === RTN_LOCAL
    if (sender === 0) {
      // RFC 5227 §2.1.1: a probe; answer to defend, learn nothing.
      if (operation === arp.OP_REQUEST && isLocal) this.#reply(at, packet, target)
      return
    }
    if (!ip4.isUnicast(sender) || ip4.isLoopback(sender) || mac.isMulticast(b, hardware)) return
    // Somebody claims an address of ours: nothing to learn (ip_route_input rejects it as a martian source).
    if (this.stack.routes.lookupLocal(sender)?.type === RTN_LOCAL) return
    if (operation === arp.OP_REQUEST && isLocal) {
      const asker = this.neighbor(at, sender)
      asker?.update(b, hardware, NUD_STALE, NEIGH_UPDATE_OVERRIDE)
      this.#reply(at, packet, target)
      return
    }
    // arp_accept 0: what was not asked for updates entries that exist and makes none.
    const entry = at.neighbors.get(sender)
    if (entry === undefined) return
    const isGratuitous = target === sender && (operation === arp.OP_REQUEST || this.#isGratuitousReply(packet))
    const override = isGratuitous || this.stack.clock.now() > entry.updated + LOCK_TIME
    const isAnswer = operation === arp.OP_REPLY && packet.kind === PACKET_HOST
    entry.update(b, hardware, isAnswer ? NUD_REACHABLE : NUD_STALE, override ? NEIGH_UPDATE_OVERRIDE : 0)
  }

  /** arp_is_garp: a gratuitous reply names the sender's hardware address as target too (RFC 2002 §4.6). */
  #isGratuitousReply(packet: Packet): boolean {
    const b = packet.bytes
    return ethernet.sameAddress(b, arp.senderMacOffset(packet.start), b, arp.targetMacOffset(packet.start))
  }

  /** Answers a request for `address` (arp_ignore 0: any address of this host, asked for on any interface). */
  #reply(at: Interface, packet: Packet, address: number): void {
    const { arp_ignore } = this.stack.sysctl
    if (arp_ignore >= 8) return
    if (arp_ignore >= 1 && !at.hasAddress(address)) return
    const asker = arp.senderMacOffset(packet.start)
    this.send(
      at,
      arp.OP_REPLY,
      address,
      arp.senderIp(packet.bytes, packet.start),
      packet.bytes.slice(asker, asker + mac.LENGTH),
    )
  }
}
