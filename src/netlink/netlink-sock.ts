/** A netlink socket (struct netlink_sock): port id, groups, a queue of messages, and a dump that goes on as they are read. */
import { AF_NETLINK, AF_UNSPEC, SIZEOF_SA_FAMILY, SIZEOF_SOCKADDR_NL, type SockAddr } from '../sock/address.ts'
import { MSG_ERRQUEUE, MSG_OOB } from '../sock/constants.ts'
import { DatagramSock, packetTruesize } from '../sock/datagram.ts'
import { fromProgram, type Message } from '../sock/message.ts'
import { intOf } from '../sock/option-value.ts'
import type { OptionResult, OptionValue } from '../sock/sock.ts'
import { POLLERR } from '../sock/wait-queue.ts'
import {
  EAGAIN,
  EBUSY,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENODATA,
  ENOPROTOOPT,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
} from '../sys/errno.ts'
import { viewOf } from '../wire/bytes.ts'
import { writeSockaddrNl } from './address.ts'
import * as nl from './constants.ts'
import { MessageWriter, type NetlinkMessage } from './message.ts'
import type { NetlinkFamily } from './netlink-family.ts'

/** Bytes of a dump that are put together into one datagram (NLMSG_GOODSIZE), and once a program showed a larger buffer. */
const FIRST_DATAGRAM = 3776
const MAX_DATAGRAM = 32768 - 320
/** What Linux adds to a datagram that a program sends (netlink_sendmsg). */
const SEND_OVERHEAD = 32

/** Options that are on or off, as bits of `flags`. */
const TOGGLES: Readonly<Record<number, number>> = {
  [nl.NETLINK_PKTINFO]: 1,
  [nl.NETLINK_BROADCAST_ERROR]: 2,
  [nl.NETLINK_NO_ENOBUFS]: 4,
  [nl.NETLINK_CAP_ACK]: 8,
  [nl.NETLINK_EXT_ACK]: 16,
  [nl.NETLINK_GET_STRICT_CHK]: 32,
  [nl.NETLINK_LISTEN_ALL_NSID]: 64,
}

export class NetlinkSock extends DatagramSock {
  readonly netlink: NetlinkFamily
  /** nl_pid; 0 until it is bound, unless the kernel's own. */
  pid = 0
  isBound = false
  isConnected = false
  peerPid = 0
  peerGroup = 0
  readonly #groups: Set<number> = new Set()
  #toggles = 0
  /** Messages were lost since the queue was last empty. */
  #isCongested = false
  /** The rest of a dump, and the message that did not go into the last datagram. */
  #dump: Iterator<Uint8Array, undefined> | null = null
  #waiting: Uint8Array | null = null
  #isDoneApart = false
  #largestRead = 0

  constructor(netlink: NetlinkFamily, type: number, protocol: number) {
    super(netlink.stack, AF_NETLINK, type, protocol)
    this.netlink = netlink
  }

  override close(): void {
    this.netlink.sockets.delete(this)
    this.#dump = this.#waiting = null
    super.close()
  }

  isMember(group: number): boolean {
    return this.#groups.has(group)
  }

