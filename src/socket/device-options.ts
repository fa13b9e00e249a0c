/**
 * Rows of SOL_SOCKET that tell of the socket (SO_MEMINFO, SO_COOKIE, SO_PEERNAME) or ask something of processors and devices
 * that a virtual host has no such thing for: those are kept and read back, as Linux keeps them where the hardware cannot.
 */
import { SockAddr } from '../sock/address.ts'
import * as so from '../sock/constants.ts'
import { intOf, OptionError } from '../sock/option-value.ts'
import { type OptionValue, SF_RCVBUF_LOCK, SF_SNDBUF_LOCK, type Sock, TCP_LISTEN } from '../sock/sock.ts'
import { EBADF, EINVAL, ENODATA, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP } from '../sys/errno.ts'
import { optionBytes, put } from './option-bytes.ts'
import { type OptionTable, readOnly, type SocketOption } from './option-row.ts'
import { sockaddrBytes } from './sockaddr.ts'

/** Bits of SO_BUF_LOCK. */
const SOCK_SNDBUF_LOCK = 1
const SOCK_RCVBUF_LOCK = 2
/** SKF_AD_MAX: extensions of the packet filter (SKF_AD_). */
const SKF_AD_MAX = 64
/** Words of SO_MEMINFO (linux/sock_diag.h). */
const SK_MEMINFO_VARS = 9
/** The number of a host's only network namespace: that of the first one of Linux. */
const NETNS_COOKIE = 3

function note(s: Sock, name: number, value: number): number {
  s.settings = s.settings.with('noted', { ...s.settings.noted, [name]: value })
  return 0
}

/** An int that is kept; `check` gives what of it, or NaN for EINVAL. */
function noted(name: string, number: number, initial: number, check: (n: number) => number): SocketOption {
  return {
    name,
    get: (s) => s.settings.noted?.[number] ?? initial,
    set: (s, value) => {
      const n = check(intOf(value))
      return Number.isNaN(n) ? -EINVAL : note(s, number, n)
    },
  }
}

const asBool = (n: number): number => (n === 0 ? 0 : 1)
const notNegative = (n: number): number => (n < 0 ? Number.NaN : n)

/** SO_MAX_PACING_RATE: 8 bytes, or 4 of an older program. */
function pacingRate(value: OptionValue): number {
  if (!(value instanceof Uint8Array)) return pacingRate(optionBytes(value))
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  if (value.length >= 8) return Number(view.getBigUint64(0, true))
  const word = view.getUint32(0, true)
  return word === 0xffffffff ? Number.POSITIVE_INFINITY : word
}

function pacingBytes(s: Sock, optval: Uint8Array): number {
  const rate = s.settings.noted?.[so.SO_MAX_PACING_RATE] ?? Number.POSITIVE_INFINITY
  const view = new DataView(new ArrayBuffer(8))
  if (optval.length >= 8) view.setBigUint64(0, rate < 2 ** 64 ? BigInt(rate) : 0xffffffffffffffffn, true)
  else view.setUint32(0, Math.min(rate, 0xffffffff), true)
  return put(new Uint8Array(view.buffer, 0, optval.length >= 8 ? 8 : 4), optval)
}

/** sock_gen_cookie: a number that no other socket of the host has. */
const cookieOf = (s: Sock): number => s.inode

function memInfo(s: Sock): Uint8Array {
  const info = new Uint32Array(SK_MEMINFO_VARS)
  info.set([s.rmemAlloc, s.rcvbuf, 0, s.sndbuf, 0, s.wmemQueued, 0, 0, (s as { drops?: number }).drops ?? 0])
  return new Uint8Array(info.buffer)
}

function peerName(s: Sock): Uint8Array | number {
  const name = new SockAddr()
  const result = s.getName(true, name)
  return result < 0 ? -ENOTCONN : sockaddrBytes(name)
}

