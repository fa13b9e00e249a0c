/** Rows of SOL_SOCKET that every socket has (socket(7), sk_setsockopt, sk_getsockopt). */

import { AF_INET } from '../sock/address.ts'
import { attachFilter, detachFilter, filterBytes, lockFilter } from '../sock/bpf.ts'
import * as so from '../sock/constants.ts'
import { intOf, lingerOf, nameOf, OptionError, timevalOf } from '../sock/option-value.ts'
import type { OptionValue, Sock } from '../sock/sock.ts'
import * as sock from '../sock/sock.ts'
import { WRITABLE } from '../sock/wait-queue.ts'
import { IFNAMSIZ } from '../stack/device.ts'
import { EACCES, EDOM, EINVAL, ENODEV, EOPNOTSUPP, EPERM } from '../sys/errno.ts'
import { controlSocketOptions } from './control-options.ts'
import { deviceSocketOptions } from './device-options.ts'
import { optionBytes, put } from './option-bytes.ts'
import { flag, type OptionTable, readOnly, type SocketOption } from './option-row.ts'

const INT_MAX = 0x7fffffff
/** MAX_SCHEDULE_TIMEOUT / HZ with a HZ of 1000: larger times are no limit. */
const MAX_SECONDS = 2 ** 63 / 1000
const USEC_PER_SEC = 1000000

/** SO_SNDBUF and SO_SNDBUFFORCE: doubled for the kernel's own needs, never below the least. */
function setSndbuf(s: Sock, value: OptionValue, limit: number): number {
  const n = intOf(value)
  if (Number.isNaN(n)) return -EINVAL
  s.setFlag(sock.SF_SNDBUF_LOCK, true)
  s.sndbuf = Math.max(Math.min(n >>> 0, limit, INT_MAX >> 1) * 2, sock.SOCK_MIN_SNDBUF)
  s.wait.wake(WRITABLE)
  return 0
}

function setRcvbuf(s: Sock, value: OptionValue, limit: number): number {
  const n = intOf(value)
  if (Number.isNaN(n)) return -EINVAL
  s.setFlag(sock.SF_RCVBUF_LOCK, true)
  s.rcvbuf = Math.max(Math.min(n >>> 0, limit, INT_MAX >> 1) * 2, sock.SOCK_MIN_RCVBUF)
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

/** The device's name, '' for none; SO_BINDTOIFINDEX may have named one that is not there. */
const deviceName = (s: Sock): string | OptionError =>
  s.boundInterface === 0 ? '' : (s.stack.interfaceByIndex(s.boundInterface)?.name ?? new OptionError(-ENODEV))

/** SO_RCVTIMEO and SO_SNDTIMEO; of 64 bits in every variant here. */
const timeout = (name: string, field: 'rcvTimeout' | 'sndTimeout'): SocketOption => ({
  name,
  get: (s) => timevalFrom(s[field]),
  set: (s, value) => {
    const us = timeoutOf(value)
    if (us instanceof OptionError) return us.errno
    s[field] = us
    return 0
  },
})

export const socketOptions: OptionTable = {
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
  [so.SO_DONTROUTE]: {
    ...flag('SO_DONTROUTE', sock.SF_DONTROUTE),
    set: (s, value) => {
      const result = flag('', sock.SF_DONTROUTE).set?.(s, value) ?? 0
      if (result === 0) s.routeChanged()
      return result
    },
  },
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
  ...controlSocketOptions,
  ...deviceSocketOptions,
  [so.SO_SNDLOWAT]: readOnly('SO_SNDLOWAT', () => 1),
  [so.SO_RCVTIMEO]: timeout('SO_RCVTIMEO', 'rcvTimeout'),
  [so.SO_RCVTIMEO_NEW]: timeout('SO_RCVTIMEO_NEW', 'rcvTimeout'),
  [so.SO_SNDTIMEO]: timeout('SO_SNDTIMEO', 'sndTimeout'),
  [so.SO_SNDTIMEO_NEW]: timeout('SO_SNDTIMEO_NEW', 'sndTimeout'),
  [so.SO_BINDTODEVICE]: {
    name: 'SO_BINDTODEVICE',
    get: deviceName,
    // sock_getbindtodevice: room for the longest name there is, if there is one.
    getBytes: (s, optval) => {
      if (s.boundInterface !== 0 && optval.length < IFNAMSIZ) return -EINVAL
      const name = deviceName(s)
      return typeof name === 'string' ? put(optionBytes(name), optval) : name.errno
    },
    set: (s, value) => {
      const name = nameOf(value, IFNAMSIZ - 1)
      if (name === undefined) return -EINVAL
      if (name === '') return bindToIndex(s, 0)
      const device = s.stack.interface(name)
      return device === undefined ? -ENODEV : bindToIndex(s, device.index)
    },
  },
  [so.SO_ATTACH_FILTER]: { name: 'SO_ATTACH_FILTER', get: filterBytes, set: attachFilter },
  [so.SO_DETACH_FILTER]: { name: 'SO_DETACH_FILTER', set: detachFilter },
  [so.SO_LOCK_FILTER]: {
    name: 'SO_LOCK_FILTER',
    get: (s) => (s.settings.isFilterLocked ? 1 : 0),
    set: (s, value) => lockFilter(s, intOf(value) !== 0),
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
