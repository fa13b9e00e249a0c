/** The same scripts on Linux's epoll, select, poll, eventfd, timerfd and on ours: every outcome is equal. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import * as c from '../../src/socket/constants.ts'
import { Random } from '../../src/sys/random.ts'
import { runScript, type Script, type Step } from './script.ts'

const { EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP } = c
const ADD = c.EPOLL_CTL_ADD
const DEL = c.EPOLL_CTL_DEL
const MOD = c.EPOLL_CTL_MOD
const IO = EPOLLIN + EPOLLOUT
const MAX = '18446744073709551615'

const SCRIPTS: Readonly<Record<string, Script>> = {
  'level triggered: told until it is drained': [
    ['pair', 'a', 'b'], ['epoll', 'e'], ['ctl', 'e', ADD, 'b', EPOLLIN, 7], ['wait', 'e', 4], ['send', 'a', 10],
    ['wait', 'e', 4], ['wait', 'e', 4], ['recv', 'b', 4], ['wait', 'e', 4], ['recv', 'b', 10], ['wait', 'e', 4],
    ['recv', 'b', 1],
  ],
  'edge triggered: once per arrival, drained or not, with the whole mask': [
    ['pair', 'a', 'b'], ['epoll', 'e'], ['ctl', 'e', ADD, 'b', IO + EPOLLET, 7], ['wait', 'e', 4], ['wait', 'e', 4],
    ['send', 'a', 10], ['wait', 'e', 4], ['wait', 'e', 4], ['recv', 'b', 4], ['wait', 'e', 4], ['send', 'a', 1],
    ['wait', 'e', 4], ['wait', 'e', 4], ['recv', 'b', 100], ['send', 'a', 1], ['send', 'a', 1], ['wait', 'e', 4],
    ['wait', 'e', 4], ['shutdown', 'a', 1], ['wait', 'e', 4], ['wait', 'e', 4], ['shutdown', 'b', 1], ['wait', 'e', 4],
    ['wait', 'e', 4],
  ],
  'edge triggered: modifying arms it again': [
    ['pair', 'a', 'b'], ['epoll', 'e'], ['send', 'a', 3], ['ctl', 'e', ADD, 'b', EPOLLIN + EPOLLET, 7], ['wait', 'e', 4],
    ['wait', 'e', 4], ['ctl', 'e', MOD, 'b', EPOLLIN + EPOLLET, 8], ['wait', 'e', 4], ['wait', 'e', 4],
  ],
  'oneshot: disabled after one event, ERR and HUP included, until modified': [
    ['pair', 'a', 'b'], ['epoll', 'e'], ['send', 'a', 3], ['ctl', 'e', ADD, 'b', EPOLLIN + EPOLLONESHOT, 7],
    ['wait', 'e', 4], ['wait', 'e', 4], ['send', 'a', 3], ['wait', 'e', 4], ['shutdown', 'a', 1], ['shutdown', 'b', 1],
    ['wait', 'e', 4], ['ctl', 'e', MOD, 'b', EPOLLIN + EPOLLONESHOT, 9], ['wait', 'e', 4], ['wait', 'e', 4],
  ],
  'half-close: EPOLLRDHUP and EPOLLHUP': [
    ['pair', 'a', 'b'], ['epoll', 'e'], ['ctl', 'e', ADD, 'b', EPOLLIN + EPOLLRDHUP, 7], ['ctl', 'e', ADD, 'a', 0, 8],
    ['wait', 'e', 4], ['shutdown', 'a', 1], ['wait', 'e', 4], ['shutdown', 'b', 1], ['wait', 'e', 4],
  ],
  'a reset peer: EPOLLERR and EPOLLHUP unasked': [
    ['pair', 'a', 'b'], ['epoll', 'e'], ['ctl', 'e', ADD, 'a', EPOLLET, 8], ['send', 'a', 5], ['close', 'b'],
    ['wait', 'e', 4], ['wait', 'e', 4], ['recv', 'a', 5], ['recv', 'a', 5],
  ],
  'pipes: readable, writable, hung up, broken': [
    ['pipe', 'r', 'w'], ['epoll', 'e'], ['epoll', 'f'], ['ctl', 'e', ADD, 'r', EPOLLIN, 1], ['ctl', 'e', ADD, 'w', EPOLLOUT, 2],
    ['ctl', 'f', ADD, 'r', EPOLLIN + EPOLLET, 3], ['ctl', 'f', ADD, 'w', EPOLLOUT + EPOLLET, 4], ['wait', 'e', 4], ['wait', 'f', 4],
    ['send', 'w', 10], ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'f', 4], ['send', 'w', 10], ['wait', 'f', 4],
    ['recv', 'r', 5], ['wait', 'e', 4], ['wait', 'f', 4], ['send', 'w', 65535], ['wait', 'e', 4], ['wait', 'f', 4],
    ['send', 'w', 1], ['recv', 'r', 65536], ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'r', 0x3fff], ['poll', 'w', 0x3fff],
    ['dup', 'r', 's'], ['close', 'w'], ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'r', 0x3fff], ['recv', 'r', 70000],
    ['poll', 'r', 0x3fff], ['wait', 'f', 4],
  ],
  'pipes: the reader goes': [
    ['pipe', 'r', 'w'], ['epoll', 'e'], ['ctl', 'e', ADD, 'w', EPOLLET, 2], ['wait', 'e', 4], ['close', 'r'], ['wait', 'e', 4],
    ['wait', 'e', 4], ['poll', 'w', 0x3fff], ['select', ['w'], ['w'], ['w']],
  ],
  'local streams: data, half-close, close': [
    ['local', 'a', 'b', c.SOCK_STREAM], ['epoll', 'e'], ['epoll', 'f'], ['ctl', 'e', ADD, 'b', EPOLLIN + EPOLLRDHUP, 7],
    ['ctl', 'f', ADD, 'b', IO + EPOLLRDHUP + EPOLLET, 8], ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'f', 4], ['send', 'a', 10],
    ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'f', 4], ['send', 'a', 10], ['wait', 'f', 4], ['recv', 'b', 5], ['wait', 'e', 4],
    ['wait', 'f', 4], ['recv', 'b', 100], ['recv', 'b', 100], ['wait', 'e', 4], ['poll', 'a', 0x3fff], ['shutdown', 'a', 1],
    ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'a', 0x3fff], ['poll', 'b', 0x3fff], ['recv', 'b', 1], ['close', 'a'],
    ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'b', 0x3fff], ['send', 'b', 1],
  ],
  'local datagrams: data, half-close, close': [
    ['local', 'a', 'b', c.SOCK_DGRAM], ['epoll', 'e'], ['epoll', 'f'], ['ctl', 'e', ADD, 'b', EPOLLIN + EPOLLRDHUP, 7],
    ['ctl', 'f', ADD, 'b', IO + EPOLLRDHUP + EPOLLET, 8], ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'f', 4], ['send', 'a', 10],
    ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'f', 4], ['send', 'a', 10], ['wait', 'f', 4], ['recv', 'b', 5], ['wait', 'e', 4],
    ['wait', 'f', 4], ['recv', 'b', 100], ['recv', 'b', 100], ['wait', 'e', 4], ['poll', 'a', 0x3fff], ['shutdown', 'a', 1],
    ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'a', 0x3fff], ['poll', 'b', 0x3fff], ['recv', 'b', 1], ['close', 'a'],
    ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'b', 0x3fff], ['send', 'b', 1],
  ],
  'local sequenced packets: data, half-close, close': [
    ['local', 'a', 'b', c.SOCK_SEQPACKET], ['epoll', 'e'], ['epoll', 'f'], ['ctl', 'e', ADD, 'b', EPOLLIN + EPOLLRDHUP, 7],
    ['ctl', 'f', ADD, 'b', IO + EPOLLRDHUP + EPOLLET, 8], ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'f', 4], ['send', 'a', 10],
    ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'f', 4], ['send', 'a', 10], ['wait', 'f', 4], ['recv', 'b', 5], ['wait', 'e', 4],
    ['wait', 'f', 4], ['recv', 'b', 100], ['recv', 'b', 100], ['wait', 'e', 4], ['poll', 'a', 0x3fff], ['shutdown', 'a', 1],
    ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'a', 0x3fff], ['poll', 'b', 0x3fff], ['recv', 'b', 1], ['close', 'a'],
    ['wait', 'e', 4], ['wait', 'f', 4], ['poll', 'b', 0x3fff], ['send', 'b', 1],
  ],
  'a new stream socket hangs up': [
    ['socket', 's'], ['epoll', 'e'], ['ctl', 'e', ADD, 's', IO, 1], ['wait', 'e', 4], ['poll', 's', 0x3fff],
  ],
  'a listener: connections waiting, level and edge': [
    ['listen', 'l'], ['epoll', 'e'], ['epoll', 'f'], ['ctl', 'e', ADD, 'l', EPOLLIN, 1],
    ['ctl', 'f', ADD, 'l', EPOLLIN + EPOLLET, 2], ['connect', 'x', 'l'], ['wait', 'e', 4], ['wait', 'f', 4],
    ['wait', 'f', 4], ['connect', 'y', 'l'], ['wait', 'f', 4], ['accept', 'p', 'l'], ['wait', 'e', 4], ['accept', 'q', 'l'],
    ['wait', 'e', 4], ['accept', 'r', 'l'],
  ],
  'datagrams': [
    ['udp', 'a', 'b'], ['epoll', 'e'], ['ctl', 'e', ADD, 'b', IO + EPOLLET, 7], ['wait', 'e', 4], ['send', 'a', 5],
    ['send', 'a', 5], ['wait', 'e', 4], ['wait', 'e', 4], ['recv', 'b', 9], ['wait', 'e', 4], ['send', 'a', 5],
    ['wait', 'e', 4], ['poll', 'b', 0x3fff], ['select', ['a', 'b'], ['a', 'b'], ['a', 'b']],
  ],
  'errors of epoll_ctl, epoll_wait, epoll_create1': [
    ['epoll', 'e', 1], ['epoll', 'e', c.EPOLL_CLOEXEC], ['eventfd', 'v'], ['ctl', 'nobody', ADD, 'v', EPOLLIN],
    ['ctl', 'e', ADD, 'nobody', EPOLLIN], ['ctl', 'v', ADD, 'e', EPOLLIN], ['ctl', 'e', ADD, 'e', EPOLLIN],
    ['ctl', 'v', ADD, 'v', EPOLLIN], ['ctl', 'e', ADD, 'v'], ['ctl', 'e', MOD, 'v', EPOLLIN], ['ctl', 'e', DEL, 'v'],
    ['ctl', 'e', 9, 'v', EPOLLIN], ['ctl', 'e', 9, 'v'], ['ctl', 'e', ADD, 'v', EPOLLIN], ['ctl', 'e', ADD, 'v', EPOLLIN],
    ['ctl', 'e', DEL, 'v'], ['ctl', 'e', DEL, 'v'], ['wait', 'v', 1], ['wait', 'nobody', 1], ['wait', 'e', 0],
    ['wait', 'e', -1], ['wait', 'nobody', 0], ['send', 'e', 8], ['recv', 'e', 8], ['poll', 'e', 0x3fff],
  ],
  'EPOLLEXCLUSIVE: what it goes with': [
    ['epoll', 'e'], ['epoll', 'f'], ['eventfd', 'v', 1], ['ctl', 'e', ADD, 'f', EPOLLIN + EPOLLEXCLUSIVE],
    ['ctl', 'e', ADD, 'v', EPOLLIN + EPOLLRDHUP + EPOLLEXCLUSIVE], ['ctl', 'e', ADD, 'v', EPOLLIN + EPOLLONESHOT + EPOLLEXCLUSIVE],
    ['ctl', 'e', ADD, 'v', IO + EPOLLET + c.EPOLLWAKEUP + EPOLLEXCLUSIVE, 3], ['ctl', 'e', MOD, 'v', EPOLLIN],
    ['ctl', 'e', MOD, 'v', EPOLLIN + EPOLLEXCLUSIVE], ['ctl', 'e', 9, 'v', EPOLLIN + EPOLLEXCLUSIVE], ['wait', 'e', 2],
    ['ctl', 'e', DEL, 'v'], ['ctl', 'e', MOD, 'v', EPOLLIN + EPOLLEXCLUSIVE], ['ctl', 'f', ADD, 'v', EPOLLIN + EPOLLEXCLUSIVE, 1],
    ['ctl', 'e', ADD, 'v', EPOLLIN + EPOLLEXCLUSIVE, 2], ['write64', 'v', '1'], ['wait', 'e', 2], ['wait', 'f', 2],
  ],
  'fewer places than events: everybody has a turn': [
    ['epoll', 'e'], ['eventfd', 'u', 1], ['eventfd', 'v', 1], ['eventfd', 'w', 1], ['ctl', 'e', ADD, 'u', EPOLLIN, 1],
    ['ctl', 'e', ADD, 'v', EPOLLIN, 2], ['ctl', 'e', ADD, 'w', EPOLLIN, 3], ['wait', 'e', 2], ['wait', 'e', 2], ['wait', 'e', 2],
    ['wait', 'e', 1], ['wait', 'e', 9],
  ],
  'closing: the item goes with the last descriptor, not before': [
    ['epoll', 'e'], ['eventfd', 'v', 1], ['dup', 'v', 'w'], ['ctl', 'e', ADD, 'v', EPOLLIN, 1], ['ctl', 'e', ADD, 'w', EPOLLIN, 2],
    ['wait', 'e', 4], ['close', 'v'], ['wait', 'e', 4], ['eventfd', 'v', 1], ['ctl', 'e', MOD, 'v', EPOLLIN, 9],
    ['ctl', 'e', DEL, 'v'], ['ctl', 'e', ADD, 'v', EPOLLIN, 3], ['wait', 'e', 4], ['close', 'w'], ['wait', 'e', 4],
    ['dup2', 'e', 'v'], ['wait', 'e', 4], ['wait', 'v', 4],
  ],
  'nested: a set is readable while it has an event': [
    ['epoll', 'e'], ['epoll', 'f'], ['eventfd', 'v'], ['ctl', 'e', ADD, 'f', EPOLLIN, 1], ['ctl', 'f', ADD, 'v', EPOLLIN, 2],
    ['wait', 'e', 4], ['poll', 'f', 0x3fff], ['write64', 'v', '1'], ['poll', 'f', 0x3fff], ['wait', 'e', 4], ['wait', 'e', 4],
    ['wait', 'f', 4], ['wait', 'e', 4], ['read64', 'v'], ['wait', 'e', 4], ['poll', 'f', 0x3fff],
    ['select', ['e', 'f'], ['e', 'f'], ['e', 'f']],
  ],
  'nested, edge triggered outside': [
    ['epoll', 'e'], ['epoll', 'f'], ['eventfd', 'v'], ['ctl', 'e', ADD, 'f', EPOLLIN + EPOLLET, 1],
    ['ctl', 'f', ADD, 'v', EPOLLIN, 2], ['write64', 'v', '1'], ['wait', 'e', 4], ['wait', 'e', 4], ['write64', 'v', '1'],
    ['wait', 'e', 4], ['wait', 'f', 4], ['wait', 'e', 4], ['read64', 'v'], ['wait', 'f', 4], ['write64', 'v', '1'], ['wait', 'e', 4],
  ],
  'loops and chains of sets': [
    ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((n): Step => ['epoll', n]),
    ['ctl', 'a', ADD, 'b', EPOLLIN], ['ctl', 'b', ADD, 'a', EPOLLIN], ['ctl', 'b', ADD, 'c', EPOLLIN],
    ['ctl', 'c', ADD, 'a', EPOLLIN], ['ctl', 'c', ADD, 'd', EPOLLIN], ['ctl', 'd', ADD, 'e', EPOLLIN],
    ['ctl', 'e', ADD, 'f', EPOLLIN], ['ctl', 'g', ADD, 'a', EPOLLIN], ['ctl', 'e', ADD, 'b', EPOLLIN],
    ['ctl', 'a', ADD, 'e', EPOLLIN], ['ctl', 'f', ADD, 'g', EPOLLIN], ['ctl', 'a', DEL, 'b'], ['ctl', 'g', ADD, 'b', EPOLLIN],
    ['ctl', 'a', ADD, 'b', EPOLLIN], ['ctl', 'e', ADD, 'a', EPOLLIN], ['ctl', 'a', ADD, 'b', EPOLLIN],
  ],
  'eventfd: counter, semaphore, limits, errors': [
    ['eventfd', 'v', 5], ['poll', 'v', 0x3fff], ['read64', 'v'], ['read64', 'v'], ['poll', 'v', 0x3fff], ['write64', 'v', '0'],
    ['read64', 'v'], ['write64', 'v', MAX], ['write64', 'v', '18446744073709551614'], ['poll', 'v', 0x3fff],
    ['write64', 'v', '1'], ['write64', 'v', '0'], ['read64', 'v'], ['write64', 'v', '18446744073709551613'],
    ['poll', 'v', 0x3fff], ['write64', 'v', '1'], ['read64', 'v'], ['write64', 'v', '4294967295'], ['write64', 'v', '1'],
    ['read64', 'v'], ['send', 'v', 7], ['send', 'v', 9], ['recv', 'v', 7], ['eventfd', 's', 2, c.EFD_SEMAPHORE + c.EFD_NONBLOCK],
    ['read64', 's'], ['read64', 's'], ['read64', 's'], ['write64', 's', '4294967296'], ['read64', 's'], ['poll', 's', 0x3fff],
    ['eventfd', 'x', 0, 2],
  ],
  'eventfd edge triggered: every write tells, every read tells writable': [
    ['epoll', 'e'], ['eventfd', 'v'], ['ctl', 'e', ADD, 'v', IO + EPOLLET, 1], ['wait', 'e', 4], ['wait', 'e', 4],
    ['write64', 'v', '1'], ['wait', 'e', 4], ['write64', 'v', '0'], ['wait', 'e', 4], ['wait', 'e', 4], ['read64', 'v'],
    ['wait', 'e', 4], ['wait', 'e', 4],
  ],
  'timerfd: past times fire at once, errors': [
    ['timerfd', 't'], ['poll', 't', 0x3fff], ['read64', 't'], ['recv', 't', 7], ['send', 't', 8], ['settime', 't', 1, [0, 1]],
    ['poll', 't', 0x3fff], ['read64', 't'], ['read64', 't'], ['settime', 't', 0, [1000, 0]], ['read64', 't'],
    ['settime', 't', 4, [1, 0]], ['settime', 't', 0, [-1, 0]], ['settime', 't', 0, [0, 1000000000]], ['settime', 't', 0, [1, 0], [0, -1]],
    ['settime', 'nobody', 0, [1, 0]], ['settime', 'nobody', 8, [1, 0]], ['timerfd', 'u', 99], ['timerfd', 'u', 1, 1],
    ['eventfd', 'v'], ['settime', 'v', 0, [1, 0]], ['timerfd', 'r', 0], ['settime', 'r', 1, [1, 0]], ['read64', 'r'],
    ['settime', 'r', 1, [0, 0]], ['read64', 'r'],
  ],
  'select: readable, writable, exceptional; nobody of a bad descriptor': [
    ['pair', 'a', 'b'], ['select', ['a', 'b'], ['a', 'b'], ['a', 'b']], ['send', 'a', 3], ['select', ['a', 'b'], ['a', 'b'], ['a', 'b']],
    ['shutdown', 'a', 1], ['shutdown', 'b', 1], ['select', ['a', 'b'], ['a'], ['b']], ['select', [], [], []], ['close', 'a'],
    ['select', ['b'], ['b'], ['b']],
  ],
}

/** Random steps over eventfds, pipes, local sockets, duplicates and nested sets, where the kernel has no delays. */
function generate(random: Random): Script {
  const files = ['u', 'v', 'w']
  const sets = ['e', 'f', 'g']
  const type = random.below(2) === 0 ? c.SOCK_STREAM : c.SOCK_SEQPACKET
  const steps: Step[] = [
    ...files.map((n): Step => ['eventfd', n]),
    ...sets.map((n): Step => ['epoll', n]),
    ['pipe', 'r', 's'],
    ['local', 'a', 'b', type],
  ]
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const data = (): number => random.below(1000)
  const mask = (): number =>
    pick([0, EPOLLIN, EPOLLOUT, IO, IO + EPOLLRDHUP]) + pick([0, 0, EPOLLET]) + pick([0, 0, 0, EPOLLONESHOT]) + pick([0, 0, 0, 0, EPOLLEXCLUSIVE])
  const any = [...files, ...sets, 'x', 'y', 'a', 'b', 'r', 's']
  for (let i = 0; i < 50; i++) {
    steps.push(
      pick<() => Step>([
        () => ['ctl', pick(sets), ADD, pick(any), mask(), data()],
        () => ['ctl', pick(sets), ADD, pick(files), mask(), data()],
        () => ['ctl', pick(sets), MOD, pick(any), mask(), data()],
        () => ['ctl', pick(sets), DEL, pick(any)],
        () => ['write64', pick(files), pick(['0', '1', '18446744073709551613', '18446744073709551614'])],
        () => ['write64', pick(files), '1'],
        () => ['read64', pick(files)],
        () => ['wait', pick(sets), pick([1, 2, 8])],
        () => ['wait', pick(sets), pick([1, 2, 8])],
        () => ['ctl', pick(sets), ADD, pick(['a', 'b', 'r', 's']), mask(), data()],
        () => ['send', pick(['a', 'b']), pick([1, 100]), false],
        () => ['recv', pick(['a', 'b']), pick([1, 1000]), false],
        () => ['send', 's', pick([1, 5000, 70000]), false],
        () => ['recv', 'r', pick([1, 4096, 70000]), false],
        () => (random.below(6) === 0 ? ['shutdown', pick(['a', 'b']), random.below(3), false] : ['wait', pick(sets), 8]),
        () => ['poll', pick(any), 0x3fff],
        () => ['select', files, files, files],
        () => pick<Step>([['dup', pick(any), pick(['x', 'y'])], ['close', pick(any), false], ['eventfd', pick(files)], ['epoll', pick(sets)]]),
      ])(),
    )
  }
  return steps
}

