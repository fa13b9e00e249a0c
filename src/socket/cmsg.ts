/**
 * Control messages in Linux's binary form (cmsg(3), struct cmsghdr of 64-bit Linux, little-endian): a header of 16 bytes
 * with length, level and type, the data, and padding to 8 bytes. Programs that prefer objects never see this.
 */
import { PACKET_AUXDATA, SOL_PACKET } from '../packet/constants.ts'
import * as so from '../sock/constants.ts'
import { type ControlData, type ControlMessage, MALFORMED } from '../sock/message.ts'
import { viewOf } from '../wire/bytes.ts'

/** sizeof(struct cmsghdr) */
export const CMSG_HDR_LEN = 16

/** `length` rounded up to where the next header may begin (CMSG_ALIGN(3)). */
export const CMSG_ALIGN = (length: number): number => (length + 7) & -8
/** What a message with `length` bytes of data takes up in a buffer, padding included (CMSG_SPACE(3)). */
export const CMSG_SPACE = (length: number): number => CMSG_HDR_LEN + CMSG_ALIGN(length)
/** What `cmsg_len` says of a message with `length` bytes of data (CMSG_LEN(3)). */
export const CMSG_LEN = (length: number): number => CMSG_HDR_LEN + length

/**
 * Fields of each message's data: b a byte, h and H 16 bits in host and network order, i and u 32 bits signed and unsigned, A an
 * IPv4 address, q 64 bits; an asterisk repeats the field before it.
 */
const LAYOUTS: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [so.SOL_SOCKET]: {
    [so.SCM_RIGHTS]: 'i*',
    [so.SCM_CREDENTIALS]: 'iuu',
    [so.SO_PRIORITY]: 'u',
    [so.SO_TIMESTAMP]: 'qq',
    [so.SO_TIMESTAMPNS]: 'qq',
    [so.SO_MARK]: 'u',
    [so.SO_TIMESTAMPING]: 'qqqqqq',
    [so.SO_RXQ_OVFL]: 'u',
    [so.SCM_TIMESTAMPING_PKTINFO]: 'uuuu',
    [so.SCM_TXTIME]: 'q',
    [so.SO_TIMESTAMP_NEW]: 'qq',
    [so.SO_TIMESTAMPNS_NEW]: 'qq',
    [so.SO_TIMESTAMPING_NEW]: 'qqqqqq',
    [so.SCM_TS_OPT_ID]: 'u',
  },
  [so.SOL_IP]: {
    [so.IP_TOS]: 'b',
    [so.IP_TTL]: 'i',
    [so.IP_PKTINFO]: 'iAA',
    [so.IP_RECVERR]: 'ubbbbuuhHAq',
    [so.IP_ORIGDSTADDR]: 'hHAq',
    [so.IP_RECVFRAGSIZE]: 'i',
    [so.IP_PROTOCOL]: 'i',
  },
  [SOL_PACKET]: { [PACKET_AUXDATA]: 'uuuhhhh' },
  [so.SOL_TCP]: { [so.TCP_INQ]: 'i' },
  [so.SOL_UDP]: { [so.UDP_SEGMENT]: 'h', [so.UDP_GRO]: 'i' },
}

const SIZES: Readonly<Record<string, number>> = { b: 1, h: 2, H: 2, i: 4, u: 4, A: 4, q: 8 }
const TWO_32 = 4294967296

const layoutOf = (level: number, type: number): string | undefined => LAYOUTS[level]?.[type]

function put(view: DataView, at: number, field: string, value: number): void {
  if (field === 'b') view.setUint8(at, value)
  else if (field === 'h') view.setUint16(at, value, true)
  else if (field === 'H') view.setUint16(at, value)
  else if (field === 'A') view.setInt32(at, value)
  else view.setUint32(at, value, true)
  if (field === 'q') view.setInt32(at + 4, Math.floor(value / TWO_32), true)
}

function get(view: DataView, at: number, field: string): number {
  if (field === 'b') return view.getUint8(at)
  if (field === 'h') return view.getUint16(at, true)
  if (field === 'H') return view.getUint16(at)
  if (field === 'A') return view.getInt32(at)
  if (field === 'i') return view.getInt32(at, true)
  return view.getUint32(at, true) + (field === 'q' ? view.getInt32(at + 4, true) * TWO_32 : 0)
}

