/** Options of SOL_PACKET (packet_setsockopt, packet_getsockopt). Rings, fanout and virtio headers are not there: ENOPROTOOPT. */
import { intOf } from '../sock/option-value.ts'
import type { OptionResult, OptionValue } from '../sock/sock.ts'
import { EINVAL, ENOPROTOOPT } from '../sys/errno.ts'
import * as c from './constants.ts'
import type { PacketMreq } from './membership.ts'
import type { PacketSock } from './packet-sock.ts'

/** sizeof(struct packet_mreq), offset of mr_address in it. */
const SIZEOF_MREQ = 16
const OFFSETOF_ADDRESS = 8
/** sizeof(struct tpacket_hdr), tpacket2_hdr, tpacket3_hdr. */
const HEADER_LENGTHS: readonly number[] = [32, 32, 48]

/** Ints that are kept and given back, with their largest value: of no effect without rings. */
const REMEMBERED: Readonly<Record<number, number>> = {
  [c.PACKET_COPY_THRESH]: 0xffffffff,
  [c.PACKET_ORIGDEV]: 1,
  [c.PACKET_VERSION]: c.TPACKET_V3,
  [c.PACKET_RESERVE]: 0x7fffffff,
  [c.PACKET_LOSS]: 1,
  [c.PACKET_TIMESTAMP]: 0xffffffff,
  [c.PACKET_TX_HAS_OFF]: 1,
  [c.PACKET_QDISC_BYPASS]: 1,
}

/** struct packet_mreq from its bytes, or -EINVAL. */
function mreqOf(value: OptionValue): PacketMreq | number {
  if (!(value instanceof Uint8Array) || value.length < SIZEOF_MREQ) return -EINVAL
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const alen = view.getUint16(6, true)
  if (value.length < OFFSETOF_ADDRESS + alen) return -EINVAL
  return {
    ifindex: view.getInt32(0, true),
    type: view.getUint16(4, true),
    alen,
    address: value.slice(OFFSETOF_ADDRESS, SIZEOF_MREQ),
  }
}

/** packet_setsockopt: 0 or -errno. */
export function setPacketOption(s: PacketSock, level: number, name: number, value: OptionValue): number {
  if (level !== c.SOL_PACKET) return -ENOPROTOOPT
  if (name === c.PACKET_ADD_MEMBERSHIP || name === c.PACKET_DROP_MEMBERSHIP) {
    const request = mreqOf(value)
    if (typeof request === 'number') return request
    return name === c.PACKET_ADD_MEMBERSHIP ? s.memberships.add(request) : s.memberships.drop(request)
  }
  const most = REMEMBERED[name]
  const isKnown = most !== undefined || name === c.PACKET_AUXDATA || name === c.PACKET_IGNORE_OUTGOING
  if (!isKnown) return -ENOPROTOOPT
  const n = intOf(value)
  if (Number.isNaN(n)) return -EINVAL
  if (name === c.PACKET_AUXDATA) s.wantsAuxdata = n !== 0
  else if (name === c.PACKET_IGNORE_OUTGOING) {
    if (n < 0 || n > 1) return -EINVAL
    s.ignoresOutgoing = n === 1
  } else if (most !== undefined) {
    if (most > 1 && n >>> 0 > most) return -EINVAL
    s.remembered.set(name, most === 1 && n !== 0 ? 1 : n)
  }
  return 0
}

/** packet_getsockopt: 0 with the value, or -ENOPROTOOPT. */
export function getPacketOption(s: PacketSock, level: number, name: number, result: OptionResult): number {
  if (level !== c.SOL_PACKET) return -ENOPROTOOPT
  if (name === c.PACKET_STATISTICS) result.value = statistics(s)
  else if (name === c.PACKET_AUXDATA) result.value = s.wantsAuxdata ? 1 : 0
  else if (name === c.PACKET_IGNORE_OUTGOING) result.value = s.ignoresOutgoing ? 1 : 0
  else if (name === c.PACKET_HDRLEN) result.value = HEADER_LENGTHS[s.remembered.get(c.PACKET_VERSION) ?? 0] ?? 0
  else if (name === c.PACKET_ROLLOVER_STATS) return -EINVAL
  else if (REMEMBERED[name] !== undefined) result.value = s.remembered.get(name) ?? 0
  else return -ENOPROTOOPT
  return 0
}

/** struct tpacket_stats: packets, those lost included, and lost ones; reading it begins anew. */
function statistics(s: PacketSock): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, s.packetsSeen + s.packetsDropped, true)
  view.setUint32(4, s.packetsDropped, true)
  s.packetsSeen = s.packetsDropped = 0
  return bytes
}
