/** Interfaces as `netstat -i` prints them, and as `netstat -ie` and ifconfig(8) do. */
import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import type { Host } from '../host/host.ts'
import {
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_POINTOPOINT,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
} from '../stack/device.ts'
import type { Interface } from '../stack/interface.ts'
import { left, right } from './tool.ts'

/** net-tools sorts by name; those that are down are shown only if asked for. */
function shown(host: Host, all: boolean): Interface[] {
  const list = host.stack.interfaces.filter((i) => all || i.up)
  return list.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export function interfaceTable(host: Host, all: boolean): string {
  let text = 'Kernel Interface table\n'
  text += 'Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n'
  for (const at of shown(host, all)) {
    const { stats } = at
    text += `${left(at.name, 14)} ${right(at.mtu, 6)} `
    text += `${right(stats.rx_packets, 8)} ${right(stats.rx_errors, 6)} ${right(stats.rx_dropped, 6)} ${left(0, 6)} `
    text += `${right(stats.tx_packets, 8)} ${right(stats.tx_errors, 6)} ${right(stats.tx_dropped, 6)} ${right(0, 6)} `
    text += `${letters(at.flags)}\n`
  }
  return text
}

function letters(flags: number): string {
  let text = ''
  if ((flags & IFF_BROADCAST) !== 0) text += 'B'
  if ((flags & IFF_LOOPBACK) !== 0) text += 'L'
  if ((flags & IFF_MULTICAST) !== 0) text += 'M'
  if ((flags & IFF_PROMISC) !== 0) text += 'P'
  if ((flags & IFF_POINTOPOINT) !== 0) text += 'P'
  if ((flags & IFF_RUNNING) !== 0) text += 'R'
  return (flags & IFF_UP) !== 0 ? `${text}U` : text
}

/** In the order of net-tools' lib/interface.c. */
const NAMES: readonly (readonly [number, string])[] = [
  [IFF_UP, 'UP'],
  [IFF_BROADCAST, 'BROADCAST'],
  [IFF_LOOPBACK, 'LOOPBACK'],
  [IFF_POINTOPOINT, 'POINTOPOINT'],
  [IFF_RUNNING, 'RUNNING'],
  [IFF_PROMISC, 'PROMISC'],
  [IFF_MULTICAST, 'MULTICAST'],
]

export function interfaceDetails(host: Host, all: boolean): string {
  return `Kernel Interface table\n${shown(host, all).map(details).join('')}`
}

const INDENT = ' '.repeat(8)

function details(at: Interface): string {
  const { stats } = at
  const flags = at.flags & ~IFF_LOWER_UP
  const names = NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
  const lines = [`${at.name}: flags=${flags}<${names.join(',')}>  mtu ${at.mtu}`]
  const [first] = at.addresses
  if (first !== undefined) {
    const broadcast = at.isLoopback ? '' : `  broadcast ${ip4.format(first.broadcast)}`
    lines.push(`${INDENT}inet ${ip4.format(first.address)}  netmask ${ip4.format(ip4.mask(first.prefix))}${broadcast}`)
  }
  if (at.isLoopback) lines.push(`${INDENT}loop  txqueuelen 1000  (Local Loopback)`)
  else if (at.usesArp) lines.push(`${INDENT}ether ${mac.format(at.mac)}  txqueuelen 1000  (Ethernet)`)
  else lines.push(`${INDENT}unspec 00-00-00-00-00-00-00-00-00-00-00-00-00-00-00-00  txqueuelen 500  (UNSPEC)`)
  const { rx_bytes, tx_bytes } = stats
  lines.push(`${INDENT}RX packets ${stats.rx_packets}  bytes ${rx_bytes} (${human(rx_bytes)})`)
  lines.push(
    `${INDENT}RX errors ${stats.rx_errors}  dropped ${stats.rx_dropped}  overruns 0  frame ${stats.rx_length_errors}`,
  )
  lines.push(`${INDENT}TX packets ${stats.tx_packets}  bytes ${tx_bytes} (${human(tx_bytes)})`)
  lines.push(`${INDENT}TX errors ${stats.tx_errors}  dropped ${stats.tx_dropped} overruns 0  carrier 0  collisions 0`)
  return `${lines.join('\n')}\n\n`
}

/** 1124 as `1.0 KiB`: cut, not rounded. */
function human(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = bytes
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${(Math.floor(value * 10) / 10).toFixed(1)} ${units[unit] as string}`
}