  /** Groups 1 to 32 as a mask. */
  get groupMask(): number {
    let mask = 0
    for (const group of this.#groups) if (group <= 32) mask |= 1 << (group - 1)
    return mask >>> 0
  }

  /** NETLINK_GET_STRICT_CHK: filters in the header of a dump request count. */
  get isStrict(): boolean {
    return this.#isOn(nl.NETLINK_GET_STRICT_CHK)
  }

  /** A dump has not been read to its end. */
  get isDumping(): boolean {
    return this.#dump !== null || this.#waiting !== null
  }

  #isOn(option: number): boolean {
    return (this.#toggles & (TOGGLES[option] as number)) !== 0
  }

  /** netlink_bind: 0, -EINVAL or -EADDRINUSE. */
  override bind(to: SockAddr): number {
    if (to.length < SIZEOF_SOCKADDR_NL || to.family !== AF_NETLINK) return -EINVAL
    const { pid = 0, groups = 0 } = to.netlink ?? {}
    if (this.isBound && pid !== this.pid) return -EINVAL
    if (!this.isBound) {
      const result = this.netlink.insert(this, pid)
      if (result < 0) return result
    }
    const count = this.netlink.kernel(this.protocol)?.groups ?? 0
    for (let group = 1; group <= 32; group++) {
      if (group <= count && (groups & (1 << (group - 1))) !== 0) this.#groups.add(group)
      else this.#groups.delete(group)
    }
    return 0
  }

  /** netlink_connect: 0, -EINVAL or -EPERM (who is not privileged may talk to the kernel only). */
  override connect(to: SockAddr): number {
    if (to.length < SIZEOF_SA_FAMILY) return -EINVAL
    if (to.family === AF_UNSPEC) {
      this.isConnected = false
      this.peerPid = this.peerGroup = 0
      return 0
    }
    if (to.family !== AF_NETLINK || to.length < SIZEOF_SOCKADDR_NL) return -EINVAL
    const { pid = 0, groups = 0 } = to.netlink ?? {}
    if ((pid !== 0 || groups !== 0) && this.caller.euid !== 0) return -EPERM
    if (!this.isBound) this.netlink.insert(this, 0)
    this.isConnected = true
    this.peerPid = pid
    this.peerGroup = firstGroup(groups)
    return 0
  }

  override getName(peer: boolean, into: SockAddr): number {
    if (peer) writeSockaddrNl(into, this.peerPid, maskOf(this.peerGroup))
    else writeSockaddrNl(into, this.pid, this.groupMask)
    return 0
  }

  /** netlink_sendmsg: to the kernel, to another program, to a group. */
  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null = null): number {
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    if (length === 0) return -ENODATA
    let pid = this.peerPid
    let group = this.peerGroup
    if (to !== null) {
      if (to.length < SIZEOF_SOCKADDR_NL || to.family !== AF_NETLINK) return -EINVAL
      pid = to.netlink?.pid ?? 0
      group = firstGroup(to.netlink?.groups ?? 0)
      if ((pid !== 0 || group !== 0) && this.caller.euid !== 0) return -EPERM
    }
    if (!this.isBound) this.netlink.insert(this, 0)
    if (length > this.sndbuf - SEND_OVERHEAD) return -EMSGSIZE
    const copy = new Uint8Array(length)
    fromProgram(copy, 0, bytes, offset, length, message)
    if (group !== 0) this.netlink.broadcast(this.protocol, group, copy, this.pid, this)
    if (pid === 0) {
      this.netlink.kernel(this.protocol)?.input(copy, this)
      return length
    }
    const result = this.netlink.unicast(this, pid, copy)
    return result < 0 ? result : length
  }

  /** netlink_recvmsg. */
  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP
    if ((flags & MSG_ERRQUEUE) !== 0) return -EAGAIN
    const packet = this.next()
    if (typeof packet === 'number') return packet
    this.#largestRead = Math.max(this.#largestRead, length)
    if (message !== null) {
      if (message.name !== null) writeSockaddrNl(message.name, packet.seq >>> 0, maskOf(packet.mark))
      if (this.#isOn(nl.NETLINK_PKTINFO)) message.put(nl.SOL_NETLINK, nl.NETLINK_PKTINFO, packet.mark)
    }
    return this.take(packet, bytes, offset, length, flags, message)
  }

  protected override readSpace(): void {
    if (this.queue.length === 0) this.#isCongested = false
    if (this.rmemAlloc <= this.rcvbuf >> 1) this.#continueDump()
  }

