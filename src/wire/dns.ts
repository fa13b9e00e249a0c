/**
 * Domain Name System messages: RFC 1035 §4; AAAA RFC 3596, SRV RFC 2782, name escapes of §5.1, compression §4.1.4. Names are
 * text without the last dot, the root is ''; a dot or backslash in a label is escaped by a backslash, other bytes as \DDD.
 */
import * as ip4 from '../addr/ip4.ts'
import * as ip6 from '../addr/ip6.ts'
import { get16, get32, put16, put32 } from './bytes.ts'

export const PORT = 53
export const HDR_LEN = 12
/** Longest message over UDP without EDNS, longest name and label in bytes (§2.3.4). */
export const MAX_UDP = 512
export const MAX_NAME = 255
export const MAX_LABEL = 63

// Types (§3.2.2 and later), classes.
export const TYPE_A = 1
export const TYPE_NS = 2
export const TYPE_CNAME = 5
export const TYPE_SOA = 6
export const TYPE_PTR = 12
export const TYPE_MX = 15
export const TYPE_TXT = 16
export const TYPE_AAAA = 28
export const TYPE_SRV = 33
export const TYPE_OPT = 41
export const TYPE_ANY = 255
export const CLASS_IN = 1

// Bits of the second word (§4.1.1).
export const FLAG_QR = 0x8000
export const FLAG_AA = 0x0400
export const FLAG_TC = 0x0200
export const FLAG_RD = 0x0100
export const FLAG_RA = 0x0080
const OPCODE_SHIFT = 11
const RCODE_MASK = 0xf

export const NOERROR = 0
export const FORMERR = 1
export const SERVFAIL = 2
export const NXDOMAIN = 3
export const NOTIMP = 4
export const REFUSED = 5

export interface Question {
  readonly name: string
  readonly type: number
  readonly class: number
}

