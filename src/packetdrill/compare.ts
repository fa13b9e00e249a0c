/** An outbound packet against its line in the script (README a.9, steps 2 and 3). */
import { get16, get32 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { ACK, PSH, SYN } from '../wire/tcp.ts'
import type { Flow } from './flow.ts'
import { icmpCode, icmpType } from './icmp-names.ts'
import type { IcmpPacket, IpInfo, ScriptOption, TcpPacket, UdpPacket } from './script.ts'
import { type Captured, flagText, icmpFields, optionBytes } from './wire-packet.ts'

export interface Expectation {
  readonly flow: Flow
  readonly ignorePush: boolean
  /** --tcp_ts_tick_usecs; 0: TSval is not checked. */
  readonly tick: number
  readonly tolerance: number
  readonly percent: number
  /** Script time of the event. */
  readonly at: number
}

/** Payload bytes of the scripted packet. */
export const expectedPayload = (p: TcpPacket): number => p.length

function compareIp(ip: IpInfo, got: Captured): string | null {
  const ecn = got.tos & 3
  const wanted = { noecn: 0, ect1: 1, ect0: 2, ce: 3 }
  if (ip.ecn === 'ect01') {
    if (ecn !== 1 && ecn !== 2) return `ECN ${ecn} is not ECT`
  } else if (ip.ecn !== null && wanted[ip.ecn] !== ecn) return `ECN ${wanted[ip.ecn]} expected, got ${ecn}`
  if (ip.tos >= 0 && ip.tos !== got.tos) return `TOS 0x${ip.tos.toString(16)} expected, got 0x${got.tos.toString(16)}`
  if (ip.ttl >= 0 && ip.ttl !== got.ttl) return `TTL ${ip.ttl} expected, got ${got.ttl}`
  return got.isIpChecksumOk ? null : 'bad IP checksum'
}

/** What differs, or null. Learns initial sequence number and timestamps from the first packets. */
export function compareTcp(expected: TcpPacket, got: Captured, e: Expectation): string | null {
  const { flow } = e
  if (got.protocol !== 6) return `protocol ${got.protocol}`
  const isSyn = (expected.flags & SYN) !== 0
  if (isSyn && (got.flags & SYN) !== 0 && !flow.hasIsn) {
    flow.hasIsn = true
    flow.scriptIsn = expected.seq | 0
    flow.liveIsn = got.seq
  }
  const ipProblem = compareIp(expected.ip, got)
  if (ipProblem !== null) return ipProblem
  const mask = e.ignorePush ? ~PSH : ~0
  if ((expected.flags & mask) !== (got.flags & mask))
    return `flags ${flagText(expected.flags)} expected, got ${flagText(got.flags)}`
  const seq = (expected.seq + flow.localOffset(isSyn)) | 0
  if (seq !== got.seq) return `sequence number ${expected.seq} expected, got ${flow.seq(got.seq, isSyn) >>> 0}`
  const ack =
    expected.ack < 0 || (expected.flags & ACK) === 0
      ? Math.max(0, expected.ack)
      : (expected.ack + flow.remoteOffset(isSyn)) | 0
  if ((ack | 0) !== got.ack)
    return `acknowledgement ${Math.max(0, expected.ack)} expected, got ${flow.ack(got.ack, isSyn) >>> 0}`
  if (expected.window >= 0 && expected.window !== got.window)
    return `window ${expected.window} expected, got ${got.window}`
  if (expected.urgent !== got.urgent) return `urgent pointer ${expected.urgent} expected, got ${got.urgent}`
  if (got.reserved !== 0) return `reserved bits ${got.reserved}`
  if (expected.length !== got.length) return `${expected.length} bytes expected, got ${got.length}`
  if (!got.isZero) return 'payload is not zero'
  return compareOptions(expected, got, isSyn, e)
}

/** The same for a datagram. */
export function compareUdp(expected: UdpPacket, got: Captured): string | null {
  if (got.protocol !== 17) return `protocol ${got.protocol}`
  const problem = compareIp(expected.ip, got)
  if (problem !== null) return problem
  if (expected.length !== got.length) return `${expected.length} bytes expected, got ${got.length}`
  return got.isZero ? null : 'payload is not zero'
}

/** The same for an ICMP message, and for the packet of ours or of the peer's that it quotes. */
export function compareIcmp(expected: IcmpPacket, got: Captured, flow: Flow): string | null {
  if (got.protocol !== 1) return `protocol ${got.protocol}`
  const problem = compareIp(expected.ip, got)
  if (problem !== null) return problem
  const { type, code, rest, quoteAt } = icmpFields(got)
  if (type !== icmpType(expected.type)) return `type ${icmpType(expected.type)} expected, got ${type}`
  if (code !== icmpCode(expected.code)) return `code ${icmpCode(expected.code)} expected, got ${code}`
  const wanted = icmp.isError(type) ? expected.mtu : expected.id
  const live = icmp.isError(type) ? rest & 0xffff : rest >>> 16
  if (wanted !== live) return `${icmp.isError(type) ? 'mtu' : 'id'} ${wanted} expected, got ${live}`
  if (!icmp.checksumOk(got.bytes, quoteAt - icmp.HDR_LEN, got.bytes.length)) return 'bad checksum'
  return expected.quote === null ? null : compareQuote(expected.quote, got.bytes, quoteAt, flow)
}

function compareQuote(quote: NonNullable<IcmpPacket['quote']>, b: Uint8Array, at: number, flow: Flow): string | null {
  const isUdp = quote.protocol === 'udp'
  const protocol = isUdp ? 17 : 6
  if (b.length < at + 28 || ipv4.protocol(b, at) !== protocol) return `a quoted ${quote.protocol} packet expected`
  const o = at + ipv4.headerLength(b, at)
  if (isUdp) {
    const length = get16(b, o + 4) - 8
    return length === quote.length ? null : `${quote.length} quoted bytes expected, got ${length}`
  }
  const seq = (get32(b, o + 4) - flow.remoteOffset(false)) | 0
  return seq === (quote.seq | 0) ? null : `quoted sequence number ${quote.seq} expected, got ${seq >>> 0}`
}

function compareOptions(expected: TcpPacket, got: Captured, isSyn: boolean, e: Expectation): string | null {
  const { flow } = e
  const live = timestamps(got.options)
  const scripted = expected.options?.find((o: ScriptOption) => o.kind === 'TS')
  if (scripted?.kind === 'TS' && live !== null) {
    const problem = learn(flow, scripted.val, live.val, e)
    if (problem !== null) return problem
  }
  if (expected.options === null) return null
  const bytes = optionBytes(expected.options, {
    sack: (v) => (v + flow.remoteOffset(isSyn)) | 0,
    // TSval was checked above, TSecr never is.
    val: (v) => (live === null ? v : live.val),
    ecr: (v) => (live === null ? v : live.ecr),
  })
  if (bytes.length === got.options.length && bytes.every((b, i) => b === got.options[i])) return null
  return 'options differ'
}

/** Ties script and live TSval; with --tcp_ts_tick_usecs compares them. */
function learn(flow: Flow, script: number, live: number, e: Expectation): string | null {
  if (!flow.hasTs) {
    flow.hasTs = true
    flow.scriptTs = script | 0
    flow.liveTs = live
  }
  flow.values.set(script >>> 0, live)
  if (e.tick === 0) return null
  const difference = Math.abs((flow.val(live) - script) | 0) * e.tick
  const most = Math.max(e.tolerance, e.percent * e.at)
  return difference <= most ? null : `TS val ${script} expected, got ${flow.val(live) >>> 0}`
}

/** val and ecr of the timestamps option among `b`. */
export function timestamps(b: Uint8Array): { val: number; ecr: number } | null {
  for (let o = 0; o < b.length; ) {
    const kind = b[o] as number
    if (kind === 0) return null
    if (kind === 1) {
      o++
      continue
    }
    const length = b[o + 1] ?? 0
    if (length < 2 || o + length > b.length) return null
    if (kind === 8 && length === 10) return { val: get32(b, o + 2), ecr: get32(b, o + 6) }
    o += length
  }
  return null
}