const eightBytes = (get: (s: Sock) => number, fits: (room: number) => boolean) => ({
  get,
  size: 8,
  getBytes: (s: Sock, optval: Uint8Array): number => {
    if (!fits(optval.length)) return -EINVAL
    new DataView(optval.buffer, optval.byteOffset).setBigUint64(0, BigInt(get(s)), true)
    return 8
  },
})

export const deviceSocketOptions: OptionTable = {
  // "Obsolete": it changes nothing since Linux 2.
  [so.SO_BSDCOMPAT]: { name: 'SO_BSDCOMPAT', get: () => 0, set: () => 0 },
  [so.SO_PEERNAME]: {
    name: 'SO_PEERNAME',
    get: (s) => {
      const name = peerName(s)
      return typeof name === 'number' ? new OptionError(name) : name
    },
    getBytes: (s, optval) => {
      const name = peerName(s)
      if (typeof name === 'number') return name
      return name.length < optval.length ? -EINVAL : put(name, optval)
    },
  },
  [so.SO_WIFI_STATUS]: noted('SO_WIFI_STATUS', so.SO_WIFI_STATUS, 0, asBool),
  [so.SO_NOFCS]: noted('SO_NOFCS', so.SO_NOFCS, 0, asBool),
  [so.SO_SELECT_ERR_QUEUE]: noted('SO_SELECT_ERR_QUEUE', so.SO_SELECT_ERR_QUEUE, 0, asBool),
  [so.SO_BUSY_POLL]: noted('SO_BUSY_POLL', so.SO_BUSY_POLL, 0, notNegative),
  [so.SO_PREFER_BUSY_POLL]: noted('SO_PREFER_BUSY_POLL', so.SO_PREFER_BUSY_POLL, 0, asBool),
  [so.SO_BUSY_POLL_BUDGET]: {
    name: 'SO_BUSY_POLL_BUDGET',
    set: (_s, value) => (intOf(value) >= 0 && intOf(value) <= 0xffff ? 0 : -EINVAL),
  },
  [so.SO_MAX_PACING_RATE]: {
    name: 'SO_MAX_PACING_RATE',
    get: (s) => s.settings.noted?.[so.SO_MAX_PACING_RATE] ?? Number.POSITIVE_INFINITY,
    set: (s, value) => {
      const rate = pacingRate(value)
      if (Number.isNaN(rate)) return -EINVAL
      // TCP paces by it.
      s.setOption(so.SOL_SOCKET, so.SO_MAX_PACING_RATE, rate)
      return note(s, so.SO_MAX_PACING_RATE, rate)
    },
    getBytes: pacingBytes,
  },
  [so.SO_BPF_EXTENSIONS]: readOnly('SO_BPF_EXTENSIONS', () => SKF_AD_MAX),
  [so.SO_INCOMING_CPU]: noted('SO_INCOMING_CPU', so.SO_INCOMING_CPU, -1, (n) => n),
  // There are no programs of the extended filter to be named by a descriptor.
  [so.SO_ATTACH_BPF]: { name: 'SO_ATTACH_BPF', set: badProgram },
  [so.SO_ATTACH_REUSEPORT_EBPF]: { name: 'SO_ATTACH_REUSEPORT_EBPF', set: badProgram },
  [so.SO_ATTACH_REUSEPORT_CBPF]: { name: 'SO_ATTACH_REUSEPORT_CBPF', set: () => -EINVAL },
  [so.SO_DETACH_REUSEPORT_BPF]: { name: 'SO_DETACH_REUSEPORT_BPF', set: () => -EINVAL },
  [so.SO_CNX_ADVICE]: {
    name: 'SO_CNX_ADVICE',
    set: (s, value) => {
      if (intOf(value) === 1) s.routeChanged()
      return 0
    },
  },
  [so.SO_MEMINFO]: { name: 'SO_MEMINFO', get: memInfo },
  [so.SO_INCOMING_NAPI_ID]: readOnly('SO_INCOMING_NAPI_ID', () => 0),
  [so.SO_COOKIE]: { name: 'SO_COOKIE', ...eightBytes(cookieOf, (room) => room >= 8) },
  [so.SO_NETNS_COOKIE]: {
    name: 'SO_NETNS_COOKIE',
    ...eightBytes(
      () => NETNS_COOKIE,
      (room) => room === 8,
    ),
  },
  [so.SO_PEERGROUPS]: {
    name: 'SO_PEERGROUPS',
    get: (s) => (s.peerCredentials().pid === 0 ? new OptionError(-ENODATA) : new Uint8Array(0)),
  },
  [so.SO_PEERPIDFD]: { name: 'SO_PEERPIDFD', get: () => new OptionError(-ENODATA) },
  [so.SO_ZEROCOPY]: {
    ...noted('SO_ZEROCOPY', so.SO_ZEROCOPY, 0, (n) => (n === 0 || n === 1 ? n : Number.NaN)),
    set: (s, value) => {
      const n = intOf(value)
      if (s.protocol !== so.IPPROTO_TCP && !(s.protocol === so.IPPROTO_UDP && s.type === so.SOCK_DGRAM))
        return -EOPNOTSUPP
      return n === 0 || n === 1 ? note(s, so.SO_ZEROCOPY, n) : -EINVAL
    },
  },
  // Devices have no queue that would hold a packet back until its time.
  [so.SO_TXTIME]: {
    name: 'SO_TXTIME',
    size: 8,
    get: () => 0,
    set: (_s, value) => (value instanceof Uint8Array && value.length === 8 ? -ENOPROTOOPT : -EINVAL),
  },
  [so.SO_BUF_LOCK]: {
    name: 'SO_BUF_LOCK',
    get: (s) => (s.isFlag(SF_SNDBUF_LOCK) ? SOCK_SNDBUF_LOCK : 0) | (s.isFlag(SF_RCVBUF_LOCK) ? SOCK_RCVBUF_LOCK : 0),
    set: (s, value) => {
      const n = intOf(value)
      if ((n & ~(SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK)) !== 0) return -EINVAL
      s.setFlag(SF_SNDBUF_LOCK, (n & SOCK_SNDBUF_LOCK) !== 0)
      s.setFlag(SF_RCVBUF_LOCK, (n & SOCK_RCVBUF_LOCK) !== 0)
      return 0
    },
  },
  // Memory is charged to groups of processes (cgroups) that no host here has.
  [so.SO_RESERVE_MEM]: {
    name: 'SO_RESERVE_MEM',
    get: () => 0,
    set: (_s, value) => (intOf(value) < 0 ? -EINVAL : -EOPNOTSUPP),
  },
  [so.SO_TXREHASH]: txRehash(),
  [so.SO_DEVMEM_DONTNEED]: {
    name: 'SO_DEVMEM_DONTNEED',
    set: (s) => (s.protocol === so.IPPROTO_TCP ? -EINVAL : -EBADF),
  },
}

function badProgram(_s: Sock, value: OptionValue): number {
  const fd = intOf(value)
  return !(value instanceof Uint8Array && value.length !== 4) && (fd < 0 || fd > 1023) ? -EBADF : -EINVAL
}

function txRehash(): SocketOption {
  const row = noted('SO_TXREHASH', so.SO_TXREHASH, 1, (n) => n)
  return {
    name: row.name,
    get: (s) => (s.protocol === so.IPPROTO_TCP ? (row.get?.(s) ?? 1) : new OptionError(-EOPNOTSUPP)),
    set: (s, value) => {
      if (s.protocol !== so.IPPROTO_TCP) return -EOPNOTSUPP
      const n = intOf(value)
      if (n < -1 || n > 1) return -EINVAL
      // SOCK_TXREHASH_DEFAULT: what net.core.txrehash says, until it listens.
      return note(s, so.SO_TXREHASH, n === -1 && s.state !== TCP_LISTEN ? 1 : n)
    },
  }
}
