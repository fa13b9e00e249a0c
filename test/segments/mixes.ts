/** What is put into sequences besides what `generate.ts` makes, by name: `--with icmp,…`. */
import type { Random } from '../../src/sys/random.ts'
import * as icmp from '../../src/wire/icmpv4.ts'
import type { CallStep, IcmpStep, Place, SegmentStep, Sequence, Step } from './sequence.ts'
import { FASTOPEN_KEY } from './sequence.ts'

export type Mix = 'icmp' | 'waits' | 'fastopen' | 'cookies' | 'md5'

const SOL_SOCKET = 1
const SO_ERROR = 4
const IPPROTO_IP = 0
const IPPROTO_TCP = 6
const TCP_FASTOPEN = 23
const TCP_FASTOPEN_CONNECT = 30
const TCP_FASTOPEN_NO_COOKIE = 34
const IP_MTU_DISCOVER = 10
const IP_RECVERR = 11

const pick = <T>(random: Random, values: readonly T[]): T => values[random.below(values.length)] as T

/** An acknowledgement of all. */
const BARE: SegmentStep = {
  kind: 'segment', flags: '.', from: 'end', offset: 0, length: 0, ack: { part: 1, more: 0, whole: false }, window: 1000,
  isWrong: false, urgent: 0, sack: [], tos: 0,
} // biome-ignore format: many fields

const setsockopt = (...args: number[]): Step => ({ kind: 'call', name: 'setsockopt', args })

/** Steps of `make` at places anywhere in the sequence, each place with the same chance. */
function sprinkled(sequence: Sequence, random: Random, chance: number, make: () => readonly Step[]): Sequence {
  const steps: Step[] = []
  for (const step of sequence.steps) {
    if (random.chance(chance)) steps.push(...make())
    steps.push(step)
  }
  if (random.chance(chance)) steps.push(...make())
  return { ...sequence, steps }
}

/** Types with their codes; "unreachable" in all its kinds more often than others. */
const ERRORS: readonly (readonly [number, readonly number[]])[] = [
  [icmp.UNREACHABLE, Array.from({ length: 18 }, (_, code) => code)],
  [icmp.UNREACHABLE, [icmp.NET_UNREACHABLE, icmp.HOST_UNREACHABLE, icmp.PROTOCOL_UNREACHABLE, icmp.PORT_UNREACHABLE]],
  [icmp.UNREACHABLE, [icmp.FRAGMENTATION_NEEDED]],
  [icmp.UNREACHABLE, [icmp.FRAGMENTATION_NEEDED]],
  [icmp.TIME_EXCEEDED, [icmp.TTL_EXCEEDED, icmp.REASSEMBLY_EXCEEDED, 2]],
  [icmp.PARAMETER_PROBLEM, [0, 1, 2]],
  [icmp.SOURCE_QUENCH, [0]],
]
const MTUS: readonly number[] = [
  0, 40, 68, 296, 551, 552, 576, 1000, 1000, 1300, 1400, 1492, 1499, 1500, 1501, 9000, 65535,
]

function error(random: Random): IcmpStep {
  const [type, codes] = pick(random, ERRORS)
  const code = pick(random, codes)
  const isMtu = type === icmp.UNREACHABLE && code === icmp.FRAGMENTATION_NEEDED
  const part = pick(random, [0, 0, 1, random.below(1000) / 1000])
  const more = random.chance(0.2) ? pick(random, [-1, 1, -1000, 1000, 70000, -70000, random.int32()]) : 0
  const at: Place = { part, more, whole: true }
  return {
    kind: 'icmp',
    type,
    code,
    word: isMtu ? pick(random, MTUS) : type === icmp.PARAMETER_PROBLEM ? icmp.wordPointer(random.below(60)) : 0,
    at: random.chance(0.1) ? 'syn' : at,
    quoted: random.chance(0.1) ? pick(random, [0, 4, 7]) : pick(random, [8, 8, 20]),
    isStrange: random.chance(0.05),
  }
}

/** Errors of ICMP about segments, and what a program asks for and reads of them. */
function withIcmp(sequence: Sequence, random: Random): Sequence {
  const recverr = (): Step => setsockopt(IPPROTO_IP, IP_RECVERR, random.below(2))
  const discover = (): Step => setsockopt(IPPROTO_IP, IP_MTU_DISCOVER, random.below(6))
  const read = (): Step => ({ kind: 'call', name: 'recvError', args: [] })
  const pending = (): Step => ({ kind: 'call', name: 'getsockopt', args: [SOL_SOCKET, SO_ERROR] })
  const options = [...sequence.options]
  if (random.chance(0.3)) options.push([IPPROTO_IP, IP_RECVERR, 1])
  if (random.chance(0.2)) options.push([IPPROTO_IP, IP_MTU_DISCOVER, random.below(6)])
  return sprinkled({ ...sequence, options }, random, 0.25, () => {
    const kind = random.below(100)
    if (kind < 70) return [error(random)]
    if (kind < 75) return [recverr()]
    if (kind < 80) return [discover()]
    if (kind < 90) return [read()]
    return [pending()]
  })
}

