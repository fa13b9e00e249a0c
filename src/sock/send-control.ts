/** Control messages that a sender gives: those of SOL_SOCKET (__sock_cmsg_send) and of IPPROTO_IP (ip_cmsg_send). */
import { EINVAL, EPERM } from '../sys/errno.ts'
import * as layout from '../wire/ipv4-options.ts'
import * as so from './constants.ts'
import { type ControlData, type ControlMessage, MALFORMED, type Message } from './message.ts'
import type { Sock } from './sock.ts'
import { SOF_OPT_ID, SOF_TX_RECORD } from './stamping.ts'

/** What one send call asks for in place of the socket's options (struct ipcm_cookie, sockcm_cookie). */
export class SendControl {
  /** Source address and interface (IP_PKTINFO); 0: as routed. */
  source = 0
  oif = 0
  /** IP_TOS and IP_TTL; -1: the socket's. */
  tos = -1
  ttl = -1
  /** SO_MARK, SO_PRIORITY. */
  mark = 0
  priority = 0
  /** IP_RETOPTS: IP options to go with the packet. */
  options: Uint8Array | null = null
  /** IP_PROTOCOL of a raw socket with IPPROTO_RAW; 0: the socket's. */
  protocol = 0
  /** SO_TIMESTAMPING for this call; -1: the socket's. SCM_TS_OPT_ID; -1: counted. */
  tsflags = -1
  tsId = -1
  /** UDP_SEGMENT; -1: the socket's. */
  segment = -1
}

/** Data as an int of four bytes; NaN for another length. */
export function intData(data: ControlData): number {
  if (typeof data === 'number') return data
  if (data instanceof Uint8Array) {
    return data.length === 4 ? new DataView(data.buffer, data.byteOffset).getInt32(0, true) : Number.NaN
  }
  return data.length === 1 ? (data[0] as number) : Number.NaN
}

/** One message of SOL_SOCKET: 0 or -errno. */
function socketControl(sock: Sock, { type, data }: ControlMessage, into: SendControl): number {
  const value = intData(data)
  switch (type) {
    case so.SO_MARK:
      if (!sock.privileged) return -EPERM
      if (Number.isNaN(value)) return -EINVAL
      into.mark = value >>> 0
      return 0
    case so.SO_TIMESTAMPING:
    case so.SO_TIMESTAMPING_NEW:
      if (Number.isNaN(value) || (value & ~SOF_TX_RECORD) !== 0) return -EINVAL
      into.tsflags = (sock.getStamping() & ~SOF_TX_RECORD) | value
      return 0
    case so.SCM_TS_OPT_ID:
      if (sock.protocol === so.IPPROTO_TCP || Number.isNaN(value)) return -EINVAL
      if ((sock.getStamping() & SOF_OPT_ID) === 0) return -EINVAL
      into.tsId = value >>> 0
      return 0
    // "SCM_RIGHTS and SCM_CREDENTIALS are semantically in SOL_UNIX."
    case so.SCM_RIGHTS:
    case so.SCM_CREDENTIALS:
      return 0
    case so.SO_PRIORITY:
      if (Number.isNaN(value)) return -EINVAL
      if (!(value >= 0 && value <= 6) && !sock.privileged) return -EPERM
      into.priority = value
      return 0
    default:
      return -EINVAL
  }
}

/** All messages of SOL_SOCKET, for protocols that know no others (sock_cmsg_send): 0 or -errno. */
export function readSocketControl(sock: Sock, message: Message, into: SendControl): number {
  for (const control of message.control ?? []) {
    if (control === MALFORMED) return -EINVAL
    if (control.level !== so.SOL_SOCKET) continue
    const result = socketControl(sock, control, into)
    if (result < 0) return result
  }
  return 0
}

/** All messages of SOL_SOCKET and IPPROTO_IP; those of other levels are not looked at. 0 or -errno. */
export function readIpControl(sock: Sock, message: Message, into: SendControl): number {
  for (const control of message.control ?? []) {
    if (control === MALFORMED) return -EINVAL
    const { level } = control
    const result =
      level === so.SOL_SOCKET ? socketControl(sock, control, into) : level === so.SOL_IP ? ipControl(control, into) : 0
    if (result < 0) return result
  }
  return 0
}

/** IP options as they may be sent, padded; null if they make no sense (ip_options_get). A source route is none of ours. */
function checkOptions(data: Uint8Array): Uint8Array | null {
  const options = new Uint8Array((Math.min(data.length, layout.MAX_LEN) + 3) & -4)
  options.set(data.subarray(0, layout.MAX_LEN))
  const parsed = new layout.ParsedOptions()
  return layout.parse(options, 0, options.length, parsed) && parsed.sourceRoute < 0 ? options : null
}

function ipControl({ type, data }: ControlMessage, into: SendControl): number {
  switch (type) {
    case so.IP_RETOPTS:
      into.options = data instanceof Uint8Array ? checkOptions(data) : null
      return into.options === null ? -EINVAL : 0
    case so.IP_PKTINFO: {
      if (typeof data === 'number' || data instanceof Uint8Array) return -EINVAL
      const [ifindex = 0, specDst = 0] = data
      if (ifindex !== 0) into.oif = ifindex
      into.source = specDst
      return 0
    }
    case so.IP_TTL: {
      const ttl = intData(data)
      if (!(ttl >= 1 && ttl <= 255)) return -EINVAL
      into.ttl = ttl
      return 0
    }
    case so.IP_TOS: {
      const tos = intData(data)
      if (!(tos >= 0 && tos <= 255)) return -EINVAL
      into.tos = tos
      return 0
    }
    case so.IP_PROTOCOL: {
      const protocol = intData(data)
      if (!(protocol >= 1 && protocol <= 255)) return -EINVAL
      into.protocol = protocol
      return 0
    }
    default:
      return -EINVAL
  }
}
