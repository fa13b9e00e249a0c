/**
 * Networks from a few words, in virtual time:
 *
 *   const net = new Network({ seed: 7, turn })
 *   net.cable('client 192.0.2.1/24', 'server 192.0.2.2/24', 'delay=20ms,loss=1%')
 *   net.host('server').spawn(serve)
 *   await net.run()
 *
 * The same seed and the same calls give the same packets, byte for byte. The hosts are those of the product: nothing in
 * them knows that it is simulated.
 */
import { parse as parseCidr } from '../addr/cidr.ts'
import { parse as parseIp4 } from '../addr/ip4.ts'
import { PacketPool } from '../buf/pool.ts'
import { Host, type HostOptions } from '../host/host.ts'
import { type CableOptions, cable } from '../link/cable.ts'
import { type ImpairedLink, type ImpairOptions, impair } from '../link/impair.ts'
import { parseImpairSpec } from '../link/impair-spec.ts'
import type { Link } from '../link/link.ts'
import { type ByteSink, type PacketWriter, PcapngWriter } from '../link/pcap.ts'
import { capture } from '../link/sniffer.ts'
import { Switch, type SwitchOptions } from '../link/switch.ts'
import type { Interface } from '../stack/interface.ts'
import { type Clock, FunctionTimer, type Micros } from '../sys/clock.ts'
import { Random } from '../sys/random.ts'
import { VirtualClock } from '../sys/virtual-clock.ts'

export interface NetworkOptions {
  /** 1 unless told otherwise. */
  readonly seed?: number
  /** One macrotask of the platform (`turn` of './platform'): needed for programs that await. */
  readonly turn?: () => Promise<void>
  /** Gets a pcapng of every interface, as each host sees it. */
  readonly capture?: ByteSink
}

/** Faults in words (`impair-spec`) or as options; the same both ways when words do not say otherwise. */
export type Faults = string | ImpairOptions

export class Network {
  readonly clock: VirtualClock
  readonly random: Random
  readonly pool: PacketPool = new PacketPool()
  readonly hosts: Map<string, Host> = new Map()
  /** Links by `HOST` of the first interface and `HOST.INTERFACE` of each, for faults that come and go. */
  readonly links: Map<string, ImpairedLink> = new Map()
  readonly #writer: PacketWriter | undefined

  constructor(options: NetworkOptions = {}) {
    this.clock = new VirtualClock(options.turn)
    this.random = new Random(options.seed ?? 1, 0x6e657477)
    this.#writer = options.capture === undefined ? undefined : new PcapngWriter(options.capture, this.clock)
  }

  /** The host of this name, made when first asked for; `options` count only then. */
  host(name: string, options: Partial<Omit<HostOptions, 'clock' | 'name'>> = {}): Host {
    const known = this.hosts.get(name)
    if (known !== undefined) return known
    if (!/^[\w-]+$/.test(name)) throw new RangeError(`name: not a host's: ${JSON.stringify(name)}`)
    const made = new Host({ random: this.random.fork(), pool: this.pool, ...options, name, clock: this.clock })
    this.hosts.set(name, made)
    return made
  }

  /** A host that forwards. */
  router(name: string): Host {
    const made = this.host(name)
    made.sysctl.ip_forward = 1
    return made
  }

  /** A cable between two hosts, each given as `NAME ADDRESS/PREFIX`. */
  cable(a: string, b: string, faults: Faults = {}, options: CableOptions = {}): void {
    const [near, far] = cable(this.clock, options)
    this.#join(a, near, faults)
    this.#join(b, far, faults)
  }

  /** A switch with these hosts on it, each given as `NAME ADDRESS/PREFIX`. */
  lan(hosts: readonly string[], faults: Faults = {}, options: SwitchOptions = {}): Switch {
    const made = new Switch(this.clock, options)
    for (const host of hosts) this.plug(made, host, faults)
    return made
  }

  /** One more host on a switch. */
  plug(at: Switch, host: string, faults: Faults = {}): Interface {
    return this.#join(host, at.port(), faults)
  }

  /** `ip route add DESTINATION via GATEWAY`; DESTINATION `default` or in CIDR notation. */
  route(host: string, destination: string, gateway: string): void {
    const to = destination === 'default' ? { address: 0, prefix: 0 } : parseCidr(destination)
    const via = parseIp4(gateway)
    if (to === undefined) throw new RangeError(`destination: not a network: ${destination}`)
    if (via === undefined) throw new RangeError(`gateway: not an address: ${gateway}`)
    const { stack } = this.#known(host)
    const at = stack.interfaces.find((i) => !i.isLoopback && i.isOnLink(via))
    if (at === undefined) throw new RangeError(`gateway: on no network of ${host}: ${gateway}`)
    stack.routes.add({ destination: to.address, prefix: to.prefix, gateway: via, interface: at })
  }

  /** Puts faults in the place of those a host's link has; `{}` makes it whole. `link`: `HOST` or `HOST.INTERFACE`. */
  impair(link: string, faults: Faults): void {
    const found = this.links.get(link)
    if (found === undefined)
      throw new RangeError(`link: no such: ${link}; there are ${[...this.links.keys()].join(', ')}`)
    found.set(optionsOf(faults))
  }

  /** Does something at a time of the network. */
  at(time: Micros, action: () => void): void {
    this.clock.start(new FunctionTimer(action), time)
  }

  /** Runs until nothing is left to happen, `done()` holds or `until` has come; see `VirtualClock.run`. */
  run(done?: () => boolean, until?: Micros): Promise<void> {
    return this.clock.run(done, until)
  }

  #known(name: string): Host {
    const host = this.hosts.get(name)
    if (host === undefined) throw new RangeError(`host: no such: ${name}`)
    return host
  }

  #join(words: string, link: Link, faults: Faults): Interface {
    const [name = '', address, ...rest] = words.trim().split(/\s+/)
    if (address === undefined || rest.length > 0)
      throw new RangeError(`host: not 'NAME ADDRESS/PREFIX': ${JSON.stringify(words)}`)
    const host = this.host(name)
    const eth = `eth${host.stack.interfaces.length - 1}`
    const impaired = impair(link, optionsOf(faults), this.clock as Clock, this.random.fork())
    const shown = this.#writer === undefined ? impaired : capture(impaired, this.#writer, `${name}.${eth}`)
    const added = host.addInterface(eth, shown, { addresses: [address] })
    this.links.set(`${name}.${eth}`, impaired)
    if (eth === 'eth0') this.links.set(name, impaired)
    return added
  }
}

const optionsOf = (faults: Faults): ImpairOptions =>
  typeof faults === 'string' ? parseImpairSpec(faults).options : faults
