/**
 * IPv4 address conflict detection, RFC 5227: probe before an address is used, announce it, notice when somebody else
 * uses it, and defend it. (Linux leaves this to DHCP clients and systemd-networkd; the rules are theirs.)
 */

import type { Cidr } from '../addr/cidr.ts'
import type { Packet } from '../buf/packet.ts'
import { type Micros, Timer } from '../sys/clock.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Arp } from './arp.ts'
import type { Interface } from './interface.ts'
import type { Stack } from './stack.ts'

/** The times and numbers of RFC 5227 §1.1. */
export const PROBE_WAIT: Micros = 1_000_000
export const PROBE_NUM = 3
export const PROBE_MIN: Micros = 1_000_000
export const PROBE_MAX: Micros = 2_000_000
export const ANNOUNCE_WAIT: Micros = 2_000_000
export const ANNOUNCE_NUM = 2
export const ANNOUNCE_INTERVAL: Micros = 2_000_000
export const MAX_CONFLICTS = 10
export const RATE_LIMIT_INTERVAL: Micros = 60_000_000
export const DEFEND_INTERVAL: Micros = 10_000_000

/** Addresses being probed at a time, on all interfaces. */
export const MAX_ACQUISITIONS = 256

/** §2.4: keep the address and defend it (c), or give it up at the second conflict within DEFEND_INTERVAL (b). */
export type ConflictPolicy = 'defend' | 'abandon'

/** One address on its way to being ours: probes, then announcements. */
class Acquisition extends Timer {
  readonly interface: Interface
  readonly cidr: Cidr
  readonly done: (acquired: boolean) => void
  probes = 0
  announcements = 0
  readonly #conflicts: Conflicts

  constructor(conflicts: Conflicts, at: Interface, cidr: Cidr, done: (acquired: boolean) => void) {
    super()
    this.#conflicts = conflicts
    this.interface = at
    this.cidr = cidr
    this.done = done
  }

  override fire(now: Micros): void {
    this.#conflicts.advance(this, now)
  }
}

/** When an address of ours was last defended. */
interface Defence {
  readonly interface: Interface
  readonly address: number
  time: Micros
}

export class Conflicts {
  /** What to do when somebody else uses an address of ours. */
  policy: ConflictPolicy = 'defend'
  /** Somebody at `mac` (lent) uses our `address`; `isAbandoned` if it was given up. Must not call back into the stack. */
  onConflict: ((at: Interface, address: number, mac: Uint8Array, isAbandoned: boolean) => void) | null = null
  readonly #stack: Stack
  readonly #arp: Arp
  readonly #acquisitions: Acquisition[] = []
  readonly #defences: Defence[] = []
  #failures = 0

  constructor(stack: Stack, owner: Arp) {
    this.#stack = stack
    this.#arp = owner
  }

  /**
   * Probes for an address and, if nobody objects, adds it to the interface and announces it (§2.1, §2.3). `done` hears
   * once whether it is ours. False if too many are under way.
   */
  acquire(at: Interface, cidr: Cidr, done: (acquired: boolean) => void): boolean {
    if (this.#acquisitions.length >= MAX_ACQUISITIONS) return false
    const acquisition = new Acquisition(this, at, cidr, done)
    this.#acquisitions.push(acquisition)
    const { clock, random } = this.#stack
    // §2.1.1: after MAX_CONFLICTS failures no more than one attempt in RATE_LIMIT_INTERVAL.
    const penalty = this.#failures >= MAX_CONFLICTS ? RATE_LIMIT_INTERVAL : 0
    clock.start(acquisition, clock.now() + penalty + random.below(PROBE_WAIT))
    return true
  }

  /** The next probe or announcement of `acquisition` is due. */
  advance(acquisition: Acquisition, now: Micros): void {
    const { clock, random } = this.#stack
    const { interface: at, cidr } = acquisition
    if (acquisition.probes < PROBE_NUM) {
      acquisition.probes++
      this.#arp.send(at, arp.OP_REQUEST, 0, cidr.address, null)
      const pause = acquisition.probes < PROBE_NUM ? PROBE_MIN + random.below(PROBE_MAX - PROBE_MIN) : ANNOUNCE_WAIT
      clock.start(acquisition, now + pause)
      return
    }
    if (acquisition.announcements === 0 && at.addAddress(cidr) < 0) {
      this.#finish(acquisition)
      acquisition.done(false)
      return
    }
    acquisition.announcements++
    this.#arp.announce(at, cidr.address)
    if (acquisition.announcements < ANNOUNCE_NUM) clock.start(acquisition, now + ANNOUNCE_INTERVAL)
    else this.#finish(acquisition)
    if (acquisition.announcements === 1) {
      this.#failures = 0
      acquisition.done(true)
    }
  }

  /** A valid ARP packet arrived, `start` at its header: does it say that somebody else has an address of ours? */
  look(at: Interface, packet: Packet): void {
    const b = packet.bytes
    const o = packet.start
    if (ethernet.sameAddress(b, arp.senderMacOffset(o), at.mac, 0)) return
    const sender = arp.senderIp(b, o)
    if (this.#acquisitions.length > 0) this.#lookAtAcquisitions(at, b, o)
    if (sender === 0 || !at.hasAddress(sender)) return
    this.#stack.counters.ArpConflicts++
    const isAbandoned = !this.#defend(at, sender)
    const mac = b.slice(arp.senderMacOffset(o), arp.senderMacOffset(o) + ethernet.ADDR_LEN)
    this.onConflict?.(at, sender, mac, isAbandoned)
    if (!isAbandoned) return
    const entry = at.addresses.find((a) => a.address === sender)
    if (entry !== undefined) at.removeAddress(entry)
  }

  /** §2.1.1: another user of the address, or another host that probes for it at the same time. */
  #lookAtAcquisitions(at: Interface, b: Uint8Array, o: number): void {
    const sender = arp.senderIp(b, o)
    const isProbe = sender === 0 && arp.operation(b, o) === arp.OP_REQUEST
    const claimed = isProbe ? arp.targetIp(b, o) : sender
    const lost = this.#acquisitions.find(
      (a) => a.interface === at && a.cidr.address === claimed && a.announcements === 0,
    )
    if (lost === undefined) return
    this.#stack.counters.ArpConflicts++
    this.#failures++
    this.#finish(lost)
    lost.done(false)
  }

  /** §2.4 (b) and (c): announce again, but not twice within DEFEND_INTERVAL; false if the address is to be given up. */
  #defend(at: Interface, address: number): boolean {
    const now = this.#stack.clock.now()
    let defence = this.#defences.find((d) => d.interface === at && d.address === address)
    if (defence === undefined) this.#defences.push((defence = { interface: at, address, time: -Infinity }))
    if (now - defence.time < DEFEND_INTERVAL) return this.policy !== 'abandon'
    defence.time = now
    this.#arp.announce(at, address)
    return true
  }

  /** An address of ours went away, or is no longer wanted. */
  forget(at: Interface, address: number): void {
    const known = this.#defences.findIndex((d) => d.interface === at && d.address === address)
    if (known >= 0) this.#defences.splice(known, 1)
    for (const a of [...this.#acquisitions]) if (a.interface === at && a.cidr.address === address) this.#finish(a)
  }

  /** Forgets what is under way; nobody hears of it. */
  close(): void {
    for (const acquisition of [...this.#acquisitions]) this.#finish(acquisition)
  }

  #finish(acquisition: Acquisition): void {
    this.#stack.clock.remove(acquisition)
    const at = this.#acquisitions.indexOf(acquisition)
    if (at >= 0) this.#acquisitions.splice(at, 1)
  }
}
