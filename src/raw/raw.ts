/** Raw sockets of one host (net/ipv4/raw.c): who gets a copy of which packet and of which ICMP error. With none, IP asks nobody. */
import type { Packet } from '../buf/packet.ts'
import type { Interface } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import { EPERM } from '../sys/errno.ts'
import { RawSock } from './raw-sock.ts'

export class Raw {
  readonly stack: Stack
  /** Open sockets in order of making: the rows of /proc/net/raw. */
  readonly sockets: Set<RawSock> = new Set()
  /** Those that hear something, by protocol. */
  readonly #table: Map<number, RawSock[]> = new Map()

  constructor(stack: Stack) {
    this.stack = stack
  }

  /** A socket for IP protocol `protocol` (1..262), or -EPERM for who may not: register it for SOCK_RAW with IPPROTO_IP. */
  readonly create = (protocol: number, by: { readonly isPrivileged: boolean }): RawSock | number => {
    if (!by.isPrivileged) return -EPERM
    const sock = new RawSock(this, protocol)
    this.sockets.add(sock)
    const peers = this.#table.get(protocol)
    if (peers === undefined) this.#table.set(protocol, [sock])
    else peers.push(sock)
    this.#hook()
    return sock
  }

  /** The socket hears nothing any more. */
  unhash(sock: RawSock): void {
    const peers = this.#table.get(sock.protocol)
    const at = peers?.indexOf(sock) ?? -1
    if (peers === undefined || at < 0) return
    peers.splice(at, 1)
    if (peers.length === 0) this.#table.delete(sock.protocol)
    this.#hook()
  }

  #hook(): void {
    const { ipv4 } = this.stack
    ipv4.rawTap = this.#table.size === 0 ? null : this.#input
    ipv4.rawError = this.#table.size === 0 ? null : this.#error
  }

  /** raw_local_deliver: true if there is a socket for the packet, whether or not it had room. */
  readonly #input = (packet: Packet): boolean => {
    const sockets = this.#table.get(packet.protocol)
    if (sockets === undefined) return false
    const { index } = packet.interface as Interface
    let isTaken = false
    for (const sock of sockets) {
      if (!sock.matches(packet.saddr, packet.daddr, index)) continue
      isTaken = true
      sock.input(packet)
    }
    return isTaken
  }

  /** raw_icmp_error. */
  // biome-ignore format: as Transport.error
  readonly #error = (quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void => {
    const index = (quoted.interface as Interface | null)?.index ?? 0
    for (const sock of this.#table.get(quoted.protocol) ?? []) {
      if (sock.matches(quoted.daddr, quoted.saddr, index)) sock.hear(quoted, type, code, errno, fatal, info)
    }
  }
}
