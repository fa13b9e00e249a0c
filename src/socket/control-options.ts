/** Options that make recvmsg(2) tell more, and those that go with control messages: rows of the tables in `options.ts`. */
import { AF_NETLINK, AF_UNIX } from '../sock/address.ts'
import * as so from '../sock/constants.ts'
import { byteOrIntOf, intOf, OptionError } from '../sock/option-value.ts'
import * as want from '../sock/receive-control.ts'
import { type OptionValue, SF_RECVERR, type Sock } from '../sock/sock.ts'
import { EOPNOTSUPP, EPERM } from '../sys/errno.ts'

interface Row {
  readonly name: string
  readonly get: (s: Sock) => number | OptionError
  readonly set: (s: Sock, value: OptionValue) => number
}

function setWants(s: Sock, bits: number, on: boolean): void {
  const { wants } = s.settings
  const changed = on ? wants | bits : wants & ~bits
  if (changed !== wants) s.settings = s.settings.with('wants', changed)
}

/** A bit of `Settings.wants`, set by an int. */
const wanted = (name: string, bit: number): Row => ({
  name,
  get: (s) => ((s.settings.wants & bit) !== 0 ? 1 : 0),
  set: (s, value) => {
    setWants(s, bit, intOf(value) !== 0)
    return 0
  },
})

/** As `wanted`, on IPPROTO_IP: one byte is enough. */
const ipWanted = (name: string, bit: number): Row => ({
  ...wanted(name, bit),
  set: (s, value) => {
    setWants(s, bit, byteOrIntOf(value) !== 0)
    return 0
  },
})

/** As `row`, for local sockets (and with `orNetlink` those of AF_NETLINK) only (sk_may_scm_recv). */
function localOnly(row: Row, orNetlink: boolean): Row {
  const isFor = (s: Sock): boolean => s.family === AF_UNIX || (orNetlink && s.family === AF_NETLINK)
  return {
    name: row.name,
    get: (s) => (isFor(s) ? row.get(s) : new OptionError(-EOPNOTSUPP)),
    set: (s, value) => (isFor(s) ? row.set(s, value) : -EOPNOTSUPP),
  }
}

const STAMP_BITS = want.WANT_TIMESTAMP | want.WANT_TIMESTAMPNS | want.WANT_TIMESTAMP_NEW

/** SO_TIMESTAMP and its variants: one at a time, the last one set (sock_set_timestamp). */
const stamp = (name: string, bits: number): Row => ({
  name,
  get: (s) => ((s.settings.wants & STAMP_BITS) === bits ? 1 : 0),
  set: (s, value) => {
    setWants(s, STAMP_BITS, false)
    if (intOf(value) !== 0) setWants(s, bits, true)
    return 0
  },
})

/** struct so_timestamping: flags, and a clock of hardware that none has. */
const stamping = (name: string): Row & { readonly size: number } => ({
  name,
  size: 8,
  get: (s) => s.getStamping(),
  set: (s, value) => s.setStamping(intOf(value)),
})

const passRights = wanted('SO_PASSRIGHTS', want.WANT_NO_RIGHTS)

export const controlSocketOptions: Readonly<Record<number, Row>> = {
  [so.SO_TIMESTAMP]: stamp('SO_TIMESTAMP', want.WANT_TIMESTAMP),
  [so.SO_TIMESTAMPNS]: stamp('SO_TIMESTAMPNS', want.WANT_TIMESTAMP | want.WANT_TIMESTAMPNS),
  [so.SO_TIMESTAMP_NEW]: stamp('SO_TIMESTAMP_NEW', want.WANT_TIMESTAMP | want.WANT_TIMESTAMP_NEW),
  [so.SO_TIMESTAMPNS_NEW]: stamp('SO_TIMESTAMPNS_NEW', STAMP_BITS),
  [so.SO_TIMESTAMPING]: stamping('SO_TIMESTAMPING'),
  [so.SO_TIMESTAMPING_NEW]: stamping('SO_TIMESTAMPING_NEW'),
  [so.SO_RXQ_OVFL]: wanted('SO_RXQ_OVFL', want.WANT_RXQ_OVFL),
  [so.SO_RCVMARK]: wanted('SO_RCVMARK', want.WANT_MARK),
  [so.SO_RCVPRIORITY]: wanted('SO_RCVPRIORITY', want.WANT_PRIORITY),
  [so.SO_PASSCRED]: localOnly(wanted('SO_PASSCRED', want.WANT_CRED), true),
  [so.SO_PASSSEC]: localOnly(wanted('SO_PASSSEC', want.WANT_SEC), true),
  [so.SO_PASSRIGHTS]: localOnly(
    {
      name: 'SO_PASSRIGHTS',
      get: (s) => ((s.settings.wants & want.WANT_NO_RIGHTS) === 0 ? 1 : 0),
      set: (s, value) => passRights.set(s, intOf(value) === 0 ? 1 : 0),
    },
    false,
  ),
  [so.SO_MARK]: {
    name: 'SO_MARK',
    get: (s) => s.settings.mark,
    set: (s, value) => {
      if (!s.privileged) return -EPERM
      s.settings = s.settings.with('mark', intOf(value))
      return 0
    },
  },
  [so.SO_PEEK_OFF]: {
    name: 'SO_PEEK_OFF',
    get: (s) => s.settings.peekOff,
    set: (s, value) => {
      s.settings = s.settings.with('peekOff', intOf(value))
      return 0
    },
  },
}

export const controlIpOptions: Readonly<Record<number, Row>> = {
  [so.IP_PKTINFO]: ipWanted('IP_PKTINFO', want.WANT_PKTINFO),
  [so.IP_RECVTTL]: ipWanted('IP_RECVTTL', want.WANT_TTL),
  [so.IP_RECVTOS]: ipWanted('IP_RECVTOS', want.WANT_TOS),
  [so.IP_RECVOPTS]: ipWanted('IP_RECVOPTS', want.WANT_OPTS),
  [so.IP_RETOPTS]: ipWanted('IP_RETOPTS', want.WANT_RETOPTS),
  [so.IP_PASSSEC]: ipWanted('IP_PASSSEC', want.WANT_IP_SEC),
  [so.IP_ORIGDSTADDR]: ipWanted('IP_RECVORIGDSTADDR', want.WANT_ORIGDSTADDR),
  // Told of packets whose checksum a device has computed whole (CHECKSUM_COMPLETE): none does here.
  [so.IP_CHECKSUM]: ipWanted('IP_CHECKSUM', want.WANT_CHECKSUM),
  [so.IP_RECVERR]: {
    name: 'IP_RECVERR',
    get: (s) => (s.isFlag(SF_RECVERR) ? 1 : 0),
    set: (s, value) => {
      const on = byteOrIntOf(value) !== 0
      s.setFlag(SF_RECVERR, on)
      if (!on) s.errorQueue?.purge()
      return 0
    },
  },
}
