/** Values of scripts: integers, bytes, socket addresses in Linux's layout, lists and records; and how outcomes are written. */
import { AF_INET, AF_INET6, AF_UNIX } from '../../src/sock/address.ts'
import type { Expr } from './script.ts'
import { ScriptError } from './script.ts'
import { symbol } from './symbols.ts'

/** A struct sockaddr of some length. */
export class Sockaddr {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get family(): number {
    return (this.bytes[0] ?? 0) | ((this.bytes[1] ?? 0) << 8)
  }

  get port(): number {
    return ((this.bytes[2] ?? 0) << 8) | (this.bytes[3] ?? 0)
  }

  /** The name of an AF_UNIX address: a path, or a NUL and an abstract name. */
  get path(): string {
    const text = latin(this.bytes.subarray(2))
    return text.startsWith('\0') ? text : (text.split('\0')[0] as string)
  }
}

export interface ValueRecord {
  readonly [name: string]: Value
}
export type Value = number | Uint8Array | Sockaddr | readonly Value[] | ValueRecord

export const latin = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
export const fromLatin = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' }

/** The bytes of a quoted literal. */
function unquote(text: string): Uint8Array {
  const inner = text
    .slice(1, -1)
    .replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_, code: string) =>
      code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code),
    )
  return fromLatin(inner)
}

const ipv4 = (text: string): number[] => text.split('.').map(Number)

