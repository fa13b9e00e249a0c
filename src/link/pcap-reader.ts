/**
 * Capture files, read: pcapng and classic pcap, either byte order, micro- or nanoseconds. Input may be hostile: every
 * length is checked, one packet at a time is looked at, and what is wrong ends the reading with a sentence in `error`,
 * after the packets before it.
 */
import {
  BLOCK_ENHANCED,
  BLOCK_INTERFACE,
  BLOCK_SECTION,
  BLOCK_SIMPLE,
  BYTE_ORDER_MAGIC,
  EPB_FLAGS,
  IF_NAME,
  IF_TSOFFSET,
  IF_TSRESOL,
  OPT_COMMENT,
  PCAP_MAGIC_NS,
  PCAP_MAGIC_US,
} from './pcap.ts'

/** The obsolete Packet Block, pcapng appendix A. */
const BLOCK_PACKET = 2
/** Interfaces a section may describe; more are an attack on memory. */
export const MAX_INTERFACES = 65536
/** Longest packet taken from a file: libpcap's MAXIMUM_SNAPLEN. */
export const MAX_CAPTURED = 262144
/** Most options looked at in one block. */
const MAX_OPTIONS = 1024

/** One interface that packets were captured on. */
export interface CaptureInterface {
  /** LINKTYPE_… */
  readonly linkType: number
  readonly name: string
  readonly snaplen: number
  /** Ticks of a second. */
  readonly ticks: number
  /** Seconds added to every time stamp. */
  readonly offset: number
}

/** One captured packet. `bytes` is a part of the file's array, not a copy. */
export interface CapturedPacket {
  readonly interface: CaptureInterface
  /** Number of the interface in its section. */
  readonly interfaceId: number
  /** Microseconds since 1970; NaN where the file does not say. */
  readonly time: number
  readonly bytes: Uint8Array
  /** Bytes the packet had when it was captured. */
  readonly originalLength: number
  /** DIRECTION_UNKNOWN, DIRECTION_IN or DIRECTION_OUT. */
  readonly direction: number
  /** Comments, joined by newlines; empty if there are none. */
  readonly comment: string
}

