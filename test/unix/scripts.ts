/** Scripts for the comparison with the kernel: one for each rule, and sequences made at random. */
import { Random } from '../../src/sys/random.ts'
import type { Step } from './script.ts'

const STREAM = 1
const DGRAM = 2
const SEQPACKET = 5
const PEEK = 2
const TRUNC = 0x20
const WAITALL = 0x100
const O_DIRECT = 0o40000

const connected = (type: number): Step[] => [
  ['socket', 'l', type], ['bind', 'l', '/s'], ['listen', 'l', 2], ['socket', 'c', type], ['connect', 'c', '/s'], ['accept', 'l', 's'],
]
const look = (...names: string[]): Step[] => names.flatMap((n): Step[] => [['poll', n], ['inq', n], ['outq', n], ['getopt', n, 4]])

/** Rules of connections, for each type that has them. */
function connections(type: number): Record<string, Step[]> {
  const fill: Step[] = Array.from({ length: 8 }, (_, i): Step => ['send', 'c', 40000, i, 0])
  return {
    names: [...connected(type), ['sockname', 'l'], ['sockname', 'c'], ['sockname', 's'], ['peername', 'c'], ['peername', 's'], ['peername', 'l']],
    'named client': [
      ['socket', 'l', type], ['bind', 'l', '@s'], ['listen', 'l', 0], ['socket', 'c', type], ['bind', 'c', '/c'], ['connect', 'c', '@s'], ['accept', 'l', 's'],
      ['peername', 's'], ['send', 'c', 5, 1, 0], ['recv', 's', 9, 0], ['bind', 'c', '/d'], ['bind', 's', '/e'], ['listen', 's', 1], ['listen', 'c', 1],
    ],
    errors: [
      ['socket', 'a', type], ['poll', 'a'], ['recv', 'a', 1, 0], ['send', 'a', 1, 1, 0], ['sendto', 'a', 1, 1, '/x'], ['listen', 'a', 1], ['accept', 'a', 'x'],
      ['peername', 'a'], ['sockname', 'a'], ['shutdown', 'a', 2], ['poll', 'a'], ['connect', 'a', '/none'], ['connect', 'a', '@none'], ['connect', 'a', null],
      ['inq', 'a'], ['outq', 'a'], ['getopt', 'a', 17], ['shutdown', 'a', 3],
    ],
    'bind twice': [['socket', 'a', type], ['bind', 'a', '/a'], ['bind', 'a', '/b'], ['bind', 'a', '/a'], ['bind', 'a', '@b'], ['bind', 'a', ''], ['sockname', 'a']],
    'stale path': [
      ['socket', 'a', type], ['bind', 'a', '/a'], ['listen', 'a', 1], ['close', 'a'], ['socket', 'b', type], ['connect', 'b', '/a'], ['bind', 'b', '/a'], ['unlink', '/a'],
      ['unlink', '/a'], ['connect', 'b', '/a'], ['bind', 'b', '/a'], ['listen', 'b', 1], ['socket', 'c', type], ['connect', 'c', '/a'], ['unlink', '/a'], ['accept', 'b', 's'],
      ['send', 'c', 3, 1, 0], ['recv', 's', 9, 0], ['sockname', 's'],
    ],
    'not listening': [['socket', 'a', type], ['bind', 'a', '/a'], ['socket', 'b', type], ['connect', 'b', '/a'], ['bind', 'b', '@b'], ['connect', 'a', '@b']],
    'connect again': [...connected(type), ['connect', 'c', '/s'], ['connect', 's', '/s'], ['connect', 'l', '/s'], ['connect', 'c', '/none'], ['connect', 'c', null]],
    backlog: [
      ['socket', 'l', type], ['bind', 'l', '/s'], ['listen', 'l', 1], ...['a', 'b', 'c', 'd'].flatMap((n): Step[] => [['socket', n, type], ['connect', n, '/s']]), ['poll', 'l'],
      ['inq', 'l'], ['accept', 'l', 's'], ['connect', 'c', '/s'], ['poll', 'c'], ['poll', 'd'], ['listen', 'l', 5], ['connect', 'd', '/s'], ['accept', 'l', 't'], ['accept', 'l', 'u'],
      ['accept', 'l', 'v'], ['accept', 'l', 'w'],
    ],
    'listener closed': [
      ['socket', 'l', type], ['bind', 'l', '/s'], ['listen', 'l', 1], ['socket', 'c', type], ['connect', 'c', '/s'], ['send', 'c', 4, 1, 0], ['close', 'l'], ...look('c'),
      ['send', 'c', 1, 1, 0], ['recv', 'c', 1, 0], ['peername', 'c'],
    ],
    'listener shut': [...connected(type), ['shutdown', 'l', 0], ['poll', 'l'], ['accept', 'l', 'x'], ['socket', 'd', type], ['connect', 'd', '/s']],
    'listener reads': [['socket', 'l', type], ['bind', 'l', '/s'], ['listen', 'l', 1], ['recv', 'l', 1, 0], ['send', 'l', 1, 1, 0], ['poll', 'l'], ['outq', 'l']],
    'close with nothing unread': [...connected(type), ['send', 'c', 5, 1, 0], ['close', 'c'], ...look('s'), ['recv', 's', 9, 0], ['recv', 's', 9, 0], ['send', 's', 1, 1, 0], ['peername', 's']],
    'close with data unread': [
      ...connected(type), ['send', 'c', 5, 1, 0], ['send', 's', 7, 2, 0], ['close', 's'], ['poll', 'c'], ['recv', 'c', 3, 0], ['recv', 'c', 9, 0], ['recv', 'c', 9, 0],
      ['recv', 'c', 9, 0], ['send', 'c', 1, 1, 0],
    ],
    'reset, then send': [...connected(type), ['send', 'c', 5, 1, 0], ['close', 's'], ['send', 'c', 1, 1, 0], ['send', 'c', 1, 1, 0], ...look('c')],
    'reset and MSG_WAITALL': [...connected(type), ['send', 'c', 5, 1, 0], ['send', 's', 7, 2, 0], ['close', 's'], ['recv', 'c', 20, WAITALL], ['getopt', 'c', 4], ['recv', 'c', 20, 0]],
    'shutdown for writing': [...connected(type), ['send', 'c', 5, 1, 0], ['shutdown', 'c', 1], ...look('c', 's'), ['send', 'c', 1, 1, 0], ['recv', 's', 9, 0], ['recv', 's', 9, 0], ['send', 's', 3, 1, 0], ['recv', 'c', 9, 0]],
    'shutdown for reading': [...connected(type), ['send', 's', 5, 1, 0], ['shutdown', 'c', 0], ...look('c', 's'), ['send', 's', 1, 1, 0], ['recv', 'c', 9, 0], ['recv', 'c', 9, 0], ['send', 'c', 3, 1, 0]],
    'shutdown of both': [...connected(type), ['shutdown', 's', 2], ...look('c', 's'), ['send', 'c', 1, 1, 0], ['recv', 'c', 1, 0]],
    'full buffer': [...connected(type), ...fill, ...look('c', 's'), ['recv', 's', 40000, 0], ['poll', 'c'], ['recv', 's', 100000, 0], ['recv', 's', 100000, 0], ['poll', 'c'], ['recv', 's', 100000, 0], ...look('c')],
    'send buffer': [...connected(type), ['setopt', 'c', 7, 2000], ['getopt', 'c', 7], ['send', 'c', 10000, 1, 0], ['send', 'c', 4000, 1, 0], ...look('c', 's'), ['recv', 's', 20000, 0], ['recv', 's', 20000, 0]],
    peek: [...connected(type), ['send', 'c', 5, 1, 0], ['send', 'c', 6, 2, 0], ['recv', 's', 3, PEEK], ['recv', 's', 9, PEEK], ['recv', 's', 3, 0], ['inq', 's'], ['recv', 's', 9, PEEK | TRUNC], ['recv', 's', 9, 0], ['recv', 's', 9, 0]],
    truncate: [...connected(type), ['send', 'c', 500, 1, 0], ['recv', 's', 100, TRUNC], ['recv', 's', 100, 0]],
    empty: [...connected(type), ['send', 'c', 0, 1, 0], ['poll', 's'], ['send', 'c', 2, 1, 0], ['recv', 's', 9, 0], ['recv', 's', 9, 0], ['write', 'c', 0, 0], ['read', 's', 9]],
    credentials: [...connected(type), ['getopt', 'c', 17], ['getopt', 's', 17], ['getopt', 'l', 17], ['pair', 'a', 'b', type], ['getopt', 'a', 17]],
    options: [...connected(type), ...[3, 4, 7, 8, 30, 38, 39].map((o): Step => ['getopt', 's', o]), ['setopt', 's', 15, 1], ['setopt', 's', 15, 0], ['setopt', 's', 2, 1], ['getopt', 'l', 30]],
    pair: [['pair', 'a', 'b', type], ['sockname', 'a'], ['peername', 'a'], ['send', 'a', 5, 1, 0], ['write', 'b', 6, 2], ...look('a', 'b'), ['read', 'a', 9], ['read', 'b', 2], ['read', 'b', 9], ['close', 'a'], ...look('b')],
    sizes: [...connected(type), ...[0, 1, 192, 193, 704, 705, 3776, 3777, 16064, 16065, 36544, 36545, 100000].flatMap((n): Step[] => [['send', 'c', n, 3, 0], ['outq', 'c'], ['inq', 's'], ['recv', 's', 110000, 0]])],
  }
}

