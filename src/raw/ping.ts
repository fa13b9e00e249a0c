/**
 * Ping sockets of one host (icmp(7), net/ipv4/ping.c): SOCK_DGRAM with IPPROTO_ICMP, for the groups of net.ipv4.ping_group_range.
 * The identifier of echo messages is the port.
 */
import type { Packet } from '../buf/packet.ts'
import type { EchoListener } from '../ip/icmp.ts'
import type { Interface } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import { EACCES, EADDRINUSE } from '../sys/errno.ts'
import * as icmp from '../wire/icmpv4.ts'
import { PingSock } from './ping-sock.ts'

/** Identifiers there are. */
const IDENTIFIERS = 65536

export class Ping implements EchoListener {
  readonly stack: Stack
  /** Open sockets in order of making: the rows of /proc/net/icmp. */
  readonly sockets: Set<PingSock> = new Set()
  /** Bound sockets by identifier, the newest first. */
  readonly #table: Map<number, PingSock[]> = new Map()
  /** ping_port_rover */
  #rover: number

  constructor(stack: Stack) {
    this.stack = stack
    this.#rover = stack.random.below(IDENTIFIERS)
  }

  /** ping_init_sock: a socket, or -EACCES for who is not of the groups. */
  readonly create = (_protocol: number, by: { readonly egid: number }): PingSock | number => {
    const [low = 1, high = 0] = this.stack.sysctl.ping_group_range
    if (by.egid < low || by.egid > high) return -EACCES
    const sock = new PingSock(this)
    this.sockets.add(sock)
    return sock
  }

  /** ping_get_port: gives the socket an identifier, 0 for any free one; 0 or -EADDRINUSE. */
  bind(sock: PingSock, wanted: number): number {
    const identifier = wanted === 0 ? this.#choose() : wanted
    if (identifier === 0) return -EADDRINUSE
    const others = this.#table.get(identifier) ?? []
    if (others.some((other) => !other.mayShare(sock))) return -EADDRINUSE
    if (this.#table.size === 0) this.stack.ipv4.icmp.listeners.push(this)
    this.#table.set(identifier, [sock, ...others])
    sock.localPort = identifier
    return 0
  }

  #choose(): number {
    for (let i = 0; i < IDENTIFIERS; i++) {
      this.#rover = (this.#rover + 1) % IDENTIFIERS || 1
      if (!this.#table.has(this.#rover)) return this.#rover
    }
    return 0
  }

  /** The socket gives its identifier up. */
  unbind(sock: PingSock): void {
    const peers = this.#table.get(sock.localPort)
    if (peers === undefined || !peers.includes(sock)) return
    const left = peers.filter((peer) => peer !== sock)
    if (left.length > 0) this.#table.set(sock.localPort, left)
    else this.#table.delete(sock.localPort)
    const { listeners } = this.stack.ipv4.icmp
    if (this.#table.size === 0) listeners.splice(listeners.indexOf(this), 1)
  }

  /** ping_lookup: the newest with this identifier that takes packets to `laddr` by this interface. */
  #find(identifier: number, laddr: number, at: Interface | null): PingSock | undefined {
    return this.#table
      .get(identifier)
      ?.find(
        (sock) =>
          (sock.localAddress === 0 || sock.localAddress === laddr) &&
          (sock.boundInterface === 0 || sock.boundInterface === (at?.index ?? 0)),
      )
  }

  /** ping_rcv: an echo reply, lent. */
  reply(packet: Packet): void {
    this.#find(icmp.id(packet.bytes, packet.l4), packet.daddr, packet.interface as Interface)?.input(packet)
  }

  /** ping_err: about an echo request of ours. */
  // biome-ignore format: as Transport.error
  error(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void {
    const { bytes, l4 } = quoted
    if (icmp.type(bytes, l4) !== icmp.ECHO || icmp.code(bytes, l4) !== 0) return
    const sock = this.#find(icmp.id(bytes, l4), quoted.saddr, quoted.interface as Interface | null)
    sock?.hear(quoted, type, code, errno, fatal, info)
  }
}
