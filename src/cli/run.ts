/** One word chooses what to do. */
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
  packetdrill: async (args) => (await import('./packetdrill.ts')).packetdrill(args),
  shell: async (args) => (await import('./shell.ts')).shell(args),
}

/** The tool of virtual hosts of this name, as a command. */
async function toolNamed(name: string): Promise<Command | undefined> {
  const { findTool } = await import('../app/tools.ts')
  if (findTool(name) === undefined) return undefined
  return async (args) => (await import('./tool-command.ts')).toolCommand(name, args)
}

/** The version in package.json, which is some folders up from here: as source, and as built. */
function version(): string {
  for (let folder = new URL('..', import.meta.url); ; folder = new URL('..', folder)) {
    try {
      const { name, version: text } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as Record<
        string,
        string
      >
      if (name === 'sockeye') return text as string
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder.pathname === '/') throw error
    }
  }
}

/** Does what the arguments after `sockeye` say; the exit status. A UsageError says in one line what is wrong with them. */
export async function run(args: readonly string[]): Promise<number> {
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
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : await toolNamed(word)
  if (command === undefined) throw new UsageError(`unknown command '${word}'; sockeye --help lists them`)
  // To a tool -h may mean something else.
  if (rest.includes('--help') || (rest.includes('-h') && Object.hasOwn(COMMANDS, word))) {
    process.stdout.write(helpOf(word))
    return 0
  }
  return await command(rest)
}
