/**
 * Our end of the tests that are no `sockeye serve`: a host on the TAP device of the namespace this is started in, and one
 * short program, chosen by the second argument; the first names the capture; its outcome is printed as one line of JSON.
 */
import { ping } from '../../src/app/ping.ts'
import { FileSink, Recorder } from '../../src/cli/capture-file.ts'
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { RealClock } from '../../src/platform/clock.ts'
import { platformRandom } from '../../src/platform/random.ts'
import { openTap } from '../../src/platform/tap.ts'
import {
  AF_INET,
  SHUT_WR,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  TCP_USER_TIMEOUT,
} from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { KERNEL, OURS, PREFIX, TAP } from './lab.ts'

const [capture = '', mode = '', ...args] = process.argv.slice(2)
const clock = new RealClock()
const host = new Host({ name: 'ours', clock, random: platformRandom() })
const tap = await openTap(TAP, { clock, pool: host.stack.pool })
const sink = capture === '' ? undefined : new FileSink('capture', capture)
const link = sink === undefined ? tap : new Recorder(sink, clock, undefined).record(tap, TAP)
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

  /** connect PORT TEXT: connects to the kernel, writes, half-closes, reads to the end. */
  async connect(program) {
    const fd = program.socket(AF_INET, SOCK_STREAM)
    await program.connect(fd, { address: KERNEL, port: Number(args[0]) })
    await program.write(fd, bytesOf(args[1] as string))
    program.shutdown(fd, SHUT_WR)
    const got = await readAll(program, fd)
    await program.close(fd)
    return { got }
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

const run = MODES[mode]
if (run === undefined) throw new Error(`no such mode: ${mode}`)
const program = host.createProcess({ name: mode })
const outcome = await run(program)
program.end(0)
const counters = Object.fromEntries(host.counters.nonZero())
say(JSON.stringify({ ...outcome, counters, device: tap.counters, stats: host.stack.interface(TAP)?.stats }))
// What the program's end made the stack send has left by now: sending to a TAP device is synchronous.
setImmediate(() => {
  tap.close()
  sink?.close()
})
