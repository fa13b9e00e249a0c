/** struct sockaddr_nl as the stack keeps it (netlink(7)). */
import { AF_NETLINK, SIZEOF_SOCKADDR_NL, SockAddr } from '../sock/address.ts'

/** A netlink address: port id, 0 for the kernel (or, in bind, one of the kernel's choice), and a mask of groups. */
export function sockaddrNl(pid = 0, groups = 0): SockAddr {
  return writeSockaddrNl(new SockAddr(), pid, groups)
}

/** Puts a netlink address into `into`. */
export function writeSockaddrNl(into: SockAddr, pid: number, groups: number): SockAddr {
  into.family = AF_NETLINK
  into.netlink = { pid, groups }
  into.length = SIZEOF_SOCKADDR_NL
  return into
}