/** The 16 bytes of an IPv6 address. */
function ipv6(text: string): number[] {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  if (dotted !== null) {
    const [a, b, c, d] = ipv4(dotted[2] as string) as [number, number, number, number]
    return ipv6(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`)
  }
  const [head = '', tail] = text.split('::')
  const words = (part: string): number[] => (part === '' ? [] : part.split(':').map((w) => Number.parseInt(w, 16)))
  const before = words(head)
  const after = tail === undefined ? [] : words(tail)
  const middle = tail === undefined ? [] : new Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...middle, ...after].flatMap((word) => [word >> 8, word & 255])
}

/** An address as scripts write it: without a port the bytes of an in_addr or in6_addr. */
function address(text: string): Sockaddr | Uint8Array {
  if (text === 'unspec') return new Sockaddr(new Uint8Array(16))
  if (text.startsWith('unix:')) {
    const name = text.slice(5)
    const path = name.startsWith('@') ? `\0${name.slice(1)}` : name === '' ? '' : `${name}\0`
    return new Sockaddr(Uint8Array.of(AF_UNIX, 0, ...fromLatin(path)))
  }
  const six = /^\[(.*?)(?:%(\d+))?\](?::(\d+))?$/.exec(text)
  if (six !== null) {
    const bytes = ipv6(six[1] as string)
    if (six[3] === undefined) return Uint8Array.from(bytes)
    const port = Number(six[3])
    return new Sockaddr(
      Uint8Array.of(AF_INET6, 0, port >> 8, port & 255, 0, 0, 0, 0, ...bytes, Number(six[2] ?? 0), 0, 0, 0),
    )
  }
  const [host, port] = text.split(':') as [string, string | undefined]
  if (port === undefined) return Uint8Array.from(ipv4(host))
  return new Sockaddr(inet(ipv4(host), Number(port)))
}

/** struct sockaddr_in. */
export const inet = (host: readonly number[], port: number, family: number = AF_INET): Uint8Array =>
  Uint8Array.of(family & 255, family >> 8, port >> 8, port & 255, ...host, 0, 0, 0, 0, 0, 0, 0, 0)

const little = (values: readonly number[], size: number): Uint8Array =>
  Uint8Array.from(values.flatMap((v) => Array.from({ length: size }, (_, i) => Math.floor(v / 2 ** (8 * i)) & 255)))

export const concat = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts))

/** Bytes of a value: those of an int if it is a number. */
export function bytesOf(value: Value | undefined): Uint8Array {
  if (typeof value === 'number') return little([value], 4)
  if (value instanceof Uint8Array) return value
  if (value instanceof Sockaddr) return value.bytes
  if (Array.isArray(value)) return concat(value.map(bytesOf))
  throw new ScriptError('bytes expected')
}

/** What expressions need to know of the run. */
export interface Scope {
  variable(name: string): number | undefined
  /** The name of a socket or of its peer, as getsockname and getpeername give it now. */
  name(fd: number, isPeer: boolean): Sockaddr
  readonly pid: number
}

const numbers = (args: readonly Value[]): number[] =>
  args.map((arg) => {
    if (typeof arg !== 'number') throw new ScriptError('a number expected')
    return arg
  })

/** Constructors of structs, and the few functions, by name. */
function construct(name: string, args: readonly Value[], scope: Scope): Value {
  switch (name) {
    case 'int':
    case 'linger':
    case 'timeval32':
    case 'ucred':
      return little(numbers(args), 4)
    case 'u8':
      return little(numbers(args), 1)
    case 'u16':
      return little(numbers(args), 2)
    case 'u64':
    case 'timeval':
    case 'timespec':
      return little(numbers(args), 8)
    case 'mreq':
    case 'bytes':
      return concat(args.map(bytesOf))
    case 'zero':
      return new Uint8Array(args[0] as number)
    case 'name':
    case 'peer':
      return scope.name(args[0] as number, name === 'peer')
    case 'sockaddr': {
      const family = args[0] as number
      return new Sockaddr(concat([Uint8Array.of(family & 255, family >> 8), ...args.slice(1).map(bytesOf)]))
    }
    case 'family': {
      const bytes = (args[0] as Sockaddr).bytes.slice()
      bytes[0] = (args[1] as number) & 255
      bytes[1] = (args[1] as number) >> 8
      return new Sockaddr(bytes)
    }
    case 'port': {
      const bytes = (args[0] as Sockaddr).bytes.slice()
      bytes[2] = (args[1] as Sockaddr).bytes[2] as number
      bytes[3] = (args[1] as Sockaddr).bytes[3] as number
      return new Sockaddr(bytes)
    }
    case 'length': {
      const bytes = new Uint8Array(args[1] as number)
      bytes.set((args[0] as Sockaddr).bytes.subarray(0, bytes.length))
      return new Sockaddr(bytes)
    }
    case 'cmsg':
      return { level: args[0] as Value, type: args[1] as Value, data: args[2] ?? new Uint8Array(0) }
    default:
      throw new ScriptError(`no function ${name}`)
  }
}

/** The value of `expr` now. */
export function evaluate(expr: Expr, scope: Scope): Value {
  switch (expr.kind) {
    case 'number':
      return expr.value
    case 'bytes':
      return unquote(expr.text)
    case 'address':
      return address(expr.text)
    case 'name':
      return expr.name === 'self' ? scope.pid : (scope.variable(expr.name) ?? symbol(expr.name))
    case 'list':
      return expr.items.map((item) => evaluate(item, scope))
    case 'record':
      return Object.fromEntries(expr.fields.map(([name, value]) => [name, evaluate(value, scope)]))
    case 'call':
      return construct(
        expr.name,
        expr.args.map((arg) => evaluate(arg, scope)),
        scope,
      )
    case 'unary': {
      const of = evaluate(expr.of, scope) as number
      return expr.op === '-' ? -of : ~of
    }
    case 'binary':
      return binary(expr.op, evaluate(expr.left, scope), evaluate(expr.right, scope))
  }
}

function binary(op: string, left: Value, right: Value): Value {
  if (left instanceof Uint8Array) {
    if (op === '*') return concat(new Array<Uint8Array>(right as number).fill(left))
    if (op === '+') return concat([left, bytesOf(right)])
  }
  if (typeof left !== 'number' || typeof right !== 'number') throw new ScriptError(`${op} of these?`)
  switch (op) {
    case '|':
      // Beyond 32 bits never; EPOLLET stays positive.
      return (left | right) >>> 0
    case '+':
      return left + right
    case '-':
      return left - right
    default:
      return left * right
  }
}

const MOST_SHOWN = 60

/** Bytes as outcomes show them: quoted text, or hexadecimal; long ones by their beginning and a hash. */
export function dataText(bytes: Uint8Array): string {
  const shown = bytes.length > MOST_SHOWN ? bytes.subarray(0, 16) : bytes
  const isText = shown.every((b) => b >= 32 && b < 127)
  const text = isText ? `"${latin(shown)}"` : `x${Buffer.from(shown).toString('hex')}`
  if (shown === bytes) return text
  let hash = 0x811c9dc5
  for (const b of bytes) hash = Math.imul(hash ^ b, 0x01000193)
  return `${text}…#${(hash >>> 0).toString(16)}`
}

/** Ports of generated scripts: so many from here on belong to one script. */
export const FIRST_PORT = 7000
export const PORTS_EACH = 10

/** What is equal on both sides though its number is not: ports and names given by the system. */
export class Normal {
  readonly #ports: Map<number, number> = new Map()
  readonly #names: Map<string, number> = new Map()
  /** Ports of scripts are moved by so much on the kernel, where one namespace serves many. */
  readonly portOffset: number

  constructor(portOffset = 0) {
    this.portOffset = portOffset
  }

  /** `bytes` of a socket address with the port moved to where this script's ports are. */
  moved(bytes: Uint8Array): Uint8Array {
    const { family, port } = new Sockaddr(bytes)
    if (this.portOffset === 0 || (family !== AF_INET && family !== AF_INET6 && family !== 0)) return bytes
    if (port < FIRST_PORT || port >= FIRST_PORT + PORTS_EACH) return bytes
    const copy = bytes.slice()
    copy[2] = (port + this.portOffset) >> 8
    copy[3] = (port + this.portOffset) & 255
    return copy
  }

  port(port: number): string {
    const mine = port - this.portOffset
    if (mine >= FIRST_PORT && mine < FIRST_PORT + PORTS_EACH) return String(mine)
    if (port < 32768 || port > 60999) return String(port)
    if (!this.#ports.has(port)) this.#ports.set(port, this.#ports.size + 1)
    return `e${this.#ports.get(port)}`
  }

  #autobound(name: string): string {
    if (!/^\0[0-9a-f]{5}$/.test(name)) return `@${name.slice(1)}`
    if (!this.#names.has(name)) this.#names.set(name, this.#names.size + 1)
    return `@auto${this.#names.get(name)}`
  }

  /** An address of `length` bytes, as the kernel says, of which `bytes` were stored. */
  address(bytes: Uint8Array, length: number = bytes.length): string {
    if (length === 0) return 'none'
    const { family, port, path } = new Sockaddr(bytes)
    const isWhole = bytes.length >= Math.min(length, 16)
    const suffix = isWhole ? '' : `/${bytes.length} of ${length}`
    if (family === AF_UNIX) return `unix:${path.startsWith('\0') ? this.#autobound(path) : path}${suffix}`
    if (family === AF_INET && isWhole) return `${bytes.subarray(4, 8).join('.')}:${this.port(port)}`
    if (family === AF_INET6 && bytes.length >= 24)
      return `[${Buffer.from(bytes.subarray(8, 24)).toString('hex')}]:${this.port(port)}`
    if (family === AF_INET && bytes.length >= 4) {
      return `family ${family} :${this.port(port)} ${Buffer.from(bytes.subarray(4)).toString('hex')}${suffix}`
    }
    return `family ${family} ${Buffer.from(bytes).toString('hex')}${suffix}`
  }
}