/** Milliseconds of a sequence's long waits in all, and of one: not where timers of 200 ms, doubled, end. */
const MOST_WAIT_MS = 7000
const WAITS: readonly number[] = [150, 300, 300, 700, 700, 1150, 1700, 2400, 5000]

/** Options that end by time: level, name, values. SO_KEEPALIVE and its three; TCP_SYNCNT, TCP_LINGER2, TCP_USER_TIMEOUT. */
const TIMED: readonly (readonly [number, number, readonly number[]])[] = [
  [SOL_SOCKET, 9, [0, 1, 1, 1]],
  [IPPROTO_TCP, 4, [1, 2]],
  [IPPROTO_TCP, 5, [1, 2]],
  [IPPROTO_TCP, 6, [1, 2, 3]],
  [IPPROTO_TCP, 7, [1, 2]],
  [IPPROTO_TCP, 8, [-1, 0, 1, 2]],
  [IPPROTO_TCP, 18, [1, 100, 300, 1000, 3000]],
]

/** Waits long enough for timers of retransmission, keep-alive and the rest, and what makes them run. */
function withWaits(sequence: Sequence, random: Random): Sequence {
  const options = [...sequence.options]
  const timed = (): [number, number, number] => {
    const [level, name, values] = pick(random, TIMED)
    return [level, name, pick(random, values)]
  }
  while (random.chance(0.6)) options.push(timed())
  let left = MOST_WAIT_MS
  const wait = (): Step[] => {
    const ms = pick(random, WAITS)
    if (ms > left) return []
    left -= ms
    return [{ kind: 'wait', ms }]
  }
  const call = (name: CallStep['name'], ...args: number[]): Step => ({ kind: 'call', name, args })
  return sprinkled({ ...sequence, options }, random, 0.25, () => {
    const kind = random.below(100)
    if (kind < 60) return wait()
    if (kind < 70) return [setsockopt(...timed()), ...wait()]
    if (kind < 75) return [{ ...BARE, window: 0 }]
    if (kind < 80) return [{ ...BARE, window: 0 }, call('send', pick(random, [1, 1000, 5000]), 0), ...wait()]
    if (kind < 85) return [call('send', pick(random, [1, 1000, 5000]), 0), ...wait()]
    if (kind < 92) return [call('shutdown', 1), ...wait()]
    return [call('close'), ...wait()]
  })
}

const isSyn = (step: Step): step is SegmentStep =>
  step.kind === 'segment' && step.flags.startsWith('S') && !step.flags.includes('.')

const isSynAck = (step: Step): step is SegmentStep => step.kind === 'segment' && step.flags.startsWith('S.')

const cookieBytes = (random: Random): number[] =>
  Array.from({ length: pick(random, [2, 3, 4, 8, 8, 8, 15, 16, 18]) }, () => random.below(256))

/** Fast Open: cookies asked for, right, wrong; data in SYN and SYN-ACK, acknowledged or not. */
function withFastOpen(sequence: Sequence, random: Random): Sequence {
  return sequence.isActive ? withFastOpenClient(sequence, random) : withFastOpenServer(sequence, random)
}

function withFastOpenServer(sequence: Sequence, random: Random): Sequence {
  const options: [number, number, number][] = [...sequence.options.map((o) => [...o] as [number, number, number])]
  options.push([IPPROTO_TCP, TCP_FASTOPEN, pick(random, [0, 1, 5, 5, 5])])
  if (random.chance(0.2)) options.push([IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1])
  const steps = sequence.steps.flatMap((step): Step[] => {
    if (!isSyn(step)) return [step]
    const which = random.below(10)
    const fastOpen = which < 6 ? 'right' : which < 7 ? 'ask' : which < 9 ? cookieBytes(random) : undefined
    const syn: SegmentStep = {
      ...step,
      length: pick(random, [0, 1, 100, 1000, 1400]),
      isExperimental: random.chance(0.1),
      ...(fastOpen === undefined ? {} : { fastOpen }),
    }
    const early: Step[] = []
    if (random.chance(0.6)) early.push({ kind: 'call', name: 'accept', args: [] })
    if (random.chance(0.3)) early.push({ kind: 'call', name: 'send', args: [pick(random, [1, 1000, 5000, 30000]), 0] })
    if (random.chance(0.2)) early.push({ kind: 'call', name: 'recv', args: [pick(random, [1, 1000]), 0] })
    if (random.chance(0.1)) early.push({ kind: 'call', name: 'shutdown', args: [pick(random, [0, 1, 2])] })
    if (random.chance(0.05)) early.push({ kind: 'call', name: 'close', args: [] })
    return [syn, ...early]
  })
  return { ...sequence, options, steps }
}

const LENGTHS: readonly number[] = [0, 1, 100, 1000, 1400, 3000]

