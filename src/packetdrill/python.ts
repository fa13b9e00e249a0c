/** The Python of `%{ … }%`: assert, assignment, print, if, and expressions of numbers, names, lists and formatted strings. */

export type Value = number | string | boolean | null | readonly Value[]

/** The snippet raised an exception. */
export class PythonError extends Error {
  override readonly name: string = 'PythonError'
}

/** Of a line's end, `text` is it with the white space that the next line begins with. */
type Word = { readonly kind: 'number' | 'name' | 'string' | 'op' | 'newline' | 'end'; readonly text: string }

const TOKEN =
  /[ \t\r]+|\\\n|#[^\n]*|(\n[ \t]*|;)|(0x[0-9a-fA-F]+|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|(==|!=|<=|>=|<<|>>|\/\/|\*\*|\+=|-=|\*=|[-+*/%&|^~<>()[\],=.:])/y

function words(source: string): Word[] {
  const out: Word[] = []
  let depth = 0
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex
    const m = TOKEN.exec(source)
    if (m === null) throw new PythonError(`SyntaxError: invalid syntax at '${source.slice(at, at + 20)}'`)
    if (m[1] !== undefined) {
      if (depth === 0 || m[1] === ';') out.push({ kind: 'newline', text: m[1] })
    } else if (m[2] !== undefined) out.push({ kind: 'number', text: m[2] })
    else if (m[3] !== undefined) out.push({ kind: 'name', text: m[3] })
    else if (m[4] !== undefined || m[5] !== undefined)
      out.push({
        kind: 'string',
        text: (m[4] ?? m[5] ?? '').replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : c)),
      })
    else if (m[6] !== undefined) {
      if ('(['.includes(m[6])) depth++
      if (')]'.includes(m[6])) depth--
      out.push({ kind: 'op', text: m[6] })
    }
  }
  out.push({ kind: 'end', text: '' })
  return out
}

const truth = (v: Value): boolean =>
  Array.isArray(v) ? v.length > 0 : v !== 0 && v !== '' && v !== false && v !== null
const number = (v: Value): number => {
  if (typeof v === 'number') return v
  if (typeof v === 'boolean') return v ? 1 : 0
  throw new PythonError('TypeError: not a number')
}

/** Text as print() and assertion messages show it. */
export function toText(v: Value): string {
  if (v === true) return 'True'
  if (v === false) return 'False'
  if (v === null) return 'None'
  return Array.isArray(v) ? `(${v.map(toText).join(', ')})` : String(v)
}

/** Integers of any size by their low 64 bits would need BigInt; what scripts use stays below 2^53. */
function bits(op: string, a: number, b: number): number {
  const x = BigInt(a)
  const y = BigInt(b)
  if (op === '&') return Number(x & y)
  if (op === '|') return Number(x | y)
  if (op === '^') return Number(x ^ y)
  return Number(op === '<<' ? x << y : x >> y)
}

