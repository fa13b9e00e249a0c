/** /proc/sys: sysctls as files (proc_sysctl.c), and the counts of open files. */

import { type Directory, type FileUser, FixedDirectory, GeneratedFile, ROOT_USER, type Volume } from '../fs/inode.ts'
import { EACCES, EPERM } from '../sys/errno.ts'
import { boundsOf, SYSCTL_DIRECTORIES } from '../sys/sysctl-table.ts'
import type { Host } from './host.ts'

/** Those nobody writes, and those only root reads. */
const READ_ONLY: readonly string[] = ['file-nr', 'tcp_available_congestion_control']
const SECRET: readonly string[] = ['tcp_fastopen_key']
/** Largest value of the types that writing does not move on. */
const BYTE_MAX = 0xff
const UINT_MAX = 0xffffffff

/** Bits of /proc/sys bind root too (test_perm). */
function testPerm(mode: number, user: FileUser, wanted: number): number {
  const bits = mode >> (user.euid === 0 ? 6 : user.egid === 0 ? 3 : 0)
  return (bits & wanted) === wanted ? 0 : -EACCES
}

class SysDirectory extends FixedDirectory {
  override permission(user: FileUser, wanted: number): number {
    return testPerm(this.mode, user, wanted)
  }
}

/** A sysctl's file. Writing takes root whatever its bits say (net_ctl_permissions). */
class SysctlFile extends GeneratedFile {
  readonly #isUnsigned: boolean

  constructor(host: Host, volume: Volume, directory: string, name: string) {
    const { mode, read, write } = accessTo(host, directory, name)
    super(volume, mode, ROOT_USER, read, write)
    const [least, largest] = boundsOf(name)
    this.#isUnsigned = least >= 0 && (largest <= BYTE_MAX || largest === UINT_MAX)
  }

  override permission(user: FileUser, wanted: number): number {
    return testPerm(this.mode, user, wanted)
  }

  override get hasFixedMode(): boolean {
    return true
  }

  /** A reader that does not take a number at once gets no more of it. */
  override get isSysctl(): boolean {
    return true
  }

  /** Numbers of one byte and unsigned ones (proc_douintvec). */
  override get keepsPosition(): boolean {
    return this.#isUnsigned
  }
}

/** How a sysctl's file is read and written, and by whom. */
function accessTo(
  host: Host,
  directory: string,
  name: string,
): {
  readonly mode: number
  readonly read: () => string
  readonly write: ((text: string, user: FileUser) => number) | null
} {
  const { sysctl } = host
  const path = `${directory}/${name}`
  const read = (): string => {
    if (name === 'file-nr') return `${host.openFiles.count}\t0\t${sysctl.file_max}\n`
    const value = sysctl.get(path)
    return `${typeof value === 'object' ? value.join('\t') : String(value)}\n`
  }
  const isReadOnly = READ_ONLY.includes(name)
  const write = (text: string, { euid }: FileUser): number => (euid === 0 ? sysctl.write(path, text) : -EPERM)
  return { mode: SECRET.includes(name) ? 0o600 : isReadOnly ? 0o444 : 0o644, read, write: isReadOnly ? null : write }
}

/** /proc/sys as a directory of `parent`. */
export function sysDirectory(host: Host, volume: Volume, parent: Directory): Directory {
  const root = new SysDirectory(volume, 0o555, ROOT_USER, parent, 'sys')
  for (const [path, names] of Object.entries(SYSCTL_DIRECTORIES)) {
    let at: Directory = root
    for (const part of path.split('/')) {
      let next = at.lookup(part, ROOT_USER) as Directory | undefined
      if (next === undefined) {
        next = new SysDirectory(volume, 0o555, ROOT_USER, at, part)
        at.set(part, next)
      }
      at = next
    }
    for (const name of names) at.set(name, new SysctlFile(host, volume, path, name))
  }
  return root
}