/** A first connection to get a cookie, another one with data in its SYN. */
function withFastOpenClient(sequence: Sequence, random: Random): Sequence {
  const options: [number, number, number][] = [...sequence.options.map((o) => [...o] as [number, number, number])]
  const deferred = random.chance(0.3)
  if (deferred) options.push([IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1])
  else if (random.chance(0.2)) options.push([IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1])
  const cookie = random.chance(0.8) ? Array.from({ length: 8 }, () => random.below(256)) : cookieBytes(random)
  const first = sequence.steps.find(isSynAck) ?? { ...BARE, flags: 'S.', mss: 1460 }
  const isExperimental = random.chance(0.1)
  const mss = random.chance(0.2) ? pick(random, [100, 536, 9000]) : (first.mss ?? 1460)
  const learn: SegmentStep = { ...first, mss, fastOpen: cookie, isExperimental, ack: BARE.ack, ts: null }
  const answer = (step: SegmentStep): SegmentStep => ({
    ...step,
    length: random.chance(0.3) ? pick(random, [1, 100, 1400]) : step.length,
    ack: random.chance(0.5)
      ? step.ack
      : { part: pick(random, [0, 0, 0.5]), more: pick(random, [1, 1, 1, 2, 0]), whole: false },
    ...(random.chance(0.2) ? { fastOpen: random.chance(0.5) ? cookieBytes(random) : 'ask' } : {}),
  })
  const steps: Step[] = [
    ...(deferred ? [{ kind: 'call', name: 'send', args: [pick(random, LENGTHS), 0] } as const] : []),
    ...(random.chance(0.9) ? [learn] : []),
    { kind: 'call', name: 'abort', args: [] },
    { kind: 'call', name: 'reopen', args: [deferred ? -1 : pick(random, LENGTHS)] },
    ...(deferred ? [{ kind: 'call', name: 'send', args: [pick(random, LENGTHS), 0] } as const] : []),
    ...sequence.steps.map((step) => (isSynAck(step) ? answer(step) : step)),
  ]
  return { ...sequence, options, steps, ...(deferred ? {} : { fastOpen: pick(random, LENGTHS) }) }
}

/** Every SYN is answered with a cookie; acknowledgements that bring none, or another one, come before the right one. */
function withCookies(sequence: Sequence, random: Random): Sequence {
  const steps = sequence.steps.flatMap((step): Step[] => {
    if (!isSyn(step)) return [step]
    const more: Step[] = []
    while (random.chance(0.4)) {
      const offset = pick(random, [0, 0, 1, -1])
      const ack = { ...BARE.ack, more: pick(random, [0, 1, -1, 2, 3, 1 << 24, -(1 << 24), random.int32()]) }
      // Echoes of what was never sent would be read by a secret.
      const isStamped = step.ts !== null && step.raw === undefined && random.chance(0.5)
      const ts = isStamped ? { ts: pick(random, [null, [0, 1], [0, 16], [0, -1], [0, 32]] as const) } : {}
      more.push({
        ...BARE,
        offset,
        ack,
        ...ts,
        length: random.chance(0.3) ? 100 : 0,
        flags: pick(random, ['.', 'P.', 'F.']),
      })
    }
    return [step, ...more]
  })
  return { ...sequence, steps }
}

/** A key on one side or both; segments signed, wrongly signed, not signed. */
function withMd5(sequence: Sequence, random: Random): Sequence {
  const chance = pick(random, [0, 0, 0.05, 0.3])
  const steps = sequence.steps.map((step): Step => {
    if (step.kind !== 'segment') return step
    const md5 = random.chance(chance) ? { md5: pick(random, ['wrong', 'none'] as const) } : {}
    // A SYN has not room for everything.
    return { ...step, ...md5, ...(step.flags.startsWith('S') && random.chance(0.9) ? { ts: null } : {}) }
  })
  return {
    ...sequence,
    steps,
    key: pick(random, ['k', 'secret', 'a longer key than an MD5 block has room for, by some bytes, of 80']),
  }
}

export const MIXES: Readonly<Record<Mix, (sequence: Sequence, random: Random) => Sequence>> = {
  icmp: withIcmp,
  waits: withWaits,
  fastopen: withFastOpen,
  cookies: withCookies,
  md5: withMd5,
}

const SYSCTLS: Readonly<Partial<Record<Mix, readonly (readonly [string, string])[]>>> = {
  fastopen: [
    ['ipv4/tcp_fastopen', '3'],
    ['ipv4/tcp_fastopen_key', FASTOPEN_KEY],
    // One connection's trouble shall not be another's.
    ['ipv4/tcp_fastopen_blackhole_timeout_sec', '0'],
  ],
  cookies: [['ipv4/tcp_syncookies', '2']],
}

/** Files below /proc/sys/net and what is to be written to them. */
export const sysctlsOf = (mixes: readonly Mix[]): readonly (readonly [string, string])[] =>
  mixes.flatMap((mix) => SYSCTLS[mix] ?? [])

/** Sequences that may be under way at the same time: the more, the longer they wait. */
export const atOnce = (mixes: readonly Mix[]): number => (mixes.includes('waits') ? 1000 : 100)

/** Names with commas between; throws for one there is not. */
export function mixesOf(names: string): readonly Mix[] {
  return names
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      if (!(name in MIXES)) throw new TypeError(`--with ${name}: there are ${Object.keys(MIXES).join(', ')}`)
      return name as Mix
    })
}
