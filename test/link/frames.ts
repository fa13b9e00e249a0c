/** Frames for link tests: Ethernet, IPv4 and TCP or UDP, with checksums as a sender leaves them. */
import { CSUM_NONE, CSUM_PARTIAL, type Packet } from '../../src/buf/packet.ts'
import type { PacketPool } from '../../src/buf/pool.ts'
import { completeChecksum } from '../../src/link/gso.ts'
import * as checksum from '../../src/wire/checksum.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'

export const SRC = 0x0a000001
export const DST = 0x0a000002

/** 02:00:00:00:00:n */
export const mac = (n: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, n >>> 8, n & 255)
export const BROADCAST: Uint8Array = new Uint8Array(6).fill(0xff)

export interface FrameOptions {
  readonly from?: Uint8Array
  readonly to?: Uint8Array
  readonly payload?: number
  readonly seed?: number
  readonly seq?: number
  readonly ack?: number
  readonly flags?: number
  readonly window?: number
  readonly id?: number
  readonly df?: boolean
  readonly tos?: number
  readonly srcPort?: number
  readonly options?: Uint8Array
  readonly gsoSize?: number
  /** Payload in slices of chunks rather than in the linear part. */
  readonly slices?: number
  /** Leave the checksum to the device; complete it otherwise. */
  readonly partial?: boolean
  /** No Ethernet header. */
  readonly ip?: boolean
}

const TIMESTAMPS = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9)

/** Byte `i` of the stream that all payloads are parts of: position is what a mistake would get wrong. */
export const streamByte = (i: number): number => (Math.imul(i + 1, 0x9e3779b1) >>> 24) ^ (i & 255)

/** A TCP segment whose payload is bytes [seq, seq + payload) of the stream. */
export function tcpFrame(pool: PacketPool, o: FrameOptions = {}): Packet {
  const options = o.options ?? TIMESTAMPS
  const payload = o.payload ?? 100
  const seq = o.seq ?? 0
  const headerLen = tcp.HDR_LEN + options.length
  const p = pool.allocHeader(headerLen + (o.slices === undefined ? payload : 0))
  const at = p.put(headerLen)
  tcp.emit(p.bytes, at, o.srcPort ?? 1000, 7777, seq, o.ack ?? 5, headerLen, o.flags ?? tcp.ACK, o.window ?? 500)
  p.bytes.set(options, at + tcp.HDR_LEN)
  addPayload(p, payload, seq, o.slices)
  p.l4 = at
  p.csumOffset = 16
  return addNetwork(p, ipv4.PROTO_TCP, o)
}

/** A UDP datagram whose payload is bytes [seed, seed + payload) of the stream. */
export function udpFrame(pool: PacketPool, o: FrameOptions = {}): Packet {
  const payload = o.payload ?? 100
  const p = pool.allocHeader(udp.HDR_LEN + (o.slices === undefined ? payload : 0))
  const at = p.put(udp.HDR_LEN)
  udp.emitHeader(p.bytes, at, o.srcPort ?? 1000, 9, udp.HDR_LEN + payload)
  addPayload(p, payload, o.seed ?? 0, o.slices)
  p.l4 = at
  p.csumOffset = 6
  return addNetwork(p, ipv4.PROTO_UDP, o)
}

function addPayload(p: Packet, payload: number, from: number, slices: number | undefined): void {
  if (slices === undefined) {
    const at = p.put(payload)
    for (let i = 0; i < payload; i++) p.bytes[at + i] = streamByte(from + i)
    return
  }
  for (let i = 0, left = payload; i < slices; i++) {
    const size = i === slices - 1 ? left : Math.floor(payload / slices)
    const chunk = p.pool.takeChunk(size + i)
    // Slices begin at different offsets, odd ones too.
    for (let k = 0; k < size; k++) chunk.bytes[i + k] = streamByte(from + payload - left + k)
    p.addFrag(chunk, i, size)
    chunk.unref()
    left -= size
  }
}

function addNetwork(p: Packet, protocol: number, o: FrameOptions): Packet {
  const length = p.length
  const at = p.push(ipv4.HDR_LEN)
  const b = p.bytes
  b.fill(0, at, at + ipv4.HDR_LEN)
  b[at] = 0x45
  ipv4.setTos(b, at, o.tos ?? 0)
  ipv4.setTotalLength(b, at, ipv4.HDR_LEN + length)
  ipv4.setId(b, at, o.id ?? 1)
  ipv4.setFragmentWord(b, at, (o.df ?? true) ? ipv4.DF : 0)
  ipv4.setTtl(b, at, 64)
  b[at + 9] = protocol
  ipv4.setSrc(b, at, SRC)
  ipv4.setDst(b, at, DST)
  ipv4.setChecksumField(b, at, checksum.finish(checksum.sumBytes(b, at, ipv4.HDR_LEN, 0)))
  p.l3 = at
  p.protocol = protocol
  p.etherType = ethernet.TYPE_IPV4
  p.saddr = SRC
  p.daddr = DST
  p.csum = CSUM_PARTIAL
  const sumAt = p.l4 + p.csumOffset
  const pseudo = checksum.fold(checksum.pseudo4(SRC, DST, protocol, length))
  b[sumAt] = pseudo >>> 8
  b[sumAt + 1] = pseudo & 255
  if (o.gsoSize !== undefined) {
    p.gsoSize = o.gsoSize
    p.gsoSegments = Math.ceil((o.payload ?? 100) / o.gsoSize)
  }
  if (o.partial !== true && o.gsoSize === undefined) completeChecksum(p)
  if (o.ip !== true) {
    const frame = p.push(ethernet.HDR_LEN)
    ethernet.emit(p.bytes, frame, o.to ?? mac(2), o.from ?? mac(1), ethernet.TYPE_IPV4)
  }
  return p
}

/** True if the frame's IP and transport checksums are right, by a sum over every byte in the plainest way. */
export function checksumsAreRight(frame: Uint8Array, l3 = 14): boolean {
  const headerLen = ipv4.headerLength(frame, l3)
  const total = ipv4.totalLength(frame, l3)
  const l4Len = total - headerLen
  const pseudo = plainSum(frame, l3 + 12, 8) + ipv4.protocol(frame, l3) + l4Len
  const network = plainSum(frame, l3, headerLen)
  return network % 65535 === 0 && (pseudo + plainSum(frame, l3 + headerLen, l4Len)) % 65535 === 0
}

function plainSum(b: Uint8Array, o: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i++) sum += (b[o + i] as number) * (i % 2 === 0 ? 256 : 1)
  return sum
}

/** A plain received packet with these bytes, as a device would hand it up: nothing known about its checksum. */
export function received(pool: PacketPool, frame: Uint8Array): Packet {
  const p = pool.fromBytes(frame)
  p.csum = CSUM_NONE
  p.l3 = p.start + ethernet.HDR_LEN
  return p
}
