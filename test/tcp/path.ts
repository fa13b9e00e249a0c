/** Bulk transfers over one impaired path in virtual time, for tests of congestion control: no program, only stacks. */
import { parse } from '../../src/addr/ip4.ts'
import { cable } from '../../src/link/cable.ts'
import { type ImpairOptions, impair } from '../../src/link/impair.ts'
import { F_WIRE } from '../../src/link/link.ts'
import { AF_INET, SockAddr } from '../../src/sock/address.ts'
import { Stack } from '../../src/stack/stack.ts'
import type { Micros } from '../../src/sys/clock.ts'
import type { Counters } from '../../src/sys/counters.ts'
import { Random } from '../../src/sys/random.ts'
import type { Sysctls } from '../../src/sys/sysctl.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import type { Tcb } from '../../src/tcp/tcb.ts'
import { Tcp } from '../../src/tcp/tcp.ts'

const CHUNK = 65536

/** One sender and its receiver, always busy. */
export class Flow {
  readonly sender: Tcb
  received = 0
  readonly #listener: Tcb
  #receiver: Tcb | null = null

  constructor(from: Tcp, to: Tcp, port: number, congestion: string) {
    this.#listener = to.createSocket()
    this.#listener.bind(new SockAddr(AF_INET, 0, port))
    this.#listener.listen(1)
    from.stack.sysctl.tcp_congestion_control = congestion
    this.sender = from.createSocket()
    this.sender.connect(new SockAddr(AF_INET, parse('192.0.2.2'), port))
  }

  /** Writes and reads what it can; false if there was nothing to do. */
  work(bytes: Uint8Array): boolean {
    let busy = this.sender.send(bytes, 0, CHUNK, 0, null) > 0
    if (this.#receiver === null) {
      const child = this.#listener.accept()
      if (typeof child !== 'number') this.#receiver = child as Tcb
    }
    const n = this.#receiver === null ? 0 : this.#receiver.receive(bytes, 0, CHUNK, 0, null)
    if (n > 0) {
      this.received += n
      busy = true
    }
    return busy
  }
}

/** A path with `forward` impairing the data and `delayMs` back. */
export class Path {
  readonly clock: VirtualClock = new VirtualClock()
  readonly flows: Flow[] = []
  readonly #from: Tcp
  readonly #to: Tcp
  readonly #bytes: Uint8Array = new Uint8Array(CHUNK)

  constructor(forward: ImpairOptions, delayMs: number, seed = 1) {
    const random = new Random(seed)
    const { clock } = this
    const [near, far] = cable(clock, { features: F_WIRE })
    const host = (name: string): Stack => new Stack({ name, clock, random: random.fork() })
    const [a, b] = [host('a'), host('b')]
    a.addInterface('eth0', impair(near, forward, clock, random.fork()), { addresses: ['192.0.2.1/24'] })
    b.addInterface('eth0', impair(far, { delayMs }, clock, random.fork()), { addresses: ['192.0.2.2/24'] })
    this.#from = new Tcp(a)
    this.#to = new Tcp(b)
  }

  /** Of the sender's host. */
  get sysctl(): Sysctls {
    return this.#from.stack.sysctl
  }
  get counters(): Counters {
    return this.#from.counters
  }

  start(congestion: string): Flow {
    const flow = new Flow(this.#from, this.#to, 5000 + this.flows.length, congestion)
    this.flows.push(flow)
    return flow
  }

  /** Runs for so long; `each` sees every step. */
  run(time: Micros, each?: () => void): void {
    const end = this.clock.now() + time
    while (this.clock.now() < end) {
      for (let busy = true; busy; ) {
        busy = false
        for (const flow of this.flows) if (flow.work(this.#bytes)) busy = true
        this.clock.settle()
      }
      each?.()
      if (!this.clock.stepSync()) return
    }
  }
}
