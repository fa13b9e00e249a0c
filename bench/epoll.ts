/**
 * What an event costs by the number of idle connections beside it: epoll against poll (C10K). One host, TCP over its
 * loopback in virtual time, so that only our own work is measured; sizes take turns, medians are compared.
 *
 *   node --import tsx bench/epoll.ts [--quick]     exit code 1 if epoll with 10,000 idle ones costs more than 1.2 × as much
 *
 * The active connections were made one after the other, as those of the bed without idle ones. "spread" has them scattered
 * among the 10,000: the same work on memory that caches and TLB no longer hold at once.
 */
import { Host } from '../src/host/host.ts'
import type { PollFd } from '../src/host/poll.ts'
import type { Process } from '../src/host/process.ts'
import * as c from '../src/socket/constants.ts'
import type { EpollEvent } from '../src/socket/epoll.ts'
import { Random } from '../src/sys/random.ts'
import { VirtualClock } from '../src/sys/virtual-clock.ts'
import { median } from './harness.ts'

const ACTIVE = 100
const BEDS: readonly (readonly [label: string, idle: number, spread: boolean])[] = [
  ['0', 0, false],
  ['100', 100, false],
  ['1000', 1_000, false],
  ['10000', 10_000, false],
  ['spread', 10_000, true],
]
const BAR = 1.2
const isQuick = process.argv.includes('--quick')
const ROUNDS = isQuick ? 200 : 1000
const WARMUP = isQuick ? 40 : 200
const BATCH = 20

/** A host with `idle + ACTIVE` connections to itself; the active ones are the first, or `spread` among the others. */
class Bed {
  readonly label: string
  readonly clock: VirtualClock = new VirtualClock()
  readonly p: Process
  readonly ep: number
  readonly fds: PollFd[] = []
  readonly talkers: number[] = []
  readonly events: EpollEvent[] = []
  readonly #byte: Uint8Array = new Uint8Array(1)

  constructor(label: string, idle: number, spread: boolean) {
    this.label = label
    const host = new Host({ name: 'h', clock: this.clock, random: new Random(1) })
    const p = host.createProcess()
    this.p = p
    p.fileLimit = 2 * (idle + ACTIVE) + 100
    host.setSysctl('net.ipv4.ip_local_port_range', [1024, 65535])
    this.ep = p.epoll_create1()
    const listener = p.socket(c.AF_INET, c.SOCK_STREAM)
    p.bind(listener, { address: '127.0.0.1', port: 80 })
    p.listen(listener, 128)
    const every = spread ? Math.floor((idle + ACTIVE) / ACTIVE) : 1
    for (let i = 0; i < idle + ACTIVE; i++) {
      const client = p.socket(c.AF_INET, c.SOCK_STREAM | c.SOCK_NONBLOCK)
      try {
        p.connect(client, { address: '127.0.0.1', port: 80 })
      } catch {
        // EINPROGRESS
      }
      this.clock.settle()
      const fd = p.sys.accept(listener, c.SOCK_NONBLOCK, null)
      if (fd < 0) throw new Error(`accept: ${fd}`)
      p.epoll_ctl(this.ep, c.EPOLL_CTL_ADD, fd, { events: c.EPOLLIN, data: fd })
      this.fds.push({ fd, events: c.POLLIN, revents: 0 })
      if (i % every === 0 && this.talkers.length < ACTIVE) this.talkers.push(client)
    }
    // Acknowledgements that are still to come.
    this.clock.runUntilSync(this.clock.now() + 1e6)
  }

  /** Every active one sends a byte. */
  #arrive(): void {
    for (const fd of this.talkers) this.p.sys.write(fd, this.#byte, 0, 1)
    this.clock.settle()
  }

  /** Microseconds an event costs: finding it, and all there is to it from the send on. */
  epoll(): [finding: number, whole: number] {
    const { p, events } = this
    const begin = performance.now()
    this.#arrive()
    const before = performance.now()
    const n = p.epoll_wait(this.ep, events, 2 * ACTIVE, 0) as number
    const after = performance.now()
    for (let i = 0; i < n; i++) p.sys.read((events[i] as EpollEvent).data as number, this.#byte, 0, 1)
    // Empty now, as the next epoll_wait of a server finds out.
    if (p.epoll_wait(this.ep, events, 2 * ACTIVE, 0) !== 0 || n !== ACTIVE) throw new Error(`${n} events`)
    const end = performance.now()
    this.clock.runUntilSync(this.clock.now() + 1e5)
    return [((after - before) * 1000) / n, ((end - begin) * 1000) / n]
  }

  poll(): [finding: number, whole: number] {
    const { p, fds } = this
    const begin = performance.now()
    this.#arrive()
    const before = performance.now()
    const n = p.poll(fds, 0) as number
    const after = performance.now()
    for (const entry of fds) if (entry.revents !== 0) p.sys.read(entry.fd, this.#byte, 0, 1)
    const end = performance.now()
    if (n !== ACTIVE) throw new Error(`${n} events`)
    this.clock.runUntilSync(this.clock.now() + 1e5)
    return [((after - before) * 1000) / n, ((end - begin) * 1000) / n]
  }
}

const beds = BEDS.map((bed) => new Bed(...bed))
const results = new Map<string, { finding: number[]; whole: number[] }>()
// Turns of BATCH rounds: a server stays with its own connections, and their memory stays in the cache.
function measure(call: 'epoll' | 'poll', rounds: number): void {
  for (let round = -WARMUP; round < rounds; round += BATCH) {
    for (const bed of beds) {
      const key = `${call} ${bed.label}`
      const found = results.get(key) ?? { finding: [], whole: [] }
      results.set(key, found)
      for (let i = 0; i < BATCH; i++) {
        const [finding, whole] = bed[call]()
        if (round < 0) continue
        found.finding.push(finding)
        found.whole.push(whole)
      }
    }
  }
}
measure('epoll', ROUNDS)
measure('poll', ROUNDS / 4)

const of = (call: string, label: string): [number, number] => {
  const { finding, whole } = results.get(`${call} ${label}`) as { finding: number[]; whole: number[] }
  return [median(finding), median(whole)]
}
console.log(`${ACTIVE} active connections; microseconds an event (median of ${ROUNDS} rounds), and against 0 idle ones`)
console.log('call     idle   the call         with send, stack and read')
let worst = 0
for (const call of ['epoll', 'poll']) {
  const [base, baseWhole] = of(call, '0')
  for (const [label] of BEDS) {
    const [finding, whole] = of(call, label)
    const cell = (us: number, by: number): string => `${us.toFixed(3).padStart(8)} ${(us / by).toFixed(2).padStart(6)}`
    console.log(`${call.padEnd(6)}${label.padStart(7)}${cell(finding, base)}  ${cell(whole, baseWhole)}`)
    if (call === 'epoll' && label === '10000') worst = Math.max(finding / base, whole / baseWhole)
  }
}
if (worst > BAR) {
  console.log(`epoll's cost grows ${worst.toFixed(2)} ×, more than ${BAR} ×`)
  process.exitCode = 1
}
