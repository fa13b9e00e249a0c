/** Two hosts on a cable in virtual time, for tests. */
import { PacketPool } from '../../src/buf/pool.ts'
import { Host } from '../../src/host/host.ts'
import type { Process, Program } from '../../src/host/process.ts'
import { type CableEnd, cable } from '../../src/link/cable.ts'
import { turn } from '../../src/platform/turn.ts'
import { AF_INET, SIG_IGN, SIGPIPE, SOCK_STREAM } from '../../src/socket/constants.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'

export interface Net {
  readonly clock: VirtualClock
  readonly pool: PacketPool
  readonly a: Host
  readonly b: Host
  readonly cables: [CableEnd, CableEnd]
}

export const A = '10.0.0.1'
export const B = '10.0.0.2'

/** Hosts `a` (10.0.0.1/24) and `b` (10.0.0.2/24). */
export function net(options: { features?: number; mtu?: number } = {}): Net {
  const clock = new VirtualClock(turn)
  const pool = new PacketPool()
  const a = new Host({ name: 'a', clock, random: new Random(1), pool })
  const b = new Host({ name: 'b', clock, random: new Random(2), pool })
  const cables = cable(clock, options)
  a.addInterface('eth0', cables[0], { addresses: [`${A}/24`] })
  b.addInterface('eth0', cables[1], { addresses: [`${B}/24`] })
  return { clock, pool, a, b, cables }
}

/** One host in virtual time, and a process of it that ignores SIGPIPE. */
export function lone(): { clock: VirtualClock; host: Host; process: Process } {
  const clock = new VirtualClock(turn)
  const host = new Host({ name: 'h', clock, random: new Random(3) })
  const process = host.createProcess()
  process.signal(SIGPIPE, SIG_IGN)
  return { clock, host, process }
}

/** Runs programs until all have ended; what one throws is thrown. */
export async function runAll(clock: VirtualClock, ...programs: [Host, Program][]): Promise<Process[]> {
  const processes = programs.map(([host, program]) => host.spawn(program))
  await clock.run(() => processes.every((p) => p.isOver))
  for (const p of processes) {
    if (p.failure !== undefined) throw p.failure
    if (!p.isOver) throw new Error(`${p.name} still waits at ${clock.now()} us`)
  }
  return processes
}

/** A TCP socket of `p` that listens at `port`. */
export function listener(p: Process, port: number, backlog: number = 5): number {
  const fd = p.socket(AF_INET, SOCK_STREAM)
  p.bind(fd, { port })
  p.listen(fd, backlog)
  return fd
}

/** The errno's name of what `call` throws or rejects with, or what it gives. */
export function outcome(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    if (error instanceof SystemError) return error.code
    throw error
  }
}

/** As `outcome`, of an awaited call. */
export async function awaited(call: () => unknown): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof SystemError) return error.code
    throw error
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (b: Uint8Array, length: number = b.length): string =>
  new TextDecoder().decode(b.subarray(0, length))
/** Bytes that tell a place from its neighbours, and one message from another. */
export function pattern(length: number, seed: number): Uint8Array {
  const made = new Uint8Array(length)
  for (let i = 0; i < length; i++) made[i] = seed + (i & 255) * 7
  return made
}
