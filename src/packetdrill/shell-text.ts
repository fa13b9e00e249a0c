/**
 * The language of shell texts in scripts (POSIX sh, as far as they go): quotes, comments, continued lines, variables,
 * `$(…)`, `$((…))`, lists of `;`, `&&` and `||`, `!`, pipelines, groups, `if`, and redirections. Commands are the caller's.
 */
import { arithmetic } from './arithmetic.ts'
import { Unsupported } from './values.ts'

export interface Output {
  readonly status: number
  readonly text: string
}
export const DONE: Output = { status: 0, text: '' }

/** What runs commands and has files. */
export interface Commands {
  command(args: readonly string[], input: string): Output
  readFile(path: string): string
  writeFile(path: string, text: string): void
}

interface Token {
  readonly kind: 'word' | 'operator'
  /** Source text of a word: it is expanded when the command runs. */
  readonly text: string
}

const SPACE = /(?:[ \t\r]+|\\\n|(?<=^|[\s;&|(])#[^\n]*)+/y
const OPERATOR = /\d*(?:&>>?|>>|>&|<&|>|<)|&&|\|\||[;&|()\n]/y
const SUBSTITUTION = /\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)/y
const PIECE = /\\[\s\S]|'[^']*'|"(?:\\[\s\S]|\$\((?:[^()]|\([^()]*\))*\)|[^"\\])*"|[^\s;&|()<>'"\\$]+|\$/y
const ASSIGNMENT = /^([A-Za-z_]\w*)=([\s\S]*)$/
const CLOSING: readonly string[] = ['then', 'elif', 'else', 'fi', 'do', 'done', '}', ')']

function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(source)?.[0]
    at += found?.length ?? 0
    return found
  }
  while (at < source.length) {
    if (take(SPACE) !== undefined) continue
    const operator = take(OPERATOR)
    if (operator !== undefined) {
      tokens.push({ kind: 'operator', text: operator })
      continue
    }
    let text = ''
    for (let piece = take(SUBSTITUTION) ?? take(PIECE); piece !== undefined; piece = take(SUBSTITUTION) ?? take(PIECE))
      text += piece
    if (text === '') throw new Unsupported(`shell text ${source.slice(at, at + 20)}`)
    tokens.push({ kind: 'word', text })
  }
  return tokens
}

/** Runs one text; variables live as long as it does. */
export class ShellText {
  readonly #commands: Commands
  readonly #variables: Map<string, string>
  readonly #tokens: readonly Token[]
  #at = 0
  #status = 0
  /** `exit` was called. */
  #isOver = false

  constructor(source: string, commands: Commands, variables: Map<string, string> = new Map([['PPID', '1']])) {
    this.#tokens = tokenize(source)
    this.#commands = commands
    this.#variables = variables
  }

  run(): Output {
    const output = this.#list(true)
    if (this.#at < this.#tokens.length) throw new Unsupported(`shell text at '${this.#current?.text ?? ''}'`)
    return output
  }

  get #current(): Token | undefined {
    return this.#tokens[this.#at]
  }

  #accept(text: string): boolean {
    if (this.#current?.text !== text) return false
    this.#at++
    return true
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw new Unsupported(`shell text without '${text}'`)
  }

  /** Commands up to the end or a word that closes; not `active`: they are only passed over. */
  #list(active: boolean): Output {
    let text = ''
    let status = 0
    for (;;) {
      while (this.#accept(';') || this.#accept('\n') || this.#accept('&'));
      const current = this.#tokens[this.#at]
      if (current === undefined || CLOSING.includes(current.text)) return { status, text }
      const isActive = active && !this.#isOver
      const output = this.#andOr(isActive)
      text += output.text
      if (isActive) status = output.status
    }
  }

