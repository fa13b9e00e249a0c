/** Socket addresses inside the stack: plain integers, reusable. The binary layouts of Linux are the socket layer's. */

/** Address families with Linux's values (bits/socket.h). */
export const AF_UNSPEC = 0
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17

export const INADDR_ANY = 0
/** 255.255.255.255 */
export const INADDR_BROADCAST = -1
/** 127.0.0.1 */
export const INADDR_LOOPBACK = 0x7f000001

/** A mutable socket address: family, IPv4 address as int32 and port, in host order; for AF_UNIX a name instead. */
export class SockAddr {
  family: number
  address: number
  port: number
  /** AF_UNIX: a path, a name with a leading NUL, or '' for none (unix(7)). */
  path = ''

  constructor(family: number = AF_UNSPEC, address = 0, port = 0) {
    this.family = family
    this.address = address
    this.port = port
  }

  /** Takes over all of `from`. */
  copy(from: SockAddr): this {
    this.family = from.family
    this.address = from.address
    this.port = from.port
    this.path = from.path
    return this
  }

  clone(): SockAddr {
    return new SockAddr().copy(this)
  }
}
