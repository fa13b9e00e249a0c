/**
 * The transmission control block: data and state names only, one flat record with the RFCs' variables in `snd` and
 * `rcv` (RFC 9293 §3.3.1) and Linux's tcp_sock for the rest. Code that works on it is in the files named for the job:
 * `user`, `input`, `ack`, `receive`, `output`, `timers`, `recovery`.
 */
import type { Packet } from '../buf/packet.ts'
import { type Dst, IP_MAX_MTU } from '../ip/dst.ts'
import type { SockAddr } from '../sock/address.ts'
import { inetPeerName } from '../sock/inet.ts'
import { type Message, type OptionResult, type OptionValue, Sock } from '../sock/sock.ts'
import { ENOTCONN } from '../sys/errno.ts'
import type { AccEcn } from './accecn.ts'
import type { AcceptQueue } from './accept-queue.ts'
import type { CompressedAcks } from './compressed-ack.ts'
import type { CongestionControl } from './congestion.ts'
import type { FastOpenState } from './fastopen.ts'
import type { Md5Key, Md5Keys } from './md5.ts'
import type { MtuProbe } from './mtu-probe.ts'
import type { OooTree } from './ooo-tree.ts'
import type { Pacing } from './pacing.ts'
import type { Seq } from './seq.ts'
import type { TcbStats } from './stats.ts'
import type { Tcp } from './tcp.ts'
import type { TcbTimer } from './timer.ts'
import type { TxSegment } from './tx-segment.ts'
import { setStamping, type TxStamps } from './tx-timestamp.ts'

/** Congestion states (tcp_ca_state). */
export const CA_OPEN = 0
export const CA_DISORDER = 1
export const CA_CWR = 2
export const CA_RECOVERY = 3
export const CA_LOSS = 4

/** Infinite slow-start threshold (TCP_INFINITE_SSTHRESH). */
export const INFINITE_SSTHRESH = 0x7fffffff
/** Initial window in segments (RFC 6928, TCP_INIT_CWND). */
export const INIT_CWND = 10

/** Bits of `Tcb.opt`: what was negotiated and what the program asked for. */
export const OPT_TIMESTAMPS = 1
export const OPT_SACK = 2
export const OPT_WSCALE = 4
/** ECN negotiated (RFC 3168). */
export const OPT_ECN = 8
/** Accurate ECN negotiated (RFC 9768); together with OPT_ECN: asked for in our SYN. */
export const OPT_ACCECN = 16
/** What the program wants of small segments (tp->nonagle, in three bits of `opt`). */
export const NONAGLE_SHIFT = 5
export const OPT_NODELAY = 32
export const OPT_CORK = 64
/** All that was queued when TCP_NODELAY was set, or the cork pulled with it set, goes whatever else is asked (TCP_NAGLE_PUSH). */
export const OPT_PUSH_QUEUED = 128
export const OPT_FIN_QUEUED = 256
/** connect() went on in the background and nobody asked for its outcome yet. */
export const OPT_CONNECTING = 512
/** A writer found no room and is to be woken (SOCK_NOSPACE). */
export const OPT_NOSPACE = 1024
/** Fast Open: data of the SYN was acknowledged or accepted (syn_data_acked); accepted by it before the handshake's end. */
export const OPT_SYN_DATA = 2048
export const OPT_TFO_CHILD = 4096
/** TCP_INQ: recvmsg tells what is left to read. */
export const OPT_INQ = 8192
/** A child that no program has accepted yet. */
export const OPT_UNACCEPTED = 16384
/** Urgent data was sent: there is an urgent pointer. */
export const OPT_URG_SEEN = 32768

/** Bits of `Tcb.ackPending` (inet_csk ack.pending). */
export const ACK_SCHED = 1
export const ACK_TIMER = 2
export const ACK_PUSHED = 4
export const ACK_PUSHED2 = 8
export const ACK_NOW = 16
/** Data was refused for want of memory: the next window is 0. */
export const ACK_NOMEM = 32

/** Send variables. */
export class SndVars {
  una: Seq = 0
  nxt: Seq = 0
  /** Send window in bytes, scaling applied; the largest seen; the segment that last set it (SND.WL1). */
  wnd = 0
  maxWnd = 0
  wl1: Seq = 0
  /** Urgent pointer; end of what a program has written; last byte of a small packet sent (Minshall). */
  up: Seq = 0
  writeSeq: Seq = 0
  sml: Seq = 0
  iss: Seq = 0
  wscale = 0
  /** Most payload in a segment now (mss_cache), the peer's MSS option bound, and what the program set (TCP_MAXSEG). */
  mss = 536
  mssClamp = 536
  userMss = 0
  cwnd: number = INIT_CWND
  cwndCnt = 0
  cwndClamp = 0x7fffffff
  ssthresh: number = INFINITE_SSTHRESH
  /** Segments out at the end of the last flight (RFC 7661 as tcp_cwnd_validate): cwnd used, and when. */
  maxPacketsOut = 0
  cwndUsageSeq: Seq = 0
  isCwndLimited = false
  cwndUsed = 0
  cwndStamp = 0
}

