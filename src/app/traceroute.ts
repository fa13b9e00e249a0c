/** `traceroute` (traceroute(8)): the routers on the way, by packets that live too short; UDP, or with -I echo requests. */
import * as ip4 from '../addr/ip4.ts'
import type { Process } from '../host/process.ts'
import { AF_INET } from '../sock/address.ts'
import { IP_TTL, IPPROTO_ICMP, IPPROTO_IP, SOCK_DGRAM, SOCK_RAW } from '../sock/constants.ts'
import { POLLIN } from '../sock/wait-queue.ts'
import type { Micros } from '../sys/clock.ts'
import { SystemError } from '../sys/errno.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import { resolve } from './names.ts'
import { strerror } from './strerror.ts'
import { getopt, numberOf, print, type Tool, ToolError } from './tool.ts'

const FIRST_PORT = 33434
const LENGTH = 60

interface Probe {
  readonly sentAt: Micros
  /** Who answered, when, and with what annotation (`!H`). */
  answer: { readonly from: string; readonly after: Micros; readonly note: string; readonly isLast: boolean } | null
}

export const tracerouteTool: Tool = async (process, argv) => {
  const options = getopt('traceroute', argv, 'nIm:q:w:f:p:4')
  const [name, length] = options.words
  if (name === undefined) throw new ToolError('traceroute: Specify "host" missing argument.')
  const address = await resolve(process, name, (reason) => new ToolError(`${name}: ${reason}`))
  const number = (letter: string, otherwise: number, least: number, most: number): number =>
    numberOf('traceroute', options, letter, otherwise, least, most)
  const hops = number('m', 30, 1, 255)
  const first = number('f', 1, 1, hops)
  const size = length === undefined ? LENGTH : Number(length)
  if (!Number.isInteger(size) || size < 28 || size > 65000) throw new ToolError(`too big packetlen ${length} specified`)
  const trace = new Trace(process, {
    address,
    numeric: options.flags.has('n'),
    echo: options.flags.has('I'),
    probes: number('q', 3, 1, 10),
    wait: number('w', 5, 0, 3600) * 1e6,
    port: number('p', FIRST_PORT, 1, 65535),
    size,
  })
  await print(process, `traceroute to ${name} (${address}), ${hops} hops max, ${size} byte packets\n`)
  for (let ttl = first; ttl <= hops; ttl++) if (await trace.hop(ttl)) break
  return 0
}

interface Settings {
  readonly address: string
  readonly numeric: boolean
  readonly echo: boolean
  readonly probes: number
  readonly wait: Micros
  readonly port: number
  readonly size: number
}

class Trace {
  readonly #process: Process
  readonly #settings: Settings
  readonly #to: number
  readonly #hears: number
  readonly #sends: number
  readonly #id: number
  readonly #buffer: Uint8Array = new Uint8Array(65536)
  /** By sequence number, or by port from the first on. */
  readonly #probes: Probe[] = []

  constructor(process: Process, settings: Settings) {
    this.#process = process
    this.#settings = settings
    this.#to = ip4.parse(settings.address) as number
    this.#hears = process.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
    this.#sends = settings.echo ? this.#hears : process.socket(AF_INET, SOCK_DGRAM)
    this.#id = process.host.stack.random.below(65536)
  }

