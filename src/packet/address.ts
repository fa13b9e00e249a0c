/** struct sockaddr_ll as the stack keeps it (packet(7)). */
import { AF_PACKET, SIZEOF_SOCKADDR_LL, SockAddr } from '../sock/address.ts'

const NO_HARDWARE: Uint8Array = Uint8Array.of()

/**
 * A packet socket's address: `protocol` (ETH_P_, host order) and the index of an interface, 0 for any; to send to with
 * SOCK_DGRAM also the hardware address.
 */
export function sockaddrLl(protocol: number, ifindex: number, hardware: Uint8Array = NO_HARDWARE): SockAddr {
  const made = new SockAddr(AF_PACKET, 0, protocol)
  made.link = { ifindex, hatype: 0, pkttype: 0, hardware }
  made.length = SIZEOF_SOCKADDR_LL
  return made
}
