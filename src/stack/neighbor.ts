/**
 * One neighbour: the hardware address behind an IPv4 address on an interface, with the states of RFC 4861 §7.3.2 as
 * Linux keeps them for ARP too (net/core/neighbour.c), and the packets that wait for it.
 *
 *   NONE -> INCOMPLETE -> REACHABLE -> STALE -> DELAY -> PROBE -> REACHABLE
 *               \-> FAILED                         \-> FAILED
 */
import type { Packet } from '../buf/packet.ts'
import { PacketQueue } from '../link/queue.ts'
import { type Micros, Timer } from '../sys/clock.ts'
import { get16, get32 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Arp } from './arp.ts'
import type { Interface } from './interface.ts'

/** States, with Linux's numbers (linux/neighbour.h). */
export const NUD_NONE = 0x00
export const NUD_INCOMPLETE = 0x01
export const NUD_REACHABLE = 0x02
export const NUD_STALE = 0x04
export const NUD_DELAY = 0x08
export const NUD_PROBE = 0x10
export const NUD_FAILED = 0x20
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80

/** The address may be used without asking. */
const NUD_CONNECTED = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE
/** There is an address. */
export const NUD_VALID: number = NUD_CONNECTED | NUD_PROBE | NUD_STALE | NUD_DELAY
/** The timer runs. */
const NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE

/** Flags of `update`. */
export const NEIGH_UPDATE_OVERRIDE = 1
export const NEIGH_UPDATE_ADMIN = 2

/** Shortest time a timer is set for (HZ/100). */
const LEAST_TIMER: Micros = 10_000
const SECOND: Micros = 1_000_000

/** The entry's timer. */
class NeighborTimer extends Timer {
  readonly #neighbor: Neighbor
  constructor(of: Neighbor) {
    super()
    this.#neighbor = of
  }
  override fire(now: Micros): void {
    this.#neighbor.timeout(now)
  }
}

export class Neighbor {
  readonly arp: Arp
  readonly interface: Interface
  readonly address: number
  state: number = NUD_NONE
  readonly mac: Uint8Array = new Uint8Array(ethernet.ADDR_LEN)
  /** May be sent to without looking at the state. */
  connected = false
  /** Taken out of the table: look the neighbour up again. */
  dead = false
  confirmed: Micros
  used: Micros
  updated: Micros
  probes = 0
  /** The first 12 bytes of the frame header, as three words. */
  #word0 = 0
  #word1 = 0
  #word2 = 0
  readonly #pending: PacketQueue = new PacketQueue()
  readonly #timer: NeighborTimer = new NeighborTimer(this)

  constructor(arp: Arp, at: Interface, address: number) {
    this.arp = arp
    this.interface = at
    this.address = address
    const now = arp.stack.clock.now()
    this.updated = this.used = now
    this.confirmed = now - arp.stack.sysctl.base_reachable_time_ms * 2000
    this.#cacheHeader()
  }

  /** Packets that wait for the address. */
  get pending(): number {
    return this.#pending.length
  }