export class CaptureReader {
  /** What is wrong with the file, or null. Set once `next` gives undefined. */
  error: string | null = null
  /** Interfaces of the section being read. */
  interfaces: CaptureInterface[] = []
  readonly format: 'pcap' | 'pcapng' | 'unknown'
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #decoder = new TextDecoder()
  #little = false
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.format = this.#open()
  }

  /** The next packet; undefined at the end of the file or at what is wrong with it (`error`). */
  next(): CapturedPacket | undefined {
    if (this.error !== null) return undefined
    return this.format === 'pcap' ? this.#nextRecord() : this.#nextBlocks()
  }

  /** The packets left, for `for … of`. */
  *[Symbol.iterator](): Generator<CapturedPacket> {
    for (let packet = this.next(); packet !== undefined; packet = this.next()) yield packet
  }

  #open(): 'pcap' | 'pcapng' | 'unknown' {
    if (this.#bytes.length < 4) {
      this.#fail(this.#bytes.length === 0 ? 'empty file' : 'shorter than a magic number')
      return 'unknown'
    }
    const magic = this.#view.getUint32(0, true)
    if (magic === BLOCK_SECTION) return 'pcapng'
    for (const little of [true, false]) {
      const value = this.#view.getUint32(0, little)
      if (value !== PCAP_MAGIC_US && value !== PCAP_MAGIC_NS) continue
      this.#little = little
      this.#openClassic(value === PCAP_MAGIC_NS ? 1e9 : 1e6)
      return 'pcap'
    }
    this.#fail(`neither pcap nor pcapng: magic number 0x${this.#u32(0).toString(16).padStart(8, '0')}`)
    return 'unknown'
  }

  #openClassic(ticks: number): void {
    if (this.#bytes.length < 24) {
      this.#fail('truncated pcap file header')
      return
    }
    const major = this.#view.getUint16(4, this.#little)
    if (major !== 2) {
      this.#fail(`pcap version ${major}; only 2 is known`)
      return
    }
    // The upper bits tell of a frame check sequence.
    this.interfaces.push({ linkType: this.#u32(20) & 0xffff, name: '', snaplen: this.#u32(16), ticks, offset: 0 })
    this.#at = 24
  }

  #nextRecord(): CapturedPacket | undefined {
    const at = this.#at
    if (at === this.#bytes.length) return undefined
    if (at + 16 > this.#bytes.length) return this.#fail('truncated record header')
    const kept = this.#u32(at + 8)
    if (kept > MAX_CAPTURED) return this.#fail(`captured length ${kept} is more than ${MAX_CAPTURED}`)
    if (at + 16 + kept > this.#bytes.length) return this.#fail('truncated packet')
    this.#at = at + 16 + kept
    const iface = this.interfaces[0] as CaptureInterface
    return {
      interface: iface,
      interfaceId: 0,
      time: this.#u32(at) * 1e6 + (this.#u32(at + 4) * 1e6) / iface.ticks,
      bytes: this.#bytes.subarray(at + 16, at + 16 + kept),
      originalLength: this.#u32(at + 12),
      direction: 0,
      comment: '',
    }
  }

  /** Reads blocks up to and including the next that holds a packet. */
  #nextBlocks(): CapturedPacket | undefined {
    for (;;) {
      const at = this.#at
      if (at === this.#bytes.length) return undefined
      if (at + 12 > this.#bytes.length) return this.#fail('truncated block header')
      const isSection = this.#view.getUint32(at, true) === BLOCK_SECTION
      if (isSection && !this.#readByteOrder(at)) return undefined
      const length = this.#u32(at + 4)
      if (length < 12 || (length & 3) !== 0) return this.#fail(`block length ${length}`)
      const end = at + length
      if (end > this.#bytes.length) return this.#fail('truncated block')
      if (this.#u32(end - 4) !== length) return this.#fail('block lengths differ')
      const packet = this.#readBlock(isSection ? BLOCK_SECTION : this.#u32(at), at + 8, end - 4)
      if (this.error !== null) return undefined
      this.#at = end
      if (packet !== undefined) return packet
    }
  }

  #readByteOrder(at: number): boolean {
    if (this.#view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC) this.#little = true
    else if (this.#view.getUint32(at + 8, false) === BYTE_ORDER_MAGIC) this.#little = false
    else {
      this.#fail('section without byte-order magic')
      return false
    }
    return true
  }

  /** Looks at one block whose body is [at, end). */
  #readBlock(type: number, at: number, end: number): CapturedPacket | undefined {
    switch (type) {
      case BLOCK_SECTION:
        if (end - at < 16) return this.#fail('short section header')
        if (this.#view.getUint16(at + 4, this.#little) !== 1) return this.#fail('pcapng major version is not 1')
        this.interfaces = []
        return undefined
      case BLOCK_INTERFACE:
        return this.#readInterface(at, end)
      case BLOCK_ENHANCED:
        if (end - at < 20) return this.#fail('short packet block')
        return this.#readPacket(this.#u32(at), at, end)
      case BLOCK_PACKET:
        if (end - at < 20) return this.#fail('short packet block')
        return this.#readPacket(this.#view.getUint16(at, this.#little), at, end)
      case BLOCK_SIMPLE:
        return this.#readSimple(at, end)
      default:
        // Name resolution, statistics, custom blocks, and what is yet to come.
        return undefined
    }
  }

  #readInterface(at: number, end: number): undefined {
    if (end - at < 8) return this.#fail('short interface description')
    if (this.interfaces.length >= MAX_INTERFACES) return this.#fail(`more than ${MAX_INTERFACES} interfaces`)
    let name = ''
    let ticks = 1e6
    let offset = 0
    const isWhole = this.#options(at + 8, end, (code, o, length) => {
      if (code === IF_NAME) name = this.#text(o, length)
      else if (code === IF_TSRESOL && length >= 1) ticks = ticksOf(this.#bytes[o] as number)
      else if (code === IF_TSOFFSET && length >= 8) offset = Number(this.#view.getBigInt64(o, this.#little))
    })
    if (!isWhole) return this.#fail('options leave their block')
    const linkType = this.#view.getUint16(at, this.#little)
    this.interfaces.push({ linkType, name, snaplen: this.#u32(at + 4), ticks, offset })
    return undefined
  }

  #readPacket(interfaceId: number, at: number, end: number): CapturedPacket | undefined {
    const iface = this.interfaces[interfaceId]
    if (iface === undefined) return this.#fail(`packet of interface ${interfaceId}, which is not described`)
    const kept = this.#u32(at + 12)
    const padded = Math.ceil(kept / 4) * 4
    if (kept > MAX_CAPTURED) return this.#fail(`captured length ${kept} is more than ${MAX_CAPTURED}`)
    if (at + 20 + padded > end) return this.#fail('packet leaves its block')
    let comment = ''
    let direction = 0
    const isWhole = this.#options(at + 20 + padded, end, (code, o, length) => {
      if (code === OPT_COMMENT) comment += (comment === '' ? '' : '\n') + this.#text(o, length)
      else if (code === EPB_FLAGS && length >= 4) direction = this.#u32(o) & 3
    })
    if (!isWhole) return this.#fail('options leave their block')
    return {
      interface: iface,
      interfaceId,
      time: micros(this.#u32(at + 4), this.#u32(at + 8), iface.ticks) + iface.offset * 1e6,
      bytes: this.#bytes.subarray(at + 20, at + 20 + kept),
      originalLength: this.#u32(at + 16),
      direction: direction === 3 ? 0 : direction,
      comment,
    }
  }

  #readSimple(at: number, end: number): CapturedPacket | undefined {
    const iface = this.interfaces[0]
    if (iface === undefined) return this.#fail('packet of interface 0, which is not described')
    if (end - at < 4) return this.#fail('short packet block')
    const originalLength = this.#u32(at)
    const most = iface.snaplen === 0 ? originalLength : Math.min(originalLength, iface.snaplen)
    if (most > MAX_CAPTURED) return this.#fail(`captured length ${most} is more than ${MAX_CAPTURED}`)
    if (at + 4 + most > end) return this.#fail('packet leaves its block')
    const bytes = this.#bytes.subarray(at + 4, at + 4 + most)
    return { interface: iface, interfaceId: 0, time: Number.NaN, bytes, originalLength, direction: 0, comment: '' }
  }

  /** Shows every option in [at, end) up to the end mark; false if one leaves the block or there are too many. */
  #options(at: number, end: number, show: (code: number, offset: number, length: number) => void): boolean {
    for (let n = 0; at < end; n++) {
      if (n >= MAX_OPTIONS || at + 4 > end) return false
      const code = this.#view.getUint16(at, this.#little)
      const length = this.#view.getUint16(at + 2, this.#little)
      if (code === 0) return true
      if (at + 4 + length > end) return false
      show(code, at + 4, length)
      at += 4 + ((length + 3) & ~3)
    }
    return true
  }

  #text(at: number, length: number): string {
    return this.#decoder.decode(this.#bytes.subarray(at, at + length))
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#little)
  }

  #fail(what: string): undefined {
    this.error = `${what}, at byte ${this.#at}`
    return undefined
  }
}

/** Ticks of a second, from if_tsresol: a negative power of ten, or of two if the top bit is set (pcapng §4.2). */
const ticksOf = (resolution: number): number =>
  (resolution & 0x80) !== 0 ? 2 ** (resolution & 0x7f) : 10 ** resolution

/** Two halves of a 64-bit number of ticks, in microseconds. Exact below 2^53 microseconds for whole microseconds. */
function micros(high: number, low: number, ticks: number): number {
  const whole = high * 4294967296 + low
  if (ticks === 1e6) return whole
  if (Number.isSafeInteger(whole)) return (whole / ticks) * 1e6
  // Nanoseconds since 1970 pass 2^53: divide in integers first.
  const perMicro = ticks / 1e6
  if (!Number.isInteger(perMicro)) return (whole / ticks) * 1e6
  const total = (BigInt(high) << 32n) | BigInt(low)
  const divisor = BigInt(perMicro)
  return Number(total / divisor) + Number(total % divisor) / perMicro
}
