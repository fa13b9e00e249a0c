/** The grammar of packet lines (README a.5): TCP with flags, sequence numbers and options; UDP; ICMP. */
import { ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG } from '../wire/tcp.ts'
import { ScriptError } from './lexer.ts'
import type { IcmpPacket, IpInfo, ScriptOption, ScriptPacket, TcpPacket, UdpPacket } from './script.ts'
import type { Tokens } from './tokens.ts'
import { Unsupported } from './values.ts'

const FLAG_BITS: Readonly<Record<string, number>> = {
  F: FIN,
  S: SYN,
  R: RST,
  P: PSH,
  '.': ACK,
  U: URG,
  E: ECE,
  W: CWR,
  A: AE,
}
const NO_IP: IpInfo = { ecn: null, tos: -1, ttl: -1 }

/** What every packet line starts with. */
interface Line {
  readonly start: number
  readonly inbound: boolean
  readonly ip: IpInfo
  readonly sourcePort: number
  readonly destinationPort: number
}

export function parsePacket(tokens: Tokens): ScriptPacket {
  const start = tokens.position
  const inbound = tokens.next().text === '<'
  const ip = parseIpInfo(tokens)
  const { text, line } = tokens.current
  if (text === 'icmp') {
    tokens.next()
    return parseIcmp(tokens, { start, inbound, ip, sourcePort: 0, destinationPort: 0 })
  }
  if (ENCAPSULATIONS.includes(text))
    throw new Unsupported(`encapsulation '${text}' in line ${line}: our hosts have no tunnels`)
  const before = parsePorts(tokens)
  const isUdp = tokens.accept('udp')
  const ports = before ?? (isUdp ? parsePorts(tokens) : null) ?? { sourcePort: 0, destinationPort: 0 }
  const head = { start, inbound, ip, ...ports }
  return isUdp ? parseUdp(tokens, head) : parseTcp(tokens, head)
}

const ENCAPSULATIONS: readonly string[] = ['ipv4', 'ipv6', 'gre', 'mpls', 'encap']

/** `sport > dport`, if that comes next. */
function parsePorts(tokens: Tokens): { sourcePort: number; destinationPort: number } | null {
  if (tokens.current.kind !== 'integer' || tokens.peek().text !== '>') return null
  const sourcePort = tokens.integer()
  tokens.expect('>')
  return { sourcePort, destinationPort: tokens.integer() }
}

function parseIpInfo(tokens: Tokens): IpInfo {
  const open = tokens.current
  if (open.kind !== 'char' || (open.text !== '[' && open.text !== '(')) return NO_IP
  const close = open.text === '[' ? ']' : ')'
  tokens.next()
  let ecn: IpInfo['ecn'] = null
  let tos = -1
  let ttl = -1
  while (!tokens.accept(close)) {
    const { line } = tokens.current
    const word = tokens.word()
    if (word === 'tos') tos = tokens.integer()
    else if (word === 'ttl') ttl = tokens.integer()
    else if (word === 'flowlabel') tokens.integer()
    else if (word === 'noecn' || word === 'ect0' || word === 'ect1' || word === 'ce' || word === 'ect01') ecn = word
    else throw new ScriptError(line, `unknown IP field '${word}'`)
    tokens.accept(',')
  }
  return { ecn, tos, ttl }
}

function parseFlags(tokens: Tokens): { flags: number; ace: number } {
  const { line } = tokens.current
  let text = ''
  while (!(tokens.current.kind === 'integer' && tokens.peek().text === ':')) {
    const token = tokens.current
    if (text !== '' && !token.glued) break
    if (token.kind === 'end') break
    text += tokens.next().text
  }
  let flags = 0
  let ace = -1
  if (text === '-') return { flags, ace }
  for (const letter of text) {
    const bit = FLAG_BITS[letter]
    if (bit !== undefined) flags |= bit
    else if (letter >= '0' && letter <= '7') ace = Number(letter)
    else throw new ScriptError(line, `unknown TCP flag '${letter}' in '${text}'`)
  }
  if (ace >= 0) {
    if ((flags & (ECE | CWR | AE)) !== 0) throw new ScriptError(line, `ACE counter and E, W or A together in '${text}'`)
    flags |= ((ace & 4) !== 0 ? AE : 0) | ((ace & 2) !== 0 ? CWR : 0) | ((ace & 1) !== 0 ? ECE : 0)
  }
  return { flags, ace }
}

/** `seq:end(len)`. */
function parseSequence(tokens: Tokens): { seq: number; length: number } {
  const { line } = tokens.current
  const seq = tokens.integer()
  tokens.expect(':')
  const end = tokens.integer()
  tokens.expect('(')
  const length = tokens.integer()
  tokens.expect(')')
  if (((end - seq) | 0) !== (length | 0))
    throw new ScriptError(line, `inconsistent sequence numbers ${seq}:${end}(${length})`)
  return { seq, length }
}

