/** The grammar of a script's statements: options, times, system calls, shell texts and assertions. */
import { ScriptError, type Token, tokenize } from './lexer.ts'
import { parsePacket } from './parse-packet.ts'
import type { Action, EventTime, Expression, Script, ScriptEvent, SystemCall } from './script.ts'
import { Tokens } from './tokens.ts'

/** Parses a script; a ScriptError tells what is wrong and in which line. */
export function parseScript(source: string, definitions: ReadonlyMap<string, string> = new Map()): Script {
  const tokens = new Tokens(tokenize(source, new Map(definitions)))
  const options = new Map<string, string>()
  while (tokens.current.kind === 'option') {
    const text = tokens.next().text
    const at = text.indexOf('=')
    options.set(text.slice(0, at), text.slice(at + 1).replace(/^(["'`])([\s\S]*)\1$/, '$2'))
  }
  const init = tokens.current.kind === 'backtick' ? tokens.next().text : null
  const events: ScriptEvent[] = []
  let final: string | null = null
  while (tokens.current.kind !== 'end') {
    if (tokens.current.kind === 'backtick' && tokens.peek().kind === 'end') {
      final = tokens.next().text
      break
    }
    events.push(parseEvent(tokens))
  }
  if (events.length === 0 && init === null) throw new ScriptError(tokens.current.line, 'no events')
  const first = events[0]
  if (first !== undefined && (first.time.kind === 'any' || first.time.at !== 0))
    throw new ScriptError(first.line, 'the first event must be at time 0')
  return { options, init, events, final }
}

/** Seconds as integer microseconds, cut. */
export function micros(token: Token): number {
  if (token.kind !== 'integer' && token.kind !== 'float')
    throw new ScriptError(token.line, `expected a time, got '${token.text}'`)
  // Decimal text, so that .29 is 290000 and not 289999.
  const [whole = '', part = ''] = token.text.replace('-', '').split('.')
  const value = Number(whole === '' ? '0' : whole) * 1000000 + Number(`${part}000000`.slice(0, 6))
  return token.text.startsWith('-') ? -value : value
}

function parseTime(tokens: Tokens): EventTime {
  if (tokens.accept('*')) return { kind: 'any', at: 0, to: 0 }
  const relative = tokens.accept('+')
  const at = micros(tokens.next())
  let to = at
  if (tokens.accept('~')) {
    if (relative) tokens.expect('+')
    to = micros(tokens.next())
  }
  return { kind: relative ? 'relative' : 'absolute', at, to }
}

function parseEvent(tokens: Tokens): ScriptEvent {
  const line = tokens.current.line
  const time = parseTime(tokens)
  return { line, time, action: parseAction(tokens) }
}

function parseAction(tokens: Tokens): Action {
  const token = tokens.current
  if (token.kind === 'char' && (token.text === '<' || token.text === '>')) return parsePacket(tokens)
  if (token.kind === 'backtick') return { kind: 'shell', command: tokens.next().text }
  if (token.kind === 'code') return { kind: 'code', source: tokens.next().text }
  if (token.kind === 'ellipsis' || token.kind === 'word') return parseCall(tokens)
  throw new ScriptError(token.line, `expected an action, got '${token.text}'`)
}

function parseCall(tokens: Tokens): SystemCall {
  const start = tokens.position
  let end = -1
  if (tokens.current.kind === 'ellipsis') {
    tokens.next()
    end = micros(tokens.next())
  }
  const name = tokens.word()
  tokens.expect('(')
  const args = tokens.acceptText(')') ? [] : parseList(tokens, ')')
  tokens.expect('=')
  const result = parseExpression(tokens)
  let errno = ''
  if (tokens.current.kind === 'word' && /^E[A-Z0-9]+$/.test(tokens.current.text)) errno = tokens.next().text
  const text = tokens.text(start)
  if (tokens.current.text === '(' && tokens.current.kind === 'char') skipNote(tokens)
  return { kind: 'call', name, args, result, errno, end, text }
}

function skipNote(tokens: Tokens): void {
  let depth = 0
  do {
    const token = tokens.next()
    if (token.kind === 'end') throw new ScriptError(token.line, 'a note without its end')
    if (token.kind === 'char' && token.text === '(') depth++
    if (token.kind === 'char' && token.text === ')') depth--
  } while (depth > 0)
}

/** Expressions up to `close`, which is taken. */
function parseList(tokens: Tokens, close: string): Expression[] {
  const items: Expression[] = []
  do {
    if (tokens.acceptText(close)) return items
    items.push(parseExpression(tokens))
  } while (tokens.accept(','))
  tokens.expect(close)
  return items
}

function parseExpression(tokens: Tokens): Expression {
  const first = parsePrimary(tokens)
  if (!(tokens.current.kind === 'char' && tokens.current.text === '|')) return first
  const parts = [first]
  while (tokens.accept('|')) parts.push(parsePrimary(tokens))
  return { kind: 'or', parts }
}

function parsePrimary(tokens: Tokens): Expression {
  const token = tokens.next()
  switch (token.kind) {
    case 'ellipsis':
      return { kind: 'ellipsis' }
    case 'integer':
    case 'hex':
    case 'float':
      return { kind: 'number', value: Number(token.text) }
    case 'string':
      return { kind: 'string', text: token.text }
    case 'word':
      if (tokens.accept('(')) return { kind: 'call', name: token.text, items: parseList(tokens, ')') }
      return { kind: 'word', name: token.text }
    case 'char':
      if (token.text === '[') return { kind: 'list', items: parseList(tokens, ']') }
      if (token.text === '{') return parseStruct(tokens)
      if (token.text === '-' && tokens.current.kind === 'integer')
        return { kind: 'number', value: -Number(tokens.next().text) }
  }
  throw new ScriptError(token.line, `expected a value, got '${token.text}'`)
}

/** `{name=value, name(n)=value, value}`; commas between are customary. */
function parseStruct(tokens: Tokens): Expression {
  const fields = new Map<string, Expression>()
  const items: Expression[] = []
  while (!tokens.acceptText('}')) {
    const value = parseExpression(tokens)
    if ((value.kind === 'word' || value.kind === 'call') && tokens.accept('='))
      fields.set(value.name, parseExpression(tokens))
    else items.push(value)
    tokens.accept(',')
  }
  return { kind: 'struct', fields, items }
}
