/**
 * The filter language of tcpdump (pcap-filter(7)) as a test of frames: host, net, port, portrange, proto, ether, with src and
 * dst, protocols, comparisons of bytes (`tcp[tcpflags] & tcp-syn != 0`), and, or, not and parentheses.
 */
import * as ip4 from '../addr/ip4.ts'
import * as mac from '../addr/mac.ts'
import { get8, get16, get32 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { ToolError } from './tool.ts'

/** A frame to be tested: its bytes, and where the network header is; -1 for `ethernet` if there is no such header. */
export interface Frame {
  readonly bytes: Uint8Array
  readonly ethernet: number
  readonly network: number
  readonly etherType: number
  /** Bytes on the wire. */
  readonly length: number
}

export type FrameTest = (frame: Frame) => boolean

type Direction = 'src' | 'dst' | 'either' | 'both'
/** What an id without words of its own means: those of the one before. */
interface Qualifiers {
  protocol: string
  direction: Direction
  type: string
}

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: ipv4.PROTO_ICMP,
  igmp: ipv4.PROTO_IGMP,
  tcp: ipv4.PROTO_TCP,
  udp: ipv4.PROTO_UDP,
  sctp: ipv4.PROTO_SCTP,
}
const ETHER_TYPES: Readonly<Record<string, number>> = {
  ip: ethernet.TYPE_IPV4,
  arp: ethernet.TYPE_ARP,
  rarp: ethernet.TYPE_RARP,
  ip6: ethernet.TYPE_IPV6,
}
const LAYERS: readonly string[] = ['ether', ...Object.keys(ETHER_TYPES), ...Object.keys(PROTOCOLS)]
const TYPES: readonly string[] = ['host', 'net', 'port', 'portrange', 'proto']
/** Names of numbers in comparisons. */
const NAMES: Readonly<Record<string, number>> = {
  tcpflags: 13,
  'tcp-fin': 1,
  'tcp-syn': 2,
  'tcp-rst': 4,
  'tcp-push': 8,
  'tcp-ack': 16,
  'tcp-urg': 32,
  'tcp-ece': 64,
  'tcp-cwr': 128,
  icmptype: 0,
  icmpcode: 1,
  'icmp-echoreply': 0,
  'icmp-unreach': 3,
  'icmp-sourcequench': 4,
  'icmp-redirect': 5,
  'icmp-echo': 8,
  'icmp-timxceed': 11,
  'icmp-paramprob': 12,
}
/** Ports by the names that a filter may use (services(5)). */
const SERVICES: Readonly<Record<string, number>> = {
  echo: 7,
  ssh: 22,
  domain: 53,
  bootps: 67,
  bootpc: 68,
  http: 80,
  https: 443,
}

const isIp = (f: Frame): boolean => f.etherType === ethernet.TYPE_IPV4 && f.bytes.length >= f.network + ipv4.HDR_LEN
const isFirst = (f: Frame): boolean => ipv4.fragmentOffset(f.bytes, f.network) === 0
const transport = (f: Frame): number => f.network + ipv4.headerLength(f.bytes, f.network)
const protocolTest =
  (protocol: number): FrameTest =>
  (f) =>
    isIp(f) && ipv4.protocol(f.bytes, f.network) === protocol

/** The test that `text` describes; a ToolError says that it is none. */
export function compileFilter(text: string): FrameTest {
  const tokens = [...text.matchAll(/<<|>>|<=|>=|==|!=|&&|\|\||[()[\]!&|<>=+*/-]|[\w.:/-]*[\w]/g)].map((m) => m[0])
  if (tokens.length === 0) return () => true
  return new Parser(tokens).parse()
}

const syntaxError = (): ToolError => new ToolError("tcpdump: can't parse filter expression: syntax error", 1)

class Parser {
  readonly #tokens: readonly string[]
  #at = 0
  #last: Qualifiers = { protocol: '', direction: 'either', type: '' }

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  parse(): FrameTest {
    const test = this.#or()
    if (this.#at < this.#tokens.length) throw syntaxError()
    return test
  }

  get #next(): string | undefined {
    return this.#tokens[this.#at]
  }

