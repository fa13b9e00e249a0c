/** One run of one cell, described by the argument, in a namespace made for it; prints the bytes received. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { Host } from '../../src/host/host.ts'
import type { Program } from '../../src/host/process.ts'
import { cable } from '../../src/link/cable.ts'
import { type ImpairOptions, impair } from '../../src/link/impair.ts'
import { F_WIRE, type Link } from '../../src/link/link.ts'
import { RealClock } from '../../src/platform/clock.ts'
import { openTap } from '../../src/platform/tap.ts'
import { turn } from '../../src/platform/turn.ts'
import { AF_INET, SO_LINGER, SOCK_STREAM, SOL_SOCKET, SOL_TCP, TCP_CONGESTION } from '../../src/socket/constants.ts'
import type { Clock } from '../../src/sys/clock.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { queuePackets, RATE, type Run } from './cell.ts'

const SENDER = '10.99.0.1'
const RECEIVER = '10.99.0.2'
const PORT = 7000
const BUFFER = 65536
/** Linux's defaults, whatever the machine's are. */
const SYSCTLS = ['net.ipv4.tcp_rmem=4096 131072 6291456', 'net.ipv4.tcp_wmem=4096 16384 4194304']

const run = JSON.parse(process.argv[2] as string) as Run
const random = new Random(run.seed)
const virtual = new VirtualClock(turn)
const clock: Clock = run.pair === 'oo' ? virtual : new RealClock()

function must(program: string, ...args: string[]): void {
  const result = spawnSync(program, args, { encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}`)
}

/** The prefix of commands that run in the namespace of the kernel's sender or receiver. */
const within = (isSender: boolean): string[] =>
  run.pair === 'kk' && !isSender ? ['ip', 'netns', 'exec', run.other] : ['env']

async function kernelEnd(isSender: boolean): Promise<Link> {
  const name = isSender ? 'tapS' : 'tapR'
  must('ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap')
  const tap = await openTap(name, { clock })
  const at = within(isSender) as [string, ...string[]]
  if (at[0] === 'ip') must('ip', 'link', 'set', 'dev', name, 'netns', run.other)
  const do_ = (...args: string[]): void => must(at[0], ...at.slice(1), ...args)
  do_('sysctl', '-qw', `net.ipv6.conf.${name}.disable_ipv6=1`, ...SYSCTLS)
  do_('ip', 'address', 'add', `${isSender ? SENDER : RECEIVER}/24`, 'dev', name)
  do_('ip', 'link', 'set', 'dev', name, 'up')
  return tap
}

function ourEnd(isSender: boolean): { link: Link; host: Host } {
  const host = new Host({ name: isSender ? 'sender' : 'receiver', clock, random: random.fork() })
  const [near, far] = cable(clock, { features: F_WIRE })
  host.addInterface('eth0', near, { addresses: [`${isSender ? SENDER : RECEIVER}/24`] })
  return { link: far, host }
}

function join(sender: Link, receiver: Link): void {
  const forward: ImpairOptions = {
    delayMs: run.rttMs / 2,
    rate: RATE,
    queuePackets: queuePackets(run),
    loss: run.loss,
    reorder: run.reorder,
  }
  const toReceiver = impair(receiver, forward, clock, random.fork())
  const toSender = impair(sender, { delayMs: run.rttMs / 2 }, clock, random.fork())
  toReceiver.attach((packet) => toSender.send(packet))
  toSender.attach((packet) => toReceiver.send(packet))
}

let received = 0
const receive: Program = async (process) => {
  const listener = process.socket(AF_INET, SOCK_STREAM)
  process.bind(listener, { port: PORT })
  process.listen(listener, 1)
  const fd = await process.accept(listener)
  const buffer = new Uint8Array(BUFFER)
  try {
    for (let n = -1; n !== 0; received += n) n = await process.read(fd, buffer)
  } catch {
    // The sender resets when its time is over.
  }
}
const send: Program = async (process) => {
  const fd = process.socket(AF_INET, SOCK_STREAM)
  process.setsockopt(fd, SOL_TCP, TCP_CONGESTION, run.congestion)
  // What is unsent at the end does not count.
  process.setsockopt(fd, SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 })
  await process.connect(fd, { address: RECEIVER, port: PORT })
  const buffer = new Uint8Array(BUFFER)
  for (;;) await process.write(fd, buffer)
}

function kernel(isSender: boolean, ...args: string[]): ChildProcess {
  const [program, ...rest] = [...within(isSender), run.bulk, ...args] as [string, ...string[]]
  return spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

const after = (s: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, s * 1000))

async function main(): Promise<void> {
  const [s, r] = run.pair
  const sender = s === 'o' ? ourEnd(true) : { link: await kernelEnd(true), host: undefined }
  const receiver = r === 'o' ? ourEnd(false) : { link: await kernelEnd(false), host: undefined }
  join(sender.link, receiver.link)
  // Addresses known, carrier seen.
  if (run.pair !== 'oo') await after(0.3)
  let counted: Promise<number> | undefined
  if (receiver.host === undefined) {
    const lines = createInterface({ input: kernel(false, 'receive', String(PORT)).stdout as NodeJS.ReadableStream })
    const iterator = lines[Symbol.asyncIterator]()
    await iterator.next()
    counted = iterator.next().then(({ value }) => Number(value))
  } else receiver.host.spawn(receive)
  if (sender.host === undefined) {
    const child = kernel(true, 'send', RECEIVER, String(PORT), run.congestion, String(run.seconds))
    await new Promise((resolve) => child.on('exit', resolve))
  } else {
    const sending = sender.host.spawn(send)
    if (run.pair === 'oo') await virtual.run(undefined, run.seconds * 1e6)
    else await after(run.seconds)
    sending.end(0)
  }
  if (counted !== undefined) {
    // Unread and unsent data make the sender's end a reset, which may get lost: the receiver is told by its device's.
    const limit = setTimeout(() => process.exit(3), 20000)
    received = await counted
    clearTimeout(limit)
  }
  process.stdout.write(`${received}\n`)
  process.exit(0)
}
await main()
