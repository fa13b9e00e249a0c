/**
 * Where a script runs: what takes its packets and calls, gives the packets sent, and tells the time. There is ours, in virtual
 * time, and the kernel this runs on (test/packetdrill/kernel-host.ts). Times are microseconds since the script's start.
 */
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../ip/transport.ts'
import { ACK, SYN } from '../wire/tcp.ts'
import { Flow } from './flow.ts'
import type { Handle } from './handles.ts'
import type { Operation } from './operation.ts'
import type { SystemCall } from './script.ts'
import type { Snapshot } from './snapshot.ts'
import { type Captured, capture } from './wire-packet.ts'

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

export abstract class Host {
  readonly options: WorldOptions
  readonly local: number
  readonly remote: number
  /** Packets sent and not yet asked for. */
  readonly sent: Sent[] = []
  readonly flows: Flow[] = []
  /** The socket under test. */
  flow: Flow | null = null
  isListening = false
  /** tolerance_usecs. */
  tolerance = 4000
  #clientPort = FIRST_CLIENT_PORT

  constructor(options: WorldOptions, local: number, remote: number) {
    this.options = options
    this.local = local
    this.remote = remote
  }

  abstract get now(): number
  /** The script's time begins. */
  abstract start(): void
  /** Lets everything due until `at` happen. */
  abstract runTo(at: number): void
  /** Lets the next thing due until `limit` happen; false if there is none. */
  abstract step(limit: number): boolean
  /** Lets everything due now happen. */
  abstract settle(): void
  /** A packet of the peer arrives, as segments of `mss` bytes if that is not 0 (GRO). */
  abstract inject(bytes: Uint8Array, payload: number, mss: number): void
  abstract begin(call: SystemCall): Operation
  /** Exit status of shell text. */
  abstract shell(text: string): number
  /** What assertions in that line see of the socket under test. */
  abstract snapshot(line: number): Snapshot
  /** Script time of a software time stamp. */
  abstract stampTime(seconds: number, nanoseconds: number): number

  /** socket() was called: it is the socket under test now. */
  newActive(handle: Handle | null, isDatagram: boolean): Flow {
    this.flow = new Flow(false, -1, this.options.connectPort)
    this.flow.handle = handle
    this.flow.isDatagram = isDatagram
    this.flows.push(this.flow)
    this.isListening = false
    return this.flow
  }

  /** A packet arrives while a listener is under test: its child is from now on. */
  newPassive(): Flow {
    this.flow = new Flow(true, this.options.bindPort, this.#clientPort++)
    this.flows.push(this.flow)
    this.isListening = false
    return this.flow
  }

  protected onSend(bytes: Uint8Array, time: number): void {
    const packet = capture(bytes, time)
    if (packet === null || packet.source !== this.local || packet.destination !== this.remote) return
    this.sent.push({ packet, flow: this.#flowOf(packet) })
  }

  #flowOf(packet: Captured): Flow | null {
    if (packet.protocol === IPPROTO_ICMP) return this.flow
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
