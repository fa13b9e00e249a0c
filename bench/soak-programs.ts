/** What the soak does over and over: processes forked and reaped, sockets of all kinds opened, used and closed. */
import { Host } from '../src/host/host.ts'
import type { Process } from '../src/host/process.ts'
import { turn } from '../src/platform/turn.ts'
import {
  AF_INET,
  AF_UNIX,
  MSG_DONTWAIT,
  SIGKILL,
  SO_LINGER,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../src/socket/constants.ts'
import { Random } from '../src/sys/random.ts'
import { VirtualClock } from '../src/sys/virtual-clock.ts'

const LOCAL = '127.0.0.1'
/** Children that live at the same time. */
const BATCH = 50
/** Sockets that one round of `socketRound` makes. */
export const ROUND = 10

export interface Stage {
  readonly clock: VirtualClock
  readonly host: Host
}

export function stage(): Stage {
  const clock = new VirtualClock(turn)
  return { clock, host: new Host({ name: 'soak', clock, random: new Random(1) }) }
}

/** Runs a program to its end; what it throws is thrown. */
export async function play({ clock, host }: Stage, program: (process: Process) => Promise<void>): Promise<void> {
  const process = host.spawn(program, 'soak')
  await clock.run(() => process.isOver)
  if (process.failure !== undefined) throw process.failure
}

/** Forks `count` children, which use what they inherit, make sockets of their own and end in one of four ways. */
export async function forkMany(process: Process, count: number): Promise<void> {
  const [reader, writer] = process.pipe()
  const one = new Uint8Array(1)
  for (let done = 0; done < count; done += BATCH) {
    const size = Math.min(BATCH, count - done)
    for (let i = 0; i < size; i++) {
      const pid = process.fork(async (child) => {
        child.socketpair(AF_UNIX, SOCK_STREAM)
        child.bind(child.socket(AF_INET, SOCK_DGRAM), { address: LOCAL })
        await child.write(writer, one)
        if (i % 4 === 0) child.exit(1)
        if (i % 4 === 1) await child.pause()
        if (i % 4 === 2) await child.sleep(0.001)
      })
      if (i % 4 === 1) setKill(process, pid)
    }
    for (let i = 0; i < size; i++) await process.wait()
    await process.read(reader, new Uint8Array(size))
  }
}

function setKill(process: Process, pid: number): void {
  // A pipe that is full, as the writers may find it, would let it wait; it sleeps in pause by then.
  void process.sleep(0.002).then(() => process.kill(pid, SIGKILL))
}

/** Makes, uses and closes ROUND sockets: two ends of TCP, AF_UNIX, datagrams, listeners. */
export async function socketRound(process: Process, listener: number, port: number, isReset: boolean): Promise<void> {
  const bytes = new Uint8Array(100)
  const client = process.socket(AF_INET, SOCK_STREAM)
  await process.connect(client, { address: LOCAL, port })
  const server = await process.accept(listener)
  await process.write(client, bytes)
  if (isReset) process.setsockopt(client, SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 })
  else await process.read(server, bytes)
  await process.close(client)
  await process.close(server)

  const [a, b] = process.socketpair(AF_UNIX, SOCK_STREAM)
  await process.write(a, bytes)
  const [d, e] = process.socketpair(AF_UNIX, SOCK_SEQPACKET)
  process.send(d, bytes, MSG_DONTWAIT)
  const receiver = process.socket(AF_INET, SOCK_DGRAM)
  process.bind(receiver, { address: LOCAL })
  const sender = process.socket(AF_INET, SOCK_DGRAM)
  process.sendto(sender, bytes, MSG_DONTWAIT, { address: LOCAL, port: process.getsockname(receiver).port as number })
  const idle = process.socket(AF_INET, SOCK_STREAM)
  process.listen(idle, 5)
  const unbound = process.socket(AF_INET, SOCK_STREAM)
  for (const fd of [a, b, d, e, receiver, sender, idle, unbound]) await process.close(fd)
}

/** Makes at least `count` sockets. */
export async function openMany(process: Process, count: number): Promise<void> {
  const listener = process.socket(AF_INET, SOCK_STREAM)
  process.listen(listener, 5)
  const port = process.getsockname(listener).port as number
  for (let made = 0; made < count; made += ROUND) {
    // Every tenth connection ends in order; its TIME_WAIT is over before the ports are.
    const isReset = made % (10 * ROUND) !== 0
    await socketRound(process, listener, port, isReset)
    if (!isReset) await process.sleep(0.1)
  }
  await process.close(listener)
}

/** What should be 0 when all is over and TIME_WAIT too. */
export function leftOver({ clock, host }: Stage): Record<string, number> {
  return {
    processes: host.processes.size,
    'open files': host.openFiles.count,
    'TCP sockets': host.tcp.sockets.size,
    'TCP connections': host.tcp.table.size,
    'UDP sockets': host.udp.sockets.size,
    'local sockets': host.unix.sockets.size,
    'packets and chunks': host.stack.pool.outstanding,
    tasks: clock.hasTasks ? 1 : 0,
  }
}
