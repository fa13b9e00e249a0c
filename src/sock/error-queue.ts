/**
 * A socket's error queue (sk_error_queue): ICMP errors with the packets they are about, errors of this host and time stamps
 * of what was sent, read with MSG_ERRQUEUE (ip(7), IP_RECVERR; net/ipv4/ip_sockglue.c). Bounded by the receive buffer.
 */
import type { Packet } from '../buf/packet.ts'
import { SHARED_INFO, SKB_SIZE, SMALL_TRUESIZE } from '../buf/skb-size.ts'
import type { Micros } from '../sys/clock.ts'
import { EAGAIN, ENOMSG } from '../sys/errno.ts'
import * as wire from '../wire/ipv4.ts'
import { AF_INET, AF_UNSPEC } from './address.ts'
import { IP_RECVERR, MSG_ERRQUEUE, MSG_TRUNC, SOL_IP } from './constants.ts'
import { type Message, toProgram } from './message.ts'
import { putIpControl, putStamping, putTimes } from './receive-control.ts'
import { SF_RECVERR, type Sock } from './sock.ts'
import { SOF_OPT_TSONLY, SOF_SOFTWARE } from './stamping.ts'
import { POLLERR } from './wait-queue.ts'

export const SO_EE_ORIGIN_LOCAL = 1
export const SO_EE_ORIGIN_ICMP = 2
export const SO_EE_ORIGIN_TIMESTAMPING = 4
export const SO_EE_ORIGIN_ZEROCOPY = 5
export const SO_EE_CODE_ZEROCOPY_COPIED = 1
/** What Linux accounts for an entry without payload; and what it looks for room for (SKB_TRUESIZE(0)). */
const ENTRY_SIZE: number = SMALL_TRUESIZE
const ENTRY_LEAST: number = SKB_SIZE + SHARED_INFO

/** struct sock_exterr_skb with what belongs to it. */
interface QueuedError {
  readonly errno: number
  readonly origin: number
  readonly type: number
  readonly code: number
  readonly info: number
  data: number
  /** Where the packet in question went, and who sent the ICMP message. */
  readonly address: number
  readonly port: number
  readonly offender: number
  readonly time: Micros
  /** The quoted packet's payload from `start` on; null: none. */
  readonly packet: Packet | null
  readonly size: number
}

export class ErrorQueue {
  readonly #entries: QueuedError[] = []
  #bytes = 0
  /** Entries for which there was no room in SO_RCVBUF. */
  dropped = 0
  /** Number of the next call with MSG_ZEROCOPY (sk_zckey), and memory of notifications to come or unread (sk_omem_alloc). */
  zeroCopyKey = 0
  #optionMemory = 0

  get length(): number {
    return this.#entries.length
  }

  /** sock_queue_err_skb. */
  push(sock: Sock, entry: QueuedError): void {
    if (sock.rmemAlloc + this.#bytes + entry.size >= sock.rcvbuf) {
      this.dropped++
      entry.packet?.release()
      return
    }
    this.#bytes += entry.size
    this.#entries.push(entry)
    sock.wake(POLLERR)
  }

