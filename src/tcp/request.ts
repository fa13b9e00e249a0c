/** A half-open connection: what is kept of a SYN, the SYN-ACK and its timer (RFC 9293 §3.10.7.2; Linux tcp_request_sock). */
import { Timer } from '../sys/clock.ts'
import * as wire from '../wire/tcp.ts'
import { ACK, AE, CWR, ECE, SYN } from '../wire/tcp.ts'
import { asksForAccEcn, reflectedFlags } from './accecn.ts'
import { timestampOffset } from './isn.ts'
import { writeError } from './lifecycle.ts'
import { MD5_OPTION, type Md5Key } from './md5.ts'
import { peerMss, TCP_MSS_DEFAULT } from './mss.ts'
import { recoveryOf } from './rack.ts'
import { enterLoss } from './recovery.ts'
import { rtoMax, TCP_RTO_MAX } from './rtt.ts'
import type { Segment } from './segment.ts'
import { add, between } from './seq.ts'
import { countTimeout } from './stats.ts'
import {
  type CookieOption,
  cookieBytes,
  putSynOptions,
  synCounterBytes,
  synCounterFields,
  synOptionBytes,
} from './syn-options.ts'
import { OPT_ACCECN, OPT_ECN, OPT_SACK, OPT_TIMESTAMPS, OPT_WSCALE, type Tcb } from './tcb.ts'
import type { Tcp } from './tcp.ts'
import { sendRaw } from './transmit.ts'

/** ECE and CWR, on a SYN that is not ECN-capable itself, unless a newer version of ECN sent it (tcp_ecn_create_request). */
const asksForEcn = (g: Segment): boolean =>
  (g.flags & (ECE | CWR)) === (ECE | CWR) && ((g.tos & 3) === 0 || (g.flags & AE) !== 0)

/** A half-open connection (tcp_request_sock): SYN-RECEIVED without a control block. */
export class Request extends Timer {
  readonly tcp: Tcp
  readonly listener: Tcb
  readonly local: number
  readonly remote: number
  readonly localPort: number
  readonly remotePort: number
  readonly iss: number
  readonly irs: number
  mss: number
  readonly opt: number
  /** For its segments to be signed with. */
  readonly md5Key: Md5Key | null
  /** The headers of the SYN, for TCP_SAVED_SYN. */
  savedSyn: Uint8Array | null = null
  readonly sndWscale: number
  tsRecent: number
  /** AccECN: the codepoint of the SYN, what was seen of the peer's option. */
  readonly synEct: number
  accEcnSeen = 0
  readonly tsOffset: number
  readonly synWindow: number
  rcvWnd = 0
  rcvWscale = 0
  rcvClamp = 0
  advMss = 536
  /** SYN-ACK timeouts (num_timeout); SYN-ACKs sent again, for whatever reason (num_retrans). */
  retries = 0
  resent = 0
  timeout: number
  /** When the last SYN-ACK left; -1: none did, the ACK brought a SYN cookie. */
  sentAt = -1
  /** When the first SYN-ACK left, in ms, as its timestamp shows. */
  firstSent = 0
  /** The handshake is done but the accept queue was full. */
  acked = false
  /** The last answer to a segment out of order (tcp_oow_rate_limited). */
  lastOowAck = 0
  hasOowAck = false
  /** What the SYN-ACK acknowledges, and the Fast Open cookie it carries. */
  rcvNxt: number
  cookie: CookieOption | null = null
  /** The Fast Open child that is connected already, and whether a program has it. */
  child: Tcb | null = null
  isAccepted = false
  /** The clock that the timestamp of a SYN cookie shows, in ms; NaN: the present one. */
  cookieStamp: number = Number.NaN

