/** Runs one plan of the property test in virtual time and says what is wrong with the outcome. */
import { parse } from '../../src/addr/ip4.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import { cable } from '../../src/link/cable.ts'
import { type ImpairedLink, impair } from '../../src/link/impair.ts'
import { F_ALL, F_WIRE, type Link } from '../../src/link/link.ts'
import type { PacketWriter } from '../../src/link/pcap.ts'
import { capture } from '../../src/link/sniffer.ts'
import { Switch } from '../../src/link/switch.ts'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { Waiter } from '../../src/sock/wait-queue.ts'
import { Stack } from '../../src/stack/stack.ts'
import { type Clock, FunctionTimer } from '../../src/sys/clock.ts'
import { ETIMEDOUT } from '../../src/sys/errno.ts'
import { Random } from '../../src/sys/random.ts'
import { Sysctls } from '../../src/sys/sysctl.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import type { Tcb } from '../../src/tcp/tcb.ts'
import { Tcp } from '../../src/tcp/tcp.ts'
import { End, type Surroundings } from './end.ts'
import type { Partition, Plan, WirePlan } from './plan.ts'

/** Virtual time within which every program must have come to an end: retries of TCP give up after 15 to 30 minutes. */
const LIMIT = 12 * 3600e6
/** And within which a host must have forgotten all of it: an orphan's retries, then TIME-WAIT. */
const AFTERMATH = 3600e6
/** Instants a run may take: more is a livelock. */
const MAX_STEPS = 20_000_000

const CLIENT = parse('192.0.2.1') as number
const SERVER = parse('192.0.2.2') as number
const FAR_SERVER = parse('198.51.100.2') as number

/** What became of a run, for the summary. */
export interface Report {
  readonly seed: number
  readonly problems: string[]
  readonly outcomes: Record<string, number>
  readonly bytes: number
  readonly segments: number
  readonly retransmissions: number
  readonly seconds: number
}

/** One wire with its faults at both ends' way out. */
class Wire {
  readonly plan: WirePlan
  readonly near: ImpairedLink
  readonly far: ImpairedLink
  constructor(plan: WirePlan, near: ImpairedLink, far: ImpairedLink) {
    this.plan = plan
    this.near = near
    this.far = far
  }

  /** `way` as in `Partition`; -1: all is well. */
  set(way: number): void {
    this.near.set(way === 0 || way === 1 ? { down: true } : this.plan.forth)
    this.far.set(way === 0 || way === 2 ? { down: true } : this.plan.back)
  }
}

class Listening extends Waiter {
  readonly #noted: () => void
  constructor(noted: () => void) {
    super()
    this.#noted = noted
  }
  override wake(): void {
    this.#noted()
  }
}

/** A server that never comes to be: its client was refused, or gave up before the handshake was over for the server. */
const isUnborn = (e: End): boolean => e.sock === null && e.peer.outcome !== '' && e.peer.outcome !== 'done'

export class World implements Surroundings {
  readonly clock: VirtualClock = new VirtualClock()
  readonly problems: string[] = []
  readonly plan: Plan
  readonly stacks: Stack[] = []
  readonly ends: End[] = []
  readonly #random: Random
  readonly #wires: Wire[] = []
  readonly #queue: End[] = []
  readonly #servers = new Map<number, End>()
  readonly #pool: PacketPool | undefined
  readonly #writer: PacketWriter | undefined
  readonly #client: Tcp
  readonly #server: Tcp
  #listener: Tcb | null = null
  #hasArrivals = false
  #steps = 0

  constructor(plan: Plan, makeWriter?: (clock: Clock) => PacketWriter | undefined) {
    this.plan = plan
    this.#writer = makeWriter?.(this.clock)
    this.#random = new Random(plan.seed, 0x776f726c)
    this.#pool = this.#random.chance(0.5) ? new PacketPool() : undefined
    const [a, b] = this.#build()
    this.#client = new Tcp(a)
    this.#server = new Tcp(b)
    for (const p of plan.partitions) this.#partition(p)
    this.#listen()
    for (let i = 0; i < plan.connections.length; i++) this.#plug(i)
  }

