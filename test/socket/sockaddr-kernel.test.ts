/** Socket addresses in bytes, and which sockets there are, against the kernel of this machine: the same answers. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import type { Process } from '../../src/host/process.ts'
import * as c from '../../src/socket/constants.ts'
import { SockaddrBuffer } from '../../src/socket/sockaddr.ts'
import { SystemError } from '../../src/sys/errno.ts'
import { lone } from '../host/net.ts'

const ROOMS = [0, 1, 2, 5, 16, 111, 128]

/** The kernel's answers to the steps, or why there are none. */
function kernel(steps: readonly unknown[]): unknown[] | string {
  if (process.platform !== 'linux') return 'no Linux'
  const folder = mkdtempSync(join(tmpdir(), 'sockeye-sockaddr-'))
  try {
    const script = new URL('./kernel.py', import.meta.url).pathname
    return JSON.parse(execFileSync('python3', [script, folder], { input: JSON.stringify(steps), encoding: 'utf8' }))
  } catch (error) {
    return `no answers of the kernel: ${String(error)}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function compare(t: test.TestContext, steps: readonly unknown[], ours: (step: never) => unknown): void {
  const theirs = kernel(steps)
  if (typeof theirs === 'string') {
    assert.equal(process.env.CI, undefined, theirs)
    t.skip(theirs)
    return
  }
  const wrong = steps
    .map((step, i) => [JSON.stringify(step), JSON.stringify(ours(step as never)), JSON.stringify(theirs[i])])
    .filter(([, a, b]) => a !== b)
    .map(([step, a, b]) => `${step}: ${a}, kernel ${b}`)
  assert.equal(wrong.length, 0, `${wrong.length} differ\n${wrong.slice(0, 20).join('\n')}`)
}

/** The errno of a call, or 0 and more. */
function answer(call: () => unknown): number {
  try {
    const result = call()
    return typeof result === 'number' ? result : 0
  } catch (error) {
    if (error instanceof SystemError) return error.errno
    throw error
  }
}

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex')

function address(
  p: Process,
  [, family, type, call, data]: [string, number, number, 'bind' | 'connect' | 'sendto', string],
): unknown {
  const fd = p.socket(family, type | c.SOCK_NONBLOCK)
  try {
    return answersOf(p, fd, call, Uint8Array.from(Buffer.from(data, 'hex')))
  } finally {
    const { path } = p.getsockname(fd)
    if (path !== undefined && path !== '' && !path.startsWith('\0')) p.unlink(path)
    p.close(fd)
  }
}

function answersOf(p: Process, fd: number, call: 'bind' | 'connect' | 'sendto', bytes: Uint8Array): unknown {
  if (call === 'sendto') return [answer(() => p.sendto(fd, Uint8Array.of(120), c.MSG_NOSIGNAL, bytes))]
  const result = answer(() => p[call](fd, bytes))
  if (call !== 'bind' || result !== 0) return [result]
  const names = ROOMS.map((room) => {
    const buffer = new SockaddrBuffer(room)
    p.getsockname(fd, buffer)
    return [0, buffer.length, hex(buffer.address)]
  })
  return [result, ...names]
}

const KINDS: readonly (readonly [number, number])[] = [
  [c.AF_INET, c.SOCK_STREAM],
  [c.AF_INET, c.SOCK_DGRAM],
  [c.AF_UNIX, c.SOCK_STREAM],
  [c.AF_UNIX, c.SOCK_DGRAM],
  [c.AF_UNIX, c.SOCK_SEQPACKET],
]

/** Addresses of all families in bytes, whole, cut off and with something behind. */
function addresses(): Uint8Array[] {
  const text = (s: string): number[] => [...Buffer.from(s)]
  const whole = [
    [2, 0, 0x4e, 0x21, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0x4e, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0x4e, 0x21, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    [10, 0, 0x4e, 0x21, 0, 0, 0, 0, ...new Array(15).fill(0), 1, 0, 0, 0, 0],
    [17, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0],
    [16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 0, ...text('name')],
    [1, 0, ...text('name'), 0, ...text('rest')],
    [1, 0, ...text('äöü')],
    [1, 0, 0xff, 0xfe, 0x80, 0xc3],
    [1, 0, 0, ...text('sockaddr-abstract')],
    [1, 0, 0, ...text('sockaddr'), 0, 0, 0xff, 0xed, 0xa0, 0x80],
    [1, 0, ...new Array(107).fill(97)],
    [1, 0, ...new Array(108).fill(97)],
    [99, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
  ].map((b) => Uint8Array.from(b))
  const lengths = [0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 20, 24, 28, 109, 110, 111, 128, 129, 200]
  const cut = whole.flatMap((b) =>
    lengths.map((length) => {
      const bytes = new Uint8Array(length)
      bytes.set(b.subarray(0, length))
      return bytes
    }),
  )
  // Autobind gives a name of chance.
  return [...whole, ...cut].filter((b) => !(b.length === 2 && b[0] === 1))
}

test('bind, connect and sendto with an address in bytes: addrlen and family give the kernel’s errno and name (CONCEPTS AD1)', (t) => {
  const steps = KINDS.flatMap(([family, type]) =>
    ['bind', 'connect', 'sendto'].flatMap((call) =>
      addresses().map((b) => ['address', family, type, call, hex(b), b.length] as const),
    ),
  )
  const { process } = lone()
  compare(t, steps, (step) => address(process, step))
})

test('socket: every family, type and protocol answers as the kernel does, where families are the same (CONCEPTS SC2)', (t) => {
  // What this kernel may have and a virtual host has not (docs/differences.md).
  const foreign = new Set([c.AF_INET6, 40, 44])
  const { process } = lone()
  const isForeign = (type: number, protocol: number): boolean =>
    (type === c.SOCK_STREAM && (protocol === c.IPPROTO_MPTCP || protocol === 256)) ||
    (type === c.SOCK_DGRAM && protocol === c.IPPROTO_UDPLITE) ||
    type === c.SOCK_PACKET
  const steps: [string, number, number, number][] = []
  for (let family = -1; family <= 47; family++) {
    if (foreign.has(family)) continue
    for (let type = 0; type <= 12; type++) {
      for (const protocol of [-1, 0, 1, 2, 4, 6, 17, 41, 47, 132, 136, 255, 256, 262, 263, 0x7fffffff])
        if (!isForeign(type, protocol) && !(family === c.AF_NETLINK && protocol !== 0))
          steps.push(['socket', family, type, protocol])
    }
  }
  compare(t, steps, ([, family, type, protocol]: [string, number, number, number]) => {
    const fd = process.sys.socket(family, type, protocol)
    if (fd < 0) return fd
    process.close(fd)
    return 0
  })
})

test('a family without sockets here is refused by its name (CONCEPTS SC2)', () => {
  const { process } = lone()
  assert.throws(() => process.socket(c.AF_TIPC, c.SOCK_STREAM), {
    code: 'EAFNOSUPPORT',
    message: 'socket EAFNOSUPPORT AF_TIPC',
  })
  assert.throws(() => process.socket(c.AF_KEY, c.SOCK_RAW, 2), {
    code: 'EAFNOSUPPORT',
    message: 'socket EAFNOSUPPORT AF_KEY',
  })
  assert.throws(() => process.socket(77, c.SOCK_RAW), { code: 'EAFNOSUPPORT', message: 'socket EAFNOSUPPORT 77' })
})
