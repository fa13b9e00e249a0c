/** What is wrong with a command line, said in one line; and the checks that all commands share. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** Exit status of a command line that cannot be understood or names what is not there. */
export const STATUS_USAGE = 2

/** Exit status of a command that was understood and could not be done. */
export const STATUS_FAILED = 1

/** The user's mistake, or what this machine lacks: printed as one line on stderr. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError'
  readonly status: number
  constructor(message: string, status: number = STATUS_USAGE) {
    super(message)
    this.status = status
  }
}

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ options: T; allowPositionals: true; args: string[] }>>

/** `parseArgs` of node:util whose errors are `UsageError`s of one line. */
export function parse<T extends Options>(args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    // Node adds advice about `--`; the first sentence says what is wrong.
    const message = (error as Error).message.split(/\. (?=To specify)|\n/)[0] as string
    throw new UsageError(message.charAt(0).toLowerCase() + message.slice(1))
  }
}

/** A TCP port of flag `flag`: 1 to 65535. */
export function port(flag: string, text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 65535)
    throw new UsageError(`${flag}: not a port (1 to 65535): '${text}'`)
  return value
}

/** An integer of flag `flag` in [least, most]. */
export function integer(flag: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new UsageError(`${flag}: not a whole number from ${least} to ${most}: '${text}'`)
  return value
}

/** Refuses words that no command takes. */
export function noMore(command: string, words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`${command}: too many arguments: '${words[0] as string}'`)
}

/** The reason of a failed file operation without Node's quoting of the call: `no such file or directory`. */
export function fileReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const text = /^[A-Z0-9_]+: ([^,]+)/.exec(message)
  return text?.[1] ?? code ?? message
}
