/** `ping` (ping(8)): echo requests at an interval, and what came of them. */

import * as ip4 from '../addr/ip4.ts'
import type { Packet } from '../buf/packet.ts'
import type { Host } from '../host/host.ts'
import type { EchoListener } from '../ip/icmp.ts'
import { type Micros, Timer } from '../sys/clock.ts'
import { errnoName } from '../sys/errno.ts'
import { get16 } from '../wire/bytes.ts'

/** Bytes of an ICMP echo header; identifier and sequence number are its last four. */
const HEADER = 8
const IDENTIFIER = 4
const SEQUENCE = 6
/** Sequence numbers are 16 bits, and each has a slot while it is awaited. */
const SEQUENCES = 65536

export interface PingOptions {
  /** Requests; 4 unless told otherwise, at most 65536. */
  readonly count?: number
  /** Milliseconds between them; 1000 unless told otherwise. */
  readonly intervalMs?: number
  /** Bytes of data in each; 56 unless told otherwise. */
  readonly size?: number
  /** Milliseconds to wait after the last one; 1000 unless told otherwise. */
  readonly waitMs?: number
  readonly ttl?: number
}

/** What came of it; times in microseconds, NaN without a reply. */
export interface PingResult {
  readonly sent: number
  readonly received: number
  /** Replies that came again, and replies whose data is not what was sent. */
  readonly duplicates: number
  readonly corrupt: number
  /** ICMP errors about our requests, and sends that failed, by name. */
  readonly errors: readonly string[]
  readonly min: number
  readonly mean: number
  readonly max: number
}

/** Pings `address` from `host`. Resolves when every reply is there or the wait after the last request is over. */
export function ping(host: Host, address: string, options: PingOptions = {}): Promise<PingResult> {
  const to = ip4.parse(address)
  if (to === undefined) throw new RangeError(`address: not an IPv4 address: ${JSON.stringify(address)}`)
  const { count = 4, size = 56 } = options
  if (!(Number.isInteger(count) && count >= 1 && count <= SEQUENCES))
    throw new RangeError(`count: not in 1..${SEQUENCES}: ${count}`)
  if (!(Number.isInteger(size) && size >= 0 && size <= 65507)) throw new RangeError(`size: not in 0..65507: ${size}`)
  return new Promise((resolve) => {
    new Pinger(
      host,
      to,
      { count, size, intervalMs: 1000, waitMs: 1000, ttl: host.sysctl.ip_default_ttl, ...options },
      resolve,
    ).begin()
  })
}

class Pinger extends Timer implements EchoListener {
  readonly #host: Host
  readonly #to: number
  readonly #options: Required<PingOptions>
  readonly #resolve: (result: PingResult) => void
  readonly #id: number
  readonly #payload: Uint8Array
  readonly #received: Uint8Array
  /** When each request went; 0 once its reply is there. */
  readonly #sentAt: Float64Array
  readonly #isAnswered: Uint8Array
  readonly #errors: string[] = []
  #sent = 0
  #answers = 0
  #duplicates = 0
  #corrupt = 0
  #min = Infinity
  #max = -Infinity
  #sum = 0

  constructor(host: Host, to: number, options: Required<PingOptions>, resolve: (result: PingResult) => void) {
    super()
    this.#host = host
    this.#to = to
    this.#options = options
    this.#resolve = resolve
    this.#id = host.stack.random.below(65536)
    this.#payload = new Uint8Array(options.size)
    this.#received = new Uint8Array(options.size)
    for (let i = 0; i < options.size; i++) this.#payload[i] = i
    this.#sentAt = new Float64Array(options.count)
    this.#isAnswered = new Uint8Array(options.count)
  }

  begin(): void {
    this.#host.ipv4.icmp.listeners.push(this)
    this.#host.clock.start(this, this.#host.clock.now())
  }

  override fire(now: Micros): void {
    const { count, intervalMs, waitMs, ttl } = this.#options
    if (this.#sent === count) {
      this.#end()
      return
    }
    this.#sentAt[this.#sent] = now
    const result = this.#host.ipv4.icmp.sendEcho(this.#to, this.#id, this.#sent, this.#payload, ttl)
    if (result < 0) this.#errors.push(errnoName(result))
    this.#sent++
    this.#host.clock.start(this, now + (this.#sent === count ? waitMs : intervalMs) * 1000)
  }

  reply(packet: Packet): void {
    const { count, size } = this.#options
    if (packet.saddr !== this.#to || !packet.pullUp(HEADER) || get16(packet.bytes, packet.l4 + IDENTIFIER) !== this.#id)
      return
    const sequence = get16(packet.bytes, packet.l4 + SEQUENCE)
    if (sequence >= count || sequence >= this.#sent) return
    if (packet.length !== HEADER + size || !this.#isSame(packet)) this.#corrupt++
    else if (this.#isAnswered[sequence] === 1) this.#duplicates++
    else {
      this.#isAnswered[sequence] = 1
      this.#note(this.#host.clock.now() - (this.#sentAt[sequence] as number))
    }
  }

  error(quoted: Packet, _type: number, _code: number, errno: number): void {
    if (quoted.daddr === this.#to && get16(quoted.bytes, quoted.l4 + IDENTIFIER) === this.#id)
      this.#errors.push(errnoName(errno))
  }

  #isSame(packet: Packet): boolean {
    const got = this.#received
    packet.copyTo(got, 0, HEADER, got.length)
    for (let i = 0; i < got.length; i++) if (got[i] !== this.#payload[i]) return false
    return true
  }

  #note(micros: Micros): void {
    this.#answers++
    this.#sum += micros
    this.#min = Math.min(this.#min, micros)
    this.#max = Math.max(this.#max, micros)
    if (this.#answers === this.#options.count) this.#host.clock.start(this, this.#host.clock.now())
  }

  #end(): void {
    const { listeners } = this.#host.ipv4.icmp
    const at = listeners.indexOf(this)
    if (at >= 0) listeners.splice(at, 1)
    const none = this.#answers === 0
    this.#host.clock.noteWakeup()
    this.#resolve({
      sent: this.#sent,
      received: this.#answers,
      duplicates: this.#duplicates,
      corrupt: this.#corrupt,
      errors: this.#errors,
      min: none ? Number.NaN : this.#min,
      mean: none ? Number.NaN : this.#sum / this.#answers,
      max: none ? Number.NaN : this.#max,
    })
  }
}
