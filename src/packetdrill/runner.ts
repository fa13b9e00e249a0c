/**
 * Runs a script as README a.9 says the real tool does: events one after the other in virtual time, packets compared
 * with what the stack sent, blocking calls beside it, assertions last.
 */

import { IPPROTO_ICMP } from '../ip/transport.ts'
import { Waiter } from '../sock/wait-queue.ts'
import { errnoName } from '../sys/errno.ts'
import { compareIcmp, compareTcp, compareUdp, type Expectation, expectedPayload } from './compare.ts'
import type { Flow } from './flow.ts'
import type { Host, WorldOptions } from './host.ts'
import { injectPacket } from './inject.ts'
import { ScriptError } from './lexer.ts'
import { type Operation, WAIT } from './operation.ts'
import { Python, PythonError } from './python.ts'
import type { Script, ScriptEvent, ScriptPacket, SystemCall, TcpPacket } from './script.ts'
import type { Snapshot } from './snapshot.ts'
import { StackHost } from './stack-host.ts'
import { errorNumber, PYTHON_NAMES } from './symbols.ts'
import { numberOf, Unsupported } from './values.ts'
import { type Captured, show } from './wire-packet.ts'

export interface RunOptions {
  readonly world: WorldOptions
  /** PSH of outbound packets is not compared. */
  readonly ignorePush: boolean
  /** Where it runs; our stack by default. */
  readonly host?: (options: WorldOptions) => Host
  /** Least tolerance in microseconds, if the script asks for less. */
  readonly leastTolerance?: number
}

/** An event did not go as the script says. */
export class Mismatch extends Error {
  override readonly name: string = 'Mismatch'
  readonly line: number
  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

export interface Outcome {
  readonly status: 'ok' | 'not ok' | 'skip'
  readonly line: number
  readonly message: string
  /** What passed before, for the reader of a failure. */
  readonly trail: readonly string[]
  /** The largest difference between a time of the script and the time of our stack, in microseconds. */
  readonly worstError: number
  /** Script time that it took, in microseconds. */
  readonly duration: number
}

/** How long `*` waits: ten minutes. */
const ANY_TIME = 600_000_000
/** What an ordinary call that sleeps may take. */
const STALL = ANY_TIME
/** How long a blocking call still pending at the end is waited for. */
const LAST_WAIT = 1_000_000
/** Lines of the trail that a failure shows. */
const TRAIL = 12

/** A blocking call that sleeps. */
class Pending extends Waiter {
  readonly operation: Operation
  readonly event: ScriptEvent
  readonly call: SystemCall
  readonly end: number
  readonly tolerance: number
  isWoken = false
  readonly #others: Waiter[] = []

  constructor(operation: Operation, event: ScriptEvent, call: SystemCall, end: number, tolerance: number) {
    super()
    this.operation = operation
    this.event = event
    this.call = call
    this.end = end
    this.tolerance = tolerance
    operation.queues.forEach((queue, i) => {
      const waiter = i === 0 ? this : new Relay(this)
      if (i > 0) this.#others.push(waiter)
      queue.add(waiter)
    })
  }

  override wake(): void {
    this.isWoken = true
  }

  cancel(): void {
    this.queue?.remove(this)
    for (const other of this.#others) other.queue?.remove(other)
  }
}

class Relay extends Waiter {
  readonly #to: Pending
  constructor(to: Pending) {
    super()
    this.#to = to
  }
  override wake(): void {
    this.#to.isWoken = true
  }
}

export class Run {
  readonly #script: Script
  readonly #options: RunOptions
  readonly #world: Host
  readonly #tolerance: number
  readonly #percent: number
  readonly #mss: number
  readonly #tick: number
  readonly #isScaled: boolean
  readonly #isStrict: boolean
  /** --non_fatal: what may go wrong without failing the script, `packet` and `syscall`. */
  readonly #nonFatal: readonly string[]
  readonly #snippets: { event: ScriptEvent; source: string; variables: Snapshot }[] = []
  readonly #trail: string[] = []
  /** Script time of the event before, and when the one in hand became current. */
  #previousAt = 0
  #previousInbound = false
  #now = 0
  #pending: Pending | null = null
  #worst = 0

