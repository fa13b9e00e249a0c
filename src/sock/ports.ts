/**
 * Local ports: who has which, whether one more may bind, and which to take when the program does not care. Used by TCP
 * and UDP, one table each. RFC 6056 §3.3.3/3.3.4 (algorithms 3 and 4), and Linux's inet_csk_get_port,
 * inet_bind_conflict, __inet_hash_connect and udp_lib_get_port, whose rules differ in what SO_REUSEADDR means.
 */
import { EADDRINUSE, EADDRNOTAVAIL } from '../sys/errno.ts'
import type { Random } from '../sys/random.ts'
import { HalfSipHash } from '../sys/siphash.ts'
import { hasPort } from '../sys/sysctl-text.ts'
import { SF_REUSEADDR, SF_REUSEPORT, TCP_LISTEN, TCP_TIME_WAIT } from './sock.ts'

/** What holds a port: a socket, or what is left of one in TIME_WAIT. The `port…` links are kept by the table. */
export interface PortUser {
  /** The bound address (inet_rcv_saddr), 0 for any. */
  localAddress: number
  localPort: number
  remoteAddress: number
  remotePort: number
  readonly boundInterface: number
  /** SF_REUSEADDR and SF_REUSEPORT count. */
  readonly flags: number
  readonly state: number
  /** Who made the socket: SO_REUSEPORT groups are of one user. */
  readonly uid: number
  /** IP_LOCAL_PORT_RANGE: low and high in 16 bits each, 0: the host's. */
  readonly localPortRange?: number
  portBucket: PortBucket | null
  portNext: PortUser | null
  portPrevious: PortUser | null
}

/**
 * Who may take the short cut of a SO_REUSEPORT group (fastreuseport): anywhere if all had the option, else where the last one
 * is that had it and was in nobody's way. Without a group nobody may.
 */
interface PortGroup {
  readonly isAnywhere: boolean
  readonly uid: number
  readonly address: number
}

/** The users of one port, newest first (inet_bind_bucket). */
export class PortBucket {
  port: number
  first: PortUser | null = null
  count = 0
  /** Only connect() took this port so far, so other connections to other peers may share it (fastreuse -1). */
  connectOnly = false
  /** TCP's short cuts: all users had SO_REUSEADDR and none listened; and that of a SO_REUSEPORT group. */
  isReusable = false
  group: PortGroup | null = null

  constructor(port: number) {
    this.port = port
  }

  add(user: PortUser): void {
    user.portBucket = this
    user.portPrevious = null
    user.portNext = this.first
    if (this.first !== null) this.first.portPrevious = user
    this.first = user
    this.count++
  }

  /** May a socket of TCP bind without a look at the others (inet_csk_get_port, sk_reuseport_match)? */
  takesUnseen(user: PortUser, address: number): boolean {
    if (this.isReusable && (user.flags & SF_REUSEADDR) !== 0 && user.state !== TCP_LISTEN) return true
    return this.#isGroup(user, address)
  }

  #isGroup(user: PortUser, address: number): boolean {
    const { group } = this
    if (group === null || (user.flags & SF_REUSEPORT) === 0 || group.uid !== user.uid) return false
    return group.isAnywhere || group.address === 0 || group.address === address
  }

  /** A socket of TCP binds here: what the next may rely on (inet_csk_update_fastreuse). */
  noteBind(user: PortUser, address: number): void {
    const isReusable = (user.flags & SF_REUSEADDR) !== 0 && user.state !== TCP_LISTEN
    const isFirst = this.count === 0
    this.isReusable = isReusable && (isFirst || this.isReusable)
    if ((user.flags & SF_REUSEPORT) === 0) this.group = null
    else if (isFirst || !this.#isGroup(user, address)) this.group = { isAnywhere: isFirst, uid: user.uid, address }
  }

  remove(user: PortUser): void {
    if (user.portPrevious === null) this.first = user.portNext
    else user.portPrevious.portNext = user.portNext
    if (user.portNext !== null) user.portNext.portPrevious = user.portPrevious
    user.portBucket = user.portNext = user.portPrevious = null
    this.count--
  }
}

/** The answers of a `ConflictRule`. */
export const PORT_FREE = 0
export const PORT_TAKEN = 1
/** Bind without looking at the rest (udp_lib_lport_inuse returns at the first of its own reuseport group). */
export const PORT_JOIN = 2

/**
 * May `user` have the port that `other` has, given that their addresses and devices overlap? `explicit` is false while
 * a port is being chosen for bind to port 0.
 */
export type ConflictRule = (user: PortUser, other: PortUser, explicit: boolean) => number

/**
 * TCP (inet_bind_conflict): SO_REUSEADDR on both allows it unless the other listens; SO_REUSEPORT on both, of one user
 * or with the other in TIME_WAIT, allows it always. A port that is chosen is shared with nobody.
 */
