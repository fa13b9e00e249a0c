/** Random sequences of file calls, made on a host's tree and in a folder of this machine's kernel: the same answers. */
import * as fs from 'node:fs'
import type { Process } from '../../src/host/process.ts'
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../src/socket/constants.ts'
import { Random } from '../../src/sys/random.ts'

/** A call by name; files are numbered in order of opening. */
export type Call = readonly [name: string, ...args: (string | number)[]]
export type Answer = string

const NAMES = [
  'a', 'b', 'c', 'd', 'd/a', 'd/e', 'd/e/f', 'd/../a', './a', '.', '..', 'd/.', 'd/..', 'd/', 'a/', 'a/x', 'c/x', 'd/e/../a', '',
  's', 's/', 's/a', 'd/s', 'd//a', 'n'.repeat(255), 'n'.repeat(256), 'd/nothing/x',
] // biome-ignore format: a list
const TARGETS = ['a', 'd', 's', 'd/e', 'nothing', '../a', '.', 'd/', 'c']
const FLAGS = [
  O_RDONLY, O_RDWR, O_WRONLY, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_CREAT | O_APPEND,
  O_RDONLY | O_DIRECTORY, O_RDONLY | O_NOFOLLOW, O_RDONLY | O_CREAT, O_RDWR | O_TRUNC,
] // biome-ignore format: a list
const MODES = [0o644, 0o755, 0o600, 0o400, 0o777]
const SIZES = [1, 5, 100, 4096, 65535, 65537]
const PLACES = [0, 1, 4, 100, 65530, 65536, 150000]

/** `length` calls, mostly on few names and files. */
export function randomCalls(seed: number, length: number): Call[] {
  const random = new Random(seed, 77)
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const file = (): number => random.below(6)
  const makers: readonly (() => Call)[] = [
    () => ['open', pick(NAMES), pick(FLAGS), pick(MODES)],
    () => ['open', pick(NAMES.slice(0, 6)), O_RDWR | O_CREAT, 0o666],
    () => ['close', file()],
    () => ['write', file(), pick(SIZES), random.below(256)],
    () => ['read', file(), pick(SIZES)],
    () => ['pwrite', file(), pick(SIZES), random.below(256), pick(PLACES)],
    () => ['pread', file(), pick(SIZES), pick(PLACES)],
    () => ['ftruncate', file(), pick(PLACES)],
    () => ['truncate', pick(NAMES), pick(PLACES)],
    () => ['stat', pick(NAMES)],
    () => ['lstat', pick(NAMES)],
    () => ['fstat', file()],
    () => ['access', pick(NAMES), random.below(8)],
    () => ['mkdir', pick(NAMES), pick(MODES)],
    () => ['mkdir', pick(['d', 'd/e', 'c']), 0o755],
    () => ['rmdir', pick(NAMES)],
    () => ['unlink', pick(NAMES)],
    () => ['rename', pick(NAMES), pick(NAMES)],
    () => ['rename', pick(NAMES.slice(0, 6)), pick(NAMES.slice(0, 6))],
    () => ['link', pick(NAMES), pick(NAMES)],
    () => ['symlink', pick(TARGETS), pick(NAMES)],
    () => ['symlink', pick(TARGETS), pick(['s', 'd/s'])],
    () => ['readlink', pick(NAMES)],
    () => ['chmod', pick(NAMES), pick(MODES)],
    () => ['readdir', pick(NAMES)],
  ]
  return Array.from({ length }, () => pick(makers)())
}

function fill(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = seed + i * 7
  return bytes
}

function digest(bytes: Uint8Array): string {
  let h = 0
  for (const byte of bytes) h = (h * 31 + byte) & 0xffffff
  return `${bytes.length}:${h}`
}

/** What one side makes of a call; it throws an error with a `code`. */
type Side = (name: string, args: readonly (string | number)[]) => Answer

function run(calls: readonly Call[], side: Side): Answer[] {
  return calls.map(([name, ...args]) => {
    try {
      return side(name, args)
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === undefined) throw error
      return code
    }
  })
}

/** Directories count their entries differently on every file system. */
const shape = (mode: number, links: number, size: number): string => {
  const isDirectory = (mode & 0o170000) === 0o040000
  return `${mode.toString(8)} ${isDirectory ? '-' : `${links} ${size}`}`
}

