/**
 * AF_NETLINK of one host (netlink(7), net/netlink/af_netlink.c): its sockets by protocol and port id, what answers for the
 * kernel, and groups. A protocol is added by registering what answers.
 */
import { SOCK_DGRAM, SOCK_RAW } from '../sock/constants.ts'
import type { Stack } from '../stack/stack.ts'
import { EADDRINUSE, ECONNREFUSED, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../sys/errno.ts'
import { NLM_F_ACK, NLM_F_REQUEST, NLMSG_MIN_TYPE } from './constants.ts'
import { messages, type NetlinkMessage } from './message.ts'
import { NetlinkSock } from './netlink-sock.ts'

/** The kernel's side of a protocol (struct netlink_kernel_cfg). */
export interface NetlinkKernel {
  /** Groups there are. */
  readonly groups: number
  /** A datagram of `from` for the kernel; answers go to `from.reply`. */
  input(bytes: Uint8Array, from: NetlinkSock): void
}

/**
 * netlink_rcv_skb: every message of a datagram gets its answer, an error or, if it asks, an acknowledgement. `handle` gives 0,
 * -errno, or 1 if its own answer is all.
 */
export function answer(bytes: Uint8Array, from: NetlinkSock, handle: (request: NetlinkMessage) => number): void {
  for (const request of messages(bytes)) {
    const isForUs = (request.flags & NLM_F_REQUEST) !== 0 && request.type >= NLMSG_MIN_TYPE
    const result = isForUs ? handle(request) : 0
    if (result < 0 || (result === 0 && (request.flags & NLM_F_ACK) !== 0)) from.acknowledge(request, result)
  }
}

/** Port ids that are chosen when the process's own is taken are negative, as int32 (netlink_autobind). */
const LEAST_ROVER = -0x80000000
const FIRST_ROVER = -4097

export class NetlinkFamily {
  readonly stack: Stack
  /** Open sockets in order of making: the rows of /proc/net/netlink. */
  readonly sockets: Set<NetlinkSock> = new Set()
  readonly #kernels: Map<number, NetlinkKernel> = new Map()
  #rover = FIRST_ROVER

  constructor(stack: Stack) {
    this.stack = stack
  }

  /** `kernel` answers for `protocol` from now on. */
  register(protocol: number, kernel: NetlinkKernel): void {
    this.#kernels.set(protocol, kernel)
  }

  kernel(protocol: number): NetlinkKernel | undefined {
    return this.#kernels.get(protocol)
  }

  /** netlink_create: a socket, -ESOCKTNOSUPPORT or -EPROTONOSUPPORT. */
  readonly create = (type: number, protocol: number): NetlinkSock | number => {
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT
    if (!this.#kernels.has(protocol)) return -EPROTONOSUPPORT
    const sock = new NetlinkSock(this, type, protocol)
    this.sockets.add(sock)
    return sock
  }

  /** The socket of a protocol with this port id. */
  find(protocol: number, pid: number): NetlinkSock | undefined {
    for (const sock of this.sockets) if (sock.protocol === protocol && sock.isBound && sock.pid === pid) return sock
    return undefined
  }

  /** Gives a socket the port id it wants, or for 0 its process's, or one that is free; 0 or -EADDRINUSE. */
  insert(sock: NetlinkSock, wanted: number): number {
    let pid = wanted === 0 ? sock.caller.pid : wanted
    if (wanted !== 0 && this.find(sock.protocol, pid) !== undefined) return -EADDRINUSE
    while (this.find(sock.protocol, pid) !== undefined) {
      pid = this.#rover >>> 0
      this.#rover = this.#rover <= LEAST_ROVER ? FIRST_ROVER : this.#rover - 1
    }
    sock.pid = pid
    sock.isBound = true
    return 0
  }

  /** netlink_unicast from one program to another: 0, -ECONNREFUSED or -EAGAIN. */
  unicast(from: NetlinkSock, to: number, bytes: Uint8Array): number {
    const sock = this.find(from.protocol, to)
    if (sock === undefined || (sock.isConnected && sock.peerPid !== from.pid)) return -ECONNREFUSED
    return sock.deliver(bytes, from.pid, 0)
  }

  /** netlink_broadcast: to all members of a group but `except`. `from` is 0 for the kernel. */
  broadcast(protocol: number, group: number, bytes: Uint8Array, from: number, except: NetlinkSock | null): void {
    for (const sock of this.sockets) {
      if (sock !== except && sock.protocol === protocol && sock.isMember(group)) sock.deliverOrDrop(bytes, from, group)
    }
  }

  /** True if a notification would find anybody. */
  hasListeners(protocol: number, group: number): boolean {
    for (const sock of this.sockets) if (sock.protocol === protocol && sock.isMember(group)) return true
    return false
  }
}
