/**
 * A host with open sockets under fire: connections in many states are kept alive by a well-behaved peer, and between its frames
 * come mutated ones. Nothing may throw, nothing may grow without bound, and no frame may set off unbounded work.
 */
import { cable, F_WIRE, Host, Random, VirtualClock } from '../../src/index.ts'
import { parse } from '../../src/addr/ip4.ts'
import { sniff } from '../../src/link/sniffer.ts'
import type { Link } from '../../src/link/link.ts'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import type { Sock } from '../../src/sock/sock.ts'
import { bytesOf } from '../wire/vectors/vector.ts'
import { VECTORS as BUILT } from '../wire/vectors/built.ts'
import { VECTORS as KERNEL } from '../wire/vectors/kernel.ts'
import { mutate } from './mutate.ts'

/** Recent frames of live traffic that are mutated. */
const RECENT = 256
const MAX_SOCKETS = 24
/** What one frame may cause: frames sent by the target, before time goes on. A window's worth of segments and some. */
export const MAX_REPLIES = 600
/** Packets, table entries and timers that a host under fire may hold. */
export const MAX_HELD = 30_000

/** The link's receiving side, so that frames can be put in as if they came over the wire. */
class Injector implements Link {
  readonly medium = 'ethernet'
  readonly mtu: number
  readonly features: number
  readonly #link: Link
  receive: Parameters<Link['attach']>[0]

  constructor(link: Link) {
    this.#link = link
    this.mtu = link.mtu
    this.features = link.features
  }
  send(packet: Parameters<Link['send']>[0]): boolean {
    return this.#link.send(packet)
  }
  attach(receive: Parameters<Link['attach']>[0]): void {
    this.receive = receive
    this.#link.attach(receive)
  }
  close(): void {
    this.#link.close()
  }
}

/** What came of a run. */
export interface Toll {
  frames: number
  mostReplies: number
  mostHeld: number
  connections: number
}

export class Fuzzer {
  readonly random: Random
  readonly clock = new VirtualClock()
  readonly target: Host
  readonly peer: Host
  readonly toll: Toll = { frames: 0, mostReplies: 0, mostHeld: 0, connections: 0 }
  readonly #injector: Injector
  readonly #recent: Uint8Array[] = []
  readonly #vectors = [...BUILT, ...KERNEL].map(bytesOf)
  #listener: Sock
  #udp: Sock
  readonly #ours: Sock[] = []
  readonly #theirs: Sock[] = []
  readonly #scratch = new Uint8Array(20_000)
  #sent = 0

  constructor(seed: number) {
    this.random = new Random(seed)
    const [left, right] = cable(this.clock, { features: F_WIRE })
    this.target = new Host({ name: 'target', clock: this.clock, random: this.random.fork() })
    this.peer = new Host({ name: 'peer', clock: this.clock, random: this.random.fork() })
    const seen = sniff(left, (packet, outgoing) => {
      if (outgoing) {
        this.#sent++
        return
      }
      this.#recent[this.random.below(RECENT)] = packet.toBytes()
    })
    this.#injector = new Injector(seen)
    this.target.addInterface('eth0', this.#injector, { addresses: ['192.0.2.1/24'], mac: '02:00:00:00:00:01' })
    this.peer.addInterface('eth0', right, { addresses: ['192.0.2.2/24'], mac: '02:00:00:00:00:02' })
    this.#listener = this.target.tcp.createSocket()
    this.#listener.bind(new SockAddr(AF_INET, 0, 80))
    this.#listener.listen(64)
    this.#udp = this.target.udp.createSocket()
    this.#udp.bind(new SockAddr(AF_INET, 0, 53))
  }

  /** Puts `count` mutated frames in, with live traffic between them. */
  run(count: number): void {
    for (let i = 0; i < count; i++) {
      if (i % 16 === 0) this.#live()
      this.inject(mutate(this.#pick(), this.random))
      if (i % 64 === 63) this.clock.runUntilSync(this.clock.now() + this.random.below(200_000))
      if (i % 4096 === 4095) this.#checkHeld()
    }
  }

  inject(frame: Uint8Array): void {
    const packet = this.target.stack.pool.fromBytes(frame)
    this.#sent = 0
    this.#injector.receive?.(packet)
    this.clock.settle()
    this.toll.frames++
    this.toll.mostReplies = Math.max(this.toll.mostReplies, this.#sent)
    if (this.#sent > MAX_REPLIES) throw new Error(`one frame drew ${this.#sent} frames: ${Buffer.from(frame).toString('hex')}`)
  }

  #pick(): Uint8Array {
    const live = this.#recent[this.random.below(RECENT)]
    if (live !== undefined && this.random.chance(0.8)) return live
    return this.#vectors[this.random.below(this.#vectors.length)] as Uint8Array
  }

  /** One step of the well-behaved programs on both hosts. */
  #live(): void {
    const random = this.random
    if (this.#ours.length < MAX_SOCKETS && random.chance(0.3)) this.#open()
    const accepted = this.#listener.accept()
    if (typeof accepted !== 'number') this.#theirs.push(accepted)
    while (this.#theirs.length > 2 * MAX_SOCKETS) (this.#theirs.shift() as Sock).close()
    for (const list of [this.#ours, this.#theirs]) {
      if (list.length === 0) continue
      const at = random.below(list.length)
      const sock = list[at] as Sock
      const what = random.below(12)
      if (what < 6) sock.send(this.#scratch, 0, 1 + random.below(what === 0 ? 20_000 : 400), 0, null)
      else if (what < 10) sock.receive(this.#scratch, 0, 1 + random.below(20_000), 0, null)
      else if (what === 10) sock.shutdown(random.below(3))
      else {
        sock.close()
        list.splice(at, 1)
      }
    }
    this.#udp.receive(this.#scratch, 0, 2000, 0, null)
    this.clock.settle()
  }

  #open(): void {
    // Most connections come from the peer, some from the target, to a port that listens or to one that does not.
    const fromTarget = this.random.chance(0.2)
    const host = fromTarget ? this.target : this.peer
    const sock = host.tcp.createSocket()
    const to = parse(fromTarget ? '192.0.2.2' : '192.0.2.1') as number
    sock.connect(new SockAddr(AF_INET, to, this.random.chance(0.9) ? 80 : 81))
    this.#ours.push(sock)
    this.toll.connections++
  }

  /** Everything that could grow, in one number. */
  get held(): number {
    const { stack, tcp } = this.target
    return stack.pool.outstanding + tcp.segments.outstanding + tcp.table.size + tcp.sockets.size + this.clock.timerCount
  }

  #checkHeld(): void {
    this.toll.mostHeld = Math.max(this.toll.mostHeld, this.held)
    if (this.held > MAX_HELD) throw new Error(`the host holds ${this.held} packets, segments, connections and timers`)
  }

  /** Closes everything and waits until nothing is left; what is. */
  finish(): { packets: number; segments: number; connections: number; sockets: number } {
    for (const sock of [...this.#ours, ...this.#theirs, this.#listener, this.#udp]) sock.close()
    this.clock.runUntilSync(this.clock.now() + 3 * 3600 * 1_000_000)
    const { stack, tcp } = this.target
    return {
      packets: stack.pool.outstanding,
      segments: tcp.segments.outstanding,
      connections: tcp.table.size,
      sockets: tcp.sockets.size,
    }
  }
}
