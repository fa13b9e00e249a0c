/** What `ss -o -e -m -i` adds to a row (tcp_timer_print, sock_details_print, print_skmeminfo, tcp_stats_print of ss.c). */
import type { Host } from '../host/host.ts'
import type { SocketRow, UnixRow } from '../host/socket-table.ts'
import { socketTimer, TIMER_OFF, TIMER_RETRANSMIT } from '../host/socket-timer.ts'
import { RCV_SHUTDOWN, SEND_SHUTDOWN, Sock, TCP_LISTEN } from '../sock/sock.ts'
import {
  fillTcpInfo,
  TCPI_OPT_ECN,
  TCPI_OPT_ECN_SEEN,
  TCPI_OPT_SACK,
  TCPI_OPT_SYN_DATA,
  TCPI_OPT_TIMESTAMPS,
  TCPI_OPT_WSCALE,
  TcpInfo,
} from '../tcp/info.ts'
import { LIMIT_SEND_BUFFER, LIMITER_NAMES, limitedMs, limiterOf } from '../tcp/limiter.ts'
import { Tcb } from '../tcp/tcb.ts'
import { general } from './tool.ts'

type Row = SocketRow | UnixRow

/** timer_name of ss, by the kernel's number. */
const TIMER_NAMES: readonly string[] = ['off', 'on', 'keepalive', 'timewait', 'persist']

export function timerText(host: Host, row: Row): string {
  if ('inode' in row || row.netid !== 'tcp') return ''
  const { kind, left, retransmits, probes } = socketTimer(row, host.clock)
  if (kind === TIMER_OFF) return ''
  const count = kind === TIMER_RETRANSMIT ? retransmits : probes
  return ` timer:(${TIMER_NAMES[kind]},${timeLeft(Math.round(left / 1000))},${count})`
}

/** print_ms_timer. */
function timeLeft(ms: number): string {
  const minutes = Math.floor(ms / 60000)
  const seconds = Math.floor(ms / 1000) % 60
  const rest = minutes > 0 || seconds > 9 ? 0 : ms % 1000
  let text = minutes > 0 ? `${minutes}min` : ''
  if (seconds > 0 && minutes <= 9) text += `${seconds}${rest > 0 ? '.' : 'sec'}`
  return rest > 0 ? `${text}${String(rest).padStart(3, '0')}ms` : text
}

/** The number of the socket's inode; 0 if nobody holds it. */
export const inodeOf = ({ source }: SocketRow): number => (source instanceof Sock ? source.inode : 0)

export function sockDetails(host: Host, row: Row): string {
  if ('inode' in row) {
    const sock = [...host.unix.sockets].find((each) => each.inode === row.inode)
    return sock === undefined ? '' : `${arrows(sock.shutdownMask)}${row.state === TCP_LISTEN ? ' peers:' : ''}`
  }
  const { source } = row
  if (source === undefined) return ''
  const uid = 'uid' in source ? source.uid : 0
  const inode = inodeOf(row)
  return `${uid === 0 ? '' : ` uid:${uid}`} ino:${inode} sk:${(inode === 0 ? 1 : inode).toString(16)}${source instanceof Sock ? arrows(source.shutdownMask) : ''}`
}

const arrows = (mask: number): string =>
  ` ${(mask & RCV_SHUTDOWN) !== 0 ? '-' : '<'}-${(mask & SEND_SHUTDOWN) !== 0 ? '-' : '>'}`

/** Memory of the buffers, as SO_MEMINFO has it. What the stack has no equivalent of is 0. */
export function memory({ ...row }: Row): string {
  const source = 'source' in row ? row.source : undefined
  if (!(source instanceof Sock)) return ''
  const { rmemAlloc, rcvbuf, sndbuf, wmemQueued } = source
  return ` skmem:(r${rmemAlloc},rb${rcvbuf},t0,tb${sndbuf},f0,w${wmemQueued},o0,bl0,d0)`
}