export function tcpConflict(user: PortUser, other: PortUser, explicit: boolean): number {
  if (!explicit) return PORT_TAKEN
  if ((user.flags & other.flags & SF_REUSEADDR) !== 0 && other.state !== TCP_LISTEN) return PORT_FREE
  if ((user.flags & other.flags & SF_REUSEPORT) === 0) return PORT_TAKEN
  return other.state === TCP_TIME_WAIT || user.uid === other.uid ? PORT_FREE : PORT_TAKEN
}

/** UDP (udp_lib_lport_inuse): SO_REUSEADDR on both allows it whatever they do, also when the port is being chosen. */
export function udpConflict(user: PortUser, other: PortUser, explicit: boolean): number {
  if ((user.flags & other.flags & SF_REUSEADDR) !== 0) return PORT_FREE
  if ((user.flags & other.flags & SF_REUSEPORT) === 0 || user.uid !== other.uid) return PORT_TAKEN
  return explicit ? PORT_JOIN : PORT_FREE
}

/** True if packets could be meant for both: equal or wildcard address, equal or no device (inet_rcv_saddr_equal). */
function overlaps(user: PortUser, other: PortUser, address: number): boolean {
  if (other.localAddress !== address && other.localAddress !== 0 && address !== 0) return false
  const device = user.boundInterface
  return device === 0 || other.boundInterface === 0 || device === other.boundInterface
}

/** Entries of RFC 6056 algorithm 4's table (Linux's table_perturb has 65536). */
const PERTURB_SIZE = 1024
/** Buckets kept for the next new port. */
const SPARE_BUCKETS = 64

/** What the table reads of a host's sysctls. */
export interface PortRange {
  readonly ip_local_port_range: readonly number[]
  readonly ip_local_reserved_ports: string
}

export class PortTable {
  readonly #sysctl: PortRange
  readonly #random: Random
  readonly #hash: HalfSipHash
  readonly #rule: ConflictRule
  /** Buckets by the high and the low byte of the port. */
  readonly #pages: ((PortBucket | null)[] | null)[] = new Array<null>(256).fill(null)
  readonly #spare: PortBucket[] = []
  #perturb: Int32Array | null = null
  /** Ports in use. */
  size = 0

  /** `rule` is `tcpConflict` or `udpConflict`. */
  constructor(sysctl: PortRange, random: Random, rule: ConflictRule) {
    this.#sysctl = sysctl
    this.#random = random
    this.#hash = new HalfSipHash(random)
    this.#rule = rule
  }

  /** The users of `port`, or null. */
  bucket(port: number): PortBucket | null {
    const page = this.#pages[port >> 8] as (PortBucket | null)[] | null
    return page === null ? null : (page[port & 255] as PortBucket | null)
  }

