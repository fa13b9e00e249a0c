/** /proc/PID: what there is to know of a process (proc(5)). Memory, processor time and the like are 0: a host has none. */

import {
  type Directory,
  type FileUser,
  FixedDirectory,
  GeneratedFile,
  type Inode,
  ROOT_USER,
  Symlink,
  type Volume,
} from '../fs/inode.ts'
import { O_ACCMODE, O_RDONLY, O_WRONLY } from '../sock/constants.ts'
import type { OpenFile } from '../socket/open-file.ts'
import type { Process } from './process.ts'
import { type ProcessRow, stateOf } from './process-table.ts'

/** Bytes of a command's name with its NUL (TASK_COMM_LEN). */
const COMM_LENGTH = 16
/** Numbers behind the twenty-fourth of /proc/PID/stat. */
const REST_OF_STAT = 28

const commOf = ({ name }: Process): string => name.slice(0, COMM_LENGTH - 1)

/** The words of the states. */
const STATES: Readonly<Record<ProcessRow['state'], string>> = { R: 'running', S: 'sleeping', T: 'stopped', Z: 'zombie' }

/** /proc/PID/stat: the fields up to the session mean something (do_task_stat). */
function stat(process: Process): string {
  const { pid, ppid, pgid, sid } = process
  const rest = new Array<number>(REST_OF_STAT + 18).fill(0).join(' ')
  return `${pid} (${commOf(process)}) ${stateOf(process)} ${ppid} ${pgid} ${sid} ${rest}\n`
}

/** /proc/PID/status (proc_pid_status), without what there is not. */
function status(process: Process): string {
  const { pid, ppid, pgid, sid, credentials, files, signals } = process
  const { uid, euid, gid, egid, fs } = credentials
  const state = stateOf(process)
  const rows: (readonly [string, string | number])[] = [
    ['Name', commOf(process)],
    ['Umask', (fs?.umask ?? 0).toString(8).padStart(4, '0')],
    ['State', `${state} (${STATES[state]})`],
    ['Tgid', pid],
    ['Ngid', 0],
    ['Pid', pid],
    ['PPid', ppid],
    ['TracerPid', 0],
    ['Uid', [uid, euid, euid, euid].join('\t')],
    ['Gid', [gid, egid, egid, egid].join('\t')],
    ['FDSize', Math.max(64, 2 ** Math.ceil(Math.log2(files.size + 1)))],
    ['Groups', ' '],
    ['NStgid', pid],
    ['NSpid', pid],
    ['NSpgid', pgid],
    ['NSsid', sid],
    ['Threads', 1],
    ['ShdPnd', words(signals.pending)],
    ['SigBlk', words(signals.blocked)],
  ]
  return rows.map(([name, value]) => `${name}:\t${value}\n`).join('')
}

const words = ({ low, high }: { readonly low: number; readonly high: number }): string =>
  [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')

/** /proc/PID/limits: of those that are kept. */
function limits({ files }: Process): string {
  const row = (name: string, soft: string | number, hard: string | number, units: string): string =>
    `${name.padEnd(25)} ${String(soft).padEnd(20)} ${String(hard).padEnd(20)} ${units.padEnd(10)}\n`
  return (
    row('Limit', 'Soft Limit', 'Hard Limit', 'Units') + row('Max open files', files.limit, files.hardLimit, 'files')
  )
}

/** A link of /proc/PID/fd: following it leads to the very file, whatever its text says (proc_fd_link). */
class FdLink extends Symlink {
  readonly #file: OpenFile

  constructor(volume: Volume, owner: FileUser, file: OpenFile) {
    super(volume, '', owner)
    this.#file = file
    const access = file.flags & O_ACCMODE
    this.mode = (this.mode & ~0o777) | (access === O_WRONLY ? 0 : 0o500) | (access === O_RDONLY ? 0 : 0o300)
  }

  override get size(): number {
    return 64
  }

  override text(): string {
    return this.#file.description
  }

  override follow(): Inode | null {
    return this.#file.inode
  }
}

class FdDirectory extends FixedDirectory {
  readonly #process: Process

  constructor(process: Process, volume: Volume, parent: Directory) {
    super(volume, 0o500, process.credentials, parent, 'fd')
    this.#process = process
  }

  override get size(): number {
    return this.#process.files.size
  }

  override lookup(name: string): Inode | undefined {
    const file = /^(0|[1-9]\d*)$/.test(name) ? this.#process.files.get(Number(name)) : null
    return file === null ? undefined : new FdLink(this.volume, this.#process.credentials, file)
  }

  override *names(): Generator<string> {
    for (const [fd] of this.#process.files.entries()) yield String(fd)
  }
}

/** /proc/PID. */
export class PidDirectory extends FixedDirectory {
  /** One network is all a host has: its directory is the same for everybody. */
  readonly #net: Directory

  constructor(process: Process, volume: Volume, parent: Directory, net: Directory) {
    const owner = process.credentials
    super(volume, 0o555, owner, parent, String(process.pid))
    const file = (name: string, text: () => string): void => {
      this.set(name, new GeneratedFile(volume, 0o444, owner, text))
    }
    file('comm', () => `${commOf(process)}\n`)
    file('cmdline', () => (process.isOver ? '' : `${process.name}\0`))
    file('limits', () => limits(process))
    file('stat', () => stat(process))
    file('status', () => status(process))
    this.set('fd', new FdDirectory(process, volume, this))
    this.set('cwd', new CwdLink(volume, process))
    this.#net = net
  }

  override lookup(name: string, user: FileUser): Inode | undefined {
    return name === 'net' ? this.#net : super.lookup(name, user)
  }

  override *names(): Generator<string> {
    yield* super.names()
    yield 'net'
  }
}

/** /proc/PID/cwd. */
class CwdLink extends Symlink {
  readonly #process: Process

  constructor(volume: Volume, process: Process) {
    super(volume, '', ROOT_USER)
    this.#process = process
  }

  override text(): string {
    return this.#process.credentials.fs?.cwd.path ?? '/'
  }

  override follow(): Inode | null {
    return this.#process.credentials.fs?.cwd ?? null
  }
}
