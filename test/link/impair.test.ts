import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CSUM_NONE, type Packet } from '../../src/buf/packet.ts'
import { PacketPool } from '../../src/buf/pool.ts'
import { cable } from '../../src/link/cable.ts'
import { type ImpairedLink, type ImpairOptions, impair } from '../../src/link/impair.ts'
import { parseImpairSpec } from '../../src/link/impair-spec.ts'
import type { Link } from '../../src/link/link.ts'
import { Random } from '../../src/sys/random.ts'
import { VirtualClock } from '../../src/sys/virtual-clock.ts'
import * as udp from '../../src/wire/udp.ts'
import { checksumsAreRight, tcpFrame, udpFrame } from './frames.ts'

/** An impaired cable, and what came out of it: the number each packet carries, and when. */
class Bench {
  readonly clock = new VirtualClock()
  readonly pool = new PacketPool()
  readonly link: ImpairedLink
  readonly far: Link
  readonly numbers: number[] = []
  readonly times: number[] = []
  #next = 0

  constructor(options: ImpairOptions, seed = 1) {
    const [a, b] = cable(this.clock)
    this.link = impair(a, options, this.clock, new Random(seed))
    this.far = b
    b.attach((p) => {
      this.numbers.push(udp.srcPort(p.bytes, p.l4))
      this.times.push(this.clock.now())
      p.release()
    })
  }