const datagrams: Record<string, Step[]> = {
  'send and reply': [
    ['socket', 'a', DGRAM], ['bind', 'a', '/a'], ['socket', 'b', DGRAM], ['sendto', 'b', 5, 1, '/a'], ['recv', 'a', 9, 0], ['bind', 'b', ''], ['sockname', 'b'], ['sendto', 'b', 5, 1, '/a'],
    ['inq', 'a'], ['recv', 'a', 3, TRUNC], ['sendto', 'a', 1, 1, '@none'], ['sendto', 'a', 1, 1, '/none'], ['sendto', 'b', 0, 1, '/a'], ['poll', 'a'], ['recv', 'a', 9, 0], ['recv', 'a', 9, 0],
  ],
  errors: [
    ['socket', 'a', DGRAM], ['poll', 'a'], ['send', 'a', 1, 1, 0], ['recv', 'a', 1, 0], ['listen', 'a', 1], ['accept', 'a', 'x'], ['peername', 'a'], ['connect', 'a', '/none'], ['connect', 'a', '@none'],
    ['connect', 'a', null], ['send', 'a', 1, 1, 1], ['recv', 'a', 1, 1], ['send', 'a', 300000, 1, 0], ['getopt', 'a', 17],
  ],
  'wrong type': [
    ['socket', 'l', STREAM], ['bind', 'l', '/s'], ['listen', 'l', 1], ['socket', 'd', DGRAM], ['connect', 'd', '/s'], ['sendto', 'd', 1, 1, '/s'], ['socket', 'q', SEQPACKET], ['connect', 'q', '/s'],
    ['bind', 'd', '/d'], ['connect', 'l', '/d'], ['connect', 'q', '/d'], ['socket', 'm', STREAM], ['bind', 'm', '@s'], ['listen', 'm', 1], ['socket', 'e', DGRAM], ['connect', 'e', '@s'], ['bind', 'e', '@s'],
    ['bind', 'q', '@s'], ['sockname', 'e'], ['socket', 'f', DGRAM], ['bind', 'f', '@s'],
  ],
  'connect filters': [
    ['socket', 'a', DGRAM], ['bind', 'a', '/a'], ['socket', 'b', DGRAM], ['bind', 'b', '/b'], ['socket', 'c', DGRAM], ['bind', 'c', '/c'], ['connect', 'a', '/b'], ['peername', 'a'], ['sendto', 'c', 1, 1, '/a'],
    ['connect', 'c', '/a'], ['send', 'a', 4, 1, 0], ['recv', 'b', 9, 0], ['sendto', 'b', 4, 1, '/a'], ['recv', 'a', 9, 0], ['sendto', 'a', 5, 1, '/c'], ['recv', 'c', 9, 0], ['poll', 'b'], ['peername', 'b'],
    ['connect', 'a', null], ['peername', 'a'], ['sendto', 'c', 1, 1, '/a'], ['send', 'a', 1, 1, 0],
  ],
  'peer closes': [['socket', 'a', DGRAM], ['bind', 'a', '/a'], ['socket', 'b', DGRAM], ['connect', 'b', '/a'], ['send', 'b', 1, 1, 0], ['close', 'a'], ['poll', 'b'], ['send', 'b', 1, 1, 0], ['send', 'b', 1, 1, 0], ['peername', 'b'], ['poll', 'b']],
  'pair closes': [['pair', 'a', 'b', DGRAM], ['send', 'a', 1, 1, 0], ['send', 'b', 1, 1, 0], ['close', 'a'], ...look('b'), ['send', 'b', 1, 1, 0], ...look('b'), ['recv', 'b', 1, 0]],
  'reconnect loses and tells': [
    ['socket', 'a', DGRAM], ['bind', 'a', '/a'], ['socket', 'b', DGRAM], ['bind', 'b', '/b'], ['connect', 'a', '/b'], ['connect', 'b', '/a'], ['send', 'a', 3, 1, 0], ['connect', 'b', null], ...look('a', 'b'), ['recv', 'b', 9, 0],
    ['send', 'a', 1, 1, 0], ['send', 'b', 1, 1, 0],
  ],
  'queue length': [
    ['socket', 'a', DGRAM], ['bind', 'a', '/a'], ['socket', 'b', DGRAM], ['connect', 'b', '/a'], ...Array.from({ length: 13 }, (_, i): Step => ['send', 'b', 1, i, 0]), ['poll', 'b'], ['sendto', 'b', 1, 1, '/a'], ['recv', 'a', 1, 0],
    ['poll', 'b'], ['send', 'b', 1, 1, 0], ['send', 'b', 1, 1, 0], ['recv', 'a', 1, PEEK], ['send', 'b', 1, 1, 0], ['socket', 'c', DGRAM], ['sendto', 'c', 1, 1, '/a'], ['poll', 'c'],
  ],
  'pair has no queue length': [['pair', 'a', 'b', DGRAM], ...Array.from({ length: 20 }, (_, i): Step => ['send', 'b', 1, i, 0]), ...look('a', 'b')],
  'to itself': [['socket', 'a', DGRAM], ['bind', 'a', '/a'], ['connect', 'a', '/a'], ...Array.from({ length: 14 }, (_, i): Step => ['send', 'a', 1, i, 0]), ...look('a'), ['recv', 'a', 1, 0]],
  shutdown: [['socket', 'a', DGRAM], ['bind', 'a', '/a'], ['socket', 'b', DGRAM], ['connect', 'b', '/a'], ['shutdown', 'a', 0], ...look('a', 'b'), ['send', 'b', 1, 1, 0], ['shutdown', 'b', 1], ['send', 'b', 1, 1, 0], ['recv', 'a', 1, 0], ['poll', 'b']],
  sizes: [['pair', 'c', 's', DGRAM], ...[0, 1, 192, 193, 16064, 16065, 100000, 212959, 212960, 212961].flatMap((n): Step[] => [['send', 'c', n, 3, 0], ['outq', 'c'], ['inq', 's'], ['recv', 's', 300000, 0]])],
  'full buffer': [['pair', 'c', 's', DGRAM], ...Array.from({ length: 8 }, (_, i): Step => ['send', 'c', 40000, i, 0]), ...look('c', 's'), ...Array.from({ length: 6 }, (): Step[] => [['recv', 's', 50000, 0], ['poll', 'c']]).flat()],
  'long names': [...[90, 100, 101, 102, 103, 104, 105].flatMap((n): Step[] => [['socket', `s${n}`, DGRAM], ['bind', `s${n}`, `@${'x'.repeat(Math.max(0, n - 16))}`]])],
}

