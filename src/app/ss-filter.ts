/** The filters of ss(8): `state NAME`, `exclude NAME`, and expressions over addresses and ports. */
import * as cidr from '../addr/cidr.ts'
import * as ip4 from '../addr/ip4.ts'
import type { SocketRow, UnixRow } from '../host/socket-table.ts'
import {
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from '../sock/sock.ts'
import { ToolError } from './tool.ts'

type Row = SocketRow | UnixRow
/** Whether a row is to be shown. */
export type RowTest = (row: Row) => boolean

export const stateBit = (state: number): number => 1 << state

/** All states; those of connections that are there (SS_ALL and SS_CONN of ss.c). */
export const SS_ALL = 0xffe
export const SS_CONN: number =
  SS_ALL & ~(stateBit(TCP_LISTEN) | stateBit(TCP_CLOSE) | stateBit(TCP_TIME_WAIT) | stateBit(TCP_SYN_RECV))

const CONNECTED = SS_ALL & ~(stateBit(TCP_CLOSE) | stateBit(TCP_LISTEN))
const BUCKET = stateBit(TCP_SYN_RECV) | stateBit(TCP_TIME_WAIT)

const STATES: Readonly<Record<string, number>> = {
  all: SS_ALL,
  connected: CONNECTED,
  synchronized: CONNECTED & ~stateBit(TCP_SYN_SENT),
  bucket: BUCKET,
  big: SS_ALL & ~BUCKET,
  established: stateBit(TCP_ESTABLISHED),
  'syn-sent': stateBit(TCP_SYN_SENT),
  'syn-recv': stateBit(TCP_SYN_RECV),
  'fin-wait-1': stateBit(TCP_FIN_WAIT1),
  'fin-wait-2': stateBit(TCP_FIN_WAIT2),
  'time-wait': stateBit(TCP_TIME_WAIT),
  unconnected: stateBit(TCP_CLOSE),
  closed: stateBit(TCP_CLOSE),
  'close-wait': stateBit(TCP_CLOSE_WAIT),
  'last-ack': stateBit(TCP_LAST_ACK),
  listening: stateBit(TCP_LISTEN),
  closing: stateBit(TCP_CLOSING),
}

/** The states and the expression of a filter; states 0: none named, as the options say. */
export function parseFilter(words: readonly string[]): { states: number; test: RowTest | undefined } {
  let states = 0
  let at = 0
  for (; words[at] === 'state' || words[at] === 'exclude'; at += 2) {
    const name = words[at + 1]
    const bits = name === undefined ? undefined : STATES[name]
    if (bits === undefined) throw new ToolError(`ss: wrong state name: ${name ?? ''}`, 255)
    if (words[at] === 'state') states |= bits
    else states = (states === 0 ? SS_ALL : states) & ~bits
  }
  const tokens = words
    .slice(at)
    .join(' ')
    .replace(/[()!&|]|&&|\|\||!=|[<>]=?|==?/g, ' $& ')
    .split(/\s+/)
    .filter((word) => word !== '')
  if (tokens.length === 0) return { states, test: undefined }
  const parser = new Parser(tokens)
  return { states, test: parser.parse() }
}

class Parser {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  parse(): RowTest {
    const test = this.#or()
    if (this.#at < this.#tokens.length) this.#fail()
    return test
  }

  #fail(): never {
    throw new ToolError(`ss: syntax error in the filter at '${this.#tokens[this.#at] ?? 'its end'}'`)
  }

  #takes(...words: string[]): boolean {
    const found = words.includes(this.#tokens[this.#at] ?? '')
    if (found) this.#at++
    return found
  }

  #or(): RowTest {
    let test = this.#and()
    while (this.#takes('or', '|', '||')) {
      const [one, other] = [test, this.#and()]
      test = (row) => one(row) || other(row)
    }
    return test
  }

  #and(): RowTest {
    let test = this.#not()
    for (;;) {
      this.#takes('and', '&', '&&')
      const next = this.#tokens[this.#at]
      if (next === undefined || next === ')' || next === 'or' || next === '|' || next === '||') return test
      const [one, other] = [test, this.#not()]
      test = (row) => one(row) && other(row)
    }
  }

  #not(): RowTest {
    if (this.#takes('not', '!')) {
      const inner = this.#not()
      return (row) => !inner(row)
    }
    if (!this.#takes('(')) return this.#condition()
    const inner = this.#or()
    if (!this.#takes(')')) this.#fail()
    return inner
  }

  #condition(): RowTest {
    const field = this.#tokens[this.#at++]
    const operator = this.#operator()
    const value = this.#tokens[this.#at++]
    if (value === undefined) this.#fail()
    switch (field) {
      case 'sport':
      case 'dport':
        return portTest(field === 'sport' ? 'localPort' : 'remotePort', operator, value)
      case 'src':
      case 'dst':
        return addressTest(field === 'src', operator, value)
      case 'dev':
        return (row) => !('inode' in row) && (row.device === value) === (operator === '=')
      default:
        this.#at -= 2
        return this.#fail()
    }
  }

  #operator(): string {
    if (this.#takes('=', '==', 'eq', 'is')) return '='
    if (this.#takes('!=', 'ne', 'neq')) return '!='
    if (this.#takes('!')) return this.#takes('=', '==') ? '!=' : this.#fail()
    if (this.#takes('>=', 'ge', 'geq')) return '>='
    if (this.#takes('<=', 'le', 'leq')) return '<='
    if (this.#takes('>', 'gt')) return '>'
    return this.#takes('<', 'lt') ? '<' : '='
  }
}

function portTest(field: 'localPort' | 'remotePort', operator: string, text: string): RowTest {
  const port = Number(text.replace(/^.*:/, ''))
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new ToolError(`ss: not a port: '${text}'`)
  return (row) => {
    if ('inode' in row) return false
    const has = row[field]
    switch (operator) {
      case '=':
        return has === port
      case '!=':
        return has !== port
      // As ss has it: > and < are ge and le of the kernel's filter plus a test for equality.
      case '>=':
        return has >= port
      case '<=':
        return has <= port
      case '>':
        return has > port
      default:
        return has < port
    }
  }
}

/** `ADDRESS[/PREFIX][:PORT]`, either part `*` or missing. */
function addressTest(isSource: boolean, operator: string, text: string): RowTest {
  const colon = text.lastIndexOf(':')
  const [host, port] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  const wanted =
    host === '' || host === '*' ? cidr.parse('0.0.0.0/0') : cidr.parse(host.includes('/') ? host : `${host}/32`)
  if (wanted === undefined) throw new ToolError(`ss: an inet prefix is expected rather than "${host}".`, 1)
  const { address, prefix } = wanted
  const samePort = port === '' || port === '*' ? null : portTest(isSource ? 'localPort' : 'remotePort', '=', port)
  const matches = (row: Row): boolean =>
    !('inode' in row) &&
    ip4.inNetwork(isSource ? row.localAddress : row.remoteAddress, address & ip4.mask(prefix), prefix) &&
    (samePort === null || samePort(row))
  return operator === '!=' ? (row) => !matches(row) : matches
}
