/**
 * Socket options: one table from level and name to how the option is read and written (sk_setsockopt, do_ip_setsockopt).
 * What a protocol has of its own (IPPROTO_TCP, …) goes to `Sock.setOption`. Options that are not in the table do not
 * exist: ENOPROTOOPT, as a kernel built without them says.
 */

import { AF_INET, AF_UNIX } from '../sock/address.ts'
import * as so from '../sock/constants.ts'
import type { OptionResult, OptionValue, Sock } from '../sock/sock.ts'
import * as sock from '../sock/sock.ts'
import { POLLOUT, POLLWRBAND, POLLWRNORM } from '../sock/wait-queue.ts'
import { EACCES, EDOM, EINVAL, ENODEV, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM } from '../sys/errno.ts'
import { byteOrIntOf, intOf, lingerOf, nameOf, timevalOf } from './option-value.ts'

/** How one option is read and written; without `set` it is read-only, without `get` write-only (ENOPROTOOPT). */
export interface SocketOption {
  readonly name: string
  /** The value, or -errno as `{ errno }`. */
  readonly get?: (s: Sock) => OptionValue | OptionError
  /** 0 or -errno. */
  readonly set?: (s: Sock, value: OptionValue) => number
}

/** Options of one level by number. */
export type OptionTable = Readonly<Record<number, SocketOption>>

/** An error from reading an option: values may be negative themselves. */
export class OptionError {
  readonly errno: number
  constructor(errno: number) {
    this.errno = errno
  }
}

/** Smallest buffers (SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF): TCP_SKB_MIN_TRUESIZE is 2048 + 256. */
export const SOCK_MIN_RCVBUF = 2304
export const SOCK_MIN_SNDBUF = 4608
const INT_MAX = 0x7fffffff
const IFNAMSIZ = 16
/** MAX_SCHEDULE_TIMEOUT / HZ with a HZ of 1000: larger times are no limit. */
const MAX_SECONDS = 2 ** 63 / 1000
const USEC_PER_SEC = 1000000
const TOS_ECN_MASK = 3

/** An int that is on or off, kept as a bit of `Sock.flags`. */
function flag(name: string, bit: number): SocketOption {
  return {
    name,
    get: (s) => (s.isFlag(bit) ? 1 : 0),
    set: (s, value) => {
      const n = intOf(value)
      if (Number.isNaN(n)) return -EINVAL
      s.setFlag(bit, n !== 0)
      return 0
    },
  }
}

/** As `flag`, on IPPROTO_IP: one byte is enough. */
function ipFlag(name: string, bit: number): SocketOption {
  return {
    name,
    get: (s) => (s.isFlag(bit) ? 1 : 0),
    set: (s, value) => {
      s.setFlag(bit, byteOrIntOf(value) !== 0)
      return 0
    },
  }
}

/** An int to be read only. */
const readOnly = (name: string, get: (s: Sock) => number): SocketOption => ({ name, get })

/** SO_SNDBUF and SO_SNDBUFFORCE: doubled for the kernel's own needs, never below the least. */
function setSndbuf(s: Sock, value: OptionValue, limit: number): number {
  const n = intOf(value)
  if (Number.isNaN(n)) return -EINVAL
  s.setFlag(sock.SF_SNDBUF_LOCK, true)
  s.sndbuf = Math.max(Math.min(n >>> 0, limit, INT_MAX >> 1) * 2, SOCK_MIN_SNDBUF)
  s.wait.wake(POLLOUT | POLLWRNORM | POLLWRBAND)
  return 0
}

function setRcvbuf(s: Sock, value: OptionValue, limit: number): number {
  const n = intOf(value)
  if (Number.isNaN(n)) return -EINVAL
  s.setFlag(sock.SF_RCVBUF_LOCK, true)
  s.rcvbuf = Math.max(Math.min(n >>> 0, limit, INT_MAX >> 1) * 2, SOCK_MIN_RCVBUF)
  return 0
}

