/** /proc/net/udp, raw, icmp, packet, netlink: sockets without connections in the columns of the kernel's seq_files (proc(5)). */

import type { Sock } from '../sock/sock.ts'
import type { Host } from './host.ts'
import { columns, hex, line, pointer } from './proc-sockets.ts'
import { NO_TIMER } from './socket-timer.ts'

/** Width that the kernel pads lines of UDP and ping sockets to, the newline not counted. */
const WIDTH = 127
/** Buckets of the kernel's table of UDP ports on a host of usual size. */
const UDP_BUCKETS = 16384
const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'

/** What there is of protocols that have no sockets here. */
export const UDP6_TEXT =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n'
export const UDPLITE_TEXT: string = line(` ${HEADER}`, WIDTH)

type DatagramSocket = Sock & { readonly drops: number }

/** One socket, behind the number of its bucket. */
function datagram(sock: DatagramSocket, slot: number, width: number): string {
  const { uid, inode, wmemQueued: tx, rmemAlloc: rx, drops } = sock
  const common = columns({ ends: sock, tx, rx, timer: NO_TIMER, uid, inode })
  return `${String(slot).padStart(width)}: ${common} 2 ${pointer(inode)} ${drops}`
}

/** /proc/net/udp (udp4_seq_show): those with a port. */
export function procUdp({ udp }: Host): string {
  const bound = [...udp.sockets].filter((sock) => sock.localPort !== 0)
  const lines = bound.map((sock) => line(datagram(sock, sock.localPort & (UDP_BUCKETS - 1), 5), WIDTH))
  return UDPLITE_TEXT + lines.join('')
}

/** /proc/net/raw (raw_sock_seq_show): the protocol stands where others have the port. */
export function procRaw({ raw }: Host): string {
  const lines = [...raw.sockets].map((sock) => `${datagram(sock, sock.protocol & 0xff, 4)}\n`)
  return `${HEADER}\n${lines.join('')}`
}

/** /proc/net/icmp (ping_v4_seq_show): the identifier stands where others have the port. */
export function procIcmp({ ping }: Host): string {
  const bound = [...ping.sockets].filter((sock) => sock.localPort !== 0)
  const lines = bound.map((sock) => line(datagram(sock, sock.localPort & 63, 5), WIDTH))
  return line(HEADER, WIDTH) + lines.join('')
}

/** /proc/net/packet (packet_seq_show). */
export function procPacket({ packet }: Host): string {
  let text = 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n'
  for (const { inode, type, hookProtocol, ifindex, isHooked, rmemAlloc, uid } of packet.sockets) {
    const who = `${pointer(inode)} ${(isHooked ? '3' : '2').padEnd(6)} ${String(type).padEnd(4)}`
    const where = `${hookProtocol.toString(16).padStart(4, '0')}   ${String(ifindex).padEnd(5)} ${isHooked ? 1 : 0}`
    text += `${who} ${where} ${[rmemAlloc, uid, inode].map((n) => String(n).padEnd(6)).join(' ')}\n`
  }
  return text
}

/** /proc/net/netlink (netlink_native_seq_show), without the kernel's own ends. */
export function procNetlink({ netlink }: Host): string {
  let text = 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n'
  for (const { inode, protocol, pid, groupMask, rmemAlloc, wmemQueued, drops } of netlink.sockets) {
    const who = `${pointer(inode)} ${String(protocol).padEnd(3)} ${String(pid).padEnd(10)} ${hex(groupMask, 8).toLowerCase()}`
    const memory = [rmemAlloc, wmemQueued].map((n) => String(n).padEnd(8)).join(' ')
    text += `${who} ${memory} ${'0'.padEnd(5)} ${[2, drops, inode].map((n) => String(n).padEnd(8)).join(' ')}\n`
  }
  return text
}