  constructor(script: Script, options: RunOptions) {
    this.#script = script
    this.#options = options
    const number = (name: string, or: number): number =>
      script.options.has(name) ? Number(script.options.get(name)) : or
    this.#tolerance = Math.max(number('tolerance_usecs', 4000), options.leastTolerance ?? 0)
    this.#percent = number('tolerance_percent', 12.5) / 100
    this.#mss = number('mss', 0)
    this.#tick = number('tcp_ts_tick_usecs', 0)
    this.#isScaled = script.options.has('tcp_ts_ecr_scaled')
    this.#isStrict = script.options.has('strict_segments')
    this.#nonFatal = (script.options.get('non_fatal') ?? '').split(',')
    this.#world = (options.host ?? ((o): Host => new StackHost(o)))({
      ...options.world,
      mtu: number('mtu', options.world.mtu),
      bindPort: number('bind_port', options.world.bindPort),
      connectPort: number('connect_port', options.world.connectPort),
    })
    this.#world.tolerance = this.#tolerance
  }

  /** Runs the whole script. */
  run(): Outcome {
    let line = 1
    try {
      if (this.#script.init !== null) this.#runShell(1, this.#script.init)
      this.#world.start()
      for (const event of this.#script.events) {
        line = event.line
        this.#leniently(event)
      }
      this.#finish()
      this.#assertions()
    } catch (error) {
      return this.#failed(error, line)
    }
    return { status: 'ok', line: 0, message: '', trail: this.#trail, ...this.#figures }
  }

  get #figures(): Pick<Outcome, 'worstError' | 'duration'> {
    return { worstError: this.#worst, duration: this.#world.now }
  }

  #failed(error: unknown, line: number): Outcome {
    const trail = this.#trail.slice(-TRAIL)
    const base = { line, trail, ...this.#figures }
    if (error instanceof Unsupported) return { ...base, status: 'skip', message: error.message }
    if (error instanceof Mismatch || error instanceof ScriptError)
      return { ...base, status: 'not ok', line: error.line, message: error.message }
    return { ...base, status: 'not ok', message: `internal error: ${(error as Error).stack ?? String(error)}` }
  }

  /** An event that may fail (--non_fatal) leaves a line in the trail when it does. */
  #leniently(event: ScriptEvent): void {
    const { action } = event
    const kind = isPacket(action) ? 'packet' : action.kind === 'call' ? 'syscall' : action.kind
    try {
      this.#event(event)
    } catch (error) {
      if (!(error instanceof Mismatch) || !this.#nonFatal.includes(kind)) throw error
      this.#log(`line ${error.line}: ${error.message}`)
      this.#now = this.#world.now
    }
  }

  /** When the event is due, and the end of its range. */
  #due(event: ScriptEvent): { at: number; to: number } {
    const { time, action } = event
    if (time.kind === 'any') return { at: this.#now, to: this.#now }
    if (time.kind === 'absolute') {
      if (time.at < this.#previousAt) this.#previousAt = Math.min(this.#previousAt, time.at)
      return { at: time.at, to: time.to }
    }
    const isInbound = isPacket(action) && action.inbound
    const base = isInbound && this.#previousInbound ? this.#previousAt : this.#now
    return { at: base + time.at, to: base + time.to }
  }

  #event(event: ScriptEvent): void {
    const { at, to } = this.#due(event)
    const { action } = event
    const before = this.#previousAt
    const isOutbound = isPacket(action) && !action.inbound
    if (isOutbound) this.#expect(event, action, at, to, before)
    else {
      this.#advance(Math.max(at, this.#world.now))
      this.#now = this.#world.now
      if (isPacket(action)) this.#inject(event, action)
      else if (action.kind === 'call') this.#call(event, action, at)
      else if (action.kind === 'shell') this.#runShell(event.line, action.command)
      else this.#snippets.push({ event, source: action.source, variables: this.#world.snapshot(event.line) })
      this.#now = this.#world.now
    }
    this.#previousAt = event.time.kind === 'any' ? this.#now : at
    this.#previousInbound = isPacket(action) && action.inbound
  }

  /** Lets the stack run up to `at`, with what a blocking call does in between. */
  #advance(at: number): void {
    this.#progress()
    while (this.#step(at));
    this.#world.runTo(at)
    this.#progress()
  }

  /** Lets the next thing happen until `limit`: in the stack, or that a sleeping call's time is up; false if there is none. */
  #step(limit: number): boolean {
    const due = this.#pending?.operation.deadline ?? Infinity
    const isNext = due <= limit && due > this.#world.now
    if (!this.#world.step(isNext ? due : limit)) {
      if (!isNext) return false
      this.#world.runTo(due)
    }
    this.#progress()
    return true
  }

  /** The sleeping call, if it was woken: does it return now? */
  #progress(): void {
    for (let pending = this.#pending; pending !== null; pending = this.#pending) {
      const isDue = this.#world.now >= pending.operation.deadline
      if (!pending.isWoken && !isDue) return
      pending.isWoken = false
      const result = pending.operation.attempt()
      this.#world.settle()
      if (result !== WAIT) {
        this.#pending = null
        pending.cancel()
        this.#checkResult(pending.event, pending.call, pending.operation, result)
        this.#checkTime(
          pending.event,
          pending.operation.endedAt?.() ?? this.#world.now,
          pending.end,
          pending.end,
          pending.tolerance,
          'return',
        )
      } else if (!pending.isWoken) return
    }
  }

  #inject(event: ScriptEvent, packet: ScriptPacket): void {
    const world = this.#world
    const isNew = world.flow === null || (packet.kind === 'tcp' && world.isListening)
    const flow = isNew ? world.newPassive() : (world.flow as Flow)
    this.#log(packet.text)
    const problem = injectPacket(world, flow, packet, { mss: this.#mss, isScaled: this.#isScaled, isNew })
    if (problem !== null) throw new Mismatch(event.line, problem)
    world.settle()
    this.#progress()
  }

  #call(event: ScriptEvent, call: SystemCall, at: number): void {
    const isBlocking = call.end >= 0
    this.#log(call.text)
    const end = event.time.kind === 'relative' ? at - event.time.at + call.end : call.end
    if (isBlocking && this.#pending !== null) {
      const limit = this.#world.now + LAST_WAIT
      while (this.#pending !== null && this.#step(limit));
      if (this.#pending !== null) throw new Mismatch(event.line, 'the blocking call before still sleeps')
    }
    const operation = this.#world.begin(call)
    let result = operation.attempt()
    this.#world.settle()
    if (result === WAIT) {
      const pending = new Pending(operation, event, call, end, Math.max(this.#tolerance, (end - at) * this.#percent))
      if (isBlocking) {
        this.#pending = pending
        return
      }
      result = this.#stall(pending)
    } else if (isBlocking)
      this.#checkTime(event, this.#world.now, end, end, Math.max(this.#tolerance, (end - at) * this.#percent), 'return')
    this.#checkResult(event, call, operation, result)
    this.#progress()
  }

  /** An ordinary call sleeps: the script is late. */
  #stall(pending: Pending): number {
    const limit = this.#world.now + STALL
    for (;;) {
      const isDue = this.#world.now >= pending.operation.deadline
      if (pending.isWoken || isDue) {
        pending.isWoken = false
        const result = pending.operation.attempt()
        this.#world.settle()
        if (result !== WAIT) {
          pending.cancel()
          return result
        }
      } else if (!this.#world.step(Math.min(limit, pending.operation.deadline))) {
        if (pending.operation.deadline <= limit) this.#world.runTo(pending.operation.deadline)
        else throw new Mismatch(pending.event.line, `expected ${pending.call.text}, got a call that sleeps`)
      }
    }
  }

  #checkResult(event: ScriptEvent, call: SystemCall, operation: Operation, result: number): void {
    const expected = numberOf(call.result)
    const value = result < 0 ? -1 : result
    const isOk =
      expected === null ||
      (operation.givesFd && expected >= 0 ? value >= 0 : value === (expected | 0) || value === expected)
    const got = result < 0 ? `-1 ${errnoName(-result)}` : String(result)
    if (!isOk) throw new Mismatch(event.line, `expected ${call.text}, got ${got}`)
    if (value < 0 && call.errno !== '') {
      const number = errorNumber(call.errno)
      if (number === undefined) throw new Unsupported(`errno ${call.errno}`)
      if (number !== -result) throw new Mismatch(event.line, `expected ${call.text}, got ${got}`)
    }
    const problem = operation.check(result)
    if (problem !== null) throw new Mismatch(event.line, `${call.text}: ${problem}`)
  }

  #checkTime(event: ScriptEvent, time: number, at: number, to: number, tolerance: number, what: string): void {
    const error = time < at ? time - at : time > to ? time - to : 0
    this.#worst = Math.max(this.#worst, Math.abs(error))
    if (Math.abs(error) <= tolerance) return
    const wanted = at === to ? seconds(at) : `${seconds(at)}~${seconds(to)}`
    throw new Mismatch(
      event.line,
      `expected ${what} at ${wanted}, got it at ${seconds(time)} (${error > 0 ? 'late' : 'early'} by ${seconds(Math.abs(error))})`,
    )
  }

  /** The next packet of the socket under test, ICMP only if that is asked for; null when none comes before `limit`. */
  #nextSent(limit: number, isIcmp = false): Captured | null {
    const { sent } = this.#world
    for (;;) {
      const flow = this.#world.flow
      for (;;) {
        const first = sent.shift()
        if (first === undefined) break
        const isOurs = first.flow !== null && first.flow === flow
        if (isOurs && (isIcmp || first.packet.protocol !== IPPROTO_ICMP)) return first.packet
      }
      if (!this.#step(limit) && sent.length === 0) return null
    }
  }

  #expect(event: ScriptEvent, packet: ScriptPacket, at: number, to: number, before: number): void {
    const world = this.#world
    const isAny = event.time.kind === 'any'
    const wait = Math.floor(Math.max(0, to - before) / 1000000) * 1000000 + 2000000
    const limit = world.now + (isAny ? ANY_TIME : wait)
    this.#progress()
    const flow = world.flow
    const got = packet.kind === 'tcp' ? this.#collect(packet, limit) : this.#nextSent(limit, packet.kind === 'icmp')
    if (got === null || flow === null) {
      throw new Mismatch(
        event.line,
        `expected ${packet.text}${isAny ? '' : ` at ${seconds(at)}`}, got nothing until ${seconds(limit)}`,
      )
    }
    const expectation: Expectation = {
      ignorePush: this.#options.ignorePush,
      tick: this.#tick,
      tolerance: this.#tolerance,
      at,
      flow,
      percent: this.#percent,
    }
    const problem =
      packet.kind === 'tcp'
        ? compareTcp(packet, got, expectation)
        : packet.kind === 'udp'
          ? compareUdp(packet, got)
          : compareIcmp(packet, got, flow)
    this.#log(show(got, flow), got.time)
    if (problem !== null) throw new Mismatch(event.line, `expected ${packet.text}, got ${show(got, flow)}: ${problem}`)
    this.#now = Math.max(world.now === got.time ? world.now : this.#now, got.time)
    if (!isAny)
      this.#checkTime(event, got.time, at, to, Math.max(this.#tolerance, (at - before) * this.#percent), packet.text)
  }

  /** Takes packets until they hold as much as the script's line (aggregation, a.9 step 1). */
  #collect(packet: TcpPacket, limit: number): Captured | null {
    const first = this.#nextSent(limit)
    if (first === null || this.#isStrict) return first
    let got = first
    let last = first
    while (got.length < expectedPayload(packet)) {
      const next = this.#nextSent(limit)
      if (next === null) break
      if (!continues(last, next, first)) {
        this.#world.sent.unshift({ packet: next, flow: this.#world.flow })
        break
      }
      got = {
        ...got,
        length: got.length + next.length,
        flags: (next.flags & ~CWR) | (first.flags & CWR),
        time: next.time,
        isZero: got.isZero && next.isZero,
      }
      last = next
      if (next.length < first.length) break
    }
    return got
  }

  #runShell(line: number, command: string): void {
    const status = this.#world.shell(command)
    this.#world.settle()
    if (status !== 0) throw new Mismatch(line, `expected status 0 of \`${command.trim()}\`, got ${status}`)
  }

  #finish(): void {
    if (this.#pending !== null) this.#advance(this.#world.now + LAST_WAIT)
    const pending = this.#pending
    if (pending !== null) throw new Mismatch(pending.event.line, `${pending.call.text}: still sleeps at the end`)
    if (this.#script.final !== null) this.#runShell(0, this.#script.final)
  }

  #assertions(): void {
    const python = new Python()
    for (const [name, value] of Object.entries(PYTHON_NAMES)) python.variables.set(name, value)
    for (const { event, source, variables } of this.#snippets) {
      for (const [name, value] of variables) python.variables.set(name, value)
      try {
        python.run(source)
      } catch (error) {
        if (error instanceof PythonError) throw new Mismatch(event.line, error.message)
        throw error
      }
    }
  }

  #log(text: string, time: number = this.#world.now): void {
    this.#trail.push(`${seconds(time)} ${text}`)
  }
}

const CWR = 0x80
/** Flags that pieces of one scripted packet may differ in: FIN, PSH, CWR. */
const LOOSE = 0x01 | 0x08 | 0x80

function continues(last: Captured, next: Captured, first: Captured): boolean {
  return (
    (last.flags & ~LOOSE) === (next.flags & ~LOOSE) &&
    last.ack === next.ack &&
    last.window === next.window &&
    last.urgent === next.urgent &&
    last.headerLength === next.headerLength &&
    ((last.seq + last.length) | 0) === next.seq &&
    next.length <= first.length &&
    next.length > 0 &&
    last.length > 0
  )
}

const isPacket = (action: ScriptEvent['action']): action is ScriptPacket =>
  action.kind === 'tcp' || action.kind === 'udp' || action.kind === 'icmp'

/** Microseconds as seconds. */
export const seconds = (us: number): string => (us / 1e6).toFixed(6)