/** What a record says: an address or a name as text, strings, the fields of MX, SRV and SOA, or the bytes as they are. */
export type RecordData =
  | string
  | Uint8Array
  | readonly Uint8Array[]
  | { readonly preference: number; readonly exchange: string }
  | { readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
  | Soa

export interface Soa {
  readonly mname: string
  readonly rname: string
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

export interface ResourceRecord {
  readonly name: string
  readonly type: number
  readonly class: number
  /** Seconds it may be kept. */
  readonly ttl: number
  readonly data: RecordData
}

export interface Message {
  readonly id: number
  /** FLAG_ bits, without opcode and rcode. */
  readonly flags: number
  readonly opcode: number
  readonly rcode: number
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
}

/** A message with what is not given empty: a query without recursion of id 0. */
export const message = (fields: Partial<Message>): Message => ({
  id: 0,
  flags: 0,
  opcode: 0,
  rcode: NOERROR,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
  ...fields,
})

// ---- Names ----

const isPlain = (c: number): boolean => c > 0x20 && c < 0x7f && c !== 0x2e && c !== 0x5c

function labelText(b: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let i = start; i < end; i++) {
    const c = b[i] as number
    if (isPlain(c)) text += String.fromCharCode(c)
    else if (c === 0x2e || c === 0x5c) text += `\\${String.fromCharCode(c)}`
    else text += `\\${c.toString().padStart(3, '0')}`
  }
  return text
}

/** The labels of a name in bytes; undefined if one is empty or too long, or all together are. A dot at the end is allowed. */
export function labels(name: string): Uint8Array[] | undefined {
  const found: Uint8Array[] = []
  if (name === '' || name === '.') return found
  let label: number[] = []
  let total = 1
  for (let i = 0; i <= name.length; i++) {
    const c = i < name.length ? name.charCodeAt(i) : 0x2e
    if (c === 0x2e) {
      if (i === name.length && label.length === 0) break
      if (label.length === 0 || label.length > MAX_LABEL) return undefined
      total += label.length + 1
      found.push(Uint8Array.from(label))
      label = []
    } else if (c === 0x5c) {
      const digits = /^[0-9]{3}/.exec(name.slice(i + 1))?.[0]
      const code = digits === undefined ? name.charCodeAt(i + 1) : Number(digits)
      if (!(code <= 255)) return undefined
      label.push(code)
      i += digits === undefined ? 1 : 3
    } else if (c > 255) return undefined
    else label.push(c)
  }
  return total <= MAX_NAME ? found : undefined
}

/** True if both are the same name: case does not count, nor a dot at the end (§2.3.3). */
export function sameName(a: string, b: string): boolean {
  const plain = (name: string): string => (/[^\\]\.$|^\.$/.test(name) ? name.slice(0, -1) : name).toLowerCase()
  return plain(a) === plain(b)
}

/** The name under which an address's own name is found: in-addr.arpa (§3.5) of four bytes, ip6.arpa (RFC 3596 §2.5) of sixteen. */
export function reverseName(address: Uint8Array): string {
  if (address.length === 4) return `${[...address].reverse().join('.')}.in-addr.arpa`
  const nibbles = [...address].flatMap((b) => [b >> 4, b & 15]).reverse()
  return `${nibbles.map((n) => n.toString(16)).join('.')}.ip6.arpa`
}

// ---- Reading ----

/** Where reading stands; `ok` becomes false at the first thing that is wrong. */
class Reader {
  readonly bytes: Uint8Array
  at = 0
  ok = true

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  skip(n: number): number {
    const at = this.at
    this.at += n
    if (this.at > this.bytes.length) this.ok = false
    return at
  }

  u16(): number {
    return get16(this.bytes, this.skip(2))
  }

  u32(): number {
    return get32(this.bytes, this.skip(4)) >>> 0
  }

  /** A name, perhaps compressed: pointers lead backwards only, so that none is followed for ever. */
  name(): string {
    const { bytes } = this
    const parts: string[] = []
    let at = this.at
    let behind = -1
    let lowest = at
    let total = 1
    for (;;) {
      const n = bytes[at]
      if (n === undefined) return this.#bad()
      if (n >= 0xc0) {
        const to = get16(bytes, at) & 0x3fff
        if (behind < 0) behind = at + 2
        if (at + 1 >= bytes.length || to >= lowest) return this.#bad()
        at = lowest = to
        continue
      }
      if (n > MAX_LABEL || at + 1 + n > bytes.length) return this.#bad()
      at += n + 1
      if (n === 0) break
      total += n + 1
      if (total > MAX_NAME) return this.#bad()
      parts.push(labelText(bytes, at - n, at))
    }
    this.at = behind < 0 ? at : behind
    return parts.join('.')
  }

  #bad(): string {
    this.ok = false
    return ''
  }

  question(): Question {
    return { name: this.name(), type: this.u16(), class: this.u16() }
  }

  record(): ResourceRecord {
    const name = this.name()
    const type = this.u16()
    const kind = this.u16()
    const ttl = this.u32()
    const end = this.u16() + this.at
    if (end > this.bytes.length) this.ok = false
    const data = this.ok ? this.#data(kind === CLASS_IN ? type : 0, end) : ''
    // Names in the data may not reach beyond it.
    if (this.at !== end) this.ok = false
    return { name, type, class: kind, ttl: ttl > 0x7fffffff ? 0 : ttl, data }
  }

  #data(type: number, end: number): RecordData {
    const { bytes } = this
    const length = end - this.at
    if (type === TYPE_A && length === 4) return ip4.format(get32(bytes, this.skip(4)))
    if (type === TYPE_AAAA && length === ip6.LENGTH) return ip6.format(bytes.subarray(this.skip(ip6.LENGTH), end))
    if (type === TYPE_CNAME || type === TYPE_NS || type === TYPE_PTR) return this.name()
    if (type === TYPE_MX) return { preference: this.u16(), exchange: this.name() }
    if (type === TYPE_SRV) return { priority: this.u16(), weight: this.u16(), port: this.u16(), target: this.name() }
    if (type === TYPE_TXT) return this.#strings(end)
    if (type === TYPE_SOA)
      return {
        mname: this.name(),
        rname: this.name(),
        serial: this.u32(),
        refresh: this.u32(),
        retry: this.u32(),
        expire: this.u32(),
        minimum: this.u32(),
      }
    return bytes.slice(this.skip(length), end)
  }

  #strings(end: number): Uint8Array[] {
    const strings: Uint8Array[] = []
    while (this.at < end) {
      const n = this.bytes[this.skip(1)] as number
      strings.push(this.bytes.slice(this.at, this.at + n))
      this.skip(n)
    }
    return strings
  }
}