  /** Sends the probes of one hop and prints what came of them; true if that is the end of the way. */
  async hop(ttl: number): Promise<boolean> {
    const { probes, wait } = this.#settings
    const { clock } = this.#process.host
    const first = this.#probes.length
    const line: string[] = [`${String(ttl).padStart(2)} `]
    let shown = ''
    let isLast = false
    for (let i = 0; i < probes; i++) {
      await this.#send(ttl)
      const probe = this.#probes[first + i] as Probe
      const until = clock.now() + wait
      while (probe.answer === null && clock.now() < until) await this.#hear(until)
      if (probe.answer === null) {
        line.push(' *')
        continue
      }
      const { from, after, note } = probe.answer
      if (from !== shown) line.push(this.#settings.numeric ? ` ${from}` : ` ${from} (${from})`)
      shown = from
      line.push(`  ${(after / 1000).toFixed(3)} ms${note}`)
      isLast ||= probe.answer.isLast
    }
    await print(this.#process, `${line.join('')}\n`)
    return isLast
  }

  async #send(ttl: number): Promise<void> {
    const { address, port, size, echo } = this.#settings
    const process = this.#process
    process.setsockopt(this.#sends, IPPROTO_IP, IP_TTL, ttl)
    const n = this.#probes.length
    const packet = new Uint8Array(size - ipv4.HDR_LEN - (echo ? 0 : udp.HDR_LEN)).map((_, i) => 0x40 + (i & 0x3f))
    if (echo) {
      icmp.emit(packet, 0, icmp.ECHO, 0, icmp.word16(this.#id, n + 1))
      icmp.fillChecksum(packet, 0, packet.length)
    }
    this.#probes.push({ sentAt: process.host.clock.now(), answer: null })
    try {
      await process.sendto(this.#sends, packet, 0, echo ? { address } : { address, port: port + n })
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      // The answer to an earlier probe may be told here too (udp(7)); the raw socket tells it better.
      if (error.code !== 'ECONNREFUSED' && error.code !== 'EHOSTUNREACH')
        throw new ToolError(`send: ${strerror(error)}`, 1)
    }
  }

  async #hear(until: Micros): Promise<void> {
    const process = this.#process
    const left = Math.max(0, until - process.host.clock.now())
    const timeout = { sec: Math.floor(left / 1e6), nsec: Math.ceil(left % 1e6) * 1000 }
    if ((await process.ppoll([{ fd: this.#hears, events: POLLIN, revents: 0 }], timeout)) === 0) return
    const from: { address?: string } = {}
    const n = await process.recvfrom(this.#hears, this.#buffer, 0, from)
    const b = this.#buffer.subarray(0, n)
    const at = ipv4.headerLength(b, 0)
    if (n < at + icmp.HDR_LEN) return
    const probe = this.#probeOf(b, at)
    if (probe === undefined || probe.answer !== null) return
    const after = process.host.clock.now() - probe.sentAt
    const isLast = icmp.type(b, at) !== icmp.TIME_EXCEEDED
    probe.answer = { from: from.address ?? '', after, note: this.#note(b, at), isLast }
  }

  /** The probe that an ICMP message answers. */
  #probeOf(b: Uint8Array, at: number): Probe | undefined {
    const type = icmp.type(b, at)
    if (type === icmp.ECHO_REPLY) return icmp.id(b, at) === this.#id ? this.#probes[icmp.seq(b, at) - 1] : undefined
    const inner = at + icmp.HDR_LEN
    if (!icmp.isError(type) || b.length < inner + ipv4.HDR_LEN + icmp.HDR_LEN) return undefined
    const quoted = inner + ipv4.headerLength(b, inner)
    if (ipv4.dst(b, inner) !== this.#to || b.length < quoted + icmp.HDR_LEN) return undefined
    const isEcho = ipv4.protocol(b, inner) === ipv4.PROTO_ICMP
    if (isEcho !== this.#settings.echo) return undefined
    if (isEcho) return icmp.id(b, quoted) === this.#id ? this.#probes[icmp.seq(b, quoted) - 1] : undefined
    return this.#probes[udp.dstPort(b, quoted) - this.#settings.port]
  }

  /** What is unusual about an answer (traceroute(8)). */
  #note(b: Uint8Array, at: number): string {
    if (icmp.type(b, at) !== icmp.UNREACHABLE) return ''
    switch (icmp.code(b, at)) {
      case icmp.PORT_UNREACHABLE:
        return this.#settings.echo ? ' !3' : ''
      case icmp.NET_UNREACHABLE:
        return ' !N'
      case icmp.HOST_UNREACHABLE:
        return ' !H'
      case icmp.PROTOCOL_UNREACHABLE:
        return ' !P'
      case icmp.FRAGMENTATION_NEEDED:
        return ` !F-${icmp.mtu(b, at)}`
      case icmp.SOURCE_ROUTE_FAILED:
        return ' !S'
      case icmp.ADMIN_PROHIBITED:
        return ' !X'
      case icmp.PRECEDENCE_VIOLATION:
        return ' !V'
      case icmp.PRECEDENCE_CUTOFF:
        return ' !C'
      default:
        return ` !${icmp.code(b, at)}`
    }
  }
}