  /**
   * Sends an IPv4 packet, `start` at its header, to this neighbour; waits for the address if need be. Consumes the
   * packet. 0 (also when it waits, as in Linux), or -errno.
   */
  output(packet: Packet): number {
    if (!this.connected && !this.#mayUse(packet)) return 0
    const at = (packet.start -= ethernet.HDR_LEN)
    const view = packet.view
    view.setInt32(at, this.#word0)
    view.setInt32(at + 4, this.#word1)
    view.setInt32(at + 8, this.#word2)
    view.setUint16(at + 12, ethernet.TYPE_IPV4)
    return this.interface.xmit(packet)
  }

  /** An upper layer heard from beyond this neighbour, in the batch of received packets being handled unless told when. */
  confirm(at: Micros = this.arp.stack.receivedAt): void {
    if (at > this.confirmed) this.confirmed = at
  }

  /** Fixes the address for good: `ip neigh add … nud permanent`, broadcast and multicast (NOARP). */
  fix(hardware: Uint8Array, state: number): void {
    this.#setState(state)
    this.arp.stack.clock.stop(this.#timer)
    this.#setMac(hardware, 0)
    this.connected = true
    this.confirmed = this.updated = this.arp.stack.clock.now()
    this.#tell()
    this.#flushPending()
  }

  /** neigh_event_send: true if there is an address to send to now; else the packet is queued (or dropped) and ARP asks. */
  #mayUse(packet: Packet): boolean {
    if ((this.state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) !== 0) return true
    const { clock, sysctl } = this.arp.stack
    const now = clock.now()
    this.used = now
    if (this.dead) {
      this.arp.reportUnreachable(packet)
      return false
    }
    if (this.state === NUD_STALE) {
      this.#setState(NUD_DELAY)
      this.updated = now
      clock.start(this.#timer, now + sysctl.delay_first_probe_time * SECOND)
      return true
    }
    this.#hold(packet)
    if (this.state !== NUD_INCOMPLETE) {
      this.probes = sysctl.ucast_solicit
      this.#setState(NUD_INCOMPLETE)
      this.updated = now
      clock.start(this.#timer, now + this.#retransTime())
      this.#probe()
    }
    return false
  }

  /** Queues a packet until the address is known; the oldest go when `unres_qlen_bytes` is reached. */
  #hold(packet: Packet): void {
    const { counters, sysctl } = this.arp.stack
    // The sender's account stays charged, as on Linux: a socket cannot fill this queue beyond its own buffer.
    while (this.#pending.length > 0 && this.#pending.bytes + packet.length > sysctl.unres_qlen_bytes) {
      counters.ArpPendingDrops++
      this.arp.stack.drop(this.#pending.shift() as Packet, 'arp.pending-full')
    }
    this.#pending.push(packet)
  }

  /** neigh_timer_handler. */
  timeout(now: Micros): void {
    const { clock, sysctl } = this.arp.stack
    const before = this.state
    let next = now + this.#retransTime()
    if (this.state === NUD_REACHABLE) {
      const until = this.confirmed + this.arp.reachableTime
      const inUse = this.used + sysctl.delay_first_probe_time * SECOND
      if (now < until) next = until
      else {
        this.updated = now
        this.#setState(now < inUse ? NUD_DELAY : NUD_STALE)
        next = now + sysctl.delay_first_probe_time * SECOND
      }
    } else if (this.state === NUD_DELAY) {
      if (now < this.confirmed + sysctl.delay_first_probe_time * SECOND) {
        this.updated = now
        this.#setState(NUD_REACHABLE)
        next = this.confirmed + this.arp.reachableTime
      } else {
        this.updated = now
        this.probes = 0
        this.#setState(NUD_PROBE)
      }
    }
    const asks = (this.state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0
    if (asks && this.probes >= this.#maxProbes()) {
      this.updated = now
      this.#setState(NUD_FAILED)
      this.#tell()
      this.#invalidate()
      return
    }
    if ((this.state & NUD_IN_TIMER) !== 0) clock.start(this.#timer, Math.max(next, now + LEAST_TIMER))
    if (this.state !== before && this.state !== NUD_DELAY) this.#tell()
    if (asks) this.#probe()
  }

  /** Something that programs want to know of has changed (neigh_update_notify). Not for entries that are in no table. */
  #tell(): void {
    if (this.interface.neighbors.get(this.address) === this) this.arp.stack.changes.neighbor(this, false)
  }

  /**
   * Something was heard about this neighbour (neigh_update): a hardware address at `hardware[at]` and the state that
   * the message is worth. Without `NEIGH_UPDATE_OVERRIDE` a different address does not replace a valid one.
   */
  update(hardware: Uint8Array, at: number, state: number, flags: number): void {
    const { clock } = this.arp.stack
    if ((flags & NEIGH_UPDATE_ADMIN) === 0 && (this.state & (NUD_NOARP | NUD_PERMANENT)) !== 0) return
    const now = clock.now()
    const wasValid = (this.state & NUD_VALID) !== 0
    const isSame = wasValid && ethernet.sameAddress(this.mac, 0, hardware, at)
    if ((state & NUD_CONNECTED) !== 0) this.confirmed = now
    if (wasValid) {
      if (!isSame && (flags & NEIGH_UPDATE_OVERRIDE) === 0) return
      if (isSame && state === NUD_STALE && (flags & NEIGH_UPDATE_ADMIN) === 0) state = this.state
    }
    const isChanged = state !== this.state || !isSame
    if (isChanged) this.updated = now
    if (state !== this.state) {
      clock.stop(this.#timer)
      this.#setState(state)
      if ((state & NUD_IN_TIMER) !== 0)
        clock.start(this.#timer, now + (state === NUD_REACHABLE ? this.arp.reachableTime : 0))
    }
    if (!isSame) {
      this.#setMac(hardware, at)
      if ((state & NUD_CONNECTED) === 0) this.confirmed = now - this.arp.stack.sysctl.base_reachable_time_ms * 2000
    }
    if (isChanged) this.#tell()
    if (!wasValid) this.#flushPending()
  }

  /** The administrator says that nobody is there (neigh_delete). */
  fail(): void {
    this.arp.stack.clock.stop(this.#timer)
    this.#setState(NUD_FAILED)
    this.#tell()
  }

  /** Takes the entry out of use; what waits is dropped. */
  kill(): void {
    this.dead = true
    this.connected = false
    this.#setState(NUD_NONE)
    this.arp.stack.clock.remove(this.#timer)
    this.#pending.clear()
  }

  #setState(state: number): void {
    this.state = state
    this.connected = (state & NUD_CONNECTED) !== 0
  }

  #setMac(hardware: Uint8Array, at: number): void {
    ethernet.copyAddress(hardware, at, this.mac, 0)
    this.#cacheHeader()
  }

  #cacheHeader(): void {
    const own = this.interface.mac
    this.#word0 = get32(this.mac, 0)
    this.#word1 = (get16(this.mac, 4) << 16) | get16(own, 0)
    this.#word2 = get32(own, 2)
  }

  #retransTime(): Micros {
    return Math.max(this.arp.stack.sysctl.retrans_time_ms * 1000, LEAST_TIMER)
  }

  #maxProbes(): number {
    const { ucast_solicit, mcast_solicit, app_solicit } = this.arp.stack.sysctl
    return ucast_solicit + app_solicit + (this.state === NUD_PROBE ? 0 : mcast_solicit)
  }

  /** arp_solicit: the first `ucast_solicit` probes of a known address go to it alone. */
  #probe(): void {
    const isUnicast = this.probes < this.arp.stack.sysctl.ucast_solicit && this.state === NUD_PROBE
    this.probes++
    this.arp.solicit(this, this.#pending.first, isUnicast)
  }

  #flushPending(): void {
    // Only what waits now: sending may queue again if the state changed meanwhile.
    for (let n = this.#pending.length; n > 0 && (this.state & NUD_VALID) !== 0; n--)
      this.output(this.#pending.shift() as Packet)
  }

  /** The neighbour does not answer: every waiting packet's sender is told (neigh_invalidate, arp_error_report). */
  #invalidate(): void {
    for (let n = this.#pending.length; n > 0 && this.state === NUD_FAILED; n--) {
      this.arp.reportUnreachable(this.#pending.shift() as Packet)
    }
    // neigh_invalidate purges the rest.
    if (this.state === NUD_FAILED) this.#pending.clear()
  }
}
