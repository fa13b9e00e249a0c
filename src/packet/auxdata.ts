/** PACKET_AUXDATA: what a control message tells of a received frame (struct tpacket_auxdata). */
import { CSUM_PARTIAL, CSUM_VERIFIED, type Packet } from '../buf/packet.ts'
import type { Message } from '../sock/message.ts'
import {
  PACKET_AUXDATA,
  PACKET_OUTGOING,
  SOL_PACKET,
  TP_STATUS_CSUM_VALID,
  TP_STATUS_CSUMNOTREADY,
  TP_STATUS_GSO_TCP,
  TP_STATUS_USER,
} from './constants.ts'

/** `seq` of the packet is the frame's length before the filter cut it. */
export function auxdata(packet: Packet, message: Message): void {
  let status = TP_STATUS_USER
  if (packet.csum === CSUM_PARTIAL) status |= TP_STATUS_CSUMNOTREADY
  else if (packet.kind !== PACKET_OUTGOING && packet.csum === CSUM_VERIFIED) status |= TP_STATUS_CSUM_VALID
  if (packet.gsoSize > 0) status |= TP_STATUS_GSO_TCP
  const net = packet.l3 - packet.start
  // tp_status, tp_len, tp_snaplen, tp_mac, tp_net, tp_vlan_tci, tp_vlan_tpid
  message.put(SOL_PACKET, PACKET_AUXDATA, [status, packet.seq, packet.length, 0, net, 0, 0])
}
