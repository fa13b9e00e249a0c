/**
 * The only place that builds a segment of a connection: header, options, payload, checksum state, and hands it to IP
 * (Linux tcp_transmit_skb and its callers for bare ACKs and RSTs).
 */
import { CSUM_PARTIAL, type Packet } from '../buf/packet.ts'
import type { Dst } from '../ip/dst.ts'
import { IPPROTO_TCP } from '../ip/transport.ts'
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT } from '../sock/sock.ts'
import { EHOSTUNREACH, ENETUNREACH, ENOBUFS } from '../sys/errno.ts'
import { put16 } from '../wire/bytes.ts'
import * as checksum from '../wire/checksum.ts'
import * as wire from '../wire/tcp.ts'
import * as tcpOptions from '../wire/tcp-options.ts'
import { enterCwr } from './cwr.ts'
import { advertisedMss } from './mss.ts'
import { ackSent, dataSent } from './quick-ack.ts'
import { after, before, diff } from './seq.ts'
import { OPT_ECN, OPT_SACK, OPT_TIMESTAMPS, OPT_URG_SEEN, type Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'
import { EVER_RETRANS, type TxSegment } from './tx-segment.ts'
import { initialWindow, selectWindow } from './window.ts'

/** Payload up to this size is copied behind the headers; more goes by reference. */
const COPY_BELOW = 200

/** Makes sure the connection knows where to send; false (with the error pending) if there is no route. */
export function ensureRoute(t: Tcb): boolean {
  const old = t.dst
  if (old?.isValid()) return true
  const dst = t.stack.ipv4.route(t.remoteAddress, t.localAddress, t.boundInterface)
  if (typeof dst === 'number') {
    t.softError = dst === -ENETUNREACH ? ENETUNREACH : EHOSTUNREACH
    t.dst = null
    return false
  }
  t.dst = dst
  return true
}

/** Sends `packet`, which holds the payload behind HEADROOM, under a header with `optionBytes` of options already placed. */
function hand(t: Tcb, packet: Packet, at: number, tos: number): boolean {
  const length = packet.length
  packet.l4 = at
  packet.protocol = IPPROTO_TCP
  packet.csum = CSUM_PARTIAL
  packet.csumOffset = 16
  const pseudo = checksum.pseudo4(t.localAddress, t.remoteAddress, IPPROTO_TCP, length)
  wire.setChecksumField(packet.bytes, at, checksum.fold(pseudo))
  const counters = t.stack.counters
  const segments = packet.gsoSegments > 0 ? packet.gsoSegments : 1
  counters.TcpOutSegs += segments
  if (t.stats !== null) t.stats.segmentsOut += segments
  if (!ensureRoute(t) || t.dst === null) {
    packet.release()
    return false
  }
  packet.time = t.tcp.now
  const ttl = t.ttl > 0 ? t.ttl : t.stack.sysctl.ip_default_ttl
  const df = t.stack.sysctl.ip_no_pmtu_disc === 0 && t.dst.metrics?.mtuLocked !== true
  const result = t.stack.ipv4.output(packet, t.dst, t.localAddress, t.remoteAddress, IPPROTO_TCP, ttl, tos, df)
  if (result === 0) return true
  // Our own queue is full: that is congestion too (NET_XMIT_DROP in __tcp_transmit_skb).
  if (result === -ENOBUFS) enterCwr(t)
  return false
}

/** Bytes of options of an established segment: timestamps, then SACK blocks (tcp_established_options). */
function establishedOptionBytes(t: Tcb): number {
  let size = (t.opt & OPT_TIMESTAMPS) !== 0 ? 12 : 0
  const blocks = t.sackCount + (t.hasDsack ? 1 : 0)
  if (blocks > 0) size += 4 + 8 * Math.min(blocks, ((40 - size - 4) / 8) | 0)
  return size
}

/** Writes them: `nop,nop,TS` then `nop,nop,sack`, D-SACK first (LINUX-TCP 1, 30). */
function putEstablishedOptions(t: Tcb, b: Uint8Array, o: number, end: number): void {
  if ((t.opt & OPT_TIMESTAMPS) !== 0) {
    o = tcpOptions.emitTimestampAligned(b, o, (t.tcp.nowMs() + t.tsOffset) | 0, t.tsRecent)
  }
  if (o >= end) return
  const blocks = (end - o - 4) >> 3
  o = tcpOptions.emitNop(b, o)
  o = tcpOptions.emitNop(b, o)
  o = tcpOptions.emitSackHeader(b, o, blocks)
  let left = blocks
  if (t.hasDsack) {
    o = tcpOptions.emitSackBlock(b, o, t.dsackLeft, t.dsackRight)
    t.hasDsack = false
    left--
  }
  const sack = t.sackBlocks
  for (let i = 0; i < left && sack !== null; i++) {
    o = tcpOptions.emitSackBlock(b, o, sack[2 * i] as number, sack[2 * i + 1] as number)
  }
}

/** ECN bits and codepoint of a segment about to leave (tcp_ecn_send); returns the flags to add. */
function ecnFlags(t: Tcb, isNewData: boolean): number {
  let flags = 0
  if (isNewData && t.ecnQueueCwr) {
    t.ecnQueueCwr = false
    flags |= wire.CWR
  }
  if (t.ecnDemandCwr) flags |= wire.ECE
  return flags
}

/** Urgent pointer if this segment's sequence number lies before it (RFC 9293 §3.8.5); 0 clears URG. */
function urgentField(t: Tcb, seq: number): number {
  const distance = diff(t.snd.up, seq)
  return distance > 0 ? Math.min(distance, 0xffff) : 0
}

/**
 * Sends a segment of the transmit queue, or sends it again. It stays in the queue; its payload goes by reference.
 * False if the packet was dropped on this host.
 */
export function transmit(t: Tcb, segment: TxSegment, mss: number): boolean {
  const now = t.tcp.now
  if ((segment.flags & wire.SYN) !== 0) return transmitSyn(t, segment, null)
  const packet = t.stack.pool.allocHeader(segment.bytes <= COPY_BELOW ? segment.bytes : 0)
  segment.fill(packet, COPY_BELOW)
  const optionBytes = establishedOptionBytes(t)
  const header = wire.HDR_LEN + optionBytes
  const at = packet.push(header)
  const b = packet.bytes
  // LINUX-TCP 9: a burst carries PSH on its last piece; what of it is sent again alone does not.
  let flags = segment.flags | wire.ACK | (segment.pcount > 1 ? wire.PSH : 0)
  let tos = t.tos
  if ((t.opt & OPT_ECN) !== 0) {
    const isNew = segment.bytes > 0 && !before(segment.seq, t.snd.nxt)
    flags |= ecnFlags(t, isNew)
    // RFC 3168 §6.1.5: retransmissions are not ECN-capable.
    if (isNew && (segment.sacked & EVER_RETRANS) === 0) tos = (tos & ~3) | 2
  }
  const urgent = (t.opt & OPT_URG_SEEN) !== 0 ? urgentField(t, segment.seq) : 0
  if (urgent > 0) flags |= wire.URG
  const window = selectWindow(t)
  wire.emit(b, at, t.localPort, t.remotePort, segment.seq, t.rcv.nxt, header, flags, window)
  if (urgent > 0) wire.setUrgent(b, at, urgent)
  if (optionBytes > 0) putEstablishedOptions(t, b, at + wire.HDR_LEN, at + header)
  if (segment.bytes > mss) {
    packet.gsoSize = mss
    packet.gsoSegments = segment.pcount
  }
  segment.txTime = Math.max(now, 1)
  ackSent(t)
  if (segment.bytes > 0) {
    dataSent(t)
    const s = t.stats
    if (s !== null) {
      s.bytesSent += segment.bytes
      s.dataSegmentsOut += segment.pcount
      if ((segment.sacked & EVER_RETRANS) !== 0) s.bytesRetransmitted += segment.bytes
    }
  }
  return hand(t, packet, at, tos)
}

/**
 * Sends a SYN (or, in simultaneous open, a SYN-ACK) with its options in Linux's order (LINUX-TCP 1, 3); with the bytes
 * of `data` behind it (RFC 7413 §4.2.1).
 */
export function transmitSyn(t: Tcb, segment: TxSegment, data: TxSegment | null): boolean {
  const sysctl = t.stack.sysctl
  const isAck = (segment.flags & wire.ACK) !== 0
  const packet = t.stack.pool.allocHeader(data !== null && data.bytes <= COPY_BELOW ? data.bytes : 0)
  if (!ensureRoute(t) || t.dst === null) {
    packet.release()
    return false
  }
  if (data !== null) {
    data.fill(packet, COPY_BELOW)
    data.txTime = Math.max(t.tcp.now, 1)
  }
  const f = isAck ? null : t.fastOpen
  const timestamps = isAck ? (t.opt & OPT_TIMESTAMPS) !== 0 : sysctl.tcp_timestamps !== 0
  const sack = isAck ? (t.opt & OPT_SACK) !== 0 : sysctl.tcp_sack !== 0
  const wscale = isAck ? t.snd.wscale > 0 || t.rcv.wscale > 0 : sysctl.tcp_window_scaling !== 0
  let size = synOptionBytes(timestamps, sack, wscale)
  const room = f === null ? 0 : cookieBytes(f)
  const cookie = room > 0 && size + room <= wire.MAX_OPTIONS_LEN ? f : null
  if (cookie !== null) {
    size += room
    cookie.synFastOpen = true
    cookie.synExperimental = cookie.isExperimental
  }
  const at = packet.push(wire.HDR_LEN + size)
  t.rcv.advMss = advertisedMss(t, t.dst)
  if (t.rcv.windowClamp === 0) initialWindow(t, t.rcv.advMss, wscale)
  wire.emit(
    packet.bytes,
    at,
    t.localPort,
    t.remotePort,
    segment.seq,
    isAck ? t.rcv.nxt : 0,
    wire.HDR_LEN + size,
    segment.flags,
    Math.min(65535, t.rcv.wnd),
  )
  putSynOptions(packet.bytes, at + wire.HDR_LEN, {
    mss: t.rcv.advMss,
    timestamps,
    sack,
    wscale: wscale ? t.rcv.wscale : -1,
    tsVal: (t.tcp.nowMs() + t.tsOffset) | 0,
    tsEcr: isAck ? t.tsRecent : 0,
    cookie,
  })
  segment.txTime = Math.max(t.tcp.now, 1)
  if (isAck) t.rcv.wup = t.rcv.nxt
  return hand(t, packet, at, t.tos)
}

/** What a SYN or SYN-ACK says in its options. `wscale` -1: none. */
export interface SynOptions {
  readonly mss: number
  readonly timestamps: boolean
  readonly sack: boolean
  readonly wscale: number
  readonly tsVal: number
  readonly tsEcr: number
  /** Fast Open cookie, or the request for one. */
  readonly cookie: CookieOption | null
}

/** A Fast Open option to send; `cookieLength` 0 asks for a cookie, -1: no option. */
export interface CookieOption {
  readonly cookie: Uint8Array
  readonly cookieLength: number
  readonly isExperimental: boolean
}

/** Bytes of the option, padding included. */
export const cookieBytes = (c: CookieOption): number =>
  c.cookieLength < 0 ? 0 : (c.cookieLength + (c.isExperimental ? 4 : 2) + 3) & ~3

/** Writes it, padded with NOPs behind (tcp_options_write). */
function putCookie(b: Uint8Array, o: number, c: CookieOption): number {
  const end = o + cookieBytes(c)
  if (c.isExperimental) {
    put16(b, o, (tcpOptions.EXPERIMENT << 8) | (4 + c.cookieLength))
    put16(b, o + 2, tcpOptions.FAST_OPEN_MAGIC)
    o += 4
    for (let i = 0; i < c.cookieLength; i++) b[o++] = c.cookie[i] as number
  } else o = tcpOptions.emitFastOpen(b, o, c.cookie, 0, c.cookieLength)
  while (o < end) o = tcpOptions.emitNop(b, o)
  return o
}

export function synOptionBytes(timestamps: boolean, sack: boolean, wscale: boolean): number {
  return 4 + (timestamps ? 12 : sack ? 4 : 0) + (wscale ? 4 : 0)
}

/** Writes `mss, sackOK, TS, nop, wscale` with Linux's padding (tcp_options_write). */
export function putSynOptions(b: Uint8Array, o: number, options: SynOptions): number {
  o = tcpOptions.emitMss(b, o, options.mss)
  if (options.timestamps) {
    if (options.sack) o = tcpOptions.emitSackPermitted(b, o)
    else o = tcpOptions.emitNop(b, tcpOptions.emitNop(b, o))
    o = tcpOptions.emitTimestamp(b, o, options.tsVal, options.tsEcr)
  } else if (options.sack) {
    o = tcpOptions.emitNop(b, tcpOptions.emitNop(b, o))
    o = tcpOptions.emitSackPermitted(b, o)
  }
  if (options.wscale >= 0) o = tcpOptions.emitWscale(b, tcpOptions.emitNop(b, o), options.wscale)
  if (options.cookie !== null) o = putCookie(b, o, options.cookie)
  return o
}

/** Sends a segment without data outside the transmit queue: ACK, window probe, RST. */
function sendBare(t: Tcb, flags: number, seq: number): boolean {
  const packet = t.stack.pool.allocHeader(0)
  const optionBytes = establishedOptionBytes(t)
  const header = wire.HDR_LEN + optionBytes
  const at = packet.push(header)
  if ((t.opt & OPT_ECN) !== 0 && (flags & wire.RST) === 0) flags |= ecnFlags(t, false)
  const urgent = (t.opt & OPT_URG_SEEN) !== 0 && (flags & wire.RST) === 0 ? urgentField(t, seq) : 0
  if (urgent > 0) flags |= wire.URG
  wire.emit(packet.bytes, at, t.localPort, t.remotePort, seq, t.rcv.nxt, header, flags, selectWindow(t))
  if (urgent > 0) wire.setUrgent(packet.bytes, at, urgent)
  if (optionBytes > 0) putEstablishedOptions(t, packet.bytes, at + wire.HDR_LEN, at + header)
  return hand(t, packet, at, t.tos)
}

/** SND.NXT, or the end of the peer's window if that has shrunk below it (tcp_acceptable_seq). */
function acceptableSeq(t: Tcb): number {
  const edge = (t.snd.una + t.snd.wnd) | 0
  if (before(edge, t.snd.nxt) && diff(t.snd.nxt, edge) >= 1 << t.rcv.wscale) return edge
  return t.snd.nxt
}

/** Sends a bare acknowledgement (tcp_send_ack). */
export function sendAck(t: Tcb): void {
  if (t.state === TCP_CLOSE || t.state === TCP_LISTEN || t.state === TCP_SYN_SENT) return
  sendBare(t, wire.ACK, acceptableSeq(t))
  ackSent(t)
}

/** Sends a keep-alive or window probe: an acknowledgement with a sequence number already used (tcp_xmit_probe_skb). */
export function sendProbe(t: Tcb): boolean {
  return sendBare(t, wire.ACK, after(t.snd.up, t.snd.una) ? t.snd.una : (t.snd.una - 1) | 0)
}

/** Resets the connection from our side (tcp_send_active_reset; LINUX-TCP 35). */
export function sendActiveReset(t: Tcb): void {
  t.stack.counters.TcpOutRsts++
  sendBare(t, wire.RST | wire.ACK, acceptableSeq(t))
}

/** What a segment that belongs to no connection says; written for `sendDetached`. */
export interface DetachedSegment {
  readonly local: number
  readonly remote: number
  readonly localPort: number
  readonly remotePort: number
  readonly seq: number
  readonly ack: number
  readonly flags: number
  readonly window: number
  /** Timestamps to carry, or none. */
  readonly hasTs: boolean
  readonly tsVal: number
  readonly tsEcr: number
  readonly tos: number
}

/** Sends a segment outside any connection: RST for nobody, ACK for TIME-WAIT and half-open (tcp_v4_send_ack/_reset). */
export function sendDetached(tcp: Tcp, s: DetachedSegment): void {
  const stack = tcp.stack
  const dst = stack.ipv4.route(s.remote, s.local, 0)
  if (typeof dst === 'number') return
  const packet = stack.pool.allocHeader(0)
  const header = wire.HDR_LEN + (s.hasTs ? 12 : 0)
  const at = packet.push(header)
  wire.emit(packet.bytes, at, s.localPort, s.remotePort, s.seq, s.ack, header, s.flags, s.window)
  if (s.hasTs) tcpOptions.emitTimestampAligned(packet.bytes, at + wire.HDR_LEN, s.tsVal, s.tsEcr)
  sendRaw(tcp, packet, at, s.local, s.remote, s.tos, dst)
}

/** Checksum state and IP for a segment that is complete but for them. */
export function sendRaw(
  tcp: Tcp,
  packet: Packet,
  at: number,
  local: number,
  remote: number,
  tos: number,
  dst: Dst,
): void {
  packet.l4 = at
  packet.protocol = IPPROTO_TCP
  packet.csum = CSUM_PARTIAL
  packet.csumOffset = 16
  const pseudo = checksum.pseudo4(local, remote, IPPROTO_TCP, packet.length)
  put16(packet.bytes, at + 16, checksum.fold(pseudo))
  packet.time = tcp.now
  tcp.stack.counters.TcpOutSegs++
  tcp.stack.ipv4.output(packet, dst, local, remote, IPPROTO_TCP, tcp.stack.sysctl.ip_default_ttl, tos, true)
}
