/**
 * Values as bytes in shared memory: what structured clone does between workers, without an event loop. Numbers, texts, bytes,
 * arrays, plain objects and the classes that calls take and fill in. Layout: one tag byte, then the value, little-endian.
 */
import { FdSet } from '../host/select.ts'
import { SigSet } from '../host/sigset.ts'
import { SockAddr } from '../sock/address.ts'
import { SockaddrBuffer } from '../socket/sockaddr.ts'

const UNDEFINED = 0
const NULL = 1
const TRUE = 2
const FALSE = 3
const INT32 = 4
const DOUBLE = 5
const BIGINT = 6
const TEXT = 7
const BYTES = 8
const WORDS = 9
const ARRAY = 10
const OBJECT = 11
/** Plus the place in `CLASSES`. */
const CLASS = 16

/** Classes whose objects stay what they are on the other side. */
const CLASSES: readonly (new () => object)[] = [SockAddr, SockaddrBuffer, FdSet, SigSet]

type Fields = Record<string, unknown>

/** Deepest nesting of arrays and objects. */
const MAX_DEPTH = 16

/** Writes values into bytes; `RangeError` when they are too few. */
export class Encoder {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #text: InstanceType<typeof TextEncoder> = new TextEncoder()
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Begins at the beginning. */
  begin(): this {
    this.at = 0
    return this
  }

  #tag(tag: number, more: number): void {
    if (this.at + 1 + more > this.#bytes.length) {
      throw new RangeError(`a call of more than ${this.#bytes.length} bytes: give the thread more (dataBytes)`)
    }
    this.#view.setUint8(this.at++, tag)
  }

  #count(tag: number, count: number, size: number): void {
    this.#tag(tag, 4 + count * size)
    this.#view.setUint32(this.at, count, true)
    this.at += 4
  }

  /** TypeError for what has no bytes: functions, symbols, objects of other classes. */
  put(value: unknown, depth: number = 0): void {
    if (value === undefined || value === null) this.#tag(value === null ? NULL : UNDEFINED, 0)
    else if (typeof value === 'boolean') this.#tag(value ? TRUE : FALSE, 0)
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'bigint') this.#chars(BIGINT, String(value))
    else if (typeof value === 'string') this.#chars(TEXT, value)
    else if (value instanceof Uint8Array) this.#octets(BYTES, value)
    else if (value instanceof Uint32Array) {
      this.#octets(WORDS, new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    } else if (typeof value === 'object' && depth < MAX_DEPTH) this.#object(value, depth + 1)
    else throw new TypeError(`not to be passed between threads: ${typeof value} ${String(value)}`)
  }

  #number(value: number): void {
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.#tag(INT32, 4)
      this.#view.setInt32(this.at, value, true)
      this.at += 4
    } else {
      this.#tag(DOUBLE, 8)
      this.#view.setFloat64(this.at, value, true)
      this.at += 8
    }
  }

  #chars(tag: number, text: string): void {
    // Encoded apart: no platform's TextEncoder writes into shared memory.
    this.#octets(tag, this.#text.encode(text))
  }

  #octets(tag: number, bytes: Uint8Array): void {
    this.#count(tag, bytes.length, 1)
    this.#bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) {
      this.#count(ARRAY, value.length, 1)
      for (let i = 0; i < value.length; i++) this.put(value[i], depth)
      return
    }
    const made = Object.getPrototypeOf(value)?.constructor as (new () => object) | undefined
    const place = made === undefined ? -1 : CLASSES.indexOf(made)
    if (place < 0 && made !== Object && made !== undefined) {
      throw new TypeError(`not to be passed between threads: an object of class ${made.name}`)
    }
    const entries = Object.entries(value)
    this.#count(place < 0 ? OBJECT : CLASS + place, entries.length, 1)
    for (const [key, field] of entries) {
      this.#chars(TEXT, key)
      this.put(field, depth)
    }
  }
}

/** Reads what an `Encoder` wrote. */
export class Decoder {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #text: InstanceType<typeof TextDecoder> = new TextDecoder()
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Begins at the beginning. */
  begin(): this {
    this.at = 0
    return this
  }

  get(): unknown {
    const tag = this.#view.getUint8(this.at++)
    switch (tag) {
      case UNDEFINED:
        return undefined
      case NULL:
        return null
      case TRUE:
      case FALSE:
        return tag === TRUE
      case INT32:
        this.at += 4
        return this.#view.getInt32(this.at - 4, true)
      case DOUBLE:
        this.at += 8
        return this.#view.getFloat64(this.at - 8, true)
      case BIGINT:
        return BigInt(this.#text.decode(this.#octets()))
      case TEXT:
        return this.#text.decode(this.#octets())
      case BYTES:
        return this.#octets()
      case WORDS:
        return new Uint32Array(this.#octets().buffer)
      case ARRAY:
        return Array.from({ length: this.#count() }, () => this.get())
      default:
        return this.#object(tag === OBJECT ? {} : new (CLASSES[tag - CLASS] as new () => object)())
    }
  }

  #count(): number {
    this.at += 4
    return this.#view.getUint32(this.at - 4, true)
  }

  /** A copy: the shared bytes will change. */
  #octets(): Uint8Array<ArrayBuffer> {
    const length = this.#count()
    const bytes = new Uint8Array(length)
    bytes.set(this.#bytes.subarray(this.at, this.at + length))
    this.at += length
    return bytes
  }

  #object(into: object): object {
    for (let left = this.#count(); left > 0; left--) {
      const key = this.get() as string
      ;(into as Fields)[key] = this.get()
    }
    return into
  }
}

/** Puts what a call has filled in on the other side into the caller's own objects: `from` is a changed copy of `into`. */
export function copyBack(from: unknown, into: unknown): void {
  if (typeof into !== 'object' || into === null || typeof from !== 'object' || from === null) return
  if (into instanceof Uint8Array || into instanceof Uint32Array) {
    into.set(from as Uint8Array | Uint32Array)
    return
  }
  for (const [key, value] of Object.entries(from)) {
    const old = (into as Fields)[key]
    const isObject = typeof value === 'object' && value !== null && typeof old === 'object' && old !== null
    if (isObject) copyBack(value, old)
    else if (old !== value) (into as Fields)[key] = value
  }
  if (Array.isArray(into)) into.length = (from as unknown[]).length
}
