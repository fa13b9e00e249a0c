/**
 * Sysctls that are kept and read back with Linux's defaults and bounds, but ask for what this stack has no such thing of: several
 * processors, early demultiplexing, IPsec, memory pressure, multipath. A program that writes them goes on as on Linux.
 */

export const INT_MAX = 0x7fffffff

/** Name: default, least, largest; without bounds any int. A text has none. */
type Kept = Readonly<
  Record<string, readonly [initial: number | string | readonly number[], least?: number, largest?: number]>
>

/** By directory. */
export const KEPT_SYSCTLS: Readonly<Record<string, Kept>> = {
  'net/core': {
    busy_poll: [0, 0, INT_MAX],
    busy_read: [0, 0, INT_MAX],
    dev_weight: [64, 1, INT_MAX],
    dev_weight_rx_bias: [1, 1, INT_MAX],
    dev_weight_tx_bias: [1, 1, INT_MAX],
    flow_limit_table_len: [4096],
    gro_normal_batch: [8, 1, INT_MAX],
    high_order_alloc_disable: [0],
    max_skb_frags: [17, 1, 17],
    message_burst: [10],
    message_cost: [5],
    netdev_budget_usecs: [8000, 0, INT_MAX],
    netdev_tstamp_prequeue: [1],
    netdev_unregister_timeout_secs: [10, 1, 3600],
    skb_defer_max: [64, 0, INT_MAX],
    tstamp_allow_data: [1, 0, 1],
    txrehash: [1, 0, 1],
    warnings: [0],
  },
  'net/ipv4': {
    fib_multipath_hash_fields: [7, 1, 4095],
    fib_multipath_hash_policy: [0, 0, 3],
    fib_multipath_use_neigh: [0, 0, 1],
    fib_notify_on_flag_change: [0, 0, 2],
    fwmark_reflect: [0, 0, 255],
    icmp_echo_enable_probe: [0, 0, 1],
    icmp_errors_use_inbound_ifaddr: [0, 0, 1],
    icmp_ignore_bogus_error_responses: [1, 0, 1],
    igmp_link_local_mcast_reports: [1, 0, 255],
    igmp_qrv: [2, 1, INT_MAX],
    inet_peer_maxttl: [600],
    inet_peer_minttl: [120],
    inet_peer_threshold: [65664],
    ip_autobind_reuse: [0, 0, 1],
    ip_dynaddr: [0, 0, 255],
    ip_early_demux: [1, 0, 255],
    ip_forward_update_priority: [1, 0, 1],
    ip_forward_use_pmtu: [0, 0, 255],
    ipfrag_secret_interval: [0],
    nexthop_compat_mode: [1, 0, 1],
    tcp_backlog_ack_defer: [1, 0, 1],
    tcp_child_ehash_entries: [0, 0, 16777216],
    tcp_early_demux: [1, 0, 255],
    tcp_fack: [0, 0, 255],
    tcp_fwmark_accept: [0, 0, 255],
    tcp_low_latency: [0, 0, INT_MAX],
    tcp_migrate_req: [0, 0, 1],
    tcp_no_ssthresh_metrics_save: [1, 0, 1],
    tcp_plb_cong_thresh: [128, 0, 256],
    tcp_plb_enabled: [0, 0, 1],
    tcp_plb_idle_rehash_rounds: [3, 0, 31],
    tcp_plb_rehash_rounds: [12, 0, 31],
    tcp_plb_suspend_rto_sec: [60, 0, 255],
    tcp_reflect_tos: [0, 0, 1],
    udp_child_hash_entries: [0, 0, 65536],
    udp_early_demux: [1, 0, 255],
  },
  'net/ipv4/route': {
    error_burst: [5000],
    error_cost: [1000],
    gc_elasticity: [8],
    gc_timeout: [300],
    max_size: [INT_MAX],
    min_adv_mss: [256],
    redirect_load: [20],
    redirect_number: [9],
    redirect_silence: [20480],
  },
  'net/ipv4/conf/all': {
    accept_local: [0],
    arp_accept: [0],
    arp_evict_nocarrier: [1],
    arp_filter: [0],
    bc_forwarding: [0],
    bootp_relay: [0],
    disable_policy: [0],
    disable_xfrm: [0],
    drop_gratuitous_arp: [0],
    drop_unicast_in_l2_multicast: [0],
    force_igmp_version: [0],
    igmpv2_unsolicited_report_interval: [10000],
    igmpv3_unsolicited_report_interval: [1000],
    ignore_routes_with_linkdown: [0],
    log_martians: [0],
    medium_id: [0],
    promote_secondaries: [0],
    proxy_arp: [0],
    proxy_arp_pvlan: [0],
    route_localnet: [0],
    secure_redirects: [1],
    shared_media: [1],
    src_valid_mark: [0],
    tag: [0],
  },
  'net/ipv4/neigh/default': {
    anycast_delay: [100],
    interval_probe_time_ms: [5000, 1, INT_MAX],
    locktime: [100],
    mcast_resolicit: [0, 0, INT_MAX],
    proxy_delay: [80],
    proxy_qlen: [64, 0, INT_MAX],
  },
}

/** Default values by name, for a new host. */
export function keptDefaults(): Record<string, number | string | readonly number[]> {
  const entries = Object.values(KEPT_SYSCTLS).flatMap((kept) => Object.entries(kept))
  return Object.fromEntries(entries.map(([name, [initial]]) => [name, initial]))
}

/** Bounds of a kept sysctl, or undefined if it is none. */
export function keptBounds(name: string): readonly [least: number, largest: number] | undefined {
  for (const kept of Object.values(KEPT_SYSCTLS)) {
    const row = Object.hasOwn(kept, name) ? kept[name] : undefined
    if (row !== undefined) return [row[1] ?? -0x80000000, row[2] ?? INT_MAX]
  }
  return undefined
}