  constructor(tcp: Tcp, listener: Tcb, g: Segment, iss: number) {
    super()
    const parsed = tcp.parsed
    const sysctl = tcp.stack.sysctl
    this.tcp = tcp
    this.listener = listener
    this.local = g.local
    this.remote = g.remote
    this.localPort = g.localPort
    this.remotePort = g.remotePort
    this.iss = iss
    this.irs = g.seq
    this.rcvNxt = add(g.seq, 1)
    this.mss = peerMss(listener, TCP_MSS_DEFAULT)
    let opt = 0
    this.md5Key = listener.tuning.md5?.find(g.remote) ?? null
    if (parsed.sackPermitted && sysctl.tcp_sack !== 0) opt |= OPT_SACK
    // With a signature there is room for one of the two (tcp_synack_options).
    const mayStamp = this.md5Key === null || (opt & OPT_SACK) === 0
    if (g.hasTs && sysctl.tcp_timestamps !== 0 && mayStamp) opt |= OPT_TIMESTAMPS
    if (parsed.wscale >= 0 && sysctl.tcp_window_scaling !== 0) opt |= OPT_WSCALE
    // RFC 9768 §3.1.2; then nothing of the IP header matters.
    if (sysctl.tcp_ecn >= 3 && asksForAccEcn(g.flags)) opt |= OPT_ACCECN
    // RFC 3168 §6.1.1: ECE and CWR in the SYN ask for ECN; the SYN itself must not be ECN-capable.
    else if (sysctl.tcp_ecn !== 0 && asksForEcn(g)) opt |= OPT_ECN
    this.synEct = g.tos & 3
    this.opt = opt
    this.sndWscale = parsed.wscale >= 0 ? Math.min(14, parsed.wscale) : 0
    this.tsRecent = g.hasTs && sysctl.tcp_timestamps !== 0 ? parsed.tsVal : 0
    this.tsOffset = timestampOffset(tcp.hash, g.local, g.remote)
    this.synWindow = g.window
    this.timeout = 1000000
  }

  /** One of the SYN-ACKs had this timestamp, as far as can be said (tsecr_reject of tcp_check_req). */
  sentTimestamp(ms: number): boolean {
    return between(ms, this.firstSent, Math.floor(this.sentAt / 1000) | 0)
  }

  get ports(): number {
    return (this.localPort << 16) | this.remotePort
  }

  /** The SYN-ACK's timer (reqsk_timer_handler): again after 1, 2, 4, 8, 16 s; gone 32 s after that (TC6). */
  override fire(now: number): void {
    const tcp = this.tcp
    tcp.now = now
    const stack = tcp.stack
    stack.trace.tcpTimer?.(this, 'synack', stack.name)
    if (this.child !== null) {
      this.#childTimeout(this.child, now)
      return
    }
    const most = this.listener.tuning.synRetries > 0 ? this.listener.tuning.synRetries : stack.sysctl.tcp_synack_retries
    // syn_ack_recalc: after an ACK that TCP_DEFER_ACCEPT ignored, no SYN-ACK until the deferring ends; then a last chance.
    const defer = this.acked && this.listener.tuning.deferAccept > 0 ? deferRetries(this.listener) : 0
    if (this.retries >= most && this.retries >= defer) {
      this.drop()
      return
    }
    const resend = defer === 0 || this.retries >= defer - 1
    this.retries++
    // Not tcp_rto_max: 6.18 bounds those of half-open connections by the constant.
    this.timeout = Math.min(this.timeout * 2, TCP_RTO_MAX)
    tcp.clock.start(this, now + this.timeout)
    if (!resend) return
    sendSynAck(this)
  }

