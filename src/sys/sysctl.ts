/**
 * Sysctls by Linux's names with Linux's defaults (Documentation/networking/ip-sysctl.rst), one set a host. Code reads
 * plain fields (`sysctl.tcp_syn_retries`); programs and tools use full names (`net.ipv4.tcp_syn_retries`).
 */
import { EINVAL, ENOENT } from './errno.ts'

/** A number, or several (`tcp_rmem`), or a word (`tcp_congestion_control`). */
export type SysctlValue = number | readonly number[] | string

export class Sysctls {
  // net.core
  /** Largest SO_RCVBUF and SO_SNDBUF a program may ask for, in bytes; what a socket gets by itself. */
  rmem_max = 212992
  wmem_max = 212992
  rmem_default = 212992
  wmem_default = 212992
  /** Upper bound of listen()'s backlog. */
  somaxconn = 4096
  /** Packets an interface queues for input before it drops. Linux: 1000; 8192 here, since a link in memory is never slower than its sender. */
  netdev_max_backlog = 8192
  /** Packets handled in one batch of input before others get their turn (NAPI weight). */
  netdev_budget = 64
  // net.unix
  /** Messages that wait in an AF_UNIX socket's queue before unconnected senders have to wait. */
  max_dgram_qlen = 10
  // net.ipv4
  ip_forward = 0
  ip_default_ttl = 64
  ip_no_pmtu_disc = 0
  /** Seconds a learned path MTU is believed, and its smallest value in bytes (net.ipv4.route). */
  mtu_expires = 600
  min_pmtu = 552
  ip_local_port_range: readonly number[] = [32768, 60999]
  ip_unprivileged_port_start = 1024
  /** Reassembly: bytes held at most, bytes down to which pruning goes, seconds a datagram may be incomplete. */
  ipfrag_high_thresh = 4194304
  ipfrag_low_thresh = 3145728
  ipfrag_time = 30
  ipfrag_max_dist = 64
  icmp_echo_ignore_all = 0
  icmp_echo_ignore_broadcasts = 1
  icmp_ratelimit = 1000
  icmp_ratemask = 6168
  icmp_msgs_per_sec = 1000
  icmp_msgs_burst = 50
  ping_group_range: readonly number[] = [1, 0]
  // net.ipv4.neigh.default
  base_reachable_time_ms = 30000
  retrans_time_ms = 1000
  gc_stale_time = 60
  delay_first_probe_time = 5
  ucast_solicit = 3
  mcast_solicit = 3
  app_solicit = 0
  unres_qlen_bytes = 212992
  gc_thresh1 = 128
  gc_thresh2 = 512
  gc_thresh3 = 1024
  // net.ipv4.udp
  udp_rmem_min = 4096
  udp_wmem_min = 4096
  // net.ipv4.tcp_*
  tcp_syn_retries = 6
  tcp_syn_linear_timeouts = 4
  tcp_synack_retries = 5
  tcp_retries1 = 3
  tcp_retries2 = 15
  tcp_orphan_retries = 0
  tcp_max_orphans = 65536
  tcp_fin_timeout = 60
  tcp_tw_reuse = 2
  tcp_tw_reuse_delay = 1000
  tcp_max_tw_buckets = 262144
  tcp_max_syn_backlog = 4096
  tcp_syncookies = 1
  tcp_abort_on_overflow = 0
  tcp_keepalive_time = 7200
  tcp_keepalive_intvl = 75
  tcp_keepalive_probes = 9
  tcp_timestamps = 1
  tcp_window_scaling = 1
  tcp_sack = 1
  tcp_dsack = 1
  tcp_ecn = 2
  tcp_ecn_fallback = 1
  tcp_ecn_option = 2
  tcp_ecn_option_beacon = 3
  tcp_reordering = 3
  tcp_max_reordering = 300
  tcp_recovery = 1
  tcp_early_retrans = 3
  tcp_frto = 2
  tcp_limit_output_bytes = 4194304
  tcp_min_tso_segs = 2
  tcp_tso_win_divisor = 3
  tcp_tso_rtt_log = 9
  tcp_pacing_ss_ratio = 200
  tcp_pacing_ca_ratio = 120
  tcp_slow_start_after_idle = 1
  tcp_no_metrics_save = 0
  tcp_moderate_rcvbuf = 1
  tcp_adv_win_scale = 1
  tcp_app_win = 31
  tcp_rfc1337 = 0
  tcp_stdurg = 0
  tcp_challenge_ack_limit = 0x7fffffff
  tcp_invalid_ratelimit = 500
  tcp_min_rtt_wlen = 300
  tcp_rto_min_us = 200000
  tcp_rto_max_ms = 120000
  tcp_thin_linear_timeouts = 0
  tcp_autocorking = 1
  tcp_notsent_lowat = 0xffffffff
  tcp_base_mss = 1024
  tcp_min_snd_mss = 48
  tcp_mtu_probing = 0
  tcp_mtu_probe_floor = 48
  tcp_fastopen = 1
  tcp_fastopen_key = '00000000-00000000-00000000-00000000'
  tcp_fastopen_blackhole_timeout_sec = 0
  tcp_comp_sack_delay_ns = 1000000
  tcp_comp_sack_slack_ns = 100000
  tcp_comp_sack_nr = 44
  tcp_shrink_window = 0
  tcp_workaround_signed_windows = 0
  tcp_congestion_control = 'cubic'
  tcp_rmem: readonly number[] = [4096, 131072, 6291456]
  tcp_wmem: readonly number[] = [4096, 16384, 4194304]
  // net.ipv4.conf.all
  accept_redirects = 1
  send_redirects = 1
  accept_source_route = 0
  arp_ignore = 0
  arp_announce = 0
  arp_notify = 0
  rp_filter = 0

