/** What a host did, as text: interfaces as `ip -s link` has them, counters as `nstat` has them, faults put in. */
import * as mac from '../addr/mac.ts'
import type { Host } from '../host/host.ts'
import type { ImpairedLink } from '../link/impair.ts'
import type { ImpairStats } from '../link/impairment.ts'
import type { Tap } from '../platform/tap.ts'
import { table } from './terminal.ts'

const INDENT = '    '

export function statistics(host: Host, taps: readonly Tap[], impaired: readonly ImpairedLink[]): string {
  const lines: string[] = []
  for (const { name, mac: address, mtu, stats } of host.stack.interfaces) {
    if (name === 'lo') continue
    lines.push(`${name}: ${mac.format(address)} mtu ${mtu}`)
    const rows = [
      ['', 'bytes', 'packets', 'errors', 'dropped'],
      ['RX:', stats.rx_bytes, stats.rx_packets, stats.rx_errors, stats.rx_dropped].map(String),
      ['TX:', stats.tx_bytes, stats.tx_packets, stats.tx_errors, stats.tx_dropped].map(String),
    ]
    for (const row of table(rows)) lines.push(INDENT + row)
    const device = taps.find((tap) => tap.name === name)?.counters
    if (device !== undefined) pushCounts(lines, 'device', Object.entries(device))
  }
  for (const link of impaired) {
    pushCounts(lines, 'impair out', faults(link.stats.egress))
    pushCounts(lines, 'impair in', faults(link.stats.ingress))
  }
  for (const [name, value] of host.counters.nonZero()) lines.push(`${name} ${value}`)
  return `${lines.join('\n')}\n`
}

const faults = (stats: ImpairStats): [string, number][] => Object.entries(stats) as [string, number][]

/** One line of the counts that are not zero, if there are any. */
function pushCounts(lines: string[], title: string, counts: readonly (readonly [string, number])[]): void {
  const text = counts.filter(([, value]) => value !== 0).map(([name, value]) => `${name} ${value}`)
  if (text.length > 0) lines.push(`${INDENT}${title}: ${text.join(', ')}`)
}
