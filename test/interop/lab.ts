/**
 * A network namespace with a TAP device in it: the kernel at one end, a process of ours at the other, everything inside
 * the namespace. Nothing that is sent can leave it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const KERNEL = '10.99.0.1'
export const OURS = '10.99.0.2'
export const PREFIX = 24
export const TAP = 'tap0'

/** Why the suite cannot run here, or false. In CI a missing tool is a failure, not a skip. */
export function skipReason(...tools: string[]): string | false {
  const reason = missing(tools)
  if (reason === undefined) return false
  if (process.env.CI !== undefined) throw new Error(`interop: ${reason}`)
  return reason
}

function missing(tools: readonly string[]): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root, for a network namespace and a TAP device'
  if (spawnSync('test', ['-c', '/dev/net/tun']).status !== 0) return 'needs /dev/net/tun'
  for (const tool of ['ip', ...tools])
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `needs ${tool} (.ci/interop/install.sh)`
  return undefined
}

/** What a finished program left. */
export interface Outcome {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that runs, with what it printed so far. */
export class Running {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly #done: Promise<Outcome>

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.#done = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status, signal) => resolve({ status, signal, stdout: this.stdout, stderr: this.stderr }))
    })
  }

  /** Its end, however it comes about; after `seconds` it is killed. */
  async end(seconds = 60): Promise<Outcome> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), seconds * 1000)
    try {
      return await this.#done
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits until it printed something that matches, or ended. */
  async printed(pattern: RegExp, seconds = 20): Promise<RegExpExecArray> {
    const found = (): RegExpExecArray | null => pattern.exec(this.stdout)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not printed: ${pattern}; ${this.#said()}`)), seconds * 1000)
      const look = (): void => {
        if (found() === null) return
        clearTimeout(timer)
        resolve()
      }
      this.child.stdout?.on('data', look)
      this.child.on('close', () => {
        clearTimeout(timer)
        resolve()
      })
      look()
    })
    const match = found()
    if (match === null) throw new Error(`ended without printing ${pattern}; ${this.#said()}`)
    return match
  }

  #said(): string {
    return `stdout: ${this.stdout.slice(-2000)}; stderr: ${this.stderr.slice(-2000)}`
  }
}

/**
 * `length` bytes of numbered lines, for transfers that are captured: every part differs, and tshark does not take it for
 * some application's.
 */
export function numbers(length: number): Buffer {
  const line = 16
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += line) bytes.write(`${String(at / line).padStart(line - 1, ' ')}\n`, at, 'latin1')
  return bytes
}

const ROOT = new URL('../../', import.meta.url).pathname

export class Lab {
  readonly namespace: string
  /** A folder of this lab's, removed with it. */
  readonly directory: string
  readonly #captures: string
  readonly #running: Running[] = []

  constructor(name: string) {
    this.namespace = `sockeye-${name}-${process.pid}`
    this.directory = mkdtempSync(join(tmpdir(), 'sockeye-'))
    // A busy disk must not hold up our end, which writes captures as it goes.
    this.#captures = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/sockeye-') : this.directory
    must('ip', 'netns', 'add', this.namespace)
    this.must('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1')
    this.must('ip', 'link', 'set', 'dev', 'lo', 'up')
    this.addTap(TAP, `${KERNEL}/${PREFIX}`)
  }

  /** A TAP device whose kernel end has `address`. */
  addTap(name: string, address: string): void {
    this.must('ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap')
    this.must('ip', 'address', 'add', address, 'dev', name)
    this.must('ip', 'link', 'set', 'dev', name, 'up')
  }

  file(name: string): string {
    return join(this.directory, name)
  }

  /** Where a capture of that name goes. */
  capture(name: string): string {
    return join(this.#captures, `${name}.pcapng`)
  }

  /** Starts a program in the namespace. */
  start(program: string, ...args: string[]): Running {
    const child = spawn('ip', ['netns', 'exec', this.namespace, program, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      cwd: ROOT,
    })
    const running = new Running(child)
    child.stdin.on('error', () => {})
    this.#running.push(running)
    return running
  }

  /** Runs a program in the namespace to its end. */
  run(program: string, ...args: string[]): Promise<Outcome> {
    const running = this.start(program, ...args)
    running.child.stdin?.end()
    return running.end(240)
  }

  /** Runs a line of the shell in the namespace to its end. */
  shell(line: string): Promise<Outcome> {
    return this.run('bash', '-c', line)
  }

  /** Runs a short program in the namespace that must succeed. */
  must(program: string, ...args: string[]): string {
    return must('ip', 'netns', 'exec', this.namespace, program, ...args)
  }

  /** Starts `sockeye serve` on the TAP device and waits until it is ready. */
  async serve(...args: string[]): Promise<Running> {
    const running = this.ours('src/cli/main.ts', 'serve', '--tap', TAP, '--address', `${OURS}/${PREFIX}`, ...args)
    await running.printed(/^ready.*$/m)
    return running
  }

  /** Starts a script of ours in the namespace. */
  ours(script: string, ...args: string[]): Running {
    // Each has an address of its own on the device; for its first second the kernel would not believe a new one.
    this.must('ip', 'neighbor', 'flush', 'all')
    return this.start(process.execPath, '--import', 'tsx', script, ...args)
  }

  /** Starts a mode of `our-end.ts`, everything captured. */
  program(capture: string, ...args: string[]): Running {
    return this.ours('test/interop/our-end.ts', capture, ...args)
  }

  /** Ends what still runs and takes the namespace away. */
  async close(): Promise<void> {
    for (const running of this.#running) if (running.child.exitCode === null) running.child.kill('SIGTERM')
    // Children of theirs may hold the pipes open.
    const { stdout } = spawnSync('ip', ['netns', 'pids', this.namespace], { encoding: 'utf8' })
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (const pid of stdout.split('\n').filter((line) => line !== '')) spawnSync('kill', ['-KILL', pid])
    await Promise.all(this.#running.map((running) => running.end(5)))
    spawnSync('ip', ['netns', 'delete', this.namespace])
    for (const directory of [this.directory, this.#captures]) rmSync(directory, { recursive: true, force: true })
  }
}

function must(program: string, ...args: string[]): string {
  const result = spawnSync(program, args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr || result.error?.message}`)
  return result.stdout
}