  /** Sends `count` numbered datagrams of `length` bytes on the wire, one every `every` microseconds. */
  send(count: number, every = 0, length = 142): void {
    for (let i = 0; i < count; i++) {
      this.link.send(udpFrame(this.pool, { srcPort: this.#next++ & 0xffff, payload: length - 42 }))
      if (every > 0) this.clock.runUntilSync(this.clock.now() + every)
    }
  }

  finish(): void {
    this.clock.runUntilSync(this.clock.now() + 100e6)
    assert.equal(this.pool.outstanding, 0)
  }
}

const isSorted = (n: readonly number[]): boolean => n.every((x, i) => i === 0 || x >= (n[i - 1] as number))
const mean = (n: readonly number[]): number => n.reduce((a, b) => a + b, 0) / n.length
function deviation(n: readonly number[]): number {
  const middle = mean(n)
  return Math.sqrt(mean(n.map((x) => (x - middle) ** 2)))
}
const N = 20000

describe('impairment: delay', () => {
  test('constant delay: every packet is exactly so late, in order', () => {
    const bench = new Bench({ delayMs: 20 })
    bench.send(100, 1000)
    bench.finish()
    assert.deepEqual(
      bench.times,
      Array.from({ length: 100 }, (_, i) => 20000 + i * 1000),
    )
    assert.ok(isSorted(bench.numbers))
  })

  test('delay: does not change throughput, whatever is on its way', () => {
    const durations = [0, 1, 1000].map((delayMs) => {
      const bench = new Bench({ delayMs, rate: 100e6, queuePackets: 5000 })
      bench.send(5000, 0, 1250)
      bench.finish()
      assert.equal(bench.numbers.length, 5000)
      return (bench.times[4999] as number) - (bench.times[0] as number)
    })
    // 1250 bytes at 100 Mbit/s are 100 us each.
    assert.deepEqual(durations, [499900, 499900, 499900])
  })

  for (const [distribution, spread] of [
    ['uniform', 5 / Math.sqrt(3)],
    ['normal', 5],
    ['pareto', 5],
  ] as const) {
    test(`${distribution} distribution, unordered: the stated mean and deviation`, () => {
      const bench = new Bench({ delayMs: 50, jitterMs: 5, distribution, unordered: true }, 3)
      const delays: number[] = []
      const sentAt: number[] = []
      for (let i = 0; i < N; i++) {
        sentAt.push(bench.clock.now())
        bench.send(1, 200)
      }
      bench.finish()
      for (const [i, n] of bench.numbers.entries())
        delays.push(((bench.times[i] as number) - (sentAt[n] as number)) / 1000)
      assert.equal(delays.length, N)
      assert.ok(Math.abs(mean(delays) - 50) < 0.2, `mean ${mean(delays)}`)
      // The Pareto of shape 3 has no fourth moment: its sampled deviation is a wide estimate.
      const tolerance = distribution === 'pareto' ? 1.5 : 0.15
      assert.ok(Math.abs(deviation(delays) - spread) < tolerance, `deviation ${deviation(delays)}`)
      assert.equal(isSorted(bench.numbers), false)
    })
  }

  test('jitter that keeps the order: packets wait for those before them', () => {
    const bench = new Bench({ delayMs: 20, jitterMs: 10 })
    bench.send(5000, 100)
    bench.finish()
    assert.equal(bench.numbers.length, 5000)
    assert.ok(isSorted(bench.numbers))
  })

  test('reorder 25 % with gap 5: only every fifth may go at once, a quarter of the chances do (tc-netem(8))', () => {
    const bench = new Bench({ delayMs: 10, reorder: 0.25, reorderGap: 5 })
    bench.send(N, 100)
    bench.finish()
    const { reordered } = bench.link.stats.egress
    assert.equal(bench.numbers.length, N)
    // After 4 delayed packets every one has its chance: a run of 4 + geometric(1/4), of mean 8.
    assert.ok(Math.abs(reordered / N - 1 / 8) < 0.01, `${reordered}`)
    let overtaken = 0
    for (let i = 1; i < N; i++) if ((bench.numbers[i] as number) < (bench.numbers[i - 1] as number)) overtaken++
    assert.ok(overtaken > reordered / 2)
  })
})

describe('impairment: loss', () => {
  test('random loss of 2 %: as many are lost, each counted and shown with its reason', () => {
    const bench = new Bench({ loss: 0.02 })
    const reasons: string[] = []
    bench.link.onDrop = (_packet, reason, outgoing) => reasons.push(`${reason} ${outgoing}`)
    bench.send(N, 1)
    bench.finish()
    const lost = N - bench.numbers.length
    assert.ok(Math.abs(lost / N - 0.02) < 0.003, `${lost}`)
    assert.equal(bench.link.stats.egress.loss, lost)
    assert.equal(bench.link.stats.egress.dropped, lost)
    assert.deepEqual(reasons, new Array(lost).fill('impair.loss true'))
  })

  test('Gilbert-Elliott: loss rate enter/(enter+leave), bursts of 1/leave', () => {
    const bench = new Bench({ burst: { enter: 0.01, leave: 0.25 } })
    bench.send(N, 1)
    bench.finish()
    const lost = N - bench.numbers.length
    assert.ok(Math.abs(lost / N - 0.01 / 0.26) < 0.008, `${lost}`)
    let bursts = 0
    for (let i = 1; i < bench.numbers.length; i++)
      if ((bench.numbers[i] as number) - (bench.numbers[i - 1] as number) > 1) bursts++
    assert.ok(Math.abs(lost / bursts - 4) < 0.8, `mean burst ${lost / bursts}`)
    assert.equal(bench.link.stats.egress.burst, lost)
  })

  test('drop by number: those and no others; set again, counting starts again', () => {
    const bench = new Bench({ dropNth: [3, 5] })
    bench.send(6)
    bench.finish()
    assert.deepEqual(bench.numbers, [0, 1, 3, 5])
    bench.link.set({ dropNth: [1] })
    bench.send(2)
    bench.finish()
    assert.deepEqual(bench.numbers, [0, 1, 3, 5, 7])
    assert.equal(bench.link.stats.egress.nth, 3)
  })

  test('drop by predicate: it sees the packet at its link-layer header', () => {
    const bench = new Bench({ dropIf: (p) => udp.srcPort(p.bytes, p.start + 34) % 2 === 1 })
    bench.send(6)
    bench.finish()
    assert.deepEqual(bench.numbers, [0, 2, 4])
    assert.equal(bench.link.stats.egress.predicate, 3)
  })

  test('a packet that stands for several: loss acts on wire packets', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const [a, b] = cable(clock)
    const link = impair(a, { dropNth: [3] }, clock, new Random(1))
    const sizes: number[] = []
    b.attach((p) => {
      sizes.push(p.length)
      p.release()
    })
    link.send(tcpFrame(pool, { payload: 5000, gsoSize: 1448, slices: 2 }))
    clock.runUntilSync(1)
    assert.deepEqual(sizes, [1514, 1514, 66 + 656])
    link.set({ dropNth: [3], perSegment: false })
    link.send(tcpFrame(pool, { payload: 5000, gsoSize: 1448, slices: 2 }))
    link.set({ delayMs: 1 })
    link.send(tcpFrame(pool, { payload: 5000, gsoSize: 1448, slices: 2 }))
    clock.runUntilSync(1e6)
    assert.deepEqual(sizes.slice(3), [5066, 5066])
    assert.equal(pool.outstanding, 0)
  })
})

describe('impairment: duplication and corruption', () => {
  test('duplicate 10 %: so many come twice, one right after the other', () => {
    const bench = new Bench({ duplicate: 0.1 })
    bench.send(N, 1)
    bench.finish()
    const copies = bench.numbers.length - N
    assert.ok(Math.abs(copies / N - 0.1) < 0.01, `${copies}`)
    assert.equal(bench.link.stats.egress.duplicated, copies)
    assert.ok(isSorted(bench.numbers))
  })

  test('corrupt: one bit differs, the sender keeps its bytes, a receiver that verifies sees it', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const [a, b] = cable(clock)
    const link = impair(a, { corrupt: 1 }, clock, new Random(9))
    const got: Packet[] = []
    b.attach((p) => got.push(p))
    for (let i = 0; i < 500; i++) {
      const sent = tcpFrame(pool, { payload: 300, slices: 3, seq: i, partial: true })
      const kept = sent.clone()
      const bytes = kept.toBytes()
      link.send(sent)
      clock.runUntilSync(clock.now() + 1)
      const [p] = got.splice(0)
      assert.ok(p !== undefined && p.csum === CSUM_NONE)
      assert.deepEqual(kept.toBytes(), bytes)
      const arrived = p.toBytes()
      let flipped = 0
      for (const [k, byte] of arrived.entries()) {
        // The sum was filled in on the way.
        if (k === 50 || k === 51) continue
        for (let x = byte ^ (bytes[k] as number); x > 0; x &= x - 1) flipped++
      }
      assert.ok(flipped <= 1)
      const inHeader = arrived.subarray(0, 14).some((byte, k) => byte !== bytes[k])
      // The version, the length of the header and of the packet say where to sum: leave those to the IP layer's checks.
      const inLayout = [14, 16, 17, 23].some((k) => arrived[k] !== bytes[k])
      if (!inHeader && !inLayout) assert.equal(checksumsAreRight(arrived), false)
      p.release()
      kept.release()
    }
    assert.equal(link.stats.egress.corrupted, 500)
    assert.equal(pool.outstanding, 0)
  })
})

describe('impairment: rate, queue, MTU, partition', () => {
  test('rate: packets leave one serialisation time apart, the first after one; propagation is added', () => {
    const bench = new Bench({ rate: 1e6, delayMs: 7 })
    bench.send(3, 0, 125)
    bench.finish()
    assert.deepEqual(bench.times, [8000, 9000, 10000])
  })

  test('rate whose packets take fractions of a microsecond: right to the microsecond over many', () => {
    const bench = new Bench({ rate: 3e9, queuePackets: 30000 })
    bench.send(30000, 0, 142)
    bench.finish()
    assert.ok(Math.abs((bench.times.at(-1) as number) - (30000 * 142 * 8) / 3000) <= 1)
  })

  test('queue of 10 packets: one on the wire, ten wait, the rest is dropped at the tail', () => {
    const bench = new Bench({ rate: 1e6, queuePackets: 10 })
    bench.send(50)
    assert.equal(bench.link.egress.queued, 11)
    bench.finish()
    assert.deepEqual(bench.numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert.equal(bench.link.stats.egress.queue, 39)
  })

  test('queue of so many bytes: dropped when the packet does not fit', () => {
    const bench = new Bench({ rate: 1e6, queueBytes: 1000 })
    bench.send(50, 0, 300)
    bench.finish()
    assert.equal(bench.numbers.length, 1 + 3)
  })

  test('MTU: longer IP packets vanish, others pass', () => {
    const bench = new Bench({ mtu: 576 })
    bench.send(1, 0, 576 + 14)
    bench.send(1, 0, 576 + 15)
    bench.finish()
    assert.deepEqual(bench.numbers, [0])
    assert.equal(bench.link.stats.egress.mtu, 1)
  })

  test('partition: what is on its way and what comes is lost; up again, the link is what it was', () => {
    const bench = new Bench({ delayMs: 10, rate: 1e6 })
    bench.send(20, 500)
    bench.link.set({ delayMs: 10, rate: 1e6, down: true })
    bench.send(5, 1000)
    assert.equal(bench.link.egress.inFlight + bench.link.egress.queued, 0)
    assert.equal(bench.pool.outstanding, 0)
    bench.link.set({})
    const before = bench.numbers.length
    bench.send(5)
    bench.clock.settle()
    assert.deepEqual(bench.numbers.slice(before), [25, 26, 27, 28, 29])
    bench.finish()
    assert.equal(bench.link.stats.egress.down, 25 - before)
  })

  test('faults removed with packets on their way: order is kept, then the link adds nothing', () => {
    const bench = new Bench({ delayMs: 10, rate: 1e6 })
    bench.send(10)
    bench.link.set({})
    bench.send(10)
    bench.finish()
    assert.deepEqual(
      bench.numbers,
      Array.from({ length: 20 }, (_, i) => i),
    )
    const now = bench.clock.now()
    bench.send(1)
    bench.clock.settle()
    assert.equal(bench.times.at(-1), now)
  })

  test('more packets on their way than the wire may hold: the rest is dropped and counted', () => {
    const bench = new Bench({ delayMs: 10, inFlightPackets: 100 })
    bench.send(110)
    bench.finish()
    assert.equal(bench.numbers.length, 100)
    assert.equal(bench.link.stats.egress.overflow, 10)
  })

  test('ingress: what arrives is delayed, what is sent is not', () => {
    const clock = new VirtualClock()
    const pool = new PacketPool()
    const [a, b] = cable(clock)
    const link = impair(a, { ingress: { delayMs: 5 } }, clock, new Random(1))
    const times: string[] = []
    link.attach((p) => {
      times.push(`in ${clock.now()}`)
      p.release()
    })
    b.attach((p) => {
      times.push(`out ${clock.now()}`)
      p.release()
    })
    link.send(udpFrame(pool))
    b.send(udpFrame(pool))
    clock.runUntilSync(10000)
    assert.deepEqual(times, ['out 0', 'in 5000'])
  })

  test('closed: timers and packets are gone', () => {
    const bench = new Bench({ delayMs: 10, rate: 1e6 })
    bench.send(20, 500)
    bench.link.close()
    assert.equal(bench.pool.outstanding, 0)
    assert.equal(bench.clock.timerCount, 0)
    bench.finish()
  })

  test('same seed: the same packets at the same times; another seed: others', () => {
    const run = (seed: number) => {
      const options = { delayMs: 5, jitterMs: 3, unordered: true, loss: 0.1, duplicate: 0.1, reorder: 0.1, rate: 1e7 }
      const bench = new Bench(options, seed)
      bench.send(1000, 77)
      bench.finish()
      return bench.numbers.map((n, i) => `${n}@${bench.times[i]}`).join()
    }
    assert.equal(run(1), run(1))
    assert.notEqual(run(1), run(2))
  })
})

describe('impairment in words', () => {
  test('the words of the command line: options and seed', () => {
    const spec = 'delay=20ms,jitter=5ms,loss=2%,duplicate=1%,reorder=1%,corrupt=0.1%,rate=100mbit,queue=100,seed=7'
    assert.deepEqual(parseImpairSpec(spec), {
      options: {
        delayMs: 20,
        jitterMs: 5,
        loss: 0.02,
        duplicate: 0.01,
        reorder: 0.01,
        corrupt: 0.001,
        rate: 100e6,
        queuePackets: 100,
      },
      seed: 7,
    })
    assert.deepEqual(
      parseImpairSpec(
        'delay=500us, distribution=normal,unordered,burst=1%:25%,drop=3:5,queue=64kb,mtu=576,direction=both',
      ),
      {
        options: Object.fromEntries(
          ['egress', 'ingress'].map((way) => [
            way,
            {
              delayMs: 0.5,
              distribution: 'normal',
              unordered: true,
              burst: { enter: 0.01, leave: 0.25, lossBad: 1, lossGood: 0 },
              dropNth: [3, 5],
              queueBytes: 65536,
              mtu: 576,
            },
          ]),
        ),
        seed: undefined,
      },
    )
    assert.deepEqual(parseImpairSpec(''), { options: {}, seed: undefined })
    assert.deepEqual(parseImpairSpec('down,direction=in').options, { ingress: { down: true } })
  })

  for (const [spec, word] of [
    ['delay=20ms,loss=200%', 'loss=200%'],
    ['delai=20ms', 'delai=20ms'],
    ['delay=20lightyears', 'delay=20lightyears'],
    ['rate=fast', 'rate=fast'],
    ['queue=-1', 'queue=-1'],
    ['distribution=poisson', 'distribution=poisson'],
    ['down=1', 'down=1'],
    ['burst=1%', 'burst=1%'],
    ['delay', 'delay'],
    ['rate=1constructor', 'rate=1constructor'],
    ['reorder=1%', 'reorder'],
    ['delay=99999s', 'delayMs'],
  ] as const)
    test(`'${spec}': RangeError that names the word`, () => {
      assert.throws(
        () => parseImpairSpec(spec),
        (error: Error) => error instanceof RangeError && error.message.includes(word),
      )
    })

  test('options beside egress: TypeError; probabilities outside 0..1: RangeError that names the option', () => {
    assert.throws(() => new Bench({ loss: 0.1, egress: {} }), TypeError)
    assert.throws(() => new Bench({ corrupt: 1.1 }), /corrupt 1.1/)
    assert.throws(() => new Bench({ delayMs: Number.NaN }), /delayMs NaN/)
  })
})
