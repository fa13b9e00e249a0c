/**
 * Words of a packetdrill script: white space and line ends only separate tokens, the longest match wins. User
 * definitions (`--define=NAME=value`, `-D`) are put in place of words as they are met.
 */

export type TokenKind =
  | 'integer'
  | 'float'
  | 'hex'
  | 'word'
  | 'string'
  | 'backtick'
  | 'code'
  | 'option'
  | 'ellipsis'
  | 'char'
  | 'end'

export interface Token {
  readonly kind: TokenKind
  /** Source text; of strings, back-quotes and code what is between the marks. */
  readonly text: string
  readonly line: number
  /** No white space between the token before and this one. */
  readonly glued: boolean
}

/** What is wrong with a script, and where. */
export class ScriptError extends Error {
  override readonly name: string = 'ScriptError'
  readonly line: number
  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ['hex', /0x[0-9a-fA-F]+/y],
  ['float', /-?[0-9]*\.[0-9]+/y],
  ['integer', /-?[0-9]+/y],
  ['word', /[A-Za-z0-9_]+/y],
  ['ellipsis', /\.\.\./y],
]
const SPACE = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y
const OPTION = /--([a-zA-Z_][a-zA-Z0-9_]*)(?:[ \t]*=[ \t]*("[^"\n]*"|`[^`\n]*`|[^\s]+))?/y
const STRING = /"((?:[^"\\]|\\[\s\S])*)"/y
const BACKTICK = /`([^`]*)`/y
const CODE = /%\{([\s\S]*?)\}%/y

/** The value of a definition as the token it stands for. */
function defined(value: string, line: number, glued: boolean): Token {
  const quote = value[0]
  if ((quote === '"' || quote === '`') && value.length >= 2 && value.endsWith(quote)) {
    const text = value.slice(1, -1)
    return quote === '"'
      ? { kind: 'string', text: unquoted(text), line, glued }
      : { kind: 'backtick', text, line, glued }
  }
  return { kind: /^-?[0-9]+$/.test(value) ? 'integer' : 'word', text: value, line, glued }
}

/** `\n`, `\xHH` … of a string; bytes are characters up to 255. */
function unquoted(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|[\s\S])/g, (_, what: string) => {
    if (what.length === 3) return String.fromCharCode(Number.parseInt(what.slice(1), 16))
    const at = 'nrtfv'.indexOf(what)
    return at >= 0 ? ('\n\r\t\f\v'[at] as string) : what
  })
}

function countLines(text: string): number {
  let n = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) n++
  return n
}

/** Cuts `source` into tokens; `definitions` grows by the script's own `--define` options. */
export function tokenize(source: string, definitions: Map<string, string>): Token[] {
  const tokens: Token[] = []
  let at = 0
  let line = 1
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    return pattern.exec(source)
  }
  while (at < source.length) {
    const space = match(SPACE)
    if (space !== null) {
      line += countLines(space[0])
      at += space[0].length
      if (at >= source.length) break
    }
    const glued = space === null
    const token = special(match, line, glued) ?? plain(match, line, glued, definitions)
    if (token === null) {
      tokens.push({ kind: 'char', text: source[at] as string, line, glued })
      at++
      continue
    }
    if (token.token.kind === 'option') define(token.token, definitions)
    push(tokens, token.token)
    line += countLines(token.raw)
    at += token.raw.length
  }
  tokens.push({ kind: 'end', text: 'end of file', line, glued: false })
  return tokens
}

interface Matched {
  readonly token: Token
  readonly raw: string
}

function special(match: (pattern: RegExp) => RegExpExecArray | null, line: number, glued: boolean): Matched | null {
  let m = match(OPTION)
  if (m !== null) {
    const value = m[2] === undefined ? '' : m[2]
    return { raw: m[0], token: { kind: 'option', text: `${m[1] as string}=${value}`, line, glued } }
  }
  m = match(STRING)
  if (m !== null) return { raw: m[0], token: { kind: 'string', text: unquoted(m[1] as string), line, glued } }
  m = match(BACKTICK)
  if (m !== null) return { raw: m[0], token: { kind: 'backtick', text: m[1] as string, line, glued } }
  m = match(CODE)
  if (m !== null)
    return { raw: m[0], token: { kind: 'code', text: (m[1] as string).replace(/^[ \t]+|[ \t]+$/g, ''), line, glued } }
  return null
}

function plain(
  match: (pattern: RegExp) => RegExpExecArray | null,
  line: number,
  glued: boolean,
  definitions: Map<string, string>,
): Matched | null {
  let kind: TokenKind = 'end'
  let raw = ''
  for (const [k, pattern] of PATTERNS) {
    const m = match(pattern)
    if (m !== null && m[0].length > raw.length) {
      kind = k
      raw = m[0]
    }
  }
  if (raw === '') return null
  const value = kind === 'word' ? definitions.get(raw) : undefined
  if (value !== undefined) return { raw, token: defined(value, line, glued) }
  return { raw, token: { kind, text: raw, line, glued } }
}

/** Adjacent strings are one. */
function push(tokens: Token[], token: Token): void {
  const last = tokens[tokens.length - 1]
  if (token.kind === 'string' && last?.kind === 'string')
    tokens[tokens.length - 1] = { ...last, text: last.text + token.text }
  else tokens.push(token)
}

function define(token: Token, definitions: Map<string, string>): void {
  const m = /^define=([A-Za-z0-9_]+)=([\s\S]*)$/.exec(token.text)
  if (m !== null) definitions.set(m[1] as string, m[2] as string)
}
