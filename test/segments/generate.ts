/** Random sequences: mostly what a real peer and program do, so that they get far, and at each step something odd. */
import { Random } from '../../src/sys/random.ts'
import { MIXES, type Mix } from './mixes.ts'
import type { CallStep, Place, SegmentStep, Sequence, Step } from './sequence.ts'

/** All timers of retransmission are longer than what a sequence may wait in all. */
const MOST_WAIT_MS = 140
const SOL_SOCKET = 1
const IPPROTO_TCP = 6
const MSG_OOB = 1
const MSG_PEEK = 2
const MSG_TRUNC = 0x20

/** Options a program sets on the way: level, name, values. */
const OPTIONS: readonly (readonly [number, number, readonly number[]])[] = [
  [IPPROTO_TCP, 1, [0, 1]],
  [IPPROTO_TCP, 3, [0, 1]],
  [IPPROTO_TCP, 12, [0, 1]],
  [IPPROTO_TCP, 10, [0, 1000, 5000, 100000]],
  [SOL_SOCKET, 8, [2000, 10000, 100000]],
  [SOL_SOCKET, 10, [0, 1]],
  [SOL_SOCKET, 18, [1, 1000, 5000]],
]
/** Options before the connection. */
const EARLY: readonly (readonly [number, number, readonly number[]])[] = [
  ...OPTIONS.filter(([level, name]) => level !== SOL_SOCKET || name !== 18),
  [IPPROTO_TCP, 2, [88, 500, 1000, 1400]],
  [IPPROTO_TCP, 9, [1]],
]

const all: Place = { part: 1, more: 0, whole: false }

class Generator {
  readonly #random: Random
  readonly #steps: Step[] = []
  #waited = 0
  #ts = false
  #sack = false
  #wscale = false
  #isAccepted: boolean
  readonly #isActive: boolean
  readonly #oddness: number

  constructor(seed: number) {
    this.#random = new Random(seed, 41)
    this.#isActive = this.#random.chance(0.3)
    this.#isAccepted = this.#isActive
    this.#oddness = this.#pick([0.02, 0.1, 0.3])
    this.#seed = seed
  }
  readonly #seed: number

  #pick<T>(values: readonly T[]): T {
    return values[this.#random.below(values.length)] as T
  }