/** Receive variables. */
export class RcvVars {
  nxt: Seq = 0
  /** RCV.NXT when the window was last advertised, and that window in bytes. */
  wup: Seq = 0
  wnd = 0
  irs: Seq = 0
  wscale = 0
  /** Next byte the program will read. */
  copiedSeq: Seq = 0
  up: Seq = 0
  /** MSS we advertise; estimate of the peer's segment size; largest window by the buffer; present bound of the window. */
  advMss = 536
  mss = 536
  windowClamp = 0
  ssthresh = 0
  /** Receive-buffer tuning: bytes copied to the program per round trip, since when and which byte; RTT by the receiver. */
  spaceSeq: Seq = 0
  spaceBytes = 0
  spaceTime = 0
  rttUs = 0
  rttSeq: Seq = 0
  rttTime = 0
  rttStarted = false
  /** The echoed timestamp that was looked at last (rcv_rtt_last_tsecr). */
  rttTsEcr = 0
  lastSegmentSize = 0
  /** Payload in 256 bytes of buffer memory (scaling_ratio). */
  ratio = 128
}

/** Loss recovery's variables beside the counters: made when a connection first needs them. */
export class RecoveryVars {
  /** SND.NXT when recovery or loss was entered; the same for the tail loss probe. */
  highSeq: Seq = 0
  tlpHighSeq: Seq = 0
  tlpRetrans = false
  undoMarker: Seq = 0
  undoRetrans = 0
  hasUndo = false
  priorSsthresh = 0
  priorCwnd = 0
  prrDelivered = 0
  prrOut = 0
  /** First retransmission's TSval, to tell a spurious one by Eifel (RFC 3522). */
  retransStamp = 0
  frto = false
  /** RACK (RFC 8985). */
  rackTime = 0
  rackRttUs = 0
  rackEndSeq: Seq = 0
  rackReoWndSteps = 1
  rackReoWndPersist = 0
  rackAdvanced = false
  rackDsackSeen = false
  rackLastDelivered = 0
  reordSeen = 0
  /** Highest SACKed segment, and where to go on sending again. */
  highestSack: TxSegment | null = null
  retransmitHint: TxSegment | null = null
  /** The SACK blocks of the last ACK, in order, at its end (recv_sack_cache). */
  sackCache: Int32Array | null = null
}

/** What a receiver keeps of data that came out of order; made when the first do. */
export class Disorder {
  /** The last in the queue, and where each is. */
  oooTail: Packet | null = null
  oooTree: OooTree | null = null
  /** SACK blocks to report, newest first: pairs of left and right edge; D-SACK pending. */
  sackBlocks: Int32Array | null = null
  dsackLeft: Seq = 0
  dsackRight: Seq = 0
  /** Acknowledgements held back. */
  compressed: CompressedAcks | null = null
}

export const disorderOf = (t: Tcb): Disorder => (t.disorder ??= new Disorder())

/** Options that few programs set (tcp(7)); 0: the host's default. Never changed, only replaced. */
export class Tuning {
  /** TCP_KEEPIDLE, TCP_KEEPINTVL in seconds, TCP_KEEPCNT. */
  keepIdle = 0
  keepInterval = 0
  keepCount = 0
  /** TCP_USER_TIMEOUT in milliseconds. */
  userTimeout = 0
  /** TCP_SYNCNT. */
  synRetries = 0
  /** TCP_LINGER2 in seconds, -1: no FIN-WAIT-2 without an owner. */
  linger2 = 0
  /** TCP_NOTSENT_LOWAT in bytes. */
  notsentLowat = 0
  /** TCP_DEFER_ACCEPT in seconds. */
  deferAccept = 0
  /** TCP_RTO_MAX_MS, TCP_RTO_MIN_US, TCP_DELACK_MAX_US. */
  rtoMaxMs = 0
  rtoMinUs = 0
  delackMaxUs = 0

  /** TCP_SAVE_SYN; the headers that a child has of it until somebody asks. */
  saveSyn = 0
  savedSyn: Uint8Array | null = null
  /** TCP_MD5SIG. */
  md5: Md5Keys | null = null

  /** The same with one field changed. */
  with<K extends keyof Omit<Tuning, 'with'>>(field: K, value: Tuning[K]): Tuning {
    const changed: Tuning = Object.assign(new Tuning(), this)
    changed[field] = value
    return changed
  }
}

