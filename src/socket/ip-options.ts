/** Rows of IPPROTO_IP (ip(7), do_ip_setsockopt, do_ip_getsockopt). */

import { IP_MAX_MTU } from '../ip/dst.ts'
import * as so from '../sock/constants.ts'
import { byteOrIntOf, intOf, OptionError } from '../sock/option-value.ts'
import type { OptionValue, Sock } from '../sock/sock.ts'
import * as sock from '../sock/sock.ts'
import { EINVAL, EMSGSIZE, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM } from '../sys/errno.ts'
import * as ipv4Options from '../wire/ipv4-options.ts'
import { controlIpOptions } from './control-options.ts'
import { multicastOptions } from './multicast-options.ts'
import { optionBytes } from './option-bytes.ts'
import { ipFlag, isEmpty, type OptionTable } from './option-row.ts'

const TOS_ECN_MASK = 3
/** SO_PRIORITY by the low delay and throughput bits of RFC 1349: best effort, bulk, interactive, interactive bulk (ip_tos2prio). */
const PRIORITIES: readonly number[] = [0, 2, 6, 4]

export const ipOptions: OptionTable = {
  [so.IP_TOS]: {
    name: 'IP_TOS',
    get: (s) => s.tos,
    set: (s, value) => {
      const n = byteOrIntOf(value) & 0xff
      // TCP's ECN bits are its own.
      const tos = s.type === so.SOCK_STREAM ? (n & ~TOS_ECN_MASK) | (s.tos & TOS_ECN_MASK) : n
      if (tos === s.tos) return 0
      s.tos = tos
      s.priority = PRIORITIES[(tos >> 3) & 3] ?? 0
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
      return mtu < 0 ? new OptionError(-ENOTCONN) : Math.min(mtu, IP_MAX_MTU)
    },
  },
  ...controlIpOptions,
  [so.IP_HDRINCL]: {
    ...ipFlag('IP_HDRINCL', sock.SF_HDRINCL),
    set: (s, value) => {
      if (s.type !== so.SOCK_RAW) return -ENOPROTOOPT
      s.setFlag(sock.SF_HDRINCL, byteOrIntOf(value) !== 0)
      return 0
    },
  },
  ...multicastOptions,
  [so.IP_FREEBIND]: ipFlag('IP_FREEBIND', sock.SF_FREEBIND),
  [so.IP_BIND_ADDRESS_NO_PORT]: ipFlag('IP_BIND_ADDRESS_NO_PORT', sock.SF_BIND_NO_PORT, true),
  [so.IP_OPTIONS]: { name: 'IP_OPTIONS', get: (s) => s.settings.ipOptions ?? new Uint8Array(0), set: setIpOptions },
  // For raw sockets of a router that takes packets with the alert option for itself; none is one here.
  [so.IP_ROUTER_ALERT]: { name: 'IP_ROUTER_ALERT', get: () => 0, set: () => -EINVAL },
  [so.IP_PKTOPTIONS]: {
    name: 'IP_PKTOPTIONS',
    get: (s) => (s.type === so.SOCK_STREAM ? new Uint8Array(0) : new OptionError(-ENOPROTOOPT)),
  },
  [so.IP_MINTTL]: {
    name: 'IP_MINTTL',
    get: (s) => s.settings.minTtl,
    set: (s, value) => {
      const n = byteOrIntOf(value)
      if (isEmpty(value) || n < 0 || n > 255) return -EINVAL
      s.settings = s.settings.with('minTtl', n)
      return 0
    },
  },
  [so.IP_LOCAL_PORT_RANGE]: {
    name: 'IP_LOCAL_PORT_RANGE',
    get: (s) => s.settings.localPortRange,
    set: (s, value) => {
      if (value instanceof Uint8Array && value.length !== 4) return -EINVAL
      const n = intOf(value)
      const low = n & 0xffff
      const high = n >>> 16
      if (Number.isNaN(n) || (low !== 0 && high !== 0 && low > high)) return -EINVAL
      s.settings = s.settings.with('localPortRange', n)
      return 0
    },
  },
  [so.IP_IPSEC_POLICY]: { name: 'IP_IPSEC_POLICY', set: (s, value) => policy(s, value, -EOPNOTSUPP) },
  [so.IP_XFRM_POLICY]: { name: 'IP_XFRM_POLICY', set: (s, value) => policy(s, value, -EINVAL) },
  // What cannot be switched on is off.
  [so.IP_NODEFRAG]: { name: 'IP_NODEFRAG', get: () => 0 },
  [so.IP_TRANSPARENT]: { name: 'IP_TRANSPARENT', get: () => 0 },
  [so.IP_RECVERR_RFC4884]: { name: 'IP_RECVERR_RFC4884', get: () => 0 },
  [so.IP_RECVFRAGSIZE]: {
    name: 'IP_RECVFRAGSIZE',
    get: () => 0,
    set: (s) => (s.type === so.SOCK_STREAM ? -EINVAL : -ENOPROTOOPT),
  },
  // inet_num: the protocol of a raw socket, and the port of others.
  [so.IP_PROTOCOL]: { name: 'IP_PROTOCOL', get: (s) => (s.type === so.SOCK_RAW ? s.protocol : s.localPort) },
}

/** IP_OPTIONS: what goes into the header of every packet, filled up with zeros to words; nothing takes it back. */
function setIpOptions(s: Sock, value: OptionValue): number {
  // Segments are made without room for them.
  if (s.type === so.SOCK_STREAM) return -ENOPROTOOPT
  const given = value instanceof Uint8Array ? value : optionBytes(value)
  if (given.length > ipv4Options.MAX_LEN) return -EINVAL
  const bytes = new Uint8Array((given.length + 3) & ~3)
  bytes.set(given)
  if (!ipv4Options.parse(bytes, 0, bytes.length, new ipv4Options.ParsedOptions())) return -EINVAL
  // What follows the end of the list is made the end too.
  for (let at = 0; at < bytes.length; at += ipv4Options.optionLength(bytes, at, bytes.length)) {
    if (bytes[at] === ipv4Options.EOL) bytes.fill(ipv4Options.EOL, at)
  }
  s.settings = s.settings.with('ipOptions', bytes.length === 0 ? null : bytes)
  return 0
}

/** Policies of IPsec are for administrators; a host without IPsec finds fault with every one. */
function policy(s: Sock, value: OptionValue, refusal: number): number {
  if (!s.privileged) return -EPERM
  return isEmpty(value) ? -EMSGSIZE : refusal
}
