/** `tcpdump` (tcpdump(1)) on a packet socket, or on a capture file. */
import { htons } from '../addr/byte-order.ts'
import type { Process } from '../host/process.ts'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../link/pcap.ts'
import { CaptureReader } from '../link/pcap-reader.ts'
import { ETH_P_ALL, PACKET_OUTGOING } from '../packet/constants.ts'
import { AF_PACKET } from '../sock/address.ts'
import { MSG_TRUNC, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY, SOCK_RAW } from '../sock/constants.ts'
import type { AddressOut } from '../socket/address-value.ts'
import { CLOCK_REALTIME } from '../socket/epoll-constants.ts'
import { SIGINT, SIGTERM } from '../socket/signal-constants.ts'
import * as device from '../stack/device.ts'
import { SystemError } from '../sys/errno.ts'
import { get16 } from '../wire/bytes.ts'
import { DissectContext } from '../wire/dissect.ts'
import * as ethernet from '../wire/ethernet.ts'
import { strerror } from './strerror.ts'
import { compileFilter, type Frame, type FrameTest } from './tcpdump-filter.ts'
import { type FormatOptions, formatFrame } from './tcpdump-format.ts'
import { getopt, numberOf, type Options, print, type Tool, ToolError } from './tool.ts'

const SNAPLEN = 262144
const LETTERS = 'i:nc:w:r:evxXAqtSs:lUpDQ:#K'
const PCAP_MAGIC = 0xa1b2c3d4

interface Settings {
  readonly format: FormatOptions
  readonly test: FrameTest
  readonly count: number
  readonly snaplen: number
  /** -t, how often. */
  readonly times: number
  readonly numbers: boolean
  /** -Q. */
  readonly direction: 'in' | 'out' | 'inout'
}

export const tcpdumpTool: Tool = async (process, argv) => {
  const options = getopt('tcpdump', argv, LETTERS, { number: '#', 'list-interfaces': 'D', interface: 'i' })
  if (options.flags.has('D')) return await listInterfaces(process)
  const settings = readSettings(options)
  const file = options.values.get('r')
  if (file !== undefined) return await readCapture(process, file, settings, options.values.get('w'))
  return await new Capture(process, settings).run(options.values.get('i'), options.values.get('w'))
}

function readSettings(options: Options): Settings {
  const times = (letter: string): number => options.counts.get(letter) ?? 0
  const direction = options.values.get('Q') ?? 'inout'
  if (direction !== 'in' && direction !== 'out' && direction !== 'inout')
    throw new ToolError(`tcpdump: unknown capture direction '${direction}'`, 1)
  return {
    format: {
      link: options.flags.has('e'),
      verbose: times('v'),
      quiet: options.flags.has('q'),
      hex: times('x'),
      hexAscii: times('X'),
      ascii: times('A'),
      context: options.flags.has('S') ? undefined : new DissectContext(),
    },
    test: compileFilter(options.words.join(' ')),
    count: numberOf('tcpdump', options, 'c', Infinity, 1, 0x7fffffff),
    snaplen: numberOf('tcpdump', options, 's', SNAPLEN, 0, SNAPLEN) || SNAPLEN,
    times: times('t'),
    numbers: options.flags.has('#'),
    direction,
  }
}

// ---- Times ----

const two = (n: number): string => String(n).padStart(2, '0')
const micros = (time: number): string => String(((time % 1e6) + 1e6) % 1e6).padStart(6, '0')

