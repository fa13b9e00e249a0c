/** TCP_INFO, complete (struct tcp_info of linux/tcp.h, tcp_get_info): fields by Linux's names and in its order. */
import { TCP_LISTEN } from '../sock/sock.ts'
import type { AccEcn } from './accecn.ts'
import { NO_RATE, pacingRate } from './pacing.ts'
import { deliveryRate } from './rate.ts'
import { diff } from './seq.ts'
import { CHRONO_BUSY, CHRONO_RWND, CHRONO_SNDBUF, chronoMs } from './stats.ts'
import {
  OPT_ACCECN,
  OPT_ECN,
  OPT_SACK,
  OPT_SYN_DATA,
  OPT_TFO_CHILD,
  OPT_TIMESTAMPS,
  OPT_WSCALE,
  type Tcb,
} from './tcb.ts'

/** Bits of `tcpi_options`. */
export const TCPI_OPT_TIMESTAMPS = 1
export const TCPI_OPT_SACK = 2
export const TCPI_OPT_WSCALE = 4
export const TCPI_OPT_ECN = 8
export const TCPI_OPT_ECN_SEEN = 16
export const TCPI_OPT_SYN_DATA = 32
export const TCPI_OPT_USEC_TS = 64
export const TCPI_OPT_TFO_CHILD = 128

export class TcpInfo {
  tcpi_state = 0
  tcpi_ca_state = 0
  tcpi_retransmits = 0
  tcpi_probes = 0
  tcpi_backoff = 0
  tcpi_options = 0
  tcpi_snd_wscale = 0
  tcpi_rcv_wscale = 0
  tcpi_delivery_rate_app_limited = 1
  tcpi_fastopen_client_fail = 0
  tcpi_rto = 0
  tcpi_ato = 0
  tcpi_snd_mss = 0
  tcpi_rcv_mss = 0
  tcpi_unacked = 0
  tcpi_sacked = 0
  tcpi_lost = 0
  tcpi_retrans = 0
  tcpi_fackets = 0
  tcpi_last_data_sent = 0
  tcpi_last_ack_sent = 0
  tcpi_last_data_recv = 0
  tcpi_last_ack_recv = 0
  tcpi_pmtu = 0
  tcpi_rcv_ssthresh = 0
  tcpi_rtt = 0
  tcpi_rttvar = 0
  tcpi_snd_ssthresh = 0
  tcpi_snd_cwnd = 0
  tcpi_advmss = 0
  tcpi_reordering = 0
  tcpi_rcv_rtt = 0
  tcpi_rcv_space = 0
  tcpi_total_retrans = 0
  tcpi_pacing_rate = 0
  tcpi_max_pacing_rate: number = NO_RATE
  tcpi_bytes_acked = 0
  tcpi_bytes_received = 0
  tcpi_segs_out = 0
  tcpi_segs_in = 0
  tcpi_notsent_bytes = 0
  tcpi_min_rtt = 0
  tcpi_data_segs_in = 0
  tcpi_data_segs_out = 0
  tcpi_delivery_rate = 0
  tcpi_busy_time = 0
  tcpi_rwnd_limited = 0
  tcpi_sndbuf_limited = 0
  tcpi_delivered = 0
  tcpi_delivered_ce = 0
  tcpi_bytes_sent = 0
  tcpi_bytes_retrans = 0
  tcpi_dsack_dups = 0
  tcpi_reord_seen = 0
  tcpi_rcv_ooopack = 0
  tcpi_snd_wnd = 0
  tcpi_rcv_wnd = 0
  tcpi_rehash = 0
  tcpi_total_rto = 0
  tcpi_total_rto_recoveries = 0
  tcpi_total_rto_time = 0
  tcpi_received_ce = 0
  tcpi_delivered_e1_bytes = 0
  tcpi_delivered_e0_bytes = 0
  tcpi_delivered_ce_bytes = 0
  tcpi_received_e1_bytes = 0
  tcpi_received_e0_bytes = 0
  tcpi_received_ce_bytes = 0
  tcpi_accecn_fail_mode = 0
  tcpi_accecn_opt_seen = 0
}

function optionBits(t: Tcb): number {
  const { opt } = t
  return (
    ((opt & OPT_TIMESTAMPS) !== 0 ? TCPI_OPT_TIMESTAMPS : 0) |
    ((opt & OPT_SACK) !== 0 ? TCPI_OPT_SACK : 0) |
    ((opt & OPT_WSCALE) !== 0 ? TCPI_OPT_WSCALE : 0) |
    ((opt & (OPT_ECN | OPT_ACCECN)) !== 0 ? TCPI_OPT_ECN : 0) |
    (t.ecnSeen ? TCPI_OPT_ECN_SEEN : 0) |
    ((opt & OPT_SYN_DATA) !== 0 ? TCPI_OPT_SYN_DATA : 0) |
    ((opt & OPT_TFO_CHILD) !== 0 ? TCPI_OPT_TFO_CHILD : 0)
  )
}

