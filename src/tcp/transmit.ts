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
import { accEcnOf, countFlags, emitFitted, isAccEcn, sentEct } from './accecn.ts'
import { enterCwr } from './cwr.ts'
import { MD5_OPTION, type Md5Key } from './md5.ts'
import { advertisedMss, dontFragment, establishedOptionBytes, TS_LEN } from './mss.ts'
import { departure, paced, pacingOf } from './pacing.ts'
import { ackSent, dataSent } from './quick-ack.ts'
import { rateSent } from './rate.ts'
import { add, before, between, diff } from './seq.ts'
import { cookieBytes, putSynOptions, synCounterBytes, synCounterFields, synOptionBytes } from './syn-options.ts'
import { disorderOf, OPT_ACCECN, OPT_ECN, OPT_TIMESTAMPS, OPT_URG_SEEN, OPT_WSCALE, type Tcb } from './tcb.ts'
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
  const key = t.md5Key
  if (key !== null) t.tcp.signer.sign(key, packet, at, t.localAddress, t.remoteAddress)
  packet.l4 = at
  packet.protocol = IPPROTO_TCP
  packet.csum = CSUM_PARTIAL
  packet.csumOffset = 16
  const pseudo = checksum.pseudo4(t.localAddress, t.remoteAddress, IPPROTO_TCP, length)
  wire.setChecksumField(packet.bytes, at, checksum.fold(pseudo))
  const counters = t.stack.counters
  const segments = packet.gsoSegments > 0 ? packet.gsoSegments : 1
  counters.TcpOutSegs += segments
  t.segmentsOut += segments
  if (t.stats !== null) t.stats.lastOut = t.tcp.now
  if (!ensureRoute(t) || t.dst === null) {
    packet.release()
    return false
  }
  packet.time = departure(t)
  const ttl = t.ttl > 0 ? t.ttl : t.stack.sysctl.ip_default_ttl
  const df = dontFragment(t, t.dst)
  const result = t.stack.ipv4.output(packet, t.dst, t.localAddress, t.remoteAddress, IPPROTO_TCP, ttl, tos, df)
  if (result === 0) return true
  // Our own queue is full: that is congestion too (NET_XMIT_DROP in __tcp_transmit_skb).
  if (result === -ENOBUFS) enterCwr(t)
  return false
}

/** Writes the header without options, by words: a view stores one in an instruction or two. Settles the window to offer. */
function putHeader(t: Tcb, packet: Packet, at: number, seq: number, length: number, flags: number): void {
  const { view } = packet
  view.setInt32(at, (t.localPort << 16) | t.remotePort)
  view.setInt32(at + 4, seq)
  view.setInt32(at + 8, t.rcv.nxt)
  view.setInt32(at + 12, (length << 26) | ((flags & wire.FLAGS_MASK) << 16) | selectWindow(t))
  view.setInt32(at + 16, 0)
}

/**
 * Writes what `establishedOptionBytes` found: the signature, `nop,nop,TS`, AccECN's counters, `nop,nop,sack`, D-SACK first
 * (LINUX-TCP 1, 30).
 */
