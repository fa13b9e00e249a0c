/** Our side: a host in virtual time. */
import * as ip4 from '../../src/addr/ip4.ts'
import type { Packet } from '../../src/buf/packet.ts'
import { Host } from '../../src/host/host.ts'
import type { Process } from '../../src/host/process.ts'
import { F_WIRE, type Link, type Medium } from '../../src/link/link.ts'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { MSG_ERRQUEUE, MSG_FASTOPEN, MSG_NOSIGNAL } from '../../src/sock/constants.ts'
import { SOCK_NONBLOCK, SOCK_STREAM } from '../../src/socket/constants.ts'
import type { Timer } from '../../src/sys/clock.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import type { Sysctls, SysctlValue } from '../../src/sys/sysctl.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import { TcbTimer, TIMER_PACE } from '../../src/tcp/timer.ts'
import { type Arm, type Ends, Play } from './play.ts'
import { type Calls, Program } from './program.ts'
import type { CallStep, Sequence } from './sequence.ts'

/** Not 0, which may stand for never. */
const START = 1e9
const POLL_ALL = 0x23c7
/** A tick of the kernel's clock with CONFIG_HZ=250, in microseconds; what its wheel of timers repeats after (levels of up to 16 s). */
export const JIFFY = 4000
const WHEEL = 4096 * JIFFY
/** Ticks from which on the next level of the wheel serves (LVL_START). */
const LEVEL_START = 63

export type SysctlTexts = Readonly<Record<string, string>>

/** When a timer of the kernel's fires that is started at `now` for `at`: the farther, the coarser (calc_wheel_index). */
function wheelTime(now: number, at: number): number {
  const tick = Math.floor(now / JIFFY)
  const delta = Math.max(Math.ceil((at - now) / JIFFY), 0)
  let size = 1
  while (delta >= LEVEL_START * size) size *= 8
  return (Math.floor((tick + delta) / size) + 1) * size * JIFFY
}

/** Time passes when a segment is sent: what leaves in another run of the sender is later. */
class WorkClock extends VirtualClock {
  #latest = 0
  readonly #isCoarse: boolean

  /** `isCoarse`: its timers fire when the kernel's would. */
  constructor(isCoarse: boolean) {
    super()
    this.#isCoarse = isCoarse
  }

  override start(timer: Timer, at: number): void {
    const isFine = timer instanceof TcbTimer && timer.kind >= TIMER_PACE
    super.start(timer, this.#isCoarse && !isFine && at < Infinity ? wheelTime(super.now(), at) : at)
  }

  override now(): number {
    return Math.max(super.now(), this.#latest)
  }

  work(): void {
    this.#latest = this.now() + 1
  }
}

class Wire implements Link {
  readonly clock: WorkClock
  readonly medium: Medium = 'ip'
  readonly features: number = F_WIRE
  readonly mtu: number = 1500
  receive: ((packet: Packet) => void) | undefined
  sent: Uint8Array[] = []

  constructor(clock: WorkClock) {
    this.clock = clock
  }

  send(packet: Packet): boolean {
    this.sent.push(packet.toBytes())
    this.clock.work()
    packet.release()
    return true
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.receive = receive
  }

  close(): void {}
}

class OurCalls implements Calls {
  readonly #process: Process

  constructor(process: Process) {
    this.#process = process
  }

  #try(call: () => number | Promise<number> | unknown): number {
    try {
      const result = call()
      if (result instanceof Promise) throw new Error('a call sleeps')
      return typeof result === 'number' ? result : 0
    } catch (error) {
      if (error instanceof SystemError) return -Math.abs(error.errno)
      throw error
    }
  }

  socket = (): number => this.#try(() => this.#process.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK))
  bind = (fd: number, port: number): number => this.#try(() => this.#process.bind(fd, new SockAddr(AF_INET, 0, port)))
  listen = (fd: number, backlog: number): number => this.#try(() => this.#process.listen(fd, backlog))
  connect = (fd: number, address: number, port: number): number =>
    this.#try(() => this.#process.connect(fd, new SockAddr(AF_INET, address, port)))
  accept = (fd: number): number => this.#try(() => this.#process.accept4(fd, null, SOCK_NONBLOCK))
  sendFastOpen = (fd: number, bytes: Uint8Array, address: number, port: number): number =>
    this.#try(() => this.#process.sendto(fd, bytes, MSG_FASTOPEN | MSG_NOSIGNAL, new SockAddr(AF_INET, address, port)))
  send = (fd: number, bytes: Uint8Array, flags: number): number => this.#try(() => this.#process.send(fd, bytes, flags))
  recv = (fd: number, into: Uint8Array, flags: number): number => this.#try(() => this.#process.recv(fd, into, flags))
  recvError = (fd: number, into: Uint8Array, control: Uint8Array): number =>
    this.#try(() => this.#process.recvmsg(fd, { iov: [into], control }, MSG_ERRQUEUE))
  shutdown = (fd: number, how: number): number => this.#try(() => this.#process.shutdown(fd, how))
  close = (fd: number): number => this.#try(() => this.#process.close(fd))
  setsockopt = (fd: number, level: number, name: number, value: Uint8Array): number =>
    this.#try(() => this.#process.setsockopt(fd, level, name, value))
  getsockopt = (fd: number, level: number, name: number, into: Uint8Array): number =>
    this.#try(() => void this.#process.getsockopt(fd, level, name, into))
  poll = (fd: number): number => {
    const entry = { fd, events: POLL_ALL, revents: 0 }
    this.#try(() => this.#process.poll([entry], 0))
    return entry.revents
  }
  ioctl = (fd: number, request: number): number => this.#try(() => this.#process.ioctl(fd, request))
}

class OurArm implements Arm {
  readonly #program: Program
  readonly #wire: Wire
  readonly #host: Host

