/**
 * AF_PACKET of one host (packet(7), net/packet/af_packet.c): its sockets, and the tap by which they see frames. An interface that
 * no socket listens on has no tap, and its frames cost nothing more.
 */
import { type Net16, ntohs } from '../addr/byte-order.ts'
import type { Packet } from '../buf/packet.ts'
import { SOCK_DGRAM, SOCK_RAW } from '../sock/constants.ts'
import { type ChangeListener, NETDEV_DOWN, NETDEV_REGISTER, NETDEV_UNREGISTER, NETDEV_UP } from '../stack/changes.ts'
import type { Interface, Tap } from '../stack/interface.ts'
import type { Stack } from '../stack/stack.ts'
import { EPERM, ESOCKTNOSUPPORT } from '../sys/errno.ts'
import { ETH_P_ALL } from './constants.ts'
import { PacketSock } from './packet-sock.ts'

export class PacketFamily implements ChangeListener {
  readonly stack: Stack
  /** Open sockets in order of making: the rows of /proc/net/packet. */
  readonly sockets: Set<PacketSock> = new Set()
  /** Those that hear something now. */
  readonly #hooked: PacketSock[] = []
  readonly #tap: Tap = (packet, outgoing, by) => {
    for (let i = 0; i < this.#hooked.length; i++) this.#show(this.#hooked[i] as PacketSock, packet, outgoing, by)
  }

  constructor(stack: Stack) {
    this.stack = stack
    stack.changes.listeners.push(this)
  }

  /** packet_create: a socket or -errno. `protocol` is in network order, as in C. SOCK_PACKET of Linux 2.0 there is none. */
  readonly create = (type: number, protocol: number, by: { readonly isPrivileged: boolean }): PacketSock | number => {
    if (!by.isPrivileged) return -EPERM
    if (type !== SOCK_DGRAM && type !== SOCK_RAW) return -ESOCKTNOSUPPORT
    const sock = new PacketSock(this, type, ntohs(protocol as Net16))
    this.sockets.add(sock)
    if (sock.hookProtocol !== 0) this.hook(sock)
    return sock
  }

  /** From now on the socket sees frames (register_prot_hook). */
  hook(sock: PacketSock): void {
    if (sock.isHooked) return
    sock.isHooked = true
    this.#hooked.push(sock)
    this.#placeTaps()
  }

  /** And from now on no more (unregister_prot_hook). */
  unhook(sock: PacketSock): void {
    if (!sock.isHooked) return
    sock.isHooked = false
    this.#hooked.splice(this.#hooked.indexOf(sock), 1)
    this.#placeTaps()
  }

  #placeTaps(): void {
    for (const each of this.stack.interfaces) {
      const isWanted = this.#hooked.some((sock) => sock.ifindex === 0 || sock.ifindex === each.index)
      const at = each.taps.indexOf(this.#tap)
      if (isWanted && at < 0) each.taps.push(this.#tap)
      else if (!isWanted && at >= 0) each.taps.splice(at, 1)
    }
  }

  /** Only ETH_P_ALL sees what goes out, and nobody what it sent itself (dev_queue_xmit_nit). */
  #show(sock: PacketSock, packet: Packet, outgoing: boolean, by: Interface): void {
    if (sock.ifindex !== 0 && sock.ifindex !== by.index) return
    const isAll = sock.hookProtocol === ETH_P_ALL
    if (
      outgoing
        ? !isAll || sock.ignoresOutgoing || packet.owner === sock
        : !isAll && sock.hookProtocol !== packet.etherType
    )
      return
    sock.input(packet, outgoing, by)
  }

  /** packet_notifier. */
  link(at: Interface, event: number): void {
    if (event === NETDEV_REGISTER) this.#placeTaps()
    for (const sock of this.sockets) {
      if (event === NETDEV_UNREGISTER) sock.forgetMemberships(at)
      if (sock.ifindex !== at.index) continue
      if (event === NETDEV_UP && sock.hookProtocol !== 0) this.hook(sock)
      if (event === NETDEV_DOWN || event === NETDEV_UNREGISTER) sock.deviceGone(event === NETDEV_UNREGISTER)
    }
  }
}
