/**
 * Where a script runs: one host of ours with `tun0`, virtual time, the packets it sent and the sockets under test.
 * Times are microseconds since the script's start.
 */
import { parse } from '../addr/ip4.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../ip/transport.ts'
import type { Interface } from '../stack/interface.ts'
import type { RouteMetrics } from '../stack/route.ts'
import { Stack } from '../stack/stack.ts'
import { Random } from '../sys/random.ts'
import { VirtualClock } from '../sys/virtual-clock.ts'
import { Tcp } from '../tcp/tcp.ts'
import { Udp } from '../udp/udp.ts'
import { ACK, SYN } from '../wire/tcp.ts'
import { Device } from './device.ts'
import { Flow } from './flow.ts'
import type { Handle } from './handles.ts'
import { type Captured, capture } from './wire-packet.ts'

/** Virtual time at which scripts start: not 0, which the stack may take for "never". */
const EPOCH = 1000_000_000
const FIRST_CLIENT_PORT = 33000

export interface WorldOptions {
  readonly local: string
  readonly remote: string
  readonly prefix: number
  readonly mtu: number
  /** Port of listeners, and the one that outgoing connections go to. */
  readonly bindPort: number
  readonly connectPort: number
}

/** What left and for which socket. */
export interface Sent {
  readonly packet: Captured
  readonly flow: Flow | null
}

export class World {
  readonly options: WorldOptions
  readonly clock: VirtualClock = new VirtualClock()
  readonly stack: Stack
  readonly tcp: Tcp
  readonly udp: Udp
  readonly device: Device
  readonly local: number
  readonly remote: number
  /** Packets sent and not yet asked for. */
  readonly sent: Sent[] = []
  /** The last packets, asked for or not, for messages. */
  readonly handles: Map<number, Handle> = new Map()
  readonly flows: Flow[] = []
  /** The socket under test. */
  flow: Flow | null = null
  isListening = false
  /** Files by path, with their sizes. */
  readonly files: Map<string, number> = new Map()
  /** tolerance_usecs. */
  tolerance = 4000
  readonly #tun: Interface
  #clientPort = FIRST_CLIENT_PORT

  constructor(options: WorldOptions) {
    this.options = options
    this.clock.runUntilSync(EPOCH)
    this.stack = new Stack({ name: 'host', clock: this.clock, random: new Random(1) })
    this.device = new Device(this.stack.pool, options.mtu)
    this.device.onSend = (bytes): void => this.#onSend(bytes)
    this.local = parse(options.local) ?? 0
    this.remote = parse(options.remote) ?? 0
    const tun = this.stack.addInterface('tun0', this.device, { addresses: [`${options.local}/${options.prefix}`] })
    this.#tun = tun
    this.setRoute(0, {})
    this.tcp = new Tcp(this.stack)
    this.udp = new Udp(this.stack)
    this.clock.settle()
  }

  /** `ip route change`: what the route to the peer says of MTU, MSS and window. */
  setRoute(mtu: number, metrics: RouteMetrics): void {
    const route = { destination: 0, prefix: 0, interface: this.#tun, source: this.local }
    this.stack.routes.removeIf((r) => r.prefix === 0 && r.destination === 0 && r.interface === this.#tun)
    this.stack.routes.add({ ...route, mtu, metrics })
  }

  /** Time of the script. */
  get now(): number {
    return this.clock.now() - EPOCH
  }

  /** Script time of a time of the clock. */
  scriptTime(at: number): number {
    return at - EPOCH
  }

  /** Lets everything due until `at` happen. */
  runTo(at: number): void {
    this.clock.runUntilSync(at + EPOCH)
  }

  /** Lets the next thing due until `limit` happen; false if there is none. */
  step(limit: number): boolean {
    return this.clock.stepSync(limit + EPOCH)
  }

  /** socket() was called: it is the socket under test now. */
  newActive(handle: Handle): void {
    this.flow = new Flow(false, -1, this.options.connectPort)
    this.flow.handle = handle
    this.flows.push(this.flow)
    this.isListening = false
  }

  /** A packet arrives while a listener is under test: its child is from now on. */
  newPassive(): Flow {
    this.flow = new Flow(true, this.options.bindPort, this.#clientPort++)
    this.flows.push(this.flow)
    this.isListening = false
    return this.flow
  }

  #onSend(bytes: Uint8Array): void {
    const packet = capture(bytes, this.now)
    if (packet === null || packet.source !== this.local || packet.destination !== this.remote) return
    this.sent.push({ packet, flow: this.#flowOf(packet) })
  }

  #flowOf(packet: Captured): Flow | null {
    for (let i = this.flows.length - 1; i >= 0; i--) {
      const flow = this.flows[i] as Flow
      if (flow.localPort === packet.sourcePort && flow.remotePort === packet.destinationPort) return flow
    }
    const flow = this.flow
    if (flow === null || flow.isPassive || flow.localPort >= 0 || packet.destinationPort !== flow.remotePort)
      return null
    const opens =
      packet.protocol === IPPROTO_UDP || (packet.protocol === IPPROTO_TCP && (packet.flags & (SYN | ACK)) === SYN)
    if (!opens) return null
    flow.localPort = packet.sourcePort
    return flow
  }
}