function putEstablishedOptions(t: Tcb, b: Uint8Array, o: number, end: number): void {
  if (t.md5Key !== null) o = tcpOptions.emitMd5(b, o)
  if ((t.opt & OPT_TIMESTAMPS) !== 0) {
    o = tcpOptions.emitTimestampAligned(b, o, (t.tcp.nowMs() + t.tsOffset) | 0, t.tsRecent)
  }
  const a = t.accEcn
  const hasCounters = a !== null && a.fields >= 0
  if (hasCounters) o = emitFitted(t, a, b, o)
  if (o >= end) return
  // Behind counters the two bytes are there already.
  if (!hasCounters) o = tcpOptions.emitNop(b, tcpOptions.emitNop(b, o))
  const blocks = (end - o - 2) >> 3
  o = tcpOptions.emitSackHeader(b, o, blocks)
  let left = blocks
  const d = disorderOf(t)
  if (t.hasDsack) {
    o = tcpOptions.emitSackBlock(b, o, d.dsackLeft, d.dsackRight)
    t.hasDsack = false
    left--
  }
  const sack = d.sackBlocks
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

/** Urgent pointer if this segment's sequence number lies before it (RFC 9293 §3.8.5); 0 clears URG (__tcp_transmit_skb). */
function urgentField(t: Tcb, seq: number): number {
  if ((t.opt & OPT_URG_SEEN) === 0 || t.snd.up === t.snd.una) return 0
  const distance = diff(t.snd.up, seq)
  if (distance <= 0) return 0
  if (distance <= 0xffff) return distance
  return diff(t.snd.nxt, seq) < 0xffff ? 0xffff : 0
}

/**
 * Sends a segment of the transmit queue, or sends it again. It stays in the queue; its payload goes by reference.
 * False if the packet was dropped on this host.
 */
export function transmit(t: Tcb, segment: TxSegment, mss: number): boolean {
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
  if ((t.opt & OPT_ACCECN) !== 0) {
    const a = accEcnOf(t)
    flags |= countFlags(a)
    tos = (tos & ~3) | sentEct(a)
    packet.gsoAccEcn = true
  } else if ((t.opt & OPT_ECN) !== 0) {
    const isNew = segment.bytes > 0 && !before(segment.seq, t.snd.nxt)
    flags |= ecnFlags(t, isNew)
    // RFC 3168 §6.1.5: retransmissions are not ECN-capable.
    if (isNew && (segment.sacked & EVER_RETRANS) === 0) tos = (tos & ~3) | 2
  }
  const urgent = urgentField(t, segment.seq)
  if (urgent > 0) flags |= wire.URG
  putHeader(t, packet, at, segment.seq, header, flags)
  if (urgent > 0) wire.setUrgent(b, at, urgent)
  if (optionBytes > 0) putEstablishedOptions(t, b, at + wire.HDR_LEN, at + header)
  if (segment.bytes > mss) {
    packet.gsoSize = mss
    packet.gsoSegments = segment.pcount
  }
  segment.txTime = Math.max(departure(t), 1)
  rateSent(t, segment)
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
  const left = hand(t, packet, at, tos)
  if (left) {
    if (t.dst?.interface.paces === true) pacingOf(t).byQueue = true
    if (t.pacing !== null) paced(t, segment.bytes)
  }
  return left
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
  const isSigned = t.md5Key !== null
  // A signature and time stamps would leave no room for SACK blocks.
  const timestamps = sysctl.tcp_timestamps !== 0 && !isSigned
  const sack = sysctl.tcp_sack !== 0
  const wscale = sysctl.tcp_window_scaling !== 0
  let size = synOptionBytes(timestamps, sack, wscale) + (isSigned ? MD5_OPTION : 0)
  const room = f === null ? 0 : cookieBytes(f)
  const cookie = room > 0 && size + room <= wire.MAX_OPTIONS_LEN ? f : null
  if (cookie !== null) {
    size += room
    cookie.synFastOpen = true
    cookie.synExperimental = cookie.isExperimental
  }
  const mayCount = isAck && isAccEcn(t) && t.retransmits < 2 && sysctl.tcp_ecn_option !== 0
  const counters = mayCount ? synCounterFields(size, timestamps, sack, wscale) : -1
  size += synCounterBytes(counters, timestamps, sack, wscale)
  const at = packet.push(wire.HDR_LEN + size)
  const mss = advertisedMss(t, t.dst)
  // Later it only sinks (tcp_advertise_mss).
  t.rcv.advMss = t.state === TCP_SYN_SENT ? mss : Math.min(t.rcv.advMss, mss)
  if (t.rcv.wnd === 0) {
    initialWindow(t, t.rcv.advMss, wscale)
    t.rcv.ssthresh = t.rcv.wnd
  }
  // Sent again while urgent data waits behind it.
  const urgent = urgentField(t, segment.seq)
  wire.emit(
    packet.bytes,
    at,
    t.localPort,
    t.remotePort,
    segment.seq,
    isAck ? t.rcv.nxt : 0,
    wire.HDR_LEN + size,
    segment.flags | (urgent > 0 ? wire.URG : 0),
    Math.min(65535, t.rcv.wnd),
  )
  if (urgent > 0) wire.setUrgent(packet.bytes, at, urgent)
  putSynOptions(packet.bytes, at + wire.HDR_LEN, {
    mss: t.rcv.advMss,
    timestamps,
    sack,
    wscale: wscale ? t.rcv.wscale : -1,
    tsVal: (t.tcp.nowMs() + t.tsOffset) | 0,
    tsEcr: isAck ? t.tsRecent : 0,
    cookie,
    isSigned,
    counters,
  })
  segment.txTime = Math.max(t.tcp.now, 1)
  if (isAck) t.rcv.wup = t.rcv.nxt
  return hand(t, packet, at, t.tos)
}

/** Sends a segment without data outside the transmit queue: ACK, window probe, RST. `ace`: instead of AccECN's counter. */
function sendBare(t: Tcb, flags: number, seq: number, ace = 0): boolean {
  const packet = t.stack.pool.allocHeader(0)
  const optionBytes = establishedOptionBytes(t)
  const header = wire.HDR_LEN + optionBytes
  const at = packet.push(header)
  let tos = t.tos
  if ((t.opt & OPT_ACCECN) !== 0) {
    const a = accEcnOf(t)
    flags |= ace === 0 ? countFlags(a) : ace
    tos = (tos & ~3) | sentEct(a)
  } else if ((t.opt & OPT_ECN) !== 0) flags |= ecnFlags(t, false)
  const urgent = urgentField(t, seq)
  if (urgent > 0) flags |= wire.URG
  putHeader(t, packet, at, seq, header, flags)
  if (urgent > 0) wire.setUrgent(packet.bytes, at, urgent)
  if (optionBytes > 0) putEstablishedOptions(t, packet.bytes, at + wire.HDR_LEN, at + header)
  return hand(t, packet, at, tos)
}

/** SND.NXT, or the end of the peer's window if that has shrunk below it (tcp_acceptable_seq). */
function acceptableSeq(t: Tcb): number {
  const edge = (t.snd.una + t.snd.wnd) | 0
  const isRounding = (t.opt & OPT_WSCALE) !== 0 && diff(t.snd.nxt, edge) < 1 << t.rcv.wscale
  return before(edge, t.snd.nxt) && !isRounding ? edge : t.snd.nxt
}

/** Sends a bare acknowledgement (tcp_send_ack); with AccECN `ace` takes the counter's place (tcp_send_ack_reflect_ect). */
export function sendAck(t: Tcb, ace = 0): void {
  if (t.state === TCP_CLOSE || t.state === TCP_LISTEN || t.state === TCP_SYN_SENT) return
  sendBare(t, wire.ACK, acceptableSeq(t), ace)
  ackSent(t)
}

/** Sends a keep-alive or window probe: an acknowledgement with a sequence number already used (tcp_xmit_probe_skb). */
export function sendProbe(t: Tcb): boolean {
  // Urgent data within reach is told of besides, from where the window ends.
  if (between(t.snd.up, add(t.snd.una, 1), add(t.snd.una, 0xffff))) sendBare(t, wire.ACK, t.snd.una)
  return sendBare(t, wire.ACK, (t.snd.una - 1) | 0)
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
  /** Timestamps to carry; none if there is 0 to echo, whatever was agreed on. */
  readonly tsVal: number
  readonly tsEcr: number
  readonly tos: number
  /** To be signed with. */
  readonly md5Key: Md5Key | null
}

/** Sends a segment outside any connection: RST for nobody, ACK for TIME-WAIT and half-open (tcp_v4_send_ack/_reset). */
export function sendDetached(tcp: Tcp, s: DetachedSegment): void {
  const stack = tcp.stack
  const dst = stack.ipv4.route(s.remote, s.local, 0)
  if (typeof dst === 'number') return
  const packet = stack.pool.allocHeader(0)
  const hasTs = s.tsEcr !== 0
  const header = wire.HDR_LEN + (hasTs ? TS_LEN : 0) + (s.md5Key === null ? 0 : MD5_OPTION)
  const at = packet.push(header)
  wire.emit(packet.bytes, at, s.localPort, s.remotePort, s.seq, s.ack, header, s.flags, s.window)
  let o = at + wire.HDR_LEN
  if (s.md5Key !== null) o = tcpOptions.emitMd5(packet.bytes, o)
  if (hasTs) tcpOptions.emitTimestampAligned(packet.bytes, o, s.tsVal, s.tsEcr)
  if (s.md5Key !== null) tcp.signer.sign(s.md5Key, packet, at, s.local, s.remote)
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