function parseTcp(tokens: Tokens, head: Line): TcpPacket {
  const { line } = tokens.current
  const { flags, ace } = parseFlags(tokens)
  const { seq, length } = parseSequence(tokens)
  let ack = -1
  let window = -1
  let urgent = 0
  if (tokens.accept('ack')) ack = tokens.integer() >>> 0
  if (tokens.accept('win')) window = tokens.integer()
  if (tokens.accept('urg')) urgent = tokens.integer()
  let options: readonly ScriptOption[] | null = []
  if (tokens.current.kind === 'char' && tokens.current.text === '<' && isOptionStart(tokens)) {
    const isAny = tokens.peek().kind === 'ellipsis'
    tokens.next()
    if (isAny) {
      tokens.next()
      tokens.expect('>')
      options = null
    } else options = parseOptions(tokens)
  }
  if (head.inbound && window < 0) window = 0
  const { inbound, ip, sourcePort, destinationPort } = head
  if (inbound && options === null) throw new ScriptError(line, '<...> for an inbound packet')
  const text = tokens.text(head.start)
  return {
    kind: 'tcp',
    inbound,
    ip,
    sourcePort,
    destinationPort,
    flags,
    ace,
    seq,
    length,
    ack,
    window,
    urgent,
    options,
    text,
  }
}

/** A `<` after a packet's fields belongs to it if an option follows; events start with a time, so it always does. */
const isOptionStart = (tokens: Tokens): boolean => {
  const after = tokens.peek()
  return after.kind === 'ellipsis' || after.kind === 'word' || after.text === '>'
}

function parseOptions(tokens: Tokens): ScriptOption[] {
  const options: ScriptOption[] = []
  while (!tokens.accept('>')) {
    options.push(parseOption(tokens))
    if (!tokens.accept(',') && tokens.current.text !== '>') {
      throw new ScriptError(tokens.current.line, `unexpected '${tokens.current.text}' among TCP options`)
    }
  }
  return options
}

function parseOption(tokens: Tokens): ScriptOption {
  const { line } = tokens.current
  const word = tokens.word()
  switch (word) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return { kind: word }
    case 'mss':
    case 'wscale':
      return { kind: word, value: tokens.integer() }
    case 'TS': {
      tokens.expect('val')
      const val = tokens.integer()
      tokens.expect('ecr')
      return { kind: 'TS', val, ecr: tokens.integer() }
    }
    case 'sack': {
      const blocks: [number, number][] = []
      while (tokens.current.kind === 'integer') {
        const left = tokens.integer()
        tokens.expect(':')
        blocks.push([left, tokens.integer()])
      }
      return { kind: 'sack', blocks }
    }
    case 'FO':
    case 'FOEXP': {
      const { kind, text } = tokens.current
      if (kind !== 'word' && kind !== 'integer') return { kind: word, cookie: '' }
      tokens.next()
      if (!/^([0-9a-fA-F]{2})+$/.test(text)) throw new ScriptError(line, `not a cookie: '${text}'`)
      return { kind: word, cookie: text.toLowerCase() }
    }
    case 'md5':
      return { kind: 'md5', digest: tokens.next().text.toLowerCase() }
    case 'ECN':
      return parseAccEcn(tokens)
    default:
      throw new ScriptError(line, `unknown TCP option '${word}'`)
  }
}

function parseAccEcn(tokens: Tokens): ScriptOption {
  const fields: number[] = []
  let order: 0 | 1 = 0
  while (tokens.current.kind === 'word') {
    const name = tokens.word()
    if (fields.length === 0 && name === 'e1b') order = 1
    fields.push(tokens.integer())
  }
  return { kind: 'ECN', order, fields }
}

function parseUdpLength(tokens: Tokens): number {
  tokens.expect('(')
  const length = tokens.integer()
  tokens.expect(')')
  return length
}

function parseUdp(tokens: Tokens, head: Line): UdpPacket {
  if (tokens.current.text === ':')
    throw new Unsupported(`encapsulation 'udp' in line ${tokens.current.line}: our hosts have no tunnels`)
  const length = parseUdpLength(tokens)
  const { inbound, ip, sourcePort, destinationPort } = head
  return { kind: 'udp', inbound, ip, sourcePort, destinationPort, length, text: tokens.text(head.start) }
}

function parseIcmp(tokens: Tokens, head: Line): IcmpPacket {
  const type = tokens.word()
  let code = ''
  const isCode =
    tokens.current.kind === 'word' && !['mtu', 'id'].includes(tokens.current.text) && tokens.peek().text !== '('
  if (isCode) code = tokens.word()
  let mtu = 0
  let id = 0
  if (tokens.accept('mtu')) mtu = tokens.integer()
  if (tokens.accept('id')) id = tokens.integer()
  const quote = tokens.accept('[') ? parseQuote(tokens) : null
  return {
    kind: 'icmp',
    inbound: head.inbound,
    ip: head.ip,
    type,
    code,
    mtu,
    id,
    quote,
    text: tokens.text(head.start),
  }
}

/** `seq:end(len)` of a TCP segment, or `udp (len)`, up to the bracket. */
function parseQuote(tokens: Tokens): IcmpPacket['quote'] {
  const isUdp = tokens.accept('udp')
  const quote = isUdp ? { seq: 0, length: parseUdpLength(tokens) } : parseSequence(tokens)
  tokens.expect(']')
  return { protocol: isUdp ? 'udp' : 'tcp', ...quote }
}
