/** /proc/net/dev, arp, route, igmp, snmp, netstat: devices, tables and counters of a host in the kernel's columns (proc(5)). */

import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import { NUD_FAILED, NUD_INCOMPLETE, NUD_NOARP, NUD_NONE, NUD_PERMANENT } from '../stack/neighbor.ts'
import { byPlace, RT_TABLE_MAIN, RTN_PROHIBIT, RTN_UNREACHABLE } from '../stack/route.ts'
import type { Counters } from '../sys/counters.ts'
import type { Host } from './host.ts'
import { ATF_COM, ATF_PERM } from './ifreq.ts'
import { hexAddress } from './proc-sockets.ts'
import { RTF_GATEWAY, RTF_HOST, RTF_REJECT, RTF_UP } from './rtentry.ts'

/** Width that the kernel pads lines of /proc/net/route to, the newline not counted. */
const ROUTE_WIDTH = 127
const DEV_HEADER = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`
const DEV_WIDTHS: readonly number[] = [7, 7, 4, 4, 4, 5, 10, 9, 8, 7, 4, 4, 4, 5, 7, 10]
const ARP_HEADER = 'IP address       HW type     Flags       HW address            Mask     Device\n'
const ALL_ONES = -1

/** /proc/net/dev (dev_seq_printf_stats). */
export function procDev(host: Host): string {
  let text = DEV_HEADER
  for (const { name, stats } of host.stack.interfaces) {
    const { rx_bytes, rx_packets, rx_errors, rx_dropped, rx_length_errors, multicast } = stats
    const received = [rx_bytes, rx_packets, rx_errors, rx_dropped, 0, rx_length_errors, 0, multicast]
    const sent = [stats.tx_bytes, stats.tx_packets, stats.tx_errors, stats.tx_dropped, 0, 0, 0, 0]
    const columns = [...received, ...sent].map((n, i) => String(n).padStart(DEV_WIDTHS[i] as number))
    text += `${name.padStart(6)}: ${columns.join(' ')}\n`
  }
  return text
}

/** /proc/net/arp (arp_format_neigh_entry). */
export function procArp(host: Host): string {
  let text = ARP_HEADER
  for (const { neighbors, name, usesArp } of host.stack.interfaces) {
    for (const { address, state, mac: hardware } of usesArp ? neighbors.values() : []) {
      if (state === NUD_NOARP) continue
      const isUsable = (state & (NUD_INCOMPLETE | NUD_FAILED)) === 0 && state !== NUD_NONE
      const flags = state === NUD_PERMANENT ? ATF_PERM | ATF_COM : isUsable ? ATF_COM : 0
      const shown = isUsable ? hardware : mac.zero()
      text += `${ip4.format(address).padEnd(16)} 0x${'1'.padEnd(10)}0x${flags.toString(16).padEnd(10)}`
      text += `${mac.format(shown).padEnd(17)}     *        ${name}\n`
    }
  }
  return text
}

/** /proc/net/route: the main table (fib_route_seq_show). */
export function procRoute(host: Host): string {
  const line = (text: string): string => `${text.padEnd(ROUTE_WIDTH)}\n`
  let text = line('Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT')
  for (const route of host.stack.routes.list(RT_TABLE_MAIN).sort(byPlace)) {
    const { destination, gateway, prefix, metric, type, metrics } = route
    const mask = ip4.mask(prefix)
    const isReject = type === RTN_UNREACHABLE || type === RTN_PROHIBIT
    const flags =
      RTF_UP | (gateway === 0 ? 0 : RTF_GATEWAY) | (mask === ALL_ONES ? RTF_HOST : 0) | (isReject ? RTF_REJECT : 0)
    const mtu = metrics?.advmss === undefined ? 0 : metrics.advmss + 40
    const place = `${route.interface?.name ?? '*'}\t${hexAddress(destination)}\t${hexAddress(gateway)}`
    const shownFlags = flags.toString(16).toUpperCase().padStart(4, '0')
    text += line(`${place}\t${shownFlags}\t0\t0\t${metric}\t${hexAddress(mask)}\t${mtu}\t0\t0`)
  }
  return text
}

/** /proc/net/igmp: groups joined, the newest first (igmp_mc_seq_show). */
export function procIgmp(host: Host): string {
  let text = 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n'
  for (const { index, name, groups } of host.stack.interfaces) {
    const rows = [...groups].reverse()
    if (!groups.has(ip4.ALL_HOSTS)) rows.push([ip4.ALL_HOSTS, 1])
    text += `${index}\t${name.padEnd(10)}: ${String(rows.length).padStart(5)} ${'V3'.padStart(7)}\n`
    for (const [group, users] of rows) {
      text += `\t\t\t\t${hexAddress(group)} ${String(users).padStart(5)} 0:00000000\t\t0\n`
    }
  }
  return text
}

/** Two lines of one group: its names and its values. */
function group(name: string, names: readonly string[], values: readonly number[]): string {
  return `${name}: ${names.join(' ')}\n${name}: ${values.join(' ')}\n`
}

/** The counters of one group, in order. */
function groupOf(counters: Counters, name: string): [names: string[], values: number[]] {
  const isOf = (field: string): boolean => field.startsWith(name) && !field.startsWith(`${name}Ext`)
  const found = (Object.entries(counters) as [string, number][]).filter(([field]) => isOf(field))
  return [found.map(([field]) => field.slice(name.length)), found.map(([, value]) => value)]
}

/** ICMP's types by the names of their counters, ascending. */
const ICMP_TYPES: readonly (readonly [name: string, type: number])[] = [
  ['EchoReps', 0],
  ['DestUnreachs', 3],
  ['SrcQuenchs', 4],
  ['Redirects', 5],
  ['Echos', 8],
  ['TimeExcds', 11],
  ['ParmProbs', 12],
  ['Timestamps', 13],
  ['TimestampReps', 14],
  ['AddrMasks', 17],
  ['AddrMaskReps', 18],
]

/** The line of messages by type, without those that never came (icmpmsg_put). */
function icmpMessages(counters: Counters): string {
  const values = counters as unknown as Readonly<Record<string, number>>
  const seen: [string, number][] = []
  for (const way of ['In', 'Out']) {
    for (const [name, type] of ICMP_TYPES) {
      const count = values[`Icmp${way}${name}`] ?? 0
      if (count !== 0) seen.push([`${way}Type${type}`, count])
    }
  }
  if (seen.length === 0) return ''
  const counts = seen.map(([, count]) => count)
  return group(
    'IcmpMsg',
    seen.map(([name]) => name),
    counts,
  )
}

/** What the kernel has in front of TCP's counters: RtoAlgorithm (1: other), RtoMin, RtoMax, MaxConn. */
const TCP_CONSTANTS = ['RtoAlgorithm', 'RtoMin', 'RtoMax', 'MaxConn']

/** /proc/net/snmp (snmp_seq_show). */
export function procSnmp(host: Host): string {
  const { counters, sysctl } = host
  const [ipNames, ipValues] = groupOf(counters, 'Ip')
  ipValues[0] = sysctl.ip_forward === 0 ? 2 : 1
  ipValues[1] = sysctl.ip_default_ttl
  const [tcpNames, tcpValues] = groupOf(counters, 'Tcp')
  const [udpNames, udpValues] = groupOf(counters, 'Udp')
  const nothing = udpNames.map(() => 0)
  return (
    group('Ip', ipNames, ipValues) +
    group('Icmp', ...groupOf(counters, 'Icmp')) +
    icmpMessages(counters) +
    group('Tcp', [...TCP_CONSTANTS, ...tcpNames], [1, 200, 120000, -1, ...tcpValues]) +
    group('Udp', udpNames, udpValues) +
    group('UdpLite', udpNames, nothing)
  )
}

/** /proc/net/netstat (netstat_seq_show). */
export function procNetstat({ counters }: Host): string {
  return group('TcpExt', ...groupOf(counters, 'TcpExt')) + group('IpExt', ...groupOf(counters, 'IpExt'))
}

/** /proc/net/ptype: who gets packets of which EtherType (ptype_seq_show). */
export const PTYPE_TEXT = 'Type Device      Function\n0800          ip_rcv\n0806          arp_rcv\n'
