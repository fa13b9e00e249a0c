/** `sysctl` of procps (sysctl(8)): a host's parameters by name, read and written below /proc/sys. */
import { S_IFDIR, S_IFMT } from '../fs/mode.ts'
import type { Process } from '../host/process.ts'
import { SystemError } from '../sys/errno.ts'
import { namesIn, readFile, writeFile } from './file-text.ts'
import { strerror } from './strerror.ts'
import { getopt, type Options, print, type Tool, ToolError } from './tool.ts'

const ROOT = '/proc/sys'
const LONG: Readonly<Record<string, string>> = {
  all: 'a',
  names: 'N',
  values: 'n',
  binary: 'b',
  ignore: 'e',
  write: 'w',
  quiet: 'q',
}

export const sysctlTool: Tool = async (process, argv) => {
  const options = getopt('sysctl', argv, 'aAXnNewqbrd', LONG)
  const all = options.flags.has('a') || options.flags.has('A') || options.flags.has('X')
  if (options.words.length === 0 && !all) throw new ToolError('sysctl: no variables specified', 1)
  let status = 0
  if (all) status = await showBelow(process, options, ROOT)
  for (const word of options.words) status = (await one(process, options, word)) || status
  return status
}

/** `a.b/c` as a path: the first separator decides which of the two separates (sysctl(8)). */
function pathOf(name: string): string {
  const dot = name.indexOf('.')
  const slash = name.indexOf('/')
  if (slash >= 0 && (dot < 0 || slash < dot)) return `${ROOT}/${name}`
  return `${ROOT}/${name.replace(/[./]/g, (c) => (c === '.' ? '/' : '.'))}`
}

/** And back. */
const nameOf = (path: string): string => path.slice(ROOT.length + 1).replace(/[./]/g, (c) => (c === '/' ? '.' : '/'))

const isDirectory = (process: Process, path: string): boolean => (process.stat(path).mode & S_IFMT) === S_IFDIR

/** One word of the command line: `NAME` or `NAME=VALUE`. */
async function one(process: Process, options: Options, word: string): Promise<number> {
  const at = word.indexOf('=')
  if (at < 0 && options.flags.has('w')) return await complain(process, `"${word}" must be of the form name=value`)
  const path = pathOf((at < 0 ? word : word.slice(0, at)).trim())
  try {
    if (at >= 0) return await assign(process, options, path, word.slice(at + 1).trim())
    if (isDirectory(process, path)) return await showBelow(process, options, path)
    return await show(process, options, path)
  } catch (error) {
    if (!(error instanceof SystemError)) throw error
    if (error.code === 'ENOENT') {
      if (options.flags.has('e')) return 0
      return await complain(process, `cannot stat ${path}: ${strerror(error)}`)
    }
    const isDenied = error.code === 'EACCES' || error.code === 'EPERM'
    if (isDenied) return await complain(process, `permission denied on key "${nameOf(path)}"`)
    return await complain(process, `${at < 0 ? 'reading' : 'setting'} key "${nameOf(path)}": ${strerror(error)}`)
  }
}

async function complain(process: Process, text: string): Promise<number> {
  await print(process, `sysctl: ${text}\n`, 2)
  return 1
}

/** Prints one value, each of its lines with the name in front. */
async function show(process: Process, { flags }: Options, path: string, given?: string): Promise<number> {
  const value = given ?? (await readFile(process, path)).replace(/\n$/, '')
  const name = nameOf(path)
  if (flags.has('N')) await print(process, `${name}\n`)
  else if (flags.has('b')) await print(process, value)
  else if (flags.has('n')) await print(process, `${value}\n`)
  else for (const line of value.split('\n')) await print(process, `${name} = ${line}\n`)
  return 0
}

async function assign(process: Process, options: Options, path: string, value: string): Promise<number> {
  process.stat(path)
  await writeFile(process, path, `${value}\n`)
  return options.flags.has('q') ? 0 : await show(process, options, path, value)
}

/** All below a directory, in alphabetical order; what may not be read is passed over. */
async function showBelow(process: Process, options: Options, path: string): Promise<number> {
  for (const name of await namesIn(process, path)) {
    const below = `${path}/${name}`
    if (isDirectory(process, below)) await showBelow(process, options, below)
    else if ((process.stat(below).mode & 0o444) !== 0) await show(process, options, below)
  }
  return 0
}
