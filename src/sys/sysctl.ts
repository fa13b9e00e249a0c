/**
 * Sysctls by Linux's names with Linux's defaults (Documentation/networking/ip-sysctl.rst), one set a host. Code reads
 * plain fields (`sysctl.tcp_syn_retries`); programs and tools use full names (`net.ipv4.tcp_syn_retries`).
 */
import { EINVAL, ENOENT } from './errno.ts'
import { keptDefaults } from './sysctl-kept.ts'
import { boundsOf, SYSCTL_DIRECTORIES } from './sysctl-table.ts'
import { normalizeKey, normalizePorts, parseNumbers } from './sysctl-text.ts'

/** Which of the directories of interfaces has the one set there is. */
const INTERFACES: Readonly<Record<string, string>> = { conf: 'conf/all', neigh: 'neigh/default' }

/** A number, or several (`tcp_rmem`), or a word (`tcp_congestion_control`). */
export type SysctlValue = number | readonly number[] | string

export class Sysctls {
  // fs
  /** Open file descriptions of the host at most (only root may have more), and the largest RLIMIT_NOFILE. */
  file_max = 1048576
  nr_open = 1048576
  // kernel
  /** Process ids are below it. */
  pid_max = 32768
  // net.core
  /** Largest SO_RCVBUF and SO_SNDBUF a program may ask for, in bytes; what a socket gets by itself. */
  rmem_max = 4194304
  wmem_max = 4194304
  rmem_default = 212992
  wmem_default = 212992
  /** Bytes of control messages in one send call, and of notifications of MSG_ZEROCOPY that a socket has not read yet. */
  optmem_max = 131072
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
  /** Ports that are never chosen for a program: `8080,9148-9150`. */
  ip_local_reserved_ports = ''
  /** Any address may be bound. */
  ip_nonlocal_bind = 0
  /** Groups a socket may be a member of, and sources of one membership. */
  igmp_max_memberships = 20
  igmp_max_msf = 10
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
  /** Seconds until a finished search begins anew; bytes that are worth a probe. */
  tcp_probe_interval = 600
  tcp_probe_threshold = 8
  tcp_fastopen = 1
  tcp_fastopen_key = '00000000-00000000-00000000-00000000'
  tcp_fastopen_blackhole_timeout_sec = 0
  tcp_comp_sack_delay_ns = 1000000
  tcp_comp_sack_slack_ns = 100000
  tcp_comp_sack_nr = 44
  /** Replies at once, one after another, that make a connection interactive: its ACKs wait for the next. */
  tcp_pingpong_thresh = 1
  /** Small segments are merged when they go again. */
  tcp_retrans_collapse = 1
  tcp_shrink_window = 0
  tcp_workaround_signed_windows = 0
  tcp_congestion_control = 'cubic'
  tcp_available_congestion_control = 'cubic reno'
  tcp_rmem: readonly number[] = [4096, 131072, 6291456]
  tcp_wmem: readonly number[] = [4096, 16384, 4194304]
  /** Pages: as of a machine with 8 GiB. */
  tcp_mem: readonly number[] = [98304, 131072, 196608]
  // net.ipv4.conf.all
  accept_redirects = 1
  send_redirects = 1
  accept_source_route = 0
  arp_ignore = 0
  arp_announce = 0
  arp_notify = 0
  rp_filter = 0

  constructor() {
    Object.assign(this, keptDefaults())
  }

  /** The field behind a full name (`net.ipv4.tcp_rmem`, `net/ipv4/tcp_rmem`), or undefined. */
  static field(name: string): string | undefined {
    const path = name.replaceAll('.', '/')
    const last = path.slice(path.lastIndexOf('/') + 1)
    // One set for all interfaces.
    const directory = path
      .slice(0, -last.length - 1)
      .replace(/(conf|neigh)\/[^/]+$/, (_, kind) => INTERFACES[kind] ?? '')
    return SYSCTL_DIRECTORIES[directory]?.includes(last) ? last.replace('-', '_') : undefined
  }

  /** Reads a sysctl by its full name: its value, or -ENOENT. */
  get(name: string): SysctlValue | typeof NO_SUCH_SYSCTL {
    const field = Sysctls.field(name)
    const value = field === undefined || !Object.hasOwn(this, field) ? undefined : this[field as keyof this]
    return value === undefined ? NO_SUCH_SYSCTL : (value as SysctlValue)
  }

  /** Writes a sysctl by its full name, from a value or its text; 0, -ENOENT or -EINVAL. */
  set(name: string, value: SysctlValue): number {
    return Math.min(this.write(name, typeof value === 'object' ? value.join(' ') : String(value)), 0)
  }

  /** As write(2) on its file in /proc/sys: how much of `text` was used, -ENOENT or -EINVAL. */
  write(name: string, text: string): number {
    const old = this.get(name)
    if (old === NO_SUCH_SYSCTL) return -ENOENT
    if (text === '') return 0
    const field = Sysctls.field(name) as string
    return typeof old === 'string' ? this.#writeWord(field, text) : this.#writeNumbers(field, old, text)
  }

  #writeWord(field: string, text: string): number {
    const word = text.split('\n', 1)[0] as string
    const isController = field === 'tcp_congestion_control'
    if (isController && !this.tcp_available_congestion_control.split(' ').includes(word)) return -ENOENT
    const isPorts = field === 'ip_local_reserved_ports'
    const value = isPorts ? normalizePorts(word) : field === 'tcp_fastopen_key' ? normalizeKey(word) : word
    if (value === undefined) return -EINVAL
    Object.assign(this, { [field]: value })
    return text.length
  }

  #writeNumbers(field: string, old: number | readonly number[], text: string): number {
    const [least, largest] = boundsOf(field)
    const count = typeof old === 'number' ? 1 : old.length
    const isRange = field === 'ip_local_port_range' || field === 'ping_group_range'
    const { values, consumed, error } = parseNumbers(text, count, isRange ? 0 : least, largest)
    if (isRange) {
      const result = error < 0 ? error : this.#writeRange(field, [...values, ...(old as number[]).slice(values.length)])
      return result < 0 ? result : consumed
    }
    // What could be read counts, an error behind it or not.
    if (field === 'ip_unprivileged_port_start' && (values[0] ?? 0) > (this.ip_local_port_range[0] as number))
      return -EINVAL
    const value = typeof old === 'number' ? values[0] : [...values, ...old.slice(values.length)]
    if (value !== undefined) Object.assign(this, { [field]: value })
    if (error < 0) return error
    // Those of one byte take any text behind the number (proc_dou8vec_minmax).
    return least >= 0 && largest <= 0xff ? text.length : consumed
  }

  /** A range that is none is an error for ports; for groups it means nobody. */
  #writeRange(field: string, [low = 0, high = 0]: readonly number[]): number {
    if (field === 'ping_group_range') this.ping_group_range = low <= high ? [low, high] : [1, 0]
    else if (low < this.ip_unprivileged_port_start || high > 0xffff || low > high) return -EINVAL
    else this.ip_local_port_range = [low, high]
    return 0
  }
}

/** What `get` gives for a name that does not exist. */
export const NO_SUCH_SYSCTL: unique symbol = Symbol('no such sysctl')
