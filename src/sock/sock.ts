/**
 * What every transport's socket has in common (Linux's struct sock): identity, buffers' limits, options, pending
 * error, readiness; and the operations the socket layer calls, non-blocking, integers out: a result >= 0 or -errno.
 */

import type { FsStruct } from '../fs/tree.ts'
import type { Stack } from '../stack/stack.ts'
import { EAFNOSUPPORT, EINVAL, ENOPROTOOPT, ENOTCONN, ENOTTY, EOPNOTSUPP } from '../sys/errno.ts'
import type { SockAddr } from './address.ts'
import type { Filter } from './bpf.ts'
import type { ErrorQueue } from './error-queue.ts'
import type { Message } from './message.ts'
import type { Multicast } from './multicast.ts'
import type { PortBucket, PortUser } from './ports.ts'
import { SOF_MASK } from './stamping.ts'
import { WaitQueue } from './wait-queue.ts'

export { type ControlMessage, Message } from './message.ts'

/** TCP's states with Linux's numbers (include/net/tcp_states.h); other transports use ESTABLISHED and CLOSE. */
export const TCP_ESTABLISHED = 1
export const TCP_SYN_SENT = 2
export const TCP_SYN_RECV = 3
export const TCP_FIN_WAIT1 = 4
export const TCP_FIN_WAIT2 = 5
export const TCP_TIME_WAIT = 6
export const TCP_CLOSE = 7
export const TCP_CLOSE_WAIT = 8
export const TCP_LAST_ACK = 9
export const TCP_LISTEN = 10
export const TCP_CLOSING = 11
export const TCP_NEW_SYN_RECV = 12

/** Bits of `Sock.shutdownMask`. */
export const RCV_SHUTDOWN = 1
export const SEND_SHUTDOWN = 2
export const SHUTDOWN_MASK = 3

/** Bits of `Sock.flags`. */
export const SF_REUSEADDR = 1
export const SF_REUSEPORT = 2
export const SF_KEEPALIVE = 4
export const SF_BROADCAST = 8
export const SF_OOBINLINE = 16
export const SF_LINGER = 32
/** No file refers to it any more; the protocol finishes alone (SOCK_DEAD). */
export const SF_DEAD = 64
/** A program fixed the buffer's size, so it is not tuned (SOCK_RCVBUF_LOCK, SOCK_SNDBUF_LOCK). */
export const SF_RCVBUF_LOCK = 128
export const SF_SNDBUF_LOCK = 256
/** bind() gave the address or the port (SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK). */
export const SF_BINDADDR_LOCK = 512
export const SF_BINDPORT_LOCK = 1024
export const SF_DONTROUTE = 2048
export const SF_RECVERR = 4096
export const SF_NO_CHECK = 16384
export const SF_DEBUG = 32768
export const SF_HDRINCL = 65536
/** IP_FREEBIND: any address may be bound. IP_BIND_ADDRESS_NO_PORT: bind to port 0 leaves the port to connect. */
export const SF_FREEBIND = 131072
export const SF_BIND_NO_PORT = 262144

/** Smallest buffers (sock.h): TCP_SKB_MIN_TRUESIZE is 2048 + 256. */
export const SOCK_MIN_RCVBUF = 2304
export const SOCK_MIN_SNDBUF = 4608

/** IP_MTU_DISCOVER's values (ip(7)). */
export const IP_PMTUDISC_DONT = 0
export const IP_PMTUDISC_WANT = 1
export const IP_PMTUDISC_DO = 2
export const IP_PMTUDISC_PROBE = 3
export const IP_PMTUDISC_INTERFACE = 4
export const IP_PMTUDISC_OMIT = 5

/**
 * An option's value as it crosses the system-call surface: an int, raw bytes, a name, or a struct in words of its fields
 * (struct linger, struct timeval).
 */
export type OptionValue =
  | number
  | Uint8Array
  | string
  | { readonly onoff: number; readonly linger: number }
  | { readonly sec: number; readonly usec: number }
  | PeerCredentials