/** The calls on a process, in its directory /tmp/b/t. */
export function runOurs(process: Process, calls: readonly Call[]): Answer[] {
  process.mkdir('/tmp/b')
  process.mkdir('/tmp/b/t')
  process.chdir('/tmp/b/t')
  const open: (number | undefined)[] = []
  const fd = (n: unknown): number => open[n as number] ?? -1
  const stat = ({ mode, nlink, size }: { mode: number; nlink: number; size: number }): string =>
    shape(mode, nlink, size)
  const taken = (length: number, call: (bytes: Uint8Array) => number | Promise<number>): string => {
    const bytes = new Uint8Array(length)
    return digest(bytes.subarray(0, call(bytes) as number))
  }
  const p = process
  const sides: Readonly<Record<string, (...args: never[]) => unknown>> = {
    open: (path: string, flags: number, mode: number) => remember(open, p.open(path, flags, mode)),
    close: (n: number) => {
      const gone = fd(n)
      open[n] = undefined
      return p.close(gone)
    },
    write: (n: number, length: number, seed: number) => p.write(fd(n), fill(length, seed)),
    read: (n: number, length: number) => taken(length, (bytes) => p.read(fd(n), bytes)),
    pwrite: (n: number, length: number, seed: number, at: number) => p.pwrite(fd(n), fill(length, seed), at),
    pread: (n: number, length: number, at: number) => taken(length, (bytes) => p.pread(fd(n), bytes, at)),
    ftruncate: (n: number, length: number) => p.ftruncate(fd(n), length),
    truncate: (path: string, length: number) => p.truncate(path, length),
    stat: (path: string) => stat(p.stat(path)),
    lstat: (path: string) => stat(p.lstat(path)),
    fstat: (n: number) => stat(p.fstat(fd(n))),
    access: (path: string, mode: number) => p.access(path, mode),
    mkdir: (path: string, mode: number) => p.mkdir(path, mode),
    rmdir: (path: string) => p.rmdir(path),
    unlink: (path: string) => p.unlink(path),
    rename: (from: string, to: string) => p.rename(from, to),
    link: (from: string, to: string) => p.link(from, to),
    symlink: (target: string, path: string) => p.symlink(target, path),
    readlink: (path: string) => p.readlink(path),
    chmod: (path: string, mode: number) => p.chmod(path, mode),
    readdir: (path: string) => {
      const dir = p.open(path, O_RDONLY | O_DIRECTORY)
      const names = p.getdents(dir).map((entry) => entry.name)
      p.close(dir)
      return names
        .filter((name) => name !== '.' && name !== '..')
        .sort()
        .join(' ')
    },
  }
  const answers = run(calls, (name, args) => String((sides[name] as (...args: unknown[]) => unknown)(...args)))
  for (const each of open) if (each !== undefined) p.close(each)
  return answers
}

/** Files are called by the order of opening, in the lowest free place. */
function remember(open: (number | undefined)[], fd: number): string {
  const free = open.indexOf(undefined)
  const n = free < 0 ? open.length : free
  open[n] = fd
  return `file ${n}`
}

/** The calls in `folder`, which is empty, on the kernel. */
export function runKernel(folder: string, calls: readonly Call[]): Answer[] {
  const open: (number | undefined)[] = []
  // The number of no file of ours.
  const fd = (n: unknown): number => open[n as number] ?? 999999
  const at = (path: string): string => (path === '' ? '' : `${folder}/${path}`)
  const stat = ({ mode, nlink, size }: fs.Stats): string => shape(mode, nlink, size)
  const taken = (length: number, call: (bytes: Uint8Array) => number): string => {
    const bytes = new Uint8Array(length)
    return digest(bytes.subarray(0, call(bytes)))
  }
  const sides: Readonly<Record<string, (...args: never[]) => unknown>> = {
    open: (path: string, flags: number, mode: number) => remember(open, fs.openSync(at(path), flags, mode)),
    close: (n: number) => {
      const gone = fd(n)
      open[n] = undefined
      fs.closeSync(gone)
      return 0
    },
    write: (n: number, length: number, seed: number) => fs.writeSync(fd(n), fill(length, seed)),
    read: (n: number, length: number) => taken(length, (bytes) => fs.readSync(fd(n), bytes, 0, length, null)),
    pwrite: (n: number, length: number, seed: number, place: number) =>
      fs.writeSync(fd(n), fill(length, seed), 0, length, place),
    pread: (n: number, length: number, place: number) =>
      taken(length, (bytes) => fs.readSync(fd(n), bytes, 0, length, place)),
    ftruncate: (n: number, length: number) => zero(fs.ftruncateSync(fd(n), length)),
    truncate: (path: string, length: number) => zero(fs.truncateSync(at(path), length)),
    stat: (path: string) => stat(fs.statSync(at(path))),
    lstat: (path: string) => stat(fs.lstatSync(at(path))),
    fstat: (n: number) => stat(fs.fstatSync(fd(n))),
    access: (path: string, mode: number) => zero(fs.accessSync(at(path), mode)),
    mkdir: (path: string, mode: number) => zero(fs.mkdirSync(at(path), mode)),
    rmdir: (path: string) => zero(fs.rmdirSync(at(path))),
    unlink: (path: string) => zero(fs.unlinkSync(at(path))),
    rename: (from: string, to: string) => zero(fs.renameSync(at(from), at(to))),
    link: (from: string, to: string) => zero(fs.linkSync(at(from), at(to))),
    symlink: (target: string, path: string) => zero(fs.symlinkSync(target, at(path))),
    readlink: (path: string) => fs.readlinkSync(at(path)),
    chmod: (path: string, mode: number) => zero(fs.chmodSync(at(path), mode)),
    readdir: (path: string) => fs.readdirSync(at(path)).sort().join(' '),
  }
  const answers = run(calls, (name, args) => String((sides[name] as (...args: unknown[]) => unknown)(...args)))
  for (const each of open) if (each !== undefined) fs.closeSync(each)
  return answers
}

const zero = (_nothing: unknown): number => 0