/** What TCP knows of a connection; `withOptions` (-o or -e): also what was negotiated. */
export function tcpDetails({ source }: SocketRow, withOptions: boolean): string {
  if (!(source instanceof Tcb)) return ''
  const info = new TcpInfo()
  fillTcpInfo(source, info)
  const parts: string[] = []
  const has = (bit: number): boolean => (info.tcpi_options & bit) !== 0
  if (withOptions) {
    if (has(TCPI_OPT_TIMESTAMPS)) parts.push('ts')
    if (has(TCPI_OPT_SACK)) parts.push('sack')
    if (has(TCPI_OPT_ECN)) parts.push('ecn')
    if (has(TCPI_OPT_ECN_SEEN)) parts.push('ecnseen')
    if (has(TCPI_OPT_SYN_DATA)) parts.push('fastopen')
  }
  parts.push(source.ca.name)
  if (source.state === TCP_LISTEN) {
    parts.push(`cwnd:${info.tcpi_snd_cwnd}`)
    if (info.tcpi_unacked > 0) parts.push(`unacked:${info.tcpi_unacked}`)
    return ` ${parts.join(' ')}`
  }
  if (has(TCPI_OPT_WSCALE)) parts.push(`wscale:${info.tcpi_snd_wscale},${info.tcpi_rcv_wscale}`)
  parts.push(...times(info), ...volumes(info), ...bbr(source), ...rates(info), ...losses(info), ...limits(source))
  return ` ${parts.join(' ')}`
}

/** struct tcp_bbr_info: the rate in bits a second, the least RTT in milliseconds, gains. */
function bbr(t: Tcb): string[] {
  const bytes = t.ca.name === 'bbr' ? t.ca.info?.(t) : undefined
  if (bytes === undefined || bytes.length === 0) return []
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const word = (at: number): number => view.getUint32(at, true)
  const gain = (name: string, at: number): string => (word(at) === 0 ? '' : `,${name}:${general(word(at) / 256)}`)
  const bw = (word(4) * 2 ** 32 + word(0)) * 8
  return [`bbr:(bw:${bw}bps,mrtt:${general(word(8) / 1000)}${gain('pacing_gain', 12)}${gain('cwnd_gain', 16)})`]
}

/** What holds it up now, and for how long which cause did: ours, not iproute2's (the send buffer has `sndbuf_limited`). */
function limits(t: Tcb): string[] {
  const parts = [`limiter:${LIMITER_NAMES[limiterOf(t)]}`]
  for (const [limit, name] of LIMITER_NAMES.entries()) {
    const ms = limit === LIMIT_SEND_BUFFER ? 0 : limitedMs(t, limit)
    if (ms > 0) parts.push(`${name}:${ms}ms`)
  }
  return parts
}

/** `name:value` for each that is not 0. */
const counts = (pairs: readonly (readonly [string, number])[]): string[] =>
  pairs.filter(([, value]) => value !== 0).map(([name, value]) => `${name}:${value}`)

function times(info: TcpInfo): string[] {
  const parts: string[] = []
  if (info.tcpi_rto !== 0 && info.tcpi_rto !== 3000000) parts.push(`rto:${general(info.tcpi_rto / 1000)}`)
  parts.push(...counts([['backoff', info.tcpi_backoff]]))
  if (info.tcpi_rtt !== 0) parts.push(`rtt:${general(info.tcpi_rtt / 1000)}/${general(info.tcpi_rttvar / 1000)}`)
  if (info.tcpi_ato !== 0) parts.push(`ato:${general(info.tcpi_ato / 1000)}`)
  return parts
}