/** Who is at the other end of a connection on this host: struct ucred (SO_PEERCRED, unix(7)). */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** The process that makes a call, as far as a protocol asks. */
export interface Caller {
  readonly pid: number
  readonly euid: number
  readonly egid: number
  /** Real ids, as messages of local sockets have them. */
  readonly uid: number
  readonly gid: number
  /** Where its paths begin, and its umask; the host's root for nobody in particular. */
  readonly fs?: FsStruct
}

/** Nobody in particular: the host itself. */
const NOBODY: Caller = { pid: 0, euid: 0, egid: 0, uid: 0, gid: 0 }
/** (uid_t)-1 */
const NO_ID = 0xffffffff

/** Where getOption puts its answer. */
export class OptionResult {
  value: OptionValue = 0
  /** Bytes that there is room for, for options that are given whole or not at all. */
  room: number = Infinity
}

/** Options and the like that few sockets change. Never changed, only replaced, so that idle sockets share one. */
export class Settings {
  /** IP_TOS; IP_TTL or -1 for the host's default. */
  tos = 0
  ttl = -1
  /** IP_MTU_DISCOVER, and SO_PRIORITY. */
  mtuDiscover: number = IP_PMTUDISC_WANT
  priority = 0
  /** SO_RCVTIMEO and SO_SNDTIMEO in microseconds, 0: none, -1: never wait. SO_LINGER in seconds. SO_RCVLOWAT in bytes. */
  rcvTimeout = 0
  sndTimeout = 0
  lingerSeconds = 0
  rcvLowat = 1
  /** What recvmsg is to tell beside the bytes (WANT_ bits), and SO_TIMESTAMPING (SOF_ bits). */
  wants = 0
  tsflags = 0
  /** SO_MARK; SO_PEEK_OFF, -1: MSG_PEEK begins at the front. */
  mark = 0
  peekOff = -1
  /** Who made it (effective user id), and whether the caller in hand is privileged: set by the socket layer. */
  uid = 0
  privileged = true
  /** SO_ATTACH_FILTER, SO_LOCK_FILTER (see bpf.ts). */
  filter: Filter | null = null
  isFilterLocked = false
  /** IP_MULTICAST_ options and memberships; null: as they are by default. */
  multicast: Multicast | null = null
  /** IP_UNICAST_IF (an index); IP_MINTTL; IP_LOCAL_PORT_RANGE, low 16 bits and high 16 bits; IP_OPTIONS. 0 and null: none. */
  unicastIf = 0
  minTtl = 0
  localPortRange = 0
  ipOptions: Uint8Array | null = null
  /** Options that are kept and read back, but ask for what no device here has: by name, on SOL_SOCKET. */
  noted: Readonly<Record<number, number>> | null = null

  /** The same with one field changed. */
  with<K extends keyof Omit<Settings, 'with'>>(field: K, value: Settings[K]): Settings {
    const changed: Settings = Object.assign(new Settings(), this)
    changed[field] = value
    return changed
  }
}

const SETTINGS: Settings = new Settings()
const SETTINGS_NO_PMTU: Settings = SETTINGS.with('mtuDiscover', IP_PMTUDISC_DONT)

export abstract class Sock implements PortUser {
  declare readonly stack: Stack
  declare readonly family: number
  declare readonly type: number
  declare readonly protocol: number
  declare state: number
  /** Addresses as int32 and ports, in host order; 0 is the wildcard. */
  declare localAddress: number
  declare localPort: number
  declare remoteAddress: number
  declare remotePort: number
  /** Index of the interface it is bound to (SO_BINDTODEVICE), 0: any. */
  declare boundInterface: number
  /** Pending error (SO_ERROR), positive; and one that is reported only if nothing better comes (sk_err_soft). */
  declare error: number
  declare softError: number
  declare shutdownMask: number
  /** SF_ bits. */
  declare flags: number
  /** Limits of the buffers, in bytes of memory (already doubled, as Linux keeps them), and what is charged to them. */
  declare rcvbuf: number
  declare sndbuf: number
  declare rmemAlloc: number
  declare wmemQueued: number
  /** What programs rarely set; shared by all that left it alone. */
  declare settings: Settings
  declare caller: Caller
  /** Its place among the users of `localPort`; kept by `PortTable`. */
  declare portBucket: PortBucket | null
  declare portNext: PortUser | null
  declare portPrevious: PortUser | null
  /** Made when somebody first waits. */
  declare waitQueue: WaitQueue | null
  /** Number of its inode: what `ss` and /proc tell sockets apart by. 0 until it has a file, and without one again. */
  declare inode: number
  /** What MSG_ERRQUEUE reads; made by the first error. */
  declare errorQueue: ErrorQueue | null
  /** Blocking writers that sleep until it is connected (sk_write_pending); kept by who blocks. */
  declare writersWaiting: number

