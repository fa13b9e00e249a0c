/** The table of routes as `netstat -r` and `route` of net-tools print it. */
import * as ip4 from '../addr/ip4.ts'
import type { Host } from '../host/host.ts'
import { byPlace, RT_TABLE_MAIN } from '../stack/route.ts'
import { left, right } from './tool.ts'

/** With the MSS columns, as `netstat -r`, or with the metrics, as `netstat -re` and `route`. */
export function routeTable(host: Host, columns: 'mss' | 'metrics'): string {
  const title = columns === 'mss' ? 'Flags   MSS Window  irtt Iface' : 'Flags Metric Ref    Use Iface'
  const lines = ['Kernel IP routing table', `Destination     Gateway         Genmask         ${title}`]
  for (const route of host.stack.routes.list(RT_TABLE_MAIN).sort(byPlace)) {
    const { destination, prefix, gateway, metric, interface: at } = route
    const flags = `U${gateway === 0 ? '' : 'G'}${prefix === 32 ? 'H' : ''}`
    const start = `${left(ip4.format(destination), 15)} ${left(ip4.format(gateway), 15)} ${left(ip4.format(ip4.mask(prefix)), 15)} `
    const device = at?.name ?? '*'
    lines.push(
      columns === 'mss'
        ? `${start}${left(flags, 6)}${right(0, 5)} ${left(0, 5)} ${right(0, 6)} ${device}`
        : `${start}${left(flags, 5)} ${left(metric, 6)} ${left(0, 2)} ${right(0, 7)} ${device}`,
    )
  }
  return `${lines.join('\n')}\n`
}
