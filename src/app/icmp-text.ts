/** ICMP errors in the words of ping (pr_icmph of iputils). */
import * as ip4 from '../addr/ip4.ts'
import * as icmp from '../wire/icmpv4.ts'

const UNREACHABLE: readonly string[] = [
  'Destination Net Unreachable',
  'Destination Host Unreachable',
  'Destination Protocol Unreachable',
  'Destination Port Unreachable',
  'Frag needed and DF set',
  'Source Route Failed',
  'Destination Net Unknown',
  'Destination Host Unknown',
  'Source Host Isolated',
  'Destination Net Prohibited',
  'Destination Host Prohibited',
  'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service',
  'Packet filtered',
  'Precedence Violation',
  'Precedence Cutoff',
]
const REDIRECTS: readonly string[] = [
  'Redirect Network',
  'Redirect Host',
  'Redirect Type of Service and Network',
  'Redirect Type of Service and Host',
]

/** What the ICMP error at `o` says. */
export function icmpErrorText(b: Uint8Array, o: number): string {
  const code = icmp.code(b, o)
  switch (icmp.type(b, o)) {
    case icmp.UNREACHABLE:
      if (code === icmp.FRAGMENTATION_NEEDED) return `${UNREACHABLE[code] as string} (mtu = ${icmp.mtu(b, o)})`
      return UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${code}`
    case icmp.SOURCE_QUENCH:
      return 'Source Quench'
    case icmp.REDIRECT:
      return `${REDIRECTS[code] ?? `Redirect, Bad Code: ${code}`}(New nexthop: ${ip4.format(icmp.gateway(b, o))})`
    case icmp.TIME_EXCEEDED:
      if (code === icmp.TTL_EXCEEDED) return 'Time to live exceeded'
      return code === icmp.REASSEMBLY_EXCEEDED ? 'Frag reassembly time exceeded' : `Time exceeded, Bad Code: ${code}`
    case icmp.PARAMETER_PROBLEM:
      return `Parameter problem: pointer = ${icmp.pointer(b, o)}`
    default:
      return `Bad ICMP type: ${icmp.type(b, o)}`
  }
}