  constructor(stack: Stack, family: number, type: number, protocol: number) {
    // Their order in memory: those that sending and receiving look at stay together, at the end.
    this.family = family
    this.type = type
    this.protocol = protocol
    this.portBucket = this.portNext = this.portPrevious = null
    this.boundInterface = this.inode = this.writersWaiting = 0
    this.errorQueue = null
    this.stack = stack
    this.rcvbuf = stack.sysctl.rmem_default
    this.sndbuf = stack.sysctl.wmem_default
    this.settings = stack.sysctl.ip_no_pmtu_disc !== 0 ? SETTINGS_NO_PMTU : SETTINGS
    this.caller = NOBODY
    this.state = TCP_CLOSE
    this.localAddress = this.localPort = this.remoteAddress = this.remotePort = 0
    this.error = this.softError = this.shutdownMask = this.flags = 0
    this.rmemAlloc = this.wmemQueued = 0
    this.waitQueue = null
  }

  get tos(): number {
    return this.settings.tos
  }
  set tos(value: number) {
    if (value !== this.settings.tos) this.settings = this.settings.with('tos', value)
  }

  get ttl(): number {
    return this.settings.ttl
  }
  set ttl(value: number) {
    if (value !== this.settings.ttl) this.settings = this.settings.with('ttl', value)
  }

  get mtuDiscover(): number {
    return this.settings.mtuDiscover
  }
  set mtuDiscover(value: number) {
    if (value !== this.settings.mtuDiscover) this.settings = this.settings.with('mtuDiscover', value)
  }

  get priority(): number {
    return this.settings.priority
  }
  set priority(value: number) {
    if (value !== this.settings.priority) this.settings = this.settings.with('priority', value)
  }

  get rcvTimeout(): number {
    return this.settings.rcvTimeout
  }
  set rcvTimeout(value: number) {
    if (value !== this.settings.rcvTimeout) this.settings = this.settings.with('rcvTimeout', value)
  }

  get sndTimeout(): number {
    return this.settings.sndTimeout
  }
  set sndTimeout(value: number) {
    if (value !== this.settings.sndTimeout) this.settings = this.settings.with('sndTimeout', value)
  }

  get lingerSeconds(): number {
    return this.settings.lingerSeconds
  }
  set lingerSeconds(value: number) {
    if (value !== this.settings.lingerSeconds) this.settings = this.settings.with('lingerSeconds', value)
  }

  get rcvLowat(): number {
    return this.settings.rcvLowat
  }
  set rcvLowat(value: number) {
    if (value !== this.settings.rcvLowat) this.settings = this.settings.with('rcvLowat', value)
  }

  get uid(): number {
    return this.settings.uid
  }
  set uid(value: number) {
    if (value !== this.settings.uid) this.settings = this.settings.with('uid', value)
  }

  get privileged(): boolean {
    return this.settings.privileged
  }
  set privileged(value: boolean) {
    if (value !== this.settings.privileged) this.settings = this.settings.with('privileged', value)
  }

  get localPortRange(): number {
    return this.settings.localPortRange
  }

  /** Who waits for readiness to change. */
  get wait(): WaitQueue {
    this.waitQueue ??= new WaitQueue()
    return this.waitQueue
  }

  /** Wakes all who wait, if any do. */
  wake(mask: number): void {
    if (this.waitQueue !== null) this.waitQueue.wake(mask)
  }

