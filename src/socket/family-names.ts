/** Address families by name and number, and protocol families, which are the same numbers (bits/socket.h). */
export {
  AF_INET,
  AF_INET as PF_INET,
  AF_INET6,
  AF_INET6 as PF_INET6,
  AF_NETLINK,
  AF_NETLINK as PF_NETLINK,
  AF_NETLINK as AF_ROUTE,
  AF_NETLINK as PF_ROUTE,
  AF_PACKET,
  AF_PACKET as PF_PACKET,
  AF_UNIX,
  AF_UNIX as AF_LOCAL,
  AF_UNIX as PF_UNIX,
  AF_UNIX as PF_LOCAL,
  AF_UNSPEC,
  AF_UNSPEC as PF_UNSPEC,
} from '../sock/address.ts'

/** Families known by name that have no sockets here: IPsec keys (RFC 2367) and TIPC. socket(2) refuses them as unsupported. */
export const AF_KEY = 15
export const PF_KEY = 15
export const AF_TIPC = 30
export const PF_TIPC = 30
/** One more than the largest family. */
export const AF_MAX = 46
export const PF_MAX = 46

/** The names of Linux's families, by number, without `AF_` or `PF_`. */
// biome-ignore format: ten a line
const NAMES: readonly string[] = [
  'UNSPEC', 'UNIX', 'INET', 'AX25', 'IPX', 'APPLETALK', 'NETROM', 'BRIDGE', 'ATMPVC', 'X25',
  'INET6', 'ROSE', 'DECnet', 'NETBEUI', 'SECURITY', 'KEY', 'NETLINK', 'PACKET', 'ASH', 'ECONET',
  'ATMSVC', 'RDS', 'SNA', 'IRDA', 'PPPOX', 'WANPIPE', 'LLC', 'IB', 'MPLS', 'CAN',
  'TIPC', 'BLUETOOTH', 'IUCV', 'RXRPC', 'ISDN', 'PHONET', 'IEEE802154', 'CAIF', 'ALG', 'NFC',
  'VSOCK', 'KCM', 'QIPCRTR', 'SMC', 'XDP', 'MCTP',
]

/** `AF_TIPC` for 30; the number itself if Linux has no such family. */
export const familyName = (family: number): string =>
  NAMES[family] === undefined ? String(family) : `AF_${NAMES[family]}`
