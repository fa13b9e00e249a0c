/** Descriptor tables (struct files_struct): small integers for open file descriptions, the lowest free one first. */
import { EBADF, EBUSY, EINVAL, EMFILE, ENFILE } from '../sys/errno.ts'
import { FilesStat, type OpenFile } from './open-file.ts'

/** RLIMIT_NOFILE's soft limit by default: descriptors are below it. */
export const NOFILE_DEFAULT = 1024
/** Its hard limit by default (INR_OPEN_MAX). */
export const NOFILE_HARD = 4096
/** Largest limit (fs.nr_open). */
export const NOFILE_MAX = 1048576

/** Threads that use descriptors of a table without asking: whoever looks a descriptor up has them take part first. */
export interface FileLeases {
  /** The thread that leases `fd` has to ask from now on, and what it did so far is done. */
  recall(fd: number): void
  recallAll(): void
}

export class FileTable {
  readonly #files: (OpenFile | null)[] = []
  readonly #closeOnExec: boolean[] = []
  /** Numbers given out for files that are still being made (accept). */
  readonly #reserved: Set<number> = new Set()
  /** No number below this is free. */
  #lowest = 0
  #count = 0
  /** RLIMIT_NOFILE: new descriptors are below it; those open above stay. */
  limit: number = NOFILE_DEFAULT
  /** What `limit` may be raised to without privileges. */
  hardLimit: number = NOFILE_HARD
  /** Whose table it is: root may have more descriptions open than fs.file-max. */
  user: { readonly isPrivileged: boolean } | null = null
  /** Set while threads lease descriptors (`thread/lease.ts`). */
  leases: FileLeases | null = null
  readonly #stat: FilesStat

  constructor(stat: FilesStat = new FilesStat()) {
    this.#stat = stat
  }

  /** Open descriptors. */
  get size(): number {
    return this.#count
  }

  /** The description behind `fd`, or null (EBADF). */
  get(fd: number): OpenFile | null {
    if (this.leases !== null) this.leases.recall(fd)
    return this.#files[fd] ?? null
  }

  /** Takes the lowest free number for a file to come: the number, -EMFILE or -ENFILE. */
  reserve(): number {
    const fd = this.#take(0)
    if (fd < 0 || !this.#isFull) return fd
    this.cancel(fd)
    return -ENFILE
  }

  get #isFull(): boolean {
    return this.#stat.isFull && this.user !== null && !this.user.isPrivileged
  }

  #take(from: number): number {
    let fd = Math.max(from, this.#lowest)
    while (this.#isTaken(fd)) fd++
    if (fd >= this.limit) return -EMFILE
    if (from <= this.#lowest) this.#lowest = fd + 1
    this.#reserved.add(fd)
    return fd
  }

  /** Gives a reserved number back. */
  cancel(fd: number): void {
    if (this.#reserved.delete(fd) && fd < this.#lowest) this.#lowest = fd
  }

  /** Puts a file under a reserved number; the caller's reference becomes the table's. */
  install(fd: number, file: OpenFile, closeOnExec: boolean): void {
    this.#reserved.delete(fd)
    while (this.#files.length <= fd) {
      this.#files.push(null)
      this.#closeOnExec.push(false)
    }
    this.#files[fd] = file
    this.#closeOnExec[fd] = closeOnExec
    this.#count++
    if (file.stat === null) {
      file.stat = this.#stat
      this.#stat.count++
    }
  }

  /** Gives a new `file` the lowest free number: the number, or -EMFILE or -ENFILE with the reference still the caller's. */
  add(file: OpenFile, closeOnExec = false): number {
    // The common case without the detour over the set of reserved numbers.
    const fd = this.#lowest
    if (fd < this.limit && !this.#isTaken(fd) && !this.#isFull) {
      this.#lowest = fd + 1
      this.install(fd, file, closeOnExec)
      return fd
    }
    const reserved = this.reserve()
    if (reserved >= 0) this.install(reserved, file, closeOnExec)
    return reserved
  }

  /** Takes `fd` out and returns its file, whose reference is the caller's now; null if it is not open. */
  take(fd: number): OpenFile | null {
    const file = this.get(fd)
    if (file === null) return null
    this.#files[fd] = null
    this.#count--
    if (fd < this.#lowest) this.#lowest = fd
    return file
  }

  /** dup2(2) and dup3(2) after their checks: `to` names what `from` names, and what it named before is closed. */
  duplicate(from: number, to: number, closeOnExec: boolean): number {
    const file = this.get(from)
    if (file === null || !(to >= 0 && to < this.limit)) return -EBADF
    // A race with accept in another thread, in Linux's words.
    if (this.#reserved.has(to)) return -EBUSY
    const old = this.take(to)
    file.ref()
    this.install(to, file, closeOnExec)
    old?.unref()
    return to
  }

  /** fcntl(F_DUPFD): the lowest number not below `from`. */
  duplicateFrom(fd: number, from: number, closeOnExec: boolean): number {
    const file = this.get(fd)
    if (file === null) return -EBADF
    if (!(from >= 0 && from < this.limit)) return -EINVAL
    const copy = this.#take(from)
    if (copy >= 0) this.install(copy, file.ref(), closeOnExec)
    return copy
  }

  isCloseOnExec(fd: number): boolean {
    return this.#closeOnExec[fd] === true
  }

  setCloseOnExec(fd: number, on: boolean): void {
    this.#closeOnExec[fd] = on
  }

  /** A copy for a child: the same descriptions, each with one reference more (fork). */
  clone(): FileTable {
    this.leases?.recallAll()
    const copy = new FileTable(this.#stat)
    copy.limit = this.limit
    copy.hardLimit = this.hardLimit
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd] ?? null
      if (file === null) continue
      file.ref()
      copy.install(fd, file, this.isCloseOnExec(fd))
    }
    return copy
  }

  /** Closes everything, lowest number first (exit). */
  closeAll(): void {
    for (let fd = 0; fd < this.#files.length; fd++) this.take(fd)?.unref()
    this.#lowest = 0
  }

  /** Open descriptors in order, for `ss -p` and `/proc/PID/fd`. */
  *entries(): Generator<[fd: number, file: OpenFile]> {
    this.leases?.recallAll()
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd] ?? null
      if (file !== null) yield [fd, file]
    }
  }

  #isTaken(fd: number): boolean {
    return (this.#files[fd] ?? null) !== null || (this.#reserved.size > 0 && this.#reserved.has(fd))
  }
}
