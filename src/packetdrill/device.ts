/** The script's tun0: packets of IP, checksum and segmentation offload, and a queue that can be told to drop all. */
import { CSUM_VERIFIED, type Packet } from '../buf/packet.ts'
import type { PacketPool } from '../buf/pool.ts'
import { F_CSUM, F_SG, F_TSO, type Link, type Medium } from '../link/link.ts'
import type { Micros } from '../sys/clock.ts'

export class Device implements Link {
  readonly medium: Medium = 'ip'
  readonly mtu: number
  /** What `ip link set dev tun0 mtu N` made of it. */
  currentMtu: number
  readonly features: number = F_SG | F_CSUM | F_TSO
  /** `tc qdisc … pfifo limit 0`: nothing gets out and the sender is told. */
  isCongested = false
  /** Sees what the stack sends. */
  onSend: (bytes: Uint8Array) => void = () => {}
  readonly #pool: PacketPool
  #receive: ((packet: Packet) => void) | undefined

  constructor(pool: PacketPool, mtu: number) {
    this.#pool = pool
    this.mtu = this.currentMtu = mtu
  }

  /** The fq queueing discipline: `go` at the packet's time. */
  holdUntil: ((time: Micros, go: () => void) => void) | null = null

  send(packet: Packet): boolean {
    if (this.isCongested) {
      packet.release()
      return false
    }
    const bytes = packet.toBytes()
    const { time } = packet
    packet.release()
    if (this.holdUntil === null) this.onSend(bytes)
    else this.holdUntil(time, () => this.onSend(bytes))
    return true
  }

  /**
   * Hands `bytes` to the stack as one packet, with segments of `mss` bytes if that is not 0 (GRO); a packet longer than
   * the MTU is one giant segment.
   */
  inject(bytes: Uint8Array, payload: number, mss: number): void {
    const packet = this.#pool.fromBytes(bytes)
    packet.csum = CSUM_VERIFIED
    if (mss > 0 && payload > mss) {
      packet.gsoSize = mss
      packet.gsoSegments = Math.ceil(payload / mss)
    } else if (bytes.length > this.currentMtu) {
      packet.gsoSize = payload
      packet.gsoSegments = 1
    }
    if (this.#receive === undefined) packet.release()
    else this.#receive(packet)
  }

  attach(receive: ((packet: Packet) => void) | undefined): void {
    this.#receive = receive
  }

  close(): void {
    this.#receive = undefined
  }
}