  constructor(host: Host, wire: Wire, program: Program) {
    this.#host = host
    this.#wire = wire
    this.#program = program
  }

  open(sequence: Sequence): string {
    return this.#program.open(sequence)
  }

  call(step: CallStep): string {
    return this.#program.call(step)
  }

  inject(packet: Uint8Array): void {
    this.#wire.receive?.(this.#host.stack.pool.fromBytes(packet))
    ;(this.#host.clock as VirtualClock).settle()
  }

  take(): Uint8Array[] {
    ;(this.#host.clock as VirtualClock).settle()
    return this.#wire.sent.splice(0)
  }

  state(): string {
    return this.#program.state()
  }

  close(): void {
    this.#program.close()
  }

  now(): number {
    return this.#host.clock.now()
  }
}

function setSysctls(host: Host, texts: SysctlTexts): void {
  const table = host.sysctl as unknown as Record<string, SysctlValue>
  for (const [field, text] of Object.entries(texts)) {
    const old = table[field as keyof Sysctls]
    const numbers = text.split(/\s+/).map(Number)
    table[field] = typeof old === 'string' ? text : typeof old === 'number' ? (numbers[0] as number) : numbers
  }
}

/**
 * Microseconds that each step takes; or when the outcomes of the kernel were taken, some microseconds earlier or later, or
 * with its timers, at the time of its clock.
 */
export type Pace = number | { readonly times: readonly number[]; readonly phase: number; readonly start?: number }

/** The outcomes of a sequence. */
export function playOurs(sequence: Sequence, sysctls: SysctlTexts, ends: Ends, pace: Pace): readonly string[] {
  const { phase = 0, start: kernelStart = Number.NaN } = typeof pace === 'number' ? {} : pace
  const isCoarse = !Number.isNaN(kernelStart)
  const clock = new WorkClock(isCoarse)
  const wire = new Wire(clock)
  const host = new Host({ name: 'ours', clock, random: new Random(5) })
  setSysctls(host, sysctls)
  host.addInterface('tap0', wire, { addresses: [`${ip4.format(ends.local)}/8`] })
  clock.runUntilSync(isCoarse ? START - (START % WHEEL) + (kernelStart % WHEEL) : START + phase)
  const start = clock.now()
  let taken = 0
  const calls = new OurCalls(host.createProcess())
  const play = new Play(sequence, new OurArm(host, wire, new Program(calls, ends)), ends).run()
  for (;;) {
    const { value, done } = play.next()
    if (done === true) return value.texts
    if (typeof pace === 'number') clock.runUntilSync(clock.now() + value * 1000 + pace)
    else if (value === 0) clock.runUntilSync(Math.max(clock.now(), start + (pace.times[taken++] ?? 0)))
  }
}