export class Tcb extends Sock {
  readonly tcp: Tcp
  readonly snd: SndVars = new SndVars()
  readonly rcv: RcvVars = new RcvVars()
  /** OPT_ bits; and the flags below that have names of their own, packed since idle connections are many. */
  opt = 0
  bits = 0
  /** Its place among the sockets that are not in the table of connections; -1: it is, or has gone. */
  looseAt = -1
  /** Where it sends: route and neighbour, looked up again when stale. */
  dst: Dst | null = null
  pmtu = 0
  /** Transmit queue: sent and unacknowledged from `txHead`, unsent from `sendHead`. */
  txHead: TxSegment | null = null
  txTail: TxSegment | null = null
  sendHead: TxSegment | null = null
  /** Ends of the list of sent segments by time of transmission. */
  firstSent: TxSegment | null = null
  lastSent: TxSegment | null = null
  /** Receive queue, in order; and out of order, by sequence number. */
  rcvHead: Packet | null = null
  rcvTail: Packet | null = null
  oooHead: Packet | null = null
  /** SACK blocks to report; the rest of what data out of order need. */
  sackCount = 0
  disorder: Disorder | null = null
  /** Segments ever received, and sent. */
  segmentsIn = 0
  segmentsOut = 0
  /** Counts in wire segments: out, SACKed, lost, retransmitted and out, delivered, lost ever. */
  packetsOut = 0
  sackedOut = 0
  lostOut = 0
  retransOut = 0
  delivered = 0
  lost = 0
  totalRetrans = 0
  reordering = 3
  caState: number = CA_OPEN
  ca: CongestionControl
  /** The controller's own state. */
  caData: object | null = null
  recovery: RecoveryVars | null = null
  /** Round-trip time: srtt << 3, mean deviation << 2 and rttvar in microseconds (tcp_rtt_estimator); RTO in microseconds. */
  srtt = 0
  mdev = 0
  mdevMax = 0
  rttvar = 0
  rttSeq: Seq = 0
  rto = 1000000
  minRtt = 0x7fffffff
  minRttTime = 0
  backoff = 0
  retransmits = 0
  probesOut = 0
  /** When the first of a row of window probes was due, in ms. */
  probeStart = 0
  /** End of the last send that was pushed (pushed_seq). */
  lastPushed: Seq = 0
  /** Timestamps (RFC 7323): the peer's to echo and when it came (ms), our offset, theirs last seen. */
  tsRecent = 0
  tsRecentStamp = 0
  tsOffset = 0
  rcvTsVal = 0
  rcvTsEcr = 0
  /** Delayed acknowledgement (inet_csk ack): timeout estimate in us, quick-ack credit, mode, pending bits. */
  ackPending = 0
  ato = 0
  quickAck = 0
  pingpong = 0
  /** Times in ms of the host's clock: last data received, sent; last segment received; last challenge ACK. */
  lastReceived = 0
  lastSentTime = 0
  lastSegmentTime = 0
  lastOowAck = 0
  /** Urgent data (RFC 6093 as Linux reads it): 0 none, or URG_ bits with the byte. */
  urgData = 0
  urgSeq: Seq = 0
  /** Timers, made when first started. */
  rexmtTimer: TcbTimer | null = null
  delackTimer: TcbTimer | null = null
  keepTimer: TcbTimer | null = null
  /** What the retransmission timer is for: '' | 'rto' | 'tlp' | 'reo' | 'probe', as numbers in timers.ts. */
  pendingTimer = 0
  /** What a program set beside the defaults; shared until changed. */
  tuning: Tuning
  /** A listener's queues; the next in the accept queue that holds this one. */
  queue: AcceptQueue | null = null
  nextAccept: Tcb | null = null
  /** Time stamps of what it sends, if asked for. */
  stamps: TxStamps | null = null
  /** Counters of ECN codepoints, for connections that see any (RFC 9768). */
  accEcn: AccEcn | null = null
  /** Fast Open, for sockets that use it. */
  fastOpen: FastOpenState | null = null
  /** The search for the path's MTU, for connections that probe. */
  mtuProbe: MtuProbe | null = null
  /** The pace at which it sends, for sockets that are paced. */
  pacing: Pacing | null = null
  /** Counts and chronographs, made when it first carries something. */
  stats: TcbStats | null = null

  constructor(tcp: Tcp, family: number, ca: CongestionControl) {
    super(tcp.stack, family, 1, 6)
    this.tcp = tcp
    this.ca = ca
    this.tuning = tcp.defaults
    this.rcvbuf = tcp.stack.sysctl.tcp_rmem[1] as number
    this.sndbuf = tcp.stack.sysctl.tcp_wmem[1] as number
    this.reordering = tcp.stack.sysctl.tcp_reordering
  }