  /** The SYN-ACK of a Fast Open child, once more than others get (tcp_fastopen_synack_timer). */
  #childTimeout(child: Tcb, now: number): void {
    const { tcp } = this
    const { sysctl } = tcp.stack
    const most = child.tuning.synRetries > 0 ? child.tuning.synRetries : sysctl.tcp_synack_retries + 1
    if (this.retries >= most) {
      writeError(child)
      return
    }
    // The window shrinks as initTransfer has it for others.
    if (child.retransmits === 1) enterLoss(child)
    sendSynAck(this)
    this.retries++
    countTimeout(child)
    recoveryOf(child).retransStamp ||= tcp.nowMs()
    this.timeout = Math.min(this.timeout * 2, rtoMax(child))
    tcp.clock.start(this, now + this.timeout)
  }

  /** Forgets the request. */
  drop(): void {
    const tcp = this.tcp
    tcp.clock.remove(this)
    tcp.table.delete(this.local, this.remote, this.ports, this)
    const queue = this.listener.queue
    if (queue?.requests.delete(this)) queue.halfOpen--
  }
}

/** SYN-ACK timeouts that TCP_DEFER_ACCEPT waits for data. */
export const deferRetries = (listener: Tcb): number =>
  Math.max(1, Math.ceil(Math.log2(listener.tuning.deferAccept + 1)))

/** Sends (again) the SYN-ACK of a request. */
export function sendSynAck(r: Request): void {
  const tcp = r.tcp
  const stack = tcp.stack
  const dst = stack.ipv4.route(r.remote, r.local, r.listener.boundInterface)
  if (typeof dst === 'number') return
  const timestamps = (r.opt & OPT_TIMESTAMPS) !== 0
  const sack = (r.opt & OPT_SACK) !== 0
  const wscale = (r.opt & OPT_WSCALE) !== 0
  const key = r.md5Key
  let size = synOptionBytes(timestamps, sack, wscale) + (key === null ? 0 : MD5_OPTION)
  const room = r.cookie === null ? 0 : cookieBytes(r.cookie)
  // Once, too (tcp_rtx_synack).
  const cookie = r.sentAt < 0 && size + room <= wire.MAX_OPTIONS_LEN ? r.cookie : null
  if (cookie !== null) size += room
  const isAccurate = (r.opt & OPT_ACCECN) !== 0
  // Once: a middlebox may have dropped the SYN-ACK for it.
  const mayCount = isAccurate && r.retries === 0 && stack.sysctl.tcp_ecn_option !== 0
  const counters = mayCount ? synCounterFields(size, timestamps, sack, wscale) : -1
  size += synCounterBytes(counters, timestamps, sack, wscale)
  const packet = stack.pool.allocHeader(0)
  const at = packet.push(wire.HDR_LEN + size)
  // RFC 9768 §3.2.3.2.2: when the SYN-ACK without the option got lost as well, perhaps for its flags.
  const told = r.retries > 1 ? 0 : reflectedFlags(r.synEct)
  const ecn = isAccurate ? told : (r.opt & OPT_ECN) !== 0 ? ECE : 0
  wire.emit(
    packet.bytes,
    at,
    r.localPort,
    r.remotePort,
    r.iss,
    r.rcvNxt,
    wire.HDR_LEN + size,
    SYN | ACK | ecn,
    Math.min(r.rcvWnd, 65535),
  )
  putSynOptions(packet.bytes, at + wire.HDR_LEN, {
    mss: r.advMss,
    timestamps,
    sack,
    wscale: wscale ? r.rcvWscale : -1,
    tsVal: ((Number.isNaN(r.cookieStamp) ? tcp.nowMs() : r.cookieStamp) + r.tsOffset) | 0,
    tsEcr: r.tsRecent,
    cookie,
    isSigned: key !== null,
    counters,
  })
  if (key !== null) tcp.signer.sign(key, packet, at, r.local, r.remote)
  if (r.sentAt < 0) r.firstSent = tcp.nowMs()
  else {
    r.resent++
    if (r.child !== null) r.child.totalRetrans++
    stack.counters.TcpRetransSegs++
    stack.counters.TcpExtTCPSynRetrans++
  }
  r.sentAt = tcp.now
  sendRaw(tcp, packet, at, r.local, r.remote, r.listener.tos, dst)
}
