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

/** sizeof(struct sockaddr_storage): more than any family needs, and the most a call takes. */
export const SIZEOF_SOCKADDR_STORAGE = 128
/** sizeof(struct sockaddr), and of struct sockaddr_in. */
export const SIZEOF_SOCKADDR = 16
/** sizeof(struct sockaddr_ll), the offset of sll_addr in it; sizeof(struct sockaddr_nl). */
export const SIZEOF_SOCKADDR_LL = 20
export const OFFSETOF_SLL_ADDR = 12
export const SIZEOF_SOCKADDR_NL = 12
/** sizeof(sun_path): a path of so many bytes has no terminating zero. */
export const UNIX_PATH_MAX = 108
/** sizeof(sa_family_t): where the family's part begins, and all that AF_UNSPEC needs. */
export const SIZEOF_SA_FAMILY = 2

/** What is beside the protocol in struct sockaddr_ll (packet(7)), without the hardware address's length: it has one. */
export interface LinkAddress {
  readonly ifindex: number
  /** ARPHRD_ number, PACKET_ number. */
  readonly hatype: number
  readonly pkttype: number
  /** At most eight bytes. */
  readonly hardware: Uint8Array
}

/** struct sockaddr_nl: the port id and the mask of groups (netlink(7)). */
export interface NetlinkAddress {
  readonly pid: number
  readonly groups: number
}

/** A mutable socket address: family, IPv4 address as int32 and port, in host order; for other families what they need. */
export class SockAddr {
  family: number
  address: number
  /** AF_PACKET: the protocol (ETH_P_), in host order too. */
  port: number
  /** AF_UNIX: a path, a name with a leading NUL, or '' for none (unix(7)). */
  path = ''
  /** AF_PACKET and AF_NETLINK. */
  link: LinkAddress | null = null
  netlink: NetlinkAddress | null = null
  /** How long the caller says it is (addrlen), in bytes: protocols refuse what is too short for them. */
  length: number = SIZEOF_SOCKADDR

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
    this.link = from.link
    this.netlink = from.netlink
    this.length = from.length
    return this
  }

  clone(): SockAddr {
    return new SockAddr().copy(this)
  }
}
