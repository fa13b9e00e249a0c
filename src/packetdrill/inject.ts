/** Inbound packets: script numbers to live ones, and into the device. */
import { IPPROTO_TCP, IPPROTO_UDP } from '../ip/transport.ts'
import * as icmp from '../wire/icmpv4.ts'
import { ACK, SYN } from '../wire/tcp.ts'
import type { Flow } from './flow.ts'
import type { Host } from './host.ts'
import { icmpCode, icmpType } from './icmp-names.ts'
import type { IcmpPacket, ScriptPacket, TcpPacket } from './script.ts'
import { buildIcmp, buildTcp, buildUdp, type Endpoints, optionBytes, quotePacket } from './wire-packet.ts'

export interface InjectOptions {
  /** --mss: segments of a GRO packet. */
  readonly mss: number
  /** --tcp_ts_ecr_scaled. */
  readonly isScaled: boolean
  /** The packet opens this flow. */
  readonly isNew: boolean
}

/** Where an inbound packet comes from and goes to. */
function endpoints(world: Host, flow: Flow): Endpoints {
  return {
    source: world.remote,
    destination: world.local,
    sourcePort: flow.remotePort,
    destinationPort: Math.max(flow.localPort, 0),
  }
}

/** Injects the packet; what is wrong with the line, or null. */
export function injectPacket(world: Host, flow: Flow, packet: ScriptPacket, options: InjectOptions): string | null {
  if (packet.kind === 'tcp') return injectTcp(world, flow, packet, options)
  const at = endpoints(world, flow)
  if (packet.kind === 'udp') world.inject(buildUdp(at, packet.length, packet.ip), packet.length, 0)
  else injectIcmp(world, flow, packet)
  return null
}

function injectTcp(world: Host, flow: Flow, p: TcpPacket, options: InjectOptions): string | null {
  const isSyn = (p.flags & SYN) !== 0
  if (options.isNew || (isSyn && !flow.isPassive)) flow.remoteIsn = p.seq | 0
  const hasAck = (p.flags & ACK) !== 0
  let problem: string | null = null
  const bytes = optionBytes(p.options ?? [], {
    sack: (v) => (v + flow.localOffset(isSyn)) | 0,
    val: (v) => v | 0,
    ecr(v): number {
      if (!hasAck) return v | 0
      const live = flow.values.get(v >>> 0)
      if (live !== undefined) return live
      if (options.isScaled) return (v - flow.scriptTs + flow.liveTs) | 0
      problem = `unknown ecr ${v}: no outbound packet had this TS val`
      return 0
    },
  })
  if (problem !== null) return problem
  if (bytes.length % 4 !== 0 || bytes.length > 40) return `TCP options of ${bytes.length} bytes`
  const fields = {
    flags: p.flags,
    seq: (p.seq + flow.remoteOffset(isSyn)) | 0,
    ack: hasAck ? (Math.max(p.ack, 0) + flow.localOffset(isSyn)) | 0 : Math.max(p.ack, 0),
    window: p.window,
    urgent: p.urgent,
    options: bytes,
    length: p.length,
  }
  if (20 + 20 + bytes.length + p.length > 65535) return 'packet too long'
  world.inject(buildTcp(endpoints(world, flow), fields, p.ip), p.length, options.mss)
  return null
}

function injectIcmp(world: Host, flow: Flow, p: IcmpPacket): void {
  const type = icmpType(p.type)
  const at = endpoints(world, flow)
  const quotedAt = {
    source: at.destination,
    destination: at.source,
    sourcePort: at.destinationPort,
    destinationPort: at.sourcePort,
  }
  const quote = p.quote ?? { protocol: flow.isDatagram ? 'udp' : 'tcp', seq: 0, length: 0 }
  const protocol = quote.protocol === 'udp' ? IPPROTO_UDP : IPPROTO_TCP
  const quoted = icmp.isError(type)
    ? quotePacket(quotedAt, (quote.seq + flow.localOffset(false)) | 0, quote.length, protocol)
    : new Uint8Array(0)
  world.inject(
    buildIcmp(at, type, icmpCode(p.code), icmp.isError(type) ? p.mtu & 0xffff : p.id << 16, quoted, p.ip),
    0,
    0,
  )
}