  /** It is in the table of connections. */
  get hashed(): boolean {
    return (this.bits & 1) !== 0
  }
  set hashed(on: boolean) {
    this.bits = on ? this.bits | 1 : this.bits & ~1
  }
  /** The key of TCP_MD5SIG for the peer, if there is one. */
  get md5Key(): Md5Key | null {
    const keys = this.tuning.md5
    return keys === null ? null : keys.find(this.remoteAddress)
  }
  /** A duplicate waits to be reported in `dsackLeft`, `dsackRight`. */
  get hasDsack(): boolean {
    return (this.bits & 2) !== 0
  }
  set hasDsack(on: boolean) {
    this.bits = on ? this.bits | 2 : this.bits & ~2
  }
  /** `lastOowAck` holds a time. */
  get hasOowAck(): boolean {
    return (this.bits & 4) !== 0
  }
  set hasOowAck(on: boolean) {
    this.bits = on ? this.bits | 4 : this.bits & ~4
  }
  /** The peer's FIN came: a read at the end gives 0 before any error (SOCK_DONE). */
  get closedRead(): boolean {
    return (this.bits & 8) !== 0
  }
  set closedRead(on: boolean) {
    this.bits = on ? this.bits | 8 : this.bits & ~8
  }
  /** ECN (RFC 3168): we owe ECE until the peer sends CWR. */
  get ecnDemandCwr(): boolean {
    return (this.bits & 16) !== 0
  }
  set ecnDemandCwr(on: boolean) {
    this.bits = on ? this.bits | 16 : this.bits & ~16
  }
  /** We owe CWR. */
  get ecnQueueCwr(): boolean {
    return (this.bits & 32) !== 0
  }
  set ecnQueueCwr(on: boolean) {
    this.bits = on ? this.bits | 32 : this.bits & ~32
  }
  /** A marked packet came. */
  get ecnSeen(): boolean {
    return (this.bits & 64) !== 0
  }
  set ecnSeen(on: boolean) {
    this.bits = on ? this.bits | 64 : this.bits & ~64
  }

  /** The next segment is likely to be data in order: nothing waits out of order, and there is room (pred_flags). */
  get isPredicting(): boolean {
    return (this.bits & 256) !== 0
  }
  set isPredicting(on: boolean) {
    this.bits = on ? this.bits | 256 : this.bits & ~256
  }

  /** Nobody owns it, and it is counted so (tcp_orphan_count). */
  get isOrphan(): boolean {
    return (this.bits & 512) !== 0
  }
  set isOrphan(on: boolean) {
    this.bits = on ? this.bits | 512 : this.bits & ~512
  }

  /** It connected, and did not accept: its SYN counts among the bytes acknowledged (tcp_snd_una_update). */
  get isActive(): boolean {
    return (this.bits & 128) !== 0
  }
  set isActive(on: boolean) {
    this.bits = on ? this.bits | 128 : this.bits & ~128
  }

  override poll(): number {
    return this.tcp.user.poll(this)
  }
  override close(): void {
    this.tcp.user.close(this)
  }
  // biome-ignore format: one line
  override send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message: Message | null = null): number {
    return this.tcp.user.send(this, bytes, offset, length, flags, to, message)
  }
  override receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number {
    return this.tcp.user.receive(this, bytes, offset, length, flags, message)
  }
  override splice(bytes: Uint8Array, offset: number, length: number, isNonBlocking: boolean): number {
    return this.tcp.user.splice(this, bytes, offset, length, isNonBlocking)
  }
  override bind(address: SockAddr): number {
    return this.tcp.user.bind(this, address)
  }
  override connect(address: SockAddr): number {
    return this.tcp.user.connect(this, address)
  }
  override listen(backlog: number): number {
    return this.tcp.user.listen(this, backlog)
  }
  override accept(): Sock | number {
    return this.tcp.user.accept(this)
  }
  override shutdown(how: number): number {
    return this.tcp.user.shutdown(this, how)
  }
  override getName(peer: boolean, into: SockAddr): number {
    return this.tcp.user.getName(this, peer, into)
  }
  override acceptedName(into: SockAddr): number {
    return inetPeerName(this, into)
  }
  override routeChanged(): void {
    this.dst = null
  }
  override pathMtu(): number {
    return this.dst === null ? -ENOTCONN : Math.min(this.dst.mtu, IP_MAX_MTU)
  }
  override setOption(level: number, name: number, value: OptionValue): number {
    return this.tcp.options.set(this, level, name, value)
  }
  override getOption(level: number, name: number, result: OptionResult): number {
    return this.tcp.options.get(this, level, name, result)
  }
  override setStamping(flags: number): number {
    return setStamping(this, flags)
  }
  override ioctl(request: number): number {
    return this.tcp.user.ioctl(this, request)
  }
}