  /** Readiness now, as POLL bits. */
  abstract poll(): number
  /** The last descriptor is closed. */
  abstract close(): void
  /**
   * Sends bytes [offset, offset + length); bytes taken, or -errno (-EAGAIN when it would have to wait). `message` has control
   * messages, or several buffers in place of `bytes` (`fromProgram`).
   */
  // biome-ignore format: one line
  abstract send(bytes: Uint8Array, offset: number, length: number, flags: number, to: SockAddr | null, message?: Message | null): number
  /** Receives into [offset, offset + length) of `bytes` or of `message.iov` (`toProgram`); bytes, 0 at the end of the stream, or -errno. */
  abstract receive(bytes: Uint8Array, offset: number, length: number, flags: number, message: Message | null): number

  /** Receives what splice(2) takes to a pipe. */
  splice(bytes: Uint8Array, offset: number, length: number, _isNonBlocking: boolean): number {
    return this.receive(bytes, offset, length, 0, null)
  }
  bind(_address: SockAddr): number {
    return -EOPNOTSUPP
  }
  /** 0 when done, -EINPROGRESS when it goes on, or -errno. */
  connect(_address: SockAddr): number {
    return -EOPNOTSUPP
  }
  listen(_backlog: number): number {
    return -EOPNOTSUPP
  }
  /** The next connection, or -errno. */
  accept(): Sock | number {
    return -EOPNOTSUPP
  }
  /** Connects it with another new socket of its kind (socketpair(2)). */
  pair(_other: Sock): number {
    return -EOPNOTSUPP
  }
  /** SO_PEERCRED: nobody, but for local sockets. */
  peerCredentials(): PeerCredentials {
    return { pid: 0, uid: NO_ID, gid: NO_ID }
  }
  /** `how` is SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. */
  shutdown(_how: number): number {
    return -EOPNOTSUPP
  }
  /** Fills `into` with the local or the peer's address; 0 or -errno. */
  getName(_peer: boolean, _into: SockAddr): number {
    return -EAFNOSUPPORT
  }
  /** The peer's name for accept(2), which asks for no state: a connection may be over before it is accepted. */
  acceptedName(into: SockAddr): number {
    return this.getName(true, into)
  }
  /** Protocol options (level above SOL_SOCKET); SOL_SOCKET is the socket layer's. */
  setOption(_level: number, _name: number, _value: OptionValue): number {
    return -ENOPROTOOPT
  }
  getOption(_level: number, _name: number, _result: OptionResult): number {
    return -ENOPROTOOPT
  }
  /** SO_TIMESTAMPING: SOF_ bits; 0 or -EINVAL (sock_set_timestamping). */
  setStamping(flags: number): number {
    if ((flags & ~SOF_MASK) !== 0) return -EINVAL
    if (flags !== this.settings.tsflags) this.settings = this.settings.with('tsflags', flags)
    return 0
  }
  getStamping(): number {
    return this.settings.tsflags
  }
  /** ioctl(2) on the socket: a value >= 0 or -errno. */
  ioctl(_request: number): number {
    return -ENOTTY
  }
  /** Where it sends now has this path MTU (IP_MTU); -ENOTCONN if it sends nowhere. */
  pathMtu(): number {
    return -ENOTCONN
  }
  /** SO_BINDTODEVICE changed `boundInterface`: forget routes. */
  routeChanged(): void {}

  /** SO_PEEK_OFF: peeking goes on `bytes` further on, or as much nearer the front (sk_peek_offset_fwd, sk_peek_offset_bwd). */
  movePeek(bytes: number): void {
    const { peekOff } = this.settings
    if (peekOff >= 0 && bytes !== 0) this.settings = this.settings.with('peekOff', Math.max(peekOff + bytes, 0))
  }

  /** Takes the pending error, as SO_ERROR and the next failing call do (sock_error). */
  takeError(): number {
    const error = this.error
    this.error = 0
    return error
  }

  isFlag(bit: number): boolean {
    return (this.flags & bit) !== 0
  }

  setFlag(bit: number, on: boolean): void {
    if (on) this.flags |= bit
    else this.flags &= ~bit
  }

  get isDead(): boolean {
    return (this.flags & SF_DEAD) !== 0
  }
}