const volumes = (info: TcpInfo): string[] =>
  counts([
    ['mss', info.tcpi_snd_mss],
    ['pmtu', info.tcpi_pmtu],
    ['rcvmss', info.tcpi_rcv_mss],
    ['advmss', info.tcpi_advmss],
    ['cwnd', info.tcpi_snd_cwnd],
    ['ssthresh', info.tcpi_snd_ssthresh < 0xffff ? info.tcpi_snd_ssthresh : 0],
    ['bytes_sent', info.tcpi_bytes_sent],
    ['bytes_retrans', info.tcpi_bytes_retrans],
    ['bytes_acked', info.tcpi_bytes_acked],
    ['bytes_received', info.tcpi_bytes_received],
    ['segs_out', info.tcpi_segs_out],
    ['segs_in', info.tcpi_segs_in],
    ['data_segs_out', info.tcpi_data_segs_out],
    ['data_segs_in', info.tcpi_data_segs_in],
  ])

function rates(info: TcpInfo): string[] {
  const parts: string[] = []
  const { tcpi_rtt: rtt, tcpi_busy_time: busy } = info
  if (rtt > 0) parts.push(`send ${((info.tcpi_snd_cwnd * info.tcpi_snd_mss * 8e6) / rtt).toFixed(0)}bps`)
  parts.push(
    ...counts([
      ['lastsnd', info.tcpi_last_data_sent],
      ['lastrcv', info.tcpi_last_data_recv],
      ['lastack', info.tcpi_last_ack_recv],
    ]),
  )
  if (Number.isFinite(info.tcpi_pacing_rate)) parts.push(`pacing_rate ${info.tcpi_pacing_rate * 8}bps`)
  if (info.tcpi_delivery_rate !== 0) parts.push(`delivery_rate ${info.tcpi_delivery_rate * 8}bps`)
  parts.push(
    ...counts([
      ['delivered', info.tcpi_delivered],
      ['delivered_ce', info.tcpi_delivered_ce],
    ]),
  )
  if (info.tcpi_delivery_rate_app_limited !== 0) parts.push('app_limited')
  if (busy === 0) return parts
  const ms = (micros: number): string => `${Math.floor(micros / 1000)}ms`
  const share = (micros: number): string => `${ms(micros)}(${((100 * micros) / busy).toFixed(1)}%)`
  parts.push(`busy:${ms(busy)}`)
  if (info.tcpi_rwnd_limited !== 0) parts.push(`rwnd_limited:${share(info.tcpi_rwnd_limited)}`)
  if (info.tcpi_sndbuf_limited !== 0) parts.push(`sndbuf_limited:${share(info.tcpi_sndbuf_limited)}`)
  return parts
}

function losses(info: TcpInfo): string[] {
  const parts = counts([['unacked', info.tcpi_unacked]])
  if (info.tcpi_retrans !== 0 || info.tcpi_total_retrans !== 0)
    parts.push(`retrans:${info.tcpi_retrans}/${info.tcpi_total_retrans}`)
  parts.push(
    ...counts([
      ['lost', info.tcpi_lost],
      ['sacked', info.tcpi_sacked],
      ['dsack_dups', info.tcpi_dsack_dups],
      ['reordering', info.tcpi_reordering === 3 ? 0 : info.tcpi_reordering],
      ['reord_seen', info.tcpi_reord_seen],
    ]),
  )
  if (info.tcpi_rcv_rtt !== 0) parts.push(`rcv_rtt:${general(info.tcpi_rcv_rtt / 1000)}`)
  parts.push(
    ...counts([
      ['rcv_space', info.tcpi_rcv_space],
      ['rcv_ssthresh', info.tcpi_rcv_ssthresh],
      ['notsent', info.tcpi_notsent_bytes],
    ]),
  )
  if (info.tcpi_min_rtt !== 0 && info.tcpi_min_rtt < 0x7fffffff)
    parts.push(`minrtt:${general(info.tcpi_min_rtt / 1000)}`)
  parts.push(
    ...counts([
      ['rcv_ooopack', info.tcpi_rcv_ooopack],
      ['snd_wnd', info.tcpi_snd_wnd],
    ]),
  )
  return parts
}