/** TCP's threshold stays below what its buffer can hold (tcp_set_rcvlowat). */
function lowatLimit(s: Sock): number {
  if (s.protocol !== so.IPPROTO_TCP) return INT_MAX
  return (s.isFlag(sock.SF_RCVBUF_LOCK) ? s.rcvbuf : (s.stack.sysctl.tcp_rmem[2] ?? INT_MAX)) >> 1
}

/** The FORCE variants need CAP_NET_ADMIN and know no limit; negative values count as 0. */
function forced(value: OptionValue): OptionValue {
  const n = intOf(value)
  return n < 0 ? 0 : Number.isNaN(n) ? value : n
}

/** SO_RCVTIMEO and SO_SNDTIMEO (sock_set_timeout): microseconds, 0 for ever, -1 not at all; or an errno below that. */
function timeoutOf(value: OptionValue): number | OptionError {
  const time = timevalOf(value)
  if (typeof time === 'number') return new OptionError(time)
  if (time.usec < 0 || time.usec >= USEC_PER_SEC) return new OptionError(-EDOM)
  if (time.sec < 0) return -1
  return time.sec >= MAX_SECONDS ? 0 : time.sec * USEC_PER_SEC + time.usec
}

const timevalFrom = (us: number): OptionValue =>
  us <= 0 ? { sec: 0, usec: 0 } : { sec: Math.floor(us / USEC_PER_SEC), usec: us % USEC_PER_SEC }

function bindToIndex(s: Sock, index: number): number {
  if (s.boundInterface !== 0 && !s.privileged) return -EPERM
  if (index < 0) return -EINVAL
  s.boundInterface = index
  s.routeChanged()
  return 0
}

