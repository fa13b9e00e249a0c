/** Options of IPPROTO_TCP that tell the state of a connection, TCP_INFO above all, in Linux's bytes (linux/tcp.h). */
import {
  TCP_CC_INFO,
  TCP_INFO,
  TCP_IS_MPTCP,
  TCP_REPAIR,
  TCP_SAVED_SYN,
  TCP_THIN_LINEAR_TIMEOUTS,
  TCP_TIMESTAMP,
  TCP_TX_DELAY,
  TCP_ULP,
} from '../sock/constants.ts'
import type { OptionValue } from '../sock/sock.ts'
import { fillTcpInfo, TcpInfo } from './info.ts'
import type { Tcb } from './tcb.ts'

/**
 * Fields of struct tcp_info: `b` of one byte, `h` of 16 bits, `w` of 32, `q` of 64; a number: two bit fields of one byte, the
 * first of so many bits, the lowest.
 */
// biome-ignore format: in the struct's order
export const TCP_INFO_LAYOUT: readonly (readonly [kind: 'b' | 'h' | 'w' | 'q' | number, fields: string])[] = [
  ['b', 'state ca_state retransmits probes backoff options'],
  [4, 'snd_wscale rcv_wscale'],
  [1, 'delivery_rate_app_limited fastopen_client_fail'],
  ['w', 'rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv'],
  ['w', 'pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans'],
  ['q', 'pacing_rate max_pacing_rate bytes_acked bytes_received'],
  ['w', 'segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out'],
  ['q', 'delivery_rate busy_time rwnd_limited sndbuf_limited'],
  ['w', 'delivered delivered_ce'],
  ['q', 'bytes_sent bytes_retrans'],
  ['w', 'dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash'],
  ['h', 'total_rto total_rto_recoveries'],
  ['w', 'total_rto_time'],
  ['w', 'received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes'],
  ['w', 'received_e1_bytes received_e0_bytes received_ce_bytes'],
  ['h', 'accecn_fail_mode accecn_opt_seen'],
]
/** sizeof(struct tcp_info) of Linux 6.18, with what is reserved at its end. */
export const SIZEOF_TCP_INFO = 280

/** struct tcp_info. */
export function tcpInfoBytes(t: Tcb): Uint8Array {
  const info = new TcpInfo()
  fillTcpInfo(t, info)
  const bytes = new Uint8Array(SIZEOF_TCP_INFO)
  const view = new DataView(bytes.buffer)
  const value = (field: string): number => info[`tcpi_${field}` as keyof TcpInfo]
  let at = 0
  for (const [kind, names] of TCP_INFO_LAYOUT) {
    const fields = names.split(' ')
    if (typeof kind === 'number') {
      bytes[at++] = value(fields[0] as string) | (value(fields[1] as string) << kind)
      continue
    }
    for (const field of fields) {
      if (kind === 'b') bytes[at++] = value(field)
      else if (kind === 'h') {
        view.setUint16(at, value(field), true)
        at += 2
      } else if (kind === 'w') {
        view.setUint32(at, value(field), true)
        at += 4
      } else {
        const v = value(field)
        view.setBigUint64(at, v < 2 ** 64 ? BigInt(Math.trunc(v)) : 0xffffffffffffffffn, true)
        at += 8
      }
    }
  }
  return bytes
}

/** The headers of the SYN that made this connection, once. */
function savedSyn(t: Tcb): Uint8Array {
  const { savedSyn: headers } = t.tuning
  if (headers === null) return new Uint8Array(0)
  t.tuning = t.tuning.with('savedSyn', null)
  return headers
}

/** The value of such an option, or undefined if it is another one. */
export function statusOption(t: Tcb, name: number): OptionValue | undefined {
  switch (name) {
    case TCP_INFO:
      return tcpInfoBytes(t)
    case TCP_CC_INFO:
      return t.ca.info?.(t) ?? new Uint8Array(0)
    case TCP_ULP:
      return new Uint8Array(0)
    case TCP_TIMESTAMP:
      return (t.tcp.nowMs() + t.tsOffset) | 0
    // What cannot be switched on is off.
    case TCP_SAVED_SYN:
      return savedSyn(t)
    case TCP_REPAIR:
    case TCP_TX_DELAY:
    case TCP_THIN_LINEAR_TIMEOUTS:
    case TCP_IS_MPTCP:
      return 0
    default:
      return undefined
  }
}
