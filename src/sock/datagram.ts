/**
 * Sockets that receive whole packets (net/core/datagram.c): a queue charged to SO_RCVBUF, what was sent charged to SO_SNDBUF,
 * readiness. Raw, ping, packet and netlink sockets are made of it.
 */
import type { Packet, PacketOwner } from '../buf/packet.ts'
import { SKB_SIZE, SMALL_HEAD } from '../buf/skb-size.ts'
import { PacketQueue } from '../link/queue.ts'
import { EAGAIN, EPIPE } from '../sys/errno.ts'
import { FIONREAD, MSG_PEEK, MSG_TRUNC, SIOCOUTQ } from './constants.ts'
import { hasErrors } from './error-queue.ts'
import { fromProgram, type Message, toProgram } from './message.ts'
import { RCV_SHUTDOWN, SEND_SHUTDOWN, SF_DEAD, SHUTDOWN_MASK, Sock, TCP_CLOSE } from './sock.ts'
import { POLLERR, POLLHUP, POLLIN, POLLRDHUP, POLLRDNORM, READABLE, WRITABLE } from './wait-queue.ts'

/** What Linux adds to a packet's bytes before the allocator rounds up: room for a link header, struct skb_shared_info. */
const SKB_OVERHEAD = 351
/** Above this Linux keeps the payload in pages (SKB_MAX_ALLOC), and accounts for this much beside it. */
const SKB_MAX_ALLOC = 16028
const PAGED_OVERHEAD = 804

/** Memory that Linux 6.18 accounts for an IP packet of `length` bytes that this host sent: 832 at least, then powers of two. */
export function packetTruesize(length: number): number {
  if (length > SKB_MAX_ALLOC) return PAGED_OVERHEAD + length
  const size = length + SKB_OVERHEAD
  return (size <= SMALL_HEAD ? SMALL_HEAD : 1 << (32 - Math.clz32(size - 1))) + SKB_SIZE
}

export abstract class DatagramSock extends Sock implements PacketOwner {
  /** Received packets, oldest first: `start` at what the program gets, `endSeq` the memory charged. */
  protected readonly queue: PacketQueue = new PacketQueue()
  /** Packets that found no room (sk_drops, the last column of /proc/net/raw). */
  drops = 0

  /** datagram_poll. */
  override poll(): number {
    let mask = 0
    if (this.error !== 0 || hasErrors(this)) mask |= POLLERR
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | POLLIN | POLLRDNORM
    if (this.shutdownMask === SHUTDOWN_MASK) mask |= POLLHUP
    if (this.queue.length > 0) mask |= POLLIN | POLLRDNORM
    if (this.wmemQueued < this.sndbuf >> 1) mask |= WRITABLE
    return mask
  }

  override close(): void {
    this.setFlag(SF_DEAD, true)
    this.state = TCP_CLOSE
    this.queue.clear()
    this.errorQueue?.purge()
    this.rmemAlloc = 0
  }

  override ioctl(request: number): number {
    if (request === FIONREAD) return this.queue.first?.length ?? 0
    if (request === SIOCOUTQ) return this.wmemQueued
    return super.ioctl(request)
  }

  /** True if there is room for one more packet; else it is counted as lost (sock_queue_rcv_skb). */
  protected hasRoom(): boolean {
    if (this.rmemAlloc < this.rcvbuf) return true
    this.drops++
    return false
  }

  /** Queues a packet that `hasRoom` let in, `start` at what the program gets, and charges `size` for it. */
  protected enqueue(packet: Packet, size: number): void {
    packet.endSeq = size
    this.rmemAlloc += size
    this.queue.push(packet)
    this.wake(READABLE)
  }

  /** The packet to be read next, or -errno: the pending error, -EAGAIN (skb_recv_datagram). */
  protected next(): Packet | number {
    if (this.error !== 0) return -this.takeError()
    return this.queue.first ?? -EAGAIN
  }

  /**
   * Copies the packet that `next` gave to the program and, unless MSG_PEEK, takes it out of the queue. The result of recv: what
   * was copied, or with MSG_TRUNC how long it is.
   */
  // biome-ignore format: one line
  protected take(packet: Packet, bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    const size = packet.length
    const copied = Math.min(size, length)
    toProgram(packet, 0, copied, bytes, offset, message)
    if (message !== null && copied < size) message.flags |= MSG_TRUNC
    if ((flags & MSG_PEEK) === 0) {
      this.queue.shift()
      this.rmemAlloc -= packet.endSeq
      packet.release()
      this.readSpace()
    }
    return (flags & MSG_TRUNC) !== 0 ? size : copied
  }

  /** The queue has become shorter. */
  protected readSpace(): void {}

  /** Whether a packet may be sent now: 0, the pending error, -EPIPE, or -EAGAIN while SO_SNDBUF is used up (sock_alloc_send_pskb). */
  protected sendSpace(): number {
    if (this.error !== 0) return -this.takeError()
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE
    return this.wmemQueued >= this.sndbuf ? -EAGAIN : 0
  }

  /** A packet with `head` bytes to be written by the caller, the program's bytes behind them, and its memory charged to this socket. */
  // biome-ignore format: one line
  protected build(head: number, bytes: Uint8Array, offset: number, length: number, message: Message | null): Packet {
    const packet = this.stack.pool.allocHeader(head + length)
    const at = packet.put(head + length)
    fromProgram(packet.bytes, at + head, bytes, offset, length, message)
    packet.owner = this
    packet.ownerBytes = packetTruesize(head + length)
    this.wmemQueued += packet.ownerBytes
    return packet
  }

  /** A packet has left (sock_wfree, sock_def_write_space). */
  packetLeft(bytes: number): void {
    this.wmemQueued -= bytes
    if (this.wmemQueued << 1 <= this.sndbuf) this.wake(WRITABLE)
  }
}