const pipes: Record<string, Step[]> = {
  basics: [['pipe', 'r', 'w', 0], ['poll', 'r'], ['poll', 'w'], ['read', 'r', 5], ['write', 'r', 5, 1], ['read', 'w', 5], ['write', 'w', 5, 1], ['inq', 'r'], ['inq', 'w'], ['poll', 'r'], ['read', 'r', 2], ['read', 'r', 9], ['write', 'w', 0, 0], ['read', 'r', 0]],
  capacity: [['pipe', 'r', 'w', 0], ['write', 'w', 100000, 1], ['poll', 'w'], ['write', 'w', 1, 1], ['read', 'r', 4095], ['poll', 'w'], ['write', 'w', 1, 1], ['read', 'r', 1], ['poll', 'w'], ['write', 'w', 5000, 2], ['inq', 'r'], ['read', 'r', 100000], ['read', 'r', 1]],
  'small writes share a page': [['pipe', 'r', 'w', 0], ...Array.from({ length: 20 }, (_, i): Step => ['write', 'w', 3000, i]), ['inq', 'r'], ['poll', 'w'], ['read', 'r', 100000], ...Array.from({ length: 70 }, (_, i): Step => ['write', 'w', 1000, i]), ['inq', 'r']],
  atomicity: [['pipe', 'r', 'w', 0], ['write', 'w', 61440, 1], ['write', 'w', 4096, 2], ['write', 'w', 4096, 3], ['read', 'r', 4000], ['write', 'w', 4096, 3], ['read', 'r', 96], ['write', 'w', 100, 3], ['write', 'w', 4096, 3], ['write', 'w', 3996, 3], ['write', 'w', 1, 3]],
  'large writes merge their rest': [['pipe', 'r', 'w', 0], ['write', 'w', 100, 1], ['write', 'w', 8292, 2], ['inq', 'r'], ['read', 'r', 150], ['read', 'r', 100000]],
  'reader closes': [['pipe', 'r', 'w', 0], ['write', 'w', 5, 1], ['close', 'r'], ['poll', 'w'], ['write', 'w', 1, 1], ['write', 'w', 0, 1]],
  'writer closes': [['pipe', 'r', 'w', 0], ['write', 'w', 5, 1], ['close', 'w'], ['poll', 'r'], ['read', 'r', 3], ['read', 'r', 3], ['poll', 'r'], ['read', 'r', 3]],
  packets: [['pipe', 'r', 'w', O_DIRECT], ['write', 'w', 5, 1], ['write', 'w', 6, 2], ['inq', 'r'], ['read', 'r', 3], ['read', 'r', 9], ['read', 'r', 9], ['write', 'w', 5000, 1], ['read', 'r', 9000], ['read', 'r', 9000]],
}

