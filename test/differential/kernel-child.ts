/**
 * The process that makes the kernel's calls: started by run.ts as root, it puts itself into new namespaces, answers one line
 * of JSON with sysctls, and then each line of scripts with a line of outcomes.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Sysctls } from '../../src/sys/sysctl.ts'
import { runScript } from './arm.ts'
import { Arena, Libc, must } from './c.ts'
import { ARENA_SIZE, KernelArm, SYS_chroot } from './kernel.ts'
import { namespaceSockets } from './namespace.ts'
import type { Script } from './script.ts'
import { Threads } from './threads.ts'
import { Normal, PORTS_EACH } from './values.ts'

export interface Batch {
  readonly scripts: readonly Pick<Script, 'steps' | 'isCoarse'>[]
  /** All in one namespace, with ports moved apart; otherwise a new one for each. */
  readonly isShared: boolean
}

const CLONE_NEWNS = 0x20000
const CLONE_NEWNET = 0x40000000
const MS_REC_PRIVATE = 0x4000 | 0x40000
const SIOCGIFFLAGS = 0x8913
const SIOCSIFFLAGS = 0x8914
const IFF_UP = 1
const FILE_LIMIT = 1024
/** The first descriptor of scripts; Node's are below. */
const RESERVED = 100
const SIGUSR2 = 12
/** Calls that sleep at the same time in one script. */
const THREADS = 3

const libc = new Libc()
const arena = new Arena(ARENA_SIZE)

/** A new network namespace with `lo` up. */
function newNamespace(): void {
  must('unshare', libc.call('unshare', CLONE_NEWNET))
  arena.reset()
  const fd = must('socket', libc.call('socket', 2, 2, 0))
  const request = arena.room(40)
  arena.bytes.set(Buffer.from('lo'), request)
  must('SIOCGIFFLAGS', libc.call('ioctl', fd, SIOCGIFFLAGS, arena.address(request)))
  arena.view.setInt16(request + 16, arena.view.getInt16(request + 16, true) | IFF_UP, true)
  must('SIOCSIFFLAGS', libc.call('ioctl', fd, SIOCSIFFLAGS, arena.address(request)))
  libc.call('close', fd)
  // Congestion control decides how buffers grow: one that both have, and that every namespace may choose.
  writeFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'reno')
}

/** Values of the sysctls we have too, in this namespace. */
function sysctls(): Record<string, string> {
  const found: Record<string, string> = {}
  const folders = ['core', 'ipv4', 'unix', 'ipv4/neigh/default', 'ipv4/route', 'ipv4/conf/all', 'ipv6', 'ipv6/conf/all']
  for (const field of Object.keys(new Sysctls())) {
    for (const folder of folders) {
      const path = `/proc/sys/net/${folder}/${field}`
      if (existsSync(path)) found[field] ??= readFileSync(path, 'utf8').trim()
    }
  }
  return found
}

/** Devices of mem(4) in /dev, by minor number. */
const DEVICES = { null: 3, zero: 5, full: 7, random: 8, urandom: 9 }

/** A file tree, empty but for devices, with /proc, so that paths are the same everywhere. */
function newRoot(): void {
  must('unshare', libc.call('unshare', CLONE_NEWNS))
  arena.reset()
  const path = (text: string): number => arena.address(arena.put(Buffer.from(`${text}\0`)))
  must('mount', libc.call('mount', path('none'), path('/'), 0, MS_REC_PRIVATE, 0))
  const root = mkdtempSync('/tmp/sockeye-differential-')
  must('mount', libc.call('mount', path('tmpfs'), path(root), path('tmpfs'), 0, 0))
  for (const name of ['proc', 'tmp', 'dev']) mkdirSync(`${root}/${name}`)
  for (const [name, minor] of Object.entries(DEVICES))
    spawnSync('mknod', ['-m', '666', `${root}/dev/${name}`, 'c', '1', String(minor)])
  must('mount', libc.call('mount', path('proc'), path(`${root}/proc`), path('proc'), 0, 0))
  must('chroot', libc.call('syscall', SYS_chroot, path(root), 0, 0))
  process.chdir('/')
}

/** Takes all free descriptors below those of scripts; what is open there is not Node's, but left open by who started it. */
function fillDescriptors(): void {
  libc.call('close_range', RESERVED, 0xffffffff, 0)
  while (openSync('/proc/self/stat', 'r') < RESERVED - 1);
}

/** SIGUSR2 gets a handler that does nothing (abs), without SA_RESTART: it ends calls that sleep. */
function ignoreSignal(): void {
  arena.reset()
  const action = arena.room(256)
  arena.setWord(action, libc.symbol('abs'))
  must('sigaction', libc.call('sigaction', SIGUSR2, arena.address(action), 0))
}

function clean(first: number): void {
  process.chdir('/')
  process.umask(0o022)
  libc.call('close_range', first, 0xffffffff, 0)
  for (const name of readdirSync('/')) {
    if (!['proc', 'tmp', 'dev'].includes(name)) rmSync(`/${name}`, { recursive: true })
  }
  for (const name of readdirSync('/tmp')) rmSync(`/tmp/${name}`, { recursive: true })
}

/** The next line of standard input, or null at its end; synchronous, since libuv has nothing to do here. */
function lines(): () => string | null {
  const chunk = Buffer.alloc(1 << 20)
  let rest: Buffer = Buffer.alloc(0)
  return () => {
    const parts: Buffer[] = [rest]
    for (;;) {
      const last = parts[parts.length - 1] as Buffer
      const end = last.indexOf(10)
      if (end >= 0) {
        rest = last.subarray(end + 1)
        parts[parts.length - 1] = last.subarray(0, end)
        return Buffer.concat(parts).toString()
      }
      const n = readSync(0, chunk)
      if (n === 0) return null
      parts.push(Buffer.from(chunk.subarray(0, n)))
    }
  }
}

function say(value: unknown): void {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      // The reader is busy with its own side.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      libc.call('usleep', 1000)
    }
  }
}

async function main(): Promise<void> {
  // What the loader still does on other threads is over then.
  await setTimeout(50)
  ignoreSignal()
  const threads = new Threads(libc, THREADS, RESERVED - 3)
  await threads.started()
  newNamespace()
  newRoot()
  const nextLine = lines()
  fillDescriptors()
  const offset = RESERVED - 3
  // struct rlimit, RLIMIT_NOFILE: scripts have 1024 as programs do.
  const restore = (arm: KernelArm): void => {
    arm.seteuid(0)
    arm.call('rlimit_nofile', [FILE_LIMIT])
  }
  restore(new KernelArm(libc, arena, new Normal(), offset, () => []))
  say(sysctls())
  for (let line = nextLine(); line !== null; line = nextLine()) {
    const { scripts, isShared } = JSON.parse(line) as Batch
    const outcomes: string[][] = []
    for (const [i, script] of scripts.entries()) {
      if (!isShared || i === 0) newNamespace()
      const arm = new KernelArm(
        libc,
        arena,
        new Normal(isShared ? i * PORTS_EACH : 0),
        offset,
        namespaceSockets,
        threads,
      )
      outcomes.push(await runScript(arm, script))
      threads.interrupt()
      clean(RESERVED)
      restore(arm)
    }
    say(outcomes)
  }
}

await main()
