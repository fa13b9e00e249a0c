/** A reader over the tokens of a script. */
import { ScriptError, type Token } from './lexer.ts'

export class Tokens {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  get current(): Token {
    return this.#tokens[this.#at] as Token
  }

  get position(): number {
    return this.#at
  }

  peek(ahead = 1): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)] as Token
  }

  next(): Token {
    const token = this.current
    if (token.kind !== 'end') this.#at++
    return token
  }

  /** Takes the character or word if it comes next. */
  accept(text: string): boolean {
    const { kind } = this.current
    if (this.current.text !== text || (kind !== 'char' && kind !== 'word')) return false
    this.#at++
    return true
  }

  acceptText(text: string): boolean {
    return this.accept(text)
  }

  expect(text: string): void {
    if (!this.accept(text)) throw new ScriptError(this.current.line, `expected '${text}', got '${this.current.text}'`)
  }

  word(): string {
    if (this.current.kind !== 'word')
      throw new ScriptError(this.current.line, `expected a word, got '${this.current.text}'`)
    return this.next().text
  }

  integer(): number {
    const { kind, text, line } = this.current
    if (kind !== 'integer' && kind !== 'hex') throw new ScriptError(line, `expected a number, got '${text}'`)
    this.next()
    return Number(text)
  }

  /** Source text, nearly, from token `from` to here. */
  text(from: number): string {
    let text = ''
    for (let i = from; i < this.#at; i++) {
      const token = this.#tokens[i] as Token
      const shown = token.kind === 'string' ? JSON.stringify(token.text) : token.text
      text += (i === from || token.glued ? '' : ' ') + shown
    }
    return text
  }
}
