/**
 * Our end of the tests that are no `sockeye serve`: a host on the TAP device of the namespace this is started in, and one
 * short program, chosen by the second argument; the first names the capture; its outcome is printed as one line of JSON.
 */
import { endlessClient } from '../../examples/fork-server/client.ts'
import { forkServer } from '../../examples/fork-server/server.ts'
import { oneShotClient } from '../../examples/one-shot/client.ts'
import { oneShotServer } from '../../examples/one-shot/server.ts'
import { ping } from '../../src/app/ping.ts'
import { FileSink, Recorder } from '../../src/cli/capture-file.ts'
import { Host } from '../../src/host/host.ts'
import type { Process, Program } from '../../src/host/process.ts'
import { RealClock } from '../../src/platform/clock.ts'
import { platformRandom } from '../../src/platform/random.ts'
import { openTap } from '../../src/platform/tap.ts'
import {
  AF_INET,
  SHUT_WR,
  SIG_IGN,
  SIGPIPE,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  TCP_INFO,
  TCP_MD5SIG,
  TCP_USER_TIMEOUT,
} from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { Middlebox } from '../tcp/middlebox.ts'
import { KERNEL, OURS, PREFIX, TAP } from './lab.ts'

const [capture = '', mode = '', ...args] = process.argv.slice(2)
const clock = new RealClock()
const host = new Host({ name: 'ours', clock, random: platformRandom() })
const tap = await openTap(TAP, { clock, pool: host.stack.pool })
const sink = capture === '' ? undefined : new FileSink('capture', capture)
const box = mode === 'accecn' ? new Middlebox(tap, new Random(1), 0.02) : null
if (box !== null) {
  box.asksForMore = true
  host.sysctl.tcp_ecn = 3
}
const device = box ?? tap
const link = sink === undefined ? device : new Recorder(sink, clock, undefined).record(device, TAP)
host.addInterface(TAP, link, { addresses: [`${OURS}/${PREFIX}`] })

const say = (line: string): boolean => process.stdout.write(`${line}\n`)
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const codeOf = (error: unknown): string => (error instanceof SystemError ? error.code : String(error))

function listener(program: Process, port: number, reuse: boolean): number {
  const fd = program.socket(AF_INET, SOCK_STREAM)
  if (reuse) program.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
  program.bind(fd, { port })
  program.listen(fd, 5)
  return fd
}

async function readAll(program: Process, fd: number): Promise<string> {
  const buffer = new Uint8Array(65536)
  let text = ''
  for (;;) {
    const n = await program.read(fd, buffer)
    if (n === 0) return text
    text += new TextDecoder().decode(buffer.subarray(0, n))
  }
}