  #chance(p: number): boolean {
    return this.#random.chance(p)
  }

  sequence(): Sequence {
    const options: [number, number, number][] = []
    while (this.#chance(0.3)) {
      const [level, name, values] = this.#pick(EARLY)
      options.push([level, name, this.#pick(values)])
    }
    const isn = this.#pick([1000, 0x7ffffff0, -10, -2000, this.#random.int32()])
    const clock = this.#pick([100000, 0x7ffffff0, -50, this.#random.int32()])
    if (this.#chance(0.1)) this.#stray()
    this.#handshake()
    const count = 3 + this.#random.below(this.#pick([6, 15, 30]))
    for (let i = 0; i < count; i++) this.#step()
    return { seed: this.#seed, isActive: this.#isActive, isn, clock, options, steps: this.#steps }
  }

  #segment(more: Partial<SegmentStep>): void {
    const r = this.#random
    const oddTs = this.#ts && this.#chance(this.#oddness / 3)
    const ts: Pick<SegmentStep, 'ts'> = oddTs
      ? {
          ts: this.#chance(0.2)
            ? null
            : [this.#pick([0, -1, -100, -100000, 1000, 0x7fffffff]), this.#pick([0, -1, -1000, 1000, -0x70000000])],
        }
      : {}
    this.#steps.push({
      kind: 'segment', flags: '.', from: this.#chance(0.2) ? 'acked' : 'end', offset: 0, length: 0, ack: all,
      window: this.#chance(this.#oddness / 2) ? this.#pick([0, 1, 100, 1000, r.below(65536)]) : this.#wscale ? 1000 : 60000,
      isWrong: this.#chance(this.#oddness / 5), urgent: this.#chance(0.02) ? r.below(3000) : 0, sack: [], tos: 0, ...ts, ...more,
    }) // biome-ignore format: many fields
  }

  /** A SYN's options. */
  #syn(): Partial<SegmentStep> {
    const r = this.#random
    this.#ts = this.#chance(0.6)
    this.#sack = this.#chance(0.7)
    this.#wscale = this.#chance(0.6)
    return {
      offset: 0,
      from: 'end',
      window: this.#chance(this.#oddness) ? this.#pick([0, 1, 500, 5000]) : this.#pick([14600, 65535, 64240]),
      ...(this.#chance(0.9)
        ? {
            mss: this.#chance(this.#oddness)
              ? this.#pick([0, 1, 40, 87, 88, 9000, 65535, r.below(65536)])
              : this.#pick([1460, 1460, 1000, 536]),
          }
        : {}),
      ...(this.#sack ? { sackOk: true } : {}),
      ...(this.#wscale
        ? { wscale: this.#chance(this.#oddness) ? this.#pick([0, 13, 14, 15, 255]) : this.#pick([0, 2, 7]) }
        : {}),
      ts: this.#ts ? [0, 0] : null,
      ...(this.#chance(this.#oddness / 4) ? { raw: this.#rawOptions() } : {}),
      isWrong: false,
    }
  }

  #rawOptions(): number[] {
    const r = this.#random
    return this.#chance(0.5)
      ? [
          ...this.#pick([
            [2, 4, 1, 0],
            [4, 2],
            [3, 3, 20],
            [3, 4, 2, 0],
            [8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
            [8, 0],
            [5, 1],
            [1, 1, 1],
            [0, 2, 4, 1, 0],
            [2, 3, 5],
            [34, 2],
            [254, 4, 0xf9, 0x89],
          ]),
        ]
      : Array.from({ length: r.below(41) }, () => r.below(256))
  }

  /** A segment for nobody, or at the listener. */
  #stray(): void {
    this.#segment({
      flags: this.#pick(['.', 'R', 'R.', 'F', 'F.', 'none', 'S.', 'SF', 'SR', 'U', 'P.']),
      length: this.#random.below(20),
      ts: null,
    })
  }

  #handshake(): void {
    const syn = this.#syn()
    const odd = this.#chance(this.#oddness)
    const data = this.#chance(0.05) ? { length: this.#random.below(100) } : {}
    const ecn = this.#chance(0.1) ? 'EW' : ''
    if (this.#isActive) {
      if (odd) this.#stray()
      if (odd && this.#chance(0.3)) this.#segment({ ...syn, flags: 'S' })
      this.#segment({
        ...syn,
        ...data,
        flags: `S.${ecn === '' ? '' : 'E'}`,
        ack: odd && this.#chance(0.5) ? { ...all, more: this.#pick([-1, 1, 1000]) } : all,
      })
      return
    }
    this.#segment({ ...syn, ...data, flags: `S${ecn}${odd ? this.#pick(['', 'P', 'F', 'U']) : ''}` })
    if (odd) {
      if (this.#chance(0.5)) this.#segment({ ...syn, flags: 'S', from: 'end', offset: this.#pick([-1, -1, 0, 5]) })
      if (this.#chance(0.3)) this.#any()
    }
    this.#segment({
      ack: odd && this.#chance(0.3) ? { ...all, more: this.#pick([-1, 1, 70000]) } : all,
      length: this.#chance(0.2) ? this.#length() : 0,
      from: 'end',
    })
    if (this.#chance(0.9)) this.#accept()
  }

  #accept(): void {
    this.#isAccepted = true
    this.#call('accept')
  }

  #call(name: CallStep['name'], ...args: number[]): void {
    this.#steps.push({ kind: 'call', name, args })
  }

  #length(): number {
    return this.#pick([1, 10, 100, 500, 536, 1000, 1000, 1400, 1 + this.#random.below(1400)])
  }

  #place(): Place {
    const r = this.#random
    if (this.#chance(0.5)) return { part: this.#pick([0, 1]), more: 0, whole: false }
    return { part: r.below(1000) / 1000, more: 0, whole: this.#chance(0.8) }
  }

  #blocks(): (readonly [Place, Place])[] {
    const r = this.#random
    return Array.from({ length: 1 + r.below(3) }, () => {
      if (!this.#chance(this.#oddness)) {
        const [a, b] = [r.below(1000) / 1000, r.below(1000) / 1000]
        return [
          { part: Math.min(a, b), more: 0, whole: true },
          { part: this.#chance(0.3) ? 1 : Math.max(a, b), more: 0, whole: true },
        ]
      }
      const part = this.#pick([0, 0, 1, r.below(1000) / 1000])
      const more = this.#pick([-3000, -1000, -100, -1, 0, 1, 100, 2000])
      const left = { part, more, whole: false }
      return [
        left,
        { part: this.#pick([part, 1]), more: more + this.#pick([-1, 0, 1, 1000, 1460, 100000]), whole: false },
      ]
    })
  }

  #step(): void {
    const r = this.#random
    if (this.#chance(this.#oddness)) {
      this.#any()
      return
    }
    const kind = r.below(100)
    if (kind < 25)
      this.#segment({
        flags: this.#pick(['.', 'P.', 'P.']),
        length: this.#length(),
        ack: this.#chance(0.8) ? all : this.#place(),
      })
    else if (kind < 40) this.#outOfOrder()
    else if (kind < 58)
      this.#segment({ ack: this.#place(), sack: this.#sack && this.#chance(0.6) ? this.#blocks() : [] })
    else if (kind < 74)
      this.#call('send', this.#pick([1, 100, 1000, 1460, 3000, 10000, 30000]), this.#chance(0.05) ? MSG_OOB : 0)
    else if (kind < 87)
      this.#call(
        'recv',
        this.#pick([1, 100, 1000, 5000, 100000]),
        this.#pick([0, 0, 0, 0, 0, 0, MSG_PEEK, MSG_OOB, MSG_TRUNC]),
      )
    else if (kind < 90) this.#wait()
    else if (kind < 92) this.#segment({ flags: 'F.', length: this.#chance(0.3) ? this.#length() : 0 })
    else if (kind < 94) this.#call('shutdown', this.#pick([0, 1, 1, 1, 2]))
    else if (kind < 96) this.#option()
    else if (kind < 97) this.#call('getsockopt', SOL_SOCKET, 4)
    else if (kind < 98) this.#call(this.#chance(0.8) ? 'close' : 'closeListener')
    else if (!this.#isAccepted) this.#accept()
    else this.#segment({ window: this.#pick([0, 100, 2000, 65535]) })
  }

  #outOfOrder(): void {
    const offset = this.#pick([1, 100, 1000, 1000, 2000, 3000, -1, -100, -1000, -1400, 10000])
    this.#segment({ flags: this.#pick(['.', 'P.', '.', 'F.']), offset, length: this.#length() })
  }

  #wait(): void {
    const ms = this.#pick([5, 50, 50])
    if (this.#waited + ms > MOST_WAIT_MS) return
    this.#waited += ms
    this.#steps.push({ kind: 'wait', ms })
  }

  #option(): void {
    const [level, name, values] = this.#pick(OPTIONS)
    this.#call('setsockopt', level, name, this.#pick(values))
  }

  /** Anything at all. */
  #any(): void {
    const r = this.#random
    const flags = this.#pick([
      'S',
      'S.',
      'R',
      'R.',
      'F',
      'F.',
      '.',
      '.',
      '.',
      'none',
      'U.',
      'PU.',
      'SF',
      'SR',
      'FR.',
      'SFRPU.',
      'E.',
      'W.',
      'EW.',
    ])
    this.#segment({
      flags,
      offset: this.#pick([0, 0, 0, -1, 1, -100, 100, 30000, 64000, 70000, 1000000, -70000, 0x7fffff00, r.int32()]),
      length: this.#chance(0.5) ? 0 : this.#length(),
      ack: this.#chance(0.6)
        ? all
        : {
            part: this.#pick([0, 1]),
            more: this.#pick([-1, 1, -100, 100, 1000, -70000, 70000, 1 << 30, -(1 << 30), r.int32()]),
            whole: false,
          },
      urgent: flags.includes('U') ? r.below(2000) : 0,
      sack: this.#chance(0.2) ? this.#blocks() : [],
      tos: this.#chance(0.1) ? r.below(4) : 0,
      ...(flags.startsWith('S') && this.#chance(0.5) ? this.#synLike() : {}),
      ...(this.#chance(0.1) ? { raw: this.#rawOptions() } : {}),
    })
  }

  #synLike(): Partial<SegmentStep> {
    return { mss: this.#pick([1460, 500]), sackOk: true, wscale: 3, ts: this.#chance(0.5) ? [0, 0] : null }
  }
}

/** The sequence of a seed; with `mixes` more is put into it. */
export const generate = (seed: number, mixes: readonly Mix[] = []): Sequence =>
  mixes.reduce((sequence, mix) => MIXES[mix](sequence, new Random(seed, 42)), new Generator(seed).sequence())
