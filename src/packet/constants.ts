/** Numbers of packet sockets with Linux's values (packet(7), linux/if_packet.h, linux/if_ether.h). */

// Protocols, in host order; socket(2) and sockaddr_ll take them in network order.
export const ETH_P_ALL = 0x0003
export const ETH_P_802_3 = 0x0001
export const ETH_P_802_2 = 0x0004
export const ETH_P_IP = 0x0800
export const ETH_P_ARP = 0x0806
export const ETH_P_8021Q = 0x8100
export const ETH_P_IPV6 = 0x86dd

// sll_pkttype.
export { PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST } from '../buf/packet.ts'
export const PACKET_OUTGOING = 4

export const SOL_PACKET = 263

// Options of SOL_PACKET.
export const PACKET_ADD_MEMBERSHIP = 1
export const PACKET_DROP_MEMBERSHIP = 2
export const PACKET_RX_RING = 5
export const PACKET_STATISTICS = 6
export const PACKET_COPY_THRESH = 7
export const PACKET_AUXDATA = 8
export const PACKET_ORIGDEV = 9
export const PACKET_VERSION = 10
export const PACKET_HDRLEN = 11
export const PACKET_RESERVE = 12
export const PACKET_TX_RING = 13
export const PACKET_LOSS = 14
export const PACKET_VNET_HDR = 15
export const PACKET_TX_TIMESTAMP = 16
export const PACKET_TIMESTAMP = 17
export const PACKET_FANOUT = 18
export const PACKET_TX_HAS_OFF = 19
export const PACKET_QDISC_BYPASS = 20
export const PACKET_ROLLOVER_STATS = 21
export const PACKET_FANOUT_DATA = 22
export const PACKET_IGNORE_OUTGOING = 23
export const PACKET_VNET_HDR_SZ = 24

// mr_type of struct packet_mreq.
export const PACKET_MR_MULTICAST = 0
export const PACKET_MR_PROMISC = 1
export const PACKET_MR_ALLMULTI = 2
export const PACKET_MR_UNICAST = 3

// tp_status of struct tpacket_auxdata.
export const TP_STATUS_USER = 1
export const TP_STATUS_CSUMNOTREADY = 8
export const TP_STATUS_CSUM_VALID = 128
export const TP_STATUS_GSO_TCP = 256

export const TPACKET_V1 = 0
export const TPACKET_V2 = 1
export const TPACKET_V3 = 2
