/**
 * Netlink messages in Linux's bytes (netlink(3), rtnetlink(3)): a header, a struct of the type, attributes of length, type and
 * value, each padded to four bytes. Integers are little-endian, addresses in network order.
 */
import { viewOf } from '../wire/bytes.ts'
import { NLMSG_HDRLEN } from './constants.ts'

/** Offsets in struct nlmsghdr. */
const TYPE = 4
const FLAGS = 6
const SEQ = 8
const PID = 12
/** sizeof(struct nlattr) */
const NLA_HDRLEN = 4
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER are no part of an attribute's type. */
const NLA_TYPE_MASK = 0x3fff

/** `length` rounded up to four bytes (NLMSG_ALIGN, NLA_ALIGN). */
export const align4 = (length: number): number => (length + 3) & -4

/** What a message's header says. */
export interface NetlinkHeader {
  readonly type: number
  readonly flags: number
  readonly seq: number
  readonly pid: number
}

/** Writes one message after the other. */
export class MessageWriter {
  #bytes: Uint8Array = new Uint8Array(1024)
  #view: DataView = new DataView(this.#bytes.buffer)
  #length = 0
  #start = 0

  /** Begins a message. */
  begin({ type, flags, seq, pid }: NetlinkHeader): this {
    this.#start = this.#reserve(NLMSG_HDRLEN)
    this.#view.setUint16(this.#start + TYPE, type, true)
    this.#view.setUint16(this.#start + FLAGS, flags, true)
    this.#view.setUint32(this.#start + SEQ, seq, true)
    this.#view.setUint32(this.#start + PID, pid, true)
    return this
  }

  /** Fields of the struct that follows the header. */
  u8(...values: number[]): this {
    for (const value of values) this.#bytes[this.#reserve(1)] = value
    return this
  }

  u16(value: number): this {
    const at = this.#reserve(2)
    this.#view.setUint16(at, value, true)
    return this
  }

  u32(...values: number[]): this {
    for (const value of values) {
      const at = this.#reserve(4)
      this.#view.setUint32(at, value, true)
    }
    return this
  }

  /** 64 bits of a count below 2⁵³. */
  u64(value: number): this {
    return this.u32(value >>> 0, Math.floor(value / 0x100000000))
  }

  /** An IPv4 address, or anything in network order. */
  be32(value: number): this {
    const at = this.#reserve(4)
    this.#view.setInt32(at, value)
    return this
  }

  be16(value: number): this {
    const at = this.#reserve(2)
    this.#view.setUint16(at, value)
    return this
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length)
    this.#bytes.set(value, at)
    return this
  }

  /** An attribute whose value `body` writes. */
  attribute(type: number, body: () => void): this {
    const at = this.#reserve(NLA_HDRLEN)
    body()
    this.#view.setUint16(at, this.#length - at, true)
    this.#view.setUint16(at + 2, type, true)
    this.#reserve(align4(this.#length) - this.#length)
    return this
  }

  attribute8(type: number, value: number): this {
    return this.attribute(type, () => this.u8(value))
  }

  attribute32(type: number, value: number): this {
    return this.attribute(type, () => this.u32(value))
  }

  attributeAddress(type: number, address: number): this {
    return this.attribute(type, () => this.be32(address))
  }

  attributeBytes(type: number, value: Uint8Array): this {
    return this.attribute(type, () => this.bytes(value))
  }

  /** A name and its terminating zero. */
  attributeText(type: number, text: string): this {
    return this.attributeBytes(type, new TextEncoder().encode(`${text}\0`))
  }

  /** The message is complete; it is taken out. */
  end(): Uint8Array {
    this.#view.setUint32(this.#start, this.#length - this.#start, true)
    const made = this.#bytes.slice(this.#start, align4(this.#length))
    this.#length = 0
    return made
  }

  #reserve(size: number): number {
    const at = this.#length
    if (at + size > this.#bytes.length) {
      const larger = new Uint8Array((at + size) * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#bytes.fill(0, at, at + size)
    this.#length = at + size
    return at
  }
}

/** Attributes by type; the last of a type counts (nla_parse). */
export type Attributes = ReadonlyMap<number, Uint8Array>

/** Reads attributes; what is cut off at the end is ignored, as nla_parse does when it is not strict. */
export function parseAttributes(bytes: Uint8Array): Attributes {
  const found = new Map<number, Uint8Array>()
  const view = viewOf(bytes)
  for (let at = 0; at + NLA_HDRLEN <= bytes.length; ) {
    const length = view.getUint16(at, true)
    if (length < NLA_HDRLEN || at + length > bytes.length) break
    found.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + NLA_HDRLEN, at + length))
    at += align4(length)
  }
  return found
}

/** The attribute as an unsigned int, or undefined if there is none or it is too short. */
export function attribute32(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type)
  return value === undefined || value.length < 4 ? undefined : viewOf(value).getUint32(0, true)
}

/** The attribute as an IPv4 address. */
export function attributeAddress(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type)
  return value === undefined || value.length < 4 ? undefined : viewOf(value).getInt32(0)
}

/** The attribute as text, up to the first zero byte. */
export function attributeText(attributes: Attributes, type: number): string | undefined {
  const value = attributes.get(type)
  if (value === undefined) return undefined
  const end = value.indexOf(0)
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end))
}

/** A message as a receiver reads it. */
export interface NetlinkMessage extends NetlinkHeader {
  /** The whole message with its header, and what follows the header. */
  readonly bytes: Uint8Array
  readonly payload: Uint8Array
}

/** The messages of a datagram (NLMSG_NEXT); one whose length makes no sense ends them. */
export function* messages(bytes: Uint8Array): IterableIterator<NetlinkMessage> {
  const view = viewOf(bytes)
  for (let at = 0; at + NLMSG_HDRLEN <= bytes.length; ) {
    const length = view.getUint32(at, true)
    if (length < NLMSG_HDRLEN || at + length > bytes.length) return
    yield {
      type: view.getUint16(at + TYPE, true),
      flags: view.getUint16(at + FLAGS, true),
      seq: view.getUint32(at + SEQ, true),
      pid: view.getUint32(at + PID, true),
      bytes: bytes.subarray(at, at + length),
      payload: bytes.subarray(at + NLMSG_HDRLEN, at + length),
    }
    at += align4(length)
  }
}