const socketOptions: OptionTable = {
  [so.SO_DEBUG]: {
    ...flag('SO_DEBUG', sock.SF_DEBUG),
    set: (s, value) => {
      if (intOf(value) !== 0 && !s.privileged) return -EACCES
      return flag('SO_DEBUG', sock.SF_DEBUG).set?.(s, value) ?? 0
    },
  },
  [so.SO_REUSEADDR]: flag('SO_REUSEADDR', sock.SF_REUSEADDR),
  [so.SO_REUSEPORT]: {
    ...flag('SO_REUSEPORT', sock.SF_REUSEPORT),
    set: (s, value) => {
      if (intOf(value) !== 0 && s.family !== AF_INET) return -EOPNOTSUPP
      return flag('SO_REUSEPORT', sock.SF_REUSEPORT).set?.(s, value) ?? 0
    },
  },
  [so.SO_PEERCRED]: { name: 'SO_PEERCRED', get: (s) => s.peerCredentials() },
  [so.SO_TYPE]: readOnly('SO_TYPE', (s) => s.type),
  [so.SO_PROTOCOL]: readOnly('SO_PROTOCOL', (s) => s.protocol),
  [so.SO_DOMAIN]: readOnly('SO_DOMAIN', (s) => s.family),
  [so.SO_ACCEPTCONN]: readOnly('SO_ACCEPTCONN', (s) => (s.state === sock.TCP_LISTEN ? 1 : 0)),
  [so.SO_ERROR]: readOnly('SO_ERROR', (s) => {
    const error = s.takeError()
    if (error !== 0) return error
    const soft = s.softError
    s.softError = 0
    return soft
  }),
  [so.SO_DONTROUTE]: flag('SO_DONTROUTE', sock.SF_DONTROUTE),
  [so.SO_BROADCAST]: flag('SO_BROADCAST', sock.SF_BROADCAST),
  [so.SO_SNDBUF]: {
    name: 'SO_SNDBUF',
    get: (s) => s.sndbuf,
    set: (s, value) => setSndbuf(s, value, s.stack.sysctl.wmem_max),
  },
  [so.SO_SNDBUFFORCE]: {
    name: 'SO_SNDBUFFORCE',
    set: (s, value) => (s.privileged ? setSndbuf(s, forced(value), INT_MAX) : -EPERM),
  },
  [so.SO_RCVBUF]: {
    name: 'SO_RCVBUF',
    get: (s) => s.rcvbuf,
    set: (s, value) => setRcvbuf(s, value, s.stack.sysctl.rmem_max),
  },
  [so.SO_RCVBUFFORCE]: {
    name: 'SO_RCVBUFFORCE',
    set: (s, value) => (s.privileged ? setRcvbuf(s, forced(value), INT_MAX) : -EPERM),
  },
  [so.SO_KEEPALIVE]: {
    ...flag('SO_KEEPALIVE', sock.SF_KEEPALIVE),
    set: (s, value) => {
      const result = flag('', sock.SF_KEEPALIVE).set?.(s, value) ?? 0
      // The transport starts or stops its timer (sk_prot->keepalive).
      if (result === 0) s.setOption(so.SOL_SOCKET, so.SO_KEEPALIVE, s.isFlag(sock.SF_KEEPALIVE) ? 1 : 0)
      return result
    },
  },
  [so.SO_OOBINLINE]: flag('SO_OOBINLINE', sock.SF_OOBINLINE),
  [so.SO_NO_CHECK]: flag('SO_NO_CHECK', sock.SF_NO_CHECK),
  [so.SO_PRIORITY]: {
    name: 'SO_PRIORITY',
    get: (s) => s.priority,
    set: (s, value) => {
      const n = intOf(value)
      if (Number.isNaN(n)) return -EINVAL
      if (!(n >= 0 && n <= 6) && !s.privileged) return -EPERM
      s.priority = n
      return 0
    },
  },
  [so.SO_LINGER]: {
    name: 'SO_LINGER',
    get: (s) => ({ onoff: s.isFlag(sock.SF_LINGER) ? 1 : 0, linger: s.lingerSeconds }),
    set: (s, value) => {
      const linger = lingerOf(value)
      if (typeof linger === 'number') return linger
      if (linger.onoff !== 0) s.lingerSeconds = linger.linger >>> 0
      s.setFlag(sock.SF_LINGER, linger.onoff !== 0)
      return 0
    },
  },
  [so.SO_TIMESTAMP]: flag('SO_TIMESTAMP', sock.SF_TIMESTAMP),
  [so.SO_TIMESTAMPING]: {
    name: 'SO_TIMESTAMPING',
    get: (s) => s.getStamping(),
    set: (s, value) => {
      const n = intOf(value)
      return Number.isNaN(n) ? -EINVAL : s.setStamping(n)
    },
  },
  [so.SO_RCVLOWAT]: {
    name: 'SO_RCVLOWAT',
    get: (s) => s.rcvLowat,
    set: (s, value) => {
      const n = intOf(value)
      if (Number.isNaN(n)) return -EINVAL
      s.rcvLowat = Math.min(n < 0 ? INT_MAX : n, lowatLimit(s)) || 1
      // TCP grows its buffer and looks at readiness again (tcp_set_rcvlowat).
      s.setOption(so.SOL_SOCKET, so.SO_RCVLOWAT, s.rcvLowat)
      return 0
    },
  },
  [so.SO_SNDLOWAT]: readOnly('SO_SNDLOWAT', () => 1),
  [so.SO_RCVTIMEO]: {
    name: 'SO_RCVTIMEO',
    get: (s) => timevalFrom(s.rcvTimeout),
    set: (s, value) => {
      const us = timeoutOf(value)
      if (us instanceof OptionError) return us.errno
      s.rcvTimeout = us
      return 0
    },
  },
  [so.SO_SNDTIMEO]: {
    name: 'SO_SNDTIMEO',
    get: (s) => timevalFrom(s.sndTimeout),
    set: (s, value) => {
      const us = timeoutOf(value)
      if (us instanceof OptionError) return us.errno
      s.sndTimeout = us
      return 0
    },
  },
  [so.SO_BINDTODEVICE]: {
    name: 'SO_BINDTODEVICE',
    get: (s) => s.stack.interfaceByIndex(s.boundInterface)?.name ?? '',
    set: (s, value) => {
      const name = nameOf(value, IFNAMSIZ - 1)
      if (name === undefined) return -EINVAL
      if (name === '') return bindToIndex(s, 0)
      const device = s.stack.interface(name)
      return device === undefined ? -ENODEV : bindToIndex(s, device.index)
    },
  },
  [so.SO_BINDTOIFINDEX]: {
    name: 'SO_BINDTOIFINDEX',
    get: (s) => s.boundInterface,
    set: (s, value) => {
      const n = intOf(value)
      return Number.isNaN(n) ? -EINVAL : bindToIndex(s, n)
    },
  },
}

