/** `ping` of iputils (ping(8)): echo requests on a raw socket, each answer as a line, and the statistics. */
import * as ip4 from '../addr/ip4.ts'
import type { Process } from '../host/process.ts'
import { AF_INET } from '../sock/address.ts'
import {
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_TOS,
  IP_TTL,
  IPPROTO_ICMP,
  IPPROTO_IP,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_SOCKET,
} from '../sock/constants.ts'
import { POLLIN } from '../sock/wait-queue.ts'
import { SIGINT, SIGTERM } from '../socket/signal-constants.ts'
import type { Micros } from '../sys/clock.ts'
import { SystemError } from '../sys/errno.ts'
import * as icmp from '../wire/icmpv4.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { icmpErrorText } from './icmp-text.ts'
import { resolve } from './names.ts'
import { strerror } from './strerror.ts'
import { getopt, numberOf, type Options, print, type Tool, ToolError } from './tool.ts'

const SECOND: Micros = 1e6
/** Bytes of data that a time stamp takes (struct timeval): with less there is no round-trip time. */
const STAMP = 16
/** IP_MTU_DISCOVER's values by the words of -M. */
const DISCOVERY: Readonly<Record<string, number>> = { dont: 0, want: 1, do: 2, probe: 3 }
/** Port of the socket that only finds the way, as iputils has it. */
const PROBE_PORT = 1025
const SEQUENCES = 65536

interface Settings {
  readonly name: string
  readonly address: string
  readonly count: number
  readonly interval: Micros
  readonly size: number
  readonly deadline: Micros
  readonly linger: Micros
  readonly quiet: boolean
  readonly flood: boolean
  readonly stamps: boolean
  readonly outstanding: boolean
  readonly verbose: boolean
}

export const pingTool: Tool = async (process, argv) => {
  const options = getopt('ping', argv, 'bc:DfhI:i:M:nOp:qQ:s:t:vW:w:4')
  const [name, ...rest] = options.words
  if (name === undefined) throw new ToolError('ping: usage error: Destination address required', 1)
  if (rest.length > 0) throw new ToolError(`ping: too many arguments: '${rest[0] as string}'`)
  const address = await resolve(process, name, (reason) => new ToolError(`ping: ${name}: ${reason}`, 2))
  const number = (letter: string, otherwise: number, least: number, most: number): number =>
    numberOf('ping', options, letter, otherwise, least, most, 1)
  const flood = options.flags.has('f')
  const settings: Settings = {
    name,
    address,
    count: number('c', Infinity, 1, Number.MAX_SAFE_INTEGER),
    interval: number('i', flood ? 0.01 : 1, 0, 1e6) * SECOND,
    size: number('s', 56, 0, 65507),
    deadline: number('w', Infinity, 0, 2147483) * SECOND,
    linger: number('W', 10, 0, 2147483) * SECOND,
    quiet: options.flags.has('q'),
    flood,
    stamps: options.flags.has('D'),
    outstanding: options.flags.has('O'),
    verbose: options.flags.has('v'),
  }
  const { source, mtu } = await findWay(process, settings, options)
  const ping = new Ping(process, settings, openSocket(process, options), mtu)
  const from = options.values.has('I') ? `from ${source} ${deviceOf(process, options)}: ` : ''
  const bytes = `${settings.size}(${settings.size + icmp.HDR_LEN + ipv4.HDR_LEN}) bytes of data.`
  await print(process, `PING ${name} (${address}) ${from}${bytes}\n`)
  return await ping.run()
}

const isDevice = (process: Process, word: string): boolean => process.host.stack.interface(word) !== undefined
const deviceOf = (process: Process, { values }: Options): string =>
  isDevice(process, values.get('I') as string) ? `${values.get('I') as string}` : ''

