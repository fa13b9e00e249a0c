/**
 * Links: one end of a wire. A link may be a cable in memory, a switch port, a TAP device, a capture file: nothing in
 * the stack knows which.
 */
import type { Packet } from '../buf/packet.ts'

/** What a frame starts with: an Ethernet header (cable, switch, tap) or an IP header (tun, loopback). */
export type Medium = 'ethernet' | 'ip'

/** The link takes packets in slices as well as linear ones (NETIF_F_SG). */
export const F_SG = 1
/** The link takes CSUM_PARTIAL packets: it fills the sum in itself, or the bytes never meet a wire (NETIF_F_HW_CSUM). */
export const F_CSUM = 2
/** The link takes packets longer than the MTU that say their segment size (NETIF_F_TSO). */
export const F_TSO = 4
/** Consecutive segments of a flow may be merged after receipt (NETIF_F_GRO). */
export const F_GRO = 8
/** What an in-memory link has, as veth has. */
export const F_ALL: number = F_SG | F_CSUM | F_TSO | F_GRO
/** "What you see is the wire". Slices cost nothing in memory, so they stay. */
export const F_WIRE: number = F_SG

/**
 * One end of a wire, point to point with whatever is at the other side.
 *
 * A packet's `start` is at its link-layer header (medium `ethernet`) or its IP header (`ip`). Ownership passes with the
 * call, both ways. `send` never calls `receive` of the same stack of calls: delivery is a task or timer of the clock.
 */
export interface Link {
  readonly medium: Medium
  /** Largest IP packet in bytes: the Linux meaning, not counting the Ethernet header. */
  readonly mtu: number
  /** The address the device came with, for `ethernet`; a stack draws one when absent. */
  readonly mac?: Uint8Array
  /** F_… bits. */
  readonly features: number
  /** Sends one packet; false if the link dropped it (full, down): it is released either way. */
  send(packet: Packet): boolean
  /** Called by whoever owns this end; `undefined` detaches, and what arrives then is released. */
  attach(receive: ((packet: Packet) => void) | undefined): void
  /** Takes the link down for good; packets in flight on it are released. */
  close(): void
}