const CONVERSION = /%(?:%|([-+ 0#]*)(\d*)(?:\.(\d+))?([dsxXrufi]))/g

function format(pattern: string, value: Value): string {
  const items = Array.isArray(value) ? [...value] : [value]
  return pattern.replace(CONVERSION, (_, flags: string, width: string, digits: string | undefined, type?: string) => {
    if (type === undefined) return '%'
    if (items.length === 0) throw new PythonError('TypeError: not enough arguments for format string')
    const item = items.shift() as Value
    const text = conversion(type, item, digits)
    if (flags.includes('-')) return text.padEnd(Number(width))
    return text.padStart(Number(width), flags.includes('0') ? '0' : ' ')
  })
}

function conversion(type: string, item: Value, digits: string | undefined): string {
  if (type === 'x') return number(item).toString(16)
  if (type === 'X') return number(item).toString(16).toUpperCase()
  if (type === 'd' || type === 'i' || type === 'u') return String(Math.trunc(number(item)))
  return type === 'f' ? number(item).toFixed(Number(digits ?? 6)) : toText(item)
}

/** One process of Python: variables persist from snippet to snippet. */
export class Python {
  readonly variables: Map<string, Value> = new Map()
  readonly output: string[] = []
  #words: readonly Word[] = []
  #at = 0

  /** Runs a snippet; a PythonError is what it raised. */
  run(source: string): void {
    this.#words = words(source)
    this.#at = 0
    while (this.#current.kind !== 'end') {
      if (this.#current.kind === 'newline') this.#at++
      else this.#statement()
    }
  }

  get #current(): Word {
    return this.#words[this.#at] as Word
  }

  #accept(text: string): boolean {
    const { kind } = this.#current
    if ((kind !== 'op' && kind !== 'name') || this.#current.text !== text) return false
    this.#at++
    return true
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw new PythonError(`SyntaxError: expected '${text}' at '${this.#current.text}'`)
  }

  #statement(): void {
    if (this.#accept('if')) {
      this.#if()
      return
    }
    if (this.#accept('assert')) this.#assert()
    else if (this.#accept('import') || this.#accept('pass'))
      while (this.#current.kind === 'name' || this.#accept(',')) this.#at++
    else if (this.#current.kind === 'name' && this.#isAssignment()) this.#assign()
    else this.#list()
    if (this.#current.kind !== 'newline' && this.#current.kind !== 'end')
      throw new PythonError(`SyntaxError: invalid syntax at '${this.#current.text}'`)
  }

  /** if, elif and else, with what is to be done behind the colon or in the lines below, further in. */
  #if(): void {
    const indent = this.#indent()
    let isDone = false
    for (let isLast = false; ; ) {
      const isChosen: boolean = !isDone && (isLast || truth(this.#expression()))
      if (isDone && !isLast) this.#skipTo(':')
      this.#expect(':')
      this.#block(indent, isChosen)
      isDone ||= isChosen
      const from = this.#at
      while (this.#current.kind === 'newline' && this.#indent() === indent) this.#at++
      isLast = this.#accept('else')
      if (!isLast && !this.#accept('elif')) {
        this.#at = from
        return
      }
    }
  }

  /** How far in the line in hand begins. */
  #indent(): number {
    for (let at = this.#at; at >= 0; at--) {
      const word = this.#words[at] as Word
      if (word.kind === 'newline' && word.text !== ';') return word.text.length - 1
    }
    return 0
  }

  #skipTo(text: string): void {
    while (this.#current.kind !== 'end' && this.#current.text !== text) this.#at++
  }

  /** The statements of a branch, done or passed over. */
  #block(indent: number, isChosen: boolean): void {
    const isBelow = this.#current.kind === 'newline'
    const isOver = (): boolean => {
      const { kind, text } = this.#current
      if (kind === 'end') return true
      if (kind !== 'newline' || text === ';') return false
      // Empty lines end nothing.
      const next = this.#words[this.#at + 1] as Word
      return !isBelow || (text.length - 1 <= indent && next.kind !== 'newline')
    }
    while (!isOver()) {
      if (this.#current.kind === 'newline' || !isChosen) this.#at++
      else this.#statement()
    }
  }

  #isAssignment(): boolean {
    const after = this.#words[this.#at + 1] as Word
    return after.kind === 'op' && ['=', '+=', '-=', '*='].includes(after.text)
  }

  #assign(): void {
    const name = this.#current.text
    const op = (this.#words[this.#at + 1] as Word).text
    this.#at += 2
    const value = this.#list()
    if (op === '=') this.variables.set(name, value)
    else this.variables.set(name, this.#arithmetic(op[0] as string, this.#lookup(name), value))
  }

  #assert(): void {
    const from = this.#at
    const value = this.#expression()
    const text = this.#words
      .slice(from, this.#at)
      .map((w) => w.text)
      .join(' ')
    const message = this.#accept(',') ? this.#expression() : null
    if (!truth(value)) throw new PythonError(`assert ${text} fails${message === null ? '' : `: ${toText(message)}`}`)
  }

  /** Expressions with commas between make a tuple. */
  #list(): Value {
    const first = this.#expression()
    if (!this.#accept(',')) return first
    const items = [first]
    while (this.#current.kind !== 'newline' && this.#current.kind !== 'end' && this.#current.text !== ')') {
      items.push(this.#expression())
      if (!this.#accept(',')) break
    }
    return items
  }

  #expression(): Value {
    const value = this.#or()
    if (!this.#accept('if')) return value
    const isChosen = truth(this.#or())
    this.#expect('else')
    const other = this.#expression()
    return isChosen ? value : other
  }

  #or(): Value {
    let value = this.#and()
    while (this.#accept('or')) {
      const right = this.#and()
      value = truth(value) ? value : right
    }
    return value
  }

  #and(): Value {
    let value = this.#not()
    while (this.#accept('and')) {
      const right = this.#not()
      value = truth(value) ? right : value
    }
    return value
  }

  #not(): Value {
    return this.#accept('not') ? !truth(this.#not()) : this.#comparison()
  }

  #comparison(): Value {
    let left = this.#binary(0)
    let result: boolean | null = null
    for (;;) {
      const { kind, text: op } = this.#current
      const isNotIn = op === 'not' && this.#words[this.#at + 1]?.text === 'in'
      const isComparison = kind === 'op' || kind === 'name' ? COMPARISONS.includes(op) || isNotIn : false
      if (!isComparison) return result === null ? left : result
      this.#at += isNotIn ? 2 : 1
      const isNegated = isNotIn || (op === 'is' && this.#accept('not'))
      const right = this.#binary(0)
      result = (result ?? true) && compare(isNotIn ? 'in' : op, left, right) !== isNegated
      left = right
    }
  }

  #binary(level: number): Value {
    const operators = LEVELS[level]
    if (operators === undefined) return this.#unary()
    let value = this.#binary(level + 1)
    while (this.#current.kind === 'op' && operators.includes(this.#current.text)) {
      const op = this.#current.text
      this.#at++
      value = this.#arithmetic(op, value, this.#binary(level + 1))
    }
    return value
  }

  #arithmetic(op: string, a: Value, b: Value): Value {
    if (op === '%' && typeof a === 'string') return format(a, b)
    if (op === '+' && typeof a === 'string' && typeof b === 'string') return a + b
    const x = number(a)
    const y = number(b)
    switch (op) {
      case '+':
        return x + y
      case '-':
        return x - y
      case '*':
        return x * y
      case '/':
      case '//':
      case '%':
        if (y === 0) throw new PythonError('ZeroDivisionError: division by zero')
        return op === '/' ? x / y : op === '//' ? Math.floor(x / y) : x - y * Math.floor(x / y)
      default:
        return bits(op, x, y)
    }
  }

  #unary(): Value {
    if (this.#accept('-')) return -number(this.#unary())
    if (this.#accept('+')) return number(this.#unary())
    if (this.#accept('~')) return -number(this.#unary()) - 1
    const base = this.#subscripted()
    return this.#accept('**') ? number(base) ** number(this.#unary()) : base
  }

  #subscripted(): Value {
    let value = this.#primary()
    while (this.#accept('[')) {
      const index = number(this.#expression())
      this.#expect(']')
      const list: readonly Value[] | string = typeof value === 'string' || Array.isArray(value) ? value : []
      const item: Value | undefined = list[index < 0 ? index + list.length : index]
      if (item === undefined) throw new PythonError('IndexError: index out of range')
      value = item
    }
    return value
  }

  #primary(): Value {
    const word = this.#current
    this.#at++
    if (word.kind === 'number') return Number(word.text)
    if (word.kind === 'string') {
      let text = word.text
      while (this.#current.kind === 'string') {
        text += this.#current.text
        this.#at++
      }
      return text
    }
    if (word.kind === 'op' && word.text === '(') {
      if (this.#accept(')')) return []
      const value = this.#list()
      this.#expect(')')
      return value
    }
    if (word.kind === 'op' && word.text === '[') {
      const items: Value[] = []
      while (!this.#accept(']')) {
        items.push(this.#expression())
        this.#accept(',')
      }
      return items
    }
    if (word.kind === 'name') return this.#accept('(') ? this.#call(word.text) : this.#lookup(word.text)
    throw new PythonError(`SyntaxError: invalid syntax at '${word.text}'`)
  }

  #call(name: string): Value {
    const args: Value[] = []
    while (!this.#accept(')')) {
      // print(…, end='')
      if (this.#current.kind === 'name' && this.#isAssignment()) {
        this.#at += 2
        this.#expression()
      } else args.push(this.#expression())
      this.#accept(',')
    }
    const first = args[0] ?? null
    switch (name) {
      case 'print':
        this.output.push(args.map(toText).join(' '))
        return null
      case 'abs':
        return Math.abs(number(first))
      case 'int':
        return typeof first === 'string' ? Number.parseInt(first, 10) : Math.trunc(number(first))
      case 'str':
        return toText(first)
      case 'hex':
        return `0x${number(first).toString(16)}`
      case 'len':
        return typeof first === 'string' || Array.isArray(first) ? first.length : 0
      case 'float':
        return Number(first)
      case 'round':
        return Math.round(number(first))
      case 'min':
      case 'max':
      case 'sum': {
        const all = (Array.isArray(first) ? first : args).map(number)
        return name === 'sum' ? all.reduce((a, b) => a + b, 0) : name === 'min' ? Math.min(...all) : Math.max(...all)
      }
      default:
        throw new PythonError(`NameError: name '${name}' is not defined`)
    }
  }

  #lookup(name: string): Value {
    if (name === 'True') return true
    if (name === 'False') return false
    if (name === 'None') return null
    const value = this.variables.get(name)
    if (value === undefined) throw new PythonError(`NameError: name '${name}' is not defined`)
    return value
  }
}

const COMPARISONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>=', 'in', 'is']

/** Operators by precedence, the weakest first; `**` binds more than a sign before it. */
const LEVELS: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']]

function compare(op: string, a: Value, b: Value): boolean {
  if (op === '==' || op === 'is') return plain(a) === plain(b)
  if (op === '!=') return plain(a) !== plain(b)
  if (op === 'in')
    return typeof b === 'string'
      ? b.includes(toText(a))
      : Array.isArray(b) && b.some((v) => plain(v as Value) === plain(a))
  const x = typeof a === 'string' ? a : number(a)
  const y = typeof b === 'string' ? b : number(b)
  return op === '<' ? x < y : op === '<=' ? x <= y : op === '>' ? x > y : x >= y
}

const plain = (v: Value): string | number | null =>
  typeof v === 'boolean' ? Number(v) : Array.isArray(v) ? JSON.stringify(v) : (v as string | number | null)