/** Where packets would come from and how long they may be: a UDP socket that is connected, and nothing more. */
async function findWay(
  process: Process,
  { address }: Settings,
  options: Options,
): Promise<{ source: string; mtu: number }> {
  const probe = process.socket(AF_INET, SOCK_DGRAM)
  try {
    const word = options.values.get('I')
    if (options.flags.has('b')) process.setsockopt(probe, SOL_SOCKET, SO_BROADCAST, 1)
    if (word !== undefined && isDevice(process, word)) process.setsockopt(probe, SOL_SOCKET, SO_BINDTODEVICE, word)
    else if (word !== undefined) process.bind(probe, { address: word })
    await process.connect(probe, { address, port: PROBE_PORT })
    const mtu = Number(process.getsockopt(probe, IPPROTO_IP, IP_MTU))
    return { source: process.getsockname(probe).address, mtu }
  } catch (error) {
    if (error instanceof RangeError) throw new ToolError(`ping: unknown iface: ${options.values.get('I') ?? ''}`, 2)
    if (!(error instanceof SystemError)) throw error
    if (error.code === 'EACCES')
      throw new ToolError('ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules', 2)
    throw new ToolError(`ping: ${error.syscall}: ${strerror(error)}`, 2)
  } finally {
    await process.close(probe)
  }
}

function openSocket(process: Process, options: Options): number {
  const fd = process.socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
  const { values, flags } = options
  if (values.has('t')) process.setsockopt(fd, IPPROTO_IP, IP_TTL, numberOf('ping', options, 't', 0, 1, 255))
  const tos = values.get('Q')
  if (tos !== undefined) process.setsockopt(fd, IPPROTO_IP, IP_TOS, Number(tos))
  const discovery = values.get('M')
  if (discovery !== undefined) {
    const value = DISCOVERY[discovery]
    if (value === undefined) throw new ToolError(`ping: invalid -M argument: ${discovery}`, 1)
    process.setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, value)
  }
  if (flags.has('b')) process.setsockopt(fd, SOL_SOCKET, SO_BROADCAST, 1)
  const word = values.get('I')
  if (word !== undefined && isDevice(process, word)) process.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, word)
  else if (word !== undefined) process.bind(fd, { address: word })
  return fd
}

class Ping {
  readonly #process: Process
  readonly #settings: Settings
  readonly #fd: number
  readonly #mtu: number
  readonly #to: number
  readonly #id: number
  readonly #packet: Uint8Array
  readonly #buffer: Uint8Array = new Uint8Array(65536)
  /** When each request went, by sequence number, and which of them have been answered. */
  readonly #sentAt: Float64Array = new Float64Array(SEQUENCES).fill(Number.NaN)
  readonly #isAnswered: Uint8Array = new Uint8Array(SEQUENCES)
  #isInterrupted = false
  #start: Micros = 0
  #last: Micros = 0
  #sent = 0
  #received = 0
  #duplicates = 0
  #errors = 0
  #pipe = 0
  #min = Infinity
  #max = 0
  #sum = 0
  #squares = 0

  constructor(process: Process, settings: Settings, fd: number, mtu: number) {
    this.#process = process
    this.#settings = settings
    this.#fd = fd
    this.#mtu = mtu
    this.#to = ip4.parse(settings.address) as number
    this.#id = process.host.stack.random.below(SEQUENCES)
    this.#packet = new Uint8Array(icmp.HDR_LEN + settings.size)
    for (let i = 0; i < settings.size; i++) this.#packet[icmp.HDR_LEN + i] = i
  }

