/** Scripts of calls: their text form (see README.md), parsed into steps. */

/** An expression: evaluated when its step runs, since it may use variables. */
export type Expr =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'bytes'; readonly text: string }
  | { readonly kind: 'address'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Expr[] }
  | { readonly kind: 'record'; readonly fields: readonly (readonly [string, Expr])[] }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[] }
  | { readonly kind: 'unary'; readonly op: '-' | '~'; readonly of: Expr }
  | { readonly kind: 'binary'; readonly op: '|' | '+' | '-' | '*'; readonly left: Expr; readonly right: Expr }

export interface Step {
  /** As written, and where. */
  readonly text: string
  readonly line: number
  /** Variables that get the descriptors. */
  readonly targets: readonly string[]
  readonly call: string
  readonly args: readonly Expr[]
  /** It runs on a thread of its own; the first target names it. */
  readonly isAsync: boolean
  /** What it gives on both, as the author says: the beginning of the outcome. */
  readonly expected?: string
  /** Name of the row of docs/differences.md that says why it differs. */
  readonly differs?: string
}

export interface Script {
  readonly title: string
  readonly file: string
  readonly line: number
  readonly steps: readonly Step[]
  /** FIN-WAIT-1 and -2 are one: which it is depends on whether the kernel's delayed acknowledgement has gone yet. */
  readonly isCoarse?: boolean
}

export class ScriptError extends Error {}

const ADDRESS =
  /^(?:\d+\.\d+\.\d+\.\d+(?::\d+)?|\[(?=[0-9a-fA-F]*:)[0-9a-fA-F:.]*(?:%\d+)?\](?::\d+)?|unix:[^\s,)\]}]*|unspec\b)/
const TOKEN = /^(?:0x[0-9a-fA-F]+|0o[0-7]+|\d+|[A-Za-z_]\w*|[()[\]{}:,|+*~=-])/