/** The fields of a layout, a repeated one `count` times. */
const fieldsOf = (layout: string, count: number): string =>
  layout.endsWith('*') ? layout.charAt(0).repeat(count) : layout

const sizeOf = (fields: string): number => {
  let size = 0
  for (const field of fields) size += SIZES[field] as number
  return size
}

/** The data of a control message as Linux lays it out. Ints where no layout is known. */
export function encodeData(level: number, type: number, data: ControlData): Uint8Array {
  if (data instanceof Uint8Array) return data
  const words = typeof data === 'number' ? [data] : data
  const fields = fieldsOf(layoutOf(level, type) ?? 'i*', words.length)
  const bytes = new Uint8Array(sizeOf(fields))
  const view = viewOf(bytes)
  let at = 0
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as string
    put(view, at, field, words[i] ?? 0)
    at += SIZES[field] as number
  }
  return bytes
}

/** The fields of a control message's data; a copy of the bytes if their layout is not known or they are not as long as it. */
export function decodeData(level: number, type: number, bytes: Uint8Array): ControlData {
  const layout = layoutOf(level, type)
  const fields = layout === undefined ? '' : fieldsOf(layout, bytes.length >> 2)
  const isOdd = layout === undefined || (!layout.endsWith('*') && sizeOf(fields) !== bytes.length)
  if (isOdd) return bytes.slice()
  const view = viewOf(bytes)
  const words: number[] = []
  let at = 0
  for (const field of fields) {
    words.push(get(view, at, field))
    at += SIZES[field] as number
  }
  return layout.length === 1 ? (words[0] as number) : words
}

/** The messages of a program's control buffer (CMSG_FIRSTHDR, CMSG_NXTHDR); one of senseless length ends them as MALFORMED. */
export function decodeControl(bytes: Uint8Array): ControlMessage[] {
  const view = viewOf(bytes)
  const all: ControlMessage[] = []
  for (let at = 0; at + CMSG_HDR_LEN <= bytes.length; ) {
    const length = get(view, at, 'q')
    if (!(length >= CMSG_HDR_LEN && length <= bytes.length - at)) return [...all, MALFORMED]
    const level = view.getInt32(at + 8, true)
    const type = view.getInt32(at + 12, true)
    all.push({ level, type, data: decodeData(level, type, bytes.subarray(at + CMSG_HDR_LEN, at + length)) })
    at += CMSG_ALIGN(length)
  }
  return all
}

/** Control messages as Linux lays them out, one after the other. */
export function encodeControl(messages: readonly ControlMessage[]): Uint8Array {
  const parts = messages.map(({ level, type, data }) => ({ level, type, data: encodeData(level, type, data) }))
  const bytes = new Uint8Array(parts.reduce((size, { data }) => size + CMSG_SPACE(data.length), 0))
  const writer = new ControlWriter(bytes)
  for (const { level, type, data } of parts) writer.put(level, type, data)
  return bytes
}

/** Fills a program's control buffer as put_cmsg does: what does not fit is cut off. */
export class ControlWriter {
  readonly #bytes: Uint8Array
  /** Bytes written, the last message's padding included (msg_controllen on return). */
  length = 0
  /** Something was cut off (MSG_CTRUNC). */
  isTruncated = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get room(): number {
    return this.#bytes.length - this.length
  }

  /** How many descriptors fit (scm_max_fds). */
  get fileRoom(): number {
    return this.room <= CMSG_HDR_LEN ? 0 : Math.floor((this.room - CMSG_HDR_LEN) / 4)
  }

  put(level: number, type: number, data: ControlData): void {
    if (this.room < CMSG_HDR_LEN) {
      this.isTruncated = true
      return
    }
    const bytes = encodeData(level, type, data)
    const { room } = this
    const length = Math.min(CMSG_LEN(bytes.length), room)
    if (length < CMSG_LEN(bytes.length)) this.isTruncated = true
    const view = viewOf(this.#bytes)
    put(view, this.length, 'q', length)
    view.setInt32(this.length + 8, level, true)
    view.setInt32(this.length + 12, type, true)
    this.#bytes.set(bytes.subarray(0, length - CMSG_HDR_LEN), this.length + CMSG_HDR_LEN)
    this.length += Math.min(CMSG_SPACE(bytes.length), room)
  }
}