  #take(): string {
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw syntaxError()
    return token
  }

  #takes(...words: string[]): boolean {
    const found = words.includes(this.#next ?? '')
    if (found) this.#at++
    return found
  }

  #or(): FrameTest {
    let test = this.#and()
    while (this.#takes('or', '||')) {
      const [one, other] = [test, this.#and()]
      test = (f) => one(f) || other(f)
    }
    return test
  }

  #and(): FrameTest {
    let test = this.#not()
    while (this.#takes('and', '&&')) {
      const [one, other] = [test, this.#not()]
      test = (f) => one(f) && other(f)
    }
    return test
  }

  #not(): FrameTest {
    if (this.#takes('not', '!')) {
      const inner = this.#not()
      return (f) => !inner(f)
    }
    // A parenthesis begins an expression, or a number that is compared.
    if (this.#next === '(') {
      const start = this.#at
      try {
        this.#at++
        const inner = this.#or()
        if (!this.#takes(')')) throw syntaxError()
        if (!/^([<>=!&|+*/-]|[<>=!]=|<<|>>)$/.test(this.#next ?? '')) return inner
      } catch (error) {
        if (!(error instanceof ToolError)) throw error
      }
      this.#at = start
      return this.#comparison()
    }
    return this.#primitive()
  }

  #primitive(): FrameTest {
    const word = this.#next
    if (word === undefined) throw syntaxError()
    if (this.#tokens[this.#at + 1] === '[' || word === 'len' || /^(\d+|0x[\da-f]+)$/i.test(word)) {
      if (/^\d+$/.test(word) && this.#last.type.startsWith('port') && this.#tokens[this.#at + 1] === undefined)
        return this.#id(this.#last)
      if (!/^\d+$/.test(word) || this.#isComparison()) return this.#comparison()
      return this.#id(this.#last)
    }
    if (this.#takes('less', 'greater')) {
      const length = number(this.#take())
      return word === 'less' ? (f) => f.length <= length : (f) => f.length >= length
    }
    if (this.#takes('broadcast')) return broadcast
    if (this.#takes('multicast')) return multicast
    const isQualified = LAYERS.includes(word) || TYPES.includes(word) || word === 'src' || word === 'dst'
    return this.#id(isQualified ? this.#qualifiers() : this.#last)
  }

  /** A number at the start is compared if an operator follows, else it is an id. */
  #isComparison(): boolean {
    return /^([<>=&|+*/-]|[<>=!]=|<<|>>)$/.test(this.#tokens[this.#at + 1] ?? '')
  }

  /** `[protocol] [src|dst|src or dst|src and dst] [type]`. */
  #qualifiers(): Qualifiers {
    const found: Qualifiers = { protocol: '', direction: 'either', type: '' }
    if (LAYERS.includes(this.#next ?? '')) found.protocol = this.#take()
    const first = this.#next
    if (this.#takes('src', 'dst')) {
      found.direction = first as Direction
      const [joint, second] = [this.#next, this.#tokens[this.#at + 1]]
      if ((joint === 'or' || joint === 'and') && (second === 'src' || second === 'dst') && second !== first) {
        found.direction = joint === 'or' ? 'either' : 'both'
        this.#at += 2
      }
    }
    if (TYPES.includes(this.#next ?? '')) found.type = this.#take()
    return found
  }

  /** What the qualifiers say of the id that follows, if one does. */
  #id(qualifiers: Qualifiers): FrameTest {
    const { protocol, direction, type } = qualifiers
    const next = this.#next
    const isOver = next === undefined || ['and', 'or', '&&', '||', ')'].includes(next)
    if (
      type === '' &&
      direction === 'either' &&
      protocol !== '' &&
      (isOver || next === 'broadcast' || next === 'multicast')
    ) {
      if (this.#takes('broadcast')) return protocol === 'ether' ? broadcast : ipBroadcast
      if (this.#takes('multicast')) return protocol === 'ether' ? multicast : ipMulticast
      return layerTest(protocol)
    }
    if (isOver) throw syntaxError()
    this.#last = qualifiers
    const id = this.#take()
    if (type === 'port' || type === 'portrange') return portTest(id, direction, protocol)
    if (type === 'proto') return protocol === 'ether' ? etherType(id) : numberedProtocol(id)
    if (protocol === 'ether') return hardwareTest(id, direction)
    let prefix = 32
    let network = id
    if (type === 'net') {
      const [octets = '', length] = id.split('/')
      const count = octets.split('.').length
      network = `${octets}${'.0'.repeat(Math.max(0, 4 - count))}`
      prefix = length === undefined ? count * 8 : number(length)
      if (this.#takes('mask')) prefix = prefixOf(this.#take())
    }
    return addressTest(network, prefix, direction, protocol)
  }

  // ---- Comparisons ----

  #comparison(): FrameTest {
    const left = this.#sum()
    const operator = this.#take()
    const right = this.#sum()
    const compare = COMPARE[operator]
    if (compare === undefined) throw syntaxError()
    return (f) => {
      const [a, b] = [left(f), right(f)]
      return a !== undefined && b !== undefined && compare(a, b)
    }
  }

  /** Operators from the weakest to the strongest, as the grammar of libpcap has them. */
  #sum(level = 0): Arithmetic {
    const operators = LEVELS[level]
    if (operators === undefined) return this.#factor()
    let value = this.#sum(level + 1)
    for (;;) {
      const operator = this.#next ?? ''
      const apply = operators[operator]
      if (apply === undefined) return value
      this.#at++
      const [one, other] = [value, this.#sum(level + 1)]
      value = (f) => {
        const [a, b] = [one(f), other(f)]
        return a === undefined || b === undefined ? undefined : apply(a, b) >>> 0
      }
    }
  }

  #factor(): Arithmetic {
    if (this.#takes('(')) {
      const inner = this.#sum()
      if (!this.#takes(')')) throw syntaxError()
      return inner
    }
    const word = this.#take()
    if (word === 'len') return (f) => f.length
    if (this.#takes('[')) return this.#field(word)
    const value = NAMES[word] ?? Number(word)
    if (!Number.isInteger(value)) throw syntaxError()
    return () => value >>> 0
  }

  /** `protocol[offset:size]`. */
  #field(protocol: string): Arithmetic {
    if (!LAYERS.includes(protocol)) throw syntaxError()
    const offset = this.#offset()
    if (!this.#takes(']')) throw syntaxError()
    const [, size = 1] = offset
    const layer = layerTest(protocol)
    const isTransport = PROTOCOLS[protocol] !== undefined
    return (f) => {
      if (!layer(f) || (isTransport && !isFirst(f))) return undefined
      const place = offset[0](f)
      if (place === undefined) return undefined
      const base = protocol === 'ether' ? f.ethernet : isTransport ? transport(f) : f.network
      const at = base + place
      if (base < 0 || at + size > f.bytes.length) return undefined
      return size === 1 ? get8(f.bytes, at) : size === 2 ? get16(f.bytes, at) : get32(f.bytes, at) >>> 0
    }
  }

  /** What stands in brackets: a name, or an expression, and the size after a colon. */
  #offset(): [Arithmetic, number] {
    // `20:2` is one token.
    const [place, size] = (this.#next ?? '').split(':')
    if (size !== undefined) {
      this.#at++
      return [this.#constant(place ?? ''), checkSize(number(size))]
    }
    return [this.#sum(), 1]
  }

  #constant(text: string): Arithmetic {
    const value = NAMES[text] ?? number(text)
    return () => value
  }
}

type Arithmetic = (frame: Frame) => number | undefined

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

type Operators = Readonly<Record<string, (a: number, b: number) => number>>
const LEVELS: readonly Operators[] = [
  { '|': (a, b) => a | b },
  { '&': (a, b) => a & b },
  { '<<': (a, b) => a << b, '>>': (a, b) => a >>> b },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': (a, b) => Math.floor(a / b) },
]

function number(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw syntaxError()
  return value
}

function checkSize(size: number): number {
  if (size !== 1 && size !== 2 && size !== 4) throw new ToolError('tcpdump: data size must be 1, 2, or 4', 1)
  return size
}

/** The length of a netmask. */
function prefixOf(text: string): number {
  const mask = ip4.parse(text)
  const length =
    mask === undefined ? -1 : Array.from({ length: 33 }, (_, n) => n).findIndex((n) => ip4.mask(n) === mask)
  if (length < 0) throw syntaxError()
  return length
}

const broadcast: FrameTest = (f) => f.ethernet >= 0 && ethernet.isBroadcast(f.bytes, f.ethernet)
const multicast: FrameTest = (f) => f.ethernet >= 0 && ethernet.isMulticast(f.bytes, f.ethernet)
const ipMulticast: FrameTest = (f) => isIp(f) && get8(f.bytes, f.network + 16) >= 224
const ipBroadcast: FrameTest = (f) => isIp(f) && ipv4.dst(f.bytes, f.network) === ip4.BROADCAST

function layerTest(name: string): FrameTest {
  const protocol = PROTOCOLS[name]
  if (protocol !== undefined) return protocolTest(protocol)
  const type = ETHER_TYPES[name]
  return type === undefined ? (f) => f.ethernet >= 0 : (f) => f.etherType === type
}

function numberedProtocol(id: string): FrameTest {
  const protocol = PROTOCOLS[id] ?? Number(id)
  if (!Number.isInteger(protocol)) throw new ToolError(`tcpdump: unknown ip proto '${id}'`, 1)
  return protocolTest(protocol)
}

function etherType(id: string): FrameTest {
  const type = ETHER_TYPES[id] ?? Number(id)
  if (!Number.isInteger(type)) throw new ToolError(`tcpdump: unknown ether proto '${id}'`, 1)
  return (f) => f.etherType === type
}

/** Puts the tests of the two ends together. */
function directed(direction: Direction, source: FrameTest, destination: FrameTest): FrameTest {
  if (direction === 'src') return source
  if (direction === 'dst') return destination
  return direction === 'both' ? (f) => source(f) && destination(f) : (f) => source(f) || destination(f)
}

function portTest(id: string, direction: Direction, protocol: string): FrameTest {
  const [first = '', second = first] = id.split('-')
  const port = (text: string): number => {
    const value = SERVICES[text] ?? Number(text)
    if (!Number.isInteger(value) || value < 0) throw new ToolError(`tcpdump: unknown port '${id}'`, 1)
    return value
  }
  const [low, high] = [port(first), port(second)]
  const wanted =
    protocol === '' || protocol === 'ip' ? [PROTOCOLS.tcp, PROTOCOLS.udp, PROTOCOLS.sctp] : [PROTOCOLS[protocol]]
  const at =
    (offset: number): FrameTest =>
    (f) => {
      if (!isIp(f) || !isFirst(f) || !wanted.includes(ipv4.protocol(f.bytes, f.network))) return false
      const place = transport(f) + offset
      if (place + 2 > f.bytes.length) return false
      const value = get16(f.bytes, place)
      return value >= low && value <= high
    }
  return directed(direction, at(0), at(2))
}

/** Offsets of the addresses in an ARP packet for IPv4 over Ethernet. */
const ARP_SPA = 14
const ARP_TPA = 24

function addressTest(id: string, prefix: number, direction: Direction, protocol: string): FrameTest {
  const address = ip4.parse(id)
  if (address === undefined || prefix > 32) throw new ToolError(`tcpdump: unknown host '${id}'`, 1)
  if ((address & ip4.mask(prefix)) !== address) throw new ToolError(`tcpdump: non-network bits set in "${id}"`, 1)
  const only = protocol === '' ? undefined : layerTest(protocol)
  const at = (inIp: number, inArp: number): FrameTest => {
    return (f) => {
      if (only !== undefined && !only(f)) return false
      const isArp = f.etherType === ethernet.TYPE_ARP || f.etherType === ethernet.TYPE_RARP
      if (!isIp(f) && !isArp) return false
      const place = f.network + (isArp ? inArp : inIp)
      return place + 4 <= f.bytes.length && ip4.inNetwork(get32(f.bytes, place), address, prefix)
    }
  }
  return directed(direction, at(12, ARP_SPA), at(16, ARP_TPA))
}

function hardwareTest(id: string, direction: Direction): FrameTest {
  const address = mac.parse(id)
  if (address === undefined) throw new ToolError(`tcpdump: not an Ethernet address: '${id}'`, 1)
  const at =
    (offset: number): FrameTest =>
    (f) =>
      f.ethernet >= 0 && address.every((byte, i) => get8(f.bytes, f.ethernet + offset + i) === byte)
  return directed(direction, at(ethernet.ADDR_LEN), at(0))
}
