/**
 * Capture files, written: pcapng (draft-ietf-opsawg-pcapng) and classic pcap (draft-ietf-opsawg-pcap), little-endian
 * whatever the machine, so that the same packets give the same bytes. Reading is pcap-reader.ts.
 *
 * What is written is what a wire would carry, as far as a host knows: checksums left to a device are filled in in the
 * copy; segments longer than the MTU stay as long as they are, as in Linux's own captures.
 */
import { CSUM_PARTIAL, type Packet } from '../buf/packet.ts'
import type { Clock } from '../sys/clock.ts'
import { put16 } from '../wire/bytes.ts'
import { finish, sumBytes } from '../wire/checksum.ts'
import { UDP_CSUM_OFFSET } from './gso.ts'
import type { Medium } from './link.ts'

/** LINKTYPE_ETHERNET and LINKTYPE_RAW (an IP header): tcpdump.org/linktypes.html. */
export const LINKTYPE_ETHERNET = 1
export const LINKTYPE_RAW = 101

/** Which way a packet went, as epb_flags bits 0-1. */
export const DIRECTION_UNKNOWN = 0
export const DIRECTION_IN = 1
export const DIRECTION_OUT = 2

/** Bytes kept of a packet unless told otherwise: tcpdump's. */
export const SNAPLEN = 262144
/** Characters kept of a comment. */
export const COMMENT_LIMIT = 4096

/** Block types, pcapng §4. */
export const BLOCK_SECTION = 0x0a0d0d0a
export const BLOCK_INTERFACE = 1
export const BLOCK_SIMPLE = 3
export const BLOCK_ENHANCED = 6
/** The section header's byte-order magic, pcapng §4.1. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d
/** Option codes, pcapng §3.5.1, §4.1, §4.2, §4.3. */
export const OPT_COMMENT = 1
export const SHB_USERAPPL = 4
export const IF_NAME = 2
export const IF_TSRESOL = 9
export const IF_TSOFFSET = 14
export const EPB_FLAGS = 2
/** Classic pcap's magic for microseconds and for nanoseconds. */
export const PCAP_MAGIC_US = 0xa1b2c3d4
export const PCAP_MAGIC_NS = 0xa1b23c4d

/** Where a capture's bytes go: a file, an array, a stream. It may keep what it is given. */
export interface ByteSink {
  write(bytes: Uint8Array): void
}

/** What both writers have in common, and what `capture` needs. */
export interface PacketWriter {
  addInterface(medium: Medium, name?: string): number
  write(interfaceId: number, packet: Packet, direction: number, comment?: string): void
}

/** Collects a capture in memory. */
export class MemorySink implements ByteSink {
  readonly #parts: Uint8Array[] = []
  length = 0

  write(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.length += bytes.length
  }

