/** One host of ours with `tun0`, in virtual time; what it does with calls and shell texts is in stack-host.ts. */
import { parse } from '../addr/ip4.ts'
import type { Interface } from '../stack/interface.ts'
import type { RouteMetrics } from '../stack/route.ts'
import { Stack } from '../stack/stack.ts'
import { FunctionTimer } from '../sys/clock.ts'
import { Random } from '../sys/random.ts'
import { VirtualClock } from '../sys/virtual-clock.ts'
import { Tcp } from '../tcp/tcp.ts'
import { Udp } from '../udp/udp.ts'
import { Device } from './device.ts'
import type { Handle } from './handles.ts'
import { Host, type WorldOptions } from './host.ts'

/** Virtual time at which hosts start: not 0, which the stack may take for "never". */
const EPOCH = 1000_000_000

export abstract class World extends Host {
  readonly clock: VirtualClock = new VirtualClock()
  readonly stack: Stack
  readonly tcp: Tcp
  readonly udp: Udp
  readonly device: Device
  readonly handles: Map<number, Handle> = new Map()
  /** Files by path, with their sizes. */
  readonly files: Map<string, number> = new Map()
  readonly #tun: Interface
  /** When the script started: what runs before it may take its time. */
  #epoch = EPOCH

  constructor(options: WorldOptions) {
    super(options, parse(options.local) ?? 0, parse(options.remote) ?? 0)
    this.clock.runUntilSync(EPOCH)
    this.stack = new Stack({ name: 'host', clock: this.clock, random: new Random(1) })
    this.device = new Device(this.stack.pool, options.mtu)
    this.device.onSend = (bytes): void => this.onSend(bytes, this.now)
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

  /** `tc qdisc … fq`: packets leave at the times that TCP gives them. */
  setPacing(on: boolean): void {
    this.#tun.paces = on
    this.device.holdUntil = on ? (time, go): void => this.clock.start(new FunctionTimer(go), time) : null
  }

  get now(): number {
    return this.clock.now() - this.#epoch
  }

  start(): void {
    this.#epoch = this.clock.now()
  }

  runTo(at: number): void {
    this.clock.runUntilSync(at + this.#epoch)
  }

  step(limit: number): boolean {
    return this.clock.stepSync(limit + this.#epoch)
  }

  settle(): void {
    this.clock.settle()
  }

  inject(bytes: Uint8Array, payload: number, mss: number): void {
    this.device.inject(bytes, payload, mss)
  }

  stampTime(seconds: number, nanoseconds: number): number {
    return seconds * 1e6 + Math.floor(nanoseconds / 1000) - this.clock.epoch - this.#epoch
  }
}