  get #now(): Micros {
    return this.#process.host.clock.now()
  }

  /** Pings until there are enough answers, the time is over or SIGINT comes; the exit status. */
  async run(): Promise<number> {
    for (const signal of [SIGINT, SIGTERM]) {
      this.#process.sigaction(signal, {
        handler: () => {
          this.#isInterrupted = true
        },
      })
    }
    const { count, interval, deadline } = this.#settings
    this.#start = this.#last = this.#now
    let next = this.#start
    let giveUp = Infinity
    while (!this.#isInterrupted && this.#received < count) {
      const now = this.#now
      if (now >= giveUp || now - this.#start >= deadline) break
      if (this.#sent < count && now >= next) {
        await this.#send()
        next = this.#settings.flood && this.#received >= this.#sent ? now : now + interval
        // With all sent the last answer is waited for: as long as twice the slowest took, or -W.
        if (this.#sent >= count && deadline === Infinity)
          giveUp = this.#now + (this.#received > 0 ? Math.max(2 * this.#max, interval) : this.#settings.linger)
        if (this.#errors > 0 && this.#errors + this.#received >= this.#sent && this.#sent >= count) break
      }
      const until = Math.min(this.#sent < count ? next : Infinity, giveUp, this.#start + deadline)
      await this.#hear(until)
      if (this.#settings.flood && this.#received >= this.#sent) next = this.#now
    }
    await this.#statistics()
    if (this.#settings.deadline !== Infinity && this.#settings.count !== Infinity)
      return this.#received < this.#settings.count ? 1 : 0
    return this.#received === 0 ? 1 : 0
  }

  async #send(): Promise<void> {
    const { address, flood, quiet, outstanding } = this.#settings
    const seq = ++this.#sent % SEQUENCES
    const before = (this.#sent - 1) % SEQUENCES
    if (outstanding && this.#sent > 1 && this.#isAnswered[before] === 0)
      await print(this.#process, `no answer yet for icmp_seq=${before}\n`)
    icmp.emit(this.#packet, 0, icmp.ECHO, 0, icmp.word16(this.#id, seq))
    icmp.fillChecksum(this.#packet, 0, this.#packet.length)
    this.#last = this.#now
    this.#sentAt[seq] = this.#last
    this.#isAnswered[seq] = 0
    this.#pipe = Math.max(this.#pipe, this.#sent - this.#received)
    if (flood && !quiet) await print(this.#process, '.')
    try {
      await this.#process.sendto(this.#fd, this.#packet, 0, { address })
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      this.#errors++
      const what =
        error.code === 'EMSGSIZE' ? `local error: message too long, mtu=${this.#mtu}` : `sendmsg: ${strerror(error)}`
      if (!quiet) await print(this.#process, `ping: ${what}\n`, 2)
    }
  }

  /** Takes what comes until `until`, or until something came. */
  async #hear(until: Micros): Promise<void> {
    const left = Math.max(0, until - this.#now)
    const timeout = left === Infinity ? null : { sec: Math.floor(left / 1e6), nsec: Math.ceil(left % 1e6) * 1000 }
    try {
      if ((await this.#process.ppoll([{ fd: this.#fd, events: POLLIN, revents: 0 }], timeout)) === 0) return
      const from: { address?: string } = {}
      const n = await this.#process.recvfrom(this.#fd, this.#buffer, 0, from)
      await this.#take(this.#buffer.subarray(0, n), from.address ?? '')
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== 'EINTR') throw error
    }
  }

  async #take(packet: Uint8Array, from: string): Promise<void> {
    const at = ipv4.headerLength(packet, 0)
    if (packet.length < at + icmp.HDR_LEN) return
    const type = icmp.type(packet, at)
    if (type === icmp.ECHO_REPLY) {
      if (icmp.id(packet, at) === this.#id) await this.#reply(packet, at, from)
      return
    }
    if (!icmp.isError(type) && type !== icmp.REDIRECT) return
    const inner = at + icmp.HDR_LEN
    if (packet.length < inner + ipv4.HDR_LEN + icmp.HDR_LEN) return
    const quoted = inner + ipv4.headerLength(packet, inner)
    const isOurs =
      ipv4.protocol(packet, inner) === ipv4.PROTO_ICMP &&
      ipv4.dst(packet, inner) === this.#to &&
      packet.length >= quoted + icmp.HDR_LEN &&
      icmp.id(packet, quoted) === this.#id
    if (!isOurs) return
    if (type !== icmp.REDIRECT) this.#errors++
    if (this.#settings.quiet) return
    if (this.#settings.flood) {
      await print(this.#process, '\bE')
      return
    }
    const text = icmpErrorText(packet, at)
    await print(this.#process, `${this.#stamp()}From ${from} icmp_seq=${icmp.seq(packet, quoted)} ${text}\n`)
  }

  async #reply(packet: Uint8Array, at: number, from: string): Promise<void> {
    const { size, quiet, flood, verbose } = this.#settings
    const seq = icmp.seq(packet, at)
    const sentAt = this.#sentAt[seq] as number
    if (Number.isNaN(sentAt)) return
    const isDuplicate = this.#isAnswered[seq] === 1
    this.#last = this.#now
    const trip = this.#last - sentAt
    if (isDuplicate) this.#duplicates++
    else {
      this.#received++
      this.#isAnswered[seq] = 1
      this.#note(trip)
    }
    if (quiet) return
    if (flood) {
      await print(this.#process, '\b \b')
      return
    }
    let text = `${this.#stamp()}${packet.length - at} bytes from ${from}: icmp_seq=${seq}`
    if (verbose) text += ` ident=${this.#id}`
    text += ` ttl=${ipv4.ttl(packet, 0)}`
    if (size >= STAMP) text += ` time=${tripText(trip)} ms`
    const wrong = this.#wrongByte(packet.subarray(at + icmp.HDR_LEN))
    if (packet.length - at !== this.#packet.length) text += ' (truncated)'
    if (isDuplicate) text += ' (DUP!)'
    await print(this.#process, `${text}${wrong}\n`)
  }

  /** Data that is not what was sent, in ping's words. */
  #wrongByte(data: Uint8Array): string {
    const i = data.findIndex((byte, k) => byte !== (k & 0xff))
    return i < 0
      ? ''
      : `\nwrong data byte #${i} should be 0x${(i & 0xff).toString(16)} but was 0x${(data[i] as number).toString(16)}`
  }

  #note(trip: Micros): void {
    this.#min = Math.min(this.#min, trip)
    this.#max = Math.max(this.#max, trip)
    this.#sum += trip
    this.#squares += trip * trip
  }

  /** -D: the time of day in front of a line. */
  #stamp(): string {
    if (!this.#settings.stamps) return ''
    const at = this.#process.host.clock.epoch + this.#now
    return `[${Math.floor(at / 1e6)}.${String(Math.floor(at % 1e6)).padStart(6, '0')}] `
  }

  async #statistics(): Promise<void> {
    const { name, size, flood } = this.#settings
    let text = `\n--- ${name} ping statistics ---\n${this.#sent} packets transmitted, ${this.#received} received`
    if (this.#duplicates > 0) text += `, +${this.#duplicates} duplicates`
    if (this.#errors > 0) text += `, +${this.#errors} errors`
    const lost = ((this.#sent - this.#received) * 100) / this.#sent
    if (this.#sent > 0) text += `, ${Number(lost.toPrecision(6))}% packet loss`
    text += `, time ${Math.floor((this.#last - this.#start) / 1000)}ms\n`
    let comma = ''
    if (this.#received > 0 && size >= STAMP) {
      const mean = this.#sum / this.#received
      const deviation = Math.sqrt(Math.max(0, this.#squares / this.#received - mean * mean))
      text += `rtt min/avg/max/mdev = ${[this.#min, mean, this.#max, deviation].map(thousandths).join('/')} ms`
      comma = ', '
    }
    if (this.#pipe > 1) {
      text += `${comma}pipe ${this.#pipe}`
      comma = ', '
    }
    if (flood && this.#received > 1) {
      const gap = (this.#last - this.#start) / (this.#sent - 1)
      text += `${comma}ipg/ewma ${thousandths(gap)}/${thousandths(this.#sum / this.#received)} ms`
    }
    await print(this.#process, `${text}\n`)
  }
}

/** Microseconds as milliseconds with three digits, cut. */
const thousandths = (value: Micros): string => (Math.floor(value) / 1000).toFixed(3)

/** A round-trip time with as many digits as it deserves. */
function tripText(trip: Micros): string {
  if (trip >= 100000 - 50) return String(Math.floor((trip + 500) / 1000))
  if (trip >= 10000 - 5) return (Math.floor((trip + 50) / 100) / 10).toFixed(1)
  if (trip >= 1000) return (Math.floor((trip + 5) / 10) / 100).toFixed(2)
  return thousandths(trip)
}
