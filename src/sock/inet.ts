/** What sockets of AF_INET share: bind(2) by Linux's rules (__inet_bind) and the names of both ends (inet_getname). */

import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../stack/route.ts'
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENOTCONN } from '../sys/errno.ts'
import { AF_INET, AF_UNSPEC, SIZEOF_SOCKADDR, type SockAddr } from './address.ts'
import type { PortTable } from './ports.ts'
import {
  SF_BIND_NO_PORT,
  SF_BINDADDR_LOCK,
  SF_BINDPORT_LOCK,
  SF_FREEBIND,
  type Sock,
  TCP_CLOSE,
  TCP_SYN_SENT,
} from './sock.ts'
import { POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM } from './wait-queue.ts'

/** bind(2) on AF_INET: 0, -EINVAL for an address too short, -EAFNOSUPPORT, -EADDRNOTAVAIL, -EACCES, -EINVAL or -EADDRINUSE, tested in this order. */
export function inetBind(sock: Sock, to: SockAddr, ports: PortTable): number {
  const { address, port } = to
  if (to.length < SIZEOF_SOCKADDR) return -EINVAL
  // AF_UNSPEC is taken for AF_INET if the address is 0, "compatibility games".
  if (to.family !== AF_INET && (to.family !== AF_UNSPEC || address !== 0)) return -EAFNOSUPPORT
  if (address !== 0 && !sock.isFlag(SF_FREEBIND) && sock.stack.sysctl.ip_nonlocal_bind === 0) {
    const type = sock.stack.ipv4.addressType(address)
    if (type !== RTN_LOCAL && type !== RTN_BROADCAST && type !== RTN_MULTICAST) return -EADDRNOTAVAIL
  }
  if (port !== 0 && port < sock.stack.sysctl.ip_unprivileged_port_start && !sock.privileged) return -EACCES
  // The port itself may be left over from a connection that ended: only who holds one is bound.
  if (sock.state !== TCP_CLOSE || sock.portBucket !== null) return -EINVAL
  if (port !== 0 || !sock.isFlag(SF_BIND_NO_PORT)) {
    if (ports.bind(sock, address, port) < 0) return -EADDRINUSE
  }
  sock.localAddress = address
  sock.remoteAddress = 0
  sock.remotePort = 0
  if (address !== 0) sock.setFlag(SF_BINDADDR_LOCK, true)
  if (port !== 0) sock.setFlag(SF_BINDPORT_LOCK, true)
  sock.routeChanged()
  return 0
}

/** getsockname(2) and getpeername(2) on AF_INET (inet_getname): 0 or -ENOTCONN. */
export function inetGetName(sock: Sock, peer: boolean, into: SockAddr): number {
  if (peer) return sock.state === TCP_CLOSE || sock.state === TCP_SYN_SENT ? -ENOTCONN : inetPeerName(sock, into)
  into.family = AF_INET
  into.address = sock.localAddress
  into.port = sock.localPort
  return 0
}

/** shutdown(2) without a transport's part (inet_shutdown): works, and wakes, also when it answers -ENOTCONN. */
export function inetShutdown(sock: Sock, how: number): number {
  if (!(how >= 0 && how <= 2)) return -EINVAL
  sock.shutdownMask |= how + 1
  sock.wake(POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLRDNORM | POLLWRNORM)
  return sock.state === TCP_CLOSE ? -ENOTCONN : 0
}

/** The peer's name in whatever state (inet_getname for accept). */
export function inetPeerName(sock: Sock, into: SockAddr): number {
  if (sock.remotePort === 0) return -ENOTCONN
  into.family = AF_INET
  into.address = sock.remoteAddress
  into.port = sock.remotePort
  return 0
}