function onKernel(scripts: readonly Script[]): unknown[][] | null {
  const program = fileURLToPath(new URL('kernel.py', import.meta.url))
  const { stdout, stderr, status, error } = spawnSync('python3', [program], {
    input: JSON.stringify(scripts),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (error !== undefined) {
    if (process.env['CI'] !== undefined) throw error
    return null
  }
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as unknown[][]
}

function compare(name: string, script: Script, theirs: readonly unknown[]): void {
  const ours = runScript(script)
  script.forEach((step, i) => {
    const story = (): string => script.slice(0, i + 1).map((s, n) => `${JSON.stringify(s)} ${JSON.stringify(theirs[n])}`).join('\n')
    assert.deepEqual(ours[i], theirs[i], `${name}, step ${i} ${JSON.stringify(step)}: ours ${JSON.stringify(ours[i])}\n${story()}`)
  })
}

const isLinux = process.platform === 'linux'
const SKIP = 'python3 or Linux is not here to compare with'

test('the scripts of readiness calls give on a host what they give on the kernel (epoll(7))', async (t) => {
  const theirs = isLinux ? onKernel(Object.values(SCRIPTS)) : null
  if (theirs === null) return t.skip(SKIP)
  let i = 0
  for (const [name, script] of Object.entries(SCRIPTS)) {
    const outcome = theirs[i++] as unknown[]
    await t.test(name, () => compare(name, script, outcome))
  }
})

test('1,000 random sequences over eventfds, pipes, local sockets and nested sets give what they give on the kernel (fs/eventpoll.c)', (t) => {
  const random = new Random(Number(process.env['SEED'] ?? 20260))
  const scripts = Array.from({ length: 1000 }, () => generate(random))
  const theirs = isLinux ? onKernel(scripts) : null
  if (theirs === null) return t.skip(SKIP)
  scripts.forEach((script, i) => compare(`sequence ${i}`, script, theirs[i] as unknown[]))
})