  /** Queues a datagram of `from` (a port id), sent to it or to a group; 0, or -EAGAIN if there is no room (netlink_attachskb). */
  deliver(bytes: Uint8Array, from: number, group: number): number {
    const size = packetTruesize(bytes.length)
    if (this.#isCongested || (this.rmemAlloc !== 0 && this.rmemAlloc + size > this.rcvbuf)) return -EAGAIN
    const packet = this.stack.pool.allocHeader(bytes.length)
    packet.bytes.set(bytes, packet.put(bytes.length))
    packet.seq = from | 0
    packet.mark = group
    this.enqueue(packet, size)
    return 0
  }

  /** As `deliver`, for senders that do not wait, the kernel and groups: without room the program hears ENOBUFS (netlink_overrun). */
  deliverOrDrop(bytes: Uint8Array, from: number, group: number): void {
    if (this.deliver(bytes, from, group) === 0) return
    this.drops++
    if (this.#isOn(nl.NETLINK_NO_ENOBUFS) || this.#isCongested) return
    this.#isCongested = true
    this.error = ENOBUFS
    this.wake(POLLERR)
  }

  /** Word from the kernel about a request: an error, or 0 (netlink_ack). */
  acknowledge(request: NetlinkMessage, error: number): void {
    const isWhole = error !== 0 && !this.#isOn(nl.NETLINK_CAP_ACK)
    const writer = new MessageWriter().begin({
      type: nl.NLMSG_ERROR,
      flags: isWhole ? 0 : nl.NLM_F_CAPPED,
      seq: request.seq,
      pid: this.pid,
    })
    writer.u32(error).bytes(isWhole ? request.bytes : request.bytes.subarray(0, nl.NLMSG_HDRLEN))
    const bytes = writer.end()
    // nlmsg_append: the length covers the padding too.
    new DataView(bytes.buffer).setUint32(0, bytes.length, true)
    this.deliverOrDrop(bytes, 0, 0)
  }

  /** Nothing: neither SIOCINQ nor SIOCOUTQ. */
  override ioctl(_request: number): number {
    return -ENOTTY
  }

  /**
   * The answers to a dump request, NLMSG_DONE in a datagram of its own if `isDoneApart`; 0, or -EBUSY while another one is
   * not read to its end (netlink_dump_start).
   */
  startDump(request: NetlinkMessage, answers: Iterable<Uint8Array>, isDoneApart: boolean): number {
    if (this.isDumping) return -EBUSY
    this.#dump = withDone(answers, request, this.pid)
    this.#isDoneApart = isDoneApart
    this.#continueDump()
    return 0
  }

  /** Ends a dump that never began with an error, as NLMSG_DONE carries it. */
  refuseDump({ seq }: NetlinkMessage, error: number): void {
    const header = { type: nl.NLMSG_DONE, flags: nl.NLM_F_MULTI, seq, pid: this.pid }
    this.deliverOrDrop(new MessageWriter().begin(header).u32(error).end(), 0, 0)
  }

  /** One more datagram of a dump, with as many messages as go into it; what finds no room waits (netlink_dump). */
  #continueDump(): void {
    const most = Math.max(FIRST_DATAGRAM, Math.min(this.#largestRead, MAX_DATAGRAM))
    const parts: Uint8Array[] = []
    let length = 0
    while (this.isDumping) {
      const part = this.#waiting ?? this.#dump?.next().value
      this.#waiting = null
      if (part === undefined) this.#dump = null
      else if (parts.length > 0 && (length + part.length > most || (this.#isDoneApart && isDone(part)))) {
        this.#waiting = part
        break
      } else {
        parts.push(part)
        length += part.length
      }
    }
    if (length === 0) return
    const datagram = concatenate(parts, length)
    if (this.deliver(datagram, 0, 0) < 0) this.#waiting = datagram
  }

  /** netlink_setsockopt. */
  override setOption(level: number, name: number, value: OptionValue): number {
    if (level !== nl.SOL_NETLINK) return -ENOPROTOOPT
    // Too few bytes for an int are a zero.
    const n = intOf(value) || 0
    const isMembership = name === nl.NETLINK_ADD_MEMBERSHIP || name === nl.NETLINK_DROP_MEMBERSHIP
    const bit = TOGGLES[name]
    if (isMembership) {
      const count = this.netlink.kernel(this.protocol)?.groups ?? 0
      if (n < 1 || n > count) return -EINVAL
      if (name === nl.NETLINK_ADD_MEMBERSHIP) this.#groups.add(n)
      else this.#groups.delete(n)
      return 0
    }
    if (bit === undefined) return -ENOPROTOOPT
    if (name === nl.NETLINK_LISTEN_ALL_NSID && !this.privileged) return -EPERM
    this.#toggles = n !== 0 ? this.#toggles | bit : this.#toggles & ~bit
    return 0
  }

  /** netlink_getsockopt. */
  override getOption(level: number, name: number, result: OptionResult): number {
    if (level !== nl.SOL_NETLINK) return -ENOPROTOOPT
    if (name === nl.NETLINK_LIST_MEMBERSHIPS) {
      const count = this.netlink.kernel(this.protocol)?.groups ?? 0
      const words = new Uint32Array(Math.ceil(count / 32))
      for (const group of this.#groups)
        words[(group - 1) >>> 5] = (words[(group - 1) >>> 5] ?? 0) | (1 << ((group - 1) & 31))
      result.value = new Uint8Array(words.buffer)
      return 0
    }
    const bit = TOGGLES[name]
    if (bit === undefined) return -ENOPROTOOPT
    result.value = (this.#toggles & bit) !== 0 ? 1 : 0
    return 0
  }
}

/** The messages of a dump, and NLMSG_DONE. */
function* withDone(
  answers: Iterable<Uint8Array>,
  { seq }: NetlinkMessage,
  pid: number,
): Generator<Uint8Array, undefined> {
  yield* answers
  yield new MessageWriter().begin({ type: nl.NLMSG_DONE, flags: nl.NLM_F_MULTI, seq, pid }).u32(0).end()
}

const isDone = (message: Uint8Array): boolean => viewOf(message).getUint16(4, true) === nl.NLMSG_DONE

function concatenate(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The lowest group of a mask, 0 for none (ffs(3)). */
const firstGroup = (groups: number): number => (groups === 0 ? 0 : 32 - Math.clz32(groups & -groups))
const maskOf = (group: number): number => (group === 0 || group > 32 ? 0 : (1 << (group - 1)) >>> 0)