/** Microseconds as HH:MM:SS.ffffff. */
function clockText(time: number): string {
  const seconds = Math.floor(time / 1e6)
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${micros(time)}`
}

const DAY = 86_400_000_000

/** Days since 1970 as YYYY-MM-DD, in the proleptic Gregorian calendar. */
function dateText(days: number): string {
  // Counted from 1 March of the year 0, in eras of 400 years.
  const z = days + 719468
  const era = Math.floor(z / 146097)
  const ofEra = z - era * 146097
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36524) - Math.floor(ofEra / 146096)) / 365,
  )
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100))
  const month = Math.floor((5 * ofYear + 2) / 153)
  const day = ofYear - Math.floor((153 * month + 2) / 5) + 1
  const civil = month < 10 ? month + 3 : month - 9
  return `${year + era * 400 + (civil <= 2 ? 1 : 0)}-${two(civil)}-${two(day)}`
}

/** The time in front of a line, as -t given so often has it; in UTC, which is the zone of virtual hosts. */
class Stamps {
  readonly #times: number
  #before = Number.NaN

  constructor(times: number) {
    this.#times = times
  }

  of(time: number): string {
    const since = Number.isNaN(this.#before) ? 0 : time - this.#before
    if (this.#times !== 5 || Number.isNaN(this.#before)) this.#before = time
    switch (this.#times) {
      case 0:
        return `${clockText(((time % DAY) + DAY) % DAY)} `
      case 1:
        return ''
      case 2:
        return `${Math.floor(time / 1e6)}.${micros(time)} `
      case 4:
        return `${dateText(Math.floor(time / DAY))} ${clockText(((time % DAY) + DAY) % DAY)} `
      default:
        return ` ${clockText(since)} `
    }
  }
}

// ---- Frames ----

function frameOf(bytes: Uint8Array, length: number, isEthernet: boolean): Frame {
  if (!isEthernet) {
    const version = (bytes[0] ?? 0) >>> 4
    const etherType = version === 4 ? ethernet.TYPE_IPV4 : version === 6 ? ethernet.TYPE_IPV6 : 0
    return { bytes, ethernet: -1, network: 0, etherType, length }
  }
  const etherType = bytes.length < ethernet.HDR_LEN ? 0 : get16(bytes, 12)
  return { bytes, ethernet: 0, network: ethernet.HDR_LEN, etherType, length }
}

/** Writes classic pcap to a descriptor. */
class PcapFile {
  readonly #process: Process
  readonly #fd: number

  constructor(process: Process, path: string) {
    this.#process = process
    this.#fd = path === '-' ? 1 : process.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  }

  async begin(linkType: number, snaplen: number): Promise<void> {
    const view = new DataView(new ArrayBuffer(24))
    view.setUint32(0, PCAP_MAGIC, true)
    view.setUint16(4, 2, true)
    view.setUint16(6, 4, true)
    view.setUint32(16, snaplen, true)
    view.setUint32(20, linkType, true)
    await this.#process.write(this.#fd, new Uint8Array(view.buffer))
  }

  async add(time: number, bytes: Uint8Array, length: number): Promise<void> {
    const record = new Uint8Array(16 + bytes.length)
    const view = new DataView(record.buffer)
    view.setUint32(0, Math.floor(time / 1e6), true)
    view.setUint32(4, time % 1e6, true)
    view.setUint32(8, bytes.length, true)
    view.setUint32(12, length, true)
    record.set(bytes, 16)
    await this.#process.write(this.#fd, record)
  }
}

const linkName = (linkType: number): string => (linkType === LINKTYPE_ETHERNET ? 'EN10MB (Ethernet)' : 'RAW (Raw IP)')

// ---- Live ----

class Capture {
  readonly #process: Process
  readonly #settings: Settings
  readonly #stamps: Stamps
  #captured = 0
  #isInterrupted = false

  constructor(process: Process, settings: Settings) {
    this.#process = process
    this.#settings = settings
    this.#stamps = new Stamps(settings.times)
  }

  /** Captures until there are enough or SIGINT comes; then tells how many. */
  async run(name: string | undefined, out: string | undefined): Promise<number> {
    const process = this.#process
    const { interfaces } = process.host.stack
    const at = interfaces.find((i) => (name === undefined ? !i.isLoopback && i.up : i.name === name)) ?? null
    const isAny = name === 'any' || (name === undefined && at === null)
    if (at === null && !isAny)
      throw new ToolError(`tcpdump: ${name}: No such device exists\n(No such device exists)`, 1)
    const fd = process.socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))
    if (at !== null) {
      const link = { ifindex: at.index, hatype: 0, pkttype: 0, hardware: new Uint8Array(0), protocol: ETH_P_ALL }
      process.bind(fd, { family: AF_PACKET, link, port: ETH_P_ALL })
    }
    const linkType = at === null || at.hardwareType !== device.ARPHRD_NONE ? LINKTYPE_ETHERNET : LINKTYPE_RAW
    await this.#announce(at === null ? 'any' : at.name, linkType, out !== undefined)
    const file = out === undefined ? undefined : new PcapFile(process, out)
    await file?.begin(linkType, this.#settings.snaplen)
    for (const signal of [SIGINT, SIGTERM]) {
      process.sigaction(signal, {
        handler: () => {
          this.#isInterrupted = true
        },
      })
    }
    while (this.#captured < this.#settings.count && !this.#isInterrupted) await this.#next(fd, isAny, file)
    const packets = `${this.#captured} packet${this.#captured === 1 ? '' : 's'}`
    const received = `${packets} received by filter`
    await print(
      process,
      `\n${packets} captured\n${received}\n0 packets dropped by kernel\n`.slice(this.#isInterrupted ? 0 : 1),
      2,
    )
    return 0
  }

  async #announce(name: string, linkType: number, isFile: boolean): Promise<void> {
    const { format, snaplen } = this.#settings
    const listening = `listening on ${name}, link-type ${linkName(linkType)}, snapshot length ${snaplen} bytes\n`
    const isQuiet = format.verbose > 0 || isFile
    await print(
      this.#process,
      isQuiet
        ? `tcpdump: ${listening}`
        : `tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n${listening}`,
      2,
    )
  }

  async #next(fd: number, isAny: boolean, file: PcapFile | undefined): Promise<void> {
    const process = this.#process
    const buffer = new Uint8Array(Math.min(this.#settings.snaplen, 65536 + ethernet.HDR_LEN))
    const from: Partial<{ link: { ifindex: number; hatype: number; pkttype: number } }> = {}
    let length: number
    try {
      length = await process.recvfrom(fd, buffer, MSG_TRUNC, from as AddressOut)
    } catch (error) {
      if (error instanceof SystemError && error.code === 'EINTR') return
      throw error
    }
    const { sec, nsec } = process.clock_gettime(CLOCK_REALTIME)
    const isOut = from.link?.pkttype === PACKET_OUTGOING
    if (this.#settings.direction !== 'inout' && (this.#settings.direction === 'out') !== isOut) return
    const frame = frameOf(
      buffer.subarray(0, Math.min(length, buffer.length)),
      length,
      from.link?.hatype !== device.ARPHRD_NONE,
    )
    if (!this.#settings.test(frame)) return
    this.#captured++
    const time = sec * 1e6 + Math.floor(nsec / 1000)
    if (file !== undefined) {
      await file.add(time, frame.bytes, length)
      return
    }
    const name = process.host.stack.interfaceByIndex(from.link?.ifindex ?? 0)?.name ?? '?'
    const where = isAny ? `${name.padEnd(5)} ${directionOf(from.link?.pkttype ?? 0).padEnd(3)} ` : ''
    await print(
      process,
      lineStart(this.#settings, this.#captured, this.#stamps.of(time)) +
        where +
        formatFrame(frame, this.#settings.format),
    )
  }
}

/** What `-i any` says of a packet's way, by its PACKET_ number. */
const directionOf = (pkttype: number): string => ['In', 'B', 'M', 'P', 'Out'][pkttype] ?? '?'

const lineStart = ({ numbers }: Settings, n: number, stamp: string): string =>
  `${numbers ? `${String(n).padStart(5)}  ` : ''}${stamp}`

async function listInterfaces(process: Process): Promise<number> {
  const { interfaces } = process.host.stack
  const list = [...interfaces.filter((i) => !i.isLoopback), null, ...interfaces.filter((i) => i.isLoopback)]
  let text = ''
  for (const [i, at] of list.entries()) {
    if (at === null) text += `${i + 1}.any (Pseudo-device that captures on all interfaces) [Up, Running]\n`
    else
      text += `${i + 1}.${at.name} [${at.up ? 'Up, Running' : 'none'}${at.isLoopback ? ', Loopback' : at.up ? ', Connected' : ''}]\n`
  }
  await print(process, text)
  return 0
}

// ---- Files ----

async function readCapture(
  process: Process,
  path: string,
  settings: Settings,
  out: string | undefined,
): Promise<number> {
  const reader = new CaptureReader(await bytesOf(process, path))
  if (reader.format === 'unknown') throw new ToolError(`tcpdump: unknown file format`, 1)
  const file = out === undefined ? undefined : new PcapFile(process, out)
  const stamps = new Stamps(settings.times)
  let n = 0
  for (const packet of reader) {
    const { linkType, snaplen } = packet.interface
    if (n === 0 && file === undefined)
      await print(
        process,
        `reading from file ${path}, link-type ${linkName(linkType)}, snapshot length ${snaplen}\n`,
        2,
      )
    if (n === 0) await file?.begin(linkType, snaplen)
    const frame = frameOf(packet.bytes, packet.originalLength, linkType === LINKTYPE_ETHERNET)
    if (!settings.test(frame)) continue
    n++
    if (file !== undefined) await file.add(packet.time, packet.bytes, packet.originalLength)
    else await print(process, lineStart(settings, n, stamps.of(packet.time)) + formatFrame(frame, settings.format))
    if (n === settings.count) break
  }
  if (reader.error === null) return 0
  throw new ToolError(`tcpdump: ${reader.error}`, 1)
}

async function bytesOf(process: Process, path: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  try {
    const fd = path === '-' ? 0 : process.open(path, O_RDONLY)
    for (;;) {
      const piece = new Uint8Array(65536)
      const n = await process.read(fd, piece)
      if (n === 0) break
      pieces.push(piece.subarray(0, n))
    }
    if (fd !== 0) await process.close(fd)
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    throw new ToolError(`tcpdump: ${path}: ${strerror(error)}`, 1)
  }
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  pieces.reduce((at, piece) => {
    all.set(piece, at)
    return at + piece.length
  }, 0)
  return all
}