  get #serverAddress(): number {
    return this.plan.middle === 'router' ? FAR_SERVER : SERVER
  }

  fail(text: string): void {
    if (this.problems.length < 20) this.problems.push(`${(this.clock.now() / 1e6).toFixed(6)} ${text}`)
  }

  runSoon(end: End): void {
    end.isQueued = true
    this.#queue.push(end)
  }

  #stack(name: string): Stack {
    // Cookies admit ghosts of old ACKs and answer late ones with resets (RFC 4987 §3.6): not what is tested here.
    const sysctl = Object.assign(new Sysctls(), { tcp_syncookies: 0 }, this.plan.sysctl)
    const options = { name, clock: this.clock, random: this.#random.fork(), sysctl }
    const stack = new Stack(this.#pool === undefined ? options : { ...options, pool: this.#pool })
    this.stacks.push(stack)
    return stack
  }

  /** Both ends of a wire as links with their faults, for whatever is joined by it. */
  #wire(index: number, [near, far]: readonly [Link, Link]): readonly [Link, Link] {
    const plan = this.plan.wires[index] as WirePlan
    const a = impair(near, plan.forth, this.clock, this.#random.fork())
    const b = impair(far, plan.back, this.clock, this.#random.fork())
    this.#wires.push(new Wire(plan, a, b))
    return [a, b]
  }

  #cable(index: number): readonly [Link, Link] {
    const { mtu, isOffload } = this.plan.wires[index] as WirePlan
    return this.#wire(index, cable(this.clock, { mtu, features: isOffload ? F_ALL : F_WIRE, queue: 4096 }))
  }

  #join(stack: Stack, name: string, link: Link, address: string): void {
    const shown = this.#writer === undefined ? link : capture(link, this.#writer, `${stack.name}-${name}`)
    stack.addInterface(name, shown, { addresses: [address] })
  }

  #build(): readonly [Stack, Stack] {
    const a = this.#stack('client')
    const b = this.#stack('server')
    const { middle } = this.plan
    if (middle === 'none') {
      const [near, far] = this.#cable(0)
      this.#join(a, 'eth0', near, '192.0.2.1/24')
      this.#join(b, 'eth0', far, '192.0.2.2/24')
    } else if (middle === 'switch') {
      const fabric = new Switch(this.clock, { queue: 4096 })
      const [first, second] = this.plan.wires as readonly [WirePlan, WirePlan]
      const portOf = (w: WirePlan): Link => fabric.port({ mtu: w.mtu, features: w.isOffload ? F_ALL : F_WIRE })
      // The faults of a port's way in are the second wire's, as if the cable to the switch had them.
      const near = impair(portOf(first), { egress: first.forth, ingress: first.back }, this.clock, this.#random.fork())
      const far = impair(
        portOf(second),
        { egress: second.back, ingress: second.forth },
        this.clock,
        this.#random.fork(),
      )
      this.#wires.push(new Wire(first, near, far))
      this.#join(a, 'eth0', near, '192.0.2.1/24')
      this.#join(b, 'eth0', far, '192.0.2.2/24')
    } else this.#route(a, b)
    return [a, b]
  }

  /** client - router - server, on two networks. */
  #route(a: Stack, b: Stack): void {
    const r = this.#stack('router')
    r.sysctl.ip_forward = 1
    const [a0, r0] = this.#cable(0)
    const [r1, b0] = this.#cable(1)
    this.#join(a, 'eth0', a0, '192.0.2.1/24')
    this.#join(r, 'eth0', r0, '192.0.2.254/24')
    this.#join(r, 'eth1', r1, '198.51.100.254/24')
    this.#join(b, 'eth0', b0, '198.51.100.2/24')
    const gateway = (stack: Stack, address: string): void => {
      stack.routes.add({
        destination: 0,
        prefix: 0,
        gateway: parse(address) as number,
        interface: stack.interface('eth0') as never,
      })
    }
    gateway(a, '192.0.2.254')
    gateway(b, '198.51.100.254')
  }

  #partition(p: Partition): void {
    const set = (way: number) => () => {
      for (const wire of this.#wires) wire.set(way)
    }
    this.clock.start(new FunctionTimer(set(p.way)), p.from)
    if (p.to < Infinity) this.clock.start(new FunctionTimer(set(-1)), p.to)
  }

  #listen(): void {
    const s = this.#server.createSocket()
    const { backlog, connections, isMild } = this.plan
    const first = connections[0]?.server
    // Buffers fixed on the listener are what the handshake's window and scale come from.
    const isEarly = isMild || (first?.pauseMax ?? 0) > 10_000
    if (connections.length === 1 && first !== undefined && first.rcvbuf > 0 && isEarly)
      s.rcvbuf = Math.max(2304, first.rcvbuf * 2)
    s.bind(new SockAddr(AF_INET, 0, 80))
    s.listen(backlog)
    s.wait.add(
      new Listening(() => {
        this.#hasArrivals = true
      }),
    )
    this.#listener = s
  }

  /** Makes both ends of connection `i`; the client's starts at its time. */
  #plug(i: number): void {
    const plan = this.plan.connections[i]
    if (plan === undefined) return
    const client = new End(this, `client ${i}`, plan.client, this.#random.fork())
    const server = new End(this, `server ${i}`, plan.server, this.#random.fork())
    client.peer = server
    server.peer = client
    this.ends.push(client, server)
    const clientPort = 10_000 + i
    const serverPort = plan.isSimultaneous ? 20_000 + i : 80
    const open = (): void => {
      const c = this.#client.createSocket()
      c.bind(new SockAddr(AF_INET, 0, clientPort))
      if (plan.isSimultaneous) {
        const s = this.#server.createSocket()
        s.bind(new SockAddr(AF_INET, 0, serverPort))
        server.connect(s, new SockAddr(AF_INET, CLIENT, clientPort))
      } else this.#servers.set(clientPort, server)
      client.connect(c, new SockAddr(AF_INET, this.#serverAddress, serverPort))
    }
    if (plan.startAt === 0) open()
    else this.clock.start(new FunctionTimer(open), plan.startAt)
  }

  #accept(): void {
    this.#hasArrivals = false
    for (;;) {
      const s = this.#listener?.accept()
      if (s === undefined || typeof s === 'number') return
      const end = this.#servers.get(s.remotePort)
      if (end === undefined || end.sock !== null) {
        this.fail(`a connection from port ${s.remotePort} that nobody made`)
        s.close()
        // A buffer made smaller now takes back window that was offered, and data in flight is refused: no mild thing.
      } else end.take(s as Tcb, !this.plan.isMild)
    }
  }

  /** Lets every program that was woken run, until none is left at this instant. */
  #runPrograms(): void {
    this.clock.settle()
    while (this.#queue.length > 0 || this.#hasArrivals) {
      if (this.#hasArrivals) this.#accept()
      for (let end = this.#queue.shift(); end !== undefined; end = this.#queue.shift()) end.run()
      this.clock.settle()
    }
  }

  /** True once nobody waits for anything. */
  #isOver(): boolean {
    return this.ends.every((e) => e.outcome !== '' || isUnborn(e))
  }

  run(): Report {
    this.#runPrograms()
    while (!this.#isOver()) {
      if (++this.#steps > MAX_STEPS) this.fail(`no end after ${MAX_STEPS} instants`)
      if (this.#steps > MAX_STEPS || !this.clock.stepSync(LIMIT)) break
      this.#runPrograms()
    }
    const seconds = this.clock.now() / 1e6
    for (const end of this.ends) this.#judge(end)
    this.#cleanUp()
    return this.#report(seconds)
  }

  #judge(end: End): void {
    const { peer } = end
    const state = `${end.sent}/${end.plan.total} sent, ${end.received}/${peer.sent} received${end.hasEof ? ' and the end' : ''}`
    if (end.outcome === '' && !isUnborn(end)) {
      this.fail(`${end.name} waits for ever in ${end.sock === null ? 'no state' : `state ${end.sock.state}`}: ${state}`)
    }
    // Everything arrived both ways and only the last acknowledgement did not, within the peer's TIME-WAIT.
    const isLastAckLost = end.hasEof && peer.outcome === 'done' && peer.received === end.sent
    if (end.outcome === 'error' && this.plan.isMild && !isLastAckLost)
      this.fail(`${end.name}: errno ${end.errno} though nothing is that bad: ${state}`)
    if (end.outcome === 'refused' && this.plan.isMild && this.#isFlawless())
      this.fail(`${end.name}: errno ${end.errno} from connect`)
    if (end.outcome === 'done' && end.received !== peer.sent) this.fail(`${end.name} is content with ${state}`)
    // One end in error: the other may have finished before, or it has an error too; it can not have got it all and wait.
    if (end.outcome === 'error' && end.errno === ETIMEDOUT && peer.outcome === '' && peer.sock !== null)
      this.fail(`${peer.name} was never told`)
  }

  /** No wire loses or spoils anything. */
  #isFlawless(): boolean {
    const isGood = (f: WirePlan['forth']): boolean =>
      (f.loss ?? 0) === 0 &&
      f.burst === undefined &&
      (f.corrupt ?? 0) === 0 &&
      f.rate === undefined &&
      f.mtu === undefined
    return this.plan.partitions.length === 0 && this.plan.wires.every((w) => isGood(w.forth) && isGood(w.back))
  }

  /** When all is closed and the time of TIME-WAIT and orphans is over, nothing may be left. */
  #cleanUp(): void {
    for (const end of this.ends) if (end.outcome === '') end.sock?.close()
    this.#listener?.close()
    const socks = this.ends.map((e) => e.sock).filter((s) => s !== null)
    this.clock.runUntilSync(this.clock.now() + AFTERMATH)
    const left: Record<string, number> = {}
    for (const tcp of [this.#client, this.#server]) {
      left.segments = (left.segments ?? 0) + tcp.segments.outstanding
      left.connections = (left.connections ?? 0) + tcp.table.size
      left.sockets = (left.sockets ?? 0) + tcp.sockets.size
      left.ports = (left.ports ?? 0) + tcp.ports.size
      left['time-waits'] = (left['time-waits'] ?? 0) + tcp.timeWaits
    }
    for (const stack of this.stacks) left[`${stack.name} packets`] = stack.pool.outstanding
    for (const s of socks) {
      left.rmem = (left.rmem ?? 0) + Math.abs(s.rmemAlloc)
      left.wmem = (left.wmem ?? 0) + Math.abs(s.wmemQueued)
    }
    left.timers = this.clock.timerCount
    for (const [what, n] of Object.entries(left)) if (n !== 0) this.fail(`${n} ${what} left over`)
  }

  #report(seconds: number): Report {
    const outcomes: Record<string, number> = {}
    let bytes = 0
    for (const end of this.ends) {
      const key = end.outcome === '' ? 'never' : end.errno === 0 ? end.outcome : `${end.outcome} ${end.errno}`
      outcomes[key] = (outcomes[key] ?? 0) + 1
      bytes += end.received
    }
    const sum = (name: 'TcpRetransSegs' | 'TcpOutSegs'): number => this.stacks.reduce((n, s) => n + s.counters[name], 0)
    const segments = sum('TcpOutSegs')
    return {
      seed: this.plan.seed,
      problems: this.problems,
      outcomes,
      bytes,
      segments,
      retransmissions: sum('TcpRetransSegs'),
      seconds,
    }
  }
}
