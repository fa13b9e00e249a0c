/**
 * What the tools of a virtual host share. A tool is a program with arguments: it prints to descriptor 1, complains on
 * descriptor 2 in one line, and gives an exit status; what it knows it learns from the host it runs on.
 */
import type { Process } from '../host/process.ts'

/** A tool: its exit status. `argv` is without the tool's name. */
export type Tool = (process: Process, argv: readonly string[]) => number | Promise<number>

/** Exit status of a command line that cannot be understood. */
export const STATUS_USAGE = 2

/** Ends a tool with one line on descriptor 2. */
export class ToolError extends Error {
  readonly status: number
  constructor(message: string, status: number = STATUS_USAGE) {
    super(message)
    this.name = 'ToolError'
    this.status = status
  }
}

/** Writes all of `text` to a descriptor. */
export async function print(process: Process, text: string, fd: number = 1): Promise<void> {
  if (text !== '') await process.write(fd, new TextEncoder().encode(text))
}

/** Options by letter, and the words that are none. */
export interface Options {
  readonly flags: ReadonlySet<string>
  /** Of a letter given more than once the last; how often it was given. */
  readonly values: ReadonlyMap<string, string>
  readonly counts: ReadonlyMap<string, number>
  readonly words: readonly string[]
}

/**
 * Reads `argv` as getopt(3) does with `letters` (`ab:c`: -b takes a value); options may follow words. `long` gives the
 * letter for each long option.
 */
export function getopt(
  tool: string,
  argv: readonly string[],
  letters: string,
  long: Readonly<Record<string, string>> = {},
): Options {
  const counts = new Map<string, number>()
  const values = new Map<string, string>()
  const words: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string
    if (word === '--') {
      words.push(...argv.slice(i + 1))
      break
    }
    if (!word.startsWith('-') || word === '-') {
      words.push(word)
      continue
    }
    const [name, attached] = word.startsWith('--') ? splitLong(word) : ['', undefined]
    const given = name === '' ? word.slice(1) : long[name]
    if (given === undefined) throw new ToolError(`${tool}: unrecognized option '${word}'`)
    for (let k = 0; k < given.length; k++) {
      const letter = given[k] as string
      const at = letter === ':' ? -1 : letters.indexOf(letter)
      if (at < 0) throw new ToolError(`${tool}: invalid option -- '${letter}'`)
      counts.set(letter, (counts.get(letter) ?? 0) + 1)
      if (letters[at + 1] !== ':') continue
      const rest = given.slice(k + 1)
      const value = attached ?? (rest !== '' ? rest : argv[++i])
      if (value === undefined) throw new ToolError(`${tool}: option requires an argument -- '${letter}'`)
      values.set(letter, value)
      break
    }
  }
  return { flags: new Set(counts.keys()), values, counts, words }
}

function splitLong(word: string): [string, string | undefined] {
  const at = word.indexOf('=')
  return at < 0 ? [word.slice(2), undefined] : [word.slice(2, at), word.slice(at + 1)]
}

/** The value of option `letter` as a number in [least, most], `otherwise` if not given; a bad one ends the tool with `status`. */
export function numberOf(
  tool: string,
  options: Options,
  letter: string,
  otherwise: number,
  least: number,
  most: number,
  status: number = STATUS_USAGE,
): number {
  const text = options.values.get(letter)
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!/^\d*\.?\d+$/.test(text) || value < least || value > most)
    throw new ToolError(`${tool}: -${letter}: not a number from ${least} to ${most}: '${text}'`, status)
  return value
}

/** Runs a tool on a host's process; what it throws as `ToolError` becomes a line on descriptor 2. */
export async function runTool(tool: Tool, process: Process, argv: readonly string[]): Promise<number> {
  try {
    return await tool(process, argv)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    await print(process, `${error.message}\n`, 2)
    return error.status
  }
}

/** Columns filled with spaces to the right. */
export const left = (value: string | number, width: number): string => String(value).padEnd(width)
/** Columns filled with spaces to the left. */
export const right = (value: string | number, width: number): string => String(value).padStart(width)

/** A number as C's `%g` prints it: six significant digits, no zeros at the end. */
export const general = (value: number): string => String(Number(value.toPrecision(6)))