/** Every rule, with a name. */
export function ruleScripts(): [name: string, steps: Step[]][] {
  const all: [string, Step[]][] = []
  const add = (kind: string, scripts: Record<string, Step[]>): void => {
    for (const [name, steps] of Object.entries(scripts)) all.push([`${kind}: ${name}`, steps])
  }
  add('stream', connections(STREAM))
  add('seqpacket', connections(SEQPACKET))
  add('dgram', datagrams)
  add('pipe', pipes)
  return all
}

/** A sequence of `length` calls on a few sockets, paths and names. */
export function randomScript(seed: number, length: number): Step[] {
  const random = new Random(seed)
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const socks = ['a', 'b', 'c', 'd', 'e']
  const types = random.below(3) === 0 ? [STREAM, DGRAM, SEQPACKET] : [pick([STREAM, DGRAM, SEQPACKET])]
  const names = ['/x', '/y', '@x', '@y']
  const size = (): number => pick([0, 1, 10, 100, 3000, 4096, 40000, 100000])
  const steps: Step[] = []
  const calls: (() => Step)[] = [
    () => ['socket', pick(socks), pick(types)],
    () => ['pair', pick(socks), pick(socks), pick(types)],
    () => ['bind', pick(socks), pick([...names, ''])],
    () => ['bind', pick(socks), pick(names)],
    () => ['listen', pick(socks), random.below(3)],
    () => ['connect', pick(socks), random.below(8) === 0 ? null : pick(names)],
    () => ['connect', pick(socks), pick(names)],
    () => ['accept', pick(socks), pick(socks)],
    () => ['send', pick(socks), size(), random.below(256), 0],
    () => ['send', pick(socks), size(), random.below(256), 0],
    () => ['sendto', pick(socks), size(), random.below(256), pick(names)],
    () => ['recv', pick(socks), size() + 1, pick([0, 0, PEEK, TRUNC, WAITALL])],
    () => ['recv', pick(socks), size() + 1, 0],
    () => ['shutdown', pick(socks), random.below(3)],
    () => ['close', pick(socks)],
    () => ['unlink', pick(['/x', '/y'])],
    () => [pick(['sockname', 'peername', 'inq', 'outq', 'poll', 'poll']), pick(socks)],
    () => ['getopt', pick(socks), 4],
  ]
  for (const n of socks.slice(0, 3)) steps.push(['socket', n, pick(types)])
  while (steps.length < length) steps.push(pick(calls)())
  return steps.filter((s) => s[0] !== 'pair' || s[1] !== s[2])
}
