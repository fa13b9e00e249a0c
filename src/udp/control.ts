/** Control messages that a sender gives with a datagram (udp_cmsg_send): UDP_SEGMENT, and those of IP. */
import { SOL_UDP, UDP_SEGMENT } from '../sock/constants.ts'
import { MALFORMED, type Message } from '../sock/message.ts'
import { readIpControl, type SendControl } from '../sock/send-control.ts'
import type { Sock } from '../sock/sock.ts'
import { EINVAL } from '../sys/errno.ts'

/** 0 or -errno. Those of SOL_UDP are looked at first. */
export function readUdpControl(sock: Sock, message: Message, into: SendControl): number {
  let isOther = false
  for (const control of message.control ?? []) {
    if (control === MALFORMED) return -EINVAL
    if (control.level !== SOL_UDP) isOther = true
    else if (control.type !== UDP_SEGMENT || typeof control.data !== 'number') return -EINVAL
    else into.segment = control.data & 0xffff
  }
  return isOther ? readIpControl(sock, message, into) : 0
}