  /** bind(2): gives `user` address and port (0: any free one); 0 or -EADDRINUSE. */
  bind(user: PortUser, address: number, port: number): number {
    if (port === 0) {
      port = this.#choose(user, address)
      if (port < 0) return port
    } else if (!this.#takesUnseen(user, address, port) && this.#conflicts(user, address, port, true)) return -EADDRINUSE
    user.localAddress = address
    this.#join(user, port, false)
    return 0
  }

  /** Gives `user` a free port at the address it has already; 0 or -EADDRINUSE. */
  autobind(user: PortUser): number {
    return this.bind(user, user.localAddress, 0)
  }

  /** The rules once more for a bound socket that starts to listen (inet_csk_listen_start); 0 or -EADDRINUSE. */
  recheck(user: PortUser): number {
    const bucket = user.portBucket
    if (bucket === null) return this.autobind(user)
    const isUnseen = this.#takesUnseen(user, user.localAddress, bucket.port)
    if (!isUnseen && this.#conflicts(user, user.localAddress, bucket.port, true)) return -EADDRINUSE
    bucket.connectOnly = false
    if (this.#isTcp) bucket.noteBind(user, user.localAddress)
    return 0
  }

  /**
   * connect(2) without a port (__inet_hash_connect): takes one such that `taken(user, port)` is false for the user's
   * addresses and remote port; ports that other connections have may be shared, those that bind() took may not.
   * 0 with `user.localPort` set, or -EADDRNOTAVAIL. `localAddress` must be set already.
   */
  connect<T extends PortUser>(user: T, taken: (user: T, port: number) => boolean): number {
    const [low, high] = this.#range(user)
    const count = high - low
    const remaining = count > 1 ? count & ~1 : count
    const hash = this.#hash.hash4(user.localAddress, user.remoteAddress, user.remotePort, 0)
    this.#perturb ??= new Int32Array(PERTURB_SIZE)
    const index = (hash >>> 16) % PERTURB_SIZE
    const entry = this.#perturb[index] as number
    const perturb = entry & ~1
    // Even offsets first: bind to port 0 prefers the odd ones, so that they do not fight. Once the even ones have run
    // out for a destination its search begins with the odd ones (bit 0 of the entry), where Linux scans all even ones.
    const first = entry & 1
    const start = ((((hash ^ Math.imul(hash, 0x9e3779b1)) >>> 1) + perturb) % remaining) & ~1
    for (let turn = 0; turn < 2; turn++) {
      const parity = first ^ turn
      if (parity >= remaining) continue
      let offset = start + parity
      for (let i = 0; i < remaining; i += 2, offset += 2) {
        if (offset >= remaining) offset -= remaining
        const bucket = this.bucket(low + offset)
        if (bucket !== null && (!bucket.connectOnly || taken(user, low + offset))) continue
        if (this.#isReserved(low + offset)) continue
        this.#perturb[index] = ((perturb + Math.max(i, this.#random.below(8) * 2) + 2) & 0x3ffffffe) | parity
        this.#join(user, low + offset, true)
        return 0
      }
    }
    return -EADDRNOTAVAIL
  }

  /** An accepted connection has its listener's port (__inet_inherit_port): no rule forbids it. */
  inherit(child: PortUser, parent: PortUser): void {
    const bucket = parent.portBucket
    if (bucket !== null) {
      child.localPort = bucket.port
      bucket.add(child)
    }
  }

  /** `replacement` (the TIME_WAIT record) takes the place of `user`. */
  replace(user: PortUser, replacement: PortUser): void {
    const bucket = user.portBucket
    if (bucket === null) return
    bucket.add(replacement)
    bucket.remove(user)
  }

  /** Gives up the port; nothing if there is none. `localPort` stays as it is. */
  release(user: PortUser): void {
    const bucket = user.portBucket
    if (bucket === null) return
    bucket.remove(user)
    if (bucket.count > 0) return
    const page = this.#pages[bucket.port >> 8] as (PortBucket | null)[]
    page[bucket.port & 255] = null
    this.size--
    if (this.#spare.length < SPARE_BUCKETS) this.#spare.push(bucket)
  }

  /** net.ipv4.ip_local_reserved_ports: given to who asks for it, but not chosen. */
  #isReserved(port: number): boolean {
    const { ip_local_reserved_ports: reserved } = this.#sysctl
    return reserved !== '' && hasPort(reserved, port)
  }

  /** The first port to choose from and one more than the last (inet_sk_get_local_port_range): an own range cuts the host's. */
  #range(user: PortUser): [low: number, high: number] {
    let [low = 32768, high = 60999] = this.#sysctl.ip_local_port_range
    const own = user.localPortRange ?? 0
    const ownLow = own & 0xffff
    const ownHigh = own >>> 16
    if (ownLow >= low && ownLow <= high) low = ownLow
    if (ownHigh >= low && ownHigh <= high) high = ownHigh
    return [low, high + 1]
  }

  get #isTcp(): boolean {
    return this.#rule === tcpConflict
  }

  #takesUnseen(user: PortUser, address: number, port: number): boolean {
    return this.#isTcp && this.bucket(port)?.takesUnseen(user, address) === true
  }

  #conflicts(user: PortUser, address: number, port: number, explicit: boolean): boolean {
    for (let other = this.bucket(port)?.first ?? null; other !== null; other = other.portNext) {
      if (other === user || !overlaps(user, other, address)) continue
      const answer = this.#rule(user, other, explicit)
      if (answer === PORT_TAKEN) return true
      if (answer === PORT_JOIN) return false
    }
    return false
  }

  /** A free port for bind to port 0: odd offsets first, from a random one (inet_csk_find_open_port). */
  #choose(user: PortUser, address: number): number {
    const [low, high] = this.#range(user)
    const count = high - low
    const remaining = count > 1 ? count & ~1 : count
    const offset = this.#random.below(remaining) | 1
    for (let parity = 0; parity < 2; parity++) {
      for (let i = 0; i < remaining; i += 2) {
        const port = low + ((offset + parity + i) % remaining)
        if (!this.#conflicts(user, address, port, false) && !this.#isReserved(port)) return port
      }
      if (remaining < 2) break
    }
    return -EADDRINUSE
  }

  #join(user: PortUser, port: number, byConnect: boolean): void {
    let bucket = this.bucket(port)
    if (bucket === null) {
      bucket = this.#spare.pop() ?? new PortBucket(port)
      bucket.port = port
      bucket.connectOnly = byConnect
      bucket.isReusable = false
      bucket.group = null
      const page = (this.#pages[port >> 8] ??= new Array<PortBucket | null>(256).fill(null))
      page[port & 255] = bucket
      this.size++
    } else if (!byConnect) bucket.connectOnly = false
    if (!byConnect && this.#isTcp) bucket.noteBind(user, user.localAddress)
    bucket.add(user)
    user.localPort = port
  }
}
