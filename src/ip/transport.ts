/** What a transport is to IP: registered under its protocol number, called from below through this table only. */
import type { Packet } from '../buf/packet.ts'

export const IPPROTO_ICMP = 1
export const IPPROTO_IGMP = 2
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17
export const IPPROTO_RAW = 255

export interface Transport {
  /**
   * An IP payload for this host: `start` and `l4` are at the transport header, `l3` at IP's, `saddr`, `daddr`,
   * `protocol`, `kind`, `interface`, `time` are set; the checksum state says whether to verify. Ownership passes.
   */
  input(packet: Packet): void
  /**
   * An ICMP error about a packet this host sent. `quoted` is lent: its `l3` is at the quoted IP header, `l4` and
   * `start` at the (at least 8) quoted transport bytes, `saddr` (ours), `daddr` and `protocol` those of the quoted
   * header; `seq` is the address of who sent the error and `endSeq` the offset of its own IP header. `errno` is Linux's translation (icmp_err_convert) and `fatal` its hint; `info` is the next-hop MTU of
   * "fragmentation needed" (type 3 code 4), the pointer of a parameter problem, else 0.
   */
  error(quoted: Packet, type: number, code: number, errno: number, fatal: boolean, info: number): void
  /**
   * Whether `quoted` (as for `error`) can be a packet of one of this transport's sockets: its connection exists and its
   * sequence number is outstanding. Asked before a path MTU is believed (RFC 5927 §7); absent means yes.
   */
  owns?(quoted: Packet): boolean
}