  /** Sets memory for a notification aside (sock_omalloc); false if more than `most` bytes would be taken up. */
  reserve(most: number): boolean {
    if (this.#optionMemory + ENTRY_LEAST > most) return false
    this.#optionMemory += ENTRY_SIZE
    return true
  }

  /** The bytes of `calls` calls with MSG_ZEROCOPY are needed no more (__msg_zerocopy_callback): their entry, or a longer last one. */
  complete(sock: Sock, first: number, calls: number): void {
    const last = this.#entries.at(-1)
    if (calls === 0 || sock.isDead) {
      this.#optionMemory -= ENTRY_SIZE
      return
    }
    if (last?.origin === SO_EE_ORIGIN_ZEROCOPY && first === (last.data + 1) >>> 0) {
      last.data = (last.data + calls) >>> 0
      this.#optionMemory -= ENTRY_SIZE
    } else {
      const end = (first + calls - 1) >>> 0
      this.#entries.push(localEntry(sock, 0, SO_EE_ORIGIN_ZEROCOPY, SO_EE_CODE_ZEROCOPY_COPIED, first, end, 0))
    }
    sock.wake(POLLERR)
  }

  /** The oldest entry; the next ICMP error becomes the socket's pending error (sock_dequeue_err_skb). */
  shift(sock: Sock): QueuedError | undefined {
    const entry = this.#entries.shift()
    if (entry === undefined) return undefined
    this.#bytes -= entry.size
    if (entry.origin === SO_EE_ORIGIN_ZEROCOPY) this.#optionMemory -= ENTRY_SIZE
    const next = this.#entries[0]
    if (next?.origin === SO_EE_ORIGIN_ICMP) sock.error = next.errno
    else if (entry.origin === SO_EE_ORIGIN_ICMP) sock.error = 0
    if (next !== undefined) sock.wake(POLLERR)
    return entry
  }

  /** Gives all memory back. */
  purge(): void {
    for (const { packet } of this.#entries) packet?.release()
    this.#entries.length = 0
    this.#bytes = this.#optionMemory = 0
  }
}

/** True if reading the error queue gives something. */
export const hasErrors = (sock: Sock): boolean => sock.errorQueue !== null && sock.errorQueue.length > 0

/** The socket's error queue, made if it has none yet. */
export function errorQueueOf(sock: Sock): ErrorQueue {
  sock.errorQueue ??= new ErrorQueue()
  return sock.errorQueue
}

/** An entry that no packet came with. */
// biome-ignore format: one line
function localEntry(sock: Sock, errno: number, origin: number, code: number, info: number, data: number, size: number): QueuedError {
  const time = sock.stack.clock.now()
  return { errno, origin, type: 0, code, info, data, address: 0, port: 0, offender: 0, time, packet: null, size }
}

/**
 * An ICMP error for a socket with IP_RECVERR (ip_icmp_error): `quoted` as `Transport.error` has it; `payload` is the offset from
 * which the program gets it, `port` that of the destination in its transport header.
 */
// biome-ignore format: one line
export function queueIcmpError(sock: Sock, quoted: Packet, type: number, code: number, errno: number, port: number, info: number, payload: number): void {
  // A copy from the header of the ICMP message itself on, for IP_RECVTTL and its like.
  const { start } = quoted
  quoted.start = quoted.endSeq
  const packet = quoted.clone()
  quoted.start = start
  packet.interface = quoted.interface
  packet.time = sock.stack.clock.now()
  packet.l3 = quoted.endSeq
  packet.start = Math.min(payload, packet.end)
  errorQueueOf(sock).push(sock, {
    errno,
    origin: SO_EE_ORIGIN_ICMP,
    type,
    code,
    info,
    data: 0,
    address: quoted.daddr,
    port,
    offender: quoted.seq,
    time: packet.time,
    packet,
    size: ENTRY_SIZE + packet.length,
  })
}

/** An error that this host found itself, if the program wants to know (ip_local_error). */
export function queueLocalError(sock: Sock, errno: number, address: number, port: number, info: number): void {
  if (!sock.isFlag(SF_RECVERR)) return
  const entry = localEntry(sock, errno, SO_EE_ORIGIN_LOCAL, 0, info, 0, ENTRY_SIZE)
  errorQueueOf(sock).push(sock, { ...entry, address, port })
}

/** A time stamp of something sent (__skb_complete_tx_timestamp): `kind` is SCM_TSTAMP_, `id` the number of byte or datagram. */
export function queueStamp(sock: Sock, kind: number, id: number): void {
  errorQueueOf(sock).push(sock, localEntry(sock, ENOMSG, SO_EE_ORIGIN_TIMESTAMPING, 0, kind, id, ENTRY_SIZE))
}

/** MSG_ERRQUEUE (ip_recv_error): the payload of the oldest entry, the rest as name and control messages; or -EAGAIN. */
// biome-ignore format: one line
export function receiveError(sock: Sock, bytes: Uint8Array, offset: number, length: number, message: Message | null): number {
  const entry = sock.errorQueue?.shift(sock)
  if (entry === undefined) return -EAGAIN
  const { packet } = entry
  const size = packet === null ? 0 : packet.length
  const copied = Math.min(size, length)
  if (packet !== null) toProgram(packet, 0, copied, bytes, offset, message)
  if (message !== null) {
    if (copied < size) message.flags |= MSG_TRUNC
    tell(sock, entry, message)
    message.flags |= MSG_ERRQUEUE
  }
  packet?.release()
  return copied
}

function tell(sock: Sock, entry: QueuedError, message: Message): void {
  const { origin, packet } = entry
  const isIcmp = origin === SO_EE_ORIGIN_ICMP
  if (origin === SO_EE_ORIGIN_TIMESTAMPING) {
    if ((sock.settings.tsflags & SOF_SOFTWARE) !== 0) putStamping(sock, message, entry.time)
    // The packet itself, which would come along, is not kept.
    if ((sock.settings.tsflags & SOF_OPT_TSONLY) === 0) message.flags |= MSG_TRUNC
  } else putTimes(sock, message, entry.time)
  if (message.name !== null && (isIcmp || origin === SO_EE_ORIGIN_LOCAL)) {
    message.name.family = AF_INET
    message.name.address = entry.address
    message.name.port = entry.port
  }
  if (isIcmp && packet !== null && packet.bytes.length > packet.l3 + wire.HDR_LEN)
    putIpControl(sock, packet, message, 0)
  message.put(SOL_IP, IP_RECVERR, [
    entry.errno,
    origin,
    entry.type,
    entry.code,
    0,
    entry.info,
    entry.data,
    isIcmp ? AF_INET : AF_UNSPEC,
    0,
    entry.offender,
    0,
  ])
}
