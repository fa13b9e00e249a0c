/**
 * `sockeye demo`: two hosts on a switch in virtual time; the one-shot client and server run on them; every packet is
 * shown as it is sent, beside the states of both ends. The third data segment is lost once.
 */
import { oneShotClient } from '../../examples/one-shot/client.ts'
import { oneShotServer } from '../../examples/one-shot/server.ts'
import { ss } from '../app/ss.ts'
import type { Packet } from '../buf/packet.ts'
import { Host } from '../host/host.ts'
import { type ImpairedLink, impair } from '../link/impair.ts'
import { F_WIRE, type Link } from '../link/link.ts'
import { DIRECTION_UNKNOWN, PcapngWriter, wireBytes } from '../link/pcap.ts'
import { Switch } from '../link/switch.ts'
import { turn } from '../platform/turn.ts'
import { FunctionTask } from '../sys/clock.ts'
import { Random } from '../sys/random.ts'
import { VirtualClock } from '../sys/virtual-clock.ts'
import { integer, noMore, parse } from './arguments.ts'
import { FileSink } from './capture-file.ts'
import { isTcp, payloadLength } from './demo-packets.ts'
import { Screen } from './demo-screen.ts'
import { Probe } from './probe.ts'
import { palette, wantsColour } from './terminal.ts'

const CLIENT = '192.0.2.1'
const SERVER = '192.0.2.2'
const PORT = 7777
/** Milliseconds each way: a continent. */
const DELAY_MS = 10
/** Full segments of an MTU of 1500 with time stamps in the server's answer. */
const SEGMENTS = 6
const SEGMENT = 1448
/** Which of the server's data segments is lost, counted from 1. */
const LOST = 3

/** Runs the command; the exit status. */
export async function demo(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { seed: { type: 'string' }, out: { type: 'string' } })
  noMore('demo', positionals)
  const seed = values.seed === undefined ? 1 : integer('--seed', values.seed, 0, 0xffffffff)
  const out = values.out ?? 'sockeye-demo.pcapng'
  const sink = new FileSink('--out', out)
  const screen = new Screen(palette(wantsColour(process.stdout, process.env)), (text) => process.stdout.write(text))
  const stage = new Stage(seed, screen, sink)
  await stage.play()
  sink.close()
  screen.close(out, stage.writer.packets, seed)
  return stage.succeeded ? 0 : 1
}

/** The two hosts, what joins them, and what watches. */
class Stage {
  readonly clock: VirtualClock = new VirtualClock(turn)
  readonly writer: PcapngWriter
  succeeded = false
  readonly #random: Random
  readonly #screen: Screen
  readonly #switch: Switch
  readonly #client: Host
  readonly #server: Host
  readonly #capture: number
  #segments = 0

  constructor(seed: number, screen: Screen, sink: FileSink) {
    this.#random = new Random(seed)
    this.#screen = screen
    this.writer = new PcapngWriter(sink, this.clock)
    this.#capture = this.writer.addInterface('ethernet', 'switch')
    this.#switch = new Switch(this.clock, { features: F_WIRE })
    this.#client = this.#host('client', CLIENT)
    this.#server = this.#host('server', SERVER, (packet) => this.#isToBeLost(packet))
    this.#watch(this.#client)
    this.#watch(this.#server)
  }

  async play(): Promise<void> {
    const { clock } = this
    this.#screen.open(this.#client, this.#server, `${DELAY_MS} ms each way`)
    const answer = new Uint8Array(SEGMENTS * SEGMENT)
    for (let i = 0; i < answer.length; i++) answer[i] = 97 + (i % 26)
    const server = this.#server.spawn(oneShotServer(PORT, answer), { name: 'server', output: this.#output('server') })
    await clock.runFor(1000)
    const client = this.#client.spawn(oneShotClient(SERVER, PORT, 'one answer, please'), {
      name: 'client',
      output: this.#output('client'),
    })
    const codes = await clock.runUntil(Promise.all([client.exited, server.exited]))
    for (const { name, failure } of [client, server])
      if (failure !== undefined) this.#screen.note(clock.now(), name, String(failure))
    // Until both ends have seen the close, and once in the middle of TIME_WAIT.
    await clock.runFor(1_000_000)
    this.#screen.sockets('while TIME_WAIT lasts', clock.now(), this.#tables())
    this.#screen.pause('the server waits in TIME-WAIT for 60 s, in case its last ACK was lost (RFC 9293 §3.6)')
    await clock.run(() => this.#connections() === 0)
    this.#screen.flush(clock.now())
    this.#screen.sockets('at the end', clock.now(), this.#tables())
    this.succeeded = codes.every((code) => code === 0) && this.#connections() === 0
  }

  #tables(): [string, string][] {
    return [this.#client, this.#server].map((host) => [host.name, ss(host, '-tanp')])
  }

  #connections(): number {
    return this.#client.sockets().length + this.#server.sockets().length
  }

  #host(name: string, address: string, dropIf?: (packet: Packet) => boolean): Host {
    const host = new Host({ name, clock: this.clock, random: this.#random.fork() })
    const faults = dropIf === undefined ? { delayMs: DELAY_MS } : { delayMs: DELAY_MS, dropIf }
    const wire = impair(this.#switch.port(), faults, this.clock, this.#random)
    host.addInterface('eth0', this.#shown(wire, host), { addresses: [`${address}/24`] })
    return host
  }

  /** `wire` with every packet that is sent into it shown and recorded. */
  #shown(wire: ImpairedLink, host: Host): Link {
    let lost = false
    wire.onDrop = () => {
      lost = true
    }
    return new Probe(
      wire,
      (packet, pass) => {
        const bytes = wireBytes(packet)
        lost = false
        const taken = pass(packet)
        const comment = lost ? 'lost on the wire, by intent' : undefined
        this.writer.writeBytes(this.#capture, bytes, DIRECTION_UNKNOWN, comment)
        this.#screen.packet(this.clock.now(), host, bytes, lost)
        return taken
      },
      undefined,
    )
  }

  #isToBeLost(packet: Packet): boolean {
    const bytes = wireBytes(packet)
    return isTcp(bytes) && payloadLength(bytes) > 0 && ++this.#segments === LOST
  }

  /** A change of state is shown with the packet that comes of it, or by itself if none does. */
  #watch(host: Host): void {
    const alone = new FunctionTask(() => {
      this.#screen.flush(this.clock.now())
      return false
    })
    host.trace.tcpState = () => {
      this.#screen.changed()
      this.clock.defer(alone)
    }
  }

  #output(name: string): (bytes: Uint8Array) => void {
    return (bytes) => this.#screen.note(this.clock.now(), name, new TextDecoder().decode(bytes).trimEnd())
  }
}