  #andOr(active: boolean): Output {
    let { status, text } = this.#pipeline(active)
    for (;;) {
      const isAnd = this.#accept('&&')
      if (!isAnd && !this.#accept('||')) return { status, text }
      while (this.#accept('\n'));
      const isActive = active && !this.#isOver && (status === 0) === isAnd
      const next = this.#pipeline(isActive)
      text += next.text
      if (isActive) status = next.status
    }
  }

  #pipeline(active: boolean): Output {
    const isNegated = this.#accept('!')
    let output = this.#command(active, '')
    while (this.#accept('|')) output = this.#command(active, output.text)
    if (isNegated) output = { ...output, status: output.status === 0 ? 1 : 0 }
    if (active) this.#status = output.status
    return output
  }

  #command(active: boolean, input: string): Output {
    if (this.#accept('(')) return this.#group(active, ')')
    if (this.#accept('{')) return this.#group(active, '}')
    if (this.#accept('if')) return this.#if(active)
    return this.#simple(active, input)
  }

  #group(active: boolean, close: string): Output {
    const output = this.#list(active)
    this.#expect(close)
    return this.#redirected(active, output)
  }

  #if(active: boolean): Output {
    let output: Output | null = null
    do {
      const { status } = this.#list(active && output === null)
      this.#expect('then')
      const isChosen = output === null && status === 0
      const branch = this.#list(active && isChosen)
      if (isChosen) output = branch
    } while (this.#accept('elif'))
    if (this.#accept('else')) {
      const branch = this.#list(active && output === null)
      output ??= branch
    }
    this.#expect('fi')
    return output ?? DONE
  }

  #simple(active: boolean, input: string): Output {
    const args: string[] = []
    let isCommand = false
    const redirections: (readonly [operator: string, path: string])[] = []
    for (let token = this.#current; token !== undefined; token = this.#current) {
      if (token.kind === 'operator' && !/[<>]/.test(token.text)) break
      this.#at++
      if (token.kind === 'operator') {
        const path = this.#current?.text ?? ''
        this.#at++
        redirections.push([token.text, active ? this.#expand(path).join(' ') : ''])
        continue
      }
      if (!active) continue
      const assignment = isCommand ? null : ASSIGNMENT.exec(token.text)
      if (assignment !== null) {
        this.#variables.set(assignment[1] as string, this.#expand(assignment[2] as string, true).join(' '))
        continue
      }
      isCommand = true
      args.push(...this.#expand(token.text))
    }
    if (!active) return DONE
    const from = redirections.find(([operator]) => operator === '<')
    const output = this.#execute(args, from === undefined ? input : this.#commands.readFile(from[1]))
    return this.#redirect(output, redirections)
  }

  #redirected(active: boolean, output: Output): Output {
    const redirections: (readonly [string, string])[] = []
    while (this.#current?.kind === 'operator' && /[<>]/.test(this.#current.text)) {
      const operator = (this.#current as Token).text
      this.#at++
      redirections.push([operator, this.#current?.text ?? ''])
      this.#at++
    }
    return active ? this.#redirect(output, redirections) : DONE
  }

  #redirect(output: Output, redirections: readonly (readonly [string, string])[]): Output {
    let { text } = output
    for (const [operator, path] of redirections) {
      if (!/^1?>>?$|^&>/.test(operator)) continue
      this.#commands.writeFile(path, text)
      text = ''
    }
    return { status: output.status, text }
  }

  #execute(args: readonly string[], input: string): Output {
    const [name] = args
    if (name === undefined) return DONE
    if (name === 'exit') {
      this.#isOver = true
      return { status: args[1] === undefined ? this.#status : Number(args[1]), text: '' }
    }
    if (name === 'export' || name === 'set' || name === ':') return DONE
    return this.#commands.command(args, input)
  }

  /** A word with what stands in it for something else in its place, as the words that it then is. */
  #expand(source: string, isWhole = false): string[] {
    const words: string[] = []
    let word = ''
    let isWord = false
    for (const [piece] of source.matchAll(/\\[\s\S]|'[^']*'|"(?:\\[\s\S]|[^"\\])*"|[^'"\\]+/g)) {
      if (piece[0] === "'" || piece[0] === '"' || piece[0] === '\\') {
        word += piece[0] === '"' ? this.#replaced(piece.slice(1, -1)) : piece.slice(1, piece[0] === "'" ? -1 : 2)
        isWord = true
        continue
      }
      const text = this.#replaced(piece)
      const parts = isWhole || text === piece ? [text] : text.split(/\s+/)
      for (const [i, part] of parts.entries()) {
        if (i > 0 && (isWord || word !== '')) words.push(word)
        if (i > 0) word = ''
        word += part
        isWord = word !== ''
      }
    }
    if (isWord || word !== '') words.push(word)
    return words
  }

  /** Variables, `$(…)` and `$((…))` of a text. */
  #replaced(text: string): string {
    const pattern = /\\(["$`\\])|\$\(\(((?:[^()]|\([^()]*\))*)\)\)|\$\(((?:[^()]|\([^()]*\))*)\)|\$\{?(\w+|\?)\}?/g
    return text.replace(pattern, (_, escaped?: string, sum?: string, command?: string, name?: string) => {
      if (escaped !== undefined) return escaped
      if (sum !== undefined) return String(arithmetic(this.#replaced(sum)))
      if (command === undefined) return name === '?' ? String(this.#status) : (this.#variables.get(name ?? '') ?? '')
      return new ShellText(command, this.#commands, this.#variables).run().text.replace(/\n+$/, '')
    })
  }
}
