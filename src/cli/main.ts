#!/usr/bin/env node
/** `sockeye`: the command line. One word chooses what to do; what it is told wrong ends in one line and status 2. */
import { readFileSync } from 'node:fs'
import { parse, STATUS_USAGE, UsageError } from './arguments.ts'
import { dump } from './dump.ts'
import { helpOf } from './help.ts'

type Command = (args: readonly string[]) => Promise<number>

/** Commands by name; the large ones are loaded when they are asked for. */
const COMMANDS: Readonly<Record<string, Command>> = {
  demo: async (args) => (await import('./demo.ts')).demo(args),
  serve: async (args) => (await import('./serve.ts')).serve(args),
  dump,
}

/** The version in package.json, two folders up from here both in src/ and in dist/. */
function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

async function main(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args
  if (word === undefined || word === 'help' || word === '--help' || word === '-h') {
    process.stdout.write(helpOf(rest[0]))
    return word === undefined ? STATUS_USAGE : 0
  }
  if (word === '--version' || word === '-V') {
    process.stdout.write(`sockeye ${version()}\n`)
    return 0
  }
  if (word.startsWith('-')) {
    parse([word], {})
    throw new UsageError(`unknown option '${word}'`)
  }
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined
  if (command === undefined) throw new UsageError(`unknown command '${word}'; sockeye --help lists them`)
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(helpOf(word))
    return 0
  }
  return await command(rest)
}

// A reader that went away (`sockeye dump … | head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`sockeye: ${error.message}\n`)
  process.exitCode = error.status
}