const ipOptions: OptionTable = {
  [so.IP_TOS]: {
    name: 'IP_TOS',
    get: (s) => s.tos,
    set: (s, value) => {
      const n = byteOrIntOf(value) & 0xff
      // TCP's ECN bits are its own.
      s.tos = s.type === so.SOCK_STREAM ? (n & ~TOS_ECN_MASK) | (s.tos & TOS_ECN_MASK) : n
      s.routeChanged()
      return 0
    },
  },
  [so.IP_TTL]: {
    name: 'IP_TTL',
    get: (s) => (s.ttl < 0 ? s.stack.sysctl.ip_default_ttl : s.ttl),
    set: (s, value) => {
      const n = value instanceof Uint8Array && value.length === 0 ? 0 : byteOrIntOf(value)
      if (n !== -1 && !(n >= 1 && n <= 255)) return -EINVAL
      s.ttl = n
      return 0
    },
  },
  [so.IP_MTU_DISCOVER]: {
    name: 'IP_MTU_DISCOVER',
    get: (s) => s.mtuDiscover,
    set: (s, value) => {
      const n = byteOrIntOf(value)
      if (!(n >= sock.IP_PMTUDISC_DONT && n <= sock.IP_PMTUDISC_OMIT)) return -EINVAL
      s.mtuDiscover = n
      return 0
    },
  },
  [so.IP_MTU]: {
    name: 'IP_MTU',
    get: (s) => {
      const mtu = s.pathMtu()
      return mtu < 0 ? new OptionError(-ENOTCONN) : mtu
    },
  },
  [so.IP_RECVERR]: ipFlag('IP_RECVERR', sock.SF_RECVERR),
  [so.IP_FREEBIND]: ipFlag('IP_FREEBIND', sock.SF_FREEBIND),
  [so.IP_BIND_ADDRESS_NO_PORT]: ipFlag('IP_BIND_ADDRESS_NO_PORT', sock.SF_BIND_NO_PORT),
}

/** The rows of a level, for documentation and tools; undefined if a transport keeps them. */
export function optionsOf(level: number): OptionTable | undefined {
  return level === so.SOL_SOCKET ? socketOptions : level === so.SOL_IP ? ipOptions : undefined
}

/** setsockopt(2): 0 or -errno. */
export function setOption(s: Sock, level: number, name: number, value: OptionValue): number {
  if (level !== so.SOL_SOCKET && s.family === AF_UNIX) return -EOPNOTSUPP
  const table = optionsOf(level)
  if (table === undefined) return s.setOption(level, name, value)
  // sk_setsockopt reads an int before it looks which option it is for, but for SO_BINDTODEVICE.
  const isShort = level === so.SOL_SOCKET && value instanceof Uint8Array && value.length < 4
  if (isShort && name !== so.SO_BINDTODEVICE) return -EINVAL
  return table[name]?.set?.(s, value) ?? -ENOPROTOOPT
}

/** getsockopt(2): 0 with the value in `result`, or -errno. */
export function getOption(s: Sock, level: number, name: number, result: OptionResult): number {
  if (level !== so.SOL_SOCKET && s.family === AF_UNIX) return -EOPNOTSUPP
  const table = optionsOf(level)
  if (table === undefined) {
    const answer = s.getOption(level, name, result)
    // A level nobody has falls through to IP, which says so in its own way.
    return answer === -ENOPROTOOPT && level !== s.protocol ? -EOPNOTSUPP : answer
  }
  const get = table[name]?.get
  if (get === undefined) return -ENOPROTOOPT
  const value = get(s)
  if (value instanceof OptionError) return value.errno
  result.value = value
  return 0
}