/** Fills `info` with the state of `t` now. */
export function fillTcpInfo(t: Tcb, info: TcpInfo): void {
  const tcp = t.tcp
  tcp.now = t.stack.clock.now()
  const now = tcp.nowMs()
  const { snd, rcv } = t
  info.tcpi_state = t.state
  info.tcpi_ca_state = t.caState
  info.tcpi_retransmits = t.retransmits
  info.tcpi_probes = t.probesOut
  info.tcpi_backoff = t.backoff
  info.tcpi_options = optionBits(t)
  info.tcpi_snd_wscale = (t.opt & OPT_WSCALE) !== 0 ? snd.wscale : 0
  info.tcpi_rcv_wscale = (t.opt & OPT_WSCALE) !== 0 ? rcv.wscale : 0
  info.tcpi_fastopen_client_fail = t.fastOpen?.clientFail ?? 0
  info.tcpi_rto = t.rto
  info.tcpi_ato = t.ato
  info.tcpi_snd_mss = snd.mss
  // Before the SYN of a deferred connect there is nothing to tell.
  const isDeferred = t.fastOpen?.isDeferred === true
  info.tcpi_rcv_mss = isDeferred ? 0 : rcv.mss
  if (t.state === TCP_LISTEN) {
    info.tcpi_unacked = t.queue?.length ?? 0
    info.tcpi_sacked = t.queue?.backlog ?? 0
  } else {
    info.tcpi_unacked = t.packetsOut
    info.tcpi_sacked = t.sackedOut
  }
  info.tcpi_lost = t.lostOut
  info.tcpi_retrans = t.retransOut
  info.tcpi_last_data_sent = (now - t.lastSentTime) | 0
  info.tcpi_last_data_recv = (now - t.lastReceived) | 0
  info.tcpi_last_ack_recv = (now - t.lastSegmentTime) | 0
  info.tcpi_pmtu = t.pmtu
  info.tcpi_rcv_ssthresh = rcv.ssthresh
  info.tcpi_rtt = t.srtt >> 3
  info.tcpi_rttvar = t.mdev >> 2
  info.tcpi_snd_ssthresh = snd.ssthresh
  info.tcpi_snd_cwnd = snd.cwnd
  info.tcpi_advmss = isDeferred ? 0 : rcv.advMss
  info.tcpi_reordering = t.reordering
  info.tcpi_rcv_rtt = rcv.rttUs >> 3
  info.tcpi_rcv_space = rcv.spaceBytes
  info.tcpi_total_retrans = t.totalRetrans
  info.tcpi_pacing_rate = pacingRate(t)
  info.tcpi_max_pacing_rate = t.pacing?.maxRate ?? NO_RATE
  info.tcpi_notsent_bytes = Math.max(0, diff(snd.writeSeq, snd.nxt))
  info.tcpi_min_rtt = t.minRtt
  info.tcpi_delivered = t.delivered
  info.tcpi_reord_seen = t.recovery?.reordSeen ?? 0
  info.tcpi_snd_wnd = snd.wnd
  info.tcpi_rcv_wnd = rcv.wnd
  fillCounts(t, info)
  if (t.accEcn !== null) fillAccEcn(t.accEcn, info)
}

function fillAccEcn(a: AccEcn, info: TcpInfo): void {
  const [, e1, e0, ce] = a.delivered
  const [, gotE1, gotE0, gotCe] = a.received
  info.tcpi_received_ce = a.receivedCe
  info.tcpi_delivered_e1_bytes = e1 as number
  info.tcpi_delivered_e0_bytes = e0 as number
  info.tcpi_delivered_ce_bytes = ce as number
  info.tcpi_received_e1_bytes = gotE1 as number
  info.tcpi_received_e0_bytes = gotE0 as number
  info.tcpi_received_ce_bytes = gotCe as number
  info.tcpi_accecn_fail_mode = a.failMode
  info.tcpi_accecn_opt_seen = a.seen
}

function fillCounts(t: Tcb, info: TcpInfo): void {
  const s = t.stats
  info.tcpi_rwnd_limited = chronoMs(t, CHRONO_RWND) * 1000
  info.tcpi_sndbuf_limited = chronoMs(t, CHRONO_SNDBUF) * 1000
  info.tcpi_busy_time = chronoMs(t, CHRONO_BUSY) * 1000 + info.tcpi_rwnd_limited + info.tcpi_sndbuf_limited
  info.tcpi_bytes_acked = t.isActive && t.snd.una !== t.snd.iss ? 1 : 0
  info.tcpi_segs_out = t.segmentsOut
  info.tcpi_segs_in = t.segmentsIn
  if (s === null) return
  info.tcpi_bytes_acked += s.bytesAcked
  info.tcpi_bytes_received = s.bytesReceived
  info.tcpi_data_segs_in = s.dataSegmentsIn
  info.tcpi_data_segs_out = s.dataSegmentsOut
  info.tcpi_bytes_sent = s.bytesSent
  info.tcpi_bytes_retrans = s.bytesRetransmitted
  info.tcpi_dsack_dups = s.dsackDuplicates
  info.tcpi_rcv_ooopack = s.outOfOrder
  info.tcpi_delivered_ce = s.deliveredCe
  info.tcpi_total_rto = s.timeouts
  info.tcpi_total_rto_recoveries = s.timeoutRows
  info.tcpi_total_rto_time = s.timeoutMs + (s.timeoutsSince === 0 ? 0 : (t.tcp.nowMs() - s.timeoutsSince) | 0)
  info.tcpi_rehash = s.rehashes
  info.tcpi_delivery_rate = deliveryRate(t)
  info.tcpi_delivery_rate_app_limited = s.isRateAppLimited ? 1 : 0
}