  /** The field behind a full name (`net.ipv4.tcp_rmem`, `net/ipv4/tcp_rmem`), or undefined. */
  static field(name: string): string | undefined {
    const parts = name.replaceAll('/', '.').split('.')
    const last = parts[parts.length - 1] ?? ''
    if (parts[0] !== 'net' || (parts[1] !== 'core' && parts[1] !== 'ipv4' && parts[1] !== 'unix')) return undefined
    return last
  }

  /** Reads a sysctl by its full name: its value, or -ENOENT. */
  get(name: string): SysctlValue | typeof NO_SUCH_SYSCTL {
    const field = Sysctls.field(name)
    const value = field === undefined || !Object.hasOwn(this, field) ? undefined : this[field as keyof this]
    return value === undefined ? NO_SUCH_SYSCTL : (value as SysctlValue)
  }

  /** Writes a sysctl by its full name, from a value or its text; 0, -ENOENT or -EINVAL. */
  set(name: string, value: SysctlValue): number {
    const old = this.get(name)
    if (old === NO_SUCH_SYSCTL) return -ENOENT
    const parsed = parseLike(old, value)
    if (parsed === undefined) return -EINVAL
    Object.assign(this, { [Sysctls.field(name) as string]: parsed })
    return 0
  }
}

/** What `get` gives for a name that does not exist. */
export const NO_SUCH_SYSCTL: unique symbol = Symbol('no such sysctl')

/** `value` in the shape of `old` (number, list of the same length, word), or undefined. */
function parseLike(old: SysctlValue, value: SysctlValue): SysctlValue | undefined {
  if (typeof old === 'string') return typeof value === 'string' && value !== '' ? value : undefined
  const list =
    typeof value === 'object' ? value : typeof value === 'number' ? [value] : value.trim().split(/\s+/).map(Number)
  if (list.length === 0 || list.some((n) => !Number.isInteger(n))) return undefined
  if (typeof old === 'number') return list.length === 1 ? list[0] : undefined
  return list.length === old.length ? list : undefined
}
