/** `sockeye serve`: a host on TAP devices, in real time, until a signal ends it. */
import type { Socket } from 'node:net'
import * as ip4 from '../addr/ip4.ts'
import { Host } from '../host/host.ts'
import { type ImpairedLink, impair } from '../link/impair.ts'
import type { Link } from '../link/link.ts'
import { type Listener, serveHttp } from '../node/listen.ts'
import { RealClock } from '../platform/clock.ts'
import { platformRandom } from '../platform/random.ts'
import { openTap, type Tap } from '../platform/tap.ts'
import { NOFILE_MAX } from '../socket/file-table.ts'
import { errnoName, SystemError } from '../sys/errno.ts'
import { Random } from '../sys/random.ts'
import { STATUS_FAILED, UsageError } from './arguments.ts'
import { FileSink, Recorder } from './capture-file.ts'
import { Control } from './control.ts'
import { parseServe, type ServeOptions } from './serve-options.ts'
import { discard, echo, source } from './services.ts'
import { statistics } from './statistics.ts'
import { webServer } from './web.ts'

/** Milliseconds between writes of a capture that fills slowly. */
const FLUSH_MS = 1000

/** Runs the command; resolves with the exit status once a signal came and everything is closed. */
export async function serve(args: readonly string[]): Promise<number> {
  const options = parseServe(args)
  const clock = new RealClock()
  const host = new Host({
    name: 'sockeye',
    clock,
    random: platformRandom(),
    onProgramFailure: (program, error) => {
      process.stderr.write(`sockeye: ${program.name}: ${(error as Error).stack ?? String(error)}\n`)
    },
  })
  setSysctls(host, options)
  const sink = options.pcap === undefined ? undefined : new FileSink('--pcap', options.pcap)
  const recorder = sink === undefined ? undefined : new Recorder(sink, clock, options.snaplen)
  const links = new Links(host, options, recorder)
  const stopped = untilSignal()
  await links.open()
  addGateway(host, options)
  const web = startServices(host, options)
  const control = new Control(host)
  const closed = await control.open()
  if (closed !== undefined) process.stderr.write(`sockeye: no control socket: ${closed}\n`)
  const flushing = setInterval(() => sink?.flush(), FLUSH_MS)
  process.stdout.write(`${readyLine(options, links.taps)}\n`)
  const signal = await stopped
  clearInterval(flushing)
  web?.close()
  control.close()
  for (const running of [...host.processes.values()]) running.end(0)
  links.close()
  sink?.close()
  process.stdout.write(`${signal}\n${statistics(host, links.taps, links.impaired)}`)
  return 0
}

/** The devices and what is put between them and the host. */
class Links {
  readonly taps: Tap[] = []
  readonly impaired: ImpairedLink[] = []
  readonly #host: Host
  readonly #options: ServeOptions
  readonly #recorder: Recorder | undefined
  readonly #random: Random

  constructor(host: Host, options: ServeOptions, recorder: Recorder | undefined) {
    this.#host = host
    this.#options = options
    this.#recorder = recorder
    const seed = options.impair?.seed
    this.#random = seed === undefined ? platformRandom() : new Random(seed)
  }

  async open(): Promise<void> {
    const { mtu } = this.#options
    for (const { name, address } of this.#options.taps) {
      const { pool } = this.#host.stack
      let tap: Tap
      try {
        tap = await openTap(name, { clock: this.#host.clock, pool, ...(mtu === undefined ? {} : { mtu }) })
      } catch (error) {
        this.close()
        throw new UsageError((error as Error).message, STATUS_FAILED)
      }
      this.taps.push(tap)
      this.#host.addInterface(name, this.#dress(tap), { addresses: [address] })
    }
  }

  #dress(tap: Tap): Link {
    const spec = this.#options.impair
    const worsen = (link: Link): ImpairedLink => {
      const impaired = impair(link, spec?.options ?? {}, this.#host.clock, this.#random)
      this.impaired.push(impaired)
      return impaired
    }
    const recorder = this.#recorder
    if (recorder !== undefined) return recorder.record(tap, tap.name, spec === undefined ? undefined : worsen)
    return spec === undefined ? tap : worsen(tap)
  }

  close(): void {
    for (const tap of this.taps) tap.close()
  }
}

function setSysctls(host: Host, options: ServeOptions): void {
  // The kernel may remember another MAC address of ours, from the last time; tell it.
  host.sysctl.arp_notify = 1
  if (options.forward) host.setSysctl('net.ipv4.ip_forward', 1)
  for (const { name, value } of options.sysctls) {
    try {
      host.setSysctl(name, value)
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      const reason = error.code === 'ENOENT' ? 'no such sysctl' : `not a value for it: '${value}'`
      throw new UsageError(`--sysctl: ${name}: ${reason}`)
    }
  }
}

function addGateway(host: Host, options: ServeOptions): void {
  if (options.gateway === undefined) return
  const on = host.stack.interfaces.find((i) => i.isOnLink(options.gateway as number))
  if (on === undefined)
    throw new UsageError(`--gateway: ${ip4.format(options.gateway)} is in the network of no --address`)
  const result = host.stack.routes.add({ destination: 0, prefix: 0, gateway: options.gateway, interface: on })
  if (result < 0) throw new UsageError(`--gateway: ${errnoName(result)}`)
}

/** The web server's connections. */
class Web {
  readonly #open: Set<Socket> = new Set()
  readonly #listener: Listener

  constructor(host: Host, port: number, root: string | undefined) {
    const program = host.createProcess({ name: 'http' })
    program.fileLimit = NOFILE_MAX
    const server = webServer(root)
    server.on('connection', (socket) => {
      this.#open.add(socket)
      socket.on('close', () => this.#open.delete(socket))
    })
    this.#listener = serveHttp(program, server, port)
  }

  close(): void {
    this.#listener.close()
    for (const socket of this.#open) socket.destroy()
  }
}

function startServices(host: Host, options: ServeOptions): Web | undefined {
  const { ports } = options
  if (ports.echo !== undefined) host.spawn(echo(ports.echo), 'echo')
  if (ports.discard !== undefined) host.spawn(discard(ports.discard), 'discard')
  if (ports.source !== undefined) host.spawn(source(ports.source), 'source')
  return ports.http === undefined ? undefined : new Web(host, ports.http, options.root)
}

function readyLine(options: ServeOptions, taps: readonly Tap[]): string {
  const at = options.taps.map(({ name, address }, i) => `${address} on ${name} (mtu ${(taps[i] as Tap).mtu})`)
  const services = Object.entries(options.ports).map(([service, number]) => `${service} ${number}`)
  return `ready: ${[...at, ...services].join(', ')}`
}

/** The first SIGINT or SIGTERM; the next one ends the process at once, as ever. */
function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals): void => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      resolve(signal)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
}
