/**
 * What few UDP sockets have: a datagram that is put together by several calls (UDP_CORK, MSG_MORE; ip_append_data), segments
 * of one call (UDP_SEGMENT) and datagrams of a flow received as one (UDP_GRO). udp(7).
 */
import type { Packet } from '../buf/packet.ts'
import type { PacketPool } from '../buf/pool.ts'
import type { Dst } from '../ip/dst.ts'
import { UDP_CORK, UDP_ENCAP, UDP_GRO, UDP_NO_CHECK6_RX, UDP_NO_CHECK6_TX, UDP_SEGMENT } from '../sock/constants.ts'
import { fromProgram, type Message } from '../sock/message.ts'
import { intOf } from '../sock/option-value.ts'
import type { SendControl } from '../sock/send-control.ts'
import type { OptionResult, OptionValue, Sock } from '../sock/sock.ts'
import { putZeroCopy, type ZeroCopy } from '../sock/zerocopy.ts'
import { EINVAL, ENOPROTOOPT } from '../sys/errno.ts'

/** Most segments of one call (UDP_MAX_SEGMENTS). */
export const UDP_MAX_SEGMENTS = 128
const USHRT_MAX = 0xffff

/** Where a send call goes and with what: taken from the first call of a datagram that several put together. */
export interface UdpFlow {
  readonly dst: Dst
  readonly saddr: number
  readonly daddr: number
  readonly dport: number
  readonly control: SendControl | null
}

export class UdpExtra {
  /** UDP_CORK, UDP_SEGMENT (0: none), UDP_GRO. */
  isCorked = false
  segment = 0
  gro = false
  noCheck6Tx = false
  noCheck6Rx = false
  /** The datagram in the making and where it goes; null: none. */
  pending: Packet | null = null
  flow: UdpFlow | null = null
  /** The calls with MSG_ZEROCOPY that gave bytes of it. */
  zerocopy: ZeroCopy | null = null
  /** Number of the next datagram sent, for time stamps (SOF_TIMESTAMPING_OPT_ID). */
  stampId = 0

  /** setsockopt(2) on IPPROTO_UDP but for UDP_CORK's effect: 0, -EINVAL or -ENOPROTOOPT (udp_lib_setsockopt). */
  set(name: number, value: OptionValue): number {
    const n = intOf(value)
    if (Number.isNaN(n)) return -EINVAL
    switch (name) {
      case UDP_CORK:
        this.isCorked = n !== 0
        return 0
      case UDP_SEGMENT:
        if (n < 0 || n > USHRT_MAX) return -EINVAL
        this.segment = n
        return 0
      case UDP_GRO:
        this.gro = n !== 0
        return 0
      // Encapsulation of IPsec (ESP in UDP) is not there to be switched on.
      case UDP_ENCAP:
        return n === 0 ? 0 : -ENOPROTOOPT
      // For sockets of AF_INET6, but kept for others too.
      case UDP_NO_CHECK6_TX:
        this.noCheck6Tx = n !== 0
        return 0
      case UDP_NO_CHECK6_RX:
        this.noCheck6Rx = n !== 0
        return 0
      default:
        return -ENOPROTOOPT
    }
  }

  get(name: number, result: OptionResult): number {
    if (name === UDP_CORK) result.value = this.isCorked ? 1 : 0
    else if (name === UDP_SEGMENT) result.value = this.segment
    else if (name === UDP_GRO) result.value = this.gro ? 1 : 0
    else if (name === UDP_NO_CHECK6_TX) result.value = this.noCheck6Tx ? 1 : 0
    else if (name === UDP_NO_CHECK6_RX) result.value = this.noCheck6Rx ? 1 : 0
    else if (name === UDP_ENCAP) result.value = 0
    else return -ENOPROTOOPT
    return 0
  }

  /** Begins a datagram. */
  begin(pool: PacketPool, headerLength: number, flow: UdpFlow): Packet {
    const packet = pool.allocHeader(headerLength)
    packet.put(headerLength)
    this.pending = packet
    this.flow = flow
    return packet
  }

  /** Copies bytes of the program's to the end of the datagram in the making. */
  append(pool: PacketPool, bytes: Uint8Array, offset: number, length: number, message: Message | null): void {
    appendBytes(this.pending as Packet, pool, bytes, offset, length, message)
  }

  /** The datagram is no longer in the making: it is on its way, or given up. */
  end(sock: Sock): void {
    const { zerocopy } = this
    this.pending = this.flow = this.zerocopy = null
    if (zerocopy !== null) putZeroCopy(sock, zerocopy)
  }

  /** Gives the datagram up (udp_flush_pending_frames). */
  flush(sock: Sock): void {
    this.pending?.release()
    this.end(sock)
  }
}

/** Copies bytes of the program's into the shared page and refers to them at the end of `packet`. */
// biome-ignore format: one line
export function appendBytes(packet: Packet, pool: PacketPool, bytes: Uint8Array, offset: number, length: number, message: Message | null): void {
  for (let done = 0; done < length; ) {
    const part = pool.pageRoom(length - done)
    fromProgram(pool.page.bytes, pool.pageOffset, bytes, offset + done, part, message)
    if (!packet.addFrag(pool.page, pool.pageOffset, part)) {
      // Too many small pieces: they become one.
      packet.pullUp(packet.length)
      packet.addFrag(pool.page, pool.pageOffset, part)
    }
    pool.pageTake(part)
    done += part
  }
}