const MODES: Readonly<Record<string, (program: Process) => Promise<object>>> = {
  /** ping COUNT SIZE INTERVAL: echo requests of ours to the kernel. */
  async ping() {
    const [count, size, intervalMs] = args.map(Number)
    return ping(host, KERNEL, {
      count: count as number,
      size: size as number,
      intervalMs: intervalMs as number,
      waitMs: 2000,
    })
  },

  /** connect PORT TEXT [TCP_ECN]: connects to the kernel, writes, half-closes, reads to the end. */
  async connect(program) {
    if (args[2] !== undefined) host.sysctl.tcp_ecn = Number(args[2])
    const fd = program.socket(AF_INET, SOCK_STREAM)
    await program.connect(fd, { address: KERNEL, port: Number(args[0]) })
    await program.write(fd, bytesOf(args[1] as string))
    program.shutdown(fd, SHUT_WR)
    const got = await readAll(program, fd)
    const info = Buffer.from(program.getsockopt(fd, SOL_TCP, TCP_INFO) as Uint8Array).toString('hex')
    await program.close(fd)
    return { got, info }
  },

  /** signed PORT KEY: connects with TCP_MD5SIG, writes, reads to the end; two seconds at most. */
  async signed(program) {
    const fd = program.socket(AF_INET, SOCK_STREAM)
    const key = bytesOf(args[1] as string)
    // struct tcp_md5sig: family and address first, the key's length at 130, the key at 136.
    const signature = new Uint8Array(216)
    signature[0] = AF_INET
    signature.set(KERNEL.split('.').map(Number), 4)
    signature[130] = key.length
    signature.set(key, 136)
    program.setsockopt(fd, SOL_TCP, TCP_MD5SIG, signature)
    program.setsockopt(fd, SOL_TCP, TCP_USER_TIMEOUT, 2000)
    try {
      await program.connect(fd, { address: KERNEL, port: Number(args[0]) })
      await program.write(fd, bytesOf('signed'))
      return { said: await readAll(program, fd) }
    } catch (error) {
      return { said: codeOf(error) }
    }
  },

  /** refused PORT: connects where nobody listens. */
  async refused(program) {
    const fd = program.socket(AF_INET, SOCK_STREAM)
    try {
      await program.connect(fd, { address: KERNEL, port: Number(args[0]) })
    } catch (error) {
      return { code: codeOf(error) }
    }
    return { code: 'none' }
  },

  /**
   * restart PORT: serves one connection and closes first, then binds the port again, without and with SO_REUSEADDR. Linux
   * wants it on the socket that is in TIME-WAIT, too.
   */
  async restart(program) {
    const port = Number(args[0])
    const first = listener(program, port, true)
    say('listening')
    const connection = await program.accept(first)
    await program.write(connection, bytesOf('first'))
    await program.close(connection)
    await program.close(first)
    // The peer's FIN makes it TIME-WAIT.
    while (!host.sockets().some((row) => row.stateName === 'TIME-WAIT')) await program.sleep(0.02)
    let without = 'none'
    try {
      await program.close(listener(program, port, false))
    } catch (error) {
      without = codeOf(error)
    }
    const again = listener(program, port, true)
    say('listening again')
    const second = await program.accept(again)
    await program.write(second, bytesOf('second'))
    await program.close(second)
    await program.close(again)
    return { without }
  },

  /** flood PORT USER_TIMEOUT_MS: connects and writes for ever; which error ends it. */
  async flood(program) {
    const fd = program.socket(AF_INET, SOCK_STREAM)
    await program.connect(fd, { address: KERNEL, port: Number(args[0]) })
    const timeout = Number(args[1])
    if (timeout > 0) program.setsockopt(fd, SOL_TCP, TCP_USER_TIMEOUT, timeout)
    const zeros = new Uint8Array(65536)
    say('connected')
    let written = 0
    try {
      for (;;) written += await program.write(fd, zeros)
    } catch (error) {
      return { code: codeOf(error), written }
    }
  },

  /**
   * accecn PORT: takes one connection of the kernel behind a router that marks, and on whose way the kernel's SYN asks for
   * AccECN; sends back what comes; what TCP_INFO counted.
   */
  async accecn(program) {
    const listening = listener(program, Number(args[0]), false)
    say('listening')
    const fd = await program.accept(listening)
    const buffer = new Uint8Array(65536)
    for (let n = await program.read(fd, buffer); n > 0; n = await program.read(fd, buffer))
      for (let at = 0; at < n; ) at += await program.write(fd, buffer.subarray(at, n))
    const bytes = program.getsockopt(fd, SOL_TCP, TCP_INFO) as Uint8Array
    await program.close(fd)
    return { info: Buffer.from(bytes).toString('hex'), markedOut: box?.markedOut, markedIn: box?.markedIn }
  },

  /** drain PORT: connects and reads until an error or the end. */
  async drain(program) {
    const fd = program.socket(AF_INET, SOCK_STREAM)
    await program.connect(fd, { address: KERNEL, port: Number(args[0]) })
    say('connected')
    const buffer = new Uint8Array(65536)
    try {
      for (;;) if ((await program.read(fd, buffer)) === 0) return { code: 'end' }
    } catch (error) {
      return { code: codeOf(error) }
    }
  },
}

/** What the examples print. */
let said = ''
const output = (bytes: Uint8Array): void => {
  said += new TextDecoder().decode(bytes)
}
/** A program of the examples, to its end; `ready` when it has begun, which for a server is to listen. */
async function play(...programs: Program[]): Promise<object> {
  const processes = programs.map((program) => host.spawn(program, { output }))
  await new Promise((resolve) => setImmediate(resolve))
  say('ready')
  const codes = await Promise.all(processes.map((process) => process.exited))
  return { said, codes }
}
const EXAMPLES: Readonly<Record<string, () => Promise<object>>> = {
  'one-shot-client': () => play(oneShotClient(KERNEL, Number(args[0]), 'one answer, please')),
  'one-shot-server': () => play(oneShotServer(Number(args[0]), bytesOf('one answer\n'))),
  'fork-server': () => play(forkServer({ port: Number(args[0]), connections: Number(args[1]) })),
  'endless-clients': () =>
    play(...Array.from({ length: Number(args[1]) }, () => endlessClient(KERNEL, Number(args[0]), Number(args[2])))),
}

const run = MODES[mode] ?? EXAMPLES[mode]
if (run === undefined) throw new Error(`no such mode: ${mode}`)
const program = host.createProcess({ name: mode })
// Errors are told by the calls.
program.signal(SIGPIPE, SIG_IGN)
const outcome = await run(program)
program.end(0)
const counters = Object.fromEntries(host.counters.nonZero())
say(JSON.stringify({ ...outcome, counters, device: tap.counters, stats: host.stack.interface(TAP)?.stats }))
// What the program's end made the stack send has left by now: sending to a TAP device is synchronous.
setImmediate(() => {
  tap.close()
  sink?.close()
})