interface Token {
  readonly kind: 'number' | 'bytes' | 'address' | 'name' | 'mark'
  readonly text: string
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  for (let rest = text.trimStart(); rest !== ''; rest = rest.trimStart()) {
    const quoted = /^"(?:[^"\\]|\\.)*"/.exec(rest)?.[0]
    const address = ADDRESS.exec(rest)?.[0]
    const word = quoted ?? address ?? TOKEN.exec(rest)?.[0]
    if (word === undefined) throw new ScriptError(`not understood: ${rest}`)
    const first = word[0] as string
    const kind =
      quoted !== undefined
        ? 'bytes'
        : address !== undefined
          ? 'address'
          : /\d/.test(first)
            ? 'number'
            : /\w/.test(first)
              ? 'name'
              : 'mark'
    tokens.push({ kind, text: word })
    rest = rest.slice(word.length)
  }
  return tokens
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(text: string) {
    this.#tokens = tokenize(text)
  }

  get #next(): Token | undefined {
    return this.#tokens[this.#at]
  }

  #is(mark: string): boolean {
    return this.#next?.kind === 'mark' && this.#next.text === mark
  }

  #take(mark: string): boolean {
    if (!this.#is(mark)) return false
    this.#at++
    return true
  }

  #expect(mark: string): void {
    if (!this.#take(mark)) throw new ScriptError(`${mark} expected before ${this.#next?.text ?? 'the end'}`)
  }

  #name(): string {
    const token = this.#next
    if (token?.kind !== 'name') throw new ScriptError(`a name expected before ${token?.text ?? 'the end'}`)
    this.#at++
    return token.text
  }

  step(): Pick<Step, 'targets' | 'call' | 'args' | 'isAsync'> {
    const targets: string[] = []
    const start = this.#at
    do targets.push(this.#name())
    while (this.#take(','))
    if (!this.#take('=')) {
      targets.length = 0
      this.#at = start
    }
    let call = this.#name()
    const isAsync = call === 'async'
    if (isAsync) call = this.#name()
    this.#expect('(')
    const args = this.#items(')')
    if (this.#next !== undefined) throw new ScriptError(`nothing expected after the call: ${this.#next.text}`)
    return { targets, call, args, isAsync }
  }

  #items(end: string): Expr[] {
    const items: Expr[] = []
    while (!this.#take(end)) {
      const item = this.expression()
      // `a: POLLIN` is the pair [a, POLLIN].
      items.push(this.#take(':') ? { kind: 'list', items: [item, this.expression()] } : item)
      if (!this.#is(end)) this.#expect(',')
    }
    return items
  }

  expression(): Expr {
    let left = this.#sum()
    while (this.#take('|')) left = { kind: 'binary', op: '|', left, right: this.#sum() }
    return left
  }

  #sum(): Expr {
    let left = this.#product()
    for (;;) {
      if (this.#take('+')) left = { kind: 'binary', op: '+', left, right: this.#product() }
      else if (this.#take('-')) left = { kind: 'binary', op: '-', left, right: this.#product() }
      else return left
    }
  }

  #product(): Expr {
    let left = this.#primary()
    while (this.#take('*')) left = { kind: 'binary', op: '*', left, right: this.#primary() }
    return left
  }

  #primary(): Expr {
    if (this.#take('-')) return { kind: 'unary', op: '-', of: this.#primary() }
    if (this.#take('~')) return { kind: 'unary', op: '~', of: this.#primary() }
    if (this.#take('[')) return { kind: 'list', items: this.#items(']') }
    if (this.#take('(')) {
      const inner = this.expression()
      this.#expect(')')
      return inner
    }
    if (this.#take('{')) return this.#record()
    const token = this.#next
    if (token === undefined) throw new ScriptError('a value expected before the end')
    this.#at++
    switch (token.kind) {
      case 'number':
        return { kind: 'number', value: Number(token.text) }
      case 'bytes':
      case 'address':
        return { kind: token.kind, text: token.text }
      case 'name':
        return this.#take('(')
          ? { kind: 'call', name: token.text, args: this.#items(')') }
          : { kind: 'name', name: token.text }
      default:
        throw new ScriptError(`a value expected before ${token.text}`)
    }
  }

  #record(): Expr {
    const fields: [string, Expr][] = []
    while (!this.#take('}')) {
      const name = this.#name()
      this.#expect(':')
      fields.push([name, this.expression()])
      if (!this.#is('}')) this.#expect(',')
    }
    return { kind: 'record', fields }
  }
}

/** `text` up to a `#` that is not inside quotes. */
function withoutComment(text: string): string {
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') isQuoted = !isQuoted
    else if (text[i] === '#' && !isQuoted) return text.slice(0, i)
  }
  return text
}

/** One step. */
export function parseStep(written: string, line = 0): Step {
  const text = withoutComment(written).trim()
  const [, call, mark, note] = /^(.*?)(?:\s(->|!>)\s*(.*))?$/.exec(text) as RegExpExecArray & [string, string]
  const step = { text, line, ...new Parser(call as string).step() }
  if (mark === '->') return { ...step, expected: (note as string).trim() }
  return mark === '!>' ? { ...step, differs: (note as string).trim() } : step
}

interface Line {
  readonly text: string
  readonly line: number
}

interface Block {
  readonly title: string
  readonly line: number
  readonly lines: Line[]
}

/** Steps that scripts share, by name: the blocks that begin with `::`. */
export type Prologues = Map<string, Block>

/** Values separated by commas; `\,` is a comma in a value. */
const commas = (text: string): string[] => text.split(/(?<!\\),/).map((word) => word.trim().replaceAll('\\,', ','))

const fill = (text: string, name: string, value: string): string => text.replaceAll(`{${name}}`, value)

/** A script for each combination of what its `with` lines say. */
function combinations(block: Block): Block[] {
  const at = block.lines.findIndex(({ text }) => text.startsWith('with '))
  if (at < 0) return [block]
  const [, name, values] = /^with\s+(\w+)\s*=\s*(.*)$/.exec((block.lines[at] as Line).text) ?? []
  if (name === undefined || values === undefined) throw new ScriptError('with NAME = VALUE, VALUE…')
  const others = block.lines.filter((_, i) => i !== at)
  return commas(values).flatMap((value) => {
    const lines = others.map(({ text, line }) => ({ text: fill(text, name, value), line }))
    const title = block.title.includes(`{${name}}`) ? fill(block.title, name, value) : `${block.title}, ${value}`
    return combinations({ title, line: block.line, lines })
  })
}

function stepsOf(block: Block, prologues: Prologues): Step[] {
  return block.lines.flatMap(({ text, line }): Step[] => {
    try {
      const used = /^use\s+(.*)$/.exec(text)?.[1]
      if (used !== undefined) {
        const prologue = prologues.get(used.trim())
        if (prologue === undefined) throw new ScriptError(`no block :: ${used}`)
        return stepsOf(prologue, prologues)
      }
      const each = /^each\s+(\w+)\s*=\s*(.*?):\s+(.*)$/.exec(text)
      if (each === null) return [parseStep(text, line)]
      const [, name, values, body] = each as unknown as [string, string, string, string]
      return commas(values).flatMap((value) =>
        stepsOf({ ...block, lines: [{ text: fill(body, name, value), line }] }, prologues),
      )
    } catch (error) {
      if (!(error instanceof ScriptError) || error.message.startsWith('line ')) throw error
      throw new ScriptError(`line ${line}: ${error.message}`)
    }
  })
}

/** Parses a file; its `::` blocks are added to `prologues`. */
export function parseScripts(text: string, file: string, prologues: Prologues): Script[] {
  const blocks: Block[] = []
  let block: Block | undefined
  for (const [i, raw] of text.split('\n').entries()) {
    const content = withoutComment(raw).trim()
    const line = i + 1
    if (content === '') continue
    const head = /^(==|::)\s*(.*)$/.exec(content)
    if (head !== null) {
      block = { title: head[2] as string, line, lines: [] }
      if (head[1] === '::') prologues.set(block.title, block)
      else blocks.push(block)
    } else if (block === undefined) throw new ScriptError(`${file}:${line}: a title (== …) comes first`)
    else block.lines.push({ text: content, line })
  }
  return blocks.flatMap(combinations).map((one) => {
    try {
      return { title: one.title, file, line: one.line, steps: stepsOf(one, prologues) }
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error
      throw new ScriptError(`${file}, "${one.title}": ${error.message}`)
    }
  })
}