  /** All that was written, in one piece. */
  toBytes(): Uint8Array {
    const all = new Uint8Array(this.length)
    let at = 0
    for (const part of this.#parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }
}

export interface PcapOptions {
  /** Bytes kept of a packet, SNAPLEN unless told otherwise. */
  readonly snaplen?: number
}

/** The bytes of `packet` as a capture shows them: a checksum that a device was to fill in is filled in. */
export function wireBytes(packet: Packet): Uint8Array {
  const bytes = packet.toBytes()
  if (packet.csum !== CSUM_PARTIAL) return bytes
  const l4 = packet.l4 - packet.start
  const at = l4 + packet.csumOffset
  if (l4 < 0 || at + 2 > bytes.length) return bytes
  const sum = finish(sumBytes(bytes, l4, bytes.length - l4, 0))
  put16(bytes, at, sum === 0 && packet.csumOffset === UDP_CSUM_OFFSET ? 0xffff : sum)
  return bytes
}

const pad4 = (n: number): number => (n + 3) & ~3

/** Writes one pcapng section. The section header is written at once, an interface's description when it is added. */
export class PcapngWriter implements PacketWriter {
  /** Packets written. */
  packets = 0
  readonly #sink: ByteSink
  readonly #clock: Clock
  readonly #snaplen: number
  readonly #encoder = new TextEncoder()
  #interfaces = 0

  constructor(sink: ByteSink, clock: Clock, options: PcapOptions = {}) {
    this.#sink = sink
    this.#clock = clock
    this.#snaplen = options.snaplen ?? SNAPLEN
    const program = this.#encoder.encode('sockeye')
    const view = newBlock(BLOCK_SECTION, 16 + 4 + pad4(program.length) + 4)
    view.setUint32(8, BYTE_ORDER_MAGIC, true)
    view.setUint16(12, 1, true)
    view.setUint16(14, 0, true)
    // Section length -1: not told.
    view.setInt32(16, -1, true)
    view.setInt32(20, -1, true)
    putOption(view, 24, SHB_USERAPPL, program)
    this.#emit(view)
  }

  /** Describes one more interface; gives the number that `write` takes. */
  addInterface(medium: Medium, name?: string): number {
    const text = name === undefined ? undefined : this.#encoder.encode(name.slice(0, COMMENT_LIMIT))
    const view = newBlock(BLOCK_INTERFACE, 8 + (text === undefined ? 0 : 4 + pad4(text.length)) + 8 + 4)
    view.setUint16(8, medium === 'ethernet' ? LINKTYPE_ETHERNET : LINKTYPE_RAW, true)
    view.setUint32(12, this.#snaplen, true)
    let at = 16
    if (text !== undefined) at = putOption(view, at, IF_NAME, text)
    // 10^-6 seconds.
    putOption(view, at, IF_TSRESOL, Uint8Array.of(6))
    this.#emit(view)
    return this.#interfaces++
  }

  /** Writes a packet as it is now, stamped with the clock's time; `comment` says, for one, why it was dropped. */
  write(interfaceId: number, packet: Packet, direction: number, comment?: string): void {
    this.writeBytes(interfaceId, wireBytes(packet), direction, comment)
  }

  /** Writes a packet given as bytes. */
  writeBytes(interfaceId: number, bytes: Uint8Array, direction: number, comment?: string): void {
    const kept = Math.min(bytes.length, this.#snaplen)
    const text = comment === undefined ? undefined : this.#encoder.encode(comment.slice(0, COMMENT_LIMIT))
    const flags = direction === DIRECTION_UNKNOWN ? 0 : 8
    const options = (text === undefined ? 0 : 4 + pad4(text.length)) + flags
    const view = newBlock(BLOCK_ENHANCED, 20 + pad4(kept) + (options === 0 ? 0 : options + 4))
    const time = Math.floor(this.#clock.epoch + this.#clock.now())
    view.setUint32(8, interfaceId, true)
    view.setUint32(12, Math.floor(time / 4294967296), true)
    view.setUint32(16, time % 4294967296, true)
    view.setUint32(20, kept, true)
    view.setUint32(24, bytes.length, true)
    new Uint8Array(view.buffer).set(kept === bytes.length ? bytes : bytes.subarray(0, kept), 28)
    let at = 28 + pad4(kept)
    if (flags > 0) at = putOption(view, at, EPB_FLAGS, Uint8Array.of(direction & 3, 0, 0, 0))
    if (text !== undefined) putOption(view, at, OPT_COMMENT, text)
    this.packets++
    this.#emit(view)
  }

  #emit(view: DataView): void {
    this.#sink.write(new Uint8Array(view.buffer))
  }
}

/** A block of `body` bytes between the two lengths, zeros so far: an end-of-options mark is there by itself. */
function newBlock(type: number, body: number): DataView {
  const length = 12 + body
  const view = new DataView(new ArrayBuffer(length))
  view.setUint32(0, type, true)
  view.setUint32(4, length, true)
  view.setUint32(length - 4, length, true)
  return view
}

/** Writes an option; where the next one goes. */
function putOption(view: DataView, at: number, code: number, value: Uint8Array): number {
  view.setUint16(at, code, true)
  view.setUint16(at + 2, value.length, true)
  new Uint8Array(view.buffer).set(value, at + 4)
  return at + 4 + pad4(value.length)
}

/** Writes classic pcap: one kind of link, no directions, no comments. The header comes with the first interface. */
export class PcapWriter implements PacketWriter {
  packets = 0
  readonly #sink: ByteSink
  readonly #clock: Clock
  readonly #snaplen: number
  #medium: Medium | null = null

  constructor(sink: ByteSink, clock: Clock, options: PcapOptions = {}) {
    this.#sink = sink
    this.#clock = clock
    this.#snaplen = options.snaplen ?? SNAPLEN
  }

  /** All interfaces must be of one medium: the format has one link type for the file. */
  addInterface(medium: Medium, _name?: string): number {
    if (this.#medium !== null && this.#medium !== medium)
      throw new TypeError(`addInterface: medium '${medium}' in a pcap file of '${this.#medium}'; pcapng takes both`)
    if (this.#medium !== null) return 0
    this.#medium = medium
    const view = new DataView(new ArrayBuffer(24))
    view.setUint32(0, PCAP_MAGIC_US, true)
    view.setUint16(4, 2, true)
    view.setUint16(6, 4, true)
    view.setUint32(16, this.#snaplen, true)
    view.setUint32(20, medium === 'ethernet' ? LINKTYPE_ETHERNET : LINKTYPE_RAW, true)
    this.#sink.write(new Uint8Array(view.buffer))
    return 0
  }

  write(_interfaceId: number, packet: Packet, _direction: number, _comment?: string): void {
    this.writeBytes(wireBytes(packet))
  }

  /** Writes a packet given as bytes. */
  writeBytes(bytes: Uint8Array): void {
    const kept = Math.min(bytes.length, this.#snaplen)
    const view = new DataView(new ArrayBuffer(16 + kept))
    const time = Math.floor(this.#clock.epoch + this.#clock.now())
    view.setUint32(0, Math.floor(time / 1e6), true)
    view.setUint32(4, time % 1e6, true)
    view.setUint32(8, kept, true)
    view.setUint32(12, bytes.length, true)
    const block = new Uint8Array(view.buffer)
    block.set(kept === bytes.length ? bytes : bytes.subarray(0, kept), 16)
    this.packets++
    this.#sink.write(block)
  }
}