/** Reads a message; undefined if it is not a whole one. What stands behind the last record does not count. */
export function parse(bytes: Uint8Array): Message | undefined {
  if (bytes.length < HDR_LEN) return undefined
  const r = new Reader(bytes)
  const id = r.u16()
  const word = r.u16()
  const counts = [r.u16(), r.u16(), r.u16(), r.u16()] as const
  const many = <T>(count: number, read: () => T): T[] => {
    const list: T[] = []
    for (let i = 0; i < count && r.ok; i++) list.push(read())
    return list
  }
  const questions = many(counts[0], () => r.question())
  const [answers = [], authorities = [], additionals = []] = [1, 2, 3].map((i) =>
    many(counts[i as 1 | 2 | 3], () => r.record()),
  )
  if (!r.ok) return undefined
  const opcode = (word >>> OPCODE_SHIFT) & 0xf
  const flags = word & ~((0xf << OPCODE_SHIFT) | RCODE_MASK)
  return { id, flags, opcode, rcode: word & RCODE_MASK, questions, answers, authorities, additionals }
}

// ---- Writing ----

/** Names up to here in a message can be pointed at (§4.1.4). */
const MAX_POINTER = 0x3fff

class Writer {
  #bytes: Uint8Array = new Uint8Array(MAX_UDP)
  at = 0
  /** Where each name, by its labels in lower case, stands. */
  readonly #names: Map<string, number> = new Map()

  get bytes(): Uint8Array {
    return this.#bytes.slice(0, this.at)
  }

  room(n: number): number {
    const at = this.at
    this.at += n
    if (this.at > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(this.at, 2 * this.#bytes.length))
      bigger.set(this.#bytes)
      this.#bytes = bigger
    }
    return at
  }

  u16(v: number): void {
    const at = this.room(2)
    put16(this.#bytes, at, v)
  }

  u32(v: number): void {
    const at = this.room(4)
    put32(this.#bytes, at, v)
  }

  put(b: Uint8Array): void {
    const at = this.room(b.length)
    this.#bytes.set(b, at)
  }

  /** A name, its end perhaps a pointer to an earlier one. */
  name(name: string): void {
    const parts = labels(name)
    if (parts === undefined) throw new RangeError(`name: not a domain name: ${JSON.stringify(name)}`)
    for (let i = 0; i < parts.length; i++) {
      const rest = parts
        .slice(i)
        .map((p) => `${labelText(p, 0, p.length)}.`)
        .join('')
        .toLowerCase()
      const known = this.#names.get(rest)
      if (known !== undefined) {
        this.u16(0xc000 | known)
        return
      }
      if (this.at <= MAX_POINTER) this.#names.set(rest, this.at)
      const label = parts[i] as Uint8Array
      this.put(Uint8Array.of(label.length))
      this.put(label)
    }
    this.put(Uint8Array.of(0))
  }

  record(record: ResourceRecord): void {
    this.name(record.name)
    this.u16(record.type)
    this.u16(record.class)
    this.u32(record.ttl)
    const at = this.room(2)
    this.#data(record.type, record.data)
    put16(this.#bytes, at, this.at - at - 2)
  }

  #data(type: number, data: RecordData): void {
    if (typeof data === 'string') {
      if (type === TYPE_A) this.u32(mustParse(ip4.parse(data), data))
      else if (type === TYPE_AAAA) this.put(mustParse(ip6.parse(data), data))
      else this.name(data)
    } else if (data instanceof Uint8Array) this.put(data)
    else if ('exchange' in data) {
      this.u16(data.preference)
      this.name(data.exchange)
    } else if ('target' in data) {
      for (const field of [data.priority, data.weight, data.port]) this.u16(field)
      this.name(data.target)
    } else if ('mname' in data) {
      this.name(data.mname)
      this.name(data.rname)
      for (const field of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) this.u32(field)
    } else {
      for (const string of data) {
        this.put(Uint8Array.of(string.length))
        this.put(string)
      }
    }
  }
}

function mustParse<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new RangeError(`data: not an address: ${JSON.stringify(text)}`)
  return value
}

/** Writes a message. Longer than `limit` bytes, it is cut to its questions with TC set (RFC 2181 §9). */
export function emit(m: Message, limit: number = Infinity): Uint8Array {
  const w = new Writer()
  w.u16(m.id)
  w.u16(m.flags | ((m.opcode & 0xf) << OPCODE_SHIFT) | (m.rcode & RCODE_MASK))
  for (const section of [m.questions, m.answers, m.authorities, m.additionals]) w.u16(section.length)
  for (const { name, type, class: kind } of m.questions) {
    w.name(name)
    w.u16(type)
    w.u16(kind)
  }
  for (const section of [m.answers, m.authorities, m.additionals]) for (const record of section) w.record(record)
  if (w.at <= limit) return w.bytes
  return emit({ ...m, flags: m.flags | FLAG_TC, answers: [], authorities: [], additionals: [] })
}
